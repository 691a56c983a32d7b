//! The U-Net against Python diffusers.

#![allow(clippy::unwrap_used, reason = "clippy only knows test functions")]

mod models_common;

use models_common::{assert_close, case, expected, store, tensor};
use serde_json::Value;
use tch::{Kind, Tensor};
use vernier_engine::models::unet::{AddedConditions, UNet, UNetConfig};

fn config(case: &Value) -> UNetConfig {
    serde_json::from_value(case["config"].clone()).unwrap()
}

/// The same inputs as in `make_models.py`.
struct Inputs {
    latents: Tensor,
    timesteps: Tensor,
    text: Tensor,
    added: AddedConditions,
}

impl Inputs {
    fn new(case: &Value) -> Self {
        let size: [i64; 2] = serde_json::from_value(case["size"].clone()).unwrap();
        let config = config(case);
        let added = AddedConditions {
            pooled: Some(tensor("pooled", &[2, 16], 1.0, 0.0)),
            time_ids: Some(tensor("time_ids", &[2, 6], 256.0, 256.0)),
            timestep_cond: config
                .time_cond_proj_dim
                .map(|dim| tensor("timestep_cond", &[2, dim], 1.0, 0.0)),
        };
        Self {
            latents: tensor(
                "latents",
                &[2, config.in_channels, size[0], size[1]],
                1.0,
                0.0,
            ),
            timesteps: Tensor::from_slice(&[981.0_f32, 20.5]),
            text: tensor("text", &[2, 7, 32], 1.0, 0.0),
            added,
        }
    }

    fn run(&self, unet: &UNet) -> Tensor {
        let context = unet.text_context(&self.text).unwrap();
        unet.forward(
            &self.latents,
            &self.timesteps,
            &context,
            Some(&self.added),
            None,
        )
        .unwrap()
    }
}

#[test]
fn agrees_with_diffusers() {
    let _guard = tch::no_grad_guard();
    for name in ["sd1", "sd1_odd", "sd2", "sdxl", "rare"] {
        let case = case("unet", name);
        let (_folder, store) = store(&case, Kind::Float);
        let unet = UNet::new(&store.root(), &config(&case)).unwrap();
        store.finish().unwrap();
        let want = expected(&format!("unet.{name}"));
        assert_close(name, &Inputs::new(&case).run(&unet), &want, 1e-5);
    }
}
