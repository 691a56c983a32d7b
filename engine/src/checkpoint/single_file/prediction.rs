//! What the U-Net of a single file predicts; the weights do not say.

use std::path::Path;

use serde_json::{Map, Value};

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
    /// Whether it is more than a guess.
    pub(super) is_sure: bool,
}

impl Prediction {
    /// `scheduler` is the configuration that a file of this program carries.
    pub(super) fn of(
        stored: &Stored,
        family: Family,
        inpainting: bool,
        scheduler: Option<&Map<String, Value>>,
        path: &Path,
    ) -> Self {
        let found = |velocity: bool, why| Self {
            name: if velocity { "v_prediction" } else { "epsilon" },
            zero_terminal_snr: stored.has("ztsnr"),
            why,
            is_sure: true,
        };
        if let Some(scheduler) = scheduler {
            let name = scheduler.get("prediction_type").and_then(Value::as_str);
            let velocity = name == Some("v_prediction");
            return found(velocity, "as in the folder that it was made from");
        }
        if stored.has("v_pred") {
            return found(true, "its tensor v_pred says so");
        }
        let said = stored.metadata("modelspec.prediction_type");
        if let Some(said) = said.filter(|said| said.starts_with('v') || said.starts_with("eps")) {
            return found(said.starts_with('v'), "its metadata says so");
        }
        if let Some(velocity) = yaml_says(path) {
            return found(velocity, "the .yaml file beside it says so");
        }
        if family != Family::Sd2 || inpainting {
            return found(false, "usual for its family");
        }
        if stored.global_step() == Some(SD2_BASE_STEP) {
            return found(false, "the step at which it was saved says so");
        }
        Self {
            is_sure: false,
            ..found(true, "a guess; say otherwise with --prediction")
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
