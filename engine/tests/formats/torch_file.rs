//! Writes what `torch.save` writes, opcode by opcode, so that tests can make good and bad files.

use std::io::Write;
use std::path::Path;

use rawzip::{CompressionMethod, ZipArchiveWriter};
use tch::{Kind, Tensor};

/// A pickle in the making.
#[derive(Clone)]
pub(crate) struct Pickle(pub(crate) Vec<u8>);

/// The arguments of `_rebuild_tensor_v2`.
pub(crate) struct TensorAt<'a> {
    pub(crate) storage: &'a str,
    pub(crate) key: &'a str,
    pub(crate) numel: i64,
    pub(crate) offset: i64,
    pub(crate) shape: &'a [i64],
    pub(crate) strides: &'a [i64],
}

impl Pickle {
    pub(crate) fn new() -> Self {
        Self(vec![0x80, 2])
    }

    pub(crate) fn op(mut self, bytes: &[u8]) -> Self {
        self.0.extend(bytes);
        self
    }

    pub(crate) fn text(self, text: &str) -> Self {
        let length = (text.len() as u32).to_le_bytes();
        self.op(b"X").op(&length).op(text.as_bytes())
    }

    pub(crate) fn int(self, value: i64) -> Self {
        self.op(&[0x8a, 8]).op(&value.to_le_bytes())
    }

    pub(crate) fn ints(self, values: &[i64]) -> Self {
        values.iter().fold(self.op(b"("), |p, &v| p.int(v)).op(b"t")
    }

    pub(crate) fn global(self, module: &str, name: &str) -> Self {
        self.op(format!("c{module}\n{name}\n").as_bytes())
    }

    pub(crate) fn tensor(self, at: &TensorAt<'_>) -> Self {
        self.global("torch._utils", "_rebuild_tensor_v2")
            .op(b"((")
            .text("storage")
            .global("torch", at.storage)
            .text(at.key)
            .text("cpu")
            .int(at.numel)
            .op(b"tQ")
            .int(at.offset)
            .ints(at.shape)
            .ints(at.strides)
            .op(b"\x89")
            .global("collections", "OrderedDict")
            .op(b")RtR")
    }

    pub(crate) fn end(self) -> Vec<u8> {
        self.op(b".").0
    }
}

/// A zip archive like that of `torch.save`, its entries deflated or stored.
pub(crate) fn zip(entries: &[(&str, &[u8])], deflated: bool) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut archive = ZipArchiveWriter::new(&mut bytes);
    for (name, data) in entries {
        let method = if deflated {
            CompressionMethod::DEFLATE
        } else {
            CompressionMethod::STORE
        };
        let (mut entry, config) = archive
            .new_file(*name)
            .compression_method(method)
            .start()
            .unwrap();
        if deflated {
            let encoder =
                flate2::write::DeflateEncoder::new(&mut entry, flate2::Compression::fast());
            let mut writer = config.wrap(encoder);
            writer.write_all(data).unwrap();
            let (encoder, descriptor) = writer.finish().unwrap();
            encoder.finish().unwrap();
            entry.finish(descriptor).unwrap();
        } else {
            let mut writer = config.wrap(&mut entry);
            writer.write_all(data).unwrap();
            let (_, descriptor) = writer.finish().unwrap();
            entry.finish(descriptor).unwrap();
        }
    }
    archive.finish().unwrap();
    bytes
}

/// An archive with this data.pkl and these storages, named `0`, `1` and so on.
pub(crate) fn archive(pickle: &[u8], storages: &[&[u8]], deflated: bool) -> Vec<u8> {
    let names: Vec<String> = (0..storages.len()).map(|i| format!("x/data/{i}")).collect();
    let mut entries = vec![
        ("x/data.pkl", pickle),
        ("x/byteorder", b"little".as_slice()),
    ];
    entries.extend(
        names
            .iter()
            .map(String::as_str)
            .zip(storages.iter().copied()),
    );
    entries.push(("x/version", b"3\n"));
    zip(&entries, deflated)
}

/// The bytes of a contiguous tensor.
pub(crate) fn bytes_of(tensor: &Tensor) -> Vec<u8> {
    let mut bytes = vec![0; tensor.numel() * tensor.kind().elt_size_in_bytes()];
    tensor.copy_data_u8(&mut bytes, tensor.numel());
    bytes
}

/// Writes a flat state dict of contiguous f32 and bf16 tensors.
pub(crate) fn save_state_dict(path: &Path, tensors: &[(String, Tensor)]) {
    let mut pickle = Pickle::new()
        .global("collections", "OrderedDict")
        .op(b")R(");
    let mut storages = Vec::new();
    for (i, (name, tensor)) in tensors.iter().enumerate() {
        let storage = match tensor.kind() {
            Kind::Float => "FloatStorage",
            Kind::BFloat16 => "BFloat16Storage",
            other => panic!("{other:?}"),
        };
        pickle = pickle.text(name).tensor(&TensorAt {
            storage,
            key: &i.to_string(),
            numel: tensor.numel() as i64,
            offset: 0,
            shape: &tensor.size(),
            strides: &tensor.stride(),
        });
        storages.push(bytes_of(tensor));
    }
    let storages: Vec<&[u8]> = storages.iter().map(Vec::as_slice).collect();
    let bytes = archive(&pickle.op(b"u").end(), &storages, false);
    std::fs::write(path, bytes).unwrap();
}
