//! What becomes of a grab once its transfer has ended, against a Radarr and a Sonarr that behave as
//! theirs do: imports, webhooks and refusals here; failures, and arrs that do not answer, in
//! `failures`.

mod failures;
mod rig;

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use jackdaw::clock::iso8601;

use crate::support::arr;
use crate::support::fake_arr::{App, FakeArr, value};
use crate::support::fake_cdh::{self, Tracked};
use crate::support::http::request;
use crate::support::peer::FileFault;
use crate::support::process::KEY;
use crate::support::{SOON, eventually};
use rig::*;

fn unlinking(name: &str, grabs: &[Planted]) -> Rig {
    let settings = format!("{OFTEN}after_import = keep\nunlink_imported = true\n");
    Rig::start(name, &settings, grabs)
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
    // Said once the row has changed.
    rig.wait_for_log("imported by sonarr");
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
    let again = Planted {
        number: 3,
        ..unknown
    };
    let rig = Rig::start("imports-lost", OFTEN, &[unknown, ignored, again]);
    // Imported in an earlier life, and grabbed once more: that import is not this one's.
    rig.arr.state().history.push(value(&format!(
        r#"{{"id":77,"eventType":"downloadFolderImported","date":"2001-01-01T00:00:00Z",
            "downloadId":"{}","data":{{"importedPath":"/movies/x.mkv"}}}}"#,
        again.id()
    )));
    rig.arr.add_history("grabbed", &again.id(), &[]);
    rig.arr.add_history("grabbed", &ignored.id(), &[]);
    rig.arr.add_history("downloadIgnored", &ignored.id(), &[]);
    rig.wait_for_log("\"The.Matrix.1999.1080p.BluRay.x264-GROUP\" (grab 1): neither in its queue");
    rig.wait_for_log(
        "(grab 2): not in its queue; the last entry of it in its history is downloadIgnored",
    );
    rig.wait_for_log("(grab 3): not in its queue, although it grabbed this");
    assert_eq!(rig.row(again), Some(("completed".into(), false)));
}
