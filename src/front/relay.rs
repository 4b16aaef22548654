//! One request through tiny_http: sent over a fresh inner connection, its answer brought back.
//!
//! The answer comes in one of three forms (see [`crate::http::reply`]): whole and small, parked in
//! the slot, or as a stream of chunks. The first two have left tiny_http entirely when this
//! returns, so that a slow client holds no place inside. Every wait is bounded.

use std::io::{self, ErrorKind, Read, Write};
use std::net::IpAddr;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use super::Shared;
use super::head::{Head, Refusal};
use crate::budget::Pass;
use crate::http::reply::{MARK, MAX_ANSWER_HEAD, MAX_INLINE, REMOTE, TICKET};
use crate::http::slots::Parked;

/// First size of the buffer for an answer: most fit.
const FIRST_READ: usize = 2 * 1024;
/// A body up to this size is sent in one write with the head.
const JOINED_BODY: usize = 64 * 1024;

/// An answer.
pub enum Answer {
    /// Small: status line and headers (line ends included, without the empty line), body.
    Whole {
        /// Status line.
        head: Vec<u8>,
        /// Body.
        body: Vec<u8>,
    },
    /// Left in the slot by the handler.
    Parked(Parked),
    /// To be read chunk by chunk.
    Stream(Stream),
}

/// A streamed answer.
pub struct Stream {
    /// Status line and headers.
    pub head: Vec<u8>,
    /// Chunks that have arrived already.
    pub arrived: Vec<u8>,
    /// Where the others come from.
    pub inner: UnixStream,
    _pass: Pass,
}

const BUSY: Refusal = Refusal::new(503, "too many requests at once");
const BROKEN: Refusal = Refusal::new(500, "internal error");

/// Sends the request in and waits for the answer.
pub fn forward(
    shared: &Shared,
    head: Head,
    body: Vec<u8>,
    remote: IpAddr,
) -> Result<Answer, Refusal> {
    let pass = shared.inside.enter(shared.timeouts.inner).ok_or(BUSY)?;
    let ticket = shared.slots.open();
    let mut wire = head.inner;
    wire.extend_from_slice(
        format!(
            "{REMOTE}: {remote}\r\n{TICKET}: {}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            ticket.token(),
            body.len()
        )
        .as_bytes(),
    );
    let mut inner = shared.inner.connect().map_err(|error| {
        log::error!("the inner HTTP server cannot be reached: {error}");
        BUSY
    })?;
    send(&mut inner, wire, body, shared.timeouts.answer).map_err(|error| no_answer(&error))?;
    inner
        .set_read_timeout(Some(shared.timeouts.answer))
        .map_err(|error| no_answer(&error))?;
    match read_head(&mut inner).map_err(|error| no_answer(&error))? {
        Incoming::Parked => ticket.claim().map(Answer::Parked).ok_or(BROKEN),
        Incoming::Inline {
            head,
            mut body,
            length,
        } => {
            let missing = length.saturating_sub(body.len());
            let mut rest = (&mut inner).take(missing as u64);
            let got = rest
                .read_to_end(&mut body)
                .map_err(|error| no_answer(&error))?;
            if got < missing {
                return Err(BROKEN);
            }
            Ok(Answer::Whole { head, body })
        }
        Incoming::Stream { head, arrived } => Ok(Answer::Stream(Stream {
            head,
            arrived,
            inner,
            _pass: pass,
        })),
    }
}

/// The refusal when the inside fails us: it ended without an answer (its thread could not be
/// started, or died), or took too long.
fn no_answer(error: &io::Error) -> Refusal {
    match error.kind() {
        ErrorKind::WouldBlock | ErrorKind::TimedOut => {
            log::warn!("a request was given up: its handler took too long");
            Refusal::new(503, "the answer took too long")
        }
        ErrorKind::InvalidData => BROKEN,
        _ => {
            log::warn!("a request got no answer from its handler: {error}");
            BUSY
        }
    }
}

fn send(
    inner: &mut UnixStream,
    mut wire: Vec<u8>,
    mut body: Vec<u8>,
    patience: Duration,
) -> io::Result<()> {
    if body.len() <= JOINED_BODY {
        wire.append(&mut body);
    }
    let deadline = Instant::now() + patience;
    for mut bytes in [wire.as_slice(), body.as_slice()] {
        while !bytes.is_empty() {
            match inner.write(bytes) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(count) => bytes = &bytes[count..],
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // All workers are taken for the moment.
                Err(error)
                    if error.kind() == ErrorKind::WouldBlock && Instant::now() < deadline => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(())
}

#[derive(Debug, PartialEq, Eq)]
enum Incoming {
    Inline {
        head: Vec<u8>,
        body: Vec<u8>,
        length: usize,
    },
    Parked,
    Stream {
        head: Vec<u8>,
        arrived: Vec<u8>,
    },
}

fn read_head(inner: &mut UnixStream) -> io::Result<Incoming> {
    let mut buffer = vec![0; FIRST_READ];
    let mut filled = 0;
    loop {
        match inner.read(&mut buffer[filled..]) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(count) => {
                let from = filled.saturating_sub(3);
                filled += count;
                let end = buffer[from..filled]
                    .windows(4)
                    .position(|window| window == b"\r\n\r\n");
                if let Some(end) = end {
                    buffer.truncate(filled);
                    let after = buffer.split_off(from + end + 4);
                    buffer.truncate(from + end + 2);
                    return understand(buffer, after);
                }
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        if filled == buffer.len() {
            if filled > MAX_ANSWER_HEAD + MAX_INLINE {
                return Err(ErrorKind::InvalidData.into());
            }
            buffer.resize(filled * 2, 0);
        }
    }
}

/// Takes the mark out of the head: it is the first header line of every answer of ours. Whatever
/// else arrives was written by tiny_http itself, whose own answers are errors.
fn understand(mut head: Vec<u8>, after: Vec<u8>) -> io::Result<Incoming> {
    let unmarked = || io::Error::from(ErrorKind::InvalidData);
    let line_end = |from: usize| {
        head[from..]
            .windows(2)
            .position(|pair| pair == b"\r\n")
            .map(|at| from + at)
            .ok_or_else(unmarked)
    };
    let status_end = line_end(0)? + 2;
    let mark_end = line_end(status_end)?;
    let form = std::str::from_utf8(&head[status_end..mark_end])
        .ok()
        .and_then(|line| line.strip_prefix(MARK))
        .ok_or_else(unmarked)?;
    let length = match form {
        "parked" => return Ok(Incoming::Parked),
        "stream" => None,
        form => {
            let length = form
                .strip_prefix("inline ")
                .and_then(|text| text.parse().ok());
            Some(
                length
                    .filter(|length| *length <= MAX_INLINE)
                    .ok_or_else(unmarked)?,
            )
        }
    };
    head.drain(status_end..mark_end + 2);
    Ok(match length {
        Some(length) => Incoming::Inline {
            head,
            body: after,
            length,
        },
        None => Incoming::Stream {
            head,
            arrived: after,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(head: &str, after: &str, expected: Option<Incoming>) {
        let understood = understand(head.into(), after.into()).ok();
        assert_eq!(understood, expected, "{head:?}");
    }

    #[test]
    fn marks_are_taken_out() {
        check(
            "HTTP/1.1 200 OK\r\nX-Jackdaw-Answer: inline 5\r\nA: b\r\n",
            "he",
            Some(Incoming::Inline {
                head: b"HTTP/1.1 200 OK\r\nA: b\r\n".to_vec(),
                body: b"he".to_vec(),
                length: 5,
            }),
        );
        check(
            "HTTP/1.1 200 OK\r\nX-Jackdaw-Answer: stream\r\n",
            "5\r\n",
            Some(Incoming::Stream {
                head: b"HTTP/1.1 200 OK\r\n".to_vec(),
                arrived: b"5\r\n".to_vec(),
            }),
        );
        check(
            "HTTP/1.1 200 \r\nX-Jackdaw-Answer: parked\r\n",
            "",
            Some(Incoming::Parked),
        );
        check(
            "HTTP/1.1 400 Bad Request\r\nServer: tiny-http (Rust)\r\n",
            "",
            None,
        );
        check(
            "HTTP/1.1 200 OK\r\nX-Jackdaw-Answer: inline 99999999\r\n",
            "",
            None,
        );
        check(
            "HTTP/1.1 200 OK\r\nX-Jackdaw-Answer: inline x\r\n",
            "",
            None,
        );
        check("HTTP/1.1 200 OK\r\n", "", None);
        check("", "", None);
    }
}
