//! `cargo xtask measure-controls`: what the shipped controls move, beside the words that say the
//! same, Concept Sliders, and simpler adapters that learnt from the same pictures.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use clap::Args;
use serde_json::Value;

use super::numbers::{self, NumberRow};
use super::recipe::{ControlKind, ControlRecipe, RECIPES, read};
use super::{make, obey};
use crate::checkout::Checkout;
use crate::interrupt;

/// Settings of every sweep, in calibrated units.
const SETTINGS: &str = "-1..1x5";

/// Settings of controls that take the attribute's own value.
const VALUES: &str = "0.1..0.9x5";

/// Far from the seeds that controls are calibrated on.
const FIRST_SEED: &str = "1001";

/// What to measure.
#[derive(Debug, Args)]
pub(crate) struct MeasureArgs {
    /// Only these controls
    names: Vec<String>,
    /// Neutral prompts for each control
    #[arg(long, default_value_t = 10)]
    prompts: u32,
    /// Seeds for each prompt
    #[arg(long, default_value_t = 2)]
    seeds: u32,
    /// Keep sweeps, pages and the table here; sweeps that are there and no older than control and
    /// model are read, not made again
    #[arg(long, default_value = "target/controls/measured")]
    out: String,
}

/// Sweeps the shipped directions, the words for them and the sliders that move the same, then the
/// controls that take values and their simpler likes, and prints both tables.
pub(crate) fn measure(checkout: &Checkout, args: &MeasureArgs) -> Result<()> {
    let recipes = read(&checkout.root().join(RECIPES))?;
    let peers = recipes.peers.clone();
    checkout.build_program("vernier")?;
    interrupt::catch();
    let mut rows = Vec::new();
    let mut number_rows = Vec::new();
    for recipe in recipes.chosen(&args.names)? {
        if recipe.kind.takes_values() {
            let likes = peers.iter();
            let likes = likes.filter(|peer| peer.is_like(&recipe) && peer.name != recipe.name);
            for control in std::iter::once(&recipe).chain(likes) {
                if control.is_peer {
                    make(checkout, control, &[])?;
                }
                number_rows.extend(rows_of_values(checkout, args, control)?);
            }
            continue;
        }
        if recipe.kind != ControlKind::Direction || recipe.unread {
            continue;
        }
        rows.push(row(checkout, args, &recipe, Way::Control)?);
        rows.push(row(checkout, args, &recipe, Way::Words)?);
        let same = |peer: &&ControlRecipe| {
            peer.kind == ControlKind::Slider && peer.attribute() == recipe.attribute()
        };
        if let Some(slider) = peers.iter().find(same) {
            make(checkout, slider, &[])?;
            rows.push(row(checkout, args, slider, Way::Control)?);
        }
    }
    let mut text = String::new();
    if !rows.is_empty() {
        text.push_str(&table(&rows));
    }
    if !number_rows.is_empty() {
        text.push_str(&numbers::table(&number_rows));
    }
    let path = checkout.root().join(&args.out).join("table.md");
    fs::write(&path, &text).with_context(|| format!("cannot write {}", path.display()))?;
    print!("{text}");
    Ok(())
}

/// How an attribute is moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Control,
    Words,
}

/// Makes a sweep, or finds it made, and reads what the table says of it.
fn row(checkout: &Checkout, args: &MeasureArgs, recipe: &ControlRecipe, way: Way) -> Result<Row> {
    let out = format!(
        "{}/{}{}",
        args.out,
        recipe.name,
        if way == Way::Words { "_words" } else { "" }
    );
    let mut arguments = vec!["measure"];
    let file = recipe.file();
    let wordings = wordings(&recipe.pairs);
    let subjects = recipe.subjects.join(",");
    match way {
        Way::Control => {
            arguments.extend(["sweep", "--control", &file, "--values", SETTINGS]);
        }
        Way::Words => {
            let attribute = recipe.attribute();
            arguments.extend(["words", "--attribute", attribute, "--subjects", &subjects]);
            for wording in &wordings {
                arguments.extend(["--wording", wording]);
            }
        }
    }
    let sweep = swept(checkout, args, recipe, &out, &arguments)?;
    let by = match way {
        Way::Words => "words",
        Way::Control => recipe.method(),
    };
    Ok(Row::of(recipe.attribute(), by, &sweep["statistics"]))
}

/// The lines of a control that takes values, one an attribute.
fn rows_of_values(
    checkout: &Checkout,
    args: &MeasureArgs,
    recipe: &ControlRecipe,
) -> Result<Vec<NumberRow>> {
    let nouns = recipe.nouns.join(",");
    let mut rows = Vec::new();
    for (attribute, control) in recipe.attributes.iter().zip(recipe.calibrated()) {
        let out = format!("{}/{}_{attribute}", args.out, recipe.name);
        let mut arguments = vec!["measure", "sweep", "--control", &control];
        arguments.extend(["--values", VALUES, "--scale", "raw"]);
        if !nouns.is_empty() {
            arguments.extend(["--nouns", &nouns]);
        }
        let sweep = swept(checkout, args, recipe, &out, &arguments)?;
        rows.push(NumberRow::of(attribute, recipe, &sweep["statistics"]));
    }
    Ok(rows)
}

/// The sweep in the folder `out`, made by `arguments` where it is missing or older than the
/// control or the model.
fn swept(
    checkout: &Checkout,
    args: &MeasureArgs,
    recipe: &ControlRecipe,
    out: &str,
    arguments: &[&str],
) -> Result<Value> {
    let root = checkout.root();
    let json = root.join(out).join("sweep.json");
    if !is_newer(
        &json,
        &[&root.join(recipe.file()), &root.join("assets/miniature")],
    )? {
        fs::create_dir_all(root.join(out)).with_context(|| format!("cannot make {out}"))?;
        let (prompts, seeds) = (args.prompts.to_string(), args.seeds.to_string());
        let mut arguments = arguments.to_vec();
        arguments.extend(["--prompt-count", &prompts, "--seeds", &seeds]);
        arguments.extend(["--seed", FIRST_SEED, "--out", out]);
        let arguments: Vec<String> = arguments.into_iter().map(str::to_owned).collect();
        obey(checkout, "vernier", &arguments, &recipe.name)?;
    }
    let text = fs::read(&json).with_context(|| format!("cannot read {}", json.display()))?;
    serde_json::from_slice(&text).with_context(|| format!("{} is no sweep", json.display()))
}

/// What the pairs say, from the least to the most, with the bare subject in the middle. The first
/// two pairs are the strongest.
fn wordings(pairs: &[[String; 2]]) -> Vec<String> {
    let mut least: Vec<String> = Vec::new();
    let mut most: Vec<String> = Vec::new();
    for [positive, negative] in pairs.iter().take(2) {
        for (side, wording) in [(&mut most, positive), (&mut least, negative)] {
            if !side.contains(wording) {
                side.push(wording.clone());
            }
        }
    }
    least.push("a {subject}".to_owned());
    most.reverse();
    least.extend(most);
    least
}

/// Whether the file at `made` is there and younger than all that lies at `sources`.
fn is_newer(made: &Path, sources: &[&Path]) -> Result<bool> {
    let Ok(made) = fs::metadata(made).and_then(|m| m.modified()) else {
        return Ok(false);
    };
    let mut folders: Vec<_> = sources.iter().map(|path| path.to_path_buf()).collect();
    while let Some(path) = folders.pop() {
        let told = || format!("cannot look at {}", path.display());
        let metadata = fs::metadata(&path).with_context(told)?;
        if metadata.is_dir() {
            for entry in fs::read_dir(&path).with_context(told)? {
                folders.push(entry?.path());
            }
        } else if metadata.modified().with_context(told)? > made {
            return Ok(false);
        }
    }
    Ok(true)
}

/// A line of the table.
#[derive(Debug, PartialEq)]
struct Row {
    attribute: String,
    by: &'static str,
    spearman: f64,
    r_squared: f64,
    range: f64,
    other_subject: Option<f64>,
    /// The strongest, by name.
    side_effect: Option<(String, f64)>,
    /// The lowest of all settings.
    ssim_outside: Option<f64>,
}

impl Row {
    fn of(attribute: &str, by: &'static str, statistics: &Value) -> Self {
        let number = |name: &str| statistics[name].as_f64();
        let side_effect = numbers::strongest_side_effect(statistics);
        let outside = statistics["ssim_outside"].as_array();
        Self {
            attribute: attribute.to_owned(),
            by,
            spearman: number("spearman_within_rows").unwrap_or(f64::NAN),
            r_squared: number("r_squared").unwrap_or(f64::NAN),
            range: number("range").unwrap_or(f64::NAN),
            other_subject: number("other_subject"),
            side_effect,
            ssim_outside: outside.and_then(|all| {
                let all = all.iter().filter_map(Value::as_f64);
                all.min_by(f64::total_cmp)
            }),
        }
    }

    fn line(&self) -> String {
        let maybe = |value: Option<String>| value.unwrap_or_else(|| "–".to_owned());
        format!(
            "| {} | {} | {:.2} | {:.2} | {:.0} % | {} | {} | {} |\n",
            self.attribute,
            self.by,
            self.spearman,
            self.r_squared,
            100.0 * self.range,
            maybe(self.other_subject.map(|x| format!("{:.0} %", 100.0 * x))),
            maybe(
                self.side_effect
                    .as_ref()
                    .map(|(name, x)| format!("{name} {:.0} %", 100.0 * x))
            ),
            maybe(self.ssim_outside.map(|x| format!("{x:.2}"))),
        )
    }
}

/// The table in Markdown.
fn table(rows: &[Row]) -> String {
    let mut text = "| attribute | moved by | Spearman | R² | range | other subject | strongest \
                    side effect | SSIM outside |\n|---|---|---|---|---|---|---|---|\n"
        .to_owned();
    for row in rows {
        text.push_str(&row.line());
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::recipe::tests::recipes;
    use super::{Row, table, wordings};

    #[test]
    fn wordings_go_from_the_least_to_the_most() {
        let recipes = recipes().controls;
        assert_eq!(
            wordings(&recipes[0].pairs),
            [
                "a very young {subject}",
                "a young {subject}",
                "a {subject}",
                "an old {subject}",
                "a very old {subject}"
            ]
        );
        let hair = recipes.iter().find(|r| r.name == "hair_length").unwrap();
        assert_eq!(wordings(&hair.pairs).len(), 4);
    }

    #[test]
    fn a_row_says_the_worst() {
        let row = Row::of(
            "age",
            "words",
            &json!({
                "spearman_within_rows": 0.5, "r_squared": 0.75, "range": 0.5,
                "other_subject": 0.125, "side_effects": {"smile": 0.25, "warmth": 0.01},
                "ssim_outside": [0.75, 1.0, 0.5],
            }),
        );
        let text = table(&[row]);
        assert!(
            text.ends_with("| age | words | 0.50 | 0.75 | 50 % | 12 % | smile 25 % | 0.50 |\n"),
            "{text}"
        );
    }
}
