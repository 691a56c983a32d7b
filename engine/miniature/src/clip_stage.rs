//! Stage 1: both CLIP towers.
//!
//! Contrastive learning (arXiv 2103.00020) alone carries only what retrieval needs. Two more
//! losses make the text tower carry every attribute: the EOS state and each noun's own token must
//! let a linear head read what the caption says, and every batch holds each scene beside a
//! variation of it.

use std::path::Path;

use anyhow::Context;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tch::{Device, Kind, Tensor};
use vernier_engine::layers::Linear;
use vernier_engine::models::clip::{ClipConfig, ClipModel};
use vernier_engine::train::{Replica, shallow};
use vernier_engine::weights::ParamStore;
use vernier_engine::{EngineError, Result};
use vernier_world::{Attribute, Caption, Scene};

use crate::config;
use crate::data::{Captioner, varied_caption};
use crate::pool::Pool;
use crate::targets::{HeadLayout, Targets};

/// Prefix of the auxiliary heads, which are not shipped.
pub const HEADS: &str = "heads";
/// Fraction of pairs whose two captions share their wording.
const TWIN_FRACTION: f64 = 0.6;
/// 1 − cosine that the EOS states of twins must reach.
const TWIN_DISTANCE: f64 = 0.1;

/// The towers and their auxiliary heads.
pub struct ClipTrainer {
    parameters: Vec<(String, Tensor)>,
    model: ClipModel,
    eos_head: Linear,
    noun_head: Linear,
    image_head: Linear,
    subject: HeadLayout,
    picture: HeadLayout,
    captioner: Captioner,
    pool: Pool,
    pairs_per_batch: usize,
    rng: ChaCha8Rng,
    device: Device,
}

/// The configuration as the engine's type.
///
/// # Errors
/// The configuration does not parse, which is a defect of this program.
pub fn clip_config(vocab_size: usize) -> anyhow::Result<ClipConfig> {
    serde_json::from_value(config::clip(vocab_size)).context("the miniature's CLIP configuration")
}

impl ClipTrainer {
    /// A replica with fresh parameters; `worker` decides its stream of data.
    ///
    /// # Errors
    /// The tokenizer is missing or memory runs out.
    pub fn new(
        tokenizer: &Path,
        pool: Pool,
        pairs_per_batch: usize,
        worker: usize,
        kind: Kind,
        device: Device,
    ) -> anyhow::Result<Self> {
        let captioner = Captioner::open(tokenizer)?;
        let store = ParamStore::fresh(kind, device);
        let root = store.root();
        let model = ClipModel::new(&root, &clip_config(captioner.vocab_size())?)?;
        let (subject, picture) = (HeadLayout::subject(), HeadLayout::picture());
        let all = 2 * subject.width + picture.width;
        let heads = root.at(HEADS);
        let width = config::TEXT_WIDTH;
        Ok(Self {
            eos_head: Linear::new(&heads.at("eos"), width, all, true)?,
            noun_head: Linear::new(&heads.at("noun"), width, subject.width, true)?,
            image_head: Linear::new(&heads.at("image"), width, all, true)?,
            parameters: store.named(),
            model,
            subject,
            picture,
            captioner,
            pool,
            pairs_per_batch,
            rng: ChaCha8Rng::seed_from_u64(rand::rng().random::<u64>() ^ worker as u64),
            device,
        })
    }
}

/// The attributes by which two scenes of the same shape differ, where they are few.
fn differences(a: &Scene, b: &Scene) -> Vec<(Option<usize>, Attribute)> {
    let all = a.applicable();
    let differ: Vec<_> =
        all.into_iter().filter(|&(s, attribute)| a.value(s, attribute) != b.value(s, attribute)).collect();
    if differ.len() <= 2 { differ } else { Vec::new() }
}

/// A varied caption that names each of `wanted`, where a few tries find one.
pub fn caption_naming(
    scene: &Scene,
    wanted: &[(Option<usize>, Attribute)],
    rng: &mut ChaCha8Rng,
) -> Caption {
    let mut caption = varied_caption(scene, rng);
    for _ in 0..6 {
        let names_all = wanted
            .iter()
            .all(|&(s, a)| caption.named.iter().any(|n| n.subject == s && n.attribute == a));
        if names_all {
            break;
        }
        caption = varied_caption(scene, rng);
    }
    caption
}

impl Replica for ClipTrainer {
    fn parameters(&self) -> Vec<(String, Tensor)> {
        shallow(&self.parameters)
    }

    fn loss(&mut self, _step: u64) -> Result<(Tensor, Vec<(&'static str, f64)>)> {
        let pairs: Vec<usize> = (0..self.pool.len() / 2).collect();
        let chosen: Vec<usize> = pairs.sample(&mut self.rng, self.pairs_per_batch).copied().collect();
        let indices: Vec<usize> = chosen.iter().flat_map(|&p| [2 * p, 2 * p + 1]).collect();
        let mut captions = Vec::with_capacity(indices.len());
        // Twins share their wording, so that only the variation tells them apart.
        let mut twins = Vec::new();
        for (row, &pair) in chosen.iter().enumerate() {
            let (one, other) = (self.pool.scene(2 * pair), self.pool.scene(2 * pair + 1));
            let wanted = differences(one, other);
            let first = caption_naming(one, &wanted, &mut self.rng);
            if self.rng.random_bool(TWIN_FRACTION) {
                let named: Vec<_> = first.named.iter().map(|n| (n.subject, n.attribute)).collect();
                let wording = self.rng.random_range(1..u64::MAX);
                let pair = [one, other].map(|s| vernier_world::caption_of(s, &named, wording));
                if pair[0].text != pair[1].text {
                    twins.push(2 * row as i64);
                }
                captions.extend(pair);
            } else {
                captions.push(first);
                captions.push(caption_naming(other, &wanted, &mut self.rng));
            }
        }
        let batch = self.captioner.batch(&captions, None)?;
        let kind = self.model.text.kind();
        let pictures = self
            .pool
            .pictures(&indices)
            .map_err(|e| EngineError::request("pool", e.to_string()))?
            .f_to_device(self.device)?
            .f_to_kind(kind)?;

        let text = self.model.text.forward(&batch.ids.f_to_device(self.device)?)?;
        let image = self.model.vision.forward(&pictures)?;
        let missing = || EngineError::request("CLIP", "has no projection");
        let texts = unit(text.projected.as_ref().ok_or_else(missing)?)?;
        let images = unit(image.projected.as_ref().ok_or_else(missing)?)?;
        let scale = self.model.logit_scale.f_to_kind(Kind::Float)?.f_clamp_max(4.6)?.f_exp()?;
        let logits = texts.f_matmul(&images.f_transpose(0, 1)?)?.f_mul(&scale)?;
        let count = indices.len() as i64;
        let diagonal = Tensor::f_arange(count, (Kind::Int64, self.device))?;
        let contrast = cross_entropy(&logits, &diagonal)?
            .f_add(&cross_entropy(&logits.f_transpose(0, 1)?, &diagonal)?)?
            .f_div_scalar(2.0)?;

        let (eos, noun) = self.text_heads(&captions, &batch, &text.last_hidden_state, &text.pooled)?;
        let outputs = self.image_head.forward(image.projected.as_ref().ok_or_else(missing)?)?;
        let scenes: Vec<&Scene> = indices.iter().map(|&i| self.pool.scene(i)).collect();
        let seen = self.slots_loss(&outputs, scenes.len(), |row, slot, attribute| {
            let scene = scenes[row];
            slot.is_none_or(|s| s < scene.subjects.len()).then(|| scene.value(slot, attribute)).flatten()
        })?;
        let apart = separation(&text.pooled, &twins)?;
        let loss = contrast
            .f_add(&eos.f_mul_scalar(3.0)?)?
            .f_add(&noun.f_mul_scalar(2.0)?)?
            .f_add(&apart.f_mul_scalar(20.0)?)?
            .f_add(&seen)?;

        let right = f64::try_from(
            logits.f_argmax(1, false)?.f_eq_tensor(&diagonal)?.f_to_kind(Kind::Float)?.f_mean(Kind::Float)?,
        )?;
        let figure = |t: &Tensor| -> Result<f64> { Ok(f64::try_from(t.f_detach()?)?) };
        let figures = vec![
            ("contrast", figure(&contrast)?),
            ("eos", figure(&eos)?),
            ("noun", figure(&noun)?),
            ("image", figure(&seen)?),
            ("apart", figure(&apart)?),
            ("top1", right),
        ];
        Ok((loss, figures))
    }
}

impl ClipTrainer {
    /// Losses of reading the captions' claims from the EOS state, and from each noun's token what
    /// was said before it.
    fn text_heads(
        &self,
        captions: &[Caption],
        batch: &crate::data::TokenBatch,
        states: &Tensor,
        pooled: &Tensor,
    ) -> Result<(Tensor, Tensor)> {
        let outputs = self.eos_head.forward(pooled)?;
        let eos = self.slots_loss(&outputs, captions.len(), |row, slot, attribute| {
            captions[row]
                .named
                .iter()
                .find(|n| n.subject == slot && n.attribute == attribute)
                .map(|n| n.value)
        })?;
        let (mut rows, mut positions) = (Vec::new(), Vec::new());
        let mut targets = Targets::new();
        for (row, caption) in captions.iter().enumerate() {
            for (subject, &position) in batch.nouns[row].iter().enumerate() {
                rows.push(row as i64);
                positions.push(position);
                targets.push(&self.subject, |attribute| {
                    caption
                        .named
                        .iter()
                        .find(|n| {
                            n.subject == Some(subject) && n.attribute == attribute && n.before_noun
                        })
                        .map(|n| n.value)
                });
            }
        }
        let rows = Tensor::from_slice(&rows).f_to_device(self.device)?;
        let positions = Tensor::from_slice(&positions).f_to_device(self.device)?;
        let nouns = states.f_index(&[Some(rows), Some(positions)])?;
        let noun = targets.loss(&self.subject, &self.noun_head.forward(&nouns)?)?;
        Ok((eos, noun))
    }

    /// Loss of outputs laid out as left subject, right subject, picture.
    fn slots_loss(
        &self,
        outputs: &Tensor,
        rows: usize,
        value: impl Fn(usize, Option<usize>, Attribute) -> Option<vernier_world::Value>,
    ) -> Result<Tensor> {
        let mut total = Vec::new();
        let slots = [(Some(0), 0), (Some(1), self.subject.width), (None, 2 * self.subject.width)];
        for (slot, start) in slots {
            let layout = if slot.is_some() { &self.subject } else { &self.picture };
            let mut targets = Targets::new();
            for row in 0..rows {
                targets.push(layout, |attribute| value(row, slot, attribute));
            }
            total.push(targets.loss(layout, &outputs.f_narrow(1, start, layout.width)?)?);
        }
        Ok(Tensor::f_stack(&total, 0)?.f_mean(Kind::Float)?)
    }
}

/// How much nearer than [`TWIN_DISTANCE`] the states `[batch, dim]` of twins (rows `i` and `i + 1`)
/// lie, on average.
fn separation(states: &Tensor, twins: &[i64]) -> Result<Tensor> {
    let states = unit(states)?;
    if twins.is_empty() {
        return Ok(states.f_sum(Kind::Float)?.f_mul_scalar(0.0)?);
    }
    let index = Tensor::from_slice(twins).f_to_device(states.device())?;
    let one = states.f_index_select(0, &index)?;
    let other = states.f_index_select(0, &index.f_add_scalar(1)?)?;
    let dims = [-1_i64];
    let cosine = one.f_mul(&other)?.f_sum_dim_intlist(dims.as_slice(), false, Kind::Float)?;
    Ok(cosine.f_sub_scalar(1.0 - TWIN_DISTANCE)?.f_relu()?.f_mean(Kind::Float)?)
}

/// Rows scaled to unit length, in fp32.
fn unit(x: &Tensor) -> Result<Tensor> {
    let x = x.f_to_kind(Kind::Float)?;
    let norm = x.f_square()?.f_sum_dim_intlist([-1_i64].as_slice(), true, Kind::Float)?.f_sqrt()?;
    Ok(x.f_div(&norm.f_clamp_min(1e-8)?)?)
}

fn cross_entropy(logits: &Tensor, classes: &Tensor) -> Result<Tensor> {
    let logs = logits.f_log_softmax(-1, Kind::Float)?;
    Ok(logs.f_nll_loss::<Tensor>(classes, None, tch::Reduction::Mean, -100)?)
}
