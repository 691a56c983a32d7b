//! Attribute values as words of the prompt, for the baseline that learns them by LoRA.

use crate::controls::{AttributeRange, AttributeValues};

/// Parts of a range that a number must be able to tell apart.
const STEPS: f64 = 100.0;
/// Decimals that nobody needs more of.
const MOST_DECIMALS: usize = 6;

/// `prompt` with the set values behind it, such as `a man, age 0.73, smile 0.20`.
pub(super) fn with_numbers(
    prompt: &str,
    ranges: &[AttributeRange],
    values: &AttributeValues,
) -> String {
    let set = ranges.iter().filter_map(|range| {
        let value = values.get(&range.name)?;
        let words = range.name.replace('_', " ");
        Some(format!("{words} {value:.*}", decimals(range)))
    });
    let prompt = Some(prompt.to_owned()).filter(|p| !p.is_empty());
    prompt.into_iter().chain(set).collect::<Vec<_>>().join(", ")
}

/// Decimals by which a hundredth of the range shows.
fn decimals(range: &AttributeRange) -> usize {
    let step = (range.high - range.low) / STEPS;
    (-step.log10()).ceil().clamp(0.0, MOST_DECIMALS as f64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn set_values_follow_the_prompt_in_the_precision_of_their_range() {
        let range = |name: &str, low, high| AttributeRange {
            name: name.to_owned(),
            low,
            high,
        };
        let ranges = [
            range("eye_openness", 0.0, 1.0),
            range("age", 18.0, 80.0),
            range("width_px", 0.0, 4000.0),
        ];
        let mut values = AttributeValues::new();
        assert_eq!(with_numbers("a man", &ranges, &values), "a man");
        values.insert("age".to_owned(), 41.26);
        values.insert("eye_openness".to_owned(), 0.5);
        let said = "a man, eye openness 0.50, age 41.3";
        assert_eq!(with_numbers("a man", &ranges, &values), said);
        values.insert("width_px".to_owned(), 1234.4);
        let said = "eye openness 0.50, age 41.3, width px 1234";
        assert_eq!(with_numbers("", &ranges, &values), said);
    }
}
