//! One control from end to end, over prompts and seeds, and what the meter reads of it.

mod wordings;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    MeasuredPrompt, Meter, SsimMap, SweepStatistics, Targets, perceptual_distance, picture_tensor,
};
use crate::picture::Picture;
use crate::recipe::{ControlScale, ControlUse, Recipe};
use crate::{EngineError, Result};

/// The newest version of sweeps that this program writes and reads.
pub const SWEEP_VERSION: u32 = 1;

/// Makes the pictures that are measured; whoever measures does not care how.
pub trait Workbench {
    /// The picture of `recipe`.
    ///
    /// # Errors
    /// It cannot be rendered, or the work was cancelled.
    fn render(&mut self, recipe: &Recipe) -> Result<Picture>;

    /// Hears in a sentence what is done next.
    fn tell(&mut self, _sentence: String) {}
}

impl<F: FnMut(&Recipe) -> Result<Picture>> Workbench for F {
    fn render(&mut self, recipe: &Recipe) -> Result<Picture> {
        self(recipe)
    }
}

/// What a sweep is about.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SweepSubject {
    /// The control as people write it, such as `smile` or `smile@woman`.
    pub control: String,
    /// What its settings mean.
    pub scale: ControlScale,
    /// Whether settings are readings that are asked for, 0..1, rather than strengths.
    pub asks_readings: bool,
    /// The attribute that is to move.
    pub attribute: String,
}

/// The pictures of one prompt and seed.
#[derive(Debug, Clone, PartialEq)]
pub struct SweepRow {
    /// Index of its prompt.
    pub prompt: usize,
    /// Its seed.
    pub seed: u64,
    /// The picture without the control, which all others are compared with.
    pub zero: Recipe,
    /// One picture a setting.
    pub recipes: Vec<Recipe>,
}

/// Which pictures a sweep makes.
#[derive(Debug, Clone, PartialEq)]
pub struct SweepPlan {
    /// What it is about.
    pub about: SweepSubject,
    /// The settings, ascending.
    pub settings: Vec<f64>,
    /// The prompts.
    pub prompts: Vec<MeasuredPrompt>,
    /// The seeds, the same for every prompt.
    pub seeds: Vec<u64>,
    /// All seeds of the first prompt, then of the second, and so on.
    pub rows: Vec<SweepRow>,
}

impl SweepPlan {
    /// A sweep of `control`, whose own value and subject do not count, over `settings`. `base` says
    /// everything but prompt and seed; controls that it has stay at work beside. `takes_values`
    /// says whether a raw setting is a value, which has no neutral point.
    ///
    /// # Errors
    /// There are no settings, prompts or seeds, or a setting is not a finite number.
    pub fn of_control(
        base: &Recipe,
        control: &ControlUse,
        takes_values: bool,
        attribute: &str,
        settings: &[f64],
        prompts: Vec<MeasuredPrompt>,
        seeds: Vec<u64>,
    ) -> Result<Self> {
        require_some("values", settings)?;
        require_some("prompts", &prompts)?;
        require_some("seeds", &seeds)?;
        let mut settings = settings.to_vec();
        settings.sort_by(f64::total_cmp);
        settings.dedup();
        if let Some(odd) = settings.iter().find(|s| !s.is_finite()) {
            let problem = format!("{odd} is not a finite number");
            return Err(EngineError::request("values", problem));
        }
        let mut rows = Vec::with_capacity(prompts.len() * seeds.len());
        for (index, prompt) in prompts.iter().enumerate() {
            for &seed in &seeds {
                let recipe = |scale: ControlScale, value: f64| {
                    let mut recipe = Recipe {
                        prompt: prompt.text.clone(),
                        seed,
                        ..base.clone()
                    };
                    recipe.controls.push(ControlUse {
                        subject: prompt.subject.clone(),
                        scale,
                        value,
                        resolved: None,
                        ..control.clone()
                    });
                    recipe
                };
                // In calibrated units 0 is nothing for every kind of control.
                let zero = recipe(ControlScale::Calibrated, 0.0);
                let at = |&setting: &f64| match control.scale {
                    ControlScale::Raw if setting == 0.0 && !takes_values => zero.clone(),
                    scale => recipe(scale, setting),
                };
                rows.push(SweepRow {
                    prompt: index,
                    seed,
                    recipes: settings.iter().map(at).collect(),
                    zero,
                });
            }
        }
        let subject = control.subject.as_ref();
        Ok(Self {
            about: SweepSubject {
                control: subject.map_or_else(
                    || control.name.clone(),
                    |subject| format!("{}@{subject}", control.name),
                ),
                scale: control.scale,
                asks_readings: match control.scale {
                    ControlScale::Measured => true,
                    ControlScale::Raw => takes_values,
                    ControlScale::Calibrated => false,
                },
                attribute: attribute.to_owned(),
            },
            settings,
            prompts,
            seeds,
            rows,
        })
    }

    /// How many pictures it makes.
    pub fn pictures(&self) -> usize {
        let row = |row: &SweepRow| 1 + row.recipes.iter().filter(|r| **r != row.zero).count();
        self.rows.iter().map(row).sum()
    }

    /// Where the attribute is read in each prompt's pictures.
    ///
    /// # Errors
    /// See [`Targets::find`].
    pub fn targets(&self, meter: &dyn Meter) -> Result<Vec<Targets>> {
        let prompts = self.prompts.iter();
        prompts
            .map(|prompt| Targets::find(meter, &self.about.attribute, prompt))
            .collect()
    }

    /// Makes the pictures and reads them. `seen` is shown each with its row and the index of its
    /// setting, `None` for the one without the control.
    ///
    /// # Errors
    /// See [`Targets::find`]; `bench` or `seen` fails, or memory runs out.
    pub fn run(
        &self,
        meter: &dyn Meter,
        bench: &mut dyn Workbench,
        seen: &mut Seen<'_>,
    ) -> Result<Sweep> {
        // Before the first picture, not after the last.
        let targets = self.targets(meter)?;
        let mut readings = Vec::with_capacity(self.rows.len() * (1 + self.settings.len()));
        let mut model_hash = String::new();
        for row in &self.rows {
            let zero = bench.render(&row.zero)?;
            seen(row, None, &zero)?;
            let mut pictures = vec![zero];
            for (index, recipe) in row.recipes.iter().enumerate() {
                let picture = if *recipe == row.zero {
                    pictures[0].clone()
                } else {
                    bench.render(recipe)?
                };
                seen(row, Some(index), &picture)?;
                pictures.push(picture);
            }
            readings.extend(self.read(meter, row, &targets[row.prompt], &pictures)?);
            if model_hash.is_empty() {
                model_hash.clone_from(&row.zero.model.hash);
            }
        }
        let mut sweep = Sweep {
            version: SWEEP_VERSION,
            about: self.about.clone(),
            model_hash,
            meter: meter.name(),
            settings: self.settings.clone(),
            prompts: self.prompts.clone(),
            seeds: self.seeds.clone(),
            readings,
            statistics: SweepStatistics::default(),
        };
        sweep.statistics = SweepStatistics::of(&sweep);
        Ok(sweep)
    }

    /// Reads one row's pictures, the one without the control first.
    fn read(
        &self,
        meter: &dyn Meter,
        row: &SweepRow,
        targets: &Targets,
        pictures: &[Picture],
    ) -> Result<Vec<SweepReading>> {
        let refs: Vec<&Picture> = pictures.iter().collect();
        let tensor = picture_tensor(&refs)?;
        let attribute = &self.about.attribute;
        let mut target = vec![0.0; pictures.len()];
        let mut others: BTreeMap<String, Vec<f64>> = meter.read_all(&tensor, None)?;
        for place in &targets.places {
            let mut read = match place {
                Some(_) => meter.read_all(&tensor, *place)?,
                None => others.clone(),
            };
            let share = targets.places.len() as f64;
            let own = read.remove(attribute).unwrap_or_default();
            for (sum, reading) in target.iter_mut().zip(own) {
                *sum += reading / share;
            }
            if place.is_some() {
                let noun = targets.noun.as_deref().unwrap_or_default();
                read.retain(|name, _| meter.applies(name, noun));
                // Of several subjects the first speaks for all.
                for (name, readings) in read {
                    others.entry(name).or_insert(readings);
                }
            }
        }
        others.remove(attribute);
        let other_subject = match targets.others.first() {
            Some(&place) => Some(meter.read(&tensor, attribute, Some(place))?),
            None => None,
        };
        let place = targets.places.first().copied().flatten();
        let kinds = match place {
            Some(place) => meter.read_kinds(&tensor, place)?,
            None => None,
        };
        let region = place.and_then(|place| meter.region(place));
        let zero = tensor.f_narrow(0, 0, 1)?;
        let distances = perceptual_distance(meter, &tensor, &zero)?;
        pictures
            .iter()
            .enumerate()
            .map(|(i, picture)| {
                let ssim = SsimMap::of(picture, &pictures[0])?;
                let part = |inside| region.and_then(|r| ssim.mean_of_region(r, inside));
                Ok(SweepReading {
                    prompt: row.prompt,
                    seed: row.seed,
                    setting: i.checked_sub(1).map(|at| self.settings[at]),
                    target: target[i],
                    others: others.iter().map(|(n, all)| (n.clone(), all[i])).collect(),
                    other_subject: other_subject.as_ref().map(|all| all[i]),
                    kind_kept: kinds
                        .as_ref()
                        .map(|all| Some(all[i].as_str()) == targets.noun.as_deref()),
                    ssim: ssim.mean(),
                    ssim_inside: part(true),
                    ssim_outside: part(false),
                    distance: distances.as_ref().map(|all| all[i]),
                })
            })
            .collect()
    }
}

/// Demands that there is one of what `field` gives.
fn require_some<T>(field: &str, given: &[T]) -> Result<()> {
    if given.is_empty() {
        return Err(EngineError::request(field, "there is none to sweep over"));
    }
    Ok(())
}

/// Sees every picture of a sweep: its row, and the index of its setting where it has one.
pub type Seen<'a> = dyn FnMut(&SweepRow, Option<usize>, &Picture) -> Result<()> + 'a;

/// What the meter read in one picture.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SweepReading {
    /// Index of its prompt.
    pub prompt: usize,
    /// Its seed.
    pub seed: u64,
    /// The control's setting; absent where it was not at work.
    pub setting: Option<f64>,
    /// The attribute that is to move, 0..1; the mean where it is read of several subjects.
    pub target: f64,
    /// Every other attribute that the subject can have, and those of the whole picture, 0..1.
    pub others: BTreeMap<String, f64>,
    /// The same attribute on the other subject, 0..1, where there is one that can have it.
    pub other_subject: Option<f64>,
    /// Whether the subject still reads as what the prompt calls it, where the meter reads kinds.
    pub kind_kept: Option<bool>,
    /// SSIM with the picture without the control.
    pub ssim: f64,
    /// The same within the subject's region.
    pub ssim_inside: Option<f64>,
    /// The same outside it.
    pub ssim_outside: Option<f64>,
    /// Perceptual distance from the picture without the control, 0..4.
    pub distance: Option<f64>,
}

/// A sweep that was made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sweep {
    /// Schema version, [`SWEEP_VERSION`] when written by this program.
    pub version: u32,
    /// What it is about.
    pub about: SweepSubject,
    /// SHA-256 over the model's files in hex; empty where the recipes did not name it.
    pub model_hash: String,
    /// Name of the meter.
    pub meter: String,
    /// The settings, ascending.
    pub settings: Vec<f64>,
    /// The prompts.
    pub prompts: Vec<MeasuredPrompt>,
    /// The seeds, the same for every prompt.
    pub seeds: Vec<u64>,
    /// Row by row (all seeds of the first prompt, then of the second, …); in each the picture
    /// without the control and then one a setting.
    pub readings: Vec<SweepReading>,
    /// What the readings come to.
    pub statistics: SweepStatistics,
}

impl Sweep {
    /// Rows of readings: the one without the control, and those at the settings.
    pub fn rows(&self) -> impl Iterator<Item = (&SweepReading, &[SweepReading])> {
        let length = 1 + self.settings.len();
        let rows = self.readings.chunks_exact(length);
        rows.map(|row| (&row[0], &row[1..]))
    }
}

#[cfg(test)]
pub(super) mod tests;
