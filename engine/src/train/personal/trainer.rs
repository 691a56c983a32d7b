//! One worker of a personalization's training.

use std::sync::Arc;

use rand::RngExt as _;
use rand_chacha::ChaCha8Rng;
use tch::{Kind, Tensor};

use super::{Lora, LoraOptions};
use crate::Result;
use crate::layers::Multiplier;
use crate::models::unet::TextContext;
use crate::train::captions::Captions;
use crate::train::random::step_rng;
use crate::train::training_set::{TrainingSet, draw};
use crate::train::{DiffusionLoss, FrozenModel, Replica, shallow};

/// What a worker is told.
#[derive(Debug, Clone)]
pub(crate) struct PersonalTask {
    /// The LoRA's layers.
    pub(crate) lora: LoraOptions,
    /// Pictures of the subject that are taken at once, 1 or more.
    pub(crate) batch: usize,
    /// Batches whose gradients make one step, 1 or more.
    pub(crate) accumulate: usize,
    /// Fraction of captions, 0..1, in whose place the empty one stands.
    pub(crate) caption_dropout: f64,
    /// Seed of branches, order and noise.
    pub(crate) seed: u64,
    /// Number of the worker.
    pub(crate) worker: usize,
}

/// What keeps the class as the model knows it (prior preservation, arXiv 2208.12242, section 3.3).
#[derive(Debug)]
pub(crate) struct Prior {
    /// The model's own pictures of the class, with its prompt as their caption.
    pub(crate) pictures: TrainingSet,
    /// Weight of their loss.
    pub(crate) weight: f64,
}

/// A subject in training, beside its frozen model.
pub(crate) struct PersonalTrainer {
    model: FrozenModel,
    subject: TrainingSet,
    prior: Option<Prior>,
    parameters: Vec<(String, Tensor)>,
    trains_text: bool,
    /// Captions of the subject's pictures, then of the class's.
    texts: Arc<[String]>,
    frozen_text: Captions,
    loss: DiffusionLoss,
    task: PersonalTask,
}

impl PersonalTrainer {
    pub(crate) fn new(
        model: FrozenModel,
        subject: TrainingSet,
        prior: Option<Prior>,
        task: PersonalTask,
    ) -> Result<Self> {
        let text = model.text.encoder();
        let lora = Lora::fresh(&model.unet, text, &task.lora, task.seed)?;
        lora.attach(&model.unet, text, &Multiplier::new(1.0));
        let of_class = prior.iter().flat_map(|p| p.pictures.captions.iter());
        let texts: Arc<[String]> = subject.captions.iter().chain(of_class).cloned().collect();
        Ok(Self {
            loss: DiffusionLoss::new(&model),
            frozen_text: Captions::new(Arc::clone(&texts)),
            texts,
            trains_text: lora.is_on_text(),
            parameters: lora.parameters(),
            model,
            subject,
            prior,
            task,
        })
    }

    /// Keys and values of the texts with these numbers; `None` is the empty one.
    fn text(&mut self, wanted: &[Option<usize>]) -> Result<TextContext> {
        let states = if self.trains_text {
            self.states_in_training(wanted)?
        } else {
            self.frozen_text.states(&self.model, wanted)?
        };
        self.model.unet.text_context(&states)
    }

    fn states_in_training(&self, wanted: &[Option<usize>]) -> Result<Tensor> {
        let stage = &self.model.text;
        let texts: Vec<&str> = wanted
            .iter()
            .map(|at| at.map_or("", |at| self.texts[at].as_str()))
            .collect();
        let mut chunks = 1;
        for text in &texts {
            chunks = chunks.max(stage.chunks(text)?);
        }
        let states = texts
            .iter()
            .map(|text| stage.states_in_training(text, chunks))
            .collect::<Result<Vec<_>>>()?;
        Ok(Tensor::f_stack(&states, 0)?)
    }

    /// The loss of one batch, with its figures.
    fn batch_loss(&mut self, rng: &mut ChaCha8Rng) -> Result<(Tensor, f64, f64)> {
        let batch = self.task.batch;
        let all: Vec<usize> = (0..self.subject.len()).collect();
        let rows = draw(&all, batch, rng);
        let mut captions: Vec<Option<usize>> = rows
            .iter()
            .map(|&row| (!rng.random_bool(self.task.caption_dropout)).then_some(row))
            .collect();
        let own = self
            .loss
            .noised(&self.subject.latents(&rows, &self.model)?, rng)?;
        let of_class = match &self.prior {
            Some(prior) => {
                let all: Vec<usize> = (0..prior.pictures.len()).collect();
                let rows = draw(&all, batch, rng);
                captions.extend(rows.iter().map(|row| Some(self.subject.len() + row)));
                let clean = prior.pictures.latents(&rows, &self.model)?;
                Some((self.loss.noised(&clean, rng)?, prior.weight))
            }
            None => None,
        };
        let text = self.text(&captions)?;
        let Some((class, weight)) = of_class else {
            let output = self
                .model
                .predict_each(&own.latents, &own.timesteps, &text, None)?;
            let loss = own.loss(&output)?;
            let value = f64::try_from(loss.f_detach()?)?;
            return Ok((loss, value, 0.0));
        };
        let output = self.model.predict_each(
            &Tensor::f_cat(&[&own.latents, &class.latents], 0)?,
            &Tensor::f_cat(&[&own.timesteps, &class.timesteps], 0)?,
            &text,
            None,
        )?;
        let half = batch as i64;
        let own = own.loss(&output.f_narrow(0, 0, half)?)?;
        let class = class.loss(&output.f_narrow(0, half, half)?)?;
        let values = (
            f64::try_from(own.f_detach()?)?,
            f64::try_from(class.f_detach()?)?,
        );
        let loss = own.f_add(&class.f_mul_scalar(weight)?)?;
        Ok((loss, values.0, values.1))
    }
}

impl Replica for PersonalTrainer {
    fn parameters(&self) -> Vec<(String, Tensor)> {
        shallow(&self.parameters)
    }

    /// All batches of a step but the last go backward here, where their gradients add up in the
    /// parameters; the last one's loss is given with the others' values added, so that the loop
    /// sees the mean of all.
    fn loss(&mut self, step: u64) -> Result<(Tensor, Vec<(&'static str, f64)>)> {
        let mut rng = step_rng(self.task.seed, self.task.worker, step);
        let count = self.task.accumulate.max(1);
        let part = 1.0 / count as f64;
        let (mut done, mut own, mut class) = (0.0, 0.0, 0.0);
        for _ in 1..count {
            let (loss, of_subject, of_class) = self.batch_loss(&mut rng)?;
            let loss = loss.f_mul_scalar(part)?;
            done += f64::try_from(loss.f_detach()?.f_to_kind(Kind::Double)?)?;
            own += part * of_subject;
            class += part * of_class;
            loss.f_backward()?;
        }
        let (loss, of_subject, of_class) = self.batch_loss(&mut rng)?;
        let loss = loss.f_mul_scalar(part)?.f_add_scalar(done)?;
        let mut figures = Vec::new();
        if self.prior.is_some() {
            figures.push(("subject", own + part * of_subject));
            figures.push(("class", class + part * of_class));
        }
        Ok((loss, figures))
    }
}
