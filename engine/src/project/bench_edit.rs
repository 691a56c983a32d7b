//! The two ways to edit a picture, of which the bench has one at a time: by paint and by words.

use super::Bench;
use crate::recipe::{Change, Edit};

impl Bench {
    /// Whether the source is edited by words.
    pub fn is_edited_by_words(&self) -> bool {
        self.recipe.edit.is_some()
    }

    /// From editing by paint to editing by words, or back. What belongs to the one way, the source's
    /// mask and strength and the regions or the edit, is kept aside and comes back with it. Nothing
    /// happens without a source.
    pub fn toggle_edit_by_words(&mut self) {
        let Some(source) = &self.recipe.source else {
            return;
        };
        let by_words = !self.is_edited_by_words();
        let mut next = self.recipe.clone();
        let aside = self.aside.take().map(|aside| *aside);
        let old = aside.as_ref().and_then(|aside| aside.source.clone());
        let mut new = source.clone();
        if by_words {
            // Its changes have places of their own, and each goes as far as its own strength says.
            (new.mask, new.only_masked, new.strength) = (None, None, 1.0);
            next.regions.clear();
            let edit = aside.and_then(|aside| aside.edit);
            next.edit = edit.or_else(|| Some(Edit::new(vec![Change::new("", "")])));
        } else {
            if let Some(old) = old {
                (new.mask, new.only_masked) = (old.mask, old.only_masked);
                new.strength = old.strength;
            }
            next.regions = aside.map_or_else(Vec::new, |aside| aside.regions);
            next.edit = None;
        }
        next.source = Some(new);
        let before = std::mem::replace(&mut self.recipe, next);
        self.aside = Some(Box::new(before));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::tests::sample;
    use crate::recipe::{MaskUse, PictureRef, Region, Source};

    fn picture(hash: &str) -> PictureRef {
        PictureRef {
            hash: hash.to_owned(),
            ..PictureRef::default()
        }
    }

    #[test]
    fn each_way_keeps_what_belongs_to_it() {
        let mut bench = Bench::new(sample());
        bench.toggle_edit_by_words();
        assert!(!bench.is_edited_by_words(), "there is no source");
        let mut source = Source::new(picture("a"), 0.6);
        source.mask = Some(MaskUse::new(picture("b")));
        source.only_masked = Some(8);
        bench.recipe.source = Some(source);
        bench.recipe.regions = vec![Region::new("a cat", MaskUse::new(picture("c")))];
        let by_paint = bench.recipe.clone();

        bench.toggle_edit_by_words();
        let edit = bench.recipe.edit.as_mut().unwrap();
        edit.changes[0] = Change::new("black cat", "white cat");
        bench.recipe.seed = 9;
        bench.recipe.validate().unwrap();
        let by_words = bench.recipe.clone();

        bench.toggle_edit_by_words();
        let expected = crate::recipe::Recipe {
            seed: 9,
            ..by_paint
        };
        assert_eq!(
            bench.recipe, expected,
            "what belongs to both stays as it is"
        );
        bench.toggle_edit_by_words();
        assert_eq!(bench.recipe, by_words);
    }
}
