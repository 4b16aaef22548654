//! A fake Radarr or Sonarr over a real socket: the REST API v3 as Sonarr 4.0.19 and Radarr 6.0
//! behave, read from their sources. What matters to a client is kept, errors included:
//! keys, URL base (307), starting up (503), provider settings that fall back to class defaults
//! when a PUT leaves them out, masked secrets, tests on save with real calls back to us,
//! `forceSave`, validation arrays, history in whole seconds, paging. `support::fake_cdh` adds
//! what the app does with downloads.

mod library;
mod providers;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use miniserde::json::{self, Number, Object, Value};

use library::library_call;
use providers::{provider_call, read_provider};

/// Radarr or Sonarr.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum App {
    Radarr,
    Sonarr,
}

/// How it misbehaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    /// As it should.
    Well,
    /// 503 with its own words, as while starting.
    Starting,
    /// A proxy's login page with status 200.
    Html,
    /// 502 with a page.
    BadGateway,
    /// JSON cut in the middle.
    Truncated,
    /// `null` in the place of every answer.
    Null,
    /// Accepts, reads, and closes without an answer.
    HangUp,
    /// Reads, and answers once it is in another mood.
    Asleep,
    /// 401 to everything, with an empty body.
    WrongKey,
}

/// One request it got.
#[derive(Clone, Debug)]
pub struct Call {
    pub method: String,
    /// With its query.
    pub target: String,
    pub body: String,
    pub headers: Vec<(String, String)>,
}

/// Everything it keeps.
pub struct State {
    pub mood: Mood,
    pub version: String,
    pub url_base: String,
    /// Lists by resource: `indexer`, `downloadclient`, `notification`.
    pub providers: BTreeMap<&'static str, Vec<Provider>>,
    next_id: u64,
    /// Raw objects as `/movie` lists them.
    pub movies: Vec<String>,
    /// Raw objects as `/series` lists them.
    pub series: Vec<String>,
    /// Raw episodes by series id.
    pub episodes: BTreeMap<u64, Vec<String>>,
    /// Raw episode files by series id; without an entry the series is not there (404).
    pub episode_files: BTreeMap<u64, Vec<String>>,
    /// The series whose episodes cannot be listed.
    pub broken_series: Option<u64>,
    /// Raw history records, oldest first.
    pub history: Vec<Value>,
    /// Records of the queue.
    pub queue: Vec<Value>,
    /// Titles that were blocklisted, and whether a new search was to follow.
    pub blocklist: Vec<String>,
    /// Ids of queue entries that cannot be deleted (500).
    pub broken_deletes: Vec<u64>,
    pub root_folders: Vec<String>,
    pub mappings: Vec<Value>,
    /// The app's own view of the disk (its container's mounts): its path → the real one.
    /// `None`: it sees the real disk.
    pub mounts: Option<Vec<(String, PathBuf)>>,
    pub calls: Vec<Call>,
    /// Set by a stored `tags: null`: later searches throw.
    pub tags_broken: bool,
    /// Saves that are refused: method and resource, with the message of the validation answer.
    pub refuse: BTreeMap<(&'static str, &'static str), String>,
    /// A PUT that changes the implementation is a 500.
    pub refuse_conversion: bool,
}

/// A stored indexer, client or notification.
#[derive(Clone, Debug)]
pub struct Provider {
    pub id: u64,
    pub top: BTreeMap<String, Value>,
    pub fields: BTreeMap<String, Value>,
}

/// The running fake; stops when dropped.
pub struct FakeArr {
    pub app: App,
    pub key: String,
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    stopping: Arc<AtomicBool>,
}

struct Shared {
    app: App,
    key: String,
    state: Arc<Mutex<State>>,
}

impl FakeArr {
    /// Starts on a free port.
    pub fn start(app: App) -> FakeArr {
        FakeArr::start_on(app, "127.0.0.1:0".parse().unwrap())
    }

    /// Starts on this address (to come back after [`FakeArr::stop`]).
    pub fn start_on(app: App, address: SocketAddr) -> FakeArr {
        let listener = TcpListener::bind(address).expect("the fake arr's port is free");
        let address = listener.local_addr().unwrap();
        let key = match app {
            App::Radarr => "0123456789abcdef0123456789abcdef",
            App::Sonarr => "fedcba9876543210fedcba9876543210",
        };
        let state = Arc::new(Mutex::new(State {
            mood: Mood::Well,
            version: match app {
                App::Radarr => "6.0.3.10276",
                App::Sonarr => "4.0.19.2979",
            }
            .into(),
            url_base: String::new(),
            providers: BTreeMap::new(),
            next_id: 1,
            movies: Vec::new(),
            series: Vec::new(),
            episodes: BTreeMap::new(),
            episode_files: BTreeMap::new(),
            broken_series: None,
            history: Vec::new(),
            queue: Vec::new(),
            blocklist: Vec::new(),
            broken_deletes: Vec::new(),
            root_folders: Vec::new(),
            mappings: Vec::new(),
            mounts: None,
            calls: Vec::new(),
            tags_broken: false,
            refuse: BTreeMap::new(),
            refuse_conversion: false,
        }));
        let stopping = Arc::new(AtomicBool::new(false));
        let shared = Arc::new(Shared {
            app,
            key: key.into(),
            state: state.clone(),
        });
        let ends = stopping.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                if ends.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(stream) = stream else { continue };
                let shared = shared.clone();
                thread::spawn(move || serve(&shared, stream));
            }
        });
        FakeArr {
            app,
            key: key.into(),
            address,
            state,
            stopping,
        }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Base URL with the URL base.
    pub fn url(&self) -> String {
        format!("http://{}{}", self.address, self.state().url_base)
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// A `[server]` section for our configuration.
    pub fn section(&self, title: &str, more: &str) -> String {
        let kind = match self.app {
            App::Radarr => "radarr",
            App::Sonarr => "sonarr",
        };
        format!(
            "[server \"{title}\"]\ntype = {kind}\nurl = {}\napi_key = {}\n{more}\n",
            self.url(),
            self.key
        )
    }

    /// Providers of a resource.
    pub fn providers(&self, resource: &'static str) -> Vec<Provider> {
        self.state()
            .providers
            .get(resource)
            .cloned()
            .unwrap_or_default()
    }

    /// Puts a provider there as an earlier program or the user did: no test is run.
    pub fn plant(&self, resource: &'static str, raw: &str) -> u64 {
        let mut state = self.state();
        let id = state.next_id;
        state.next_id += 1;
        let provider = read_provider(self.app, &value(raw), id).expect("a known implementation");
        state.providers.entry(resource).or_default().push(provider);
        id
    }

    /// Requests so far of this method whose target begins with `/api/v3` + `path`.
    pub fn calls(&self, method: &str, path: &str) -> Vec<Call> {
        let prefix = format!("{}/api/v3{path}", self.state().url_base);
        self.state()
            .calls
            .iter()
            .filter(|call| call.method == method && call.target.starts_with(&prefix))
            .cloned()
            .collect()
    }

    /// Adds a history record; dates have whole seconds.
    pub fn add_history(&self, event: &str, download_id: &str, data: &[(&str, &str)]) -> u64 {
        let mut state = self.state();
        let id = state.next_id;
        state.next_id += 1;
        let data: Object = {
            let mut object = Object::new();
            for (key, text) in data {
                object.insert((*key).into(), Value::String((*text).into()));
            }
            object
        };
        let mut record = Object::new();
        record.insert("id".into(), number(id));
        record.insert("eventType".into(), Value::String(event.into()));
        record.insert("downloadId".into(), Value::String(download_id.into()));
        record.insert(
            "date".into(),
            Value::String(jackdaw::clock::iso8601(jackdaw::clock::now_unix())),
        );
        record.insert("sourceTitle".into(), Value::String("x".into()));
        record.insert("data".into(), Value::Object(data));
        state.history.push(Value::Object(record));
        id
    }
}

impl Drop for FakeArr {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::SeqCst);
        // Wakes the accept loop.
        let _ = TcpStream::connect(self.address);
    }
}

/// Parses JSON in a test.
pub fn value(text: &str) -> Value {
    json::from_str(text).unwrap_or_else(|_| panic!("not JSON: {text}"))
}

/// A JSON number.
pub fn number(n: u64) -> Value {
    Value::Number(Number::U64(n))
}

/// The mood that it wakes up in. A test that ends meanwhile takes the whole process with it.
fn wait_till_awake(shared: &Shared) -> Mood {
    super::eventually("the fake arr to be woken", Duration::from_secs(100), || {
        let mood = shared.state.lock().unwrap().mood;
        (mood != Mood::Asleep).then_some(mood)
    })
}

fn serve(shared: &Shared, stream: TcpStream) {
    stream
        .set_read_timeout(Some(Duration::from_secs(30)))
        .unwrap();
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut stream = stream;
    while let Some(call) = read_call(&mut reader) {
        let mood = {
            let mut state = shared.state.lock().unwrap();
            state.calls.push(call.clone());
            state.mood
        };
        let mood = match mood {
            Mood::Asleep => wait_till_awake(shared),
            mood => mood,
        };
        let (status, body) = match mood {
            Mood::Asleep => return,
            Mood::HangUp => return,
            Mood::Starting => (
                503,
                r#"{"errorMessage":"It is starting up, please try again later"}"#.to_owned(),
            ),
            Mood::Html => (200, "<!DOCTYPE html><html>Log in</html>".to_owned()),
            Mood::BadGateway => (502, "<html>502 Bad Gateway</html>".to_owned()),
            Mood::Null => (200, "null".to_owned()),
            Mood::WrongKey => (401, String::new()),
            Mood::Truncated => {
                let (status, body) = answer(shared, &call);
                let half = (0..=body.len() / 2)
                    .rev()
                    .find(|i| body.is_char_boundary(*i));
                (status, body[..half.unwrap_or(0)].to_owned())
            }
            Mood::Well => answer(shared, &call),
        };
        let version = shared.state.lock().unwrap().version.clone();
        let location = match status {
            307 => format!("Location: {body}\r\n"),
            _ => String::new(),
        };
        let body = if status == 307 { String::new() } else { body };
        let kind = match mood {
            Mood::Html | Mood::BadGateway => "text/html",
            _ => "application/json; charset=utf-8",
        };
        let head = format!(
            "HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\n\
             X-Application-Version: {version}\r\n{location}Content-Length: {}\r\n\r\n",
            body.len()
        );
        if stream.write_all(head.as_bytes()).is_err() || stream.write_all(body.as_bytes()).is_err()
        {
            return;
        }
    }
}

fn read_call(reader: &mut BufReader<TcpStream>) -> Option<Call> {
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut parts = line.split_whitespace();
    let method = parts.next()?.to_owned();
    let target = parts.next()?.to_owned();
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        let (name, text) = line.split_once(':')?;
        headers.push((name.to_ascii_lowercase(), text.trim().to_owned()));
    }
    let header = |name: &str| {
        headers
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, text)| text.clone())
    };
    let mut body = Vec::new();
    if let Some(length) = header("content-length") {
        body.resize(length.parse().ok()?, 0);
        reader.read_exact(&mut body).ok()?;
    } else if header("transfer-encoding").as_deref() == Some("chunked") {
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).ok()?;
            let size = usize::from_str_radix(line.trim(), 16).ok()?;
            let mut chunk = vec![0; size + 2];
            reader.read_exact(&mut chunk).ok()?;
            if size == 0 {
                break;
            }
            body.extend_from_slice(&chunk[..size]);
        }
    }
    Some(Call {
        method,
        target,
        body: String::from_utf8(body).ok()?,
        headers,
    })
}

type Query = BTreeMap<String, String>;

fn answer(shared: &Shared, call: &Call) -> (u16, String) {
    let (path, query) = call.target.split_once('?').unwrap_or((&call.target, ""));
    let query: Query = query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(key, text)| (key.to_owned(), unescape(text)))
        .collect();
    let url_base = shared.state.lock().unwrap().url_base.clone();
    let Some(path) = path.strip_prefix(url_base.as_str()) else {
        // A configured URL base: the right address is told, not served.
        return (307, format!("{url_base}{}", call.target));
    };
    if path == "/ping" {
        return (200, r#"{"status":"OK"}"#.into());
    }
    let Some(path) = path.strip_prefix("/api/v3") else {
        return (404, String::new());
    };
    let header = |name: &str| {
        call.headers
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, text)| text.as_str())
    };
    let presented = query
        .get("apikey")
        .map(String::as_str)
        .or(header("x-api-key"));
    if presented != Some(&shared.key) {
        return (401, String::new());
    }
    if !call.body.is_empty()
        && !header("content-type").is_some_and(|kind| kind.starts_with("application/json"))
    {
        return (415, String::new());
    }
    if header("accept").is_some_and(|accept| !accept.contains("json") && !accept.contains("*/*")) {
        return (406, String::new());
    }
    let segments: Vec<&str> = path.trim_matches('/').split('/').collect();
    match (call.method.as_str(), segments.as_slice()) {
        ("GET", ["system", "status"]) => (200, status(shared)),
        (
            _,
            [
                resource @ ("indexer" | "downloadclient" | "notification"),
                rest @ ..,
            ],
        ) => {
            let resource = match *resource {
                "indexer" => "indexer",
                "downloadclient" => "downloadclient",
                _ => "notification",
            };
            provider_call(shared, call, resource, rest, &query)
        }
        _ => library_call(shared, call, &segments, &query),
    }
}

fn status(shared: &Shared) -> String {
    let state = shared.state.lock().unwrap();
    let app = match shared.app {
        App::Radarr => "Radarr",
        App::Sonarr => "Sonarr",
    };
    format!(
        r#"{{"appName":"{app}","instanceName":"{app}","version":"{}","branch":"main","urlBase":"{}","isDocker":false,"osName":"debian"}}"#,
        state.version, state.url_base
    )
}

fn unescape(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        match (bytes[at], text.get(at + 1..at + 3)) {
            (b'%', Some(hex)) if u8::from_str_radix(hex, 16).is_ok() => {
                out.push(u8::from_str_radix(hex, 16).unwrap_or(b'?'));
                at += 3;
            }
            (b'+', _) => {
                out.push(b' ');
                at += 1;
            }
            (byte, _) => {
                out.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}
