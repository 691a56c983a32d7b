//! A list of draws of one paint callback.

use eframe::egui_wgpu::{ScreenDescriptor, wgpu};
use egui::{PaintCallbackInfo, Rect};

use super::pipelines::{Layer, Params, Pipelines};
use super::resources::Resources;
use super::store::Shown;

/// What is to be drawn, in order.
pub(super) struct Drawing {
    screen: [f32; 2],
    pixels_per_point: f32,
    params: Vec<Params>,
    draws: Vec<Draw>,
}

struct Draw {
    layer: Layer,
    minified: bool,
    textures: wgpu::BindGroup,
}

/// What was to be drawn, on the device.
pub(super) struct Ready {
    params: wgpu::BindGroup,
    stride: u32,
    draws: Vec<Draw>,
}

impl Drawing {
    pub(super) fn new(screen: &ScreenDescriptor) -> Self {
        Self {
            screen: screen.size_in_pixels.map(|side| side as f32),
            pixels_per_point: screen.pixels_per_point,
            params: Vec::new(),
            draws: Vec::new(),
        }
    }

    /// Parameters for a picture whose top left corner is at `origin` and which is `extent` large
    /// (physical pixels) in a widget at `rect` (points); `None` where nothing of it is seen.
    pub(super) fn place(&self, rect: Rect, origin: [f32; 2], extent: [f32; 2]) -> Option<Params> {
        let scale = self.pixels_per_point;
        let low = [rect.left(), rect.top()].map(|side| (side * scale).round());
        let high = [rect.right(), rect.bottom()].map(|side| (side * scale).round());
        let mut quad = [0.0; 4];
        for axis in 0..2 {
            // Edges that do not fall on a pixel's side fade over the next one.
            let start = (origin[axis] - 0.5).floor();
            let end = (origin[axis] + extent[axis] + 0.5).ceil();
            quad[axis] = start.max(low[axis]).max(0.0);
            quad[axis + 2] = end.min(high[axis]).min(self.screen[axis]);
        }
        let seen = quad[0] < quad[2] && quad[1] < quad[3];
        (seen && extent.iter().all(|&side| side > 0.0)).then(|| Params {
            quad,
            screen: self.screen,
            origin,
            extent,
            ..Params::default()
        })
    }

    /// Draws `layer` from one texture.
    pub(super) fn one(&mut self, params: Params, layer: Layer, shown: Shown) {
        let minified = shown.is_minified(params.extent);
        self.push(params, layer, minified, shown.bound);
    }

    /// Draws `layer` from two textures.
    pub(super) fn two(
        &mut self,
        params: Params,
        layer: Layer,
        [first, second]: [&Shown; 2],
        resources: &Resources,
    ) {
        let minified = first.is_minified(params.extent) || second.is_minified(params.extent);
        self.push(params, layer, minified, resources.pair(first, second));
    }

    fn push(&mut self, params: Params, layer: Layer, minified: bool, textures: wgpu::BindGroup) {
        self.params.push(params);
        self.draws.push(Draw {
            layer,
            minified,
            textures,
        });
    }

    /// `None` where nothing is to be drawn.
    pub(super) fn finish(self, resources: &Resources) -> Option<Ready> {
        if self.draws.is_empty() {
            return None;
        }
        let pipelines = &resources.pipelines;
        let (params, stride) = pipelines.bind_params(&resources.device, &self.params);
        Some(Ready {
            params,
            stride,
            draws: self.draws,
        })
    }
}

impl Ready {
    pub(super) fn paint(
        &self,
        pipelines: &Pipelines,
        info: &PaintCallbackInfo,
        pass: &mut wgpu::RenderPass<'static>,
    ) {
        // The shader counts in pixels of the whole screen; egui's clip rectangle stays.
        let [width, height] = info.screen_size_px.map(|side| side as f32);
        pass.set_viewport(0.0, 0.0, width, height, 0.0, 1.0);
        for (index, draw) in self.draws.iter().enumerate() {
            pass.set_pipeline(pipelines.layer(draw.layer, draw.minified));
            pass.set_bind_group(0, &self.params, &[index as u32 * self.stride]);
            pass.set_bind_group(1, &draw.textures, &[]);
            pass.draw(0..4, 0..1);
        }
    }
}
