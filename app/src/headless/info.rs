//! `vernier info`: what is this folder or file?

use std::path::Path;

use vernier_engine::checkpoint::ModelFolder;
use vernier_engine::picture;
use vernier_engine::recipe::{self, Recipe};
use vernier_engine::render::Defaults;
use vernier_engine::weights::SafetensorsFile;

use super::cli::InfoArgs;
use crate::failure::Failure;

/// Tells on stdout what the path is.
pub(super) fn run(args: &InfoArgs) -> Result<(), Failure> {
    let path = &args.path;
    if path.is_dir() {
        return model(path);
    }
    let ending = path
        .extension()
        .map(|e| e.to_string_lossy().to_lowercase())
        .unwrap_or_default();
    match ending.as_str() {
        "png" => png(path),
        "safetensors" => weights(path),
        "json" => {
            for recipe in recipe::read(path)? {
                println!("{}", describe(&recipe));
            }
            Ok(())
        }
        _ => Err(Failure::Usage(format!(
            "{}: is neither a model folder nor a .json, .png or .safetensors file",
            path.display()
        ))),
    }
}

fn model(path: &Path) -> Result<(), Failure> {
    let folder = ModelFolder::open(path)?;
    println!("{}", folder.describe()?);
    println!("hash: {}", folder.hash()?);
    let defaults = Defaults::of(path)?;
    println!(
        "renders by default: {0}x{0}, {1} steps, guidance {2}, sampler {3}",
        defaults.size_px,
        defaults.steps,
        defaults.guidance_scale,
        defaults
            .sampler()
            .unwrap_or_else(|_| "to be chosen".to_owned())
    );
    Ok(())
}

fn png(path: &Path) -> Result<(), Failure> {
    let notes = picture::read_notes(path)?;
    println!("PNG, {}x{} pixels", notes.width_px, notes.height_px);
    if notes.recipe_json.is_some() {
        println!("{}", describe(&picture::read_recipe(path)?));
    } else if let Some(parameters) = notes.parameters {
        println!("made by another program; it says:");
        println!("{}", parameters.to_text());
    } else {
        println!("carries no recipe");
    }
    Ok(())
}

fn weights(path: &Path) -> Result<(), Failure> {
    let file = SafetensorsFile::open(path)?;
    println!("safetensors file, {} tensors", file.entries().len());
    for (key, value) in file.metadata() {
        println!("{key}: {value}");
    }
    Ok(())
}

fn describe(recipe: &Recipe) -> String {
    let model = &recipe.model;
    let mut text = format!(
        "recipe of version {}\nmodel: {}",
        recipe.version, model.name
    );
    if let Some(path) = &model.path {
        text += &format!(" in {path}");
    }
    if !model.hash.is_empty() {
        text += &format!(", hash {}", model.hash);
    }
    text += &format!("\nprompt: {}", recipe.prompt);
    if !recipe.negative_prompt.is_empty() {
        text += &format!("\nnegative prompt: {}", recipe.negative_prompt);
    }
    text += &format!(
        "\nseed {}, {}x{}, {} steps, guidance {}, sampler {}, dtype {}",
        recipe.seed,
        recipe.width_px,
        recipe.height_px,
        recipe.steps,
        recipe.guidance_scale,
        recipe.sampler,
        recipe.dtype
    );
    if !recipe.unknown.is_empty() {
        let names: Vec<&str> = recipe.unknown.keys().map(String::as_str).collect();
        text += &format!("\nfields of a newer program: {}", names.join(", "));
    }
    text
}
