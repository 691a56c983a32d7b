//! How a prompt of any length goes through an encoder of fixed length.

use std::ops::Range;

use super::read::{ReadPrompt, Unit};
use super::{Encoding, PromptSyntax};

/// How far back, in tokens, A1111 looks for a comma to end a full chunk at.
const COMMA_BACKTRACK: usize = 20;

/// Tokens from which on ComfyUI cuts a word at the end of a chunk.
const LONG_WORD: usize = 8;

/// What a text is laid out with: its chunks, and how full they may be.
///
/// Every chunk is BOS, up to `length - 2` tokens of the prompt, EOS, padding; chunks follow each
/// other along the token dimension.
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
    /// Id of a comma that ends a word, where there is one.
    pub comma: Option<i64>,
}

/// A prompt in chunks.
#[derive(Debug, Clone, PartialEq)]
pub struct LaidOut {
    /// Rows of [`ChunkLayout::length`] ids, a chunk each.
    pub rows: Vec<Vec<i64>>,
    /// How much the state at each place of `rows` counts; 1 for all that is no word.
    pub weights: Vec<Vec<f64>>,
    /// Position of every token of the prompt along all chunks.
    pub positions: Vec<usize>,
}

impl ChunkLayout {
    /// Tokens of the prompt that one chunk holds.
    fn body(&self) -> usize {
        self.length.saturating_sub(2).max(1)
    }

    /// `ids` in rows of `length`, filled to the brim, at least one.
    pub fn rows(&self, ids: &[i64]) -> Vec<Vec<i64>> {
        let mut bodies = ids.chunks(self.body());
        let chunks = ids.len().div_ceil(self.body()).max(1);
        (0..chunks)
            .map(|_| self.row(bodies.next().unwrap_or_default()))
            .collect()
    }

    /// The row of the empty text.
    pub fn empty_row(&self) -> Vec<i64> {
        self.row(&[])
    }

    fn row(&self, ids: &[i64]) -> Vec<i64> {
        let mut row = vec![self.bos];
        row.extend(ids);
        row.push(self.eos);
        row.resize(self.length, self.pad);
        row
    }

    /// `prompt` in chunks, at least `min_chunks` of them; those beyond the prompt are of the empty
    /// text.
    ///
    /// Plainly, tokens fill one chunk to the brim before the next begins. A1111 ends a full chunk
    /// at a comma among its last 20 tokens, and ComfyUI before a word that does not fit; both do so
    /// before an embedding that does not fit.
    pub fn lay_out(&self, prompt: &ReadPrompt, syntax: PromptSyntax, min_chunks: usize) -> LaidOut {
        let mut chunks = self.fill(prompt, syntax);
        chunks.resize(chunks.len().max(min_chunks), Vec::new());
        let ids = &prompt.encoding.ids;
        let mut laid_out = LaidOut {
            rows: Vec::with_capacity(chunks.len()),
            weights: Vec::with_capacity(chunks.len()),
            positions: vec![0; ids.len()],
        };
        for (chunk, tokens) in chunks.iter().enumerate() {
            let mut weights = vec![1.0; self.length];
            for (at, &token) in (1..).zip(tokens) {
                weights[at] = prompt.weights[token];
                laid_out.positions[token] = chunk * self.length + at;
            }
            let tokens: Vec<i64> = tokens.iter().map(|&token| ids[token]).collect();
            laid_out.rows.push(self.row(&tokens));
            laid_out.weights.push(weights);
        }
        laid_out
    }

    /// The tokens of every chunk, by their places in the prompt; at least one chunk.
    fn fill(&self, prompt: &ReadPrompt, syntax: PromptSyntax) -> Vec<Vec<usize>> {
        let body = self.body();
        let (mut full, mut chunk) = (Vec::new(), Vec::new());
        let is_comma = |token: &usize| Some(prompt.encoding.ids[*token]) == self.comma;
        for unit in &prompt.units {
            let Unit::Tokens(tokens) = unit else {
                full.push(std::mem::take(&mut chunk));
                continue;
            };
            if syntax == PromptSyntax::A1111 && chunk.len() == body && !is_comma(&tokens.start) {
                let comma = chunk.iter().rposition(is_comma);
                let near = comma.filter(|at| body - at <= COMMA_BACKTRACK);
                let moved = near.map(|at| chunk.split_off(at + 1)).unwrap_or_default();
                full.push(std::mem::replace(&mut chunk, moved));
            }
            let is_cut = syntax == PromptSyntax::ComfyUi && tokens.len() >= LONG_WORD;
            if chunk.len() + tokens.len() > body && !is_cut && !chunk.is_empty() {
                full.push(std::mem::take(&mut chunk));
            }
            for token in tokens.clone() {
                if chunk.len() == body {
                    full.push(std::mem::take(&mut chunk));
                }
                chunk.push(token);
            }
        }
        if !chunk.is_empty() || full.is_empty() {
            full.push(chunk);
        }
        full
    }
}

impl LaidOut {
    /// Positions along all chunks of the prompt's `tokens` (not empty); where they lie across a
    /// border, EOS, padding and BOS between them are included.
    pub(super) fn span(&self, tokens: &Range<usize>) -> Range<usize> {
        let at = |token: usize| self.positions.get(token).copied().unwrap_or(0);
        at(tokens.start)..at(tokens.end.saturating_sub(1)) + 1
    }

    /// Position of the EOS that ends the first chunk's words.
    pub fn first_end(&self) -> usize {
        let first = self.rows.first().map_or(0, Vec::len);
        let inside = self.positions.iter().filter(|&&at| at < first);
        inside.max().map_or(1, |last| last + 1)
    }

    /// Whether a word counts more or less than it does by itself.
    pub(super) fn is_weighted(&self) -> bool {
        self.weights
            .iter()
            .flatten()
            .any(|weight| weight.to_bits() != 1.0_f64.to_bits())
    }
}

impl ReadPrompt {
    /// `encoding`, every token as it stands.
    pub fn plain(encoding: Encoding) -> Self {
        let tokens = encoding.ids.len();
        Self {
            weights: vec![1.0; tokens],
            units: (0..tokens).map(|at| Unit::Tokens(at..at + 1)).collect(),
            encoding,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const COMMA: i64 = 9;

    const LAYOUT: ChunkLayout = ChunkLayout {
        length: 6,
        bos: 100,
        eos: 101,
        pad: 0,
        comma: Some(COMMA),
    };

    /// Tokens of unit length but for `units`, which are given by their lengths.
    fn prompt(ids: &[i64], units: &[usize]) -> ReadPrompt {
        let mut read = ReadPrompt::plain(Encoding {
            ids: ids.to_vec(),
            offsets: vec![0..0; ids.len()],
        });
        if !units.is_empty() {
            let mut from = 0;
            let ranges = units.iter().map(|length| {
                from += length;
                Unit::Tokens(from - length..from)
            });
            read.units = ranges.collect();
        }
        read
    }

    /// The words of every chunk.
    fn bodies(read: &ReadPrompt, syntax: PromptSyntax) -> Vec<Vec<i64>> {
        let rows = LAYOUT.lay_out(read, syntax, 0).rows.into_iter();
        rows.map(|row| row.into_iter().filter(|id| (1..100).contains(id)).collect())
            .collect()
    }

    #[test]
    fn tokens_fill_chunk_after_chunk() {
        assert_eq!(LAYOUT.rows(&[]), [[100, 101, 0, 0, 0, 0]]);
        assert_eq!(LAYOUT.rows(&[1, 2, 3, 4]), [[100, 1, 2, 3, 4, 101]]);
        let read = prompt(&[1, 2, 3, 4, 5], &[]);
        let laid_out = LAYOUT.lay_out(&read, PromptSyntax::Plain, 3);
        assert_eq!(
            laid_out.rows,
            [
                [100, 1, 2, 3, 4, 101],
                [100, 5, 101, 0, 0, 0],
                [100, 101, 0, 0, 0, 0]
            ]
        );
        assert_eq!(laid_out.span(&(3..5)), 4..8);
        assert_eq!(laid_out.first_end(), 5);
    }

    #[test]
    fn each_program_ends_a_full_chunk_in_its_own_way() {
        let commas = prompt(&[1, COMMA, 2, 3, 4], &[]);
        assert_eq!(
            bodies(&commas, PromptSyntax::A1111),
            [vec![1, COMMA], vec![2, 3, 4]]
        );
        // A comma that comes next is no reason to look back.
        let at_end = prompt(&[1, COMMA, 2, 3, COMMA], &[]);
        assert_eq!(
            bodies(&at_end, PromptSyntax::A1111),
            [vec![1, COMMA, 2, 3], vec![COMMA]]
        );
        let words = prompt(&[1, 2, 3, 4, 5], &[2, 3]);
        assert_eq!(
            bodies(&words, PromptSyntax::ComfyUi),
            [vec![1, 2], vec![3, 4, 5]]
        );
        let long = prompt(&[1, 2, 3, 4, 5, 6, 7, 8, 10], &[1, 8]);
        assert_eq!(
            bodies(&long, PromptSyntax::ComfyUi),
            [vec![1, 2, 3, 4], vec![5, 6, 7, 8], vec![10]]
        );
    }

    #[test]
    fn a_break_leaves_the_rest_of_a_chunk_empty() {
        let mut read = prompt(&[1, 2], &[]);
        read.units.insert(1, Unit::Break);
        read.units.insert(0, Unit::Break);
        assert_eq!(
            bodies(&read, PromptSyntax::A1111),
            [vec![], vec![1], vec![2]]
        );
        read.units.push(Unit::Break);
        assert_eq!(bodies(&read, PromptSyntax::A1111).len(), 3);
    }

    proptest! {
        #[test]
        fn nothing_is_lost_and_positions_tell_where_it_is(
            ids in proptest::collection::vec(1_i64..20, 0..40),
            lengths in proptest::collection::vec(1_usize..10, 0..20),
        ) {
            let mut units = Vec::new();
            let mut rest = ids.len();
            for length in lengths.into_iter().chain(std::iter::repeat(1)) {
                if rest == 0 { break }
                units.push(length.min(rest));
                rest -= length.min(rest);
            }
            let mut read = prompt(&ids, &units);
            for (at, weight) in read.weights.iter_mut().enumerate() {
                *weight = 0.5 + at as f64;
            }
            for syntax in PromptSyntax::ALL {
                let laid_out = LAYOUT.lay_out(&read, syntax, 0);
                let rows = laid_out.rows.concat();
                let weights = laid_out.weights.concat();
                for (token, id) in ids.iter().enumerate() {
                    let at = laid_out.positions[token];
                    prop_assert_eq!(rows[at], *id);
                    prop_assert_eq!(weights[at].to_bits(), (0.5 + token as f64).to_bits());
                }
                let kept: Vec<i64> = rows.into_iter().filter(|id| (1..99).contains(id)).collect();
                prop_assert_eq!(&kept, &ids);
                prop_assert_eq!(laid_out.weights.concat().len(), laid_out.rows.concat().len());
            }
        }
    }
}
