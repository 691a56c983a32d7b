//! The loop of Concept Sliders (arXiv 2311.12092, section 4).

use rand::RngExt as _;
use tch::{Kind, Tensor};

use super::{SliderLayers, fresh_slider, layers};
use crate::controls::Slider;
use crate::layers::Multiplier;
use crate::models::unet::TextContext;
use crate::sampling::Guidance;
use crate::train::direction::PromptPair;
use crate::train::lanes::{LaneOptions, Lanes, row};
use crate::train::{FrozenModel, Replica};
use crate::{EngineError, Result};

/// How a slider is trained.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SliderOptions {
    /// Which layers get a branch.
    pub layers: SliderLayers,
    /// Rank of the branches.
    pub rank: u32,
    /// α; the branches are scaled by α / rank.
    pub alpha: f64,
    /// η, by which the difference of the two prompts is enlarged.
    pub eta: f64,
    /// Sampler states that a worker takes each step, every one from a walk of its own.
    pub walks: usize,
    /// Sampler steps in a walk.
    pub sampling_steps: usize,
    /// Guidance scale of the walks, away from the negative prompt.
    pub guidance_scale: f64,
    /// Seed of branches, prompts and noise.
    pub seed: u64,
}

/// A slider in training: at sampler states of the target prompt under the slider, its output for
/// the target learns to be `f(neutral) + η · (f(positive) − f(negative))` of the model without it.
pub struct SliderTrainer {
    model: FrozenModel,
    pairs: Vec<PromptPair>,
    options: SliderOptions,
    guidance: Guidance,
    slider: Slider,
    multiplier: Multiplier,
    lanes: Lanes<Prompts>,
    /// Keys and values of all neutral prompts, all positives and all negatives without the slider;
    /// they change with the lanes' prompts.
    frozen_text: Option<TextContext>,
    chunks: usize,
}

/// Contexts of one walk's prompts, `[tokens, dim]` each.
struct Prompts {
    target: Tensor,
    neutral: Tensor,
    positive: Tensor,
    negative: Tensor,
}

impl SliderTrainer {
    /// A replica on `model` for worker `worker`. Where there are `preserved` words, each wording
    /// says one of them of the subject, in all three prompts, so that the slider learns to leave
    /// it alone.
    ///
    /// # Errors
    /// There are no pairs, or an option is out of range.
    pub fn new(
        model: FrozenModel,
        pairs: &[PromptPair],
        preserved: &[String],
        options: SliderOptions,
        worker: usize,
    ) -> Result<Self> {
        if [options.walks, options.sampling_steps].contains(&0) {
            return Err(EngineError::request(
                "training",
                "walks and sampling steps must be 1 or more",
            ));
        }
        let pairs: Vec<PromptPair> = if preserved.is_empty() {
            pairs.to_vec()
        } else {
            let qualified = |pair: &PromptPair| {
                let pair = pair.clone();
                preserved.iter().map(move |words| pair.qualified(words))
            };
            pairs.iter().flat_map(qualified).collect()
        };
        let slider = fresh_slider(&model.unet, &options)?;
        let multiplier = Multiplier::new(1.0);
        slider.attach(&model.unet, &multiplier)?;
        Ok(Self {
            guidance: Guidance::new(options.guidance_scale, 0.0)?,
            lanes: Lanes::new(LaneOptions {
                lanes: options.walks,
                steps: options.sampling_steps,
                seed: options.seed,
                worker,
            }),
            chunks: PromptPair::most_chunks(&pairs, &model.text)?,
            model,
            pairs,
            options,
            slider,
            multiplier,
            frozen_text: None,
        })
    }

    /// Brings the walks to `step`; those that are joined on their way go there under the slider as
    /// it is now.
    fn bring_lanes(&mut self, step: u64) -> Result<()> {
        let _guard = tch::no_grad_guard();
        let Self {
            model,
            pairs,
            lanes,
            guidance,
            chunks,
            multiplier,
            ..
        } = self;
        let changed = lanes.bring_to(
            step,
            model,
            |random| {
                let pair = &pairs[random.random_range(0..pairs.len())];
                let wording = pair.wording(random.random_range(0..pair.wordings()));
                let encode = |prompt: &str| model.text.encode(prompt, *chunks)?.context();
                let prompts = Prompts {
                    target: encode(&wording.target)?,
                    neutral: encode(&wording.neutral)?,
                    positive: encode(&wording.positive)?,
                    negative: encode(&wording.negative)?,
                };
                Ok((prompts, random.random()))
            },
            |lane, done| {
                let Prompts {
                    target, negative, ..
                } = &lane.prompts;
                let pair = Tensor::f_stack(&[negative, target], 0)?;
                let text = model.unet.text_context(&pair)?;
                lane.walk.advance_to(done, model, &text, guidance)
            },
        )?;
        if changed || self.frozen_text.is_none() {
            let neutral = contexts(&self.lanes, |p| &p.neutral)?;
            let positive = contexts(&self.lanes, |p| &p.positive)?;
            let negative = contexts(&self.lanes, |p| &p.negative)?;
            let all = Tensor::f_cat(&[neutral, positive, negative], 0)?;
            multiplier.set(0.0);
            self.frozen_text = Some(self.model.unet.text_context(&all)?);
            multiplier.set(1.0);
        }
        Ok(())
    }
}

/// Contexts of one prompt in every lane, `[lanes, tokens, dim]`.
fn contexts(lanes: &Lanes<Prompts>, which: impl Fn(&Prompts) -> &Tensor) -> Result<Tensor> {
    let each: Vec<&Tensor> = lanes.iter().map(|lane| which(&lane.prompts)).collect();
    Ok(Tensor::f_stack(&each, 0)?)
}

impl Replica for SliderTrainer {
    fn parameters(&self) -> Vec<(String, Tensor)> {
        layers::parameters(&self.slider)
    }

    fn loss(&mut self, step: u64) -> Result<(Tensor, Vec<(&'static str, f64)>)> {
        self.bring_lanes(step)?;
        let Some(frozen_text) = &self.frozen_text else {
            return Err(EngineError::request("training", "has no prompts"));
        };
        let model = &self.model;
        let count = self.options.walks as i64;
        let timesteps = row(&self.lanes.timesteps(), model)?;
        let inputs = self.lanes.inputs()?;

        let (change, wanted) = {
            let _guard = tch::no_grad_guard();
            self.multiplier.set(0.0);
            let outputs = model.predict_each(
                &inputs.f_repeat([3, 1, 1, 1])?,
                &timesteps.f_repeat([3])?,
                frozen_text,
                None,
            );
            self.multiplier.set(1.0);
            let outputs = outputs?;
            let rows = |at: i64| outputs.f_narrow(0, at * count, count);
            let change = rows(1)?.f_sub(&rows(2)?)?.f_mul_scalar(self.options.eta)?;
            let wanted = rows(0)?.f_add(&change)?;
            (change, wanted)
        };

        let text = model
            .unet
            .text_context(&contexts(&self.lanes, |p| &p.target)?)?;
        let outputs = model.predict_each(&inputs, &timesteps, &text, None)?;
        let loss = outputs.f_sub(&wanted)?.f_square()?.f_mean(Kind::Float)?;

        {
            let _guard = tch::no_grad_guard();
            let negative = if self.guidance.is_on() {
                let negative = contexts(&self.lanes, |p| &p.negative)?;
                let text = model.unet.text_context(&negative)?;
                model.predict_each(&inputs, &timesteps, &text, None)?
            } else {
                outputs.shallow_clone()
            };
            let positive = outputs.f_detach()?;
            self.lanes.advance(&self.guidance, &negative, &positive)?;
        }
        // What the loss would be without the slider.
        let whole = f64::try_from(change.f_square()?.f_mean(Kind::Float)?)?;
        let part = f64::try_from(loss.f_detach()?)? / whole.max(f64::MIN_POSITIVE);
        Ok((loss, vec![("unexplained", part)]))
    }
}

#[cfg(test)]
#[allow(
    clippy::float_cmp,
    clippy::case_sensitive_file_extension_comparisons,
    reason = "nothing is computed with the numbers, and the names are parameters'"
)]
mod tests {
    use std::path::Path;

    use tch::{Device, Kind, Tensor};

    use super::{LaneOptions, Lanes, SliderOptions, SliderTrainer};
    use crate::checkpoint::tiny::write_model;
    use crate::train::direction::PromptPair;
    use crate::train::slider::{SliderLayers, fresh_slider, with_parameters};
    use crate::train::{AdamW, AdamWState, FlatParams, FrozenModel, Replica as _};

    fn options(layers: SliderLayers) -> SliderOptions {
        SliderOptions {
            layers,
            rank: 2,
            alpha: 1.0,
            eta: 3.0,
            walks: 2,
            sampling_steps: 4,
            guidance_scale: 3.0,
            seed: 5,
        }
    }

    fn trainer(folder: &Path, layers: SliderLayers, preserved: &[String]) -> SliderTrainer {
        if !folder.join("unet").exists() {
            write_model(folder, 4).unwrap();
        }
        tch::set_num_threads(1);
        let model = FrozenModel::load(folder, Kind::Float, Device::Cpu).unwrap();
        let pair = PromptPair {
            target: "a cat".to_owned(),
            positive: "a cat, very old".to_owned(),
            negative: "a new cat".to_owned(),
            neutral: None,
            subject: "cat".to_owned(),
            prefixes: Vec::new(),
        };
        SliderTrainer::new(model, &[pair], preserved, options(layers), 0).unwrap()
    }

    fn gradients(trainer: &mut SliderTrainer) -> Vec<(String, f64)> {
        let leaves: Vec<(String, Tensor)> = trainer
            .parameters()
            .into_iter()
            .map(|(name, tensor)| (name, tensor.set_requires_grad(true)))
            .collect();
        trainer.loss(0).unwrap().0.backward();
        let norm = |tensor: &Tensor| tensor.grad().norm().double_value(&[]);
        leaves.iter().map(|(n, t)| (n.clone(), norm(t))).collect()
    }

    #[test]
    fn a_fresh_slider_changes_nothing_and_every_branch_learns() {
        let folder = tempfile::tempdir().unwrap();
        for layers in SliderLayers::ALL {
            let mut trainer = trainer(folder.path(), layers, &[]);
            let (_, figures) = trainer.loss(0).unwrap();
            assert!((figures[0].1 - 1.0).abs() < 1e-3, "{figures:?}");
            let gradients = gradients(&mut trainer);
            assert!(gradients.len() >= 2);
            for (name, norm) in gradients {
                // While `up` is zero, `down` cannot learn; the text's keys of a prompt, too, must
                // carry a gradient.
                assert_eq!(
                    norm > 0.0,
                    name.ends_with(".up"),
                    "{layers:?} {name} {norm}"
                );
            }
        }
    }

    #[test]
    fn the_aim_is_the_model_without_the_slider() {
        let folder = tempfile::tempdir().unwrap();
        let mut trainer = trainer(folder.path(), SliderLayers::Full, &[]);
        // The first lane alone is at the noise, where the slider has had no say in the state.
        trainer.options.walks = 1;
        trainer.lanes = Lanes::new(LaneOptions {
            lanes: 1,
            ..*trainer.lanes.options()
        });
        let mut aim = || {
            let (loss, figures) = trainer.loss(0).unwrap();
            (loss.double_value(&[]) / figures[0].1, figures[0].1)
        };
        let (plain, all) = aim();
        tch::no_grad(|| {
            for layer in trainer.slider.layers() {
                let _ = layer.up.shallow_clone().fill_(0.05);
            }
        });
        let (loss, figures) = trainer.loss(0).unwrap();
        let (moved, part) = (loss.double_value(&[]) / figures[0].1, figures[0].1);
        assert!((moved / plain - 1.0).abs() < 1e-5, "{moved} {plain}");
        assert!(
            (all - 1.0).abs() < 1e-3 && (part - 1.0).abs() > 1e-2,
            "{part}"
        );
        assert_eq!(trainer.multiplier.get(), 1.0);
    }

    #[test]
    fn a_few_steps_explain_part_of_the_change() {
        let folder = tempfile::tempdir().unwrap();
        let preserved = ["red".to_owned(), "big".to_owned()];
        let mut trainer = trainer(folder.path(), SliderLayers::NoXattn, &preserved);
        assert_eq!(trainer.pairs.len(), 2);
        assert_eq!(trainer.pairs[1].positive, "a big cat, very old");
        let mut params = FlatParams::gather(trainer.parameters()).unwrap();
        let mut state = AdamWState::new(params.buffer()).unwrap();
        let mut gradient = state.master.zeros_like();
        let mut unexplained = Vec::new();
        for step in 0..24 {
            let (loss, figures) = trainer.loss(step).unwrap();
            loss.backward();
            unexplained.push(figures[0].1);
            params.take_gradients(&mut gradient).unwrap();
            let mut buffer = params.buffer().shallow_clone();
            let adam = AdamW::default();
            state.update(&adam, 0.01, &gradient, &mut buffer).unwrap();
        }
        let mean = |part: &[f64]| part.iter().sum::<f64>() / part.len() as f64;
        let last = mean(&unexplained[16..]);
        assert!(last < 0.9, "{unexplained:?}");

        // What is trained fits the template and comes back from it.
        let template = fresh_slider(&trainer.model.unet, &trainer.options).unwrap();
        let trained = with_parameters(&template, &trainer.parameters()).unwrap();
        assert_eq!(trained.layers().len(), template.layers().len());
        assert!(with_parameters(&template, &[]).is_err());
    }
}
