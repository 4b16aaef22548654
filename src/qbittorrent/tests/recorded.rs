//! Recorded answers of a real qbittorrent-nox 4.5.2 (`tests/golden/qbittorrent`, INDEX.md has the
//! requests): ours have the same status, the same text, the same keys with the same JSON types.
//!
//! Where jackdaw answers otherwise, the table says why. 4.6, which we report, has some keys more.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::rig::{Answer, OWNER_KEY, Rig};
use crate::http::Method::{self, Get, Post};

fn golden(name: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden/qbittorrent")
        .join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Status and body of a recorded `.txt` answer.
fn recorded_text(name: &str) -> (u16, String) {
    let text = golden(name);
    let (head, body) = text.split_once("\n\n").unwrap_or((&text, ""));
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, body.to_string())
}

/// The shape of a JSON value: objects by key, arrays by their first element.
#[derive(Debug, PartialEq, Eq)]
enum Shape {
    Null,
    Bool,
    Integer,
    Fraction,
    Text,
    Array(Option<Box<Shape>>),
    Object(BTreeMap<String, Shape>),
}

fn shape(raw: &str) -> Shape {
    let raw = raw.trim();
    match raw.as_bytes()[0] {
        b'n' => Shape::Null,
        b't' | b'f' => Shape::Bool,
        b'"' => Shape::Text,
        b'[' => {
            let mut first = None;
            assert!(crate::json::elements(raw, |element| {
                first.get_or_insert_with(|| Box::new(shape(element)));
            }));
            Shape::Array(first)
        }
        b'{' => {
            let mut all = BTreeMap::new();
            assert!(crate::json::fields(raw, |key, value| {
                all.insert(key.to_string(), shape(value));
            }));
            Shape::Object(all)
        }
        _ if raw.contains(['.', 'e', 'E']) => Shape::Fraction,
        _ => Shape::Integer,
    }
}

/// Keys that are a fraction at times; everything else that was an integer must be one.
const FRACTIONS: &[&str] = &["availability", "progress", "ratio", "share_ratio"];

/// Keys that 4.6 has and 4.5.2 has not, of torrent objects and of the server state.
const NEW_IN_4_6: &[&str] = &[
    "inactive_seeding_time_limit",
    "max_inactive_seeding_time",
    "use_subcategories",
];

/// Fails unless `ours` has the shape of `theirs`.
fn same(ours: &Shape, theirs: &Shape, path: &str) {
    match (ours, theirs) {
        (Shape::Object(ours), Shape::Object(theirs)) => {
            for (key, theirs) in theirs {
                let ours = ours
                    .get(key)
                    .unwrap_or_else(|| panic!("{path}: {key} is missing"));
                same(ours, theirs, &format!("{path}.{key}"));
            }
            for key in ours.keys() {
                assert!(
                    theirs.contains_key(key) || NEW_IN_4_6.contains(&key.as_str()),
                    "{path}: {key} is not recorded"
                );
            }
        }
        (Shape::Array(Some(ours)), Shape::Array(Some(theirs))) => {
            same(ours, theirs, &format!("{path}[]"));
        }
        (Shape::Array(_), Shape::Array(_)) => {}
        (Shape::Integer | Shape::Fraction, Shape::Integer | Shape::Fraction)
            if FRACTIONS
                .iter()
                .any(|key| path.ends_with(&format!(".{key}"))) => {}
        (ours, theirs) => assert_eq!(ours, theirs, "{path}"),
    }
}

fn check_shape(answer: &Answer, file: &str) {
    assert_eq!(answer.status, 200, "{file}");
    assert_eq!(answer.header("Content-Type"), Some("application/json"));
    same(&shape(&answer.body), &shape(&golden(file)), file);
}

#[test]
fn texts_and_statuses_are_the_recorded_ones() {
    let rig = Rig::new();
    let sid = rig.login("admin", OWNER_KEY);
    let hash = rig.add(&sid, "A", &[("category", "tv-sonarr")]);
    rig.post(&sid, "torrents/createCategory", "category=exists");
    let own = |rest: &str| format!("hash={hash}{rest}");
    let hashes = |rest: &str| format!("hashes={hash}{rest}");
    let unknown = "1111111111111111111111111111111111111111";
    let cases: Vec<(&str, Method, String, String)> = vec![
        (
            "get_auth_login.txt",
            Get,
            "auth/login?username=a&password=b".into(),
            String::new(),
        ),
        ("get_nope_nope.txt", Get, "nope/nope".into(), String::new()),
        (
            "get_torrents_nope.txt",
            Get,
            "torrents/nope".into(),
            String::new(),
        ),
        (
            "get_torrents_pause.txt",
            Get,
            "torrents/pause?hashes=all".into(),
            String::new(),
        ),
        (
            "get_transfer_speedLimitsMode.txt",
            Get,
            "transfer/speedLimitsMode".into(),
            String::new(),
        ),
        (
            "get_transfer_downloadLimit.txt",
            Get,
            "transfer/downloadLimit".into(),
            String::new(),
        ),
        (
            "post_torrents_createCategory.ok.txt",
            Post,
            "torrents/createCategory".into(),
            "category=x&savePath=".into(),
        ),
        (
            "post_torrents_createCategory.exists.txt",
            Post,
            "torrents/createCategory".into(),
            "category=exists&savePath=".into(),
        ),
        (
            "post_torrents_createCategory.empty.txt",
            Post,
            "torrents/createCategory".into(),
            "category=".into(),
        ),
        (
            "post_torrents_createCategory.bad_name.txt",
            Post,
            "torrents/createCategory".into(),
            "category=a//b".into(),
        ),
        (
            "post_torrents_createCategory.missing.txt",
            Post,
            "torrents/createCategory".into(),
            String::new(),
        ),
        (
            "post_torrents_editCategory.unknown.txt",
            Post,
            "torrents/editCategory".into(),
            "category=nope&savePath=/x".into(),
        ),
        (
            "post_torrents_add.nothing.txt",
            Post,
            "torrents/add".into(),
            String::new(),
        ),
        (
            "post_torrents_add.bad_url.txt",
            Post,
            "torrents/add".into(),
            "urls=not+a+url".into(),
        ),
        (
            "post_torrents_recheck.txt",
            Post,
            "torrents/recheck".into(),
            hashes(""),
        ),
        (
            "post_torrents_resume.txt",
            Post,
            "torrents/resume".into(),
            hashes(""),
        ),
        (
            "post_torrents_pause.txt",
            Post,
            "torrents/pause".into(),
            hashes(""),
        ),
        (
            "post_torrents_pause.missing.txt",
            Post,
            "torrents/pause".into(),
            String::new(),
        ),
        (
            "post_torrents_delete.unknown_hash.txt",
            Post,
            "torrents/delete".into(),
            format!("hashes={unknown}&deleteFiles=true"),
        ),
        (
            "post_torrents_setCategory.ok.txt",
            Post,
            "torrents/setCategory".into(),
            hashes("&category=tv-sonarr"),
        ),
        (
            "post_torrents_setCategory.unknown_category.txt",
            Post,
            "torrents/setCategory".into(),
            hashes("&category=nope"),
        ),
        (
            "post_torrents_setCategory.unknown_hash.txt",
            Post,
            "torrents/setCategory".into(),
            format!("hashes={unknown}&category=nope"),
        ),
        (
            "post_torrents_setLocation.empty.txt",
            Post,
            "torrents/setLocation".into(),
            hashes("&location="),
        ),
        (
            "post_torrents_rename.empty.txt",
            Post,
            "torrents/rename".into(),
            own("&name="),
        ),
        (
            "post_torrents_rename.unknown_hash.txt",
            Post,
            "torrents/rename".into(),
            format!("hash={unknown}&name=x"),
        ),
        (
            "post_torrents_addTags.txt",
            Post,
            "torrents/addTags".into(),
            hashes("&tags=a%2C+b"),
        ),
        (
            "post_app_setPreferences.missing.txt",
            Post,
            "app/setPreferences".into(),
            String::new(),
        ),
        (
            "post_transfer_setSpeedLimitsMode.invalid.txt",
            Post,
            "transfer/setSpeedLimitsMode".into(),
            "mode=x".into(),
        ),
        (
            "get_torrents_info.sort_invalid.txt",
            Get,
            "torrents/info?sort=nope".into(),
            String::new(),
        ),
        (
            "get_torrents_properties.unknown_hash.txt",
            Get,
            format!("torrents/properties?hash={unknown}"),
            String::new(),
        ),
        (
            "get_torrents_properties.missing_hash.txt",
            Get,
            "torrents/properties".into(),
            String::new(),
        ),
        (
            "get_torrents_files.unknown_hash.txt",
            Get,
            format!("torrents/files?hash={unknown}"),
            String::new(),
        ),
        (
            "get_torrents_files.index_out_of_bounds.txt",
            Get,
            format!("torrents/files?{}", own("&indexes=7")),
            String::new(),
        ),
        (
            "get_sync_torrentPeers.unknown_hash.txt",
            Get,
            format!("sync/torrentPeers?hash={unknown}"),
            String::new(),
        ),
        (
            "post_app_shutdown.txt",
            Post,
            "app/shutdown".into(),
            String::new(),
        ),
        (
            "post_torrents_topPrio.ok.txt",
            Post,
            "torrents/topPrio".into(),
            hashes(""),
        ),
        (
            "post_torrents_delete.ok.txt",
            Post,
            "torrents/delete".into(),
            hashes("&deleteFiles=true"),
        ),
        (
            "post_auth_logout.txt",
            Post,
            "auth/logout".into(),
            String::new(),
        ),
        (
            "get_app_version.after_logout.txt",
            Get,
            "app/version".into(),
            String::new(),
        ),
    ];
    for (file, method, target, form) in cases {
        let mut call = rig.call(method, &target).session(&sid);
        if method == Post {
            call = call.form(&form);
        }
        let answer = call.send();
        let (status, body) = recorded_text(file);
        assert_eq!((answer.status, answer.body), (status, body), "{file}");
        assert_eq!(
            answer.headers[0],
            ("Content-Type".into(), "text/plain; charset=UTF-8".into()),
            "{file}"
        );
    }
}

#[test]
fn login_and_refusals_are_the_recorded_ones() {
    let rig = Rig::new();
    for (file, form) in [
        (
            "post_auth_login.wrong.txt",
            "username=admin&password=wrong".to_string(),
        ),
        (
            "post_auth_login.missing_password.txt",
            "username=admin".to_string(),
        ),
        (
            "post_auth_login.ok.txt",
            format!("username=admin&password={OWNER_KEY}"),
        ),
    ] {
        let answer = rig.call(Post, "auth/login").form(&form).send();
        assert_eq!((answer.status, answer.body), recorded_text(file), "{file}");
    }
    for (file, target) in [
        ("get_app_version.no_cookie.txt", "app/version"),
        ("get_nope_nope.no_cookie.txt", "nope/nope"),
    ] {
        let answer = rig.call(Get, target).send();
        assert_eq!((answer.status, answer.body), recorded_text(file), "{file}");
    }
    let answer = rig
        .call(Get, "app/version")
        .header("Origin", "http://other.example")
        .send();
    let expected = recorded_text("get_app_version.origin_mismatch.txt");
    assert_eq!((answer.status, answer.body), expected);

    let sid = rig.login("admin", OWNER_KEY);
    let answer = rig.upload(&sid, &[("bad.torrent", b"nonsense")], &[]);
    let expected = recorded_text("post_torrents_add.invalid_file.txt");
    assert_eq!((answer.status, answer.body), expected);
    let (torrent, _) = rig.stub("A", 5);
    let answer = rig.upload(&sid, &[("t0.torrent", &torrent)], &[]);
    let expected = recorded_text("post_torrents_add.ok.txt");
    assert_eq!((answer.status, answer.body), expected);
}

/// Recorded answers that ours differ from on purpose.
#[test]
fn deliberate_differences() {
    let rig = Rig::new();
    let sid = rig.login("admin", OWNER_KEY);
    let hash = rig.add(&sid, "A", &[]);
    let (torrent, _) = rig.stub("A", 3_000_000);
    // A repeated add would make the arr drop the release that it is getting.
    let answer = rig.upload(&sid, &[("t0.torrent", &torrent)], &[]);
    assert_eq!(recorded_text("post_torrents_add.duplicate.txt").1, "Fails.");
    assert_eq!(answer.body, "Ok.");
    for (file, target, form, recorded, ours) in [
        // 5.x names are accepted.
        (
            "post_torrents_stop.txt",
            "torrents/stop",
            format!("hashes={hash}"),
            404,
            200,
        ),
        // Sonarr leaves the parameter out when data is to stay.
        (
            "post_torrents_delete.missing_deleteFiles.txt",
            "torrents/delete",
            format!("hashes={hash}"),
            400,
            200,
        ),
        // Versions differ in how many limits they want.
        (
            "post_torrents_setShareLimits.missing.txt",
            "torrents/setShareLimits",
            format!("hashes={hash}&ratioLimit=1"),
            400,
            200,
        ),
        // Queueing is always on here.
        (
            "post_torrents_topPrio.queueing_off.txt",
            "torrents/topPrio",
            format!("hashes={hash}"),
            409,
            200,
        ),
        // No magnets.
        (
            "post_torrents_add.magnet.txt",
            "torrents/add",
            "urls=magnet:%3Fxt%3Durn:btih:aa".to_string(),
            200,
            415,
        ),
    ] {
        assert_eq!(recorded_text(file).0, recorded, "{file}");
        assert_eq!(rig.post(&sid, target, &form).status, ours, "{file}");
    }
    // 4.6 answers HEAD; a mapped port must not lock anybody out; PUT is a 405; no ban.
    for (file, method, recorded, ours) in [
        ("head_app_version.txt", Method::Head, 405, 200),
        ("put_torrents_info.txt", Method::Put, 400, 405),
    ] {
        assert_eq!(recorded_text(file).0, recorded, "{file}");
        let target = if method == Method::Put {
            "torrents/info"
        } else {
            "app/version"
        };
        assert_eq!(rig.call(method, target).session(&sid).send().status, ours);
    }
    assert_eq!(
        recorded_text("get_app_version.host_port_mismatch.txt").0,
        401
    );
    assert_eq!(recorded_text("post_auth_login.banned.txt").0, 403);
    // The value is ours, the form is the same.
    for (file, target) in [
        ("get_app_version.txt", "app/version"),
        ("get_app_webapiVersion.txt", "app/webapiVersion"),
        ("get_app_defaultSavePath.txt", "app/defaultSavePath"),
    ] {
        let answer = rig.get(&sid, target);
        let (status, body) = recorded_text(file);
        assert_eq!(answer.status, status);
        assert_eq!(answer.body.ends_with('\n'), body.ends_with('\n'));
        assert_eq!(answer.body.starts_with('v'), body.starts_with('v'));
    }
}

#[test]
fn objects_have_the_recorded_keys_and_types() {
    let rig = Rig::new();
    let sid = rig.login("admin", OWNER_KEY);
    for (file, target) in [
        ("get_app_buildInfo.json", "app/buildInfo"),
        ("get_torrents_info.empty.json", "torrents/info"),
        ("get_torrents_categories.empty.json", "torrents/categories"),
        ("get_torrents_tags.empty.json", "torrents/tags"),
        ("get_sync_maindata.empty_full.json", "sync/maindata"),
        (
            "get_sync_maindata.nothing_changed.json",
            "sync/maindata?rid=1",
        ),
        ("get_transfer_info.idle.json", "transfer/info"),
        ("get_rss_items.json", "rss/items"),
        ("get_rss_rules.json", "rss/rules"),
        ("get_search_plugins.json", "search/plugins"),
        ("get_search_status.json", "search/status"),
        ("get_log_peers.json", "log/peers"),
        ("get_log_main.json", "log/main"),
    ] {
        check_shape(&rig.get(&sid, target), file);
    }
    let hash = rig.add(&sid, "A", &[("category", "tv-sonarr"), ("tags", "hd")]);
    let of = |target: &str| rig.get(&sid, &format!("{target}={hash}"));
    for (state, words) in [
        ("queued", vec!["queuedDL", "downloading", "stalledDL"]),
        ("paused", vec!["pausedDL"]),
        ("failed", vec!["error"]),
        ("completed", vec!["pausedUP"]),
    ] {
        rig.force_state(&hash, state);
        for word in words {
            let file = format!("get_torrents_info.state_{word}.json");
            check_shape(&of("torrents/info?hashes"), &file);
        }
    }
    check_shape(
        &of("torrents/properties?hash"),
        "get_torrents_properties.completed.json",
    );
    check_shape(
        &of("torrents/files?hash"),
        "get_torrents_files.completed.json",
    );
    check_shape(
        &of("torrents/trackers?hash"),
        "get_torrents_trackers.completed.json",
    );
    check_shape(
        &of("torrents/webseeds?hash"),
        "get_torrents_webseeds.completed.json",
    );
    check_shape(
        &of("torrents/pieceStates?hash"),
        "get_torrents_pieceStates.completed.json",
    );
    check_shape(
        &of("torrents/pieceHashes?hash"),
        "get_torrents_pieceHashes.completed.json",
    );
    check_shape(&rig.get(&sid, "torrents/tags"), "get_torrents_tags.json");
    check_shape(
        &rig.get(&sid, "torrents/info?hashes=all"),
        "get_torrents_info.hashes_all.json",
    );

    // Trackers are disabled in the same words.
    let ours = of("torrents/trackers?hash").body;
    let theirs: String = golden("get_torrents_trackers.completed.json");
    let squeeze = |text: &str| text.replace(['\n', ' '], "");
    assert_eq!(squeeze(&ours), squeeze(&theirs));

    // Maps by hash or name: compared by their first value.
    let first = |raw: &str, key: &str| {
        let mut found = None;
        crate::json::fields(raw, |name, value| {
            if name == key {
                crate::json::fields(value, |_, value| {
                    found.get_or_insert_with(|| shape(value));
                });
            }
        });
        found.unwrap_or_else(|| panic!("{key} is empty"))
    };
    let ours = rig.get(&sid, "sync/maindata").body;
    let theirs = golden("get_sync_maindata.full.json");
    same(
        &first(&ours, "torrents"),
        &first(&theirs, "torrents"),
        "torrents",
    );
    let Shape::Object(category) = first(&ours, "categories") else {
        panic!("a category is an object");
    };
    assert_eq!(category.keys().collect::<Vec<_>>(), ["name", "savePath"]);
    same(
        &first(
            &format!("{{\"all\":{}}}", rig.get(&sid, "torrents/categories").body),
            "all",
        ),
        &Shape::Object(category),
        "categories",
    );
    let limits = rig.post(&sid, "torrents/downloadLimit", &format!("hashes={hash}"));
    assert!(limits.body.ends_with(":0}"));
}

/// All recorded preferences are there with their types, except what 4.6 dropped or changed.
#[test]
fn preferences_have_the_keys_of_4_6() {
    let rig = Rig::new();
    let sid = rig.login("admin", OWNER_KEY);
    let answer = rig.get(&sid, "app/preferences");
    let Shape::Object(ours) = shape(&answer.body) else {
        panic!("not an object");
    };
    let Shape::Object(theirs) = shape(&golden("get_app_preferences.json")) else {
        panic!("not an object");
    };
    assert_eq!(ours.len(), 194, "4.6 has 194 keys");
    for (key, theirs) in &theirs {
        match key.as_str() {
            "proxy_torrents_only" => assert!(!ours.contains_key(key)),
            "proxy_type" => assert_eq!(ours[key], Shape::Text),
            _ => same(&ours[key], theirs, key),
        }
    }
    for part in [
        "\"save_path\":\"/data/completed\"",
        "\"max_ratio_enabled\":false",
        "\"max_ratio_act\":0",
        "\"max_seeding_time_enabled\":false",
        "\"max_inactive_seeding_time_enabled\":false",
        "\"queueing_enabled\":true",
        "\"dht\":false",
        "\"web_ui_username\":\"admin\"",
    ] {
        assert!(answer.body.contains(part), "{part}");
    }
}
