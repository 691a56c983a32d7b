//! How far controls can be trusted, measured and shown.

use std::path::PathBuf;

use vernier_engine::controls::{ControlInfo, FoundControl};
use vernier_engine::recipe::{ControlUse, Recipe};
use vernier_engine::service::{MeasureRequest, MeasureTask, PromptChoice};

use super::super::contact_sheet::{ContactSheet, ContactSheets, SheetSize, control_name};
use super::super::{Cells, JobKind, QueuedJob};
use super::Studio;

impl Studio {
    /// Finds how far a control can be trusted, on so many prompts and seeds; what is found goes
    /// into the file `out`, or the control's own.
    pub fn calibrate(
        &mut self,
        control: ControlUse,
        out: Option<PathBuf>,
        prompts: usize,
        seeds: u64,
    ) {
        self.queue.push_measure(MeasureRequest {
            base: self.neutral_base(),
            task: MeasureTask::Calibrate { control, out },
            prompts: PromptChoice::Neutral {
                count: prompts,
                nouns: Vec::new(),
            },
            seeds: (1..=seeds).collect(),
            cache: None,
        });
    }

    /// The control that is being calibrated, or else waits for it first.
    pub fn calibrating(&self) -> Option<&str> {
        self.queue.jobs().find_map(calibrated_by)
    }

    /// The control for which a picture that follows the bench has to wait until it is calibrated.
    pub fn live_waits_for(&self) -> Option<&str> {
        let running = self.queue.running().filter(|_| self.live.is_on())?;
        calibrated_by(&running.job)
    }

    /// Stops calibrating, and takes out the calibrations that wait. Files stay as they are.
    pub fn cancel_calibrations(&mut self) {
        self.cancel_jobs(|job| job.kind == JobKind::Measure);
    }

    /// Small pictures of controls along their ranges, as far as they were asked for.
    pub fn contact_sheets(&self) -> &ContactSheets {
        &self.contact_sheets
    }

    /// Renders a contact sheet of one attribute of a control, in the place of an older one.
    pub fn start_contact_sheet(&mut self, info: &ControlInfo, attribute: &str, size: SheetSize) {
        let name = control_name(info, attribute);
        self.cancel_contact_sheet(&name);
        let base = self.neutral_base();
        let sheet = ContactSheet::new(info, attribute, &base, &self.meter_nouns, size);
        let Some(sheet) = sheet else {
            return;
        };
        let recipes: Vec<Recipe> = sheet.cells().wanted().cloned().collect();
        self.contact_sheets.begin(name, sheet);
        self.ask_for(JobKind::ContactSheet, recipes);
    }

    /// Whether the contact sheet called `name` waits or is being made.
    pub fn is_making_contact_sheet(&self, name: &str) -> bool {
        let Some(sheet) = self.contact_sheets.get(name) else {
            return false;
        };
        self.queue.jobs().any(|job| is_of(job, sheet.cells()))
    }

    /// Stops making the contact sheet called `name`; what is made of it stays.
    pub fn cancel_contact_sheet(&mut self, name: &str) {
        let Some(sheet) = self.contact_sheets.get(name) else {
            return;
        };
        let cells = sheet.cells().clone();
        self.cancel_jobs(|job| is_of(job, &cells));
    }

    /// Pictures of controls that are other ones now, or calibrated anew, show what was.
    pub(super) fn forget_changed_controls(&mut self, now: &[FoundControl]) {
        let is_same = |a: &FoundControl, b: &FoundControl| a.path == b.path && a.info == b.info;
        let is_gone = |before: &&FoundControl| !now.iter().any(|found| is_same(before, found));
        let changed = self.controls.iter().filter(is_gone);
        let changed: Vec<String> = changed.map(|found| found.info.name.clone()).collect();
        if changed.is_empty() {
            return;
        }
        let is_changed = |name: &str| changed.iter().any(|known| known == name);
        let uses = |recipe: &Recipe| {
            let mut controls = recipe.controls.iter();
            controls.any(|control| is_changed(control.file_and_attribute().0))
        };
        self.contact_sheets.forget(is_changed);
        self.previews.forget(is_changed);
        self.bench_pictures.forget(uses);
        if uses(&self.bench.recipe) {
            self.live.again();
        }
    }

    fn cancel_jobs(&mut self, is_meant: impl Fn(&QueuedJob) -> bool) {
        let waiting = self.queue.pending().filter(|job| is_meant(job));
        let waiting: Vec<_> = waiting.map(|job| job.id).collect();
        for id in waiting {
            self.queue.remove(id);
        }
        if self.queue.running().is_some_and(|r| is_meant(&r.job)) {
            self.cancel_running(false);
        }
    }

    /// Model and settings of the bench, and nothing that speaks of one picture.
    fn neutral_base(&self) -> Recipe {
        let mut base = self.bench.recipe.clone();
        base.controls.clear();
        base.source = None;
        base.regions.clear();
        base
    }
}

fn is_of(job: &QueuedJob, cells: &Cells) -> bool {
    job.kind == JobKind::ContactSheet && job.recipes.iter().any(|recipe| cells.wants(recipe))
}

fn calibrated_by(job: &QueuedJob) -> Option<&str> {
    match &job.measure.as_ref()?.task {
        MeasureTask::Calibrate { control, .. } => Some(&control.name),
        MeasureTask::Sweep(_)
        | MeasureTask::Words(_)
        | MeasureTask::Interference { .. }
        | MeasureTask::Edits(_) => None,
    }
}
