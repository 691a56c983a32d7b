//! The masks of the recipe as pixels, made once and remembered while nothing about them changes.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use vernier_engine::picture::{Mask, PictureShelf};
use vernier_engine::recipe::{MaskUse, PicturePromptUse, Recipe};

use super::super::{Shown, Studio};
use super::Layer;

/// After so many new masks the shelf is tidied.
const TIDY_EVERY: usize = 64;

/// A mask as it is drawn.
#[derive(Debug, Clone)]
pub struct ShownMask {
    /// The coverage, at the recipe's size.
    pub mask: Arc<Mask>,
    /// Another number for every other content.
    pub revision: u64,
}

/// What has been read of the recipe's masks.
#[derive(Debug, Default)]
pub(super) struct Layers {
    known: HashMap<Layer, Known>,
    last_revision: u64,
}

#[derive(Debug)]
struct Known {
    of: MaskUse,
    size_px: [u32; 2],
    /// Without its feather; `Err` says why there is none.
    sharp: Result<Arc<Mask>, String>,
    soft: Option<ShownMask>,
}

impl Layers {
    /// A number that no mask had before.
    pub(super) fn next_revision(&mut self) -> u64 {
        self.last_revision += 1;
        self.last_revision
    }

    fn known(
        &mut self,
        layer: Layer,
        of: &MaskUse,
        size_px: [u32; 2],
        shelf: &PictureShelf,
    ) -> &Known {
        let known = match self.known.remove(&layer) {
            Some(known) if known.of == *of && known.size_px == size_px => known,
            old => {
                let sharp = match old {
                    // Only the feather has changed: reading and fitting stay.
                    Some(known) if is_same_sharp(&known, of, size_px) => known.sharp,
                    _ => read(of, size_px, shelf),
                };
                let soft = sharp.as_ref().ok().map(|sharp| ShownMask {
                    mask: softened(sharp, of.feather_px),
                    revision: self.next_revision(),
                });
                Known {
                    of: of.clone(),
                    size_px,
                    sharp,
                    soft,
                }
            }
        };
        self.known.entry(layer).insert_entry(known).into_mut()
    }

    /// What has just been painted needs no reading.
    pub(super) fn remember(&mut self, layer: Layer, of: &MaskUse, mask: &Arc<Mask>) {
        let soft = ShownMask {
            mask: softened(mask, of.feather_px),
            revision: self.next_revision(),
        };
        let known = Known {
            of: of.clone(),
            size_px: [mask.width_px(), mask.height_px()],
            sharp: Ok(mask.clone()),
            soft: Some(soft),
        };
        self.known.insert(layer, known);
    }
}

fn is_same_sharp(known: &Known, of: &MaskUse, size_px: [u32; 2]) -> bool {
    known.size_px == size_px && known.of.picture == of.picture && known.of.inverted == of.inverted
}

fn softened(sharp: &Arc<Mask>, feather_px: f64) -> Arc<Mask> {
    if feather_px > 0.0 {
        Arc::new(sharp.feathered(feather_px))
    } else {
        sharp.clone()
    }
}

fn read(
    of: &MaskUse,
    [width, height]: [u32; 2],
    shelf: &PictureShelf,
) -> Result<Arc<Mask>, String> {
    let picture = shelf.get(&of.picture).map_err(|e| e.to_string())?;
    // As a render fits it: scaled to cover, cut about the centre.
    let mask = if (picture.width_px, picture.height_px) == (width, height) {
        Mask::from_picture(&picture)
    } else {
        Mask::from_picture(&picture.covering(width, height))
    };
    Ok(Arc::new(if of.inverted { mask.inverted() } else { mask }))
}

impl Studio {
    /// The recipe's mask of a layer.
    pub fn mask_use(&self, layer: Layer) -> Option<&MaskUse> {
        match layer {
            Layer::Mask => self.bench.recipe.source.as_ref()?.mask.as_ref(),
            Layer::Region(index) => Some(&self.bench.recipe.regions.get(index)?.mask),
            Layer::Change(index) => {
                let edit = self.bench.recipe.edit.as_ref()?;
                edit.changes.get(index)?.mask.as_ref()
            }
        }
    }

    /// The same, to be changed; the canvas follows the bench again.
    pub fn mask_use_mut(&mut self, layer: Layer) -> Option<&mut MaskUse> {
        self.shown = Shown::Bench;
        match layer {
            Layer::Mask => self.bench.recipe.source.as_mut()?.mask.as_mut(),
            Layer::Region(index) => Some(&mut self.bench.recipe.regions.get_mut(index)?.mask),
            Layer::Change(index) => {
                let edit = self.bench.recipe.edit.as_mut()?;
                edit.changes.get_mut(index)?.mask.as_mut()
            }
        }
    }

    /// A layer as it is drawn: with its soft edge, or as the stroke that is being made leaves it.
    /// `None` where there is no mask; [`Self::mask_problem`] says so where it cannot be read.
    pub fn shown_mask(&mut self, layer: Layer) -> Option<ShownMask> {
        if let Some(stroke) = self.edit.stroke.as_ref().filter(|s| s.layer() == layer) {
            return Some(stroke.shown());
        }
        self.known_mask(layer)?.soft.clone()
    }

    /// A layer without its soft edge: what tools work on.
    pub(super) fn sharp_mask(&mut self, layer: Layer) -> Option<Arc<Mask>> {
        self.known_mask(layer)?.sharp.as_ref().ok().cloned()
    }

    /// What the model found where nothing is painted.
    pub(super) fn found_mask(&self, layer: Layer) -> Option<Arc<Mask>> {
        match layer {
            Layer::Change(index) => Some(self.found_place(index)?.mask),
            _ => None,
        }
    }

    /// Why a layer's mask is not drawn though the recipe names one.
    pub fn mask_problem(&mut self, layer: Layer) -> Option<String> {
        self.known_mask(layer)?.sharp.as_ref().err().cloned()
    }

    fn known_mask(&mut self, layer: Layer) -> Option<&Known> {
        let size_px = self.edit_size_px();
        let of = self.mask_use(layer)?.clone();
        let shelf = &self.options.pictures;
        Some(self.edit.layers.known(layer, &of, size_px, shelf))
    }

    /// Width and height in pixels of what is edited: the recipe's.
    pub fn edit_size_px(&self) -> [u32; 2] {
        [self.bench.recipe.width_px, self.bench.recipe.height_px]
    }

    /// Puts a mask into the shelf and the recipe. An edit mask without coverage goes away: then
    /// everything may change.
    pub(super) fn put_mask(&mut self, layer: Layer, mask: &Arc<Mask>) {
        let may_be_empty = matches!(layer, Layer::Region(_));
        let of = (may_be_empty || !mask.is_empty()).then(|| {
            let picture = self.options.pictures.insert(mask.to_picture());
            let old = self.mask_use(layer);
            let mut of = old.map_or_else(|| MaskUse::new(picture.clone()), Clone::clone);
            (of.picture, of.inverted) = (picture, false);
            of
        });
        if let Some(of) = &of {
            self.edit.layers.remember(layer, of, mask);
            self.edit.new_masks += 1;
        }
        let recipe = &mut self.bench.recipe;
        match (layer, of) {
            (Layer::Mask, of) => {
                if let Some(source) = &mut recipe.source {
                    // There is no part to render alone without one.
                    source.only_masked = source.only_masked.filter(|_| of.is_some());
                    source.mask = of;
                }
            }
            (Layer::Region(index), Some(of)) => {
                if let Some(region) = recipe.regions.get_mut(index) {
                    region.mask = of;
                }
            }
            (Layer::Region(_), None) => {}
            // Without paint the model looks for it.
            (Layer::Change(index), of) => {
                let edit = recipe.edit.as_mut();
                if let Some(change) = edit.and_then(|edit| edit.changes.get_mut(index)) {
                    change.mask = of;
                }
            }
        }
        self.shown = Shown::Bench;
        if self.edit.new_masks >= TIDY_EVERY {
            self.edit.new_masks = 0;
            self.tidy_shelf();
        }
    }

    /// Every stroke leaves a mask in the shelf; those that undo no longer reaches and that nothing
    /// else names go.
    fn tidy_shelf(&self) {
        let muted = self.bench.muted_picture_prompts.iter();
        let needed: HashSet<String> = self
            .all_recipes()
            .flat_map(Recipe::pictures)
            .chain(muted.flat_map(PicturePromptUse::all_pictures))
            .map(|picture| picture.hash.clone())
            .collect();
        let shelf = &self.options.pictures;
        shelf.retain(|hash| needed.contains(hash));
    }

    /// Changes a layer's mask as a whole; a layer without one begins as nothing covered.
    pub(super) fn change_mask(&mut self, layer: Layer, change: impl FnOnce(&Mask) -> Mask) {
        let [width, height] = self.edit_size_px();
        let mask = self.sharp_mask(layer).or_else(|| self.found_mask(layer));
        let mask = mask.unwrap_or_else(|| Arc::new(Mask::new(width, height)));
        self.put_mask(layer, &Arc::new(change(&mask)));
    }
}
