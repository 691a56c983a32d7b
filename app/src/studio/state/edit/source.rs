//! The picture that is started from, and regions with words of their own.

use std::sync::Arc;

use vernier_engine::picture::{Mask, Picture};
use vernier_engine::recipe::{Edit, MaskUse, PictureRef, Region, SIZE_RANGE_PX, Source};

use super::super::{Shown, Studio, ToastKind};
use super::{EditShows, Layer, Tool, USUAL_GAIN};
use crate::studio::command::UiCommand;

/// How far a new source may be left behind: far enough to see a change, near enough to know the
/// picture again.
const USUAL_STRENGTH: f64 = 0.6;

/// The source as a render takes it.
#[derive(Debug, Clone)]
pub struct Covered {
    /// Scaled and cut to the recipe's size.
    pub picture: Arc<Picture>,
    /// Its own width and height in pixels.
    pub own_px: [u32; 2],
}

/// What has been read of the recipe's source.
#[derive(Debug)]
pub(super) struct CoveredSource {
    of: PictureRef,
    size_px: [u32; 2],
    covered: Result<Covered, String>,
}

impl Studio {
    /// Starts from `picture`; strength and mask stay where there was a source before.
    pub fn set_source(&mut self, picture: PictureRef) {
        match &mut self.bench.recipe.source {
            Some(source) => source.picture = picture,
            none => *none = Some(Source::new(picture, USUAL_STRENGTH)),
        }
        self.shown = Shown::Bench;
    }

    /// Starts from the picture that is shown; `false`, and told, where there is none.
    pub fn use_shown_as_source(&mut self) -> bool {
        let Some((picture, _)) = self.shown_picture() else {
            let text = "There is no picture to start from yet: render one or open one";
            self.toasts
                .push(ToastKind::Note, text, Some(UiCommand::OpenSource));
            return false;
        };
        let picture = self.options.pictures.insert_shared(picture);
        self.set_source(picture);
        true
    }

    /// Starts from noise alone again; the mask goes with the source.
    pub fn clear_source(&mut self) {
        self.bench.recipe.source = None;
        self.bench.recipe.edit = None;
        self.bench.aside = None;
        self.edit.stroke = None;
        self.shown = Shown::Bench;
    }

    /// The source as a render takes it; `Err` says why it is not there. `None` without one.
    pub fn covered_source(&mut self) -> Option<Result<Covered, String>> {
        let of = self.bench.recipe.source.as_ref()?.picture.clone();
        let size_px = self.edit_size_px();
        let is_it = |c: &CoveredSource| c.of == of && c.size_px == size_px;
        if !self.edit.covered.as_ref().is_some_and(is_it) {
            let covered = match self.options.pictures.get(&of) {
                Ok(whole) => {
                    let own_px = [whole.width_px, whole.height_px];
                    let picture = if own_px == size_px {
                        whole
                    } else {
                        Arc::new(whole.covering(size_px[0], size_px[1]))
                    };
                    Ok(Covered { picture, own_px })
                }
                Err(e) => Err(e.to_string()),
            };
            self.edit.covered = Some(CoveredSource {
                of,
                size_px,
                covered,
            });
        }
        self.edit.covered.as_ref().map(|c| c.covered.clone())
    }

    /// What has come of the bench so far, where it has the recipe's size.
    pub fn edit_result(&self) -> Option<(Arc<Picture>, bool)> {
        let [width, height] = self.edit_size_px();
        let fits = |p: &Picture| (p.width_px, p.height_px) == (width, height);
        self.shown_picture().filter(|(picture, _)| fits(picture))
    }

    /// Gives the recipe the source's shape, at about as many pixels as it has now.
    pub fn match_source_shape(&mut self) {
        let Some(Ok(Covered { own_px, .. })) = self.covered_source() else {
            return;
        };
        let recipe = &mut self.bench.recipe;
        let area = f64::from(recipe.width_px) * f64::from(recipe.height_px);
        let [width, height] = own_px.map(f64::from);
        let scale = (area / (width * height)).sqrt();
        let side = |px: f64| {
            let eighths = (px * scale / 8.0).round() as u32;
            (eighths * 8).clamp(*SIZE_RANGE_PX.start(), *SIZE_RANGE_PX.end())
        };
        (recipe.width_px, recipe.height_px) = (side(width), side(height));
        self.shown = Shown::Bench;
    }

    /// Adds a region without words or place yet, and paints on it from now on.
    pub fn add_region(&mut self) {
        let [width, height] = self.edit_size_px();
        let picture = Mask::new(width, height).to_picture();
        let picture = self.options.pictures.insert(picture);
        let regions = &mut self.bench.recipe.regions;
        regions.push(Region::new("", MaskUse::new(picture)));
        let layer = Layer::Region(regions.len() - 1);
        self.edit.choose_layer(layer);
        self.shown = Shown::Bench;
    }

    /// Takes a region away with its words and its place.
    pub fn remove_region(&mut self, index: usize) {
        if index < self.bench.recipe.regions.len() {
            self.bench.recipe.regions.remove(index);
            self.edit.forget_region(index);
            self.shown = Shown::Bench;
        }
    }

    /// Does a command of the Mask menu; `false` for the others.
    pub(in super::super) fn apply_to_mask(&mut self, command: UiCommand) -> bool {
        let layer = self.edit.layer;
        match command {
            UiCommand::UseAsSource => {
                self.use_shown_as_source();
            }
            UiCommand::ClearSource => self.clear_source(),
            UiCommand::ToolBrush => self.edit.tool = Tool::Brush,
            UiCommand::ToolLasso => self.edit.tool = Tool::Lasso,
            UiCommand::ToolBox => self.edit.tool = Tool::Box,
            UiCommand::SwapInk => self.edit.swap_ink(),
            UiCommand::BrushSmaller => self.edit.resize_brush(-1),
            UiCommand::BrushLarger => self.edit.resize_brush(1),
            UiCommand::InvertMask => self.invert_mask(layer),
            UiCommand::GrowMask => {
                let radius_px = self.edit.grow_px;
                self.change_mask(layer, |mask| mask.grown(radius_px));
            }
            UiCommand::ShrinkMask => {
                let radius_px = self.edit.grow_px;
                self.change_mask(layer, |mask| mask.shrunk(radius_px));
            }
            UiCommand::FillMask => self.change_mask(layer, |mask| {
                Mask::filled(mask.width_px(), mask.height_px(), 255)
            }),
            UiCommand::ClearMask => {
                self.change_mask(layer, |mask| Mask::new(mask.width_px(), mask.height_px()));
            }
            UiCommand::ToggleMasks => self.edit.shows_masks = !self.edit.shows_masks,
            UiCommand::CycleEditView => {
                self.edit.shows = match self.edit.shows {
                    EditShows::Result => EditShows::Source,
                    EditShows::Source => EditShows::Wipe(0.5),
                    EditShows::Wipe(_) => EditShows::Heat(USUAL_GAIN),
                    EditShows::Heat(_) => EditShows::Result,
                }
            }
            UiCommand::AddRegion => self.add_region(),
            UiCommand::EditByWords => self.toggle_edit_by_words(),
            UiCommand::AddChange => self.add_change(),
            _ => return false,
        }
        true
    }

    /// What may change may not, and the other way round. Where there is no mask, everything may
    /// change, and the opposite of that is no edit at all: nothing happens.
    fn invert_mask(&mut self, layer: Layer) {
        if self.mask_use(layer).is_some() {
            self.change_mask(layer, Mask::inverted);
        }
    }

    /// Whether a command of the Mask menu makes sense now.
    pub(in super::super) fn allows_on_mask(&self, command: UiCommand) -> bool {
        let has_source = self.bench.recipe.source.is_some();
        let has_mask = self.mask_use(self.edit.layer).is_some();
        let has_place = has_mask || self.found_mask(self.edit.layer).is_some();
        match command {
            UiCommand::UseAsSource => self.shown_picture().is_some(),
            UiCommand::ClearSource | UiCommand::CycleEditView => has_source,
            UiCommand::FillMask => has_source || self.edit.layer != Layer::Mask,
            UiCommand::EditByWords => has_source || self.shown_picture().is_some(),
            UiCommand::AddChange => {
                let edit = self.bench.recipe.edit.as_ref();
                edit.is_none_or(|edit| edit.changes.len() < Edit::MOST_CHANGES)
            }
            // Regions have no place in an edit by words.
            UiCommand::AddRegion => !self.bench.is_edited_by_words(),
            UiCommand::GrowMask | UiCommand::ShrinkMask => has_place,
            UiCommand::InvertMask | UiCommand::ClearMask => has_mask,
            _ => true,
        }
    }
}
