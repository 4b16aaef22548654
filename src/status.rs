//! What goes on now, as JSON: the owner's `GET /status`, which `jackdaw status` shows.
//!
//! [`handle`] gathers from the parts, [`json`] writes; nothing is asked of a friend or an arr, so
//! that the answer is there in milliseconds. Lists are bounded: of grabs, the unfinished come
//! first, and what has ended is cut at [`MAX_GRABS`]. Texts of friends and arrs stand in it as they
//! are: whoever shows them escapes them. Keys never appear. README.md describes the fields to the owner: it
//! changes with them. Tested by `tests/status.rs`.

use std::time::{Duration, Instant};

use crate::arr::client::app_name;
use crate::arr::imports::{ImportTracker, Standing};
use crate::arr::registration::{self, Registrar, Registration};
use crate::catalogue::OriginState;
use crate::clock::now_unix;
use crate::config::Server;
use crate::grab::{Grab, Scope, State};
use crate::http::{Request, Response};
use crate::json::Object;
use crate::peer::uploads::Running;
use crate::services::Services;
use crate::store::StoreError;

/// Most grabs in one answer: some 300 KiB. Old imports pile up with `after_import = keep`.
pub const MAX_GRABS: usize = 500;

/// What a part of ours has to say about the arrs: registration, imports.
pub trait ArrReports: Send + Sync {
    /// What it knows now, without asking anybody.
    fn reports(&self) -> Vec<ArrReport>;
}

/// How it stands with one arr, as far as one part knows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ArrReport {
    /// Title of the `[server]`.
    pub server: String,
    /// Whether we are registered there; `None` if this part does not know.
    pub is_registered: Option<bool>,
    /// What the owner should know.
    pub notes: Vec<String>,
    /// Downloads that the arr has not imported, with its own words.
    pub imports: Vec<ImportReport>,
}

impl ArrReports for Registrar {
    fn reports(&self) -> Vec<ArrReport> {
        self.states().into_iter().map(report_of).collect()
    }
}

impl ArrReports for ImportTracker {
    fn reports(&self) -> Vec<ArrReport> {
        let report = |found: Standing| ArrReport {
            server: found.server,
            is_registered: None,
            notes: found.trouble.into_iter().collect(),
            imports: found
                .refused
                .into_iter()
                .map(|(title, messages)| ImportReport { title, messages })
                .collect(),
        };
        self.standings().into_iter().map(report).collect()
    }
}

fn report_of(found: Registration) -> ArrReport {
    let (is_registered, notes) = match found.state {
        registration::State::Pending => (None, Vec::new()),
        registration::State::Registered(notes) => (Some(true), notes),
        registration::State::Waiting(reason) => (Some(false), vec![reason]),
        registration::State::Off(reason) => (None, vec![reason.to_owned()]),
    };
    ArrReport {
        server: found.server,
        is_registered,
        notes,
        imports: Vec::new(),
    }
}

/// Why a finished download is not imported.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImportReport {
    /// Release title.
    pub title: String,
    /// The arr's messages.
    pub messages: Vec<String>,
}

/// Everything that is shown, at one moment.
pub struct Snapshot<'a> {
    /// `[jackdaw] name`.
    pub name: &'a str,
    /// Since the start of the process.
    pub uptime: Duration,
    /// Unix seconds.
    pub now: u64,
    /// `None` without `[downloads]`.
    pub downloads: Option<DownloadsPart>,
    /// What friends are being sent.
    pub uploads: Vec<Running>,
    /// Friends and sources.
    pub origins: Vec<OriginState>,
    /// The configured arrs.
    pub servers: &'a [Server],
    /// What is known about them.
    pub reports: Vec<ArrReport>,
}

/// What there is to say about downloads.
pub struct DownloadsPart {
    /// Bytes per second, all together.
    pub speed: u64,
    /// Bytes free at `completed_path`.
    pub free_space: u64,
    /// Any order, any number.
    pub grabs: Vec<Grab>,
    /// Names of friends by peer id.
    pub friends: Vec<(String, String)>,
}

/// `GET /status`.
pub fn handle(services: &Services, _request: &Request) -> Response {
    match gather(services) {
        Ok(snapshot) => Response::json(200, json(snapshot)),
        Err(error) => {
            log::error!("status: {error}");
            Response::json(
                500,
                "{\"error\":\"The database cannot be read: see the log\"}",
            )
        }
    }
}

fn gather(services: &Services) -> Result<Snapshot<'_>, StoreError> {
    let now = Instant::now();
    let downloads = match &services.downloads {
        None => None,
        Some(downloads) => Some(DownloadsPart {
            speed: downloads.totals().speed,
            free_space: downloads.free_space(),
            grabs: downloads.list(&Scope::All, None)?,
            friends: services
                .peers
                .all()
                .iter()
                .map(|peer| (peer.id().to_owned(), peer.name().to_owned()))
                .collect(),
        }),
    };
    Ok(Snapshot {
        name: &services.config.name,
        uptime: now.saturating_duration_since(services.started),
        now: now_unix(),
        downloads,
        uploads: services.uploads.running(now),
        origins: services.catalogue.origin_states()?,
        servers: &services.config.servers,
        reports: services
            .arr_reports
            .iter()
            .flat_map(|part| part.reports())
            .collect(),
    })
}

/// The answer's text.
pub fn json(snapshot: Snapshot<'_>) -> String {
    let mut out = String::new();
    let mut top = Object::begin(&mut out)
        .string("name", snapshot.name)
        .string("version", env!("CARGO_PKG_VERSION"))
        .number("uptime", snapshot.uptime.as_secs())
        .number("now", snapshot.now);
    if let Some(downloads) = snapshot.downloads {
        top = top.raw("downloads", &downloads_json(downloads));
    }
    let uploads = list(&snapshot.uploads, upload_json);
    let friends = snapshot.origins.iter().filter(|origin| origin.is_friend);
    let sources = snapshot.origins.iter().filter(|origin| !origin.is_friend);
    let reports = &snapshot.reports;
    let arrs = list(snapshot.servers, |out, server| {
        arr_json(out, server, reports);
    });
    top.raw("uploads", &uploads)
        .raw("friends", &list(friends, origin_json))
        .raw("sources", &list(sources, origin_json))
        .raw("arrs", &arrs)
        .end();
    out
}

fn list<T>(items: impl IntoIterator<Item = T>, each: impl Fn(&mut String, T)) -> String {
    let mut out = String::from("[");
    for item in items {
        if out.len() > 1 {
            out.push(',');
        }
        each(&mut out, item);
    }
    out.push(']');
    out
}

fn downloads_json(mut downloads: DownloadsPart) -> String {
    let all = downloads.grabs.len();
    // The unfinished in their order, then what ended, newest first.
    downloads.grabs.sort_by_key(|grab| {
        let rank = rank(grab.state);
        let order = match rank {
            0 => (grab.position, 0),
            _ => (0, u64::MAX - grab.completed_at.unwrap_or(grab.added_at)),
        };
        (rank, order)
    });
    downloads.grabs.truncate(MAX_GRABS);
    let friends = &downloads.friends;
    let grabs = list(&downloads.grabs, |out, grab| grab_json(out, grab, friends));
    let mut out = String::new();
    Object::begin(&mut out)
        .number("speed", downloads.speed)
        .number("free_space", downloads.free_space)
        .raw("grabs", &grabs)
        .number("left_out", (all - downloads.grabs.len()) as u64)
        .end();
    out
}

fn rank(state: State) -> u8 {
    match state {
        State::Downloading | State::Waiting | State::Queued | State::Paused => 0,
        State::Failed => 1,
        State::Completed => 2,
        State::Imported => 3,
    }
}

fn grab_json(out: &mut String, grab: &Grab, friends: &[(String, String)]) {
    let left = grab.size.saturating_sub(grab.have);
    let is_running = grab.state == State::Downloading && grab.speed > 0;
    let friend = friends.iter().find(|(id, _)| *id == grab.peer_id);
    Object::begin(out)
        .string("hash", &grab.infohash.to_string())
        .string("title", &grab.title)
        .string("state", grab.state.word())
        .maybe_string("reason", grab.reason.as_deref())
        .string("arr", &grab.arr)
        .string("category", &grab.category)
        // A friend that is not configured any more is known by its id only.
        .string(
            "friend",
            friend.map_or(grab.peer_id.as_str(), |(_, name)| name),
        )
        .number("size", grab.size)
        .number("have", grab.have)
        .number("speed", if is_running { grab.speed } else { 0 })
        .maybe_number("eta", is_running.then(|| left.div_ceil(grab.speed)))
        .number("attempts", u64::from(grab.attempts))
        .maybe_number("retry_at", grab.retry_at)
        .number("added_at", grab.added_at)
        .maybe_number("completed_at", grab.completed_at)
        .maybe_number("imported_at", grab.imported_at)
        .end();
}

fn upload_json(out: &mut String, upload: &Running) {
    let left = upload.total.saturating_sub(upload.sent);
    let eta = (upload.speed > 0).then(|| left.div_ceil(upload.speed));
    Object::begin(out)
        .string("to", &upload.who)
        .string("file", &upload.file)
        .number("size", upload.total)
        .number("sent", upload.sent)
        .number("speed", upload.speed)
        .maybe_number("eta", eta)
        .number("age", upload.age.as_secs())
        .end();
}

fn origin_json(out: &mut String, origin: &OriginState) {
    let mut object = Object::begin(out).string("name", &origin.name);
    // Absent: not asked yet.
    if let Some(is_up) = origin.is_up {
        object = object.boolean("up", is_up);
    }
    object = object
        .maybe_number("seen_at", origin.seen_at)
        .number("releases", origin.releases);
    if origin.is_friend {
        object = object.boolean("visible", origin.is_visible);
    }
    object.maybe_string("error", origin.error.as_deref()).end();
}

fn arr_json(out: &mut String, server: &Server, reports: &[ArrReport]) {
    let ours = || {
        reports
            .iter()
            .filter(|report| report.server == server.title)
    };
    let mut object = Object::begin(out)
        .string("title", &server.title)
        .string("type", app_name(server.kind))
        .string("url", &server.url)
        .boolean("source", server.source)
        .boolean("destination", server.destination);
    if let Some(is_registered) = ours().find_map(|report| report.is_registered) {
        object = object.boolean("registered", is_registered);
    }
    let notes: Vec<&String> = ours().flat_map(|report| &report.notes).collect();
    let imports = list(ours().flat_map(|report| &report.imports), |out, import| {
        Object::begin(out)
            .string("title", &import.title)
            .strings("messages", &import.messages)
            .end();
    });
    object
        .strings("notes", &notes)
        .raw("imports", &imports)
        .end();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::torrent::stub::{Infohash, Stub};

    fn grab(state: State, title: &str) -> Grab {
        let stub = Stub {
            title: title.into(),
            size: 1000,
            generation: 0,
            peer_id: "0a1b2c3d".into(),
            item_id: "x:movie:1".into(),
        };
        Grab {
            state,
            attempts: 1,
            category: "jackdaw-main".into(),
            have: 250,
            speed: 100,
            received: 250,
            last_activity: 100,
            ..Grab::of_stub("Main", Infohash([0xab; 20]), stub, "F".into(), 100)
        }
    }

    fn part(grabs: Vec<Grab>) -> DownloadsPart {
        DownloadsPart {
            speed: 100,
            free_space: 5000,
            grabs,
            friends: vec![("0a1b2c3d".into(), "alice".into())],
        }
    }

    #[test]
    fn the_whole_answer() {
        let config = Config::from_text(
            "f",
            "[server \"Main\"]\ntype = radarr\nurl = http://radarr:7878\n\
             api_key = 0123456789abcdef0123456789abcdef\nsource = true\n",
        )
        .unwrap();
        let friend = OriginState {
            name: "alice".into(),
            is_friend: true,
            is_up: Some(true),
            seen_at: Some(99),
            is_visible: true,
            releases: 12,
            error: None,
        };
        let source = OriginState {
            name: "radarr \"Main\"".into(),
            is_friend: false,
            is_up: Some(false),
            seen_at: None,
            is_visible: true,
            releases: 0,
            error: Some("not ready yet".into()),
        };
        let snapshot = Snapshot {
            name: "j",
            uptime: Duration::from_millis(61_500),
            now: 1000,
            downloads: Some(part(vec![grab(State::Downloading, "Up.2009")])),
            uploads: vec![Running {
                who: "bob".into(),
                file: "a.mkv".into(),
                sent: 10,
                total: 100,
                speed: 20,
                age: Duration::from_secs(3),
            }],
            origins: vec![source, friend],
            servers: &config.servers,
            reports: vec![
                ArrReport {
                    server: "Main".into(),
                    is_registered: Some(true),
                    ..ArrReport::default()
                },
                ArrReport {
                    server: "Main".into(),
                    imports: vec![ImportReport {
                        title: "Up.2009".into(),
                        messages: vec!["Sample".into()],
                    }],
                    notes: vec!["\"quoted\"".into()],
                    ..ArrReport::default()
                },
                ArrReport {
                    server: "Other".into(),
                    is_registered: Some(false),
                    ..ArrReport::default()
                },
            ],
        };
        let hash = "ab".repeat(20);
        let version = env!("CARGO_PKG_VERSION");
        let text = json(snapshot);
        for (before, _) in text.match_indices("\":").map(|(at, _)| text.split_at(at)) {
            let key = before.rsplit('"').next().unwrap();
            let is_described = include_str!("../README.md").contains(&format!("`{key}`"))
                || include_str!("../README.md").contains(&format!("`{key}[]`"));
            assert!(is_described, "README.md does not describe {key}");
        }
        assert_eq!(
            text,
            format!(
                concat!(
                    r#"{{"name":"j","version":"{version}","uptime":61,"now":1000,"#,
                    r#""downloads":{{"speed":100,"free_space":5000,"grabs":[{{"hash":"{hash}","#,
                    r#""title":"Up.2009","state":"downloading","arr":"Main","category":"jackdaw-main","#,
                    r#""friend":"alice","size":1000,"have":250,"speed":100,"eta":8,"attempts":1,"added_at":100}}],"#,
                    r#""left_out":0}},"#,
                    r#""uploads":[{{"to":"bob","file":"a.mkv","size":100,"sent":10,"speed":20,"eta":5,"age":3}}],"#,
                    r#""friends":[{{"name":"alice","up":true,"seen_at":99,"releases":12,"visible":true}}],"#,
                    r#""sources":[{{"name":"radarr \"Main\"","up":false,"releases":0,"error":"not ready yet"}}],"#,
                    r#""arrs":[{{"title":"Main","type":"Radarr","url":"http://radarr:7878","source":true,"#,
                    r#""destination":true,"registered":true,"notes":["\"quoted\""],"#,
                    r#""imports":[{{"title":"Up.2009","messages":["Sample"]}}]}}]}}"#,
                ),
                version = version,
                hash = hash
            )
        );
    }

    #[test]
    fn what_is_unfinished_comes_first_and_lists_are_bounded() {
        let mut grabs: Vec<Grab> = (0..MAX_GRABS as u64)
            .map(|n| Grab {
                completed_at: Some(n),
                ..grab(State::Imported, &format!("old {n}"))
            })
            .collect();
        grabs.push(grab(State::Failed, "failed"));
        grabs.push(Grab {
            position: 2,
            ..grab(State::Waiting, "second")
        });
        grabs.push(grab(State::Queued, "first"));
        let text = downloads_json(part(grabs));
        let at = |needle: &str| text.find(&format!("\"title\":\"{needle}\""));
        assert!(at("first") < at("second") && at("second") < at("failed"));
        assert!(at("failed") < at("old 499"), "newest of the old first");
        assert_eq!((at("old 2"), at("old 3").is_some()), (None, true));
        assert!(text.ends_with("\"left_out\":3}"));
    }

    #[test]
    fn a_grab_that_does_not_run_has_no_speed() {
        let mut out = String::new();
        let waiting = Grab {
            reason: Some("alice is away".into()),
            peer_id: "gone".into(),
            ..grab(State::Waiting, "x")
        };
        grab_json(&mut out, &waiting, &[]);
        assert!(out.contains("\"speed\":0,\"attempts\"") && out.contains("\"friend\":\"gone\""));
        assert!(out.contains("\"reason\":\"alice is away\""));
    }
}
