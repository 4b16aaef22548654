//! Commands on grabs that are there, and whose grabs they reach.

use super::rig::{OWNER_KEY, RADARR_KEY, Rig, SONARR_KEY, check, field, state};

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
