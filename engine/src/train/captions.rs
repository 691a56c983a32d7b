//! Captions through the frozen text encoder, each once.

use std::collections::HashMap;
use std::sync::Arc;

use tch::Tensor;

use super::FrozenModel;
use crate::Result;

/// Memory that one worker's encoded captions may take.
const MOST_BYTES: usize = 512 << 20;

/// Text states by caption.
pub(super) struct Captions {
    texts: Arc<[String]>,
    /// By text and number of chunks.
    encoded: HashMap<(usize, usize), Tensor>,
    bytes: usize,
}

impl Captions {
    pub(super) fn new(texts: Arc<[String]>) -> Self {
        Self {
            texts,
            encoded: HashMap::new(),
            bytes: 0,
        }
    }

    /// States `[batch, tokens, dim]` of the captions with these numbers; `None` is the empty one.
    /// All are padded to the chunks of the longest.
    pub(super) fn states(
        &mut self,
        model: &FrozenModel,
        wanted: &[Option<usize>],
    ) -> Result<Tensor> {
        let texts = Arc::clone(&self.texts);
        let text = |at: &Option<usize>| at.map_or("", |at| texts[at].as_str());
        let mut chunks = 1;
        for at in wanted {
            chunks = chunks.max(model.text.chunks(text(at))?);
        }
        let mut rows = Vec::with_capacity(wanted.len());
        for at in wanted {
            // The empty caption stands behind all others.
            let key = (at.unwrap_or(texts.len()), chunks);
            if let Some(states) = self.encoded.get(&key) {
                rows.push(states.shallow_clone());
                continue;
            }
            let states = model.text.encode(text(at), chunks)?.context()?;
            self.bytes += states.numel() * states.kind().elt_size_in_bytes();
            if self.bytes <= MOST_BYTES {
                self.encoded.insert(key, states.shallow_clone());
            }
            rows.push(states);
        }
        Ok(Tensor::f_stack(&rows, 0)?)
    }
}
