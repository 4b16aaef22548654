//! The catalogue: all releases known, ours and friends'.
//!
//! Ours serve friends (`peer::serve`); friends' serve our arrs (`torznab`). Both are an index in
//! SQLite, refreshed in the background ([`refresh`], by [`schedule`]); id searches also ask friends
//! live ([`live`]); both come in through [`scan`]. A search becomes SQL in [`search`] and is answered
//! by [`answer`], pages hold together through [`paging`], what is known of each friend and source is
//! in [`origins`]. One release (title and size) is one item, however many friends offer it;
//! `store::releases` keeps it so. Nothing here knows HTTP.

mod answer;
mod categories;
mod dates;
mod live;
mod origins;
mod paging;
mod record;
mod refresh;
mod scan;
mod schedule;
mod search;
mod terms;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use crate::budget::{Gate, Pass};
use crate::library::{Offer, Source};
use crate::peer::Peers;
use crate::release::facts::Facts;
use crate::release::{Ids, Release};
use crate::store::shared::SharedFound;
use crate::store::{Store, StoreError};
use crate::torrent::stub::Infohash;

use answer::{category, origin};
use live::Traffic;
use origins::{Now, Origins};
use paging::{Revision, Trails};

/// Our own releases read from the database at once while they are sent to a friend: the friend may
/// read slowly, and nothing is held open meanwhile.
const SHARED_PAGE: u32 = 100;

/// Longest wait for a [`Catalogue::turn`]: far longer than the answers of the largest crowd that
/// is let in take, far shorter than an arr waits (100 s).
const TURN_PATIENCE: Duration = Duration::from_secs(20);

/// Answers written at once: one a processor, two at least, for one may wait for the disk.
fn turns() -> usize {
    std::thread::available_parallelism().map_or(2, |count| count.get().max(2))
}

/// The episode a search wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EpisodeWish {
    /// Number in the season.
    Number(u32),
    /// Month and day of a daily show (`ep=12/20`; the season is the year).
    Day {
        /// 1..=12
        month: u8,
        /// 1..=31
        day: u8,
    },
}

/// A search of friends' releases, as Torznab means it: all given criteria must hold, one id of
/// several is enough.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Search {
    /// Words that must all occur in release title or series title (folded: case and accents).
    pub words: Vec<String>,
    /// Ids; any one matches.
    pub ids: Ids,
    /// True when the request named an id that no release can have (`rid=`): with no other id,
    /// nothing matches.
    pub unknown_id: bool,
    /// Season, or the year of a daily show.
    pub season: Option<u32>,
    /// Episode or day.
    pub episode: Option<EpisodeWish>,
    /// Requested category numbers; empty = all.
    pub categories: Vec<u32>,
    /// `year=`: must occur in the title.
    pub year: Option<u32>,
    /// Restricts to TV (`tvsearch`) or movies (`movie`).
    pub kind: Option<crate::release::Category>,
    /// Who reads: the pages of two readers hold together each for itself. May be empty.
    pub reader: String,
    /// Only this friend's offers (`/torznab/<friend>/api`).
    pub peer_id: Option<String>,
    /// Only items published after this.
    pub newer_than: Option<SystemTime>,
    /// Bytes, inclusive.
    pub min_size: Option<u64>,
    /// Bytes, inclusive.
    pub max_size: Option<u64>,
    /// First item of the page.
    pub offset: u64,
    /// Items a page, 1..=100.
    pub limit: u32,
}

/// One release (title and size), however many friends or episodes it stands for.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    /// Infohash of generation 0: stable and unique; the feed's guid and the stub's name.
    pub guid: Infohash,
    /// A representative offer of it, without its media info.
    pub release: Release,
    /// What the feed says of the file.
    pub facts: Facts,
    /// Unix seconds; fixed when the item is first seen, so that order and pages are stable.
    pub published: u64,
    /// Categories: main, sub-categories from quality, and 100000 + n for each friend.
    pub categories: Vec<u32>,
    /// Friends that offer it.
    pub seeders: u32,
}

/// A page of results.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Page {
    /// Newest first, ties by guid.
    pub items: Vec<Item>,
    /// Matches in all.
    pub total: u64,
}

/// One friend's offer of an item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Friend.
    pub peer_id: String,
    /// The friend's id of the release.
    pub item_id: String,
    /// File name that the friend gives it.
    pub filename: String,
}

/// Where one of our own releases lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedFile {
    /// Absolute path in our view of the disk. A name only: resolve it, then check the root.
    pub path: PathBuf,
    /// What the resolved path must lie under; `None` = the source names no roots.
    pub root: Option<PathBuf>,
}

/// What a stub request finds.
#[derive(Clone, Debug, PartialEq)]
// One at a time, looked at once and taken apart: a box would only be in the way.
#[allow(clippy::large_enum_variant)]
pub enum StubTarget {
    /// Hand out a stub for this item from this origin.
    Found(Item, Origin),
    /// No friend has it any more (404).
    Gone,
}

/// A friend or source, for the owner to see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OriginState {
    /// Friend's name, or `folder "Concerts"`.
    pub name: String,
    /// A friend; else a source of ours.
    pub is_friend: bool,
    /// It answered when last asked; `None`: not asked yet.
    pub is_up: Option<bool>,
    /// Last answer, Unix seconds.
    pub seen_at: Option<u64>,
    /// False once a friend has been away so long that its releases are not shown.
    pub is_visible: bool,
    /// Releases indexed.
    pub releases: u64,
    /// What went wrong last, if nothing went well since.
    pub error: Option<String>,
}

/// The catalogue.
pub struct Catalogue {
    inner: Arc<Inner>,
}

/// What threads that ask friends share with the catalogue.
struct Inner {
    store: Arc<Store>,
    origins: Origins,
    traffic: Arc<Traffic>,
    trails: Mutex<Trails>,
    turns: Arc<Gate>,
    state: Mutex<IndexState>,
    every: Duration,
    hide_after: Duration,
    /// Unix seconds.
    tidy_due: AtomicU64,
    /// Offers that lists have written or removed since the words were merged. Not kept over a
    /// restart: without more changes the words stay as they are.
    unmerged: AtomicU64,
}

/// What answers depend on.
#[derive(Default)]
struct IndexState {
    revision: Revision,
    /// Friends that were visible to the last search.
    visible: i64,
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, IndexState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn trails(&self) -> MutexGuard<'_, Trails> {
        self.trails.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Friends' offers changed in the database; `touched` items may have been added to answers.
    fn changed(&self, touched: u64) {
        let mut state = self.state();
        state.revision.changes += 1;
        state.revision.touched += touched;
    }
}

impl Catalogue {
    /// A catalogue over the given sources and friends. Releases of origins that are no longer
    /// configured are hidden at once and removed by the next refreshes. Nothing is refreshed yet.
    pub fn open(
        store: Arc<Store>,
        sources: Vec<Arc<dyn Source>>,
        peers: Arc<Peers>,
        sharing: &crate::config::Sharing,
    ) -> Result<Catalogue, StoreError> {
        let origins = Origins::open(&store, sources, &peers, Instant::now())?;
        Ok(Catalogue {
            inner: Arc::new(Inner {
                store,
                origins,
                traffic: Arc::default(),
                trails: Mutex::default(),
                turns: Gate::new(turns()),
                state: Mutex::default(),
                every: sharing.catalogue_refresh,
                hide_after: sharing.peer_hide_after,
                tidy_due: AtomicU64::new(0),
                unmerged: AtomicU64::new(0),
            }),
        })
    }

    /// Reads every source and friend that is due, one after the other, and gives the time when the
    /// next one is. For the scheduler's slow lane: a friend may take ten minutes.
    pub fn refresh_due(&self) -> Instant {
        self.inner.refresh_due(&Now::read)
    }

    /// Torznab search: what [`Catalogue::ask_first`] and [`Catalogue::page`] do together.
    #[cfg(test)]
    fn search(&self, search: &Search) -> Result<Page, StoreError> {
        self.ask_first(search);
        self.page(search)
    }

    /// What must be asked of friends before a search is answered: an id search asks them live
    /// (deadline 5 s in all); any other waits only while a friend's list has never been read, 5 s at
    /// most.
    pub fn ask_first(&self, search: &Search) {
        let is_possible = !(search.unknown_id && search.ids.is_empty());
        // Later pages go on in what the first one found.
        if search.offset == 0 && is_possible {
            if search.ids.is_empty() {
                self.inner.fill_first(search, live::PATIENCE);
            } else {
                self.inner.ask_friends(search, live::PATIENCE);
            }
        }
    }

    /// A page of the index as it is. Work for a processor and a disk, never for the network:
    /// take a [`Catalogue::turn`] for it.
    pub fn page(&self, search: &Search) -> Result<Page, StoreError> {
        self.inner.page(search, Now::read())
    }

    /// A turn at finding and writing out an answer. More answers at once than processors would
    /// only hold memory and make each other late; first come, first served. `None` after
    /// [`TURN_PATIENCE`]: go on without one, for a late answer is better than none.
    pub fn turn(&self) -> Option<Pass> {
        self.inner.turns.enter(TURN_PATIENCE)
    }

    /// What [`Catalogue::turn`] is a place in.
    #[cfg(test)]
    pub(crate) fn turns(&self) -> &Arc<Gate> {
        &self.inner.turns
    }

    /// The item of a stub URL and the best friend to fetch it from; asks that friend, with a short
    /// deadline, whether it still has it, and the next one if not. While a friend cannot be asked,
    /// the index is believed.
    pub fn stub_target(&self, guid: &Infohash) -> Result<StubTarget, StoreError> {
        self.inner.stub_target(guid, &Now::read)
    }

    /// Every friend's offer of this release (title and size), best friend first: for failover.
    pub fn origins(&self, guid: &Infohash) -> Result<Vec<Origin>, StoreError> {
        let Some(found) = self.inner.store.item(&guid.0)? else {
            return Ok(Vec::new());
        };
        let mut origins: Vec<Origin> = Vec::new();
        for (friend, offer) in self.inner.ranked_offers(&found, Now::read())? {
            // The episodes of one file are one file.
            if origins.iter().all(|o| o.peer_id != friend.client.id()) {
                origins.push(origin(&friend, &offer));
            }
        }
        Ok(origins)
    }

    /// Friends for caps: (100000 + n, name), n stable across restarts.
    pub fn friend_categories(&self) -> Result<Vec<(u32, String)>, StoreError> {
        Ok(self
            .inner
            .origins
            .friends
            .iter()
            .map(|friend| (category(friend.n), friend.client.name().to_owned()))
            .collect())
    }

    /// Friends and sources, in configuration order, for the owner to see.
    pub fn origin_states(&self) -> Result<Vec<OriginState>, StoreError> {
        let inner = &self.inner;
        let now = Now::read().unix;
        let mut states = Vec::new();
        for slot in &inner.origins.sources {
            let releases = inner.store.shared_count(slot.n)?;
            let state = slot.state();
            states.push(OriginState {
                name: slot.source.name().to_owned(),
                is_friend: false,
                is_up: state.is_up,
                seen_at: state.seen_at,
                is_visible: true,
                releases,
                error: state.error.clone(),
            });
        }
        for friend in &inner.origins.friends {
            let releases = inner.store.offer_count(friend.n)?;
            let is_visible = friend.is_visible(inner.hide_after, now);
            let state = friend.state();
            states.push(OriginState {
                name: friend.client.name().to_owned(),
                is_friend: true,
                is_up: state.is_up,
                seen_at: state.seen_at,
                is_visible,
                releases,
                error: state.error.clone(),
            });
        }
        Ok(states)
    }

    /// Our own releases that match, one by one. No id: everything. No lock and no transaction is
    /// held while `each` runs, so it may be slow; its error ends the list.
    pub fn shared(
        &self,
        ids: &Ids,
        season: Option<u32>,
        episode: Option<u32>,
        each: &mut dyn FnMut(&Release) -> std::io::Result<()>,
    ) -> std::io::Result<()> {
        let mut after = 0;
        loop {
            let page = self
                .inner
                .store
                .shared_page(ids, season, episode, after, SHARED_PAGE)
                .map_err(std::io::Error::other)?;
            for found in &page {
                after = found.row;
                if let Some(release) = self.shared_release(found) {
                    each(&release)?;
                }
            }
            if page.len() < SHARED_PAGE as usize {
                return Ok(());
            }
        }
    }

    /// One of our own releases.
    pub fn shared_item(&self, id: &str) -> Result<Option<Offer>, StoreError> {
        let Some(found) = self.shared_found(id)? else {
            return Ok(None);
        };
        Ok(self.shared_release(&found).map(|release| Offer {
            release,
            path: found.path,
        }))
    }

    /// File of one of our own releases; `None` also when it no longer lies under its source's
    /// roots.
    pub fn shared_path(&self, id: &str) -> Result<Option<SharedFile>, StoreError> {
        let Some(found) = self.shared_found(id)? else {
            return Ok(None);
        };
        let sources = &self.inner.origins.sources;
        let Some(slot) = sources.iter().find(|slot| slot.n == found.source) else {
            return Ok(None);
        };
        let roots = slot.source.roots();
        let root = root_of(&roots, &found.path);
        if root.is_none() && !roots.is_empty() {
            return Ok(None);
        }
        Ok(Some(SharedFile {
            root: root.map(Path::to_owned),
            path: found.path,
        }))
    }

    /// Changes whenever a shared release does: the ETag of the whole list. The same after a
    /// restart, and with the same releases.
    pub fn shared_mark(&self) -> Result<String, StoreError> {
        let mut sha1 = sha1_smol::Sha1::new();
        for slot in &self.inner.origins.sources {
            sha1.update(slot.source.id().as_bytes());
            sha1.update(&[0]);
            sha1.update(&self.inner.store.shared_mark(slot.n)?.to_le_bytes());
        }
        Ok(crate::secret::hex(&sha1.digest().bytes()[..8]))
    }

    fn shared_found(&self, id: &str) -> Result<Option<SharedFound>, StoreError> {
        for slot in &self.inner.origins.sources {
            if let Some(found) = self.inner.store.shared_by_id(slot.n, id)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// The release of a row, unless its source is no longer configured.
    fn shared_release(&self, found: &SharedFound) -> Option<Release> {
        let sources = &self.inner.origins.sources;
        sources.iter().find(|slot| slot.n == found.source)?;
        record::decode(&found.id, &found.record)
    }
}

/// The longest root that a path lies under.
fn root_of<'a>(roots: &'a [PathBuf], path: &Path) -> Option<&'a Path> {
    roots
        .iter()
        .filter(|root| path.starts_with(root))
        .max_by_key(|root| root.as_os_str().len())
        .map(PathBuf::as_path)
}
