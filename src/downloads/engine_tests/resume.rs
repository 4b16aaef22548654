//! A transfer that breaks goes on where it broke, whatever the friend answers to that.

use crate::downloads::rig::{
    Ask, Consumer, Friend, Reply, SIZE, content, cut, data, honest, reply,
};

#[test]
fn a_broken_connection_is_resumed_where_it_broke() {
    let alice = Friend::new("alice", |ask| match ask.n {
        0 => cut(ask, &data(), 250_000),
        1 => cut(ask, &data(), 100_000),
        _ => honest(ask, &data(), "\"v1\""),
    });
    let consumer = Consumer::new(&[&alice]);
    let hash = consumer.grab();
    let grab = consumer.completed(&hash, &data());
    assert_eq!(grab.received, SIZE as u64, "nothing came twice");
    let asked = alice.asked();
    assert_eq!(asked[1].range, Some((250_000, None)));
    assert_eq!(asked[2].range, Some((350_000, None)));
    assert_eq!(asked[1].if_range.as_deref(), Some("\"v1\""));
}

/// What is missing after a cut at 250,000 bytes.
const REST: usize = SIZE - 250_000;

/// As many other bytes as are missing, under an answer that is right but for this header.
fn coded(header: &str) -> Reply {
    let head = format!(
        "206 Partial Content\r\n{header}\r\nETag: \"v1\"\r\nContent-Range: bytes 250000-{}/{SIZE}",
        SIZE - 1
    );
    reply(&head, &vec![0x1f; REST])
}

/// In the chunked coding, as one chunk.
fn chunk(body: &[u8]) -> Vec<u8> {
    let mut wire = format!("{:x}\r\n", body.len()).into_bytes();
    wire.extend_from_slice(body);
    wire.extend_from_slice(b"\r\n0\r\n\r\n");
    wire
}

/// The first answer is cut at 250,000 bytes; each fault is what the friend says to the resume.
/// After it, the friend is honest.
#[test]
fn faults_on_resume_end_in_the_right_file() {
    type Fault = fn(&Ask) -> Reply;
    let faults: &[(&str, Fault)] = &[
        ("ignores the range", |_| {
            let head = format!("200 OK\r\nContent-Length: {SIZE}");
            reply(&head, &data())
        }),
        ("no length, body ends with the connection", |_| {
            reply("200 OK", &data())
        }),
        ("416", |_| {
            reply("416 Range Not Satisfiable\r\nContent-Length: 0", b"")
        }),
        ("a part from elsewhere", |_| {
            let head = format!(
                "206 Partial Content\r\nContent-Length: {SIZE}\r\n\
                 Content-Range: bytes 0-{}/{SIZE}",
                SIZE - 1
            );
            reply(&head, &data())
        }),
        ("a part of a larger file", |_| {
            let body = vec![0; SIZE + 10 - 250_000];
            let head = format!(
                "206 Partial Content\r\nContent-Length: {}\r\n\
                 Content-Range: bytes 250000-{}/{}",
                body.len(),
                SIZE + 9,
                SIZE + 10
            );
            reply(&head, &body)
        }),
        ("a part of another version", |ask| {
            let mut other = ask.clone();
            other.if_range = None;
            honest(&other, &content(2), "\"v2\"")
        }),
        ("a part of nothing", |_| {
            reply("206 Partial Content\r\nContent-Length: 5", b"hello")
        }),
        ("a login page", |_| {
            reply(
                "200 OK\r\nContent-Type: text/html\r\nContent-Length: 5",
                b"hello",
            )
        }),
        ("a server error", |_| {
            reply("500 Oops\r\nContent-Length: 0", b"")
        }),
        ("busy", |_| {
            reply("503 Busy\r\nRetry-After: 0\r\nContent-Length: 0", b"")
        }),
        ("a redirect", |_| {
            reply("302 Found\r\nLocation: /login\r\nContent-Length: 0", b"")
        }),
        ("nothing", |_| {
            reply("200 OK\r\nContent-Length: 600000", b"")
        }),
        ("no HTTP", |_| reply("\r\n\r\nspam", b"")),
        ("several ranges", |_| {
            let body = vec![b'-'; REST];
            let head = format!(
                "206 Partial Content\r\nContent-Type: multipart/byteranges; boundary=x\r\n\
                 Content-Length: {REST}\r\nContent-Range: bytes 250000-{}/{SIZE}",
                SIZE - 1
            );
            reply(&head, &body)
        }),
        ("compressed", |_| coded("Content-Encoding: gzip")),
        ("compressed, said second", |_| {
            coded("Content-Encoding: identity\r\nContent-Encoding: br")
        }),
        ("compressed on the way", |_| {
            coded("Transfer-Encoding: gzip")
        }),
        ("compressed on the way, in chunks", |_| {
            let mut reply = coded("Transfer-Encoding: gzip, chunked");
            reply.body = chunk(&reply.body);
            reply
        }),
        ("more than the part it announces", |_| {
            let mut body = data()[250_000..300_000].to_vec();
            body.resize(REST, 0);
            let head = format!(
                "206 Partial Content\r\nTransfer-Encoding: chunked\r\nETag: \"v1\"\r\n\
                 Content-Range: bytes 250000-299999/{SIZE}"
            );
            reply(&head, &chunk(&body))
        }),
        ("less than the rest, and then honest", |_| {
            let head = format!(
                "206 Partial Content\r\nContent-Length: 50000\r\nETag: \"v1\"\r\n\
                 Content-Range: bytes 250000-299999/{SIZE}"
            );
            reply(&head, &data()[250_000..300_000])
        }),
    ];
    for (name, fault) in faults {
        let fault = *fault;
        let alice = Friend::new("alice", move |ask| match ask.n {
            0 => cut(ask, &data(), 250_000),
            1 => fault(ask),
            _ => honest(ask, &data(), "\"v1\""),
        });
        let consumer = Consumer::new(&[&alice]);
        let hash = consumer.grab();
        println!("{name}");
        consumer.completed(&hash, &data());
        assert!(alice.asked().len() >= 2, "{name}");
    }
}
