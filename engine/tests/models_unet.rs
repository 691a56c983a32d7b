//! The U-Net against Python diffusers.

#![allow(clippy::unwrap_used)] // a test may panic

mod models_common;

use models_common::{assert_close, case, expected, keys, relative_difference, store, tensor};
use proptest::prelude::*;
use serde_json::Value;
use tch::{Device, Kind, Tensor};
use vernier_engine::EngineError;
use vernier_engine::layers::{
    AttentionHook, AttentionSite, LayerRef, LowRankBranch, Multiplier, attend,
};
use vernier_engine::models::unet::{AddedConditions, TextContext, UNet, UNetConfig};
use vernier_engine::weights::ParamStore;

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

    fn run_with(&self, unet: &UNet, hook: Option<&mut dyn AttentionHook>) -> Tensor {
        let context = unet.text_context(&self.text).unwrap();
        let (x, t) = (&self.latents, &self.timesteps);
        unet.forward(x, t, &context, Some(&self.added), hook)
            .unwrap()
    }

    fn run(&self, unet: &UNet) -> Tensor {
        self.run_with(unet, None)
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

#[test]
fn bf16_stays_close() {
    let _guard = tch::no_grad_guard();
    for name in ["sd1", "sd2"] {
        let case = case("unet", name);
        let (_folder, store) = store(&case, Kind::BFloat16);
        let unet = UNet::new(&store.root(), &config(&case)).unwrap();
        let out = Inputs::new(&case).run(&unet);
        assert_eq!(out.kind(), Kind::BFloat16);
        assert_close(name, &out, &expected(&format!("unet.{name}")), 0.05);
    }
}

#[test]
fn every_parameter_is_asked_for_once_and_learns() {
    for name in ["sd1", "sdxl", "rare"] {
        let case = case("unet", name);
        let store = ParamStore::fresh(Kind::Float, Device::Cpu);
        let unet = UNet::new(&store.root(), &config(&case)).unwrap();
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
        let inputs = Inputs::new(&case);
        let text = inputs.text.set_requires_grad(true);
        let loss = inputs.run(&unet).square().mean(Kind::Float);
        loss.backward();
        for (name, parameter) in store.named().iter().chain([&("text".to_owned(), text)]) {
            let gradient = parameter.grad();
            assert!(gradient.defined(), "{name} has no gradient");
            let sum = gradient.abs().sum(Kind::Float).double_value(&[]);
            assert!(sum.is_finite() && sum > 0.0, "{name}: {sum}");
        }
    }
}

#[test]
fn layers_go_by_their_names_in_diffusers() {
    for name in ["sd1", "sd2", "sdxl", "rare"] {
        let case = case("unet", name);
        let store = ParamStore::fresh(Kind::Float, Device::Cpu);
        let unet = UNet::new(&store.root(), &config(&case)).unwrap();
        let mut seen = Vec::new();
        unet.for_each_layer(&mut |name, layer| {
            seen.push((format!("{name}.weight"), layer.weight_shape()));
        });
        seen.sort();
        // All weights but those of norms have two dimensions or four.
        let mut wanted = keys(&case);
        wanted.retain(|(_, shape)| shape.len() > 1);
        wanted.sort();
        assert_eq!(seen, wanted);
    }
}

/// Notes every site and how far the probabilities of a query are from summing to one.
#[derive(Default)]
struct Recorder {
    sites: Vec<AttentionSite>,
    worst: f64,
}

impl AttentionHook for Recorder {
    fn attend(
        &mut self,
        site: &AttentionSite,
        q: &Tensor,
        k: &Tensor,
        _v: &Tensor,
    ) -> vernier_engine::Result<Option<Tensor>> {
        let head_dim = q.size()[3] as f64;
        let scores = q.matmul(&k.transpose(-1, -2)) / head_dim.sqrt();
        let sums =
            scores
                .softmax(-1, Kind::Float)
                .sum_dim_intlist([-1].as_slice(), false, Kind::Float);
        let worst = (sums - 1.0).abs().max().double_value(&[]);
        self.worst = self.worst.max(worst);
        assert_eq!(k.size()[2], if site.is_cross { 7 } else { q.size()[2] });
        self.sites.push(site.clone());
        Ok(None)
    }
}

/// Does what the layer would have done.
struct Stand;

impl AttentionHook for Stand {
    fn attend(
        &mut self,
        _site: &AttentionSite,
        q: &Tensor,
        k: &Tensor,
        v: &Tensor,
    ) -> vernier_engine::Result<Option<Tensor>> {
        Ok(Some(attend(q, k, v, false)?))
    }
}

/// Blanks what one site reads.
struct Blank(usize);

impl AttentionHook for Blank {
    fn attend(
        &mut self,
        site: &AttentionSite,
        q: &Tensor,
        _k: &Tensor,
        _v: &Tensor,
    ) -> vernier_engine::Result<Option<Tensor>> {
        Ok((site.index == self.0).then(|| q.zeros_like()))
    }
}

#[test]
fn a_hook_sees_every_attention_and_changes_nothing_unless_it_means_to() {
    let _guard = tch::no_grad_guard();
    for name in ["sd1", "sd2", "sdxl", "rare"] {
        let case = case("unet", name);
        let (_folder, store) = store(&case, Kind::Float);
        let unet = UNet::new(&store.root(), &config(&case)).unwrap();
        let inputs = Inputs::new(&case);
        let plain = inputs.run(&unet);

        let mut recorder = Recorder::default();
        assert_eq!(inputs.run_with(&unet, Some(&mut recorder)), plain);
        assert!(recorder.worst < 1e-5, "{}", recorder.worst);
        let mut wanted: Vec<_> = keys(&case)
            .iter()
            .filter_map(|(n, _)| n.strip_suffix(".to_q.weight").map(str::to_owned))
            .collect();
        wanted.sort();
        let mut seen: Vec<_> = recorder.sites.iter().map(|s| s.name.clone()).collect();
        seen.sort();
        assert_eq!(seen, wanted);
        for (i, site) in recorder.sites.iter().enumerate() {
            assert_eq!(site.index, i);
            let reads_text = name == "rare" || site.name.ends_with("attn2");
            assert_eq!(site.is_cross, reads_text, "{}", site.name);
        }

        assert_eq!(inputs.run_with(&unet, Some(&mut Stand)), plain);
        for site in 0..recorder.sites.len() {
            let blanked = inputs.run_with(&unet, Some(&mut Blank(site)));
            assert!(relative_difference(&blanked, &plain) > 1e-4);
        }
    }
}

#[test]
fn a_text_context_of_another_model_is_refused() {
    let case = case("unet", "sd1");
    let (_folder, store) = store(&case, Kind::Float);
    let unet = UNet::new(&store.root(), &config(&case)).unwrap();
    let inputs = Inputs::new(&case);
    let empty = TextContext::default();
    let out = unet.forward(&inputs.latents, &inputs.timesteps, &empty, None, None);
    assert!(matches!(out, Err(EngineError::Request { .. })));
}

/// A random branch of `rank` for `layer`, small enough that the network stays in range.
fn branch(name: &str, layer: LayerRef<'_>, rank: i64, strength: &Multiplier) -> LowRankBranch {
    let shape = layer.weight_shape();
    let fan_in: i64 = shape[1..].iter().product();
    let mut down = shape.clone();
    down[0] = rank;
    let mut up = vec![shape[0], rank];
    up.extend(shape[2..].iter().map(|_| 1));
    LowRankBranch {
        down: tensor(
            &format!("{name}.down"),
            &down,
            (3.0 / fan_in as f64).sqrt(),
            0.0,
        ),
        up: tensor(&format!("{name}.up"), &up, 0.3, 0.0),
        scale: 0.5,
        multiplier: strength.clone(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6, failure_persistence: None, ..Default::default() })]

    #[test]
    fn merged_and_unmerged_branches_agree(
        linear in any::<bool>(),
        rank in 1_i64..5,
        strength in prop_oneof![-1.0..-0.2, 0.2..1.0],
    ) {
        let _guard = tch::no_grad_guard();
        let case = case("unet", if linear { "sd2" } else { "sd1" });
        let (_folder, store) = store(&case, Kind::Float);
        let unet = UNet::new(&store.root(), &config(&case)).unwrap();
        let inputs = Inputs::new(&case);
        let plain = inputs.run(&unet);
        let multiplier = Multiplier::new(0.0);
        unet.for_each_layer(&mut |name, layer| {
            layer.add_branch(branch(name, layer, rank, &multiplier));
        });
        prop_assert_eq!(&inputs.run(&unet), &plain);
        multiplier.set(strength);
        let unmerged = inputs.run(&unet);
        prop_assert!(relative_difference(&unmerged, &plain) > 1e-3);
        let mut merged = Ok(());
        unet.for_each_layer(&mut |_, layer| {
            if merged.is_ok() {
                merged = layer.merge_branches();
            }
        });
        merged.unwrap();
        let difference = relative_difference(&inputs.run(&unet), &unmerged);
        prop_assert!(difference <= 1e-4, "{difference:e}");
    }
}

#[test]
fn refuses_what_it_cannot_be() {
    let good = case("unet", "sd1")["config"].clone();
    for (field, value) in [
        ("act_fn", "\"mish\""),
        ("down_block_types", "[\"AttnDownBlock2D\", \"DownBlock2D\"]"),
        ("up_block_types", "[\"UpBlock2D\"]"),
        ("mid_block_type", "\"UNetMidBlock2DSimpleCrossAttn\""),
        ("attention_head_dim", "5"),
        ("block_out_channels", "[30, 64]"),
        ("layers_per_block", "[1]"),
        ("cross_attention_dim", "[32]"),
        ("addition_embed_type", "\"image\""),
        ("class_embed_type", "\"timestep\""),
        ("encoder_hid_dim", "64"),
        ("time_embedding_type", "\"fourier\""),
        ("resnet_time_scale_shift", "\"scale_shift\""),
        ("conv_in_kernel", "2"),
        ("downsample_padding", "2"),
    ] {
        let mut changed = good.clone();
        changed[field] = serde_json::from_str(value).unwrap();
        let config: UNetConfig = serde_json::from_value(changed).unwrap();
        let store = ParamStore::fresh(Kind::Float, Device::Cpu);
        match UNet::new(&store.root(), &config) {
            Err(EngineError::BadConfig { field: got, .. }) => assert_eq!(got, field),
            Err(other) => panic!("{field}: {other}"),
            Ok(_) => panic!("{field} = {value} was taken"),
        }
    }
}
