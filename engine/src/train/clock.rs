//! What happens by the clock rather than by the step: reports, saves, looks at the averages.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use tch::Kind;

use super::worker::Figure;
use super::{AdamWState, FlatParams, StepReport, TrainOptions, Watch};
use crate::Result;

/// Weight of the newest value in a smoothed figure.
const SMOOTHING: f64 = 0.03;

/// Smooths figures, reports, saves and shows, each at its own intervals.
pub(super) struct Clock {
    start: Instant,
    first_step: u64,
    total_steps: u64,
    report: Alarm,
    save: Alarm,
    show: Option<Alarm>,
    smooth: Vec<Figure>,
    /// Sums since the last report, and how many values are in each.
    sums: Vec<(Figure, usize)>,
    state_file: PathBuf,
    layout: String,
}

impl Clock {
    pub(super) fn new(options: &TrainOptions, first_step: u64, layout: String) -> Self {
        Self {
            start: Instant::now(),
            first_step,
            total_steps: options.learning_rate.total_steps,
            report: Alarm::every(options.report_every),
            save: Alarm::every(options.save_every),
            show: options.show_every.map(Alarm::every),
            smooth: Vec::new(),
            sums: Vec::new(),
            state_file: options.state_file.clone(),
            layout,
        }
    }

    /// Does what is due after a step with these `figures`, one value of each from every worker.
    pub(super) fn tick(
        &mut self,
        figures: &[Figure],
        params: &FlatParams,
        state: &AdamWState,
        watch: &mut impl Watch,
    ) -> Result<()> {
        for &(name, value) in figures {
            match self.smooth.iter_mut().find(|(n, _)| *n == name) {
                Some((_, s)) => *s += SMOOTHING * (value - *s),
                None => self.smooth.push((name, value)),
            }
            match self.sums.iter_mut().find(|((n, _), _)| *n == name) {
                Some(((_, sum), count)) => {
                    *sum += value;
                    *count += 1;
                }
                None => self.sums.push(((name, value), 1)),
            }
        }
        if self.report.rings() {
            let steps = (state.step - self.first_step) as f64;
            let sums = std::mem::take(&mut self.sums).into_iter();
            watch.report(&StepReport {
                step: state.step,
                total_steps: self.total_steps,
                figures: self.smooth.clone(),
                latest: sums
                    .map(|((name, sum), n)| (name, sum / n as f64))
                    .collect(),
                steps_per_sec: steps / self.start.elapsed().as_secs_f64(),
            });
        }
        if self.save.rings() {
            state.save(&self.state_file, &self.layout)?;
        }
        if self.show.as_mut().is_some_and(Alarm::rings) {
            watch.averages(state.step, params.split(&state.ema, Kind::Float)?)?;
        }
        Ok(())
    }
}

struct Alarm {
    every: Duration,
    last: Instant,
}

impl Alarm {
    fn every(every: Duration) -> Self {
        let last = Instant::now();
        Self { every, last }
    }

    fn rings(&mut self) -> bool {
        let due = self.last.elapsed() >= self.every;
        if due {
            self.last = Instant::now();
        }
        due
    }
}
