//! Attribute directions: the published files, and what is none.

use std::path::{Path, PathBuf};

use tch::{Kind, Tensor};
use vernier_engine::controls::delta_file::{CLIP_G, CLIP_L, read_delta};
use vernier_engine::controls::tensor_kind::TensorKind;
use vernier_engine::weights::{TensorFile, save};

use crate::fixture;
use crate::torch_file::save_state_dict;

/// The 34 published files, where they lie beside the repository.
fn published() -> Option<Vec<PathBuf>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/attribute-deltas");
    let Ok(entries) = std::fs::read_dir(&folder) else {
        println!("skipped: there is no {}", folder.display());
        return None;
    };
    let mut paths: Vec<PathBuf> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "pt"))
        .collect();
    paths.sort();
    Some(paths)
}

fn values(tensor: &Tensor) -> Vec<f32> {
    Vec::try_from(tensor).unwrap()
}

fn norm(values: &[f32]) -> f64 {
    values
        .iter()
        .map(|v| f64::from(*v).powi(2))
        .sum::<f64>()
        .sqrt()
}

/// The bf16 values of the entry `data/{key}`, decoded by hand.
fn by_hand(path: &Path, key: &str) -> Vec<f32> {
    let bytes = std::fs::read(path).unwrap();
    let zip = rawzip::ZipArchive::from_slice(&bytes).unwrap();
    let name = format!("{}/data/{key}", path.file_stem().unwrap().to_str().unwrap());
    let record = zip.entries().map(Result::unwrap);
    let record = record
        .into_iter()
        .find(|r| r.file_path().as_bytes() == name.as_bytes());
    let data = zip.get_entry(record.unwrap().wayfinder()).unwrap().data();
    let pairs = data.as_chunks::<2>().0;
    pairs
        .iter()
        .map(|&pair| f32::from_bits(u32::from(u16::from_le_bytes(pair)) << 16))
        .collect()
}

#[test]
fn the_published_directions_are_read() {
    let Some(paths) = published() else { return };
    assert_eq!(paths.len(), 34);
    let mut norms = Vec::new();
    let mut largest = 0.0_f32;
    for path in &paths {
        let delta = read_delta(path).unwrap();
        let [(first, l), (second, g)] = &delta[..] else {
            panic!("{delta:?}");
        };
        assert_eq!((first.as_str(), second.as_str()), (CLIP_L, CLIP_G));
        assert_eq!((l.size(), g.size()), (vec![768], vec![1280]));
        assert_eq!((l.kind(), g.kind()), (Kind::Float, Kind::Float));
        let (l, g) = (values(l), values(g));
        assert_eq!(l, by_hand(path, "0"), "{}", path.display());
        assert_eq!(g, by_hand(path, "1"), "{}", path.display());
        norms.push((norm(&l), norm(&g)));
        largest = l.iter().chain(&g).fold(largest, |m, v| m.max(v.abs()));

        let kind = TensorKind::of(&TensorFile::open(path).unwrap()).unwrap();
        assert_eq!(
            kind.unwrap().to_string(),
            "attribute direction for oai_clip_vit_l (768) and openclip_g (1280)"
        );
    }
    // What an earlier reading of the files found.
    let close = |a: f64, b: f64| assert!((a - b).abs() < 0.005, "{a} is not {b}");
    let named = |name: &str| {
        let stem = |p: &PathBuf| p.file_stem().is_some_and(|s| s == name);
        paths.iter().position(stem).unwrap()
    };
    let age = named("person_age");
    close(norms[age].0, 7.25);
    close(norms[age].1, 7.64);
    let delta = read_delta(&paths[age]).unwrap();
    for (direction, want) in [
        (0, [-0.3516, 0.2314, 0.0742]),
        (1, [-0.0386, 0.0349, 0.3457]),
    ] {
        for (found, want) in values(&delta[direction].1).into_iter().zip(want) {
            assert!((found - want).abs() < 5e-5, "{found} is not {want}");
        }
    }
    close(norms[named("person_groomed")].0, 4.22);
    close(norms[named("person_colorful_outfit")].0, 10.40);
    let range = |values: Vec<f64>| {
        let least = values.iter().copied().fold(f64::MAX, f64::min);
        (least, values.into_iter().fold(0.0, f64::max))
    };
    let l = range(norms.iter().map(|n| n.0).collect());
    close(l.0, 4.22);
    close(l.1, 10.40);
    let g = range(norms.iter().map(|n| n.1).collect());
    close(g.0, 5.39);
    close(g.1, 11.99);
    assert!(largest <= 1.205, "{largest}");
}

#[test]
fn fresh_f32_directions_and_safetensors_are_read_too() {
    let folder = tempfile::tempdir().unwrap();
    let direction = Tensor::from_slice(&[0.1_f32, -0.2, 0.3]);
    let named = vec![(
        "delta.tokenwise_delta.tiny".to_owned(),
        direction.shallow_clone(),
    )];
    let (pt, st) = (
        folder.path().join("d.pt"),
        folder.path().join("d.safetensors"),
    );
    save_state_dict(&pt, &named);
    save(&st, &named, &[]).unwrap();
    for path in [pt, st] {
        let delta = read_delta(&path).unwrap();
        assert_eq!(delta[0].0, "tiny");
        assert!(delta[0].1.equal(&direction));
    }
}

#[test]
fn what_is_no_direction_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("d.pt");
    let name = || "delta.tokenwise_delta.l".to_owned();
    for (tensors, said) in [
        (vec![], "holds no attribute direction"),
        (
            vec![("other".to_owned(), Tensor::from(1_f32))],
            "has the tensor other",
        ),
        (
            vec![(name(), Tensor::from(1_f32))],
            "for l of shape [], where one vector",
        ),
        (
            vec![(name(), Tensor::from_slice(&[0_f32; 0]))],
            "for l of shape [0]",
        ),
        (
            vec![(name(), Tensor::from_slice(&[1.0, f32::NAN]))],
            "for l with NaN",
        ),
    ] {
        save_state_dict(&path, &tensors);
        let error = read_delta(&path).unwrap_err().to_string();
        assert!(error.contains(said), "{error}");
    }
    let error = read_delta(&fixture("tensors_protocol2.pt")).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("which no attribute direction has"),
        "{error}"
    );
}
