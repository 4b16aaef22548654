//! What everybody calls a grab: the value, its states and whose it is.
//!
//! Plain values. A [`Grab`] is a row of the store; its live fields are 0 as the store gives it, and
//! [`Downloads`](crate::downloads::Downloads) fills them from the running transfers.

pub mod states;

use crate::torrent::stub::{self, Infohash, Stub};

/// State of a grab. Only `states::next` says how it may change.
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
    /// As the arr asked; -2 = the client's own default, as qBittorrent has it.
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

impl Grab {
    /// The grab of a stub with this infohash, as `arr` adds it: queued, unlimited, without category.
    pub fn of_stub(
        arr: &str,
        infohash: Infohash,
        stub: Stub,
        folder: String,
        added_at: u64,
    ) -> Grab {
        Grab {
            id: 0,
            arr: arr.to_owned(),
            infohash,
            base_hash: stub::base_hash(&stub.title, stub.size),
            generation: stub.generation,
            title: stub.title,
            size: stub.size,
            peer_id: stub.peer_id,
            item_id: stub.item_id,
            category: String::new(),
            tags: String::new(),
            state: State::Queued,
            reason: None,
            folder,
            filename: None,
            attempts: 0,
            retry_at: None,
            position: 0,
            force_start: false,
            download_limit: 0,
            upload_limit: 0,
            ratio_limit: -2.0,
            seeding_time_limit: -2,
            inactive_seeding_time_limit: -2,
            added_at,
            completed_at: None,
            imported_at: None,
            have: 0,
            speed: 0,
            received: 0,
            last_activity: 0,
            stalled_for: 0,
        }
    }
}

/// Whose grabs an operation may touch.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Every grab (the owner's key).
    All,
    /// Those of one login.
    Arr(String),
}
