//! Pieces that several losses are made of.

use tch::{Kind, Reduction, Tensor};
use vernier_engine::Result;

/// Rows of `x` `[rows, width]` scaled to unit length, in fp32.
///
/// # Errors
/// A tensor operation failed.
pub fn unit_rows(x: &Tensor) -> Result<Tensor> {
    let x = x.f_to_kind(Kind::Float)?;
    let square = x.f_square()?;
    let norm = square
        .f_sum_dim_intlist([-1_i64].as_slice(), true, Kind::Float)?
        .f_sqrt()?;
    Ok(x.f_div(&norm.f_clamp_min(1e-8)?)?)
}

/// Mean cross-entropy, in nats, of `logits` `[rows, classes]` against class numbers `[rows]`
/// (int64).
///
/// # Errors
/// A class is out of range or a tensor operation failed.
pub fn cross_entropy(logits: &Tensor, classes: &Tensor) -> Result<Tensor> {
    let logs = logits.f_log_softmax(-1, Kind::Float)?;
    Ok(logs.f_nll_loss::<Tensor>(classes, None, Reduction::Mean, -100)?)
}

/// The number in a scalar tensor, without its graph.
///
/// # Errors
/// The tensor is no scalar.
pub fn figure(scalar: &Tensor) -> Result<f64> {
    Ok(f64::try_from(scalar.f_detach()?)?)
}

#[cfg(test)]
mod tests {
    use tch::{Kind, Tensor};

    use super::{cross_entropy, figure, unit_rows};

    #[test]
    fn rows_get_unit_length_and_keep_their_direction() {
        let x = Tensor::from_slice(&[3.0_f32, 4.0, 0.0, 0.0]).view([2, 2]);
        let rows: Vec<f32> = Vec::try_from(unit_rows(&x).unwrap().view([-1])).unwrap();
        assert!((rows[0] - 0.6).abs() < 1e-6 && (rows[1] - 0.8).abs() < 1e-6);
        // A row of zeros has no direction and stays what it is.
        assert_eq!(rows[2..], [0.0, 0.0]);
    }

    #[test]
    fn cross_entropy_is_the_mean_negative_log_probability() {
        let logits = Tensor::from_slice(&[0.0_f32, 0.0, 1.0, 3.0]).view([2, 2]);
        let classes = Tensor::from_slice(&[1_i64, 0]);
        let got = figure(&cross_entropy(&logits, &classes).unwrap()).unwrap();
        let want = f64::midpoint(2.0_f64.ln(), (1.0 + 2.0_f64.exp()).ln());
        assert!((got - want).abs() < 1e-6, "{got} {want}");
        assert_eq!(logits.kind(), Kind::Float);
    }
}
