//! Models from folder to single file and back: nothing is lost, and the picture is the same.

#![allow(clippy::unwrap_used, reason = "clippy only knows test functions")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use tch::{Device, Kind, Tensor};
use tempfile::TempDir;
use vernier_engine::checkpoint::{Checkpoint, convert};
use vernier_engine::device::Dtype;
use vernier_engine::recipe::{self, Recipe};
use vernier_engine::render::{Flow, Renderer};
use vernier_engine::weights::{SafetensorsFile, save};
use vernier_tests::{TINY_MODELS, fixtures, write_tiny_models};

/// Written once, before any picture is rendered.
static MODELS: LazyLock<TempDir> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    write_tiny_models(folder.path()).unwrap();
    folder
});

fn tensors(path: &Path) -> BTreeMap<String, Tensor> {
    let file = SafetensorsFile::open(path).unwrap();
    let read = |(name, entry): (&String, &vernier_engine::weights::TensorEntry)| {
        let kind = entry.kind().unwrap();
        let tensor = file.tensor(name, kind, Device::Cpu).unwrap().unwrap();
        (name.clone(), tensor)
    };
    file.entries().iter().map(read).collect()
}

fn files(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, into);
        } else {
            into.push(path);
        }
    }
}

fn recipe_of(name: &str) -> Recipe {
    let recipes = recipe::read(&fixtures().join("tiny/pictures.json")).unwrap();
    let mut found = recipes.into_iter().filter(|r| r.model.name == name);
    found.next().unwrap()
}

fn picture(model: &Path, recipe: &Recipe) -> vernier_engine::picture::Picture {
    let mut renderer = Renderer::load(model, Dtype::F32, Device::Cpu).unwrap();
    let rendered = renderer.render(recipe, &mut |_| Flow::Continue);
    rendered.unwrap().picture
}

#[test]
fn there_and_back_is_the_same_to_the_last_bit() {
    let place = tempfile::tempdir().unwrap();
    for name in TINY_MODELS {
        let folder = MODELS.path().join(name);
        let file = place.path().join(format!("{name}.safetensors"));
        convert(&folder, &file, None).unwrap();
        let back = place.path().join(name);
        convert(&file, &back, None).unwrap();
        let mut all = Vec::new();
        files(&folder, &mut all);
        for path in &all {
            let again = back.join(path.strip_prefix(&folder).unwrap());
            if path.extension().is_some_and(|e| e == "safetensors") {
                assert_eq!(tensors(path), tensors(&again), "{}", path.display());
            } else {
                let read = |path: &Path| std::fs::read_to_string(path).unwrap();
                assert_eq!(read(path), read(&again), "{}", path.display());
            }
        }
        let second = place.path().join(format!("{name}-2.safetensors"));
        convert(&back, &second, None).unwrap();
        let bytes = |path: &Path| std::fs::read(path).unwrap();
        assert_eq!(bytes(&file), bytes(&second), "{name}");
    }
}

#[test]
fn a_single_file_without_a_word_about_it_makes_the_same_picture() {
    let place = tempfile::tempdir().unwrap();
    for name in TINY_MODELS {
        let folder = MODELS.path().join(name);
        let file = place.path().join(format!("{name}-told.safetensors"));
        convert(&folder, &file, None).unwrap();
        // As other programs write it: nothing in the header, a trainer's copies beside the weights.
        let mut stored: Vec<(String, Tensor)> = tensors(&file).into_iter().collect();
        let extra = |name: &str| {
            (
                name.to_owned(),
                Tensor::zeros([3], (Kind::Float, Device::Cpu)),
            )
        };
        stored.push(extra("model_ema.diffusion_modelinput_blocks00weight"));
        stored.push(extra("betas"));
        let bare = place.path().join(format!("{name}.safetensors"));
        save(&bare, &stored, &[]).unwrap();
        for tokenizer in ["tokenizer", "tokenizer_2"] {
            let own = folder.join(tokenizer);
            if own.is_dir() {
                vernier_tests::copy_folder(&own, &bare.with_extension(tokenizer));
            }
        }
        let recipe = recipe_of(name);
        // What shapes do not tell: tiny models of XL have other steps between sinusoids.
        let description = Checkpoint::open(&bare).unwrap().describe().unwrap();
        let prediction = description.prediction_type.as_deref();
        let velocity = name == "sd2";
        assert_eq!(prediction == Some("v_prediction"), velocity, "{name}");
        assert_eq!(picture(&bare, &recipe), picture(&folder, &recipe), "{name}");
        // The wrong prediction shows.
        let mut wrong = recipe.clone();
        let other = if velocity { "epsilon" } else { "v_prediction" };
        wrong.model.prediction_type = Some(other.to_owned());
        assert_ne!(picture(&bare, &wrong), picture(&bare, &recipe), "{name}");
    }
}

#[test]
fn dtypes_change_only_when_asked_and_nothing_is_overwritten() {
    let place = tempfile::tempdir().unwrap();
    let folder = MODELS.path().join("sd1");
    let file = place.path().join("half.safetensors");
    convert(&folder, &file, Some(Dtype::F16)).unwrap();
    assert!(tensors(&file).values().all(|t| t.kind() == Kind::Half));
    let error = convert(&folder, &file, None).unwrap_err().to_string();
    assert!(error.contains("already there"), "{error}");
    let error = convert(&folder, &place.path().join("a.ckpt"), None);
    let error = error.unwrap_err();
    assert!(error.is_usage() && error.to_string().contains(".safetensors"));
}

#[test]
fn missing_and_unexpected_tensors_are_told_by_the_files_own_names() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("whole.safetensors");
    convert(&MODELS.path().join("sd1"), &file, None).unwrap();
    let mut stored = tensors(&file);
    let lost = "model.diffusion_model.input_blocks.1.0.in_layers.2.bias";
    drop(stored.remove(lost).unwrap());
    let odd = "model.diffusion_model.odd.weight";
    stored.insert(
        odd.to_owned(),
        Tensor::zeros([1], (Kind::Float, Device::Cpu)),
    );
    let broken = place.path().join("broken.safetensors");
    let stored: Vec<(String, Tensor)> = stored.into_iter().collect();
    save(&broken, &stored, &[]).unwrap();
    let from = file.with_extension("tokenizer");
    vernier_tests::copy_folder(&from, &broken.with_extension("tokenizer"));
    let error = Renderer::load(&broken, Dtype::F32, Device::Cpu).map(drop);
    let error = error.unwrap_err().to_string();
    assert!(error.contains(lost) && error.contains(odd), "{error}");
}
