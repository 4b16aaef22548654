//! File bodies: ranges, answers that are handed on, and bodies that stall, end early or are given up.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::rig::{LONG, client, hold, respond, respond_with};
use crate::peer::client::{FileAnswer, FileRequest, PeerError, never};

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
