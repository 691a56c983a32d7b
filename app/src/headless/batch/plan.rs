//! Which recipes a batch renders, and into which files.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use vernier_engine::adapters::unpack_files;
use vernier_engine::controls::unpack_adapters;
use vernier_engine::picture::PictureShelf;
use vernier_engine::project::ProjectFile;
use vernier_engine::recipe::{self, ModelRef, Recipe, sha256_hex};

use super::BatchArgs;
use crate::assets;
use crate::failure::Failure;

/// Most characters of a recipe's name in the name of its picture.
const LONGEST_SLUG: usize = 40;
/// Characters of the hash in the name of a picture.
const HASH_LENGTH: usize = 10;
/// Characters of a hash that people are shown.
const SHOWN_HASH: usize = 10;

/// One part of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shard {
    /// Which, from 1.
    pub(super) index: usize,
    /// Of how many.
    pub(super) count: usize,
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let numbers = text.split_once('/');
        let numbers = numbers.and_then(|(i, n)| Some((i.parse().ok()?, n.parse().ok()?)));
        match numbers {
            Some((index, count)) if (1..=count).contains(&index) => Ok(Self { index, count }),
            _ => Err("write it as I/N with I from 1 to N, such as 1/8".to_owned()),
        }
    }
}

/// One picture of the batch.
#[derive(Debug)]
pub(super) struct Wanted {
    /// The recipe's name.
    pub(super) name: String,
    /// As the project has it.
    pub(super) asked: Recipe,
    /// As it is rendered here: its model may lie elsewhere.
    pub(super) recipe: Recipe,
    /// The picture's file name.
    pub(super) file: String,
}

/// Everything that this run shall have in its folder.
#[derive(Debug)]
pub(super) struct Plan {
    /// File name of the project or the list.
    pub(super) source: String,
    /// What the artist should know about it.
    pub(super) notes: Vec<String>,
    /// The pictures, in the order of the recipes.
    pub(super) wanted: Vec<Wanted>,
    /// What they start from, as far as the project holds it.
    pub(super) pictures: PictureShelf,
}

impl Plan {
    /// Reads the recipes and chooses this run's; all of them can be rendered, as far as can be
    /// told without loading a model.
    pub(super) fn read(args: &BatchArgs) -> Result<Self, Failure> {
        let pictures = PictureShelf::default();
        let (recipes, notes) = named_recipes(&args.source, &pictures)?;
        for (name, _) in &args.models {
            if recipes.iter().all(|(_, recipe)| recipe.model.name != *name) {
                let models: BTreeSet<&str> =
                    recipes.iter().map(|(_, r)| r.model.name.as_str()).collect();
                return Err(unknown("--model", name, models));
            }
        }
        for name in &args.only {
            if recipes.iter().all(|(own, _)| own != name) {
                let names = recipes.iter().map(|(name, _)| name.as_str());
                return Err(unknown("--only", name, names));
            }
        }
        let places: BTreeMap<&str, &Path> = args
            .models
            .iter()
            .map(|(name, place)| (name.as_str(), place.as_path()))
            .collect();
        let is_asked = |name: &String| args.only.is_empty() || args.only.contains(name);
        let chosen = recipes.into_iter().filter(|(name, _)| is_asked(name));
        let shard = args.shard.unwrap_or(Shard { index: 1, count: 1 });
        let chosen = chosen.skip(shard.index - 1).step_by(shard.count);
        let wildcards = assets::wildcards(None);
        let wanted = chosen.map(|(name, asked)| {
            // What is there already tells what was chosen.
            let asked = wildcards.resolved(&asked)?;
            Ok(Wanted::new(name, asked, &places))
        });
        let wanted: Vec<Wanted> = wanted.collect::<Result<_, Failure>>()?;
        require_models(&wanted)?;
        for wanted in &wanted {
            wanted.recipe.validate().map_err(|e| {
                let text = format!("recipe {:?}: {e}", wanted.name);
                if e.is_usage() {
                    Failure::Usage(text)
                } else {
                    Failure::Failed(text)
                }
            })?;
        }
        let source = args.source.file_name().unwrap_or_default();
        Ok(Self {
            source: source.to_string_lossy().into_owned(),
            notes,
            wanted,
            pictures,
        })
    }
}

impl Wanted {
    fn new(name: String, asked: Recipe, places: &BTreeMap<&str, &Path>) -> Self {
        let mut recipe = asked.clone();
        if let Some(place) = places.get(recipe.model.name.as_str()) {
            // Name and hash stay: they tell whether this is the model that was meant.
            recipe.model.path = ModelRef::at(place).path;
        }
        // The name counts too: two names may look the same in a file's.
        let identity = format!("{name}\0{}", asked.fingerprint());
        let hash = &sha256_hex(identity.as_bytes())[..HASH_LENGTH];
        Self {
            file: format!("{}-{hash}.png", slug(&name)),
            name,
            asked,
            recipe,
        }
    }
}

/// Recipes by name, and what the artist should know about their file.
type Named = (Vec<(String, Recipe)>, Vec<String>);

fn named_recipes(source: &Path, pictures: &PictureShelf) -> Result<Named, Failure> {
    let is_list = source
        .extension()
        .is_some_and(|ending| ending.eq_ignore_ascii_case("json"));
    if is_list {
        let mut recipes = recipe::read(source)?;
        for recipe in &mut recipes {
            // A picture whose source has changed is another picture.
            pictures.name(recipe)?;
        }
        let recipes = recipes.into_iter().enumerate();
        let named = recipes.map(|(i, recipe)| (format!("{:04}", i + 1), recipe));
        return Ok((named.collect(), Vec::new()));
    }
    let mut opened = ProjectFile::open_to_read(source)?;
    let project = opened.project;
    let damaged = opened.file.share_pictures(&project, pictures);
    opened.notes.extend(damaged);
    if let Some(folder) = assets::project_controls() {
        let damaged = unpack_adapters(&project, &opened.file, &folder);
        opened.notes.extend(damaged);
    }
    if let Some(folder) = assets::project_adapters() {
        let damaged = unpack_files(&project, &opened.file, &folder);
        opened.notes.extend(damaged);
    }
    if project.recipes.is_empty() {
        let bench = ("bench".to_owned(), project.bench.recipe);
        return Ok((vec![bench], opened.notes));
    }
    let mut seen = BTreeSet::new();
    for named in &project.recipes {
        if !seen.insert(named.name.as_str()) {
            return Err(Failure::Failed(format!(
                "{}: two recipes are named {:?}; give one of them another name",
                source.display(),
                named.name
            )));
        }
    }
    let named = project.recipes.into_iter();
    Ok((named.map(|n| (n.name, n.recipe)).collect(), opened.notes))
}

/// Fails with the names of the models that are not where they should be.
fn require_models(wanted: &[Wanted]) -> Result<(), Failure> {
    let mut absent = BTreeSet::new();
    for model in wanted.iter().map(|wanted| &wanted.recipe.model) {
        match &model.path {
            None => drop(assets::require_embedded_model()?),
            Some(path) if !Path::new(path).is_dir() => {
                let hash = match model.hash.get(..SHOWN_HASH) {
                    Some(hash) => format!("hash {hash}"),
                    None => "hash unknown".to_owned(),
                };
                absent.insert(format!("{:?} ({hash}) is not at {path}", model.name));
            }
            Some(_) => {}
        }
    }
    if absent.is_empty() {
        return Ok(());
    }
    let absent: Vec<String> = absent.into_iter().collect();
    Err(Failure::Usage(format!(
        "model {}; say where it lies with --model NAME=DIR",
        absent.join(", model ")
    )))
}

fn unknown<'a>(option: &str, name: &str, known: impl IntoIterator<Item = &'a str>) -> Failure {
    let known: Vec<&str> = known.into_iter().collect();
    Failure::Usage(format!(
        "{option}: there is no {name:?}; there is {}",
        known.join(", ")
    ))
}

pub(super) fn parse_place(text: &str) -> Result<(String, PathBuf), String> {
    match text.split_once('=') {
        Some((name, place)) if !name.is_empty() && !place.is_empty() => {
            Ok((name.to_owned(), place.into()))
        }
        _ => Err("write it as NAME=DIR, such as dreams=/models/dreams".to_owned()),
    }
}

/// A name as part of a file name, on every system.
fn slug(name: &str) -> String {
    let mut slug = String::new();
    for c in name.chars() {
        if c.is_alphanumeric() || c == '_' {
            slug.push(c);
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
    }
    let slug: String = slug.chars().take(LONGEST_SLUG).collect();
    match slug.trim_end_matches('-') {
        "" => "recipe".to_owned(),
        slug => slug.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_count_from_one() {
        let shard = |index, count| Ok(Shard { index, count });
        assert_eq!("1/1".parse(), shard(1, 1));
        assert_eq!("8/8".parse(), shard(8, 8));
        for bad in ["0/8", "9/8", "1/0", "1", "a/b", "-1/2", ""] {
            assert!(bad.parse::<Shard>().is_err(), "{bad}");
        }
    }

    #[test]
    fn names_become_file_names() {
        for (name, expected) in [
            ("sunset, late!", "sunset-late"),
            ("../..", "recipe"),
            ("größe_2", "größe_2"),
            ("", "recipe"),
        ] {
            assert_eq!(slug(name), expected);
        }
        assert_eq!(slug(&"x".repeat(99)).len(), LONGEST_SLUG);
    }
}
