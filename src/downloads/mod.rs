//! Downloads: grabs from acceptance to the finished file.
//!
//! This page is what the faces call; the parts are one file each: `orders` (what may be asked), `retry` (what an error means for the next attempt), `expect` (whether an answer may be
//! believed), `names`, `layout` (where files lie), `space`, `pace` and `live` (rates and figures),
//! `lists` (many grabs, some at a time) and `changes` (which of them differ), `queue` (what starts
//! when), `worker` (one run of a grab, with failover), `attempt` and `transfer` (one request and its
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

mod attempt;
mod changes;
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
use crate::grab::{Grab, Scope, State};
use crate::peer::Peers;
use crate::store::{Added, Change, NewRow, QueueEdge, Store, StoreError};
use crate::sys::lock;
use crate::torrent::stub::{Infohash, Stub};
use engine::{Desk, Engine, Origins, plain};
use layout::Layout;
use pace::Pace;
use slow::Patience;

/// Setting that holds the `completed_path` of the last run.
const FOLDER_SETTING: &str = "downloads_folder";

/// Folder names tried before an add is refused.
const MAX_FOLDER_NAMES: u32 = 1000;

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

    /// Says whether [`Downloads::add`] would accept this torrent, without adding it.
    pub fn check(&self, torrent: &[u8]) -> Result<(), AddError> {
        self.vet(torrent).map(|_| ())
    }

    /// Accepts a grab; it is in the list when this returns. A stub that the same login added and
    /// that has not ended: accepted, and nothing changes.
    pub fn add(&self, new: NewGrab) -> Result<Infohash, AddError> {
        let (stub, infohash) = self.vet(&new.torrent)?;
        let unavailable = |error: StoreError| AddError::Unavailable(error.to_string());
        let _held = lock(&self.engine.adding);
        let folder = self.choose_folder(&stub.title)?;
        let row = NewRow {
            grab: Grab {
                category: new.category,
                tags: new.tags,
                state: if new.paused {
                    State::Paused
                } else {
                    State::Queued
                },
                force_start: new.force_start,
                download_limit: new.download_limit,
                ratio_limit: new.ratio_limit,
                seeding_time_limit: new.seeding_time_limit,
                inactive_seeding_time_limit: new.inactive_seeding_time_limit,
                ..Grab::of_stub(&new.arr, infohash, stub, folder, now_unix())
            },
            stub: &new.torrent,
        };
        let added = self.engine.store.insert_grab(&row).map_err(unavailable)?;
        match added {
            Added::Alive => log::info!("{}: \"{}\" is here already", row.grab.arr, row.grab.title),
            Added::Fresh { id, replaced } => {
                if let Some(old) = replaced {
                    self.engine.forget(old);
                    self.engine.layout.remove_part(old, &infohash);
                }
                log::info!(
                    "{}: accepted \"{}\" (grab {id})",
                    row.grab.arr,
                    row.grab.title
                );
                self.engine.touch([id]);
                self.engine.ring();
            }
        }
        Ok(infohash)
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

    /// Removes grabs from the list, stops their transfers; part files always go, the finished
    /// file only with `delete_files`. A completed grab deleted so is the arr's receipt.
    pub fn delete(
        &self,
        scope: &Scope,
        which: &Selection,
        delete_files: bool,
    ) -> Result<(), StoreError> {
        for id in self.selected(scope, which)? {
            // The row as it is now: it may have been completed in the meantime.
            let Some(grab) = self.engine.store.delete_grab(id)? else {
                continue;
            };
            lock(&self.engine.changes).note([Changed::Gone(grab.infohash)]);
            self.engine.forget(grab.id);
            // A transfer that is still ending removes its part file once more.
            self.engine.layout.remove_part(grab.id, &grab.infohash);
            // An arr moves the file away before it deletes the entry; whoever gives up a download
            // that is complete deletes both.
            let is_receipt = delete_files
                && grab.state == State::Completed
                && self.finished_file(&grab).is_some_and(|file| is_gone(&file));
            if delete_files && !grab.state.is_unfinished() {
                self.engine
                    .layout
                    .remove_finished(&grab.folder, grab.filename.as_deref());
            }
            let (arr, title, id) = (&grab.arr, &grab.title, grab.id);
            match (grab.state, is_receipt) {
                (_, true) => log::info!("imported by {arr}: \"{title}\" (grab {id})"),
                (State::Imported, _) => {
                    log::info!("{arr}: \"{title}\" deleted after its import (grab {id})");
                }
                (state, _) => {
                    log::info!(
                        "{arr}: \"{title}\" deleted while {} (grab {id})",
                        state.word()
                    );
                }
            }
        }
        self.engine.ring();
        Ok(())
    }

    /// Pauses: takes effect within a second.
    pub fn pause(&self, scope: &Scope, which: &Selection) -> Result<(), StoreError> {
        self.advance_all(scope, which, Event::Pause, |grab| {
            self.engine.cancel(grab.id);
        })
    }

    /// Resumes paused grabs; failed ones start over with fresh attempts, keeping their part file.
    pub fn resume(&self, scope: &Scope, which: &Selection) -> Result<(), StoreError> {
        self.advance_all(scope, which, Event::Resume, |_| {})
    }

    /// Compares finished files with the size they must have; what is missing or wrong is
    /// downloaded again. Part files are trusted by length. Failed grabs are retried.
    pub fn recheck(&self, scope: &Scope, which: &Selection) -> Result<(), StoreError> {
        self.each_selected(scope, which, |grab| {
            let event = match grab.state {
                State::Failed => Event::Resume,
                State::Completed => {
                    let filename = grab.filename.as_deref().unwrap_or_default();
                    if self
                        .engine
                        .layout
                        .has_finished(&grab.folder, filename, grab.size)
                    {
                        return Ok(());
                    }
                    lock(&self.engine.lives).remove(&grab.id);
                    Event::Missing
                }
                _ => return Ok(()),
            };
            self.advance_one(grab, event).map(|_| ())
        })?;
        self.engine.ring();
        Ok(())
    }

    /// Jumps the queue (also above `max_concurrent`), or no longer; `true` also resumes.
    pub fn set_force_start(
        &self,
        scope: &Scope,
        which: &Selection,
        on: bool,
    ) -> Result<(), StoreError> {
        let ids = self.selected(scope, which)?;
        self.engine.store.set_grab_force(&ids, on)?;
        self.engine.touch(ids);
        if on {
            self.each_selected(scope, which, |grab| {
                self.advance_one(grab, Event::Force).map(|_| ())
            })?;
        }
        self.engine.ring();
        Ok(())
    }

    /// Moves unfinished grabs in the queue.
    pub fn move_in_queue(
        &self,
        scope: &Scope,
        which: &Selection,
        to: QueueMove,
    ) -> Result<(), StoreError> {
        let mut grabs: Vec<(i64, i64)> = Vec::new();
        self.each_selected(scope, which, |grab| {
            if grab.state.is_unfinished() {
                grabs.push((grab.position, grab.id));
            }
            Ok(())
        })?;
        grabs.sort_unstable();
        let ids: Vec<i64> = grabs.into_iter().map(|(_, id)| id).collect();
        let store = &self.engine.store;
        match to {
            QueueMove::Top => store.move_grabs_to(&ids, QueueEdge::Top)?,
            QueueMove::Bottom => store.move_grabs_to(&ids, QueueEdge::Bottom)?,
            QueueMove::Up => {
                for id in &ids {
                    store.move_grab_by_one(*id, QueueEdge::Top)?;
                }
            }
            QueueMove::Down => {
                // The last one first: the others must not run into it.
                for id in ids.iter().rev() {
                    store.move_grab_by_one(*id, QueueEdge::Bottom)?;
                }
            }
        }
        // Whom they overtook is unfinished too: see `changed_since`.
        self.engine.touch(ids);
        self.engine.ring();
        Ok(())
    }

    /// Sets the category (the caller has checked that it exists).
    pub fn set_category(
        &self,
        scope: &Scope,
        which: &Selection,
        category: &str,
    ) -> Result<(), StoreError> {
        let ids = self.selected(scope, which)?;
        self.engine.store.set_grab_category(&ids, category)?;
        self.engine.touch(ids);
        Ok(())
    }

    /// Rewrites the tags of each grab: `change` gets and returns the sorted list.
    pub fn change_tags(
        &self,
        scope: &Scope,
        which: &Selection,
        change: &dyn Fn(Vec<String>) -> Vec<String>,
    ) -> Result<(), StoreError> {
        self.each_selected(scope, which, |grab| {
            let before = grab.tags.split(", ").filter(|tag| !tag.is_empty());
            let mut after = change(before.map(str::to_owned).collect());
            after.sort();
            after.dedup();
            let after = after.join(", ");
            if after != grab.tags {
                self.engine.store.set_grab_tags(grab.id, &after)?;
                self.engine.touch([grab.id]);
            }
            Ok(())
        })
    }

    /// Stores limits as asked; `None` = leave as it is.
    pub fn set_share_limits(
        &self,
        scope: &Scope,
        which: &Selection,
        ratio: Option<f64>,
        seeding_minutes: Option<i64>,
        inactive_minutes: Option<i64>,
    ) -> Result<(), StoreError> {
        let ids = self.selected(scope, which)?;
        self.engine.store.set_grab_share_limits(
            &ids,
            // The column takes no NaN: SQLite would store NULL.
            ratio.filter(|ratio| ratio.is_finite()),
            seeding_minutes,
            inactive_minutes,
        )?;
        self.engine.touch(ids);
        Ok(())
    }

    /// Limits the download rate of each grab, bytes per second; 0 = none. Takes effect at once.
    pub fn set_download_limit(
        &self,
        scope: &Scope,
        which: &Selection,
        bytes_per_second: u64,
    ) -> Result<(), StoreError> {
        let ids = self.selected(scope, which)?;
        self.engine
            .store
            .set_grab_download_limit(&ids, bytes_per_second)?;
        for id in &ids {
            let live = lock(&self.engine.lives).get(id).cloned();
            if let Some(live) = live {
                lock(&live.limit).set_rate(bytes_per_second, Instant::now());
            }
            if let Some(run) = lock(&self.engine.desk).running.get(id) {
                run.wake();
            }
        }
        self.engine.touch(ids);
        Ok(())
    }

    /// Stores an upload limit (shown only: nothing is seeded).
    pub fn set_upload_limit(
        &self,
        scope: &Scope,
        which: &Selection,
        bytes_per_second: u64,
    ) -> Result<(), StoreError> {
        let ids = self.selected(scope, which)?;
        self.engine
            .store
            .set_grab_upload_limit(&ids, bytes_per_second)?;
        self.engine.touch(ids);
        Ok(())
    }

    /// A global rate set by a client, on top of the configured one, until restart; 0 = none.
    pub fn set_global_limit(&self, bytes_per_second: u64) {
        self.engine.pace.set_client(bytes_per_second);
        for run in lock(&self.engine.desk).running.values() {
            run.wake();
        }
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

    fn vet(&self, torrent: &[u8]) -> Result<(Stub, Infohash), AddError> {
        let (stub, infohash) = Stub::parse(torrent).map_err(AddError::Stub)?;
        let limit = self.engine.settings.max_file_size;
        if limit > 0 && stub.size > limit {
            return Err(AddError::TooLarge {
                size: stub.size,
                limit,
            });
        }
        if self.engine.peers.get(&stub.peer_id).is_none() {
            return Err(AddError::UnknownPeer(stub.peer_id));
        }
        Ok((stub, infohash))
    }

    /// A folder name that neither a grab nor anything on the disk has. The caller holds `adding`.
    fn choose_folder(&self, title: &str) -> Result<String, AddError> {
        let base = names::folder_name(title);
        for n in 1..=MAX_FOLDER_NAMES {
            let folder = names::numbered(&base, n);
            let is_taken = self
                .engine
                .store
                .grab_folder_is_taken(&folder)
                .map_err(|error| AddError::Unavailable(error.to_string()))?;
            if is_taken {
                continue;
            }
            match self.engine.layout.is_free(&folder) {
                Ok(true) => return Ok(folder),
                Ok(false) => {}
                Err(error) => {
                    return Err(AddError::Unavailable(format!(
                        "cannot look into {}: {error}",
                        self.engine.layout.completed().display()
                    )));
                }
            }
        }
        Err(AddError::Unavailable(format!(
            "there are {MAX_FOLDER_NAMES} folders named like \"{base}\" in {}",
            self.engine.layout.completed().display()
        )))
    }

    fn advance_all(
        &self,
        scope: &Scope,
        which: &Selection,
        event: Event,
        then: impl Fn(&Grab),
    ) -> Result<(), StoreError> {
        self.each_selected(scope, which, |grab| {
            if self.advance_one(grab, event)?.is_some() {
                then(grab);
            }
            Ok(())
        })?;
        self.engine.ring();
        Ok(())
    }

    /// A client's command: attempts start anew where it brings a failed grab back.
    fn advance_one(&self, grab: &Grab, event: Event) -> Result<Option<State>, StoreError> {
        let starts_over = matches!(grab.state, State::Failed | State::Completed);
        let change = Change {
            attempts: starts_over.then_some(0),
            ..plain(event)
        };
        let state = self.engine.advance(grab.id, &change)?;
        if state.is_some() {
            let mut desk = lock(&self.engine.desk);
            desk.due.remove(&grab.id);
            desk.no_room.remove(&grab.id);
        }
        Ok(state)
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

fn is_gone(file: &Path) -> bool {
    matches!(std::fs::symlink_metadata(file),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound)
}

#[cfg(test)]
mod engine_tests;
#[cfg(test)]
mod rig;
#[cfg(test)]
mod tests;
