//! Services on a temporary folder, requests as clients send them, and what the answers say.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::catalogue::Catalogue;
use crate::config::ServerType;
use crate::config::{
    AfterImport, Config, Downloads as DownloadsConfig, Peer, RateSchedule, Server,
};
use crate::downloads::Downloads;
use crate::http::{Body, Method, Request, Response};
use crate::keys::Keys;
use crate::peer::Peers;
use crate::peer::client::PeerClient;
use crate::peer::uploads::Uploads;
use crate::qbittorrent::{Face, handle};
use crate::secret::{Secret, digest, random_hex};
use crate::services::Services;
use crate::store::Store;
use crate::torrent::stub::Stub;

pub const OWNER_KEY: &str = "0123456789abcdef0123456789abcdef";
pub const RADARR_KEY: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
pub const SONARR_KEY: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";
pub const FRIEND_KEY: &str = "cccccccccccccccccccccccccccccccc";

/// Everything a handler needs. Removed from disk on drop.
pub struct Rig {
    pub services: Services,
    dir: PathBuf,
}

/// One answer, read to the end.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: String,
    /// It was not built in memory first.
    pub is_streamed: bool,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// The session cookie that the answer sets.
    pub fn sid(&self) -> Option<String> {
        let cookie = self.header("Set-Cookie")?;
        let value = cookie.strip_prefix("SID=")?;
        Some(value.split(';').next().unwrap_or_default().to_string())
    }
}

/// One request under construction.
pub struct Call<'a> {
    rig: &'a Rig,
    method: Method,
    target: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    remote: &'a str,
}

impl Rig {
    pub fn new() -> Rig {
        Rig::with(true, AfterImport::Move)
    }

    pub fn with(has_downloads: bool, after_import: AfterImport) -> Rig {
        let dir = std::env::temp_dir().join(format!("jackdaw-qbittorrent-{}", random_hex::<8>()));
        let completed = dir.join("completed");
        std::fs::create_dir_all(&completed).unwrap();
        let mut config = Config::built_in();
        config.servers = vec![
            server("Main Radarr", ServerType::Radarr),
            server("Sonarr", ServerType::Sonarr),
        ];
        config.peers = vec![Peer {
            name: "alice".into(),
            // Nobody listens on port 1.
            url: "http://127.0.0.1:1".into(),
            api_key: Secret::new("k"),
            headers: Vec::new(),
        }];
        config.downloads = has_downloads.then(|| DownloadsConfig {
            completed_path: completed,
            arr_path: "/data/completed".into(),
            max_concurrent: 0,
            max_attempts: 3,
            retry_base_delay: Duration::from_secs(1),
            retry_max_delay: Duration::from_secs(60),
            idle_timeout: Duration::from_secs(60),
            max_file_size: 100 << 30,
            min_free_space: 0,
            rate: RateSchedule::default(),
            after_import,
            unlink_imported: false,
            import_poll_interval: Duration::from_secs(30),
            report_failures: true,
            umask: 0o002,
        });
        let store = Arc::new(Store::open(&dir).unwrap());
        for (role, name, key) in [
            ("arr", "Main Radarr", RADARR_KEY),
            ("arr", "Sonarr", SONARR_KEY),
            ("arr", "Gone", "dddddddddddddddddddddddddddddddd"),
            ("friend", "alice", FRIEND_KEY),
        ] {
            store
                .writer()
                .execute(
                    "INSERT INTO key (role, name, sha256, created_at) VALUES (?1, ?2, ?3, 0)",
                    (role, name, &digest(key)[..]),
                )
                .unwrap();
        }
        let peers = config.peers.iter().cloned().map(PeerClient::new);
        let peers = Arc::new(Peers::new(peers.map(Arc::new).collect()));
        let catalogue = Catalogue::open(
            Arc::clone(&store),
            Vec::new(),
            Arc::clone(&peers),
            &config.sharing,
        );
        let catalogue = Arc::new(catalogue.unwrap());
        let downloads = config.downloads.clone().map(|settings| {
            let (store, peers) = (Arc::clone(&store), Arc::clone(&peers));
            Downloads::start(settings, store, peers, Arc::clone(&catalogue)).unwrap()
        });
        let mut face = Face::new();
        face.wait = |_| {};
        let services = Services {
            config: Arc::new(config),
            keys: Keys::with_owner(Secret::new(OWNER_KEY), Arc::clone(&store)),
            store,
            peers,
            uploads: Arc::new(Uploads::new(8, 0, 0)),
            catalogue,
            downloads,
            imports: None,
            qbittorrent: face,
            arr_reports: Vec::new(),
            started: Instant::now(),
        };
        Rig { services, dir }
    }

    /// A call of `scope/action` with an optional query.
    pub fn call(&self, method: Method, target: &str) -> Call<'_> {
        Call {
            rig: self,
            method,
            target: target.to_string(),
            headers: vec![("Host".into(), "jackdaw:5225".into())],
            body: Vec::new(),
            remote: "192.0.2.1",
        }
    }

    pub fn get(&self, sid: &str, target: &str) -> Answer {
        self.call(Method::Get, target).session(sid).send()
    }

    pub fn post(&self, sid: &str, target: &str, form: &str) -> Answer {
        self.call(Method::Post, target)
            .session(sid)
            .form(form)
            .send()
    }

    /// Logs in; the session's id.
    pub fn login(&self, username: &str, key: &str) -> String {
        let form = format!("username={}&password={key}", username.replace(' ', "+"));
        let answer = self.call(Method::Post, "auth/login").form(&form).send();
        assert_eq!((answer.status, answer.body.as_str()), (200, "Ok."));
        answer.sid().unwrap()
    }

    /// A stub of the configured friend.
    pub fn stub(&self, title: &str, size: u64) -> (Vec<u8>, String) {
        let stub = Stub {
            title: title.into(),
            size,
            generation: 0,
            peer_id: self.services.peers.all()[0].id().to_string(),
            item_id: "1:movie:7".into(),
        };
        (stub.to_bytes(), stub.infohash().to_string())
    }

    /// Adds a stub as Radarr and Sonarr do; its hash.
    pub fn add(&self, sid: &str, title: &str, fields: &[(&str, &str)]) -> String {
        let (torrent, hash) = self.stub(title, 3_000_000);
        let answer = self.upload(sid, &[("a.torrent", &torrent)], fields);
        assert_eq!((answer.status, answer.body.as_str()), (200, "Ok."));
        hash
    }

    /// `torrents/add` as a multipart form.
    pub fn upload(&self, sid: &str, files: &[(&str, &[u8])], fields: &[(&str, &str)]) -> Answer {
        const BOUNDARY: &str = "-----------------------------0123456789abcdef";
        let mut body = Vec::new();
        for (name, bytes) in files {
            body.extend_from_slice(
                format!(
                    "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"torrents\"; \
                     filename=\"{name}\"\r\nContent-Type: application/octet-stream\r\n\r\n"
                )
                .as_bytes(),
            );
            body.extend_from_slice(bytes);
            body.extend_from_slice(b"\r\n");
        }
        for (name, value) in fields {
            body.extend_from_slice(
                format!(
                    "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"
                )
                .as_bytes(),
            );
        }
        body.extend_from_slice(format!("--{BOUNDARY}--\r\n").as_bytes());
        let mut call = self.call(Method::Post, "torrents/add").session(sid);
        call.body = body;
        call.header(
            "Content-Type",
            &format!("multipart/form-data; boundary={BOUNDARY}"),
        )
        .send()
    }

    /// Puts a grab into a state that only the transfer of bytes would lead to.
    pub fn force_state(&self, hash: &str, state: &str) {
        let changed = self
            .services
            .store
            .writer()
            .execute(
                "UPDATE grab SET state = ?2, filename = 'Some File.mkv',
                 completed_at = CASE WHEN ?2 IN ('completed', 'imported') THEN added_at + 2 END
                 WHERE infohash = ?1",
                (hash, state),
            )
            .unwrap();
        assert_eq!(changed, 1);
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        if let Some(downloads) = &self.services.downloads {
            downloads.stop();
        }
        // Left-overs in the temporary folder are no reason to fail.
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

impl<'a> Call<'a> {
    pub fn header(mut self, name: &str, value: &str) -> Call<'a> {
        self.headers.push((name.into(), value.into()));
        self
    }

    pub fn session(self, sid: &str) -> Call<'a> {
        self.header("Cookie", &format!("SID={sid}"))
    }

    pub fn form(mut self, form: &str) -> Call<'a> {
        self.body = form.as_bytes().to_vec();
        self.header("Content-Type", "application/x-www-form-urlencoded")
    }

    pub fn body(mut self, body: &[u8]) -> Call<'a> {
        self.body = body.to_vec();
        self
    }

    pub fn from(mut self, remote: &'a str) -> Call<'a> {
        self.remote = remote;
        self
    }

    pub fn send(self) -> Answer {
        read(self.respond())
    }

    /// The answer before its body is written.
    pub fn respond(self) -> Response {
        let target = format!("/api/v2/{}", self.target);
        let request = Request::new(
            self.method,
            &target,
            "",
            self.headers,
            self.body,
            self.remote.parse().unwrap(),
        );
        handle(&self.rig.services, &request)
    }
}

fn read(response: Response) -> Answer {
    let is_streamed = matches!(response.body, Body::Writer(_));
    let body = match response.body {
        Body::Empty => Vec::new(),
        Body::Bytes(bytes) => bytes,
        Body::Writer(write) => {
            let mut bytes = Vec::new();
            write(&mut bytes).unwrap();
            bytes
        }
        Body::File(_) => panic!("no file is ever sent here"),
    };
    Answer {
        status: response.status,
        headers: response.headers,
        body: String::from_utf8_lossy(&body).into_owned(),
        is_streamed,
    }
}

fn server(title: &str, kind: ServerType) -> Server {
    Server {
        title: title.into(),
        kind,
        url: "http://127.0.0.1:1".into(),
        api_key: Secret::new("k"),
        source: false,
        destination: true,
        autoregister: false,
        priority: 25,
        path_map: Vec::new(),
        headers: Vec::new(),
    }
}

/// Posts a table of target, form, expected status and text.
pub fn check(rig: &Rig, sid: &str, cases: &[(&str, &str, u16, &str)]) {
    for (target, form, status, body) in cases {
        let answer = rig.post(sid, target, form);
        assert_eq!(
            (answer.status, answer.body.as_str()),
            (*status, *body),
            "{target} {form}"
        );
    }
}

/// The value of a field in the one object of a list or in an object, as JSON.
pub fn field(json: &str, name: &str) -> String {
    let start = json
        .find(&format!("\"{name}\":"))
        .unwrap_or_else(|| panic!("no {name} in {json}"));
    let value = &json[start + name.len() + 3..];
    let end = if let Some(text) = value.strip_prefix('"') {
        text.find('"').unwrap() + 2
    } else {
        value.find([',', '}', ']']).unwrap()
    };
    value[..end].to_string()
}

/// The state of a grab, as JSON.
pub fn state(rig: &Rig, sid: &str, hash: &str) -> String {
    let list = rig.get(sid, &format!("torrents/info?hashes={hash}")).body;
    field(&list, "state")
}
