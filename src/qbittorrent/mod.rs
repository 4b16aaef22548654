//! The qBittorrent face: WebAPI v2 as qBittorrent 4.6.0 has it, over our grabs.
//!
//! Radarr and Sonarr (and dashboards, exporters, WebUIs) believe that they talk to qBittorrent. In: a
//! request below `/api/v2/`; out: the bytes the real server would send, with the truth about our
//! downloads in them. Every list and change is confined to the login behind the session, except
//! for the owner. `table` has the one table of calls, `dispatch` the order of checks; `view` says how a grab looks as a torrent;
//! `maindata`, `filter`, `details`, `sessions`, `failures` are pure. What a call does is in `add`,
//! `commands`, `lists` (through `lens`), `labels`, `sync`, `transfer`, `server`. Recorded answers of a real server are
//! replayed in `tests`.
//!
//! Deliberately different: no ban after failed logins (the answers get slower), no check of the port in
//! `Host` (it breaks port mapping), a repeated add says `Ok.`, `deleteFiles` may be missing, the names
//! of 5.x (`stop`, `start`, `stopped`) work too, foreign torrents are refused with 415, and nothing can be
//! renamed or moved.

mod add;
mod auth;
mod commands;
mod details;
mod dispatch;
mod failures;
mod filter;
mod input;
mod journal;
mod labels;
mod lens;
mod lists;
mod login;
mod maindata;
mod server;
mod sessions;
mod sync;
mod table;
#[cfg(test)]
pub(crate) mod tests;
mod transfer;
mod value;
mod view;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

pub use dispatch::handle;

use crate::sys::lock;

/// Reported by `app/version`. With the API version below a pair that really existed; below API 2.11 the
/// arrs say `paused`, from 2.9 on they know inactive seeding limits.
pub const VERSION: &str = "v4.6.0";

/// Reported by `app/webapiVersion`: three numbers, for `.NET` compares `2.9` lower than `2.9.0`.
pub const API_VERSION: &str = "2.9.2";

/// What the face remembers between requests. All of it may be lost: clients log in again.
pub struct Face {
    sessions: Mutex<sessions::Sessions>,
    failures: Mutex<failures::Failures>,
    boards: Mutex<sync::Boards>,
    places: Mutex<lens::Places>,
    /// Held while the keys of a list are sorted: see `lists`.
    sorting: Arc<Mutex<()>>,
    limits: Mutex<transfer::Limits>,
    journal: Mutex<journal::Journal>,
    /// Grows with every change of a category or tag.
    labels_revision: AtomicU64,
    /// How the answer to a failed login waits.
    wait: fn(Duration),
}

impl Face {
    /// A face without sessions.
    pub fn new() -> Face {
        Face {
            sessions: Mutex::default(),
            failures: Mutex::default(),
            boards: Mutex::default(),
            places: Mutex::default(),
            sorting: Arc::default(),
            limits: Mutex::default(),
            journal: Mutex::default(),
            labels_revision: AtomicU64::new(1),
            wait: std::thread::sleep,
        }
    }

    fn labels_changed(&self) {
        self.labels_revision.fetch_add(1, Ordering::SeqCst);
    }
}

impl Default for Face {
    fn default() -> Self {
        Face::new()
    }
}
