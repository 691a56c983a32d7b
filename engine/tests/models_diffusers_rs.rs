//! The networks against diffusers-rs, on the same weights in the same process.

#![allow(clippy::unwrap_used)] // a test may panic

mod models_common;

use diffusers::models::unet_2d::{BlockConfig, UNet2DConditionModel, UNet2DConditionModelConfig};
use diffusers::models::vae::{AutoEncoderKL, AutoEncoderKLConfig};
use models_common::{assert_close, case, store, tensor, weight};
use tch::nn::VarStore;
use tch::{Device, Kind, Tensor};
use vernier_engine::models::unet::UNet;
use vernier_engine::models::vae::Vae;

/// Gives every variable the weight that our model has under the same name.
fn fill(variables: &VarStore, rename: impl Fn(&str) -> String) {
    for (name, mut variable) in variables.variables() {
        variable.copy_(&weight(&rename(&name), &variable.size()));
    }
}

#[test]
fn unet_agrees() {
    let _guard = tch::no_grad_guard();
    for (name, size, heads, linear) in [
        ("sd1", [8, 8], [4, 4], false),
        ("sd2", [8, 6], [2, 4], true),
    ] {
        let mut case = case("unet", name);
        // diffusers-rs builds its residual blocks with 32 groups whatever its configuration says.
        case["config"]["norm_num_groups"] = 32.into();
        let variables = VarStore::new(Device::Cpu);
        let block = |out_channels, use_cross_attn, attention_head_dim| BlockConfig {
            out_channels,
            use_cross_attn,
            attention_head_dim,
        };
        let config = UNet2DConditionModelConfig {
            blocks: vec![block(32, true, heads[0]), block(64, false, heads[1])],
            layers_per_block: case["config"]["layers_per_block"].as_i64().unwrap(),
            norm_num_groups: 32,
            cross_attention_dim: 32,
            use_linear_projection: linear,
            ..Default::default()
        };
        let theirs = UNet2DConditionModel::new(variables.root(), 4, 4, config);
        fill(&variables, str::to_owned);

        let (_folder, store) = store(&case, Kind::Float);
        let config = serde_json::from_value(case["config"].clone()).unwrap();
        let ours = UNet::new(&store.root(), &config).unwrap();
        let latents = tensor("latents", &[2, 4, size[0], size[1]], 1.0, 0.0);
        let text = tensor("text", &[2, 7, 32], 1.0, 0.0);
        let context = ours.text_context(&text).unwrap();
        let timesteps = Tensor::from_slice(&[261.0_f32, 261.0]);
        let got = ours
            .forward(&latents, &timesteps, &context, None, None)
            .unwrap();
        assert_close(name, &got, &theirs.forward(&latents, 261.0, &text), 1e-4);
    }
}

#[test]
fn vae_agrees() {
    let _guard = tch::no_grad_guard();
    let case = case("vae", "sd1");
    let variables = VarStore::new(Device::Cpu);
    let config = AutoEncoderKLConfig {
        block_out_channels: vec![32, 64],
        layers_per_block: 1,
        latent_channels: 4,
        norm_num_groups: 8,
    };
    let theirs = AutoEncoderKL::new(variables.root(), 3, 3, config);
    fill(&variables, |name| {
        name.replace(".query.", ".to_q.")
            .replace(".key.", ".to_k.")
            .replace(".value.", ".to_v.")
            .replace(".proj_attn.", ".to_out.0.")
    });

    let (_folder, store) = store(&case, Kind::Float);
    let config = serde_json::from_value(case["config"].clone()).unwrap();
    let ours = Vae::new(&store.root(), &config).unwrap();
    let latents = tensor("latents", &[2, 4, 10, 6], 1.0, 0.0);
    let got = ours.decode(&latents).unwrap();
    assert_close("decoded", &got, &theirs.decode(&latents), 1e-4);
    // Their distribution shows samples alone: draw both with the same seed.
    let images = tensor("images", &[2, 3, 20, 12], 1.0, 0.0);
    let ours = ours.encode(&images).unwrap();
    let theirs = theirs.encode(&images);
    tch::manual_seed(7);
    let want = theirs.sample();
    tch::manual_seed(7);
    let noise = want.randn_like();
    assert_close("sample", &ours.sample(&noise).unwrap(), &want, 1e-4);
}
