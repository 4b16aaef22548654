//! From grabs to torrents, any number of them in bounded memory.
//!
//! A [`Lens`] holds what turns a grab into a [`View`] at one moment. [`Lens::each`] walks a list of
//! row ids, [`PAGE`] rows at a time: between two pages no lock, no database connection and no read
//! transaction is held, so a client may take its time over an answer that is written meanwhile.

use std::collections::HashMap;
use std::io;
use std::ops::ControlFlow;
use std::sync::Arc;

use crate::downloads::Downloads;
use crate::grab::{Grab, Scope};
use crate::store::{Store, StoreError};

use super::dispatch::Context;
use super::view::{Settings, View};
use super::{Face, lock};

/// Rows read at once, of about 1 KiB each.
pub(super) const PAGE: usize = 64;

/// A list longer than this is written item by item to the client instead of being built in memory
/// first: some 200 KiB.
pub(super) const LONG_LIST: usize = 150;

/// Queue places by grab id, as of a revision of the downloads.
#[derive(Default)]
pub(super) struct Places {
    revision: Option<u64>,
    by_id: Arc<HashMap<i64, u64>>,
}

/// The queue places now.
fn places(
    face: &Face,
    store: &Store,
    downloads: &Downloads,
) -> Result<Arc<HashMap<i64, u64>>, StoreError> {
    let mut places = lock(&face.places);
    // Read before the query: a change in between is then seen next time.
    let revision = downloads.revision();
    if places.revision != Some(revision) {
        let order = store.queue_order()?;
        places.by_id = Arc::new(order.into_iter().zip(1..).collect());
        places.revision = Some(revision);
    }
    Ok(Arc::clone(&places.by_id))
}

/// What turns grabs into torrents.
#[derive(Clone)]
pub(super) struct Lens {
    downloads: Arc<Downloads>,
    scope: Scope,
    settings: Settings,
    places: Arc<HashMap<i64, u64>>,
    now: u64,
}

impl Lens {
    /// `None` without `[downloads]`: there are no torrents then.
    pub fn new(context: &Context<'_>) -> Result<Option<Lens>, StoreError> {
        let Some(downloads) = &context.services.downloads else {
            return Ok(None);
        };
        Ok(Some(Lens {
            downloads: Arc::clone(downloads),
            scope: context.who.scope.clone(),
            settings: Settings::new(downloads.settings()),
            places: places(context.face, &context.services.store, downloads)?,
            now: context.now,
        }))
    }

    /// The engine behind it.
    pub fn downloads(&self) -> &Downloads {
        &self.downloads
    }

    /// Whose grabs the caller sees.
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// Row ids of all grabs that are not finished, of every login: those that have a place in the
    /// queue.
    pub fn unfinished(&self) -> Vec<i64> {
        self.places.keys().copied().collect()
    }

    /// Whether a grab had a place in the queue when this lens was made.
    pub fn is_unfinished(&self, id: i64) -> bool {
        self.places.contains_key(&id)
    }

    /// A grab as a torrent.
    pub fn view<'a>(&'a self, grab: &'a Grab) -> View<'a> {
        View {
            grab,
            place: self.places.get(&grab.id).copied().unwrap_or(0),
            settings: &self.settings,
            now: self.now,
        }
    }

    /// Shows the grabs with these ids one after the other, until `show` breaks off. Those that are
    /// gone by then are left out. Errors are those of `show` and of the database.
    pub fn each(
        &self,
        ids: &[i64],
        mut show: impl FnMut(&View<'_>) -> io::Result<ControlFlow<()>>,
    ) -> io::Result<()> {
        for page in ids.chunks(PAGE) {
            for grab in self.downloads.by_ids(page).map_err(io::Error::other)? {
                if show(&self.view(&grab))?.is_break() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }
}
