//! Noise schedules and samplers.
//!
//! [`build`] makes the sampler that Python diffusers gives for the same name, configuration and
//! number of steps; `docs/samplers.md` says how closely each agrees. [`ImageNoise`] draws the
//! noise of one image, [`Guidance`] combines the two predictions of classifier-free guidance.

mod choice;
mod config;
mod ddim;
mod diffusers_rs;
mod dpmpp;
mod dpmpp_sde;
mod euler;
mod guidance;
mod heun;
mod kdpm2;
mod lcm;
mod lms;
mod name;
mod noise;
mod noise_schedule;
mod pndm;
mod prediction;
mod spacing;
mod unipc;
mod vp_spacing;

use tch::{Kind, Tensor};

pub use choice::{ScheduleChoice, ScheduleName};
pub use config::{
    BetaSchedule, Convention, FinalSigmas, Interpolation, SchedulerConfig, SigmaCurve, SolverType,
    TimestepSpacing,
};
pub use guidance::Guidance;
pub use name::SamplerName;
pub use noise::ImageNoise;
pub(crate) use noise::lock_generator;
pub use noise_schedule::NoiseSchedule;
pub use prediction::PredictionType;

use crate::{EngineError, Result};

/// Everything that a denoising loop needs to know in advance, resolved from a scheduler's
/// configuration and a number of steps.
#[derive(Debug, Clone, PartialEq)]
pub struct Schedule {
    /// The timestep given to the U-Net at each model call; multi-evaluation samplers (Heun, KDPM2,
    /// DPM++ SDE, PNDM) have more calls than the artist's steps.
    pub timesteps: Vec<f64>,
    /// Sigma at each model call, then the final one (length `timesteps.len() + 1`); empty for
    /// samplers that work on cumulative alphas.
    pub sigmas: Vec<f64>,
    /// Standard deviation that unit noise is scaled to before the first call.
    pub init_noise_sigma: f64,
    /// What a sample holds before each model call.
    pub levels: Vec<NoiseLevel>,
}

/// How much of the clean sample and of unit noise a sample holds: `signal · clean + noise · unit`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NoiseLevel {
    /// Factor of the clean sample, 0..=1; 1 in the samplers that work on sigmas.
    pub signal: f64,
    /// Factor of the noise.
    pub noise: f64,
}

impl NoiseLevel {
    /// The level of a cumulative alpha ᾱ: `√ᾱ` and `√(1 − ᾱ)`.
    fn of_alpha(alpha_bar: f64) -> Self {
        Self {
            signal: alpha_bar.sqrt(),
            noise: (1.0 - alpha_bar).sqrt(),
        }
    }

    /// The level of a sample whose noise is not scaled: 1 and σ.
    fn of_sigma(sigma: f64) -> Self {
        Self {
            signal: 1.0,
            noise: sigma,
        }
    }
}

impl Schedule {
    /// A clean sample with unit `noise` of its shape, as it is before call `i`: the `add_noise` of
    /// diffusers' schedulers. In fp32.
    ///
    /// # Errors
    /// `i` is not a call of this schedule, or the shapes differ.
    pub fn noised(&self, clean: &Tensor, noise: &Tensor, i: usize) -> Result<Tensor> {
        let level = at(&self.levels, i)?;
        let (noise, clean) = in_fp32(noise, clean)?;
        blend(level.signal, &clean, level.noise, &noise)
    }

    /// Leaves out the first `calls` calls.
    fn skip(&mut self, calls: usize) {
        let calls = calls.min(self.timesteps.len());
        self.timesteps.drain(..calls);
        self.levels.drain(..calls);
        self.sigmas.drain(..calls.min(self.sigmas.len()));
    }
}

/// One way of walking from noise to latents.
///
/// The loop is: `latents = noise · init_noise_sigma`; for each call `i`, feed
/// `scale_model_input(latents, i)` and `timesteps[i]` to the U-Net, then
/// `latents = step(output, i, latents, noise)`.
///
/// A sampler may remember earlier outputs: one value serves one run, its calls made in order from 0.
pub trait Sampler: Send {
    /// The resolved schedule.
    fn schedule(&self) -> &Schedule;

    /// What the U-Net sees of `sample` `[batch, channels, h, w]` at call `i`, in fp32.
    ///
    /// # Errors
    /// `i` is not a call of this schedule, or a tensor operation failed.
    fn scale_model_input(&self, sample: &Tensor, i: usize) -> Result<Tensor>;

    /// Whether [`Sampler::step`] at call `i` consumes noise; most samplers never do.
    fn needs_noise(&self, _i: usize) -> bool {
        false
    }

    /// The next sample from the (guided) model output at call `i`, in fp32.
    ///
    /// `noise` is unit normal of `sample`'s shape where [`Sampler::needs_noise`] says so.
    ///
    /// # Errors
    /// `i` is not a call of this schedule, noise is missing, the shapes of `model_output` and
    /// `sample` differ, or a tensor operation failed.
    fn step(
        &mut self,
        model_output: &Tensor,
        i: usize,
        sample: &Tensor,
        noise: Option<&Tensor>,
    ) -> Result<Tensor>;
}

/// The sampler `name` for `steps` steps on the noise schedule that `config` describes.
///
/// It equals Python diffusers' scheduler of that name made by `from_config(config)`.
/// The steps run on diffusers-rs where that crate agrees with diffusers, and on our own code
/// elsewhere.
///
/// # Errors
/// `config` has a value that this sampler cannot use, or `steps` is 0 or more than the schedule
/// has distinct timesteps for.
pub fn build(
    name: SamplerName,
    config: &SchedulerConfig,
    steps: usize,
) -> Result<Box<dyn Sampler>> {
    let own = build_own(name, config, steps, 0)?;
    if diffusers_rs::agrees(name, config, steps) {
        let schedule = own.schedule().clone();
        return Ok(Box::new(diffusers_rs::DiffusersRs::new(
            name, config, steps, schedule,
        )?));
    }
    Ok(own)
}

/// The sampler `name` for the last steps of `steps`, the first `skipped` left out, as a picture that
/// starts from another one is walked; it remembers nothing of the steps before.
///
/// It equals Python diffusers' scheduler after `set_begin_index`, but for two cases where that one
/// misplaces samples: PNDM begins its multistep formula where it starts, and LMS never weighs
/// derivatives that it does not have.
///
/// # Errors
/// As [`build`], or no step is left.
pub fn build_tail(
    name: SamplerName,
    config: &SchedulerConfig,
    steps: usize,
    skipped: usize,
) -> Result<Box<dyn Sampler>> {
    if skipped >= steps {
        return Err(EngineError::request(
            "steps",
            format!("no step is left of {steps} when {skipped} are left out"),
        ));
    }
    build_own(name, config, steps, skipped)
}

/// The sampler in our own code, whatever diffusers-rs can do, without its first `skipped` steps.
fn build_own(
    name: SamplerName,
    config: &SchedulerConfig,
    steps: usize,
    skipped: usize,
) -> Result<Box<dyn Sampler>> {
    if steps == 0 || steps > config.num_train_timesteps {
        return Err(EngineError::request(
            "steps",
            format!(
                "{steps} is out of range; ask for 1 to {} steps",
                config.num_train_timesteps
            ),
        ));
    }
    Ok(match name {
        SamplerName::Ddim => Box::new(ddim::Ddim::new(config, steps)?.skip(skipped)),
        SamplerName::Pndm => Box::new(pndm::Pndm::new(config, steps, skipped)?),
        SamplerName::Euler => Box::new(euler::Euler::new(config, steps)?.skip(skipped)),
        SamplerName::EulerA => Box::new(euler::EulerAncestral::new(config, steps)?.skip(skipped)),
        SamplerName::Lms => Box::new(lms::Lms::new(config, steps)?.skip(skipped)),
        SamplerName::Heun => Box::new(heun::Heun::new(config, steps)?.skip(skipped)),
        SamplerName::Kdpm2 | SamplerName::Kdpm2A => {
            Box::new(kdpm2::Kdpm2::new(name, config, steps)?.skip(skipped))
        }
        SamplerName::Dpmpp2m | SamplerName::Dpmpp2mSde => {
            Box::new(dpmpp::Dpmpp2m::new(name, config, steps)?.skip(skipped))
        }
        SamplerName::Dpmpp2mKarras => {
            let mut config = config.clone();
            (config.use_karras_sigmas, config.use_exponential_sigmas) = (true, false);
            Box::new(dpmpp::Dpmpp2m::new(name, &config, steps)?.skip(skipped))
        }
        SamplerName::DpmppSde => Box::new(dpmpp_sde::DpmppSde::new(config, steps)?.skip(skipped)),
        SamplerName::UniPc => Box::new(unipc::UniPc::new(config, steps)?.skip(skipped)),
        SamplerName::Lcm => Box::new(lcm::Lcm::new(config, steps)?.skip(skipped)),
    })
}

/// The error for a number of steps that the timestep spacing cannot place.
fn too_many_steps(steps: usize, config: &SchedulerConfig, name: SamplerName) -> EngineError {
    EngineError::request(
        "steps",
        format!(
            "{} cannot place {steps} steps on the model's {} timesteps; ask for fewer",
            name.label(),
            config.num_train_timesteps
        ),
    )
}

/// `values[i]`, or the error for a call that the schedule does not have.
fn at<T: Copy>(values: &[T], i: usize) -> Result<T> {
    values.get(i).copied().ok_or_else(|| {
        EngineError::request(
            "step",
            format!(
                "call {i} is past the end of a schedule of {} values",
                values.len()
            ),
        )
    })
}

/// The noise of call `i` in fp32; `None` where `sampler` needs none.
fn fresh_noise(sampler: &dyn Sampler, i: usize, noise: Option<&Tensor>) -> Result<Option<Tensor>> {
    if !sampler.needs_noise(i) {
        return Ok(None);
    }
    let missing = || EngineError::request("step", format!("the sampler needs noise at call {i}"));
    Ok(Some(noise.ok_or_else(missing)?.f_to_kind(Kind::Float)?))
}

/// A step from one sigma to another as k-diffusion's ancestral samplers take it: the deviation of
/// the noise that it ends with, and the sigma that it steps down to before.
fn ancestral(from: f64, to: f64) -> (f64, f64) {
    let up = (to * to * (from * from - to * to) / (from * from)).sqrt();
    let down = (to * to - up * up).max(0.0).sqrt();
    (up, down)
}

/// Both tensors in fp32, as diffusers computes every step.
fn in_fp32(model_output: &Tensor, sample: &Tensor) -> Result<(Tensor, Tensor)> {
    if model_output.size() != sample.size() {
        return Err(EngineError::request(
            "step",
            format!(
                "the model's output has shape {:?} but the latents have {:?}",
                model_output.size(),
                sample.size()
            ),
        ));
    }
    Ok((
        model_output.f_to_kind(Kind::Float)?,
        sample.f_to_kind(Kind::Float)?,
    ))
}

/// `a · x + b · y`, each product rounded by itself so that a batch equals its single images.
fn blend(a: f64, x: &Tensor, b: f64, y: &Tensor) -> Result<Tensor> {
    Ok(x.f_mul_scalar(a)?.f_add(&y.f_mul_scalar(b)?)?)
}

/// `sample / √(σ² + 1)`: the input scaling of the sigma samplers (Karras et al., 2022, c_in).
fn scale_by_sigma(sample: &Tensor, sigma: f64) -> Result<Tensor> {
    Ok(sample
        .f_to_kind(Kind::Float)?
        .f_div_scalar((sigma * sigma + 1.0).sqrt())?)
}
