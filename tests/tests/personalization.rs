//! A subject that no caption has ever named, learnt by the embedded model from six pictures.

#![allow(clippy::unwrap_used, reason = "clippy only knows test functions")]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use tch::Device;
use vernier_engine::adapters::LoraFormat;
use vernier_engine::control_training::{Schedule, TrainingNews};
use vernier_engine::device::{DeviceRequest, Dtype};
use vernier_engine::measure::AttributeMeter;
use vernier_engine::personalization::{PersonalOutput, PersonalRequest, personalize};
use vernier_engine::recipe::{AdapterUse, ModelRef};
use vernier_engine::render::Renderer;
use vernier_engine::train::personal::{Learnt, LoraLayers, LoraOptions};
use vernier_miniature::evaluate::SubjectMeter;
use vernier_miniature::sheet::{Extras, Sampling};
use vernier_miniature::subject::NamedSubject;
use vernier_world::Kind;

/// Steps of the training; with them it takes some ten seconds on two cores.
const STEPS: u64 = 40;

fn miniature() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../assets/miniature")
}

fn zorb() -> NamedSubject {
    NamedSubject {
        word: "zorb".to_owned(),
        seed: 1,
        kind: Kind::Man,
    }
}

/// Trains a LoRA of the subject into `folder`; its path, and the mean loss of the first and of the
/// last quarter of the steps.
fn train(folder: &Path) -> (PathBuf, f64, f64) {
    zorb().export(&folder.join("data"), 6).unwrap();
    let request = PersonalRequest {
        name: "zorb".to_owned(),
        command: "vernier train lora".to_owned(),
        model: ModelRef::embedded(),
        model_folder: miniature(),
        out: folder.join("zorb.safetensors"),
        output: PersonalOutput::Lora(LoraFormat::Kohya, 8),
        data: folder.join("data"),
        instance: None,
        class: None,
        learnt: Learnt {
            lora: Some(LoraOptions {
                layers: LoraLayers::Attention,
                rank: 8,
                alpha: 8.0,
                text_encoder: false,
                up_only: false,
            }),
            ..Learnt::default()
        },
        semantic: None,
        batch: 3,
        accumulate: 1,
        caption_dropout: 0.0,
        ema_decay: 0.9,
        sample_prompts: Vec::new(),
        seed: 1,
        device: DeviceRequest::Cpu,
        dtype: Dtype::F32,
        must_resume: false,
    };
    let schedule = Schedule {
        steps: STEPS,
        workers: Some(2),
        learning_rate: 4e-3,
        decay: 0.5,
        betas: (0.9, 0.99),
        weight_decay: 0.01,
        work: folder.join("work"),
        strip_every: None,
        report_every: Duration::ZERO,
    };
    let mut losses = Vec::new();
    let stop = Arc::new(AtomicBool::new(false));
    personalize(&request, &schedule, stop, &mut |news| {
        if let TrainingNews::Progress(report) = news {
            losses.push(report.latest[0].1);
        }
    })
    .unwrap();
    assert_eq!(losses.len() as u64, STEPS);
    let mean = |part: &[f64]| part.iter().sum::<f64>() / part.len() as f64;
    let quarter = losses.len() / 4;
    let first = mean(&losses[..quarter]);
    let last = mean(&losses[losses.len() - quarter..]);
    (request.out, first, last)
}

#[test]
fn a_lora_moves_the_named_subject_towards_its_pictures() {
    let folder = tempfile::tempdir().unwrap();
    let (file, first, last) = train(folder.path());
    // Timesteps are spread evenly over every step, so that means of a quarter hardly depend on
    // chance.
    eprintln!("loss {first:.4} to {last:.4}");
    assert!(last < 0.95 * first, "{first} {last}");

    let meter = AttributeMeter::open(&miniature().join("meter"), Device::Cpu).unwrap();
    let meter = SubjectMeter::new(meter, Device::Cpu);
    let mut renderer = Renderer::load(&miniature(), Dtype::F32, Device::Cpu).unwrap();
    let sampling = Sampling {
        steps: 6,
        guidance: 3.0,
    };
    let with = Extras {
        adapters: vec![AdapterUse {
            path: Some(file.to_string_lossy().into_owned()),
            ..AdapterUse::new("zorb", 1.0)
        }],
        ..Extras::default()
    };
    let zorb = zorb();
    let mut likeness = |extras: &Extras| {
        let mut sum = 0.0;
        for at in 0..3 {
            let (scene, caption) = zorb.scene(at);
            let picture = sampling.render_with(&mut renderer, &caption, at, extras, || false);
            sum += meter.likeness(&scene, &picture.unwrap()).unwrap();
        }
        sum / 3.0
    };
    let (without, with) = (likeness(&Extras::default()), likeness(&with));
    eprintln!("likeness {without:.3} to {with:.3}");
    assert!(with > without + 0.1, "{without} {with}");
}
