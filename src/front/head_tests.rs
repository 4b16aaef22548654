//! Tests of `head`: what passes and as what, what is refused with which status, and random heads.

use super::*;

fn limit(method: &str, path: &str) -> u64 {
    super::super::limits::body_limit(method, path)
}

/// Scans and vets as the connection does, whatever the pieces.
fn read(text: &[u8]) -> Result<Head, Refusal> {
    let mut scanner = Scanner::default();
    match scanner.scan(text)? {
        Some(end) => vet(&text[..end], limit),
        None => Err(Refusal::new(408, "incomplete")),
    }
}

fn status(text: &str) -> u16 {
    match read(text.as_bytes()) {
        Ok(_) => 200,
        Err(refusal) => refusal.status,
    }
}

#[test]
fn a_plain_request_passes() {
    let text = "GET /ping?a=b%20c HTTP/1.1\r\nHost: x:5225\r\nX-Api-Key: k\r\n\r\n";
    let head = read(text.as_bytes()).unwrap();
    let expected = "GET /ping?a=b%20c HTTP/1.1\r\nHost: x:5225\r\nX-Api-Key: k\r\n";
    assert_eq!(String::from_utf8(head.inner).unwrap(), expected);
    assert!(head.is_http11 && head.is_keep_alive && !head.is_head && !head.expects_continue);
    assert_eq!(head.framing, Framing::Length(0));
}

#[test]
fn stripped_and_rewritten() {
    let check = |lines: &str, expected: &str| {
        let text = format!("GET / HTTP/1.1\r\nHost: h\r\n{lines}\r\n");
        let head = read(text.as_bytes()).unwrap();
        let inner = String::from_utf8(head.inner).unwrap();
        assert_eq!(
            inner,
            format!("GET / HTTP/1.1\r\nHost: h\r\n{expected}"),
            "{lines}"
        );
    };
    check(
        "X-Jackdaw-Remote: 1.2.3.4\r\nx-jackdaw-ticket: 1\r\nA: b\r\n",
        "A: b\r\n",
    );
    check(
        "Connection: close, X-Hop\r\nx-hop: 1\r\nHost2: 2\r\n",
        "Host2: 2\r\n",
    );
    check("Connection: host\r\n", "");
    check(
        "TE: trailers\r\nUpgrade: h2c\r\nKeep-Alive: 5\r\nTrailer: x\r\n",
        "",
    );
    check("Content-Length: 5\r\nExpect: 100-continue\r\n", "");
    check("User-Agent: caf\u{e9}\tx\r\n", "User-Agent: caf?? x\r\n");
    let head = read("GET /caf\u{e9} HTTP/1.0\r\n\r\n".as_bytes()).unwrap();
    assert_eq!(head.inner, b"GET /caf%C3%A9 HTTP/1.1\r\n");
    let head = read(b"GET http://a.b:1/p?q HTTP/1.1\r\nHost: other\r\n\r\n").unwrap();
    assert_eq!(head.inner, b"GET /p?q HTTP/1.1\r\nHost: a.b:1\r\n");
}

#[test]
fn keep_alive_by_version() {
    let check = |version: &str, connection: &str, expected: bool| {
        let text = format!("GET / HTTP/{version}\r\nHost: h\r\nConnection: {connection}\r\n\r\n");
        assert_eq!(read(text.as_bytes()).unwrap().is_keep_alive, expected);
    };
    check("1.1", "", true);
    check("1.1", "Keep-Alive", true);
    check("1.1", "close", false);
    check("1.1", "keep-alive, CLOSE", false);
    check("1.0", "", false);
    check("1.0", "keep-alive", true);
}

#[test]
fn refusals() {
    let with = |lines: &str| status(&format!("POST /x HTTP/1.1\r\nHost: h\r\n{lines}\r\n"));
    assert_eq!(with(""), 200);
    assert_eq!(with("Content-Length: 65536\r\n"), 200);
    assert_eq!(with("Content-Length: 65537\r\n"), 413);
    assert_eq!(with("Content-Length: 30000000000\r\n"), 413);
    assert_eq!(with("Content-Length: 9223372036854775808\r\n"), 413);
    assert_eq!(with("Content-Length: 99999999999999999999999\r\n"), 413);
    for bad in ["abc", "-5", "+5", "5, 5", "", "0x5", "5 5", "5;"] {
        assert_eq!(with(&format!("Content-Length: {bad}\r\n")), 400, "{bad}");
    }
    assert_eq!(with("Content-Length: 5\r\nContent-Length: 5\r\n"), 400);
    assert_eq!(
        with("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"),
        400
    );
    assert_eq!(with("Transfer-Encoding: Chunked\r\n"), 200);
    assert_eq!(
        with("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
        400
    );
    for bad in [
        "gzip, chunked",
        "identity",
        "chunked, chunked",
        "xchunked",
        "",
    ] {
        assert_eq!(with(&format!("Transfer-Encoding: {bad}\r\n")), 501, "{bad}");
    }
    assert_eq!(
        status("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"),
        400
    );
    assert_eq!(with("Expect: 100-Continue\r\n"), 200);
    assert_eq!(with("Expect: fly\r\n"), 417);
    assert_eq!(with("Host: h\r\n"), 400);
    assert_eq!(with("No colon\r\n"), 400);
    assert_eq!(with("Space : x\r\n"), 400);
    assert_eq!(with("A: b\r\n folded\r\n"), 400);
    assert_eq!(with("A: b\nC: d\r\n"), 400);
    assert_eq!(with("A: b\rC: d\r\n"), 400);
    assert_eq!(with("A: b\0\r\n"), 400);
    assert_eq!(with("A: \u{1b}[2J\r\n"), 400);
    assert_eq!(with(": x\r\n"), 400);
    assert_eq!(with(&"A: b\r\n".repeat(99)), 200);
    assert_eq!(with(&"A: b\r\n".repeat(100)), 431);
    assert_eq!(with(&format!("A: {}\r\n", "b".repeat(MAX_HEAD))), 431);
    assert_eq!(status("GET / HTTP/1.1\r\n\r\n"), 400, "no Host");
    assert_eq!(status("GET / HTTP/1.0\r\n\r\n"), 200);
    for host in ["a/b", "a@b", "a b", "a\\b", "a,b"] {
        assert_eq!(
            status(&format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n")),
            400
        );
    }
}

#[test]
fn request_lines() {
    let check = |line: &str, expected: u16| {
        let text = format!("{line}\r\nHost: h\r\n\r\n");
        assert_eq!(status(&text), expected, "{line}");
    };
    check("GET / HTTP/2.0", 505);
    check("GET / HTTP/3.0", 505);
    check("GET / HTTP/1.2", 505);
    check("GET / HTTP/0.9", 505);
    check("PRI * HTTP/2.0", 505);
    check("GET / HTTQ/1.1", 400);
    check("GET /", 400);
    check("GET", 400);
    check("G(T / HTTP/1.1", 400);
    check("GET  / HTTP/1.1", 400);
    check("GET / x HTTP/1.1", 400);
    check("GET / HTTP/1.1 ", 400);
    check("GET ping HTTP/1.1", 400);
    check("GET * HTTP/1.1", 400);
    check("OPTIONS * HTTP/1.1", 200);
    check("PROPFIND / HTTP/1.1", 200);
    check("CONNECT a:1 HTTP/1.1", 501);
    check("GET ftp://a/ HTTP/1.1", 400);
    check("GET http:/// HTTP/1.1", 400);
    check("GET http://u@a/ HTTP/1.1", 400);
    check("GET http://a HTTP/1.1", 200);
    check("\r\nGET / HTTP/1.1", 200);
    check("\r\n\r\n\r\n\r\nGET / HTTP/1.1", 200);
    check("\r\n\r\n\r\n\r\n\r\nGET / HTTP/1.1", 400);
    check(
        &format!("GET /{} HTTP/1.1", "a".repeat(MAX_TARGET - 1)),
        200,
    );
    check(&format!("GET /{} HTTP/1.1", "a".repeat(MAX_TARGET)), 414);
    check(&format!("GET /{} HTTP/1.1", "a".repeat(MAX_HEAD)), 414);
    check("\u{16}\u{3}\u{1}", 400);
}

#[test]
fn arrival_in_pieces_makes_no_difference() {
    let texts = [
        "GET / HTTP/1.1\r\nHost: h\r\n\r\nGET /",
        "GET / HTTP/1.1\r\nHost: h\nX: y\r\n\r\n",
        "\r\nGET / HTTP/1.0\r\n\r\n",
        "GET / HTTP/1.1\rHost: h\r\n\r\n",
    ];
    for text in texts {
        let whole = Scanner::default().scan(text.as_bytes());
        let mut scanner = Scanner::default();
        let mut in_pieces = Ok(None);
        for end in 1..=text.len() {
            in_pieces = scanner.scan(&text.as_bytes()[..end]);
            if in_pieces != Ok(None) {
                break;
            }
        }
        assert_eq!(in_pieces, whole, "{text:?}");
    }
    assert_eq!(
        Scanner::default().scan(b"GET / HTTP/1.0\r\n\r\nx"),
        Ok(Some(18))
    );
}

#[test]
fn endless_heads_are_refused() {
    let status_of = |bytes: &[u8]| Scanner::default().scan(bytes).unwrap_err().status;
    let lines = "A: b\r\n".repeat(MAX_HEAD / 6 + 1);
    assert_eq!(
        status_of(format!("GET / HTTP/1.1\r\n{lines}").as_bytes()),
        431
    );
    assert_eq!(status_of(&vec![b'a'; MAX_HEAD]), 414);
    assert_eq!(status_of(b"\r\n\r\n\r\n\r\n\r\n"), 400);
}

#[test]
fn random_heads_are_safe_for_tiny_http() {
    let mut seed = 99_u64;
    let mut random = |below: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(7);
        usize::try_from((seed >> 33) % below).unwrap()
    };
    let pieces: [&[u8]; 20] = [
        b"GET ",
        b"POST ",
        b"/",
        b"x",
        b" HTTP/1.1",
        b" HTTP/1.0",
        b"\r\n",
        b"\r\n",
        b"Host: h",
        b"Content-Length: ",
        b"5",
        b"Transfer-Encoding: chunked",
        b": ",
        b"\xc3\xa9",
        b"\xff",
        b"\t",
        b" ",
        b"Connection: ",
        b"?",
        b"\r\n\r\n",
    ];
    let mut passed = 0;
    for _ in 0..50_000 {
        let mut text = b"GET / HTTP/1.1\r\nHost: h".to_vec();
        if random(3) == 0 {
            text.clear();
        }
        for _ in 0..random(14) {
            text.extend_from_slice(pieces[random(20)]);
        }
        if let Ok(head) = read(&text) {
            passed += 1;
            assert!(head.inner.is_ascii() && head.inner.ends_with(b"\r\n"));
            let line = head.inner.split(|byte| *byte == b'\r').next().unwrap();
            assert_eq!(line.iter().filter(|byte| **byte == b' ').count(), 2);
            assert!(!head.inner.windows(4).any(|window| window == b"\r\n\r\n"));
        }
    }
    assert!(passed > 100, "{passed}");
}
