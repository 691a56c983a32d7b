//! What a file of tensors is for.

use std::collections::BTreeSet;
use std::fmt;

use tch::{Device, Kind};

use super::delta_file;
use crate::Result;
use crate::models::unet::LORA_PREFIX;
use crate::weights::{TensorFile, TensorHeader};

/// What a file of tensors is for, by the names in it.
#[derive(Debug, Clone, PartialEq)]
pub enum TensorKind {
    /// Attribute directions ([`read_delta`](delta_file::read_delta)).
    Delta {
        /// Text encoders and lengths of their vectors.
        encoders: Vec<(String, i64)>,
    },
    /// A LoRA, which a Concept Slider is too.
    Lora {
        /// Layers of the U-Net.
        unet_layers: usize,
        /// Layers of text encoders.
        text_layers: usize,
        /// Every rank that occurs.
        ranks: BTreeSet<i64>,
        /// Every alpha that occurs, as text; empty where no layer says.
        alphas: BTreeSet<String>,
    },
    /// A textual inversion's embeddings.
    TextualInversion {
        /// Tokens.
        tokens: i64,
        /// Length of each.
        dim: i64,
    },
    /// A whole model in one file, with the original code's names.
    Checkpoint,
}

impl TensorKind {
    /// What `file` is for, or `None` where its names do not tell.
    ///
    /// # Errors
    /// An `alpha` cannot be read.
    pub fn of(file: &TensorFile) -> Result<Option<Self>> {
        let headers = file.headers();
        let any_has = |part: &str| headers.iter().any(|h| h.name.contains(part));
        if headers
            .iter()
            .all(|h| h.name.starts_with(delta_file::PREFIX))
            && !headers.is_empty()
        {
            return Ok(Some(delta(&headers)));
        }
        if any_has(".lora_down.weight") {
            return lora(file, &headers).map(Some);
        }
        if any_has("model.diffusion_model.") {
            return Ok(Some(Self::Checkpoint));
        }
        Ok(inversion(&headers))
    }
}

fn delta(headers: &[TensorHeader<'_>]) -> TensorKind {
    let encoders = headers.iter().map(|header| {
        let name = header.name.trim_start_matches(delta_file::PREFIX);
        (name.to_owned(), header.numel())
    });
    TensorKind::Delta {
        encoders: encoders.collect(),
    }
}

fn lora(file: &TensorFile, headers: &[TensorHeader<'_>]) -> Result<TensorKind> {
    let (mut unet_layers, mut text_layers) = (0, 0);
    let (mut ranks, mut alphas) = (BTreeSet::new(), BTreeSet::new());
    for header in headers {
        let (layer, part) = header.name.split_once('.').unwrap_or((header.name, ""));
        match part {
            "lora_down.weight" => {
                ranks.extend(header.shape.first());
                if layer.starts_with(LORA_PREFIX) {
                    unet_layers += 1;
                } else {
                    text_layers += 1;
                }
            }
            "alpha" if header.numel() == 1 => {
                let alpha = file.require(header.name, Kind::Double, Device::Cpu)?;
                let alpha = f64::try_from(alpha.f_reshape([1])?.f_squeeze()?)?;
                alphas.insert(alpha.to_string());
            }
            _ => {}
        }
    }
    Ok(TensorKind::Lora {
        unet_layers,
        text_layers,
        ranks,
        alphas,
    })
}

/// The names that trainers give a textual inversion's one tensor.
fn inversion(headers: &[TensorHeader<'_>]) -> Option<TensorKind> {
    let header = headers.iter().find(|h| {
        h.name.starts_with("string_to_param.") || h.name == "emb_params" || h.name == "clip_l"
    })?;
    match *header.shape {
        [dim] => Some(TensorKind::TextualInversion { tokens: 1, dim }),
        [tokens, dim] => Some(TensorKind::TextualInversion { tokens, dim }),
        _ => None,
    }
}

impl fmt::Display for TensorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Delta { encoders } => {
                let encoders: Vec<String> = encoders
                    .iter()
                    .map(|(name, dim)| format!("{name} ({dim})"))
                    .collect();
                write!(f, "attribute direction for {}", encoders.join(" and "))
            }
            Self::Lora {
                unet_layers,
                text_layers,
                ranks,
                alphas,
            } => {
                write!(
                    f,
                    "slider or other LoRA, layers: {unet_layers} of the U-Net"
                )?;
                if *text_layers > 0 {
                    write!(f, ", {text_layers} of text encoders")?;
                }
                let ranks: Vec<String> = ranks.iter().map(i64::to_string).collect();
                write!(f, "; rank {}", ranks.join(", "))?;
                if alphas.is_empty() {
                    write!(f, "; without alpha")
                } else {
                    let alphas: Vec<&str> = alphas.iter().map(String::as_str).collect();
                    write!(f, "; alpha {}", alphas.join(", "))
                }
            }
            Self::TextualInversion { tokens, dim } => {
                write!(f, "textual inversion, [tokens, dim] {:?}", [tokens, dim])
            }
            Self::Checkpoint => {
                write!(
                    f,
                    "a whole model in one file, with the original code's names"
                )
            }
        }
    }
}
