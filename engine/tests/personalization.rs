//! Subjects and styles learnt from a few pictures, on a tiny model: what is saved, stopped, resumed
//! and refused, and what Python diffusers makes of the file.

#![allow(clippy::unwrap_used, reason = "clippy only knows test functions")]

mod models_common;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use image::{Rgb, RgbImage};
use models_common::{assert_close, case, fixture, store, tensor};
use tch::{Device, Kind, Tensor};
use vernier_engine::Result;
use vernier_engine::adapters::{
    Adapter, AdapterFile, Changes, Component, Embedding, LayerDelta, LoraFormat, LoraLayer,
    Modules, Summary, save_lora,
};
use vernier_engine::checkpoint::{Checkpoint, tiny};
use vernier_engine::control_training::{Schedule, TrainingNews};
use vernier_engine::device::{DeviceRequest, Dtype};
use vernier_engine::models::unet::{UNet, UNetConfig};
use vernier_engine::personalization::{
    ClassPlan, PersonalEnd, PersonalOutput, PersonalRequest, personalize,
};
use vernier_engine::recipe::{AdapterUse, ModelRef, RECIPE_VERSION, Recipe};
use vernier_engine::render::{Flow, Renderer};
use vernier_engine::train::personal::{Learnt, LoraLayers, LoraOptions, WordOptions};
use vernier_engine::weights::SafetensorsFile;

struct Place {
    folder: tempfile::TempDir,
    news: Vec<String>,
    samples: Vec<PathBuf>,
}

impl Place {
    /// A tiny model and three pictures, one of them with a caption.
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        tiny::write_model(&root.join("model"), 2).unwrap();
        std::fs::write(root.join("model/vernier.json"), r#"{"steps": 2}"#).unwrap();
        std::fs::create_dir(root.join("data")).unwrap();
        for at in 0..3_u8 {
            let image = RgbImage::from_fn(64, 64, |x, _| Rgb([at * 80, (x * 4) as u8, 9]));
            image.save(root.join(format!("data/{at}.png"))).unwrap();
        }
        std::fs::write(root.join("data/1.txt"), "a zorb cat on a wall\n").unwrap();
        Self {
            folder,
            news: Vec::new(),
            samples: Vec::new(),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn request(&self, name: &str) -> PersonalRequest {
        let model = self.path("model");
        PersonalRequest {
            name: name.to_owned(),
            command: "vernier train lora".to_owned(),
            model: ModelRef::at(&model),
            model_folder: model,
            out: self.path(&format!("{name}.safetensors")),
            output: PersonalOutput::Lora(LoraFormat::Kohya, 2),
            data: self.path("data"),
            instance: Some("a zorb cat".to_owned()),
            class: None,
            learnt: Learnt {
                lora: Some(LoraOptions {
                    layers: LoraLayers::All,
                    rank: 2,
                    alpha: 1.0,
                    text_encoder: true,
                    up_only: false,
                }),
                ..Learnt::default()
            },
            semantic: None,
            batch: 2,
            accumulate: 1,
            caption_dropout: 0.0,
            ema_decay: 0.5,
            sample_prompts: Vec::new(),
            seed: 3,
            device: DeviceRequest::Cpu,
            dtype: Dtype::F32,
            must_resume: false,
        }
    }

    fn schedule(&self, work: &str, steps: u64) -> Schedule {
        Schedule {
            steps,
            workers: Some(1),
            learning_rate: 1e-2,
            decay: 0.0,
            betas: (0.9, 0.999),
            weight_decay: 0.01,
            work: self.path(work),
            strip_every: None,
            report_every: Duration::ZERO,
        }
    }

    fn train(&mut self, request: &PersonalRequest, schedule: &Schedule) -> Result<PersonalEnd> {
        self.train_until(request, schedule, u64::MAX)
    }

    /// Stops at the report of step `last`.
    fn train_until(
        &mut self,
        request: &PersonalRequest,
        schedule: &Schedule,
        last: u64,
    ) -> Result<PersonalEnd> {
        let stop = Arc::new(AtomicBool::new(false));
        let asked = Arc::clone(&stop);
        personalize(request, schedule, stop, &mut |news| match news {
            TrainingNews::Note(text) => self.news.push(text),
            TrainingNews::Strip { path, .. } => self.samples.push(path),
            TrainingNews::Progress(report) => {
                asked.store(report.step >= last, Ordering::SeqCst);
            }
            _ => {}
        })
    }
}

fn bytes(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap()
}

#[test]
fn a_run_that_was_stopped_comes_to_the_same_file() {
    let mut place = Place::new();
    let whole = place.request("zorb");
    let schedule = place.schedule("one", 8);
    let end = place.train(&whole, &schedule).unwrap();
    assert_eq!(end, PersonalEnd::Done(place.path("zorb.safetensors")));
    let straight = bytes(&whole.out);
    let estimate = place.news.iter().find(|n| n.contains("8 steps take about"));
    assert!(estimate.is_some(), "{:?}", place.news);

    std::fs::remove_file(&whole.out).unwrap();
    let schedule = place.schedule("two", 8);
    let end = place.train_until(&whole, &schedule, 3).unwrap();
    let stopped = PersonalEnd::Stopped {
        step: 3,
        total_steps: 8,
    };
    assert_eq!(end, stopped);
    assert!(!whole.out.exists());
    let resumed = PersonalRequest {
        must_resume: true,
        ..whole
    };
    place.train(&resumed, &schedule).unwrap();
    assert_eq!(bytes(&resumed.out), straight);
    // Another training is not gone on from, nor is one that was never begun.
    let other = PersonalRequest {
        seed: 4,
        ..resumed.clone()
    };
    let said = place.train(&other, &schedule).unwrap_err().to_string();
    assert!(said.contains("another seed"), "{said}");
    let nowhere = place.schedule("three", 8);
    let said = place.train(&resumed, &nowhere).unwrap_err().to_string();
    assert!(said.starts_with("resume: "), "{said}");
}

#[test]
fn both_layouts_hold_the_same_and_say_what_they_are() {
    let mut place = Place::new();
    let kohya = place.request("zorb");
    let peft = PersonalRequest {
        output: PersonalOutput::Lora(LoraFormat::Peft, 2),
        out: place.path("peft.safetensors"),
        ..kohya.clone()
    };
    let schedule = Schedule {
        strip_every: Some(Duration::ZERO),
        ..place.schedule("work", 2)
    };
    place.train(&kohya, &schedule).unwrap();
    place.train(&peft, &schedule).unwrap();
    // Samples: two captions, two noises each, without and with.
    let sheet = image::open(place.samples.last().unwrap()).unwrap();
    assert_eq!((sheet.width(), sheet.height()), (4 * 64, 2 * 64));

    let files = [&kohya.out, &peft.out].map(|path| AdapterFile::open(path).unwrap());
    let summary = Summary::of(&files[0]).unwrap();
    assert_eq!(summary.trigger_words, ["a zorb cat"]);
    assert_eq!(summary.scales, Some((0.5, 0.5)));
    assert!(summary.touches.keys().any(|k| k.contains("ext encoder")));
    let noted = |key: &str| files[0].metadata.get(key).map(String::as_str);
    assert_eq!(noted("ss_network_dim"), Some("2"));
    assert_eq!(noted("ss_num_train_images"), Some("3"));
    let frequency = r#"{"data":{"a zorb cat":2,"a zorb cat on a wall":1}}"#;
    assert_eq!(noted("ss_tag_frequency"), Some(frequency));

    let model = Checkpoint::open(&kohya.model_folder).unwrap();
    let text = model.load_text(Kind::Float, Device::Cpu).unwrap();
    let config: UNetConfig = model.component_config("unet").unwrap();
    let params = model
        .component_params("unet", Kind::Float, Device::Cpu)
        .unwrap();
    let unet = UNet::new(&params.root(), &config).unwrap();
    let modules = Modules::of(&unet, &[text.encoder()]);
    let [a, b] = files.map(|file| Adapter::read(&file, &modules).unwrap());
    assert!(a.notes.is_empty() && b.notes.is_empty());
    assert_eq!(a.layers.len(), b.layers.len());
    for (place, layer) in &a.layers {
        let shape = modules
            .all()
            .iter()
            .find(|m| (m.component, &m.path) == (place.0, &place.1))
            .unwrap();
        let dense =
            |delta: &LayerDelta| delta.weight.as_ref().unwrap().dense(&shape.shape).unwrap();
        let (a, b) = (dense(layer), dense(&b.layers[place]));
        assert!(a.norm().double_value(&[]) > 0.0, "{place:?}");
        assert_eq!(a, b, "{place:?}");
    }
}

#[test]
fn pictures_of_the_class_are_made_once_and_made_anew_for_another() {
    let mut place = Place::new();
    let class = ClassPlan {
        prompt: "a cat".to_owned(),
        count: 2,
        weight: 1.0,
    };
    let request = PersonalRequest {
        class: Some(class.clone()),
        ..place.request("zorb")
    };
    place.train(&request, &place.schedule("work", 1)).unwrap();
    let picture = place.path("work/class/0001.png");
    let made = bytes(&picture);
    assert!(place.news.iter().any(|n| n.contains("2 pictures of")));
    let noted = AdapterFile::open(&request.out).unwrap().metadata;
    assert_eq!(noted["modelspec.trigger_phrase"], "zorb");
    assert_eq!(noted["ss_num_reg_images"], "2");
    place.news.clear();
    place.train(&request, &place.schedule("work", 2)).unwrap();
    assert!(!place.news.iter().any(|n| n.contains("pictures of")));
    let other = PersonalRequest {
        class: Some(ClassPlan {
            prompt: "a dog".to_owned(),
            ..class
        }),
        ..request
    };
    let said = place.train(&other, &place.schedule("work", 2));
    assert!(said.unwrap_err().to_string().contains("another class"));
    assert_ne!(bytes(&picture), made);
}

#[test]
fn what_cannot_be_learnt_from_is_told() {
    let mut place = Place::new();
    let schedule = place.schedule("work", 1);
    let uncaptioned = PersonalRequest {
        instance: None,
        ..place.request("zorb")
    };
    let said = place.train(&uncaptioned, &schedule).unwrap_err();
    assert!(said.to_string().contains("0.png: has no caption"), "{said}");
    // A caption in another encoding.
    std::fs::write(place.path("data/0.txt"), b"ein K\xe4fer").unwrap();
    let said = place.train(&uncaptioned, &schedule).unwrap_err();
    assert!(said.to_string().contains("not UTF-8"), "{said}");
    std::fs::remove_file(place.path("data/0.txt")).unwrap();
    // A hundred equal pictures, and some that are none.
    for at in 0..2 {
        std::fs::copy(
            place.path("data/2.png"),
            place.path(&format!("data/{at}.png")),
        )
        .ok();
    }
    std::fs::write(place.path("data/9.png"), "no picture").unwrap();
    place.train(&place.request("zorb"), &schedule).unwrap();
    let told = |part: &str| place.news.iter().any(|n| n.contains(part));
    assert!(told("all 3 pictures are the same"), "{:?}", place.news);
    assert!(told("9.png"), "{:?}", place.news);
}

/// A word alone or with keys and values, as `output` says.
fn with_word(
    place: &Place,
    name: &str,
    key_values: bool,
    output: PersonalOutput,
) -> PersonalRequest {
    PersonalRequest {
        output,
        learnt: Learnt {
            lora: None,
            key_values,
            word: Some(WordOptions {
                word: "zorb".to_owned(),
                vectors: 2,
                init: "cat".to_owned(),
            }),
        },
        ..place.request(name)
    }
}

#[test]
fn a_word_is_read_as_an_embedding_and_keeps_near_its_class() {
    let mut place = Place::new();
    let schedule = place.schedule("free", 6);
    let free = with_word(&place, "zorb", false, PersonalOutput::Word);
    place.train(&free, &schedule).unwrap();
    let embedding = Embedding::read(&free.out).unwrap();
    assert_eq!((embedding.count(), embedding.widths()), (2, vec![32]));
    let kept = PersonalRequest {
        semantic: Some(100.0),
        class: Some(ClassPlan {
            prompt: "a cat".to_owned(),
            count: 0,
            weight: 0.0,
        }),
        output: PersonalOutput::KohyaWord,
        ..with_word(&place, "kept", false, PersonalOutput::Word)
    };
    place.train(&kept, &place.schedule("kept", 6)).unwrap();
    let model = Checkpoint::open(&free.model_folder).unwrap();
    let mut text = model.load_text(Kind::Float, Device::Cpu).unwrap();
    let class = text.end_state_in_training("a cat").unwrap();
    let mut away = |path: &Path| {
        let vectors = Embedding::read(path).unwrap();
        let vectors = vectors.for_encoder(0, 32).unwrap().shallow_clone();
        text.set_added(&[("zorb".to_owned(), vec![vectors])])
            .unwrap();
        let own = text.end_state_in_training("a zorb cat").unwrap();
        let lengths = own.norm() * class.norm();
        1.0 - (own.dot(&class) / lengths).double_value(&[])
    };
    let (free_away, kept_away) = (away(&free.out), away(&kept.out));
    assert!(kept_away < 0.9 * free_away, "{kept_away} {free_away}");
    // Nothing of the text is trained, or a caption lacks the word.
    let refused = PersonalRequest {
        learnt: Learnt {
            key_values: true,
            ..Learnt::default()
        },
        ..kept
    };
    let said = place.train(&refused, &schedule).unwrap_err().to_string();
    assert!(said.starts_with("semantic-preservation: "), "{said}");
    std::fs::write(place.path("data/0.txt"), "a cat").unwrap();
    let said = place.train(&free, &schedule).unwrap_err().to_string();
    assert!(said.contains("does not have the word zorb"), "{said}");
}

#[test]
fn keys_and_values_are_written_whole_or_as_a_lora_with_their_word() {
    let mut place = Place::new();
    let whole = with_word(&place, "whole", true, PersonalOutput::Full);
    // No layer of the tiny model has a higher rank.
    let output = PersonalOutput::Lora(LoraFormat::Kohya, 64);
    let lora = with_word(&place, "lora", true, output);
    let schedule = place.schedule("work", 4);
    place.train(&whole, &schedule).unwrap();
    place.train(&lora, &schedule).unwrap();
    let model = Checkpoint::open(&whole.model_folder).unwrap();
    let text = model.load_text(Kind::Float, Device::Cpu).unwrap();
    let config: UNetConfig = model.component_config("unet").unwrap();
    let params = model
        .component_params("unet", Kind::Float, Device::Cpu)
        .unwrap();
    let unet = UNet::new(&params.root(), &config).unwrap();
    let modules = Modules::of(&unet, &[text.encoder()]);
    let [a, b] = [&whole.out, &lora.out].map(|path| {
        let file = AdapterFile::open(path).unwrap();
        let bundled = Embedding::bundled(&file).unwrap();
        assert_eq!(bundled[0].0, "zorb");
        Adapter::read(&file, &modules).unwrap()
    });
    assert!(!a.layers.is_empty() && a.layers.len() == b.layers.len());
    for (place, layer) in &a.layers {
        assert!(place.1.contains("attn2.to_k") || place.1.contains("attn2.to_v"));
        let mut all = modules.all().iter();
        let shape = &all.find(|m| m.path == place.1).unwrap().shape;
        let dense = |layer: &LayerDelta| layer.weight.as_ref().unwrap().dense(shape).unwrap();
        let (a, b) = (dense(layer), dense(&b.layers[place]));
        let far = (&a - &b).norm().double_value(&[]) / a.norm().double_value(&[]);
        assert!(far < 0.01, "{place:?} {far}");
    }
}

#[test]
fn steering_is_usual_guidance_at_one_and_leaves_nothing_behind() {
    let mut place = Place::new();
    let request = place.request("zorb");
    let schedule = Schedule {
        learning_rate: 0.1,
        ..place.schedule("work", 4)
    };
    place.train(&request, &schedule).unwrap();
    let mut renderer = Renderer::load(&request.model_folder, Dtype::F32, Device::Cpu).unwrap();
    let mut render = |steering: Option<f64>, guidance_scale: f64| {
        let mut recipe: Recipe = serde_json::from_value(serde_json::json!({
            "version": RECIPE_VERSION,
            "model": request.model,
            "prompt": "a zorb cat",
            "seed": 1,
            "width_px": 64,
            "height_px": 64,
            "steps": 3,
            "guidance_scale": guidance_scale,
            "sampler": "ddim",
            "dtype": "f32",
        }))
        .unwrap();
        recipe.adapters = vec![AdapterUse {
            path: Some(request.out.to_string_lossy().into_owned()),
            ..AdapterUse::new("zorb", 1.0)
        }];
        recipe.walk.steering = steering;
        let rendered = renderer.render(&recipe, &mut |_| Flow::Continue).unwrap();
        let latents: Vec<f32> = Vec::try_from(rendered.latents.reshape([-1])).unwrap();
        (latents, rendered.notes)
    };
    let (usual, _) = render(None, 4.0);
    let (half, _) = render(Some(0.5), 4.0);
    let (none, _) = render(Some(0.0), 4.0);
    let (whole, notes) = render(Some(1.0), 4.0);
    assert!(notes.is_empty(), "{notes:?}");
    let apart = |a: &[f32], b: &[f32]| {
        let pairs = a.iter().zip(b);
        pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
    };
    assert!(apart(&usual, &whole) < 1e-5);
    assert!(apart(&usual, &half) > 1e-3 && apart(&usual, &none) > apart(&usual, &half));
    assert_eq!(render(None, 4.0).0, usual);
    let (unguided, _) = render(None, 1.0);
    let (steered, notes) = render(Some(0.0), 1.0);
    assert_eq!(steered, unguided);
    assert!(
        notes[0].contains("does nothing without guidance"),
        "{notes:?}"
    );
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
