//! Sweeps over words: what adjectives in the prompt do, which is what a control is compared with.

use super::{SweepPlan, SweepRow, SweepSubject, require_some};
use crate::conditioning::split_words;
use crate::measure::MeasuredPrompt;
use crate::measure::prompts::find_once;
use crate::recipe::{ControlScale, Recipe};
use crate::{EngineError, Result};

/// What stands for the subject in a wording.
const SUBJECT: &str = "{subject}";

impl SweepPlan {
    /// A sweep over `wordings` of `attribute`, such as `a very old {subject}`, from the one with
    /// the least of it to the one with the most. Each takes the place of the subject and its
    /// article in every prompt; they count as settings at equal distances from -1 to 1, and all are
    /// compared with the prompt as it is.
    ///
    /// # Errors
    /// There are fewer than two wordings, or no prompts or seeds; a wording does not say
    /// `{subject}` once; a prompt has no subject, or not once.
    pub fn of_wordings(
        base: &Recipe,
        attribute: &str,
        wordings: &[String],
        prompts: Vec<MeasuredPrompt>,
        seeds: Vec<u64>,
    ) -> Result<Self> {
        if wordings.len() < 2 {
            let problem = "give two or more, from the least to the most of the attribute";
            return Err(EngineError::request("wording", problem));
        }
        if let Some(odd) = wordings.iter().find(|w| w.matches(SUBJECT).count() != 1) {
            let problem = format!("\"{odd}\" must say {SUBJECT} once, where the noun stands");
            return Err(EngineError::request("wording", problem));
        }
        require_some("prompts", &prompts)?;
        require_some("seeds", &seeds)?;
        let last = wordings.len() - 1;
        let mut rows = Vec::with_capacity(prompts.len() * seeds.len());
        for (index, prompt) in prompts.iter().enumerate() {
            let texts = wordings
                .iter()
                .map(|wording| worded(prompt, wording))
                .collect::<Result<Vec<_>>>()?;
            for &seed in &seeds {
                let recipe = |text: &String| Recipe {
                    prompt: text.clone(),
                    seed,
                    ..base.clone()
                };
                rows.push(SweepRow {
                    prompt: index,
                    seed,
                    zero: recipe(&prompt.text),
                    recipes: texts.iter().map(recipe).collect(),
                });
            }
        }
        Ok(Self {
            about: SweepSubject {
                control: "words".to_owned(),
                scale: ControlScale::Calibrated,
                asks_readings: false,
                attribute: attribute.to_owned(),
            },
            settings: (0..=last)
                .map(|at| 2.0 * at as f64 / last as f64 - 1.0)
                .collect(),
            prompts,
            seeds,
            rows,
        })
    }
}

/// `prompt` with `wording` in the place of its subject, and of the article before it.
fn worded(prompt: &MeasuredPrompt, wording: &str) -> Result<String> {
    let Some(subject) = &prompt.subject else {
        let problem = format!("say whom \"{wording}\" is about: a noun of every prompt");
        return Err(EngineError::request("subject", problem));
    };
    let text = &prompt.text;
    let place = find_once(text, subject)?;
    let before = split_words(text)
        .into_iter()
        .rfind(|word| word.end <= place.start);
    let article = before.filter(|word| {
        let is_article = ["a", "an", "the"].contains(&text[word.clone()].to_lowercase().as_str());
        is_article && text[word.end..place.start].trim().is_empty()
    });
    let start = article.map_or(place.start, |word| word.start);
    let said = wording.replace(SUBJECT, &text[place.clone()]);
    Ok(format!("{}{said}{}", &text[..start], &text[place.end..]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::sweep::tests::{base, pair};

    fn plan(wordings: &[&str], prompts: Vec<MeasuredPrompt>) -> Result<SweepPlan> {
        let wordings: Vec<String> = wordings.iter().map(|&w| w.to_owned()).collect();
        SweepPlan::of_wordings(&base(), "age", &wordings, prompts, vec![1, 2])
    }

    #[test]
    fn wordings_take_the_place_of_subject_and_article() {
        let words = ["a young {subject}", "a {subject}", "an old {subject}"];
        let bare = MeasuredPrompt {
            text: "portrait, the Man".to_owned(),
            subject: Some("man".to_owned()),
        };
        let plan = plan(&words, vec![pair(), bare]).unwrap();
        assert_eq!(plan.settings, [-1.0, 0.0, 1.0]);
        let row = &plan.rows[1];
        assert_eq!(
            (row.seed, row.zero.prompt.as_str()),
            (2, "a man and a woman")
        );
        let said: Vec<&str> = row.recipes.iter().map(|r| r.prompt.as_str()).collect();
        assert_eq!(
            said,
            [
                "a young man and a woman",
                "a man and a woman",
                "an old man and a woman"
            ]
        );
        assert_eq!(plan.rows[2].recipes[2].prompt, "portrait, an old Man");
        // The middle one is the prompt itself, and costs no picture.
        assert_eq!(plan.pictures(), 2 * 3 + 2 * 4);
    }

    #[test]
    fn wordings_that_cannot_be_swept_are_refused() {
        let whole = MeasuredPrompt {
            text: "a man".to_owned(),
            subject: None,
        };
        let good = ["a young {subject}", "an old {subject}"];
        for (plan, expected) in [
            (plan(&good[..1], vec![pair()]), "two or more"),
            (plan(&["old", "young"], vec![pair()]), "must say {subject}"),
            (plan(&good, Vec::new()), "prompts"),
            (plan(&good, vec![whole]), "say whom"),
        ] {
            let error = plan.unwrap_err();
            assert!(
                error.is_usage() && error.to_string().contains(expected),
                "{error}"
            );
        }
    }
}
