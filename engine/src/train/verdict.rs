//! Whether a trained adapter helps: its error on pictures that it did not learn from, with their
//! own values, with values of others, and without any.

use serde::{Deserialize, Serialize};
use tch::Tensor;

use rand_chacha::ChaCha8Rng;

use super::random::step_rng;
use crate::Result;

/// Pictures judged at once.
const AT_ONCE: usize = 16;
/// Passes over the pictures, each with other noise.
const PASSES: u64 = 4;
/// Stream of random numbers that no worker uses.
const JUDGE: usize = 0xffff;

/// Which values an adapter is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Given {
    /// None: the model as it is.
    Nothing,
    /// The picture's own.
    Own,
    /// Those of another picture.
    Others,
}

/// Mean errors of a trained adapter, in the units of the training's loss.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// Pictures that it was judged on.
    pub pictures: usize,
    /// Error of the model alone.
    pub without: f64,
    /// Error with the pictures' own values.
    pub own: f64,
    /// Error with values of other pictures.
    pub others: f64,
}

impl Verdict {
    /// One sentence for people.
    pub fn sentence(&self) -> String {
        let change = |error: f64| 100.0 * (error / self.without - 1.0);
        let outcome = if self.own < self.others.min(self.without) {
            ""
        } else {
            "; it has not learnt what the values mean, train it longer or on more pictures"
        };
        format!(
            "on {} pictures that it did not learn from, their own values change the error by \
             {:+.2} %, values of others by {:+.2} %{outcome}",
            self.pictures,
            change(self.own),
            change(self.others)
        )
    }
}

/// What can be judged.
pub(crate) trait Judged {
    /// The error on the pictures `rows`; the values are those of `values_of`, as many.
    fn error(
        &mut self,
        rows: &[usize],
        values_of: &[usize],
        given: Given,
        rng: &mut ChaCha8Rng,
    ) -> Result<Tensor>;
}

/// Judges by the pictures `rows`, always with the same noise; `None` where there are none.
pub(crate) fn judge(
    judged: &mut impl Judged,
    rows: &[usize],
    seed: u64,
) -> Result<Option<Verdict>> {
    if rows.is_empty() {
        return Ok(None);
    }
    let _guard = tch::no_grad_guard();
    let mut mean = |given: Given| -> Result<f64> {
        let mut sum = 0.0;
        for pass in 0..PASSES {
            for (part, chunk) in (0..).zip(rows.chunks(AT_ONCE)) {
                // The neighbours' values: for one chunk they are as likely as its own.
                let first = part as usize * AT_ONCE;
                let values_of: Vec<usize> = match given {
                    Given::Others => (0..chunk.len())
                        .map(|i| rows[(first + i + 1) % rows.len()])
                        .collect(),
                    _ => chunk.to_vec(),
                };
                let mut rng = step_rng(seed, JUDGE, pass << 32 | part);
                let error = judged.error(chunk, &values_of, given, &mut rng)?;
                sum += f64::try_from(error)? * chunk.len() as f64;
            }
        }
        Ok(sum / (PASSES as usize * rows.len()) as f64)
    };
    Ok(Some(Verdict {
        pictures: rows.len(),
        without: mean(Given::Nothing)?,
        own: mean(Given::Own)?,
        others: mean(Given::Others)?,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Its error is the distance of values and picture.
    struct Distance;

    impl Judged for Distance {
        fn error(
            &mut self,
            rows: &[usize],
            values_of: &[usize],
            given: Given,
            _: &mut ChaCha8Rng,
        ) -> Result<Tensor> {
            let far = rows.iter().zip(values_of).map(|(a, b)| a.abs_diff(*b));
            let far = far.sum::<usize>() as f64 / rows.len() as f64;
            let base = if given == Given::Nothing { 0.5 } else { 0.0 };
            Ok(Tensor::from(base + far))
        }
    }

    #[test]
    fn own_values_are_compared_with_others_and_with_none() {
        let rows: Vec<usize> = (0..40).collect();
        let verdict = judge(&mut Distance, &rows, 1).unwrap().unwrap();
        assert_eq!((verdict.pictures, verdict.own), (40, 0.0));
        assert!((verdict.without - 0.5).abs() < 1e-12);
        // 39 neighbours one apart, and the last with the first.
        assert!((verdict.others - 78.0 / 40.0).abs() < 1e-9);
        assert!(!verdict.sentence().contains("has not learnt"));
        let useless = Verdict {
            own: verdict.others,
            ..verdict
        };
        assert!(useless.sentence().contains("has not learnt"));
        assert!(judge(&mut Distance, &[], 1).unwrap().is_none());
    }
}
