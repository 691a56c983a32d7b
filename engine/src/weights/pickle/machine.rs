//! The stack machine that a pickle is a program for, with the instructions that tensors need.

use std::collections::HashMap;
use std::sync::Arc;

use super::Problem;
use super::classes::Class;
use super::opcode as op;
use super::value::{PickleTensor, PickleValue, Storage};

/// Words of memory that values may take, a million tensors' worth: a small file can describe a huge
/// value by naming one list many times.
const MAX_WORDS: usize = 1 << 23;

/// A value under construction, by its place in the arena: dicts and lists are shared and filled
/// later, as in Python.
pub(super) type NodeId = u32;

#[derive(Debug)]
pub(super) enum Node {
    None,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(Arc<str>),
    Tuple(Vec<NodeId>),
    List(Vec<NodeId>),
    Dict(Vec<(NodeId, NodeId)>),
    Class(Class),
    Storage(Box<Storage>),
    Tensor(Box<PickleTensor>),
}

impl Node {
    /// What it is, for messages.
    pub(super) fn word(&self) -> &'static str {
        match self {
            Self::None => "None",
            Self::Bool(_) => "a bool",
            Self::Int(_) => "an integer",
            Self::Float(_) => "a float",
            Self::Text(_) => "a text",
            Self::Tuple(_) => "a tuple",
            Self::List(_) => "a list",
            Self::Dict(_) => "a dict",
            Self::Class(_) => "a class",
            Self::Storage(_) => "a storage",
            Self::Tensor(_) => "a tensor",
        }
    }

    /// Roughly the memory it takes beyond its items, which the stack has paid for.
    fn words(&self) -> usize {
        match self {
            Self::Tensor(tensor) => 8 + 2 * tensor.shape.len(),
            _ => 1,
        }
    }
}

/// The value that `pickle` describes.
pub(super) fn run(pickle: &[u8]) -> Result<PickleValue, Problem> {
    if pickle.first() != Some(&op::PROTO) {
        return Err(
            "has a data.pkl that is no pickle of protocol 2 to 5; fetch or export it again"
                .to_owned(),
        );
    }
    let mut machine = Machine {
        rest: pickle,
        nodes: Vec::new(),
        stack: Vec::new(),
        marks: Vec::new(),
        memo: HashMap::new(),
        words_left: MAX_WORDS,
    };
    let root = machine.run()?;
    machine.words_left = MAX_WORDS;
    machine.value(root, 0, 0)
}

pub(super) struct Machine<'a> {
    rest: &'a [u8],
    nodes: Vec<Node>,
    stack: Vec<NodeId>,
    /// Heights of the stack at each mark that is still open.
    marks: Vec<usize>,
    memo: HashMap<u32, NodeId>,
    words_left: usize,
}

fn cut_short() -> Problem {
    "has a data.pkl that ends too early; fetch or export it again".to_owned()
}

pub(super) fn damaged(what: &str) -> Problem {
    format!("has a damaged data.pkl ({what}); fetch or export it again")
}

impl<'a> Machine<'a> {
    fn run(&mut self) -> Result<NodeId, Problem> {
        loop {
            let [opcode] = self.take_array()?;
            match opcode {
                op::STOP => return self.pop(),
                op::PROTO => {
                    let [protocol] = self.take_array()?;
                    if !(2..=5).contains(&protocol) {
                        return Err(format!(
                            "has a pickle of protocol {protocol}; save it again with protocol 2"
                        ));
                    }
                }
                // Only says how much to read ahead.
                op::FRAME => drop(self.take_array::<8>()?),
                op::MARK => self.marks.push(self.stack.len()),
                op::POP => drop(self.pop()?),
                op::POP_MARK => drop(self.pop_to_mark()?),
                op::DUP => {
                    let top = self.top()?;
                    self.stack.push(top);
                }
                op::NONE => self.push(Node::None)?,
                op::NEWTRUE => self.push(Node::Bool(true))?,
                op::NEWFALSE => self.push(Node::Bool(false))?,
                op::BININT => {
                    let value = i32::from_le_bytes(self.take_array()?);
                    self.push(Node::Int(value.into()))?;
                }
                op::BININT1 => {
                    let [value] = self.take_array()?;
                    self.push(Node::Int(value.into()))?;
                }
                op::BININT2 => {
                    let value = u16::from_le_bytes(self.take_array()?);
                    self.push(Node::Int(value.into()))?;
                }
                op::LONG1 => {
                    let [length] = self.take_array()?;
                    self.long(length.into())?;
                }
                op::LONG4 => {
                    let length = u32::from_le_bytes(self.take_array()?);
                    self.long(length.into())?;
                }
                op::BINFLOAT => {
                    let value = f64::from_be_bytes(self.take_array()?);
                    self.push(Node::Float(value))?;
                }
                op::SHORT_BINUNICODE => {
                    let [length] = self.take_array()?;
                    self.text(length.into())?;
                }
                op::BINUNICODE => {
                    let length = u32::from_le_bytes(self.take_array()?);
                    self.text(length.into())?;
                }
                op::BINUNICODE8 => {
                    let length = u64::from_le_bytes(self.take_array()?);
                    self.text(length)?;
                }
                op::EMPTY_TUPLE => self.push(Node::Tuple(Vec::new()))?,
                op::TUPLE1 => self.tuple(1)?,
                op::TUPLE2 => self.tuple(2)?,
                op::TUPLE3 => self.tuple(3)?,
                op::TUPLE => {
                    let items = self.pop_to_mark()?;
                    self.push(Node::Tuple(items))?;
                }
                op::EMPTY_LIST => self.push(Node::List(Vec::new()))?,
                op::LIST => {
                    let items = self.pop_to_mark()?;
                    self.push(Node::List(items))?;
                }
                op::APPEND => {
                    let item = self.pop()?;
                    self.append(vec![item])?;
                }
                op::APPENDS => {
                    let items = self.pop_to_mark()?;
                    self.append(items)?;
                }
                op::EMPTY_DICT => self.push(Node::Dict(Vec::new()))?,
                op::DICT => {
                    let items = self.pop_to_mark()?;
                    self.push(Node::Dict(Vec::new()))?;
                    self.set_items(&items)?;
                }
                op::SETITEM => {
                    let value = self.pop()?;
                    let key = self.pop()?;
                    self.set_items(&[key, value])?;
                }
                op::SETITEMS => {
                    let items = self.pop_to_mark()?;
                    self.set_items(&items)?;
                }
                op::GLOBAL => {
                    let module = self.line()?;
                    let name = self.line()?;
                    self.push(Node::Class(Class::find(module, name)?))?;
                }
                op::STACK_GLOBAL => {
                    let name = self.pop_text()?;
                    let module = self.pop_text()?;
                    self.push(Node::Class(Class::find(&module, &name)?))?;
                }
                op::REDUCE => {
                    let arguments = self.pop()?;
                    let callee = self.pop()?;
                    let made = self.call(callee, arguments)?;
                    self.push(made)?;
                }
                op::BUILD => {
                    // Attributes of an OrderedDict, such as the _metadata of a state dict.
                    self.pop()?;
                    let top = self.top()?;
                    if !matches!(self.node(top), Node::Dict(_)) {
                        let what = self.node(top).word();
                        return Err(damaged(&format!("attributes for {what}")));
                    }
                }
                op::BINPERSID => {
                    let id = self.pop()?;
                    let storage = self.storage(id)?;
                    self.push(Node::Storage(Box::new(storage)))?;
                }
                op::BINPUT => {
                    let [place] = self.take_array()?;
                    self.put(place.into())?;
                }
                op::LONG_BINPUT => {
                    let place = u32::from_le_bytes(self.take_array()?);
                    self.put(place)?;
                }
                op::MEMOIZE => self.put(self.memo.len() as u32)?,
                op::BINGET => {
                    let [place] = self.take_array()?;
                    self.get(place.into())?;
                }
                op::LONG_BINGET => {
                    let place = u32::from_le_bytes(self.take_array()?);
                    self.get(place)?;
                }
                other => {
                    return Err(match op::name(other) {
                        Some(name) => format!(
                            "uses the pickle opcode {name}, which a file of tensors does not need, \
                             so it is not read; in Python, save the tensors alone as safetensors"
                        ),
                        None => damaged(&format!("byte {other:#04x} is no opcode")),
                    });
                }
            }
        }
    }

    fn take(&mut self, length: u64) -> Result<&'a [u8], Problem> {
        let length = usize::try_from(length).map_err(|_| cut_short())?;
        let (head, rest) = self.rest.split_at_checked(length).ok_or_else(cut_short)?;
        self.rest = rest;
        Ok(head)
    }

    fn take_array<const N: usize>(&mut self) -> Result<[u8; N], Problem> {
        let (head, rest) = self.rest.split_first_chunk().ok_or_else(cut_short)?;
        self.rest = rest;
        Ok(*head)
    }

    /// Takes `words` off what the values may still take.
    pub(super) fn spend(&mut self, words: usize) -> Result<(), Problem> {
        self.words_left = self.words_left.checked_sub(words).ok_or_else(|| {
            "describes more values than a file of tensors has; save its tensors alone as \
             safetensors"
                .to_owned()
        })?;
        Ok(())
    }

    fn push(&mut self, node: Node) -> Result<(), Problem> {
        self.spend(node.words())?;
        let id = self.nodes.len() as NodeId;
        self.nodes.push(node);
        self.stack.push(id);
        Ok(())
    }

    pub(super) fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id as usize]
    }

    fn floor(&self) -> usize {
        self.marks.last().copied().unwrap_or_default()
    }

    fn top(&self) -> Result<NodeId, Problem> {
        match self.stack.last() {
            Some(&id) if self.stack.len() > self.floor() => Ok(id),
            _ => Err(damaged("its stack runs empty")),
        }
    }

    fn pop(&mut self) -> Result<NodeId, Problem> {
        let top = self.top()?;
        self.stack.pop();
        Ok(top)
    }

    fn pop_to_mark(&mut self) -> Result<Vec<NodeId>, Problem> {
        let mark = self.marks.pop().ok_or_else(|| damaged("no mark is set"))?;
        Ok(self.stack.split_off(mark))
    }

    fn pop_text(&mut self) -> Result<Arc<str>, Problem> {
        let id = self.pop()?;
        match self.node(id) {
            Node::Text(text) => Ok(text.clone()),
            other => Err(damaged(&format!("{} where a name goes", other.word()))),
        }
    }

    fn put(&mut self, place: u32) -> Result<(), Problem> {
        self.spend(1)?;
        let top = self.top()?;
        self.memo.insert(place, top);
        Ok(())
    }

    fn get(&mut self, place: u32) -> Result<(), Problem> {
        let id = self.memo.get(&place);
        self.stack
            .push(*id.ok_or_else(|| damaged("it recalls what it never kept"))?);
        Ok(())
    }

    fn long(&mut self, length: u64) -> Result<(), Problem> {
        let bytes = self.take(length)?;
        if bytes.len() > 8 {
            let bits = bytes.len() * 8;
            return Err(format!(
                "holds an integer of {bits} bits, which no tensor needs; save the tensors alone \
                 as safetensors"
            ));
        }
        let negative = bytes.last().is_some_and(|b| b & 0x80 != 0);
        let mut wide = [if negative { 0xff } else { 0 }; 8];
        wide[..bytes.len()].copy_from_slice(bytes);
        self.push(Node::Int(i64::from_le_bytes(wide)))
    }

    fn text(&mut self, length: u64) -> Result<(), Problem> {
        let bytes = self.take(length)?;
        let text = std::str::from_utf8(bytes).map_err(|_| damaged("a text is not UTF-8"))?;
        let text = Node::Text(text.into());
        self.push(text)
    }

    fn tuple(&mut self, length: usize) -> Result<(), Problem> {
        let start = self.stack.len().checked_sub(length);
        let start = start.filter(|&start| start >= self.floor());
        let items = self
            .stack
            .split_off(start.ok_or_else(|| damaged("its stack runs empty"))?);
        self.push(Node::Tuple(items))
    }

    fn append(&mut self, items: Vec<NodeId>) -> Result<(), Problem> {
        let list = self.top()?;
        match &mut self.nodes[list as usize] {
            Node::List(list) => {
                list.extend(items);
                Ok(())
            }
            other => Err(damaged(&format!("items for {}", other.word()))),
        }
    }

    fn set_items(&mut self, items: &[NodeId]) -> Result<(), Problem> {
        let dict = self.top()?;
        if !items.len().is_multiple_of(2) {
            return Err(damaged("a key has no value"));
        }
        match &mut self.nodes[dict as usize] {
            Node::Dict(dict) => {
                dict.extend(items.chunks_exact(2).map(|pair| (pair[0], pair[1])));
                Ok(())
            }
            other => Err(damaged(&format!("keys for {}", other.word()))),
        }
    }

    /// A line of text, which is how `GLOBAL` names things.
    fn line(&mut self) -> Result<&'a str, Problem> {
        let end = self.rest.iter().position(|&b| b == b'\n');
        let line = self.take(end.ok_or_else(cut_short)? as u64)?;
        self.take_array::<1>()?;
        std::str::from_utf8(line).map_err(|_| damaged("a name is not UTF-8"))
    }
}
