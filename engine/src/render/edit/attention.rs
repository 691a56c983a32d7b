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
    /// Where every thing's own values hold; `None` where the prompt's hold everywhere.
    pub(super) regions: Option<&'a Rc<RegionWeights>>,
    /// Values of every thing by its old words.
    pub(super) old: &'a [TextContext],
    /// Values of every thing by its new words.
    pub(super) new: &'a [TextContext],
    /// Whether the row after the target is the target under the old words.
    pub(super) away_from_source: bool,
}

impl EditAttention<'_> {
    /// The values that hold in the things' regions of a row of the batch.
    fn things(&self, row: i64) -> Option<&[TextContext]> {
        match row {
            TARGET => Some(self.new),
            _ if std::env::var("EB_SYM").as_deref() == Ok("0") => None,
            SOURCE => Some(self.old),
            _ if self.away_from_source => Some(self.old),
            // A negative prompt holds everywhere.
            _ => None,
        }
    }
}

/// The self-attention of a batch whose rows all look as the source does, where `is_kept`. Each keeps
/// its own values: what is shown may change, where it is may not.
pub(super) fn keep_structure(
    is_kept: bool,
    q: &Tensor,
    k: &Tensor,
    v: &Tensor,
) -> Result<Option<Tensor>> {
    if !is_kept {
        return Ok(None);
    }
    let batch = q.size()[0];
    let of_source = |x: &Tensor| -> Result<Tensor> {
        Ok(x.f_narrow(0, SOURCE, 1)?
            .f_expand([batch, -1, -1, -1], false)?)
    };
    attend(&of_source(q)?, &of_source(k)?, v, false).map(Some)
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
            return keep_structure(self.keeps_structure, q, k, v);
        }
        let Some(weights) = self.regions else {
            return Ok(None);
        };
        let grid = weights.at(q.size()[2], site)?;
        let mut out = Vec::with_capacity(3);
        for at in 0..q.size()[0] {
            let [q, k, v] = [q, k, v].map(|x| x.f_narrow(0, at, 1));
            let (q, k, v) = (q?, k?, v?);
            out.push(match self.things(at) {
                Some(things) => blend(&q, &k, &v, grid, |thing| {
                    things[thing].get(site).map(|(_, v)| v)
                })?,
                None => attend(&q, &k, &v, false)?,
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
    // One look serves all values.
    let scale = 1.0 / (q.size()[3] as f64).sqrt();
    let looks = q
        .f_matmul(&k.f_transpose(-2, -1)?)?
        .f_mul_scalar(scale)?
        .f_softmax(-1, Kind::Float)?
        .f_to_kind(v.kind())?;
    let weighed = |v: &Tensor, weight: &Tensor| -> Result<Tensor> {
        let out = looks.f_matmul(v)?;
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
            old: &[],
            new: &[],
            away_from_source: true,
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
        let thing = || {
            let value = random(&[1, 2, 6, 5]);
            let mut thing = TextContext::default();
            thing.insert(0, random(&[1, 2, 6, 5]), value.shallow_clone());
            ([thing], value)
        };
        let ((old, old_value), (new, new_value)) = (thing(), thing());
        let half = |value: f64| Tensor::full([1, 1, 16, 8], value, CPU);
        let left = Tensor::cat(&[half(1.0), half(0.0)], 3);
        let weights = Rc::new(RegionWeights::new(&[left], 2, 2).unwrap());
        let mut hook = EditAttention {
            keeps_structure: true,
            regions: Some(&weights),
            old: &old,
            new: &new,
            away_from_source: true,
        };
        let at = |x: &Tensor, row| x.narrow(0, row, 1);
        let plain = attend(&q, &k, &v, false).unwrap();
        let out = hook.attend(&site(true), &q, &k, &v).unwrap().unwrap();
        for (row, value) in [(SOURCE, &old_value), (TARGET, &new_value), (2, &old_value)] {
            // The weights are the prompt's, the values the thing's own.
            let own = attend(&at(&q, row), &at(&k, row), value, false).unwrap();
            let (out, plain) = (at(&out, row), at(&plain, row));
            for place in 0..4 {
                let wanted = if place % 2 == 0 { &own } else { &plain };
                let here = |x: &Tensor| x.narrow(2, place, 1);
                assert!(close(&here(&out), &here(wanted)), "{row} {place}");
            }
        }
        // A negative prompt holds everywhere.
        hook.away_from_source = false;
        let out = hook.attend(&site(true), &q, &k, &v).unwrap().unwrap();
        assert!(close(&at(&out, 2), &at(&plain, 2)));
    }
}
