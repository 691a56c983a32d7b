//! From noise to latents.

use std::fmt::Write as _;

use tch::{Device, Kind, Tensor};

use super::halves::Halves;
use super::meter_push::PushedModel;
use super::phases::{Contexts, Phase};
use super::pixels::is_finite;
use super::shelf::{Resolved, Shelf};
use super::snapshots::{Seen, Snapshot, Snapshots};
use super::start::Start;
use super::watch::Watched;
use super::{Flow, OnStep, Plan, StepAhead};
use crate::layers::AttentionHook;
use crate::sampling::{Guidance, ImageNoise};
use crate::{EngineError, Result};

/// A U-Net with where and how it computes.
pub(super) struct Denoiser<'a> {
    pub(super) halves: &'a mut Halves,
    pub(super) kind: Kind,
    pub(super) device: Device,
    /// What an inpainting U-Net sees behind the latents, `[1, 1 + channels, h, w]`.
    pub(super) beside: Option<Tensor>,
}

/// One picture's way, beside its plan.
pub(super) struct Walk<'a> {
    pub(super) phases: Vec<Phase>,
    pub(super) controls: &'a [Resolved],
    pub(super) shelf: &'a Shelf,
    /// What pushes by a meter need, where a phase has some.
    pub(super) pushed: Option<PushedModel<'a>>,
    /// Everything but the controls that the latents depend on.
    pub(super) key: String,
    /// The noise of this picture alone.
    pub(super) noise: ImageNoise,
    /// What it starts from beside noise.
    pub(super) start: Option<Start>,
    /// Who looks at the latents on their way.
    pub(super) watched: Option<Watched<'a>>,
}

impl Denoiser<'_> {
    /// Walks `plan` and gives the final latents in fp32, `[1, channels, h, w]`. What `snapshots`
    /// holds of the way is not walked again.
    ///
    /// The sampler's maths stays in fp32; only the U-Net sees the model's dtype.
    pub(super) fn run(
        &mut self,
        mut plan: Plan,
        walk: &mut Walk<'_>,
        snapshots: &mut Snapshots,
        on_step: &mut OnStep<'_>,
    ) -> Result<Tensor> {
        let schedule = plan.sampler.schedule().clone();
        let steps = schedule.timesteps.len();
        let keys = walk.snapshot_keys();
        let device = self.device;
        let noise = std::slice::from_ref(&walk.noise);
        let first_noise = ImageNoise::initial(noise)?.f_to_device(device)?;
        let fresh = |i: usize| -> Result<Option<Tensor>> {
            let fresh = ImageNoise::at_call(noise, i)?;
            Ok(fresh.map(|f| f.f_to_device(device)).transpose()?)
        };

        let mut seen: Vec<Seen> = Vec::new();
        let mut latents;
        let first;
        if let Some(found) = keys.iter().rev().find_map(|key| {
            let found = snapshots.get(key)?;
            let seen = found.seen.iter().map(Seen::shallow_clone).collect();
            Some((found.at, found.latents.shallow_clone(), seen))
        }) {
            (first, latents, seen) = found;
            // A sampler that remembers must have been at every call.
            for (i, Seen { output, sample }) in seen.iter().enumerate() {
                let _ = plan.sampler.step(output, i, sample, fresh(i)?.as_ref())?;
            }
        } else {
            first = 0;
            let start = walk.start.as_ref();
            let start = start.map(|start| start.first(&first_noise, &schedule));
            latents = match start.transpose()?.flatten() {
                Some(start) => start,
                None => first_noise.f_mul_scalar(schedule.init_noise_sigma)?,
            };
        }

        let last_start = walk.phases.last().map_or(0, |phase| phase.from);
        let mut current = usize::MAX;
        for (i, &timestep) in schedule.timesteps.iter().enumerate().skip(first) {
            proceed(on_step, i, steps)?;
            let phase = walk.phases.partition_point(|phase| phase.from <= i) - 1;
            if phase != current {
                if phase > 0 && walk.phases[phase].from == i && i > first {
                    let snapshot = Snapshot {
                        at: i,
                        latents: latents.shallow_clone(),
                        seen: seen.iter().map(Seen::shallow_clone).collect(),
                    };
                    snapshots.keep(keys[phase - 1].clone(), snapshot);
                }
                begin(&walk.phases[phase], walk.controls, walk.shelf);
                current = phase;
            }
            let input = plan.sampler.scale_model_input(&latents, i)?;
            let now = &mut walk.phases[phase];
            let guidance = plan.guidance.as_ref();
            let hook: Option<&mut dyn AttentionHook> = match &mut now.hook {
                Some(hook) => Some(hook.as_mut()),
                None => None,
            };
            let mut output = self.predict(&input, timestep, &now.contexts, guidance, hook)?;
            if let Some(pushed) = walk.pushed.as_ref().filter(|_| !now.pushes.is_empty()) {
                output = pushed.pushed(&output, &input, timestep, &now.pushes)?;
            }
            if let Some(watched) = &mut walk.watched {
                watched.call(i + 1, &output, &input, timestep)?;
            }
            let mut next = plan
                .sampler
                .step(&output, i, &latents, fresh(i)?.as_ref())?;
            if let Some(start) = &walk.start {
                next = start.held(next, &first_noise, &schedule, i + 1)?;
            }
            if i < last_start {
                let sample = latents;
                seen.push(Seen { output, sample });
            }
            latents = next;
            if !is_finite(&latents)? {
                return Err(not_finite(i + 1, steps, self.kind));
            }
        }
        proceed(on_step, steps, steps)?;
        Ok(latents)
    }

    /// The guided model output in fp32.
    pub(super) fn predict(
        &mut self,
        input: &Tensor,
        timestep: f64,
        contexts: &Contexts,
        guidance: Option<&Guidance>,
        hook: Option<&mut dyn AttentionHook>,
    ) -> Result<Tensor> {
        let negative = contexts.negative.as_ref().filter(|_| guidance.is_some());
        let widened = match &self.beside {
            Some(beside) => Some(Tensor::f_cat(&[input, beside], 1)?),
            None => None,
        };
        let input = widened.as_ref().unwrap_or(input);
        let (cond, uncond) = self.halves.predict(
            input,
            timestep,
            &contexts.positive,
            negative,
            hook,
            &contexts.nets,
        )?;
        match (guidance, uncond) {
            (Some(guidance), Some(uncond)) => guidance.combine(&uncond, &cond),
            _ => Ok(cond),
        }
    }
}

impl Walk<'_> {
    /// For every phase but the first, the key of the latents that it begins with.
    fn snapshot_keys(&self) -> Vec<String> {
        let mut so_far = self.key.clone();
        self.phases
            .windows(2)
            .map(|pair| {
                // Writing to a string cannot fail.
                let _ = write!(so_far, "/{}:{}", pair[0].from, pair[0].key);
                format!("{so_far}@{}", pair[1].from)
            })
            .collect()
    }
}

/// Sets what a phase sets outside of the calls.
fn begin(phase: &Phase, controls: &[Resolved], shelf: &Shelf) {
    let active = phase.active.iter().map(|&i| &controls[i]);
    shelf.set_strengths(&active.collect::<Vec<_>>());
}

/// Asks whether the work goes on with `done` of `steps` calls done.
pub(super) fn proceed(on_step: &mut OnStep<'_>, done: usize, steps: usize) -> Result<()> {
    match on_step(StepAhead { done, steps }) {
        Flow::Continue => Ok(()),
        Flow::Cancel => Err(EngineError::Cancelled),
    }
}

fn not_finite(step: usize, steps: usize, kind: Kind) -> EngineError {
    let advice = if kind == Kind::Half {
        "f16 overflows with some models; use bf16 or f32"
    } else {
        "lower the guidance scale or take another sampler"
    };
    EngineError::NotFinite {
        place: format!("step {step} of {steps}"),
        problem: format!("the latents are no longer finite numbers; {advice}"),
    }
}
