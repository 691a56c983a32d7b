//! The table of controls that take an attribute's own value: value tokens, Att-Adapters and the
//! simpler adapters that learnt from the same pictures.

use serde_json::Value;

use super::recipe::ControlRecipe;

/// A line of the table.
#[derive(Debug, PartialEq)]
pub(super) struct NumberRow {
    attribute: String,
    by: &'static str,
    /// Mean difference of asked value and reading.
    difference: f64,
    spearman: f64,
    range: f64,
    /// The strongest, by name.
    side_effect: Option<(String, f64)>,
    /// Range over the mean of the side effects.
    over_side_effects: f64,
}

impl NumberRow {
    /// What a sweep's `statistics` say of one attribute of `recipe`.
    pub(super) fn of(attribute: &str, recipe: &ControlRecipe, statistics: &Value) -> Self {
        let number = |name: &str| statistics[name].as_f64().unwrap_or(f64::NAN);
        Self {
            attribute: attribute.to_owned(),
            by: recipe.method(),
            difference: number("mean_difference_from_asked"),
            spearman: number("spearman_within_rows"),
            range: number("range"),
            side_effect: strongest_side_effect(statistics),
            over_side_effects: number("target_over_side_effects"),
        }
    }

    fn line(&self) -> String {
        let effect = self.side_effect.as_ref();
        format!(
            "| {} | {} | {:.2} | {:.2} | {:.0} % | {} | {:.1} |\n",
            self.attribute,
            self.by,
            self.difference,
            self.spearman,
            100.0 * self.range,
            effect.map_or_else(
                || "–".to_owned(),
                |(name, x)| format!("{name} {:.0} %", 100.0 * x)
            ),
            self.over_side_effects,
        )
    }
}

/// The strongest side effect of a sweep, with its attribute.
pub(super) fn strongest_side_effect(statistics: &Value) -> Option<(String, f64)> {
    let effects = statistics["side_effects"].as_object()?.iter();
    effects
        .filter_map(|(name, value)| Some((name.clone(), value.as_f64()?)))
        .max_by(|a, b| a.1.total_cmp(&b.1))
}

/// The table in Markdown, by attribute, so that methods stand together.
pub(super) fn table(rows: &[NumberRow]) -> String {
    let mut text = "| attribute | set by | off by | Spearman | range | strongest side effect | \
                    range / side effects |\n|---|---|---|---|---|---|---|\n"
        .to_owned();
    let mut rows: Vec<&NumberRow> = rows.iter().collect();
    rows.sort_by(|a, b| a.attribute.cmp(&b.attribute));
    for row in rows {
        text.push_str(&row.line());
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::recipe::tests::recipes;
    use super::{NumberRow, table};

    #[test]
    fn rows_of_an_attribute_stand_together() {
        let recipes = recipes();
        let all = || recipes.controls.iter().chain(&recipes.peers);
        let named = |name: &str| all().find(|recipe| recipe.name == name).unwrap();
        let statistics = json!({
            "mean_difference_from_asked": 0.125, "spearman_within_rows": 0.75, "range": 0.5,
            "side_effects": {"warmth": 0.25, "smile": 0.5}, "target_over_side_effects": 1.25,
        });
        let row = |attribute, name| NumberRow::of(attribute, named(name), &statistics);
        let rows = [
            row("age", "look"),
            row("smile", "look"),
            row("age", "look_mlp"),
        ];
        let text = table(&rows);
        let lines: Vec<&str> = text.lines().skip(2).collect();
        assert_eq!(
            lines,
            [
                "| age | Att-Adapter | 0.12 | 0.75 | 50 % | smile 50 % | 1.2 |",
                "| age | plain network | 0.12 | 0.75 | 50 % | smile 50 % | 1.2 |",
                "| smile | Att-Adapter | 0.12 | 0.75 | 50 % | smile 50 % | 1.2 |",
            ]
        );
    }
}
