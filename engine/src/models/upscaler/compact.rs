//! Real-ESRGAN's small network without dense blocks (`SRVGGNetCompact`), with the key names of
//! BasicSR: convolutions and learned rectifiers in turn, and all enlarging at the end.

use tch::Tensor;

use crate::Result;
use crate::layers::{Conv2d, ConvShape};
use crate::weights::{Init, Params};

/// Sizes of the network, which a file's shapes tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CompactShape {
    /// Channels within.
    pub(super) features: i64,
    /// Convolutions, the last one included.
    pub(super) convs: usize,
    /// How many times larger it makes a picture.
    pub(super) factor: i64,
}

/// The whole network.
#[derive(Debug)]
pub(super) struct Compact {
    /// Convolutions, each but the last with the slopes `[features]` of the rectifier behind it.
    layers: Vec<(Conv2d, Option<Tensor>)>,
    factor: i64,
}

impl Compact {
    pub(super) fn new(params: &Params, shape: &CompactShape) -> Result<Self> {
        let body = params.at("body");
        let last = shape.convs.saturating_sub(1);
        let layer = |at: usize| -> Result<(Conv2d, Option<Tensor>)> {
            let inputs = if at == 0 { 3 } else { shape.features };
            let outputs = if at == last {
                3 * shape.factor * shape.factor
            } else {
                shape.features
            };
            let conv = Conv2d::new(&body.at(2 * at), inputs, outputs, ConvShape::SAME_3X3)?;
            let slopes = || {
                body.at(2 * at + 1)
                    .get("weight", &[shape.features], Init::Zeros)
            };
            Ok((conv, (at != last).then(slopes).transpose()?))
        };
        Ok(Self {
            layers: (0..shape.convs).map(layer).collect::<Result<_>>()?,
            factor: shape.factor,
        })
    }

    pub(super) fn forward(&self, pictures: &Tensor) -> Result<Tensor> {
        let mut x = pictures.shallow_clone();
        for (conv, slopes) in &self.layers {
            x = conv.forward(&x)?;
            if let Some(slopes) = slopes {
                x = x.f_prelu(slopes)?;
            }
        }
        let (_, _, height, width) = pictures.size4()?;
        let size = [height * self.factor, width * self.factor];
        let base = pictures.f_upsample_nearest2d(size, None, None)?;
        Ok(x.f_pixel_shuffle(self.factor)?.f_add(&base)?)
    }
}
