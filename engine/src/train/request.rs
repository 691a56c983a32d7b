//! What every training of an adapter from pictures is asked.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use serde_json::Value;
use tch::{Device, Kind, Tensor};

use super::folder::{ImageFolder, Preparation, PreparedPictures};
use super::{
    AdamW, FrozenModel, LearningRate, Replica, StepReport, TrainLoop, TrainOptions, Trained, Watch,
};
use crate::atomic::{self, Existing};
use crate::checkpoint::open_clip;
use crate::controls::{ControlFile, ControlInfo, MadeFor};
use crate::measure::{ClipReader, Quantity};
use crate::{EngineError, Result};

/// Time between saves of the training state.
const SAVE_EVERY: Duration = Duration::from_mins(1);
/// Time between reports.
const REPORT_EVERY: Duration = Duration::from_secs(10);
/// Steps over which the learning rate rises at the start.
const WARMUP_STEPS: u64 = 20;
/// Part of the steps over which it falls at the end.
const DECAY: f64 = 0.4;

/// Folder of both CLIP towers within a model's folder, where it brings some.
const OWN_CLIP: &str = "clip";

/// A control's training from pictures.
#[derive(Debug, Clone)]
pub struct AdapterRequest {
    /// Name of the control.
    pub name: String,
    /// The model's folder.
    pub model: PathBuf,
    /// Folder of both CLIP towers; `None` for those in the model's folder.
    pub clip: Option<PathBuf>,
    /// Where to compute.
    pub device: Device,
    /// dtype of text encoder and U-Net; what is trained beside them has fp32 masters.
    pub kind: Kind,
    /// Steps in all, earlier runs included.
    pub steps: u64,
    /// Replicas; on a CPU one thread each where there are several.
    pub workers: usize,
    /// Pictures that a worker takes each step.
    pub batch: usize,
    /// Peak learning rate.
    pub learning_rate: f64,
    /// Seed of parameters, data order and noise.
    pub seed: u64,
    /// Folder of the training's state and of the encoded pictures; made where it is not there.
    pub work: PathBuf,
    /// The control's file.
    pub out: PathBuf,
    /// The command line, for the control's description.
    pub command: String,
}

/// What a training tells on its way.
#[derive(Debug, Clone)]
pub enum Told {
    /// Something that the artist should know.
    Note(String),
    /// Pictures read so far.
    Pictures {
        /// Read, or found unreadable.
        done: usize,
        /// All.
        all: usize,
    },
    /// How far the training is.
    Step(StepReport),
}

/// Hears what a training tells.
pub type Tell<'a> = dyn FnMut(Told) + 'a;

impl AdapterRequest {
    /// Makes the work folder, and refuses to go on with a training of other settings that lies
    /// there: `settings` is everything that decides the outcome but the number of steps.
    pub(super) fn begin(&self, settings: &Value) -> Result<()> {
        let work = &self.work;
        std::fs::create_dir_all(work).map_err(|e| EngineError::io(work, e))?;
        let path = work.join("training.json");
        let text = format!("{settings:#}\n");
        let known = match std::fs::read_to_string(&path) {
            Ok(known) => Some(known),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => None,
            Err(e) => return Err(EngineError::io(&path, e)),
        };
        if known.is_some_and(|known| known != text) && self.state().exists() {
            return Err(EngineError::bad_file(
                work,
                "holds a training of the same name with other settings or pictures; delete it to \
                 begin anew, or give this one another name",
            ));
        }
        atomic::write(&path, Existing::Replace, |file| {
            std::io::Write::write_all(file, text.as_bytes()).map_err(|e| EngineError::io(&path, e))
        })?;
        Ok(())
    }

    /// The settings that every training depends on.
    pub(super) fn settings(&self, model: &FrozenModel, folder: &ImageFolder) -> Value {
        serde_json::json!({
            "model": model.hash,
            "pictures": folder.rows.len(),
            "attributes": folder.attributes,
            "batch": self.batch,
            "learning_rate": self.learning_rate,
            "seed": self.seed,
            "dtype": format!("{:?}", self.kind),
        })
    }

    fn state(&self) -> PathBuf {
        self.work.join("state.safetensors")
    }

    /// The folder of both CLIP towers.
    ///
    /// # Errors
    /// None is named and the model brings none.
    fn clip_folder(&self) -> Result<PathBuf> {
        let own = self.model.join(OWN_CLIP);
        match &self.clip {
            Some(folder) => Ok(folder.clone()),
            None if own.is_dir() => Ok(own),
            None => Err(EngineError::request(
                "clip",
                format!(
                    "this training looks at pictures through CLIP, and {} brings none; name a \
                     folder with both of its towers with --clip",
                    self.model.display()
                ),
            )),
        }
    }

    /// Encodes and measures the pictures of `folder`; gives them with the rows that are left.
    pub(super) fn prepare(
        &self,
        model: &FrozenModel,
        folder: &ImageFolder,
        (features, quantities): (bool, &[Quantity]),
        stop: &AtomicBool,
        tell: &mut Tell<'_>,
    ) -> Result<(ImageFolder, PreparedPictures)> {
        std::fs::create_dir_all(&self.work).map_err(|e| EngineError::io(&self.work, e))?;
        let needs_clip = features || quantities.iter().any(Quantity::needs_clip);
        let clip: Option<(ClipReader, PathBuf)> = if needs_clip {
            let folder = self.clip_folder()?;
            Some((open_clip(&folder, self.device)?, folder))
        } else {
            None
        };
        let preparation = Preparation {
            model,
            clip: clip.as_ref().map(|(clip, folder)| (clip, folder.as_path())),
            features,
            quantities,
        };
        let all = folder.rows.len();
        let store = self.work.join("pictures.safetensors");
        let mut progress = |done| tell(Told::Pictures { done, all });
        let prepared = preparation.run(folder, &store, stop, &mut progress)?;
        for note in &prepared.notes {
            tell(Told::Note(note.clone()));
        }
        let left = folder.choose(&prepared.kept);
        for gap in left.gaps() {
            tell(Told::Note(gap));
        }
        Ok((left, prepared))
    }

    /// Trains to the last step and gives the averages.
    ///
    /// # Errors
    /// See [`TrainLoop::run`]; [`EngineError::Cancelled`] where it was stopped before.
    pub(super) fn train<R: Replica + Send>(
        &self,
        stop: &Arc<AtomicBool>,
        tell: &mut Tell<'_>,
        build: impl Fn(usize) -> Result<R>,
    ) -> Result<Vec<(String, Tensor)>> {
        let workers = if self.device == Device::Cpu {
            self.workers.max(1)
        } else {
            1
        };
        if workers > 1 {
            // Several single-threaded workers beat one with several threads.
            tch::set_num_threads(1);
        }
        let options = TrainOptions {
            workers,
            optimizer: AdamW::default(),
            learning_rate: LearningRate {
                peak: self.learning_rate,
                warmup_steps: WARMUP_STEPS,
                total_steps: self.steps,
                decay_fraction: DECAY,
            },
            state_file: self.state(),
            save_every: SAVE_EVERY,
            report_every: REPORT_EVERY,
            show_every: None,
        };
        let Trained { averages, step } =
            TrainLoop::new(options, Arc::clone(stop)).run(build, &mut Reports(tell))?;
        if step < self.steps {
            let steps = self.steps;
            tell(Told::Note(format!(
                "stopped after step {step} of {steps}; the same command goes on from there"
            )));
            return Err(EngineError::Cancelled);
        }
        Ok(averages)
    }

    /// Fills in what every trained control says about itself, and writes it, its tensors in fp16.
    pub(super) fn save(
        &self,
        mut info: ControlInfo,
        model_hash: &str,
        tensors: &[(String, Tensor)],
    ) -> Result<()> {
        info.method = "learned".to_owned();
        info.command.clone_from(&self.command);
        info.model = MadeFor {
            name: folder_name(&self.model),
            hash: model_hash.to_owned(),
        };
        let half = tensors
            .iter()
            .map(|(name, tensor)| Ok((name.clone(), tensor.f_to_kind(Kind::Half)?)))
            .collect::<Result<Vec<_>>>()?;
        if let Some(folder) = self.out.parent().filter(|f| !f.as_os_str().is_empty()) {
            std::fs::create_dir_all(folder).map_err(|e| EngineError::io(folder, e))?;
        }
        ControlFile::save(&self.out, &info, &half)
    }
}

fn folder_name(path: &Path) -> String {
    let name = path.file_name().map(|n| n.to_string_lossy().into_owned());
    name.unwrap_or_default()
}

/// Passes reports on.
struct Reports<'a, 'b>(&'a mut Tell<'b>);

impl Watch for Reports<'_, '_> {
    fn report(&mut self, report: &StepReport) {
        (self.0)(Told::Step(report.clone()));
    }

    fn averages(&mut self, _: u64, _: Vec<(String, Tensor)>) -> Result<()> {
        Ok(())
    }
}
