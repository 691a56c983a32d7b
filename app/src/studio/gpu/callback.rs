//! From a list of draws to a paint callback of egui's.

use eframe::egui_wgpu::{Callback, CallbackResources, CallbackTrait, ScreenDescriptor, wgpu};
use egui::mutex::Mutex;
use egui::{PaintCallback, PaintCallbackInfo, Rect};

use super::drawing::Ready;
use super::resources::Resources;

/// Something that knows what is to be drawn.
pub(super) trait Scene: Send + Sync + 'static {
    /// Puts it on the device; `None` where there is nothing to draw.
    fn draw(&self, resources: &mut Resources, screen: &ScreenDescriptor) -> Option<Ready>;
}

/// Paints `scene` into `rect` (points); nothing before [`install`](super::install).
pub(super) fn callback(rect: Rect, scene: impl Scene) -> PaintCallback {
    let painted = Painted {
        scene,
        ready: Mutex::new(None),
    };
    Callback::new_paint_callback(rect, painted)
}

struct Painted<S> {
    scene: S,
    /// What `prepare` left for `paint`.
    ready: Mutex<Option<Ready>>,
}

impl<S: Scene> CallbackTrait for Painted<S> {
    fn prepare(
        &self,
        _: &wgpu::Device,
        _: &wgpu::Queue,
        screen: &ScreenDescriptor,
        _: &mut wgpu::CommandEncoder,
        resources: &mut CallbackResources,
    ) -> Vec<wgpu::CommandBuffer> {
        let resources = resources.get_mut::<Resources>();
        *self.ready.lock() = resources.and_then(|resources| self.scene.draw(resources, screen));
        Vec::new()
    }

    fn paint(
        &self,
        info: PaintCallbackInfo,
        pass: &mut wgpu::RenderPass<'static>,
        resources: &CallbackResources,
    ) {
        if let (Some(ready), Some(resources)) = (&*self.ready.lock(), resources.get::<Resources>())
        {
            ready.paint(&resources.pipelines, &info, pass);
        }
    }
}
