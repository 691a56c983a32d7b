//! Multi-head attention over pixels or text.

use tch::Tensor;

use super::CrossAttention;
use super::pass::{Pass, TextContext};
use crate::Result;
use crate::layers::{AttentionSite, LayerRef, LayerVisitor, Linear, attend};
use crate::weights::Params;

/// One attention layer: `attn1` or `attn2` of a transformer block.
#[derive(Debug)]
pub(super) struct Attention {
    to_q: Linear,
    to_k: Linear,
    to_v: Linear,
    to_out: Linear,
    heads: i64,
    site: AttentionSite,
}

impl Attention {
    /// `text_dim` is `None` where the layer attends to the picture itself.
    pub(super) fn new(
        params: &Params,
        dim: i64,
        heads: i64,
        text_dim: Option<i64>,
        index: usize,
    ) -> Result<Self> {
        let source = text_dim.unwrap_or(dim);
        Ok(Self {
            to_q: Linear::new(&params.at("to_q"), dim, dim, false)?,
            to_k: Linear::new(&params.at("to_k"), source, dim, false)?,
            to_v: Linear::new(&params.at("to_v"), source, dim, false)?,
            to_out: Linear::new(&params.at("to_out").at(0), dim, dim, true)?,
            heads,
            site: AttentionSite {
                name: params.path().to_owned(),
                index,
                is_cross: text_dim.is_some(),
            },
        })
    }

    /// `[batch, n, dim]` to `[batch, heads, n, dim / heads]`, without a copy.
    fn split_heads(&self, x: &Tensor) -> Result<Tensor> {
        let (batch, n, dim) = x.size3()?;
        Ok(x.f_view([batch, n, self.heads, dim / self.heads])?
            .f_transpose(1, 2)?)
    }

    /// Keys and values of `source` `[batch, n, ..]`, each `[batch, heads, n, dim / heads]`.
    fn keys_values(&self, source: &Tensor) -> Result<(Tensor, Tensor)> {
        Ok((
            self.split_heads(&self.to_k.forward(source)?)?,
            self.split_heads(&self.to_v.forward(source)?)?,
        ))
    }

    /// Adds this layer's keys and values of `text` `[batch, tokens, dim]`, where it reads text.
    pub(super) fn read_text(&self, text: &Tensor, into: &mut TextContext) -> Result<()> {
        if self.site.is_cross {
            let (k, v) = self.keys_values(text)?;
            into.insert(self.site.index, k, v);
        }
        Ok(())
    }

    /// Adds this layer to `into`, where it reads text.
    pub(super) fn describe(&self, into: &mut Vec<CrossAttention>) {
        if self.site.is_cross {
            into.push(CrossAttention {
                site: self.site.clone(),
                heads: self.heads,
                channels: self.to_q.weight.size()[0],
            });
        }
    }

    /// `[batch, pixels, dim]` to the same shape.
    pub(super) fn forward(&self, x: &Tensor, pass: &mut Pass<'_, '_>) -> Result<Tensor> {
        let size = x.size();
        let q = self.split_heads(&self.to_q.forward(x)?)?;
        let own;
        let (k, v) = if self.site.is_cross {
            pass.text.get(&self.site)?
        } else {
            own = self.keys_values(x)?;
            (&own.0, &own.1)
        };
        let taken_over = match &mut pass.hook {
            Some(hook) => hook.attend(&self.site, &q, k, v)?,
            None => None,
        };
        let out = match taken_over {
            Some(out) => out,
            None => attend(&q, k, v, false)?,
        };
        let out = if self.site.is_cross {
            pass.text.with_branches(&self.site, &q, out)?
        } else {
            out
        };
        self.to_out
            .forward(&out.f_transpose(1, 2)?.f_reshape(&size)?)
    }

    pub(super) fn visit(&self, visitor: &mut LayerVisitor<'_>) {
        let path = &self.site.name;
        for (name, layer) in [
            ("to_q", &self.to_q),
            ("to_k", &self.to_k),
            ("to_v", &self.to_v),
            ("to_out.0", &self.to_out),
        ] {
            visitor(&format!("{path}.{name}"), LayerRef::Linear(layer));
        }
    }
}
