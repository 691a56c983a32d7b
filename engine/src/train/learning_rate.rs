//! Learning-rate schedules.

/// Linear warm-up, a flat part, then half a cosine down to zero.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LearningRate {
    /// The flat part's value.
    pub peak: f64,
    /// Steps of warm-up.
    pub warmup_steps: u64,
    /// All steps.
    pub total_steps: u64,
    /// Fraction of all steps, at the end, over which the cosine falls.
    pub decay_fraction: f64,
}

impl LearningRate {
    /// The learning rate for step `step`, counted from 0.
    pub fn at(&self, step: u64) -> f64 {
        let warm = ((step + 1) as f64 / self.warmup_steps.max(1) as f64).min(1.0);
        let total = self.total_steps.max(1) as f64;
        let decay_from = total * (1.0 - self.decay_fraction);
        let decayed = if (step as f64) <= decay_from {
            1.0
        } else {
            let x = ((step as f64 - decay_from) / (total - decay_from).max(1.0)).min(1.0);
            0.5 * (1.0 + (std::f64::consts::PI * x).cos())
        };
        self.peak * warm * decayed
    }
}

#[cfg(test)]
mod tests {
    use super::LearningRate;

    #[test]
    fn rises_stays_and_falls_to_zero() {
        let lr = LearningRate {
            peak: 2.0,
            warmup_steps: 10,
            total_steps: 100,
            decay_fraction: 0.4,
        };
        assert!(lr.at(0) < 0.21);
        assert!((lr.at(30) - 2.0).abs() < 1e-12);
        assert!(lr.at(80) < 2.0 && lr.at(80) > 0.5);
        assert!(lr.at(100) < 1e-9);
    }
}
