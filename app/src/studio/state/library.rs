//! Models and controls at hand.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use vernier_engine::adapters::Family;
use vernier_engine::checkpoint::{Checkpoint, FoundModel, ModelLibrary};
use vernier_engine::controls::ControlInfo;
use vernier_engine::models::unet::UNetConfig;
use vernier_engine::recipe::{ControlScale, ModelRef, Recipe};
use vernier_engine::render::Defaults;

use super::rack::specs;
use super::{Bench, Cells, ControlKey, Made, Subject};

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
    /// What adapters must have been made for to work on it.
    pub adapter_family: Option<Family>,
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
        let config = Checkpoint::open(&found.path)
            .and_then(|model| model.component_config::<UNetConfig>("unet"));
        let defaults = Defaults::of(&found.path).ok();
        Self {
            adapter_family: config.ok().map(|config| Family::of_config(&config)),
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

/// What controls do, by their names, in three pictures each: one end, rest, the other end.
#[derive(Debug, Default)]
pub struct Previews {
    by_name: HashMap<String, Cells>,
}

impl Previews {
    /// The preview of the control `name`.
    pub fn get(&self, name: &str) -> Option<&Cells> {
        self.by_name.get(name)
    }

    /// Begins a preview of `name` from `recipes`.
    pub(super) fn begin(&mut self, name: &str, recipes: Vec<Recipe>) {
        self.by_name.insert(name.to_owned(), Cells::new(recipes));
    }

    /// A picture was made for the preview that wants it.
    pub(super) fn take(&mut self, asked: &Recipe, made: &Made) {
        for preview in self.by_name.values_mut() {
            preview.take(asked, made);
        }
    }

    /// Forgets the previews of controls for which `is_other` holds: they show what was.
    pub(super) fn forget(&mut self, is_other: impl Fn(&str) -> bool) {
        self.by_name.retain(|name, _| !is_other(name));
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
        previews.take(&recipes[2], &testing::made(base));
        let preview = previews.get("age").unwrap();
        let there: Vec<bool> = preview.pictures().map(|p| p.is_some()).collect();
        assert_eq!(there, [false, false, true]);
        assert!(preview.wants(&recipes[0]) && !preview.wants(&recipes[2]));
        assert!(!preview.is_whole());
        previews.forget(|name| name == "age");
        assert!(previews.get("age").is_none());
    }
}
