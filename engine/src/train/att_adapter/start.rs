//! Where the parameters of an adapter begin, so that a short training suffices.

use tch::Tensor;

use crate::Result;
use crate::layers::LayerRef;
use crate::models::unet::UNet;

/// The networks that read the values, the last columns of their first layer.
const READERS: [&str; 3] = ["mlp", "prior", "posterior"];
/// The networks whose outputs are means and log-variances.
const GAUSSIANS: [&str; 2] = ["prior", "posterior"];
/// All networks between the values and the tokens.
const NETWORKS: [&str; 4] = ["mlp", "prior", "posterior", "decoder"];
/// How much farther apart than at random the means begin, so that they stand out of the noise.
const MEANS_APART: f64 = 8.0;
/// Log-variance at the start. At the usual 0 the noise of a sample drowns what the values say, and
/// the U-Net learns to look away before they are heard.
const FIRST_LOGVAR: f64 = -4.0;

/// Starts the new keys as the U-Net's own of the same layer, so that they fit its queries from the
/// first step, and the new values at zero, so that training begins with the model as it is.
///
/// # Errors
/// Memory runs out.
pub(super) fn start_like(unet: &UNet, parameters: &[(String, Tensor)]) -> Result<()> {
    let _guard = tch::no_grad_guard();
    let mut outcome = Ok(());
    unet.for_each_layer(&mut |path, layer| {
        let LayerRef::Linear(layer) = layer else {
            return;
        };
        let Some(mut parameter) = named(parameters, &format!("sites.{path}.weight")) else {
            return;
        };
        let done = if path.ends_with("to_v") {
            parameter.f_zero_().map(drop)
        } else {
            parameter.f_copy_(&layer.weight)
        };
        if let Err(error) = done {
            outcome = Err(error.into());
        }
    });
    outcome
}

/// Starts the first layers as if they read values of mean 0 and variance 1, with 0 for one that is
/// not set, and as loud as all else that they read; without biases, which say the same whatever the
/// values; and with means far apart for their deviations. As layers usually start, 3 % of a plain
/// network's tokens would be the values' and 0.4 % of the CVAE's, seven times less than its noise.
///
/// # Errors
/// Memory runs out.
pub(super) fn start_spread(parameters: &[(String, Tensor)], attributes: i64) -> Result<()> {
    let _guard = tch::no_grad_guard();
    for reader in READERS {
        let Some(weight) = named(parameters, &format!("{reader}.0.weight")) else {
            continue;
        };
        let columns = weight.size2()?.1;
        let loudness = (columns as f64 / attributes as f64).sqrt();
        let mut values = weight.f_narrow(1, columns - 2 * attributes, attributes)?;
        let mut flags = weight.f_narrow(1, columns - attributes, attributes)?;
        // Evenly spread over 0..1, a value has the deviation 1/√12.
        let _ = values.f_mul_scalar_(12.0_f64.sqrt() * loudness)?;
        flags.f_copy_(&values.f_mul_scalar(-0.5)?)?;
    }
    for network in NETWORKS {
        for layer in 0..3 {
            if let Some(mut bias) = named(parameters, &format!("{network}.{layer}.bias")) {
                let _ = bias.f_zero_()?;
            }
        }
    }
    for gaussian in GAUSSIANS {
        if let Some(weight) = named(parameters, &format!("{gaussian}.2.weight")) {
            let mut means = weight.f_chunk(2, 0)?.swap_remove(0);
            let _ = means.f_mul_scalar_(MEANS_APART)?;
        }
        if let Some(bias) = named(parameters, &format!("{gaussian}.2.bias")) {
            let mut logvar = bias.f_chunk(2, 0)?.swap_remove(1);
            let _ = logvar.f_fill_(FIRST_LOGVAR)?;
        }
    }
    Ok(())
}

/// The parameter `name`, sharing its memory.
fn named(parameters: &[(String, Tensor)], name: &str) -> Option<Tensor> {
    let (_, parameter) = parameters.iter().find(|(n, _)| n == name)?;
    Some(parameter.shallow_clone())
}

#[cfg(test)]
mod tests {
    use tch::{Device, Kind, Tensor};

    use super::*;
    use crate::controls::{AdapterNetwork, AdapterShape, AttributeRange, condition};
    use crate::sampling::lock_generator;
    use crate::weights::ParamStore;

    const SHAPE: AdapterShape = AdapterShape {
        tokens: 2,
        dim: 32,
        latent_dim: 16,
        hidden_dim: 64,
    };

    /// The part of the tokens' variance that comes from the values, with and without the start.
    fn spreads(is_cvae: bool) -> [f64; 2] {
        let store = ParamStore::fresh(Kind::Float, Device::Cpu);
        let network = {
            let _generator = lock_generator();
            tch::manual_seed(3);
            AdapterNetwork::new(&store.root(), is_cvae, SHAPE, 3, &[]).unwrap()
        };
        let range = |name: &str| AttributeRange {
            name: name.to_owned(),
            low: 0.0,
            high: 1.0,
        };
        let ranges = ["a", "b", "c"].map(range);
        let steps = [0.0, 0.25, 0.5, 0.75, 1.0];
        let rows: Vec<Vec<Option<f64>>> = steps
            .iter()
            .flat_map(|&a| steps.map(|b| vec![Some(a), Some(b), Some(1.0 - a)]))
            .collect();
        let condition = condition(&ranges, &rows).unwrap();
        let spread = || {
            let tokens = network.tokens(&condition).unwrap();
            let mean = tokens.mean_dim([0_i64].as_slice(), true, Kind::Float);
            let own = (&tokens - &mean).square().mean(Kind::Float);
            own.double_value(&[]) / tokens.square().mean(Kind::Float).double_value(&[])
        };
        let before = spread();
        start_spread(&store.named(), 3).unwrap();
        [before, spread()]
    }

    #[test]
    fn the_values_are_heard_from_the_first_step() {
        for is_cvae in [false, true] {
            let [before, after] = spreads(is_cvae);
            assert!(before < 0.1 && after > 0.4, "{before} {after}");
        }
    }

    #[test]
    fn a_value_in_the_middle_is_as_one_that_is_not_set() {
        let weight = Tensor::rand([8, 9], (Kind::Float, Device::Cpu));
        let parameters = vec![("mlp.0.weight".to_owned(), weight.shallow_clone())];
        start_spread(&parameters, 3).unwrap();
        // Three columns of something else, then three values and three flags.
        let set = Tensor::from_slice(&[0.0_f32, 0.0, 0.0, 0.5, 0.5, 0.5, 1.0, 1.0, 1.0]);
        let out = weight.matmul(&set);
        assert!(out.abs().max().double_value(&[]) < 1e-5);
    }
}
