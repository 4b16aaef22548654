//! Downloads: grabs from acceptance to the finished file.
//!
//! What the faces call: here start and stop, single grabs, sums and what the import tracking needs;
//! in `accept` how a grab comes; in `commands` what clients do to one; in `lists` many grabs, some at
//! a time, and in `changes` which of them differ; in `orders` the values that go in. The other parts,
//! one file each: `engine` (what all threads share), `retry` (what an error means for the next
//! attempt), `expect` (whether an answer may be believed), `names`, `layout` (where files lie),
//! `space`, `pace` and `live` (rates and figures), `queue` (what starts when), `worker` (one run of a
//! grab), `failover` (another friend takes over), `attempt` and `transfer` (one request and its
//! bytes), `slow` (when a friend is too slow), `finish` (the way to the final name).
//!
//! Invariants. While bytes flow, only the part file is written: its length is the progress. Bytes of
//! two versions of a file never meet in one part file. A grab is completed when its file has its
//! length, its name and is on the disk, and not a moment earlier. Nothing is ever overwritten, and
//! nothing removed that is not ours.
//!
//! Order: first come, first served (by place in the queue, which clients may change; forced grabs
//! go first and do not count against `max_concurrent`). Smaller ones do not overtake: whoever asked
//! first is watched by somebody who waits, and an arr asks for the episodes of a season in order. A
//! grab that does not fit on the disk lets later ones pass that do.

mod accept;
mod attempt;
mod changes;
mod commands;
mod engine;
mod expect;
mod failover;
mod finish;
mod layout;
mod lists;
mod live;
mod names;
mod orders;
mod pace;
mod queue;
mod retry;
mod slow;
mod space;
mod transfer;
mod worker;

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Instant;

pub use changes::{Changed, MAX_CHANGES};
pub use orders::{AddError, NewGrab, QueueMove, Selection, Totals};

use crate::catalogue::Catalogue;
use crate::clock::{Zone, now_unix};
use crate::config;
use crate::grab::states::Event;
use crate::grab::{Grab, Scope};
use crate::peer::Peers;
use crate::store::{Store, StoreError};
use crate::sys::lock;
use crate::torrent::stub::Infohash;
use engine::{Desk, Engine, Origins, plain};
use layout::Layout;
use pace::Pace;
use slow::Patience;

/// Setting that holds the `completed_path` of the last run.
const FOLDER_SETTING: &str = "downloads_folder";

/// The download engine: queue, workers, retry, and the operations that clients call.
/// All methods are safe to call from any thread and never wait for the network. Dropping it stops it.
pub struct Downloads {
    engine: Arc<Engine>,
}

impl Downloads {
    /// Checks the folder, puts grabs that were running back into the queue, starts the workers.
    /// The error is one line that names the folder and what to do.
    pub fn start(
        settings: config::Downloads,
        store: Arc<Store>,
        peers: Arc<Peers>,
        catalogue: Arc<Catalogue>,
    ) -> Result<Arc<Downloads>, String> {
        let origins: Origins = Box::new(move |guid| catalogue.origins(guid));
        Downloads::start_with(settings, store, peers, origins, Patience::default())
    }

    /// [`Downloads::start`] with another way to find who else offers a release, and another idea
    /// of what is slow.
    fn start_with(
        settings: config::Downloads,
        store: Arc<Store>,
        peers: Arc<Peers>,
        origins: Origins,
        patience: Patience,
    ) -> Result<Arc<Downloads>, String> {
        let layout = open_folder(&settings.completed_path, &store)?;
        let pace = Pace::new(settings.rate.clone(), Zone::local());
        let engine = Arc::new(Engine {
            settings,
            store,
            peers,
            origins,
            layout,
            patience,
            pace,
            received: AtomicU64::new(0),
            changes: Mutex::default(),
            adding: Mutex::new(()),
            lives: Mutex::new(HashMap::new()),
            desk: Mutex::new(Desk::default()),
            bell: Condvar::new(),
            ended: Condvar::new(),
        });
        engine
            .put_in_order()
            .map_err(|error| format!("cannot go on with the downloads of the last run: {error}"))?;
        queue::start(&engine)?;
        Ok(Arc::new(Downloads { engine }))
    }

    /// Stops all transfers: part files synced, states kept. Returns within 4 s.
    pub fn stop(&self) {
        queue::stop(&self.engine);
    }

    /// `[downloads]`.
    pub fn settings(&self) -> &config::Downloads {
        &self.engine.settings
    }

    /// Grabs in scope, oldest first; `category` filters exactly (`Some("")` = uncategorised). All
    /// of them at once: for long lists see [`Downloads::ids`].
    pub fn list(&self, scope: &Scope, category: Option<&str>) -> Result<Vec<Grab>, StoreError> {
        let mut grabs = self.engine.store.grabs(scope, category)?;
        for grab in &mut grabs {
            self.engine.fill(grab);
        }
        Ok(grabs)
    }

    /// One grab in scope.
    pub fn get(&self, scope: &Scope, infohash: &Infohash) -> Result<Option<Grab>, StoreError> {
        let mut grab = self.engine.store.grab(scope, infohash)?;
        if let Some(grab) = &mut grab {
            self.engine.fill(grab);
        }
        Ok(grab)
    }

    /// The torrent as it was added.
    pub fn torrent(
        &self,
        scope: &Scope,
        infohash: &Infohash,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        self.engine.store.grab_stub(scope, infohash)
    }

    /// The rate limit in force now, bytes per second; 0 = none.
    pub fn global_limit(&self) -> u64 {
        self.engine.pace.limit(now_unix())
    }

    /// Sums over all running transfers.
    pub fn totals(&self) -> Totals {
        let running: HashSet<i64> = lock(&self.engine.desk).running.keys().copied().collect();
        let now = Instant::now();
        let lives = lock(&self.engine.lives);
        Totals {
            speed: running
                .iter()
                .filter_map(|id| lives.get(id))
                .map(|live| live.speed(now))
                .sum(),
            received: self.engine.received.load(Relaxed),
            running: u32::try_from(running.len()).unwrap_or(u32::MAX),
        }
    }

    /// Bytes free for us at `completed_path`: 0 when that cannot be found out.
    pub fn free_space(&self) -> u64 {
        self.engine.layout.free_space().unwrap_or(0)
    }

    /// Finished grabs of a login that its arr has not taken yet: the newest, `limit` at most. Live
    /// fields are 0.
    pub fn awaiting_import(&self, arr: &str, limit: u32) -> Result<Vec<Grab>, StoreError> {
        self.engine.store.completed_grabs(arr, limit)
    }

    /// Where the finished file of a grab lies, or lay; `None` as long as it has no name.
    pub fn finished_file(&self, grab: &Grab) -> Option<PathBuf> {
        let filename = grab.filename.as_deref()?;
        Some(self.engine.layout.finished(&grab.folder, filename))
    }

    /// Removes the finished file of a completed or imported grab, and its folder if it is empty
    /// then. The grab stays. The caller has made sure that the arr has the file.
    pub fn unlink_finished(&self, grab: &Grab) {
        if !grab.state.is_unfinished() {
            self.engine
                .layout
                .remove_finished(&grab.folder, grab.filename.as_deref());
        }
    }

    /// Remembers that the arr has taken the file of a completed grab. False: there is no such grab.
    pub fn mark_imported(&self, scope: &Scope, infohash: &Infohash) -> Result<bool, StoreError> {
        let Some(grab) = self.engine.store.grab(scope, infohash)? else {
            return Ok(false);
        };
        Ok(self
            .engine
            .advance(grab.id, &plain(Event::Import))?
            .is_some())
    }

    /// Failed grabs of a login that its arr has not been told of yet.
    pub fn unreported_failures(&self, arr: &str) -> Result<Vec<Grab>, StoreError> {
        self.engine.store.unreported_failures(arr)
    }

    /// Remembers that the arr was told of a failure.
    pub fn set_failure_reported(&self, id: i64) -> Result<(), StoreError> {
        self.engine.store.set_failure_reported(id)
    }
}

impl Drop for Downloads {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Opens the folder of downloads, unless it was used before and is deserted now: then its disk is
/// most likely not mounted, and downloads would begin anew on the one below.
fn open_folder(completed: &Path, store: &Store) -> Result<Layout, String> {
    let path = completed.to_string_lossy();
    let known = store
        .setting(FOLDER_SETTING)
        .map_err(|error| format!("cannot read which download folder was used before: {error}"))?;
    let is_known = known.as_deref() == Some(&*path);
    if is_known && layout::is_deserted(completed) {
        return Err(format!(
            "the download folder {path} is empty, although downloads were kept there before: is \
             its disk mounted? To begin anew there, make the folder {path}/.partial"
        ));
    }
    let layout = Layout::open(completed)?;
    if !is_known {
        store
            .set_setting(FOLDER_SETTING, &path)
            .map_err(|error| format!("cannot store which download folder is used: {error}"))?;
    }
    Ok(layout)
}

#[cfg(test)]
mod engine_tests;
#[cfg(test)]
mod rig;
#[cfg(test)]
mod tests;
