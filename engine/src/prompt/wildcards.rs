//! Prompts that leave something to chance, as dynamic prompts do in other programs: `{red|blue}`
//! is one of its parts, `{3::red|blue}` is red three times out of four, `__colour__` is one line
//! of the file `colour.txt`. What is chosen depends on the picture's seed alone.

use std::path::PathBuf;

use crate::recipe::Recipe;
use crate::{EngineError, Result};

/// Choices within choices and files within files go this deep; deeper ones run in circles.
const MAX_DEPTH: usize = 16;
/// Longest prompt that choices may make, in bytes.
const MAX_BYTES: usize = 64 << 10;

/// Folders of files to choose lines from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wildcards {
    folders: Vec<PathBuf>,
}

impl Wildcards {
    /// Looks for files in `folders`, in this order.
    pub fn new(folders: Vec<PathBuf>) -> Self {
        Self { folders }
    }

    /// `recipe` with everything chosen that its prompts leave open; one that leaves nothing open
    /// comes back as it is.
    ///
    /// # Errors
    /// A file is missing, empty or cannot be read, or choices run in circles.
    pub fn resolved(&self, recipe: &Recipe) -> Result<Recipe> {
        let mut recipe = recipe.clone();
        let seed = recipe.seed;
        recipe.prompt = self.chosen(&recipe.prompt, seed)?;
        // Of its own, so that a choice in the prompt does not decide one in the negative prompt.
        recipe.negative_prompt = self.chosen(&recipe.negative_prompt, !seed)?;
        for (region, number) in recipe.regions.iter_mut().zip(1_u64..) {
            region.prompt = self.chosen(&region.prompt, seed.rotate_left(8) ^ number)?;
        }
        Ok(recipe)
    }

    /// `prompt` with everything chosen that it leaves open, the same for the same `seed`.
    ///
    /// # Errors
    /// As [`Wildcards::resolved`].
    pub fn chosen(&self, prompt: &str, seed: u64) -> Result<String> {
        if find_open(prompt).is_none() {
            return Ok(prompt.to_owned());
        }
        let mut chance = Chance(seed);
        self.choose(prompt, &mut chance, 0)
    }

    fn choose(&self, text: &str, chance: &mut Chance, depth: usize) -> Result<String> {
        if depth > MAX_DEPTH {
            let problem = "its choices run in circles; a wildcard file must not name itself";
            return Err(EngineError::request("prompt", problem));
        }
        let mut chosen = String::new();
        let mut rest = text;
        while let Some((at, open)) = find_open(rest) {
            chosen.push_str(&rest[..at]);
            let (part, length) = match open {
                Open::Choice { parts, length } => (pick(&parts, chance).to_owned(), length),
                Open::File { name, length } => (self.line_of(name, chance)?, length),
            };
            chosen.push_str(&self.choose(&part, chance, depth + 1)?);
            if chosen.len() > MAX_BYTES {
                let problem = "its choices make it longer than any model can read; shorten them";
                return Err(EngineError::request("prompt", problem));
            }
            rest = &rest[at + length..];
        }
        chosen.push_str(rest);
        Ok(chosen)
    }

    fn line_of(&self, name: &str, chance: &mut Chance) -> Result<String> {
        let file = format!("{name}.txt");
        let mut places = self.folders.iter().map(|folder| folder.join(&file));
        let Some(path) = places.find(|path| path.is_file()) else {
            return Err(self.no_file(name));
        };
        let text = std::fs::read_to_string(&path).map_err(|e| EngineError::io(&path, e))?;
        let lines: Vec<&str> = text
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty() && !line.starts_with('#'))
            .collect();
        if lines.is_empty() {
            return Err(EngineError::bad_file(
                &path,
                "has no line to choose from; write one choice a line",
            ));
        }
        Ok(pick(&weighted(lines), chance).to_owned())
    }

    fn no_file(&self, name: &str) -> EngineError {
        let looked = self.folders.iter();
        let looked: Vec<String> = looked.map(|f| f.display().to_string()).collect();
        let problem = if looked.is_empty() {
            "there is no folder of wildcard files to choose a line from; name one".to_owned()
        } else {
            format!(
                "there is no file {name}.txt in {}; put one there, with one choice a line",
                looked.join(" or ")
            )
        };
        EngineError::request(format!("prompt, __{name}__"), problem)
    }
}

/// A part of a prompt that is left open; `length` is how many bytes it takes there.
enum Open<'a> {
    Choice {
        parts: Vec<(f64, &'a str)>,
        length: usize,
    },
    File {
        name: &'a str,
        length: usize,
    },
}

/// The first part of `text` that is left open, and where it begins. Braces without a bar between
/// them are words like any other.
fn find_open(text: &str) -> Option<(usize, Open<'_>)> {
    let mut from = 0;
    loop {
        let at = from + text[from..].find(['{', '_'])?;
        let found = if text[at..].starts_with('{') {
            choice_at(&text[at..])
        } else {
            file_at(&text[at..])
        };
        if let Some(open) = found {
            return Some((at, open));
        }
        from = at + 1;
    }
}

/// `{a|b}` at the start of `text`, split at the bars that are not in inner braces.
fn choice_at(text: &str) -> Option<Open<'_>> {
    let mut depth = 0;
    let mut parts = Vec::new();
    let mut start = 1;
    for (at, letter) in text.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' => depth -= 1,
            '|' if depth == 1 => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
        if depth == 0 {
            if parts.is_empty() {
                return None;
            }
            parts.push(&text[start..at]);
            let length = at + 1;
            return Some(Open::Choice {
                parts: weighted(parts),
                length,
            });
        }
    }
    None
}

/// `__name__` at the start of `text`.
fn file_at(text: &str) -> Option<Open<'_>> {
    let inner = text.strip_prefix("__")?;
    let end = inner.find("__")?;
    let name = &inner[..end];
    let fits = |c: char| c.is_alphanumeric() || "-_/ ".contains(c);
    let is_name = !name.is_empty()
        && name.chars().all(fits)
        && name.split('/').all(|part| !part.trim().is_empty());
    is_name.then_some(Open::File {
        name,
        length: end + 4,
    })
}

/// Parts with their weights: `3::red` weighs three times as much as `red`.
fn weighted(parts: Vec<&str>) -> Vec<(f64, &str)> {
    let split = |part| -> Option<(f64, &str)> {
        let (weight, text) = str::split_once(part, "::")?;
        let weight: f64 = weight.trim().parse().ok()?;
        (weight >= 0.0 && weight.is_finite()).then_some((weight, text))
    };
    let parts = parts.into_iter();
    parts
        .map(|part| split(part).unwrap_or((1.0, part)))
        .collect()
}

fn pick<'a>(parts: &[(f64, &'a str)], chance: &mut Chance) -> &'a str {
    let total: f64 = parts.iter().map(|(weight, _)| weight).sum();
    let mut at = chance.fraction() * total;
    for (weight, part) in parts {
        if at < *weight {
            return part;
        }
        at -= weight;
    }
    parts.last().map_or("", |(_, part)| part)
}

/// SplitMix64: choices need no better source.
struct Chance(u64);

impl Chance {
    fn fraction(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::recipe::tests::sample;

    fn counts(prompt: &str, wildcards: &Wildcards) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for seed in 0..800 {
            let chosen = wildcards.chosen(prompt, seed).unwrap();
            *counts.entry(chosen).or_default() += 1;
        }
        counts
    }

    #[test]
    fn every_part_has_its_turn_and_its_weight() {
        let plain = Wildcards::default();
        let found = counts("a {red|blue} car", &plain);
        assert_eq!(
            found.keys().collect::<Vec<_>>(),
            ["a blue car", "a red car"]
        );
        assert!((350..450).contains(&found["a red car"]), "{found:?}");
        let found = counts("{3::red|blue}", &plain);
        assert!((550..650).contains(&found["red"]), "{found:?}");
        let found = counts("{a {small|large} dog|a cat}", &plain);
        let all: Vec<&String> = found.keys().collect();
        assert_eq!(all, ["a cat", "a large dog", "a small dog"]);
        assert!((350..450).contains(&found["a cat"]), "{found:?}");
    }

    #[test]
    fn lines_of_files_are_chosen_and_may_choose_themselves() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        write("hair/colour.txt", "# hues\nred\n\n{dark|fair} brown\n");
        write("empty.txt", "# nothing\n");
        write("circle.txt", "on __circle__\n");
        let wildcards = Wildcards::new(vec![folder.path().to_owned()]);
        let found = counts("__hair/colour__ hair", &wildcards);
        let all: Vec<&String> = found.keys().collect();
        assert_eq!(all, ["dark brown hair", "fair brown hair", "red hair"]);
        for (prompt, said) in [
            ("__empty__", "no line"),
            ("__gone__", "no file gone.txt"),
            ("__circle__", "circles"),
        ] {
            let problem = wildcards.chosen(prompt, 1).unwrap_err().to_string();
            assert!(problem.contains(said), "{problem}");
        }
    }

    #[test]
    fn a_recipe_is_resolved_by_its_seed() {
        let mut recipe = sample();
        assert_eq!(Wildcards::default().resolved(&recipe).unwrap(), recipe);
        recipe.prompt = "a {1|2|3|4|5|6|7|8}".to_owned();
        recipe.negative_prompt = "a {1|2|3|4|5|6|7|8}".to_owned();
        let mut differ = false;
        for seed in 0..20 {
            recipe.seed = seed;
            let resolved = Wildcards::default().resolved(&recipe).unwrap();
            assert_eq!(Wildcards::default().resolved(&resolved).unwrap(), resolved);
            differ |= resolved.prompt != resolved.negative_prompt;
        }
        assert!(differ);
    }

    proptest! {
        #[test]
        fn words_without_choices_stay_and_any_text_ends(text in any::<String>(), seed in any::<u64>()) {
            let plain: String = text.chars().filter(|c| !"{}|_".contains(*c)).collect();
            prop_assert_eq!(Wildcards::default().chosen(&plain, seed).unwrap(), plain);
            // Whatever it is, it ends, and without files only choices are made.
            let _ = Wildcards::default().chosen(&text, seed);
        }

        #[test]
        fn what_is_chosen_is_one_of_the_parts(
            parts in proptest::collection::vec("[a-z ]{0,6}", 2..6),
            seed in any::<u64>(),
        ) {
            let prompt = format!("x {{{}}} y", parts.join("|"));
            let chosen = Wildcards::default().chosen(&prompt, seed).unwrap();
            let is_one = |part: &String| chosen == format!("x {part} y");
            prop_assert!(parts.iter().any(is_one), "{}", chosen);
        }
    }
}
