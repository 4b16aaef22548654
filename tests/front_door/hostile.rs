//! More hostility: framing tricks, slow and idle clients, full tables, panics, noise.

use std::io::{BufRead, ErrorKind, Read, Write};
use std::net::Shutdown;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::client::*;
use super::world::*;

#[test]
fn framing_tricks_are_refused_and_never_a_second_request() {
    let world = World::new();
    let check = |lines: &str, status: u16| {
        let mut client = world.client();
        client.send(format!(
            "POST /echo HTTP/1.1\r\nHost: h\r\n{lines}\r\n{}",
            get("/ping")
        ));
        let answer = client.answer("POST");
        assert_eq!(answer.status, status, "{lines}");
        assert_eq!(answer.header("Connection"), Some("close"));
        assert!(client.is_ended(), "{lines}");
    };
    check("Content-Length: abc\r\n", 400);
    check("Content-Length: -5\r\n", 400);
    check("Content-Length: +5\r\n", 400);
    check("Content-Length: 5, 5\r\n", 400);
    check("Content-Length: 5\r\nContent-Length: 6\r\n", 400);
    check("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", 400);
    check("Transfer-Encoding: identity\r\n", 501);
    check("Transfer-Encoding: chunked\r\nX: a\nb\r\n", 400);
    check("X: a\0b\r\n", 400);
    check("Expect: the unexpected\r\n", 417);
    check("Content-Length: 65537\r\n", 413);
    check(" folded: x\r\n", 400);
    world.assert_ping();
}

#[test]
fn slow_heads_and_bodies_run_into_their_deadlines() {
    let world = World::with(|settings| {
        settings.timeouts.head = Duration::from_millis(200);
        settings.timeouts.idle = Duration::from_millis(200);
        settings.timeouts.body_grace = Duration::from_millis(200);
    });
    let mut slow_head = world.client();
    slow_head.send("GET /ping HTT");
    assert_eq!(slow_head.answer("GET").status, 408);
    let mut slow_body = world.client();
    slow_body.send("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n123");
    assert_eq!(slow_body.answer("POST").status, 408);
    let mut slow_chunk = world.client();
    slow_chunk.send("POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n12");
    assert_eq!(slow_chunk.answer("POST").status, 408);
    assert!(world.client().is_ended(), "silent connections end silently");
    let mut idle = world.client();
    assert_eq!(idle.ask(&get("/ping")).status, 200);
    assert!(idle.is_ended());
}

#[test]
fn drip_fed_heads_do_not_extend_their_deadline() {
    let world = World::with(|settings| settings.timeouts.head = Duration::from_millis(300));
    let mut client = world.client();
    let started = Instant::now();
    // A byte now and then keeps every single wait short; the deadline is for all of them.
    while started.elapsed() < PATIENCE {
        if client.stream.write_all(b"G").is_err() {
            break;
        }
        client
            .stream
            .set_read_timeout(Some(Duration::from_millis(20)))
            .unwrap();
        match client.stream.peek(&mut [0]) {
            Ok(_) => break,
            Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
        }
    }
    client.stream.set_read_timeout(Some(PATIENCE)).unwrap();
    assert_eq!(client.answer("GET").status, 408);
}

#[test]
fn idle_connections_make_room_for_new_ones() {
    let world = World::with(|settings| settings.max_connections = 8);
    let mut crowd: Vec<_> = (0..200).map(|_| world.client()).collect();
    for _ in 0..20 {
        world.assert_ping();
    }
    assert!(crowd[0].is_ended());
}

#[test]
fn stalled_readers_and_senders_make_room_for_new_ones() {
    let world = World::with(|settings| {
        settings.max_connections = 8;
        settings.timeouts.send_poll = Duration::from_millis(100);
    });
    world.write_film(&vec![b'f'; 64 << 20]);
    let mut crowd: Vec<_> = (0..8).map(|_| world.client()).collect();
    for (number, client) in crowd.iter_mut().enumerate() {
        client.send(match number % 2 {
            0 => get("/file"),
            _ => "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nx".into(),
        });
    }
    for _ in 0..8 {
        wait_until("a place comes free", || {
            let mut client = world.client();
            let _ = client.stream.write_all(get("/ping").as_bytes());
            let is_served = client
                .reader
                .fill_buf()
                .is_ok_and(|bytes| bytes.starts_with(b"HTTP/1.1 200"));
            crowd.push(client);
            is_served
        });
    }
}

#[test]
fn a_close_does_not_take_the_answer_away() {
    let world = World::new();
    let mut client = world.client();
    // What follows a request that ends the connection is never read; the answer must arrive.
    client.send(
        "GET /big HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n\r\n".to_owned() + &get("/ping"),
    );
    assert_eq!(client.answer("GET").body.len(), 8_000_000);
    assert!(client.is_ended());
}

#[test]
fn busy_connections_stay_and_newcomers_are_told() {
    let world = World::with(|settings| settings.max_connections = 3);
    let mut busy: Vec<_> = (0..3).map(|_| world.client()).collect();
    for client in &mut busy {
        client.send(get("/wait"));
    }
    wait_until("three requests wait", || {
        world.state.inside.load(Ordering::SeqCst) == 3
    });
    let mut late = world.client();
    let answer = late.answer("GET");
    assert_eq!(answer.status, 503);
    assert_eq!(answer.header("Retry-After"), Some("2"));
    assert!(late.is_ended());
    world.open_gate();
    for client in &mut busy {
        assert_eq!(client.answer("GET").text(), "waited");
    }
    wait_until("there is room again", || {
        let mut client = world.client();
        client.stream.write_all(get("/ping").as_bytes()).is_ok()
            && client
                .reader
                .fill_buf()
                .is_ok_and(|bytes| bytes.starts_with(b"HTTP/1.1 200"))
    });
}

#[test]
fn long_requests_are_bounded_and_short_ones_go_on() {
    let world = World::new();
    let mut waiting: Vec<_> = (0..32).map(|_| world.client()).collect();
    for client in &mut waiting {
        client.send(get("/wait"));
    }
    wait_until("32 requests wait", || {
        world.state.inside.load(Ordering::SeqCst) == 32
    });
    let mut client = world.client();
    let answer = client.ask(&get("/wait"));
    assert_eq!(answer.status, 503);
    assert_eq!(answer.header("Retry-After"), Some("2"));
    assert_eq!(
        client.ask(&get("/ping")).status,
        200,
        "the connection stays usable"
    );
    world.assert_ping();
    world.open_gate();
    for client in &mut waiting {
        assert_eq!(client.answer("GET").text(), "waited");
    }
}

#[test]
fn friends_leave_half_of_the_long_requests_to_others() {
    let world = World::new();
    let asked = "GET /peer-wait HTTP/1.1\r\nHost: h\r\nX-Api-Key: friend-key\r\n\r\n";
    let mut friends: Vec<_> = (0..16).map(|_| world.client()).collect();
    for client in &mut friends {
        client.send(asked);
    }
    wait_until("16 requests of friends wait", || {
        world.state.inside.load(Ordering::SeqCst) == 16
    });
    assert_eq!(world.ask(asked).status, 503);
    let mut others: Vec<_> = (0..16).map(|_| world.client()).collect();
    for client in &mut others {
        client.send(get("/wait"));
    }
    wait_until("16 others wait", || {
        world.state.inside.load(Ordering::SeqCst) == 32
    });
    world.open_gate();
    for client in friends.iter_mut().chain(&mut others) {
        assert_eq!(client.answer("GET").text(), "waited");
    }
    // Places come back with the answers.
    wait_until("a friend is let in again", || {
        world.ask(asked).status == 200
    });
}

#[test]
fn large_bodies_are_bounded_over_all_connections() {
    let world = World::with(|settings| settings.body_limit = |_, _| 4 << 20);
    let head = "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 4194304\r\n\r\n";
    let mut held = Vec::new();
    let mut is_refused = false;
    // Three fit beside the reserve for small ones; each is sent but for its last byte.
    for _ in 0..6 {
        let mut client = world.client();
        client.send(head);
        let mut sent = 0;
        while sent < 4_194_303 {
            let piece = vec![b'x'; 65_536.min(4_194_303 - sent)];
            if client.stream.write_all(&piece).is_err() {
                break;
            }
            sent += piece.len();
        }
        held.push(client);
    }
    wait_until("one is refused", || {
        for client in &mut held {
            client.stream.set_nonblocking(true).unwrap();
            let mut start = [0; 12];
            let count = client.stream.peek(&mut start).unwrap_or(0);
            client.stream.set_nonblocking(false).unwrap();
            is_refused |= &start[..count] == b"HTTP/1.1 503";
        }
        is_refused
    });
    let small = world.ask("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nsmall");
    assert_eq!(small.text(), "small");
    drop(held);
    wait_until("there is memory again", || {
        let mut client = world.client();
        client.send(head);
        client.stream.write_all(&vec![b'x'; 4_194_304]).is_ok() && {
            let answer = client.answer("POST");
            answer.status == 200 && answer.body.len() == 4_194_304
        }
    });
}

#[test]
fn panicking_handler_is_a_500_and_nothing_more() {
    let world = World::new();
    let mut client = world.client();
    for _ in 0..20 {
        let answer = client.ask(&get("/panic"));
        assert_eq!(answer.status, 500);
        assert_eq!(answer.text(), "{\"error\":\"Internal error\"}");
    }
    assert_eq!(client.ask(&get("/ping")).status, 200);
}

#[test]
fn random_bytes_end_in_a_refusal_or_a_close() {
    let world = World::new();
    let mut seed = 12_345_u64;
    for _ in 0..300 {
        let mut bytes = Vec::new();
        for _ in 0..(seed >> 40) % 200 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            bytes.push((seed >> 33) as u8);
        }
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(3);
        let mut client = world.client();
        client.send(&bytes);
        client.stream.shutdown(Shutdown::Write).unwrap();
        let mut answer = Vec::new();
        let _ = client.reader.read_to_end(&mut answer);
        assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 4"));
    }
    world.assert_ping();
}
