//! A run of the doctor, its report, and an arr with something for it to look at.

use std::fs;

use crate::support::Home;
use crate::support::fake_arr::{App, FakeArr};
use crate::support::peer::PEER_KEY;
use crate::support::process::{Config, KEY, run};

/// What a run printed, and its exit code.
pub struct Report {
    pub lines: Vec<String>,
    pub code: Option<i32>,
    pub stderr: String,
}

impl Report {
    /// There is a line of this level about this that has all these words.
    #[track_caller]
    pub fn has(&self, level: &str, subject: &str, words: &[&str]) {
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
    pub fn all_ok(&self, subject: &str) {
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

pub fn doctor(config: &Config, more: &[&str]) -> Report {
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

pub fn movie(path: &str) -> String {
    format!(
        r#"{{"title":"A","year":1999,"tmdbId":603,"id":1,"movieFile":{{"id":1,"path":"{path}","size":1,
        "quality":{{"quality":{{"name":"Bluray-1080p"}}}}}}}}"#
    )
}

pub fn fields(all: &[(&str, &str)]) -> String {
    let all: Vec<String> = all
        .iter()
        .map(|(name, value)| format!(r#"{{"name":"{name}","value":{value}}}"#))
        .collect();
    format!("[{}]", all.join(","))
}

/// Registers us there as the reconciler would, with this password.
pub fn plant(arr: &FakeArr, port: u16, password: &str) {
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

pub const DESTINATION: &str = "source = false\ndestination = true\nautoregister = false";

/// A destination that sees our disk as we do, with a root folder beside `completed`.
pub fn destination(home: &Home) -> (FakeArr, Config) {
    let arr = FakeArr::start(App::Radarr);
    let library = home.dir("library");
    home.dir("library/A (1999)");
    arr.state().root_folders = vec![library.to_str().unwrap().to_owned()];
    let config = Config::new(&home.join("us"))
        .downloads("")
        .section(&arr.section("Main", DESTINATION));
    (arr, config)
}
