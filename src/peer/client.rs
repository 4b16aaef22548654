//! The client that calls a friend: handshake, search, item, file.
//!
//! Works against jack and jackdaw alike (peer protocol 0.1.0). In: a configured friend; out:
//! releases one by one, and file bodies as readers. Every request carries the friend's key and its
//! extra headers, file requests included; no redirect is followed, so they go nowhere else. What a
//! friend says is not trusted: answers are bounded and checked byte by byte, items that were not
//! asked for or are unsound are left out, error texts are cut and escaped. Errors name the friend
//! and the endpoint, never the key. Waits are bounded in `transport`. Status codes and headers of
//! a file answer are handed on; `downloads` judges them.

use std::fmt;
use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, SystemTime};

use ureq::http::header;

use super::call::{Call, FileReader, WEB_PAGE, is_web_page, quote, text_header};
use super::transport::{Load, Watch};
use super::wire;
use crate::config;
use crate::http::percent;
use crate::json::{self, JsonError, Place};
use crate::release::{Release, imdb_number};
use crate::secret;

/// Oldest peer protocol that we can talk.
const MIN_VERSION: (u64, u64, u64) = (0, 1, 0);

/// Longest list that is read from a friend: 30,000 episodes with media info are some 150 MB.
const MAX_LIST: u64 = 512 << 20;

/// Longest answer to a handshake.
const MAX_HANDSHAKE: u64 = 64 * 1024;

/// How many capabilities of a friend are kept: we know of a handful.
const MAX_CAPABILITIES: usize = 32;

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
    /// Its own description of an item cannot be accepted (an unsafe file name, no size): asking
    /// again changes nothing.
    Unsound(String),
    /// Its version is missing, malformed or too old.
    Version(String),
    /// We stopped it.
    Cancelled,
}

impl fmt::Display for PeerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PeerError::Unreachable(what)
            | PeerError::Protocol(what)
            | PeerError::Unsound(what)
            | PeerError::Version(what) => f.write_str(what),
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
    /// `Date`, raw.
    pub date: Option<String>,
    /// The bytes. Each read waits at most the idle timeout (`ErrorKind::TimedOut`), and ends
    /// within a second of cancelling (`ErrorKind::Interrupted` is never used for that: `Other`).
    pub body: Box<dyn Read + Send>,
}

/// A request for (the rest of) a file.
#[derive(Clone, Debug, Default)]
pub struct FileRequest {
    /// First byte wanted; 0 without `last` = no `Range` header.
    pub offset: u64,
    /// Last byte wanted, inclusive, for sampling; `None` = to the end.
    pub last: Option<u64>,
    /// `If-Range`, sent with a Range only.
    pub if_range: Option<String>,
    /// Longest wait on the network without a byte.
    pub idle_timeout: Duration,
}

/// One friend.
pub struct PeerClient {
    config: config::Peer,
    id: String,
}

impl PeerClient {
    /// A client for a configured friend. No connection is made.
    pub fn new(config: config::Peer) -> PeerClient {
        let id = peer_id(&config.url);
        PeerClient { config, id }
    }

    /// 8 hex digits derived from the friend's URL: names the friend in stubs.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The configured name.
    pub fn name(&self) -> &str {
        &self.config.name
    }

    /// `GET /handshake` with the version check (>= 0.1.0). `timeout` is for the whole call.
    pub fn handshake(&self, timeout: Duration) -> Result<Handshake, PeerError> {
        self.handshake_and_date(timeout)
            .map(|(handshake, _)| handshake)
    }

    /// As [`PeerClient::handshake`], with the time of day that the friend's answer was given at
    /// its clock, if it says so (`Date`, in whole seconds).
    pub fn handshake_and_date(
        &self,
        timeout: Duration,
    ) -> Result<(Handshake, Option<SystemTime>), PeerError> {
        let call = self.call("/handshake");
        let mut answer = match call.get(Load::Call(timeout), &never(), timeout, &[]) {
            Err(PeerError::Status {
                status: 404, what, ..
            }) => {
                return Err(PeerError::Version(format!(
                    "{what}: not found: no jack or jackdaw answers there, or one that is too old"
                )));
            }
            other => other?,
        };
        let date = text_header(answer.headers(), header::DATE)
            .and_then(|date| httpdate::parse_http_date(&date).ok());
        let text = call.small_json(answer.body_mut(), MAX_HANDSHAKE)?;
        let mut name = None;
        let mut version = None;
        let mut capabilities = Vec::new();
        json::fields(&text, |key, raw| match key {
            "name" => name = json::as_string(raw).map(|name| quote(&name)),
            "version" => version = json::as_string(raw).map(|version| version.into_owned()),
            "capabilities" => {
                json::elements(raw, |raw| {
                    if capabilities.len() < MAX_CAPABILITIES {
                        capabilities.extend(json::as_string(raw).map(|word| quote(&word)));
                    }
                });
            }
            _ => {}
        });
        let shown = version.as_deref().map(quote).unwrap_or_default();
        let version = version.as_deref().and_then(parse_version).ok_or_else(|| {
            PeerError::Version(format!(
                "{}: the version \"{shown}\" is not of the form MAJOR.MINOR.PATCH",
                call.what
            ))
        })?;
        if version < MIN_VERSION {
            return Err(PeerError::Version(format!(
                "{}: the friend speaks version {shown} of the peer protocol, we need 0.1.0 or \
                 newer: ask for an update",
                call.what
            )));
        }
        let handshake = Handshake {
            name: name.unwrap_or_else(|| self.config.name.clone()),
            version,
            capabilities,
        };
        Ok((handshake, date))
    }

    /// `GET /peer/search`, item by item into `sink`, filtered defensively (only items that really
    /// have the id asked for, and that are sound: size, names). `timeout` is for the whole call,
    /// the time spent in `sink` included. On an error the items given so far are sound, but the
    /// list is not complete.
    pub fn search(
        &self,
        query: PeerQuery,
        etag: Option<&str>,
        timeout: Duration,
        sink: &mut dyn FnMut(Release),
    ) -> Result<SearchOutcome, PeerError> {
        let call = self.call(&search_target(query));
        let condition = etag.map(|etag| (header::IF_NONE_MATCH, etag.to_owned()));
        let answer = call.get(Load::Call(timeout), &never(), timeout, condition.as_slice())?;
        if answer.status() == 304 {
            return if etag.is_some() {
                Ok(SearchOutcome::NotModified)
            } else {
                Err(call.protocol("answers 304 although nothing was asked on condition"))
            };
        }
        let etag = text_header(answer.headers(), header::ETAG);
        let page = is_web_page(answer.headers());
        let mut unsound = 0u64;
        let mut foreign = 0u64;
        let mut first = None;
        let result = json::read_items(
            answer.into_body().into_reader(),
            Place::Key("items"),
            MAX_LIST,
            |item| {
                match wire::read(item) {
                    Ok(release) if is_asked_for(&release, query) => sink(release),
                    Ok(_) => foreign += 1,
                    Err(reason) => {
                        unsound += 1;
                        first.get_or_insert(reason);
                    }
                }
                Ok::<(), JsonError>(())
            },
        );
        let count = result.map_err(|error| match (error, page) {
            (JsonError::Io(error), _) => call.io_error(error),
            (error, true) => call.protocol(&format!("{WEB_PAGE} ({error})")),
            (error, false) => call.protocol(&error.to_string()),
        })?;
        let skipped = unsound + count.skipped;
        if skipped > 0 {
            log::warn!(
                "{}: left out {skipped} of {} items; the first one {}",
                call.what,
                count.given + count.skipped,
                first.as_deref().unwrap_or("is too long or not UTF-8")
            );
        }
        if foreign > 0 {
            log::debug!("{}: left out {foreign} items not asked for", call.what);
        }
        Ok(SearchOutcome::Complete { etag })
    }

    /// `GET /peer/items/{id}`; `Ok(None)` is the friend's 404. `timeout` is for the whole call.
    pub fn item(&self, id: &str, timeout: Duration) -> Result<Option<Release>, PeerError> {
        self.item_unless(id, timeout, &never())
    }

    /// As [`PeerClient::item`]; setting `cancel` ends any wait within a second.
    pub fn item_unless(
        &self,
        id: &str,
        timeout: Duration,
        cancel: &Arc<AtomicBool>,
    ) -> Result<Option<Release>, PeerError> {
        let call = self.call(&format!("/peer/items/{}", percent::encode(id)));
        let mut answer = match call.get(Load::Call(timeout), cancel, timeout, &[]) {
            Err(PeerError::Status { status: 404, .. }) => return Ok(None),
            other => other?,
        };
        let text = call.small_json(answer.body_mut(), json::MAX_ITEM as u64)?;
        let release =
            wire::read(&text).map_err(|reason| call.unsound(&format!("the item {reason}")))?;
        if release.id != id {
            return Err(call.protocol("another item came than the one asked for"));
        }
        Ok(Some(release))
    }

    /// `GET /peer/items/{id}/file`. Setting `cancel` ends any wait within a second.
    pub fn file(
        &self,
        id: &str,
        request: &FileRequest,
        cancel: Arc<AtomicBool>,
    ) -> Result<FileAnswer, PeerError> {
        let call = self.call(&format!("/peer/items/{}/file", percent::encode(id)));
        let mut headers = Vec::new();
        if request.offset > 0 || request.last.is_some() {
            let last = request
                .last
                .map(|last| last.to_string())
                .unwrap_or_default();
            headers.push((header::RANGE, format!("bytes={}-{last}", request.offset)));
            if let Some(validator) = &request.if_range {
                headers.push((header::IF_RANGE, validator.clone()));
            }
        }
        let answer = call.get(Load::File, &cancel, request.idle_timeout, &headers)?;
        let status = answer.status().as_u16();
        if !matches!(status, 200 | 206 | 416) {
            return Err(call.protocol(&format!("HTTP status {status} was not expected")));
        }
        let headers = answer.headers();
        let content_length = match headers.contains_key(header::TRANSFER_ENCODING) {
            true => None,
            false => text_header(headers, header::CONTENT_LENGTH)
                .and_then(|length| length.trim().parse().ok()),
        };
        Ok(FileAnswer {
            status,
            content_length,
            content_range: text_header(headers, header::CONTENT_RANGE),
            content_type: text_header(headers, header::CONTENT_TYPE),
            etag: text_header(headers, header::ETAG),
            last_modified: text_header(headers, header::LAST_MODIFIED),
            date: text_header(headers, header::DATE),
            body: Box::new(FileReader {
                body: answer.into_body().into_reader(),
                watch: Watch::new(cancel, request.idle_timeout),
                call,
            }),
        })
    }

    fn call(&self, target: &str) -> Call {
        let path = target.split('?').next().unwrap_or_default();
        Call {
            what: format!("{}: {path}", self.config.name),
            url: format!("{}{target}", self.config.url.trim_end_matches('/')),
            key: self.config.api_key.clone(),
            headers: self.config.headers.clone(),
        }
    }
}

/// A flag that nobody sets.
fn never() -> Arc<AtomicBool> {
    Arc::default()
}

/// `MAJOR.MINOR.PATCH`, digits only.
fn parse_version(text: &str) -> Option<(u64, u64, u64)> {
    let mut parts = text.split('.').map(|part| {
        (!part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()))
            .then(|| part.parse().ok())
            .flatten()
    });
    let version = (parts.next()??, parts.next()??, parts.next()??);
    parts.next().is_none().then_some(version)
}

/// First 8 hex digits of the SHA-256 of the URL, in a form in which equal addresses are equal:
/// scheme and host in lower case, no default port, no slash at the end.
fn peer_id(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let scheme = scheme.to_ascii_lowercase();
    let (host, path) = match rest.find('/') {
        Some(at) => rest.split_at(at),
        None => (rest, ""),
    };
    let host = host.to_ascii_lowercase();
    let default_port = match scheme.as_str() {
        "https" => ":443",
        _ => ":80",
    };
    let host = host.strip_suffix(default_port).unwrap_or(&host);
    let normal = format!("{scheme}://{host}{}", path.trim_end_matches('/'));
    let mut id = secret::hex(&secret::digest(&normal));
    id.truncate(8);
    id
}

fn search_target(query: PeerQuery) -> String {
    match query {
        PeerQuery::Everything => "/peer/search".into(),
        PeerQuery::Tmdb(id) => format!("/peer/search?tmdbId={id}"),
        // With the prefix and seven digits at least, as Radarr stores it and jack compares it.
        PeerQuery::Imdb(id) => format!("/peer/search?imdbId=tt{id:07}"),
        PeerQuery::Tvdb(id, season, episode) => {
            let mut target = format!("/peer/search?tvdbId={id}");
            if let Some(season) = season {
                target.push_str(&format!("&season={season}"));
            }
            if let Some(episode) = episode {
                target.push_str(&format!("&episode={episode}"));
            }
            target
        }
    }
}

/// Friends are not trusted to have filtered.
fn is_asked_for(release: &Release, query: PeerQuery) -> bool {
    match query {
        PeerQuery::Everything => true,
        PeerQuery::Tmdb(id) => release.tmdb_id == Some(id),
        PeerQuery::Imdb(id) => release.imdb_id.as_deref().and_then(imdb_number) == Some(id),
        PeerQuery::Tvdb(id, season, episode) => {
            release.tvdb_id == Some(id)
                && (season.is_none() || release.season == season)
                && (episode.is_none() || release.episode == episode)
        }
    }
}

#[cfg(test)]
mod tests;
