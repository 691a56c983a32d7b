//! ControlNets of a renderer.

use super::super::controlnets::{MapSource, ResolvedNet};
use super::super::source::{Frame, SourcePixels};
use super::Renderer;
use crate::Result;
use crate::checkpoint::ControlNetLibrary;
use crate::recipe::Recipe;

impl Renderer {
    /// Says where recipes' ControlNets are looked for; without it only those with a path are found.
    pub fn set_controlnets(&mut self, library: ControlNetLibrary) {
        self.controlnets.set_library(library);
    }

    /// The recipe's ControlNets, found and read, with their maps as they lie in the `frame` that is
    /// rendered.
    pub(super) fn resolve_nets(
        &mut self,
        recipe: &mut Recipe,
        frame: Frame,
        source: Option<&SourcePixels>,
        notes: &mut Vec<String>,
    ) -> Result<Vec<ResolvedNet>> {
        let masked = source.filter(|source| source.is_masked());
        let maps = MapSource {
            frame,
            mask: masked.map(SourcePixels::sharp_in_frame),
            pictures: &self.pictures,
            pixels_per_cell: self.space.pixels_per_cell,
        };
        self.controlnets
            .resolve(recipe, &maps, self.halves.unet(), notes)
    }
}
