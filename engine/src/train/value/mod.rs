//! Value encoders from a folder of pictures (AttriCtrl, arXiv 2508.02151): what a picture measures
//! is the value that its tokens are trained with, beside the frozen model.

mod trainer;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::folder::ImageFolder;
use super::request::{AdapterRequest, Tell, Told};
use super::training_set::TrainingSet;
use super::verdict::judge;
use super::{FrozenModel, Replica as _};
use crate::controls::{ControlInfo, ControlKind, ValueEncoder, ValueShape};
use crate::measure::{Quantity, RankTable, balanced};
use crate::{EngineError, Result};

use trainer::{ValueTask, ValueTrainer};

/// Bins of equal width over a measure's range, each drawn from equally often.
const BINS: usize = 10;
/// Knots of a rank table that are kept in the file.
const KNOTS: usize = 257;

/// What is measured, under which name.
#[derive(Debug, Clone, PartialEq)]
pub struct NamedQuantity {
    /// The attribute's name.
    pub name: String,
    /// How it is measured.
    pub quantity: Quantity,
}

/// A value encoder's training.
#[derive(Debug, Clone)]
pub struct ValueTraining {
    /// What every training is asked.
    pub request: AdapterRequest,
    /// The attributes; each gets an encoder of its own in the one file.
    pub quantities: Vec<NamedQuantity>,
    /// Tokens for each attribute.
    pub tokens: i64,
}

impl ValueTraining {
    /// Trains on the pictures of `folder` and writes the control. Setting `stop` ends it with its
    /// state saved; the same training goes on from there.
    ///
    /// # Errors
    /// A measure is the same in all pictures or two have one name, no picture can be read, a file
    /// is missing, damaged or of another training, the numbers stop being finite, or it was stopped
    /// ([`EngineError::Cancelled`]).
    pub fn run(
        &self,
        folder: &ImageFolder,
        stop: &Arc<AtomicBool>,
        tell: &mut Tell<'_>,
    ) -> Result<()> {
        let request = &self.request;
        let names = self.names()?;
        let model = FrozenModel::load(&request.model, request.kind, request.device)?;
        let (hash, dim) = (model.hash.clone(), model.text.encoder().config().hidden_size);
        let shape = ValueShape {
            tokens: self.tokens,
            dim,
        };
        let quantities: Vec<Quantity> =
            self.quantities.iter().map(|q| q.quantity.clone()).collect();
        let (left, prepared) = request.prepare(&model, folder, (false, &quantities), stop, tell)?;
        let mut settings = request.settings(&model, &left);
        settings["quantities"] = serde_json::to_value(&quantities).unwrap_or_default();
        settings["tokens"] = self.tokens.into();
        request.begin(&settings)?;

        let ranked = self.rank(&prepared.measures)?;
        let values: Vec<Vec<Option<f64>>> = (0..left.rows.len())
            .map(|row| {
                let of = |(table, measures): (&RankTable, &Vec<f64>)| {
                    Some(table.value_of_raw(measures[row]))
                };
                ranked.iter().zip(&prepared.measures).map(of).collect()
            })
            .collect();
        let measures = prepared.measures.clone();
        let data = TrainingSet::new(&left, prepared, values);
        let (learnt, held_out) = data.split();
        let drawn: Vec<Vec<usize>> = measures
            .iter()
            .map(|measures| {
                let own: Vec<f64> = learnt.iter().map(|&row| measures[row]).collect();
                let chosen = balanced(&own, BINS).into_iter();
                chosen.map(|at| learnt[at]).collect()
            })
            .collect();
        let first = RefCell::new(Some(model));
        let build = |worker: usize| {
            let model = match first.take() {
                Some(model) => model,
                None => FrozenModel::load(&request.model, request.kind, request.device)?,
            };
            let task = ValueTask {
                attributes: names.clone(),
                shape,
                drawn: drawn.clone(),
                batch: request.batch,
                seed: request.seed,
                worker,
            };
            ValueTrainer::new(model, data.share(), task)
        };
        let averages = request.train(stop, tell, build)?;

        let ranks: BTreeMap<String, RankTable> = names
            .iter()
            .cloned()
            .zip(ranked.iter().map(|table| table.thinned(KNOTS)))
            .collect();
        let mut info = ControlInfo::new(&request.name, ControlKind::Value, names.clone());
        ValueEncoder::describe(&mut info, shape, &ranks);
        info.settings.insert(
            "quantities".to_owned(),
            serde_json::to_value(&quantities).unwrap_or_default(),
        );
        info.about = format!(
            "Sets {} by value, 0 to 1: the rank among {} pictures.",
            names.join(", "),
            left.rows.len()
        );
        let mut judged = build(0)?;
        super::load_parameters(&judged.parameters(), &averages)?;
        if let Some(verdict) = judge(&mut judged, &held_out, request.seed)? {
            tell(Told::Note(verdict.sentence()));
            let verdict = serde_json::to_value(verdict).unwrap_or_default();
            info.settings.insert("held_out".to_owned(), verdict);
        }
        request.save(info, &hash, &averages)
    }

    /// The attributes' names.
    fn names(&self) -> Result<Vec<String>> {
        let names: Vec<String> = self.quantities.iter().map(|q| q.name.clone()).collect();
        let distinct: BTreeSet<&String> = names.iter().collect();
        if names.is_empty() || distinct.len() < names.len() {
            let problem = "name at least one, and each only once";
            return Err(EngineError::request("quantity", problem));
        }
        if let Some(odd) = names.iter().find(|n| n.is_empty() || n.contains(['/', '.'])) {
            let problem = format!("\"{odd}\" cannot be a name: use letters, digits and underscores");
            return Err(EngineError::request("quantity", problem));
        }
        Ok(names)
    }

    /// The ranks of each quantity's measures, all parts of its range counted alike.
    fn rank(&self, measures: &[Vec<f64>]) -> Result<Vec<RankTable>> {
        let ranked = self.quantities.iter().zip(measures);
        ranked
            .map(|(quantity, raw)| {
                let even: Vec<f64> = balanced(raw, BINS).into_iter().map(|at| raw[at]).collect();
                RankTable::new(&even).map_err(|_| {
                    EngineError::request(
                        format!("quantity \"{}\"", quantity.name),
                        "measures the same in all pictures, so nothing can be learnt of it",
                    )
                })
            })
            .collect()
    }
}
