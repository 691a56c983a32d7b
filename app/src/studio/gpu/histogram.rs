//! How often each byte value occurs in a picture.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use eframe::egui_wgpu::{RenderState, wgpu};
use vernier_engine::picture::Picture;

use super::resources::Resources;
use super::source::{Pixels, Source};

/// Pixels for each byte value.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Histogram {
    /// By red.
    pub red: [u32; 256],
    /// By green.
    pub green: [u32; 256],
    /// By blue.
    pub blue: [u32; 256],
    /// By luminance: Rec. 709 luma of the bytes, `(54 r + 183 g + 19 b + 128) / 256`.
    pub luminance: [u32; 256],
}

const BINS: usize = 4 * 256;
const BYTES: u64 = (BINS * size_of::<u32>()) as u64;
/// Side of the square of pixels that a workgroup counts.
const TILE: u32 = 16;

impl Histogram {
    /// Counts on the CPU.
    pub fn of(picture: &Picture) -> Self {
        let mut bins = [[0_u32; 256]; 4];
        for pixel in picture.rgb.chunks_exact(3) {
            let [r, g, b] = [pixel[0], pixel[1], pixel[2]].map(usize::from);
            let luminance = (54 * r + 183 * g + 19 * b + 128) >> 8;
            for (bins, value) in bins.iter_mut().zip([r, g, b, luminance]) {
                bins[value] += 1;
            }
        }
        Self::from_bins(bins)
    }

    fn from_bins([red, green, blue, luminance]: [[u32; 256]; 4]) -> Self {
        Self {
            red,
            green,
            blue,
            luminance,
        }
    }
}

const WAITING: u8 = 0;
const MAPPED: u8 = 1;
const FAILED: u8 = 2;

/// A histogram that the GPU counts while frames go on.
pub struct HistogramRequest {
    state: State,
}

enum State {
    Counting {
        device: wgpu::Device,
        buffer: wgpu::Buffer,
        progress: Arc<AtomicU8>,
    },
    Done(Box<Histogram>),
    Failed,
}

impl HistogramRequest {
    /// Begins to count the pixels of `source`; `None` before [`install`](super::install), and for
    /// a source without pixels. Of a picture larger than a texture may be, a halved copy counts.
    ///
    /// Called outside of painting: it takes egui's renderer for a moment.
    pub fn start(render_state: &RenderState, source: &Source) -> Option<Self> {
        let mut renderer = render_state.renderer.write();
        let resources = renderer.callback_resources.get_mut::<Resources>()?;
        let shown = resources.shown(source, None)?;
        let (device, queue) = (&resources.device, &resources.queue);
        let Some(counter) = &resources.histogram else {
            // A device without compute shaders.
            let Pixels::Picture(picture) = &source.pixels else {
                return None;
            };
            let state = State::Done(Box::new(Histogram::of(picture)));
            return Some(Self { state });
        };
        let buffer = counter.count(device, queue, &shown.view, shown.size);
        let progress = Arc::new(AtomicU8::new(WAITING));
        let told = Arc::clone(&progress);
        buffer.map_async(wgpu::MapMode::Read, .., move |result| {
            let state = if result.is_ok() { MAPPED } else { FAILED };
            told.store(state, Ordering::Release);
        });
        Some(Self {
            state: State::Counting {
                device: device.clone(),
                buffer,
                progress,
            },
        })
    }

    /// The histogram, once it is counted. Never waits; ask again with the next frame until it
    /// [is over](Self::is_over).
    pub fn poll(&mut self) -> Option<&Histogram> {
        if let State::Counting {
            device,
            buffer,
            progress,
        } = &self.state
        {
            // A lost device is told of elsewhere.
            let _ = device.poll(wgpu::PollType::Poll);
            match progress.load(Ordering::Acquire) {
                WAITING => {}
                MAPPED => {
                    let found = read(buffer);
                    self.state = found.map_or(State::Failed, |h| State::Done(Box::new(h)));
                }
                _ => self.state = State::Failed,
            }
        }
        match &self.state {
            State::Done(histogram) => Some(histogram),
            _ => None,
        }
    }

    /// Whether no answer is to come any more: it is here, or the device was lost.
    pub fn is_over(&self) -> bool {
        !matches!(self.state, State::Counting { .. })
    }
}

fn read(buffer: &wgpu::Buffer) -> Option<Histogram> {
    let mapped = buffer.get_mapped_range(..).ok()?;
    let mut bins = [[0; 256]; 4];
    let bytes: &mut [u8] = bytemuck::cast_slice_mut(&mut bins);
    if mapped.len() != bytes.len() {
        return None;
    }
    bytes.copy_from_slice(&mapped);
    Some(Histogram::from_bins(bins))
}

/// The compute shader.
pub(super) struct Counter {
    pipeline: wgpu::ComputePipeline,
}

impl Counter {
    /// `None` on a device without compute shaders.
    pub(super) fn new(device: &wgpu::Device) -> Option<Self> {
        if device.limits().max_compute_invocations_per_workgroup < TILE * TILE {
            return None;
        }
        let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
            label: Some("histogram"),
            source: wgpu::ShaderSource::Wgsl(
                include_str!("../../../../shaders/histogram.wgsl").into(),
            ),
        });
        let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some("histogram"),
            layout: None,
            module: &module,
            entry_point: Some("count"),
            compilation_options: wgpu::PipelineCompilationOptions::default(),
            cache: None,
        });
        Some(Self { pipeline })
    }

    /// Counts a texture's largest level into a buffer that can be mapped.
    fn count(
        &self,
        device: &wgpu::Device,
        queue: &wgpu::Queue,
        view: &wgpu::TextureView,
        [width, height]: [u32; 2],
    ) -> wgpu::Buffer {
        let make = |usage| {
            device.create_buffer(&wgpu::BufferDescriptor {
                label: Some("histogram"),
                size: BYTES,
                usage,
                mapped_at_creation: false,
            })
        };
        let bins = make(wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC);
        let answer = make(wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST);
        let group = device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some("histogram"),
            layout: &self.pipeline.get_bind_group_layout(0),
            entries: &[
                wgpu::BindGroupEntry {
                    binding: 0,
                    resource: wgpu::BindingResource::TextureView(view),
                },
                wgpu::BindGroupEntry {
                    binding: 1,
                    resource: bins.as_entire_binding(),
                },
            ],
        });
        let mut encoder = device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        {
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
            pass.set_pipeline(&self.pipeline);
            pass.set_bind_group(0, &group, &[]);
            pass.dispatch_workgroups(width.div_ceil(TILE), height.div_ceil(TILE), 1);
        }
        encoder.copy_buffer_to_buffer(&bins, 0, &answer, 0, BYTES);
        queue.submit([encoder.finish()]);
        answer
    }
}
