//! Files: byte-exact, in ranges, beyond 4 GiB, shrinking, stalled, paced.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use jackdaw::http::Pace;

use super::client::*;
use super::world::*;

fn pattern(length: usize) -> Vec<u8> {
    (0..length)
        .map(|at| ((at * 7 + at / 256) % 251) as u8)
        .collect()
}

#[test]
fn files_are_byte_exact() {
    let world = World::new();
    let film = pattern(3_000_001);
    world.write_film(&film);
    let mut client = world.client();
    let answer = client.ask(&get("/file"));
    assert!(answer.body == film);
    assert_eq!(
        answer.header("Content-Type"),
        Some("application/octet-stream")
    );
    assert_eq!(answer.header("Accept-Ranges"), Some("bytes"));
    assert_eq!(
        answer.header("Content-Disposition"),
        Some("attachment; filename=\"a film.mkv\"")
    );
    let etag = answer.header("ETag").unwrap().to_owned();
    world.guard_dropped.recv_timeout(PATIENCE).unwrap();
    let mut ask =
        |lines: &str| client.ask(&format!("GET /file HTTP/1.1\r\nHost: h\r\n{lines}\r\n\r\n"));
    let part = ask("Range: bytes=1000000-2000000");
    assert_eq!(part.status, 206);
    assert_eq!(
        part.header("Content-Range"),
        Some("bytes 1000000-2000000/3000001")
    );
    assert!(part.body == film[1_000_000..=2_000_000]);
    let tail = ask("Range: bytes=-1");
    assert_eq!(
        (tail.status, tail.body.as_slice()),
        (206, &film[3_000_000..])
    );
    let past = ask("Range: bytes=3000001-");
    assert_eq!(past.status, 416);
    assert_eq!(past.header("Content-Range"), Some("bytes */3000001"));
    assert_eq!(past.header("Content-Length"), Some("0"));
    assert_eq!(ask("Range: bytes=-0").status, 416);
    assert_eq!(ask("Range: bytes=5-1").status, 200);
    assert_eq!(ask("Range: bytes=0-1,5-6").status, 200);
    assert_eq!(ask(&format!("If-None-Match: {etag}")).status, 304);
    assert_eq!(
        ask(&format!("Range: bytes=0-1\r\nIf-Range: {etag}")).status,
        206
    );
    assert_eq!(ask("Range: bytes=0-1\r\nIf-Range: \"other\"").status, 200);
    std::fs::remove_file(&world.state.file).unwrap();
    assert_eq!(
        ask("Range: bytes=0-1").text(),
        "{\"error\":\"File not found\"}"
    );
}

#[test]
fn empty_file() {
    let world = World::new();
    world.write_film(b"");
    let mut client = world.client();
    let answer = client.ask(&get("/file"));
    assert_eq!(
        (answer.status, answer.header("Content-Length")),
        (200, Some("0"))
    );
    let ranged = client.ask("GET /file HTTP/1.1\r\nHost: h\r\nRange: bytes=0-\r\n\r\n");
    assert_eq!(ranged.status, 416);
}

#[test]
fn offsets_beyond_four_gib() {
    const SIZE: u64 = 5 << 30;
    const MARK: u64 = (4 << 30) + 4_321;
    let world = World::new();
    let film = File::create(&world.state.file).unwrap();
    film.set_len(SIZE).unwrap();
    film.write_all_at(b"mark", MARK).unwrap();
    let mut client = world.client();
    let head = client.ask("HEAD /file HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!(head.header("Content-Length"), Some("5368709120"));
    let range = format!("Range: bytes={}-{}", MARK - 2, MARK + 5);
    let part = client.ask(&format!("GET /file HTTP/1.1\r\nHost: h\r\n{range}\r\n\r\n"));
    assert_eq!(part.body, b"\0\0mark\0\0");
    let whole = format!("bytes {}-{}/{SIZE}", MARK - 2, MARK + 5);
    assert_eq!(part.header("Content-Range"), Some(whole.as_str()));
    // A long span across the border, read as it comes.
    client.send(format!(
        "GET /file HTTP/1.1\r\nHost: h\r\nRange: bytes={}-\r\n\r\n",
        (4_u64 << 30) - 100_000_000
    ));
    let head = client.head();
    let expected = SIZE - (4 << 30) + 100_000_000;
    assert_eq!(
        head.header("Content-Length"),
        Some(expected.to_string().as_str())
    );
    let mut buffer = vec![0; 1 << 20];
    let (mut received, mut marks) = (0, 0);
    while received < expected {
        let count = client.reader.read(&mut buffer).unwrap();
        assert!(count > 0, "ended at {received} of {expected}");
        marks += buffer[..count].iter().filter(|byte| **byte != 0).count();
        received += count as u64;
    }
    assert_eq!((received, marks), (expected, 4));
    assert_eq!(
        client.ask(&get("/ping")).status,
        200,
        "exactly the span was sent"
    );
}

#[test]
fn a_file_that_shrinks_ends_the_connection() {
    let world = World::new();
    world.write_film(&pattern(64 << 20));
    let mut client = world.client();
    client.send(get("/file") + &get("/ping"));
    assert_eq!(client.head().status, 200);
    let film = File::options().write(true).open(&world.state.file).unwrap();
    film.set_len(0).unwrap();
    let mut rest = Vec::new();
    let _ = client.reader.read_to_end(&mut rest);
    assert!(rest.len() < 64 << 20, "{}", rest.len());
    assert!(
        rest == pattern(64 << 20)[..rest.len()],
        "never padded, no other answer inside"
    );
    world.guard_dropped.recv_timeout(PATIENCE).unwrap();
}

#[test]
fn a_stalled_reader_is_cut_and_its_slot_freed() {
    let world = World::with(|settings| {
        settings.timeouts.stall = Duration::from_millis(400);
        settings.timeouts.send_poll = Duration::from_millis(100);
    });
    world.write_film(&vec![b'f'; 64 << 20]);
    let mut clients: Vec<_> = (0..16).map(|_| world.client()).collect();
    for client in &mut clients {
        client.send(get("/file"));
    }
    for _ in 0..16 {
        world.guard_dropped.recv_timeout(PATIENCE).unwrap();
    }
    world.assert_ping();
}

#[test]
fn guard_is_dropped_when_nobody_fetches_the_file() {
    let world = World::new();
    world.write_film(b"film");
    world.ask("HEAD /file HTTP/1.1\r\nHost: h\r\n\r\n");
    world.guard_dropped.recv_timeout(PATIENCE).unwrap();
    world.ask("GET /file HTTP/1.1\r\nHost: h\r\nIf-None-Match: *\r\n\r\n");
    world.guard_dropped.recv_timeout(PATIENCE).unwrap();
}

/// Allows little at a time and counts.
#[derive(Default)]
struct Counting {
    sent: AtomicU64,
}

impl Pace for Counting {
    fn permit(&self, wanted: u64) -> u64 {
        wanted.min(50_000)
    }

    fn sent(&self, sent: u64, _permitted: u64) {
        self.sent.fetch_add(sent, Ordering::SeqCst);
    }
}

#[test]
fn files_are_paced_and_metered() {
    let pace = Arc::new(Counting::default());
    let world = World::paced(Some(pace.clone()), |_| {});
    let film = pattern(1_234_567);
    world.write_film(&film);
    assert!(world.get("/file").body == film);
    world.guard_dropped.recv_timeout(PATIENCE).unwrap();
    assert_eq!(pace.sent.load(Ordering::SeqCst), 1_234_567);
}
