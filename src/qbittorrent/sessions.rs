//! Sessions of the qBittorrent face: who is behind a `SID` cookie.
//!
//! Held in memory only, so they die with the process; clients log in again on a 403. A session ends an
//! hour after its last use, or on logout, or when [`MAX_SESSIONS`] newer ones exist. The clock is an
//! argument.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::grab::Scope;
use crate::secret::random_hex;

use super::maindata::Progress;

/// A session ends this long after its last use (the real server's default, `web_ui_session_timeout`).
pub const SESSION_LIFETIME: Duration = Duration::from_secs(3600);

/// Scripts log in at every run and never log out; a household has a dozen clients. The session that
/// was not used for longest makes room.
pub const MAX_SESSIONS: usize = 128;

/// Who asks, and what it may touch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Whose grabs it sees.
    pub scope: Scope,
    /// Login name: owner of the grabs, categories and tags that it adds.
    pub login: String,
}

struct Session {
    identity: Identity,
    /// SHA-256 of the key that opened it.
    key: [u8; 32],
    used: Instant,
    progress: Progress,
}

/// The open sessions.
#[derive(Default)]
pub struct Sessions {
    open: HashMap<String, Session>,
}

impl Sessions {
    /// Opens a session; the result is its id: 32 hex digits, for some clients cannot carry more than
    /// letters and digits.
    pub fn open(&mut self, identity: Identity, key: [u8; 32], now: Instant) -> String {
        self.expire(now);
        if self.open.len() >= MAX_SESSIONS {
            let oldest = self
                .open
                .iter()
                .min_by_key(|(_, session)| session.used)
                .map(|(id, _)| id.clone());
            if let Some(oldest) = oldest {
                self.open.remove(&oldest);
            }
        }
        let id = random_hex::<16>();
        let session = Session {
            identity,
            key,
            used: now,
            progress: Progress::default(),
        };
        self.open.insert(id.clone(), session);
        id
    }

    /// Who is behind this id, and the digest of the key that opened it; counts as a use.
    pub fn identify(&mut self, id: &str, now: Instant) -> Option<(Identity, [u8; 32])> {
        let session = self.open.get_mut(id)?;
        if now.saturating_duration_since(session.used) >= SESSION_LIFETIME {
            self.open.remove(id);
            return None;
        }
        session.used = now;
        Some((session.identity.clone(), session.key))
    }

    /// Ends a session.
    pub fn close(&mut self, id: &str) {
        self.open.remove(id);
    }

    /// How far this session has come with `sync/maindata`.
    pub fn progress(&mut self, id: &str) -> Option<&mut Progress> {
        self.open.get_mut(id).map(|session| &mut session.progress)
    }

    fn expire(&mut self, now: Instant) {
        self.open
            .retain(|_, session| now.saturating_duration_since(session.used) < SESSION_LIFETIME);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: [u8; 32] = [7; 32];

    fn identity(login: &str) -> Identity {
        Identity {
            scope: Scope::Arr(login.into()),
            login: login.into(),
        }
    }

    #[test]
    fn a_session_slides_and_ends() {
        let start = Instant::now();
        let mut sessions = Sessions::default();
        let id = sessions.open(identity("a"), KEY, start);
        assert_eq!(id.len(), 32);
        assert!(id.bytes().all(|b| b.is_ascii_alphanumeric()));
        let almost = SESSION_LIFETIME - Duration::from_secs(1);
        let mut now = start;
        for _ in 0..3 {
            now += almost;
            assert_eq!(sessions.identify(&id, now), Some((identity("a"), KEY)));
        }
        now += SESSION_LIFETIME;
        assert_eq!(sessions.identify(&id, now), None);
        assert_eq!(sessions.identify("", now), None);
    }

    #[test]
    fn logout_ends_one_session_only() {
        let now = Instant::now();
        let mut sessions = Sessions::default();
        let first = sessions.open(identity("a"), KEY, now);
        let second = sessions.open(identity("a"), KEY, now);
        assert_ne!(first, second);
        sessions.close(&first);
        assert_eq!(sessions.identify(&first, now), None);
        assert!(sessions.identify(&second, now).is_some());
    }

    #[test]
    fn the_longest_unused_session_makes_room() {
        let start = Instant::now();
        let mut sessions = Sessions::default();
        let ids: Vec<String> = (0..MAX_SESSIONS as u64)
            .map(|n| sessions.open(identity("a"), KEY, start + Duration::from_secs(n)))
            .collect();
        let now = start + Duration::from_secs(300);
        assert!(sessions.identify(&ids[0], now).is_some());
        sessions.open(identity("b"), KEY, now);
        assert_eq!(sessions.open.len(), MAX_SESSIONS);
        assert!(sessions.identify(&ids[0], now).is_some());
        assert!(sessions.identify(&ids[1], now).is_none());
    }
}
