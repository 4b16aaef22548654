//! Many grabs, some at a time, and which of them have changed.
//!
//! A list is its row ids first, 8 bytes each, and then the rows, page by page: for lists that are
//! written to clients ([`Downloads::by_ids`]) and for commands on a selection. Nothing is held open
//! between two pages.

use super::{Changed, Downloads, Grab, Scope, Selection};
use crate::store::StoreError;
use crate::sys::lock;
use crate::torrent::stub::Infohash;

/// Rows of a command's selection that are read at once, of about 1 KiB each.
const SELECTED_PAGE: usize = 64;

impl Downloads {
    /// Row ids of the grabs in scope, oldest first; `category` filters exactly. Together with
    /// [`Downloads::by_ids`] this lists any number of grabs in bounded memory: an id is 8 bytes.
    pub fn ids(&self, scope: &Scope, category: Option<&str>) -> Result<Vec<i64>, StoreError> {
        self.engine.store.grab_ids(scope, category)
    }

    /// [`Downloads::ids`], but of several grabs of one infohash (of different logins) only the
    /// one that [`Downloads::get`] gives.
    pub fn ids_by_hash(&self, scope: &Scope) -> Result<Vec<i64>, StoreError> {
        self.engine.store.grab_ids_by_hash(scope)
    }

    /// Row ids of the grabs in scope with one of these infohashes, oldest first.
    pub fn ids_of(&self, scope: &Scope, hashes: &[Infohash]) -> Result<Vec<i64>, StoreError> {
        self.engine.store.grab_ids_of(scope, hashes)
    }

    /// Row ids of a selection, in scope, oldest first; unknown hashes are left out.
    pub fn selected(&self, scope: &Scope, which: &Selection) -> Result<Vec<i64>, StoreError> {
        match which {
            Selection::All => self.ids(scope, None),
            Selection::Hashes(hashes) => self.ids_of(scope, hashes),
        }
    }

    /// The grabs with these row ids, whosever they are, in this order; those that are gone are left
    /// out.
    pub fn by_ids(&self, ids: &[i64]) -> Result<Vec<Grab>, StoreError> {
        let mut grabs = self.engine.store.grabs_by_id(ids)?;
        for grab in &mut grabs {
            self.engine.fill(grab);
        }
        Ok(grabs)
    }

    /// Number of grabs in scope.
    pub fn count(&self, scope: &Scope) -> Result<u64, StoreError> {
        self.engine.store.grab_count(scope)
    }

    /// A number that grows whenever anything that a list shows may have changed by other than
    /// transfer progress (for cheap change detection).
    pub fn revision(&self) -> u64 {
        lock(&self.engine.changes).revision()
    }

    /// What has changed since [`Downloads::revision`] was `revision`; `None` = too much to be
    /// remembered. Left out, beside progress: queue places, which change for unfinished grabs only.
    pub fn changed_since(&self, revision: u64) -> Option<Vec<Changed>> {
        lock(&self.engine.changes).since(revision)
    }

    /// Runs `act` on the rows of a selection, [`SELECTED_PAGE`] of which are held at once. Live
    /// fields are 0.
    pub(super) fn each_selected(
        &self,
        scope: &Scope,
        which: &Selection,
        mut act: impl FnMut(&Grab) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        for page in self.selected(scope, which)?.chunks(SELECTED_PAGE) {
            for grab in self.engine.store.grabs_by_id(page)? {
                act(&grab)?;
            }
        }
        Ok(())
    }
}
