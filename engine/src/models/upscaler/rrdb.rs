//! ESRGAN's generator of residual-in-residual dense blocks (arXiv 1809.00219), as Real-ESRGAN has
//! it (arXiv 2107.10833), with the key names of BasicSR.

use tch::Tensor;

use crate::Result;
use crate::layers::{Conv2d, ConvShape};
use crate::weights::Params;

/// Slope of the leaky rectifier below 0.
const SLOPE: f64 = 0.2;

/// What part of a block's result is added to its input.
const RESIDUAL: f64 = 0.2;

/// Sizes of the network, which a file's shapes tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RrdbShape {
    /// Channels between blocks.
    pub(super) features: i64,
    /// Channels that each convolution of a dense block adds.
    pub(super) growth: i64,
    /// Residual-in-residual blocks.
    pub(super) blocks: usize,
    /// Doublings of the side.
    pub(super) ups: usize,
    /// Side of the square of pixels that becomes one with more channels at the beginning.
    pub(super) unshuffle: i64,
}

/// The whole network.
#[derive(Debug)]
pub(super) struct RrdbNet {
    conv_first: Conv2d,
    body: Vec<[DenseBlock; 3]>,
    conv_body: Conv2d,
    ups: Vec<Conv2d>,
    conv_hr: Conv2d,
    conv_last: Conv2d,
    unshuffle: i64,
}

/// Five convolutions, each of which sees what all before it made.
#[derive(Debug)]
struct DenseBlock {
    convs: Vec<Conv2d>,
}

fn conv(params: &Params, inputs: i64, outputs: i64) -> Result<Conv2d> {
    Conv2d::new(params, inputs, outputs, ConvShape::SAME_3X3)
}

impl RrdbNet {
    pub(super) fn new(params: &Params, shape: RrdbShape) -> Result<Self> {
        let RrdbShape {
            features,
            growth,
            blocks,
            ups,
            unshuffle,
        } = shape;
        let same = |name: &str| conv(&params.at(name), features, features);
        let block = |at: usize| -> Result<[DenseBlock; 3]> {
            let block = params.at("body").at(at);
            let dense = |name| DenseBlock::new(&block.at(name), features, growth);
            Ok([dense("rdb1")?, dense("rdb2")?, dense("rdb3")?])
        };
        Ok(Self {
            conv_first: conv(
                &params.at("conv_first"),
                3 * unshuffle * unshuffle,
                features,
            )?,
            body: (0..blocks).map(block).collect::<Result<_>>()?,
            conv_body: same("conv_body")?,
            ups: (1..=ups)
                .map(|at| same(&format!("conv_up{at}")))
                .collect::<Result<_>>()?,
            conv_hr: same("conv_hr")?,
            conv_last: conv(&params.at("conv_last"), features, 3)?,
            unshuffle,
        })
    }

    pub(super) fn forward(&self, pictures: &Tensor) -> Result<Tensor> {
        let (_, _, height, width) = pictures.size4()?;
        let side = self.unshuffle;
        // What does not fill a square is continued by its last pixels.
        let (below, right) = ((side - height % side) % side, (side - width % side) % side);
        let padded = if below + right > 0 {
            pictures.f_replication_pad2d([0, right, 0, below])?
        } else {
            pictures.shallow_clone()
        };
        let first = self.conv_first.forward(&padded.f_pixel_unshuffle(side)?)?;
        let mut x = first.shallow_clone();
        for block in &self.body {
            let mut inner = x.shallow_clone();
            for dense in block {
                inner = dense.forward(&inner)?;
            }
            x = inner.f_mul_scalar(RESIDUAL)?.f_add(&x)?;
        }
        x = first.f_add(&self.conv_body.forward(&x)?)?;
        for up in &self.ups {
            let (_, _, height, width) = x.size4()?;
            let larger = x.f_upsample_nearest2d([2 * height, 2 * width], None, None)?;
            x = leaky(&up.forward(&larger)?)?;
        }
        let out = self
            .conv_last
            .forward(&leaky(&self.conv_hr.forward(&x)?)?)?;
        let factor = (1 << self.ups.len()) / side;
        let out = out.f_narrow(2, 0, height * factor)?;
        Ok(out.f_narrow(3, 0, width * factor)?)
    }
}

impl DenseBlock {
    fn new(params: &Params, features: i64, growth: i64) -> Result<Self> {
        let convs = (1..=5).map(|at| {
            let outputs = if at == 5 { features } else { growth };
            conv(
                &params.at(format!("conv{at}")),
                features + (at - 1) * growth,
                outputs,
            )
        });
        Ok(Self {
            convs: convs.collect::<Result<_>>()?,
        })
    }

    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let mut seen = x.shallow_clone();
        let mut made = x.shallow_clone();
        for (at, conv) in self.convs.iter().enumerate() {
            made = conv.forward(&seen)?;
            if at + 1 < self.convs.len() {
                made = leaky(&made)?;
                seen = Tensor::f_cat(&[&seen, &made], 1)?;
            }
        }
        Ok(made.f_mul_scalar(RESIDUAL)?.f_add(x)?)
    }
}

/// `max(x, 0.2 x)`, the leaky rectifier for a slope below 1.
fn leaky(x: &Tensor) -> Result<Tensor> {
    Ok(x.f_maximum(&x.f_mul_scalar(SLOPE)?)?)
}
