//! The model that a job asks for.

use std::path::{Path, PathBuf};
use std::time::Instant;

use super::Job;
use super::inbox::Inbox;
use crate::device::{ChosenDevice, Dtype};
use crate::recipe::{ModelRef, Recipe, short_hash};
use crate::render::Renderer;
use crate::service::Event;
use crate::{EngineError, Result};

/// The renderer that `recipe` asks for: the one that is loaded, or a new one in its place.
pub(super) fn ready<'a>(
    job: &Job,
    recipe: &Recipe,
    device: &ChosenDevice,
    loaded: &'a mut Option<Renderer>,
    inbox: &mut Inbox,
) -> Result<&'a mut Renderer> {
    let folder = model_folder(&recipe.model, &job.options.embedded_model)?;
    let dtype: Dtype = recipe.dtype.parse()?;
    let fits = loaded
        .as_ref()
        .is_some_and(|r| r.is_for(&folder, dtype, device.device));
    if !fits {
        // The old model goes first: two need not fit into memory.
        *loaded = None;
        let model = recipe.model.name.clone();
        inbox.tell(Event::ModelLoading {
            job: job.id,
            model: model.clone(),
        });
        let started = Instant::now();
        let renderer = Renderer::load(&folder, dtype, device.device)?;
        inbox.tell(Event::ModelLoaded {
            job: job.id,
            model,
            hash: renderer.hash().to_owned(),
            device: device.name(),
            device_reason: device.reason.clone(),
            secs: started.elapsed().as_secs_f64(),
        });
        *loaded = Some(renderer);
    }
    let renderer = loaded
        .as_mut()
        .ok_or_else(|| EngineError::request("model", "is not loaded"))?;
    let asked = &recipe.model.hash;
    if !asked.is_empty() && asked != renderer.hash() {
        inbox.tell(Event::Note {
            job: job.id,
            message: format!(
                "model hash: the recipe was made with {} and {} is {}, so the picture will differ",
                short_hash(asked),
                folder.display(),
                short_hash(renderer.hash())
            ),
        });
    }
    Ok(renderer)
}

/// The folder that a recipe's model lies in.
pub(super) fn model_folder(model: &ModelRef, embedded: &Path) -> Result<PathBuf> {
    let Some(path) = &model.path else {
        return Ok(embedded.to_owned());
    };
    let path = PathBuf::from(path);
    if path.exists() {
        return Ok(path);
    }
    Err(EngineError::request(
        "model",
        format!(
            "there is no folder or file {}; say with --model where {} lies",
            path.display(),
            model.name
        ),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_that_has_moved_is_named() {
        let model = ModelRef::at(Path::new("/nowhere/dreams"));
        let error = model_folder(&model, Path::new("/e")).unwrap_err();
        assert!(error.is_usage());
        assert!(error.to_string().contains("/nowhere/dreams"), "{error}");
        let embedded = model_folder(&ModelRef::embedded(), Path::new("/e")).unwrap();
        assert_eq!(embedded, Path::new("/e"));
    }
}
