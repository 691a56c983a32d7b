//! LoRAs that are written here against Python diffusers and PEFT.

#![allow(clippy::unwrap_used, reason = "clippy only knows test functions")]

mod models_common;

use std::collections::BTreeMap;
use std::path::Path;

use models_common::{assert_close, case, fixture, store, tensor};
use tch::{Device, Kind, Tensor};
use vernier_engine::adapters::{
    Adapter, AdapterFile, Changes, Component, LoraFormat, LoraLayer, Modules, save_lora,
};
use vernier_engine::checkpoint::Checkpoint;
use vernier_engine::models::unet::{UNet, UNetConfig};
use vernier_engine::weights::SafetensorsFile;

fn bytes(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap()
}

/// Layers of each kind of the U-Net that make_models.py makes.
const LAYERS: [&str; 4] = [
    "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q",
    "down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_out.0",
    "down_blocks.0.resnets.0.conv1",
    "down_blocks.0.downsamplers.0.conv",
];

/// What Python diffusers makes of files that were written here (make_personal.py); with
/// `VERNIER_WRITE_FIXTURES` set, the files are written for it.
#[test]
fn python_makes_the_same_of_what_is_written_here() {
    let about = case("unet", "sd1");
    let config: UNetConfig = serde_json::from_value(about["config"].clone()).unwrap();
    let (_folder, params) = store(&about, Kind::Float);
    let unet = UNet::new(&params.root(), &config).unwrap();
    let text = Checkpoint::open(&fixture("text_sd15")).unwrap();
    let text = text.load_text(Kind::Float, Device::Cpu).unwrap();
    let modules = Modules::of(&unet, &[text.encoder()]);
    let chosen = modules
        .all()
        .iter()
        .filter(|module| match module.component {
            Component::UNet => LAYERS.contains(&module.path.as_str()),
            _ => module.shape.len() == 2 && module.path.contains("layers"),
        });
    let layers: Vec<LoraLayer> = chosen
        .zip([2, 3].into_iter().cycle())
        .map(|(module, rank)| {
            let (component, path, shape) = (&module.component, &module.path, &module.shape);
            // The text encoder's ranks are all one.
            let rank = if *component == Component::UNet {
                rank
            } else {
                2
            };
            let (mut down, mut up) = (shape.clone(), vec![1; shape.len()]);
            down[0] = rank;
            (up[0], up[1]) = (shape[0], rank);
            LoraLayer {
                component: *component,
                path: path.clone(),
                down: tensor(&format!("own.{path}.down"), &down, 0.3, 0.0),
                up: tensor(&format!("own.{path}.up"), &up, 0.3, 0.0),
                alpha: 1.5,
            }
        })
        .collect();
    let expected = fixture("personal/expected.safetensors");
    let temporary = tempfile::tempdir().unwrap();
    let notes = BTreeMap::from([("ss_network_dim".to_owned(), "2".to_owned())]);
    for (name, format) in [("kohya", LoraFormat::Kohya), ("peft", LoraFormat::Peft)] {
        let known = fixture("personal").join(format!("{name}.safetensors"));
        let own = temporary.path().join(format!("{name}.safetensors"));
        save_lora(&own, &layers, format, Kind::Half, &notes).unwrap();
        if std::env::var_os("VERNIER_WRITE_FIXTURES").is_some() {
            std::fs::create_dir_all(fixture("personal")).unwrap();
            std::fs::copy(&own, &known).unwrap();
            continue;
        }
        assert_eq!(bytes(&own), bytes(&known), "{name} is not what Python read");
        let adapter = Adapter::read(&AdapterFile::open(&own).unwrap(), &modules).unwrap();
        let expected = SafetensorsFile::open(&expected).unwrap();
        let expected = |what: &str| {
            let tensor = expected.tensor(what, Kind::Float, Device::Cpu).unwrap();
            tensor.unwrap()
        };
        let adapters = [(&adapter, 1.0)];
        Changes::of_unet(&unet, &adapters)
            .unwrap()
            .put_on_unet(&unet);
        Changes::of_text(text.encoder(), Component::TextEncoder, &adapters)
            .unwrap()
            .put_on_text(text.encoder());
        let _guard = tch::no_grad_guard();
        let size: [i64; 2] = serde_json::from_value(about["size"].clone()).unwrap();
        let latents = tensor("latents", &[2, 4, size[0], size[1]], 1.0, 0.0);
        let timesteps = Tensor::from_slice(&[981.0_f32, 20.5]);
        let context = unet.text_context(&tensor("text", &[2, 7, 32], 1.0, 0.0));
        let output = unet.forward(&latents, &timesteps, &context.unwrap(), None, None);
        assert_close(
            name,
            &output.unwrap(),
            &expected(&format!("{name}.unet")),
            1e-4,
        );
        let states = text.encode("a photo of a cat on the beach", 1).unwrap();
        let states = states.context().unwrap().unsqueeze(0);
        assert_close(name, &states, &expected(&format!("{name}.text")), 1e-4);
    }
}
