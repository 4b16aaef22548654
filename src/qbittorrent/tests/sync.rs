//! `sync/maindata` over real grabs.

use super::rig::{OWNER_KEY, RADARR_KEY, Rig, SONARR_KEY};
use crate::http::Method::Get;

/// The answer without its server state, which depends on the disk.
fn ask(rig: &Rig, sid: &str, rid: &str) -> String {
    let answer = rig.get(sid, &format!("sync/maindata?rid={rid}"));
    assert_eq!(answer.status, 200);
    assert!(crate::json::check(&answer.body).is_ok(), "{}", answer.body);
    match answer.body.find(",\"server_state\":{") {
        Some(start) => {
            let end = start + answer.body[start..].find('}').unwrap() + 1;
            format!("{}{}", &answer.body[..start], &answer.body[end..])
        }
        None => answer.body,
    }
}

#[test]
fn only_differences_are_told() {
    let rig = Rig::new();
    let sid = rig.login("Main Radarr", RADARR_KEY);
    assert_eq!(
        ask(&rig, &sid, "0"),
        r#"{"categories":{},"full_update":true,"rid":1,"tags":[],"torrents":{},"trackers":{}}"#
    );
    assert_eq!(ask(&rig, &sid, "1"), r#"{"rid":2}"#);

    let hash = rig.add(&sid, "A", &[("category", "c"), ("tags", "t")]);
    let new = ask(&rig, &sid, "2");
    assert!(new.starts_with(
        r#"{"categories":{"c":{"name":"c","savePath":""}},"rid":3,"tags":["t"],"torrents":{"#
    ));
    assert!(new.contains("\"added_on\":") && !new.contains("\"hash\":"));

    rig.post(&sid, "torrents/pause", "hashes=all");
    assert_eq!(
        ask(&rig, &sid, "3"),
        format!(r#"{{"rid":4,"torrents":{{"{hash}":{{"state":"pausedDL"}}}}}}"#)
    );
    // The answer was lost: the same again.
    assert_eq!(
        ask(&rig, &sid, "3"),
        format!(r#"{{"rid":5,"torrents":{{"{hash}":{{"state":"pausedDL"}}}}}}"#)
    );
    rig.post(&sid, "torrents/removeCategories", "categories=c");
    assert_eq!(
        ask(&rig, &sid, "5"),
        format!(
            r#"{{"categories_removed":["c"],"rid":6,"torrents":{{"{hash}":{{"category":""}}}}}}"#
        )
    );
    rig.post(&sid, "torrents/delete", "hashes=all&deleteFiles=true");
    assert_eq!(
        ask(&rig, &sid, "6"),
        format!(r#"{{"rid":7,"torrents_removed":["{hash}"]}}"#)
    );
    assert!(ask(&rig, &sid, "3").contains("\"full_update\":true"));
    assert!(ask(&rig, &sid, "x").contains("\"full_update\":true"));
}

#[test]
fn a_hash_of_two_logins_is_told_to_the_owner_once() {
    let rig = Rig::new();
    let radarr = rig.login("Main Radarr", RADARR_KEY);
    let sonarr = rig.login("Sonarr", SONARR_KEY);
    let owner = rig.login("me", OWNER_KEY);
    let hash = rig.add(&radarr, "A", &[("category", "films")]);
    rig.add(&sonarr, "A", &[("category", "tv")]);
    let full = ask(&rig, &owner, "0");
    assert_eq!(full.matches(&format!("\"{hash}\":{{")).count(), 1);
    assert!(full.contains("\"category\":\"films\""));
    // A look at all grabs again, of which none has changed.
    rig.add(&radarr, "A", &[]);
    let other = rig.add(&radarr, "B", &[("paused", "true")]);
    let next = ask(&rig, &owner, "1");
    assert!(next.contains(&other) && !next.contains(&hash), "{next}");
}

#[test]
fn each_session_has_its_own_place() {
    let rig = Rig::new();
    let one = rig.login("me", OWNER_KEY);
    let two = rig.login("me", OWNER_KEY);
    assert!(ask(&rig, &one, "0").contains("\"rid\":1"));
    assert!(ask(&rig, &two, "1").contains("\"full_update\":true"));
    assert_eq!(ask(&rig, &one, "1"), r#"{"rid":2}"#);
    // A key in a header has no session: everything, each time.
    for _ in 0..2 {
        let answer = rig
            .call(Get, "sync/maindata?rid=1")
            .header("Authorization", &format!("Bearer {OWNER_KEY}"))
            .send();
        assert!(answer.body.contains("\"full_update\":true,\"rid\":1,"));
    }
}

#[test]
fn the_speed_limit_mode_shows() {
    let rig = Rig::new();
    let sid = rig.login("me", OWNER_KEY);
    ask(&rig, &sid, "0");
    rig.post(&sid, "transfer/toggleSpeedLimitsMode", "");
    let answer = rig.get(&sid, "sync/maindata?rid=1").body;
    assert!(answer.contains("\"use_alt_speed_limits\":true"), "{answer}");
    assert!(answer.contains("\"dl_rate_limit\":10240"), "{answer}");
    assert!(!answer.contains("global_ratio"), "{answer}");
}
