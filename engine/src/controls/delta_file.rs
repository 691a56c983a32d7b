//! Attribute directions in the files of their first authors (arXiv 2403.17064).
//!
//! Such a file holds one vector per text encoder, which is added to the embeddings of a subject's
//! tokens.

use std::path::Path;

use tch::{Device, Kind, Tensor};

use crate::weights::TensorFile;
use crate::{EngineError, Result};

/// What every tensor's name begins with.
pub(super) const PREFIX: &str = "delta.tokenwise_delta.";

/// Name of OpenAI's CLIP ViT-L in these files: the text encoder of Stable Diffusion 1.x, 768 wide.
pub const CLIP_L: &str = "oai_clip_vit_l";

/// Name of OpenCLIP's ViT-bigG in these files: the second text encoder of SDXL, 1280 wide.
pub const CLIP_G: &str = "openclip_g";

/// Reads the directions of `path` by the names of their text encoders: `[dim]`, in f32, on the CPU.
///
/// # Errors
/// The file cannot be read, holds anything else, or a direction is empty, not a vector or not
/// finite.
pub fn read_delta(path: &Path) -> Result<Vec<(String, Tensor)>> {
    let file = TensorFile::open(path)?;
    let bad = |problem: String| EngineError::bad_file(path, problem);
    let mut directions = Vec::new();
    for header in file.headers() {
        let Some(encoder) = header.name.strip_prefix(PREFIX) else {
            return Err(bad(format!(
                "has the tensor {}, which no attribute direction has; their names begin with \
                 {PREFIX}",
                header.name
            )));
        };
        if !matches!(header.shape, [dim] if *dim > 0) {
            return Err(bad(format!(
                "has a direction for {encoder} of shape {:?}, where one vector is needed",
                header.shape
            )));
        }
        let direction = file.require(header.name, Kind::Float, Device::Cpu)?;
        if !f64::try_from(direction.f_sum(Kind::Double)?)?.is_finite() {
            return Err(bad(format!(
                "has a direction for {encoder} with NaN or infinite values; train or fetch it again"
            )));
        }
        directions.push((encoder.to_owned(), direction));
    }
    if directions.is_empty() {
        return Err(bad(format!(
            "holds no attribute direction; their names begin with {PREFIX}"
        )));
    }
    Ok(directions)
}
