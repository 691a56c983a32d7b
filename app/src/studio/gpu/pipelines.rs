//! What the canvas draws with: its pipelines and the layouts of what they bind.

use std::num::NonZeroU64;

use bytemuck::{Pod, Zeroable};
use eframe::egui_wgpu::wgpu::{self, util::DeviceExt as _};

use super::heat;

/// The uniform block of `canvas.wgsl`, field by field.
#[derive(Clone, Copy, Debug, Default, Pod, Zeroable)]
#[repr(C)]
pub(super) struct Params {
    pub(super) quad: [f32; 4],
    pub(super) color: [f32; 4],
    pub(super) screen: [f32; 2],
    pub(super) origin: [f32; 2],
    pub(super) extent: [f32; 2],
    pub(super) gain: f32,
    pub(super) wipe: f32,
    pub(super) line: f32,
    pub(super) opacity: f32,
    pub(super) unused: [f32; 2],
}

/// What a draw shows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Layer {
    Plain,
    Wipe,
    Heat,
    Overlay,
}

const LAYERS: [Layer; 4] = [Layer::Plain, Layer::Wipe, Layer::Heat, Layer::Overlay];

/// The canvas's pipelines.
pub(super) struct Pipelines {
    /// For each layer, magnified and minified.
    layers: [[wgpu::RenderPipeline; 2]; 4],
    params_layout: wgpu::BindGroupLayout,
    textures_layout: wgpu::BindGroupLayout,
    heat: wgpu::Buffer,
}

impl Pipelines {
    pub(super) fn new(device: &wgpu::Device, target: wgpu::TextureFormat) -> Self {
        let params_layout = device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
            label: Some("canvas params"),
            entries: &[
                uniform(0, true, size_of::<Params>()),
                uniform(1, false, size_of::<[[f32; 4]; heat::TABLE.len()]>()),
            ],
        });
        let textures_layout = device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
            label: Some("canvas textures"),
            entries: &[texture(0), texture(1)],
        });
        let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
            label: Some("canvas"),
            source: wgpu::ShaderSource::Wgsl(
                include_str!("../../../../shaders/canvas.wgsl").into(),
            ),
        });
        let layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label: Some("canvas"),
            bind_group_layouts: &[Some(&params_layout), Some(&textures_layout)],
            immediate_size: 0,
        });
        let colors: Vec<[f32; 4]> = heat::TABLE
            .iter()
            .map(|&[r, g, b]| [r, g, b, u8::MAX].map(|byte| f32::from(byte) / 255.0))
            .collect();
        Self {
            layers: LAYERS.map(|layer| {
                [false, true]
                    .map(|minified| pipeline(device, &module, &layout, (layer, minified), target))
            }),
            heat: device.create_buffer_init(&wgpu::util::BufferInitDescriptor {
                label: Some("heat colours"),
                contents: bytemuck::cast_slice(&colors),
                usage: wgpu::BufferUsages::UNIFORM,
            }),
            params_layout,
            textures_layout,
        }
    }

    pub(super) fn layer(&self, layer: Layer, minified: bool) -> &wgpu::RenderPipeline {
        &self.layers[layer as usize][usize::from(minified)]
    }

    /// Binds the two textures that a draw looks at; one that looks at one takes it twice.
    pub(super) fn bind_textures(
        &self,
        device: &wgpu::Device,
        first: &wgpu::TextureView,
        second: &wgpu::TextureView,
    ) -> wgpu::BindGroup {
        device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some("canvas textures"),
            layout: &self.textures_layout,
            entries: &[
                wgpu::BindGroupEntry {
                    binding: 0,
                    resource: wgpu::BindingResource::TextureView(first),
                },
                wgpu::BindGroupEntry {
                    binding: 1,
                    resource: wgpu::BindingResource::TextureView(second),
                },
            ],
        })
    }

    /// Binds the parameters of several draws; gives the distance between them in bytes, too.
    pub(super) fn bind_params(
        &self,
        device: &wgpu::Device,
        params: &[Params],
    ) -> (wgpu::BindGroup, u32) {
        let alignment = device.limits().min_uniform_buffer_offset_alignment as usize;
        let stride = size_of::<Params>().next_multiple_of(alignment);
        let mut bytes = vec![0; stride * params.len()];
        for (place, params) in bytes.chunks_mut(stride).zip(params) {
            place[..size_of::<Params>()].copy_from_slice(bytemuck::bytes_of(params));
        }
        let buffer = device.create_buffer_init(&wgpu::util::BufferInitDescriptor {
            label: Some("canvas params"),
            contents: &bytes,
            usage: wgpu::BufferUsages::UNIFORM,
        });
        let group = device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some("canvas params"),
            layout: &self.params_layout,
            entries: &[
                wgpu::BindGroupEntry {
                    binding: 0,
                    resource: wgpu::BindingResource::Buffer(wgpu::BufferBinding {
                        buffer: &buffer,
                        offset: 0,
                        size: NonZeroU64::new(size_of::<Params>() as u64),
                    }),
                },
                wgpu::BindGroupEntry {
                    binding: 1,
                    resource: self.heat.as_entire_binding(),
                },
            ],
        });
        (group, stride as u32)
    }
}

fn uniform(binding: u32, has_dynamic_offset: bool, bytes: usize) -> wgpu::BindGroupLayoutEntry {
    wgpu::BindGroupLayoutEntry {
        binding,
        visibility: wgpu::ShaderStages::VERTEX_FRAGMENT,
        ty: wgpu::BindingType::Buffer {
            ty: wgpu::BufferBindingType::Uniform,
            has_dynamic_offset,
            min_binding_size: NonZeroU64::new(bytes as u64),
        },
        count: None,
    }
}

fn texture(binding: u32) -> wgpu::BindGroupLayoutEntry {
    wgpu::BindGroupLayoutEntry {
        binding,
        visibility: wgpu::ShaderStages::FRAGMENT,
        ty: wgpu::BindingType::Texture {
            sample_type: wgpu::TextureSampleType::Float { filterable: false },
            view_dimension: wgpu::TextureViewDimension::D2,
            multisampled: false,
        },
        count: None,
    }
}

fn pipeline(
    device: &wgpu::Device,
    module: &wgpu::ShaderModule,
    layout: &wgpu::PipelineLayout,
    (layer, minified): (Layer, bool),
    target: wgpu::TextureFormat,
) -> wgpu::RenderPipeline {
    let (entry_point, mode) = match layer {
        Layer::Plain => ("picture", 0.0),
        Layer::Wipe => ("picture", 1.0),
        Layer::Heat => ("picture", 2.0),
        Layer::Overlay => ("overlay", 0.0),
    };
    let flag = |on: bool| if on { 1.0 } else { 0.0 };
    let constants = [
        ("MODE", mode),
        ("MINIFIED", flag(minified)),
        ("LINEAR_TARGET", flag(target.is_srgb())),
    ];
    device.create_render_pipeline(&wgpu::RenderPipelineDescriptor {
        label: Some(entry_point),
        layout: Some(layout),
        vertex: wgpu::VertexState {
            module,
            entry_point: Some("vertex"),
            compilation_options: wgpu::PipelineCompilationOptions::default(),
            buffers: &[],
        },
        primitive: wgpu::PrimitiveState {
            topology: wgpu::PrimitiveTopology::TriangleStrip,
            ..wgpu::PrimitiveState::default()
        },
        depth_stencil: None,
        multisample: wgpu::MultisampleState::default(),
        fragment: Some(wgpu::FragmentState {
            module,
            entry_point: Some(entry_point),
            compilation_options: wgpu::PipelineCompilationOptions {
                constants: &constants,
                ..wgpu::PipelineCompilationOptions::default()
            },
            targets: &[Some(wgpu::ColorTargetState {
                format: target,
                blend: Some(wgpu::BlendState::PREMULTIPLIED_ALPHA_BLENDING),
                write_mask: wgpu::ColorWrites::ALL,
            })],
        }),
        multiview_mask: None,
        cache: None,
    })
}
