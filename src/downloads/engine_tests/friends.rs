//! One friend takes over from another, dead, gone or slow, and only with the same bytes.

use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use crate::downloads::rig::{Consumer, Friend, SIZE, content, cut, data, honest, reply};
use crate::downloads::slow::Patience;
use crate::grab::State;

#[test]
fn a_dead_friend_is_replaced_and_the_part_goes_on() {
    let alice = Friend::new("alice", |ask| match ask.n {
        0 => cut(ask, &data(), 400_000),
        _ => reply("500 Oops\r\nContent-Length: 0", b""),
    });
    let bob = Friend::new("bob", |ask| honest(ask, &data(), "\"bob\""));
    let consumer = Consumer::new(&[&alice, &bob]);
    let hash = consumer.grab();
    let grab = consumer.completed(&hash, &data());
    assert_eq!(grab.received, SIZE as u64, "the part was kept");
    assert_eq!(grab.peer_id, bob.client.id());
    let asked = bob.asked();
    let (samples, rest) = asked.split_at(asked.len() - 1);
    assert_eq!(samples.len(), 4);
    assert!(samples.iter().all(|ask| ask.range.unwrap().1.is_some()));
    assert_eq!(rest[0].range, Some((400_000, None)));
    assert_eq!(rest[0].if_range.as_deref(), Some("\"bob\""));
}

#[test]
fn a_friend_with_other_bytes_replaces_only_one_that_is_gone() {
    for is_gone in [true, false] {
        let alice = Friend::new("alice", move |ask| match (ask.n, is_gone) {
            (0, _) => cut(ask, &data(), 400_000),
            (_, true) => reply("404 Not Found\r\nContent-Length: 0", b""),
            (1..3, false) => reply("500 Oops\r\nContent-Length: 0", b""),
            (_, false) => honest(ask, &data(), "\"v1\""),
        });
        let bob = Friend::new("bob", |ask| honest(ask, &content(2), "\"bob\""));
        let consumer = Consumer::new(&[&alice, &bob]);
        let hash = consumer.grab();
        let expected = if is_gone { content(2) } else { data() };
        let grab = consumer.completed(&hash, &expected);
        let origin = if is_gone { &bob } else { &alice };
        assert_eq!(grab.peer_id, origin.client.id());
        assert!(!bob.asked().is_empty(), "bob was compared");
    }
}

#[test]
fn a_friend_that_is_gone_is_not_the_end_while_another_is_away() {
    let alice = Friend::new("alice", |_| {
        reply("404 Not Found\r\nContent-Length: 0", b"")
    });
    let bob = Friend::new("bob", |ask| honest(ask, &data(), "\"bob\""));
    bob.is_up.store(false, SeqCst);
    let consumer = Consumer::with(&[&alice, &bob], |settings| settings.max_attempts = 1000);
    let hash = consumer.grab();
    let grab = consumer.wait(&hash, "waiting", |grab| grab.state == State::Waiting);
    assert!(grab.reason.unwrap().contains("away"));
    bob.is_up.store(true, SeqCst);
    consumer.completed(&hash, &data());
}

/// Finds any friend slow after the first bytes, once.
fn impatient(gain: u64) -> Patience {
    Patience {
        floor: u64::MAX,
        after: Duration::ZERO,
        again: Duration::from_secs(3600),
        gain,
    }
}

#[test]
fn a_slow_friend_is_left_for_a_faster_one_and_no_attempt_is_used_up() {
    let alice = Friend::new("alice", |ask| {
        let mut reply = cut(ask, &data(), 400_000);
        reply.stalls = true;
        reply
    });
    let bob = Friend::new("bob", |ask| honest(ask, &data(), "\"bob\""));
    let consumer = Consumer::with_patience(&[&alice, &bob], impatient(0));
    let hash = consumer.grab();
    let grab = consumer.completed(&hash, &data());
    assert_eq!(grab.received, SIZE as u64, "the part was kept");
    assert_eq!((grab.peer_id.as_str(), grab.attempts), (bob.client.id(), 0));
    assert_eq!(alice.asked().len(), 1, "one attempt with alice");
    let asked = bob.asked();
    assert_eq!(asked.last().unwrap().if_range.as_deref(), Some("\"bob\""));
}

#[test]
fn a_slow_friend_stays_if_the_other_one_is_no_faster_or_has_other_bytes() {
    for (gain, others) in [(u64::MAX, data()), (0, content(2))] {
        let alice = Friend::new("alice", |ask| honest(ask, &data(), "\"v1\""));
        let bob = Friend::new("bob", move |ask| honest(ask, &others, "\"bob\""));
        let consumer = Consumer::with_patience(&[&alice, &bob], impatient(gain));
        let hash = consumer.grab();
        let grab = consumer.completed(&hash, &data());
        assert_eq!(grab.peer_id, alice.client.id());
        assert_eq!(grab.received, SIZE as u64);
        assert_eq!(alice.asked().len(), 1, "her answer went on");
        let asked = bob.asked();
        assert!((1..=4).contains(&asked.len()), "compared once: {asked:?}");
    }
}
