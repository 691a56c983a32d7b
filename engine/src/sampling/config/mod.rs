//! A model folder's `scheduler_config.json`, as Python diffusers writes it.

mod choices;
mod fields;

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use self::fields::{Fields, quote_infinities};
use super::PredictionType;
use crate::{EngineError, Result};

pub use choices::{
    BetaSchedule, Convention, FinalSigmas, Interpolation, SigmaCurve, SolverType, TimestepSpacing,
};

/// The noise schedule that a model was trained with, and how its folder wants it sampled.
///
/// Fields have diffusers' names and meanings. Where diffusers' classes differ in a field's default
/// it is an `Option`, and each sampler fills in its own class's, as `from_config` does.
#[derive(Debug, Clone, PartialEq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "they are the file's own fields"
)]
pub struct SchedulerConfig {
    /// The file that errors name.
    pub path: PathBuf,
    /// diffusers' class, such as `PNDMScheduler`.
    pub class_name: Option<String>,
    /// Number of training timesteps, at least 2.
    pub num_train_timesteps: usize,
    /// Beta of the first timestep.
    pub beta_start: Option<f64>,
    /// Beta of the last timestep.
    pub beta_end: Option<f64>,
    /// How beta runs between them.
    pub beta_schedule: Option<BetaSchedule>,
    /// All betas, instead of the three fields above; `num_train_timesteps` values within 0..1.
    pub trained_betas: Option<Vec<f64>>,
    /// What the U-Net predicts.
    pub prediction_type: PredictionType,
    /// How the steps are spaced.
    pub timestep_spacing: Option<TimestepSpacing>,
    /// Added to every timestep of leading spacing.
    pub steps_offset: usize,
    /// Whether the last step goes to a cumulative alpha of 1 (else to that of timestep 0).
    pub set_alpha_to_one: Option<bool>,
    /// Whether PNDM leaves out its Runge-Kutta start.
    pub skip_prk_steps: bool,
    /// Whether DDIM clips the predicted clean sample; DDIM's own default is true.
    pub clip_sample: Option<bool>,
    /// The bound that it clips to.
    pub clip_sample_range: f64,
    /// Whether betas are rescaled so that the last timestep is pure noise (arXiv 2305.08891).
    pub rescale_betas_zero_snr: bool,
    /// Whether sigmas follow Karras et al. (2022), equation 5 with ρ = 7.
    pub use_karras_sigmas: bool,
    /// Whether sigmas fall in equal steps of their logarithm.
    pub use_exponential_sigmas: bool,
    /// Whether `use_karras_sigmas` or `use_exponential_sigmas` is the artist's wish, which holds
    /// for samplers, too, whose diffusers class does not look at these fields.
    pub curve_is_asked: bool,
    /// Whose rules hold where programs disagree; no folder has this field.
    pub convention: Convention,
    /// The smallest Karras sigma, instead of the schedule's.
    pub sigma_min: Option<f64>,
    /// The largest Karras sigma, instead of the schedule's.
    pub sigma_max: Option<f64>,
    /// Where the last step of Euler, DPM++ and UniPC goes.
    pub final_sigmas_type: FinalSigmas,
    /// How Euler interpolates sigmas.
    pub interpolation_type: Interpolation,
    /// Order of DPM-Solver++ and UniPC: 1, 2 or 3.
    pub solver_order: usize,
    /// Formula of DPM-Solver++ and UniPC.
    pub solver_type: SolverType,
    /// Whether DPM-Solver++ ends on lower orders when it has fewer than 15 steps, and UniPC always.
    pub lower_order_final: bool,
    /// Whether DPM-Solver++ always ends on a first-order step.
    pub euler_at_final: bool,
    /// DPM-Solver++ leaves out the timesteps whose log(α/σ) is below this.
    pub lambda_min_clipped: f64,
    /// Whether DPM-Solver++ asks for fresh noise (`algorithm_type` `sde-dpmsolver++`).
    pub is_stochastic: bool,
    /// Steps that a latent consistency model was distilled from, of which its steps are some.
    pub original_inference_steps: usize,
    /// Factor of timesteps in the boundary condition of latent consistency models.
    pub timestep_scaling: f64,
    /// Values that only some samplers look at, and that those cannot use: field and problem.
    unsupported: Vec<(Family, &'static str, String)>,
}

/// Which samplers look at a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sampling) enum Family {
    /// DDIM, LCM, DPM++ and UniPC, which know dynamic thresholding.
    Thresholding,
    /// Those of k-diffusion's kind but Euler a, DPM++ and UniPC, which know other sigma schedules.
    Sigmas,
    /// Euler alone.
    Euler,
    /// DPM++, with fresh noise or without.
    Dpmpp,
    /// DPM++ without fresh noise.
    DpmppOde,
    /// UniPC alone.
    UniPc,
    /// DPM++ and UniPC.
    Flow,
}

impl SchedulerConfig {
    /// Reads `scheduler_config.json`. Unknown fields are ignored.
    ///
    /// # Errors
    /// The file cannot be read or is no JSON object, or a field has a type or value that no sampler
    /// can use; the error names the field.
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let text = std::fs::read_to_string(path).map_err(|source| EngineError::io(path, source))?;
        let map: Map<String, Value> =
            serde_json::from_str(&quote_infinities(&text)).map_err(|e| {
                EngineError::bad_file(path, format!("not a JSON object ({e}); copy it again"))
            })?;
        Self::from_map(&map, path)
    }

    /// Interprets the fields of a `scheduler_config.json` that errors shall call `path`.
    ///
    /// # Errors
    /// A field has a type or value that no sampler can use.
    pub fn from_map(map: &Map<String, Value>, path: impl Into<PathBuf>) -> Result<Self> {
        let path = path.into();
        let fields = Fields { map, path: &path };
        let num_train_timesteps = fields.count("num_train_timesteps")?.unwrap_or(1000);
        if num_train_timesteps < 2 {
            return Err(fields.bad("num_train_timesteps", "must be at least 2"));
        }
        let trained_betas = fields.betas(num_train_timesteps)?;
        let solver_order = fields.count("solver_order")?.unwrap_or(2);
        if !(1..=3).contains(&solver_order) {
            return Err(fields.bad("solver_order", "must be 1, 2 or 3"));
        }
        let config = Self {
            class_name: fields.text("_class_name")?.map(str::to_owned),
            num_train_timesteps,
            beta_start: fields.beta("beta_start")?,
            beta_end: fields.beta("beta_end")?,
            beta_schedule: fields.choice(
                "beta_schedule",
                &[
                    ("linear", BetaSchedule::Linear),
                    ("scaled_linear", BetaSchedule::ScaledLinear),
                    ("squaredcos_cap_v2", BetaSchedule::SquaredcosCapV2),
                ],
            )?,
            trained_betas,
            prediction_type: fields
                .choice(
                    "prediction_type",
                    &[
                        ("epsilon", PredictionType::Epsilon),
                        ("v_prediction", PredictionType::VPrediction),
                        ("sample", PredictionType::Sample),
                    ],
                )?
                .unwrap_or_default(),
            timestep_spacing: fields.choice(
                "timestep_spacing",
                &[
                    ("leading", TimestepSpacing::Leading),
                    ("trailing", TimestepSpacing::Trailing),
                    ("linspace", TimestepSpacing::Linspace),
                ],
            )?,
            steps_offset: fields.count("steps_offset")?.unwrap_or(0),
            set_alpha_to_one: fields.flag("set_alpha_to_one")?,
            skip_prk_steps: fields.flag("skip_prk_steps")?.unwrap_or(false),
            clip_sample: fields.flag("clip_sample")?,
            clip_sample_range: fields.positive("clip_sample_range")?.unwrap_or(1.0),
            rescale_betas_zero_snr: fields.flag("rescale_betas_zero_snr")?.unwrap_or(false),
            use_karras_sigmas: fields.flag("use_karras_sigmas")?.unwrap_or(false),
            use_exponential_sigmas: fields.flag("use_exponential_sigmas")?.unwrap_or(false),
            curve_is_asked: false,
            convention: Convention::default(),
            sigma_min: fields.positive("sigma_min")?,
            sigma_max: fields.positive("sigma_max")?,
            final_sigmas_type: fields
                .choice(
                    "final_sigmas_type",
                    &[
                        ("zero", FinalSigmas::Zero),
                        ("sigma_min", FinalSigmas::SigmaMin),
                    ],
                )?
                .unwrap_or_default(),
            interpolation_type: fields
                .choice(
                    "interpolation_type",
                    &[
                        ("linear", Interpolation::Linear),
                        ("log_linear", Interpolation::LogLinear),
                    ],
                )?
                .unwrap_or_default(),
            solver_order,
            solver_type: fields
                .choice(
                    "solver_type",
                    &[
                        ("midpoint", SolverType::Midpoint),
                        ("heun", SolverType::Heun),
                        // Another solver's name, which diffusers reads as the default.
                        ("logrho", SolverType::Midpoint),
                        ("bh1", SolverType::Bh1),
                        ("bh2", SolverType::Bh2),
                    ],
                )?
                .unwrap_or_default(),
            lower_order_final: fields.flag("lower_order_final")?.unwrap_or(true),
            euler_at_final: fields.flag("euler_at_final")?.unwrap_or(false),
            lambda_min_clipped: fields
                .number("lambda_min_clipped")?
                .unwrap_or(f64::NEG_INFINITY),
            is_stochastic: fields.text("algorithm_type")? == Some("sde-dpmsolver++"),
            original_inference_steps: fields.count("original_inference_steps")?.unwrap_or(50),
            timestep_scaling: fields.positive("timestep_scaling")?.unwrap_or(10.0),
            unsupported: fields.unsupported()?,
            path,
        };
        Ok(config)
    }

    /// The configuration as `StableDiffusionPipeline` corrects it when it loads a folder: old
    /// folders lack `steps_offset` 1 and ask for a clipping that belongs to pixel models.
    pub fn corrected_for_stable_diffusion(mut self) -> Self {
        self.steps_offset = 1;
        self.clip_sample = Some(false);
        self
    }

    /// The curve that sigmas follow; `None` where they follow from timesteps.
    ///
    /// # Errors
    /// The file asks for two at once.
    pub(in crate::sampling) fn curve(&self) -> Result<Option<SigmaCurve>> {
        match (self.use_karras_sigmas, self.use_exponential_sigmas) {
            (true, true) => Err(self.bad(
                "use_exponential_sigmas",
                "is true, and so is use_karras_sigmas; choose one of them",
            )),
            (true, false) => Ok(Some(SigmaCurve::Karras)),
            (false, true) => Ok(Some(SigmaCurve::Exponential)),
            (false, false) => Ok(None),
        }
    }

    /// An error about `field` of this configuration.
    pub(in crate::sampling) fn bad(&self, field: &str, problem: impl Into<String>) -> EngineError {
        EngineError::bad_config(&self.path, field, problem)
    }

    /// Fails when a field that `families` look at has a value that they cannot use.
    pub(in crate::sampling) fn check(&self, families: &[Family]) -> Result<()> {
        match self
            .unsupported
            .iter()
            .find(|(family, ..)| families.contains(family))
        {
            Some((_, field, problem)) => Err(self.bad(field, problem.clone())),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
