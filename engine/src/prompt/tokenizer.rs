//! CLIP's byte-level BPE tokenizer, from the files of a model folder.

use std::collections::HashMap;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tokenizers::models::bpe::{BPE, Merges};
use tokenizers::normalizers::replace::ReplacePattern;
use tokenizers::normalizers::{self, Lowercase, NFC, Replace};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::{AddedToken, SplitDelimiterBehavior};

use super::ChunkLayout;
use super::added::{AddedWord, find_words};
use super::clip_vocabulary::{END, START, clip_merges, vocabulary_of};
use crate::{EngineError, Result};

/// Longest sequence where the folder names none.
const DEFAULT_MAX_LENGTH: usize = 77;

/// A comma that ends a word.
const COMMA: &str = ",</w>";

/// Where CLIP cuts text before merging: contractions, runs of letters, single digits, runs of
/// everything else.
const PIECES: &str =
    r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+";

/// The tokens of one text, without BOS, EOS and padding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Encoding {
    /// Token ids.
    pub ids: Vec<i64>,
    /// Byte range of every token in the text as it was given (before lower-casing and
    /// composition); tokens that share one character share its range.
    pub offsets: Vec<Range<usize>>,
}

/// A folder's CLIP tokenizer.
#[derive(Debug)]
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    layout: ChunkLayout,
    path: PathBuf,
    added: Vec<AddedWord>,
}

impl Tokenizer {
    /// Opens a `tokenizer` folder: `vocab.json` with `merges.txt`, or else `tokenizer.json`, and
    /// `tokenizer_config.json` and `special_tokens_map.json` where they are.
    ///
    /// # Errors
    /// A file is missing or damaged, or a special token is not in the vocabulary.
    pub fn open(folder: &Path) -> Result<Self> {
        let settings = Settings::read(folder)?;
        let token = |name: &str, usual: &str| {
            let token = settings.token(name);
            token.unwrap_or_else(|| usual.to_owned())
        };
        let bos = token("bos_token", START);
        let eos = token("eos_token", END);
        let pad = token("pad_token", &eos);
        let unk = token("unk_token", &eos);

        let vocab = folder.join("vocab.json");
        let merges = folder.join("merges.txt");
        let whole = folder.join("tokenizer.json");
        let (inner, path) = if vocab.is_file() && merges.is_file() {
            let words: HashMap<String, u32> = read_json(&vocab)?;
            let text = fs::read_to_string(&merges).map_err(|e| EngineError::io(&merges, e))?;
            let pairs = read_merges(&text, &merges)?;
            (from_vocabulary(words, pairs, &merges, &unk)?, vocab)
        } else if whole.is_file() {
            (from_whole(&whole)?, whole)
        } else {
            return Err(EngineError::bad_file(
                folder,
                "is no tokenizer: it has neither tokenizer.json nor both of vocab.json and \
                 merges.txt; fetch the folder again",
            ));
        };
        let length = settings.max_length()?;
        let special = [&bos, &eos, &pad, &unk].map(String::as_str);
        Self::with_special(inner, special, length, path)
    }

    /// The tokenizer that CLIP was trained with, whose prompts are filled up with the token `pad`:
    /// the end of the text for CLIP, `!` for OpenCLIP.
    ///
    /// # Errors
    /// `pad` is no token.
    pub fn clip(pad: &str) -> Result<Self> {
        let path = PathBuf::from("CLIP's vocabulary");
        let merges = clip_merges()?;
        let words = vocabulary_of(&merges).into_iter().zip(0..).collect();
        let pairs = read_merges(&merges, &path)?;
        let inner = from_vocabulary(words, pairs, &path, END)?;
        Self::with_special(inner, [START, END, pad, END], DEFAULT_MAX_LENGTH, path)
    }

    /// `special` are what begins, ends and fills a text, and what stands for the unknown.
    fn with_special(
        mut inner: tokenizers::Tokenizer,
        special: [&str; 4],
        length: usize,
        path: PathBuf,
    ) -> Result<Self> {
        for token in special {
            if inner.token_to_id(token).is_none() {
                return Err(EngineError::bad_file(
                    path,
                    format!("lacks the special token \"{token}\" that its folder names"),
                ));
            }
        }
        // As in Python transformers, a special token is found before any other rule is applied,
        // so that SD 2.x reads every "!" as padding.
        let [bos, eos, pad, unk] = special;
        inner.add_special_tokens(&[bos, eos, unk, pad].map(|t| AddedToken::from(t, true)));
        let id = |token: &str| inner.token_to_id(token).map_or(0, i64::from);
        let layout = ChunkLayout {
            length,
            bos: id(bos),
            eos: id(eos),
            pad: id(pad),
            comma: inner.token_to_id(COMMA).map(i64::from),
        };
        Ok(Self {
            inner,
            layout,
            path,
            added: Vec::new(),
        })
    }

    /// How prompts are laid out: `model_max_length` of tokenizer_config.json and the special
    /// tokens' ids.
    pub fn layout(&self) -> ChunkLayout {
        self.layout
    }

    /// Number of token ids.
    pub fn vocab_size(&self) -> usize {
        self.inner.get_vocab_size(true)
    }

    /// Whether it has the same tokens under the same ids as `other`.
    pub fn has_vocabulary_of(&self, other: &Self) -> bool {
        self.inner.get_vocab(true) == other.inner.get_vocab(true)
    }

    /// Sets words that have ids of their own: each its name and how many ids, counted up from
    /// `first_id`. They take the place of those that were set before.
    pub fn set_added(&mut self, words: &[(&str, usize)], first_id: i64) {
        let mut next = first_id;
        let words = words.iter().map(|&(name, count)| {
            let ids = next..next + count as i64;
            next = ids.end;
            AddedWord {
                name: name.to_owned(),
                ids,
            }
        });
        self.added = words.collect();
    }

    /// Whether `id` is one of a word that was set.
    pub(super) fn is_added(&self, id: i64) -> bool {
        self.added.iter().any(|word| word.ids.contains(&id))
    }

    /// The tokens of `text`, however long it is. A word with ids of its own gives those; all of
    /// them have the word's place.
    ///
    /// # Errors
    /// The vocabulary has no token for a part of `text`.
    pub fn encode(&self, text: &str) -> Result<Encoding> {
        let names: Vec<&str> = self.added.iter().map(|word| word.name.as_str()).collect();
        let mut whole = Encoding {
            ids: Vec::new(),
            offsets: Vec::new(),
        };
        let mut from = 0;
        let between = |range: Range<usize>, whole: &mut Encoding| -> Result<()> {
            let part = self.encode_known(&text[range.clone()])?;
            whole.ids.extend(part.ids);
            let offsets = part.offsets.into_iter();
            let offsets = offsets.map(|o| o.start + range.start..o.end + range.start);
            whole.offsets.extend(offsets);
            Ok(())
        };
        for (range, index) in find_words(text, &names) {
            between(from..range.start, &mut whole)?;
            let ids = self.added[index].ids.clone();
            whole.offsets.extend(ids.clone().map(|_| range.clone()));
            whole.ids.extend(ids);
            from = range.end;
        }
        between(from..text.len(), &mut whole)?;
        Ok(whole)
    }

    fn encode_known(&self, text: &str) -> Result<Encoding> {
        let encoding = self.inner.encode(text, false).map_err(|e| {
            EngineError::bad_file(&self.path, format!("cannot read \"{text}\": {e}"))
        })?;
        Ok(Encoding {
            ids: encoding.get_ids().iter().map(|&id| i64::from(id)).collect(),
            offsets: encoding
                .get_offsets()
                .iter()
                .map(|&(start, end)| start..end)
                .collect(),
        })
    }
}

/// tokenizer_config.json and, where that is silent, special_tokens_map.json.
struct Settings {
    config: PathBuf,
    values: [Value; 2],
}

impl Settings {
    fn read(folder: &Path) -> Result<Self> {
        let config = folder.join("tokenizer_config.json");
        let values = [
            read_optional(&config)?,
            read_optional(&folder.join("special_tokens_map.json"))?,
        ];
        Ok(Self { config, values })
    }

    /// A special token, written as a string or as an object with its `content`.
    fn token(&self, name: &str) -> Option<String> {
        self.values.iter().find_map(|values| {
            let value = values.get(name)?;
            let text = value.as_str().or_else(|| value.get("content")?.as_str())?;
            Some(text.to_owned())
        })
    }

    fn max_length(&self) -> Result<usize> {
        let Some(value) = self.values[0].get("model_max_length") else {
            return Ok(DEFAULT_MAX_LENGTH);
        };
        match value.as_f64() {
            // Python transformers writes 1e30 for "not known".
            Some(length) if length > 1e6 => Ok(DEFAULT_MAX_LENGTH),
            Some(length) if length >= 3.0 => Ok(length as usize),
            _ => Err(EngineError::bad_config(
                &self.config,
                "model_max_length",
                format!("is {value}; it must be a number of 3 or more"),
            )),
        }
    }
}

fn read_optional(path: &Path) -> Result<Value> {
    if path.is_file() {
        read_json(path)
    } else {
        Ok(Value::Null)
    }
}

fn read_json<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T> {
    let text = fs::read(path).map_err(|e| EngineError::io(path, e))?;
    serde_json::from_slice(&text)
        .map_err(|e| EngineError::bad_file(path, format!("is not what a tokenizer needs: {e}")))
}

/// The pipeline that Python transformers builds around vocab.json and merges.txt.
fn from_vocabulary(
    words: HashMap<String, u32>,
    pairs: Merges,
    merges: &Path,
    unk: &str,
) -> Result<tokenizers::Tokenizer> {
    let bad = |e: tokenizers::Error| {
        EngineError::bad_file(merges, format!("does not fit vocab.json beside it: {e}"))
    };
    let bpe = BPE::builder()
        .vocab_and_merges(
            words
                .into_iter()
                .collect::<tokenizers::models::bpe::Vocab>(),
            pairs,
        )
        .end_of_word_suffix("</w>".to_owned())
        .unk_token(unk.to_owned())
        .build()
        .map_err(bad)?;
    let spaces = Replace::new(ReplacePattern::Regex(r"\s+".to_owned()), " ").map_err(bad)?;
    let pieces = Split::new(
        SplitPattern::Regex(PIECES.to_owned()),
        SplitDelimiterBehavior::Removed,
        true,
    )
    .map_err(bad)?;
    let mut tokenizer = tokenizers::Tokenizer::new(bpe);
    tokenizer.with_normalizer(Some(normalizers::Sequence::new(vec![
        NFC.into(),
        spaces.into(),
        Lowercase.into(),
    ])));
    tokenizer.with_pre_tokenizer(Some(Sequence::new(vec![
        pieces.into(),
        ByteLevel::new(false, true, true).into(),
    ])));
    Ok(tokenizer)
}

/// The pairs in `text`, whose errors name `path`.
fn read_merges(text: &str, path: &Path) -> Result<Merges> {
    let lines = text.lines().enumerate();
    lines
        .filter(|(_, line)| !line.is_empty() && !line.starts_with("#version"))
        .map(|(number, line)| match line.split_once(' ') {
            Some((a, b)) if !b.contains(' ') => Ok((a.to_owned(), b.to_owned())),
            _ => Err(EngineError::bad_file(
                path,
                format!("line {} is not two tokens with a space between", number + 1),
            )),
        })
        .collect()
}

fn from_whole(path: &Path) -> Result<tokenizers::Tokenizer> {
    let text = fs::read(path).map_err(|e| EngineError::io(path, e))?;
    let mut tokenizer = tokenizers::Tokenizer::from_bytes(&text).map_err(|e| {
        EngineError::bad_file(path, format!("is not a tokenizer that can be read: {e}"))
    })?;
    // Chunks do both, without losing what is beyond the first one.
    tokenizer.with_padding(None);
    tokenizer.with_truncation(None).map_err(|e| {
        EngineError::bad_file(path, format!("is not a tokenizer that can be read: {e}"))
    })?;
    Ok(tokenizer)
}
