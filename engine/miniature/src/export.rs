//! Writes trained parts in the diffusers layout, in fp16; every file whole or not at all.

use std::fs;
use std::io::Write;
use std::path::Path;

use serde_json::Value;
use tch::{Kind, Tensor};
use vernier_engine::atomic::{self, Existing};
use vernier_engine::render::LatentRgb;
use vernier_engine::weights::save;
use vernier_engine::{EngineError, Result};

use crate::trainers::{HEADS, meter_config};
use crate::{config, latent_rgb};

/// What suits the model, beside its index.
const RECOMMENDED: &str = "vernier.json";
/// Its field of colours of latents.
const LATENT_RGB: &str = "latent_rgb";

/// Writes `bytes` to `folder/name`; the folder is made where it is not there.
///
/// # Errors
/// The folder cannot be written.
pub fn write_file(folder: &Path, name: &str, bytes: &[u8]) -> Result<()> {
    make_folder(folder)?;
    let path = folder.join(name);
    atomic::write(&path, Existing::Replace, |file| {
        file.write_all(bytes).map_err(|e| EngineError::io(&path, e))
    })?;
    Ok(())
}

/// Writes `value` as pretty JSON to `folder/name`.
///
/// # Errors
/// The folder cannot be written.
pub fn write_json(folder: &Path, name: &str, value: &Value) -> Result<()> {
    write_file(folder, name, format!("{value:#}\n").as_bytes())
}

/// Writes both towers to `folder/clip` and the text tower to `folder/text_encoder`.
///
/// # Errors
/// The folder cannot be written.
pub fn clip(folder: &Path, tensors: &[(String, Tensor)], vocab_size: usize) -> Result<()> {
    let heads = format!("{HEADS}.");
    let towers = half(tensors, |name| !name.starts_with(&heads))?;
    let text = half(tensors, |name| name.starts_with("text_model."))?;
    let file = "model.safetensors";
    let config = config::clip(vocab_size);
    let towers_folder = folder.join("clip");
    part(&towers_folder, &config, file, &towers)?;
    let preprocessor = config::clip_preprocessor();
    write_json(&towers_folder, "preprocessor_config.json", &preprocessor)?;
    let config = config::text_encoder(vocab_size);
    part(&folder.join("text_encoder"), &config, file, &text)
}

/// Writes the autoencoder to `folder/vae`.
///
/// # Errors
/// The folder cannot be written.
pub fn vae(folder: &Path, tensors: &[(String, Tensor)]) -> Result<()> {
    let file = "diffusion_pytorch_model.safetensors";
    let half = half(tensors, |_| true)?;
    part(&folder.join("vae"), &config::vae(), file, &half)
}

/// Writes the U-Net to `folder/unet`, the scheduler and the index.
///
/// # Errors
/// The folder cannot be written.
pub fn unet(folder: &Path, tensors: &[(String, Tensor)]) -> Result<()> {
    let file = "diffusion_pytorch_model.safetensors";
    let half = half(tensors, |_| true)?;
    part(&folder.join("unet"), &config::unet(), file, &half)?;
    let scheduler = folder.join("scheduler");
    write_json(&scheduler, "scheduler_config.json", &config::scheduler())?;
    recommended(folder, None)?;
    write_json(folder, "model_index.json", &config::model_index())
}

/// Writes the colours of latents to `folder`'s `vernier.json`.
///
/// # Errors
/// The folder cannot be written, or the file that is there is damaged.
pub fn latent_rgb(folder: &Path, rgb: &LatentRgb) -> Result<()> {
    recommended(folder, Some(latent_rgb::as_json(rgb)))
}

/// Writes `vernier.json`; the colours of latents stay as they are where none are given.
fn recommended(folder: &Path, latent_rgb: Option<Value>) -> Result<()> {
    let path = folder.join(RECOMMENDED);
    let latent_rgb = match latent_rgb {
        None if path.exists() => {
            let text = fs::read(&path).map_err(|e| EngineError::io(&path, e))?;
            let old: Value = serde_json::from_slice(&text)
                .map_err(|e| EngineError::bad_file(&path, e.to_string()))?;
            old.get(LATENT_RGB).cloned()
        }
        given => given,
    };
    let mut value = config::recommended();
    if let (Some(rgb), Some(fields)) = (latent_rgb, value.as_object_mut()) {
        fields.insert(LATENT_RGB.to_owned(), rgb);
    }
    write_json(folder, RECOMMENDED, &value)
}

/// Writes the attribute meter to `folder`.
///
/// # Errors
/// The folder cannot be written.
pub fn meter(folder: &Path, tensors: &[(String, Tensor)]) -> Result<()> {
    let path = folder.join("config.json");
    let config = serde_json::to_value(meter_config())
        .map_err(|e| EngineError::bad_file(path, e.to_string()))?;
    part(
        folder,
        &config,
        "meter.safetensors",
        &half(tensors, |_| true)?,
    )
}

fn part(folder: &Path, config: &Value, file: &str, tensors: &[(String, Tensor)]) -> Result<()> {
    write_json(folder, "config.json", config)?;
    // transformers asks for the format before it reads a file.
    save(&folder.join(file), tensors, &[("format", "pt".to_owned())])
}

fn half(
    tensors: &[(String, Tensor)],
    keep: impl Fn(&str) -> bool,
) -> Result<Vec<(String, Tensor)>> {
    let kept = tensors.iter().filter(|(name, _)| keep(name));
    kept.map(|(name, tensor)| Ok((name.clone(), tensor.f_to_kind(Kind::Half)?)))
        .collect()
}

fn make_folder(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).map_err(|e| EngineError::io(folder, e))
}
