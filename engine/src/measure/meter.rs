//! A small multi-task network that reads attributes from a picture, per subject region.
//!
//! In the spirit of "Deep Learning Face Attributes in the Wild" (arXiv 1411.7766) and "Multi-task
//! CNN Model for Attribute Prediction" (arXiv 1601.00400): one trunk, one small head an attribute.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;
use tch::{Device, Kind, Tensor};

use super::config::KIND;
use super::pixels::{WHOLE, crop_region};
use super::places::placed_subjects;
use super::{HeadSpec, Meter, MeterConfig, Place, PlacedSubject};
use crate::layers::{Activation, Conv2d, ConvShape, GroupNorm, Linear};
use crate::weights::{ParamStore, Params};
use crate::{EngineError, Result};

/// What a meter says about one attribute.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Reading {
    /// A continuous attribute, 0..1.
    Value(f64),
    /// A discrete attribute.
    Class {
        /// Index of the likeliest class.
        index: usize,
        /// Its name.
        name: String,
        /// Its probability, 0..1.
        confidence: f64,
    },
}

#[derive(Debug)]
struct Level {
    conv1: Conv2d,
    norm1: GroupNorm,
    conv2: Conv2d,
    norm2: GroupNorm,
}

impl Level {
    fn new(params: &Params, input: i64, output: i64, group_channels: i64) -> Result<Self> {
        let halve = ConvShape {
            kernel: 3,
            stride: 2,
            padding: 1,
        };
        let groups = output / group_channels;
        Ok(Self {
            conv1: Conv2d::new(&params.at("conv1"), input, output, halve)?,
            norm1: GroupNorm::new(&params.at("norm1"), groups, output, 1e-5)?,
            conv2: Conv2d::new(&params.at("conv2"), output, output, ConvShape::SAME_3X3)?,
            norm2: GroupNorm::new(&params.at("norm2"), groups, output, 1e-5)?,
        })
    }

    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let x = Activation::Silu.forward(&self.norm1.forward(&self.conv1.forward(x)?)?)?;
        let y = Activation::Silu.forward(&self.norm2.forward(&self.conv2.forward(&x)?)?)?;
        Ok(x.f_add(&y)?)
    }
}

/// A trained meter.
#[derive(Debug)]
pub struct AttributeMeter {
    config: MeterConfig,
    levels: Vec<Level>,
    hidden: Linear,
    subject: Linear,
    picture: Linear,
    device: Device,
}

impl AttributeMeter {
    /// Builds the network from `params`.
    ///
    /// # Errors
    /// See [`Params::get`].
    pub fn new(params: &Params, config: &MeterConfig) -> Result<Self> {
        let mut levels = Vec::with_capacity(config.channels.len());
        let mut input = 3;
        for (at, &output) in config.channels.iter().enumerate() {
            levels.push(Level::new(
                &params.at("levels").at(at),
                input,
                output,
                config.group_channels,
            )?);
            input = output;
        }
        let width = |heads: &[HeadSpec]| heads.iter().map(HeadSpec::width).sum::<i64>();
        let side = config.input_px >> config.channels.len();
        let hidden = 2 * input;
        Ok(Self {
            levels,
            hidden: Linear::new(&params.at("hidden"), input * side * side, hidden, true)?,
            subject: Linear::new(
                &params.at("subject"),
                hidden,
                width(&config.subject_heads),
                true,
            )?,
            picture: Linear::new(
                &params.at("picture"),
                hidden,
                width(&config.picture_heads),
                true,
            )?,
            config: config.clone(),
            device: params.device(),
        })
    }

    /// Opens `folder` with its `config.json` and `meter.safetensors`.
    ///
    /// # Errors
    /// A file is missing, damaged or does not fit the other.
    pub fn open(folder: &Path, device: Device) -> Result<Self> {
        let path = folder.join("config.json");
        let text = std::fs::read_to_string(&path).map_err(|e| EngineError::io(&path, e))?;
        let config: MeterConfig = serde_json::from_str(&text).map_err(|e| {
            EngineError::bad_file(&path, format!("is not a meter's configuration ({e})"))
        })?;
        config.check(&path)?;
        let store = ParamStore::open(&[folder.join("meter.safetensors")], Kind::Float, device)?;
        let meter = Self::new(&store.root(), &config)?;
        store.finish()?;
        Ok(meter)
    }

    /// The configuration.
    pub fn config(&self) -> &MeterConfig {
        &self.config
    }

    /// The trunk's levels for `crops` `[batch, 3, input_px, input_px]` in -1..1, finest first,
    /// `[batch, channels, h, w]` each.
    ///
    /// # Errors
    /// Shapes disagree or memory runs out.
    pub fn levels(&self, crops: &Tensor) -> Result<Vec<Tensor>> {
        let crops = crops.f_to_device(self.device)?;
        let mut levels: Vec<Tensor> = Vec::with_capacity(self.levels.len());
        for level in &self.levels {
            levels.push(level.forward(levels.last().unwrap_or(&crops))?);
        }
        Ok(levels)
    }

    /// Raw outputs of `crops` `[batch, 3, input_px, input_px]` in -1..1: one row a crop for the
    /// subject heads, and one for the picture heads.
    ///
    /// # Errors
    /// Shapes disagree or memory runs out.
    pub fn forward(&self, crops: &Tensor) -> Result<(Tensor, Tensor)> {
        let levels = self.levels(crops)?;
        let x = levels.last().unwrap_or(crops);
        let x = Activation::Silu.forward(&self.hidden.forward(&x.f_flatten(1, -1)?)?)?;
        Ok((self.subject.forward(&x)?, self.picture.forward(&x)?))
    }

    /// Where to look for the subject at `place`, or the whole picture.
    fn region_of(&self, place: Option<Place>) -> Result<[f64; 4]> {
        let Some(Place { index, count }) = place else {
            return Ok(WHOLE);
        };
        let region = self.config.regions_of(count)?.get(index);
        region.copied().ok_or_else(|| {
            EngineError::request("subject", format!("there is no place {index} of {count}"))
        })
    }

    /// The crop of one region, `[batch, 3, input_px, input_px]`, of `pictures`
    /// `[batch, 3, height, width]`.
    ///
    /// # Errors
    /// The region is empty or memory runs out.
    pub fn crop(&self, pictures: &Tensor, region: [f64; 4]) -> Result<Tensor> {
        let side = self.config.input_px;
        let crop = crop_region(pictures, region)?;
        Ok(crop.f_upsample_bilinear2d([side, side], false, None, None)?)
    }

    /// Reads the subject in `region` of each of `pictures` `[batch, 3, height, width]` in -1..1.
    ///
    /// # Errors
    /// The region is empty or memory runs out.
    pub fn read_subject(
        &self,
        pictures: &Tensor,
        region: [f64; 4],
    ) -> Result<Vec<BTreeMap<String, Reading>>> {
        let _guard = tch::no_grad_guard();
        let (subject, _) = self.forward(&self.crop(pictures, region)?)?;
        readings(&self.config.subject_heads, &subject)
    }

    /// Reads the whole of each of `pictures` `[batch, 3, height, width]` in -1..1.
    ///
    /// # Errors
    /// Memory runs out.
    pub fn read_picture(&self, pictures: &Tensor) -> Result<Vec<BTreeMap<String, Reading>>> {
        let _guard = tch::no_grad_guard();
        let (_, picture) = self.forward(&self.crop(pictures, WHOLE)?)?;
        readings(&self.config.picture_heads, &picture)
    }
}

impl Meter for AttributeMeter {
    fn name(&self) -> String {
        "attribute meter".to_owned()
    }

    fn subject_attributes(&self) -> Vec<String> {
        continuous(&self.config.subject_heads)
    }

    fn picture_attributes(&self) -> Vec<String> {
        continuous(&self.config.picture_heads)
    }

    fn score(&self, pictures: &Tensor, attribute: &str, place: Option<Place>) -> Result<Tensor> {
        let region = self.region_of(place)?;
        let heads = match place {
            Some(_) => &self.config.subject_heads,
            None => &self.config.picture_heads,
        };
        let mut column = 0;
        for head in heads {
            if head.name == attribute && head.classes.is_empty() {
                let (subject, picture) = self.forward(&self.crop(pictures, region)?)?;
                let outputs = if place.is_some() { subject } else { picture };
                return Ok(outputs.f_select(1, column)?);
            }
            column += head.width();
        }
        let known = continuous(heads).join(", ");
        let whose = if place.is_some() {
            "a subject"
        } else {
            "the whole picture"
        };
        Err(EngineError::request(
            format!("attribute \"{attribute}\""),
            format!("the meter does not read it of {whose}; it reads {known}"),
        ))
    }

    fn subjects(&self, prompt: &str) -> Vec<PlacedSubject> {
        placed_subjects(prompt, &self.nouns())
    }

    fn nouns(&self) -> Vec<String> {
        self.config.kinds()
    }

    fn applies(&self, attribute: &str, noun: &str) -> bool {
        let head = self
            .config
            .subject_heads
            .iter()
            .find(|h| h.name == attribute);
        head.is_none_or(|h| h.kinds.is_empty() || h.kinds.iter().any(|kind| kind == noun))
    }

    fn region(&self, place: Place) -> Option<[f64; 4]> {
        self.region_of(Some(place)).ok()
    }

    fn read_kinds(&self, pictures: &Tensor, place: Place) -> Result<Option<Vec<String>>> {
        let read = self.read_subject(pictures, self.region_of(Some(place))?)?;
        let kind = |mut reading: BTreeMap<String, Reading>| match reading.remove(KIND) {
            Some(Reading::Class { name, .. }) => Some(name),
            _ => None,
        };
        Ok(read.into_iter().map(kind).collect())
    }

    fn read_classes(
        &self,
        pictures: &Tensor,
        place: Place,
    ) -> Result<Option<Vec<BTreeMap<String, String>>>> {
        let read = self.read_subject(pictures, self.region_of(Some(place))?)?;
        let classes = |readings: BTreeMap<String, Reading>| {
            let class = |(attribute, reading)| match reading {
                Reading::Class { name, .. } => Some((attribute, name)),
                Reading::Value(_) => None,
            };
            readings.into_iter().filter_map(class).collect()
        };
        Ok(Some(read.into_iter().map(classes).collect()))
    }

    fn features(&self, pictures: &Tensor) -> Result<Option<Vec<Tensor>>> {
        Ok(Some(self.levels(&self.crop(pictures, WHOLE)?)?))
    }

    fn read_all(
        &self,
        pictures: &Tensor,
        place: Option<Place>,
    ) -> Result<BTreeMap<String, Vec<f64>>> {
        let read = match place {
            Some(_) => self.read_subject(pictures, self.region_of(place)?)?,
            None => self.read_picture(pictures)?,
        };
        let mut all: BTreeMap<String, Vec<f64>> = BTreeMap::new();
        for (name, reading) in read.into_iter().flatten() {
            if let Reading::Value(value) = reading {
                all.entry(name).or_default().push(value);
            }
        }
        Ok(all)
    }
}

/// Names of the heads that read a number.
fn continuous(heads: &[HeadSpec]) -> Vec<String> {
    let numbers = heads.iter().filter(|head| head.classes.is_empty());
    numbers.map(|head| head.name.clone()).collect()
}

fn readings(heads: &[HeadSpec], outputs: &Tensor) -> Result<Vec<BTreeMap<String, Reading>>> {
    let rows = outputs.size()[0];
    let outputs = outputs.f_to_kind(Kind::Float)?.f_to_device(Device::Cpu)?;
    let mut all = Vec::with_capacity(rows as usize);
    for row in 0..rows {
        let mut read = BTreeMap::new();
        let values: Vec<f32> = Vec::try_from(outputs.f_get(row)?)?;
        let mut start = 0;
        for head in heads {
            let slice = &values[start..start + head.width() as usize];
            start += slice.len();
            read.insert(head.name.clone(), reading(head, slice));
        }
        all.push(read);
    }
    Ok(all)
}

fn reading(head: &HeadSpec, outputs: &[f32]) -> Reading {
    if head.classes.is_empty() {
        return Reading::Value(f64::from(outputs[0]).clamp(0.0, 1.0));
    }
    let best = (0..outputs.len())
        .max_by(|&a, &b| outputs[a].total_cmp(&outputs[b]))
        .unwrap_or(0);
    let total: f64 = outputs
        .iter()
        .map(|&o| f64::from(o - outputs[best]).exp())
        .sum();
    Reading::Class {
        index: best,
        name: head.classes[best].clone(),
        confidence: 1.0 / total,
    }
}

#[cfg(test)]
mod tests;
