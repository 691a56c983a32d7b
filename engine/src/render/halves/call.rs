//! One call of the U-Net and of the ControlNets beside it.

use tch::{Kind, Tensor};

use super::nets::{NetCall, residuals};
use crate::Result;
use crate::layers::AttentionHook;
use crate::models::unet::{TextContext, UNet};

/// What one call has to know beside the U-Net and the text.
pub(super) struct Call {
    /// `[batch, in_channels, h, w]` in the U-Net's dtype.
    pub(super) input: Tensor,
    pub(super) timestep: f64,
    /// ControlNets at work.
    pub(super) nets: Vec<NetCall>,
}

impl Call {
    pub(super) fn run(
        &self,
        unet: &UNet,
        text: &TextContext,
        hook: Option<&mut dyn AttentionHook>,
    ) -> Result<Tensor> {
        let options = (Kind::Float, self.input.device());
        let timesteps = Tensor::f_full([self.input.size()[0]], self.timestep, options)?;
        let residuals = residuals(&self.nets, &self.input, &timesteps)?;
        let output = unet.forward_with(
            &self.input,
            &timesteps,
            text,
            text.added(),
            hook,
            residuals.as_ref(),
        )?;
        Ok(output.f_to_kind(Kind::Float)?)
    }
}
