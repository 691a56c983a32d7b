//! One worker of a personalization's training.

use std::sync::Arc;

use rand::RngExt as _;
use rand_chacha::ChaCha8Rng;
use tch::{Kind, Tensor};

use super::{Learnt, Parts};
use crate::Result;
use crate::models::unet::TextContext;
use crate::train::captions::Captions;
use crate::train::random::step_rng;
use crate::train::training_set::{TrainingSet, draw};
use crate::train::{DiffusionLoss, FrozenModel, Replica};

/// What a worker is told.
#[derive(Debug, Clone)]
pub(crate) struct PersonalTask {
    /// What is trained.
    pub(crate) learnt: Learnt,
    /// What keeps the subject's words near its class's.
    pub(crate) semantic: Option<Semantic>,
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

/// The semantic preservation (`ClassDiffusion`, arXiv 2405.17532, section 4.2): the text encoder's
/// end state of the subject's prompt stays near that of the class's.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Semantic {
    /// Weight of 1 − cosine in the loss.
    pub(crate) weight: f64,
    /// The prompt with the subject.
    pub(crate) subject: String,
    /// The prompt with the class in its place.
    pub(crate) class: String,
}

/// A subject in training, beside its frozen model.
pub(crate) struct PersonalTrainer {
    model: FrozenModel,
    subject: TrainingSet,
    prior: Option<Prior>,
    parts: Parts,
    /// The end state `[dim]` of the class's prompt before anything is trained.
    class_state: Option<Tensor>,
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
        let class_state = {
            let _guard = tch::no_grad_guard();
            let class = task.semantic.as_ref().map(|s| s.class.as_str());
            class
                .map(|class| model.text.end_state_in_training(class))
                .transpose()?
        };
        let parts = Parts::fresh(&model, &task.learnt, task.seed)?;
        parts.attach(&model);
        let of_class = prior.iter().flat_map(|p| p.pictures.captions.iter());
        let texts: Arc<[String]> = subject.captions.iter().chain(of_class).cloned().collect();
        Ok(Self {
            loss: DiffusionLoss::new(&model),
            frozen_text: Captions::new(Arc::clone(&texts)),
            texts,
            parts,
            class_state,
            model,
            subject,
            prior,
            task,
        })
    }

    /// Keys and values of the texts with these numbers; `None` is the empty one.
    fn text(&mut self, wanted: &[Option<usize>]) -> Result<TextContext> {
        let states = if self.parts.are_in_text() {
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
    fn batch_loss(&mut self, rng: &mut ChaCha8Rng) -> Result<BatchLoss> {
        self.parts.put(&mut self.model)?;
        let batch = self.task.batch;
        let all: Vec<usize> = (0..self.subject.len()).collect();
        let rows = draw(&all, batch, rng);
        let mut captions: Vec<Option<usize>> = rows
            .iter()
            .map(|&row| (!rng.random_bool(self.task.caption_dropout)).then_some(row))
            .collect();
        let clean = self.subject.latents(&rows, &self.model)?;
        let own = self.loss.noised(&clean, rng)?;
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
        let mut figures = Vec::new();
        let mut loss = if let Some((class, weight)) = of_class {
            let output = self.model.predict_each(
                &Tensor::f_cat(&[&own.latents, &class.latents], 0)?,
                &Tensor::f_cat(&[&own.timesteps, &class.timesteps], 0)?,
                &text,
                None,
            )?;
            let half = batch as i64;
            let own = own.loss(&output.f_narrow(0, 0, half)?)?;
            let class = class.loss(&output.f_narrow(0, half, half)?)?;
            figures.push(("subject", value(&own)?));
            figures.push(("class", value(&class)?));
            own.f_add(&class.f_mul_scalar(weight)?)?
        } else {
            let (latents, timesteps) = (&own.latents, &own.timesteps);
            let output = self.model.predict_each(latents, timesteps, &text, None)?;
            own.loss(&output)?
        };
        if let Some((semantic, class)) = self.task.semantic.as_ref().zip(self.class_state.as_ref())
        {
            let subject = self.model.text.end_state_in_training(&semantic.subject)?;
            let apart = away(&subject, class)?;
            figures.push(("semantic", value(&apart)?));
            loss = loss.f_add(&apart.f_mul_scalar(semantic.weight)?)?;
        }
        Ok(BatchLoss { loss, figures })
    }
}

/// One batch's loss with its graph, and its parts.
struct BatchLoss {
    loss: Tensor,
    figures: Vec<(&'static str, f64)>,
}

fn value(loss: &Tensor) -> Result<f64> {
    Ok(f64::try_from(loss.f_detach()?.f_to_kind(Kind::Double)?)?)
}

/// 1 − the cosine of two vectors `[dim]`, a scalar.
fn away(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    let (a, b) = (a.f_to_kind(Kind::Float)?, b.f_to_kind(Kind::Float)?);
    let cosine = a.f_dot(&b)?.f_div(&a.f_norm()?.f_mul(&b.f_norm()?)?)?;
    Ok(cosine.f_neg()?.f_add_scalar(1.0)?)
}

impl Replica for PersonalTrainer {
    fn parameters(&self) -> Vec<(String, Tensor)> {
        self.parts.parameters()
    }

    /// All batches of a step but the last go backward here, where their gradients add up in the
    /// parameters; the last one's loss is given with the others' values added, so that the loop
    /// sees the mean of all.
    fn loss(&mut self, step: u64) -> Result<(Tensor, Vec<(&'static str, f64)>)> {
        let mut rng = step_rng(self.task.seed, self.task.worker, step);
        let count = self.task.accumulate.max(1);
        let part = 1.0 / count as f64;
        let mut done = 0.0;
        let mut all: Vec<(&'static str, f64)> = Vec::new();
        let mut add = |figures: Vec<(&'static str, f64)>| {
            for (name, value) in figures {
                match all.iter_mut().find(|(known, _)| *known == name) {
                    Some((_, sum)) => *sum += part * value,
                    None => all.push((name, part * value)),
                }
            }
        };
        for _ in 1..count {
            let BatchLoss { loss, figures } = self.batch_loss(&mut rng)?;
            let loss = loss.f_mul_scalar(part)?;
            done += value(&loss)?;
            add(figures);
            loss.f_backward()?;
        }
        let BatchLoss { loss, figures } = self.batch_loss(&mut rng)?;
        add(figures);
        Ok((loss.f_mul_scalar(part)?.f_add_scalar(done)?, all))
    }
}

#[cfg(test)]
impl PersonalTrainer {
    /// One batch's loss with its graph.
    pub(super) fn one_batch(&mut self, rng: &mut ChaCha8Rng) -> Result<Tensor> {
        Ok(self.batch_loss(rng)?.loss)
    }

    pub(super) fn model(&self) -> &FrozenModel {
        &self.model
    }
}
