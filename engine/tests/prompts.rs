//! Prompts with signs against what Forge (for A1111) and ComfyUI make of them.

// clippy's exception for tests does not reach their helper functions.
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};

use proptest::prelude::*;
use serde_json::Value;
use tch::{Device, Kind, Tensor};
use vernier_engine::models::clip::{ClipTextConfig, ClipTextModel, TextLayer, is_stored_buffer};
use vernier_engine::prompt::{PromptSyntax, StageEncoder, TextStage, Tokenizer};
use vernier_engine::recipe::TextOptions;
use vernier_engine::weights::{ParamStore, SafetensorsFile};

/// Largest difference over largest magnitude that states may show against the programs'.
const TOLERANCE: f64 = 1e-5;

fn fixture(name: &str) -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures")).join(name)
}

fn tokenizer() -> Tokenizer {
    Tokenizer::open(&fixture("text_sd15/tokenizer")).unwrap()
}

fn stage() -> TextStage {
    let folder = fixture("text_sd15/text_encoder");
    let text = std::fs::read_to_string(folder.join("config.json")).unwrap();
    let config: ClipTextConfig = serde_json::from_str(&text).unwrap();
    let store = ParamStore::open(
        &[folder.join("model.safetensors")],
        Kind::Float,
        Device::Cpu,
    )
    .unwrap()
    .ignoring(is_stored_buffer);
    let encoder = ClipTextModel::new(&store.root(), &config).unwrap();
    let encoder = StageEncoder::new(tokenizer(), encoder, TextLayer::LAST).unwrap();
    TextStage::new(vec![encoder]).unwrap()
}

fn told() -> Value {
    let text = std::fs::read_to_string(fixture("prompts.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn numbers(rows: &Value) -> Vec<Vec<f64>> {
    let rows = rows.as_array().unwrap().iter();
    rows.map(|row| {
        let numbers = row.as_array().unwrap().iter();
        numbers.map(|number| number.as_f64().unwrap()).collect()
    })
    .collect()
}

const PEERS: [PromptSyntax; 2] = [PromptSyntax::A1111, PromptSyntax::ComfyUi];

#[test]
fn tokens_weights_and_chunks_are_those_of_the_programs() {
    let told = told();
    let tokenizer = tokenizer();
    for syntax in PEERS {
        let cases = told[syntax.name()].as_array().unwrap();
        assert!(cases.len() >= 40);
        for case in cases {
            let prompt = case["prompt"].as_str().unwrap();
            let read = tokenizer.read(prompt, syntax).unwrap();
            let laid_out = tokenizer.layout().lay_out(&read, syntax, 1);
            let what = format!("{}: {prompt:?}", syntax.name());
            let rows = laid_out.rows.iter();
            let ids: Vec<Vec<f64>> = rows
                .map(|row| row.iter().map(|&id| id as f64).collect())
                .collect();
            assert_eq!(ids, numbers(&case["ids"]), "{what}");
            let weights = numbers(&case["weights"]);
            for (own, theirs) in laid_out.weights.concat().iter().zip(weights.concat()) {
                assert!((own - theirs).abs() < 1e-12, "{what}: {own} for {theirs}");
            }
        }
    }
}

#[test]
fn states_are_those_of_the_programs() {
    let told = told();
    let file = SafetensorsFile::open(&fixture("prompts_states.safetensors")).unwrap();
    let mut stage = stage();
    for syntax in PEERS {
        for (at, prompt) in told["states"].as_array().unwrap().iter().enumerate() {
            for skip in [1, 2] {
                let name = format!("{}.{at}.{skip}", syntax.name());
                let expected = file.tensor(&name, Kind::Float, Device::Cpu);
                let expected = expected.unwrap().unwrap();
                stage.read_as(TextOptions {
                    prompt_syntax: syntax,
                    clip_skip: Some(skip),
                });
                let got = stage.encode(prompt.as_str().unwrap(), 1).unwrap();
                let got = got.context().unwrap();
                let apart = difference(&got, &expected);
                assert!(apart < TOLERANCE, "{name} is {apart:e} off");
                // The weights are no trifle in these cases.
                stage.read_as(TextOptions {
                    clip_skip: Some(skip),
                    ..TextOptions::default()
                });
                let plain = stage.encode(prompt.as_str().unwrap(), 1).unwrap();
                let plain = plain.context().unwrap();
                assert!(plain.size() != got.size() || difference(&got, &plain) > 0.01);
            }
        }
    }
}

#[test]
fn words_are_found_among_signs() {
    let mut stage = stage();
    stage.read_as(TextOptions::A1111);
    let prompt = "a (red:1.3) \\(cat\\) BREAK [a (young:1.2) woman]";
    let encoded = stage.encode(prompt, 1).unwrap();
    let words: Vec<&str> = encoded.words.iter().map(|w| w.text.as_str()).collect();
    assert_eq!(words, ["a", "red", "cat", "a", "young", "woman"]);
    let woman = encoded.find("young woman").unwrap();
    assert_eq!(&prompt[woman.bytes], "young:1.2) woman");
    // She stands in the second chunk.
    assert!(woman.tokens.start > 77 && woman.tokens.end < 2 * 77);
    let tokens = tokenizer().encode("young woman").unwrap().ids.len();
    assert_eq!(woman.tokens.len(), tokens);
}

#[test]
fn a_layer_that_is_not_there_is_told() {
    let mut stage = stage();
    stage.read_as(TextOptions {
        clip_skip: Some(9),
        ..TextOptions::default()
    });
    let error = stage.encode("a cat", 1).unwrap_err();
    assert!(error.is_usage(), "{error}");
    assert!(
        error.to_string().starts_with("clip_skip: skips 8 layers"),
        "{error}"
    );
}

fn difference(a: &Tensor, b: &Tensor) -> f64 {
    assert_eq!(a.size(), b.size());
    f64::try_from((a - b).abs().max() / b.abs().max()).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    /// Signs that say nothing change nothing, not one bit.
    #[test]
    fn weight_one_is_no_weight(words in proptest::collection::vec("[a-z]{1,8}", 1..8)) {
        let mut stage = stage();
        let plain = stage.encode(&words.join(" "), 1).unwrap().context().unwrap();
        for syntax in PEERS {
            stage.read_as(TextOptions { prompt_syntax: syntax, clip_skip: None });
            let signs: Vec<String> = words.iter().map(|word| format!("({word}:1.0)")).collect();
            let got = stage.encode(&signs.join(" "), 1).unwrap().context().unwrap();
            prop_assert!(got.equal(&plain));
        }
    }
}
