//! Grabs that have finally failed, and arrs that do not answer as they should.

use crate::support::fake_arr::{App, FakeArr, Mood, value};
use crate::support::peer::FileFault;
use crate::support::{SOON, eventually};

use super::rig::*;

/// Keeps the history being polled, as a clock for what must not happen.
const FINISHED_TOO: Planted = Planted {
    number: 9,
    ..FINISHED
};

// --- failures

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
