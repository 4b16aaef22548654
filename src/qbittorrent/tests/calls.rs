//! What the calls do, as seen by their callers.

use std::io::Write;

use super::rig::{OWNER_KEY, RADARR_KEY, Rig, SONARR_KEY};
use crate::config::AfterImport;
use crate::http::Body;
use crate::http::Method::{Get, Post};

fn check(rig: &Rig, sid: &str, cases: &[(&str, &str, u16, &str)]) {
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
fn field(json: &str, name: &str) -> String {
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

fn state(rig: &Rig, sid: &str, hash: &str) -> String {
    let list = rig.get(sid, &format!("torrents/info?hashes={hash}")).body;
    field(&list, "state")
}

#[test]
fn a_grab_goes_the_way_radarr_sends_it() {
    let rig = Rig::new();
    let sid = rig.login("Main Radarr", RADARR_KEY);
    check(
        &rig,
        &sid,
        &[
            ("torrents/categories", "", 200, "{}"),
            ("torrents/createCategory", "category=radarr", 200, ""),
            (
                "torrents/categories",
                "",
                200,
                r#"{"radarr":{"name":"radarr","savePath":""}}"#,
            ),
        ],
    );
    let fields = [
        ("category", "radarr"),
        ("paused", "False"),
        ("contentLayout", "Original"),
        ("ratioLimit", "2.5"),
        ("seedingTimeLimit", "60"),
    ];
    let hash = rig.add(&sid, "Example.Movie.2020.1080p-GRP", &fields);
    let list = rig.get(&sid, "torrents/info?category=radarr").body;
    for (name, value) in [
        ("hash", format!("\"{hash}\"")),
        ("name", "\"Example.Movie.2020.1080p-GRP\"".into()),
        ("state", "\"queuedDL\"".into()),
        ("category", "\"radarr\"".into()),
        ("size", "3000000".into()),
        ("ratio_limit", "2.5".into()),
        ("seeding_time_limit", "60".into()),
        ("priority", "1".into()),
    ] {
        assert_eq!(field(&list, name), value, "{name}");
    }
    let properties = rig.get(&sid, &format!("torrents/properties?hash={hash}"));
    assert_eq!(properties.status, 200);
    assert_eq!(
        field(&properties.body, "save_path"),
        "\"/data/completed/Example.Movie.2020.1080p-GRP\""
    );

    rig.force_state(&hash, "completed");
    let list = rig.get(&sid, "torrents/info?category=radarr").body;
    for (name, value) in [
        ("state", "\"pausedUP\""),
        ("progress", "1"),
        ("ratio_limit", "0"),
        (
            "content_path",
            "\"/data/completed/Example.Movie.2020.1080p-GRP/Some File.mkv\"",
        ),
    ] {
        assert_eq!(field(&list, name), value, "{name}");
    }
    let upper = hash.to_uppercase();
    let form = format!("hashes={upper}&deleteFiles=true");
    check(&rig, &sid, &[("torrents/delete", &form, 200, "")]);
    assert_eq!(rig.get(&sid, "torrents/info").body, "[]");
    let gone = rig.get(&sid, &format!("torrents/properties?hash={hash}"));
    assert_eq!((gone.status, gone.body.as_str()), (404, "Not Found"));
}

#[test]
fn keep_mode_shows_no_limit_that_is_met() {
    let rig = Rig::with(true, AfterImport::Keep);
    let sid = rig.login("Main Radarr", RADARR_KEY);
    let hash = rig.add(&sid, "A", &[("ratioLimit", "2")]);
    rig.force_state(&hash, "imported");
    assert_eq!(
        field(&rig.get(&sid, "torrents/info").body, "ratio_limit"),
        "-2"
    );
}

#[test]
fn arrs_do_not_see_or_touch_each_other() {
    let rig = Rig::new();
    let radarr = rig.login("Main Radarr", RADARR_KEY);
    let sonarr = rig.login("Sonarr", SONARR_KEY);
    let owner = rig.login("me", OWNER_KEY);
    let as_radarr = rig.login("Main Radarr", OWNER_KEY);
    let movie = rig.add(&radarr, "Movie.2020", &[("category", "radarr")]);
    rig.add(&sonarr, "Show.S01E01", &[("category", "tv")]);
    for (sid, count) in [
        (&radarr, "1"),
        (&sonarr, "1"),
        (&owner, "2"),
        (&as_radarr, "1"),
    ] {
        assert_eq!(&rig.get(sid, "torrents/count").body, count);
    }
    let hash = format!("hash={movie}");
    assert_eq!(rig.post(&sonarr, "torrents/properties", &hash).status, 404);
    check(
        &rig,
        &sonarr,
        &[
            (
                "torrents/delete",
                &format!("hashes={movie}&deleteFiles=true"),
                200,
                "",
            ),
            ("torrents/pause", &format!("hashes={movie}"), 200, ""),
            ("torrents/removeCategories", "categories=radarr", 200, ""),
            (
                "torrents/categories",
                "",
                200,
                r#"{"tv":{"name":"tv","savePath":""}}"#,
            ),
        ],
    );
    assert_eq!(state(&rig, &radarr, &movie), "\"queuedDL\"");
    let categories = rig.get(&owner, "torrents/categories").body;
    assert_eq!(
        categories,
        r#"{"radarr":{"name":"radarr","savePath":""},"tv":{"name":"tv","savePath":""}}"#
    );
    check(&rig, &owner, &[("torrents/pause", "hashes=all", 200, "")]);
    assert_eq!(state(&rig, &radarr, &movie), "\"pausedDL\"");
}

#[test]
fn the_same_stub_again_is_fine_and_changes_nothing() {
    let rig = Rig::new();
    let radarr = rig.login("Main Radarr", RADARR_KEY);
    let sonarr = rig.login("Sonarr", SONARR_KEY);
    rig.add(&radarr, "A", &[("category", "one")]);
    rig.add(&radarr, "A", &[("category", "two")]);
    let list = rig.get(&radarr, "torrents/info").body;
    assert_eq!(field(&list, "category"), "\"one\"");
    assert_eq!(rig.get(&radarr, "torrents/count").body, "1");
    // Another login may hold the same hash for itself.
    rig.add(&sonarr, "A", &[("category", "three")]);
    assert_eq!(rig.get(&sonarr, "torrents/count").body, "1");
    let list = rig.get(&radarr, "torrents/info").body;
    assert_eq!(field(&list, "category"), "\"one\"");
}

#[test]
fn what_is_not_ours_is_refused_with_the_reason() {
    let rig = Rig::new();
    let sid = rig.login("Main Radarr", RADARR_KEY);
    let foreign =
        b"d4:infod6:lengthi5e4:name1:a12:piece lengthi16384e6:pieces20:aaaaaaaaaaaaaaaaaaaaee";
    let (ours, _) = rig.stub("A", 5);
    let mut stranger = crate::torrent::stub::Stub::parse(&ours).unwrap().0;
    stranger.peer_id = "00000000".into();
    let stranger = stranger.to_bytes();
    let (large, _) = rig.stub("A", (100 << 30) + 1);
    for (files, status, body) in [
        (
            vec![("a.torrent", &b"<html>"[..])],
            415,
            "Error: 'a.torrent' is not a valid torrent file.",
        ),
        (
            vec![("a.torrent", &b""[..])],
            415,
            "Error: 'a.torrent' is not a valid torrent file.",
        ),
        (
            vec![("a.torrent", &foreign[..])],
            415,
            "not made by jackdaw",
        ),
        (vec![("a.torrent", &stranger[..])], 503, "not configured"),
        (vec![("a.torrent", &large[..])], 415, "max_file_size"),
        // All are checked before the first is added.
        (
            vec![("a.torrent", &ours[..]), ("b.torrent", &b"x"[..])],
            415,
            "Error: 'b.torrent' is not a valid torrent file.",
        ),
    ] {
        let answer = rig.upload(&sid, &files, &[("category", "radarr")]);
        assert_eq!(answer.status, status, "{}", answer.body);
        assert!(answer.body.contains(body), "{}", answer.body);
    }
    let magnet = "urls=magnet:%3Fxt%3Durn:btih:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    let url = "urls=http%3A%2F%2Ffiles.example%2Fa.torrent%3Fapikey%3Dsecret";
    for (form, status, body) in [
        (magnet, 415, "magnet"),
        (url, 415, "download link"),
        ("urls=not+a+url", 200, "Fails."),
        ("urls=", 200, "Fails."),
        ("category=x", 200, "Fails."),
        ("", 200, "Fails."),
    ] {
        let answer = rig.post(&sid, "torrents/add", form);
        assert_eq!(answer.status, status, "{form}");
        assert!(answer.body.contains(body), "{}", answer.body);
        assert!(!answer.body.contains("secret"));
    }
    assert_eq!(rig.get(&sid, "torrents/count").body, "0");
}

#[test]
fn without_downloads_lists_are_empty_and_adds_say_why() {
    let rig = Rig::with(false, AfterImport::Move);
    let sid = rig.login("Main Radarr", RADARR_KEY);
    let (torrent, hash) = rig.stub("A", 5);
    let answer = rig.upload(&sid, &[("a.torrent", &torrent)], &[]);
    assert_eq!(answer.status, 503);
    assert!(answer.body.contains("[downloads]"), "{}", answer.body);
    check(
        &rig,
        &sid,
        &[
            ("torrents/info", "", 200, "[]"),
            ("torrents/count", "", 200, "0"),
            ("torrents/pause", "hashes=all", 200, ""),
            ("torrents/delete", "hashes=all&deleteFiles=true", 200, ""),
            (
                "torrents/properties",
                &format!("hash={hash}"),
                404,
                "Not Found",
            ),
            ("torrents/add", "", 200, "Fails."),
            ("transfer/downloadLimit", "", 200, "0"),
        ],
    );
    assert_eq!(rig.get(&sid, "sync/maindata").status, 200);
    assert_eq!(rig.get(&sid, "app/preferences").status, 200);
}

#[test]
fn an_add_honours_its_options() {
    let rig = Rig::new();
    let sid = rig.login("Main Radarr", RADARR_KEY);
    rig.add(&sid, "First", &[]);
    let hash = rig.add(
        &sid,
        "Second",
        &[
            ("paused", "True"),
            ("tags", " hd,web"),
            ("rename", "Shown"),
            ("dlLimit", "2048"),
            ("upLimit", "1024"),
            ("addToTopOfQueue", "true"),
            ("category", "a//b"),
            ("inactiveSeedingTimeLimit", "7"),
            ("unknown", "ignored"),
        ],
    );
    let list = rig.get(&sid, &format!("torrents/info?hashes={hash}")).body;
    for (name, value) in [
        ("state", "\"pausedDL\""),
        ("tags", "\"hd, web\""),
        ("name", "\"Second\""),
        ("dl_limit", "2048"),
        ("up_limit", "1024"),
        ("priority", "1"),
        ("category", "\"\""),
        ("inactive_seeding_time_limit", "7"),
        ("max_inactive_seeding_time", "7"),
    ] {
        assert_eq!(field(&list, name), value, "{name}");
    }
    assert_eq!(rig.get(&sid, "torrents/tags").body, r#"["hd","web"]"#);
    // The word of 5.x, and two files of one name, of which the last counts.
    let (one, _) = rig.stub("One", 5);
    let (two, hash) = rig.stub("Two", 5);
    let files = [("x", &one[..]), ("x", &two[..])];
    rig.upload(&sid, &files, &[("stopped", "true")]);
    assert_eq!(rig.get(&sid, "torrents/count").body, "3");
    assert_eq!(state(&rig, &sid, &hash), "\"pausedDL\"");
}

#[test]
fn our_own_stub_url_needs_a_key_of_ours() {
    let rig = Rig::new();
    let sid = rig.login("Main Radarr", RADARR_KEY);
    let url = |key: &str| {
        format!(
            "urls=http%3A%2F%2Fjackdaw%3A5225%2Ftorznab%2Fdownload%2F{}.torrent%3Fapikey%3D{key}",
            "ab".repeat(20)
        )
    };
    for (key, status) in [(RADARR_KEY, 404), (OWNER_KEY, 404), ("x", 415), ("", 415)] {
        // The index is empty, so a good link finds nothing.
        let answer = rig.post(&sid, "torrents/add", &url(key));
        assert_eq!(answer.status, status, "{}", answer.body);
    }
}

#[test]
fn pause_resume_and_force_start() {
    let rig = Rig::new();
    let sid = rig.login("Main Radarr", RADARR_KEY);
    let hash = rig.add(&sid, "A", &[]);
    for (action, extra, expected) in [
        ("pause", "", "\"pausedDL\""),
        ("resume", "", "\"queuedDL\""),
        ("stop", "", "\"pausedDL\""),
        ("start", "", "\"queuedDL\""),
    ] {
        let form = format!("hashes=nope|{hash}{extra}");
        check(
            &rig,
            &sid,
            &[(&format!("torrents/{action}"), &form, 200, "")],
        );
        assert_eq!(state(&rig, &sid, &hash), expected, "{action}");
    }
    check(
        &rig,
        &sid,
        &[
            ("torrents/pause", "hashes=all", 200, ""),
            ("torrents/pause", "", 400, "Bad Request"),
            ("torrents/recheck", "hashes=11", 200, ""),
            ("torrents/reannounce", "hashes=all", 200, ""),
            (
                "torrents/setForceStart",
                &format!("hashes={hash}"),
                400,
                "Bad Request",
            ),
        ],
    );
    assert_eq!(state(&rig, &sid, &hash), "\"pausedDL\"");
}

#[test]
fn the_queue_can_be_ordered() {
    let rig = Rig::new();
    let sid = rig.login("Main Radarr", RADARR_KEY);
    let hashes = ["A", "B", "C"].map(|title| rig.add(&sid, title, &[]));
    let order = || {
        let list = rig.get(&sid, "torrents/info?sort=priority").body;
        let names: Vec<_> = list
            .split("\"name\":\"")
            .skip(1)
            .map(|rest| rest[..1].to_string())
            .collect();
        names.concat()
    };
    assert_eq!(order(), "ABC");
    for (action, hash, expected) in [
        ("topPrio", &hashes[2], "CAB"),
        ("bottomPrio", &hashes[0], "CBA"),
        ("increasePrio", &hashes[1], "BCA"),
        ("decreasePrio", &hashes[1], "CBA"),
    ] {
        let form = format!("hashes={hash}");
        check(
            &rig,
            &sid,
            &[(&format!("torrents/{action}"), &form, 200, "")],
        );
        assert_eq!(order(), expected, "{action}");
    }
}

#[test]
fn categories_follow_the_real_server() {
    let rig = Rig::new();
    let sid = rig.login("Main Radarr", RADARR_KEY);
    let hash = rig.add(&sid, "A", &[("category", "new one")]);
    let set = |category: &str| format!("hashes={hash}&category={category}");
    check(
        &rig,
        &sid,
        &[
            (
                "torrents/categories",
                "",
                200,
                r#"{"new one":{"name":"new one","savePath":""}}"#,
            ),
            ("torrents/createCategory", "", 400, "Bad Request"),
            (
                "torrents/createCategory",
                "category=",
                400,
                "Category cannot be empty",
            ),
            (
                "torrents/createCategory",
                "category=a//b",
                409,
                "Incorrect category name",
            ),
            (
                "torrents/createCategory",
                "category=new+one",
                409,
                "Unable to create category",
            ),
            ("torrents/createCategory", "category=b&savePath=/x", 200, ""),
            (
                "torrents/editCategory",
                "category=b&savePath=/x",
                409,
                "Unable to edit category",
            ),
            ("torrents/editCategory", "category=b&savePath=/y", 200, ""),
            (
                "torrents/editCategory",
                "category=nope&savePath=/y",
                409,
                "Unable to edit category",
            ),
            (
                "torrents/editCategory",
                "category=&savePath=/y",
                400,
                "Category cannot be empty",
            ),
            ("torrents/editCategory", "category=b", 400, "Bad Request"),
            (
                "torrents/setCategory",
                &set("nope"),
                409,
                "Incorrect category name",
            ),
            ("torrents/setCategory", "hashes=11&category=nope", 200, ""),
            ("torrents/setCategory", &set("b"), 200, ""),
            (
                "torrents/removeCategories",
                "categories=new+one%0Anope",
                200,
                "",
            ),
            (
                "torrents/categories",
                "",
                200,
                r#"{"b":{"name":"b","savePath":"/y"}}"#,
            ),
        ],
    );
    let list = rig.get(&sid, "torrents/info?category=b").body;
    assert_eq!(field(&list, "category"), "\"b\"");
    check(
        &rig,
        &sid,
        &[("torrents/removeCategories", "categories=b", 200, "")],
    );
    assert_eq!(rig.get(&sid, "torrents/info?category=b").body, "[]");
    let list = rig.get(&sid, "torrents/info?category=").body;
    assert_eq!(field(&list, "category"), "\"\"");
}

#[test]
fn removing_a_category_leaves_the_same_hash_of_another_login_alone() {
    let rig = Rig::new();
    let radarr = rig.login("Main Radarr", RADARR_KEY);
    let sonarr = rig.login("Sonarr", SONARR_KEY);
    let owner = rig.login("me", OWNER_KEY);
    rig.add(&radarr, "A", &[("category", "films")]);
    rig.add(&sonarr, "A", &[("category", "tv")]);
    check(
        &rig,
        &owner,
        &[("torrents/removeCategories", "categories=tv", 200, "")],
    );
    let category = |sid| field(&rig.get(sid, "torrents/info").body, "category");
    assert_eq!(category(&sonarr), "\"\"");
    assert_eq!(category(&radarr), "\"films\"");
}

/// An arr's list of torrents never names a label that its list of labels does not have.
#[test]
fn labels_that_the_owner_gives_an_arrs_grab_are_that_arrs_too() {
    let rig = Rig::new();
    let radarr = rig.login("Main Radarr", RADARR_KEY);
    let sonarr = rig.login("Sonarr", SONARR_KEY);
    let owner = rig.login("me", OWNER_KEY);
    let hash = rig.add(&radarr, "A", &[]);
    rig.add(&sonarr, "B", &[]);
    let category = r#"{"films":{"name":"films","savePath":"/x"}}"#;
    let form = |rest: &str| format!("hashes={hash}{rest}");
    check(
        &rig,
        &owner,
        &[
            (
                "torrents/createCategory",
                "category=films&savePath=/x",
                200,
                "",
            ),
            ("torrents/setCategory", &form("&category=films"), 200, ""),
            ("torrents/addTags", &form("&tags=hd"), 200, ""),
            ("torrents/categories", "", 200, category),
        ],
    );
    check(
        &rig,
        &radarr,
        &[
            ("torrents/categories", "", 200, category),
            ("torrents/tags", "", 200, r#"["hd"]"#),
        ],
    );
    check(
        &rig,
        &sonarr,
        &[
            ("torrents/categories", "", 200, "{}"),
            ("torrents/tags", "", 200, "[]"),
        ],
    );
}

#[test]
fn tags_follow_the_real_server() {
    let rig = Rig::new();
    let sid = rig.login("Main Radarr", RADARR_KEY);
    let hash = rig.add(&sid, "A", &[]);
    let with = |tags: &str| format!("hashes={hash}&tags={tags}");
    let tags_of = || field(&rig.get(&sid, "torrents/info").body, "tags");
    check(
        &rig,
        &sid,
        &[("torrents/createTags", "tags=z,+y,,z", 200, "")],
    );
    check(&rig, &sid, &[("torrents/addTags", &with("b,a"), 200, "")]);
    assert_eq!(tags_of(), "\"a, b\"");
    assert_eq!(rig.get(&sid, "torrents/tags").body, r#"["a","b","y","z"]"#);
    assert_eq!(
        field(&rig.get(&sid, "torrents/info?tag=b").body, "tags"),
        "\"a, b\""
    );
    check(&rig, &sid, &[("torrents/removeTags", &with("b"), 200, "")]);
    assert_eq!(tags_of(), "\"a\"");
    check(&rig, &sid, &[("torrents/addTags", &with("c"), 200, "")]);
    check(
        &rig,
        &sid,
        &[("torrents/deleteTags", "tags=a,nope", 200, "")],
    );
    assert_eq!(tags_of(), "\"c\"");
    check(
        &rig,
        &sid,
        &[("torrents/removeTags", &format!("hashes={hash}"), 200, "")],
    );
    assert_eq!(tags_of(), "\"\"");
    assert_eq!(rig.get(&sid, "torrents/tags").body, r#"["b","c","y","z"]"#);
}

#[test]
fn limits_are_stored_and_shown() {
    let rig = Rig::new();
    let sid = rig.login("Main Radarr", RADARR_KEY);
    let hash = rig.add(&sid, "A", &[]);
    let form = |rest: &str| format!("hashes={hash}{rest}");
    // Keys are sorted as text.
    let mut shown = [
        "\"1111111111111111111111111111111111111111\":-1".to_string(),
        format!("\"{hash}\":5000"),
        "\"all\":-1".to_string(),
    ];
    shown.sort();
    let shown = format!("{{{}}}", shown.join(","));
    check(
        &rig,
        &sid,
        &[
            ("torrents/setDownloadLimit", &form("&limit=5000"), 200, ""),
            ("torrents/setUploadLimit", &form("&limit=-1"), 200, ""),
            (
                "torrents/downloadLimit",
                &form("|1111111111111111111111111111111111111111|all"),
                200,
                &shown,
            ),
            (
                "torrents/uploadLimit",
                &form(""),
                200,
                &format!("{{\"{hash}\":0}}"),
            ),
            ("torrents/setShareLimits", &form("&ratioLimit=1.5"), 200, ""),
            ("torrents/setShareLimits", &form(""), 400, "Bad Request"),
            (
                "torrents/setShareLimits",
                &form("&ratioLimit=-1&seedingTimeLimit=9&inactiveSeedingTimeLimit=-2"),
                200,
                "",
            ),
        ],
    );
    let list = rig.get(&sid, "torrents/info").body;
    assert_eq!(field(&list, "dl_limit"), "5000");
    assert_eq!(field(&list, "ratio_limit"), "-1");
    assert_eq!(field(&list, "seeding_time_limit"), "9");
}

#[test]
fn global_limits_are_in_force_and_in_whole_kib() {
    let rig = Rig::new();
    let sid = rig.login("me", OWNER_KEY);
    let downloads = rig.services.downloads.as_ref().unwrap();
    check(
        &rig,
        &sid,
        &[
            ("transfer/setDownloadLimit", "limit=5000", 200, ""),
            ("transfer/downloadLimit", "", 200, "4096"),
            ("transfer/setUploadLimit", "limit=2048", 200, ""),
            ("transfer/uploadLimit", "", 200, "2048"),
            ("transfer/speedLimitsMode", "", 200, "0"),
        ],
    );
    assert_eq!(downloads.global_limit(), 4096);
    check(
        &rig,
        &sid,
        &[
            ("transfer/toggleSpeedLimitsMode", "", 200, ""),
            ("transfer/speedLimitsMode", "", 200, "1"),
            ("transfer/downloadLimit", "", 200, "10240"),
            (
                "transfer/setSpeedLimitsMode",
                "mode=x",
                400,
                "'mode': invalid argument",
            ),
            ("transfer/setSpeedLimitsMode", "mode=0", 200, ""),
            ("app/setPreferences", "", 400, "Bad Request"),
            ("app/setPreferences", "json=%5B%5D", 200, ""),
            ("app/setPreferences", "json=nonsense", 200, ""),
            (
                "app/setPreferences",
                "json=%7B%22dl_limit%22%3A8193%7D",
                200,
                "",
            ),
            ("transfer/downloadLimit", "", 200, "8192"),
            ("transfer/setDownloadLimit", "limit=0", 200, ""),
            ("transfer/downloadLimit", "", 200, "0"),
        ],
    );
    assert_eq!(downloads.global_limit(), 0);
}

#[test]
fn names_and_places_stay_ours() {
    let rig = Rig::new();
    let sid = rig.login("Main Radarr", RADARR_KEY);
    let hash = rig.add(&sid, "Title", &[]);
    let form = |rest: &str| format!("hash={hash}{rest}");
    let files = |rest: &str| form(&format!("&oldPath=Title&newPath={rest}"));
    check(
        &rig,
        &sid,
        &[
            (
                "torrents/rename",
                &form("&name="),
                409,
                "Incorrect torrent name",
            ),
            (
                "torrents/rename",
                "hash=11&name=",
                409,
                "Incorrect torrent name",
            ),
            ("torrents/rename", "hash=11&name=x", 404, "Not Found"),
            (
                "torrents/rename",
                &form("&name=Shown"),
                409,
                "jackdaw keeps the release title as name: Radarr and Sonarr match downloads by it",
            ),
            (
                "torrents/renameFile",
                &files(""),
                409,
                "The new path is invalid: ''.",
            ),
            (
                "torrents/renameFile",
                &files("/x"),
                409,
                "Absolute path isn't allowed: '/x'.",
            ),
            (
                "torrents/renameFile",
                &form("&oldPath=q&newPath=x"),
                409,
                "No such file: 'q'.",
            ),
            (
                "torrents/renameFile",
                &files("../x"),
                409,
                "jackdaw keeps the names that friends give their files",
            ),
            (
                "torrents/renameFile",
                "hash=11&oldPath=a&newPath=b",
                404,
                "Not Found",
            ),
            ("torrents/renameFile", &form(""), 400, "Bad Request"),
            (
                "torrents/setLocation",
                "hashes=all&location=",
                400,
                "Save path cannot be empty",
            ),
            (
                "torrents/setLocation",
                "hashes=all&location=/x",
                409,
                "Cannot make save path",
            ),
            ("torrents/filePrio", &form("&id=0&priority=1"), 200, ""),
            (
                "torrents/filePrio",
                &form("&id=1&priority=1"),
                409,
                "File IDs out of range",
            ),
            (
                "torrents/filePrio",
                &form("&id=0&priority=2"),
                400,
                "File priority is not valid",
            ),
            ("torrents/addTrackers", &form("&urls=x"), 200, ""),
            ("torrents/addTrackers", "hash=11&urls=x", 404, "Not Found"),
            (
                "torrents/addPeers",
                &format!("hashes={hash}&peers=1.2.3.4:5"),
                200,
                &format!("{{\"{hash}\":{{\"added\":0,\"failed\":1}}}}"),
            ),
            (
                "torrents/addPeers",
                &format!("hashes={hash}&peers=x"),
                400,
                "No valid peers were specified",
            ),
        ],
    );
    let list = rig.get(&sid, "torrents/info").body;
    assert_eq!(field(&list, "name"), "\"Title\"");
    assert_eq!(
        field(&list, "content_path"),
        "\"/data/completed/Title/Title\""
    );
}

#[test]
fn lists_can_be_sorted_and_paged() {
    let rig = Rig::new();
    let sid = rig.login("Main Radarr", RADARR_KEY);
    assert_eq!(rig.get(&sid, "torrents/info?sort=nope").body, "[]");
    for title in ["B", "C", "A"] {
        rig.add(&sid, title, &[]);
    }
    let names = |query: &str| {
        let list = rig.get(&sid, &format!("torrents/info?{query}")).body;
        let names = list.split("\"name\":\"").skip(1).map(|rest| &rest[..1]);
        names.collect::<String>()
    };
    for (query, expected) in [
        ("", "BCA"),
        ("sort=name", "ABC"),
        ("sort=name&reverse=true", "CBA"),
        ("reverse=True", "ACB"),
        ("sort=name&limit=1&offset=1", "B"),
        ("sort=name&offset=-1", "C"),
        ("filter=queued", "BCA"),
        ("filter=paused", ""),
        ("filter=downloading", "BCA"),
        ("hashes=all", ""),
        ("category=radarr", ""),
        ("category=", "BCA"),
    ] {
        assert_eq!(names(query), expected, "{query}");
    }
    let answer = rig.get(&sid, "torrents/info?sort=nope");
    assert_eq!(
        (answer.status, answer.body.as_str()),
        (400, "'sort' parameter is invalid")
    );
}

/// Titles of a list, in its order.
fn titles(list: &str) -> Vec<String> {
    assert!(crate::json::check(list).is_ok());
    let names = list.split("\"name\":\"").skip(1);
    names
        .map(|rest| rest[..rest.find('"').unwrap()].to_string())
        .collect()
}

#[test]
fn filters_show_finished_and_unfinished_alike() {
    let rig = Rig::new();
    let sid = rig.login("Main Radarr", RADARR_KEY);
    for (title, state) in [
        ("Q", "queued"),
        ("P", "paused"),
        ("C", "completed"),
        ("I", "imported"),
        ("E", "failed"),
    ] {
        let hash = rig.add(&sid, title, &[("paused", "true")]);
        rig.force_state(&hash, state);
    }
    // The places in the queue are those of the last change that the engine knows of.
    rig.add(&sid, "Last", &[("paused", "true")]);
    for (filter, expected) in [
        ("all", "QPCIELast"),
        ("downloading", "QPLast"),
        ("completed", "CI"),
        ("paused", "PCILast"),
        ("resumed", "QE"),
        ("active", ""),
        ("inactive", "QPCIELast"),
        ("errored", "E"),
        ("seeding", ""),
    ] {
        let list = rig.get(&sid, &format!("torrents/info?filter={filter}"));
        assert_eq!(titles(&list.body).concat(), expected, "{filter}");
    }
}

#[test]
fn a_long_list_is_written_item_by_item_and_is_the_same_list() {
    let rig = Rig::new();
    let sid = rig.login("Main Radarr", RADARR_KEY);
    let count = super::super::lens::LONG_LIST + 1;
    let mut all: Vec<String> = (0..count).map(|n| format!("T{n}")).collect();
    for title in &all {
        rig.add(&sid, title, &[("paused", "true"), ("tags", "t")]);
    }
    let check = |query: &str, expected: &[String]| {
        let answer = rig.get(&sid, &format!("torrents/info?{query}"));
        assert!(answer.is_streamed, "{query}");
        assert_eq!(answer.header("Content-Type"), Some("application/json"));
        assert_eq!(titles(&answer.body), expected, "{query}");
    };
    check("", &all);
    check("limit=3", &all[..3]);
    check("offset=140&limit=5", &all[140..145]);
    check("offset=-2", &all[count - 2..]);
    check("filter=paused&tag=t&category=", &all);
    check("filter=errored&tag=t&limit=1&hashes=", &[]);
    all.reverse();
    check("reverse=true", &all);
    check("reverse=true&limit=70", &all[..70]);
    check("reverse=true&offset=100", &all[100..]);
    all.sort();
    check("sort=name", &all);
    check("sort=name&offset=1&limit=2", &all[1..3]);
    let invalid = rig.get(&sid, "torrents/info?sort=nope");
    assert_eq!((invalid.status, invalid.is_streamed), (400, false));
    let full = rig.get(&sid, "sync/maindata");
    assert!(full.is_streamed && crate::json::check(&full.body).is_ok());
    assert_eq!(full.body.matches("\"infohash_v1\"").count(), count);
    // A short list out of many is an answer like any other.
    let (_, hash) = rig.stub("T7", 3_000_000);
    let one = rig.get(&sid, &format!("torrents/info?hashes={hash}"));
    assert!(!one.is_streamed);
    assert_eq!(titles(&one.body), ["T7"]);
    // Commands reach all of them too.
    rig.post(&sid, "torrents/removeTags", "hashes=all");
    assert_eq!(titles(&rig.get(&sid, "torrents/info?tag=t").body), [""; 0]);
    rig.post(&sid, "torrents/delete", "hashes=all&deleteFiles=true");
    assert_eq!(rig.get(&sid, "torrents/count").body, "0");
}

/// A client that reads slowly: something happens between its first bytes and the rest.
struct Slow<F: FnMut()> {
    read: Vec<u8>,
    meanwhile: Option<F>,
}

impl<F: FnMut()> Write for Slow<F> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.read.extend_from_slice(bytes);
        if let Some(mut meanwhile) = self.meanwhile.take() {
            meanwhile();
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_list_that_changes_while_it_is_read_neither_loses_nor_repeats_the_others() {
    let rig = Rig::new();
    let sid = rig.login("Main Radarr", RADARR_KEY);
    let count = super::super::lens::LONG_LIST + 1;
    let mut all: Vec<String> = (0..count).map(|n| format!("T{n:03}")).collect();
    for title in &all {
        rig.add(&sid, title, &[("paused", "true")]);
    }
    for target in ["torrents/info", "torrents/info?sort=name", "sync/maindata"] {
        // One that is still to come goes, and another one comes.
        let gone = all.remove(all.len() - 10);
        let (_, hash) = rig.stub(&gone, 3_000_000);
        let response = rig.call(Get, target).session(&sid).respond();
        let Body::Writer(write) = response.body else {
            panic!("{target} is written as a stream");
        };
        let mut client = Slow {
            read: Vec::new(),
            meanwhile: Some(|| {
                rig.post(&sid, "torrents/delete", &format!("hashes={hash}"));
                rig.add(&sid, &gone, &[("paused", "true")]);
            }),
        };
        write(&mut client).unwrap();
        let mut read = titles(std::str::from_utf8(&client.read).unwrap());
        read.sort();
        assert_eq!(read, all, "{target}");
        all.push(gone);
        all.sort();
        let again = rig.get(&sid, "torrents/info?sort=name").body;
        assert_eq!(titles(&again), all);
    }
}

#[test]
fn the_log_shows_each_login_its_own() {
    let rig = Rig::new();
    let radarr = rig.login("Main Radarr", RADARR_KEY);
    let sonarr = rig.login("Sonarr", SONARR_KEY);
    let owner = rig.login("me", OWNER_KEY);
    let hash = rig.add(&radarr, "Movie \"x\"", &[]);
    rig.post(&radarr, "torrents/delete", &format!("hashes={hash}"));
    let log = rig.get(&radarr, "log/main").body;
    assert!(crate::json::check(&log).is_ok(), "{log}");
    assert!(log.contains("Added new torrent. Torrent: \\\"Movie \\\"x\\\"\\\""));
    assert!(log.contains("Removed torrent. Torrent"));
    assert!(!rig.get(&sonarr, "log/main").body.contains("Movie"));
    assert!(rig.get(&owner, "log/main").body.contains("Movie"));
    assert_eq!(rig.get(&owner, "log/main?normal=false").body, "[]");
    assert_eq!(rig.get(&owner, "log/main?last_known_id=99").body, "[]");
}

#[test]
fn everything_else_answers_so_that_nothing_crashes() {
    let rig = Rig::new();
    let sid = rig.login("me", OWNER_KEY);
    for (target, status, body) in [
        ("rss/items", 200, "{}"),
        ("rss/rules", 200, "{}"),
        ("rss/matchingArticles?ruleName=x", 200, "{}"),
        ("search/plugins", 200, "[]"),
        ("search/status", 200, "[]"),
        ("search/status?id=1", 404, "Not Found"),
        ("search/results?id=1", 404, "Not Found"),
        ("log/peers", 200, "[]"),
        ("app/networkInterfaceList", 200, "[]"),
        ("app/networkInterfaceAddressList?iface=", 200, "[]"),
        ("app/networkInterfaceAddressList", 400, "Bad Request"),
        ("app/defaultSavePath", 200, "/data/completed"),
        ("sync/torrentPeers", 404, "Not Found"),
    ] {
        let answer = rig.get(&sid, target);
        assert_eq!(
            (answer.status, answer.body.as_str()),
            (status, body),
            "{target}"
        );
    }
    check(
        &rig,
        &sid,
        &[
            ("app/shutdown", "", 200, ""),
            ("torrents/toggleSequentialDownload", "hashes=all", 200, ""),
            (
                "torrents/setAutoManagement",
                "hashes=all&enable=true",
                200,
                "",
            ),
            ("transfer/banPeers", "peers=1.2.3.4:5", 200, ""),
        ],
    );
}

#[test]
fn an_export_gives_back_the_torrent_that_was_added() {
    let rig = Rig::new();
    let sid = rig.login("Main Radarr", RADARR_KEY);
    let hash = rig.add(&sid, "A", &[]);
    let exported = rig.get(&sid, &format!("torrents/export?hash={hash}"));
    let (torrent, _) = rig.stub("A", 3_000_000);
    assert_eq!(exported.body, String::from_utf8_lossy(&torrent));
    assert_eq!(rig.get(&sid, "torrents/export?hash=11").status, 404);
}

/// Any bytes in any parameter give an answer below 500 that is JSON where it says so.
#[test]
fn hostile_parameters_are_answered() {
    let rig = Rig::new();
    let sid = rig.login("me", OWNER_KEY);
    rig.add(&sid, "A\u{202e}\"<b>", &[("category", "é\"")]);
    let mut seed = 0x9E37_79B9_7F4A_7C15u64;
    let mut random = move || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed
    };
    let actions = [
        "torrents/info",
        "torrents/files",
        "torrents/addTags",
        "torrents/createCategory",
        "torrents/add",
        "torrents/rename",
        "torrents/downloadLimit",
        "sync/maindata",
        "app/setPreferences",
        "auth/login",
        "log/main",
    ];
    let names = [
        "hashes", "hash", "tags", "category", "urls", "name", "rid", "json", "sort", "limit",
        "offset", "username", "password", "indexes", "filter",
    ];
    for _ in 0..2_000 {
        let action = actions[(random() % actions.len() as u64) as usize];
        let mut form = String::new();
        for _ in 0..random() % 4 {
            form.push_str(names[(random() % names.len() as u64) as usize]);
            form.push('=');
            for byte in random().to_le_bytes() {
                form.push_str(&format!("%{byte:02x}"));
            }
            form.push('&');
        }
        let answer = rig.call(Post, action).session(&sid).form(&form).send();
        assert!(answer.status < 500, "{action} {form}: {}", answer.status);
        if answer.header("Content-Type") == Some("application/json") {
            assert!(crate::json::check(&answer.body).is_ok(), "{}", answer.body);
        }
    }
}

/// So do any bytes in headers and in multipart bodies.
#[test]
fn hostile_headers_and_uploads_are_answered() {
    let rig = Rig::new();
    let sid = rig.login("me", OWNER_KEY);
    let (torrent, _) = rig.stub("A", 5);
    let mut seed = 0x2545_F491_4F6C_DD1Du64;
    let mut random = move || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed
    };
    let upload = {
        let mut body = b"--x\r\nContent-Disposition: form-data; name=\"torrents\"; \
            filename=\"a.torrent\"\r\n\r\n"
            .to_vec();
        body.extend_from_slice(&torrent);
        body.extend_from_slice(b"\r\n--x\r\nContent-Disposition: form-data; name=\"category\"");
        body.extend_from_slice(b"\r\n\r\nradarr\r\n--x--\r\n");
        body
    };
    for round in 0..2_000 {
        // Some bytes are changed, and some of the end is missing.
        let mut body = upload.clone();
        for _ in 0..random() % 8 {
            let at = (random() % body.len() as u64) as usize;
            body[at] = random() as u8;
        }
        if random() % 4 == 0 {
            body.truncate((random() % upload.len() as u64) as usize);
        }
        let noise: String = random().to_le_bytes().map(char::from).iter().collect();
        let kind = ["multipart/form-data; boundary=x", noise.as_str()];
        let answer = rig
            .call(Post, "torrents/add")
            .session(&sid)
            .header("Content-Type", kind[(random() % 8 == 0) as usize])
            .body(&body)
            .send();
        // 503: the changed byte was in the friend's id.
        let is_answered = matches!(answer.status, 200 | 400 | 415 | 503);
        assert!(is_answered, "round {round}: {}", answer.status);
        for name in ["Cookie", "Authorization", "Origin", "Referer", "Host"] {
            let values = [
                noise.clone(),
                format!("SID={noise}"),
                format!("Basic {noise}"),
                format!("http://{noise}"),
            ];
            let value = &values[(random() % 4) as usize];
            let answer = rig.call(Get, "app/version").header(name, value).send();
            assert!(matches!(answer.status, 401 | 403), "{name}: {value:?}");
        }
    }
    let list = rig.get(&sid, "torrents/info").body;
    assert!(crate::json::check(&list).is_ok());
}
