//! Counts of right answers and sums of errors.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use tch::Tensor;
use vernier_engine::Result;
use vernier_engine::measure::statistics::spearman;
use vernier_engine::measure::{AttributeMeter, Reading};
use vernier_world::{Attribute, Caption, Discrete, Named, Scene, Value};

/// What a meter reads in one place.
type Place = BTreeMap<String, Reading>;

/// Everything that a meter reads in one picture.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Readings {
    /// Each subject, left to right.
    pub subjects: Vec<BTreeMap<String, Reading>>,
    /// The picture as a whole.
    pub picture: BTreeMap<String, Reading>,
}

impl Readings {
    /// Reads `picture` `[1, 3, h, w]` in -1..1, which should show so many `subjects`.
    ///
    /// # Errors
    /// The meter knows no pictures with so many, or a tensor operation failed.
    pub fn of(meter: &AttributeMeter, subjects: usize, picture: &Tensor) -> Result<Self> {
        let mut readings = Self::default();
        for &region in meter.config().regions_of(subjects)? {
            readings
                .subjects
                .extend(meter.read_subject(picture, region)?);
        }
        readings.picture = meter.read_picture(picture)?.pop().unwrap_or_default();
        Ok(readings)
    }

    fn place(&self, subject: Option<usize>) -> Option<&Place> {
        match subject {
            Some(subject) => self.subjects.get(subject),
            None => Some(&self.picture),
        }
    }

    fn class(&self, subject: Option<usize>, attribute: Discrete) -> Option<usize> {
        match self.place(subject)?.get(attribute.name())? {
            Reading::Class { index, .. } => Some(*index),
            Reading::Value(_) => None,
        }
    }

    fn value(&self, subject: Option<usize>, attribute: Attribute) -> Option<f64> {
        match self.place(subject)?.get(attribute.name())? {
            Reading::Value(value) => Some(*value),
            Reading::Class { .. } => None,
        }
    }
}

/// How well pictures show what their captions asked for.
#[derive(Debug, Default, Clone)]
pub struct Scores {
    single_kind: Tally,
    both_kinds: Tally,
    single_discrete: Tally,
    wrong_binding: Tally,
    discrete: BTreeMap<&'static str, Tally>,
    /// Asked and read, by attribute.
    continuous: BTreeMap<&'static str, Vec<(f64, f64)>>,
}

#[derive(Debug, Default, Clone, Copy)]
struct Tally {
    hits: u32,
    of: u32,
}

impl Tally {
    fn add(&mut self, hit: bool) {
        self.hits += u32::from(hit);
        self.of += 1;
    }

    fn show(self) -> String {
        if self.of == 0 {
            return "–".to_owned();
        }
        let percent = 100.0 * f64::from(self.hits) / f64::from(self.of);
        format!("{percent:.1} % of {}", self.of)
    }
}

impl Scores {
    /// Adds one picture of `scene`, asked for by `caption`, in which `readings` were read.
    pub fn add(&mut self, scene: &Scene, caption: &Caption, readings: &Readings) {
        let kinds_right = (0..scene.subjects.len()).all(|subject| {
            let subject = Some(subject);
            readings.class(subject, Discrete::Kind) == scene.discrete(subject, Discrete::Kind)
        });
        let single = scene.subjects.len() == 1;
        if single {
            self.single_kind.add(kinds_right);
        } else {
            self.both_kinds.add(kinds_right);
        }
        for named in &caption.named {
            let name = named.attribute.name();
            match (named.attribute, named.value) {
                (Attribute::Discrete(attribute), Value::Discrete(asked)) => {
                    let right = readings.class(named.subject, attribute) == Some(asked);
                    self.discrete.entry(name).or_default().add(right);
                    if single {
                        self.single_discrete.add(right);
                    }
                }
                (attribute, Value::Continuous(asked)) => {
                    if let Some(read) = readings.value(named.subject, attribute) {
                        let pairs = self.continuous.entry(name).or_default();
                        pairs.push((f64::from(asked), read));
                    }
                }
                (Attribute::Continuous(_), Value::Discrete(_)) => {}
            }
            self.add_binding(scene, named, readings);
        }
    }

    /// An adjective is bound wrongly where a subject shows the other one's value, not its own.
    fn add_binding(&mut self, scene: &Scene, named: &Named, readings: &Readings) {
        let (Attribute::Discrete(attribute), Some(subject), Value::Discrete(asked)) =
            (named.attribute, named.subject, named.value)
        else {
            return;
        };
        if scene.subjects.len() != 2 {
            return;
        }
        if let Some(other) = scene.discrete(Some(1 - subject), attribute)
            && other != asked
        {
            let read = readings.class(Some(subject), attribute);
            self.wrong_binding.add(read == Some(other));
        }
    }

    /// The figures in Markdown.
    pub fn markdown(&self) -> String {
        let mut text = String::from("| figure | measured |\n|---|---|\n");
        let mut line = |name: &str, value: String| {
            let _ = writeln!(text, "| {name} | {value} |");
        };
        line("right subject (one subject)", self.single_kind.show());
        line("both subjects right (two)", self.both_kinds.show());
        line(
            "discrete attributes right (one subject)",
            self.single_discrete.show(),
        );
        line(
            "adjective bound to the wrong subject (two)",
            self.wrong_binding.show(),
        );
        for (name, tally) in &self.discrete {
            line(name, tally.show());
        }
        for (name, pairs) in &self.continuous {
            let errors = pairs.iter().map(|(asked, read)| (asked - read).abs());
            let error = errors.sum::<f64>() / pairs.len() as f64;
            let (rank, count) = (spearman(pairs), pairs.len());
            line(
                name,
                format!("mean error {error:.3}, Spearman {rank:.3}, of {count}"),
            );
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use vernier_engine::measure::Reading;
    use vernier_world::{Attribute, Scene, Value, caption_of};

    use super::{Readings, Scores};
    use crate::evaluate::held_out_prompt;

    /// What a meter without fault would read.
    fn truth(scene: &Scene) -> Readings {
        let mut readings = Readings {
            subjects: vec![super::Place::new(); scene.subjects.len()],
            ..Readings::default()
        };
        for (subject, attribute) in scene.applicable() {
            let reading = match (attribute, scene.value(subject, attribute)) {
                (Attribute::Discrete(a), Some(Value::Discrete(index))) => Reading::Class {
                    index,
                    name: a.classes()[index].to_owned(),
                    confidence: 1.0,
                },
                (_, Some(Value::Continuous(value))) => Reading::Value(value.into()),
                other => panic!("{other:?}"),
            };
            let place = match subject {
                Some(subject) => &mut readings.subjects[subject],
                None => &mut readings.picture,
            };
            place.insert(attribute.name().to_owned(), reading);
        }
        readings
    }

    fn scored(count: u64, read: impl Fn(&Scene) -> Readings) -> Scores {
        let mut scores = Scores::default();
        for index in 0..count {
            let (scene, _) = held_out_prompt(index);
            let caption = caption_of(&scene, &scene.applicable(), 0);
            scores.add(&scene, &caption, &read(&scene));
        }
        scores
    }

    #[test]
    fn the_truth_scores_full_marks() {
        let scores = scored(60, truth);
        assert_eq!(scores.single_kind.show(), "100.0 % of 30");
        assert_eq!(scores.both_kinds.show(), "100.0 % of 30");
        assert_eq!(scores.wrong_binding.hits, 0);
        assert!(scores.wrong_binding.of > 20);
        for (name, tally) in &scores.discrete {
            assert_eq!(tally.hits, tally.of, "{name}");
        }
        for (name, pairs) in &scores.continuous {
            // Words are a sixth apart, so they miss the truth by up to half of that.
            let worst = pairs.iter().map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            assert!(worst < 0.09, "{name} {worst}");
        }
        let table = scores.markdown();
        assert!(table.contains("| right subject (one subject) | 100.0 % of 30 |"));
        assert!(table.contains("| smile | mean error 0.0"), "{table}");
    }

    #[test]
    fn subjects_in_each_others_place_are_wrong_and_their_adjectives_too() {
        let scores = scored(60, |scene| {
            let mut readings = truth(scene);
            readings.subjects.reverse();
            readings
        });
        assert_eq!(scores.single_kind.show(), "100.0 % of 30");
        assert!(scores.both_kinds.hits < scores.both_kinds.of / 2);
        assert_eq!(scores.wrong_binding.hits, scores.wrong_binding.of);
    }

    #[test]
    fn nothing_read_is_nothing_right() {
        let scores = scored(4, |_| Readings::default());
        assert_eq!(scores.single_kind.show(), "0.0 % of 2");
        assert!(scores.continuous.is_empty());
        assert_eq!(Scores::default().single_kind.show(), "–");
    }

    #[test]
    fn prompts_take_turns_between_one_and_two_subjects_and_never_change() {
        for index in 0..6 {
            let (scene, caption) = held_out_prompt(index);
            assert_eq!(scene.subjects.len() as u64, 1 + index % 2);
            assert_eq!((scene, caption), held_out_prompt(index));
        }
    }
}
