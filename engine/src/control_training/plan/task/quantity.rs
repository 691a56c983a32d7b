//! A quantity that a value is trained for, as people write it.

use super::super::super::NamedQuantity;
use super::super::checked_name;
use crate::measure::{Quantity, TextPair};
use crate::{EngineError, Result};

/// A quantity as people write it; two texts without a name have the control's.
pub(super) fn quantity(text: &str, control: &str) -> Result<NamedQuantity> {
    if let Some(quantity) = Quantity::named(text) {
        return Ok(NamedQuantity {
            name: text.to_owned(),
            quantity,
        });
    }
    let bad = || {
        EngineError::request(
            format!("quantity \"{text}\""),
            "is not one of brightness, detail, realism; two texts are written as MORE|LESS",
        )
    };
    let (before, less) = text.split_once('|').ok_or_else(bad)?;
    // A name is a word; what else stands before a colon belongs to the text.
    let (name, more) = match before.split_once(':') {
        Some((name, more)) if checked_name(name).is_ok() => (name, more),
        _ => (control, before),
    };
    let (more, less) = (more.trim(), less.trim());
    if more.is_empty() || less.is_empty() {
        return Err(bad());
    }
    Ok(NamedQuantity {
        name: name.to_owned(),
        quantity: Quantity::Contrast(TextPair::new(more, less)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_named_ones_or_two_texts() {
        let read = |text: &str| quantity(text, "look").unwrap();
        assert_eq!(read("brightness").quantity, Quantity::Brightness);
        assert!(matches!(read("realism").quantity, Quantity::Contrast(_)));
        let texts = |text: &str| {
            let NamedQuantity { name, quantity } = read(text);
            let Quantity::Contrast(TextPair { positive, negative }) = quantity else {
                panic!("{text}");
            };
            [name, positive, negative]
        };
        assert_eq!(
            texts("a calm sea | a wild sea"),
            ["look", "a calm sea", "a wild sea"]
        );
        assert_eq!(texts("calm:a calm sea|a wild sea")[0], "calm");
        assert_eq!(texts("a sea: calm|wild")[..2], ["look", "a sea: calm"]);
        for bad in ["beauty", "|wild", "calm| "] {
            assert!(quantity(bad, "look").is_err(), "{bad}");
        }
    }
}
