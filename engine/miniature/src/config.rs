//! The miniature's geometry, as the configuration files that it ships with and as the engine reads
//! them.

use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use vernier_engine::models::clip::ClipConfig;
use vernier_engine::models::unet::UNetConfig;
use vernier_engine::models::vae::VaeConfig;
use vernier_engine::sampling::SchedulerConfig;
use vernier_engine::{EngineError, Result};

/// Width and height of the miniature's pictures, in pixels.
pub const PICTURE_PX: i64 = 128;
/// Pixels to a latent cell.
pub const VAE_SCALE: i64 = 8;
/// Channels of the latents.
pub const LATENT_CHANNELS: i64 = 8;
/// Width and height of the latents, in cells.
pub const LATENT_SIZE: i64 = PICTURE_PX / VAE_SCALE;
/// Tokens of a prompt, as in every CLIP.
pub const MAX_TOKENS: usize = 77;
/// Width of the text tower.
pub const TEXT_WIDTH: i64 = 192;

/// `text_encoder/config.json`, for a vocabulary whose last two entries are BOS and EOS.
pub fn text_encoder(vocab_size: usize) -> Value {
    json!({
        "architectures": ["CLIPTextModel"],
        "model_type": "clip_text_model",
        "hidden_size": TEXT_WIDTH,
        "intermediate_size": 4 * TEXT_WIDTH,
        "num_hidden_layers": 4,
        "num_attention_heads": 4,
        "max_position_embeddings": MAX_TOKENS,
        "vocab_size": vocab_size,
        "hidden_act": "quick_gelu",
        "layer_norm_eps": 1e-5,
        "attention_dropout": 0.0,
        "projection_dim": TEXT_WIDTH,
        "bos_token_id": vocab_size - 2,
        "eos_token_id": vocab_size - 1,
        "pad_token_id": vocab_size - 1,
        "torch_dtype": "float16",
    })
}

/// The vision half of `clip/config.json`.
pub fn vision_encoder() -> Value {
    json!({
        "model_type": "clip_vision_model",
        "hidden_size": 96,
        "intermediate_size": 384,
        "num_hidden_layers": 3,
        "num_attention_heads": 3,
        "num_channels": 3,
        "image_size": PICTURE_PX,
        "patch_size": 16,
        "hidden_act": "quick_gelu",
        "layer_norm_eps": 1e-5,
        "attention_dropout": 0.0,
        "projection_dim": TEXT_WIDTH,
    })
}

/// `clip/config.json`: both towers, as transformers' `CLIPModel` reads it.
pub fn clip(vocab_size: usize) -> Value {
    json!({
        "architectures": ["CLIPModel"],
        "model_type": "clip",
        "projection_dim": TEXT_WIDTH,
        "logit_scale_init_value": 2.6592,
        "text_config": text_encoder(vocab_size),
        "vision_config": vision_encoder(),
        "torch_dtype": "float16",
    })
}

/// `clip/preprocessor_config.json`: the image tower saw levels of -1..1.
pub fn clip_preprocessor() -> Value {
    json!({
        "image_processor_type": "CLIPImageProcessor",
        "do_convert_rgb": true,
        "do_resize": true,
        "size": {"shortest_edge": PICTURE_PX},
        "resample": 3,
        "do_center_crop": true,
        "crop_size": {"height": PICTURE_PX, "width": PICTURE_PX},
        "do_rescale": true,
        "rescale_factor": 1.0 / 255.0,
        "do_normalize": true,
        "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.5, 0.5, 0.5],
    })
}

/// `vae/config.json`. The latents are standardised by the 1×1 convolutions around them, so the
/// scaling factor is 1.
pub fn vae() -> Value {
    json!({
        "_class_name": "AutoencoderKL",
        "_diffusers_version": "0.42.1",
        "act_fn": "silu",
        "block_out_channels": [16, 32, 64, 96],
        "down_block_types": ["DownEncoderBlock2D", "DownEncoderBlock2D", "DownEncoderBlock2D", "DownEncoderBlock2D"],
        "up_block_types": ["UpDecoderBlock2D", "UpDecoderBlock2D", "UpDecoderBlock2D", "UpDecoderBlock2D"],
        "in_channels": 3,
        "out_channels": 3,
        "latent_channels": LATENT_CHANNELS,
        "layers_per_block": 1,
        "norm_num_groups": 8,
        "sample_size": PICTURE_PX,
        "scaling_factor": 1.0,
        "force_upcast": false,
        "mid_block_add_attention": true,
    })
}

/// `unet/config.json`.
pub fn unet() -> Value {
    json!({
        "_class_name": "UNet2DConditionModel",
        "_diffusers_version": "0.42.1",
        "sample_size": LATENT_SIZE,
        "in_channels": LATENT_CHANNELS,
        "out_channels": LATENT_CHANNELS,
        "center_input_sample": false,
        "flip_sin_to_cos": true,
        "freq_shift": 0,
        "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
        "mid_block_type": "UNetMidBlock2DCrossAttn",
        "up_block_types": ["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"],
        "only_cross_attention": false,
        "block_out_channels": [64, 128, 192],
        "layers_per_block": 1,
        "downsample_padding": 1,
        "mid_block_scale_factor": 1,
        "act_fn": "silu",
        "norm_num_groups": 16,
        "norm_eps": 1e-5,
        "cross_attention_dim": TEXT_WIDTH,
        "attention_head_dim": [2, 4, 6],
        "use_linear_projection": true,
    })
}

/// `scheduler/scheduler_config.json`: velocity prediction with zero terminal SNR
/// (arXiv 2305.08891).
pub fn scheduler() -> Value {
    json!({
        "_class_name": "DDIMScheduler",
        "_diffusers_version": "0.42.1",
        "num_train_timesteps": 1000,
        "beta_start": 0.00085,
        "beta_end": 0.012,
        "beta_schedule": "scaled_linear",
        "trained_betas": null,
        "clip_sample": false,
        "set_alpha_to_one": true,
        "steps_offset": 1,
        "prediction_type": "v_prediction",
        "timestep_spacing": "trailing",
        "rescale_betas_zero_snr": true,
    })
}

/// `model_index.json`.
pub fn model_index() -> Value {
    json!({
        "_class_name": "StableDiffusionPipeline",
        "_diffusers_version": "0.42.1",
        "feature_extractor": [null, null],
        "image_encoder": [null, null],
        "requires_safety_checker": false,
        "safety_checker": [null, null],
        "scheduler": ["diffusers", "DDIMScheduler"],
        "text_encoder": ["transformers", "CLIPTextModel"],
        "tokenizer": ["transformers", "CLIPTokenizer"],
        "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"],
    })
}

/// Both towers for the engine.
///
/// # Errors
/// [`clip`] is not what the engine reads, a defect of this program; so with the next three.
pub fn clip_config(vocab_size: usize) -> Result<ClipConfig> {
    read("clip/config.json", clip(vocab_size))
}

/// The autoencoder for the engine.
///
/// # Errors
/// [`vae`] is not what the engine reads.
pub fn vae_config() -> Result<VaeConfig> {
    read("vae/config.json", vae())
}

/// The U-Net for the engine.
///
/// # Errors
/// [`unet`] is not what the engine reads.
pub fn unet_config() -> Result<UNetConfig> {
    read("unet/config.json", unet())
}

/// The scheduler for the engine.
///
/// # Errors
/// [`scheduler`] is not what the engine reads.
pub fn scheduler_config() -> Result<SchedulerConfig> {
    let name = "scheduler/scheduler_config.json";
    let fields = read(name, scheduler())?;
    SchedulerConfig::from_map(&fields, name)
}

fn read<T: DeserializeOwned>(name: &str, value: Value) -> Result<T> {
    serde_json::from_value(value).map_err(|e| EngineError::bad_file(name, e.to_string()))
}

/// `vernier.json`: the settings that suit the miniature.
pub fn recommended() -> Value {
    json!({ "steps": 20, "guidance_scale": 3.0, "sampler": "ddim", "most_px": PICTURE_PX })
}
