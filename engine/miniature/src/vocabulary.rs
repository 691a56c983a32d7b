//! The miniature's byte-pair vocabulary: CLIP's format, merges that make every word of the world
//! one token, and single bytes for all else.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Map, Value, json};

use crate::config::MAX_TOKENS;

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
    let printable = |b: u32| (33..=126).contains(&b) || (161..=172).contains(&b) || (174..=255).contains(&b);
    let mut symbols: Vec<String> =
        (0..256).filter(|&b| printable(b)).filter_map(char::from_u32).map(String::from).collect();
    let hidden = (0..256).filter(|&b| !printable(b)).count() as u32;
    symbols.extend((0..hidden).filter_map(|n| char::from_u32(256 + n)).map(String::from));
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
        tokens.push("<|startoftext|>".to_owned());
        tokens.push("<|endoftext|>".to_owned());
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
        fs::create_dir_all(folder).with_context(|| format!("creating {}", folder.display()))?;
        let ids: Map<String, Value> =
            self.tokens.iter().enumerate().map(|(id, t)| (t.clone(), json!(id))).collect();
        let mut merges = String::from("#version: 0.2\n");
        for (left, right) in &self.merges {
            merges.push_str(&format!("{left} {right}\n"));
        }
        let special = |content: &str| json!({
            "content": content, "lstrip": false, "normalized": true, "rstrip": false, "single_word": false,
        });
        let config = json!({
            "add_prefix_space": false,
            "bos_token": special("<|startoftext|>"),
            "do_lower_case": true,
            "eos_token": special("<|endoftext|>"),
            "errors": "replace",
            "model_max_length": MAX_TOKENS,
            "pad_token": "<|endoftext|>",
            "tokenizer_class": "CLIPTokenizer",
            "unk_token": special("<|endoftext|>"),
        });
        let map = json!({
            "bos_token": special("<|startoftext|>"),
            "eos_token": special("<|endoftext|>"),
            "pad_token": "<|endoftext|>",
            "unk_token": special("<|endoftext|>"),
        });
        let files = [
            ("vocab.json", serde_json::to_string(&ids)?),
            ("merges.txt", merges),
            ("tokenizer_config.json", serde_json::to_string_pretty(&config)? + "\n"),
            ("special_tokens_map.json", serde_json::to_string_pretty(&map)? + "\n"),
        ];
        for (name, text) in files {
            let path = folder.join(name);
            fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Vocabulary;

    #[test]
    fn every_word_becomes_one_token() {
        let vocabulary = Vocabulary::learn(["old", "older", "wide-faced", "cat", "cold"]);
        for word in ["old", "older", "wide", "faced", "cat", "cold"] {
            assert!(vocabulary.tokens.contains(&format!("{word}</w>")), "{word}");
        }
        assert_eq!(vocabulary.tokens.len(), vocabulary.tokens.iter().collect::<std::collections::BTreeSet<_>>().len());
        assert_eq!(vocabulary.tokens.last().map(String::as_str), Some("<|endoftext|>"));
    }
}
