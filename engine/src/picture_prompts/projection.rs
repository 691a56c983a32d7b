//! What makes tokens of a picture's embedding.

use tch::Tensor;

use super::file::PicturePromptKind;
use super::resampler::Resampler;
use crate::Result;
use crate::layers::{LayerNorm, Linear};
use crate::weights::Params;

/// Epsilon of the norms, PyTorch's own.
pub(super) const NORM_EPS: f64 = 1e-5;

/// An adapter's `image_proj`.
#[derive(Debug)]
pub(super) enum Projection {
    /// One embedding to a few tokens (`ImageProjection`).
    Linear {
        proj: Linear,
        norm: LayerNorm,
        tokens: i64,
        dim: i64,
    },
    /// Every patch to a token (`IPAdapterFullImageProjection`).
    Perceptron {
        first: Linear,
        second: Linear,
        norm: LayerNorm,
    },
    /// Learnt queries look at all patches (`IPAdapterPlusImageProjection`).
    Resampler(Box<Resampler>),
}

impl Projection {
    /// Takes the parameters under `params`, the file's `image_proj`.
    pub(super) fn new(params: &Params, kind: &PicturePromptKind) -> Result<Self> {
        Ok(match *kind {
            PicturePromptKind::Base { tokens, embed, dim } => Self::Linear {
                proj: Linear::new(&params.at("proj"), embed, tokens * dim, true)?,
                norm: LayerNorm::new(&params.at("norm"), dim, NORM_EPS)?,
                tokens,
                dim,
            },
            PicturePromptKind::FullFace { embed, dim } => {
                let proj = params.at("proj");
                Self::Perceptron {
                    first: Linear::new(&proj.at(0), embed, embed, true)?,
                    second: Linear::new(&proj.at(2), embed, dim, true)?,
                    norm: LayerNorm::new(&proj.at(3), dim, NORM_EPS)?,
                }
            }
            PicturePromptKind::Plus(shape) => {
                Self::Resampler(Box::new(Resampler::new(params, &shape)?))
            }
        })
    }

    /// Tokens `[pictures, tokens, dim]` of embeddings `[pictures, embed]`, or of hidden states
    /// `[pictures, patches, embed]` where the kind reads those.
    pub(super) fn forward(&self, embeddings: &Tensor) -> Result<Tensor> {
        match self {
            Self::Linear {
                proj,
                norm,
                tokens,
                dim,
            } => norm.forward(&proj.forward(embeddings)?.f_view([-1, *tokens, *dim])?),
            Self::Perceptron {
                first,
                second,
                norm,
            } => {
                let hidden = first.forward(embeddings)?.f_gelu("none")?;
                norm.forward(&second.forward(&hidden)?)
            }
            Self::Resampler(resampler) => resampler.forward(embeddings),
        }
    }
}
