//! A friend with every fault switched on, one at a time: the right file or a named failure, never
//! a wrong file.

use std::path::{Path, PathBuf};

use crate::support::arr::{Arr, Kind, Status};
use crate::support::content::Content;
use crate::support::peer::{
    Asked, Behaviour, FakePeer, FileFault, Handshake, ListFault, Offer, PEER_KEY,
};
use crate::support::process::{Config, Jackdaw, KEY};
use crate::support::scene::{Scene, TITLE, film};
use crate::support::{Home, SOON, eventually};

const SIZE: u64 = 700_001;

fn content() -> Content {
    Content::new(11, SIZE)
}

fn offer() -> Offer {
    film(content())
}

/// How a grab must end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// With exactly the friend's bytes.
    Right,
    /// Failed, with a reason.
    Failed,
    /// Either is sound; a wrong file is not.
    RightOrFailed,
}
use Outcome::{Failed, Right, RightOrFailed};

impl Scene {
    fn new(name: &str, more: &str) -> Scene {
        Scene::start(name, content(), &format!("max_attempts = 3\n{more}"))
    }

    /// Finds the release, then lets `change` spoil the peer, then grabs.
    fn grab(&mut self, change: impl FnOnce(&mut Behaviour)) -> String {
        let item = self.item();
        let torrent = self.radarr.fetch(&item);
        change(&mut self.peer.set());
        self.radarr.add(TITLE, &torrent).unwrap()
    }

    /// Waits for the end; judges whatever lies in the download folder.
    fn ends(&mut self, id: &str, expected: Outcome, served: Content) -> Option<PathBuf> {
        let radarr = &mut self.radarr;
        let download = eventually("the grab to end", SOON, || {
            let download = radarr.find(id).expect("an accepted grab is listed");
            (download.status == Status::Completed || download.state == "error").then_some(download)
        });
        let finished = finished_files(&self.consumer.config().completed());
        if download.status == Status::Completed {
            assert_ne!(expected, Failed, "completed: {download:?}");
            let output = PathBuf::from(download.output_path.unwrap());
            served.assert_equals(&output);
            assert_eq!(finished, std::slice::from_ref(&output));
            Some(output)
        } else {
            assert_ne!(expected, Right, "failed: {:?}", reasons(&self.consumer));
            assert_eq!(finished, [] as [PathBuf; 0]);
            let reasons = reasons(&self.consumer);
            assert!(
                reasons.len() == 1 && reasons[0].len() > 10,
                "a failure says why: {reasons:?}"
            );
            None
        }
    }

    fn file_requests(&self) -> Vec<Asked> {
        self.peer.file_requests()
    }
}

/// Files that the arr could take for finished ones.
fn finished_files(completed: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(completed).unwrap().map(Result::unwrap) {
        if entry.file_name() == ".partial" {
            continue;
        }
        match entry.file_type().unwrap().is_dir() {
            true => found.extend(finished_files(&entry.path())),
            false => found.push(entry.path()),
        }
    }
    found
}

/// What the database says of failed grabs.
fn reasons(consumer: &Jackdaw) -> Vec<String> {
    let folder = consumer.config().completed().with_file_name("data");
    let database = rusqlite::Connection::open(folder.join("jackdaw.db")).unwrap();
    let mut query = database
        .prepare("SELECT coalesce(reason, '') FROM grab WHERE state = 'failed'")
        .unwrap();
    query
        .query_map([], |row| row.get(0))
        .unwrap()
        .map(Result::unwrap)
        .collect()
}

/// The first request meets the faults in order, later ones none.
fn passing(name: &str, faults: &[FileFault], expected: Outcome) {
    let mut scene = Scene::new(name, "");
    let id = scene.grab(|peer| peer.next_files.extend(faults.iter().cloned()));
    scene.ends(&id, expected, content());
}

/// Every request meets the fault.
fn lasting(name: &str, fault: FileFault, expected: Outcome) {
    let mut scene = Scene::new(name, "max_file_size = 50MiB");
    let id = scene.grab(|peer| peer.file = fault);
    scene.ends(&id, expected, content());
}

macro_rules! faults {
    ($($name:ident: $run:ident, $fault:expr, $expected:expr;)*) => {
        $(#[test]
        fn $name() {
            use FileFault::*;
            $run(stringify!($name), $fault, $expected);
        })*
    };
}

// What passes is ridden out; a resumed attempt asks for the rest only.
faults! {
    a_stall_is_resumed: passing, &[StallAt(300_000)], Right;
    a_cut_is_resumed: passing, &[CutAt(300_000), CutAt(1)], Right;
    a_cut_before_the_first_byte_is_retried: passing, &[CutAt(0)], Right;
    a_reset_is_resumed: passing, &[ResetAt(300_000)], Right;
    a_hangup_is_retried: passing, &[Hangup], Right;
    a_refused_range_restarts: passing, &[CutAt(300_000), Refuse416], Right;
    an_ignored_range_restarts: passing, &[CutAt(300_000), IgnoreRange], Right;
    a_wrong_range_start_restarts: passing, &[CutAt(300_000), WrongRangeStart], Right;
    a_wrong_range_total_restarts: passing, &[CutAt(300_000), WrongRangeTotal], Right;
    an_unasked_range_is_retried: passing, &[Unasked206], RightOrFailed;
    too_many_bytes_once: passing, &[TooMany(1000)], Right;
    too_few_bytes_once: passing, &[TooFew(1000)], Right;
    too_few_bytes_of_the_rest: passing, &[CutAt(300_000), TooFew(1000)], Right;
    too_many_bytes_of_the_rest: passing, &[CutAt(300_000), TooMany(1000)], Right;
    a_login_page_once: passing, &[LoginPage], Right;
    a_login_page_on_resuming: passing, &[CutAt(300_000), LoginPage], Right;
    a_json_page_once: passing, &[JsonPage], Right;
    a_server_error_is_retried: passing, &[Status(500), Status(503)], Right;
    busy_is_waited_for_in_seconds: passing, &[BusySeconds(1)], Right;
    busy_is_waited_for_by_date: passing, &[BusyDate(2)], Right;
    no_http_at_all_once: passing, &[NotHttp], Right;
}

// What lasts ends in a failure, unless the bytes can be had all the same.
faults! {
    always_stalling: lasting, StallAt(1000), Failed;
    always_empty: lasting, CutAt(0), Failed;
    always_a_login_page: lasting, LoginPage, Failed;
    always_json: lasting, JsonPage, Failed;
    always_416: lasting, Refuse416, Failed;
    always_not_found: lasting, Status(404), Failed;
    always_unauthorized: lasting, Status(401), Failed;
    always_a_server_error: lasting, Status(502), Failed;
    always_redirected: lasting, Redirect, Failed;
    always_too_many_bytes: lasting, TooMany(1), Failed;
    always_too_few_bytes: lasting, TooFew(1), Failed;
    always_a_header_too_long: lasting, LongHeader(1), Failed;
    always_an_unasked_range: lasting, Unasked206, RightOrFailed;
    always_an_endless_head: lasting, EndlessHead, Failed;
    chunked_without_a_length: lasting, Chunked, RightOrFailed;
    without_any_length: lasting, NoLength, RightOrFailed;
    a_slow_drip_is_no_stall: lasting, Drip(200_000), Right;
    a_peer_without_ranges: lasting, IgnoreRange, Right;
}

#[test]
fn a_resumed_attempt_asks_for_the_rest_of_the_same_file() {
    let mut scene = Scene::new("resume", "");
    let id = scene.grab(|peer| peer.next_files.push_back(FileFault::CutAt(300_000)));
    scene.ends(&id, Right, content());
    let asked = scene.file_requests();
    assert_eq!(asked.len(), 2, "{asked:?}");
    assert_eq!(asked[0].header("Range"), None);
    let range = asked[1].header("Range").unwrap();
    let have: u64 = range
        .strip_prefix("bytes=")
        .and_then(|rest| rest.strip_suffix('-'))
        .and_then(|have| have.parse().ok())
        .unwrap_or_else(|| panic!("{range}"));
    assert!(have > 0 && have <= 300_000, "{range}");
    assert_eq!(asked[1].header("If-Range"), offer().etag.as_deref());
    assert_eq!(asked[1].header("X-Api-Key"), Some(PEER_KEY));
}

/// The file is another one, of the same size, after `cut` bytes.
fn changed(name: &str, second: FileFault, with_etag: bool) {
    let mut scene = Scene::new(name, "");
    let other = Content::new(12, SIZE);
    let id = scene.grab(|peer| {
        peer.next_files.push_back(FileFault::CutAt(300_000));
        peer.next_files.push_back(FileFault::Status(503));
        peer.next_files.push_back(second);
        if !with_etag {
            peer.offers[0].etag = None;
        }
    });
    eventually("the second attempt", SOON, || {
        (scene.file_requests().len() >= 2).then_some(())
    });
    {
        let mut peer = scene.peer.set();
        let mut offer = film(other);
        if !with_etag {
            offer.etag = None;
        }
        peer.offers[0] = offer;
    }
    scene.ends(&id, RightOrFailed, other);
}

#[test]
fn a_changed_file_is_never_spliced() {
    changed("changed", FileFault::None, true);
}

#[test]
fn a_changed_file_is_never_spliced_even_if_the_peer_ignores_if_range() {
    changed("changed-206", FileFault::IgnoreIfRange, true);
}

#[test]
fn a_changed_file_is_never_spliced_even_if_nothing_names_its_version() {
    changed("changed-bare", FileFault::None, false);
}

#[test]
fn unsafe_file_names_are_refused_before_a_byte_is_written() {
    for (index, name) in [
        "../x.mkv",
        "a/b.mkv",
        "a\\b.mkv",
        "",
        ".",
        "..",
        "x\0.mkv",
        "x\n.mkv",
        "/etc/passwd",
        "C:\\x.mkv",
    ]
    .into_iter()
    .enumerate()
    {
        let mut scene = Scene::new(&format!("name-{index}"), "");
        let id = scene.grab(|peer| peer.offers[0].filename = name.into());
        scene.ends(&id, Failed, content());
        assert_eq!(scene.file_requests().len(), 0, "{name:?}");
        let completed = scene.consumer.config().completed();
        assert!(!completed.with_file_name("x.mkv").exists());
    }
}

#[test]
fn a_longest_file_name_is_fine() {
    let mut scene = Scene::new("long-name", "");
    let name = format!("{}.mkv", "n".repeat(251));
    let id = scene.grab(|peer| peer.offers[0].filename = name.clone());
    let output = scene.ends(&id, Right, content()).unwrap();
    assert_eq!(output.file_name().unwrap().to_str(), Some(name.as_str()));
}

#[test]
fn a_vanished_item_fails_by_name() {
    let mut scene = Scene::new("vanished", "");
    let id = scene.grab(|peer| peer.offers.clear());
    scene.ends(&id, Failed, content());
}

#[test]
fn a_size_that_everybody_confirms_is_still_not_another_release() {
    // Search, item and file agree on a size that is not the stub's: it is another file now.
    let mut scene = Scene::new("resized", "");
    let other = Content::new(13, SIZE + 5);
    let id = scene.grab(|peer| peer.offers[0].content = other);
    scene.ends(&id, RightOrFailed, other);
}

/// Nothing of a bad list is shown, and the consumer goes on.
fn list(name: &str, fault: ListFault, is_found: bool) {
    let mut scene = Scene::new(name, "");
    scene.peer.set().list = fault;
    let items = scene.radarr.movie(603, "tt0133093");
    if is_found {
        assert_eq!(items.len(), 1);
        assert_eq!(items[0].title, TITLE);
    }
    // A friend's fault is never the arr's: no 5xx, no error element (feed() would have panicked).
    assert!(scene.radarr.movie(604, "tt0000001").is_empty());
    scene.peer.set().list = ListFault::None;
    eventually("the release once the friend is well again", SOON, || {
        (scene.radarr.movie(603, "tt0133093").len() == 1).then_some(())
    });
    scene.consumer.assert_alive();
    let peak = scene.consumer.memory("VmHWM");
    assert!(peak < 64 << 20, "peak {peak}");
}

#[test]
fn bad_lists_are_survived() {
    list("list-login", ListFault::LoginPage, false);
    list("list-truncated", ListFault::Truncated, false);
    list("list-500", ListFault::Status(500), false);
    list("list-404", ListFault::Status(404), false);
    list("list-401", ListFault::Status(401), false);
}

#[test]
fn null_for_an_optional_key_is_an_absent_key() {
    list("list-nulls", ListFault::Nulls, true);
}

#[test]
fn a_huge_item_does_not_hide_the_others() {
    list("list-huge", ListFault::HugeItem(8 << 20), true);
}

#[test]
fn an_unfiltered_list_is_filtered() {
    list("list-unfiltered", ListFault::Unfiltered, true);
}

#[test]
fn an_endless_list_ends() {
    list("list-endless", ListFault::Endless, false);
}

#[test]
fn a_silent_friend_does_not_make_the_arr_wait() {
    let scene = Scene::new("list-silent", "");
    scene.peer.set().list = ListFault::Silent;
    let start = std::time::Instant::now();
    scene.radarr.movie(603, "tt0133093");
    // 5 s for friends; the arr itself would wait for 100.
    assert!(start.elapsed() < std::time::Duration::from_secs(20));
}

/// Friends that do not speak our version are not used.
#[test]
fn only_versions_from_0_1_0_on_are_friends() {
    for (index, (handshake, is_used)) in [
        (Handshake::Version("0.1.0".into()), true),
        (Handshake::Version("0.10.0".into()), true),
        (Handshake::Version("1.0.0".into()), true),
        (Handshake::Version("0.0.9".into()), false),
        (Handshake::Version("1.0".into()), false),
        (Handshake::Version("v1.0.0".into()), false),
        (Handshake::Version("".into()), false),
        (Handshake::NoVersion, false),
        (Handshake::NotFound, false),
    ]
    .into_iter()
    .enumerate()
    {
        let home = Home::new(&format!("version-{index}"));
        let peer = FakePeer::start(vec![offer()]);
        peer.set().handshake = handshake.clone();
        let consumer = Jackdaw::start(&Config::new(&home.join("consumer")).downloads("").peer(
            "jack",
            &peer.url(),
            PEER_KEY,
        ));
        let radarr = Arr::new(Kind::Radarr, consumer.address(), "Main Radarr", KEY);
        if is_used {
            eventually("the release of a friend", SOON, || {
                (radarr.movie(603, "tt0133093").len() == 1).then_some(())
            });
        } else {
            eventually("the handshake", SOON, || {
                let asked = &peer.set().asked;
                asked.iter().any(|a| a.target == "/handshake").then_some(())
            });
            let items = radarr.movie(603, "tt0133093");
            assert!(items.is_empty(), "{handshake:?}: {items:?}");
        }
    }
}
