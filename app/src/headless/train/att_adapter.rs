//! `vernier train att-adapter`.

use std::path::PathBuf;

use clap::Args;
use vernier_engine::control_training::{AttAdapterOptions, train_att_adapter};
use vernier_engine::controls::Architecture;
use vernier_engine::train::att_adapter::CvaeWeights;

use super::args::not_negative;
use super::pictures::{Pace, PictureArgs};
use super::tell::Teller;
use super::{catch_interrupts, finish, is_done};
use crate::failure::Failure;

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
    #[arg(long, value_name = "X", default_value_t = 0.01, value_parser = not_negative)]
    kl_weight: f64,
    /// Weight of the features' reconstruction in the loss
    #[arg(long, value_name = "X", default_value_t = 0.1, value_parser = not_negative)]
    reconstruction_weight: f64,
    #[command(flatten)]
    pace: Pace,
}

/// Trains the adapter that `args` ask for.
pub(super) fn run(args: &AttAdapterArgs, teller: &mut Teller) -> Result<(), Failure> {
    let pictures = &args.pictures;
    let request = pictures.request()?;
    if is_done(
        pictures.unless_done,
        &request.out,
        &request.command,
        &request.model_folder,
    )? {
        teller.done_already(&request.out);
        return Ok(());
    }
    let options = AttAdapterOptions {
        architecture: args.architecture,
        tokens: args.tokens.into(),
        latent_dim: args.latent_dim.into(),
        hidden_dim: args.hidden_dim.into(),
        cvae: CvaeWeights {
            kl: args.kl_weight,
            reconstruction: args.reconstruction_weight,
        },
    };
    let folder = pictures.folder(Some(&args.csv), &args.columns)?;
    let schedule = pictures.schedule(args.pace)?;
    let stop = catch_interrupts()?;
    let tell = &mut |news| teller.tell(&news);
    let end = train_att_adapter(&request, &options, &folder, &schedule, stop, tell)?;
    finish(&end, &request.out, teller)
}
