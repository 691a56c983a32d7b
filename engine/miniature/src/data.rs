//! Captions as token batches.

use std::ops::Range;
use std::path::Path;

use anyhow::Result;
use tch::Tensor;
use vernier_engine::prompt::Tokenizer;
use vernier_world::Caption;

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
        let mut rows = Vec::with_capacity(captions.len());
        let (mut nouns, mut ends) = (Vec::new(), Vec::new());
        for caption in captions {
            let encoding = self.tokenizer.encode(&caption.text)?;
            let mut ids: Vec<i64> = vec![self.tokenizer.bos()];
            ids.extend(encoding.ids.iter().map(|&id| i64::from(id)));
            let at = |bytes: &Range<usize>| {
                // The last token that ends inside the noun; +1 for BOS.
                encoding.offsets.iter().rposition(|o| o.end <= bytes.end && o.end > bytes.start)
            };
            nouns.push(caption.nouns.iter().filter_map(|n| at(n).map(|i| i as i64 + 1)).collect::<Vec<_>>());
            ends.push(ids.len() as i64);
            ids.push(self.tokenizer.eos());
            rows.push(ids);
        }
        let longest = rows.iter().map(Vec::len).max().unwrap_or(1);
        let length = length.unwrap_or(longest);
        for (row, end) in rows.iter_mut().zip(&mut ends) {
            row.truncate(length);
            *end = (*end).min(length as i64 - 1);
            row.resize(length, self.tokenizer.eos());
            if let Some(last) = row.last_mut() {
                *last = self.tokenizer.eos();
            }
        }
        for (nouns, end) in nouns.iter_mut().zip(&ends) {
            nouns.iter_mut().for_each(|n| *n = (*n).min(*end));
        }
        let flat: Vec<i64> = rows.concat();
        let ids = Tensor::from_slice(&flat).f_view([captions.len() as i64, length as i64])?;
        Ok(TokenBatch { ids, nouns, ends })
    }

    /// `[1, length]` of the empty prompt.
    ///
    /// # Errors
    /// libtorch runs out of memory.
    pub fn empty(&self, length: usize) -> Result<Tensor> {
        let mut ids = vec![self.tokenizer.eos(); length];
        ids[0] = self.tokenizer.bos();
        Ok(Tensor::from_slice(&ids).f_view([1, length as i64])?)
    }
}
