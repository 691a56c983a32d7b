//! Files that were cut or spoilt.

use super::*;

/// A project after each of several saves, and the file's length then.
struct History {
    folder: tempfile::TempDir,
    bytes: Vec<u8>,
    saves: Vec<(usize, Project)>,
    pictures: Vec<(String, Vec<u8>)>,
}

impl History {
    fn new(saves: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("p.vernier");
        let mut project = Project::new("cats", sample());
        let mut file = ProjectFile::create(&path, &project).unwrap();
        let length = || std::fs::metadata(&path).unwrap().len() as usize;
        let mut history = vec![(length(), project.clone())];
        let mut pictures = Vec::new();
        for seed in 0..saves {
            let attachment = add_result(&mut project, seed);
            file.save(&project, std::slice::from_ref(&attachment))
                .unwrap();
            pictures.push(attachment);
            history.push((length(), project.clone()));
        }
        drop(file);
        let bytes = std::fs::read(&path).unwrap();
        Self {
            folder,
            bytes,
            saves: history,
            pictures,
        }
    }

    fn path(&self) -> std::path::PathBuf {
        self.folder.path().join("p.vernier")
    }

    /// The file with other bytes, opened.
    fn opened(&self, bytes: &[u8]) -> crate::Result<Opened> {
        std::fs::write(self.path(), bytes).unwrap();
        let opened = ProjectFile::open(self.path());
        assert!(
            std::fs::read(self.path()).unwrap() == bytes,
            "opening changed it"
        );
        opened
    }

    /// Every picture that `opened` lists is there and right.
    fn check_pictures(&self, opened: &Opened) {
        for result in &opened.project.results {
            let name = result_png_name(&result.id);
            let (_, png) = self.pictures.iter().find(|(own, _)| *own == name).unwrap();
            assert!(opened.file.attachment(&name).unwrap() == *png);
        }
    }
}

#[test]
fn a_cut_anywhere_keeps_every_save_before_it() {
    let history = History::new(3);
    // Every byte of the last save, so that no kind of place is left out.
    let from = history.saves[2].0;
    for cut in from..history.bytes.len() {
        let opened = history.opened(&history.bytes[..cut]).unwrap();
        let done = opened.project.results.len();
        assert!(done == 2 || done == 3, "{cut}");
        assert_eq!(opened.project, history.saves[done].1);
        assert_eq!(opened.notes.len(), usize::from(cut > from), "{cut}");
        history.check_pictures(&opened);
    }
    // And what comes after goes on from there.
    let mut opened = history.opened(&history.bytes[..from + 100]).unwrap();
    let attachment = add_result(&mut opened.project, 77);
    opened.file.save(&opened.project, &[attachment]).unwrap();
    drop(opened.file);
    let again = ProjectFile::open(history.path()).unwrap();
    assert_eq!(again.project, opened.project);
    assert!(again.notes.is_empty(), "{:?}", again.notes);
}

#[test]
fn without_a_first_table_what_is_whole_is_found() {
    let history = History::new(0);
    for cut in 0..history.bytes.len() {
        match history.opened(&history.bytes[..cut]) {
            Ok(opened) => assert_eq!(opened.project, history.saves[0].1),
            Err(error) => {
                let said = error.to_string();
                assert!(said.contains("p.vernier: is no Vernier project"), "{said}");
            }
        }
    }
}

#[test]
fn a_damaged_project_gives_way_to_the_one_before() {
    let history = History::new(3);
    let mut bytes = history.bytes.clone();
    // Into the deflated text: the last project lies between the last picture and the table.
    let table = bytes
        .windows(4)
        .rposition(|four| four == b"PK\x01\x02")
        .unwrap();
    let table = table - 3 * 60;
    let at = bytes[..table]
        .windows(12)
        .rposition(|w| w == b"project.json")
        .unwrap();
    bytes[at + 40] ^= 0xff;
    let opened = history.opened(&bytes).unwrap();
    let said = &opened.notes[0];
    assert!(said.contains("the last whole one is used"), "{said}");
    assert!(said.contains("newer pictures (1) were put back"), "{said}");
    // The picture that only the damaged one listed is back too.
    assert_eq!(opened.project.results.len(), 3);
    assert_eq!(opened.project.results[..2], history.saves[2].1.results);
    assert_eq!(
        opened.project.results[2].id,
        history.saves[3].1.results[2].id
    );
    assert_eq!(
        opened.project.results[2].recipe,
        history.saves[3].1.results[2].recipe
    );
    history.check_pictures(&opened);
    drop(opened);
    // Without any whole project only the pictures can be saved.
    let mut spoilt = history.bytes.clone();
    let heads: Vec<usize> = (0..spoilt.len() - 12)
        .filter(|at| spoilt[*at..].starts_with(b"project.json"))
        .filter(|at| spoilt[at - 30..].starts_with(b"PK\x03\x04"))
        .collect();
    assert_eq!(heads.len(), 4);
    for at in heads {
        spoilt[at + 40] ^= 0xff;
    }
    let error = history.opened(&spoilt).unwrap_err().to_string();
    assert!(error.contains("vernier project recover"), "{error}");
    let out = history.folder.path().join("new.vernier");
    let recovered = ProjectFile::recover(history.path(), &out).unwrap();
    assert_eq!((recovered.kept.len(), recovered.lost.len()), (3, 0));
    assert_eq!(recovered.project.results.len(), 3);
    assert_eq!(recovered.project.name, "p");
    assert!(std::fs::read(history.path()).unwrap() == spoilt);
    drop(recovered);
    history.check_pictures(&ProjectFile::open(&out).unwrap());
    assert!(
        ProjectFile::recover(history.path(), &out).is_err(),
        "it is there"
    );
}

#[test]
fn a_damaged_picture_is_named_and_the_rest_recovered() {
    let history = History::new(3);
    let mut bytes = history.bytes.clone();
    let (name, png) = &history.pictures[1];
    let at = bytes.windows(png.len()).position(|w| w == png).unwrap();
    bytes[at + 60] ^= 1;
    let mut opened = history.opened(&bytes).unwrap();
    assert!(opened.notes.is_empty());
    let error = opened.file.attachment(name).unwrap_err().to_string();
    assert!(
        error.contains(name.as_str()) && error.contains("is damaged"),
        "{error}"
    );
    assert!(opened.file.compact().is_err());
    assert!(std::fs::read(history.path()).unwrap() == bytes);
    drop(opened);
    let out = history.folder.path().join("new.vernier");
    let recovered = ProjectFile::recover(history.path(), &out).unwrap();
    assert_eq!(recovered.lost, std::slice::from_ref(name));
    assert_eq!(recovered.kept.len(), 2);
    assert_eq!(recovered.project, history.saves[3].1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn cuts_lose_no_finished_save(saves in 1_u64..6, place in 0.0_f64..1.0) {
        let history = History::new(saves);
        let cut = (place * history.bytes.len() as f64) as usize;
        let whole = history.saves.iter().rev().find(|(length, _)| *length <= cut);
        match history.opened(&history.bytes[..cut]) {
            Ok(opened) => {
                let done = opened.project.results.len();
                prop_assert_eq!(&opened.project, &history.saves[done].1);
                let least = whole.map_or(0, |(_, project)| project.results.len());
                prop_assert!(done >= least);
                history.check_pictures(&opened);
            }
            Err(error) => prop_assert!(whole.is_none(), "{}", error),
        }
    }

    #[test]
    fn spoilt_bytes_are_told_or_do_no_harm(
        saves in 1_u64..4,
        spoilt in proptest::collection::vec((0.0_f64..1.0, 1_u8..), 1..4),
    ) {
        let history = History::new(saves);
        let mut bytes = history.bytes.clone();
        for (place, by) in spoilt {
            let at = (place * bytes.len() as f64) as usize;
            bytes[at] ^= by;
        }
        // An error is a sentence; none is a panic.
        let Ok(opened) = history.opened(&bytes) else { return Ok(()) };
        let last = &history.saves[saves as usize].1;
        prop_assert!(opened.project == *last || !opened.notes.is_empty());
        for (name, png) in &history.pictures {
            if let Ok(found) = opened.file.attachment(name) {
                prop_assert!(found == *png);
            }
        }
        drop(opened);
        let out = history.folder.path().join("new.vernier");
        ProjectFile::recover(history.path(), out).ok();
    }

    #[test]
    fn noise_is_refused(bytes in proptest::collection::vec(any::<u8>(), 0..400), head in any::<bool>()) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("noise.vernier");
        let start: &[u8] = if head { b"PK\x03\x04" } else { b"" };
        std::fs::write(&path, [start, &bytes].concat()).unwrap();
        let error = ProjectFile::open(&path).unwrap_err().to_string();
        prop_assert!(error.contains("noise.vernier"));
        prop_assert!(ProjectFile::recover(&path, folder.path().join("n")).is_err());
    }
}
