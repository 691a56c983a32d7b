//! Whole trainings from folders of pictures, on the tiny model.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use image::{Rgb, RgbImage};

use super::*;
use crate::EngineError;
use crate::checkpoint::tiny;
use crate::controls::{Architecture, AttAdapter, ControlFile, ValueEncoder};
use crate::device::{DeviceRequest, Dtype};
use crate::measure::Quantity;
use crate::recipe::ModelRef;
use crate::train::att_adapter::CvaeWeights;
use crate::train::folder::{ImageFolder, TableColumns};

struct Place {
    folder: tempfile::TempDir,
    news: Vec<String>,
}

impl Place {
    /// A tiny model and ten pictures, the lighter the older.
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        tiny::write_model(&root.join("model"), 2).unwrap();
        fs::create_dir(root.join("data")).unwrap();
        let mut table = "file_name,caption,age,same\n".to_owned();
        for at in 0..10_u8 {
            let light = at * 25;
            let image = RgbImage::from_fn(64, 64, |x, _| Rgb([light, light, (x % 40) as u8]));
            image.save(root.join(format!("data/{at}.png"))).unwrap();
            let age = if at == 3 {
                String::new()
            } else {
                at.to_string()
            };
            writeln!(table, "{at}.png,a cat,{age},1").unwrap();
        }
        fs::write(root.join("t.csv"), table).unwrap();
        Self {
            folder,
            news: Vec::new(),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn request(&self, name: &str) -> PictureRequest {
        let model = self.path("model");
        PictureRequest {
            name: name.to_owned(),
            about: String::new(),
            command: "vernier train".to_owned(),
            model: ModelRef::at(&model),
            model_folder: model,
            // Any towers will do: their space need not be the model's.
            clip: Some(Path::new(env!("CARGO_MANIFEST_DIR")).join("../assets/miniature/clip")),
            out: self.path(&format!("{name}.safetensors")),
            batch: 2,
            seed: 3,
            device: DeviceRequest::Cpu,
            dtype: Dtype::F32,
        }
    }

    fn schedule(&self, steps: u64) -> Schedule {
        Schedule {
            steps,
            workers: Some(2),
            learning_rate: 1e-3,
            decay: 0.5,
            betas: (0.9, 0.99),
            weight_decay: 0.0,
            work: self.path("work"),
            strip_every: None,
            report_every: std::time::Duration::from_secs(15),
        }
    }

    fn table(&self, columns: &[&str]) -> ImageFolder {
        let columns = TableColumns {
            attributes: columns.iter().map(|&c| c.to_owned()).collect(),
            ..TableColumns::default()
        };
        ImageFolder::table(&self.path("data"), &self.path("t.csv"), &columns).unwrap()
    }

    fn adapter(
        &mut self,
        architecture: Architecture,
        steps: u64,
        stop: bool,
    ) -> crate::Result<TrainingEnd> {
        let options = AttAdapterOptions {
            architecture,
            tokens: 2,
            latent_dim: 4,
            hidden_dim: 8,
            cvae: CvaeWeights {
                kl: 0.01,
                reconstruction: 0.1,
            },
        };
        let folder = self.table(&["age"]);
        let (request, schedule) = (self.request("look"), self.schedule(steps));
        let stop = Arc::new(AtomicBool::new(stop));
        let news = &mut self.news;
        train_att_adapter(&request, &options, &folder, &schedule, stop, &mut |told| {
            if let TrainingNews::Note(text) = told {
                news.push(text);
            }
        })
    }
}

#[test]
fn an_adapter_of_every_architecture_is_made_and_can_be_read() {
    for architecture in Architecture::ALL {
        let mut place = Place::new();
        let end = place.adapter(architecture, 3, false).unwrap();
        assert!(matches!(end, TrainingEnd::Done(_)));
        let file = ControlFile::open(&place.path("look.safetensors")).unwrap();
        assert_eq!(file.info.attributes, ["age"]);
        assert_eq!(file.info.settings["training"]["steps"], 3);
        let adapter = AttAdapter::read(&file).unwrap();
        assert_eq!(adapter.architecture(), architecture);
        assert_eq!(
            (adapter.ranges()[0].low, adapter.ranges()[0].high),
            (0.0, 9.0)
        );
        let gap = "age is not known of 1 of 10";
        assert!(
            place.news.iter().any(|n| n.starts_with(gap)),
            "{:?}",
            place.news
        );
    }
}

#[test]
fn a_stopped_training_goes_on_and_others_are_not_mixed_with_it() {
    let mut place = Place::new();
    let done = place.adapter(Architecture::Mlp, 4, false);
    assert!(matches!(done, Ok(TrainingEnd::Done(_))));
    let bytes = fs::read(place.path("look.safetensors")).unwrap();
    // Nothing is left to do: the same file comes out.
    place.adapter(Architecture::Mlp, 4, false).unwrap();
    assert_eq!(fs::read(place.path("look.safetensors")).unwrap(), bytes);
    let said = place.adapter(Architecture::Cvae, 4, false).unwrap_err();
    assert!(
        said.is_usage() && said.to_string().contains("architecture"),
        "{said}"
    );

    let mut other = Place::new();
    let stopped = other.adapter(Architecture::Mlp, 4, true);
    assert!(matches!(stopped, Err(EngineError::Cancelled)));
    assert!(!other.path("look.safetensors").exists());
    other.adapter(Architecture::Mlp, 4, false).unwrap();
    assert_eq!(fs::read(other.path("look.safetensors")).unwrap(), bytes);
}

#[test]
fn a_value_encoder_is_made_with_the_ranks_of_its_pictures() {
    let place = Place::new();
    let options = ValueOptions {
        quantities: vec![NamedQuantity {
            name: "brightness".to_owned(),
            quantity: Quantity::Brightness,
        }],
        tokens: None,
    };
    let folder = ImageFolder::list(&place.path("data")).unwrap();
    let (request, schedule) = (place.request("light"), place.schedule(3));
    let train = |options: &ValueOptions, folder: &ImageFolder| {
        let stop = Arc::new(AtomicBool::new(false));
        train_value(&request, options, folder, &schedule, stop, &mut |_| ())
    };
    train(&options, &folder).unwrap();
    let file = ControlFile::open(&request.out).unwrap();
    let encoder = ValueEncoder::read(&file).unwrap();
    let ranks = encoder.ranks("brightness").unwrap();
    // The darkest picture is as bright as its blue stripes.
    assert!(
        ranks.raw_of_value(0.0) < 0.1 && (ranks.raw_of_value(1.0) - 225.0 / 255.0).abs() < 1e-9
    );
    assert!(ranks.value_of_raw(0.5) > 0.3 && ranks.value_of_raw(0.5) < 0.7);

    // One picture alone has no ranks, and one name cannot be two quantities.
    let said = train(&options, &folder.choose(&[4]))
        .unwrap_err()
        .to_string();
    assert!(said.contains("\"brightness\": measures the same"), "{said}");
    let twice = ValueOptions {
        quantities: [&options.quantities[0]; 2].map(Clone::clone).to_vec(),
        tokens: Some(2),
    };
    assert!(train(&twice, &folder).is_err());
}

#[test]
fn data_that_cannot_be_used_starts_no_training() {
    let place = Place::new();
    let options = AttAdapterOptions {
        architecture: Architecture::Mlp,
        tokens: 2,
        latent_dim: 4,
        hidden_dim: 8,
        cvae: CvaeWeights {
            kl: 0.0,
            reconstruction: 0.0,
        },
    };
    let said = |columns: &[&str]| {
        let folder = place.table(columns);
        let (request, schedule) = (place.request("look"), place.schedule(3));
        let stop = Arc::new(AtomicBool::new(false));
        train_att_adapter(&request, &options, &folder, &schedule, stop, &mut |_| ())
            .unwrap_err()
            .to_string()
    };
    assert!(said(&["age", "same"]).contains("\"same\" has the value 1 in every row"));
    assert!(said(&[]).contains("at least one column"));
    // The only two pictures with different values cannot be read: what is left is constant.
    let table = "file_name,age\n0.png,1\n1.png,1\nmissing.png,2\n";
    fs::write(place.path("t.csv"), table).unwrap();
    assert!(said(&["age"]).contains("\"age\" has the value 1 in every row"));
    assert!(!place.path("work/state.safetensors").exists());
    assert!(!place.path("look.safetensors").exists());
}
