//! What a renderer is told once, whatever the recipes say.

use super::super::LatentWatch;
use super::Renderer;
use crate::adapters::AdapterLibrary;
use crate::checkpoint::MeterOptions;
use crate::controls::ControlLibrary;
use crate::picture::PictureShelf;
use crate::upscale::UpscalerLibrary;

impl Renderer {
    /// Says where recipes' controls are looked for; without it none is found by name.
    pub fn set_library(&mut self, library: ControlLibrary) {
        self.shelf.set_library(library);
    }

    /// Says where recipes' adapters, embeddings and picture prompts are looked for; without it only
    /// those with a path are found.
    pub fn set_adapters(&mut self, library: AdapterLibrary) {
        self.picture_prompts
            .set_library(library.picture_prompts().clone());
        self.adapters.set_library(library);
    }

    /// Says where recipes' upscalers are looked for; without it only those with a path are found.
    pub fn set_upscalers(&mut self, library: UpscalerLibrary) {
        self.upscalers.set_library(library);
    }

    /// Says where recipes' pictures are found; without it only those with a path are.
    pub fn set_pictures(&mut self, pictures: PictureShelf) {
        self.pictures = pictures;
    }

    /// Says who looks at the latents of the pictures to come; nobody does at first.
    pub fn set_watch(&mut self, watch: Option<LatentWatch>) {
        self.watch = watch;
    }

    /// Says what reads this model's pictures, where it is not the meter that comes with it.
    pub fn set_meter_options(&mut self, options: MeterOptions) {
        if options != self.meter_options {
            self.meter = None;
            self.meter_options = options;
        }
    }
}
