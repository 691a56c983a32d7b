//! Projects on a disk.

mod damage;
mod keep;
mod sources;
mod speed;

use std::path::Path;

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::picture::{Picture, to_png};
use crate::recipe::tests::{arbitrary, sample};

fn picture(level: u8, size_px: u32) -> Picture {
    let bytes = size_px * size_px * 3;
    Picture {
        width_px: size_px,
        height_px: size_px,
        rgb: (0..bytes).map(|i| (i as u8).wrapping_mul(level)).collect(),
    }
}

/// Adds a small result to `project` and gives its attachment.
fn add_result(project: &mut Project, seed: u64) -> (String, Vec<u8>) {
    let recipe = Recipe { seed, ..sample() };
    let png = to_png(&picture(seed as u8, 8), &recipe).unwrap();
    let result = ResultEntry::new(recipe, 0.5, project);
    let name = result_png_name(&result.id);
    project.results.push(result);
    (name, png)
}

/// A file with `results` results, each from a save of its own.
fn with_results(path: &Path, results: u64) -> (ProjectFile, Project) {
    let mut project = Project::new("cats", sample());
    let mut file = ProjectFile::create(path, &project).unwrap();
    for seed in 0..results {
        let attachment = add_result(&mut project, seed);
        file.save(&project, &[attachment]).unwrap();
    }
    (file, project)
}

fn arbitrary_project() -> impl Strategy<Value = Project> {
    let named = proptest::collection::vec((any::<String>(), arbitrary()), 0..3);
    let results = proptest::collection::vec((arbitrary(), 0.0_f64..1e6, any::<bool>()), 0..4);
    let unknown = proptest::collection::vec(any::<(String, i64)>(), 0..3);
    let layout = prop_oneof![
        Just(json!(null)),
        Just(json!({"split": [0.25, {"a": "b"}]}))
    ];
    (
        any::<String>(),
        arbitrary(),
        named,
        results,
        unknown,
        layout,
    )
        .prop_map(|(name, recipe, named, results, unknown, layout)| {
            let mut project = Project::new(name, recipe);
            for (name, recipe) in named {
                project.add_recipe(name, recipe);
            }
            for (recipe, secs, starred) in results {
                let mut result = ResultEntry::new(recipe, secs, &project);
                result.starred = starred;
                project.results.push(result);
            }
            project.list_models();
            project.layout = layout;
            project.bench.muted = vec![ControlUse::new("smile", Some("cat"), -0.25)];
            project.bench.locked = vec!["age".to_owned()];
            for (key, value) in unknown {
                let Project {
                    bench,
                    recipes,
                    results,
                    unknown,
                    ..
                } = &mut project;
                let levels = [unknown, &mut bench.unknown, &mut bench.muted[0].unknown];
                let rows = recipes.iter_mut().map(|row| &mut row.unknown);
                let results = results.iter_mut().map(|row| &mut row.unknown);
                for level in levels.into_iter().chain(rows).chain(results) {
                    level.insert(format!("x-{key}"), value.into());
                }
            }
            project
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn what_is_saved_is_opened(first in arbitrary_project(), second in arbitrary_project()) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("p.vernier");
        let mut file = ProjectFile::create(&path, &first).unwrap();
        let attachments = vec![
            ("masks/sky.png".to_owned(), vec![7; 100]),
            ("references/größe.json".to_owned(), b"{}".to_vec()),
        ];
        file.save(&second, &attachments).unwrap();
        drop(file);
        let opened = ProjectFile::open(&path).unwrap();
        prop_assert_eq!(&opened.project, &second);
        for (name, bytes) in &attachments {
            prop_assert_eq!(&opened.file.attachment(name).unwrap(), bytes);
        }
        // Opened and saved again, nothing is written.
        let before = std::fs::read(&path).unwrap();
        let mut file = opened.file;
        file.save(&opened.project, &attachments).unwrap();
        prop_assert!(std::fs::read(&path).unwrap() == before);
        let saved_as = folder.path().join("copy.vernier");
        drop(file.save_as(&saved_as, &first).unwrap());
        let copy = ProjectFile::open(&saved_as).unwrap();
        prop_assert_eq!(&copy.project, &first);
        prop_assert_eq!(copy.file.attachment("masks/sky.png").unwrap(), vec![7; 100]);
    }
}

#[test]
fn fields_of_newer_programs_survive_at_every_level() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("p.vernier");
    let (file, project) = with_results(&path, 1);
    drop(file);
    let mut value = serde_json::to_value(&project).unwrap();
    value["a"] = json!([1, {"b": null}]);
    value["bench"]["c"] = json!("d");
    value["bench"]["recipe"]["e"] = json!(0.1);
    value["results"][0]["f"] = json!({"g": true});
    value["results"][0]["recipe"]["model"]["h"] = json!(1);
    value["models"][0]["i"] = json!(2);
    let changed: Project = serde_json::from_value(value.clone()).unwrap();
    let mut file = ProjectFile::open(&path).unwrap().file;
    file.save(&changed, &[]).unwrap();
    drop(file);
    let opened = ProjectFile::open(&path).unwrap();
    let mut again = opened.project;
    again.bench.recipe.seed += 1;
    let mut file = opened.file;
    file.save(&again, &[]).unwrap();
    drop(file);
    let back = ProjectFile::open(&path).unwrap().project;
    value["bench"]["recipe"]["seed"] = json!(sample().seed + 1);
    assert_eq!(serde_json::to_value(&back).unwrap(), value);
}

#[test]
fn newer_versions_are_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("p.vernier");
    let (file, project) = with_results(&path, 1);
    drop(file);
    let newer_project = json!({"version": 2, "bench": "otherwise"});
    let mut newer_recipe = serde_json::to_value(&project).unwrap();
    newer_recipe["results"][0]["recipe"]["version"] = json!(9);
    for (value, said) in [(newer_project, "is 2,"), (newer_recipe, "is 9,")] {
        let (archive, _) =
            archive::Archive::open(lock::open_to_write(&path).unwrap().0, &path).unwrap();
        let mut archive = archive;
        let json = value.to_string();
        archive
            .append(&[("project.json", json.as_bytes())], &[], &[], &path)
            .unwrap();
        drop(archive);
        let before = std::fs::read(&path).unwrap();
        let error = ProjectFile::open(&path).unwrap_err().to_string();
        assert!(
            error.contains("p.vernier") && error.contains(said),
            "{error}"
        );
        assert!(error.contains("update Vernier"), "{error}");
        assert!(ProjectFile::recover(&path, folder.path().join("n")).is_err());
        assert!(std::fs::read(&path).unwrap() == before);
    }
}

#[test]
fn what_could_not_be_read_back_is_not_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("p.vernier");
    let (mut file, good) = with_results(&path, 2);
    let before = std::fs::read(&path).unwrap();
    let refused = |file: &mut ProjectFile, spoil: &dyn Fn(&mut Project), said: &str| {
        let mut project = good.clone();
        spoil(&mut project);
        let error = file.save(&project, &[]).unwrap_err();
        assert!(error.to_string().contains(said), "{error}");
    };
    refused(
        &mut file,
        &|p| p.bench.recipe.guidance_scale = f64::NAN,
        "finite",
    );
    refused(
        &mut file,
        &|p| p.results[1].secs = f64::INFINITY,
        "results[1].secs",
    );
    refused(
        &mut file,
        &|p| p.results[1].id = p.results[0].id.clone(),
        "two results",
    );
    refused(
        &mut file,
        &|p| p.results[0].id = "../x".to_owned(),
        "is no id",
    );
    refused(&mut file, &|p| p.version = 2, "version");
    refused(
        &mut file,
        &|p| drop(p.unknown.insert("name".to_owned(), json!("two"))),
        "cannot hold",
    );
    for name in [
        "",
        "/etc/x",
        "a/../b",
        "project.json",
        "a\\b",
        "a//b",
        "c:x",
    ] {
        let error = file.save(&good, &[(name.to_owned(), vec![1])]).unwrap_err();
        assert!(error.is_usage(), "{error}");
    }
    assert!(std::fs::read(&path).unwrap() == before);
    // What cannot be rendered yet can be kept.
    let mut project = good.clone();
    project.bench.recipe.width_px = 3;
    file.save(&project, &[]).unwrap();
}

#[test]
fn models_are_listed_once_and_learn_their_hash() {
    let mut project = Project::new("cats", sample());
    project.add_recipe("one", sample());
    assert_eq!(project.models, [ModelRef::embedded()]);
    let mut resolved = sample();
    resolved.model.hash = "abc".to_owned();
    project.add_recipe("two", resolved);
    project.add_recipe("three", sample());
    assert_eq!(project.models.len(), 1);
    assert_eq!(project.models[0].hash, "abc");
    let mut other = sample();
    other.model.hash = "def".to_owned();
    project.add_recipe("four", other);
    assert_eq!(project.models.len(), 2);
}
