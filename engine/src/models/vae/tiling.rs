//! Pictures too large for the autoencoder as a whole: tile by tile, with blended seams.
//!
//! Tiles, overlaps and blending are those of Python diffusers' `enable_tiling`.

use tch::{Kind, Tensor};

use super::VaeConfig;
use crate::Result;

/// Of a tile's side, this much lies over the tile before it.
const OVERLAP: f64 = 0.25;

/// Pixels of a picture, as a whole, beyond which the autoencoder takes it tile by tile: 1536 × 1024.
/// The size alone decides, so that a recipe's picture does not depend on the memory that is free.
const MOST_WHOLE_PX: i64 = 1536 * 1024;

/// Fewest pixels of a tile's side: smaller ones know too little of what is around them.
const LEAST_TILE_PX: i64 = 512;

/// How a picture is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tiling {
    /// Side of a tile in pixels, a multiple of the autoencoder's downscale.
    pub tile_px: i64,
}

impl Tiling {
    /// How a picture of this size in pixels is cut; `None` where it goes through as a whole.
    pub fn of(config: &VaeConfig, height: i64, width: i64) -> Option<Self> {
        let side = config.sample_size.get(0).unwrap_or(LEAST_TILE_PX);
        let downscale = config.downscale();
        (height.saturating_mul(width) > MOST_WHOLE_PX).then(|| Self {
            tile_px: side.max(LEAST_TILE_PX) / downscale * downscale,
        })
    }
}

/// A tile's side and what is blended, on both sides of the network.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cut {
    /// Side of a tile of the input.
    pub(super) tile: i64,
    /// Side of what becomes of it.
    pub(super) made: i64,
}

impl Cut {
    /// `run` on `input` `[batch, channels, h, w]` tile by tile.
    pub(super) fn run(
        self,
        input: &Tensor,
        run: impl Fn(&Tensor) -> Result<Tensor>,
    ) -> Result<Tensor> {
        let part = |side: i64, of: f64| ((side as f64 * of) as i64).max(1);
        let stride = part(self.tile, 1.0 - OVERLAP);
        let seam = part(self.made, OVERLAP);
        let kept = (self.made - seam).max(1);
        let (_, _, height, width) = input.size4()?;
        let starts = |side: i64| (0..side).step_by(stride as usize);
        let tile = |at: i64, side: i64| self.tile.min(side - at);
        let mut rows = Vec::new();
        let mut above: Vec<Tensor> = Vec::new();
        for y in starts(height) {
            let mut row: Vec<Tensor> = Vec::with_capacity(above.len());
            for (column, x) in starts(width).enumerate() {
                let part = input.f_narrow(2, y, tile(y, height))?;
                let mut made = run(&part.f_narrow(3, x, tile(x, width))?)?;
                if let Some(above) = above.get(column) {
                    made = blend(above, &made, seam, 2)?;
                }
                if let Some(left) = row.last() {
                    made = blend(left, &made, seam, 3)?;
                }
                row.push(made);
            }
            let cut = row.iter().map(|made| {
                let (_, _, height, width) = made.size4()?;
                let made = made.f_narrow(2, 0, kept.min(height))?;
                Ok(made.f_narrow(3, 0, kept.min(width))?)
            });
            rows.push(Tensor::f_cat(&cut.collect::<Result<Vec<_>>>()?, 3)?);
            above = row;
        }
        Ok(Tensor::f_cat(&rows, 2)?)
    }
}

/// `next` with the end of `last` faded out over its first `seam` along `dim`.
fn blend(last: &Tensor, next: &Tensor, seam: i64, dim: i64) -> Result<Tensor> {
    let side = |tensor: &Tensor| tensor.size()[dim as usize];
    let seam = seam.min(side(last)).min(side(next));
    let mut shape = [1; 4];
    shape[dim as usize] = seam;
    let ramp = Tensor::f_arange(seam, (Kind::Float, next.device()))?
        .f_div_scalar(seam)?
        .f_view(shape)?
        .f_to_kind(next.kind())?;
    let end = last.f_narrow(dim, side(last) - seam, seam)?;
    let begin = next.f_narrow(dim, 0, seam)?;
    let fading = end.f_mul(&ramp.f_neg()?.f_add_scalar(1.0)?)?;
    let mixed = fading.f_add(&begin.f_mul(&ramp)?)?;
    let rest = next.f_narrow(dim, seam, side(next) - seam)?;
    Ok(Tensor::f_cat(&[mixed, rest], dim)?)
}

#[cfg(test)]
mod tests {
    use super::{Tiling, VaeConfig};
    use crate::models::PerBlock;

    #[test]
    fn large_pictures_are_cut_by_what_the_model_was_trained_on() {
        let config = |side| VaeConfig {
            block_out_channels: vec![128, 256, 512, 512],
            sample_size: PerBlock::All(side),
            ..VaeConfig::default()
        };
        assert_eq!(Tiling::of(&config(512), 1024, 1536), None);
        let of = |side| Tiling::of(&config(side), 1032, 1536).map(|tiling| tiling.tile_px);
        assert_eq!(
            (of(512), of(1024), of(64), of(515)),
            (Some(512), Some(1024), Some(512), Some(512))
        );
    }
}
