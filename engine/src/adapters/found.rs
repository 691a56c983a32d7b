//! Adapters and embeddings as a library shows them.

use std::fmt;
use std::path::{Path, PathBuf};

use super::file::{AdapterFile, file_of};
use super::{AdapterLibrary, Embedding, Family, Summary};
use crate::picture_prompts::{PicturePromptFile, PicturePromptKind, is_picture_prompt};
use crate::{EngineError, Result};

/// An adapter or an embedding that lies on this machine.
#[derive(Debug, Clone, PartialEq)]
pub struct FoundAdapter {
    /// Its name: the stem of its file.
    pub name: String,
    /// Its file.
    pub path: PathBuf,
    /// SHA-256 of the file in hex; empty where it was only listed.
    pub hash: String,
    /// What it is, or the sentence that says why it cannot be used.
    pub kind: std::result::Result<AdapterKind, String>,
}

/// What a file is.
#[derive(Debug, Clone, PartialEq)]
pub enum AdapterKind {
    /// A LoRA or one of its relatives.
    Lora(Box<Summary>),
    /// An IP-Adapter, which makes a prompt of a picture.
    PicturePrompt(PicturePromptKind),
    /// A textual-inversion embedding.
    Embedding {
        /// Vectors that stand for its word.
        vectors: usize,
        /// Widths of the encoders that it is for.
        widths: Vec<i64>,
        /// The same in words.
        made_for: String,
    },
}

impl AdapterKind {
    /// That of an embedding that was read.
    pub fn of(embedding: &Embedding) -> Self {
        Self::Embedding {
            vectors: embedding.count(),
            widths: embedding.widths(),
            made_for: embedding.made_for(),
        }
    }

    /// Whether it is an embedding.
    pub fn is_embedding(&self) -> bool {
        matches!(self, Self::Embedding { .. })
    }

    /// Whether it makes a prompt of a picture.
    pub fn is_picture_prompt(&self) -> bool {
        matches!(self, Self::PicturePrompt(_))
    }

    /// Whether it has a part for a text encoder, to be weighed by itself.
    pub fn has_text(&self) -> bool {
        matches!(self, Self::Lora(summary) if summary.has_text)
    }

    /// Words that it was trained with.
    pub fn trained_words(&self) -> &[String] {
        match self {
            Self::Lora(summary) => &summary.trigger_words,
            Self::Embedding { .. } | Self::PicturePrompt(_) => &[],
        }
    }

    /// Why a model of `family` refuses it, where it does: half a sentence after its name.
    pub fn misfit(&self, family: &Family) -> Option<String> {
        let made_for = match self {
            Self::Lora(summary) => {
                let needs = summary.needs.as_ref()?;
                (needs != family).then(|| needs.to_string())?
            }
            Self::PicturePrompt(kind) => {
                let needs = kind.family();
                (needs != *family).then(|| needs.to_string())?
            }
            Self::Embedding {
                widths, made_for, ..
            } => {
                let wanted = family.text_widths();
                let has_all = wanted.iter().all(|width| widths.contains(width));
                (!has_all && !wanted.is_empty()).then(|| made_for.clone())?
            }
        };
        Some(format!("is made for {made_for}, not for {family}"))
    }
}

/// In one line: `LoRA, rank 16, for Stable Diffusion 1.x`, `embedding, 2 vectors, for …`.
impl fmt::Display for AdapterKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lora(summary) => summary.fmt(f),
            Self::PicturePrompt(kind) => kind.fmt(f),
            Self::Embedding {
                vectors, made_for, ..
            } => {
                let noun = if *vectors == 1 { "vector" } else { "vectors" };
                write!(f, "embedding, {vectors} {noun}, for {made_for}")
            }
        }
    }
}

impl FoundAdapter {
    /// Reads `path` whole, its hash included.
    pub fn read(path: &Path) -> Self {
        let looked = AdapterFile::open(path).and_then(|file| Ok((kind_of(&file)?, file.hash)));
        Self::of(path, looked)
    }

    /// The same without the hash: fast however large the file is.
    pub fn look(path: &Path) -> Self {
        let looked = AdapterFile::look(path).and_then(|file| kind_of(&file));
        Self::of(path, looked.map(|kind| (kind, String::new())))
    }

    fn of(path: &Path, looked: Result<(AdapterKind, String)>) -> Self {
        let name = path.file_stem().unwrap_or(path.as_os_str());
        let name = name.to_string_lossy().into_owned();
        let (kind, hash) = match looked {
            Ok((kind, hash)) => (Ok(kind), hash),
            Err(error) => (Err(error.to_string()), String::new()),
        };
        Self {
            name,
            path: file_of(path),
            hash,
            kind,
        }
    }

    /// What it is, or why it cannot be used.
    pub fn in_a_line(&self) -> String {
        match &self.kind {
            Ok(kind) => kind.to_string(),
            Err(sentence) => sentence.clone(),
        }
    }
}

fn kind_of(file: &AdapterFile) -> Result<AdapterKind> {
    if is_picture_prompt(&file.headers()) {
        return Ok(AdapterKind::PicturePrompt(
            PicturePromptFile::look(file.path())?.kind,
        ));
    }
    if !file.layers.is_empty() {
        return Ok(AdapterKind::Lora(Box::new(Summary::of(file)?)));
    }
    match Embedding::read(file.path()) {
        Ok(embedding) => Ok(AdapterKind::of(&embedding)),
        Err(EngineError::BadFile { .. }) => {
            let count = file.headers().len();
            let problem = format!(
                "is neither a LoRA nor an embedding (it has {count} tensors); a model goes into a \
                 folder of models, a control of Vernier into the controls folder"
            );
            Err(EngineError::bad_file(file.path(), problem))
        }
        Err(error) => Err(error),
    }
}

impl AdapterLibrary {
    /// All adapters by name, then all picture prompts and all embeddings, looked at without their
    /// hashes.
    pub fn list(&self) -> Vec<FoundAdapter> {
        let adapters = self.adapters();
        let mut prompts = self.picture_prompts().adapters();
        prompts.retain(|_, path| !adapters.values().any(|own| own == path));
        let named = |(name, path): (String, PathBuf)| FoundAdapter {
            name,
            ..FoundAdapter::look(&path)
        };
        let adapters = adapters.into_iter().chain(prompts).map(named);
        adapters
            .chain(self.embeddings().into_iter().map(named))
            .collect()
    }
}
