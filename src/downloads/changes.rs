//! Which grabs have changed lately: lets a list that was read before be brought up to date without
//! reading it again.
//!
//! Every change of a grab's row is noted here after it is committed, so whoever reads the number
//! first and the rows afterwards misses nothing. In: ids of changed grabs; out: those since a
//! number that was read before, or `None` when they are too many to be remembered. Progress of a
//! transfer and queue places are not noted: they change for unfinished grabs only, which are few
//! and which a reader looks at in any case. Pure.

use std::collections::VecDeque;

use crate::torrent::stub::Infohash;

/// Changes remembered, 40 bytes each. Looking at this many rows costs about as much as answering the
/// client; a client that polls every second or two is never this far behind.
pub const MAX_CHANGES: usize = 500;

/// One change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Changed {
    /// The grab with this id is new or has other values.
    Row(i64),
    /// A grab with this infohash is gone.
    Gone(Infohash),
}

/// The last changes.
#[derive(Debug)]
pub struct Changes {
    revision: u64,
    recent: VecDeque<(u64, Changed)>,
    /// Changes up to this revision may have been forgotten.
    floor: u64,
}

impl Default for Changes {
    fn default() -> Changes {
        Changes {
            // So that 0 can stand for never having looked.
            revision: 1,
            recent: VecDeque::new(),
            floor: 1,
        }
    }
}

impl Changes {
    /// Grows with every change.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// Notes changes that are committed; none at all still makes a new revision.
    pub fn note(&mut self, changes: impl IntoIterator<Item = Changed>) {
        self.revision += 1;
        for changed in changes {
            if self.recent.len() >= MAX_CHANGES
                && let Some((forgotten, _)) = self.recent.pop_front()
            {
                self.floor = forgotten;
            }
            self.recent.push_back((self.revision, changed));
        }
    }

    /// What has changed after `revision`; `None` = nobody knows any more.
    pub fn since(&self, revision: u64) -> Option<Vec<Changed>> {
        if revision < self.floor {
            return None;
        }
        let newer = self.recent.partition_point(|(noted, _)| *noted <= revision);
        let newer = self.recent.range(newer..);
        Some(newer.map(|(_, changed)| *changed).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Changed::{Gone, Row};

    #[test]
    fn changes_are_told_since_any_revision() {
        let mut changes = Changes::default();
        let start = changes.revision();
        assert_eq!(changes.since(start), Some(vec![]));
        assert_eq!(changes.since(0), None, "never looked");
        changes.note([Row(1), Row(2)]);
        let middle = changes.revision();
        changes.note([]);
        changes.note([Gone(Infohash([3; 20]))]);
        assert!(start < middle && middle < changes.revision());
        let gone = Gone(Infohash([3; 20]));
        assert_eq!(changes.since(start), Some(vec![Row(1), Row(2), gone]));
        assert_eq!(changes.since(middle), Some(vec![gone]));
        assert_eq!(changes.since(changes.revision()), Some(vec![]));
    }

    #[test]
    fn what_is_forgotten_is_not_told_in_part() {
        let mut changes = Changes::default();
        let start = changes.revision();
        for id in 0..MAX_CHANGES as i64 {
            changes.note([Row(id)]);
        }
        assert_eq!(changes.since(start).unwrap().len(), MAX_CHANGES);
        changes.note([Row(-1)]);
        assert_eq!(changes.recent.len(), MAX_CHANGES);
        assert_eq!(changes.since(start), None);
        assert_eq!(changes.since(start + 1).unwrap().len(), MAX_CHANGES);
        // One command that changes more than can be remembered.
        let before = changes.revision();
        changes.note((0..=MAX_CHANGES as i64).map(Row));
        assert_eq!(changes.recent.len(), MAX_CHANGES);
        assert_eq!(changes.since(before), None);
        assert_eq!(changes.since(changes.revision()), Some(vec![]));
    }
}
