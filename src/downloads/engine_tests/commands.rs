//! What clients ask for while bytes flow: pausing, deleting, resuming, forcing, limits.

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use crate::downloads::rig::{
    Consumer, Friend, ITEM, NAME, PATIENCE, SIZE, TITLE, cut, data, honest, item, reply,
};
use crate::downloads::tests::new_grab;
use crate::downloads::{Selection, attempt};
use crate::grab::{Scope, State};
use crate::sys::lock;

#[test]
fn pausing_and_deleting_end_a_transfer_that_stalls() {
    let alice = Friend::new("alice", |ask| {
        let mut reply = cut(ask, &data(), 250_000);
        reply.stalls = true;
        reply
    });
    let consumer = Consumer::new(&[&alice]);
    let hash = consumer.grab();
    let which = Selection::Hashes(vec![hash]);
    consumer.wait(&hash, "half done", |grab| grab.have == 250_000);
    let idle = |consumer: &Consumer| {
        let deadline = Instant::now() + PATIENCE;
        while consumer.engine().totals().running > 0 {
            assert!(Instant::now() < deadline, "the transfer goes on");
            thread::sleep(Duration::from_millis(3));
        }
    };
    consumer.engine().pause(&Scope::All, &which).unwrap();
    idle(&consumer);
    let grab = consumer.get(&hash);
    assert_eq!(
        (grab.state, grab.have, grab.speed),
        (State::Paused, 250_000, 0)
    );
    consumer.engine().resume(&Scope::All, &which).unwrap();
    consumer.wait(&hash, "resumed", |_| alice.asked().len() == 2);
    consumer.engine().delete(&Scope::All, &which, true).unwrap();
    assert!(consumer.engine().get(&Scope::All, &hash).unwrap().is_none());
    idle(&consumer);
    consumer.no_part(&hash);
}

#[test]
fn pausing_ends_a_grab_that_waits_for_the_items_description() {
    let (_held, gate) = mpsc::channel::<()>();
    let gate = Mutex::new(gate);
    let (asked, was_asked) = mpsc::channel();
    let items = move |_| {
        let _ = asked.send(());
        // Silent for as long as the test runs.
        let _ = lock(&gate).recv();
        String::new()
    };
    let alice = Friend::with_items("alice", items, |_| unreachable!());
    let consumer = Consumer::new(&[&alice]);
    consumer.grab();
    was_asked.recv_timeout(PATIENCE).unwrap();
    consumer
        .engine()
        .pause(&Scope::All, &Selection::All)
        .unwrap();
    // Well before the request would give up by itself.
    let deadline = Instant::now() + attempt::ITEM_TIMEOUT / 2;
    while consumer.engine().totals().running > 0 {
        assert!(Instant::now() < deadline, "it still waits for the friend");
        thread::sleep(Duration::from_millis(3));
    }
}

#[test]
fn a_failed_grab_can_be_resumed_and_keeps_its_part() {
    let is_good = Arc::new(AtomicBool::new(false));
    let switch = Arc::clone(&is_good);
    let alice = Friend::new("alice", move |ask| match switch.load(SeqCst) {
        true => honest(ask, &data(), "\"v1\""),
        false if ask.n == 0 => cut(ask, &data(), 250_000),
        false => reply("410 Gone\r\nContent-Length: 0", b""),
    });
    let consumer = Consumer::new(&[&alice]);
    let hash = consumer.grab();
    let grab = consumer.failed(&hash, "410");
    assert_eq!(grab.have, 250_000);
    is_good.store(true, SeqCst);
    consumer
        .engine()
        .resume(&Scope::All, &Selection::All)
        .unwrap();
    let grab = consumer.completed(&hash, &data());
    assert_eq!(grab.received, SIZE as u64);
}

#[test]
fn slots_are_kept_and_forced_grabs_go_beyond_them() {
    let (release, gate) = mpsc::channel::<()>();
    let gate = Mutex::new(gate);
    let alice = Friend::with_items(
        "alice",
        |_| item(TITLE, NAME, SIZE as u64),
        move |ask| {
            // Held until the test lets go.
            let _ = lock(&gate).recv();
            honest(ask, &data(), "\"v1\"")
        },
    );
    let consumer = Consumer::with(&[&alice], |settings| settings.max_concurrent = 1);
    let add = |arr: &str| {
        let new = new_grab(arr, &alice.client, TITLE, SIZE as u64, ITEM);
        consumer.engine().add(new).unwrap();
    };
    let state = |arr: &str| {
        let list = consumer
            .engine()
            .list(&Scope::Arr(arr.into()), None)
            .unwrap();
        list[0].state
    };
    let wait = |arr: &str, wanted: State| {
        let deadline = Instant::now() + PATIENCE;
        while state(arr) != wanted {
            assert!(Instant::now() < deadline, "{arr} never {wanted:?}");
            thread::sleep(Duration::from_millis(3));
        }
    };
    for arr in ["one", "two", "three"] {
        add(arr);
    }
    wait("one", State::Downloading);
    assert_eq!(
        (state("two"), state("three")),
        (State::Queued, State::Queued)
    );
    let engine = consumer.engine();
    engine
        .set_force_start(&Scope::Arr("three".into()), &Selection::All, true)
        .unwrap();
    wait("three", State::Downloading);
    assert_eq!(state("two"), State::Queued);
    assert_eq!(engine.totals().running, 2);
    drop(release);
    for arr in ["one", "two", "three"] {
        wait(arr, State::Completed);
    }
}

#[test]
fn a_limit_holds_a_transfer_back_and_can_be_lifted() {
    let alice = Friend::new("alice", |ask| honest(ask, &data(), "\"v1\""));
    let consumer = Consumer::new(&[&alice]);
    let engine = consumer.engine();
    engine.set_global_limit(20_000);
    let hash = consumer.grab();
    let grab = consumer.wait(&hash, "begun", |grab| grab.have > 0);
    assert!(grab.have < SIZE as u64);
    // A lower one for the grab alone, then neither.
    let which = Selection::Hashes(vec![hash]);
    engine
        .set_download_limit(&Scope::All, &which, 10_000)
        .unwrap();
    engine.set_global_limit(0);
    assert_ne!(consumer.get(&hash).state, State::Completed);
    engine.set_download_limit(&Scope::All, &which, 0).unwrap();
    consumer.completed(&hash, &data());
}
