//! A model folder with random weights, small enough for tests: every part that a real one has, in
//! the same places.

use std::fs;
use std::path::Path;

use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tch::{Device, Kind};

use super::folder::read_config;
use crate::models::clip::{ClipTextConfig, ClipTextModel};
use crate::models::controlnet::{ControlNet, ControlNetConfig};
use crate::models::unet::{UNet, UNetConfig};
use crate::models::vae::{Vae, VaeConfig};
use crate::prompt::vocabulary_of;
use crate::sampling::lock_generator;
use crate::weights::{ParamStore, Params, save};
use crate::{EngineError, Result};

/// Writes the model into `folder`, which is made where it is not there.
///
/// It renders 64×64 pictures of noise; two `seed`s give two models of one geometry. The random
/// numbers come from libtorch's global generator, which pictures wait for meanwhile.
///
/// # Errors
/// The folder cannot be written.
pub fn write_model(folder: &Path, seed: i64) -> Result<()> {
    let _generator = lock_generator();
    tch::manual_seed(seed);
    write_json(
        &folder.join("model_index.json"),
        &json!({
            "_class_name": "StableDiffusionPipeline",
            "feature_extractor": [null, null],
            "safety_checker": [null, null],
            "scheduler": ["diffusers", "DDIMScheduler"],
            "text_encoder": ["transformers", "CLIPTextModel"],
            "tokenizer": ["transformers", "CLIPTokenizer"],
            "unet": ["diffusers", "UNet2DConditionModel"],
            "vae": ["diffusers", "AutoencoderKL"],
        }),
    )?;
    write_json(
        &folder.join("scheduler/scheduler_config.json"),
        &json!({
            "_class_name": "DDIMScheduler",
            "beta_start": 0.00085,
            "beta_end": 0.012,
            "beta_schedule": "scaled_linear",
            "num_train_timesteps": 1000,
            "clip_sample": false,
            "set_alpha_to_one": false,
            "steps_offset": 1,
            "timestep_spacing": "leading",
            "prediction_type": "epsilon",
        }),
    )?;
    let vocabulary = write_tokenizer(&folder.join("tokenizer"))?;
    write_part(
        &folder.join("text_encoder"),
        "model.safetensors",
        &json!({
            "architectures": ["CLIPTextModel"],
            "vocab_size": vocabulary,
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "max_position_embeddings": 77,
            "bos_token_id": vocabulary - 2,
            "eos_token_id": vocabulary - 1,
            "pad_token_id": vocabulary - 1,
        }),
        |params, config: &ClipTextConfig| ClipTextModel::new(params, config).map(drop),
    )?;
    write_part(
        &folder.join("unet"),
        "diffusion_pytorch_model.safetensors",
        &json!({
            "_class_name": "UNet2DConditionModel",
            "sample_size": 8,
            "in_channels": 4,
            "out_channels": 4,
            "block_out_channels": [16, 32],
            "down_block_types": ["CrossAttnDownBlock2D", "DownBlock2D"],
            "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D"],
            "layers_per_block": 1,
            "cross_attention_dim": 32,
            "attention_head_dim": 4,
            "norm_num_groups": 8,
        }),
        |params, config: &UNetConfig| UNet::new(params, config).map(drop),
    )?;
    write_part(
        &folder.join("vae"),
        "diffusion_pytorch_model.safetensors",
        &json!({
            "_class_name": "AutoencoderKL",
            "sample_size": 64,
            "block_out_channels": [8, 8, 8, 8],
            "down_block_types": vec!["DownEncoderBlock2D"; 4],
            "up_block_types": vec!["UpDecoderBlock2D"; 4],
            "layers_per_block": 1,
            "latent_channels": 4,
            "norm_num_groups": 4,
        }),
        |params, config: &VaeConfig| Vae::new(params, config).map(drop),
    )
}

/// Writes a ControlNet with random weights for the model in the folder `model` into `folder`; see
/// [`write_model`].
///
/// # Errors
/// `model` is none, or `folder` cannot be written.
pub fn write_controlnet(model: &Path, folder: &Path, seed: i64) -> Result<()> {
    let _generator = lock_generator();
    tch::manual_seed(seed);
    let vae: VaeConfig = read_config(&model.join("vae/config.json"))?;
    let mut config: serde_json::Map<String, Value> = read_config(&model.join("unet/config.json"))?;
    for field in ["out_channels", "up_block_types"] {
        config.remove(field);
    }
    let halvings = vae.downscale().ilog2() as usize;
    config.insert("_class_name".to_owned(), "ControlNetModel".into());
    config.insert("in_channels".to_owned(), vae.latent_channels.into());
    let widths = vec![4; halvings + 1];
    config.insert(
        "conditioning_embedding_out_channels".to_owned(),
        widths.into(),
    );
    write_part(
        folder,
        "diffusion_pytorch_model.safetensors",
        &config.into(),
        |params, config: &ControlNetConfig| ControlNet::new(params, config).map(drop),
    )
}

/// One network's folder: its configuration, and fresh weights for whatever `build` asks for.
fn write_part<C: DeserializeOwned>(
    folder: &Path,
    weights: &str,
    config: &Value,
    build: impl FnOnce(&Params, &C) -> Result<()>,
) -> Result<()> {
    let path = folder.join("config.json");
    write_json(&path, config)?;
    let parsed = C::deserialize(config).map_err(|e| EngineError::bad_file(&path, e.to_string()))?;
    let store = ParamStore::fresh(Kind::Float, Device::Cpu);
    build(&store.root(), &parsed)?;
    save(&folder.join(weights), &store.named(), &[])
}

/// A byte-level vocabulary with two merges; gives its length. The last two tokens are BOS and EOS.
fn write_tokenizer(folder: &Path) -> Result<usize> {
    let merges = "c a\nca t</w>\n";
    let vocabulary: serde_json::Map<String, Value> = vocabulary_of(merges)
        .into_iter()
        .enumerate()
        .map(|(id, token)| (token, id.into()))
        .collect();
    let length = vocabulary.len();
    write_json(&folder.join("vocab.json"), &vocabulary.into())?;
    write_json(
        &folder.join("tokenizer_config.json"),
        &json!({
            "tokenizer_class": "CLIPTokenizer",
            "model_max_length": 77,
            "bos_token": "<|startoftext|>",
            "eos_token": "<|endoftext|>",
            "unk_token": "<|endoftext|>",
            "pad_token": "<|endoftext|>",
        }),
    )?;
    let path = folder.join("merges.txt");
    fs::write(&path, format!("#version: 0.2\n{merges}")).map_err(|e| EngineError::io(&path, e))?;
    Ok(length)
}

fn write_json(path: &Path, value: &Value) -> Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(|e| EngineError::io(folder, e))?;
    }
    fs::write(path, format!("{value:#}\n")).map_err(|e| EngineError::io(path, e))
}
