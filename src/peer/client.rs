//! The client that calls a friend: handshake, search, item, file.

use std::fmt;
use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use crate::config;
use crate::release::Release;

/// Why a friend did not give what was asked. `Display` names the friend and the endpoint.
#[derive(Clone, Debug)]
pub enum PeerError {
    /// No connection, reset, timeout: may pass.
    Unreachable(String),
    /// Answered with an HTTP error status.
    Status {
        /// The status.
        status: u16,
        /// `Retry-After`, as a wait from now.
        retry_after: Option<Duration>,
        /// Friend and endpoint.
        what: String,
    },
    /// Answered, but not with what the protocol says.
    Protocol(String),
    /// Its version is missing, malformed or too old.
    Version(String),
    /// We stopped it.
    Cancelled,
}

impl fmt::Display for PeerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PeerError::Unreachable(what) | PeerError::Protocol(what) | PeerError::Version(what) => {
                f.write_str(what)
            }
            PeerError::Status { status, what, .. } => write!(f, "{what}: HTTP status {status}"),
            PeerError::Cancelled => f.write_str("cancelled"),
        }
    }
}

impl std::error::Error for PeerError {}

/// What a handshake said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handshake {
    /// The friend's own name.
    pub name: String,
    /// MAJOR, MINOR, PATCH.
    pub version: (u64, u64, u64),
    /// `capabilities` that a jackdaw announces; empty for jack.
    pub capabilities: Vec<String>,
}

/// Ids of one live search: the protocol takes one id a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeerQuery {
    /// The whole catalogue.
    Everything,
    /// By TMDb id.
    Tmdb(u64),
    /// By IMDb number.
    Imdb(u64),
    /// By TheTVDB id, perhaps season, perhaps episode.
    Tvdb(u64, Option<u32>, Option<u32>),
}

/// Result of a conditional [`PeerClient::search`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SearchOutcome {
    /// All items were passed to the sink; the answer's ETag, if any.
    Complete {
        /// ETag to send next time.
        etag: Option<String>,
    },
    /// 304: nothing changed since the ETag that was sent.
    NotModified,
}

/// An answer to a file request: status and headers judged by the caller (`downloads`).
pub struct FileAnswer {
    /// 200, 206 or 416; other statuses are a [`PeerError::Status`].
    pub status: u16,
    /// `Content-Length`.
    pub content_length: Option<u64>,
    /// `Content-Range`, raw.
    pub content_range: Option<String>,
    /// `Content-Type`, raw.
    pub content_type: Option<String>,
    /// `ETag`, raw (strong ones only are usable in If-Range).
    pub etag: Option<String>,
    /// `Last-Modified`, raw.
    pub last_modified: Option<String>,
    /// The bytes. Each read waits at most the idle timeout (`ErrorKind::TimedOut`), and ends
    /// within a second of cancelling (`ErrorKind::Interrupted` is never used for that: `Other`).
    pub body: Box<dyn Read + Send>,
}

/// A request for (the rest of) a file.
#[derive(Clone, Debug, Default)]
pub struct FileRequest {
    /// First byte wanted; 0 = no `Range` header.
    pub offset: u64,
    /// Last byte wanted, inclusive, for sampling; `None` = to the end. Sent only with a Range.
    pub last: Option<u64>,
    /// `If-Range`, sent with a Range only.
    pub if_range: Option<String>,
    /// Longest wait on the network without a byte.
    pub idle_timeout: Duration,
}

/// One friend.
pub struct PeerClient {
    #[allow(dead_code)]
    config: config::Peer,
    id: String,
}

impl PeerClient {
    /// A client for a configured friend. No connection is made.
    pub fn new(_config: config::Peer) -> PeerClient {
        todo!()
    }

    /// 8 hex digits derived from the friend's URL: names the friend in stubs.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The configured name.
    pub fn name(&self) -> &str {
        &self.config.name
    }

    /// `GET /handshake` with the version check (>= 0.1.0).
    pub fn handshake(&self, _timeout: Duration) -> Result<Handshake, PeerError> {
        todo!()
    }

    /// `GET /peer/search`, item by item into `sink`, filtered defensively (only items that really
    /// have the id asked for, and that are sound: size, names). `timeout` is for the whole call.
    pub fn search(
        &self,
        _query: PeerQuery,
        _etag: Option<&str>,
        _timeout: Duration,
        _sink: &mut dyn FnMut(Release),
    ) -> Result<SearchOutcome, PeerError> {
        todo!()
    }

    /// `GET /peer/items/{id}`; `Ok(None)` is the friend's 404.
    pub fn item(&self, _id: &str, _timeout: Duration) -> Result<Option<Release>, PeerError> {
        todo!()
    }

    /// `GET /peer/items/{id}/file`. Setting `cancel` ends any wait within a second.
    pub fn file(
        &self,
        _id: &str,
        _request: &FileRequest,
        _cancel: Arc<AtomicBool>,
    ) -> Result<FileAnswer, PeerError> {
        todo!()
    }
}
