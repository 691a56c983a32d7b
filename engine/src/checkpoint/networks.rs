//! The networks of a model that adapters change, without what renders.

use std::path::Path;

use tch::{Device, Kind};

use super::Checkpoint;
use crate::Result;
use crate::adapters::Modules;
use crate::models::clip::ClipTextModel;
use crate::models::unet::{UNet, UNetConfig};
use crate::prompt::TextStage;

/// U-Net and text encoders of a model, in fp32 on the CPU.
pub struct Networks {
    /// The U-Net.
    pub unet: UNet,
    text: TextStage,
}

impl Networks {
    /// Reads those of the model at `path`, a folder or a single file.
    ///
    /// # Errors
    /// A file is missing, damaged or does not fit its configuration.
    pub fn open(path: &Path) -> Result<Self> {
        let _guard = tch::no_grad_guard();
        let model = Checkpoint::open(path)?;
        let config: UNetConfig = model.component_config("unet")?;
        let store = model.component_params("unet", Kind::Float, Device::Cpu)?;
        let unet = UNet::new(&store.root(), &config)?;
        store.finish()?;
        Ok(Self {
            unet,
            text: model.load_text(Kind::Float, Device::Cpu)?,
        })
    }

    /// The text encoder, the first where there are two.
    pub fn text(&self) -> &ClipTextModel {
        self.text.encoder()
    }

    /// The layers that adapters may change.
    pub fn modules(&self) -> Modules {
        Modules::of(&self.unet, &self.text.encoders())
    }
}
