//! Starting from a picture, and saying where it may change: what is painted, with what.
//!
//! What an edit comes to lies in the bench's recipe ([`Source`](vernier_engine::recipe::Source) and
//! [`Region`](vernier_engine::recipe::Region)), its pictures and masks in the shelf that the recipe
//! names them from. So rendering, undo, projects and history know of it without being told.

mod layers;
mod source;
mod strokes;
#[cfg(test)]
mod tests;
mod words;
#[cfg(test)]
mod words_tests;

use std::collections::BTreeSet;

use std::sync::Arc;

use vernier_engine::picture::Ink;
use vernier_engine::recipe::Recipe;

use layers::Layers;
pub use layers::ShownMask;
pub use source::Covered;
use source::CoveredSource;
pub use strokes::Stroke;
pub use words::{ChangedThing, EditOutcome};

/// Sizes that the brush may have, from its middle to its edge, in pixels.
pub const BRUSH_RADIUS_RANGE_PX: std::ops::RangeInclusive<f64> = 1.0..=512.0;
/// How much larger the brush gets with one step.
const BRUSH_STEP: f64 = 1.25;
/// How far an edge may be softened here, in pixels.
pub const FEATHER_RANGE_PX: std::ops::RangeInclusive<f64> = 0.0..=128.0;
/// By how much a mask may be grown or shrunk at once, in pixels.
pub const GROW_RANGE_PX: std::ops::RangeInclusive<u32> = 1..=128;

/// By how much a difference map enlarges at first.
pub const USUAL_GAIN: f32 = 4.0;

/// How much of the picture around the mask is rendered with it at first, in pixels.
pub const USUAL_PADDING_PX: u32 = 32;

/// What is painted on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Layer {
    /// Where the picture may change.
    Mask,
    /// The place of one of the recipe's regions, by its number from 0.
    Region(usize),
    /// The place of one of the things that change, by its number from 0.
    Change(usize),
}

/// What it is painted with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tool {
    /// A round brush.
    Brush,
    /// A line drawn around something.
    Lasso,
    /// A rectangle from corner to corner.
    Box,
}

/// What the canvas shows below the masks.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum EditShows {
    /// The picture that is started from.
    Source,
    /// What has come of it.
    Result,
    /// The source left of the fraction, the result right of it.
    Wipe(f32),
    /// How much each pixel differs from the source, so many times enlarged; of an edit by words
    /// before the source was put back outside of its masks.
    Heat(f32),
}

/// Tools and choices of the Edit workspace; what they have made lies in the recipe.
#[derive(Debug)]
pub struct EditRoom {
    /// What is painted with.
    pub tool: Tool,
    /// Whether paint adds or takes away.
    pub ink: Ink,
    /// The brush's size from its middle to its edge, in pixels.
    pub brush_radius_px: f64,
    /// The part of the brush that covers wholly, 0 to 1.
    pub hardness: f64,
    /// By how much growing and shrinking change a mask, in pixels.
    pub grow_px: u32,
    /// What the canvas shows.
    pub shows: EditShows,
    /// Whether the masks are drawn over it.
    pub shows_masks: bool,
    layer: Layer,
    hidden: BTreeSet<usize>,
    stroke: Option<Stroke>,
    /// Masks that were made since the shelf was last tidied.
    new_masks: usize,
    layers: Layers,
    covered: Option<CoveredSource>,
    /// What the last edit by words did.
    last_outcome: Option<Arc<EditOutcome>>,
    /// The last edit that could not be made, and why.
    failed: Option<(Recipe, String)>,
}

impl Default for EditRoom {
    fn default() -> Self {
        Self {
            tool: Tool::Brush,
            ink: Ink::Add,
            brush_radius_px: 16.0,
            hardness: 0.8,
            grow_px: 8,
            shows: EditShows::Result,
            shows_masks: true,
            layer: Layer::Mask,
            hidden: BTreeSet::new(),
            stroke: None,
            new_masks: 0,
            layers: Layers::default(),
            covered: None,
            last_outcome: None,
            failed: None,
        }
    }
}

impl EditRoom {
    /// What is painted on.
    pub fn layer(&self) -> Layer {
        self.layer
    }

    /// Paints on another layer from now on.
    pub fn choose_layer(&mut self, layer: Layer) {
        self.layer = layer;
        if let Layer::Region(index) = layer {
            self.hidden.remove(&index);
        }
    }

    /// Whether a region's mask is drawn.
    pub fn is_hidden(&self, region: usize) -> bool {
        self.hidden.contains(&region)
    }

    /// Hides a region's mask, or shows it again; its words are at work either way.
    pub fn toggle_hidden(&mut self, region: usize) {
        if !self.hidden.remove(&region) {
            self.hidden.insert(region);
        }
    }

    /// Makes the brush larger by so many steps; negative ones make it smaller.
    pub fn resize_brush(&mut self, steps: i32) {
        let radius_px = self.brush_radius_px * BRUSH_STEP.powi(steps);
        let (least, most) = (*BRUSH_RADIUS_RANGE_PX.start(), *BRUSH_RADIUS_RANGE_PX.end());
        self.brush_radius_px = radius_px.clamp(least, most);
    }

    /// From adding to taking away, and back.
    pub fn swap_ink(&mut self) {
        self.ink = self.ink.other();
    }

    /// The stroke that is being made.
    pub fn stroke(&self) -> Option<&Stroke> {
        self.stroke.as_ref()
    }

    /// Nothing is being painted any more, and everything is shown.
    pub(super) fn cancel(&mut self) {
        self.stroke = None;
        self.hidden.clear();
    }

    /// Paints on something that is there, of so many regions, or changes where one edits by words.
    pub(super) fn settle(&mut self, regions: usize, changes: Option<usize>) {
        let fits = match (self.layer, changes) {
            (Layer::Mask, None) => true,
            (Layer::Region(index), None) => index < regions,
            (Layer::Change(index), Some(changes)) => index < changes,
            _ => false,
        };
        if !fits {
            let last = changes.map(|count| count.saturating_sub(1));
            self.layer = match (last, self.layer) {
                (None, _) => Layer::Mask,
                // The last one was taken away.
                (Some(last), Layer::Change(_)) => Layer::Change(last),
                (Some(_), _) => Layer::Change(0),
            };
        }
        self.hidden.retain(|hidden| *hidden < regions);
    }

    /// A region is gone: those after it move up.
    fn forget_region(&mut self, index: usize) {
        self.hidden = self
            .hidden
            .iter()
            .filter(|&&hidden| hidden != index)
            .map(|&hidden| hidden - usize::from(hidden > index))
            .collect();
        self.layer = match self.layer {
            Layer::Region(own) if own > index => Layer::Region(own - 1),
            Layer::Region(own) if own == index => Layer::Mask,
            other => other,
        };
    }
}
