//! The whole engine over real sockets against a friend that misbehaves on request. What counts is
//! the end: a file that is right to the byte, or a grab that says what is wrong; never a wrong file.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use super::rig::*;
use super::tests::new_grab;
use super::*;

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
    let table = [
        (item(TITLE, "../evil.mkv", SIZE), "separator"),
        (item(TITLE, "a\\\\b.mkv", SIZE), "separator"),
        (item(TITLE, "..", SIZE), "folder"),
        (item(TITLE, &"x".repeat(256), SIZE), "longer than 255"),
        (item("Another", NAME, SIZE + 1), "has replaced the release"),
        (item(TITLE, NAME, 200 << 30), "max_file_size"),
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
        |n| item(TITLE, NAME, if n == 0 { SIZE } else { SIZE + 1000 }),
        move |ask| honest(ask, &longer(), "\"v2\""),
    );
    let consumer = Consumer::new(&[&alice]);
    let hash = consumer.grab();
    let grab = consumer.completed(&hash, &longer());
    assert_eq!(grab.size, SIZE as u64 + 1000);
}

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
    let new = NewGrab {
        paused: true,
        ..new_grab("radarr", &alice.client, TITLE, SIZE as u64, ITEM)
    };
    let hash = consumer.engine().add(new).unwrap();
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
    let new = NewGrab {
        paused: true,
        ..new_grab("radarr", &alice.client, TITLE, SIZE as u64, ITEM)
    };
    let hash = consumer.engine().add(new).unwrap();
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

#[test]
fn slots_are_kept_and_forced_grabs_go_beyond_them() {
    let (release, gate) = mpsc::channel::<()>();
    let gate = Mutex::new(gate);
    let alice = Friend::with_items(
        "alice",
        |_| item(TITLE, NAME, SIZE),
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
