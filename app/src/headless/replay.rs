//! `vernier replay`: does the recipe in a picture still give that picture?

use std::path::Path;

use vernier_engine::picture::{self, Picture};
use vernier_engine::recipe::{ControlUse, ModelRef, Recipe, short_hash};
use vernier_engine::service::RenderOptions;

use super::cli::ReplayArgs;
use super::job::Engine;
use super::report::Reporter;
use super::say;
use crate::assets;
use crate::failure::Failure;

/// Renders every picture again and tells which came out the same.
pub(super) fn run(args: &ReplayArgs) -> Result<(), Failure> {
    let device = args.device.parse()?;
    let mut options = assets::render_options(device);
    // A picture names the embeddings that it was made with; others came later.
    options.adapters = options.adapters.without_finding();
    for path in &args.sources {
        options.pictures.read(path)?;
    }
    let engine = Engine::start()?;
    let (mut different, mut failed) = (0, 0);
    for path in &args.pictures {
        let found = match replay(path, args.model.as_deref(), &options, &engine) {
            Ok(found) => found,
            Err(Failure::Cancelled(text)) => return Err(Failure::Cancelled(text)),
            // One picture that cannot be replayed must not hide what the others say.
            Err(failure) => {
                failed += 1;
                say(&named(path, &failure.to_string()));
                continue;
            }
        };
        if found.is_empty() {
            say(&named(path, "the same"));
        } else {
            different += 1;
            say(&named(path, &found.join("; ")));
        }
    }
    let all = args.pictures.len();
    let mut wrong = Vec::new();
    if args.verify && different > 0 {
        wrong.push(format!(
            "{different} of {all} pictures did not come out the same"
        ));
    }
    if failed > 0 {
        wrong.push(format!("{failed} of {all} pictures could not be replayed"));
    }
    if wrong.is_empty() {
        return Ok(());
    }
    Err(Failure::Failed(wrong.join("; ")))
}

/// `text` with the picture's name in front, once.
fn named(path: &Path, text: &str) -> String {
    let name = format!("{}: ", path.display());
    let text = text.strip_prefix(&name).unwrap_or(text);
    name + text
}

/// What differs between the picture at `path` and a new rendering of its recipe.
fn replay(
    path: &Path,
    model: Option<&Path>,
    options: &RenderOptions,
    engine: &Engine,
) -> Result<Vec<String>, Failure> {
    let recipe = picture::read_recipe(path)?;
    let recorded = picture::read_pixels(path)?;
    let size = (recorded.width_px, recorded.height_px);
    let expected = recipe.picture_size_px();
    if size != expected {
        return Ok(vec![format!(
            "size differs: the picture has {}x{} pixels, its recipe {}x{}",
            size.0, size.1, expected.0, expected.1
        )]);
    }
    let mut asked = recipe.clone();
    if let Some(folder) = model {
        asked.model = ModelRef {
            hash: recipe.model.hash.clone(),
            prediction_type: recipe.model.prediction_type.clone(),
            ..ModelRef::at(folder)
        };
    }
    if asked.model.path.is_none() {
        assets::require_embedded_model()?;
    }
    let mut made = None;
    engine.run(
        vec![asked],
        options.clone(),
        &mut Reporter::Quiet,
        |new, _| {
            made = Some(new);
            Ok(())
        },
    )?;
    let made = made.ok_or_else(|| Failure::Failed("no picture came out".to_owned()))?;
    Ok(differences(
        (&recipe, &recorded),
        (&made.recipe, &made.picture),
    ))
}

/// The fields that explain it come first, then the pixels.
fn differences(recorded: (&Recipe, &Picture), made: (&Recipe, &Picture)) -> Vec<String> {
    let Some(pixels) = picture::difference(recorded.1, made.1) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    let (old, new) = (&recorded.0.model.hash, &made.0.model.hash);
    if !old.is_empty() && old != new {
        found.push(format!(
            "model hash differs: {} made it, {} is here",
            short_hash(old),
            short_hash(new)
        ));
    }
    for old in &recorded.0.controls {
        let same = |new: &&ControlUse| (&new.name, &new.subject) == (&old.name, &old.subject);
        let new = made.0.controls.iter().find(same);
        if let Some(new) = new.filter(|new| !old.hash.is_empty() && new.hash != old.hash) {
            found.push(format!(
                "control {} differs: {} made it, {} is here",
                old.name,
                short_hash(&old.hash),
                short_hash(&new.hash)
            ));
        }
    }
    let hashes = |recipe: &Recipe| -> Vec<(String, String)> {
        let adapters = recipe.adapters.iter();
        let adapters = adapters.map(|a| (format!("adapter {}", a.name), a.hash.clone()));
        let embeddings = recipe.embeddings.iter();
        let embeddings = embeddings.map(|e| (format!("embedding {}", e.name), e.hash.clone()));
        let prompts = recipe.picture_prompts.iter();
        let prompts = prompts.map(|p| (format!("picture prompt {}", p.name), p.hash.clone()));
        let nets = recipe.controlnets.iter();
        let nets = nets.map(|c| (format!("controlnet {}", c.name), c.hash.clone()));
        let files = adapters.chain(embeddings).chain(prompts);
        files.chain(nets).collect()
    };
    let here = hashes(made.0);
    for (name, old) in hashes(recorded.0) {
        let new = here.iter().find(|(own, _)| *own == name);
        if let Some((_, new)) = new.filter(|(_, new)| !old.is_empty() && *new != old) {
            found.push(format!(
                "{name} differs: {} made it, {} is here",
                short_hash(&old),
                short_hash(new)
            ));
        }
    }
    found.push(pixels.to_string());
    found
}
