//! The direction that needs no training: what the text encoder itself makes of the difference.

use tch::{Kind, Tensor};

use super::PromptPair;
use crate::controls::Direction;
use crate::prompt::TextStage;
use crate::{EngineError, Result};

/// `mean(E(positive) − E(negative))` at the last token of the subject, over all pairs and their
/// prefixes, one vector for each text encoder (arXiv 2403.17064).
///
/// A causal text encoder sees only what stands before a token: what is said of the subject after
/// it ("a man with a beard") leaves no trace here.
///
/// `on_wording` hears how many of how many wordings are encoded, and says whether to go on.
///
/// # Errors
/// A prompt does not name the subject, or more than once; there are no pairs, or `on_wording` said
/// to stop ([`EngineError::Cancelled`]).
pub fn clip_difference(
    text: &TextStage,
    pairs: &[PromptPair],
    on_wording: &mut dyn FnMut(usize, usize) -> bool,
) -> Result<Direction> {
    let _guard = tch::no_grad_guard();
    let total: usize = pairs.iter().map(PromptPair::wordings).sum();
    let mut sums: Vec<Tensor> = Vec::new();
    let mut done = 0;
    for pair in pairs {
        for index in 0..pair.wordings() {
            if !on_wording(done, total) {
                return Err(EngineError::Cancelled);
            }
            let wording = pair.wording(index);
            let positive = subject_states(text, &wording.positive, &pair.subject)?;
            let negative = subject_states(text, &wording.negative, &pair.subject)?;
            for (at, (positive, negative)) in positive.iter().zip(&negative).enumerate() {
                let difference = positive.f_sub(negative)?;
                match sums.get_mut(at) {
                    Some(sum) => *sum = sum.f_add(&difference)?,
                    None => sums.push(difference),
                }
            }
            done += 1;
        }
    }
    if done == 0 {
        return Err(EngineError::request("prompts", "there are no pairs"));
    }
    let deltas = sums.iter().map(|sum| sum.f_div_scalar(done as f64));
    Ok(Direction::new(deltas.collect::<Result<_, _>>()?))
}

/// Every encoder's state `[dim]` in fp32 at the last token of `subject`.
///
/// # Errors
/// `prompt` does not name the subject, or more than once.
pub fn subject_states(text: &TextStage, prompt: &str, subject: &str) -> Result<Vec<Tensor>> {
    let encoded = text.encode(prompt, 1)?;
    let span = encoded.find(subject)?;
    let last = span.tokens.end as i64 - 1;
    let states = encoded.encoders.iter();
    states
        .map(|states| Ok(states.tokens.f_get(last)?.f_to_kind(Kind::Float)?))
        .collect()
}

#[cfg(test)]
mod tests {
    use tch::{Device, Kind};

    use super::super::PromptPair;
    use super::clip_difference;
    use crate::EngineError;
    use crate::checkpoint::Checkpoint;
    use crate::checkpoint::tiny::write_model;
    use crate::prompt::TextStage;

    fn text(folder: &std::path::Path) -> TextStage {
        write_model(folder, 3).unwrap();
        let model = Checkpoint::open(folder).unwrap();
        model.load_text(Kind::Float, Device::Cpu).unwrap()
    }

    fn pair(subject: &str, positive: &str, negative: &str) -> PromptPair {
        PromptPair {
            target: format!("a {subject}"),
            positive: positive.to_owned(),
            negative: negative.to_owned(),
            neutral: None,
            subject: subject.to_owned(),
            prefixes: vec![String::new(), "in a room ,".to_owned()],
        }
    }

    #[test]
    fn it_is_the_mean_difference_of_the_last_subject_token() {
        let folder = tempfile::tempdir().unwrap();
        let text = text(folder.path());
        let pairs = [
            pair("cat", "an old cat", "a new cat"),
            pair("red dog", "an old red dog", "a new red dog"),
        ];
        let found = clip_difference(&text, &pairs, &mut |_, _| true).unwrap();
        // Character tokens: the subject's last one is the last of the prompt.
        let last = |prompt: &str| {
            let encoded = text.encode(prompt, 1).unwrap();
            let token = encoded.words.last().unwrap().tokens.end as i64 - 1;
            encoded.encoders[0].tokens.get(token)
        };
        let of = |noun: &str, prefix: &str| {
            last(&format!("{prefix}an old {noun}")) - last(&format!("{prefix}a new {noun}"))
        };
        let room = "in a room , ";
        let want = (of("cat", "") + of("cat", room) + of("red dog", "") + of("red dog", room)) / 4;
        assert!(found.deltas()[0].allclose(&want, 1e-5, 1e-6, false));
        assert!(found.deltas()[0].norm().double_value(&[]) > 1e-3);
    }

    #[test]
    fn a_prompt_without_the_subject_and_a_stop_are_told() {
        let folder = tempfile::tempdir().unwrap();
        let text = text(folder.path());
        let pairs = [pair("cat", "an old cat", "a new dog")];
        let error = clip_difference(&text, &pairs, &mut |_, _| true).unwrap_err();
        assert!(error.to_string().contains("\"cat\" is not in"), "{error}");
        let stopped = clip_difference(&text, &pairs, &mut |_, _| false).unwrap_err();
        assert!(matches!(stopped, EngineError::Cancelled));
        assert!(clip_difference(&text, &[], &mut |_, _| true).is_err());
    }
}
