//! Where the files lie that come with the program.

use std::path::{Path, PathBuf};

use vernier_engine::adapters::AdapterLibrary;
use vernier_engine::checkpoint::{ControlNetLibrary, FoundModel, MeterOptions, ModelLibrary};
use vernier_engine::controls::ControlLibrary;
use vernier_engine::device::DeviceRequest;
use vernier_engine::picture::PictureShelf;
use vernier_engine::picture_prompts::PicturePromptLibrary;
use vernier_engine::places::{FolderList, Places, places_in};
use vernier_engine::prompt::Wildcards;
use vernier_engine::recipe::ModelRef;
use vernier_engine::service::RenderOptions;
use vernier_engine::upscale::UpscalerLibrary;
use vernier_engine::user_folders;

use crate::failure::Failure;

/// Folder of the embedded model, under the assets folder.
const MODEL: &str = "miniature";
/// Folders of the artist's own files, in the user's data folder.
pub(crate) mod own {
    /// Models.
    pub(crate) const MODELS: &str = "models";
    /// LoRAs and their relatives.
    pub(crate) const ADAPTERS: &str = "adapters";
    /// Textual-inversion embeddings.
    pub(crate) const EMBEDDINGS: &str = "embeddings";
    /// Networks that enlarge pictures.
    pub(crate) const UPSCALERS: &str = "upscalers";
    /// ControlNets.
    pub(crate) const CONTROLNETS: &str = "controlnets";
    /// IP-Adapters.
    pub(crate) const PICTURE_PROMPTS: &str = "picture-prompts";
    /// The image towers that they see through.
    pub(crate) const IMAGE_ENCODERS: &str = "image-encoders";
}
/// Folder of the controls, under the assets folder.
const CONTROLS: &str = "controls";

/// The assets folder: `VERNIER_ASSETS`, else beside the executable, else in the source checkout.
fn folder() -> PathBuf {
    if let Some(folder) = std::env::var_os("VERNIER_ASSETS").filter(|folder| !folder.is_empty()) {
        return folder.into();
    }
    let beside = std::env::current_exe()
        .ok()
        .and_then(|exe| Some(exe.parent()?.join("assets")))
        .filter(|folder| folder.is_dir());
    beside.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../assets"))
}

/// The embedded model's folder, whether it is there or not.
pub(crate) fn embedded_model() -> PathBuf {
    folder().join(MODEL)
}

/// Fails with a sentence where the embedded model is not there.
pub(crate) fn require_embedded_model() -> Result<PathBuf, Failure> {
    let model = embedded_model();
    if model.is_dir() {
        return Ok(model);
    }
    Err(Failure::Failed(format!(
        "{}: the embedded model is not there; set VERNIER_ASSETS to the folder that holds \
         \"{MODEL}\", or name a model with --model",
        model.display()
    )))
}

/// Controls: the artist's own first, then those that come with the program, then those that came
/// in projects.
pub(crate) fn controls() -> ControlLibrary {
    let own = user_controls().into_iter().chain([folder().join(CONTROLS)]);
    ControlLibrary::new(own.chain(project_controls()).collect())
}

/// Controls that are kept inside projects: all but those that every machine has.
pub(crate) fn own_controls() -> ControlLibrary {
    let own = user_controls().into_iter().chain(project_controls());
    ControlLibrary::new(own.collect())
}

/// The folder of controls that came in projects; they can be had from there again.
pub(crate) fn project_controls() -> Option<PathBuf> {
    Some(user_folders::cache()?.join("project-controls"))
}

/// The folder `name` of the artist's own files: one of [`own`].
pub(crate) fn own_folder(name: &str) -> Option<PathBuf> {
    Some(user_folders::data()?.join(name))
}

/// The same for people to read.
pub(crate) fn own_folder_in_words(name: &str) -> String {
    own_folder(name).map_or_else(
        || format!("{name} in the user's data folder"),
        |folder| folder.display().to_string(),
    )
}

/// The folder of the artist's own controls, in the user's data folder.
pub(crate) fn user_controls() -> Option<PathBuf> {
    own_folder(CONTROLS)
}

/// Adapters, embeddings and picture prompts of other programs: the artist's own, then those that
/// came in projects.
pub(crate) fn adapters() -> AdapterLibrary {
    let places = listed_places();
    let adapters = places.iter().flat_map(|place| place.adapters.clone());
    let embeddings = places.iter().flat_map(|place| place.embeddings.clone());
    let prompts = places.iter().flat_map(|p| p.picture_prompts.clone());
    let prompts = own_folder(own::PICTURE_PROMPTS).into_iter().chain(prompts);
    // One that lies among the LoRAs is found, too.
    let prompts = prompts
        .chain(own_folder(own::ADAPTERS))
        .chain(adapters.clone());
    let encoders = places.iter().flat_map(|p| p.image_encoders.clone());
    let prompts = PicturePromptLibrary::new(
        prompts.collect(),
        own_folder(own::IMAGE_ENCODERS)
            .into_iter()
            .chain(encoders)
            .collect(),
        project_adapters().into_iter().collect(),
    );
    AdapterLibrary::new(
        own_folder(own::ADAPTERS)
            .into_iter()
            .chain(adapters)
            .collect(),
        own_folder(own::EMBEDDINGS)
            .into_iter()
            .chain(embeddings)
            .collect(),
        project_adapters().into_iter().collect(),
    )
    .with_picture_prompts(prompts)
}

/// Networks that enlarge pictures: the artist's own, in the user's data folder, then those in
/// folders of other programs.
pub(crate) fn upscalers() -> UpscalerLibrary {
    let own = own_folder(own::UPSCALERS);
    let places = listed_places().into_iter();
    let others = places.flat_map(|place| place.upscalers);
    UpscalerLibrary::new(own.into_iter().chain(others).collect())
}

/// ControlNets: the artist's own, in the user's data folder, then those in folders of other
/// programs. None comes with the program.
pub(crate) fn controlnets() -> ControlNetLibrary {
    let own = own_folder(own::CONTROLNETS);
    let places = listed_places().into_iter();
    let others = places.flat_map(|place| place.controlnets);
    ControlNetLibrary::new(own.into_iter().chain(others).collect())
}

/// Folders of models: the artist's own, then those that were added.
pub(crate) fn model_folders() -> Vec<PathBuf> {
    let places = listed_places().into_iter();
    let others = places.flat_map(|place| place.models);
    user_models().into_iter().chain(others).collect()
}

/// The model that the command line means, and where it lies: by path or name, else the embedded
/// one.
pub(crate) fn chosen_model(model: Option<&Path>) -> Result<(ModelRef, PathBuf), Failure> {
    match model.map(model_at) {
        Some(path) => Ok((ModelRef::at(&path), path)),
        None => Ok((ModelRef::embedded(), require_embedded_model()?)),
    }
}

/// `model` where it is a folder or file, else the model of that name in the folders of models.
pub(crate) fn model_at(model: &Path) -> PathBuf {
    let wanted = model.to_string_lossy().to_lowercase();
    let is_name = !model.exists() && model.parent().is_none_or(|p| p.as_os_str().is_empty());
    let named = |found: &FoundModel| {
        let stem = found.path.file_stem().unwrap_or_default();
        let stem = stem.to_string_lossy().to_lowercase();
        found.model.name.to_lowercase() == wanted || (found.path.is_file() && stem == wanted)
    };
    let found = is_name.then(|| {
        ModelLibrary::new(model_folders())
            .list()
            .into_iter()
            .find(named)
    });
    found
        .flatten()
        .map_or_else(|| model.to_owned(), |found| found.path)
}

/// What lies where in the folders that the artist has added.
fn listed_places() -> Vec<Places> {
    FolderList::usual().map_or_else(Vec::new, |list| places_of(&list))
}

/// What lies where in the folders of `list`. One that cannot be read is told, and is none.
pub(crate) fn places_of(list: &FolderList) -> Vec<Places> {
    let folders = list.folders().unwrap_or_else(|error| {
        log::warn!("{error}");
        Vec::new()
    });
    folders.iter().map(|folder| places_in(folder)).collect()
}

/// The folder of adapters and embeddings that came in projects; they can be had from there again.
pub(crate) fn project_adapters() -> Option<PathBuf> {
    Some(user_folders::cache()?.join("project-adapters"))
}

/// The folder of the artist's own models, in the user's data folder.
pub(crate) fn user_models() -> Option<PathBuf> {
    own_folder(own::MODELS)
}

/// The folder of projects that the artist has given no place, in the user's data folder.
pub(crate) fn unsaved_projects() -> Option<PathBuf> {
    Some(user_folders::data()?.join("unsaved"))
}

/// The folder of the window's trainings, each with a work folder of its control's name, in the
/// user's data folder: what they have learnt is not to be made again in a moment.
pub(crate) fn trainings() -> Option<PathBuf> {
    Some(user_folders::data()?.join("training"))
}

/// The recipes that the program renders when it is not told anything.
pub(crate) fn sample_recipes() -> PathBuf {
    folder().join("samples.json")
}

/// Files that prompts choose lines from: those in `folder`, then the artist's own.
pub(crate) fn wildcards(folder: Option<&Path>) -> Wildcards {
    let own = user_folders::data().map(|data| data.join("wildcards"));
    let named = folder.map(Path::to_owned);
    Wildcards::new(named.into_iter().chain(own).collect())
}

/// What every job of this program has in common: the embedded model, the controls at hand, no
/// previews.
pub(crate) fn render_options(device: DeviceRequest) -> RenderOptions {
    RenderOptions {
        device,
        embedded_model: embedded_model(),
        controls: controls(),
        adapters: adapters(),
        upscalers: upscalers(),
        controlnets: controlnets(),
        meter: MeterOptions::default(),
        coarse_first: false,
        want_latents: false,
        preview_every: None,
        pictures: PictureShelf::default(),
        wildcards: wildcards(None),
    }
}
