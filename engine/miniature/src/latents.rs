//! The pool through the encoder: latents that the U-Net trains on.

use std::path::Path;

use anyhow::{Context, Result};
use tch::{Device, Kind, Tensor};
use vernier_engine::models::vae::Vae;
use vernier_engine::weights::{SafetensorsFile, save};

use crate::pool::Pool;

/// Encodes the whole pool to `path` as fp16 posterior means `[pictures, channels, 16, 16]`.
///
/// # Errors
/// The file cannot be written.
pub fn encode_pool(
    vae: &Vae,
    pool: &Pool,
    path: &Path,
    kind: Kind,
    device: Device,
    mut progress: impl FnMut(usize),
) -> Result<()> {
    let _guard = tch::no_grad_guard();
    let mut parts = Vec::new();
    let mut at = 0;
    while at < pool.len() {
        let end = (at + 64).min(pool.len());
        let indices: Vec<usize> = (at..end).collect();
        let pictures = pool.pictures(&indices)?.f_to_device(device)?.f_to_kind(kind)?;
        let mean = vae.scale(vae.encode(&pictures)?.mean())?;
        parts.push(mean.f_to_kind(Kind::Half)?.f_to_device(Device::Cpu)?);
        at = end;
        progress(at);
    }
    let all = Tensor::f_cat(&parts, 0)?;
    save(path, &[("latents".to_owned(), all)], &[])?;
    Ok(())
}

/// Reads what [`encode_pool`] wrote.
///
/// # Errors
/// The file is missing or damaged.
pub fn read(path: &Path) -> Result<Tensor> {
    SafetensorsFile::open(path)?
        .tensor("latents", Kind::Half, Device::Cpu)?
        .with_context(|| format!("{}: holds no latents; encode the pool again", path.display()))
}
