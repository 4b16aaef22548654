//! `sync/maindata` over real grabs.

use std::collections::BTreeMap;

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

/// What a client knows after it has applied every answer.
#[derive(Default)]
struct Client {
    rid: String,
    torrents: BTreeMap<String, BTreeMap<String, String>>,
}

impl Client {
    /// Asks for news and applies them; whether everything was told.
    fn sync(&mut self, rig: &Rig, sid: &str) -> bool {
        let answer = ask(rig, sid, &self.rid);
        let is_full = answer.contains("\"full_update\":true");
        if is_full {
            self.torrents.clear();
        }
        crate::json::fields(&answer, |key, raw| match key {
            "rid" => self.rid = raw.to_string(),
            "torrents" => {
                crate::json::fields(raw, |hash, raw| {
                    let known = self.torrents.entry(hash.to_string()).or_default();
                    crate::json::fields(raw, |name, value| {
                        known.insert(name.to_string(), value.to_string());
                    });
                });
            }
            "torrents_removed" => {
                crate::json::elements(raw, |hash| {
                    let hash = hash.trim_matches('"');
                    assert!(self.torrents.remove(hash).is_some(), "{hash}");
                });
            }
            _ => {}
        });
        is_full
    }
}

/// The torrents of a caller as a full answer gives them.
fn truth(rig: &Rig, username: &str) -> Client {
    let mut fresh = Client::default();
    let sid = rig.login(username, OWNER_KEY);
    assert!(fresh.sync(rig, &sid));
    fresh
}

/// Whatever commands do, a client that only hears of differences knows the same as one that asks for
/// everything: nothing is left out because only what has changed is looked at.
#[test]
fn differences_add_up_to_the_whole() {
    let rig = Rig::new();
    let logins = ["Main Radarr", "Sonarr", "me"];
    let sids = logins.map(|login| rig.login(login, OWNER_KEY));
    // Finished ones are only looked at when a change of them was noted.
    let titles = ["A", "B", "C", "Done 0", "Done 1", "Done 2"];
    let hashes = titles.map(|title| rig.stub(title, 3_000_000).1);
    for (sid, which) in sids.iter().zip(3..) {
        rig.add(sid, titles[which], &[]);
        rig.force_state(&hashes[which], "completed");
    }
    let mut clients: [Client; 3] = Default::default();
    for (client, sid) in clients.iter_mut().zip(&sids) {
        assert!(client.sync(&rig, sid));
    }
    let mut seed = 0x9E37_79B9_7F4A_7C15u64;
    let mut random = move |below: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        (seed % below as u64) as usize
    };
    let commands = [
        ("pause", ""),
        ("resume", ""),
        ("topPrio", ""),
        ("bottomPrio", ""),
        ("increasePrio", ""),
        // Not `true`: that starts a transfer, which changes things by itself.
        ("setForceStart", "&value=false"),
        ("addTags", "&tags=x"),
        ("removeTags", ""),
        ("setCategory", "&category=c"),
        ("setCategory", "&category="),
        ("setShareLimits", "&ratioLimit=2"),
        ("setDownloadLimit", "&limit=1024"),
        ("setDownloadLimit", "&limit=0"),
        ("setUploadLimit", "&limit=7"),
        ("recheck", ""),
        ("delete", "&deleteFiles=true"),
    ];
    for sid in &sids {
        rig.post(sid, "torrents/createCategory", "category=c");
    }
    for round in 0..300 {
        let sid = &sids[random(3)];
        let which = random(titles.len());
        match random(4) {
            0 => drop(rig.add(sid, titles[which], &[("category", "c")])),
            _ => {
                let (command, rest) = commands[random(commands.len())];
                let hash = match random(6) {
                    0 => "all",
                    _ => &hashes[which],
                };
                let form = format!("hashes={hash}{rest}");
                let answer = rig.post(sid, &format!("torrents/{command}"), &form);
                assert_eq!(answer.status, 200, "{command} {form}");
            }
        }
        // One of them has missed some answers.
        let heard = random(3);
        let was_full = clients[heard].sync(&rig, &sids[heard]);
        assert!(!was_full, "round {round}");
        let known = &clients[heard].torrents;
        let expected = truth(&rig, logins[heard]);
        for (hash, fields) in &expected.torrents {
            for (name, value) in fields {
                // Passes by itself, and is not told.
                if name != "seeding_time" {
                    let known = known.get(hash).and_then(|fields| fields.get(name));
                    assert_eq!(known, Some(value), "round {round}: {name} of {hash}");
                }
            }
        }
        assert!(known.keys().eq(expected.torrents.keys()), "round {round}");
    }
}

#[test]
fn more_changes_than_are_remembered_are_told_all_the_same() {
    let rig = Rig::new();
    let sid = rig.login("me", OWNER_KEY);
    let hash = rig.add(&sid, "A", &[]);
    let mut client = Client::default();
    client.sync(&rig, &sid);
    for _ in 0..=crate::downloads::MAX_CHANGES / 2 {
        rig.post(&sid, "torrents/addTags", &format!("hashes={hash}&tags=x"));
        rig.post(&sid, "torrents/removeTags", &format!("hashes={hash}"));
    }
    rig.post(&sid, "torrents/addTags", &format!("hashes={hash}&tags=y"));
    assert!(!client.sync(&rig, &sid), "only a difference");
    assert_eq!(client.torrents[&hash]["tags"], "\"y\"");
}

#[test]
fn many_changes_are_written_item_by_item_and_are_the_same() {
    let rig = Rig::new();
    let sid = rig.login("me", OWNER_KEY);
    let mut client = Client::default();
    client.sync(&rig, &sid);
    let count = super::super::lens::LONG_LIST + 1;
    for n in 0..count {
        rig.add(&sid, &format!("T{n}"), &[("paused", "true")]);
    }
    assert!(!client.sync(&rig, &sid));
    assert_eq!(client.torrents.len(), count);
    rig.post(&sid, "torrents/addTags", "hashes=all&tags=x");
    let answer = rig.call(Get, &format!("sync/maindata?rid={}", client.rid));
    let answer = answer.session(&sid).send();
    assert!(answer.is_streamed);
    assert_eq!(answer.body.matches("{\"tags\":\"x\"}").count(), count);
    assert!(!client.sync(&rig, &sid));
    assert!(
        client
            .torrents
            .values()
            .all(|known| known["tags"] == "\"x\"")
    );
}

#[test]
fn a_torrent_that_was_deleted_and_added_again_is_told_anew() {
    let rig = Rig::new();
    let sid = rig.login("me", OWNER_KEY);
    let hash = rig.add(&sid, "A", &[]);
    // Added some time ago.
    let store = &rig.services.store;
    let aged = store.writer().execute("UPDATE grab SET added_at = 5", []);
    assert_eq!(aged.unwrap(), 1);
    let mut client = Client::default();
    client.sync(&rig, &sid);
    assert_eq!(client.torrents[&hash]["added_on"], "5");
    rig.post(&sid, "torrents/delete", &format!("hashes={hash}"));
    rig.add(&sid, "A", &[]);
    assert!(!client.sync(&rig, &sid));
    assert_ne!(client.torrents[&hash]["added_on"], "5");
}
