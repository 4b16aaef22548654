//! Pages that neither lose nor repeat an item while the index changes between them.
//!
//! A client pages by counting: offset 0, 100, 200. If twenty items arrive on top in between,
//! counting again would repeat twenty. So what ends a page is remembered by its place in the feed
//! (the item's id, which never changes): the next page goes on below that id, wherever it now
//! stands. A trail is what is remembered of one search. It begins with offset 0, begins anew with
//! the next offset 0 if the index has changed since, and is forgotten after ten minutes without
//! use. An offset that no page has ended at is counted from the nearest one that has, which also
//! makes deep paging cheap.
//!
//! The total is exact when nothing has changed since offset 0. Otherwise it is what it was then and
//! what was touched since: too high rather than too low, so that a client that pages up to the
//! total sees every item. The last page says exactly where the end is.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

/// How long a trail is kept without use: a client that pages takes seconds between pages.
pub const KEPT: Duration = Duration::from_secs(600);

/// Trails at once; the least recently used goes. With full marks a trail takes some 40 KiB, a
/// normal one (the ends of three pages) 200 bytes.
pub const MAX_TRAILS: usize = 64;

/// Marks of one trail; the one of the lowest offset goes, for clients page downwards.
pub const MAX_MARKS: usize = 1024;

/// Longest search that is remembered, in bytes; its pages are counted each time.
pub const MAX_KEY: usize = 2048;

/// State of the index, counted since we started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Revision {
    /// Transactions that changed what friends offer, and changes of who is visible.
    pub changes: u64,
    /// Items that those may have added to an answer.
    pub touched: u64,
}

/// Where to start reading a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Start {
    /// Only items with an id below this.
    pub below: i64,
    /// Of those, leave out so many.
    pub skip: u64,
    /// The total, if it is known already.
    pub total: Option<u64>,
}

/// A page as it was read: what is learnt from it.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    /// Offset asked for.
    pub offset: u64,
    /// Items asked for.
    pub limit: u32,
    /// Items found.
    pub found: u64,
    /// First and last id of them.
    pub ends: Option<(i64, i64)>,
    /// The total, if it was counted for this page.
    pub counted: Option<u64>,
}

struct Trail {
    key: String,
    used: Instant,
    /// When the total was counted.
    revision: Revision,
    total: Option<u64>,
    /// By offset: the items from there on have ids below this.
    marks: BTreeMap<u64, i64>,
}

/// All trails, least recently used first.
#[derive(Default)]
pub struct Trails {
    trails: VecDeque<Trail>,
}

impl Trails {
    /// Where the page of a search at `offset` starts.
    pub fn start(&mut self, key: &str, offset: u64, revision: Revision, now: Instant) -> Start {
        self.trails
            .retain(|trail| now.saturating_duration_since(trail.used) < KEPT);
        let from_top = Start {
            below: i64::MAX,
            skip: offset,
            total: None,
        };
        if key.len() > MAX_KEY {
            return from_top;
        }
        let known = self.trails.iter().position(|trail| trail.key == key);
        let mut trail = known
            .and_then(|place| self.trails.remove(place))
            .filter(|trail| offset > 0 || trail.revision == revision)
            .unwrap_or_else(|| Trail {
                key: key.to_owned(),
                used: now,
                revision,
                total: None,
                marks: BTreeMap::new(),
            });
        trail.used = now;
        let start = match trail.marks.range(..=offset).next_back() {
            Some((mark, below)) => Start {
                below: *below,
                skip: offset - mark,
                ..from_top
            },
            None => from_top,
        };
        let touched = revision.touched.saturating_sub(trail.revision.touched);
        let total = trail.total.map(|total| total.saturating_add(touched));
        self.trails.push_back(trail);
        if self.trails.len() > MAX_TRAILS {
            self.trails.pop_front();
        }
        Start { total, ..start }
    }

    /// Remembers the page that was read from `start`; gives the total to be told.
    pub fn seen(&mut self, key: &str, start: Start, seen: Seen) -> u64 {
        let total = start.total.or(seen.counted).unwrap_or(seen.found);
        let end = seen.offset.saturating_add(seen.found);
        let told = if seen.found == 0 {
            total.min(seen.offset)
        } else if seen.found < u64::from(seen.limit) {
            end
        } else {
            total.max(end)
        };
        if let Some(trail) = self.trails.iter_mut().find(|trail| trail.key == key) {
            if trail.total.is_none() {
                trail.total = seen.counted;
            }
            if let Some((first, last)) = seen.ends {
                if seen.offset > 0 {
                    // At the very offset, so that asking again begins with the same item.
                    trail.marks.entry(seen.offset).or_insert(first + 1);
                }
                trail.marks.insert(end, last);
            }
            while trail.marks.len() > MAX_MARKS {
                trail.marks.pop_first();
            }
        }
        told
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn revision(changes: u64) -> Revision {
        Revision {
            changes,
            touched: changes * 10,
        }
    }

    /// A page of descending ids as `search` would read it, through the trail.
    fn read(
        trails: &mut Trails,
        items: &[i64],
        key: &str,
        offset: u64,
        revision: Revision,
        now: Instant,
    ) -> (Vec<i64>, u64) {
        let start = trails.start(key, offset, revision, now);
        let page: Vec<i64> = items
            .iter()
            .copied()
            .filter(|id| *id < start.below)
            .skip(start.skip as usize)
            .take(3)
            .collect();
        let seen = Seen {
            offset,
            limit: 3,
            found: page.len() as u64,
            ends: page.first().copied().zip(page.last().copied()),
            counted: start.total.is_none().then_some(items.len() as u64),
        };
        let total = trails.seen(key, start, seen);
        (page, total)
    }

    #[test]
    fn pages_follow_each_other_while_the_index_changes() {
        let mut trails = Trails::default();
        let now = Instant::now();
        let mut items: Vec<i64> = (1..=10).rev().map(|n| n * 10).collect();
        let mut page =
            |items: &[i64], offset, at| read(&mut trails, items, "q", offset, revision(at), now);
        assert_eq!(page(&items, 0, 0), (vec![100, 90, 80], 10));
        // Two on top, one removed that was served, one removed that was the end of the page.
        items.retain(|id| ![100, 80].contains(id));
        items.splice(0..0, [120, 110]);
        assert_eq!(page(&items, 3, 1), (vec![70, 60, 50], 20));
        assert_eq!(page(&items, 6, 1), (vec![40, 30, 20], 20));
        assert_eq!(page(&items, 9, 1), (vec![10], 10));
        assert_eq!(page(&items, 10, 1), (vec![], 10));
        // Asking again gives the same, and a new beginning sees the change.
        assert_eq!(page(&items, 6, 1), (vec![40, 30, 20], 20));
        assert_eq!(page(&items, 0, 1), (vec![120, 110, 90], 10));
        assert_eq!(page(&items, 3, 1), (vec![70, 60, 50], 10));
    }

    #[test]
    fn an_unknown_offset_is_counted_from_the_nearest_mark() {
        let mut trails = Trails::default();
        let now = Instant::now();
        let items: Vec<i64> = (1..=100).rev().collect();
        read(&mut trails, &items, "q", 0, revision(0), now);
        read(&mut trails, &items, "q", 40, revision(0), now);
        let start = trails.start("q", 50, revision(0), now);
        assert_eq!(
            start,
            Start {
                below: 58,
                skip: 7,
                total: Some(100)
            }
        );
        assert_eq!(trails.start("other", 50, revision(0), now).skip, 50);
    }

    #[test]
    fn trails_and_marks_are_bounded_and_expire() {
        let mut trails = Trails::default();
        let now = Instant::now();
        let items: Vec<i64> = (1..=10_000).rev().collect();
        for n in 0..MAX_TRAILS + 10 {
            read(&mut trails, &items, &format!("{n}"), 0, revision(0), now);
        }
        assert_eq!(trails.trails.len(), MAX_TRAILS);
        assert_eq!(trails.start("0", 3, revision(0), now).below, i64::MAX);
        assert_eq!(trails.start("70", 3, revision(0), now).below, 9_998);
        for page in 0..MAX_MARKS as u64 + 10 {
            read(&mut trails, &items, "70", page * 3, revision(0), now);
        }
        let trail = trails.trails.back().unwrap();
        assert_eq!(trail.marks.len(), MAX_MARKS);
        let key = "x".repeat(MAX_KEY + 1);
        read(&mut trails, &items, &key, 0, revision(0), now);
        assert!(trails.trails.iter().all(|trail| trail.key != key));
        assert_eq!(
            trails.start("70", 3, revision(0), now + KEPT).below,
            i64::MAX
        );
        assert_eq!(trails.trails.len(), 1);
    }
}
