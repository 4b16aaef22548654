//! Attacks on the front door, and what it promises to ordinary clients, over real sockets.
//!
//! The server runs in this process with a small route table; every attack must leave `/ping`
//! answering others. The numbered attacks are the known ways to end, hang or fill tiny_http 0.12
//! when it faces clients alone (each was measured against it), so an upgrade shows what changed.

// Helpers of tests fail as tests do.
#![allow(clippy::unwrap_used)]

use std::fs::File;
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use jackdaw::http::{
    Access, Method, Pace, Request, Response, Route, Server, Settings, Weight, file_response,
};
use jackdaw::keys::Caller;

/// Longest wait for anything that must happen.
const PATIENCE: Duration = Duration::from_secs(20);

// ---- the server under test ----

struct State {
    file: PathBuf,
    pace: Option<Arc<dyn Pace>>,
    is_open: Mutex<bool>,
    opened: Condvar,
    inside: AtomicU64,
    guard_dropped: Mutex<Sender<()>>,
}

/// Tells the test that an answer's guard is gone.
struct Guard(Sender<()>);

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = self.0.send(());
    }
}

const GET: &[Method] = &[Method::Get];
const POST: &[Method] = &[Method::Post];

const fn route(
    methods: &'static [Method],
    pattern: &'static str,
    handler: fn(&State, &Request) -> Response,
) -> Route<State> {
    Route {
        methods,
        pattern,
        access: Access::Open,
        weight: Weight::Short,
        handler,
    }
}

const fn long(mut route: Route<State>) -> Route<State> {
    route.weight = Weight::Long;
    route
}

const fn only(mut route: Route<State>, access: Access) -> Route<State> {
    route.access = access;
    route
}

static ROUTES: &[Route<State>] = &[
    route(GET, "/ping", |_, _| {
        Response::json(200, "{\"status\":\"OK\"}")
    }),
    route(POST, "/echo", |_, request| {
        Response::bytes(200, "application/octet-stream", request.body.clone())
    }),
    route(GET, "/seen/{item}", |_, request| {
        let mut text = format!(
            "{} {}\n{:?} {:?}\n",
            request.remote, request.path, request.path_params, request.query
        );
        for (name, value) in &request.headers {
            text.push_str(&format!("{name}: {value}\n"));
        }
        Response::text(200, text)
    }),
    route(POST, "/form", |_, request| match request.form() {
        Ok(form) => Response::text(200, format!("{form:?}")),
        Err(error) => Response::text(400, error.to_string()),
    }),
    route(GET, "/big", |_, _| {
        Response::bytes(200, "text/plain", vec![b'b'; 8_000_000])
    }),
    route(GET, "/panic", |_, _| panic!("in a handler")),
    route(GET, "/inject", |_, _| {
        Response::status(200).header("X-Bad", "a\r\nX-Evil: 1")
    }),
    long(route(GET, "/wait", |state, _| wait(state))),
    long(route(GET, "/stream", |_, _| stream(1000, false))),
    route(GET, "/stream-short-route", |_, _| stream(1000, false)),
    route(GET, "/stream-small", |_, _| stream(1, false)),
    route(GET, "/stream-endless", |_, _| stream(1_000_000, false)),
    route(GET, "/stream-cut", |_, _| stream(1000, true)),
    route(GET, "/file", |state, request| {
        let guard = Guard(state.guard_dropped.lock().unwrap().clone());
        match File::open(&state.file) {
            Ok(file) => file_response(
                request,
                file,
                "a film.mkv",
                state.pace.clone(),
                Some(Box::new(guard)),
            ),
            Err(_) => Response::json(404, "{\"error\":\"File not found\"}"),
        }
    }),
    only(
        route(GET, "/peer", |_, request| {
            Response::text(200, format!("{:?}", request.caller))
        }),
        Access::Peer,
    ),
    only(
        long(route(GET, "/peer-wait", |state, _| wait(state))),
        Access::Peer,
    ),
    only(
        route(GET, "/owner", |_, _| Response::text(200, "yours")),
        Access::Owner,
    ),
];

const LINE: &str = "0123456789 the quick brown fox jumps over the lazy dog 0\r\n\r\n!";

/// Answers when the gate is opened.
fn wait(state: &State) -> Response {
    state.inside.fetch_add(1, Ordering::SeqCst);
    let mut is_open = state.is_open.lock().unwrap();
    while !*is_open {
        is_open = state.opened.wait(is_open).unwrap();
    }
    Response::text(200, "waited")
}

fn stream(lines: usize, is_cut: bool) -> Response {
    let mut response = Response::text(200, "");
    response.body = jackdaw::http::Body::Writer(Box::new(move |out| {
        for _ in 0..lines {
            out.write_all(LINE.as_bytes())?;
        }
        if is_cut {
            return Err(io::Error::other("cut"));
        }
        Ok(())
    }));
    response
}

fn identify(_: &State, request: &Request) -> Option<Caller> {
    match request.presented_key()? {
        "owner-key" => Some(Caller::Owner),
        "friend-key" => Some(Caller::Friend("alice".into())),
        _ => None,
    }
}

struct World {
    server: Server,
    state: Arc<State>,
    address: SocketAddr,
    guard_dropped: Receiver<()>,
    folder: PathBuf,
}

impl World {
    fn new() -> World {
        World::with(|_| {})
    }

    fn with(adjust: impl FnOnce(&mut Settings)) -> World {
        World::paced(None, adjust)
    }

    fn paced(pace: Option<Arc<dyn Pace>>, adjust: impl FnOnce(&mut Settings)) -> World {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("jd-front-{}-{count}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir(&folder).unwrap();
        let (sender, guard_dropped) = channel();
        let state = Arc::new(State {
            file: folder.join("film"),
            pace,
            is_open: Mutex::new(false),
            opened: Condvar::new(),
            inside: AtomicU64::new(0),
            guard_dropped: Mutex::new(sender),
        });
        let mut settings = Settings {
            listen: vec!["127.0.0.1:0".parse().unwrap()],
            path_prefix: "/jd".into(),
            run_in: Some(folder.clone()),
            ..Settings::default()
        };
        adjust(&mut settings);
        let server = Server::start(settings, ROUTES, Arc::clone(&state), identify).unwrap();
        let address = server.addresses()[0];
        World {
            server,
            state,
            address,
            guard_dropped,
            folder,
        }
    }

    fn client(&self) -> Client {
        Client::connect(self.address)
    }

    /// One request on a connection of its own.
    fn ask(&self, request: &str) -> Answer {
        let mut client = self.client();
        client.send(request);
        client.answer(request.split(' ').next().unwrap_or_default())
    }

    fn get(&self, target: &str) -> Answer {
        self.ask(&get(target))
    }

    /// `/ping` answers a fresh client, promptly enough that no deadline can be what freed it.
    fn assert_ping(&self) {
        let started = Instant::now();
        let answer = self.get("/ping");
        assert_eq!(answer.status, 200);
        assert_eq!(answer.text(), "{\"status\":\"OK\"}");
        assert!(
            started.elapsed() < Duration::from_secs(5),
            "{:?}",
            started.elapsed()
        );
    }

    fn open_gate(&self) {
        *self.state.is_open.lock().unwrap() = true;
        self.state.opened.notify_all();
    }

    fn write_film(&self, bytes: &[u8]) {
        std::fs::write(&self.state.file, bytes).unwrap();
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.open_gate();
        self.server.stop();
        let left: Vec<_> = std::fs::read_dir(&self.folder)
            .map(|entries| entries.flatten().map(|entry| entry.file_name()).collect())
            .unwrap_or_default();
        let _ = std::fs::remove_dir_all(&self.folder);
        if !thread::panicking() {
            let only_film = left.iter().all(|name| name == "film");
            assert!(only_film, "left behind: {left:?}");
        }
    }
}

fn get(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: h\r\n\r\n")
}

/// Waits until `condition` holds.
fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "never happened: {what}");
        thread::yield_now();
    }
}

// ---- a client that trusts nothing ----

struct Client {
    stream: TcpStream,
    reader: BufReader<TcpStream>,
}

#[derive(Debug)]
struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        let mut found = self
            .headers
            .iter()
            .filter(|(key, _)| key.eq_ignore_ascii_case(name));
        let value = found.next().map(|(_, value)| value.as_str());
        assert!(found.next().is_none(), "{name} twice");
        value
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

impl Client {
    fn connect(address: SocketAddr) -> Client {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        let reader = BufReader::new(stream.try_clone().unwrap());
        Client { stream, reader }
    }

    fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).unwrap();
    }

    /// Sends until the other side takes no more; returns how much it took.
    fn flood(&mut self, piece: &[u8], most: usize) -> usize {
        self.stream
            .set_write_timeout(Some(Duration::from_millis(300)))
            .unwrap();
        let mut sent = 0;
        while sent < most {
            match self.stream.write(piece) {
                Ok(count) => sent += count,
                Err(_) => break,
            }
        }
        sent
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.reader.read_line(&mut line).unwrap();
        assert!(line.ends_with("\r\n"), "not a line: {line:?}");
        line.truncate(line.len() - 2);
        line
    }

    fn head(&mut self) -> Answer {
        let status_line = self.line();
        let status = status_line
            .strip_prefix("HTTP/1.1 ")
            .and_then(|rest| rest.get(..3))
            .and_then(|digits| digits.parse().ok());
        let mut headers = Vec::new();
        loop {
            let line = self.line();
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(": ").unwrap();
            assert!(
                !name.to_ascii_lowercase().starts_with("x-jackdaw"),
                "{line}"
            );
            headers.push((name.to_owned(), value.to_owned()));
        }
        Answer {
            status: status.unwrap_or_else(|| panic!("{status_line:?}")),
            headers,
            body: Vec::new(),
        }
    }

    fn answer(&mut self, method: &str) -> Answer {
        let mut answer = self.head();
        if method == "HEAD" || matches!(answer.status, 100..=199 | 204 | 304) {
            return answer;
        }
        if answer.header("Transfer-Encoding") == Some("chunked") {
            assert_eq!(answer.header("Content-Length"), None);
            loop {
                let size = usize::from_str_radix(&self.line(), 16).unwrap();
                let start = answer.body.len();
                answer.body.resize(start + size, 0);
                self.reader.read_exact(&mut answer.body[start..]).unwrap();
                assert_eq!(self.line(), "");
                if size == 0 {
                    return answer;
                }
            }
        }
        match answer.header("Content-Length") {
            Some(length) => {
                answer.body.resize(length.parse().unwrap(), 0);
                self.reader.read_exact(&mut answer.body).unwrap();
            }
            None => {
                self.reader.read_to_end(&mut answer.body).unwrap();
            }
        }
        answer
    }

    fn ask(&mut self, request: &str) -> Answer {
        self.send(request);
        self.answer(request.split(' ').next().unwrap_or_default())
    }

    /// Whether the other side has ended the connection (waits for it).
    fn is_ended(&mut self) -> bool {
        let mut rest = Vec::new();
        match self.reader.read_to_end(&mut rest) {
            Ok(_) => rest.is_empty(),
            Err(error) => error.kind() == ErrorKind::ConnectionReset,
        }
    }
}

// ---- the twelve ----

#[test]
fn attack_01_content_length_beyond_memory() {
    let world = World::new();
    for length in [
        "30000000000",
        "9223372036854775808",
        "18446744073709551615",
        "99999999999999999999999",
    ] {
        for method in ["GET", "POST", "HEAD"] {
            let text =
                format!("{method} /ping HTTP/1.1\r\nHost: h\r\nContent-Length: {length}\r\n\r\n");
            let mut client = world.client();
            client.send(text);
            // The refusal of a HEAD has a body too: the connection ends with it.
            assert_eq!(client.answer("GET").status, 413);
            assert!(client.is_ended());
        }
    }
    world.assert_ping();
}

#[test]
fn attack_02_other_http_versions() {
    let world = World::new();
    for version in ["2.0", "3.0", "0.9", "1.2"] {
        for _ in 0..25 {
            let answer = world.ask(&format!("GET / HTTP/{version}\r\n\r\n"));
            assert_eq!(answer.status, 505, "{version}");
        }
    }
    let answer = world.ask("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0");
    assert_eq!(answer.status, 505);
    world.assert_ping();
}

#[test]
fn attack_03_many_keep_alive_connections_at_once() {
    let world = World::new();
    let mut clients: Vec<_> = (0..64).map(|_| world.client()).collect();
    for client in &mut clients {
        client.send(get("/ping"));
    }
    for client in &mut clients {
        assert_eq!(client.answer("GET").status, 200);
    }
    for client in &mut clients {
        assert_eq!(client.ask(&get("/ping")).status, 200);
    }
    world.assert_ping();
}

#[test]
fn attack_04_reset_storm() {
    let world = World::new();
    for round in 0..500 {
        let mut client = world.client();
        client.send(get(if round % 2 == 0 { "/ping" } else { "/stream" }));
        let socket = socket2::SockRef::from(&client.stream);
        socket.set_linger(Some(Duration::ZERO)).unwrap();
    }
    world.assert_ping();
}

/// The server in a process of its own with 128 descriptors: see the next test.
#[test]
#[ignore = "started by attack_05_descriptors_run_out"]
fn child_with_few_descriptors() {
    let few = rustix::process::Rlimit {
        current: Some(128),
        maximum: Some(128),
    };
    rustix::process::setrlimit(rustix::process::Resource::Nofile, few).unwrap();
    let world = World::new();
    println!("ADDRESS {} ", world.address);
    let mut line = String::new();
    io::stdin().read_line(&mut line).unwrap();
    // Whatever else the process opens may use the descriptors up altogether.
    let mut hoard = Vec::new();
    while let Ok(file) = File::open("/dev/null") {
        hoard.push(file);
    }
    println!("ADDRESS {} ", world.address);
    io::stdin().read_line(&mut line).unwrap();
    drop(hoard);
    println!("ADDRESS {} ", world.address);
    io::stdin().read_line(&mut line).unwrap();
}

#[test]
fn attack_05_descriptors_run_out() {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "front_door::child_with_few_descriptors"])
        .args(["--ignored", "--nocapture"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut next_address = || {
        let mut line = String::new();
        loop {
            line.clear();
            assert!(
                output.read_line(&mut line).unwrap() > 0,
                "the child has ended"
            );
            if let Some((_, rest)) = line.split_once("ADDRESS ") {
                return rest.trim().parse::<SocketAddr>().unwrap();
            }
        }
    };
    let address = next_address();
    let ping = || {
        let mut client = Client::connect(address);
        client.send(get("/ping"));
        let mut first = [0; 12];
        client.reader.read_exact(&mut first).is_ok() && &first == b"HTTP/1.1 200"
    };
    let mut crowd = Vec::new();
    for _ in 0..200 {
        crowd.push(TcpStream::connect(address).unwrap());
    }
    assert!(ping(), "others are served during the attack");
    drop(crowd);
    input.write_all(b"hoard\n").unwrap();
    assert_eq!(next_address(), address);
    // No descriptor is free: nobody can be served, but nothing may break for good.
    let crowd: Vec<_> = (0..50)
        .map(|_| TcpStream::connect(address).unwrap())
        .collect();
    input.write_all(b"release\n").unwrap();
    assert_eq!(next_address(), address);
    drop(crowd);
    let deadline = Instant::now() + Duration::from_secs(5);
    while !ping() {
        assert!(Instant::now() < deadline, "service came back");
    }
    input.write_all(b"end\n").unwrap();
    assert!(child.wait().unwrap().success());
}

#[test]
fn attack_06_header_line_without_end() {
    let world = World::new();
    let mut clients: Vec<_> = (0..8).map(|_| world.client()).collect();
    for client in &mut clients {
        client.send("GET / HTTP/1.1\r\nHost: h\r\nX: ");
        client.flood(&[b'x'; 65536], 64 << 20);
    }
    world.assert_ping();
    let mut client = world.client();
    client.send(format!("GET / HTTP/1.1\r\nX: {}", "x".repeat(17_000)));
    assert_eq!(client.answer("GET").status, 431);
}

#[test]
fn attack_07_header_lines_without_end() {
    let world = World::new();
    let mut client = world.client();
    client.send("GET / HTTP/1.1\r\n");
    client.flood("X: y\r\n".repeat(10_000).as_bytes(), 64 << 20);
    world.assert_ping();
    let mut client = world.client();
    client.send(format!("GET / HTTP/1.1\r\n{}", "X: y\r\n".repeat(3_000)));
    assert_eq!(client.answer("GET").status, 431);
    let lines = "X: y\r\n".repeat(100);
    assert_eq!(
        world
            .ask(&format!("GET / HTTP/1.1\r\nHost: h\r\n{lines}\r\n"))
            .status,
        431
    );
}

#[test]
fn attack_08_pipelined_requests_never_read() {
    let world = World::new();
    let pipeline = get("/ping").repeat(1000);
    let mut clients: Vec<_> = (0..4).map(|_| world.client()).collect();
    for client in &mut clients {
        // Far more than socket buffers hold would have to be answered before it is taken.
        let sent = client.flood(pipeline.as_bytes(), 256 << 20);
        assert!(sent < 256 << 20, "somebody holds all of this");
        world.assert_ping();
    }
}

#[test]
fn attack_09_chunk_size_line_without_end() {
    let world = World::new();
    let start = "POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
    let mut client = world.client();
    client.send(start);
    client.flood(&[b'1'; 65536], 64 << 20);
    world.assert_ping();
    let mut client = world.client();
    client.send(format!("{start}{}", "0".repeat(1000)));
    assert_eq!(client.answer("POST").status, 400);
    let mut client = world.client();
    client.send(format!("{start}1;{}", "x".repeat(1000)));
    assert_eq!(client.answer("POST").status, 400);
}

#[test]
fn attack_10_bodies_announced_but_never_sent() {
    let world = World::new();
    let mut clients: Vec<_> = (0..64).map(|_| world.client()).collect();
    for client in &mut clients {
        client.send("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 60000\r\n\r\nx");
    }
    world.assert_ping();
}

#[test]
fn attack_11_stalled_file_with_requests_behind_it() {
    let world = World::new();
    world.write_film(&vec![b'f'; 64 << 20]);
    let mut clients: Vec<_> = (0..8).map(|_| world.client()).collect();
    for client in &mut clients {
        client.send(get("/file") + &get("/ping").repeat(8));
    }
    for client in &mut clients {
        assert_eq!(client.head().status, 200);
    }
    world.assert_ping();
}

#[test]
fn attack_12_large_answers_never_read() {
    let world = World::new();
    let mut clients: Vec<_> = (0..16).map(|_| world.client()).collect();
    for client in &mut clients {
        client.send(get("/big"));
    }
    let mut endless: Vec<_> = (0..32).map(|_| world.client()).collect();
    for client in &mut endless {
        client.send(get("/stream-endless"));
    }
    for client in clients.iter_mut().chain(&mut endless) {
        // Served, or told to come back: parked answers and long threads are bounded.
        let answer = client.head();
        assert!(matches!(answer.status, 200 | 503), "{}", answer.status);
    }
    world.assert_ping();
}

// ---- more hostility ----

#[test]
fn framing_tricks_are_refused_and_never_a_second_request() {
    let world = World::new();
    let check = |lines: &str, status: u16| {
        let mut client = world.client();
        client.send(format!(
            "POST /echo HTTP/1.1\r\nHost: h\r\n{lines}\r\n{}",
            get("/ping")
        ));
        let answer = client.answer("POST");
        assert_eq!(answer.status, status, "{lines}");
        assert_eq!(answer.header("Connection"), Some("close"));
        assert!(client.is_ended(), "{lines}");
    };
    check("Content-Length: abc\r\n", 400);
    check("Content-Length: -5\r\n", 400);
    check("Content-Length: +5\r\n", 400);
    check("Content-Length: 5, 5\r\n", 400);
    check("Content-Length: 5\r\nContent-Length: 6\r\n", 400);
    check("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", 400);
    check("Transfer-Encoding: identity\r\n", 501);
    check("Transfer-Encoding: chunked\r\nX: a\nb\r\n", 400);
    check("X: a\0b\r\n", 400);
    check("Expect: the unexpected\r\n", 417);
    check("Content-Length: 65537\r\n", 413);
    check(" folded: x\r\n", 400);
    world.assert_ping();
}

#[test]
fn slow_heads_and_bodies_run_into_their_deadlines() {
    let world = World::with(|settings| {
        settings.timeouts.head = Duration::from_millis(200);
        settings.timeouts.idle = Duration::from_millis(200);
        settings.timeouts.body_grace = Duration::from_millis(200);
    });
    let mut slow_head = world.client();
    slow_head.send("GET /ping HTT");
    assert_eq!(slow_head.answer("GET").status, 408);
    let mut slow_body = world.client();
    slow_body.send("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n123");
    assert_eq!(slow_body.answer("POST").status, 408);
    let mut slow_chunk = world.client();
    slow_chunk.send("POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n12");
    assert_eq!(slow_chunk.answer("POST").status, 408);
    assert!(world.client().is_ended(), "silent connections end silently");
    let mut idle = world.client();
    assert_eq!(idle.ask(&get("/ping")).status, 200);
    assert!(idle.is_ended());
}

#[test]
fn drip_fed_heads_do_not_extend_their_deadline() {
    let world = World::with(|settings| settings.timeouts.head = Duration::from_millis(300));
    let mut client = world.client();
    let started = Instant::now();
    // A byte now and then keeps every single wait short; the deadline is for all of them.
    while started.elapsed() < PATIENCE {
        if client.stream.write_all(b"G").is_err() {
            break;
        }
        client
            .stream
            .set_read_timeout(Some(Duration::from_millis(20)))
            .unwrap();
        match client.stream.peek(&mut [0]) {
            Ok(_) => break,
            Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
        }
    }
    client.stream.set_read_timeout(Some(PATIENCE)).unwrap();
    assert_eq!(client.answer("GET").status, 408);
}

#[test]
fn idle_connections_make_room_for_new_ones() {
    let world = World::with(|settings| settings.max_connections = 8);
    let mut crowd: Vec<_> = (0..200).map(|_| world.client()).collect();
    for _ in 0..20 {
        world.assert_ping();
    }
    assert!(crowd[0].is_ended());
}

#[test]
fn stalled_readers_and_senders_make_room_for_new_ones() {
    let world = World::with(|settings| {
        settings.max_connections = 8;
        settings.timeouts.send_poll = Duration::from_millis(100);
    });
    world.write_film(&vec![b'f'; 64 << 20]);
    let mut crowd: Vec<_> = (0..8).map(|_| world.client()).collect();
    for (number, client) in crowd.iter_mut().enumerate() {
        client.send(match number % 2 {
            0 => get("/file"),
            _ => "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nx".into(),
        });
    }
    for _ in 0..8 {
        wait_until("a place comes free", || {
            let mut client = world.client();
            let _ = client.stream.write_all(get("/ping").as_bytes());
            let is_served = client
                .reader
                .fill_buf()
                .is_ok_and(|bytes| bytes.starts_with(b"HTTP/1.1 200"));
            crowd.push(client);
            is_served
        });
    }
}

#[test]
fn a_close_does_not_take_the_answer_away() {
    let world = World::new();
    let mut client = world.client();
    // What follows a request that ends the connection is never read; the answer must arrive.
    client.send(
        "GET /big HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n\r\n".to_owned() + &get("/ping"),
    );
    assert_eq!(client.answer("GET").body.len(), 8_000_000);
    assert!(client.is_ended());
}

#[test]
fn busy_connections_stay_and_newcomers_are_told() {
    let world = World::with(|settings| settings.max_connections = 3);
    let mut busy: Vec<_> = (0..3).map(|_| world.client()).collect();
    for client in &mut busy {
        client.send(get("/wait"));
    }
    wait_until("three requests wait", || {
        world.state.inside.load(Ordering::SeqCst) == 3
    });
    let mut late = world.client();
    let answer = late.answer("GET");
    assert_eq!(answer.status, 503);
    assert_eq!(answer.header("Retry-After"), Some("2"));
    assert!(late.is_ended());
    world.open_gate();
    for client in &mut busy {
        assert_eq!(client.answer("GET").text(), "waited");
    }
    wait_until("there is room again", || {
        let mut client = world.client();
        client.stream.write_all(get("/ping").as_bytes()).is_ok()
            && client
                .reader
                .fill_buf()
                .is_ok_and(|bytes| bytes.starts_with(b"HTTP/1.1 200"))
    });
}

#[test]
fn long_requests_are_bounded_and_short_ones_go_on() {
    let world = World::new();
    let mut waiting: Vec<_> = (0..32).map(|_| world.client()).collect();
    for client in &mut waiting {
        client.send(get("/wait"));
    }
    wait_until("32 requests wait", || {
        world.state.inside.load(Ordering::SeqCst) == 32
    });
    let mut client = world.client();
    let answer = client.ask(&get("/wait"));
    assert_eq!(answer.status, 503);
    assert_eq!(answer.header("Retry-After"), Some("2"));
    assert_eq!(
        client.ask(&get("/ping")).status,
        200,
        "the connection stays usable"
    );
    world.assert_ping();
    world.open_gate();
    for client in &mut waiting {
        assert_eq!(client.answer("GET").text(), "waited");
    }
}

#[test]
fn friends_leave_half_of_the_long_requests_to_others() {
    let world = World::new();
    let asked = "GET /peer-wait HTTP/1.1\r\nHost: h\r\nX-Api-Key: friend-key\r\n\r\n";
    let mut friends: Vec<_> = (0..16).map(|_| world.client()).collect();
    for client in &mut friends {
        client.send(asked);
    }
    wait_until("16 requests of friends wait", || {
        world.state.inside.load(Ordering::SeqCst) == 16
    });
    assert_eq!(world.ask(asked).status, 503);
    let mut others: Vec<_> = (0..16).map(|_| world.client()).collect();
    for client in &mut others {
        client.send(get("/wait"));
    }
    wait_until("16 others wait", || {
        world.state.inside.load(Ordering::SeqCst) == 32
    });
    world.open_gate();
    for client in friends.iter_mut().chain(&mut others) {
        assert_eq!(client.answer("GET").text(), "waited");
    }
    // Places come back with the answers.
    wait_until("a friend is let in again", || {
        world.ask(asked).status == 200
    });
}

#[test]
fn large_bodies_are_bounded_over_all_connections() {
    let world = World::with(|settings| settings.body_limit = |_, _| 4 << 20);
    let head = "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 4194304\r\n\r\n";
    let mut held = Vec::new();
    let mut is_refused = false;
    // Three fit beside the reserve for small ones; each is sent but for its last byte.
    for _ in 0..6 {
        let mut client = world.client();
        client.send(head);
        let mut sent = 0;
        while sent < 4_194_303 {
            let piece = vec![b'x'; 65_536.min(4_194_303 - sent)];
            if client.stream.write_all(&piece).is_err() {
                break;
            }
            sent += piece.len();
        }
        held.push(client);
    }
    wait_until("one is refused", || {
        for client in &mut held {
            client.stream.set_nonblocking(true).unwrap();
            let mut start = [0; 12];
            let count = client.stream.peek(&mut start).unwrap_or(0);
            client.stream.set_nonblocking(false).unwrap();
            is_refused |= &start[..count] == b"HTTP/1.1 503";
        }
        is_refused
    });
    let small = world.ask("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nsmall");
    assert_eq!(small.text(), "small");
    drop(held);
    wait_until("there is memory again", || {
        let mut client = world.client();
        client.send(head);
        client.stream.write_all(&vec![b'x'; 4_194_304]).is_ok() && {
            let answer = client.answer("POST");
            answer.status == 200 && answer.body.len() == 4_194_304
        }
    });
}

#[test]
fn panicking_handler_is_a_500_and_nothing_more() {
    let world = World::new();
    let mut client = world.client();
    for _ in 0..20 {
        let answer = client.ask(&get("/panic"));
        assert_eq!(answer.status, 500);
        assert_eq!(answer.text(), "{\"error\":\"Internal error\"}");
    }
    assert_eq!(client.ask(&get("/ping")).status, 200);
}

#[test]
fn random_bytes_end_in_a_refusal_or_a_close() {
    let world = World::new();
    let mut seed = 12_345_u64;
    for _ in 0..300 {
        let mut bytes = Vec::new();
        for _ in 0..(seed >> 40) % 200 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            bytes.push((seed >> 33) as u8);
        }
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(3);
        let mut client = world.client();
        client.send(&bytes);
        client.stream.shutdown(Shutdown::Write).unwrap();
        let mut answer = Vec::new();
        let _ = client.reader.read_to_end(&mut answer);
        assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 4"));
    }
    world.assert_ping();
}

// ---- ordinary clients ----

#[test]
fn answers_are_complete_and_framed() {
    let world = World::new();
    let answer = world.get("/ping");
    assert_eq!(answer.header("Content-Type"), Some("application/json"));
    assert_eq!(answer.header("Content-Length"), Some("15"));
    assert_eq!(answer.header("Connection"), None);
    assert_eq!(answer.header("Server"), None);
    let date = httpdate::parse_http_date(answer.header("Date").unwrap());
    assert!(date.is_ok());
    let missing = world.get("/nowhere");
    assert_eq!(missing.status, 404);
    assert_eq!(missing.text(), "{\"error\":\"Not found\"}");
    let wrong = world.ask("POST /ping HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!(wrong.status, 405);
    assert_eq!(wrong.header("Allow"), Some("GET, HEAD"));
    let injected = world.get("/inject");
    assert_eq!(
        (injected.header("X-Bad"), injected.header("X-Evil")),
        (None, None)
    );
    let bad = world.get("/ping?apikey=%zz");
    assert_eq!(bad.status, 400);
    assert_eq!(
        bad.text(),
        "{\"error\":\"parameter apikey is not valid percent-encoded UTF-8\"}"
    );
    let big = world.get("/big");
    assert!(big.body.len() == 8_000_000 && big.body.iter().all(|byte| *byte == b'b'));
}

#[test]
fn keep_alive_and_pipelining_keep_the_order() {
    let world = World::new();
    world.write_film(b"film");
    let mut client = world.client();
    let targets = [
        "/ping", "/seen/a", "/file", "/stream", "/nowhere", "/big", "/seen/b",
    ];
    let pipeline: String = targets.iter().map(|target| get(target)).collect();
    client.send(pipeline);
    let statuses: Vec<_> = targets
        .iter()
        .map(|target| {
            let answer = client.answer("GET");
            if let Some(item) = target.strip_prefix("/seen/") {
                assert!(answer.text().contains(&format!("\"{item}\"")));
            }
            answer.status
        })
        .collect();
    assert_eq!(statuses, [200, 200, 200, 200, 404, 200, 200]);
    let last = client.ask("GET /ping HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    assert_eq!(last.header("Connection"), Some("close"));
    assert!(client.is_ended());
}

#[test]
fn http_1_0_clients() {
    let world = World::new();
    let mut client = world.client();
    let answer = client.ask("GET /ping HTTP/1.0\r\n\r\n");
    assert_eq!(
        (answer.status, answer.header("Connection")),
        (200, Some("close"))
    );
    assert!(client.is_ended());
    let mut client = world.client();
    for _ in 0..2 {
        let answer = client.ask("GET /ping HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
        assert_eq!(answer.header("Connection"), Some("keep-alive"));
    }
    let mut client = world.client();
    let answer = client.ask("GET /stream HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    assert_eq!(answer.header("Transfer-Encoding"), None);
    assert_eq!(answer.header("Connection"), Some("close"));
    assert!(answer.body == LINE.repeat(1000).as_bytes());
}

#[test]
fn head_is_get_without_the_body() {
    let world = World::new();
    world.write_film(&[b'f'; 1000]);
    for target in ["/ping", "/big", "/file", "/nowhere"] {
        let mut client = world.client();
        let full = client.ask(&get(target));
        let head = client.ask(&format!("HEAD {target} HTTP/1.1\r\nHost: h\r\n\r\n"));
        assert_eq!(head.status, full.status);
        let without_date = |answer: &Answer| {
            let mut headers = answer.headers.clone();
            headers.retain(|(name, _)| name != "Date");
            headers
        };
        assert_eq!(without_date(&head), without_date(&full), "{target}");
        assert_eq!(
            head.header("Content-Length"),
            Some(full.body.len().to_string().as_str())
        );
        assert_eq!(
            client.ask(&get("/ping")).status,
            200,
            "nothing was left over"
        );
    }
    let mut client = world.client();
    let head = client.ask("HEAD /stream HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!((head.status, head.header("Content-Length")), (200, None));
    assert_eq!(client.ask(&get("/ping")).status, 200);
}

#[test]
fn streams_are_whole_or_visibly_cut() {
    let world = World::new();
    let whole = LINE.repeat(1000);
    let mut client = world.client();
    for target in ["/stream", "/stream-short-route"] {
        let answer = client.ask(&get(target));
        assert_eq!(answer.header("Transfer-Encoding"), Some("chunked"));
        assert!(answer.body == whole.as_bytes());
    }
    let small = client.ask(&get("/stream-small"));
    assert_eq!(
        small.header("Content-Length"),
        Some(LINE.len().to_string().as_str())
    );
    assert_eq!(small.text(), LINE);
    client.send(get("/stream-cut"));
    assert_eq!(client.head().header("Transfer-Encoding"), Some("chunked"));
    let mut rest = Vec::new();
    let _ = client.reader.read_to_end(&mut rest);
    assert!(!rest.ends_with(b"0\r\n\r\n"));
    assert!(rest.len() > 16_000);
    world.assert_ping();
}

#[test]
fn expect_continue_is_answered_once_the_body_is_wanted() {
    let world = World::new();
    let mut client = world.client();
    client.send(
        "POST /echo HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n",
    );
    let interim = client.answer("POST");
    assert_eq!((interim.status, interim.headers.len()), (100, 0));
    client.send("body");
    assert_eq!(client.answer("POST").text(), "body");
    client.send(
        "POST /echo HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 70000\r\n\r\n",
    );
    assert_eq!(client.answer("POST").status, 413);
}

#[test]
fn bodies_arrive_whole() {
    let world = World::with(|settings| settings.body_limit = |_, _| 4 << 20);
    let mut client = world.client();
    for length in [0, 1, 1024, 1025, 5000, 65_536, 65_537, 1_000_000, 4 << 20] {
        let body: Vec<u8> = (0..length).map(|at| (at % 253) as u8).collect();
        client.send(format!(
            "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: {length}\r\n\r\n"
        ));
        client.send(&body);
        assert!(client.answer("POST").body == body, "{length}");
    }
    client.send("POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n");
    let mut expected = Vec::new();
    for length in [1, 10, 4096, 70_000] {
        let chunk = vec![b'a' + (length % 26) as u8; length];
        client.send(format!("{length:X};x=y\r\n"));
        client.send(&chunk);
        client.send("\r\n");
        expected.extend(chunk);
    }
    client.send("0\r\nTrailer: x\r\n\r\n");
    assert!(client.answer("POST").body == expected);
    assert_eq!(client.ask(&get("/ping")).status, 200);
}

#[test]
fn chunked_body_beyond_its_limit_is_refused() {
    let world = World::new();
    let mut client = world.client();
    client.send("POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n");
    for _ in 0..5 {
        client.send(format!("4000\r\n{}\r\n", "x".repeat(0x4000)));
    }
    assert_eq!(client.answer("POST").status, 413);
}

#[test]
fn a_refused_upload_gets_to_read_the_refusal() {
    let world = World::new();
    let mut client = world.client();
    client.send("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 2000000\r\n\r\n");
    client.send(vec![b'x'; 2_000_000]);
    assert_eq!(client.answer("POST").status, 413);
}

#[test]
fn what_a_handler_sees() {
    let world = World::new();
    let seen = |request: &str| world.ask(request).text().to_owned();
    let text = seen(
        "GET /jd/seen/a%2Fb%3A%20c?q=x+y%26z&q HTTP/1.1\r\nHost: h:1\r\nX-Api-Key: k\r\n\
         X-Jackdaw-Remote: 6.6.6.6\r\nx-jackdaw-ticket: 1.1\r\nConnection: x-hop\r\nX-Hop: 1\r\n\
         User-Agent: caf\u{e9}\r\n\r\n",
    );
    let expected = "127.0.0.1 /seen/a%2Fb%3A%20c\n\
         Params([(\"item\", \"a/b: c\")]) Params([(\"q\", \"x y&z\"), (\"q\", \"\")])\n\
         Host: h:1\nX-Api-Key: k\nUser-Agent: caf??\n";
    let ours = ["Content-Length: 0\n", "Connection: close\n"];
    let text = ours.iter().fold(text, |text, line| text.replace(line, ""));
    assert_eq!(text, expected);
    assert_eq!(world.get("/jd/ping").status, 200);
    assert_eq!(world.get("/jdping").status, 404);
    for hostile in ["/seen/%", "/seen/%zz", "/seen/%ff", "/seen/%C3%28"] {
        assert_eq!(world.get(hostile).status, 400, "{hostile}");
    }
    assert!(seen(&get("/seen/caf\u{e9}")).contains("\"caf\u{e9}\""));
    assert_eq!(world.get("/seen/..").status, 200, "a name is not a path");
}

#[test]
fn keys_open_what_they_should() {
    let world = World::new();
    let status = |target: &str, lines: &str| {
        let answer = world.ask(&format!("GET {target} HTTP/1.1\r\nHost: h\r\n{lines}\r\n"));
        if answer.status == 401 {
            assert_eq!(answer.text(), "{\"error\":\"Unauthorized\"}");
            assert_eq!(answer.header("Content-Type"), Some("application/json"));
        }
        answer.status
    };
    assert_eq!(status("/peer", ""), 401);
    assert_eq!(status("/peer", "X-Api-Key: wrong\r\n"), 401);
    assert_eq!(status("/peer", "X-Api-Key: friend-key\r\n"), 200);
    assert_eq!(status("/peer", "X-Api-Key: owner-key\r\n"), 200);
    assert_eq!(status("/peer?apikey=friend-key", ""), 200);
    assert_eq!(status("/peer", "Authorization: Bearer friend-key\r\n"), 200);
    assert_eq!(status("/owner", "X-Api-Key: friend-key\r\n"), 401);
    assert_eq!(status("/owner", "X-Api-Key: owner-key\r\n"), 200);
    assert_eq!(status("/owner", ""), 401);
    assert_eq!(status("/nowhere", ""), 404);
}

#[test]
fn forms_as_clients_send_them() {
    let world = World::new();
    let post = |kind: &str, body: &str| {
        world.ask(&format!(
            "POST /form HTTP/1.1\r\nHost: h\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        ))
    };
    let answer = post(
        "application/x-www-form-urlencoded",
        "username=a%20b&password=c%2Bd+e",
    );
    assert!(
        answer
            .text()
            .contains("(\"username\", \"a b\"), (\"password\", \"c+d e\")")
    );
    let answer = post(
        "multipart/form-data; boundary=\"b\"",
        "--b\r\nContent-Disposition: form-data; name=\"f\"; filename=\"é\"\r\n\r\nx\r\n--b--\r\n",
    );
    assert!(answer.text().contains("filename: \"é\""));
    assert_eq!(post("application/json", "{}").status, 400);
    assert_eq!(post("application/json", "").status, 200);
}

// ---- files ----

fn pattern(length: usize) -> Vec<u8> {
    (0..length)
        .map(|at| ((at * 7 + at / 256) % 251) as u8)
        .collect()
}

#[test]
fn files_are_byte_exact() {
    let world = World::new();
    let film = pattern(3_000_001);
    world.write_film(&film);
    let mut client = world.client();
    let answer = client.ask(&get("/file"));
    assert!(answer.body == film);
    assert_eq!(
        answer.header("Content-Type"),
        Some("application/octet-stream")
    );
    assert_eq!(answer.header("Accept-Ranges"), Some("bytes"));
    assert_eq!(
        answer.header("Content-Disposition"),
        Some("attachment; filename=\"a film.mkv\"")
    );
    let etag = answer.header("ETag").unwrap().to_owned();
    world.guard_dropped.recv_timeout(PATIENCE).unwrap();
    let mut ask =
        |lines: &str| client.ask(&format!("GET /file HTTP/1.1\r\nHost: h\r\n{lines}\r\n\r\n"));
    let part = ask("Range: bytes=1000000-2000000");
    assert_eq!(part.status, 206);
    assert_eq!(
        part.header("Content-Range"),
        Some("bytes 1000000-2000000/3000001")
    );
    assert!(part.body == film[1_000_000..=2_000_000]);
    let tail = ask("Range: bytes=-1");
    assert_eq!(
        (tail.status, tail.body.as_slice()),
        (206, &film[3_000_000..])
    );
    let past = ask("Range: bytes=3000001-");
    assert_eq!(past.status, 416);
    assert_eq!(past.header("Content-Range"), Some("bytes */3000001"));
    assert_eq!(past.header("Content-Length"), Some("0"));
    assert_eq!(ask("Range: bytes=-0").status, 416);
    assert_eq!(ask("Range: bytes=5-1").status, 200);
    assert_eq!(ask("Range: bytes=0-1,5-6").status, 200);
    assert_eq!(ask(&format!("If-None-Match: {etag}")).status, 304);
    assert_eq!(
        ask(&format!("Range: bytes=0-1\r\nIf-Range: {etag}")).status,
        206
    );
    assert_eq!(ask("Range: bytes=0-1\r\nIf-Range: \"other\"").status, 200);
    std::fs::remove_file(&world.state.file).unwrap();
    assert_eq!(
        ask("Range: bytes=0-1").text(),
        "{\"error\":\"File not found\"}"
    );
}

#[test]
fn empty_file() {
    let world = World::new();
    world.write_film(b"");
    let mut client = world.client();
    let answer = client.ask(&get("/file"));
    assert_eq!(
        (answer.status, answer.header("Content-Length")),
        (200, Some("0"))
    );
    let ranged = client.ask("GET /file HTTP/1.1\r\nHost: h\r\nRange: bytes=0-\r\n\r\n");
    assert_eq!(ranged.status, 416);
}

#[test]
fn offsets_beyond_four_gib() {
    const SIZE: u64 = 5 << 30;
    const MARK: u64 = (4 << 30) + 4_321;
    let world = World::new();
    let film = File::create(&world.state.file).unwrap();
    film.set_len(SIZE).unwrap();
    film.write_all_at(b"mark", MARK).unwrap();
    let mut client = world.client();
    let head = client.ask("HEAD /file HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!(head.header("Content-Length"), Some("5368709120"));
    let range = format!("Range: bytes={}-{}", MARK - 2, MARK + 5);
    let part = client.ask(&format!("GET /file HTTP/1.1\r\nHost: h\r\n{range}\r\n\r\n"));
    assert_eq!(part.body, b"\0\0mark\0\0");
    let whole = format!("bytes {}-{}/{SIZE}", MARK - 2, MARK + 5);
    assert_eq!(part.header("Content-Range"), Some(whole.as_str()));
    // A long span across the border, read as it comes.
    client.send(format!(
        "GET /file HTTP/1.1\r\nHost: h\r\nRange: bytes={}-\r\n\r\n",
        (4_u64 << 30) - 100_000_000
    ));
    let head = client.head();
    let expected = SIZE - (4 << 30) + 100_000_000;
    assert_eq!(
        head.header("Content-Length"),
        Some(expected.to_string().as_str())
    );
    let mut buffer = vec![0; 1 << 20];
    let (mut received, mut marks) = (0, 0);
    while received < expected {
        let count = client.reader.read(&mut buffer).unwrap();
        assert!(count > 0, "ended at {received} of {expected}");
        marks += buffer[..count].iter().filter(|byte| **byte != 0).count();
        received += count as u64;
    }
    assert_eq!((received, marks), (expected, 4));
    assert_eq!(
        client.ask(&get("/ping")).status,
        200,
        "exactly the span was sent"
    );
}

#[test]
fn a_file_that_shrinks_ends_the_connection() {
    let world = World::new();
    world.write_film(&pattern(64 << 20));
    let mut client = world.client();
    client.send(get("/file") + &get("/ping"));
    assert_eq!(client.head().status, 200);
    let film = File::options().write(true).open(&world.state.file).unwrap();
    film.set_len(0).unwrap();
    let mut rest = Vec::new();
    let _ = client.reader.read_to_end(&mut rest);
    assert!(rest.len() < 64 << 20, "{}", rest.len());
    assert!(
        rest == pattern(64 << 20)[..rest.len()],
        "never padded, no other answer inside"
    );
    world.guard_dropped.recv_timeout(PATIENCE).unwrap();
}

#[test]
fn a_stalled_reader_is_cut_and_its_slot_freed() {
    let world = World::with(|settings| {
        settings.timeouts.stall = Duration::from_millis(400);
        settings.timeouts.send_poll = Duration::from_millis(100);
    });
    world.write_film(&vec![b'f'; 64 << 20]);
    let mut clients: Vec<_> = (0..16).map(|_| world.client()).collect();
    for client in &mut clients {
        client.send(get("/file"));
    }
    for _ in 0..16 {
        world.guard_dropped.recv_timeout(PATIENCE).unwrap();
    }
    world.assert_ping();
}

#[test]
fn guard_is_dropped_when_nobody_fetches_the_file() {
    let world = World::new();
    world.write_film(b"film");
    world.ask("HEAD /file HTTP/1.1\r\nHost: h\r\n\r\n");
    world.guard_dropped.recv_timeout(PATIENCE).unwrap();
    world.ask("GET /file HTTP/1.1\r\nHost: h\r\nIf-None-Match: *\r\n\r\n");
    world.guard_dropped.recv_timeout(PATIENCE).unwrap();
}

/// Allows little at a time and counts.
#[derive(Default)]
struct Counting {
    sent: AtomicU64,
}

impl Pace for Counting {
    fn permit(&self, wanted: u64) -> u64 {
        wanted.min(50_000)
    }

    fn sent(&self, sent: u64, _permitted: u64) {
        self.sent.fetch_add(sent, Ordering::SeqCst);
    }
}

#[test]
fn files_are_paced_and_metered() {
    let pace = Arc::new(Counting::default());
    let world = World::paced(Some(pace.clone()), |_| {});
    let film = pattern(1_234_567);
    world.write_film(&film);
    assert!(world.get("/file").body == film);
    world.guard_dropped.recv_timeout(PATIENCE).unwrap();
    assert_eq!(pace.sent.load(Ordering::SeqCst), 1_234_567);
}

// ---- start and stop ----

#[test]
fn several_addresses_and_a_port_in_use() {
    let world = World::with(|settings| {
        settings.listen.push("127.0.0.1:0".parse().unwrap());
    });
    let addresses = world.server.addresses();
    assert_eq!(addresses.len(), 2);
    for address in addresses {
        assert_eq!(Client::connect(*address).ask(&get("/ping")).status, 200);
    }
    let settings = Settings {
        listen: vec![world.address],
        ..Settings::default()
    };
    let error = Server::start(settings, ROUTES, Arc::clone(&world.state), identify).err();
    let error = error.unwrap();
    assert!(error.contains(&world.address.to_string()), "{error}");
}

#[test]
fn stop_finishes_short_requests_and_cuts_long_transfers() {
    let mut world = World::new();
    world.write_film(&vec![b'f'; 64 << 20]);
    let mut idle = world.client();
    assert_eq!(idle.ask(&get("/ping")).status, 200);
    let mut download = world.client();
    download.send(get("/file"));
    assert_eq!(download.head().status, 200);
    let mut waiting = world.client();
    waiting.send(get("/wait"));
    wait_until("a request waits", || {
        world.state.inside.load(Ordering::SeqCst) == 1
    });
    let started = Instant::now();
    thread::scope(|scope| {
        scope.spawn(|| {
            assert!(idle.is_ended(), "idle connections are closed at once");
            world.state.opened.notify_all();
            *world.state.is_open.lock().unwrap() = true;
            world.state.opened.notify_all();
            let answer = waiting.answer("GET");
            assert_eq!(answer.text(), "waited");
            assert!(waiting.is_ended());
        });
        world.server.stop();
    });
    assert!(
        started.elapsed() < Duration::from_secs(5),
        "{:?}",
        started.elapsed()
    );
    let mut rest = Vec::new();
    let _ = download.reader.read_to_end(&mut rest);
    assert!(rest.len() < 64 << 20);
    world.guard_dropped.recv_timeout(PATIENCE).unwrap();
    assert!(TcpStream::connect(world.address).is_err());
}
