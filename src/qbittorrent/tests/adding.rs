//! `torrents/add`: the way of a grab from there, its options, what is refused with which words.

use super::rig::{OWNER_KEY, RADARR_KEY, Rig, SONARR_KEY, check, field, state};
use crate::config::AfterImport;

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
fn an_export_gives_back_the_torrent_that_was_added() {
    let rig = Rig::new();
    let sid = rig.login("Main Radarr", RADARR_KEY);
    let hash = rig.add(&sid, "A", &[]);
    let exported = rig.get(&sid, &format!("torrents/export?hash={hash}"));
    let (torrent, _) = rig.stub("A", 3_000_000);
    assert_eq!(exported.body, String::from_utf8_lossy(&torrent));
    assert_eq!(rig.get(&sid, "torrents/export?hash=11").status, 404);
}
