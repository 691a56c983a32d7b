//! What the studio does for its training room.

use std::time::Duration;

use vernier_engine::control_training::{Places, TrainingPlan, TrainingTask};
use vernier_engine::service::{Command, JobId, ReadRequest, ReadWhat};

use super::super::training::TrainingMessage;
use super::super::{Filling, Run, RunState, Shown, ToastKind};
use super::Studio;

/// Time between reports of a training: often enough for a curve, too seldom to be felt.
const REPORT_EVERY: Duration = Duration::from_millis(250);

impl Studio {
    /// Starts the training that the form asks for; changes of the pictures are saved before.
    pub fn start_training(&mut self) {
        match self.plan_of_form() {
            Ok(plan) => self.launch(plan),
            Err(sentence) => self.training.problem = Some(sentence),
        }
    }

    /// The training that the form asks for, as it would start.
    ///
    /// # Errors
    /// Something is missing; one sentence.
    pub fn plan_of_form(&self) -> Result<TrainingPlan, String> {
        let training = &self.training;
        let sheet = training.sheet().map(AsRef::as_ref);
        let mut plan = training.form.plan(sheet)?;
        let model = &self.bench.recipe.model;
        plan.model = model.path.as_ref().map(Into::into);
        plan.work = training.work_folder(&plan.name);
        Ok(plan)
    }

    fn launch(&mut self, plan: TrainingPlan) {
        self.training.problem = None;
        if plan.pictures().is_some() && self.training.is_unsaved() {
            self.training.starts_when_saved = true;
            self.training.save();
            return;
        }
        let open = plan
            .work
            .as_ref()
            .and_then(|work| self.training.run_in(work));
        if let Some(run) = open {
            let state = if run.is_active() { "runs" } else { "is paused" };
            self.training.problem = Some(format!(
                "A training of \"{}\" {state} already; resume or stop that one, or take another name",
                plan.name
            ));
            return;
        }
        if let Err(e) = self.begin(plan) {
            self.training.problem = Some(e.to_string());
        }
    }

    /// Gives the engine a training from its first step.
    fn begin(&mut self, plan: TrainingPlan) -> vernier_engine::Result<()> {
        let task = plan.task(&self.training_places())?;
        task.begin_anew()?;
        let job = self.queue.fresh_id();
        self.train(Run::start(plan, job), job, task);
        Ok(())
    }

    fn train(&mut self, run: Run, job: JobId, task: TrainingTask) {
        self.training.add_run(run);
        let task = Box::new(task);
        self.outbox.push(Command::Train { job, task });
    }

    /// Goes on with the training at `at` from its last saved state.
    pub fn resume_training(&mut self, at: usize) {
        let places = self.training_places();
        let Some(run) = self.training.runs().get(at).filter(|run| run.can_resume()) else {
            return;
        };
        match run.plan.task(&places) {
            Ok(task) => {
                let job = self.queue.fresh_id();
                let mut again = Run::start(run.plan.clone(), job);
                again.step = run.saved_step.unwrap_or(run.step);
                again.losses.clone_from(&run.losses);
                again.losses.forget_after(again.step);
                again.log.clone_from(&run.log);
                again.strips.clone_from(&run.strips);
                self.train(again, job, task);
            }
            Err(e) => self.toasts.push(ToastKind::Trouble, e.to_string(), None),
        }
    }

    /// Begins the training at `at`, which failed or is paused, from its first step.
    pub fn restart_training(&mut self, at: usize) {
        let Some(run) = self.training.runs().get(at).filter(|run| run.can_resume()) else {
            return;
        };
        let plan = run.plan.clone();
        if let Err(e) = self.begin(plan) {
            self.toasts.push(ToastKind::Trouble, e.to_string(), None);
        }
    }

    /// Stops the training at `at` after the step at hand; its state is kept.
    pub fn pause_training(&mut self, at: usize) {
        if let Some(run) = self.training.run_mut(at)
            && let Some(job) = run.job
            && run.state != RunState::Stopping
        {
            run.state = RunState::Pausing;
            self.outbox.push(Command::Cancel(job));
        }
    }

    /// Stops the training at `at` for good; its state and work folder are deleted.
    pub fn stop_training(&mut self, at: usize) {
        let Some(run) = self.training.run_mut(at) else {
            return;
        };
        match run.job {
            Some(job) => {
                run.state = RunState::Stopping;
                self.outbox.push(Command::Cancel(job));
            }
            None => self.training.forget_run(at),
        }
    }

    /// Pauses all trainings, for the window is being closed.
    pub(crate) fn pause_all_trainings(&mut self) {
        for at in 0..self.training.runs().len() {
            self.pause_training(at);
        }
    }

    /// Pauses the shown training where it runs, goes on with it where it is paused, or starts what
    /// the form asks for.
    pub fn toggle_training(&mut self) {
        match (self.training.shown, self.training.shown_run()) {
            (Some(at), Some(run)) if run.is_active() => self.pause_training(at),
            (Some(at), Some(run)) if run.can_resume() => self.resume_training(at),
            _ => self.start_training(),
        }
    }

    /// Fills a column, which is made where it is not there, with what is read from every picture.
    pub fn fill_column(&mut self, column: &str, what: ReadWhat) {
        if self.training.filling().is_some() {
            return;
        }
        let unreadable = self.training.unreadable().clone();
        let Some(sheet) = self.training.sheet_mut() else {
            return;
        };
        if !sheet.columns.iter().any(|known| known == column)
            && let Err(sentence) = sheet.add_column(column)
        {
            self.training.problem = Some(sentence);
            return;
        }
        let rows: Vec<usize> = (0..sheet.rows.len())
            .filter(|&row| !unreadable.contains_key(&sheet.path(row)))
            .collect();
        let pictures = rows.iter().map(|&row| sheet.path(row)).collect();
        let job = self.queue.fresh_id();
        self.training.begin_filling(Filling {
            job,
            column: column.to_owned(),
            rows,
            done: 0,
        });
        let model = self.bench.recipe.model.path.as_ref().map(Into::into);
        self.outbox.push(Command::ReadPictures {
            job,
            request: ReadRequest {
                pictures,
                what,
                model,
            },
            options: self.options.clone(),
        });
    }

    /// Stops filling a column; what was read stays.
    pub fn stop_filling(&mut self) {
        if let Some(filling) = self.training.filling() {
            self.outbox.push(Command::Cancel(filling.job));
        }
    }

    /// Puts the control `name` on the bench, at a setting that shows what it does, as soon as its
    /// slider is there.
    pub fn put_on_bench(&mut self, name: &str) {
        self.training.wanted_on_bench = Some(name.to_owned());
        self.shown = Shown::Bench;
        // Its file may have come a moment ago.
        self.looked_at = None;
    }

    /// Puts what is wanted there on the bench, where its slider is in the rack by now; says what is
    /// missing where the prompt has no place for it.
    pub(super) fn place_wanted(&mut self) {
        let Some(name) = self.training.wanted_on_bench.clone() else {
            return;
        };
        let Some(control) = self.controls.iter().find(|c| c.info.name == name) else {
            return;
        };
        let subjects = control.info.subjects.join(", ");
        self.training.wanted_on_bench = None;
        let of_it = |key: &str| key == name || key.starts_with(&format!("{name}/"));
        let rack = self.rack();
        let mut specs = rack.iter().flat_map(|group| &group.sliders);
        let Some(spec) = specs.find(|spec| of_it(&spec.key.name)) else {
            let text = format!(
                "{name} is for {subjects}: write one of them into the prompt, and its slider is there"
            );
            self.toasts.push(ToastKind::Note, text, None);
            return;
        };
        let (low, high) = (*spec.range.start(), *spec.range.end());
        let setting = if spec.kind.takes_values() {
            f64::midpoint(low, high)
        } else {
            1.0_f64.clamp(low, high)
        };
        let (key, scale) = (spec.key.clone(), spec.scale);
        self.set_control(&key, Some((scale, setting)));
    }

    pub(super) fn tell_training(&mut self, message: TrainingMessage) {
        match message {
            TrainingMessage::Trained(name) => {
                self.controls_changed = true;
                let text = format!("{name} is trained and stands among the controls");
                self.toasts.push(ToastKind::Done, text, None);
            }
            TrainingMessage::Failed(sentence) => {
                self.toasts.push(ToastKind::Trouble, sentence, None);
            }
        }
    }

    fn training_places(&self) -> Places {
        let places = &self.training.places;
        Places {
            embedded_model: self.options.embedded_model.clone(),
            own_controls: places.own_controls.clone(),
            work: places.work.clone(),
            command: None,
            report_every: REPORT_EVERY,
        }
    }
}
