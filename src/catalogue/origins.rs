//! What is known in memory about each friend and source: reachable or not, when it was last seen,
//! when it is due, what went wrong.
//!
//! The database holds only what must survive a restart, and is written when that changes: the time
//! of the last answer at most once an hour. A friend's state is logged once when it changes.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::schedule::Due;
use crate::library::Source;
use crate::peer::Peers;
use crate::peer::client::{Handshake, PeerClient, PeerError};
use crate::store::origins::{MAX_FRIENDS, OriginKind, OriginRow};
use crate::store::{Store, StoreError};

/// The stored time of the last answer may be this old, in seconds.
const SEEN_WRITTEN_EVERY: u64 = 3600;

/// A friend that did not answer is left alone by searches for this long.
pub const LEFT_ALONE: Duration = Duration::from_secs(60);

/// A clock reading: monotonic for waits, Unix seconds for what is stored.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// For waits.
    pub instant: Instant,
    /// For what is stored.
    pub unix: u64,
}

impl Now {
    /// The system's clocks.
    pub fn read() -> Now {
        Now {
            instant: Instant::now(),
            unix: std::time::SystemTime::now()
                .duration_since(std::time::UNIX_EPOCH)
                .map_or(0, |since| since.as_secs()),
        }
    }
}

/// What changes about a friend.
pub struct FriendState {
    /// `None`: not asked since we started.
    pub is_up: Option<bool>,
    /// Last answer, Unix seconds.
    pub seen_at: Option<u64>,
    stored_seen_at: Option<u64>,
    /// Its whole list was read once.
    pub is_filled: bool,
    /// The list was empty when last read.
    pub is_empty: bool,
    /// Of the list as the index has it.
    pub etag: Option<String>,
    /// Searches leave it alone until then.
    pub alone_until: Option<Instant>,
    /// How long its last answer took.
    pub latency: Duration,
    /// What went wrong last; cleared by success.
    pub error: Option<String>,
    /// When its list is read again.
    pub due: Due,
}

/// A configured friend.
pub struct Friend {
    /// Its number.
    pub n: i64,
    /// How to ask it.
    pub client: Arc<PeerClient>,
    state: Mutex<FriendState>,
}

impl Friend {
    fn new(row: &OriginRow, client: Arc<PeerClient>, now: Instant) -> Friend {
        Friend {
            n: row.n,
            client,
            state: Mutex::new(FriendState {
                is_up: None,
                seen_at: row.seen_at,
                stored_seen_at: row.seen_at,
                is_filled: row.filled_at.is_some(),
                is_empty: false,
                etag: row.etag.clone(),
                alone_until: None,
                latency: Duration::MAX,
                error: None,
                due: Due::at_start(now),
            }),
        }
    }

    /// Its bit in `item.friends`.
    pub fn bit(&self) -> i64 {
        1 << self.n
    }

    /// The state; never held while something is asked or written.
    pub fn state(&self) -> MutexGuard<'_, FriendState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// It answered: seen now, and how long a short answer took. Written down when the stored time
    /// has become old.
    pub fn answered(&self, store: &Store, took: Option<Duration>, now: Now) {
        let is_old = {
            let mut state = self.state();
            state.seen_at = Some(now.unix);
            state.alone_until = None;
            state.latency = took.unwrap_or(state.latency);
            let is_old = state
                .stored_seen_at
                .is_none_or(|stored| now.unix.saturating_sub(stored) >= SEEN_WRITTEN_EVERY);
            if is_old {
                state.stored_seen_at = Some(now.unix);
            }
            is_old
        };
        if is_old && let Err(error) = store.origin_seen(self.n, now.unix) {
            log::error!("cannot note that {} answered: {error}", self.client.name());
        }
    }

    /// Its handshake was fine.
    pub fn came_up(&self, handshake: &Handshake) {
        let was = {
            let mut state = self.state();
            state.error = None;
            state.is_up.replace(true)
        };
        if was != Some(true) {
            let (major, minor, patch) = handshake.version;
            log::info!(
                "friend {} is up: it calls itself {} and speaks version {major}.{minor}.{patch}",
                self.client.name(),
                handshake.name
            );
        }
    }

    /// It could not be asked.
    pub fn failed(&self, error: &PeerError, now: Now) {
        let was = {
            let mut state = self.state();
            state.alone_until = Some(now.instant + LEFT_ALONE);
            state.error = Some(error.to_string());
            state.is_up.replace(false)
        };
        if was != Some(false) {
            log::warn!(
                "friend {} is away: {error}; asking again, its releases stay listed for now",
                self.client.name()
            );
        }
    }

    /// True if a search may ask it now.
    pub fn may_be_asked(&self, now: Instant) -> bool {
        self.state().alone_until.is_none_or(|until| until <= now)
    }

    /// False once it has not answered for `hide_after`.
    pub fn is_visible(&self, hide_after: Duration, now: u64) -> bool {
        self.state()
            .seen_at
            // A clock that went back hides nobody.
            .is_some_and(|seen| now.saturating_sub(seen) <= hide_after.as_secs())
    }
}

/// What changes about a source.
pub struct SourceState {
    /// The last reading was complete; `None`: not read since we started.
    pub is_up: Option<bool>,
    /// Last complete reading, Unix seconds.
    pub seen_at: Option<u64>,
    /// It held nothing when last read.
    pub is_empty: bool,
    /// What went wrong last; cleared by success.
    pub error: Option<String>,
    /// When it is read again.
    pub due: Due,
}

/// A configured source.
pub struct SourceSlot {
    /// Its number.
    pub n: i64,
    /// How to read it.
    pub source: Arc<dyn Source>,
    state: Mutex<SourceState>,
}

impl SourceSlot {
    /// The state; never held while the source is read or something is written.
    pub fn state(&self) -> MutexGuard<'_, SourceState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Everything that releases come from.
pub struct Origins {
    /// In configuration order.
    pub friends: Vec<Arc<Friend>>,
    /// In configuration order.
    pub sources: Vec<Arc<SourceSlot>>,
    /// Rows of origins that are no longer configured: hidden, and removed in the background.
    pub orphans: Mutex<Vec<OriginRow>>,
}

impl Origins {
    /// Numbers for all, with what is known from before.
    pub fn open(
        store: &Store,
        sources: Vec<Arc<dyn Source>>,
        peers: &Peers,
        now: Instant,
    ) -> Result<Origins, StoreError> {
        let mut friend_numbers = Vec::new();
        for client in peers.all() {
            match store.origin_number(OriginKind::Friend, client.id())? {
                Some(n) => friend_numbers.push((n, Arc::clone(client))),
                None => log::error!(
                    "friend {} is not indexed: more than {MAX_FRIENDS} friends are configured",
                    client.name()
                ),
            }
        }
        let mut source_numbers = Vec::new();
        for source in sources {
            // Sources never run out of numbers.
            if let Some(n) = store.origin_number(OriginKind::Source, source.id())? {
                source_numbers.push((n, source));
            }
        }
        let mut rows = store.origins()?;
        let mut take = |n: i64| {
            let place = rows.iter().position(|row| row.n == n)?;
            Some(rows.swap_remove(place))
        };
        let friends = friend_numbers
            .into_iter()
            .filter_map(|(n, client)| Some(Arc::new(Friend::new(&take(n)?, client, now))))
            .collect();
        let sources = source_numbers
            .into_iter()
            .filter_map(|(n, source)| {
                let row = take(n)?;
                Some(Arc::new(SourceSlot {
                    n,
                    source,
                    state: Mutex::new(SourceState {
                        is_up: None,
                        seen_at: row.seen_at,
                        is_empty: false,
                        error: None,
                        due: Due::at_start(now),
                    }),
                }))
            })
            .collect();
        Ok(Origins {
            friends,
            sources,
            orphans: Mutex::new(rows),
        })
    }

    /// The friend of a number.
    pub fn friend(&self, n: i64) -> Option<&Arc<Friend>> {
        self.friends.iter().find(|friend| friend.n == n)
    }

    /// Bits of the friends whose releases are shown.
    pub fn visible(&self, hide_after: Duration, now: u64) -> i64 {
        self.friends
            .iter()
            .filter(|friend| friend.is_visible(hide_after, now))
            .fold(0, |mask, friend| mask | friend.bit())
    }
}
