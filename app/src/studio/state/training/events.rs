//! What the engine and the desk tell the training room.

use std::collections::BTreeSet;
use std::sync::Arc;

use vernier_engine::control_training::saved_step;
use vernier_engine::service::{Event, JobId};

use super::{Run, RunState, Sheet, Training};
use crate::studio::desk::{DeskCommand, DeskEvent};

/// Something that the artist is told wherever they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TrainingMessage {
    /// The control of this name is made.
    Trained(String),
    /// It did not work; one sentence.
    Failed(String),
}

impl Training {
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
            run.saved_step = saved_step(&work);
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
