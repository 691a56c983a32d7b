//! Undo as a timeline: states are kept, and a cursor moves over them.

/// So many steps back are remembered.
const CAPACITY: usize = 200;

/// States in the order in which they came about. A new one is kept only between interactions, so
/// that a drag is one step whatever happens during it.
#[derive(Debug)]
pub struct Timeline<T> {
    states: Vec<T>,
    cursor: usize,
}

impl<T: Clone + PartialEq> Timeline<T> {
    /// A timeline that begins at `state`.
    pub fn new(state: T) -> Self {
        Self {
            states: vec![state],
            cursor: 0,
        }
    }

    /// Looks at the present state; keeps it where it is new and nobody is in the middle of
    /// changing it.
    pub fn observe(&mut self, state: &T, is_interacting: bool) {
        if is_interacting || self.states[self.cursor] == *state {
            return;
        }
        self.states.truncate(self.cursor + 1);
        self.states.push(state.clone());
        if self.states.len() > CAPACITY {
            self.states.remove(0);
        }
        self.cursor = self.states.len() - 1;
    }

    /// Puts `now` in the place of `was`, where that is the present state: what came of a change
    /// belongs to it.
    pub fn amend(&mut self, was: &T, now: T) {
        if self.states[self.cursor] == *was {
            self.states[self.cursor] = now;
        }
    }

    /// The state before `present`; a change that was not kept yet is kept first, so that redo
    /// finds it.
    pub fn undo(&mut self, present: &T) -> Option<&T> {
        self.observe(present, false);
        self.cursor = self.cursor.checked_sub(1)?;
        Some(&self.states[self.cursor])
    }

    /// The state that was last undone.
    pub fn redo(&mut self, present: &T) -> Option<&T> {
        self.observe(present, false);
        let next = self.states.get(self.cursor + 1)?;
        self.cursor += 1;
        Some(next)
    }

    /// All that can still be gone to.
    pub fn states(&self) -> &[T] {
        &self.states
    }

    /// Whether there is a step back from `present`.
    pub fn can_undo(&self, present: &T) -> bool {
        self.cursor > 0 || self.states[self.cursor] != *present
    }

    /// Whether there is a step forward from `present`.
    pub fn can_redo(&self, present: &T) -> bool {
        self.cursor + 1 < self.states.len() && self.states[self.cursor] == *present
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_drag_is_one_step() {
        let mut timeline = Timeline::new(0);
        for x in 1..=9 {
            timeline.observe(&x, true);
        }
        timeline.observe(&9, false);
        assert_eq!(timeline.undo(&9), Some(&0));
        assert_eq!(timeline.redo(&0), Some(&9));
        assert_eq!(timeline.redo(&9), None);
    }

    #[test]
    fn a_change_after_undo_takes_the_place_of_what_was_undone() {
        let mut timeline = Timeline::new(0);
        timeline.observe(&1, false);
        timeline.observe(&2, false);
        assert_eq!(timeline.undo(&2), Some(&1));
        timeline.observe(&5, false);
        assert!(!timeline.can_redo(&5));
        assert_eq!(timeline.undo(&5), Some(&1));
    }

    proptest! {
        #[test]
        fn undo_then_redo_is_where_one_was(states in proptest::collection::vec(0_u8..5, 1..30)) {
            let mut timeline = Timeline::new(0);
            for state in &states {
                timeline.observe(state, false);
            }
            let last = *states.last().unwrap();
            let mut present = last;
            let mut steps = 0;
            while let Some(&before) = timeline.undo(&present) {
                prop_assert_ne!(before, present, "every step changes something");
                present = before;
                steps += 1;
            }
            prop_assert_eq!(present, 0);
            for _ in 0..steps {
                present = *timeline.redo(&present).unwrap();
            }
            prop_assert_eq!(present, last);
        }
    }
}
