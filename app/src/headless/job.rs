//! One job through the engine: send it, follow it, keep what comes out.

use std::io::{ErrorKind, Write as _};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use vernier_engine::atomic::{self, Existing};
use vernier_engine::checkpoint::MeterOptions;
use vernier_engine::device::DeviceRequest;
use vernier_engine::picture::{self, Picture};
use vernier_engine::recipe::{self, Recipe};
use vernier_engine::render::{EditReport, Latents, save_latents};
use vernier_engine::service::{
    Command, Event, JobId, MeasureRequest, Measured, RenderOptions, SceneRequest, Service,
};
use vernier_engine::talk::PictureReadings;
use vernier_engine::{EngineError, Result as EngineResult};

use super::report::Reporter;
use super::results::Results;
use crate::assets;
use crate::failure::Failure;

/// Where results go.
#[derive(Debug)]
pub(super) struct Output<'a> {
    /// Folder of the pictures.
    pub(super) folder: &'a Path,
    /// File of the final latents.
    pub(super) latents: Option<&'a Path>,
    /// File of the recipes that were rendered.
    pub(super) recipes: Option<&'a Path>,
    /// Project that the pictures are added to.
    pub(super) project: Option<&'a Path>,
    /// Folder of the masks of edits, and of what the model drew.
    pub(super) masks: Option<&'a Path>,
}

/// A picture as it comes from the engine.
pub(super) struct Made {
    pub(super) index: usize,
    pub(super) picture: Picture,
    pub(super) recipe: Recipe,
    pub(super) latents: Option<Latents>,
    pub(super) edit: Option<Box<EditReport>>,
    pub(super) secs: f64,
}

/// Renders `recipes` into `output`; finished pictures are kept whatever happens later.
pub(super) fn render(
    mut recipes: Vec<Recipe>,
    device: DeviceRequest,
    meter: MeterOptions,
    output: &Output<'_>,
    reporter: &mut Reporter,
) -> Result<(), Failure> {
    // Before the first minute of work, not after it.
    require_writable_folder(output.folder)?;
    if let Some(folder) = output.masks {
        require_writable_folder(folder)?;
    }
    for file in [output.latents, output.recipes].into_iter().flatten() {
        require_writable_file(file)?;
    }
    let mut project = match output.project {
        Some(path) => Some(Results::open(path, &recipes, reporter)?),
        None => None,
    };
    let engine = Engine::start()?;
    let mut latents = Vec::new();
    let mut kept = 0;
    let options = RenderOptions {
        want_latents: output.latents.is_some(),
        meter,
        ..assets::render_options(device)
    };
    let outcome = engine.run(recipes.clone(), options, reporter, |made, reporter| {
        let path = picture::save_numbered(output.folder, &made.picture, &made.recipe)?;
        if let Some(project) = &mut project {
            project.add(&made, &path)?;
        }
        if let Some((folder, edit)) = output.masks.zip(made.edit.as_deref()) {
            save_masks(folder, &path, edit)?;
        }
        // Only now: what was told must outlive the program.
        reporter.saved(&made, &path);
        recipes[made.index] = made.recipe;
        latents.extend(made.latents);
        kept += 1;
        Ok(())
    });
    if let Some(path) = output.latents.filter(|_| !latents.is_empty()) {
        save_latents(path, &latents)?;
    }
    if let Some(path) = output.recipes.filter(|_| kept > 0) {
        recipe::write(path, &recipes)?;
    }
    outcome.map_err(|failure| match failure {
        Failure::Cancelled(_) => Failure::Cancelled(format!(
            "cancelled; {kept} of {} pictures are kept in {}",
            recipes.len(),
            output.folder.display()
        )),
        failure => failure,
    })
}

/// Writes where the edit of the picture at `path` was made, change by change, and what the model
/// drew.
fn save_masks(folder: &Path, path: &Path, edit: &EditReport) -> EngineResult<()> {
    let name = path.file_stem().unwrap_or_default().to_string_lossy();
    let save = |file: String, picture: &Picture| {
        let (path, png) = (folder.join(file), picture::to_plain_png(picture)?);
        atomic::write(&path, Existing::Replace, |out| {
            out.write_all(&png).map_err(|e| EngineError::io(&path, e))
        })
        .map(drop)
    };
    for (change, mask) in &edit.masks {
        save(format!("{name}-mask{}.png", change + 1), &mask.to_picture())?;
    }
    save(format!("{name}-drawn.png"), &edit.drawn)
}

/// Tells something that the artist should know, though the job goes on.
pub(super) fn note(message: String, reporter: &mut Reporter) {
    reporter.tell(&Event::Note { job: JOB, message });
}

/// Fails where no file can be made in `folder`, which is made first where it is not there.
pub(super) fn require_writable_folder(folder: &Path) -> EngineResult<()> {
    if folder.exists() && !folder.is_dir() {
        let problem = "is a file, where a folder is needed; choose another name";
        return Err(EngineError::bad_file(folder, problem));
    }
    let probe = folder.join(format!(".vernier-probe-{}.tmp", std::process::id()));
    std::fs::create_dir_all(folder)
        .and_then(|()| std::fs::write(&probe, []))
        .and_then(|()| match std::fs::remove_file(&probe) {
            // Parts of a batch on several machines may have the same process id.
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(()),
            removed => removed,
        })
        .map_err(|e| {
            let problem = format!("no file can be made in this folder ({e}); choose another one");
            EngineError::bad_file(folder, problem)
        })
}

/// Fails where the file `path` cannot be written.
pub(super) fn require_writable_file(path: &Path) -> EngineResult<()> {
    if path.is_dir() {
        let problem = "is a folder, where a file is needed; add a file name";
        return Err(EngineError::bad_file(path, problem));
    }
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty());
    require_writable_folder(folder.unwrap_or(Path::new(".")))
}

/// The engine thread, with Ctrl-C bound to it.
pub(super) struct Engine {
    service: Service,
    /// Whether nothing is being made, so that there is nothing to cancel either.
    is_idle: Arc<AtomicBool>,
}

/// The number of jobs is kept by the client; this one runs one at a time.
const JOB: JobId = JobId(1);

impl Engine {
    /// Starts the engine thread; from now on Ctrl-C cancels its job, and a second one kills, as the
    /// first does while the program waits for somebody.
    pub(super) fn start() -> Result<Self, Failure> {
        let service = Service::spawn()?;
        let commands = service.sender();
        let interrupted = AtomicBool::new(false);
        let is_idle = Arc::new(AtomicBool::new(false));
        let idle = Arc::clone(&is_idle);
        ctrlc::set_handler(move || {
            if interrupted.swap(true, Ordering::SeqCst) || idle.load(Ordering::SeqCst) {
                std::process::exit(130);
            }
            commands.send(Command::Cancel(JOB)).ok();
        })
        .map_err(|e| Failure::Failed(format!("Ctrl-C cannot be caught: {e}")))?;
        Ok(Self { service, is_idle })
    }

    /// Waits for somebody by `wait`, which Ctrl-C ends together with the program.
    pub(super) fn idle<T>(&self, wait: impl FnOnce() -> T) -> T {
        self.is_idle.store(true, Ordering::SeqCst);
        let outcome = wait();
        self.is_idle.store(false, Ordering::SeqCst);
        outcome
    }

    /// Runs one job to its end and hands every picture to `keep`.
    pub(super) fn run(
        &self,
        recipes: Vec<Recipe>,
        options: RenderOptions,
        reporter: &mut Reporter,
        mut keep: impl FnMut(Made, &mut Reporter) -> EngineResult<()>,
    ) -> Result<(), Failure> {
        self.service.send(Command::Render {
            job: JOB,
            recipes,
            options,
        });
        let mut lost: Option<EngineError> = None;
        for event in self.service.events() {
            reporter.tell(&event);
            match event {
                Event::Picture {
                    index,
                    picture,
                    recipe,
                    latents,
                    edit,
                    secs,
                    ..
                } if lost.is_none() => {
                    let made = Made {
                        index,
                        picture,
                        recipe: *recipe,
                        latents,
                        edit,
                        secs,
                    };
                    if let Err(error) = keep(made, reporter) {
                        // A full disk ends the job; its end is still waited for.
                        lost = Some(error);
                        self.service.send(Command::Cancel(JOB));
                    }
                }
                Event::Finished { .. } | Event::Cancelled { .. } if lost.is_some() => break,
                Event::Finished { .. } => return Ok(()),
                Event::Cancelled { .. } => return Err(Failure::Cancelled("cancelled".to_owned())),
                Event::Failed {
                    message, is_usage, ..
                } => return Err(failed(message, is_usage)),
                _ => {}
            }
        }
        Err(lost.map_or_else(no_answer, Failure::from))
    }

    /// Measures something, whose pictures are shown to nobody.
    pub(super) fn measure(
        &self,
        request: MeasureRequest,
        options: RenderOptions,
        reporter: &mut Reporter,
    ) -> Result<Measured, Failure> {
        self.service.send(Command::Measure {
            job: JOB,
            request: Box::new(request),
            options,
        });
        let mut result = None;
        for event in self.service.events() {
            reporter.tell(&event);
            match event {
                Event::Measured { measured, .. } => result = Some(measured),
                Event::Finished { .. } => break,
                Event::Cancelled { .. } => {
                    let kept = "cancelled; nothing was written";
                    return Err(Failure::Cancelled(kept.to_owned()));
                }
                Event::Failed {
                    message, is_usage, ..
                } => return Err(failed(message, is_usage)),
                _ => {}
            }
        }
        result.ok_or_else(no_answer)
    }
}

impl Engine {
    /// What the meter reads of everybody in a picture.
    pub(super) fn read_scene(
        &self,
        request: SceneRequest,
        options: RenderOptions,
        reporter: &mut Reporter,
    ) -> Result<PictureReadings, Failure> {
        self.service.send(Command::ReadScene {
            job: JOB,
            request: Box::new(request),
            options,
        });
        let mut read = None;
        for event in self.service.events() {
            match event {
                Event::Scene { readings, .. } => read = Some(*readings),
                Event::Finished { .. } => break,
                Event::Cancelled { .. } => return Err(Failure::Cancelled("cancelled".to_owned())),
                Event::Failed {
                    message, is_usage, ..
                } => return Err(failed(message, is_usage)),
                Event::Note { .. } => reporter.tell(&event),
                _ => {}
            }
        }
        read.ok_or_else(no_answer)
    }
}

fn failed(message: String, is_usage: bool) -> Failure {
    if is_usage {
        Failure::Usage(message)
    } else {
        Failure::Failed(message)
    }
}

fn no_answer() -> Failure {
    Failure::Failed("the engine stopped without an answer; please report it".to_owned())
}
