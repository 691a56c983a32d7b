//! Pictures of prompts.

use vernier_engine::Result;
use vernier_engine::picture::Picture;
use vernier_engine::recipe::{AdapterUse, EmbeddingUse, ModelRef, Recipe, WalkOptions};
use vernier_engine::render::{Flow, Renderer};

use crate::config::PICTURE_PX;

/// How pictures of prompts are sampled.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sampling {
    /// Sampling steps.
    pub steps: u32,
    /// Guidance scale.
    pub guidance: f64,
}

/// What is at work beside the model.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Extras {
    /// LoRAs and their relatives.
    pub adapters: Vec<AdapterUse>,
    /// Words with vectors of their own.
    pub embeddings: Vec<EmbeddingUse>,
    /// Share of the adapters' weights in the negative half of guidance.
    pub steering: Option<f64>,
}

impl Sampling {
    /// The picture of `prompt` with the noise of `seed`, by DDIM; `stop` is asked at each step.
    ///
    /// # Errors
    /// The picture cannot be rendered, or `stop` said so.
    pub fn render(
        self,
        renderer: &mut Renderer,
        prompt: &str,
        seed: u64,
        stop: impl Fn() -> bool,
    ) -> Result<Picture> {
        self.render_with(renderer, prompt, seed, &Extras::default(), stop)
    }

    /// Like [`Sampling::render`], with `extras` at work.
    ///
    /// # Errors
    /// See [`Sampling::render`].
    pub fn render_with(
        self,
        renderer: &mut Renderer,
        prompt: &str,
        seed: u64,
        extras: &Extras,
        stop: impl Fn() -> bool,
    ) -> Result<Picture> {
        let recipe = Recipe {
            prompt: prompt.to_owned(),
            seed,
            width_px: PICTURE_PX as u32,
            height_px: PICTURE_PX as u32,
            steps: self.steps,
            guidance_scale: self.guidance,
            walk: WalkOptions {
                steering: extras.steering,
                ..WalkOptions::default()
            },
            adapters: extras.adapters.clone(),
            embeddings: extras.embeddings.clone(),
            ..Recipe::new(ModelRef::embedded())
        };
        let rendered = renderer.render(&recipe, &mut |_| {
            if stop() { Flow::Cancel } else { Flow::Continue }
        })?;
        Ok(rendered.picture)
    }
}
