//! `vernier info`: what is this folder or file?

use std::path::Path;

use vernier_engine::EngineError;
use vernier_engine::checkpoint::{Checkpoint, ControlNetFile};
use vernier_engine::controls::tensor_kind::TensorKind;
use vernier_engine::picture::{self, ForeignRecipe};
use vernier_engine::picture_prompts::PicturePromptLibrary;
use vernier_engine::recipe::{self, PictureRef, Preprocessor, Recipe};
use vernier_engine::render::Defaults;
use vernier_engine::weights::pickle::PickleValue;
use vernier_engine::weights::{TensorFile, TensorHeader};

use super::cli::InfoArgs;
use super::project;
use super::say;
use crate::failure::Failure;

/// Tensors, and plain values, of a weights file that are named one by one.
const SHOWN: usize = 20;

/// Characters of such a line.
const LONGEST_LINE: usize = 240;

/// Tells on stdout what the path is.
pub(super) fn run(args: &InfoArgs) -> Result<(), Failure> {
    let path = &args.path;
    let about = std::fs::metadata(path).map_err(|e| EngineError::io(path, e))?;
    if about.is_dir() {
        let is_network = path.join("config.json").is_file();
        if is_network && let Ok(net) = ControlNetFile::open(path) {
            return controlnet(&net);
        }
        if !path.join("model_index.json").is_file()
            && let Some(line) = PicturePromptLibrary::describe(path)?
        {
            say(&line);
            return Ok(());
        }
        return model(path);
    }
    let ending = path
        .extension()
        .map(|e| e.to_string_lossy().to_lowercase())
        .unwrap_or_default();
    match ending.as_str() {
        "png" => png(path),
        "vernier" => project::show(path, false),
        "safetensors" | "pt" | "pth" | "ckpt" | "bin" => weights(path),
        "json" => {
            for recipe in recipe::read(path)? {
                say(&describe(&recipe));
            }
            Ok(())
        }
        _ => Err(Failure::Usage(format!(
            "{}: is neither a model folder nor a .vernier, .json, .png, .safetensors or .pt file",
            path.display()
        ))),
    }
}

fn model(path: &Path) -> Result<(), Failure> {
    let checkpoint = Checkpoint::open(path)?;
    say(checkpoint.describe()?.to_string().trim_end());
    say(&format!("hash            {}", checkpoint.hash()?));
    let defaults = Defaults::of(path)?;
    say(&format!(
        "by default      {}x{}, {} steps, guidance {}, sampler {}",
        defaults.width_px,
        defaults.height_px,
        defaults.steps,
        defaults.guidance_scale,
        defaults
            .sampler()
            .unwrap_or_else(|_| "to be chosen".to_owned())
    ));
    Ok(())
}

fn controlnet(net: &ControlNetFile) -> Result<(), Failure> {
    say(&net.in_a_line());
    say(&format!("hash            {}", net.hash()?));
    Ok(())
}

fn png(path: &Path) -> Result<(), Failure> {
    let notes = picture::read_notes(path)?;
    say(&format!(
        "PNG, {}x{} pixels",
        notes.width_px, notes.height_px
    ));
    if notes.recipe_json.is_some() {
        say(&describe(&picture::read_recipe(path)?));
    } else if let Some(foreign) = notes.foreign() {
        match foreign {
            ForeignRecipe::Parameters(parameters) => {
                say("made by another program; it says:");
                say(&parameters.to_text());
            }
            ForeignRecipe::Graph(graph) => say(&format!(
                "made by ComfyUI with a graph of {} nodes",
                graph.node_count()
            )),
        }
        say("vernier render --recipe takes over what it can");
    } else {
        say("carries no recipe");
    }
    Ok(())
}

fn weights(path: &Path) -> Result<(), Failure> {
    let file = TensorFile::open(path)?;
    let headers = file.headers();
    let values: i64 = headers.iter().map(TensorHeader::numel).sum();
    let format = match &file {
        TensorFile::Safetensors(_) => "safetensors",
        TensorFile::Pickle(_) => "PyTorch",
    };
    say(&format!(
        "{format} file, {} with {:.2} M values",
        counted(headers.len(), "tensor"),
        values as f64 / 1e6
    ));
    let kind = TensorKind::of(&file)?;
    if let Ok(net) = ControlNetFile::open(path) {
        controlnet(&net)?;
    } else if kind == Some(TensorKind::Checkpoint) {
        model(path)?;
    } else if let Some(kind) = kind {
        say(&kind.to_string());
    } else if let Some(line) = PicturePromptLibrary::describe(path)? {
        say(&line);
    }
    if matches!(file, TensorFile::Pickle(_)) {
        say(&format!(
            "vernier convert {} TO.safetensors makes a file of it that cannot run code and opens \
             at once",
            path.display()
        ));
    }
    match &file {
        TensorFile::Safetensors(file) => {
            // Whole files, which the description above has read.
            let shown = |key: &&String| *key != "vernier.files";
            for (key, value) in file.metadata().iter().filter(|(key, _)| shown(key)) {
                say(&format!("{key}: {value}"));
            }
        }
        TensorFile::Pickle(file) => {
            let mut leaves = file.root().leaves();
            leaves.retain(|(_, value)| !matches!(value, PickleValue::Tensor(_)));
            list(&leaves, "value", |(name, value)| format!("{name}: {value}"));
        }
    }
    list(&headers, "tensor", |header| {
        format!("{} {:?} {}", header.name, header.shape, header.dtype)
    });
    Ok(())
}

/// The first items, a line each, and how many more there are.
fn list<T>(items: &[T], what: &str, line: impl Fn(&T) -> String) {
    for item in items.iter().take(SHOWN) {
        // What stands in the file cannot steer the terminal or fill it.
        let line = line(item);
        let printable = line.chars().filter(|c| !c.is_control());
        say(&printable.take(LONGEST_LINE).collect::<String>());
    }
    if let Some(more) = items.len().checked_sub(SHOWN + 1) {
        say(&format!("and {} more", counted(more + 1, what)));
    }
}

fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

fn named(picture: &PictureRef) -> &str {
    let short = picture.hash.get(..10).unwrap_or("a picture without a name");
    picture.path.as_deref().unwrap_or(short)
}

fn describe(recipe: &Recipe) -> String {
    let model = &recipe.model;
    let place = model.path.as_ref().map(|path| format!(" in {path}"));
    let hash = (!model.hash.is_empty()).then(|| format!(", hash {}", model.hash));
    let mut lines = vec![
        format!("recipe of version {}", recipe.version),
        format!(
            "model: {}{}{}",
            model.name,
            place.unwrap_or_default(),
            hash.unwrap_or_default()
        ),
        format!("prompt: {}", recipe.prompt),
    ];
    if !recipe.negative_prompt.is_empty() {
        lines.push(format!("negative prompt: {}", recipe.negative_prompt));
    }
    lines.push(format!(
        "seed {}, {}x{}, {} steps, guidance {}, sampler {}, dtype {}",
        recipe.seed,
        recipe.width_px,
        recipe.height_px,
        recipe.steps,
        recipe.guidance_scale,
        recipe.sampler,
        recipe.dtype
    ));
    if let Some(highres) = &recipe.highres {
        let (width, height) = recipe.picture_size_px();
        let network = highres.upscaler.as_ref().map(|own| own.name.as_str());
        lines.push(format!(
            "then {width}x{height} by {}, strength {}",
            network.unwrap_or("interpolation"),
            highres.strength
        ));
    }
    if let Some(source) = &recipe.source {
        let mask = source.mask.as_ref().map_or_else(String::new, |mask| {
            let side = if mask.inverted { "outside" } else { "inside" };
            format!(", {side} the mask {}", named(&mask.picture))
        });
        let from = named(&source.picture);
        lines.push(format!(
            "starts from: {from}, strength {}{mask}",
            source.strength
        ));
    }
    for own in &recipe.picture_prompts {
        lines.push(format!("picture prompt: {own}"));
    }
    for used in &recipe.controlnets {
        lines.push(format!(
            "ControlNet {} follows {} ({}), weight {}, from {} to {} of the steps",
            used.name,
            named(&used.picture),
            match used.preprocessor {
                Preprocessor::None => "a map already".to_owned(),
                preprocessor => format!("by {preprocessor}"),
            },
            used.weight,
            used.start,
            used.end
        ));
    }
    for region in &recipe.regions {
        let mask = named(&region.mask.picture);
        lines.push(format!("region: {} (where {mask} is white)", region.prompt));
    }
    if !recipe.unknown.is_empty() {
        let names: Vec<&str> = recipe.unknown.keys().map(String::as_str).collect();
        lines.push(format!("fields of a newer program: {}", names.join(", ")));
    }
    lines.join("\n")
}
