//! The gated feed-forward layer of transformer blocks (GEGLU, arXiv 2002.05202).

use tch::Tensor;

use crate::Result;
use crate::layers::{LayerRef, LayerVisitor, Linear};
use crate::weights::Params;

/// Elements of the inner layer that are held at once, where no gradient is recorded: the inner layer
/// is eight times as wide as all around it, and its rows know nothing of each other.
const CHUNK: i64 = 1 << 22;

/// `W2 (a · gelu(b))` with `[a, b] = W1 x`.
#[derive(Debug)]
pub(super) struct FeedForward {
    proj: Linear,
    out: Linear,
    inner: i64,
}

impl FeedForward {
    /// Takes `net.0.proj` and `net.2` from `params`; the inner dimension is four times `dim`.
    pub(super) fn new(params: &Params, dim: i64) -> Result<Self> {
        let inner = 4 * dim;
        let net = params.at("net");
        Ok(Self {
            proj: Linear::new(&net.at(0).at("proj"), dim, 2 * inner, true)?,
            out: Linear::new(&net.at(2), inner, dim, true)?,
            inner,
        })
    }

    /// `[batch, n, dim]` to the same shape.
    pub(super) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let (batch, n, dim) = x.size3()?;
        let rows = batch * n;
        let at_once = (CHUNK / (2 * self.inner)).max(1);
        if rows <= at_once || x.requires_grad() || self.proj.weight.requires_grad() {
            return self.forward_at_once(x);
        }
        let x = x.f_view([rows, dim])?;
        let mut parts = Vec::new();
        let mut start = 0;
        while start < rows {
            let length = at_once.min(rows - start);
            parts.push(self.forward_at_once(&x.f_narrow(0, start, length)?)?);
            start += length;
        }
        Ok(Tensor::f_cat(&parts, 0)?.f_view([batch, n, dim])?)
    }

    fn forward_at_once(&self, x: &Tensor) -> Result<Tensor> {
        let both = self.proj.forward(x)?;
        let value = both.f_narrow(-1, 0, self.inner)?;
        let mut gate = both.f_narrow(-1, self.inner, self.inner)?.f_gelu("none")?;
        let gated = if gate.requires_grad() {
            gate.f_mul(&value)?
        } else {
            gate.f_mul_(&value)?
        };
        drop((both, value));
        self.out.forward(&gated)
    }

    pub(super) fn visit(&self, path: &str, visitor: &mut LayerVisitor<'_>) {
        visitor(&format!("{path}.net.0.proj"), LayerRef::Linear(&self.proj));
        visitor(&format!("{path}.net.2"), LayerRef::Linear(&self.out));
    }
}

#[cfg(test)]
mod tests {
    use tch::{Device, Kind, Tensor};

    use super::{CHUNK, FeedForward};
    use crate::sampling::lock_generator;
    use crate::weights::ParamStore;

    #[test]
    fn chunks_are_the_whole_in_parts() {
        let _guard = tch::no_grad_guard();
        let _generator = lock_generator();
        let store = ParamStore::fresh(Kind::Float, Device::Cpu);
        let dim = 64;
        let layer = FeedForward::new(&store.root(), dim).unwrap();
        // Two whole chunks and a part of one.
        let rows = CHUNK / (8 * dim) / 2 * 5 / 2 + 3;
        let x = Tensor::randn([2, rows, dim], (Kind::Float, Device::Cpu));
        let got = layer.forward(&x).unwrap();
        assert_eq!(got.size(), x.size());
        assert!(got.allclose(&layer.forward_at_once(&x).unwrap(), 1e-5, 1e-6, false));
    }
}
