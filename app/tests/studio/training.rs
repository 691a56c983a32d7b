//! The training room: pictures are edited, a control is trained, paused, gone on with and used.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use egui::accesskit::Role;
use egui::{Key, Modifiers};
use egui_kittest::kittest::Queryable as _;
use egui_kittest::{Harness, SnapshotResults};
use image::{Rgb, RgbImage};
use vernier::studio::command::UiCommand;
use vernier::studio::state::{RunState, Studio, TrainingKind};
use vernier::studio::{StudioApp, StudioOptions};
use vernier_engine::service::ReadWhat;

use super::desk::{choose_theme, options, until, window, write_theme};

const SIZE: [f32; 2] = [1366.0, 768.0];

/// Eight pictures, the lighter the older; one of them has a text beside it, one is none.
fn pictures(folder: &Path) {
    fs::create_dir(folder).unwrap();
    let mut table = "file_name,age,same,caption\n".to_owned();
    for at in 0..8_u8 {
        let image = RgbImage::from_fn(96, 96, |x, y| {
            let near = (x as i32 - 48).pow(2) + (y as i32 - 48).pow(2) < 900;
            if near {
                Rgb([200, 150 + 10 * at, 60])
            } else {
                Rgb([at * 30, at * 25, 90])
            }
        });
        image.save(folder.join(format!("{at}.png"))).unwrap();
        writeln!(
            table,
            "{at}.png, {}0 ,1,\"a cat, sitting\"",
            f64::from(at) / 8.0
        )
        .unwrap();
    }
    fs::write(folder.join("metadata.csv"), table).unwrap();
    fs::write(folder.join("x.png"), "no picture").unwrap();
    fs::write(folder.join("y.jpg"), "").unwrap();
}

fn studio_of(folder: &Path) -> StudioOptions {
    let mut options = options(folder, false);
    options.trainings = Some(folder.join("training"));
    let own = folder.join("controls");
    options.engine.controls = vernier_engine::controls::ControlLibrary::new(vec![own]);
    options
}

fn room(options: &StudioOptions) -> Option<Harness<'static, StudioApp>> {
    let mut harness = window(SIZE, options)?;
    harness.run_steps(2);
    harness.get_by_label("Train").click();
    harness.run_steps(3);
    Some(harness)
}

fn studio<'a>(harness: &'a Harness<'static, StudioApp>) -> &'a Studio {
    harness.state().studio()
}

fn open(harness: &mut Harness<'static, StudioApp>, folder: &Path) {
    harness.get_by_label("Open pictures…").click();
    harness.run_steps(3);
    let title = "Open a folder of pictures, or the CSV file beside them";
    harness
        .get_by_role_and_label(Role::TextInput, title)
        .type_text(&folder.to_string_lossy());
    harness.run_steps(2);
    harness.get_by_label("Open").click();
    harness.run_steps(2);
}

fn write(harness: &mut Harness<'static, StudioApp>, label: &str, text: &str) {
    harness.get_by_label(label).focus();
    harness.run_steps(2);
    harness.key_press_modifiers(Modifiers::COMMAND, Key::A);
    harness.run_steps(2);
    harness.get_by_label(label).type_text(text);
    harness.run_steps(3);
}

#[test]
fn a_caption_and_a_value_are_on_the_disk_and_nothing_else_has_changed() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    pictures(&data);
    let Some(mut harness) = room(&studio_of(folder.path())) else {
        return;
    };
    open(&mut harness, &data);
    until(&mut harness, "opened", |h| {
        studio(h).training.sheet().is_some()
    });
    // Both that are no pictures are named.
    until(&mut harness, "judged", |h| {
        studio(h).training.unreadable().len() == 2
    });
    harness.run_steps(2);
    harness.get_by_label("2 cannot be read").click();
    harness.run_steps(3);
    let said = studio(&harness).training.unreadable().values();
    assert!(said.clone().any(|s| s.contains("x.png")), "{said:?}");
    // A column that cannot be learnt says so in the trainer's words.
    let why = "column \"same\" has the value 1 in every row";
    assert!(
        harness.query_all_by_label_contains(why).next().is_some(),
        "{why}"
    );

    write(&mut harness, "caption of 1.png", "a dog");
    write(&mut harness, "age of 2.png", "0.77");
    // Enter goes to the cell below.
    harness.key_press(Key::Enter);
    harness.run_steps(4);
    assert!(harness.get_by_label("age of 3.png").is_focused());
    harness.get_by_label("Pictures *");
    let before = fs::read_to_string(data.join("metadata.csv")).unwrap();
    harness.get_by_label("save captions and table").click();
    until(&mut harness, "saved", |h| !studio(h).training.is_unsaved());
    let after = fs::read_to_string(data.join("metadata.csv")).unwrap();
    let wanted = before
        .replace(
            "1.png, 0.1250 ,1,\"a cat, sitting\"",
            "1.png, 0.1250 ,1,a dog",
        )
        .replace("2.png, 0.250 ,", "2.png,0.77,");
    assert_eq!(after, wanted);

    // Undo brings the old cell back, and that can be saved too.
    std::thread::sleep(std::time::Duration::from_millis(700));
    harness.run_steps(2);
    harness.state_mut().studio_mut().apply(UiCommand::Undo);
    harness.run_steps(2);
    assert_eq!(
        studio(&harness).training.sheet().unwrap().rows[2].cells[0],
        "0.250"
    );
    assert!(studio(&harness).training.is_unsaved());

    // A column of what the pictures measure.
    let brightness = ReadWhat::Quantity(vernier_engine::measure::Quantity::Brightness);
    harness
        .state_mut()
        .studio_mut()
        .fill_column("brightness", brightness);
    until(&mut harness, "filled", |h| {
        studio(h).training.filling().is_none()
    });
    harness
        .state_mut()
        .studio_mut()
        .fill_column("size", ReadWhat::Attribute("size".to_owned()));
    until(&mut harness, "read by the meter", |h| {
        studio(h).training.filling().is_none()
    });
    let sheet = studio(&harness).training.sheet().unwrap().clone();
    assert_eq!(sheet.columns, ["age", "same", "brightness", "size"]);
    let read = |row: usize, column: usize| sheet.rows[row].cells[column].parse::<f64>().unwrap();
    assert!(read(7, 2) > read(1, 2), "the lighter the brighter");
    assert!((0.0..=1.0).contains(&read(3, 3)));
    let unread = sheet.rows.iter().find(|row| row.file == "x.png").unwrap();
    assert_eq!(unread.cells[2], "");
}

#[test]
fn a_table_that_is_none_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    pictures(&data);
    fs::write(data.join("metadata.csv"), "file_name,age\n0.png,1\n1.png\n").unwrap();
    let Some(mut harness) = room(&studio_of(folder.path())) else {
        return;
    };
    open(&mut harness, &data);
    until(&mut harness, "refused", |h| {
        studio(h).training.not_opened().is_some()
    });
    harness.run_steps(2);
    let why = "metadata.csv: has 1 cells in line 3, but its header names 2 columns";
    assert!(harness.query_all_by_label_contains(why).next().is_some());
}

#[test]
fn a_direction_is_trained_paused_gone_on_with_and_put_on_the_bench() {
    let folder = tempfile::tempdir().unwrap();
    let options = studio_of(folder.path());
    let Some(mut harness) = room(&options) else {
        return;
    };
    harness.get_by_label("Start training").click();
    harness.run_steps(3);
    harness.get_by_label("Give the control a name");
    write(&mut harness, "name", "years");
    write(&mut harness, "less of it, pair 1", "young");
    write(&mut harness, "more of it, pair 1", "old");
    write(&mut harness, "subjects", "man");
    harness.state_mut().studio_mut().training.form.steps = 1_000_000;
    harness.get_by_label("Start training").click();
    harness.run_steps(2);
    until(&mut harness, "losses", |h| {
        studio(h)
            .training
            .shown_run()
            .is_some_and(|run| run.losses.len() >= 2)
    });
    let run = studio(&harness).training.shown_run().unwrap();
    assert!(
        run.plan
            .command()
            .starts_with("vernier train direction years --positive")
    );
    // A second one of that name is refused while this one is there.
    harness.state_mut().studio_mut().start_training();
    let problem = studio(&harness).training.problem.clone().unwrap();
    assert!(problem.contains("runs already"), "{problem}");

    harness.run_steps(2);
    harness.get_by_label("⏸ Pause").click();
    until(&mut harness, "paused", |h| {
        studio(h)
            .training
            .shown_run()
            .is_some_and(|run| run.state == RunState::Paused)
    });
    let (step, points) = {
        let run = studio(&harness).training.shown_run().unwrap();
        (run.step, run.losses.len())
    };
    assert!(step >= 2 && points >= 2);
    drop(harness);

    // Another day it is offered again, with its curve.
    let Some(mut harness) = room(&options) else {
        return;
    };
    until(&mut harness, "offered", |h| {
        studio(h).training.shown_run().is_some()
    });
    let run = studio(&harness).training.shown_run().unwrap();
    assert_eq!(
        (run.state.clone(), run.step, run.losses.len()),
        (RunState::Paused, step, points)
    );
    harness.run_steps(2);
    harness.get_by_label("years").click();
    harness.run_steps(3);
    harness.get_by_label("▶ Resume").click();
    until(&mut harness, "gone on", |h| {
        studio(h)
            .training
            .shown_run()
            .is_some_and(|run| run.step > step && run.state == RunState::Running)
    });
    // Closing the window pauses it.
    let after = {
        eframe::App::on_exit(harness.state_mut());
        let run = studio(&harness).training.shown_run().unwrap();
        assert_eq!(run.state, RunState::Paused);
        run.step
    };
    assert!(after > step);

    // Stopped for good, it is gone from the disk.
    harness.state_mut().studio_mut().stop_training(0);
    harness.run_steps(2);
    let work = folder.path().join("training/years");
    until(&mut harness, "deleted", |_| !work.exists());

    // A short one reaches its end, and its control is in the rack.
    {
        let form = &mut harness.state_mut().studio_mut().training.form;
        form.name = "years".to_owned();
        form.pairs = vec![["young".to_owned(), "old".to_owned()]];
        form.subjects = "man".to_owned();
        form.steps = 3;
    }
    harness.state_mut().studio_mut().start_training();
    until(&mut harness, "done", |h| {
        studio(h)
            .training
            .shown_run()
            .is_some_and(|run| matches!(run.state, RunState::Done(_)))
    });
    assert!(folder.path().join("controls/years.safetensors").is_file());
    harness.state_mut().studio_mut().bench.recipe.prompt = "a man on a beach".to_owned();
    until(&mut harness, "among the controls", |h| {
        studio(h)
            .controls()
            .iter()
            .any(|control| control.info.name == "years")
    });
    harness.get_by_label("Put it on the bench").click();
    until(&mut harness, "on the bench", |h| {
        let controls = &studio(h).bench.recipe.controls;
        controls
            .iter()
            .any(|control| control.to_string().starts_with("years@man"))
    });
    harness.run_steps(2);
    harness.get_by_label("prompt");
}

#[test]
fn a_value_is_trained_from_a_folder_and_a_failure_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    pictures(&data);
    let Some(mut harness) = room(&studio_of(folder.path())) else {
        return;
    };
    harness.state_mut().studio_mut().training.open(&data);
    until(&mut harness, "opened", |h| {
        studio(h).training.sheet().is_some()
    });
    {
        let form = &mut harness.state_mut().studio_mut().training.form;
        form.choose(TrainingKind::Value);
        form.name = "light".to_owned();
        form.steps = 2;
        form.batch = 2;
        form.workers = 1;
    }
    harness.run_steps(3);
    harness.get_by_label("learn column age").click();
    harness.run_steps(3);
    harness.key_press_modifiers(Modifiers::COMMAND | Modifiers::SHIFT, Key::Enter);
    until(&mut harness, "done", |h| {
        studio(h)
            .training
            .shown_run()
            .is_some_and(|run| matches!(run.state, RunState::Done(_)))
    });
    let run = studio(&harness).training.shown_run().unwrap();
    let command = run.plan.command();
    assert!(command.contains("--columns age"), "{command}");
    let named = run.log.iter().filter(|line| line.starts_with("left out"));
    assert_eq!(
        named.count(),
        0,
        "the table does not name what is no picture"
    );

    // A column that never changes cannot be learnt, and that is said.
    {
        let form = &mut harness.state_mut().studio_mut().training.form;
        form.name = "same".to_owned();
        form.columns = ["same".to_owned()].into();
    }
    harness.state_mut().studio_mut().start_training();
    until(&mut harness, "failed", |h| {
        studio(h)
            .training
            .shown_run()
            .is_some_and(|run| matches!(run.state, RunState::Failed(_)))
    });
    harness.run_steps(3);
    let why = "has the value 1 in every row";
    assert!(harness.query_all_by_label_contains(why).next().is_some());
    harness.get_by_label("No state was kept; it begins with the first step again.");
}

#[test]
fn the_room_looks_as_it_did() {
    let mut results = SnapshotResults::new();
    for theme in ["dark", "light"] {
        // A path that is the same everywhere is not to be had: the line with it is cut off.
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        pictures(&data);
        let options = studio_of(folder.path());
        write_theme(&options, theme);
        let Some(mut harness) = room(&options) else {
            return;
        };
        harness
            .state_mut()
            .studio_mut()
            .training
            .form
            .choose(TrainingKind::AttAdapter);
        choose_theme(&harness, theme);
        harness.run_steps(4);
        harness.remove_cursor();
        harness.run_steps(2);
        results.add(harness.try_snapshot(format!("train_1366x768_{theme}")));
    }
}
