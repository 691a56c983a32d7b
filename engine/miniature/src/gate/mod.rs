//! The gate between text tower and U-Net: does the text carry every attribute?
//!
//! For each attribute: how far the noun's own token and the last token move (1 − cosine) when that
//! attribute alone changes in the caption. Retrieval accuracy hides what this shows.

use std::fmt::Write as _;

use anyhow::Result;
use tch::{Device, Kind, Tensor};
use vernier_engine::models::clip::ClipTextModel;
use vernier_world::{Attribute, Caption, Continuous, Discrete, SampleOptions, Scene, Value};

use crate::data::Captioner;
use crate::pool::held_out_scene;

/// An attribute passes with at least this fraction of the median movement.
pub const PASS_FRACTION: f64 = 0.25;

/// One line of the gate's table.
#[derive(Debug, Clone, PartialEq)]
pub struct GateRow {
    /// What changes.
    pub change: String,
    /// Mean movement of the noun's token; none for changes of the picture as a whole.
    pub noun: Option<f64>,
    /// Mean movement of the last token.
    pub last: f64,
    /// Whether both reach the required fraction.
    pub passes: bool,
}

/// The gate's verdict.
#[derive(Debug, Clone, PartialEq)]
pub struct GateReport {
    /// One row a change.
    pub rows: Vec<GateRow>,
    /// Median movement of the noun's token over all attributes.
    pub median_noun: f64,
    /// Median movement of the last token.
    pub median_last: f64,
}

impl GateReport {
    /// Whether every row passes.
    pub fn passes(&self) -> bool {
        self.rows.iter().all(|r| r.passes)
    }

    /// The table in Markdown.
    pub fn markdown(&self) -> String {
        let mut text = String::from("| change | noun's token | last token | |\n|---|---|---|---|\n");
        for row in &self.rows {
            let noun = row.noun.map_or_else(|| "–".to_owned(), |n| format!("{n:.3}"));
            let verdict = if row.passes { "passes" } else { "**fails**" };
            let _ = writeln!(text, "| {} | {noun} | {:.3} | {verdict} |", row.change, row.last);
        }
        let _ = writeln!(text, "| median | {:.3} | {:.3} | |", self.median_noun, self.median_last);
        text
    }
}

struct Probe<'a> {
    model: &'a ClipTextModel,
    captioner: &'a Captioner,
    device: Device,
}

impl Probe<'_> {
    /// Mean 1 − cosine of the first subject's noun token and of the last token over pairs.
    fn movement(&self, pairs: &[(Caption, Caption)], subjects: &[usize]) -> Result<(f64, f64)> {
        let _guard = tch::no_grad_guard();
        let states = |captions: Vec<Caption>| -> Result<(Tensor, Tensor)> {
            let batch = self.captioner.batch(&captions, None)?;
            let out = self.model.forward(&batch.ids.f_to_device(self.device)?)?;
            let hidden = out.last_hidden_state.f_to_kind(Kind::Float)?;
            let rows: Vec<i64> = (0..captions.len() as i64).collect();
            let nouns: Vec<i64> =
                subjects.iter().zip(&batch.nouns).map(|(&s, n)| n[s.min(n.len() - 1)]).collect();
            let pick = |positions: &[i64]| -> Result<Tensor> {
                Ok(hidden.f_index(&[
                    Some(Tensor::from_slice(&rows)),
                    Some(Tensor::from_slice(positions)),
                ])?)
            };
            Ok((pick(&nouns)?, pick(&batch.ends)?))
        };
        let (noun_a, last_a) = states(pairs.iter().map(|p| p.0.clone()).collect())?;
        let (noun_b, last_b) = states(pairs.iter().map(|p| p.1.clone()).collect())?;
        let moved = |a: &Tensor, b: &Tensor| -> Result<f64> {
            let cosine = Tensor::f_cosine_similarity(a, b, 1, 1e-8)?;
            Ok(1.0 - f64::try_from(cosine.f_mean(Kind::Float)?)?)
        };
        Ok((moved(&noun_a, &noun_b)?, moved(&last_a, &last_b)?))
    }
}

/// The two values between which an attribute's movement is measured.
fn ends(scene: &Scene, subject: Option<usize>, attribute: Attribute, at: usize) -> Option<[Value; 2]> {
    match attribute {
        Attribute::Continuous(_) => {
            scene.value(subject, attribute).map(|_| [Value::Continuous(0.07), Value::Continuous(0.93)])
        }
        Attribute::Discrete(a) => {
            let now = scene.discrete(subject, a)?;
            let classes = a.classes().len();
            Some([Value::Discrete(now), Value::Discrete((now + 1 + at % (classes - 1)) % classes)])
        }
    }
}

/// Measures the text tower on `count` scenes an attribute.
///
/// # Errors
/// A tensor operation failed.
pub fn measure(
    model: &ClipTextModel,
    captioner: &Captioner,
    count: usize,
    device: Device,
) -> Result<GateReport> {
    let probe = Probe { model, captioner, device };
    let mut rows = Vec::new();
    let attributes = Continuous::ALL
        .iter()
        .map(|&a| Attribute::Continuous(a))
        .chain(Discrete::ALL.iter().map(|&a| Attribute::Discrete(a)));
    for attribute in attributes {
        // Captions name skin tone too seldom to ask for it.
        if attribute == Attribute::Discrete(Discrete::SkinTone) {
            continue;
        }
        let (pairs, subjects) = attribute_pairs(attribute, count)?;
        if pairs.is_empty() {
            continue;
        }
        let (noun, last) = probe.movement(&pairs, &subjects)?;
        let noun = (!attribute.is_picture_level()).then_some(noun);
        rows.push(GateRow { change: attribute.name().to_owned(), noun, last, passes: false });
    }
    let median = |mut values: Vec<f64>| {
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied().unwrap_or(0.0)
    };
    let median_noun = median(rows.iter().filter_map(|r| r.noun).collect());
    let median_last = median(rows.iter().map(|r| r.last).collect());
    for (change, swapped) in
        [("colours exchanged between the two subjects", true), ("sides exchanged", false)]
    {
        let (pairs, subjects) = swap_pairs(swapped, count)?;
        let (noun, last) = probe.movement(&pairs, &subjects)?;
        rows.push(GateRow { change: change.to_owned(), noun: swapped.then_some(noun), last, passes: false });
    }
    for row in &mut rows {
        row.passes = row.last >= PASS_FRACTION * median_last
            && row.noun.is_none_or(|n| n >= PASS_FRACTION * median_noun);
    }
    Ok(GateReport { rows, median_noun, median_last })
}

/// Captions that differ in `attribute` alone, and the subject that has it.
fn attribute_pairs(attribute: Attribute, count: usize) -> Result<(Vec<(Caption, Caption)>, Vec<usize>)> {
    let (mut pairs, mut subjects) = (Vec::new(), Vec::new());
    let mut index = 0;
    while pairs.len() < count && index < 40 * count as u64 {
        let mut scene = held_out_scene(index, &SampleOptions::default());
        index += 1;
        let subject = if attribute.is_picture_level() {
            None
        } else {
            let holder = (0..scene.subjects.len()).find(|&s| scene.value(Some(s), attribute).is_some());
            match holder {
                Some(s) => Some(s),
                None => continue,
            }
        };
        let Some([low, high]) = ends(&scene, subject, attribute, index as usize) else { continue };
        let mut named: Vec<(Option<usize>, Attribute)> = scene
            .applicable()
            .into_iter()
            .filter(|&(s, a)| (s, a) != (subject, attribute) && is_common(a))
            .collect();
        named.push((subject, attribute));
        let mut caption_at = |value: Value| {
            scene.set_value(subject, attribute, value);
            vernier_world::caption_of(&scene, &named, 0)
        };
        let pair = (caption_at(low), caption_at(high));
        if pair.0.text == pair.1.text {
            continue;
        }
        pairs.push(pair);
        subjects.push(subject.unwrap_or(0));
    }
    Ok((pairs, subjects))
}

/// What most captions say besides the attribute under test.
fn is_common(attribute: Attribute) -> bool {
    matches!(
        attribute,
        Attribute::Discrete(
            Discrete::HairColor
                | Discrete::ClothesColor
                | Discrete::FurColor
                | Discrete::PaintColor
                | Discrete::Background
        )
    )
}

/// Captions of two-subject scenes before and after an exchange.
fn swap_pairs(colors: bool, count: usize) -> Result<(Vec<(Caption, Caption)>, Vec<usize>)> {
    let options = SampleOptions { two_subjects: 1.0, ..SampleOptions::default() };
    let mut pairs = Vec::new();
    let mut index = 1_000_000;
    while pairs.len() < count && index < 1_000_000 + 40 * count as u64 {
        let scene = held_out_scene(index, &options);
        index += 1;
        let other = if colors {
            let color = |subject: usize| {
                [Discrete::ClothesColor, Discrete::FurColor, Discrete::PaintColor]
                    .into_iter()
                    .find(|&a| scene.discrete(Some(subject), a).is_some())
                    .map(Attribute::Discrete)
            };
            match (color(0), color(1)) {
                (Some(left), Some(right)) => scene.exchange(left, right),
                _ => None,
            }
        } else {
            Some(scene.swap_sides())
        };
        let Some(other) = other else { continue };
        let caption = |scene: &Scene| {
            let named: Vec<_> = scene.applicable().into_iter().filter(|&(_, a)| is_common(a)).collect();
            vernier_world::caption_of(scene, &named, 0)
        };
        let pair = (caption(&scene), caption(&other));
        if pair.0.text != pair.1.text {
            pairs.push(pair);
        }
    }
    let subjects = vec![0; pairs.len()];
    Ok((pairs, subjects))
}
