//! The way from a request to the file.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use tch::Tensor;

use super::class_pictures::class_pictures;
use super::metadata::metadata;
use super::output::save;
use super::samples::Samples;
use super::settings::settings;
use super::{PersonalEnd, PersonalOutput, PersonalRequest};
use crate::control_training::session::{Run, require_parent, workers};
use crate::control_training::work::Work;
use crate::control_training::{Schedule, TrainingNews};
use crate::device;
use crate::recipe::sha256_hex;
use crate::train::folder::{ImageFolder, Preparation};
use crate::train::personal::{Parts, PersonalTask, PersonalTrainer, Prior, Semantic, TrainingCost};
use crate::train::{FrozenModel, StepReport, TrainingSet, Watch};
use crate::{EngineError, Result};

/// Trains the subject that `request` asks for by `schedule`, and saves it.
///
/// It can be stopped by `stop` and is resumed from its work folder.
///
/// # Errors
/// The pictures, the model or the request cannot be used, the training cannot fit into memory, the
/// numbers stop being finite (the last saved state is kept), a folder cannot be written, or it was
/// stopped before the first step ([`EngineError::Cancelled`]).
pub fn personalize(
    request: &PersonalRequest,
    schedule: &Schedule,
    stop: Arc<AtomicBool>,
    news: &mut dyn FnMut(TrainingNews),
) -> Result<PersonalEnd> {
    let pictures = pictures(request)?;
    request.check(&pictures)?;
    require_state(request, schedule)?;
    let chosen = device::choose(request.device)?;
    request.dtype.check_on(chosen.device)?;
    device::use_all_cores();
    // Before the first minute of work, not after it.
    require_parent(&request.out)?;
    let folder = &request.model_folder;
    let model = FrozenModel::load(folder, request.dtype.kind(), chosen.device)?;
    news(TrainingNews::Note(format!(
        "{} ({}) on {} ({})",
        request.model.name,
        model.hash.get(..10).unwrap_or(&model.hash),
        chosen.name(),
        chosen.reason
    )));
    let (pictures, subject) = prepare(
        &model,
        &pictures,
        schedule,
        "pictures.safetensors",
        &stop,
        news,
    )?;
    note_sameness(&pictures, news)?;
    let prior = match request.class.as_ref().filter(|plan| plan.weight > 0.0) {
        Some(plan) => {
            let made = class_pictures(
                request,
                plan,
                &schedule.work.join("class"),
                &model.hash,
                chosen.device,
                &stop,
                news,
            )?;
            let store = "class.safetensors";
            let (_, pictures) = prepare(&model, &made, schedule, store, &stop, news)?;
            Some((pictures, plan.weight))
        }
        None => None,
    };

    let settings = settings(request, schedule, &model.hash, &pictures);
    let task = |worker| PersonalTask {
        learnt: request.learnt.clone(),
        semantic: semantic(request),
        batch: request.batch,
        accumulate: request.accumulate,
        caption_dropout: request.caption_dropout,
        seed: request.seed,
        worker,
    };
    let template = Parts::fresh(&model, &request.learnt, request.seed)?;
    let count = workers(schedule, &model);
    let cost = TrainingCost::of(&model, &template, &task(0), prior.is_some(), count)?;
    news(TrainingNews::Note(cost.sentence(schedule.steps)));
    if !chosen.device.is_cuda() {
        cost.check(device::free_memory_bytes())?;
    }

    let work = Work::open(&schedule.work, &settings)?;
    let about = |step| metadata(request, schedule, &model, &pictures, step);
    // All but the steps are known before the model is handed over.
    let notes = about(schedule.steps);
    let captions: Vec<String> = pictures.rows.iter().map(|r| r.caption.clone()).collect();
    let run =
        Run::begin(&request.name, schedule, &model, work.state(), news).with_ema(request.ema_decay);
    let mut watch = Onlooker {
        samples: Samples::new(request, &captions, chosen.device, Arc::clone(&stop)),
        news,
        work: &work,
        template: &template,
        output: request.output,
        notes: &notes,
    };
    let trained = run.train(model, folder, stop, &mut watch, |model, worker| {
        let prior = prior.as_ref().map(|(pictures, weight)| Prior {
            pictures: pictures.share(),
            weight: *weight,
        });
        PersonalTrainer::new(model, subject.share(), prior, task(worker))
    })?;
    if trained.step < schedule.steps {
        return Ok(PersonalEnd::Stopped {
            step: trained.step,
            total_steps: schedule.steps,
        });
    }
    let parts = template.with_parameters(&trained.averages)?;
    save(&request.out, &parts, request.output, &notes)?;
    Ok(PersonalEnd::Done(request.out.clone()))
}

/// What the semantic preservation compares, where it is asked for.
fn semantic(request: &PersonalRequest) -> Option<Semantic> {
    let weight = request.semantic.filter(|weight| *weight > 0.0)?;
    Some(Semantic {
        weight,
        subject: request.instance.clone()?,
        class: request.class.as_ref()?.prompt.clone(),
    })
}

/// The pictures of the request's folder, each with a caption.
fn pictures(request: &PersonalRequest) -> Result<ImageFolder> {
    let mut folder = ImageFolder::list(&request.data)?;
    for row in &mut folder.rows {
        if !row.caption.is_empty() {
            continue;
        }
        let Some(instance) = &request.instance else {
            let problem = "has no caption; write one into a .txt file of its name beside it, or \
                           say with --instance what the pictures show";
            return Err(EngineError::bad_file(&row.path, problem));
        };
        row.caption.clone_from(instance);
    }
    Ok(folder)
}

/// Refuses to begin anew where a stored state is expected.
fn require_state(request: &PersonalRequest, schedule: &Schedule) -> Result<()> {
    if request.must_resume && !Work::state_in(&schedule.work).is_file() {
        let problem = format!(
            "{} holds no training to go on from; leave out --resume to begin one",
            schedule.work.display()
        );
        return Err(EngineError::request("resume", problem));
    }
    Ok(())
}

/// Encodes `folder` once; gives what could be read.
fn prepare(
    model: &FrozenModel,
    folder: &ImageFolder,
    schedule: &Schedule,
    store: &str,
    stop: &AtomicBool,
    news: &mut dyn FnMut(TrainingNews),
) -> Result<(ImageFolder, TrainingSet)> {
    let work = &schedule.work;
    std::fs::create_dir_all(work).map_err(|e| EngineError::io(work, e))?;
    let preparation = Preparation {
        model,
        clip: None,
        features: false,
        quantities: &[],
    };
    let total = folder.rows.len();
    let mut told = Instant::now();
    let prepared = preparation.run(folder, &work.join(store), stop, &mut |done| {
        if told.elapsed() >= schedule.report_every {
            told = Instant::now();
            news(TrainingNews::Pictures { done, total });
        }
    })?;
    for note in &prepared.notes {
        news(TrainingNews::Note(note.clone()));
    }
    let left = folder.choose(&prepared.kept);
    let values = vec![Vec::new(); left.rows.len()];
    let set = TrainingSet::new(&left, prepared, values);
    Ok((left, set))
}

/// Tells where there is little to tell the subject from.
fn note_sameness(pictures: &ImageFolder, news: &mut dyn FnMut(TrainingNews)) -> Result<()> {
    let mut seen = BTreeSet::new();
    for row in &pictures.rows {
        let bytes = std::fs::read(&row.path).map_err(|e| EngineError::io(&row.path, e))?;
        seen.insert(sha256_hex(&bytes));
    }
    let (different, count) = (seen.len(), pictures.rows.len());
    if different == 1 {
        let what = if count == 1 {
            "there is one picture".to_owned()
        } else {
            format!("all {count} pictures are the same")
        };
        news(TrainingNews::Note(format!(
            "{what}: pose and background will be learnt with the subject; 3 to 20 different \
             pictures tell them apart"
        )));
    } else if different < count {
        news(TrainingNews::Note(format!(
            "{} of {count} pictures are there more than once",
            count - different
        )));
    }
    Ok(())
}

/// Passes progress on, and shows samples of the averages.
struct Onlooker<'a> {
    samples: Samples<'a>,
    news: &'a mut dyn FnMut(TrainingNews),
    work: &'a Work,
    template: &'a Parts,
    output: PersonalOutput,
    notes: &'a BTreeMap<String, String>,
}

impl Onlooker<'_> {
    fn show(&mut self, step: u64, averages: &[(String, Tensor)]) -> Result<std::path::PathBuf> {
        let parts = self.template.with_parameters(averages)?;
        let file = self.work.latest();
        let mut notes = self.notes.clone();
        notes.insert("ss_steps".to_owned(), step.to_string());
        save(&file, &parts, self.output, &notes)?;
        self.samples.show(&file, &self.work.strip(step))
    }
}

impl Watch for Onlooker<'_> {
    fn report(&mut self, report: &StepReport) {
        (self.news)(TrainingNews::Progress(report.clone()));
    }

    /// What goes wrong is told and no more: the training is worth more than its pictures.
    fn averages(&mut self, step: u64, averages: Vec<(String, Tensor)>) -> Result<()> {
        match self.show(step, &averages) {
            Ok(path) => (self.news)(TrainingNews::Strip { step, path }),
            Err(EngineError::Cancelled) => {}
            Err(error) => (self.news)(TrainingNews::Note(format!(
                "no samples at step {step}: {error}"
            ))),
        }
        Ok(())
    }
}
