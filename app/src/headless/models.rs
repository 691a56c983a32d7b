//! `vernier models`: what models there are, and whether they are whole.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use vernier_engine::checkpoint::{
    Checkpoint, FoundModel, ModelDescription, ModelLibrary, check_weights, file_sha256,
};
use vernier_engine::picture_prompts::PicturePromptFile;
use vernier_engine::places::{FolderList, Places, places_in};
use vernier_engine::recipe::{ModelRef, short_hash};

use super::pull::{self, PullArgs};
use super::say;
use crate::assets;
use crate::failure::Failure;

/// What can be done with models.
#[derive(Debug, Subcommand)]
pub(super) enum ModelsCommand {
    /// List the models, ControlNets, picture prompts and image encoders in Vernier's data folder and
    /// in the folders that were added
    List,
    /// Use the models, LoRAs, embeddings, upscalers and ControlNets of a folder where they lie: of
    /// ComfyUI, A1111 and its kin, InvokeAI, or any folder of models
    Add(FolderArgs),
    /// Bring a model, a LoRA, an embedding, an upscaler, a ControlNet or an IP-Adapter from the
    /// Hugging Face Hub
    ///
    /// It goes to the Hub's cache on this machine, which Python programs share, with a link in
    /// Vernier's data folder. A download that broke off goes on where it stopped. HF_HOME,
    /// HF_TOKEN, HF_ENDPOINT and HF_HUB_OFFLINE are obeyed.
    Pull(PullArgs),
    /// Use a folder no longer; its files stay as they are
    Remove(FolderArgs),
    /// Read all weights, and tell hashes as Civitai shows them and what is not whole
    Verify(VerifyArgs),
}

#[derive(Debug, Args)]
pub(super) struct FolderArgs {
    #[arg(value_name = "FOLDER")]
    folder: PathBuf,
}

#[derive(Debug, Args)]
pub(super) struct VerifyArgs {
    /// Models by name or path [default: all]
    #[arg(value_name = "MODEL")]
    models: Vec<PathBuf>,
}

/// Does what the command line says.
pub(super) fn run(command: &ModelsCommand) -> Result<(), Failure> {
    match command {
        ModelsCommand::List => {
            list_models();
            list_picture_prompts();
            list_controlnets();
            Ok(())
        }
        ModelsCommand::Add(args) => add(&args.folder),
        ModelsCommand::Pull(args) => pull::run(args),
        ModelsCommand::Remove(args) => {
            folders()?.remove(&args.folder)?;
            Ok(())
        }
        ModelsCommand::Verify(args) => verify(args),
    }
}

/// The embedded model and all others.
fn all() -> Vec<FoundModel> {
    let embedded = FoundModel::new(ModelRef::embedded(), assets::embedded_model());
    let others = ModelLibrary::new(assets::model_folders()).list();
    std::iter::once(embedded).chain(others).collect()
}

fn folders() -> Result<FolderList, Failure> {
    FolderList::usual().ok_or_else(|| {
        let problem = "there is no place for a list of folders; set HOME or XDG_CONFIG_HOME";
        Failure::Failed(problem.to_owned())
    })
}

fn list_models() {
    let rows = all().into_iter().map(|found| {
        let about = match &found.description {
            Ok(description) => in_short(description),
            Err(error) => error.to_string(),
        };
        (found.model.name, about, found.path)
    });
    say_rows(rows.collect());
}

/// A line for each name, what it is and where it lies.
fn say_rows(rows: Vec<(String, String, PathBuf)>) {
    let width = rows.iter().map(|(name, ..)| name.chars().count()).max();
    let width = width.unwrap_or(0);
    for (name, about, path) in rows {
        say(&format!("{name:width$}  {about}  {}", path.display()));
    }
}

/// IP-Adapters and the image towers that they see through, where there are any.
fn list_picture_prompts() {
    let library = assets::adapters();
    let library = library.picture_prompts();
    let adapters = library.adapters().into_iter().map(|(name, path)| {
        let about = PicturePromptFile::look(&path).map(|file| file.kind.to_string());
        (name, about.unwrap_or_else(|error| error.to_string()), path)
    });
    let towers = library.encoders().into_iter().map(|tower| {
        let name = tower.path.file_stem().unwrap_or_default();
        let name = name.to_string_lossy().into_owned();
        (name, tower.to_string(), tower.path)
    });
    say_rows(adapters.chain(towers).collect());
}

fn list_controlnets() {
    let rows = assets::controlnets().list().into_iter().map(|found| {
        let about = found.in_a_line().to_owned();
        (found.name, about, found.path)
    });
    say_rows(rows.collect());
}

/// A model in one line: `Stable Diffusion 1.x, epsilon, 2.1 GB`.
fn in_short(description: &ModelDescription) -> String {
    let bytes: u64 = description.components.iter().map(|c| c.bytes).sum();
    let mut words = vec![description.family.clone()];
    words.extend(description.prediction_type.clone());
    words.push(size(bytes));
    words.join(", ")
}

fn size(bytes: u64) -> String {
    let megabytes = bytes as f64 / 1e6;
    if megabytes < 1000.0 {
        format!("{megabytes:.0} MB")
    } else {
        format!("{:.1} GB", megabytes / 1000.0)
    }
}

fn add(folder: &Path) -> Result<(), Failure> {
    let is_new = folders()?.add(folder)?;
    let Places {
        program,
        models,
        adapters,
        embeddings,
        upscalers,
        picture_prompts,
        image_encoders,
        controlnets,
    } = places_in(folder);
    let found = ModelLibrary::new(models).list().len();
    let what = program.map_or_else(|| "a folder of models".to_owned(), |p| format!("{p}'s"));
    let already = if is_new { "" } else { ", on the list already" };
    say(&format!("{}: {what}{already}", folder.display()));
    say(&format!("models      {found}"));
    for (name, folders) in [
        ("LoRAs", adapters),
        ("embeddings", embeddings),
        ("upscalers", upscalers),
        ("pictures", picture_prompts),
        ("encoders", image_encoders),
        ("ControlNets", controlnets),
    ] {
        for folder in folders {
            say(&format!("{name:11} {}", folder.display()));
        }
    }
    Ok(())
}

fn verify(args: &VerifyArgs) -> Result<(), Failure> {
    let models: Vec<FoundModel> = if args.models.is_empty() {
        all()
    } else {
        let named = args.models.iter().map(|model| assets::model_at(model));
        named
            .map(|path| FoundModel::new(ModelRef::at(&path), path))
            .collect()
    };
    let mut broken = 0;
    for found in &models {
        let name = &found.model.name;
        match check(found) {
            Ok(sentence) => say(&format!("{name}: {sentence}")),
            Err(error) => {
                broken += 1;
                say(&format!("{name}: {error}"));
            }
        }
    }
    match broken {
        0 => Ok(()),
        broken => Err(Failure::Failed(format!(
            "{broken} of {} models cannot be used as they are",
            models.len()
        ))),
    }
}

/// Reads everything of a model; what there is to say about it.
fn check(found: &FoundModel) -> Result<String, String> {
    found.description.as_ref().map_err(ToString::to_string)?;
    let tensors = check_weights(&found.path).map_err(|e| e.to_string())?;
    let hash = if found.path.is_file() {
        let sha256 = file_sha256(&found.path).map_err(|e| e.to_string())?;
        let short = short_hash(&sha256).to_uppercase();
        format!("SHA-256 {sha256}, AutoV2 {short}")
    } else {
        let hash = Checkpoint::open(&found.path).and_then(|model| model.hash());
        format!("hash {}", hash.map_err(|e| e.to_string())?)
    };
    Ok(format!("{tensors} tensors are whole and finite, {hash}"))
}
