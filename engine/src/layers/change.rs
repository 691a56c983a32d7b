//! What an adapter makes of a layer that is loaded already.

use tch::Tensor;

use crate::Result;

/// What adapters make of one linear layer or convolution, in the layer's dtype and on its device.
#[derive(Debug, Default)]
pub struct LayerChange {
    /// In place of the layer's weight, of its shape.
    pub weight: Option<Tensor>,
    /// In place of the layer's bias, `[out]`; also where the layer has none.
    pub bias: Option<Tensor>,
    /// Branches beside the weight.
    pub low_rank: Option<LowRankSum>,
}

impl LayerChange {
    /// The same tensors again, for a second layer over the same weight.
    #[must_use]
    pub fn shallow_clone(&self) -> Self {
        Self {
            weight: self.weight.as_ref().map(Tensor::shallow_clone),
            bias: self.bias.as_ref().map(Tensor::shallow_clone),
            low_rank: self.low_rank.as_ref().map(LowRankSum::shallow_clone),
        }
    }
}

/// The low-rank branches of several adapters on one layer, side by side in one pair of matrices,
/// so that any number of them costs two products: `out += up(down(x))` (LoRA, arXiv 2106.09685).
#[derive(Debug)]
pub struct LowRankSum {
    /// `[ranks, in]` for linear layers, `[ranks, in, k, k]` for convolutions.
    down: Tensor,
    /// `[out, ranks]`, each adapter's columns times its strength.
    up: Tensor,
}

impl LowRankSum {
    /// Branches with `down` `[ranks, in]` or `[ranks, in, k, k]` and `up` `[out, ranks]`, which
    /// holds the strengths.
    pub fn new(down: Tensor, up: Tensor) -> Self {
        Self { down, up }
    }

    fn shallow_clone(&self) -> Self {
        Self {
            down: self.down.shallow_clone(),
            up: self.up.shallow_clone(),
        }
    }

    /// `[ranks, in, k, k]`, as a convolution's.
    pub(super) fn down(&self) -> &Tensor {
        &self.down
    }

    /// `out` `[.., out]`, which nobody else holds, plus what the branches make of `x` `[.., in]`.
    pub(super) fn add_to_linear(&self, out: Tensor, x: &Tensor) -> Result<Tensor> {
        let low = x.f_linear::<&Tensor>(&self.down, None)?;
        if out.requires_grad() || !out.is_contiguous() {
            return Ok(out.f_add(&low.f_linear::<&Tensor>(&self.up, None)?)?);
        }
        let [width, ranks] = [self.up.size()[0], self.up.size()[1]];
        let _ = out
            .f_view([-1, width])?
            .f_addmm_(&low.f_reshape([-1, ranks])?, &self.up.f_transpose(0, 1)?)?;
        Ok(out)
    }

    /// `out` `[batch, out, h, w]`, which nobody else holds, plus `up` of `low`
    /// `[batch, ranks, h, w]`.
    pub(super) fn add_to_map(&self, out: Tensor, low: &Tensor) -> Result<Tensor> {
        let (batch, ranks, height, width) = low.size4()?;
        let channels = self.up.size()[0];
        if out.requires_grad() || !out.is_contiguous() {
            let up = self.up.f_view([channels, ranks, 1, 1])?;
            let high = low.f_conv2d::<&Tensor>(&up, None, [1, 1], [0, 0], [1, 1], 1)?;
            return Ok(out.f_add(&high)?);
        }
        let up = self.up.f_unsqueeze(0)?.f_expand([batch, -1, -1], false)?;
        let low = low.f_reshape([batch, ranks, height * width])?;
        let _ = out
            .f_view([batch, channels, height * width])?
            .f_baddbmm_(&up, &low)?;
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use tch::{Device, Kind, Tensor};

    use super::super::{Conv2d, ConvShape, Linear};
    use super::{LayerChange, LowRankSum};
    use crate::sampling::lock_generator;
    use crate::weights::ParamStore;

    const OPTIONS: (Kind, Device) = (Kind::Float, Device::Cpu);

    fn close(a: &Tensor, b: &Tensor) -> bool {
        a.allclose(b, 1e-4, 1e-5, false)
    }

    #[test]
    fn a_changed_linear_layer_is_the_sum_and_is_itself_again() {
        let _generator = lock_generator();
        let _guard = tch::no_grad_guard();
        tch::manual_seed(1);
        let layer = Linear::from_tensors(Tensor::randn([6, 5], OPTIONS), None);
        let x = Tensor::randn([2, 3, 5], OPTIONS);
        let plain = layer.forward(&x).unwrap();
        let (down, up) = (
            Tensor::randn([4, 5], OPTIONS),
            Tensor::randn([6, 4], OPTIONS),
        );
        let bias = Tensor::randn([6], OPTIONS);
        let merged = (&layer.weight + up.matmul(&down)).shallow_clone();
        layer.set_change(Some(LayerChange {
            weight: None,
            bias: Some(bias.shallow_clone()),
            low_rank: Some(LowRankSum::new(down, up)),
        }));
        let unmerged = layer.forward(&x).unwrap();
        assert!(close(&unmerged, &(x.matmul(&merged.tr()) + &bias)));
        layer.set_change(Some(LayerChange {
            weight: Some(merged),
            bias: Some(bias),
            low_rank: None,
        }));
        assert!(close(&unmerged, &layer.forward(&x).unwrap()));
        layer.set_change(None);
        assert_eq!(layer.forward(&x).unwrap(), plain);
    }

    #[test]
    fn a_changed_convolution_is_the_sum() {
        let _generator = lock_generator();
        let _guard = tch::no_grad_guard();
        tch::manual_seed(2);
        let store = ParamStore::fresh(Kind::Float, Device::Cpu);
        let shape = ConvShape {
            kernel: 3,
            stride: 2,
            padding: 1,
        };
        let conv = Conv2d::new(&store.root(), 5, 6, shape).unwrap();
        let (down, up) = (
            Tensor::randn([4, 5, 3, 3], OPTIONS),
            Tensor::randn([6, 4], OPTIONS),
        );
        let delta = up.matmul(&down.reshape([4, -1])).reshape([6, 5, 3, 3]);
        for layout in [false, true] {
            let x = Tensor::randn([2, 5, 8, 6], OPTIONS);
            let x = if layout {
                x.permute([0, 2, 3, 1]).contiguous().permute([0, 3, 1, 2])
            } else {
                x
            };
            conv.set_change(Some(LayerChange {
                low_rank: Some(LowRankSum::new(down.shallow_clone(), up.shallow_clone())),
                ..LayerChange::default()
            }));
            let unmerged = conv.forward(&x).unwrap();
            conv.set_change(Some(LayerChange {
                weight: Some(&conv.weight + &delta),
                ..LayerChange::default()
            }));
            assert!(close(&unmerged, &conv.forward(&x).unwrap()));
        }
    }
}
