//! Safetensors files: what is written is read, and what is damaged is refused.

// clippy's exception for tests does not reach their helper functions.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use proptest::prelude::*;
use tch::{Device, Kind, Tensor};
use vernier_engine::weights::{Init, ParamStore, SafetensorsFile, save};

const STORED: [Kind; 5] = [
    Kind::Float,
    Kind::Half,
    Kind::BFloat16,
    Kind::Int64,
    Kind::Uint8,
];

fn write_raw(path: &Path, header: &str, data: &[u8]) {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.as_bytes());
    bytes.extend(data);
    std::fs::write(path, bytes).unwrap();
}

fn open_error(path: &Path) -> String {
    let error = SafetensorsFile::open(path).unwrap_err().to_string();
    let sentence = error.strip_prefix(&format!("{}: ", path.display()));
    sentence.unwrap().to_owned()
}

#[test]
fn every_way_of_being_damaged_has_its_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    assert!(open_error(&path).contains("there is no such file"));

    std::fs::write(&path, b"abc").unwrap();
    assert_eq!(
        open_error(&path),
        "is only 3 bytes long, which is no safetensors file; fetch or export it again"
    );
    std::fs::write(
        &path,
        "version https://git-lfs.github.com/spec/v1\noid sha256:0\n",
    )
    .unwrap();
    assert!(open_error(&path).starts_with("is a Git LFS pointer"));

    let good = r#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#;
    write_raw(&path, good, &[0; 8]);
    SafetensorsFile::open(&path).unwrap();
    write_raw(&path, good, &[0; 7]);
    assert_eq!(
        open_error(&path),
        "is not a complete safetensors file (its length is not what its header promises); fetch \
         or export it again"
    );
    write_raw(&path, &good.replace("[2]", "[3]"), &[0; 8]);
    assert!(open_error(&path).starts_with("is not a complete safetensors file ("));
    write_raw(&path, "{\"a\":", &[0; 8]);
    assert!(open_error(&path).contains("is not a complete safetensors file ("));
    let overlap = r#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}}"#;
    write_raw(&path, overlap, &[0; 12]);
    assert!(open_error(&path).contains("(tensor b overlaps another or leaves a gap)"));

    assert_eq!(
        open_error(folder.path()),
        "is a folder, where a safetensors file is needed"
    );
}

#[test]
fn a_stored_dtype_without_counterpart_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    let header = r#"{"a":{"dtype":"F8_E4M3","shape":[2],"data_offsets":[0,2]}}"#;
    write_raw(&path, header, &[0; 2]);
    let file = SafetensorsFile::open(&path).unwrap();
    let error = file.tensor("a", Kind::Float, Device::Cpu).unwrap_err();
    assert!(
        error.to_string().contains("tensor a is stored as F8_E4M3"),
        "{error}"
    );
}

/// Old files have headers of any length, so that their tensors may lie at odd addresses.
#[test]
fn tensors_at_odd_addresses_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    let data: Vec<u8> = [1.5_f32, -2.0, 3.25]
        .iter()
        .flat_map(|v| v.to_le_bytes())
        .collect();
    for spaces in 0..4 {
        let header = format!(
            "{}{}",
            r#"{"a":{"dtype":"F32","shape":[3],"data_offsets":[0,12]}}"#,
            " ".repeat(spaces)
        );
        write_raw(&path, &header, &data);
        let file = SafetensorsFile::open(&path).unwrap();
        let tensor = file
            .tensor("a", Kind::Double, Device::Cpu)
            .unwrap()
            .unwrap();
        assert_eq!(Vec::<f64>::try_from(tensor).unwrap(), [1.5, -2.0, 3.25]);
    }
}

#[test]
fn tensors_outlive_their_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    let tensor = Tensor::arange(1_000_000, (Kind::Float, Device::Cpu));
    save(&path, &[("a".to_owned(), tensor.shallow_clone())], &[]).unwrap();
    let file = SafetensorsFile::open(&path).unwrap();
    let first = file.tensor("a", Kind::Float, Device::Cpu).unwrap().unwrap();
    // The pages were given back to the kernel; the second read brings the same bytes.
    let second = file.tensor("a", Kind::Float, Device::Cpu).unwrap().unwrap();
    drop(file);
    std::fs::remove_file(&path).unwrap();
    assert_eq!(first, tensor);
    assert_eq!(second, tensor);
}

#[test]
fn a_failed_save_leaves_what_was_there() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    let ones = Tensor::ones([2], (Kind::Float, Device::Cpu));
    save(&path, &[("a".to_owned(), ones.shallow_clone())], &[]).unwrap();
    let before = std::fs::read(&path).unwrap();
    let complex = ones.to_kind(Kind::ComplexFloat);
    assert!(save(&path, &[("a".to_owned(), complex)], &[]).is_err());
    let twice = [
        ("a".to_owned(), ones.shallow_clone()),
        ("a".to_owned(), ones),
    ];
    let error = save(&path, &twice, &[]).unwrap_err().to_string();
    assert!(error.ends_with("cannot store two tensors named a"));
    assert_eq!(std::fs::read(&path).unwrap(), before);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn nan_is_found_in_the_shard_that_holds_it() {
    let folder = tempfile::tempdir().unwrap();
    let paths = ["1.safetensors", "2.safetensors"].map(|n| folder.path().join(n));
    let good = Tensor::ones([64], (Kind::Half, Device::Cpu)) * 60000.0;
    let bad = Tensor::zeros([4], (Kind::Half, Device::Cpu));
    let _ = bad.get(2).fill_(f64::NAN);
    save(&paths[0], &[("x.weight".to_owned(), good)], &[]).unwrap();
    save(&paths[1], &[("y.weight".to_owned(), bad)], &[]).unwrap();
    for kind in [Kind::Float, Kind::Half, Kind::BFloat16] {
        let store = ParamStore::open(&paths, kind, Device::Cpu).unwrap();
        let root = store.root();
        let _ = root.at("x").get("weight", &[64], Init::Zeros).unwrap();
        // Sums beyond fp16's range are still finite.
        store.check_finite().unwrap();
        let _ = root.at("y").get("weight", &[4], Init::Zeros).unwrap();
        store.finish().unwrap();
        let error = store.check_finite().unwrap_err().to_string();
        assert!(
            error.ends_with(
                "2.safetensors: tensor y.weight holds NaN or infinite values; fetch or export it \
                 again, or use a wider dtype than this one"
            ),
            "{error}"
        );
    }
}

#[test]
fn missing_unexpected_and_misshapen_names_are_all_reported() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    let ones = |n: i64| Tensor::ones([n], (Kind::Float, Device::Cpu));
    let stored = [("a", 2), ("b", 3), ("c", 4), ("d", 5)].map(|(n, d)| (n.to_owned(), ones(d)));
    save(&path, &stored, &[]).unwrap();
    let store = ParamStore::open(std::slice::from_ref(&path), Kind::Float, Device::Cpu).unwrap();
    let root = store.root();
    for (name, size) in [("a", 2), ("b", 4), ("e", 1), ("f", 1)] {
        let _ = root.get(name, &[size], Init::Zeros).unwrap();
    }
    assert_eq!(
        store.finish().unwrap_err().to_string(),
        format!(
            "{}: the weights do not fit the model: the file lacks e, f; it has tensors that the \
             model's config.json leaves no place for: c, d; it has tensors of another shape than \
             config.json asks for: b is [3], expected [4]",
            path.display()
        )
    );
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 60,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn what_is_saved_is_loaded(
        tensors in proptest::collection::btree_map(
            "[a-z0-9._\"é]{1,12}",
            (0..STORED.len(), proptest::collection::vec(0_i64..5, 0..4)),
            0..8),
        note in ".{0,20}",
        seed in 0_i64..1000,
    ) {
        tch::manual_seed(seed);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.safetensors");
        let mut saved: Vec<(String, Tensor)> = tensors
            .into_iter()
            .map(|(name, (kind, shape))| {
                let noise = Tensor::randn(&shape, (Kind::Float, Device::Cpu)) * 50.0;
                (name, noise.abs().to_kind(STORED[kind]))
            })
            .collect();
        let metadata = [("format", "pt".to_owned()), ("note", note.clone())];
        save(&path, &saved, &metadata).unwrap();
        let file = SafetensorsFile::open(&path).unwrap();
        prop_assert_eq!(&file.metadata()["note"], &note);
        prop_assert_eq!(file.entries().len(), saved.len());
        for (name, tensor) in &saved {
            let kind = tensor.kind();
            let loaded = file.tensor(name, kind, Device::Cpu).unwrap().unwrap();
            prop_assert_eq!(loaded.size(), tensor.size());
            prop_assert!(loaded.equal(tensor), "{}", name);
            for cast in [Kind::Float, Kind::BFloat16, Kind::Half] {
                let loaded = file.tensor(name, cast, Device::Cpu).unwrap().unwrap();
                prop_assert_eq!(loaded.kind(), cast);
                prop_assert!(loaded.equal(&tensor.to_kind(cast)), "{}", name);
            }
        }
        // The same bytes, whatever the order.
        let first = std::fs::read(&path).unwrap();
        saved.reverse();
        let metadata = [("note", note), ("format", "pt".to_owned())];
        save(&path, &saved, &metadata).unwrap();
        prop_assert_eq!(std::fs::read(&path).unwrap(), first);
    }
}

#[test]
fn a_sharing_store_hands_out_the_same_tensors() {
    let store = ParamStore::fresh(Kind::Float, Device::Cpu);
    let first = store
        .root()
        .at("x")
        .get("weight", &[4], Init::Ones)
        .unwrap();
    let sharing = ParamStore::sharing(&store);
    let root = sharing.root();
    assert!(root.has("x.weight") && !root.has("y.weight"));
    let second = root.at("x").get("weight", &[4], Init::Zeros).unwrap();
    let _ = first.shallow_clone().fill_(3.0);
    assert_eq!(second, first);
    sharing.finish().unwrap();
    let _ = root.get("x.weight", &[5], Init::Zeros).unwrap();
    let _ = root.get("y.weight", &[5], Init::Zeros).unwrap();
    let report = sharing.report();
    assert_eq!(report.missing, ["y.weight"]);
    assert_eq!(report.shapes, ["x.weight is [4], expected [5]"]);
}
