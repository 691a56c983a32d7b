//! What the trainings of all kinds of controls have in common.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};
use tch::{Device, Kind, Tensor};

use super::strip::Strips;
use super::work::Work;
use super::{Schedule, TrainingNews, TrainingRequest};
use crate::controls::{ControlFile, ControlInfo, ControlKind, Direction, MadeFor};
use crate::device;
use crate::layers::LayerRef;
use crate::train::direction::{PromptPair, clip_difference, subject_states};
use crate::train::{
    AdamW, FrozenModel, LearningRate, Replica, StepReport, TrainLoop, TrainOptions, Trained, Watch,
};
use crate::{EngineError, Result};

/// Time between saves of the training state.
const SAVE_EVERY: Duration = Duration::from_mins(2);
/// Time between words about prompts that are encoded.
const REPORT_EVERY: Duration = Duration::from_secs(15);
/// Steps over which the learning rate rises at the start.
const WARMUP_STEPS: u64 = 10;
/// Decay of the average over the steps that is kept in the end; trainings of controls are short.
const EMA_DECAY: f64 = 0.97;
/// U-Nets with more weights than this gain more from several threads than from several workers.
const SMALL_UNET: usize = 100_000_000;

/// A request with its model.
pub(super) struct Session<'a> {
    pub(super) request: &'a TrainingRequest,
    pub(super) model: FrozenModel,
    stop: Arc<AtomicBool>,
    news: &'a mut dyn FnMut(TrainingNews),
}

/// Tensors of a control by name, for its file.
pub(super) type Named = Vec<(String, Tensor)>;

impl<'a> Session<'a> {
    pub(super) fn open(
        request: &'a TrainingRequest,
        stop: Arc<AtomicBool>,
        news: &'a mut dyn FnMut(TrainingNews),
    ) -> Result<Self> {
        let chosen = device::choose(request.device)?;
        request.dtype.check_on(chosen.device)?;
        device::use_all_cores();
        // Before the first minute of work, not after it.
        require_parent(&request.out)?;
        let folder = &request.model_folder;
        let model = FrozenModel::load(folder, request.dtype.kind(), chosen.device)?;
        let hash = model.hash.get(..10).unwrap_or(&model.hash);
        news(TrainingNews::Note(format!(
            "{} ({hash}) on {} ({})",
            request.model.name,
            chosen.name(),
            chosen.reason
        )));
        Ok(Self {
            request,
            model,
            stop,
            news,
        })
    }

    /// The text encoder's difference between the request's prompts.
    pub(super) fn difference(&mut self) -> Result<Direction> {
        let Self {
            request,
            model,
            stop,
            news,
        } = self;
        let mut told = Instant::now();
        let direction = clip_difference(&model.text, &request.pairs, &mut |done, total| {
            if told.elapsed() >= REPORT_EVERY {
                told = Instant::now();
                news(TrainingNews::Encoded { done, total });
            }
            !stop.load(Ordering::Relaxed)
        })?;
        let norms = direction.deltas().iter();
        let norms: Vec<String> = norms
            .map(|delta| Ok(format!("{:.2}", f64::try_from(delta.f_norm()?)?)))
            .collect::<Result<_>>()?;
        let norms = norms.join(" and ");
        news(TrainingNews::Note(format!(
            "the text encoder's difference has norm {norms}"
        )));
        Ok(direction)
    }

    /// The unit of a direction's learning rate: by how much the prompts themselves move the
    /// subject's embedding, as the root mean square over its elements. Where they hardly do, as
    /// with words after the noun, a quarter of the embedding's own.
    pub(super) fn learning_unit(&self) -> Result<f64> {
        let _guard = tch::no_grad_guard();
        let text = &self.model.text;
        let plain = |pair: &PromptPair| PromptPair {
            prefixes: Vec::new(),
            ..pair.clone()
        };
        let pairs: Vec<PromptPair> = self.request.pairs.iter().map(plain).collect();
        let mean_square = |x: &Tensor| Ok::<_, EngineError>(x.f_square()?.f_mean(Kind::Float)?);
        let mut own = 0.0;
        for pair in &pairs {
            let states = subject_states(text, &pair.target, &pair.subject)?;
            own = f64::max(own, f64::try_from(mean_square(&states[0])?)?.sqrt());
        }
        let moved = clip_difference(text, &pairs, &mut |_, _| true)?;
        let moved = f64::try_from(mean_square(&moved.deltas()[0])?)?.sqrt();
        Ok(if moved < 0.05 * own {
            0.25 * own
        } else {
            moved
        })
    }

    /// The control's description, with `settings` of its training.
    pub(super) fn info(
        &self,
        kind: ControlKind,
        method: &str,
        settings: Map<String, Value>,
    ) -> ControlInfo {
        let request = self.request;
        let attributes = vec![request.attribute.clone()];
        let mut info = ControlInfo::new(&request.name, kind, attributes);
        info.subjects.clone_from(&request.subjects);
        info.about.clone_from(&request.about);
        info.start = request.start;
        info.command.clone_from(&request.command);
        method.clone_into(&mut info.method);
        info.model = MadeFor {
            name: request.model.name.clone(),
            hash: self.model.hash.clone(),
        };
        info.settings.insert("training".to_owned(), settings.into());
        info
    }

    /// Trains replicas of `build` by `schedule`; `settings` say what else decides the outcome.
    /// While it trains, `tensors` makes a control of the averaged parameters for strips.
    pub(super) fn train<R: Replica + Send>(
        self,
        schedule: &Schedule,
        settings: &Map<String, Value>,
        info: &ControlInfo,
        tensors: impl Fn(&[(String, Tensor)]) -> Result<Named>,
        build: impl Fn(FrozenModel, usize) -> Result<R>,
    ) -> Result<Trained> {
        let Self {
            request,
            model,
            stop,
            news,
        } = self;
        let work = Work::open(&schedule.work, &guarded(request, &model, settings))?;
        let device = model.device;
        let run = Run::begin(&request.name, schedule, &model, work.state(), news);
        let strips = Strips::new(request, device, &work, Arc::clone(&stop));
        let mut watch = Reporter {
            news,
            strips,
            info,
            tensors: &tensors,
        };
        run.train(model, &request.model_folder, stop, &mut watch, build)
    }
}

/// One way through the training loop.
pub(crate) struct Run {
    options: TrainOptions,
}

impl Run {
    /// Says in `news` how `name` will be trained beside `model` by `schedule`.
    pub(crate) fn begin(
        name: &str,
        schedule: &Schedule,
        model: &FrozenModel,
        state_file: PathBuf,
        news: &mut dyn FnMut(TrainingNews),
    ) -> Self {
        let workers = workers(schedule, model);
        news(TrainingNews::Note(format!(
            "{name}: to step {} in {:?}, workers: {workers}, state: {}",
            schedule.steps,
            model.kind,
            state_file.display()
        )));
        Self {
            options: train_options(schedule, workers, state_file),
        }
    }

    /// The decay of the average that is kept in the end, 0..1: 0 keeps the last step itself.
    pub(crate) fn with_ema(mut self, decay: f64) -> Self {
        self.options.optimizer.ema_decay = decay;
        self
    }

    /// Trains replicas of `build`, each on a model of its own: the first takes `model`, the others
    /// load theirs from `folder`.
    pub(crate) fn train<R: Replica + Send>(
        self,
        model: FrozenModel,
        folder: &Path,
        stop: Arc<AtomicBool>,
        watch: &mut impl Watch,
        build: impl Fn(FrozenModel, usize) -> Result<R>,
    ) -> Result<Trained> {
        let (kind, device) = (model.kind, model.device);
        let loaded = RefCell::new(Some(model));
        let build = |worker| {
            let taken = loaded.borrow_mut().take();
            let model = match taken {
                Some(model) => model,
                None => FrozenModel::load(folder, kind, device)?,
            };
            build(model, worker)
        };
        if self.options.workers > 1 {
            tch::set_num_threads(1);
        }
        let trained = TrainLoop::new(self.options, stop).run(build, watch);
        device::use_all_cores();
        trained
    }
}

/// Replicas that train beside `model`.
pub(crate) fn workers(schedule: &Schedule, model: &FrozenModel) -> usize {
    match schedule.workers {
        _ if model.device != Device::Cpu => 1,
        Some(workers) => workers.max(1),
        None if unet_weights(model) <= SMALL_UNET => device::cores(),
        None => 1,
    }
}

/// How the loop goes by `schedule`.
fn train_options(schedule: &Schedule, workers: usize, state_file: PathBuf) -> TrainOptions {
    TrainOptions {
        workers,
        optimizer: AdamW {
            beta1: schedule.betas.0,
            beta2: schedule.betas.1,
            weight_decay: schedule.weight_decay,
            ema_decay: EMA_DECAY,
            ..AdamW::default()
        },
        learning_rate: LearningRate {
            peak: schedule.learning_rate,
            warmup_steps: WARMUP_STEPS,
            total_steps: schedule.steps,
            decay_fraction: schedule.decay,
        },
        state_file,
        save_every: SAVE_EVERY,
        report_every: schedule.report_every,
        show_every: schedule.strip_every,
    }
}

/// Everything that decides what a training comes to, but for its length.
fn guarded(
    request: &TrainingRequest,
    model: &FrozenModel,
    settings: &Map<String, Value>,
) -> Map<String, Value> {
    let mut all = settings.clone();
    let prompts = Sha256::digest(format!("{:?}", request.pairs));
    let short = prompts
        .iter()
        .take(8)
        .fold(0_u64, |n, &b| n << 8 | u64::from(b));
    all.insert("prompts".to_owned(), format!("{short:016x}").into());
    all.insert("model".to_owned(), model.hash.as_str().into());
    all.insert("dtype".to_owned(), request.dtype.name().into());
    all
}

/// Writes the control that `request` asked for.
pub(super) fn save(request: &TrainingRequest, info: &ControlInfo, tensors: &Named) -> Result<()> {
    require_parent(&request.out)?;
    ControlFile::save(&request.out, info, tensors)
}

/// Makes the folder of the file `path` where it is not there.
pub(crate) fn require_parent(path: &Path) -> Result<()> {
    match path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
    {
        Some(folder) => std::fs::create_dir_all(folder).map_err(|e| EngineError::io(folder, e)),
        None => Ok(()),
    }
}

fn unet_weights(model: &FrozenModel) -> usize {
    let mut count = 0;
    model.unet.for_each_layer(&mut |_, layer| {
        count += match layer {
            LayerRef::Linear(layer) => layer.weight.numel(),
            LayerRef::Conv2d(layer) => layer.weight.numel(),
        };
    });
    count
}

/// The settings of `schedule` that decide what a training comes to.
pub(crate) fn schedule_settings(schedule: &Schedule) -> Map<String, Value> {
    let mut settings = Map::new();
    settings.insert("learning_rate".to_owned(), json!(schedule.learning_rate));
    settings.insert(
        "betas".to_owned(),
        json!([schedule.betas.0, schedule.betas.1]),
    );
    settings.insert("weight_decay".to_owned(), json!(schedule.weight_decay));
    settings
}

/// Passes progress on, and shows the averages as strips.
struct Reporter<'a, F> {
    news: &'a mut dyn FnMut(TrainingNews),
    strips: Strips<'a>,
    info: &'a ControlInfo,
    tensors: &'a F,
}

impl<F: Fn(&[(String, Tensor)]) -> Result<Named>> Watch for Reporter<'_, F> {
    fn report(&mut self, report: &StepReport) {
        (self.news)(TrainingNews::Progress(report.clone()));
    }

    /// What goes wrong is told and no more: the training is worth more than its pictures.
    fn averages(&mut self, step: u64, averages: Vec<(String, Tensor)>) -> Result<()> {
        let shown = (self.tensors)(&averages)
            .and_then(|tensors| self.strips.show(step, self.info, &tensors));
        match shown {
            Ok(path) => (self.news)(TrainingNews::Strip { step, path }),
            Err(EngineError::Cancelled) => {}
            Err(error) => (self.news)(TrainingNews::Note(format!(
                "no strip at step {step}: {error}"
            ))),
        }
        Ok(())
    }
}
