//! Several walks at once, each at another part of its way, so that every training step sees early
//! and late states alike and each state costs one model call rather than a whole walk.

use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;
use tch::{Kind, Tensor};

use super::FrozenModel;
use super::walk::{Walk, guided};
use crate::Result;
use crate::sampling::Guidance;

/// Set in the streams of random numbers that belong to training steps rather than to walks.
const STEP_STREAMS: u64 = 1 << 63;

/// How walks are laid out. What a walk is about follows from these, its lane and its number alone,
/// so a training that is resumed goes on with the same ones.
#[derive(Debug, Clone, Copy)]
pub(super) struct LaneOptions {
    /// Walks at once.
    pub(super) lanes: usize,
    /// Sampler steps in a walk.
    pub(super) steps: usize,
    /// Seed of all random numbers.
    pub(super) seed: u64,
    /// Number of the worker whose lanes these are.
    pub(super) worker: usize,
}

impl LaneOptions {
    /// Number of the walk that `lane` is in at training step `step`, and sampler steps done in it.
    fn place(&self, lane: usize, step: u64) -> (u64, usize) {
        let ahead = lane * self.steps / self.lanes;
        let all = step + ahead as u64;
        (all / self.steps as u64, (all % self.steps as u64) as usize)
    }

    fn random(&self, stream: u64) -> ChaCha8Rng {
        let mut random = ChaCha8Rng::seed_from_u64(self.seed);
        random.set_stream(stream | (self.worker as u64) << 48);
        random
    }

    /// Random numbers of one training step.
    pub(super) fn step_random(&self, step: u64) -> ChaCha8Rng {
        self.random(STEP_STREAMS | step)
    }

    /// Random numbers of one walk.
    fn walk_random(&self, lane: usize, number: u64) -> ChaCha8Rng {
        self.random((lane as u64) << 40 | number)
    }
}

/// One walk, and the prompts that it is about.
pub(super) struct Lane<P> {
    pub(super) walk: Walk,
    pub(super) prompts: P,
    number: u64,
}

/// All walks of one worker.
pub(super) struct Lanes<P> {
    options: LaneOptions,
    lanes: Vec<Lane<P>>,
}

impl<P> Lanes<P> {
    pub(super) fn new(options: LaneOptions) -> Self {
        Self {
            options,
            lanes: Vec::new(),
        }
    }

    pub(super) fn options(&self) -> &LaneOptions {
        &self.options
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Lane<P>> {
        self.lanes.iter()
    }

    /// Brings every lane to where it is at training step `step`; says whether one has new prompts.
    ///
    /// `begin` chooses the prompts and the noise's seed of a new walk. Where a walk must be joined
    /// on its way, as at the first step of a run, `go` takes it there.
    pub(super) fn bring_to(
        &mut self,
        step: u64,
        model: &FrozenModel,
        mut begin: impl FnMut(&mut ChaCha8Rng) -> Result<(P, u64)>,
        mut go: impl FnMut(&mut Lane<P>, usize) -> Result<()>,
    ) -> Result<bool> {
        let mut changed = false;
        for at in 0..self.options.lanes {
            let (number, done) = self.options.place(at, step);
            let stands = self
                .lanes
                .get(at)
                .is_some_and(|lane| lane.number == number && lane.walk.done() <= done);
            if !stands {
                let mut random = self.options.walk_random(at, number);
                let (prompts, seed) = begin(&mut random)?;
                let lane = Lane {
                    walk: Walk::begin(model, self.options.steps, seed)?,
                    prompts,
                    number,
                };
                if at < self.lanes.len() {
                    self.lanes[at] = lane;
                } else {
                    self.lanes.push(lane);
                }
                changed = true;
            }
            if self.lanes[at].walk.done() < done {
                go(&mut self.lanes[at], done)?;
            }
        }
        Ok(changed)
    }

    /// What the U-Net sees of every lane, `[lanes, channels, h, w]`.
    pub(super) fn inputs(&self) -> Result<Tensor> {
        let inputs = self.lanes.iter().map(|lane| lane.walk.input());
        Ok(Tensor::f_cat(&inputs.collect::<Result<Vec<_>>>()?, 0)?)
    }

    /// The timestep of every lane's next step.
    pub(super) fn timesteps(&self) -> Vec<f64> {
        let timesteps = self.lanes.iter().map(|lane| lane.walk.timestep());
        timesteps.map(Option::unwrap_or_default).collect()
    }

    /// Every lane takes its step by its row of the two predictions, each `[lanes, …]`.
    pub(super) fn advance(
        &mut self,
        guidance: &Guidance,
        negative: &Tensor,
        positive: &Tensor,
    ) -> Result<()> {
        let output = guided(guidance, negative, positive)?;
        for (at, lane) in (0..).zip(&mut self.lanes) {
            lane.walk.advance(&output.f_narrow(0, at, 1)?)?;
        }
        Ok(())
    }
}

/// `values` on the model's device, `[len]` in fp32.
pub(super) fn row(values: &[f64], model: &FrozenModel) -> Result<Tensor> {
    Ok(Tensor::f_from_slice(values)?
        .f_to_kind(Kind::Float)?
        .f_to_device(model.device)?)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use rand::Rng as _;

    use super::LaneOptions;

    const OPTIONS: LaneOptions = LaneOptions {
        lanes: 4,
        steps: 10,
        seed: 1,
        worker: 0,
    };

    #[test]
    fn lanes_are_spread_over_the_way_and_every_state_is_met_once() {
        let begin: Vec<usize> = (0..4).map(|lane| OPTIONS.place(lane, 0).1).collect();
        assert_eq!(begin, [0, 2, 5, 7]);
        for lane in 0..4 {
            let met: BTreeSet<_> = (0..30).map(|step| OPTIONS.place(lane, step)).collect();
            assert_eq!(met.len(), 30);
            let one_walk = met.iter().filter(|(number, _)| *number == 1).count();
            assert_eq!(one_walk, 10);
        }
    }

    #[test]
    fn no_two_walks_or_workers_or_steps_share_their_random_numbers() {
        let other = LaneOptions {
            worker: 1,
            ..OPTIONS
        };
        let mut seen = BTreeSet::new();
        for options in [OPTIONS, other] {
            for lane in 0..4 {
                seen.extend((0..5).map(|n| options.walk_random(lane, n).next_u64()));
            }
            seen.extend((0..5).map(|step| options.step_random(step).next_u64()));
        }
        assert_eq!(seen.len(), 2 * (4 * 5 + 5));
        assert_eq!(
            OPTIONS.walk_random(2, 3).next_u64(),
            OPTIONS.walk_random(2, 3).next_u64()
        );
    }
}
