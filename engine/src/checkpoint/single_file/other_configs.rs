//! Configurations of the other parts, from the shapes of their weights and the family.

use serde_json::{Map, Value, json};

use super::family::{Family, VAE};
use super::prediction::Prediction;
use super::stored::Stored;
use super::text::TextPart;
use super::unet_config::{groups, object};

/// Channels of one head of CLIP's transformers.
const HEAD_CHANNELS: i64 = 64;

/// config.json of the autoencoder in `stored`.
pub(super) fn vae_config(stored: &Stored, family: Family, image_px: i64) -> Map<String, Value> {
    let name = |rest: &str| format!("{VAE}{rest}");
    let levels = stored.count(&name("encoder.down."));
    let channels: Vec<i64> = (0..levels)
        .map_while(|i| stored.rows(&name(&format!("encoder.down.{i}.block.0.conv1.weight"))))
        .collect();
    let latent = stored.columns(&name("decoder.conv_in.weight"));
    let xl = family == Family::SdXl;
    let mut config = object(json!({
        "_class_name": "AutoencoderKL",
        "act_fn": "silu",
        "block_out_channels": channels,
        "down_block_types": vec!["DownEncoderBlock2D"; channels.len()],
        "force_upcast": xl,
        "in_channels": 3,
        "latent_channels": latent.unwrap_or(4),
        "layers_per_block": stored.count(&name("encoder.down.0.block.")),
        "norm_num_groups": groups(&channels),
        "out_channels": 3,
        "sample_size": image_px,
        "scaling_factor": if xl { 0.13025 } else { 0.18215 },
        "up_block_types": vec!["UpDecoderBlock2D"; channels.len()],
    }));
    for (part, field) in [
        ("quant_conv.weight", "use_quant_conv"),
        ("post_quant_conv.weight", "use_post_quant_conv"),
        ("encoder.mid.attn_1.q.weight", "mid_block_add_attention"),
    ] {
        if !stored.has(&name(part)) {
            config.insert(field.to_owned(), false.into());
        }
    }
    config
}

/// config.json of a text encoder.
pub(super) fn text_config(stored: &Stored, part: &TextPart) -> Map<String, Value> {
    let shape = |ours: &str| {
        let (theirs, take) = part.table.theirs(ours)?;
        Some(take.shape(stored.shape(&theirs)?))
    };
    let size = |ours: &str, i: usize| shape(ours).and_then(|s| s.get(i).copied()).unwrap_or(0);
    let hidden = size("text_model.embeddings.token_embedding.weight", 1);
    let projection = shape("text_projection.weight").and_then(|s| s.first().copied());
    let class = if part.projects {
        "CLIPTextModelWithProjection"
    } else {
        "CLIPTextModel"
    };
    let vocabulary = size("text_model.embeddings.token_embedding.weight", 0);
    object(json!({
        "architectures": [class],
        "bos_token_id": vocabulary - 2,
        "eos_token_id": vocabulary - 1,
        "hidden_act": if part.is_open_clip { "gelu" } else { "quick_gelu" },
        "hidden_size": hidden,
        "intermediate_size": size("text_model.encoder.layers.0.mlp.fc1.weight", 0),
        "layer_norm_eps": 1e-5,
        "max_position_embeddings": size("text_model.embeddings.position_embedding.weight", 0),
        "model_type": "clip_text_model",
        "num_attention_heads": (hidden / HEAD_CHANNELS).max(1),
        "num_hidden_layers": part.layers,
        "pad_token_id": if part.is_open_clip { 0 } else { vocabulary - 1 },
        "projection_dim": projection.unwrap_or(hidden),
        "vocab_size": vocabulary,
    }))
}

/// scheduler_config.json of a family, as its published folders have it.
pub(super) fn scheduler_config(family: Family, prediction: &Prediction) -> Map<String, Value> {
    let class = match family {
        Family::Sd1 => "PNDMScheduler",
        Family::Sd2 => "DDIMScheduler",
        Family::SdXl => "EulerDiscreteScheduler",
    };
    let mut config = object(json!({
        "_class_name": class,
        "beta_end": 0.012,
        "beta_schedule": "scaled_linear",
        "beta_start": 0.00085,
        "clip_sample": false,
        "num_train_timesteps": 1000,
        "prediction_type": prediction.name,
        "set_alpha_to_one": false,
        "skip_prk_steps": true,
        "steps_offset": 1,
        "timestep_spacing": "leading",
    }));
    if prediction.zero_terminal_snr {
        // Leading steps would never see the pure noise that it was trained to begin with.
        config.insert("rescale_betas_zero_snr".to_owned(), true.into());
        config.insert("timestep_spacing".to_owned(), "trailing".into());
    }
    config
}

/// model_index.json of a family.
pub(super) fn index(family: Family, inpainting: bool) -> Map<String, Value> {
    let mut index = object(json!({
        "_class_name": match (family, inpainting) {
            (Family::SdXl, false) => "StableDiffusionXLPipeline",
            (Family::SdXl, true) => "StableDiffusionXLInpaintPipeline",
            (_, false) => "StableDiffusionPipeline",
            (_, true) => "StableDiffusionInpaintPipeline",
        },
        "scheduler": ["diffusers", match family {
            Family::Sd1 => "PNDMScheduler",
            Family::Sd2 => "DDIMScheduler",
            Family::SdXl => "EulerDiscreteScheduler",
        }],
        "text_encoder": ["transformers", "CLIPTextModel"],
        "tokenizer": ["transformers", "CLIPTokenizer"],
        "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"],
    }));
    if family == Family::SdXl {
        let second = json!(["transformers", "CLIPTextModelWithProjection"]);
        index.insert("text_encoder_2".to_owned(), second);
        index.insert(
            "tokenizer_2".to_owned(),
            json!(["transformers", "CLIPTokenizer"]),
        );
        index.insert("force_zeros_for_empty_prompt".to_owned(), true.into());
    } else {
        for absent in ["feature_extractor", "safety_checker"] {
            index.insert(absent.to_owned(), json!([null, null]));
        }
    }
    index
}
