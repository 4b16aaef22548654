//! A file that is replaced between two attempts: its versions never meet in one part file, however
//! little the friend says about them, and what has not changed goes on.

use crate::downloads::rig::{Ask, Consumer, Friend, Reply, SIZE, content, cut, data, honest};

#[test]
fn a_file_that_changed_between_attempts_is_never_spliced() {
    let alice = Friend::new("alice", |ask| match ask.n {
        0 => cut(ask, &data(), 250_000),
        _ => honest(ask, &content(2), "\"v2\""),
    });
    let consumer = Consumer::new(&[&alice]);
    let hash = consumer.grab();
    consumer.completed(&hash, &content(2));
}

/// As jack answers: nothing names the version of the file.
fn nameless(ask: &Ask, data: &[u8]) -> Reply {
    let mut reply = honest(ask, data, "");
    reply.head = reply.head.replace("\r\nETag: ", "");
    reply
}

#[test]
fn a_changed_file_without_a_version_is_never_spliced() {
    let alice = Friend::new("alice", |ask| match ask.n {
        0 => {
            let mut reply = nameless(ask, &data());
            reply.body.truncate(500_000);
            reply
        }
        _ => nameless(ask, &content(2)),
    });
    let consumer = Consumer::new(&[&alice]);
    let hash = consumer.grab();
    consumer.completed(&hash, &content(2));
}

#[test]
fn a_file_without_a_version_is_resumed_all_the_same() {
    let alice = Friend::new("alice", |ask| {
        let mut reply = nameless(ask, &data());
        if ask.n == 0 {
            reply.body.truncate(500_000);
        }
        reply
    });
    let consumer = Consumer::new(&[&alice]);
    let hash = consumer.grab();
    let grab = consumer.completed(&hash, &data());
    assert_eq!(grab.received, SIZE as u64, "nothing came twice");
    let asked = alice.asked();
    assert_eq!(asked.last().unwrap().range, Some((500_000, None)));
}

/// As a server answers that knows neither `If-Range` nor versions once a part is asked for.
fn forgetful(ask: &Ask, data: &[u8], etag: &str) -> Reply {
    let mut ask = ask.clone();
    ask.if_range = None;
    let mut reply = honest(&ask, data, etag);
    if ask.range.is_some() {
        reply.head = reply.head.replace(&format!("\r\nETag: {etag}"), "");
    }
    reply
}

#[test]
fn a_changed_file_is_never_spliced_if_parts_do_not_name_their_version() {
    let alice = Friend::new("alice", |ask| match ask.n {
        0 => {
            let mut reply = forgetful(ask, &data(), "\"v1\"");
            reply.body.truncate(500_000);
            reply
        }
        _ => forgetful(ask, &content(2), "\"v2\""),
    });
    let consumer = Consumer::new(&[&alice]);
    let hash = consumer.grab();
    consumer.completed(&hash, &content(2));
}

#[test]
fn parts_that_do_not_name_their_version_are_compared_and_then_taken() {
    let alice = Friend::new("alice", |ask| {
        let mut reply = forgetful(ask, &data(), "\"v1\"");
        if ask.n == 0 {
            reply.body.truncate(500_000);
        }
        reply
    });
    let consumer = Consumer::new(&[&alice]);
    let hash = consumer.grab();
    let grab = consumer.completed(&hash, &data());
    assert_eq!(grab.received, SIZE as u64, "nothing came twice");
    let asked = alice.asked();
    let whole = asked.iter().filter(|ask| ask.range.is_none()).count();
    assert_eq!(whole, 1, "{asked:?}");
    assert_eq!(asked.last().unwrap().range, Some((500_000, None)));
}

/// The file is replaced within the second that its date stands for.
#[test]
fn a_date_that_is_too_young_does_not_join_two_versions() {
    fn dated(ask: &Ask, data: &[u8]) -> Reply {
        let mut reply = nameless(
            &Ask {
                if_range: None,
                ..ask.clone()
            },
            data,
        );
        let date = "Sun, 06 Nov 1994 08:49:37 GMT";
        reply
            .head
            .push_str(&format!("\r\nDate: {date}\r\nLast-Modified: {date}"));
        reply
    }
    let alice = Friend::new("alice", |ask| match ask.n {
        0 => {
            let mut reply = dated(ask, &data());
            reply.body.truncate(500_000);
            reply
        }
        _ => dated(ask, &content(2)),
    });
    let consumer = Consumer::new(&[&alice]);
    let hash = consumer.grab();
    consumer.completed(&hash, &content(2));
}
