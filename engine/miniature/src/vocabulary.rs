//! The miniature's byte-pair vocabulary: CLIP's format, merges that make every word of the world
//! one token, and single bytes for all else.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use serde_json::{Map, Value, json};
use vernier_engine::Result;

use crate::config::MAX_TOKENS;
use crate::export::{write_file, write_json};

/// The token before every text.
const BOS: &str = "<|startoftext|>";
/// The token after every text, which pads it too.
const EOS: &str = "<|endoftext|>";

/// Tokens in id order, and merges in order of rank.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vocabulary {
    /// Tokens; the last two are BOS and EOS.
    pub tokens: Vec<String>,
    /// Pairs of symbols that become one.
    pub merges: Vec<(String, String)>,
}

/// GPT-2's printable stand-in for every byte, in the order of CLIP's vocabulary.
fn byte_symbols() -> Vec<String> {
    let printable =
        |b: u32| (33..=126).contains(&b) || (161..=172).contains(&b) || (174..=255).contains(&b);
    let mut symbols: Vec<String> = (0..256)
        .filter(|&b| printable(b))
        .filter_map(char::from_u32)
        .map(String::from)
        .collect();
    let hidden = (0..256).filter(|&b| !printable(b)).count() as u32;
    symbols.extend(
        (0..hidden)
            .filter_map(|n| char::from_u32(256 + n))
            .map(String::from),
    );
    symbols
}

impl Vocabulary {
    /// Learns merges until every word of `words` (lower-case ASCII) is one token.
    pub fn learn<'a>(words: impl IntoIterator<Item = &'a str>) -> Self {
        // CLIP splits at everything that is not a letter, and digits one by one.
        let parts: BTreeSet<&str> = words
            .into_iter()
            .flat_map(|w| w.split(|c: char| !c.is_ascii_lowercase()))
            .filter(|w| !w.is_empty())
            .collect();
        let mut splits: Vec<Vec<String>> = parts
            .iter()
            .map(|word| {
                let mut symbols: Vec<String> = word.chars().map(String::from).collect();
                if let Some(last) = symbols.last_mut() {
                    last.push_str("</w>");
                }
                symbols
            })
            .collect();
        let mut merges = Vec::new();
        loop {
            let mut counts: BTreeMap<(&str, &str), usize> = BTreeMap::new();
            for symbols in &splits {
                for pair in symbols.windows(2) {
                    *counts.entry((&pair[0], &pair[1])).or_default() += 1;
                }
            }
            // The most frequent pair, the alphabetically first of equals.
            let Some((left, right)) = counts
                .iter()
                .max_by(|a, b| a.1.cmp(b.1).then_with(|| b.0.cmp(a.0)))
                .map(|(pair, _)| (pair.0.to_owned(), pair.1.to_owned()))
            else {
                break;
            };
            for symbols in &mut splits {
                let mut at = 0;
                while at + 1 < symbols.len() {
                    if symbols[at] == left && symbols[at + 1] == right {
                        let tail = symbols.remove(at + 1);
                        symbols[at].push_str(&tail);
                    }
                    at += 1;
                }
            }
            merges.push((left, right));
        }
        let mut tokens = byte_symbols();
        tokens.extend(byte_symbols().into_iter().map(|s| s + "</w>"));
        let mut seen: BTreeSet<String> = tokens.iter().cloned().collect();
        for (left, right) in &merges {
            let token = format!("{left}{right}");
            if seen.insert(token.clone()) {
                tokens.push(token);
            }
        }
        tokens.extend([BOS, EOS].map(str::to_owned));
        Self { tokens, merges }
    }

    /// The world's own vocabulary.
    pub fn of_the_world() -> Self {
        Self::learn(vernier_world::lexicon())
    }

    /// Writes `vocab.json`, `merges.txt`, `tokenizer_config.json` and `special_tokens_map.json`.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn save(&self, folder: &Path) -> Result<()> {
        let ids: Map<String, Value> = self
            .tokens
            .iter()
            .enumerate()
            .map(|(id, token)| (token.clone(), json!(id)))
            .collect();
        let mut merges = String::from("#version: 0.2\n");
        for (left, right) in &self.merges {
            let _ = writeln!(merges, "{left} {right}");
        }
        let special = |content: &str| {
            json!({
                "content": content,
                "lstrip": false,
                "normalized": true,
                "rstrip": false,
                "single_word": false,
            })
        };
        let specials = json!({
            "bos_token": special(BOS),
            "eos_token": special(EOS),
            "pad_token": EOS,
            "unk_token": special(EOS),
        });
        let config = json!({
            "add_prefix_space": false,
            "bos_token": special(BOS),
            "do_lower_case": true,
            "eos_token": special(EOS),
            "errors": "replace",
            "model_max_length": MAX_TOKENS,
            "pad_token": EOS,
            "tokenizer_class": "CLIPTokenizer",
            "unk_token": special(EOS),
        });
        let ids = Value::Object(ids).to_string();
        write_file(folder, "vocab.json", ids.as_bytes())?;
        write_file(folder, "merges.txt", merges.as_bytes())?;
        write_json(folder, "tokenizer_config.json", &config)?;
        write_json(folder, "special_tokens_map.json", &specials)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use vernier_engine::prompt::Tokenizer;

    use super::Vocabulary;

    #[test]
    fn tokens_are_unique_and_end_with_the_special_ones() {
        let vocabulary = Vocabulary::learn(["old", "older", "wide-faced", "cat", "cold"]);
        for word in ["old", "older", "wide", "faced", "cat", "cold"] {
            assert!(vocabulary.tokens.contains(&format!("{word}</w>")), "{word}");
        }
        let unique: BTreeSet<_> = vocabulary.tokens.iter().collect();
        assert_eq!(vocabulary.tokens.len(), unique.len());
        let last = &vocabulary.tokens[unique.len() - 2..];
        assert_eq!(last, ["<|startoftext|>", "<|endoftext|>"]);
    }

    #[test]
    fn the_engine_reads_every_word_of_the_world_as_one_token() {
        let folder = tempfile::tempdir().unwrap();
        let vocabulary = Vocabulary::of_the_world();
        vocabulary.save(folder.path()).unwrap();
        let tokenizer = Tokenizer::open(folder.path()).unwrap();
        assert_eq!(tokenizer.vocab_size(), vocabulary.tokens.len());
        assert_eq!(tokenizer.layout().bos as usize, vocabulary.tokens.len() - 2);
        let mut whole = 0;
        for word in vernier_world::lexicon() {
            // Hyphens and digits stand alone in every CLIP.
            for part in word.split(|c: char| !c.is_ascii_lowercase()) {
                if !part.is_empty() {
                    let ids = tokenizer.encode(part).unwrap().ids;
                    assert_eq!(ids.len(), 1, "{part}");
                    assert_eq!(vocabulary.tokens[ids[0] as usize], format!("{part}</w>"));
                    whole += 1;
                }
            }
        }
        assert!(whole > 100, "{whole}");
    }

    #[test]
    fn any_other_text_has_tokens_too() {
        let folder = tempfile::tempdir().unwrap();
        Vocabulary::learn(["cat"]).save(folder.path()).unwrap();
        let tokenizer = Tokenizer::open(folder.path()).unwrap();
        // Three letters, a digit, two bytes of one letter.
        assert_eq!(tokenizer.encode("dog 7 é").unwrap().ids.len(), 3 + 1 + 2);
    }
}
