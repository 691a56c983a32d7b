//! Whether a trained adapter helps: its error on pictures that it did not learn from, with their
//! own values, with values of others, and without any.

use std::collections::BTreeMap;

use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use tch::Tensor;

use super::random::step_rng;
use crate::Result;

/// Pictures judged at once.
const AT_ONCE: usize = 16;
/// Passes over the pictures, each with other noise.
const PASSES: u64 = 4;
/// Stream of random numbers that no worker uses.
const JUDGE: usize = 0xffff;

/// One value for each attribute of a picture, `None` where it is not set.
pub(crate) type Row = Vec<Option<f64>>;

/// Mean errors of a trained adapter, in the units of the training's loss.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// Pictures that it was judged on.
    pub pictures: usize,
    /// Error of the model alone.
    pub without: f64,
    /// Error with the pictures' own values.
    pub own: f64,
    /// Error with values of other pictures.
    pub others: f64,
    /// By attribute, the error with its value alone taken from another picture: what is above
    /// `own` has been learnt of it.
    pub exchanged: BTreeMap<String, f64>,
}

impl Verdict {
    /// One sentence for people.
    pub fn sentence(&self) -> String {
        let change = |error: f64| 100.0 * (error / self.without - 1.0);
        let learnt = |error: f64| 100.0 * (error - self.own) / self.without;
        let by_attribute: Vec<String> = self
            .exchanged
            .iter()
            .map(|(name, error)| format!("{name} {:+.2} %", learnt(*error)))
            .collect();
        let outcome = if self.own < self.others.min(self.without) {
            ""
        } else {
            "; it has not learnt what the values mean, train it longer or on more pictures"
        };
        format!(
            "on {} pictures that it did not learn from, their own values change the error by \
             {:+.2} %, values of others by {:+.2} %; a wrong value alone adds: {}{outcome}",
            self.pictures,
            change(self.own),
            change(self.others),
            by_attribute.join(", ")
        )
    }
}

/// What can be judged.
pub(crate) trait Judged {
    /// The attributes.
    fn attributes(&self) -> Vec<String>;

    /// The values of a picture.
    fn values(&self, picture: usize) -> Row;

    /// The error on `pictures` with a row of values for each, or without any.
    fn error(
        &mut self,
        pictures: &[usize],
        values: Option<&[Row]>,
        rng: &mut ChaCha8Rng,
    ) -> Result<Tensor>;
}

/// Judges by `pictures`, always with the same noise; `None` where there are none.
pub(crate) fn judge(
    judged: &mut impl Judged,
    pictures: &[usize],
    seed: u64,
) -> Result<Option<Verdict>> {
    if pictures.is_empty() {
        return Ok(None);
    }
    let _guard = tch::no_grad_guard();
    let own: Vec<Row> = pictures.iter().map(|&at| judged.values(at)).collect();
    // For one picture its neighbour's values are as likely as its own.
    let others: Vec<Row> = (1..=own.len())
        .map(|i| own[i % own.len()].clone())
        .collect();
    let attributes = judged.attributes();
    let mut mean = |values: Option<&[Row]>| mean_error(judged, pictures, values, seed);
    let mut exchanged = BTreeMap::new();
    for (at, name) in attributes.into_iter().enumerate() {
        exchanged.insert(name, mean(Some(&exchange(&own, at)))?);
    }
    Ok(Some(Verdict {
        pictures: pictures.len(),
        without: mean(None)?,
        own: mean(Some(&own))?,
        others: mean(Some(&others))?,
        exchanged,
    }))
}

/// `rows` with the values of attribute `at` handed on among those that have one.
fn exchange(rows: &[Row], at: usize) -> Vec<Row> {
    let mut rows = rows.to_vec();
    let known: Vec<usize> = (0..rows.len()).filter(|&i| rows[i][at].is_some()).collect();
    let values: Vec<Option<f64>> = known.iter().map(|&i| rows[i][at]).collect();
    for (i, &row) in known.iter().enumerate() {
        rows[row][at] = values[(i + 1) % values.len()];
    }
    rows
}

fn mean_error(
    judged: &mut impl Judged,
    pictures: &[usize],
    values: Option<&[Row]>,
    seed: u64,
) -> Result<f64> {
    let mut sum = 0.0;
    for pass in 0..PASSES {
        for (part, chunk) in (0..).zip(pictures.chunks(AT_ONCE)) {
            let first = part as usize * AT_ONCE;
            let own = values.map(|values| &values[first..first + chunk.len()]);
            let mut rng = step_rng(seed, JUDGE, pass << 32 | part);
            let error = judged.error(chunk, own, &mut rng)?;
            sum += f64::try_from(error)? * chunk.len() as f64;
        }
    }
    Ok(sum / (PASSES as usize * pictures.len()) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Its error is the distance of the first value and the picture; the second does not matter,
    /// and every third picture lacks it.
    struct Distance;

    impl Judged for Distance {
        fn attributes(&self) -> Vec<String> {
            vec!["place".to_owned(), "nothing".to_owned()]
        }

        fn values(&self, picture: usize) -> Row {
            let second = (!picture.is_multiple_of(3)).then_some(picture as f64);
            vec![Some(picture as f64), second]
        }

        fn error(
            &mut self,
            pictures: &[usize],
            values: Option<&[Row]>,
            _: &mut ChaCha8Rng,
        ) -> Result<Tensor> {
            let Some(values) = values else {
                return Ok(Tensor::from(0.5));
            };
            assert_eq!(pictures.len(), values.len());
            let far = pictures.iter().zip(values);
            let far = far.map(|(&p, v)| (p as f64 - v[0].unwrap()).abs());
            Ok(Tensor::from(far.sum::<f64>() / pictures.len() as f64))
        }
    }

    #[test]
    fn own_values_are_compared_with_others_and_with_none() {
        let pictures: Vec<usize> = (0..40).collect();
        let verdict = judge(&mut Distance, &pictures, 1).unwrap().unwrap();
        assert_eq!((verdict.pictures, verdict.own), (40, 0.0));
        assert!((verdict.without - 0.5).abs() < 1e-12);
        // 39 neighbours one apart, and the last with the first.
        let apart = 78.0 / 40.0;
        assert!((verdict.others - apart).abs() < 1e-9);
        assert!((verdict.exchanged["place"] - apart).abs() < 1e-9);
        assert!(verdict.exchanged["nothing"].abs() < 1e-12);
        let said = verdict.sentence();
        assert!(said.contains("nothing +0.00 %, place +390.00 %"), "{said}");
        assert!(!said.contains("has not learnt"));
        let useless = Verdict {
            own: verdict.others,
            ..verdict
        };
        assert!(useless.sentence().contains("has not learnt"));
        assert!(judge(&mut Distance, &[], 1).unwrap().is_none());
    }

    #[test]
    fn values_are_handed_on_among_those_that_have_one() {
        let rows = vec![
            vec![Some(1.0)],
            vec![None],
            vec![Some(3.0)],
            vec![Some(4.0)],
        ];
        let handed = exchange(&rows, 0);
        let want = [Some(3.0), None, Some(4.0), Some(1.0)];
        assert!(handed.iter().map(|row| row[0]).eq(want));
    }
}
