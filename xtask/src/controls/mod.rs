//! Training the controls that come with the embedded model, one after the other, and measuring
//! them beside their peers.

mod measured;
mod numbers;
mod recipe;

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::checkout::{Checkout, program};
use crate::interrupt;
pub(crate) use measured::{MeasureArgs, measure};
use recipe::{ControlRecipe, RECIPES, read};

/// Options of `cargo xtask train-controls`.
#[derive(Debug, Args)]
pub(crate) struct ControlsArgs {
    /// Only these controls; one that others are compared with is made only when it is named
    names: Vec<String>,
    /// Options for every `vernier train`, such as `-- --fresh`
    #[arg(last = true)]
    args: Vec<String>,
}

/// Prompts and seeds that each control is calibrated on.
const CALIBRATED_ON: [&str; 4] = ["--prompt-count", "4", "--seeds", "2"];

/// Trains and calibrates the shipped controls that are not done yet.
pub(crate) fn train(checkout: &Checkout, args: &ControlsArgs) -> Result<()> {
    let recipes = read(&checkout.root().join(RECIPES))?.chosen(&args.names)?;
    checkout.build_program("vernier")?;
    // Ctrl-C reaches the training itself, which saves its state; here it must not cut that short.
    interrupt::catch();
    let all = recipes.len();
    for (at, recipe) in recipes.iter().enumerate() {
        println!("{} ({} of {all})", recipe.name, at + 1);
        make(checkout, recipe, &args.args)?;
    }
    Ok(())
}

/// Makes one control, from what it lacks.
fn make(checkout: &Checkout, recipe: &ControlRecipe, more: &[String]) -> Result<()> {
    if let Some(arguments) = recipe.picture_arguments() {
        let table = format!("{}/metadata.csv", recipe.picture_folder());
        if !checkout.root().join(table).exists() {
            checkout.build_program("train-miniature")?;
            obey(checkout, "train-miniature", &arguments, &recipe.name)?;
        }
    }
    let mut training = recipe.arguments();
    training.extend(more.iter().cloned());
    training.push("--unless-done".to_owned());
    obey(checkout, "vernier", &training, &recipe.name)?;
    for control in recipe.calibrated() {
        let mut calibration = vec!["calibrate".to_owned(), control];
        calibration.extend(CALIBRATED_ON.map(str::to_owned));
        if !recipe.nouns.is_empty() {
            calibration.extend(["--nouns".to_owned(), recipe.nouns.join(",")]);
        }
        calibration.push("--unless-done".to_owned());
        obey(checkout, "vernier", &calibration, &recipe.name)?;
    }
    Ok(())
}

/// Runs a program of ours in the checkout.
fn obey(checkout: &Checkout, name: &str, arguments: &[String], control: &str) -> Result<()> {
    let program = program(name)?;
    let status = checkout
        .command(&program)
        .current_dir(checkout.root())
        .args(arguments)
        .status()
        .with_context(|| format!("cannot start {}", program.display()))?;
    interrupt::check()?;
    if !status.success() {
        bail!("{control} is not done; the same command goes on with it");
    }
    Ok(())
}
