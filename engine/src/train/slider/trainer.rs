//! The loop of Concept Sliders (arXiv 2311.12092, section 4).

use rand::RngExt as _;
use tch::{Kind, Tensor};

use super::{SliderLayers, fresh_slider};
use crate::controls::{Slider, SliderLayer};
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
/// the target learns to be `f(target) + η · (f(positive) − f(negative))` of the model without it.
pub struct SliderTrainer {
    model: FrozenModel,
    pairs: Vec<PromptPair>,
    options: SliderOptions,
    guidance: Guidance,
    slider: Slider,
    multiplier: Multiplier,
    lanes: Lanes<Prompts>,
    /// Keys and values of all targets, all positives and all negatives without the slider; they
    /// change with the lanes' prompts.
    frozen_text: Option<TextContext>,
    chunks: usize,
}

/// Contexts of one walk's target, positive and negative prompt, `[tokens, dim]` each.
struct Prompts([Tensor; 3]);

const TARGET: usize = 0;
const NEGATIVE: usize = 2;

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
        let slider = fresh_slider(
            &model.unet,
            options.layers,
            options.rank,
            options.alpha,
            options.seed,
        )?;
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
                let prompts = Prompts([
                    encode(&wording.target)?,
                    encode(&wording.positive)?,
                    encode(&wording.negative)?,
                ]);
                Ok((prompts, random.random()))
            },
            |lane, done| {
                let contexts = &lane.prompts.0;
                let pair = Tensor::f_stack(&[&contexts[NEGATIVE], &contexts[TARGET]], 0)?;
                let text = model.unet.text_context(&pair)?;
                lane.walk.advance_to(done, model, &text, guidance)
            },
        )?;
        if changed || self.frozen_text.is_none() {
            let of = |row| contexts(&self.lanes, row);
            let all = Tensor::f_cat(&[of(TARGET)?, of(1)?, of(NEGATIVE)?], 0)?;
            multiplier.set(0.0);
            self.frozen_text = Some(self.model.unet.text_context(&all)?);
            multiplier.set(1.0);
        }
        Ok(())
    }
}

/// Contexts of one prompt in every lane, `[lanes, tokens, dim]`.
fn contexts(lanes: &Lanes<Prompts>, row: usize) -> Result<Tensor> {
    let each: Vec<&Tensor> = lanes.iter().map(|lane| &lane.prompts.0[row]).collect();
    Ok(Tensor::f_stack(&each, 0)?)
}

impl Replica for SliderTrainer {
    fn parameters(&self) -> Vec<(String, Tensor)> {
        let both = |layer: &SliderLayer| {
            let path = &layer.path;
            [
                (format!("{path}.down"), layer.down.shallow_clone()),
                (format!("{path}.up"), layer.up.shallow_clone()),
            ]
        };
        self.slider.layers().iter().flat_map(both).collect()
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

        let text = model.unet.text_context(&contexts(&self.lanes, TARGET)?)?;
        let outputs = model.predict_each(&inputs, &timesteps, &text, None)?;
        let loss = outputs.f_sub(&wanted)?.f_square()?.f_mean(Kind::Float)?;

        {
            let _guard = tch::no_grad_guard();
            let negative = if self.guidance.is_on() {
                let negative = contexts(&self.lanes, NEGATIVE)?;
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

impl SliderTrainer {
    /// The slider with `parameters`, as [`Replica::parameters`] names them, in place of its own.
    ///
    /// # Errors
    /// One is missing.
    pub fn slider_of(template: &Slider, parameters: &[(String, Tensor)]) -> Result<Slider> {
        let find = |name: String| {
            let found = parameters.iter().find(|(n, _)| *n == name);
            let Some((_, tensor)) = found else {
                return Err(EngineError::request("slider", format!("{name} is missing")));
            };
            Ok(tensor.shallow_clone())
        };
        let layers = template.layers().iter().map(|layer| {
            Ok(SliderLayer {
                path: layer.path.clone(),
                down: find(format!("{}.down", layer.path))?,
                up: find(format!("{}.up", layer.path))?,
                scale: layer.scale,
            })
        });
        Ok(Slider::new(layers.collect::<Result<_>>()?))
    }
}
