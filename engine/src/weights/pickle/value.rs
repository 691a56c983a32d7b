//! What a pickle describes.

use std::fmt;
use std::sync::Arc;

use tch::Kind;

use super::Problem;
use crate::weights::save::dtype_name;

/// libtorch's own limit on dimensions.
const MAX_DIMS: usize = 64;

/// A tensor that repeats stored elements (a stride of 0) may grow to this many.
const MAX_REPEATED: i64 = 1 << 24;

/// A value that a pickle describes, with the tensors still in the file.
#[derive(Debug, Clone, PartialEq)]
pub enum PickleValue {
    /// `None`.
    None,
    /// `True` or `False`.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A float.
    Float(f64),
    /// A text.
    Text(Arc<str>),
    /// A list, a tuple or a `torch.Size`.
    List(Vec<Self>),
    /// A dict, ordered or not, in the order of its keys.
    Dict(Vec<(PickleKey, Self)>),
    /// A tensor or parameter.
    Tensor(PickleTensor),
}

/// A key of a dict.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum PickleKey {
    /// A text.
    Text(Arc<str>),
    /// An integer.
    Int(i64),
}

impl fmt::Display for PickleKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Int(number) => number.fmt(f),
        }
    }
}

/// Where a tensor lies in its file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PickleTensor {
    /// Dimensions.
    pub shape: Vec<i64>,
    /// Steps in elements along each dimension.
    strides: Vec<i64>,
    /// First element in the storage.
    offset: i64,
    storage: Storage,
}

/// One run of numbers in the file; several tensors may share it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::weights) struct Storage {
    /// Name of its entry under `data/`.
    pub(super) key: Arc<str>,
    pub(in crate::weights) kind: Kind,
    /// Elements.
    pub(super) numel: i64,
}

impl PickleTensor {
    /// A tensor whose every element lies in `storage`.
    pub(super) fn new(
        storage: Storage,
        offset: i64,
        shape: Vec<i64>,
        strides: Vec<i64>,
    ) -> Result<Self, Problem> {
        let fits = shape.len() == strides.len()
            && shape.len() <= MAX_DIMS
            && offset >= 0
            && shape.iter().chain(&strides).all(|&d| d >= 0);
        let numel = shape.iter().try_fold(1_i64, |n, &d| n.checked_mul(d));
        let (true, Some(numel)) = (fits, numel) else {
            return Err(format!(
                "has a tensor of shape {shape:?}, strides {strides:?} and offset {offset}, which \
                 none can have; fetch or export it again"
            ));
        };
        let tensor = Self {
            shape,
            strides,
            offset,
            storage,
        };
        let end = tensor.extent().and_then(|n| n.checked_add(offset));
        if end.is_none_or(|end| end > tensor.storage.numel) {
            return Err(format!(
                "has a tensor of shape {:?}, strides {:?} and offset {offset} in a storage of {} \
                 values, which it does not fit; fetch or export it again",
                tensor.shape, tensor.strides, tensor.storage.numel
            ));
        }
        if numel > tensor.storage.numel.max(MAX_REPEATED) {
            return Err(format!(
                "has a tensor that repeats {} stored values to {numel}; save a clone() of it",
                tensor.storage.numel
            ));
        }
        Ok(tensor)
    }

    /// dtype as stored, in safetensors' name for it, such as `F16`.
    pub fn dtype(&self) -> &'static str {
        dtype_name(self.storage.kind).unwrap_or("?")
    }

    /// Number of elements.
    pub fn numel(&self) -> i64 {
        self.shape.iter().product()
    }

    pub(in crate::weights) fn storage(&self) -> &Storage {
        &self.storage
    }

    pub(super) fn strides(&self) -> &[i64] {
        &self.strides
    }

    /// Bytes of the storage from its first element to its last.
    pub(super) fn byte_range(&self) -> std::ops::Range<usize> {
        let width = self.storage.kind.elt_size_in_bytes();
        let start = self.offset as usize * width;
        start..start + self.extent().unwrap_or_default() as usize * width
    }

    /// Elements of the storage from the first to the last, or `None` where they overflow.
    fn extent(&self) -> Option<i64> {
        if self.shape.contains(&0) {
            return Some(0);
        }
        let mut last = 0_i64;
        for (&size, &stride) in self.shape.iter().zip(&self.strides) {
            last = last.checked_add((size - 1).checked_mul(stride)?)?;
        }
        last.checked_add(1)
    }
}

impl PickleValue {
    /// The value under `key`, where this is a dict that has it.
    pub fn get(&self, key: &str) -> Option<&Self> {
        let Self::Dict(items) = self else {
            return None;
        };
        items
            .iter()
            .find(|(k, _)| matches!(k, PickleKey::Text(text) if &**text == key))
            .map(|(_, value)| value)
    }

    /// Everything that is neither a dict nor a list, with its keys and indices joined by dots as
    /// its name, in reading order. A value at the top is named `value`.
    pub fn leaves(&self) -> Vec<(String, &Self)> {
        let mut found = Vec::new();
        self.collect_leaves(&mut String::new(), &mut found);
        found
    }

    fn collect_leaves<'a>(&'a self, path: &mut String, found: &mut Vec<(String, &'a Self)>) {
        let mut under = |key: &dyn fmt::Display, value: &'a Self| {
            let length = path.len();
            if length > 0 {
                path.push('.');
            }
            path.push_str(&key.to_string());
            value.collect_leaves(path, found);
            path.truncate(length);
        };
        match self {
            Self::Dict(items) => items.iter().for_each(|(key, value)| under(key, value)),
            Self::List(items) => items
                .iter()
                .enumerate()
                .for_each(|(i, value)| under(&i, value)),
            _ if path.is_empty() => found.push(("value".to_owned(), self)),
            _ => found.push((path.clone(), self)),
        }
    }
}

/// Plain values in Python's spelling; dicts, lists and tensors in a word.
impl fmt::Display for PickleValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("None"),
            Self::Bool(true) => f.write_str("True"),
            Self::Bool(false) => f.write_str("False"),
            Self::Int(number) => number.fmt(f),
            Self::Float(number) => write!(f, "{number:?}"),
            Self::Text(text) => f.write_str(text),
            Self::List(items) => write!(f, "list of {}", items.len()),
            Self::Dict(items) => write!(f, "dict of {}", items.len()),
            Self::Tensor(tensor) => write!(f, "tensor {:?} {}", tensor.shape, tensor.dtype()),
        }
    }
}
