//! Training the controls that come with the embedded model, one after the other.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use serde::Deserialize;

use crate::checkout::{Checkout, program};
use crate::interrupt;

/// What the shipped controls are made from, in the checkout.
const RECIPES: &str = "assets/controls/recipes.json";

/// Options of `cargo xtask train-controls`.
#[derive(Debug, Args)]
pub(crate) struct ControlsArgs {
    /// Only these controls
    names: Vec<String>,
    /// Options for every `vernier train`, such as `-- --fresh`
    #[arg(last = true)]
    args: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Recipes {
    controls: Vec<ControlRecipe>,
}

/// One control: what stands on the command line of `vernier train`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ControlRecipe {
    name: String,
    #[serde(default)]
    kind: ControlKind,
    /// Where it is not the name.
    attribute: Option<String>,
    about: String,
    subjects: Vec<String>,
    /// A prompt with more of the attribute and one with less of it.
    pairs: Vec<[String; 2]>,
    #[serde(default)]
    prefixes: Vec<String>,
    /// Whether the meter cannot read what it moves, so that nothing can calibrate it.
    #[serde(default)]
    unread: bool,
    /// Other options without their dashes, such as `"steps": "400"`; an empty value for those that
    /// take none.
    #[serde(default)]
    options: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ControlKind {
    #[default]
    Direction,
    Slider,
}

impl ControlRecipe {
    /// The arguments that make `vernier` train it, but for those that depend on the run.
    fn arguments(&self) -> Vec<String> {
        let kind = match self.kind {
            ControlKind::Direction => "direction",
            ControlKind::Slider => "slider",
        };
        let attribute = self.attribute.as_ref().unwrap_or(&self.name);
        let mut args = vec!["train".to_owned(), kind.to_owned(), self.name.clone()];
        let mut option = |name: &str, value: &str| {
            args.push(format!("--{name}"));
            if !value.is_empty() || name == "prefix" {
                args.push(value.to_owned());
            }
        };
        option("attribute", attribute);
        option("about", &self.about);
        option("subjects", &self.subjects.join(","));
        for [positive, negative] in &self.pairs {
            option("positive", positive);
            option("negative", negative);
        }
        for prefix in &self.prefixes {
            option("prefix", prefix);
        }
        for (name, value) in &self.options {
            option(name, value);
        }
        option("out", &self.file());
        args
    }

    /// Its file, in the checkout.
    fn file(&self) -> String {
        format!("assets/controls/{}.safetensors", self.name)
    }
}

/// Prompts and seeds that each control is calibrated on.
const CALIBRATED_ON: [&str; 4] = ["--prompt-count", "4", "--seeds", "2"];

/// Trains and calibrates the shipped controls that are not done yet.
pub(crate) fn train(checkout: &Checkout, args: &ControlsArgs) -> Result<()> {
    let recipes = chosen(read(&checkout.root().join(RECIPES))?.controls, &args.names)?;
    checkout.build_program("vernier")?;
    let program = program("vernier")?;
    // Ctrl-C reaches the training itself, which saves its state; here it must not cut that short.
    interrupt::catch();
    let all = recipes.len();
    for (at, recipe) in recipes.iter().enumerate() {
        println!("{} ({} of {all})", recipe.name, at + 1);
        let mut training = recipe.arguments();
        training.extend(args.args.iter().cloned());
        let calibration = (!recipe.unread).then(|| {
            let mut calibration = vec!["calibrate".to_owned(), recipe.file()];
            calibration.extend(CALIBRATED_ON.map(str::to_owned));
            calibration
        });
        for arguments in [Some(training), calibration].into_iter().flatten() {
            let status = checkout
                .command(&program)
                .current_dir(checkout.root())
                .args(arguments)
                .arg("--unless-done")
                .status()
                .with_context(|| format!("cannot start {}", program.display()))?;
            interrupt::check()?;
            if !status.success() {
                bail!(
                    "{} was not made; the same command goes on with it",
                    recipe.name
                );
            }
        }
    }
    Ok(())
}

fn read(path: &Path) -> Result<Recipes> {
    let text = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_json::from_slice(&text)
        .with_context(|| format!("{} is no list of controls", path.display()))
}

/// Those of `recipes` that `names` name, in their own order; all where there are no names.
fn chosen(recipes: Vec<ControlRecipe>, names: &[String]) -> Result<Vec<ControlRecipe>> {
    for name in names {
        ensure!(
            recipes.iter().any(|recipe| recipe.name == *name),
            "{RECIPES} has no control {name}; it has {}",
            recipes
                .iter()
                .map(|recipe| recipe.name.as_str())
                .collect::<Vec<_>>()
                .join(", ")
        );
    }
    let wanted = |recipe: &ControlRecipe| names.is_empty() || names.contains(&recipe.name);
    Ok(recipes.into_iter().filter(wanted).collect())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::{RECIPES, chosen, read};

    fn recipes() -> Vec<super::ControlRecipe> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        read(&root.join(RECIPES)).unwrap().controls
    }

    #[test]
    fn the_shipped_controls_have_names_of_their_own_and_prompts_for_a_subject() {
        let recipes = recipes();
        assert!(recipes.len() >= 10);
        let names: BTreeSet<&str> = recipes.iter().map(|r| r.name.as_str()).collect();
        assert_eq!(names.len(), recipes.len());
        for recipe in &recipes {
            assert!(!recipe.subjects.is_empty() && !recipe.pairs.is_empty());
            for prompt in recipe.pairs.iter().flatten() {
                assert_eq!(prompt.matches("{subject}").count(), 1, "{prompt}");
            }
        }
    }

    #[test]
    fn a_recipe_becomes_a_command_line() {
        let age = &recipes()[0];
        let line = age.arguments().join(" ");
        assert!(
            line.starts_with("train direction age --attribute age --about "),
            "{line}"
        );
        assert!(line.contains("--subjects man,woman,boy,girl --positive a very old {subject}"));
        assert!(
            line.ends_with("--out assets/controls/age.safetensors"),
            "{line}"
        );
    }

    #[test]
    fn names_choose_and_wrong_ones_are_told() {
        let names = |names: &[&str]| names.iter().map(|&n| n.to_owned()).collect::<Vec<_>>();
        let some = chosen(recipes(), &names(&["smile", "age"])).unwrap();
        assert_eq!((some.len(), some[0].name.as_str()), (2, "age"));
        let error = chosen(recipes(), &names(&["frown"])).unwrap_err();
        assert!(error.to_string().contains("no control frown; it has age"));
    }
}
