//! The samplers of the `diffusers` crate behind our trait, where they agree with Python diffusers.

use diffusers::schedulers::{
    BetaSchedule as RsBetaSchedule, PredictionType as RsPredictionType,
    ddim::{DDIMScheduler, DDIMSchedulerConfig},
    dpmsolver_multistep::{DPMSolverMultistepScheduler, DPMSolverMultistepSchedulerConfig},
    euler_discrete::{EulerDiscreteScheduler, EulerDiscreteSchedulerConfig},
    k_dpm_2_discrete::{KDPM2DiscreteScheduler, KDPM2DiscreteSchedulerConfig},
    lms_discrete::{LMSDiscreteScheduler, LMSDiscreteSchedulerConfig},
    pndm::{PNDMScheduler, PNDMSchedulerConfig},
};
use tch::Tensor;

use super::{
    BetaSchedule, Convention, FinalSigmas, Interpolation, PredictionType, Sampler, SamplerName,
    Schedule, SchedulerConfig, SolverType, TimestepSpacing, at, in_fp32, noise::lock_generator,
};
use crate::{EngineError, Result};

/// Whether diffusers-rs computes what Python diffusers computes for this request; the reasons why
/// not are beside each condition.
pub(super) fn agrees(name: SamplerName, config: &SchedulerConfig, steps: usize) -> bool {
    // With one step its PNDM and DPM++ underflow an index and its sigma samplers start at the
    // other end of the schedule.
    if steps < 2
        // Its cosine betas come out as zeros: an integer division.
        || config.beta_schedule == Some(BetaSchedule::SquaredcosCapV2)
        || config.trained_betas.is_some()
        // The other predictions panic in some of its samplers.
        || config.prediction_type != PredictionType::Epsilon
        || config.convention != Convention::Diffusers
        || config.use_exponential_sigmas
    {
        return false;
    }
    // Each of its samplers knows one spacing; the default of diffusers' class where none is given.
    let spaced = |wanted: TimestepSpacing, default: TimestepSpacing| {
        config.timestep_spacing.unwrap_or(default) == wanted
    };
    let leading_from_1 =
        spaced(TimestepSpacing::Leading, TimestepSpacing::Leading) && config.steps_offset == 1;
    let linspace = spaced(TimestepSpacing::Linspace, TimestepSpacing::Linspace);
    let zero_snr = config.rescale_betas_zero_snr;
    match name {
        // Its last step goes to timestep 0, and it never clips.
        SamplerName::Ddim => {
            leading_from_1
                && config.set_alpha_to_one == Some(false)
                && config.clip_sample == Some(false)
                && !zero_snr
        }
        // It has no Runge-Kutta start.
        SamplerName::Pndm => leading_from_1 && config.skip_prk_steps,
        SamplerName::Euler => {
            linspace
                && !config.use_karras_sigmas
                && !zero_snr
                && config.final_sigmas_type == FinalSigmas::Zero
                && config.interpolation_type == Interpolation::Linear
        }
        SamplerName::Lms | SamplerName::Kdpm2 => linspace && !config.use_karras_sigmas,
        // It ends at timestep 0, and falls back to lower orders below 15 steps.
        SamplerName::Dpmpp2m => {
            linspace
                && !config.use_karras_sigmas
                && !zero_snr
                && config.final_sigmas_type == FinalSigmas::SigmaMin
                && config.lambda_min_clipped == f64::NEG_INFINITY
                && config.solver_order == 2
                && config.solver_type != SolverType::Heun
                && config.lower_order_final
                && !config.euler_at_final
        }
        // It draws the noise of Euler a and DPM2 a from the global generator, in the batch's shape,
        // it has no Karras sigmas, its Heun has another first sigma, and it has none of the others.
        _ => false,
    }
}

enum Scheduler {
    Ddim(DDIMScheduler),
    Pndm(PNDMScheduler),
    Euler(EulerDiscreteScheduler),
    Lms(LMSDiscreteScheduler),
    Kdpm2(KDPM2DiscreteScheduler),
    Dpmpp2m(DPMSolverMultistepScheduler),
}

/// A sampler of diffusers-rs. It finds its place by the timestep's value, so it is handed its own.
pub(super) struct DiffusersRs {
    scheduler: Scheduler,
    schedule: Schedule,
}

impl DiffusersRs {
    /// `schedule` is what our own sampler of the same name resolved.
    ///
    /// # Errors
    /// diffusers-rs has no such sampler, or resolves another number of calls.
    pub(super) fn new(
        name: SamplerName,
        config: &SchedulerConfig,
        steps: usize,
        schedule: Schedule,
    ) -> Result<Self> {
        let train_timesteps = config.num_train_timesteps;
        let (default_start, default_end) = match name {
            SamplerName::Kdpm2 => (0.00085, 0.012),
            _ => (0.0001, 0.02),
        };
        let beta_start = config.beta_start.unwrap_or(default_start);
        let beta_end = config.beta_end.unwrap_or(default_end);
        let beta_schedule = match config.beta_schedule.unwrap_or_default() {
            BetaSchedule::Linear => RsBetaSchedule::Linear,
            BetaSchedule::ScaledLinear => RsBetaSchedule::ScaledLinear,
            BetaSchedule::SquaredcosCapV2 => RsBetaSchedule::SquaredcosCapV2,
        };
        let prediction_type = RsPredictionType::Epsilon;
        let steps_offset = config.steps_offset;
        let scheduler = match name {
            SamplerName::Ddim => Scheduler::Ddim(DDIMScheduler::new(
                steps,
                DDIMSchedulerConfig {
                    beta_start,
                    beta_end,
                    beta_schedule,
                    eta: 0.0,
                    steps_offset,
                    prediction_type,
                    train_timesteps,
                },
            )),
            SamplerName::Pndm => Scheduler::Pndm(PNDMScheduler::new(
                steps,
                PNDMSchedulerConfig {
                    beta_start,
                    beta_end,
                    beta_schedule,
                    set_alpha_to_one: config.set_alpha_to_one.unwrap_or(false),
                    prediction_type,
                    steps_offset,
                    train_timesteps,
                },
            )),
            SamplerName::Euler => Scheduler::Euler(EulerDiscreteScheduler::new(
                steps,
                EulerDiscreteSchedulerConfig {
                    beta_start,
                    beta_end,
                    beta_schedule,
                    train_timesteps,
                    prediction_type,
                },
            )),
            SamplerName::Lms => Scheduler::Lms(LMSDiscreteScheduler::new(
                steps,
                LMSDiscreteSchedulerConfig {
                    beta_start,
                    beta_end,
                    beta_schedule,
                    train_timesteps,
                    order: 4,
                    prediction_type,
                },
            )),
            SamplerName::Kdpm2 => Scheduler::Kdpm2(KDPM2DiscreteScheduler::new(
                steps,
                KDPM2DiscreteSchedulerConfig {
                    beta_start,
                    beta_end,
                    beta_schedule,
                    train_timesteps,
                    prediction_type,
                },
            )),
            SamplerName::Dpmpp2m => Scheduler::Dpmpp2m(DPMSolverMultistepScheduler::new(
                steps,
                DPMSolverMultistepSchedulerConfig {
                    beta_start,
                    beta_end,
                    beta_schedule,
                    train_timesteps,
                    prediction_type,
                    ..DPMSolverMultistepSchedulerConfig::default()
                },
            )),
            _ => return Err(unlike(name)),
        };
        let sampler = Self {
            scheduler,
            schedule,
        };
        if sampler.calls() == sampler.schedule.timesteps.len() {
            Ok(sampler)
        } else {
            Err(unlike(name))
        }
    }

    fn calls(&self) -> usize {
        match &self.scheduler {
            Scheduler::Ddim(s) => s.timesteps().len(),
            Scheduler::Pndm(s) => s.timesteps().len(),
            Scheduler::Euler(s) => s.timesteps().len(),
            Scheduler::Lms(s) => s.timesteps().len(),
            Scheduler::Kdpm2(s) => s.timesteps().len(),
            Scheduler::Dpmpp2m(s) => s.timesteps().len(),
        }
    }
}

fn unlike(name: SamplerName) -> EngineError {
    EngineError::request(
        "sampler",
        format!("{name} does not run on diffusers-rs; choose another sampler"),
    )
}

impl Sampler for DiffusersRs {
    fn schedule(&self) -> &Schedule {
        &self.schedule
    }

    fn scale_model_input(&self, sample: &Tensor, i: usize) -> Result<Tensor> {
        let sample = sample.f_to_kind(tch::Kind::Float)?;
        Ok(match &self.scheduler {
            Scheduler::Ddim(s) => s.scale_model_input(sample, at(s.timesteps(), i)?),
            Scheduler::Pndm(s) => s.scale_model_input(sample, at(s.timesteps(), i)?),
            Scheduler::Euler(s) => s.scale_model_input(sample, at(s.timesteps(), i)?),
            Scheduler::Lms(s) => s.scale_model_input(sample, at(s.timesteps(), i)?),
            Scheduler::Kdpm2(s) => s.scale_model_input(sample, at(s.timesteps(), i)?),
            // DPM++ takes the sample as it is.
            Scheduler::Dpmpp2m(s) => {
                at(s.timesteps(), i)?;
                sample
            }
        })
    }

    fn step(
        &mut self,
        model_output: &Tensor,
        i: usize,
        sample: &Tensor,
        _: Option<&Tensor>,
    ) -> Result<Tensor> {
        let (output, sample) = in_fp32(model_output, sample)?;
        Ok(match &mut self.scheduler {
            Scheduler::Ddim(s) => s.step(&output, at(s.timesteps(), i)?, &sample),
            Scheduler::Pndm(s) => s.step(&output, at(s.timesteps(), i)?, &sample),
            Scheduler::Euler(s) => {
                // It draws noise that it multiplies away: not while an image's noise is drawn.
                let _generator = lock_generator();
                s.step(&output, at(s.timesteps(), i)?, &sample)
            }
            Scheduler::Lms(s) => s.step(&output, at(s.timesteps(), i)?, &sample),
            Scheduler::Kdpm2(s) => s.step(&output, at(s.timesteps(), i)?, &sample),
            Scheduler::Dpmpp2m(s) => s.step(&output, at(s.timesteps(), i)?, &sample),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{super::build_own, *};

    /// Every request that runs on diffusers-rs, and its sampler in our own code.
    fn agreeing(name: SamplerName) -> SchedulerConfig {
        let spacing = match name {
            SamplerName::Ddim | SamplerName::Pndm => "leading",
            _ => "linspace",
        };
        let json = serde_json::json!({
            "beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear",
            "steps_offset": 1, "set_alpha_to_one": false, "clip_sample": false,
            "skip_prk_steps": true, "timestep_spacing": spacing,
            "final_sigmas_type": if name == SamplerName::Dpmpp2m { "sigma_min" } else { "zero" },
        });
        SchedulerConfig::from_map(json.as_object().unwrap(), "scheduler_config.json").unwrap()
    }

    fn run(sampler: &mut dyn Sampler, train: usize) -> Tensor {
        let schedule = sampler.schedule().clone();
        let ramp = Tensor::linspace(-2.0, 2.0, 64, tch::kind::FLOAT_CPU).reshape([1, 4, 4, 4]);
        let mut sample = ramp.sin() * schedule.init_noise_sigma;
        for (i, t) in schedule.timesteps.iter().enumerate() {
            let input = sampler.scale_model_input(&sample, i).unwrap();
            let output = input * (0.3 + 0.4 * t / train as f64) + &ramp * 0.5;
            sample = sampler.step(&output, i, &sample, None).unwrap();
        }
        sample
    }

    #[test]
    fn our_own_code_agrees_wherever_diffusers_rs_runs() {
        for name in SamplerName::ALL {
            let config = agreeing(name);
            let expected = matches!(
                name,
                SamplerName::Ddim
                    | SamplerName::Pndm
                    | SamplerName::Euler
                    | SamplerName::Lms
                    | SamplerName::Kdpm2
                    | SamplerName::Dpmpp2m
            );
            for steps in [2, 3, 7, 20, 50] {
                assert_eq!(agrees(name, &config, steps), expected, "{name} {steps}");
                if !expected {
                    continue;
                }
                let mut own = build_own(name, &config, steps, 0).unwrap();
                let schedule = own.schedule().clone();
                let mut other = DiffusersRs::new(name, &config, steps, schedule).unwrap();
                let own = run(own.as_mut(), config.num_train_timesteps);
                let other = run(&mut other, config.num_train_timesteps);
                let difference = f64::try_from((&own - &other).abs().max()).unwrap();
                let largest = f64::try_from(own.abs().max()).unwrap();
                assert!(
                    difference <= 1e-5 * largest,
                    "{name} {steps}: {difference:e} of {largest}"
                );
            }
        }
    }

    #[test]
    fn one_step_never_runs_on_diffusers_rs() {
        for name in SamplerName::ALL {
            assert!(!agrees(name, &agreeing(name), 1), "{name}");
        }
    }
}
