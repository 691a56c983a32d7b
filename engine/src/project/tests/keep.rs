//! Saves that keep what is there.

use super::*;

fn is_send<T: Send>(_: &T) {}

#[test]
fn a_save_only_adds_and_every_zip_program_reads_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("p.vernier");
    let (mut file, mut project) = with_results(&path, 3);
    is_send(&file);
    let before = std::fs::read(&path).unwrap();
    let (name, png) = add_result(&mut project, 9);
    file.save(&project, &[(name.clone(), png.clone())]).unwrap();
    let after = std::fs::read(&path).unwrap();
    assert!(after.starts_with(&before));
    assert!(file.has(&name) && file.attachment(&name).unwrap() == png);
    assert_eq!(file.names().count(), 4);

    // rawzip is another program's reader.
    let archive = rawzip::ZipArchive::from_slice(&after).unwrap();
    assert_eq!(archive.entries().count(), 5);
    for record in archive.entries() {
        let record = record.unwrap();
        let entry = archive.get_entry(record.wayfinder()).unwrap();
        let found = record.file_path();
        let found = String::from_utf8_lossy(found.as_bytes()).into_owned();
        if found == name {
            assert_eq!(entry.data(), png);
        }
    }
}

#[test]
fn results_that_go_come_back_with_undo() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("p.vernier");
    let (mut file, project) = with_results(&path, 3);
    let name = result_png_name(&project.results[1].id);
    let png = file.attachment(&name).unwrap();
    let mut fewer = project.clone();
    fewer.results.remove(1);
    file.save(&fewer, &[]).unwrap();
    assert!(!file.has(&name));
    file.save(&project, &[]).unwrap();
    assert_eq!(file.attachment(&name).unwrap(), png);
    // An attachment that is no result's stays without being listed anywhere.
    file.save(&fewer, &[("masks/a.png".to_owned(), vec![1])])
        .unwrap();
    drop(file);
    let mut file = ProjectFile::open(&path).unwrap().file;
    assert!(!file.has(&name) && file.has("masks/a.png"));
    let (before, dead) = file.size_and_dead_bytes();
    file.compact().unwrap();
    let (after, none) = file.size_and_dead_bytes();
    assert_eq!((after, none), (before - dead, 0));
    assert_eq!(std::fs::metadata(&path).unwrap().len(), after);
    file.save(&project, &[]).unwrap();
    drop(file);
    let opened = ProjectFile::open(&path).unwrap();
    assert_eq!(opened.project, project);
    assert!(
        opened.notes[0].contains("picture of one result"),
        "{:?}",
        opened.notes
    );
}

#[test]
fn dead_space_does_not_grow_without_end_and_undo_survives_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("p.vernier");
    let (mut file, project) = with_results(&path, 1);
    let name = result_png_name(&project.results[0].id);
    let mut empty = project.clone();
    empty.results.clear();
    file.save(&empty, &[]).unwrap();
    for level in 0..9_u8 {
        let weights = ("adapters/a.bin".to_owned(), vec![level; 4 << 20]);
        file.save(&empty, &[weights]).unwrap();
    }
    let length = std::fs::metadata(&path).unwrap().len();
    assert!(length < 30 << 20, "{length}");
    assert_eq!(file.size_and_dead_bytes().0, length);
    assert_eq!(file.attachment("adapters/a.bin").unwrap(), vec![8; 4 << 20]);
    file.save(&project, &[]).unwrap();
    assert!(file.has(&name));
    drop(file);
    assert_eq!(ProjectFile::open(&path).unwrap().project, project);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn two_writers_cannot_be_and_readers_can() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("p.vernier");
    let (mut file, project) = with_results(&path, 1);
    let in_use = |result: Result<Opened, crate::EngineError>| {
        let error = result.unwrap_err().to_string();
        assert!(error.contains("is open in another Vernier"), "{error}");
    };
    in_use(ProjectFile::open(&path));
    let mut reader = ProjectFile::open_to_read(&path).unwrap();
    assert_eq!(reader.project, project);
    let error = reader.file.save(&project, &[]).unwrap_err().to_string();
    assert!(error.contains("read only"), "{error}");
    assert!(reader.file.compact().is_err());
    // A rewritten file is locked as the old one was.
    file.compact().unwrap();
    in_use(ProjectFile::open(&path));
    let other = folder.path().join("q.vernier");
    let copy = file.save_as(&other, &project).unwrap();
    in_use(ProjectFile::open(&other));
    assert!(file.save_as(&other, &project).is_err(), "it is open");
    assert!(file.save_as(&path, &project).is_err(), "it is itself");
    drop((file, copy));
    drop(ProjectFile::open(&path).unwrap());
    let mut opened = ProjectFile::open(&path).unwrap();
    drop(opened.file.save_as(&other, &opened.project).unwrap());
}

#[test]
fn nothing_is_overwritten_and_changes_of_others_are_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("p.vernier");
    std::fs::write(&path, "mine").unwrap();
    let project = Project::new("cats", sample());
    let error = ProjectFile::create(&path, &project)
        .unwrap_err()
        .to_string();
    assert!(error.contains("is there already"), "{error}");
    assert_eq!(std::fs::read(&path).unwrap(), b"mine");
    std::fs::remove_file(&path).unwrap();
    let (mut file, mut project) = with_results(&path, 1);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes.push(0);
    std::fs::write(&path, bytes).unwrap();
    project.name.push('!');
    let error = file.save(&project, &[]).unwrap_err().to_string();
    assert!(error.contains("changed, moved or deleted"), "{error}");
    // What is put in its place, as zip programs do it, or taken away, is noticed too.
    let (second, moved) = (
        folder.path().join("q.vernier"),
        folder.path().join("r.vernier"),
    );
    let (mut file, project) = with_results(&second, 1);
    let mut changed = project.clone();
    changed.name.push('!');
    std::fs::rename(&second, &moved).unwrap();
    assert!(file.save(&changed, &[]).is_err() && file.compact().is_err());
    std::fs::copy(&moved, &second).unwrap();
    assert!(file.save(&changed, &[]).is_err());
    // The way out that the sentence names.
    std::fs::remove_file(&second).unwrap();
    drop(
        file.save_as(folder.path().join("s.vernier"), &changed)
            .unwrap(),
    );
    let saved = ProjectFile::open(folder.path().join("s.vernier")).unwrap();
    assert_eq!(saved.project, changed);
    for wrong in [folder.path().to_owned(), folder.path().join("absent")] {
        assert!(ProjectFile::open(wrong).is_err());
    }
}

#[cfg(unix)]
#[test]
fn where_no_file_can_be_made_a_save_still_works() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("p.vernier");
    let (mut file, mut project) = with_results(&path, 1);
    let permissions = |mode| std::fs::Permissions::from_mode(mode);
    std::fs::set_permissions(folder.path(), permissions(0o555)).unwrap();
    // Nothing keeps root from writing, so that only the save itself is certain to be seen.
    let attachment = add_result(&mut project, 5);
    file.save(&project, &[attachment]).unwrap();
    let created = ProjectFile::create(folder.path().join("new.vernier"), &project);
    std::fs::set_permissions(folder.path(), permissions(0o755)).unwrap();
    if let Err(error) = created {
        assert!(error.to_string().contains("permission"), "{error}");
    }
    drop(file);
    assert_eq!(ProjectFile::open(&path).unwrap().project, project);
}
