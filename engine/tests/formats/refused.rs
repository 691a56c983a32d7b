//! Everything that is no plain file of tensors has its sentence.

use std::path::Path;

use tch::{Device, Kind};
use vernier_engine::weights::pickle::PickleFile;

use crate::fixture;
use crate::torch_file::{Pickle, TensorAt, archive, zip};

/// The sentence about a file with these bytes, without its path.
#[track_caller]
fn sentence(bytes: &[u8]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.pt");
    std::fs::write(&path, bytes).unwrap();
    error_of(&path)
}

#[track_caller]
fn error_of(path: &Path) -> String {
    let error = PickleFile::open(path).unwrap_err().to_string();
    let start = format!("{}: ", path.display());
    error.strip_prefix(&start).unwrap().to_owned()
}

#[track_caller]
fn refused(pickle: Pickle, said: &str) {
    let problem = sentence(&archive(&pickle.end(), &[&[0; 16]], false));
    assert!(problem.contains(said), "{said:?} is not in {problem:?}");
}

#[test]
fn other_formats_are_named() {
    for (bytes, said) in [
        (
            &b"abc"[..],
            "is only 3 bytes long, which is no file of torch.save",
        ),
        (
            b"GGUF............",
            "is no file of torch.save (it is not a zip archive)",
        ),
        (b"\x80\x04\x95\0\0\0\0\0\0\0\0.", "is a bare pickle"),
        (
            b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\x02",
            "is in the format of PyTorch before 1.6, which is not read; in Python, \
             torch.save(torch.load(path, weights_only=True), new_path) converts it",
        ),
        (
            b"version https://git-lfs.github.com/spec/v1\n",
            "is a Git LFS pointer",
        ),
        (
            b"\x10\0\0\0\0\0\0\0{\"a\":1}        ",
            "is a safetensors file; give it the ending",
        ),
        (
            b"PK\x03\x04 and then nothing",
            "its zip archive is damaged or cut short",
        ),
    ] {
        let problem = sentence(bytes);
        assert!(
            problem.starts_with(said) || problem.contains(said),
            "{problem}"
        );
    }
    let problem = sentence(&zip(&[("x/a.npy", b"")], false));
    assert!(
        problem.starts_with("is a zip archive without data.pkl"),
        "{problem}"
    );
    let script = zip(
        &[("x/data.pkl", b"\x80\x02N."), ("x/code/m.py", b"")],
        false,
    );
    let problem = sentence(&script);
    assert!(problem.starts_with("is a TorchScript program"), "{problem}");
    assert!(
        problem.contains("torch.jit.load(path).state_dict()"),
        "{problem}"
    );
    let big = zip(
        &[("x/data.pkl", b"\x80\x02N."), ("x/byteorder", b"big")],
        false,
    );
    assert!(sentence(&big).starts_with("was saved on a big-endian machine"));
    let twice = zip(
        &[("x/data.pkl", b"\x80\x02N."), ("x/data.pkl", b"\x80\x02N.")],
        false,
    );
    assert_eq!(sentence(&twice), "has two entries named x/data.pkl");
    assert!(error_of(Path::new("/nowhere.pt")).contains("there is no such file"));
    assert!(error_of(Path::new("/")).contains("is a folder"));
}

/// What a real unpickler would run is named, and does not run.
#[test]
fn code_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let mark = folder.path().join("ran");
    let command = format!("touch {}", mark.display());
    refused(
        Pickle::new()
            .global("os", "system")
            .op(b"(")
            .text(&command)
            .op(b"tR"),
        "asks for os.system, which is no part of plain tensors and could run code, so it is not \
         read; in Python, save the tensors alone as safetensors",
    );
    let by_stack = Pickle::new().text("builtins").text("eval").op(b"\x93");
    refused(by_stack, "asks for builtins.eval,");
    // A name that tries to look like another message.
    let odd = Pickle::new().global("a\u{1b}[2J", &"b".repeat(500));
    refused(odd, "asks for a\\u{1b}[2J.bbb");
    refused(
        Pickle::new().global("torch", "ComplexFloatStorage"),
        "torch.ComplexFloatStorage",
    );
    refused(
        Pickle::new().global("torch._utils", "_rebuild_tensor_v3"),
        "_rebuild_tensor_v3",
    );
    assert!(!mark.exists());
}

#[test]
fn other_opcodes_are_refused_by_name() {
    for (opcode, name) in [
        (&b"ios\nsystem\n"[..], "INST"),
        (b"\x81", "NEWOBJ"),
        (b"\x92", "NEWOBJ_EX"),
        (b"o", "OBJ"),
        (b"\x82\x01", "EXT1"),
        (b"P0\n", "PERSID"),
        (b"C\x01x", "SHORT_BINBYTES"),
        (b"\x8f", "EMPTY_SET"),
        (b"I1\n", "INT"),
    ] {
        let said = format!("uses the pickle opcode {name}, which a file of tensors does not need");
        refused(Pickle::new().op(b"))").op(opcode), &said);
    }
    refused(Pickle::new().op(b"\xff"), "byte 0xff is no opcode");
    let ancient = sentence(&archive(b"(dp0\n.", &[], false));
    assert!(
        ancient.contains("no pickle of protocol 2 to 5"),
        "{ancient}"
    );
    let newer = sentence(&archive(b"\x80\x06N.", &[], false));
    assert!(newer.contains("pickle of protocol 6"), "{newer}");
}

#[test]
fn damaged_pickles_are_refused() {
    for (bytes, said) in [
        (&b"."[..], "its stack runs empty"),
        (b"0.", "its stack runs empty"),
        (b"t.", "no mark is set"),
        (b"N(\x85.", "its stack runs empty"),
        (b"h\x07.", "recalls what it never kept"),
        (b"NNs.", "its stack runs empty"),
        (b"NNNs.", "keys for None"),
        (b"NNa.", "items for None"),
        (b"}(Nu.", "a key has no value"),
        (b"}NNs.", "a dict with None as a key"),
        (b"}))s.", "a dict with a tuple as a key"),
        (b"N)R.", "a call of None"),
        (b"ctorch\nSize\n}R.", "a call with a dict"),
        (b"ctorch\nSize\n)R.", "torch.Size with 0 arguments"),
        (
            b"ccollections\nOrderedDict\n}\x85R.",
            "collections.OrderedDict with 1 arguments",
        ),
        (b"ctorch\nSize\n.", "holds the bare class torch.Size"),
        (b"N)b.", "attributes for None"),
        (b")Q.", "something else than a storage is kept outside"),
        (b"X\x02\0\0\0\xff\xfe.", "a text is not UTF-8"),
        (b"X\xff\xff\xff\xffab.", "ends too early"),
        (b"\x8d\xff\xff\xff\xff\xff\xff\xff\xffab.", "ends too early"),
        (b"\x8b\xff\xff\xff\xff.", "ends too early"),
        (b"\x8a\x09123456789.", "an integer of 72 bits"),
        (b"N", "ends too early"),
        (b"cos", "ends too early"),
    ] {
        let problem = sentence(&archive(&[b"\x80\x02", bytes].concat(), &[], false));
        assert!(problem.contains(said), "{bytes:?}: {problem}");
    }
    let both = Pickle::new()
        .op(b"}(")
        .text("a.b")
        .tensor(&AT)
        .text("a")
        .op(b"}");
    let both = both.text("b").tensor(&AT).op(b"su");
    refused(both, "has two tensors named a.b");
}

const AT: TensorAt<'static> = TensorAt {
    storage: "FloatStorage",
    key: "0",
    numel: 4,
    offset: 0,
    shape: &[4],
    strides: &[1],
};

#[test]
fn tensors_outside_their_storage_are_refused() {
    for (at, said) in [
        (TensorAt { offset: 1, ..AT }, "does not fit"),
        (TensorAt { offset: -1, ..AT }, "which none can have"),
        (
            TensorAt {
                strides: &[2],
                ..AT
            },
            "does not fit",
        ),
        (
            TensorAt {
                strides: &[-1],
                ..AT
            },
            "which none can have",
        ),
        (TensorAt { shape: &[-4], ..AT }, "which none can have"),
        (
            TensorAt {
                shape: &[2, 2],
                ..AT
            },
            "which none can have",
        ),
        (
            TensorAt {
                shape: &[1; 65],
                strides: &[1; 65],
                ..AT
            },
            "which none can have",
        ),
        (
            TensorAt {
                shape: &[1 << 40, 1 << 40],
                strides: &[0, 0],
                ..AT
            },
            "which none can have",
        ),
        (
            TensorAt {
                shape: &[2, 2],
                strides: &[i64::MAX, 3],
                ..AT
            },
            "does not fit",
        ),
        (
            TensorAt {
                offset: i64::MAX,
                ..AT
            },
            "does not fit",
        ),
        (
            TensorAt {
                shape: &[1 << 40],
                strides: &[0],
                ..AT
            },
            "save a clone() of it",
        ),
        (
            TensorAt { numel: 5, ..AT },
            "has 16 bytes for tensor value, which needs 20",
        ),
        (TensorAt { numel: -1, ..AT }, "a storage of -1 values"),
        (
            TensorAt {
                numel: i64::MAX,
                ..AT
            },
            "a storage of 9223372036854775807 values",
        ),
        (
            TensorAt { key: "1", ..AT },
            "has 0 bytes for tensor value, which needs 16",
        ),
        (
            TensorAt {
                key: "../data.pkl",
                ..AT
            },
            "has 0 bytes for tensor value",
        ),
    ] {
        refused(Pickle::new().tensor(&at), said);
    }
}

/// Small files that stand for huge values end early.
#[test]
fn bombs_are_defused() {
    let nested = (0..1000).fold(Pickle::new(), |p, _| p.op(b"]"));
    let nested = (0..999).fold(nested, |p, _| p.op(b"a"));
    refused(nested, "more than 64 deep");
    refused(Pickle::new().op(b"]q\0h\0a"), "more than 64 deep");
    // Each list holds the one before it ten times: 10^30 in all.
    let laughs = (0..30).fold(Pickle::new().op(b"N"), |p, i| {
        let again = [b'h', i].repeat(9);
        p.op(&[b'q', i])
            .op(b"0](")
            .op(&[b'h', i])
            .op(&again)
            .op(b"e")
    });
    refused(laughs, "more values than a file of tensors has");
    // One long key around many values, each of which would be named by it.
    let long_key = Pickle::new().op(b"}").text(&"n".repeat(1 << 20)).op(b"](");
    let long_key = long_key.op(&[b'N'; 1000]).op(b"es");
    refused(long_key, "more values than a file of tensors has");

    let zeros = vec![0; 33 << 20];
    let problem = sentence(&zip(&[("x/data.pkl", &zeros)], true));
    assert!(problem.contains("data.pkl of more than 32 MB"), "{problem}");
}

/// A deflated entry whose bytes are damaged is noticed when it is read.
#[test]
fn a_damaged_entry_is_noticed() {
    let pickle = Pickle::new().tensor(&AT).end();
    let mut bytes = archive(&pickle, &[&[1; 16]], true);
    let name = b"x/data/0";
    let at = bytes.windows(name.len()).position(|w| w == name).unwrap() + name.len();
    bytes[at] ^= 0x55;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.pt");
    std::fs::write(&path, bytes).unwrap();
    let file = PickleFile::open(&path).unwrap();
    let error = file.tensor("value", Kind::Float, Device::Cpu).unwrap_err();
    assert!(
        error.to_string().contains("has a damaged entry data/0"),
        "{error}"
    );
}

#[test]
fn a_file_cut_short_is_refused_at_every_length() {
    let whole = std::fs::read(fixture("tensors_protocol2.pt")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.pt");
    for length in (0..whole.len()).step_by(97) {
        std::fs::write(&path, &whole[..length]).unwrap();
        PickleFile::open(&path).unwrap_err();
    }
}
