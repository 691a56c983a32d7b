//! How fast a job goes and when it will be done.

use std::time::{Duration, Instant};

/// Measures model calls and what comes between the last call of a picture and the next picture.
#[derive(Debug)]
pub(super) struct Pace {
    last: Instant,
    step_secs: Option<f64>,
    between_secs: Option<f64>,
}

impl Pace {
    pub(super) fn start(now: Instant) -> Self {
        Self {
            last: now,
            step_secs: None,
            between_secs: None,
        }
    }

    /// Something that is not measured has ended.
    pub(super) fn resume(&mut self, now: Instant) {
        self.last = now;
    }

    /// One model call has ended.
    pub(super) fn step(&mut self, now: Instant) {
        let secs = self.lap(now);
        // A running mean that forgets: the first call also warms caches up.
        self.step_secs = Some(self.step_secs.map_or(secs, |mean| 0.7 * mean + 0.3 * secs));
    }

    /// Decoding has ended.
    pub(super) fn decoded(&mut self, now: Instant) {
        self.between_secs = Some(self.lap(now));
    }

    fn lap(&mut self, now: Instant) -> f64 {
        let secs = now.duration_since(self.last).as_secs_f64();
        self.last = now;
        secs
    }

    /// Model calls per second; 0 before the first one has ended.
    pub(super) fn its_per_sec(&self) -> f64 {
        self.step_secs
            .filter(|secs| *secs > 0.0)
            .map_or(0.0, |secs| 1.0 / secs)
    }

    /// Time until the job ends, or `None` before the first call has ended.
    ///
    /// A decode that has not been seen yet is guessed at two calls.
    pub(super) fn eta(&self, steps_left: usize, pictures_left: usize) -> Option<Duration> {
        let step = self.step_secs?;
        let between = self.between_secs.unwrap_or(2.0 * step);
        let secs = step * steps_left as f64 + between * pictures_left as f64;
        Some(Duration::from_secs_f64(secs))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_eta_counts_steps_and_decodes() {
        let start = Instant::now();
        let at = |ms: u64| start + Duration::from_millis(ms);
        let mut pace = Pace::start(start);
        assert_eq!(pace.eta(10, 1), None);
        assert!(pace.its_per_sec().abs() < 1e-9);
        pace.step(at(500));
        pace.step(at(1000));
        assert!((pace.its_per_sec() - 2.0).abs() < 1e-9);
        assert_eq!(pace.eta(8, 1), Some(Duration::from_secs(5)));
        pace.decoded(at(1200));
        pace.resume(at(9000));
        pace.step(at(9500));
        assert_eq!(pace.eta(2, 5), Some(Duration::from_secs(2)));
    }
}
