//! What a picture shows of an edit: what was asked for, and what was not.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

use super::EditCase;
use crate::measure::{ClipReader, Meter, OutsideChange, perceptual_distance, picture_tensor};
use crate::picture::{Mask, Picture};
use crate::{EngineError, Result};

/// The figures of one picture.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EditFigures {
    /// Target-external leakage (arXiv 2412.04715, TELS): 100 × the mean cosine, to CLIP, of the
    /// picture with all things blacked out and each thing's new words.
    pub tels: f64,
    /// Target-internal leakage (TILS): 100 × the mean cosine of each thing alone and the new words
    /// of every other; absent where only one thing changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tils: Option<f64>,
    /// 100 × the mean cosine of each thing alone and its own new words.
    pub clip_edited: f64,
    /// Mean square difference of the self-similarities of CLIP's patches.
    pub structure: f64,
    /// What has changed outside of all masks.
    pub background: OutsideChange,
    /// Mean square difference there, of levels in 0..=1.
    pub background_mse: f64,
    /// Perceptual distance with the insides of the masks blotted out; absent where the meter has no
    /// features.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub background_distance: Option<f64>,
    /// The part of the things that show what was asked for.
    pub success: f64,
    /// Whether any thing shows what was asked for of another; absent where only one changes or the
    /// meter cannot tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wrong_object: Option<bool>,
    /// PSNR of the whole picture in dB; absent where nothing differs from the source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub whole_psnr_db: Option<f64>,
}

/// Looks at edits through CLIP, and through the model's own meter where it has one.
#[derive(Debug)]
pub struct EditJudge<'a> {
    /// Both towers of CLIP.
    pub clip: &'a ClipReader,
    /// What reads classes; where it reads none, CLIP says which words fit better.
    pub meter: &'a dyn Meter,
}

/// One case, with its pictures read.
pub(super) struct Seen<'a> {
    pub(super) case: &'a EditCase,
    pub(super) source: Picture,
    /// One an edit.
    pub(super) masks: Vec<Mask>,
    /// All of them together.
    pub(super) whole: Mask,
    /// What the meter reads of the source, an edit each.
    read: Vec<Option<BTreeMap<String, String>>>,
    /// New words, then old ones, as unit vectors `[2 · edits, d]`.
    words: Tensor,
    /// Self-similarity of the source's patches.
    alike: Tensor,
}

impl EditJudge<'_> {
    /// The figures of `picture`, an edit of `source` as `case` asks for it, whose `masks` are one an
    /// edit. All are of one size.
    ///
    /// # Errors
    /// A text cannot be read by CLIP, sizes differ, or memory runs out.
    pub fn figures(
        &self,
        case: &EditCase,
        source: Picture,
        masks: Vec<Mask>,
        picture: &Picture,
    ) -> Result<EditFigures> {
        self.judge(&self.look(case, source, masks)?, picture)
    }

    /// Looks at the source of `case`.
    ///
    /// # Errors
    /// A text cannot be read by CLIP, sizes differ, or memory runs out.
    pub(super) fn look<'c>(
        &self,
        case: &'c EditCase,
        source: Picture,
        masks: Vec<Mask>,
    ) -> Result<Seen<'c>> {
        let _guard = tch::no_grad_guard();
        let Some((first, others)) = masks.split_first() else {
            return Err(EngineError::request("mask", "the case has none"));
        };
        let whole = others.iter().fold(first.clone(), |sum, m| sum.joined(m));
        let new = case.edits.iter().map(|edit| edit.to.as_str());
        let old = case.edits.iter().map(|edit| edit.from.as_str());
        let words: Vec<&str> = new.chain(old).collect();
        Ok(Seen {
            read: self.classes(case, &source)?,
            words: self.clip.text_features(&words)?,
            alike: self.self_similarity(&source)?,
            case,
            source,
            masks,
            whole,
        })
    }

    /// The figures of `picture`, an edit of `seen`.
    ///
    /// # Errors
    /// Sizes differ, or memory runs out.
    pub(super) fn judge(&self, seen: &Seen<'_>, picture: &Picture) -> Result<EditFigures> {
        let _guard = tch::no_grad_guard();
        let things = seen.masks.len();
        let outside = kept(picture, &seen.whole.inverted());
        let insides: Vec<Picture> = seen.masks.iter().map(|mask| kept(picture, mask)).collect();
        let all: Vec<&Picture> = [&outside].into_iter().chain(&insides).collect();
        let features = self.clip.picture_features(&picture_tensor(&all)?)?;
        // `[1 + things, 2 · things]`.
        let cosines = features.f_matmul(&seen.words.f_transpose(0, 1)?)?;
        let cosine = |row: usize, text: usize| cosines.double_value(&[row as i64, text as i64]);
        let mean_of = |values: Vec<f64>| {
            let count = values.len().max(1) as f64;
            100.0 * values.into_iter().sum::<f64>() / count
        };
        let others = (0..things).flat_map(|i| (0..things).map(move |j| (i, j)));
        let others: Vec<f64> = others
            .filter(|(i, j)| i != j)
            .map(|(i, j)| cosine(1 + j, i))
            .collect();

        let read = self.classes(seen.case, picture)?;
        let shows = |at: usize| match &read[at] {
            Some(read) => seen.case.edits[at]
                .expect
                .iter()
                .all(|(attribute, class)| read.get(attribute) == Some(class)),
            None => cosine(1 + at, at) > cosine(1 + at, things + at),
        };
        let background = OutsideChange::of(&seen.source, picture, &seen.whole)?;
        let all_of_it = Mask::new(picture.width_px, picture.height_px);
        let blotted = kept(&seen.source, &seen.whole.inverted());
        let [before, after] = [&blotted, &outside].map(|p| picture_tensor(&[p]));
        let distance = perceptual_distance(self.meter, &before?, &after?)?;
        Ok(EditFigures {
            tels: mean_of((0..things).map(|i| cosine(0, i)).collect()),
            tils: (things > 1).then(|| mean_of(others)),
            clip_edited: mean_of((0..things).map(|i| cosine(1 + i, i)).collect()),
            structure: self
                .self_similarity(picture)?
                .f_sub(&seen.alike)?
                .f_square()?
                .f_mean(Kind::Double)?
                .double_value(&[]),
            background_mse: background
                .psnr_db
                .map_or(0.0, |psnr| 10.0_f64.powf(-psnr / 10.0)),
            background,
            background_distance: distance.and_then(|d| d.first().copied()),
            success: (0..things).filter(|&at| shows(at)).count() as f64 / things as f64,
            wrong_object: wrong_object(seen.case, &seen.read, &read),
            whole_psnr_db: OutsideChange::of(&seen.source, picture, &all_of_it)?.psnr_db,
        })
    }

    /// What the meter reads at each edit's place; `None` where nothing is expected of it.
    fn classes(
        &self,
        case: &EditCase,
        picture: &Picture,
    ) -> Result<Vec<Option<BTreeMap<String, String>>>> {
        let pixels = picture_tensor(&[picture])?;
        let edits = case.edits.iter().map(|edit| {
            let Some(place) = edit.place.filter(|_| !edit.expect.is_empty()) else {
                return Ok(None);
            };
            let read = self.meter.read_classes(&pixels, place)?;
            Ok(read.and_then(|read| read.into_iter().next()))
        });
        edits.collect()
    }

    /// Cosines `[patches, patches]` of the patches' states after CLIP's last layer, as PIE-Bench
    /// takes those of DINO (Tumanyan et al., arXiv 2201.00424).
    fn self_similarity(&self, picture: &Picture) -> Result<Tensor> {
        let pixels = self.clip.prepare(&picture_tensor(&[picture])?)?;
        let output = self.clip.model().vision.forward(&pixels)?;
        let last = output
            .hidden_states
            .last()
            .ok_or_else(|| EngineError::request("clip", "its image tower has no layers"))?;
        // Without the class token.
        let patches = last.f_get(0)?;
        let patches = patches.f_narrow(0, 1, patches.size()[0] - 1)?;
        let patches = patches.f_to_kind(Kind::Float)?;
        let length = patches
            .f_square()?
            .f_sum_dim_intlist([1_i64].as_slice(), true, None::<Kind>)?
            .f_sqrt()?
            .f_add_scalar(1e-10)?;
        let unit = patches.f_div(&length)?;
        Ok(unit.f_matmul(&unit.f_transpose(0, 1)?)?)
    }
}

/// Whether a thing reads as what was asked of another one: neither what was asked of it, nor what it
/// was. `before` and `after` are readings an edit each.
fn wrong_object(
    case: &EditCase,
    before: &[Option<BTreeMap<String, String>>],
    after: &[Option<BTreeMap<String, String>>],
) -> Option<bool> {
    if case.edits.len() < 2 || after.iter().any(Option::is_none) {
        return None;
    }
    let of_another = |own: usize, class: &String| {
        let others = case.edits.iter().enumerate().filter(|(at, _)| *at != own);
        others
            .flat_map(|(_, edit)| edit.expect.values())
            .any(|asked| asked == class)
    };
    Some(case.edits.iter().enumerate().any(|(own, edit)| {
        edit.expect.iter().any(|(attribute, asked)| {
            let at = |read: &[Option<BTreeMap<String, String>>]| {
                read[own]
                    .as_ref()
                    .and_then(|read| read.get(attribute).cloned())
            };
            let (was, is) = (at(before), at(after));
            is != was && is.is_some_and(|is| is != *asked && of_another(own, &is))
        })
    }))
}

/// `picture` where `mask` is white, black elsewhere.
fn kept(picture: &Picture, mask: &Mask) -> Picture {
    let mut out = picture.clone();
    let pixels = out.rgb.chunks_exact_mut(3);
    for (pixel, &coverage) in pixels.zip(mask.coverage()) {
        if coverage < 128 {
            pixel.fill(0);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::CaseEdit;

    fn edit(attribute: &str, class: &str) -> CaseEdit {
        CaseEdit {
            from: String::new(),
            to: String::new(),
            mask: "m.png".into(),
            place: None,
            expect: [(attribute.to_owned(), class.to_owned())].into(),
        }
    }

    fn reads(classes: [(&str, &str); 2]) -> Vec<Option<BTreeMap<String, String>>> {
        let one = |(attribute, class): (&str, &str)| {
            Some([(attribute.to_owned(), class.to_owned())].into())
        };
        classes.into_iter().map(one).collect()
    }

    #[test]
    fn a_swap_is_a_change_of_the_wrong_thing_and_a_miss_is_none() {
        let case = EditCase {
            image: "i.png".into(),
            prompt: String::new(),
            kind: "color".to_owned(),
            edits: vec![edit("paint_color", "red"), edit("fur_color", "black")],
            truth: None,
        };
        let before = reads([("paint_color", "blue"), ("fur_color", "white")]);
        for (after, wrong) in [
            (["red", "black"], false),
            (["blue", "white"], false),
            (["green", "grey"], false),
            (["black", "black"], true),
            (["red", "red"], true),
        ] {
            let after = reads([("paint_color", after[0]), ("fur_color", after[1])]);
            assert_eq!(
                wrong_object(&case, &before, &after),
                Some(wrong),
                "{after:?}"
            );
        }
        // It was so before.
        let before = reads([("paint_color", "black"), ("fur_color", "white")]);
        assert_eq!(wrong_object(&case, &before, &before), Some(false));
        assert_eq!(wrong_object(&case, &before, &[None, None]), None);
    }

    #[test]
    fn what_is_not_looked_at_is_black() {
        let picture = Picture {
            width_px: 2,
            height_px: 1,
            rgb: vec![9, 8, 7, 6, 5, 4],
        };
        let mask = Mask::from_coverage(2, 1, vec![255, 0]).unwrap();
        assert_eq!(kept(&picture, &mask).rgb, [9, 8, 7, 0, 0, 0]);
        assert_eq!(kept(&picture, &mask.inverted()).rgb, [0, 0, 0, 6, 5, 4]);
    }
}
