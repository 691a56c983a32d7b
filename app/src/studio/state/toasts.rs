//! Short messages that go by themselves.

use std::time::{Duration, Instant};

use crate::studio::command::UiCommand;

/// How long a message stays.
const SHOWN_FOR: Duration = Duration::from_secs(6);
/// How long one stays that something went wrong.
const TROUBLE_SHOWN_FOR: Duration = Duration::from_secs(20);
/// No more are shown at once.
const MOST: usize = 4;

/// How serious a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ToastKind {
    /// Something was done.
    Done,
    /// Something to know.
    Note,
    /// Something went wrong.
    Trouble,
}

/// A message.
#[derive(Debug, Clone, PartialEq)]
pub struct Toast {
    /// How serious it is.
    pub kind: ToastKind,
    /// One sentence.
    pub text: String,
    /// A way on.
    pub action: Option<UiCommand>,
    goes_at: Instant,
}

/// The messages that are shown now.
#[derive(Debug, Default)]
pub struct Toasts {
    shown: Vec<Toast>,
}

impl Toasts {
    /// Shows a message; one that is there already starts anew.
    pub fn push(&mut self, kind: ToastKind, text: impl Into<String>, action: Option<UiCommand>) {
        let text = text.into();
        self.shown.retain(|toast| toast.text != text);
        let stays = match kind {
            ToastKind::Trouble => TROUBLE_SHOWN_FOR,
            ToastKind::Done | ToastKind::Note => SHOWN_FOR,
        };
        self.shown.push(Toast {
            kind,
            text,
            action,
            goes_at: Instant::now() + stays,
        });
        if self.shown.len() > MOST {
            self.shown.remove(0);
        }
    }

    /// Those to be shown at `now`, the oldest first.
    pub fn at(&mut self, now: Instant) -> &[Toast] {
        self.shown.retain(|toast| toast.goes_at > now);
        &self.shown
    }

    /// Takes a message away.
    pub fn dismiss(&mut self, at: usize) {
        if at < self.shown.len() {
            self.shown.remove(at);
        }
    }
}
