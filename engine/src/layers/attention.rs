//! Scaled dot-product attention and the one hook that every method reaches in through.

use tch::Tensor;

use crate::Result;

/// Which attention layer is asking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttentionSite {
    /// The module's path in diffusers naming, such as
    /// `down_blocks.0.attentions.0.transformer_blocks.0.attn2`.
    pub name: String,
    /// Index among all attention layers of the U-Net in the order they are built.
    pub index: usize,
    /// Whether keys and values come from the text (`attn2`) rather than from the picture.
    pub is_cross: bool,
}

/// Reaches into the attention layers of a U-Net: extra key/value branches, row-masked values,
/// query and key injection, recording of attention maps.
pub trait AttentionHook {
    /// May take over one attention layer.
    ///
    /// `q` is `[batch, heads, pixels, head_dim]`; `k` and `v` are
    /// `[batch, heads, tokens, head_dim]`. `Some(out)` of `q`'s shape replaces
    /// the layer's attention; `None` lets [`attend`] do it.
    ///
    /// # Errors
    /// A tensor operation failed.
    fn attend(
        &mut self,
        site: &AttentionSite,
        q: &Tensor,
        k: &Tensor,
        v: &Tensor,
    ) -> Result<Option<Tensor>>;
}

/// `softmax(q kᵀ / √head_dim) v` over `[batch, heads, tokens, head_dim]`.
///
/// # Errors
/// Shapes disagree or memory runs out.
pub fn attend(q: &Tensor, k: &Tensor, v: &Tensor, is_causal: bool) -> Result<Tensor> {
    Ok(Tensor::f_scaled_dot_product_attention::<&Tensor>(
        q, k, v, None, 0.0, is_causal, None, false,
    )?)
}
