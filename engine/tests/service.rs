//! The engine thread with a tiny model: queue, progress, cancel, failures, one loaded model.

#![allow(clippy::unwrap_used, reason = "clippy only knows test functions")]

mod service_common;

use service_common::{PATIENCE, recipe};
use vernier_engine::checkpoint::tiny;
use vernier_engine::recipe::Recipe;
use vernier_engine::service::{Command, Event, JobId, RenderOptions, Service};

fn ask(service: &Service, job: u64, recipes: Vec<Recipe>) {
    service.send(Command::Render {
        job: JobId(job),
        recipes,
        options: options(),
    });
}

#[test]
fn a_coarse_preview_comes_before_the_picture_and_does_not_change_it() {
    let folder = tempfile::tempdir().unwrap();
    tiny::write_model(folder.path(), 1).unwrap();
    let service = Service::spawn().unwrap();
    let mut recipe = recipe(folder.path());
    recipe.steps = 12;
    ask(&service, 1, vec![recipe.clone()]);
    let plain = pixels(&until_end(&service));
    service.send(Command::Render {
        job: JobId(2),
        recipes: vec![recipe],
        options: RenderOptions {
            coarse_first: true,
            ..options()
        },
    });
    let events = until_end(&service);
    assert_eq!(pixels(&events), plain);
    let at = |wanted: fn(&Event) -> bool| events.iter().position(wanted).unwrap();
    let preview = at(|e| matches!(e, Event::Preview { steps: 4, .. }));
    assert!(preview < at(|e| matches!(e, Event::Progress { .. })));
}

#[test]
fn latents_are_shown_on_their_way_and_do_not_change_the_picture() {
    let folder = tempfile::tempdir().unwrap();
    tiny::write_model(folder.path(), 1).unwrap();
    let colors = r#"{ "latent_rgb": { "factors": [[1,0,0,0],[0,1,0,0],[0,0,1,0]], "bias": [0.5,0.5,0.5] } }"#;
    std::fs::write(folder.path().join("vernier.json"), colors).unwrap();
    let service = Service::spawn().unwrap();
    for sampler in ["ddim", "euler", "kdpm2", "dpmpp_2m_karras"] {
        let mut recipe = recipe(folder.path());
        recipe.steps = 6;
        recipe.sampler = sampler.to_owned();
        ask(&service, 1, vec![recipe.clone()]);
        let plain = until_end(&service);
        let shown = |e: &&Event| matches!(e, Event::Latents { .. });
        assert_eq!(plain.iter().filter(shown).count(), 0);
        service.send(Command::Render {
            job: JobId(2),
            recipes: vec![recipe],
            options: RenderOptions {
                preview_every: Some(2),
                ..options()
            },
        });
        let events = until_end(&service);
        assert_eq!(pixels(&events), pixels(&plain), "{sampler}");
        let mut steps = Vec::new();
        let mut last = None;
        for event in &events {
            if let Event::Latents {
                step,
                latents,
                rgb,
                pixels_per_cell,
                ..
            } = event
            {
                assert_eq!(latents.shape[0], 4);
                assert_eq!(latents.shape[2] as u32 * pixels_per_cell, 64);
                assert_eq!(rgb.channels(), Some(4));
                steps.push(*step);
                last = Some(latents);
            }
        }
        assert!(steps.starts_with(&[2, 4, 6]), "{sampler}: {steps:?}");
        let end = events.iter().find_map(|event| match event {
            Event::Picture { latents, .. } => latents.as_ref(),
            _ => None,
        });
        // The last call predicts what the sampler ends with, or nearly so.
        let (last, end) = (last.unwrap(), end.unwrap());
        let apart = last
            .values
            .iter()
            .zip(&end.values)
            .map(|(a, b)| (a - b).abs());
        let apart = apart.sum::<f32>() / end.values.len() as f32;
        println!("{sampler}: {apart} apart");
        assert!(apart < 0.05, "{sampler}: {apart}");
    }
}

fn options() -> RenderOptions {
    RenderOptions {
        want_latents: true,
        ..service_common::options()
    }
}

fn is_end(event: &Event) -> bool {
    matches!(
        event,
        Event::Finished { .. } | Event::Failed { .. } | Event::Cancelled { .. }
    )
}

/// All events up to the next end of a job.
fn until_end(service: &Service) -> Vec<Event> {
    let mut events = Vec::new();
    loop {
        let event = service.events().recv_timeout(PATIENCE).unwrap();
        events.push(event);
        if events.last().is_some_and(is_end) {
            return events;
        }
    }
}

fn pixels(events: &[Event]) -> Vec<Vec<u8>> {
    let picture = |event: &Event| match event {
        Event::Picture { picture, .. } => Some(picture.rgb.clone()),
        _ => None,
    };
    events.iter().filter_map(picture).collect()
}

fn loads(events: &[Event]) -> usize {
    let is_load = |e: &&Event| matches!(e, Event::ModelLoaded { .. });
    events.iter().filter(is_load).count()
}

#[test]
fn jobs_run_in_order_on_one_loaded_model() {
    let folder = tempfile::tempdir().unwrap();
    tiny::write_model(folder.path(), 1).unwrap();
    let service = Service::spawn().unwrap();
    let mut second = recipe(folder.path());
    second.seed = u64::MAX;
    second.prompt = "another cat ".repeat(60);
    ask(&service, 1, vec![recipe(folder.path()), second.clone()]);
    ask(&service, 2, vec![second]);

    let first = until_end(&service);
    assert_eq!(first.last(), Some(&Event::Finished { job: JobId(1) }));
    assert_eq!(loads(&first), 1);
    let steps: Vec<(usize, usize, usize)> = first
        .iter()
        .filter_map(|event| match event {
            Event::Progress {
                picture,
                step,
                steps,
                its_per_sec,
                eta_secs,
                ..
            } => {
                assert!(*its_per_sec > 0.0 && eta_secs.is_some());
                Some((*picture, *step, *steps))
            }
            _ => None,
        })
        .collect();
    let expected: Vec<_> = (0..2)
        .flat_map(|p| (1..=3).map(move |s| (p, s, 3)))
        .collect();
    assert_eq!(steps, expected);
    let made = first.iter().find_map(|event| match event {
        Event::Picture {
            recipe, latents, ..
        } => Some((recipe.clone(), latents.clone())),
        _ => None,
    });
    let (made, latents) = made.unwrap();
    assert_eq!(made.model.hash.len(), 64, "the hash is resolved");
    assert_eq!(latents.unwrap().shape, [4, 8, 8]);

    // The picture that was second in its batch comes out the same on its own.
    let alone = until_end(&service);
    assert_eq!(loads(&alone), 0, "the model is still there");
    assert_eq!(pixels(&alone), [pixels(&first)[1].clone()]);
    assert_ne!(pixels(&first)[0], pixels(&first)[1]);
}

#[test]
fn a_running_and_a_waiting_job_can_be_cancelled() {
    let folder = tempfile::tempdir().unwrap();
    tiny::write_model(folder.path(), 1).unwrap();
    let service = Service::spawn().unwrap();
    let mut long = recipe(folder.path());
    long.steps = 900;
    ask(&service, 1, vec![long.clone()]);
    ask(&service, 2, vec![long]);
    ask(&service, 3, vec![recipe(folder.path())]);
    service.send(Command::Cancel(JobId(2)));
    let mut events = Vec::new();
    while events.iter().filter(|e| is_end(e)).count() < 3 {
        let event = service.events().recv_timeout(PATIENCE).unwrap();
        // As soon as the first job computes.
        if matches!(
            event,
            Event::Progress {
                job: JobId(1),
                step: 1,
                ..
            }
        ) {
            service.send(Command::Cancel(JobId(1)));
        }
        events.push(event);
    }
    for job in [1, 2] {
        let cancelled = Event::Cancelled { job: JobId(job) };
        assert!(events.contains(&cancelled), "{job}");
    }
    assert_eq!(events.last(), Some(&Event::Finished { job: JobId(3) }));
    assert_eq!(pixels(&events).len(), 1);
}

#[test]
fn failures_are_sentences_and_the_thread_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    tiny::write_model(folder.path(), 1).unwrap();
    let service = Service::spawn().unwrap();
    let mut bad_size = recipe(folder.path());
    bad_size.height_px = 65;
    let mut half = recipe(folder.path());
    half.dtype = "f16".to_owned();
    let absent = recipe(&folder.path().join("absent"));
    let cases = [
        (bad_size, "height_px: 65", true),
        (half, "dtype: f16", true),
        (absent, "absent", true),
    ];
    for (job, (recipe, said, usage)) in cases.into_iter().enumerate() {
        ask(&service, job as u64, vec![recipe]);
        let events = until_end(&service);
        let Some(Event::Failed {
            message, is_usage, ..
        }) = events.last()
        else {
            panic!("{events:?}");
        };
        assert!(message.contains(said), "{message}");
        assert_eq!(*is_usage, usage, "{message}");
        assert!(pixels(&events).is_empty());
    }
    // Guidance this large overflows fp32 after a few steps.
    let mut wild = recipe(folder.path());
    wild.guidance_scale = 1e38;
    wild.steps = 20;
    ask(&service, 8, vec![wild]);
    let events = until_end(&service);
    let Some(Event::Failed { message, .. }) = events.last() else {
        panic!("{events:?}");
    };
    assert!(message.contains("finite"), "{message}");

    ask(&service, 9, vec![recipe(folder.path())]);
    assert_eq!(pixels(&until_end(&service)).len(), 1);
}

#[test]
fn a_model_that_changes_on_disk_is_loaded_again() {
    let folder = tempfile::tempdir().unwrap();
    tiny::write_model(folder.path(), 1).unwrap();
    let service = Service::spawn().unwrap();
    ask(&service, 1, vec![recipe(folder.path())]);
    let before = until_end(&service);
    tiny::write_model(folder.path(), 2).unwrap();
    ask(&service, 2, vec![recipe(folder.path())]);
    let after = until_end(&service);
    assert_eq!(loads(&after), 1);
    assert_ne!(pixels(&before), pixels(&after));
}
