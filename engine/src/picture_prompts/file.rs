//! What a file of an IP-Adapter holds.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::encoder::EncoderNeed;
use super::resampler::ResamplerShape;
use crate::adapters::{Family, file_hash, file_in};
use crate::weights::{NameTable, RenamedFile, Take, TensorFile, TensorHeader, TensorView};
use crate::{EngineError, Result};

/// What the names of its tensors begin with.
const PROJECTION: &str = "image_proj.";
const ATTENTION: &str = "ip_adapter.";

/// The files that a folder of one may hold, as InvokeAI keeps them.
const FILES_OF_FOLDERS: [&str; 2] = ["ip_adapter.safetensors", "ip_adapter.bin"];

/// More layers than any resampler has.
const MOST_LAYERS: usize = 1024;

/// How an adapter makes tokens of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PicturePromptKind {
    /// A few tokens of one embedding.
    Base {
        /// How many.
        tokens: i64,
        /// Width of the embedding.
        embed: i64,
        /// Width of the tokens.
        dim: i64,
    },
    /// Tokens that look at every patch; the face variant is of the same layout.
    Plus(ResamplerShape),
    /// A token for every patch of a face.
    FullFace {
        /// Width of the patches.
        embed: i64,
        /// Width of the tokens.
        dim: i64,
    },
}

/// An IP-Adapter as it lies on disk.
#[derive(Debug)]
pub struct PicturePromptFile {
    file: Rc<TensorFile>,
    /// What it is.
    pub kind: PicturePromptKind,
    /// The numbers of the attention layers that it has keys and values for, in the file's order.
    pub layers: BTreeSet<usize>,
}

/// Whether tensors of these names are an IP-Adapter's.
pub fn is_picture_prompt(headers: &[TensorHeader<'_>]) -> bool {
    let any = |start: &str| headers.iter().any(|h| h.name.starts_with(start));
    any(PROJECTION) && any(ATTENTION)
}

impl PicturePromptKind {
    /// Width of its tokens, which is that of the text that the model reads.
    pub fn dim(&self) -> i64 {
        match self {
            Self::Base { dim, .. } | Self::FullFace { dim, .. } => *dim,
            Self::Plus(shape) => shape.dim,
        }
    }

    /// The image encoder that it needs.
    pub fn need(&self) -> EncoderNeed {
        match self {
            Self::Base { embed, .. } => EncoderNeed::Projected(*embed),
            Self::Plus(ResamplerShape { embed, .. }) | Self::FullFace { embed, .. } => {
                EncoderNeed::Hidden(*embed)
            }
        }
    }

    /// The family of models that it is for.
    pub fn family(&self) -> Family {
        Family::of_width(self.dim())
    }
}

/// In one line: `IP-Adapter Plus, 16 tokens, for Stable Diffusion 1.x, sees through ViT-H/14`.
impl fmt::Display for PicturePromptKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Base { tokens, .. } => write!(f, "IP-Adapter, {tokens} tokens")?,
            Self::Plus(shape) => write!(f, "IP-Adapter Plus, {} tokens", shape.queries)?,
            Self::FullFace { .. } => write!(f, "IP-Adapter Full Face, a token a patch")?,
        }
        write!(f, ", for {}, sees through {}", self.family(), self.need())
    }
}

/// The file in a folder that holds one; anything else as it is.
pub(super) fn file_of(path: &Path) -> PathBuf {
    file_in(path, &FILES_OF_FOLDERS)
}

impl PicturePromptFile {
    /// Opens `path`, a file of either format or a folder that holds one, and reads its header.
    ///
    /// # Errors
    /// The file is missing, damaged, no IP-Adapter, or one of a kind that looks at faces through a
    /// network that is not CLIP.
    pub fn look(path: &Path) -> Result<Self> {
        let file = TensorFile::open(&file_of(path))?;
        let kind = kind_of(&file)?;
        let headers = file.headers();
        let ids = headers.iter().filter_map(|h| {
            let (id, part) = h.name.strip_prefix(ATTENTION)?.split_once('.')?;
            part.ends_with("_ip.weight").then(|| id.parse().ok())?
        });
        let layers = ids.collect();
        Ok(Self {
            kind,
            layers,
            file: Rc::new(file),
        })
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        self.file.path()
    }

    /// SHA-256 of the file in hex.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn hash(&self) -> Result<String> {
        file_hash(self.path())
    }

    /// Shape of the tensor `name`, where there is one.
    pub(super) fn shape(&self, name: &str) -> Option<&[i64]> {
        self.file.shape(name)
    }

    /// All tensors under their own names, for a store of parameters.
    pub(super) fn as_stored(&self) -> RenamedFile {
        as_stored(&self.file, |_| true)
    }
}

/// Those tensors of `file` that `wanted` says, under their own names.
pub(super) fn as_stored(file: &Rc<TensorFile>, wanted: impl Fn(&str) -> bool) -> RenamedFile {
    let names = file.headers().into_iter().map(|h| h.name.to_owned());
    let view = |name: String| {
        let view = TensorView {
            stored: name.clone(),
            take: Take::Whole,
        };
        (name, view)
    };
    let views: BTreeMap<_, _> = names.filter(|name| wanted(name)).map(view).collect();
    RenamedFile {
        file: Rc::clone(file),
        views,
        table: NameTable::default(),
        strangers: Vec::new(),
    }
}

fn kind_of(file: &TensorFile) -> Result<PicturePromptKind> {
    let bad = |problem: &str| EngineError::bad_file(file.path(), problem);
    let headers = file.headers();
    if !is_picture_prompt(&headers) {
        return Err(bad(
            "is no IP-Adapter (it has no image_proj and ip_adapter); take one such as \
             ip-adapter_sd15.safetensors",
        ));
    }
    let shape = |name: &str| file.shape(&format!("{PROJECTION}{name}"));
    let looks_otherwise = shape("perceiver_resampler.proj_in.weight").is_some()
        || (shape("proj.0.weight").is_some() && shape("norm.weight").is_some());
    if looks_otherwise {
        return Err(bad(
            "is a FaceID adapter, which sees faces through InsightFace's network that Vernier does \
             not have; take ip-adapter-plus-face or ip-adapter-full-face, which see through CLIP",
        ));
    }
    let damaged = || bad("has an image projection of unknown layout; fetch or export it again");
    if let (Some(&[out, embed]), Some(&[dim])) = (shape("proj.weight"), shape("norm.weight")) {
        if dim < 1 || out < dim || out % dim != 0 {
            return Err(damaged());
        }
        let tokens = out / dim;
        return Ok(PicturePromptKind::Base { tokens, embed, dim });
    }
    if let (Some(&[_, embed]), Some(&[dim])) = (shape("proj.0.weight"), shape("proj.3.weight")) {
        return Ok(PicturePromptKind::FullFace { embed, dim });
    }
    let latents = shape("latents");
    let (Some(&[_, queries, hidden]), Some(&[_, embed])) = (latents, shape("proj_in.weight"))
    else {
        return Err(damaged());
    };
    let first = |name: &str| shape(name).and_then(|s| s.first().copied());
    let sizes = (
        first("layers.0.0.to_q.weight"),
        first("layers.0.1.1.weight"),
        first("proj_out.weight"),
    );
    let (Some(attention), Some(feed_forward), Some(dim)) = sizes else {
        return Err(damaged());
    };
    if attention < 64 || attention % 64 != 0 {
        return Err(damaged());
    }
    let depth =
        (0..MOST_LAYERS).take_while(|i| first(&format!("layers.{i}.0.to_q.weight")).is_some());
    Ok(PicturePromptKind::Plus(ResamplerShape {
        queries,
        embed,
        hidden,
        attention,
        feed_forward,
        depth: depth.count() as i64,
        dim,
    }))
}
