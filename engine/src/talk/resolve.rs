//! From a wish to controls, subjects and values.

use super::amount::{Span, Target, target};
use super::clause::{Amount, Clause, Ref};
use super::moves::{ControlMove, Level};
use super::picked::{Picked, Wish, picked};
use super::telling::capital;
use super::who::{Context, Unclear, list};
use super::{KnownControl, Lexicon, Scene};

/// Why a wish comes to nothing, or not yet.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Stop {
    /// An answer is needed.
    Ask {
        text: String,
        choices: Vec<(String, Choice)>,
    },
    /// It is not understood, or cannot be done.
    Refuse(String),
    /// There is nothing to do.
    Nothing(String),
}

/// What an answer may choose.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Choice {
    Subjects(Vec<usize>),
    Attribute(String),
}

/// A move and what "a bit more" behind it needs to know.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Made {
    pub(super) control: ControlMove,
    pub(super) wish: Wish,
    pub(super) sign: f64,
    pub(super) by_quantity: bool,
    pub(super) amount: Option<Amount>,
    pub(super) subject: Option<usize>,
    /// Whether the range ended before the wish did.
    pub(super) is_cut: bool,
}

/// Resolves wishes in one scene.
pub(super) struct Resolver<'a> {
    pub(super) lexicon: &'a Lexicon,
    pub(super) scene: &'a Scene,
    /// Spoken of last, in this sentence or before.
    pub(super) mentioned: Vec<usize>,
    /// Spoken of in this sentence.
    pub(super) inherited: Vec<usize>,
}

impl Resolver<'_> {
    /// The moves that `clause` asks for by name.
    pub(super) fn control_moves(&self, clause: &Clause) -> Result<Vec<Made>, Stop> {
        let readings = picked(clause, self.lexicon);
        if readings.is_empty() || !clause.unknown.is_empty() {
            return Err(self.not_understood(clause));
        }
        let subjects = self.subjects_for(clause, &readings)?;
        let mut made = Vec::new();
        for subject in subjects {
            let fitting: Vec<&Picked> = readings
                .iter()
                .filter(|p| self.control_for(&p.attribute, subject).is_some())
                .collect();
            let picked = match fitting.as_slice() {
                [] => return Err(self.cannot(clause, &readings, subject)),
                [only] => *only,
                several => return Err(self.which_attribute(clause, several, subject)),
            };
            made.push(self.moved(picked, clause.amount, subject)?);
        }
        Ok(made)
    }

    fn subjects_for(
        &self,
        clause: &Clause,
        readings: &[Picked],
    ) -> Result<Vec<Option<usize>>, Stop> {
        let fits = |at: usize| {
            let mut readings = readings.iter();
            readings.any(|p| self.control_for(&p.attribute, Some(at)).is_some())
        };
        if !clause.who.is_empty() {
            return self.named(&clause.who, &fits, &self.wording_of(clause, readings));
        }
        let known: Vec<usize> = self
            .inherited
            .iter()
            .copied()
            .filter(|&at| fits(at))
            .collect();
        if !known.is_empty() {
            return Ok(known.into_iter().map(Some).collect());
        }
        let mut all = readings.iter();
        if all.any(|p| self.control_for(&p.attribute, None).is_some()) {
            return Ok(vec![None]);
        }
        let everybody = 0..self.scene.subjects.len();
        let fitting: Vec<usize> = everybody.filter(|&at| fits(at)).collect();
        match fitting.as_slice() {
            [] => Err(self.cannot(clause, readings, None)),
            [only] => Ok(vec![Some(*only)]),
            several => {
                let what = self.wording_of(clause, readings);
                Err(self.whose(several, &what))
            }
        }
    }

    /// The subjects that `who` means, or the question who it is; `what` is what they shall do.
    pub(super) fn named(
        &self,
        who: &[Ref],
        fits: &dyn Fn(usize) -> bool,
        what: &str,
    ) -> Result<Vec<Option<usize>>, Stop> {
        let context = Context {
            lexicon: self.lexicon,
            scene: self.scene,
            mentioned: &self.mentioned,
        };
        context.all(who, fits).map_err(|unclear| match unclear {
            Unclear::OneOf(several) => self.whose(&several, what),
            Unclear::Nobody(text) => Stop::Refuse(text),
        })
    }

    fn whose(&self, several: &[usize], what: &str) -> Stop {
        let mut ordered = several.to_vec();
        ordered.sort_by_key(|&at| self.scene.subjects[at].place);
        let own: Vec<String> = ordered
            .iter()
            .map(|&at| format!("{}'s", self.scene.name_of(at)))
            .collect();
        let text = format!("Whose {what}: {}?", list(&own, "or"));
        let single = own
            .into_iter()
            .zip(ordered.iter().map(|&at| Choice::Subjects(vec![at])));
        let mut choices: Vec<(String, Choice)> = single.collect();
        let all = if ordered.len() == 2 { "both" } else { "all" };
        choices.push((all.to_owned(), Choice::Subjects(ordered)));
        Stop::Ask { text, choices }
    }

    fn which_attribute(
        &self,
        clause: &Clause,
        several: &[&Picked],
        subject: Option<usize>,
    ) -> Stop {
        let labels: Vec<String> = several
            .iter()
            .map(|p| self.lexicon.label(&p.attribute))
            .collect();
        let said = clause.said.as_ref().map_or("more", |said| &said.text);
        let name = subject.map_or_else(|| "the picture".to_owned(), |at| self.scene.name_of(at));
        let text = format!(
            "What of {name} shall be {said}: the {}?",
            list(&labels, "or the")
        );
        let attributes = several
            .iter()
            .map(|p| Choice::Attribute(p.attribute.clone()));
        Stop::Ask {
            text,
            choices: labels.into_iter().zip(attributes).collect(),
        }
    }

    /// What a wish is about, in the artist's word where there is one.
    pub(super) fn wording_of(&self, clause: &Clause, readings: &[Picked]) -> String {
        match (clause.noun_texts.first(), readings.first()) {
            (Some(noun), _) => noun.clone(),
            (None, Some(picked)) => self.lexicon.label(&picked.attribute),
            (None, None) => "change".to_owned(),
        }
    }

    /// A control that moves `attribute` of `subject`, or of the whole picture. One that is at work
    /// already comes first, then the one that is called after the attribute.
    pub(super) fn control_for(
        &self,
        attribute: &str,
        subject: Option<usize>,
    ) -> Option<&KnownControl> {
        let subject = subject.map(|at| &self.scene.subjects[at]);
        let fits = |control: &&KnownControl| {
            control.attribute == attribute
                && match subject {
                    Some(subject) => control.is_for(&subject.noun),
                    None => control.subjects.is_empty(),
                }
        };
        let words = subject.and_then(|subject| subject.words.as_deref());
        let rank = |control: &&KnownControl| {
            let settings = &self.scene.settings;
            let at_work = settings
                .iter()
                .any(|(name, whom, _)| *name == control.name && whom.as_deref() == words);
            (!at_work, control.name != attribute, control.name.clone())
        };
        self.scene.controls.iter().filter(fits).min_by_key(rank)
    }

    /// The move of one attribute of one subject.
    pub(super) fn moved(
        &self,
        picked: &Picked,
        amount: Option<Amount>,
        subject: Option<usize>,
    ) -> Result<Made, Stop> {
        let attribute = &picked.attribute;
        let label = self.lexicon.label(attribute);
        let of = self.of(&label, subject);
        let Some(control) = self.control_for(attribute, subject) else {
            return Err(Stop::Refuse(format!("I know no control for {of}.")));
        };
        let words = subject.map(|at| self.scene.subjects[at].words.clone());
        if words == Some(None) {
            return Err(Stop::Refuse(format!(
                "The prompt calls several the same, so that no control can tell them apart; give \
                 {} a word of its own there.",
                subject.map_or_else(String::new, |at| self.scene.name_of(at))
            )));
        }
        if self.scene.has_edit && !control.is_direction() {
            return Err(Stop::Refuse(format!(
                "An edit by words takes token directions alone, and {} is a {}.",
                control.name,
                control.info.kind.label()
            )));
        }
        let words = words.flatten();
        let setting = self.scene.setting(control, words.as_deref());
        let reading = self.scene.reading(subject, attribute);
        let is_neutral = amount == Some(Amount::Neutral) && picked.wish != Wish::Off;
        let own = self.lexicon.attributes.get(attribute);
        let none = own.and_then(|words| words.none);
        let (from, span) = if let Some(reading) = reading.filter(|_| !is_neutral) {
            let calibration = control.info.calibrations.get(attribute);
            let neutral = calibration.and_then(|c| c.expected(c.neutral_raw));
            let span = Span {
                low: 0.0,
                high: 1.0,
                neutral: neutral.unwrap_or(0.5),
                none: none.unwrap_or(0.0),
            };
            (Level::Reading(reading), span)
        } else {
            let [low, high] = control.range;
            let none = match (own, none) {
                (None, _) => control.neutral,
                (Some(_), Some(none)) => low + none * (high - low),
                (Some(_), None) => low,
            };
            let span = Span {
                low,
                high,
                neutral: control.neutral,
                none,
            };
            (Level::Units(setting), span)
        };
        if is_neutral {
            let at_work = self.scene.settings.iter();
            let mut at_work =
                at_work.filter(|(name, whom, _)| *name == control.name && *whom == words);
            if at_work.next().is_none() {
                return Err(Stop::Nothing(format!(
                    "{} is neutral already.",
                    capital(&of)
                )));
            }
        }
        // The search goes a quarter past the reliable range, and no farther.
        let spent = matches!(from, Level::Reading(_)) && setting * picked.sign >= 1.24;
        let aimed = match target(picked.wish, picked.sign, amount, from.value(), span) {
            Target::To(to, _) if spent && (to - from.value()) * picked.sign > 0.0 => Target::AtEnd,
            Target::There | Target::AtEnd if is_neutral => Target::To(control.neutral, false),
            aimed => aimed,
        };
        let (to, is_cut) = match aimed {
            Target::To(to, is_cut) => (to, is_cut),
            Target::AtEnd => {
                return Err(Stop::Nothing(format!(
                    "{} is as far as it goes already ({:.2}).",
                    capital(&of),
                    from.value()
                )));
            }
            Target::There => {
                return Err(Stop::Nothing(format!(
                    "{} is there already ({:.2}).",
                    capital(&of),
                    from.value()
                )));
            }
            Target::Outside(asked) => {
                return Err(Stop::Refuse(format!(
                    "{} goes from {} to {}, so {asked} is out of reach; give a number between.",
                    capital(&of),
                    span.low,
                    span.high
                )));
            }
        };
        let to = match from {
            Level::Reading(_) => Level::Reading(round(to)),
            Level::Units(_) => Level::Units(round(to)),
        };
        Ok(Made {
            control: ControlMove {
                control: control.name.clone(),
                attribute: attribute.clone(),
                subject: words,
                from,
                to,
                is_neutral,
            },
            wish: picked.wish,
            sign: picked.sign,
            by_quantity: picked.by_quantity,
            amount,
            subject,
            is_cut,
        })
    }
}

/// To thousandths: nobody means more, and recipes stay readable.
fn round(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}
