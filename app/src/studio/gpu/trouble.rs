//! What goes wrong on the GPU, as sentences for the artist.

use std::sync::Arc;

use eframe::egui_wgpu::{RenderState, wgpu};
use egui::mutex::Mutex;

use super::resources::Resources;

/// A sentence for the status line where the window is drawn by the processor; `None` with a GPU.
pub fn adapter_message(render_state: &RenderState) -> Option<String> {
    let info = render_state.adapter.get_info();
    (info.device_type == wgpu::DeviceType::Cpu).then(|| {
        format!(
            "No GPU driver was found, so {} draws the window on the processor; large previews \
             will be slow.",
            info.name
        )
    })
}

/// What has gone wrong on the device since the last call, as a sentence; the first thing where
/// there were several. `None` while all is well or before [`install`](super::install).
pub fn take_trouble(render_state: &RenderState) -> Option<String> {
    let renderer = render_state.renderer.read();
    let resources: &Resources = renderer.callback_resources.get()?;
    resources.trouble.lock().sentence.take()
}

/// Whether the device is gone, so that nothing can be drawn on it any more.
pub fn is_lost(render_state: &RenderState) -> bool {
    // A device tells of its loss when it is asked how its work goes.
    render_state.device.poll(wgpu::PollType::Poll).ok();
    let renderer = render_state.renderer.read();
    let resources: Option<&Resources> = renderer.callback_resources.get();
    resources.is_some_and(|resources| resources.trouble.lock().is_lost)
}

/// What has gone wrong on a device.
#[derive(Debug, Default)]
pub(super) struct Trouble {
    sentence: Option<String>,
    is_lost: bool,
}

/// Records what goes wrong on `device` instead of aborting, as wgpu does by default.
pub(super) fn listen(device: &wgpu::Device) -> Arc<Mutex<Trouble>> {
    let slot = Arc::new(Mutex::new(Trouble::default()));
    let errors = Arc::clone(&slot);
    device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| {
        log::error!("wgpu: {error}");
        let mut trouble = errors.lock();
        trouble.sentence.get_or_insert_with(|| sentence(&error));
    }));
    let losses = Arc::clone(&slot);
    device.set_device_lost_callback(move |reason, message| {
        // The one that the window itself lets go of is not missed.
        if reason != wgpu::DeviceLostReason::Destroyed {
            log::error!("wgpu: device lost ({reason:?}): {message}");
        }
        losses.lock().is_lost = true;
    });
    slot
}

fn sentence(error: &wgpu::Error) -> String {
    match error {
        wgpu::Error::OutOfMemory { .. } => {
            "The GPU is out of memory, so some pictures are not shown; close other programs or \
             show fewer pictures at once."
                .to_owned()
        }
        wgpu::Error::Validation { description, .. } | wgpu::Error::Internal { description, .. } => {
            // The outermost cause comes first and says the least.
            let mut lines = description.lines().map(str::trim);
            let said = lines.rfind(|line| !line.is_empty());
            format!(
                "Something could not be drawn; please report this: {}",
                said.unwrap_or("no message")
            )
        }
    }
}
