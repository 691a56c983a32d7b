//! `vernier bench`: our side of `cargo xtask bench`, which starts it and tells it when to work.
//!
//! It says `{"ready": true}` once its model is loaded, then answers every line on stdin with one
//! run of the work and `{"seconds": …}`, and leaves when stdin ends. Always on the CPU.

use std::path::PathBuf;
use std::time::Instant;

use clap::{Args, Subcommand};
use serde_json::json;
use vernier_engine::Result as EngineResult;
use vernier_engine::device;
use vernier_engine::recipe::{ModelRef, Recipe};
use vernier_engine::render::Defaults;
use vernier_engine::render::bench::{PictureWork, StepWork};

use super::cli::parse_size;
use super::say;
use crate::failure::Failure;

/// What is done once for every line.
#[derive(Debug, Subcommand)]
pub(super) enum BenchWork {
    /// One picture, from its prompt to its pixels
    Picture(PictureArgs),
    /// One guided U-Net step on latents of 512x512 pixels
    Step(StepArgs),
}

#[derive(Debug, Args)]
pub(super) struct PictureArgs {
    /// Model folder in diffusers layout
    #[arg(long, value_name = "DIR")]
    model: PathBuf,
    /// What to show
    #[arg(long, value_name = "TEXT")]
    prompt: String,
    /// Sampling steps
    #[arg(long, value_name = "N")]
    steps: u32,
    /// Guidance scale
    #[arg(long, value_name = "X")]
    guidance: f64,
    /// Width and height in pixels
    #[arg(long, value_name = "WxH", value_parser = parse_size)]
    size: (u32, u32),
    /// Dtype of the U-Net and the text encoder
    #[arg(long, value_name = "DTYPE", default_value = "f32")]
    dtype: String,
}

#[derive(Debug, Args)]
pub(super) struct StepArgs {
    /// Folder with the U-Net's config.json and weights
    #[arg(long, value_name = "DIR")]
    unet: PathBuf,
    /// Dtype of the U-Net
    #[arg(long, value_name = "DTYPE", default_value = "f32")]
    dtype: String,
    /// How the latents and weights lie in memory: contiguous or channels-last
    #[arg(long, value_name = "LAYOUT", default_value = "contiguous")]
    layout: String,
}

/// Loads what the work needs, then works once for each line on stdin.
pub(super) fn run(work: BenchWork) -> Result<(), Failure> {
    device::use_all_cores();
    match work {
        BenchWork::Picture(args) => {
            let mut work = PictureWork::load(&args.model, recipe(&args)?)?;
            take_turns(|| work.run().map(drop))
        }
        BenchWork::Step(args) => {
            let mut work = StepWork::load(&args.unet, args.dtype.parse()?, args.layout.parse()?)?;
            take_turns(|| work.run().map(drop))
        }
    }
}

fn recipe(args: &PictureArgs) -> Result<Recipe, Failure> {
    Ok(Recipe {
        prompt: args.prompt.clone(),
        width_px: args.size.0,
        height_px: args.size.1,
        steps: args.steps,
        guidance_scale: args.guidance,
        sampler: Defaults::of(&args.model)?.sampler()?,
        dtype: args.dtype.clone(),
        ..Recipe::new(ModelRef::at(&args.model))
    })
}

fn take_turns(mut work: impl FnMut() -> EngineResult<()>) -> Result<(), Failure> {
    say(&json!({"ready": true}).to_string());
    for line in std::io::stdin().lines() {
        line.map_err(|e| Failure::Failed(format!("stdin: {e}")))?;
        let start = Instant::now();
        work()?;
        say(&json!({"seconds": start.elapsed().as_secs_f64()}).to_string());
    }
    Ok(())
}
