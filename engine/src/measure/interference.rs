//! Controls at work together: do they still do what each does alone?

use serde::{Deserialize, Serialize};

use super::joint::JointSearch;
use super::statistics::mean;
use super::{MeasuredPrompt, Meter, Targets, Workbench, picture_tensor};
use crate::controls::{Calibration, ControlInfo};
use crate::recipe::{ControlScale, ControlUse, Recipe};
use crate::{EngineError, Result};

/// A reading this far from the expected one is a fight.
const FIGHT: f64 = 0.05;
/// A control's effect in company, as a part of that alone, within which there is no fight.
const FAIR_GAIN: std::ops::RangeInclusive<f64> = 0.75..=1.33;
/// Effects smaller than this have no gain worth the name.
const LEAST_EFFECT: f64 = 0.02;
/// How far past its calibrated range a search may take a control.
const REACH: f64 = 1.25;
/// Raw strengths searched where a control was never calibrated.
const UNKNOWN_REACH: f64 = 3.0;
/// Renders of every row that a search takes at most.
const MOST_TRIES: usize = 8;

/// Renders with settings, one a control, and gives the readings that they lead to.
type Read<'a> = dyn FnMut(&[Option<f64>]) -> Result<Vec<f64>> + 'a;

/// One of several controls.
#[derive(Debug, Clone, PartialEq)]
pub struct Stacked {
    /// The control at its setting. One that asks for a reading is set by the search alone.
    pub control: ControlUse,
    /// What its file says.
    pub info: ControlInfo,
    /// The attribute that it moves.
    pub attribute: String,
}

/// Which controls are measured together, and on what.
#[derive(Debug, Clone, PartialEq)]
pub struct InterferencePlan {
    /// Everything of a recipe but prompt, seed and these controls.
    pub base: Recipe,
    /// Two or more.
    pub controls: Vec<Stacked>,
    /// Prompts that name every control's subject.
    pub prompts: Vec<String>,
    /// Seeds of each prompt.
    pub seeds: Vec<u64>,
}

/// One control among the others.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Interfered {
    /// The control as people write it, at its setting.
    pub control: String,
    /// The attribute that it moves.
    pub attribute: String,
    /// Mean reading without any of the controls.
    pub at_rest: f64,
    /// How far each control by itself, in their order, moves this one's reading.
    pub moved_by: Vec<f64>,
    /// How far this one moves its reading when all the others are set.
    pub in_company: f64,
    /// `in_company` as a part of what it does alone; absent where that is next to nothing.
    pub gain: Option<f64>,
    /// The reading with all controls set.
    pub together: f64,
    /// The reading that is wanted: the asked one, or what the control reaches alone.
    pub wanted: f64,
}

/// Settings for all controls at once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JointSettings {
    /// The controls as people write them, at the settings that were found.
    pub controls: Vec<String>,
    /// The mean readings there.
    pub readings: Vec<f64>,
    /// The largest distance of a reading from the wanted one.
    pub error: f64,
}

/// What controls do to one another.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Interference {
    /// Every control.
    pub controls: Vec<Interfered>,
    /// Whether any reading is not what it should be.
    pub fight: bool,
    /// Settings that bring the readings nearer to what is wanted, where they fight.
    pub joint: Option<JointSettings>,
    /// Prompts that it was measured on.
    pub prompts: usize,
    /// Seeds a prompt.
    pub seeds: usize,
}

impl InterferencePlan {
    /// About how many pictures it takes.
    pub fn pictures(&self) -> usize {
        let n = self.controls.len();
        let sets = if n == 2 { 4 } else { 2 * n + 2 };
        self.prompts.len() * self.seeds.len() * (sets + MOST_TRIES / 2)
    }

    /// Measures every control alone and in company, and searches for joint settings where they
    /// fight.
    ///
    /// # Errors
    /// There are fewer than two controls, a subject is not in a prompt, the meter does not read an
    /// attribute, `bench` fails, or memory runs out.
    pub fn run(&self, meter: &dyn Meter, bench: &mut dyn Workbench) -> Result<Interference> {
        let n = self.controls.len();
        if n < 2 {
            return Err(EngineError::request(
                "control",
                "interference is between two controls or more; give --control once for each",
            ));
        }
        let targets = self.targets(meter)?;
        let settings: Vec<f64> = self.controls.iter().map(Stacked::first_setting).collect();
        bench.tell("measuring each control alone and among the others".to_owned());
        let mut read = |settings: &[Option<f64>]| self.read(settings, &targets, meter, bench);
        let rest = read(&vec![None; n])?;
        let all: Vec<Option<f64>> = settings.iter().copied().map(Some).collect();
        let mut alone = Vec::with_capacity(n);
        for j in 0..n {
            let mut only = vec![None; n];
            only[j] = all[j];
            alone.push(read(&only)?);
        }
        let together = read(&all)?;
        let mut without = Vec::with_capacity(n);
        for j in 0..n {
            let mut others = all.clone();
            others[j] = None;
            // Of two controls, the one without the other is the other alone.
            without.push(if n == 2 {
                alone[1 - j].clone()
            } else {
                read(&others)?
            });
        }
        let controls: Vec<Interfered> = (0..n)
            .map(|i| {
                let own = alone[i][i] - rest[i];
                let in_company = together[i] - without[i][i];
                let asked = self.controls[i].asked();
                Interfered {
                    control: self.controls[i].at(settings[i]).to_string(),
                    attribute: self.controls[i].attribute.clone(),
                    at_rest: rest[i],
                    moved_by: alone.iter().map(|readings| readings[i] - rest[i]).collect(),
                    in_company,
                    gain: (own.abs() >= LEAST_EFFECT).then(|| in_company / own),
                    together: together[i],
                    wanted: asked.unwrap_or(alone[i][i]),
                }
            })
            .collect();
        let fights = |c: &Interfered| {
            (c.together - c.wanted).abs() > FIGHT || c.gain.is_some_and(|g| !FAIR_GAIN.contains(&g))
        };
        let fight = controls.iter().any(fights);
        let misses = controls
            .iter()
            .any(|c| (c.together - c.wanted).abs() > FIGHT);
        let joint = if misses {
            bench.tell("looking for settings that meet all readings".to_owned());
            let mut read = |settings: &[Option<f64>]| self.read(settings, &targets, meter, bench);
            self.joint(&controls, &settings, &together, &mut read)?
        } else {
            None
        };
        Ok(Interference {
            controls,
            fight,
            joint,
            prompts: self.prompts.len(),
            seeds: self.seeds.len(),
        })
    }

    /// Better settings than `settings`, where there are any.
    fn joint(
        &self,
        controls: &[Interfered],
        settings: &[f64],
        together: &[f64],
        read: &mut Read<'_>,
    ) -> Result<Option<JointSettings>> {
        let per_unit = |(moved, setting): (&f64, (&f64, &Stacked))| {
            let from = setting.1.neutral();
            let distance = setting.0 - from;
            if distance == 0.0 {
                0.0
            } else {
                moved / distance
            }
        };
        let search = JointSearch {
            targets: controls.iter().map(|c| c.wanted).collect(),
            ranges: self.controls.iter().map(Stacked::range).collect(),
            jacobian: controls
                .iter()
                .map(|c| {
                    let own = settings.iter().zip(&self.controls);
                    c.moved_by.iter().zip(own).map(per_unit).collect()
                })
                .collect(),
            most_tries: MOST_TRIES,
        };
        let mut at = |settings: &[f64]| {
            let set: Vec<Option<f64>> = settings.iter().copied().map(Some).collect();
            read(&set)
        };
        let found = search.run(settings.to_vec(), together.to_vec(), &mut at)?;
        let before = controls.iter().map(|c| (c.together - c.wanted).abs());
        if found.error >= before.fold(0.0, f64::max) {
            return Ok(None);
        }
        let written = self.controls.iter().zip(&found.settings);
        Ok(Some(JointSettings {
            controls: written.map(|(c, &s)| c.at(s).to_string()).collect(),
            readings: found.readings,
            error: found.error,
        }))
    }

    /// Where each control's attribute is read, by prompt and control.
    fn targets(&self, meter: &dyn Meter) -> Result<Vec<Vec<Targets>>> {
        let prompts = self.prompts.iter();
        prompts
            .map(|text| {
                let controls = self.controls.iter();
                controls
                    .map(|c| {
                        let prompt = MeasuredPrompt {
                            text: text.clone(),
                            subject: c.control.subject.clone(),
                        };
                        Targets::find(meter, &c.attribute, &prompt)
                    })
                    .collect()
            })
            .collect()
    }

    /// The mean reading of each control's attribute with the controls at `settings`; `None` leaves
    /// one out.
    fn read(
        &self,
        settings: &[Option<f64>],
        targets: &[Vec<Targets>],
        meter: &dyn Meter,
        bench: &mut dyn Workbench,
    ) -> Result<Vec<f64>> {
        let mut readings: Vec<Vec<f64>> = vec![Vec::new(); self.controls.len()];
        for (text, targets) in self.prompts.iter().zip(targets) {
            for &seed in &self.seeds {
                let mut recipe = Recipe {
                    prompt: text.clone(),
                    seed,
                    ..self.base.clone()
                };
                let set = self.controls.iter().zip(settings);
                let nothing = |c: &Stacked| ControlUse {
                    scale: ControlScale::Calibrated,
                    ..c.at(0.0)
                };
                recipe.controls.extend(set.map(|(c, s)| match s {
                    Some(setting) => c.at(*setting),
                    None => nothing(c),
                }));
                let pictures = picture_tensor(&[&bench.render(&recipe)?])?;
                for ((all, target), control) in readings.iter_mut().zip(targets).zip(&self.controls)
                {
                    let mut own = Vec::new();
                    for place in &target.places {
                        own.extend(meter.read(&pictures, &control.attribute, *place)?);
                    }
                    all.push(mean(&own));
                }
            }
        }
        Ok(readings.iter().map(|all| mean(all)).collect())
    }
}

impl Stacked {
    fn calibration(&self) -> Option<&Calibration> {
        self.info.calibrations.get(&self.attribute)
    }

    /// The reading that is asked for.
    fn asked(&self) -> Option<f64> {
        (self.control.scale == ControlScale::Measured).then_some(self.control.value)
    }

    /// The scale of its settings: its own, or for asked readings the best that there is.
    fn scale(&self) -> ControlScale {
        match self.control.scale {
            ControlScale::Measured if self.calibration().is_some() => ControlScale::Calibrated,
            ControlScale::Measured => ControlScale::Raw,
            scale => scale,
        }
    }

    /// The control at `setting`.
    fn at(&self, setting: f64) -> ControlUse {
        // Thousandths are finer than any reading.
        let value = (setting * 1e3).round() / 1e3;
        ControlUse {
            scale: self.scale(),
            value,
            resolved: None,
            ..self.control.clone()
        }
    }

    /// The setting that does nothing, on its scale.
    fn neutral(&self) -> f64 {
        match (self.scale(), self.calibration()) {
            (ControlScale::Raw, Some(calibration)) => calibration.neutral_raw,
            (ControlScale::Raw, None) if self.info.kind.takes_values() => 0.5,
            _ => 0.0,
        }
    }

    /// Where a search may go, on its scale.
    fn range(&self) -> [f64; 2] {
        match (self.scale(), self.calibration()) {
            (ControlScale::Raw, Some(c)) => {
                let reach = |end: f64| c.neutral_raw + REACH * (end - c.neutral_raw);
                [reach(c.raw_low), reach(c.raw_high)]
            }
            (ControlScale::Raw, None) if self.info.kind.takes_values() => [0.0, 1.0],
            (ControlScale::Raw, None) => {
                let reach = UNKNOWN_REACH.max(2.0 * self.control.value.abs());
                [-reach, reach]
            }
            _ => [-REACH, REACH],
        }
    }

    /// The setting to begin with: its own, or one at which the asked reading is to be expected.
    fn first_setting(&self) -> f64 {
        let Some(asked) = self.asked() else {
            return self.control.value;
        };
        let Some(calibration) = self.calibration() else {
            return if self.info.kind.takes_values() {
                asked
            } else {
                1.0
            };
        };
        let units = (-20..=20).map(|i| f64::from(i) / 20.0);
        let miss = |unit: f64| {
            let read = calibration.expected(calibration.raw_of_unit(unit));
            (read.unwrap_or(asked) - asked).abs()
        };
        let unit = units
            .min_by(|a, b| miss(*a).total_cmp(&miss(*b)))
            .unwrap_or(0.0);
        // From nothing nothing can be learnt.
        if unit.abs() < 0.25 { 0.25 } else { unit }
    }
}

#[cfg(test)]
mod tests;
