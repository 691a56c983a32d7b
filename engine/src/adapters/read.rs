//! From an adapter's file to what it changes in one model.

use std::collections::BTreeMap;

use tch::Tensor;

use super::delta::{Delta, Magnitude, Product, tucker};
use super::family::Family;
use super::file::{AdapterFile, LayerKeys};
use super::keys::{Component, Part};
use super::modules::{Module, Modules};
use crate::{EngineError, Result};

/// What an adapter changes in one linear layer or convolution.
#[derive(Debug)]
pub struct LayerDelta {
    /// The difference of its weight.
    pub weight: Option<Delta>,
    /// The difference of its bias, `[out]`.
    pub bias: Option<Tensor>,
    /// DoRA's magnitudes.
    pub magnitude: Option<Magnitude>,
}

/// What an adapter changes in one normalisation, `[channels]` each.
#[derive(Debug)]
pub struct NormDelta {
    /// The difference of its scale.
    pub weight: Option<Tensor>,
    /// The difference of its shift.
    pub bias: Option<Tensor>,
}

/// An adapter, read for one model.
#[derive(Debug)]
pub struct Adapter {
    /// By network and path.
    pub layers: BTreeMap<(Component, String), LayerDelta>,
    /// By network and path.
    pub norms: BTreeMap<(Component, String), NormDelta>,
    /// What the artist should know, a sentence each.
    pub notes: Vec<String>,
}

impl Adapter {
    /// Reads `file` for the model that has `modules`. Names that say nothing to it are told in
    /// [`Adapter::notes`].
    ///
    /// # Errors
    /// The file is no adapter, is one for another family of models, lacks one of the tensors of a
    /// layer, or cannot be read.
    pub fn read(file: &AdapterFile, modules: &Modules) -> Result<Self> {
        let bad = |problem: String| EngineError::bad_file(file.path(), problem);
        let mut adapter = Self {
            layers: BTreeMap::new(),
            norms: BTreeMap::new(),
            notes: Vec::new(),
        };
        let mut homeless: Vec<&str> = Vec::new();
        let mut misfits = Vec::new();
        for layer in &file.layers {
            let Some(module) = modules.find(layer.component, &layer.flat) else {
                homeless.extend(layer.parts.values().map(String::as_str));
                continue;
            };
            let reader = Reader {
                file,
                layer,
                module,
            };
            match reader.read()? {
                Some(Read::Layer(delta)) => {
                    let place = (module.component, module.path.clone());
                    if adapter.layers.insert(place, delta).is_some() {
                        let problem = format!("names the layer {} twice", module.path);
                        return Err(bad(problem));
                    }
                }
                Some(Read::Norm(delta)) => {
                    let place = (module.component, module.path.clone());
                    adapter.norms.insert(place, delta);
                }
                None => misfits.push(module.path.as_str()),
            }
        }
        let is_empty = adapter.layers.is_empty() && adapter.norms.is_empty();
        if is_empty || !misfits.is_empty() {
            return Err(bad(wrong_model(file, modules, &misfits)));
        }
        if !homeless.is_empty() {
            adapter.notes.push(left_out(
                "for layers that this model does not have",
                &homeless,
            ));
        }
        if !file.unknown.is_empty() {
            let unknown: Vec<&str> = file.unknown.iter().map(String::as_str).collect();
            adapter
                .notes
                .push(left_out("of a kind that is not known here", &unknown));
        }
        Ok(adapter)
    }
}

/// Why `file` does nothing sensible with the model that has `modules`.
fn wrong_model(file: &AdapterFile, modules: &Modules, misfits: &[&str]) -> String {
    if file.layers.is_empty() {
        let names = file.headers();
        let first = names.first().map_or("nothing", |header| header.name);
        return format!(
            "is no LoRA nor any of its relatives (it has {first}); a checkpoint goes with --model, \
             an embedding with --embedding, an IP-Adapter with --picture-prompt"
        );
    }
    let made_for = match Family::of_file(file) {
        Some(family) => format!("is made for {family}"),
        None => "is made for another kind of model".to_owned(),
    };
    let example = misfits.first().map_or_else(
        || {
            file.layers
                .first()
                .map_or_else(String::new, |layer| layer.flat.clone())
        },
        |path| format!("{path} has another shape"),
    );
    format!(
        "{made_for}, and this model is {} ({example}); take one that was made for it, or another \
         model",
        Family::of_model(modules)
    )
}

/// A sentence about tensors that stay unused.
fn left_out(why: &str, names: &[&str]) -> String {
    let shown = names.iter().take(4).copied().collect::<Vec<_>>().join(", ");
    let more = names.len().saturating_sub(4);
    let more = if more > 0 {
        format!(" and {more} more")
    } else {
        String::new()
    };
    format!("{} tensors {why} are left out: {shown}{more}", names.len())
}

enum Read {
    Layer(LayerDelta),
    Norm(NormDelta),
}

/// The tensors of one layer, to be put together.
struct Reader<'a> {
    file: &'a AdapterFile,
    layer: &'a LayerKeys,
    module: &'a Module,
}

impl Reader<'_> {
    fn has(&self, part: Part) -> bool {
        self.layer.parts.contains_key(&part)
    }

    fn is_of_peft(&self) -> bool {
        let name = self.layer.parts.get(&Part::Magnitude);
        name.is_some_and(|name| name.contains("lora_magnitude_vector"))
    }

    fn tensor(&self, part: Part) -> Result<Option<Tensor>> {
        let name = self.layer.parts.get(&part);
        name.map(|name| self.file.tensor(name)).transpose()
    }

    fn require(&self, part: Part) -> Result<Tensor> {
        self.tensor(part)?.ok_or_else(|| {
            let first = self.layer.parts.values().next();
            let first = first.map_or("a tensor", String::as_str);
            let problem = format!(
                "has {first} without the {part:?} that belongs to it; fetch or export it again"
            );
            EngineError::bad_file(self.file.path(), problem)
        })
    }

    /// `None` where the tensors do not fit the layer.
    fn read(&self) -> Result<Option<Read>> {
        let shape = &self.module.shape;
        let numel: i64 = shape.iter().product();
        if let [channels] = shape[..] {
            let delta = NormDelta {
                weight: self.tensor(Part::NormWeight)?.or(self.tensor(Part::Diff)?),
                bias: self
                    .tensor(Part::NormBias)?
                    .or(self.tensor(Part::DiffBias)?),
            };
            let parts = [&delta.weight, &delta.bias];
            let parts: Vec<_> = parts.into_iter().flatten().collect();
            let fits = !parts.is_empty() && parts.iter().all(|t| t.size() == [channels]);
            return Ok(fits.then_some(Read::Norm(delta)));
        }
        let weight = self.weight()?;
        if weight
            .as_ref()
            .is_some_and(|delta| delta.numel() != numel || !fits(delta, shape))
        {
            return Ok(None);
        }
        let mut bias = self.tensor(Part::DiffBias)?;
        if let Some(own) = self.tensor(Part::UpBias)? {
            let scale = match &weight {
                Some(Delta::LowRank { scale, .. }) => *scale,
                _ => 1.0,
            };
            let own = own.f_mul_scalar(scale)?;
            bias = Some(match bias {
                Some(bias) => bias.f_add(&own)?,
                None => own,
            });
        }
        if bias.as_ref().is_some_and(|bias| bias.size() != [shape[0]]) {
            return Ok(None);
        }
        let magnitude = match self.tensor(Part::Magnitude)? {
            Some(lengths) => match magnitude(&lengths, shape, self.is_of_peft())? {
                Some(magnitude) => Some(magnitude),
                None => return Ok(None),
            },
            None => None,
        };
        if weight.is_none() && bias.is_none() {
            // An alpha or a magnitude alone.
            return self.require(Part::Down).map(|_| None);
        }
        Ok(Some(Read::Layer(LayerDelta {
            weight,
            bias,
            magnitude,
        })))
    }

    fn weight(&self) -> Result<Option<Delta>> {
        if self.has(Part::Down) || self.has(Part::Up) || self.has(Part::Mid) {
            return self.low_rank().map(Some);
        }
        let any = |parts: &[Part]| parts.iter().any(|part| self.has(*part));
        if any(&[Part::HadaW1A, Part::HadaW1B, Part::HadaW2A, Part::HadaW2B]) {
            let product = |a, b, core| -> Result<Product> {
                Ok(Product {
                    a: self.require(a)?,
                    b: self.require(b)?,
                    core: self.tensor(core)?,
                })
            };
            let first = product(Part::HadaW1A, Part::HadaW1B, Part::HadaT1)?;
            let second = product(Part::HadaW2A, Part::HadaW2B, Part::HadaT2)?;
            let scale = self.scale(first.b.size()[0])?;
            return Ok(Some(Delta::Hadamard {
                first,
                second,
                scale,
            }));
        }
        if any(&[
            Part::LokrW1,
            Part::LokrW1A,
            Part::LokrW2,
            Part::LokrW2A,
            Part::LokrT2,
        ]) {
            return self.kronecker().map(Some);
        }
        Ok(self.tensor(Part::Diff)?.map(Delta::Full))
    }

    fn low_rank(&self) -> Result<Delta> {
        let (mut down, up) = (self.require(Part::Down)?, self.require(Part::Up)?);
        let rank = down.size()[0];
        if let Some(middle) = self.tensor(Part::Mid)? {
            // down [rank, in, 1, 1], then the middle's k×k: one k×k convolution.
            let identity = Tensor::f_eye(rank, (down.kind(), down.device()))?;
            down = tucker(&middle, &identity, &down.f_reshape([rank, -1])?)?;
        }
        Ok(Delta::LowRank {
            scale: self.scale(rank)?,
            up: up.f_reshape([-1, rank])?,
            down,
        })
    }

    fn kronecker(&self) -> Result<Delta> {
        let mut rank = None;
        let mut factor = |whole, a, b, core| -> Result<Tensor> {
            if let Some(whole) = self.tensor(whole)? {
                return Ok(whole);
            }
            let (a, b) = (self.require(a)?, self.require(b)?);
            rank.get_or_insert(b.size()[0]);
            match core {
                Some(core) => tucker(&core, &a.f_transpose(0, 1)?, &b),
                None => Ok(a.f_matmul(&b.f_reshape([b.size()[0], -1])?)?),
            }
        };
        let first = factor(Part::LokrW1, Part::LokrW1A, Part::LokrW1B, None)?;
        let core = self.tensor(Part::LokrT2)?;
        let second = factor(Part::LokrW2, Part::LokrW2A, Part::LokrW2B, core)?;
        let [a, b] = [first.size()[0], first.size().get(1).copied().unwrap_or(1)];
        Ok(Delta::Kronecker {
            // It may end in dimensions of 1.
            first: first.f_reshape([a, b])?,
            second,
            scale: match rank {
                Some(rank) => self.scale(rank)?,
                None => 1.0,
            },
        })
    }

    /// `alpha / rank`; an alpha that is absent is what PEFT's configuration says, else the rank,
    /// and one of 0 stands for the rank too.
    fn scale(&self, rank: i64) -> Result<f64> {
        if let Some(name) = self.layer.parts.get(&Part::Alpha) {
            let alpha = self.file.number(name)?;
            return Ok(if alpha == 0.0 {
                1.0
            } else {
                alpha / rank as f64
            });
        }
        let (component, path) = (self.module.component, &self.module.path);
        Ok(self.file.config.scale(component, path, rank))
    }
}

/// Whether a difference with the weight's number of elements also has its rows and kernel.
fn fits(delta: &Delta, shape: &[i64]) -> bool {
    let kernel = |own: &[i64]| {
        own.get(2..).is_none_or(|k| k.iter().all(|&s| s == 1)) || own[2..] == shape[2..]
    };
    match delta {
        Delta::LowRank { down, up, .. } => {
            up.size()[0] == shape[0] && down.size()[1] == shape[1] && kernel(&down.size())
        }
        Delta::Hadamard { first, .. } => {
            let rows = usize::from(first.core.is_some());
            first.a.size()[rows] == shape[0]
        }
        Delta::Kronecker { first, second, .. } => first.size()[0] * second.size()[0] == shape[0],
        Delta::Full(delta) => delta.size()[0] == shape[0],
    }
}

/// `lengths` along the dimension of a weight of `shape` that they belong to; `None` where they fit
/// neither.
fn magnitude(lengths: &Tensor, shape: &[i64], of_peft: bool) -> Result<Option<Magnitude>> {
    let own = lengths.size();
    let count = lengths.numel() as i64;
    let mut along = vec![1; shape.len()];
    // LyCORIS's [1, in, ..] is of the inputs; PEFT's are always of the outputs.
    if !of_peft && own.len() > 1 && own[0] == 1 && own[1] == shape[1] && shape[0] != 1 {
        along[1] = count;
    } else if count == shape[0] {
        along[0] = count;
    } else {
        return Ok(None);
    }
    Ok(Some(Magnitude {
        lengths: lengths.f_reshape(along)?,
    }))
}
