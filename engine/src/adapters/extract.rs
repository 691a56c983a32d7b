//! A LoRA out of a whole checkpoint: what its weights are apart from another's.

use tch::{Kind, Tensor};

use super::factor::low_rank_of;
use super::keys::Component;
use super::merge::Merged;
use super::write::LoraLayer;
use crate::models::clip::ClipTextModel;
use crate::models::unet::UNet;
use crate::{EngineError, Result};

/// Differences below this fraction of the weight's own length are none.
const NOTHING: f64 = 1e-6;

/// The layers of one network, by path.
type Layers = Vec<(String, Tensor)>;

/// What `tuned` differs from `base` by, in every layer as factors of `rank`; with the text encoders
/// too where they are given.
///
/// # Errors
/// The two are of different shapes, they do not differ, or memory runs out.
pub fn extract(
    (base, tuned): (&UNet, &UNet),
    texts: Option<(&ClipTextModel, &ClipTextModel)>,
    rank: u32,
) -> Result<Merged> {
    let _guard = tch::no_grad_guard();
    let mut all = vec![(Component::UNet, of_unet(base), of_unet(tuned))];
    if let Some((base, tuned)) = texts {
        all.push((Component::TextEncoder, of_text(base), of_text(tuned)));
    }
    let mut layers: Vec<LoraLayer> = Vec::new();
    let mut kept = Vec::new();
    for (component, base, tuned) in all {
        let same = base.len() == tuned.len()
            && base
                .iter()
                .zip(&tuned)
                .all(|(a, b)| a.0 == b.0 && a.1.size() == b.1.size());
        if !same {
            let problem = format!("the {component} is not that of the base; take its own base");
            return Err(EngineError::request("model", problem));
        }
        for ((path, base), (_, tuned)) in base.iter().zip(&tuned) {
            let base = base.f_to_kind(Kind::Float)?;
            let delta = tuned.f_to_kind(Kind::Float)?.f_sub(&base)?;
            let own = f64::try_from(base.f_norm()?)?;
            if f64::try_from(delta.f_norm()?)? <= NOTHING * own {
                continue;
            }
            let factors = low_rank_of(&delta, i64::from(rank))?;
            kept.push(factors.kept);
            layers.push(factors.into_layer(component, path));
        }
    }
    if layers.is_empty() {
        let problem = "does not differ from the base in any layer";
        return Err(EngineError::request("model", problem));
    }
    Ok(Merged {
        layers,
        kept: kept.iter().sum::<f64>() / kept.len() as f64,
        notes: vec!["biases and norms are left out; no LoRA holds them".to_owned()],
    })
}

fn of_unet(unet: &UNet) -> Layers {
    let mut layers = Vec::new();
    unet.for_each_layer(&mut |path, layer| {
        layers.push((path.to_owned(), layer.own().0.shallow_clone()));
    });
    layers
}

fn of_text(text: &ClipTextModel) -> Layers {
    let mut layers = Vec::new();
    text.for_each_layer(&mut |path, layer| {
        layers.push((path.to_owned(), layer.own().0.shallow_clone()));
    });
    layers
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use tch::Device;

    use super::*;
    use crate::checkpoint::{Checkpoint, tiny};
    use crate::models::unet::UNetConfig;

    fn unet(folder: &Path, seed: i64) -> UNet {
        if !folder.join("unet").exists() {
            tiny::write_model(folder, seed).unwrap();
        }
        let model = Checkpoint::open(folder).unwrap();
        let config: UNetConfig = model.component_config("unet").unwrap();
        let params = model.component_params("unet", Kind::Float, Device::Cpu);
        UNet::new(&params.unwrap().root(), &config).unwrap()
    }

    #[test]
    fn a_full_rank_holds_the_whole_difference() {
        let folder = tempfile::tempdir().unwrap();
        let base = unet(&folder.path().join("a"), 1);
        let tuned = unet(&folder.path().join("b"), 2);
        let whole = extract((&base, &tuned), None, 1000).unwrap();
        assert!(whole.kept > 0.9999);
        let (base_layers, tuned_layers) = (of_unet(&base), of_unet(&tuned));
        assert_eq!(whole.layers.len(), base_layers.len());
        for (layer, (a, b)) in whole
            .layers
            .iter()
            .zip(base_layers.iter().zip(&tuned_layers))
        {
            let delta = layer.up.flatten(1, -1).matmul(&layer.down.flatten(1, -1));
            let wanted = &b.1 - &a.1;
            let near = delta
                .reshape(wanted.size())
                .allclose(&wanted, 1e-3, 1e-4, false);
            assert!(near, "{}", layer.path);
        }
        assert!(extract((&base, &tuned), None, 1).unwrap().kept < 0.9);
        let said = extract((&base, &base), None, 4).unwrap_err().to_string();
        assert!(said.contains("does not differ"), "{said}");
    }
}
