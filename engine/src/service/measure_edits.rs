//! Measuring jobs: edits by several ways of editing.

use std::path::Path;

use super::measure::Bench;
use super::{EditsTask, Measured};
use crate::checkpoint::{MeterOptions, open_clip};
use crate::measure::{EditBenchPlan, EditJudge, EditPage, EditWorkbench, Meter};
use crate::picture::Picture;
use crate::recipe::Recipe;
use crate::{EngineError, Result};

/// Folder of both of CLIP's towers within a model's.
const CLIP: &str = "clip";

impl EditWorkbench for Bench<'_> {
    fn edit(&mut self, recipe: &Recipe) -> Result<Picture> {
        let rendered = self.make(recipe)?;
        let edit = rendered.edit.map(|edit| edit.drawn);
        Ok(edit.unwrap_or(rendered.picture))
    }
}

impl EditsTask {
    /// Makes and judges the edits of `base` with the model in `folder`.
    pub(super) fn run(
        &self,
        base: &Recipe,
        folder: &Path,
        asked: &MeterOptions,
        meter: &dyn Meter,
        bench: &mut Bench<'_>,
    ) -> Result<Measured> {
        let clip = asked.clip.clone().unwrap_or_else(|| folder.join(CLIP));
        if !clip.is_dir() {
            return Err(EngineError::request(
                "clip",
                format!(
                    "{} has no folder \"{CLIP}\"; name a folder with both of CLIP's towers with \
                     --clip",
                    folder.display()
                ),
            ));
        }
        let clip = open_clip(&clip, bench.renderer.device())?;
        let judge = EditJudge { clip: &clip, meter };
        let plan = EditBenchPlan {
            base: base.clone(),
            cases: self.cases.clone(),
            trials: self.trials.clone(),
        };
        bench.expect(plan.pictures());
        let mut page = EditPage::of_first(self.shown);
        let mut made = plan.run(&judge, bench, &mut page)?;
        bench.renderer.hash().clone_into(&mut made.model_hash);
        Ok(Measured::Edits {
            bench: Box::new(made),
            page: page.draw()?,
        })
    }
}
