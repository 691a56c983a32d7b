//! Pairs from the files of the methods' first authors.

use std::path::Path;

use super::PromptPair;
use crate::controls::prompt_pairs::PromptPairs;
use crate::controls::slider_prompts::{SliderAction, SliderPrompts};
use crate::{EngineError, Result};

/// What a file of slider prompts asks for.
#[derive(Debug, Clone, PartialEq)]
pub struct SliderPairs {
    /// The pairs; none names a subject.
    pub pairs: Vec<PromptPair>,
    /// η, the same for all.
    pub eta: f64,
    /// What the artist should know, a sentence each.
    pub warnings: Vec<String>,
}

/// Reads the pairs of a direction (see [`PromptPairs::read`]).
///
/// # Errors
/// The file cannot be read, or a target does not have its subject in exactly one place.
pub fn read_pairs(path: &Path) -> Result<Vec<PromptPair>> {
    let file = PromptPairs::read(path)?;
    let pairs = file.pairs.iter().enumerate().map(|(index, pair)| {
        let places = pair.subjects(&pair.target);
        let [subject] = places.as_slice() else {
            return Err(EngineError::bad_config(
                path,
                format!("prompts[{index}].pattern_target"),
                format!(
                    "finds {} places in \"{}\", where one subject is needed",
                    places.len(),
                    pair.target
                ),
            ));
        };
        Ok(PromptPair {
            subject: pair.target[subject.clone()].to_owned(),
            target: pair.target.clone(),
            positive: pair.positive.clone(),
            negative: pair.negative.clone(),
            neutral: None,
            prefixes: file.prefixes.clone(),
        })
    });
    pairs.collect()
}

/// Reads the prompts of a slider (see [`SliderPrompts::read`]).
///
/// # Errors
/// The file cannot be read, or its entries ask for different guidance scales.
pub fn read_slider_pairs(path: &Path) -> Result<SliderPairs> {
    let file = SliderPrompts::read(path)?;
    let eta = file.prompts.first().map_or(1.0, |p| p.guidance_scale);
    let mut pairs = Vec::with_capacity(file.prompts.len());
    for (index, prompt) in file.prompts.into_iter().enumerate() {
        if prompt.guidance_scale.to_bits() != eta.to_bits() {
            return Err(EngineError::bad_config(
                path,
                format!("[{index}].guidance_scale"),
                format!(
                    "is {}, but the first entry's is {eta}; one slider is trained with one",
                    prompt.guidance_scale
                ),
            ));
        }
        // Away from the positive prompt is towards its opposite.
        let (positive, negative) = match prompt.action {
            SliderAction::Enhance => (prompt.positive, prompt.unconditional),
            SliderAction::Erase => (prompt.unconditional, prompt.positive),
        };
        pairs.push(PromptPair {
            neutral: Some(prompt.neutral).filter(|neutral| *neutral != prompt.target),
            target: prompt.target,
            positive,
            negative,
            subject: String::new(),
            prefixes: Vec::new(),
        });
    }
    Ok(SliderPairs {
        pairs,
        eta,
        warnings: file.warnings,
    })
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::{read_pairs, read_slider_pairs};

    fn file(folder: &tempfile::TempDir, text: &str) -> PathBuf {
        let path = folder.path().join("prompts.yaml");
        std::fs::write(&path, text).unwrap();
        path
    }

    #[test]
    fn the_pairs_of_a_direction_know_their_subjects_words() {
        let folder = tempfile::tempdir().unwrap();
        let entry = |target: &str| {
            format!(
                "prompts:\n  - {{prompt_target: {target}, prompt_positive: old man, \
                 prompt_negative: young man, pattern_target: man}}\nprefixes: [a photo of a, a]\n"
            )
        };
        let pairs = read_pairs(&file(&folder, &entry("tall man"))).unwrap();
        assert_eq!((pairs.len(), pairs[0].subject.as_str()), (1, "man"));
        assert_eq!(pairs[0].wording(0).positive, "a photo of a old man");
        let twice = read_pairs(&file(&folder, &entry("man with a man"))).unwrap_err();
        assert!(twice.to_string().contains("finds 2 places"), "{twice}");
    }

    #[test]
    fn the_pairs_of_a_slider_go_the_way_that_the_file_says() {
        let folder = tempfile::tempdir().unwrap();
        let entry = |action: &str, scale: u8| {
            format!(
                "- {{target: person, positive: old person, unconditional: young person, \
                 neutral: person, action: {action}, guidance_scale: {scale}}}\n"
            )
        };
        let both = entry("enhance", 4) + &entry("erase", 4);
        let read = read_slider_pairs(&file(&folder, &both)).unwrap();
        assert_eq!(
            (read.eta, read.pairs[0].positive.as_str()),
            (4.0, "old person")
        );
        assert_eq!(read.pairs[1].positive, "young person");
        assert_eq!(read.pairs[0].neutral, None);
        let mixed = entry("enhance", 4) + &entry("enhance", 2);
        let error = read_slider_pairs(&file(&folder, &mixed)).unwrap_err();
        assert!(error.to_string().contains("[1].guidance_scale"), "{error}");
    }
}
