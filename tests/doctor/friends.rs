//! Friends: which of them answer, with what, and by which clock.

use std::io::{Read, Write};
use std::net::TcpListener;

use super::rig::doctor;
use crate::support::Home;
use crate::support::peer::{FakePeer, Handshake, PEER_KEY};
use crate::support::process::Config;

/// A server that reads what comes first, answers with these bytes, and closes.
fn answer_once(answer: &str) -> (String, std::thread::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let answer = answer.to_owned();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        // A request head or a TLS greeting: either is small enough for one packet on loopback.
        let _ = stream.read(&mut [0; 4096]).unwrap();
        stream.write_all(answer.as_bytes()).unwrap();
    });
    (url, server)
}

#[test]
fn friends_are_told_apart() {
    let home = Home::new("doctor-friends");
    let friend = FakePeer::start(Vec::new());
    let check = |url: &str, key: &str, level: &str, words: &[&str]| {
        let config = Config::new(&home.join("us")).peer("alice", url, key);
        doctor(&config, &[]).has(level, "friend \"alice\"", words);
    };
    let url = friend.url();
    check(&url, PEER_KEY, "ok", &["protocol 0.1.0", "takes our key"]);
    check(
        &url,
        "another-key-of-some-length",
        "FAIL",
        &["401", "fix: ask for a new key"],
    );
    check(
        "http://127.0.0.1:9",
        PEER_KEY,
        "FAIL",
        &["connection refused", "fix: check its url"],
    );
    // TLS at a port that speaks plain HTTP.
    let (plain, server) = answer_once("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
    let tls = plain.replace("http:", "https:");
    check(&tls, PEER_KEY, "FAIL", &["is the url http, not https?"]);
    server.join().unwrap();
    for (handshake, words) in [
        (Handshake::Version("0.0.9".into()), "ask for an update"),
        (Handshake::NoVersion, "MAJOR.MINOR.PATCH"),
        (Handshake::NotFound, "no jack or jackdaw"),
    ] {
        friend.set().handshake = handshake;
        check(&url, PEER_KEY, "FAIL", &[words]);
    }
}

#[test]
fn a_friends_clock_is_compared_with_ours() {
    let home = Home::new("doctor-clock");
    let body = r#"{"name":"jack","version":"0.1.0"}"#;
    let (url, server) = answer_once(&format!(
        "HTTP/1.1 200 OK\r\nDate: Sat, 01 Jan 2000 00:00:00 GMT\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    ));
    let config = Config::new(&home.join("us")).peer("alice", &url, PEER_KEY);
    let report = doctor(&config, &[]);
    server.join().unwrap();
    report.has("warn", "friend \"alice\"", &["s behind ours", "NTP"]);
    assert_eq!(report.code, Some(0), "a warning is not a failure");
}
