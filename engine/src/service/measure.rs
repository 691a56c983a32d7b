//! Measuring jobs: sweeps, calibrations and interference, on the renderer that is loaded.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::pace::Pace;
use super::worker::Inbox;
use super::{Event, JobId, MeasureRequest, MeasureTask, Measured, PromptChoice, RenderOptions};
use crate::checkpoint::{MeterOptions, open_clip, open_meter};
use crate::controls::{ControlFile, ControlLibrary};
use crate::measure::{
    AttributeCache, CalibrationPlan, InterferencePlan, MeasuredPrompt, Meter, SoundnessLimits,
    Stacked, SweepPlan, SweepReport, Workbench, neutral_prompts, own_prompts,
};
use crate::picture::Picture;
use crate::recipe::{ControlUse, Recipe};
use crate::render::{Rendered, Renderer};
use crate::{EngineError, Result};

/// Prompts that are worded before those with one subject are picked.
const WORDED: usize = 256;

/// The renderer at work for one job.
pub(super) struct Bench<'a> {
    pub(super) job: JobId,
    pub(super) renderer: &'a mut Renderer,
    pub(super) inbox: &'a mut Inbox,
    pub(super) pace: Pace,
    /// Pictures made so far, and about how many there will be.
    made: usize,
    expected: usize,
    /// What was told already: a sweep's pictures all give the same notes.
    told: BTreeSet<String>,
}

impl<'a> Bench<'a> {
    pub(super) fn new(job: JobId, renderer: &'a mut Renderer, inbox: &'a mut Inbox) -> Self {
        Self {
            job,
            renderer,
            inbox,
            pace: Pace::start(Instant::now()),
            made: 0,
            expected: 0,
            told: BTreeSet::new(),
        }
    }

    /// Renders `recipe` and tells how far it is.
    pub(super) fn make(&mut self, recipe: &Recipe) -> Result<Rendered> {
        self.inbox.check_cancelled()?;
        self.pace.resume(Instant::now());
        let (index, pictures) = (self.made, self.expected.max(self.made + 1));
        let mut on_step = |ahead| {
            self.inbox
                .tell_progress(self.job, (index, pictures), ahead, &mut self.pace)
        };
        let rendered = self.renderer.render(recipe, &mut on_step)?;
        self.pace.decoded(Instant::now());
        self.made += 1;
        Ok(rendered)
    }

    /// Says about how many pictures are to come.
    pub(super) fn expect(&mut self, pictures: usize) {
        self.expected = self.made + pictures;
    }
}

impl Workbench for Bench<'_> {
    fn render(&mut self, recipe: &Recipe) -> Result<Picture> {
        let mut rendered = self.make(recipe)?;
        for note in std::mem::take(&mut rendered.notes) {
            self.tell(note);
        }
        Ok(rendered.picture)
    }

    fn tell(&mut self, message: String) {
        if self.told.insert(message.clone()) {
            let job = self.job;
            self.inbox.tell(Event::Note { job, message });
        }
    }
}

impl MeasureRequest {
    /// Does what is asked with the model in `folder`.
    pub(super) fn run(
        &self,
        folder: &Path,
        options: &RenderOptions,
        bench: &mut Bench<'_>,
    ) -> Result<Measured> {
        // Controls are cheap to look at, meters and pictures are not.
        let controls = self.task.controls().into_iter();
        let mut found = controls
            .map(|control| Found::open(&options.controls, control))
            .collect::<Result<Vec<_>>>()?;
        let meter = self.meter(folder, &options.meter, bench)?;
        let hash = bench.renderer.hash().to_owned();
        match &self.task {
            MeasureTask::Sweep(sweep) => {
                let control = found.remove(0);
                let plan = SweepPlan::of_control(
                    &self.base,
                    &sweep.control,
                    control.file.info.kind.takes_values(),
                    &control.attribute,
                    &sweep.settings,
                    control.prompts(&self.prompts, meter.as_ref())?,
                    self.seeds.clone(),
                )?;
                swept(&plan, meter.as_ref(), bench)
            }
            MeasureTask::Words(words) => {
                let about = About {
                    attribute: &words.attribute,
                    subjects: &words.subjects,
                    subject: None,
                };
                let plan = SweepPlan::of_wordings(
                    &self.base,
                    &words.attribute,
                    &words.wordings,
                    about.prompts(&self.prompts, meter.as_ref())?,
                    self.seeds.clone(),
                )?;
                swept(&plan, meter.as_ref(), bench)
            }
            MeasureTask::Calibrate { control, out } => {
                let found = found.remove(0);
                let plan = CalibrationPlan {
                    base: self.base.clone(),
                    control: control.clone(),
                    kind: found.file.info.kind,
                    attribute: found.attribute.clone(),
                    prompts: found.prompts(&self.prompts, meter.as_ref())?,
                    seeds: self.seeds.clone(),
                    fresh_seeds: after(&self.seeds),
                    limits: SoundnessLimits::default(),
                };
                bench.expect(plan.pictures());
                let mut calibrated = plan.run(meter.as_ref(), bench)?;
                for own in [
                    &mut calibrated.calibration.model_hash,
                    &mut calibrated.fine.model_hash,
                    &mut calibrated.check.model_hash,
                ] {
                    own.clone_from(&hash);
                }
                let mut info = found.file.info.clone();
                let calibration = calibrated.calibration.clone();
                info.calibrations.insert(found.attribute, calibration);
                let saved = out.clone().unwrap_or(found.path);
                found.file.save_with(&saved, &info)?;
                Ok(Measured::Calibration {
                    calibrated: Box::new(calibrated),
                    saved,
                })
            }
            MeasureTask::Interference { controls } => {
                let stacked = controls.iter().zip(found).map(|(control, found)| Stacked {
                    control: control.clone(),
                    attribute: found.attribute,
                    info: found.file.info,
                });
                let plan = InterferencePlan {
                    base: self.base.clone(),
                    controls: stacked.collect(),
                    prompts: shared_prompts(&self.prompts, controls),
                    seeds: self.seeds.clone(),
                };
                bench.expect(plan.pictures());
                let interference = plan.run(meter.as_ref(), bench)?;
                Ok(Measured::Interference(Box::new(interference)))
            }
            MeasureTask::Edits(edits) => {
                edits.run(&self.base, folder, &options.meter, meter.as_ref(), bench)
            }
        }
    }

    /// The meter, with its cache, which is made where it is not there.
    fn meter(
        &self,
        folder: &Path,
        asked: &MeterOptions,
        bench: &mut Bench<'_>,
    ) -> Result<Box<dyn Meter>> {
        let device = bench.renderer.device();
        let Some(cache) = &self.cache else {
            return open_meter(folder, asked, device);
        };
        let refuse = |problem: &str| Err(EngineError::request("cache", problem));
        let Some(clip) = &asked.clip else {
            return refuse("it steadies CLIP; name a folder with both of its towers with --clip");
        };
        if !cache.path.is_file() {
            if asked.attributes.is_empty() {
                return refuse("say with --texts between which texts it is to tell pictures apart");
            }
            bench.expect(2 * cache.shots * asked.attributes.len());
            bench.tell(format!("making pictures for {}", cache.path.display()));
            let clip = open_clip(clip, device)?;
            let attributes = &asked.attributes;
            let made = AttributeCache::build(&clip, attributes, &self.base, cache.shots, bench)?;
            made.save(&cache.path)?;
        }
        let options = MeterOptions {
            cache: Some(cache.path.clone()),
            ..asked.clone()
        };
        // Controls that are to reach readings are read by the same meter.
        bench.renderer.set_meter_options(options.clone());
        open_meter(folder, &options, device)
    }
}

impl MeasureTask {
    fn controls(&self) -> Vec<&ControlUse> {
        match self {
            Self::Sweep(sweep) => vec![&sweep.control],
            Self::Calibrate { control, .. } => vec![control],
            Self::Interference { controls } => controls.iter().collect(),
            Self::Words(_) | Self::Edits(_) => Vec::new(),
        }
    }
}

/// Makes a sweep's pictures, reads them and draws the page.
fn swept(plan: &SweepPlan, meter: &dyn Meter, bench: &mut Bench<'_>) -> Result<Measured> {
    bench.expect(plan.pictures());
    let mut report = SweepReport::new(&plan.rows);
    let mut seen = |row: &_, _, picture: &Picture| report.take(row, picture);
    let mut sweep = plan.run(meter, bench, &mut seen)?;
    bench.renderer.hash().clone_into(&mut sweep.model_hash);
    Ok(Measured::Sweep {
        page: report.draw(&sweep)?,
        sweep: Box::new(sweep),
    })
}

/// A control's file and which of its attributes is meant.
struct Found {
    path: PathBuf,
    file: ControlFile,
    attribute: String,
    /// The subject that the artist named.
    subject: Option<String>,
}

impl Found {
    fn open(library: &ControlLibrary, control: &ControlUse) -> Result<Self> {
        let path = library.find(control)?;
        let file = ControlFile::open(&path)?;
        let info = &file.info;
        let Some(attribute) = info.attribute_of(control) else {
            return Err(EngineError::request(
                format!("control \"{}\"", control.name),
                format!(
                    "say which of its attributes is meant, as {}/{}; it has {}",
                    info.name,
                    info.attributes.first().map_or("ATTRIBUTE", String::as_str),
                    info.attributes.join(", ")
                ),
            ));
        };
        Ok(Self {
            attribute: attribute.to_owned(),
            subject: control.subject.clone(),
            path,
            file,
        })
    }

    /// The prompts to measure on.
    fn prompts(&self, choice: &PromptChoice, meter: &dyn Meter) -> Result<Vec<MeasuredPrompt>> {
        let about = About {
            attribute: &self.attribute,
            subjects: &self.file.info.subjects,
            subject: self.subject.as_deref(),
        };
        about.prompts(choice, meter)
    }
}

/// Of whom an attribute is measured.
struct About<'a> {
    attribute: &'a str,
    /// Nouns that can have it; none where it is the whole picture's.
    subjects: &'a [String],
    /// The one that the artist named.
    subject: Option<&'a str>,
}

impl About<'_> {
    /// The prompts to measure on.
    fn prompts(&self, choice: &PromptChoice, meter: &dyn Meter) -> Result<Vec<MeasuredPrompt>> {
        let (count, nouns) = match choice {
            PromptChoice::Own(text) => return own_prompts(text, self.subject, self.subjects),
            PromptChoice::Neutral { count, nouns } => (*count, nouns.as_slice()),
        };
        let known = meter.nouns();
        let of_subject = meter
            .subject_attributes()
            .iter()
            .any(|a| a == self.attribute);
        let made_for = match (nouns, self.subjects) {
            // A control of the whole picture that moves something of those in it.
            ([], []) if of_subject => known.as_slice(),
            ([], made_for) => made_for,
            (nouns, _) => nouns,
        };
        let able = |noun: &&String| {
            known.is_empty() || known.contains(noun) && meter.applies(self.attribute, noun)
        };
        let mut subjects: Vec<String> = made_for.iter().filter(able).cloned().collect();
        if let Some(subject) = self.subject {
            // The others stand beside it, so that a spill onto them is seen.
            subjects.retain(|noun| noun != subject);
            subjects.insert(0, subject.to_owned());
            let prompts = neutral_prompts(&subjects, &known, WORDED).into_iter();
            let about = prompts
                .filter(|p| p.names(subject))
                .map(|p| MeasuredPrompt {
                    subject: Some(subject.to_owned()),
                    ..p
                });
            return Ok(about.take(count).collect());
        }
        if subjects.is_empty() && !made_for.is_empty() {
            return Err(EngineError::request(
                "subject",
                format!(
                    "the meter reads no {} of {}; give prompts of your own with --prompts",
                    self.attribute,
                    made_for.join(", ")
                ),
            ));
        }
        let mut prompts = neutral_prompts(&subjects, &known, count);
        if self.subjects.is_empty() {
            // It is not bound to any one of them.
            for prompt in &mut prompts {
                prompt.subject = None;
            }
        }
        Ok(prompts)
    }
}

/// Prompts that name the subjects of all `controls`.
fn shared_prompts(choice: &PromptChoice, controls: &[ControlUse]) -> Vec<String> {
    match choice {
        PromptChoice::Own(text) => {
            let lines = text.lines().map(str::trim);
            lines
                .filter(|line| !line.is_empty())
                .map(str::to_owned)
                .collect()
        }
        PromptChoice::Neutral { count, .. } => {
            let mut subjects: Vec<String> = Vec::new();
            for subject in controls.iter().filter_map(|c| c.subject.clone()) {
                if !subjects.contains(&subject) {
                    subjects.push(subject);
                }
            }
            let prompts = neutral_prompts(&subjects, &[], WORDED).into_iter();
            let all = prompts.filter(|p| subjects.iter().all(|subject| p.names(subject)));
            all.take(*count).map(|p| p.text).collect()
        }
    }
}

/// As many seeds again, following the last one.
fn after(seeds: &[u64]) -> Vec<u64> {
    let last = seeds.iter().copied().max().unwrap_or_default();
    (1..=seeds.len() as u64)
        .map(|i| last.wrapping_add(i))
        .collect()
}
