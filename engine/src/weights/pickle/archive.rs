//! The zip archive that `torch.save` writes.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::Read;
use std::ops::Range;
use std::path::Path;

use flate2::bufread::DeflateDecoder;
use rawzip::{CompressionMethod, ZipArchive};

use super::Problem;
use super::classes::shown;
use crate::weights::file::looks_like_safetensors;
use crate::weights::mapped::MappedFile;
use crate::{EngineError, Result};

/// Most that deflate can compress, per byte.
const DEFLATE_RATIO: u64 = 1032;

/// The archive, mapped into memory.
#[derive(Debug)]
pub(super) struct Archive {
    file: MappedFile,
    /// By name inside the archive's one folder, such as `data/0`.
    entries: BTreeMap<String, Entry>,
}

#[derive(Debug)]
struct Entry {
    range: Range<usize>,
    deflated: bool,
    /// Bytes when inflated.
    size: u64,
    crc: u32,
}

impl Archive {
    pub(super) fn open(path: &Path) -> Result<Self> {
        let file = MappedFile::open(path, "file of torch.save")?;
        let bad = |problem: Problem| EngineError::bad_file(path, problem);
        if let Some(problem) = other_format(file.bytes()) {
            return Err(bad(problem.to_owned()));
        }
        let entries = index(file.bytes()).map_err(bad)?;
        Ok(Self { file, entries })
    }

    pub(super) fn path(&self) -> &Path {
        self.file.path()
    }

    /// Inflated size of the entry `name`, in bytes.
    pub(super) fn size(&self, name: &str) -> Option<u64> {
        self.entries.get(name).map(|entry| entry.size)
    }

    /// The entry `name`, inflated.
    pub(super) fn read(&self, name: &str) -> Result<Option<Cow<'_, [u8]>>, Problem> {
        let Some(entry) = self.entries.get(name) else {
            return Ok(None);
        };
        let bytes = &self.file.bytes()[entry.range.clone()];
        if !entry.deflated {
            // The checksum is left alone: PyTorch can be told to write none, and never looks.
            return Ok(Some(Cow::Borrowed(bytes)));
        }
        let mut inflated = Vec::new();
        if inflated.try_reserve_exact(entry.size as usize).is_err() {
            return Err(format!(
                "has the entry {} of {} bytes, for which there is no memory",
                shown(name),
                entry.size
            ));
        }
        let mut reader = DeflateDecoder::new(bytes).take(entry.size + 1);
        let whole = reader.read_to_end(&mut inflated).is_ok()
            && inflated.len() as u64 == entry.size
            && rawzip::crc32(&inflated) == entry.crc;
        if !whole {
            return Err(format!(
                "has a damaged entry {}; fetch or export it again",
                shown(name)
            ));
        }
        Ok(Some(Cow::Owned(inflated)))
    }

    /// Tells the kernel that the entry `name` was read.
    pub(super) fn release(&self, name: &str) {
        if let Some(entry) = self.entries.get(name).filter(|entry| !entry.deflated) {
            self.file.release(&entry.range);
        }
    }
}

/// What the file is, where its beginning says that it is no zip archive.
fn other_format(bytes: &[u8]) -> Option<&'static str> {
    // Protocol 2 and the ten bytes of the magic number 0x1950a86a20f9469cfc6c.
    const BEFORE_ZIP: &[u8] = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19";
    if bytes.starts_with(b"PK\x03\x04") {
        None
    } else if bytes.starts_with(BEFORE_ZIP) || bytes.get(257..262) == Some(b"ustar") {
        Some(
            "is in the format of PyTorch before 1.6, which is not read; in Python, \
             torch.save(torch.load(path, weights_only=True), new_path) converts it",
        )
    } else if looks_like_safetensors(bytes) {
        Some("is a safetensors file; give it the ending .safetensors")
    } else if bytes.first() == Some(&0x80) {
        Some(
            "is a bare pickle, not a file of torch.save; in Python, load it and save its tensors \
             as safetensors",
        )
    } else {
        Some("is no file of torch.save (it is not a zip archive); fetch or export it again")
    }
}

fn index(bytes: &[u8]) -> Result<BTreeMap<String, Entry>, Problem> {
    let cut = |_| {
        "is not a complete file of torch.save (its zip archive is damaged or cut short); fetch or \
         export it again"
            .to_owned()
    };
    let archive = ZipArchive::from_slice(bytes).map_err(cut)?;
    let mut entries = BTreeMap::new();
    for record in archive.entries() {
        let record = record.map_err(cut)?;
        let path = record.file_path();
        let name = String::from_utf8_lossy(path.as_bytes()).into_owned();
        if record.is_dir() {
            continue;
        }
        let deflated = match record.compression_method() {
            CompressionMethod::STORE => false,
            CompressionMethod::DEFLATE => true,
            other => {
                return Err(format!(
                    "has the entry {} compressed by {other}; pack it again without compression",
                    shown(&name)
                ));
            }
        };
        let found = archive.get_entry(record.wayfinder()).map_err(cut)?;
        let (start, end) = found.compressed_data_range();
        let stored = end - start;
        let size = record.uncompressed_size_hint();
        let possible = if deflated {
            size <= stored.saturating_mul(DEFLATE_RATIO)
        } else {
            size == stored
        };
        if !possible {
            return Err(format!(
                "has the entry {}, {size} bytes in {stored}; fetch or export it again",
                shown(&name)
            ));
        }
        let entry = Entry {
            range: start as usize..end as usize,
            deflated,
            size,
            crc: record.crc32(),
        };
        if entries.insert(name.clone(), entry).is_some() {
            return Err(format!("has two entries named {}", shown(&name)));
        }
    }
    inside_folder(entries)
}

/// Takes the folder around all entries, which is named like the file, off their names.
fn inside_folder(entries: BTreeMap<String, Entry>) -> Result<BTreeMap<String, Entry>, Problem> {
    let folder = entries
        .keys()
        .find_map(|name| name.strip_suffix("/data.pkl").filter(|f| !f.contains('/')))
        .map(|folder| format!("{folder}/"));
    let Some(folder) = folder else {
        return Err(
            "is a zip archive without data.pkl, so no file of torch.save; if the model lies \
             inside, unpack it"
                .to_owned(),
        );
    };
    let entries: BTreeMap<String, Entry> = entries
        .into_iter()
        .filter_map(|(name, entry)| Some((name.strip_prefix(&folder)?.to_owned(), entry)))
        .collect();
    if entries.contains_key("constants.pkl") || entries.keys().any(|n| n.starts_with("code/")) {
        return Err(
            "is a TorchScript program, not a file of tensors; in Python, \
             torch.save(torch.jit.load(path).state_dict(), new_path) converts it"
                .to_owned(),
        );
    }
    Ok(entries)
}
