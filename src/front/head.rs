//! Vetting of request heads: bytes from a stranger in, a request that is safe to hand to tiny_http
//! out, or a refusal.
//!
//! [`Scanner`] finds the end of a head as it arrives and stops at the first byte that no plain
//! HTTP/1 head has (bare LF or CR, NUL, other control characters); [`vet`] then parses it
//! (httparse) and applies RFC 9112: version, method and target here, the header fields in `fields`.
//! What comes out is rewritten: hop-by-hop and internal headers are gone, bytes beyond ASCII are
//! percent-encoded in the target and `?` elsewhere (tiny_http drops a connection over them). Pure;
//! any bytes give a head or a refusal.

use super::fields::{Facts, Framing, is_stripped};
use super::limits::{MAX_BLANK_LINES, MAX_HEAD, MAX_HEADERS, MAX_TARGET};
use crate::http::percent;

/// Why a request is not answered by a handler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Status code.
    pub status: u16,
    /// What the client is told.
    pub message: &'static str,
}

impl Refusal {
    /// A refusal.
    pub const fn new(status: u16, message: &'static str) -> Refusal {
        Refusal { status, message }
    }
}

/// Finds the end of a head, byte by byte, never looking at one twice.
#[derive(Debug, Default)]
pub struct Scanner {
    seen: usize,
    line_start: usize,
    has_content: bool,
    blank_lines: usize,
}

impl Scanner {
    /// Looks at what has arrived so far (from the start of the head). `Some(length)` once the head
    /// is complete, empty line included.
    pub fn scan(&mut self, bytes: &[u8]) -> Result<Option<usize>, Refusal> {
        const CONTROL: Refusal = Refusal::new(400, "control character in the request head");
        while let Some(&byte) = bytes.get(self.seen) {
            match byte {
                b'\r' => match bytes.get(self.seen + 1) {
                    None => break,
                    Some(b'\n') => {
                        let is_blank = self.seen == self.line_start;
                        self.seen += 2;
                        self.line_start = self.seen;
                        if !is_blank {
                            self.has_content = true;
                        } else if self.has_content {
                            return within_limit(self.seen).map(Some);
                        } else {
                            self.blank_lines += 1;
                            if self.blank_lines > MAX_BLANK_LINES {
                                return Err(Refusal::new(400, "empty lines instead of a request"));
                            }
                        }
                        continue;
                    }
                    Some(_) => return Err(Refusal::new(400, "bare CR in the request head")),
                },
                b'\n' => return Err(Refusal::new(400, "bare LF in the request head")),
                b'\t' => {}
                0..=31 | 127 => return Err(CONTROL),
                _ => {}
            }
            self.seen += 1;
            if !self.has_content && self.seen - self.line_start > MAX_TARGET + 64 {
                return Err(Refusal::new(414, "request target too long"));
            }
        }
        within_limit(bytes.len()).map(|_| None)
    }
}

fn within_limit(length: usize) -> Result<usize, Refusal> {
    if length > MAX_HEAD {
        Err(Refusal::new(431, "request head too large"))
    } else {
        Ok(length)
    }
}

/// A vetted request head.
#[derive(Debug, PartialEq, Eq)]
pub struct Head {
    /// Request line and headers for tiny_http, line ends included; length, connection and internal
    /// headers are still to be added.
    pub inner: Vec<u8>,
    /// Whether the answer has no body.
    pub is_head: bool,
    /// Whether the client speaks 1.1 (else 1.0).
    pub is_http11: bool,
    /// Whether the client wants the connection kept.
    pub is_keep_alive: bool,
    /// Whether the client waits for `100 Continue`.
    pub expects_continue: bool,
    /// The body.
    pub framing: Framing,
    /// Its largest permitted length.
    pub body_limit: u64,
}

/// Vets a complete head. `body_limit` gives the limit of a method and raw path.
pub fn vet(bytes: &[u8], body_limit: fn(&str, &str) -> u64) -> Result<Head, Refusal> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut request = httparse::Request::new(&mut headers);
    match request.parse(bytes) {
        Ok(httparse::Status::Complete(_)) => {}
        Ok(httparse::Status::Partial) => return Err(Refusal::new(400, "incomplete request head")),
        Err(error) => return Err(refusal_for(error, bytes)),
    }
    let (Some(method), Some(target), Some(version)) =
        (request.method, request.path, request.version)
    else {
        return Err(Refusal::new(400, "malformed request line"));
    };
    if method == "CONNECT" {
        return Err(Refusal::new(501, "CONNECT is not supported"));
    }
    let is_http11 = version == 1;
    let facts = Facts::gather(request.headers, is_http11)?;
    let (target, authority) = origin_form(method, target)?;
    let path = target.split('?').next().unwrap_or_default();
    let body_limit = body_limit(method, path);
    if let Framing::Length(length) = facts.framing
        && length > body_limit
    {
        return Err(Refusal::new(413, "request body too large"));
    }

    let mut inner = Vec::with_capacity(bytes.len() + 256);
    inner.extend_from_slice(method.as_bytes());
    inner.push(b' ');
    push_target(&mut inner, target);
    inner.extend_from_slice(b" HTTP/1.1\r\n");
    if let Some(authority) = authority {
        inner.extend_from_slice(b"Host: ");
        inner.extend_from_slice(authority.as_bytes());
        inner.extend_from_slice(b"\r\n");
    }
    for header in request.headers.iter() {
        let is_replaced = authority.is_some() && header.name.eq_ignore_ascii_case("host");
        if !is_replaced && !is_stripped(header.name, request.headers) {
            inner.extend_from_slice(header.name.as_bytes());
            inner.extend_from_slice(b": ");
            inner.extend(header.value.iter().map(|byte| match byte {
                b'\t' => b' ',
                0x80.. => b'?',
                byte => *byte,
            }));
            inner.extend_from_slice(b"\r\n");
        }
    }
    Ok(Head {
        inner,
        is_head: method == "HEAD",
        is_http11,
        is_keep_alive: facts.is_keep_alive,
        expects_continue: facts.expects_continue,
        framing: facts.framing,
        body_limit,
    })
}

fn refusal_for(error: httparse::Error, bytes: &[u8]) -> Refusal {
    match error {
        httparse::Error::TooManyHeaders => Refusal::new(431, "too many request headers"),
        httparse::Error::Version if has_http_version(bytes) => {
            Refusal::new(505, "only HTTP/1.0 and HTTP/1.1 are supported")
        }
        httparse::Error::Version | httparse::Error::NewLine | httparse::Error::Token => {
            Refusal::new(400, "malformed request line")
        }
        _ => Refusal::new(400, "malformed request header"),
    }
}

/// Whether the request line ends in something like `HTTP/2.0`: then it is the version that we do
/// not speak, and not nonsense.
fn has_http_version(bytes: &[u8]) -> bool {
    let line = bytes
        .split(|byte| *byte == b'\r' || *byte == b'\n')
        .find(|line| !line.is_empty())
        .unwrap_or_default();
    let mut words = line.split(|byte| *byte == b' ');
    let (_method, _target) = (words.next(), words.next());
    let version = words.next().unwrap_or_default();
    words.next().is_none()
        && matches!(
            version,
            [b'H', b'T', b'T', b'P', b'/', b'0'..=b'9', b'.', b'0'..=b'9']
        )
}

/// Path and query, and the authority where the target is a whole URL (RFC 9112 §3.2.2).
fn origin_form<'a>(method: &str, target: &'a str) -> Result<(&'a str, Option<&'a str>), Refusal> {
    if target.len() > MAX_TARGET {
        return Err(Refusal::new(414, "request target too long"));
    }
    if target.starts_with('/') || (target == "*" && method == "OPTIONS") {
        return Ok((target, None));
    }
    let malformed = Refusal::new(400, "malformed request target");
    let (scheme, rest) = target.split_once("://").ok_or(malformed)?;
    let is_known = scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https");
    let at = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(at);
    let is_plain = |byte: u8| byte.is_ascii_graphic() && !b"@#\\,".contains(&byte);
    if !is_known || authority.is_empty() || !authority.bytes().all(is_plain) {
        return Err(malformed);
    }
    match path {
        "" => Ok(("/", Some(authority))),
        path if path.starts_with('/') => Ok((path, Some(authority))),
        _ => Err(malformed),
    }
}

fn push_target(inner: &mut Vec<u8>, target: &str) {
    if target.is_ascii() {
        inner.extend_from_slice(target.as_bytes());
        return;
    }
    let mut encoded = String::with_capacity(target.len() * 2);
    for byte in target.bytes() {
        if byte.is_ascii() {
            encoded.push(char::from(byte));
        } else {
            percent::push_escape(&mut encoded, byte);
        }
    }
    inner.extend_from_slice(encoded.as_bytes());
}

#[cfg(test)]
#[path = "head_tests.rs"]
mod tests;
