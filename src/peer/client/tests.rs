//! Tests of the peer client against real sockets: a responder that sends what each test says. Here is
//! what all calls share and the short ones; lists, files and what can go wrong are in the modules.

mod errors;
mod files;
mod lists;
mod rig;

use std::time::Duration;

use crate::peer::client::{Handshake, PeerError, PeerQuery, peer_id};
use crate::release::Category;
use rig::{LONG, client, item, ok, respond_with, search};

#[test]
fn requests_carry_key_and_headers_and_ask_for_no_compression() {
    let (_, _, head) = search(ok("{\"items\":[]}"), PeerQuery::Everything, None);
    let head = head.to_ascii_lowercase();
    for line in [
        "get /peer/search http/1.1\r\n",
        "x-api-key: sesame\r\n",
        "cf-access-client-id: me\r\n",
        concat!("user-agent: jackdaw/", env!("CARGO_PKG_VERSION"), "\r\n"),
        "accept-encoding: identity\r\n",
        "connection: close\r\n",
    ] {
        assert!(head.contains(line), "{line} in {head}");
    }
    assert!(!head.contains("if-none-match"));
}

#[test]
fn handshakes() {
    let shake = |body: &str| {
        let (url, head) = respond_with(ok(body));
        let result = client(&url).handshake(LONG);
        assert!(
            head.recv()
                .unwrap()
                .starts_with("GET /handshake HTTP/1.1\r\n")
        );
        result
    };
    // What jack answers.
    let jack = shake(r#"{"name":"jack","version":"0.1.0"}"#).unwrap();
    let expected = Handshake {
        name: "jack".into(),
        version: (0, 1, 0),
        capabilities: Vec::new(),
    };
    assert_eq!(jack, expected);
    let newer = shake(r#"{"version":"10.20.30","capabilities":["a",7,"b"],"name":null}"#).unwrap();
    assert_eq!(newer.version, (10, 20, 30));
    assert_eq!(newer.capabilities, ["a", "b"]);
    assert_eq!(newer.name, "alice");
    for body in [
        r#"{"name":"jack"}"#,
        r#"{"name":"jack","version":null}"#,
        r#"{"name":"jack","version":"0.0.9"}"#,
        r#"{"name":"jack","version":"1.0"}"#,
        r#"{"name":"jack","version":"1.0.0-beta"}"#,
        r#"{"name":"jack","version":"v1.0.0"}"#,
        r#"{"name":"jack","version":"1.0.0.0"}"#,
        r#"{"name":"jack","version":"1..0"}"#,
        r#"{"name":"jack","version":"+1.0.0"}"#,
    ] {
        let error = shake(body).unwrap_err();
        assert!(matches!(error, PeerError::Version(_)), "{body}: {error}");
    }
    assert!(matches!(shake("[]x"), Err(PeerError::Protocol(_))));
    let (url, _head) = respond_with("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
    let error = client(&url).handshake(LONG).unwrap_err();
    assert!(matches!(error, PeerError::Version(_)), "{error}");
}

#[test]
fn one_item() {
    let ask = |answer: String| {
        let (url, head) = respond_with(answer);
        let result = client(&url).item("radarr-1:movie:7/ü", LONG);
        let head = head.recv().unwrap();
        let line = "GET /peer/items/radarr-1%3Amovie%3A7%2F%C3%BC HTTP/1.1\r\n";
        assert!(head.starts_with(line), "{head}");
        result
    };
    let found = ask(ok(&item("radarr-1:movie:7/ü", ""))).unwrap().unwrap();
    assert_eq!(found.category, Category::Movies);
    assert_eq!(found.size, 5);
    let gone = "HTTP/1.1 404 Not Found\r\nContent-Length: 21\r\n\r\n{\"error\":\"Not found\"}";
    assert_eq!(ask(gone.into()).unwrap(), None);
    assert!(matches!(
        ask(ok(&item("other", ""))),
        Err(PeerError::Protocol(_))
    ));
    assert!(matches!(ask(ok("{}")), Err(PeerError::Unsound(_))));
    assert!(matches!(
        ask("HTTP/1.1 503 Busy\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n".into()),
        Err(PeerError::Status { status: 503, retry_after: Some(wait), .. })
            if wait == Duration::from_secs(7)
    ));
}

#[test]
fn equal_addresses_have_equal_ids() {
    let id = peer_id("https://alice.example");
    assert_eq!(id.len(), 8);
    assert!(id.bytes().all(|byte| byte.is_ascii_hexdigit()));
    for same in [
        "https://alice.example/",
        "HTTPS://Alice.Example",
        "https://alice.example:443",
    ] {
        assert_eq!(peer_id(same), id, "{same}");
    }
    for other in [
        "http://alice.example",
        "https://alice.example:8443",
        "https://alice.example/jack",
        "https://bob.example",
    ] {
        assert_ne!(peer_id(other), id, "{other}");
    }
    // The path is case-sensitive.
    assert_ne!(peer_id("https://a/B"), peer_id("https://a/b"));
}
