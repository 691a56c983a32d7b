//! Model folders: found, loaded, hashed, described, and refused with one sentence.

// clippy's exception for tests does not reach their helper functions.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tch::{Device, Kind, Tensor};
use tempfile::TempDir;
use vernier_engine::checkpoint::Checkpoint;
use vernier_engine::models::clip::ClipTextConfig;
use vernier_engine::weights::{SafetensorsFile, save};

fn fixture(name: &str) -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures")).join(name)
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// A copy that a test may damage.
fn copy_of(name: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    copy_folder(&fixture(name), folder.path());
    folder
}

fn open(path: &Path) -> Checkpoint {
    Checkpoint::open(path).unwrap()
}

fn tensors(path: &Path) -> Vec<(String, Tensor)> {
    let file = SafetensorsFile::open(path).unwrap();
    let load = |name: &String| {
        let tensor = file.tensor(name, Kind::Float, Device::Cpu).unwrap();
        (name.clone(), tensor.unwrap())
    };
    file.entries().keys().map(load).collect()
}

fn load_error(path: &Path) -> String {
    let stage = open(path).load_text(Kind::Float, Device::Cpu);
    stage.unwrap_err().to_string()
}

/// The states of the fixture's first prompt, as Python has them.
fn expected(name: &str) -> Tensor {
    let file = SafetensorsFile::open(&fixture("text_states.safetensors")).unwrap();
    let states = file
        .tensor(name, Kind::Float, Device::Cpu)
        .unwrap()
        .unwrap();
    states.get(0)
}

const PROMPT: &str = "a smiling old man next to a young woman with red hair";

fn assert_conditions_as_in_python(path: &Path, states: &str, tolerance: f64) {
    let stage = open(path).load_text(Kind::Float, Device::Cpu).unwrap();
    let conditioning = stage.encode(PROMPT, 1).unwrap();
    let (got, want) = (conditioning.context().unwrap(), expected(states));
    assert_eq!(got.size(), want.size());
    let difference = (got - &want).abs().max() / want.abs().max();
    assert!(difference.double_value(&[]) < tolerance, "{difference:?}");
}

#[test]
fn prompts_become_what_python_makes_of_them() {
    assert_conditions_as_in_python(&fixture("text_sd15"), "sd15.last", 1e-5);
    assert_conditions_as_in_python(&fixture("text_sd2"), "sd2.last", 1e-5);
}

#[test]
fn subjects_are_found_among_the_tokens() {
    let stage = open(&fixture("text_sd15"))
        .load_text(Kind::Float, Device::Cpu)
        .unwrap();
    let conditioning = stage.encode(PROMPT, 1).unwrap();
    let span = conditioning.find("young woman").unwrap();
    let encoding = stage.tokenizer().encode(PROMPT).unwrap();
    let first = &encoding.offsets[span.tokens.start - 1];
    let last = &encoding.offsets[span.tokens.end - 2];
    assert_eq!(&PROMPT[first.start..last.end], "young woman");
    assert!(conditioning.find("dog").is_err());
}

#[test]
fn long_prompts_go_on_in_further_chunks() {
    let stage = open(&fixture("text_sd15"))
        .load_text(Kind::Float, Device::Cpu)
        .unwrap();
    let long = format!("{}a robot", "a red apple and a green cup, ".repeat(12));
    let chunks = stage.chunks(&long).unwrap();
    assert!(chunks >= 2);
    let (positive, negative) = stage.encode_pair(&long, "blurry").unwrap();
    let tokens = 77 * chunks as i64;
    let context = positive.context().unwrap();
    assert_eq!(context.size(), [tokens, 32]);
    assert_eq!(negative.context().unwrap().size(), [tokens, 32]);
    // Beyond the prompt there are empty prompts.
    let empty = stage.encode("", 1).unwrap().context().unwrap();
    let tail = negative.context().unwrap().narrow(0, 77, 77);
    assert!((tail - empty).abs().max().double_value(&[]) < 1e-6);
    // The last word is in the last chunk, and changing it changes that chunk alone.
    let robot = positive.find("robot").unwrap();
    assert!(robot.tokens.start as i64 > tokens - 77);
    let other = stage.encode(&long.replace("robot", "woman"), 1).unwrap();
    let change = (other.context().unwrap() - context).abs().sum_dim_intlist(
        [-1_i64].as_slice(),
        false,
        Kind::Float,
    );
    let before = change.narrow(0, 0, tokens - 77);
    assert!(before.max().double_value(&[]) <= 0.0);
    assert!(change.max().double_value(&[]) > 0.0);
}

#[test]
fn shards_and_variants_are_found() {
    let model = copy_of("text_sd2");
    let encoder = model.path().join("text_encoder");
    let whole = encoder.join("model.safetensors");
    let all = tensors(&whole);
    let (first, second) = all.split_at(20);
    fs::remove_file(&whole).unwrap();
    save(&encoder.join("model-1.safetensors"), first, &[]).unwrap();
    save(&encoder.join("model-2.safetensors"), second, &[]).unwrap();
    let map: serde_json::Map<String, Value> = all
        .iter()
        .enumerate()
        .map(|(i, (name, _))| {
            let shard = if i < 20 { "model-1" } else { "model-2" };
            (name.clone(), json!(format!("{shard}.safetensors")))
        })
        .collect();
    let index = encoder.join("model.safetensors.index.json");
    fs::write(&index, json!({ "weight_map": map }).to_string()).unwrap();
    assert_conditions_as_in_python(model.path(), "sd2.last", 1e-5);

    fs::remove_file(encoder.join("model-2.safetensors")).unwrap();
    let error = load_error(model.path());
    assert!(
        error.ends_with(
            "model-2.safetensors: is missing, though the index beside it names it; fetch it again"
        ),
        "{error}"
    );

    fs::remove_file(index).unwrap();
    let half: Vec<_> = all
        .iter()
        .map(|(n, t)| (n.clone(), t.to_kind(Kind::Half)))
        .collect();
    save(&encoder.join("model.fp16.safetensors"), &half, &[]).unwrap();
    assert_conditions_as_in_python(model.path(), "sd2.last", 5e-3);
}

#[test]
fn folders_that_are_no_model_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let error = |path: &Path| Checkpoint::open(path).unwrap_err().to_string();
    assert!(error(&at.join("absent")).contains("there is no such file"));
    assert!(error(at).ends_with("is not a model folder: it has no model_index.json"));
    assert!(error(&fixture("text_pair")).contains("is one component of a model"));
    assert!(error(&fixture("text_tokens.json")).contains("text_tokens.json: "));

    let index = at.join("model_index.json");
    fs::write(&index, "{").unwrap();
    assert!(error(at).contains("model_index.json: is not the configuration needed: EOF"));
    fs::write(&index, r#"{"_class_name": "X"}"#).unwrap();
    assert!(error(at).contains("names no component"));
    fs::write(&index, r#"{"../etc": ["diffusers", "X"]}"#).unwrap();
    assert!(error(at).contains("is not the name of a folder"));
    fs::write(
        &index,
        r#"{"unet": ["diffusers", "X"], "safety_checker": ["a", "b"]}"#,
    )
    .unwrap();
    assert!(error(at).ends_with(
        "unet: is missing, though model_index.json names it; fetch the whole model again"
    ));
    fs::create_dir(at.join("unet")).unwrap();
    let model = open(at);
    let missing = model
        .component_params("vae", Kind::Float, Device::Cpu)
        .unwrap_err()
        .to_string();
    assert!(missing.ends_with("has no component vae; it has unet, safety_checker"));
    let store = model.component_params("unet", Kind::Float, Device::Cpu);
    assert!(store.unwrap_err().to_string().contains("has no weights"));
    fs::write(at.join("unet/diffusion_pytorch_model.bin"), "").unwrap();
    let store = model.component_params("unet", Kind::Float, Device::Cpu);
    assert!(
        store
            .unwrap_err()
            .to_string()
            .contains("has its weights as .bin only")
    );
}

#[test]
fn damaged_components_are_refused() {
    let model = copy_of("text_sd15");
    let config = model.path().join("text_encoder/config.json");
    let text = fs::read_to_string(&config).unwrap();

    fs::write(&config, text.replace("\"quick_gelu\"", "\"relu9\"")).unwrap();
    assert!(load_error(model.path()).contains("hidden_act \"relu9\" is unknown"));
    fs::write(
        &config,
        text.replace("\"intermediate_size\": 64", "\"intermediate_size\": 65"),
    )
    .unwrap();
    let error = load_error(model.path());
    assert!(
        error.contains("mlp.fc1.weight is [64, 32], expected [65, 32]"),
        "{error}"
    );
    fs::write(
        &config,
        text.replace("\"vocab_size\": ", "\"vocab_size\": 1"),
    )
    .unwrap();
    assert!(load_error(model.path()).contains("the weights do not fit the model"));
    fs::write(&config, text).unwrap();

    let weights = model.path().join("text_encoder/model.safetensors");
    let mut all = tensors(&weights);
    let bytes = fs::read(&weights).unwrap();
    fs::write(&weights, &bytes[..bytes.len() - 1]).unwrap();
    assert!(load_error(model.path()).contains("its length is not what its header promises"));
    let name = all[5].0.clone();
    let _ = all[5].1.fill_(f64::INFINITY);
    save(&weights, &all, &[]).unwrap();
    assert!(load_error(model.path()).contains(&format!("tensor {name} holds NaN or infinite")));
    fs::remove_file(&weights).unwrap();
    assert!(load_error(model.path()).contains("has no weights"));

    let index = model.path().join("model_index.json");
    let text = fs::read_to_string(&index).unwrap();
    fs::create_dir(model.path().join("text_encoder_2")).unwrap();
    // The refiner of Stable Diffusion XL has the second encoder alone.
    let refiner = text.replacen("\"text_encoder\"", "\"text_encoder_2\"", 1);
    fs::write(&index, refiner).unwrap();
    assert!(load_error(model.path()).contains("refiner"));
}

#[test]
fn the_hash_is_that_of_the_content() {
    let (one, two) = (copy_of("text_sd15"), copy_of("text_sd15"));
    let hash = open(one.path()).hash().unwrap();
    assert_eq!(hash.len(), 64);
    assert_eq!(open(one.path()).hash().unwrap(), hash);
    assert_eq!(open(two.path()).hash().unwrap(), hash);
    // Files that no component reads do not count.
    fs::write(two.path().join("README.md"), "hello").unwrap();
    assert_eq!(open(two.path()).hash().unwrap(), hash);

    for name in [
        "tokenizer/merges.txt",
        "text_encoder/config.json",
        "text_encoder/model.safetensors",
    ] {
        let path = two.path().join(name);
        let before = fs::read(&path).unwrap();
        let mut changed = before.clone();
        *changed.last_mut().unwrap() ^= 1;
        fs::write(&path, &changed).unwrap();
        // Clocks of file systems are coarse; a kept hash is only as good as they are.
        let file = fs::File::options().write(true).open(&path).unwrap();
        file.set_modified(std::time::SystemTime::UNIX_EPOCH)
            .unwrap();
        assert_ne!(open(two.path()).hash().unwrap(), hash, "{name}");
        fs::write(&path, before).unwrap();
        assert_eq!(open(two.path()).hash().unwrap(), hash, "{name}");
    }
    fs::remove_file(two.path().join("text_encoder/model.safetensors")).unwrap();
    assert!(
        open(two.path())
            .hash()
            .unwrap_err()
            .to_string()
            .contains("has no weights")
    );
}

#[test]
fn a_description_counts_what_is_there() {
    let model = copy_of("text_sd15");
    let at = model.path();
    let index = at.join("model_index.json");
    let mut text: Value = serde_json::from_str(&fs::read_to_string(&index).unwrap()).unwrap();
    text["unet"] = json!(["diffusers", "UNet2DConditionModel"]);
    text["vae"] = json!(["diffusers", "AutoencoderKL"]);
    text["scheduler"] = json!(["diffusers", "DDIMScheduler"]);
    fs::write(&index, text.to_string()).unwrap();
    for name in ["unet", "vae", "scheduler"] {
        fs::create_dir(at.join(name)).unwrap();
    }
    let unet = json!({"sample_size": 64, "in_channels": 4, "cross_attention_dim": 1024, "block_out_channels": [320, 640]});
    fs::write(at.join("unet/config.json"), unet.to_string()).unwrap();
    let vae = json!({"block_out_channels": [128, 256, 512, 512]});
    fs::write(at.join("vae/config.json"), vae.to_string()).unwrap();
    let scheduler = json!({"prediction_type": "v_prediction"});
    fs::write(
        at.join("scheduler/scheduler_config.json"),
        scheduler.to_string(),
    )
    .unwrap();
    let weights = [
        (
            "a".to_owned(),
            Tensor::zeros([10, 20], (Kind::Half, Device::Cpu)),
        ),
        (
            "b".to_owned(),
            Tensor::zeros([7], (Kind::Float, Device::Cpu)),
        ),
    ];
    for name in ["unet", "vae"] {
        save(
            &at.join(name).join("diffusion_pytorch_model.safetensors"),
            &weights,
            &[],
        )
        .unwrap();
    }

    let folder = open(at);
    let description = folder.describe().unwrap();
    assert_eq!(description.family, "Stable Diffusion 2.x");
    assert_eq!(description.class_name, "StableDiffusionPipeline");
    assert_eq!(description.prediction_type.as_deref(), Some("v_prediction"));
    assert_eq!(description.image_size_px, Some(512));
    let component = |name: &str| {
        let mut all = description.components.iter();
        all.find(|c| c.name == name).unwrap()
    };
    assert_eq!(component("unet").parameters, 207);
    assert_eq!(component("unet").bytes, 428);
    assert_eq!(component("unet").dtypes["F16"], 200);
    assert_eq!(component("tokenizer").parameters, 0);
    let config: ClipTextConfig = folder.component_config("text_encoder").unwrap();
    let layer = 4 * 32 * 33 + 2 * 32 * 64 + 32 + 64 + 4 * 32;
    assert_eq!(
        component("text_encoder").parameters,
        config.vocab_size * 32 + 77 * 32 + 3 * layer + 2 * 32
    );
    let shown = description.to_string();
    assert!(
        shown.contains(
            "unet            diffusers.UNet2DConditionModel, 0.00 M parameters in F16 and F32"
        ),
        "{shown}"
    );
}
