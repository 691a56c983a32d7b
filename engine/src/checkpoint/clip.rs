//! A folder with both of CLIP's towers.

use std::path::Path;

use tch::{Device, Kind};

use super::folder::read_config;
use super::{network_config, network_params};
use crate::measure::{ClipPreprocessing, ClipReader};
use crate::models::clip::{ClipConfig, ClipModel};
use crate::prompt::Tokenizer;
use crate::{EngineError, Result};

/// Opens a `CLIPModel` of Python transformers in `folder`, in fp32: configuration, weights,
/// `preprocessor_config.json` where there is one, and the tokenizer from `folder` itself, a
/// folder `tokenizer` in it or one beside it.
///
/// # Errors
/// A file is missing, damaged or does not fit the others.
pub fn open_clip(folder: &Path, device: Device) -> Result<ClipReader> {
    let config: ClipConfig = network_config(folder)?;
    let store = network_params(folder, Kind::Float, device)?;
    let model = ClipModel::new(&store.root(), &config)?;
    store.finish()?;
    store.check_finite()?;
    let path = folder.join("preprocessor_config.json");
    let preprocessing: ClipPreprocessing = if path.is_file() {
        read_config(&path)?
    } else {
        ClipPreprocessing::default()
    };
    preprocessing.check(&path)?;
    let places = [
        folder.to_owned(),
        folder.join("tokenizer"),
        folder.join("../tokenizer"),
    ];
    let has = |place: &&std::path::PathBuf| {
        place.join("vocab.json").is_file() || place.join("tokenizer.json").is_file()
    };
    let Some(tokenizer) = places.iter().find(has) else {
        return Err(EngineError::bad_file(
            folder,
            "has no tokenizer: neither vocab.json nor tokenizer.json lies in it or in a folder \
             tokenizer beside it; fetch the whole model again",
        ));
    };
    ClipReader::new(model, Tokenizer::open(tokenizer)?, &preprocessing)
}
