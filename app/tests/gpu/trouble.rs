//! What goes wrong becomes a sentence.

use eframe::egui_wgpu::wgpu;
use vernier::studio::gpu::{adapter_message, take_trouble};

use crate::stage::Stage;

#[test]
fn an_error_is_a_sentence_and_not_the_end() {
    let Some(stage) = Stage::open() else { return };
    let device = &stage.state.device;
    assert_eq!(take_trouble(&stage.state), None);
    // No buffer may be mapped for both.
    let _ = device.create_buffer(&wgpu::BufferDescriptor {
        label: None,
        size: 16,
        usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::MAP_WRITE,
        mapped_at_creation: false,
    });
    let said = take_trouble(&stage.state).unwrap();
    assert!(
        said.starts_with("Something could not be drawn") && !said.contains('\n'),
        "{said}"
    );
    println!("{said}");
    assert_eq!(take_trouble(&stage.state), None);
}

#[test]
fn a_software_adapter_is_told_of() {
    let Some(stage) = Stage::open() else { return };
    let info = stage.state.adapter.get_info();
    let said = adapter_message(&stage.state);
    assert_eq!(said.is_some(), info.device_type == wgpu::DeviceType::Cpu);
    if let Some(said) = said {
        assert!(said.contains(&info.name) && said.ends_with('.'), "{said}");
        println!("{said}");
    }
}

#[test]
fn our_own_end_of_a_device_is_no_trouble() {
    let Some(stage) = Stage::open() else { return };
    stage.state.device.destroy();
    let _ = stage.state.device.poll(wgpu::PollType::Poll);
    assert_eq!(take_trouble(&stage.state), None);
}
