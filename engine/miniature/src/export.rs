//! Writes trained parts in the diffusers layout, in fp16.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;
use tch::{Kind, Tensor};
use vernier_engine::weights::save;

use crate::clip_stage::HEADS;
use crate::config::{self, LATENT_CHANNELS};

/// Writes `value` as pretty JSON to `folder/name`.
///
/// # Errors
/// The folder cannot be written.
pub fn write_json(folder: &Path, name: &str, value: &Value) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("creating {}", folder.display()))?;
    let path = folder.join(name);
    fs::write(&path, serde_json::to_string_pretty(value)? + "\n")
        .with_context(|| format!("writing {}", path.display()))
}

fn half(tensors: impl Iterator<Item = (String, Tensor)>) -> Result<Vec<(String, Tensor)>> {
    tensors.map(|(name, t)| Ok((name, t.f_to_kind(Kind::Half)?))).collect()
}

/// Writes both towers to `folder/clip` and the text tower to `folder/text_encoder`.
///
/// # Errors
/// The folder cannot be written.
pub fn clip(folder: &Path, tensors: &[(String, Tensor)], vocab_size: usize) -> Result<()> {
    let shipped = || {
        tensors
            .iter()
            .filter(|(name, _)| !name.starts_with(&format!("{HEADS}.")))
            .map(|(name, t)| (name.clone(), t.shallow_clone()))
    };
    let metadata = [("format", "pt".to_owned())];
    let clip = folder.join("clip");
    write_json(&clip, "config.json", &config::clip(vocab_size))?;
    save(&clip.join("model.safetensors"), &half(shipped())?, &metadata)?;
    let text = folder.join("text_encoder");
    write_json(&text, "config.json", &config::text_encoder(vocab_size))?;
    let tower = half(shipped().filter(|(name, _)| name.starts_with("text_model.")))?;
    save(&text.join("model.safetensors"), &tower, &metadata)?;
    Ok(())
}

/// Standardises the latents through the 1×1 convolutions around them: afterwards the posterior
/// mean has zero mean and unit deviation in every channel, and the decoder undoes it.
///
/// `mean` and `deviation` are `[channels]`, measured over many pictures.
///
/// # Errors
/// The tensors do not hold the convolutions.
pub fn standardise_latents(tensors: &mut [(String, Tensor)], mean: &Tensor, deviation: &Tensor) -> Result<()> {
    let _guard = tch::no_grad_guard();
    let channels = LATENT_CHANNELS;
    for (name, tensor) in tensors.iter_mut() {
        let double = tensor.f_to_kind(Kind::Double)?;
        let changed = match name.as_str() {
            "quant_conv.weight" => {
                let means = double.f_narrow(0, 0, channels)?.f_div(&deviation.f_view([-1, 1, 1, 1])?)?;
                Tensor::f_cat(&[means, double.f_narrow(0, channels, channels)?], 0)?
            }
            "quant_conv.bias" => {
                let means = double.f_narrow(0, 0, channels)?.f_sub(mean)?.f_div(deviation)?;
                // The posterior's spread shrinks with its mean.
                let logvar = double
                    .f_narrow(0, channels, channels)?
                    .f_sub(&deviation.f_log()?.f_mul_scalar(2.0)?)?;
                Tensor::f_cat(&[means, logvar], 0)?
            }
            _ => continue,
        };
        *tensor = changed.f_to_kind(Kind::Float)?;
    }
    let weight = tensors.iter().find(|(n, _)| n == "post_quant_conv.weight").map(|(_, t)| t.shallow_clone());
    let weight = weight.context("the autoencoder has no post_quant_conv")?.f_to_kind(Kind::Double)?;
    for (name, tensor) in tensors.iter_mut() {
        let changed = match name.as_str() {
            "post_quant_conv.weight" => weight.f_mul(&deviation.f_view([1, -1, 1, 1])?)?,
            "post_quant_conv.bias" => {
                let shift = weight.f_view([channels, channels])?.f_mv(mean)?;
                tensor.f_to_kind(Kind::Double)?.f_add(&shift)?
            }
            _ => continue,
        };
        *tensor = changed.f_to_kind(Kind::Float)?;
    }
    Ok(())
}

/// Writes the autoencoder to `folder/vae`.
///
/// # Errors
/// The folder cannot be written.
pub fn vae(folder: &Path, tensors: &[(String, Tensor)]) -> Result<()> {
    component(&folder.join("vae"), &config::vae(), tensors)
}

/// Writes the U-Net to `folder/unet`, the scheduler, the recommended settings and the index.
///
/// # Errors
/// The folder cannot be written.
pub fn unet(folder: &Path, tensors: &[(String, Tensor)]) -> Result<()> {
    component(&folder.join("unet"), &config::unet(), tensors)?;
    write_json(&folder.join("scheduler"), "scheduler_config.json", &config::scheduler())?;
    write_json(folder, "vernier.json", &config::recommended())?;
    write_json(folder, "model_index.json", &config::model_index())
}

fn component(folder: &Path, config: &Value, tensors: &[(String, Tensor)]) -> Result<()> {
    write_json(folder, "config.json", config)?;
    let tensors = half(tensors.iter().map(|(n, t)| (n.clone(), t.shallow_clone())))?;
    let path = folder.join("diffusion_pytorch_model.safetensors");
    save(&path, &tensors, &[("format", "pt".to_owned())])?;
    Ok(())
}
