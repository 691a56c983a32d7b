//! Tests that need a U-Net.

#![allow(clippy::float_cmp, reason = "equality to the last bit is tested")]

use tch::{Device, Kind, Tensor};

use super::*;
use crate::checkpoint::{Checkpoint, tiny};
use crate::controls::{Control, ControlKind};
use crate::models::unet::{TextContext, UNetConfig};

const SHAPE: AdapterShape = AdapterShape {
    tokens: 2,
    dim: 32,
    latent_dim: 6,
    hidden_dim: 16,
};

fn ranges() -> Vec<AttributeRange> {
    let range = |name: &str, low, high| AttributeRange {
        name: name.to_owned(),
        low,
        high,
    };
    vec![range("age", 20.0, 60.0), range("smile", 0.0, 1.0)]
}

fn values(pairs: &[(&str, f64)]) -> AttributeValues {
    pairs.iter().map(|&(n, v)| (n.to_owned(), v)).collect()
}

fn random(shape: &[i64], seed: i64) -> Tensor {
    let _generator = crate::sampling::lock_generator();
    tch::manual_seed(seed);
    Tensor::randn(shape, (Kind::Float, Device::Cpu))
}

fn tiny_unet() -> (tempfile::TempDir, UNet) {
    let folder = tempfile::tempdir().unwrap();
    tiny::write_model(folder.path(), 3).unwrap();
    let model = Checkpoint::open(folder.path()).unwrap();
    let config: UNetConfig = model.component_config("unet").unwrap();
    let store = model
        .component_params("unet", Kind::Float, Device::Cpu)
        .unwrap();
    let unet = UNet::new(&store.root(), &config).unwrap();
    (folder, unet)
}

fn network(unet: &UNet, is_cvae: bool) -> (ParamStore, AdapterNetwork) {
    let _generator = crate::sampling::lock_generator();
    tch::manual_seed(9);
    let store = ParamStore::fresh(Kind::Float, Device::Cpu);
    let sites = site_shapes(unet);
    let network = AdapterNetwork::new(&store.root(), is_cvae, SHAPE, 2, &sites).unwrap();
    (store, network)
}

fn saved(store: &ParamStore, architecture: Architecture) -> (tempfile::TempDir, ControlFile) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("look.safetensors");
    let names = ranges().into_iter().map(|r| r.name).collect();
    let mut info = ControlInfo::new("look", ControlKind::AttAdapter, names);
    AttAdapter::describe(&mut info, architecture, Some(SHAPE), &ranges());
    ControlFile::save(&path, &info, &store.named()).unwrap();
    let file = ControlFile::open(&path).unwrap();
    (folder, file)
}

fn output(unet: &UNet, text: &TextContext, branch: DecoupledBranch) -> Tensor {
    let _guard = tch::no_grad_guard();
    let text = text.shallow_clone().with_branch(branch);
    let timesteps = Tensor::from_slice(&[500.0_f32]);
    let latents = random(&[1, 4, 8, 8], 5);
    unet.forward(&latents, &timesteps, &text, None, None)
        .unwrap()
}

#[test]
fn nothing_set_changes_no_bit_and_values_do() {
    let (_folder, unet) = tiny_unet();
    let (store, _) = network(&unet, true);
    let (_file_folder, file) = saved(&store, Architecture::Cvae);
    let Control::AttAdapter(adapter) = Control::read(&file).unwrap() else {
        panic!("another kind");
    };
    let text = unet.text_context(&random(&[1, 77, 32], 6)).unwrap();
    let plain = output(&unet, &text, DecoupledBranch::default());
    let at = |pairs: &[(&str, f64)]| {
        let branch = adapter.branch(&values(pairs), &unet).unwrap();
        output(&unet, &text, branch)
    };
    assert_eq!(at(&[]), plain);
    let old = at(&[("age", 60.0)]);
    assert_ne!(old, plain);
    assert_eq!(old, at(&[("age", 60.0)]));
    assert_ne!(old, at(&[("age", 20.0)]));
    assert_ne!(old, at(&[("age", 60.0), ("smile", 0.0)]));
}

#[test]
fn what_is_saved_is_read_again_bit_by_bit() {
    let (_folder, unet) = tiny_unet();
    for architecture in [Architecture::Cvae, Architecture::Mlp] {
        let (store, network) = network(&unet, architecture == Architecture::Cvae);
        let (_file_folder, file) = saved(&store, architecture);
        let adapter = AttAdapter::read(&file).unwrap();
        assert_eq!(adapter.architecture(), architecture);
        assert_eq!(adapter.ranges(), ranges());
        let row = vec![Some(30.0), None];
        let tokens = network.tokens(&condition(&ranges(), &[row]).unwrap());
        let want = network.branch(&tokens.unwrap(), &unet, DEFAULT_WEIGHT);
        let got = adapter.branch(&values(&[("age", 30.0)]), &unet).unwrap();
        let want = want.unwrap();
        assert_eq!(got.weight, want.weight);
        assert_eq!(got.keys_values.len(), want.keys_values.len());
        for (got, want) in got.keys_values.iter().zip(&want.keys_values) {
            assert_eq!(got, want);
        }
    }
}

#[test]
fn a_branch_has_keys_for_every_layer_that_reads_text() {
    let (_folder, unet) = tiny_unet();
    let (_, network) = network(&unet, false);
    let layers = unet.cross_attentions();
    assert!(!layers.is_empty());
    let tokens = random(&[3, 2, 32], 1);
    let branch = network.branch(&tokens, &unet, 1.0).unwrap();
    let with: Vec<usize> = (0..branch.keys_values.len())
        .filter(|&i| branch.keys_values[i].is_some())
        .collect();
    let indices: Vec<usize> = layers.iter().map(|l| l.site.index).collect();
    assert_eq!(with, indices);
    for layer in &layers {
        let (k, v) = branch.keys_values[layer.site.index].as_ref().unwrap();
        let shape = [3, layer.heads, 2, layer.channels / layer.heads];
        assert_eq!((k.size(), v.size()), (shape.to_vec(), shape.to_vec()));
    }
}

#[test]
fn conditions_hold_normalised_values_and_what_is_set() {
    let rows = [vec![Some(40.0), None], vec![Some(80.0), Some(0.25)]];
    let got: Vec<f32> = Vec::try_from(condition(&ranges(), &rows).unwrap().view([-1])).unwrap();
    assert_eq!(got, [0.5, 0.0, 1.0, 0.0, 1.5, 0.25, 1.0, 1.0]);
}

#[test]
fn the_gradient_of_the_whole_loss_reaches_every_parameter() {
    let (_folder, unet) = tiny_unet();
    let (store, network) = network(&unet, true);
    let recogniser = Recogniser::new(&store.root(), &SHAPE, 2, 10).unwrap();
    let parameters = store.named();
    for (_, tensor) in &parameters {
        let _ = tensor.set_requires_grad(true);
    }
    let condition = condition(&ranges(), &[vec![Some(30.0), None], vec![None, Some(0.3)]]);
    let (tokens, loss) = network
        .infer(
            &recogniser,
            &condition.unwrap(),
            &random(&[2, 10], 2),
            &random(&[2, 6], 3),
        )
        .unwrap();
    let branch = network.branch(&tokens, &unet, 1.0).unwrap();
    let text = unet.text_context(&random(&[2, 77, 32], 6)).unwrap();
    let text = text.with_branch(branch);
    let output = unet
        .forward(
            &random(&[2, 4, 8, 8], 5),
            &Tensor::from_slice(&[100.0_f32, 800.0]),
            &text,
            None,
            None,
        )
        .unwrap();
    let all = output.square().mean(Kind::Float) + &loss.kl + &loss.reconstruction;
    all.backward();
    for (name, tensor) in &parameters {
        let grad = tensor.grad();
        let norm = if grad.defined() {
            grad.abs().max().double_value(&[])
        } else {
            0.0
        };
        assert!(norm > 0.0, "{name}");
    }
}

#[test]
fn reconstruction_does_not_pull_at_what_is_reconstructed() {
    let (_folder, unet) = tiny_unet();
    let (store, network) = network(&unet, true);
    let recogniser = Recogniser::new(&store.root(), &SHAPE, 2, 10).unwrap();
    let image = random(&[4, 10], 2).set_requires_grad(true);
    let row = vec![Some(30.0), None];
    let condition = condition(&ranges(), &vec![row; 4]).unwrap();
    let v = recogniser.features(&image).unwrap();
    let (mean, deviation) = (
        v.view([8, 32])
            .mean_dim([1_i64].as_slice(), false, Kind::Float),
        v.view([8, 32]).std_dim([1_i64].as_slice(), false, false),
    );
    assert!(mean.abs().max().double_value(&[]) < 1e-5);
    assert!((deviation - 1.0).abs().max().double_value(&[]) < 1e-3);
    // A posterior that ignores V: what is left of the gradient would be the target's.
    tch::no_grad(|| {
        for (name, mut tensor) in store.named() {
            if name.starts_with("posterior.") {
                let _ = tensor.zero_();
            }
        }
    });
    let noise = random(&[4, 6], 3);
    let (_, loss) = network
        .infer(&recogniser, &condition, &image, &noise)
        .unwrap();
    (loss.reconstruction + loss.kl).backward();
    let grad = image.grad();
    let left = if grad.defined() {
        grad.abs().max().double_value(&[])
    } else {
        0.0
    };
    assert_eq!(left, 0.0);
}

#[test]
fn values_outside_the_learnt_range_are_marked_and_still_carried_out() {
    let (_folder, unet) = tiny_unet();
    let (store, _) = network(&unet, true);
    let (_file_folder, file) = saved(&store, Architecture::Cvae);
    let adapter = AttAdapter::read(&file).unwrap();
    let set = values(&[("age", 75.0), ("smile", 0.5)]);
    let told = adapter.outside(&set);
    assert_eq!((told.len(), told[0].range.name.as_str()), (1, "age"));
    assert!(adapter.branch(&set, &unet).is_ok());
    assert!(adapter.branch(&values(&[("hat", 1.0)]), &unet).is_err());
}

#[test]
fn an_adapter_for_another_model_is_refused_by_its_layer() {
    let (_folder, unet) = tiny_unet();
    let store = ParamStore::fresh(Kind::Float, Device::Cpu);
    let mut sites = site_shapes(&unet);
    sites[0].1 *= 2;
    let network = AdapterNetwork::new(&store.root(), false, SHAPE, 2, &sites).unwrap();
    let error = network
        .branch(&random(&[1, 2, 32], 1), &unet, 1.0)
        .unwrap_err()
        .to_string();
    assert!(error.contains(&sites[0].0), "{error}");
}

#[test]
fn damaged_files_say_what_is_wrong() {
    let (_folder, unet) = tiny_unet();
    let (store, _) = network(&unet, true);
    let (folder, file) = saved(&store, Architecture::Cvae);
    let path = folder.path().join("odd.safetensors");
    let said = |change: &dyn Fn(&mut ControlInfo)| {
        let mut info = file.info.clone();
        change(&mut info);
        file.save_with(&path, &info).unwrap();
        AttAdapter::read(&ControlFile::open(&path).unwrap())
            .unwrap_err()
            .to_string()
    };
    let set = |info: &mut ControlInfo, key: &str, value: serde_json::Value| {
        info.settings.insert(key.to_owned(), value);
    };
    assert!(said(&|i| set(i, "architecture", "gan".into())).contains("\"architecture\""));
    assert!(said(&|i| drop(i.settings.remove("ranges"))).contains("\"ranges\""));
    assert!(said(&|i| i.attributes.truncate(1)).contains("range for each"));
    let mlp = |i: &mut ControlInfo| set(i, "architecture", "mlp".into());
    assert!(said(&mlp).contains("make it again"));
    let small = serde_json::json!({"tokens": 0, "dim": 32, "latent_dim": 6, "hidden_dim": 16});
    assert!(said(&|i| set(i, "shape", small.clone())).contains("sizes"));
}
