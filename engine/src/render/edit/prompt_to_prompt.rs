//! Prompt-to-prompt (arXiv 2208.01626): where the new words look is where the old ones looked.

use std::ops::Range;

use tch::{Device, Kind, Tensor};

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

/// For each of `tokens` tokens of the target its token of the source. Between the spans both run
/// along together; a changed span is matched from its end, for there the nouns stand; what is new
/// before them has none.
fn aligned(old: &[Range<usize>], new: &[Range<usize>], tokens: usize) -> Vec<Option<usize>> {
    let mut pairs: Vec<_> = old.iter().zip(new).collect();
    pairs.sort_by_key(|(_, new)| new.start);
    let mut from = Vec::with_capacity(tokens);
    let mut at = 0;
    for (old, new) in pairs {
        while from.len() < new.start {
            from.push(Some(at));
            at += 1;
        }
        for token in new.clone() {
            let before_end = new.end - token;
            let own = old.end.checked_sub(before_end);
            from.push(own.filter(|own| *own >= old.start));
        }
        at = old.end;
    }
    while from.len() < tokens {
        from.push(Some(at.min(tokens - 1)));
        at += 1;
    }
    from
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
    fn changed_words_are_matched_from_their_end() {
        // "<s> a red cup and a cat </s> …" to "<s> a green wooden cup and a dog </s> …"
        let from = aligned(&[2..4, 6..7], &[2..5, 7..8], 11);
        let some = |at: &[usize]| at.iter().map(|&at| Some(at)).collect::<Vec<_>>();
        assert_eq!(from[..2], some(&[0, 1]));
        assert_eq!(from[2..5], [None, Some(2), Some(3)]);
        assert_eq!(from[5..], some(&[4, 5, 6, 7, 8, 9]));
        // Shorter words, in another order.
        let from = aligned(&[6..7, 2..4], &[5..6, 2..3], 9);
        assert_eq!(from, some(&[0, 1, 3, 4, 5, 6, 7, 8, 8]));
    }

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
