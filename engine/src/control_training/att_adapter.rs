//! Att-Adapters (arXiv 2503.11937) and the two baselines that learn from the same data.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use serde_json::json;

use super::pictures::{PictureSession, Trained, listed, save};
use super::{PictureRequest, Schedule, TrainingEnd, TrainingNews};
use crate::controls::{AdapterShape, Architecture, AttAdapter, ControlKind};
use crate::train::TrainingSet;
use crate::train::att_adapter::{
    AdapterTask, AttentionTrainer, CvaeWeights, NumbersTrainer, is_for_training_only, slider,
};
use crate::train::folder::ImageFolder;
use crate::{EngineError, Result};

/// How an adapter is built.
#[derive(Debug, Clone)]
pub struct AttAdapterOptions {
    /// How it works.
    pub architecture: Architecture,
    /// Tokens of the second cross-attention.
    pub tokens: i64,
    /// Width of Z.
    pub latent_dim: i64,
    /// Width inside the perceptrons.
    pub hidden_dim: i64,
    /// Weights of the CVAE's terms beside the diffusion loss.
    pub cvae: CvaeWeights,
}

/// Trains the adapter that `request` asks for on the pictures of `folder`, and saves it.
///
/// It can be stopped by `stop` and is resumed from its work folder.
///
/// # Errors
/// A column has no values or always the same, no picture can be read, the model or the request
/// cannot be used, the numbers stop being finite (the last saved state is kept), a folder cannot be
/// written, or it was stopped while pictures were read ([`EngineError::Cancelled`]).
pub fn train_att_adapter(
    request: &PictureRequest,
    options: &AttAdapterOptions,
    folder: &ImageFolder,
    schedule: &Schedule,
    stop: Arc<AtomicBool>,
    news: &mut dyn FnMut(TrainingNews),
) -> Result<TrainingEnd> {
    if folder.attributes.is_empty() {
        let problem = "name at least one column of attribute values";
        return Err(EngineError::request("columns", problem));
    }
    // Before minutes are spent on pictures.
    folder.ranges()?;
    let architecture = options.architecture;
    let is_cvae = architecture == Architecture::Cvae;
    let is_lora = architecture == Architecture::LoraNumbers;
    let mut session = PictureSession::open(request, schedule, stop, news)?;
    let shape = AdapterShape {
        tokens: options.tokens,
        dim: session.text_dim(),
        latent_dim: options.latent_dim,
        hidden_dim: options.hidden_dim,
    };
    let (left, prepared) = session.prepare(folder, is_cvae, &[])?;
    let ranges = left.ranges()?;
    let mut settings = session.settings(left.rows.len());
    settings.insert("architecture".to_owned(), json!(architecture));
    settings.insert("ranges".to_owned(), json!(ranges));
    if is_cvae {
        let CvaeWeights { kl, reconstruction } = options.cvae;
        settings.insert("kl_weight".to_owned(), json!(kl));
        settings.insert("reconstruction_weight".to_owned(), json!(reconstruction));
    }
    if !is_lora {
        settings.insert("shape".to_owned(), json!(shape));
    }
    let mut info = session.info(ControlKind::AttAdapter, &left.attributes, &settings);
    info.about = format!(
        "Sets {} by value, learnt from {} pictures",
        listed(&left.attributes),
        left.rows.len()
    );
    AttAdapter::describe(
        &mut info,
        architecture,
        (!is_lora).then_some(shape),
        &ranges,
    );

    let values = left.rows.iter().map(|row| row.values.clone()).collect();
    let data = TrainingSet::new(&left, prepared, values);
    let (learnt, held_out) = data.split();
    let task = |worker| AdapterTask {
        ranges: ranges.clone(),
        learnt: learnt.as_slice().into(),
        cvae: options.cvae,
        batch: request.batch,
        seed: request.seed,
        worker,
    };
    let trained = if is_lora {
        session.train(&settings, &held_out, |model, worker| {
            NumbersTrainer::new(model, data.share(), task(worker))
        })?
    } else {
        session.train(&settings, &held_out, |model, worker| {
            AttentionTrainer::new(model, data.share(), task(worker), shape, is_cvae)
        })?
    };
    let (averages, verdict) = match trained {
        Trained::Stopped(end) => return Ok(end),
        Trained::Done(averages, verdict) => (averages, verdict),
    };
    let tensors = if is_lora {
        slider(&averages).named()?
    } else {
        let needed = averages.into_iter();
        needed
            .filter(|(name, _)| !is_for_training_only(name))
            .collect()
    };
    save(request, info, verdict.as_ref(), &tensors)
}
