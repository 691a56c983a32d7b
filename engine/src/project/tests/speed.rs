//! How long it takes with many pictures.

use std::time::Instant;

use super::*;

#[test]
fn five_hundred_results_are_opened_and_one_more_is_saved_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("p.vernier");
    let mut project = Project::new("many", sample());
    let mut file = ProjectFile::create(&path, &project).unwrap();
    let mut pictures = Vec::new();
    for seed in 0..500 {
        let (name, mut png) = add_result(&mut project, seed);
        // No picture is decoded, so that any bytes do.
        png.resize(30_000, seed as u8);
        pictures.push((name, png));
    }
    file.save(&project, &pictures).unwrap();
    drop(file);

    let started = Instant::now();
    let opened = ProjectFile::open(&path).unwrap();
    let opening = started.elapsed().as_secs_f64();
    assert_eq!(opened.project.results.len(), 500);

    let (mut file, mut project) = (opened.file, opened.project);
    let before = file.size_and_dead_bytes().0;
    let (name, mut png) = add_result(&mut project, 500);
    png.resize(30_000, 1);
    let started = Instant::now();
    file.save(&project, &[(name, png)]).unwrap();
    let saving = started.elapsed().as_secs_f64();
    let grown = file.size_and_dead_bytes().0 - before;
    println!(
        "500 results: opened in {opening:.4} s, one more saved in {saving:.4} s, {grown} bytes"
    );
    // Far above what it takes: this must not fail on a busy machine.
    assert!(opening < 1.0 && saving < 1.5, "{opening} s, {saving} s");
    assert!(grown < 200_000, "{grown}");
}
