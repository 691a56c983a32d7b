//! Prompt files of attribute directions and of Concept Sliders.

use std::path::PathBuf;

use tempfile::TempDir;
use vernier_engine::controls::prompt_pairs::PromptPairs;
use vernier_engine::controls::slider_prompts::{SliderAction, SliderPrompts};

fn written(text: &str) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("p.yaml");
    std::fs::write(&path, text).unwrap();
    (folder, path)
}

/// The layout of the authors' file, comment line and all.
const PAIRS: &str = r"# @package _global_

tag: 'pets/size'

prompts:
- prompt_target: 'dog'
  prompt_positive: 'big dog'
  prompt_negative: 'small dog'
  pattern_target: 'dog'
- prompt_target: 'pet cat'
  prompt_positive: 'very big pet cat'
  prompt_negative: 'very small pet cat'
  pattern_target: '\b(pet cat|kitten)\b'

prefixes: ${combinations:'{,a photo of,a drawing of} a {,happy} {,hotdog-loving,grey}'}
";

#[test]
fn pairs_and_prefixes_are_read() {
    let (_folder, path) = written(PAIRS);
    let file = PromptPairs::read(&path).unwrap();
    assert_eq!(file.tag.as_deref(), Some("pets/size"));
    assert_eq!((file.pairs.len(), file.prefixes.len()), (2, 3 * 2 * 3));

    let all: Vec<_> = file.prefixed().collect();
    assert_eq!(all.len(), 36);
    assert_eq!(all[0].target.text, "a dog");
    assert!(matches!(&all[0].target.subjects[..], [only] if *only == (2..5)));
    // The dog in hotdog is no whole word.
    assert_eq!(all[1].positive.text, "a hotdog-loving big dog");
    assert!(matches!(&all[1].positive.subjects[..], [only] if *only == (20..23)));
    let last = all.last().unwrap();
    assert_eq!(
        last.negative.text,
        "a drawing of a happy grey very small pet cat"
    );
    assert_eq!(last.negative.phrases().collect::<Vec<_>>(), ["pet cat"]);
    for pair in &all {
        for prompt in [&pair.target, &pair.positive, &pair.negative] {
            assert!(!prompt.subjects.is_empty(), "{prompt:?}");
            assert!(!prompt.text.contains("  ") && !prompt.text.starts_with(' '));
        }
    }
}

#[test]
fn prefixes_may_be_listed_or_absent() {
    let at = PAIRS.find("prefixes").unwrap();
    let (_folder, path) = written(&PAIRS[..at]);
    assert_eq!(PromptPairs::read(&path).unwrap().prefixes, [""]);
    let listed = format!("{}prefixes: [a, 'the {{x}}']\n", &PAIRS[..at]);
    let (_folder, path) = written(&listed);
    assert_eq!(PromptPairs::read(&path).unwrap().prefixes, ["a", "the {x}"]);
}

#[test]
fn every_place_of_the_subject_is_found() {
    let (_folder, path) = written(PAIRS);
    let file = PromptPairs::read(&path).unwrap();
    let pair = file.pairs[1].behind("a kitten, a kittenish");
    assert_eq!(pair.target.text, "a kitten, a kittenish pet cat");
    assert_eq!(
        pair.target.phrases().collect::<Vec<_>>(),
        ["kitten", "pet cat"]
    );
}

#[test]
fn bad_pair_files_say_where() {
    for (from, to, said) in [
        ("tag:", "tags:", "unknown field `tags`"),
        (
            "prompt_positive: 'big",
            "prompt_postive: 'big",
            "unknown field `prompt_postive`",
        ),
        (
            "  prompt_negative: 'small dog'\n",
            "",
            "missing field `prompt_negative`",
        ),
        (
            "'dog'\n-",
            "'cat'\n-",
            "field \"prompts[0].prompt_target\" is \"dog\", in which pattern_target \"cat\" finds \
             no whole word",
        ),
        (
            r"'\b(pet cat|kitten)\b'",
            "'(pet'",
            "field \"prompts[1].pattern_target\" is \"(pet\", which cannot be searched for: \
             unclosed group",
        ),
        (r"'\b(pet", r"'(?<=x)(pet", "look-around"),
        (
            "'{,a photo",
            "'{,{a photo",
            "field \"prefixes\" has braces inside braces",
        ),
        (
            ",grey}'",
            ",grey'",
            "field \"prefixes\" has a { without its }",
        ),
    ] {
        let changed = PAIRS.replacen(from, to, 1);
        assert_ne!(changed, PAIRS, "{from}");
        let (_folder, path) = written(&changed);
        let error = PromptPairs::read(&path).unwrap_err().to_string();
        assert!(error.contains(said), "{said}: {error}");
        assert!(error.starts_with(path.to_str().unwrap()), "{error}");
        assert!(!error.contains('\n'), "{error}");
    }
    let (_folder, path) = written("prompts: []");
    let error = PromptPairs::read(&path).unwrap_err().to_string();
    assert!(error.contains("must not be empty"), "{error}");
}

const SLIDER: &str = r#"
- target: "person" # what the slider is trained under
  positive: "person, smiling"
  unconditional: "person, frowning"
  neutral: "person"
  action: "enhance"
  guidance_scale: 4
  resolution: 768
  dynamic_resolution: true
  batch_size: 2
- target: food
  unconditional: raw food
"#;

#[test]
fn slider_prompts_are_read_with_their_defaults() {
    let (_folder, path) = written(SLIDER);
    let file = SliderPrompts::read(&path).unwrap();
    assert!(file.warnings.is_empty());
    let [full, short] = &file.prompts[..] else {
        panic!("{file:?}");
    };
    assert_eq!(full.positive, "person, smiling");
    assert_eq!(full.unconditional, "person, frowning");
    assert_eq!(
        (full.action, full.action.sign()),
        (SliderAction::Enhance, 1.0)
    );
    assert_eq!((full.guidance_scale, full.resolution), (4.0, 768));
    assert_eq!(
        (full.dynamic_resolution, full.batch_size, full.rank),
        (true, 2, None)
    );
    assert_eq!((&*short.positive, &*short.neutral), ("food", "raw food"));
    assert_eq!(
        (short.action, short.action.sign()),
        (SliderAction::Erase, -1.0)
    );
    assert_eq!((short.guidance_scale, short.resolution), (1.0, 512));
    assert_eq!((short.batch_size, short.dynamic_crops), (1, false));
}

#[test]
fn a_misspelt_guidance_is_read_and_said() {
    let text = SLIDER
        .replace("guidance_scale", "guidance")
        .replace("batch_size", "rank");
    let (_folder, path) = written(&text);
    let file = SliderPrompts::read(&path).unwrap();
    assert_eq!(file.prompts[0].guidance_scale.to_bits(), 4.0_f64.to_bits());
    assert_eq!(file.prompts[0].rank, Some(2));
    let warning = format!(
        "{}: 1 of 2 entries say \"guidance\", which the authors' program ignores (it trains with \
         1); it is read as \"guidance_scale\" here",
        path.display()
    );
    assert_eq!(file.warnings, [warning]);
}

#[test]
fn bad_slider_files_say_where() {
    for (from, to, said) in [
        (
            "guidance_scale",
            "guidence_scale",
            "unknown field `guidence_scale`",
        ),
        ("\"enhance\"", "\"improve\"", "improve"),
        ("target: food\n ", "", "missing field `target`"),
        (
            "batch_size: 2",
            "guidance: 2",
            "\"[0].guidance\" stands beside guidance_scale",
        ),
        (
            "batch_size: 2",
            "batch_size: 0",
            "\"[0].batch_size\" must be at least 1",
        ),
        (
            "batch_size: 2",
            "rank: 0",
            "\"[0].rank\" must be at least 1",
        ),
        ("768", "100", "\"[0].resolution\" must be a multiple of 8"),
        (
            "scale: 4",
            "scale: .inf",
            "\"[0].guidance_scale\" must be a finite number",
        ),
        ("scale: 4", "scale: much", "line 7"),
    ] {
        let changed = SLIDER.replacen(from, to, 1);
        assert_ne!(changed, SLIDER, "{from}");
        let (_folder, path) = written(&changed);
        let error = SliderPrompts::read(&path).unwrap_err().to_string();
        assert!(error.contains(said), "{said}: {error}");
        assert!(!error.contains('\n'), "{error}");
    }
    for (text, said) in [
        ("[]", "holds no prompts"),
        ("{a: 1}", "p.yaml: "),
        ("- [", "p.yaml: "),
    ] {
        let (_folder, path) = written(text);
        let error = SliderPrompts::read(&path).unwrap_err().to_string();
        assert!(error.contains(said) && !error.contains('\n'), "{error}");
    }
}
