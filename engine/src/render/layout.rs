//! How weights lie in memory, where a CPU computes faster for it.

use tch::{Kind, Tensor};

use crate::Result;
use crate::weights::ParamStore;

/// Linear weights up to this many elements gain from [`inputs_first`]; MKL repacks larger ones in
/// either order.
const SMALL_LINEAR: usize = 1 << 19;

/// Lays every small linear weight `[out, in]` of `store` out column by column.
///
/// A product with few rows then streams through the weight instead of turning it round first.
/// Shapes and values stay what they are.
pub(super) fn inputs_first(store: &ParamStore) -> Result<()> {
    for (_, weight) in store.named() {
        if weight.dim() == 2 && weight.kind() == Kind::Float && weight.numel() <= SMALL_LINEAR {
            relay(
                &weight,
                &weight
                    .f_transpose(0, 1)?
                    .f_contiguous()?
                    .f_transpose(0, 1)?,
            )?;
        }
    }
    Ok(())
}

/// Lays every convolution weight of `store` out with all channels of a tap side by side; feature
/// maps follow their weights.
pub(super) fn channels_last(store: &ParamStore) -> Result<()> {
    for (_, weight) in store.named() {
        if weight.dim() == 4 {
            relay(&weight, &pixels_first(&weight)?)?;
        }
    }
    Ok(())
}

/// `x` `[n, c, h, w]` with all channels of a pixel side by side.
///
/// libtorch's binding names no memory formats, but strides say it all.
pub(super) fn pixels_first(x: &Tensor) -> Result<Tensor> {
    Ok(x.f_permute([0, 2, 3, 1])?
        .f_contiguous()?
        .f_permute([0, 3, 1, 2])?)
}

/// Gives all holders of `weight` the memory of `laid_out`.
fn relay(weight: &Tensor, laid_out: &Tensor) -> Result<()> {
    let _guard = tch::no_grad_guard();
    Ok(weight.shallow_clone().f_set_data(laid_out)?)
}
