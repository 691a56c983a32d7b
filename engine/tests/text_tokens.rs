//! Token ids against Python transformers' CLIPTokenizer, and words against tokens.

// clippy's exception for tests does not reach their helper functions.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use proptest::prelude::*;
use serde_json::Value;
use vernier_engine::prompt::{PromptSyntax, Tokenizer};

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures");

fn tokenizer(flavour: &str) -> Tokenizer {
    Tokenizer::open(&Path::new(FIXTURES).join(format!("text_{flavour}/tokenizer"))).unwrap()
}

fn expected(flavour: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(Path::new(FIXTURES).join("text_tokens.json")).unwrap();
    let all: Value = serde_json::from_str(&text).unwrap();
    all[flavour].as_array().unwrap().clone()
}

fn ids(value: &Value) -> Vec<i64> {
    let ids = value.as_array().unwrap().iter();
    ids.map(|id| id.as_i64().unwrap()).collect()
}

/// vocab.json + merges.txt (sd15) and tokenizer.json alone, padded with "!" (sd2).
#[test]
fn ids_are_those_of_python_transformers() {
    for flavour in ["sd15", "sd2"] {
        let tokenizer = tokenizer(flavour);
        let rows = expected(flavour);
        assert!(rows.len() >= 40);
        for row in rows {
            let prompt = row["prompt"].as_str().unwrap();
            let got = tokenizer.encode(prompt).unwrap().ids;
            assert_eq!(got, ids(&row["ids"]), "{flavour}: {prompt:?}");
            let chunks = tokenizer.layout().rows(&got);
            if row["padded"].is_null() {
                assert_eq!(
                    chunks.len(),
                    got.len().div_ceil(75),
                    "{flavour}: {prompt:?}"
                );
            } else {
                assert_eq!(chunks, [ids(&row["padded"])], "{flavour}: {prompt:?}");
            }
        }
    }
}

#[test]
fn words_are_where_their_tokens_are() {
    let tokenizer = tokenizer("sd15");
    let text = "A Smiling  man, next to Cafe\u{301} \u{1f431}!";
    let encoding = tokenizer.encode(text).unwrap();
    let read = tokenizer.read(text, PromptSyntax::Plain).unwrap();
    assert_eq!(read.encoding, encoding);
    let laid_out = tokenizer.layout().lay_out(&read, PromptSyntax::Plain, 0);
    let words = read.words(text, &laid_out);
    let names: Vec<_> = words.iter().map(|w| w.text.as_str()).collect();
    assert_eq!(
        names,
        [
            "A",
            "Smiling",
            "man",
            "next",
            "to",
            "Cafe\u{301}",
            "\u{1f431}"
        ]
    );
    for word in &words {
        // The same word by itself has the same tokens.
        let alone = tokenizer.encode(&word.text).unwrap().ids;
        let tokens = word.tokens.start - 1..word.tokens.end - 1;
        if word.text.is_ascii() {
            assert_eq!(encoding.ids[tokens], alone, "{}", word.text);
        } else {
            assert!(!tokens.is_empty());
        }
    }
}

#[test]
fn damaged_folders_are_refused_with_one_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let error = || Tokenizer::open(at).unwrap_err().to_string();
    assert!(error().contains("is no tokenizer: it has neither tokenizer.json nor both of"));

    let source = Path::new(FIXTURES).join("text_sd15/tokenizer");
    for name in ["vocab.json", "merges.txt"] {
        std::fs::copy(source.join(name), at.join(name)).unwrap();
    }
    assert_eq!(Tokenizer::open(at).unwrap().layout().length, 77);

    std::fs::write(
        at.join("tokenizer_config.json"),
        r#"{"pad_token": "<none>"}"#,
    )
    .unwrap();
    assert!(error().ends_with("lacks the special token \"<none>\" that its folder names"));

    std::fs::write(
        at.join("tokenizer_config.json"),
        r#"{"model_max_length": 2}"#,
    )
    .unwrap();
    assert!(error().ends_with("field \"model_max_length\" is 2; it must be a number of 3 or more"));

    std::fs::write(at.join("tokenizer_config.json"), "{}").unwrap();
    std::fs::write(at.join("merges.txt"), "#version: 0.2\na b c\n").unwrap();
    assert!(error().ends_with("line 2 is not two tokens with a space between"));
    std::fs::write(at.join("merges.txt"), "xyzzy q\n").unwrap();
    assert!(error().contains("merges.txt: does not fit vocab.json beside it"));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    /// Tokens of letters and digits cover exactly their word; nothing in between is lost.
    #[test]
    fn tokens_cover_exactly_the_words(
        pieces in proptest::collection::vec(
            ("[ ,.;:()!-]{1,3}", "[A-Za-z0-9À-ÖØ-öø-ÿа-яё一-丿]{1,12}"), 0..60)
    ) {
        let text = pieces.iter().flat_map(|(gap, word)| [gap.as_str(), word]).collect::<String>();
        let tokenizer = tokenizer("sd15");
        let encoding = tokenizer.encode(&text).unwrap();
        let read = tokenizer.read(&text, PromptSyntax::Plain).unwrap();
        let laid_out = tokenizer.layout().lay_out(&read, PromptSyntax::Plain, 0);
        let words = read.words(&text, &laid_out);
        let names: Vec<&str> = words.iter().map(|w| w.text.as_str()).collect();
        let written: Vec<&str> = pieces.iter().map(|(_, word)| word.as_str()).collect();
        prop_assert_eq!(names, written);
        for word in &words {
            let tokens: Vec<_> = (0..encoding.ids.len())
                .filter(|&i| word.tokens.contains(&laid_out.positions[i]))
                .map(|i| &encoding.offsets[i])
                .collect();
            prop_assert_eq!(tokens[0].start, word.bytes.start);
            prop_assert_eq!(tokens[tokens.len() - 1].end, word.bytes.end);
            for pair in tokens.windows(2) {
                // Tokens that split one character share its range.
                prop_assert!(pair[0].start <= pair[1].start && pair[1].start <= pair[0].end);
            }
        }
    }
}
