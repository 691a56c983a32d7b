//! What a recipe says beyond the fields that every recipe has.

use serde::{Deserialize, Serialize};

use crate::sampling::{Convention, Guidance, Schedule, ScheduleChoice, ScheduleName};
use crate::{EngineError, Result};

/// How the way from noise to picture is walked, beyond sampler, steps and guidance scale. Fields at
/// their defaults are not written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WalkOptions {
    /// Name of the schedule, such as `karras`; `model` is what the model's folder says.
    #[serde(default = "model_schedule", skip_serializing_if = "is_model_schedule")]
    pub schedule: String,
    /// Whose rules hold where programs disagree: `diffusers` or `k_diffusion`.
    #[serde(default = "diffusers", skip_serializing_if = "is_diffusers")]
    pub convention: String,
    /// Whether the last timestep is made pure noise, whatever the model's folder says.
    #[serde(default, skip_serializing_if = "is_false")]
    pub zero_terminal_snr: bool,
    /// Fraction, 0..=1, of the correction for over-exposure by guidance (arXiv 2305.08891, section
    /// 3.4), `guidance_rescale` of Python diffusers.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub guidance_rescale: f64,
    /// Steering of personalized models (arXiv 2508.00319): the share, 0..=1, of the adapters'
    /// weights that the negative half of guidance is made with. 1 is usual guidance, 0 pushes
    /// hardest towards what the adapters taught; absent, it is off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub steering: Option<f64>,
    /// What the sampler walked, filled in by the render for whoever wants to check it. It decides
    /// nothing: every render resolves the schedule anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolved_schedule: Option<ResolvedSchedule>,
}

/// A schedule in numbers, in fp32 as the sampler uses them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ResolvedSchedule {
    /// The timestep that the U-Net was told at every call.
    pub timesteps: Vec<f32>,
    /// Sigma before every call, and after the last; empty for samplers that work on cumulative
    /// alphas.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sigmas: Vec<f32>,
    /// What unit noise was multiplied by to begin with.
    pub init_noise_sigma: f32,
}

impl Default for WalkOptions {
    fn default() -> Self {
        Self {
            schedule: model_schedule(),
            convention: diffusers(),
            zero_terminal_snr: false,
            guidance_rescale: 0.0,
            steering: None,
            resolved_schedule: None,
        }
    }
}

impl WalkOptions {
    /// What is asked of the schedule.
    ///
    /// # Errors
    /// A name is unknown; the sentence lists the known ones.
    pub fn choice(&self) -> Result<ScheduleChoice> {
        Ok(ScheduleChoice {
            schedule: self.schedule.parse()?,
            convention: self.convention.parse()?,
            zero_terminal_snr: self.zero_terminal_snr,
        })
    }

    /// Checks what can be checked without the model.
    ///
    /// # Errors
    /// [`EngineError::Request`] naming the field that cannot be carried out.
    pub(super) fn validate(&self) -> Result<()> {
        self.choice()?;
        Guidance::new(1.0, self.guidance_rescale)?;
        match self.steering {
            Some(share) if !(0.0..=1.0).contains(&share) => Err(EngineError::request(
                "steering",
                format!("{share} is not within 0 to 1; 1 is usual guidance"),
            )),
            _ => Ok(()),
        }
    }
}

impl ResolvedSchedule {
    /// The numbers of `schedule`.
    pub fn of(schedule: &Schedule) -> Self {
        let in_fp32 = |values: &[f64]| values.iter().map(|&value| value as f32).collect();
        Self {
            timesteps: in_fp32(&schedule.timesteps),
            sigmas: in_fp32(&schedule.sigmas),
            init_noise_sigma: schedule.init_noise_sigma as f32,
        }
    }
}

fn model_schedule() -> String {
    ScheduleName::default().name().to_owned()
}

fn is_model_schedule(name: &str) -> bool {
    name == ScheduleName::default().name()
}

fn diffusers() -> String {
    Convention::default().name().to_owned()
}

fn is_diffusers(name: &str) -> bool {
    name == Convention::default().name()
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands fields over by reference"
)]
fn is_false(value: &bool) -> bool {
    !value
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands fields over by reference"
)]
fn is_zero(value: &f64) -> bool {
    *value == 0.0
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::tests::sample;
    use super::super::{from_json, to_json};
    use super::*;

    #[test]
    fn defaults_are_not_written_and_the_rest_comes_back() {
        let text = to_json(&[sample()]).unwrap();
        for field in ["schedule", "convention", "snr", "rescale"] {
            assert!(!text.contains(field), "{text}");
        }
        let mut recipe = sample();
        recipe.walk.schedule = "karras".to_owned();
        recipe.walk.convention = "k_diffusion".to_owned();
        recipe.walk.zero_terminal_snr = true;
        recipe.walk.guidance_rescale = 0.7;
        recipe.walk.resolved_schedule = Some(ResolvedSchedule {
            timesteps: vec![999.0, 0.1],
            sigmas: vec![14.614_642, 0.03, 0.0],
            init_noise_sigma: 14.614_642,
        });
        recipe.unknown.insert("future".to_owned(), 1.into());
        let text = to_json(std::slice::from_ref(&recipe)).unwrap();
        let back = from_json(&text, Path::new("r.json")).unwrap();
        assert_eq!(back, [recipe]);
    }

    #[test]
    fn each_bad_field_is_named() {
        type Spoil = fn(&mut super::super::Recipe);
        let cases: [(&str, Spoil); 4] = [
            ("schedule", |r| r.walk.schedule = "beta".to_owned()),
            ("convention", |r| r.walk.convention = "comfy".to_owned()),
            ("guidance_rescale", |r| r.walk.guidance_rescale = 1.5),
            ("steering", |r| r.walk.steering = Some(-0.1)),
        ];
        for (field, spoil) in cases {
            let mut recipe = sample();
            spoil(&mut recipe);
            let error = recipe.validate().unwrap_err();
            assert!(error.is_usage(), "{error}");
            assert!(error.to_string().starts_with(field), "{field}: {error}");
        }
    }
}
