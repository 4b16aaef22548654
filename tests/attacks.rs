//! The twelve ways in which one stranger brings a bare tiny_http 0.12 down (measured on it; it
//! aborts, leaks, starves or fills the memory), sent to the running binary: each leaves it
//! answering `/ping` and within its memory.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use socket2::{Domain, SockRef, Socket, Type};

use crate::support::content::Content;
use crate::support::http::{self, Connection, escape, ping, request_bytes};
use crate::support::json::{self, Look};
use crate::support::process::{Config, Jackdaw, KEY};
use crate::support::{Home, SOON, eventually};

/// Peak of an instance under attack, in a debug build. Bare tiny_http reaches a gigabyte.
const PEAK: u64 = 40 << 20;
/// What an attacker writes at most; bare tiny_http keeps all of it.
const FLOOD: usize = 96 << 20;

/// The home comes first, so that it is removed last.
fn start(name: &str) -> (Home, Jackdaw) {
    let home = Home::new(name);
    let jackdaw = Jackdaw::start(&Config::new(&home.join("a")).downloads(""));
    (home, jackdaw)
}

/// Alive, answering, small, and nobody panicked.
fn assert_well(jackdaw: &mut Jackdaw) {
    assert!(ping(jackdaw.address()), "no ping");
    jackdaw.assert_alive();
    let peak = jackdaw.memory("VmHWM");
    assert!(peak < PEAK, "peak memory {peak}");
    assert!(!jackdaw.log().contains("panicked"), "{}", jackdaw.log());
}

/// Writes `block` again and again until refused, stuck for half a second, or [`FLOOD`] bytes went.
fn flood(stream: &TcpStream, block: &[u8]) {
    stream
        .set_write_timeout(Some(Duration::from_millis(500)))
        .unwrap();
    let mut stream = stream;
    let mut sent = 0;
    while sent < FLOOD {
        match stream.write(block) {
            Ok(0) | Err(_) => return,
            Ok(count) => sent += count,
        }
    }
}

/// The status of the answer to raw bytes; `None` = closed without one.
fn status_of(jackdaw: &Jackdaw, bytes: &[u8]) -> Option<u16> {
    let mut connection = Connection::open(jackdaw.address()).unwrap();
    connection.send(bytes).ok()?;
    connection.answer(false).ok().map(|answer| answer.status)
}

#[test]
fn attack_01_a_huge_content_length() {
    let (_home, mut jackdaw) = start("attack-01");
    for length in [
        "30000000000",
        "9223372036854775807",
        "9223372036854775808",
        "18446744073709551615",
        "18446744073709551616",
        "99999999999999999999999999",
    ] {
        for method in ["GET", "POST"] {
            let head =
                format!("{method} /ping HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n");
            let status = status_of(&jackdaw, head.as_bytes());
            assert!(
                matches!(status, Some(400 | 413)),
                "{method} {length}: {status:?}"
            );
        }
        assert_well(&mut jackdaw);
    }
}

#[test]
fn attack_02_other_http_versions() {
    let (_home, mut jackdaw) = start("attack-02");
    let (threads, descriptors) = (jackdaw.threads(), jackdaw.descriptors());
    for round in 0..100 {
        let head: &[u8] = match round % 4 {
            0 => b"GET / HTTP/2.0\r\nHost: x\r\n\r\n",
            1 => b"GET / HTTP/3.0\r\nHost: x\r\n\r\n",
            2 => b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            _ => b"GET / HTTP/0.9\r\n\r\n",
        };
        let status = status_of(&jackdaw, head);
        assert!(matches!(status, Some(400 | 505)), "{status:?}");
    }
    assert_well(&mut jackdaw);
    eventually("threads and descriptors to be released", SOON, || {
        (jackdaw.threads() <= threads + 4 && jackdaw.descriptors() <= descriptors + 8).then_some(())
    });
}

#[test]
fn attack_03_a_burst_of_keep_alive_connections() {
    let (_home, mut jackdaw) = start("attack-03");
    let bytes = request_bytes(jackdaw.address(), "GET", "/ping", &[], None);
    for burst in [6, 12, 64] {
        let mut connections: Vec<Connection> = (0..burst)
            .map(|_| Connection::open(jackdaw.address()).unwrap())
            .collect();
        for round in 0..2 {
            for connection in &mut connections {
                connection.send(&bytes).unwrap();
            }
            for (index, connection) in connections.iter_mut().enumerate() {
                let answer = connection
                    .answer(false)
                    .unwrap_or_else(|e| panic!("{index} of {burst}, round {round}: {e}"));
                assert_eq!(answer.status, 200);
            }
        }
    }
    assert_well(&mut jackdaw);
}

#[test]
fn attack_04_resets_after_the_request() {
    let (_home, mut jackdaw) = start("attack-04");
    let bytes = request_bytes(jackdaw.address(), "GET", "/ping", &[], None);
    for _ in 0..300 {
        let mut stream = TcpStream::connect(jackdaw.address()).unwrap();
        SockRef::from(&stream)
            .set_linger(Some(Duration::ZERO))
            .unwrap();
        stream.write_all(&bytes).unwrap();
    }
    assert_well(&mut jackdaw);
}

#[test]
fn attack_05_more_connections_than_descriptors() {
    let home = Home::new("attack-05");
    let config = Config::new(&home.join("a")).downloads("");
    let mut jackdaw = Jackdaw::start_limited(&config, Some(128));
    let crowd: Vec<TcpStream> = (0..200)
        .filter_map(|_| TcpStream::connect(jackdaw.address()).ok())
        .collect();
    assert!(crowd.len() >= 100, "{}", crowd.len());
    // While they are all still there, others are served.
    for _ in 0..20 {
        eventually("a ping during the attack", SOON, || {
            ping(jackdaw.address()).then_some(())
        });
    }
    drop(crowd);
    eventually("a ping after the attack", SOON, || {
        ping(jackdaw.address()).then_some(())
    });
    assert_well(&mut jackdaw);
}

#[test]
fn attack_06_a_header_line_without_end() {
    let (_home, mut jackdaw) = start("attack-06");
    for start in [
        "GET /ping HTTP/1.1\r\nX: ",
        "GET /",
        "",
        "GET /ping HTTP/1.1\r\n",
    ] {
        let mut connection = Connection::open(jackdaw.address()).unwrap();
        connection.send(start.as_bytes()).unwrap();
        flood(connection.stream(), &[b'a'; 64 * 1024]);
        assert_well(&mut jackdaw);
    }
}

#[test]
fn attack_07_header_lines_without_end() {
    let (_home, mut jackdaw) = start("attack-07");
    let mut connection = Connection::open(jackdaw.address()).unwrap();
    connection.send(b"GET /ping HTTP/1.1\r\n").unwrap();
    flood(connection.stream(), &b"X-Header: value\r\n".repeat(4096));
    assert_well(&mut jackdaw);
}

#[test]
fn attack_08_pipelined_requests_without_end() {
    let (_home, mut jackdaw) = start("attack-08");
    let connection = Connection::open(jackdaw.address()).unwrap();
    let bytes = request_bytes(jackdaw.address(), "GET", "/ping", &[], None);
    flood(connection.stream(), &bytes.repeat(1000));
    assert_well(&mut jackdaw);
}

#[test]
fn attack_09_a_chunk_size_without_end() {
    let (_home, mut jackdaw) = start("attack-09");
    let mut connection = Connection::open(jackdaw.address()).unwrap();
    connection
        .send(b"POST /api/v2/auth/login HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        .unwrap();
    flood(connection.stream(), &[b'0'; 64 * 1024]);
    assert_well(&mut jackdaw);
}

#[test]
fn attack_10_bodies_that_never_come() {
    let (_home, mut jackdaw) = start("attack-10");
    let held: Vec<Connection> = (0..32)
        .map(|_| {
            let mut connection = Connection::open(jackdaw.address()).unwrap();
            connection
                .send(
                    b"POST /api/v2/auth/login HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n\r\n",
                )
                .unwrap();
            connection
        })
        .collect();
    for _ in 0..20 {
        assert!(ping(jackdaw.address()));
    }
    assert_well(&mut jackdaw);
    drop(held);
}

/// A friend with one large file; its path.
fn with_film(name: &str) -> (Home, Jackdaw, String) {
    let home = Home::new(name);
    let films = home.join("films");
    Content::new(51, 48 << 20).write(&films.join("Film.2001.1080p.WEB-DL.x264-GROUP.mkv"));
    let jackdaw = Jackdaw::start(&Config::new(&home.join("a")).folder("Films", &films, "movies"));
    let id = eventually("the film to be shared", SOON, || {
        let list = json::parse(&jackdaw.get("/peer/search").expect(200));
        list.at("items")?.list().first()?.text("id")
    });
    (home, jackdaw, format!("/peer/items/{}/file", escape(&id)))
}

#[test]
fn attack_11_stalled_streams_with_requests_behind() {
    let (_home, mut jackdaw, file) = with_film("attack-11");
    let mut bytes = request_bytes(jackdaw.address(), "GET", &file, &[("X-Api-Key", KEY)], None);
    let behind = request_bytes(jackdaw.address(), "GET", "/ping", &[], None);
    bytes.extend(behind.repeat(4));
    // As many as one friend gets of the eight upload slots, so that each of them is a stream.
    let held: Vec<Connection> = (0..7)
        .map(|_| {
            let mut connection = Connection::open(jackdaw.address()).unwrap();
            connection.send(&bytes).unwrap();
            connection
        })
        .collect();
    for _ in 0..20 {
        assert!(ping(jackdaw.address()));
    }
    assert_well(&mut jackdaw);
    // And who reads at last gets the file, whole, and then the four answers.
    let mut patient = held.into_iter().next().unwrap();
    let answer = patient.answer(false).unwrap();
    assert_eq!((answer.status, answer.body.len()), (200, 48 << 20));
    for _ in 0..4 {
        assert_eq!(patient.answer(false).unwrap().body, b"{\"status\":\"OK\"}");
    }
}

#[test]
fn attack_12_answers_that_nobody_reads() {
    let home = Home::new("attack-12");
    let films = home.dir("films");
    for number in 0..3000 {
        let name = format!(
            "Film.Number.{number}.{}.2001.1080p.WEB-DL.x264-GROUP.mkv",
            "x".repeat(120)
        );
        Content::new(number, 100).write(&films.join(name));
    }
    let mut jackdaw =
        Jackdaw::start(&Config::new(&home.join("a")).folder("Films", &films, "movies"));
    eventually("the films to be shared", SOON, || {
        let list = json::parse(&jackdaw.get("/peer/search").expect(200));
        (list.at("items")?.list().len() == 3000).then_some(())
    });
    let bytes = request_bytes(
        jackdaw.address(),
        "GET",
        "/peer/search",
        &[("X-Api-Key", KEY)],
        None,
    );
    let held: Vec<Socket> = (0..12)
        .map(|_| {
            let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
            // Before connecting, so that the window is small from the start.
            socket.set_recv_buffer_size(4096).unwrap();
            socket.connect(&jackdaw.address().into()).unwrap();
            (&socket).write_all(&bytes).unwrap();
            socket
        })
        .collect();
    for _ in 0..20 {
        assert!(ping(jackdaw.address()));
    }
    assert_well(&mut jackdaw);
    drop(held);
}

/// Framing that two parsers could read differently ends the connection with one answer.
#[test]
fn loose_framing_is_refused() {
    let (_home, mut jackdaw) = start("framing");
    for bad in [
        "POST /ping HTTP/1.1\r\nHost: x\r\nContent-Length: abc\r\n\r\n",
        "POST /ping HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
        "POST /ping HTTP/1.1\r\nHost: x\r\nContent-Length: +5\r\n\r\nhello",
        "POST /ping HTTP/1.1\r\nHost: x\r\nContent-Length: 5, 5\r\n\r\nhello",
        "POST /ping HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        "POST /ping HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: identity\r\n\r\n",
        "POST /ping HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        "GET /pi\0ng HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /ping HTTP/1.1\nHost: x\n\n",
        "GET /ping HTTP/1.1\r\nHost: x\r\nX: a\r\n b\r\n\r\n",
        "GET /ping HTTP/1.1\r\nHost x\r\n\r\n",
        "GET /ping HTTP/1.1\r\nHost: x\r\nX: a\0b\r\n\r\n",
        "hello\r\n\r\n",
        "GET\r\n\r\n",
        "POST /ping HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
        "POST /ping HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST /ping HTTP/1.1\r\nHost: x\r\nContent-Length : 5\r\n\r\nhello",
        "POST /ping HTTP/1.1\r\nHost: x\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        "POST /ping HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        "POST /ping HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
        "POST /ping HTTP/1.1\r\nHost: x\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
        "POST /ping HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: keep-alive\r\n\r\n0\r\n\r\n",
        "POST /ping HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n+0\r\n\r\n",
        "POST /ping HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0;a\nb\r\n\r\n",
        "POST /ping HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA: b\n\r\n",
        "POST /ping HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n",
        "POST /ping HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 101-other\r\n\r\nhello",
        "GET /ping HTTP/1.1\r\n Host: x\r\n\r\n",
        "GET /ping HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
        "GET /ping HTTP/1.1\r\n\r\n",
        "GET /ping HTTP/1.1\r\nHost: x\rX: y\r\n\r\n",
        "GET /ping HTTP/1.1\r\nHost: x\r\nX\0: y\r\n\r\n",
        "GET http://user@x/ping HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET http:///ping HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET * HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET ping HTTP/1.1\r\nHost: x\r\n\r\n",
        "CONNECT x:80 HTTP/1.1\r\nHost: x\r\n\r\n",
    ] {
        let smuggled = "GET /ping HTTP/1.1\r\nHost: x\r\n\r\n";
        let mut stream = TcpStream::connect(jackdaw.address()).unwrap();
        stream.set_read_timeout(Some(SOON)).unwrap();
        stream
            .write_all(format!("{bad}{smuggled}").as_bytes())
            .unwrap();
        let mut answer = Vec::new();
        if let Err(error) = stream.read_to_end(&mut answer) {
            // Closed with our bytes unread: a reset is a clean enough end.
            assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{bad:?}");
        }
        let answer = String::from_utf8_lossy(&answer);
        let answers = answer.matches("HTTP/1.1 ").count();
        assert!(answers <= 1, "{bad:?} was taken for two requests: {answer}");
        if answers == 1 {
            assert!(
                answer.starts_with("HTTP/1.1 4") || answer.starts_with("HTTP/1.1 5"),
                "{bad:?}: {answer}"
            );
        }
    }
    assert_well(&mut jackdaw);
}

/// What HTTP allows and few clients send: each request is one request, and the next one is too.
#[test]
fn rare_but_sound_framing_is_understood() {
    let (_home, mut jackdaw) = start("rare-framing");
    for (good, status) in [
        ("GET http://x/ping HTTP/1.1\r\nHost: y\r\n\r\n", 200),
        ("GET HTTP://x:80/ping?a=b HTTP/1.1\r\nHost: y\r\n\r\n", 200),
        ("\r\nGET /ping HTTP/1.1\r\nHost:x\r\n\r\n", 200),
        ("GET /ping HTTP/1.1\r\nHost:\t x \t\r\n\r\n", 200),
        ("GET /ping HTTP/1.1\r\nHost:\r\n\r\n", 200),
        ("GET /ping HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", 200),
        (
            "GET /ping HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello",
            200,
        ),
        (
            "GET /ping HTTP/1.1\r\nHost: x\r\nContent-Length: 0005\r\n\r\nhello",
            200,
        ),
        (
            "GET /ping HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: CHUNKED\r\n\r\n\
             0005;ext=\"a;b\"\r\nhello\r\n0\r\nX-Trailer: y\r\n\r\n",
            200,
        ),
        (
            "GET /ping HTTP/1.1\r\nHost: x\r\nExpect: 100-Continue\r\nContent-Length: 1\r\n\r\nx",
            200,
        ),
        ("HEAD /ping HTTP/1.1\r\nHost: x\r\n\r\n", 200),
        ("PURGE /ping HTTP/1.1\r\nHost: x\r\n\r\n", 405),
    ] {
        let mut connection = http::Connection::open(jackdaw.address()).unwrap();
        let next = "GET /handshake HTTP/1.1\r\nHost: x\r\n\r\n";
        connection.send(format!("{good}{next}").as_bytes()).unwrap();
        let answer = connection.answer(good.starts_with("HEAD")).unwrap();
        assert_eq!(answer.status, status, "{good:?}");
        assert_eq!(connection.answer(false).unwrap().status, 401, "{good:?}");
    }
    assert_well(&mut jackdaw);
}

#[test]
fn malformed_input_of_each_face_is_refused_and_survived() {
    let (_home, mut jackdaw) = start("malformed");
    for target in [
        "/peer/search?season=abc&tvdbId=1",
        "/peer/items/%ff%fe",
        "/peer/items/%2e%2e%2f%2e%2e%2fetc%2fpasswd/file",
        "/peer/items/..%2f..%2fetc%2fpasswd/file",
        "/torznab/api?t=search&q=%ff&offset=x&apikey=0123456789abcdef0123456789abcdef",
        "/torznab/api?%%%&apikey=0123456789abcdef0123456789abcdef",
        "/torznab/download/%00.torrent?apikey=0123456789abcdef0123456789abcdef",
        "/../../etc/passwd",
        "/%2e%2e/etc/passwd",
        "//",
        "/?",
        "*",
    ] {
        let answer = http::try_request(
            jackdaw.address(),
            "GET",
            target,
            &[("X-Api-Key", KEY), ("Connection", "close")],
            None,
        );
        let answer = answer.unwrap_or_else(|error| panic!("{target}: {error}"));
        assert!(answer.status < 500, "{target}: {}", answer.status);
        assert!(!answer.text().contains("root:"), "{target}");
    }
    let answer = http::get(jackdaw.address(), "/peer/search?tvdbId=%ff", KEY);
    assert_eq!(
        (answer.status, answer.text().as_str()),
        (
            400,
            "{\"error\":\"parameter tvdbId is not valid percent-encoded UTF-8\"}"
        )
    );
    assert_well(&mut jackdaw);
}
