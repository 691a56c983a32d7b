//! The image tower.

use tch::{Kind, Tensor};

use super::config::ClipVisionConfig;
use super::encoder::{Encoder, EncoderShape, projection};
use crate::layers::{Conv2d, ConvShape, LayerNorm, Linear};
use crate::weights::{Init, Params};
use crate::{EngineError, Result};

/// Everything that one pass through the image tower gives.
#[derive(Debug)]
pub struct ClipVisionOutput {
    /// `[batch, 1 + patches, dim]` of the embeddings and of every layer; the class token first,
    /// then the patches row by row.
    pub hidden_states: Vec<Tensor>,
    /// `[batch, dim]`: the class token after the last norm.
    pub pooled: Tensor,
    /// `[batch, projection_dim]`: `pooled` in the space shared with text.
    pub projected: Option<Tensor>,
}

/// An image tower (`CLIPVisionModel`, with the projection of `CLIPVisionModelWithProjection` where
/// the weights have one).
#[derive(Debug)]
pub struct ClipVisionModel {
    class_embedding: Tensor,
    patch_embedding: Conv2d,
    position_embedding: Tensor,
    pre_layernorm: LayerNorm,
    encoder: Encoder,
    post_layernorm: LayerNorm,
    visual_projection: Option<Linear>,
    config: ClipVisionConfig,
}

impl ClipVisionModel {
    /// Builds the tower from `params`, whose names may or may not begin with `vision_model.`
    /// (fresh ones do), and its projection where the file has `visual_projection.weight`.
    ///
    /// # Errors
    /// A field of `config` cannot be used; see [`Params::get`] for the rest.
    pub fn new(params: &Params, config: &ClipVisionConfig) -> Result<Self> {
        Self::build(params, config, params.has("visual_projection.weight"))
    }

    /// Like [`ClipVisionModel::new`], with `visual_projection.weight`
    /// `[projection_dim, hidden_size]` whether or not the file has it.
    ///
    /// # Errors
    /// See [`ClipVisionModel::new`].
    pub fn with_projection(params: &Params, config: &ClipVisionConfig) -> Result<Self> {
        Self::build(params, config, true)
    }

    fn build(params: &Params, config: &ClipVisionConfig, project: bool) -> Result<Self> {
        config.check(params)?;
        let tower = if params.has("embeddings.class_embedding") {
            params.clone()
        } else {
            params.at("vision_model")
        };
        let dim = config.hidden_size;
        let eps = config.layer_norm_eps;
        let embeddings = tower.at("embeddings");
        let side = config.image_size / config.patch_size;
        Ok(Self {
            class_embedding: embeddings.get(
                "class_embedding",
                &[dim],
                Init::Normal((dim as f64).powf(-0.5)),
            )?,
            patch_embedding: Conv2d::without_bias(
                &embeddings.at("patch_embedding"),
                config.num_channels,
                dim,
                ConvShape {
                    kernel: config.patch_size,
                    stride: config.patch_size,
                    padding: 0,
                },
            )?,
            position_embedding: embeddings.at("position_embedding").get(
                "weight",
                &[side * side + 1, dim],
                Init::Normal(0.02),
            )?,
            // The missing "e" is in the published weights.
            pre_layernorm: LayerNorm::new(&tower.at("pre_layrnorm"), dim, eps)?,
            encoder: Encoder::new(
                &tower.at("encoder"),
                EncoderShape {
                    hidden_size: dim,
                    intermediate_size: config.intermediate_size,
                    layers: config.num_hidden_layers,
                    heads: config.num_attention_heads,
                    activation: config.hidden_act,
                    eps,
                    causal: false,
                },
            )?,
            post_layernorm: LayerNorm::new(&tower.at("post_layernorm"), dim, eps)?,
            visual_projection: if project {
                let params = params.at("visual_projection");
                Some(projection(&params, dim, config.projection_dim)?)
            } else {
                None
            },
            config: config.clone(),
        })
    }

    /// The configuration that the tower was built from.
    pub fn config(&self) -> &ClipVisionConfig {
        &self.config
    }

    /// dtype of the weights, and so of the states.
    pub fn kind(&self) -> Kind {
        self.class_embedding.kind()
    }

    /// Looks at pictures `[batch, channels, image_size, image_size]`, already scaled and shifted
    /// as the folder's preprocessor_config.json says, in the weights' dtype and on their device.
    ///
    /// # Errors
    /// The pictures have another size or memory runs out.
    pub fn forward(&self, pixels: &Tensor) -> Result<ClipVisionOutput> {
        let (batch, _, height, width) = pixels.size4()?;
        let side = self.config.image_size;
        if (height, width) != (side, side) {
            return Err(EngineError::request(
                "picture",
                format!(
                    "is {width}×{height}, where the image encoder reads {side}×{side}; resize it"
                ),
            ));
        }
        let patches = self
            .patch_embedding
            .forward(pixels)?
            .f_flatten(2, 3)?
            .f_transpose(1, 2)?;
        let class = self
            .class_embedding
            .f_expand([batch, 1, self.config.hidden_size], false)?;
        let embeddings = Tensor::f_cat(&[class, patches], 1)?.f_add(&self.position_embedding)?;
        let hidden_states = self
            .encoder
            .forward(self.pre_layernorm.forward(&embeddings)?)?;
        let last = &hidden_states[hidden_states.len() - 1];
        let pooled = self.post_layernorm.forward(&last.f_select(1, 0)?)?;
        let projected = match &self.visual_projection {
            Some(projection) => Some(projection.forward(&pooled)?),
            None => None,
        };
        Ok(ClipVisionOutput {
            hidden_states,
            pooled,
            projected,
        })
    }
}
