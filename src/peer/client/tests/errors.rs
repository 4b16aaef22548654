//! Answers that are wrong, endless or missing, and the words in which that is said.

use std::io::Write;
use std::net::TcpListener;
use std::time::Duration;

use super::rig::{LONG, client, hold, ok, respond, search};
use crate::peer::call::{MAX_QUOTE, explain_text, parse_retry_after, quote};
use crate::peer::client::{PeerError, PeerQuery};

#[test]
fn wrong_answers_are_named() {
    let html = "<html><title>Sign in</title></html>";
    let page = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {}\r\n\r\n{html}",
        html.len()
    );
    for (answer, expected) in [
        (
            page.clone(),
            "alice: /peer/search: answers with a web page: the sign-in of a proxy, or another \
             program (not the JSON asked for: an object was expected at byte 0)",
        ),
        (
            ok("{\"error\":\"x\"}"),
            "alice: /peer/search: not the JSON asked for: the key of the list was expected at \
             byte 12",
        ),
        (
            "HTTP/1.1 302 Found\r\nLocation: https://login.example/\u{1b}[31m?a\r\n\
             Content-Length: 0\r\n\r\n"
                .replace('\u{1b}', "%1b"),
            "alice: /peer/search: redirects to \"https://login.example/%1b[31m?a\" (HTTP status \
             302), which is not followed: check the friend's url, and its extra headers if a \
             proxy asks for them",
        ),
        (
            "HTTP/1.1 401 Unauthorized\r\nContent-Length: 24\r\n\r\n{\"error\":\"Unauthorized\"}"
                .into(),
            "alice: /peer/search: \"Unauthorized\": our key or an extra header is refused: HTTP \
             status 401",
        ),
        (
            "HTTP/1.1 500 Oops\r\nContent-Length: 25\r\n\r\n{\"error\":\"a\\nb\\u001b[m\"}".into(),
            "alice: /peer/search: \"a\\u{a}b\\u{1b}[m\": HTTP status 500",
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 1\r\n\r\nx".into(),
            "alice: /peer/search: answers in the encoding \"gzip\", which was not asked for",
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Encoding: identity\r\nContent-Encoding: x-gzip\r\n\r\nx"
                .into(),
            "alice: /peer/search: answers in the encoding \"identity, x-gzip\", which was not \
             asked for",
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n".into(),
            "alice: /peer/search: answers in the encoding \"gzip, chunked\", which was not asked \
             for",
        ),
        (
            // HTTP/1.0 knows no chunks: they would end up in the file.
            "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n".into(),
            "alice: /peer/search: answers in the encoding \"chunked\", which was not asked for",
        ),
    ] {
        let (outcome, _, _) = search(answer, PeerQuery::Everything, None);
        assert_eq!(outcome.unwrap_err().to_string(), expected);
    }
}

#[test]
fn nonsense_instead_of_http_is_an_error() {
    for answer in [
        "",
        "\r\n",
        "SSH-2.0-OpenSSH_9.6\r\n",
        "HTTP/1.1 200 OK",
        "HTTP/1.1 999999 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ] {
        let (outcome, _, _) = search(answer, PeerQuery::Everything, None);
        let error = outcome.unwrap_err().to_string();
        assert!(error.starts_with("alice: /peer/search: "), "{error}");
    }
    // A head that never ends: no more than a buffer of it is read.
    let (url, _head) = respond(|stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n");
        while stream.write_all(&[b'x'; 4096]).is_ok() {}
    });
    let error = client(&url).search(PeerQuery::Everything, None, LONG, &mut |_| {});
    assert!(error.is_err());
}

#[test]
fn a_refused_connection_and_an_unknown_host_are_unreachable() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let error = client(&url).handshake(LONG).unwrap_err();
    assert!(matches!(error, PeerError::Unreachable(_)));
    let expected = "alice: /handshake: connection refused: nothing listens there";
    assert_eq!(error.to_string(), expected);
    // RFC 6761: never resolves; how soon that is known depends on the machine's resolver.
    let error = client("http://nobody.invalid").handshake(LONG).unwrap_err();
    assert!(matches!(error, PeerError::Unreachable(_)));
    assert!(error.to_string().contains("the host name"), "{error}");
    let error = client("not a url").handshake(LONG).unwrap_err();
    assert!(matches!(error, PeerError::Protocol(_)), "{error}");
}

#[test]
fn a_call_ends_with_its_timeout() {
    let (url, _head) = respond(hold);
    let error = client(&url)
        .handshake(Duration::from_millis(50))
        .unwrap_err();
    assert!(matches!(error, PeerError::Unreachable(_)), "{error}");
    assert_eq!(error.to_string(), "alice: /handshake: no answer in time");
    // The limit is on the whole call: a body that dribbles does not stretch it.
    let (url, _head) = respond(|stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n{\"items\":[");
        while stream.write_all(b" ").is_ok() {}
    });
    let short = Duration::from_millis(50);
    let error = client(&url).search(PeerQuery::Everything, None, short, &mut |_| {});
    assert!(error.is_err());
}

#[test]
fn an_answer_longer_than_the_limit_is_not_read_to_the_end() {
    let (url, _head) = respond(|stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n{\"name\":\"");
        while stream.write_all(&[b'x'; 4096]).is_ok() {}
    });
    let error = client(&url).handshake(LONG).unwrap_err().to_string();
    assert_eq!(
        error,
        "alice: /handshake: the answer is longer than 65536 bytes"
    );
}

#[test]
fn retry_after_in_seconds_or_as_a_date() {
    let now = httpdate::parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT").unwrap();
    for (value, expected) in [
        ("0", Some(0)),
        (" 120 ", Some(120)),
        ("99999999999999999999", Some(24 * 3600)),
        ("86401", Some(24 * 3600)),
        ("Sun, 06 Nov 1994 08:50:37 GMT", Some(60)),
        ("Sun, 06 Nov 1994 08:00:00 GMT", Some(0)),
        ("Sunday, 06-Nov-94 08:50:37 GMT", Some(60)),
        ("-5", None),
        ("1.5", None),
        ("", None),
        ("soon", None),
    ] {
        let found = parse_retry_after(value, now);
        assert_eq!(found, expected.map(Duration::from_secs), "{value}");
    }
}

#[test]
fn certificates_are_explained() {
    // As rustls 0.23 words them.
    for (text, expected) in [
        ("invalid peer certificate: Expired", "has expired"),
        (
            "invalid peer certificate: Other(OtherError(CaUsedAsEndEntity))",
            "self-signed",
        ),
        ("invalid peer certificate: BadEncoding", "is not valid"),
        (
            "invalid peer certificate: UnknownIssuer",
            "issuer we do not know",
        ),
        (
            "invalid peer certificate: certificate not valid for name \"a\"; certificate is only valid for DnsName(\"b\")",
            "another host name",
        ),
        (
            "received corrupt message of type InvalidContentType",
            "is the url http",
        ),
    ] {
        let told = explain_text(text);
        assert!(told.contains(expected), "{told}");
    }
}

#[test]
fn words_of_a_friend_are_cut_and_escaped() {
    assert_eq!(quote("a\u{202e}b\u{7}é"), "a\\u{202e}b\\u{7}é");
    assert_eq!(quote(&"x".repeat(500)).len(), MAX_QUOTE);
}
