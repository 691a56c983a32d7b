//! The embedding of the timestep and of what SDXL adds to it.

use tch::{Kind, Tensor};

use super::config::{Plan, UNetConfig};
use super::pass::AddedConditions;
use crate::layers::{
    Activation, LayerVisitor, TimestepEmbedding, TimestepShape, sinusoidal_embedding,
};
use crate::weights::Params;
use crate::{EngineError, Result};

/// `time_embedding` and, for SDXL, `add_embedding`.
#[derive(Debug)]
pub(super) struct Embedding {
    time: TimestepEmbedding,
    added: Option<Added>,
    sinusoids: i64,
    flip_sin_to_cos: bool,
    freq_shift: f64,
    kind: Kind,
}

#[derive(Debug)]
struct Added {
    embedding: TimestepEmbedding,
    sinusoids: i64,
}

impl Embedding {
    pub(super) fn new(params: &Params, config: &UNetConfig, plan: &Plan) -> Result<Self> {
        let sinusoids = config.block_out_channels[0];
        let time = TimestepEmbedding::new(
            &params.at("time_embedding"),
            &TimestepShape {
                in_dim: sinusoids,
                dim: plan.time_dim,
                cond_dim: config.time_cond_proj_dim,
                activation: plan.activation,
            },
        )?;
        let added = match (
            &config.addition_embed_type,
            config.addition_time_embed_dim,
            config.projection_class_embeddings_input_dim,
        ) {
            (Some(_), Some(sinusoids), Some(in_dim)) => Some(Added {
                embedding: TimestepEmbedding::new(
                    &params.at("add_embedding"),
                    &TimestepShape {
                        in_dim,
                        dim: plan.time_dim,
                        cond_dim: None,
                        activation: Activation::Silu,
                    },
                )?,
                sinusoids,
            }),
            _ => None,
        };
        Ok(Self {
            time,
            added,
            sinusoids,
            flip_sin_to_cos: config.flip_sin_to_cos,
            freq_shift: config.freq_shift,
            kind: params.kind(),
        })
    }

    /// `timesteps` `[batch]` to `[batch, time_dim]`. Sinusoids are made in fp32 and then cast, as
    /// in Python diffusers.
    pub(super) fn forward(
        &self,
        timesteps: &Tensor,
        added: Option<&AddedConditions>,
    ) -> Result<Tensor> {
        let sinusoids = |values: &Tensor, dim: i64| {
            sinusoidal_embedding(values, dim, self.flip_sin_to_cos, self.freq_shift)
        };
        let condition = added
            .and_then(|a| a.timestep_cond.as_ref())
            .map(|c| c.f_to_kind(self.kind))
            .transpose()?;
        let x = sinusoids(timesteps, self.sinusoids)?.f_to_kind(self.kind)?;
        let embedding = self.time.forward(&x, condition.as_ref())?;
        let Some(extra) = &self.added else {
            return Ok(embedding);
        };
        let (Some(pooled), Some(time_ids)) = (
            added.and_then(|a| a.pooled.as_ref()),
            added.and_then(|a| a.time_ids.as_ref()),
        ) else {
            return Err(EngineError::request(
                "added conditions",
                "lack pooled or time_ids, which this model's addition_embed_type asks for",
            ));
        };
        let sizes = sinusoids(&time_ids.f_flatten(0, -1)?, extra.sinusoids)?
            .f_reshape([pooled.size()[0], -1])?
            .f_to_kind(self.kind)?;
        let x = Tensor::f_cat(&[pooled.f_to_kind(self.kind)?, sizes], 1)?;
        Ok(embedding.f_add(&extra.embedding.forward(&x, None)?)?)
    }

    pub(super) fn visit(&self, visitor: &mut LayerVisitor<'_>) {
        self.time.visit("time_embedding", visitor);
        if let Some(added) = &self.added {
            added.embedding.visit("add_embedding", visitor);
        }
    }
}
