//! The tokenizer of a single file, which carries none.

use std::path::{Path, PathBuf};

use super::{SingleFile, TextPart};
use crate::Result;
use crate::prompt::Tokenizer;

/// What pads prompts for OpenCLIP: the token of id 0.
pub(in crate::checkpoint) const OPEN_CLIP_PAD: &str = "!";
/// What pads prompts for CLIP: the end of the text.
pub(in crate::checkpoint) const CLIP_PAD: &str = "<|endoftext|>";

impl SingleFile {
    /// The tokenizer of one of its text encoders: from a folder beside the file that is named after
    /// it, as this program makes one where a model does not read CLIP's own vocabulary, else from a
    /// folder `tokenizer` beside it, else CLIP's.
    ///
    /// # Errors
    /// A tokenizer's file is damaged.
    pub(in crate::checkpoint) fn tokenizer(&self, part: &TextPart) -> Result<Tokenizer> {
        match self.tokenizer_dir(part.component) {
            Some(folder) => Tokenizer::open(&folder),
            None if part.is_open_clip => Tokenizer::clip(OPEN_CLIP_PAD),
            None => Tokenizer::clip(CLIP_PAD),
        }
    }

    /// The folder beside the file that holds the tokenizer of `component`, where there is one.
    pub(in crate::checkpoint) fn tokenizer_dir(&self, component: &str) -> Option<PathBuf> {
        let name = component.replace("text_encoder", "tokenizer");
        let own = beside(&self.path, &name);
        let shared = self.path.with_file_name(&name);
        let is_one = |folder: &PathBuf| {
            let has = |name: &str| folder.join(name).is_file();
            has("vocab.json") || has("tokenizer.json")
        };
        [own, shared].into_iter().find(is_one)
    }
}

/// The folder for the tokenizer `name` of the file `path`: `dream.safetensors` has
/// `dream.tokenizer`.
pub(in crate::checkpoint) fn beside(path: &Path, name: &str) -> PathBuf {
    path.with_extension(name)
}
