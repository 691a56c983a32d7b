//! The autoencoder against Python diffusers.

#![allow(clippy::unwrap_used)] // a test may panic

mod models_common;

use models_common::{assert_close, case, expected, fixture, keys, store, store_renamed, tensor};
use serde_json::Value;
use tch::{Device, Kind, Tensor};
use vernier_engine::EngineError;
use vernier_engine::models::vae::{Tiling, Vae, VaeConfig};
use vernier_engine::weights::{ParamStore, SafetensorsFile};

fn config(case: &Value) -> VaeConfig {
    serde_json::from_value(case["config"].clone()).unwrap()
}

fn images(case: &Value) -> Tensor {
    let size: [i64; 2] = serde_json::from_value(case["size"].clone()).unwrap();
    tensor("images", &[2, 3, size[0], size[1]], 1.0, 0.0)
}

fn check(vae: &Vae, name: &str, case: &Value, tolerance: f64) {
    let _guard = tch::no_grad_guard();
    let want = |what: &str| expected(&format!("vae.{name}.{what}"));
    let latent = vae.encode(&images(case)).unwrap();
    assert_close("mean", latent.mean(), &want("mean"), tolerance);
    assert_close("logvar", latent.logvar(), &want("logvar"), tolerance);
    let shape = latent.mean().size();
    let sample = latent.sample(&tensor("noise", &shape, 1.0, 0.0)).unwrap();
    assert_close("sample", &sample, &want("sample"), tolerance);
    let kl = latent.kl().unwrap();
    let sum = kl.sum_dim_intlist([1, 2, 3].as_slice(), false, Kind::Float);
    assert_close("kl", &sum, &want("kl"), tolerance);
    let decoded = vae.decode(&tensor("latents", &shape, 1.0, 0.0)).unwrap();
    assert_close("decoded", &decoded, &want("decoded"), tolerance);
}

#[test]
fn agrees_with_diffusers() {
    for name in ["sd1", "bare"] {
        let case = case("vae", name);
        let (_folder, store) = store(&case, Kind::Float);
        let vae = Vae::new(&store.root(), &config(&case)).unwrap();
        store.finish().unwrap();
        check(&vae, name, &case, 1e-5);
    }
}

#[test]
fn tiles_are_those_of_diffusers() {
    let _guard = tch::no_grad_guard();
    let case = case("vae", "sd1");
    let (_folder, store) = store(&case, Kind::Float);
    let vae = Vae::new(&store.root(), &config(&case)).unwrap();
    let told = SafetensorsFile::open(&fixture("tiling.safetensors")).unwrap();
    let told = |name| {
        told.tensor(name, Kind::Float, Device::Cpu)
            .unwrap()
            .unwrap()
    };
    let tiling = Tiling { tile_px: 16 };
    let latents = tensor("tiled_latents", &[1, 4, 15, 21], 1.0, 0.0);
    let decoded = vae.decode_tiled(&latents, tiling).unwrap();
    assert_close("decoded", &decoded, &told("decoded"), 1e-5);
    let picture = tensor("tiled_picture", &[1, 3, 30, 42], 1.0, 0.0);
    let encoded = vae.encode_tiled(&picture, tiling).unwrap();
    assert_close("mean", encoded.mean(), &told("mean"), 1e-5);

    // One tile that holds everything is the whole.
    let whole = vae.decode(&latents).unwrap();
    let one = vae.decode_tiled(&latents, Tiling { tile_px: 64 }).unwrap();
    assert!(one.equal(&whole));
    assert!(!decoded.equal(&whole));
}

#[test]
fn reads_the_older_attention_names() {
    let case = case("vae", "sd1");
    let (_folder, store) = store_renamed(&case, Kind::Float, |name| {
        name.replace(".to_q.", ".query.")
            .replace(".to_k.", ".key.")
            .replace(".to_v.", ".value.")
            .replace(".to_out.0.", ".proj_attn.")
    });
    let vae = Vae::new(&store.root(), &config(&case)).unwrap();
    store.finish().unwrap();
    check(&vae, "sd1", &case, 1e-5);
}

#[test]
fn bf16_stays_close() {
    let case = case("vae", "sd1");
    let (_folder, store) = store(&case, Kind::BFloat16);
    let vae = Vae::new(&store.root(), &config(&case)).unwrap();
    let _guard = tch::no_grad_guard();
    let latent = vae.encode(&images(&case)).unwrap();
    assert_eq!(latent.mean().kind(), Kind::BFloat16);
    assert_close("mean", latent.mean(), &expected("vae.sd1.mean"), 0.05);
}

#[test]
fn every_parameter_is_asked_for_once_and_learns() {
    let case = case("vae", "sd1");
    let store = ParamStore::fresh(Kind::Float, Device::Cpu);
    let vae = Vae::new(&store.root(), &config(&case)).unwrap();
    let mut made: Vec<_> = store
        .named()
        .iter()
        .map(|(n, t)| (n.clone(), t.size()))
        .collect();
    made.sort();
    let mut wanted = keys(&case);
    wanted.sort();
    assert_eq!(made, wanted);

    for (_, parameter) in store.named() {
        let _ = parameter.set_requires_grad(true);
    }
    let latent = vae.encode(&images(&case)).unwrap();
    let noise = latent.mean().randn_like();
    let decoded = vae.decode(&latent.sample(&noise).unwrap()).unwrap();
    let loss = decoded.square().mean(Kind::Float) + latent.kl().unwrap().mean(Kind::Float);
    loss.backward();
    for (name, parameter) in store.named() {
        let gradient = parameter.grad();
        assert!(gradient.defined(), "{name} has no gradient");
        let sum = gradient.abs().sum(Kind::Float).double_value(&[]);
        // A bias before a softmax over keys shifts all scores alike: its gradient is rounding.
        assert!(
            sum.is_finite() && (sum > 0.0 || name.ends_with("to_k.bias")),
            "{name}: {sum}"
        );
    }
}

#[test]
fn scaling_has_an_inverse() {
    let case = case("vae", "bare");
    let mut config = config(&case);
    let x = tensor("x", &[1, 8, 2, 2], 3.0, 1.0);
    let make = |config: &VaeConfig| {
        Vae::new(&ParamStore::fresh(Kind::Float, Device::Cpu).root(), config).unwrap()
    };
    let vae = make(&config);
    let scaled = vae.scale(&x).unwrap();
    assert_close("shifted", &scaled, &((&x - 0.0609) * 1.5305), 1e-6);
    assert_close("inverse", &vae.unscale(&scaled).unwrap(), &x, 1e-6);

    config.latents_mean = Some((0..8).map(f64::from).collect());
    config.latents_std = Some((1..9).map(f64::from).collect());
    let vae = make(&config);
    let scaled = vae.scale(&x).unwrap();
    let channel = scaled.select(1, 2);
    assert_close(
        "statistics",
        &channel,
        &((x.select(1, 2) - 2.0) * 1.5305 / 3.0),
        1e-6,
    );
    assert_close("inverse", &vae.unscale(&scaled).unwrap(), &x, 1e-6);
}

#[test]
fn refuses_what_it_cannot_be() {
    let good = config(&case("vae", "sd1"));
    let refused = |field: &str, change: &dyn Fn(&mut VaeConfig)| {
        let mut config = good.clone();
        change(&mut config);
        match Vae::new(&ParamStore::fresh(Kind::Float, Device::Cpu).root(), &config) {
            Err(EngineError::BadConfig { field: got, .. }) => assert_eq!(got, field),
            other => panic!("{field}: {other:?}"),
        }
    };
    refused("act_fn", &|c| c.act_fn = "mish".to_owned());
    refused("down_block_types", &|c| {
        c.down_block_types[0] = "AttnDownEncoderBlock2D".to_owned();
    });
    refused("block_out_channels", &|c| c.norm_num_groups = 7);
    refused("scaling_factor", &|c| c.scaling_factor = 0.0);
}
