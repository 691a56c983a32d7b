//! Contact sheets of the world, to look at: random scenes, and sweeps of every continuous
//! attribute in seven steps (rows are attributes) alone and in pairs.
//!
//! `sheet FOLDER [COUNT] [SEED]` writes `random.png`, `sweep-*.png`, `sweep-pair-*.png`
//! and `classes.png` there and prints pictures per second.

use std::path::Path;
use std::time::Instant;

use image::{ImageBuffer, Rgb, RgbImage};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use vernier_world::{Background, Continuous, Discrete, Kind, SIZE, SampleOptions, Scene, Subject};

fn paste(sheet: &mut RgbImage, scene: &Scene, column: usize, row: usize) {
    let picture = scene.render();
    for (i, p) in picture.rgb.chunks_exact(3).enumerate() {
        let x = column * (SIZE + 2) + i % SIZE;
        let y = row * (SIZE + 2) + i / SIZE;
        sheet.put_pixel(x as u32, y as u32, Rgb([p[0], p[1], p[2]]));
    }
}

fn sheet(rows: &[Vec<Scene>], file: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(1);
    let side = SIZE + 2;
    let mut sheet: RgbImage = ImageBuffer::new((columns * side) as u32, (rows.len() * side) as u32);
    for (y, row) in rows.iter().enumerate() {
        for (x, scene) in row.iter().enumerate() {
            paste(&mut sheet, scene, x, y);
        }
    }
    sheet.save(file)?;
    Ok(())
}

/// A scene with nothing extreme, for sweeps.
fn calm(kinds: &[Kind], seed: u64) -> Scene {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut scene = Scene::sample(&mut rng, &SampleOptions::default());
    scene.background = Background::Plain;
    scene.plain_color = 4;
    scene.picture.brightness = 0.5;
    scene.picture.warmth = 0.5;
    scene.picture.detail = 0.25;
    scene.picture.realism = 0.7;
    scene.subjects = kinds
        .iter()
        .map(|&kind| {
            let mut s = Subject::sample(&mut rng, kind);
            s.age = 0.3;
            s.smile = 0.6;
            s.eye_openness = 0.6;
            s.hair_length = 0.4;
            s.face_width = 0.5;
            s.car_width = 0.5;
            s.car_age = 0.2;
            s.size = 0.6;
            s.hat = 0;
            s.glasses = 0;
            s.beard = 0;
            s
        })
        .collect();
    scene
}

fn sweeps(pair: bool) -> Vec<Vec<Scene>> {
    let mut rows = Vec::new();
    let mut row = |kind: Kind, attribute: Continuous| {
        let kinds = if pair { vec![kind, kind] } else { vec![kind] };
        let mut scene = calm(&kinds, 5 + attribute as u64 * 7 + kind as u64);
        if attribute.is_picture_level() {
            scene.background = Background::Beach;
        }
        let place = (!attribute.is_picture_level()).then_some(0);
        rows.push(
            (0..7)
                .map(|k| {
                    let mut s = scene.clone();
                    s.set_continuous(place, attribute, k as f32 / 6.0);
                    s
                })
                .collect(),
        );
    };
    for kind in [Kind::Man, Kind::Woman, Kind::Boy, Kind::Girl] {
        row(kind, Continuous::Age);
    }
    for kind in [Kind::Man, Kind::Girl, Kind::Cat, Kind::Dog, Kind::Robot] {
        row(kind, Continuous::Smile);
        row(kind, Continuous::EyeOpenness);
    }
    for kind in [Kind::Man, Kind::Woman, Kind::Boy] {
        row(kind, Continuous::HairLength);
        row(kind, Continuous::FaceWidth);
    }
    for attribute in [Continuous::CarWidth, Continuous::CarAge, Continuous::Size] {
        row(Kind::Car, attribute);
    }
    for kind in [Kind::House, Kind::Cup, Kind::Apple] {
        row(kind, Continuous::Size);
    }
    for attribute in Continuous::ALL {
        if attribute.is_picture_level() {
            row(Kind::Woman, attribute);
        }
    }
    rows
}

fn classes() -> Vec<Vec<Scene>> {
    let shows = [
        (Kind::Woman, Discrete::HairColor),
        (Kind::Man, Discrete::SkinTone),
        (Kind::Girl, Discrete::ClothesColor),
        (Kind::Cat, Discrete::FurColor),
        (Kind::Dog, Discrete::FurColor),
        (Kind::Robot, Discrete::PaintColor),
        (Kind::Man, Discrete::Hat),
        (Kind::House, Discrete::Material),
        (Kind::Cup, Discrete::Material),
        (Kind::Apple, Discrete::Material),
        (Kind::Dog, Discrete::Background),
        (Kind::Cup, Discrete::PlainColor),
    ];
    let mut rows: Vec<Vec<Scene>> = shows
        .into_iter()
        .map(|(kind, attribute)| {
            let scene = calm(&[kind], 3 + attribute as u64);
            let place = (!attribute.is_picture_level()).then_some(0);
            (0..attribute.classes().len())
                .map(|class| {
                    let mut s = scene.clone();
                    s.set_discrete(place, attribute, class);
                    s
                })
                .collect()
        })
        .collect();
    // Kinds with glasses, and a beard.
    rows.push(
        (0..6)
            .map(|class| {
                let mut s = calm(&[Kind::ALL[class]], 40 + class as u64);
                s.set_discrete(Some(0), Discrete::Glasses, 1);
                s.set_discrete(Some(0), Discrete::Beard, 1);
                s
            })
            .collect(),
    );
    rows
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let folder = args.next().ok_or("sheet FOLDER [COUNT] [SEED]")?;
    let count: usize = args.next().map_or(Ok(64), |n| n.parse())?;
    let seed: u64 = args.next().map_or(Ok(1), |n| n.parse())?;
    let folder = Path::new(&folder);
    std::fs::create_dir_all(folder)?;
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let scenes: Vec<Scene> = (0..count)
        .map(|_| Scene::sample(&mut rng, &SampleOptions::default()))
        .collect();
    let start = Instant::now();
    let mut bytes = 0;
    for scene in scenes.iter().cycle().take(1000) {
        bytes += scene.render().rgb.len();
    }
    let rate = 1000.0 / start.elapsed().as_secs_f64();
    println!("{rate:.0} pictures/s ({bytes} bytes)");
    let rows: Vec<Vec<Scene>> = scenes.chunks(8).map(<[_]>::to_vec).collect();
    sheet(&rows, &folder.join("random.png"))?;
    for (name, pair) in [("sweep", false), ("sweep-pair", true)] {
        for (k, rows) in sweeps(pair).chunks(10).enumerate() {
            sheet(rows, &folder.join(format!("{name}-{k}.png")))?;
        }
    }
    sheet(&classes(), &folder.join("classes.png"))?;
    Ok(())
}
