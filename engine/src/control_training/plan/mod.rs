//! What to train, as a person says it: on the command line, in the window, in a work folder's
//! record.

mod command;
mod task;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::controls::Architecture;
use crate::device::Dtype;
use crate::{EngineError, Result};

pub use command::in_shell;
pub use task::{PictureSource, Places, TrainingTask};

/// A training, everything that was not said at its usual value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrainingPlan {
    /// The control's name, which is its file's too; see [`checked_name`].
    pub name: String,
    /// One sentence for people.
    pub about: String,
    /// Model folder in diffusers layout; `None` for the embedded model.
    pub model: Option<PathBuf>,
    /// The file to write; `None` for one among the artist's own controls.
    pub out: Option<PathBuf>,
    /// `auto`, `cpu`, `cuda` or `cuda:N`.
    pub device: String,
    /// Dtype of text encoder and U-Net.
    pub dtype: Dtype,
    /// Data-parallel workers on a CPU; `None` for as many as suit the model and the machine.
    pub workers: Option<usize>,
    /// Optimiser steps, earlier runs included, 1 or more.
    pub steps: u64,
    /// Peak learning rate, above 0.
    pub learning_rate: f64,
    /// Fraction of all steps, 0..1, at the end, over which the learning rate falls to zero.
    pub decay: f64,
    /// AdamW's decay of the parameters, per unit of learning rate, 0 or more.
    pub weight_decay: f64,
    /// Seed of everything that is drawn.
    pub seed: u64,
    /// Folder of the training state; `None` for one of the control's name.
    pub work: Option<PathBuf>,
    /// How the control comes to be.
    pub method: TrainingMethod,
}

/// How a control comes to be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TrainingMethod {
    /// A token direction.
    Direction(DirectionPlan),
    /// A Concept Slider.
    Slider(SliderPlan),
    /// Value tokens.
    Value(ValuePlan),
    /// An Att-Adapter.
    AttAdapter(AdapterPlan),
}

/// What controls from prompts have in common.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PromptPlan {
    /// What it moves, in the meter's words; `None` for the control's name.
    pub attribute: Option<String>,
    /// Prompts with more of it, with `{subject}` in the place of the noun.
    pub positive: Vec<String>,
    /// Prompts with less of it, each the other end of the positive one in the same place.
    pub negative: Vec<String>,
    /// Prompts that leave it open: none, one for all or one for each pair.
    pub target: Vec<String>,
    /// Nouns that it belongs to.
    pub subjects: Vec<String>,
    /// What may stand before the prompts.
    pub prefixes: Vec<String>,
    /// A YAML file of prompts in their place.
    pub pairs: Option<PathBuf>,
    /// Fraction of the sampling steps that pass before it begins; `None` for what suits the method.
    pub start: Option<f64>,
    /// Sampler states that a worker takes each step, 1 or more.
    pub walks: usize,
    /// Sampler steps in a walk; `None` for what suits the model.
    pub sampling_steps: Option<usize>,
    /// Guidance scale of the walks; `None` for what suits model and method.
    pub guidance_scale: Option<f64>,
    /// AdamW's decays of the first and the second moment.
    pub betas: (f64, f64),
    /// Minutes between strips of pictures; 0 for none.
    pub strip_every_min: f64,
}

/// A token direction.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DirectionPlan {
    /// Its prompts.
    pub prompts: PromptPlan,
    /// Whether the text encoder's own difference is all that is wanted, without training.
    pub is_difference: bool,
    /// What the loss compares: `x0` or `epsilon`.
    pub loss: String,
    /// Whether it starts from the text encoder's difference.
    pub from_difference: bool,
    /// Scales that are tried at every state, 1 or more.
    pub scales: usize,
    /// Smallest and largest of them, before a random sign.
    pub scale_range: (f64, f64),
}

/// A Concept Slider.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SliderPlan {
    /// Its prompts.
    pub prompts: PromptPlan,
    /// Layers that get a branch: `noxattn`, `full`, `xattn` or `selfattn`.
    pub layers: String,
    /// Rank of the branches, 1 or more.
    pub rank: u32,
    /// Scale of the branches, divided by the rank.
    pub alpha: f64,
    /// How far the difference of the prompts is enlarged; `None` for what the pairs' file says.
    pub eta: Option<f64>,
    /// Words to say of the subject in all prompts, so that it leaves them alone.
    pub preserved: Vec<String>,
}

/// What controls from pictures have in common.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PicturePlan {
    /// Folder of the pictures.
    pub data: PathBuf,
    /// Table of the pictures, their captions and values.
    pub table: Option<PathBuf>,
    /// Column of file names; `None` for one of the usual names.
    pub file_column: Option<String>,
    /// Column of captions; `None` for one of the usual names.
    pub caption_column: Option<String>,
    /// Folder of both CLIP towers; `None` for the model's own.
    pub clip: Option<PathBuf>,
    /// Pictures that a worker takes each step, 1 or more.
    pub batch: usize,
}

/// Value tokens.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ValuePlan {
    /// The pictures.
    pub pictures: PicturePlan,
    /// What is measured in each: `brightness`, `detail`, `realism`, `MORE|LESS` or
    /// `NAME:MORE|LESS`.
    pub quantities: Vec<String>,
    /// Columns of the table that are values as they are.
    pub columns: Vec<String>,
    /// Tokens for each attribute; `None` for as many as suit the model.
    pub tokens: Option<i64>,
}

/// An Att-Adapter.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AdapterPlan {
    /// The pictures.
    pub pictures: PicturePlan,
    /// Columns of the table that it learns.
    pub columns: Vec<String>,
    /// How it works.
    pub architecture: Architecture,
    /// Tokens of the second cross-attention.
    pub tokens: i64,
    /// Width of the latent variable.
    pub latent_dim: i64,
    /// Width inside the networks.
    pub hidden_dim: i64,
    /// Weight of the Kullback-Leibler divergence in the loss.
    pub kl_weight: f64,
    /// Weight of the features' reconstruction in the loss.
    pub reconstruction_weight: f64,
}

impl TrainingPlan {
    /// A training of `name` by `method`, the rest as usual for it.
    pub fn new(name: impl Into<String>, method: TrainingMethod) -> Self {
        let (steps, learning_rate, weight_decay) = match &method {
            TrainingMethod::Direction(_) => (200, 0.25, 0.0),
            TrainingMethod::Slider(_) => (500, 1e-3, 0.0),
            TrainingMethod::Value(_) | TrainingMethod::AttAdapter(_) => (1000, 1e-3, 0.01),
        };
        Self {
            name: name.into(),
            about: String::new(),
            model: None,
            out: None,
            device: "auto".to_owned(),
            dtype: Dtype::F32,
            workers: None,
            steps,
            learning_rate,
            decay: 0.5,
            weight_decay,
            seed: 0,
            work: None,
            method,
        }
    }

    /// Its prompts, where it is made from some.
    pub fn prompts(&self) -> Option<&PromptPlan> {
        match &self.method {
            TrainingMethod::Direction(plan) => Some(&plan.prompts),
            TrainingMethod::Slider(plan) => Some(&plan.prompts),
            TrainingMethod::Value(_) | TrainingMethod::AttAdapter(_) => None,
        }
    }

    /// Its pictures, where it is made from some.
    pub fn pictures(&self) -> Option<&PicturePlan> {
        match &self.method {
            TrainingMethod::Direction(_) | TrainingMethod::Slider(_) => None,
            TrainingMethod::Value(plan) => Some(&plan.pictures),
            TrainingMethod::AttAdapter(plan) => Some(&plan.pictures),
        }
    }
}

impl Default for PromptPlan {
    fn default() -> Self {
        Self {
            attribute: None,
            positive: Vec::new(),
            negative: Vec::new(),
            target: Vec::new(),
            subjects: Vec::new(),
            prefixes: Vec::new(),
            pairs: None,
            start: None,
            walks: 4,
            sampling_steps: None,
            guidance_scale: None,
            betas: (0.9, 0.99),
            strip_every_min: 2.0,
        }
    }
}

impl Default for DirectionPlan {
    fn default() -> Self {
        Self {
            prompts: PromptPlan::default(),
            is_difference: false,
            loss: "x0".to_owned(),
            from_difference: false,
            scales: 4,
            scale_range: (0.1, 1.5),
        }
    }
}

impl Default for SliderPlan {
    fn default() -> Self {
        Self {
            prompts: PromptPlan::default(),
            layers: "noxattn".to_owned(),
            rank: 4,
            alpha: 1.0,
            eta: None,
            preserved: Vec::new(),
        }
    }
}

impl PicturePlan {
    /// The pictures in the folder `data`.
    pub fn of(data: impl Into<PathBuf>) -> Self {
        Self {
            data: data.into(),
            table: None,
            file_column: None,
            caption_column: None,
            clip: None,
            batch: 16,
        }
    }
}

impl ValuePlan {
    /// Nothing is measured yet in `pictures`.
    pub fn of(pictures: PicturePlan) -> Self {
        Self {
            pictures,
            quantities: Vec::new(),
            columns: Vec::new(),
            tokens: None,
        }
    }
}

impl AdapterPlan {
    /// No column is chosen yet in the table of `pictures`.
    pub fn of(pictures: PicturePlan) -> Self {
        Self {
            pictures,
            columns: Vec::new(),
            architecture: Architecture::default(),
            tokens: 4,
            latent_dim: 32,
            hidden_dim: 256,
            kl_weight: 0.003,
            reconstruction_weight: 0.003,
        }
    }
}

/// `name`, if a control can be called so: names become file names, and recipes tell them from
/// attributes and subjects by signs.
///
/// # Errors
/// It holds something else than letters, digits, `_`, `-` and `.`, or begins with a sign.
pub fn checked_name(name: &str) -> Result<String> {
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
    if name.chars().all(plain) && name.starts_with(char::is_alphanumeric) {
        return Ok(name.to_owned());
    }
    Err(EngineError::request(
        format!("name \"{name}\""),
        "use letters, digits, _, - and ., beginning with a letter or digit",
    ))
}

#[cfg(test)]
mod tests {
    use super::{DirectionPlan, TrainingMethod, TrainingPlan, checked_name};

    #[test]
    fn names_that_a_recipe_could_not_tell_are_refused() {
        for good in ["smile", "car_age", "my-age.2"] {
            assert_eq!(checked_name(good).unwrap(), good);
        }
        for bad in ["", "a/b", "smile@man", "age=1", "-age", "../x"] {
            assert!(checked_name(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_record_is_read_back() {
        let plan = TrainingPlan::new("age", TrainingMethod::Direction(DirectionPlan::default()));
        let text = serde_json::to_string(&plan).unwrap();
        assert_eq!(serde_json::from_str::<TrainingPlan>(&text).unwrap(), plan);
    }
}
