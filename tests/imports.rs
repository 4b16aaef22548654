//! What becomes of a grab once its transfer has ended: imports, refusals and failures, against a
//! Radarr and a Sonarr that behave as theirs do.
//!
//! Most finished and failed grabs are put into the database as a transfer leaves them (transfers
//! have tests of their own); everything after that is the real program.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use jackdaw::clock::{iso8601, now_unix};
use jackdaw::downloads::{Grab, State};
use jackdaw::secret::{Secret, digest, hex};
use jackdaw::store::{Added, NewRow, Store};
use jackdaw::torrent::stub::Infohash;

use crate::support::arr::{self, Arr, Item, Kind};
use crate::support::content::Content;
use crate::support::fake_arr::{App, FakeArr, Mood, value};
use crate::support::fake_cdh::{self, Tracked};
use crate::support::http::{Answer, request};
use crate::support::peer::{FakePeer, FileFault, Offer, PEER_KEY};
use crate::support::process::{Config, Jackdaw, KEY};
use crate::support::{Home, SOON, eventually};

const RADARR: &str = "Main Radarr";
const SONARR: &str = "TV Sonarr";
const TITLE: &str = "The.Matrix.1999.1080p.BluRay.x264-GROUP";
const FILE: &str = "The.Matrix.1999.1080p.BluRay.x264-GROUP.mkv";
const CATEGORY: &str = "jackdaw-arr";
const DESTINATION: &str = "destination = true\nsource = false\nautoregister = false";
/// Long enough that no test sees a second poll without a reason.
const RARELY: &str = "import_poll_interval = 24h\n";
const OFTEN: &str = "import_poll_interval = 1s\n";

/// A grab about to be put into the database. The hash is made from its number.
#[derive(Clone, Copy)]
struct Planted {
    arr: &'static str,
    number: u8,
    state: State,
    /// Seconds since it was completed.
    age: u64,
}

const FINISHED: Planted = Planted {
    arr: RADARR,
    number: 1,
    state: State::Completed,
    age: 0,
};

/// Long enough ago for the arr to have listed it.
const FAILED: Planted = Planted {
    state: State::Failed,
    age: 3600,
    ..FINISHED
};

impl Planted {
    fn infohash(&self) -> Infohash {
        Infohash([self.number; 20])
    }

    /// As an arr writes it.
    fn id(&self) -> String {
        self.infohash().to_string().to_uppercase()
    }

    fn title(&self) -> String {
        match self.number {
            1 => TITLE.into(),
            number => format!("{TITLE}-{number}"),
        }
    }

    fn content(&self) -> Content {
        Content::new(u64::from(self.number), 10_007)
    }

    fn file(&self, config: &Config) -> PathBuf {
        config.completed().join(self.title()).join(FILE)
    }

    /// Writes the row, and the file of a finished one.
    fn plant(&self, config: &Config, data: &Path) {
        fs::create_dir_all(data).unwrap();
        let grab = Grab {
            id: 0,
            arr: self.arr.into(),
            infohash: self.infohash(),
            base_hash: self.infohash(),
            generation: 0,
            title: self.title(),
            display_name: None,
            size: self.content().size,
            peer_id: "00000000".into(),
            item_id: "a:movie:1".into(),
            category: CATEGORY.into(),
            tags: String::new(),
            state: self.state,
            reason: None,
            folder: self.title(),
            filename: None,
            attempts: 0,
            retry_at: None,
            position: 0,
            force_start: false,
            download_limit: 0,
            upload_limit: 0,
            ratio_limit: -2.0,
            seeding_time_limit: -2,
            inactive_seeding_time_limit: -2,
            added_at: now_unix() - self.age,
            completed_at: None,
            imported_at: None,
            have: 0,
            speed: 0,
            received: 0,
            last_activity: 0,
            stalled_for: 0,
        };
        let store = Store::open(data).unwrap();
        let row = NewRow { grab, stub: b"x" };
        let Added::Fresh { id, .. } = store.insert_grab(&row).unwrap() else {
            panic!("planted twice");
        };
        drop(store);
        if self.state == State::Completed {
            self.content().write(&self.file(config));
            database(data)
                .execute(
                    "UPDATE grab SET filename = ?2, completed_at = ?3 WHERE id = ?1",
                    rusqlite::params![id, FILE, (now_unix() - self.age) as i64],
                )
                .unwrap();
        }
    }
}

fn database(data: &Path) -> rusqlite::Connection {
    let database = rusqlite::Connection::open(data.join("jackdaw.db")).unwrap();
    database.busy_timeout(SOON).unwrap();
    database
}

/// A jackdaw, its Radarr, and the folder that Radarr calls its library.
struct Rig {
    // First to be dropped.
    jackdaw: Jackdaw,
    arr: FakeArr,
    data: PathBuf,
    library: PathBuf,
    _home: Home,
}

impl Rig {
    /// `downloads` are more lines of that section.
    fn start(name: &str, downloads: &str, grabs: &[Planted]) -> Rig {
        Rig::of(App::Radarr, name, downloads, grabs)
    }

    fn of(app: App, name: &str, downloads: &str, grabs: &[Planted]) -> Rig {
        let arr = FakeArr::start(app);
        Rig::with(arr, name, downloads, "", grabs)
    }

    /// `more` are further sections.
    fn with(arr: FakeArr, name: &str, downloads: &str, more: &str, grabs: &[Planted]) -> Rig {
        let home = Home::new(name);
        let title = title(arr.app);
        let library = home.dir("library");
        let map = format!("path_map = /movies -> {}", library.display());
        let server = arr.section(title, &format!("{DESTINATION}\n{map}"));
        let config = Config::new(&home.join("a"))
            .downloads(downloads)
            .section(&server)
            .section(more);
        let data = home.join("a/data");
        for grab in grabs {
            grab.plant(&config, &data);
        }
        let jackdaw = Jackdaw::start(&config);
        arr.plant_client(jackdaw.address(), title, KEY, CATEGORY);
        Rig {
            jackdaw,
            arr,
            data,
            library,
            _home: home,
        }
    }

    fn file(&self, grab: Planted) -> PathBuf {
        grab.file(self.jackdaw.config())
    }

    /// State of a grab and whether its failure was told; `None`: it is gone.
    fn row(&self, grab: Planted) -> Option<(String, bool)> {
        let database = database(&self.data);
        let mut statement = database
            .prepare("SELECT state, failure_reported FROM grab WHERE infohash = ?1")
            .unwrap();
        let mut rows = statement.query([grab.infohash().to_string()]).unwrap();
        let row = rows.next().unwrap()?;
        Some((row.get(0).unwrap(), row.get(1).unwrap()))
    }

    fn wait_for_row(&self, grab: Planted, expected: Option<(&str, bool)>) {
        eventually(&format!("{expected:?}"), SOON, || {
            let row = self.row(grab);
            let row = row.as_ref().map(|(state, told)| (&state[..], *told));
            (row == expected).then_some(())
        });
    }

    fn wait_for_log(&self, text: &str) {
        eventually(&format!("{text:?} in the log"), SOON, || {
            self.jackdaw.log().contains(text).then_some(())
        });
    }

    /// Lines of the log with this text.
    fn logged(&self, text: &str) -> usize {
        let log = self.jackdaw.log();
        log.lines().filter(|line| line.contains(text)).count()
    }

    /// Waits until the arr was asked for its history so often.
    fn wait_for_polls(&self, count: usize) {
        self.wait_for_calls("GET", "/history/since", count);
    }

    fn wait_for_calls(&self, method: &str, path: &str, count: usize) {
        eventually(&format!("{count} of {method} {path}"), SOON, || {
            (self.arr.calls(method, path).len() >= count).then_some(())
        });
    }

    /// The only download that the arr sees.
    fn tracked(&self) -> Tracked {
        let mut all = self.arr.poll();
        assert_eq!(all.len(), 1, "{all:?}");
        all.remove(0)
    }

    /// Puts a file into the library by a path that only the arr knows, and into its history.
    fn land(&self, grab: Planted, name: &str, link: impl FnOnce(&Path, &Path)) -> PathBuf {
        let copy = self.library.join(name);
        link(&self.file(grab), &copy);
        self.say_imported(grab, &format!("/movies/{name}"));
        copy
    }

    fn say_imported(&self, grab: Planted, path: &str) {
        let data = [("droppedPath", "/somewhere"), ("importedPath", path)];
        self.arr
            .add_history("downloadFolderImported", &grab.id(), &data);
    }

    fn hook(&self, headers: &[(&str, &str)], server: &str, body: &[u8]) -> Answer {
        let target = format!("/hook/{server}");
        let address = self.jackdaw.address();
        request(address, "POST", &target, headers, Some(body))
    }
}

fn title(app: App) -> &'static str {
    match app {
        App::Radarr => RADARR,
        App::Sonarr => SONARR,
    }
}

fn hard_link(from: &Path, to: &Path) {
    fs::hard_link(from, to).unwrap();
}

fn copy(from: &Path, to: &Path) {
    fs::copy(from, to).unwrap();
}

const KEYED: &[(&str, &str)] = &[("X-Api-Key", KEY), ("Content-Type", "application/json")];

fn event(name: &str, grab: Planted) -> Vec<u8> {
    let id = grab.id();
    format!(r#"{{"eventType":"{name}","downloadId":"{id}","isUpgrade":false}}"#).into_bytes()
}

// --- imports

#[test]
fn with_move_the_arrs_delete_is_the_receipt() {
    let rig = Rig::start("imports-move", RARELY, &[FINISHED]);
    let item = rig.tracked();
    assert!(item.can_be_removed);
    let imported = rig.arr.import(&item, &rig.library);
    FINISHED.content().assert_equals(Path::new(&imported));
    assert_eq!(rig.row(FINISHED), None);
    assert!(!rig.file(FINISHED).parent().unwrap().exists());
    rig.wait_for_log(&format!("imported by {RADARR}: \"{TITLE}\""));
    assert!(rig.arr.poll().is_empty());
}

#[test]
fn giving_up_a_finished_download_is_no_import() {
    let rig = Rig::start("imports-given-up", RARELY, &[FINISHED]);
    let item = rig.tracked();
    let hash = item.download_id.to_lowercase();
    fake_cdh::delete(&rig.arr.client(), &hash);
    assert_eq!(rig.row(FINISHED), None);
    assert!(!rig.file(FINISHED).exists());
    rig.wait_for_log("deleted while completed");
    assert_eq!(rig.logged("imported by"), 0);
}

#[test]
fn an_entry_that_the_arr_leaves_is_imported_by_its_history() {
    let rig = Rig::start("imports-left", OFTEN, &[FINISHED]);
    // As with removeCompletedDownloads switched off: linked, and never deleted.
    let item = Tracked {
        can_be_removed: false,
        ..rig.tracked()
    };
    let imported = rig.arr.import(&item, &rig.library);
    rig.wait_for_row(FINISHED, Some(("imported", false)));
    rig.wait_for_log(&format!("imported by radarr \"{RADARR}\" as {imported}"));
    FINISHED.content().assert_equals(&rig.file(FINISHED));
    // Nothing is open any more, so nothing is asked any more.
    let polls = rig.arr.calls("GET", "/history/since");
    let query = polls[0].target.split_once('?').unwrap().1;
    let date = query
        .strip_prefix("date=")
        .and_then(|rest| rest.strip_suffix("&eventType=downloadFolderImported"))
        .unwrap_or_else(|| panic!("{query}"));
    assert_eq!(
        jackdaw::clock::parse_iso8601(date).map(iso8601).as_deref(),
        Some(date)
    );
    // The arr still lists it, as finished.
    assert_eq!(rig.tracked().state, "pausedUP");
}

#[test]
fn with_keep_the_file_stays_where_it_is() {
    let rig = Rig::start(
        "imports-keep",
        &format!("{OFTEN}after_import = keep\n"),
        &[FINISHED],
    );
    let item = rig.tracked();
    assert!(!item.can_be_removed, "a kept file must not be moved");
    rig.arr.import(&item, &rig.library);
    rig.wait_for_row(FINISHED, Some(("imported", false)));
    FINISHED.content().assert_equals(&rig.file(FINISHED));
}

fn unlinking(name: &str, grabs: &[Planted]) -> Rig {
    let settings = format!("{OFTEN}after_import = keep\nunlink_imported = true\n");
    Rig::start(name, &settings, grabs)
}

#[test]
fn our_link_goes_when_the_arr_has_a_link_or_a_copy() {
    let linked = FINISHED;
    let copied = Planted {
        number: 2,
        ..FINISHED
    };
    let rig = unlinking("imports-unlink", &[linked, copied]);
    let first = rig.land(linked, "linked.mkv", hard_link);
    let second = rig.land(copied, "copied.mkv", copy);
    for (grab, landed) in [(linked, first), (copied, second)] {
        rig.wait_for_row(grab, Some(("imported", false)));
        assert!(!rig.file(grab).parent().unwrap().exists());
        grab.content().assert_equals(&landed);
        assert_eq!(fs::metadata(&landed).unwrap().nlink(), 1);
    }
}

#[test]
fn our_link_stays_until_the_arrs_copy_is_there() {
    let rig = unlinking("imports-unlink-late", &[FINISHED]);
    let copy = rig.land(FINISHED, "late.mkv", |_, _| {});
    rig.wait_for_log("not unlinked yet");
    // What has another size is not this file.
    fs::write(&copy, b"half").unwrap();
    rig.wait_for_log("has another size");
    FINISHED.content().assert_equals(&rig.file(FINISHED));
    assert_eq!(rig.row(FINISHED), Some(("completed".into(), false)));
    fs::remove_file(&copy).unwrap();
    hard_link(&rig.file(FINISHED), &copy);
    rig.wait_for_row(FINISHED, Some(("imported", false)));
    assert!(!rig.file(FINISHED).exists());
    FINISHED.content().assert_equals(&copy);
}

#[test]
fn a_library_that_is_our_own_folder_keeps_its_file() {
    let rig = unlinking("imports-same-folder", &[FINISHED]);
    let ours = rig.file(FINISHED);
    rig.say_imported(FINISHED, ours.to_str().unwrap());
    rig.wait_for_log("is the downloaded file itself");
    FINISHED.content().assert_equals(&ours);
}

#[test]
fn a_sonarr_says_it_once_for_each_episode() {
    let grab = Planted {
        arr: SONARR,
        ..FINISHED
    };
    let settings = format!("{OFTEN}after_import = keep\nunlink_imported = true\n");
    let rig = Rig::of(App::Sonarr, "imports-pack", &settings, &[grab]);
    hard_link(&rig.file(grab), &rig.library.join("S01E01-E02.mkv"));
    // Another download's record, one of another kind, and one without an id of ours.
    rig.arr
        .add_history("downloadFolderImported", "SABnzbd_nzo_1", &[]);
    rig.arr.add_history("episodeFileRenamed", &grab.id(), &[]);
    for _episode in 1..=2 {
        rig.say_imported(grab, "/movies/S01E01-E02.mkv");
    }
    rig.wait_for_row(grab, Some(("imported", false)));
    assert!(!rig.file(grab).exists());
    assert_eq!(rig.logged("imported by sonarr"), 1);
}

#[test]
fn an_arr_with_nothing_open_is_not_asked() {
    let idle = FakeArr::start(App::Sonarr);
    let section = idle.section(SONARR, DESTINATION);
    let failed_elsewhere = Planted {
        number: 2,
        arr: "somebody",
        ..FAILED
    };
    let rig = Rig::with(
        FakeArr::start(App::Radarr),
        "imports-idle",
        OFTEN,
        &section,
        &[FINISHED, failed_elsewhere],
    );
    rig.wait_for_polls(2);
    assert_eq!(idle.state().calls.len(), 0);
    // A login that is no arr's has nobody to be told to.
    assert_eq!(rig.row(failed_elsewhere), Some(("failed".into(), false)));
}

#[test]
fn an_import_while_we_were_down_is_found_after_the_start() {
    let mut rig = Rig::start("imports-restart", OFTEN, &[FINISHED]);
    rig.wait_for_polls(1);
    rig.jackdaw.kill();
    rig.say_imported(FINISHED, "/movies/x.mkv");
    assert_eq!(rig.row(FINISHED), Some(("completed".into(), false)));
    rig.jackdaw.restart();
    rig.wait_for_row(FINISHED, Some(("imported", false)));
}

#[test]
fn a_clock_that_went_back_hides_no_import() {
    let old = Planted {
        age: 3600,
        ..FINISHED
    };
    let rig = Rig::start("imports-clock", OFTEN, &[old]);
    rig.arr.state().history.push(value(&format!(
        r#"{{"id":77,"eventType":"downloadFolderImported","date":"2001-01-01T00:00:00Z",
            "downloadId":"{}","data":{{"importedPath":"/movies/x.mkv"}}}}"#,
        old.id()
    )));
    rig.wait_for_row(old, Some(("imported", false)));
    // Every look-up by id is case-sensitive over there.
    let lookups = rig.arr.calls("GET", "/history?");
    assert!(!lookups.is_empty());
    for call in lookups {
        assert!(call.target.contains(&old.id()), "{}", call.target);
    }
}

#[test]
fn a_release_goes_all_the_way_from_a_friend_to_the_library() {
    let (rig, _peer, mut radarr) = with_friend("imports-whole", OFTEN, FileFault::None);
    let id = radarr.grab(&found(&radarr));
    eventually("the download", SOON, || {
        (radarr.find(&id)?.state == "pausedUP").then_some(())
    });
    let imported = rig.arr.import(&rig.tracked(), &rig.library);
    FINISHED.content().assert_equals(Path::new(&imported));
    rig.wait_for_log(&format!("imported by {RADARR}: \"{TITLE}\""));
    assert!(rig.arr.poll().is_empty());
}

/// A rig with a friend that has the film, and the same Radarr as its client.
fn with_friend(name: &str, downloads: &str, fault: FileFault) -> (Rig, FakePeer, Arr) {
    let offer = Offer::movie("r:movie:1", TITLE, 603, "tt0133093", FINISHED.content());
    let peer = FakePeer::start(vec![offer]);
    peer.set().file = fault;
    let section = format!(
        "[peer \"friend\"]\nurl = {}\napi_key = {PEER_KEY}",
        peer.url()
    );
    let rig = Rig::with(FakeArr::start(App::Radarr), name, downloads, &section, &[]);
    let mut radarr = Arr::new(Kind::Radarr, rig.jackdaw.address(), RADARR, KEY);
    radarr.category = CATEGORY.into();
    radarr.test_client();
    (rig, peer, radarr)
}

fn found(radarr: &Arr) -> Item {
    eventually("the release in the feed", SOON, || {
        radarr.movie(603, "tt0133093").into_iter().next()
    })
}

// --- the webhook

#[test]
fn a_webhook_makes_an_import_immediate() {
    let rig = Rig::start("imports-hook", RARELY, &[FINISHED]);
    let url = format!("{}/hook/main-radarr", rig.jackdaw.url());
    rig.arr.plant_hook(&url, RADARR, KEY);
    rig.wait_for_polls(1);
    let item = Tracked {
        can_be_removed: false,
        ..rig.tracked()
    };
    rig.arr.import(&item, &rig.library);
    rig.wait_for_row(FINISHED, Some(("imported", false)));
    assert!(rig.arr.calls("GET", "/history/since").len() >= 2);
}

#[test]
fn a_webhook_by_itself_changes_nothing() {
    let rig = Rig::start("imports-hook-alone", RARELY, &[FINISHED]);
    rig.wait_for_polls(1);
    for (name, polls) in [("Download", 2), ("download", 3)] {
        let answer = rig.hook(KEYED, "main-radarr", &event(name, FINISHED));
        assert_eq!(answer.status, 200, "{}", answer.text());
        rig.wait_for_polls(polls);
    }
    for body in [
        &br#"{"eventType":"Test","series":{}}"#[..],
        br#"{"eventType":"Grab","downloadId":null}"#,
        br#"{"eventType":"Health","level":"warning"}"#,
    ] {
        assert_eq!(rig.hook(KEYED, "main-radarr", body).status, 200);
    }
    assert_eq!(rig.row(FINISHED), Some(("completed".into(), false)));
    assert_eq!(rig.arr.calls("GET", "/history/since").len(), 3);
}

#[test]
fn a_webhook_tells_at_once_what_needs_a_person() {
    let rig = Rig::start("imports-attention", RARELY, &[FINISHED]);
    rig.wait_for_polls(1);
    let queued = |message: &str| {
        let messages = format!(r#"[{{"title":"{TITLE}","messages":["{message}"]}}]"#);
        (
            format!(
                r#"{{"eventType":"ManualInteractionRequired","downloadId":"{}",
                    "downloadInfo":{{"title":"{TITLE}"}},"downloadStatusMessages":{messages}}}"#,
                FINISHED.id()
            ),
            format!(
                r#"{{"id":9,"title":"{TITLE}","downloadId":"{}","statusMessages":{messages}}}"#,
                FINISHED.id()
            ),
        )
    };
    let (hook, record) = queued("Manual Import required.");
    rig.arr.state().queue.push(value(&record));
    let answer = rig.hook(KEYED, "main-radarr", hook.as_bytes());
    assert_eq!(answer.status, 200);
    rig.wait_for_log("Manual Import required.");
    // The queue is asked without delay, and says the same: that is no news.
    rig.wait_for_calls("GET", "/queue", 1);
    assert_eq!(rig.logged("Manual Import required."), 1);
    assert_eq!(rig.row(FINISHED), Some(("completed".into(), false)));
}

#[test]
fn the_webhook_wants_its_own_key() {
    let sonarr = FakeArr::start(App::Sonarr);
    let section = sonarr.section(SONARR, DESTINATION);
    let arr = FakeArr::start(App::Radarr);
    let rig = Rig::with(arr, "imports-hook-keys", RARELY, &section, &[FINISHED]);
    let own = make_key(&rig.data, RADARR);
    let others = make_key(&rig.data, SONARR);
    let basic = |user: &str, key: &str| {
        let login = arr::base64(format!("{user}:{key}").as_bytes());
        format!("Basic {login}")
    };
    let check = |header: &str, value: &str, server: &str, body: &[u8], status: u16| {
        let answer = rig.hook(&[(header, value)], server, body);
        assert_eq!(answer.status, status, "{server}: {}", answer.text());
    };
    let download = event("Download", FINISHED);
    let (name, server) = ("Authorization", "main-radarr");
    check(name, &basic(RADARR, own.expose()), server, &download, 200);
    check(name, &basic(RADARR, KEY), server, &download, 200);
    check("X-Api-Key", own.expose(), server, &download, 200);
    check(
        name,
        &basic(RADARR, others.expose()),
        server,
        &download,
        401,
    );
    check(name, &basic(RADARR, "x"), server, &download, 401);
    check(name, "Basic Og==", server, &download, 401);
    check("X-Other", "", server, &download, 401);
    check(
        name,
        &basic(SONARR, others.expose()),
        "tv-sonarr",
        &download,
        200,
    );
    check("X-Api-Key", KEY, "nobody", &download, 404);
    check("X-Api-Key", "x", "nobody", &download, 401);
    for body in [
        &b""[..],
        b"null",
        b"{",
        b"{\"eventType\":\"Download\"",
        b"\xff",
    ] {
        check("X-Api-Key", KEY, server, body, 400);
    }
    check("X-Api-Key", KEY, server, &vec![b' '; 65 * 1024], 413);
    let address = rig.jackdaw.address();
    let get = request(address, "GET", "/hook/main-radarr", KEYED, None);
    assert_eq!(get.status, 405);
}

/// A key as registration makes it.
fn make_key(data: &Path, title: &str) -> Secret {
    let key = hex(&digest(title))[..32].to_owned();
    database(data)
        .execute(
            "INSERT INTO key (role, name, sha256, created_at) VALUES ('arr', ?1, ?2, 1)",
            rusqlite::params![title, digest(&key)],
        )
        .unwrap();
    Secret::new(key)
}

// --- refusals

#[test]
fn what_the_arr_refuses_is_told_in_its_own_words_once() {
    let old = Planted {
        age: 3600,
        ..FINISHED
    };
    let rig = Rig::start("imports-refused", OFTEN, &[old]);
    let refusal = "Not an upgrade for existing movie file. Existing quality: Bluray-1080p.";
    let record = |message: &str| {
        value(&format!(
            r#"{{"id":500,"title":"{TITLE}","downloadId":"{}","trackedDownloadStatus":"warning",
                "trackedDownloadState":"importPending","errorMessage":null,
                "statusMessages":[{{"title":"{FILE}","messages":["{message}"]}}]}}"#,
            old.id()
        ))
    };
    {
        // More than a page before it; none of them matched to the library.
        let mut state = rig.arr.state();
        for id in 1..=250 {
            let other = format!(r#"{{"id":{id},"title":"other","downloadId":"{id:040}"}}"#);
            state.queue.push(value(&other));
        }
        state.queue.push(record(refusal));
    }
    rig.wait_for_log(&format!(
        "radarr \"{RADARR}\" does not import \"{TITLE}\" (grab 1): {FILE}: {refusal}"
    ));
    let status = rig.jackdaw.get("/status");
    assert_eq!(status.status, 200);
    assert!(status.text().contains(refusal), "{}", status.text());
    let pages = rig.arr.calls("GET", "/queue").len();
    rig.wait_for_calls("GET", "/queue", pages + 3);
    assert_eq!(rig.logged(refusal), 1, "once, not each time");
    *rig.arr.state().queue.last_mut().unwrap() = record("Sample");
    rig.wait_for_log(&format!("{FILE}: Sample"));
    assert_eq!(rig.row(old), Some(("completed".into(), false)));
    rig.say_imported(old, "/movies/x.mkv");
    rig.wait_for_row(old, Some(("imported", false)));
}

#[test]
fn what_the_arr_has_lost_is_told() {
    let unknown = Planted {
        age: 3600,
        ..FINISHED
    };
    let ignored = Planted {
        number: 2,
        ..unknown
    };
    let rig = Rig::start("imports-lost", OFTEN, &[unknown, ignored]);
    rig.arr.add_history("grabbed", &ignored.id(), &[]);
    rig.arr.add_history("downloadIgnored", &ignored.id(), &[]);
    rig.wait_for_log("\"The.Matrix.1999.1080p.BluRay.x264-GROUP\" (grab 1): neither in its queue");
    rig.wait_for_log(
        "(grab 2): not in its queue; the last entry of it in its history is downloadIgnored",
    );
}

// --- failures

/// A Radarr that is still starting, so that a test can put things in order first.
fn starting(name: &str, downloads: &str, grabs: &[Planted]) -> Rig {
    let arr = FakeArr::start(App::Radarr);
    arr.state().mood = Mood::Starting;
    Rig::with(arr, name, downloads, "", grabs)
}

impl Rig {
    fn ready(&self) {
        self.arr.state().mood = Mood::Well;
    }
}

#[test]
fn a_failed_grab_in_the_queue_is_blocklisted_and_removed() {
    let rig = starting("imports-failed", OFTEN, &[FAILED]);
    // Until then it is shown as an error.
    assert_eq!(rig.tracked().state, "error");
    rig.ready();
    // The arr deletes it here before it answers us.
    rig.wait_for_row(FAILED, None);
    rig.wait_for_log("told that a download failed; it is blocklisted");
    let calls = rig.arr.calls("DELETE", "/queue/");
    assert_eq!(calls.len(), 1, "{calls:?}");
    let target = &calls[0].target;
    assert!(
        target.ends_with("?removeFromClient=true&blocklist=true"),
        "{target}"
    );
    assert_eq!(rig.arr.state().blocklist, [FAILED.id()]);
}

#[test]
fn a_failed_grab_that_is_only_in_the_history_is_marked_there() {
    let mut rig = starting("imports-failed-history", OFTEN, &[FAILED, FINISHED_TOO]);
    let id = rig.arr.add_history("grabbed", &FAILED.id(), &[]);
    rig.ready();
    rig.wait_for_row(FAILED, Some(("failed", true)));
    let path = format!("/history/failed/{id}");
    assert_eq!(rig.arr.calls("POST", &path).len(), 1);
    assert_eq!(rig.arr.state().blocklist, [FAILED.id()]);
    // It is told once, in this life and the next.
    rig.jackdaw.kill();
    let polls = rig.arr.calls("GET", "/history/since").len();
    rig.jackdaw.restart();
    rig.wait_for_polls(polls + 2);
    assert_eq!(rig.arr.calls("POST", &path).len(), 1);
    assert_eq!(rig.arr.calls("DELETE", "/queue").len(), 0);
}

#[test]
fn a_download_that_fails_for_good_ends_in_the_blocklist() {
    let settings = format!("{OFTEN}max_attempts = 1\n");
    let (rig, _peer, mut radarr) = with_friend("imports-fails", &settings, FileFault::Status(404));
    let id = radarr.grab(&found(&radarr));
    rig.arr.add_history("grabbed", &id, &[]);
    let refused = "told that a download failed; it is blocklisted";
    eventually("the blocklist", SOON, || {
        rig.arr.poll();
        rig.jackdaw.log().contains(refused).then_some(())
    });
    assert_eq!(rig.arr.state().blocklist, std::slice::from_ref(&id));
    assert!(radarr.find(&id).is_none());
}

/// Keeps the history being polled, as a clock for what must not happen.
const FINISHED_TOO: Planted = Planted {
    number: 9,
    ..FINISHED
};

#[test]
fn a_failed_grab_that_the_arr_has_not_listed_yet_waits_for_its_queue() {
    let fresh = Planted { age: 0, ..FAILED };
    let rig = starting("imports-failed-fresh", OFTEN, &[fresh]);
    rig.arr.add_history("grabbed", &fresh.id(), &[]);
    rig.ready();
    let asked = rig.arr.calls("GET", "/queue").len();
    rig.wait_for_calls("GET", "/queue", asked + 3);
    assert_eq!(rig.row(fresh), Some(("failed".into(), false)));
    rig.arr.poll();
    rig.wait_for_row(fresh, None);
    assert_eq!(rig.arr.state().blocklist, [fresh.id()]);
    assert_eq!(rig.arr.calls("POST", "/history").len(), 0);
}

#[test]
fn a_failure_that_the_arr_knows_is_not_told_again() {
    let rig = starting("imports-failed-known", OFTEN, &[FAILED]);
    rig.arr.add_history("grabbed", &FAILED.id(), &[]);
    rig.arr.add_history("downloadFailed", &FAILED.id(), &[]);
    rig.ready();
    rig.wait_for_row(FAILED, Some(("failed", true)));
    assert_eq!(rig.arr.calls("POST", "/history").len(), 0);
    rig.wait_for_log("knows already that a download failed");
}

#[test]
fn a_failure_of_what_the_arr_does_not_know_is_told_to_nobody() {
    let rig = starting("imports-failed-unknown", OFTEN, &[FAILED]);
    rig.ready();
    rig.wait_for_row(FAILED, Some(("failed", true)));
    rig.wait_for_log("does not know the download that failed");
    assert_eq!(rig.arr.state().blocklist, [] as [String; 0]);
}

#[test]
fn without_report_failures_nothing_is_told() {
    let settings = format!("{OFTEN}report_failures = false\n");
    let rig = starting("imports-failed-off", &settings, &[FAILED, FINISHED_TOO]);
    let all = rig.arr.poll();
    let state = |grab: Planted| all.iter().find(|i| i.download_id == grab.id()).unwrap();
    assert_eq!(state(FAILED).state, "error");
    rig.ready();
    rig.wait_for_polls(3);
    assert_eq!(rig.row(FAILED), Some(("failed".into(), false)));
    assert_eq!(rig.arr.calls("DELETE", "").len(), 0);
    assert_eq!(rig.arr.calls("POST", "").len(), 0);
}

#[test]
fn one_failure_that_cannot_be_told_does_not_hold_up_another() {
    let other = Planted {
        number: 2,
        ..FAILED
    };
    let rig = starting("imports-failed-two", OFTEN, &[FAILED, other]);
    let queue = |id: u64, grab: Planted| {
        let download_id = grab.id();
        value(&format!(
            r#"{{"id":{id},"title":"x","downloadId":"{download_id}"}}"#
        ))
    };
    {
        let mut state = rig.arr.state();
        state.queue = vec![queue(1, FAILED), queue(2, other)];
        state.broken_deletes = vec![1];
    }
    rig.ready();
    rig.wait_for_row(other, None);
    rig.wait_for_log("HTTP status 500");
    assert_eq!(rig.row(FAILED), Some(("failed".into(), false)));
    rig.arr.state().broken_deletes.clear();
    rig.wait_for_row(FAILED, None);
}

// --- arrs that do not answer as they should

#[test]
fn whatever_the_arr_answers_it_is_said_and_tried_again() {
    let check = |name: &str, mood: Mood, words: &str| {
        let rig = starting(name, OFTEN, &[FINISHED, FAILED_TOO]);
        rig.arr.state().mood = mood;
        rig.wait_for_log("imports and failures cannot be followed");
        rig.wait_for_log(words);
        let asked = rig.arr.state().calls.len();
        eventually("more tries", SOON, || {
            (rig.arr.state().calls.len() > asked + 2).then_some(())
        });
        assert_eq!(rig.jackdaw.get("/ping").status, 200);
        // A list that is not there is no empty list.
        assert_eq!(rig.row(FINISHED), Some(("completed".into(), false)));
        assert_eq!(rig.row(FAILED_TOO), Some(("failed".into(), false)));
        rig.arr.add_history("grabbed", &FAILED_TOO.id(), &[]);
        rig.say_imported(FINISHED, "/movies/x.mkv");
        rig.ready();
        rig.wait_for_row(FINISHED, Some(("imported", false)));
        rig.wait_for_row(FAILED_TOO, Some(("failed", true)));
        rig.wait_for_log("imports can be followed again");
        assert!(rig.logged(words) <= 3, "{}", rig.jackdaw.log());
    };
    let starting = "not ready yet (HTTP status 503): It is starting up";
    let page = "a web page came instead";
    std::thread::scope(|scope| {
        scope.spawn(|| check("imports-starting", Mood::Starting, starting));
        scope.spawn(|| check("imports-html", Mood::Html, page));
        scope.spawn(|| check("imports-gateway", Mood::BadGateway, "HTTP status 502"));
        scope.spawn(|| check("imports-null", Mood::Null, "a list was expected"));
        scope.spawn(|| check("imports-cut", Mood::Truncated, "JSON ends early"));
        scope.spawn(|| check("imports-hang-up", Mood::HangUp, "is it running?"));
        scope.spawn(|| check("imports-key", Mood::WrongKey, "the api_key is wrong"));
    });
}

const FAILED_TOO: Planted = Planted {
    number: 9,
    ..FAILED
};

#[test]
fn an_arr_that_is_down_is_asked_until_it_is_up() {
    let Rig {
        jackdaw,
        arr,
        data,
        library: _library,
        _home,
    } = Rig::start("imports-down", OFTEN, &[FINISHED]);
    // Open connections are closed first, then nobody listens.
    let missed = |words: &str| {
        eventually(words, SOON, || jackdaw.log().contains(words).then_some(()));
    };
    arr.state().mood = Mood::HangUp;
    missed("is it running?");
    let address = arr.address();
    drop(arr);
    missed("Connection refused");
    eventually("its port to be free", SOON, || {
        std::net::TcpListener::bind(address).ok().map(drop)
    });
    let rig = Rig {
        arr: FakeArr::start_on(App::Radarr, address),
        jackdaw,
        data,
        library: _library,
        _home,
    };
    rig.say_imported(FINISHED, "/movies/x.mkv");
    rig.wait_for_row(FINISHED, Some(("imported", false)));
}
