//! The values of the fields that are one of a few words.

/// How beta runs from `beta_start` to `beta_end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BetaSchedule {
    /// In equal steps.
    #[default]
    Linear,
    /// In equal steps of its square root.
    ScaledLinear,
    /// So that the cumulative alpha follows a squared cosine (arXiv 2102.09672).
    SquaredcosCapV2,
}

/// How the sampling steps lie among the training timesteps (arXiv 2305.08891, table 2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TimestepSpacing {
    /// From 0 (plus `steps_offset`) upward at a whole-number distance.
    Leading,
    /// From the last timestep downward.
    Trailing,
    /// Both ends included.
    Linspace,
    /// As [`Self::Linspace`] with one more, of which the last is left out: "SGM Uniform" of other
    /// programs. No model's folder can ask for it.
    SgmUniform,
}

/// How sigmas fall where they do not follow from timesteps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SigmaCurve {
    /// In equal steps of σ^(1/7) (Karras et al., 2022, equation 5).
    Karras,
    /// In equal steps of log σ.
    Exponential,
}

/// Whose rules hold where programs disagree; `docs/samplers.md` lists them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Convention {
    /// Python diffusers 0.42.1, which the model's folder speaks to.
    #[default]
    Diffusers,
    /// k-diffusion, as AUTOMATIC1111's web UI runs it.
    KDiffusion,
}

/// The sigma that the last step goes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FinalSigmas {
    /// No noise at all.
    #[default]
    Zero,
    /// The sigma of timestep 0.
    SigmaMin,
}

/// How Euler finds the sigmas of its steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Interpolation {
    /// Linearly between the sigmas of the neighbouring training timesteps.
    #[default]
    Linear,
    /// In equal steps of log sigma from the largest to the smallest.
    LogLinear,
}

/// Which formula of higher order DPM-Solver++ and UniPC take; what is the other one's means its
/// own default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SolverType {
    /// The midpoint formula of DPM-Solver++.
    #[default]
    Midpoint,
    /// Heun's formula of DPM-Solver++.
    Heun,
    /// B(h) = h of UniPC.
    Bh1,
    /// B(h) = e^h − 1 of UniPC, which is its default.
    Bh2,
}
