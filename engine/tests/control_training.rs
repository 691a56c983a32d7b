//! Whole trainings of controls on a tiny model: what is saved, stopped, resumed and refused.

#![allow(clippy::unwrap_used, reason = "clippy only knows test functions")]

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use vernier_engine::Result;
use vernier_engine::checkpoint::tiny;
use vernier_engine::control_training::{
    DirectionMethod, LearnedDirection, Schedule, TrainingEnd, TrainingNews, TrainingRequest,
    train_direction, train_slider,
};
use vernier_engine::controls::{Control, ControlFile, ControlKind};
use vernier_engine::device::{DeviceRequest, Dtype};
use vernier_engine::recipe::ModelRef;
use vernier_engine::train::direction::{DirectionOptions, LossSpace, PairTemplates};
use vernier_engine::train::slider::{SliderLayers, SliderOptions};

const OPTIONS: DirectionOptions = DirectionOptions {
    loss: LossSpace::X0,
    walks: 2,
    sampling_steps: 4,
    guidance_scale: 2.0,
    scales: 2,
    scale_range: (0.1, 1.0),
    seed: 3,
};

fn request(folder: &Path, out: &str) -> TrainingRequest {
    let model = folder.join("model");
    if !model.exists() {
        tiny::write_model(&model, 6).unwrap();
        std::fs::write(model.join("vernier.json"), r#"{"steps": 2}"#).unwrap();
    }
    let templates = PairTemplates {
        positive: vec!["an old {subject}".to_owned()],
        negative: vec!["a new {subject}".to_owned()],
        subjects: vec!["cat".to_owned(), "dog".to_owned()],
        ..PairTemplates::default()
    };
    TrainingRequest {
        name: "age".to_owned(),
        attribute: "age".to_owned(),
        subjects: templates.subjects.clone(),
        about: "From new to old".to_owned(),
        start: 0.2,
        command: "vernier train direction age".to_owned(),
        model: ModelRef::at(&model),
        model_folder: model,
        out: folder.join(out),
        pairs: templates.pairs().unwrap(),
        device: DeviceRequest::Cpu,
        dtype: Dtype::F32,
    }
}

fn schedule(folder: &Path, work: &str, steps: u64) -> Schedule {
    Schedule {
        steps,
        workers: Some(1),
        learning_rate: 0.1,
        decay: 0.0,
        betas: (0.9, 0.99),
        weight_decay: 0.0,
        work: folder.join(work),
        strip_every: None,
        report_every: Duration::from_secs(15),
    }
}

fn learned(schedule: Schedule, from_difference: bool) -> DirectionMethod {
    DirectionMethod::Learned(LearnedDirection {
        options: OPTIONS,
        from_difference,
        schedule,
    })
}

fn train(request: &TrainingRequest, method: &DirectionMethod) -> Result<TrainingEnd> {
    train_direction(request, method, Arc::default(), &mut |_| {})
}

fn delta(path: &Path) -> Vec<f32> {
    let file = ControlFile::open(path).unwrap();
    Vec::try_from(file.tensor("text_encoder.delta").unwrap()).unwrap()
}

#[test]
fn a_direction_of_either_method_is_a_control_that_says_how_it_was_made() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path();
    let difference = request(place, "own/difference.safetensors");
    train(&difference, &DirectionMethod::Difference).unwrap();
    let file = ControlFile::open(&difference.out).unwrap();
    assert_eq!(file.info.method, "clip_difference");
    assert_eq!(file.info.subjects, ["cat", "dog"]);
    assert_eq!(file.info.model.hash.len(), 64);
    assert!(matches!(
        Control::read(&file).unwrap(),
        Control::Direction(_)
    ));

    // No step at all leaves the start as it is.
    let mut still = schedule(place, "work", 1);
    still.learning_rate = 0.0;
    let begun = request(place, "own/begun.safetensors");
    train(&begun, &learned(still, true)).unwrap();
    assert_eq!(delta(&begun.out), delta(&difference.out));

    let zero = request(place, "own/zero.safetensors");
    train(&zero, &learned(schedule(place, "zero", 4), false)).unwrap();
    let info = ControlFile::open(&zero.out).unwrap().info;
    assert_eq!(
        (info.kind, info.method.as_str()),
        (ControlKind::Direction, "learned")
    );
    assert_eq!(info.settings["training"]["loss"], "x0");
    assert_eq!(info.settings["training"]["steps"], 4);
    assert!(delta(&zero.out).iter().any(|x| x.abs() > 0.05));
}

#[test]
fn a_training_that_was_stopped_goes_on_and_ends_as_if_it_had_not_been() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path();
    let straight = request(place, "straight.safetensors");
    train(&straight, &learned(schedule(place, "a", 6), false)).unwrap();

    let twice = request(place, "twice.safetensors");
    train(&twice, &learned(schedule(place, "b", 3), false)).unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    stop.store(true, Ordering::Relaxed);
    let method = learned(schedule(place, "b", 6), false);
    let end = train_direction(&twice, &method, stop, &mut |_| {}).unwrap();
    assert!(
        matches!(
            end,
            TrainingEnd::Stopped {
                step: 3,
                total_steps: 6
            }
        ),
        "{end:?}"
    );
    train(&twice, &method).unwrap();
    for (a, b) in delta(&straight.out).iter().zip(delta(&twice.out)) {
        assert!((a - b).abs() < 1e-3, "{a} {b}");
    }

    // The same folder is not for another training.
    let mut other = request(place, "other.safetensors");
    other.pairs.truncate(1);
    let error = train(&other, &learned(schedule(place, "b", 6), false)).unwrap_err();
    assert!(
        error.is_usage() && error.to_string().contains("another prompts;"),
        "{error}"
    );
}

#[test]
fn strips_are_shown_while_it_trains() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path();
    let mut often = schedule(place, "work", 2);
    often.strip_every = Some(Duration::ZERO);
    let mut strips = Vec::new();
    let request = request(place, "age.safetensors");
    train_direction(
        &request,
        &learned(often, false),
        Arc::default(),
        &mut |news| {
            if let TrainingNews::Strip { path, .. } = news {
                strips.push(path);
            }
        },
    )
    .unwrap();
    assert_eq!(strips.len(), 2);
    let strip = image::open(&strips[1]).unwrap().into_rgb8();
    // Five strengths of two prompts, each 64 pixels square.
    assert_eq!(strip.dimensions(), (5 * 64, 2 * 64));
    let tile = |x: u32| image::imageops::crop_imm(&strip, x * 64, 0, 64, 64).to_image();
    assert_ne!(tile(0), tile(4));
}

#[test]
fn a_slider_is_trained_and_fits_its_model() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path();
    let options = SliderOptions {
        layers: SliderLayers::NoXattn,
        rank: 2,
        alpha: 1.0,
        eta: 2.0,
        walks: 2,
        sampling_steps: 4,
        guidance_scale: 2.0,
        seed: 1,
    };
    let request = request(place, "slider.safetensors");
    let mut schedule = schedule(place, "slider", 3);
    schedule.strip_every = Some(Duration::ZERO);
    let mut notes = Vec::new();
    let mut strips = 0;
    let preserved = ["red".to_owned()];
    train_slider(
        &request,
        &options,
        &preserved,
        &schedule,
        Arc::default(),
        &mut |news| match news {
            TrainingNews::Note(text) => notes.push(text),
            TrainingNews::Strip { .. } => strips += 1,
            _ => {}
        },
    )
    .unwrap();
    assert_eq!(strips, 3, "{notes:?}");
    let file = ControlFile::open(&request.out).unwrap();
    assert_eq!(file.info.settings["training"]["layers"], "noxattn");
    let Control::Slider(slider) = Control::read(&file).unwrap() else {
        panic!("{:?}", file.info.kind);
    };
    assert!(
        slider
            .layers()
            .iter()
            .all(|layer| !layer.path.contains("attn2"))
    );
    let moved = slider
        .layers()
        .iter()
        .filter(|layer| layer.up.norm().double_value(&[]) > 0.0);
    assert_eq!(moved.count(), slider.layers().len());
}
