//! Several LoRAs as one: soups (arXiv 2203.05482), Model Stock (arXiv 2403.19522) and scaling by
//! depth (`LiNeS`, arXiv 2410.17146).

use std::collections::BTreeMap;
use std::path::Path;
use std::str::FromStr;

use tch::{Kind, Tensor};

use super::convert::LoraFormat;
use super::delta::Delta;
use super::depth::Depths;
use super::factor::low_rank_of;
use super::keys::Component;
use super::modules::Modules;
use super::read::Adapter;
use super::write::{LoraLayer, save_lora};
use crate::{EngineError, Result};

/// How differences are put together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MergeRule {
    /// The sum, each times its weight.
    #[default]
    Sum,
    /// The mean, each times its weight.
    Mean,
    /// The mean, drawn back to the model the more the differences disagree in a layer: by
    /// N cos θ / (1 + (N − 1) cos θ), with the mean cosine of two of the N.
    Stock,
}

impl MergeRule {
    /// All rules.
    pub const ALL: [Self; 3] = [Self::Sum, Self::Mean, Self::Stock];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sum => "sum",
            Self::Mean => "mean",
            Self::Stock => "stock",
        }
    }
}

impl FromStr for MergeRule {
    type Err = EngineError;

    fn from_str(name: &str) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|rule| rule.name() == name);
        found.ok_or_else(|| {
            let known = Self::ALL.map(Self::name).join(", ");
            EngineError::request("rule", format!("\"{name}\" is not one of {known}"))
        })
    }
}

/// What comes of a merge.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct MergeOptions {
    /// How differences are put together.
    pub rule: MergeRule,
    /// Rank of the outcome, by singular values; `None` for all that the sum has, exactly.
    pub rank: Option<u32>,
    /// `LiNeS`: layers at the beginning of a network count with the first number, those at its end
    /// with the sum of both, linearly between.
    pub by_depth: Option<(f64, f64)>,
}

/// One LoRA of several.
#[derive(Debug)]
pub struct Merged {
    /// Its layers.
    pub layers: Vec<LoraLayer>,
    /// Fraction, 0..1, of the sum's squares that its rank holds, the mean over layers.
    pub kept: f64,
    /// What the artist should know, a sentence each.
    pub notes: Vec<String>,
}

impl Merged {
    /// Writes it to `path` in `format`, in fp16, with `metadata` and its rank.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn save(
        &self,
        path: &Path,
        format: LoraFormat,
        metadata: &BTreeMap<String, String>,
    ) -> Result<()> {
        let rank = self.layers.iter().map(LoraLayer::rank).max().unwrap_or(1);
        let mut notes = metadata.clone();
        notes.insert("ss_network_dim".to_owned(), rank.to_string());
        notes.insert("ss_network_alpha".to_owned(), rank.to_string());
        save_lora(path, &self.layers, format, Kind::Half, &notes)
    }
}

/// Merges `adapters`, read for the model with `modules`, each with its weight.
///
/// # Errors
/// There are none, an adapter has parts that no LoRA holds without a rank given, or memory runs
/// out.
pub fn merge(
    adapters: &[(&Adapter, f64)],
    modules: &Modules,
    options: &MergeOptions,
) -> Result<Merged> {
    let _guard = tch::no_grad_guard();
    let mut by_layer: BTreeMap<&(Component, String), Vec<(&Delta, f64)>> = BTreeMap::new();
    let (mut notes, mut left_out) = (Vec::new(), 0);
    for (adapter, weight) in adapters {
        notes.extend(adapter.notes.iter().cloned());
        left_out += adapter.norms.len();
        for (place, layer) in &adapter.layers {
            if layer.magnitude.is_some() {
                let problem = format!(
                    "{} has DoRA's magnitudes, which depend on the weight and cannot be added; \
                     leave that adapter out",
                    place.1
                );
                return Err(EngineError::request("merge", problem));
            }
            left_out += usize::from(layer.bias.is_some());
            if let Some(delta) = &layer.weight {
                by_layer.entry(place).or_default().push((delta, *weight));
            }
        }
    }
    if left_out > 0 {
        notes.push(format!(
            "{left_out} differences of biases and norms are left out; no LoRA holds them"
        ));
    }
    let depths = Depths::of(modules);
    let mut kept = Vec::new();
    let mut layers = Vec::new();
    for (place, deltas) in by_layer {
        let share = match options.by_depth {
            Some((first, more)) => first + more * depths.part(place),
            None => 1.0,
        };
        let Some(module) = modules
            .all()
            .iter()
            .find(|m| (m.component, &m.path) == (place.0, &place.1))
        else {
            continue;
        };
        let count = adapters.len() as f64;
        let scale = share
            * match options.rule {
                MergeRule::Sum => 1.0,
                MergeRule::Mean => 1.0 / count,
                MergeRule::Stock => agreement(&deltas, &module.shape, adapters.len())? / count,
            };
        let (layer, own) = layer(place, &deltas, &module.shape, scale, options.rank)?;
        kept.push(own);
        layers.push(layer);
    }
    if layers.is_empty() {
        return Err(EngineError::request("merge", "there is nothing to merge"));
    }
    Ok(Merged {
        layers,
        kept: kept.iter().sum::<f64>() / kept.len() as f64,
        notes,
    })
}

/// One layer of the outcome, and how much of it its rank holds.
fn layer(
    place: &(Component, String),
    deltas: &[(&Delta, f64)],
    shape: &[i64],
    scale: f64,
    rank: Option<u32>,
) -> Result<(LoraLayer, f64)> {
    let Some(rank) = rank else {
        return Ok((side_by_side(place, deltas, shape, scale)?, 1.0));
    };
    let mut sum = Tensor::f_zeros(shape, (Kind::Float, tch::Device::Cpu))?;
    for (delta, weight) in deltas {
        let _ = sum.f_add_(&delta.dense(shape)?.f_mul_scalar(weight * scale)?)?;
    }
    let factors = low_rank_of(&sum, i64::from(rank))?;
    let kept = factors.kept;
    Ok((factors.into_layer(place.0, &place.1), kept))
}

/// The branches of all side by side: their sum, exactly.
fn side_by_side(
    place: &(Component, String),
    deltas: &[(&Delta, f64)],
    shape: &[i64],
    scale: f64,
) -> Result<LoraLayer> {
    let (mut downs, mut ups) = (Vec::new(), Vec::new());
    for (delta, weight) in deltas {
        let Delta::LowRank {
            down,
            up,
            scale: own,
        } = delta
        else {
            let problem = format!(
                "{} is changed by more than low-rank branches; say with --rank how much of it to \
                 keep",
                place.1
            );
            return Err(EngineError::request("merge", problem));
        };
        let mut shape = shape.to_vec();
        shape[0] = down.size()[0];
        downs.push(down.f_reshape(&shape)?);
        ups.push(up.f_mul_scalar(weight * own * scale)?);
    }
    let down = Tensor::f_cat(&downs, 0)?;
    let rank = down.size()[0];
    let mut up_shape = vec![1; shape.len()];
    (up_shape[0], up_shape[1]) = (shape[0], rank);
    Ok(LoraLayer {
        component: place.0,
        path: place.1.clone(),
        up: Tensor::f_cat(&ups, 1)?.f_reshape(&up_shape)?,
        down,
        alpha: rank as f64,
    })
}

/// Model Stock's share of the mean in one layer. An adapter without the layer agrees with none.
fn agreement(deltas: &[(&Delta, f64)], shape: &[i64], count: usize) -> Result<f64> {
    let mut flat = Vec::new();
    for (delta, _) in deltas {
        flat.push(delta.dense(shape)?.f_reshape([-1])?);
    }
    let pairs = (count * count.saturating_sub(1) / 2).max(1) as f64;
    let mut sum = 0.0;
    for (at, a) in flat.iter().enumerate() {
        for b in &flat[at + 1..] {
            let lengths = f64::try_from(a.f_norm()?)? * f64::try_from(b.f_norm()?)?;
            if lengths > 0.0 {
                sum += f64::try_from(a.f_dot(b)?)? / lengths;
            }
        }
    }
    if count < 2 {
        return Ok(1.0);
    }
    let cosine = (sum / pairs).clamp(0.0, 1.0);
    let count = count as f64;
    Ok(count * cosine / (1.0 + (count - 1.0) * cosine))
}

#[cfg(test)]
mod tests {
    use tch::Device;

    use super::super::read::LayerDelta;
    use super::*;
    use crate::checkpoint::{Checkpoint, tiny};
    use crate::models::unet::{UNet, UNetConfig};

    const FIRST: &str = "down_blocks.0.resnets.0.conv1";
    const LAST: &str = "up_blocks.1.resnets.0.conv1";

    fn modules() -> Modules {
        let folder = tempfile::tempdir().unwrap();
        tiny::write_model(folder.path(), 3).unwrap();
        let model = Checkpoint::open(folder.path()).unwrap();
        let config: UNetConfig = model.component_config("unet").unwrap();
        let params = model.component_params("unet", Kind::Float, Device::Cpu);
        let unet = UNet::new(&params.unwrap().root(), &config).unwrap();
        Modules::of(&unet, &[])
    }

    fn shape(modules: &Modules, path: &str) -> Vec<i64> {
        let mut all = modules.all().iter();
        all.find(|m| m.path == path).unwrap().shape.clone()
    }

    /// An adapter of rank 2 on the first and the last convolution.
    fn adapter(modules: &Modules, phase: f64) -> Adapter {
        let values = |shape: &[i64], phase: f64| {
            let count: i64 = shape.iter().product();
            let at = Tensor::arange(count, (Kind::Float, Device::Cpu));
            (at * 0.9 + phase).sin().reshape(shape)
        };
        let layers = [FIRST, LAST].map(|path| {
            let mut down = shape(modules, path);
            let out = down[0];
            down[0] = 2;
            let delta = LayerDelta {
                weight: Some(Delta::LowRank {
                    down: values(&down, phase),
                    up: values(&[out, 2], 2.0 * phase),
                    scale: 0.5,
                }),
                bias: None,
                magnitude: None,
            };
            ((Component::UNet, path.to_owned()), delta)
        });
        Adapter {
            layers: layers.into(),
            norms: BTreeMap::new(),
            notes: Vec::new(),
        }
    }

    /// The difference that a merged layer makes.
    fn dense(layer: &LoraLayer) -> Tensor {
        let (down, up) = (layer.down.flatten(1, -1), layer.up.flatten(1, -1));
        let delta = up.matmul(&down) * layer.scale();
        let mut shape = layer.down.size();
        shape[0] = layer.up.size()[0];
        delta.reshape(shape)
    }

    fn of(adapter: &Adapter, path: &str, modules: &Modules) -> Tensor {
        let layer = &adapter.layers[&(Component::UNet, path.to_owned())];
        let delta = layer.weight.as_ref().unwrap();
        delta.dense(&shape(modules, path)).unwrap()
    }

    fn assert_close(a: &Tensor, b: &Tensor) {
        assert!(a.allclose(b, 1e-4, 1e-5, false));
    }

    #[test]
    fn a_sum_is_exact_side_by_side_and_at_its_own_rank() {
        let modules = modules();
        let (a, b) = (adapter(&modules, 0.3), adapter(&modules, 1.1));
        let both = [(&a, 0.7), (&b, -0.4)];
        let wanted = of(&a, FIRST, &modules) * 0.7 - of(&b, FIRST, &modules) * 0.4;
        for rank in [None, Some(4)] {
            let options = MergeOptions {
                rank,
                ..MergeOptions::default()
            };
            let merged = merge(&both, &modules, &options).unwrap();
            assert_eq!(merged.layers.len(), 2);
            assert!(merged.kept > 0.9999);
            assert_close(&dense(&merged.layers[0]), &wanted);
        }
        let low = MergeOptions {
            rank: Some(1),
            ..MergeOptions::default()
        };
        assert!(merge(&both, &modules, &low).unwrap().kept < 0.99);
        assert!(merge(&[], &modules, &low).is_err());
    }

    #[test]
    fn means_of_equals_are_themselves_and_stock_draws_back_what_disagrees() {
        let modules = modules();
        let (a, b) = (adapter(&modules, 0.3), adapter(&modules, 1.1));
        let length = |adapters: &[(&Adapter, f64)], rule| {
            let options = MergeOptions {
                rule,
                ..MergeOptions::default()
            };
            let merged = merge(adapters, &modules, &options).unwrap();
            dense(&merged.layers[0]).norm().double_value(&[])
        };
        let own = of(&a, FIRST, &modules).norm().double_value(&[]);
        for rule in [MergeRule::Mean, MergeRule::Stock] {
            let same = length(&[(&a, 1.0), (&a, 1.0)], rule);
            assert!((same / own - 1.0).abs() < 1e-4, "{rule:?} {same} {own}");
        }
        let apart = [(&a, 1.0), (&b, 1.0)];
        assert!(length(&apart, MergeRule::Stock) < length(&apart, MergeRule::Mean));
    }

    #[test]
    fn depth_scales_from_the_first_block_to_the_last() {
        let modules = modules();
        let a = adapter(&modules, 0.3);
        let options = MergeOptions {
            by_depth: Some((0.2, 0.8)),
            ..MergeOptions::default()
        };
        let merged = merge(&[(&a, 1.0)], &modules, &options).unwrap();
        for (layer, (path, share)) in merged.layers.iter().zip([(FIRST, 0.2), (LAST, 1.0)]) {
            assert_eq!(layer.path, path);
            assert_close(&dense(layer), &(of(&a, path, &modules) * share));
        }
    }
}
