//! LoRAs and embeddings of other programs: those at hand, and those on the bench.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;

use vernier_engine::adapters::{AdapterLibrary, Family, FoundAdapter};
use vernier_engine::project::Bench;
use vernier_engine::recipe::{AdapterUse, EmbeddingUse, PicturePromptUse};

/// A question about an adapter's file. Files are read beside the window.
#[derive(Debug, Clone, PartialEq)]
pub enum AdapterQuestion {
    /// Put this file to work.
    Take(PathBuf),
    /// What is this adapter of the bench?
    Adapter(AdapterUse),
    /// What is this embedding of the bench?
    Embedding(EmbeddingUse),
    /// What is this picture prompt of the bench?
    PicturePrompt(Box<PicturePromptUse>),
}

impl AdapterQuestion {
    /// Looks for the answer: what the file is, or the sentence that says why there is none.
    ///
    /// # Errors
    /// There is no such file.
    pub fn answer(&self, library: &AdapterLibrary) -> Result<FoundAdapter, String> {
        let path = match self {
            Self::Take(path) => return Ok(FoundAdapter::read(path)),
            Self::Adapter(adapter) => library.find(adapter),
            Self::Embedding(embedding) => library.find_embedding(embedding),
            Self::PicturePrompt(own) => library.picture_prompts().find(own),
        };
        let path = path.map_err(|e| e.to_string())?;
        Ok(FoundAdapter::look(&path))
    }

    /// What tells one question from another: weights do not.
    fn key(&self) -> String {
        match self {
            Self::Take(path) => path.to_string_lossy().into_owned(),
            Self::Adapter(a) => key_of("adapter", &a.name, a.path.as_deref(), &a.hash),
            Self::Embedding(e) => key_of("embedding", &e.name, e.path.as_deref(), &e.hash),
            Self::PicturePrompt(p) => key_of("picture", &p.name, p.path.as_deref(), &p.hash),
        }
    }
}

fn key_of(what: &str, name: &str, path: Option<&str>, hash: &str) -> String {
    format!("{what}\n{name}\n{}\n{hash}", path.unwrap_or_default())
}

/// What is known of adapters.
#[derive(Debug, Default)]
pub(super) struct Adapters {
    /// Those of the library.
    pub(super) at_hand: Vec<FoundAdapter>,
    /// By the question that was answered.
    known: HashMap<String, Result<FoundAdapter, String>>,
    asked: HashSet<String>,
    questions: Vec<AdapterQuestion>,
}

impl Adapters {
    /// The library was read anew: so are the files of the bench.
    pub(super) fn set_at_hand(&mut self, at_hand: Vec<FoundAdapter>) {
        self.at_hand = at_hand;
        self.asked.clear();
    }

    /// Asks `question`.
    pub(super) fn ask(&mut self, question: AdapterQuestion) {
        self.questions.push(question);
    }

    /// Asks about all of the bench's that nobody has asked about yet.
    pub(super) fn look_at(&mut self, bench: &Bench) {
        let adapters = bench.adapters().into_iter();
        let adapters = adapters.map(|(adapter, _)| AdapterQuestion::Adapter(adapter.clone()));
        let embeddings = bench.recipe.embeddings.iter().cloned();
        let pictures = bench.picture_prompts().into_iter();
        let pictures =
            pictures.map(|(own, _)| AdapterQuestion::PicturePrompt(Box::new(own.clone())));
        let others = embeddings.map(AdapterQuestion::Embedding).chain(pictures);
        for question in adapters.chain(others) {
            if self.asked.insert(question.key()) {
                self.questions.push(question);
            }
        }
    }

    /// What is to be asked; it is gone from here.
    pub(super) fn take_questions(&mut self) -> Vec<AdapterQuestion> {
        std::mem::take(&mut self.questions)
    }

    /// What came of a question about the bench.
    pub(super) fn learn(
        &mut self,
        question: &AdapterQuestion,
        answer: Result<FoundAdapter, String>,
    ) {
        self.known.insert(question.key(), answer);
    }

    /// The rows of the adapters and embeddings of `bench` on a model of `family`.
    pub(super) fn rows(&self, bench: &Bench, family: Option<&Family>) -> Vec<AdapterRow> {
        let mut rows = Vec::new();
        for (adapter, is_muted) in bench.adapters() {
            let mut row = self.row(&AdapterQuestion::Adapter(adapter.clone()), family);
            row.is_muted = is_muted;
            row.weights = Some((adapter.unet_weight, adapter.text_weight));
            row.name.clone_from(&adapter.name);
            rows.push(row);
        }
        for embedding in &bench.recipe.embeddings {
            let mut row = self.row(&AdapterQuestion::Embedding(embedding.clone()), family);
            row.name.clone_from(&embedding.name);
            row.lacks_word = !bench.says(&embedding.name);
            rows.push(row);
        }
        rows
    }

    pub(super) fn row(&self, question: &AdapterQuestion, family: Option<&Family>) -> AdapterRow {
        let mut row = AdapterRow::default();
        match self.known.get(&question.key()) {
            None => "being read".clone_into(&mut row.about),
            Some(Err(sentence)) => row.problem = Some(sentence.clone()),
            Some(Ok(found)) => match &found.kind {
                Err(sentence) => row.problem = Some(sentence.clone()),
                Ok(kind) => {
                    row.about = kind.to_string();
                    row.trained_words = kind.trained_words().to_vec();
                    row.has_text = kind.has_text();
                    row.path = Some(found.path.clone());
                    let misfit = family.and_then(|family| kind.misfit(family));
                    row.problem = misfit.map(|misfit| {
                        format!(
                            "{} {misfit}; mute or remove it, or take another model",
                            found.name
                        )
                    });
                }
            },
        }
        row
    }
}

/// An adapter or an embedding of the bench, for its row.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct AdapterRow {
    /// Its name on the bench.
    pub name: String,
    /// How far it counts for the U-Net and for the text encoder; `None` for embeddings, which are
    /// words.
    pub weights: Option<(f64, f64)>,
    /// Whether it has a part for the text encoder.
    pub has_text: bool,
    /// Whether it is switched off.
    pub is_muted: bool,
    /// What it is.
    pub about: String,
    /// Its file, where it was found.
    pub path: Option<PathBuf>,
    /// Words that it was trained with.
    pub trained_words: Vec<String>,
    /// Whether it is an embedding whose word no prompt has.
    pub lacks_word: bool,
    /// Why it cannot work, in one sentence.
    pub problem: Option<String>,
}
