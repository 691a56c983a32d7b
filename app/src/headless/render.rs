//! `vernier render`.

use std::hash::{BuildHasher as _, RandomState};
use std::path::Path;

use vernier_engine::checkpoint::{FoundControlNet, MeterOptions};
use vernier_engine::picture::{self, PictureShelf};
use vernier_engine::recipe::{
    self, AdapterUse, ControlNetUse, ControlUse, ModelRef, PicturePromptUse, Recipe, TextOptions,
};
use vernier_engine::render::Defaults;

use super::cli::RenderArgs;
use super::job::{self, Output};
use super::report::Reporter;
use crate::assets;
use crate::failure::Failure;

/// Renders what the options and the recipe file say.
pub(super) fn run(args: &RenderArgs) -> Result<(), Failure> {
    let mut reporter = Reporter::choose(args.json);
    let outcome = render(args, &mut reporter);
    if let Err(failure) = &outcome {
        reporter.failed(failure);
    }
    outcome
}

fn render(args: &RenderArgs, reporter: &mut Reporter) -> Result<(), Failure> {
    let device = args.device.parse()?;
    let base = match &args.recipe {
        Some(path) if is_png(path) => vec![recipe_of_png(path, args, reporter)?],
        Some(path) => recipe::read(path)?,
        None => vec![fresh(args)?],
    };
    let base = base.into_iter().map(|recipe| overridden(recipe, args));
    let base = base.collect::<Result<Vec<_>, Failure>>()?;
    let mut recipes = repeated(base, args.count);
    let pictures = PictureShelf::default();
    let wildcards = assets::wildcards(args.wildcards.as_deref());
    for recipe in &mut recipes {
        // Chosen here, so that what is saved says what was chosen.
        *recipe = wildcards.resolved(recipe)?;
        recipe.validate()?;
        // A project or a saved recipe knows them by their hashes from the start.
        pictures.resolve(recipe)?;
        if recipe.model.path.is_none() {
            assets::require_embedded_model()?;
        }
    }
    let output = Output {
        folder: &args.out,
        latents: args.latents_out.as_deref(),
        recipes: args.save_recipe.as_deref(),
        project: args.project.as_deref(),
        masks: None,
    };
    let meter = MeterOptions {
        clip: args.clip.clone(),
        ..MeterOptions::default()
    };
    job::render(recipes, device, meter, &output, reporter)
}

/// Recipes from a JSON file, or the one that a picture carries.
pub(super) fn read_recipes(path: &Path) -> Result<Vec<Recipe>, Failure> {
    Ok(if is_png(path) {
        vec![picture::read_recipe(path)?]
    } else {
        recipe::read(path)?
    })
}

/// The recipe that a picture carries, or as much as can be taken over of another program's.
fn recipe_of_png(
    path: &Path,
    args: &RenderArgs,
    reporter: &mut Reporter,
) -> Result<Recipe, Failure> {
    let notes = picture::read_notes(path)?;
    match notes.foreign().filter(|_| notes.recipe_json.is_none()) {
        Some(foreign) => {
            let (recipe, left_out) = foreign.over(&fresh(args)?);
            for sentence in left_out {
                job::note(format!("{}: {sentence}", path.display()), reporter);
            }
            Ok(recipe)
        }
        None => Ok(notes.recipe(path)?),
    }
}

/// Whether the name says that it is a picture.
pub(super) fn is_png(path: &Path) -> bool {
    path.extension()
        .is_some_and(|ending| ending.eq_ignore_ascii_case("png"))
}

/// A recipe from what suits the model; the options come on top.
fn fresh(args: &RenderArgs) -> Result<Recipe, Failure> {
    let (model, folder) = assets::chosen_model(args.model.as_deref())?;
    let defaults = Defaults::of(&folder)?;
    let sampler = match &args.sampler {
        Some(sampler) => sampler.clone(),
        None => defaults.sampler()?,
    };
    Ok(Recipe {
        seed: random_seed(),
        width_px: defaults.width_px,
        height_px: defaults.height_px,
        steps: defaults.steps,
        guidance_scale: defaults.guidance_scale,
        sampler,
        text: TextOptions::A1111,
        ..Recipe::new(model)
    })
}

/// Short enough to be read out loud.
pub(super) fn random_seed() -> u64 {
    RandomState::new().hash_one(std::process::id()) >> 32
}

fn overridden(mut recipe: Recipe, args: &RenderArgs) -> Result<Recipe, Failure> {
    fn set<T: Clone>(field: &mut T, option: Option<&T>) {
        if let Some(value) = option {
            field.clone_from(value);
        }
    }
    if let Some(folder) = args.model.as_deref().map(assets::model_at) {
        // The hash stays: it tells whether this is the model that the recipe was made with.
        recipe.model = ModelRef {
            hash: std::mem::take(&mut recipe.model.hash),
            prediction_type: recipe.model.prediction_type.take(),
            ..ModelRef::at(&folder)
        };
    }
    if args.prediction.is_some() {
        recipe.model.prediction_type.clone_from(&args.prediction);
    }
    set(&mut recipe.prompt, args.prompt.as_ref());
    set(&mut recipe.negative_prompt, args.negative.as_ref());
    set(&mut recipe.seed, args.seed.as_ref());
    set(&mut recipe.steps, args.steps.as_ref());
    set(&mut recipe.guidance_scale, args.guidance.as_ref());
    set(&mut recipe.sampler, args.sampler.as_ref());
    set(&mut recipe.dtype, args.dtype.as_ref());
    for control in &args.controls {
        let same =
            |own: &ControlUse| (&own.name, &own.subject) == (&control.name, &control.subject);
        recipe.controls.retain(|own| !same(own));
        recipe.controls.push(control.clone());
    }
    for adapter in &args.adapters {
        let adapter = located(adapter)?;
        recipe.adapters.retain(|own| own.name != adapter.name);
        recipe.adapters.push(adapter);
    }
    let prompts = args.picture_prompts.iter().map(located_prompt);
    let prompts = prompts.collect::<Result<Vec<_>, Failure>>()?;
    let is_same = |own: &PicturePromptUse| prompts.iter().any(|new| new.name == own.name);
    recipe.picture_prompts.retain(|own| !is_same(own));
    recipe.picture_prompts.extend(prompts);
    for embedding in &args.embeddings {
        recipe.embeddings.retain(|own| own.name != embedding.name);
        recipe.embeddings.push(embedding.clone());
    }
    if !args.controlnets.is_empty() {
        let located = args.controlnets.iter().map(located_controlnet);
        recipe.controlnets = located.collect::<Result<_, _>>()?;
    }
    if let Some((width, height)) = args.size {
        (recipe.width_px, recipe.height_px) = (width, height);
    }
    args.text.change(&mut recipe)?;
    args.schedule.change(&mut recipe);
    args.highres.change(&mut recipe)?;
    args.edit.change(&mut recipe)?;
    Ok(recipe)
}

/// `adapter` under the name of its file, with the place where it was found.
fn located(adapter: &AdapterUse) -> Result<AdapterUse, Failure> {
    let path = assets::adapters().find(adapter)?;
    let path = std::path::absolute(&path).unwrap_or(path);
    let stem = path.file_stem().unwrap_or_default();
    Ok(AdapterUse {
        name: stem.to_string_lossy().into_owned(),
        path: Some(path.to_string_lossy().into_owned()),
        ..adapter.clone()
    })
}

/// `own` under the name of its file, with the place where it was found.
fn located_prompt(own: &PicturePromptUse) -> Result<PicturePromptUse, Failure> {
    let path = assets::adapters().picture_prompts().find(own)?;
    let path = std::path::absolute(&path).unwrap_or(path);
    let is_path = Path::new(&own.name).exists();
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    Ok(PicturePromptUse {
        name: if is_path {
            stem.into_owned()
        } else {
            own.name.clone()
        },
        path: Some(path.to_string_lossy().into_owned()),
        ..own.clone()
    })
}

/// `used` under the name of its file or folder, with the place where it was found.
fn located_controlnet(used: &ControlNetUse) -> Result<ControlNetUse, Failure> {
    let path = assets::controlnets().find(used)?;
    let path = std::path::absolute(&path).unwrap_or(path);
    Ok(ControlNetUse {
        name: FoundControlNet::name_of(&path),
        path: Some(path.to_string_lossy().into_owned()),
        ..used.clone()
    })
}

/// Each recipe `count` times, with seeds that count up.
fn repeated(recipes: Vec<Recipe>, count: u32) -> Vec<Recipe> {
    recipes
        .into_iter()
        .flat_map(|recipe| {
            (0..count).map(move |i| Recipe {
                seed: recipe.seed.wrapping_add(u64::from(i)),
                ..recipe.clone()
            })
        })
        .collect()
}
