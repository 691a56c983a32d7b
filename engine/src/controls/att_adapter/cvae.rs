//! From attribute values to what the picture's features would be: a conditional variational
//! autoencoder with a learned prior, and the plain network that the paper compares it with.

use tch::{Kind, Tensor};

use super::AdapterShape;
use crate::Result;
use crate::controls::DiagonalGaussian;
use crate::layers::{Activation, Linear};
use crate::weights::Params;

/// Added to the variance where features are normalised.
const NORM_EPS: f64 = 1e-5;

/// Three linear layers with SiLU between them.
#[derive(Debug)]
pub(super) struct Perceptron {
    layers: [Linear; 3],
}

impl Perceptron {
    /// Takes `0`, `1` and `2` from `params`: `input` to `hidden` to `hidden` to `output`.
    pub(super) fn new(params: &Params, input: i64, hidden: i64, output: i64) -> Result<Self> {
        let layer = |at: usize, from, to| Linear::new(&params.at(at), from, to, true);
        Ok(Self {
            layers: [
                layer(0, input, hidden)?,
                layer(1, hidden, hidden)?,
                layer(2, hidden, output)?,
            ],
        })
    }

    /// `[batch, input]` to `[batch, output]`.
    pub(super) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let [first, second, third] = &self.layers;
        let x = Activation::Silu.apply(first.forward(x)?)?;
        let x = Activation::Silu.apply(second.forward(&x)?)?;
        third.forward(&x)
    }
}

/// The prior p(Z|C) and the decoder p(V'|Z): all that a render needs.
#[derive(Debug)]
pub(super) struct Generator {
    prior: Perceptron,
    decoder: Perceptron,
}

impl Generator {
    pub(super) fn new(params: &Params, shape: &AdapterShape, attributes: i64) -> Result<Self> {
        let (z, hidden) = (shape.latent_dim, shape.hidden_dim);
        Ok(Self {
            prior: Perceptron::new(&params.at("prior"), 2 * attributes, hidden, 2 * z)?,
            decoder: Perceptron::new(&params.at("decoder"), z, hidden, shape.flat())?,
        })
    }

    pub(super) fn prior(&self, condition: &Tensor) -> Result<DiagonalGaussian> {
        DiagonalGaussian::from_outputs(&self.prior.forward(condition)?)
    }

    /// V' `[batch, tokens · dim]` of Z `[batch, latent_dim]`.
    pub(super) fn decode(&self, z: &Tensor) -> Result<Tensor> {
        self.decoder.forward(z)
    }

    /// V' of the prior's mean.
    pub(super) fn at_mean(&self, condition: &Tensor) -> Result<Tensor> {
        self.decode(&self.prior(condition)?.mean)
    }
}

/// The projection f and the posterior q(Z|V,C), which only training needs.
#[derive(Debug)]
pub struct Recogniser {
    projection: Linear,
    posterior: Perceptron,
    shape: AdapterShape,
}

/// The two terms of the CVAE's loss, scalars with a graph.
#[derive(Debug)]
pub struct CvaeLoss {
    /// KL(q(Z|V,C) ‖ p(Z|C)), mean over the batch, in nats.
    pub kl: Tensor,
    /// Mean square error of V' against V, whose elements have unit variance.
    pub reconstruction: Tensor,
}

impl Recogniser {
    /// Takes `projection` and `posterior` from `params`; pictures have features of
    /// `feature_dim`.
    ///
    /// # Errors
    /// See [`Params::get`].
    pub fn new(
        params: &Params,
        shape: &AdapterShape,
        attributes: i64,
        feature_dim: i64,
    ) -> Result<Self> {
        let flat = shape.flat();
        Ok(Self {
            projection: Linear::new(&params.at("projection"), feature_dim, flat, true)?,
            posterior: Perceptron::new(
                &params.at("posterior"),
                flat + 2 * attributes,
                shape.hidden_dim,
                2 * shape.latent_dim,
            )?,
            shape: *shape,
        })
    }

    /// V `[batch, tokens · dim]` of image features `[batch, feature_dim]`, every token with mean 0
    /// and variance 1: a projection that could shrink would make its own reconstruction easy.
    pub(super) fn features(&self, image: &Tensor) -> Result<Tensor> {
        let AdapterShape { tokens, dim, .. } = self.shape;
        let v = self
            .projection
            .forward(image)?
            .f_view([-1, tokens, dim])?
            .f_layer_norm([dim], None::<&Tensor>, None::<&Tensor>, NORM_EPS, true)?;
        Ok(v.f_flatten(1, 2)?)
    }

    pub(super) fn posterior(&self, v: &Tensor, condition: &Tensor) -> Result<DiagonalGaussian> {
        let both = Tensor::f_cat(&[v, condition], 1)?;
        DiagonalGaussian::from_outputs(&self.posterior.forward(&both)?)
    }
}

/// V', and the loss: `α·KL − E[log p(V'|Z)]` in its two parts.
///
/// The first half of the rows takes samples of the posterior. The others take the prior's, as a
/// render will, so that decoder and attention learn to work without a picture too: the hybrid
/// objective of Sohn, Lee and Yan (NeurIPS 2015), which they found to close the gap between
/// training and use.
///
/// V is what V' must match and not the other way round, so no gradient goes into it from there:
/// the easiest features to reconstruct say nothing.
pub(super) fn infer(
    generator: &Generator,
    recogniser: &Recogniser,
    condition: &Tensor,
    image: &Tensor,
    noise: &Tensor,
) -> Result<(Tensor, CvaeLoss)> {
    let v = recogniser.features(image)?;
    let posterior = recogniser.posterior(&v, condition)?;
    let prior = generator.prior(condition)?;
    let rows = noise.size2()?.0;
    let inferred = rows - rows / 2;
    let z = Tensor::f_cat(
        &[
            posterior.sample(noise)?.f_narrow(0, 0, inferred)?,
            prior
                .sample(noise)?
                .f_narrow(0, inferred, rows - inferred)?,
        ],
        0,
    )?;
    let decoded = generator.decode(&z)?;
    let kl = posterior.kl(&prior)?;
    let error = decoded.f_sub(&v.f_detach()?)?.f_square()?;
    let loss = CvaeLoss {
        kl: kl.f_mean(Kind::Float)?,
        reconstruction: error.f_mean(Kind::Float)?,
    };
    Ok((decoded, loss))
}
