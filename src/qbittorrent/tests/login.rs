//! Sessions, credentials, the order of checks.

use super::rig::{FRIEND_KEY, OWNER_KEY, RADARR_KEY, Rig, SONARR_KEY};
use crate::http::Method::{Get, Head, Post, Put};

fn check_login(rig: &Rig, username: &str, password: &str, accepted: bool) {
    let form = format!("username={username}&password={password}");
    let answer = rig.call(Post, "auth/login").form(&form).send();
    let expected = if accepted { "Ok." } else { "Fails." };
    assert_eq!(
        (answer.status, answer.body.as_str()),
        (200, expected),
        "{username}:{password}"
    );
    assert_eq!(answer.sid().is_some(), accepted);
}

#[test]
fn only_the_right_pairs_log_in() {
    let rig = Rig::new();
    for (username, password, accepted) in [
        ("Main+Radarr", RADARR_KEY, true),
        ("Main+Radarr", OWNER_KEY, true),
        ("anybody", OWNER_KEY, true),
        ("main+radarr", RADARR_KEY, false),
        ("Sonarr", RADARR_KEY, false),
        ("anybody", RADARR_KEY, false),
        ("Gone", "dddddddddddddddddddddddddddddddd", false),
        ("alice", FRIEND_KEY, false),
        ("Main+Radarr", FRIEND_KEY, false),
        ("Main+Radarr", "", false),
        ("", OWNER_KEY, false),
        ("+", OWNER_KEY, false),
        ("a%00b", OWNER_KEY, false),
        ("", "", false),
    ] {
        check_login(&rig, username, password, accepted);
    }
    let query = format!("auth/login?username=x&password={OWNER_KEY}");
    let answer = rig.call(Post, &query).send();
    assert_eq!((answer.status, answer.body.as_str()), (200, "Fails."));
}

#[test]
fn the_cookie_is_the_only_one_and_as_the_real_server_sets_it() {
    let rig = Rig::new();
    let form = format!("username=me&password={OWNER_KEY}");
    let answer = rig.call(Post, "auth/login").form(&form).send();
    let sid = answer.sid().unwrap();
    assert_eq!(
        answer.header("Set-Cookie"),
        Some(format!("SID={sid}; HttpOnly; path=/; SameSite=Strict").as_str())
    );
    // With a live session: whatever the credentials, and no new cookie.
    let again = rig.post(&sid, "auth/login", "username=x&password=y");
    assert_eq!((again.status, again.body.as_str()), (200, "Ok."));
    assert_eq!(again.header("Set-Cookie"), None);

    let answer = rig.post(&sid, "auth/logout", "");
    assert_eq!((answer.status, answer.body.as_str()), (200, ""));
    let cookie = answer.header("Set-Cookie").unwrap();
    assert!(cookie.starts_with("SID=; expires=") && cookie.ends_with(" GMT; path=/"));
    assert_eq!(rig.get(&sid, "app/version").status, 403);
    assert_eq!(rig.post(&sid, "auth/logout", "").status, 403);
}

#[test]
fn checks_come_in_the_order_of_the_real_server() {
    let rig = Rig::new();
    let sid = rig.login("me", OWNER_KEY);
    let origin = "http://other.example";
    for (method, target, session, foreign, status, body) in [
        (Get, "app/version", false, true, 401, "Unauthorized"),
        (Post, "auth/login", false, true, 401, "Unauthorized"),
        (Get, "app/version", true, true, 401, "Unauthorized"),
        (Get, "app/version", false, false, 403, "Forbidden"),
        (Get, "nope/nope", false, false, 403, "Forbidden"),
        (Get, "torrents/pause", false, false, 403, "Forbidden"),
        (Get, "auth/login", false, false, 405, "Method Not Allowed"),
        (Get, "nope/nope", true, false, 404, "Not Found"),
        (
            Get,
            "torrents/pause",
            true,
            false,
            405,
            "Method Not Allowed",
        ),
        (Get, "auth/logout", true, false, 405, "Method Not Allowed"),
        (Put, "torrents/info", true, false, 405, "Method Not Allowed"),
        (Get, "torrents/nope", true, false, 404, "Not Found"),
        (Get, "torrents/properties", true, false, 400, "Bad Request"),
        (
            Get,
            "torrents/properties?hash=x",
            true,
            false,
            404,
            "Not Found",
        ),
        (Get, "Torrents/info", true, false, 404, "Not Found"),
        // No file of a WebUI: 404 even without a session.
        (Get, "app", false, false, 404, "Not Found"),
        (Get, "app/version/", false, false, 404, "Not Found"),
        (Get, "app/1", false, false, 404, "Not Found"),
        // Encoded, a long call would come by the route of the short ones.
        (Post, "auth/log%69n", false, false, 404, "Not Found"),
        (Get, "", false, false, 404, "Not Found"),
    ] {
        let mut call = rig.call(method, target);
        if session {
            call = call.session(&sid);
        }
        if foreign {
            call = call.header("Origin", origin);
        }
        let answer = call.send();
        assert_eq!(
            (answer.status, answer.body.as_str()),
            (status, body),
            "{method:?} {target}"
        );
        assert_eq!(answer.header("X-Content-Type-Options"), Some("nosniff"));
    }
}

#[test]
fn the_origin_is_compared_with_what_the_browser_asked_for() {
    let rig = Rig::new();
    let sid = rig.login("me", OWNER_KEY);
    for (headers, status) in [
        (vec![("Origin", "http://jackdaw:5225")], 200),
        (vec![("Referer", "http://jackdaw:5225/x")], 200),
        (vec![("Referer", "http://other/")], 401),
        (vec![("Origin", "null")], 401),
        (
            vec![
                ("Origin", "https://pub.example"),
                ("X-Forwarded-Host", "pub.example"),
            ],
            200,
        ),
        // Origin counts, Referer only without it.
        (
            vec![
                ("Origin", "http://jackdaw:5225"),
                ("Referer", "http://other/"),
            ],
            200,
        ),
    ] {
        let mut call = rig.call(Get, "app/version").session(&sid);
        for (name, value) in &headers {
            call = call.header(name, value);
        }
        assert_eq!(call.send().status, status, "{headers:?}");
    }
}

#[test]
fn reads_take_get_head_and_post_and_only_the_right_parameters() {
    let rig = Rig::new();
    let sid = rig.login("me", OWNER_KEY);
    assert_eq!(rig.get(&sid, "app/version").body, "v4.6.0");
    assert_eq!(rig.post(&sid, "app/webapiVersion", "").body, "2.9.2");
    let head = rig.call(Head, "app/version").session(&sid).send();
    assert_eq!(head.status, 200);
    // The query of a POST is not read.
    let answer = rig.post(&sid, "torrents/properties?hash=x", "");
    assert_eq!(answer.status, 400);
    // A body that is no form is refused, an empty one is fine whatever its type.
    let json = rig
        .call(Post, "torrents/info")
        .session(&sid)
        .header("Content-Type", "application/json")
        .body(b"{}")
        .send();
    assert_eq!((json.status, json.body.as_str()), (400, ""));
    let empty = rig
        .call(Post, "torrents/info")
        .session(&sid)
        .header("Content-Type", "application/octet-stream")
        .send();
    assert_eq!((empty.status, empty.body.as_str()), (200, "[]"));
    let login = rig
        .call(Post, "auth/login")
        .header("Content-Type", "application/json")
        .body(format!("{{\"username\":\"me\",\"password\":\"{OWNER_KEY}\"}}").as_bytes())
        .send();
    assert_eq!(login.status, 400);
}

#[test]
fn keys_in_headers_open_without_a_session() {
    let rig = Rig::new();
    // base64 of "Main Radarr:" + key, and of ":".
    let basic = "Basic TWFpbiBSYWRhcnI6YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWE=";
    for (header, status) in [
        (basic.to_string(), 200),
        (basic.replace("Basic", "basic"), 200),
        (format!("Bearer {RADARR_KEY}"), 200),
        (format!("bearer {OWNER_KEY}"), 200),
        (format!("Bearer {FRIEND_KEY}"), 403),
        ("Bearer dddddddddddddddddddddddddddddddd".to_string(), 403),
        ("Bearer wrong".to_string(), 403),
        ("Bearer ".to_string(), 403),
        ("Basic Og==".to_string(), 403),
        ("Basic !!!".to_string(), 403),
        ("Basic".to_string(), 403),
        ("Digest x".to_string(), 403),
    ] {
        let answer = rig
            .call(Get, "app/webapiVersion")
            .header("Authorization", &header)
            .send();
        assert_eq!(answer.status, status, "{header}");
        assert_eq!(answer.header("WWW-Authenticate"), None);
    }
    // A wrong header beside a good cookie does no harm, a right one opens beside a dead cookie.
    let sid = rig.login("Sonarr", SONARR_KEY);
    for (sid, header) in [
        (sid.as_str(), "Basic Og=="),
        (&sid, "Bearer x"),
        ("dead", basic),
    ] {
        let answer = rig
            .call(Get, "app/version")
            .session(sid)
            .header("Authorization", header)
            .send();
        assert_eq!(answer.status, 200, "{header}");
    }
}

#[test]
fn wrong_passwords_never_ban_the_right_one() {
    let rig = Rig::new();
    for _ in 0..20 {
        check_login(&rig, "me", "wrong", false);
    }
    check_login(&rig, "me", OWNER_KEY, true);
}

#[test]
fn slow_logins_are_few_and_the_others_wait_their_turn() {
    let rig = Rig::new();
    check_login(&rig, "me", "wrong", false);
    let instant = std::time::Instant::now();
    let held = "192.0.2.1".parse().unwrap();
    let face = &rig.services.qbittorrent;
    super::super::lock(&face.failures).admit(held, instant);
    let form = format!("username=me&password={OWNER_KEY}");
    let answer = rig.call(Post, "auth/login").form(&form).send();
    assert_eq!(answer.status, 403, "unchecked while another one waits");
    let other = rig
        .call(Post, "auth/login")
        .form(&form)
        .from("192.0.2.2")
        .send();
    assert_eq!(other.body, "Ok.", "an address without a history is free");
    super::super::lock(&face.failures).leave(held);
    check_login(&rig, "me", OWNER_KEY, true);
}

#[test]
fn a_revoked_key_ends_its_sessions() {
    let rig = Rig::new();
    let radarr = rig.login("Main Radarr", RADARR_KEY);
    let sonarr = rig.login("Sonarr", SONARR_KEY);
    let revoked = rig
        .services
        .store
        .writer()
        .execute(
            "UPDATE key SET revoked_at = 1 WHERE name = 'Main Radarr'",
            [],
        )
        .unwrap();
    assert_eq!(revoked, 1);
    assert_eq!(rig.get(&radarr, "app/version").status, 403);
    assert_eq!(rig.get(&sonarr, "app/version").status, 200);
    check_login(&rig, "Main+Radarr", RADARR_KEY, false);
}
