//! `vernier project show`: what is in a project.

use std::path::Path;

use serde_json::json;
use vernier_engine::project::ProjectFile;
use vernier_engine::recipe::Recipe;

use super::tell;
use crate::failure::Failure;
use crate::headless::say;

/// Characters of a prompt that are shown.
const SHOWN_PROMPT: usize = 72;

/// Tells on stdout what is in the project `path`, as text or as one JSON object.
pub(in crate::headless) fn show(path: &Path, as_json: bool) -> Result<(), Failure> {
    let opened = ProjectFile::open_to_read(path)?;
    let (project, file) = (&opened.project, &opened.file);
    let (bytes, dead_bytes) = file.size_and_dead_bytes();
    if as_json {
        let shown = json!({
            "path": path.display().to_string(),
            "bytes": bytes,
            "dead_bytes": dead_bytes,
            "attachments": file.names().collect::<Vec<_>>(),
            "notes": opened.notes,
            "project": project,
        });
        say(&format!("{shown:#}"));
        return Ok(());
    }
    tell(&opened.notes);
    line(&format!(
        "project  {} (version {})",
        project.name, project.version
    ));
    line(&format!(
        "file     {bytes} bytes, {dead_bytes} of them no longer needed"
    ));
    line(&format!("bench    {}", brief(&project.bench.recipe)));
    for named in &project.recipes {
        line(&format!(
            "recipe   {}: {}",
            named.name,
            brief(&named.recipe)
        ));
    }
    for result in &project.results {
        let star = if result.starred { ", starred" } else { "" };
        line(&format!(
            "result   {}: {}{star}",
            result.id,
            brief(&result.recipe)
        ));
    }
    for model in &project.models {
        let place = model.path.as_deref().unwrap_or("embedded");
        let hash = model.hash.get(..10).unwrap_or("unknown");
        line(&format!("model    {} ({place}), hash {hash}", model.name));
    }
    Ok(())
}

fn brief(recipe: &Recipe) -> String {
    let prompt: String = recipe.prompt.chars().take(SHOWN_PROMPT).collect();
    let controls: Vec<String> = recipe.controls.iter().map(ToString::to_string).collect();
    let controls = match controls.as_slice() {
        [] => String::new(),
        controls => format!(", {}", controls.join(", ")),
    };
    format!(
        "{prompt:?}, seed {}, {}x{}, {} steps{controls}",
        recipe.seed, recipe.width_px, recipe.height_px, recipe.steps
    )
}

/// What stands in the file cannot steer the terminal.
fn line(text: &str) {
    say(&text.chars().filter(|c| !c.is_control()).collect::<String>());
}
