//! Models and controls at hand.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use vernier_engine::checkpoint::{FoundModel, ModelLibrary};
use vernier_engine::controls::ControlInfo;
use vernier_engine::picture::Picture;
use vernier_engine::recipe::{ControlScale, ModelRef, Recipe};
use vernier_engine::render::Defaults;

use super::rack::specs;
use super::{Bench, ControlKey, Made, Subject};

/// A model of the library.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelItem {
    /// How recipes name it.
    pub model: ModelRef,
    /// Where it lies.
    pub path: PathBuf,
    /// A line about it, or the sentence that says why it cannot be used.
    pub about: Result<String, String>,
    /// Width and height in pixels of the pictures that it was made for.
    pub size_px: Option<(u32, u32)>,
}

impl ModelItem {
    fn of(found: FoundModel) -> Self {
        let about = found.description.map(|description| {
            let parts = description.components.iter();
            let parameters: i64 = parts.clone().map(|part| part.parameters).sum();
            let bytes: u64 = parts.map(|part| part.bytes).sum();
            format!(
                "{}, {:.0} M parameters, {:.0} MB",
                description.family,
                parameters as f64 / 1e6,
                bytes as f64 / 1e6
            )
        });
        let defaults = Defaults::of(&found.path).ok();
        Self {
            model: found.model,
            path: found.path,
            about: about.map_err(|e| e.to_string()),
            size_px: defaults.map(|defaults| (defaults.width_px, defaults.height_px)),
        }
    }
}

/// The embedded model and those in `folders`. It reads files, so no frame may wait for it.
pub fn list_models(embedded: &Path, folders: &[PathBuf]) -> Vec<ModelItem> {
    let embedded = FoundModel::new(ModelRef::embedded(), embedded.to_owned());
    let others = ModelLibrary::new(folders.to_vec()).list();
    let all = std::iter::once(embedded).chain(others);
    all.map(ModelItem::of).collect()
}

/// Whether all words of `search` stand in `text`, in whatever order and case.
pub fn is_match(search: &str, text: &str) -> bool {
    let text = text.to_lowercase();
    let search = search.to_lowercase();
    search.split_whitespace().all(|word| text.contains(word))
}

/// Everything about a control that a search may mean.
pub fn searched_text(info: &ControlInfo) -> String {
    format!(
        "{} {} {} {} {}",
        info.name,
        info.attributes.join(" "),
        info.subjects.join(" "),
        info.kind.label(),
        info.about
    )
}

/// What a control does, in three pictures: one end, rest, the other end.
#[derive(Debug, Clone, PartialEq)]
pub struct ControlPreview {
    recipes: Vec<Recipe>,
    pictures: Vec<Option<Arc<Picture>>>,
}

impl ControlPreview {
    /// From left to right; `None` where one is still to be made.
    pub fn pictures(&self) -> &[Option<Arc<Picture>>] {
        &self.pictures
    }

    /// Whether `recipe` is one whose picture is still to be made.
    pub fn wants(&self, recipe: &Recipe) -> bool {
        let mut pairs = self.recipes.iter().zip(&self.pictures);
        pairs.any(|(own, picture)| own == recipe && picture.is_none())
    }

    /// Whether all pictures are there.
    pub fn is_whole(&self) -> bool {
        self.pictures.iter().all(Option::is_some)
    }
}

/// Previews of controls by name.
#[derive(Debug, Default)]
pub struct Previews {
    by_name: HashMap<String, ControlPreview>,
}

impl Previews {
    /// The preview of the control `name`.
    pub fn get(&self, name: &str) -> Option<&ControlPreview> {
        self.by_name.get(name)
    }

    /// Begins a preview of `name` from `recipes`.
    pub(super) fn begin(&mut self, name: &str, recipes: Vec<Recipe>) {
        let pictures = vec![None; recipes.len()];
        self.by_name
            .insert(name.to_owned(), ControlPreview { recipes, pictures });
    }

    /// A picture was made for the preview that wants it.
    pub(super) fn take(&mut self, asked: &Recipe, made: &Made) {
        for preview in self.by_name.values_mut() {
            for (recipe, picture) in preview.recipes.iter().zip(&mut preview.pictures) {
                if recipe == asked {
                    *picture = Some(made.picture.clone());
                }
            }
        }
    }
}

/// Recipes that show what a control does to the first subject of `base` that it is for, or to one
/// of its own: its lowest setting, none, its highest.
pub(super) fn preview_recipes(
    info: &ControlInfo,
    base: &Recipe,
    subjects: &[Subject],
) -> Vec<Recipe> {
    let mut base = base.clone();
    base.controls.clear();
    let mut of_prompt = subjects.iter().filter(|s| !s.is_ambiguous);
    let of_prompt = of_prompt.find(|s| info.subjects.contains(&s.noun));
    let noun = of_prompt.map(|s| &s.noun).or(info.subjects.first());
    if let Some(noun) = noun.filter(|_| of_prompt.is_none()) {
        base.prompt = format!("a {noun}");
    }
    let Some(spec) = specs(info, noun.map(String::as_str)).into_iter().next() else {
        return Vec::new();
    };
    let band = spec.band().unwrap_or_else(|| {
        let (low, high) = (*spec.range.start(), *spec.range.end());
        low.max(-1.0)..=high.min(1.0)
    });
    let at = |value: f64| {
        let mut bench = Bench::new(base.clone());
        bench.set_control(&spec.key, Some((spec.scale, value)));
        bench.recipe
    };
    vec![at(*band.start()), base.clone(), at(*band.end())]
}

/// Where the slider of a control begins that is put onto the subject `noun`: far enough to be
/// seen. `None` for adapters, which have several.
pub(super) fn first_setting(
    info: &ControlInfo,
    noun: Option<&str>,
) -> Option<(ControlKey, ControlScale, f64)> {
    match specs(info, noun).as_slice() {
        [one] => {
            let value = if one.kind.takes_values() { 0.75 } else { 0.5 };
            Some((one.key.clone(), one.scale, value))
        }
        _ => None,
    }
}

/// The subject that a control would work on: the `word` that it was put on, else the selected one,
/// else the first of the prompt that it is for. `Ok(None)` is the whole picture.
///
/// # Errors
/// The sentence that says whom it is for.
pub(super) fn subject_for(
    info: &ControlInfo,
    word: Option<&str>,
    selected: Option<&str>,
    subjects: &[Subject],
) -> Result<Option<String>, String> {
    if info.subjects.is_empty() {
        return Ok(None);
    }
    let fits = |noun: &&str| info.subjects.iter().any(|own| own == noun);
    let whom = info.subjects.join(", ");
    if let Some(word) = word {
        let word = word.to_lowercase();
        if fits(&word.as_str()) {
            return Ok(Some(word));
        }
        return Err(format!("{} is for {whom}, not for \"{word}\"", info.name));
    }
    let of_prompt = subjects.iter().map(|subject| subject.noun.as_str());
    let mut all = selected.into_iter().chain(of_prompt);
    match all.find(fits) {
        Some(noun) => Ok(Some(noun.to_owned())),
        None => Err(format!(
            "{} is for {whom}; the prompt has none of them",
            info.name
        )),
    }
}

#[cfg(test)]
mod tests {
    use vernier_engine::controls::ControlKind;

    use super::super::{Nouns, testing};
    use super::*;

    fn age() -> ControlInfo {
        let attributes = vec!["age".to_owned()];
        let mut info = ControlInfo::new("age", ControlKind::Direction, attributes);
        info.subjects = vec!["man".to_owned(), "woman".to_owned()];
        info
    }

    #[test]
    fn a_search_finds_words_in_any_order() {
        let text = searched_text(&age());
        assert!(is_match("", &text) && is_match("woman AGE", &text));
        assert!(!is_match("age cat", &text));
    }

    #[test]
    fn a_control_goes_to_the_word_or_to_the_subject_it_is_for() {
        let subjects = Nouns::with([]).subjects_of("a dog, a woman and a man");
        let whom = |word, selected| subject_for(&age(), word, selected, &subjects);
        assert_eq!(whom(Some("Man"), None).unwrap().as_deref(), Some("man"));
        assert_eq!(whom(None, Some("man")).unwrap().as_deref(), Some("man"));
        assert_eq!(whom(None, Some("dog")).unwrap().as_deref(), Some("woman"));
        let refused = whom(Some("dog"), None).unwrap_err();
        assert_eq!(refused, "age is for man, woman, not for \"dog\"");
        assert!(subject_for(&age(), None, None, &[]).is_err());
        let mut light = age();
        light.subjects.clear();
        assert_eq!(subject_for(&light, Some("dog"), None, &subjects), Ok(None));
    }

    #[test]
    fn a_preview_shows_both_ends_and_rest() {
        let base = testing::recipe("a dog", 7);
        let recipes = preview_recipes(&age(), &base, &[]);
        let controls: Vec<String> = recipes
            .iter()
            .map(|r| r.controls.iter().map(ToString::to_string).collect())
            .collect();
        assert_eq!(controls, ["age@man~-1", "", "age@man~1"]);
        assert_eq!(recipes[1].prompt, "a man");

        let mut previews = Previews::default();
        previews.begin("age", recipes.clone());
        let made = Made {
            picture: Arc::new(Picture {
                width_px: 1,
                height_px: 1,
                rgb: vec![0; 3],
            }),
            recipe: Arc::new(base),
            secs: 0.1,
        };
        previews.take(&recipes[2], &made);
        let preview = previews.get("age").unwrap();
        let there: Vec<bool> = preview.pictures().iter().map(Option::is_some).collect();
        assert_eq!(there, [false, false, true]);
        assert!(preview.wants(&recipes[0]) && !preview.wants(&recipes[2]));
        assert!(!preview.is_whole());
    }
}
