//! A fake Radarr or Sonarr over a real socket: the REST API v3 as Sonarr 4.0.19 and Radarr 6.0
//! behave, read from their sources. What matters to a client is kept, errors included:
//! keys, URL base (307), starting up (503), provider settings that fall back to class defaults
//! when a PUT leaves them out, masked secrets, tests on save with real calls back to us,
//! `forceSave`, validation arrays, history in whole seconds, paging. `support::fake_cdh` adds
//! what the app does with downloads.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use jackdaw::json::{get, get_array, get_bool, get_str, get_u64};
use miniserde::json::{self, Array, Number, Object, Value};

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

// ---- providers -------------------------------------------------------------------------------

/// Settings classes: field names with their defaults (`None` = null), secrets marked.
fn settings(app: App, implementation: &str) -> Option<Vec<(&'static str, &'static str, bool)>> {
    let radarr = app == App::Radarr;
    Some(match implementation {
        "Torznab" => {
            let mut fields = vec![
                ("baseUrl", "null", false),
                ("apiPath", "\"/api\"", false),
                ("apiKey", "null", true),
                ("additionalParameters", "null", false),
                ("multiLanguages", "[]", false),
                ("failDownloads", "[]", false),
                ("minimumSeeders", "1", false),
                ("seedCriteria.seedRatio", "null", false),
                ("seedCriteria.seedTime", "null", false),
                (
                    "rejectBlocklistedTorrentHashesWhileGrabbing",
                    "false",
                    false,
                ),
            ];
            if radarr {
                fields.push((
                    "categories",
                    "[2000,2010,2020,2030,2040,2045,2050,2060]",
                    false,
                ));
                fields.push(("removeYear", "false", false));
                fields.push(("requiredFlags", "[]", false));
            } else {
                fields.push(("categories", "[5030,5040]", false));
                fields.push(("animeCategories", "[]", false));
                fields.push(("animeStandardFormatSearch", "false", false));
                fields.push(("seedCriteria.seasonPackSeedTime", "null", false));
            }
            fields
        }
        "QBittorrent" => {
            let mut fields = vec![
                ("host", "\"localhost\"", false),
                ("port", "8080", false),
                ("useSsl", "false", false),
                ("urlBase", "null", false),
                ("username", "null", false),
                ("password", "null", true),
                ("initialState", "0", false),
                ("sequentialOrder", "false", false),
                ("firstAndLast", "false", false),
                ("contentLayout", "0", false),
            ];
            if radarr {
                fields.push(("movieCategory", "\"radarr\"", false));
                fields.push(("movieImportedCategory", "null", false));
                fields.push(("recentMoviePriority", "0", false));
                fields.push(("olderMoviePriority", "0", false));
            } else {
                fields.push(("tvCategory", "\"tv-sonarr\"", false));
                fields.push(("tvImportedCategory", "null", false));
                fields.push(("recentTvPriority", "0", false));
                fields.push(("olderTvPriority", "0", false));
                fields.push(("apiKey", "null", true));
            }
            fields
        }
        "Newznab" => vec![
            ("baseUrl", "null", false),
            ("apiPath", "\"/api\"", false),
            ("apiKey", "null", true),
            ("categories", "[5030,5040]", false),
            ("additionalParameters", "null", false),
        ],
        "TorrentBlackhole" => vec![
            ("torrentFolder", "null", false),
            ("watchFolder", "null", false),
            ("saveMagnetFiles", "false", false),
            ("magnetFileExtension", "\".magnet\"", false),
            ("readOnly", "false", false),
        ],
        "Webhook" => vec![
            ("url", "null", false),
            ("method", "1", false),
            ("username", "null", false),
            ("password", "null", true),
            ("headers", "[]", false),
        ],
        _ => return None,
    })
}

fn implementations(resource: &str) -> &'static [&'static str] {
    match resource {
        "indexer" => &["Newznab", "Torznab"],
        "downloadclient" => &["TorrentBlackhole", "QBittorrent"],
        _ => &["Webhook"],
    }
}

/// Top-level properties of a resource and what a missing one becomes.
const TOP: &[(&str, &[(&str, &str)])] = &[
    (
        "indexer",
        &[
            ("enableRss", "false"),
            ("enableAutomaticSearch", "false"),
            ("enableInteractiveSearch", "false"),
            ("priority", "0"),
            ("downloadClientId", "0"),
        ],
    ),
    (
        "downloadclient",
        &[
            ("enable", "false"),
            ("priority", "0"),
            ("removeCompletedDownloads", "false"),
            ("removeFailedDownloads", "false"),
        ],
    ),
    (
        "notification",
        &[
            ("onGrab", "false"),
            ("onDownload", "false"),
            ("onUpgrade", "false"),
            ("onImportComplete", "false"),
            ("onManualInteractionRequired", "false"),
            ("onHealthIssue", "false"),
            ("includeHealthWarnings", "false"),
        ],
    ),
];

/// As `ProviderResourceMapper.ToModel`: what is left out falls back to the class default.
fn read_provider(app: App, body: &Value, id: u64) -> Option<Provider> {
    let implementation = get_str(body, "implementation")?;
    let known = settings(app, implementation)?;
    let mut top = BTreeMap::new();
    for (_, properties) in TOP {
        for (name, default) in *properties {
            top.insert(
                (*name).to_owned(),
                get(body, name).cloned().unwrap_or(value(default)),
            );
        }
    }
    for name in ["name", "implementation", "configContract", "protocol"] {
        top.insert(name.into(), get(body, name).cloned().unwrap_or(Value::Null));
    }
    top.insert(
        "tags".into(),
        get(body, "tags").cloned().unwrap_or(Value::Null),
    );
    let mut fields: BTreeMap<String, Value> = known
        .iter()
        .map(|(name, default, _)| ((*name).to_owned(), value(default)))
        .collect();
    for field in get_array(body, "fields") {
        // Names are matched exactly; unknown ones are passed over.
        if let (Some(name), Some(given)) = (get_str(field, "name"), get(field, "value"))
            && let Some(slot) = fields.get_mut(name)
        {
            *slot = given.clone();
        }
    }
    Some(Provider { id, top, fields })
}

fn show_provider(app: App, provider: &Provider) -> Value {
    let implementation = match &provider.top["implementation"] {
        Value::String(text) => text.clone(),
        _ => String::new(),
    };
    let mut object = Object::new();
    if provider.id != 0 {
        object.insert("id".into(), number(provider.id));
    }
    for (name, given) in &provider.top {
        if !matches!(given, Value::Null) {
            object.insert(name.clone(), given.clone());
        }
    }
    let mut fields = Array::new();
    for (order, (name, _, is_secret)) in settings(app, &implementation)
        .unwrap_or_default()
        .iter()
        .enumerate()
    {
        let mut field = Object::new();
        field.insert("order".into(), number(order as u64));
        field.insert("name".into(), Value::String((*name).into()));
        field.insert("label".into(), Value::String((*name).into()));
        let given = &provider.fields[*name];
        match given {
            Value::Null => {}
            Value::String(text) if *is_secret && !text.is_empty() => {
                field.insert("value".into(), Value::String("********".into()));
            }
            given => {
                field.insert("value".into(), given.clone());
            }
        }
        fields.push(Value::Object(field));
    }
    object.insert("fields".into(), Value::Array(fields));
    Value::Object(object)
}

fn error_item(property: &str, message: &str, is_warning: bool) -> Value {
    let mut out = String::new();
    jackdaw::json::Object::begin(&mut out)
        .string("propertyName", property)
        .string("errorMessage", message)
        .string("severity", if is_warning { "warning" } else { "error" })
        .boolean("isWarning", is_warning)
        .end();
    value(&out)
}

fn is_enabled(resource: &str, provider: &Provider) -> bool {
    let on = |name: &str| matches!(provider.top.get(name), Some(Value::Bool(true)));
    match resource {
        "indexer" => {
            on("enableRss") || on("enableAutomaticSearch") || on("enableInteractiveSearch")
        }
        "downloadclient" => on("enable"),
        _ => provider
            .top
            .iter()
            .any(|(name, given)| name.starts_with("on") && matches!(given, Value::Bool(true))),
    }
}

fn text_field<'a>(provider: &'a Provider, name: &str) -> &'a str {
    match provider.fields.get(name) {
        Some(Value::String(text)) => text,
        _ => "",
    }
}

/// Rules that are checked before anything is asked over the network.
fn validate(shared: &Shared, resource: &str, provider: &Provider) -> Vec<Value> {
    let state = shared.state.lock().unwrap();
    let mut errors = Vec::new();
    let name = match &provider.top["name"] {
        Value::String(text) => text.clone(),
        _ => String::new(),
    };
    if name.is_empty() {
        errors.push(error_item("Name", "'Name' must not be empty.", false));
    }
    let others = state.providers.get(resource).map_or(&[][..], Vec::as_slice);
    if others.iter().any(|other| {
        other.id != provider.id
            && matches!(&other.top["name"], Value::String(text) if text.eq_ignore_ascii_case(&name))
    }) {
        errors.push(error_item("Name", "Should be unique", false));
    }
    let priority = match provider.top.get("priority") {
        Some(Value::Number(Number::U64(n))) => *n,
        _ => 0,
    };
    if shared.app == App::Radarr && resource != "notification" && !(1..=50).contains(&priority) {
        errors.push(error_item(
            "Priority",
            "'Priority' must be between 1 and 50.",
            false,
        ));
    }
    if resource == "indexer" {
        let client = match provider.top.get("downloadClientId") {
            Some(Value::Number(Number::U64(n))) => *n,
            _ => 0,
        };
        let clients = state.providers.get("downloadclient");
        if client != 0 && !clients.is_some_and(|list| list.iter().any(|c| c.id == client)) {
            errors.push(error_item(
                "DownloadClientId",
                "Download Client does not exist",
                false,
            ));
        }
        let url = text_field(provider, "baseUrl");
        if !url.starts_with("http://") && !url.starts_with("https://") {
            errors.push(error_item(
                "BaseUrl",
                "'Base Url' must be a valid URL",
                false,
            ));
        }
        let none = |name: &str| !matches!(provider.fields.get(name), Some(Value::Array(a)) if !a.is_empty());
        if none("categories") && none("animeCategories") {
            errors.push(error_item("", "'Categories' must be provided", false));
        }
    }
    if matches!(&provider.top["implementation"], Value::String(t) if t == "QBittorrent") {
        let host = text_field(provider, "host");
        let is_host = !host.is_empty()
            && host
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "-_.:[]".contains(c));
        if !is_host {
            errors.push(error_item(
                "Host",
                "must be valid Host without http:// ",
                false,
            ));
        }
    }
    errors
}

fn provider_call(
    shared: &Shared,
    call: &Call,
    resource: &'static str,
    rest: &[&str],
    query: &Query,
) -> (u16, String) {
    let force = query
        .get("forceSave")
        .is_some_and(|text| text.eq_ignore_ascii_case("true"));
    let list = || -> Vec<Provider> {
        let state = shared.state.lock().unwrap();
        let mut all = state.providers.get(resource).cloned().unwrap_or_default();
        all.sort_by_key(|p| json::to_string(&p.top["name"]));
        all
    };
    let show = |provider: &Provider| json::to_string(&show_provider(shared.app, provider));
    match (call.method.as_str(), rest) {
        ("GET", []) => {
            let shown: Vec<String> = list().iter().map(show).collect();
            (200, format!("[{}]", shown.join(",")))
        }
        ("GET", ["schema"]) => {
            let shown: Vec<String> = implementations(resource)
                .iter()
                .map(|implementation| {
                    let contract = match *implementation {
                        "Webhook" => "WebhookSettings".to_owned(),
                        other => format!("{other}Settings"),
                    };
                    let mut body = Object::new();
                    body.insert(
                        "implementation".into(),
                        Value::String((*implementation).into()),
                    );
                    body.insert("configContract".into(), Value::String(contract));
                    body.insert("protocol".into(), Value::String("torrent".into()));
                    body.insert("tags".into(), Value::Array(Array::new()));
                    body.insert(
                        "priority".into(),
                        number(if resource == "indexer" { 25 } else { 1 }),
                    );
                    let provider = read_provider(shared.app, &Value::Object(body), 0).unwrap();
                    show(&provider)
                })
                .collect();
            (200, format!("[{}]", shown.join(",")))
        }
        ("GET", [id]) => match list().iter().find(|p| p.id.to_string() == *id) {
            Some(provider) => (200, show(provider)),
            None => (404, r#"{"message":"NotFound"}"#.into()),
        },
        ("DELETE", [id]) => {
            let mut state = shared.state.lock().unwrap();
            let all = state.providers.entry(resource).or_default();
            let before = all.len();
            all.retain(|p| p.id.to_string() != *id);
            if all.len() == before {
                return (404, r#"{"message":"NotFound"}"#.into());
            }
            (200, "{}".into())
        }
        ("POST" | "PUT", rest) => {
            let Ok(body) = json::from_str::<Value>(&call.body) else {
                return (400, r#"{"title":"malformed","status":400}"#.into());
            };
            let is_test = rest == ["test"];
            let id = match (call.method.as_str(), rest) {
                ("PUT", [id]) => id.parse().unwrap_or(0),
                ("POST", ["test"]) => get_u64(&body, "id").unwrap_or(0),
                ("POST", []) if get_u64(&body, "id").unwrap_or(0) != 0 => {
                    return (500, r#"{"message":"Expected entity to be new"}"#.into());
                }
                _ => 0,
            };
            let stored = list().into_iter().find(|p| p.id == id);
            if call.method == "PUT" && stored.is_none() {
                return (404, r#"{"message":"NotFound"}"#.into());
            }
            if get(&body, "fields").is_none() {
                return (if call.method == "PUT" { 500 } else { 400 }, "[]".into());
            }
            let Some(mut provider) = read_provider(shared.app, &body, id) else {
                return (
                    400,
                    r#"[{"propertyName":"Implementation","errorMessage":"unknown"}]"#.into(),
                );
            };
            if let Some(stored) = &stored {
                for given in provider.fields.iter_mut() {
                    if matches!(given.1, Value::String(text) if text == "********") {
                        *given.1 = stored.fields.get(given.0).cloned().unwrap_or(Value::Null);
                    }
                }
            }
            let implementation = |p: &Provider| json::to_string(&p.top["implementation"]);
            let mut errors = Vec::new();
            {
                let state = shared.state.lock().unwrap();
                if let Some(message) = state
                    .refuse
                    .iter()
                    .find(|((method, of), _)| *method == call.method && *of == resource)
                    .map(|(_, message)| message)
                    && !is_test
                {
                    errors.push(error_item("", message, false));
                }
                if state.refuse_conversion
                    && stored
                        .as_ref()
                        .is_some_and(|stored| implementation(stored) != implementation(&provider))
                {
                    return (500, r#"{"message":"Unable to cast object"}"#.into());
                }
            }
            if !errors.is_empty() {
                return (400, json::to_string(&errors));
            }
            let enabled = is_enabled(resource, &provider);
            let changed = stored.as_ref().is_none_or(|stored| {
                format!("{:?}{:?}", stored.top, stored.fields)
                    != format!("{:?}{:?}", provider.top, provider.fields)
            });
            if call.method == "PUT" && !changed {
                return (202, show(&provider));
            }
            if enabled || is_test {
                errors = validate(shared, resource, &provider);
            }
            // forceSave on POST does not skip the test; on PUT it does.
            let runs = is_test || (enabled && (call.method == "POST" || !force));
            if errors.is_empty() && runs {
                errors = super::fake_cdh::test_provider(shared.app, &provider);
            }
            let blocks = |error: &Value| get_bool(error, "isWarning") != Some(true) || !force;
            if errors.iter().any(blocks) {
                return (400, json::to_string(&errors));
            }
            if is_test {
                return (200, "{}".into());
            }
            let mut state = shared.state.lock().unwrap();
            if matches!(provider.top["tags"], Value::Null) {
                state.tags_broken = true;
            }
            let status = match stored {
                Some(_) => 202,
                None => {
                    provider.id = state.next_id;
                    state.next_id += 1;
                    201
                }
            };
            let shown = show(&provider);
            let all = state.providers.entry(resource).or_default();
            all.retain(|p| p.id != provider.id);
            all.push(provider);
            (status, shown)
        }
        _ => (405, String::new()),
    }
}

// ---- library, history, queue -----------------------------------------------------------------

fn library_call(shared: &Shared, call: &Call, segments: &[&str], query: &Query) -> (u16, String) {
    let mut state = shared.state.lock().unwrap();
    let radarr = shared.app == App::Radarr;
    let joined = |items: Vec<&String>| {
        let items: Vec<&str> = items.into_iter().map(String::as_str).collect();
        (200, format!("[{}]", items.join(",")))
    };
    let filtered = |items: &[String], field: &str, parameter: &str| -> (u16, String) {
        let wanted = query
            .get(parameter)
            .and_then(|text| text.parse::<u64>().ok());
        joined(
            items
                .iter()
                .filter(|raw| wanted.is_none() || get_u64(&value(raw), field) == wanted)
                .collect(),
        )
    };
    match (call.method.as_str(), segments) {
        ("GET", ["movie"]) if radarr => filtered(&state.movies, "tmdbId", "tmdbId"),
        ("GET", ["series"]) if !radarr => filtered(&state.series, "tvdbId", "tvdbId"),
        ("GET", ["episode"]) if !radarr => match query.get("seriesId") {
            Some(id) if state.broken_series.is_some_and(|n| n.to_string() == *id) => {
                (500, r#"{"message":"database is locked"}"#.into())
            }
            Some(id) => {
                let all = state.episodes.get(&id.parse().unwrap_or(0));
                joined(all.map_or(Vec::new(), |all| all.iter().collect()))
            }
            None => (
                400,
                r#"{"message":"seriesId or episodeIds must be provided"}"#.into(),
            ),
        },
        ("GET", ["episodefile"]) if !radarr => {
            let id = query.get("seriesId").and_then(|id| id.parse().ok());
            match id.map(|id: u64| state.episode_files.get(&id)) {
                Some(Some(all)) => joined(all.iter().collect()),
                Some(None) => (404, r#"{"message":"NotFound"}"#.into()),
                None => (
                    400,
                    r#"{"message":"seriesId or episodeFileIds must be provided"}"#.into(),
                ),
            }
        }
        ("GET", ["history", "since"]) => {
            let since = query.get("date").cloned().unwrap_or_default();
            let event = query.get("eventType").cloned();
            let records: Vec<String> = state
                .history
                .iter()
                .filter(|record| get_str(record, "date").unwrap_or_default() >= since.as_str())
                .filter(|record| {
                    event.is_none() || get_str(record, "eventType") == event.as_deref()
                })
                .map(json::to_string)
                .collect();
            (200, format!("[{}]", records.join(",")))
        }
        ("GET", ["history"]) => {
            let id = query.get("downloadId").cloned();
            let records: Vec<String> = state
                .history
                .iter()
                .rev()
                .filter(|record| id.is_none() || get_str(record, "downloadId") == id.as_deref())
                .map(json::to_string)
                .collect();
            (200, page(query, &records))
        }
        ("POST", ["history", "failed", id]) => {
            let found = state
                .history
                .iter()
                .find(|record| get_u64(record, "id").map(|n| n.to_string()).as_deref() == Some(*id))
                .and_then(|record| get_str(record, "downloadId").map(str::to_owned));
            match found {
                Some(download_id) => {
                    state.blocklist.push(download_id);
                    (200, "{}".into())
                }
                None => (404, r#"{"message":"NotFound"}"#.into()),
            }
        }
        ("GET", ["queue"]) => {
            let unknown = query
                .get(if radarr {
                    "includeUnknownMovieItems"
                } else {
                    "includeUnknownSeriesItems"
                })
                .is_some_and(|text| text == "true");
            let owner = if radarr { "movieId" } else { "seriesId" };
            let records: Vec<String> = state
                .queue
                .iter()
                .filter(|record| unknown || get(record, owner).is_some())
                .map(json::to_string)
                .collect();
            (200, page(query, &records))
        }
        ("DELETE", ["queue", id]) => {
            if state
                .broken_deletes
                .iter()
                .any(|broken| broken.to_string() == *id)
            {
                return (500, r#"{"message":"database is locked"}"#.into());
            }
            let at = state.queue.iter().position(|record| {
                get_u64(record, "id").map(|n| n.to_string()).as_deref() == Some(*id)
            });
            let Some(at) = at else {
                return (404, r#"{"message":"NotFound"}"#.into());
            };
            let record = state.queue.remove(at);
            let download_id = get_str(&record, "downloadId")
                .unwrap_or_default()
                .to_owned();
            let on = |name: &str| query.get(name).is_some_and(|text| text == "true");
            if on("blocklist") {
                state.blocklist.push(download_id.clone());
            }
            let client = state.providers.get("downloadclient").and_then(|all| {
                all.iter()
                    .find(|p| is_enabled("downloadclient", p))
                    .cloned()
            });
            drop(state);
            if on("removeFromClient")
                && let Some(client) = client
            {
                // As the real one: the client is called before this answers.
                super::fake_cdh::delete(&client, &download_id.to_lowercase());
            }
            (200, "{}".into())
        }
        ("GET", ["rootfolder"]) => {
            let all: Vec<String> = state
                .root_folders
                .iter()
                .enumerate()
                .map(|(id, path)| {
                    format!(
                        r#"{{"id":{},"path":{},"accessible":true,"freeSpace":1000000000,"unmappedFolders":[]}}"#,
                        id + 1,
                        json::to_string(path)
                    )
                })
                .collect();
            (200, format!("[{}]", all.join(",")))
        }
        ("GET", ["remotepathmapping"]) => (200, json::to_string(&state.mappings)),
        ("POST", ["remotepathmapping"]) => {
            let Ok(Value::Object(mut body)) = json::from_str(&call.body) else {
                return (400, "{}".into());
            };
            // Both get their trailing separator; a duplicate of host and remote path is a 500.
            let text = |body: &Object, name: &str| match body.get(name) {
                Some(Value::String(text)) => text.clone(),
                _ => String::new(),
            };
            for name in ["remotePath", "localPath"] {
                let path = text(&body, name);
                let path = format!("{}/", path.trim_end_matches('/'));
                body.insert(name.into(), Value::String(path));
            }
            let local = text(&body, "localPath");
            if real(&state.mounts, &local).is_none_or(|path| !path.is_dir()) {
                return (
                    400,
                    json::to_string(&vec![error_item(
                        "LocalPath",
                        &format!("Path: '{local}' does not exist"),
                        false,
                    )]),
                );
            }
            if state.mappings.iter().any(|old| {
                ["host", "remotePath"]
                    .iter()
                    .all(|name| get_str(old, name) == Some(&text(&body, name)))
            }) {
                return (
                    500,
                    r#"{"message":"RemotePath already mapped","description":""}"#.into(),
                );
            }
            let id = state.next_id;
            state.next_id += 1;
            body.insert("id".into(), number(id));
            let body = Value::Object(body);
            state.mappings.push(body.clone());
            (201, json::to_string(&body))
        }
        ("GET", ["filesystem"]) => {
            let path = query.get("path").cloned().unwrap_or_default();
            let with_files = query.get("includeFiles").is_some_and(|text| text == "true");
            // Without a separator at the end the parent is listed; what is not there is empty.
            let folder = &path[..path.rfind('/').map_or(0, |at| at + 1)];
            let mut folders: Vec<String> = Vec::new();
            let mut files: Vec<String> = Vec::new();
            match (&state.mounts, real(&state.mounts, folder)) {
                (Some(mounts), _) if folder == "/" => folders.extend(
                    mounts
                        .iter()
                        .filter_map(|(theirs, _)| theirs.split('/').nth(1))
                        .map(str::to_owned),
                ),
                (_, Some(real)) => {
                    for entry in std::fs::read_dir(real).into_iter().flatten().flatten() {
                        let Ok(name) = entry.file_name().into_string() else {
                            continue;
                        };
                        match entry.path().is_dir() {
                            true => folders.push(name),
                            false => files.push(name),
                        }
                    }
                }
                (_, None) => {}
            }
            folders.dedup();
            let shown = |kind: &str, names: Vec<String>, end: &str| {
                let shown: Vec<String> = names
                    .iter()
                    .map(|name| {
                        format!(
                            r#"{{"type":"{kind}","name":{},"path":{}}}"#,
                            json::to_string(name),
                            json::to_string(&format!("{folder}{name}{end}"))
                        )
                    })
                    .collect();
                shown.join(",")
            };
            let files = if with_files { files } else { Vec::new() };
            (
                200,
                format!(
                    r#"{{"directories":[{}],"files":[{}]}}"#,
                    shown("folder", folders, "/"),
                    shown("file", files, "")
                ),
            )
        }
        ("GET", ["health"]) => (200, "[]".into()),
        ("POST", ["command"]) => (201, r#"{"id":1,"status":"queued"}"#.into()),
        _ => (404, r#"{"message":"NotFound"}"#.into()),
    }
}

/// Where a path of the app's really is; `None` if it cannot see it.
fn real(mounts: &Option<Vec<(String, PathBuf)>>, theirs: &str) -> Option<PathBuf> {
    let Some(mounts) = mounts else {
        return Some(PathBuf::from(theirs));
    };
    mounts
        .iter()
        .filter_map(|(at, real)| {
            let rest = Path::new(theirs).strip_prefix(at).ok()?;
            Some((at.len(), real.join(rest)))
        })
        .max_by_key(|(length, _)| *length)
        .map(|(_, path)| path)
}

fn page(query: &Query, records: &[String]) -> String {
    let at = |name: &str, default: usize| {
        query
            .get(name)
            .and_then(|text| text.parse().ok())
            .unwrap_or(default)
    };
    let (page, size) = (at("page", 1).max(1), at("pageSize", 10).max(1));
    let shown: Vec<&str> = records
        .iter()
        .skip((page - 1) * size)
        .take(size)
        .map(String::as_str)
        .collect();
    format!(
        r#"{{"page":{page},"pageSize":{size},"totalRecords":{},"records":[{}]}}"#,
        records.len(),
        shown.join(",")
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
