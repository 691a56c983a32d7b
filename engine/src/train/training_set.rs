//! Pictures as a training draws them.

use std::sync::Arc;

use rand::RngExt as _;
use rand_chacha::ChaCha8Rng;
use tch::{Device, Kind, Tensor};

use super::FrozenModel;
use super::folder::{ImageFolder, PreparedPictures};
use crate::Result;

/// From as many pictures on, some are set aside to judge the outcome by.
const JUDGE_FROM: usize = 200;
/// One of so many is set aside.
const HELD_OUT_EVERY: usize = 20;
/// Fraction of captions replaced by the empty one, for guidance (arXiv 2207.12598).
const CAPTION_DROPOUT: f64 = 0.1;

/// Latents, captions and values; workers share one.
#[derive(Debug)]
pub(crate) struct TrainingSet {
    pub(super) latents: Tensor,
    pub(super) features: Option<Tensor>,
    /// Of each picture, empty where there is none.
    pub(crate) captions: Arc<[String]>,
    /// Of each picture and attribute.
    pub(crate) values: Arc<[Vec<Option<f64>>]>,
}

impl TrainingSet {
    /// The pictures of `prepared`, whose rows are those of `folder`, with `values` for each.
    pub(crate) fn new(
        folder: &ImageFolder,
        prepared: PreparedPictures,
        values: Vec<Vec<Option<f64>>>,
    ) -> Self {
        Self {
            latents: prepared.latents,
            features: prepared.features,
            captions: folder.rows.iter().map(|r| r.caption.clone()).collect(),
            values: values.into(),
        }
    }

    /// The same pictures for another worker.
    pub(crate) fn share(&self) -> Self {
        Self {
            latents: self.latents.shallow_clone(),
            features: self.features.as_ref().map(Tensor::shallow_clone),
            captions: Arc::clone(&self.captions),
            values: Arc::clone(&self.values),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.captions.len()
    }

    /// Numbers of the pictures to learn from and of those set aside, of which a small set has none.
    pub(crate) fn split(&self) -> (Vec<usize>, Vec<usize>) {
        let judged = self.len() >= JUDGE_FROM;
        let is_held_out = |at: &usize| judged && at % HELD_OUT_EVERY == HELD_OUT_EVERY - 1;
        let (held_out, learnt) = (0..self.len()).partition(is_held_out);
        (learnt, held_out)
    }

    /// Clean latents `[rows, channels, h, w]` in fp32 on the model's device.
    pub(crate) fn latents(&self, rows: &[usize], model: &FrozenModel) -> Result<Tensor> {
        let latents = self.latents.f_index_select(0, &index(rows)?)?;
        Ok(latents.f_to_device(model.device)?.f_to_kind(Kind::Float)?)
    }

    /// Image features `[rows, dim]` in fp32 on `device`, where there are any.
    pub(crate) fn features(&self, rows: &[usize], device: Device) -> Result<Option<Tensor>> {
        let Some(features) = &self.features else {
            return Ok(None);
        };
        let chosen = features.f_index_select(0, &index(rows)?)?;
        Ok(Some(chosen.f_to_device(device)?))
    }

    /// Width of the image features; 0 where there are none.
    pub(crate) fn feature_dim(&self) -> i64 {
        self.features.as_ref().map_or(0, |f| f.size()[1])
    }
}

fn index(rows: &[usize]) -> Result<Tensor> {
    let rows: Vec<i64> = rows.iter().map(|&row| row as i64).collect();
    Ok(Tensor::f_from_slice(&rows)?)
}

/// `count` of `from`, each drawn on its own.
pub(crate) fn draw(from: &[usize], count: usize, rng: &mut ChaCha8Rng) -> Vec<usize> {
    (0..count)
        .map(|_| from[rng.random_range(0..from.len())])
        .collect()
}

/// The captions of `rows`, some of them dropped.
pub(crate) fn drop_captions(rows: &[usize], rng: &mut ChaCha8Rng) -> Vec<Option<usize>> {
    rows.iter()
        .map(|&row| (!rng.random_bool(CAPTION_DROPOUT)).then_some(row))
        .collect()
}
