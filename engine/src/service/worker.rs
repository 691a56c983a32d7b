//! The engine thread's loop: a queue of jobs, one loaded model.

use std::any::Any;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Once;
use std::sync::mpsc::{Receiver, Sender, TryRecvError};
use std::time::Instant;

use super::measure::Bench;
use super::pace::Pace;
use super::{Command, Event, JobId, MeasureRequest, RenderOptions, background};
use crate::device::{self, ChosenDevice, Dtype};
use crate::recipe::{ModelRef, Recipe};
use crate::render::{Flow, LatentWatch, Latents, Renderer, StepAhead};
use crate::{EngineError, Result};

pub(super) const THREAD_NAME: &str = "vernier-engine";

/// Keeps the default hook from printing panics of the engine's threads: they become
/// [`Event::Failed`], and the text goes to the log.
pub(super) fn silence_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let default = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let own = [THREAD_NAME, background::THREAD_NAME];
            if std::thread::current()
                .name()
                .is_some_and(|name| own.contains(&name))
            {
                log::debug!("{info}");
            } else {
                default(info);
            }
        }));
    });
}

struct Job {
    id: JobId,
    work: Work,
    options: RenderOptions,
}

enum Work {
    Render(Vec<Recipe>),
    Measure(Box<MeasureRequest>),
}

pub(super) struct Inbox {
    commands: Receiver<Command>,
    events: Sender<Event>,
    waiting: VecDeque<Job>,
    running: Option<JobId>,
    cancel_running: bool,
    shutdown: bool,
}

/// Runs until [`Command::Shutdown`] comes or all senders are gone.
pub(super) fn run(commands: Receiver<Command>, events: Sender<Event>) {
    device::use_all_cores();
    let mut inbox = Inbox {
        commands,
        events,
        waiting: VecDeque::new(),
        running: None,
        cancel_running: false,
        shutdown: false,
    };
    let mut renderer = None;
    while let Some(job) = inbox.next_job() {
        let id = job.id;
        inbox.running = Some(id);
        inbox.cancel_running = false;
        let outcome = catch_unwind(AssertUnwindSafe(|| match &job.work {
            Work::Render(recipes) => render(&job, recipes, &mut renderer, &mut inbox),
            Work::Measure(request) => measure(&job, request, &mut renderer, &mut inbox),
        }));
        let outcome = outcome.unwrap_or_else(|panic| {
            // Nobody knows what state the model was left in.
            renderer = None;
            Err(internal_error(panic.as_ref()))
        });
        inbox.running = None;
        inbox.tell(match outcome {
            Ok(()) => Event::Finished { job: id },
            Err(EngineError::Cancelled) => Event::Cancelled { job: id },
            Err(error) => Event::Failed {
                job: id,
                is_usage: error.is_usage(),
                message: error.to_string(),
            },
        });
    }
}

pub(super) fn internal_error(panic: &(dyn Any + Send)) -> EngineError {
    let said = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no message");
    EngineError::bad_file(
        "engine",
        format!(
            "internal error ({}); please report it",
            said.lines().next().unwrap_or("no message")
        ),
    )
}

impl Inbox {
    /// Waits for a job; `None` ends the thread.
    fn next_job(&mut self) -> Option<Job> {
        loop {
            self.drain();
            if self.shutdown {
                return None;
            }
            if let Some(job) = self.waiting.pop_front() {
                return Some(job);
            }
            match self.commands.recv() {
                Ok(command) => self.take(command),
                Err(_) => return None,
            }
        }
    }

    /// Takes in all commands that have come, without waiting.
    fn drain(&mut self) {
        loop {
            match self.commands.try_recv() {
                Ok(command) => self.take(command),
                Err(TryRecvError::Empty) => return,
                Err(TryRecvError::Disconnected) => {
                    self.shutdown = true;
                    return;
                }
            }
        }
    }

    fn take(&mut self, command: Command) {
        match command {
            Command::Render {
                job: id,
                recipes,
                options,
            } => self.queue(id, Work::Render(recipes), options),
            Command::Measure {
                job: id,
                request,
                options,
            } => self.queue(id, Work::Measure(request), options),
            Command::Cancel(id) if self.running == Some(id) => self.cancel_running = true,
            Command::Cancel(id) => {
                let before = self.waiting.len();
                self.waiting.retain(|job| job.id != id);
                if self.waiting.len() < before {
                    self.tell(Event::Cancelled { job: id });
                }
            }
            // These go elsewhere before they come here.
            Command::Train { .. } | Command::ReadPictures { .. } => {}
            Command::Shutdown => {
                self.shutdown = true;
                for job in std::mem::take(&mut self.waiting) {
                    self.tell(Event::Cancelled { job: job.id });
                }
            }
        }
    }

    fn queue(&mut self, id: JobId, work: Work, options: RenderOptions) {
        self.tell(Event::Queued { job: id });
        self.waiting.push_back(Job { id, work, options });
    }

    /// Tells the client; where nobody listens any more, there is nobody to work for.
    pub(super) fn tell(&mut self, event: Event) {
        if self.events.send(event).is_err() {
            self.shutdown = true;
        }
    }

    fn flow(&mut self) -> Flow {
        self.drain();
        if self.cancel_running || self.shutdown {
            Flow::Cancel
        } else {
            Flow::Continue
        }
    }

    /// Tells how far picture `index` of `pictures` has come, and answers whether to go on.
    pub(super) fn tell_progress(
        &mut self,
        job: JobId,
        (picture, pictures): (usize, usize),
        ahead: StepAhead,
        pace: &mut Pace,
    ) -> Flow {
        if ahead.done > 0 {
            pace.step(Instant::now());
            let calls_left = ahead.steps - ahead.done + ahead.steps * (pictures - picture - 1);
            let eta = pace.eta(calls_left, pictures - picture);
            self.tell(Event::Progress {
                job,
                picture,
                pictures,
                step: ahead.done,
                steps: ahead.steps,
                its_per_sec: pace.its_per_sec(),
                eta_secs: eta.map(|eta| eta.as_secs_f64()),
            });
        }
        self.flow()
    }

    pub(super) fn check_cancelled(&mut self) -> Result<()> {
        match self.flow() {
            Flow::Continue => Ok(()),
            Flow::Cancel => Err(EngineError::Cancelled),
        }
    }
}

fn render(
    job: &Job,
    recipes: &[Recipe],
    loaded: &mut Option<Renderer>,
    inbox: &mut Inbox,
) -> Result<()> {
    let id = job.id;
    let pictures = recipes.len();
    inbox.tell(Event::Started { job: id, pictures });
    let resolved = recipes.iter().map(|r| job.options.wildcards.resolved(r));
    let recipes: Vec<Recipe> = resolved.collect::<Result<_>>()?;
    // All of a batch is checked before any of it takes time.
    for recipe in &recipes {
        recipe.validate()?;
        job.options.pictures.resolve(&mut recipe.clone())?;
    }
    let device = device::choose(job.options.device)?;
    for recipe in &recipes {
        recipe.dtype.parse::<Dtype>()?.check_on(device.device)?;
    }
    let mut pace = Pace::start(Instant::now());
    for (index, recipe) in recipes.iter().enumerate() {
        inbox.check_cancelled()?;
        let renderer = ready(job, recipe, &device, loaded, inbox)?;
        renderer.set_library(job.options.controls.clone());
        renderer.set_meter_options(job.options.meter.clone());
        renderer.set_pictures(job.options.pictures.clone());
        inbox.check_cancelled()?;
        let started = Instant::now();
        pace.resume(started);
        if let Some(coarse) = recipe.coarse().filter(|_| job.options.coarse_first) {
            let quick = renderer.render(&coarse, &mut |_| inbox.flow())?;
            inbox.tell(Event::Preview {
                job: id,
                index,
                picture: quick.picture,
                steps: coarse.steps,
            });
            pace.resume(Instant::now());
        }
        renderer.set_watch(watch(job, index, renderer, inbox));
        let mut on_step = |ahead| inbox.tell_progress(id, (index, pictures), ahead, &mut pace);
        let rendered = renderer.render(recipe, &mut on_step);
        renderer.set_watch(None);
        let rendered = rendered?;
        pace.decoded(Instant::now());
        for message in rendered.notes {
            inbox.tell(Event::Note { job: id, message });
        }
        let latents = if job.options.want_latents {
            Some(Latents::from_tensor(&rendered.latents)?)
        } else {
            None
        };
        inbox.tell(Event::Picture {
            job: id,
            index,
            picture: rendered.picture,
            recipe: Box::new(rendered.recipe),
            latents,
            secs: started.elapsed().as_secs_f64(),
        });
    }
    Ok(())
}

/// Tells the latents of picture `picture` on their way, where the job wants to see them.
fn watch(job: &Job, picture: usize, renderer: &Renderer, inbox: &Inbox) -> Option<LatentWatch> {
    let every = job.options.preview_every?;
    let rgb = renderer.latent_rgb()?.clone();
    let pixels_per_cell = renderer.pixels_per_cell();
    let (job, events) = (job.id, inbox.events.clone());
    let tell = move |step, latents| {
        // Whether anybody listens is seen where progress is told.
        let _ = events.send(Event::Latents {
            job,
            picture,
            step,
            latents,
            rgb: rgb.clone(),
            pixels_per_cell,
        });
    };
    Some(LatentWatch::new(every, Box::new(tell)))
}

fn measure(
    job: &Job,
    request: &MeasureRequest,
    loaded: &mut Option<Renderer>,
    inbox: &mut Inbox,
) -> Result<()> {
    let id = job.id;
    inbox.tell(Event::Started {
        job: id,
        pictures: 0,
    });
    request.base.validate()?;
    let device = device::choose(job.options.device)?;
    let dtype: Dtype = request.base.dtype.parse()?;
    dtype.check_on(device.device)?;
    let folder = model_folder(&request.base.model, &job.options.embedded_model)?;
    let renderer = ready(job, &request.base, &device, loaded, inbox)?;
    renderer.set_library(job.options.controls.clone());
    renderer.set_meter_options(job.options.meter.clone());
    renderer.set_pictures(job.options.pictures.clone());
    let mut bench = Bench::new(id, renderer, inbox);
    let measured = request.run(&folder, &job.options, &mut bench)?;
    inbox.tell(Event::Measured { job: id, measured });
    Ok(())
}

/// The renderer that `recipe` asks for: the one that is loaded, or a new one in its place.
fn ready<'a>(
    job: &Job,
    recipe: &Recipe,
    device: &ChosenDevice,
    loaded: &'a mut Option<Renderer>,
    inbox: &mut Inbox,
) -> Result<&'a mut Renderer> {
    let folder = model_folder(&recipe.model, &job.options.embedded_model)?;
    let dtype: Dtype = recipe.dtype.parse()?;
    let fits = loaded
        .as_ref()
        .is_some_and(|r| r.is_for(&folder, dtype, device.device));
    if !fits {
        // The old model goes first: two need not fit into memory.
        *loaded = None;
        let model = recipe.model.name.clone();
        inbox.tell(Event::ModelLoading {
            job: job.id,
            model: model.clone(),
        });
        let started = Instant::now();
        let renderer = Renderer::load(&folder, dtype, device.device)?;
        inbox.tell(Event::ModelLoaded {
            job: job.id,
            model,
            hash: renderer.hash().to_owned(),
            device: device.name(),
            device_reason: device.reason.clone(),
            secs: started.elapsed().as_secs_f64(),
        });
        *loaded = Some(renderer);
    }
    let renderer = loaded
        .as_mut()
        .ok_or_else(|| EngineError::request("model", "is not loaded"))?;
    let asked = &recipe.model.hash;
    if !asked.is_empty() && asked != renderer.hash() {
        inbox.tell(Event::Note {
            job: job.id,
            message: format!(
                "model hash: the recipe was made with {} and {} is {}, so the picture will differ",
                short(asked),
                folder.display(),
                short(renderer.hash())
            ),
        });
    }
    Ok(renderer)
}

fn short(hash: &str) -> &str {
    hash.get(..10).unwrap_or(hash)
}

/// The folder that a recipe's model lies in.
fn model_folder(model: &ModelRef, embedded: &Path) -> Result<PathBuf> {
    let Some(path) = &model.path else {
        return Ok(embedded.to_owned());
    };
    let path = PathBuf::from(path);
    if path.is_dir() {
        return Ok(path);
    }
    Err(EngineError::request(
        "model",
        format!(
            "there is no folder {}; say with --model where {} lies",
            path.display(),
            model.name
        ),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_one_sentence() {
        let panic = catch_unwind(|| panic!("index 3 out of range\nand a stack trace")).unwrap_err();
        let said = internal_error(panic.as_ref()).to_string();
        assert!(said.contains("index 3 out of range"), "{said}");
        assert!(!said.contains('\n') && said.contains("report"), "{said}");
    }

    #[test]
    fn a_model_that_has_moved_is_named() {
        let model = ModelRef::at(Path::new("/nowhere/dreams"));
        let error = model_folder(&model, Path::new("/e")).unwrap_err();
        assert!(error.is_usage());
        assert!(error.to_string().contains("/nowhere/dreams"), "{error}");
        let embedded = model_folder(&ModelRef::embedded(), Path::new("/e")).unwrap();
        assert_eq!(embedded, Path::new("/e"));
    }
}
