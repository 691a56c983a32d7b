//! The text tower.

use tch::{Device, Kind, Tensor};

use super::config::ClipTextConfig;
use super::encoder::{Encoder, EncoderShape, projection};
use crate::layers::{LayerNorm, LayerRef, LayerVisitor, Linear, NormRef, NormVisitor};
use crate::weights::{Init, Params};
use crate::{EngineError, Result};

/// Which token states condition the picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TextLayer {
    /// How many layers before the last one; "clip skip 2" of other programs is 1.
    pub before_last: usize,
    /// Whether the states pass through the final layer norm.
    pub final_norm: bool,
}

impl TextLayer {
    /// The last layer, normed: Stable Diffusion 1.x, and 2.x as its folders ship it (with the
    /// skipped last layer left out).
    pub const LAST: Self = Self {
        before_last: 0,
        final_norm: true,
    };
    /// The layer before the last, without norm: SDXL.
    pub const PENULTIMATE_RAW: Self = Self {
        before_last: 1,
        final_norm: false,
    };
}

/// Everything that one pass through the text tower gives.
#[derive(Debug)]
pub struct ClipTextOutput {
    /// `[batch, tokens, dim]` of the embeddings and of every layer, none of them normed.
    pub hidden_states: Vec<Tensor>,
    /// `[batch, tokens, dim]`: the last layer after the final norm.
    pub last_hidden_state: Tensor,
    /// `[batch, dim]`: `last_hidden_state` at the end-of-text token.
    pub pooled: Tensor,
    /// `[batch, projection_dim]`: `pooled` in the space shared with pictures.
    pub projected: Option<Tensor>,
}

/// A text tower (`CLIPTextModel`, with the projection of `CLIPTextModelWithProjection` where the
/// weights have one).
#[derive(Debug)]
pub struct ClipTextModel {
    token_embedding: Tensor,
    position_embedding: Tensor,
    encoder: Encoder,
    final_layer_norm: LayerNorm,
    text_projection: Option<Linear>,
    /// `[n, hidden_size]` of the ids behind the vocabulary's.
    added: Option<Tensor>,
    config: ClipTextConfig,
}

impl ClipTextModel {
    /// Builds the tower from `params`, whose names may or may not begin with `text_model.` (fresh
    /// ones do), and its projection where the file has `text_projection.weight`.
    ///
    /// # Errors
    /// A field of `config` cannot be used; see [`Params::get`] for the rest.
    pub fn new(params: &Params, config: &ClipTextConfig) -> Result<Self> {
        Self::build(params, config, params.has("text_projection.weight"))
    }

    /// Like [`ClipTextModel::new`], with `text_projection.weight` `[projection_dim, hidden_size]`
    /// whether or not the file has it.
    ///
    /// # Errors
    /// See [`ClipTextModel::new`].
    pub fn with_projection(params: &Params, config: &ClipTextConfig) -> Result<Self> {
        Self::build(params, config, true)
    }

    fn build(params: &Params, config: &ClipTextConfig, project: bool) -> Result<Self> {
        config.check(params)?;
        // Python transformers 5 writes the text tower alone without the prefix, older ones with.
        let bare = params.has("embeddings.token_embedding.weight");
        let tower = if bare {
            params.clone()
        } else {
            params.at("text_model")
        };
        let dim = config.hidden_size;
        let embeddings = tower.at("embeddings");
        let init = Init::Normal(0.02);
        Ok(Self {
            token_embedding: embeddings.at("token_embedding").get(
                "weight",
                &[config.vocab_size, dim],
                init,
            )?,
            position_embedding: embeddings.at("position_embedding").get(
                "weight",
                &[config.max_position_embeddings, dim],
                init,
            )?,
            encoder: Encoder::new(
                &tower.at("encoder"),
                EncoderShape {
                    hidden_size: dim,
                    intermediate_size: config.intermediate_size,
                    layers: config.num_hidden_layers,
                    heads: config.num_attention_heads,
                    activation: config.hidden_act,
                    eps: config.layer_norm_eps,
                    causal: true,
                },
            )?,
            final_layer_norm: LayerNorm::new(
                &tower.at("final_layer_norm"),
                dim,
                config.layer_norm_eps,
            )?,
            text_projection: if project {
                let params = params.at("text_projection");
                Some(projection(&params, dim, config.projection_dim)?)
            } else {
                None
            },
            added: None,
            config: config.clone(),
        })
    }

    /// The configuration that the tower was built from.
    pub fn config(&self) -> &ClipTextConfig {
        &self.config
    }

    /// dtype of the weights, and so of the states.
    pub fn kind(&self) -> Kind {
        self.token_embedding.kind()
    }

    /// Device of the weights.
    pub fn device(&self) -> Device {
        self.token_embedding.device()
    }

    /// Reads token ids `[batch, tokens]` (i64, on the weights' device); every token sees itself
    /// and those before it. `tokens` may be less than `max_position_embeddings`.
    ///
    /// # Errors
    /// There are more tokens than positions, an id is outside the vocabulary, or memory runs out.
    pub fn forward(&self, ids: &Tensor) -> Result<ClipTextOutput> {
        let (batch, tokens) = ids.size2()?;
        let most = self.config.max_position_embeddings;
        if tokens > most {
            return Err(EngineError::request(
                "prompt",
                format!("{tokens} tokens are more than the text encoder's {most}; split them"),
            ));
        }
        let words = self.words(ids)?;
        let positions = self.position_embedding.f_narrow(0, 0, tokens)?;
        let hidden_states = self.encoder.forward(words.f_add(&positions)?)?;
        let last_hidden_state = self.states(&hidden_states, TextLayer::LAST)?;
        let dim = self.config.hidden_size;
        let pooled = last_hidden_state
            .f_gather(
                1,
                &self
                    .end_positions(ids)?
                    .f_view([batch, 1, 1])?
                    .f_expand([batch, 1, dim], false)?,
                false,
            )?
            .f_squeeze_dim(1)?;
        let projected = match &self.text_projection {
            Some(projection) => Some(projection.forward(&pooled)?),
            None => None,
        };
        Ok(ClipTextOutput {
            hidden_states,
            last_hidden_state,
            pooled,
            projected,
        })
    }

    /// Sets the embeddings `[n, hidden_size]` of the ids behind the vocabulary's, in the weights'
    /// dtype and on their device (textual inversion, arXiv 2208.01618); `None` for none.
    pub fn set_added(&mut self, embeddings: Option<Tensor>) {
        self.added = embeddings;
    }

    /// Embeddings `[tokens, hidden_size]` of tokens of the vocabulary.
    ///
    /// # Errors
    /// An id is outside it.
    pub fn token_vectors(&self, ids: &[i64]) -> Result<Tensor> {
        let ids = Tensor::f_from_slice(ids)?.f_to_device(self.device())?;
        Ok(self.token_embedding.f_index_select(0, &ids)?)
    }

    /// Token embeddings `[batch, tokens, dim]` of `ids` `[batch, tokens]`.
    fn words(&self, ids: &Tensor) -> Result<Tensor> {
        let lookup =
            |table: &Tensor, ids: &Tensor| Tensor::f_embedding(table, ids, -1, false, false);
        let Some(added) = &self.added else {
            return Ok(lookup(&self.token_embedding, ids)?);
        };
        let known = self.config.vocab_size;
        let words = lookup(&self.token_embedding, &ids.f_clamp_max(known - 1)?)?;
        let added = lookup(added, &ids.f_sub_scalar(known)?.f_clamp_min(0)?)?;
        let is_added = ids.f_ge(known)?.f_unsqueeze(-1)?;
        Ok(added.f_where_self(&is_added, &words)?)
    }

    /// Shows every linear layer to `visitor` by its name in Python transformers, such as
    /// `text_model.encoder.layers.0.self_attn.q_proj`.
    pub fn for_each_layer(&self, visitor: &mut LayerVisitor<'_>) {
        self.encoder.visit("text_model.encoder", visitor);
        if let Some(projection) = &self.text_projection {
            visitor("text_projection", LayerRef::Linear(projection));
        }
    }

    /// Shows every normalisation to `visitor` by its name in Python transformers, such as
    /// `text_model.final_layer_norm`.
    pub fn for_each_norm(&self, visitor: &mut NormVisitor<'_>) {
        self.encoder.visit_norms("text_model.encoder", visitor);
        let last = NormRef::Layer(&self.final_layer_norm);
        visitor("text_model.final_layer_norm", last);
    }

    /// The states `[batch, tokens, dim]` of one layer among [`ClipTextOutput::hidden_states`].
    ///
    /// # Errors
    /// The tower has no such layer.
    pub fn states(&self, hidden_states: &[Tensor], layer: TextLayer) -> Result<Tensor> {
        let index = hidden_states.len().checked_sub(layer.before_last + 1);
        let Some(states) = index.and_then(|i| hidden_states.get(i)) else {
            return Err(EngineError::request(
                "clip_skip",
                format!(
                    "skips {} layers of a text encoder that has {}",
                    layer.before_last, self.config.num_hidden_layers
                ),
            ));
        };
        if layer.final_norm {
            self.final_layer_norm.forward(states)
        } else {
            Ok(states.shallow_clone())
        }
    }

    /// Position `[batch]` of each row's end-of-text token: the first one, since padding may repeat
    /// it; of the highest id where the configuration is from before transformers PR 24773.
    fn end_positions(&self, ids: &Tensor) -> Result<Tensor> {
        let marks = if self.config.eos_token_id == 2 {
            // The end is the highest id of the vocabulary; what was added lies behind it.
            let known = self.config.vocab_size;
            ids.f_mul(&ids.f_lt(known)?.f_to_kind(Kind::Int64)?)?
        } else {
            ids.f_eq(self.config.eos_token_id)?.f_to_kind(Kind::Int)?
        };
        Ok(marks.f_argmax(-1, false)?)
    }
}
