//! What an edit does in the attention layers, on a batch of the source, the target, and where there
//! is guidance the target under the negative prompt.

use std::rc::Rc;

use tch::{Kind, Tensor};

use crate::Result;
use crate::controls::RegionWeights;
use crate::layers::{AttentionHook, AttentionSite, attend};
use crate::models::unet::TextContext;

/// Row of the source in the batch.
pub(super) const SOURCE: i64 = 0;
/// Row of the target under its prompt.
pub(super) const TARGET: i64 = 1;

/// The hook of one step.
pub(super) struct EditAttention<'a> {
    /// Whether the target takes the source's queries and keys where the picture looks at itself.
    pub(super) keeps_structure: bool,
    /// Values of every thing, and where they hold; `None` where the prompt's own hold everywhere.
    pub(super) regions: Option<(&'a Rc<RegionWeights>, &'a [TextContext])>,
}

impl AttentionHook for EditAttention<'_> {
    fn attend(
        &mut self,
        site: &AttentionSite,
        q: &Tensor,
        k: &Tensor,
        v: &Tensor,
    ) -> Result<Option<Tensor>> {
        if !site.is_cross {
            if !self.keeps_structure {
                return Ok(None);
            }
            // The target keeps its own values: what is shown may change, where it is may not.
            let batch = q.size()[0];
            let of_source = |x: &Tensor| -> Result<Tensor> {
                Ok(x.f_narrow(0, SOURCE, 1)?
                    .f_expand([batch, -1, -1, -1], false)?)
            };
            return attend(&of_source(q)?, &of_source(k)?, v, false).map(Some);
        }
        let Some((weights, things)) = self.regions else {
            return Ok(None);
        };
        let row = |x: &Tensor, at: i64| -> Result<Tensor> { Ok(x.f_narrow(0, at, 1)?) };
        let [target_q, target_k, target_v] = [q, k, v].map(|x| row(x, TARGET));
        let (target_q, target_k) = (target_q?, target_k?);
        let grid = weights.at(q.size()[2], site)?;
        let blended = blend(&target_q, &target_k, &target_v?, grid, |at| {
            things[at].get(site).map(|(_, v)| v)
        })?;
        let mut out = Vec::with_capacity(3);
        for at in 0..q.size()[0] {
            out.push(if at == TARGET {
                blended.shallow_clone()
            } else {
                attend(&row(q, at)?, &row(k, at)?, &row(v, at)?, false)?
            });
        }
        Ok(Some(Tensor::f_cat(&out, 0)?))
    }
}

/// Region-guided blending (arXiv 2412.04715, RGB-CAM): the attention weights of the whole prompt,
/// and at every place the values of what stands there. `grid` holds the prompt's own weight
/// `[1, 1, pixels, 1]` first, then that of each thing.
fn blend<'v>(
    q: &Tensor,
    k: &Tensor,
    v: &Tensor,
    grid: &[Tensor],
    value: impl Fn(usize) -> Result<&'v Tensor>,
) -> Result<Tensor> {
    let Some((own, regions)) = grid.split_first() else {
        return attend(q, k, v, false);
    };
    let weighed = |v: &Tensor, weight: &Tensor| -> Result<Tensor> {
        let out = attend(q, k, v, false)?;
        Ok(out.f_to_kind(Kind::Float)?.f_mul(weight)?)
    };
    let mut sum = weighed(v, own)?;
    for (at, weight) in regions.iter().enumerate() {
        sum = sum.f_add(&weighed(value(at)?, weight)?)?;
    }
    Ok(sum.f_to_kind(q.kind())?)
}

#[cfg(test)]
mod tests {
    use tch::Device;

    use super::*;

    const CPU: (Kind, Device) = (Kind::Float, Device::Cpu);

    fn random(shape: &[i64]) -> Tensor {
        Tensor::randn(shape, CPU)
    }

    fn site(is_cross: bool) -> AttentionSite {
        AttentionSite {
            name: "attn".to_owned(),
            index: 0,
            is_cross,
        }
    }

    fn close(a: &Tensor, b: &Tensor) -> bool {
        a.allclose(b, 1e-5, 1e-6, false)
    }

    #[test]
    fn the_target_looks_as_the_source_does_and_shows_its_own() {
        let [q, k, v] = [(); 3].map(|()| random(&[3, 2, 4, 5]));
        let mut hook = EditAttention {
            keeps_structure: true,
            regions: None,
        };
        let out = hook.attend(&site(false), &q, &k, &v).unwrap().unwrap();
        for row in 0..3 {
            let at = |x: &Tensor, row| x.narrow(0, row, 1);
            let wanted = attend(&at(&q, SOURCE), &at(&k, SOURCE), &at(&v, row), false).unwrap();
            assert!(close(&at(&out, row), &wanted), "{row}");
        }
        hook.keeps_structure = false;
        assert!(hook.attend(&site(false), &q, &k, &v).unwrap().is_none());
        assert!(hook.attend(&site(true), &q, &k, &v).unwrap().is_none());
    }

    #[test]
    fn every_place_takes_the_values_of_what_stands_there() {
        let (q, k, v) = (
            random(&[3, 2, 4, 5]),
            random(&[3, 2, 6, 5]),
            random(&[3, 2, 6, 5]),
        );
        let value = random(&[1, 2, 6, 5]);
        let mut thing = TextContext::default();
        thing.insert(0, random(&[1, 2, 6, 5]), value.shallow_clone());
        let half = |value: f64| Tensor::full([1, 1, 16, 8], value, CPU);
        let left = Tensor::cat(&[half(1.0), half(0.0)], 3);
        let weights = Rc::new(RegionWeights::new(&[left], 2, 2).unwrap());
        let things = [thing];
        let mut hook = EditAttention {
            keeps_structure: true,
            regions: Some((&weights, &things)),
        };
        let out = hook.attend(&site(true), &q, &k, &v).unwrap().unwrap();
        let at = |x: &Tensor, row| x.narrow(0, row, 1);
        let plain = attend(&q, &k, &v, false).unwrap();
        for row in [0, 2] {
            assert!(close(&at(&out, row), &at(&plain, row)), "{row}");
        }
        // The weights are the prompt's, the values the thing's own.
        let own = attend(&at(&q, TARGET), &at(&k, TARGET), &value, false).unwrap();
        let (target, plain) = (at(&out, TARGET), at(&plain, TARGET));
        for place in 0..4 {
            let wanted = if place % 2 == 0 { &own } else { &plain };
            let here = |x: &Tensor| x.narrow(2, place, 1);
            assert!(close(&here(&target), &here(wanted)), "{place}");
        }
    }
}
