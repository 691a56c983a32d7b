//! Prompts that differ in one attribute of one subject.

use std::ops::Range;

use crate::conditioning::split_words;
use crate::prompt::TextStage;
use crate::{EngineError, Result};

/// Stands for the subject's noun in a template.
pub const SUBJECT_PLACE: &str = "{subject}";

/// The prompts that are taken where the artist gives no neutral one.
const NEUTRAL: &str = "a {subject}";

/// One subject without, with more and with less of an attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PromptPair {
    /// The prompt that leaves the attribute open, such as `a man`.
    pub target: String,
    /// The same with more of it, such as `an old man`.
    pub positive: String,
    /// The same with less of it, such as `a young man`.
    pub negative: String,
    /// Where a slider's aim starts from, where that is not the target. Directions take no notice.
    pub neutral: Option<String>,
    /// The subject's words as they stand in all prompts, such as `man`; may be empty for sliders.
    pub subject: String,
    /// What may stand before all prompts, one at a time; empty for nothing.
    pub prefixes: Vec<String>,
}

/// The prompts of a pair under one of its prefixes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wording {
    /// The prompt that leaves the attribute open.
    pub target: String,
    /// The prompt with more of it.
    pub positive: String,
    /// The prompt with less of it.
    pub negative: String,
    /// The prompt that a slider's aim starts from.
    pub neutral: String,
}

impl PromptPair {
    /// How many wordings there are: one a prefix.
    pub fn wordings(&self) -> usize {
        self.prefixes.len().max(1)
    }

    /// The prompts under prefix `index`, counted around.
    pub fn wording(&self, index: usize) -> Wording {
        let prefix = match self.prefixes.len() {
            0 => "",
            count => self.prefixes[index % count].as_str(),
        };
        let gap = if prefix.is_empty() || prefix.ends_with(char::is_whitespace) {
            ""
        } else {
            " "
        };
        let with = |prompt: &str| format!("{prefix}{gap}{prompt}");
        Wording {
            target: with(&self.target),
            positive: with(&self.positive),
            negative: with(&self.negative),
            neutral: with(self.neutral.as_ref().unwrap_or(&self.target)),
        }
    }

    /// Chunks that the longest prompt of all `pairs` needs.
    ///
    /// # Errors
    /// There are no pairs; else see [`TextStage::chunks`].
    pub(in crate::train) fn most_chunks(pairs: &[Self], text: &TextStage) -> Result<usize> {
        if pairs.is_empty() {
            return Err(EngineError::request("prompts", "there are no pairs"));
        }
        let mut most = 1;
        for pair in pairs {
            for index in 0..pair.wordings() {
                let Wording {
                    target,
                    positive,
                    negative,
                    neutral,
                } = pair.wording(index);
                for prompt in [target, positive, negative, neutral] {
                    most = most.max(text.chunks(&prompt)?);
                }
            }
        }
        Ok(most)
    }

    /// Checks that the subject can be found in the target, whatever the prefix.
    ///
    /// # Errors
    /// A target does not name the subject, or more than once.
    pub fn check(&self) -> Result<()> {
        for index in 0..self.wordings() {
            let prompt = self.wording(index).target;
            let places = find_all(&prompt, &self.subject).len();
            if places != 1 {
                return Err(EngineError::request(
                    "prompts",
                    format!(
                        "\"{prompt}\" must name the subject \"{}\" once, but does so {places} times",
                        self.subject
                    ),
                ));
            }
        }
        Ok(())
    }

    /// The same pair with `words` said of the subject in all its prompts: right before the
    /// subject where a prompt names it, else at the front.
    pub fn qualified(&self, words: &str) -> Self {
        let with = |prompt: &str| match find_all(prompt, &self.subject).first() {
            Some(at) => insert(prompt, at, words),
            None => format!("{words} {prompt}"),
        };
        Self {
            target: with(&self.target),
            positive: with(&self.positive),
            negative: with(&self.negative),
            neutral: self.neutral.as_deref().map(with),
            ..self.clone()
        }
    }
}

/// Prompts with [`SUBJECT_PLACE`] where a subject's noun goes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PairTemplates {
    /// Prompts that leave the attribute open: one for all, one for each positive prompt, or none
    /// for `a {subject}`.
    pub target: Vec<String>,
    /// Prompts with more of the attribute.
    pub positive: Vec<String>,
    /// Prompts with less of it, each the other end of the positive prompt in the same place.
    pub negative: Vec<String>,
    /// Nouns.
    pub subjects: Vec<String>,
    /// What may stand before the prompts; empty for nothing.
    pub prefixes: Vec<String>,
}

impl PairTemplates {
    /// Every pair of prompts for every subject.
    ///
    /// # Errors
    /// There are no subjects or prompts, the numbers of prompts do not fit, or a prompt has no
    /// place for the subject.
    pub fn pairs(&self) -> Result<Vec<PromptPair>> {
        if self.subjects.is_empty() {
            return Err(EngineError::request(
                "subjects",
                "there are none; name the nouns that the attribute belongs to, such as man,woman",
            ));
        }
        let (positive, negative) = (&self.positive, &self.negative);
        if positive.is_empty() || positive.len() != negative.len() {
            return Err(EngineError::request(
                "prompts",
                format!(
                    "{} positive and {} negative ones do not make pairs; give as many of each, \
                     at least one",
                    positive.len(),
                    negative.len()
                ),
            ));
        }
        let targets: Vec<&str> = match self.target.len() {
            0 => vec![NEUTRAL; positive.len()],
            1 => vec![self.target[0].as_str(); positive.len()],
            n if n == positive.len() => self.target.iter().map(String::as_str).collect(),
            n => {
                return Err(EngineError::request(
                    "prompts",
                    format!(
                        "{n} neutral ones do not fit {} pairs; give one for all or one for each",
                        positive.len()
                    ),
                ));
            }
        };
        let mut pairs = Vec::with_capacity(self.subjects.len() * positive.len());
        for subject in &self.subjects {
            let subject = subject.trim();
            if split_words(subject).is_empty() {
                return Err(EngineError::request(
                    "subjects",
                    format!("\"{subject}\" is no noun"),
                ));
            }
            for ((target, positive), negative) in targets.iter().zip(positive).zip(negative) {
                pairs.push(PromptPair {
                    target: fill(target, subject)?,
                    positive: fill(positive, subject)?,
                    negative: fill(negative, subject)?,
                    neutral: None,
                    subject: subject.to_owned(),
                    prefixes: self.prefixes.clone(),
                });
            }
        }
        Ok(pairs)
    }
}

/// `template` with `subject` in its place.
fn fill(template: &str, subject: &str) -> Result<String> {
    let mut parts = template.split(SUBJECT_PLACE);
    match (parts.next(), parts.next(), parts.next()) {
        (Some(before), Some(after), None) => Ok(format!("{}{after}", lead(before, subject))),
        _ => Err(EngineError::request(
            "prompts",
            format!("\"{template}\" must have {SUBJECT_PLACE} once, where the subject's noun goes"),
        )),
    }
}

/// `prompt` with `words` before the words at `at`.
fn insert(prompt: &str, at: &Range<usize>, words: &str) -> String {
    let before = lead(&prompt[..at.start], words);
    format!("{before} {}", &prompt[at.start..])
}

/// `before` and `words`, the article between them the one that fits.
fn lead(before: &str, words: &str) -> String {
    let article = split_words(before)
        .pop()
        .filter(|word| before[word.end..].chars().all(char::is_whitespace))
        .filter(|word| ["a", "an"].contains(&before[word.clone()].to_lowercase().as_str()));
    let Some(article) = article else {
        return format!("{before}{words}");
    };
    // By the letter, as "an hour" and "a unicorn" are rare among subjects.
    let vowel = words.starts_with(['a', 'e', 'i', 'o', 'u', 'A', 'E', 'I', 'O', 'U']);
    let first = &before[article.start..=article.start];
    let rest = &before[article.end..];
    let n = if vowel { "n" } else { "" };
    format!("{}{first}{n}{rest}{words}", &before[..article.start])
}

/// Every place where `phrase` stands in `text`, in any case, punctuation between its words aside.
fn find_all(text: &str, phrase: &str) -> Vec<Range<usize>> {
    let wanted: Vec<String> = split_words(phrase)
        .into_iter()
        .map(|word| phrase[word].to_lowercase())
        .collect();
    if wanted.is_empty() {
        return Vec::new();
    }
    let same = |(word, wanted): (&Range<usize>, &String)| {
        let word = &text[word.clone()];
        word.to_lowercase() == *wanted
    };
    split_words(text)
        .windows(wanted.len())
        .filter(|place| place.iter().zip(&wanted).all(same))
        .map(|place| place[0].start..place[place.len() - 1].end)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{PairTemplates, PromptPair};

    fn list(words: &[&str]) -> Vec<String> {
        words.iter().map(|&w| w.to_owned()).collect()
    }

    fn templates() -> PairTemplates {
        PairTemplates {
            target: Vec::new(),
            positive: list(&["an old {subject}", "a large, old {subject} in a room"]),
            negative: list(&["a young {subject}", "a large, young {subject} in a room"]),
            subjects: list(&["man", "ape"]),
            prefixes: Vec::new(),
        }
    }

    #[test]
    fn templates_are_filled_and_articles_fit_the_noun() {
        let pairs = templates().pairs().unwrap();
        assert_eq!(pairs.len(), 4);
        let ape = &pairs[2];
        assert_eq!(
            (ape.target.as_str(), ape.subject.as_str()),
            ("an ape", "ape")
        );
        assert_eq!(ape.positive, "an old ape");
        assert_eq!(pairs[1].negative, "a large, young man in a room");
        assert_eq!(pairs[0].wordings(), 1);
        assert_eq!(pairs[0].wording(3).target, "a man");
    }

    #[test]
    fn one_prefix_stands_before_all_three() {
        let mut templates = templates();
        templates.prefixes = list(&["", "a photo of ", "in a room ,"]);
        let pair = &templates.pairs().unwrap()[0];
        assert_eq!(pair.wordings(), 3);
        assert_eq!(pair.wording(0).positive, "an old man");
        assert_eq!(pair.wording(1).negative, "a photo of a young man");
        assert_eq!(pair.wording(2).target, "in a room , a man");
    }

    #[test]
    fn what_is_preserved_stands_before_the_noun_in_all_three() {
        let pair = PromptPair {
            target: "a man".to_owned(),
            positive: "Man, very old".to_owned(),
            negative: "a baby".to_owned(),
            neutral: None,
            subject: "man".to_owned(),
            prefixes: Vec::new(),
        };
        let smiling = pair.qualified("elegant");
        assert_eq!(smiling.target, "an elegant man");
        assert_eq!(smiling.positive, "elegant Man, very old");
        assert_eq!(smiling.negative, "elegant a baby");
    }

    #[test]
    fn a_subject_that_cannot_be_told_is_refused() {
        let mut pair = templates().pairs().unwrap()[0].clone();
        pair.check().unwrap();
        pair.prefixes = list(&["", "a picture with a Man of"]);
        let error = pair.check().unwrap_err().to_string();
        assert!(
            error.contains("\"man\" once, but does so 2 times"),
            "{error}"
        );
    }

    #[test]
    fn what_makes_no_pairs_says_why() {
        let said = |change: fn(&mut PairTemplates)| {
            let mut templates = templates();
            change(&mut templates);
            templates.pairs().unwrap_err().to_string()
        };
        assert!(said(|t| t.subjects.clear()).contains("there are none"));
        assert!(said(|t| t.subjects = list(&[" , "])).contains("no noun"));
        assert!(said(|t| t.negative.truncate(1)).contains("2 positive and 1 negative"));
        assert!(said(|t| t.target = list(&["a {subject}"; 3])).contains("3 neutral"));
        let unplaced = said(|t| t.positive[0] = "an old man".to_owned());
        assert!(unplaced.contains("must have {subject} once"), "{unplaced}");
    }
}
