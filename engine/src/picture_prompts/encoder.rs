//! Image towers: where they lie, which one an adapter needs, and what they see.

use std::fmt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use tch::{Device, Kind, Tensor};

use super::file::as_stored;
use super::preprocess::clip_pixels;
use crate::checkpoint::network_config;
use crate::layers::Activation;
use crate::measure::ClipPreprocessing;
use crate::models::clip::{ClipVisionConfig, ClipVisionModel, is_stored_buffer};
use crate::picture::Picture;
use crate::weights::{ParamStore, TensorFile};
use crate::{EngineError, Result};

/// The files that a tower's folder may hold, the first that is there counts.
const FILES: [&str; 4] = [
    "model.safetensors",
    "model.fp16.safetensors",
    "pytorch_model.bin",
    "pytorch_model.fp16.bin",
];

/// More layers than any tower has.
const MOST_LAYERS: usize = 1024;

/// What an adapter reads of a picture, and so which image tower it needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EncoderNeed {
    /// The embedding in the space shared with text, of this width.
    Projected(i64),
    /// The patches before the last layer, of this width.
    Hidden(i64),
}

impl fmt::Display for EncoderNeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Projected(1024) | Self::Hidden(1280) => f.write_str("ViT-H/14"),
            Self::Projected(1280) | Self::Hidden(1664) => f.write_str("ViT-bigG/14"),
            Self::Projected(768) | Self::Hidden(1024) => f.write_str("ViT-L/14"),
            Self::Projected(width) => write!(f, "an image encoder that projects to {width}"),
            Self::Hidden(width) => write!(f, "an image encoder of width {width}"),
        }
    }
}

/// An image tower on disk.
#[derive(Debug, Clone, PartialEq)]
pub struct VisionEncoder {
    /// Its folder or file.
    pub path: PathBuf,
    /// The file of its weights.
    weights: PathBuf,
    /// Its geometry.
    pub config: ClipVisionConfig,
    /// Whether it has a projection.
    projects: bool,
}

/// In one line: `image encoder ViT-H/14, 32 layers of width 1280, projects to 1024`.
impl fmt::Display for VisionEncoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let config = &self.config;
        let name = EncoderNeed::Hidden(config.hidden_size).to_string();
        f.write_str("image encoder")?;
        if name.starts_with("ViT") {
            write!(f, " {name}")?;
        }
        write!(
            f,
            ", {} layers of width {}",
            config.num_hidden_layers, config.hidden_size
        )?;
        if self.projects {
            write!(f, ", projects to {}", config.projection_dim)?;
        }
        Ok(())
    }
}

impl VisionEncoder {
    /// Looks at `path`: a folder of Python transformers, or a file with its names. `None` where it
    /// is no image tower.
    ///
    /// # Errors
    /// It is one, but its configuration or header cannot be read.
    pub fn look(path: &Path) -> Result<Option<Self>> {
        let weights = if path.is_dir() {
            let mut files = FILES.iter().map(|name| path.join(name));
            match files.find(|file| file.is_file()) {
                Some(file) => file,
                None => return Ok(None),
            }
        } else {
            path.to_owned()
        };
        let file = TensorFile::open(&weights)?;
        let Some(mut config) = geometry(&file) else {
            return Ok(None);
        };
        let projects = file.shape("visual_projection.weight").is_some();
        if path.join("config.json").is_file() {
            let told: ClipVisionConfig = network_config(path)?;
            // What the weights show is so; heads, activation and epsilon they do not show.
            config.num_attention_heads = told.num_attention_heads;
            config.hidden_act = told.hidden_act;
            config.layer_norm_eps = told.layer_norm_eps;
        }
        Ok(Some(Self {
            path: path.to_owned(),
            weights,
            config,
            projects,
        }))
    }

    /// Whether it gives what `need` says.
    pub fn gives(&self, need: EncoderNeed) -> bool {
        match need {
            EncoderNeed::Projected(width) => self.projects && self.config.projection_dim == width,
            EncoderNeed::Hidden(width) => self.config.hidden_size == width,
        }
    }

    /// Reads its weights in `kind` onto `device`.
    ///
    /// # Errors
    /// A tensor is missing, damaged or not finite, or memory runs out.
    pub fn load(&self, kind: Kind, device: Device) -> Result<VisionTower> {
        let _guard = tch::no_grad_guard();
        let file = Rc::new(TensorFile::open(&self.weights)?);
        let stored = as_stored(&file, is_of_tower);
        let store = ParamStore::renamed(stored, kind, device).ignoring(is_stored_buffer);
        let model = ClipVisionModel::new(&store.root(), &self.config)?;
        store.finish()?;
        store.check_finite()?;
        Ok(VisionTower { model, device })
    }
}

/// An image tower at work.
#[derive(Debug)]
pub struct VisionTower {
    model: ClipVisionModel,
    device: Device,
}

impl VisionTower {
    /// What `need` reads of `picture`, or of a grey picture where there is none, `[1, width]` or
    /// `[1, patches, width]`.
    ///
    /// # Errors
    /// It has no projection and one is needed, the picture has no pixels, or memory runs out.
    pub fn see(&self, picture: Option<&Picture>, need: EncoderNeed) -> Result<Tensor> {
        let _guard = tch::no_grad_guard();
        let side = self.model.config().image_size;
        let pixels = match picture {
            Some(picture) => clip_pixels(picture, side as u32, &ClipPreprocessing::default())?,
            // Zeros behind the shift of the levels, as Python diffusers gives them.
            None => Tensor::f_zeros([1, 3, side, side], (Kind::Float, Device::Cpu))?,
        };
        let pixels = pixels.f_to_device(self.device)?;
        let mut seen = self.model.forward(&pixels.f_to_kind(self.model.kind())?)?;
        match need {
            EncoderNeed::Projected(_) => seen
                .projected
                .ok_or_else(|| EngineError::request("image encoder", "has no visual_projection")),
            EncoderNeed::Hidden(_) => {
                let last_but_one = seen.hidden_states.len() - 2;
                Ok(seen.hidden_states.swap_remove(last_but_one))
            }
        }
    }
}

/// Whether a file's tensor `name` belongs to the image tower; a file of both towers has others.
fn is_of_tower(name: &str) -> bool {
    name.starts_with("vision_model.") || name == "visual_projection.weight"
}

/// The tower's geometry as its tensors show it; `None` where there is no tower.
fn geometry(file: &TensorFile) -> Option<ClipVisionConfig> {
    let shape = |name: &str| file.shape(&format!("vision_model.{name}"));
    let &[hidden_size] = shape("embeddings.class_embedding")? else {
        return None;
    };
    let &[_, num_channels, patch_size, _] = shape("embeddings.patch_embedding.weight")? else {
        return None;
    };
    let &[positions, _] = shape("embeddings.position_embedding.weight")? else {
        return None;
    };
    let &[intermediate_size, _] = shape("encoder.layers.0.mlp.fc1.weight")? else {
        return None;
    };
    let layer = |i: &usize| shape(&format!("encoder.layers.{i}.layer_norm1.weight")).is_some();
    let projected = file.shape("visual_projection.weight");
    let projection_dim = projected.and_then(|s| s.first().copied());
    // The root of a small whole number is exact.
    let side = ((positions - 1).max(0) as f64).sqrt().round() as i64;
    Some(ClipVisionConfig {
        hidden_size,
        intermediate_size,
        projection_dim: projection_dim.unwrap_or(hidden_size),
        num_hidden_layers: (0..MOST_LAYERS).take_while(layer).count() as i64,
        num_attention_heads: match hidden_size {
            // ViT-L, ViT-H and ViT-bigG.
            1024 | 1280 | 1664 => 16,
            width => (width / 64).max(1),
        },
        num_channels,
        image_size: side * patch_size,
        patch_size,
        // OpenCLIP's towers have the exact function, OpenAI's the quick one.
        hidden_act: match hidden_size {
            1280 | 1664 => Activation::Gelu,
            _ => Activation::QuickGelu,
        },
        layer_norm_eps: 1e-5,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::weights::save;

    #[test]
    fn a_single_file_shows_its_geometry() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("CLIP-ViT-H-14.safetensors");
        let tensor = |name: &str, shape: &[i64]| {
            let zeros = Tensor::zeros(shape, (Kind::Half, Device::Cpu));
            (name.to_owned(), zeros)
        };
        let inner = |name: &str, shape: &[i64]| tensor(&format!("vision_model.{name}"), shape);
        let mut all = vec![
            inner("embeddings.class_embedding", &[1280]),
            inner("embeddings.patch_embedding.weight", &[1280, 3, 14, 14]),
            inner("embeddings.position_embedding.weight", &[257, 1280]),
            inner("encoder.layers.0.mlp.fc1.weight", &[5120, 1280]),
            inner("encoder.layers.0.layer_norm1.weight", &[1280]),
            inner("encoder.layers.1.layer_norm1.weight", &[1280]),
            tensor("visual_projection.weight", &[1024, 1280]),
            tensor("text_model.final_layer_norm.weight", &[1024]),
        ];
        save(&path, &all, &[]).unwrap();
        let found = VisionEncoder::look(&path).unwrap().unwrap();
        let line = "image encoder ViT-H/14, 2 layers of width 1280, projects to 1024";
        assert_eq!(found.to_string(), line);
        let config = &found.config;
        assert_eq!((config.image_size, config.patch_size), (224, 14));
        assert_eq!(
            (config.num_attention_heads, config.intermediate_size),
            (16, 5120)
        );
        assert_eq!(config.hidden_act, Activation::Gelu);
        for (need, gives) in [
            (EncoderNeed::Projected(1024), true),
            (EncoderNeed::Hidden(1280), true),
            (EncoderNeed::Projected(1280), false),
            (EncoderNeed::Hidden(1664), false),
        ] {
            assert_eq!(found.gives(need), gives, "{need}");
        }
        // Most of it is missing, which is told by name.
        let lacks = found
            .load(Kind::Float, Device::Cpu)
            .unwrap_err()
            .to_string();
        assert!(lacks.contains("vision_model.encoder.layers.0"), "{lacks}");
        all.retain(|(name, _)| name.starts_with("text_model."));
        save(&path, &all, &[]).unwrap();
        assert!(VisionEncoder::look(&path).unwrap().is_none());
    }
}
