//! Who has no key gets nothing, in each face's own words.

use crate::support::http::{Answer, request};
use crate::support::peer::{FakePeer, PEER_KEY};
use crate::support::process::{Config, Jackdaw, KEY};
use crate::support::{Home, SOON, eventually};

const WRONG: &str = "0123456789abcdef0123456789abcdee";

/// The home comes first, so that it is removed last.
fn start(name: &str) -> (Home, Jackdaw) {
    let home = Home::new(name);
    let jackdaw = Jackdaw::start(&Config::new(&home.join("a")).downloads(""));
    (home, jackdaw)
}

fn get(jackdaw: &Jackdaw, target: &str, headers: &[(&str, &str)]) -> Answer {
    request(jackdaw.address(), "GET", target, headers, None)
}

#[test]
fn ping_is_open_and_says_nothing() {
    let (_home, jackdaw) = start("auth-ping");
    let answer = get(&jackdaw, "/ping", &[]);
    assert_eq!(
        (answer.status, answer.text().as_str()),
        (200, "{\"status\":\"OK\"}")
    );
}

#[test]
fn friends_without_a_key_get_401() {
    let (_home, jackdaw) = start("auth-peer");
    for target in [
        "/handshake",
        "/peer/search",
        "/peer/search?tmdbId=603",
        "/peer/items/x%3Amovie%3A1",
        "/peer/items/x%3Amovie%3A1/file",
    ] {
        for (target, headers) in [
            (target.to_string(), vec![]),
            (target.to_string(), vec![("X-Api-Key", WRONG)]),
            (target.to_string(), vec![("X-Api-Key", "")]),
            (target.to_string(), vec![("Authorization", "Bearer x")]),
            (
                format!(
                    "{target}{}apikey={WRONG}",
                    if target.contains('?') { '&' } else { '?' }
                ),
                vec![],
            ),
        ] {
            let answer = get(&jackdaw, &target, &headers);
            assert_eq!(answer.status, 401, "{target} {headers:?}");
            // jack's words.
            assert_eq!(answer.text(), "{\"error\":\"Unauthorized\"}");
        }
    }
    for (target, headers) in [
        ("/handshake".to_string(), vec![("X-Api-Key", KEY)]),
        (format!("/handshake?apikey={KEY}"), vec![]),
    ] {
        assert_eq!(get(&jackdaw, &target, &headers).status, 200);
    }
}

#[test]
fn torznab_without_a_key_gets_error_100() {
    let (_home, jackdaw) = start("auth-torznab");
    for target in [
        "/torznab/api?t=search".to_string(),
        format!("/torznab/api?t=search&apikey={WRONG}"),
        format!("/torznab/api?t=movie&tmdbid=603&apikey={WRONG}"),
        "/torznab/api?t=tvsearch&apikey=".to_string(),
    ] {
        let answer = get(&jackdaw, &target, &[]);
        // The arrs never read the body of a 4xx.
        assert_eq!(answer.status, 200, "{target}");
        let text = answer.text();
        let document = roxmltree::Document::parse(&text).unwrap();
        let root = document.root_element();
        assert_eq!(root.tag_name().name(), "error", "{text}");
        assert_eq!(root.attribute("code"), Some("100"), "{text}");
        assert!(root.attribute("description").is_some(), "{text}");
    }
    let stub = "/torznab/download/0123456789012345678901234567890123456789.torrent";
    for target in [stub.to_string(), format!("{stub}?apikey={WRONG}")] {
        let answer = get(&jackdaw, &target, &[]);
        assert!(!answer.text().contains("4:info"), "{target}");
        assert_ne!(
            answer.status, 404,
            "who has no key must not learn what exists"
        );
    }
}

#[test]
fn qbittorrent_without_a_session_gets_403() {
    let (_home, jackdaw) = start("auth-qbittorrent");
    for target in [
        "/api/v2/app/webapiVersion",
        "/api/v2/app/preferences",
        "/api/v2/torrents/info",
        "/api/v2/torrents/properties?hash=0123456789012345678901234567890123456789",
        // The session comes before the question whether there is such an endpoint.
        "/api/v2/nope/nope",
    ] {
        for headers in [
            vec![],
            vec![("Cookie", "SID=0123456789abcdef0123456789abcdef")],
        ] {
            assert_eq!(
                get(&jackdaw, target, &headers).status,
                403,
                "{target} {headers:?}"
            );
        }
    }
    let login = |form: &str| {
        request(
            jackdaw.address(),
            "POST",
            "/api/v2/auth/login",
            &[("Content-Type", "application/x-www-form-urlencoded")],
            Some(form.as_bytes()),
        )
    };
    for form in [
        format!("username=x&password={WRONG}"),
        "username=x".into(),
        format!("password={WRONG}"),
        String::new(),
    ] {
        let answer = login(&form);
        assert_eq!(
            (answer.status, answer.text().as_str()),
            (200, "Fails."),
            "{form}"
        );
        assert_eq!(answer.header("Set-Cookie"), None, "{form}");
    }
    let answer = login(&format!("username=Main%20Radarr&password={KEY}"));
    assert_eq!((answer.status, answer.text().as_str()), (200, "Ok."));
    let cookie = answer
        .header("Set-Cookie")
        .unwrap()
        .split(';')
        .next()
        .unwrap()
        .to_string();
    let version = get(
        &jackdaw,
        "/api/v2/app/webapiVersion",
        &[("Cookie", &cookie)],
    );
    assert_eq!((version.status, version.text().as_str()), (200, "2.9.2"));
    // A wrong Basic header beside a good cookie does no harm (Radarr sends `Basic Og==`).
    let headers = [("Cookie", cookie.as_str()), ("Authorization", "Basic Og==")];
    assert_eq!(get(&jackdaw, "/api/v2/torrents/info", &headers).status, 200);
}

#[test]
fn keys_are_not_logged() {
    let (_home, jackdaw) = start("auth-log");
    get(&jackdaw, &format!("/torznab/api?t=caps&apikey={KEY}"), &[]);
    get(
        &jackdaw,
        &format!("/torznab/api?t=caps&apikey={WRONG}"),
        &[],
    );
    get(&jackdaw, "/handshake", &[("X-Api-Key", KEY)]);
    let log = jackdaw.log();
    assert!(!log.contains(KEY) && !log.contains(WRONG), "{log}");
}

/// The client library dumps every byte that it sends at its lowest level.
#[test]
fn keys_that_we_send_are_not_logged_at_any_level() {
    let home = Home::new("auth-trace");
    let friend = FakePeer::start(Vec::new());
    let config = Config::new(&home.join("a")).log("trace").section(&format!(
        "[peer \"alice\"]\nurl = {}\napi_key = {PEER_KEY}\nheader.X-Door = {PEER_KEY}",
        friend.url()
    ));
    let jackdaw = Jackdaw::start(&config);
    let log = eventually("the friend to be up", SOON, || {
        let log = jackdaw.log();
        log.contains("friend alice is up").then_some(log)
    });
    assert!(log.contains("DEBUG ureq"), "it is at trace: {log}");
    // A dump has rows of 16 bytes, one of which has half of the key.
    assert!(!log.contains(&PEER_KEY[..8]), "{log}");
}
