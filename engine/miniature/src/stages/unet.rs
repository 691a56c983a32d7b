//! The U-Net, once the gate lets it.

use std::time::Duration;

use tch::Tensor;
use vernier_engine::Result;
use vernier_engine::train::AdamW;

use super::Session;
use super::samples::Samples;
use super::training::{Looks, Recipe};
use crate::cli::UNetSchedule;
use crate::trainers::{UNetData, UNetTrainer};
use crate::workplace::made_by;
use crate::{export, latents};

/// Pictures a worker and step.
const BATCH: u32 = 32;

impl Session {
    pub(super) fn unet(&self, options: &UNetSchedule) -> Result<()> {
        let schedule = &options.schedule;
        let pool = self.open_pool()?;
        let path = made_by("encode", self.place.latents())?;
        let vae = self.open_vae(self.kind)?;
        let stored = latents::read(&path, &vae, &pool, (self.kind, self.device))?;
        drop(vae);
        self.gate()?;

        let samples = Samples::new(&self.place, self.device, &self.stop);
        let mut look = |step: u64, averages: &[(String, Tensor)]| -> Result<()> {
            samples.show(step, averages);
            Ok(())
        };
        let minutes = u64::from(options.samples_every);
        let looks = (minutes > 0).then(|| -> Looks<'_> {
            let every = Duration::from_mins(minutes);
            (every, &mut look)
        });
        let recipe = Recipe {
            name: "unet",
            learning_rate: 6e-4,
            optimizer: AdamW::default(),
        };
        let batch = schedule.batch.unwrap_or(BATCH) as usize;
        let outcome = self.train(&recipe, schedule, looks, || {
            let (text, captioner) = self.text_tower(self.kind)?;
            let data = UNetData {
                pool: pool.share(),
                latents: stored.shallow_clone(),
                text,
                captioner,
            };
            UNetTrainer::new(data, batch, self.kind, self.device)
        })?;
        export::unet(self.place.out(), &outcome.averages)?;
        outcome.require_complete()
    }
}
