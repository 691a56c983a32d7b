//! Halving and doubling the side of a feature map.

use tch::Tensor;

use super::{Conv2d, ConvShape, LayerRef, LayerVisitor};
use crate::Result;
use crate::weights::Params;

/// A 3×3 convolution of stride 2.
#[derive(Debug)]
pub struct Downsample {
    conv: Conv2d,
    /// The autoencoder pads the right and lower border alone.
    asymmetric: bool,
}

impl Downsample {
    /// Takes `conv` from `params`. `padding` 0 means one zero column on the right and one row
    /// below, as in Python diffusers; other values are a border on all four sides.
    ///
    /// # Errors
    /// See [`Params::get`].
    pub fn new(params: &Params, channels: i64, padding: i64) -> Result<Self> {
        let shape = ConvShape {
            kernel: 3,
            stride: 2,
            padding,
        };
        Ok(Self {
            conv: Conv2d::new(&params.at("conv"), channels, channels, shape)?,
            asymmetric: padding == 0,
        })
    }

    /// `[batch, channels, h, w]` to `[batch, channels, h / 2, w / 2]`, odd sides rounded as the
    /// padding has it.
    ///
    /// # Errors
    /// Shapes disagree or memory runs out.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        if self.asymmetric {
            self.conv.forward(&x.f_constant_pad_nd([0, 1, 0, 1])?)
        } else {
            self.conv.forward(x)
        }
    }

    /// Shows the convolution to `visitor`, with its name under `path`.
    pub fn visit(&self, path: &str, visitor: &mut LayerVisitor<'_>) {
        visitor(&format!("{path}.conv"), LayerRef::Conv2d(&self.conv));
    }
}

/// Nearest-neighbour enlargement and a 3×3 convolution.
#[derive(Debug)]
pub struct Upsample {
    conv: Conv2d,
}

impl Upsample {
    /// Takes `conv` from `params`.
    ///
    /// # Errors
    /// See [`Params::get`].
    pub fn new(params: &Params, channels: i64) -> Result<Self> {
        let conv = Conv2d::new(&params.at("conv"), channels, channels, ConvShape::SAME_3X3)?;
        Ok(Self { conv })
    }

    /// `[batch, channels, h, w]` to `[batch, channels, 2h, 2w]`, or to `size` `(height, width)`
    /// where the map that it has to meet has an odd side.
    ///
    /// # Errors
    /// Shapes disagree or memory runs out.
    pub fn forward(&self, x: &Tensor, size: Option<(i64, i64)>) -> Result<Tensor> {
        let (_, _, height, width) = x.size4()?;
        let (height, width) = size.unwrap_or((2 * height, 2 * width));
        self.conv
            .forward(&x.f_upsample_nearest2d([height, width], None, None)?)
    }

    /// Shows the convolution to `visitor`, with its name under `path`.
    pub fn visit(&self, path: &str, visitor: &mut LayerVisitor<'_>) {
        visitor(&format!("{path}.conv"), LayerRef::Conv2d(&self.conv));
    }
}
