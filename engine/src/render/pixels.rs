//! From the decoder's output to bytes.

use tch::{Device, Kind, Tensor};

use crate::picture::Picture;
use crate::{EngineError, Result};

/// Turns one decoded image `[1, 3, h, w]` in −1..1 into 8-bit RGB, as `VaeImageProcessor` does:
/// `clamp(x / 2 + 0.5, 0, 1) · 255`, rounded half to even.
///
/// # Errors
/// The image holds NaN or infinite values, or is not of that shape.
pub fn to_picture(image: &Tensor) -> Result<Picture> {
    let (batch, channels, height, width) = image.size4()?;
    if (batch, channels) != (1, 3) {
        return Err(EngineError::request(
            "model",
            format!("the decoder gives {batch} images of {channels} channels, not one of 3"),
        ));
    }
    let image = image.f_to_device(Device::Cpu)?.f_to_kind(Kind::Float)?;
    if !is_finite(&image)? {
        return Err(EngineError::NotFinite {
            place: "decoder".to_owned(),
            problem: "the picture holds values that are not numbers; the VAE's weights are damaged"
                .to_owned(),
        });
    }
    let bytes = image
        .f_mul_scalar(0.5)?
        .f_add_scalar(0.5)?
        .f_clamp(0.0, 1.0)?
        .f_mul_scalar(255.0)?
        .f_round()?
        .f_to_kind(Kind::Uint8)?
        .f_permute([0, 2, 3, 1])?
        .f_contiguous()?;
    let mut rgb = vec![0; bytes.numel()];
    let count = rgb.len();
    bytes.f_copy_data_u8(&mut rgb, count)?;
    Ok(Picture {
        width_px: width as u32,
        height_px: height as u32,
        rgb,
    })
}

/// Whether every element is finite.
pub(super) fn is_finite(tensor: &Tensor) -> Result<bool> {
    Ok(bool::try_from(tensor.f_isfinite()?.f_all()?)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::picture_tensor;

    #[test]
    fn values_round_half_to_even_and_clamp() {
        // 2·(k + 0.5)/255 − 1 lies exactly between bytes k and k + 1.
        let between = |k: f64| 2.0 * (k + 0.5) / 255.0 - 1.0;
        let values = [-3.0, -1.0, 1.0, 7.0, 0.0, between(10.2)];
        let image = Tensor::from_slice(&values)
            .to_kind(Kind::Float)
            .view([1, 3, 1, 2]);
        let picture = to_picture(&image).unwrap();
        assert_eq!((picture.width_px, picture.height_px), (2, 1));
        // Channels interleave: red of both pixels was -3 and -1. 127.5 goes to the even 128.
        assert_eq!(picture.rgb, [0, 255, 128, 0, 255, 11]);
    }

    #[test]
    fn a_picture_becomes_a_tensor_and_the_same_picture_again() {
        let picture = Picture {
            width_px: 2,
            height_px: 1,
            rgb: vec![0, 1, 254, 255, 128, 7],
        };
        let tensor = picture_tensor(&[&picture]).unwrap();
        assert_eq!(tensor.size(), [1, 3, 1, 2]);
        assert!((tensor.double_value(&[0, 0, 0, 1]) - 1.0).abs() < 1e-6);
        assert_eq!(to_picture(&tensor).unwrap(), picture);
    }

    #[test]
    fn what_is_not_a_number_makes_no_picture() {
        let image = Tensor::full([1, 3, 2, 2], f64::NAN, (Kind::Float, Device::Cpu));
        let error = to_picture(&image).unwrap_err();
        assert!(matches!(error, EngineError::NotFinite { .. }), "{error}");
    }
}
