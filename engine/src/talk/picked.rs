//! Which attributes a wish may mean, and which way.

use super::Lexicon;
use super::clause::{Amount, Clause};
use super::vocabulary::Way;

/// How an attribute is to change.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Wish {
    /// From where it is.
    Relative,
    /// To much or little of it.
    Much,
    /// To the very end.
    Whole,
    /// Away with it.
    Off,
    /// Let it be there.
    On,
    /// To what the amount says.
    Value,
}

/// One reading of a wish.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Picked {
    pub(super) attribute: String,
    pub(super) wish: Wish,
    /// Up or down.
    pub(super) sign: f64,
    /// Whether it was said by "more" or "less" rather than by a word of its own.
    pub(super) by_quantity: bool,
}

/// Every reading of `clause`; the subjects decide between them. Empty where it names nothing that a
/// control could move.
pub(super) fn picked(clause: &Clause, lexicon: &Lexicon) -> Vec<Picked> {
    let mut all: Vec<Picked> = Vec::new();
    if clause.nouns.is_empty() {
        for (attribute, way, alone) in clause.said.iter().flat_map(|said| &said.ways) {
            if *alone {
                all.push(by_way(clause, lexicon, attribute, *way));
            }
        }
    } else {
        let named = clause.nouns.iter();
        all.extend(named.filter_map(|attribute| by_noun(clause, lexicon, attribute)));
    }
    if let Some(only) = &clause.only {
        all.retain(|picked| picked.attribute == *only);
    }
    all.dedup();
    all
}

fn by_noun(clause: &Clause, lexicon: &Lexicon, attribute: &str) -> Option<Picked> {
    let picked = |wish, sign, by_quantity| {
        Some(Picked {
            attribute: attribute.to_owned(),
            wish,
            sign,
            by_quantity,
        })
    };
    let words = lexicon.attributes.get(attribute);
    let other_word = |text: &String| !clause.noun_texts.contains(text);
    if let Some(said) = &clause.said {
        let way = said.ways.iter().find(|(own, ..)| own == attribute);
        if let Some((_, way, _)) = way {
            return Some(by_way(clause, lexicon, attribute, *way));
        }
        if other_word(&said.text) {
            let sign = said.scale?;
            let sign = if clause.is_not { -sign } else { sign };
            return picked(Wish::Relative, sign, false);
        }
    }
    if clause.is_not {
        // "no more beard" is none at all.
        return picked(Wish::Off, -1.0, false);
    }
    if let Some((sign, quantity)) = clause.scale {
        return picked(Wish::Relative, sign, quantity);
    }
    match clause.amount {
        Some(Amount::Step(_)) => picked(Wish::Relative, 1.0, true),
        Some(Amount::Grade(_)) => None,
        Some(_) => picked(Wish::Value, 1.0, true),
        None if words.is_none_or(|words| words.is_there_or_not) => picked(Wish::On, 1.0, false),
        None if clause.is_with => picked(Wish::Relative, 1.0, true),
        None => None,
    }
}

fn by_way(clause: &Clause, lexicon: &Lexicon, attribute: &str, way: Way) -> Picked {
    let sign = way.sign();
    let picked = |wish, sign| Picked {
        attribute: attribute.to_owned(),
        wish,
        sign,
        by_quantity: clause.scale.is_some_and(|(_, quantity)| quantity),
    };
    let words = lexicon.attributes.get(attribute);
    let is_plain = matches!(way, Way::Up | Way::Down);
    if clause.is_not && clause.is_enough {
        return picked(Wish::Relative, sign);
    }
    if clause.is_too {
        return picked(Wish::Relative, -sign);
    }
    if clause.is_not {
        let has_none = words.is_some_and(|words| words.none.is_some());
        return if is_plain && has_none {
            picked(Wish::Off, -sign)
        } else {
            picked(Wish::Relative, -sign)
        };
    }
    if let Some((scale, _)) = clause.scale {
        return picked(Wish::Relative, sign * scale);
    }
    match (way, clause.amount) {
        (_, Some(Amount::To(_) | Amount::Neutral)) => picked(Wish::Value, sign),
        (Way::High | Way::Low, None | Some(Amount::Grade(_))) => picked(Wish::Much, sign),
        (Way::Full | Way::Empty, None | Some(Amount::Grade(_))) => picked(Wish::Whole, sign),
        _ => picked(Wish::Relative, sign),
    }
}
