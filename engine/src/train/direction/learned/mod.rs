//! The direction that is trained through the U-Net (arXiv 2403.17064, section 4).

mod loss_space;
mod prompts;
#[cfg(test)]
mod tests;

use rand::RngExt as _;
use rand_chacha::ChaCha8Rng;
use tch::{Kind, Tensor};

use self::prompts::Prompts;
use super::PromptPair;
use crate::controls::DELTA_NAMES;
use crate::models::unet::TextContext;
use crate::sampling::Guidance;
use crate::train::lanes::{LaneOptions, Lanes, row};
use crate::train::{FrozenModel, Replica};
use crate::{EngineError, Result};

pub use loss_space::LossSpace;

/// How a direction is learnt.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DirectionOptions {
    /// What the loss compares.
    pub loss: LossSpace,
    /// Sampler states that a worker takes each step, every one from a walk of its own.
    pub walks: usize,
    /// Sampler steps in a walk.
    pub sampling_steps: usize,
    /// Guidance scale of the walks.
    pub guidance_scale: f64,
    /// Scales tried at every state.
    pub scales: usize,
    /// Smallest and largest scale, before the random sign.
    pub scale_range: (f64, f64),
    /// Seed of prompts, noise and scales.
    pub seed: u64,
}

/// A direction in training: at sampler states of the target prompts, the output under
/// `e + s · m · d` learns to be `f(target) + s · (f(positive) − f(negative))`.
pub struct DirectionTrainer {
    model: FrozenModel,
    pairs: Vec<PromptPair>,
    options: DirectionOptions,
    guidance: Guidance,
    /// One vector a text encoder, `[dim]` in fp32.
    deltas: Vec<Tensor>,
    lanes: Lanes<Prompts>,
    /// Keys and values of the empty prompt in every lane, then of all targets, all positives and
    /// all negatives; they change with the lanes' prompts.
    frozen_text: Option<TextContext>,
    /// Chunks that the longest prompt needs.
    chunks: usize,
}

/// Rows of [`Prompts::contexts`].
const ROWS: i64 = 4;

impl DirectionTrainer {
    /// A replica on `model` for worker `worker`, that starts from zero or from `start` (one vector
    /// a text encoder).
    ///
    /// # Errors
    /// There are no pairs, a target does not name its subject or names it twice, `start` is of
    /// another width, or an option is out of range.
    pub fn new(
        model: FrozenModel,
        pairs: Vec<PromptPair>,
        options: DirectionOptions,
        start: Option<&[Tensor]>,
        worker: usize,
    ) -> Result<Self> {
        let positive = [options.walks, options.sampling_steps, options.scales];
        if positive.contains(&0) {
            return Err(EngineError::request(
                "training",
                "walks, sampling steps and scales must be 1 or more",
            ));
        }
        let _guard = tch::no_grad_guard();
        for pair in &pairs {
            pair.check()?;
        }
        let chunks = PromptPair::most_chunks(&pairs, &model.text)?;
        let empty = model.text.encode("", chunks)?;
        let deltas = (empty.encoders.iter().enumerate())
            .map(|(at, encoder)| {
                let width = encoder.tokens.size()[1];
                let delta = Tensor::f_zeros([width], (Kind::Float, model.device))?;
                if let Some(start) = start.and_then(|start| start.get(at)) {
                    delta.shallow_clone().f_copy_(start)?;
                }
                Ok(delta)
            })
            .collect::<Result<_>>()?;
        Ok(Self {
            guidance: Guidance::new(options.guidance_scale, 0.0)?,
            lanes: Lanes::new(LaneOptions {
                lanes: options.walks,
                steps: options.sampling_steps,
                seed: options.seed,
                worker,
            }),
            model,
            pairs,
            options,
            deltas,
            frozen_text: None,
            chunks,
        })
    }

    /// Brings the walks to `step`.
    fn bring_lanes(&mut self, step: u64) -> Result<()> {
        let _guard = tch::no_grad_guard();
        let Self {
            model,
            pairs,
            lanes,
            guidance,
            chunks,
            ..
        } = self;
        let changed = lanes.bring_to(
            step,
            model,
            |random| {
                let pair = &pairs[random.random_range(0..pairs.len())];
                let wording = random.random_range(0..pair.wordings());
                let prompts = Prompts::encode(model, pair, wording, *chunks)?;
                Ok((prompts, random.random()))
            },
            |lane, done| {
                let pair = lane.prompts.contexts.f_narrow(0, 0, 2)?;
                let text = model.unet.text_context(&pair)?;
                lane.walk.advance_to(done, model, &text, guidance)
            },
        )?;
        if changed || self.frozen_text.is_none() {
            let contexts: Vec<&Tensor> = lanes.iter().map(|l| &l.prompts.contexts).collect();
            let contexts = Tensor::f_stack(&contexts, 1)?.f_flatten(0, 1)?;
            self.frozen_text = Some(model.unet.text_context(&contexts)?);
        }
        Ok(())
    }

    /// The targets' contexts, moved by every one of `scales` `[lanes, scales]`:
    /// `[lanes · scales, tokens, dim]`, with a graph.
    fn moved_contexts(&self, scales: &Tensor) -> Result<Tensor> {
        let scales = scales.f_unsqueeze(-1)?.f_unsqueeze(-1)?;
        let masks: Vec<&Tensor> = self.lanes.iter().map(|l| &l.prompts.mask).collect();
        let reach = Tensor::f_stack(&masks, 0)?.f_unsqueeze(1)?.f_mul(&scales)?;
        let mut encoders = Vec::with_capacity(self.deltas.len());
        for (at, delta) in self.deltas.iter().enumerate() {
            let states: Vec<&Tensor> = self.lanes.iter().map(|l| &l.prompts.states[at]).collect();
            let states = Tensor::f_stack(&states, 0)?.f_unsqueeze(1)?;
            encoders.push(states.f_add(&reach.f_mul(delta)?)?);
        }
        Ok(Tensor::f_cat(&encoders, -1)?.f_flatten(0, 1)?)
    }

    /// Scales with random signs, `[lanes, scales]`.
    fn draw_scales(&self, random: &mut ChaCha8Rng) -> Result<Tensor> {
        let (least, most) = self.options.scale_range;
        let count = self.options.walks * self.options.scales;
        let scales: Vec<f64> = (0..count)
            .map(|_| {
                let size = least + (most - least) * random.random::<f64>();
                if random.random() { size } else { -size }
            })
            .collect();
        let shape = [self.options.walks as i64, self.options.scales as i64];
        Ok(row(&scales, &self.model)?.f_view(shape)?)
    }
}

impl Replica for DirectionTrainer {
    fn parameters(&self) -> Vec<(String, Tensor)> {
        let names = DELTA_NAMES.iter().map(|&name| name.to_owned());
        names
            .zip(self.deltas.iter().map(Tensor::shallow_clone))
            .collect()
    }

    fn loss(&mut self, step: u64) -> Result<(Tensor, Vec<(&'static str, f64)>)> {
        self.bring_lanes(step)?;
        let Some(frozen_text) = &self.frozen_text else {
            return Err(EngineError::request("training", "has no prompts"));
        };
        let model = &self.model;
        let count = self.options.walks as i64;
        let scales = self.draw_scales(&mut self.lanes.options().step_random(step))?;
        let timesteps = self.lanes.timesteps();
        let gains: Vec<f64> = timesteps
            .iter()
            .map(|&timestep| {
                let (signal, noise) = model.signal_and_noise(timestep);
                let prediction = model.scheduler.prediction_type;
                self.options.loss.gain(prediction, signal, noise).powi(2)
            })
            .collect();
        let gains = row(&gains, model)?.f_unsqueeze(1)?;
        let timesteps = row(&timesteps, model)?;
        let inputs = self.lanes.inputs()?;

        // Frozen outputs; those of the empty prompt and the target take the walks on, too.
        let (change, wanted) = {
            let _guard = tch::no_grad_guard();
            let inputs = inputs.f_repeat([ROWS, 1, 1, 1])?;
            let outputs =
                model.predict_each(&inputs, &timesteps.f_repeat([ROWS])?, frozen_text, None)?;
            let rows = |at: i64| outputs.f_narrow(0, at * count, count);
            let target = rows(1)?;
            self.lanes.advance(&self.guidance, &rows(0)?, &target)?;
            let change = rows(2)?
                .f_sub(&rows(3)?)?
                .f_unsqueeze(1)?
                .f_mul(&scales.f_view([count, -1, 1, 1, 1])?)?;
            let wanted = target.f_unsqueeze(1)?.f_add(&change)?.f_flatten(0, 1)?;
            (change.f_flatten(0, 1)?, wanted)
        };

        let text = model.unet.text_context(&self.moved_contexts(&scales)?)?;
        let each = self.options.scales as i64;
        let outputs = model.predict_each(
            &inputs.f_repeat_interleave_self_int(each, 0, None)?,
            &timesteps.f_repeat_interleave_self_int(each, 0, None)?,
            &text,
            None,
        )?;
        let weighted = |difference: &Tensor| -> Result<Tensor> {
            let square = difference.f_square()?;
            let mean = square.f_mean_dim(&[1_i64, 2, 3][..], false, Kind::Float)?;
            let by_lane = mean.f_view([count, each])?.f_mul(&gains)?;
            Ok(by_lane.f_mean(Kind::Float)?)
        };
        let loss = weighted(&outputs.f_sub(&wanted)?)?;
        // What the loss would be without a direction.
        let whole = f64::try_from(weighted(&change)?)?;
        let part = f64::try_from(loss.f_detach()?)? / whole.max(f64::MIN_POSITIVE);
        Ok((loss, vec![("unexplained", part)]))
    }
}
