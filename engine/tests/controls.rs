//! Controls in whole renders of a tiny model: nothing means nothing, a delay leaves the beginning
//! alone, shared work gives the same picture as work done alone.

#![allow(clippy::unwrap_used, reason = "clippy only knows test functions")]

use std::path::Path;
use std::sync::OnceLock;

use tch::{Device, Kind, Tensor};
use vernier_engine::checkpoint::{Checkpoint, tiny};
use vernier_engine::controls::{
    AdapterNetwork, AdapterShape, Architecture, AttAdapter, AttributeRange, ControlFile,
    ControlInfo, ControlKind, ControlLibrary, DELTA_NAMES, Direction, Slider, SliderLayer,
    ValueEncoder, ValueShape, site_shapes,
};
use vernier_engine::device::Dtype;
use vernier_engine::models::unet::{UNet, UNetConfig};
use vernier_engine::recipe::{ModelRef, Recipe};
use vernier_engine::render::{Flow, Rendered, Renderer};
use vernier_engine::sampling::SamplerName;
use vernier_engine::weights::ParamStore;

/// Width of the tiny model's text encoder.
const TEXT_WIDTH: i64 = 32;

struct Studio {
    folder: tempfile::TempDir,
    renderer: Renderer,
    calls: usize,
}

impl Studio {
    fn open() -> Self {
        static FILES: OnceLock<tempfile::TempDir> = OnceLock::new();
        // Tiny tensors gain nothing from more, and tests run side by side.
        tch::set_num_threads(1);
        // Random weights are drawn before anything is rendered: noise has the same generator.
        let files = FILES.get_or_init(|| {
            let folder = tempfile::tempdir().unwrap();
            tiny::write_model(&folder.path().join("model"), 3).unwrap();
            write_direction(folder.path(), "smile", 0.2);
            write_direction(folder.path(), "age", 0.5);
            write_slider(folder.path());
            write_value(folder.path());
            for architecture in Architecture::ALL {
                write_adapter(folder.path(), architecture);
            }
            folder
        });
        let folder = tempfile::tempdir().unwrap();
        copy(files.path(), folder.path());
        let library = ControlLibrary::new(vec![folder.path().to_owned()]);
        let model = folder.path().join("model");
        let mut renderer = Renderer::load(&model, Dtype::F32, Device::Cpu).unwrap();
        renderer.set_library(library);
        Self {
            folder,
            renderer,
            calls: 0,
        }
    }

    fn recipe(&self, controls: &[&str]) -> Recipe {
        Recipe {
            prompt: "a cat and a dog".to_owned(),
            seed: 5,
            width_px: 64,
            height_px: 64,
            steps: 10,
            guidance_scale: 4.0,
            controls: controls.iter().map(|c| c.parse().unwrap()).collect(),
            ..Recipe::new(ModelRef::at(&self.folder.path().join("model")))
        }
    }

    fn render(&mut self, recipe: &Recipe) -> Rendered {
        self.calls = 0;
        let calls = &mut self.calls;
        self.renderer
            .render(recipe, &mut |ahead| {
                *calls += usize::from(ahead.done < ahead.steps);
                Flow::Continue
            })
            .unwrap()
    }

    fn refusal(&mut self, controls: &[&str]) -> String {
        let recipe = self.recipe(controls);
        let outcome = self.renderer.render(&recipe, &mut |_| Flow::Continue);
        outcome.unwrap_err().to_string()
    }
}

/// Everything in a folder, folders included.
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let place = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &place);
        } else {
            std::fs::copy(entry.path(), place).unwrap();
        }
    }
}

/// Numbers of about unit size that `seed` alone decides.
fn numbers(shape: &[i64], seed: f64) -> Tensor {
    let count = shape.iter().product::<i64>();
    let ramp = Tensor::arange(count, (Kind::Float, Device::Cpu));
    ((ramp * 12.9898 + seed).sin() * 1.4).view(shape)
}

fn write_direction(folder: &Path, name: &str, start: f64) {
    let mut info = ControlInfo::new(name, ControlKind::Direction, vec![name.to_owned()]);
    info.subjects = vec!["cat".to_owned(), "man".to_owned()];
    info.start = start;
    let direction = Direction::new(vec![numbers(&[TEXT_WIDTH], 10.0 * start)]);
    let path = folder.join(format!("{name}.safetensors"));
    ControlFile::save(&path, &info, &direction.named()).unwrap();
}

fn write_slider(folder: &Path) {
    let mut info = ControlInfo::new("fur", ControlKind::Slider, vec!["fur".to_owned()]);
    info.start = 0.3;
    let attention = "down_blocks.0.attentions.0.transformer_blocks.0";
    let layer = |path: String, input: i64| SliderLayer {
        path,
        down: numbers(&[2, input], 1.0),
        up: numbers(&[16, 2], 2.0),
        scale: 0.5,
    };
    let slider = Slider::new(vec![
        layer(format!("{attention}.attn1.to_q"), 16),
        layer(format!("{attention}.attn2.to_k"), TEXT_WIDTH),
    ]);
    let path = folder.join("fur.safetensors");
    ControlFile::save(&path, &info, &slider.named().unwrap()).unwrap();
}

/// Fresh weights, moved away from the zeros that some of them start from.
fn moved(store: &ParamStore) -> Vec<(String, Tensor)> {
    let noisy = |t: &Tensor| t + t.randn_like() * 0.3;
    let named = store.named().into_iter();
    named.map(|(name, tensor)| (name, noisy(&tensor))).collect()
}

fn write_value(folder: &Path) {
    let attributes = ["brightness", "detail"].map(str::to_owned).to_vec();
    let mut info = ControlInfo::new("look", ControlKind::Value, attributes.clone());
    let shape = ValueShape {
        tokens: 3,
        dim: TEXT_WIDTH,
    };
    ValueEncoder::describe(&mut info, shape, &std::collections::BTreeMap::new());
    let store = ParamStore::fresh(Kind::Float, Device::Cpu);
    ValueEncoder::new(&store.root(), &attributes, shape).unwrap();
    ControlFile::save(&folder.join("look.safetensors"), &info, &moved(&store)).unwrap();
}

fn write_adapter(folder: &Path, architecture: Architecture) {
    let model = Checkpoint::open(&folder.join("model")).unwrap();
    let config: UNetConfig = model.component_config("unet").unwrap();
    let store = model
        .component_params("unet", Kind::Float, Device::Cpu)
        .unwrap();
    let unet = UNet::new(&store.root(), &config).unwrap();
    let ranges = ["age", "smile"].map(|name| AttributeRange {
        name: name.to_owned(),
        low: 0.0,
        high: 10.0,
    });
    let names = ranges.iter().map(|r| r.name.clone()).collect();
    let mut info = ControlInfo::new(architecture.name(), ControlKind::AttAdapter, names);
    info.start = 0.1;
    let shape = AdapterShape {
        tokens: 2,
        dim: TEXT_WIDTH,
        latent_dim: 6,
        hidden_dim: 16,
    };
    let tensors = if architecture == Architecture::LoraNumbers {
        AttAdapter::describe(&mut info, architecture, None, &ranges);
        ControlFile::open(&folder.join("fur.safetensors"))
            .unwrap()
            .tensors()
            .unwrap()
    } else {
        AttAdapter::describe(&mut info, architecture, Some(shape), &ranges);
        let store = ParamStore::fresh(Kind::Float, Device::Cpu);
        let is_cvae = architecture == Architecture::Cvae;
        AdapterNetwork::new(&store.root(), is_cvae, shape, 2, &site_shapes(&unet)).unwrap();
        moved(&store)
    };
    let path = folder.join(format!("{architecture}.safetensors"));
    ControlFile::save(&path, &info, &tensors).unwrap();
}

#[test]
fn adapters_change_pictures_by_their_values_and_nothing_while_none_is_set() {
    let mut studio = Studio::open();
    let plain = studio.recipe(&[]);
    let plain = studio.render(&plain);
    for adapter in ["look/detail", "cvae/smile", "mlp/age", "lora-numbers/age"] {
        let recipe = studio.recipe(&[&format!("{adapter}=0")]);
        assert_eq!(studio.render(&recipe).latents, plain.latents, "{adapter}");
        let [low, high] = ["0", "0.9"].map(|value| {
            let recipe = studio.recipe(&[&format!("{adapter}~{value}")]);
            studio.render(&recipe).latents
        });
        assert_ne!(low, high, "{adapter}");
        assert_ne!(low, plain.latents, "{adapter}: a value of 0 is a value");
        let recipe = studio.recipe(&[]);
        assert_eq!(
            studio.render(&recipe).latents,
            plain.latents,
            "after {adapter}"
        );
    }
}

#[test]
fn values_of_one_adapter_act_together_and_values_past_its_range_are_told() {
    let mut studio = Studio::open();
    let recipe = studio.recipe(&["cvae/smile~2", "cvae/age~12"]);
    let both = studio.render(&recipe);
    assert!(
        both.notes
            .iter()
            .any(|n| n.contains("age 12.000 is outside")),
        "{:?}",
        both.notes
    );
    let recipe = studio.recipe(&["cvae/age~12", "cvae/smile~2"]);
    assert_eq!(studio.render(&recipe).latents, both.latents);
    let recipe = studio.recipe(&["cvae/smile~2"]);
    assert_ne!(studio.render(&recipe).latents, both.latents);
    // Uncalibrated, -1 and 1 are the ends of the range that it learnt from.
    let recipe = studio.recipe(&["cvae/smile=-0.6"]);
    let rendered = studio.render(&recipe);
    assert_eq!(rendered.recipe.controls[0].resolved, Some(2.0));
}

#[test]
fn a_control_at_zero_changes_nothing_at_all() {
    let mut studio = Studio::open();
    let plain = studio.recipe(&[]);
    let plain = studio.render(&plain);
    for zero in [
        &["smile@cat=0"][..],
        &["smile@cat~0", "fur~0"],
        &["age@dog=0", "fur=0"],
    ] {
        let recipe = studio.recipe(zero);
        let same = studio.render(&recipe);
        assert_eq!(same.latents, plain.latents, "{zero:?}");
        assert_eq!(same.picture, plain.picture);
    }
    // Nor does a slider that was at work before leave anything behind.
    let recipe = studio.recipe(&["fur~2"]);
    assert_ne!(studio.render(&recipe).latents, plain.latents);
    let recipe = studio.recipe(&[]);
    assert_eq!(studio.render(&recipe).latents, plain.latents);
}

#[test]
fn shared_work_gives_the_same_picture_as_work_done_alone() {
    let mut studio = Studio::open();
    for sampler in SamplerName::ALL {
        let mut recipe = studio.recipe(&["smile@cat~1", "age@dog~-1", "fur~0.5"]);
        recipe.sampler = sampler.name().to_owned();
        studio.render(&recipe);
        let whole = studio.calls;
        // The last to begin is age: only what comes after its start is done again.
        recipe.controls[1].value = 2.0;
        let shared = studio.render(&recipe);
        let tail = studio.calls;
        assert!(
            tail <= whole.div_ceil(2) && tail > 0,
            "{sampler}: {tail} of {whole}"
        );
        let mut alone =
            Renderer::load(&studio.folder.path().join("model"), Dtype::F32, Device::Cpu);
        let alone = alone.as_mut().unwrap();
        alone.set_library(ControlLibrary::new(vec![studio.folder.path().to_owned()]));
        let alone = alone.render(&recipe, &mut |_| Flow::Continue).unwrap();
        assert_eq!(shared.latents, alone.latents, "{sampler}");
        assert_eq!(shared.recipe, alone.recipe);
    }
}

#[test]
fn a_sweep_with_delay_costs_its_beginning_once() {
    let mut studio = Studio::open();
    let mut calls = 0;
    for value in 0..9 {
        let recipe = studio.recipe(&[&format!("smile@cat~{}", f64::from(value) / 4.0 - 1.0)]);
        studio.render(&recipe);
        calls += studio.calls;
    }
    // 10 steps, delay 0.2: 2 + 9 · 8 calls instead of 90.
    assert_eq!(calls, 74);
}

#[test]
fn several_controls_on_several_subjects_add_up_in_any_order() {
    let mut studio = Studio::open();
    let one = studio.recipe(&["smile@cat~1", "age@dog~-1"]);
    let other = studio.recipe(&["age@dog~-1", "smile@cat~1"]);
    let first = studio.render(&one);
    let second = studio.render(&other);
    assert!(first.latents.allclose(&second.latents, 1e-4, 1e-5, false));
    let only = studio.recipe(&["smile@cat~1"]);
    assert!(
        !first
            .latents
            .allclose(&studio.render(&only).latents, 1e-4, 1e-5, false)
    );
}

#[test]
fn the_recipe_says_what_was_used_and_the_notes_what_to_know() {
    let mut studio = Studio::open();
    let recipe = studio.recipe(&["smile@cat=0.5"]);
    let rendered = studio.render(&recipe);
    let control = &rendered.recipe.controls[0];
    assert_eq!((control.hash.len(), control.resolved), (64, Some(0.5)));
    assert!(
        rendered.notes[0].contains("never calibrated"),
        "{:?}",
        rendered.notes
    );
    let again = studio.render(&rendered.recipe);
    assert_eq!(again.picture, rendered.picture);
    write_direction(studio.folder.path(), "smile", 0.3);
    let other = studio.render(&rendered.recipe);
    assert!(
        other.notes.iter().any(|n| n.contains("another version")),
        "{:?}",
        other.notes
    );
}

#[test]
fn the_only_noun_that_a_control_was_made_for_need_not_be_named() {
    let mut studio = Studio::open();
    let named = studio.recipe(&["smile@cat~1"]);
    let unnamed = studio.recipe(&["smile~1"]);
    assert_eq!(
        studio.render(&named).latents,
        studio.render(&unnamed).latents
    );
}

#[test]
fn what_cannot_be_carried_out_says_why() {
    let mut studio = Studio::open();
    for (control, expected) in [
        (
            "frown@cat=1",
            "there is no such control; there are age, cvae, fur,",
        ),
        ("smile@horse=1", "is not in the prompt"),
        ("smile@a=1", "stands in the prompt 2 times"),
        ("smile/left@cat=1", "say which of its attributes"),
        ("smile@cat:=0.5", "has no folder \"meter\""),
    ] {
        let said = studio.refusal(&[control]);
        assert!(said.contains(expected), "{control}: {said}");
    }
    let info = ControlInfo::new("wide", ControlKind::Direction, vec!["wide".to_owned()]);
    let delta = vec![(DELTA_NAMES[0].to_owned(), numbers(&[7], 3.0))];
    ControlFile::save(
        &studio.folder.path().join("wide.safetensors"),
        &info,
        &delta,
    )
    .unwrap();
    let said = studio.refusal(&["wide@cat=1"]);
    assert!(
        said.contains("width 7") && said.contains("has 32"),
        "{said}"
    );
}
