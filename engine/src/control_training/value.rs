//! Value encoders (AttriCtrl, arXiv 2508.02151): what a picture measures is the value that its
//! tokens are trained with.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use serde_json::json;

use super::pictures::{PictureSession, Trained, listed, save};
use super::{PictureRequest, Schedule, TrainingEnd, TrainingNews};
use crate::controls::{ControlKind, ValueEncoder, ValueShape};
use crate::measure::{Quantity, RankTable, balanced};
use crate::train::TrainingSet;
use crate::train::folder::ImageFolder;
use crate::train::value::{ValueTask, ValueTrainer};
use crate::{EngineError, Result};

/// Bins of equal width over a measure's range, each drawn from equally often.
const BINS: usize = 10;
/// The paper's number of tokens, for text embeddings of Stable Diffusion's width; a narrow model
/// has less to tell each of them.
const MANY_TOKENS: i64 = 32;
const FEW_TOKENS: i64 = 8;
const WIDE_TEXT: i64 = 512;
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

/// What a value encoder learns.
#[derive(Debug, Clone)]
pub struct ValueOptions {
    /// The attributes that are measured; each gets an encoder of its own in the one file, and so
    /// does every column of the folder's table that was asked for.
    pub quantities: Vec<NamedQuantity>,
    /// Tokens for each attribute; `None` for as many as suit the width of the text embeddings.
    pub tokens: Option<i64>,
}

/// Trains the value encoder that `request` asks for on the pictures of `folder`, and saves it.
///
/// It can be stopped by `stop` and is resumed from its work folder.
///
/// # Errors
/// A measure is the same in all pictures or two have one name, no picture can be read, the model or
/// the request cannot be used, the numbers stop being finite (the last saved state is kept), a
/// folder cannot be written, or it was stopped while pictures were read
/// ([`EngineError::Cancelled`]).
pub fn train_value(
    request: &PictureRequest,
    options: &ValueOptions,
    folder: &ImageFolder,
    schedule: &Schedule,
    stop: Arc<AtomicBool>,
    news: &mut dyn FnMut(TrainingNews),
) -> Result<TrainingEnd> {
    let names = options.names(&folder.attributes)?;
    // Before minutes are spent on pictures.
    folder.ranges()?;
    let mut session = PictureSession::open(request, schedule, stop, news)?;
    let shape = ValueShape {
        tokens: options.tokens.unwrap_or(if session.text_dim() < WIDE_TEXT {
            FEW_TOKENS
        } else {
            MANY_TOKENS
        }),
        dim: session.text_dim(),
    };
    let quantities: Vec<Quantity> = options
        .quantities
        .iter()
        .map(|q| q.quantity.clone())
        .collect();
    let (left, prepared) = session.prepare(folder, false, &quantities)?;
    let measures = measures(&prepared.measures, &left);
    let ranks = rank(&names, &measures)?;
    for (name, table) in names.iter().zip(&ranks) {
        let (low, high) = (table.raw_of_value(0.0), table.raw_of_value(1.0));
        session.note(format!("{name} measures {low:.4} to {high:.4}"));
    }
    let mut settings = session.settings(left.rows.len());
    settings.insert("attributes".to_owned(), json!(names));
    settings.insert("quantities".to_owned(), json!(quantities));
    if !left.attributes.is_empty() {
        settings.insert("columns".to_owned(), json!(left.attributes));
    }
    settings.insert("tokens".to_owned(), json!(shape.tokens));
    let mut info = session.info(ControlKind::Value, &names, &settings);
    info.about = format!(
        "Sets {} by value, 0 to 1: the rank among {} pictures",
        listed(&names),
        left.rows.len()
    );
    let kept: BTreeMap<_, _> = names
        .iter()
        .cloned()
        .zip(ranks.iter().map(|table| table.thinned(KNOTS)))
        .collect();
    ValueEncoder::describe(&mut info, shape, &kept);

    let values = (0..left.rows.len())
        .map(|row| {
            let measured = ranks.iter().zip(&measures);
            measured
                .map(|(table, measured)| Some(table.value_of_raw(measured[row]?)))
                .collect()
        })
        .collect();
    let data = TrainingSet::new(&left, prepared, values);
    let (learnt, held_out) = data.split();
    let drawn: Vec<Vec<usize>> = measures
        .iter()
        .map(|measured| {
            let known = learnt.iter().filter_map(|&row| Some((row, measured[row]?)));
            let (rows, own): (Vec<usize>, Vec<f64>) = known.unzip();
            let chosen = balanced(&own, BINS).into_iter();
            chosen.map(|at| rows[at]).collect()
        })
        .collect();
    let trained = session.train(&settings, &held_out, |model, worker| {
        let task = ValueTask {
            attributes: names.clone(),
            shape,
            drawn: drawn.clone(),
            batch: request.batch,
            seed: request.seed,
            worker,
        };
        ValueTrainer::new(model, data.share(), task)
    })?;
    match trained {
        Trained::Stopped(end) => Ok(end),
        Trained::Done(averages, verdict) => save(request, info, verdict.as_ref(), &averages),
    }
}

impl ValueOptions {
    /// The attributes' names: those of the quantities, then `columns`.
    fn names(&self, columns: &[String]) -> Result<Vec<String>> {
        let measured = self.quantities.iter().map(|q| &q.name);
        let names: Vec<String> = measured.chain(columns).cloned().collect();
        let distinct: BTreeSet<&String> = names.iter().collect();
        if names.is_empty() || distinct.len() < names.len() {
            let problem = "name at least one quantity or column, and each only once";
            return Err(EngineError::request("quantity", problem));
        }
        Ok(names)
    }
}

/// What is known of each attribute in each picture: the measures of the quantities, then the
/// columns of `folder`.
fn measures(measured: &[Vec<f64>], folder: &ImageFolder) -> Vec<Vec<Option<f64>>> {
    let measured = measured
        .iter()
        .map(|all| all.iter().copied().map(Some).collect());
    let columns = (0..folder.attributes.len())
        .map(|at| folder.rows.iter().map(|row| row.values[at]).collect());
    measured.chain(columns).collect()
}

/// The ranks of each attribute's measures, all parts of its range counted alike.
fn rank(names: &[String], measures: &[Vec<Option<f64>>]) -> Result<Vec<RankTable>> {
    let ranked = names.iter().zip(measures);
    ranked
        .map(|(name, raw)| {
            let known: Vec<f64> = raw.iter().copied().flatten().collect();
            let chosen = balanced(&known, BINS).into_iter();
            let even: Vec<f64> = chosen.map(|at| known[at]).collect();
            RankTable::new(&even).map_err(|_| {
                EngineError::request(
                    format!("quantity \"{name}\""),
                    "measures the same in all pictures, so nothing can be learnt of it",
                )
            })
        })
        .collect()
}
