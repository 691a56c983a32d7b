//! All cases by all trials.

use std::path::Path;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::judge::Seen;
use super::{EditCase, EditFigures, EditJudge, EditTrial};
use crate::measure::{EditPage, Workbench};
use crate::picture::{Mask, Picture, read_image};
use crate::recipe::{Change, MaskUse, PictureRef, Recipe, Source};
use crate::{EngineError, Result};

/// The newest version of edit benches that this program writes.
pub const EDIT_BENCH_VERSION: u32 = 1;

/// How many edits of two things are timed, each beside a plain render.
const TIMED: usize = 5;

/// Makes edits that are measured.
pub trait EditWorkbench: Workbench {
    /// The picture as the model drew it for the edit of `recipe`, before the source was put back
    /// outside of the masks.
    ///
    /// # Errors
    /// It cannot be made, or the work was cancelled.
    fn edit(&mut self, recipe: &Recipe) -> Result<Picture>;
}

/// What is measured.
#[derive(Debug, Clone, PartialEq)]
pub struct EditBenchPlan {
    /// Everything of a recipe but what a case says; case number n has its seed plus n.
    pub base: Recipe,
    /// The cases, with paths that can be read, and the number of each in its list.
    pub cases: Vec<(usize, EditCase)>,
    /// By which ways of editing.
    pub trials: Vec<EditTrial>,
}

/// Everything that was measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EditBench {
    /// [`EDIT_BENCH_VERSION`].
    pub version: u32,
    /// SHA-256 over the model's files, in hex.
    pub model_hash: String,
    /// Steps of every edit.
    pub steps: u32,
    /// Its guidance scale.
    pub guidance_scale: f64,
    /// One a case and trial.
    pub results: Vec<EditResult>,
    /// Seconds of edits of two things by our method, and of plain renders in as many steps, medians;
    /// absent where no case has two.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secs: Option<[f64; 2]>,
}

/// One case by one trial.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EditResult {
    /// The case's number in its list, from 0.
    pub case: usize,
    /// Its type.
    pub kind: String,
    /// How many things change.
    pub things: usize,
    /// By which way.
    pub trial: EditTrial,
    /// What came of it.
    #[serde(flatten)]
    pub figures: EditFigures,
}

/// The middle one of `values`, of which there is one; the upper one of two.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

impl EditBenchPlan {
    /// How many pictures a model makes.
    pub fn pictures(&self) -> usize {
        let with_model = |trial: &&EditTrial| **trial != EditTrial::Truth;
        let edits = self.cases.len() * self.trials.iter().filter(with_model).count();
        let pairs = self.cases.iter().filter(|(_, case)| case.edits.len() == 2);
        let timed = self.trials.contains(&EditTrial::Ours);
        edits + if timed { pairs.count().min(TIMED) } else { 0 }
    }

    /// Makes and judges everything; `page` takes pictures to be looked at.
    ///
    /// # Errors
    /// A picture cannot be read or made, or the work was cancelled.
    pub fn run(
        &self,
        judge: &EditJudge<'_>,
        bench: &mut dyn EditWorkbench,
        page: &mut EditPage,
    ) -> Result<EditBench> {
        let mut results = Vec::new();
        let mut secs: [Vec<f64>; 2] = [Vec::new(), Vec::new()];
        for (number, case) in &self.cases {
            let size = (self.base.width_px, self.base.height_px);
            let picture =
                |path: &Path| -> Result<Picture> { Ok(read_image(path)?.covering(size.0, size.1)) };
            let masks = case.edits.iter().map(|edit| {
                let mask = Mask::from_picture(&picture(&edit.mask)?);
                if mask.is_empty() {
                    let problem = "is black, so nothing could change there";
                    return Err(EngineError::bad_file(&edit.mask, problem));
                }
                Ok(mask)
            });
            let masks: Vec<Mask> = masks.collect::<Result<_>>()?;
            let seen = judge.look(case, picture(&case.image)?, masks)?;
            page.begin(case, &seen.source);
            for &trial in &self.trials {
                let started = Instant::now();
                let drawn = match (self.recipe(*number, case, trial), &case.truth) {
                    (Some(recipe), _) => bench.edit(&recipe)?,
                    (None, Some(truth)) => picture(truth)?,
                    (None, None) => continue,
                };
                let taken = started.elapsed().as_secs_f64();
                page.take(trial, &drawn);
                results.push(result(*number, &seen, trial, judge.judge(&seen, &drawn)?));
                let timed = trial == EditTrial::Ours && case.edits.len() == 2;
                if timed && secs[1].len() < TIMED {
                    let mut plain = self.base.clone();
                    plain.prompt.clone_from(&case.prompt);
                    let started = Instant::now();
                    bench.render(&plain)?;
                    secs[1].push(started.elapsed().as_secs_f64());
                    secs[0].push(taken);
                }
            }
        }
        Ok(EditBench {
            version: EDIT_BENCH_VERSION,
            model_hash: String::new(),
            steps: self.base.steps,
            guidance_scale: self.base.guidance_scale,
            results,
            secs: (!secs[0].is_empty()).then(|| secs.map(median)),
        })
    }

    /// The recipe of a case by a trial; `None` where no model is at work.
    fn recipe(&self, number: usize, case: &EditCase, trial: EditTrial) -> Option<Recipe> {
        let changes = case.edits.iter().map(|edit| Change {
            mask: Some(MaskUse::new(PictureRef::at(&edit.mask))),
            ..Change::new(edit.from.clone(), edit.to.clone())
        });
        let (edit, strength) = trial.edit(changes.collect())?;
        Some(Recipe {
            prompt: case.prompt.clone(),
            seed: self.base.seed.wrapping_add(number as u64),
            source: Some(Source::new(PictureRef::at(&case.image), strength)),
            edit: Some(edit),
            ..self.base.clone()
        })
    }
}

fn result(case: usize, seen: &Seen<'_>, trial: EditTrial, figures: EditFigures) -> EditResult {
    EditResult {
        case,
        kind: seen.case.kind.clone(),
        things: seen.masks.len(),
        trial,
        figures,
    }
}
