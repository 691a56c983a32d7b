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
    resources.trouble.lock().take()
}

/// Records what goes wrong on `device` instead of aborting, as wgpu does by default.
pub(super) fn listen(device: &wgpu::Device) -> Arc<Mutex<Option<String>>> {
    let slot = Arc::new(Mutex::new(None));
    let errors = Arc::clone(&slot);
    device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| {
        log::error!("wgpu: {error}");
        errors.lock().get_or_insert_with(|| sentence(&error));
    }));
    let losses = Arc::clone(&slot);
    device.set_device_lost_callback(move |reason, message| {
        log::error!("wgpu: device lost ({reason:?}): {message}");
        if reason != wgpu::DeviceLostReason::Destroyed {
            *losses.lock() = Some(
                "The GPU was lost, so pictures can no longer be drawn; save your work and start \
                 again."
                    .to_owned(),
            );
        }
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
