//! LoRAs and embeddings on the bench.

use std::path::PathBuf;

use vernier_engine::adapters::{AdapterKind, Family, FoundAdapter};
use vernier_engine::recipe::{AdapterUse, EmbeddingUse};

use super::super::{AdapterQuestion, AdapterRow, ToastKind};
use super::{Shown, Studio};
use crate::studio::command::UiCommand;

impl Studio {
    /// The adapters and embeddings at hand.
    pub fn adapters(&self) -> &[FoundAdapter] {
        &self.adapters.at_hand
    }

    /// The adapters and embeddings that there are.
    pub fn set_adapters(&mut self, at_hand: Vec<FoundAdapter>) {
        self.adapters.set_at_hand(at_hand);
    }

    /// Questions about adapters' files, to be answered beside the window; they are gone from here.
    pub fn take_adapter_questions(&mut self) -> Vec<AdapterQuestion> {
        self.adapters.take_questions()
    }

    /// What kind of model the bench has, where that is known.
    pub fn model_family(&self) -> Option<&Family> {
        let model = &self.bench.recipe.model;
        let is_it = |item: &&super::ModelItem| {
            item.model.name == model.name && item.model.path == model.path
        };
        self.models.iter().find(is_it)?.adapter_family.as_ref()
    }

    /// The adapters and embeddings on the bench.
    pub fn adapter_rows(&self) -> Vec<AdapterRow> {
        self.adapters.rows(&self.bench, self.model_family())
    }

    /// The sentence of the first adapter or ControlNet at work that cannot work.
    pub fn unfit_adapter(&self) -> Option<String> {
        if let Some(sentence) = self.unfit_controlnet() {
            return Some(sentence);
        }
        let recipe = &self.bench.recipe;
        let pictures = &recipe.picture_prompts;
        if recipe.adapters.is_empty() && recipe.embeddings.is_empty() && pictures.is_empty() {
            return None;
        }
        let pictures = self.picture_rows().into_iter().map(|row| row.adapter);
        let rows = self.adapter_rows().into_iter().chain(pictures);
        rows.filter(|row| !row.is_muted).find_map(|row| row.problem)
    }

    /// Puts the adapter or embedding in the file `path` to work as soon as it is read.
    pub fn take_adapter(&mut self, path: impl Into<PathBuf>) {
        self.adapters.ask(AdapterQuestion::Take(path.into()));
    }

    /// What came of a question about an adapter's file.
    pub fn receive_adapter(
        &mut self,
        question: &AdapterQuestion,
        answer: Result<FoundAdapter, String>,
    ) {
        match (question, answer) {
            (AdapterQuestion::Take(_), Ok(found)) => self.add_adapter(&found),
            (AdapterQuestion::Take(_), Err(sentence)) => {
                self.toasts.push(ToastKind::Trouble, sentence, None);
            }
            (question, answer) => self.adapters.learn(question, answer),
        }
    }

    fn add_adapter(&mut self, found: &FoundAdapter) {
        let kind = match &found.kind {
            Ok(kind) => kind,
            Err(sentence) => {
                self.toasts.push(ToastKind::Trouble, sentence, None);
                return;
            }
        };
        let path = std::path::absolute(&found.path).unwrap_or_else(|_| found.path.clone());
        // One of the library is found by its name on every machine.
        let is_at_hand = self.adapters.at_hand.iter().any(|a| a.path == found.path);
        let path = (!is_at_hand).then(|| path.to_string_lossy().into_owned());
        self.shown = Shown::Bench;
        let text = match kind {
            AdapterKind::Lora(_) => {
                let was_there = self.bench.adapter(&found.name).is_some();
                let name = self.bench.add_adapter(AdapterUse {
                    path,
                    hash: found.hash.clone(),
                    ..AdapterUse::new(&found.name, 1.0)
                });
                if was_there && name == found.name {
                    format!("{name} is on the bench already")
                } else {
                    format!("{name} is among the adapters")
                }
            }
            AdapterKind::PicturePrompt(_) => {
                self.add_picture_adapter(found, path);
                format!(
                    "{} is among the picture prompts; give it a picture",
                    found.name
                )
            }
            AdapterKind::Embedding { .. } => {
                let name = found.name.replace(char::is_whitespace, "_");
                self.bench.add_embedding(&EmbeddingUse {
                    // A word that is not the file's name does not lead to the file.
                    path: path.or_else(|| {
                        let absolute = found.path.to_string_lossy().into_owned();
                        (name != found.name).then_some(absolute)
                    }),
                    hash: found.hash.clone(),
                    ..EmbeddingUse::new(&name)
                });
                format!("The prompt calls {name} by its name")
            }
        };
        self.toasts
            .push(ToastKind::Done, text, Some(UiCommand::Undo));
    }

    /// Weighs an adapter's parts for the U-Net and for the text encoder.
    pub fn weigh_adapter(&mut self, name: &str, unet_weight: f64, text_weight: f64) {
        self.bench
            .set_adapter_weights(name, unet_weight, text_weight);
        self.shown = Shown::Bench;
    }

    /// Switches an adapter off, or on again.
    pub fn toggle_adapter_mute(&mut self, name: &str) {
        self.bench.toggle_adapter_mute(name);
        self.shown = Shown::Bench;
    }

    /// Takes an adapter, or an embedding with its word, off the bench.
    pub fn remove_adapter(&mut self, row: &AdapterRow) {
        if row.weights.is_some() {
            self.bench.remove_adapter(&row.name);
        } else {
            self.bench.remove_embedding(&row.name);
        }
        self.shown = Shown::Bench;
    }

    /// Writes a word into the prompt that an adapter was trained with.
    pub fn say(&mut self, word: &str) {
        self.bench.say(word);
        self.shown = Shown::Bench;
    }
}
