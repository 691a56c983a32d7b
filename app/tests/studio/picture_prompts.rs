//! Pictures in the place of words, in the window.

use std::path::Path;

use egui::{Key, Modifiers};
use egui_kittest::kittest::Queryable as _;
use vernier::studio::StudioOptions;
use vernier_engine::picture_prompts::PicturePromptLibrary;
use vernier_engine::picture_prompts::tiny::write_picture_prompt;
use vernier_engine::project::ProjectFile;
use vernier_engine::recipe::PictureTakes;

use super::desk::{
    Window, click, drop_file, keeping, key, options, projects_in, shown, studio, until, window,
};

const SIZE: [f32; 2] = [1366.0, 900.0];

const PICTURE: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../tests/fixtures/picture_prompts/a.png"
);

/// The same with a picture prompt for the embedded model, called look, in a folder of them.
fn with_prompts(folder: &Path, options: StudioOptions) -> StudioOptions {
    let prompts = folder.join("picture-prompts");
    std::fs::create_dir_all(&prompts).unwrap();
    let file = prompts.join("look.safetensors");
    write_picture_prompt(&file, &options.engine.embedded_model, 3).unwrap();
    let library = PicturePromptLibrary::new(vec![prompts], Vec::new(), Vec::new());
    let mut options = options;
    options.engine.adapters = options.engine.adapters.with_picture_prompts(library);
    options
}

#[test]
fn a_picture_is_dropped_weighed_muted_and_undone() {
    let folder = tempfile::tempdir().unwrap();
    let options = with_prompts(folder.path(), options(folder.path(), true));
    let Some(mut harness) = window(SIZE, &options) else {
        return;
    };
    harness.state_mut().studio_mut().bench.recipe.steps = 3;
    let plain = shown(&mut harness);

    until(&mut harness, "adapters", |h| {
        !studio(h).adapters().is_empty()
    });
    key(&mut harness, Modifiers::COMMAND, Key::F);
    click(&mut harness, "library: Adapters");
    harness.get_by_label_contains("IP-Adapter, 4 tokens");
    click(&mut harness, "use look");
    let waiting = |h: &Window| studio(h).bench.muted_picture_prompts.len();
    until(&mut harness, "there", |h| waiting(h) == 1);
    let tab = harness.get_all_by_label("Controls").next().unwrap();
    tab.click();
    harness.run_steps(3);
    harness.get_by_label("Drop a picture here, or choose one:");
    assert_eq!(shown(&mut harness).rgb, plain.rgb, "it waits");

    drop_file(&mut harness, Path::new(PICTURE));
    let prompts = |h: &Window| studio(h).bench.recipe.picture_prompts.clone();
    until(&mut harness, "taken", |h| prompts(h).len() == 1);
    assert!(studio(&harness).bench.recipe.source.is_none());
    let with = shown(&mut harness);
    assert_ne!(with.rgb, plain.rgb, "the picture follows");

    let slider = egui::accesskit::Role::Slider;
    harness
        .get_by_role_and_label(slider, "weight of look")
        .focus();
    harness.step();
    key(&mut harness, Modifiers::NONE, Key::ArrowLeft);
    assert_eq!(prompts(&harness)[0].weight.to_bits(), 0.99_f64.to_bits());
    shown(&mut harness);
    click(&mut harness, "give look the shown picture");
    assert_eq!(prompts(&harness)[0].pictures.len(), 2);
    shown(&mut harness);
    click(&mut harness, "picture 2 of look");
    assert_eq!(prompts(&harness)[0].pictures.len(), 1);
    click(&mut harness, "what look takes");
    click(&mut harness, "style");
    assert_eq!(prompts(&harness)[0].takes, PictureTakes::Style);
    assert_ne!(shown(&mut harness).rgb, with.rgb);

    click(&mut harness, "mute picture prompt look");
    assert!(prompts(&harness).is_empty());
    assert_eq!(
        shown(&mut harness).rgb,
        plain.rgb,
        "as if it were not there"
    );
    click(&mut harness, "mute picture prompt look");
    click(&mut harness, "remove picture prompt look");
    assert!(prompts(&harness).is_empty() && waiting(&harness) == 0);
    key(&mut harness, Modifiers::COMMAND, Key::Z);
    assert_eq!(prompts(&harness).len(), 1, "undo brings it back");

    // A dialog asks for more.
    click(&mut harness, "give look a picture from a file");
    harness
        .get_by_role_and_label(
            egui::accesskit::Role::TextInput,
            "Open a picture for the picture prompt",
        )
        .type_text(&PICTURE.replace("a.png", "b.png"));
    harness.run_steps(2);
    click(&mut harness, "Open");
    until(&mut harness, "taken", |h| prompts(h)[0].pictures.len() == 2);
}

#[test]
fn a_project_carries_the_pictures_of_muted_prompts_too() {
    let folder = tempfile::tempdir().unwrap();
    let options = with_prompts(folder.path(), keeping(folder.path()));
    let unsaved = folder.path().join("unsaved");
    let Some(mut harness) = window(SIZE, &options) else {
        return;
    };
    until(&mut harness, "a file", |_| projects_in(&unsaved).len() == 1);
    harness.run_steps(2);
    let file = folder.path().join("picture-prompts/look.safetensors");
    harness.state_mut().studio_mut().take_adapter(file);
    until(&mut harness, "there", |h| {
        studio(h).bench.muted_picture_prompts.len() == 1
    });
    drop_file(&mut harness, Path::new(PICTURE));
    until(&mut harness, "taken", |h| {
        studio(h).bench.recipe.picture_prompts.len() == 1
    });
    harness
        .state_mut()
        .studio_mut()
        .toggle_picture_prompt_mute(0);
    let project = projects_in(&unsaved).remove(0);
    until(&mut harness, "saved", |_| {
        let opened = ProjectFile::open_to_read(&project).unwrap();
        let muted = &opened.project.bench.muted_picture_prompts;
        // It may have been saved while it waited for its picture, too.
        let picture = muted.first().and_then(|own| own.pictures.first());
        picture.is_some_and(|picture| {
            let adapter = format!("loras/{}.safetensors", muted[0].hash);
            opened.file.has(&format!("pictures/{}.png", picture.hash)) && opened.file.has(&adapter)
        })
    });
}
