//! How weights of words act on an encoder's states.

use tch::{Kind, Tensor};

use super::PromptSyntax;
use crate::Result;

/// `states` `[chunks + 1, tokens, dim]`, the last row of the empty text, with every token of the
/// other rows counting as `weights` (a row for each chunk) says: `[chunks, tokens, dim]`.
///
/// A1111 multiplies the states and gives every chunk back the mean that it had; ComfyUI moves them
/// away from, or towards, what the empty text has in the same place.
///
/// # Errors
/// Memory runs out.
pub(super) fn emphasize(
    states: &Tensor,
    weights: &[Vec<f64>],
    syntax: PromptSyntax,
) -> Result<Tensor> {
    let kind = states.kind();
    let chunks = weights.len() as i64;
    let flat: Vec<f32> = weights.iter().flatten().map(|&w| w as f32).collect();
    let weights = Tensor::f_from_slice(&flat)?
        .f_view([chunks, -1, 1])?
        .f_to_device(states.device())?;
    let states = states.f_to_kind(Kind::Float)?;
    let words = states.f_narrow(0, 0, chunks)?;
    let is_one = weights.f_eq(1.0)?;
    let (weighted, kept) = if syntax == PromptSyntax::ComfyUi {
        let empty = states.f_narrow(0, chunks, 1)?;
        let weighted = words.f_sub(&empty)?.f_mul(&weights)?.f_add(&empty)?;
        (weighted, is_one)
    } else {
        let mean = |t: &Tensor| t.f_mean_dim([1_i64, 2].as_slice(), true, Kind::Float);
        let weighted = words.f_mul(&weights)?;
        let restored = weighted.f_mul(&mean(&words)?.f_div(&mean(&weighted)?)?)?;
        (restored, is_one.f_all_dim(1, true)?)
    };
    // What is not weighted keeps every bit.
    let states = words.f_where_self(&kept, &weighted)?;
    Ok(states.f_to_kind(kind)?)
}
