//! A quick look at a recipe, before it is rendered in full.

use crate::recipe::{ControlScale, Recipe};

/// This part of the steps is enough to see where a control leads.
const COARSE_PART: u32 = 4;
/// Below this a picture shows nothing.
const FEWEST_STEPS: u32 = 4;
/// Beyond this a hand on a slider would feel the wait.
const MOST_STEPS: u32 = 5;

impl Recipe {
    /// The same picture in a quarter of the steps, five at most, and in one pass; `None` where that would save nothing, or where
    /// a control is still to be searched for with whole renders.
    pub fn coarse(&self) -> Option<Self> {
        let quick = |steps: u32| {
            let part = steps.div_ceil(COARSE_PART);
            part.clamp(FEWEST_STEPS, MOST_STEPS)
        };
        // What starts from a picture walks the last of its steps only.
        let steps = self.source.as_ref().map_or(quick(self.steps), |source| {
            let walked = quick(source.walked_steps(self.steps));
            (f64::from(walked) / source.strength).ceil() as u32
        });
        let mut controls = self.controls.iter();
        let searched = controls.any(|c| c.scale == ControlScale::Measured && c.resolved.is_none());
        let saves = steps < self.steps || self.highres.is_some();
        (saves && !searched).then(|| Self {
            steps: steps.min(self.steps),
            highres: None,
            ..self.clone()
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::recipe::tests::sample;
    use crate::recipe::{PictureRef, Source};

    #[test]
    fn a_quarter_of_the_steps_is_taken_where_that_saves_something() {
        let mut recipe = sample();
        recipe.steps = 20;
        assert_eq!(recipe.coarse().map(|r| r.steps), Some(5));
        recipe.steps = 50;
        assert_eq!(recipe.coarse().map(|r| r.steps), Some(5));
        recipe.steps = 5;
        assert_eq!(recipe.coarse().map(|r| r.steps), Some(4));
        recipe.steps = 4;
        assert_eq!(recipe.coarse(), None);
        recipe.steps = 20;
        recipe.source = Some(Source::new(PictureRef::default(), 0.25));
        assert_eq!(recipe.coarse().map(|r| r.steps), Some(16));
        recipe.source = Some(Source::new(PictureRef::default(), 0.1));
        assert_eq!(recipe.coarse(), None);
        recipe.steps = 100;
        let coarse = recipe.coarse().unwrap();
        assert_eq!(coarse.source.unwrap().walked_steps(coarse.steps), 4);
        (recipe.steps, recipe.source) = (20, None);
        recipe.controls = vec!["smile:=0.5".parse().unwrap()];
        assert_eq!(recipe.coarse(), None);
        recipe.controls[0].resolved = Some(1.0);
        assert!(recipe.coarse().is_some());
    }
}
