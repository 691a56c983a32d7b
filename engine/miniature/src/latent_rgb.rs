//! The linear map from latents to colours that previews are drawn with.

use serde_json::{Value, json};
use tch::{Device, Kind, Tensor};
use vernier_engine::Result;
use vernier_engine::models::vae::Vae;
use vernier_engine::render::LatentRgb;

use crate::loss::figure;

/// Pictures that are encoded at once.
const AT_ONCE: i64 = 64;

/// Fits colours to the latents of `pictures` `[batch, 3, h, w]` in -1..1: the linear map from the
/// latents, as the U-Net sees them, to the mean colour of the pixels that each stands for, with the
/// least square error. Gives the root mean square of what is left too, in grey levels of 255.
///
/// # Errors
/// A tensor operation failed, or the pictures are too few.
pub fn fit(vae: &Vae, pictures: &Tensor) -> Result<(LatentRgb, f64)> {
    let _guard = tch::no_grad_guard();
    let cells = vae.config().downscale();
    let (mut inputs, mut colors) = (Vec::new(), Vec::new());
    for part in pictures.f_split(AT_ONCE, 0)? {
        let latents = vae.scale(vae.encode(&part)?.mean())?;
        let ones = latents.f_narrow(1, 0, 1)?.f_ones_like()?;
        inputs.push(rows(&Tensor::f_cat(&[latents, ones], 1)?)?);
        let side = [cells, cells];
        let means = part.f_avg_pool2d(side, side, [0, 0], false, true, None::<i64>)?;
        colors.push(rows(&means.f_mul_scalar(0.5)?.f_add_scalar(0.5)?)?);
    }
    let (inputs, colors) = (Tensor::f_cat(&inputs, 0)?, Tensor::f_cat(&colors, 0)?);
    let transposed = inputs.f_tr()?;
    // Normal equations: few unknowns, well conditioned for standardised latents.
    let found =
        Tensor::f_linalg_solve(&transposed.f_mm(&inputs)?, &transposed.f_mm(&colors)?, true)?;
    let left = inputs.f_mm(&found)?.f_sub(&colors)?.f_square()?;
    let left = figure(&left.f_mean(Kind::Double)?)?.sqrt() * 255.0;
    let at = |row: i64, color: i64| -> Result<f32> {
        Ok(figure(&found.f_get(row)?.f_get(color)?)? as f32)
    };
    let channels = inputs.size()[1] - 1;
    let mut rgb = LatentRgb {
        factors: [const { Vec::new() }; 3],
        bias: [0.0; 3],
    };
    for (color, (factors, bias)) in rgb.factors.iter_mut().zip(&mut rgb.bias).enumerate() {
        for channel in 0..channels {
            factors.push(at(channel, color as i64)?);
        }
        *bias = at(channels, color as i64)?;
    }
    Ok((rgb, left))
}

/// What `vernier.json` says of it, to four places.
pub fn as_json(rgb: &LatentRgb) -> Value {
    let round = |value: f32| (f64::from(value) * 1e4).round() / 1e4;
    json!({
        "factors": rgb.factors.each_ref().map(|row| row.iter().copied().map(round).collect::<Vec<_>>()),
        "bias": rgb.bias.map(round),
    })
}

/// `[batch, channels, h, w]` as one row a cell, in fp64 on the CPU.
fn rows(t: &Tensor) -> Result<Tensor> {
    let channels = t.size4()?.1;
    let t = t.f_to_device(Device::Cpu)?.f_to_kind(Kind::Double)?;
    Ok(t.f_permute([0, 2, 3, 1])?.f_reshape([-1, channels])?)
}

#[cfg(test)]
mod tests {
    use tch::{Device, Kind};
    use vernier_engine::models::vae::{Vae, VaeConfig};
    use vernier_engine::weights::ParamStore;

    use super::{as_json, fit};
    use crate::config;
    use crate::pool::held_out_pictures;

    #[test]
    fn the_fit_leaves_less_than_the_mean_colour_does_and_is_the_same_each_time() {
        tch::manual_seed(3);
        let config = VaeConfig {
            block_out_channels: vec![8, 8, 8, 8],
            norm_num_groups: 4,
            ..config::vae_config().unwrap()
        };
        let store = ParamStore::fresh(Kind::Float, Device::Cpu);
        let vae = Vae::new(&store.root(), &config).unwrap();
        let pictures = held_out_pictures(6).unwrap();
        let (rgb, left) = fit(&vae, &pictures).unwrap();
        let means = pictures.avg_pool2d([8, 8], [8, 8], [0, 0], false, true, None::<i64>);
        let dims = [0_i64, 2, 3];
        let spread = means - pictures.mean_dim(dims.as_slice(), true, Kind::Float);
        let spread = spread.square().mean(Kind::Double).double_value(&[]).sqrt() * 127.5;
        assert!(left > 0.0 && left < spread, "{left} of {spread}");
        assert_eq!(fit(&vae, &pictures).unwrap().0, rgb);
        let read: vernier_engine::render::LatentRgb =
            serde_json::from_value(as_json(&rgb)).unwrap();
        assert!((read.bias[1] - rgb.bias[1]).abs() < 1e-4);
    }
}
