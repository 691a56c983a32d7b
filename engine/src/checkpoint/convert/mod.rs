//! From one layout of models to the other, and from PyTorch's files to safetensors.

mod folder;
mod parts;
mod to_file;
mod to_folder;

use std::path::{Path, PathBuf};

use tch::Kind;

use super::{Checkpoint, SingleFile};
use crate::device::Dtype;
use crate::weights::TensorFile;
use crate::{EngineError, Result};

/// What a conversion wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conversion {
    /// What was written, for people, such as `single file`.
    pub what: &'static str,
    /// Tensors in it.
    pub tensors: usize,
    /// What the artist should know, a sentence each.
    pub notes: Vec<String>,
}

/// Writes what `from` holds to `to`, which must not be there yet: a single file where its name ends
/// with `.safetensors`, else a folder in the layout of Python diffusers. Numbers that are not of
/// `dtype` are rounded to it; without one they stay what they are, to the last bit.
///
/// A model changes its layout as `to` asks. A file of tensors that is no model becomes safetensors
/// under its own names.
///
/// # Errors
/// `to` is there, or has another ending; `from` is damaged, or holds no model where a folder is
/// asked for; or the disk is full. Nothing half-written stays behind.
pub fn convert(from: &Path, to: &Path, dtype: Option<Dtype>) -> Result<Conversion> {
    let _guard = tch::no_grad_guard();
    if to.exists() {
        let problem = "is already there; choose another name, nothing is overwritten";
        return Err(EngineError::bad_file(to, problem));
    }
    let kind = dtype.map(Dtype::kind);
    let ending = to.extension().map(|e| e.to_string_lossy().to_lowercase());
    match ending.as_deref() {
        Some("safetensors") if from.is_dir() => to_file::from_folder(from, to, kind),
        Some("safetensors") => to_file::from_file(from, to, kind),
        Some("ckpt" | "pt" | "pth" | "bin") => Err(EngineError::request(
            "TO",
            format!(
                "{}: PyTorch's files can run code and are not written; end the name with \
                 .safetensors, or name a folder",
                to.display()
            ),
        )),
        _ => match Checkpoint::open(from)? {
            Checkpoint::Folder(folder) => folder::copy(&folder, to, kind),
            Checkpoint::File(file) => to_folder::from_file(&file, to, kind),
        },
    }
}

/// The dtype that numbers stored as `stored` are written in.
fn written_kind(stored: Kind, wanted: Option<Kind>) -> Kind {
    let is_float = matches!(
        stored,
        Kind::Float | Kind::Half | Kind::BFloat16 | Kind::Double
    );
    wanted.filter(|_| is_float).unwrap_or(stored)
}

/// The dtype of the tensor `name`, which can be read.
fn kind_of(file: &TensorFile, name: &str) -> Result<Kind> {
    file.kind(name).ok_or_else(|| {
        let problem = format!(
            "tensor {name} is stored in a dtype that cannot be read; export the file in F32, F16 \
             or BF16"
        );
        EngineError::bad_file(file.path(), problem)
    })
}

/// Writes a folder as a whole: `fill` gets the path of a new one, which then takes the place `to`.
fn whole_folder<T>(to: &Path, fill: impl FnOnce(&Path) -> Result<T>) -> Result<T> {
    let above = to.parent().filter(|p| !p.as_os_str().is_empty());
    let above = above.unwrap_or(Path::new("."));
    let io = |path: &Path| {
        let path = path.to_owned();
        move |e| EngineError::io(path, e)
    };
    std::fs::create_dir_all(above).map_err(io(above))?;
    let made = tempfile::Builder::new()
        .prefix(".vernier-")
        .suffix(".tmp")
        .tempdir_in(above)
        .map_err(io(above))?;
    let inner: PathBuf = made.path().join("model");
    std::fs::create_dir(&inner).map_err(io(&inner))?;
    let result = fill(&inner)?;
    std::fs::rename(&inner, to).map_err(io(to))?;
    Ok(result)
}

/// What a prediction type is called in the headers of single files.
fn spec_name(prediction: &str) -> &'static str {
    match prediction {
        "v_prediction" => "v",
        _ => "epsilon",
    }
}

impl SingleFile {
    /// What files that are made from this one should say about its prediction.
    fn prediction_note(&self) -> Option<(&'static str, String)> {
        let name = spec_name(self.sure_prediction()?);
        Some(("modelspec.prediction_type", name.to_owned()))
    }
}
