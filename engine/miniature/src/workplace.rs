//! Where everything lies, and which stage makes it.

use std::path::{Path, PathBuf};

use vernier_engine::{EngineError, Result, user_folders};

/// The folder of training states and the folder of the model.
#[derive(Debug, Clone)]
pub struct Workplace {
    work: PathBuf,
    out: PathBuf,
}

impl Workplace {
    /// Training states in `work`, made where it is not there; the model in `out`.
    ///
    /// # Errors
    /// `work` cannot be made.
    pub fn open(work: PathBuf, out: PathBuf) -> Result<Self> {
        std::fs::create_dir_all(&work).map_err(|e| EngineError::io(&work, e))?;
        Ok(Self { work, out })
    }

    /// `vernier/training` in the user's cache.
    ///
    /// # Errors
    /// The environment names neither a cache nor a home.
    pub fn default_work() -> Result<PathBuf> {
        match user_folders::cache() {
            Some(cache) => Ok(cache.join("training")),
            None => Err(EngineError::request(
                "--work",
                "the environment names no home folder for training states; name a folder",
            )),
        }
    }

    /// The folder of training states.
    pub fn work(&self) -> &Path {
        &self.work
    }

    /// The folder of the model.
    pub fn out(&self) -> &Path {
        &self.out
    }

    /// The training state of the stage `name`.
    pub fn state(&self, name: &str) -> PathBuf {
        self.work.join(format!("{name}.safetensors"))
    }

    /// The pictures of the pool.
    pub fn pool(&self) -> PathBuf {
        self.work.join("pool.rgb")
    }

    /// The pool as latents.
    pub fn latents(&self) -> PathBuf {
        self.work.join("latents.safetensors")
    }

    /// The tokenizer's folder.
    pub fn tokenizer(&self) -> PathBuf {
        self.out.join("tokenizer")
    }

    /// Weights of both CLIP towers.
    pub fn clip(&self) -> PathBuf {
        self.out.join("clip").join("model.safetensors")
    }

    /// Weights of the autoencoder.
    pub fn vae(&self) -> PathBuf {
        self.out
            .join("vae")
            .join("diffusion_pytorch_model.safetensors")
    }

    /// The index that makes the folder a model, written with the U-Net.
    pub fn model_index(&self) -> PathBuf {
        self.out.join("model_index.json")
    }

    /// The meter's folder.
    pub fn meter(&self) -> PathBuf {
        self.out.join("meter")
    }
}

/// Gives `path` back where it is there.
///
/// # Errors
/// It is missing; the sentence names the `stage` that makes it.
pub fn made_by(stage: &str, path: PathBuf) -> Result<PathBuf> {
    if path.exists() {
        Ok(path)
    } else {
        let problem = format!("is missing; run the stage \"{stage}\" first");
        Err(EngineError::bad_file(path, problem))
    }
}
