//! The model's own pictures of the class, made before the training (arXiv 2208.12242, section 3.3).

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use serde_json::json;
use tch::Device;

use super::samples::flow;
use super::{ClassPlan, PersonalRequest};
use crate::control_training::TrainingNews;
use crate::control_training::strip::sample;
use crate::picture;
use crate::recipe::Recipe;
use crate::render::{Defaults, Renderer};
use crate::train::folder::{ImageFolder, PictureRow};
use crate::{EngineError, Result};

/// First seed of class pictures, apart from those that people take.
const FIRST_SEED: u64 = 1 << 32;

/// The class's pictures in `folder`, those that are not there yet made; `hash` is the model's.
///
/// # Errors
/// The folder cannot be written, the model cannot render, or it was stopped.
pub(super) fn class_pictures(
    request: &PersonalRequest,
    plan: &ClassPlan,
    folder: &Path,
    hash: &str,
    device: Device,
    stop: &AtomicBool,
    news: &mut dyn FnMut(TrainingNews),
) -> Result<ImageFolder> {
    std::fs::create_dir_all(folder).map_err(|e| EngineError::io(folder, e))?;
    forget_others(folder, plan, hash)?;
    let file = |at: usize| folder.join(format!("{at:04}.png"));
    let missing: Vec<usize> = (0..plan.count).filter(|&at| !file(at).is_file()).collect();
    if !missing.is_empty() {
        news(TrainingNews::Note(format!(
            "the model makes {} pictures of \"{}\"",
            missing.len(),
            plan.prompt
        )));
        let defaults = Defaults::of(&request.model_folder)?;
        let mut renderer = Renderer::load(&request.model_folder, request.dtype, device)?;
        for at in missing {
            let recipe = Recipe {
                prompt: plan.prompt.clone(),
                ..sample(
                    &request.model,
                    &defaults,
                    request.dtype,
                    FIRST_SEED + request.seed.wrapping_mul(1 << 16) % (1 << 31) + at as u64,
                )?
            };
            let rendered = renderer.render(&recipe, &mut |_| flow(stop))?;
            picture::save_sheet(&file(at), &[rendered.picture], 1)?;
            news(TrainingNews::Pictures {
                done: at + 1,
                total: plan.count,
            });
        }
    }
    let rows = (0..plan.count).map(|at| PictureRow {
        path: file(at),
        caption: plan.prompt.clone(),
        values: Vec::new(),
    });
    Ok(ImageFolder {
        source: folder.to_owned(),
        attributes: Vec::new(),
        rows: rows.collect(),
    })
}

/// Deletes pictures of another class or of another model.
fn forget_others(folder: &Path, plan: &ClassPlan, hash: &str) -> Result<()> {
    let about = folder.join("class.json");
    let now = json!({"prompt": plan.prompt, "model": hash}).to_string();
    if std::fs::read_to_string(&about).is_ok_and(|then| then == now) {
        return Ok(());
    }
    let old: Vec<PathBuf> = crate::train::folder::pictures_in(folder)?;
    for path in old {
        std::fs::remove_file(&path).map_err(|e| EngineError::io(&path, e))?;
    }
    std::fs::write(&about, now).map_err(|e| EngineError::io(&about, e))
}
