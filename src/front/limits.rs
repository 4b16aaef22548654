//! Every limit and deadline of the front door, with its reason.

use std::time::Duration;

/// Request head, in bytes: twice what browsers with many cookies send, and what nginx and Apache
/// allow at least.
pub const MAX_HEAD: usize = 16 * 1024;
/// Request target, in bytes: a Torznab query has a few hundred; `hashes=` lists of 100 torrents
/// reach 4 KiB.
pub const MAX_TARGET: usize = 8 * 1024;
/// Header lines of one request.
pub const MAX_HEADERS: usize = 100;
/// Empty lines tolerated before a request line (RFC 9112 §2.2 asks for one).
pub const MAX_BLANK_LINES: usize = 4;

/// Request body in general: forms and small JSON.
pub const MAX_BODY: u64 = 64 * 1024;
/// Request body of `torrents/add`: several stubs, or foreign torrents that are to be refused by
/// name rather than by size.
pub const MAX_UPLOAD: u64 = 4 * 1024 * 1024;
/// Bytes of request bodies held at once over all connections.
pub const MAX_BODIES: u64 = 16 * 1024 * 1024;
/// What large bodies leave of [`MAX_BODIES`] to small ones, so that a few slow uploads do not keep
/// logins out.
pub const SMALL_BODY_RESERVE: u64 = 4 * 1024 * 1024;

/// Requests that are inside tiny_http at once. Twice the long threads, so that half remain for
/// short requests however many clients wait for long ones.
pub const MAX_INNER: usize = 64;
/// Descriptors of one such request: our end, and tiny_http's end twice.
const INNER_DESCRIPTORS: u64 = 3;
/// Descriptors of one connection: the socket, and a file being sent.
const CONNECTION_DESCRIPTORS: u64 = 2;
/// Descriptors kept back for the database, logs, friends, arrs and downloads.
const RESERVED_DESCRIPTORS: u64 = 40;

/// Stack of a connection thread: four times what every test in tests/front_door.rs gets by with in
/// an unoptimised build (buffers are on the heap). Only touched pages cost memory.
pub const CONNECTION_STACK: usize = 128 * 1024;
/// Connections the kernel queues for us while we are busy.
pub const BACKLOG: i32 = 1024;
/// Unsent bytes the kernel buffers for each connection: bounds kernel memory of a stalled reader
/// (4 MiB without it) at no measurable cost in speed.
pub const NOTSENT_LOWAT: u32 = 128 * 1024;
/// A connection whose request is still incomplete after this long may be closed in favour of a new
/// one when all places are taken.
pub const SLOW_ARRIVAL: Duration = Duration::from_secs(1);
/// Bytes of an unwanted body that are read and thrown away after a refusal, so that the client
/// gets to read the refusal rather than a reset.
pub const MAX_LINGER: u64 = 8 * 1024 * 1024;

/// How many of everything fit the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections at once.
    pub connections: usize,
    /// Requests inside tiny_http at once.
    pub inner: usize,
    /// Long handlers at once.
    pub long: usize,
}

impl Limits {
    /// Fits the wanted number of connections to a limit on open descriptors.
    pub fn fit(descriptors: u64, wanted_connections: usize) -> Limits {
        let inner = usize::try_from(descriptors / 16)
            .unwrap_or(MAX_INNER)
            .clamp(4, MAX_INNER);
        let taken = RESERVED_DESCRIPTORS + INNER_DESCRIPTORS * inner as u64;
        let room = descriptors.saturating_sub(taken) / CONNECTION_DESCRIPTORS;
        let room = usize::try_from(room).unwrap_or(usize::MAX);
        Limits {
            connections: wanted_connections.min(room).max(1),
            inner,
            long: (inner / 2).min(crate::http::workers::MAX_LONG),
        }
    }
}

/// Largest body of a request to this raw path.
pub fn body_limit(method: &str, path: &str) -> u64 {
    if method == "POST" && path.ends_with("/api/v2/torrents/add") {
        MAX_UPLOAD
    } else {
        MAX_BODY
    }
}

/// Every deadline; tests shorten them.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// A request head, from its first byte (on a new connection: from accept) to its last.
    pub head: Duration,
    /// An idle connection between two requests.
    pub idle: Duration,
    /// The same while more than half of the places are taken.
    pub crowded_idle: Duration,
    /// A request body has this long, and a second more for every [`Timeouts::body_rate`] bytes
    /// received.
    pub body_grace: Duration,
    /// Slowest upload, in bytes a second.
    pub body_rate: u64,
    /// A reader that takes no byte for this long is cut. Players pause longer; they come back with
    /// a range.
    pub stall: Duration,
    /// Longest single wait for room to send: a polling period within `stall`, after which a
    /// connection counts as stalled and may have to make room.
    pub send_poll: Duration,
    /// Longest wait for a handler's answer, and between two chunks of it.
    pub answer: Duration,
    /// Longest wait for a place inside tiny_http before 503.
    pub inner: Duration,
    /// How long an unwanted body is drained after a refusal.
    pub linger: Duration,
    /// How long short requests may take to finish when the server stops.
    pub stop_grace: Duration,
}

impl Default for Timeouts {
    fn default() -> Timeouts {
        Timeouts {
            head: Duration::from_secs(10),
            idle: Duration::from_secs(30),
            crowded_idle: Duration::from_secs(2),
            body_grace: Duration::from_secs(15),
            body_rate: 64 * 1024,
            stall: Duration::from_secs(120),
            send_poll: Duration::from_secs(5),
            // Sonarr and Radarr give up after 100 s.
            answer: Duration::from_secs(120),
            inner: Duration::from_secs(10),
            linger: Duration::from_secs(2),
            stop_grace: Duration::from_secs(2),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_fit_the_descriptors() {
        let check = |descriptors: u64, wanted: usize, connections: usize, inner: usize| {
            let limits = Limits::fit(descriptors, wanted);
            assert_eq!((limits.connections, limits.inner), (connections, inner));
            assert!(
                limits.long * 2 <= limits.inner,
                "half remains for short requests"
            );
            let used = limits.connections as u64 * 2 + limits.inner as u64 * 3;
            assert!(used <= descriptors || connections == 1, "{descriptors}");
        };
        check(1 << 20, 256, 256, 64);
        check(1024, 256, 256, 64);
        check(1024, 1000, 396, 64);
        check(128, 256, 32, 8);
        check(64, 256, 6, 4);
        check(10, 256, 1, 4);
        check(0, 0, 1, 4);
        check(u64::MAX, 100_000, 100_000, 64);
    }

    #[test]
    fn uploads_may_be_larger() {
        assert_eq!(body_limit("POST", "/api/v2/torrents/add"), MAX_UPLOAD);
        assert_eq!(body_limit("POST", "/jd/api/v2/torrents/add"), MAX_UPLOAD);
        assert_eq!(body_limit("GET", "/api/v2/torrents/add"), MAX_BODY);
        assert_eq!(body_limit("POST", "/api/v2/auth/login"), MAX_BODY);
    }
}
