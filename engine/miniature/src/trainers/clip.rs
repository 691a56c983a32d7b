//! Both CLIP towers.
//!
//! Contrastive learning (arXiv 2103.00020) alone carries only what retrieval needs. Two more
//! losses make the text tower carry every attribute: the EOS state and each noun's own token must
//! let a linear head read what the caption says, and every batch holds each scene beside a
//! variation of it.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use tch::{Device, Kind, Tensor};
use vernier_engine::layers::Linear;
use vernier_engine::models::clip::{ClipModel, ClipTextOutput};
use vernier_engine::train::{Replica, shallow};
use vernier_engine::weights::ParamStore;
use vernier_engine::{EngineError, Result};
use vernier_world::{Attribute, Caption, Scene, Value};

use super::fresh_rng;
use crate::captions::{Captioner, TokenBatch, claim, varied_caption};
use crate::config;
use crate::loss::{cross_entropy, figure, unit_rows};
use crate::pool::Pool;
use crate::targets::{HeadLayout, Targets};

/// Prefix of the auxiliary heads, which are not shipped.
pub const HEADS: &str = "heads";

/// The contrastive scale never exceeds e to the power of this, nearly CLIP's own 100.
const LARGEST_LOGIT_SCALE: f64 = 4.6;
/// Weights of the losses of reading claims from the EOS state and from the nouns' tokens, against
/// the contrastive one.
const EOS_WEIGHT: f64 = 3.0;
const NOUN_WEIGHT: f64 = 2.0;
/// Weight of keeping twins apart.
const TWIN_WEIGHT: f64 = 40.0;
/// 1 − cosine that the EOS states of twins must reach.
const TWIN_DISTANCE: f64 = 0.15;
/// Fraction of pairs whose two captions are twins: they share their wording, so that only what
/// differs between the scenes tells them apart.
const TWIN_FRACTION: f64 = 0.6;
/// Captions of a pair are worded anew up to this often to name what differs.
const REWORDINGS: usize = 6;
/// Scenes that differ in more than this many attributes need not name them all.
const FEW_DIFFERENCES: usize = 2;

/// Pool entries and their captions; each of `twins` and the row after it share their wording.
#[derive(Debug, Default)]
struct Batch {
    entries: Vec<usize>,
    captions: Vec<Caption>,
    twins: Vec<i64>,
}

/// The towers and their auxiliary heads.
#[derive(Debug)]
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

impl ClipTrainer {
    /// A replica with fresh parameters that sees `pairs_per_batch` pairs a step, each once.
    ///
    /// # Errors
    /// The pool holds fewer pairs than a batch, or memory runs out.
    pub fn new(
        captioner: Captioner,
        pool: Pool,
        pairs_per_batch: usize,
        kind: Kind,
        device: Device,
    ) -> Result<Self> {
        let pairs = pool.len() / 2;
        if pairs_per_batch > pairs {
            return Err(EngineError::request(
                "batch",
                format!("{pairs_per_batch} is more than the pool's {pairs} pairs; ask for fewer"),
            ));
        }
        let store = ParamStore::fresh(kind, device);
        let root = store.root();
        let model = ClipModel::new(&root, &config::clip_config(captioner.vocab_size())?)?;
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
            rng: fresh_rng(),
            device,
        })
    }

    /// Entries of the pool, both of each pair, and a caption for each that names what sets it
    /// apart from the other.
    fn batch(&mut self) -> Batch {
        let pairs = self.pool.len() / 2;
        let chosen = rand::seq::index::sample(&mut self.rng, pairs, self.pairs_per_batch);
        let mut batch = Batch::default();
        for pair in chosen {
            let both = [2 * pair, 2 * pair + 1];
            let [fresh, varied] = both.map(|entry| self.pool.scene(entry));
            let wanted = differences(fresh, varied);
            let first = caption_naming(fresh, &wanted, &mut self.rng);
            let captions = if self.rng.random_bool(TWIN_FRACTION) {
                let named: Vec<_> = first
                    .named
                    .iter()
                    .map(|n| (n.subject, n.attribute))
                    .collect();
                let wording = self.rng.random_range(1..u64::MAX);
                let twins = [fresh, varied].map(|s| vernier_world::caption_of(s, &named, wording));
                if twins[0].text != twins[1].text {
                    batch.twins.push(batch.entries.len() as i64);
                }
                twins
            } else {
                [first, caption_naming(varied, &wanted, &mut self.rng)]
            };
            batch.entries.extend(both);
            batch.captions.extend(captions);
        }
        batch
    }

    /// Scaled cosines `[texts, pictures]`.
    fn logits(&self, texts: &Tensor, pictures: &Tensor) -> Result<Tensor> {
        let scale = self.model.logit_scale.f_to_kind(Kind::Float)?;
        let scale = scale.f_clamp_max(LARGEST_LOGIT_SCALE)?.f_exp()?;
        let cosines = unit_rows(texts)?.f_matmul(&unit_rows(pictures)?.f_transpose(0, 1)?)?;
        Ok(cosines.f_mul(&scale)?)
    }

    /// Loss of reading the captions' claims from their EOS states.
    fn eos_loss(&self, captions: &[Caption], text: &ClipTextOutput) -> Result<Tensor> {
        let outputs = self.eos_head.forward(&text.pooled)?;
        self.slots_loss(&outputs, captions.len(), |row, slot, attribute| {
            claim(&captions[row], slot, attribute).map(|n| n.value)
        })
    }

    /// Loss of reading from each noun's token what was said of it before.
    fn noun_loss(
        &self,
        captions: &[Caption],
        batch: &TokenBatch,
        text: &ClipTextOutput,
    ) -> Result<Tensor> {
        let (mut rows, mut positions) = (Vec::new(), Vec::new());
        let mut targets = Targets::new();
        for (row, caption) in captions.iter().enumerate() {
            for (subject, &position) in batch.nouns[row].iter().enumerate() {
                rows.push(row as i64);
                positions.push(position);
                targets.push(&self.subject, |attribute| {
                    claim(caption, Some(subject), attribute)
                        .filter(|n| n.before_noun)
                        .map(|n| n.value)
                });
            }
        }
        let index = [rows, positions]
            .iter()
            .map(|at| Ok(Some(Tensor::f_from_slice(at)?.f_to_device(self.device)?)))
            .collect::<Result<Vec<_>>>()?;
        let nouns = text.last_hidden_state.f_index(&index)?;
        targets.loss(&self.subject, &self.noun_head.forward(&nouns)?)
    }

    /// Loss of reading the scenes' truth from their pictures.
    fn image_loss(&self, scenes: &[&Scene], projected: &Tensor) -> Result<Tensor> {
        let outputs = self.image_head.forward(projected)?;
        self.slots_loss(&outputs, scenes.len(), |row, slot, attribute| {
            scenes[row].value(slot, attribute)
        })
    }

    /// Loss of outputs laid out as left subject, right subject, picture.
    fn slots_loss(
        &self,
        outputs: &Tensor,
        rows: usize,
        value: impl Fn(usize, Option<usize>, Attribute) -> Option<Value>,
    ) -> Result<Tensor> {
        let right = self.subject.width;
        let slots = [
            (Some(0), &self.subject, 0),
            (Some(1), &self.subject, right),
            (None, &self.picture, 2 * right),
        ];
        let mut losses = Vec::with_capacity(slots.len());
        for (slot, layout, start) in slots {
            let mut targets = Targets::new();
            for row in 0..rows {
                targets.push(layout, |attribute| value(row, slot, attribute));
            }
            losses.push(targets.loss(layout, &outputs.f_narrow(1, start, layout.width)?)?);
        }
        Ok(Tensor::f_stack(&losses, 0)?.f_mean(Kind::Float)?)
    }
}

impl Replica for ClipTrainer {
    fn parameters(&self) -> Vec<(String, Tensor)> {
        shallow(&self.parameters)
    }

    fn loss(&mut self, _step: u64) -> Result<(Tensor, Vec<(&'static str, f64)>)> {
        let Batch {
            entries,
            captions,
            twins,
        } = self.batch();
        let tokens = self.captioner.batch(&captions, None)?;
        let pictures = self.pool.pictures(&entries)?.f_to_device(self.device)?;
        let text = self
            .model
            .text
            .forward(&tokens.ids.f_to_device(self.device)?)?;
        let kind = self.model.text.kind();
        let image = self.model.vision.forward(&pictures.f_to_kind(kind)?)?;
        let texts = projected(text.projected.as_ref())?;
        let images = projected(image.projected.as_ref())?;

        let logits = self.logits(texts, images)?;
        let own = Tensor::f_arange(entries.len() as i64, (Kind::Int64, self.device))?;
        let contrast = cross_entropy(&logits, &own)?
            .f_add(&cross_entropy(&logits.f_transpose(0, 1)?, &own)?)?
            .f_div_scalar(2.0)?;
        let eos = self.eos_loss(&captions, &text)?;
        let noun = self.noun_loss(&captions, &tokens, &text)?;
        let scenes: Vec<&Scene> = entries.iter().map(|&i| self.pool.scene(i)).collect();
        let seen = self.image_loss(&scenes, images)?;
        let near = nearness(&text.pooled, &twins)?;
        let loss = contrast
            .f_add(&eos.f_mul_scalar(EOS_WEIGHT)?)?
            .f_add(&noun.f_mul_scalar(NOUN_WEIGHT)?)?
            .f_add(&near.f_mul_scalar(TWIN_WEIGHT)?)?
            .f_add(&seen)?;

        let hits = logits.f_argmax(1, false)?.f_eq_tensor(&own)?;
        let figures = vec![
            ("contrast", figure(&contrast)?),
            ("eos", figure(&eos)?),
            ("noun", figure(&noun)?),
            ("image", figure(&seen)?),
            ("twins", figure(&near)?),
            (
                "top1",
                figure(&hits.f_to_kind(Kind::Float)?.f_mean(Kind::Float)?)?,
            ),
        ];
        Ok((loss, figures))
    }
}

fn projected(features: Option<&Tensor>) -> Result<&Tensor> {
    features.ok_or_else(|| EngineError::request("CLIP", "has a tower without a projection"))
}

/// The attributes by which two scenes of the same shape differ, where they are few.
fn differences(a: &Scene, b: &Scene) -> Vec<(Option<usize>, Attribute)> {
    let mut differ = a.applicable();
    differ.retain(|&(s, attribute)| a.value(s, attribute) != b.value(s, attribute));
    if differ.len() > FEW_DIFFERENCES {
        differ.clear();
    }
    differ
}

/// By how much the states `[rows, dim]` of twins (each row of `twins` and the next) lie nearer than
/// [`TWIN_DISTANCE`], on average.
fn nearness(states: &Tensor, twins: &[i64]) -> Result<Tensor> {
    let states = unit_rows(states)?;
    if twins.is_empty() {
        return Ok(states.f_sum(Kind::Float)?.f_mul_scalar(0.0)?);
    }
    let index = Tensor::f_from_slice(twins)?.f_to_device(states.device())?;
    let one = states.f_index_select(0, &index)?;
    let other = states.f_index_select(0, &index.f_add_scalar(1)?)?;
    let product = one.f_mul(&other)?;
    let cosine = product.f_sum_dim_intlist([-1_i64].as_slice(), false, Kind::Float)?;
    let excess = cosine.f_sub_scalar(1.0 - TWIN_DISTANCE)?.f_relu()?;
    Ok(excess.f_mean(Kind::Float)?)
}

/// A varied caption that names each of `wanted`, where a few tries find one.
fn caption_naming(
    scene: &Scene,
    wanted: &[(Option<usize>, Attribute)],
    rng: &mut ChaCha8Rng,
) -> Caption {
    let mut caption = varied_caption(scene, rng);
    for _ in 0..REWORDINGS {
        if wanted.iter().all(|&(s, a)| claim(&caption, s, a).is_some()) {
            break;
        }
        caption = varied_caption(scene, rng);
    }
    caption
}

#[cfg(test)]
mod tests {
    use tch::Tensor;

    use super::{TWIN_DISTANCE, nearness};
    use crate::loss::figure;

    #[test]
    fn only_twins_that_lie_too_near_each_other_cost_something() {
        // Rows 0 and 1 have one direction, 2 and 3 are at a right angle.
        let states = Tensor::from_slice(&[1.0_f32, 0.0, 2.0, 0.0, 1.0, 0.0, 0.0, 1.0]);
        let states = states.view([4, 2]);
        let loss = |twins: &[i64]| figure(&nearness(&states, twins).unwrap()).unwrap();
        assert!((loss(&[0]) - TWIN_DISTANCE).abs() < 1e-6);
        assert!(loss(&[2]).abs() < 1e-6);
        assert!((loss(&[0, 2]) - TWIN_DISTANCE / 2.0).abs() < 1e-6);
        assert!(loss(&[]).abs() < 1e-6);
    }
}
