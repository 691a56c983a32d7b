//! What a LoRA's file says of itself, by the keys that other programs look for.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::PersonalRequest;
use crate::adapters::Family;
use crate::control_training::Schedule;
use crate::train::FrozenModel;
use crate::train::folder::ImageFolder;
use crate::train::personal::LoraLayers;

/// The metadata of the LoRA that `request` makes of `pictures`, after `step` steps.
pub(super) fn metadata(
    request: &PersonalRequest,
    schedule: &Schedule,
    model: &FrozenModel,
    pictures: &ImageFolder,
    step: u64,
) -> BTreeMap<String, String> {
    let width = model.text.encoder().config().hidden_size;
    let (version, architecture) = match Family::of_width(width) {
        Family::StableDiffusion1 => ("sd_v1", "stable-diffusion-v1/lora"),
        Family::StableDiffusion2 => ("sd_v2", "stable-diffusion-v2-768-v/lora"),
        _ => ("other", "other/lora"),
    };
    let (width_px, height_px) = model.picture_px();
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    for row in &pictures.rows {
        *counts.entry(row.caption.as_str()).or_default() += 1;
    }
    let lora = request.learnt.lora.as_ref();
    let convolutional = lora.filter(|lora| lora.layers == LoraLayers::All);
    let network_args = convolutional.map_or_else(
        || json!({}),
        |lora| json!({"conv_dim": lora.rank.to_string(), "conv_alpha": lora.alpha.to_string()}),
    );
    let folder = request.data.file_name().unwrap_or_default();
    let folder = folder.to_string_lossy().into_owned();
    let mut all = BTreeMap::new();
    let mut tell = |key: &str, value: String| {
        all.insert(key.to_owned(), value);
    };
    tell("ss_network_module", "networks.lora".to_owned());
    if let Some(lora) = lora {
        tell("ss_network_dim", lora.rank.to_string());
        tell("ss_network_alpha", lora.alpha.to_string());
    }
    tell("ss_network_args", network_args.to_string());
    tell("ss_base_model_version", version.to_owned());
    tell(
        "ss_v2",
        if version == "sd_v2" { "True" } else { "False" }.to_owned(),
    );
    tell("ss_output_name", request.name.clone());
    tell("ss_sd_model_name", request.model.name.clone());
    tell(
        "ss_sd_model_hash",
        model.hash.get(..10).unwrap_or("").to_owned(),
    );
    tell("ss_new_sd_model_hash", model.hash.clone());
    tell("ss_num_train_images", pictures.rows.len().to_string());
    tell(
        "ss_num_reg_images",
        request.class.as_ref().map_or(0, |c| c.count).to_string(),
    );
    tell("ss_steps", step.to_string());
    tell("ss_max_train_steps", schedule.steps.to_string());
    tell("ss_learning_rate", schedule.learning_rate.to_string());
    tell("ss_unet_lr", schedule.learning_rate.to_string());
    if lora.is_some_and(|lora| lora.text_encoder) {
        tell("ss_text_encoder_lr", schedule.learning_rate.to_string());
    }
    tell("ss_optimizer", "AdamW".to_owned());
    tell(
        "ss_total_batch_size",
        (request.batch * request.accumulate).to_string(),
    );
    tell("ss_batch_size_per_device", request.batch.to_string());
    tell(
        "ss_gradient_accumulation_steps",
        request.accumulate.to_string(),
    );
    tell("ss_min_snr_gamma", "5".to_owned());
    tell("ss_seed", request.seed.to_string());
    tell("ss_resolution", format!("({width_px}, {height_px})"));
    tell("ss_mixed_precision", precision(request).to_owned());
    tell(
        "ss_caption_dropout_rate",
        request.caption_dropout.to_string(),
    );
    if let Some(class) = &request.class {
        tell("ss_prior_loss_weight", class.weight.to_string());
    }
    tell("ss_tag_frequency", json!({ folder: counts }).to_string());
    tell("modelspec.sai_model_spec", "1.0.0".to_owned());
    tell("modelspec.architecture", architecture.to_owned());
    tell("modelspec.implementation", "diffusers".to_owned());
    tell("modelspec.title", request.name.clone());
    tell("modelspec.resolution", format!("{width_px}x{height_px}"));
    let prediction = Value::from(format!("{:?}", model.scheduler.prediction_type));
    tell("modelspec.prediction_type", prediction_name(&prediction));
    if let Some(words) = trained_words(request) {
        tell("modelspec.trigger_phrase", words);
    }
    tell("vernier.command", request.command.clone());
    all
}

fn precision(request: &PersonalRequest) -> &'static str {
    match request.dtype.name() {
        "bf16" => "bf16",
        "f16" => "fp16",
        _ => "no",
    }
}

fn prediction_name(debugged: &Value) -> String {
    match debugged.as_str() {
        Some("VPrediction") => "v",
        Some("Sample") => "sample",
        _ => "epsilon",
    }
    .to_owned()
}

/// The words of the instance prompt that the class's lacks, or all of it.
fn trained_words(request: &PersonalRequest) -> Option<String> {
    let instance = request.instance.as_ref()?;
    let Some(class) = &request.class else {
        return Some(instance.clone());
    };
    let known: Vec<&str> = class.prompt.split_whitespace().collect();
    let own = instance
        .split_whitespace()
        .filter(|word| !known.contains(word));
    let own: Vec<&str> = own.collect();
    Some(if own.is_empty() {
        instance.clone()
    } else {
        own.join(" ")
    })
}
