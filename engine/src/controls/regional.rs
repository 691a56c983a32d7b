//! Words for parts of a picture: in every cross-attention each region attends to its own text, and
//! the outputs are blended by masks (the region form of MultiDiffusion's and Composable Diffusion's
//! masked sums, taken inside the attention).

use std::collections::HashMap;
use std::rc::Rc;

use tch::{Kind, Tensor};

use crate::Result;
use crate::layers::{AttentionHook, AttentionSite, attend, feature_maps, no_such_map};
use crate::models::unet::TextContext;

/// How much each region counts at every place of every attention layer.
#[derive(Debug)]
pub struct RegionWeights {
    /// By the number of pixels of the layer's feature map: the prompt's own weight, then that of
    /// each region, `[1, 1, pixels, 1]` in fp32. They sum to 1.
    grids: HashMap<i64, Vec<Tensor>>,
}

impl RegionWeights {
    /// Averages `weights` `[1, 1, h, w]`, 0..=1, one a region and in pixels of the picture, over
    /// the cells of latents of `height` × `width` and of every feature map below them. Where they
    /// sum above 1 they are divided by their sum.
    ///
    /// # Errors
    /// The tensors' shapes differ, or memory runs out.
    pub fn new(weights: &[Tensor], height: i64, width: i64) -> Result<Self> {
        Self::reaching(weights, height, width, 1.0)
    }

    /// As [`RegionWeights::new`], where a cell belongs to the regions wholly from 1/`reach` of it
    /// on, each as much of it as it covers more than the others.
    ///
    /// # Errors
    /// As [`RegionWeights::new`].
    pub fn reaching(weights: &[Tensor], height: i64, width: i64, reach: f64) -> Result<Self> {
        let Some(first) = weights.first() else {
            return Ok(Self {
                grids: HashMap::new(),
            });
        };
        let mut sum = first.f_zeros_like()?;
        for weight in weights {
            sum = sum.f_add(weight)?;
        }
        let over = sum.f_clamp_min(1.0)?;
        let shares = weights
            .iter()
            .map(|weight| Ok(weight.f_div(&over)?))
            .collect::<Result<Vec<_>>>()?;
        let mut grids = HashMap::new();
        for (h, w) in feature_maps(height, width) {
            let cells_of = |share: &Tensor| -> Result<Tensor> {
                let cells = share.f_adaptive_avg_pool2d([h, w])?;
                Ok(cells.f_view([1, 1, h * w, 1])?.f_mul_scalar(reach)?)
            };
            let mut over = Tensor::f_ones([1, 1, h * w, 1], (first.kind(), first.device()))?;
            if reach > 1.0 {
                let mut sum = over.f_zeros_like()?;
                for share in &shares {
                    sum = sum.f_add(&cells_of(share)?)?;
                }
                over = sum.f_clamp_min(1.0)?;
            }
            let mut own = None;
            let mut all = Vec::with_capacity(shares.len() + 1);
            for share in &shares {
                let cells = cells_of(share)?.f_div(&over)?;
                own = Some(match own.take() {
                    None => cells.f_neg()?.f_add_scalar(1.0)?,
                    Some(own) => cells.f_neg()?.f_add(&own)?,
                });
                all.push(cells);
            }
            all.splice(0..0, own.map(|own| own.f_clamp_min(0.0)).transpose()?);
            grids.insert(h * w, all);
        }
        Ok(Self { grids })
    }

    /// The prompt's own weight and that of each region on a feature map of `pixels` places.
    ///
    /// # Errors
    /// No halving of the picture has so many places.
    pub fn at(&self, pixels: i64, site: &AttentionSite) -> Result<&[Tensor]> {
        let found = self.grids.get(&pixels).map(Vec::as_slice);
        found.ok_or_else(|| no_such_map("regions", pixels, site))
    }
}

/// Regions at work.
#[derive(Debug)]
pub struct RegionalAttention {
    weights: Rc<RegionWeights>,
    /// The keys and values of each region's text.
    texts: Vec<TextContext>,
}

impl RegionalAttention {
    /// A hook of these regions, one text for each weight but the prompt's own.
    pub fn new(weights: Rc<RegionWeights>, texts: Vec<TextContext>) -> Self {
        Self { weights, texts }
    }

    fn text(&self, site: &AttentionSite, q: &Tensor, k: &Tensor, v: &Tensor) -> Result<Tensor> {
        let (batch, pixels, kind) = (q.size()[0], q.size()[2], q.kind());
        let weights = self.weights.at(pixels, site)?;
        let weighed = |out: Tensor, weight: &Tensor| -> Result<Tensor> {
            Ok(out.f_to_kind(Kind::Float)?.f_mul(weight)?)
        };
        let Some((own, regions)) = weights.split_first() else {
            return attend(q, k, v, false);
        };
        let mut sum = weighed(attend(q, k, v, false)?, own)?;
        for (text, weight) in self.texts.iter().zip(regions) {
            let (k, v) = text.get(site)?;
            let expand = |x: &Tensor| x.f_expand([batch, -1, -1, -1], false);
            let out = attend(q, &expand(k)?, &expand(v)?, false)?;
            sum = sum.f_add(&weighed(out, weight)?)?;
        }
        Ok(sum.f_to_kind(kind)?)
    }
}

impl AttentionHook for RegionalAttention {
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
        self.text(site, q, k, v).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tch::Device;

    use super::*;

    fn random(shape: &[i64]) -> Tensor {
        Tensor::randn(shape, (Kind::Float, Device::Cpu))
    }

    fn rest(h: i64, w: i64, value: f64) -> Tensor {
        Tensor::full([1, 1, h, w], value, (Kind::Float, Device::Cpu))
    }

    #[test]
    fn regions_may_reach_as_far_as_they_cover_a_part_of_a_cell() {
        // A cell of 4 pixels, of which the first region covers one and the second none or two.
        let region = |pixels: [f32; 4]| Tensor::from_slice(&pixels).view([1, 1, 2, 2]);
        let shares = |regions: &[Tensor], reach: f64| -> Vec<f64> {
            let weights = RegionWeights::reaching(regions, 1, 1, reach).unwrap();
            let all = weights.grids[&1].iter();
            all.map(|weight| weight.double_value(&[0, 0, 0, 0]))
                .collect()
        };
        let one = region([1.0, 0.0, 0.0, 0.0]);
        assert_eq!(shares(&[one.shallow_clone()], 1.0), [0.75, 0.25]);
        assert_eq!(shares(&[one.shallow_clone()], 2.0), [0.5, 0.5]);
        assert_eq!(shares(&[one.shallow_clone()], 8.0), [0.0, 1.0]);
        let two = region([0.0, 1.0, 1.0, 0.0]);
        let parted = shares(&[one, two], 4.0);
        assert!(parted[0].abs() < 1e-6 && (2.0 * parted[1] - parted[2]).abs() < 1e-6);
    }

    #[test]
    fn feature_maps_that_fit_no_halving_are_refused() {
        let weights = RegionWeights::new(&[rest(64, 64, 1.0)], 8, 8).unwrap();
        let site = AttentionSite {
            name: "attn2".to_owned(),
            index: 0,
            is_cross: true,
        };
        assert!(weights.at(16, &site).is_ok());
        let said = weights.at(15, &site).unwrap_err().to_string();
        assert!(said.contains("15 places"), "{said}");
    }

    #[test]
    fn a_halved_picture_is_the_mean_of_its_pixels() {
        // Odd halvings round up, as the U-Net's do.
        let left = Tensor::cat(&[rest(40, 20, 1.0), rest(40, 20, 0.0)], 3);
        let weights = RegionWeights::new(&[left], 5, 5).unwrap();
        let mut sides: Vec<i64> = weights.grids.keys().copied().collect();
        sides.sort_unstable();
        assert_eq!(sides, [1, 4, 9, 25]);
        let whole = &weights.grids[&1];
        assert!((whole[1].double_value(&[0, 0, 0, 0]) - 0.5).abs() < 1e-6);
        // The middle column of five is half covered.
        assert!((weights.grids[&25][1].double_value(&[0, 0, 2, 0]) - 0.5).abs() < 1e-6);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn weights_never_sum_above_one_and_the_prompt_takes_the_rest(
            values in proptest::collection::vec(0.0_f64..=1.0, 1..4),
        ) {
            let layers: Vec<Tensor> = values.iter().map(|&v| rest(16, 16, v)).collect();
            let weights = RegionWeights::new(&layers, 2, 2).unwrap();
            for grid in weights.grids.values() {
                let sum: f64 = grid.iter().map(|w| w.double_value(&[0, 0, 0, 0])).sum();
                prop_assert!((sum - 1.0).abs() < 1e-5);
                prop_assert!(grid.iter().all(|w| w.double_value(&[0, 0, 0, 0]) >= 0.0));
                let total: f64 = values.iter().sum();
                let first = grid[1].double_value(&[0, 0, 0, 0]);
                prop_assert!((first - values[0] / total.max(1.0)).abs() < 1e-5);
            }
        }
    }

    #[test]
    fn each_place_attends_to_its_own_text() {
        let q = random(&[1, 2, 4, 3]);
        let (k, v) = (random(&[1, 2, 5, 3]), random(&[1, 2, 5, 3]));
        let (own_k, own_v) = (random(&[1, 2, 7, 3]), random(&[1, 2, 7, 3]));
        let mut text = TextContext::default();
        text.insert(0, own_k.shallow_clone(), own_v.shallow_clone());
        let left = Tensor::cat(&[rest(16, 8, 1.0), rest(16, 8, 0.0)], 3);
        let weights = Rc::new(RegionWeights::new(&[left], 2, 2).unwrap());
        let mut hook = RegionalAttention::new(weights, vec![text]);
        let site = AttentionSite {
            name: "attn2".to_owned(),
            index: 0,
            is_cross: true,
        };
        let got = hook.attend(&site, &q, &k, &v).unwrap().unwrap();
        let (base, own) = (
            attend(&q, &k, &v, false).unwrap(),
            attend(&q, &own_k, &own_v, false).unwrap(),
        );
        // Places go row by row: 0 and 2 are left.
        for (place, wanted) in [(0, &own), (1, &base), (2, &own), (3, &base)] {
            let at = |x: &Tensor| x.narrow(2, place, 1);
            assert!(at(&got).allclose(&at(wanted), 1e-5, 1e-6, false), "{place}");
        }
    }
}
