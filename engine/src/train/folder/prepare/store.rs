//! Prepared pictures in a file, so that another training finds them.

use std::path::Path;

use serde_json::json;
use tch::{Device, Kind, Tensor};

use super::PreparedPictures;
use crate::Result;
use crate::weights::{SafetensorsFile, save};

/// Names in the stored file.
const FINGERPRINT: &str = "fingerprint";
const NOTES: &str = "notes";
const LATENTS: &str = "latents";
const FEATURES: &str = "features";
const MEASURES: &str = "measures";
const KEPT: &str = "kept";

pub(super) fn write(path: &Path, fingerprint: &str, prepared: &PreparedPictures) -> Result<()> {
    let kept: Vec<i64> = prepared.kept.iter().map(|&at| at as i64).collect();
    let mut tensors = vec![
        (LATENTS.to_owned(), prepared.latents.shallow_clone()),
        (KEPT.to_owned(), Tensor::f_from_slice(&kept)?),
        (
            MEASURES.to_owned(),
            Tensor::f_from_slice(&prepared.measures.concat())?,
        ),
    ];
    if let Some(features) = &prepared.features {
        tensors.push((FEATURES.to_owned(), features.shallow_clone()));
    }
    let metadata = [
        (FINGERPRINT, fingerprint.to_owned()),
        (NOTES, json!(prepared.notes).to_string()),
    ];
    save(path, &tensors, &metadata)
}

/// What [`write`] wrote under the same fingerprint, if anything.
pub(super) fn stored(path: &Path, fingerprint: &str) -> Result<Option<PreparedPictures>> {
    if !path.is_file() {
        return Ok(None);
    }
    // A file of an older version, or one cut short by a crash, is made again.
    let Ok(file) = SafetensorsFile::open(path) else {
        return Ok(None);
    };
    if file
        .metadata()
        .get(FINGERPRINT)
        .is_none_or(|f| f != fingerprint)
    {
        return Ok(None);
    }
    let read = |name: &str, kind| file.tensor(name, kind, Device::Cpu);
    let (Some(latents), Some(kept), Some(measures)) = (
        read(LATENTS, Kind::Half)?,
        read(KEPT, Kind::Int64)?,
        read(MEASURES, Kind::Double)?,
    ) else {
        return Ok(None);
    };
    let kept: Vec<i64> = Vec::try_from(kept)?;
    let measures: Vec<f64> = Vec::try_from(measures)?;
    let notes = file.metadata().get(NOTES);
    Ok(Some(PreparedPictures {
        latents,
        features: read(FEATURES, Kind::Float)?,
        measures: measures
            .chunks(kept.len().max(1))
            .map(<[f64]>::to_vec)
            .collect(),
        kept: kept.into_iter().map(|at| at as usize).collect(),
        notes: notes
            .and_then(|n| serde_json::from_str(n).ok())
            .unwrap_or_default(),
    }))
}
