//! The log, and the calls that mean nothing here but have an answer all the same.

use super::rig::{OWNER_KEY, RADARR_KEY, Rig, SONARR_KEY, check};

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
