//! Bringing in attribute directions, Concept Sliders and other LoRAs, and controls of somebody
//! else's.

use std::path::{Path, PathBuf};

use tch::{Device, Kind, Tensor};

use crate::checkpoint::Checkpoint;
use crate::controls::delta_file::{self, CLIP_G, CLIP_L};
use crate::controls::tensor_kind::TensorKind;
use crate::controls::{
    ControlFile, ControlInfo, ControlKind, Direction, MadeFor, Slider, SliderLayer, slider_file,
};
use crate::models::unet::{UNet, UNetConfig};
use crate::recipe::ModelRef;
use crate::weights::TensorFile;
use crate::{EngineError, Result};

/// Nouns that the published directions' file names begin with, and the subjects that they stand
/// for.
const PUBLISHED_SUBJECTS: [(&str, &[&str]); 7] = [
    ("person", &["person", "man", "woman"]),
    ("bed", &["bed"]),
    ("bike", &["bike"]),
    ("car", &["car"]),
    ("chair", &["chair"]),
    ("table", &["table"]),
    ("truck", &["truck"]),
];

/// A file to bring in.
#[derive(Debug, Clone)]
pub struct ImportRequest {
    /// The file.
    pub file: PathBuf,
    /// The control's name; `None` for the file's.
    pub name: Option<String>,
    /// What it moves; `None` for what the file or its name says.
    pub attribute: Option<String>,
    /// Nouns of the subjects that it is for; empty for what the file or its name says.
    pub subjects: Vec<String>,
    /// One sentence for people; empty for the file's own.
    pub about: String,
    /// Fraction of the steps, 0..1, that pass before it begins; `None` for what suits its kind.
    pub start: Option<f64>,
    /// α of every branch of a slider, instead of the file's own.
    pub alpha: Option<f64>,
    /// The command that asks for it.
    pub command: String,
    /// The model that a slider is for.
    pub model: ModelRef,
    /// That model's folder.
    pub model_folder: PathBuf,
    /// Folder of the control's file.
    pub folder: PathBuf,
}

/// A control that was brought in.
#[derive(Debug, Clone)]
pub struct Imported {
    /// Its file.
    pub path: PathBuf,
    /// What it says about itself.
    pub info: ControlInfo,
    /// What the artist should know, a sentence each.
    pub notes: Vec<String>,
}

/// Tensors of a control by name.
type Named = Vec<(String, Tensor)>;

/// Reads the file of `request` and writes a control; none that is there is overwritten.
///
/// # Errors
/// The file is no control, direction or LoRA, a LoRA does not fit the model, there is a control of
/// that name already, or the folder cannot be written.
pub fn import_control(request: &ImportRequest) -> Result<Imported> {
    let stem = request.file.file_stem().unwrap_or_default();
    let stem = stem.to_string_lossy().into_owned();
    let mut notes = Vec::new();
    let (mut info, tensors) = match own_control(&request.file) {
        Some(file) => (file.info.clone(), file.tensors()?),
        None => foreign(request, &stem, &mut notes)?,
    };
    if let Some(name) = &request.name {
        info.name.clone_from(name);
    }
    if let Some(attribute) = &request.attribute {
        info.attributes = vec![attribute.clone()];
    }
    if !request.subjects.is_empty() {
        info.subjects.clone_from(&request.subjects);
    }
    if !request.about.is_empty() {
        info.about.clone_from(&request.about);
    }
    if let Some(start) = request.start {
        info.start = start;
    }
    let path = request.folder.join(format!("{}.safetensors", info.name));
    if path.exists() {
        return Err(EngineError::request(
            "name",
            format!(
                "{} is there already; bring this one in under another name with --name",
                path.display()
            ),
        ));
    }
    std::fs::create_dir_all(&request.folder).map_err(|e| EngineError::io(&request.folder, e))?;
    ControlFile::save(&path, &info, &tensors)?;
    Ok(Imported { path, info, notes })
}

/// The file as a control of this program's, where it is one.
fn own_control(path: &Path) -> Option<ControlFile> {
    let is_safetensors = path.extension().is_some_and(|e| e == "safetensors");
    is_safetensors
        .then(|| ControlFile::open(path).ok())
        .flatten()
}

/// A control from another program's file.
fn foreign(
    request: &ImportRequest,
    stem: &str,
    notes: &mut Vec<String>,
) -> Result<(ControlInfo, Named)> {
    let path = &request.file;
    let kind = TensorKind::of(&TensorFile::open(path)?)?;
    let (kind, tensors, model, start) = match kind {
        Some(TensorKind::Delta { .. }) => {
            let (direction, model) = direction(path)?;
            (ControlKind::Direction, direction.named(), model, 0.2)
        }
        Some(TensorKind::Lora { .. }) => {
            let (slider, model) = slider(request, notes)?;
            (ControlKind::Slider, slider.named()?, model, 0.25)
        }
        _ => {
            return Err(EngineError::bad_file(
                path,
                "is neither a control, nor an attribute direction, nor a LoRA for a U-Net",
            ));
        }
    };
    let (attribute, subjects) = published_meaning(stem);
    let mut info = ControlInfo::new(stem, kind, vec![attribute.to_owned()]);
    info.subjects = subjects.iter().map(|&noun| noun.to_owned()).collect();
    info.model = model;
    info.start = start;
    "imported".clone_into(&mut info.method);
    info.command.clone_from(&request.command);
    Ok((info, tensors))
}

/// The attribute and the subjects that a published file's name tells, such as `car_age`.
fn published_meaning(stem: &str) -> (&str, &'static [&'static str]) {
    let told = stem.split_once('_').and_then(|(noun, attribute)| {
        let known = PUBLISHED_SUBJECTS.iter().find(|(name, _)| *name == noun)?;
        Some((attribute, known.1))
    });
    told.unwrap_or((stem, &[]))
}

/// A direction in the order of the model's text encoders, and the model that it was made for.
fn direction(path: &Path) -> Result<(Direction, MadeFor)> {
    let mut vectors = delta_file::read_delta(path)?;
    let mut take = |name: &str| {
        let at = vectors.iter().position(|(encoder, _)| encoder == name)?;
        Some(vectors.remove(at).1)
    };
    let (first, second) = (take(CLIP_L), take(CLIP_G));
    if let Some((other, _)) = vectors.first() {
        return Err(EngineError::bad_file(
            path,
            format!("has a direction for the text encoder {other}, which no known model has"),
        ));
    }
    let Some(first) = first else {
        return Err(EngineError::bad_file(
            path,
            format!("has no direction for {CLIP_L}, the text encoder that all known models have"),
        ));
    };
    // Two text encoders: Stable Diffusion XL. Models with the first alone take that vector.
    let name = if second.is_some() {
        "Stable Diffusion XL"
    } else {
        "Stable Diffusion 1.x"
    };
    let model = MadeFor {
        name: name.to_owned(),
        hash: String::new(),
    };
    let vectors = [Some(first), second].into_iter().flatten();
    Ok((Direction::new(vectors.collect()), model))
}

/// A LoRA for the U-Net of the request's model.
fn slider(request: &ImportRequest, notes: &mut Vec<String>) -> Result<(Slider, MadeFor)> {
    let _guard = tch::no_grad_guard();
    let folder = Checkpoint::open(&request.model_folder)?;
    let config: UNetConfig = folder.component_config("unet")?;
    // Its layers' names and shapes are all that is needed of it.
    let store = folder.component_params("unet", Kind::BFloat16, Device::Cpu)?;
    let unet = UNet::new(&store.root(), &config)?;
    let read = slider_file::Slider::read(
        &request.file,
        &unet,
        request.alpha,
        Kind::Float,
        Device::Cpu,
    )?;
    if !read.unused.is_empty() {
        notes.push(format!(
            "{} tensors have no place in this U-Net and are left out, such as {}",
            read.unused.len(),
            read.unused.first().map_or("", String::as_str)
        ));
    }
    let layers = read.layers.into_iter().map(|layer| SliderLayer {
        scale: layer.scale(),
        path: layer.path,
        down: layer.down,
        up: layer.up,
    });
    let model = MadeFor {
        name: request.model.name.clone(),
        hash: folder.hash()?,
    };
    Ok((Slider::new(layers.collect()), model))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use tch::{Device, Kind, Tensor};

    use super::{ImportRequest, import_control, published_meaning};
    use crate::checkpoint::tiny::write_model;
    use crate::control_exchange::{ExportFormat, export_control};
    use crate::controls::{ControlFile, ControlInfo, ControlKind, Direction, Slider, SliderLayer};
    use crate::recipe::ModelRef;
    use crate::weights::save;

    fn request(folder: &Path, file: &str) -> ImportRequest {
        let model = folder.join("model");
        if !model.exists() {
            write_model(&model, 1).unwrap();
        }
        ImportRequest {
            file: folder.join(file),
            name: None,
            attribute: None,
            subjects: Vec::new(),
            about: String::new(),
            start: None,
            alpha: None,
            command: "vernier control import".to_owned(),
            model: ModelRef::at(&model),
            model_folder: model,
            folder: folder.join("controls"),
        }
    }

    fn random(shape: &[i64]) -> Tensor {
        Tensor::rand(shape, (Kind::Float, Device::Cpu))
    }

    #[test]
    fn a_files_name_tells_what_a_published_direction_is_for() {
        assert_eq!(published_meaning("car_age"), ("age", &["car"][..]));
        assert_eq!(published_meaning("person_long_hair").0, "long_hair");
        assert_eq!(published_meaning("my_age"), ("my_age", &[][..]));
    }

    #[test]
    fn a_direction_keeps_its_vectors_in_the_order_of_the_encoders() {
        let folder = tempfile::tempdir().unwrap();
        let (l, g) = (random(&[5]), random(&[7]));
        let name = |encoder: &str| format!("delta.tokenwise_delta.{encoder}");
        let tensors = [
            (name("openclip_g"), g.shallow_clone()),
            (name("oai_clip_vit_l"), l.shallow_clone()),
        ];
        save(&folder.path().join("person_age.safetensors"), &tensors, &[]).unwrap();
        let imported = import_control(&request(folder.path(), "person_age.safetensors")).unwrap();
        let file = ControlFile::open(&imported.path).unwrap();
        let deltas = Direction::read(&file).unwrap();
        assert_eq!((&deltas.deltas()[0], &deltas.deltas()[1]), (&l, &g));
        assert_eq!(file.info.name, "person_age");
        assert_eq!(
            (file.info.attributes[0].as_str(), file.info.start),
            ("age", 0.2)
        );
        assert_eq!(file.info.subjects, ["person", "man", "woman"]);
        // Once more is refused, under another name it is not.
        let mut again = request(folder.path(), "person_age.safetensors");
        assert!(import_control(&again).unwrap_err().is_usage());
        again.name = Some("old".to_owned());
        again.attribute = Some("years".to_owned());
        let info = import_control(&again).unwrap().info;
        assert_eq!(
            (info.name.as_str(), info.attributes[0].as_str()),
            ("old", "years")
        );
    }

    #[test]
    fn a_slider_goes_out_as_a_lora_and_comes_back_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path();
        let back = request(place, "lora.safetensors");
        let slider = Slider::new(vec![
            SliderLayer {
                path: "mid_block.resnets.0.conv1".to_owned(),
                down: random(&[2, 32, 3, 3]),
                up: random(&[32, 2, 1, 1]),
                scale: 0.25,
            },
            SliderLayer {
                path: "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q".to_owned(),
                down: random(&[2, 16]),
                up: random(&[16, 2]),
                scale: 0.25,
            },
        ]);
        let info = ControlInfo::new("fur", ControlKind::Slider, vec!["fur".to_owned()]);
        let path = place.join("fur.safetensors");
        ControlFile::save(&path, &info, &slider.named().unwrap()).unwrap();
        let control = ControlFile::open(&path).unwrap();
        let lora = place.join("lora.safetensors");
        export_control(&control, ExportFormat::Lora, &lora).unwrap();
        // A LoRA of another program's is no control.
        assert!(ControlFile::open(&lora).is_err());
        let imported = import_control(&back).unwrap();
        assert!(imported.notes.is_empty(), "{:?}", imported.notes);
        let read = Slider::read(&ControlFile::open(&imported.path).unwrap()).unwrap();
        assert_eq!(read.layers().len(), 2);
        for layer in slider.layers() {
            let found = read.layers().iter().find(|l| l.path == layer.path).unwrap();
            assert_eq!((&found.down, &found.up), (&layer.down, &layer.up));
            assert!((found.scale - layer.scale).abs() < 1e-9);
        }
        let refused = export_control(&control, ExportFormat::Control, &lora).unwrap_err();
        assert!(
            refused.to_string().contains("is there already"),
            "{refused}"
        );
    }

    #[test]
    fn what_is_no_control_of_any_kind_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        save(
            &folder.path().join("x.safetensors"),
            &[("weight".to_owned(), random(&[2]))],
            &[],
        )
        .unwrap();
        let error = import_control(&request(folder.path(), "x.safetensors")).unwrap_err();
        assert!(
            error.to_string().contains("is neither a control"),
            "{error}"
        );
    }
}
