//! The gate between text tower and U-Net: does the text carry every attribute?
//!
//! For each attribute: how far the noun's own token and the last token move (1 − cosine) when that
//! attribute alone changes in the caption. Retrieval accuracy hides what this shows.

mod pairs;
mod report;

use tch::{Device, Kind, Tensor};
use vernier_engine::Result;
use vernier_engine::models::clip::ClipTextModel;
use vernier_world::{Attribute, Caption, Continuous, Discrete};

use crate::captions::Captioner;
use crate::loss::figure;
use pairs::{CaptionPair, attribute_pairs, exchanged_colors, exchanged_sides};
pub use report::{GateReport, GateRow, Movement, PASS_FRACTION};

/// Measures `model` on up to `count` pairs of captions for each change.
///
/// # Errors
/// A tensor operation failed.
pub fn measure(
    model: &ClipTextModel,
    captioner: &Captioner,
    count: usize,
    device: Device,
) -> Result<GateReport> {
    let movement = |change: &str, has_noun: bool, pairs: &[CaptionPair]| -> Result<Movement> {
        let (noun, last) = movement(model, captioner, pairs, device)?;
        Ok(Movement {
            change: change.to_owned(),
            noun: noun.filter(|_| has_noun),
            last,
        })
    };
    let mut attributes = Vec::new();
    for attribute in attributes_asked() {
        let pairs = attribute_pairs(attribute, count);
        let of_subject = !attribute.is_picture_level();
        attributes.push(movement(attribute.name(), of_subject, &pairs)?);
    }
    let exchanges = vec![
        movement(
            "colours exchanged between the two subjects",
            true,
            &exchanged_colors(count),
        )?,
        movement("sides exchanged", false, &exchanged_sides(count))?,
    ];
    Ok(GateReport::judge(attributes, exchanges))
}

/// Every attribute but the skin tone, which captions name too seldom to ask for it.
fn attributes_asked() -> impl Iterator<Item = Attribute> {
    let continuous = Continuous::ALL.map(Attribute::Continuous);
    let discrete = Discrete::ALL.map(Attribute::Discrete);
    let all = continuous.into_iter().chain(discrete);
    all.filter(|&a| a != Attribute::Discrete(Discrete::SkinTone))
}

/// Mean 1 − cosine, over `pairs`, of the noun's token (where every caption has one) and of the
/// last one.
fn movement(
    model: &ClipTextModel,
    captioner: &Captioner,
    pairs: &[CaptionPair],
    device: Device,
) -> Result<(Option<f64>, f64)> {
    let _guard = tch::no_grad_guard();
    let states = |captions: Vec<Caption>| -> Result<(Option<Tensor>, Tensor)> {
        let batch = captioner.batch(&captions, None)?;
        let output = model.forward(&batch.ids.f_to_device(device)?)?;
        let hidden = output.last_hidden_state.f_to_kind(Kind::Float)?;
        let rows: Vec<i64> = (0..captions.len() as i64).collect();
        let pick = |positions: &[i64]| -> Result<Tensor> {
            let at = |index: &[i64]| -> Result<_> {
                Ok(Some(Tensor::f_from_slice(index)?.f_to_device(device)?))
            };
            Ok(hidden.f_index(&[at(&rows)?, at(positions)?])?)
        };
        let of_pairs = pairs.iter().zip(&batch.nouns);
        let nouns: Option<Vec<i64>> = of_pairs
            .map(|(pair, nouns)| nouns.get(pair.subject).copied())
            .collect();
        let nouns = nouns.map(|nouns| pick(&nouns)).transpose()?;
        Ok((nouns, pick(&batch.ends)?))
    };
    let (noun_a, last_a) = states(pairs.iter().map(|p| p.before.clone()).collect())?;
    let (noun_b, last_b) = states(pairs.iter().map(|p| p.after.clone()).collect())?;
    let noun = match (noun_a, noun_b) {
        (Some(a), Some(b)) => Some(distance(&a, &b)?),
        _ => None,
    };
    Ok((noun, distance(&last_a, &last_b)?))
}

/// Mean 1 − cosine of the rows of `a` and `b`.
fn distance(a: &Tensor, b: &Tensor) -> Result<f64> {
    let cosine = Tensor::f_cosine_similarity(a, b, 1, 1e-8)?;
    Ok(1.0 - figure(&cosine.f_mean(Kind::Float)?)?)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use tch::{Device, Kind, Tensor};
    use vernier_engine::models::clip::ClipModel;
    use vernier_engine::weights::ParamStore;
    use vernier_world::{Attribute, Caption, Continuous, SampleOptions, Value};

    use super::measure;
    use crate::captions::Captioner;
    use crate::config::clip_config;
    use crate::pool::held_out_scene;

    /// The shipped towers, their parameters and their tokenizer.
    fn shipped() -> (ClipModel, ParamStore, Captioner) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../assets/miniature");
        let captioner = Captioner::open(&folder.join("tokenizer")).unwrap();
        let file = folder.join("clip/model.safetensors");
        let store = ParamStore::open(&[file], Kind::Float, Device::Cpu).unwrap();
        let config = clip_config(captioner.vocab_size()).unwrap();
        let model = ClipModel::new(&store.root(), &config).unwrap();
        (model, store, captioner)
    }

    #[test]
    fn the_shipped_tower_passes() {
        let (model, _, captioner) = shipped();
        let report = measure(&model.text, &captioner, 64, Device::Cpu).unwrap();
        // Every attribute but the skin tone, and both exchanges.
        assert_eq!(report.rows.len(), 12 + 12 - 1 + 2);
        assert!(report.passes(), "{}", report.markdown());
    }

    #[test]
    fn a_tower_that_reads_all_words_for_a_smile_alike_fails_on_the_smile() {
        let (model, store, captioner) = shipped();
        let smile = Attribute::Continuous(Continuous::Smile);
        let options = SampleOptions::default();
        let mut scene = (0..100)
            .map(|index| held_out_scene(index, &options))
            .find(|scene| scene.value(Some(0), smile).is_some())
            .unwrap();
        let mut said = Vec::new();
        for grade in 0..7 {
            scene.set_value(Some(0), smile, Value::Continuous(grade as f32 / 6.0));
            said.push(vernier_world::caption_of(&scene, &[(Some(0), smile)], 0));
        }
        let ids = |captions: &[Caption]| -> Vec<i64> {
            let batch = captioner.batch(captions, None).unwrap();
            Vec::try_from(batch.ids.reshape([-1])).unwrap()
        };
        let usual = ids(&[vernier_world::neutral_caption(&scene)]);
        let words: Vec<i64> = ids(&said)
            .into_iter()
            .filter(|id| !usual.contains(id))
            .collect();
        let name = "text_model.embeddings.token_embedding.weight";
        let (_, mut embedding) = store.named().into_iter().find(|(n, _)| n == name).unwrap();
        let _ = tch::no_grad(|| embedding.index_fill_(0, &Tensor::from_slice(&words), 0.0));

        let report = measure(&model.text, &captioner, 16, Device::Cpu).unwrap();
        assert!(report.failing().contains(&"smile"), "{}", report.markdown());
    }
}
