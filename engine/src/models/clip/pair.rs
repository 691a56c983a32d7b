//! Both towers and the scale between them.

use tch::{Kind, Tensor};

use super::config::ClipConfig;
use super::{ClipTextConfig, ClipTextModel, ClipVisionConfig, ClipVisionModel};
use crate::weights::{Init, Params};
use crate::{EngineError, Result};

/// A text tower and an image tower with one shared space (`CLIPModel`).
#[derive(Debug)]
pub struct ClipModel {
    /// The text tower, with its projection.
    pub text: ClipTextModel,
    /// The image tower, with its projection.
    pub vision: ClipVisionModel,
    /// Natural logarithm of the contrastive scale, a scalar.
    pub logit_scale: Tensor,
}

impl ClipModel {
    /// Takes `text_model.*`, `vision_model.*`, `text_projection.weight`,
    /// `visual_projection.weight` and `logit_scale` from `params`.
    ///
    /// # Errors
    /// A field of `config` cannot be used; see [`Params::get`] for the rest.
    pub fn new(params: &Params, config: &ClipConfig) -> Result<Self> {
        let text = ClipTextConfig {
            projection_dim: config.projection_dim,
            ..config.text_config.clone()
        };
        let vision = ClipVisionConfig {
            projection_dim: config.projection_dim,
            ..config.vision_config.clone()
        };
        Ok(Self {
            text: ClipTextModel::with_projection(params, &text)?,
            vision: ClipVisionModel::with_projection(params, &vision)?,
            logit_scale: params.get(
                "logit_scale",
                &[],
                Init::Constant(config.logit_scale_init_value),
            )?,
        })
    }

    /// Texts `[batch, tokens]` (token ids) as unit vectors `[batch, projection_dim]`.
    ///
    /// # Errors
    /// See [`ClipTextModel::forward`].
    pub fn text_features(&self, ids: &Tensor) -> Result<Tensor> {
        unit(self.text.forward(ids)?.projected, "text_projection.weight")
    }

    /// Pictures `[batch, channels, side, side]` as unit vectors `[batch, projection_dim]`.
    ///
    /// # Errors
    /// See [`ClipVisionModel::forward`].
    pub fn image_features(&self, pixels: &Tensor) -> Result<Tensor> {
        let output = self.vision.forward(pixels)?;
        unit(output.projected, "visual_projection.weight")
    }

    /// Scaled cosines `[texts, pictures]` of unit vectors `[texts, d]` and `[pictures, d]`
    /// (`logits_per_text`; its transpose is `logits_per_image`).
    ///
    /// # Errors
    /// Shapes disagree or memory runs out.
    pub fn logits_per_text(&self, texts: &Tensor, pictures: &Tensor) -> Result<Tensor> {
        let cosines = texts.f_matmul(&pictures.f_transpose(0, 1)?)?;
        Ok(cosines.f_mul(&self.logit_scale.f_exp()?)?)
    }
}

/// Rows at length 1.
fn unit(projected: Option<Tensor>, name: &str) -> Result<Tensor> {
    let Some(features) = projected else {
        return Err(EngineError::request(name, "is not part of this model"));
    };
    let length = features
        .f_square()?
        .f_sum_dim_intlist([-1_i64].as_slice(), true, None::<Kind>)?
        .f_sqrt()?;
    Ok(features.f_div(&length)?)
}
