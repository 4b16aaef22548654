//! Downloads: grabs from acceptance to the finished file.

use std::sync::Arc;

use crate::catalogue::Catalogue;
use crate::config;
use crate::peer::Peers;
use crate::store::{Store, StoreError};
use crate::torrent::stub::Infohash;

/// State of a grab (design: the states that only our own code moves).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// Accepted; waits for a slot, for disk space or for its hours.
    Queued,
    /// Bytes flow.
    Downloading,
    /// The friend is away; a retry is scheduled.
    Waiting,
    /// A client paused it.
    Paused,
    /// The file is in place under its final name.
    Completed,
    /// The arr took it.
    Imported,
    /// Attempts used up, or a permanent error.
    Failed,
}

/// One grab, as the store keeps it, with its live progress.
#[derive(Clone, Debug)]
pub struct Grab {
    /// Row id.
    pub id: i64,
    /// Login that added it.
    pub arr: String,
    /// Infohash of the stub it was given.
    pub infohash: Infohash,
    /// Infohash of generation 0.
    pub base_hash: Infohash,
    /// Generation of the stub.
    pub generation: u32,
    /// Release title.
    pub title: String,
    /// After a rename by a client.
    pub display_name: Option<String>,
    /// Bytes.
    pub size: u64,
    /// Friend it is fetched from now.
    pub peer_id: String,
    /// That friend's id of the release.
    pub item_id: String,
    /// qBittorrent category, exact.
    pub category: String,
    /// Joined with `", "`, sorted.
    pub tags: String,
    /// State.
    pub state: State,
    /// Why it waits or failed.
    pub reason: Option<String>,
    /// Folder below `completed_path`, one component.
    pub folder: String,
    /// Name of the finished file, once the friend has named it.
    pub filename: Option<String>,
    /// Attempts made.
    pub attempts: u32,
    /// Unix seconds of the next attempt.
    pub retry_at: Option<u64>,
    /// Queue place.
    pub position: i64,
    /// Jumps the queue.
    pub force_start: bool,
    /// Bytes per second, 0 = none.
    pub download_limit: u64,
    /// Bytes per second, 0 = none; shown only, nothing is seeded.
    pub upload_limit: u64,
    /// As the arr asked.
    pub ratio_limit: f64,
    /// Minutes, as the arr asked.
    pub seeding_time_limit: i64,
    /// Minutes, as the arr asked.
    pub inactive_seeding_time_limit: i64,
    /// Unix seconds.
    pub added_at: u64,
    /// Unix seconds.
    pub completed_at: Option<u64>,
    /// Unix seconds.
    pub imported_at: Option<u64>,
    /// Live: bytes on disk.
    pub have: u64,
    /// Live: bytes per second over a sliding window; 0 unless downloading.
    pub speed: u64,
    /// Live: bytes received in all attempts since the start of the process.
    pub received: u64,
    /// Live: Unix seconds of the last byte, or of the add.
    pub last_activity: u64,
    /// Live: seconds since the last byte (or since waiting began), for `stalledDL`.
    pub stalled_for: u64,
}

/// Whose grabs an operation may touch.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Every grab (the owner's key).
    All,
    /// Those of one login.
    Arr(String),
}

/// Which grabs a command addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection {
    /// `all`.
    All,
    /// These; unknown ones are ignored.
    Hashes(Vec<Infohash>),
}

/// What `torrents/add` asks for, once the stub has been read.
#[derive(Clone, Debug)]
pub struct NewGrab {
    /// Login.
    pub arr: String,
    /// The torrent's bytes as uploaded.
    pub torrent: Vec<u8>,
    /// Category, `""` = none.
    pub category: String,
    /// Tags, normalised.
    pub tags: String,
    /// Add it paused.
    pub paused: bool,
    /// Jump the queue.
    pub force_start: bool,
    /// As asked; -2 = not given.
    pub ratio_limit: f64,
    /// As asked; -2 = not given.
    pub seeding_time_limit: i64,
    /// As asked; -2 = not given.
    pub inactive_seeding_time_limit: i64,
    /// Bytes per second, 0 = none.
    pub download_limit: u64,
    /// Display name, if the add renames.
    pub display_name: Option<String>,
}

/// Why a grab was not accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AddError {
    /// Not one of our stubs (415).
    Stub(crate::torrent::stub::StubError),
    /// The stub names a friend that is not configured any more (503).
    UnknownPeer(String),
    /// Larger than `max_file_size` (415 with text: the arr must not retry).
    TooLarge {
        /// Bytes of the release.
        size: u64,
        /// The limit.
        limit: u64,
    },
    /// The database or disk refused (503).
    Unavailable(String),
}

/// The download engine: queue, workers, retry, and the operations that clients call.
/// All methods are safe to call from any thread and never wait for the network.
pub struct Downloads {
    #[allow(dead_code)]
    settings: config::Downloads,
    #[allow(dead_code)]
    store: Arc<Store>,
    #[allow(dead_code)]
    peers: Arc<Peers>,
    #[allow(dead_code)]
    catalogue: Arc<Catalogue>,
}

impl Downloads {
    /// Checks the folder, puts grabs that were running back into the queue, starts the workers.
    /// The error is one line that names the folder and what to do.
    pub fn start(
        _settings: config::Downloads,
        _store: Arc<Store>,
        _peers: Arc<Peers>,
        _catalogue: Arc<Catalogue>,
    ) -> Result<Arc<Downloads>, String> {
        todo!()
    }

    /// Stops all transfers: part files synced, states kept. Returns within 4 s.
    pub fn stop(&self) {
        todo!()
    }

    /// `[downloads]`.
    pub fn settings(&self) -> &config::Downloads {
        &self.settings
    }

    /// Says whether [`Downloads::add`] would accept this torrent, without adding it.
    pub fn check(&self, _torrent: &[u8]) -> Result<(), AddError> {
        todo!()
    }

    /// Accepts a grab; it is in the list when this returns. A stub that the same login added and
    /// that has not ended: accepted, and nothing changes.
    pub fn add(&self, _new: NewGrab) -> Result<Infohash, AddError> {
        todo!()
    }

    /// Grabs in scope, oldest first; `category` filters exactly (`Some("")` = uncategorised).
    pub fn list(&self, _scope: &Scope, _category: Option<&str>) -> Result<Vec<Grab>, StoreError> {
        todo!()
    }

    /// One grab in scope.
    pub fn get(&self, _scope: &Scope, _infohash: &Infohash) -> Result<Option<Grab>, StoreError> {
        todo!()
    }

    /// The torrent as it was added.
    pub fn torrent(
        &self,
        _scope: &Scope,
        _infohash: &Infohash,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        todo!()
    }

    /// Removes grabs from the list, stops their transfers; part files always go, the finished
    /// file only with `delete_files`. A completed grab deleted so is the arr's receipt.
    pub fn delete(
        &self,
        _scope: &Scope,
        _which: &Selection,
        _delete_files: bool,
    ) -> Result<(), StoreError> {
        todo!()
    }

    /// Pauses: takes effect within a second.
    pub fn pause(&self, _scope: &Scope, _which: &Selection) -> Result<(), StoreError> {
        todo!()
    }

    /// Resumes paused grabs; failed ones start over with fresh attempts, keeping their part file.
    pub fn resume(&self, _scope: &Scope, _which: &Selection) -> Result<(), StoreError> {
        todo!()
    }

    /// Compares finished files with the size they must have; what is missing or wrong is
    /// downloaded again. Part files are trusted by length. Failed grabs are retried.
    pub fn recheck(&self, _scope: &Scope, _which: &Selection) -> Result<(), StoreError> {
        todo!()
    }

    /// Jumps the queue (also above `max_concurrent`), or no longer; `true` also resumes.
    pub fn set_force_start(
        &self,
        _scope: &Scope,
        _which: &Selection,
        _on: bool,
    ) -> Result<(), StoreError> {
        todo!()
    }

    /// Moves unfinished grabs in the queue.
    pub fn move_in_queue(
        &self,
        _scope: &Scope,
        _which: &Selection,
        _to: QueueMove,
    ) -> Result<(), StoreError> {
        todo!()
    }

    /// Sets the category (the caller has checked that it exists).
    pub fn set_category(
        &self,
        _scope: &Scope,
        _which: &Selection,
        _category: &str,
    ) -> Result<(), StoreError> {
        todo!()
    }

    /// Rewrites the tags of each grab: `change` gets and returns the sorted list.
    pub fn change_tags(
        &self,
        _scope: &Scope,
        _which: &Selection,
        _change: &dyn Fn(Vec<String>) -> Vec<String>,
    ) -> Result<(), StoreError> {
        todo!()
    }

    /// Sets the name shown; files keep theirs.
    pub fn rename(
        &self,
        _scope: &Scope,
        _infohash: &Infohash,
        _name: &str,
    ) -> Result<(), StoreError> {
        todo!()
    }

    /// Stores limits as asked; `None` = leave as it is.
    pub fn set_share_limits(
        &self,
        _scope: &Scope,
        _which: &Selection,
        _ratio: Option<f64>,
        _seeding_minutes: Option<i64>,
        _inactive_minutes: Option<i64>,
    ) -> Result<(), StoreError> {
        todo!()
    }

    /// Limits the download rate of each grab, bytes per second; 0 = none. Takes effect at once.
    pub fn set_download_limit(
        &self,
        _scope: &Scope,
        _which: &Selection,
        _bytes_per_second: u64,
    ) -> Result<(), StoreError> {
        todo!()
    }

    /// Stores an upload limit (shown only: nothing is seeded).
    pub fn set_upload_limit(
        &self,
        _scope: &Scope,
        _which: &Selection,
        _bytes_per_second: u64,
    ) -> Result<(), StoreError> {
        todo!()
    }

    /// A global rate set by a client, on top of the configured one, until restart; 0 = none.
    pub fn set_global_limit(&self, _bytes_per_second: u64) {
        todo!()
    }

    /// The rate limit in force now, bytes per second; 0 = none.
    pub fn global_limit(&self) -> u64 {
        todo!()
    }

    /// Sums over all running transfers.
    pub fn totals(&self) -> Totals {
        todo!()
    }

    /// Bytes free for us at `completed_path`.
    pub fn free_space(&self) -> u64 {
        todo!()
    }

    /// A number that grows whenever anything that a list shows may have changed by other than
    /// transfer progress (for cheap change detection).
    pub fn revision(&self) -> u64 {
        todo!()
    }
}

/// Where [`Downloads::move_in_queue`] moves to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueueMove {
    /// First.
    Top,
    /// Last.
    Bottom,
    /// One place forward.
    Up,
    /// One place back.
    Down,
}

/// Sums for `transfer/info`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Bytes per second.
    pub speed: u64,
    /// Bytes since the start of the process.
    pub received: u64,
    /// Grabs with a running transfer.
    pub running: u32,
}
