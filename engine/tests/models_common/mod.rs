//! Tiny models with weights drawn from a hash, the same on the side of `make_models.py`.
#![allow(dead_code)] // each test file uses a part

use std::path::{Path, PathBuf};

use serde_json::Value;
use tch::{Device, Kind, Tensor};
use vernier_engine::weights::{ParamStore, SafetensorsFile, save};

/// `tests/fixtures/` of the workspace.
pub(crate) fn fixture(name: &str) -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures")).join(name)
}

/// One case of `models.json`.
pub(crate) fn case(group: &str, name: &str) -> Value {
    let text = std::fs::read_to_string(fixture("models.json")).unwrap();
    let all: Value = serde_json::from_str(&text).unwrap();
    all[group][name].clone()
}

/// One tensor of `models.safetensors`.
pub(crate) fn expected(name: &str) -> Tensor {
    SafetensorsFile::open(&fixture("models.safetensors"))
        .unwrap()
        .tensor(name, Kind::Float, Device::Cpu)
        .unwrap()
        .unwrap_or_else(|| panic!("models.safetensors lacks {name}"))
}

/// Numbers in -1..1 from FNV-1a of the name and murmur3's finaliser of the index.
fn unit(name: &str, count: usize) -> impl Iterator<Item = f64> {
    let seed = name.bytes().fold(2_166_136_261_u32, |seed, byte| {
        (seed ^ u32::from(byte)).wrapping_mul(16_777_619)
    });
    (0..count as u32).map(move |i| {
        let mut x = seed.wrapping_add(i.wrapping_mul(0x9E37_79B9));
        x ^= x >> 16;
        x = x.wrapping_mul(0x85EB_CA6B);
        x ^= x >> 13;
        x = x.wrapping_mul(0xC2B2_AE35);
        x ^= x >> 16;
        f64::from(x) / 2_f64.powi(31) - 1.0
    })
}

/// The tensor `name`, `unit · scale + offset`.
pub(crate) fn tensor(name: &str, shape: &[i64], scale: f64, offset: f64) -> Tensor {
    let count = shape.iter().product::<i64>() as usize;
    let values: Vec<f32> = unit(name, count)
        .map(|u| (u * scale + offset) as f32)
        .collect();
    Tensor::from_slice(&values).reshape(shape)
}

/// A weight as `make_models.py` draws it.
pub(crate) fn weight(name: &str, shape: &[i64]) -> Tensor {
    if shape.len() == 1 {
        let offset = if name.ends_with(".weight") { 1.0 } else { 0.0 };
        return tensor(name, shape, 0.2, offset);
    }
    let fan_in: i64 = shape[1..].iter().product();
    tensor(name, shape, (3.0 / fan_in as f64).sqrt(), 0.0)
}

/// Names and shapes of a case's weights.
pub(crate) fn keys(case: &Value) -> Vec<(String, Vec<i64>)> {
    case["keys"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(k, v)| (k.clone(), serde_json::from_value(v.clone()).unwrap()))
        .collect()
}

/// Writes a case's weights, each name first passed through `rename`, and opens them.
pub(crate) fn store_renamed(
    case: &Value,
    kind: Kind,
    rename: impl Fn(&str) -> String,
) -> (tempfile::TempDir, ParamStore) {
    let tensors: Vec<_> = keys(case)
        .into_iter()
        .map(|(name, shape)| (rename(&name), weight(&name, &shape)))
        .collect();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weights.safetensors");
    save(&path, &tensors, &[]).unwrap();
    let store = ParamStore::open(&[path], kind, Device::Cpu).unwrap();
    (folder, store)
}

/// Writes a case's weights and opens them.
pub(crate) fn store(case: &Value, kind: Kind) -> (tempfile::TempDir, ParamStore) {
    store_renamed(case, kind, str::to_owned)
}

/// Largest difference over the largest magnitude of `expected`.
pub(crate) fn relative_difference(got: &Tensor, expected: &Tensor) -> f64 {
    assert_eq!(got.size(), expected.size());
    let expected = expected.to_kind(Kind::Double);
    let difference = (got.to_kind(Kind::Double) - &expected).abs().max();
    (difference / expected.abs().max()).double_value(&[])
}

/// Fails unless `got` is within `tolerance` of `expected`, and prints what was reached.
pub(crate) fn assert_close(what: &str, got: &Tensor, expected: &Tensor, tolerance: f64) {
    let difference = relative_difference(got, expected);
    println!("{what}: {difference:.2e}");
    assert!(
        difference <= tolerance,
        "{what}: {difference:.2e} is more than {tolerance:.0e}"
    );
}
