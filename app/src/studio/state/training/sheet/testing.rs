//! Folders of pictures for tests.

use super::table::TABLE;

pub(super) const CSV: &str =
    "file_name,age,caption,notes\nb.png,0.50 ,\"a man, old\",x\nc.png,,,y\n";

pub(super) fn folder(csv: Option<&str>) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in ["a.png", "b.png", "c.png"] {
        std::fs::write(folder.path().join(name), "").unwrap();
    }
    std::fs::write(folder.path().join("c.txt"), " a cat\n").unwrap();
    if let Some(csv) = csv {
        std::fs::write(folder.path().join(TABLE), csv).unwrap();
    }
    folder
}

pub(super) fn text(folder: &tempfile::TempDir, name: &str) -> String {
    std::fs::read_to_string(folder.path().join(name)).unwrap()
}
