//! Which layers of the U-Net get a branch.

use std::str::FromStr;

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use tch::Tensor;

use super::SliderOptions;
use crate::controls::{Slider, SliderLayer};
use crate::models::unet::UNet;
use crate::{EngineError, Result};

/// The training methods of Concept Sliders, by the layers that they train: of the attentions their
/// four projections, of residual blocks, downsamplers and upsamplers every layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SliderLayers {
    /// All but the attention to the text, which keeps the layout of the picture.
    NoXattn,
    /// All.
    Full,
    /// The attention to the text.
    Xattn,
    /// The attention of the picture to itself.
    Selfattn,
}

impl SliderLayers {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::NoXattn, Self::Full, Self::Xattn, Self::Selfattn];

    /// The name that the published training program has for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::NoXattn => "noxattn",
            Self::Full => "full",
            Self::Xattn => "xattn",
            Self::Selfattn => "selfattn",
        }
    }

    /// Whether the layer at `path`, in diffusers naming, gets a branch.
    pub fn include(self, path: &str) -> bool {
        let within = |part: &str| path.split('.').any(|p| p == part);
        let (own, text) = (within("attn1"), within("attn2"));
        let other = within("resnets") || within("downsamplers") || within("upsamplers");
        match self {
            Self::NoXattn => own || other,
            Self::Full => own || text || other,
            Self::Xattn => text,
            Self::Selfattn => own,
        }
    }
}

impl FromStr for SliderLayers {
    type Err = EngineError;

    fn from_str(name: &str) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|layers| layers.name() == name);
        found.ok_or_else(|| {
            let known = Self::ALL.map(Self::name).join(", ");
            EngineError::request("layers", format!("\"{name}\" is not one of {known}"))
        })
    }
}

/// A slider that does nothing yet: `down` uniform within √(3 / inputs) (He et al., arXiv
/// 1502.01852, for linear layers), `up` zero, in the dtype and on the device of the layers.
///
/// # Errors
/// `rank` is 0, or memory runs out.
pub fn fresh_slider(unet: &UNet, options: &SliderOptions) -> Result<Slider> {
    if options.rank == 0 {
        return Err(EngineError::request("rank", "must be 1 or more"));
    }
    let _guard = tch::no_grad_guard();
    let rank = i64::from(options.rank);
    let mut random = ChaCha8Rng::seed_from_u64(options.seed);
    let mut made = Vec::new();
    unet.for_each_layer(&mut |path, layer| {
        if options.layers.include(path) {
            let shape = layer.weight_shape();
            let (kind, device) = layer.weight_options();
            made.push((|| {
                let mut down_shape = shape.clone();
                down_shape[0] = rank;
                let mut up_shape = vec![1; shape.len()];
                (up_shape[0], up_shape[1]) = (shape[0], rank);
                let inputs: i64 = shape[1..].iter().product();
                let bound = (3.0 / inputs as f64).sqrt() as f32;
                let values: Vec<f32> = (0..rank * inputs)
                    .map(|_| random.random_range(-bound..=bound))
                    .collect();
                let down = Tensor::f_from_slice(&values)?.f_view(down_shape.as_slice())?;
                Ok(SliderLayer {
                    path: path.to_owned(),
                    down: down.f_to_device(device)?.f_to_kind(kind)?,
                    up: Tensor::f_zeros(up_shape.as_slice(), (kind, device))?,
                    scale: options.alpha / rank as f64,
                })
            })());
        }
    });
    Ok(Slider::new(made.into_iter().collect::<Result<_>>()?))
}

/// The tensors of `slider` by name, as they are trained.
pub(super) fn parameters(slider: &Slider) -> Vec<(String, Tensor)> {
    let both = |layer: &SliderLayer| {
        [
            (down_name(layer), layer.down.shallow_clone()),
            (up_name(layer), layer.up.shallow_clone()),
        ]
    };
    slider.layers().iter().flat_map(both).collect()
}

/// `slider` with trained `parameters` in the place of its own.
///
/// # Errors
/// One of them is missing.
pub fn with_parameters(slider: &Slider, parameters: &[(String, Tensor)]) -> Result<Slider> {
    let find = |name: String| match parameters.iter().find(|(n, _)| *n == name) {
        Some((_, tensor)) => Ok(tensor.shallow_clone()),
        None => Err(EngineError::request("slider", format!("lacks {name}"))),
    };
    let layers = slider.layers().iter().map(|layer| {
        Ok(SliderLayer {
            path: layer.path.clone(),
            down: find(down_name(layer))?,
            up: find(up_name(layer))?,
            scale: layer.scale,
        })
    });
    Ok(Slider::new(layers.collect::<Result<_>>()?))
}

fn down_name(layer: &SliderLayer) -> String {
    format!("{}.down", layer.path)
}

fn up_name(layer: &SliderLayer) -> String {
    format!("{}.up", layer.path)
}

#[cfg(test)]
mod tests {
    use super::SliderLayers;

    #[test]
    fn every_method_names_the_layers_of_the_published_one() {
        let block = "down_blocks.1.attentions.0.transformer_blocks.0";
        let own = format!("{block}.attn1.to_q");
        let text = format!("{block}.attn2.to_out.0");
        let resnet = "mid_block.resnets.0.time_emb_proj";
        let down = "down_blocks.0.downsamplers.0.conv";
        let never = [
            format!("{block}.ff.net.2"),
            "down_blocks.1.attentions.0.proj_in".to_owned(),
            "time_embedding.linear_1".to_owned(),
            "conv_in".to_owned(),
        ];
        for (layers, expected) in [
            (SliderLayers::NoXattn, [true, false, true, true]),
            (SliderLayers::Full, [true, true, true, true]),
            (SliderLayers::Xattn, [false, true, false, false]),
            (SliderLayers::Selfattn, [true, false, false, false]),
        ] {
            let got = [own.as_str(), &text, resnet, down].map(|path| layers.include(path));
            assert_eq!(got, expected, "{layers:?}");
            assert!(never.iter().all(|path| !layers.include(path)));
            assert_eq!(layers.name().parse::<SliderLayers>().unwrap(), layers);
        }
        let error = "innoxattn".parse::<SliderLayers>().unwrap_err().to_string();
        assert!(error.contains("noxattn, full"), "{error}");
    }
}
