//! Prompt-to-prompt (arXiv 2208.01626): where the new words look is where the old ones looked.

use tch::{Device, Kind, Tensor};

use super::alignment::aligned;
use super::attention::{SOURCE, TARGET, keep_structure};
use super::words::EditTexts;
use crate::Result;
use crate::layers::{AttentionHook, AttentionSite, attend};

/// For how large a part of the steps the source's attention to words is kept, as in the paper's
/// examples.
pub(super) const CROSS_STEPS: f64 = 0.8;

/// Which token of the source each token of the target takes its attention from.
#[derive(Debug)]
pub(super) struct Alignment {
    /// One for each token of the target; those that have none name the first.
    from: Tensor,
    /// 1 for tokens that have one and 0 for the others, `[tokens]` in fp32.
    has: Tensor,
}

impl Alignment {
    /// Between two prompts that differ in spans only.
    pub(super) fn new(source: &EditTexts, target: &EditTexts, device: Device) -> Result<Self> {
        let tokens = target.tokens();
        let from = aligned(&source.spans, &target.spans, tokens);
        let positions: Vec<i64> = from.iter().map(|at| at.unwrap_or(0) as i64).collect();
        let has: Vec<f32> = from
            .iter()
            .map(|at| f32::from(u8::from(at.is_some())))
            .collect();
        Ok(Self {
            from: Tensor::f_from_slice(&positions)?.f_to_device(device)?,
            has: Tensor::f_from_slice(&has)?.f_to_device(device)?,
        })
    }
}

/// The hook of one step.
pub(super) struct PromptToPrompt<'a> {
    /// Whether the target takes the source's queries and keys where the picture looks at itself.
    pub(super) keeps_structure: bool,
    /// How words are matched; `None` where they look for themselves.
    pub(super) words: Option<&'a Alignment>,
}

impl AttentionHook for PromptToPrompt<'_> {
    fn attend(
        &mut self,
        site: &AttentionSite,
        q: &Tensor,
        k: &Tensor,
        v: &Tensor,
    ) -> Result<Option<Tensor>> {
        if !site.is_cross {
            return keep_structure(self.keeps_structure, q, k, v);
        }
        let Some(words) = self.words else {
            return Ok(None);
        };
        let scale = 1.0 / (q.size()[3] as f64).sqrt();
        let weights = |row: i64| -> Result<Tensor> {
            let (q, k) = (q.f_narrow(0, row, 1)?, k.f_narrow(0, row, 1)?);
            let products = q.f_matmul(&k.f_transpose(-2, -1)?)?;
            Ok(products.f_mul_scalar(scale)?.f_softmax(-1, Kind::Float)?)
        };
        let of_source = weights(SOURCE)?.f_index_select(-1, &words.from)?;
        let mixed = weights(TARGET)?.f_lerp_tensor(&of_source, &words.has)?;
        let mut out = Vec::with_capacity(3);
        for row in 0..q.size()[0] {
            let [q, k, v] = [q, k, v].map(|x| x.f_narrow(0, row, 1));
            let v = v?;
            out.push(if row == TARGET {
                mixed.f_to_kind(v.kind())?.f_matmul(&v)?
            } else {
                attend(&q?, &k?, &v, false)?
            });
        }
        Ok(Some(Tensor::f_cat(&out, 0)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_target_looks_where_the_source_looked() {
        let random = |shape: &[i64]| Tensor::randn(shape, (Kind::Float, Device::Cpu));
        let (q, k, v) = (
            random(&[3, 2, 4, 5]),
            random(&[3, 2, 6, 5]),
            random(&[3, 2, 6, 5]),
        );
        let site = AttentionSite {
            name: "attn".to_owned(),
            index: 0,
            is_cross: true,
        };
        let words = Alignment {
            from: Tensor::from_slice(&[0_i64, 1, 2, 3, 4, 5]),
            has: Tensor::ones([6], (Kind::Float, Device::Cpu)),
        };
        let mut hook = PromptToPrompt {
            keeps_structure: false,
            words: Some(&words),
        };
        let out = hook.attend(&site, &q, &k, &v).unwrap().unwrap();
        let at = |x: &Tensor, row| x.narrow(0, row, 1);
        let plain = attend(&q, &k, &v, false).unwrap();
        for row in [SOURCE, TARGET + 1] {
            assert!(at(&out, row).allclose(&at(&plain, row), 1e-5, 1e-6, false));
        }
        // The source's looks, and the target's own values.
        let wanted = attend(&at(&q, SOURCE), &at(&k, SOURCE), &at(&v, TARGET), false).unwrap();
        assert!(at(&out, TARGET).allclose(&wanted, 1e-5, 1e-6, false));
        hook.words = None;
        assert!(hook.attend(&site, &q, &k, &v).unwrap().is_none());
    }
}
