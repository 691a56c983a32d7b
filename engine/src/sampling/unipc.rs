//! UniPC (arXiv 2302.04867), a predictor and a corrector that share their calls, as diffusers'
//! `UniPCMultistepScheduler` with `predict_x0`.

use std::collections::VecDeque;

use tch::Tensor;

use super::{
    PredictionType, Sampler, SamplerName, Schedule, SchedulerConfig, SolverType, at, blend,
    config::Family,
    in_fp32,
    pndm::weighted_sum,
    vp_spacing::{alpha_sigma_lambda, vp_schedule},
};
use crate::Result;

/// UniPC of order 1 to 3, usually 2.
pub(super) struct UniPc {
    schedule: Schedule,
    prediction_type: PredictionType,
    order: usize,
    /// Whether B(h) is h (bh1), else e^h − 1 (bh2).
    is_bh1: bool,
    lower_order_final: bool,
    /// Clean samples of the last calls, the latest first.
    clean: VecDeque<Tensor>,
    /// The sample that the last step began from, corrected, and the order of that step.
    last: Option<(Tensor, usize)>,
}

impl UniPc {
    pub(super) fn new(config: &SchedulerConfig, steps: usize) -> Result<Self> {
        config.check(&[
            Family::Thresholding,
            Family::Sigmas,
            Family::UniPc,
            Family::Flow,
        ])?;
        Ok(Self {
            schedule: vp_schedule(SamplerName::UniPc, config, steps)?,
            prediction_type: config.prediction_type,
            order: config.solver_order,
            is_bh1: config.solver_type == SolverType::Bh1,
            lower_order_final: config.lower_order_final,
            clean: VecDeque::with_capacity(config.solver_order),
            last: None,
        })
    }

    /// Leaves out the first `steps` steps.
    pub(super) fn skip(mut self, steps: usize) -> Self {
        self.schedule.skip(steps);
        self
    }

    /// The order of call `i`: rises from 1, and falls again at the end where the settings say so
    /// or the step ends without noise, which is infinitely long in log σ.
    fn order_at(&self, i: usize) -> usize {
        let left = self.schedule.timesteps.len() - i;
        let ends_clean = left == 1 && self.schedule.sigmas.last() == Some(&0.0);
        let most = if self.lower_order_final {
            self.order.min(left)
        } else if ends_clean {
            1
        } else {
            self.order
        };
        most.min(i + 1)
    }

    /// One step of order `order` from `x` at sigma `from` to sigma `from + 1`, on the clean samples
    /// of the calls `from`, `from − 1`, …, and where the corrector has it, `arrived`, that of call
    /// `from + 1` (Zhao et al., 2023, equations 3 and 8).
    fn update(
        &self,
        x: &Tensor,
        from: usize,
        order: usize,
        arrived: Option<&Tensor>,
    ) -> Result<Tensor> {
        let sigmas = &self.schedule.sigmas;
        let (_, sigma, lambda) = alpha_sigma_lambda(at(sigmas, from)?);
        let (alpha_to, sigma_to, lambda_to) = alpha_sigma_lambda(at(sigmas, from + 1)?);
        let h = lambda_to - lambda;
        if h == 0.0 {
            // Karras sigmas that end on `sigma_min` are there already.
            return Ok(x.shallow_clone());
        }
        let grown = (-h).exp_m1();
        let b_h = if self.is_bh1 { -h } else { grown };
        // Where the calls before lie, in steps: 1 is the end of this one.
        let mut places: Vec<f64> = (1..order)
            .map(|back| (alpha_sigma_lambda(sigmas[from - back]).2 - lambda) / h)
            .collect();
        let rhos = if arrived.is_some() {
            places.push(1.0);
            if order == 1 {
                vec![0.5]
            } else {
                rhos(&places, h, b_h)
            }
        } else if order == 2 {
            vec![0.5]
        } else {
            rhos(&places, h, b_h)
        };
        let shares: Vec<f64> = rhos
            .iter()
            .zip(&places)
            .map(|(rho, place)| -alpha_to * b_h * rho / place)
            .collect();
        let mut weights = vec![-alpha_to * grown - shares.iter().sum::<f64>()];
        weights.extend(&shares);
        let outputs = self.clean.iter().take(order).chain(arrived);
        let change = weighted_sum(&weights, outputs)?;
        blend(sigma_to / sigma, x, 1.0, &change)
    }
}

/// The solution ρ of Σₖ ρₖ placeₖ^j = b_j for every j from 0, with the b of the paper's appendix.
fn rhos(places: &[f64], h: f64, b_h: f64) -> Vec<f64> {
    let count = places.len();
    let mut phi = (-h).exp_m1() / -h - 1.0;
    let mut factorial = 1.0;
    let mut rows: Vec<Vec<f64>> = Vec::with_capacity(count);
    for j in 0..count {
        let powers = places.iter().map(|place| place.powi(j as i32));
        rows.push(powers.chain([phi * factorial / b_h]).collect());
        factorial *= (j + 2) as f64;
        phi = phi / -h - 1.0 / factorial;
    }
    // Gauss-Jordan; the places differ, so that no pivot is 0 after the exchange.
    for column in 0..count {
        let best = (column..count)
            .max_by(|&a, &b| rows[a][column].abs().total_cmp(&rows[b][column].abs()))
            .unwrap_or(column);
        rows.swap(column, best);
        let pivot = rows[column].clone();
        for (_, row) in rows.iter_mut().enumerate().filter(|(i, _)| *i != column) {
            let factor = row[column] / pivot[column];
            row.iter_mut()
                .zip(&pivot)
                .for_each(|(x, p)| *x -= factor * p);
        }
    }
    (0..count).map(|i| rows[i][count] / rows[i][i]).collect()
}

impl Sampler for UniPc {
    fn schedule(&self) -> &Schedule {
        &self.schedule
    }

    fn scale_model_input(&self, sample: &Tensor, i: usize) -> Result<Tensor> {
        at(&self.schedule.timesteps, i)?;
        Ok(sample.f_to_kind(tch::Kind::Float)?)
    }

    fn step(
        &mut self,
        model_output: &Tensor,
        i: usize,
        sample: &Tensor,
        _: Option<&Tensor>,
    ) -> Result<Tensor> {
        at(&self.schedule.timesteps, i)?;
        let (alpha, sigma, _) = alpha_sigma_lambda(at(&self.schedule.sigmas, i)?);
        let (output, sample) = in_fp32(model_output, sample)?;
        let clean = self.prediction_type.clean(&output, &sample, alpha, sigma)?;
        let sample = match self.last.take() {
            Some((last, order)) if i > 0 => self.update(&last, i - 1, order, Some(&clean))?,
            _ => sample,
        };
        self.clean.push_front(clean);
        self.clean.truncate(self.order);
        let order = self.order_at(i).min(self.clean.len());
        let next = self.update(&sample, i, order, None)?;
        self.last = Some((sample, order));
        Ok(next)
    }
}
