//! Parameter stores and paths into them.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::path::PathBuf;
use std::rc::Rc;

use tch::{Device, Kind, Tensor};

use super::{RenamedFile, SafetensorsFile};
use crate::{EngineError, Result};

/// How a parameter starts when it is trained from scratch.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Init {
    /// All zero.
    Zeros,
    /// All one.
    Ones,
    /// All this value.
    Constant(f64),
    /// Normal with this standard deviation.
    Normal(f64),
    /// PyTorch's default for linear and convolution layers: uniform in ±1/√`fan_in`.
    FanIn(i64),
}

/// What a load found out about the fit between files and model.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct LoadReport {
    /// Names that the model asked for and no file has.
    pub missing: Vec<String>,
    /// Names that no module asked for.
    pub unexpected: Vec<String>,
    /// Names whose shape differs, as `name is [..], expected [..]`.
    pub shapes: Vec<String>,
}

#[derive(Debug)]
enum Source {
    Files(Vec<SafetensorsFile>),
    Renamed(RenamedFile),
    Tensors(BTreeMap<String, Tensor>),
    Fresh,
}

#[derive(Debug)]
struct Inner {
    source: Source,
    kind: Kind,
    device: Device,
    asked: BTreeSet<String>,
    report: LoadReport,
    made: Vec<(String, Tensor)>,
    ignored: fn(&str) -> bool,
}

/// A source of named parameters.
#[derive(Debug, Clone)]
pub struct ParamStore(Rc<RefCell<Inner>>);

/// A path into a [`ParamStore`], such as `down_blocks.0.resnets.1`.
#[derive(Debug, Clone)]
pub struct Params {
    store: ParamStore,
    prefix: String,
}

impl ParamStore {
    fn new(source: Source, kind: Kind, device: Device) -> Self {
        Self(Rc::new(RefCell::new(Inner {
            source,
            kind,
            device,
            asked: BTreeSet::new(),
            report: LoadReport::default(),
            made: Vec::new(),
            ignored: |_| false,
        })))
    }

    /// A store that reads from safetensors files (several where the weights are sharded).
    ///
    /// # Errors
    /// A file is missing or is not a complete safetensors file.
    pub fn open(paths: &[PathBuf], kind: Kind, device: Device) -> Result<Self> {
        let files = paths
            .iter()
            .map(|p| SafetensorsFile::open(p))
            .collect::<Result<Vec<_>>>()?;
        Ok(Self::new(Source::Files(files), kind, device))
    }

    /// A store that reads from a file with other names.
    pub fn renamed(file: RenamedFile, kind: Kind, device: Device) -> Self {
        Self::new(Source::Renamed(file), kind, device)
    }

    /// A store of the very tensors that `other` has handed out so far: a module built on it is a
    /// replica that takes no memory of its own for them.
    pub fn sharing(other: &Self) -> Self {
        let (kind, device) = {
            let inner = other.0.borrow();
            (inner.kind, inner.device)
        };
        let tensors = other.named().into_iter().collect();
        Self::new(Source::Tensors(tensors), kind, device)
    }

    /// A store that makes fresh parameters, drawn from libtorch's global generator.
    pub fn fresh(kind: Kind, device: Device) -> Self {
        Self::new(Source::Fresh, kind, device)
    }

    /// Names for which `ignored` answers true are not reported as unexpected.
    #[must_use]
    pub fn ignoring(self, ignored: fn(&str) -> bool) -> Self {
        self.0.borrow_mut().ignored = ignored;
        self
    }

    /// The path at the top.
    pub fn root(&self) -> Params {
        Params {
            store: self.clone(),
            prefix: String::new(),
        }
    }

    /// All parameters handed out so far, by full name, in the order they were asked for.
    pub fn named(&self) -> Vec<(String, Tensor)> {
        let inner = self.0.borrow();
        inner
            .made
            .iter()
            .map(|(n, t)| (n.clone(), t.shallow_clone()))
            .collect()
    }

    /// What is missing, unexpected or of another shape.
    pub fn report(&self) -> LoadReport {
        let inner = self.0.borrow();
        let mut report = inner.report.clone();
        let names: Vec<&String> = match &inner.source {
            Source::Files(files) => files.iter().flat_map(|f| f.entries().keys()).collect(),
            Source::Renamed(file) => file.views.keys().collect(),
            Source::Tensors(tensors) => tensors.keys().collect(),
            Source::Fresh => Vec::new(),
        };
        report.unexpected = names
            .into_iter()
            .filter(|n| !inner.asked.contains(*n) && !(inner.ignored)(n))
            .cloned()
            .collect();
        if let Source::Renamed(file) = &inner.source {
            // Told in the names of the file that the artist has.
            for name in report.missing.iter_mut().chain(&mut report.unexpected) {
                *name = file.stored_name(name);
            }
            report.unexpected.extend(file.strangers.iter().cloned());
        }
        report.unexpected.sort();
        report.unexpected.dedup();
        report
    }

    /// Fails with every missing, unexpected and misshapen name, or gives `()` where all fit.
    ///
    /// # Errors
    /// The weights do not fit the modules that were built on this store.
    pub fn finish(&self) -> Result<()> {
        let report = self.report();
        if report == LoadReport::default() {
            return Ok(());
        }
        Err(EngineError::Weights {
            path: self.path(),
            missing: report.missing,
            unexpected: report.unexpected,
            shapes: report.shapes,
        })
    }

    /// The first file, or an empty path for parameters that come from none.
    pub fn path(&self) -> PathBuf {
        match &self.0.borrow().source {
            Source::Files(files) => files
                .first()
                .map_or_else(PathBuf::new, |f| f.path().to_owned()),
            Source::Renamed(file) => file.file.path().to_owned(),
            Source::Tensors(_) | Source::Fresh => PathBuf::new(),
        }
    }

    /// Fails, naming file and tensor, where a parameter holds a NaN or an infinity. Costs one
    /// pass over the parameters, on their device.
    ///
    /// # Errors
    /// A parameter is not finite.
    pub fn check_finite(&self) -> Result<()> {
        let inner = self.0.borrow();
        for (name, tensor) in &inner.made {
            if all_finite(tensor)? {
                continue;
            }
            let (path, name) = match &inner.source {
                Source::Files(files) => {
                    let file = files.iter().find(|f| f.entries().contains_key(name));
                    let path = file.map_or_else(PathBuf::new, |f| f.path().to_owned());
                    (path, name.clone())
                }
                Source::Renamed(file) => (file.file.path().to_owned(), file.stored_name(name)),
                Source::Tensors(_) | Source::Fresh => {
                    return Err(EngineError::NotFinite {
                        place: name.clone(),
                        problem: "holds NaN or infinite values".to_owned(),
                    });
                }
            };
            let problem = format!("tensor {name} holds NaN or infinite values");
            let advice = "fetch or export it again, or use a wider dtype than this one";
            return Err(EngineError::bad_file(path, format!("{problem}; {advice}")));
        }
        Ok(())
    }
}

/// Whether every element is finite; one reduction, no mask of the tensor's size.
pub(crate) fn all_finite(tensor: &Tensor) -> Result<bool> {
    if tensor.numel() == 0 {
        return Ok(true);
    }
    // A sum is finite unless an element is not, or fp16 overflows: so sum in fp32.
    let sum = tensor.f_sum(Kind::Float)?;
    Ok(f64::try_from(sum)?.is_finite())
}

impl Params {
    /// The path one level down.
    #[must_use]
    pub fn at(&self, name: impl Display) -> Self {
        let prefix = if self.prefix.is_empty() {
            name.to_string()
        } else {
            format!("{}.{name}", self.prefix)
        };
        Self {
            store: self.store.clone(),
            prefix,
        }
    }

    /// This path, such as `down_blocks.0.resnets.1`; empty at the top.
    pub fn path(&self) -> &str {
        &self.prefix
    }

    /// The full name of `name` under this path.
    pub fn full_name(&self, name: &str) -> String {
        if self.prefix.is_empty() {
            name.to_owned()
        } else {
            format!("{}.{name}", self.prefix)
        }
    }

    /// Whether `name` is there under this path; false for fresh parameters.
    pub fn has(&self, name: &str) -> bool {
        let full = self.full_name(name);
        match &self.store.0.borrow().source {
            Source::Files(files) => files.iter().any(|f| f.entries().contains_key(&full)),
            Source::Renamed(file) => file.views.contains_key(&full),
            Source::Tensors(tensors) => tensors.contains_key(&full),
            Source::Fresh => false,
        }
    }

    /// The config.json beside the first weights file, for messages about its fields; the file
    /// itself where it says them too.
    pub fn config_path(&self) -> PathBuf {
        let path = self.store.path();
        match self.store.0.borrow().source {
            Source::Renamed(_) => path,
            _ => path.with_file_name("config.json"),
        }
    }

    /// dtype of the parameters.
    pub fn kind(&self) -> Kind {
        self.store.0.borrow().kind
    }

    /// Device of the parameters.
    pub fn device(&self) -> Device {
        self.store.0.borrow().device
    }

    /// The parameter `name` of shape `shape`.
    ///
    /// A missing or misshapen one is noted for [`ParamStore::finish`] and replaced by zeros, so
    /// that one load reports all of them.
    ///
    /// # Errors
    /// libtorch runs out of memory, or the file stores a dtype that it cannot hold.
    pub fn get(&self, name: &str, shape: &[i64], init: Init) -> Result<Tensor> {
        let full = self.full_name(name);
        let mut inner = self.store.0.borrow_mut();
        let (kind, device) = (inner.kind, inner.device);
        let mut note = None;
        let mut misshapen = |found: &[i64]| {
            note = Some(format!("{full} is {found:?}, expected {shape:?}"));
            Tensor::f_zeros(shape, (kind, device))
        };
        let found = match &inner.source {
            Source::Fresh => Some(make(shape, init, kind, device)?),
            Source::Tensors(tensors) => match tensors.get(&full) {
                Some(tensor) if tensor.size() == shape => Some(tensor.shallow_clone()),
                Some(tensor) => Some(misshapen(&tensor.size())?),
                None => None,
            },
            Source::Renamed(file) => match file.shape(&full) {
                None => None,
                Some(found) if found == shape => file.tensor(&full, kind, device)?,
                Some(found) => Some(misshapen(&found)?),
            },
            Source::Files(files) => {
                let found = files
                    .iter()
                    .find_map(|f| f.entries().get(&full).map(|entry| (f, entry)));
                match found {
                    None => None,
                    Some((file, entry)) if entry.shape == shape => {
                        file.tensor(&full, kind, device)?
                    }
                    Some((_, entry)) => Some(misshapen(&entry.shape)?),
                }
            }
        };
        inner.report.shapes.extend(note);
        inner.asked.insert(full.clone());
        let tensor = if let Some(tensor) = found {
            tensor
        } else {
            inner.report.missing.push(full.clone());
            Tensor::f_zeros(shape, (kind, device))?
        };
        inner.made.push((full, tensor.shallow_clone()));
        Ok(tensor)
    }
}

fn make(shape: &[i64], init: Init, kind: Kind, device: Device) -> Result<Tensor> {
    let options = (Kind::Float, device);
    let tensor = match init {
        Init::Zeros => Tensor::f_zeros(shape, options)?,
        Init::Ones => Tensor::f_ones(shape, options)?,
        Init::Constant(value) => Tensor::f_full(shape, value, options)?,
        Init::Normal(std) => Tensor::f_randn(shape, options)?.f_mul_scalar(std)?,
        Init::FanIn(fan_in) => {
            let bound = 1.0 / (fan_in.max(1) as f64).sqrt();
            Tensor::f_rand(shape, options)?
                .f_mul_scalar(2.0 * bound)?
                .f_sub_scalar(bound)?
        }
    };
    Ok(tensor.f_to_kind(kind)?)
}
