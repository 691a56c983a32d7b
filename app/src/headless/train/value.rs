//! `vernier train value`.

use std::path::PathBuf;

use clap::Args;
use vernier_engine::Result;
use vernier_engine::control_training::{TrainingMethod, TrainingPlan, ValuePlan};

use super::pictures::{Pace, PictureArgs};

#[derive(Debug, Args)]
pub(in super::super) struct ValueArgs {
    #[command(flatten)]
    pub(super) pictures: PictureArgs,
    /// What the value measures: brightness, detail, realism, or two texts that CLIP chooses
    /// between, as "MORE|LESS"; repeatable, then as NAME:MORE|LESS
    #[arg(
        long = "quantity",
        value_name = "QUANTITY",
        required_unless_present = "columns"
    )]
    quantities: Vec<String>,
    /// Columns of the table that are values as they are, such as age,smile
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',', requires = "csv")]
    columns: Vec<String>,
    /// Table of the pictures and their captions
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    /// Tokens for each attribute [default: 32, or 8 for models with narrow text embeddings]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..))]
    tokens: Option<u8>,
    #[command(flatten)]
    pace: Pace,
}

impl ValueArgs {
    /// What is to be trained.
    pub(super) fn plan(&self) -> Result<TrainingPlan> {
        let method = TrainingMethod::Value(ValuePlan {
            pictures: self.pictures.source(self.csv.as_ref()),
            quantities: self.quantities.clone(),
            columns: self.columns.clone(),
            tokens: self.tokens.map(i64::from),
        });
        self.pictures.plan(self.pace, method)
    }
}
