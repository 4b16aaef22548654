//! A list on its way into the index, item by item: compared with what is stored, differences
//! written, what is gone removed.
//!
//! Releases come one at a time and are compared in batches with what is stored, by key and digest;
//! only differences are written, a batch in one short transaction. What was seen is a set of row
//! numbers, one bit each: 12.5 KiB for 100,000 releases. When the list is complete, stored rows that
//! were not seen are removed, but none that came in meanwhile by another way (a live search). If it
//! is not complete, nothing is removed. Serves whole lists ([`super::refresh`]) and answers to single
//! questions ([`super::live`]), friends' and our own.

use std::path::{Path, PathBuf};

use super::record;
use super::{categories, dates};
use crate::library::{Offer, Sink};
use crate::release::facts::Facts;
use crate::release::{Release, imdb_number};
use crate::store::releases::{OfferKey, OfferRow, Scope};
use crate::store::shared::SharedRow;
use crate::store::{Store, StoreError};
use crate::torrent::stub;
use crate::xml;

/// Releases written in one transaction: some 20 ms on a small board, which is how long another
/// writer may have to wait.
const BATCH_ROWS: usize = 500;

/// Bytes held before a batch is written, whatever its number of rows.
const BATCH_BYTES: usize = 1 << 20;

/// Releases taken from one friend or source. Nobody's library is larger; a server that never stops
/// listing is not one.
const MAX_RELEASES: u64 = 500_000;

/// A release on its way into the index.
struct Pending {
    release: Release,
    path: Option<PathBuf>,
    record: Vec<u8>,
    digest: i64,
}

impl Pending {
    fn season(&self) -> i64 {
        self.release.season.map_or(-1, i64::from)
    }

    fn episode(&self) -> i64 {
        self.release.episode.map_or(-1, i64::from)
    }

    fn imdb(&self) -> Option<i64> {
        signed(self.release.imdb_id.as_deref().and_then(imdb_number))
    }

    fn key(&self) -> OfferKey<'_> {
        OfferKey {
            their_id: &self.release.id,
            season: self.season(),
            episode: self.episode(),
        }
    }
}

/// An id for the index. One beyond 63 bits is not indexed: no database has such numbers.
fn signed(id: Option<u64>) -> Option<i64> {
    id.and_then(|id| i64::try_from(id).ok())
}

/// Where the releases go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shelf {
    /// The offers of a friend, and which of them the answer stands for.
    Offers(i64, Scope),
    /// Our own.
    Shared(i64),
}

impl Shelf {
    /// True if both would be the same row.
    fn is_same(self, a: &Pending, b: &Pending) -> bool {
        match self {
            Shelf::Offers(..) => a.key() == b.key(),
            Shelf::Shared(_) => a.release.id == b.release.id,
        }
    }
}

/// What a scan did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Releases that came.
    pub seen: u64,
    /// Rows written.
    pub written: u64,
    /// Rows removed.
    pub removed: u64,
}

/// One list on its way into the index.
pub struct Scan<'a> {
    store: &'a Store,
    shelf: Shelf,
    now: u64,
    last: i64,
    limit: u64,
    seen: RowSet,
    batch: Vec<Pending>,
    bytes: usize,
    changes: Changes,
    error: Option<StoreError>,
    on_write: &'a dyn Fn(u64),
}

impl<'a> Scan<'a> {
    /// The answer of a friend to a question of the given scope. `on_write` is told how many rows
    /// each transaction touched, after it.
    pub fn of_friend(
        store: &'a Store,
        n: i64,
        scope: Scope,
        now: u64,
        on_write: &'a dyn Fn(u64),
    ) -> Result<Scan<'a>, StoreError> {
        let last = store.last_offer()?;
        Ok(Scan::new(
            store,
            Shelf::Offers(n, scope),
            now,
            last,
            on_write,
        ))
    }

    /// Everything of a source of ours.
    pub fn of_source(store: &'a Store, n: i64) -> Result<Scan<'a>, StoreError> {
        let last = store.last_shared()?;
        Ok(Scan::new(store, Shelf::Shared(n), 0, last, &|_| ()))
    }

    fn new(
        store: &'a Store,
        shelf: Shelf,
        now: u64,
        last: i64,
        on_write: &'a dyn Fn(u64),
    ) -> Scan<'a> {
        Scan {
            store,
            shelf,
            now,
            last,
            limit: MAX_RELEASES,
            seen: RowSet::default(),
            batch: Vec::new(),
            bytes: 0,
            changes: Changes::default(),
            error: None,
            on_write,
        }
    }

    /// Takes one release. An error of the database is kept for the end: a list cannot be broken
    /// off, and what comes after it is left out.
    pub fn see(&mut self, mut release: Release, path: Option<&Path>) {
        if self.error.is_some() || self.changes.seen >= self.limit {
            self.changes.seen += 1;
            return;
        }
        // No arr takes a stub of such a release, and nobody can fetch nothing.
        if !is_offerable(&release) {
            return;
        }
        let record = if path.is_some() {
            record::encode(&release)
        } else {
            let facts = Facts::of(&release);
            release.media_info = None;
            record::encode_offer(&release, &facts)
        };
        let digest = record::digest(&release.id, &record, path);
        self.changes.seen += 1;
        self.bytes += record.len() * 2;
        self.batch.push(Pending {
            release,
            path: path.map(Path::to_owned),
            record,
            digest,
        });
        if self.batch.len() >= BATCH_ROWS || self.bytes >= BATCH_BYTES {
            self.flush();
        }
    }

    /// The list is complete: what was not seen is gone.
    pub fn finish(mut self) -> Result<Changes, StoreError> {
        self.flush();
        if self.changes.seen > self.limit {
            log::warn!(
                "a list of {} releases was cut: at most {} are indexed of one origin",
                self.changes.seen,
                self.limit
            );
        }
        if let Some(error) = self.error {
            return Err(error);
        }
        let seen = &self.seen;
        let is_gone = |row| !seen.contains(row);
        let gone = match self.shelf {
            Shelf::Offers(n, scope) => self.store.offers_where(n, scope, self.last, &is_gone)?,
            Shelf::Shared(n) => self.store.shared_where(n, self.last, &is_gone)?,
        };
        for rows in gone.chunks(BATCH_ROWS) {
            match self.shelf {
                Shelf::Offers(..) => {
                    self.store.remove_offers(rows, self.now)?;
                }
                Shelf::Shared(n) => self.store.remove_shared(n, rows)?,
            }
            // Removing adds nothing to an answer, but changes it.
            (self.on_write)(0);
            self.changes.removed += rows.len() as u64;
        }
        Ok(self.changes)
    }

    /// The list broke off: what was seen is kept, nothing is removed.
    pub fn abandon(mut self) -> Result<Changes, StoreError> {
        self.flush();
        match self.error {
            Some(error) => Err(error),
            None => Ok(self.changes),
        }
    }

    /// Takes the stored releases of ours whose ids begin with `prefix` as seen, if they are `count`.
    fn see_stored(&mut self, prefix: &str, count: u64) -> bool {
        let Shelf::Shared(n) = self.shelf else {
            return false;
        };
        if self.error.is_some() || self.changes.seen.saturating_add(count) > self.limit {
            return false;
        }
        let rows = match self.store.shared_under(n, prefix) {
            Ok(rows) => rows,
            Err(error) => {
                self.error = Some(error);
                return false;
            }
        };
        if rows.len() as u64 != count {
            return false;
        }
        for row in rows {
            self.seen.insert(row);
        }
        self.changes.seen += count;
        true
    }

    fn flush(&mut self) {
        let batch = std::mem::take(&mut self.batch);
        self.bytes = 0;
        if self.error.is_some() || batch.is_empty() {
            return;
        }
        if let Err(error) = self.write(&batch) {
            self.error = Some(error);
        }
        // The allocation serves for the next batch.
        self.batch = batch;
        self.batch.clear();
    }

    fn write(&mut self, batch: &[Pending]) -> Result<(), StoreError> {
        let known = match self.shelf {
            Shelf::Offers(n, _) => {
                let keys: Vec<_> = batch.iter().map(Pending::key).collect();
                self.store.offers_known(n, &keys)?
            }
            Shelf::Shared(n) => {
                let ids: Vec<_> = batch.iter().map(|p| p.release.id.as_str()).collect();
                self.store.shared_known(n, &ids)?
            }
        };
        let mut changed: Vec<&Pending> = Vec::new();
        for (pending, known) in batch.iter().zip(known) {
            match known {
                // Listed twice under one key: the first counts, or each refresh would write both.
                Some((row, digest)) => {
                    if self.seen.insert(row) && digest != pending.digest {
                        changed.push(pending);
                    }
                }
                None => {
                    if !changed
                        .iter()
                        .any(|other| self.shelf.is_same(other, pending))
                    {
                        changed.push(pending);
                    }
                }
            }
        }
        if changed.is_empty() {
            return Ok(());
        }
        let rows = match self.shelf {
            Shelf::Offers(n, _) => {
                let rows: Vec<_> = changed.iter().map(|p| offer_row(p, self.now)).collect();
                self.store.write_offers(n, &rows, self.now)?
            }
            Shelf::Shared(n) => {
                let rows: Vec<_> = changed.iter().filter_map(|p| shared_row(p)).collect();
                self.store.write_shared(n, &rows)?
            }
        };
        self.changes.written += rows.len() as u64;
        (self.on_write)(rows.len() as u64);
        for row in rows {
            self.seen.insert(row);
        }
        Ok(())
    }
}

/// For the sources of ours.
impl Sink for Scan<'_> {
    fn offer(&mut self, offer: Offer) {
        self.see(offer.release, Some(&offer.path));
    }

    fn keep(&mut self, prefix: &str, count: u64) -> bool {
        self.see_stored(prefix, count)
    }
}

/// False for what has no stub that an arr accepts, and for what has no title once an arr has read
/// it: arrs drop all that does not fit 16 bits (emoji), then items with a blank title, and a page
/// that seems to have an item less than it should is the last one they ask for.
pub fn is_offerable(release: &Release) -> bool {
    let is_read = |c: char| c <= '\u{ffff}' && xml::is_allowed(c) && !c.is_whitespace();
    i64::try_from(release.size).is_ok()
        && stub::is_offerable(release.size)
        && release.title.chars().any(is_read)
}

fn offer_row(pending: &Pending, now: u64) -> OfferRow<'_> {
    let release = &pending.release;
    OfferRow {
        key: pending.key(),
        guid: stub::base_hash(&release.title, release.size).0,
        // `is_offerable` has seen to it that it fits.
        size: i64::try_from(release.size).unwrap_or(i64::MAX),
        published: dates::published(release.publish_date.as_deref(), now),
        title: &release.title,
        series: release.series_title.as_deref(),
        cats: categories::of_release(release),
        air: dates::air_number(release.air_date.as_deref(), &release.title),
        imdb: pending.imdb(),
        tmdb: signed(release.tmdb_id),
        tvdb: signed(release.tvdb_id),
        digest: pending.digest,
        record: &pending.record,
    }
}

fn shared_row(pending: &Pending) -> Option<SharedRow<'_>> {
    Some(SharedRow {
        id: &pending.release.id,
        season: pending.season(),
        episode: pending.episode(),
        imdb: pending.imdb(),
        tmdb: signed(pending.release.tmdb_id),
        tvdb: signed(pending.release.tvdb_id),
        digest: pending.digest,
        path: pending.path.as_deref()?,
        record: &pending.record,
    })
}

/// A set of row numbers, one bit each from 0 to the highest.
#[derive(Default)]
struct RowSet {
    words: Vec<u64>,
}

impl RowSet {
    /// True if it was not in the set before.
    fn insert(&mut self, row: i64) -> bool {
        let Some((word, bit)) = place(row) else {
            return false;
        };
        if word >= self.words.len() {
            self.words.resize(word + 1, 0);
        }
        let is_new = self.words[word] & bit == 0;
        self.words[word] |= bit;
        is_new
    }

    fn contains(&self, row: i64) -> bool {
        place(row).is_some_and(|(word, bit)| self.words.get(word).is_some_and(|w| w & bit != 0))
    }
}

fn place(row: i64) -> Option<(usize, u64)> {
    let row = usize::try_from(row).ok()?;
    Some((row / 64, 1 << (row % 64)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::record::{decode, decode_offer};
    use crate::catalogue::testing::{Home, episode, movie};
    use crate::store::origins::OriginKind;

    fn scan(home: &Home) -> Scan<'_> {
        Scan::of_friend(&home.store, 1, Scope::Everything, 1, &|_| ()).unwrap()
    }

    #[test]
    fn a_list_without_end_is_cut() {
        let home = Home::new();
        let mut scan = scan(&home);
        scan.limit = 3;
        for n in 0..5 {
            scan.see(movie(&format!("m:{n}"), &format!("M {n}"), n), None);
        }
        let changes = scan.finish().unwrap();
        assert_eq!((changes.seen, changes.written), (5, 3));
    }

    #[test]
    fn a_batch_is_bounded_in_bytes_too() {
        let home = Home::new();
        let mut scan = scan(&home);
        let languages = vec!["x".repeat(BATCH_BYTES / 8)];
        for n in 0..5 {
            let release = movie(&format!("m:{n}"), &format!("M {n}"), n);
            scan.see(
                Release {
                    languages: languages.clone(),
                    ..release
                },
                None,
            );
        }
        assert_eq!((scan.changes.written, scan.batch.len()), (4, 1));
    }

    #[test]
    fn of_media_info_facts_are_kept_of_friends_and_all_of_ours() {
        let home = Home::new();
        let long = Release {
            media_info: Some(r#"{"videoCodec":"x265","more":[{}]}"#.into()),
            ..movie("m:1", "M", 1)
        };
        let mut theirs = scan(&home);
        theirs.see(long.clone(), None);
        theirs.finish().unwrap();
        let guid = stub::base_hash("M", long.size).0;
        let item = home.store.item(&guid).unwrap().unwrap();
        let offer = home.store.offers_of_item(item.id).unwrap().remove(0);
        let (release, facts) = decode_offer("m:1", &offer.record).unwrap();
        assert_eq!(release.media_info, None);
        assert_eq!(facts, Facts::of(&long));
        assert_eq!(facts.video.as_deref(), Some("x265"));

        let n = home
            .store
            .origin_number(OriginKind::Source, "s")
            .unwrap()
            .unwrap();
        let mut ours = Scan::of_source(&home.store, n).unwrap();
        ours.see(long.clone(), Some(Path::new("/m")));
        ours.finish().unwrap();
        let kept = home.store.shared_by_id(n, "m:1").unwrap().unwrap();
        assert_eq!(decode("m:1", &kept.record), Some(long));
    }

    #[test]
    fn what_a_source_says_is_unchanged_stays_if_it_is_all_there() {
        let home = Home::new();
        let origin = home.store.origin_number(OriginKind::Source, "s").unwrap();
        let n = origin.unwrap();
        let offer = |id: &str| Offer {
            release: movie(id, id, 1),
            path: "/m".into(),
        };
        let ids = [
            "s:episode:1.1",
            "s:episode:1.2",
            "s:episode:11.1",
            "s:episode:2.1",
        ];
        let mut scan = Scan::of_source(&home.store, n).unwrap();
        assert!(!scan.keep("s:episode:1.", 2), "nothing is stored yet");
        for id in ids {
            scan.offer(offer(id));
        }
        scan.finish().unwrap();

        let mut scan = Scan::of_source(&home.store, n).unwrap();
        assert!(scan.keep("s:episode:1.", 2));
        // Not as many as there should be, or more: whoever counts so means something else.
        assert!(!scan.keep("s:episode:11.", 2) && !scan.keep("s:episode:2.", 0));
        scan.limit = 2;
        assert!(!scan.keep("s:episode:11.", 1));
        let changes = scan.finish().unwrap();
        assert_eq!((changes.seen, changes.written, changes.removed), (2, 0, 2));
        let is_there = |id: &str| home.store.shared_by_id(n, id).unwrap().is_some();
        assert_eq!(ids.map(is_there), [true, true, false, false]);

        let nothing = |_| ();
        let mut friend = Scan::of_friend(&home.store, 1, Scope::Everything, 1, &nothing).unwrap();
        assert!(
            !friend.keep("s:episode:1.", 2),
            "friends list what they have"
        );
    }

    #[test]
    fn an_item_is_found_by_a_few_series_titles() {
        let home = Home::new();
        for name in ["One", "Two", "Three", "Four", "Five", "One"] {
            let mut scan = scan(&home);
            let release = episode("e:1", "Show.S01E01", 5, 1, 1);
            scan.see(
                Release {
                    series_title: Some(name.into()),
                    ..release
                },
                None,
            );
            scan.finish().unwrap();
        }
        let matches = |word: &str| -> bool {
            home.store
                .read(|connection| {
                    Ok(connection
                        .prepare("SELECT 1 FROM words WHERE words MATCH ?1")?
                        .exists([word])?)
                })
                .unwrap()
        };
        assert!(matches("show") && matches("one") && matches("four"));
        assert!(!matches("five"));
    }

    #[test]
    fn row_sets_hold_what_was_put_in() {
        let mut set = RowSet::default();
        for row in [0, 1, 63, 64, 100_000] {
            assert!(!set.contains(row));
            assert!(set.insert(row));
            assert!(!set.insert(row));
            assert!(set.contains(row));
        }
        assert!(!set.contains(2) && !set.contains(1 << 40));
        assert_eq!(set.words.len() * 8, 100_000 / 64 * 8 + 8);
        assert!(!set.insert(-1) && !set.insert(-1000));
    }
}
