//! One connection from its first request to its last, told in [`serve`]: wait, head, body, relay,
//! answer, and again.
//!
//! One request at a time: pipelined ones wait in the kernel or in the inbox until the one before is
//! answered. Every phase has its deadline; whatever goes wrong ends this connection and nothing
//! else.

use std::io::{self, ErrorKind, Read};
use std::net::Shutdown;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime};

use super::chunked::Decoder;
use super::fields::Framing;
use super::head::{self, Head, Refusal, Scanner};
use super::io::Client;
use super::limits::{MAX_BODY, MAX_LINGER, SMALL_BODY_RESERVE};
use super::relay::{self, Answer, Stream};
use super::table::Conn;
use super::{Shared, sendfile};
use crate::budget::Share;
use crate::http::reply::{self, Length};
use crate::http::slots::Parked;
use crate::http::{Body, Response};

/// Bytes of a body read at once, and the first memory reserved for one.
const BODY_PIECE: usize = 16 * 1024;

/// Runs the connection; returns when it has ended.
pub fn run(conn: &Conn, shared: &Shared) {
    let end = catch_unwind(AssertUnwindSafe(|| serve(conn, shared)));
    match end {
        Ok(Ok(())) => {}
        Ok(Err(error)) => log::debug!("{}: connection ended: {error}", conn.remote),
        // The hook has logged it.
        Err(_) => {}
    }
    let _ = conn.stream.shutdown(Shutdown::Both);
}

/// What happens to the connection after an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum After {
    Keep,
    Close,
}

fn serve(conn: &Conn, shared: &Shared) -> io::Result<()> {
    let mut client = Client::new(conn, &shared.timeouts);
    let mut patience = shared.timeouts.head;
    while !shared.is_stopping.load(Ordering::Relaxed) {
        if client.inbox.bytes().is_empty() && !has_next(&mut client, shared, patience)? {
            return Ok(());
        }
        patience = shared.timeouts.idle;
        if conn.begin_arriving(shared.table.now()).is_err() {
            return Ok(());
        }
        let taken = take_request(&mut client, shared);
        let (head, body, share) = match taken {
            Ok(Some(request)) => request,
            Ok(None) => return Ok(()),
            Err(refusal) => return refuse(&mut client, shared, refusal),
        };
        let is_wanted_kept = head.is_keep_alive && !shared.is_stopping.load(Ordering::Relaxed);
        let mut exchange = Exchange {
            shared,
            client: &mut client,
            is_head: head.is_head,
            is_http11: head.is_http11,
            after: if is_wanted_kept {
                After::Keep
            } else {
                After::Close
            },
        };
        let answer = relay::forward(shared, head, body, conn.remote);
        drop(share);
        exchange.client.inbox.release();
        exchange.answer(answer)?;
        if exchange.after == After::Close {
            if client.has_unread() {
                linger(&mut client, shared)?;
            }
            return Ok(());
        }
    }
    Ok(())
}

/// Waits for the first byte of a request; `false` when none comes.
fn has_next(client: &mut Client<'_>, shared: &Shared, patience: Duration) -> io::Result<bool> {
    if client.conn().begin_idle(shared.table.now()).is_err() {
        return Ok(false);
    }
    // A stop that came before the phase was set has not seen this connection idle.
    if shared.is_stopping.load(Ordering::SeqCst) {
        return Ok(false);
    }
    match client.fill(Instant::now() + patience) {
        Ok(count) => Ok(count > 0),
        Err(error) if error.kind() == ErrorKind::TimedOut => Ok(false),
        Err(error) => Err(error),
    }
}

type Taken = (Head, Vec<u8>, Share);

/// Reads one request, whole. `None`: the client has gone, or had to make room.
fn take_request(client: &mut Client<'_>, shared: &Shared) -> Result<Option<Taken>, Refusal> {
    let deadline = Instant::now() + shared.timeouts.head;
    let mut scanner = Scanner::default();
    let length = loop {
        if let Some(length) = scanner.scan(client.inbox.bytes())? {
            break length;
        }
        match client.fill(deadline) {
            Ok(0) => return Ok(None),
            Ok(_) => {}
            Err(error) => return gone_or_late(&error).map(|()| None),
        }
    };
    let head = head::vet(&client.inbox.bytes()[..length], shared.body_limit)?;
    client.inbox.consume(length);
    let mut share = shared.bodies.share();
    let mut body = Vec::new();
    if head.framing != Framing::Length(0) {
        if head.expects_continue && client.inbox.bytes().is_empty() {
            let go_on = client.write_all(b"HTTP/1.1 100 Continue\r\n\r\n");
            if go_on.is_err() {
                return Ok(None);
            }
        }
        let mut reading = Reading {
            client,
            shared,
            share: &mut share,
            body: &mut body,
            limit: head.body_limit,
            started: Instant::now(),
        };
        let is_whole = match head.framing {
            Framing::Length(length) => reading.exactly(length)?,
            Framing::Chunked => reading.chunks()?,
        };
        if !is_whole {
            return Ok(None);
        }
    }
    if client.conn().begin_busy().is_err() {
        return Ok(None);
    }
    Ok(Some((head, body, share)))
}

/// A read that failed: late is a refusal, gone is the end.
fn gone_or_late(error: &io::Error) -> Result<(), Refusal> {
    match error.kind() {
        ErrorKind::TimedOut => Err(Refusal::new(408, "the request took too long to arrive")),
        _ => Ok(()),
    }
}

/// A request body on its way in.
struct Reading<'a, 'b> {
    client: &'a mut Client<'b>,
    shared: &'a Shared,
    share: &'a mut Share,
    body: &'a mut Vec<u8>,
    limit: u64,
    started: Instant,
}

impl Reading<'_, '_> {
    /// When the body, as far as it has come, must have gone on.
    fn deadline(&self) -> Instant {
        let timeouts = &self.shared.timeouts;
        let earned = self.body.len() as u64 / timeouts.body_rate.max(1);
        self.started + timeouts.body_grace + Duration::from_secs(earned)
    }

    /// Makes room for `more` bytes, counted against the memory for bodies before it is taken.
    fn reserve(&mut self, more: usize) -> Result<(), Refusal> {
        let free = self.body.capacity() - self.body.len();
        if free >= more {
            return Ok(());
        }
        // Doubling, but never beyond what the body may have.
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        let wanted = (self.body.len() + more)
            .max(self.body.capacity() * 2)
            .min(limit.max(self.body.len() + more));
        let added = (wanted - self.body.capacity()) as u64;
        let reserve = if wanted as u64 > MAX_BODY {
            SMALL_BODY_RESERVE
        } else {
            0
        };
        if !self.share.grow(added, reserve) {
            return Err(Refusal::new(503, "too many large requests at once"));
        }
        self.body.reserve_exact(wanted - self.body.len());
        Ok(())
    }

    /// Reads a body of known length; `false` when the client has gone.
    fn exactly(&mut self, length: u64) -> Result<bool, Refusal> {
        // Vetted: it is below the limit, which fits memory.
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        while self.body.len() < length {
            let wanted = length - self.body.len();
            let arrived = self.client.inbox.bytes();
            if !arrived.is_empty() {
                let count = arrived.len().min(wanted);
                self.reserve(count)?;
                self.body
                    .extend_from_slice(&self.client.inbox.bytes()[..count]);
                self.client.inbox.consume(count);
                continue;
            }
            let piece = wanted.min(BODY_PIECE.max(self.body.capacity() - self.body.len()));
            self.reserve(piece)?;
            let (filled, deadline) = (self.body.len(), self.deadline());
            self.body.resize(filled + piece, 0);
            let result = self.client.read(&mut self.body[filled..], deadline);
            self.body
                .truncate(filled + result.as_ref().map_or(0, |count| *count));
            match result {
                Ok(0) => return Ok(false),
                Ok(_) => {}
                Err(error) => return gone_or_late(&error).map(|()| false),
            }
        }
        Ok(true)
    }

    /// Reads a chunked body; `false` when the client has gone.
    fn chunks(&mut self) -> Result<bool, Refusal> {
        let mut decoder = Decoder::default();
        while !decoder.is_done() {
            if self.client.inbox.bytes().is_empty() {
                let deadline = self.deadline();
                match self.client.fill(deadline) {
                    Ok(0) => return Ok(false),
                    Ok(_) => {}
                    Err(error) => return gone_or_late(&error).map(|()| false),
                }
            }
            // Content never exceeds what has arrived.
            self.reserve(self.client.inbox.bytes().len())?;
            let used = decoder
                .feed(self.client.inbox.bytes(), self.body)
                .map_err(|_| Refusal::new(400, "malformed chunked body"))?;
            self.client.inbox.consume(used);
            if self.body.len() as u64 > self.limit {
                return Err(Refusal::new(413, "request body too large"));
            }
        }
        Ok(true)
    }
}

/// An answer on its way out.
struct Exchange<'a, 'b> {
    shared: &'a Shared,
    client: &'a mut Client<'b>,
    is_head: bool,
    is_http11: bool,
    after: After,
}

impl Exchange<'_, '_> {
    fn answer(&mut self, answer: Result<Answer, Refusal>) -> io::Result<()> {
        match answer {
            Ok(Answer::Whole { mut head, body }) => {
                self.end_head(&mut head);
                head.extend_from_slice(&body);
                self.client.write_all(&head)
            }
            Ok(Answer::Parked(parked)) => self.parked(parked),
            Ok(Answer::Stream(stream)) => self.stream(stream),
            // The request was read whole: the connection stays usable.
            Err(refusal) => {
                let mut wire = refusal_head(refusal);
                self.end_head(&mut wire);
                if !self.is_head {
                    wire.extend_from_slice(refusal_body(refusal).as_bytes());
                }
                self.client.write_all(&wire)
            }
        }
    }

    /// Adds what only the front knows, and the empty line.
    fn end_head(&self, head: &mut Vec<u8>) {
        end_head(head, self.after, self.is_http11);
    }

    fn parked(&mut self, parked: Parked) -> io::Result<()> {
        let Parked { response, share } = parked;
        let Response {
            status,
            headers,
            body,
        } = response;
        let mut head = Vec::with_capacity(512);
        reply::push_status(&mut head, status);
        reply::push_headers(&mut head, &headers);
        match body {
            Body::File(file) => {
                reply::push_length(&mut head, Length::Known(file.length));
                self.end_head(&mut head);
                drop(headers);
                if file.length == 0 {
                    return self.client.write_all(&head);
                }
                self.client.write_head(&head)?;
                // From here on a stalled reader costs this thread's stack.
                drop(head);
                sendfile::send(
                    self.client.conn(),
                    &file,
                    &self.shared.timeouts,
                    &self.shared.is_stopping,
                    &self.shared.files,
                )
            }
            Body::Bytes(bytes) => {
                reply::push_length(&mut head, Length::Known(bytes.len() as u64));
                self.end_head(&mut head);
                if bytes.is_empty() {
                    return self.client.write_all(&head);
                }
                self.client.write_head(&head)?;
                self.client.write_all(&bytes)?;
                drop(share);
                Ok(())
            }
            Body::Empty | Body::Writer(_) => Err(io::Error::other("nothing to send was parked")),
        }
    }

    fn stream(&mut self, stream: Stream) -> io::Result<()> {
        let Stream {
            mut head,
            arrived,
            mut inner,
            ..
        } = stream;
        if self.is_http11 {
            reply::push_length(&mut head, Length::Chunked);
        } else {
            // HTTP/1.0 knows no chunks: the end of the connection ends the body.
            self.after = After::Close;
        }
        self.end_head(&mut head);
        let mut decoder = Decoder::default();
        let mut content = Vec::new();
        let mut wire = head;
        let mut piece = arrived;
        loop {
            content.clear();
            decoder
                .feed(&piece, &mut content)
                .map_err(|_| io::Error::other("malformed stream from a handler"))?;
            if self.is_http11 && !content.is_empty() {
                wire.extend_from_slice(format!("{:x}\r\n", content.len()).as_bytes());
                wire.extend_from_slice(&content);
                wire.extend_from_slice(b"\r\n");
            } else {
                wire.extend_from_slice(&content);
            }
            if decoder.is_done() && self.is_http11 {
                wire.extend_from_slice(b"0\r\n\r\n");
            }
            self.client.write_all(&wire)?;
            if decoder.is_done() {
                return Ok(());
            }
            wire.clear();
            piece.resize(BODY_PIECE, 0);
            match inner.read(&mut piece) {
                // Without the last chunk the answer is cut, and so is the connection.
                Ok(0) => return Err(io::Error::other("the handler's answer was cut")),
                Ok(count) => piece.truncate(count),
                Err(error) if error.kind() == ErrorKind::Interrupted => piece.clear(),
                Err(error) => return Err(error),
            }
        }
    }
}

/// Answers a request that was not read whole; the connection ends.
fn refuse(client: &mut Client<'_>, shared: &Shared, refusal: Refusal) -> io::Result<()> {
    log::debug!(
        "{}: refused with {}: {}",
        client.conn().remote,
        refusal.status,
        refusal.message
    );
    let mut wire = refusal_head(refusal);
    end_head(&mut wire, After::Close, true);
    wire.extend_from_slice(refusal_body(refusal).as_bytes());
    client.write_all(&wire)?;
    linger(client, shared)
}

/// Ends our side and throws away what still comes, for a while: closing a socket with unread bytes
/// resets the connection, and a reset takes the answer away from a client that has not read it.
fn linger(client: &mut Client<'_>, shared: &Shared) -> io::Result<()> {
    client.conn().stream.shutdown(Shutdown::Write)?;
    let deadline = Instant::now() + shared.timeouts.linger;
    let mut drained = 0;
    let mut sink = [0; 4096];
    while drained < MAX_LINGER {
        match client.read(&mut sink, deadline) {
            Ok(0) | Err(_) => break,
            Ok(count) => drained += count as u64,
        }
    }
    Ok(())
}

fn refusal_head(refusal: Refusal) -> Vec<u8> {
    let mut wire = Vec::with_capacity(512);
    reply::push_status(&mut wire, refusal.status);
    wire.extend_from_slice(b"Content-Type: application/json\r\n");
    if refusal.status == 503 {
        wire.extend_from_slice(b"Retry-After: 2\r\n");
    }
    let length = refusal_body(refusal).len() as u64;
    reply::push_length(&mut wire, Length::Known(length));
    wire
}

/// Messages are our own constants: nothing in them needs escaping.
fn refusal_body(refusal: Refusal) -> String {
    format!("{{\"error\":\"{}\"}}", refusal.message)
}

fn end_head(head: &mut Vec<u8>, after: After, is_http11: bool) {
    let date = httpdate::fmt_http_date(SystemTime::now());
    head.extend_from_slice(b"Date: ");
    head.extend_from_slice(date.as_bytes());
    head.extend_from_slice(match (after, is_http11) {
        (After::Close, _) => b"\r\nConnection: close\r\n\r\n",
        (After::Keep, true) => b"\r\n\r\n",
        (After::Keep, false) => b"\r\nConnection: keep-alive\r\n\r\n",
    });
}
