//! The two halves of classifier-free guidance: one call under the prompt, one under the negative
//! prompt.
//!
//! They know nothing of each other, so on a CPU each has a thread and half of the cores to itself.
//! Two calls that never wait for each other beat one call of batch 2, which waits at the end of
//! each of its thousand operations for the slowest core.

mod aside;
mod call;
mod cores;
mod nets;
#[cfg(test)]
mod tests;

use tch::{Device, Tensor};

use self::aside::Aside;
use self::call::Call;
use self::cores::CoresInUse;
pub(super) use self::nets::{NetCall, NetOnHalves, SharedNet};
use crate::Result;
use crate::layers::AttentionHook;
use crate::models::unet::{TextContext, UNet, UNetConfig};
use crate::weights::ParamStore;

/// A U-Net that predicts with and without the prompt.
pub(super) struct Halves {
    unet: UNet,
    /// On a CPU.
    aside: Option<Aside>,
    /// The negative half's own where there is no thread for it, over the same weights.
    twin: Option<UNet>,
    /// Whether the halves differ in what is on their layers.
    are_apart: bool,
}

impl Halves {
    /// The U-Net that `config` describes, with all parameters of `store`.
    ///
    /// # Errors
    /// As [`UNet::new`]; or the system has no thread to give.
    pub(super) fn new(store: &ParamStore, config: &UNetConfig) -> Result<Self> {
        let unet = UNet::new(&store.root(), config)?;
        let replica = UNet::new(&ParamStore::sharing(store).root(), config)?;
        let (aside, twin) = if unet.options().1 == Device::Cpu {
            (Some(Aside::start(replica)?), None)
        } else {
            (None, Some(replica))
        };
        Ok(Self {
            unet,
            aside,
            twin,
            are_apart: false,
        })
    }

    /// The U-Net, to be looked at and to make text contexts with; what changes it goes through
    /// [`Self::attach`].
    pub(super) fn unet(&self) -> &UNet {
        &self.unet
    }

    /// Does `attach`, which adds low-rank branches, to the U-Net of each half. Their weights are
    /// the same tensors, which `attach` must leave alone.
    ///
    /// # Errors
    /// Those of `attach`.
    pub(super) fn attach(&self, mut attach: impl FnMut(&UNet) -> Result<()>) -> Result<()> {
        attach(&self.unet)?;
        attach(self.negative_unet())
    }

    /// Both halves' U-Nets, the positive one's first.
    pub(super) fn unets(&self) -> (&UNet, &UNet) {
        (&self.unet, self.negative_unet())
    }

    /// The negative half's U-Net.
    pub(super) fn negative_unet(&self) -> &UNet {
        let aside = self.aside.as_ref().and_then(|aside| aside.replica.as_ref());
        aside
            .map(|replica| &**replica)
            .or(self.twin.as_ref())
            .unwrap_or(&self.unet)
    }

    /// Says whether what is on the layers of the two halves differs from now on.
    pub(super) fn set_apart(&mut self, are_apart: bool) {
        self.are_apart = are_apart;
    }

    /// The model outputs in fp32, `[1, out_channels, h, w]`, under `positive` and, where there is
    /// one, under `negative`. Both are contexts of batch 1, and `input` is `[1, in_channels, h, w]`.
    ///
    /// `hook` sees the positive half alone; `nets` are the ControlNets at work. Gradients flow to `input` where it wants them.
    ///
    /// # Errors
    /// As [`UNet::forward`].
    pub(super) fn predict(
        &mut self,
        input: &Tensor,
        timestep: f64,
        positive: &TextContext,
        negative: Option<&TextContext>,
        hook: Option<&mut dyn AttentionHook>,
        nets: &[NetOnHalves],
    ) -> Result<(Tensor, Option<Tensor>)> {
        let input = input.f_to_kind(self.unet.options().0)?;
        let with = |nets: Vec<NetCall>| Call {
            input: input.shallow_clone(),
            timestep,
            nets,
        };
        let call = with(nets::of_positive(nets));
        let Some(negative) = negative else {
            return Ok((call.run(&self.unet, positive, hook)?, None));
        };
        let cores = tch::get_num_threads();
        // The other thread records no gradients.
        if let Some(aside) = self.aside.as_mut()
            && cores > 1
            && !call.input.requires_grad()
        {
            let own = CoresInUse::set(cores - cores / 2);
            aside.begin(with(nets::of_negative(nets)), negative, cores / 2);
            let positive = call.run(&self.unet, positive, hook);
            let negative = aside.end();
            drop(own);
            return Ok((positive?, Some(negative?)));
        }
        let both = match hook {
            None if !self.are_apart => negative.beside(positive)?.zip(nets::of_both(nets)?),
            _ => None,
        };
        if let Some((both, nets)) = both {
            let twice = Call {
                input: Tensor::f_cat(&[&call.input, &call.input], 0)?,
                timestep,
                nets,
            };
            let outputs = twice.run(&self.unet, &both, None)?;
            let half = |index| outputs.f_narrow(0, index, 1);
            return Ok((half(1)?, Some(half(0)?)));
        }
        let unet = if self.are_apart {
            self.negative_unet()
        } else {
            &self.unet
        };
        let negative = with(nets::of_negative(nets)).run(unet, negative, None)?;
        Ok((call.run(&self.unet, positive, hook)?, Some(negative)))
    }
}
