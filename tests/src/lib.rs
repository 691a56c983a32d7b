//! Tiny models of every family, whose weights follow from a formula, so that Python diffusers can
//! have the same ones without a file.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use tch::{Device, Kind, Tensor};
use vernier_engine::Result;
use vernier_engine::models::clip::{ClipTextModel, ClipVisionModel};
use vernier_engine::models::controlnet::ControlNet;
use vernier_engine::models::unet::UNet;
use vernier_engine::models::vae::Vae;
use vernier_engine::weights::{ParamStore, Params, save};

/// Names of the models in `tests/fixtures/tiny`, as `make_tiny.py` makes them.
pub const TINY_MODELS: [&str; 5] = ["sd1", "sd2", "sdxl", "sd1_inpainting", "sdxl_inpainting"];

/// Names of the ControlNets in `tests/fixtures/controlnets`, as `make_controlnets.py` makes them.
pub const TINY_CONTROLNETS: [&str; 6] =
    ["edges", "depth", "shuffle", "edges2", "edgesxl", "smallxl"];

/// The folder of the fixtures.
pub fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

/// Writes all of [`TINY_MODELS`] into `folder`, each into one of its own.
///
/// The parameters are first drawn from libtorch's generator, so no picture may be rendered
/// meanwhile.
///
/// # Errors
/// A file cannot be read or written.
pub fn write_tiny_models(folder: &Path) -> Result<()> {
    for name in TINY_MODELS {
        let to = folder.join(name);
        copy_folder(&fixtures().join("tiny").join(name), &to);
        write_weights(&to)?;
    }
    Ok(())
}

/// Writes tiny picture prompts and their image tower into `folder`, as `make_picture_prompts.py`
/// makes them, with everything that lies in `tests/fixtures/picture_prompts`.
///
/// The tower's parameters are first drawn from libtorch's generator, so no picture may be rendered
/// meanwhile.
///
/// # Errors
/// A file cannot be read or written.
pub fn write_picture_prompts(folder: &Path) -> Result<()> {
    copy_folder(&fixtures().join("picture_prompts"), folder);
    write_part(&folder.join("image_encoder"), |params, config| {
        ClipVisionModel::with_projection(params, config).map(drop)
    })?;
    let text = fs::read(folder.join("adapters.json")).expect("the fixtures are there");
    let listed: BTreeMap<String, BTreeMap<String, Vec<i64>>> =
        serde_json::from_slice(&text).expect("adapters.json lists shapes");
    for (name, shapes) in listed {
        if folder.join(format!("{name}.bin")).is_file() {
            continue;
        }
        let own = |(key, shape): (String, Vec<i64>)| {
            let values = parameter(&name, &key, &shape);
            (key, values)
        };
        let filled: Vec<(String, Tensor)> = shapes.into_iter().map(own).collect();
        save(&folder.join(format!("{name}.safetensors")), &filled, &[])?;
    }
    Ok(())
}

/// Writes all of [`TINY_CONTROLNETS`] into `folder`, each into one of its own; see
/// [`write_tiny_models`].
///
/// # Errors
/// A file cannot be read or written.
pub fn write_tiny_controlnets(folder: &Path) -> Result<()> {
    for name in TINY_CONTROLNETS {
        let to = folder.join(name);
        copy_folder(&fixtures().join("controlnets").join(name), &to);
        write_part(&to, |params, config| {
            ControlNet::new(params, config).map(drop)
        })?;
    }
    Ok(())
}

/// Copies `from` and all that is in it.
pub fn copy_folder(from: &Path, to: &Path) {
    let io = "the fixtures can be copied";
    fs::create_dir_all(to).expect(io);
    for entry in fs::read_dir(from).expect(io) {
        let entry = entry.expect(io);
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect(io);
        }
    }
}

fn write_weights(model: &Path) -> Result<()> {
    for (encoder, tokenizer) in [
        ("text_encoder", "tokenizer"),
        ("text_encoder_2", "tokenizer_2"),
    ] {
        let folder = model.join(encoder);
        if !folder.is_dir() {
            continue;
        }
        write_part(&folder, |params, config| {
            if encoder == "text_encoder_2" {
                ClipTextModel::with_projection(params, config).map(drop)
            } else {
                ClipTextModel::new(params, config).map(drop)
            }
        })?;
        let to = model.join(tokenizer);
        copy_folder(&fixtures().join("text_sd15/tokenizer"), &to);
        // OpenCLIP's prompts are filled up with another token.
        let config = fs::read_to_string(folder.join("config.json")).unwrap_or_default();
        if config.contains("\"gelu\"") {
            let settings = r#"{"model_max_length": 77, "pad_token": "!"}"#;
            fs::write(to.join("tokenizer_config.json"), settings).expect("the folder is writable");
        }
    }
    write_part(&model.join("unet"), |params, config| {
        UNet::new(params, config).map(drop)
    })?;
    write_part(&model.join("vae"), |params, config| {
        Vae::new(params, config).map(drop)
    })
}

fn write_part<C: DeserializeOwned>(
    folder: &Path,
    build: impl FnOnce(&Params, &C) -> Result<()>,
) -> Result<()> {
    let config: C = vernier_engine::checkpoint::network_config(folder)?;
    let store = ParamStore::fresh(Kind::Float, Device::Cpu);
    build(&store.root(), &config)?;
    let component = folder.file_name().unwrap_or_default().to_string_lossy();
    let filled: Vec<(String, Tensor)> = store
        .named()
        .into_iter()
        .map(|(name, like)| {
            let values = parameter(&component, &name, &like.size());
            (name, values)
        })
        .collect();
    let file = if component.starts_with("text") || component == "image_encoder" {
        "model.safetensors"
    } else {
        "diffusion_pytorch_model.safetensors"
    };
    save(&folder.join(file), &filled, &[])
}

/// A parameter by the formula of `fill` in make_tiny.py.
fn parameter(component: &str, name: &str, shape: &[i64]) -> Tensor {
    let count: i64 = shape.iter().product();
    let bare = name.strip_prefix("text_model.").unwrap_or(name);
    let own = noise(&format!("{component}/{bare}"), count as usize);
    let inward: i64 = shape.iter().skip(1).product();
    // GAIN of make_controlnets.py.
    let is_hint = name.starts_with("controlnet_cond_embedding") && shape.len() > 1;
    let gain = if is_hint { 1.75_f32 } else { 1.0 };
    let values: Vec<f32> = own
        .into_iter()
        .map(|x| {
            let value = if shape.len() > 1 && !name.contains("embedding.weight") {
                x * (3.0 / inward as f64).sqrt()
            } else if shape.len() == 1 && name.ends_with("weight") {
                1.0 + 0.1 * x
            } else {
                0.1 * x
            };
            value as f32 * gain
        })
        .collect();
    Tensor::from_slice(&values).view(shape)
}

/// A tensor of numbers in -1..1 that follow from `name`, as `noise` in make_tiny.py makes them.
pub fn noise_tensor(name: &str, shape: &[i64]) -> Tensor {
    let count: i64 = shape.iter().product();
    let values = noise(name, count as usize).into_iter().map(|x| x as f32);
    Tensor::from_slice(&values.collect::<Vec<_>>()).view(shape)
}

/// `count` numbers in -1..1 that follow from `name`.
fn noise(name: &str, count: usize) -> Vec<f64> {
    let seed = crc32(name.as_bytes());
    (0..count as u64)
        .map(|i| {
            let mut x = (i.wrapping_mul(2_654_435_761) as u32).wrapping_add(seed);
            x = (x ^ (x >> 16)).wrapping_mul(0x85EB_CA6B);
            x = (x ^ (x >> 13)).wrapping_mul(0xC2B2_AE35);
            x ^= x >> 16;
            f64::from(x) / 2_f64.powi(31) - 1.0
        })
        .collect()
}

/// The checksum of zip and gzip.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0_u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg())
        })
    })
}
