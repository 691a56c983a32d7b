//! A tiny model with pictures of a subject, for tests of personalization.

#![allow(
    dead_code,
    clippy::unwrap_used,
    reason = "test support: no test needs all of it, and clippy only knows test functions"
)]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use image::{Rgb, RgbImage};
use vernier_engine::Result;
use vernier_engine::adapters::LoraFormat;
use vernier_engine::checkpoint::tiny;
use vernier_engine::control_training::{Schedule, TrainingNews};
use vernier_engine::device::{DeviceRequest, Dtype};
use vernier_engine::personalization::{PersonalEnd, PersonalOutput, PersonalRequest, personalize};
use vernier_engine::recipe::ModelRef;
use vernier_engine::train::personal::{Learnt, LoraLayers, LoraOptions};

pub(crate) struct Place {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) news: Vec<String>,
    pub(crate) samples: Vec<PathBuf>,
}

impl Place {
    /// A tiny model and three pictures, one of them with a caption.
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        tiny::write_model(&root.join("model"), 2).unwrap();
        std::fs::write(root.join("model/vernier.json"), r#"{"steps": 2}"#).unwrap();
        std::fs::create_dir(root.join("data")).unwrap();
        for at in 0..3_u8 {
            let image = RgbImage::from_fn(64, 64, |x, _| Rgb([at * 80, (x * 4) as u8, 9]));
            image.save(root.join(format!("data/{at}.png"))).unwrap();
        }
        std::fs::write(root.join("data/1.txt"), "a zorb cat on a wall\n").unwrap();
        Self {
            folder,
            news: Vec::new(),
            samples: Vec::new(),
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn request(&self, name: &str) -> PersonalRequest {
        let model = self.path("model");
        PersonalRequest {
            name: name.to_owned(),
            command: "vernier train lora".to_owned(),
            model: ModelRef::at(&model),
            model_folder: model,
            out: self.path(&format!("{name}.safetensors")),
            output: PersonalOutput::Lora(LoraFormat::Kohya, 2),
            data: self.path("data"),
            instance: Some("a zorb cat".to_owned()),
            class: None,
            learnt: Learnt {
                lora: Some(LoraOptions {
                    layers: LoraLayers::All,
                    rank: 2,
                    alpha: 1.0,
                    text_encoder: true,
                    up_only: false,
                }),
                ..Learnt::default()
            },
            semantic: None,
            batch: 2,
            accumulate: 1,
            caption_dropout: 0.0,
            ema_decay: 0.5,
            sample_prompts: Vec::new(),
            seed: 3,
            device: DeviceRequest::Cpu,
            dtype: Dtype::F32,
            must_resume: false,
        }
    }

    pub(crate) fn schedule(&self, work: &str, steps: u64) -> Schedule {
        Schedule {
            steps,
            workers: Some(1),
            learning_rate: 1e-2,
            decay: 0.0,
            betas: (0.9, 0.999),
            weight_decay: 0.01,
            work: self.path(work),
            strip_every: None,
            report_every: Duration::ZERO,
        }
    }

    pub(crate) fn train(
        &mut self,
        request: &PersonalRequest,
        schedule: &Schedule,
    ) -> Result<PersonalEnd> {
        self.train_until(request, schedule, u64::MAX)
    }

    /// Stops at the report of step `last`.
    pub(crate) fn train_until(
        &mut self,
        request: &PersonalRequest,
        schedule: &Schedule,
        last: u64,
    ) -> Result<PersonalEnd> {
        let stop = Arc::new(AtomicBool::new(false));
        let asked = Arc::clone(&stop);
        personalize(request, schedule, stop, &mut |news| match news {
            TrainingNews::Note(text) => self.news.push(text),
            TrainingNews::Strip { path, .. } => self.samples.push(path),
            TrainingNews::Progress(report) => {
                asked.store(report.step >= last, Ordering::SeqCst);
            }
            _ => {}
        })
    }
}

pub(crate) fn bytes(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap()
}
