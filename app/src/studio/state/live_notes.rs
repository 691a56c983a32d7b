//! Notes on the pictures that follow the hand.

use std::collections::BTreeSet;

/// Many pictures are made while a slider moves, and each has the same to say: it is told once.
#[derive(Debug, Default)]
pub(super) struct LiveNotes {
    before: BTreeSet<String>,
    now: BTreeSet<String>,
}

impl LiveNotes {
    /// Whether `note` is news: the last picture did not have it.
    pub(super) fn is_news(&mut self, note: &str) -> bool {
        self.now.insert(note.to_owned()) && !self.before.contains(note)
    }

    /// A picture is finished: what it did not have would be news with the next one.
    pub(super) fn ended(&mut self) {
        self.before = std::mem::take(&mut self.now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_every_picture_has_is_told_once_and_again_when_it_comes_back() {
        let mut notes = LiveNotes::default();
        assert!(notes.is_news("two tensors are left out"));
        notes.ended();
        assert!(!notes.is_news("two tensors are left out"));
        assert!(notes.is_news("the recipe was made with another version"));
        notes.ended();
        notes.ended();
        assert!(notes.is_news("two tensors are left out"), "it was away");
    }
}
