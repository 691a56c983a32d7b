//! A picture in two passes, the second one larger.

use std::path::PathBuf;

use super::{Flow, OnStep, Rendered, Renderer, StepAhead};
use crate::Result;
use crate::recipe::{Highres, Recipe, UpscalerUse};
use crate::upscale::{Upscaler, UpscalerLibrary, enlarged};

/// Upscalers at hand, and the one that was used last.
#[derive(Debug, Default)]
pub(super) struct UpscalerShelf {
    library: UpscalerLibrary,
    loaded: Option<(PathBuf, Upscaler)>,
}

impl UpscalerShelf {
    pub(super) fn set_library(&mut self, library: UpscalerLibrary) {
        self.library = library;
    }

    /// The upscaler `wanted`, whose hash is filled in; `notes` hears where it is another than it
    /// was.
    fn get(
        &mut self,
        wanted: &mut UpscalerUse,
        device: tch::Device,
        notes: &mut Vec<String>,
    ) -> Result<&Upscaler> {
        let path = self.library.find(wanted)?;
        let loaded = match self.loaded.take().filter(|(own, _)| *own == path) {
            Some(loaded) => loaded,
            None => (path.clone(), Upscaler::open(&path, device)?),
        };
        let (_, upscaler) = self.loaded.insert(loaded);
        if !wanted.hash.is_empty() && wanted.hash != upscaler.hash() {
            notes.push(format!(
                "upscaler {}: {} is another version than the recipe was made with",
                wanted.name,
                path.display()
            ));
        }
        upscaler.hash().clone_into(&mut wanted.hash);
        Ok(upscaler)
    }
}

impl Renderer {
    /// Renders `recipe` at its own size, enlarges the picture and goes on from there.
    pub(super) fn render_highres(
        &mut self,
        recipe: &Recipe,
        highres: &Highres,
        on_step: &mut OnStep<'_>,
    ) -> Result<Rendered> {
        let mut highres = highres.clone();
        let second = highres.second(recipe);
        let later = highres.walked_steps(recipe.steps) as usize;
        let mut notes = Vec::new();
        if let Some(wanted) = &mut highres.upscaler {
            // What is not there or not whole is told before the first pass, not after it.
            self.upscalers.get(wanted, self.device, &mut notes)?;
        }
        let first = Recipe {
            highres: None,
            ..recipe.clone()
        };
        let mut done = 0;
        let first = self.render(&first, &mut |ahead: StepAhead| {
            done = ahead.steps;
            on_step(StepAhead {
                steps: ahead.steps + later,
                ..ahead
            })
        })?;
        let between = StepAhead {
            done,
            steps: done + later,
        };
        let mut on_tile = |_, _| -> Flow { on_step(between) };
        let upscaler = match &mut highres.upscaler {
            Some(wanted) => Some(self.upscalers.get(wanted, self.device, &mut Vec::new())?),
            None => None,
        };
        let size = (second.width_px, second.height_px);
        let picture = enlarged(&first.picture, size, upscaler, &mut on_tile)?;
        let mut second = highres.second(&first.recipe);
        if let Some(source) = &mut second.source {
            source.picture = self.pictures.insert(picture);
        }
        let mut rendered = self.render(&second, &mut |ahead: StepAhead| {
            on_step(StepAhead {
                done: done + ahead.done,
                steps: done + ahead.steps,
            })
        })?;
        notes.extend(first.notes);
        rendered.notes.retain(|note| !notes.contains(note));
        notes.append(&mut rendered.notes);
        Ok(Rendered {
            recipe: Recipe {
                highres: Some(highres),
                ..first.recipe
            },
            notes,
            ..rendered
        })
    }
}
