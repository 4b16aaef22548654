//! `jackdaw doctor` against fake arrs and friends: each check, in order and broken. Here are the sound
//! installation and our own disks; arrs, registration and friends are in the modules.

mod arrs;
mod friends;
mod registration;
mod rig;

use std::fs;
use std::path::Path;

use crate::support::arr::{Arr, Kind};
use crate::support::content::Content;
use crate::support::peer::{FakePeer, Offer, PEER_KEY};
use crate::support::process::{Config, Jackdaw, KEY};
use crate::support::{Home, SOON, eventually};
use rig::{destination, doctor, movie, plant};

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
