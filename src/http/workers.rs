//! The threads that answer: from a request out of tiny_http to a written answer.
//!
//! Short handlers run on one of a few workers, which never wait for a client: what they write fits
//! an empty socket buffer or is parked for the front. Long handlers and bodies written item by
//! item get a thread of their own, [`MAX_LONG`] at most, else 503. Friends get half of those: one that
//! asks for lists and does not read them must not keep the owner's arrs out. The place is given back
//! before an answer that needs no waiting is written, and kept until the end of one that is written
//! item by item. A panic in a handler is a 500.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::crew::Crew;
use super::inner::Inner;
use super::reply::{self, Length, MAX_INLINE, REMOTE, Sent, Streamed, TICKET};
use super::response::{Body, Response};
use super::router::{self, Access, Route, Weight};
use super::slots::{MAX_PARKED_BYTES, Slots};
use super::{Method, Request};
use crate::budget::{Gate, Pass};
use crate::keys::Caller;

/// Long handlers and streamed bodies at once: each holds a thread and perhaps a query's memory,
/// and twelve connections are what one arr opens.
pub const MAX_LONG: usize = 32;
/// Stack of a long thread: SQLite and a TLS client below a handler, with room.
const LONG_STACK: usize = 1024 * 1024;
/// How long a thread without work stays: an arr sends its searches one after another.
const LONG_STAY: Duration = Duration::from_secs(5);
/// What a refused client should wait, in seconds.
const RETRY_AFTER: &str = "2";

/// What the workers share.
pub struct App<S: 'static> {
    /// The table.
    pub routes: &'static [Route<S>],
    /// What handlers work on.
    pub state: Arc<S>,
    /// Whose key a request carries.
    pub identify: fn(&S, &Request) -> Option<Caller>,
    /// Path prefix served beside bare paths.
    pub prefix: String,
    /// Where answers are parked.
    pub slots: Arc<Slots>,
    /// Bounds long threads.
    pub long: Arc<Gate>,
    /// Bounds those of routes for friends.
    pub long_of_friends: Arc<Gate>,
    /// Where they run: [`long_threads`].
    pub long_threads: Arc<Crew>,
}

/// The threads for [`App::long_threads`].
pub fn long_threads() -> Arc<Crew> {
    Crew::new("http-long", LONG_STACK, LONG_STAY)
}

/// A place among the long threads.
struct LongPass {
    _of_all: Pass,
    _of_friends: Option<Pass>,
}

impl<S> App<S> {
    /// A place for a request to a route of this access, if one is free.
    fn long_place(&self, access: Access) -> Option<LongPass> {
        let of_friends = match access {
            Access::Peer => Some(self.long_of_friends.enter(Duration::ZERO)?),
            _ => None,
        };
        Some(LongPass {
            _of_all: self.long.enter(Duration::ZERO)?,
            _of_friends: of_friends,
        })
    }
}

/// The running workers.
pub struct Workers {
    threads: Vec<JoinHandle<()>>,
    /// Disconnected when the last one has ended.
    ended: Receiver<()>,
}

/// Starts `count` workers; they end when `inner` stops.
pub fn start<S: Send + Sync + 'static>(
    app: &Arc<App<S>>,
    inner: &Arc<Inner>,
    count: usize,
) -> Result<Workers, String> {
    let (alive, ended) = channel();
    let threads: Result<_, String> = (0..count)
        .map(|number| {
            let (app, inner, alive) = (Arc::clone(app), Arc::clone(inner), alive.clone());
            thread::Builder::new()
                .name(format!("http-{number}"))
                .spawn(move || {
                    while let Some(request) = inner.next_request() {
                        // Handlers are caught further in; this keeps the worker in any case.
                        let _ = catch_unwind(AssertUnwindSafe(|| take(&app, request)));
                    }
                    drop(alive);
                })
                .map_err(|error| format!("cannot start an HTTP worker: {error}"))
        })
        .collect();
    Ok(Workers {
        threads: threads?,
        ended,
    })
}

impl Workers {
    /// Waits for the workers of a stopped server. One that is inside a handler may take as long
    /// as the handler does: after `patience` it is left to end by itself.
    pub fn wait(&mut self, patience: Duration) {
        if self.ended.recv_timeout(patience) == Err(RecvTimeoutError::Disconnected) {
            for thread in self.threads.drain(..) {
                if thread.join().is_err() {
                    log::error!("an HTTP worker had panicked");
                }
            }
        }
    }
}

/// Where and how one answer goes.
struct Exchange {
    writer: Box<dyn Write + Send>,
    token: String,
    method: Method,
    path: String,
    /// Of its route.
    access: Access,
    remote: IpAddr,
    started: Instant,
}

/// Reads the request, finds its route and runs it here or on a thread of its own.
fn take<S: Send + Sync + 'static>(app: &Arc<App<S>>, mut raw: tiny_http::Request) {
    let started = Instant::now();
    let method = Method::parse(raw.method().as_str());
    let target = raw.url().to_owned();
    let mut token = String::new();
    let mut remote = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
    let mut headers = Vec::with_capacity(raw.headers().len());
    for header in raw.headers() {
        let (name, value) = (header.field.as_str().as_str(), header.value.as_str());
        if name == TICKET {
            token = value.to_owned();
        } else if name == REMOTE {
            remote = value.parse().unwrap_or(remote);
        } else {
            headers.push((name.to_owned(), value.to_owned()));
        }
    }
    if !app.slots.knows(&token) {
        // Not from the front, or the front has given up. Nobody waits for an answer.
        return;
    }
    // The front has the whole body and has bounded it; a length that is not met is its death.
    let mut body = Vec::new();
    if let Some(length) = raw.body_length().filter(|length| *length > 0) {
        body.reserve_exact(length);
        if raw
            .as_reader()
            .take(length as u64)
            .read_to_end(&mut body)
            .is_err()
        {
            return;
        }
    }
    let mut exchange = Exchange {
        // This also lets go of tiny_http's connection thread, which waits for the body reader.
        writer: raw.into_writer(),
        token,
        method,
        path: String::new(),
        access: Access::Open,
        remote,
        started,
    };
    let mut request = Request::new(method, &target, &app.prefix, headers, body, remote);
    exchange.path = request.shown_path().into_owned();
    let route = match router::find(app.routes, method, &request.path) {
        Ok((route, params)) => {
            request.path_params = params;
            route
        }
        Err(response) => return refuse(app, exchange, response),
    };
    exchange.access = route.access;
    if !route.access.answers_bad_queries()
        && let Some(problem) = &request.query_problem
    {
        return refuse(app, exchange, bad_request(&problem.to_string()));
    }
    if matches!(route.access, Access::Peer | Access::Owner) {
        request.caller = guarded(|| (app.identify)(&app.state, &request)).flatten();
        let is_admitted = match &request.caller {
            None => false,
            Some(caller) => route.access == Access::Peer || *caller == Caller::Owner,
        };
        if !is_admitted {
            return refuse(app, exchange, router::unauthorized());
        }
    }
    match route.weight {
        Weight::Short => {
            let response = run(app, route, &request);
            finish(app, exchange, response, None);
        }
        Weight::Long => match app.long_place(exchange.access) {
            None => refuse(app, exchange, too_many()),
            Some(pass) => {
                let their_app = Arc::clone(app);
                run_long(app, move || {
                    let response = run(&their_app, route, &request);
                    finish(&their_app, exchange, response, Some(pass));
                });
            }
        },
    }
}

/// Runs `work` on a long thread. If none can be started, `work` is dropped with the connection in
/// it, and the front answers 503.
fn run_long<S>(app: &App<S>, work: impl FnOnce() + Send + 'static) {
    if let Err(error) = app.long_threads.run(work) {
        log::error!("cannot start a thread for a long request: {error}");
    }
}

fn run<S>(app: &App<S>, route: &Route<S>, request: &Request) -> Response {
    guarded(|| (route.handler)(&app.state, request)).unwrap_or_else(internal_error)
}

fn internal_error() -> Response {
    Response::json(500, "{\"error\":\"Internal error\"}")
}

/// `None` when `work` panics; the hook has logged it.
fn guarded<T>(work: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(work)).ok()
}

fn bad_request(message: &str) -> Response {
    let mut text = String::new();
    for char in message.chars() {
        match char {
            '"' | '\\' => text.extend(['\\', char]),
            char if char.is_control() => text.push('?'),
            char => text.push(char),
        }
    }
    Response::json(400, format!("{{\"error\":\"{text}\"}}"))
}

/// There is no place for a request that takes long.
fn too_many() -> Response {
    log::warn!("a request was refused with 503: too many that take long are under way");
    busy()
}

fn busy() -> Response {
    Response::json(503, "{\"error\":\"Too many requests at once\"}")
        .header("Retry-After", RETRY_AFTER)
}

fn refuse<S: Send + Sync + 'static>(app: &Arc<App<S>>, exchange: Exchange, response: Response) {
    finish(app, exchange, response, None);
}

/// Sends or parks the answer. `pass` is there when this already is a long thread.
fn finish<S: Send + Sync + 'static>(
    app: &Arc<App<S>>,
    mut exchange: Exchange,
    response: Response,
    pass: Option<LongPass>,
) {
    let status = response.status;
    let is_head_only = exchange.method == Method::Head || reply::is_bodiless(status);
    let wire = match response.body {
        Body::Writer(body) if !is_head_only => {
            return finish_stream(app, exchange, status, response.headers, body, pass);
        }
        Body::Writer(_) => reply::inline_head(status, &response.headers, 0, Length::Unsaid),
        Body::Empty => reply::inline(status, &response.headers, b"", Sent::Body),
        Body::File(file) if is_head_only => {
            let length = if reply::is_bodiless(status) {
                Length::Unsaid
            } else {
                Length::Known(file.length)
            };
            reply::inline_head(status, &response.headers, 0, length)
        }
        Body::Bytes(bytes) if is_head_only => {
            reply::inline(status, &response.headers, &bytes, Sent::HeadOnly)
        }
        Body::Bytes(bytes) if bytes.len() <= MAX_INLINE => {
            reply::inline(status, &response.headers, &bytes, Sent::Body)
        }
        Body::Bytes(bytes) if bytes.len() as u64 > MAX_PARKED_BYTES => {
            log::error!(
                "{}: an answer of {} bytes is too large to hold",
                exchange.path,
                bytes.len()
            );
            return finish(app, exchange, internal_error(), pass);
        }
        body @ (Body::Bytes(_) | Body::File(_)) => {
            let parked = Response { body, ..response };
            match app.slots.park(&exchange.token, parked) {
                Ok(()) => {
                    format!("HTTP/1.1 {status} \r\n{}parked\r\n\r\n", reply::MARK).into_bytes()
                }
                Err(_) => {
                    // Or the front has given up meanwhile, and nobody hears the answer.
                    log::warn!("an answer was dropped with 503: too many wait for slow clients");
                    return finish(app, exchange, busy(), pass);
                }
            }
        }
    };
    // The work is done, and the write never waits. Were the place kept until this thread is free,
    // a quick client on a busy machine would be refused for the sake of its own last requests.
    drop(pass);
    // An error means that the front has given up on this request: there is nobody to tell.
    let _ = exchange
        .writer
        .write_all(&wire)
        .and_then(|()| exchange.writer.flush());
    report(&exchange, status);
}

fn finish_stream<S: Send + Sync + 'static>(
    app: &Arc<App<S>>,
    mut exchange: Exchange,
    status: u16,
    headers: Vec<(String, String)>,
    body: super::response::BodyWriter,
    pass: Option<LongPass>,
) {
    let is_long_thread = pass.is_some();
    let Some(pass) = pass.or_else(|| app.long_place(exchange.access)) else {
        return refuse(app, exchange, too_many());
    };
    let write = move || {
        let _pass = pass;
        let streamed =
            guarded(|| reply::write_stream(&mut *exchange.writer, status, &headers, body));
        match streamed {
            Some(Streamed::Whole) => {}
            Some(Streamed::NothingSent(error)) => {
                log::warn!("{}: cannot write the answer: {error}", exchange.path);
                let body = b"{\"error\":\"Internal error\"}";
                let kind = [("Content-Type".to_owned(), "application/json".to_owned())];
                let wire = reply::inline(500, &kind, body, Sent::Body);
                let _ = exchange
                    .writer
                    .write_all(&wire)
                    .and_then(|()| exchange.writer.flush());
                return report(&exchange, 500);
            }
            Some(Streamed::Cut(error)) => {
                log::debug!("{}: answer cut: {error}", exchange.path);
            }
            None => log::error!("{}: answer cut by a panic", exchange.path),
        }
        report(&exchange, status);
    };
    if is_long_thread {
        write();
    } else {
        run_long(app, write);
    }
}

/// The request log: never the query, which may hold a key.
fn report(exchange: &Exchange, status: u16) {
    log::debug!(
        "{} {} {} {status} {:.1} ms",
        exchange.remote,
        exchange.method.name(),
        exchange.path,
        exchange.started.elapsed().as_secs_f64() * 1000.0
    );
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Mutex, mpsc};

    use super::*;
    use crate::http::response::BodyWriter;
    use crate::sys::lock;

    /// What came, and how many long places were taken at that moment.
    type Seen = Vec<(usize, Vec<u8>)>;

    /// The client's end.
    struct Client {
        long: Arc<Gate>,
        seen: Arc<Mutex<Seen>>,
        ended: mpsc::Sender<()>,
    }

    impl Write for Client {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            lock(&self.seen).push((self.long.inside(), bytes.to_vec()));
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Drop for Client {
        fn drop(&mut self) {
            let _ = self.ended.send(());
        }
    }

    /// Answers with `response` from a long thread (or not); places taken at each write, and all
    /// that was written.
    fn answer(response: Response, is_long: bool) -> (Vec<usize>, String) {
        let app = Arc::new(App {
            routes: &[],
            state: Arc::new(()),
            identify: |(), _| None,
            prefix: String::new(),
            slots: Slots::new().unwrap(),
            long: Gate::new(MAX_LONG),
            long_of_friends: Gate::new(MAX_LONG / 2),
            long_threads: long_threads(),
        });
        let ticket = app.slots.open();
        let seen: Arc<Mutex<Seen>> = Arc::default();
        let (ended, wait) = mpsc::channel();
        let exchange = Exchange {
            writer: Box::new(Client {
                long: Arc::clone(&app.long),
                seen: Arc::clone(&seen),
                ended,
            }),
            token: ticket.token(),
            method: Method::Get,
            path: "/x".into(),
            access: Access::Peer,
            remote: Ipv4Addr::LOCALHOST.into(),
            started: Instant::now(),
        };
        let pass = is_long.then(|| app.long_place(Access::Peer).unwrap());
        finish(&app, exchange, response, pass);
        wait.recv().unwrap();
        let seen = std::mem::take(&mut *lock(&seen));
        let bytes: Vec<u8> = seen.iter().flat_map(|(_, bytes)| bytes.clone()).collect();
        let places = seen.iter().map(|(inside, _)| *inside).collect();
        (places, String::from_utf8(bytes).unwrap())
    }

    #[test]
    fn a_long_place_is_free_before_the_client_has_its_answer() {
        let small = || Response::text(200, "small");
        let parked = || Response::text(200, vec![b'x'; MAX_INLINE + 1]);
        let too_large = || Response::text(200, vec![b'x'; MAX_PARKED_BYTES as usize + 1]);
        for (response, status) in [
            (small(), "HTTP/1.1 200 "),
            (Response::status(204), "HTTP/1.1 204 "),
            (parked(), "HTTP/1.1 200 "),
            (too_large(), "HTTP/1.1 500 "),
        ] {
            let (places, wire) = answer(response, true);
            assert!(wire.starts_with(status), "{wire}");
            assert!(!places.is_empty() && places.iter().all(|inside| *inside == 0));
        }
    }

    #[test]
    fn a_long_place_is_kept_while_a_list_is_written() {
        for is_long in [true, false] {
            let list: BodyWriter = Box::new(|out| {
                (0..3).try_for_each(|_| {
                    out.write_all(&[b'x'; 100_000])?;
                    out.flush()
                })
            });
            let body = Body::Writer(list);
            let response = Response {
                body,
                ..Response::status(200)
            };
            let (places, wire) = answer(response, is_long);
            assert!(wire.starts_with("HTTP/1.1 200 "));
            assert!(places.len() > 1 && places.iter().all(|inside| *inside == 1));
        }
    }
}
