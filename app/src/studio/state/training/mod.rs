//! Training without its window: the folder of pictures that is edited, what is to be trained, the
//! trainings that run and ran.

mod csv_text;
mod events;
mod form;
mod losses;
mod record;
mod run;
mod sheet;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use vernier_engine::picture::Picture;
use vernier_engine::service::JobId;

use crate::studio::desk::DeskCommand;

pub(crate) use events::TrainingMessage;
pub use form::{TrainingForm, TrainingKind};
pub use losses::Losses;
pub use record::RunRecord;
pub use run::{Run, RunState};
pub use sheet::{ColumnCheck, Sheet, SheetRow};

/// Where things lie that trainings make.
#[derive(Debug, Clone, Default)]
pub struct TrainingPlaces {
    /// Folder of all trainings' work folders; `None` where there can be none.
    pub work: Option<PathBuf>,
    /// Folder of the artist's own controls.
    pub own_controls: Option<PathBuf>,
}

/// A column that is being filled with what is read from the pictures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filling {
    /// The engine's number for it.
    pub job: JobId,
    /// The column.
    pub column: String,
    /// Rows of the pictures, in the job's order.
    pub rows: Vec<usize>,
    /// Pictures read.
    pub done: usize,
}

/// The training room.
#[derive(Debug, Default)]
pub struct Training {
    /// What is to be trained; widgets change it in place.
    pub form: TrainingForm,
    /// Why the form cannot be trained as it is; one sentence.
    pub problem: Option<String>,
    /// The training that is shown, by its place.
    pub shown: Option<usize>,
    pub(crate) places: TrainingPlaces,
    /// Attributes that the model's meter reads.
    pub(crate) readable: Vec<String>,
    sheet: Option<Arc<Sheet>>,
    saved: Option<Arc<Sheet>>,
    checked: Option<Arc<Sheet>>,
    checks: Arc<[ColumnCheck]>,
    unreadable: BTreeMap<PathBuf, String>,
    is_opening: bool,
    /// Why the last folder could not be opened; one sentence.
    not_opened: Option<String>,
    opens_when_saved: Option<PathBuf>,
    is_saving: bool,
    pub(crate) starts_when_saved: bool,
    filling: Option<Filling>,
    runs: Vec<Run>,
    /// The control that goes on the bench as soon as it is known, by its name.
    pub(crate) wanted_on_bench: Option<String>,
    thumbnails: Vec<(PathBuf, Result<Picture, String>)>,
    messages: Vec<String>,
    desk: Vec<DeskCommand>,
}

impl Training {
    /// The pictures that are edited.
    pub fn sheet(&self) -> Option<&Arc<Sheet>> {
        self.sheet.as_ref()
    }

    /// The same, to be changed.
    pub fn sheet_mut(&mut self) -> Option<&mut Sheet> {
        self.sheet.as_mut().map(Arc::make_mut)
    }

    /// The same, where there is something to change: it is copied for that.
    pub(crate) fn sheet_mut_if(&mut self, is_wanted: bool) -> Option<&mut Sheet> {
        if is_wanted { self.sheet_mut() } else { None }
    }

    /// Goes back to an earlier sheet of the same folder.
    pub(crate) fn set_sheet(&mut self, sheet: Option<Arc<Sheet>>) {
        let is_same = |a: &Arc<Sheet>, b: &Arc<Sheet>| a.folder == b.folder && a.table == b.table;
        if let (Some(new), Some(old)) = (&sheet, &self.sheet)
            && is_same(new, old)
            && new.rows.len() == old.rows.len()
        {
            self.sheet = sheet;
        }
    }

    /// Whether something has changed since it was read or written.
    pub fn is_unsaved(&self) -> bool {
        self.sheet != self.saved
    }

    /// Whether a folder is being read.
    pub fn is_opening(&self) -> bool {
        self.is_opening
    }

    /// Why the last folder could not be opened; one sentence.
    pub fn not_opened(&self) -> Option<&str> {
        self.not_opened.as_deref()
    }

    /// Files that cannot be read as pictures, each with a sentence.
    pub fn unreadable(&self) -> &BTreeMap<PathBuf, String> {
        &self.unreadable
    }

    /// What the trainer would say of each column, shared: it is drawn every frame.
    pub fn checks(&mut self) -> Arc<[ColumnCheck]> {
        let is_known = match (&self.checked, &self.sheet) {
            (Some(checked), Some(sheet)) => Arc::ptr_eq(checked, sheet),
            (None, None) => true,
            _ => false,
        };
        if !is_known {
            let sheets = self.sheet.iter();
            self.checks = sheets
                .flat_map(|sheet| (0..sheet.columns.len()).map(|at| sheet.check(at)))
                .collect();
            self.checked.clone_from(&self.sheet);
        }
        Arc::clone(&self.checks)
    }

    /// The column that is being filled.
    pub fn filling(&self) -> Option<&Filling> {
        self.filling.as_ref()
    }

    /// Trainings, the oldest first.
    pub fn runs(&self) -> &[Run] {
        &self.runs
    }

    /// The training that is shown.
    pub fn shown_run(&self) -> Option<&Run> {
        self.runs.get(self.shown?)
    }

    /// Whether the engine has a training.
    pub fn is_active(&self) -> bool {
        self.runs.iter().any(Run::is_active)
    }

    /// Opens a folder of pictures, or the folder of a table; changes are saved before.
    pub fn open(&mut self, path: impl Into<PathBuf>) {
        self.is_opening = true;
        self.not_opened = None;
        if self.is_unsaved() {
            self.opens_when_saved = Some(path.into());
            self.save();
        } else {
            self.desk.push(DeskCommand::Open(path.into()));
        }
    }

    /// Saves what has changed.
    pub fn save(&mut self) {
        if !self.is_saving {
            self.save_now();
        }
    }

    /// The same, though a save may be on its way.
    pub(crate) fn save_now(&mut self) {
        if !self.is_unsaved() {
            return;
        }
        if let (Some(sheet), Some(saved)) = (&self.sheet, &self.saved) {
            self.is_saving = true;
            self.desk.push(DeskCommand::Save {
                sheet: Arc::clone(sheet),
                saved: Arc::clone(saved),
            });
        }
    }

    /// Looks for trainings that were paused another day.
    pub fn find_runs(&mut self) {
        if let Some(work) = &self.places.work {
            self.desk.push(DeskCommand::FindRuns(work.clone()));
        }
    }

    /// The work folder of a training of the control `name`.
    pub(crate) fn work_folder(&self, name: &str) -> Option<PathBuf> {
        Some(self.places.work.as_ref()?.join(name))
    }

    /// The training whose work folder is `work` and which is not done.
    pub(crate) fn run_in(&self, work: &Path) -> Option<&Run> {
        let is_open = |run: &&Run| !matches!(run.state, RunState::Done(_));
        self.runs
            .iter()
            .filter(is_open)
            .find(|run| run.work() == work)
    }

    /// Adds a training that the engine was given, and shows it.
    pub(crate) fn add_run(&mut self, run: Run) {
        let work = run.work();
        self.runs.retain(|known| known.work() != work);
        self.desk
            .push(DeskCommand::KeepRun(work, Box::new(run.record())));
        self.runs.push(run);
        self.shown = Some(self.runs.len() - 1);
    }

    /// The training at `at`, to be changed.
    pub(crate) fn run_mut(&mut self, at: usize) -> Option<&mut Run> {
        self.runs.get_mut(at)
    }

    /// Takes a training out of the list and its work folder off the disk.
    pub(crate) fn forget_run(&mut self, at: usize) {
        if at >= self.runs.len() {
            return;
        }
        let run = self.runs.remove(at);
        self.desk.push(DeskCommand::ForgetRun(run.work(), true));
        self.shown = match self.shown {
            Some(shown) if shown == at => None,
            Some(shown) if shown > at => Some(shown - 1),
            other => other,
        };
    }

    pub(crate) fn begin_filling(&mut self, filling: Filling) {
        self.filling = Some(filling);
    }

    /// Thumbnails that have come; they are gone from here.
    pub(crate) fn take_thumbnails(&mut self) -> Vec<(PathBuf, Result<Picture, String>)> {
        std::mem::take(&mut self.thumbnails)
    }

    /// Sentences about what went wrong; they are gone from here.
    pub(crate) fn take_messages(&mut self) -> Vec<String> {
        std::mem::take(&mut self.messages)
    }

    /// Commands for the desk, in order; they are gone from here.
    pub(crate) fn take_desk(&mut self) -> Vec<DeskCommand> {
        std::mem::take(&mut self.desk)
    }
}
