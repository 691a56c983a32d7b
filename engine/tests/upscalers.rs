//! Upscalers against BasicSR.

#![allow(clippy::unwrap_used)] // a test may panic

use std::path::{Path, PathBuf};

use tch::{Device, Kind, Tensor};
use vernier_engine::models::upscaler::UpscalerNet;
use vernier_engine::picture::Picture;
use vernier_engine::render::Flow;
use vernier_engine::upscale::{Upscaler, enlarged};
use vernier_engine::weights::{SafetensorsFile, save};

const TOLERANCE: f64 = 1e-5;

fn fixture(name: &str) -> PathBuf {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/upscalers");
    Path::new(folder).join(name)
}

fn told(name: &str) -> Tensor {
    let file = SafetensorsFile::open(&fixture("told.safetensors")).unwrap();
    file.tensor(name, Kind::Float, Device::Cpu)
        .unwrap()
        .unwrap()
}

#[test]
fn every_layout_agrees_with_basicsr() {
    for (file, expected, factor) in [
        ("rrdb_x4.pth", "rrdb_x4", 4),
        ("old_x4.pth", "rrdb_x4", 4),
        ("rrdb_x2.safetensors", "rrdb_x2", 2),
        ("compact_x4.pth", "compact_x4", 4),
    ] {
        let net = UpscalerNet::open(&fixture(file), Device::Cpu).unwrap();
        assert_eq!(net.factor(), factor, "{file}");
        let _guard = tch::no_grad_guard();
        let (got, expected) = (net.forward(&told("picture")).unwrap(), told(expected));
        assert_eq!(got.size(), expected.size(), "{file}");
        let apart = f64::try_from((&got - &expected).abs().max() / expected.abs().max()).unwrap();
        assert!(apart < TOLERANCE, "{file} is {apart:e} off");
    }
}

fn picture(width_px: u32, height_px: u32) -> Picture {
    let pixel = |i: u32| [(i % 251) as u8, (i / 7 % 256) as u8, 128];
    Picture {
        width_px,
        height_px,
        rgb: (0..width_px * height_px).flat_map(pixel).collect(),
    }
}

#[test]
fn pictures_of_any_size_become_the_size_that_is_asked_for() {
    let small = picture(13, 9);
    let mut on_tile = |_, _| Flow::Continue;
    for file in ["rrdb_x2.safetensors", "compact_x4.pth"] {
        let upscaler = Upscaler::open(&fixture(file), Device::Cpu).unwrap();
        let factor = upscaler.factor();
        let whole = upscaler.enlarge(&small, &mut on_tile).unwrap();
        assert_eq!((whole.width_px, whole.height_px), (13 * factor, 9 * factor));
        // Twice through the one that doubles, then down to what was asked for.
        let asked = enlarged(&small, (40, 30), Some(&upscaler), &mut on_tile).unwrap();
        assert_eq!((asked.width_px, asked.height_px), (40, 30));
        let stopped = upscaler.enlarge(&small, &mut |_, _| Flow::Cancel);
        assert!(matches!(
            stopped,
            Err(vernier_engine::EngineError::Cancelled)
        ));
    }
    let plain = enlarged(&small, (26, 18), None, &mut on_tile).unwrap();
    assert_eq!((plain.width_px, plain.height_px), (26, 18));
    assert_eq!(
        enlarged(&small, (13, 9), None, &mut on_tile).unwrap(),
        small
    );
}

/// Far from a tile's border the network does not see that there are tiles.
#[test]
fn tiles_leave_no_seams() {
    let upscaler = Upscaler::open(&fixture("compact_x4.pth"), Device::Cpu).unwrap();
    let large = picture(230, 70);
    let made = upscaler
        .enlarge(&large, &mut |_, _| Flow::Continue)
        .unwrap();
    let _guard = tch::no_grad_guard();
    let pixels = Tensor::from_slice(&large.rgb).reshape([70, 230, 3]);
    let pixels = pixels.permute([2, 0, 1]).unsqueeze(0).to_kind(Kind::Float) / 255.0;
    let net = UpscalerNet::open(&fixture("compact_x4.pth"), Device::Cpu).unwrap();
    let whole = (net.forward(&pixels).unwrap().clamp(0.0, 1.0) * 255.0).round();
    let whole = whole
        .to_kind(Kind::Uint8)
        .squeeze_dim(0)
        .permute([1, 2, 0])
        .contiguous();
    let whole = Vec::<u8>::try_from(whole.flatten(0, -1)).unwrap();
    let most = made
        .rgb
        .iter()
        .zip(&whole)
        .map(|(a, b)| a.abs_diff(*b))
        .max();
    assert!(most <= Some(1), "{most:?}");
}

#[test]
fn what_is_no_upscaler_or_not_whole_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("odd.safetensors");
    let write = |names: &[(&str, &[i64])]| {
        let tensors = names.iter().map(|(name, shape)| {
            let options = (Kind::Float, Device::Cpu);
            ((*name).to_owned(), Tensor::zeros(*shape, options))
        });
        save(&path, &tensors.collect::<Vec<_>>(), &[]).unwrap();
        UpscalerNet::open(&path, Device::Cpu)
            .unwrap_err()
            .to_string()
    };
    let told = write(&[("layers.0.attn.weight", &[4, 4])]);
    assert!(told.contains("is no upscaler that Vernier knows"), "{told}");
    let told = write(&[
        ("conv_first.weight", &[8, 3, 3, 3]),
        ("body.0.rdb1.conv1.weight", &[4, 8, 3, 3]),
    ]);
    assert!(
        told.contains("lacks conv_first.bias, body.0.rdb1"),
        "{told}"
    );
    let told = write(&[("conv_first.weight", &[8, 5, 3, 3])]);
    assert!(told.contains("is no upscaler"), "{told}");
}
