//! What a stop, a crash, a power cut or a disk that is not there leaves to the next start.

use std::fs;
use std::time::{Duration, Instant};

use crate::downloads::engine::plain;
use crate::downloads::rig::{Consumer, Friend, NAME, SIZE, TITLE, cut, data, honest};
use crate::grab::states::Event;

#[test]
fn it_goes_on_after_a_stop_and_a_start() {
    let alice = Friend::new("alice", |ask| {
        let mut reply = cut(ask, &data(), 250_000);
        if ask.n == 0 {
            reply.stalls = true;
            return reply;
        }
        honest(ask, &data(), "\"v1\"")
    });
    let mut consumer = Consumer::new(&[&alice]);
    let hash = consumer.grab();
    consumer.wait(&hash, "half done", |grab| grab.have == 250_000);
    let begun = Instant::now();
    consumer.stop();
    assert!(begun.elapsed() < Duration::from_secs(4));
    consumer.start();
    let grab = consumer.completed(&hash, &data());
    assert_eq!(grab.received, SIZE as u64 - 250_000);
    assert_eq!(alice.asked()[1].range, Some((250_000, None)));
}

#[test]
fn what_a_crash_leaves_is_put_in_order() {
    let alice = Friend::new("alice", |ask| honest(ask, &data(), "\"v1\""));
    let mut consumer = Consumer::new(&[&alice]);
    let hash = consumer.grab_paused();
    let id = consumer.get(&hash).id;
    let orphan = consumer
        .home
        .done()
        .join(format!(".partial/{}-{hash}.part", id + 1));
    fs::write(&orphan, b"x").unwrap();
    let part = consumer
        .home
        .done()
        .join(format!(".partial/{id}-{hash}.part"));

    // Killed while the last bytes were written: the part is complete.
    consumer.stop();
    fs::write(&part, data()).unwrap();
    {
        let store = consumer.home.store();
        store.set_grab_file(id, NAME, SIZE as u64).unwrap();
        for event in [Event::Resume, Event::Start] {
            store.advance_grab(id, &plain(event)).unwrap().unwrap();
        }
    }
    consumer.start();
    assert!(!orphan.exists());
    consumer.completed(&hash, &data());
    assert!(alice.asked().is_empty(), "nothing had to be fetched");

    // Killed between the rename and the change of state.
    consumer.stop();
    {
        let store = consumer.home.store();
        for event in [Event::Missing, Event::Start] {
            store.advance_grab(id, &plain(event)).unwrap().unwrap();
        }
    }
    consumer.start();
    consumer.completed(&hash, &data());
    assert!(alice.asked().is_empty(), "nothing had to be fetched");

    // A part with more bytes than the file is thrown away.
    fs::remove_dir_all(consumer.home.done().join(TITLE)).unwrap();
    consumer.stop();
    fs::write(&part, vec![0; SIZE + 1]).unwrap();
    consumer
        .home
        .store()
        .advance_grab(id, &plain(Event::Missing))
        .unwrap();
    consumer.start();
    consumer.completed(&hash, &data());
}

/// A disk that is not mounted leaves its empty mount point, or nothing where it is mounted further
/// up.
#[test]
fn a_start_without_the_disk_does_not_begin_anew_on_the_one_below() {
    let alice = Friend::new("alice", |ask| honest(ask, &data(), "\"v1\""));
    let mut consumer = Consumer::new(&[&alice]);
    consumer.stop();
    let done = consumer.home.done();
    let disk = done.with_file_name("disk");
    fs::rename(&done, &disk).unwrap();
    for is_mount_point in [false, true] {
        if is_mount_point {
            fs::create_dir(&done).unwrap();
        }
        let error = consumer.try_start().err().unwrap();
        assert!(error.contains("is its disk mounted?"), "{error}");
        assert_eq!(done.exists(), is_mount_point);
    }
    assert_eq!(fs::read_dir(&done).unwrap().count(), 0);
    // What the message says to do if it is meant.
    fs::create_dir(done.join(".partial")).unwrap();
    drop(consumer.try_start().unwrap());
    // Another folder may be empty.
    consumer.settings.completed_path = done.with_file_name("new");
    drop(consumer.try_start().unwrap());
    fs::remove_dir_all(&done).unwrap();
    fs::rename(&disk, &done).unwrap();
    consumer.settings.completed_path = done;
    consumer.start();
    let hash = consumer.grab();
    consumer.completed(&hash, &data());
}

#[test]
fn after_a_power_cut_only_synced_bytes_count() {
    let alice = Friend::new("alice", |ask| honest(ask, &data(), "\"v1\""));
    let mut consumer = Consumer::new(&[&alice]);
    let hash = consumer.grab_paused();
    let id = consumer.get(&hash).id;
    let part = consumer
        .home
        .done()
        .join(format!(".partial/{id}-{hash}.part"));
    for (boot, expected) in [(None, 1000), (Some("another boot"), 0)] {
        consumer.stop();
        fs::write(&part, vec![0; 1000]).unwrap();
        if let Some(boot) = boot {
            consumer
                .home
                .store()
                .set_setting("downloads_boot", boot)
                .unwrap();
        }
        consumer.start();
        assert_eq!(consumer.get(&hash).have, expected, "{boot:?}");
    }
}
