//! What the program does: each stage reads what the ones before it made, trains or measures, and
//! writes its part of the model.

mod autoencoder;
mod console;
mod folder;
mod meter;
mod personal;
mod samples;
mod text;
mod training;
mod unet;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tch::{Device, Kind};
use vernier_engine::render::Flow;
use vernier_engine::{Result, device};

use crate::cli::{Cli, Stage};
use crate::pool::Pool;
use crate::workplace::{Workplace, made_by};

/// Does what the command line says; setting `stop` ends it early with its state kept.
///
/// # Errors
/// What the stage needs is missing or damaged, a folder cannot be written, a network does not fit,
/// or the work was stopped ([`vernier_engine::EngineError::Cancelled`]).
pub fn run(cli: &Cli, stop: Arc<AtomicBool>) -> Result<()> {
    let work = cli.work.clone().map_or_else(Workplace::default_work, Ok)?;
    let chosen = device::choose(cli.device)?;
    device::use_all_cores();
    let session = Session {
        place: Workplace::open(work, cli.out.clone())?,
        pairs: cli.pairs,
        kind: cli.dtype.kind(),
        device: chosen.device,
        why_device: chosen.reason,
        stop,
    };
    match &cli.stage {
        Stage::Pool => session.pool(),
        Stage::Clip(schedule) => session.clip(schedule),
        Stage::Gate => session.gate(),
        Stage::Vae(schedule) => session.vae(schedule),
        Stage::Encode => session.encode(),
        Stage::LatentRgb => session.latent_rgb(),
        Stage::Unet(schedule) => session.unet(schedule),
        Stage::Meter(schedule) => session.meter(schedule),
        Stage::Evaluate(options) => session.evaluate(options),
        Stage::ExportFolder(options) => session.export_folder(options),
        Stage::ExportSubject(options) => session.export_subject(options),
        Stage::MeasureSubject(options) => session.measure_subject(options),
        Stage::EditCases(options) => session.edit_cases(options),
    }
}

/// What every stage needs to know.
struct Session {
    place: Workplace,
    pairs: u64,
    kind: Kind,
    device: Device,
    why_device: String,
    stop: Arc<AtomicBool>,
}

impl Session {
    fn open_pool(&self) -> Result<Pool> {
        Pool::open(&made_by("pool", self.place.pool())?, self.pairs)
    }

    fn tokenizer(&self) -> Result<PathBuf> {
        made_by("pool", self.place.tokenizer())
    }

    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn flow(&self) -> Flow {
        if self.stopped() {
            Flow::Cancel
        } else {
            Flow::Continue
        }
    }
}
