//! The prompts of a walk, as the text encoders read them.

use tch::{Kind, Tensor};

use crate::Result;
use crate::train::FrozenModel;
use crate::train::direction::PromptPair;

/// The prompts of one walk, encoded.
pub(super) struct Prompts {
    /// Contexts of the empty prompt, the target, the positive and the negative prompt,
    /// `[4, tokens, dim]`.
    pub(super) contexts: Tensor,
    /// The target's states in every encoder, `[tokens, dim]` each.
    pub(super) states: Vec<Tensor>,
    /// 1 at the subject's tokens and 0 elsewhere, `[tokens, 1]`.
    pub(super) mask: Tensor,
}

impl Prompts {
    pub(super) fn encode(
        model: &FrozenModel,
        pair: &PromptPair,
        wording: usize,
        chunks: usize,
    ) -> Result<Self> {
        let wording = pair.wording(wording);
        let encode = |prompt: &str| model.text.encode(prompt, chunks);
        let target = encode(&wording.target)?;
        let span = target.find(&pair.subject)?;
        let contexts = [
            encode("")?.context()?,
            target.context()?,
            encode(&wording.positive)?.context()?,
            encode(&wording.negative)?.context()?,
        ];
        let tokens = contexts[1].size()[0];
        let mask = Tensor::f_zeros([tokens, 1], (Kind::Float, model.device))?;
        let (start, count) = (span.tokens.start as i64, span.tokens.len() as i64);
        let _ = mask.f_narrow(0, start, count)?.f_fill_(1.0)?;
        let states = target.encoders.iter();
        Ok(Self {
            contexts: Tensor::f_stack(&contexts, 0)?,
            states: states
                .map(|states| states.tokens.f_to_kind(Kind::Float))
                .collect::<Result<_, _>>()?,
            mask,
        })
    }
}
