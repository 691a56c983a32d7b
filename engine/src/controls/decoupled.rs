//! Decoupled cross-attention (IP-Adapter, arXiv 2308.06721): beside the text, attention to other
//! tokens, `out = attend(q, k, v) + λ · attend(q, k', v')`.

use tch::Tensor;

use crate::Result;
use crate::layers::{AttentionHook, AttentionSite, attend};

/// Keys and values of one adapter's tokens.
#[derive(Debug, Default)]
pub struct DecoupledBranch {
    /// λ; at 0 the branch does nothing at all.
    pub weight: f64,
    /// By attention index, `[1, heads, tokens, head_dim]` each; `None` where the adapter has none.
    pub keys_values: Vec<Option<(Tensor, Tensor)>>,
}

/// All adapters at work, as one hook.
#[derive(Debug, Default)]
pub struct DecoupledAttention {
    branches: Vec<DecoupledBranch>,
}

impl DecoupledAttention {
    /// A hook of these branches.
    pub fn new(branches: Vec<DecoupledBranch>) -> Self {
        Self { branches }
    }

    /// Whether no branch does anything.
    pub fn is_idle(&self) -> bool {
        self.branches.iter().all(|b| b.weight == 0.0)
    }

    /// What `text` gives, with the branches' outputs added; `None` where no branch acts on `site`.
    pub(super) fn beside(
        &self,
        site: &AttentionSite,
        q: &Tensor,
        text: impl FnOnce() -> Result<Tensor>,
    ) -> Result<Option<Tensor>> {
        let mut text = Some(text);
        let mut out = None;
        for branch in self.branches.iter().filter(|b| b.weight != 0.0) {
            let Some(Some((own_k, own_v))) = branch.keys_values.get(site.index) else {
                continue;
            };
            let batch = q.size()[0];
            let expand = |x: &Tensor| x.f_expand([batch, -1, -1, -1], false);
            let extra = attend(q, &expand(own_k)?, &expand(own_v)?, false)?;
            let before = match text.take() {
                Some(text) => Some(text()?),
                None => out.take(),
            };
            if let Some(before) = before {
                out = Some(before.f_add(&extra.f_mul_scalar(branch.weight)?)?);
            }
        }
        Ok(out)
    }
}

impl AttentionHook for DecoupledAttention {
    fn attend(
        &mut self,
        site: &AttentionSite,
        q: &Tensor,
        k: &Tensor,
        v: &Tensor,
    ) -> Result<Option<Tensor>> {
        if !site.is_cross {
            return Ok(None);
        }
        self.beside(site, q, || attend(q, k, v, false))
    }
}

#[cfg(test)]
mod tests {
    use tch::{Device, Kind, Tensor};

    use super::{DecoupledAttention, DecoupledBranch};
    use crate::layers::{AttentionHook as _, AttentionSite, attend};

    fn random(shape: &[i64]) -> Tensor {
        Tensor::randn(shape, (Kind::Float, Device::Cpu))
    }

    fn site(is_cross: bool) -> AttentionSite {
        AttentionSite {
            name: "attn2".to_owned(),
            index: 1,
            is_cross,
        }
    }

    #[test]
    fn the_branches_add_to_the_text_and_weight_zero_leaves_it_alone() {
        let (q, k, v) = (
            random(&[2, 3, 5, 4]),
            random(&[2, 3, 7, 4]),
            random(&[2, 3, 7, 4]),
        );
        let (own_k, own_v) = (random(&[1, 3, 2, 4]), random(&[1, 3, 2, 4]));
        let hook = |weight| {
            DecoupledAttention::new(vec![DecoupledBranch {
                weight,
                keys_values: vec![None, Some((own_k.shallow_clone(), own_v.shallow_clone()))],
            }])
        };
        assert!(hook(0.0).is_idle());
        assert!(hook(0.0).attend(&site(true), &q, &k, &v).unwrap().is_none());
        assert!(
            hook(1.0)
                .attend(&site(false), &q, &k, &v)
                .unwrap()
                .is_none()
        );
        let got = hook(0.5).attend(&site(true), &q, &k, &v).unwrap().unwrap();
        let own = |x: &Tensor| Tensor::cat(&[x, x], 0);
        let want = attend(&q, &k, &v, false).unwrap()
            + attend(&q, &own(&own_k), &own(&own_v), false).unwrap() * 0.5;
        assert!(got.allclose(&want, 1e-5, 1e-6, false));
    }
}
