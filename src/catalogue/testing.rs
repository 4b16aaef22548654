//! What the tests of catalogue and store share: a database in a folder of its own, releases,
//! random numbers that are the same each time.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use crate::release::{Category, Release};
use crate::secret::random_hex;
use crate::store::Store;

/// A database that is deleted at the end.
pub(crate) struct Home {
    pub(crate) dir: PathBuf,
    pub(crate) store: Arc<Store>,
}

impl Home {
    pub(crate) fn new() -> Home {
        let dir = std::env::temp_dir().join(format!("jackdaw-catalogue-{}", random_hex::<8>()));
        std::fs::create_dir_all(&dir).unwrap();
        let store = Arc::new(Store::open(&dir).unwrap());
        Home { dir, store }
    }

    /// The same database, as after a restart.
    pub(crate) fn reopen(&self, check: impl FnOnce(Arc<Store>)) {
        check(Arc::new(Store::open(&self.dir).unwrap()));
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

/// Pieces of the index of words, which a search by words walks side by side.
pub(crate) fn segments(store: &Store) -> i64 {
    let query = "SELECT count(DISTINCT segid) FROM words_idx";
    store
        .read(|connection| Ok(connection.query_row(query, [], |row| row.get(0))?))
        .unwrap()
}

/// A movie of 1 GB.
pub(crate) fn movie(id: &str, title: &str, tmdb: u64) -> Release {
    Release {
        id: id.to_owned(),
        title: title.to_owned(),
        filename: format!("{title}.mkv"),
        category: Category::Movies,
        size: 1_000_000_000,
        imdb_id: None,
        tmdb_id: Some(tmdb),
        tvdb_id: None,
        quality: None,
        languages: Vec::new(),
        release_group: None,
        edition: None,
        media_info: None,
        series_title: None,
        season: None,
        episode: None,
        publish_date: None,
        air_date: None,
    }
}

/// An episode of 1 GB.
pub(crate) fn episode(id: &str, title: &str, tvdb: u64, season: u32, episode: u32) -> Release {
    Release {
        category: Category::Tv,
        tmdb_id: None,
        tvdb_id: Some(tvdb),
        series_title: Some("The Shów".into()),
        season: Some(season),
        episode: Some(episode),
        ..movie(id, title, 0)
    }
}

/// Xorshift: repeatable.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

/// What a [`TinyFriend`] answers: status, extra header lines, body.
pub(crate) type Answer = (u16, String, String);

/// A friend's server: answers each request by a function of its path, and counts them.
pub(crate) struct TinyFriend {
    pub(crate) url: String,
    requests: Arc<Mutex<Vec<String>>>,
    is_stopped: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl TinyFriend {
    /// `answer` gets path with query, and the whole request head.
    pub(crate) fn start(
        answer: impl Fn(&str, &str) -> Answer + Send + Sync + 'static,
    ) -> TinyFriend {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let is_stopped = Arc::new(AtomicBool::new(false));
        let thread = {
            let (requests, is_stopped) = (Arc::clone(&requests), Arc::clone(&is_stopped));
            let answer = Arc::new(answer);
            std::thread::spawn(move || {
                for stream in listener.incoming() {
                    if is_stopped.load(Ordering::SeqCst) {
                        return;
                    }
                    let (requests, answer) = (Arc::clone(&requests), Arc::clone(&answer));
                    std::thread::spawn(move || serve(stream.unwrap(), &requests, &*answer));
                }
            })
        };
        TinyFriend {
            url,
            requests,
            is_stopped,
            thread: Some(thread),
        }
    }

    /// A friend that has these releases.
    pub(crate) fn with(releases: Vec<Release>) -> TinyFriend {
        TinyFriend::start(move |path, _| ordinary(&releases, path))
    }

    /// Paths asked for since the last call.
    pub(crate) fn requests(&self) -> Vec<String> {
        std::mem::take(&mut *self.requests.lock().unwrap())
    }
}

impl Drop for TinyFriend {
    fn drop(&mut self) {
        self.is_stopped.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.url.trim_start_matches("http://"));
        let _ = self.thread.take().unwrap().join();
    }
}

/// What jack answers. Ids and numbers are not filtered by: a client must do that itself.
pub(crate) fn ordinary(releases: &[Release], path: &str) -> Answer {
    let json = |release: &Release| {
        let mut text = String::new();
        crate::peer::wire::write(release, &mut text);
        text
    };
    if path == "/handshake" {
        return (
            200,
            String::new(),
            r#"{"name":"tiny","version":"0.1.0"}"#.into(),
        );
    }
    if let Some(id) = path.strip_prefix("/peer/items/") {
        let id = id.replace("%3A", ":");
        return match releases.iter().find(|release| release.id == id) {
            Some(release) => (200, String::new(), json(release)),
            None => (404, String::new(), r#"{"error":"Not found"}"#.into()),
        };
    }
    let items: Vec<String> = releases.iter().map(json).collect();
    (
        200,
        String::new(),
        format!(r#"{{"items":[{}]}}"#, items.join(",")),
    )
}

fn serve(
    mut stream: TcpStream,
    requests: &Mutex<Vec<String>>,
    answer: &dyn Fn(&str, &str) -> Answer,
) {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read(&mut byte) {
            Ok(1) => head.push(byte[0]),
            _ => return,
        }
    }
    let head = String::from_utf8(head).unwrap();
    let path = head.split(' ').nth(1).unwrap().to_owned();
    requests.lock().unwrap().push(path.clone());
    let (status, headers, body) = answer(&path, &head);
    let length = if status == 304 {
        String::new()
    } else {
        format!(
            "Content-Type: application/json\r\nContent-Length: {}\r\n",
            body.len()
        )
    };
    let _ = stream.write_all(
        format!("HTTP/1.1 {status} X\r\n{length}{headers}Connection: close\r\n\r\n{body}")
            .as_bytes(),
    );
}
