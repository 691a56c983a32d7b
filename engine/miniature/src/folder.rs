//! Pictures of the world as a folder of PNG files with a table of their exact attribute values, as
//! anybody's own pictures would lie on disk.

use std::fs;
use std::path::Path;

use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageEncoder as _};
use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;
use vernier_engine::atomic::{self, Existing};
use vernier_engine::picture::Picture;
use vernier_engine::render::Flow;
use vernier_engine::{EngineError, Result};
use vernier_world::{Attribute, CaptionOptions, SampleOptions, Scene, Value};

use crate::pool::draw;

/// Seeds from here on belong to folders; neither the pool nor evaluations draw them.
const FOLDERS: u64 = 1 << 41;
/// The table's name, which other programs look for too.
pub const TABLE: &str = "metadata.csv";
/// What stands before the attributes of a second subject.
const SECOND: &str = "second_";

/// What a folder shows.
#[derive(Debug, Clone)]
pub struct FolderOptions {
    /// Pictures.
    pub count: u64,
    /// The first picture's number in the endless row of scenes.
    pub first: u64,
    /// How scenes are drawn.
    pub sample: SampleOptions,
    /// How they are worded.
    pub captions: CaptionOptions,
}

/// The scene and caption of picture `number`.
fn scene(number: u64, options: &FolderOptions) -> (Scene, String) {
    let mut rng = ChaCha8Rng::seed_from_u64(FOLDERS + number);
    let scene = Scene::sample(&mut rng, &options.sample);
    let caption = vernier_world::caption(&scene, &mut rng, &options.captions);
    (scene, caption.text)
}

/// Writes `NNNNNN.png` for every picture into `folder`, which is made where it is not there, and at
/// the end the table: file, caption, the picture's attributes, the first subject's and, where there
/// may be two, the second's. Numbers are exact, classes are their names, and what does not apply is
/// empty.
///
/// # Errors
/// The folder holds a model or another table, cannot be written, or `progress`, which hears how many
/// pictures are done, cancelled.
pub fn export(
    folder: &Path,
    options: &FolderOptions,
    mut progress: impl FnMut(u64) -> Flow,
) -> Result<()> {
    let table = folder.join(TABLE);
    for taken in [folder.join("model_index.json"), table.clone()] {
        if taken.exists() {
            let problem = "is there already; name a new folder with --out";
            return Err(EngineError::bad_file(taken, problem));
        }
    }
    fs::create_dir_all(folder).map_err(|e| EngineError::io(folder, e))?;
    let places = places(options);
    let mut rows = csv::Writer::from_writer(Vec::new());
    let bad = |e: csv::Error| EngineError::bad_file(&table, format!("cannot be written ({e})"));
    let header = ["file_name", "caption"].map(str::to_owned);
    let names = places.iter().map(|place| place.name.clone());
    rows.write_record(header.into_iter().chain(names))
        .map_err(bad)?;
    for number in 0..options.count {
        let (scene, caption) = scene(options.first + number, options);
        let name = format!("{number:06}.png");
        write_png(&folder.join(&name), &draw(&scene))?;
        let values = places.iter().map(|place| place.cell(&scene));
        let row = [name, caption].into_iter().chain(values);
        rows.write_record(row).map_err(bad)?;
        if progress(number + 1) == Flow::Cancel {
            return Err(EngineError::Cancelled);
        }
    }
    let text = rows
        .into_inner()
        .map_err(|e| EngineError::io(&table, e.into_error()))?;
    atomic::write(&table, Existing::Keep, |file| {
        std::io::Write::write_all(file, &text).map_err(|e| EngineError::io(&table, e))
    })?;
    Ok(())
}

/// A column of the table.
struct Place {
    name: String,
    subject: Option<usize>,
    attribute: Attribute,
}

impl Place {
    fn cell(&self, scene: &Scene) -> String {
        match (scene.value(self.subject, self.attribute), self.attribute) {
            (None, _) => String::new(),
            (Some(Value::Continuous(value)), _) => value.to_string(),
            (Some(Value::Discrete(class)), Attribute::Discrete(a)) => a.classes()[class].to_owned(),
            (Some(Value::Discrete(class)), Attribute::Continuous(_)) => class.to_string(),
        }
    }
}

fn places(options: &FolderOptions) -> Vec<Place> {
    let of = |subject: Option<usize>, before: &'static str| {
        Attribute::all()
            .filter(move |a| a.is_picture_level() == subject.is_none())
            .map(move |attribute| Place {
                name: format!("{before}{}", attribute.name()),
                subject,
                attribute,
            })
    };
    let second = (options.sample.two_subjects > 0.0).then(|| of(Some(1), SECOND));
    of(None, "")
        .chain(of(Some(0), ""))
        .chain(second.into_iter().flatten())
        .collect()
}

pub(crate) fn write_png(path: &Path, picture: &Picture) -> Result<()> {
    atomic::write(path, Existing::Replace, |file| {
        PngEncoder::new(file)
            .write_image(
                &picture.rgb,
                picture.width_px,
                picture.height_px,
                ExtendedColorType::Rgb8,
            )
            .map_err(|e| EngineError::bad_file(path, format!("cannot be written ({e})")))
    })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use vernier_engine::train::folder::{ImageFolder, TableColumns, read_picture};
    use vernier_world::{Continuous, Discrete, Kind};

    use super::*;

    fn options(two_subjects: f64) -> FolderOptions {
        FolderOptions {
            count: 5,
            first: 3,
            sample: SampleOptions {
                two_subjects,
                kinds: vec![Kind::Man, Kind::Car],
                ..SampleOptions::default()
            },
            captions: CaptionOptions {
                omit: vec![Attribute::Continuous(Continuous::Age)],
                ..CaptionOptions::default()
            },
        }
    }

    fn exported(options: &FolderOptions) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        export(folder.path(), options, |_| Flow::Continue).unwrap();
        folder
    }

    #[test]
    fn a_folder_is_read_as_anybodys_own_and_tells_the_truth() {
        let options = options(1.0);
        let folder = exported(&options);
        let columns = TableColumns {
            attributes: ["age", "second_age", "brightness"]
                .map(str::to_owned)
                .to_vec(),
            ..TableColumns::default()
        };
        let table = folder.path().join(TABLE);
        let read = ImageFolder::table(folder.path(), &table, &columns).unwrap();
        assert_eq!(read.rows.len(), 5);
        for (number, row) in (0..).zip(&read.rows) {
            let (scene, caption) = scene(3 + number, &options);
            assert_eq!(row.caption, caption);
            let age = |subject| scene.continuous(Some(subject), Continuous::Age);
            let brightness = scene.continuous(None, Continuous::Brightness);
            let want = [age(0), age(1), brightness];
            let near = row
                .values
                .iter()
                .zip(want)
                .all(|(got, want)| got.map(|g| g as f32) == want);
            assert!(near, "{:?} {want:?}", row.values);
            let picture = read_picture(&row.path, (128, 128)).unwrap();
            assert_eq!(picture.rgb, draw(&scene).rgb);
        }
    }

    #[test]
    fn classes_are_names_and_one_subject_has_no_second_columns() {
        let folder = exported(&options(0.0));
        let text = fs::read_to_string(folder.path().join(TABLE)).unwrap();
        let header = text.lines().next().unwrap();
        assert!(header.starts_with("file_name,caption,brightness,"));
        assert!(!header.contains(SECOND));
        let kinds = header.split(',').position(|c| c == Discrete::Kind.name());
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        for row in reader.records() {
            let row = row.unwrap();
            assert!(["man", "car"].contains(&&row[kinds.unwrap()]));
        }
    }

    #[test]
    fn other_folders_are_left_alone() {
        let options = options(0.0);
        let folder = exported(&options);
        let said = export(folder.path(), &options, |_| Flow::Continue)
            .unwrap_err()
            .to_string();
        assert!(said.contains(TABLE) && said.contains("--out"), "{said}");
        let model = tempfile::tempdir().unwrap();
        fs::write(model.path().join("model_index.json"), "{}").unwrap();
        assert!(export(model.path(), &options, |_| Flow::Continue).is_err());
        assert_eq!(fs::read_dir(model.path()).unwrap().count(), 1);
    }
}
