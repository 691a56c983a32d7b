//! To a single file.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Map, Value};
use tch::{Device, Kind, Tensor};

use super::super::folder::{ModelFolder, read_config};
use super::super::single_file::{
    CLIP_1, CLIP_XL, FOLDER_FILES, OPEN_CLIP_2, OPEN_CLIP_XL, clip_table, open_clip_table,
    tokenizer_beside, unet_table, vae_table,
};
use super::folder::{copy_tokenizer, is_clips_own, small_files};
use super::parts::Part;
use super::{Conversion, SingleFile, kind_of, spec_name, written_kind};
use crate::layers::Activation;
use crate::models::clip::ClipTextConfig;
use crate::weights::{NameTable, Take, TensorFile, TensorToSave, save_each};
use crate::{EngineError, Result};

/// A tensor of the single file, and what it is made of.
struct Source<'a> {
    part: &'a Part,
    /// Our names; three where they are put together.
    ours: Vec<String>,
    take: Take,
}

/// Writes the model folder `from` as the single file `to`.
pub(super) fn from_folder(from: &Path, to: &Path, kind: Option<Kind>) -> Result<Conversion> {
    let folder = ModelFolder::open(from)?;
    let parts = Part::all(&folder)?;
    let mut sources: BTreeMap<String, Source<'_>> = BTreeMap::new();
    let mut strangers = Vec::new();
    let mut notes = Vec::new();
    for part in &parts {
        let Some(table) = table(&folder, &part.component)? else {
            notes.push(format!(
                "{} has no place in a single file and is left out",
                part.component
            ));
            continue;
        };
        for ours in part.names() {
            let Some((theirs, take)) = table.theirs(ours) else {
                strangers.push(format!("{}/{ours}", part.component));
                continue;
            };
            let source = sources.entry(theirs).or_insert_with(|| Source {
                part,
                ours: Vec::new(),
                take,
            });
            source.ours.push(ours.to_owned());
        }
    }
    if !strangers.is_empty() {
        return Err(EngineError::Weights {
            path: from.to_owned(),
            missing: Vec::new(),
            unexpected: strangers,
            shapes: Vec::new(),
        });
    }
    let scheduler: Map<String, Value> = read_config(&folder.scheduler_config_path()?)?;
    let said = scheduler.get("prediction_type").and_then(Value::as_str);
    let prediction = said.unwrap_or("epsilon");
    let files = small_files(&folder)?;
    let metadata = [
        ("format", "pt".to_owned()),
        (FOLDER_FILES, serde_json::json!(files).to_string()),
        (
            "modelspec.prediction_type",
            spec_name(prediction).to_owned(),
        ),
    ];
    let mut headers = Vec::new();
    for (name, source) in &mut sources {
        // The parts in the order in which they lie.
        source
            .ours
            .sort_by_key(|ours| third(&folder, source.part, ours));
        headers.push(header(name, source, kind)?);
    }
    // What other programs know velocities by.
    let is_xl = folder.has_component("text_encoder_2");
    let markers = [
        ("v_pred", is_xl && prediction == "v_prediction"),
        (
            "ztsnr",
            scheduler.get("rescale_betas_zero_snr") == Some(&true.into()),
        ),
    ];
    for (name, _) in markers.iter().filter(|(_, is_set)| *is_set) {
        headers.push(TensorToSave {
            name: (*name).to_owned(),
            kind: Kind::Float,
            shape: vec![0],
        });
    }
    save_each(to, &headers, &metadata, |to_save| {
        match sources.get(&to_save.name) {
            Some(source) => stored(source, to_save.kind),
            None => Ok(Tensor::f_zeros(
                [0_i64].as_slice(),
                (to_save.kind, Device::Cpu),
            )?),
        }
    })?;
    for name in ["tokenizer", "tokenizer_2"] {
        let own = folder.path().join(name);
        if own.is_dir() && !is_clips_own(&own)? {
            let beside = tokenizer_beside(to, name);
            copy_tokenizer(&own, &beside)?;
            notes.push(format!(
                "the model does not read CLIP's own vocabulary: keep the folder {} beside the file",
                beside.display()
            ));
        }
    }
    Ok(Conversion {
        what: "single file",
        tensors: headers.len(),
        notes,
    })
}

/// The names of a component in single files; `None` for one that they do not hold.
fn table(folder: &ModelFolder, component: &str) -> Result<Option<NameTable>> {
    let path = folder.path().join(component).join("config.json");
    let is_xl = folder.has_component("text_encoder_2");
    let text = || -> Result<ClipTextConfig> { folder.component_config(component) };
    Ok(Some(match component {
        "unet" => unet_table(&folder.component_config(component)?, &path)?,
        "vae" => vae_table(&folder.component_config(component)?),
        "text_encoder_2" => open_clip_table(OPEN_CLIP_XL, text()?.num_hidden_layers, true),
        "text_encoder" if is_xl => clip_table(&format!("{CLIP_XL}text_model.")),
        "text_encoder" if text()?.hidden_act == Activation::Gelu => {
            open_clip_table(OPEN_CLIP_2, text()?.num_hidden_layers, false)
        }
        "text_encoder" => clip_table(&format!("{CLIP_1}text_model.")),
        _ => return Ok(None),
    }))
}

/// Which of three parts our `ours` is.
fn third(folder: &ModelFolder, part: &Part, ours: &str) -> i64 {
    let table = table(folder, &part.component).ok().flatten();
    match table.and_then(|table| table.theirs(ours)) {
        Some((_, Take::Third(index))) => index,
        _ => 0,
    }
}

fn header(name: &str, source: &Source<'_>, wanted: Option<Kind>) -> Result<TensorToSave> {
    let (mut shape, kind) = source.part.header(&source.ours[0])?;
    match source.take {
        Take::Third(_) => {
            if source.ours.len() != 3 {
                return Err(EngineError::Weights {
                    path: source.part.path().to_owned(),
                    missing: vec![format!("a query, key or value beside {}", source.ours[0])],
                    unexpected: Vec::new(),
                    shapes: Vec::new(),
                });
            }
            if let Some(rows) = shape.first_mut() {
                *rows *= 3;
            }
        }
        Take::Squeezed if shape.len() == 2 => shape.extend([1, 1]),
        Take::Transposed => shape.reverse(),
        Take::Squeezed | Take::Whole => {}
    }
    Ok(TensorToSave {
        name: name.to_owned(),
        kind: written_kind(kind, wanted),
        shape,
    })
}

fn stored(source: &Source<'_>, kind: Kind) -> Result<Tensor> {
    let read = |ours: &String| source.part.tensor(ours, kind);
    let own = source.ours.iter().map(read).collect::<Result<Vec<_>>>()?;
    match own.as_slice() {
        [only] => source.take.undo(only.shallow_clone()),
        several => Ok(Tensor::f_cat(several, 0)?),
    }
}

/// Writes the tensors of the file `from` to `to`, under their own names.
pub(super) fn from_file(from: &Path, to: &Path, kind: Option<Kind>) -> Result<Conversion> {
    const OUTER: &str = "state_dict.";
    let file = TensorFile::open(from)?;
    let model = SingleFile::open(from).ok();
    let mut notes = Vec::new();
    let mut headers = Vec::new();
    let mut stored = BTreeMap::new();
    // A model's weights lie under this name in what trainers save; beside them lies their own state.
    let wrapped = model.is_some() && file.headers().iter().any(|h| h.name.starts_with(OUTER));
    let mut left_out = 0;
    for header in file.headers() {
        let name = match (wrapped, header.name.strip_prefix(OUTER)) {
            (true, Some(name)) => name,
            (true, None) => {
                left_out += 1;
                continue;
            }
            (false, _) => header.name,
        };
        headers.push(TensorToSave {
            name: name.to_owned(),
            kind: written_kind(kind_of(&file, header.name)?, kind),
            shape: header.shape.to_vec(),
        });
        stored.insert(name.to_owned(), header.name.to_owned());
    }
    if headers.is_empty() {
        let problem = "holds no tensor, so there is nothing to convert";
        return Err(EngineError::bad_file(from, problem));
    }
    if left_out > 0 {
        notes.push(format!(
            "{left_out} tensors of the trainer's own state are left out"
        ));
    }
    let mut metadata = BTreeMap::from([("format", "pt".to_owned())]);
    if let TensorFile::Safetensors(file) = &file {
        metadata.extend(file.metadata().iter().map(|(k, v)| (k.as_str(), v.clone())));
    }
    metadata.extend(model.as_ref().and_then(SingleFile::prediction_note));
    let metadata: Vec<(&str, String)> = metadata.into_iter().collect();
    save_each(to, &headers, &metadata, |to_save| {
        let name = stored.get(&to_save.name).unwrap_or(&to_save.name);
        file.require(name, to_save.kind, Device::Cpu)
    })?;
    if let Some(model) = &model {
        for part in model.texts() {
            let name = part.component.replace("text_encoder", "tokenizer");
            let own = tokenizer_beside(from, &name);
            if own.is_dir() {
                copy_tokenizer(&own, &tokenizer_beside(to, &name))?;
            }
        }
    }
    Ok(Conversion {
        what: "single file",
        tensors: headers.len(),
        notes,
    })
}
