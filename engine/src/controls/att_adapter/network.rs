//! Attribute values to keys and values of a second cross-attention.

use serde::{Deserialize, Serialize};
use tch::Tensor;

use super::cvae::{CvaeLoss, Generator, Perceptron, Recogniser, infer};
use crate::layers::{DecoupledBranch, LayerNorm, Linear};
use crate::models::unet::UNet;
use crate::weights::Params;
use crate::{EngineError, Result};

/// Epsilon of the norm before the projections.
const NORM_EPS: f64 = 1e-5;

/// Sizes of an adapter's network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdapterShape {
    /// Tokens of the second cross-attention.
    pub tokens: i64,
    /// Their width.
    pub dim: i64,
    /// Width of Z.
    pub latent_dim: i64,
    /// Width inside the perceptrons.
    pub hidden_dim: i64,
}

impl AdapterShape {
    /// `tokens · dim`.
    pub fn flat(&self) -> i64 {
        self.tokens * self.dim
    }

    fn is_sound(&self) -> bool {
        let sizes = [self.tokens, self.dim, self.latent_dim, self.hidden_dim];
        // Far above what anybody trains, far below what overflows.
        sizes.iter().all(|size| (1..=1 << 16).contains(size))
    }
}

/// How values become V'.
#[derive(Debug)]
enum Body {
    /// The conditional variational autoencoder.
    Cvae(Box<Generator>),
    /// g(C), straight.
    Mlp(Box<Perceptron>),
}

/// New key and value projections of one cross-attention layer.
#[derive(Debug)]
struct Site {
    path: String,
    channels: i64,
    to_k: Linear,
    to_v: Linear,
}

/// The network of an adapter with a second cross-attention.
#[derive(Debug)]
pub struct AdapterNetwork {
    body: Body,
    norm: LayerNorm,
    sites: Vec<Site>,
    shape: AdapterShape,
}

/// Path and channels of a cross-attention layer.
pub type SiteShape = (String, i64);

/// Paths and channels of the layers of `unet` that read text.
pub fn site_shapes(unet: &UNet) -> Vec<SiteShape> {
    let all = unet.cross_attentions().into_iter();
    all.map(|c| (c.site.name, c.channels)).collect()
}

impl AdapterNetwork {
    /// Takes the perceptrons, `norm` and, for each of `sites`, `sites.PATH.to_k` and `to_v` from
    /// `params`.
    ///
    /// # Errors
    /// A size is out of range; see [`Params::get`] for the rest.
    pub fn new(
        params: &Params,
        is_cvae: bool,
        shape: AdapterShape,
        attributes: i64,
        sites: &[SiteShape],
    ) -> Result<Self> {
        if !shape.is_sound() {
            return Err(EngineError::request("shape", "its sizes cannot be used"));
        }
        let body = if is_cvae {
            Body::Cvae(Box::new(Generator::new(params, &shape, attributes)?))
        } else {
            let at = params.at("mlp");
            let hidden = shape.hidden_dim;
            Body::Mlp(Box::new(Perceptron::new(
                &at,
                2 * attributes,
                hidden,
                shape.flat(),
            )?))
        };
        let sites = sites
            .iter()
            .map(|(path, channels)| {
                let at = params.at("sites").at(path);
                let linear = |name: &str| Linear::new(&at.at(name), shape.dim, *channels, false);
                Ok(Site {
                    path: path.clone(),
                    channels: *channels,
                    to_k: linear("to_k")?,
                    to_v: linear("to_v")?,
                })
            })
            .collect::<Result<_>>()?;
        Ok(Self {
            body,
            norm: LayerNorm::new(&params.at("norm"), shape.dim, NORM_EPS)?,
            sites,
            shape,
        })
    }

    /// Its sizes.
    pub fn shape(&self) -> &AdapterShape {
        &self.shape
    }

    /// Tokens `[batch, tokens, dim]` of conditions `[batch, 2 · attributes]`, at the mean of the
    /// prior: the same values give the same tokens.
    ///
    /// # Errors
    /// Shapes disagree or memory runs out.
    pub fn tokens(&self, condition: &Tensor) -> Result<Tensor> {
        let flat = match &self.body {
            Body::Cvae(generator) => generator.at_mean(condition)?,
            Body::Mlp(mlp) => mlp.forward(condition)?,
        };
        self.to_tokens(&flat)
    }

    /// Tokens `[batch, tokens, dim]` to train with, the first half of the rows from samples of the
    /// posterior over the pictures' features `[batch, feature_dim]` and the others from the
    /// prior's, and the CVAE's loss; `noise` is standard normal, `[batch, latent_dim]`.
    ///
    /// # Errors
    /// This is no CVAE, shapes disagree, or memory runs out.
    pub fn infer(
        &self,
        recogniser: &Recogniser,
        condition: &Tensor,
        image: &Tensor,
        noise: &Tensor,
    ) -> Result<(Tensor, CvaeLoss)> {
        let Body::Cvae(generator) = &self.body else {
            let problem = "only the CVAE has a posterior";
            return Err(EngineError::request("architecture", problem));
        };
        let (flat, loss) = infer(generator, recogniser, condition, image, noise)?;
        Ok((self.to_tokens(&flat)?, loss))
    }

    fn to_tokens(&self, flat: &Tensor) -> Result<Tensor> {
        let AdapterShape { tokens, dim, .. } = self.shape;
        self.norm.forward(&flat.f_view([-1, tokens, dim])?)
    }

    /// Keys and values of `tokens` `[batch, tokens, dim]` for the layers of `unet`, as a branch of
    /// strength `weight`, in the U-Net's dtype and on its device.
    ///
    /// # Errors
    /// The U-Net lacks a layer that the adapter was made for, or has it in another width.
    pub fn branch(&self, tokens: &Tensor, unet: &UNet, weight: f64) -> Result<DecoupledBranch> {
        let layers = unet.cross_attentions();
        let options = unet.options();
        let count = layers.iter().map(|l| l.site.index + 1).max().unwrap_or(0);
        let mut keys_values: Vec<_> = (0..count).map(|_| None).collect();
        for site in &self.sites {
            let layer = layers.iter().find(|l| l.site.name == site.path);
            let layer = layer.filter(|l| l.channels == site.channels);
            let Some(layer) = layer else {
                let problem = format!(
                    "its keys and values for {} do not fit this model; take one that was made \
                     for it",
                    site.path
                );
                return Err(EngineError::request("adapter", problem));
            };
            let heads = |linear: &Linear| layer.split_heads(&linear.forward(tokens)?, options);
            keys_values[layer.site.index] = Some((heads(&site.to_k)?, heads(&site.to_v)?));
        }
        Ok(DecoupledBranch {
            weight,
            keys_values,
            ..DecoupledBranch::default()
        })
    }
}
