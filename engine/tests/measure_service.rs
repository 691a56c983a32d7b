//! Measuring jobs of the engine thread: a tiny model whose pictures CLIP reads.

#![allow(clippy::unwrap_used, reason = "clippy only knows test functions")]

mod service_common;

use std::path::{Path, PathBuf};

use service_common::{PATIENCE, options, recipe};
use tch::{Device, Kind, Tensor};
use vernier_engine::checkpoint::{MeterOptions, tiny};
use vernier_engine::controls::{ControlFile, ControlInfo, ControlKind, ControlLibrary, Direction};
use vernier_engine::measure::{ClipAttribute, TextPair};
use vernier_engine::recipe::Recipe;
use vernier_engine::service::{
    CacheOptions, Command, Event, JobId, MeasureRequest, MeasureTask, Measured, PromptChoice,
    RenderOptions, Service, SweepTask, WordsTask,
};

/// Width of the tiny model's text encoder.
const TEXT_WIDTH: i64 = 32;

struct Studio {
    folder: tempfile::TempDir,
    service: Service,
}

impl Studio {
    fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        tiny::write_model(&folder.path().join("model"), 3).unwrap();
        let mut info = ControlInfo::new("cheer", ControlKind::Direction, vec!["cheer".to_owned()]);
        info.subjects = vec!["cat".to_owned(), "dog".to_owned()];
        let delta = Tensor::ones([TEXT_WIDTH], (Kind::Float, Device::Cpu));
        let path = folder.path().join("cheer.safetensors");
        ControlFile::save(&path, &info, &Direction::new(vec![delta]).named()).unwrap();
        Self {
            folder,
            service: Service::spawn().unwrap(),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn request(&self, task: MeasureTask) -> MeasureRequest {
        let base = Recipe {
            prompt: String::new(),
            seed: 1,
            steps: 2,
            ..recipe(&self.path("model"))
        };
        MeasureRequest {
            base,
            task,
            prompts: PromptChoice::Neutral {
                count: 2,
                nouns: Vec::new(),
            },
            seeds: vec![1, 2],
            cache: None,
        }
    }

    fn start(&self, request: MeasureRequest, texts: bool) {
        let clip = Path::new(env!("CARGO_MANIFEST_DIR")).join("../assets/miniature/clip");
        let cheer = ClipAttribute {
            name: "cheer".to_owned(),
            of_subject: true,
            texts: TextPair::new("a cat on a beach", "a man in a room"),
        };
        self.service.send(Command::Measure {
            job: JobId(1),
            request: Box::new(request),
            options: RenderOptions {
                controls: ControlLibrary::new(vec![self.folder.path().to_owned()]),
                meter: MeterOptions {
                    clip: Some(clip),
                    attributes: if texts { vec![cheer] } else { Vec::new() },
                    cache: None,
                },
                ..options()
            },
        });
    }

    fn until_end(&self) -> Vec<Event> {
        let mut events = Vec::new();
        loop {
            let event = self.service.events().recv_timeout(PATIENCE).unwrap();
            let end = matches!(
                event,
                Event::Finished { .. } | Event::Failed { .. } | Event::Cancelled { .. }
            );
            events.push(event);
            if end {
                return events;
            }
        }
    }

    fn refusal(&self, request: MeasureRequest, texts: bool) -> String {
        self.start(request, texts);
        match self.until_end().pop().unwrap() {
            Event::Failed {
                message, is_usage, ..
            } => {
                assert!(is_usage, "{message}");
                message
            }
            other => panic!("{other:?}"),
        }
    }
}

fn sweep(control: &str) -> MeasureTask {
    MeasureTask::Sweep(SweepTask {
        control: control.parse().unwrap(),
        settings: vec![-4.0, 0.0, 4.0],
    })
}

fn measured(events: &[Event]) -> &Measured {
    let mut found = events.iter().filter_map(|event| match event {
        Event::Measured { measured, .. } => Some(measured),
        _ => None,
    });
    found.next().unwrap()
}

#[test]
fn a_sweep_is_made_read_and_drawn() {
    let studio = Studio::open();
    studio.start(studio.request(sweep("cheer~1")), true);
    let events = studio.until_end();
    assert!(
        matches!(events.last(), Some(Event::Finished { .. })),
        "{events:?}"
    );
    let Measured::Sweep { sweep, page } = measured(&events) else {
        panic!("it was a sweep")
    };
    assert_eq!(sweep.readings.len(), 2 * 2 * 4);
    assert_eq!(
        (sweep.meter.as_str(), sweep.model_hash.len()),
        ("CLIP, zero-shot", 64)
    );
    assert!(sweep.prompts.iter().all(|p| p.subject.is_some()));
    // The pictures differ, and so do their readings.
    let (zero, rest) = sweep.rows().next().unwrap();
    assert!((rest[0].target - zero.target).abs() > 1e-6 && rest[0].ssim < 1.0);
    assert_eq!(rest[1].target.to_bits(), zero.target.to_bits());
    assert!(rest[0].others.contains_key("brightness") && rest[0].distance.unwrap() > 0.0);
    assert!(page.width_px > 1000);
    let last = events.iter().rev().find_map(|event| match event {
        Event::Progress {
            picture, pictures, ..
        } => Some((*picture, *pictures)),
        _ => None,
    });
    assert_eq!(last, Some((11, 12)));
}

#[test]
fn a_measurement_stops_within_a_step_and_writes_nothing() {
    let calibration = MeasureTask::Calibrate {
        control: "cheer~1".parse().unwrap(),
        out: None,
    };
    for task in [sweep("cheer~1"), calibration] {
        let studio = Studio::open();
        let control = std::fs::read(studio.path("cheer.safetensors")).unwrap();
        let mut request = studio.request(task);
        request.seeds = (0..500).collect();
        studio.start(request, true);
        let mut steps_after = 0;
        let mut cancelled = false;
        loop {
            match studio.service.events().recv_timeout(PATIENCE).unwrap() {
                Event::Progress { .. } if cancelled => steps_after += 1,
                Event::Progress { .. } => {
                    studio.service.send(Command::Cancel(JobId(1)));
                    cancelled = true;
                }
                Event::Cancelled { .. } => break,
                Event::Finished { .. } | Event::Failed { .. } => panic!("it was to be cancelled"),
                _ => {}
            }
        }
        // Those that were on their way when the cancel was sent.
        assert!(steps_after < 100, "{steps_after}");
        assert_eq!(
            std::fs::read(studio.path("cheer.safetensors")).unwrap(),
            control
        );
        let files = std::fs::read_dir(studio.folder.path()).unwrap().count();
        assert_eq!(files, 2, "the model and the control");
    }
}

#[test]
fn what_cannot_be_measured_gets_a_sentence() {
    let studio = Studio::open();
    let said = studio.refusal(studio.request(sweep("frown~1")), true);
    assert!(said.contains("there are cheer"), "{said}");
    let said = studio.refusal(studio.request(sweep("cheer~1")), false);
    assert!(
        said.contains("the meter does not read it; it reads age"),
        "{said}"
    );
    let mut own = studio.request(sweep("cheer@dog~1"));
    for (text, expected) in [
        ("a cat", "\"dog\" is not in the prompt \"a cat\""),
        ("a dog by a dog", "stands 2 times"),
        (" \n", "there is none"),
    ] {
        own.prompts = PromptChoice::Own(text.to_owned());
        let said = studio.refusal(own.clone(), true);
        assert!(said.contains(expected), "{said}");
    }
    let mut cache = studio.request(sweep("cheer~1"));
    cache.cache = Some(CacheOptions {
        path: studio.path("cache.safetensors"),
        shots: 2,
    });
    let said = studio.refusal(cache, false);
    assert!(said.contains("--texts"), "{said}");
    let alone = MeasureTask::Interference {
        controls: vec!["cheer@cat~1".parse().unwrap()],
    };
    let said = studio.refusal(studio.request(alone), true);
    assert!(said.contains("two controls or more"), "{said}");
}

#[test]
fn words_are_swept_in_a_controls_place() {
    let studio = Studio::open();
    let words = |subjects: &[&str]| {
        MeasureTask::Words(WordsTask {
            attribute: "cheer".to_owned(),
            subjects: subjects.iter().map(|&s| s.to_owned()).collect(),
            wordings: ["a cat and", "a", "a cat and a cat and"]
                .map(|words| format!("{words} {{subject}}"))
                .into(),
        })
    };
    let mut request = studio.request(words(&[]));
    request.prompts = PromptChoice::Neutral {
        count: 2,
        nouns: vec!["dog".to_owned()],
    };
    let said = studio.refusal(request, true);
    assert!(said.contains("say whom"), "{said}");
    studio.start(studio.request(words(&["dog"])), true);
    let events = studio.until_end();
    let Measured::Sweep { sweep, .. } = measured(&events) else {
        panic!("it was a sweep")
    };
    assert_eq!((sweep.settings[0], sweep.settings[2]), (-1.0, 1.0));
    assert_eq!(sweep.model_hash.len(), 64);
    let (zero, rest) = sweep.rows().next().unwrap();
    // The bare wording is the prompt itself, the others are other pictures.
    assert_eq!(rest[1].target.to_bits(), zero.target.to_bits());
    assert!((rest[0].target - zero.target).abs() > 1e-6);
    assert!((rest[2].target - rest[0].target).abs() > 1e-6);
}

#[test]
fn a_calibration_goes_into_the_file_that_was_asked_for() {
    let studio = Studio::open();
    // What pushes along CLIP's own gradient surely moves what CLIP reads.
    let info = ControlInfo::new("push", ControlKind::Guidance, vec!["cheer".to_owned()]);
    let own = studio.path("push.safetensors");
    let nothing: [(String, Tensor); 0] = [];
    ControlFile::save(&own, &info, &nothing).unwrap();
    let out = studio.path("calibrated.safetensors");
    let mut request = studio.request(MeasureTask::Calibrate {
        control: "push=0".parse().unwrap(),
        out: Some(out.clone()),
    });
    request.prompts = PromptChoice::Neutral {
        count: 1,
        nouns: Vec::new(),
    };
    studio.start(request, true);
    let events = studio.until_end();
    assert!(
        matches!(events.last(), Some(Event::Finished { .. })),
        "{:?}",
        events.last()
    );
    let Measured::Calibration { calibrated, saved } = measured(&events) else {
        panic!("it was a calibration")
    };
    assert_eq!(*saved, out);
    let written = ControlFile::open(&out).unwrap().info;
    assert_eq!(written.calibrations["cheer"], calibrated.calibration);
    assert_eq!(calibrated.calibration.model_hash.len(), 64);
    assert!(
        ControlFile::open(&own)
            .unwrap()
            .info
            .calibrations
            .is_empty()
    );

    // One that moves nothing is refused, and its file stays as it was.
    let before = std::fs::read(studio.path("cheer.safetensors")).unwrap();
    let task = MeasureTask::Calibrate {
        control: "cheer=0".parse().unwrap(),
        out: None,
    };
    let said = studio.refusal(studio.request(task), true);
    assert!(said.contains("does not move cheer"), "{said}");
    assert_eq!(
        std::fs::read(studio.path("cheer.safetensors")).unwrap(),
        before
    );
}
