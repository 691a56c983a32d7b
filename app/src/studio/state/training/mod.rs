//! Training without its window: the folder of pictures that is edited, what is to be trained, the
//! trainings that run and ran.

mod csv_text;
mod form;
mod losses;
mod record;
mod run;
mod sheet;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use vernier_engine::picture::Picture;
use vernier_engine::service::{Event, JobId};

use crate::studio::desk::{DeskCommand, DeskEvent};

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
    checks: Vec<ColumnCheck>,
    unreadable: BTreeMap<PathBuf, String>,
    is_opening: bool,
    /// Why the last folder could not be opened; one sentence.
    not_opened: Option<String>,
    opens_when_saved: Option<PathBuf>,
    is_saving: bool,
    pub(crate) starts_when_saved: bool,
    filling: Option<Filling>,
    runs: Vec<Run>,
    /// Controls that go on the bench as soon as they are known.
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

    /// What the trainer would say of each column.
    pub fn checks(&mut self) -> &[ColumnCheck] {
        let is_known = match (&self.checked, &self.sheet) {
            (Some(checked), Some(sheet)) => Arc::ptr_eq(checked, sheet),
            (None, None) => true,
            _ => false,
        };
        if !is_known {
            self.checks = self.sheet.as_ref().map_or_else(Vec::new, |sheet| {
                (0..sheet.columns.len()).map(|at| sheet.check(at)).collect()
            });
            self.checked.clone_from(&self.sheet);
        }
        &self.checks
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

    /// The job of an event, where it is one of ours.
    pub(crate) fn job_of(&self, event: &Event) -> Option<JobId> {
        let job = job_of(event)?;
        let fills = self.filling.as_ref().is_some_and(|f| f.job == job);
        (fills || self.runs.iter().any(|run| run.job == Some(job))).then_some(job)
    }

    /// Takes in what the engine tells of one of our jobs. Gives what to tell the artist.
    pub(crate) fn receive(&mut self, job: JobId, event: Event) -> Option<TrainingMessage> {
        if self.filling.as_ref().is_some_and(|f| f.job == job) {
            return self.take_reading(event);
        }
        let at = self.runs.iter().position(|run| run.job == Some(job))?;
        let was_trained = matches!(event, Event::Trained { .. });
        let (is_kept, is_stopped) = {
            let run = &mut self.runs[at];
            (run.receive(event), run.state == RunState::Stopping)
        };
        let run = &mut self.runs[at];
        let work = run.work();
        let name = run.plan.name.clone();
        if is_stopped && run.job.is_none() {
            self.forget_run(at);
            return None;
        }
        if is_kept {
            run.saved_step = vernier_engine::control_training::saved_step(&work);
            self.desk
                .push(DeskCommand::KeepRun(work, Box::new(run.record())));
        } else if was_trained {
            self.desk.push(DeskCommand::ForgetRun(work, false));
            return Some(TrainingMessage::Trained(name));
        }
        if let RunState::Failed(sentence) = &self.runs[at].state {
            return Some(TrainingMessage::Failed(sentence.clone()));
        }
        None
    }

    fn take_reading(&mut self, event: Event) -> Option<TrainingMessage> {
        match event {
            Event::Readings {
                first, readings, ..
            } => {
                let (sheet, filling) = (self.sheet.as_mut()?, self.filling.as_mut()?);
                let sheet = Arc::make_mut(sheet);
                let column = sheet.columns.iter().position(|c| *c == filling.column)?;
                filling.done = first + readings.len();
                for (row, reading) in filling.rows.iter().skip(first).zip(readings) {
                    let Some(row) = sheet.rows.get_mut(*row) else {
                        continue;
                    };
                    match reading {
                        Ok(number) => row.cells[column] = format!("{number:.4}"),
                        Err(sentence) => {
                            let path = sheet.folder.join(&row.file);
                            self.unreadable.insert(path, sentence);
                        }
                    }
                }
            }
            Event::Finished { .. } | Event::Cancelled { .. } => self.filling = None,
            Event::Failed { message, .. } => {
                self.filling = None;
                return Some(TrainingMessage::Failed(message));
            }
            _ => {}
        }
        None
    }

    /// Takes in what the desk tells. Gives whether the training that waited for a save can begin.
    pub(crate) fn take_desk_event(&mut self, event: DeskEvent) -> bool {
        match event {
            DeskEvent::Opened(sheet) => {
                self.is_opening = false;
                self.not_opened = None;
                self.unreadable.clear();
                self.thumbnails.clear();
                self.filling = None;
                let columns: BTreeSet<&String> = sheet.columns.iter().collect();
                self.form.columns.retain(|column| columns.contains(column));
                self.saved = Some(Arc::clone(&sheet));
                self.sheet = Some(sheet);
            }
            DeskEvent::NotOpened(sentence) => {
                self.is_opening = false;
                self.not_opened = Some(sentence);
            }
            DeskEvent::Saved(sheet) => {
                self.is_saving = false;
                let is_ours = self
                    .sheet
                    .as_ref()
                    .is_some_and(|s| s.folder == sheet.folder);
                if is_ours {
                    self.was_saved(sheet);
                }
                if let Some(path) = self.opens_when_saved.take() {
                    self.open(path);
                }
                return std::mem::take(&mut self.starts_when_saved);
            }
            DeskEvent::NotSaved(sentence) => {
                self.is_saving = false;
                self.starts_when_saved = false;
                if self.opens_when_saved.take().is_some() {
                    self.is_opening = false;
                }
                self.messages.push(sentence);
            }
            DeskEvent::Unreadable(folder, files) => {
                if self.sheet.as_ref().is_some_and(|s| s.folder == folder) {
                    self.unreadable.extend(files);
                }
            }
            DeskEvent::Thumbnail(path, made) => {
                if let Err(sentence) = &made {
                    self.unreadable.insert(path.clone(), sentence.clone());
                }
                self.thumbnails.push((path, made));
            }
            DeskEvent::Runs(found) => {
                for (work, mut record) in found {
                    if self.run_in(&work).is_none() {
                        record.plan.work = Some(work);
                        self.runs.push(Run::of(record));
                    }
                }
                self.shown = self.shown.or(self.runs.len().checked_sub(1));
            }
            DeskEvent::Failed(sentence) => self.messages.push(sentence),
        }
        false
    }

    /// From now on the table is there, if it has columns.
    fn was_saved(&mut self, mut sheet: Arc<Sheet>) {
        let is_same = self.sheet.as_ref() == Some(&sheet);
        if sheet.uses_table() && !sheet.has_table {
            Arc::make_mut(&mut sheet).has_table = true;
            if let Some(present) = &mut self.sheet {
                Arc::make_mut(present).has_table = true;
            }
        }
        if is_same {
            self.sheet = Some(Arc::clone(&sheet));
        }
        self.saved = Some(sheet);
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

/// Something that the artist is told wherever they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TrainingMessage {
    /// The control of this name is made.
    Trained(String),
    /// It did not work; one sentence.
    Failed(String),
}

fn job_of(event: &Event) -> Option<JobId> {
    match event {
        Event::Queued { job }
        | Event::Started { job, .. }
        | Event::Note { job, .. }
        | Event::Training { job, .. }
        | Event::Strip { job, .. }
        | Event::Trained { job, .. }
        | Event::TrainingStopped { job, .. }
        | Event::Readings { job, .. }
        | Event::Finished { job }
        | Event::Failed { job, .. }
        | Event::Cancelled { job } => Some(*job),
        _ => None,
    }
}
