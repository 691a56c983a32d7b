//! Controls in words.

use serde_json::Value;
use vernier_engine::controls::{ControlFile, ControlInfo, FoundControl};

/// Items of a list that is shown whole.
const LONGEST_LIST: usize = 16;

/// A line a control, its columns aligned.
pub(super) fn table(found: &[FoundControl]) -> Vec<String> {
    let rows: Vec<[String; 5]> = found.iter().map(|c| row(&c.info)).collect();
    let mut widths = [0; 5];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    rows.iter()
        .map(|row| {
            let cells = row.iter().zip(widths);
            let cells: Vec<String> = cells
                .map(|(cell, width)| format!("{cell:width$}"))
                .collect();
            cells.join("  ").trim_end().to_owned()
        })
        .collect()
}

fn row(info: &ControlInfo) -> [String; 5] {
    let scale = if info.calibrations.is_empty() {
        "not calibrated"
    } else {
        "calibrated"
    };
    [
        info.name.clone(),
        info.kind.label().to_owned(),
        if info.subjects.is_empty() {
            "the whole picture".to_owned()
        } else {
            info.subjects.join(", ")
        },
        format!("for {}", info.model.name),
        scale.to_owned(),
    ]
}

/// Everything about one control that a person may want to know.
pub(super) fn lines(file: &ControlFile) -> Vec<String> {
    let info = &file.info;
    let mut lines = Vec::new();
    let mut tell = |what: &str, value: String| {
        if !value.is_empty() {
            lines.push(format!("{what:<12} {value}"));
        }
    };
    tell("name", info.name.clone());
    tell("about", info.about.clone());
    tell("kind", info.kind.label().to_owned());
    tell("moves", info.attributes.join(", "));
    tell("subjects", info.subjects.join(", "));
    tell("begins", format!("after {} of the steps", info.start));
    let short = |hash: &str| hash.get(..10).unwrap_or(hash).to_owned();
    let hash = match info.model.hash.as_str() {
        "" => String::new(),
        hash => format!(" ({})", short(hash)),
    };
    tell("made for", format!("{}{hash}", info.model.name));
    tell("method", info.method.clone());
    tell("command", info.command.clone());
    for (name, value) in &info.settings {
        tell(name, short_value(value));
    }
    if info.calibrations.is_empty() {
        tell("scale", "raw: it was never calibrated".to_owned());
    }
    for (attribute, calibration) in &info.calibrations {
        tell(
            "scale",
            format!(
                "{attribute}: -1 is raw {:.3}, 1 is raw {:.3}; Spearman {:.3}, R² {:.3}, on model {}",
                calibration.raw_low,
                calibration.raw_high,
                calibration.spearman,
                calibration.r_squared,
                short(&calibration.model_hash)
            ),
        );
        for (other, change) in &calibration.side_effects {
            tell("", format!("  moves {other} by {change:.3}"));
        }
    }
    tell("file", file.path().display().to_string());
    tell("hash", file.hash.clone());
    lines
}

/// `value` as JSON, a list in it that is longer than a person would read by its length.
fn short_value(value: &Value) -> String {
    fn shortened(value: &Value) -> Value {
        match value {
            Value::Array(items) if items.len() > LONGEST_LIST => {
                Value::String(format!("{} entries", items.len()))
            }
            Value::Array(items) => items.iter().map(shortened).collect(),
            Value::Object(fields) => {
                let fields = fields.iter();
                Value::Object(fields.map(|(k, v)| (k.clone(), shortened(v))).collect())
            }
            other => other.clone(),
        }
    }
    shortened(value).to_string()
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use vernier_engine::controls::{ControlInfo, ControlKind, FoundControl};

    use super::{short_value, table};

    #[test]
    fn long_lists_are_told_by_their_length() {
        let ranks: Vec<f64> = (0..300).map(f64::from).collect();
        let told = short_value(&json!({"betas": [0.9, 0.99], "ranks": {"detail": ranks}}));
        assert_eq!(
            told,
            r#"{"betas":[0.9,0.99],"ranks":{"detail":"300 entries"}}"#
        );
    }

    #[test]
    fn columns_are_aligned() {
        let control = |name: &str, subjects: &[&str]| {
            let mut info = ControlInfo::new(name, ControlKind::Direction, vec![name.to_owned()]);
            info.subjects = subjects.iter().map(|&s| s.to_owned()).collect();
            info.model.name = "miniature".to_owned();
            FoundControl {
                path: std::path::PathBuf::new(),
                info,
            }
        };
        let lines = table(&[control("age", &["man", "woman"]), control("light", &[])]);
        assert_eq!(
            lines,
            [
                "age    token direction  man, woman         for miniature  not calibrated",
                "light  token direction  the whole picture  for miniature  not calibrated",
            ]
        );
    }
}
