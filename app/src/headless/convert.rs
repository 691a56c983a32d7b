//! `vernier convert`: models from one layout to another.

use std::path::PathBuf;

use clap::Args;

use vernier_engine::checkpoint;
use vernier_engine::device::Dtype;

use super::say;
use crate::failure::Failure;

/// A model folder becomes a single file, a single file a folder, a PyTorch file safetensors.
#[derive(Debug, Args)]
pub(super) struct ConvertArgs {
    /// A model folder in diffusers layout, a single-file checkpoint, or any file of tensors
    /// (.safetensors, .ckpt, .pt, .pth, .bin)
    #[arg(value_name = "FROM")]
    from: PathBuf,
    /// What to write: a single file where the name ends with .safetensors, else a folder in
    /// diffusers layout; nothing that is there is overwritten
    #[arg(value_name = "TO")]
    to: PathBuf,
    /// Dtype of the numbers: f32, bf16 or f16 [default: as they are, to the last bit]
    #[arg(long, value_name = "DTYPE")]
    dtype: Option<String>,
}

/// Converts, and tells on stdout what was written.
pub(super) fn run(args: &ConvertArgs) -> Result<(), Failure> {
    let dtype = args.dtype.as_deref().map(str::parse::<Dtype>).transpose()?;
    let written = checkpoint::convert(&args.from, &args.to, dtype)?;
    say(&format!(
        "{}: {} of {} tensors",
        args.to.display(),
        written.what,
        written.tensors
    ));
    for note in &written.notes {
        say(note);
    }
    Ok(())
}
