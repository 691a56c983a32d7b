//! What an artist asks of a sampler's schedule, over what the model's folder says.

use std::fmt;
use std::str::FromStr;

use super::{Convention, SamplerName, SchedulerConfig, TimestepSpacing};
use crate::{EngineError, Result};

/// A schedule by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum ScheduleName {
    /// What the model's folder says and, where it says nothing, the sampler's own default.
    #[default]
    Model,
    /// Timesteps from the first to the last, both included.
    Linspace,
    /// Timesteps from 0 upward at a whole distance.
    Leading,
    /// Timesteps from the last downward.
    Trailing,
    /// Sigmas in equal steps of σ^(1/7) (Karras et al., 2022, equation 5).
    Karras,
    /// Sigmas in equal steps of log σ.
    Exponential,
    /// Timesteps from the first to the last, one more than steps, the last left out.
    SgmUniform,
}

/// Everything that a recipe says of its schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ScheduleChoice {
    /// Which schedule.
    pub schedule: ScheduleName,
    /// Whose rules hold where programs disagree.
    pub convention: Convention,
    /// Whether the training's betas are rescaled so that the last timestep is pure noise (arXiv
    /// 2305.08891), whatever the folder says; only for models that were trained so.
    pub zero_terminal_snr: bool,
}

impl ScheduleName {
    /// Every schedule, in the order in which lists show them.
    pub const ALL: [Self; 7] = [
        Self::Model,
        Self::Linspace,
        Self::Leading,
        Self::Trailing,
        Self::Karras,
        Self::Exponential,
        Self::SgmUniform,
    ];

    /// The name in recipes and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::Linspace => "linspace",
            Self::Leading => "leading",
            Self::Trailing => "trailing",
            Self::Karras => "karras",
            Self::Exponential => "exponential",
            Self::SgmUniform => "sgm_uniform",
        }
    }

    /// What A1111 writes behind "Schedule type:" for it, where it has the schedule.
    pub fn a1111_label(self) -> Option<&'static str> {
        match self {
            Self::Model | Self::Leading | Self::Trailing => None,
            Self::Linspace => Some("Uniform"),
            Self::Karras => Some("Karras"),
            Self::Exponential => Some("Exponential"),
            Self::SgmUniform => Some("SGM Uniform"),
        }
    }
}

impl Convention {
    /// Both, in the order in which lists show them.
    pub const ALL: [Self; 2] = [Self::Diffusers, Self::KDiffusion];

    /// The name in recipes and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Diffusers => "diffusers",
            Self::KDiffusion => "k_diffusion",
        }
    }
}

impl SchedulerConfig {
    /// This configuration with what `choice` says in its place, for the sampler `name`.
    ///
    /// # Errors
    /// The sampler has nothing that `choice` could change; the error names the recipe's field.
    pub fn with_choice(&self, name: SamplerName, choice: ScheduleChoice) -> Result<Self> {
        let mut config = self.clone();
        let label = name.label();
        let on_alphas = matches!(
            name,
            SamplerName::Ddim | SamplerName::Pndm | SamplerName::Lcm
        );
        let refuse = |field: &str, problem: String| Err(EngineError::request(field, problem));
        if name.is_of_diffusers_alone() && choice.convention != Convention::Diffusers {
            let problem = format!("k-diffusion has no {label}; choose another sampler");
            return refuse("convention", problem);
        }
        let spacing = match choice.schedule {
            ScheduleName::Linspace => Some(TimestepSpacing::Linspace),
            ScheduleName::Leading => Some(TimestepSpacing::Leading),
            ScheduleName::Trailing => Some(TimestepSpacing::Trailing),
            ScheduleName::SgmUniform => Some(TimestepSpacing::SgmUniform),
            ScheduleName::Karras | ScheduleName::Exponential => None,
            // k-diffusion does not read the folder's.
            ScheduleName::Model => {
                (choice.convention == Convention::KDiffusion).then_some(TimestepSpacing::Linspace)
            }
        };
        let schedule = choice.schedule.name();
        let is_curve = matches!(
            choice.schedule,
            ScheduleName::Karras | ScheduleName::Exponential
        );
        if name == SamplerName::Lcm && choice.schedule != ScheduleName::Model {
            let problem =
                format!("{label} has one schedule of its own, so \"model\" is all it takes");
            return refuse("schedule", problem);
        }
        if on_alphas && is_curve {
            let problem = format!("{label} walks timesteps and has no \"{schedule}\" sigmas");
            return refuse("schedule", problem);
        }
        let other = !matches!(choice.schedule, ScheduleName::Model | ScheduleName::Karras);
        if name == SamplerName::Dpmpp2mKarras && other {
            let problem = format!("{label} has Karras sigmas; take dpmpp_2m for \"{schedule}\"");
            return refuse("schedule", problem);
        }
        if let Some(spacing) = spacing {
            config.timestep_spacing = Some(spacing);
        }
        if spacing.is_some() || is_curve {
            config.use_karras_sigmas = choice.schedule == ScheduleName::Karras;
            config.use_exponential_sigmas = choice.schedule == ScheduleName::Exponential;
            config.interpolation_type = super::Interpolation::Linear;
        }
        config.curve_is_asked = is_curve;
        config.convention = choice.convention;
        if choice.zero_terminal_snr {
            let knows = !matches!(
                name,
                SamplerName::Pndm
                    | SamplerName::Lms
                    | SamplerName::Heun
                    | SamplerName::Kdpm2
                    | SamplerName::Kdpm2A
                    | SamplerName::DpmppSde
            );
            if !knows {
                let problem = format!("{label} does not know it; take ddim, euler or dpmpp_2m");
                return refuse("zero_terminal_snr", problem);
            }
            config.rescale_betas_zero_snr = true;
        }
        Ok(config)
    }
}

impl fmt::Display for ScheduleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for ScheduleName {
    type Err = EngineError;

    fn from_str(name: &str) -> Result<Self> {
        let mut all = Self::ALL.into_iter();
        all.find(|schedule| schedule.name() == name)
            .ok_or_else(|| unknown("schedule", name, &Self::ALL.map(Self::name)))
    }
}

impl FromStr for Convention {
    type Err = EngineError;

    fn from_str(name: &str) -> Result<Self> {
        let mut all = Self::ALL.into_iter();
        all.find(|convention| convention.name() == name)
            .ok_or_else(|| unknown("convention", name, &Self::ALL.map(Self::name)))
    }
}

fn unknown(field: &str, name: &str, all: &[&str]) -> EngineError {
    let problem = format!("\"{name}\" is unknown; use one of {}", all.join(", "));
    EngineError::request(field, problem)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> SchedulerConfig {
        let json = serde_json::json!({ "timestep_spacing": "leading", "use_karras_sigmas": true });
        SchedulerConfig::from_map(json.as_object().unwrap(), "scheduler_config.json").unwrap()
    }

    #[test]
    fn names_read_back_and_an_unknown_one_lists_them_all() {
        for schedule in ScheduleName::ALL {
            assert_eq!(schedule.name().parse::<ScheduleName>().unwrap(), schedule);
        }
        let message = "beta".parse::<ScheduleName>().unwrap_err().to_string();
        assert!(
            message.starts_with("schedule: \"beta\"") && message.contains("sgm_uniform"),
            "{message}"
        );
        assert!("comfy".parse::<Convention>().is_err());
    }

    #[test]
    fn a_named_schedule_takes_the_folders_place() {
        let of = |schedule| ScheduleChoice {
            schedule,
            ..ScheduleChoice::default()
        };
        let own = config();
        let same = own.with_choice(SamplerName::Euler, of(ScheduleName::Model));
        assert_eq!(same.unwrap(), own);
        let trailing = own.with_choice(SamplerName::Euler, of(ScheduleName::Trailing));
        let trailing = trailing.unwrap();
        assert_eq!(trailing.timestep_spacing, Some(TimestepSpacing::Trailing));
        assert!(!trailing.use_karras_sigmas);
        let exponential = own.with_choice(SamplerName::Euler, of(ScheduleName::Exponential));
        let exponential = exponential.unwrap();
        assert!(exponential.use_exponential_sigmas && !exponential.use_karras_sigmas);
    }

    #[test]
    fn what_would_change_nothing_is_refused_by_its_field() {
        let ask = |name, schedule, convention, zero_terminal_snr| {
            let choice = ScheduleChoice {
                schedule,
                convention,
                zero_terminal_snr,
            };
            config().with_choice(name, choice).unwrap_err().to_string()
        };
        let (own, k) = (Convention::Diffusers, Convention::KDiffusion);
        for (message, field) in [
            (
                ask(SamplerName::Ddim, ScheduleName::Model, k, false),
                "convention:",
            ),
            (
                ask(SamplerName::Ddim, ScheduleName::Karras, own, false),
                "schedule:",
            ),
            (
                ask(SamplerName::Lcm, ScheduleName::Trailing, own, false),
                "schedule:",
            ),
            (
                ask(
                    SamplerName::Dpmpp2mKarras,
                    ScheduleName::Linspace,
                    own,
                    false,
                ),
                "schedule:",
            ),
            (
                ask(SamplerName::Heun, ScheduleName::Model, own, true),
                "zero_terminal_snr:",
            ),
        ] {
            assert!(message.starts_with(field), "{message}");
        }
    }
}
