//! What the U-Net of a single file predicts; the weights do not say.

use std::path::Path;

use super::family::Family;
use super::stored::Stored;

/// The step after which the weights of Stable Diffusion 2's base model, which predicts noise, were
/// published.
const SD2_BASE_STEP: i64 = 875_000;

/// A prediction type, and why it is thought to be that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Prediction {
    /// As scheduler_config.json calls it.
    pub(super) name: &'static str,
    /// Whether the noise schedule ends at pure noise (arXiv 2305.08891).
    pub(super) zero_terminal_snr: bool,
    pub(super) why: &'static str,
}

impl Prediction {
    pub(super) fn of(stored: &Stored, family: Family, inpainting: bool, path: &Path) -> Self {
        let found = |name, why| Self {
            name,
            zero_terminal_snr: stored.has("ztsnr"),
            why,
        };
        let said = stored.metadata("modelspec.prediction_type");
        if stored.has("v_pred") {
            found("v_prediction", "its tensor v_pred says so")
        } else if said.is_some_and(|said| said.starts_with('v')) {
            found("v_prediction", "its metadata says so")
        } else if said.is_some_and(|said| said.starts_with("eps")) {
            found("epsilon", "its metadata says so")
        } else if let Some(velocity) = yaml_says(path) {
            let name = if velocity { "v_prediction" } else { "epsilon" };
            found(name, "the .yaml file beside it says so")
        } else if family != Family::Sd2 {
            found("epsilon", "usual for its family")
        } else if inpainting || stored.global_step() == Some(SD2_BASE_STEP) {
            found("epsilon", "usual for this model of its family")
        } else {
            found("v_prediction", "a guess; say otherwise with --prediction")
        }
    }
}

/// Whether a configuration of the original code, beside the file under its name, asks for
/// velocities; `None` where there is none.
fn yaml_says(path: &Path) -> Option<bool> {
    let text = std::fs::read_to_string(path.with_extension("yaml")).ok()?;
    let value = |line: &str| {
        let value = line.trim().strip_prefix("parameterization:")?;
        Some(value.trim().trim_matches(['"', '\'']) == "v")
    };
    Some(text.lines().find_map(value).unwrap_or(false))
}
