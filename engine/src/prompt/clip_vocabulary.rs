//! The vocabulary that CLIP was trained with.

use std::io::Read as _;

use flate2::read::GzDecoder;

use crate::{EngineError, Result};

/// The merges of OpenAI's CLIP (MIT, see the licence beside the file), one a line, best first.
const MERGES: &[u8] = include_bytes!("../../../assets/clip/merges.txt.gz");

/// What begins a text.
pub(super) const START: &str = "<|startoftext|>";
/// What ends a text.
pub(super) const END: &str = "<|endoftext|>";

/// CLIP's merges, as merges.txt of a tokenizer's folder has them, without its first line.
///
/// # Errors
/// The program was built with a damaged file.
pub fn clip_merges() -> Result<String> {
    let mut text = String::new();
    GzDecoder::new(MERGES)
        .read_to_string(&mut text)
        .map_err(|e| EngineError::io("merges.txt.gz", e))?;
    Ok(text)
}

/// The vocabulary that follows from `merges`, in the order of the ids: bytes, bytes that end a
/// word, what the merges make, and the two special tokens.
pub fn vocabulary_of(merges: &str) -> Vec<String> {
    let letters = byte_letters();
    let bytes = letters.iter().map(char::to_string);
    let ends = letters.iter().map(|letter| format!("{letter}</w>"));
    let merged = merges.lines().map(|line| line.replacen(' ', "", 1));
    let special = [START, END].map(str::to_owned);
    bytes.chain(ends).chain(merged).chain(special).collect()
}

/// The printable letters that stand for the 256 bytes in byte-level BPE (the GPT-2 table).
fn byte_letters() -> Vec<char> {
    let printable = |byte: &u32| matches!(byte, 33..=126 | 161..=172 | 174..=255);
    let others = 256 - (0..256).filter(printable).count() as u32;
    (0..256)
        .filter(printable)
        .chain(256..256 + others)
        .filter_map(char::from_u32)
        .collect()
}
