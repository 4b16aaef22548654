//! Tests of the peer client against real sockets: a responder that sends what each test says.

use super::*;
use crate::peer::call::{MAX_QUOTE, explain_text, parse_retry_after};
use std::io::{self, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::Ordering;
use std::sync::mpsc::{self, Receiver};

use crate::release::Category;
use crate::secret::Secret;

/// Long enough that a test never meets it unless something is broken.
const LONG: Duration = Duration::from_secs(30);

/// A server for one request: its address, and the request head once it came. `answer` gets the
/// connection after that.
fn respond(answer: impl FnOnce(&mut TcpStream) + Send + 'static) -> (String, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap() == 1 {
            head.push(byte[0]);
        }
        let _ = sender.send(String::from_utf8(head).unwrap());
        answer(&mut stream);
    });
    (url, receiver)
}

/// As [`respond`], with the bytes of the answer, after which the connection is closed.
fn respond_with(bytes: impl Into<Vec<u8>>) -> (String, Receiver<String>) {
    let bytes = bytes.into();
    respond(move |stream| {
        let _ = stream.write_all(&bytes);
    })
}

fn ok(body: &str) -> String {
    format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn client(url: &str) -> PeerClient {
    PeerClient::new(config::Peer {
        name: "alice".into(),
        url: url.into(),
        api_key: Secret::new("sesame"),
        headers: vec![("CF-Access-Client-Id".into(), Secret::new("me"))],
    })
}

/// Waits until the other side has closed.
fn hold(stream: &mut TcpStream) {
    let _ = stream.read(&mut [0]);
}

fn item(id: &str, extra: &str) -> String {
    format!(
        "{{\"id\":\"{id}\",\"title\":\"T.2000\",\"filename\":\"T.mkv\",\"category\":2000,\
         \"size\":5{extra}}}"
    )
}

fn search(
    answer: impl Into<Vec<u8>>,
    query: PeerQuery,
    etag: Option<&str>,
) -> (Result<SearchOutcome, PeerError>, Vec<String>, String) {
    let (url, head) = respond_with(answer);
    let mut ids = Vec::new();
    let outcome = client(&url).search(query, etag, LONG, &mut |release| ids.push(release.id));
    (outcome, ids, head.recv().unwrap())
}

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
fn query_of_each_kind() {
    for (query, target) in [
        (PeerQuery::Everything, "/peer/search"),
        (PeerQuery::Tmdb(603), "/peer/search?tmdbId=603"),
        (PeerQuery::Imdb(133_093), "/peer/search?imdbId=tt0133093"),
        (
            PeerQuery::Imdb(12_345_678),
            "/peer/search?imdbId=tt12345678",
        ),
        (
            PeerQuery::Tvdb(81_189, None, None),
            "/peer/search?tvdbId=81189",
        ),
        (
            PeerQuery::Tvdb(81_189, Some(0), Some(2)),
            "/peer/search?tvdbId=81189&season=0&episode=2",
        ),
    ] {
        assert_eq!(search_target(query), target);
    }
}

#[test]
fn only_what_was_asked_for_is_kept() {
    let items = [
        item("a", ",\"imdbId\":\"tt0133093\",\"tmdbId\":603"),
        item("b", ",\"imdbId\":\"133093\""),
        item(
            "c",
            ",\"imdbId\":\"tt0133094\",\"tvdbId\":7,\"season\":1,\"episode\":2",
        ),
        item("d", ",\"tvdbId\":7,\"season\":1"),
        item("e", ""),
        "{\"id\":\"bad\"}".to_owned(),
        "null".to_owned(),
    ];
    let body = ok(&format!("{{\"total\":7,\"items\":[{}]}}", items.join(",")));
    let check = |query, expected: &[&str]| {
        let (outcome, ids, _) = search(body.clone(), query, None);
        assert_eq!(outcome.unwrap(), SearchOutcome::Complete { etag: None });
        assert_eq!(ids, expected, "{query:?}");
    };
    check(PeerQuery::Everything, &["a", "b", "c", "d", "e"]);
    check(PeerQuery::Imdb(133_093), &["a", "b"]);
    check(PeerQuery::Tmdb(603), &["a"]);
    check(PeerQuery::Tvdb(7, None, None), &["c", "d"]);
    check(PeerQuery::Tvdb(7, Some(1), None), &["c", "d"]);
    check(PeerQuery::Tvdb(7, Some(1), Some(2)), &["c"]);
    check(PeerQuery::Tvdb(8, None, None), &[]);
}

#[test]
fn etags_make_the_search_conditional() {
    let answer = "HTTP/1.1 200 OK\r\nETag: \"v1\"\r\nContent-Length: 12\r\n\r\n{\"items\":[]}";
    let (outcome, _, _) = search(answer, PeerQuery::Everything, None);
    let etag = Some("\"v1\"".to_owned());
    assert_eq!(outcome.unwrap(), SearchOutcome::Complete { etag });

    let answer = "HTTP/1.1 304 Not Modified\r\nETag: \"v1\"\r\n\r\n";
    let (outcome, _, head) = search(answer, PeerQuery::Everything, Some("\"v1\""));
    assert_eq!(outcome.unwrap(), SearchOutcome::NotModified);
    assert!(
        head.to_ascii_lowercase()
            .contains("if-none-match: \"v1\"\r\n")
    );

    let (outcome, _, _) = search(answer, PeerQuery::Everything, None);
    assert!(matches!(outcome, Err(PeerError::Protocol(_))));
}

#[test]
fn a_chunked_list_is_read() {
    let answer = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
                  9\r\n{\"items\":\r\n3\r\n[]}\r\n0\r\n\r\n";
    let (outcome, ids, _) = search(answer, PeerQuery::Everything, None);
    assert!(outcome.is_ok(), "{outcome:?}");
    assert!(ids.is_empty());
}

#[test]
fn a_list_that_is_cut_is_an_error_and_names_friend_and_endpoint() {
    let whole = format!("{{\"items\":[{},{}]}}", item("a", ""), item("b", ""));
    let cut = &whole[..whole.len() - 10];
    for answer in [
        // Shorter than announced.
        ok(&whole)[..ok(&whole).len() - 10].to_owned(),
        // Chunks without an end.
        format!(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{cut}\r\n",
            cut.len()
        ),
        // No length at all: only the JSON shows that it is not whole.
        format!("HTTP/1.1 200 OK\r\n\r\n{cut}"),
        // A whole answer of half the JSON.
        ok(cut),
    ] {
        let (outcome, _, _) = search(answer.clone(), PeerQuery::Everything, None);
        let error = outcome.unwrap_err().to_string();
        assert!(error.starts_with("alice: /peer/search: "), "{error}");
        assert!(!error.contains("sesame"));
    }
}

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

fn file(url: &str, request: &FileRequest) -> Result<FileAnswer, PeerError> {
    client(url).file("a:b", request, never())
}

fn request(offset: u64) -> FileRequest {
    FileRequest {
        offset,
        idle_timeout: LONG,
        ..FileRequest::default()
    }
}

#[test]
fn file_answers_are_handed_on() {
    let answer = "HTTP/1.1 206 Partial Content\r\nContent-Length: 3\r\n\
                  Content-Range: bytes 4294967297-4294967299/4294967300\r\n\
                  Content-Type: application/octet-stream\r\nETag: \"x\"\r\n\
                  Last-Modified: Thu, 01 Jan 1970 00:00:00 GMT\r\n\r\nabcd";
    let (url, head) = respond_with(answer);
    let wanted = FileRequest {
        if_range: Some("\"x\"".into()),
        ..request(4_294_967_297)
    };
    let mut answer = file(&url, &wanted).unwrap();
    let head = head.recv().unwrap();
    assert!(
        head.starts_with("GET /peer/items/a%3Ab/file HTTP/1.1\r\n"),
        "{head}"
    );
    let head = head.to_ascii_lowercase();
    assert!(head.contains("range: bytes=4294967297-\r\n"), "{head}");
    assert!(head.contains("if-range: \"x\"\r\n"));
    assert!(head.contains("x-api-key: sesame\r\n"));
    assert!(head.contains("cf-access-client-id: me\r\n"));
    assert_eq!(answer.status, 206);
    assert_eq!(answer.content_length, Some(3));
    assert_eq!(
        answer.content_range.as_deref(),
        Some("bytes 4294967297-4294967299/4294967300")
    );
    assert_eq!(
        answer.content_type.as_deref(),
        Some("application/octet-stream")
    );
    assert_eq!(answer.etag.as_deref(), Some("\"x\""));
    assert!(answer.last_modified.is_some());
    let mut body = String::new();
    answer.body.read_to_string(&mut body).unwrap();
    assert_eq!(body, "abc");
}

#[test]
fn ranges_are_asked_for_only_when_needed() {
    for (offset, last, expected) in [
        (0, None, None),
        (5, None, Some("range: bytes=5-\r\n")),
        (0, Some(9), Some("range: bytes=0-9\r\n")),
        (5, Some(9), Some("range: bytes=5-9\r\n")),
    ] {
        let (url, head) = respond_with("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        let wanted = FileRequest {
            last,
            if_range: Some("\"x\"".into()),
            ..request(offset)
        };
        file(&url, &wanted).unwrap();
        let head = head.recv().unwrap().to_ascii_lowercase();
        match expected {
            Some(line) => assert!(head.contains(line), "{head}"),
            None => assert!(!head.contains("range"), "{head}"),
        }
    }
}

#[test]
fn a_416_is_an_answer_and_other_statuses_are_errors() {
    let (url, _head) = respond_with(
        "HTTP/1.1 416 Range Not Satisfiable\r\nContent-Range: bytes */5\r\n\
         Content-Length: 0\r\n\r\n",
    );
    let answer = file(&url, &request(9)).unwrap();
    assert_eq!(answer.status, 416);
    assert_eq!(answer.content_range.as_deref(), Some("bytes */5"));
    for status in [400, 404, 429, 500, 503] {
        let (url, _head) = respond_with(format!(
            "HTTP/1.1 {status} X\r\nRetry-After: 120\r\nContent-Length: 0\r\n\r\n"
        ));
        match file(&url, &request(0)) {
            Err(PeerError::Status {
                status: found,
                retry_after,
                what,
            }) => {
                assert_eq!(found, status);
                assert_eq!(retry_after, Some(Duration::from_secs(120)));
                assert_eq!(what, "alice: /peer/items/a%3Ab/file");
            }
            _ => panic!("{status} must be a status error"),
        }
    }
    for status in [301, 307, 204, 304] {
        let (url, _head) = respond_with(format!(
            "HTTP/1.1 {status} X\r\nLocation: http://evil.example/\r\nContent-Length: 0\r\n\r\n"
        ));
        assert!(file(&url, &request(0)).is_err(), "{status}");
    }
}

#[test]
fn a_body_without_length_has_none() {
    for head in [
        "HTTP/1.1 200 OK\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 9\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    ] {
        let (url, _head) = respond_with(head);
        let mut answer = file(&url, &request(0)).unwrap();
        assert_eq!(answer.content_length, None);
        let mut body = String::new();
        answer.body.read_to_string(&mut body).unwrap();
        assert_eq!(body, "abc");
    }
}

#[test]
fn a_body_that_is_cut_is_an_error() {
    let (url, _head) = respond_with("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc");
    let mut answer = file(&url, &request(0)).unwrap();
    let mut body = Vec::new();
    let error = answer.body.read_to_end(&mut body).unwrap_err();
    assert_eq!(body, b"abc");
    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    assert_eq!(
        error.to_string(),
        "alice: /peer/items/a%3Ab/file: the connection ended early"
    );
}

#[test]
fn a_silent_body_times_out_and_slow_writing_does_not_count() {
    let (url, _head) = respond(|stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc");
        hold(stream);
    });
    let wanted = FileRequest {
        idle_timeout: Duration::from_millis(300),
        ..FileRequest::default()
    };
    let mut answer = file(&url, &wanted).unwrap();
    let mut body = [0; 10];
    assert_eq!(answer.body.read(&mut body[..1]).unwrap(), 1);
    // Longer than the idle limit, as on a slow disk: what has come can still be read.
    std::thread::sleep(Duration::from_millis(400));
    assert_eq!(answer.body.read(&mut body).unwrap(), 2);
    let error = answer.body.read(&mut body).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    assert_eq!(
        error.to_string(),
        "alice: /peer/items/a%3Ab/file: no byte for 300ms"
    );
}

#[test]
fn cancelling_ends_a_wait_for_the_head_and_for_the_body() {
    let cancel = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&cancel);
    let (url, _head) = respond(move |stream| {
        flag.store(true, Ordering::Relaxed);
        hold(stream);
    });
    let started = std::time::Instant::now();
    let result = client(&url).file("a", &request(0), cancel);
    assert!(matches!(result, Err(PeerError::Cancelled)));

    let cancel = Arc::new(AtomicBool::new(false));
    let (url, _head) = respond(|stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc");
        hold(stream);
    });
    let mut answer = client(&url)
        .file("a", &request(0), Arc::clone(&cancel))
        .unwrap();
    let mut body = [0; 10];
    assert_eq!(answer.body.read(&mut body).unwrap(), 3);
    cancel.store(true, Ordering::Relaxed);
    let error = answer.body.read(&mut body).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::Other);
    assert_eq!(error.to_string(), "cancelled");
    // Far below the idle limit; the exact time depends on the machine.
    assert!(started.elapsed() < LONG);
}

#[test]
fn a_reset_body_is_an_error() {
    let (url, _head) = respond(|stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc");
        let socket = socket2::SockRef::from(&*stream);
        let _ = socket.set_linger(Some(Duration::ZERO));
        let _ = socket.shutdown(Shutdown::Write);
    });
    let mut answer = file(&url, &request(0)).unwrap();
    let mut body = Vec::new();
    assert!(answer.body.read_to_end(&mut body).is_err());
    assert!(body.len() <= 3);
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
