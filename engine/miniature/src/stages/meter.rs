//! The meter, and what it says about the model.

use tch::Kind;
use vernier_engine::device::Dtype;
use vernier_engine::measure::AttributeMeter;
use vernier_engine::picture;
use vernier_engine::render::Renderer;
use vernier_engine::train::AdamW;
use vernier_engine::{EngineError, Result};

use super::Session;
use super::console::{progress, say};
use super::training::Recipe;
use crate::cli::{Evaluate, Schedule};
use crate::evaluate::{Evaluation, held_out_prompt};
use crate::sheet::Sampling;
use crate::trainers::MeterTrainer;
use crate::workplace::made_by;
use crate::{export, pool};

/// Pictures a worker and step.
const BATCH: u32 = 64;
/// Held-out scenes that a new meter reads.
const HELD_OUT: u64 = 500;
/// Pictures in a row of a sheet.
const COLUMNS: u32 = 6;

impl Session {
    pub(super) fn meter(&self, schedule: &Schedule) -> Result<()> {
        let pool = self.open_pool()?;
        let batch = schedule.batch.unwrap_or(BATCH) as usize;
        let with_vae = self.place.vae().exists();
        if !with_vae {
            say("meter: without an autoencoder it learns from drawn pictures only");
        }
        let recipe = Recipe {
            name: "meter",
            learning_rate: 2e-3,
            optimizer: AdamW {
                ema_decay: 0.995,
                ..AdamW::default()
            },
        };
        let outcome = self.train(&recipe, schedule, None, || {
            let vae = with_vae.then(|| self.open_vae(Kind::Float)).transpose()?;
            MeterTrainer::new(pool.share(), vae, batch, self.kind, self.device)
        })?;
        export::meter(&self.place.meter(), &outcome.averages)?;
        outcome.require_complete()?;
        let mut evaluation = self.evaluation()?;
        for index in 0..HELD_OUT {
            let (scene, _) = held_out_prompt(index);
            let everything = vernier_world::caption_of(&scene, &scene.applicable(), 0);
            evaluation.add(&scene, &everything, &pool::draw(&scene))?;
        }
        say(&evaluation.scores().markdown());
        Ok(())
    }

    pub(super) fn evaluate(&self, options: &Evaluate) -> Result<()> {
        let mut evaluation = self.evaluation()?;
        let mut renderer = if options.truth {
            None
        } else {
            made_by("unet", self.place.model_index())?;
            Some(Renderer::load(self.place.out(), Dtype::F32, self.device)?)
        };
        let sampling = Sampling {
            steps: options.steps,
            guidance: options.guidance,
        };
        let bar = progress(options.prompts, "prompts");
        let mut pictures = Vec::new();
        for index in 0..options.prompts {
            let (scene, caption) = held_out_prompt(index);
            let picture = match &mut renderer {
                None => pool::draw(&scene),
                Some(renderer) => {
                    sampling.render(renderer, &caption.text, index, || self.stopped())?
                }
            };
            evaluation.add(&scene, &caption, &picture)?;
            if options.sheet.is_some() {
                pictures.push(picture);
            }
            bar.inc(1);
            if self.stopped() {
                return Err(EngineError::Cancelled);
            }
        }
        bar.finish_and_clear();
        say(&evaluation.scores().markdown());
        match &options.sheet {
            Some(path) => picture::save_sheet(path, &pictures, COLUMNS),
            None => Ok(()),
        }
    }

    fn evaluation(&self) -> Result<Evaluation> {
        let folder = self.place.meter();
        made_by("meter", folder.join("meter.safetensors"))?;
        let meter = AttributeMeter::open(&folder, self.device)?;
        Ok(Evaluation::new(meter, self.device))
    }
}
