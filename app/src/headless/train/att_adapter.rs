//! `vernier train att-adapter`.

use std::path::PathBuf;

use clap::Args;
use vernier_engine::Result;
use vernier_engine::control_training::{AdapterPlan, TrainingMethod, TrainingPlan};
use vernier_engine::controls::Architecture;

use super::args::not_negative;
use super::pictures::{Pace, PictureArgs};

#[derive(Debug, Args)]
pub(in super::super) struct AttAdapterArgs {
    #[command(flatten)]
    pub(super) pictures: PictureArgs,
    /// Table of the pictures and their attribute values; a value that is not known is left empty
    #[arg(long, value_name = "FILE")]
    csv: PathBuf,
    /// Columns of attribute values, such as age,smile
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',', required = true)]
    columns: Vec<String>,
    /// How it works: cvae (the paper's), mlp (a plain network) or lora-numbers (numbers in the
    /// prompt)
    #[arg(long, value_name = "NAME", default_value_t = Architecture::Cvae)]
    architecture: Architecture,
    /// Tokens of the second cross-attention
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..))]
    tokens: u8,
    /// Width of the latent variable
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..))]
    latent_dim: u16,
    /// Width inside the networks
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = clap::value_parser!(u16).range(1..))]
    hidden_dim: u16,
    /// Weight of the Kullback-Leibler divergence in the loss
    #[arg(long, value_name = "X", default_value_t = 0.003, value_parser = not_negative)]
    kl_weight: f64,
    /// Weight of the features' reconstruction in the loss
    #[arg(long, value_name = "X", default_value_t = 0.003, value_parser = not_negative)]
    reconstruction_weight: f64,
    #[command(flatten)]
    pace: Pace,
}

impl AttAdapterArgs {
    /// What is to be trained.
    pub(super) fn plan(&self) -> Result<TrainingPlan> {
        let method = TrainingMethod::AttAdapter(AdapterPlan {
            pictures: self.pictures.source(Some(&self.csv)),
            columns: self.columns.clone(),
            architecture: self.architecture,
            tokens: self.tokens.into(),
            latent_dim: self.latent_dim.into(),
            hidden_dim: self.hidden_dim.into(),
            kl_weight: self.kl_weight,
            reconstruction_weight: self.reconstruction_weight,
        });
        self.pictures.plan(self.pace, method)
    }
}
