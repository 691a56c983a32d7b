//! How a prompt of any length goes through an encoder of fixed length.

use std::ops::Range;

/// The rule by which tokens are laid out in chunks.
///
/// Every chunk is BOS, up to `length - 2` tokens of the prompt, EOS, padding; chunks follow each
/// other along the token dimension. Tokens fill one chunk to the brim before the next begins, as
/// in ComfyUI for a prompt without weights (A1111 breaks at a comma among the last 20 tokens
/// instead).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunkLayout {
    /// Tokens in one chunk with BOS and EOS, 3 or more (77 for all published CLIP encoders).
    pub length: usize,
    /// Id that begins a chunk.
    pub bos: i64,
    /// Id that ends a chunk.
    pub eos: i64,
    /// Id that fills a chunk after EOS.
    pub pad: i64,
}

impl ChunkLayout {
    /// Tokens of the prompt that one chunk holds.
    fn body(&self) -> usize {
        self.length.saturating_sub(2).max(1)
    }

    /// Chunks that `tokens` tokens need; an empty prompt needs one.
    pub fn chunks(&self, tokens: usize) -> usize {
        tokens.div_ceil(self.body()).max(1)
    }

    /// `ids` in rows of `length`, at least `min_chunks` of them; chunks beyond the prompt are
    /// those of an empty prompt.
    pub fn rows(&self, ids: &[i64], min_chunks: usize) -> Vec<Vec<i64>> {
        let mut bodies = ids.chunks(self.body());
        (0..self.chunks(ids.len()).max(min_chunks))
            .map(|_| {
                let mut row = vec![self.bos];
                row.extend(bodies.next().unwrap_or_default());
                row.push(self.eos);
                row.resize(self.length, self.pad);
                row
            })
            .collect()
    }

    /// Position of the prompt's token `index` along all chunks.
    pub fn position(&self, index: usize) -> usize {
        index / self.body() * self.length + 1 + index % self.body()
    }

    /// Positions of the prompt's `tokens` (not empty); where they lie across a border, EOS,
    /// padding and BOS between them are included.
    pub fn positions(&self, tokens: &Range<usize>) -> Range<usize> {
        self.position(tokens.start)..self.position(tokens.end.saturating_sub(1)) + 1
    }
}

#[cfg(test)]
mod tests {
    use super::ChunkLayout;
    use proptest::prelude::*;

    const LAYOUT: ChunkLayout = ChunkLayout {
        length: 6,
        bos: 100,
        eos: 101,
        pad: 0,
    };

    #[test]
    fn tokens_fill_chunk_after_chunk() {
        assert_eq!(LAYOUT.rows(&[], 1), [[100, 101, 0, 0, 0, 0]]);
        assert_eq!(LAYOUT.rows(&[1, 2, 3, 4], 1), [[100, 1, 2, 3, 4, 101]]);
        assert_eq!(
            LAYOUT.rows(&[1, 2, 3, 4, 5], 3),
            [
                [100, 1, 2, 3, 4, 101],
                [100, 5, 101, 0, 0, 0],
                [100, 101, 0, 0, 0, 0]
            ]
        );
    }

    proptest! {
        #[test]
        fn position_says_where_the_token_is(ids in proptest::collection::vec(1_i64..99, 0..40)) {
            let flat = LAYOUT.rows(&ids, 0).concat();
            for (index, id) in ids.iter().enumerate() {
                prop_assert_eq!(flat[LAYOUT.position(index)], *id);
            }
            let kept: Vec<i64> = flat.into_iter().filter(|id| (1..99).contains(id)).collect();
            prop_assert_eq!(kept, ids);
        }
    }
}
