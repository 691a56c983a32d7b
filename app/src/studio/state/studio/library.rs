//! What is taken from the library.

use std::path::Path;
use std::sync::Arc;

use vernier_engine::controls::ControlInfo;
use vernier_engine::project::{ProjectChange, relink};

use super::super::library::{first_setting, preview_recipes, subject_for};
use super::super::{JobKind, ModelItem, Previews, ToastKind};
use super::{Shown, Studio};

impl Studio {
    /// The models at hand.
    pub fn models(&self) -> &[ModelItem] {
        &self.models
    }

    /// The models that there are.
    pub fn set_models(&mut self, models: Vec<ModelItem>) {
        self.models = models;
    }

    /// What controls do, as far as it was asked for.
    pub fn previews(&self) -> &Previews {
        &self.previews
    }

    /// Whether the preview of `name` waits or is being made.
    pub fn is_previewing(&self, name: &str) -> bool {
        let Some(preview) = self.previews.get(name) else {
            return false;
        };
        self.queue
            .jobs()
            .any(|job| job.kind == JobKind::Preview && job.recipes.iter().any(|r| preview.wants(r)))
    }

    /// Puts a model on the bench. Where it was made for pictures of another size than the last
    /// one, the size follows.
    pub fn take_model(&mut self, item: &ModelItem) {
        let recipe = &mut self.bench.recipe;
        let last = self
            .models
            .iter()
            .find(|known| known.model.name == recipe.model.name);
        let last_size_px = last.and_then(|last| last.size_px);
        let size_px = (recipe.width_px, recipe.height_px);
        if let Some(new) = item.size_px
            && last_size_px.is_none_or(|last| last == size_px && last != new)
        {
            (recipe.width_px, recipe.height_px) = new;
        }
        recipe.model = item.model.clone();
        self.shown = Shown::Bench;
    }

    /// Says where the model that recipes call `name` lies now.
    pub fn relink(&mut self, name: &str, path: &Path) {
        if !path.join("model_index.json").is_file() {
            let text = format!(
                "{} is no model folder, so {name} stays where it was; open the project again to \
                 be asked once more",
                path.display()
            );
            self.toasts.push(ToastKind::Trouble, text, None);
            return;
        }
        relink(&mut self.bench.recipe.model, name, path);
        for result in &mut self.results {
            let mut recipe = (*result.recipe).clone();
            if relink(&mut recipe.model, name, path) {
                result.recipe = Arc::new(recipe);
            }
        }
        let change = ProjectChange::Relink {
            model: name.to_owned(),
            path: path.to_owned(),
        };
        // What the bench and the results name need not stand in the rest of the project.
        self.project.apply(&change).ok();
        // It is to be saved, though nothing on the bench may have changed.
        self.handed_over = None;
        self.live.again();
        let text = format!("{name} is at {} now", path.display());
        self.toasts.push(ToastKind::Done, text, None);
    }

    /// Puts a control to work on `word`, or on whom it is for; its slider is unfolded and, if it
    /// has but one, moved far enough to be seen.
    pub fn take_control(&mut self, name: &str, word: Option<&str>) {
        let Some(info) = self.control_info(name) else {
            return;
        };
        let selected = self.selected_subject.as_deref();
        let subject = match subject_for(&info, word, selected, &self.subjects) {
            Ok(subject) => subject,
            Err(sentence) => {
                self.toasts.push(ToastKind::Note, sentence, None);
                return;
            }
        };
        if let Some(noun) = &subject
            && !self.subjects.iter().any(|s| s.noun == *noun)
        {
            self.toggle_subject(noun);
        }
        if let Some((key, scale, value)) = first_setting(&info, subject.as_deref())
            && self.bench.control(&key).is_none()
            && !self.bench.is_locked(&key)
        {
            self.set_control(&key, Some((scale, value)));
        }
        self.selected_subject = subject;
    }

    /// Renders what a control does, for the library.
    pub fn preview_control(&mut self, name: &str) {
        let Some(info) = self.control_info(name) else {
            return;
        };
        let recipes = preview_recipes(&info, &self.bench.recipe, &self.subjects);
        self.previews.begin(name, recipes.clone());
        self.ask_for(JobKind::Preview, recipes);
    }

    fn control_info(&self, name: &str) -> Option<ControlInfo> {
        let mut all = self.controls.iter().map(|found| &found.info);
        all.find(|info| info.name == name).cloned()
    }
}
