//! A jackdaw with one Radarr or Sonarr, and grabs whose transfers have ended.
//!
//! Finished and failed grabs are put into the database as a transfer leaves them, for transfers
//! have tests of their own; [`with_friend`] is for those that go all the way.

use std::fs;
use std::path::{Path, PathBuf};

use jackdaw::clock::now_unix;
use jackdaw::grab::{Grab, State};
use jackdaw::secret::{Secret, digest, hex};
use jackdaw::store::{Added, NewRow, Store};
use jackdaw::torrent::stub::{Infohash, Stub};

use crate::support::arr::{Arr, Item, Kind};
use crate::support::content::Content;
use crate::support::fake_arr::{App, FakeArr, Mood};
use crate::support::fake_cdh::Tracked;
use crate::support::http::{Answer, request};
use crate::support::peer::{FakePeer, FileFault, Offer, PEER_KEY};
use crate::support::process::{Config, Jackdaw, KEY};
use crate::support::{Home, SOON, eventually};

pub const RADARR: &str = "Main Radarr";
pub const SONARR: &str = "TV Sonarr";
pub const TITLE: &str = "The.Matrix.1999.1080p.BluRay.x264-GROUP";
pub const FILE: &str = "The.Matrix.1999.1080p.BluRay.x264-GROUP.mkv";
pub const CATEGORY: &str = "jackdaw-arr";
pub const DESTINATION: &str = "destination = true\nsource = false\nautoregister = false";
/// Long enough that no test sees a second poll without a reason.
pub const RARELY: &str = "import_poll_interval = 24h\n";
pub const OFTEN: &str = "import_poll_interval = 1s\n";

/// A grab about to be put into the database. The hash is made from its number.
#[derive(Clone, Copy)]
pub struct Planted {
    pub arr: &'static str,
    pub number: u8,
    pub state: State,
    /// Seconds since it was completed.
    pub age: u64,
}

pub const FINISHED: Planted = Planted {
    arr: RADARR,
    number: 1,
    state: State::Completed,
    age: 0,
};

/// Long enough ago for the arr to have listed it.
pub const FAILED: Planted = Planted {
    state: State::Failed,
    age: 3600,
    ..FINISHED
};

impl Planted {
    pub fn infohash(&self) -> Infohash {
        Infohash([self.number; 20])
    }

    /// As an arr writes it.
    pub fn id(&self) -> String {
        self.infohash().to_string().to_uppercase()
    }

    pub fn title(&self) -> String {
        match self.number {
            1 => TITLE.into(),
            number => format!("{TITLE}-{number}"),
        }
    }

    pub fn content(&self) -> Content {
        Content::new(u64::from(self.number), 10_007)
    }

    pub fn file(&self, config: &Config) -> PathBuf {
        config.completed().join(self.title()).join(FILE)
    }

    /// Writes the row, and the file of a finished one.
    pub fn plant(&self, config: &Config, data: &Path) {
        fs::create_dir_all(data).unwrap();
        let stub = Stub {
            title: self.title(),
            size: self.content().size,
            generation: 0,
            peer_id: "00000000".into(),
            item_id: "a:movie:1".into(),
        };
        let added_at = now_unix() - self.age;
        let grab = Grab {
            base_hash: self.infohash(),
            category: CATEGORY.into(),
            state: self.state,
            ..Grab::of_stub(self.arr, self.infohash(), stub, self.title(), added_at)
        };
        let store = Store::open(data).unwrap();
        let row = NewRow { grab, stub: b"x" };
        let Added::Fresh { id, .. } = store.insert_grab(&row).unwrap() else {
            panic!("planted twice");
        };
        drop(store);
        if self.state == State::Completed {
            self.content().write(&self.file(config));
            database(data)
                .execute(
                    "UPDATE grab SET filename = ?2, completed_at = ?3 WHERE id = ?1",
                    rusqlite::params![id, FILE, (now_unix() - self.age) as i64],
                )
                .unwrap();
        }
    }
}

pub fn database(data: &Path) -> rusqlite::Connection {
    let database = rusqlite::Connection::open(data.join("jackdaw.db")).unwrap();
    database.busy_timeout(SOON).unwrap();
    database
}

/// A jackdaw, its Radarr, and the folder that Radarr calls its library.
pub struct Rig {
    // First to be dropped.
    pub jackdaw: Jackdaw,
    pub arr: FakeArr,
    pub data: PathBuf,
    pub library: PathBuf,
    pub _home: Home,
}

impl Rig {
    /// `downloads` are more lines of that section.
    pub fn start(name: &str, downloads: &str, grabs: &[Planted]) -> Rig {
        Rig::of(App::Radarr, name, downloads, grabs)
    }

    pub fn of(app: App, name: &str, downloads: &str, grabs: &[Planted]) -> Rig {
        let arr = FakeArr::start(app);
        Rig::with(arr, name, downloads, "", grabs)
    }

    /// `more` are further sections.
    pub fn with(arr: FakeArr, name: &str, downloads: &str, more: &str, grabs: &[Planted]) -> Rig {
        let home = Home::new(name);
        let title = title(arr.app);
        let library = home.dir("library");
        let map = format!("path_map = /movies -> {}", library.display());
        let server = arr.section(title, &format!("{DESTINATION}\n{map}"));
        let config = Config::new(&home.join("a"))
            .downloads(downloads)
            .section(&server)
            .section(more);
        let data = home.join("a/data");
        for grab in grabs {
            grab.plant(&config, &data);
        }
        let jackdaw = Jackdaw::start(&config);
        arr.plant_client(jackdaw.address(), title, KEY, CATEGORY);
        Rig {
            jackdaw,
            arr,
            data,
            library,
            _home: home,
        }
    }

    pub fn file(&self, grab: Planted) -> PathBuf {
        grab.file(self.jackdaw.config())
    }

    /// State of a grab and whether its failure was told; `None`: it is gone.
    pub fn row(&self, grab: Planted) -> Option<(String, bool)> {
        let database = database(&self.data);
        let mut statement = database
            .prepare("SELECT state, failure_reported FROM grab WHERE infohash = ?1")
            .unwrap();
        let mut rows = statement.query([grab.infohash().to_string()]).unwrap();
        let row = rows.next().unwrap()?;
        Some((row.get(0).unwrap(), row.get(1).unwrap()))
    }

    pub fn wait_for_row(&self, grab: Planted, expected: Option<(&str, bool)>) {
        eventually(&format!("{expected:?}"), SOON, || {
            let row = self.row(grab);
            let row = row.as_ref().map(|(state, told)| (&state[..], *told));
            (row == expected).then_some(())
        });
    }

    pub fn wait_for_log(&self, text: &str) {
        eventually(&format!("{text:?} in the log"), SOON, || {
            self.jackdaw.log().contains(text).then_some(())
        });
    }

    /// Lines of the log with this text.
    pub fn logged(&self, text: &str) -> usize {
        let log = self.jackdaw.log();
        log.lines().filter(|line| line.contains(text)).count()
    }

    /// Waits until the arr was asked for its history so often.
    pub fn wait_for_polls(&self, count: usize) {
        self.wait_for_calls("GET", "/history/since", count);
    }

    pub fn wait_for_calls(&self, method: &str, path: &str, count: usize) {
        eventually(&format!("{count} of {method} {path}"), SOON, || {
            (self.arr.calls(method, path).len() >= count).then_some(())
        });
    }

    /// The only download that the arr sees.
    pub fn tracked(&self) -> Tracked {
        let mut all = self.arr.poll();
        assert_eq!(all.len(), 1, "{all:?}");
        all.remove(0)
    }

    /// Puts a file into the library by a path that only the arr knows, and into its history.
    pub fn land(&self, grab: Planted, name: &str, link: impl FnOnce(&Path, &Path)) -> PathBuf {
        let copy = self.library.join(name);
        link(&self.file(grab), &copy);
        self.say_imported(grab, &format!("/movies/{name}"));
        copy
    }

    pub fn say_imported(&self, grab: Planted, path: &str) {
        let data = [("droppedPath", "/somewhere"), ("importedPath", path)];
        self.arr
            .add_history("downloadFolderImported", &grab.id(), &data);
    }

    pub fn hook(&self, headers: &[(&str, &str)], server: &str, body: &[u8]) -> Answer {
        let target = format!("/hook/{server}");
        let address = self.jackdaw.address();
        request(address, "POST", &target, headers, Some(body))
    }
}

pub fn title(app: App) -> &'static str {
    match app {
        App::Radarr => RADARR,
        App::Sonarr => SONARR,
    }
}

pub fn hard_link(from: &Path, to: &Path) {
    fs::hard_link(from, to).unwrap();
}

pub fn copy(from: &Path, to: &Path) {
    fs::copy(from, to).unwrap();
}

pub const KEYED: &[(&str, &str)] = &[("X-Api-Key", KEY), ("Content-Type", "application/json")];

pub fn event(name: &str, grab: Planted) -> Vec<u8> {
    let id = grab.id();
    format!(r#"{{"eventType":"{name}","downloadId":"{id}","isUpgrade":false}}"#).into_bytes()
}

/// A Radarr that is still starting, so that a test can put things in order first.
pub fn starting(name: &str, downloads: &str, grabs: &[Planted]) -> Rig {
    let arr = FakeArr::start(App::Radarr);
    arr.state().mood = Mood::Starting;
    Rig::with(arr, name, downloads, "", grabs)
}

impl Rig {
    pub fn ready(&self) {
        self.arr.state().mood = Mood::Well;
    }
}

/// A rig with a friend that has the film, and the same Radarr as its client.
pub fn with_friend(name: &str, downloads: &str, fault: FileFault) -> (Rig, FakePeer, Arr) {
    let offer = Offer::movie("r:movie:1", TITLE, 603, "tt0133093", FINISHED.content());
    let peer = FakePeer::start(vec![offer]);
    peer.set().file = fault;
    let section = format!(
        "[peer \"friend\"]\nurl = {}\napi_key = {PEER_KEY}",
        peer.url()
    );
    let rig = Rig::with(FakeArr::start(App::Radarr), name, downloads, &section, &[]);
    let mut radarr = Arr::new(Kind::Radarr, rig.jackdaw.address(), RADARR, KEY);
    radarr.category = CATEGORY.into();
    radarr.test_client();
    (rig, peer, radarr)
}

pub fn found(radarr: &Arr) -> Item {
    eventually("the release in the feed", SOON, || {
        radarr.movie(603, "tt0133093").into_iter().next()
    })
}

/// A key as registration makes it.
pub fn make_key(data: &Path, title: &str) -> Secret {
    let key = hex(&digest(title))[..32].to_owned();
    database(data)
        .execute(
            "INSERT INTO key (role, name, sha256, created_at) VALUES ('arr', ?1, ?2, 1)",
            rusqlite::params![title, digest(&key)],
        )
        .unwrap();
    Secret::new(key)
}
