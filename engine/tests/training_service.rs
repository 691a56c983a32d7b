//! Trainings and readings beside renders, on a tiny model.

#![allow(
    clippy::unwrap_used,
    reason = "test support: clippy only knows test functions"
)]

mod service_common;

use std::path::Path;
use std::time::{Duration, Instant};

use image::{Rgb, RgbImage};
use service_common::{PATIENCE, options, recipe};
use vernier_engine::checkpoint::tiny;
use vernier_engine::control_training::{
    DirectionPlan, Places, PromptPlan, TrainingMethod, TrainingNews, TrainingPlan, TrainingTask,
    saved_step,
};
use vernier_engine::measure::Quantity;
use vernier_engine::service::{Command, Event, JobId, ReadRequest, ReadWhat, Service};

/// A model in `folder`, and a training of so many steps beside it.
fn task(folder: &Path, steps: u64) -> TrainingTask {
    let model = folder.join("model");
    if !model.exists() {
        tiny::write_model(&model, 6).unwrap();
        std::fs::write(model.join("vernier.json"), r#"{"steps": 2}"#).unwrap();
    }
    let method = TrainingMethod::Direction(DirectionPlan {
        prompts: PromptPlan {
            positive: vec!["an old {subject}".to_owned()],
            negative: vec!["a new {subject}".to_owned()],
            subjects: vec!["cat".to_owned()],
            strip_every_min: 1e-9,
            ..PromptPlan::default()
        },
        ..DirectionPlan::default()
    });
    let plan = TrainingPlan {
        model: Some(model.clone()),
        device: "cpu".to_owned(),
        workers: Some(1),
        steps,
        ..TrainingPlan::new("age", method)
    };
    let places = Places {
        embedded_model: model,
        own_controls: Some(folder.join("controls")),
        work: Some(folder.join("work")),
        command: None,
        report_every: Duration::ZERO,
    };
    plan.task(&places).unwrap()
}

fn next(service: &Service) -> Event {
    service.events().recv_timeout(PATIENCE).unwrap()
}

#[test]
fn a_training_goes_on_beside_a_render_and_a_cancel_keeps_its_state() {
    let folder = tempfile::tempdir().unwrap();
    let endless = task(folder.path(), 1_000_000);
    let service = Service::spawn().unwrap();
    let job = JobId(1);
    service.send(Command::Train {
        job,
        task: Box::new(endless.clone()),
    });
    let (mut strips, mut reports) = (0, 0);
    while strips == 0 || reports < 3 {
        match next(&service) {
            Event::Strip { picture, .. } => {
                assert_eq!(picture.width_px, 5 * 64);
                strips += 1;
            }
            Event::Training {
                news: TrainingNews::Progress(report),
                ..
            } => {
                assert!(report.latest.iter().any(|(name, _)| *name == "loss"));
                reports += 1;
            }
            Event::Failed { message, .. } => panic!("{message}"),
            _ => {}
        }
    }
    // A picture is made while the training has not ended.
    service.send(Command::Render {
        job: JobId(2),
        recipes: vec![recipe(&folder.path().join("model"))],
        options: options(),
    });
    loop {
        match next(&service) {
            Event::Finished { job } => {
                assert_eq!(job, JobId(2));
                break;
            }
            Event::Failed { message, .. } => panic!("{message}"),
            _ => {}
        }
    }
    let asked = Instant::now();
    service.send(Command::Cancel(job));
    let mut stopped = None;
    loop {
        match next(&service) {
            Event::TrainingStopped { step, .. } => stopped = Some(step),
            Event::Cancelled { job: ended } if ended == job => break,
            _ => {}
        }
    }
    println!("stopped after {:?}", asked.elapsed());
    assert!(stopped.unwrap() >= 3);
    assert_eq!(saved_step(endless.work()), stopped);

    // The same task with its end in sight goes on, and makes the control.
    let short = task(folder.path(), stopped.unwrap() + 1);
    service.send(Command::Train {
        job: JobId(3),
        task: Box::new(short),
    });
    let mut saved = None;
    loop {
        match next(&service) {
            Event::Trained { saved: path, .. } => saved = Some(path),
            Event::Finished { .. } => break,
            Event::Failed { message, .. } => panic!("{message}"),
            _ => {}
        }
    }
    assert!(saved.unwrap().ends_with("controls/age.safetensors"));
}

#[test]
fn what_waits_behind_a_training_can_be_taken_back_and_all_ends_with_the_service() {
    let folder = tempfile::tempdir().unwrap();
    let endless = task(folder.path(), 1_000_000);
    let service = Service::spawn().unwrap();
    for job in [1, 2] {
        service.send(Command::Train {
            job: JobId(job),
            task: Box::new(endless.clone()),
        });
    }
    while !matches!(next(&service), Event::Training { .. }) {}
    service.send(Command::Cancel(JobId(2)));
    while !matches!(next(&service), Event::Cancelled { job: JobId(2) }) {}
    drop(service);
    assert!(saved_step(endless.work()).is_some());
}

#[test]
fn numbers_are_read_from_pictures_and_those_that_are_none_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("model");
    tiny::write_model(&model, 6).unwrap();
    let mut pictures = Vec::new();
    for level in [0_u8, 51, 102] {
        let path = folder.path().join(format!("{level}.png"));
        RgbImage::from_pixel(20, 30, Rgb([level; 3]))
            .save(&path)
            .unwrap();
        pictures.push(path);
    }
    std::fs::write(folder.path().join("x.png"), "no picture").unwrap();
    pictures.insert(1, folder.path().join("x.png"));
    let service = Service::spawn().unwrap();
    let ask = |what: ReadWhat| {
        service.send(Command::ReadPictures {
            job: JobId(1),
            request: ReadRequest {
                pictures: pictures.clone(),
                what,
                model: Some(model.clone()),
            },
            options: options(),
        });
    };
    ask(ReadWhat::Quantity(Quantity::Brightness));
    let mut all = Vec::new();
    loop {
        match next(&service) {
            Event::Readings {
                first, readings, ..
            } => {
                assert_eq!(first, all.len());
                all.extend(readings);
            }
            Event::Finished { .. } => break,
            Event::Failed { message, .. } => panic!("{message}"),
            _ => {}
        }
    }
    assert_eq!((all[0].clone(), all[3].clone()), (Ok(0.0), Ok(0.4)));
    assert!(all[1].as_ref().unwrap_err().contains("x.png"));

    // The tiny model brings no meter, and that is said.
    ask(ReadWhat::Attribute("smile".to_owned()));
    loop {
        match next(&service) {
            Event::Failed { message, .. } => {
                assert!(message.contains("no folder \"meter\""), "{message}");
                break;
            }
            Event::Finished { .. } => panic!("read"),
            _ => {}
        }
    }
}
