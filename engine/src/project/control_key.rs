//! Which slider a control belongs to.

use std::fmt;

use crate::recipe::ControlUse;

/// A control and whom it works on, without how far: `smile@woman`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ControlKey {
    /// The control's name; one attribute of an adapter is `adapter/attribute`.
    pub name: String,
    /// The subject's words in the prompt, in lower case; `None` for the whole picture.
    pub subject: Option<String>,
}

impl ControlKey {
    /// The key of the control `name` on `subject`.
    pub fn new(name: impl Into<String>, subject: Option<&str>) -> Self {
        Self {
            name: name.into(),
            subject: subject.map(str::to_lowercase),
        }
    }

    /// The key of a control at work.
    pub fn of(control: &ControlUse) -> Self {
        Self::new(&control.name, control.subject.as_deref())
    }
}

/// As [`Bench::locked`](super::Bench::locked) writes it.
impl fmt::Display for ControlKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.subject {
            Some(subject) => write!(f, "{}@{subject}", self.name),
            None => f.write_str(&self.name),
        }
    }
}
