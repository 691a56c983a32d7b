//! A word of its own for a subject (textual inversion, arXiv 2208.01618): vectors that the text
//! encoder reads as tokens.

use tch::Tensor;

use super::parts::find;
use crate::prompt::TextStage;
use crate::{EngineError, Result};

/// What a new word begins with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WordOptions {
    /// The word, as prompts say it.
    pub word: String,
    /// Vectors that it stands for, 1 or more.
    pub vectors: usize,
    /// Words whose embeddings it begins as, such as the class's noun.
    pub init: String,
}

/// A new word and its vectors.
#[derive(Debug)]
pub(crate) struct NewWord {
    pub(crate) word: String,
    /// `[n, width]` in the text encoder's dtype.
    pub(crate) vectors: Tensor,
}

impl NewWord {
    /// The embeddings of the first tokens that `options.init` has, in turn where there are more
    /// vectors.
    ///
    /// # Errors
    /// There are no tokens or no vectors, the model has two text encoders, or the word is empty.
    pub(crate) fn fresh(text: &TextStage, options: &WordOptions) -> Result<Self> {
        let _guard = tch::no_grad_guard();
        if options.word.trim().is_empty() || options.vectors == 0 {
            let problem = "must be a word with at least one vector";
            return Err(EngineError::request("word", problem));
        }
        let ids = text.tokenizer().encode(&options.init)?.ids;
        if ids.is_empty() {
            let problem = "say with a word or two what the subject is, such as its class's noun";
            return Err(EngineError::request("init", problem));
        }
        let ids: Vec<i64> = ids.into_iter().cycle().take(options.vectors).collect();
        Ok(Self {
            word: options.word.clone(),
            vectors: text.encoder().token_vectors(&ids)?,
        })
    }

    /// The word as a text stage learns it, sharing its vectors.
    pub(crate) fn shallow(&self) -> (String, Vec<Tensor>) {
        (self.word.clone(), vec![self.vectors.shallow_clone()])
    }

    /// Its vectors by name, as they are trained.
    pub(crate) fn parameter(&self) -> (String, Tensor) {
        (NAME.to_owned(), self.vectors.shallow_clone())
    }

    /// The same word with trained `parameters` in the place of its own.
    ///
    /// # Errors
    /// It is missing.
    pub(crate) fn with_parameters(&self, parameters: &[(String, Tensor)]) -> Result<Self> {
        Ok(Self {
            word: self.word.clone(),
            vectors: find(parameters, NAME)?,
        })
    }
}

/// The vectors' name in training states.
const NAME: &str = "word";
