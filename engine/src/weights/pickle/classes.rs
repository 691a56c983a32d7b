//! The classes and functions that a pickle of tensors names.

use tch::Kind;

use super::Problem;

/// A class or function that this reader knows; it stands for our own code, never for Python's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    /// `collections.OrderedDict`, which is read as a dict.
    OrderedDict,
    /// `torch.Size`, which is read as a list.
    Size,
    /// `torch._utils._rebuild_tensor_v2`.
    Tensor,
    /// `torch._utils._rebuild_parameter`, which is read as its tensor.
    Parameter,
    /// `torch.FloatStorage` and its like.
    Storage(Kind),
}

impl Class {
    /// The one called `module.name`.
    pub(super) fn find(module: &str, name: &str) -> Result<Self, Problem> {
        let found = match (module, name) {
            ("collections", "OrderedDict") => Some(Self::OrderedDict),
            ("torch", "Size") => Some(Self::Size),
            ("torch._utils", "_rebuild_tensor_v2") => Some(Self::Tensor),
            ("torch._utils", "_rebuild_parameter") => Some(Self::Parameter),
            ("torch", storage) => storage_kind(storage).map(Self::Storage),
            _ => None,
        };
        found.ok_or_else(|| {
            format!(
                "asks for {}, which is no part of plain tensors and could run code, so it is not \
                 read; in Python, save the tensors alone as safetensors",
                shown(&format!("{module}.{name}"))
            )
        })
    }
}

impl Class {
    /// Its name in Python.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::OrderedDict => "collections.OrderedDict",
            Self::Size => "torch.Size",
            Self::Tensor => "torch._utils._rebuild_tensor_v2",
            Self::Parameter => "torch._utils._rebuild_parameter",
            Self::Storage(_) => "torch.Storage",
        }
    }
}

fn storage_kind(name: &str) -> Option<Kind> {
    Some(match name {
        "FloatStorage" => Kind::Float,
        "HalfStorage" => Kind::Half,
        "BFloat16Storage" => Kind::BFloat16,
        "DoubleStorage" => Kind::Double,
        "LongStorage" => Kind::Int64,
        "IntStorage" => Kind::Int,
        "ShortStorage" => Kind::Int16,
        "CharStorage" => Kind::Int8,
        "ByteStorage" => Kind::Uint8,
        "BoolStorage" => Kind::Bool,
        _ => return None,
    })
}

/// A name out of the file, fit for a message.
pub(super) fn shown(name: &str) -> String {
    const LONGEST: usize = 80;
    let mut text: String = name.chars().take(LONGEST).collect();
    if text.len() < name.len() {
        text.push('…');
    }
    text.escape_debug().to_string()
}
