//! What all threads of the download engine share.
//!
//! Lock order: `adding` before the store's writer; `desk`, `lives` and `changes` are leaves, each
//! held for a few statements and never across the database, the disk or the network.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use super::changes::{Changed, Changes};
use super::layout::Layout;
use super::live::{Live, Run};
use super::pace::Pace;
use super::slow::Patience;
use crate::catalogue::Origin;
use crate::clock::now_unix;
use crate::config;
use crate::grab::states::Event;
use crate::grab::{Grab, State};
use crate::peer::Peers;
use crate::store::{Change, Store, StoreError};
use crate::sys::lock;
use crate::torrent::stub::Infohash;

/// Finds every friend's offer of a release: [`crate::catalogue::Catalogue::origins`].
pub type Origins = Box<dyn Fn(&Infohash) -> Result<Vec<Origin>, StoreError> + Send + Sync>;

/// Shared by the API, the queue's thread and the transfers.
pub struct Engine {
    /// `[downloads]`.
    pub settings: config::Downloads,
    /// Database.
    pub store: Arc<Store>,
    /// Friends.
    pub peers: Arc<Peers>,
    /// For other origins of a release.
    pub origins: Origins,
    /// Folders.
    pub layout: Layout,
    /// How slow a friend may be.
    pub patience: Patience,
    /// Rate limits of all transfers together.
    pub pace: Pace,
    /// Bytes received since the start of the process.
    pub received: AtomicU64,
    /// See [`super::Downloads::revision`] and [`super::Downloads::changed_since`].
    pub changes: Mutex<Changes>,
    /// Held while a folder name is chosen and stored, so that two adds cannot choose the same.
    pub adding: Mutex<()>,
    /// Live figures by grab id: of unfinished grabs, and of those that moved bytes in this process.
    pub lives: Mutex<HashMap<i64, Arc<Live>>>,
    /// What the queue's thread knows.
    pub desk: Mutex<Desk>,
    /// Rung whenever the queue's thread has to look at the queue.
    pub bell: Condvar,
    /// Rung whenever a transfer has ended.
    pub ended: Condvar,
}

/// The queue's own state, beside what the database says.
#[derive(Default)]
pub struct Desk {
    /// Transfers by grab id. A grab is here until its thread is done with it.
    pub running: HashMap<i64, Arc<Run>>,
    /// When a grab may start, to the millisecond and whatever the wall clock does; after a restart
    /// `retry_at` says it in seconds.
    pub due: HashMap<i64, Instant>,
    /// Grabs that wait for room and have been told so.
    pub no_room: HashSet<i64>,
    /// How often in a row a write has found the disk full although there seemed to be room.
    pub full: HashMap<i64, u32>,
    /// Something has changed since the queue was last looked at.
    pub is_rung: bool,
    /// The queue's thread is there.
    pub is_looking: bool,
    /// No transfer starts any more.
    pub is_stopping: bool,
}

impl Engine {
    /// Lets the queue's thread look at the queue.
    pub fn ring(&self) {
        lock(&self.desk).is_rung = true;
        self.bell.notify_all();
    }

    /// Says that lists have changed: these grabs, after the change is committed.
    pub fn touch(&self, ids: impl IntoIterator<Item = i64>) {
        lock(&self.changes).note(ids.into_iter().map(Changed::Row));
    }

    /// Moves a grab; see [`Store::advance_grab`].
    pub fn advance(&self, id: i64, change: &Change<'_>) -> Result<Option<State>, StoreError> {
        let state = self.store.advance_grab(id, change)?;
        if state.is_some() {
            self.touch([id]);
        }
        Ok(state)
    }

    /// Live figures of a grab, made from its part file if there are none yet.
    pub fn live(&self, grab: &Grab) -> Arc<Live> {
        if let Some(live) = lock(&self.lives).get(&grab.id) {
            return Arc::clone(live);
        }
        // Looked up without the lock: a sleeping disk must not hold up whoever lists other grabs.
        let part = std::fs::metadata(self.layout.part(grab.id, &grab.infohash)).ok();
        let have = match grab.state.is_unfinished() {
            true => part.as_ref().map_or(0, |part| part.len()),
            false => grab.size,
        };
        let moved = part
            .filter(|part| part.len() > 0)
            .and_then(|part| part.modified().ok())
            .map_or(0, unix_seconds)
            .max(grab.added_at);
        let live = Live::new(have, moved, grab.download_limit, Instant::now());
        Arc::clone(
            lock(&self.lives)
                .entry(grab.id)
                .or_insert_with(|| Arc::new(live)),
        )
    }

    /// Forgets everything about a grab that is gone from the database, and ends its transfer.
    pub fn forget(&self, id: i64) {
        lock(&self.lives).remove(&id);
        let mut desk = lock(&self.desk);
        desk.due.remove(&id);
        desk.no_room.remove(&id);
        desk.full.remove(&id);
        if let Some(run) = desk.running.get(&id) {
            run.cancel();
        }
    }

    /// Ends the transfer of a grab, if there is one.
    pub fn cancel(&self, id: i64) {
        if let Some(run) = lock(&self.desk).running.get(&id) {
            run.cancel();
        }
    }

    /// Fills the live fields of a grab.
    pub fn fill(&self, grab: &mut Grab) {
        let live = lock(&self.lives).get(&grab.id).cloned();
        let live = match live {
            Some(live) => live,
            None if grab.state.is_unfinished() => self.live(grab),
            None => {
                grab.have = grab.size;
                grab.last_activity = grab.completed_at.unwrap_or(grab.added_at);
                return;
            }
        };
        let now = Instant::now();
        grab.have = match grab.state.is_unfinished() {
            true => live.have(),
            false => grab.size,
        };
        grab.received = live.received();
        grab.last_activity = live.last_activity();
        match grab.state {
            State::Downloading => {
                grab.speed = live.speed(now);
                grab.stalled_for = live.stalled_for(now).as_secs();
            }
            State::Waiting => grab.stalled_for = live.stalled_for(now).as_secs(),
            _ => {}
        }
    }
}

/// A change of state without reason, attempts or retry.
pub fn plain(event: Event) -> Change<'static> {
    Change {
        event,
        reason: None,
        attempts: None,
        retry_at: None,
        now: now_unix(),
    }
}

/// A file's time in Unix seconds.
fn unix_seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}
