//! What friends get from a jackdaw that shares a folder.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};

use socket2::{Domain, Socket, Type};

use crate::support::content::Content;
use crate::support::http::{self, Answer, escape};
use crate::support::process::{Config, Jackdaw, KEY};
use crate::support::{Home, SOON, eventually};

/// More than the kernel's buffers hold, so that a reader that stops reading keeps its slot.
const LARGE: u64 = 32 << 20;

/// A jackdaw that shares one film, the id of the film, and its bytes.
fn friend(home: &Home, more: &str) -> (Jackdaw, String, Content) {
    let film = Content::new(7, LARGE);
    let films = home.join("films");
    film.write(&films.join("A Film (2010) {tmdb-5}/A.Film.2010.1080p.mkv"));
    let config = Config::new(&home.join("friend"))
        .folder("Films", &films, "movies")
        .section(more);
    let friend = Jackdaw::start(&config);
    let id = eventually("the film in the list", SOON, || {
        let list = friend.get("/peer/search").text();
        let (_, rest) = list.split_once("\"id\":\"")?;
        Some(rest.split_once('"')?.0.to_owned())
    });
    (friend, id, film)
}

fn bytes(film: Content, first: u64, last: u64) -> Vec<u8> {
    let mut out = vec![0; (last - first + 1) as usize];
    film.fill(first, &mut out);
    out
}

/// Statuses and headers of the protocol's "File download", to the byte.
#[test]
fn files_are_served_as_friends_expect() {
    let home = Home::new("serving-file");
    let (friend, id, film) = friend(&home, "");
    let target = format!("/peer/items/{}/file", escape(&id));
    let ask = |method: &str, headers: &[(&str, &str)]| -> Answer {
        let headers = [&[("X-Api-Key", KEY), ("Connection", "close")], headers].concat();
        http::request(friend.address(), method, &target, &headers, None)
    };
    let whole = ask("HEAD", &[]);
    assert_eq!((whole.status, whole.body.len()), (200, 0));
    let length = LARGE.to_string();
    for (name, value) in [
        ("Content-Type", "application/octet-stream"),
        ("Content-Length", &length),
        ("Accept-Ranges", "bytes"),
        (
            "Content-Disposition",
            "attachment; filename=\"A.Film.2010.1080p.mkv\"",
        ),
    ] {
        assert_eq!(whole.header(name), Some(value));
    }
    let etag = whole.header("ETag").unwrap().to_owned();
    let date = whole.header("Last-Modified").unwrap().to_owned();
    let old = "Sun, 06 Nov 1994 08:49:37 GMT";
    let span = |first: u64, last: u64| Some((first, last));
    let check = |headers: &[(&str, &str)], status: u16, part: Option<(u64, u64)>| {
        for method in ["GET", "HEAD"] {
            let answer = ask(method, headers);
            assert_eq!(answer.status, status, "{method} {headers:?}");
            let range = match (part, status) {
                (Some((first, last)), 206) => Some(format!("bytes {first}-{last}/{LARGE}")),
                (_, 416) => Some(format!("bytes */{LARGE}")),
                _ => None,
            };
            assert_eq!(
                answer.header("Content-Range"),
                range.as_deref(),
                "{headers:?}"
            );
            assert_eq!(answer.header("Transfer-Encoding"), None);
            let Some((first, last)) = part else { continue };
            let length = (last - first + 1).to_string();
            assert_eq!(answer.header("Content-Length"), Some(length.as_str()));
            if method == "GET" {
                assert!(answer.body == bytes(film, first, last), "{headers:?}");
            }
        }
    };
    let all = span(0, LARGE - 1);
    check(&[("Range", "bytes=5-9")], 206, span(5, 9));
    check(&[("Range", "Bytes=9-9")], 206, span(9, 9));
    check(
        &[("Range", "bytes=33554000-")],
        206,
        span(33_554_000, LARGE - 1),
    );
    check(&[("Range", "bytes=-3")], 206, span(LARGE - 3, LARGE - 1));
    check(&[("Range", "bytes=-99999999999999999999999")], 206, all);
    check(
        &[("Range", "bytes=33554431-99999999999999999999")],
        206,
        span(LARGE - 1, LARGE - 1),
    );
    for past in ["bytes=33554432-", "bytes=-0", "bytes=99999999999999999999-"] {
        check(&[("Range", past)], 416, None);
    }
    for ignored in [
        "bytes=9-5",
        "bytes=0-1,4-5",
        "bytes=a-",
        "items=0-1",
        "bytes",
        "bytes=1 - 2",
    ] {
        check(&[("Range", ignored)], 200, all);
    }
    check(&[("Range", "bytes=0-1"), ("Range", "bytes=4-5")], 200, all);
    let five = ("Range", "bytes=0-4");
    check(&[five, ("If-Range", &etag)], 206, span(0, 4));
    check(&[five, ("If-Range", &date)], 206, span(0, 4));
    check(&[five, ("If-Range", old)], 200, all);
    check(&[five, ("If-Range", "\"other\"")], 200, all);
    check(&[five, ("If-Range", &format!("W/{etag}"))], 200, all);
    check(&[five, ("If-None-Match", &etag)], 304, None);
    check(
        &[("If-None-Match", "\"other\""), ("If-Modified-Since", &date)],
        200,
        all,
    );
    check(&[("If-Modified-Since", &date)], 304, None);
    check(&[("If-Modified-Since", old)], 200, all);
    check(
        &[("If-Match", "\"other\""), ("If-None-Match", &etag)],
        412,
        None,
    );
    check(
        &[("If-Match", &etag), ("If-Unmodified-Since", old)],
        200,
        all,
    );
    check(&[("If-Unmodified-Since", old)], 412, None);
    // Both forms of the id.
    let plain = friend.get(&format!("/peer/items/{id}"));
    let encoded = friend.get(&format!("/peer/items/{}", escape(&id)));
    assert!(id.contains(':') && plain.status == 200);
    assert_eq!(plain.body, encoded.body);
    // What is not there.
    let unknown = friend.get("/peer/items/nobody");
    assert_eq!(
        (unknown.status, unknown.text()),
        (404, "{\"error\":\"Not found\"}".into())
    );
    let missing = "{\"error\":\"File not found\"}";
    let unknown = friend.get("/peer/items/nobody/file");
    assert_eq!((unknown.status, unknown.text()), (404, missing.into()));
    std::fs::remove_dir_all(home.join("films/A Film (2010) {tmdb-5}")).unwrap();
    let gone = friend.get(&target);
    assert_eq!((gone.status, gone.text()), (404, missing.into()));
}

/// Asks for the film from another address of this machine and reads no more than the head.
fn reader(friend: &Jackdaw, target: &str, from: [u8; 4]) -> (TcpStream, String) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket
        .bind(&SocketAddr::from((Ipv4Addr::from(from), 0)).into())
        .unwrap();
    socket.connect(&friend.address().into()).unwrap();
    let mut stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(SOON)).unwrap();
    let request = format!("GET {target} HTTP/1.1\r\nHost: x\r\nX-Api-Key: {KEY}\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    (stream, String::from_utf8(head).unwrap())
}

/// `max_uploads`, and a place for whoever has none.
#[test]
fn one_friend_does_not_get_all_slots() {
    let home = Home::new("serving-slots");
    let (friend, id, _) = friend(&home, "[sharing]\nmax_uploads = 3\n");
    let target = format!("/peer/items/{}/file", escape(&id));
    let get = |last: u8| reader(&friend, &target, [127, 0, 0, last]);
    let is_refused = |head: &str| {
        assert!(
            head.starts_with("HTTP/1.1 200 ") || head.starts_with("HTTP/1.1 503 "),
            "{head}"
        );
        assert_eq!(
            head.contains("\r\nRetry-After: 15\r\n"),
            head.contains(" 503 "),
            "{head}"
        );
        head.contains(" 503 ")
    };
    let alices = [get(2), get(2)];
    assert!(alices.iter().all(|(_, head)| !is_refused(head)));
    assert!(is_refused(&get(2).1), "the last slot is for somebody else");
    let bob = get(3);
    assert!(!is_refused(&bob.1));
    assert!(is_refused(&get(4).1), "all slots are taken");
    drop(bob);
    eventually("the slot of one that has gone", SOON, || {
        (!is_refused(&get(4).1)).then_some(())
    });
}

/// A list that fits one piece has a length, as most answers about one title do; chunks are for what
/// is written as it is read.
#[test]
fn a_short_list_has_a_length() {
    let home = Home::new("serving-list");
    let films = home.join("films");
    Content::new(1, 1_000_000).write(&films.join("A Film (2010) {tmdb-5}/A.Film.2010.1080p.mkv"));
    let friend =
        Jackdaw::start(&Config::new(&home.join("friend")).folder("Films", &films, "movies"));
    let answer = eventually("the film in the list", SOON, || {
        let answer = friend.get("/peer/search?tmdbId=5");
        answer.text().contains("A.Film").then_some(answer)
    });
    assert_eq!(answer.header("Transfer-Encoding"), None);
    let length = answer.body.len().to_string();
    assert_eq!(answer.header("Content-Length"), Some(length.as_str()));
}
