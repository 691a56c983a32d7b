//! Files of Python's `torch.save` (`.pt`, `.pth`, `.ckpt`, `.bin`).
//!
//! Such a file is a zip archive: `data.pkl` says in the opcodes of Python's pickle what the value
//! is, and each tensor's numbers lie in an entry of their own. A pickle is a small program that can
//! call anything, so this reader is not an unpickler: it knows the opcodes, and by name the few
//! classes, that tensors in dicts and lists are made of. Everything else is refused by its name,
//! and no code is ever run.

mod archive;
mod classes;
mod construct;
mod file;
mod machine;
mod opcode;
mod value;

pub use file::PickleFile;
pub use value::{PickleKey, PickleTensor, PickleValue};

/// What is wrong inside a file, to follow its path in the message.
type Problem = String;
