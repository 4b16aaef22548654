//! The whole engine over real sockets against a friend that misbehaves on request. What counts is
//! the end: a file that is right to the byte, or a grab that says what is wrong; never a wrong file.
//! Here is the plain way to the finished file; the rest is in the modules.

mod commands;
mod friends;
mod lies;
mod restarts;
mod resume;
mod versions;

use std::fs;
use std::sync::{Mutex, mpsc};

use crate::downloads::rig::{Consumer, Friend, NAME, SIZE, TITLE, data, honest};
use crate::grab::State;
use crate::sys::lock;

#[test]
fn a_file_arrives_under_its_name() {
    let alice = Friend::new("alice", |ask| honest(ask, &data(), "\"v1\""));
    let consumer = Consumer::new(&[&alice]);
    let hash = consumer.grab();
    let grab = consumer.completed(&hash, &data());
    assert_eq!(grab.folder, TITLE);
    assert_eq!(grab.filename.as_deref(), Some(NAME));
    assert_eq!(grab.received, SIZE as u64);
    assert!(grab.completed_at.is_some() && grab.reason.is_none());
    assert_eq!(consumer.engine().totals().received, SIZE as u64);
    assert_eq!(alice.asked().len(), 1);
}

#[test]
fn without_room_a_grab_waits_in_the_queue_and_says_so() {
    let alice = Friend::new("alice", |_| unreachable!());
    let consumer = Consumer::with(&[&alice], |settings| settings.min_free_space = 1 << 60);
    let hash = consumer.grab();
    let grab = consumer.wait(&hash, "told", |grab| grab.reason.is_some());
    assert_eq!(grab.state, State::Queued);
    assert!(grab.reason.unwrap().contains("not enough room"));
    assert!(alice.asked().is_empty());
}

#[test]
fn a_folder_made_by_somebody_else_is_not_filled() {
    let (release, gate) = mpsc::channel::<()>();
    let gate = Mutex::new(gate);
    let alice = Friend::new("alice", move |ask| {
        let _ = lock(&gate).recv();
        honest(ask, &data(), "\"v1\"")
    });
    let consumer = Consumer::new(&[&alice]);
    let hash = consumer.grab();
    let taken = consumer.home.done().join(TITLE);
    fs::create_dir(&taken).unwrap();
    fs::write(taken.join(NAME), b"precious").unwrap();
    drop(release);
    let grab = consumer.completed(&hash, &data());
    assert_eq!(grab.folder, format!("{TITLE} (2)"));
    assert_eq!(fs::read(taken.join(NAME)).unwrap(), b"precious");
}
