//! Finding what is whole in an archive that may be damaged.

use std::fs::File;
use std::io::{self, Read as _};

use flate2::bufread::DeflateDecoder;

use super::records::{
    DEFLATED, END, END_BYTES, End, Entry, LOCAL, LOCAL_BYTES, STORED, data_start, read_local,
    read_rows,
};

/// Bytes read at a time.
const BLOCK_BYTES: u64 = 1 << 18;

/// Most that deflate can compress, per byte.
const DEFLATE_RATIO: u64 = 1032;

/// A whole table of contents.
#[derive(Debug)]
pub(super) struct Table {
    /// Its entries, in its order.
    pub(super) entries: Vec<Entry>,
    /// Where its end record ends.
    pub(super) end: u64,
}

/// Reads exactly `buffer` from `offset` on.
pub(super) fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<()> {
    #[cfg(unix)]
    return std::os::unix::fs::FileExt::read_exact_at(file, buffer, offset);
    #[cfg(not(unix))]
    {
        use std::io::{Seek as _, SeekFrom};
        let mut file = file;
        file.seek(SeekFrom::Start(offset))?;
        file.read_exact(buffer)
    }
}

/// The last whole table of contents in the first `length` bytes of `file`.
pub(super) fn last_table(file: &File, length: u64) -> io::Result<Option<Table>> {
    let mut block = Vec::new();
    let mut to = length;
    while to > 0 {
        let from = to.saturating_sub(BLOCK_BYTES);
        // Three bytes more, for a signature across the border.
        let upper = (to + 3).min(length);
        block.resize((upper - from) as usize, 0);
        read_at(file, &mut block, from)?;
        let found = block.windows(4).enumerate().rev();
        for (at, _) in found.filter(|(_, four)| **four == END) {
            if let Some(table) = table_at(file, from + at as u64, length)? {
                return Ok(Some(table));
            }
        }
        to = from;
    }
    Ok(None)
}

fn table_at(file: &File, at: u64, length: u64) -> io::Result<Option<Table>> {
    if at + END_BYTES > length {
        return Ok(None);
    }
    let mut bytes = [0; END_BYTES as usize];
    read_at(file, &mut bytes, at)?;
    let whole = |end: &End| at + END_BYTES + end.comment_bytes <= length;
    let Some(record) = End::read(&bytes, at).filter(whole) else {
        return Ok(None);
    };
    let mut rows = vec![0; record.table_bytes as usize];
    read_at(file, &mut rows, record.table_offset)?;
    let fits =
        |entry: &Entry| entry.offset + LOCAL_BYTES + entry.stored_bytes <= record.table_offset;
    let entries = read_rows(&rows, record.count).filter(|all| all.iter().all(fits));
    Ok(entries.map(|entries| Table {
        entries,
        end: at + END_BYTES + record.comment_bytes,
    }))
}

/// All entries between `from` and `to` whose content is whole, found by their local headers.
pub(super) fn whole_entries(file: &File, from: u64, to: u64) -> io::Result<Vec<Entry>> {
    let mut found = Vec::new();
    let mut at = from;
    while let Some(start) = next_signature(file, at, to)? {
        at = start + 4;
        let Some((entry, end)) = entry_at(file, start, to)? else {
            continue;
        };
        if content(file, &entry, to)?.is_ok() {
            at = end;
            found.push(entry);
        } else if record_at(file, end, to)? {
            // Only the content is damaged: what lies in it is not to be taken for entries.
            at = end;
        }
    }
    Ok(found)
}

/// The entry whose local header begins at `start`, and where its data ends.
fn entry_at(file: &File, start: u64, to: u64) -> io::Result<Option<(Entry, u64)>> {
    if start + LOCAL_BYTES > to {
        return Ok(None);
    }
    let mut header = [0; LOCAL_BYTES as usize];
    read_at(file, &mut header, start)?;
    let Some(local) = read_local(&header, start) else {
        return Ok(None);
    };
    let name_end = start + LOCAL_BYTES + local.name_bytes;
    let end = name_end + local.extra_bytes + local.entry.stored_bytes;
    if end > to {
        return Ok(None);
    }
    let mut name = vec![0; local.name_bytes as usize];
    read_at(file, &mut name, start + LOCAL_BYTES)?;
    Ok(String::from_utf8(name).ok().map(|name| {
        let entry = Entry {
            name,
            ..local.entry
        };
        (entry, end)
    }))
}

fn record_at(file: &File, at: u64, to: u64) -> io::Result<bool> {
    if at + 4 > to {
        return Ok(at == to);
    }
    let mut four = [0; 4];
    read_at(file, &mut four, at)?;
    Ok(four.starts_with(b"PK"))
}

/// Where the next local header seems to begin, between `from` and `to`.
fn next_signature(file: &File, mut from: u64, to: u64) -> io::Result<Option<u64>> {
    let mut block = Vec::new();
    while from + LOCAL_BYTES <= to {
        block.resize((to - from).min(BLOCK_BYTES) as usize, 0);
        read_at(file, &mut block, from)?;
        if let Some(at) = block.windows(4).position(|four| four == LOCAL) {
            return Ok(Some(from + at as u64));
        }
        from += block.len() as u64 - 3;
    }
    Ok(None)
}

/// The content of `entry`, checked; or what is wrong with it, as the end of a sentence.
pub(super) fn content(
    file: &File,
    entry: &Entry,
    length: u64,
) -> io::Result<Result<Vec<u8>, &'static str>> {
    const DAMAGED: &str = "is damaged";
    if entry.encrypted {
        return Ok(Err("is encrypted; pack it again without a password"));
    }
    let possible = match entry.method {
        STORED => entry.bytes == entry.stored_bytes,
        DEFLATED => entry.bytes <= entry.stored_bytes.saturating_mul(DEFLATE_RATIO),
        _ => return Ok(Err("is compressed in a way that Vernier does not read")),
    };
    if !possible || entry.offset + LOCAL_BYTES > length {
        return Ok(Err(DAMAGED));
    }
    let mut header = [0; LOCAL_BYTES as usize];
    read_at(file, &mut header, entry.offset)?;
    let Some(start) = data_start(&header).map(|start| entry.offset + start) else {
        return Ok(Err(DAMAGED));
    };
    if start + entry.stored_bytes > length {
        return Ok(Err(DAMAGED));
    }
    let mut stored = vec![0; entry.stored_bytes as usize];
    read_at(file, &mut stored, start)?;
    let content = if entry.method == STORED {
        stored
    } else {
        let mut inflated = Vec::new();
        let mut reader = DeflateDecoder::new(stored.as_slice()).take(entry.bytes + 1);
        if reader.read_to_end(&mut inflated).is_err() {
            return Ok(Err(DAMAGED));
        }
        inflated
    };
    let whole = content.len() as u64 == entry.bytes && rawzip::crc32(&content) == entry.crc;
    Ok(if whole { Ok(content) } else { Err(DAMAGED) })
}
