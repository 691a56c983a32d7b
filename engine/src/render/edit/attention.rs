//! What an edit does in the attention layers, on a batch of the source, the target, and where there
//! is guidance the target under the negative prompt.

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
    /// What the target reads where; `None` where it reads its prompt everywhere.
    pub(super) regions: Option<EditRegions<'a>>,
}

/// Words of every thing, and where they hold.
#[derive(Clone, Copy)]
pub(super) struct EditRegions<'a> {
    pub(super) weights: &'a RegionWeights,
    pub(super) things: &'a [TextContext],
    /// Whether things are looked at by their own keys, and the rest reads the source's words;
    /// otherwise the whole prompt's attention weights are multiplied by the values of each thing
    /// (arXiv 2412.04715, RGB-CAM).
    pub(super) own_keys: bool,
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
        let Some(regions) = &self.regions else {
            return Ok(None);
        };
        let row = |x: &Tensor, at: i64| -> Result<Tensor> { Ok(x.f_narrow(0, at, 1)?) };
        let mut out = Vec::with_capacity(3);
        for at in 0..q.size()[0] {
            out.push(if at != TARGET {
                attend(&row(q, at)?, &row(k, at)?, &row(v, at)?, false)?
            } else if regions.own_keys {
                let rest = attend(&row(q, at)?, &row(k, SOURCE)?, &row(v, SOURCE)?, false)?;
                regions.by_their_keys(site, &row(q, at)?, &rest)?
            } else {
                regions.by_shared_weights(site, &row(q, at)?, &row(k, at)?, &row(v, at)?)?
            });
        }
        Ok(Some(Tensor::f_cat(&out, 0)?))
    }
}

impl EditRegions<'_> {
    /// At every place attention to the words of what stands there, and `rest` elsewhere.
    fn by_their_keys(&self, site: &AttentionSite, q: &Tensor, rest: &Tensor) -> Result<Tensor> {
        self.blended(site, rest, |thing| {
            let (k, v) = thing.get(site)?;
            attend(q, k, v, false)
        })
    }

    /// The attention weights of the whole prompt, and at every place the values of what stands there.
    fn by_shared_weights(
        &self,
        site: &AttentionSite,
        q: &Tensor,
        k: &Tensor,
        v: &Tensor,
    ) -> Result<Tensor> {
        // One look serves all values.
        let scale = 1.0 / (q.size()[3] as f64).sqrt();
        let looks = q
            .f_matmul(&k.f_transpose(-2, -1)?)?
            .f_mul_scalar(scale)?
            .f_softmax(-1, Kind::Float)?
            .f_to_kind(v.kind())?;
        self.blended(site, &looks.f_matmul(v)?, |thing| {
            Ok(looks.f_matmul(thing.get(site)?.1)?)
        })
    }

    /// `rest` and what `of_thing` says of every thing, each as much as it holds at a place.
    fn blended(
        &self,
        site: &AttentionSite,
        rest: &Tensor,
        of_thing: impl Fn(&TextContext) -> Result<Tensor>,
    ) -> Result<Tensor> {
        let grid = self.weights.at(rest.size()[2], site)?;
        let Some((own, regions)) = grid.split_first() else {
            return Ok(rest.shallow_clone());
        };
        let weighed = |out: &Tensor, weight: &Tensor| -> Result<Tensor> {
            Ok(out.f_to_kind(Kind::Float)?.f_mul(weight)?)
        };
        let mut sum = weighed(rest, own)?;
        for (thing, weight) in self.things.iter().zip(regions) {
            sum = sum.f_add(&weighed(&of_thing(thing)?, weight)?)?;
        }
        Ok(sum.f_to_kind(rest.kind())?)
    }
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
        let (own_k, own_v) = (random(&[1, 2, 6, 5]), random(&[1, 2, 6, 5]));
        let mut thing = TextContext::default();
        thing.insert(0, own_k.shallow_clone(), own_v.shallow_clone());
        let things = [thing];
        let half = |value: f64| Tensor::full([1, 1, 16, 8], value, CPU);
        let left = Tensor::cat(&[half(1.0), half(0.0)], 3);
        let weights = RegionWeights::new(&[left], 2, 2).unwrap();
        let at = |x: &Tensor, row| x.narrow(0, row, 1);
        let plain = attend(&q, &k, &v, false).unwrap();
        for own_keys in [false, true] {
            let mut hook = EditAttention {
                keeps_structure: true,
                regions: Some(EditRegions {
                    weights: &weights,
                    things: &things,
                    own_keys,
                }),
            };
            let out = hook.attend(&site(true), &q, &k, &v).unwrap().unwrap();
            for row in [SOURCE, TARGET + 1] {
                assert!(close(&at(&out, row), &at(&plain, row)), "{row}");
            }
            let target_q = at(&q, TARGET);
            // The published form shares the prompt's weights; ours reads the source's elsewhere.
            let (thing_k, rest) = if own_keys {
                (own_k.shallow_clone(), SOURCE)
            } else {
                (at(&k, TARGET), TARGET)
            };
            let own = attend(&target_q, &thing_k, &own_v, false).unwrap();
            let rest = attend(&target_q, &at(&k, rest), &at(&v, rest), false).unwrap();
            let target = at(&out, TARGET);
            for place in 0..4 {
                let wanted = if place % 2 == 0 { &own } else { &rest };
                let here = |x: &Tensor| x.narrow(2, place, 1);
                assert!(close(&here(&target), &here(wanted)), "{own_keys} {place}");
            }
        }
    }
}
