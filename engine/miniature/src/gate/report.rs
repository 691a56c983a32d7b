//! The gate's table and verdict.

use std::fmt::Write as _;

/// A change passes with at least this fraction of the median movement.
pub const PASS_FRACTION: f64 = 0.25;

/// How far the text moved with one change.
#[derive(Debug, Clone, PartialEq)]
pub struct Movement {
    /// What changed.
    pub change: String,
    /// Mean movement of the noun's token; none for changes of the picture as a whole.
    pub noun: Option<f64>,
    /// Mean movement of the last token.
    pub last: f64,
}

/// One line of the gate's table.
#[derive(Debug, Clone, PartialEq)]
pub struct GateRow {
    /// What was measured.
    pub movement: Movement,
    /// Whether both movements reach the required fraction.
    pub passes: bool,
}

/// The gate's verdict.
#[derive(Debug, Clone, PartialEq)]
pub struct GateReport {
    /// One row a change.
    pub rows: Vec<GateRow>,
    /// Median movement of the noun's token over all attributes.
    pub median_noun: f64,
    /// Median movement of the last token over all attributes.
    pub median_last: f64,
}

impl GateReport {
    /// Holds every movement against the medians over `attributes`.
    pub fn judge(attributes: Vec<Movement>, exchanges: Vec<Movement>) -> Self {
        let median_noun = median(attributes.iter().filter_map(|m| m.noun).collect());
        let median_last = median(attributes.iter().map(|m| m.last).collect());
        let judge = |movement: Movement| {
            let noun = movement
                .noun
                .is_none_or(|n| n >= PASS_FRACTION * median_noun);
            let passes = noun && movement.last >= PASS_FRACTION * median_last;
            GateRow { movement, passes }
        };
        let rows = attributes.into_iter().chain(exchanges).map(judge);
        Self {
            rows: rows.collect(),
            median_noun,
            median_last,
        }
    }

    /// Whether every row passes.
    pub fn passes(&self) -> bool {
        self.failing().is_empty()
    }

    /// The changes that the text does not carry.
    pub fn failing(&self) -> Vec<&str> {
        let failing = self.rows.iter().filter(|row| !row.passes);
        failing.map(|row| row.movement.change.as_str()).collect()
    }

    /// The table in Markdown.
    pub fn markdown(&self) -> String {
        let mut text =
            String::from("| change | noun's token | last token | |\n|---|---|---|---|\n");
        for GateRow { movement, passes } in &self.rows {
            let noun = movement
                .noun
                .map_or_else(|| "–".to_owned(), |n| format!("{n:.3}"));
            let verdict = if *passes { "passes" } else { "**fails**" };
            let _ = writeln!(
                text,
                "| {} | {noun} | {:.3} | {verdict} |",
                movement.change, movement.last
            );
        }
        let (noun, last) = (self.median_noun, self.median_last);
        let _ = writeln!(
            text,
            "| median of the attributes | {noun:.3} | {last:.3} | |"
        );
        text
    }
}

/// The middle value, the upper of two; 0 of none.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::{GateReport, Movement};

    fn movement(change: &str, noun: impl Into<Option<f64>>, last: f64) -> Movement {
        Movement {
            change: change.to_owned(),
            noun: noun.into(),
            last,
        }
    }

    fn attributes() -> Vec<Movement> {
        vec![
            movement("age", 0.4, 0.2),
            movement("smile", 0.11, 0.06),
            movement("warmth", None, 0.1),
            movement("hat", 0.9, 0.5),
        ]
    }

    #[test]
    fn a_quarter_of_the_median_is_enough() {
        // Medians: 0.4 of the nouns, 0.2 of the last tokens.
        let exchanges = vec![movement("colours", 0.1, 0.3), movement("sides", None, 0.05)];
        let report = GateReport::judge(attributes(), exchanges);
        assert!((report.median_noun - 0.4).abs() < 1e-12);
        assert!((report.median_last - 0.2).abs() < 1e-12);
        assert!(report.passes(), "{}", report.markdown());
        assert!(!report.markdown().contains("fails"));
    }

    #[test]
    fn one_weak_token_fails_its_row_and_the_gate() {
        let mut weak = attributes();
        weak[1].noun = Some(0.09);
        weak[2].last = 0.04;
        let exchanges = vec![movement("sides", None, 0.049)];
        let report = GateReport::judge(weak, exchanges);
        assert_eq!(report.failing(), ["smile", "warmth", "sides"]);
        let table = report.markdown();
        assert!(
            table.contains("| smile | 0.090 | 0.060 | **fails** |"),
            "{table}"
        );
        assert!(
            table.contains("| hat | 0.900 | 0.500 | passes |"),
            "{table}"
        );
    }
}
