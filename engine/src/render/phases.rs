//! What holds from one step on: which text, which adapters, which pushes.

use std::fmt::Write as _;

use tch::Tensor;

use super::meter_push::MeterPush;
use super::shelf::{Resolved, Shelf};
use crate::conditioning::{Conditioning, TokenSpan};
use crate::controls::{Control, DecoupledAttention};
use crate::measure::{Meter, Place};
use crate::models::unet::{TextContext, UNet};
use crate::{EngineError, Result};

/// A prompt and its negative, encoded, with their keys and values.
pub(super) struct EncodedPrompt {
    pub(super) prompt: String,
    pub(super) negative_prompt: Option<String>,
    pub(super) positive: Conditioning,
    pub(super) negative: Option<Conditioning>,
    pub(super) contexts: Contexts,
}

/// Keys and values of the positive and, under guidance, of the negative prompt; batch 1 each.
pub(super) struct Contexts {
    pub(super) positive: TextContext,
    pub(super) negative: Option<TextContext>,
}

impl Contexts {
    pub(super) fn make(
        unet: &UNet,
        positive: &Conditioning,
        negative: Option<&Conditioning>,
    ) -> Result<Self> {
        let context = |conditioning: &Conditioning| {
            let tokens: Tensor = conditioning.context()?.f_unsqueeze(0)?;
            unet.text_context(&tokens)
        };
        Ok(Self {
            positive: context(positive)?,
            negative: negative.map(context).transpose()?,
        })
    }

    fn shallow_clone(&self) -> Self {
        Self {
            positive: self.positive.shallow_clone(),
            negative: self.negative.as_ref().map(TextContext::shallow_clone),
        }
    }
}

/// What holds from one call of the sampler on.
pub(super) struct Phase {
    /// The first call that it holds for.
    pub(super) from: usize,
    pub(super) contexts: Contexts,
    /// Adapters beside the text, on the positive half alone.
    pub(super) hook: Option<DecoupledAttention>,
    /// Pushes along a meter's gradient.
    pub(super) pushes: Vec<MeterPush>,
    /// Controls at work, by their place in the recipe.
    pub(super) active: Vec<usize>,
    /// Everything of the controls that a picture depends on in this phase.
    pub(super) key: String,
}

/// The phases of a recipe over `calls` calls of the sampler, in order; the first from 0.
///
/// A control that is there but does nothing still begins a phase, so that moving it away from 0
/// finds the work up to there done.
pub(super) fn phases(
    encoded: &EncodedPrompt,
    controls: &[Resolved],
    calls: usize,
    unet: &UNet,
    shelf: &Shelf,
    meter: Option<&dyn Meter>,
) -> Result<Vec<Phase>> {
    let first_call = |start: f64| (start * calls as f64).round() as usize;
    let mut starts: Vec<usize> = controls.iter().map(|c| first_call(c.start)).collect();
    starts.push(0);
    starts.sort_unstable();
    starts.dedup();
    starts.retain(|&start| start == 0 || start < calls);
    starts
        .into_iter()
        .map(|from| {
            let active = |c: &&Resolved| c.raw.is_some() && first_call(c.start) <= from;
            let indices = 0..controls.len();
            let indices: Vec<usize> = indices.filter(|&i| active(&&controls[i])).collect();
            phase(from, encoded, controls, indices, unet, shelf, meter)
        })
        .collect()
}

fn phase(
    from: usize,
    encoded: &EncodedPrompt,
    controls: &[Resolved],
    active: Vec<usize>,
    unet: &UNet,
    shelf: &Shelf,
    meter: Option<&dyn Meter>,
) -> Result<Phase> {
    let at_work: Vec<&Resolved> = active.iter().map(|&i| &controls[i]).collect();
    let mut positive = encoded.positive.shallow_clone();
    let mut pushes = Vec::new();
    let mut key = String::new();
    for control in &at_work {
        let raw = control.raw.unwrap_or_default();
        let subject = control.wanted.subject.as_deref().unwrap_or_default();
        // Writing to a string cannot fail.
        let _ = write!(
            key,
            "{}|{}|{subject}|{raw:?};",
            control.loaded.hash, control.wanted.name
        );
        match &control.loaded.control {
            Control::Direction(direction) => {
                let span = subject_span(control, &encoded.positive)?;
                direction.apply(&mut positive, &span, raw)?;
            }
            Control::Guidance { strength } => {
                let attribute = control.attribute.clone().unwrap_or_default();
                let place = match meter {
                    Some(meter) => subject_place(control, &encoded.positive, meter)?,
                    None => return Err(no_meter(&control.wanted.to_string())),
                };
                pushes.push(MeterPush {
                    attribute,
                    place,
                    target: raw,
                    strength: *strength,
                });
            }
            // Its strength is set when the phase begins.
            Control::Slider(_) => {}
        }
    }
    let plain = at_work
        .iter()
        .all(|c| !c.loaded.reaches_text && !matches!(c.loaded.control, Control::Direction(_)));
    let contexts = if plain {
        encoded.contexts.shallow_clone()
    } else {
        // Keys and values hold for the strengths of the moment that they are made in.
        shelf.set_strengths(&at_work);
        let contexts = Contexts::make(unet, &positive, encoded.negative.as_ref());
        shelf.set_strengths(&[]);
        contexts?
    };
    Ok(Phase {
        from,
        contexts,
        hook: None,
        pushes,
        active,
        key,
    })
}

/// The tokens of the subject that `control` works on: the one that it names, or the only noun of
/// the prompt that it was made for.
pub(super) fn subject_span(control: &Resolved, prompt: &Conditioning) -> Result<TokenSpan> {
    if let Some(subject) = &control.wanted.subject {
        return prompt.find(subject);
    }
    let nouns = &control.loaded.info.subjects;
    let mut found = nouns.iter().flat_map(|noun| prompt.find_all(noun));
    match (found.next(), found.next()) {
        (Some(only), None) => Ok(only),
        _ => Err(EngineError::request(
            control.wanted.to_string(),
            format!(
                "say which subject of the prompt it works on, as {}@{}={}",
                control.wanted.name,
                nouns.first().map_or("SUBJECT", String::as_str),
                control.wanted.value
            ),
        )),
    }
}

/// Where `control`'s subject stands in the picture; `None` for the whole picture.
pub(super) fn subject_place(
    control: &Resolved,
    prompt: &Conditioning,
    meter: &dyn Meter,
) -> Result<Option<Place>> {
    let info = &control.loaded.info;
    if control.wanted.subject.is_none() && info.subjects.is_empty() {
        return Ok(None);
    }
    let span = subject_span(control, prompt)?;
    let subjects = meter.subjects(&prompt.prompt);
    let within = |bytes: &std::ops::Range<usize>| {
        span.bytes.start <= bytes.start && bytes.end <= span.bytes.end
    };
    let mut named = subjects.iter().filter(|s| within(&s.bytes));
    match (named.next(), named.next()) {
        (Some(only), None) => Ok(Some(only.place)),
        _ => Err(EngineError::request(
            control.wanted.to_string(),
            format!(
                "the meter does not know where \"{}\" stands in the picture; name one subject by \
                 its noun",
                span.text
            ),
        )),
    }
}

pub(super) fn no_meter(control: &str) -> EngineError {
    EngineError::request(
        control,
        "it needs a meter that reads pictures, and this model's folder has none; leave it out",
    )
}
