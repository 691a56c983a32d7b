//! Attribute values that an adapter is given, and the range that it learnt them in.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::ControlFile;
use crate::{EngineError, Result};

/// Key of the ranges in a control's settings.
const RANGES: &str = "ranges";

/// Values by attribute; an attribute that is not there is not set.
pub type AttributeValues = BTreeMap<String, f64>;

/// The range of an attribute's values in the pictures that an adapter learnt from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AttributeRange {
    /// The attribute.
    pub name: String,
    /// Its smallest value.
    pub low: f64,
    /// Its largest value, above `low`.
    pub high: f64,
}

impl AttributeRange {
    /// `value` with the range at 0..1; values outside go on in proportion.
    pub fn normalised(&self, value: f64) -> f64 {
        (value - self.low) / (self.high - self.low)
    }
}

/// A value that lies where no picture was that the adapter learnt from.
#[derive(Debug, Clone, PartialEq)]
pub struct OutsideRange {
    /// The value.
    pub value: f64,
    /// The range that it lies outside of.
    pub range: AttributeRange,
}

/// One sentence for a note.
impl fmt::Display for OutsideRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let AttributeRange { name, low, high } = &self.range;
        write!(
            f,
            "{name} {:.3} is outside what it learnt from ({low:.3} to {high:.3}), so the picture \
             may go anywhere",
            self.value
        )
    }
}

/// Which of `values` lie outside their range, in the order of `ranges`.
pub(super) fn outside(ranges: &[AttributeRange], values: &AttributeValues) -> Vec<OutsideRange> {
    let set = ranges
        .iter()
        .filter_map(|range| Some((range, *values.get(&range.name)?)));
    set.filter(|(range, value)| !(range.low..=range.high).contains(value))
        .map(|(range, value)| OutsideRange {
            value,
            range: range.clone(),
        })
        .collect()
}

/// Fails where `values` hold an attribute that is not among `known`, or one that is no number.
pub(super) fn check<'a>(
    values: &AttributeValues,
    known: impl Iterator<Item = &'a str> + Clone,
) -> Result<()> {
    for (name, value) in values {
        let field = || format!("attribute \"{name}\"");
        if !known.clone().any(|k| k == name) {
            let all: Vec<&str> = known.collect();
            let problem = format!(
                "this control has none of that name; it has {}",
                all.join(", ")
            );
            return Err(EngineError::request(field(), problem));
        }
        if !value.is_finite() {
            return Err(EngineError::request(
                field(),
                format!("{value} is not a finite number"),
            ));
        }
    }
    Ok(())
}

/// Writes `ranges` into a control's settings.
pub(super) fn store_ranges(settings: &mut Map<String, Value>, ranges: &[AttributeRange]) {
    let ranges = serde_json::to_value(ranges).unwrap_or_default();
    settings.insert(RANGES.to_owned(), ranges);
}

/// The ranges in a control's settings.
pub(super) fn stored_ranges(file: &ControlFile) -> Result<Vec<AttributeRange>> {
    let ranges: Vec<AttributeRange> = setting(file, RANGES)?;
    let names = ranges.iter().map(|r| &r.name);
    let sound = |r: &AttributeRange| r.low.is_finite() && r.high.is_finite() && r.low < r.high;
    if names.eq(&file.info.attributes) && ranges.iter().all(sound) {
        return Ok(ranges);
    }
    Err(EngineError::bad_file(
        file.path(),
        "does not give a range for each of its attributes; train it again",
    ))
}

/// The setting `name` of a control.
pub(super) fn setting<T: serde::de::DeserializeOwned>(file: &ControlFile, name: &str) -> Result<T> {
    let value = file.info.settings.get(name).cloned().unwrap_or_default();
    serde_json::from_value(value).map_err(|e| {
        let problem = format!("its setting \"{name}\" cannot be used ({e}); train it again");
        EngineError::bad_file(file.path(), problem)
    })
}

/// What to say of a file whose tensors do not fit its settings.
pub(super) fn other_tensors(file: &ControlFile, error: &EngineError) -> EngineError {
    let problem =
        format!("its tensors are not those that its settings tell of; make it again ({error})");
    EngineError::bad_file(file.path(), problem)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ranges() -> Vec<AttributeRange> {
        let range = |name: &str, low, high| AttributeRange {
            name: name.to_owned(),
            low,
            high,
        };
        vec![range("smile", 0.0, 1.0), range("age", 18.0, 80.0)]
    }

    fn values(pairs: &[(&str, f64)]) -> AttributeValues {
        pairs.iter().map(|&(n, v)| (n.to_owned(), v)).collect()
    }

    #[test]
    fn what_lies_outside_is_told_and_what_is_not_set_is_not() {
        let told = outside(&ranges(), &values(&[("age", 95.0), ("smile", 1.0)]));
        assert_eq!(told.len(), 1);
        assert!(told[0].to_string().starts_with("age 95.000 is outside"));
        assert_eq!(outside(&ranges(), &values(&[("smile", -0.01)])).len(), 1);
        assert!(outside(&ranges(), &values(&[])).is_empty());
    }

    #[test]
    fn unknown_attributes_and_odd_numbers_are_refused() {
        let known = || ["smile", "age"].into_iter();
        assert!(check(&values(&[("smile", 3.0)]), known()).is_ok());
        let said = check(&values(&[("hat", 1.0)]), known())
            .unwrap_err()
            .to_string();
        assert!(said.contains("it has smile, age"), "{said}");
        assert!(check(&values(&[("age", f64::NAN)]), known()).is_err());
    }

    #[test]
    fn ranges_are_the_unit_of_values() {
        let age = &ranges()[1];
        let got = [18.0, 49.0, 80.0, 111.0].map(|v| age.normalised(v));
        for (got, want) in got.into_iter().zip([0.0, 0.5, 1.0, 1.5]) {
            assert!((got - want).abs() < 1e-12);
        }
    }
}
