//! Latents as a picture, made on the GPU from the floats as they are.

use bytemuck::{Pod, Zeroable};
use eframe::egui_wgpu::wgpu::{self, util::DeviceExt as _};

use super::source::LatentsPreview;
use super::store::extent;

const MOST_CHANNELS: usize = 32;
/// Colours between the passes may lie outside of 0..1.
const BETWEEN: wgpu::TextureFormat = wgpu::TextureFormat::Rgba16Float;
const PICTURE: wgpu::TextureFormat = wgpu::TextureFormat::Rgba8Unorm;

/// The uniform block of `latents_to_rgb.wgsl`.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Block {
    factors: [[f32; 4]; MOST_CHANNELS],
    bias: [f32; 3],
    pixels_per_cell: f32,
}

/// The two passes.
pub(super) struct LatentPasses {
    project: wgpu::RenderPipeline,
    enlarge: wgpu::RenderPipeline,
}

impl LatentPasses {
    pub(super) fn new(device: &wgpu::Device) -> Self {
        let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
            label: Some("latents to rgb"),
            source: wgpu::ShaderSource::Wgsl(
                include_str!("../../../../shaders/latents_to_rgb.wgsl").into(),
            ),
        });
        Self {
            project: pipeline(device, &module, "project", BETWEEN),
            enlarge: pipeline(device, &module, "enlarge", PICTURE),
        }
    }

    /// The latents' colours at the size of their picture; `None` where the colours are not
    /// for so many channels, there are none or more than 32, or the device takes no such texture.
    pub(super) fn draw(
        &self,
        device: &wgpu::Device,
        queue: &wgpu::Queue,
        preview: &LatentsPreview,
    ) -> Option<wgpu::Texture> {
        let [channels, height, width] = preview.latents.shape;
        let values = &preview.latents.values;
        let limit = device.limits().max_texture_dimension_2d;
        let side = |cells: usize| {
            let side = u32::try_from(cells)
                .ok()?
                .checked_mul(preview.pixels_per_cell)?;
            (1..=limit).contains(&side).then_some(side)
        };
        let (full_width, full_height) = (side(width)?, side(height)?);
        let fits = preview.rgb.channels() == Some(channels)
            && (1..=MOST_CHANNELS).contains(&channels)
            && values.len() == channels * height * width;
        if !fits {
            return None;
        }
        let mut factors = [[0.0; 4]; MOST_CHANNELS];
        for (color, row) in preview.rgb.factors.iter().enumerate() {
            for (factors, &factor) in factors.iter_mut().zip(row) {
                factors[color] = factor;
            }
        }
        let size = extent(width as u32, height as u32, channels as u32);
        let usage = wgpu::TextureUsages::TEXTURE_BINDING | wgpu::TextureUsages::COPY_DST;
        let latents = texture(device, size, wgpu::TextureFormat::R32Float, usage);
        queue.write_texture(
            latents.as_image_copy(),
            bytemuck::cast_slice(values),
            wgpu::TexelCopyBufferLayout {
                offset: 0,
                bytes_per_row: Some(4 * size.width),
                rows_per_image: Some(size.height),
            },
            size,
        );
        let block = device.create_buffer_init(&wgpu::util::BufferInitDescriptor {
            label: Some("latent rgb"),
            contents: bytemuck::bytes_of(&Block {
                factors,
                bias: preview.rgb.bias,
                pixels_per_cell: preview.pixels_per_cell as f32,
            }),
            usage: wgpu::BufferUsages::UNIFORM,
        });
        let usage = wgpu::TextureUsages::TEXTURE_BINDING | wgpu::TextureUsages::RENDER_ATTACHMENT;
        let between = texture(device, extent(size.width, size.height, 1), BETWEEN, usage);
        let full = texture(device, extent(full_width, full_height, 1), PICTURE, usage);

        let mut encoder = device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        let layers = latents.create_view(&wgpu::TextureViewDescriptor {
            dimension: Some(wgpu::TextureViewDimension::D2Array),
            ..wgpu::TextureViewDescriptor::default()
        });
        let input = (1, &layers);
        pass(device, &mut encoder, &self.project, &block, input, &between);
        let colors = between.create_view(&wgpu::TextureViewDescriptor::default());
        let input = (2, &colors);
        pass(device, &mut encoder, &self.enlarge, &block, input, &full);
        queue.submit([encoder.finish()]);
        Some(full)
    }
}

fn texture(
    device: &wgpu::Device,
    size: wgpu::Extent3d,
    format: wgpu::TextureFormat,
    usage: wgpu::TextureUsages,
) -> wgpu::Texture {
    device.create_texture(&wgpu::TextureDescriptor {
        label: Some("latents"),
        size,
        mip_level_count: 1,
        sample_count: 1,
        dimension: wgpu::TextureDimension::D2,
        format,
        usage,
        view_formats: &[],
    })
}

fn pipeline(
    device: &wgpu::Device,
    module: &wgpu::ShaderModule,
    entry_point: &str,
    target: wgpu::TextureFormat,
) -> wgpu::RenderPipeline {
    device.create_render_pipeline(&wgpu::RenderPipelineDescriptor {
        label: Some(entry_point),
        layout: None,
        vertex: wgpu::VertexState {
            module,
            entry_point: Some("vertex"),
            compilation_options: wgpu::PipelineCompilationOptions::default(),
            buffers: &[],
        },
        primitive: wgpu::PrimitiveState::default(),
        depth_stencil: None,
        multisample: wgpu::MultisampleState::default(),
        fragment: Some(wgpu::FragmentState {
            module,
            entry_point: Some(entry_point),
            compilation_options: wgpu::PipelineCompilationOptions::default(),
            targets: &[Some(target.into())],
        }),
        multiview_mask: None,
        cache: None,
    })
}

/// Draws one pass over all of `target`; `input` is the texture that it looks at and its binding.
fn pass(
    device: &wgpu::Device,
    encoder: &mut wgpu::CommandEncoder,
    pipeline: &wgpu::RenderPipeline,
    block: &wgpu::Buffer,
    (binding, input): (u32, &wgpu::TextureView),
    target: &wgpu::Texture,
) {
    let group = device.create_bind_group(&wgpu::BindGroupDescriptor {
        label: Some("latents"),
        layout: &pipeline.get_bind_group_layout(0),
        entries: &[
            wgpu::BindGroupEntry {
                binding: 0,
                resource: block.as_entire_binding(),
            },
            wgpu::BindGroupEntry {
                binding,
                resource: wgpu::BindingResource::TextureView(input),
            },
        ],
    });
    let mut pass = encoder.begin_render_pass(&wgpu::RenderPassDescriptor {
        label: Some("latents"),
        color_attachments: &[Some(wgpu::RenderPassColorAttachment {
            view: &target.create_view(&wgpu::TextureViewDescriptor::default()),
            depth_slice: None,
            resolve_target: None,
            ops: wgpu::Operations::default(),
        })],
        ..wgpu::RenderPassDescriptor::default()
    });
    pass.set_pipeline(pipeline);
    pass.set_bind_group(0, &group, &[]);
    pass.draw(0..3, 0..1);
}
