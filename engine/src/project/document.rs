//! `project.json`: reading, checking, writing.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

use super::result::is_id;
use super::{PROJECT_VERSION, Project};
use crate::recipe::{AdapterUse, ControlUse, PicturePromptUse, RECIPE_VERSION, Recipe};
use crate::{EngineError, Result};

/// Name of the entry that holds everything but the pictures.
pub(super) const PROJECT_JSON: &str = "project.json";

impl Project {
    /// Checks what would keep the project from being read back: its version, the results' ids,
    /// and numbers that JSON cannot hold. The bench's recipe need not be one that can be rendered.
    ///
    /// # Errors
    /// [`EngineError::Request`] naming the first field at fault.
    pub fn validate(&self) -> Result<()> {
        if self.version > PROJECT_VERSION {
            let problem = format!(
                "{} is newer than {PROJECT_VERSION}, which this program writes",
                self.version
            );
            return Err(EngineError::request("version", problem));
        }
        check_ids(self).map_err(|(field, problem)| EngineError::request(field, problem))?;
        check_recipe("bench.recipe", &self.bench.recipe)?;
        check_controls("bench.muted", &self.bench.muted)?;
        if let Some(aside) = &self.bench.aside {
            check_recipe("bench.aside", aside)?;
        }
        check_adapters("bench.muted_adapters", &self.bench.muted_adapters)?;
        let muted = &self.bench.muted_picture_prompts;
        check_picture_prompts("bench.muted_picture_prompts", muted)?;
        for (i, named) in self.recipes.iter().enumerate() {
            check_recipe(&format!("recipes[{i}].recipe"), &named.recipe)?;
        }
        for (i, result) in self.results.iter().enumerate() {
            finite(&format!("results[{i}].secs"), result.secs)?;
            check_recipe(&format!("results[{i}].recipe"), &result.recipe)?;
        }
        Ok(())
    }
}

fn check_ids(project: &Project) -> Result<(), (String, String)> {
    let mut seen = BTreeSet::new();
    for (i, result) in project.results.iter().enumerate() {
        let refuse = |problem: &str| {
            let problem = format!("{:?} {problem}", result.id);
            Err((format!("results[{i}].id"), problem))
        };
        if !is_id(&result.id) {
            return refuse("is no id; it takes 1 to 64 of a-z, 0-9, - and _");
        }
        if !seen.insert(&result.id) {
            return refuse("is the id of two results; each needs its own");
        }
    }
    Ok(())
}

fn check_recipe(field: &str, recipe: &Recipe) -> Result<()> {
    finite(&format!("{field}.guidance_scale"), recipe.guidance_scale)?;
    if let Some(source) = &recipe.source {
        finite(&format!("{field}.source.strength"), source.strength)?;
        if let Some(mask) = &source.mask {
            finite(&format!("{field}.source.mask.feather_px"), mask.feather_px)?;
        }
    }
    for (i, region) in recipe.regions.iter().enumerate() {
        finite(&format!("{field}.regions[{i}].weight"), region.weight)?;
        let feather_px = region.mask.feather_px;
        finite(&format!("{field}.regions[{i}].mask.feather_px"), feather_px)?;
    }
    if let Some(edit) = &recipe.edit {
        finite(&format!("{field}.edit.structure"), edit.structure)?;
        for (i, change) in edit.changes.iter().enumerate() {
            let field = format!("{field}.edit.changes[{i}]");
            finite(&format!("{field}.strength"), change.strength)?;
            if let Some(mask) = &change.mask {
                finite(&format!("{field}.mask.feather_px"), mask.feather_px)?;
            }
        }
    }
    for (i, used) in recipe.controlnets.iter().enumerate() {
        for number in [used.weight, used.start, used.end] {
            finite(&format!("{field}.controlnets[{i}]"), number)?;
        }
    }
    check_adapters(&format!("{field}.adapters"), &recipe.adapters)?;
    let prompts = &recipe.picture_prompts;
    check_picture_prompts(&format!("{field}.picture_prompts"), prompts)?;
    check_controls(&format!("{field}.controls"), &recipe.controls)
}

fn check_adapters(field: &str, adapters: &[AdapterUse]) -> Result<()> {
    for adapter in adapters {
        for weight in [adapter.unet_weight, adapter.text_weight] {
            finite(&format!("{field}, {}", adapter.name), weight)?;
        }
    }
    Ok(())
}

fn check_picture_prompts(field: &str, prompts: &[PicturePromptUse]) -> Result<()> {
    for own in prompts {
        let feather = own.mask.iter().map(|mask| mask.feather_px);
        let numbers = [own.weight, own.start, own.end].into_iter();
        for number in numbers.chain(feather).chain(own.blocks.values().copied()) {
            finite(&format!("{field}, {}", own.name), number)?;
        }
    }
    Ok(())
}

fn check_controls(field: &str, controls: &[ControlUse]) -> Result<()> {
    for control in controls {
        let numbers = [Some(control.value), control.start, control.resolved];
        for number in numbers.into_iter().flatten() {
            finite(&format!("{field}, {}", control.name), number)?;
        }
    }
    Ok(())
}

fn finite(field: &str, number: f64) -> Result<()> {
    if number.is_finite() {
        return Ok(());
    }
    let problem = format!("{number} is not a finite number");
    Err(EngineError::request(field, problem))
}

/// The text of `project.json`; the same project always gives the same text.
pub(super) fn to_bytes(project: &Project, path: &Path) -> Result<Vec<u8>> {
    project.validate()?;
    let cannot = |e: String| EngineError::bad_file(path, format!("cannot hold the project: {e}"));
    let mut bytes = serde_json::to_vec_pretty(project).map_err(|e| cannot(e.to_string()))?;
    bytes.push(b'\n');
    // A file that its own program cannot read would be found out too late.
    match parse(&bytes, path) {
        Ok(back) if back == *project => Ok(bytes),
        Ok(_) => Err(cannot("JSON changes one of its values".to_owned())),
        Err(Unreadable::Newer(e)) => Err(e),
        Err(Unreadable::Damaged(problem)) => Err(cannot(problem)),
    }
}

/// Why a `project.json` is not used.
#[derive(Debug)]
pub(super) enum Unreadable {
    /// It comes from a newer program: an older one must not do as if it understood.
    Newer(EngineError),
    /// It is damaged in this way, and an older one may do.
    Damaged(String),
}

/// Reads the text of a `project.json`.
pub(super) fn parse(bytes: &[u8], path: &Path) -> Result<Project, Unreadable> {
    let damaged = |e: serde_json::Error| Unreadable::Damaged(e.to_string());
    let value: Value = serde_json::from_slice(bytes).map_err(damaged)?;
    refuse_newer(&value, path).map_err(Unreadable::Newer)?;
    let project: Project = serde_json::from_value(value).map_err(damaged)?;
    check_ids(&project)
        .map_err(|(field, problem)| Unreadable::Damaged(format!("field {field}: {problem}")))?;
    Ok(project)
}

/// Versions come first: something newer may have other fields altogether.
fn refuse_newer(value: &Value, path: &Path) -> Result<()> {
    let refuse = |field: &str, version: u64, known: u32| {
        let problem = format!(
            "is {version}, and this program reads up to {known}; update Vernier to open this \
             project"
        );
        Err(EngineError::bad_config(path, field, problem))
    };
    let version = |value: &Value| value.get("version").and_then(Value::as_u64);
    if let Some(found) = version(value).filter(|found| *found > PROJECT_VERSION.into()) {
        return refuse("version", found, PROJECT_VERSION);
    }
    let list = |name: &str| value.get(name).and_then(Value::as_array);
    let rows = ["recipes", "results"]
        .into_iter()
        .filter_map(list)
        .flatten();
    let recipes = value.get("bench").into_iter().chain(rows);
    for recipe in recipes.filter_map(|row| row.get("recipe")) {
        if let Some(found) = version(recipe).filter(|found| *found > RECIPE_VERSION.into()) {
            return refuse("recipe.version", found, RECIPE_VERSION);
        }
    }
    Ok(())
}
