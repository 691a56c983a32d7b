//! No bytes make the readers panic.

use std::path::Path;

use proptest::prelude::*;
use tch::{Device, Kind};
use vernier_engine::weights::pickle::PickleFile;

use crate::fixture;
use crate::torch_file::archive;

/// Tensors that are read to see whether reading panics, by size.
const READ_UP_TO: i64 = 1 << 16;

/// Opens and reads everything; errors are fine, each in one line.
fn try_all(path: &Path, bytes: &[u8]) {
    std::fs::write(path, bytes).unwrap();
    match PickleFile::open(path) {
        Ok(file) => {
            for (name, tensor) in file.entries() {
                if tensor.numel() <= READ_UP_TO {
                    let _ = file.tensor(name, Kind::Float, Device::Cpu);
                }
            }
            let _ = file.root().to_string();
        }
        Err(error) => assert!(!error.to_string().contains('\n'), "{error}"),
    }
}

/// Overwrites, cuts out and repeats, at random places.
fn mutated(bytes: Vec<u8>) -> impl Strategy<Value = Vec<u8>> {
    let edit = (
        any::<prop::sample::Index>(),
        0..4_u8,
        any::<[u8; 8]>(),
        1..9_usize,
    );
    prop::collection::vec(edit, 1..6).prop_map(move |edits| {
        let mut bytes = bytes.clone();
        for (place, how, with, length) in edits {
            let at = place.index(bytes.len().max(1)).min(bytes.len());
            let end = (at + length).min(bytes.len());
            match how {
                0 => bytes[at..end].copy_from_slice(&with[..end - at]),
                1 => drop(bytes.drain(at..end)),
                2 => bytes[at..end].fill(0xff),
                _ => {
                    let again = bytes[at..end].to_vec();
                    drop(bytes.splice(at..at, again));
                }
            }
        }
        bytes
    })
}

/// Opcodes that follow each other at random, with their arguments near enough to go on.
fn program() -> impl Strategy<Value = Vec<u8>> {
    let op = prop_oneof![
        8 => prop::sample::select(&b"(012N\x88\x89]le)td\x85\x86\x87}sauRbQ\x94\x93"[..])
            .prop_map(|op| vec![op]),
        2 => any::<u8>().prop_map(|v| vec![b'K', v]),
        1 => any::<i32>().prop_map(|v| [&b"J"[..], &v.to_le_bytes()].concat()),
        1 => (0..9_u8, any::<[u8; 8]>())
            .prop_map(|(n, v)| [&[0x8a, n], &v[..n as usize]].concat()),
        2 => (0..6_u8).prop_map(|v| vec![b'q', v]),
        2 => (0..6_u8).prop_map(|v| vec![b'h', v]),
        1 => "[a-z0]{0,3}".prop_map(|t| [&[0x8c, t.len() as u8], t.as_bytes()].concat()),
        1 => Just(b"\x8c\x07storage".to_vec()),
        1 => prop::sample::select(vec![
            "ccollections\nOrderedDict\n",
            "ctorch._utils\n_rebuild_tensor_v2\n",
            "ctorch._utils\n_rebuild_parameter\n",
            "ctorch\nFloatStorage\n",
            "ctorch\nSize\n",
        ])
        .prop_map(|t| t.as_bytes().to_vec()),
    ];
    prop::collection::vec(op, 0..60).prop_map(|ops| [b"\x80\x02", &ops.concat()[..], b"."].concat())
}

/// The fixture's data.pkl and its storages.
fn parts() -> (Vec<u8>, Vec<Vec<u8>>) {
    let bytes = std::fs::read(fixture("tensors_protocol2.pt")).unwrap();
    let zip = rawzip::ZipArchive::from_slice(&bytes).unwrap();
    let entry = |name: String| {
        let name = format!("tensors_protocol2/{name}");
        let found = zip.entries().find_map(|record| {
            let record = record.unwrap();
            (record.file_path().as_bytes() == name.as_bytes()).then(|| record.wayfinder())
        })?;
        Some(zip.get_entry(found).unwrap().data().to_vec())
    };
    let storages = (0..).map_while(|i| entry(format!("data/{i}"))).collect();
    (entry("data.pkl".to_owned()).unwrap(), storages)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn mutated_files(bytes in mutated(std::fs::read(fixture("tensors_protocol2.pt")).unwrap())) {
        let folder = tempfile::tempdir().unwrap();
        try_all(&folder.path().join("t.pt"), &bytes);
    }

    /// The zip archive whole, so that the pickle is reached.
    #[test]
    fn mutated_pickles(pickle in mutated(parts().0), deflated: bool) {
        let storages = parts().1;
        let storages: Vec<&[u8]> = storages.iter().map(Vec::as_slice).collect();
        let folder = tempfile::tempdir().unwrap();
        try_all(&folder.path().join("t.pt"), &archive(&pickle, &storages, deflated));
    }

    #[test]
    fn random_programs(pickle in program()) {
        let folder = tempfile::tempdir().unwrap();
        try_all(&folder.path().join("t.pt"), &archive(&pickle, &[&[7; 64]], false));
    }

    #[test]
    fn random_bytes(mut bytes in prop::collection::vec(any::<u8>(), 0..200), zipped: bool) {
        if zipped {
            bytes.splice(0..0, *b"PK\x03\x04");
        }
        let folder = tempfile::tempdir().unwrap();
        try_all(&folder.path().join("t.pt"), &bytes);
    }
}
