//! How much of a picture changed that nobody asked to change.

use serde::{Deserialize, Serialize};

use super::SsimMap;
use crate::picture::{Mask, Picture};
use crate::{EngineError, Result};

/// What an edit did outside of its masks, before the source's own pixels were put back there and
/// after.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Leakage {
    /// As the model drew it. What the autoencoder alone changes counts too.
    pub before: OutsideChange,
    /// As it was handed out.
    pub after: OutsideChange,
    /// The part of the picture that the masks cover, 0..=1.
    pub masked: f64,
}

/// How far two pictures are apart outside of all masks.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct OutsideChange {
    /// The largest difference of any channel, in 255ths.
    pub max: u8,
    /// The mean difference of all channels, in 255ths.
    pub mean: f64,
    /// Peak signal-to-noise ratio in dB; absent where nothing differs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub psnr_db: Option<f64>,
    /// Mean SSIM.
    pub ssim: f64,
}

impl Leakage {
    /// Compares what the model drew, `before`, and what was handed out, `after`, with `source`
    /// wherever `mask` is black.
    ///
    /// # Errors
    /// The sizes differ.
    pub fn of(source: &Picture, before: &Picture, after: &Picture, mask: &Mask) -> Result<Self> {
        Ok(Self {
            before: OutsideChange::of(source, before, mask)?,
            after: OutsideChange::of(source, after, mask)?,
            masked: mask.share(),
        })
    }

    /// One sentence for people.
    pub fn sentence(&self) -> String {
        let tell = |change: &OutsideChange| match change.psnr_db {
            None => "nothing changed".to_owned(),
            Some(psnr) => format!(
                "mean {:.2} and at most {} of 255, {psnr:.1} dB, SSIM {:.3}",
                change.mean, change.max, change.ssim
            ),
        };
        format!(
            "outside the masks: {}; before the source was put back there: {}",
            tell(&self.after),
            tell(&self.before)
        )
    }
}

impl OutsideChange {
    /// Compares `picture` with `source` wherever `mask` is black.
    ///
    /// # Errors
    /// The sizes differ.
    pub fn of(source: &Picture, picture: &Picture, mask: &Mask) -> Result<Self> {
        if (mask.width_px(), mask.height_px()) != (source.width_px, source.height_px) {
            let problem = "is not of the picture's size";
            return Err(EngineError::request("mask", problem));
        }
        let ssim = SsimMap::of(source, picture)?;
        let pixels = source.rgb.chunks_exact(3).zip(picture.rgb.chunks_exact(3));
        let (mut max, mut sum, mut squares, mut count) = (0_u8, 0_u64, 0_u64, 0_u64);
        for ((old, new), _) in pixels.zip(mask.coverage()).filter(|(_, c)| **c == 0) {
            for (old, new) in old.iter().zip(new) {
                let apart = old.abs_diff(*new);
                max = max.max(apart);
                sum += u64::from(apart);
                squares += u64::from(apart) * u64::from(apart);
                count += 1;
            }
        }
        let count = count.max(1) as f64;
        let width = source.width_px as usize;
        let outside = |x: usize, y: usize| mask.coverage()[y * width + x] == 0;
        Ok(Self {
            max,
            mean: sum as f64 / count,
            psnr_db: (squares > 0).then(|| 10.0 * (255.0 * 255.0 * count / squares as f64).log10()),
            ssim: ssim.mean_where(outside).unwrap_or(1.0),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(value: impl Fn(u32) -> u8) -> Picture {
        Picture {
            width_px: 32,
            height_px: 32,
            rgb: (0..32 * 32).flat_map(|i| [value(i % 32); 3]).collect(),
        }
    }

    #[test]
    fn only_what_lies_outside_of_the_mask_counts() {
        let source = picture(|_| 100);
        let left: Vec<u8> = (0..32 * 32).map(|i| 255 * u8::from(i % 32 < 16)).collect();
        let mask = Mask::from_coverage(32, 32, left).unwrap();
        let drawn = picture(|x| if x < 16 { 0 } else { 104 });
        let done = picture(|x| if x < 16 { 0 } else { 100 });
        let leakage = Leakage::of(&source, &drawn, &done, &mask).unwrap();
        assert_eq!((leakage.after.max, leakage.after.psnr_db), (0, None));
        assert!((leakage.before.mean - 4.0).abs() < 1e-9 && leakage.before.max == 4);
        let psnr = leakage.before.psnr_db.unwrap();
        assert!((psnr - 20.0 * (255.0_f64 / 4.0).log10()).abs() < 1e-9);
        assert!((leakage.masked - 0.5).abs() < 1e-9);
        assert!(
            leakage
                .sentence()
                .starts_with("outside the masks: nothing changed; before")
        );
        assert!(Leakage::of(&source, &drawn, &done, &Mask::new(8, 8)).is_err());
    }
}
