use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use vernier_engine::picture::Picture;
use vernier_engine::project::{ProjectFile, ResultEntry};
use vernier_engine::recipe::{ControlUse, Recipe, sha256_hex};

use super::*;
use crate::studio::state::testing;

fn recipe() -> Recipe {
    testing::recipe("a cat", 1)
}

fn start() -> (Keeper, Receiver<FileEvent>) {
    let (outbox, events) = mpsc::channel();
    let tell = move |event| drop(outbox.send(event));
    let keeper = Keeper::start(PictureShelf::default(), ControlPlaces::default(), tell).unwrap();
    (keeper, events)
}

fn next(events: &Receiver<FileEvent>) -> FileEvent {
    events.recv_timeout(Duration::from_secs(20)).unwrap()
}

fn begin(keeper: &Keeper, folder: &Path, wants_new: bool) {
    keeper.send(KeeperCommand::Untitled {
        folder: folder.join("unsaved"),
        fresh: Box::new(Project::new("Untitled", recipe())),
        wants_new,
    });
}

fn with_picture(project: &Project) -> (Box<Project>, Vec<NewPicture>) {
    let mut project = project.clone();
    let entry = ResultEntry::new(recipe(), 0.5, &project);
    let new = NewPicture {
        id: entry.id.clone(),
        picture: Arc::new(Picture {
            width_px: 8,
            height_px: 8,
            rgb: vec![7; 192],
        }),
        recipe: Arc::new(recipe()),
    };
    project.results.push(entry);
    (Box::new(project), vec![new])
}

/// Saves `project` with one picture more to `path`, and gives the picture's id.
fn save_with_picture(
    keeper: &Keeper,
    events: &Receiver<FileEvent>,
    project: &Project,
    path: &Path,
) -> String {
    let (project, pictures) = with_picture(project);
    let id = pictures[0].id.clone();
    keeper.send(KeeperCommand::Save {
        path: path.to_owned(),
        project,
        pictures,
        is_asked: false,
    });
    assert!(matches!(next(events), FileEvent::Saved { .. }));
    id
}

#[test]
fn an_untitled_project_comes_back_until_it_has_a_name() {
    let folder = tempfile::tempdir().unwrap();
    let (keeper, events) = start();
    begin(&keeper, folder.path(), false);
    let FileEvent::Project {
        project,
        path: first,
        ..
    } = next(&events)
    else {
        panic!();
    };
    let id = save_with_picture(&keeper, &events, &project, &first);
    drop(keeper);

    let (keeper, events) = start();
    begin(&keeper, folder.path(), false);
    let FileEvent::Project {
        project,
        path,
        is_untitled,
        ..
    } = next(&events)
    else {
        panic!();
    };
    assert_eq!(
        (&path, is_untitled, project.results.len()),
        (&first, true, 1)
    );
    keeper.send(KeeperCommand::Read(id));
    let FileEvent::Pixels { picture, .. } = next(&events) else {
        panic!();
    };
    assert_eq!(picture.rgb[0], 7);

    let named = folder.path().join("portrait.vernier");
    keeper.send(KeeperCommand::SaveAs {
        path: named.clone(),
        project: project.clone(),
        pictures: Vec::new(),
    });
    assert!(matches!(
        next(&events),
        FileEvent::Saved { is_asked: true, .. }
    ));
    assert!(named.is_file() && !first.exists());
    begin(&keeper, folder.path(), false);
    let FileEvent::Project { project, .. } = next(&events) else {
        panic!();
    };
    assert!(project.results.is_empty(), "a fresh one");
}

#[test]
fn a_new_project_leaves_the_work_in_the_old_one() {
    let folder = tempfile::tempdir().unwrap();
    let (keeper, events) = start();
    begin(&keeper, folder.path(), false);
    let FileEvent::Project {
        project,
        path: first,
        ..
    } = next(&events)
    else {
        panic!();
    };
    save_with_picture(&keeper, &events, &project, &first);
    begin(&keeper, folder.path(), true);
    let FileEvent::Project { path, project, .. } = next(&events) else {
        panic!();
    };
    assert_ne!(path, first);
    assert!(project.results.is_empty() && first.exists());
}

#[test]
fn a_save_that_comes_late_goes_to_its_own_project() {
    let folder = tempfile::tempdir().unwrap();
    let other = folder.path().join("other.vernier");
    drop(ProjectFile::create(&other, &Project::new("other", recipe())).unwrap());
    let (keeper, events) = start();
    begin(&keeper, folder.path(), false);
    let FileEvent::Project { project, path, .. } = next(&events) else {
        panic!();
    };
    keeper.send(KeeperCommand::Open(other.clone()));
    // The window has not heard of it yet.
    let (project, pictures) = with_picture(&project);
    keeper.send(KeeperCommand::Save {
        path: path.clone(),
        project,
        pictures,
        is_asked: false,
    });
    drop(keeper);
    let results = |path: &Path| {
        let opened = ProjectFile::open_to_read(path).unwrap();
        (opened.project.name, opened.project.results.len())
    };
    assert_eq!(results(&other), ("other".to_owned(), 0));
    assert_eq!(results(&path), ("Untitled".to_owned(), 1));
}

#[test]
fn what_cannot_be_saved_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let (keeper, events) = start();
    let (project, pictures) = with_picture(&Project::new("p", recipe()));
    keeper.send(KeeperCommand::SaveAs {
        path: folder.path().join("missing/p.vernier"),
        project,
        pictures,
    });
    let FileEvent::NotSaved { sentence, pictures } = next(&events) else {
        panic!();
    };
    assert_eq!(pictures.len(), 1);
    assert!(sentence.contains("missing"), "{sentence}");
}

#[test]
fn a_control_of_one_s_own_travels_in_the_project() {
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name);
    std::fs::create_dir(place("own")).unwrap();
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../assets/controls");
    let bytes = std::fs::read(shipped.join("age.safetensors")).unwrap();
    std::fs::write(place("own/years.safetensors"), &bytes).unwrap();
    let mut control = ControlUse::new("years", Some("man"), 0.5);
    control.hash = sha256_hex(&bytes);
    let mut made = recipe();
    made.controls.push(control.clone());

    let (outbox, events) = mpsc::channel();
    let start = |controls| {
        let outbox = outbox.clone();
        let tell = move |event| drop(outbox.send(event));
        Keeper::start(PictureShelf::default(), controls, tell).unwrap()
    };
    let keeper = start(ControlPlaces {
        own: ControlLibrary::new(vec![place("own")]),
        ..ControlPlaces::default()
    });
    keeper.send(KeeperCommand::SaveAs {
        path: place("p.vernier"),
        project: Box::new(Project::new("p", made)),
        pictures: Vec::new(),
    });
    assert!(matches!(next(&events), FileEvent::Saved { .. }));
    drop(keeper);

    let keeper = start(ControlPlaces {
        from_projects: Some(place("cache")),
        ..ControlPlaces::default()
    });
    keeper.send(KeeperCommand::Open(place("p.vernier")));
    let FileEvent::Project { notes, .. } = next(&events) else {
        panic!();
    };
    assert!(notes.is_empty(), "{notes:?}");
    let found = ControlLibrary::new(vec![place("cache")]).find(&control);
    assert_eq!(std::fs::read(found.unwrap()).unwrap(), bytes);
}
