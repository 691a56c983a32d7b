//! Which kept pictures have their pixels in memory.

use std::collections::{BTreeSet, HashMap, VecDeque};

use super::ResultItem;

/// So many bytes of kept pictures are in memory at most, but for those that cannot go.
pub(super) const MOST_BYTES: usize = 256 << 20;

/// When kept pictures were last shown, and which of them the project file holds.
#[derive(Debug)]
pub(super) struct PixelMemory {
    most_bytes: usize,
    /// Ids, the most recently shown last.
    recent_last: Vec<String>,
    in_file: BTreeSet<String>,
    /// What the file will hold after each of the saves that are on their way.
    on_the_way: VecDeque<BTreeSet<String>>,
}

impl PixelMemory {
    /// Nothing is in the file yet; `most_bytes` stay in memory.
    pub(super) fn new(most_bytes: usize) -> Self {
        Self {
            most_bytes,
            recent_last: Vec::new(),
            in_file: BTreeSet::new(),
            on_the_way: VecDeque::new(),
        }
    }

    /// A project was opened that holds the pictures `ids`.
    pub(super) fn opened(&mut self, ids: impl IntoIterator<Item = String>) {
        *self = Self {
            in_file: ids.into_iter().collect(),
            ..Self::new(self.most_bytes)
        };
    }

    /// A save is on its way after which the file holds the pictures `ids` and no others.
    pub(super) fn is_saving(&mut self, ids: impl IntoIterator<Item = String>) {
        self.on_the_way.push_back(ids.into_iter().collect());
    }

    /// The oldest save on its way has ended.
    pub(super) fn has_saved(&mut self, is_done: bool) {
        if let Some(ids) = self.on_the_way.pop_front().filter(|_| is_done) {
            self.in_file = ids;
        }
    }

    /// Whether the file holds a picture, and goes on holding it.
    pub(super) fn is_in_file(&self, id: &str) -> bool {
        self.in_file.contains(id) && self.on_the_way.iter().all(|ids| ids.contains(id))
    }

    /// A picture was shown, or its pixels have come.
    pub(super) fn touch(&mut self, id: &str) {
        if self.recent_last.last().is_none_or(|last| last != id) {
            self.recent_last.retain(|known| known != id);
            self.recent_last.push(id.to_owned());
        }
    }

    /// The pictures whose pixels are to go, the least recently shown first. The last one that was
    /// touched stays: somebody has yet to look at it. So do those for which `stays` holds, and those
    /// that the file does not hold.
    pub(super) fn surplus(
        &self,
        results: &[ResultItem],
        stays: impl Fn(&ResultItem) -> bool,
    ) -> Vec<String> {
        let there = results.iter().filter_map(|result| {
            let picture = result.picture.as_ref()?;
            Some((result.id.as_str(), (result, picture.rgb.len())))
        });
        let there: HashMap<&str, (&ResultItem, usize)> = there.collect();
        let mut bytes: usize = there.values().map(|(_, bytes)| bytes).sum();
        let mut surplus = Vec::new();
        let older = self.recent_last.iter().rev().skip(1).rev();
        for id in older {
            if bytes <= self.most_bytes {
                break;
            }
            if let Some((result, own)) = there.get(id.as_str())
                && self.is_in_file(id)
                && !stays(result)
            {
                bytes -= own;
                surplus.push(id.clone());
            }
        }
        surplus
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use vernier_engine::project::{Project, ResultEntry};

    use super::*;
    use crate::studio::state::testing;

    /// Five pictures of 192 bytes each, called "0" to "4".
    fn results() -> Vec<ResultItem> {
        let project = Project::new("p", testing::recipe("", 0));
        let item = |at: u64| {
            let mut entry = ResultEntry::new(testing::recipe("", at), 0.1, &project);
            entry.id = at.to_string();
            ResultItem::of(entry, Some(Arc::new(testing::picture(8, 8, 0))))
        };
        (0..5).map(item).collect()
    }

    fn ids() -> impl Iterator<Item = String> {
        (0..5).map(|at| at.to_string())
    }

    fn memory(pictures: usize) -> PixelMemory {
        let mut memory = PixelMemory::new(pictures * 192);
        memory.opened(ids());
        ids().for_each(|id| memory.touch(&id));
        memory
    }

    #[test]
    fn the_least_recently_shown_go_first() {
        let mut results = results();
        let mut memory = memory(3);
        memory.touch("0");
        assert_eq!(memory.surplus(&results, |_| false), ["1", "2"]);
        assert_eq!(memory.surplus(&results, |r| r.id == "1"), ["2", "3"]);
        results[1].picture = None;
        assert_eq!(memory.surplus(&results, |_| false), ["2"]);
        results[2].picture = None;
        assert!(memory.surplus(&results, |_| false).is_empty());
    }

    #[test]
    fn the_last_one_stays_however_large() {
        assert_eq!(memory(0).surplus(&results(), |_| false).len(), 4);
    }

    #[test]
    fn what_the_file_does_not_hold_stays() {
        let mut memory = PixelMemory::new(0);
        ids().for_each(|id| memory.touch(&id));
        assert!(memory.surplus(&results(), |_| false).is_empty());
        memory.is_saving(["0", "1"].map(str::to_owned));
        assert!(!memory.is_in_file("0"), "it is on its way");
        memory.has_saved(false);
        assert!(!memory.is_in_file("0"), "it did not come there");
        memory.is_saving(["0", "1"].map(str::to_owned));
        memory.has_saved(true);
        assert_eq!(memory.surplus(&results(), |_| false), ["0", "1"]);
        // One that is removed, or about to be, cannot be read again.
        memory.is_saving(["1".to_owned()]);
        assert_eq!(memory.surplus(&results(), |_| false), ["1"]);
        memory.has_saved(true);
        assert!(!memory.is_in_file("0"));
    }
}
