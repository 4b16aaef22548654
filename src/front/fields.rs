//! What the header fields of a request say to the front: where the body ends, whether the connection
//! stays, and which of them go no further.
//!
//! Parsed fields in, facts or a refusal out. Two programs that find another end of one body read
//! different requests (smuggling), so RFC 9112 §6.3 is taken strictly: one Content-Length of digits,
//! or the one coding `chunked` in HTTP/1.1, never both. One Host at most, which HTTP/1.1 must have and
//! which is a plain authority. Pure; tested through `head::vet` in head_tests.rs.

use super::head::Refusal;
use crate::http::reply::{INTERNAL_PREFIX, is_token};

/// How the body is delimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// This many bytes follow.
    Length(u64),
    /// Chunks follow.
    Chunked,
}

/// What the headers say about the connection and the body.
pub struct Facts {
    /// The body.
    pub framing: Framing,
    /// Whether the client wants the connection kept.
    pub is_keep_alive: bool,
    /// Whether the client waits for `100 Continue`.
    pub expects_continue: bool,
}

impl Facts {
    /// Reads all fields of a head; refuses those that leave a doubt.
    pub fn gather(headers: &[httparse::Header<'_>], is_http11: bool) -> Result<Facts, Refusal> {
        let mut length: Option<u64> = None;
        let mut is_chunked = false;
        let mut hosts = 0;
        let mut expects_continue = false;
        let (mut has_close, mut has_keep_alive) = (false, false);
        for header in headers {
            let name = header.name;
            if name.eq_ignore_ascii_case("content-length") {
                if length.is_some() {
                    return Err(Refusal::new(400, "several Content-Length headers"));
                }
                length = Some(content_length(header.value)?);
            } else if name.eq_ignore_ascii_case("transfer-encoding") {
                if is_chunked {
                    return Err(Refusal::new(400, "several Transfer-Encoding headers"));
                }
                if !header.value.eq_ignore_ascii_case(b"chunked") {
                    return Err(Refusal::new(
                        501,
                        "only the transfer coding chunked is supported",
                    ));
                }
                is_chunked = true;
            } else if name.eq_ignore_ascii_case("host") {
                hosts += 1;
                let is_odd = |byte: &u8| !(0x21..0x7f).contains(byte) || b"/@?#,\\".contains(byte);
                if header.value.iter().any(is_odd) {
                    return Err(Refusal::new(400, "malformed Host header"));
                }
            } else if name.eq_ignore_ascii_case("expect") {
                if !header.value.eq_ignore_ascii_case(b"100-continue") {
                    return Err(Refusal::new(417, "only Expect: 100-continue is supported"));
                }
                expects_continue = is_http11;
            } else if name.eq_ignore_ascii_case("connection") {
                has_close |= has_element(header.value, "close");
                has_keep_alive |= has_element(header.value, "keep-alive");
            }
        }
        if hosts > 1 || (hosts == 0 && is_http11) {
            return Err(Refusal::new(400, "exactly one Host header is needed"));
        }
        if is_chunked && length.is_some() {
            return Err(Refusal::new(
                400,
                "both Content-Length and Transfer-Encoding",
            ));
        }
        if is_chunked && !is_http11 {
            return Err(Refusal::new(400, "Transfer-Encoding in HTTP/1.0"));
        }
        Ok(Facts {
            framing: if is_chunked {
                Framing::Chunked
            } else {
                Framing::Length(length.unwrap_or(0))
            },
            is_keep_alive: !has_close && (is_http11 || has_keep_alive),
            expects_continue,
        })
    }
}

/// Digits only. What has more than 64 bits is too large for any limit, not malformed.
fn content_length(value: &[u8]) -> Result<u64, Refusal> {
    let text = std::str::from_utf8(value).unwrap_or_default();
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Refusal::new(400, "malformed Content-Length"));
    }
    Ok(text.parse().unwrap_or(u64::MAX))
}

/// Headers that are not for tiny_http or the handlers: hop-by-hop ones, also those named by
/// `Connection`, our own internal ones, and those that are written anew.
pub fn is_stripped(name: &str, headers: &[httparse::Header<'_>]) -> bool {
    const STRIPPED: [&str; 10] = [
        "connection",
        "keep-alive",
        "proxy-connection",
        "proxy-authorization",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "expect",
        "content-length",
    ];
    STRIPPED
        .iter()
        .any(|known| name.eq_ignore_ascii_case(known))
        || name
            .get(..INTERNAL_PREFIX.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(INTERNAL_PREFIX))
        || !is_token(name)
        || (!name.eq_ignore_ascii_case("host")
            && headers
                .iter()
                .filter(|header| header.name.eq_ignore_ascii_case("connection"))
                .any(|header| has_element(header.value, name)))
}

/// Whether a comma-separated list holds `element`.
fn has_element(list: &[u8], element: &str) -> bool {
    list.split(|byte| *byte == b',')
        .any(|item| item.trim_ascii().eq_ignore_ascii_case(element.as_bytes()))
}
