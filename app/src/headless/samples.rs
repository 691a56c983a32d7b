//! What `vernier` does when it is not told anything: the sample prompts.

use std::path::Path;

use vernier_engine::checkpoint::MeterOptions;
use vernier_engine::device::DeviceRequest;
use vernier_engine::recipe;

use super::job::{self, Output};
use super::report::Reporter;
use crate::assets;
use crate::failure::Failure;

/// Renders the sample prompts to `renders/`.
pub(super) fn run() -> Result<(), Failure> {
    assets::require_embedded_model()?;
    let recipes = recipe::read(&assets::sample_recipes())?;
    for recipe in &recipes {
        recipe.validate()?;
    }
    let folder = Path::new("renders");
    let output = Output {
        folder,
        latents: None,
        recipes: None,
        project: None,
        masks: None,
    };
    let count = recipes.len();
    job::render(
        recipes,
        DeviceRequest::Auto,
        MeterOptions::default(),
        &output,
        &mut Reporter::choose(false),
    )?;
    let shown = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    eprintln!("{count} pictures are in {}", shown.display());
    Ok(())
}
