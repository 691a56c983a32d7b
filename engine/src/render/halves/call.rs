//! One call of the U-Net.

use tch::{Kind, Tensor};

use crate::Result;
use crate::layers::AttentionHook;
use crate::models::unet::{TextContext, UNet};

/// What one call has to know beside the U-Net and the text.
pub(super) struct Call {
    /// `[batch, in_channels, h, w]` in the U-Net's dtype.
    pub(super) input: Tensor,
    pub(super) timestep: f64,
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
        let output = unet.forward(&self.input, &timesteps, text, text.added(), hook)?;
        Ok(output.f_to_kind(Kind::Float)?)
    }
}
