//! What the trainings from folders of pictures have in common.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use serde_json::{Map, Value, json};
use tch::{Kind, Tensor};

use super::session::{Named, Run, require_parent, schedule_settings};
use super::work::Work;
use super::{Schedule, TrainingEnd, TrainingNews};
use crate::checkpoint::open_clip;
use crate::controls::{ControlFile, ControlInfo, ControlKind, MadeFor};
use crate::device::{self, DeviceRequest, Dtype};
use crate::measure::{ClipReader, Quantity};
use crate::recipe::ModelRef;
use crate::train::folder::{ImageFolder, Preparation, PreparedPictures};
use crate::train::{
    FrozenModel, Judged, Replica, StepReport, Verdict, Watch, judge, load_parameters,
};
use crate::{EngineError, Result};

/// Folder of both CLIP towers within a model's folder, where it brings some.
const OWN_CLIP: &str = "clip";

/// A control that is to be trained from pictures.
#[derive(Debug, Clone)]
pub struct PictureRequest {
    /// The control's name.
    pub name: String,
    /// One sentence for people; where it is empty, one is made.
    pub about: String,
    /// The command that asks for it.
    pub command: String,
    /// The model, as recipes name it.
    pub model: ModelRef,
    /// The model's folder.
    pub model_folder: PathBuf,
    /// Folder of both CLIP towers; `None` for those in the model's folder.
    pub clip: Option<PathBuf>,
    /// The file to write.
    pub out: PathBuf,
    /// Pictures that a worker takes each step.
    pub batch: usize,
    /// Seed of parameters, data order and noise.
    pub seed: u64,
    /// Where to compute.
    pub device: DeviceRequest,
    /// dtype of text encoder and U-Net; what is trained beside them has fp32 masters.
    pub dtype: Dtype,
}

/// A request with its model.
pub(super) struct PictureSession<'a> {
    pub(super) request: &'a PictureRequest,
    pub(super) schedule: &'a Schedule,
    pub(super) model: FrozenModel,
    stop: Arc<AtomicBool>,
    news: &'a mut dyn FnMut(TrainingNews),
}

/// What a training came to.
pub(super) enum Trained {
    /// All steps are done: the averaged parameters, and how they do on pictures set aside.
    Done(Named, Option<Verdict>),
    Stopped(TrainingEnd),
}

impl<'a> PictureSession<'a> {
    pub(super) fn open(
        request: &'a PictureRequest,
        schedule: &'a Schedule,
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
            schedule,
            model,
            stop,
            news,
        })
    }

    pub(super) fn note(&mut self, text: String) {
        (self.news)(TrainingNews::Note(text));
    }

    /// Width of the text embeddings.
    pub(super) fn text_dim(&self) -> i64 {
        self.model.text.encoder().config().hidden_size
    }

    /// Encodes and measures the pictures of `folder`; gives them with the rows that are left.
    pub(super) fn prepare(
        &mut self,
        folder: &ImageFolder,
        features: bool,
        quantities: &[Quantity],
    ) -> Result<(ImageFolder, PreparedPictures)> {
        let needs_clip = features || quantities.iter().any(Quantity::needs_clip);
        let clip: Option<(ClipReader, PathBuf)> = if needs_clip {
            let folder = self.clip_folder()?;
            Some((open_clip(&folder, self.model.device)?, folder))
        } else {
            None
        };
        let preparation = Preparation {
            model: &self.model,
            clip: clip.as_ref().map(|(clip, folder)| (clip, folder.as_path())),
            features,
            quantities,
        };
        let work = &self.schedule.work;
        std::fs::create_dir_all(work).map_err(|e| EngineError::io(work, e))?;
        let total = folder.rows.len();
        let (news, mut told) = (&mut *self.news, Instant::now());
        let report_every = self.schedule.report_every;
        let mut progress = |done| {
            if told.elapsed() >= report_every {
                told = Instant::now();
                news(TrainingNews::Pictures { done, total });
            }
        };
        let store = Work::pictures(work);
        let prepared = preparation.run(folder, &store, &self.stop, &mut progress)?;
        for note in prepared.notes.clone() {
            self.note(note);
        }
        let left = folder.choose(&prepared.kept);
        for gap in left.gaps() {
            self.note(gap);
        }
        Ok((left, prepared))
    }

    /// The folder of both CLIP towers.
    fn clip_folder(&self) -> Result<PathBuf> {
        let own = self.request.model_folder.join(OWN_CLIP);
        match &self.request.clip {
            Some(folder) => Ok(folder.clone()),
            None if own.is_dir() => Ok(own),
            None => Err(EngineError::request(
                "clip",
                format!(
                    "this training looks at pictures through CLIP, and {} brings none; name a \
                     folder with both of its towers with --clip",
                    self.request.model_folder.display()
                ),
            )),
        }
    }

    /// The control's description, with `settings` of its training.
    pub(super) fn info(
        &self,
        kind: ControlKind,
        attributes: &[String],
        settings: &Map<String, Value>,
    ) -> ControlInfo {
        let request = self.request;
        let mut info = ControlInfo::new(&request.name, kind, attributes.to_vec());
        info.command.clone_from(&request.command);
        "learned".clone_into(&mut info.method);
        info.model = MadeFor {
            name: request.model.name.clone(),
            hash: self.model.hash.clone(),
        };
        let mut settings = settings.clone();
        settings.insert("steps".to_owned(), self.schedule.steps.into());
        info.settings.insert("training".to_owned(), settings.into());
        info
    }

    /// What decides the outcome of a training on `pictures`, but for its length and the method's
    /// own settings.
    pub(super) fn settings(&self, pictures: usize) -> Map<String, Value> {
        let mut settings = schedule_settings(self.schedule);
        for (name, value) in [
            ("model", json!(self.model.hash)),
            ("dtype", json!(self.request.dtype.name())),
            ("pictures", json!(pictures)),
            ("batch", json!(self.request.batch)),
            ("seed", json!(self.request.seed)),
        ] {
            settings.insert(name.to_owned(), value);
        }
        settings
    }

    /// Trains replicas of `build` to the last step, then judges by the pictures `held_out`.
    pub(super) fn train<R: Replica + Judged + Send>(
        self,
        settings: &Map<String, Value>,
        held_out: &[usize],
        build: impl Fn(FrozenModel, usize) -> Result<R>,
    ) -> Result<Trained> {
        let Self {
            request,
            schedule,
            model,
            stop,
            news,
        } = self;
        let work = Work::open(&schedule.work, settings)?;
        let (kind, device) = (model.kind, model.device);
        let run = Run::begin(&request.name, schedule, &model, work.state(), news);
        let mut watch = Reporter(&mut *news);
        let trained = run.train(model, &request.model_folder, stop, &mut watch, &build)?;
        if trained.step < schedule.steps {
            return Ok(Trained::Stopped(TrainingEnd::Stopped {
                step: trained.step,
                total_steps: schedule.steps,
            }));
        }
        if held_out.is_empty() {
            return Ok(Trained::Done(trained.averages, None));
        }
        let model = FrozenModel::load(&request.model_folder, kind, device)?;
        let mut judged = build(model, 0)?;
        load_parameters(&judged.parameters(), &trained.averages)?;
        let verdict = judge(&mut judged, held_out, request.seed)?;
        if let Some(verdict) = &verdict {
            news(TrainingNews::Note(verdict.sentence()));
        }
        Ok(Trained::Done(trained.averages, verdict))
    }
}

/// Writes the control that `request` asked for, its tensors in fp16.
pub(super) fn save(
    request: &PictureRequest,
    mut info: ControlInfo,
    verdict: Option<&Verdict>,
    tensors: &[(String, Tensor)],
) -> Result<TrainingEnd> {
    if !request.about.is_empty() {
        info.about.clone_from(&request.about);
    }
    if let Some(verdict) = verdict {
        let verdict = serde_json::to_value(verdict).unwrap_or_default();
        info.settings.insert("held_out".to_owned(), verdict);
    }
    let half = tensors
        .iter()
        .map(|(name, tensor)| Ok((name.clone(), tensor.f_to_kind(Kind::Half)?)))
        .collect::<Result<Vec<_>>>()?;
    require_parent(&request.out)?;
    ControlFile::save(&request.out, &info, &half)?;
    Ok(TrainingEnd::Done(Box::new(info)))
}

/// Names joined by commas.
pub(super) fn listed(names: &[String]) -> String {
    names.join(", ")
}

/// Passes reports on.
struct Reporter<'a>(&'a mut dyn FnMut(TrainingNews));

impl Watch for Reporter<'_> {
    fn report(&mut self, report: &StepReport) {
        (self.0)(TrainingNews::Progress(report.clone()));
    }

    fn averages(&mut self, _: u64, _: Vec<(String, Tensor)>) -> Result<()> {
        Ok(())
    }
}
