//! Where the words of a prompt are in a picture, by the model's own attention.
//!
//! The source is noised to a few levels and shown to the U-Net under its prompt. How much every
//! place attends to a word (cross-attention, as prompt-to-prompt reads it, arXiv 2208.01626) is
//! spread along the places that look alike to the U-Net (self-attention as a random walk, as in
//! DiffSegmenter, arXiv 2309.02773).

use std::collections::HashMap;
use std::ops::Range;

use tch::{Kind, Tensor};

use crate::layers::{AttentionHook, AttentionSite, feature_maps};
use crate::{EngineError, Result};

/// The most places of a feature map whose attention is kept: the square of it must fit in memory,
/// and finer maps say little of things.
const MOST_PLACES: i64 = 1024;

/// Steps of the walk along the self-attention.
const SPREAD: usize = 2;

/// Hears the attention of calls of batch 1.
#[derive(Debug, Default)]
pub(super) struct AttentionMaps {
    /// By places: the sum of all layers' weights `[places, tokens]`, and how many they are.
    words: HashMap<i64, (Tensor, f64)>,
    /// The same for the weights of the picture on itself, `[places, places]`.
    own: HashMap<i64, (Tensor, f64)>,
}

impl AttentionHook for AttentionMaps {
    fn attend(
        &mut self,
        site: &AttentionSite,
        q: &Tensor,
        k: &Tensor,
        v: &Tensor,
    ) -> Result<Option<Tensor>> {
        let places = q.size()[2];
        if places > MOST_PLACES {
            return Ok(None);
        }
        let scale = 1.0 / (q.size()[3] as f64).sqrt();
        let weights = q
            .f_matmul(&k.f_transpose(-2, -1)?)?
            .f_mul_scalar(scale)?
            .f_softmax(-1, Kind::Float)?;
        // The mean over the heads of the only picture.
        let mean = weights.f_mean_dim([0, 1].as_slice(), false, Kind::Float)?;
        let kept = if site.is_cross {
            &mut self.words
        } else {
            &mut self.own
        };
        let (sum, count) = match kept.remove(&places) {
            Some((sum, count)) => (sum.f_add(&mean)?, count + 1.0),
            None => (mean, 1.0),
        };
        kept.insert(places, (sum, count));
        Ok(Some(weights.f_to_kind(v.kind())?.f_matmul(v)?))
    }
}

impl AttentionMaps {
    /// How much each place belongs to the words at `tokens`, from 0 to 1, `[1, 1, h, w]` on the
    /// finest map that was kept; `height` and `width` are those of the latents.
    ///
    /// # Errors
    /// Nothing was heard, or the maps are of another picture.
    pub(super) fn of_words(
        &self,
        tokens: &Range<usize>,
        height: i64,
        width: i64,
    ) -> Result<Tensor> {
        let size_of = |places: i64| feature_maps(height, width).find(|(h, w)| h * w == places);
        let finest = self.own.keys().max().copied();
        let (h, w) = finest.and_then(size_of).ok_or_else(|| {
            EngineError::request(
                "edit",
                "this model's attention tells nothing of where things are; give masks",
            )
        })?;
        let mut map: Option<Tensor> = None;
        for (&places, (sum, count)) in &self.words {
            let Some((own_h, own_w)) = size_of(places) else {
                continue;
            };
            let words = sum
                .f_narrow(1, tokens.start as i64, tokens.len() as i64)?
                .f_mean_dim([1].as_slice(), false, Kind::Float)?
                .f_div_scalar(*count)?
                .f_view([1, 1, own_h, own_w])?
                .f_upsample_bilinear2d([h, w], false, None, None)?;
            map = Some(match map {
                Some(before) => before.f_add(&words)?,
                None => words,
            });
        }
        let mut map = map
            .ok_or_else(|| EngineError::request("edit", "this model reads no text; give masks"))?
            .f_view([h * w, 1])?;
        if let Some((sum, count)) = self.own.get(&(h * w)) {
            let walk = sum.f_div_scalar(*count)?;
            for _ in 0..SPREAD {
                map = walk.f_matmul(&map)?;
            }
        }
        let low = map.f_min()?;
        let range = map.f_max()?.f_sub(&low)?.f_clamp_min(1e-12)?;
        Ok(map.f_sub(&low)?.f_div(&range)?.f_view([1, 1, h, w])?)
    }
}

#[cfg(test)]
mod tests {
    use tch::Device;

    use super::*;

    fn site(is_cross: bool) -> AttentionSite {
        AttentionSite {
            name: "attn".to_owned(),
            index: usize::from(is_cross),
            is_cross,
        }
    }

    /// One head of four places, 2 × 2.
    fn tensor(rows: &[[f32; 2]]) -> Tensor {
        let flat: Vec<f32> = rows.iter().flatten().copied().collect();
        Tensor::from_slice(&flat).view([1, 1, rows.len() as i64, 2])
    }

    #[test]
    fn a_word_is_where_places_attend_to_it_and_where_it_looks_alike() {
        let mut maps = AttentionMaps::default();
        // Places 0 and 1 look alike, and so do 2 and 3; only place 0 attends to token 1.
        let alike = tensor(&[[9.0, 0.0], [9.0, 0.0], [0.0, 9.0], [0.0, 9.0]]);
        maps.attend(&site(false), &alike, &alike, &alike).unwrap();
        let looks = tensor(&[[9.0, 0.0], [0.0, 9.0], [0.0, 9.0], [0.0, 9.0]]);
        let tokens = tensor(&[[0.0, 9.0], [9.0, 0.0]]);
        let out = maps.attend(&site(true), &looks, &tokens, &tokens).unwrap();
        // What it took over is the attention itself.
        let wanted = crate::layers::attend(&looks, &tokens, &tokens, false).unwrap();
        assert!(out.unwrap().allclose(&wanted, 1e-5, 1e-6, false));
        let map = maps.of_words(&(1..2), 2, 2).unwrap();
        let map = Vec::<f32>::try_from(map.flatten(0, -1)).unwrap();
        assert!(map[0] > 0.99 && map[1] > 0.99, "{map:?}");
        assert!(map[2] < 0.01 && map[3] < 0.01, "{map:?}");
    }

    #[test]
    fn maps_of_another_picture_are_refused() {
        let mut maps = AttentionMaps::default();
        let q = Tensor::randn([1, 1, 6, 2], (Kind::Float, Device::Cpu));
        maps.attend(&site(false), &q, &q, &q).unwrap();
        maps.attend(&site(true), &q, &q, &q).unwrap();
        assert!(maps.of_words(&(0..1), 2, 3).is_ok());
        let said = maps.of_words(&(0..1), 5, 5).unwrap_err().to_string();
        assert!(said.contains("give masks"), "{said}");
    }
}
