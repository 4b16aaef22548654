//! The server under test: a small route table with a handler for each thing a front door must do.

use std::fs::File;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use jackdaw::http::{
    Access, Method, Pace, Request, Response, Route, Server, Settings, Weight, file_response,
};
use jackdaw::keys::Caller;

use super::client::{Answer, Client, PATIENCE};

pub struct State {
    pub file: PathBuf,
    pub pace: Option<Arc<dyn Pace>>,
    pub is_open: Mutex<bool>,
    pub opened: Condvar,
    pub inside: AtomicU64,
    pub guard_dropped: Mutex<Sender<()>>,
}

/// Tells the test that an answer's guard is gone.
pub struct Guard(Sender<()>);

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = self.0.send(());
    }
}

pub const GET: &[Method] = &[Method::Get];
pub const POST: &[Method] = &[Method::Post];

pub const fn route(
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

pub const fn long(mut route: Route<State>) -> Route<State> {
    route.weight = Weight::Long;
    route
}

pub const fn only(mut route: Route<State>, access: Access) -> Route<State> {
    route.access = access;
    route
}

pub static ROUTES: &[Route<State>] = &[
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

pub const LINE: &str = "0123456789 the quick brown fox jumps over the lazy dog 0\r\n\r\n!";

/// Answers when the gate is opened.
pub fn wait(state: &State) -> Response {
    state.inside.fetch_add(1, Ordering::SeqCst);
    let mut is_open = state.is_open.lock().unwrap();
    while !*is_open {
        is_open = state.opened.wait(is_open).unwrap();
    }
    Response::text(200, "waited")
}

pub fn stream(lines: usize, is_cut: bool) -> Response {
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

pub fn identify(_: &State, request: &Request) -> Option<Caller> {
    match request.presented_key()? {
        "owner-key" => Some(Caller::Owner),
        "friend-key" => Some(Caller::Friend("alice".into())),
        _ => None,
    }
}

pub struct World {
    pub server: Server,
    pub state: Arc<State>,
    pub address: SocketAddr,
    pub guard_dropped: Receiver<()>,
    pub folder: PathBuf,
}

impl World {
    pub fn new() -> World {
        World::with(|_| {})
    }

    pub fn with(adjust: impl FnOnce(&mut Settings)) -> World {
        World::paced(None, adjust)
    }

    pub fn paced(pace: Option<Arc<dyn Pace>>, adjust: impl FnOnce(&mut Settings)) -> World {
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

    pub fn client(&self) -> Client {
        Client::connect(self.address)
    }

    /// One request on a connection of its own.
    pub fn ask(&self, request: &str) -> Answer {
        let mut client = self.client();
        client.send(request);
        client.answer(request.split(' ').next().unwrap_or_default())
    }

    pub fn get(&self, target: &str) -> Answer {
        self.ask(&get(target))
    }

    /// `/ping` answers a fresh client, promptly enough that no deadline can be what freed it.
    pub fn assert_ping(&self) {
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

    pub fn open_gate(&self) {
        *self.state.is_open.lock().unwrap() = true;
        self.state.opened.notify_all();
    }

    pub fn write_film(&self, bytes: &[u8]) {
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

pub fn get(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: h\r\n\r\n")
}

/// Waits until `condition` holds.
pub fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "never happened: {what}");
        thread::yield_now();
    }
}
