//! Value tokens (AttriCtrl, arXiv 2508.02151): a number becomes context tokens beside the text's.
//!
//! Sinusoids of the value, two linear layers, the same vector for every token plus a learned
//! position: `token_i = W₂ silu(W₁ sin(1000 v)) + p_i`. An attribute that is not set has no tokens,
//! so nothing set changes nothing.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor};

use super::values::{self, AttributeRange, AttributeValues, OutsideRange};
use super::{ControlFile, ControlInfo};
use crate::layers::{Activation, Linear, sinusoidal_embedding};
use crate::measure::RankTable;
use crate::weights::{Init, ParamStore, Params};
use crate::{EngineError, Result};

/// Length of the sinusoids.
const SINUSOID_DIM: i64 = 256;
/// Values 0..1 are spread over the timesteps' range: within 1 radian sinusoids hardly move.
const VALUE_SCALE: f64 = 1000.0;

/// Keys in a control's settings.
const SHAPE: &str = "shape";
const RANKS: &str = "ranks";

/// What an encoder is built from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ValueShape {
    /// Tokens for each attribute.
    pub tokens: i64,
    /// Width of the text embeddings.
    pub dim: i64,
}

/// The encoder of one attribute.
#[derive(Debug)]
struct OneValue {
    name: String,
    linear_1: Linear,
    linear_2: Linear,
    /// `[tokens, dim]`.
    positions: Tensor,
}

impl OneValue {
    fn new(params: &Params, name: &str, shape: ValueShape) -> Result<Self> {
        let ValueShape { tokens, dim } = shape;
        let at = params.at(name);
        let second = at.at("linear_2");
        Ok(Self {
            name: name.to_owned(),
            linear_1: Linear::new(&at.at("linear_1"), SINUSOID_DIM, dim, true)?,
            // Zero, so that training begins with tokens that know nothing of the value.
            linear_2: Linear::from_tensors(
                second.get("weight", &[dim, dim], Init::Zeros)?,
                Some(second.get("bias", &[dim], Init::Zeros)?),
            ),
            positions: at.get("positions", &[tokens, dim], Init::Normal(1.0))?,
        })
    }

    /// Values `[batch]` to tokens `[batch, tokens, dim]`.
    fn forward(&self, values: &Tensor) -> Result<Tensor> {
        let scaled = values.f_mul_scalar(VALUE_SCALE)?;
        // In fp32, whatever the model has: bf16 knows only every fourth of 1000 values near 900.
        let sinusoids = sinusoidal_embedding(&scaled, SINUSOID_DIM, true, 0.0)?;
        let sinusoids = sinusoids.f_to_kind(self.positions.kind())?;
        let hidden = Activation::Silu.apply(self.linear_1.forward(&sinusoids)?)?;
        let vector = self.linear_2.forward(&hidden)?;
        Ok(vector.f_unsqueeze(1)?.f_add(&self.positions)?)
    }
}

/// Encoders of one or more attributes.
#[derive(Debug)]
pub struct ValueEncoder {
    encoders: Vec<OneValue>,
    shape: ValueShape,
    /// By attribute, which raw measure has which value.
    ranks: BTreeMap<String, RankTable>,
}

impl ValueEncoder {
    /// Takes `NAME.linear_1`, `NAME.linear_2` and `NAME.positions` from `params` for each of
    /// `attributes`.
    ///
    /// # Errors
    /// See [`Params::get`].
    pub fn new(params: &Params, attributes: &[String], shape: ValueShape) -> Result<Self> {
        let encoders = attributes
            .iter()
            .map(|name| OneValue::new(params, name, shape))
            .collect::<Result<_>>()?;
        Ok(Self {
            encoders,
            shape,
            ranks: BTreeMap::new(),
        })
    }

    /// Reads a control's file, in fp32 on the CPU.
    ///
    /// # Errors
    /// The tensors or settings are not those of value tokens.
    pub fn read(file: &ControlFile) -> Result<Self> {
        let shape: ValueShape = values::setting(file, SHAPE)?;
        let store = ParamStore::open(&[file.path()], Kind::Float, Device::Cpu)?;
        let mut encoder = Self::new(&store.root(), &file.info.attributes, shape)?;
        store
            .finish()
            .map_err(|e| values::other_tensors(file, &e))?;
        encoder.ranks = values::setting(file, RANKS)?;
        Ok(encoder)
    }

    /// Writes what [`ValueEncoder::read`] needs to know beside the tensors: the shape, and the
    /// ranks of each attribute's raw measures.
    pub fn describe(
        info: &mut ControlInfo,
        shape: ValueShape,
        ranks: &BTreeMap<String, RankTable>,
    ) {
        let mut set = |key: &str, value: serde_json::Result<serde_json::Value>| {
            info.settings
                .insert(key.to_owned(), value.unwrap_or_default());
        };
        set(SHAPE, serde_json::to_value(shape));
        set(RANKS, serde_json::to_value(ranks));
    }

    /// The attributes.
    pub fn attributes(&self) -> impl Iterator<Item = &str> + Clone {
        self.encoders.iter().map(|e| e.name.as_str())
    }

    /// Which raw measures of `attribute` have which values.
    pub fn ranks(&self, attribute: &str) -> Option<&RankTable> {
        self.ranks.get(attribute)
    }

    /// The tokens of the set `values` (0..1 by rank), `[n, dim]`, in fp32 on the CPU: those of the
    /// attributes that are set, in the encoder's order. Nothing set gives none, `[0, dim]`.
    ///
    /// # Errors
    /// A value is of an attribute that there is not, or no finite number.
    pub fn tokens(&self, values: &AttributeValues) -> Result<Tensor> {
        let _guard = tch::no_grad_guard();
        values::check(values, self.attributes())?;
        let set = |e: &OneValue| Some((e.name.clone(), *values.get(&e.name)?));
        let set: Vec<(String, f64)> = self.encoders.iter().filter_map(set).collect();
        if set.is_empty() {
            return Ok(Tensor::f_zeros(
                [0, self.shape.dim],
                (Kind::Float, Device::Cpu),
            )?);
        }
        let columns = set
            .into_iter()
            .map(|(name, value)| Ok((name, Tensor::f_from_slice(&[value as f32])?)))
            .collect::<Result<Vec<_>>>()?;
        Ok(self.batch(&columns)?.f_squeeze_dim(0)?)
    }

    /// Tokens `[batch, n, dim]` of columns of values `[batch]` (fp32) by attribute.
    ///
    /// # Errors
    /// A column is of an attribute that there is not, or memory runs out.
    pub fn batch(&self, columns: &[(String, Tensor)]) -> Result<Tensor> {
        let tokens = columns.iter().map(|(name, values)| {
            let encoder = self.encoders.iter().find(|e| e.name == *name);
            let encoder = encoder.ok_or_else(|| {
                EngineError::request(format!("attribute \"{name}\""), "has no encoder")
            })?;
            encoder.forward(values)
        });
        Ok(Tensor::f_cat(&tokens.collect::<Result<Vec<_>>>()?, 1)?)
    }

    /// Which of the set `values` lie outside 0..1, where no rank is.
    pub fn outside(&self, values: &AttributeValues) -> Vec<OutsideRange> {
        let range = |name: &str| AttributeRange {
            name: name.to_owned(),
            low: 0.0,
            high: 1.0,
        };
        let ranges: Vec<AttributeRange> = self.attributes().map(range).collect();
        values::outside(&ranges, values)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{ControlFile, ControlInfo, ControlKind};
    use super::*;

    const SHAPE: ValueShape = ValueShape { tokens: 3, dim: 8 };

    fn attributes() -> Vec<String> {
        ["detail", "brightness"].map(str::to_owned).to_vec()
    }

    /// An encoder whose second layers are not zero, as after training.
    fn trained() -> (ParamStore, ValueEncoder) {
        let _generator = crate::sampling::lock_generator();
        tch::manual_seed(4);
        let store = ParamStore::fresh(Kind::Float, Device::Cpu);
        let encoder = ValueEncoder::new(&store.root(), &attributes(), SHAPE).unwrap();
        tch::no_grad(|| {
            for (name, mut tensor) in store.named() {
                if name.contains("linear_2") {
                    let _ = tensor.normal_(0.0, 0.3);
                }
            }
        });
        (store, encoder)
    }

    fn values(pairs: &[(&str, f64)]) -> AttributeValues {
        pairs.iter().map(|&(n, v)| (n.to_owned(), v)).collect()
    }

    #[test]
    fn what_is_not_set_has_no_tokens() {
        let (_, encoder) = trained();
        assert_eq!(encoder.tokens(&values(&[])).unwrap().size(), [0, 8]);
        let one = encoder.tokens(&values(&[("brightness", 0.4)])).unwrap();
        let both = encoder
            .tokens(&values(&[("brightness", 0.4), ("detail", 0.9)]))
            .unwrap();
        assert_eq!((one.size(), both.size()), (vec![3, 8], vec![6, 8]));
        // In the encoder's order, whatever else is set.
        assert_eq!(both.narrow(0, 3, 3), one);
    }

    #[test]
    fn tokens_are_the_formula_in_double_precision() {
        let (store, encoder) = trained();
        let named: BTreeMap<String, Tensor> = store.named().into_iter().collect();
        let get = |name: &str| named[&format!("detail.{name}")].to_kind(Kind::Double);
        let value = 0.37;
        let angle = |i: f64| 1000.0 * value * (-(10_000_f64.ln()) * i / 128.0).exp();
        let sinusoids: Vec<f64> = (0..256)
            .map(|i| {
                let angle = angle(f64::from(i % 128));
                if i < 128 { angle.cos() } else { angle.sin() }
            })
            .collect();
        let x = Tensor::from_slice(&sinusoids).view([1, -1]);
        let hidden =
            (x.matmul(&get("linear_1.weight").transpose(0, 1)) + get("linear_1.bias")).silu();
        let vector = hidden.matmul(&get("linear_2.weight").transpose(0, 1)) + get("linear_2.bias");
        let want = vector + get("positions");
        let got = encoder.tokens(&values(&[("detail", value)])).unwrap();
        assert!(got.to_kind(Kind::Double).allclose(&want, 1e-3, 1e-3, false));
    }

    #[test]
    fn a_fresh_encoder_says_the_same_of_every_value() {
        let store = ParamStore::fresh(Kind::Float, Device::Cpu);
        let fresh = {
            let _generator = crate::sampling::lock_generator();
            ValueEncoder::new(&store.root(), &attributes(), SHAPE).unwrap()
        };
        let at = |v| fresh.tokens(&values(&[("detail", v)])).unwrap();
        assert_eq!(at(0.1), at(0.9));
        let (_, trained) = trained();
        let at = |v| trained.tokens(&values(&[("detail", v)])).unwrap();
        assert_ne!(at(0.1), at(0.9));
    }

    #[test]
    fn a_saved_encoder_gives_the_same_tokens_and_ranks() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("look.safetensors");
        let (store, encoder) = trained();
        let mut info = ControlInfo::new("look", ControlKind::Value, attributes());
        let table = RankTable::new(&[0.2, 0.7, 0.4]).unwrap();
        let ranks = BTreeMap::from([("detail".to_owned(), table.clone())]);
        ValueEncoder::describe(&mut info, SHAPE, &ranks);
        ControlFile::save(&path, &info, &store.named()).unwrap();
        let read = ValueEncoder::read(&ControlFile::open(&path).unwrap()).unwrap();
        let set = values(&[("brightness", 0.25), ("detail", 0.75)]);
        assert_eq!(read.tokens(&set).unwrap(), encoder.tokens(&set).unwrap());
        assert_eq!(read.ranks("detail"), Some(&table));
        assert_eq!(read.ranks("brightness"), None);

        let short = [store.named().swap_remove(0)];
        ControlFile::save(&path, &info, &short).unwrap();
        let said = ValueEncoder::read(&ControlFile::open(&path).unwrap())
            .unwrap_err()
            .to_string();
        assert!(said.contains("make it again"), "{said}");
    }

    #[test]
    fn odd_values_are_refused_and_those_outside_told() {
        let (_, encoder) = trained();
        assert!(encoder.tokens(&values(&[("hat", 0.5)])).is_err());
        assert!(encoder.tokens(&values(&[("detail", f64::NAN)])).is_err());
        assert_eq!(encoder.outside(&values(&[("detail", 1.2)])).len(), 1);
        assert!(encoder.outside(&values(&[("detail", 1.0)])).is_empty());
    }
}
