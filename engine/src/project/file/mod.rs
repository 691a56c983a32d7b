//! A project on disk.

mod entry_name;

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::BufWriter;
use std::path::{Path, PathBuf};

use self::entry_name::check_name;
use super::archive::{Archive, Entries, Parts, damaged};
use super::document::{self, PROJECT_JSON, Unreadable};
use super::{Project, lock, rescue, result_png_name, sources};
use crate::atomic::{self, Existing};
use crate::picture::{self, PictureShelf};
use crate::{EngineError, Result};

/// A save rewrites the file where more than this is dead, in bytes, and more than half of it.
const MOST_DEAD_BYTES: u64 = 16 << 20;

/// A project file that is open. Nobody else can write to it until this is dropped.
#[derive(Debug)]
pub struct ProjectFile {
    /// As it was given.
    path: PathBuf,
    /// Where links lead: a rewrite must not put a file in a link's place.
    real: PathBuf,
    archive: Archive,
    may_write: bool,
    /// Pictures of the results that the file lists, and those that its recipes name.
    pictures: BTreeSet<String>,
    /// Where a save finds pictures that recipes name.
    shelf: PictureShelf,
}

/// A project that was just opened.
#[derive(Debug)]
pub struct Opened {
    /// The file.
    pub file: ProjectFile,
    /// What it holds.
    pub project: Project,
    /// What the artist should know: a sentence each.
    pub notes: Vec<String>,
}

impl ProjectFile {
    /// Makes the file `path` with `project` in it.
    ///
    /// # Errors
    /// There is such a file already, the folder cannot be written, or the project is not valid.
    pub fn create(path: impl AsRef<Path>, project: &Project) -> Result<Self> {
        Self::create_with(path, project, &[])
    }

    /// Makes the file `path` with `project` and `attachments` in it, whole or not at all.
    ///
    /// # Errors
    /// As [`ProjectFile::create`], or a name cannot be an attachment's.
    pub fn create_with(
        path: impl AsRef<Path>,
        project: &Project,
        attachments: &[(String, Vec<u8>)],
    ) -> Result<Self> {
        let path = path.as_ref();
        let json = document::to_bytes(project, path)?;
        let mut additions = Vec::new();
        for (name, bytes) in attachments {
            check_name(name)?;
            additions.push((name.as_str(), bytes.as_slice()));
        }
        let sources = sources::additions(project, &BTreeSet::new(), &PictureShelf::default());
        additions.extend(sources.iter().map(|(n, b)| (n.as_str(), b.as_slice())));
        additions.push((PROJECT_JSON, &json));
        let parts = Parts {
            additions: &additions,
            ..Parts::default()
        };
        let file = Self::write_new(path, Existing::Keep, &parts)?;
        let mut file = file
            .ok_or_else(|| EngineError::bad_file(path, "is there already; choose another name"))?;
        file.pictures = pictures_of(project);
        Ok(file)
    }

    /// Opens `path` to work on it, and locks it against other programs.
    ///
    /// # Errors
    /// The file is not there, is no project, is of a newer version, nothing in it is whole, or it
    /// is open elsewhere. It is left as it is.
    pub fn open(path: impl AsRef<Path>) -> Result<Opened> {
        let path = path.as_ref();
        let (file, note) = lock::open_to_write(path)?;
        let mut opened = Self::load(path, file, true)?;
        opened.notes.extend(note);
        Ok(opened)
    }

    /// Opens `path` to read it, though another program may be at work on it; it cannot be saved.
    ///
    /// # Errors
    /// As [`ProjectFile::open`], but for the lock.
    pub fn open_to_read(path: impl AsRef<Path>) -> Result<Opened> {
        let path = path.as_ref();
        Self::load(path, lock::open_to_read(path)?, false)
    }

    fn load(path: &Path, file: File, may_write: bool) -> Result<Opened> {
        let (archive, mut notes) = Archive::open(file, path)?;
        let project = match read_document(&archive, path)? {
            Ok(project) => project,
            Err(Unreadable::Newer(error)) => return Err(error),
            Err(Unreadable::Damaged(problem)) => {
                rescue::older_project(&archive, &problem, path, &mut notes)?
            }
        };
        let pictures = pictures_of(&project);
        let results = project.results.iter();
        let missing = results.map(|result| result_png_name(&result.id));
        let missing = missing.filter(|name| !archive.entries().contains_key(name));
        match missing.count() {
            0 => {}
            1 => notes.push(format!(
                "{}: the picture of one result is missing",
                path.display()
            )),
            n => notes.push(format!(
                "{}: the pictures of {n} results are missing",
                path.display()
            )),
        }
        let file = Self {
            path: path.to_owned(),
            real: real(path),
            archive,
            may_write,
            pictures,
            shelf: PictureShelf::default(),
        };
        Ok(Opened {
            file,
            project,
            notes,
        })
    }

    /// Puts the pictures that `project`'s recipes name and this file holds onto `shelf`, and takes
    /// from it, from now on, those that a save lacks. Gives a sentence for each that is damaged.
    pub fn share_pictures(&mut self, project: &Project, shelf: &PictureShelf) -> Vec<String> {
        let mut notes = Vec::new();
        for (name, wanted) in sources::named_in(project) {
            if !self.has(&name) || shelf.holds(&wanted.hash) {
                continue;
            }
            let origin = self.path.join(&name);
            let picture = self.attachment(&name);
            match picture.and_then(|bytes| picture::image_in(&bytes, &origin)) {
                Ok(picture) if picture.hash() == wanted.hash => drop(shelf.insert(picture)),
                Ok(_) => notes.push(format!(
                    "{}: the picture {name} shows something else than its name says",
                    self.path.display()
                )),
                Err(error) => notes.push(error.to_string()),
            }
        }
        self.shelf = shelf.clone();
        notes
    }

    /// Saves `project`, and `attachments` by name: pictures of results under
    /// [`result_png_name`], others as `masks/…`, `references/…` or `adapters/…`. Pictures that
    /// recipes name are added by themselves, from the shelf of [`ProjectFile::share_pictures`] or
    /// from their paths. Attachments that are there stay; pictures that `project` no longer names
    /// go, and come back with it as long as the file is open.
    ///
    /// What is on the disk when this returns stays there whatever happens to the program.
    ///
    /// # Errors
    /// The disk is full, the file was opened to read only, or something cannot be written; the
    /// file then is as it was.
    pub fn save(&mut self, project: &Project, attachments: &[(String, Vec<u8>)]) -> Result<()> {
        if !self.may_write {
            let problem = "was opened to read only; save under another name";
            return Err(EngineError::bad_file(&self.path, problem));
        }
        for (name, _) in attachments {
            check_name(name)?;
        }
        let json = document::to_bytes(project, &self.path)?;
        let pictures = pictures_of(project);
        let gone = self.pictures.difference(&pictures);
        let gone: Vec<String> = gone.filter(|name| self.has(name)).cloned().collect();
        let removed = self.archive.removed();
        let back = pictures.iter().filter(|name| removed.contains_key(*name));
        let back: Vec<String> = back.cloned().collect();
        let attachments = attachments.iter().map(|(n, b)| (n.as_str(), b.as_slice()));
        let mut additions: Vec<(&str, &[u8])> = attachments
            .filter(|(name, bytes)| !self.archive.holds(name, bytes))
            .collect();
        let mut present: BTreeSet<String> = self.archive.entries().keys().cloned().collect();
        present.extend(back.iter().cloned());
        let sources = sources::additions(project, &present, &self.shelf);
        additions.extend(sources.iter().map(|(n, b)| (n.as_str(), b.as_slice())));
        let nothing_new = additions.is_empty() && gone.is_empty() && back.is_empty();
        if nothing_new && self.archive.holds(PROJECT_JSON, &json) {
            return Ok(());
        }
        self.archive.require_unchanged(&self.real)?;
        // It comes last: what stands before it is part of a complete save.
        additions.push((PROJECT_JSON, &json));
        self.archive.append(&additions, &gone, &back, &self.path)?;
        self.pictures = pictures;
        let dead = self.archive.dead_bytes();
        if dead > MOST_DEAD_BYTES && dead > self.archive.length() / 2 {
            // The save is done; a folder in which no file can be made is no reason to fail it.
            let removed = self.archive.removed().clone();
            if let Err(error) = self.rewrite(&removed) {
                log::warn!("the project was saved but not made smaller: {error}");
            }
        }
        Ok(())
    }

    /// Writes `project` and all attachments to the new file `path`, in the place of one that may
    /// be there, and gives it open. This file stays as it is.
    ///
    /// # Errors
    /// The folder cannot be written, `path` is open elsewhere, or an attachment is damaged.
    pub fn save_as(&mut self, path: impl AsRef<Path>, project: &Project) -> Result<Self> {
        let path = path.as_ref();
        if real(path) == self.real {
            let problem = "is the project itself; choose another name";
            return Err(EngineError::bad_file(path, problem));
        }
        // Held until the new file is there.
        let _old = if path.exists() {
            Some(lock::open_to_write(path)?)
        } else {
            None
        };
        let json = document::to_bytes(project, path)?;
        let pictures = pictures_of(project);
        let mut entries = self.archive.entries().clone();
        entries.retain(|name, _| pictures.contains(name) || !self.pictures.contains(name));
        let removed = self.archive.removed().iter();
        let back = removed.filter(|(name, _)| pictures.contains(*name));
        entries.extend(back.map(|(name, entry)| (name.clone(), entry.clone())));
        let present = entries.keys().cloned().collect();
        let sources = sources::additions(project, &present, &self.shelf);
        let sources = sources.iter().map(|(n, b)| (n.as_str(), b.as_slice()));
        let additions: Vec<(&str, &[u8])> = sources.chain([(PROJECT_JSON, &*json)]).collect();
        let parts = Parts {
            source: Some(&self.archive),
            entries,
            additions: &additions,
            ..Parts::default()
        };
        let file = Self::write_new(path, Existing::Replace, &parts)?;
        let mut file = file.ok_or_else(|| EngineError::bad_file(path, "was not written"))?;
        file.pictures = pictures;
        file.shelf = self.shelf.clone();
        Ok(file)
    }

    /// The content of the entry `name`.
    ///
    /// # Errors
    /// There is no such entry, or it is damaged: its checksum is looked at.
    pub fn attachment(&self, name: &str) -> Result<Vec<u8>> {
        let Some(entry) = self.archive.entries().get(name) else {
            let problem = format!("has no entry {name:?}");
            return Err(EngineError::bad_file(&self.path, problem));
        };
        let content = self.archive.content(entry);
        content
            .map_err(|e| EngineError::io(&self.path, e))?
            .map_err(|problem| damaged(&self.path, name, problem))
    }

    /// Whether there is an entry `name`; it may be damaged.
    pub fn has(&self, name: &str) -> bool {
        self.archive.entries().contains_key(name)
    }

    /// Names of all entries but the project itself, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let names = self.archive.entries().keys().map(String::as_str);
        names.filter(|name| *name != PROJECT_JSON)
    }

    /// Where it lies, as it was given.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes of the file, and how many of them nothing needs any more.
    pub fn size_and_dead_bytes(&self) -> (u64, u64) {
        (self.archive.length(), self.archive.dead_bytes())
    }

    /// Writes the file anew without what is no longer needed. Pictures that were taken out are
    /// gone then.
    ///
    /// # Errors
    /// The file was opened to read only, the folder cannot be written, or an entry is damaged;
    /// the file then is as it was.
    pub fn compact(&mut self) -> Result<()> {
        if !self.may_write {
            let problem = "was opened to read only; it cannot be made smaller";
            return Err(EngineError::bad_file(&self.path, problem));
        }
        self.archive.require_unchanged(&self.real)?;
        self.rewrite(&Entries::new())
    }

    fn rewrite(&mut self, hidden: &Entries) -> Result<()> {
        let json = self.attachment(PROJECT_JSON)?;
        let parts = Parts {
            source: Some(&self.archive),
            entries: self.archive.entries().clone(),
            hidden: hidden.clone(),
            additions: &[(PROJECT_JSON, &json)],
        };
        let file = Self::write_new(&self.real, Existing::Replace, &parts)?;
        let file = file.ok_or_else(|| EngineError::bad_file(&self.path, "was not written"))?;
        self.archive = file.archive;
        Ok(())
    }

    /// Writes a file of `parts` and gives it locked. `None`: there is one already.
    pub(super) fn write_new(
        path: &Path,
        existing: Existing,
        parts: &Parts<'_>,
    ) -> Result<Option<Self>> {
        let mut written = None;
        let file = atomic::write_and_keep(path, existing, |writer: &mut BufWriter<&File>| {
            // Before it has its name, so that nobody comes in between.
            lock::lock(writer.get_ref(), path)?;
            written = Some(parts.write(writer, path)?);
            Ok(())
        })?;
        let (Some(file), Some((entries, hidden, length))) = (file, written) else {
            return Ok(None);
        };
        sync_folder(path);
        Ok(Some(Self {
            path: path.to_owned(),
            real: real(path),
            archive: Archive::written(file, entries, hidden, length),
            may_write: true,
            pictures: BTreeSet::new(),
            shelf: PictureShelf::default(),
        }))
    }
}

/// The project that the table of contents names.
fn read_document(archive: &Archive, path: &Path) -> Result<Result<Project, Unreadable>> {
    let Some(entry) = archive.entries().get(PROJECT_JSON) else {
        return Ok(Err(Unreadable::Damaged("is not there".to_owned())));
    };
    let content = archive
        .content(entry)
        .map_err(|e| EngineError::io(path, e))?;
    Ok(content
        .map_err(|problem| Unreadable::Damaged(problem.to_owned()))
        .and_then(|bytes| document::parse(&bytes, path)))
}

fn pictures_of(project: &Project) -> BTreeSet<String> {
    let ids = project.results.iter();
    let results = ids.map(|result| result_png_name(&result.id));
    let sources = sources::named_in(project).into_keys();
    results.chain(sources).collect()
}

fn real(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

/// So that a new name survives a power cut too; not every disk can.
fn sync_folder(path: &Path) {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty());
    if let Ok(folder) = File::open(folder.unwrap_or(Path::new("."))) {
        folder.sync_all().ok();
    }
}
