//! Captions as token batches.

use std::ops::Range;
use std::path::Path;

use vernier_engine::Result;
use rand::{Rng, RngExt};
use tch::Tensor;
use vernier_engine::prompt::Tokenizer;
use vernier_world::{Caption, CaptionOptions, Scene};

use crate::config::MAX_TOKENS;

/// Turns captions into ids.
#[derive(Debug)]
pub struct Captioner {
    tokenizer: Tokenizer,
}

/// A batch of captions.
#[derive(Debug)]
pub struct TokenBatch {
    /// `[batch, tokens]`, int64.
    pub ids: Tensor,
    /// Per caption and subject, the position of the noun's last token.
    pub nouns: Vec<Vec<i64>>,
    /// Per caption, the position of EOS.
    pub ends: Vec<i64>,
}

impl Captioner {
    /// Reads the tokenizer from `folder`.
    ///
    /// # Errors
    /// The folder holds no tokenizer.
    pub fn open(folder: &Path) -> Result<Self> {
        Ok(Self { tokenizer: Tokenizer::open(folder)? })
    }

    /// Encodes captions, padded with EOS to `length` tokens, or to the longest where `None`.
    ///
    /// # Errors
    /// The tokenizer fails.
    pub fn batch(&self, captions: &[Caption], length: Option<usize>) -> Result<TokenBatch> {
        let layout = self.tokenizer.layout();
        let mut rows = Vec::with_capacity(captions.len());
        let (mut nouns, mut ends) = (Vec::new(), Vec::new());
        for caption in captions {
            let encoding = self.tokenizer.encode(&caption.text)?;
            let mut ids: Vec<i64> = vec![layout.bos];
            ids.extend(&encoding.ids);
            let at = |bytes: &Range<usize>| {
                // The last token that ends inside the noun; +1 for BOS.
                encoding.offsets.iter().rposition(|o| o.end <= bytes.end && o.end > bytes.start)
            };
            nouns.push(caption.nouns.iter().filter_map(|n| at(n).map(|i| i as i64 + 1)).collect::<Vec<_>>());
            ends.push(ids.len() as i64);
            ids.push(layout.eos);
            rows.push(ids);
        }
        let longest = rows.iter().map(Vec::len).max().unwrap_or(1);
        let length = length.unwrap_or(longest).min(MAX_TOKENS);
        for (row, end) in rows.iter_mut().zip(&mut ends) {
            row.truncate(length);
            *end = (*end).min(length as i64 - 1);
            row.resize(length, layout.eos);
            if let Some(last) = row.last_mut() {
                *last = layout.eos;
            }
        }
        for (nouns, end) in nouns.iter_mut().zip(&ends) {
            nouns.iter_mut().for_each(|n| *n = (*n).min(*end));
        }
        let flat: Vec<i64> = rows.concat();
        let ids = Tensor::from_slice(&flat).f_view([captions.len() as i64, length as i64])?;
        Ok(TokenBatch { ids, nouns, ends })
    }

    /// Number of token ids.
    pub fn vocab_size(&self) -> usize {
        self.tokenizer.vocab_size()
    }
}

/// A caption of random completeness: half of them say nearly all, the others anything down to the
/// bare kinds, as people's prompts do.
pub fn varied_caption(scene: &Scene, rng: &mut impl Rng) -> Caption {
    let completeness = if rng.random_bool(0.5) { 1.0 } else { rng.random_range(0.0..1.0) };
    let options = CaptionOptions { completeness, ..CaptionOptions::default() };
    vernier_world::caption(scene, rng, &options)
}
