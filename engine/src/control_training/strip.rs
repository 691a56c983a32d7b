//! Strips: one picture at several strengths of a control in training.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tch::Device;

use super::TrainingRequest;
use super::session::Named;
use super::work::Work;
use crate::Result;
use crate::controls::{ControlFile, ControlInfo, ControlKind};
use crate::device::Dtype;
use crate::picture;
use crate::recipe::{ControlScale, ControlUse, ModelRef, Recipe};
use crate::render::{Defaults, Flow, Renderer};
use crate::train::direction::PromptPair;

/// Raw strengths from left to right.
const STRENGTHS: [f64; 5] = [-2.0, -1.0, 0.0, 1.0, 2.0];

/// Rows: prompts spread over all, each with noise of its own.
const ROWS: usize = 3;

/// Makes strips of one training.
pub(super) struct Strips<'a> {
    request: &'a TrainingRequest,
    device: Device,
    work: &'a Work,
    stop: Arc<AtomicBool>,
    /// Loaded for the first strip.
    renderer: Option<Renderer>,
}

impl<'a> Strips<'a> {
    pub(super) fn new(
        request: &'a TrainingRequest,
        device: Device,
        work: &'a Work,
        stop: Arc<AtomicBool>,
    ) -> Self {
        Self {
            request,
            device,
            work,
            stop,
            renderer: None,
        }
    }

    /// Writes the strip of the control that `tensors` are after `step` steps, and gives its path.
    pub(super) fn show(
        &mut self,
        step: u64,
        info: &ControlInfo,
        tensors: &Named,
    ) -> Result<PathBuf> {
        let file = self.work.latest();
        ControlFile::save(&file, info, tensors)?;
        let request = self.request;
        let defaults = Defaults::of(&request.model_folder)?;
        let folder = &request.model_folder;
        let renderer = match &mut self.renderer {
            Some(renderer) => renderer,
            none => none.insert(Renderer::load(folder, request.dtype, self.device)?),
        };
        let stop = &self.stop;
        let mut pictures = Vec::new();
        for (seed, pair) in (0..).zip(spread(&request.pairs)) {
            for strength in STRENGTHS {
                let subject = (info.kind == ControlKind::Direction).then_some(&*pair.subject);
                let control = ControlUse {
                    scale: ControlScale::Raw,
                    path: Some(file.to_string_lossy().into_owned()),
                    ..ControlUse::new(&request.name, subject, strength)
                };
                let recipe = Recipe {
                    prompt: pair.wording(0).target,
                    controls: vec![control],
                    ..sample(&request.model, &defaults, request.dtype, seed)?
                };
                let rendered = renderer.render(&recipe, &mut |_| {
                    if stop.load(Ordering::Relaxed) {
                        Flow::Cancel
                    } else {
                        Flow::Continue
                    }
                })?;
                pictures.push(rendered.picture);
            }
        }
        let path = self.work.strip(step);
        picture::save_sheet(&path, &pictures, STRENGTHS.len() as u32)?;
        Ok(path)
    }
}

/// A picture of no prompt yet, made as `model` is usually rendered.
pub(crate) fn sample(
    model: &ModelRef,
    defaults: &Defaults,
    dtype: Dtype,
    seed: u64,
) -> Result<Recipe> {
    Ok(Recipe {
        seed,
        dtype: dtype.name().to_owned(),
        ..defaults.recipe(model.clone())?
    })
}

/// The first, the last and those between, [`ROWS`] at most.
fn spread(pairs: &[PromptPair]) -> Vec<&PromptPair> {
    let rows = ROWS.min(pairs.len());
    let last = pairs.len().saturating_sub(1);
    (0..rows)
        .filter_map(|row| pairs.get(row * last / rows.saturating_sub(1).max(1)))
        .collect()
}
