//! What a hand on a slider feels: measured in a process of its own, which no other test disturbs.

#![allow(
    clippy::unwrap_used,
    reason = "test support: clippy only knows test functions"
)]

#[path = "studio/desk.rs"]
#[allow(dead_code, reason = "other tests need the rest")]
mod desk;

use std::sync::Mutex;
use std::time::{Duration, Instant};

use egui_kittest::kittest::Queryable as _;
use vernier::studio::gpu::Pixels;
use vernier::studio::state::Layer;
use vernier_engine::picture::Mask;

use desk::{options, until, until_shown, window};

const SIZE: [f32; 2] = [1280.0, 800.0];

/// One after the other, so that times and memory are each test's own.
static ALONE: Mutex<()> = Mutex::new(());

/// Memory that this process holds, where the system tells.
fn resident_mib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib / 1024)
}

#[test]
fn sixty_moves_a_second_leave_no_backlog() {
    let _alone = ALONE.lock().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let Some(mut harness) = window(SIZE, &options(folder.path(), true)) else {
        return;
    };
    until_shown(&mut harness);
    let started = Instant::now();
    let mut moves = 0_u32;
    let mut warm_mib = None;
    while started.elapsed() < Duration::from_secs(8) {
        moves += 1;
        let guidance = 1.0 + f64::from(moves % 100) / 20.0;
        harness.state_mut().studio_mut().bench.recipe.guidance_scale = guidance;
        harness.step();
        assert!(harness.state().studio().queue().pending().len() == 0);
        std::thread::sleep(Duration::from_millis(10));
        if started.elapsed() > Duration::from_secs(3) {
            warm_mib = warm_mib.or_else(resident_mib);
        }
    }
    if let (Some(warm), Some(now)) = (warm_mib, resident_mib()) {
        println!("{warm} MiB after 3 s, {now} MiB after 8 s");
        assert!(now < warm + 64, "{warm} MiB after 3 s, {now} MiB after 8 s");
    }
    assert!(moves > 60, "{moves} moves in 8 s");
    let last = harness.state().studio().bench.recipe.clone();
    let stopped = Instant::now();
    until_shown(&mut harness);
    println!(
        "{moves} moves; the last was shown after {:?}",
        stopped.elapsed()
    );
    assert_eq!(harness.state().studio().bench.recipe, last);
    assert!(harness.state().studio().queue().running().is_none());
}

#[test]
fn a_move_is_answered_by_a_quick_look() {
    let _alone = ALONE.lock().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let Some(mut harness) = window(SIZE, &options(folder.path(), true)) else {
        return;
    };
    until_shown(&mut harness);
    let mut answers = Vec::new();
    for step in 1..=7 {
        let before = harness.state().studio().shown_picture().unwrap().0;
        harness.state_mut().studio_mut().bench.recipe.guidance_scale = 2.0 + f64::from(step) / 10.0;
        let moved = Instant::now();
        until(&mut harness, "answered", |h| {
            match h.state().studio().shown_pixels() {
                Some((Pixels::Picture(shown), _)) => shown.rgb != before.rgb,
                Some((Pixels::Latents(_), _)) | None => false,
            }
        });
        answers.push(moved.elapsed());
        until_shown(&mut harness);
    }
    answers.sort();
    println!("a move was answered after {:?} (median of 7)", answers[3]);
    assert!(answers[3] < Duration::from_secs(2), "{answers:?}");
}

#[test]
fn a_stroke_on_a_large_mask_keeps_up_with_the_screen() {
    let _alone = ALONE.lock().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let Some(mut harness) = window(SIZE, &options(folder.path(), false)) else {
        return;
    };
    harness.run_steps(2);
    let studio = harness.state_mut().studio_mut();
    (studio.bench.recipe.width_px, studio.bench.recipe.height_px) = (1024, 1024);
    let grey = Mask::filled(1024, 1024, 128).to_picture();
    let grey = studio.options().pictures.insert(grey);
    studio.set_source(grey);
    studio.edit.brush_radius_px = 48.0;
    harness.get_by_label("Edit workspace").click();
    harness.run_steps(3);
    let canvas = harness.get_by_label_contains("edit canvas").rect();
    let place = |step: u32| canvas.center() + egui::vec2(step as f32 * 4.0 - 120.0, 20.0);
    harness.hover_at(place(0));
    harness.step();
    let mut frames = Vec::new();
    harness.drag_at(place(0));
    for step in 1..=60 {
        let started = Instant::now();
        harness.step();
        frames.push(started.elapsed());
        harness.hover_at(place(step));
    }
    assert!(harness.state().studio().edit.stroke().is_some());
    let first = frames[0];
    harness.drop_at(place(60));
    let started = Instant::now();
    harness.step();
    let ending = started.elapsed();
    frames.sort();
    let median = frames[30];
    println!(
        "first frame {first:?}, median {median:?}, longest {:?}, ending the stroke {ending:?}",
        frames[59]
    );
    // The longest is the machine's, not ours.
    assert!(median < Duration::from_millis(16), "{median:?}");
    let studio = harness.state_mut().studio_mut();
    assert!(studio.shown_mask(Layer::Mask).is_some());
}
