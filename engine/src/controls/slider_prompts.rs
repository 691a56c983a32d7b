//! Prompts that a Concept Slider is trained from, in the files of its authors (arXiv 2311.12092).

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::yaml;
use crate::{EngineError, Result};

/// Which way a slider moves the target from neutral.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SliderAction {
    /// Towards positive and away from unconditional.
    Enhance,
    /// The other way.
    Erase,
}

impl SliderAction {
    /// The sign before the guidance scale: ε(neutral) ± `guidance_scale` · (ε(positive) −
    /// ε(unconditional)).
    pub fn sign(self) -> f64 {
        match self {
            Self::Enhance => 1.0,
            Self::Erase => -1.0,
        }
    }
}

/// One entry: the slider's prediction for `target` is trained to be the frozen model's
/// ε(neutral) ± `guidance_scale` · (ε(positive) − ε(unconditional)).
#[derive(Debug, Clone, PartialEq)]
pub struct SliderPrompt {
    /// The prompt that the slider is trained under.
    pub target: String,
    /// The prompt with more of the attribute.
    pub positive: String,
    /// The opposite of `positive`.
    pub unconditional: String,
    /// Where the move starts.
    pub neutral: String,
    /// Which way the slider moves.
    pub action: SliderAction,
    /// How far the slider moves at strength 1.
    pub guidance_scale: f64,
    /// Side of the training pictures in pixels.
    pub resolution: u32,
    /// Whether the side is drawn anew for each step.
    pub dynamic_resolution: bool,
    /// Pictures in a step.
    pub batch_size: u32,
    /// Whether SDXL's crop corner is drawn anew for each step.
    pub dynamic_crops: bool,
    /// LoRA rank, where the entry asks for one; the authors' program takes it from elsewhere.
    pub rank: Option<u32>,
}

/// What a file of slider prompts says.
#[derive(Debug, Clone, PartialEq)]
pub struct SliderPrompts {
    /// The entries, at least one.
    pub prompts: Vec<SliderPrompt>,
    /// What the authors' program would have read otherwise, one sentence each.
    pub warnings: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    target: String,
    positive: Option<String>,
    unconditional: Option<String>,
    neutral: Option<String>,
    action: Option<SliderAction>,
    guidance_scale: Option<f64>,
    guidance: Option<f64>,
    resolution: Option<u32>,
    dynamic_resolution: Option<bool>,
    batch_size: Option<u32>,
    dynamic_crops: Option<bool>,
    rank: Option<u32>,
}

impl SliderPrompts {
    /// Reads a YAML file, a list of entries with the defaults of the authors' program for absent
    /// fields.
    ///
    /// # Errors
    /// The file cannot be read, is empty, has an unknown field or lacks `target`, or a number
    /// cannot be used.
    pub fn read(path: &Path) -> Result<Self> {
        let entries: Vec<Entry> = yaml::read(path)?;
        if entries.is_empty() {
            return Err(EngineError::bad_file(
                path,
                "holds no prompts; write at least one entry with a target",
            ));
        }
        let misspelt = entries.iter().filter(|e| e.guidance.is_some()).count();
        let warnings = (misspelt > 0).then(|| {
            format!(
                "{}: {misspelt} of {} entries say \"guidance\", which the authors' program \
                 ignores (it trains with 1); it is read as \"guidance_scale\" here",
                path.display(),
                entries.len()
            )
        });
        let prompts = entries
            .into_iter()
            .enumerate()
            .map(|(i, entry)| prompt(path, i, entry))
            .collect::<Result<_>>()?;
        Ok(Self {
            prompts,
            warnings: warnings.into_iter().collect(),
        })
    }
}

fn prompt(path: &Path, index: usize, entry: Entry) -> Result<SliderPrompt> {
    let bad = |field: &str, problem: &str| {
        EngineError::bad_config(path, format!("[{index}].{field}"), problem)
    };
    let guidance_scale = match (entry.guidance_scale, entry.guidance) {
        (Some(_), Some(_)) => {
            return Err(bad(
                "guidance",
                "stands beside guidance_scale; keep one of them",
            ));
        }
        (scale, guidance) => scale.or(guidance).unwrap_or(1.0),
    };
    if !guidance_scale.is_finite() {
        return Err(bad("guidance_scale", "must be a finite number"));
    }
    let resolution = entry.resolution.unwrap_or(512);
    if resolution == 0 || !resolution.is_multiple_of(8) {
        return Err(bad(
            "resolution",
            "must be a multiple of 8 pixels, such as 512",
        ));
    }
    let batch_size = entry.batch_size.unwrap_or(1);
    if batch_size == 0 {
        return Err(bad("batch_size", "must be at least 1"));
    }
    if entry.rank == Some(0) {
        return Err(bad("rank", "must be at least 1"));
    }
    let unconditional = entry.unconditional.unwrap_or_default();
    Ok(SliderPrompt {
        positive: entry.positive.unwrap_or_else(|| entry.target.clone()),
        neutral: entry.neutral.unwrap_or_else(|| unconditional.clone()),
        target: entry.target,
        unconditional,
        action: entry.action.unwrap_or(SliderAction::Erase),
        guidance_scale,
        resolution,
        dynamic_resolution: entry.dynamic_resolution.unwrap_or_default(),
        batch_size,
        dynamic_crops: entry.dynamic_crops.unwrap_or_default(),
        rank: entry.rank,
    })
}
