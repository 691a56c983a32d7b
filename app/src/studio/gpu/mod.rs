//! What is drawn by our own shaders: pictures, comparisons, masks, latents, contact sheets.
//!
//! [`install`] is called once; after that, [`canvas`] and its kin give paint callbacks to put into
//! egui's painter. Each shader lies in `shaders/` and is compared with a CPU twin in the tests.

mod callback;
mod canvas;
mod drawing;
mod heat;
mod histogram;
mod latents;
mod mips;
mod pipelines;
mod resources;
mod sheet;
mod source;
mod store;
mod trouble;
mod view;

use eframe::egui_wgpu::RenderState;

pub use canvas::canvas;
pub use heat::heat_color;
pub use histogram::{Histogram, HistogramRequest};
pub use sheet::{Sheet, sheet};
pub use source::{Compare, LatentsPreview, Overlay, Pixels, Source, TextureKey};
pub use store::StoreUse;
pub use trouble::{adapter_message, is_lost, take_trouble};
pub use view::View;

use resources::Resources;

/// Makes the pipelines and an empty texture store on a window's device. A second call on the same
/// device starts over.
///
/// The window must have no multisampling and no depth buffer, as is eframe's default.
pub fn install(render_state: &RenderState) {
    let resources = Resources::new(render_state);
    let mut renderer = render_state.renderer.write();
    renderer.callback_resources.insert(resources);
}

/// Says how many bytes of textures are kept; 256 MiB at first. What one frame draws is drawn even
/// where it is more, but then uploaded again with every frame.
pub fn set_texture_budget(render_state: &RenderState, bytes: u64) {
    let mut renderer = render_state.renderer.write();
    if let Some(resources) = renderer.callback_resources.get_mut::<Resources>() {
        resources.store.set_budget(bytes);
    }
}

/// How much the texture store holds; nothing before [`install`].
pub fn texture_use(render_state: &RenderState) -> StoreUse {
    let renderer = render_state.renderer.read();
    let resources = renderer.callback_resources.get::<Resources>();
    resources.map_or_else(StoreUse::default, |resources| resources.store.held())
}
