//! The pre-norm transformer that both towers share (`CLIPEncoder`).

use tch::Tensor;

use crate::Result;
use crate::layers::{
    Activation, LayerNorm, LayerRef, LayerVisitor, Linear, NormRef, NormVisitor, attend,
};
use crate::weights::{Init, Params};

/// What both towers' configurations say about their transformer.
#[derive(Debug, Clone, Copy)]
pub(super) struct EncoderShape {
    pub(super) hidden_size: i64,
    pub(super) intermediate_size: i64,
    pub(super) layers: i64,
    pub(super) heads: i64,
    pub(super) activation: Activation,
    pub(super) eps: f64,
    pub(super) causal: bool,
}

/// A stack of transformer layers.
#[derive(Debug)]
pub(super) struct Encoder {
    layers: Vec<EncoderLayer>,
}

#[derive(Debug)]
struct EncoderLayer {
    layer_norm1: LayerNorm,
    self_attn: SelfAttention,
    layer_norm2: LayerNorm,
    fc1: Linear,
    fc2: Linear,
    activation: Activation,
}

#[derive(Debug)]
struct SelfAttention {
    q_proj: Linear,
    k_proj: Linear,
    v_proj: Linear,
    out_proj: Linear,
    heads: i64,
    causal: bool,
}

impl Encoder {
    /// Takes `layers.0`, `layers.1`, … from `params`.
    pub(super) fn new(params: &Params, shape: EncoderShape) -> Result<Self> {
        let layers = (0..shape.layers)
            .map(|i| EncoderLayer::new(&params.at("layers").at(i), shape))
            .collect::<Result<Vec<_>>>()?;
        Ok(Self { layers })
    }

    /// `[batch, tokens, dim]` before the first layer and after every layer: `layers + 1` tensors.
    pub(super) fn forward(&self, embeddings: Tensor) -> Result<Vec<Tensor>> {
        let mut states = Vec::with_capacity(self.layers.len() + 1);
        let mut x = embeddings;
        for layer in &self.layers {
            let next = layer.forward(&x)?;
            states.push(x);
            x = next;
        }
        states.push(x);
        Ok(states)
    }

    /// Shows every linear layer to `visitor`, with names under `path`.
    pub(super) fn visit(&self, path: &str, visitor: &mut LayerVisitor<'_>) {
        for (i, layer) in self.layers.iter().enumerate() {
            let attn = &layer.self_attn;
            for (name, linear) in [
                ("self_attn.q_proj", &attn.q_proj),
                ("self_attn.k_proj", &attn.k_proj),
                ("self_attn.v_proj", &attn.v_proj),
                ("self_attn.out_proj", &attn.out_proj),
                ("mlp.fc1", &layer.fc1),
                ("mlp.fc2", &layer.fc2),
            ] {
                visitor(
                    &format!("{path}.layers.{i}.{name}"),
                    LayerRef::Linear(linear),
                );
            }
        }
    }

    /// Shows every normalisation to `visitor`, with names under `path`.
    pub(super) fn visit_norms(&self, path: &str, visitor: &mut NormVisitor<'_>) {
        for (i, layer) in self.layers.iter().enumerate() {
            let at = format!("{path}.layers.{i}");
            visitor(
                &format!("{at}.layer_norm1"),
                NormRef::Layer(&layer.layer_norm1),
            );
            visitor(
                &format!("{at}.layer_norm2"),
                NormRef::Layer(&layer.layer_norm2),
            );
        }
    }
}

impl EncoderLayer {
    fn new(params: &Params, shape: EncoderShape) -> Result<Self> {
        let EncoderShape {
            hidden_size: dim,
            intermediate_size,
            eps,
            ..
        } = shape;
        // Standard deviations of Python transformers' CLIP: those that write into the residual
        // stream shrink with depth.
        let width = (dim as f64).powf(-0.5);
        let deep = width * (2.0 * shape.layers as f64).powf(-0.5);
        let wide = (2.0 * dim as f64).powf(-0.5);
        let attn = params.at("self_attn");
        let mlp = params.at("mlp");
        Ok(Self {
            layer_norm1: LayerNorm::new(&params.at("layer_norm1"), dim, eps)?,
            self_attn: SelfAttention {
                q_proj: normal_linear(&attn.at("q_proj"), dim, dim, deep)?,
                k_proj: normal_linear(&attn.at("k_proj"), dim, dim, deep)?,
                v_proj: normal_linear(&attn.at("v_proj"), dim, dim, deep)?,
                out_proj: normal_linear(&attn.at("out_proj"), dim, dim, width)?,
                heads: shape.heads,
                causal: shape.causal,
            },
            layer_norm2: LayerNorm::new(&params.at("layer_norm2"), dim, eps)?,
            fc1: normal_linear(&mlp.at("fc1"), dim, intermediate_size, wide)?,
            fc2: normal_linear(&mlp.at("fc2"), intermediate_size, dim, deep)?,
            activation: shape.activation,
        })
    }

    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let x = x.f_add(&self.self_attn.forward(&self.layer_norm1.forward(x)?)?)?;
        let hidden = self.fc1.forward(&self.layer_norm2.forward(&x)?)?;
        let hidden = self.fc2.forward(&self.activation.forward(&hidden)?)?;
        Ok(x.f_add(&hidden)?)
    }
}

impl SelfAttention {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let (batch, tokens, dim) = x.size3()?;
        let split = |t: Tensor| -> Result<Tensor> {
            Ok(t.f_reshape([batch, tokens, self.heads, dim / self.heads])?
                .f_transpose(1, 2)?)
        };
        let q = split(self.q_proj.forward(x)?)?;
        let k = split(self.k_proj.forward(x)?)?;
        let v = split(self.v_proj.forward(x)?)?;
        let out = attend(&q, &k, &v, self.causal)?
            .f_transpose(1, 2)?
            .f_reshape([batch, tokens, dim])?;
        self.out_proj.forward(&out)
    }
}

fn normal_linear(params: &Params, in_dim: i64, out_dim: i64, std: f64) -> Result<Linear> {
    let weight = params.get("weight", &[out_dim, in_dim], Init::Normal(std))?;
    let bias = params.get("bias", &[out_dim], Init::Zeros)?;
    Ok(Linear::from_tensors(weight, Some(bias)))
}

/// A projection without bias into the space that text and pictures share.
pub(super) fn projection(params: &Params, in_dim: i64, out_dim: i64) -> Result<Linear> {
    let std = (in_dim as f64).powf(-0.5);
    let weight = params.get("weight", &[out_dim, in_dim], Init::Normal(std))?;
    Ok(Linear::from_tensors(weight, None))
}
