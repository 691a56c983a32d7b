//! Pictures without the control.

use std::collections::{BTreeMap, HashMap};

use crate::Result;
use crate::measure::statistics::mean;
use crate::measure::{Meter, Sweep, SweepPlan, Workbench, perceptual_distance, picture_tensor};
use crate::picture::Picture;
use crate::recipe::{ControlScale, Recipe};

/// The pictures without the control, made once for all sweeps.
#[derive(Default)]
pub(super) struct Zeros {
    made: HashMap<(String, u64), Picture>,
}

impl Zeros {
    pub(super) fn run(
        &mut self,
        plan: &SweepPlan,
        meter: &dyn Meter,
        bench: &mut dyn Workbench,
    ) -> Result<Sweep> {
        let mut render_once = |recipe: &Recipe| {
            let own = recipe.controls.last();
            if own.is_some_and(|c| c.scale == ControlScale::Calibrated && c.value == 0.0) {
                self.make(recipe, bench)
            } else {
                bench.render(recipe)
            }
        };
        plan.run(meter, &mut render_once, &mut |_, _, _| Ok(()))
    }

    /// The picture of `recipe`, in which the control is not at work.
    pub(super) fn make(&mut self, recipe: &Recipe, bench: &mut dyn Workbench) -> Result<Picture> {
        let key = (recipe.prompt.clone(), recipe.seed);
        if let Some(picture) = self.made.get(&key) {
            return Ok(picture.clone());
        }
        let picture = bench.render(recipe)?;
        self.made.insert(key, picture.clone());
        Ok(picture)
    }

    /// Mean perceptual distance between two seeds of one prompt; `None` where there are none.
    pub(super) fn distance_between_seeds(&self, meter: &dyn Meter) -> Result<Option<f64>> {
        let mut by_prompt: BTreeMap<&str, Vec<(u64, &Picture)>> = BTreeMap::new();
        for ((prompt, seed), picture) in &self.made {
            by_prompt.entry(prompt).or_default().push((*seed, picture));
        }
        let mut distances = Vec::new();
        for pictures in by_prompt.values_mut() {
            pictures.sort_by_key(|(seed, _)| *seed);
            if let [(_, a), (_, b), ..] = pictures[..] {
                let (a, b) = (picture_tensor(&[a])?, picture_tensor(&[b])?);
                distances.extend(perceptual_distance(meter, &a, &b)?.into_iter().flatten());
            }
        }
        Ok((!distances.is_empty()).then(|| mean(&distances)))
    }
}
