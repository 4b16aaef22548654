//! Attacks on the front door, and what it promises to ordinary clients, over real sockets.
//!
//! The server runs in this process with a small route table; every attack must leave `/ping`
//! answering others. The numbered attacks are the known ways to end, hang or fill tiny_http 0.12
//! when it faces clients alone (each was measured against it), so an upgrade shows what changed.
//! They stand here; `hostile` has more attacks, `ordinary` and `files` what clients are promised.

mod client;
mod files;
mod hostile;
mod lifecycle;
mod ordinary;
mod world;

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use client::*;
use world::*;

#[test]
fn attack_01_content_length_beyond_memory() {
    let world = World::new();
    for length in [
        "30000000000",
        "9223372036854775808",
        "18446744073709551615",
        "99999999999999999999999",
    ] {
        for method in ["GET", "POST", "HEAD"] {
            let text =
                format!("{method} /ping HTTP/1.1\r\nHost: h\r\nContent-Length: {length}\r\n\r\n");
            let mut client = world.client();
            client.send(text);
            // The refusal of a HEAD has a body too: the connection ends with it.
            assert_eq!(client.answer("GET").status, 413);
            assert!(client.is_ended());
        }
    }
    world.assert_ping();
}

#[test]
fn attack_02_other_http_versions() {
    let world = World::new();
    for version in ["2.0", "3.0", "0.9", "1.2"] {
        for _ in 0..25 {
            let answer = world.ask(&format!("GET / HTTP/{version}\r\n\r\n"));
            assert_eq!(answer.status, 505, "{version}");
        }
    }
    let answer = world.ask("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0");
    assert_eq!(answer.status, 505);
    world.assert_ping();
}

#[test]
fn attack_03_many_keep_alive_connections_at_once() {
    let world = World::new();
    let mut clients: Vec<_> = (0..64).map(|_| world.client()).collect();
    for client in &mut clients {
        client.send(get("/ping"));
    }
    for client in &mut clients {
        assert_eq!(client.answer("GET").status, 200);
    }
    for client in &mut clients {
        assert_eq!(client.ask(&get("/ping")).status, 200);
    }
    world.assert_ping();
}

#[test]
fn attack_04_reset_storm() {
    let world = World::new();
    for round in 0..500 {
        let mut client = world.client();
        client.send(get(if round % 2 == 0 { "/ping" } else { "/stream" }));
        let socket = socket2::SockRef::from(&client.stream);
        socket.set_linger(Some(Duration::ZERO)).unwrap();
    }
    world.assert_ping();
}

/// The server in a process of its own with 128 descriptors: see the next test.
#[test]
#[ignore = "started by attack_05_descriptors_run_out"]
fn child_with_few_descriptors() {
    let few = rustix::process::Rlimit {
        current: Some(128),
        maximum: Some(128),
    };
    rustix::process::setrlimit(rustix::process::Resource::Nofile, few).unwrap();
    let world = World::new();
    println!("ADDRESS {} ", world.address);
    let mut line = String::new();
    io::stdin().read_line(&mut line).unwrap();
    // Whatever else the process opens may use the descriptors up altogether.
    let mut hoard = Vec::new();
    while let Ok(file) = File::open("/dev/null") {
        hoard.push(file);
    }
    println!("ADDRESS {} ", world.address);
    io::stdin().read_line(&mut line).unwrap();
    drop(hoard);
    println!("ADDRESS {} ", world.address);
    io::stdin().read_line(&mut line).unwrap();
}

#[test]
fn attack_05_descriptors_run_out() {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "front_door::child_with_few_descriptors"])
        .args(["--ignored", "--nocapture"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut next_address = || {
        let mut line = String::new();
        loop {
            line.clear();
            assert!(
                output.read_line(&mut line).unwrap() > 0,
                "the child has ended"
            );
            if let Some((_, rest)) = line.split_once("ADDRESS ") {
                return rest.trim().parse::<SocketAddr>().unwrap();
            }
        }
    };
    let address = next_address();
    let ping = || {
        let mut client = Client::connect(address);
        client.send(get("/ping"));
        let mut first = [0; 12];
        client.reader.read_exact(&mut first).is_ok() && &first == b"HTTP/1.1 200"
    };
    let mut crowd = Vec::new();
    for _ in 0..200 {
        crowd.push(TcpStream::connect(address).unwrap());
    }
    assert!(ping(), "others are served during the attack");
    drop(crowd);
    input.write_all(b"hoard\n").unwrap();
    assert_eq!(next_address(), address);
    // No descriptor is free: nobody can be served, but nothing may break for good.
    let crowd: Vec<_> = (0..50)
        .map(|_| TcpStream::connect(address).unwrap())
        .collect();
    input.write_all(b"release\n").unwrap();
    assert_eq!(next_address(), address);
    drop(crowd);
    let deadline = Instant::now() + Duration::from_secs(5);
    while !ping() {
        assert!(Instant::now() < deadline, "service came back");
    }
    input.write_all(b"end\n").unwrap();
    assert!(child.wait().unwrap().success());
}

#[test]
fn attack_06_header_line_without_end() {
    let world = World::new();
    let mut clients: Vec<_> = (0..8).map(|_| world.client()).collect();
    for client in &mut clients {
        client.send("GET / HTTP/1.1\r\nHost: h\r\nX: ");
        client.flood(&[b'x'; 65536], 64 << 20);
    }
    world.assert_ping();
    let mut client = world.client();
    client.send(format!("GET / HTTP/1.1\r\nX: {}", "x".repeat(17_000)));
    assert_eq!(client.answer("GET").status, 431);
}

#[test]
fn attack_07_header_lines_without_end() {
    let world = World::new();
    let mut client = world.client();
    client.send("GET / HTTP/1.1\r\n");
    client.flood("X: y\r\n".repeat(10_000).as_bytes(), 64 << 20);
    world.assert_ping();
    let mut client = world.client();
    client.send(format!("GET / HTTP/1.1\r\n{}", "X: y\r\n".repeat(3_000)));
    assert_eq!(client.answer("GET").status, 431);
    let lines = "X: y\r\n".repeat(100);
    assert_eq!(
        world
            .ask(&format!("GET / HTTP/1.1\r\nHost: h\r\n{lines}\r\n"))
            .status,
        431
    );
}

#[test]
fn attack_08_pipelined_requests_never_read() {
    let world = World::new();
    let pipeline = get("/ping").repeat(1000);
    let mut clients: Vec<_> = (0..4).map(|_| world.client()).collect();
    for client in &mut clients {
        // Far more than socket buffers hold would have to be answered before it is taken.
        let sent = client.flood(pipeline.as_bytes(), 256 << 20);
        assert!(sent < 256 << 20, "somebody holds all of this");
        world.assert_ping();
    }
}

#[test]
fn attack_09_chunk_size_line_without_end() {
    let world = World::new();
    let start = "POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
    let mut client = world.client();
    client.send(start);
    client.flood(&[b'1'; 65536], 64 << 20);
    world.assert_ping();
    let mut client = world.client();
    client.send(format!("{start}{}", "0".repeat(1000)));
    assert_eq!(client.answer("POST").status, 400);
    let mut client = world.client();
    client.send(format!("{start}1;{}", "x".repeat(1000)));
    assert_eq!(client.answer("POST").status, 400);
}

#[test]
fn attack_10_bodies_announced_but_never_sent() {
    let world = World::new();
    let mut clients: Vec<_> = (0..64).map(|_| world.client()).collect();
    for client in &mut clients {
        client.send("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 60000\r\n\r\nx");
    }
    world.assert_ping();
}

#[test]
fn attack_11_stalled_file_with_requests_behind_it() {
    let world = World::new();
    world.write_film(&vec![b'f'; 64 << 20]);
    let mut clients: Vec<_> = (0..8).map(|_| world.client()).collect();
    for client in &mut clients {
        client.send(get("/file") + &get("/ping").repeat(8));
    }
    for client in &mut clients {
        assert_eq!(client.head().status, 200);
    }
    world.assert_ping();
}

#[test]
fn attack_12_large_answers_never_read() {
    let world = World::new();
    let mut clients: Vec<_> = (0..16).map(|_| world.client()).collect();
    for client in &mut clients {
        client.send(get("/big"));
    }
    let mut endless: Vec<_> = (0..32).map(|_| world.client()).collect();
    for client in &mut endless {
        client.send(get("/stream-endless"));
    }
    for client in clients.iter_mut().chain(&mut endless) {
        // Served, or told to come back: parked answers and long threads are bounded.
        let answer = client.head();
        assert!(matches!(answer.status, 200 | 503), "{}", answer.status);
    }
    world.assert_ping();
}
