//! Att-Adapter (arXiv 2503.11937): attribute values feed a second cross-attention beside the text's.
//!
//! A conditional variational autoencoder learns which image features go with which values, so that
//! at render time the values alone give them. Two simpler ways to use the same data stand beside
//! it for comparison: a plain network, and a LoRA with the numbers in the prompt.

mod cvae;
mod network;
mod numbers;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor};

use super::values;
use super::{AttributeRange, AttributeValues, ControlFile, ControlInfo, OutsideRange, Slider};
use crate::layers::DecoupledBranch;
use crate::models::unet::UNet;
use crate::weights::ParamStore;
use crate::{EngineError, Result};

pub use cvae::{CvaeLoss, Recogniser};
pub use network::{AdapterNetwork, AdapterShape, SiteShape, site_shapes};

/// Strength of the second cross-attention where a control's settings do not say.
pub const DEFAULT_WEIGHT: f64 = 0.5;

/// Keys in a control's settings.
const ARCHITECTURE: &str = "architecture";
const SHAPE: &str = "shape";
const WEIGHT: &str = "weight";

/// How an adapter turns values into a picture's change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Architecture {
    /// The paper's: a conditional variational autoencoder feeds the second cross-attention.
    #[default]
    Cvae,
    /// A plain network feeds it; the paper's naive baseline.
    Mlp,
    /// Numbers in the prompt, learnt by LoRA.
    LoraNumbers,
}

impl Architecture {
    /// Every architecture.
    pub const ALL: [Self; 3] = [Self::Cvae, Self::Mlp, Self::LoraNumbers];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cvae => "cvae",
            Self::Mlp => "mlp",
            Self::LoraNumbers => "lora-numbers",
        }
    }
}

impl fmt::Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Architecture {
    type Err = EngineError;

    fn from_str(name: &str) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|a| a.name() == name);
        found.ok_or_else(|| {
            let all = Self::ALL.map(Self::name).join(", ");
            EngineError::request("architecture", format!("\"{name}\" is not one of {all}"))
        })
    }
}

/// What carries the values into the U-Net.
#[derive(Debug)]
enum Body {
    Attention(Box<AdapterNetwork>),
    Numbers(Slider),
}

/// A trained adapter.
#[derive(Debug)]
pub struct AttAdapter {
    ranges: Vec<AttributeRange>,
    weight: f64,
    architecture: Architecture,
    body: Body,
}

impl AttAdapter {
    /// Reads a control's file, in fp32 on the CPU.
    ///
    /// # Errors
    /// The tensors or settings are not those of an adapter.
    pub fn read(file: &ControlFile) -> Result<Self> {
        let architecture: Architecture = values::setting(file, ARCHITECTURE)?;
        let ranges = values::stored_ranges(file)?;
        let weight = match file.info.settings.get(WEIGHT) {
            Some(_) => values::setting(file, WEIGHT)?,
            None => DEFAULT_WEIGHT,
        };
        let body = if architecture == Architecture::LoraNumbers {
            Body::Numbers(Slider::read(file)?)
        } else {
            let is_cvae = architecture == Architecture::Cvae;
            Body::Attention(Box::new(read_network(file, is_cvae, ranges.len())?))
        };
        Ok(Self {
            ranges,
            weight,
            architecture,
            body,
        })
    }

    /// Writes what [`AttAdapter::read`] needs to know beside the tensors; `shape` is that of the
    /// network, for the architectures with a second cross-attention.
    pub fn describe(
        info: &mut ControlInfo,
        architecture: Architecture,
        shape: Option<AdapterShape>,
        ranges: &[AttributeRange],
    ) {
        let mut set = |key: &str, value: serde_json::Result<serde_json::Value>| {
            info.settings
                .insert(key.to_owned(), value.unwrap_or_default());
        };
        set(ARCHITECTURE, serde_json::to_value(architecture));
        if let Some(shape) = shape {
            set(SHAPE, serde_json::to_value(shape));
            set(WEIGHT, serde_json::to_value(DEFAULT_WEIGHT));
        }
        values::store_ranges(&mut info.settings, ranges);
    }

    /// How it works.
    pub fn architecture(&self) -> Architecture {
        self.architecture
    }

    /// λ, the strength of its second cross-attention.
    pub fn weight(&self) -> f64 {
        self.weight
    }

    /// Its attributes, each with the range of the values that it learnt from.
    pub fn ranges(&self) -> &[AttributeRange] {
        &self.ranges
    }

    /// Which of the set `values` lie outside the range that they were learnt in.
    pub fn outside(&self, values: &AttributeValues) -> Vec<OutsideRange> {
        values::outside(&self.ranges, values)
    }

    /// Keys and values of the set `values` for the cross-attentions of `unet`, in its dtype and on
    /// its device. Nothing set gives a branch that does nothing, and so does the architecture that
    /// works through the prompt.
    ///
    /// # Errors
    /// A value is of an attribute that there is not or no finite number, or the adapter was made
    /// for another U-Net.
    pub fn branch(&self, values: &AttributeValues, unet: &UNet) -> Result<DecoupledBranch> {
        let _guard = tch::no_grad_guard();
        self.check(values)?;
        match &self.body {
            Body::Attention(network) if !values.is_empty() => {
                let row: Vec<Option<f64>> = self
                    .ranges
                    .iter()
                    .map(|range| values.get(&range.name).copied())
                    .collect();
                let tokens = network.tokens(&condition(&self.ranges, &[row])?)?;
                network.branch(&tokens, unet, self.weight)
            }
            _ => Ok(DecoupledBranch::default()),
        }
    }

    /// The prompt that the text encoder shall read: with the numbers behind it for the
    /// architecture that reads them there, else `prompt` itself.
    ///
    /// # Errors
    /// A value is of an attribute that there is not, or no finite number.
    pub fn prompt(&self, prompt: &str, values: &AttributeValues) -> Result<String> {
        self.check(values)?;
        Ok(match &self.body {
            Body::Numbers(_) => numbers::with_numbers(prompt, &self.ranges, values),
            Body::Attention(_) => prompt.to_owned(),
        })
    }

    /// The low-rank branches of the architecture that reads numbers in the prompt, to be attached
    /// at strength 1 while a value is set.
    pub fn slider(&self) -> Option<&Slider> {
        match &self.body {
            Body::Numbers(slider) => Some(slider),
            Body::Attention(_) => None,
        }
    }

    fn check(&self, values: &AttributeValues) -> Result<()> {
        values::check(values, self.ranges.iter().map(|r| r.name.as_str()))
    }
}

fn read_network(file: &ControlFile, is_cvae: bool, attributes: usize) -> Result<AdapterNetwork> {
    let store = ParamStore::open(&[file.path()], Kind::Float, Device::Cpu)?;
    let shape: AdapterShape = values::setting(file, SHAPE)?;
    let sites = stored_sites(file)?;
    let network = AdapterNetwork::new(&store.root(), is_cvae, shape, attributes as i64, &sites)?;
    store
        .finish()
        .map_err(|e| values::other_tensors(file, &e))?;
    Ok(network)
}

/// Paths and channels of the layers that the file has keys and values for.
fn stored_sites(file: &ControlFile) -> Result<Vec<SiteShape>> {
    let site = |(name, tensor): (String, Tensor)| {
        let path = name.strip_prefix("sites.")?.strip_suffix(".to_k.weight")?;
        Some((path.to_owned(), *tensor.size().first()?))
    };
    Ok(file.tensors()?.into_iter().filter_map(site).collect())
}

/// What the networks see of rows of values: each normalised and then whether it is set,
/// `[rows, 2 · attributes]` in fp32. A value that is not set is 0 with flag 0.
///
/// # Errors
/// Memory runs out.
pub fn condition(ranges: &[AttributeRange], rows: &[Vec<Option<f64>>]) -> Result<Tensor> {
    let mut numbers = Vec::with_capacity(2 * ranges.len() * rows.len());
    for row in rows {
        let set = ranges.iter().zip(row);
        numbers.extend(set.map(|(range, v)| v.map_or(0.0, |v| range.normalised(v) as f32)));
        numbers.extend(row.iter().map(|v| f32::from(u8::from(v.is_some()))));
    }
    let width = 2 * ranges.len() as i64;
    Ok(Tensor::f_from_slice(&numbers)?.f_view([-1, width])?)
}

/// `prompt` as the architecture with numbers in the prompt reads it.
pub fn prompt_with_numbers(
    prompt: &str,
    ranges: &[AttributeRange],
    values: &AttributeValues,
) -> String {
    numbers::with_numbers(prompt, ranges, values)
}

#[cfg(test)]
mod tests;
