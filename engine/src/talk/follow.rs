//! Sentences that lean on the change before: "a bit more", "too much", "also the woman".

use super::amount::PLAIN_STEP;
use super::clause::{Amount, Clause, Follow};
use super::moves::Level;
use super::picked::{Picked, Wish};
use super::resolve::{Made, Resolver, Stop};

/// How the last change goes on.
struct Onward {
    wish: Wish,
    sign: f64,
    amount: Option<Amount>,
}

impl Resolver<'_> {
    /// The moves that `clause` asks for after `last`.
    pub(super) fn follow_up(&self, clause: &Clause, last: &[Made]) -> Result<Vec<Made>, Stop> {
        if clause.amount == Some(Amount::Neutral) && (!clause.who.is_empty() || last.is_empty()) {
            return self.back_to_neutral(clause);
        }
        let there = self.what_there_is(None);
        if last.is_empty() {
            return Err(Stop::Refuse(format!(
                "Nothing was changed yet that this could go on from; say what is to change: {there}."
            )));
        }
        let mut made = Vec::new();
        if clause.who.is_empty() {
            if clause.follow == Some(Follow::Also) {
                return Err(Stop::Refuse("Who else? Name somebody.".to_owned()));
            }
            for before in last {
                made.push(self.again(before, clause, before.subject)?);
            }
            return Ok(made);
        }
        for before in first_of_each(last) {
            let attribute = &before.control.attribute;
            let fits = |at: usize| self.control_for(attribute, Some(at)).is_some();
            let label = self.lexicon.label(attribute);
            for subject in self.named(&clause.who, &fits, &label)? {
                made.push(self.again(before, clause, subject)?);
            }
        }
        Ok(made)
    }

    fn again(&self, before: &Made, clause: &Clause, subject: Option<usize>) -> Result<Made, Stop> {
        // What was reached, which may be less than what was asked for.
        let reached = match before.control.to {
            Level::Reading(_) => self.scene.reading(subject, &before.control.attribute),
            Level::Units(_) => None,
        };
        let onward = onward(before, clause, reached);
        let picked = Picked {
            attribute: before.control.attribute.clone(),
            wish: onward.wish,
            sign: onward.sign,
            by_quantity: before.by_quantity,
        };
        self.moved(&picked, onward.amount, subject)
    }

    /// Everything, or everything of some subjects, to where it does nothing.
    fn back_to_neutral(&self, clause: &Clause) -> Result<Vec<Made>, Stop> {
        let subjects = if clause.who.is_empty() {
            Vec::new()
        } else {
            self.named(&clause.who, &|_| true, "settings")?
        };
        let is_all = |text: &str| text.starts_with("every") || text == "all";
        let everything = clause.who.is_empty() || clause.who.iter().any(|who| is_all(&who.text));
        let mut made = Vec::new();
        for (name, words, _) in &self.scene.settings {
            let subject = self
                .scene
                .subjects
                .iter()
                .position(|s| s.words == *words && words.is_some());
            if !everything && !subjects.contains(&subject) {
                continue;
            }
            let Some(control) = self.scene.controls.iter().find(|c| c.name == *name) else {
                continue;
            };
            let picked = Picked {
                attribute: control.attribute.clone(),
                wish: Wish::Value,
                sign: 1.0,
                by_quantity: true,
            };
            made.push(self.moved(&picked, Some(Amount::Neutral), subject)?);
        }
        if made.is_empty() {
            let say = "No control is at work there, so everything is neutral already.";
            return Err(Stop::Nothing(say.to_owned()));
        }
        Ok(made)
    }
}

/// What `clause` makes of the change `before`.
fn onward(before: &Made, clause: &Clause, reached: Option<f64>) -> Onward {
    let from = before.control.from.value();
    let to = reached.unwrap_or(before.control.to.value());
    let value = |to: f64| Onward {
        wish: Wish::Value,
        sign: if to < from { -1.0 } else { 1.0 },
        amount: Some(Amount::To(to)),
    };
    let by_step = |sign: f64, amount: Option<Amount>| Onward {
        wish: Wish::Relative,
        sign,
        amount,
    };
    // A clause about somebody else begins from where that one is.
    let is_own = clause.who.is_empty();
    if clause.half_of_that || (clause.follow == Some(Follow::TooMuch) && is_own) {
        return value(f64::midpoint(from, to));
    }
    match clause.follow {
        Some(Follow::TooMuch) => {
            return by_step(-before.sign, Some(Amount::Step(PLAIN_STEP / 2.0)));
        }
        Some(Follow::Reverse) if is_own => return value((2.0 * from - to).clamp(-1.0, 1.0)),
        Some(Follow::Reverse) => return by_step(-before.sign, before.amount),
        Some(Follow::NotEnough) => return by_step(before.sign, clause.amount),
        Some(Follow::Again | Follow::Also) | None => {}
    }
    if let Some((scale, _)) = clause.scale {
        let sign = if before.by_quantity {
            scale
        } else {
            before.sign * scale
        };
        return by_step(sign, clause.amount);
    }
    match clause.amount {
        Some(Amount::To(_) | Amount::Neutral) => Onward {
            wish: Wish::Value,
            sign: before.sign,
            amount: clause.amount,
        },
        Some(amount) => by_step(before.sign, Some(amount)),
        None => Onward {
            wish: before.wish,
            sign: before.sign,
            amount: before.amount,
        },
    }
}

/// One change of each attribute.
fn first_of_each(last: &[Made]) -> Vec<&Made> {
    let mut found: Vec<&Made> = Vec::new();
    for made in last {
        if found
            .iter()
            .all(|own| own.control.attribute != made.control.attribute)
        {
            found.push(made);
        }
    }
    found
}
