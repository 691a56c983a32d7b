//! Adapters from a folder of pictures and a table of attribute values (Att-Adapter,
//! arXiv 2503.11937), and the two baselines that learn from the same data.

mod attention;
mod masks;
mod numbers;

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use tch::Tensor;

use super::folder::ImageFolder;
use super::request::{AdapterRequest, Tell, Told};
use super::training_set::TrainingSet;
use super::verdict::{Judged, Verdict, judge};
use super::{FrozenModel, Replica, load_parameters};
use crate::controls::{
    AdapterShape, Architecture, AttAdapter, AttributeRange, ControlInfo, ControlKind,
};
use crate::{EngineError, Result};

use attention::AttentionTrainer;
use numbers::NumbersTrainer;

pub use attention::CvaeWeights;

/// Parameters that only training needs, by the beginning of their names.
const TRAINING_ONLY: [&str; 2] = ["projection.", "posterior."];

/// An adapter's training.
#[derive(Debug, Clone)]
pub struct AttAdapterTraining {
    /// What every training is asked.
    pub request: AdapterRequest,
    /// How it works.
    pub architecture: Architecture,
    /// Tokens of the second cross-attention.
    pub tokens: i64,
    /// Width of Z.
    pub latent_dim: i64,
    /// Width inside the perceptrons.
    pub hidden_dim: i64,
    /// Weights of the CVAE's terms.
    pub cvae: CvaeWeights,
}

/// What a worker is told.
#[derive(Debug, Clone)]
struct AdapterTask {
    ranges: Vec<AttributeRange>,
    /// The pictures drawn from.
    learnt: Arc<[usize]>,
    cvae: CvaeWeights,
    batch: usize,
    seed: u64,
    worker: usize,
}

/// What a training leaves behind.
struct Outcome {
    averages: Vec<(String, Tensor)>,
    verdict: Option<Verdict>,
}

impl AttAdapterTraining {
    /// Trains on the pictures of `folder` and writes the control. Setting `stop` ends it with its
    /// state saved; the same training goes on from there.
    ///
    /// # Errors
    /// A column has no values or always the same, no picture can be read, a file is missing,
    /// damaged or of another training, the numbers stop being finite, or it was stopped
    /// ([`EngineError::Cancelled`]).
    pub fn run(
        &self,
        folder: &ImageFolder,
        stop: &Arc<AtomicBool>,
        tell: &mut Tell<'_>,
    ) -> Result<()> {
        let request = &self.request;
        if folder.attributes.is_empty() {
            let problem = "name at least one column of attribute values";
            return Err(EngineError::request("columns", problem));
        }
        // Before minutes are spent on pictures.
        folder.ranges()?;
        let model = FrozenModel::load(&request.model, request.kind, request.device)?;
        let hash = model.hash.clone();
        let shape = AdapterShape {
            tokens: self.tokens,
            dim: model.text.encoder().config().hidden_size,
            latent_dim: self.latent_dim,
            hidden_dim: self.hidden_dim,
        };
        let is_cvae = self.architecture == Architecture::Cvae;
        let (left, prepared) = request.prepare(&model, folder, (is_cvae, &[]), stop, tell)?;
        let ranges = left.ranges()?;
        let mut settings = request.settings(&model, &left);
        settings["architecture"] = self.architecture.name().into();
        settings["shape"] = serde_json::to_value(shape).unwrap_or_default();
        settings["ranges"] = serde_json::to_value(&ranges).unwrap_or_default();
        settings["cvae"] = serde_json::json!([self.cvae.kl, self.cvae.reconstruction]);
        request.begin(&settings)?;

        let values = left.rows.iter().map(|row| row.values.clone()).collect();
        let data = TrainingSet::new(&left, prepared, values);
        let (learnt, held_out) = data.split();
        let first = RefCell::new(Some(model));
        let ready = |worker: usize| -> Result<(FrozenModel, TrainingSet, AdapterTask)> {
            let model = match first.take() {
                Some(model) => model,
                None => FrozenModel::load(&request.model, request.kind, request.device)?,
            };
            let task = AdapterTask {
                ranges: ranges.clone(),
                learnt: learnt.as_slice().into(),
                cvae: self.cvae,
                batch: request.batch,
                seed: request.seed,
                worker,
            };
            Ok((model, data.share(), task))
        };
        let lora = self.architecture == Architecture::LoraNumbers;
        let outcome = if lora {
            let build = |worker| {
                let (model, data, task) = ready(worker)?;
                NumbersTrainer::new(model, data, task)
            };
            self.train(&held_out, stop, tell, build)?
        } else {
            let build = |worker| {
                let (model, data, task) = ready(worker)?;
                AttentionTrainer::new(model, data, task, shape, is_cvae)
            };
            self.train(&held_out, stop, tell, build)?
        };
        let tensors = if lora {
            numbers::slider(&outcome.averages).named()?
        } else {
            let needed = |name: &str| !TRAINING_ONLY.iter().any(|own| name.starts_with(own));
            let all = outcome.averages.into_iter();
            all.filter(|(name, _)| needed(name)).collect()
        };
        let mut info = ControlInfo::new(
            &request.name,
            ControlKind::AttAdapter,
            left.attributes.clone(),
        );
        AttAdapter::describe(&mut info, self.architecture, (!lora).then_some(shape), &ranges);
        info.about = format!(
            "Sets {} by value, learnt from {} pictures.",
            left.attributes.join(", "),
            left.rows.len()
        );
        if let Some(verdict) = outcome.verdict {
            let verdict = serde_json::to_value(verdict).unwrap_or_default();
            info.settings.insert("held_out".to_owned(), verdict);
        }
        request.save(info, &hash, &tensors)
    }

    fn train<R: Replica + Judged + Send>(
        &self,
        held_out: &[usize],
        stop: &Arc<AtomicBool>,
        tell: &mut Tell<'_>,
        build: impl Fn(usize) -> Result<R>,
    ) -> Result<Outcome> {
        let averages = self.request.train(stop, tell, &build)?;
        let mut judged = build(0)?;
        load_parameters(&judged.parameters(), &averages)?;
        let verdict = judge(&mut judged, held_out, self.request.seed)?;
        if let Some(verdict) = &verdict {
            tell(Told::Note(verdict.sentence()));
        }
        Ok(Outcome { averages, verdict })
    }
}
