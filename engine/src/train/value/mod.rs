//! One worker of a value encoder's training.

use rand::RngExt as _;
use rand_chacha::ChaCha8Rng;
use tch::{Device, Kind, Tensor};

use super::captions::Captions;
use super::random::step_rng;
use super::training_set::{TrainingSet, draw, drop_captions};
use super::verdict::{Judged, Row};
use super::{DiffusionLoss, FrozenModel, Noised, Replica, shallow};
use crate::Result;
use crate::controls::{ValueEncoder, ValueShape};
use crate::sampling::lock_generator;
use crate::weights::ParamStore;

/// How often an attribute's tokens stand beside those of the step's own attribute.
const TOGETHER: f64 = 0.5;

/// The encoder in training, beside its frozen model.
pub(crate) struct ValueTrainer {
    model: FrozenModel,
    data: TrainingSet,
    attributes: Vec<String>,
    encoder: ValueEncoder,
    parameters: Vec<(String, Tensor)>,
    captions: Captions,
    loss: DiffusionLoss,
    /// By attribute, the pictures drawn from, every part of its range equally often; its value is
    /// known of all of them.
    drawn: Vec<Vec<usize>>,
    batch: usize,
    seed: u64,
    worker: usize,
}

/// What a worker is told.
pub(crate) struct ValueTask {
    pub(crate) attributes: Vec<String>,
    pub(crate) shape: ValueShape,
    pub(crate) drawn: Vec<Vec<usize>>,
    pub(crate) batch: usize,
    pub(crate) seed: u64,
    pub(crate) worker: usize,
}

impl ValueTrainer {
    pub(crate) fn new(model: FrozenModel, data: TrainingSet, task: ValueTask) -> Result<Self> {
        let store = ParamStore::fresh(Kind::Float, model.device);
        let encoder = {
            let _generator = lock_generator();
            tch::manual_seed(task.seed as i64);
            ValueEncoder::new(&store.root(), &task.attributes, task.shape)?
        };
        Ok(Self {
            captions: Captions::new(data.captions.clone()),
            loss: DiffusionLoss::new(&model),
            model,
            data,
            encoder,
            parameters: store.named(),
            attributes: task.attributes,
            drawn: task.drawn,
            batch: task.batch,
            seed: task.seed,
            worker: task.worker,
        })
    }

    /// The model's output for `noised` pictures with these captions and, for each of `attributes`,
    /// the tokens of its column of `values`.
    fn predict(
        &mut self,
        noised: &Noised,
        captions: &[Option<usize>],
        attributes: &[usize],
        values: &[Row],
    ) -> Result<Tensor> {
        let mut context = self.captions.states(&self.model, captions)?;
        if !attributes.is_empty() {
            let columns = attributes
                .iter()
                .map(|&at| Ok((self.attributes[at].clone(), self.column(at, values)?)))
                .collect::<Result<Vec<_>>>()?;
            let tokens = self.encoder.batch(&columns)?.f_to_kind(self.model.kind)?;
            context = Tensor::f_cat(&[&context, &tokens], 1)?;
        }
        let text = self.model.unet.text_context(&context)?;
        self.model
            .predict_each(&noised.latents, &noised.timesteps, &text, None)
    }

    fn column(&self, attribute: usize, values: &[Row]) -> Result<Tensor> {
        let values = values.iter().map(|row| row[attribute].unwrap_or_default());
        let values: Vec<f32> = values.map(|v| v as f32).collect();
        Ok(Tensor::f_from_slice(&values)?.f_to_device(self.device())?)
    }

    fn device(&self) -> Device {
        self.model.device
    }
}

impl Replica for ValueTrainer {
    fn parameters(&self) -> Vec<(String, Tensor)> {
        shallow(&self.parameters)
    }

    fn loss(&mut self, step: u64) -> Result<(Tensor, Vec<(&'static str, f64)>)> {
        let mut rng = step_rng(self.seed, self.worker, step);
        let first = rng.random_range(0..self.attributes.len());
        // Tokens are there or not for a whole batch: within one, attention has no mask.
        let mut attributes: Vec<usize> = (0..self.attributes.len())
            .filter(|&at| rng.random_bool(TOGETHER) || at == first)
            .collect();
        let rows = draw(&self.drawn[first], self.batch, &mut rng);
        let captions = drop_captions(&rows, &mut rng);
        let clean = self.data.latents(&rows, &self.model)?;
        let noised = self.loss.noised(&clean, &mut rng)?;
        let values: Vec<Row> = rows.iter().map(|&row| self.values(row)).collect();
        // The first is known of all that were drawn for it.
        attributes.retain(|&at| is_known(at, &values));
        let output = self.predict(&noised, &captions, &attributes, &values)?;
        Ok((noised.loss(&output)?, Vec::new()))
    }
}

/// Whether the attribute has a value in every row: within one batch, attention has no mask.
fn is_known(attribute: usize, values: &[Row]) -> bool {
    values.iter().all(|row| row[attribute].is_some())
}

impl Judged for ValueTrainer {
    fn attributes(&self) -> Vec<String> {
        self.attributes.clone()
    }

    fn values(&self, picture: usize) -> Row {
        self.data.values[picture].clone()
    }

    fn error(
        &mut self,
        pictures: &[usize],
        values: Option<&[Row]>,
        rng: &mut ChaCha8Rng,
    ) -> Result<Tensor> {
        let clean = self.data.latents(pictures, &self.model)?;
        let noised = self.loss.noised(&clean, rng)?;
        let captions: Vec<Option<usize>> = pictures.iter().copied().map(Some).collect();
        let output = match values {
            Some(values) => {
                let known = (0..self.attributes.len()).filter(|&at| is_known(at, values));
                let known: Vec<usize> = known.collect();
                self.predict(&noised, &captions, &known, values)?
            }
            None => self.predict(&noised, &captions, &[], &[])?,
        };
        noised.loss(&output)
    }
}

#[cfg(test)]
mod tests;
