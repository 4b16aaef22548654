//! The catalogue: all releases known, ours and friends'.
//!
//! Ours serve friends (`peer::serve`); friends' serve our arrs (`torznab`). Both are an index in
//! SQLite, refreshed in the background; id searches also ask friends live.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use crate::library::{Offer, Source};
use crate::peer::Peers;
use crate::release::{Ids, Release};
use crate::store::{Store, StoreError};
use crate::torrent::stub::Infohash;

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
    /// A representative offer of it.
    pub release: Release,
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
pub enum StubTarget {
    /// Hand out a stub for this item from this origin.
    Found(Item, Origin),
    /// No friend has it any more (404).
    Gone,
}

/// The catalogue.
pub struct Catalogue {
    #[allow(dead_code)]
    store: Arc<Store>,
    #[allow(dead_code)]
    sources: Vec<Arc<dyn Source>>,
    #[allow(dead_code)]
    peers: Arc<Peers>,
}

impl Catalogue {
    /// A catalogue over the given sources and friends. Rows of origins that are no longer
    /// configured are dropped. Nothing is refreshed yet.
    pub fn open(
        _store: Arc<Store>,
        _sources: Vec<Arc<dyn Source>>,
        _peers: Arc<Peers>,
        _sharing: &crate::config::Sharing,
    ) -> Result<Catalogue, StoreError> {
        todo!()
    }

    /// Torznab search; an id search asks friends live (deadline 5 s in all) and merges.
    pub fn search(&self, _search: &Search) -> Result<Page, StoreError> {
        todo!()
    }

    /// The item of a stub URL and the best friend to fetch it from; asks that friend once, with a
    /// short deadline, whether it still has it.
    pub fn stub_target(&self, _guid: &Infohash) -> Result<StubTarget, StoreError> {
        todo!()
    }

    /// Every friend's offer of this release (title and size): for failover.
    pub fn origins(&self, _guid: &Infohash) -> Result<Vec<Origin>, StoreError> {
        todo!()
    }

    /// Friends for caps: (100000 + n, name), n stable across restarts.
    pub fn friend_categories(&self) -> Result<Vec<(u32, String)>, StoreError> {
        todo!()
    }

    /// Our own releases that match, one by one. No id: everything.
    pub fn shared(
        &self,
        _ids: &Ids,
        _season: Option<u32>,
        _episode: Option<u32>,
        _each: &mut dyn FnMut(&Release) -> std::io::Result<()>,
    ) -> std::io::Result<()> {
        todo!()
    }

    /// One of our own releases.
    pub fn shared_item(&self, _id: &str) -> Result<Option<Offer>, StoreError> {
        todo!()
    }

    /// File of one of our own releases; `None` also when it no longer lies under its source's
    /// roots.
    pub fn shared_path(&self, _id: &str) -> Result<Option<SharedFile>, StoreError> {
        todo!()
    }

    /// Changes whenever a shared release does: the ETag of the whole list.
    pub fn shared_mark(&self) -> Result<String, StoreError> {
        todo!()
    }
}
