//! Samples while a subject is trained: each prompt without it and with it as it is now.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tch::Device;

use super::PersonalRequest;
use crate::Result;
use crate::control_training::strip::sample;
use crate::picture::{self, Picture};
use crate::recipe::{AdapterUse, EmbeddingUse, Recipe};
use crate::render::{Defaults, Flow, Renderer};

/// Noises of each prompt.
const SEEDS: u64 = 2;
/// Most prompts of one strip.
const ROWS: usize = 4;

/// Makes samples of one training.
pub(super) struct Samples<'a> {
    request: &'a PersonalRequest,
    prompts: Vec<String>,
    device: Device,
    stop: Arc<AtomicBool>,
    /// Loaded for the first strip.
    renderer: Option<Renderer>,
    /// The pictures without the subject, which stay the same.
    without: Vec<Picture>,
}

impl<'a> Samples<'a> {
    /// Samples of the request's own prompts, or of the first of `captions`.
    pub(super) fn new(
        request: &'a PersonalRequest,
        captions: &[String],
        device: Device,
        stop: Arc<AtomicBool>,
    ) -> Self {
        let mut prompts: Vec<String> = Vec::new();
        let own = request.sample_prompts.iter();
        let fallback = captions
            .iter()
            .filter(|_| request.sample_prompts.is_empty());
        for prompt in own.chain(fallback) {
            if prompts.len() < ROWS && !prompts.contains(prompt) {
                prompts.push(prompt.clone());
            }
        }
        Self {
            request,
            prompts,
            device,
            stop,
            renderer: None,
            without: Vec::new(),
        }
    }

    /// Writes to `out` each prompt without the LoRA in `file` and with it, noise by noise.
    pub(super) fn show(&mut self, file: &Path, out: &Path) -> Result<PathBuf> {
        if self.without.is_empty() {
            self.without = self.render(None)?;
        }
        let with = self.render(Some(file))?;
        let pairs = self.without.iter().cloned().zip(with);
        let pictures: Vec<Picture> = pairs.flat_map(|(a, b)| [a, b]).collect();
        picture::save_sheet(out, &pictures, 2 * SEEDS as u32)?;
        Ok(out.to_owned())
    }

    fn render(&mut self, file: Option<&Path>) -> Result<Vec<Picture>> {
        let request = self.request;
        let folder = &request.model_folder;
        let defaults = Defaults::of(folder)?;
        let renderer = match &mut self.renderer {
            Some(renderer) => renderer,
            none => none.insert(Renderer::load(folder, request.dtype, self.device)?),
        };
        let path = file.map(|file| file.to_string_lossy().into_owned());
        let (mut adapters, mut embeddings) = (Vec::new(), Vec::new());
        match (path, request.only_word()) {
            (None, _) => {}
            (path, Some(word)) => embeddings.push(EmbeddingUse {
                path,
                ..EmbeddingUse::new(word)
            }),
            (path, None) => adapters.push(AdapterUse {
                path,
                ..AdapterUse::new(&request.name, 1.0)
            }),
        }
        let mut pictures = Vec::new();
        for prompt in &self.prompts {
            for seed in 0..SEEDS {
                let recipe = Recipe {
                    prompt: prompt.clone(),
                    adapters: adapters.clone(),
                    embeddings: embeddings.clone(),
                    ..sample(&request.model, &defaults, request.dtype, seed)?
                };
                let stop = &self.stop;
                let rendered = renderer.render(&recipe, &mut |_| flow(stop))?;
                pictures.push(rendered.picture);
            }
        }
        Ok(pictures)
    }
}

/// Whether a render goes on.
pub(super) fn flow(stop: &AtomicBool) -> Flow {
    if stop.load(Ordering::Relaxed) {
        Flow::Cancel
    } else {
        Flow::Continue
    }
}
