//! ControlNets on disk: folders in the layout of Python diffusers, and single files in its names or
//! in those of the original code.

mod layout;
mod library;
mod shape;

use std::path::{Path, PathBuf};
use std::rc::Rc;

use tch::{Device, Kind};

pub use library::{ControlNetLibrary, FoundControlNet};

use self::layout::Layout;
use super::folder::read_config;
use super::verify::file_sha256;
use super::weights_files::weights_files;
use crate::adapters::Family;
use crate::models::controlnet::{ControlNet, ControlNetConfig};
use crate::models::unet::UNetConfig;
use crate::recipe::sha256_hex;
use crate::weights::{ParamStore, TensorFile};
use crate::{EngineError, Result};

/// Weights that Python diffusers wrote before safetensors.
const PICKLED: &str = "diffusion_pytorch_model.bin";

/// A ControlNet's file or folder, looked at but not read.
#[derive(Debug)]
pub struct ControlNetFile {
    path: PathBuf,
    files: Vec<Rc<TensorFile>>,
    layout: Layout,
    /// config.json, where there is one.
    config: Option<(PathBuf, ControlNetConfig)>,
    family: Family,
}

impl ControlNetFile {
    /// Opens the folder or file `path` and finds out what it holds; no tensor is read.
    ///
    /// # Errors
    /// It is damaged, or holds no ControlNet that can be used; the sentence says what it holds
    /// instead where that is known.
    pub fn open(path: &Path) -> Result<Self> {
        let (folder, paths) = if path.is_dir() {
            let pickled = path.join(PICKLED);
            let paths = match weights_files(path) {
                Err(_) if pickled.is_file() => vec![pickled],
                found => found?,
            };
            (Some(path), paths)
        } else {
            (path.parent(), vec![path.to_owned()])
        };
        let files = paths
            .iter()
            .map(|path| TensorFile::open(path).map(Rc::new))
            .collect::<Result<Vec<_>>>()?;
        let layout = Layout::of(&files, path)?;
        let config = folder.map(|folder| folder.join("config.json"));
        let config = config.filter(|path| path.is_file() && names_controlnet(path));
        let config = match config {
            Some(path) => {
                let config: ControlNetConfig = read_config(&path)?;
                Some((path, config))
            }
            None if path.is_dir() => {
                let problem = "has no config.json of a ControlNet; fetch it again";
                return Err(EngineError::bad_file(path, problem));
            }
            None => None,
        };
        let family = match &config {
            Some((_, config)) => Family::of_config(&config.encoder),
            None => layout.family(),
        };
        Ok(Self {
            path: path.to_owned(),
            files,
            layout,
            config,
            family,
        })
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The family of models that it is for.
    pub fn family(&self) -> &Family {
        &self.family
    }

    /// SHA-256 in hex over its weights and, where it has one, its configuration.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn hash(&self) -> Result<String> {
        let config = self.config.iter().map(|(path, _)| path.as_path());
        let files = self.files.iter().map(|file| file.path()).chain(config);
        let hashes = files.map(file_sha256).collect::<Result<Vec<_>>>()?;
        Ok(match hashes.as_slice() {
            [only] => only.clone(),
            several => sha256_hex(several.concat().as_bytes()),
        })
    }

    /// What it is in a line, such as `ControlNet for Stable Diffusion 1.x, in the original names`.
    pub fn in_a_line(&self) -> String {
        let names = match (&self.config, self.layout.is_original()) {
            (_, true) => ", in the original names",
            (None, false) => ", in the names of Python diffusers",
            (Some(_), false) => "",
        };
        format!("ControlNet for {}{names}", self.family)
    }

    /// Its configuration, for the model with the U-Net of `unet`: its own, or, where it is a file
    /// that has none, that of the copy of `unet`'s encoder that it must be.
    ///
    /// # Errors
    /// It is for models of another family, or for a U-Net of other sizes.
    pub fn config_for(&self, unet: &UNetConfig) -> Result<ControlNetConfig> {
        let wanted = Family::of_config(unet);
        let misfit = |what: String| Err(EngineError::bad_file(&self.path, what));
        // A file that reads no text does not say which text.
        let says = self.config.is_some() || self.layout.text_width().is_some();
        let fits = match (says, &self.family) {
            (false, Family::Sdxl) => unet.addition_embed_type.is_some(),
            (_, own) => *own == wanted,
        };
        if !fits {
            return misfit(format!(
                "is a ControlNet for {}, not for {wanted}; take one that was made for this model's \
                 family",
                self.family
            ));
        }
        let config = match &self.config {
            Some((_, config)) => config.clone(),
            None => shape::config_like(unet, &self.layout),
        };
        let own = &config.encoder;
        let layers = |config: &UNetConfig| -> Vec<_> {
            let blocks = 0..config.block_out_channels.len();
            blocks.map(|i| config.layers_per_block.get(i)).collect()
        };
        if own.block_out_channels != unet.block_out_channels || layers(own) != layers(unet) {
            return misfit(format!(
                "is a ControlNet for a U-Net of {:?} channels, and this model's has {:?}; take one \
                 that was made for this model",
                own.block_out_channels, unet.block_out_channels
            ));
        }
        if own.in_channels != unet.out_channels {
            return misfit(format!(
                "takes {} channels, and this model's latents have {}",
                own.in_channels, unet.out_channels
            ));
        }
        Ok(config)
    }

    /// Reads it in `kind` for the model with the U-Net of `unet`; `lay_out` may move the weights in
    /// memory. Gives it `count` times over the same weights.
    ///
    /// # Errors
    /// As [`config_for`](Self::config_for); or a tensor is missing, unknown, of another shape or
    /// not finite.
    pub fn load(
        &self,
        unet: &UNetConfig,
        (kind, device): (Kind, Device),
        count: usize,
        lay_out: impl FnOnce(&ParamStore) -> Result<()>,
    ) -> Result<Vec<ControlNet>> {
        let config = self.config_for(unet)?;
        let paths = || self.files.iter().map(|file| file.path().to_owned());
        let store = match self.files.as_slice() {
            [only] => {
                let renamed = self.layout.renamed(&config, only)?;
                ParamStore::renamed(renamed, kind, device)
            }
            _ => ParamStore::open(&paths().collect::<Vec<_>>(), kind, device)?,
        };
        let mut nets = vec![ControlNet::new(&store.root(), &config)?];
        store.finish()?;
        store.check_finite()?;
        lay_out(&store)?;
        while nets.len() < count {
            let again = ParamStore::sharing(&store);
            nets.push(ControlNet::new(&again.root(), &config)?);
        }
        Ok(nets)
    }
}

/// Whether the config.json `path` says that it is a ControlNet's, or at least no other model's.
fn names_controlnet(path: &Path) -> bool {
    let config: Result<serde_json::Value> = read_config(path);
    config.is_ok_and(|config| match config.get("_class_name") {
        Some(name) => name == "ControlNetModel",
        None => config.get("conditioning_embedding_out_channels").is_some(),
    })
}
