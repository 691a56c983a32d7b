//! Where a source comes from, and that a project keeps it with what was painted.

use std::sync::Arc;

use egui::{ColorImage, Key, Modifiers, PointerButton};
use egui_kittest::kittest::Queryable as _;
use vernier::studio::state::Layer;
use vernier_engine::picture::{Mask, PictureShelf};
use vernier_engine::project::ProjectFile;

use super::desk::{drop_file, keeping, options, projects_in, until, window, write_prompt};
use super::editing::{SIZE, draw, mask, render, studio};

#[test]
fn a_picture_without_a_recipe_that_is_dropped_or_pasted_is_the_source() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut harness) = window(SIZE, &options(folder.path(), false)) else {
        return;
    };
    harness.run_steps(2);
    let path = folder.path().join("photo.png");
    let photo = image::RgbImage::from_fn(48, 32, |x, y| image::Rgb([x as u8 * 4, y as u8 * 4, 9]));
    photo.save(&path).unwrap();
    drop_file(&mut harness, &path);
    until(&mut harness, "taken", |h| {
        studio(h).bench.recipe.source.is_some()
    });
    harness.run_steps(2);
    let source = studio(&harness).bench.recipe.source.clone().unwrap();
    assert_eq!(source.picture.path.as_deref(), path.to_str());
    let shelf = studio(&harness).options().pictures.clone();
    assert_eq!(shelf.get(&source.picture).unwrap().rgb, photo.into_raw());
    harness.get_by_label_contains("photo.png is what the next picture starts from");
    harness.get_by_label("source picture");
    harness.get_by_label_contains("48 × 32 px, cut to");

    let pasted = ColorImage::filled([10, 10], egui::Color32::from_rgb(1, 2, 3));
    harness.event(egui::Event::PasteImage(Arc::new(pasted)));
    harness.run_steps(3);
    let source = studio(&harness).bench.recipe.source.clone().unwrap();
    assert_eq!(shelf.get(&source.picture).unwrap().rgb[..3], [1, 2, 3]);
    harness.key_press_modifiers(Modifiers::COMMAND, Key::Z);
    harness.run_steps(3);
    let source = studio(&harness).bench.recipe.source.clone().unwrap();
    assert_eq!(source.picture.path.as_deref(), path.to_str());
}

#[test]
fn a_kept_picture_becomes_the_source_where_it_hangs() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut harness) = window(SIZE, &options(folder.path(), false)) else {
        return;
    };
    harness.run_steps(2);
    harness.state_mut().studio_mut().bench.recipe.steps = 4;
    write_prompt(&mut harness, "a cat");
    let picture = render(&mut harness);
    harness.get_by_label("picture 1: a cat").click_secondary();
    harness.run_steps(3);
    harness.get_by_label("Use as source").click();
    harness.run_steps(3);
    let source = studio(&harness).bench.recipe.source.clone().unwrap();
    let shelf = &studio(&harness).options().pictures;
    assert_eq!(shelf.get(&source.picture).unwrap().rgb, picture.rgb);
    harness.get_by_label_contains("edit canvas");
}

#[test]
fn a_project_keeps_source_mask_and_regions() {
    let folder = tempfile::tempdir().unwrap();
    let unsaved = folder.path().join("unsaved");
    let Some(mut harness) = window(SIZE, &keeping(folder.path())) else {
        return;
    };
    until(&mut harness, "a file", |_| projects_in(&unsaved).len() == 1);
    harness.run_steps(2);
    harness.get_by_label("Edit workspace").click();
    harness.run_steps(2);
    let grey = {
        let [width, height] = studio(&harness).edit_size_px();
        Mask::filled(width, height, 90).to_picture()
    };
    let studio_mut = harness.state_mut().studio_mut();
    let source = studio_mut.options().pictures.insert(grey.clone());
    studio_mut.set_source(source);
    harness.run_steps(2);
    draw(
        &mut harness,
        PointerButton::Primary,
        &[[0.3, 0.3], [0.5, 0.5]],
    );
    let painted = mask(&mut harness, Layer::Mask).unwrap();
    harness.get_by_label("Add a region").click();
    harness.run_steps(4);
    harness
        .get_by_label("words of region 1")
        .type_text("a red car");
    harness.run_steps(2);
    draw(
        &mut harness,
        PointerButton::Primary,
        &[[0.7, 0.7], [0.8, 0.7]],
    );
    let place = mask(&mut harness, Layer::Region(0)).unwrap();
    let recipe = studio(&harness).bench.recipe.clone();
    let path = projects_in(&unsaved).remove(0);
    until(&mut harness, "saved", |_| {
        let opened = ProjectFile::open_to_read(&path).unwrap();
        opened.project.bench.recipe == recipe
    });
    drop(harness);

    // Another machine: nothing but the file.
    let next = tempfile::tempdir().unwrap();
    let named = next.path().join("edit.vernier");
    std::fs::copy(&path, &named).unwrap();
    let mut options = keeping(next.path());
    options.open = Some(named);
    options.engine.pictures = PictureShelf::default();
    let Some(mut harness) = window(SIZE, &options) else {
        return;
    };
    until(&mut harness, "opened", |h| studio(h).bench.recipe == recipe);
    assert_eq!(mask(&mut harness, Layer::Mask).unwrap(), painted);
    assert_eq!(mask(&mut harness, Layer::Region(0)).unwrap(), place);
    let studio = harness.state_mut().studio_mut();
    let source = studio.covered_source().unwrap().unwrap();
    assert_eq!(*source.picture, grey);
}
