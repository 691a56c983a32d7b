//! A whole model in one file, with the names of the original code (CompVis and Stability).
//!
//! Such a file has neither configurations nor a tokenizer: they follow from the shapes of its
//! tensors and from its family, unless this program wrote the file and put them into its header.

mod family;
mod other_configs;
mod prediction;
mod stored;
mod tables;
mod text;
mod tokenizer;
mod unet_config;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use tch::{Device, Kind};

use self::prediction::Prediction;
use self::stored::Stored;
use crate::models::unet::UNetConfig;
use crate::models::vae::VaeConfig;
use crate::weights::{ParamStore, RenamedFile, TensorFile, TensorView};
use crate::{EngineError, Result};

use self::family::Family;
pub(super) use self::family::{CLIP_1, CLIP_XL, OPEN_CLIP_2, OPEN_CLIP_XL, UNET, VAE};
pub(super) use self::tables::{unet_table, vae_table};
pub(super) use self::text::{TextPart, clip_table, open_clip_table};
pub(super) use self::tokenizer::{CLIP_PAD, OPEN_CLIP_PAD, beside as tokenizer_beside};

/// Key in a safetensors header under which this program puts the small files of the folder that a
/// file was made from: a JSON object of texts, by their places in the folder.
pub(super) const FOLDER_FILES: &str = "vernier.files";

/// Where a model folder has its scheduler's configuration.
const SCHEDULER: &str = "scheduler/scheduler_config.json";

/// Names outside of all components that nothing depends on: noise schedules, averaged copies,
/// markers that are read elsewhere.
const IGNORED: [&str; 18] = [
    "alphas_cumprod",
    "betas",
    "cond_stage_model.logit_scale",
    "cond_stage_model.text_projection",
    "conditioner.embedders.0.logit_scale",
    "conditioner.embedders.1.logit_scale",
    "denoiser.",
    "edm_",
    "global_step",
    "log_one_minus_",
    "logvar",
    "lvlb_weights",
    "model_ema.",
    "posterior_",
    "scale_factor",
    "sqrt_",
    "v_pred",
    "ztsnr",
];

/// A whole model in one file.
#[derive(Debug)]
pub struct SingleFile {
    path: PathBuf,
    stored: Stored,
    family: Family,
    prediction: Prediction,
    /// By their places in a model folder, such as `unet/config.json`.
    configs: BTreeMap<String, Map<String, Value>>,
    texts: Vec<TextPart>,
}

impl SingleFile {
    /// Opens `path`, a safetensors file or one of `torch.save`, and finds out what it holds; no
    /// tensor is read.
    ///
    /// # Errors
    /// The file is damaged, or holds no model of Stable Diffusion 1.x, 2.x or XL base.
    pub fn open(path: &Path) -> Result<Self> {
        let stored = Stored::open(path)?;
        let family = Family::of(&stored, path)?;
        let texts = TextPart::all(&stored, family);
        let inputs = stored.columns(&format!("{UNET}input_blocks.0.0.weight"));
        let inpainting = inputs == Some(9);
        let files = folder_files(&stored);
        let scheduler = files
            .get(SCHEDULER)
            .and_then(|text| serde_json::from_str(text).ok());
        let prediction = Prediction::of(&stored, family, inpainting, scheduler.as_ref(), path);
        let image_px = match family {
            Family::Sd2 if prediction.name == "v_prediction" => 768,
            Family::Sd1 | Family::Sd2 => 512,
            Family::SdXl => 1024,
        };
        let mut configs = BTreeMap::new();
        let mut add = |name: &str, config| configs.insert(name.to_owned(), config);
        add("model_index.json", other_configs::index(family, inpainting));
        let scheduler = other_configs::scheduler_config(family, &prediction);
        add(SCHEDULER, scheduler);
        let vae = other_configs::vae_config(&stored, family, image_px);
        let cells = stored.count(&format!("{VAE}encoder.down.")).clamp(1, 16) - 1;
        add("vae/config.json", vae);
        let unet = unet_config::unet_config(&stored, family, image_px >> cells);
        let bad = |problem| EngineError::bad_file(path, problem);
        add("unet/config.json", unet.map_err(bad)?);
        for part in &texts {
            let config = other_configs::text_config(&stored, part);
            add(&format!("{}/config.json", part.component), config);
        }
        for (name, text) in files {
            if let (Some(own), Ok(config)) = (configs.get_mut(&name), serde_json::from_str(&text)) {
                *own = config;
            }
        }
        Ok(Self {
            path: path.to_owned(),
            stored,
            family,
            prediction,
            configs,
            texts,
        })
    }

    /// Whether `path` is worth listing among models: a file of tensors by its ending, with the names
    /// of a whole model in it, or one that cannot be read, so that somebody hears of it.
    pub fn may_be(path: &Path) -> bool {
        let ending = path.extension().map(|e| e.to_string_lossy().to_lowercase());
        matches!(ending.as_deref(), Some("safetensors" | "ckpt"))
            && Stored::open(path).map_or(true, |stored| {
                stored.has(&format!("{UNET}input_blocks.0.0.weight"))
            })
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The pipeline's class in Python diffusers.
    pub fn class_name(&self) -> &str {
        let index = self.configs.get("model_index.json");
        let class = index.and_then(|index| index.get("_class_name")?.as_str());
        class.unwrap_or_default()
    }

    /// Its configurations by their places in a model folder, such as `unet/config.json`.
    pub(super) fn configs(&self) -> &BTreeMap<String, Map<String, Value>> {
        &self.configs
    }

    /// The texts of the small files of the folder that it was made from, where this program made
    /// it.
    pub(super) fn folder_files(&self) -> BTreeMap<String, String> {
        folder_files(&self.stored)
    }

    /// Its text encoders.
    pub(super) fn texts(&self) -> &[TextPart] {
        &self.texts
    }

    /// The file itself.
    pub(super) fn file(&self) -> &Rc<TensorFile> {
        &self.stored.file
    }

    /// The names of the components with weights.
    pub(super) fn networks(&self) -> Vec<&'static str> {
        let texts = self.texts.iter().map(|part| part.component);
        texts.chain(["unet", "vae"]).collect()
    }

    /// A configuration, in the shape that its reader asks for.
    ///
    /// # Errors
    /// The file's shapes or header mean one that cannot be used.
    pub(super) fn config<T: DeserializeOwned>(&self, name: &str) -> Result<T> {
        let Some(config) = self.configs.get(name) else {
            let problem = format!("has no {name}; take a file of the whole model");
            return Err(EngineError::bad_file(&self.path, problem));
        };
        T::deserialize(Value::Object(config.clone())).map_err(|e| {
            let problem = format!("means a {name} that cannot be used: {e}");
            EngineError::bad_file(&self.path, problem)
        })
    }

    /// The component's tensors by our names.
    ///
    /// # Errors
    /// There is no such component, or its configuration is not supported.
    pub(super) fn renamed(&self, component: &str) -> Result<RenamedFile> {
        let text = self.texts.iter().find(|part| part.component == component);
        let (prefix, table) = match (component, text) {
            ("unet", _) => {
                let config: UNetConfig = self.config("unet/config.json")?;
                (UNET, unet_table(&config, &self.path)?)
            }
            ("vae", _) => {
                let config: VaeConfig = self.config("vae/config.json")?;
                (VAE, vae_table(&config))
            }
            (_, Some(part)) => (part.prefix, part.table.clone()),
            (_, None) => {
                let problem =
                    format!("has no component {component}; take a file of the whole model");
                return Err(EngineError::bad_file(&self.path, problem));
            }
        };
        let ignored = |name: &str| match text {
            Some(part) => part.ignores(name),
            None => name.starts_with("first_stage_model.loss."),
        };
        let mut views = BTreeMap::new();
        let mut strangers = Vec::new();
        for name in self.stored.under(prefix).filter(|name| !ignored(name)) {
            let ours = table.ours(name);
            if ours.is_empty() {
                strangers.push(name.to_owned());
            }
            let stored = self.stored.full_name(name);
            views.extend(ours.into_iter().map(|(ours, take)| {
                let stored = stored.clone();
                (ours, TensorView { stored, take })
            }));
        }
        Ok(RenamedFile {
            file: Rc::clone(&self.stored.file),
            views,
            table,
            strangers,
        })
    }

    /// Opens the weights of a component.
    ///
    /// # Errors
    /// See [`Self::renamed`].
    pub(super) fn params(&self, component: &str, kind: Kind, device: Device) -> Result<ParamStore> {
        Ok(ParamStore::renamed(self.renamed(component)?, kind, device))
    }

    /// Names that belong to no component and are not known to be without meaning.
    pub(super) fn unused(&self) -> Vec<&str> {
        let texts = self.texts.iter().map(|part| part.prefix);
        let prefixes: Vec<&str> = texts.chain([UNET, VAE]).chain(IGNORED).collect();
        let known = |name: &&str| prefixes.iter().any(|prefix| name.starts_with(prefix));
        self.stored.names().filter(|name| !known(name)).collect()
    }

    /// Its family, for people.
    pub(super) fn family(&self) -> String {
        let inputs: Option<i64> = self
            .configs
            .get("unet/config.json")
            .and_then(|config| config.get("in_channels")?.as_i64());
        let inpainting = if inputs == Some(9) { " inpainting" } else { "" };
        format!("{}{inpainting}", self.family.name())
    }

    /// Its prediction type, where more than a guess says what it is.
    pub(super) fn sure_prediction(&self) -> Option<&'static str> {
        let prediction = &self.prediction;
        prediction.is_sure.then_some(prediction.name)
    }

    /// Why its prediction type is thought to be what it is.
    pub(super) fn why_prediction(&self) -> &'static str {
        self.prediction.why
    }
}

fn folder_files(stored: &Stored) -> BTreeMap<String, String> {
    let text = stored.metadata(FOLDER_FILES);
    let files = text.and_then(|text| serde_json::from_str(text).ok());
    files.unwrap_or_default()
}
