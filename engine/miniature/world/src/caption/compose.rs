//! From a plan (what to name, in which form and order) to a sentence with its ranges.

use std::ops::Range;

use super::phrases::{self, Join};
use super::{Caption, Named};
use crate::attributes::{Attribute, Background, Continuous, Discrete, Value};
use crate::scene::Scene;

/// How one value is put into words.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Wording {
    /// One of seven grades, with the number of the wording.
    Grade(usize),
    /// Per cent, rounded to this step.
    Percent(usize),
}

/// One attribute to name.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Item {
    pub(crate) subject: Option<usize>,
    pub(crate) attribute: Attribute,
    pub(crate) before: bool,
    pub(crate) wording: Wording,
}

/// What a caption is to say and how; the order of items is the order of words.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) items: Vec<Item>,
    /// Sentence for two subjects.
    pub(crate) pattern: &'static str,
}

#[derive(Default)]
struct Builder {
    text: String,
    named: Vec<Named>,
    nouns: Vec<(usize, Range<usize>)>,
}

impl Builder {
    /// Adds words after a space and says where they are.
    fn push(&mut self, words: &str) -> Range<usize> {
        if !(self.text.is_empty() || words.starts_with(',') || words.is_empty()) {
            self.text.push(' ');
        }
        let start = self.text.len();
        self.text.push_str(words);
        start..self.text.len()
    }

    fn name(&mut self, item: &Item, words: &str, value: Value) {
        let words = self.push(words);
        self.named.push(Named {
            subject: item.subject,
            attribute: item.attribute,
            words,
            before_noun: item.before,
            value,
        });
    }
}

fn percent(value: f32, step: usize) -> usize {
    (value * 100.0 / step as f32).round() as usize * step
}

/// Words and asked value of an item; `None` when it has no such form or does not apply.
fn worded(scene: &Scene, item: &Item) -> Option<(Join, String, Value)> {
    let kind = scene.subjects[item.subject.unwrap_or(0)].kind;
    match (item.attribute, scene.value(item.subject, item.attribute)?) {
        (Attribute::Continuous(a), Value::Continuous(v)) => match item.wording {
            Wording::Grade(wording) => {
                let grade = phrases::grade(v);
                let value = Value::Continuous(phrases::graded_value(grade));
                if item.before {
                    let words = phrases::before(a, kind, grade, wording);
                    Some((Join::Bare, words, value))
                } else {
                    let (join, words) = phrases::after(a, kind, grade);
                    Some((join, words, value))
                }
            }
            Wording::Percent(step) => {
                let p = percent(v, step);
                let value = Value::Continuous(p as f32 / 100.0);
                if item.before {
                    Some((Join::Bare, phrases::percent_before(a, p), value))
                } else {
                    let (join, words) = phrases::percent_after(a, p);
                    Some((join, words, value))
                }
            }
        },
        (Attribute::Discrete(a), Value::Discrete(class)) => {
            let value = Value::Discrete(class);
            if item.before {
                Some((Join::Bare, phrases::class_before(a, class)?, value))
            } else {
                let (join, words) = phrases::class_after(a, class)?;
                Some((join, words, value))
            }
        }
        _ => None,
    }
}

/// One subject: article, adjectives, noun, phrases.
fn subject(b: &mut Builder, scene: &Scene, index: usize, items: &[Item]) {
    let own = || items.iter().filter(|i| i.subject == Some(index));
    let noun = scene.subjects[index].kind.noun();
    let mut adjectives: Vec<_> = own()
        .filter(|i| i.before)
        .filter_map(|i| Some((i, worded(scene, i)?)))
        .collect();
    // A thing's colour and material stand next to its noun: "a small blue wooden cup".
    adjectives.sort_by_key(|(i, _)| match i.attribute {
        Attribute::Discrete(Discrete::FurColor | Discrete::PaintColor) => 1,
        Attribute::Discrete(Discrete::Material) => 2,
        _ => 0,
    });
    let first = adjectives.first().map_or(noun, |(_, (_, words, _))| words);
    let article = phrases::article(first);
    b.push(article);
    for (item, (_, words, value)) in &adjectives {
        b.name(item, words, *value);
    }
    let range = b.push(noun);
    b.nouns.push((index, range));
    let mut rest: Vec<_> = own()
        .filter(|i| !i.before)
        .filter_map(|i| Some((i, worded(scene, i)?)))
        .collect();
    rest.sort_by_key(|(_, (join, _, _))| *join);
    let glued = glue_hair(&mut rest);
    let mut last = None;
    for k in 0..rest.len() {
        let (item, (join, words, value)) = &rest[k];
        if last != Some(*join) || *join == Join::Bare {
            b.push(join.word());
        } else if glued != Some(k) {
            let next = if glued == Some(k + 1) { k + 2 } else { k + 1 };
            let ends = rest.get(next).is_none_or(|(_, (j, _, _))| j != join);
            let and = if *join == Join::Without { "or" } else { "and" };
            b.push(if ends { and } else { "," });
        }
        last = Some(*join);
        b.name(item, words, *value);
    }
}

/// "with long hair and red hair" becomes "with long red hair": puts the two side by side, takes
/// the first "hair" away and says where the second is.
fn glue_hair(rest: &mut Vec<(&Item, (Join, String, Value))>) -> Option<usize> {
    let find = |rest: &[(&Item, (Join, String, Value))], attribute: Attribute| {
        rest.iter()
            .position(|(i, (_, words, _))| i.attribute == attribute && words.ends_with(" hair"))
    };
    let length = Attribute::Continuous(Continuous::HairLength);
    let color = Attribute::Discrete(Discrete::HairColor);
    find(rest, length)?;
    let moved = find(rest, color)?;
    let moved = rest.remove(moved);
    let at = find(rest, length)?;
    let words = &mut rest[at].1.1;
    words.truncate(words.len() - " hair".len());
    rest.insert(at + 1, moved);
    Some(at + 1)
}

/// Where it is: "on a beach", "on a plain red background".
fn background(b: &mut Builder, scene: &Scene, items: &[Item]) {
    let find = |d: Discrete| {
        items
            .iter()
            .find(|i| i.subject.is_none() && i.attribute == Attribute::Discrete(d))
    };
    let place = find(Discrete::Background);
    let color = find(Discrete::PlainColor).filter(|_| scene.background == Background::Plain);
    if place.is_none() && color.is_none() {
        return;
    }
    let (preposition, noun) = phrases::place(scene.background);
    let class = Value::Discrete(scene.background as usize);
    if scene.background != Background::Plain {
        b.push(preposition);
        if let Some(item) = place {
            b.name(item, noun, class);
        }
        return;
    }
    let tint = Discrete::PlainColor.classes()[scene.plain_color];
    b.push("on");
    b.push(if place.is_some() {
        "a"
    } else {
        phrases::article(tint)
    });
    if let Some(item) = place {
        b.name(item, "plain", class);
    }
    if let Some(item) = color {
        b.name(item, tint, Value::Discrete(scene.plain_color));
    }
    b.push(noun);
}

/// Writes the sentence.
pub(crate) fn compose(scene: &Scene, plan: &Plan) -> Caption {
    let items = &plan.items;
    let mut b = Builder::default();
    let picture = |before: bool| {
        items.iter().filter(move |i| {
            i.subject.is_none()
                && i.before == before
                && matches!(i.attribute, Attribute::Continuous(_))
        })
    };
    let place_first = items
        .iter()
        .any(|i| i.before && i.subject.is_none() && matches!(i.attribute, Attribute::Discrete(_)));
    let front: Vec<_> = picture(true)
        .filter_map(|i| Some((i, worded(scene, i)?)))
        .collect();
    if let Some((_, (_, words, _))) = front.first() {
        b.push(phrases::article(words));
    }
    for (k, (item, (_, words, value))) in front.iter().enumerate() {
        if k > 0 {
            b.push(",");
        }
        b.name(item, words, *value);
    }
    if !front.is_empty() {
        let subject_next =
            !place_first && (scene.subjects.len() < 2 || plan.pattern.starts_with(['1', '2']));
        b.push(if subject_next {
            "picture of"
        } else {
            "picture,"
        });
    }
    if place_first {
        background(&mut b, scene, items);
        b.push(",");
    }
    if scene.subjects.len() < 2 {
        subject(&mut b, scene, 0, items);
    } else {
        for word in plan.pattern.split(' ') {
            match word {
                "1" => subject(&mut b, scene, 0, items),
                "2" => subject(&mut b, scene, 1, items),
                _ => {
                    b.push(word);
                }
            }
        }
    }
    if !place_first {
        background(&mut b, scene, items);
    }
    for item in picture(false) {
        if let Some((join, words, value)) = worded(scene, item) {
            b.push(",");
            b.push(join.word());
            b.name(item, &words, value);
        }
    }
    b.nouns.sort_by_key(|(index, _)| *index);
    Caption {
        text: b.text,
        nouns: b.nouns.into_iter().map(|(_, range)| range).collect(),
        named: b.named,
    }
}
