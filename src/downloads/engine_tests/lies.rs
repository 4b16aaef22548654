//! Answers that cannot be believed: which of them end a grab, and what it says then.

use crate::downloads::rig::{
    Ask, Consumer, Friend, NAME, Reply, SIZE, TITLE, data, honest, item, reply,
};
use crate::torrent::stub::MAX_SIZE;

#[test]
fn lies_end_in_a_named_failure() {
    type Lie = fn(&Ask) -> Reply;
    let lies: &[(&str, Lie)] = &[
        ("text/html", |_| {
            let head = format!("200 OK\r\nContent-Type: text/html\r\nContent-Length: {SIZE}");
            reply(&head, &data())
        }),
        ("announces a file of 5 bytes", |_| {
            reply("200 OK\r\nContent-Length: 5", b"hello")
        }),
        ("sent more than", |_| {
            let mut long = data();
            long.push(0);
            reply("200 OK", &long)
        }),
        ("ended the file early", |_| reply("200 OK", &data()[..1000])),
        ("sent a part", |ask| {
            let mut ask = ask.clone();
            ask.range = Some((0, None));
            honest(&ask, &data(), "\"v1\"")
        }),
        ("416", |_| {
            reply("416 Range Not Satisfiable\r\nContent-Length: 0", b"")
        }),
        ("404", |_| reply("404 Not Found\r\nContent-Length: 0", b"")),
        ("403", |_| reply("403 Forbidden\r\nContent-Length: 0", b"")),
        ("500", |_| reply("500 Oops\r\nContent-Length: 0", b"")),
    ];
    for (reason, lie) in lies {
        let lie = *lie;
        let alice = Friend::new("alice", lie);
        let consumer = Consumer::new(&[&alice]);
        let hash = consumer.grab();
        let grab = consumer.failed(&hash, reason);
        let once = matches!(*reason, "404" | "403");
        let expected = if once { 1 } else { 4 };
        assert_eq!(grab.attempts, expected, "{reason}");
    }
}

#[test]
fn items_are_judged_before_a_byte_is_asked_for() {
    const BYTES: u64 = SIZE as u64;
    let table = [
        (item(TITLE, "../evil.mkv", BYTES), "separator"),
        (item(TITLE, "a\\\\b.mkv", BYTES), "separator"),
        (item(TITLE, "..", BYTES), "folder"),
        (item(TITLE, &"x".repeat(256), BYTES), "longer than 255"),
        (item("Another", NAME, BYTES + 1), "has replaced the release"),
        (item(TITLE, NAME, 200 << 30), "max_file_size"),
        (
            item(TITLE, NAME, 0),
            "0 bytes now, which is no size of a release",
        ),
        (
            item(TITLE, NAME, MAX_SIZE + 1),
            "1.0 TiB now, which is no size of a release",
        ),
        (
            "404 Not Found\r\nContent-Length: 0\r\n\r\n".into(),
            "does not offer it",
        ),
    ];
    for (item, reason) in table {
        let answer = item.clone();
        let alice = Friend::with_items("alice", move |_| answer.clone(), |_| unreachable!());
        let consumer = Consumer::new(&[&alice]);
        let hash = consumer.grab();
        let grab = consumer.failed(&hash, reason);
        assert_eq!((grab.attempts, grab.have), (1, 0), "{item}");
        assert!(alice.asked().is_empty());
    }
}

#[test]
fn a_new_size_counts_if_header_and_release_agree() {
    let longer = || [data(), vec![7; 1000]].concat();
    // The friend replaces the file after the item was read for the first time.
    let alice = Friend::with_items(
        "alice",
        |n| item(TITLE, NAME, SIZE as u64 + if n == 0 { 0 } else { 1000 }),
        move |ask| honest(ask, &longer(), "\"v2\""),
    );
    let consumer = Consumer::new(&[&alice]);
    let hash = consumer.grab();
    let grab = consumer.completed(&hash, &longer());
    assert_eq!(grab.size, SIZE as u64 + 1000);
}

#[test]
fn no_size_of_a_release_counts_even_if_header_and_release_agree() {
    // The friend's file is emptied after the item was read for the first time.
    let alice = Friend::with_items(
        "alice",
        |n| item(TITLE, NAME, if n == 0 { SIZE as u64 } else { 0 }),
        |ask| honest(ask, b"", "\"v2\""),
    );
    let consumer = Consumer::new(&[&alice]);
    let hash = consumer.grab();
    let grab = consumer.failed(&hash, "0 bytes now, which is no size of a release");
    assert_eq!((grab.attempts, grab.size), (1, SIZE as u64));
}
