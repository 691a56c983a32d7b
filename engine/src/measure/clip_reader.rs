//! Pictures and texts through both of CLIP's towers.

use std::path::Path;

use serde::{Deserialize, Serialize};
use tch::Tensor;

use crate::models::clip::ClipModel;
use crate::prompt::Tokenizer;
use crate::{EngineError, Result};

/// What `preprocessor_config.json` says about the levels of a picture.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ClipPreprocessing {
    /// Mean of each channel, of levels in 0..1.
    pub image_mean: Vec<f64>,
    /// Standard deviation of each channel.
    pub image_std: Vec<f64>,
}

/// CLIP's own, with which nearly all published towers were trained.
impl Default for ClipPreprocessing {
    fn default() -> Self {
        Self {
            image_mean: vec![0.481_454_66, 0.457_827_5, 0.408_210_73],
            image_std: vec![0.268_629_54, 0.261_302_58, 0.275_777_11],
        }
    }
}

impl ClipPreprocessing {
    /// Fails where these numbers, which stand in `path`, cannot be used.
    ///
    /// # Errors
    /// There are not three of each, or a deviation is not above 0.
    pub fn check(&self, path: &Path) -> Result<()> {
        for (field, numbers) in [
            ("image_mean", &self.image_mean),
            ("image_std", &self.image_std),
        ] {
            if numbers.len() != 3 || numbers.iter().any(|n| !n.is_finite()) {
                let problem = "must hold three numbers, one for each colour";
                return Err(EngineError::bad_config(path, field, problem));
            }
        }
        if self.image_std.iter().any(|s| *s <= 0.0) {
            return Err(EngineError::bad_config(
                path,
                "image_std",
                "must be above 0",
            ));
        }
        Ok(())
    }
}

/// Both towers of CLIP with their tokenizer.
#[derive(Debug)]
pub struct ClipReader {
    model: ClipModel,
    tokenizer: Tokenizer,
    /// `[1, 3, 1, 1]`, for levels in 0..1.
    mean: Tensor,
    std: Tensor,
}

impl ClipReader {
    /// Joins towers, tokenizer and preprocessing.
    ///
    /// # Errors
    /// The tokenizer gives ids that the text tower has no embedding for, or memory runs out.
    pub fn new(
        model: ClipModel,
        tokenizer: Tokenizer,
        preprocessing: &ClipPreprocessing,
    ) -> Result<Self> {
        let (has, knows) = (tokenizer.vocab_size(), model.text.config().vocab_size);
        if has as i64 > knows {
            return Err(EngineError::request(
                "clip",
                format!(
                    "its tokenizer has {has} tokens, but its text tower only {knows}; one of the \
                     two belongs to another model"
                ),
            ));
        }
        let (kind, device) = (model.text.kind(), model.text.device());
        let channels = |numbers: &[f64]| -> Result<Tensor> {
            let numbers = Tensor::f_from_slice(numbers)?.f_view([1, 3, 1, 1])?;
            Ok(numbers.f_to_kind(kind)?.f_to_device(device)?)
        };
        Ok(Self {
            mean: channels(&preprocessing.image_mean)?,
            std: channels(&preprocessing.image_std)?,
            model,
            tokenizer,
        })
    }

    /// The towers.
    pub fn model(&self) -> &ClipModel {
        &self.model
    }

    /// Pictures `[batch, 3, height, width]` in -1..1 as the image tower takes them. They are
    /// resized to its square whole, by antialiased bicubic filtering, for a cut would lose
    /// subjects that stand at the edge.
    ///
    /// # Errors
    /// Memory runs out.
    pub fn prepare(&self, pictures: &Tensor) -> Result<Tensor> {
        let side = self.model.vision.config().image_size;
        let (_, _, height, width) = pictures.size4()?;
        let resized = if (height, width) == (side, side) {
            pictures.shallow_clone()
        } else {
            pictures.f_internal_upsample_bicubic2d_aa([side, side], false, None, None)?
        };
        let levels = resized.f_mul_scalar(0.5)?.f_add_scalar(0.5)?;
        let levels = levels
            .f_to_kind(self.mean.kind())?
            .f_to_device(self.mean.device())?;
        Ok(levels.f_sub(&self.mean)?.f_div(&self.std)?)
    }

    /// Pictures `[batch, 3, height, width]` in -1..1 as unit vectors `[batch, projection_dim]`.
    ///
    /// # Errors
    /// Memory runs out.
    pub fn picture_features(&self, pictures: &Tensor) -> Result<Tensor> {
        self.model.image_features(&self.prepare(pictures)?)
    }

    /// Texts as unit vectors `[texts, projection_dim]`; what does not fit the text tower is cut
    /// off, as in every CLIP.
    ///
    /// # Errors
    /// The vocabulary has no token for a part of a text, or memory runs out.
    pub fn text_features(&self, texts: &[&str]) -> Result<Tensor> {
        let mut layout = self.tokenizer.layout();
        let most = self.model.text.config().max_position_embeddings as usize;
        layout.length = layout.length.min(most);
        let mut ids = Vec::with_capacity(texts.len() * layout.length);
        for text in texts {
            let encoding = self.tokenizer.encode(text)?;
            let first = layout.rows(&encoding.ids).into_iter().next();
            ids.extend(first.unwrap_or_default());
        }
        let ids = Tensor::f_from_slice(&ids)?
            .f_view([texts.len() as i64, layout.length as i64])?
            .f_to_device(self.model.text.device())?;
        self.model.text_features(&ids)
    }

    /// Cosines `[pictures, texts]` of picture features `[pictures, projection_dim]` and texts.
    ///
    /// # Errors
    /// See [`ClipReader::text_features`].
    pub fn cosines(&self, pictures: &Tensor, texts: &[&str]) -> Result<Tensor> {
        let texts = self.text_features(texts)?;
        Ok(pictures.f_matmul(&texts.f_transpose(0, 1)?)?)
    }
}
