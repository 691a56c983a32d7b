//! Files of `torch.save` are read as Python reads them.

use std::path::Path;

use proptest::prelude::*;
use tch::{Device, Kind, Tensor};
use vernier_engine::weights::TensorFile;
use vernier_engine::weights::pickle::{PickleFile, PickleKey, PickleValue};

use crate::fixture;
use crate::torch_file::{Pickle, TensorAt, archive};

fn read(file: &PickleFile, name: &str, kind: Kind) -> Tensor {
    file.tensor(name, kind, Device::Cpu).unwrap().unwrap()
}

fn floats(file: &PickleFile, name: &str) -> (Vec<i64>, Vec<f64>) {
    let tensor = read(file, name, Kind::Double);
    assert!(tensor.is_contiguous(), "{name}");
    (tensor.size(), Vec::try_from(tensor.flatten(0, -1)).unwrap())
}

/// See `make_pickle.py` for what the files hold.
#[test]
fn a_file_of_pytorch_is_read_whole() {
    for protocol in [2, 5] {
        let path = fixture(&format!("tensors_protocol{protocol}.pt"));
        let file = PickleFile::open(&path).unwrap();
        let count = |from: i64, to: i64| (from..to).map(|v| v as f64).collect::<Vec<_>>();

        let weight = floats(&file, "state_dict.weight");
        assert_eq!(weight, (vec![3, 2], count(0, 6)));
        assert_eq!(floats(&file, "state_dict.bias").1, [-1.0, 0.5, 2.0]);
        assert_eq!(floats(&file, "parameter").1, [0.25, -0.25]);

        assert_eq!(floats(&file, "views.whole"), (vec![4, 6], count(0, 24)));
        let turned = (0..24).map(|i| f64::from(i % 4 * 6 + i / 4)).collect();
        assert_eq!(floats(&file, "views.transposed"), (vec![6, 4], turned));
        let odd = (0..12).map(|i| f64::from(2 * i + 1)).collect();
        assert_eq!(floats(&file, "views.columns"), (vec![4, 3], odd));
        assert_eq!(floats(&file, "views.tail").1, count(20, 24));
        assert_eq!(floats(&file, "views.repeated").1, [3.0; 5]);

        for (name, dtype, values) in [
            ("bf16", "BF16", &[1.0, -2.5, 3.140_625][..]),
            ("f16", "F16", &[1.0, -2.5, 65504.0]),
            ("f64", "F64", &[1e300]),
            ("i32", "I32", &[-7.0, 7.0]),
            ("i16", "I16", &[-300.0, 300.0]),
            ("i8", "I8", &[-128.0, 127.0]),
            ("u8", "U8", &[0.0, 255.0]),
            ("bool", "BOOL", &[1.0, 0.0, 1.0]),
        ] {
            let name = format!("dtypes.{name}");
            assert_eq!(file.entries()[&name].dtype(), dtype);
            assert_eq!(floats(&file, &name).1, values, "{name}");
        }
        let wide = Vec::<i64>::try_from(read(&file, "dtypes.i64", Kind::Int64));
        assert_eq!(wide.unwrap(), [-(1 << 62), 1 << 62]);

        assert_eq!(floats(&file, "scalar"), (vec![], vec![1.5]));
        assert_eq!(floats(&file, "empty"), (vec![0, 3], vec![]));
        assert_eq!(floats(&file, "list.0").1, [7.0]);
        assert_eq!(file.entries().len(), 20);

        let root = file.root();
        let numbers = |values: &[i64]| {
            PickleValue::List(values.iter().map(|&v| PickleValue::Int(v)).collect())
        };
        let Some(PickleValue::List(list)) = root.get("list") else {
            panic!("{root:?}");
        };
        assert_eq!(list[1..], [numbers(&[1, 2]), numbers(&[3, 4])]);
        for (name, value) in [
            ("step", PickleValue::Int(1000)),
            ("long", PickleValue::Int(-(1 << 40))),
            ("rate", PickleValue::Float(2e-4)),
            ("name", PickleValue::Text("Größe 🙂".into())),
            ("done", PickleValue::Bool(false)),
            ("nothing", PickleValue::None),
        ] {
            assert_eq!(root.get(name), Some(&value));
        }
        let PickleValue::Dict(items) = root else {
            panic!("{root:?}");
        };
        let last = (PickleKey::Int(5), PickleValue::Text("five".into()));
        assert_eq!(items.last(), Some(&last));
        assert_eq!(items[0].0, PickleKey::Text("state_dict".into()));
    }
}

#[test]
fn tensors_take_the_asked_dtype() {
    let file = PickleFile::open(&fixture("tensors_protocol2.pt")).unwrap();
    let half = read(&file, "views.transposed", Kind::Half);
    assert_eq!((half.kind(), half.size()), (Kind::Half, vec![6, 4]));
    let float = read(&file, "views.transposed", Kind::Float);
    assert!(half.to_kind(Kind::Float).equal(&float));
    assert!(
        file.tensor("no", Kind::Float, Device::Cpu)
            .unwrap()
            .is_none()
    );
}

#[test]
fn either_format_opens_by_its_content() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mislabelled.safetensors");
    std::fs::copy(fixture("tensors_protocol2.pt"), &path).unwrap();
    let file = TensorFile::open(&path).unwrap();
    let header = file.headers()[0];
    assert_eq!((header.name, header.shape), ("dtypes.bf16", &[3][..]));
    assert_eq!((header.dtype, header.numel()), ("BF16", 3));

    let path = folder.path().join("mislabelled.pt");
    let scalar = Tensor::from(2.5_f32);
    vernier_engine::weights::save(&path, &[("x".to_owned(), scalar)], &[]).unwrap();
    let file = TensorFile::open(&path).unwrap();
    let value = file.require("x", Kind::Double, Device::Cpu).unwrap();
    assert_eq!(f64::try_from(value).unwrap().to_bits(), 2.5_f64.to_bits());
    let error = file.require("y", Kind::Double, Device::Cpu).unwrap_err();
    assert!(error.to_string().contains("lacks the tensor y"), "{error}");
}

/// The whole value of a file with this one tensor.
fn one_tensor(path: &Path, at: &TensorAt<'_>, storage: &[u8], deflated: bool) -> PickleFile {
    let pickle = Pickle::new().tensor(at).end();
    std::fs::write(path, archive(&pickle, &[storage], deflated)).unwrap();
    PickleFile::open(path).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Any view of a storage has the elements that counting by hand finds, stored or deflated.
    #[test]
    fn strides_and_offsets_are_honoured(
        dims in prop::collection::vec((0_i64..4, 0_i64..5), 0..4),
        offset in 0_i64..7,
        deflated: bool,
    ) {
        let (shape, strides): (Vec<i64>, Vec<i64>) = dims.into_iter().unzip();
        let mut places = vec![offset];
        for (&size, &stride) in shape.iter().zip(&strides) {
            let before = places;
            places = before.iter().flat_map(|p| (0..size).map(move |i| p + i * stride)).collect();
        }
        let numel = places.iter().max().unwrap_or(&offset) + 1;
        let values: Vec<u8> = (0..numel).flat_map(|v| (v as i16).to_le_bytes()).collect();
        let at = TensorAt {
            storage: "ShortStorage",
            key: "0",
            numel,
            offset,
            shape: &shape,
            strides: &strides,
        };
        let folder = tempfile::tempdir().unwrap();
        let file = one_tensor(&folder.path().join("t.pt"), &at, &values, deflated);
        let (size, found) = floats(&file, "value");
        prop_assert_eq!(size, shape);
        let places: Vec<f64> = places.iter().map(|&p| p as f64).collect();
        prop_assert_eq!(found, places);
    }
}

/// A list that is named twice is one list, filled before or after.
#[test]
fn what_is_kept_is_shared() {
    // a = []; {"a": a, "b": a} with 7 appended in between.
    let pickle = Pickle::new()
        .op(b"}(")
        .text("a")
        .op(b"]q\x01")
        .text("b")
        .op(b"h\x01");
    let pickle = pickle.int(7).op(b"au").end();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.pt");
    std::fs::write(&path, archive(&pickle, &[], false)).unwrap();
    let file = PickleFile::open(&path).unwrap();
    let seven = PickleValue::List(vec![PickleValue::Int(7)]);
    assert_eq!(file.root().get("a"), Some(&seven));
    assert_eq!(file.root().get("b"), Some(&seven));
}

/// Of a key that comes twice the later value counts, at the first one's place.
#[test]
fn later_values_of_a_key_count() {
    let pickle = Pickle::new()
        .op(b"}(")
        .text("a")
        .int(1)
        .text("b")
        .int(2)
        .text("a")
        .int(3);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.pt");
    std::fs::write(&path, archive(&pickle.op(b"u").end(), &[], false)).unwrap();
    let file = PickleFile::open(&path).unwrap();
    let leaves: Vec<String> = file
        .root()
        .leaves()
        .into_iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    assert_eq!(leaves, ["a=3", "b=2"]);
}
