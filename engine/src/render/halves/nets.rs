//! ControlNets at work beside the U-Net of each half.

use std::sync::{Arc, Mutex, PoisonError};

use tch::Tensor;

use crate::Result;
use crate::models::controlnet::ControlNet;
use crate::models::unet::{Residuals, TextContext};

/// A ControlNet that one half at a time computes with.
pub(in crate::render) type SharedNet = Arc<Mutex<ControlNet>>;

/// What one half asks of a ControlNet at every call.
pub(in crate::render) struct NetCall {
    pub(in crate::render) net: SharedNet,
    /// Of the half's text, made with this ControlNet; of the input's batch.
    pub(in crate::render) text: TextContext,
    /// What the ControlNet sees of its picture, `[1, channels, h, w]`.
    pub(in crate::render) hint: Tensor,
    pub(in crate::render) weight: f64,
}

/// What both halves ask of a ControlNet.
pub(in crate::render) struct NetOnHalves {
    pub(in crate::render) positive: NetCall,
    /// `None` where there is no negative half, or the ControlNet leaves it alone.
    pub(in crate::render) negative: Option<NetCall>,
}

impl NetCall {
    pub(in crate::render) fn shallow_clone(&self) -> Self {
        Self {
            net: Arc::clone(&self.net),
            text: self.text.shallow_clone(),
            hint: self.hint.shallow_clone(),
            weight: self.weight,
        }
    }

    /// The residuals for `input` `[batch, in_channels, h, w]`, of which the latents come first.
    fn run(&self, input: &Tensor, timesteps: &Tensor) -> Result<Residuals> {
        // A thread that panicked over it has changed nothing in it.
        let net = self.net.lock().unwrap_or_else(PoisonError::into_inner);
        let latents = input.f_narrow(1, 0, net.config().encoder.in_channels)?;
        let (text, hint) = (&self.text, &self.hint);
        net.forward(&latents, timesteps, text, text.added(), hint, self.weight)
    }
}

impl NetOnHalves {
    pub(in crate::render) fn shallow_clone(&self) -> Self {
        Self {
            positive: self.positive.shallow_clone(),
            negative: self.negative.as_ref().map(NetCall::shallow_clone),
        }
    }
}

/// What all of `nets` add together; `None` where there is none.
pub(super) fn residuals(
    nets: &[NetCall],
    input: &Tensor,
    timesteps: &Tensor,
) -> Result<Option<Residuals>> {
    let mut sum = None;
    for net in nets {
        let own = net.run(input, timesteps)?;
        sum = Some(match sum {
            None => own,
            Some(sum) => own.plus(&sum)?,
        });
    }
    Ok(sum)
}

/// The calls of the positive half.
pub(super) fn of_positive(nets: &[NetOnHalves]) -> Vec<NetCall> {
    nets.iter()
        .map(|net| net.positive.shallow_clone())
        .collect()
}

/// The calls of the negative half.
pub(super) fn of_negative(nets: &[NetOnHalves]) -> Vec<NetCall> {
    let own = nets.iter().filter_map(|net| net.negative.as_ref());
    own.map(NetCall::shallow_clone).collect()
}

/// The calls of one batch of both halves, the negative one first; `None` where the halves differ in
/// more than their texts' words.
pub(super) fn of_both(nets: &[NetOnHalves]) -> Result<Option<Vec<NetCall>>> {
    let mut calls = Vec::with_capacity(nets.len());
    for net in nets {
        let Some(negative) = &net.negative else {
            return Ok(None);
        };
        let Some(text) = negative.text.beside(&net.positive.text)? else {
            return Ok(None);
        };
        calls.push(NetCall {
            text,
            ..net.positive.shallow_clone()
        });
    }
    Ok(Some(calls))
}
