//! ControlNets: those at hand, the maps of those on the bench, and what waits for a picture.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use vernier_engine::adapters::Family;
use vernier_engine::checkpoint::FoundControlNet;
use vernier_engine::picture::{ControlMap, Mask, Picture, PictureShelf};
use vernier_engine::recipe::{ControlNetUse, Preprocessor, Recipe};

/// What the next picture that comes is for.
#[derive(Debug, Clone, PartialEq)]
pub enum MapFor {
    /// A ControlNet that goes onto the bench with it.
    New(FoundControlNet),
    /// One of the bench, by its place in the recipe.
    Row(usize),
}

/// What is known of ControlNets.
#[derive(Debug, Default)]
pub(super) struct ControlNets {
    /// Those of the library.
    pub(super) at_hand: Vec<FoundControlNet>,
    /// What waits for a picture.
    pub(super) waiting: Option<MapFor>,
    /// Whether the file dialog was asked for.
    pub(super) wants_file: bool,
    /// What ControlNets see, by everything that decides it.
    maps: HashMap<String, Result<Arc<Picture>, String>>,
}

/// A ControlNet of the bench, for its row.
#[derive(Debug, Clone, PartialEq)]
pub struct ControlNetRow {
    /// Its place in the recipe.
    pub index: usize,
    /// How it is used.
    pub used: ControlNetUse,
    /// What it is; empty where only a render finds out.
    pub about: String,
    /// What it sees, or the sentence that says why there is none.
    pub map: Result<Arc<Picture>, String>,
    /// Why it cannot work, in one sentence.
    pub problem: Option<String>,
}

impl ControlNets {
    /// The rows of the ControlNets of `recipe` on a model of `family`.
    pub(super) fn rows(
        &mut self,
        recipe: &Recipe,
        family: Option<&Family>,
        shelf: &PictureShelf,
    ) -> Vec<ControlNetRow> {
        let mut maps = HashMap::new();
        let used = recipe.controlnets.iter().enumerate();
        let rows = used
            .map(|(index, used)| {
                let key = map_key(recipe, used);
                let map = self.maps.remove(&key);
                let map = map.unwrap_or_else(|| map_of(recipe, used, shelf));
                maps.insert(key, map.clone());
                self.row(index, used, map, family)
            })
            .collect();
        self.maps = maps;
        rows
    }

    /// The sentence of the first ControlNet at work on a model of `family` that cannot work.
    pub(super) fn misfit(&self, recipe: &Recipe, family: Option<&Family>) -> Option<String> {
        let at_work = recipe.controlnets.iter().filter(|used| !used.is_idle());
        let mut at_work = at_work.filter_map(|used| self.problem(used, family));
        at_work.next()
    }

    fn row(
        &self,
        index: usize,
        used: &ControlNetUse,
        map: Result<Arc<Picture>, String>,
        family: Option<&Family>,
    ) -> ControlNetRow {
        let found = self.found(used);
        ControlNetRow {
            index,
            used: used.clone(),
            about: found.map_or(String::new(), |found| found.in_a_line().to_owned()),
            problem: self.problem(used, family).or(map.as_ref().err().cloned()),
            map,
        }
    }

    fn problem(&self, used: &ControlNetUse, family: Option<&Family>) -> Option<String> {
        let found = self.found(used)?;
        if let Err(sentence) = &found.kind {
            return Some(sentence.clone());
        }
        let misfit = found.misfit(family?)?;
        let name = &found.name;
        Some(format!(
            "{name} {misfit}; mute or remove it, or take another model"
        ))
    }

    /// The one of the library that `used` means.
    fn found(&self, used: &ControlNetUse) -> Option<&FoundControlNet> {
        let path = used.path.as_ref().map(PathBuf::from);
        self.at_hand.iter().find(|found| match &path {
            Some(path) => found.path == *path,
            None => found.name.eq_ignore_ascii_case(&used.name),
        })
    }
}

/// Everything that the map of `used` depends on.
fn map_key(recipe: &Recipe, used: &ControlNetUse) -> String {
    let source = recipe
        .source
        .as_ref()
        .and_then(|source| source.mask.as_ref());
    let mask = source.filter(|_| used.preprocessor == Preprocessor::Inpaint);
    format!(
        "{:?}|{}|{}x{}|{:?}",
        (&used.picture.hash, &used.picture.path),
        used.preprocessor,
        recipe.width_px,
        recipe.height_px,
        mask.map(|mask| (&mask.picture.hash, mask.inverted))
    )
}

/// What a ControlNet sees of its picture, at the recipe's size.
fn map_of(
    recipe: &Recipe,
    used: &ControlNetUse,
    shelf: &PictureShelf,
) -> Result<Arc<Picture>, String> {
    let (width_px, height_px) = (recipe.width_px, recipe.height_px);
    let read = |picture| shelf.get(picture).map_err(|e| e.to_string());
    let fitted = read(&used.picture)?.covering(width_px, height_px);
    let source = recipe
        .source
        .as_ref()
        .and_then(|source| source.mask.as_ref());
    let mask = match source.filter(|_| used.preprocessor == Preprocessor::Inpaint) {
        Some(mask) => {
            let fitted = read(&mask.picture)?.covering(width_px, height_px);
            let fitted = Mask::from_picture(&fitted);
            Some(if mask.inverted {
                fitted.inverted()
            } else {
                fitted
            })
        }
        None => None,
    };
    let map = ControlMap::of(&fitted, used.preprocessor, mask.as_ref());
    Ok(Arc::new(map.picture))
}
