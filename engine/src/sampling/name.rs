//! The samplers by name.

use std::{fmt, str::FromStr};

use super::SchedulerConfig;
use crate::{EngineError, Result};

/// A sampler that [`super::build`] can make.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SamplerName {
    /// Denoising diffusion implicit models, without noise (arXiv 2010.02502).
    Ddim,
    /// Pseudo numerical methods for diffusion models (arXiv 2202.09778).
    Pndm,
    /// Euler's method on the probability flow (arXiv 2206.00364, algorithm 2).
    Euler,
    /// Linear multistep of order 4 on the probability flow (k-diffusion).
    Lms,
    /// Two evaluations a step, the second at the geometric mean of two sigmas (k-diffusion's DPM2).
    Kdpm2,
    /// DPM-Solver++ multistep (arXiv 2211.01095).
    Dpmpp2m,
    /// Euler with fresh noise after every step (k-diffusion).
    EulerA,
    /// DPM-Solver++ multistep on the sigmas of Karras et al. (2022).
    Dpmpp2mKarras,
    /// Heun's method on the probability flow (arXiv 2206.00364, algorithm 1): two evaluations a step.
    Heun,
    /// [`Self::Kdpm2`] with fresh noise after every step (k-diffusion's DPM2 a).
    Kdpm2A,
    /// DPM-Solver++ multistep with fresh noise (arXiv 2211.01095, appendix A).
    Dpmpp2mSde,
    /// DPM-Solver++ in single steps of two evaluations, with fresh noise (k-diffusion).
    DpmppSde,
    /// Unified predictor and corrector (arXiv 2302.04867).
    UniPc,
    /// Latent consistency (arXiv 2310.04378), for models that were distilled for it.
    Lcm,
}

impl SamplerName {
    /// Every sampler, in the order in which lists show them.
    pub const ALL: [Self; 14] = [
        Self::Ddim,
        Self::Pndm,
        Self::Euler,
        Self::EulerA,
        Self::Lms,
        Self::Heun,
        Self::Kdpm2,
        Self::Kdpm2A,
        Self::Dpmpp2m,
        Self::Dpmpp2mKarras,
        Self::Dpmpp2mSde,
        Self::DpmppSde,
        Self::UniPc,
        Self::Lcm,
    ];

    /// The name in recipes and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ddim => "ddim",
            Self::Pndm => "pndm",
            Self::Euler => "euler",
            Self::Lms => "lms",
            Self::Kdpm2 => "kdpm2",
            Self::Dpmpp2m => "dpmpp_2m",
            Self::EulerA => "euler_a",
            Self::Dpmpp2mKarras => "dpmpp_2m_karras",
            Self::Heun => "heun",
            Self::Kdpm2A => "kdpm2_a",
            Self::Dpmpp2mSde => "dpmpp_2m_sde",
            Self::DpmppSde => "dpmpp_sde",
            Self::UniPc => "unipc",
            Self::Lcm => "lcm",
        }
    }

    /// The name that people read, as A1111 writes it where it has the sampler.
    pub fn label(self) -> &'static str {
        match self {
            Self::Ddim => "DDIM",
            Self::Pndm => "PNDM",
            Self::Euler => "Euler",
            Self::Lms => "LMS",
            Self::Kdpm2 => "DPM2",
            Self::Dpmpp2m => "DPM++ 2M",
            Self::EulerA => "Euler a",
            Self::Dpmpp2mKarras => "DPM++ 2M Karras",
            Self::Heun => "Heun",
            Self::Kdpm2A => "DPM2 a",
            Self::Dpmpp2mSde => "DPM++ 2M SDE",
            Self::DpmppSde => "DPM++ SDE",
            Self::UniPc => "UniPC",
            Self::Lcm => "LCM",
        }
    }

    /// Whether k-diffusion has nothing like it, so that its rules cannot hold.
    pub fn is_of_diffusers_alone(self) -> bool {
        matches!(self, Self::Ddim | Self::Pndm | Self::UniPc | Self::Lcm)
    }

    /// The sampler that the model's folder asks for by its `_class_name`.
    ///
    /// # Errors
    /// The class is missing or is none that we have; the sentence lists the samplers to choose from.
    pub fn default_for(config: &SchedulerConfig) -> Result<Self> {
        Ok(match config.class_name.as_deref() {
            Some("DDIMScheduler") => Self::Ddim,
            Some("PNDMScheduler") => Self::Pndm,
            Some("EulerDiscreteScheduler") => Self::Euler,
            Some("EulerAncestralDiscreteScheduler") => Self::EulerA,
            Some("LMSDiscreteScheduler") => Self::Lms,
            Some("KDPM2DiscreteScheduler") => Self::Kdpm2,
            Some("HeunDiscreteScheduler") => Self::Heun,
            Some("KDPM2AncestralDiscreteScheduler") => Self::Kdpm2A,
            Some("DPMSolverSDEScheduler") => Self::DpmppSde,
            Some("UniPCMultistepScheduler") => Self::UniPc,
            Some("LCMScheduler") => Self::Lcm,
            Some("DPMSolverMultistepScheduler") if config.is_stochastic => Self::Dpmpp2mSde,
            Some("DPMSolverMultistepScheduler") if config.use_karras_sigmas => Self::Dpmpp2mKarras,
            Some("DPMSolverMultistepScheduler") => Self::Dpmpp2m,
            other => {
                let problem = match other {
                    Some(class) => format!("is {class}, which has no sampler here"),
                    None => "is missing".to_owned(),
                };
                return Err(config.bad(
                    "_class_name",
                    format!("{problem}; choose a sampler: {}", list_of_names()),
                ));
            }
        })
    }
}

fn list_of_names() -> String {
    SamplerName::ALL.map(SamplerName::name).join(", ")
}

impl fmt::Display for SamplerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for SamplerName {
    type Err = EngineError;

    fn from_str(name: &str) -> Result<Self> {
        Self::ALL
            .into_iter()
            .find(|sampler| sampler.name() == name)
            .ok_or_else(|| {
                EngineError::request(
                    "sampler",
                    format!("\"{name}\" is unknown; use one of {}", list_of_names()),
                )
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back_and_an_unknown_one_lists_them_all() {
        for sampler in SamplerName::ALL {
            assert_eq!(sampler.name().parse::<SamplerName>().unwrap(), sampler);
        }
        let message = "dpm_fast".parse::<SamplerName>().unwrap_err().to_string();
        assert!(message.contains("\"dpm_fast\""), "{message}");
        for sampler in SamplerName::ALL {
            assert!(message.contains(sampler.name()), "{message}");
        }
    }
}
