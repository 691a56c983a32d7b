//! The sliders that there are: controls, grouped by whom they work on.

use std::ops::RangeInclusive;

use vernier_engine::controls::{Calibration, ControlInfo, ControlKind, FoundControl};
use vernier_engine::recipe::{ControlScale, ControlUse};

use super::{ControlKey, Subject};

/// How far beyond its reliable range a calibrated slider goes, in calibrated units.
const CALIBRATED_RANGE: RangeInclusive<f64> = -1.5..=1.5;
/// How far a strength goes that nobody calibrated.
const RAW_RANGE: RangeInclusive<f64> = -2.0..=2.0;
/// Where an attribute's value lies.
const VALUE_RANGE: RangeInclusive<f64> = 0.0..=1.0;

/// One slider, but for its present setting.
#[derive(Debug, Clone, PartialEq)]
pub struct SliderSpec {
    /// Which control, on whom.
    pub key: ControlKey,
    /// What it moves, in words.
    pub title: String,
    /// One sentence about it.
    pub about: String,
    /// How it works.
    pub kind: ControlKind,
    /// What its number means.
    pub scale: ControlScale,
    /// From where to where it goes.
    pub range: RangeInclusive<f64>,
    /// Where it stands when it does nothing; values have no such place and are set or not.
    pub rest: f64,
    /// How it responds, where that was measured.
    pub calibration: Option<Calibration>,
}

impl SliderSpec {
    /// The part of its range that can be relied on.
    pub fn band(&self) -> Option<RangeInclusive<f64>> {
        let calibration = self.calibration.as_ref()?;
        let reaches = |raw: f64| (raw - calibration.neutral_raw).abs() > f64::EPSILON;
        let low = if reaches(calibration.raw_low) {
            -1.0
        } else {
            0.0
        };
        let high = if reaches(calibration.raw_high) {
            1.0
        } else {
            0.0
        };
        Some(low..=high)
    }

    /// What the meter read along the range: slider positions and readings from 0 to 1.
    pub fn curve(&self) -> Vec<(f64, f64)> {
        let Some(calibration) = &self.calibration else {
            return Vec::new();
        };
        let points = calibration.response.iter();
        points
            .map(|point| (calibration.unit_of_raw(point.raw), point.mean))
            .filter(|(unit, _)| self.range.contains(unit))
            .collect()
    }

    /// Where the slider of `control` stands: what a closed loop found for one that is to reach a
    /// reading, and rest while it is being searched for.
    pub fn shown(&self, control: &ControlUse) -> f64 {
        match (control.scale, control.resolved, &self.calibration) {
            (ControlScale::Measured, Some(raw), Some(calibration)) => calibration.unit_of_raw(raw),
            (ControlScale::Measured, Some(raw), None) => raw,
            (ControlScale::Measured, None, _) => self.rest,
            _ => control.value,
        }
    }

    /// The reading to expect at `value`, from 0 to 1.
    pub fn expected(&self, value: f64) -> Option<f64> {
        let calibration = self.calibration.as_ref()?;
        calibration.expected(calibration.raw_of_unit(value))
    }

    /// The unit that its number has.
    pub fn unit(&self) -> &'static str {
        match (self.calibration.is_some(), self.kind.takes_values()) {
            (true, _) => "cal",
            (false, true) => "value",
            (false, false) => "raw",
        }
    }

    /// The sentence for somebody who wonders whether to trust it at `value`.
    pub fn trust(&self, value: f64) -> Option<String> {
        let Some(calibration) = &self.calibration else {
            return Some(format!(
                "{} was never calibrated: its number is the method's own",
                self.key.name
            ));
        };
        let band = self.band()?;
        if !band.contains(&value) {
            return Some(format!(
                "beyond the reliable range, which ends at {}",
                if value < 0.0 {
                    band.start()
                } else {
                    band.end()
                }
            ));
        }
        let strongest = calibration.side_effects.iter();
        let (name, change) = strongest.max_by(|a, b| a.1.abs().total_cmp(&b.1.abs()))?;
        (change.abs() > 0.08).then(|| {
            format!(
                "also moves {} by up to {:.0} %",
                in_words(name),
                change * 100.0
            )
        })
    }
}

/// Sliders of one subject, or of the whole picture.
#[derive(Debug, Clone, PartialEq)]
pub struct RackGroup {
    /// Whose; `None` for the picture.
    pub subject: Option<Subject>,
    /// In the order of their titles.
    pub sliders: Vec<SliderSpec>,
}

/// All sliders that make sense for a prompt with `subjects`: those of each subject in reading
/// order, then those of the picture.
pub fn rack(controls: &[FoundControl], subjects: &[Subject]) -> Vec<RackGroup> {
    let group = |subject: Option<&Subject>| {
        let mut sliders: Vec<SliderSpec> = controls
            .iter()
            .filter(|found| works_on(&found.info, subject))
            .flat_map(|found| specs(&found.info, subject.map(|s| s.noun.as_str())))
            .collect();
        sliders.sort_by(|a, b| a.title.cmp(&b.title));
        RackGroup {
            subject: subject.cloned(),
            sliders,
        }
    };
    let mut seen = Vec::new();
    let mut groups = Vec::new();
    for subject in subjects {
        if !seen.contains(&&subject.noun) {
            seen.push(&subject.noun);
            groups.push(group(Some(subject)));
        }
    }
    groups.push(group(None));
    groups
}

fn works_on(info: &ControlInfo, subject: Option<&Subject>) -> bool {
    match subject {
        Some(subject) => info.subjects.contains(&subject.noun),
        None => info.subjects.is_empty(),
    }
}

/// The sliders of one control, on the subject called `noun`.
pub(super) fn specs(info: &ControlInfo, noun: Option<&str>) -> Vec<SliderSpec> {
    let one = |name: String, attribute: &str| {
        let calibration = info.calibrations.get(attribute).cloned();
        let (scale, range) = match (&calibration, info.kind.takes_values()) {
            (Some(_), _) => (ControlScale::Calibrated, CALIBRATED_RANGE),
            (None, true) => (ControlScale::Raw, VALUE_RANGE),
            (None, false) => (ControlScale::Raw, RAW_RANGE),
        };
        let rest = if *range.start() < 0.0 { 0.0 } else { 0.5 };
        SliderSpec {
            key: ControlKey::new(name, noun),
            title: in_words(attribute),
            about: info.about.clone(),
            kind: info.kind,
            scale,
            range,
            rest,
            calibration,
        }
    };
    match info.attributes.as_slice() {
        [] => vec![one(info.name.clone(), &info.name)],
        [attribute] => vec![one(info.name.clone(), attribute)],
        several => several
            .iter()
            .map(|attribute| one(format!("{}/{attribute}", info.name), attribute))
            .collect(),
    }
}

/// `hair_length` as people write it.
pub fn in_words(attribute: &str) -> String {
    attribute.replace('_', " ")
}

#[cfg(test)]
mod tests {
    use super::super::Nouns;
    use super::*;

    fn found(
        name: &str,
        kind: ControlKind,
        attributes: &[&str],
        subjects: &[&str],
    ) -> FoundControl {
        let attributes = attributes.iter().map(|a| (*a).to_owned()).collect();
        let mut info = ControlInfo::new(name, kind, attributes);
        info.subjects = subjects.iter().map(|s| (*s).to_owned()).collect();
        FoundControl {
            path: format!("{name}.safetensors").into(),
            info,
        }
    }

    #[test]
    fn every_subject_has_the_sliders_that_were_made_for_it() {
        let controls = [
            found(
                "smile",
                ControlKind::Direction,
                &["smile"],
                &["man", "woman"],
            ),
            found("fur", ControlKind::Direction, &["fur_length"], &["cat"]),
            found("look", ControlKind::AttAdapter, &["age", "brightness"], &[]),
        ];
        let subjects = Nouns::with([]).subjects_of("a man next to a cat and a man");
        let groups = rack(&controls, &subjects);
        let keys: Vec<Vec<String>> = groups
            .iter()
            .map(|group| group.sliders.iter().map(|s| s.key.to_string()).collect())
            .collect();
        let expected: [&[&str]; 3] = [
            &["smile@man"],
            &["fur@cat"],
            &["look/age", "look/brightness"],
        ];
        assert_eq!(keys, expected);
        assert_eq!(groups[1].sliders[0].title, "fur length");
        assert!(
            groups[0].sliders[0]
                .trust(0.5)
                .unwrap()
                .contains("never calibrated")
        );
    }

    #[test]
    fn a_side_that_does_nothing_is_not_in_the_band() {
        let mut control = found("age", ControlKind::Direction, &["age"], &["man"]);
        let json = r#"{"model_hash":"","meter":"m","raw_low":0.0,"raw_high":2.0,
            "response":[{"raw":0.0,"mean":0.2,"std":0.0},{"raw":2.0,"mean":0.8,"std":0.0}],
            "spearman":1.0,"r_squared":1.0,"spread":0.0,"prompts":1,"seeds":1}"#;
        let calibration = serde_json::from_str(json).unwrap();
        control
            .info
            .calibrations
            .insert("age".to_owned(), calibration);
        let subjects = Nouns::with([]).subjects_of("a man");
        let slider = rack(&[control], &subjects).remove(0).sliders.remove(0);
        assert_eq!(slider.band(), Some(0.0..=1.0));
        assert_eq!(slider.curve(), [(0.0, 0.2), (1.0, 0.8)]);
        assert!((slider.expected(0.5).unwrap() - 0.5).abs() < 1e-9);
        assert!(
            slider.trust(1.2).unwrap().contains("ends at 1"),
            "{:?}",
            slider.trust(1.2)
        );
    }
}
