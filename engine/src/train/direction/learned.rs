//! The direction that is trained through the U-Net (arXiv 2403.17064, section 4).

use std::str::FromStr;

use rand::RngExt as _;
use rand_chacha::ChaCha8Rng;
use tch::{Kind, Tensor};

use super::PromptPair;
use crate::controls::DELTA_NAMES;
use crate::models::unet::TextContext;
use crate::sampling::{Guidance, PredictionType};
use crate::train::lanes::{LaneOptions, Lanes, row};
use crate::train::{FrozenModel, Replica};
use crate::{EngineError, Result};

/// What the loss compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LossSpace {
    /// The clean latents that the outputs mean.
    X0,
    /// The noise that the outputs mean.
    Epsilon,
}

impl LossSpace {
    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::X0 => "x0",
            Self::Epsilon => "epsilon",
        }
    }

    /// By how much a difference of two outputs grows in this space, where a state is
    /// `signal`·x₀ + `noise`·ε: both spaces are affine in the output.
    fn gain(self, prediction: PredictionType, signal: f64, noise: f64) -> f64 {
        match (self, prediction) {
            (Self::X0, PredictionType::Epsilon) => noise / signal,
            (Self::X0, PredictionType::VPrediction) => noise,
            (Self::X0, PredictionType::Sample) | (Self::Epsilon, PredictionType::Epsilon) => 1.0,
            (Self::Epsilon, PredictionType::VPrediction) => signal,
            (Self::Epsilon, PredictionType::Sample) => signal / noise,
        }
    }
}

impl FromStr for LossSpace {
    type Err = EngineError;

    fn from_str(name: &str) -> Result<Self> {
        match name {
            "x0" => Ok(Self::X0),
            "epsilon" => Ok(Self::Epsilon),
            _ => Err(EngineError::request(
                "loss",
                format!("\"{name}\" is not one of x0, epsilon"),
            )),
        }
    }
}

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

/// The prompts of one walk, encoded.
struct Prompts {
    /// Contexts of the empty prompt, the target, the positive and the negative prompt,
    /// `[4, tokens, dim]`.
    contexts: Tensor,
    /// The target's states in every encoder, `[tokens, dim]` each.
    states: Vec<Tensor>,
    /// 1 at the subject's tokens and 0 elsewhere, `[tokens, 1]`.
    mask: Tensor,
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

impl Prompts {
    fn encode(
        model: &FrozenModel,
        pair: &PromptPair,
        wording: usize,
        chunks: usize,
    ) -> Result<Self> {
        let wording = pair.wording(wording);
        let encode = |prompt: &str| model.text.encode(prompt, chunks);
        let target = encode(&wording.target)?;
        let span = target.find(&pair.subject)?;
        let contexts = [
            encode("")?.context()?,
            target.context()?,
            encode(&wording.positive)?.context()?,
            encode(&wording.negative)?.context()?,
        ];
        let tokens = contexts[1].size()[0];
        let mask = Tensor::f_zeros([tokens, 1], (Kind::Float, model.device))?;
        let (start, count) = (span.tokens.start as i64, span.tokens.len() as i64);
        let _ = mask.f_narrow(0, start, count)?.f_fill_(1.0)?;
        let states = target.encoders.iter();
        Ok(Self {
            contexts: Tensor::f_stack(&contexts, 0)?,
            states: states
                .map(|states| states.tokens.f_to_kind(Kind::Float))
                .collect::<Result<_, _>>()?,
            mask,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;
    use std::time::Duration;

    use tch::{Device, Kind, Tensor};

    use super::{DirectionOptions, DirectionTrainer, LossSpace};
    use crate::Result;
    use crate::checkpoint::tiny::write_model;
    use crate::sampling::PredictionType;
    use crate::train::direction::PromptPair;
    use crate::train::{
        AdamW, FrozenModel, LearningRate, Replica as _, StepReport, TrainLoop, TrainOptions, Watch,
    };

    const OPTIONS: DirectionOptions = DirectionOptions {
        loss: LossSpace::Epsilon,
        walks: 2,
        sampling_steps: 4,
        guidance_scale: 3.0,
        scales: 3,
        scale_range: (0.1, 2.0),
        seed: 5,
    };

    fn model(folder: &Path) -> FrozenModel {
        if !folder.join("unet").exists() {
            write_model(folder, 4).unwrap();
        }
        tch::set_num_threads(1);
        FrozenModel::load(folder, Kind::Float, Device::Cpu).unwrap()
    }

    fn pairs() -> Vec<PromptPair> {
        let pair = |noun: &str| PromptPair {
            target: format!("a {noun} there"),
            positive: format!("a very old {noun} there"),
            negative: format!("a new {noun} there"),
            neutral: None,
            subject: noun.to_owned(),
            prefixes: Vec::new(),
        };
        vec![pair("cat"), pair("dog")]
    }

    fn trainer(folder: &Path, start: Option<&Tensor>) -> DirectionTrainer {
        let start = start.map(|s| vec![s.shallow_clone()]);
        DirectionTrainer::new(model(folder), pairs(), OPTIONS, start.as_deref(), 0).unwrap()
    }

    fn loss_with(trainer: &mut DirectionTrainer, delta: &Tensor, step: u64) -> f64 {
        tch::no_grad(|| trainer.deltas[0].shallow_clone().copy_(delta));
        trainer.loss(step).unwrap().0.double_value(&[])
    }

    #[test]
    fn both_spaces_measure_what_the_outputs_mean() {
        let random = || Tensor::randn([2, 3], (Kind::Float, Device::Cpu));
        let (a, b, sample) = (random(), random(), random());
        let (signal, noise) = (0.6, 0.8);
        for prediction in [
            PredictionType::Epsilon,
            PredictionType::VPrediction,
            PredictionType::Sample,
        ] {
            let clean = |out: &Tensor| prediction.clean(out, &sample, signal, noise).unwrap();
            let of_clean = clean(&a) - clean(&b);
            // ε follows from x₀ by sample = signal · x₀ + noise · ε.
            let of_noise = &of_clean * (-signal / noise);
            for (space, want) in [(LossSpace::X0, of_clean), (LossSpace::Epsilon, of_noise)] {
                let gain = space.gain(prediction, signal, noise);
                let got = (&a - &b) * gain;
                assert!(
                    got.abs().allclose(&want.abs(), 1e-4, 1e-5, false),
                    "{prediction:?}"
                );
            }
        }
        assert!("eps".parse::<LossSpace>().is_err());
    }

    #[test]
    fn only_the_subjects_tokens_are_moved_each_row_by_its_scale() {
        let folder = tempfile::tempdir().unwrap();
        let delta = Tensor::rand([32], (Kind::Float, Device::Cpu));
        let mut trainer = trainer(folder.path(), Some(&delta));
        trainer.bring_lanes(0).unwrap();
        let scales = Tensor::from_slice(&[1.0_f32, -2.0, 0.5, 3.0, 0.0, 1.0]).view([2, 3]);
        let moved = trainer.moved_contexts(&scales).unwrap();
        assert_eq!(moved.size(), [6, 77, 32]);
        for (at, lane) in trainer.lanes.iter().enumerate() {
            let states = &lane.prompts.states[0];
            let cat = lane.prompts.mask.sum(Kind::Float).double_value(&[]);
            assert!((1.0..=3.0).contains(&cat), "{cat}");
            for scale in 0..3 {
                let factor = scales.double_value(&[at as i64, scale]);
                let want = states + &lane.prompts.mask * &delta * factor;
                let got = moved.get(3 * at as i64 + scale);
                assert!(got.allclose(&want, 1e-6, 1e-6, false));
            }
        }
    }

    #[test]
    fn without_a_direction_the_whole_change_is_unexplained() {
        let folder = tempfile::tempdir().unwrap();
        let (loss, figures) = trainer(folder.path(), None).loss(0).unwrap();
        assert!(loss.double_value(&[]) > 0.0);
        assert!((figures[0].1 - 1.0).abs() < 1e-3, "{figures:?}");
    }

    #[test]
    fn the_gradient_is_the_slope_of_the_loss() {
        let folder = tempfile::tempdir().unwrap();
        let mut trainer = trainer(folder.path(), None);
        let options = (Kind::Float, Device::Cpu);
        let (delta, way) = (Tensor::randn([32], options), Tensor::randn([32], options));
        let h = 0.02;
        let up = loss_with(&mut trainer, &(&delta + &way * h), 1);
        let down = loss_with(&mut trainer, &(&delta - &way * h), 1);
        let slope = (up - down) / (2.0 * h);
        loss_with(&mut trainer, &delta, 1);
        let leaf = trainer.deltas[0].set_requires_grad(true);
        trainer.loss(1).unwrap().0.backward();
        let want = leaf.grad().dot(&way).double_value(&[]);
        assert!(
            (slope - want).abs() < 0.02 * want.abs() + 1e-7,
            "{slope} {want}"
        );
    }

    #[test]
    fn walks_that_are_joined_on_their_way_are_the_same_walks() {
        let folder = tempfile::tempdir().unwrap();
        let (mut all, mut late) = (trainer(folder.path(), None), trainer(folder.path(), None));
        let delta = Tensor::ones([32], (Kind::Float, Device::Cpu));
        let losses: Vec<f64> = (0..7)
            .map(|step| loss_with(&mut all, &delta, step))
            .collect();
        for step in [2, 6] {
            let loss = loss_with(&mut late, &delta, step);
            let want = losses[step as usize];
            assert!((loss - want).abs() < 1e-4 * want, "{step}: {loss} {want}");
        }
        assert!(
            (losses[0] - losses[4]).abs() > 1e-6,
            "another walk is another loss"
        );
    }

    struct Quiet;

    impl Watch for Quiet {
        fn report(&mut self, _: &StepReport) {}

        fn averages(&mut self, _: u64, _: Vec<(String, Tensor)>) -> Result<()> {
            Ok(())
        }
    }

    #[test]
    fn training_explains_part_of_the_change() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path();
        drop(model(place));
        let options = TrainOptions {
            workers: 2,
            optimizer: AdamW {
                weight_decay: 0.0,
                ema_decay: 0.8,
                ..AdamW::default()
            },
            learning_rate: LearningRate {
                peak: 0.1,
                warmup_steps: 1,
                total_steps: 40,
                decay_fraction: 0.5,
            },
            state_file: place.join("state.safetensors"),
            save_every: Duration::from_mins(1),
            report_every: Duration::from_mins(1),
            show_every: None,
        };
        let trained = TrainLoop::new(options, Arc::default())
            .run(
                |worker| DirectionTrainer::new(model(place), pairs(), OPTIONS, None, worker),
                &mut Quiet,
            )
            .unwrap();
        // On walks that were not trained on.
        let mut judge = trainer(place, None);
        let mut mean = |delta: &Tensor| {
            let losses = (1000..1006).map(|step| loss_with(&mut judge, delta, step));
            losses.sum::<f64>()
        };
        let (name, delta) = &trained.averages[0];
        assert_eq!(name, "text_encoder.delta");
        let (before, after) = (mean(&delta.zeros_like()), mean(delta));
        assert!(after < 0.9 * before, "{before} to {after}");
    }
}
