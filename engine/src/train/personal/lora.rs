//! The branches of a LoRA (arXiv 2106.09685), on U-Net and text encoder.

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use tch::{Device, Kind, Tensor};

use super::LoraLayers;
use crate::adapters::{Component, LoraLayer};
use crate::layers::{LayerRef, LowRankBranch, Multiplier};
use crate::models::clip::ClipTextModel;
use crate::models::unet::UNet;
use crate::{EngineError, Result};

/// What a LoRA consists of.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LoraOptions {
    /// Which layers get a branch.
    pub layers: LoraLayers,
    /// Rank of the branches, 1 or more.
    pub rank: u32,
    /// α; the branches are scaled by α / rank.
    pub alpha: f64,
    /// Whether the text encoder gets branches too.
    pub text_encoder: bool,
    /// Whether `down` stays as it was drawn, with orthonormal rows, and `up` alone is trained
    /// (asymmetry, arXiv 2402.16842): half as much to train at the same rank.
    pub up_only: bool,
}

/// A LoRA in training or trained.
#[derive(Debug)]
pub(crate) struct Lora {
    pub(crate) layers: Vec<LoraLayer>,
    up_only: bool,
}

impl Lora {
    /// Branches that do nothing yet on `unet` and, where it is asked for, on `text`: `down` uniform
    /// within 1 / √inputs as PEFT begins, `up` zero, in the dtype and on the device of the layers.
    ///
    /// # Errors
    /// The rank is 0, or memory runs out.
    pub(crate) fn fresh(
        unet: &UNet,
        text: &ClipTextModel,
        options: &LoraOptions,
        seed: u64,
    ) -> Result<Self> {
        if options.rank == 0 {
            return Err(EngineError::request("rank", "must be 1 or more"));
        }
        let mut places = Vec::new();
        unet.for_each_layer(&mut |path, layer| {
            if options.layers.include_unet(path) {
                places.push(Place::of(Component::UNet, path, layer));
            }
        });
        if options.text_encoder {
            text.for_each_layer(&mut |path, layer| {
                if options.layers.include_text(path) {
                    places.push(Place::of(Component::TextEncoder, path, layer));
                }
            });
        }
        if places.is_empty() {
            let problem = format!(
                "\"{}\" means no layer of this model; choose others",
                options.layers
            );
            return Err(EngineError::request("layers", problem));
        }
        let _guard = tch::no_grad_guard();
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let layers = places.into_iter().map(|place| {
            // More would be idle: the weight itself has no higher rank.
            let inputs: i64 = place.shape[1..].iter().product();
            let rank = i64::from(options.rank).min(place.shape[0]).min(inputs);
            let (mut down, mut up) = (place.shape.clone(), vec![1; place.shape.len()]);
            down[0] = rank;
            (up[0], up[1]) = (place.shape[0], rank);
            let bound = (1.0 / inputs as f64).sqrt() as f32;
            let values: Vec<f32> = (0..rank * inputs)
                .map(|_| random.random_range(-bound..=bound))
                .collect();
            let mut drawn = Tensor::f_from_slice(&values)?.f_view([rank, inputs])?;
            if options.up_only {
                drawn = orthonormal(&drawn)?;
            }
            let down = drawn.f_view(down.as_slice())?;
            Ok(LoraLayer {
                component: place.component,
                path: place.path,
                down: down.f_to_device(place.device)?.f_to_kind(place.kind)?,
                up: Tensor::f_zeros(up.as_slice(), (place.kind, place.device))?,
                alpha: options.alpha * rank as f64 / f64::from(options.rank),
            })
        });
        Ok(Self {
            layers: layers.collect::<Result<_>>()?,
            up_only: options.up_only,
        })
    }

    /// Attaches the branches to `unet` and `text`, which share their tensors, at the strength of
    /// `multiplier`.
    pub(crate) fn attach(&self, unet: &UNet, text: &ClipTextModel, multiplier: &Multiplier) {
        let add = |component: Component, path: &str, layer: LayerRef<'_>| {
            let mut own = self.layers.iter();
            if let Some(own) = own.find(|l| l.component == component && l.path == path) {
                layer.add_branch(LowRankBranch {
                    down: own.down.shallow_clone(),
                    up: own.up.shallow_clone(),
                    scale: own.scale(),
                    multiplier: multiplier.clone(),
                });
            }
        };
        unet.for_each_layer(&mut |path, layer| add(Component::UNet, path, layer));
        text.for_each_layer(&mut |path, layer| add(Component::TextEncoder, path, layer));
    }

    /// Whether the text encoder has branches.
    pub(crate) fn is_on_text(&self) -> bool {
        self.layers.iter().any(|l| l.component != Component::UNet)
    }

    /// Its tensors by name, as they are trained.
    pub(crate) fn parameters(&self) -> Vec<(String, Tensor)> {
        let both = |layer: &LoraLayer| {
            let [down, up] = names(layer);
            let down = (!self.up_only).then(|| (down, layer.down.shallow_clone()));
            down.into_iter().chain([(up, layer.up.shallow_clone())])
        };
        self.layers.iter().flat_map(both).collect()
    }

    /// The same layers with trained `parameters` in the place of their own.
    ///
    /// # Errors
    /// One of them is missing.
    pub(crate) fn with_parameters(&self, parameters: &[(String, Tensor)]) -> Result<Self> {
        let find = |name: &str| match parameters.iter().find(|(n, _)| n == name) {
            Some((_, tensor)) => Ok(tensor.shallow_clone()),
            None => Err(EngineError::request("lora", format!("lacks {name}"))),
        };
        let layers = self.layers.iter().map(|layer| {
            let [down, up] = names(layer);
            Ok(LoraLayer {
                component: layer.component,
                path: layer.path.clone(),
                down: if self.up_only {
                    layer.down.shallow_clone()
                } else {
                    find(&down)?
                },
                up: find(&up)?,
                alpha: layer.alpha,
            })
        });
        Ok(Self {
            layers: layers.collect::<Result<_>>()?,
            up_only: self.up_only,
        })
    }
}

/// `rows` `[rank, inputs]` made orthonormal, in the length that they are drawn with.
fn orthonormal(rows: &Tensor) -> Result<Tensor> {
    let (q, _) = Tensor::f_linalg_qr(&rows.f_transpose(0, 1)?, "reduced")?;
    // A row drawn uniformly within 1 / √inputs has the length √(1/3).
    Ok(q.f_transpose(0, 1)?
        .f_mul_scalar((1.0_f64 / 3.0).sqrt())?
        .f_contiguous()?)
}

/// Names of a layer's parameters.
fn names(layer: &LoraLayer) -> [String; 2] {
    let at = format!("{}.{}", layer.component.folder(), layer.path);
    [format!("{at}.down"), format!("{at}.up")]
}

/// A layer that gets a branch.
struct Place {
    component: Component,
    path: String,
    shape: Vec<i64>,
    kind: Kind,
    device: Device,
}

impl Place {
    fn of(component: Component, path: &str, layer: LayerRef<'_>) -> Self {
        let (kind, device) = layer.weight_options();
        Self {
            component,
            path: path.to_owned(),
            shape: layer.weight_shape(),
            kind,
            device,
        }
    }
}
