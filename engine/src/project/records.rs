//! The records of a ZIP archive, as bytes. No ZIP64: a project stays below 4 GB.

use rawzip::time::UtcDateTime;

/// What a local header begins with.
pub(super) const LOCAL: [u8; 4] = *b"PK\x03\x04";
/// What the record at the end of a table of contents begins with.
pub(super) const END: [u8; 4] = *b"PK\x05\x06";
/// What a row of a table of contents begins with.
const ROW: [u8; 4] = *b"PK\x01\x02";

/// Bytes of a local header before its name.
pub(super) const LOCAL_BYTES: u64 = 30;
/// Bytes of an end record without its comment.
pub(super) const END_BYTES: u64 = 22;
/// Bytes of a row before its name.
const ROW_BYTES: usize = 46;

/// Every size, offset and file length stays below this, in bytes.
pub(super) const LIMIT_BYTES: u64 = u32::MAX as u64;
/// Most entries of one table of contents.
pub(super) const LIMIT_ENTRIES: usize = u16::MAX as usize - 1;

/// Method of bytes that lie there as they are.
pub(super) const STORED: u16 = 0;
/// Method of deflate.
pub(super) const DEFLATED: u16 = 8;

/// Names are UTF-8.
const UTF8_NAME: u16 = 1 << 11;
/// Sizes stand behind the data instead of before it; other programs write so.
const SIZES_BEHIND: u16 = 1 << 3;
/// The data is encrypted.
const ENCRYPTED: u16 = 1;

/// One entry of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// Its name, with slashes.
    pub(super) name: String,
    /// Where its local header begins.
    pub(super) offset: u64,
    /// [`STORED`], [`DEFLATED`], or another program's.
    pub(super) method: u16,
    /// Whether it cannot be read without a password.
    pub(super) encrypted: bool,
    /// Date and time as MS-DOS writes them.
    pub(super) modified: u32,
    /// CRC-32 of its content.
    pub(super) crc: u32,
    /// Bytes in the archive.
    pub(super) stored_bytes: u64,
    /// Bytes of its content.
    pub(super) bytes: u64,
}

impl Entry {
    /// Bytes that it takes in a file written by this program: header, name, data, row.
    pub(super) fn footprint(&self) -> u64 {
        LOCAL_BYTES + ROW_BYTES as u64 + 2 * self.name.len() as u64 + self.stored_bytes
    }

    /// The header that goes before its data.
    pub(super) fn local_header(&self) -> Vec<u8> {
        let mut bytes = LOCAL.to_vec();
        bytes.extend(20_u16.to_le_bytes());
        self.put_middle(&mut bytes);
        bytes.extend(self.name.as_bytes());
        bytes
    }

    /// Its row of the table of contents.
    pub(super) fn row(&self) -> Vec<u8> {
        let mut bytes = ROW.to_vec();
        // Made on Unix, so that the permissions below are understood.
        bytes.extend([20, 3]);
        bytes.extend(20_u16.to_le_bytes());
        self.put_middle(&mut bytes);
        // No comment, first disk, nothing internal; a plain file that all may read.
        bytes.extend([0; 6]);
        bytes.extend((0o100_644_u32 << 16).to_le_bytes());
        bytes.extend((self.offset as u32).to_le_bytes());
        bytes.extend(self.name.as_bytes());
        bytes
    }

    /// What both headers have in common.
    fn put_middle(&self, bytes: &mut Vec<u8>) {
        bytes.extend(UTF8_NAME.to_le_bytes());
        bytes.extend(self.method.to_le_bytes());
        bytes.extend(self.modified.to_le_bytes());
        bytes.extend(self.crc.to_le_bytes());
        bytes.extend((self.stored_bytes as u32).to_le_bytes());
        bytes.extend((self.bytes as u32).to_le_bytes());
        bytes.extend((self.name.len() as u16).to_le_bytes());
        bytes.extend(0_u16.to_le_bytes());
    }
}

/// A local header without its name.
#[derive(Debug)]
pub(super) struct Local {
    /// The entry, with an empty name.
    pub(super) entry: Entry,
    /// Bytes of the name behind it.
    pub(super) name_bytes: u64,
    /// Bytes between the name and the data.
    pub(super) extra_bytes: u64,
}

/// Reads the local header at `offset`. `None`: it is none, or it does not say its sizes.
pub(super) fn read_local(bytes: &[u8; LOCAL_BYTES as usize], offset: u64) -> Option<Local> {
    if bytes[..4] != LOCAL || u16_at(bytes, 6)? & SIZES_BEHIND != 0 {
        return None;
    }
    Some(Local {
        entry: read_middle(bytes, 6, offset)?,
        name_bytes: u16_at(bytes, 26)?.into(),
        extra_bytes: u16_at(bytes, 28)?.into(),
    })
}

/// From the name and the data of a local header at hand: bytes from its start to its data.
pub(super) fn data_start(bytes: &[u8; LOCAL_BYTES as usize]) -> Option<u64> {
    let more = u64::from(u16_at(bytes, 26)?) + u64::from(u16_at(bytes, 28)?);
    (bytes[..4] == LOCAL).then_some(LOCAL_BYTES + more)
}

/// Reads a table of contents of exactly `count` rows. `None`: it is not whole.
pub(super) fn read_rows(mut bytes: &[u8], count: usize) -> Option<Vec<Entry>> {
    let mut entries = Vec::new();
    for _ in 0..count {
        if bytes.get(..4)? != ROW {
            return None;
        }
        let name_bytes = usize::from(u16_at(bytes, 28)?);
        let behind = usize::from(u16_at(bytes, 30)?) + usize::from(u16_at(bytes, 32)?);
        let name = bytes.get(ROW_BYTES..ROW_BYTES + name_bytes)?;
        let mut entry = read_middle(bytes, 8, u32_at(bytes, 42)?.into())?;
        entry.name = String::from_utf8_lossy(name).into_owned();
        entries.push(entry);
        bytes = bytes.get(ROW_BYTES + name_bytes + behind..)?;
    }
    bytes.is_empty().then_some(entries)
}

fn read_middle(bytes: &[u8], at: usize, offset: u64) -> Option<Entry> {
    Some(Entry {
        name: String::new(),
        offset,
        encrypted: u16_at(bytes, at)? & ENCRYPTED != 0,
        method: u16_at(bytes, at + 2)?,
        modified: u32_at(bytes, at + 4)?,
        crc: u32_at(bytes, at + 8)?,
        stored_bytes: u32_at(bytes, at + 12)?.into(),
        bytes: u32_at(bytes, at + 16)?.into(),
    })
}

/// The record at the end of a table of contents.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct End {
    /// Rows of the table.
    pub(super) count: usize,
    /// Bytes of the table.
    pub(super) table_bytes: u64,
    /// Where the table begins.
    pub(super) table_offset: u64,
    /// Bytes of the comment behind the record.
    pub(super) comment_bytes: u64,
}

impl End {
    /// The record, without a comment.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = END.to_vec();
        bytes.extend([0; 4]);
        bytes.extend((self.count as u16).to_le_bytes());
        bytes.extend((self.count as u16).to_le_bytes());
        bytes.extend((self.table_bytes as u32).to_le_bytes());
        bytes.extend((self.table_offset as u32).to_le_bytes());
        bytes.extend([0; 2]);
        bytes
    }

    /// Reads the record that begins at `at`. `None`: there is none.
    pub(super) fn read(bytes: &[u8; END_BYTES as usize], at: u64) -> Option<Self> {
        let end = Self {
            count: u16_at(bytes, 8)?.into(),
            table_bytes: u32_at(bytes, 12)?.into(),
            table_offset: u32_at(bytes, 16)?.into(),
            comment_bytes: u16_at(bytes, 20)?.into(),
        };
        let is_one = bytes[..4] == END
            && bytes[4..8] == [0; 4]
            && bytes[8..10] == bytes[10..12]
            // An archive inside this one counts from its own beginning and is not taken for it.
            && end.table_offset + end.table_bytes == at;
        is_one.then_some(end)
    }
}

/// Seconds since 1970 as MS-DOS's date and time, which begin in 1980 and count two seconds.
pub(super) fn dos_time(unix_secs: u64) -> u32 {
    let time = UtcDateTime::from_unix(i64::try_from(unix_secs).unwrap_or(0));
    let years = u32::from(time.year()).saturating_sub(1980).min(127);
    let date = years << 9 | u32::from(time.month()) << 5 | u32::from(time.day());
    let clock =
        u32::from(time.hour()) << 11 | u32::from(time.minute()) << 5 | u32::from(time.second() / 2);
    date << 16 | clock
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    let two = bytes.get(at..at + 2)?;
    Some(u16::from_le_bytes(two.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let four = bytes.get(at..at + 4)?;
    Some(u32::from_le_bytes(four.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry() -> Entry {
        Entry {
            name: "results/ä.png".to_owned(),
            offset: 77,
            method: DEFLATED,
            encrypted: false,
            modified: dos_time(1_700_000_000),
            crc: 0x1234_5678,
            stored_bytes: 10,
            bytes: 300,
        }
    }

    #[test]
    fn headers_and_rows_are_read_back() {
        let header = entry().local_header();
        let fixed = header[..LOCAL_BYTES as usize].try_into().unwrap();
        let local = read_local(fixed, 77).unwrap();
        let name = &header[LOCAL_BYTES as usize..];
        assert_eq!((local.name_bytes, local.extra_bytes), (14, 0));
        assert_eq!(name, entry().name.as_bytes());
        assert_eq!(
            local.entry,
            Entry {
                name: String::new(),
                ..entry()
            }
        );
        let rows = [entry().row(), entry().row()].concat();
        assert_eq!(read_rows(&rows, 2).unwrap(), [entry(), entry()]);
        assert!(read_rows(&rows, 1).is_none() && read_rows(&rows, 3).is_none());
        assert!(read_rows(&rows[..rows.len() - 1], 2).is_none());
    }

    #[test]
    fn an_end_belongs_to_its_place() {
        let end = End {
            count: 3,
            table_bytes: 100,
            table_offset: 50,
            comment_bytes: 0,
        };
        let bytes: [u8; 22] = end.to_bytes().try_into().unwrap();
        assert_eq!(End::read(&bytes, 150), Some(end));
        assert_eq!(End::read(&bytes, 151), None);
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        // 2023-11-14 22:13:20.
        let (date, clock) = ((43 << 9) + (11 << 5) + 14, (22 << 11) + (13 << 5) + 10);
        assert_eq!(dos_time(1_700_000_000), (date << 16) + clock);
    }
}
