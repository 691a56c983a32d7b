//! An IP-Adapter with random weights and its image tower, small enough for tests.

use std::path::Path;

use serde_json::json;
use tch::{Device, Kind};

use super::file::PicturePromptKind;
use super::projection::Projection;
use super::sites::sites_in_file_order;
use crate::checkpoint::Checkpoint;
use crate::layers::Linear;
use crate::models::clip::{ClipVisionConfig, ClipVisionModel};
use crate::models::unet::{UNet, UNetConfig};
use crate::sampling::lock_generator;
use crate::weights::{ParamStore, save};
use crate::{EngineError, Result};

/// Width of the tower's embeddings.
const PROJECTED: i64 = 24;

/// Writes an IP-Adapter for the model in the folder `model` to `file`, and its image tower to
/// `image_encoder` beside it.
///
/// The random numbers come from libtorch's global generator, which pictures wait for meanwhile.
///
/// # Errors
/// The model cannot be read, or the files cannot be written.
pub fn write_picture_prompt(file: &Path, model: &Path, seed: i64) -> Result<()> {
    let _generator = lock_generator();
    tch::manual_seed(seed);
    let config: UNetConfig = Checkpoint::open(model)?.component_config("unet")?;
    let unet = UNet::new(&ParamStore::fresh(Kind::Float, Device::Cpu).root(), &config)?;
    let dim = config.cross_attention_dim.get(0).unwrap_or_default();
    let store = ParamStore::fresh(Kind::Float, Device::Cpu);
    let kind = PicturePromptKind::Base {
        tokens: 4,
        embed: PROJECTED,
        dim,
    };
    Projection::new(&store.root().at("image_proj"), &kind)?;
    for (number, layer) in sites_in_file_order(&unet) {
        let at = store.root().at("ip_adapter").at(number);
        for name in ["to_k_ip", "to_v_ip"] {
            Linear::new(&at.at(name), dim, layer.channels, false)?;
        }
    }
    let folder = file.parent().unwrap_or(Path::new("")).join("image_encoder");
    std::fs::create_dir_all(&folder).map_err(|e| EngineError::io(&folder, e))?;
    save(file, &store.named(), &[])?;

    let tower = json!({
        "architectures": ["CLIPVisionModelWithProjection"],
        "hidden_size": 32,
        "intermediate_size": 64,
        "projection_dim": PROJECTED,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "image_size": 32,
        "patch_size": 8,
        "hidden_act": "gelu",
    });
    let path = folder.join("config.json");
    std::fs::write(&path, format!("{tower:#}\n")).map_err(|e| EngineError::io(&path, e))?;
    let config: ClipVisionConfig =
        serde_json::from_value(tower).map_err(|e| EngineError::bad_file(&path, e.to_string()))?;
    let store = ParamStore::fresh(Kind::Float, Device::Cpu);
    ClipVisionModel::with_projection(&store.root(), &config)?;
    save(&folder.join("model.safetensors"), &store.named(), &[])
}
