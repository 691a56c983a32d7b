//! Prompt pairs that an attribute direction is learnt from, in the files of their first authors
//! (arXiv 2403.17064).
//!
//! Each pair says the same subject three times: plain, with more of the attribute and with less of
//! it. Prefixes go before all three, so that a direction does not hang on one wording.

use std::ops::Range;
use std::path::Path;

use regex::Regex;
use serde::Deserialize;

use super::yaml;
use crate::conditioning::split_words;
use crate::{EngineError, Result};

/// Most prefixes that a file may combine.
const MAX_PREFIXES: usize = 10_000;

/// The prompt pairs of one attribute.
#[derive(Debug, Clone)]
pub struct PromptPairs {
    /// The attribute's name, such as `people/age`, where the file gives one.
    pub tag: Option<String>,
    /// The pairs, without prefixes.
    pub pairs: Vec<PromptPair>,
    /// What may stand before a prompt; one empty text where the file names none.
    pub prefixes: Vec<String>,
}

/// One subject in three wordings.
#[derive(Debug, Clone)]
pub struct PromptPair {
    /// The plain subject, such as `man`.
    pub target: String,
    /// The subject with more of the attribute, such as `old man`.
    pub positive: String,
    /// The subject with less of the attribute, such as `young man`.
    pub negative: String,
    /// Finds the subject in all three.
    pattern: Regex,
}

/// A prompt and where its subject stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubjectPrompt {
    /// The prompt.
    pub text: String,
    /// Byte ranges of the subject in `text`, whole words, in reading order; at least one.
    pub subjects: Vec<Range<usize>>,
}

/// A pair behind a prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrefixedPair {
    /// The plain prompt.
    pub target: SubjectPrompt,
    /// The prompt with more of the attribute.
    pub positive: SubjectPrompt,
    /// The prompt with less of the attribute.
    pub negative: SubjectPrompt,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PairsFile {
    tag: Option<String>,
    prompts: Vec<PairEntry>,
    prefixes: Option<PrefixesEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PairEntry {
    prompt_target: String,
    prompt_positive: String,
    prompt_negative: String,
    pattern_target: String,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum PrefixesEntry {
    Combined(String),
    Listed(Vec<String>),
}

impl PromptPairs {
    /// Reads a YAML file: a list `prompts` of `prompt_target`, `prompt_positive`,
    /// `prompt_negative` and `pattern_target` (a regular expression that finds the subject), and
    /// `prefixes`: a list, or one text whose `{braces,with commas}` are combined (with or without
    /// the `${combinations:'…'}` around it).
    ///
    /// # Errors
    /// The file cannot be read, has an unknown field or lacks one, or a pattern is no regular
    /// expression or does not find the subject in one of its prompts.
    pub fn read(path: &Path) -> Result<Self> {
        let file: PairsFile = yaml::read(path)?;
        if file.prompts.is_empty() {
            return Err(EngineError::bad_config(
                path,
                "prompts",
                "must not be empty",
            ));
        }
        let pairs = file
            .prompts
            .into_iter()
            .enumerate()
            .map(|(i, entry)| PromptPair::new(path, i, entry))
            .collect::<Result<Vec<_>>>()?;
        let prefixes = match file.prefixes {
            None => vec![String::new()],
            Some(PrefixesEntry::Listed(prefixes)) if prefixes.is_empty() => vec![String::new()],
            Some(PrefixesEntry::Listed(prefixes)) => prefixes,
            Some(PrefixesEntry::Combined(text)) => combine(unwrapped(&text))
                .map_err(|problem| EngineError::bad_config(path, "prefixes", problem))?,
        };
        Ok(Self {
            tag: file.tag,
            pairs,
            prefixes,
        })
    }

    /// Every pair behind every prefix, all prefixes of the first pair first.
    pub fn prefixed(&self) -> impl Iterator<Item = PrefixedPair> {
        self.pairs
            .iter()
            .flat_map(|pair| self.prefixes.iter().map(|prefix| pair.behind(prefix)))
    }
}

impl PromptPair {
    fn new(path: &Path, index: usize, entry: PairEntry) -> Result<Self> {
        let bad = |field: &str, problem: String| {
            EngineError::bad_config(path, format!("prompts[{index}].{field}"), problem)
        };
        let pattern = Regex::new(&entry.pattern_target).map_err(|error| {
            // Its own message draws the pattern over several lines; the last one says what is wrong.
            let error = error.to_string();
            let reason = error.lines().last().unwrap_or_default();
            let reason = reason.trim_start_matches("error: ");
            let pattern = &entry.pattern_target;
            bad(
                "pattern_target",
                format!("is \"{pattern}\", which cannot be searched for: {reason}"),
            )
        })?;
        let pair = Self {
            target: entry.prompt_target,
            positive: entry.prompt_positive,
            negative: entry.prompt_negative,
            pattern,
        };
        for (field, prompt) in [
            ("prompt_target", &pair.target),
            ("prompt_positive", &pair.positive),
            ("prompt_negative", &pair.negative),
        ] {
            if pair.subjects(prompt).is_empty() {
                let problem = format!(
                    "is \"{prompt}\", in which pattern_target \"{}\" finds no whole word",
                    pair.pattern
                );
                return Err(bad(field, problem));
            }
        }
        Ok(pair)
    }

    /// Byte ranges in `prompt` that the pattern matches and that are whole words: the `man` of
    /// "a german man" is one place.
    pub fn subjects(&self, prompt: &str) -> Vec<Range<usize>> {
        let words = split_words(prompt);
        self.pattern
            .find_iter(prompt)
            .map(|found| found.range())
            .filter(|range| {
                words.iter().any(|word| word.start == range.start)
                    && words.iter().any(|word| word.end == range.end)
            })
            .collect()
    }

    /// The pair behind `prefix`. White space is made single, as the tokenizer does anyway.
    pub fn behind(&self, prefix: &str) -> PrefixedPair {
        let prompt = |prompt: &str| {
            let words: Vec<&str> = prefix
                .split_whitespace()
                .chain(prompt.split_whitespace())
                .collect();
            let text = words.join(" ");
            let subjects = self.subjects(&text);
            SubjectPrompt { text, subjects }
        };
        PrefixedPair {
            target: prompt(&self.target),
            positive: prompt(&self.positive),
            negative: prompt(&self.negative),
        }
    }
}

impl SubjectPrompt {
    /// The subject's words at each place where it stands.
    pub fn phrases(&self) -> impl Iterator<Item = &str> {
        self.subjects.iter().map(|range| &self.text[range.clone()])
    }
}

/// The text inside `${combinations:'…'}`, the way its authors' configuration calls for combining.
fn unwrapped(text: &str) -> &str {
    let text = text.trim();
    let inner = text
        .strip_prefix("${combinations:")
        .and_then(|inner| inner.strip_suffix('}'));
    let Some(inner) = inner.map(str::trim) else {
        return text;
    };
    ['\'', '"']
        .into_iter()
        .find_map(|quote| inner.strip_prefix(quote)?.strip_suffix(quote))
        .unwrap_or(inner)
}

/// `{,very }{old,young}` to the four texts that it stands for, the last braces changing fastest.
fn combine(pattern: &str) -> Result<Vec<String>, String> {
    let mut combined = vec![String::new()];
    let mut rest = pattern;
    while !rest.is_empty() {
        let (plain, choices, after) = match rest.split_once('{') {
            None => (rest, "", ""),
            Some((plain, open)) => {
                let (choices, after) = open.split_once('}').ok_or("has a { without its }")?;
                (plain, choices, after)
            }
        };
        if plain.contains('}') {
            return Err("has a } without its {".to_owned());
        }
        if choices.contains('{') {
            return Err("has braces inside braces, which cannot be combined".to_owned());
        }
        let choices: Vec<&str> = choices.split(',').collect();
        if combined.len() * choices.len() > MAX_PREFIXES {
            return Err(format!(
                "stands for more than {MAX_PREFIXES} texts; use fewer"
            ));
        }
        combined = combined
            .iter()
            .flat_map(|start| choices.iter().map(move |c| format!("{start}{plain}{c}")))
            .collect();
        rest = after;
    }
    Ok(combined)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn braces_combine_in_order() {
        let all = combine("{,a photo of} a {,beautiful} ").unwrap();
        assert_eq!(
            all,
            [
                " a  ",
                " a beautiful ",
                "a photo of a  ",
                "a photo of a beautiful "
            ]
        );
        assert_eq!(combine("").unwrap(), [""]);
        assert_eq!(combine("plain").unwrap(), ["plain"]);
        assert_eq!(unwrapped("${combinations:'{a,b} c'}"), "{a,b} c");
        assert_eq!(unwrapped("${combinations: \"{a,b}\" }"), "{a,b}");
        assert_eq!(unwrapped("{a,b}"), "{a,b}");
    }

    #[test]
    fn bad_braces_are_refused() {
        for (bad, said) in [
            ("{a,b", "has a { without its }"),
            ("a}", "has a } without its {"),
            ("{a,{b,c}}", "has braces inside braces"),
            (&"{a,b}".repeat(14), "stands for more than 10000 texts"),
        ] {
            let problem = combine(bad).unwrap_err();
            assert!(problem.starts_with(said), "{bad}: {problem}");
        }
    }

    proptest! {
        #[test]
        fn combining_multiplies(groups in prop::collection::vec(
            prop::collection::vec("[a-z ]{0,3}", 1..4), 0..5,
        )) {
            let text: Vec<String> = groups.iter().map(|g| format!("x{{{}}}", g.join(","))).collect();
            let text = text.concat();
            let all = combine(&text).unwrap();
            prop_assert_eq!(all.len(), groups.iter().map(Vec::len).product::<usize>());
            let last: Vec<String> = groups.iter().map(|g| format!("x{}", g[g.len() - 1])).collect();
            prop_assert_eq!(all.last(), Some(&last.concat()));
        }
    }
}
