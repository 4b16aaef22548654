//! `jackdaw status` and the route behind it, with the built binary.

use crate::support::arr::{Arr, Kind};
use crate::support::content::Content;
use crate::support::fake_arr::{App, FakeArr};
use crate::support::http;
use crate::support::peer::{FakePeer, FileFault, Offer, PEER_KEY};
use crate::support::process::{BINARY, Config, Ended, Jackdaw, KEY, run_command};
use crate::support::{Home, SOON, eventually};

fn status(server: &Jackdaw, more: &[&str], variable: Option<&str>) -> Ended {
    let file = server.config().write();
    let mut command = std::process::Command::new(BINARY);
    command
        .arg("status")
        .arg("--config")
        .arg(&file)
        .args(["--url", &server.url()])
        .args(more)
        .current_dir(file.parent().unwrap())
        .env_remove("JACKDAW_API_KEY");
    if let Some(key) = variable {
        command.env("JACKDAW_API_KEY", key);
    }
    run_command(command)
}

#[test]
fn the_owner_sees_grabs_friends_and_arrs() {
    let home = Home::new("status");
    let friend = FakePeer::start(vec![Offer::movie(
        "f:movie:1",
        "The.Matrix.1999.1080p.BluRay.x264-GRP",
        603,
        "tt0133093",
        Content::new(1, 100_000),
    )]);
    friend.set().file = FileFault::Status(503);
    let arr = FakeArr::start(App::Radarr);
    let config = Config::new(&home.join("us"))
        .downloads("")
        .section(&arr.section("Main", "source = true\nautoregister = false"))
        .peer("alice", &friend.url(), PEER_KEY)
        .peer("carol", "http://127.0.0.1:9", PEER_KEY);
    let server = Jackdaw::start(&config);
    let mut radarr = Arr::new(Kind::Radarr, server.address(), "Main", KEY);
    radarr.test_client();
    let item = eventually("the movie in the feed", SOON, || radarr.rss().pop());
    radarr.grab(&item);

    let text = eventually("the grab to wait and the friends to be known", SOON, || {
        let ended = status(&server, &[], None);
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        let text = ended.stdout;
        (text.contains("waiting") && text.contains("away") && text.contains("up  ")).then_some(text)
    });
    for words in [
        "jackdaw 0.",
        "Downloads: ",
        "97.7 KiB",
        "alice  Main  The.Matrix.1999.1080p.BluRay.x264-GRP",
        // Why it waits, and why a friend is away.
        "503",
        "connection refused",
        "radarr \"Main\"",
        "Radarr  shares, grabs",
    ] {
        assert!(text.contains(words), "{words} is not in\n{text}");
    }

    let ended = status(&server, &["--json"], None);
    let json = jackdaw::json::parse(&ended.stdout).expect("JSON");
    let downloads = jackdaw::json::get(&json, "downloads").unwrap();
    let grabs = jackdaw::json::get_array(downloads, "grabs");
    assert_eq!(grabs.len(), 1);
    assert_eq!(jackdaw::json::get_u64(&grabs[0], "size"), Some(100_000));
    assert_eq!(jackdaw::json::get_array(&json, "friends").len(), 2);
    for secret in [KEY, PEER_KEY, arr.key.as_str()] {
        assert!(!ended.stdout.contains(secret));
    }
}

#[test]
fn only_the_owners_key_opens_it() {
    let home = Home::new("status-key");
    let server = Jackdaw::start(&Config::new(&home.join("us")));
    let answer = server.get("/status");
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert!(
        !answer.text().contains("\"downloads\""),
        "none is configured"
    );
    for key in ["", "wrong"] {
        assert_eq!(http::get(server.address(), "/status", key).status, 401);
    }
    let wrong = status(&server, &["--key", "wrong"], None);
    assert_eq!(wrong.code, Some(1));
    assert!(wrong.stderr.contains("not the owner's"), "{}", wrong.stderr);
    assert!(!wrong.stderr.contains("wrong "), "the key is not repeated");
}

#[test]
fn a_generated_key_comes_from_the_environment() {
    let home = Home::new("status-generated");
    let dir = home.dir("us");
    // No api_key: the server makes one at its first start.
    let file = dir.join("jackdaw.ini");
    std::fs::write(
        &file,
        "[jackdaw]\nlisten = 127.0.0.1:0\ndata_dir = /nonexistent\n",
    )
    .unwrap();
    let run = |variable: Option<&str>| {
        let mut command = std::process::Command::new(BINARY);
        command
            .args(["status", "--url", "http://127.0.0.1:9", "--config"])
            .arg(&file)
            .current_dir(&dir)
            .env_remove("JACKDAW_API_KEY");
        if let Some(key) = variable {
            command.env("JACKDAW_API_KEY", key);
        }
        run_command(command)
    };
    let without = run(None);
    assert_eq!(without.code, Some(1));
    assert!(
        without.stderr.contains("kept only as a digest"),
        "{}",
        without.stderr
    );
    assert!(without.stderr.contains("JACKDAW_API_KEY"));
    // With one it gets as far as asking.
    let with = run(Some("some-key"));
    assert!(
        with.stderr.contains("no jackdaw answers"),
        "{}",
        with.stderr
    );
}
