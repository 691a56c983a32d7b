//! Controls that are given values rather than strengths: all values of one control act together.

use std::rc::Rc;

use tch::Tensor;

use super::shelf::{Loaded, Resolved};
use crate::Result;
use crate::conditioning::Conditioning;
use crate::controls::{AttributeValues, Control, DecoupledAttention};
use crate::models::unet::UNet;

/// The values that `at_work` gives to each control that takes some, in the order of the recipe.
fn values<'a>(at_work: &[&'a Resolved]) -> Vec<(&'a Loaded, AttributeValues)> {
    let mut gathered: Vec<(&Rc<Loaded>, AttributeValues)> = Vec::new();
    for control in at_work {
        let takes = matches!(
            control.loaded.control,
            Control::Value(_) | Control::AttAdapter(_)
        );
        let (true, Some(attribute), Some(raw)) = (takes, &control.attribute, control.raw) else {
            continue;
        };
        let own = gathered
            .iter_mut()
            .find(|(loaded, _)| Rc::ptr_eq(loaded, &control.loaded));
        match own {
            Some((_, values)) => {
                values.insert(attribute.clone(), raw);
            }
            None => gathered.push((
                &control.loaded,
                AttributeValues::from([(attribute.clone(), raw)]),
            )),
        }
    }
    let loaded = gathered.into_iter();
    loaded.map(|(l, values)| (l.as_ref(), values)).collect()
}

/// Puts the tokens of all value encoders at work behind the prompt's.
pub(super) fn add_tokens(at_work: &[&Resolved], prompt: &mut Conditioning) -> Result<()> {
    let mut tokens = Vec::new();
    for (loaded, values) in values(at_work) {
        if let Control::Value(encoder) = &loaded.control {
            tokens.push(encoder.tokens(&values)?);
        }
    }
    if let (Some(first), false) = (prompt.encoders.first(), tokens.is_empty()) {
        let (kind, device) = (first.tokens.kind(), first.tokens.device());
        let added = Tensor::f_cat(&tokens, 0)?;
        prompt.extra_tokens = Some(added.f_to_device(device)?.f_to_kind(kind)?);
    }
    Ok(())
}

/// The second cross-attentions of all adapters at work, where there are any.
pub(super) fn attention(
    at_work: &[&Resolved],
    unet: &UNet,
) -> Result<Option<DecoupledAttention>> {
    let mut branches = Vec::new();
    for (loaded, values) in values(at_work) {
        if let Control::AttAdapter(adapter) = &loaded.control {
            branches.push(adapter.branch(&values, unet)?);
        }
    }
    let hook = DecoupledAttention::new(branches);
    Ok(if hook.is_idle() { None } else { Some(hook) })
}

/// The prompt that the text encoder reads: some adapters write their numbers behind it.
pub(super) fn prompt(at_work: &[&Resolved], prompt: &str) -> Result<String> {
    let mut prompt = prompt.to_owned();
    for (loaded, values) in values(at_work) {
        if let Control::AttAdapter(adapter) = &loaded.control {
            prompt = adapter.prompt(&prompt, &values)?;
        }
    }
    Ok(prompt)
}

/// What to say of a value that its control never learnt.
pub(super) fn outside(control: &Control, attribute: &str, raw: f64) -> Option<String> {
    let values = AttributeValues::from([(attribute.to_owned(), raw)]);
    let outside = match control {
        Control::Value(encoder) => encoder.outside(&values),
        Control::AttAdapter(adapter) => adapter.outside(&values),
        Control::Direction(_) | Control::Slider(_) | Control::Guidance { .. } => Vec::new(),
    };
    outside.first().map(ToString::to_string)
}
