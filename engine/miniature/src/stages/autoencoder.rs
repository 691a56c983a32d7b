//! The autoencoder, and the pool through it.

use tch::Kind;
use vernier_engine::Result;
use vernier_engine::models::vae::Vae;
use vernier_engine::train::AdamW;
use vernier_engine::weights::ParamStore;

use super::Session;
use super::console::{progress, say};
use super::training::Recipe;
use crate::cli::Schedule;
use crate::config::vae_config;
use crate::pool::held_out_pictures;
use crate::trainers::{VaeTrainer, reconstruction_psnr};
use crate::workplace::made_by;
use crate::{export, latent_rgb, latents};

/// Crops a worker and step.
const BATCH: u32 = 16;
/// This part of all steps, the last, sees whole pictures, so that norms and edges fit what
/// rendering decodes.
const WHOLE_PART: u64 = 6;
/// Pictures that the statistics of the latents are measured on.
const MEASURED: usize = 512;
/// Held-out pictures that the reconstruction is measured on.
const HELD_OUT: u64 = 200;
/// Pictures that the colours of latents are fitted to.
const FITTED: u64 = 256;

impl Session {
    pub(super) fn vae(&self, schedule: &Schedule) -> Result<()> {
        let pool = self.open_pool()?;
        let crops = schedule.batch.unwrap_or(BATCH) as usize;
        let whole_from = schedule.steps - schedule.steps / WHOLE_PART;
        let recipe = Recipe {
            name: "vae",
            learning_rate: 1.5e-3,
            optimizer: AdamW {
                weight_decay: 0.0,
                ema_decay: 0.995,
                ..AdamW::default()
            },
        };
        let outcome = self.train(&recipe, schedule, None, || {
            VaeTrainer::new(pool.share(), crops, whole_from, self.kind, self.device)
        })?;
        export::vae(self.place.out(), &outcome.averages)?;
        outcome.require_complete()?;
        self.report_psnr()
    }

    pub(super) fn encode(&self) -> Result<()> {
        let pool = self.open_pool()?;
        let (store, vae) = self.stored_vae(Kind::Float)?;
        let every = (pool.len() / MEASURED).max(1);
        let sample: Vec<usize> = (0..pool.len()).step_by(every).collect();
        let in_fp32 = (Kind::Float, self.device);
        let means = latents::encode(&vae, &pool, &sample, in_fp32, |_| self.flow())?;
        let (mean, deviation) = latents::channel_statistics(&means)?;
        let mut tensors = store.named();
        latents::standardise(&mut tensors, &mean, &deviation)?;
        export::vae(self.place.out(), &tensors)?;
        self.report_psnr()?;
        self.latent_rgb()?;

        let bar = progress(pool.len() as u64, "pictures");
        let all: Vec<usize> = (0..pool.len()).collect();
        let vae = self.open_vae(self.kind)?;
        let encoded = latents::encode(&vae, &pool, &all, (self.kind, self.device), |done| {
            bar.set_position(done as u64);
            self.flow()
        })?;
        bar.finish_and_clear();
        let path = self.place.latents();
        latents::write(&path, &encoded)?;
        say(&format!("latents: {}", path.display()));
        Ok(())
    }

    pub(super) fn latent_rgb(&self) -> Result<()> {
        let pictures = held_out_pictures(FITTED)?.f_to_device(self.device)?;
        let (rgb, left) = latent_rgb::fit(&self.open_vae(Kind::Float)?, &pictures)?;
        export::latent_rgb(self.place.out(), &rgb)?;
        say(&format!(
            "colours of latents: {left:.1} of 255 from the pictures' at 1/8 of their size"
        ));
        Ok(())
    }

    /// The exported autoencoder.
    pub(super) fn open_vae(&self, kind: Kind) -> Result<Vae> {
        Ok(self.stored_vae(kind)?.1)
    }

    fn stored_vae(&self, kind: Kind) -> Result<(ParamStore, Vae)> {
        let file = made_by("vae", self.place.vae())?;
        let store = ParamStore::open(&[file], kind, self.device)?;
        let vae = Vae::new(&store.root(), &vae_config()?)?;
        store.finish()?;
        Ok((store, vae))
    }

    fn report_psnr(&self) -> Result<()> {
        let pictures = held_out_pictures(HELD_OUT)?.f_to_device(self.device)?;
        let psnr = reconstruction_psnr(&self.open_vae(Kind::Float)?, &pictures)?;
        say(&format!(
            "autoencoder: {psnr:.2} dB on {HELD_OUT} held-out pictures"
        ));
        Ok(())
    }
}
