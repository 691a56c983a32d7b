//! Small LoRAs and embeddings, as other programs write them.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};
use vernier::studio::StudioOptions;

/// Writes a safetensors file of fp32 tensors, whose values repeat, with `metadata`.
fn write(path: &Path, tensors: &[(&str, Vec<usize>)], metadata: Value) {
    let mut header = Map::new();
    header.insert("__metadata__".to_owned(), metadata);
    let mut data: Vec<u8> = Vec::new();
    for (name, shape) in tensors {
        let start = data.len();
        for i in 0..shape.iter().product::<usize>() {
            let value = if shape.is_empty() {
                2.0
            } else {
                (i % 7) as f32 / 10.0 - 0.3
            };
            data.extend(value.to_le_bytes());
        }
        let entry = json!({"dtype": "F32", "shape": shape, "data_offsets": [start, data.len()]});
        header.insert((*name).to_owned(), entry);
    }
    let mut header = Value::Object(header).to_string();
    let length = header.len().next_multiple_of(8);
    let missing = length - header.len();
    write!(header, "{:missing$}", "").unwrap();
    let mut file = (length as u64).to_le_bytes().to_vec();
    file.extend(header.into_bytes());
    file.extend(data);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, file).unwrap();
}

/// A number of the embedded model's configuration.
fn number(options: &StudioOptions, part: &str, key: &str) -> usize {
    let place = options.engine.embedded_model.join(part).join("config.json");
    let config: Value = serde_json::from_slice(&std::fs::read(place).unwrap()).unwrap();
    let value = config[key].get(0).unwrap_or(&config[key]);
    value.as_u64().unwrap() as usize
}

/// A LoRA for the embedded model, of the U-Net's first convolution and the text encoder.
pub(crate) fn lora(options: &StudioOptions, path: &Path) -> PathBuf {
    let channels = number(options, "unet", "block_out_channels");
    let latents = number(options, "unet", "in_channels");
    let width = number(options, "text_encoder", "hidden_size");
    let te = "lora_te_text_model_encoder_layers_0_self_attn_q_proj";
    let names = ["lora_down.weight", "lora_up.weight", "alpha"];
    let [te_down, te_up, te_alpha] = names.map(|part| format!("{te}.{part}"));
    let tensors = [
        ("lora_unet_conv_in.lora_down.weight", vec![2, latents, 3, 3]),
        ("lora_unet_conv_in.lora_up.weight", vec![channels, 2, 1, 1]),
        ("lora_unet_conv_in.alpha", vec![]),
        (te_down.as_str(), vec![2, width]),
        (te_up.as_str(), vec![width, 2]),
        (te_alpha.as_str(), vec![]),
    ];
    let words = json!({"modelspec.trigger_phrase": "inkstyle, night"});
    write(path, &tensors, words);
    path.to_owned()
}

/// A LoRA for Stable Diffusion 1.x.
pub(crate) fn lora_of_another_family(path: &Path) -> PathBuf {
    let layer = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k";
    let (down, up) = (
        format!("{layer}.lora_down.weight"),
        format!("{layer}.lora_up.weight"),
    );
    let tensors = [(down.as_str(), vec![4, 768]), (up.as_str(), vec![320, 4])];
    write(path, &tensors, json!({}));
    path.to_owned()
}

/// An embedding of two vectors for the embedded model.
pub(crate) fn embedding(options: &StudioOptions, path: &Path) -> PathBuf {
    let width = number(options, "text_encoder", "hidden_size");
    write(path, &[("emb_params", vec![2, width])], json!({}));
    path.to_owned()
}
