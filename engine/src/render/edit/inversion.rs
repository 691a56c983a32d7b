//! Virtual inversion: a walk on which the source is exact by construction.
//!
//! The denoising diffusion consistent model of InfEdit (arXiv 2312.04965) with η = 1: source and
//! target share all noise. Where the source's clean latents are known to be x₀ and the U-Net says
//! D(x_s) for it and D(x_t) for the target, the target's clean latents are x₀ + D(x_t) − D(x_s):
//! the model's own error on the source falls out. Both are then noised again alike.

use tch::Tensor;

use crate::Result;
use crate::sampling::{NoiseSchedule, PredictionType};

/// One call: how much of the clean latents and of noise there is before and after it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct InversionStep {
    pub(super) timestep: f64,
    /// √ᾱ and √(1 − ᾱ) before the call.
    now: (f64, f64),
    /// The same after it; 1 and 0 after the last.
    next: (f64, f64),
}

/// The steps at `timesteps`, which fall.
pub(super) fn steps(timesteps: &[f64], noise: &NoiseSchedule) -> Vec<InversionStep> {
    let level = |timestep: f64| {
        let alpha_bar = noise.alpha_bar_at(timestep);
        (alpha_bar.sqrt(), (1.0 - alpha_bar).sqrt())
    };
    let nexts = timesteps.iter().skip(1).map(|&t| level(t));
    let steps = timesteps.iter().zip(nexts.chain([(1.0, 0.0)]));
    steps
        .map(|(&timestep, next)| InversionStep {
            timestep,
            now: level(timestep),
            next,
        })
        .collect()
}

impl InversionStep {
    /// Latents that hold `clean` before this call, noised with unit `noise`.
    pub(super) fn noised_before(&self, clean: &Tensor, noise: &Tensor) -> Result<Tensor> {
        mixed(self.now, clean, noise)
    }

    /// Latents that hold `clean` after this call.
    pub(super) fn noised_after(&self, clean: &Tensor, noise: &Tensor) -> Result<Tensor> {
        mixed(self.next, clean, noise)
    }

    /// DDIM backwards (arXiv 2010.02502, §4.3): `sample` as it is after this call, taken to where it
    /// was before it. `output` is what the U-Net said of `sample` at this call's timestep.
    pub(super) fn inverted(
        &self,
        prediction: PredictionType,
        sample: &Tensor,
        output: &Tensor,
    ) -> Result<Tensor> {
        // A model of clean samples says nothing of the noise in one that has none.
        let (alpha, sigma) = match prediction {
            PredictionType::Sample => self.now,
            _ => self.next,
        };
        let clean = prediction.clean(output, sample, alpha, sigma)?;
        let unit = prediction.epsilon(output, sample, alpha, sigma)?;
        mixed(self.now, &clean, &unit)
    }

    /// DDIM with η = 0: `sample` as it is before this call, taken to where it is after it.
    pub(super) fn denoised(
        &self,
        prediction: PredictionType,
        sample: &Tensor,
        output: &Tensor,
    ) -> Result<Tensor> {
        let (alpha, sigma) = self.now;
        let clean = prediction.clean(output, sample, alpha, sigma)?;
        let unit = prediction.epsilon(output, sample, alpha, sigma)?;
        mixed(self.next, &clean, &unit)
    }

    /// The target's clean latents. `source` and `target` are what the U-Net saw and what it said,
    /// and `clean` is x₀.
    pub(super) fn target(
        &self,
        prediction: PredictionType,
        clean: &Tensor,
        source: (&Tensor, &Tensor),
        target: (&Tensor, &Tensor),
    ) -> Result<Tensor> {
        let (alpha, sigma) = self.now;
        let of =
            |(sample, output): (&Tensor, &Tensor)| prediction.clean(output, sample, alpha, sigma);
        Ok(clean.f_add(&of(target)?.f_sub(&of(source)?)?)?)
    }
}

fn mixed((signal, noise): (f64, f64), clean: &Tensor, unit: &Tensor) -> Result<Tensor> {
    Ok(clean
        .f_mul_scalar(signal)?
        .f_add(&unit.f_mul_scalar(noise)?)?)
}

#[cfg(test)]
mod tests {
    use tch::{Device, Kind};

    use super::*;
    use crate::sampling::SchedulerConfig;

    fn random() -> Tensor {
        Tensor::randn([1, 4, 3, 3], (Kind::Float, Device::Cpu))
    }

    fn schedule() -> NoiseSchedule {
        let json = serde_json::json!({ "beta_schedule": "scaled_linear" });
        let config = SchedulerConfig::from_map(json.as_object().unwrap(), "scheduler_config.json");
        NoiseSchedule::new(&config.unwrap()).unwrap()
    }

    fn close(a: &Tensor, b: &Tensor) -> bool {
        a.allclose(b, 1e-4, 1e-4, false)
    }

    #[test]
    fn the_papers_form_and_ours_agree_for_a_model_of_epsilon() {
        let noise = schedule();
        let step = steps(&[801.0, 401.0], &noise)[0];
        let (alpha, sigma) = step.now;
        let [clean, x_s, x_t, eps_s, eps_t] = [(); 5].map(|()| random());
        let ours = step
            .target(
                PredictionType::Epsilon,
                &clean,
                (&x_s, &eps_s),
                (&x_t, &eps_t),
            )
            .unwrap();
        // x₀ + [(x_t − x_s) − √(1−ᾱ)(ε_t − ε_s)] / √ᾱ
        let papers = &clean + ((&x_t - &x_s) - (&eps_t - &eps_s) * sigma) / alpha;
        assert!(close(&ours, &papers));
    }

    #[test]
    fn what_the_model_says_alike_of_both_leaves_the_source_exact() {
        let noise = schedule();
        let (clean, sample, output) = (random(), random(), random());
        for step in steps(&[901.0, 601.0, 301.0, 1.0], &noise) {
            for prediction in [PredictionType::Epsilon, PredictionType::VPrediction] {
                let same = (&sample, &output);
                let target = step.target(prediction, &clean, same, same).unwrap();
                assert_eq!(target, clean);
            }
        }
    }

    #[test]
    fn ddim_walks_back_where_the_model_says_the_same_at_both_ends() {
        let noise = schedule();
        let (sample, unit) = (random(), random());
        for step in steps(&[801.0, 401.0, 1.0], &noise) {
            // A model of epsilon that always sees the same noise is inverted exactly.
            let up = step
                .inverted(PredictionType::Epsilon, &sample, &unit)
                .unwrap();
            let down = step.denoised(PredictionType::Epsilon, &up, &unit).unwrap();
            assert!(close(&down, &sample));
            assert!(!close(&up, &sample));
        }
    }

    #[test]
    fn each_step_begins_where_the_last_one_ended() {
        let noise = schedule();
        let steps = steps(&[901.0, 601.0, 301.0], &noise);
        for pair in steps.windows(2) {
            assert_eq!(pair[0].next, pair[1].now);
        }
        assert_eq!(steps[2].next, (1.0, 0.0));
        let (clean, unit) = (random(), random());
        assert!(close(
            &steps[2].noised_after(&clean, &unit).unwrap(),
            &clean
        ));
    }
}
