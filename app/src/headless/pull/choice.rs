//! Which files of a repository make the model that is wanted.

use crate::failure::Failure;

/// What a repository in diffusers layout has at its root.
const MODEL_INDEX: &str = "model_index.json";
/// Folders of a model in diffusers layout that a render reads.
const COMPONENTS: [&str; 7] = [
    "scheduler",
    "text_encoder",
    "text_encoder_2",
    "tokenizer",
    "tokenizer_2",
    "unet",
    "vae",
];
/// Folders of those whose files are weights.
const WEIGHTED: [&str; 4] = ["text_encoder", "text_encoder_2", "unet", "vae"];
/// What weights are called in them.
pub(super) const WEIGHTS: [&str; 3] = ["diffusion_pytorch_model", "model", "pytorch_model"];
/// Endings of weights, the better first.
const ENDINGS: [&str; 5] = ["safetensors", "bin", "ckpt", "pth", "pt"];
/// Files that a message names at most.
const NAMED: usize = 20;

/// What to download.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Choice {
    /// The files of a model in diffusers layout.
    Folder(Vec<String>),
    /// Files that are each of use alone.
    Files(Vec<String>),
}

/// Chooses among the `names` of a repository's files: `files` where the artist names some, else
/// the model in diffusers layout with the weights of `variant`, else the only file of weights.
pub(super) fn choose(
    repository: &str,
    names: &[String],
    files: &[String],
    variant: Option<&str>,
) -> Result<Choice, Failure> {
    if !files.is_empty() {
        if let Some(missing) = files.iter().find(|file| !names.contains(file)) {
            return Err(Failure::Usage(format!(
                "{repository} has no file {missing}; it has {}",
                listed(&weights(names))
            )));
        }
        return Ok(Choice::Files(files.to_vec()));
    }
    if names.iter().any(|name| name == MODEL_INDEX) {
        return folder(repository, names, variant).map(Choice::Folder);
    }
    // One network in diffusers layout, such as a ControlNet.
    let at_root: Vec<&str> = names.iter().map(String::as_str).collect();
    if names.iter().any(|name| name == "config.json")
        && let Some(([only], _)) = weights_of(&at_root, variant)
            .as_ref()
            .map(|(f, v)| (&f[..], v))
    {
        return Ok(Choice::Files(vec![(*only).to_owned()]));
    }
    let candidates = weights(names);
    match candidates.as_slice() {
        [] => Err(Failure::Failed(format!(
            "{repository} has no weights that could be used: no {MODEL_INDEX}, and no file that \
             ends with .{}",
            ENDINGS.join(", .")
        ))),
        [only] => Ok(Choice::Files(vec![(*only).to_owned()])),
        several => Err(Failure::Usage(format!(
            "{repository} has several files; choose with --file: {}",
            listed(several)
        ))),
    }
}

fn folder(
    repository: &str,
    names: &[String],
    variant: Option<&str>,
) -> Result<Vec<String>, Failure> {
    let mut chosen = vec![MODEL_INDEX.to_owned()];
    let mut has_variant = false;
    for component in COMPONENTS {
        let inside = names.iter().filter_map(|name| {
            let file = name.strip_prefix(component)?.strip_prefix('/')?;
            (!file.contains('/')).then_some(file)
        });
        let inside: Vec<&str> = inside.collect();
        let mut add = |file: &str| chosen.push(format!("{component}/{file}"));
        if !WEIGHTED.contains(&component) {
            inside.into_iter().for_each(&mut add);
            continue;
        }
        if inside.contains(&"config.json") {
            add("config.json");
        }
        let Some((files, is_variant)) = weights_of(&inside, variant) else {
            if inside.is_empty() {
                continue;
            }
            return Err(Failure::Failed(format!(
                "{repository}: {component} has no weights that could be used, it has {}",
                inside.join(", ")
            )));
        };
        has_variant |= is_variant;
        files.into_iter().for_each(&mut add);
    }
    match variant {
        Some(variant) if !has_variant => Err(Failure::Usage(format!(
            "{repository} has no variant {variant}; leave --variant out for the one that it has"
        ))),
        _ => Ok(chosen),
    }
}

/// The files of a component's weights, and whether they are of `variant`: as Python diffusers, the
/// plain ones stand in where the variant is missing.
fn weights_of<'a>(inside: &[&'a str], variant: Option<&str>) -> Option<(Vec<&'a str>, bool)> {
    let wanted = variant.map(Some).into_iter().chain([None]);
    for of_variant in wanted {
        for ending in &ENDINGS[..2] {
            let of_these = |file: &&&str| {
                WeightsName::of(file).is_some_and(|name| {
                    name.variant == of_variant && name.ending == *ending && !name.is_index
                })
            };
            let mut files: Vec<&str> = inside.iter().filter(of_these).copied().collect();
            // One kind of name: a text encoder's may lie there under two.
            let base = |file: &str| WeightsName::of(file).map(|name| name.base.to_owned());
            let Some(first) = files.first().map(|file| base(file)) else {
                continue;
            };
            files.retain(|file| base(file) == first);
            let index = inside.iter().filter(|file| {
                WeightsName::of(file).is_some_and(|name| {
                    name.is_index && name.variant == of_variant && name.ending == *ending
                })
            });
            let is_sharded = files.len() > 1;
            files.extend(index.filter(|_| is_sharded));
            return Some((files, of_variant.is_some()));
        }
    }
    None
}

/// The parts of a weights file's name, such as `model.fp16-00001-of-00002.safetensors`.
struct WeightsName<'a> {
    base: &'a str,
    variant: Option<&'a str>,
    ending: &'a str,
    /// Whether it lists the tensors of several files.
    is_index: bool,
}

impl<'a> WeightsName<'a> {
    fn of(file: &'a str) -> Option<Self> {
        let mut base = None;
        let (mut variant, mut ending, mut is_index) = (None, None, false);
        let list = file.strip_suffix(".json");
        for part in list.unwrap_or(file).split('.') {
            // `-00001-of-00002` stands behind the base or the variant.
            let part = match part.find("-0") {
                Some(at) if part.contains("-of-") => &part[..at],
                _ => part,
            };
            if base.is_none() {
                base = WEIGHTS.iter().find(|&&w| w == part).map(|_| part);
                base?;
            } else if ENDINGS.contains(&part) {
                ending = Some(part);
            } else if part == "index" {
                is_index = true;
            } else if variant.replace(part).is_some() {
                return None;
            }
        }
        if is_index != list.is_some() {
            return None;
        }
        Some(Self {
            base: base?,
            variant,
            ending: ending?,
            is_index,
        })
    }
}

/// Files of weights that may be of use alone: the safest format that there is.
fn weights(names: &[String]) -> Vec<&str> {
    for ending in ENDINGS {
        let of = |name: &&str| name.rsplit_once('.').is_some_and(|(_, e)| e == ending);
        let found: Vec<&str> = names.iter().map(String::as_str).filter(of).collect();
        if !found.is_empty() {
            return found;
        }
    }
    Vec::new()
}

fn listed(names: &[&str]) -> String {
    let text = names[..names.len().min(NAMED)].join(", ");
    match names.len() {
        0 => "none".to_owned(),
        few if few <= NAMED => text,
        many => format!("{text} and {} more", many - NAMED),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    /// What a repository of Stable Diffusion 1.5 looks like.
    fn usual() -> Vec<String> {
        names(&[
            ".gitattributes",
            "README.md",
            "feature_extractor/preprocessor_config.json",
            "model_index.json",
            "safety_checker/model.safetensors",
            "scheduler/scheduler_config.json",
            "text_encoder/config.json",
            "text_encoder/model.fp16.safetensors",
            "text_encoder/model.safetensors",
            "text_encoder/pytorch_model.bin",
            "tokenizer/merges.txt",
            "tokenizer/vocab.json",
            "unet/config.json",
            "unet/diffusion_pytorch_model.bin",
            "unet/diffusion_pytorch_model.fp16.safetensors",
            "unet/diffusion_pytorch_model.non_ema.safetensors",
            "unet/diffusion_pytorch_model.safetensors",
            "v1-5-pruned.ckpt",
            "v1-5-pruned.safetensors",
            "vae/config.json",
            "vae/diffusion_pytorch_model.bin",
        ])
    }

    fn chosen(names: &[String], variant: Option<&str>) -> Vec<String> {
        match choose("a/b", names, &[], variant) {
            Ok(Choice::Folder(files)) => files,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_model_in_folders_is_what_a_render_reads() {
        let files = chosen(&usual(), None);
        assert_eq!(
            files,
            [
                "model_index.json",
                "scheduler/scheduler_config.json",
                "text_encoder/config.json",
                "text_encoder/model.safetensors",
                "tokenizer/merges.txt",
                "tokenizer/vocab.json",
                "unet/config.json",
                "unet/diffusion_pytorch_model.safetensors",
                "vae/config.json",
                "vae/diffusion_pytorch_model.bin",
            ]
        );
    }

    #[test]
    fn a_variant_is_taken_where_it_is_there() {
        let files = chosen(&usual(), Some("fp16"));
        assert!(files.contains(&"unet/diffusion_pytorch_model.fp16.safetensors".to_owned()));
        assert!(files.contains(&"vae/diffusion_pytorch_model.bin".to_owned()));
        assert!(!files.iter().any(|f| f.contains("non_ema")));
        let error = choose("a/b", &usual(), &[], Some("fp8")).unwrap_err();
        assert!(error.to_string().contains("no variant fp8"), "{error}");
    }

    #[test]
    fn parts_of_weights_come_with_their_list() {
        let mut all = usual();
        all.retain(|name| !name.starts_with("unet/diff"));
        all.extend(names(&[
            "unet/diffusion_pytorch_model-00001-of-00002.safetensors",
            "unet/diffusion_pytorch_model-00002-of-00002.safetensors",
            "unet/diffusion_pytorch_model.fp16-00001-of-00001.safetensors",
            "unet/diffusion_pytorch_model.safetensors.index.fp16.json",
            "unet/diffusion_pytorch_model.safetensors.index.json",
        ]));
        let unet: Vec<String> = chosen(&all, None)
            .into_iter()
            .filter(|name| name.starts_with("unet/diff"))
            .collect();
        assert_eq!(
            unet,
            [
                "unet/diffusion_pytorch_model-00001-of-00002.safetensors",
                "unet/diffusion_pytorch_model-00002-of-00002.safetensors",
                "unet/diffusion_pytorch_model.safetensors.index.json",
            ]
        );
    }

    #[test]
    fn single_files_are_taken_or_asked_for() {
        let one = names(&["README.md", "ink.safetensors", "ink.ckpt"]);
        let choice = choose("a/b", &one, &[], None).unwrap();
        assert_eq!(choice, Choice::Files(names(&["ink.safetensors"])));
        let two = names(&["a.safetensors", "b.safetensors"]);
        let error = choose("a/b", &two, &[], None).unwrap_err().to_string();
        assert!(error.contains("choose with --file: a.safetensors, b.safetensors"));
        let named = choose("a/b", &two, &names(&["b.safetensors"]), None).unwrap();
        assert_eq!(named, Choice::Files(names(&["b.safetensors"])));
        let error = choose("a/b", &two, &names(&["c"]), None).unwrap_err();
        assert!(error.to_string().contains("has no file c"), "{error}");
        let error = choose("a/b", &names(&["README.md"]), &[], None).unwrap_err();
        assert!(error.to_string().contains("no weights"), "{error}");
    }

    #[test]
    fn one_network_is_taken_in_the_variant_that_is_wanted() {
        let net = names(&[
            "config.json",
            "diffusion_pytorch_model.bin",
            "diffusion_pytorch_model.fp16.safetensors",
            "diffusion_pytorch_model.safetensors",
            "images/input.png",
        ]);
        for (variant, file) in [(None, &net[3]), (Some("fp16"), &net[2])] {
            let choice = choose("a/b", &net, &[], variant).unwrap();
            assert_eq!(choice, Choice::Files(vec![file.clone()]));
        }
    }

    #[test]
    fn a_component_without_weights_is_named() {
        let mut all = usual();
        all.retain(|name| !name.starts_with("vae/diff"));
        let error = choose("a/b", &all, &[], None).unwrap_err();
        assert!(error.to_string().contains("vae has no weights"), "{error}");
    }
}
