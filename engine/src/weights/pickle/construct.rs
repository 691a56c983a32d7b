//! What the machine makes when a pickle calls one of the known classes, and the finished value.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::Problem;
use super::classes::Class;
use super::machine::{Machine, Node, NodeId, damaged};
use super::value::{PickleKey, PickleTensor, PickleValue, Storage};

/// Dicts and lists inside each other.
const MAX_DEPTH: usize = 64;

impl Machine<'_> {
    /// `callee(*arguments)`.
    pub(super) fn call(&self, callee: NodeId, arguments: NodeId) -> Result<Node, Problem> {
        let class = match self.node(callee) {
            Node::Class(class) => *class,
            other => return Err(damaged(&format!("a call of {}", other.word()))),
        };
        let Node::Tuple(arguments) = self.node(arguments) else {
            let what = self.node(arguments).word();
            return Err(damaged(&format!("a call with {what}")));
        };
        match (class, arguments.as_slice()) {
            (Class::OrderedDict, []) => Ok(Node::Dict(Vec::new())),
            (Class::Size, &[sizes]) => match self.node(sizes) {
                Node::Tuple(sizes) => Ok(Node::Tuple(sizes.clone())),
                other => Err(damaged(&format!("a torch.Size of {}", other.word()))),
            },
            (Class::Tensor, &[storage, offset, shape, strides, _grad, _hooks]) => {
                self.tensor(storage, offset, shape, strides)
            }
            (Class::Tensor, &[storage, offset, shape, strides, _grad, _hooks, notes]) => {
                match self.node(notes) {
                    Node::None => {}
                    Node::Dict(notes) if notes.is_empty() => {}
                    _ => {
                        return Err("has a tensor that is stored conjugated or negated; save a \
                                    clone() of it"
                            .to_owned());
                    }
                }
                self.tensor(storage, offset, shape, strides)
            }
            (Class::Parameter, &[tensor, _grad, _hooks]) => match self.node(tensor) {
                Node::Tensor(tensor) => Ok(Node::Tensor(tensor.clone())),
                other => Err(damaged(&format!("a parameter of {}", other.word()))),
            },
            (class, arguments) => Err(damaged(&format!(
                "{} with {} arguments",
                class.name(),
                arguments.len()
            ))),
        }
    }

    fn tensor(
        &self,
        storage: NodeId,
        offset: NodeId,
        shape: NodeId,
        strides: NodeId,
    ) -> Result<Node, Problem> {
        let Node::Storage(storage) = self.node(storage) else {
            let what = self.node(storage).word();
            return Err(damaged(&format!("{what} where a storage goes")));
        };
        let tensor = PickleTensor::new(
            Storage::clone(storage),
            self.int(offset)?,
            self.ints(shape)?,
            self.ints(strides)?,
        )?;
        Ok(Node::Tensor(Box::new(tensor)))
    }

    /// The storage that `id` names: `("storage", class, key, device, numel)`.
    pub(super) fn storage(&self, id: NodeId) -> Result<Storage, Problem> {
        let items = match self.node(id) {
            Node::Tuple(items) => items.as_slice(),
            _ => &[],
        };
        let &[tag, class, key, _device, numel] = items else {
            return Err(damaged("something else than a storage is kept outside"));
        };
        match (self.node(tag), self.node(class), self.node(key)) {
            (Node::Text(tag), &Node::Class(Class::Storage(kind)), Node::Text(key))
                if &**tag == "storage" =>
            {
                let numel = self.int(numel)?;
                let bytes = numel.checked_mul(kind.elt_size_in_bytes() as i64);
                if numel < 0 || bytes.is_none() {
                    return Err(damaged(&format!("a storage of {numel} values")));
                }
                let key = key.clone();
                Ok(Storage { key, kind, numel })
            }
            _ => Err(damaged("something else than a storage is kept outside")),
        }
    }

    fn int(&self, id: NodeId) -> Result<i64, Problem> {
        match self.node(id) {
            Node::Int(value) => Ok(*value),
            other => Err(damaged(&format!("{} where a number goes", other.word()))),
        }
    }

    fn ints(&self, id: NodeId) -> Result<Vec<i64>, Problem> {
        match self.node(id) {
            Node::Tuple(items) => items.iter().map(|&item| self.int(item)).collect(),
            other => Err(damaged(&format!("{} where a shape goes", other.word()))),
        }
    }

    /// The finished value of a node. `path_bytes` is the length of the keys around it: names made
    /// of them are paid for here.
    pub(super) fn value(
        &mut self,
        id: NodeId,
        depth: usize,
        path_bytes: usize,
    ) -> Result<PickleValue, Problem> {
        // A list that holds itself ends here too.
        if depth > MAX_DEPTH {
            return Err(format!(
                "holds dicts or lists more than {MAX_DEPTH} deep; save its tensors alone as \
                 safetensors"
            ));
        }
        self.spend(1 + path_bytes / size_of::<usize>())?;
        let items = match self.node(id) {
            Node::None => return Ok(PickleValue::None),
            Node::Bool(value) => return Ok(PickleValue::Bool(*value)),
            Node::Int(value) => return Ok(PickleValue::Int(*value)),
            Node::Float(value) => return Ok(PickleValue::Float(*value)),
            Node::Text(text) => return Ok(PickleValue::Text(text.clone())),
            Node::Tensor(tensor) => {
                let tensor = PickleTensor::clone(tensor);
                self.spend(2 * tensor.shape.len())?;
                return Ok(PickleValue::Tensor(tensor));
            }
            Node::Class(class) => return Err(format!("holds the bare class {}", class.name())),
            Node::Storage(_) => {
                return Err("holds a storage without its tensor; save the tensor".to_owned());
            }
            Node::Dict(items) => {
                let items = items.clone();
                return self.dict(&items, depth, path_bytes);
            }
            Node::List(items) | Node::Tuple(items) => items.clone(),
        };
        // Room for an index and a dot.
        let path_bytes = path_bytes + 8;
        let items = items
            .into_iter()
            .map(|item| self.value(item, depth + 1, path_bytes));
        Ok(PickleValue::List(items.collect::<Result<_, _>>()?))
    }

    /// Of a key that comes twice, the later value counts, as in Python.
    fn dict(
        &mut self,
        items: &[(NodeId, NodeId)],
        depth: usize,
        path_bytes: usize,
    ) -> Result<PickleValue, Problem> {
        let mut places = HashMap::new();
        let mut dict: Vec<(PickleKey, PickleValue)> = Vec::new();
        for &(key, value) in items {
            let key = match self.node(key) {
                Node::Text(text) => PickleKey::Text(text.clone()),
                Node::Int(value) => PickleKey::Int(*value),
                other => {
                    return Err(format!(
                        "has a dict with {} as a key, where a text or an integer is needed; save \
                         its tensors alone as safetensors",
                        other.word()
                    ));
                }
            };
            let key_bytes = match &key {
                PickleKey::Text(text) => text.len() + 1,
                PickleKey::Int(_) => 8,
            };
            let value = self.value(value, depth + 1, path_bytes + key_bytes)?;
            match places.entry(key.clone()) {
                Entry::Occupied(place) => {
                    let place: &usize = place.get();
                    dict[*place].1 = value;
                }
                Entry::Vacant(place) => {
                    place.insert(dict.len());
                    dict.push((key, value));
                }
            }
        }
        Ok(PickleValue::Dict(dict))
    }
}
