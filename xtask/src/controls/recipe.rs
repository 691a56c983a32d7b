//! `assets/controls/recipes.json`: what the shipped controls, and those that they are compared
//! with, are made from.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

/// The list, in the checkout.
pub(super) const RECIPES: &str = "assets/controls/recipes.json";

/// Pictures and peers that can be made again at any time, in the checkout; git ignores it.
const SCRATCH: &str = "target/controls";

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Recipes {
    /// What comes with the program.
    pub(super) controls: Vec<ControlRecipe>,
    /// What the shipped controls are compared with, and what is not good enough to be shipped yet.
    pub(super) peers: Vec<ControlRecipe>,
}

/// One control: what stands on the command line of `vernier train`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ControlRecipe {
    pub(super) name: String,
    #[serde(default)]
    pub(super) kind: ControlKind,
    /// Where it is not the name.
    attribute: Option<String>,
    about: String,
    pub(super) subjects: Vec<String>,
    /// A prompt with more of the attribute and one with less of it, the strongest first.
    #[serde(default)]
    pub(super) pairs: Vec<[String; 2]>,
    #[serde(default)]
    prefixes: Vec<String>,
    /// Pictures of the world that it is trained on.
    pub(super) pictures: Option<PictureRecipe>,
    /// Nouns to calibrate it on, where it is for no subject of its own.
    #[serde(default)]
    pub(super) nouns: Vec<String>,
    /// Attributes to calibrate, one after the other, where it has several.
    #[serde(default)]
    pub(super) attributes: Vec<String>,
    /// Whether the meter cannot read what it moves, so that nothing can calibrate it.
    #[serde(default)]
    pub(super) unread: bool,
    /// Other options without their dashes, such as `"steps": "400"`; an empty value for those that
    /// take none.
    #[serde(default)]
    options: BTreeMap<String, String>,
    /// Whether it stays out of what the program ships.
    #[serde(skip)]
    pub(super) is_peer: bool,
}

/// Options of `train-miniature export-folder`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PictureRecipe {
    /// What they are called; controls that learn from the same pictures say the same.
    name: String,
    count: u32,
    kinds: Vec<String>,
    omit: Vec<String>,
    neutral_light: f64,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ControlKind {
    #[default]
    Direction,
    Slider,
    Value,
    AttAdapter,
}

impl ControlKind {
    /// Its word on the command line.
    fn word(self) -> &'static str {
        match self {
            Self::Direction => "direction",
            Self::Slider => "slider",
            Self::Value => "value",
            Self::AttAdapter => "att-adapter",
        }
    }

    /// Whether its settings are an attribute's own values, not strengths.
    pub(super) fn takes_values(self) -> bool {
        matches!(self, Self::Value | Self::AttAdapter)
    }
}

impl ControlRecipe {
    /// The attribute that it moves, where it moves one.
    pub(super) fn attribute(&self) -> &str {
        self.attribute.as_ref().unwrap_or(&self.name)
    }

    /// Whether it learns the same values from the same pictures as `other`.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        let folders = [self, other].map(ControlRecipe::picture_folder);
        self.kind == other.kind && self.attributes == other.attributes && folders[0] == folders[1]
    }

    /// What people call the way it works.
    pub(super) fn method(&self) -> &'static str {
        match (
            self.kind,
            self.options.get("architecture").map(String::as_str),
        ) {
            (ControlKind::Direction, _) => "direction",
            (ControlKind::Slider, _) => "Concept Slider",
            (ControlKind::Value, _) => "value tokens",
            (ControlKind::AttAdapter, Some("mlp")) => "plain network",
            (ControlKind::AttAdapter, Some("lora-numbers")) => "LoRA and numbers in the prompt",
            (ControlKind::AttAdapter, _) => "Att-Adapter",
        }
    }

    /// The arguments that make `vernier` train it, but for those that depend on the run.
    pub(super) fn arguments(&self) -> Vec<String> {
        let mut args = vec![
            "train".to_owned(),
            self.kind.word().to_owned(),
            self.name.clone(),
        ];
        let mut option = |name: &str, value: &str| {
            args.push(format!("--{name}"));
            if !value.is_empty() || name == "prefix" {
                args.push(value.to_owned());
            }
        };
        option("about", &self.about);
        if self.pictures.is_some() {
            option("data", &self.picture_folder());
            option("csv", &format!("{}/metadata.csv", self.picture_folder()));
        } else {
            option("attribute", self.attribute());
        }
        if !self.subjects.is_empty() {
            option("subjects", &self.subjects.join(","));
        }
        for [positive, negative] in &self.pairs {
            option("positive", positive);
            option("negative", negative);
        }
        for prefix in &self.prefixes {
            option("prefix", prefix);
        }
        for (name, value) in &self.options {
            option(name, value);
        }
        option("out", &self.file());
        args
    }

    /// The arguments that make `train-miniature` write its pictures.
    pub(super) fn picture_arguments(&self) -> Option<Vec<String>> {
        let pictures = self.pictures.as_ref()?;
        let options = [
            ("count", pictures.count.to_string()),
            ("kinds", pictures.kinds.join(",")),
            ("omit", pictures.omit.join(",")),
            ("neutral-light", pictures.neutral_light.to_string()),
            ("out", self.picture_folder()),
        ];
        let mut args = vec!["export-folder".to_owned()];
        for (name, value) in options {
            if !value.is_empty() {
                args.extend([format!("--{name}"), value]);
            }
        }
        Some(args)
    }

    /// Where its pictures are, in the checkout.
    pub(super) fn picture_folder(&self) -> String {
        let pictures = self.pictures.as_ref();
        let name = pictures.map_or(self.name.as_str(), |pictures| &pictures.name);
        format!("{SCRATCH}/pictures-of-{name}")
    }

    /// What to calibrate: the control as `vernier calibrate` names it.
    pub(super) fn calibrated(&self) -> Vec<String> {
        match (self.unread, self.attributes.is_empty()) {
            (true, _) => Vec::new(),
            (false, true) => vec![self.file()],
            (false, false) => {
                let attributes = self.attributes.iter();
                attributes
                    .map(|attribute| format!("{}/{attribute}", self.file()))
                    .collect()
            }
        }
    }

    /// Its file, in the checkout.
    pub(super) fn file(&self) -> String {
        let folder = if self.is_peer {
            SCRATCH
        } else {
            "assets/controls"
        };
        format!("{folder}/{}.safetensors", self.name)
    }
}

/// Reads the list.
pub(super) fn read(path: &Path) -> Result<Recipes> {
    let text = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut recipes: Recipes = serde_json::from_slice(&text)
        .with_context(|| format!("{} is no list of controls", path.display()))?;
    for peer in &mut recipes.peers {
        peer.is_peer = true;
    }
    Ok(recipes)
}

impl Recipes {
    /// The controls that `names` name, in their own order; all that are shipped where there are no
    /// names. A peer is made only when it is named.
    pub(super) fn chosen(self, names: &[String]) -> Result<Vec<ControlRecipe>> {
        let all: Vec<ControlRecipe> = self.controls.into_iter().chain(self.peers).collect();
        for name in names {
            ensure!(
                all.iter().any(|recipe| recipe.name == *name),
                "{RECIPES} has no control {name}; it has {}",
                all.iter()
                    .map(|recipe| recipe.name.as_str())
                    .collect::<Vec<_>>()
                    .join(", ")
            );
        }
        let wanted = |recipe: &ControlRecipe| {
            if names.is_empty() {
                !recipe.is_peer
            } else {
                names.contains(&recipe.name)
            }
        };
        Ok(all.into_iter().filter(wanted).collect())
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::{RECIPES, Recipes, read};

    pub(in crate::controls) fn recipes() -> Recipes {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        read(&root.join(RECIPES)).unwrap()
    }

    #[test]
    fn controls_have_names_of_their_own_and_prompts_or_pictures() {
        let Recipes { controls, peers } = recipes();
        assert!(controls.len() >= 10);
        let all: Vec<_> = controls.iter().chain(&peers).collect();
        let names: BTreeSet<&str> = all.iter().map(|r| r.name.as_str()).collect();
        assert_eq!(names.len(), all.len());
        for recipe in all {
            assert_ne!(recipe.pairs.is_empty(), recipe.pictures.is_none());
            for prompt in recipe.pairs.iter().flatten() {
                assert_eq!(prompt.matches("{subject}").count(), 1, "{prompt}");
            }
        }
    }

    #[test]
    fn a_recipe_becomes_a_command_line() {
        let age = &recipes().controls[0];
        let line = age.arguments().join(" ");
        assert!(
            line.starts_with("train direction age --about From very young to very old"),
            "{line}"
        );
        assert!(line.contains(
            "--attribute age --subjects man,woman,boy,girl --positive a very old {subject}"
        ));
        assert!(
            line.ends_with("--out assets/controls/age.safetensors"),
            "{line}"
        );
        assert_eq!(age.calibrated(), ["assets/controls/age.safetensors"]);
        assert!(age.picture_arguments().is_none());
    }

    #[test]
    fn pictures_are_written_where_the_training_looks_for_them() {
        let recipes = recipes();
        let all = recipes.controls.iter().chain(&recipes.peers);
        let mut of_pictures = all.filter(|r| r.pictures.is_some());
        let recipe = of_pictures.next().unwrap();
        let folder = recipe.picture_folder();
        let written = recipe.picture_arguments().unwrap().join(" ");
        assert!(written.ends_with(&format!("--out {folder}")), "{written}");
        let line = recipe.arguments().join(" ");
        assert!(
            line.contains(&format!("--data {folder} --csv {folder}/metadata.csv")),
            "{line}"
        );
    }

    #[test]
    fn names_choose_and_wrong_ones_are_told() {
        let names = |names: &[&str]| names.iter().map(|&n| n.to_owned()).collect::<Vec<_>>();
        let some = recipes().chosen(&names(&["smile", "age"])).unwrap();
        assert_eq!((some.len(), some[0].name.as_str()), (2, "age"));
        let peer = recipes().peers[0].name.clone();
        let one = recipes().chosen(std::slice::from_ref(&peer)).unwrap();
        assert!(one[0].is_peer && one[0].file().starts_with("target/"));
        let all = recipes().chosen(&[]).unwrap();
        assert!(all.iter().all(|recipe| recipe.name != peer));
        let error = recipes().chosen(&names(&["frown"])).unwrap_err();
        assert!(error.to_string().contains("no control frown; it has age"));
    }
}
