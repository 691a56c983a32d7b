//! Pictures as meters take them.

use tch::{Kind, Tensor};

use crate::picture::Picture;
use crate::{EngineError, Result};

/// Pictures of one size as `[batch, 3, height, width]` in -1..1, fp32, on the CPU.
///
/// # Errors
/// There is none, their sizes differ, or one holds another number of bytes than its size says.
pub fn picture_tensor(pictures: &[&Picture]) -> Result<Tensor> {
    let refuse = |problem: &str| Err(EngineError::request("picture", problem));
    let Some(first) = pictures.first() else {
        return refuse("there is none");
    };
    let (width, height) = (first.width_px as usize, first.height_px as usize);
    let mut bytes = Vec::with_capacity(pictures.len() * width * height * 3);
    for picture in pictures {
        if (picture.width_px, picture.height_px) != (first.width_px, first.height_px) {
            return refuse("pictures that are looked at together must be of one size");
        }
        if picture.rgb.len() != width * height * 3 {
            return refuse("it holds another number of bytes than its size says");
        }
        bytes.extend_from_slice(&picture.rgb);
    }
    let shape = [pictures.len() as i64, height as i64, width as i64, 3];
    let pixels = Tensor::f_from_slice(&bytes)?
        .f_view(shape)?
        .f_permute([0, 3, 1, 2])?
        .f_to_kind(Kind::Float)?;
    Ok(pixels.f_div_scalar(127.5)?.f_sub_scalar(1.0)?)
}

/// The whole picture as a region.
pub(super) const WHOLE: [f64; 4] = [0.0, 0.0, 1.0, 1.0];

/// What `region`, fractions `[left, top, right, bottom]`, shows of `pictures`
/// `[batch, 3, height, width]`; what sticks out is cut off.
///
/// # Errors
/// The region is empty.
pub(super) fn crop_region(pictures: &Tensor, region: [f64; 4]) -> Result<Tensor> {
    let (_, _, height, width) = pictures.size4()?;
    let edge = |part: f64, size: i64| ((part * size as f64).round() as i64).clamp(0, size);
    let (left, right) = (edge(region[0], width), edge(region[2], width));
    let (top, bottom) = (edge(region[1], height), edge(region[3], height));
    if right <= left || bottom <= top {
        let problem = format!("{region:?} is empty");
        return Err(EngineError::request("region", problem));
    }
    Ok(pictures
        .f_narrow(3, left, right - left)?
        .f_narrow(2, top, bottom - top)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_come_first_and_levels_span_minus_one_to_one() {
        let picture = Picture {
            width_px: 2,
            height_px: 1,
            rgb: vec![0, 51, 102, 153, 204, 255],
        };
        let tensor = picture_tensor(&[&picture, &picture]).unwrap();
        assert_eq!(tensor.size(), [2, 3, 1, 2]);
        let values: Vec<f32> = Vec::try_from(tensor.get(1).flatten(0, -1)).unwrap();
        for (value, want) in values.iter().zip([-1.0, 0.2, -0.6, 0.6, -0.2, 1.0]) {
            assert!((value - want).abs() < 1e-6, "{values:?}");
        }
        let other = Picture {
            width_px: 1,
            height_px: 2,
            ..picture.clone()
        };
        let cut = Picture {
            rgb: vec![0; 5],
            ..picture.clone()
        };
        assert!(picture_tensor(&[]).is_err());
        assert!(picture_tensor(&[&picture, &other]).is_err());
        assert!(picture_tensor(&[&cut]).is_err());
    }
}
