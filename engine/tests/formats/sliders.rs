//! Slider and other LoRA files: both dialects, round trips, and files for other models.

use std::path::Path;

use proptest::prelude::*;
use serde_json::{Value, json};
use tch::{Device, Kind, Tensor};
use vernier_engine::checkpoint::tiny::write_model;
use vernier_engine::checkpoint::{network_config, network_params};
use vernier_engine::controls::slider_file::{Slider, SliderLayer};
use vernier_engine::controls::tensor_kind::TensorKind;
use vernier_engine::models::unet::{LayerNames, UNet, flat_name};
use vernier_engine::weights::{ParamStore, SafetensorsFile, TensorFile, save};

use crate::torch_file::save_state_dict;

type Named = Vec<(String, Tensor)>;

fn unet(config: &Value) -> UNet {
    let config = serde_json::from_value(config.clone()).unwrap();
    let store = ParamStore::fresh(Kind::Float, Device::Cpu);
    UNet::new(&store.root(), &config).unwrap()
}

/// The U-Net of the tiny test model.
fn tiny() -> UNet {
    let folder = tempfile::tempdir().unwrap();
    write_model(folder.path(), 1).unwrap();
    let folder = folder.path().join("unet");
    let store = network_params(&folder, Kind::Float, Device::Cpu).unwrap();
    UNet::new(&store.root(), &network_config(&folder).unwrap()).unwrap()
}

/// Levels and layers of Stable Diffusion 1.5, with few channels.
fn like_sd15() -> UNet {
    unet(&json!({
        "block_out_channels": [8, 8, 8, 8],
        "cross_attention_dim": 8,
        "attention_head_dim": 2,
        "norm_num_groups": 4,
    }))
}

/// Levels and layers of SDXL, with few channels.
fn like_sdxl() -> UNet {
    unet(&json!({
        "block_out_channels": [8, 8, 8],
        "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
        "up_block_types": ["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"],
        "transformer_layers_per_block": [1, 2, 10],
        "cross_attention_dim": 8,
        "attention_head_dim": [2, 2, 2],
        "norm_num_groups": 4,
        "use_linear_projection": true,
        "addition_embed_type": "text_time",
        "addition_time_embed_dim": 4,
        "projection_class_embeddings_input_dim": 32,
    }))
}

/// The tables of published converters, a row of each kind.
#[test]
fn the_original_names_are_those_of_the_published_models() {
    let in_both = [
        ("input_blocks.0.0", "conv_in"),
        ("out.2", "conv_out"),
        ("time_embed.0", "time_embedding.linear_1"),
        ("time_embed.2", "time_embedding.linear_2"),
        (
            "input_blocks.1.0.in_layers.2",
            "down_blocks.0.resnets.0.conv1",
        ),
        (
            "input_blocks.2.0.out_layers.3",
            "down_blocks.0.resnets.1.conv2",
        ),
        ("input_blocks.3.0.op", "down_blocks.0.downsamplers.0.conv"),
        (
            "input_blocks.4.0.emb_layers.1",
            "down_blocks.1.resnets.0.time_emb_proj",
        ),
        (
            "input_blocks.4.1.transformer_blocks.0.attn1.to_q",
            "down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q",
        ),
        (
            "input_blocks.8.1.transformer_blocks.0.attn2.to_out.0",
            "down_blocks.2.attentions.1.transformer_blocks.0.attn2.to_out.0",
        ),
        ("middle_block.0.in_layers.2", "mid_block.resnets.0.conv1"),
        (
            "middle_block.1.transformer_blocks.0.ff.net.0.proj",
            "mid_block.attentions.0.transformer_blocks.0.ff.net.0.proj",
        ),
        ("middle_block.2.out_layers.3", "mid_block.resnets.1.conv2"),
        (
            "output_blocks.0.0.skip_connection",
            "up_blocks.0.resnets.0.conv_shortcut",
        ),
        (
            "output_blocks.5.1.proj_out",
            "up_blocks.1.attentions.2.proj_out",
        ),
        ("output_blocks.5.2.conv", "up_blocks.1.upsamplers.0.conv"),
    ];
    let sd15 = [
        // No attention at the lowest resolution, so the upsampler follows at once.
        ("output_blocks.2.1.conv", "up_blocks.0.upsamplers.0.conv"),
        (
            "output_blocks.11.1.proj_in",
            "up_blocks.3.attentions.2.proj_in",
        ),
        ("input_blocks.9.0.op", "down_blocks.2.downsamplers.0.conv"),
    ];
    let sdxl = [
        ("output_blocks.2.2.conv", "up_blocks.0.upsamplers.0.conv"),
        (
            "output_blocks.0.1.transformer_blocks.9.attn1.to_v",
            "up_blocks.0.attentions.0.transformer_blocks.9.attn1.to_v",
        ),
        (
            "output_blocks.8.0.in_layers.2",
            "up_blocks.2.resnets.2.conv1",
        ),
        ("label_emb.0.0", "add_embedding.linear_1"),
        ("label_emb.0.2", "add_embedding.linear_2"),
    ];
    for (unet, own, foreign) in [
        (like_sd15(), &sd15[..], "output_blocks.2.2.conv"),
        (like_sdxl(), &sdxl[..], "output_blocks.9.0.in_layers.2"),
    ] {
        let names = LayerNames::of(&unet);
        for (original, path) in in_both.iter().chain(own) {
            for name in [flat_name(original), flat_name(path)] {
                let found = names.find(&name).map(|i| names.layers()[i].path.as_str());
                assert_eq!(found, Some(*path), "{name}");
            }
        }
        assert_eq!(names.find(&flat_name(foreign)), None);
    }
}

/// Every layer has its two names, and no two layers share one.
#[test]
fn no_layer_is_without_an_original_name() {
    for unet in [tiny(), like_sd15(), like_sdxl()] {
        let names = LayerNames::of(&unet);
        let mut seen = vec![0; names.layers().len()];
        for block in 0..12 {
            for place in 0..3 {
                for inner in inner_names() {
                    for side in ["input_blocks", "output_blocks"] {
                        let name = flat_name(&format!("{side}.{block}.{place}{inner}"));
                        seen[..].iter_mut().enumerate().for_each(|(i, n)| {
                            *n += usize::from(names.find(&name) == Some(i));
                        });
                    }
                }
            }
        }
        for (i, layer) in names.layers().iter().enumerate() {
            let inside = ["down_blocks", "up_blocks", "conv_in"];
            let expected = usize::from(inside.iter().any(|s| layer.path.starts_with(s)));
            assert_eq!(seen[i], expected, "{}", layer.path);
        }
    }
}

fn inner_names() -> Vec<String> {
    let mut names: Vec<String> = ["", ".op", ".conv", ".in_layers.2", ".out_layers.3"]
        .into_iter()
        .chain([".emb_layers.1", ".skip_connection", ".proj_in", ".proj_out"])
        .map(str::to_owned)
        .collect();
    for block in 0..10 {
        for attention in ["attn1", "attn2"] {
            for part in ["to_q", "to_k", "to_v", "to_out.0"] {
                names.push(format!(".transformer_blocks.{block}.{attention}.{part}"));
            }
        }
        for part in ["ff.net.0.proj", "ff.net.2"] {
            names.push(format!(".transformer_blocks.{block}.{part}"));
        }
    }
    names
}

/// The tiny model's layers by the original code's names, written by hand.
const TINY_PLACES: [(&str, &str); 9] = [
    ("down_blocks.0.attentions.0", "input_blocks.1.1"),
    ("down_blocks.0.downsamplers.0.conv", "input_blocks.2.0.op"),
    (
        "down_blocks.1.resnets.0.conv1",
        "input_blocks.3.0.in_layers.2",
    ),
    (
        "down_blocks.1.resnets.0.conv_shortcut",
        "input_blocks.3.0.skip_connection",
    ),
    ("mid_block.attentions.0", "middle_block.1"),
    ("mid_block.resnets.1.conv2", "middle_block.2.out_layers.3"),
    (
        "up_blocks.0.resnets.1.time_emb_proj",
        "output_blocks.1.0.emb_layers.1",
    ),
    ("up_blocks.0.upsamplers.0.conv", "output_blocks.1.1.conv"),
    ("up_blocks.1.attentions.1", "output_blocks.3.1"),
];

/// Deterministic values that bf16 holds exactly.
fn filled(shape: &[i64], seed: i64) -> Tensor {
    let numel: i64 = shape.iter().product();
    let values: Vec<f32> = (0..numel)
        .map(|i| ((i * 7 + seed * 13) % 64 - 32) as f32 / 64.0)
        .collect();
    Tensor::from_slice(&values).reshape(shape)
}

/// A slider on layers of every kind: name in the file's dialect and the three tensors.
fn slider_tensors(unet: &UNet, original: bool, kind: Kind) -> Named {
    let names = LayerNames::of(unet);
    let mut tensors = Vec::new();
    for (i, layer) in names.layers().iter().enumerate() {
        let place = TINY_PLACES
            .iter()
            .find(|(path, _)| layer.path.starts_with(path));
        let Some((path, other)) = place else { continue };
        let name = if original {
            flat_name(&layer.path.replacen(path, other, 1))
        } else {
            flat_name(&layer.path)
        };
        let (out, inside) = layer.weight_shape.split_first().unwrap();
        let mut up = vec![*out, 2];
        up.extend(inside.iter().skip(1).map(|_| 1));
        let down = filled(&[&[2], inside].concat(), i as i64).to_kind(kind);
        tensors.push((format!("{name}.lora_down.weight"), down));
        tensors.push((
            format!("{name}.lora_up.weight"),
            filled(&up, -(i as i64)).to_kind(kind),
        ));
        let alpha = Tensor::from(1.0_f32).to_kind(kind);
        tensors.push((format!("{name}.alpha"), alpha));
    }
    tensors
}

fn read(path: &Path, unet: &UNet) -> Slider {
    Slider::read(path, unet, None, Kind::Float, Device::Cpu).unwrap()
}

fn read_error(path: &Path, unet: &UNet) -> String {
    let error = Slider::read(path, unet, None, Kind::Float, Device::Cpu).unwrap_err();
    let error = error.to_string();
    assert!(!error.contains('\n'), "{error}");
    error
        .strip_prefix(&format!("{}: ", path.display()))
        .unwrap()
        .to_owned()
}

#[track_caller]
fn assert_same(a: &Slider, b: &Slider) {
    assert_eq!(a.layers.len(), b.layers.len());
    for (a, b) in a.layers.iter().zip(&b.layers) {
        assert_eq!(a.path, b.path);
        assert_eq!(a.alpha.to_bits(), b.alpha.to_bits());
        assert!(a.down.equal(&b.down) && a.up.equal(&b.up), "{}", a.path);
    }
}

#[test]
fn both_dialects_and_both_formats_load_to_the_same() {
    let unet = tiny();
    let folder = tempfile::tempdir().unwrap();
    let paths = ["a.pt", "b.pt", "c.safetensors", "d.safetensors"].map(|n| folder.path().join(n));
    save_state_dict(&paths[0], &slider_tensors(&unet, false, Kind::BFloat16));
    save_state_dict(&paths[1], &slider_tensors(&unet, true, Kind::BFloat16));
    save(&paths[2], &slider_tensors(&unet, false, Kind::Half), &[]).unwrap();
    save(&paths[3], &slider_tensors(&unet, true, Kind::Float), &[]).unwrap();

    let first = read(&paths[0], &unet);
    // Three attention stages of twelve layers (two projections, ten in the block), and six more.
    assert_eq!((first.layers.len(), first.unused.len()), (3 * 12 + 6, 0));
    for path in &paths[1..] {
        let other = read(path, &unet);
        assert_same(&first, &other);
        assert!(other.unused.is_empty());
    }
    let names = LayerNames::of(&unet);
    let order = |layer: &SliderLayer| names.find(&flat_name(&layer.path)).unwrap();
    assert!(first.layers.is_sorted_by_key(order));
    for layer in &first.layers {
        assert_eq!((layer.rank(), layer.down.kind()), (2, Kind::Float));
        assert_eq!(layer.scale().to_bits(), 0.5_f64.to_bits());
        let index = order(layer);
        let inside = &names.layers()[index].weight_shape[1..];
        assert!(
            layer
                .down
                .equal(&filled(&[&[2], inside].concat(), index as i64))
        );
    }

    let kind = TensorKind::of(&TensorFile::open(&paths[1]).unwrap()).unwrap();
    let said = "slider or other LoRA, layers: 42 of the U-Net; rank 2; alpha 1";
    assert_eq!(kind.unwrap().to_string(), said);
}

#[test]
fn alpha_is_the_files_the_callers_or_the_rank() {
    let unet = tiny();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s.safetensors");
    let mut tensors = slider_tensors(&unet, false, Kind::Float);
    tensors.retain(|(name, _)| name.starts_with("lora_unet_mid_block_resnets_1_conv2"));
    let scale = |alpha: Option<f64>| {
        let slider = Slider::read(&path, &unet, alpha, Kind::Float, Device::Cpu).unwrap();
        slider.layers[0].scale()
    };
    save(&path, &tensors, &[]).unwrap();
    assert_eq!((scale(None), scale(Some(8.0))), (0.5, 4.0));
    // Some programs write [1] for [], and 0 for the rank.
    tensors[2].1 = Tensor::from_slice(&[3.0_f32]);
    save(&path, &tensors, &[]).unwrap();
    assert_eq!((scale(None), scale(Some(8.0))), (1.5, 4.0));
    tensors[2].1 = Tensor::from(0.0_f32);
    save(&path, &tensors, &[]).unwrap();
    assert_eq!(scale(None).to_bits(), 1.0_f64.to_bits());
    let alpha = tensors.pop();
    save(&path, &tensors, &[]).unwrap();
    assert_eq!((scale(None), scale(Some(8.0))), (1.0, 4.0));
    for bad in [Tensor::from(f32::NAN), Tensor::from_slice(&[1.0_f32, 2.0])] {
        let name = alpha.as_ref().unwrap().0.clone();
        let mut tensors = clones(&tensors);
        tensors.push((name, bad));
        save(&path, &tensors, &[]).unwrap();
        assert!(read_error(&path, &unet).contains(".alpha that is not one finite number"));
    }
}

fn clones(tensors: &[(String, Tensor)]) -> Named {
    tensors
        .iter()
        .map(|(n, t)| (n.clone(), t.shallow_clone()))
        .collect()
}

#[test]
fn what_is_no_layer_is_named() {
    let unet = tiny();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s.safetensors");
    let mut tensors = slider_tensors(&unet, true, Kind::Float);
    let strangers = [
        "lora_te_text_model_encoder_layers_0_mlp_fc1.alpha",
        "lora_unet_nothing.alpha",
    ];
    for name in strangers {
        tensors.push((name.to_owned(), Tensor::from(1.0_f32)));
    }
    save(&path, &tensors, &[]).unwrap();
    assert_eq!(read(&path, &unet).unused, strangers);

    save(&path, &clones(&tensors[tensors.len() - 2..]), &[]).unwrap();
    assert_eq!(
        read_error(&path, &unet),
        format!(
            "has no LoRA for any layer of this U-Net (it has {}); it is made for another kind of \
             model",
            strangers[0]
        )
    );
}

#[test]
fn a_file_that_does_not_fit_is_one_clear_error() {
    let (unet, wider) = (
        tiny(),
        unet(&json!({
            "block_out_channels": [24, 32],
            "down_block_types": ["CrossAttnDownBlock2D", "DownBlock2D"],
            "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D"],
            "layers_per_block": 1,
            "cross_attention_dim": 32,
            "attention_head_dim": 4,
            "norm_num_groups": 8,
        })),
    );
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s.safetensors");
    let tensors = slider_tensors(&wider, false, Kind::Float);
    save(&path, &tensors, &[]).unwrap();
    let error = read_error(&path, &unet);
    assert!(error.starts_with("is made for another U-Net: "), "{error}");
    assert!(
        error.contains("[2, 24, 1, 1] and [24, 2, 1, 1] for a weight of [16, 16, 1, 1]"),
        "{error}"
    );

    let tensors = slider_tensors(&unet, false, Kind::Float);
    let changed = |change: &dyn Fn(&mut Named)| {
        let mut tensors = clones(&tensors);
        change(&mut tensors);
        save(&path, &tensors, &[]).unwrap();
        read_error(&path, &unet)
    };
    let first = tensors[0].0.clone();
    let error = changed(&|t| drop(t.remove(0)));
    assert!(
        error.contains("without the lora_down.weight beside it"),
        "{error}"
    );
    let error = changed(&|t| drop(t.remove(1)));
    assert!(
        error.contains(&format!("has {first} without the lora_up.weight")),
        "{error}"
    );
    let error = changed(&|t| {
        t.push((
            first.replace("lora_down.weight", "dora_scale"),
            Tensor::from(1_f32),
        ));
    });
    assert!(
        error.contains("dora_scale, so it is no plain LoRA"),
        "{error}"
    );
    let original = slider_tensors(&unet, true, Kind::Float);
    let error = changed(&|t| t.extend(clones(&original[..1])));
    assert!(error.contains("names one layer twice"), "{error}");
    // Ranks of the two matrices that disagree.
    let error = changed(&|t| t[0].1 = t[0].1.narrow(0, 0, 1));
    assert!(
        error.contains("1 of its 42 layers have other shapes"),
        "{error}"
    );
}

/// Models store the same layer as a linear one or as a 1×1 convolution.
#[test]
fn pointwise_matrices_go_either_way() {
    let unet = tiny();
    let folder = tempfile::tempdir().unwrap();
    let (plain, turned) = (
        folder.path().join("a.safetensors"),
        folder.path().join("b.safetensors"),
    );
    let tensors = slider_tensors(&unet, false, Kind::Float);
    save(&plain, &tensors, &[]).unwrap();
    let other_way = |tensor: &Tensor| match tensor.size()[..] {
        [a, b] => tensor.reshape([a, b, 1, 1]),
        [a, b, 1, 1] => tensor.reshape([a, b]),
        _ => tensor.shallow_clone(),
    };
    let tensors: Vec<_> = tensors
        .iter()
        .map(|(n, t)| (n.clone(), other_way(t)))
        .collect();
    save(&turned, &tensors, &[]).unwrap();
    assert_same(&read(&plain, &unet), &read(&turned, &unet));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Save then load gives the same layers, to the last bit of every matrix and alpha.
    #[test]
    fn saved_sliders_load_the_same(
        chosen in prop::collection::vec(any::<prop::sample::Index>(), 1..6),
        rank in 1_i64..5,
        alpha in prop_oneof![Just(1.0), 1e-3..64.0_f64],
        bf16: bool,
    ) {
        let unet = tiny();
        let names = LayerNames::of(&unet);
        let kind = if bf16 { Kind::BFloat16 } else { Kind::Float };
        let mut places: Vec<usize> = chosen.iter().map(|i| i.index(names.layers().len())).collect();
        places.sort_unstable();
        places.dedup();
        let layers = places.iter().map(|&i| {
            let layer = &names.layers()[i];
            let (out, inside) = layer.weight_shape.split_first().unwrap();
            let mut up = vec![*out, rank];
            up.extend(inside.iter().skip(1).map(|_| 1));
            SliderLayer {
                path: layer.path.clone(),
                down: filled(&[&[rank], inside].concat(), 1).to_kind(kind),
                up: filled(&up, 2).to_kind(kind),
                alpha,
            }
        });
        let slider = Slider { layers: layers.collect(), unused: Vec::new() };
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s.safetensors");
        slider.save(&path, &[("ss_output_name", "smile".to_owned())]).unwrap();
        let loaded = Slider::read(&path, &unet, None, kind, Device::Cpu).unwrap();
        assert_same(&slider, &loaded);
        prop_assert!(loaded.unused.is_empty());

        let file = SafetensorsFile::open(&path).unwrap();
        let said = |key: &str| file.metadata().get(key).cloned();
        prop_assert_eq!(said("ss_network_dim"), Some(rank.to_string()));
        prop_assert_eq!(said("ss_network_alpha"), Some(alpha.to_string()));
        prop_assert_eq!(said("ss_output_name"), Some("smile".to_owned()));
    }
}
