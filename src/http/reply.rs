//! Writes a [`Response`](super::Response) as the bytes of an answer.
//!
//! Two users: the workers, which write answers for the front, and the front, which writes heads of
//! parked answers for the client. Between the two, the line after the status line says what
//! follows: [`MARK`] and `inline N` (N bytes, then the end), `parked` (it is in the slot) or
//! `stream` (chunks). `Date`, `Connection` and the empty line are the front's to add. Header names
//! that are no tokens and values with control characters are dropped and logged, never sent.

use std::io::{self, Write};

use super::response::BodyWriter;

/// The internal answer header, with its separator.
pub const MARK: &str = "X-Jackdaw-Answer: ";
/// Internal request header: the slot of this request.
pub const TICKET: &str = "X-Jackdaw-Ticket";
/// Internal request header: the client's address.
pub const REMOTE: &str = "X-Jackdaw-Remote";
/// Every internal header begins so; none from outside is let in or out.
pub const INTERNAL_PREFIX: &str = "x-jackdaw-";

/// Largest answer that travels through the inner socket in one piece: fits an empty socket buffer
/// (about 200 KiB) with room to spare, so that no worker waits, and the front holds it while the
/// client reads.
pub const MAX_INLINE: usize = 16 * 1024;
/// Largest answer head. Ours have a dozen short headers; a `Location` or `Content-Disposition`
/// could reach a few KiB.
pub const MAX_ANSWER_HEAD: usize = 16 * 1024;
/// What a [`BodyWriter`] collects before a chunk is sent.
const CHUNK: usize = 16 * 1024;

/// What the head says of the body's length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// `Content-Length`.
    Known(u64),
    /// `Transfer-Encoding: chunked`.
    Chunked,
    /// Neither: HEAD of something of unknown length, 204, 304, HTTP/1.0 streams.
    Unsaid,
}

/// Whether a status never has a body (RFC 9110 §6.4.1).
pub fn is_bodiless(status: u16) -> bool {
    matches!(status, 100..=199 | 204 | 304)
}

/// Appends the status line.
pub fn push_status(out: &mut Vec<u8>, status: u16) {
    let reason = tiny_http::StatusCode(status).default_reason_phrase();
    out.extend_from_slice(format!("HTTP/1.1 {status} {reason}\r\n").as_bytes());
}

/// Appends a handler's headers, but those that only the way out may set.
pub fn push_headers(out: &mut Vec<u8>, headers: &[(String, String)]) {
    for (name, value) in headers {
        if !is_token(name)
            || value
                .bytes()
                .any(|byte| byte < b' ' && byte != b'\t' || byte == 127)
        {
            log::error!(
                "an answer header was dropped, for it holds control characters: {}",
                name.escape_default()
            );
        } else if !is_ours(name) {
            out.extend_from_slice(name.as_bytes());
            out.extend_from_slice(b": ");
            out.extend_from_slice(value.as_bytes());
            out.extend_from_slice(b"\r\n");
        }
    }
}

/// Appends the length.
pub fn push_length(out: &mut Vec<u8>, length: Length) {
    match length {
        Length::Known(bytes) => {
            out.extend_from_slice(format!("Content-Length: {bytes}\r\n").as_bytes());
        }
        Length::Chunked => out.extend_from_slice(b"Transfer-Encoding: chunked\r\n"),
        Length::Unsaid => {}
    }
}

/// RFC 9110 §5.6.2.
pub fn is_token(name: &str) -> bool {
    let is_tchar = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !name.is_empty() && name.bytes().all(is_tchar)
}

/// Headers that the way out sets by itself.
fn is_ours(name: &str) -> bool {
    const OURS: [&str; 6] = [
        "content-length",
        "transfer-encoding",
        "connection",
        "keep-alive",
        "upgrade",
        "date",
    ];
    OURS.iter().any(|ours| name.eq_ignore_ascii_case(ours))
        || name
            .get(..INTERNAL_PREFIX.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(INTERNAL_PREFIX))
}

/// How [`write_stream`] ended.
#[derive(Debug)]
pub enum Streamed {
    /// All of it is written.
    Whole,
    /// The body writer failed before anything was sent: another answer is still possible.
    NothingSent(io::Error),
    /// Cut in the middle; the missing last chunk tells the front.
    Cut(io::Error),
}

/// Runs a body writer into `out`. What fits one chunk is sent with its length, else in chunks;
/// `status_and_headers` is sent when the first chunk is full or the body is complete.
pub fn write_stream(
    out: &mut dyn Write,
    status: u16,
    headers: &[(String, String)],
    body: BodyWriter,
) -> Streamed {
    let mut chunks = Chunks {
        out,
        status,
        headers,
        has_begun: false,
        pending: Vec::new(),
    };
    match body(&mut chunks).and_then(|()| chunks.finish()) {
        Ok(()) => Streamed::Whole,
        Err(error) if !chunks.has_begun => Streamed::NothingSent(error),
        Err(error) => Streamed::Cut(error),
    }
}

struct Chunks<'a> {
    out: &'a mut dyn Write,
    status: u16,
    headers: &'a [(String, String)],
    has_begun: bool,
    pending: Vec<u8>,
}

impl Chunks<'_> {
    fn send(&mut self) -> io::Result<()> {
        let mut wire = Vec::with_capacity(self.pending.len() + 64);
        if !self.has_begun {
            self.has_begun = true;
            push_status(&mut wire, self.status);
            wire.extend_from_slice(format!("{MARK}stream\r\n").as_bytes());
            push_headers(&mut wire, self.headers);
            wire.extend_from_slice(b"\r\n");
        }
        if !self.pending.is_empty() {
            wire.extend_from_slice(format!("{:x}\r\n", self.pending.len()).as_bytes());
            wire.append(&mut self.pending);
            wire.extend_from_slice(b"\r\n");
        }
        self.out.write_all(&wire)
    }

    fn finish(&mut self) -> io::Result<()> {
        if self.has_begun {
            self.send()?;
            self.out.write_all(b"0\r\n\r\n")?;
        } else {
            self.has_begun = true;
            let wire = inline(self.status, self.headers, &self.pending, Sent::Body);
            self.out.write_all(&wire)?;
        }
        self.out.flush()
    }
}

impl Write for Chunks<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = CHUNK - self.pending.len();
        let taken = &bytes[..bytes.len().min(room)];
        self.pending.extend_from_slice(taken);
        if self.pending.len() == CHUNK {
            self.send()?;
        }
        Ok(taken.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.pending.is_empty() {
            return Ok(());
        }
        self.send()?;
        self.out.flush()
    }
}

/// Whether the body itself follows the head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// It does.
    Body,
    /// Only the head, as for HEAD, with the length the body would have.
    HeadOnly,
}

/// A whole answer for the front: marked head and body.
pub fn inline(status: u16, headers: &[(String, String)], body: &[u8], sent: Sent) -> Vec<u8> {
    let length = if is_bodiless(status) {
        Length::Unsaid
    } else {
        Length::Known(body.len() as u64)
    };
    let body = match (sent, length) {
        (Sent::Body, Length::Known(_)) => body,
        _ => b"",
    };
    let mut wire = inline_head(status, headers, body.len(), length);
    wire.extend_from_slice(body);
    wire
}

/// The marked head of an answer, empty line included. A head beyond [`MAX_ANSWER_HEAD`] becomes a
/// bare 500.
pub fn inline_head(
    status: u16,
    headers: &[(String, String)],
    following: usize,
    length: Length,
) -> Vec<u8> {
    let mut wire = Vec::with_capacity(256 + following);
    push_status(&mut wire, status);
    wire.extend_from_slice(format!("{MARK}inline {following}\r\n").as_bytes());
    push_headers(&mut wire, headers);
    push_length(&mut wire, length);
    if wire.len() > MAX_ANSWER_HEAD && !headers.is_empty() {
        log::error!(
            "an answer head of {} bytes was replaced by status 500",
            wire.len()
        );
        return inline_head(500, &[], 0, Length::Known(0));
    }
    wire.extend_from_slice(b"\r\n");
    wire
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn inline_bytes() {
        let wire = inline(404, &headers(&[("Content-Type", "a/b")]), b"xy", Sent::Body);
        let expected = "HTTP/1.1 404 Not Found\r\nX-Jackdaw-Answer: inline 2\r\n\
                        Content-Type: a/b\r\nContent-Length: 2\r\n\r\nxy";
        assert_eq!(String::from_utf8(wire).unwrap(), expected);
        let wire = inline(200, &[], b"xy", Sent::HeadOnly);
        let expected = "HTTP/1.1 200 OK\r\nX-Jackdaw-Answer: inline 0\r\nContent-Length: 2\r\n\r\n";
        assert_eq!(String::from_utf8(wire).unwrap(), expected);
        let wire = inline(304, &[], b"xy", Sent::Body);
        let expected = "HTTP/1.1 304 Not Modified\r\nX-Jackdaw-Answer: inline 0\r\n\r\n";
        assert_eq!(String::from_utf8(wire).unwrap(), expected);
    }

    #[test]
    fn headers_cannot_inject() {
        let mut out = Vec::new();
        let given = headers(&[
            ("A", "x\r\nEvil: 1"),
            ("B", "x\ny"),
            ("C", "x\0"),
            ("D E", "x"),
            ("", "x"),
            ("F:", "x"),
            ("content-length", "5"),
            ("Connection", "close"),
            ("X-Jackdaw-Answer", "parked"),
            ("Good", "tab\tand é"),
        ]);
        push_headers(&mut out, &given);
        assert_eq!(String::from_utf8(out).unwrap(), "Good: tab\tand é\r\n");
    }

    #[test]
    fn huge_head_is_an_error() {
        let given = headers(&[("A", "x".repeat(MAX_ANSWER_HEAD).as_str())]);
        let wire = inline(200, &given, b"", Sent::Body);
        assert!(wire.starts_with(b"HTTP/1.1 500 "));
    }

    fn streamed(body: BodyWriter) -> (Vec<u8>, Streamed) {
        let mut wire = Vec::new();
        let end = write_stream(&mut wire, 200, &[], body);
        (wire, end)
    }

    #[test]
    fn short_stream_has_a_length() {
        let (wire, end) = streamed(Box::new(|out| out.write_all(b"abc")));
        let expected =
            "HTTP/1.1 200 OK\r\nX-Jackdaw-Answer: inline 3\r\nContent-Length: 3\r\n\r\nabc";
        assert_eq!(String::from_utf8(wire).unwrap(), expected);
        assert!(matches!(end, Streamed::Whole));
    }

    #[test]
    fn long_stream_is_chunked() {
        let (wire, _) = streamed(Box::new(|out| {
            out.write_all(&vec![b'a'; CHUNK])?;
            out.write_all(b"bc")
        }));
        let text = String::from_utf8(wire).unwrap();
        let head = "HTTP/1.1 200 OK\r\nX-Jackdaw-Answer: stream\r\n\r\n4000\r\na";
        assert!(text.starts_with(head));
        assert!(text.ends_with("a\r\n2\r\nbc\r\n0\r\n\r\n"));
    }

    #[test]
    fn failed_stream_is_not_finished() {
        let failure = || io::Error::other("database is gone");
        let (wire, end) = streamed(Box::new(move |out| {
            out.write_all(b"abc")?;
            Err(failure())
        }));
        assert!(wire.is_empty());
        assert!(matches!(end, Streamed::NothingSent(_)));
        let (wire, end) = streamed(Box::new(move |out| {
            out.write_all(b"abc")?;
            out.flush()?;
            Err(failure())
        }));
        assert!(wire.ends_with(b"3\r\nabc\r\n"));
        assert!(matches!(end, Streamed::Cut(_)));
    }
}
