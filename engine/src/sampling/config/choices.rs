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

/// Which second-order formula DPM-Solver++ takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SolverType {
    /// The midpoint formula.
    #[default]
    Midpoint,
    /// Heun's formula.
    Heun,
}
