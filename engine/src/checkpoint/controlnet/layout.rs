//! Which names a ControlNet's file has, and what a file holds that is none.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::rc::Rc;

use crate::adapters::Family;
use crate::models::controlnet::{ControlNetConfig, original_controlnet_names};
use crate::weights::{NamePair, NameTable, RenamedFile, Take, TensorFile, TensorView};
use crate::{EngineError, Result};

/// What trainers and the original code put before all names.
const WRAPPERS: [&str; 4] = [
    "",
    "control_model.",
    "state_dict.",
    "state_dict.control_model.",
];
/// What lies beside a ControlNet in files of a whole model.
const OF_THE_MODEL: [&str; 3] = [
    "model.diffusion_model.",
    "first_stage_model.",
    "cond_stage_model.",
];

/// A sign of something else, and what that is.
const OTHERS: [(&str, &str); 12] = [
    (
        "lora_controlnet",
        "is a control-LoRA, which is not supported; take the full ControlNet",
    ),
    (
        "lllite_",
        "is a ControlNet-LLLite, which is not supported; take a full ControlNet",
    ),
    (
        "control_add_embedding.",
        "is a ControlNet-Union, which is not supported; take a ControlNet for one kind of map",
    ),
    (
        "task_embedding",
        "is a ControlNet-Union, which is not supported; take a ControlNet for one kind of map",
    ),
    (
        "controlnet_x_embedder.",
        "is a ControlNet for FLUX, which is not supported; take one for Stable Diffusion 1.x, 2.x \
         or XL",
    ),
    (
        "controlnet_blocks.",
        "is a ControlNet for a diffusion transformer, which is not supported; take one for Stable \
         Diffusion 1.x, 2.x or XL",
    ),
    (
        "adapter.body.",
        "is a T2I-Adapter, which is not supported; take a ControlNet",
    ),
    (
        "body.0.in_conv.",
        "is a T2I-Adapter, which is not supported; take a ControlNet",
    ),
    (
        "ip_adapter.",
        "is an IP-Adapter, which is no ControlNet; it follows a picture by other means",
    ),
    (
        "up_blocks.",
        "is a U-Net and no ControlNet; give the folder above it as a model",
    ),
    ("lora_unet_", "is a LoRA; give it with --lora"),
    (
        "model.diffusion_model.",
        "is a model and no ControlNet; give it with --model",
    ),
];

/// A ControlNet's tensors under one dialect's names.
#[derive(Debug)]
pub(super) struct Layout {
    /// Put before every name.
    wrapper: &'static str,
    original: bool,
    /// Shapes by name behind the wrapper.
    shapes: BTreeMap<String, Vec<i64>>,
    /// Whole names that belong neither to the ControlNet nor to the model around it.
    strangers: Vec<String>,
}

impl Layout {
    /// The layout of the tensors of `files`, which errors call `path`.
    pub(super) fn of(files: &[Rc<TensorFile>], path: &Path) -> Result<Self> {
        let headers: Vec<_> = files.iter().flat_map(|file| file.headers()).collect();
        let names: BTreeSet<&str> = headers.iter().map(|header| header.name).collect();
        let found = WRAPPERS.into_iter().find_map(|wrapper| {
            let has = |name: &str| names.contains(format!("{wrapper}{name}").as_str());
            let original = has("input_hint_block.0.weight");
            let known = original || has("controlnet_cond_embedding.conv_in.weight");
            known.then_some((wrapper, original))
        });
        let refuse = |problem: &str| Err(EngineError::bad_file(path, problem));
        let sign = |sign: &str| names.iter().any(|name| name.contains(sign));
        let Some((wrapper, original)) = found else {
            let other = OTHERS.iter().find(|(part, _)| sign(part));
            return refuse(other.map_or(
                "is no ControlNet: it has neither controlnet_cond_embedding nor input_hint_block",
                |(_, what)| what,
            ));
        };
        if let Some((_, what)) = OTHERS[..4].iter().find(|(part, _)| sign(part)) {
            return refuse(what);
        }
        if names.contains("difference") {
            return refuse(
                "holds the difference of a ControlNet to a model, which is not supported; take the \
                 full ControlNet",
            );
        }
        let mut shapes = BTreeMap::new();
        let mut strangers = Vec::new();
        let outer = wrapper.trim_end_matches("control_model.");
        for header in &headers {
            let bare = header.name.strip_prefix(outer).unwrap_or(header.name);
            match header.name.strip_prefix(wrapper) {
                Some(name) => {
                    shapes.insert(name.to_owned(), header.shape.to_vec());
                }
                None if wrapper.ends_with("control_model.") && is_of_the_model(bare) => {}
                None => strangers.push(header.name.to_owned()),
            }
        }
        Ok(Self {
            wrapper,
            original,
            shapes,
            strangers,
        })
    }

    pub(super) fn is_original(&self) -> bool {
        self.original
    }

    pub(super) fn shape(&self, name: &str) -> Option<&[i64]> {
        self.shapes.get(name).map(Vec::as_slice)
    }

    pub(super) fn has_under(&self, prefix: &str) -> bool {
        let mut from = self.shapes.range(prefix.to_owned()..);
        from.next()
            .is_some_and(|(name, _)| name.starts_with(prefix))
    }

    /// How wide the text is that it reads; `None` where it reads none.
    pub(super) fn text_width(&self) -> Option<i64> {
        let mut all = self.shapes.iter();
        all.find_map(|(name, shape)| {
            let reads_text = name.ends_with("attn2.to_k.weight");
            shape.get(1).copied().filter(|_| reads_text)
        })
    }

    /// The family of models that it is for, by the text that it reads; of those that read none only
    /// XL's are told sizes.
    pub(super) fn family(&self) -> Family {
        let mut told_sizes = ["add_embedding.", "label_emb."].iter();
        match self.text_width() {
            Some(width) => Family::of_width(width),
            None if told_sizes.any(|name| self.has_under(name)) => Family::Sdxl,
            None => Family::Other("a model of another design".to_owned()),
        }
    }

    /// The tensors of `file` by our names.
    pub(super) fn renamed(
        &self,
        config: &ControlNetConfig,
        file: &Rc<TensorFile>,
    ) -> Result<RenamedFile> {
        let pairs = if self.original {
            original_controlnet_names(config, file.path())?
        } else {
            Vec::new()
        };
        let pairs = pairs.into_iter().map(|(ours, theirs)| NamePair {
            ours,
            theirs,
            take: Take::Whole,
        });
        let table = NameTable::new(pairs.collect());
        let mut views = BTreeMap::new();
        let mut strangers = self.strangers.clone();
        for name in self.shapes.keys() {
            let stored = format!("{}{name}", self.wrapper);
            let ours = if self.original {
                table.ours(name)
            } else {
                vec![(name.clone(), Take::Whole)]
            };
            if ours.is_empty() {
                strangers.push(stored.clone());
            }
            views.extend(ours.into_iter().map(|(ours, take)| {
                let stored = stored.clone();
                (ours, TensorView { stored, take })
            }));
        }
        Ok(RenamedFile {
            file: Rc::clone(file),
            views,
            table,
            strangers,
        })
    }
}

/// Whether a tensor belongs to the model that a ControlNet was saved with: its parts, and the noise
/// schedule's tables, which lie at the top.
fn is_of_the_model(name: &str) -> bool {
    OF_THE_MODEL.iter().any(|part| name.starts_with(part)) || !name.contains('.')
}
