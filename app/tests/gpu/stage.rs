//! A device without a window, and what egui would paint on it.

use std::sync::Arc;

use eframe::egui_wgpu::{
    RenderState, Renderer, RendererOptions, ScreenDescriptor, WgpuSetup, WgpuSetupCreateNew, wgpu,
};
use egui::epaint::{ClippedPrimitive, Primitive};
use egui::mutex::RwLock;
use egui::{PaintCallback, Rect, pos2, vec2};
use vernier::studio::gpu;
use vernier_engine::picture::Picture;

/// A device with the studio's shaders installed.
pub(crate) struct Stage {
    pub(crate) state: RenderState,
}

/// RGBA bytes of what was painted.
pub(crate) struct Painted {
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) rgba: Vec<u8>,
}

impl Stage {
    /// The software adapter where there is one, any other otherwise; says so where there is none.
    pub(crate) fn open() -> Option<Self> {
        let stage = Self::bare()?;
        gpu::install(&stage.state);
        Some(stage)
    }

    /// The same without the shaders.
    pub(crate) fn bare() -> Option<Self> {
        let WgpuSetup::CreateNew(WgpuSetupCreateNew {
            mut instance_descriptor,
            device_descriptor,
            ..
        }) = WgpuSetup::without_display_handle()
        else {
            return None;
        };
        instance_descriptor.backends = wgpu::Backends::PRIMARY;
        let instance = wgpu::Instance::new(instance_descriptor);
        let mut adapters = pollster::block_on(instance.enumerate_adapters(wgpu::Backends::PRIMARY));
        adapters.sort_by_key(|a| (a.get_info().device_type != wgpu::DeviceType::Cpu) as u8);
        let Some(adapter) = adapters.into_iter().next() else {
            println!("There is no wgpu adapter here, so this test is skipped.");
            return None;
        };
        let descriptor = device_descriptor(&adapter);
        let (device, queue) = pollster::block_on(adapter.request_device(&descriptor)).unwrap();
        let format = wgpu::TextureFormat::Rgba8Unorm;
        let renderer = Renderer::new(&device, format, RendererOptions::PREDICTABLE);
        Some(Self {
            state: RenderState {
                adapter,
                available_adapters: Vec::new(),
                instance,
                device,
                queue,
                target_format: format,
                renderer: Arc::new(RwLock::new(renderer)),
            },
        })
    }

    /// Paints callbacks on a transparent screen of so many physical pixels.
    pub(crate) fn paint(
        &self,
        size: [u32; 2],
        pixels_per_point: f32,
        what: Vec<PaintCallback>,
    ) -> Painted {
        let RenderState { device, queue, .. } = &self.state;
        let [width, height] = size;
        let screen = ScreenDescriptor {
            size_in_pixels: size,
            pixels_per_point,
        };
        let clip_rect = Rect::from_min_size(
            pos2(0.0, 0.0),
            vec2(width as f32, height as f32) / pixels_per_point,
        );
        let primitives: Vec<_> = what
            .into_iter()
            .map(|callback| ClippedPrimitive {
                clip_rect,
                primitive: Primitive::Callback(callback),
            })
            .collect();
        let texture = device.create_texture(&wgpu::TextureDescriptor {
            label: None,
            size: wgpu::Extent3d {
                width,
                height,
                depth_or_array_layers: 1,
            },
            mip_level_count: 1,
            sample_count: 1,
            dimension: wgpu::TextureDimension::D2,
            format: self.state.target_format,
            usage: wgpu::TextureUsages::RENDER_ATTACHMENT | wgpu::TextureUsages::COPY_SRC,
            view_formats: &[],
        });
        let view = texture.create_view(&wgpu::TextureViewDescriptor::default());
        let mut renderer = self.state.renderer.write();
        let mut encoder = device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        let mut commands =
            renderer.update_buffers(device, queue, &mut encoder, &primitives, &screen);
        {
            let mut pass = encoder
                .begin_render_pass(&wgpu::RenderPassDescriptor {
                    color_attachments: &[Some(wgpu::RenderPassColorAttachment {
                        view: &view,
                        depth_slice: None,
                        resolve_target: None,
                        ops: wgpu::Operations {
                            load: wgpu::LoadOp::Clear(wgpu::Color::TRANSPARENT),
                            store: wgpu::StoreOp::Store,
                        },
                    })],
                    ..wgpu::RenderPassDescriptor::default()
                })
                .forget_lifetime();
            renderer.render(&mut pass, &primitives, &screen);
        }
        let stride = (4 * width).next_multiple_of(wgpu::COPY_BYTES_PER_ROW_ALIGNMENT);
        let buffer = device.create_buffer(&wgpu::BufferDescriptor {
            label: None,
            size: u64::from(stride * height),
            usage: wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::MAP_READ,
            mapped_at_creation: false,
        });
        encoder.copy_texture_to_buffer(
            texture.as_image_copy(),
            wgpu::TexelCopyBufferInfo {
                buffer: &buffer,
                layout: wgpu::TexelCopyBufferLayout {
                    offset: 0,
                    bytes_per_row: Some(stride),
                    rows_per_image: None,
                },
            },
            texture.size(),
        );
        commands.push(encoder.finish());
        queue.submit(commands);
        buffer.map_async(wgpu::MapMode::Read, .., |result| result.unwrap());
        device.poll(wgpu::PollType::wait_indefinitely()).unwrap();
        let mapped = buffer.get_mapped_range(..).unwrap();
        let rgba = mapped
            .chunks(stride as usize)
            .flat_map(|row| &row[..4 * width as usize])
            .copied()
            .collect();
        drop(renderer);
        assert_eq!(gpu::take_trouble(&self.state), None);
        Painted {
            width,
            height,
            rgba,
        }
    }
}

impl Painted {
    pub(crate) fn at(&self, x: u32, y: u32) -> [u8; 4] {
        assert!(x < self.width && y < self.height);
        let start = (y * self.width + x) as usize * 4;
        self.rgba[start..start + 4].try_into().unwrap()
    }

    /// Compares every pixel with what `twin` says of its middle, premultiplied and 0..1.
    pub(crate) fn assert_is(
        &self,
        tolerance: f64,
        what: &str,
        twin: impl Fn(f64, f64) -> [f64; 4],
    ) {
        let mut worst = (0.0, String::new());
        for y in 0..self.height {
            for x in 0..self.width {
                let expected = twin(x as f64 + 0.5, y as f64 + 0.5).map(|v| v * 255.0);
                let got = self.at(x, y);
                for (got, expected) in got.into_iter().zip(expected) {
                    let apart = (f64::from(got) - expected).abs();
                    if apart > worst.0 {
                        let place = format!("({x}, {y}): {:?} is not {expected:?}", self.at(x, y));
                        worst = (apart, place);
                    }
                }
            }
        }
        assert!(worst.0 <= tolerance, "{what}: {worst:?}");
        println!("{what}: at most {:.3} of 255 apart", worst.0);
    }
}

/// A picture with detail at all sizes: stripes, dots and a ramp.
pub(crate) fn busy_picture(width: u32, height: u32, seed: u32) -> Arc<Picture> {
    let mut rgb = Vec::new();
    for y in 0..height {
        for x in 0..width {
            let noise = (x * 7919 + y * 104_729 + seed * 31)
                .wrapping_mul(2_654_435_761)
                .rotate_left(13)
                .wrapping_mul(2_246_822_519);
            rgb.push((x * 255 / width) as u8);
            rgb.push(if (x / 3 + y / 2) % 2 == 0 { 230 } else { 20 });
            rgb.push((noise >> 24) as u8);
        }
    }
    Arc::new(Picture {
        width_px: width,
        height_px: height,
        rgb,
    })
}
