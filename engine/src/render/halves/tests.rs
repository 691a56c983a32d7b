use tch::{Device, Kind, Tensor};

use super::Halves;
use super::cores::CoresInUse;
use crate::layers::{
    AttentionHook, AttentionSite, LayerChange, LayerRef, LowRankBranch, Multiplier,
};
use crate::models::unet::{TextContext, UNet, UNetConfig};
use crate::sampling::lock_generator;
use crate::weights::ParamStore;
use crate::{EngineError, Result};

struct Studio {
    halves: Halves,
    input: Tensor,
    positive: TextContext,
    negative: TextContext,
}

impl Studio {
    /// A random U-Net of three resolutions' worth of layers, and texts of `tokens` tokens.
    fn open(tokens: [i64; 2]) -> Self {
        let _generator = lock_generator();
        tch::manual_seed(7);
        let config: UNetConfig = serde_json::from_value(serde_json::json!({
            "in_channels": 4,
            "out_channels": 4,
            "block_out_channels": [16, 32],
            "down_block_types": ["CrossAttnDownBlock2D", "DownBlock2D"],
            "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D"],
            "layers_per_block": 1,
            "cross_attention_dim": 32,
            "attention_head_dim": 4,
            "norm_num_groups": 8,
        }))
        .unwrap();
        let store = ParamStore::fresh(Kind::Float, Device::Cpu);
        let halves = Halves::new(&store, &config).unwrap();
        let random = |shape: &[i64]| Tensor::randn(shape, (Kind::Float, Device::Cpu));
        let context = |tokens: i64| {
            halves
                .unet()
                .text_context(&random(&[1, tokens, 32]))
                .unwrap()
        };
        let [positive, negative] = tokens.map(context);
        Self {
            input: random(&[1, 4, 8, 8]),
            halves,
            positive,
            negative,
        }
    }

    fn predict(&mut self, cores: i32, hook: Option<&mut dyn AttentionHook>) -> (Tensor, Tensor) {
        let _cores = CoresInUse::set(cores);
        let negative = Some(&self.negative);
        let (positive, negative) = self
            .halves
            .predict(&self.input, 500.0, &self.positive, negative, hook, &[])
            .unwrap();
        assert_eq!(tch::get_num_threads(), cores);
        (positive, negative.unwrap())
    }

    /// What the U-Net says under each text, called plainly.
    fn plain(&self) -> (Tensor, Tensor) {
        let timestep = Tensor::from_slice(&[500.0_f32]);
        let call = |text| {
            let unet = self.halves.unet();
            unet.forward(&self.input, &timestep, text, None, None)
                .unwrap()
        };
        (call(&self.positive), call(&self.negative))
    }
}

fn assert_close(got: &(Tensor, Tensor), expected: &(Tensor, Tensor)) {
    assert!(got.0.allclose(&expected.0, 1e-4, 1e-5, false), "positive");
    assert!(got.1.allclose(&expected.1, 1e-4, 1e-5, false), "negative");
    assert!(
        !got.0.allclose(&got.1, 1e-4, 1e-5, false),
        "the texts do nothing"
    );
}

#[test]
fn each_half_is_a_call_under_its_own_text() {
    let _guard = tch::no_grad_guard();
    // Texts of different lengths cannot share one call of batch 2.
    for tokens in [[7, 7], [9, 7]] {
        let mut studio = Studio::open(tokens);
        let plain = studio.plain();
        for cores in [1, 2, 3] {
            assert_close(&studio.predict(cores, None), &plain);
        }
        let alone = studio
            .halves
            .predict(&studio.input, 500.0, &studio.positive, None, None, &[]);
        let (positive, negative) = alone.unwrap();
        assert!(positive.allclose(&plain.0, 1e-4, 1e-5, false) && negative.is_none());
    }
}

#[test]
fn halves_that_are_apart_read_their_own_layers() {
    let _guard = tch::no_grad_guard();
    let mut studio = Studio::open([7, 7]);
    let plain = studio.plain();
    // Only the positive half's output is moved.
    studio.halves.unet().for_each_layer(&mut |path, layer| {
        if path == "conv_out" {
            let (weight, _) = layer.own();
            layer.set_change(Some(LayerChange {
                weight: Some(weight * 2.0),
                ..LayerChange::default()
            }));
        }
    });
    studio.halves.set_apart(true);
    for cores in [1, 2] {
        let (positive, negative) = studio.predict(cores, None);
        assert!(!positive.allclose(&plain.0, 1e-3, 1e-4, false));
        assert!(negative.allclose(&plain.1, 1e-4, 1e-5, false));
    }
}

#[test]
fn the_same_call_gives_the_same_bits() {
    let _guard = tch::no_grad_guard();
    let mut studio = Studio::open([7, 7]);
    let first = studio.predict(2, None);
    for _ in 0..5 {
        assert_eq!(studio.predict(2, None), first);
    }
}

#[test]
fn branches_attached_once_reach_both_halves() {
    let _guard = tch::no_grad_guard();
    let mut studio = Studio::open([7, 7]);
    let before = studio.predict(2, None);
    let multiplier = Multiplier::new(0.0);
    studio
        .halves
        .attach(|unet| {
            add_branches(unet, &multiplier);
            Ok(())
        })
        .unwrap();
    assert_eq!(studio.predict(2, None), before);
    multiplier.set(0.7);
    let with = studio.predict(2, None);
    assert_close(&with, &studio.plain());
    assert!(!with.1.allclose(&before.1, 1e-4, 1e-5, false));
}

/// A branch for every query, the same on every U-Net.
fn add_branches(unet: &UNet, multiplier: &Multiplier) {
    unet.for_each_layer(&mut |name, layer: LayerRef<'_>| {
        if name.ends_with("to_q") {
            let shape = layer.weight_shape();
            let options = (Kind::Float, Device::Cpu);
            layer.add_branch(LowRankBranch {
                // Normed features sum to zero, so a branch of equal weights would be blind.
                down: Tensor::linspace(-0.3, 0.5, shape[1] * 2, options).view([2, shape[1]]),
                up: Tensor::linspace(-1, 1, shape[0] * 2, options).view([shape[0], 2]),
                scale: 1.0,
                multiplier: multiplier.clone(),
            });
        }
    });
}

/// Counts, and refuses after a while.
struct Counter {
    seen: usize,
    limit: usize,
}

impl AttentionHook for Counter {
    fn attend(
        &mut self,
        _: &AttentionSite,
        q: &Tensor,
        _: &Tensor,
        _: &Tensor,
    ) -> Result<Option<Tensor>> {
        assert_eq!(q.size()[0], 1);
        self.seen += 1;
        if self.seen > self.limit {
            return Err(EngineError::Cancelled);
        }
        Ok(None)
    }
}

#[test]
fn the_hook_sees_the_positive_half_alone() {
    let _guard = tch::no_grad_guard();
    let mut studio = Studio::open([7, 7]);
    let plain = studio.plain();
    let mut seen = Vec::new();
    for cores in [1, 2] {
        let mut counter = Counter {
            seen: 0,
            limit: usize::MAX,
        };
        assert_close(&studio.predict(cores, Some(&mut counter)), &plain);
        seen.push(counter.seen);
    }
    let layers = 2 * studio.halves.unet().cross_attentions().len();
    assert_eq!(seen, [layers, layers]);
}

#[test]
fn a_failure_of_one_half_leaves_both_usable() {
    let _guard = tch::no_grad_guard();
    let mut studio = Studio::open([7, 7]);
    let good = studio.predict(2, None);
    let cores = CoresInUse::set(2);
    let mut counter = Counter { seen: 0, limit: 1 };
    let negative = Some(&studio.negative);
    let failed = studio.halves.predict(
        &studio.input,
        500.0,
        &studio.positive,
        negative,
        Some(&mut counter),
        &[],
    );
    assert!(matches!(failed, Err(EngineError::Cancelled)));
    let none = TextContext::default();
    let positive = &studio.positive;
    let failed = studio
        .halves
        .predict(&studio.input, 500.0, positive, Some(&none), None, &[]);
    assert!(
        failed
            .unwrap_err()
            .to_string()
            .starts_with("text context: ")
    );
    drop(cores);
    assert_eq!(studio.predict(2, None), good);
}

#[test]
fn gradients_flow_to_an_input_that_wants_them() {
    let mut studio = Studio::open([7, 7]);
    studio.input = studio.input.set_requires_grad(true);
    let (positive, negative) = studio.predict(2, None);
    (positive + negative).sum(Kind::Float).backward();
    assert!(studio.input.grad().abs().max().double_value(&[]) > 0.0);
}
