//! Which conditioning holds at which step.

use super::Conditioning;
use crate::{EngineError, Result};

/// Conditionings and the fraction of the steps, 0..1, from which each holds; the first from 0.
#[derive(Debug)]
pub struct ConditioningSchedule {
    /// `(start fraction, conditioning)`, ascending.
    phases: Vec<(f64, Conditioning)>,
}

impl ConditioningSchedule {
    /// One conditioning for all steps.
    pub fn constant(conditioning: Conditioning) -> Self {
        Self {
            phases: vec![(0.0, conditioning)],
        }
    }

    /// Several conditionings, each from its fraction of the steps on.
    ///
    /// # Errors
    /// There is none, the first does not begin at 0, or the fractions do not ascend below 1.
    pub fn new(phases: Vec<(f64, Conditioning)>) -> Result<Self> {
        let ascending = phases.windows(2).all(|w| w[0].0 < w[1].0);
        let inside = phases.iter().all(|(start, _)| (0.0..1.0).contains(start));
        if phases.first().is_none_or(|(start, _)| *start != 0.0) || !ascending || !inside {
            return Err(EngineError::request(
                "schedule",
                "must begin at 0 and ascend, every start below 1",
            ));
        }
        Ok(Self { phases })
    }

    /// The conditioning at `fraction` of the steps (step index / steps, 0..1).
    pub fn at(&self, fraction: f64) -> &Conditioning {
        let later = self.phases.partition_point(|(start, _)| *start <= fraction);
        &self.phases[later.saturating_sub(1)].1
    }

    /// All phases, by start fraction.
    pub fn phases(&self) -> &[(f64, Conditioning)] {
        &self.phases
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(prompt: &str) -> Conditioning {
        Conditioning {
            prompt: prompt.to_owned(),
            encoders: Vec::new(),
            pooled: None,
            words: Vec::new(),
            extra_tokens: None,
        }
    }

    #[test]
    fn the_phase_that_began_last_holds() {
        let schedule =
            ConditioningSchedule::new(vec![(0.0, named("a")), (0.25, named("b"))]).unwrap();
        let at = |fraction| schedule.at(fraction).prompt.as_str();
        assert_eq!([at(0.0), at(0.24), at(0.25), at(1.0)], ["a", "a", "b", "b"]);
        assert_eq!(
            ConditioningSchedule::constant(named("c")).at(0.5).prompt,
            "c"
        );
    }

    #[test]
    fn phases_out_of_order_are_refused() {
        for starts in [vec![], vec![0.1], vec![0.0, 0.5, 0.5], vec![0.0, 1.0]] {
            let phases = starts.into_iter().map(|s| (s, named(""))).collect();
            assert!(ConditioningSchedule::new(phases).is_err());
        }
    }
}
