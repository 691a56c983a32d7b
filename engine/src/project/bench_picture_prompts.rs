//! The bench's picture prompts and their switches.

use super::Bench;
use crate::recipe::{PicturePromptUse, PictureRef, PictureTakes};

impl Bench {
    /// All picture prompts in the order in which they were added, those at work before the muted;
    /// with each whether it is muted. Their places in it are what the other functions take.
    pub fn picture_prompts(&self) -> Vec<(&PicturePromptUse, bool)> {
        let at_work = self.recipe.picture_prompts.iter().map(|own| (own, false));
        let muted = self.muted_picture_prompts.iter().map(|own| (own, true));
        at_work.chain(muted).collect()
    }

    /// Puts a picture prompt to work beside those that are there.
    pub fn add_picture_prompt(&mut self, own: PicturePromptUse) {
        self.recipe.picture_prompts.push(own);
    }

    fn picture_prompt_mut(&mut self, at: usize) -> Option<&mut PicturePromptUse> {
        let at_work = self.recipe.picture_prompts.iter_mut();
        at_work.chain(&mut self.muted_picture_prompts).nth(at)
    }

    /// Weighs the picture prompt at `at`, whether it is at work or muted.
    pub fn weigh_picture_prompt(&mut self, at: usize, weight: f64) {
        if let Some(own) = self.picture_prompt_mut(at) {
            own.weight = weight;
        }
    }

    /// Says what the picture prompt at `at` takes of its pictures; blocks of its own are forgotten.
    pub fn set_picture_takes(&mut self, at: usize, takes: PictureTakes) {
        if let Some(own) = self.picture_prompt_mut(at) {
            own.takes = takes;
            own.blocks.clear();
        }
    }

    /// Gives the picture prompt at `at` one more picture, unless it has it.
    pub fn add_prompt_picture(&mut self, at: usize, picture: PictureRef) {
        let own = self.picture_prompt_mut(at);
        if let Some(own) = own.filter(|own| !own.pictures.contains(&picture)) {
            own.pictures.push(picture);
        }
    }

    /// Takes the picture `index` from the picture prompt at `at`; with its last picture the prompt
    /// goes.
    pub fn remove_prompt_picture(&mut self, at: usize, index: usize) {
        let Some(own) = self.picture_prompt_mut(at) else {
            return;
        };
        if index < own.pictures.len() {
            own.pictures.remove(index);
        }
        if own.pictures.is_empty() {
            self.remove_picture_prompt(at);
        }
    }

    /// Switches the picture prompt at `at` off, or on again; it keeps its weight.
    pub fn toggle_picture_prompt_mute(&mut self, at: usize) {
        let count = self.recipe.picture_prompts.len();
        let muted = &mut self.muted_picture_prompts;
        if at < count {
            muted.push(self.recipe.picture_prompts.remove(at));
        } else if at - count < muted.len() {
            self.recipe.picture_prompts.push(muted.remove(at - count));
        }
    }

    /// Takes the picture prompt at `at` off the bench.
    pub fn remove_picture_prompt(&mut self, at: usize) {
        let count = self.recipe.picture_prompts.len();
        let muted = &mut self.muted_picture_prompts;
        if at < count {
            self.recipe.picture_prompts.remove(at);
        } else if at - count < muted.len() {
            muted.remove(at - count);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::tests::sample;

    fn named(hash: &str) -> PictureRef {
        PictureRef {
            hash: hash.to_owned(),
            ..PictureRef::default()
        }
    }

    #[test]
    fn picture_prompts_are_weighed_muted_and_removed() {
        let before = Bench::new(sample());
        let mut bench = before.clone();
        for weight in [0.5, 0.7] {
            bench.add_picture_prompt(PicturePromptUse::new("ip", vec![named("a")], weight));
        }
        bench.toggle_picture_prompt_mute(0);
        let order = |bench: &Bench| -> Vec<(f64, bool)> {
            let all = bench.picture_prompts().into_iter();
            all.map(|(own, muted)| (own.weight, muted)).collect()
        };
        assert_eq!(order(&bench), [(0.7, false), (0.5, true)]);
        bench.weigh_picture_prompt(1, 0.25);
        bench.set_picture_takes(1, PictureTakes::Style);
        bench.add_prompt_picture(1, named("b"));
        bench.add_prompt_picture(1, named("b"));
        bench.toggle_picture_prompt_mute(1);
        assert_eq!(order(&bench), [(0.7, false), (0.25, false)]);
        let own = &bench.recipe.picture_prompts[1];
        assert_eq!((own.pictures.len(), own.takes), (2, PictureTakes::Style));
        bench.remove_prompt_picture(1, 0);
        assert_eq!(bench.recipe.picture_prompts[1].pictures, [named("b")]);
        bench.remove_prompt_picture(1, 0);
        bench.remove_picture_prompt(7);
        bench.remove_picture_prompt(0);
        assert_eq!(bench, before);
    }
}
