//! Independent normal distributions, as variational autoencoders predict them.

use tch::{Kind, Tensor};

use crate::Result;

/// Log-variances are kept within these, so that neither a variance nor its inverse overflows.
const LOGVAR_RANGE: (f64, f64) = (-12.0, 8.0);

/// A normal distribution with a diagonal covariance for each row.
#[derive(Debug)]
pub struct DiagonalGaussian {
    /// `[batch, dim]`.
    pub mean: Tensor,
    /// Logarithms of the variances, `[batch, dim]`, within -12..8.
    pub logvar: Tensor,
}

impl DiagonalGaussian {
    /// From a network's outputs `[batch, 2·dim]`: means first, then log-variances, which are
    /// clamped to -12..8.
    ///
    /// # Errors
    /// Memory runs out.
    pub fn from_outputs(outputs: &Tensor) -> Result<Self> {
        let parts = outputs.f_chunk(2, -1)?;
        Ok(Self {
            mean: parts[0].shallow_clone(),
            logvar: parts[1].f_clamp(LOGVAR_RANGE.0, LOGVAR_RANGE.1)?,
        })
    }

    /// `mean + σ · noise`, with standard normal `noise` `[batch, dim]`.
    ///
    /// # Errors
    /// Shapes disagree or memory runs out.
    pub fn sample(&self, noise: &Tensor) -> Result<Tensor> {
        let deviation = self.logvar.f_mul_scalar(0.5)?.f_exp()?;
        Ok(self.mean.f_add(&deviation.f_mul(noise)?)?)
    }

    /// Kullback-Leibler divergence KL(self ‖ prior) of each row, `[batch]`, in nats:
    /// `½ Σ [ln(σ_p²/σ_q²) + (σ_q² + (μ_q − μ_p)²)/σ_p² − 1]`.
    ///
    /// # Errors
    /// Shapes disagree or memory runs out.
    pub fn kl(&self, prior: &Self) -> Result<Tensor> {
        let log_ratio = prior.logvar.f_sub(&self.logvar)?;
        let distance = self.mean.f_sub(&prior.mean)?.f_square()?;
        let spread = self.logvar.f_exp()?.f_add(&distance)?;
        let scaled = spread.f_mul(&prior.logvar.f_neg()?.f_exp()?)?;
        let terms = log_ratio.f_add(&scaled)?.f_sub_scalar(1.0)?;
        let sum = terms.f_sum_dim_intlist([-1_i64].as_slice(), false, None::<Kind>)?;
        Ok(sum.f_mul_scalar(0.5)?)
    }
}

#[cfg(test)]
mod tests {
    use tch::{Device, Kind, Tensor};

    use super::DiagonalGaussian;

    fn gaussian(mean: &[f32], logvar: &[f32]) -> DiagonalGaussian {
        let row = |x: &[f32]| Tensor::from_slice(x).view([1, -1]);
        DiagonalGaussian {
            mean: row(mean),
            logvar: row(logvar),
        }
    }

    fn nats(q: &DiagonalGaussian, p: &DiagonalGaussian) -> f64 {
        q.kl(p).unwrap().double_value(&[0])
    }

    #[test]
    fn the_divergence_is_the_one_worked_out_by_hand() {
        // Per dimension: ln(σp/σq) + (σq² + (μq − μp)²)/(2σp²) − ½, from the standard deviations.
        let (q, p) = (
            gaussian(&[0.3, -1.0, 2.0], &[0.0, -1.2, 0.7]),
            gaussian(&[0.0, 0.5, 2.0], &[0.4, 0.0, 0.7]),
        );
        let by_hand = |mq: f64, lq: f64, mp: f64, lp: f64| {
            let (sq, sp) = ((lq / 2.0).exp(), (lp / 2.0).exp());
            (sp / sq).ln() + (sq * sq + (mq - mp).powi(2)) / (2.0 * sp * sp) - 0.5
        };
        let want = by_hand(0.3, 0.0, 0.0, 0.4) + by_hand(-1.0, -1.2, 0.5, 0.0);
        assert!(
            (nats(&q, &p) - want).abs() < 1e-6,
            "{} {want}",
            nats(&q, &p)
        );
        assert!(nats(&q, &q).abs() < 1e-6);
        assert!(nats(&p, &q) > 0.0);
    }

    #[test]
    fn the_divergence_is_the_mean_log_ratio_of_the_densities() {
        let (q, p) = (
            gaussian(&[0.8, -0.4], &[-0.5, 0.3]),
            gaussian(&[0.1, 0.2], &[0.2, -0.1]),
        );
        let generator = crate::sampling::lock_generator();
        tch::manual_seed(3);
        let noise = Tensor::randn([400_000, 2], (Kind::Float, Device::Cpu));
        drop(generator);
        let z = q.sample(&noise).unwrap();
        let log_density = |g: &DiagonalGaussian| {
            let square = (&z - &g.mean).square() / g.logvar.exp();
            (square + &g.logvar).sum_dim_intlist([-1_i64].as_slice(), false, Kind::Float) * -0.5
        };
        let ratio = (log_density(&q) - log_density(&p)).mean(Kind::Double);
        let (drawn, closed) = (ratio.double_value(&[]), nats(&q, &p));
        assert!((drawn - closed).abs() < 5e-3, "{drawn} {closed}");
    }

    #[test]
    fn log_variances_stay_where_their_exponentials_do() {
        let outputs = Tensor::from_slice(&[1.0_f32, 2.0, -100.0, 100.0]).view([1, 4]);
        let g = DiagonalGaussian::from_outputs(&outputs).unwrap();
        assert_eq!(Vec::<f32>::try_from(g.mean.view([-1])).unwrap(), [1.0, 2.0]);
        assert_eq!(
            Vec::<f32>::try_from(g.logvar.view([-1])).unwrap(),
            [-12.0, 8.0]
        );
    }
}
