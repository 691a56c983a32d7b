//! A ZIP archive that grows at its end.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Seek as _, SeekFrom, Write};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use flate2::Compression;
use flate2::write::DeflateEncoder;

use super::document::PROJECT_JSON;
use super::lock;
use super::records::{
    DEFLATED, END_BYTES, End, Entry, LIMIT_BYTES, LIMIT_ENTRIES, STORED, dos_time,
};
use super::scan::{content, last_table, whole_entries};
use crate::{EngineError, Result};

/// Entries by name.
pub(super) type Entries = BTreeMap<String, Entry>;

/// An open archive.
#[derive(Debug)]
pub(super) struct Archive {
    file: File,
    /// Bytes of the file when it was opened or last written.
    length: u64,
    entries: Entries,
    /// Entries that were taken out since it was opened; their bytes are there still.
    removed: Entries,
}

impl Archive {
    /// Reads the table of contents of `file`, or what can be found without; and what the artist
    /// should know about it.
    pub(super) fn open(file: File, path: &Path) -> Result<(Self, Vec<String>)> {
        let (length, entries, notes) =
            index(&file, path).map_err(|e| EngineError::io(path, e))??;
        let archive = Self {
            file,
            length,
            entries,
            removed: Entries::new(),
        };
        Ok((archive, notes))
    }

    /// The entries of a file that was just written.
    pub(super) fn written(file: File, entries: Entries, removed: Entries, length: u64) -> Self {
        Self {
            file,
            length,
            entries,
            removed,
        }
    }

    pub(super) fn entries(&self) -> &Entries {
        &self.entries
    }

    /// Entries that were taken out, whose bytes are there still.
    pub(super) fn removed(&self) -> &Entries {
        &self.removed
    }

    /// Bytes of the file.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// Bytes of the file that no entry needs any more.
    pub(super) fn dead_bytes(&self) -> u64 {
        let live = self.entries.values().chain(self.removed.values());
        let live: u64 = live.map(Entry::footprint).sum();
        self.length.saturating_sub(live + END_BYTES)
    }

    /// Every whole entry of the file, superseded ones too, oldest first.
    pub(super) fn every_whole_entry(&self) -> io::Result<Vec<Entry>> {
        whole_entries(&self.file, 0, self.length)
    }

    /// The content of an entry of this file, checked; or what is wrong with it.
    pub(super) fn content(&self, entry: &Entry) -> io::Result<Result<Vec<u8>, &'static str>> {
        content(&self.file, entry, self.length)
    }

    /// Whether the entry `name` holds exactly `bytes`.
    pub(super) fn holds(&self, name: &str, bytes: &[u8]) -> bool {
        self.entries.get(name).is_some_and(|entry| {
            entry.bytes == bytes.len() as u64
                && entry.crc == rawzip::crc32(bytes)
                && matches!(self.content(entry), Ok(Ok(found)) if found == bytes)
        })
    }

    /// Fails where the file that lies at `path` is not the one that was opened, or has grown:
    /// what is written would be lost, or what another program wrote.
    pub(super) fn require_unchanged(&self, path: &Path) -> Result<()> {
        let on_disk = self.file.metadata().map_err(|e| EngineError::io(path, e))?;
        if on_disk.len() == self.length && lock::is_still_at(&self.file, path) {
            return Ok(());
        }
        let problem = "was changed, moved or deleted by another program since it was opened; save \
                       under another name";
        Err(EngineError::bad_file(path, problem))
    }

    /// Appends `additions`, takes `gone` out of the table of contents and `back` into it again,
    /// and writes the new table. The file is as it was where that fails.
    pub(super) fn append(
        &mut self,
        additions: &[(&str, &[u8])],
        gone: &[String],
        back: &[String],
        path: &Path,
    ) -> Result<()> {
        let (mut entries, mut removed) = (self.entries.clone(), self.removed.clone());
        let shift = |names: &[String], from: &mut Entries, to: &mut Entries| {
            for name in names {
                if let Some((name, entry)) = from.remove_entry(name) {
                    to.insert(name, entry);
                }
            }
        };
        shift(gone, &mut entries, &mut removed);
        shift(back, &mut removed, &mut entries);
        let written = self.append_to_file(additions, &mut entries, path);
        match written {
            Ok(length) => {
                self.length = length;
                self.entries = entries;
                self.removed = removed;
                Ok(())
            }
            Err(error) => {
                // Were this to fail too, opening would find the last whole table.
                let cut = self.file.set_len(self.length);
                if let Err(e) = cut.and_then(|()| self.file.sync_all()) {
                    log::warn!("{}: {e}", path.display());
                }
                Err(error)
            }
        }
    }

    fn append_to_file(
        &self,
        additions: &[(&str, &[u8])],
        entries: &mut Entries,
        path: &Path,
    ) -> Result<u64> {
        let failed = |e| EngineError::io(path, e);
        let mut file = &self.file;
        file.seek(SeekFrom::Start(self.length)).map_err(failed)?;
        let mut writer = ArchiveWriter::new(BufWriter::new(file), self.length, path);
        for (name, bytes) in additions {
            let entry = writer.entry(name, bytes)?;
            entries.insert((*name).to_owned(), entry);
        }
        writer.flush()?;
        // The table must not reach the disk before what it speaks of.
        self.file.sync_data().map_err(failed)?;
        let length = writer.table(entries)?;
        self.file.sync_all().map_err(failed)?;
        Ok(length)
    }
}

/// What a new archive is made of.
#[derive(Debug, Default)]
pub(super) struct Parts<'a> {
    /// Whose entries are copied.
    pub(super) source: Option<&'a Archive>,
    /// Entries to copy; its project is not.
    pub(super) entries: Entries,
    /// Entries to copy that stay out of the table of contents.
    pub(super) hidden: Entries,
    /// New entries, the project last.
    pub(super) additions: &'a [(&'a str, &'a [u8])],
}

impl Parts<'_> {
    /// Writes the archive. Gives its entries, the hidden ones, and its length.
    pub(super) fn write(&self, writer: impl Write, path: &Path) -> Result<(Entries, Entries, u64)> {
        let mut writer = ArchiveWriter::new(writer, 0, path);
        let hidden = self.copy(&self.hidden, &mut writer)?;
        let mut entries = self.copy(&self.entries, &mut writer)?;
        for (name, bytes) in self.additions {
            entries.insert((*name).to_owned(), writer.entry(name, bytes)?);
        }
        let length = writer.table(&entries)?;
        Ok((entries, hidden, length))
    }

    fn copy(&self, from: &Entries, writer: &mut ArchiveWriter<impl Write>) -> Result<Entries> {
        let mut copied = Entries::new();
        let Some(source) = self.source else {
            return Ok(copied);
        };
        for (name, entry) in from.iter().filter(|(name, _)| *name != PROJECT_JSON) {
            let content = source.content(entry);
            let content = content.map_err(|e| EngineError::io(writer.path, e))?;
            let bytes = content.map_err(|problem| damaged(writer.path, name, problem))?;
            copied.insert(name.clone(), writer.entry(name, &bytes)?);
        }
        Ok(copied)
    }
}

/// The error of an entry that cannot be read.
pub(super) fn damaged(path: &Path, name: &str, problem: &str) -> EngineError {
    EngineError::bad_file(
        path,
        format!(
            "the entry {name:?} {problem}; `vernier project recover` saves what is whole into a \
             new file"
        ),
    )
}

type Index = (u64, Entries, Vec<String>);

fn index(file: &File, path: &Path) -> io::Result<Result<Index>> {
    let length = file.metadata()?.len();
    let shown = path.display();
    let mut notes = Vec::new();
    let Some(table) = last_table(file, length)? else {
        let found = whole_entries(file, 0, length)?;
        if found.is_empty() {
            let problem = "is no Vernier project, or nothing in it is whole; choose another file";
            return Ok(Err(EngineError::bad_file(path, problem)));
        }
        notes.push(format!(
            "{shown}: its table of contents is lost (the file was cut short or is damaged); {} \
             whole entries were found without it",
            found.len()
        ));
        let entries = found.into_iter().map(|entry| (entry.name.clone(), entry));
        return Ok(Ok((length, entries.collect(), notes)));
    };
    let by_name = |entry: Entry| (entry.name.clone(), entry);
    let mut entries: Entries = table.entries.into_iter().map(by_name).collect();
    if table.end < length {
        let mut saved = 0;
        let mut pending = Vec::new();
        for entry in whole_entries(file, table.end, length)? {
            // Every save writes its project last.
            let is_complete = entry.name == PROJECT_JSON;
            pending.push(entry);
            if is_complete {
                saved += 1;
                entries.extend(pending.drain(..).map(by_name));
            }
        }
        notes.push(if saved > 0 {
            format!(
                "{shown}: its end is damaged; the last save was put together again from its parts"
            )
        } else {
            format!(
                "{shown}: ends in {} bytes of a save that was not finished; they are left out, and \
                 everything saved before is here",
                length - table.end
            )
        });
    }
    Ok(Ok((length, entries, notes)))
}

/// Writes entries one after the other, then their table.
struct ArchiveWriter<'a, W> {
    writer: W,
    at: u64,
    path: &'a Path,
    modified: u32,
}

impl<'a, W: Write> ArchiveWriter<'a, W> {
    /// `at`: how many bytes of the file lie before.
    fn new(writer: W, at: u64, path: &'a Path) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        Self {
            writer,
            at,
            path,
            modified: dos_time(now.unwrap_or_default().as_secs()),
        }
    }

    /// Text is deflated; pictures and weights are packed already.
    fn entry(&mut self, name: &str, bytes: &[u8]) -> Result<Entry> {
        let deflated = if Path::new(name).extension().is_some_and(|e| e == "json") {
            let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
            let packed = encoder.write_all(bytes).and_then(|()| encoder.finish());
            Some(packed.map_err(|e| EngineError::io(self.path, e))?)
        } else {
            None
        };
        let stored = deflated.as_deref().unwrap_or(bytes);
        let entry = Entry {
            name: name.to_owned(),
            offset: self.at,
            method: if deflated.is_some() { DEFLATED } else { STORED },
            encrypted: false,
            modified: self.modified,
            crc: rawzip::crc32(bytes),
            stored_bytes: stored.len() as u64,
            bytes: bytes.len() as u64,
        };
        self.put(&entry.local_header(), bytes.len() as u64)?;
        self.put(stored, 0)?;
        Ok(entry)
    }

    /// Writes the table of contents and gives the file's length.
    fn table(&mut self, entries: &Entries) -> Result<u64> {
        if entries.len() > LIMIT_ENTRIES {
            return Err(self.too_large(&format!("more than {LIMIT_ENTRIES} entries")));
        }
        let mut table: Vec<u8> = entries.values().flat_map(Entry::row).collect();
        let end = End {
            count: entries.len(),
            table_bytes: table.len() as u64,
            table_offset: self.at,
            comment_bytes: 0,
        };
        table.extend(end.to_bytes());
        self.put(&table, 0)?;
        self.flush()?;
        Ok(self.at)
    }

    /// Writes `bytes` where they, and `more` bytes behind them, fit into the file.
    fn put(&mut self, bytes: &[u8], more: u64) -> Result<()> {
        if self.at + bytes.len() as u64 + more >= LIMIT_BYTES {
            return Err(self.too_large("more than 4 GB"));
        }
        let written = self.writer.write_all(bytes);
        written.map_err(|e| EngineError::io(self.path, e))?;
        self.at += bytes.len() as u64;
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        let flushed = self.writer.flush();
        flushed.map_err(|e| EngineError::io(self.path, e))
    }

    fn too_large(&self, than: &str) -> EngineError {
        let problem = format!(
            "would grow to {than}, which a project file cannot hold; nothing was saved: delete \
             results, or go on in a new project"
        );
        EngineError::bad_file(self.path, problem)
    }
}
