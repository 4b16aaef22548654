//! For tests of the engine: a friend on a real socket that answers as it is told, and a consumer.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::Duration;

use super::tests::{Home, friend, new_grab};
use super::*;
use crate::catalogue::Origin;
use crate::grab::State;
use crate::peer::client::PeerClient;

pub const TITLE: &str = "A.Film.2000.1080p-GRP";
pub const NAME: &str = "a.film.mkv";
pub const ITEM: &str = "c:movie:1";
pub const SIZE: usize = 600_000;
/// How long a test waits for something that must happen.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A request to the friend's file route.
#[derive(Clone, Debug, Default)]
pub struct Ask {
    /// How many came before it.
    pub n: usize,
    pub range: Option<(u64, Option<u64>)>,
    pub if_range: Option<String>,
}

/// What the friend answers: the head as it goes over the wire, the bytes, and then perhaps
/// silence instead of the end.
pub struct Reply {
    pub head: String,
    pub body: Vec<u8>,
    pub stalls: bool,
}

pub fn reply(head: &str, body: &[u8]) -> Reply {
    Reply {
        head: head.into(),
        body: body.into(),
        stalls: false,
    }
}

/// As a good friend answers.
pub fn honest(ask: &Ask, data: &[u8], etag: &str) -> Reply {
    let is_current = ask.if_range.as_deref().is_none_or(|known| known == etag);
    match ask.range.filter(|_| is_current) {
        Some((first, last)) => {
            let last = last.map_or(data.len() - 1, |last| last as usize);
            let body = &data[first as usize..=last];
            let head = format!(
                "206 Partial Content\r\nETag: {etag}\r\nContent-Length: {}\r\n\
                 Content-Range: bytes {first}-{last}/{}",
                body.len(),
                data.len()
            );
            reply(&head, body)
        }
        None => {
            let head = format!("200 OK\r\nETag: {etag}\r\nContent-Length: {}", data.len());
            reply(&head, data)
        }
    }
}

/// Honest, but the body ends after so many bytes.
pub fn cut(ask: &Ask, data: &[u8], after: usize) -> Reply {
    let mut reply = honest(ask, data, "\"v1\"");
    reply.body.truncate(after);
    reply
}

pub type Files = dyn Fn(&Ask) -> Reply + Send + Sync;
pub type Items = dyn Fn(usize) -> String + Send + Sync;

/// A friend on a port of its own. It ends with the process.
pub struct Friend {
    pub client: Arc<PeerClient>,
    pub asked: Arc<Mutex<Vec<Ask>>>,
    /// While false, connections are closed unanswered.
    pub is_up: Arc<AtomicBool>,
}

impl Friend {
    pub fn new(name: &str, files: impl Fn(&Ask) -> Reply + Send + Sync + 'static) -> Friend {
        Friend::with_items(name, |_| item(TITLE, NAME, SIZE as u64), files)
    }

    pub fn with_items(
        name: &str,
        items: impl Fn(usize) -> String + Send + Sync + 'static,
        files: impl Fn(&Ask) -> Reply + Send + Sync + 'static,
    ) -> Friend {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let friend = Friend {
            client: friend(name, &url),
            asked: Arc::default(),
            is_up: Arc::new(AtomicBool::new(true)),
        };
        let (asked, is_up) = (Arc::clone(&friend.asked), Arc::clone(&friend.is_up));
        let (files, items): (Arc<Files>, Arc<Items>) = (Arc::new(files), Arc::new(items));
        let count = Arc::new(AtomicUsize::new(0));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (Ok(stream), true) = (stream, is_up.load(SeqCst)) else {
                    continue;
                };
                let (asked, files) = (Arc::clone(&asked), Arc::clone(&files));
                let (items, count) = (Arc::clone(&items), Arc::clone(&count));
                thread::spawn(move || serve(stream, &asked, &*files, &*items, &count));
            }
        });
        friend
    }

    pub fn asked(&self) -> Vec<Ask> {
        lock(&self.asked).clone()
    }
}

pub fn item(title: &str, filename: &str, size: u64) -> String {
    let json = format!(
        r#"{{"id":"{ITEM}","title":"{title}","filename":"{filename}","category":2000,"size":{size}}}"#
    );
    let length = json.len();
    format!("200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{json}")
}

pub fn serve(
    mut stream: TcpStream,
    asked: &Mutex<Vec<Ask>>,
    files: &Files,
    items: &Items,
    count: &AtomicUsize,
) {
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
    let mut first = String::new();
    let mut ask = Ask::default();
    for (index, line) in lines.by_ref().map_while(Result::ok).enumerate() {
        if line.is_empty() {
            break;
        }
        if index == 0 {
            first = line;
            continue;
        }
        let (name, value) = line.split_once(':').unwrap();
        match name.to_ascii_lowercase().as_str() {
            "if-range" => ask.if_range = Some(value.trim().into()),
            "range" => {
                let (a, b) = value
                    .trim()
                    .strip_prefix("bytes=")
                    .unwrap()
                    .split_once('-')
                    .unwrap();
                ask.range = Some((a.parse().unwrap(), b.parse().ok()));
            }
            _ => {}
        }
    }
    if !first.contains("/file ") {
        let answer = items(count.fetch_add(1, SeqCst));
        let _ = write!(stream, "HTTP/1.1 {answer}");
        return;
    }
    {
        let mut asked = lock(asked);
        ask.n = asked.len();
        asked.push(ask.clone());
    }
    let reply = files(&ask);
    let _ = write!(
        stream,
        "HTTP/1.1 {}\r\nConnection: close\r\n\r\n",
        reply.head
    );
    let _ = stream.write_all(&reply.body);
    if reply.stalls {
        // Until the other side goes.
        let _ = lines.next();
    }
}

/// A consumer with these friends; all offer the release.
pub struct Consumer {
    pub home: Home,
    pub friends: Vec<Arc<PeerClient>>,
    pub settings: config::Downloads,
    pub patience: Patience,
    pub downloads: Option<Arc<Downloads>>,
}

impl Consumer {
    pub fn new(friends: &[&Friend]) -> Consumer {
        Consumer::with(friends, |_| {})
    }

    pub fn with(friends: &[&Friend], change: impl FnOnce(&mut config::Downloads)) -> Consumer {
        let home = Home::new();
        let mut settings = home.settings();
        change(&mut settings);
        Consumer::start_new(home, friends, settings, Patience::default())
    }

    /// A consumer with other ideas of what is slow.
    pub fn with_patience(friends: &[&Friend], patience: Patience) -> Consumer {
        let home = Home::new();
        let settings = home.settings();
        Consumer::start_new(home, friends, settings, patience)
    }

    fn start_new(
        home: Home,
        friends: &[&Friend],
        settings: config::Downloads,
        patience: Patience,
    ) -> Consumer {
        let mut consumer = Consumer {
            home,
            patience,
            friends: friends.iter().map(|f| Arc::clone(&f.client)).collect(),
            settings,
            downloads: None,
        };
        consumer.start();
        consumer
    }

    pub fn start(&mut self) {
        self.downloads = Some(self.try_start().unwrap());
    }

    pub fn try_start(&self) -> Result<Arc<Downloads>, String> {
        let peers = Arc::new(Peers::new(self.friends.clone()));
        let origins: Vec<Origin> = self
            .friends
            .iter()
            .map(|friend| Origin {
                peer_id: friend.id().into(),
                item_id: ITEM.into(),
                filename: NAME.into(),
            })
            .collect();
        Downloads::start_with(
            self.settings.clone(),
            self.home.store(),
            peers,
            Box::new(move |_| Ok(origins.clone())),
            self.patience,
        )
    }

    pub fn stop(&mut self) {
        self.downloads = None;
    }

    pub fn engine(&self) -> &Downloads {
        self.downloads.as_ref().unwrap()
    }

    /// Grabs the release from the first friend.
    pub fn grab(&self) -> Infohash {
        let new = new_grab("radarr", &self.friends[0], TITLE, SIZE as u64, ITEM);
        self.engine().add(new).unwrap()
    }

    /// The same, added paused: a row, and no transfer yet.
    pub fn grab_paused(&self) -> Infohash {
        let new = NewGrab {
            paused: true,
            ..new_grab("radarr", &self.friends[0], TITLE, SIZE as u64, ITEM)
        };
        self.engine().add(new).unwrap()
    }

    pub fn get(&self, hash: &Infohash) -> Grab {
        self.engine().get(&Scope::All, hash).unwrap().unwrap()
    }

    pub fn wait(&self, hash: &Infohash, what: &str, is_done: impl Fn(&Grab) -> bool) -> Grab {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let grab = self.get(hash);
            if is_done(&grab) {
                return grab;
            }
            assert!(Instant::now() < deadline, "never {what}: {grab:?}");
            thread::sleep(Duration::from_millis(3));
        }
    }

    pub fn completed(&self, hash: &Infohash, data: &[u8]) -> Grab {
        let grab = self.wait(hash, "completed", |grab| {
            matches!(grab.state, State::Completed | State::Failed)
        });
        assert_eq!(grab.state, State::Completed, "{:?}", grab.reason);
        let path = self.home.done().join(&grab.folder).join(NAME);
        assert!(fs::read(&path).unwrap() == data, "wrong bytes");
        assert_eq!(grab.have, data.len() as u64);
        self.no_part(hash);
        grab
    }

    pub fn failed(&self, hash: &Infohash, reason: &str) -> Grab {
        let grab = self.wait(hash, "failed", |grab| {
            matches!(grab.state, State::Completed | State::Failed)
        });
        assert_eq!(grab.state, State::Failed);
        let told = grab.reason.clone().unwrap();
        assert!(told.contains(reason), "{told:?} does not say {reason:?}");
        assert!(!self.home.done().join(&grab.folder).exists());
        grab
    }

    pub fn no_part(&self, hash: &Infohash) {
        let hash = hash.to_string();
        let parts = fs::read_dir(self.home.done().join(".partial")).unwrap();
        for part in parts {
            let name = part.unwrap().file_name();
            assert!(!name.to_str().unwrap().contains(&hash), "{name:?} is left");
        }
    }
}

pub fn data() -> Vec<u8> {
    content(1)
}

pub fn content(seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    (0..SIZE)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state as u8
        })
        .collect()
}
