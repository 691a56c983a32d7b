use tch::{Device, Kind, Tensor};

use super::{AttributeMeter, HeadSpec, Meter as _, MeterConfig, Place, Reading};
use crate::Result;
use crate::weights::{ParamStore, save};

fn spec(name: &str, classes: &[&str]) -> HeadSpec {
    HeadSpec {
        name: name.to_owned(),
        classes: classes.iter().map(|&c| c.to_owned()).collect(),
        kinds: Vec::new(),
    }
}

fn config() -> MeterConfig {
    MeterConfig {
        input_px: 16,
        channels: vec![4, 8],
        group_channels: 2,
        subject_heads: vec![spec("smile", &[]), spec("hat", &["none", "cap", "top hat"])],
        picture_heads: vec![spec("warmth", &[])],
        regions: vec![
            vec![[0.0, 0.0, 1.0, 1.0]],
            vec![[0.0, 0.0, 0.5, 1.0], [0.5, 0.0, 1.0, 1.0]],
        ],
    }
}

fn store() -> (ParamStore, AttributeMeter) {
    let store = ParamStore::fresh(Kind::Float, Device::Cpu);
    let meter = AttributeMeter::new(&store.root(), &config()).unwrap();
    (store, meter)
}

fn pictures(count: i64) -> Tensor {
    Tensor::rand([count, 3, 32, 32], (Kind::Float, Device::Cpu)) * 2.0 - 1.0
}

#[test]
fn one_row_a_crop_and_one_column_an_output() {
    let (_, meter) = store();
    let crops = meter.crop(&pictures(3), [0.0, 0.0, 1.0, 1.0]).unwrap();
    assert_eq!(crops.size(), [3, 3, 16, 16]);
    let (subject, picture) = meter.forward(&crops).unwrap();
    assert_eq!((subject.size(), picture.size()), (vec![3, 4], vec![3, 1]));
}

#[test]
fn a_crop_shows_its_region_and_nothing_else() {
    let (_, meter) = store();
    let picture = Tensor::zeros([1, 3, 32, 32], (Kind::Float, Device::Cpu));
    let _ = picture.narrow(3, 16, 16).narrow(2, 0, 16).fill_(1.0);
    let mean = |region| {
        let crop = meter.crop(&picture, region).unwrap();
        crop.mean(Kind::Float).double_value(&[])
    };
    assert!((mean([0.5, 0.0, 1.0, 0.5]) - 1.0).abs() < 1e-6);
    assert!(mean([0.0, 0.0, 0.5, 1.0]).abs() < 1e-6);
    // Regions that stick out are cut at the edge; an empty one is refused.
    assert!((mean([0.5, -0.4, 1.3, 0.5]) - 1.0).abs() < 1e-6);
    let error = meter.crop(&picture, [0.4, 0.0, 0.4, 1.0]).unwrap_err();
    assert!(error.to_string().contains("is empty"), "{error}");
}

/// Outputs that the last layers' biases alone decide.
fn constant_meter() -> AttributeMeter {
    let (store, meter) = store();
    let _guard = tch::no_grad_guard();
    for (name, mut tensor) in store.named() {
        match name.as_str() {
            "subject.weight" | "picture.weight" => drop(tensor.zero_()),
            "subject.bias" => tensor.copy_(&Tensor::from_slice(&[0.3_f32, 0.0, 2.0, 1.0])),
            "picture.bias" => tensor.copy_(&Tensor::from_slice(&[1.7_f32])),
            _ => {}
        }
    }
    meter
}

#[test]
fn outputs_are_read_as_values_and_classes_with_confidence() {
    let meter = constant_meter();
    let region = meter.config().regions_of(2).unwrap()[1];
    let read = meter.read_subject(&pictures(2), region).unwrap();
    assert_eq!(read.len(), 2);
    let Reading::Value(smile) = read[0]["smile"] else {
        panic!("smile is continuous")
    };
    assert!((smile - 0.3).abs() < 1e-6);
    let Reading::Class {
        index,
        name,
        confidence,
    } = &read[1]["hat"]
    else {
        panic!("hats are classes")
    };
    assert_eq!((*index, name.as_str()), (1, "cap"));
    let softmax = 2.0_f64.exp() / (1.0 + 2.0_f64.exp() + 1.0_f64.exp());
    assert!((confidence - softmax).abs() < 1e-6);
    // Values outside the scale are read as its end.
    let whole = meter.read_picture(&pictures(1)).unwrap();
    assert_eq!(whole[0]["warmth"], Reading::Value(1.0));
}

#[test]
fn a_score_is_the_raw_output_of_its_head() {
    let meter = constant_meter();
    let place = Some(Place { index: 1, count: 2 });
    let smile = meter.score(&pictures(2), "smile", place).unwrap();
    let smile: Vec<f32> = Vec::try_from(smile).unwrap();
    assert!(smile.iter().all(|s| (s - 0.3).abs() < 1e-6) && smile.len() == 2);
    // Readings are held within 0..1, scores are not.
    let score = meter.score(&pictures(1), "warmth", None).unwrap();
    assert!((score.double_value(&[0]) - 1.7).abs() < 1e-6);
    assert_eq!(meter.read(&pictures(1), "warmth", None).unwrap(), [1.0]);
    for (attribute, place) in [("hat", place), ("smile", None)] {
        let error = meter.score(&pictures(1), attribute, place).unwrap_err();
        assert!(error.to_string().contains("does not read it"), "{error}");
    }
}

#[test]
fn a_written_meter_opens_and_reads_the_same() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let (store, meter) = store();
    save(
        &folder.path().join("meter.safetensors"),
        &store.named(),
        &[],
    )?;
    let path = folder.path().join("config.json");
    std::fs::write(&path, serde_json::to_string(&config()).unwrap()).unwrap();
    let opened = AttributeMeter::open(folder.path(), Device::Cpu)?;
    assert_eq!(opened.config(), &config());
    let picture = pictures(1);
    let whole = [0.0, 0.0, 1.0, 1.0];
    assert_eq!(
        meter.read_subject(&picture, whole)?,
        opened.read_subject(&picture, whole)?
    );

    let mut damaged = config();
    damaged.group_channels = 3;
    std::fs::write(&path, serde_json::to_string(&damaged).unwrap()).unwrap();
    let error = AttributeMeter::open(folder.path(), Device::Cpu).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("field \"channels\" must be multiples"),
        "{error}"
    );
    Ok(())
}
