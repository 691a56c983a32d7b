//! Decoupled cross-attention (IP-Adapter, arXiv 2308.06721): beside the text, attention to other
//! tokens, `out = attend(q, k, v) + λ · attend(q, k', v')`.

use tch::{Kind, Tensor};

use super::{AttentionSite, attend, feature_maps, no_such_map};
use crate::Result;

/// Keys and values of one adapter's tokens.
#[derive(Debug, Default)]
pub struct DecoupledBranch {
    /// λ; at 0 the branch does nothing at all.
    pub weight: f64,
    /// By attention index, `[1 or batch, heads, tokens, head_dim]` each; `None` where the adapter
    /// has none.
    pub keys_values: Vec<Option<(Tensor, Tensor)>>,
    /// By attention index, what λ is multiplied by there; 1 where there is none.
    pub layer_weights: Vec<f64>,
    /// Where in the picture it counts how much; absent for everywhere alike.
    pub places: Option<PlaceWeights>,
}

impl DecoupledBranch {
    /// The same keys and values, not copied.
    #[must_use]
    pub fn shallow_clone(&self) -> Self {
        let share = |(k, v): &(Tensor, Tensor)| (k.shallow_clone(), v.shallow_clone());
        let keys_values = self.keys_values.iter();
        Self {
            weight: self.weight,
            keys_values: keys_values.map(|e| e.as_ref().map(share)).collect(),
            layer_weights: self.layer_weights.clone(),
            places: self.places.as_ref().map(PlaceWeights::shallow_clone),
        }
    }

    /// `out` `[batch, heads, pixels, head_dim]` of the attention layer `site` with what this branch
    /// gives for its queries `q`, of the same shape; `out` itself where the branch does nothing.
    ///
    /// # Errors
    /// The branch has other weights of places than the layer has places, or memory runs out.
    pub fn add_to(&self, site: &AttentionSite, q: &Tensor, out: Tensor) -> Result<Tensor> {
        let Some(Some((k, v))) = self.keys_values.get(site.index) else {
            return Ok(out);
        };
        let weight = self.weight * self.layer_weights.get(site.index).unwrap_or(&1.0);
        if weight == 0.0 {
            return Ok(out);
        }
        let (batch, pixels) = (q.size()[0], q.size()[2]);
        let expand = |x: &Tensor| x.f_expand([batch, -1, -1, -1], false);
        let mut extra = attend(q, &expand(k)?, &expand(v)?, false)?;
        if let Some(places) = &self.places {
            extra = extra.f_mul(&places.at(pixels, site)?.f_to_kind(q.kind())?)?;
        }
        Ok(out.f_add(&extra.f_mul_scalar(weight)?)?)
    }

    /// Both along the batch, first `own`'s `batches.0` pictures and then `other`'s `batches.1`;
    /// where one is absent its pictures are left alone. `None` where the two hold different numbers
    /// of tokens or other weights.
    ///
    /// # Errors
    /// Memory runs out.
    pub fn beside(
        own: Option<&Self>,
        other: Option<&Self>,
        batches: (i64, i64),
    ) -> Result<Option<Self>> {
        let Some(like) = own.or(other) else {
            return Ok(None);
        };
        if let (Some(own), Some(other)) = (own, other)
            && (own.weight.to_bits(), &own.layer_weights)
                != (other.weight.to_bits(), &other.layer_weights)
        {
            return Ok(None);
        }
        let count = like.keys_values.len();
        let mut keys_values = Vec::with_capacity(count);
        for index in 0..count {
            let Some((k, v)) = &like.keys_values[index] else {
                keys_values.push(None);
                continue;
            };
            // Values of 0 add nothing, whatever the keys.
            let first = |x: &Tensor| -> Result<Tensor> { Ok(x.f_narrow(0, 0, 1)?.f_zeros_like()?) };
            let nothing = (first(k)?, first(v)?);
            let pair = |branch: Option<&Self>, batch: i64| -> Result<Option<(Tensor, Tensor)>> {
                let (k, v) = match branch {
                    None => &nothing,
                    Some(branch) => match branch.keys_values.get(index) {
                        Some(Some(pair)) if pair.0.size()[2] == k.size()[2] => pair,
                        _ => return Ok(None),
                    },
                };
                let expand = |x: &Tensor| x.f_expand([batch, -1, -1, -1], false);
                Ok(Some((expand(k)?, expand(v)?)))
            };
            let (Some(first), Some(second)) = (pair(own, batches.0)?, pair(other, batches.1)?)
            else {
                return Ok(None);
            };
            keys_values.push(Some((
                Tensor::f_cat(&[first.0, second.0], 0)?,
                Tensor::f_cat(&[first.1, second.1], 0)?,
            )));
        }
        Ok(Some(Self {
            weight: like.weight,
            keys_values,
            layer_weights: like.layer_weights.clone(),
            places: like.places.as_ref().map(PlaceWeights::shallow_clone),
        }))
    }
}

/// How much a branch counts at every place of every attention layer.
#[derive(Debug)]
pub struct PlaceWeights {
    /// By the number of pixels of the layer's feature map, `[1, 1, pixels, 1]` in fp32.
    grids: Vec<(i64, Tensor)>,
}

impl PlaceWeights {
    /// Samples `weight` `[1, 1, h, w]`, 0..=1 in pixels of the picture, at latents of `height` ×
    /// `width` and at every feature map below them: bicubically and without averaging, as Python
    /// diffusers' `IPAdapterMaskProcessor.downsample` does.
    ///
    /// # Errors
    /// Memory runs out.
    pub fn new(weight: &Tensor, height: i64, width: i64) -> Result<Self> {
        let weight = weight.f_to_kind(Kind::Float)?;
        let grid = |(h, w)| {
            let cells = weight.f_upsample_bicubic2d([h, w], false, None, None)?;
            Ok((h * w, cells.f_reshape([1, 1, h * w, 1])?))
        };
        let grids = feature_maps(height, width).map(grid);
        Ok(Self {
            grids: grids.collect::<Result<_>>()?,
        })
    }

    /// The same weights, not copied.
    #[must_use]
    pub fn shallow_clone(&self) -> Self {
        let grids = self.grids.iter();
        Self {
            grids: grids.map(|(n, grid)| (*n, grid.shallow_clone())).collect(),
        }
    }

    fn at(&self, pixels: i64, site: &AttentionSite) -> Result<&Tensor> {
        let found = self.grids.iter().find(|(count, _)| *count == pixels);
        found
            .map(|(_, grid)| grid)
            .ok_or_else(|| no_such_map("mask", pixels, site))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tch::{Device, Kind, Tensor};

    use super::{DecoupledBranch, PlaceWeights};
    use crate::layers::{AttentionSite, attend};

    fn random(shape: &[i64]) -> Tensor {
        Tensor::randn(shape, (Kind::Float, Device::Cpu))
    }

    fn site() -> AttentionSite {
        AttentionSite {
            name: "attn2".to_owned(),
            index: 1,
            is_cross: true,
        }
    }

    fn branch(weight: f64) -> DecoupledBranch {
        DecoupledBranch {
            weight,
            keys_values: vec![None, Some((random(&[1, 3, 2, 4]), random(&[1, 3, 2, 4])))],
            ..DecoupledBranch::default()
        }
    }

    fn alone(branch: &DecoupledBranch, q: &Tensor) -> Tensor {
        let (k, v) = branch.keys_values[1].as_ref().unwrap();
        attend(q, k, v, false).unwrap()
    }

    #[test]
    fn the_branch_adds_to_the_text_and_weight_zero_leaves_it_alone() {
        let (q, text) = (random(&[1, 3, 4, 4]), random(&[1, 3, 4, 4]));
        let mut own = branch(0.0);
        let add = |own: &DecoupledBranch| own.add_to(&site(), &q, text.shallow_clone()).unwrap();
        assert_eq!(add(&own), text);
        own.weight = 0.5;
        let want = &text + alone(&own, &q) * 0.5;
        assert!(add(&own).allclose(&want, 1e-5, 1e-6, false));
        own.layer_weights = vec![1.0, 0.5];
        let want = &text + alone(&own, &q) * 0.25;
        assert!(add(&own).allclose(&want, 1e-5, 1e-6, false));
        own.layer_weights = vec![1.0, 0.0];
        assert_eq!(add(&own), text);
        let elsewhere = AttentionSite { index: 0, ..site() };
        own.layer_weights.clear();
        let out = own.add_to(&elsewhere, &q, text.shallow_clone()).unwrap();
        assert_eq!(out, text);
    }

    #[test]
    fn black_places_stay_as_the_text_has_them() {
        let (q, text) = (random(&[1, 3, 4, 4]), random(&[1, 3, 4, 4]));
        let mut own = branch(1.0);
        let half = |value| Tensor::full([1, 1, 32, 16], value, (Kind::Float, Device::Cpu));
        let left = Tensor::cat(&[half(1.0), half(0.0)], 3);
        own.places = Some(PlaceWeights::new(&left, 2, 2).unwrap());
        let got = own.add_to(&site(), &q, text.shallow_clone()).unwrap();
        let whole = &text + alone(&own, &q);
        for (place, wanted) in [(0, &whole), (1, &text), (2, &whole), (3, &text)] {
            let at = |x: &Tensor| x.narrow(2, place, 1);
            assert!(at(&got).allclose(&at(wanted), 1e-5, 1e-6, false), "{place}");
        }
        let odd = random(&[1, 3, 5, 4]);
        let said = own.add_to(&site(), &odd, odd.shallow_clone()).unwrap_err();
        assert!(said.to_string().contains("5 places"), "{said}");
    }

    #[test]
    fn beside_another_each_picture_sees_its_own() {
        let (own, other) = (branch(0.7), branch(0.7));
        let (q, text) = (random(&[3, 3, 4, 4]), random(&[3, 3, 4, 4]));
        let at = |x: &Tensor, row: i64| x.narrow(0, row, 1);
        let both = DecoupledBranch::beside(Some(&own), Some(&other), (1, 2)).unwrap();
        let got = both
            .unwrap()
            .add_to(&site(), &q, text.shallow_clone())
            .unwrap();
        for (row, branch) in [(0, &own), (1, &other), (2, &other)] {
            let want = branch
                .add_to(&site(), &at(&q, row), at(&text, row))
                .unwrap();
            assert!(at(&got, row).allclose(&want, 1e-5, 1e-6, false), "{row}");
        }
        let second = DecoupledBranch::beside(None, Some(&other), (1, 2)).unwrap();
        let got = second
            .unwrap()
            .add_to(&site(), &q, text.shallow_clone())
            .unwrap();
        assert_eq!(at(&got, 0), at(&text, 0));
        assert_ne!(at(&got, 1), at(&text, 1));
        assert!(
            DecoupledBranch::beside(Some(&own), Some(&branch(0.5)), (1, 1))
                .unwrap()
                .is_none()
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn a_mask_and_its_inverse_share_the_branch_between_them(
            weight in -2.0_f64..2.0,
            grey in proptest::collection::vec(0.0_f32..=1.0, 64),
        ) {
            let (q, text) = (random(&[1, 3, 4, 4]), random(&[1, 3, 4, 4]));
            let mask = Tensor::from_slice(&grey).view([1, 1, 8, 8]);
            let whole = branch(weight);
            let through = |mask: &Tensor, text: Tensor| {
                let mut own = whole.shallow_clone();
                own.places = Some(PlaceWeights::new(mask, 2, 2).unwrap());
                own.add_to(&site(), &q, text).unwrap()
            };
            let first = through(&mask, text.shallow_clone());
            let both = through(&(1.0 - &mask), first);
            let want = whole.add_to(&site(), &q, text).unwrap();
            prop_assert!(both.allclose(&want, 1e-4, 1e-5, false));
        }
    }
}
