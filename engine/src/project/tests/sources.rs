//! Pictures that recipes start from.

use super::*;
use crate::picture::{PictureShelf, image_in};
use crate::recipe::{MaskUse, PictureRef, Source};

fn grey() -> Picture {
    Picture {
        width_px: 4,
        height_px: 4,
        rgb: (0..16).flat_map(|i| [i * 16; 3]).collect(),
    }
}

/// A recipe that starts from one picture, with a mask that was painted.
fn edited(shelf: &PictureShelf) -> Recipe {
    let mut source = Source::new(shelf.insert(picture(7, 8)), 0.5);
    source.mask = Some(MaskUse::new(shelf.insert(grey())));
    Recipe {
        source: Some(source),
        ..sample()
    }
}

#[test]
fn pictures_are_kept_while_recipes_name_them_and_come_back_on_opening() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cats.vernier");
    let shelf = PictureShelf::default();
    let mut project = Project::new("cats", sample());
    let mut file = ProjectFile::create(&path, &project).unwrap();
    assert!(file.share_pictures(&project, &shelf).is_empty());
    let recipe = edited(&shelf);
    let names: Vec<String> = recipe
        .pictures()
        .iter()
        .map(|picture| source_png_name(&picture.hash))
        .collect();
    project.add_recipe("edited", recipe.clone());
    file.save(&project, &[]).unwrap();
    assert!(names.iter().all(|name| file.has(name)));
    let mask = file.attachment(&names[1]).unwrap();
    assert_eq!(image_in(&mask, &path).unwrap(), grey());
    // Grey, eight bits, as masks are.
    assert_eq!(mask[24..26], [8, 0]);

    // Written once.
    let (length, _) = file.size_and_dead_bytes();
    project.name = "dogs".to_owned();
    file.save(&project, &[]).unwrap();
    assert_eq!(file.attachment(&names[1]).unwrap(), mask);
    assert!(file.size_and_dead_bytes().0 > length);

    let copy = folder.path().join("copy.vernier");
    drop(file.save_as(&copy, &project).unwrap());
    drop(file);
    for path in [&path, &copy] {
        let fresh = PictureShelf::default();
        let mut opened = ProjectFile::open(path).unwrap();
        assert!(opened.notes.is_empty(), "{:?}", opened.notes);
        let notes = opened.file.share_pictures(&opened.project, &fresh);
        assert!(notes.is_empty(), "{notes:?}");
        let wanted = &opened.project.recipes[0].recipe;
        assert_eq!(*wanted, recipe);
        assert_eq!(*fresh.get(wanted.pictures()[0]).unwrap(), picture(7, 8));
        assert_eq!(*fresh.get(wanted.pictures()[1]).unwrap(), grey());
    }

    let Opened {
        mut file,
        mut project,
        ..
    } = ProjectFile::open(&path).unwrap();
    let named = project.recipes.pop().unwrap();
    file.save(&project, &[]).unwrap();
    assert!(names.iter().all(|name| !file.has(name)));
    // Taken back: the shelf was never shared with this file, the archive still has them.
    project.recipes.push(named);
    file.save(&project, &[]).unwrap();
    assert!(names.iter().all(|name| file.has(name)));
}

#[test]
fn a_new_project_takes_pictures_from_where_they_lie_and_misses_none() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path().join("source.png");
    std::fs::write(&here, crate::picture::to_plain_png(&picture(3, 8)).unwrap()).unwrap();
    let there = PictureShelf::default().read(&here).unwrap();
    let recipe = |picture: &PictureRef| Recipe {
        source: Some(Source::new(picture.clone(), 0.5)),
        ..sample()
    };
    let mut project = Project::new("cats", recipe(&there));
    let gone = PictureRef {
        hash: "0".repeat(64),
        ..PictureRef::at(&folder.path().join("gone.png"))
    };
    project.add_recipe("gone", recipe(&gone));
    let path = folder.path().join("cats.vernier");
    let mut file = ProjectFile::create(&path, &project).unwrap();
    assert!(file.has(&source_png_name(&there.hash)));
    assert!(!file.has(&source_png_name(&gone.hash)));
    std::fs::remove_file(&here).unwrap();
    let shelf = PictureShelf::default();
    assert!(file.share_pictures(&project, &shelf).is_empty());
    assert_eq!(*shelf.get(&there).unwrap(), picture(3, 8));
    let said = shelf.get(&gone).unwrap_err().to_string();
    assert!(said.contains("gone.png"), "{said}");
}
