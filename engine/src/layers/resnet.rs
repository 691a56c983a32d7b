//! The residual block that U-Net and autoencoder share (`ResnetBlock2D` of Python diffusers).

use tch::Tensor;

use super::{
    Activation, Conv2d, ConvShape, GroupNorm, LayerRef, LayerVisitor, Linear, NormRef, NormVisitor,
};
use crate::Result;
use crate::weights::Params;

/// What a [`ResnetBlock`] is built from.
#[derive(Debug, Clone, Copy)]
pub struct ResnetShape {
    /// Channels that come in.
    pub in_channels: i64,
    /// Channels that go out.
    pub out_channels: i64,
    /// Length of the timestep embedding; `None` for blocks without one.
    pub time_dim: Option<i64>,
    /// Groups of both normalisations.
    pub groups: i64,
    /// Epsilon of both normalisations.
    pub eps: f64,
    /// Activation after both normalisations.
    pub activation: Activation,
}

/// norm, activation, convolution, timestep shift, norm, activation, convolution, plus a skip.
#[derive(Debug)]
pub struct ResnetBlock {
    norm1: GroupNorm,
    conv1: Conv2d,
    time_emb_proj: Option<Linear>,
    norm2: GroupNorm,
    conv2: Conv2d,
    conv_shortcut: Option<Conv2d>,
    activation: Activation,
}

impl ResnetBlock {
    /// Takes `norm1`, `conv1`, `time_emb_proj`, `norm2`, `conv2` and, where the channel count
    /// changes, `conv_shortcut` from `params`.
    ///
    /// # Errors
    /// See [`Params::get`].
    pub fn new(params: &Params, shape: &ResnetShape) -> Result<Self> {
        let ResnetShape {
            in_channels,
            out_channels,
            time_dim,
            groups,
            eps,
            activation,
        } = *shape;
        let same = ConvShape::SAME_3X3;
        let time_emb_proj = time_dim
            .map(|dim| Linear::new(&params.at("time_emb_proj"), dim, out_channels, true))
            .transpose()?;
        let conv_shortcut = (in_channels != out_channels)
            .then(|| {
                Conv2d::new(
                    &params.at("conv_shortcut"),
                    in_channels,
                    out_channels,
                    ConvShape::POINTWISE,
                )
            })
            .transpose()?;
        Ok(Self {
            norm1: GroupNorm::new(&params.at("norm1"), groups, in_channels, eps)?,
            conv1: Conv2d::new(&params.at("conv1"), in_channels, out_channels, same)?,
            time_emb_proj,
            norm2: GroupNorm::new(&params.at("norm2"), groups, out_channels, eps)?,
            conv2: Conv2d::new(&params.at("conv2"), out_channels, out_channels, same)?,
            conv_shortcut,
            activation,
        })
    }

    /// `x` `[batch, in, h, w]` to `[batch, out, h, w]`.
    ///
    /// `time` `[batch, time_dim]` is the timestep embedding with the activation already applied,
    /// which is the same for all blocks of a network.
    ///
    /// # Errors
    /// Shapes disagree or memory runs out.
    pub fn forward(&self, x: &Tensor, time: Option<&Tensor>) -> Result<Tensor> {
        let h = self.activation.apply(self.norm1.forward(x)?)?;
        let mut h = self.conv1.forward(&h)?;
        if let (Some(proj), Some(time)) = (&self.time_emb_proj, time) {
            let shift = proj.forward(time)?.f_unsqueeze(-1)?.f_unsqueeze(-1)?;
            h = add(h, &shift)?;
        }
        let h = self.activation.apply(self.norm2.forward(&h)?)?;
        let h = self.conv2.forward(&h)?;
        match &self.conv_shortcut {
            Some(shortcut) => add(h, &shortcut.forward(x)?),
            None => add(h, x),
        }
    }

    /// Shows every linear and convolution to `visitor`, with names under `path`.
    pub fn visit(&self, path: &str, visitor: &mut LayerVisitor<'_>) {
        visitor(&format!("{path}.conv1"), LayerRef::Conv2d(&self.conv1));
        if let Some(proj) = &self.time_emb_proj {
            visitor(&format!("{path}.time_emb_proj"), LayerRef::Linear(proj));
        }
        visitor(&format!("{path}.conv2"), LayerRef::Conv2d(&self.conv2));
        if let Some(conv) = &self.conv_shortcut {
            visitor(&format!("{path}.conv_shortcut"), LayerRef::Conv2d(conv));
        }
    }

    /// Shows both normalisations to `visitor`, with names under `path`.
    pub fn visit_norms(&self, path: &str, visitor: &mut NormVisitor<'_>) {
        visitor(&format!("{path}.norm1"), NormRef::Group(&self.norm1));
        visitor(&format!("{path}.norm2"), NormRef::Group(&self.norm2));
    }
}

/// `x + y`, in `x`'s memory where no gradient has to flow through the sum.
///
/// `x` must be a tensor that nobody else holds, of at least `y`'s broadcast shape and of its dtype.
///
/// # Errors
/// Shapes disagree or memory runs out.
pub fn add(mut x: Tensor, y: &Tensor) -> Result<Tensor> {
    if x.requires_grad() || y.requires_grad() {
        Ok(x.f_add(y)?)
    } else {
        Ok(x.f_add_(y)?)
    }
}
