//! What the autoencoder loses of the source, put back where the latents are still the source's.
//!
//! Virtual inversion lets the U-Net's error on the source fall out of the edit; this does the same
//! for the autoencoder: the picture is D(z) + w · (source − D(z₀)), with w = 1 where nothing has
//! changed and 0 where something has.

use tch::{Kind, Tensor};

use super::Editor;
use super::prepared::Prepared;
use crate::Result;
use crate::measure::picture_tensor;
use crate::render::source::coverage_tensor;

/// A cell whose latents have moved by more than this (root of the mean square over channels, of
/// latents of unit variance) shows something else.
const MOVED: f64 = 0.02;

impl Editor<'_> {
    /// `image`, `[1, 3, height, width]` as decoded from `latents`, with the source's detail.
    pub(super) fn with_detail(
        &self,
        image: &Tensor,
        latents: &Tensor,
        p: &Prepared,
    ) -> Result<Tensor> {
        let seen = picture_tensor(&[&p.source])?.f_to_device(self.device)?;
        let again = self.vae.decode(&self.vae.unscale(&p.clean)?)?;
        let lost = seen.f_sub(&again.f_to_kind(Kind::Float)?)?;
        let moved = latents
            .f_sub(&p.clean)?
            .f_square()?
            .f_mean_dim([1_i64].as_slice(), true, Kind::Float)?
            .f_sqrt()?
            .f_gt(MOVED)?
            .f_to_kind(Kind::Float)?;
        let (_, _, height, width) = seen.size4()?;
        let moved = moved.f_upsample_nearest2d([height, width], None, None)?;
        // Beside a thing its cells have moved too, but what stands there is the source's.
        let thing = coverage_tensor(&p.whole)?.f_to_device(self.device)?;
        let weight = moved.f_mul(&thing)?.f_neg()?.f_add_scalar(1.0)?;
        Ok(image.f_to_kind(Kind::Float)?.f_add(&lost.f_mul(&weight)?)?)
    }
}
