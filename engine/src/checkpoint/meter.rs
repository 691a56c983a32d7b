//! Which meter reads a model's pictures.

use std::path::{Path, PathBuf};

use tch::Device;

use super::{network_config, open_clip};
use crate::measure::{
    AttributeCache, AttributeMeter, ClipAttribute, ClipMeter, Meter, MeterConfig, SubjectLayout,
};
use crate::{EngineError, Result};

/// Folder of the meter that comes with a model, beside its components.
const METER: &str = "meter";

/// What the artist says about the meter.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct MeterOptions {
    /// A folder with both of CLIP's towers, which reads in place of the model's own meter.
    pub clip: Option<PathBuf>,
    /// Attributes that CLIP shall read by the artist's own texts, before the usual ones.
    pub attributes: Vec<ClipAttribute>,
    /// A cache of the model's own pictures that steadies CLIP; its file is there.
    pub cache: Option<PathBuf>,
}

impl MeterOptions {
    /// Everything that CLIP is to read: the artist's attributes, and the usual ones that they do
    /// not take the place of.
    pub fn clip_attributes(&self) -> Vec<ClipAttribute> {
        let own = |name: &str| self.attributes.iter().any(|a| a.name == name);
        let usual = ClipAttribute::usual().into_iter();
        let others = usual.filter(|usual| !own(&usual.name));
        self.attributes.iter().cloned().chain(others).collect()
    }
}

/// The meter for the model in `model`: CLIP where `options` name its towers, else the one in the
/// model's folder `meter`.
///
/// # Errors
/// There is neither, or a file is damaged or does not fit the others.
pub fn open_meter(model: &Path, options: &MeterOptions, device: Device) -> Result<Box<dyn Meter>> {
    let own = model.join(METER);
    let Some(clip) = &options.clip else {
        if own.is_dir() {
            return Ok(Box::new(AttributeMeter::open(&own, device)?));
        }
        return Err(EngineError::request(
            "meter",
            format!(
                "{} has no folder \"{METER}\" with a meter for its pictures; name a folder with \
                 both of CLIP's towers with --clip",
                model.display()
            ),
        ));
    };
    // The places of subjects are the model's, whoever looks at them.
    let layout = if own.join("config.json").is_file() {
        let config: MeterConfig = network_config(&own)?;
        Some(SubjectLayout::of(&config))
    } else {
        None
    };
    let cache = options
        .cache
        .as_ref()
        .map(|path| AttributeCache::open(path, device))
        .transpose()?;
    let reader = open_clip(clip, device)?;
    let attributes = options.clip_attributes();
    let meter = ClipMeter::new(reader, attributes, layout, cache.as_ref())?;
    Ok(Box::new(meter))
}
