//! Everything that may be trained for a subject, in one place.

use tch::Tensor;

use super::{KeyValues, Lora, LoraOptions, NewWord, WordOptions};
use crate::layers::Multiplier;
use crate::train::FrozenModel;
use crate::{EngineError, Result};

/// What is trained for a subject; at least one of them.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Learnt {
    /// Branches beside layers (arXiv 2106.09685).
    pub lora: Option<LoraOptions>,
    /// Keys and values of the attention to the text (Custom Diffusion, arXiv 2212.04488).
    pub key_values: bool,
    /// A word of its own (textual inversion, arXiv 2208.01618).
    pub word: Option<WordOptions>,
}

/// The same with its tensors.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) lora: Option<Lora>,
    pub(crate) key_values: Option<KeyValues>,
    pub(crate) word: Option<NewWord>,
}

impl Parts {
    /// What changes nothing yet beside `model`; a word begins as the words that it is made from.
    ///
    /// # Errors
    /// Nothing is asked for, an option is out of range, or memory runs out.
    pub(crate) fn fresh(model: &FrozenModel, learnt: &Learnt, seed: u64) -> Result<Self> {
        let text = model.text.encoder();
        let lora = learnt.lora.as_ref();
        let parts = Self {
            lora: lora
                .map(|lora| Lora::fresh(&model.unet, text, lora, seed))
                .transpose()?,
            key_values: learnt
                .key_values
                .then(|| KeyValues::fresh(&model.unet))
                .transpose()?,
            word: learnt
                .word
                .as_ref()
                .map(|word| NewWord::fresh(&model.text, word))
                .transpose()?,
        };
        if parts.parameters().is_empty() {
            return Err(EngineError::request("training", "has nothing to train"));
        }
        Ok(parts)
    }

    /// Attaches what stays attached: the branches.
    pub(crate) fn attach(&self, model: &FrozenModel) {
        if let Some(lora) = &self.lora {
            lora.attach(&model.unet, model.text.encoder(), &Multiplier::new(1.0));
        }
    }

    /// Puts the rest onto `model` with a graph of its own, before every forward pass.
    ///
    /// # Errors
    /// Memory runs out.
    pub(crate) fn put(&self, model: &mut FrozenModel) -> Result<()> {
        if let Some(key_values) = &self.key_values {
            key_values.put(&model.unet)?;
        }
        if let Some(word) = &self.word {
            model.text.set_added(&[word.shallow()])?;
        }
        Ok(())
    }

    /// Whether a prompt's states change with what is trained.
    pub(crate) fn are_in_text(&self) -> bool {
        self.word.is_some() || self.lora.as_ref().is_some_and(Lora::is_on_text)
    }

    /// All tensors by name, as they are trained.
    pub(crate) fn parameters(&self) -> Vec<(String, Tensor)> {
        let mut all = Vec::new();
        all.extend(self.lora.iter().flat_map(Lora::parameters));
        all.extend(self.key_values.iter().flat_map(KeyValues::parameters));
        all.extend(self.word.iter().map(NewWord::parameter));
        all
    }

    /// The same with trained `parameters` in the place of their own.
    ///
    /// # Errors
    /// One of them is missing.
    pub(crate) fn with_parameters(&self, parameters: &[(String, Tensor)]) -> Result<Self> {
        let lora = self.lora.as_ref();
        let key_values = self.key_values.as_ref();
        let word = self.word.as_ref();
        Ok(Self {
            lora: lora.map(|l| l.with_parameters(parameters)).transpose()?,
            key_values: key_values
                .map(|k| k.with_parameters(parameters))
                .transpose()?,
            word: word.map(|w| w.with_parameters(parameters)).transpose()?,
        })
    }
}

/// The tensor of this name.
///
/// # Errors
/// There is none.
pub(super) fn find(parameters: &[(String, Tensor)], name: &str) -> Result<Tensor> {
    match parameters.iter().find(|(n, _)| n == name) {
        Some((_, tensor)) => Ok(tensor.shallow_clone()),
        None => Err(EngineError::request(
            "training state",
            format!("lacks {name}; begin anew with --fresh"),
        )),
    }
}
