//! How a renderer comes to be.

use std::path::Path;

use tch::{Device, Kind};

use super::super::adapters::AdapterShelf;
use super::super::controlnets::ControlNetShelf;
use super::super::halves::Halves;
use super::super::highres::UpscalerShelf;
use super::super::picture_prompts::PicturePromptShelf;
use super::super::plan::LatentSpace;
use super::super::regions::RegionTexts;
use super::super::shelf::Shelf;
use super::super::snapshots::Snapshots;
use super::super::start::SourceEncoder;
use super::super::{defaults, layout};
use super::Renderer;
use crate::Result;
use crate::checkpoint::{Checkpoint, MeterOptions};
use crate::device::Dtype;
use crate::models::unet::UNetConfig;
use crate::models::vae::{Vae, VaeConfig};
use crate::picture::PictureShelf;

impl Renderer {
    /// Loads the model in `folder`, which may be a single file.
    ///
    /// # Errors
    /// A file is missing, cut off, does not fit its configuration, or holds NaN; or `dtype` cannot
    /// be computed on `device`.
    pub fn load(folder: &Path, dtype: Dtype, device: Device) -> Result<Self> {
        let _guard = tch::no_grad_guard();
        dtype.check_on(device)?;
        let model = Checkpoint::open(folder)?;
        let kind = dtype.kind();
        let text = model.load_text(kind, device)?;
        let unet_config: UNetConfig = model.component_config("unet")?;
        let store = model.component_params("unet", kind, device)?;
        let halves = Halves::new(&store, &unet_config)?;
        store.finish()?;
        store.check_finite()?;
        let on_cpu = device == Device::Cpu;
        if on_cpu {
            layout::inputs_first(&store)?;
        }
        let vae_config: VaeConfig = model.component_config("vae")?;
        // Half precision overflows in several published decoders, and the last pixels show it.
        let store = model.component_params("vae", Kind::Float, device)?;
        let vae = Vae::new(&store.root(), &vae_config)?;
        store.finish()?;
        store.check_finite()?;
        if on_cpu {
            layout::channels_last(&store)?;
        }
        let scheduler = model.scheduler()?;
        let space = LatentSpace::of(
            unet_config.in_channels,
            vae_config.latent_channels,
            vae_config.downscale(),
            folder,
        )?;
        Ok(Self {
            folder: folder.to_owned(),
            hash: model.hash()?,
            dtype,
            device,
            text,
            halves,
            vae,
            space,
            scheduler,
            zeros_for_empty: model.zeros_for_empty_prompt()?,
            encoded: None,
            region_texts: RegionTexts::default(),
            pictures: PictureShelf::default(),
            sources: SourceEncoder::default(),
            adapters: AdapterShelf::default(),
            picture_prompts: PicturePromptShelf::default(),
            upscalers: UpscalerShelf::default(),
            controlnets: ControlNetShelf::default(),
            shelf: Shelf::default(),
            snapshots: Snapshots::default(),
            meter_options: MeterOptions::default(),
            meter: None,
            latent_rgb: defaults::latent_rgb(folder, &vae_config)?,
            most_px: defaults::most_px(folder)?,
            watch: None,
        })
    }
}
