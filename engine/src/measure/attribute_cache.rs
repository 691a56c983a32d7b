//! A cache of the model's own pictures that steadies CLIP's readings, without training.
//!
//! After Compositional Caching (ComCa, arXiv 2503.19145) and Tip-Adapter (arXiv 2111.03930): the
//! keys are the features of pictures made from the texts at an attribute's ends, the values are
//! soft labels, since not every picture shows what its text says; their affinity with a picture is
//! added to CLIP's logits, and the sum is brought to a common scale. ComCa retrieves its pictures
//! from web-scale databases; here the model under measurement draws them.

use std::collections::BTreeMap;
use std::path::Path;

use tch::{Device, Kind, Tensor};

use super::clip_meter::text_direction;
use super::{ClipAttribute, ClipReader, Workbench, picture_tensor};
use crate::recipe::Recipe;
use crate::weights::{SafetensorsFile, save};
use crate::{EngineError, Result};

/// Weight of the cache beside CLIP's own logits (ComCa's λ).
const CACHE_WEIGHT: f64 = 1.17;
/// Sharpness of the affinity `exp(−β (1 − cosine))` (Tip-Adapter's β).
const SHARPNESS: f64 = 5.5;
/// Where the mean of the pictures of the positive text reads; the negative ones read 1 minus it.
const POLE_READING: f64 = 0.9;

/// Key of the texts in the file's metadata.
const METADATA_KEY: &str = "vernier.attribute_cache";

/// Features and soft labels by attribute.
#[derive(Debug, Default)]
pub struct AttributeCache {
    attributes: BTreeMap<String, Entries>,
}

/// The pictures of one attribute.
#[derive(Debug)]
struct Entries {
    spec: ClipAttribute,
    /// Unit vectors `[pictures, projection_dim]`.
    keys: Tensor,
    /// How likely each shows the positive end, `[pictures]`, 0..1.
    labels: Tensor,
}

impl AttributeCache {
    /// Makes a cache of `shots` pictures of each text of each of `attributes`. The texts are the
    /// prompts, `base` says the rest, and its seed is the first of those that are used.
    ///
    /// # Errors
    /// `bench` fails, or memory runs out.
    pub fn build(
        clip: &ClipReader,
        attributes: &[ClipAttribute],
        base: &Recipe,
        shots: usize,
        bench: &mut dyn Workbench,
    ) -> Result<Self> {
        let _guard = tch::no_grad_guard();
        let mut cache = Self::default();
        for spec in attributes {
            let mut keys = Vec::with_capacity(2 * shots);
            for text in [&spec.texts.positive, &spec.texts.negative] {
                for shot in 0..shots as u64 {
                    let recipe = Recipe {
                        prompt: text.clone(),
                        seed: base.seed.wrapping_add(shot),
                        controls: Vec::new(),
                        ..base.clone()
                    };
                    let picture = bench.render(&recipe)?;
                    keys.push(clip.picture_features(&picture_tensor(&[&picture])?)?);
                }
            }
            let keys = Tensor::f_cat(&keys, 0)?.f_to_kind(Kind::Float)?;
            // What the text asked for and what CLIP says of the picture count alike.
            let seen = keys
                .f_matmul(&text_direction(clip, &spec.texts)?.f_to_kind(Kind::Float)?)?
                .f_sigmoid()?;
            let ends = [vec![1.0_f32; shots], vec![0.0; shots]].concat();
            let asked = Tensor::f_from_slice(&ends)?.f_to_device(keys.device())?;
            let labels = seen.f_add(&asked)?.f_mul_scalar(0.5)?;
            cache.attributes.insert(
                spec.name.clone(),
                Entries {
                    spec: spec.clone(),
                    keys,
                    labels,
                },
            );
        }
        Ok(cache)
    }

    /// Names of the attributes that it holds pictures of.
    pub fn attributes(&self) -> Vec<&str> {
        self.attributes.keys().map(String::as_str).collect()
    }

    /// Writes the cache to a safetensors file, whole or not at all.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn save(&self, path: &Path) -> Result<()> {
        let mut tensors = Vec::with_capacity(2 * self.attributes.len());
        let mut specs = Vec::with_capacity(self.attributes.len());
        for (name, entries) in &self.attributes {
            tensors.push((format!("{name}.keys"), entries.keys.f_contiguous()?));
            tensors.push((format!("{name}.labels"), entries.labels.f_contiguous()?));
            specs.push(&entries.spec);
        }
        let text = serde_json::to_string(&specs)
            .map_err(|e| EngineError::bad_file(path, format!("cannot be described: {e}")))?;
        save(path, &tensors, &[(METADATA_KEY, text)])
    }

    /// Reads a cache that [`AttributeCache::save`] wrote.
    ///
    /// # Errors
    /// The file is missing, damaged or no such cache.
    pub fn open(path: &Path, device: Device) -> Result<Self> {
        let file = SafetensorsFile::open(path)?;
        let no_cache = || {
            EngineError::bad_file(
                path,
                "is no attribute cache of Vernier's; name another file and it will be made",
            )
        };
        let text = file.metadata().get(METADATA_KEY).ok_or_else(no_cache)?;
        let specs: Vec<ClipAttribute> = serde_json::from_str(text).map_err(|_| no_cache())?;
        let mut attributes = BTreeMap::new();
        for spec in specs {
            let tensor = |part: &str| {
                let name = format!("{}.{part}", spec.name);
                file.tensor(&name, Kind::Float, device)?
                    .ok_or_else(no_cache)
            };
            let (keys, labels) = (tensor("keys")?, tensor("labels")?);
            if keys.dim() != 2 || labels.size() != keys.size()[..1] {
                return Err(no_cache());
            }
            attributes.insert(spec.name.clone(), Entries { spec, keys, labels });
        }
        Ok(Self { attributes })
    }

    /// What the cache knows of the ends of `spec`, whose texts give `direction`; `None` where it
    /// holds no pictures of them.
    pub(super) fn poles(
        &self,
        spec: &ClipAttribute,
        direction: &Tensor,
    ) -> Result<Option<CachedPoles>> {
        let Some(entries) = self.attributes.get(&spec.name) else {
            return Ok(None);
        };
        let refuse = |problem: String| {
            let field = format!("attribute \"{}\"", spec.name);
            Err(EngineError::request(field, problem))
        };
        if entries.spec.texts != spec.texts {
            return refuse("the cache was made from other texts; make it again".to_owned());
        }
        if entries.keys.size()[1] != direction.size()[0] {
            return refuse("the cache was made with another CLIP; make it again".to_owned());
        }
        let poles = CachedPoles::new(entries, direction)?;
        if poles.is_none() {
            return refuse(format!(
                "CLIP cannot tell the model's pictures of \"{}\" and \"{}\" apart; choose other \
                 texts",
                spec.texts.positive, spec.texts.negative
            ));
        }
        Ok(poles)
    }
}

/// One attribute's cache, with the scale of its sums.
#[derive(Debug)]
pub(super) struct CachedPoles {
    /// `[projection_dim, pictures]`.
    keys: Tensor,
    /// What each picture adds per unit of affinity, `[pictures]`.
    weights: Tensor,
    /// The sum that reads one half.
    middle: f64,
    /// How much of the final logit one unit of the sum is.
    scale: f64,
}

impl CachedPoles {
    /// `None` where the two ends' pictures cannot be told apart.
    fn new(entries: &Entries, direction: &Tensor) -> Result<Option<Self>> {
        let positive = entries.labels.shallow_clone();
        let negative = positive.f_neg()?.f_add_scalar(1.0)?;
        let keys = entries.keys.f_transpose(0, 1)?;
        let direction = direction.f_to_kind(Kind::Float)?;
        // CLIP's scale, so that text and cache speak in the same units.
        let strength = CACHE_WEIGHT * f64::try_from(direction.f_norm()?)?;
        let unit = |labels: &Tensor| -> Result<Tensor> {
            let total = labels.f_sum(Kind::Float)?.f_clamp_min(1e-6)?;
            Ok(labels.f_div(&total)?)
        };
        let weights = unit(&positive)?
            .f_sub(&unit(&negative)?)?
            .f_mul_scalar(strength)?;
        // Each picture is judged by the others alone.
        let affinity = affinity(&entries.keys, &keys)?;
        let others = affinity.f_sub(&affinity.f_diagonal(0, 0, 1)?.f_diag_embed(0, 0, 1)?)?;
        let sums = entries
            .keys
            .f_matmul(&direction)?
            .f_add(&others.f_matmul(&weights)?)?;
        let mean_of = |labels: &Tensor| -> Result<f64> {
            Ok(f64::try_from(
                sums.f_mul(&unit(labels)?)?.f_sum(Kind::Double)?,
            )?)
        };
        let (high, low) = (mean_of(&positive)?, mean_of(&negative)?);
        if !high.is_finite() || high <= low {
            return Ok(None);
        }
        let logit = (POLE_READING / (1.0 - POLE_READING)).ln();
        Ok(Some(Self {
            keys,
            weights,
            middle: f64::midpoint(high, low),
            scale: 2.0 * logit / (high - low),
        }))
    }

    /// The final logits `[batch]` of unit features `[batch, projection_dim]` whose texts give
    /// `logit` `[batch]`.
    pub(super) fn logit(&self, features: &Tensor, logit: &Tensor) -> Result<Tensor> {
        let affinity = affinity(features, &self.keys.f_to_kind(features.kind())?)?;
        let cached = affinity.f_matmul(&self.weights.f_to_kind(features.kind())?)?;
        let sum = logit.f_add(&cached)?.f_sub_scalar(self.middle)?;
        Ok(sum.f_mul_scalar(self.scale)?)
    }
}

/// `exp(−β (1 − cosine))` of unit features `[batch, d]` and keys `[d, pictures]`.
fn affinity(features: &Tensor, keys: &Tensor) -> Result<Tensor> {
    let cosines = features.f_matmul(keys)?;
    Ok(cosines
        .f_sub_scalar(1.0)?
        .f_mul_scalar(SHARPNESS)?
        .f_exp()?)
}
