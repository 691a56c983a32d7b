//! What a personalization is told, and how it ends.

use std::path::PathBuf;

use crate::adapters::LoraFormat;
use crate::device::{DeviceRequest, Dtype};
use crate::prompt::find_words;
use crate::recipe::ModelRef;
use crate::train::folder::ImageFolder;
use crate::train::personal::Learnt;
use crate::{EngineError, Result};

/// A subject or a style that is to be learnt.
#[derive(Debug, Clone)]
pub struct PersonalRequest {
    /// Its name, which is the file's too.
    pub name: String,
    /// The command that asks for it.
    pub command: String,
    /// The model, as recipes name it.
    pub model: ModelRef,
    /// The model's folder.
    pub model_folder: PathBuf,
    /// The file to write.
    pub out: PathBuf,
    /// How it is written.
    pub output: PersonalOutput,
    /// Folder of the pictures, each with its caption in `NAME.txt` or none.
    pub data: PathBuf,
    /// The caption of pictures that bring none.
    pub instance: Option<String>,
    /// What keeps the class as it is.
    pub class: Option<ClassPlan>,
    /// What is trained.
    pub learnt: Learnt,
    /// Weight of the semantic preservation (`ClassDiffusion`, arXiv 2405.17532), which keeps the
    /// subject in words near its class; it needs both prompts.
    pub semantic: Option<f64>,
    /// Pictures that a worker takes at once, 1 or more.
    pub batch: usize,
    /// Batches whose gradients make one step, 1 or more.
    pub accumulate: usize,
    /// Fraction of captions, 0..1, in whose place the empty one stands.
    pub caption_dropout: f64,
    /// Decay of the average that is kept, 0..1; 0 keeps the last step.
    pub ema_decay: f64,
    /// Prompts of the samples; empty for the captions' own.
    pub sample_prompts: Vec<String>,
    /// Seed of branches, order and noise.
    pub seed: u64,
    /// Where to compute.
    pub device: DeviceRequest,
    /// dtype of text encoder and U-Net, and of the branches, which have fp32 masters.
    pub dtype: Dtype,
    /// Whether there must be a stored state to go on from.
    pub must_resume: bool,
}

impl PersonalRequest {
    /// The new word, where nothing else is written.
    pub(super) fn only_word(&self) -> Option<&str> {
        let is_alone = matches!(
            self.output,
            PersonalOutput::Word | PersonalOutput::KohyaWord
        );
        let word = self.learnt.word.as_ref().filter(|_| is_alone)?;
        Some(&word.word)
    }

    /// Refuses what would be trained to no end.
    pub(super) fn check(&self, pictures: &ImageFolder) -> Result<()> {
        if let Some(word) = &self.learnt.word {
            let lacks = |text: &str| find_words(text, &[&word.word]).is_empty();
            if let Some(row) = pictures.rows.iter().find(|row| lacks(&row.caption)) {
                let problem = format!(
                    "its caption \"{}\" does not have the word {} that is to be learnt; write it \
                     in",
                    row.caption, word.word
                );
                return Err(EngineError::bad_file(&row.path, problem));
            }
        }
        if self.semantic.is_some_and(|weight| weight > 0.0) {
            let refuse =
                |problem: &str| Err(EngineError::request("semantic-preservation", problem));
            if self.instance.is_none() || self.class.is_none() {
                return refuse("compares --instance with --class; give both");
            }
            let of_text = self.learnt.lora.is_some_and(|lora| lora.text_encoder);
            if !of_text && self.learnt.word.is_none() {
                return refuse(
                    "acts on what a prompt means, and nothing of that is trained; add \
                     --text-encoder",
                );
            }
        }
        Ok(())
    }
}

/// Prior preservation (arXiv 2208.12242, section 3.3).
#[derive(Debug, Clone, PartialEq)]
pub struct ClassPlan {
    /// The class in words, such as `a photo of a dog`.
    pub prompt: String,
    /// Pictures of it that the model makes before the training, 1 or more.
    pub count: usize,
    /// Weight of their loss beside the subject's, 0 or more; at 0 none are made.
    pub weight: f64,
}

/// How what was learnt is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PersonalOutput {
    /// A LoRA; what has no low rank is brought to this one by its singular values. A new word is
    /// bundled with it.
    Lora(LoraFormat, u32),
    /// The whole differences of the layers, as LyCORIS has them, with a new word bundled.
    Full,
    /// The new word alone as Python diffusers has it, which A1111 and `ComfyUI` read too.
    Word,
    /// The new word alone as kohya has it.
    KohyaWord,
}

/// How a personalization ended.
#[derive(Debug, Clone, PartialEq)]
pub enum PersonalEnd {
    /// It is saved at this path.
    Done(PathBuf),
    /// It was stopped; its state is kept, and the same request goes on from there.
    Stopped {
        /// Steps done, over all runs.
        step: u64,
        /// Steps asked for.
        total_steps: u64,
    },
}
