//! What may be asked of the downloads, and how they refuse. Plain values, no behaviour.

use crate::torrent::stub::{Infohash, StubError};

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
}

/// Why a grab was not accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AddError {
    /// Not one of our stubs (415).
    Stub(StubError),
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

/// Where [`Downloads::move_in_queue`](super::Downloads::move_in_queue) moves to.
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
