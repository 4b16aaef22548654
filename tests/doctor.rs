//! `jackdaw doctor` against fake arrs and friends: each check, in order and broken.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;

use crate::support::arr::{Arr, Kind};
use crate::support::content::Content;
use crate::support::fake_arr::{App, FakeArr, Mood, value};
use crate::support::peer::{FakePeer, Handshake, Offer, PEER_KEY};
use crate::support::process::{Config, Jackdaw, KEY, run};
use crate::support::{Home, SOON, eventually};

/// What a run printed, and its exit code.
struct Report {
    lines: Vec<String>,
    code: Option<i32>,
    stderr: String,
}

impl Report {
    /// There is a line of this level about this that has all these words.
    #[track_caller]
    fn has(&self, level: &str, subject: &str, words: &[&str]) {
        let start = format!("{level:<4}  {subject}: ");
        assert!(
            self.lines.iter().any(
                |line| line.starts_with(&start) && words.iter().all(|word| line.contains(word))
            ),
            "no {level} of {subject} with {words:?} in:\n{}",
            self.lines.join("\n")
        );
    }

    /// Nothing is broken, and nothing about this subject is doubtful.
    #[track_caller]
    fn all_ok(&self, subject: &str) {
        let about: Vec<&String> = self
            .lines
            .iter()
            .filter(|line| line[6..].starts_with(subject))
            .collect();
        assert!(!about.is_empty(), "nothing about {subject}");
        for line in about {
            assert!(line.starts_with("ok "), "{line}");
        }
    }
}

fn doctor(config: &Config, more: &[&str]) -> Report {
    let file = config.write();
    let mut arguments = vec!["doctor", "--config", file.to_str().unwrap()];
    arguments.extend(more);
    let ended = run(&arguments, file.parent().unwrap());
    for secret in [KEY, PEER_KEY, "0123456789abcdef", "fedcba9876543210"] {
        assert!(!ended.stdout.contains(secret) && !ended.stderr.contains(secret));
    }
    let lines: Vec<String> = ended.stdout.lines().map(str::to_owned).collect();
    for line in &lines {
        let level = line.split(' ').next().unwrap();
        assert!(["ok", "warn", "FAIL"].contains(&level), "{line}");
        // Behind `fix:`, or in the message itself where the same words stand in the log.
        let says_what_to_do = [
            "; fix: ",
            "correct its ",
            "copy it from Settings",
            "url must be",
            "ask for an update",
        ]
        .iter()
        .any(|words| line.contains(words));
        assert!(level != "FAIL" || says_what_to_do, "no way out: {line}");
    }
    let broken = lines.iter().any(|line| line.starts_with("FAIL"));
    assert_eq!(ended.code, Some(i32::from(broken)), "{}", ended.stdout);
    // What it made for probing is gone.
    let left = fs::read_dir(config.completed()).into_iter().flatten();
    for entry in left {
        let name = entry.unwrap().file_name();
        assert!(
            !name.to_string_lossy().contains("probe"),
            "{name:?} is left"
        );
    }
    Report {
        lines,
        code: ended.code,
        stderr: ended.stderr,
    }
}

fn movie(path: &str) -> String {
    format!(
        r#"{{"title":"A","year":1999,"tmdbId":603,"id":1,"movieFile":{{"id":1,"path":"{path}","size":1,
        "quality":{{"quality":{{"name":"Bluray-1080p"}}}}}}}}"#
    )
}

fn fields(all: &[(&str, &str)]) -> String {
    let all: Vec<String> = all
        .iter()
        .map(|(name, value)| format!(r#"{{"name":"{name}","value":{value}}}"#))
        .collect();
    format!("[{}]", all.join(","))
}

/// Registers us there as the reconciler would, with this password.
fn plant(arr: &FakeArr, port: u16, password: &str) {
    let client = fields(&[
        ("host", "\"127.0.0.1\""),
        ("port", &port.to_string()),
        ("username", "\"Main\""),
        ("password", &format!("\"{password}\"")),
        ("movieCategory", "\"jackdaw-main\""),
    ]);
    let id = arr.plant(
        "downloadclient",
        &format!(
            r#"{{"name":"jackdaw","implementation":"QBittorrent","configContract":"QBittorrentSettings",
            "protocol":"torrent","enable":true,"priority":50,"removeCompletedDownloads":true,
            "removeFailedDownloads":true,"tags":[],"fields":{client}}}"#
        ),
    );
    let indexer = fields(&[
        ("baseUrl", &format!("\"http://127.0.0.1:{port}/torznab\"")),
        ("apiKey", &format!("\"{password}\"")),
        ("categories", "[2000]"),
    ]);
    arr.plant(
        "indexer",
        &format!(
            r#"{{"name":"jackdaw","implementation":"Torznab","configContract":"TorznabSettings",
            "protocol":"torrent","enableRss":true,"enableAutomaticSearch":true,
            "enableInteractiveSearch":true,"priority":25,"downloadClientId":{id},"tags":[],
            "fields":{indexer}}}"#
        ),
    );
}

const DESTINATION: &str = "source = false\ndestination = true\nautoregister = false";

/// A destination that sees our disk as we do, with a root folder beside `completed`.
fn destination(home: &Home) -> (FakeArr, Config) {
    let arr = FakeArr::start(App::Radarr);
    let library = home.dir("library");
    home.dir("library/A (1999)");
    arr.state().root_folders = vec![library.to_str().unwrap().to_owned()];
    let config = Config::new(&home.join("us"))
        .downloads("")
        .section(&arr.section("Main", DESTINATION));
    (arr, config)
}

/// Everything is there: a running jackdaw that is registered, an arr that sees the same disk, a
/// friend with something to offer.
#[test]
fn a_sound_installation_has_nothing_broken() {
    let home = Home::new("doctor-well");
    let friend = FakePeer::start(vec![Offer::movie(
        "f:movie:1",
        "The.Matrix.1999.1080p.BluRay.x264-GRP",
        603,
        "tt0133093",
        Content::new(1, 1000),
    )]);
    let (arr, config) = destination(&home);
    let file = home.join("library/A (1999)/a.mkv");
    fs::write(&file, "1").unwrap();
    arr.state().movies = vec![movie(file.to_str().unwrap())];
    let section = arr.section(
        "Main",
        "source = true\ndestination = true\nautoregister = false",
    );
    let config = Config::new(config.completed().parent().unwrap())
        .downloads("")
        .section(&section)
        .peer("alice", &friend.url(), PEER_KEY);
    let server = Jackdaw::start(&config);
    plant(&arr, server.address().port(), KEY);
    // The arr's test of the indexer wants something in the feed.
    let feed = Arr::new(Kind::Radarr, server.address(), "Main", KEY);
    eventually("the friend's movie in the feed", SOON, || {
        (!feed.rss().is_empty()).then_some(())
    });

    let config = config.jackdaw(&format!("internal_url = {}", server.url()));
    let report = doctor(&config, &[]);
    assert_eq!(report.code, Some(0), "{}", report.stderr);
    report.has("ok", "data folder", &["is writable"]);
    report.has("ok", "database", &["opens and is sound"]);
    report.has("ok", "completed_path", &["is writable", "mode 775"]);
    report.has("ok", "disk space", &["free for downloads"]);
    report.has("ok", "internal_url", &["a jackdaw answers"]);
    report.has(
        "ok",
        "radarr \"Main\"",
        &["Radarr 6.0.3.10276 takes our key"],
    );
    report.has("ok", "radarr \"Main\" library", &["1 of 1 files"]);
    report.has(
        "ok",
        "radarr \"Main\" registration",
        &["download client passes"],
    );
    report.has("ok", "radarr \"Main\" registration", &["indexer passes"]);
    report.has("ok", "radarr \"Main\" arr_path", &["it sees"]);
    report.has("ok", "radarr \"Main\" import", &["one file system"]);
    report.has("ok", "friend \"alice\"", &["protocol 0.1.0, takes our key"]);
    report.all_ok("radarr");
    report.all_ok("friend");
    assert!(report.stderr.is_empty(), "{}", report.stderr);
}

#[test]
fn an_arr_that_is_not_well_is_told_apart() {
    let home = Home::new("doctor-arr");
    let (arr, config) = destination(&home);
    let subject = "radarr \"Main\"";
    for (mood, words) in [
        (Mood::Starting, "not ready yet"),
        (Mood::Html, "a web page came instead"),
        (Mood::BadGateway, "502"),
        (Mood::Truncated, "ends early"),
        (Mood::Null, "no appName"),
        (Mood::HangUp, "is it running?"),
    ] {
        arr.state().mood = mood;
        let report = doctor(&config, &[]);
        report.has("FAIL", subject, &[words]);
        // One line is enough: nothing else is asked.
        let about = report.lines.iter().filter(|line| line.contains(subject));
        assert_eq!(about.count(), 1, "{mood:?}");
        assert!(report.stderr.contains("found something broken"));
    }
    arr.state().mood = Mood::Well;
    for (version, words) in [("4.7.5.7809", "older than"), ("7.0.0.1", "newer than")] {
        arr.state().version = version.into();
        doctor(&config, &[]).has("warn", subject, &[version, words, "fix: update"]);
    }
    let dir = home.join("wrong");
    let with = |from: &str, to: &str| {
        Config::new(&dir)
            .downloads("")
            .section(&arr.section("Main", DESTINATION).replace(from, to))
    };
    doctor(&with(&arr.key, &"1".repeat(32)), &[]).has("FAIL", subject, &["api_key is wrong"]);
    doctor(&with("type = radarr", "type = sonarr"), &[]).has(
        "FAIL",
        "sonarr \"Main\"",
        &["is a Radarr", "correct its type"],
    );
    let gone = with(&arr.url(), "http://127.0.0.1:9");
    doctor(&gone, &[]).has("FAIL", subject, &["fix: check its url"]);
    arr.state().url_base = "/radarr".into();
    doctor(&config, &[]).has("FAIL", subject, &["redirected to /radarr", "URL base"]);
}

#[test]
fn an_arr_that_sees_the_downloads_elsewhere_gets_a_mapping() {
    let home = Home::new("doctor-view");
    let (arr, config) = destination(&home);
    let config = config.jackdaw("internal_url = http://127.0.0.1:9");
    let subject = "radarr \"Main\" arr_path";
    let completed = config.completed();
    let at = completed.to_str().unwrap();
    doctor(&config, &[]).has("ok", subject, &["it sees", at]);

    // Its container has the folder at another place, one that images often use.
    arr.state().mounts = Some(vec![
        ("/config".into(), home.dir("arr-config")),
        ("/downloads".into(), completed.clone()),
    ]);
    let report = doctor(&config, &[]);
    report.has(
        "FAIL",
        subject,
        &["but as /downloads", "set arr_path = /downloads", "--fix"],
    );
    assert!(
        arr.state().mappings.is_empty(),
        "nothing changes without --fix"
    );
    let report = doctor(&config, &["--fix"]);
    report.has("ok", subject, &["fixed", "-> /downloads for 127.0.0.1"]);
    let mappings = arr.state().mappings.clone();
    assert_eq!(mappings.len(), 1);
    let text = |name: &str| {
        jackdaw::json::get_str(&mappings[0], name)
            .unwrap()
            .to_owned()
    };
    assert_eq!(text("remotePath"), format!("{at}/"));
    assert_eq!(
        (text("localPath"), text("host")),
        ("/downloads/".into(), "127.0.0.1".into())
    );
    doctor(&config, &[]).has("ok", subject, &["through its remote path mapping"]);
    // It is not made twice.
    doctor(&config, &["--fix"]).has("ok", subject, &["through its remote path mapping"]);
    assert_eq!(arr.state().mappings.len(), 1);

    // A mapping that leads nowhere, though the path itself would do.
    arr.state().mounts = None;
    let report = doctor(&config, &[]);
    report.has(
        "FAIL",
        subject,
        &["leads to /downloads", "delete that mapping"],
    );

    // One for another host does not help, and is named.
    let elsewhere =
        format!(r#"{{"id":9,"host":"localhost","remotePath":"{at}/","localPath":"/downloads/"}}"#);
    arr.state().mappings = vec![value(&elsewhere)];
    arr.state().mounts = Some(vec![("/x".into(), completed.clone())]);
    let report = doctor(&config, &[]);
    report.has(
        "FAIL",
        subject,
        &["mapping is for host localhost", "but as /x"],
    );

    // Not there at all.
    arr.state().mappings.clear();
    arr.state().mounts = Some(vec![("/config".into(), home.dir("arr-config"))]);
    let report = doctor(&config, &["--fix"]);
    report.has(
        "FAIL",
        subject,
        &["does not see", "fix: mount", "set arr_path"],
    );
    assert!(arr.state().mappings.is_empty());
}

#[test]
fn a_library_that_is_elsewhere_here_wants_a_path_map() {
    let home = Home::new("doctor-library");
    let arr = FakeArr::start(App::Radarr);
    let disk = home.dir("disk");
    fs::write(disk.join("a.mkv"), "1").unwrap();
    let config = |map: &str| {
        Config::new(&home.join("us")).section(&arr.section(
            "Main",
            &format!("source = true\ndestination = false\n{map}"),
        ))
    };
    let mapped = config(&format!("path_map = /movies -> {}", disk.display()));
    let subject = "radarr \"Main\" library";
    doctor(&mapped, &[]).has("ok", subject, &["no files yet"]);
    arr.state().movies = vec![movie("/movies/a.mkv")];
    doctor(&mapped, &[]).has("ok", subject, &["1 of 1 files can be opened"]);
    let report = doctor(&config(""), &[]);
    report.has(
        "FAIL",
        subject,
        &[
            "1 of 1",
            "/movies/a.mkv: No such file",
            "path_map = /movies ->",
        ],
    );
    arr.state().movies.push(movie("/movies/gone.mkv"));
    let report = doctor(&mapped, &[]);
    report.has("warn", subject, &["1 of 2", "which is", "gone.mkv here"]);
}

#[test]
fn root_folders_decide_between_renaming_and_copying() {
    let home = Home::new("doctor-roots");
    let (arr, config) = destination(&home);
    let subject = "radarr \"Main\" import";
    doctor(&config, &[]).has("ok", subject, &["one file system", "renames"]);
    let check = |root: &str, level: &str, words: &[&str]| {
        arr.state().root_folders = vec![root.to_owned()];
        doctor(&config, &[]).has(level, subject, words);
    };
    // /proc is a file system of its own on every Linux.
    check("/proc", "warn", &["different file systems", "copies"]);
    check("/nowhere/movies", "ok", &["not to be seen here"]);
    let completed = config.completed();
    check(
        completed.to_str().unwrap(),
        "FAIL",
        &["is our completed_path"],
    );
    arr.state().root_folders.clear();
    doctor(&config, &[]).has("warn", subject, &["no root folder"]);
}

#[test]
fn registration_is_judged_by_the_arrs_own_test() {
    let home = Home::new("doctor-registration");
    let (arr, config) = destination(&home);
    let subject = "radarr \"Main\" registration";
    let server = Jackdaw::start(&config);
    let port = server.address().port();
    let config = config.jackdaw(&format!("internal_url = {}", server.url()));
    let report = doctor(&config, &[]);
    report.has("warn", subject, &["no download client of ours", "by hand"]);
    report.has("warn", subject, &["no indexer of ours"]);

    plant(&arr, port, "wrong-password");
    let report = doctor(&config, &[]);
    report.has(
        "FAIL",
        subject,
        &["test of our download client says", "Authentication failure"],
    );
    report.has(
        "FAIL",
        subject,
        &["test of our indexer says: ApiKey: Invalid API Key"],
    );
    assert_eq!(arr.calls("POST", "/indexer/test").len(), 1);

    // Registered at another address, disabled, not bound: each is said.
    {
        let mut state = arr.state();
        let client = &mut state.providers.get_mut("downloadclient").unwrap()[0];
        client.fields.insert("host".into(), value("\"localhost\""));
        client.top.insert("enable".into(), value("false"));
        let off = value("false");
        client.top.insert("removeCompletedDownloads".into(), off);
        let indexer = &mut state.providers.get_mut("indexer").unwrap()[0];
        indexer.top.insert("downloadClientId".into(), value("0"));
    }
    let report = doctor(&config, &[]);
    report.has(
        "warn",
        subject,
        &["download client: its address http://localhost"],
    );
    report.has("warn", subject, &["download client: it is disabled"]);
    report.has("warn", subject, &["Remove Completed is off"]);
    report.has("warn", subject, &["indexer: it is not bound"]);
}

#[test]
fn a_missing_registration_is_made_on_demand() {
    let home = Home::new("doctor-fix");
    let arr = FakeArr::start(App::Sonarr);
    let plain = Config::new(&home.join("us")).downloads("");
    // Here the server does not see to it by itself.
    let server = Jackdaw::start(&plain.clone().section(&arr.section("Main", DESTINATION)));
    let section = "source = false\ndestination = true\nautoregister = true";
    let config = plain
        .jackdaw(&format!("internal_url = {}", server.url()))
        .section(&arr.section("Main", section));
    let subject = "sonarr \"Main\" registration";
    let report = doctor(&config, &[]);
    report.has(
        "FAIL",
        subject,
        &["no download client of ours", "doctor --fix"],
    );
    report.has("FAIL", subject, &["no indexer of ours"]);

    let report = doctor(&config, &["--fix"]);
    report.has("ok", subject, &["fixed", "made"]);
    report.has("ok", subject, &["download client passes"]);
    // Nobody offers anything, which is no fault.
    report.has("warn", subject, &["no results", "no friend offers"]);
    assert_eq!(report.code, Some(0), "{}", report.lines.join("\n"));
    assert_eq!(arr.providers("downloadclient").len(), 1);
    // A second time there is nothing to fix.
    let report = doctor(&config, &["--fix"]);
    assert!(!report.lines.iter().any(|line| line.contains("fixed")));
    // Nor to complain of: the keys that are stored there are the ones in use.
    let report = doctor(&config, &[]);
    let complaint = "not as jackdaw wants it";
    assert!(
        !report.lines.iter().any(|line| line.contains(complaint)),
        "{}",
        report.lines.join("\n")
    );

    // Drift is seen, and mended.
    arr.state().providers.get_mut("downloadclient").unwrap()[0]
        .top
        .insert("removeCompletedDownloads".into(), value("false"));
    doctor(&config, &[]).has(
        "warn",
        subject,
        &["not as jackdaw wants it", "removeCompleted"],
    );
    doctor(&config, &["--fix"]).has("ok", subject, &["fixed", "repaired"]);

    // What the owner has switched off is left so, but said.
    arr.state().providers.get_mut("downloadclient").unwrap()[0]
        .top
        .insert("enable".into(), value("false"));
    let report = doctor(&config, &["--fix"]);
    report.has(
        "warn",
        subject,
        &["download client: it is disabled", "fix: switch it on"],
    );
    let client = &arr.providers("downloadclient")[0];
    assert_eq!(miniserde::json::to_string(&client.top["enable"]), "false");
}

#[test]
fn a_server_that_does_not_run_is_not_blamed_on_the_arr() {
    let home = Home::new("doctor-stopped");
    let (arr, config) = destination(&home);
    plant(&arr, 9, KEY);
    let config = config.jackdaw("internal_url = http://127.0.0.1:9");
    let report = doctor(&config, &[]);
    report.has(
        "FAIL",
        "internal_url",
        &["no jackdaw answers", "fix: start jackdaw"],
    );
    report.has("warn", "radarr \"Main\" registration", &["not tested"]);
    assert!(arr.calls("POST", "/").is_empty());

    // Something answers /ping there, but it is no jackdaw.
    let config = destination(&home)
        .1
        .jackdaw(&format!("internal_url = {}", arr.url()));
    doctor(&config, &[]).has("FAIL", "internal_url", &["another program answers there"]);
    // Without an address nothing can be registered.
    let report = doctor(&destination(&home).1, &[]);
    report.has("warn", "internal_url", &["not set"]);
}

/// A server that reads what comes first, answers with these bytes, and closes.
fn answer_once(answer: &str) -> (String, std::thread::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let answer = answer.to_owned();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        // A request head or a TLS greeting: either is small enough for one packet on loopback.
        let _ = stream.read(&mut [0; 4096]).unwrap();
        stream.write_all(answer.as_bytes()).unwrap();
    });
    (url, server)
}

#[test]
fn friends_are_told_apart() {
    let home = Home::new("doctor-friends");
    let friend = FakePeer::start(Vec::new());
    let check = |url: &str, key: &str, level: &str, words: &[&str]| {
        let config = Config::new(&home.join("us")).peer("alice", url, key);
        doctor(&config, &[]).has(level, "friend \"alice\"", words);
    };
    let url = friend.url();
    check(&url, PEER_KEY, "ok", &["protocol 0.1.0", "takes our key"]);
    check(
        &url,
        "another-key-of-some-length",
        "FAIL",
        &["401", "fix: ask for a new key"],
    );
    check(
        "http://127.0.0.1:9",
        PEER_KEY,
        "FAIL",
        &["connection refused", "fix: check its url"],
    );
    // TLS at a port that speaks plain HTTP.
    let (plain, server) = answer_once("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
    let tls = plain.replace("http:", "https:");
    check(&tls, PEER_KEY, "FAIL", &["is the url http, not https?"]);
    server.join().unwrap();
    for (handshake, words) in [
        (Handshake::Version("0.0.9".into()), "ask for an update"),
        (Handshake::NoVersion, "MAJOR.MINOR.PATCH"),
        (Handshake::NotFound, "no jack or jackdaw"),
    ] {
        friend.set().handshake = handshake;
        check(&url, PEER_KEY, "FAIL", &[words]);
    }
}

#[test]
fn a_friends_clock_is_compared_with_ours() {
    let home = Home::new("doctor-clock");
    let body = r#"{"name":"jack","version":"0.1.0"}"#;
    let (url, server) = answer_once(&format!(
        "HTTP/1.1 200 OK\r\nDate: Sat, 01 Jan 2000 00:00:00 GMT\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    ));
    let config = Config::new(&home.join("us")).peer("alice", &url, PEER_KEY);
    let report = doctor(&config, &[]);
    server.join().unwrap();
    report.has("warn", "friend \"alice\"", &["s behind ours", "NTP"]);
    assert_eq!(report.code, Some(0), "a warning is not a failure");
}

#[test]
fn our_own_disks_are_looked_at() {
    let home = Home::new("doctor-disks");
    let dir = home.join("us");
    let config = Config::new(&dir).downloads("");
    let report = doctor(&config, &[]);
    report.has("ok", "data folder", &["made at the first start"]);
    report.has("ok", "database", &["first start"]);
    assert!(!dir.join("data").exists(), "a look makes nothing");

    fs::create_dir(dir.join("data")).unwrap();
    fs::write(dir.join("data/jackdaw.db"), [7u8; 8192]).unwrap();
    doctor(&config, &[]).has("FAIL", "database", &["damaged", "fix: stop jackdaw"]);

    let full = Config::new(&dir).section(&format!(
        "[downloads]\ncompleted_path = {}\nmin_free_space = 1000000TiB",
        config.completed().display()
    ));
    doctor(&full, &[]).has(
        "FAIL",
        "disk space",
        &["no download starts", "fix: make room"],
    );

    let nowhere = Config::new(&dir).section("[downloads]\ncompleted_path = /nonexistent/x");
    doctor(&nowhere, &[]).has("FAIL", "completed_path", &["is not there", "fix: make it"]);
    assert!(!Path::new("/nonexistent").exists());
}
