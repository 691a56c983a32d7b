//! The figures of the edit bench, against Python transformers and by hand.
//!
//! `tests/fixtures/make_edit_figures.py` read the same pictures with the embedded model's CLIP.

#![allow(clippy::unwrap_used, reason = "clippy only knows test functions")]

use std::path::{Path, PathBuf};

use vernier_engine::checkpoint::{MeterOptions, open_clip, open_meter};
use vernier_engine::measure::{CaseEdit, EditCase, EditFigures, EditJudge, Place};
use vernier_engine::picture::{Mask, read_image};

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

fn edit(number: usize, from: &str, to: &str, color: &str) -> CaseEdit {
    CaseEdit {
        from: from.to_owned(),
        to: to.to_owned(),
        mask: fixtures().join(format!("edit_figures/005-mask{number}.png")),
        place: Some(Place {
            index: number - 1,
            count: 2,
        }),
        expect: [("paint_color".to_owned(), color.to_owned())].into(),
    }
}

/// The figures of `picture` as an edit of the fixture's source.
fn figures(picture: &str) -> EditFigures {
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("../assets/miniature");
    let clip = open_clip(&model.join("clip"), tch::Device::Cpu).unwrap();
    let meter = open_meter(&model, &MeterOptions::default(), tch::Device::Cpu).unwrap();
    let judge = EditJudge {
        clip: &clip,
        meter: meter.as_ref(),
    };
    let read = |name: &str| read_image(&fixtures().join("edit_figures").join(name)).unwrap();
    let case = EditCase {
        image: "005.png".into(),
        prompt: "an orange apple next to a white cup on a plain green background".to_owned(),
        kind: "color".to_owned(),
        edits: vec![
            edit(1, "orange apple", "green apple", "green"),
            edit(2, "white cup", "pink cup", "pink"),
        ],
        truth: None,
    };
    let masks = case.edits.iter();
    let masks = masks.map(|e| Mask::from_picture(&read_image(&e.mask).unwrap()));
    judge
        .figures(&case, read("005.png"), masks.collect(), &read(picture))
        .unwrap()
}

#[test]
fn leakage_and_structure_are_those_of_python() {
    let text = std::fs::read_to_string(fixtures().join("edit_figures.json")).unwrap();
    let expected: serde_json::Value = serde_json::from_str(&text).unwrap();
    let made = figures("005-truth.png");
    for (name, made, tolerance) in [
        ("tels", made.tels, 0.02),
        ("tils", made.tils.unwrap(), 0.02),
        ("clip_edited", made.clip_edited, 0.02),
        ("structure", made.structure, 2e-5),
    ] {
        let expected = expected[name].as_f64().unwrap();
        let apart = (made - expected).abs();
        assert!(
            apart < tolerance,
            "{name}: {made}, and {expected} by Python"
        );
    }
}

#[test]
fn the_picture_as_it_should_look_succeeds_and_the_source_does_not() {
    let truth = figures("005-truth.png");
    assert_eq!((truth.success, truth.wrong_object), (1.0, Some(false)));
    assert!(truth.background.psnr_db.unwrap() > 30.0 && truth.structure > 0.0);
    let source = figures("005.png");
    assert_eq!((source.success, source.wrong_object), (0.0, Some(false)));
    assert_eq!((source.structure, source.background_mse), (0.0, 0.0));
    assert_eq!(
        (source.background.psnr_db, source.whole_psnr_db),
        (None, None)
    );
    assert_eq!(source.background_distance, Some(0.0));
}
