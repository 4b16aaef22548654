//! `sync/maindata`: what has changed since a client last asked. Pure.
//!
//! A [`Board`] remembers for one scope, not for each session, a digest of every tracked field and the
//! version at which it last changed; a session remembers only which versions its last answers stood
//! for ([`Progress`]). So memory is bounded by the number of grabs (about 200 bytes each) and scopes, and
//! an answer to "nothing new" costs nothing. Rules of the real server: an answer to a `rid` that is
//! neither the last given nor the last acknowledged is full; asking again with the same `rid`
//! repeats everything since that `rid`.

use std::collections::HashMap;
use std::hash::Hash;

/// `rid` starts again after this number, as on the real server.
const MAX_RID: u64 = 1_000_000;

/// Removals remembered. A session that is further behind gets a full answer.
pub const MAX_REMOVED: usize = 1000;

/// Version of a board: grows by one with each refresh that found a change.
pub type Version = u64;

/// What one entry was last seen as.
struct Entry<const N: usize> {
    marks: [u32; N],
    /// When each field last changed; `None` while the entry is as it was created, as most are.
    versions: Option<Box<[Version; N]>>,
    created: Version,
    latest: Version,
    round: u64,
}

/// Keys with `N` digests each, and when each changed.
pub struct Ledger<K, const N: usize> {
    entries: HashMap<K, Entry<N>>,
    removed: Vec<(Version, K)>,
    /// Removals up to here may have been forgotten.
    floor: Version,
    round: u64,
}

impl<K: Eq + Hash + Clone, const N: usize> Default for Ledger<K, N> {
    fn default() -> Self {
        Ledger {
            entries: HashMap::new(),
            removed: Vec::new(),
            floor: 0,
            round: 0,
        }
    }
}

/// What a session has to be told of one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed<K, const N: usize> {
    /// The key.
    pub key: K,
    /// New to the session: tell everything.
    pub new: bool,
    /// Which digests changed.
    pub fields: [bool; N],
}

impl<K: Eq + Hash + Clone + Ord, const N: usize> Ledger<K, N> {
    /// Begins a complete refresh: what is not noted before [`Ledger::end`] is gone.
    fn begin(&mut self) {
        self.round += 1;
    }

    /// Notes an entry as it is now; true when it is new or differs.
    fn note(&mut self, key: K, marks: [u32; N], version: Version) -> bool {
        let round = self.round;
        match self.entries.get_mut(&key) {
            None => {
                let entry = Entry {
                    marks,
                    versions: None,
                    created: version,
                    latest: version,
                    round,
                };
                self.entries.insert(key, entry);
                true
            }
            Some(entry) => {
                entry.round = round;
                if entry.marks == marks {
                    return false;
                }
                let created = entry.created;
                let versions = entry.versions.get_or_insert_with(|| Box::new([created; N]));
                for (index, mark) in marks.iter().enumerate() {
                    if entry.marks[index] != *mark {
                        versions[index] = version;
                    }
                }
                entry.marks = marks;
                entry.latest = version;
                true
            }
        }
    }

    /// Ends a complete refresh; true when something is gone.
    fn end(&mut self, version: Version) -> bool {
        let round = self.round;
        let mut gone: Vec<K> = Vec::new();
        self.entries.retain(|key, entry| {
            let stays = entry.round == round;
            if !stays {
                gone.push(key.clone());
            }
            stays
        });
        let any = !gone.is_empty();
        self.forget(gone, version);
        any
    }

    /// Notes that a key is gone; true when it was there.
    fn remove(&mut self, key: K, version: Version) -> bool {
        let was_there = self.entries.remove(&key).is_some();
        if was_there {
            self.forget([key], version);
        }
        was_there
    }

    /// Remembers removals, [`MAX_REMOVED`] at most.
    fn forget(&mut self, gone: impl IntoIterator<Item = K>, version: Version) {
        self.removed
            .extend(gone.into_iter().map(|key| (version, key)));
        if self.removed.len() > MAX_REMOVED {
            let excess = self.removed.len() - MAX_REMOVED;
            for (version, _) in self.removed.drain(..excess) {
                self.floor = version;
            }
        }
    }

    /// Entries that changed after `since`, in key order.
    pub fn changed(&self, since: Version) -> Vec<Changed<K, N>> {
        let mut changed: Vec<Changed<K, N>> = self
            .entries
            .iter()
            .filter(|(_, entry)| entry.latest > since)
            .map(|(key, entry)| Changed {
                key: key.clone(),
                new: entry.created > since,
                fields: match &entry.versions {
                    Some(versions) => versions.map(|version| version > since),
                    None => [entry.created > since; N],
                },
            })
            .collect();
        changed.sort_by(|a, b| a.key.cmp(&b.key));
        changed
    }

    /// Keys that were removed after `since` and have not come back, in key order.
    pub fn removed(&self, since: Version) -> Vec<K> {
        let mut removed: Vec<K> = self
            .removed
            .iter()
            .filter(|(version, key)| *version > since && !self.entries.contains_key(key))
            .map(|(_, key)| key.clone())
            .collect();
        removed.sort();
        removed.dedup();
        removed
    }
}

/// Everything that `sync/maindata` tells one scope. `T` is the torrent key, `N` the number of tracked
/// fields of a torrent.
pub struct Board<T, const N: usize> {
    /// Tells boards apart: a session of an earlier one gets a full answer.
    epoch: u64,
    version: Version,
    /// Torrents.
    pub torrents: Ledger<T, N>,
    /// Categories, with a digest of the save path.
    pub categories: Ledger<String, 1>,
    /// Tags.
    pub tags: Ledger<String, 0>,
    /// `server_state` fields.
    pub server: Ledger<&'static str, 1>,
}

impl<T: Eq + Hash + Clone + Ord, const N: usize> Board<T, N> {
    /// An empty board. `epoch` must differ from those of all boards before.
    pub fn new(epoch: u64) -> Board<T, N> {
        Board {
            epoch,
            version: 0,
            torrents: Ledger::default(),
            categories: Ledger::default(),
            tags: Ledger::default(),
            server: Ledger::default(),
        }
    }

    /// Compares with all torrents as they are now: `walk` gives them one after the other. If it
    /// fails, what it gave counts and nothing else is taken to be gone.
    pub fn walk_torrents<E>(
        &mut self,
        walk: impl FnOnce(&mut dyn FnMut(T, [u32; N])) -> Result<(), E>,
    ) -> Result<(), E> {
        let version = self.version + 1;
        let torrents = &mut self.torrents;
        torrents.begin();
        let mut changed = false;
        let walked = walk(&mut |key, marks| changed |= torrents.note(key, marks, version));
        if walked.is_ok() {
            changed |= torrents.end(version);
        }
        self.advance(changed);
        walked
    }

    /// Compares with some torrents as they are now (`None` = gone); the others are as they were.
    pub fn update_torrents(&mut self, now: impl IntoIterator<Item = (T, Option<[u32; N]>)>) {
        let version = self.version + 1;
        let mut changed = false;
        for (key, marks) in now {
            changed |= match marks {
                Some(marks) => self.torrents.note(key, marks, version),
                None => self.torrents.remove(key, version),
            };
        }
        self.advance(changed);
    }

    /// Compares with all categories (name, digest) and tags as they are now.
    pub fn refresh_labels(
        &mut self,
        categories: impl IntoIterator<Item = (String, u32)>,
        tags: impl IntoIterator<Item = String>,
    ) {
        let version = self.version + 1;
        let categories = categories.into_iter().map(|(name, mark)| (name, [mark]));
        let mut changed = refresh(&mut self.categories, categories, version);
        changed |= refresh(
            &mut self.tags,
            tags.into_iter().map(|tag| (tag, [])),
            version,
        );
        self.advance(changed);
    }

    /// Compares with the server's state as it is now.
    pub fn refresh_server(&mut self, now: impl IntoIterator<Item = (&'static str, u32)>) {
        let version = self.version + 1;
        let now = now.into_iter().map(|(name, mark)| (name, [mark]));
        let changed = refresh(&mut self.server, now, version);
        self.advance(changed);
    }

    fn advance(&mut self, changed: bool) {
        if changed {
            self.version += 1;
        }
    }

    /// The version up to which a client that is answered now knows everything.
    #[cfg(test)]
    fn version(&self) -> Version {
        self.version
    }

    /// Since when to tell a session that sends `rid`; `None` = everything.
    pub fn base(&self, progress: &mut Progress, rid: Option<i64>) -> Option<Version> {
        if progress.epoch != self.epoch {
            return None;
        }
        let since = progress.acknowledge(rid)?;
        let floors = [
            self.torrents.floor,
            self.categories.floor,
            self.tags.floor,
            self.server.floor,
        ];
        (since >= floors.into_iter().max().unwrap_or(0)).then_some(since)
    }

    /// Notes that a session is being given everything up to now; the result is the answer's `rid`.
    pub fn given(&self, progress: &mut Progress) -> u64 {
        if progress.epoch != self.epoch {
            progress.acknowledged = None;
            progress.epoch = self.epoch;
        }
        progress.counter = progress.counter % MAX_RID + 1;
        progress.given = Some((progress.counter, self.version));
        progress.counter
    }
}

fn refresh<K: Eq + Hash + Clone + Ord, const N: usize>(
    ledger: &mut Ledger<K, N>,
    now: impl IntoIterator<Item = (K, [u32; N])>,
    version: Version,
) -> bool {
    ledger.begin();
    let mut changed = false;
    for (key, marks) in now {
        changed |= ledger.note(key, marks, version);
    }
    changed | ledger.end(version)
}

/// How far one session has come.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    epoch: u64,
    counter: u64,
    given: Option<(u64, Version)>,
    acknowledged: Option<(u64, Version)>,
}

impl Progress {
    /// The version that `rid` stands for, if this session may go on from there.
    fn acknowledge(&mut self, rid: Option<i64>) -> Option<Version> {
        let rid = u64::try_from(rid?).ok().filter(|rid| *rid > 0)?;
        if self.given.is_some_and(|(given, _)| given == rid) {
            self.acknowledged = self.given;
        }
        self.acknowledged
            .filter(|(acknowledged, _)| *acknowledged == rid)
            .map(|(_, version)| version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type TestBoard = Board<u32, 2>;

    /// Compares with all torrents.
    fn list(board: &mut TestBoard, now: impl IntoIterator<Item = (u32, [u32; 2])>) {
        let walked: Result<(), ()> = board.walk_torrents(|note| {
            now.into_iter().for_each(|(key, marks)| note(key, marks));
            Ok(())
        });
        walked.unwrap();
    }

    fn keys(changed: &[Changed<u32, 2>]) -> Vec<(u32, bool, [bool; 2])> {
        changed
            .iter()
            .map(|entry| (entry.key, entry.new, entry.fields))
            .collect()
    }

    #[test]
    fn only_what_changed_is_told() {
        let mut board = TestBoard::new(1);
        let mut session = Progress::default();
        list(&mut board, [(1, [1, 1]), (2, [1, 1])]);
        assert_eq!(board.base(&mut session, None), None);
        assert_eq!(board.given(&mut session), 1);

        let since = board.base(&mut session, Some(1)).unwrap();
        assert_eq!(since, board.version());
        assert!(board.torrents.changed(since).is_empty());
        assert_eq!(board.given(&mut session), 2);

        list(&mut board, [(2, [1, 9]), (3, [1, 1])]);
        let since = board.base(&mut session, Some(2)).unwrap();
        assert_eq!(
            keys(&board.torrents.changed(since)),
            [(2, false, [false, true]), (3, true, [true, true])]
        );
        assert_eq!(board.torrents.removed(since), [1]);
    }

    #[test]
    fn a_lost_answer_loses_nothing_and_older_rids_start_again() {
        let mut board = TestBoard::new(1);
        let mut session = Progress::default();
        list(&mut board, [(1, [1, 1])]);
        board.given(&mut session);
        for mark in 2..5 {
            board.update_torrents([(1, Some([mark, 1]))]);
            let since = board.base(&mut session, Some(1)).unwrap();
            assert_eq!(
                keys(&board.torrents.changed(since)),
                [(1, false, [true, false])]
            );
            board.given(&mut session);
        }
        // Answers 2 and 3 were lost, 4 arrived; afterwards 1 is too old.
        assert!(board.base(&mut session, Some(4)).is_some());
        board.given(&mut session);
        assert_eq!(board.base(&mut session, Some(1)), None);
        for rid in [0, -1, 3, 99, i64::MAX, i64::MIN] {
            assert_eq!(board.base(&mut session, Some(rid)), None, "{rid}");
        }
        assert_eq!(board.base(&mut session, None), None);
        assert!(board.base(&mut session, Some(4)).is_some(), "still known");
    }

    #[test]
    fn another_board_or_session_starts_with_everything() {
        let mut board = TestBoard::new(1);
        let mut session = Progress::default();
        list(&mut board, [(1, [1, 1])]);
        let rid = board.given(&mut session) as i64;
        assert_eq!(board.base(&mut Progress::default(), Some(rid)), None);
        let other = TestBoard::new(2);
        assert_eq!(other.base(&mut session, Some(rid)), None);
        let rid = other.given(&mut session) as i64;
        assert_eq!(other.base(&mut session, Some(rid)), Some(0));
    }

    #[test]
    fn something_removed_and_added_again_is_not_reported_as_removed() {
        let mut board = TestBoard::new(1);
        list(&mut board, [(1, [1, 1])]);
        let since = board.version();
        list(&mut board, []);
        list(&mut board, [(1, [2, 2])]);
        assert!(board.torrents.removed(since).is_empty());
        assert_eq!(keys(&board.torrents.changed(since)), [(1, true, [true; 2])]);
    }

    #[test]
    fn memory_of_removals_is_bounded_and_its_end_forces_a_full_answer() {
        let mut board = TestBoard::new(1);
        let mut session = Progress::default();
        list(&mut board, [(0, [0; 2])]);
        let rid = board.given(&mut session) as i64;
        for n in 0..MAX_REMOVED as u32 {
            list(&mut board, [(n + 1, [0; 2])]);
        }
        assert!(board.base(&mut session, Some(rid)).is_some());
        list(&mut board, []);
        assert_eq!(board.torrents.removed.len(), MAX_REMOVED);
        assert!(
            board.base(&mut session, Some(rid)).is_none(),
            "the first removal is forgotten"
        );
    }

    #[test]
    fn a_look_at_some_adds_changes_and_removes_only_those() {
        let mut board = TestBoard::new(1);
        list(&mut board, [(1, [1, 1]), (2, [1, 1]), (3, [1, 1])]);
        let since = board.version();
        board.update_torrents([(1, Some([1, 5])), (2, None), (4, Some([1, 1])), (9, None)]);
        assert_eq!(
            keys(&board.torrents.changed(since)),
            [(1, false, [false, true]), (4, true, [true, true])]
        );
        assert_eq!(board.torrents.removed(since), [2]);
        let since = board.version();
        board.update_torrents([(1, Some([1, 5])), (2, None)]);
        assert_eq!(board.version(), since, "no news, no new version");
        // A second change of another field: the first one is told to those who missed it.
        board.update_torrents([(1, Some([2, 5]))]);
        assert_eq!(
            keys(&board.torrents.changed(since - 1)),
            [(1, false, [true, true]), (4, true, [true, true])]
        );
        assert_eq!(
            keys(&board.torrents.changed(since)),
            [(1, false, [true, false])]
        );
    }

    #[test]
    fn a_list_that_breaks_off_removes_nothing_and_is_made_good() {
        let mut board = TestBoard::new(1);
        list(&mut board, [(1, [1, 1]), (2, [1, 1])]);
        let since = board.version();
        let walked = board.walk_torrents(|note| {
            note(1, [7, 1]);
            Err("the disk is gone")
        });
        assert_eq!(walked, Err("the disk is gone"));
        assert!(board.torrents.removed(since).is_empty());
        assert_eq!(
            keys(&board.torrents.changed(since)),
            [(1, false, [true, false])]
        );
        list(&mut board, [(1, [7, 1])]);
        assert_eq!(board.torrents.removed(since), [2]);
    }

    #[test]
    fn labels_and_server_state_share_the_version() {
        let mut board = TestBoard::new(1);
        board.refresh_labels([("a".to_string(), 1)], ["t".to_string()]);
        board.refresh_server([("dl", 1), ("up", 1)]);
        let since = board.version();
        board.refresh_labels([("a".to_string(), 2)], []);
        board.refresh_server([("dl", 1), ("up", 2)]);
        assert_eq!(board.categories.changed(since).len(), 1);
        assert_eq!(board.tags.removed(since), ["t"]);
        let server: Vec<_> = board.server.changed(since);
        assert_eq!(server.len(), 1);
        assert_eq!(server[0].key, "up");
        board.refresh_server([("dl", 1), ("up", 2)]);
        assert_eq!(board.version(), since + 2, "no change, no new version");
    }

    #[test]
    fn rids_wrap() {
        let board = TestBoard::new(1);
        let mut session = Progress {
            counter: MAX_RID,
            ..Progress::default()
        };
        assert_eq!(board.given(&mut session), 1);
    }

    /// A client that applies what it is told always ends up with the truth, whatever was lost.
    #[test]
    fn random_histories_stay_in_step() {
        let mut seed = 0x2545_F491_4F6C_DD1Du64;
        let mut random = move |below: u64| {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            seed % below
        };
        let mut board = TestBoard::new(1);
        let mut session = Progress::default();
        let mut truth: HashMap<u32, [u32; 2]> = HashMap::new();
        let mut client: HashMap<u32, [u32; 2]> = HashMap::new();
        let mut rid = 0;
        for _ in 0..5_000 {
            let key = random(8) as u32;
            match random(4) {
                0 => drop(truth.remove(&key)),
                _ => drop(truth.insert(key, [random(3) as u32, random(3) as u32])),
            }
            match random(2) {
                0 => list(&mut board, truth.iter().map(|(key, marks)| (*key, *marks))),
                _ => board.update_torrents([(key, truth.get(&key).copied())]),
            }
            let base = board.base(&mut session, Some(rid));
            let since = base.unwrap_or(0);
            let changed = board.torrents.changed(since);
            let removed = board.torrents.removed(since);
            let next = board.given(&mut session) as i64;
            if random(3) == 0 {
                continue; // The answer is lost.
            }
            if base.is_none() {
                client.clear();
            }
            for entry in changed {
                let now = truth[&entry.key];
                let known = client.entry(entry.key).or_insert([u32::MAX; 2]);
                for field in 0..2 {
                    if entry.fields[field] {
                        known[field] = now[field];
                    }
                }
            }
            for key in removed {
                client.remove(&key);
            }
            rid = next;
            assert_eq!(client, truth);
        }
    }
}
