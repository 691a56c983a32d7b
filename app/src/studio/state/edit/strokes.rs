//! Painting: what happens between pressing and letting go.

use std::sync::Arc;

use vernier_engine::picture::{Brush, Ink, Mask};

use super::super::Studio;
use super::{Layer, ShownMask, Tool};

/// A lasso's corners are at least so far apart, in pixels.
const LASSO_STEP_PX: f64 = 0.5;

/// A stroke that is being made. The recipe knows of it once it has ended.
#[derive(Debug)]
pub struct Stroke {
    layer: Layer,
    tool: Tool,
    brush: Brush,
    mask: Arc<Mask>,
    points: Vec<[f64; 2]>,
    revision: u64,
}

impl Stroke {
    /// What it is painted on.
    pub fn layer(&self) -> Layer {
        self.layer
    }

    /// What it is painted with.
    pub fn tool(&self) -> Tool {
        self.tool
    }

    /// Where it went, in pixels: all of a lasso's line, two corners of a box.
    pub fn points(&self) -> &[[f64; 2]] {
        &self.points
    }

    /// The mask as it is so far.
    pub(super) fn shown(&self) -> ShownMask {
        ShownMask {
            mask: self.mask.clone(),
            revision: self.revision,
        }
    }
}

impl Studio {
    /// Begins a stroke at a point of the picture, with the other ink where `is_other`. Without a
    /// source, the shown picture becomes it first. `false` where there is nothing to paint on.
    pub fn begin_stroke(&mut self, at: [f64; 2], is_other: bool) -> bool {
        let layer = self.edit.layer;
        if self.bench.is_edited_by_words() {
            let is_change = |layer| matches!(layer, Layer::Change(_));
            let edit = self.bench.recipe.edit.as_ref();
            if !is_change(layer) || edit.is_some_and(|edit| edit.changes.is_empty()) {
                return false;
            }
        }
        if layer == Layer::Mask && self.bench.recipe.source.is_none() && !self.use_shown_as_source()
        {
            return false;
        }
        let ink = if is_other {
            self.edit.ink.other()
        } else {
            self.edit.ink
        };
        let [width, height] = self.edit_size_px();
        let known = self.sharp_mask(layer).or_else(|| self.found_mask(layer));
        let mask = known.unwrap_or_else(|| {
            // Without a mask everything may change, and that is what is taken from.
            let everywhere = layer == Layer::Mask && ink == Ink::Erase;
            Arc::new(Mask::filled(width, height, u8::from(everywhere) * 255))
        });
        self.edit.stroke = Some(Stroke {
            layer,
            tool: self.edit.tool,
            brush: Brush {
                radius_px: self.edit.brush_radius_px,
                hardness: self.edit.hardness,
                ink,
            },
            mask,
            points: vec![at],
            revision: 0,
        });
        self.paint(at, at);
        true
    }

    /// Goes on with the stroke.
    pub fn continue_stroke(&mut self, at: [f64; 2]) {
        let Some(stroke) = &mut self.edit.stroke else {
            return;
        };
        let last = stroke.points.last().copied().unwrap_or(at);
        match stroke.tool {
            Tool::Brush => stroke.points = vec![at],
            Tool::Box => {
                stroke.points.truncate(1);
                stroke.points.push(at);
            }
            Tool::Lasso if (at[0] - last[0]).hypot(at[1] - last[1]) >= LASSO_STEP_PX => {
                stroke.points.push(at);
            }
            Tool::Lasso => {}
        }
        if (at[0] - last[0]).hypot(at[1] - last[1]) > 0.0 {
            self.paint(last, at);
        }
    }

    fn paint(&mut self, from: [f64; 2], to: [f64; 2]) {
        let revision = self.edit.layers.next_revision();
        if let Some(stroke) = &mut self.edit.stroke {
            if stroke.tool == Tool::Brush {
                Arc::make_mut(&mut stroke.mask).stroke(stroke.brush, from, to);
            }
            stroke.revision = revision;
        }
    }

    /// Ends the stroke: it is in the recipe now, one step of undo. A lasso or a box that encloses
    /// nothing changes nothing.
    pub fn end_stroke(&mut self) {
        let Some(mut stroke) = self.edit.stroke.take() else {
            return;
        };
        let ink = stroke.brush.ink;
        let painted = match (stroke.tool, stroke.points.as_slice()) {
            (Tool::Brush, _) => true,
            (Tool::Box, [from, to]) => {
                let mask = Arc::make_mut(&mut stroke.mask);
                mask.rectangle(*from, *to, ink).is_some()
            }
            (Tool::Lasso, points) if points.len() > 2 => {
                let mask = Arc::make_mut(&mut stroke.mask);
                mask.polygon(points, ink).is_some()
            }
            _ => false,
        };
        if painted {
            self.put_mask(stroke.layer, &stroke.mask);
        }
    }

    /// Leaves the stroke, as if it had not been begun; `false` where there was none.
    pub fn cancel_stroke(&mut self) -> bool {
        self.edit.stroke.take().is_some()
    }
}
