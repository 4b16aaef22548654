//! The list of grabs as clients see and change it, against a real database. Grabs are added
//! paused, so that nothing is transferred here.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use super::*;
use crate::config::AfterImport;
use crate::grab::State;
use crate::peer::client::PeerClient;
use crate::secret::{Secret, random_hex};
use crate::torrent::stub::Stub;

/// A temporary home, removed at the end.
pub struct Home(pub PathBuf);

impl Home {
    pub fn new() -> Home {
        let path = std::env::temp_dir().join(format!("jackdaw-downloads-{}", random_hex::<8>()));
        fs::create_dir_all(path.join("done")).unwrap();
        Home(path)
    }

    pub fn done(&self) -> PathBuf {
        self.0.join("done")
    }

    pub fn settings(&self) -> config::Downloads {
        config::Downloads {
            completed_path: self.done(),
            arr_path: "/arr".into(),
            max_concurrent: 2,
            max_attempts: 4,
            retry_base_delay: Duration::from_millis(10),
            retry_max_delay: Duration::from_millis(40),
            idle_timeout: Duration::from_secs(5),
            max_file_size: 100 << 30,
            min_free_space: 0,
            rate: config::RateSchedule::default(),
            after_import: AfterImport::Move,
            unlink_imported: false,
            import_poll_interval: Duration::from_secs(30),
            report_failures: true,
            umask: 0o022,
        }
    }

    pub fn store(&self) -> Arc<Store> {
        Arc::new(Store::open(&self.0).unwrap())
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A friend at this address.
pub fn friend(name: &str, url: &str) -> Arc<PeerClient> {
    Arc::new(PeerClient::new(config::Peer {
        name: name.into(),
        url: url.into(),
        api_key: Secret::new("key"),
        headers: Vec::new(),
    }))
}

/// A grab by `arr` of a release of `peer`.
pub fn new_grab(arr: &str, peer: &PeerClient, title: &str, size: u64, item: &str) -> NewGrab {
    let stub = Stub {
        title: title.into(),
        size,
        generation: 0,
        peer_id: peer.id().into(),
        item_id: item.into(),
    };
    NewGrab {
        arr: arr.into(),
        torrent: stub.to_bytes(),
        category: "tv".into(),
        tags: String::new(),
        paused: false,
        force_start: false,
        ratio_limit: -2.0,
        seeding_time_limit: -2,
        inactive_seeding_time_limit: -2,
        download_limit: 0,
    }
}

/// An engine whose friend is never asked.
struct Idle {
    home: Home,
    peer: Arc<PeerClient>,
    downloads: Arc<Downloads>,
}

impl Idle {
    fn new() -> Idle {
        let home = Home::new();
        let peer = friend("alice", "http://127.0.0.1:9");
        let peers = Arc::new(Peers::new(vec![Arc::clone(&peer)]));
        let downloads = Downloads::start_with(
            home.settings(),
            home.store(),
            peers,
            Box::new(|_| Ok(Vec::new())),
            Patience::default(),
        )
        .unwrap();
        Idle {
            home,
            peer,
            downloads,
        }
    }

    fn add(&self, arr: &str, title: &str) -> Infohash {
        let mut new = new_grab(arr, &self.peer, title, 1000, "c:movie:1");
        new.paused = true;
        self.downloads.add(new).unwrap()
    }

    fn titles(&self, scope: &Scope, category: Option<&str>) -> Vec<String> {
        let list = self.downloads.list(scope, category).unwrap();
        list.into_iter().map(|grab| grab.title).collect()
    }

    fn get(&self, arr: &str, hash: &Infohash) -> Grab {
        let grab = self.downloads.get(&Scope::Arr(arr.into()), hash).unwrap();
        grab.unwrap()
    }

    fn queue(&self) -> Vec<String> {
        let mut list = self.downloads.list(&Scope::All, None).unwrap();
        list.sort_by_key(|grab| grab.position);
        list.into_iter().map(|grab| grab.title).collect()
    }
}

fn one(hash: Infohash) -> Selection {
    Selection::Hashes(vec![hash])
}

fn arr(name: &str) -> Scope {
    Scope::Arr(name.into())
}

#[test]
fn an_accepted_grab_is_listed_at_once() {
    let desk = Idle::new();
    let before = desk.downloads.revision();
    let hash = desk.add("sonarr", "A.S01E01");
    assert!(desk.downloads.revision() > before);
    let grab = desk.get("sonarr", &hash);
    assert_eq!(grab.state, State::Paused);
    assert_eq!((grab.have, grab.size), (0, 1000));
    assert_eq!(grab.folder, "A.S01E01");
    assert_eq!(grab.last_activity, grab.added_at);
    assert_eq!(hash, crate::torrent::stub::base_hash("A.S01E01", 1000));
    let torrent = desk
        .downloads
        .torrent(&arr("sonarr"), &hash)
        .unwrap()
        .unwrap();
    assert_eq!(Stub::parse(&torrent).unwrap().1, hash);
}

#[test]
fn adding_again_changes_nothing_until_the_grab_has_ended() {
    let desk = Idle::new();
    let hash = desk.add("sonarr", "A");
    let first = desk.get("sonarr", &hash);
    let mut again = new_grab("sonarr", &desk.peer, "A", 1000, "c:movie:1");
    again.category = "other".into();
    assert_eq!(desk.downloads.add(again), Ok(hash));
    let second = desk.get("sonarr", &hash);
    assert_eq!((second.id, second.state), (first.id, State::Paused));
    assert_eq!(second.category, "tv");

    desk.downloads
        .engine
        .advance(first.id, &plain(Event::Finish))
        .unwrap();
    assert!(desk.downloads.mark_imported(&arr("sonarr"), &hash).unwrap());
    desk.add("sonarr", "A");
    let third = desk.get("sonarr", &hash);
    assert!(third.id > first.id);
    assert_eq!(third.state, State::Paused);
}

#[test]
fn arrs_do_not_see_or_touch_each_others_grabs() {
    let desk = Idle::new();
    let hash = desk.add("radarr", "A");
    assert_eq!(desk.add("sonarr", "A"), hash);
    desk.add("radarr", "B");
    assert_eq!(desk.titles(&arr("radarr"), None), ["A", "B"]);
    assert_eq!(desk.titles(&arr("sonarr"), Some("tv")), ["A"]);
    assert_eq!(desk.titles(&arr("sonarr"), Some("")), [""; 0]);
    assert_eq!(desk.titles(&Scope::All, None).len(), 3);
    // Two files of one title need two folders.
    assert_eq!(desk.get("radarr", &hash).folder, "A");
    assert_eq!(desk.get("sonarr", &hash).folder, "A (2)");

    desk.downloads
        .set_category(&arr("sonarr"), &Selection::All, "x")
        .unwrap();
    assert_eq!(desk.get("radarr", &hash).category, "tv");
    desk.downloads
        .delete(&arr("sonarr"), &Selection::All, true)
        .unwrap();
    assert_eq!(desk.titles(&Scope::All, None), ["A", "B"]);
    assert!(desk.downloads.get(&arr("sonarr"), &hash).unwrap().is_none());
}

#[test]
fn a_folder_that_is_there_already_is_not_used() {
    let desk = Idle::new();
    fs::create_dir(desk.home.done().join("A")).unwrap();
    fs::write(desk.home.done().join("A (2)"), b"").unwrap();
    let hash = desk.add("radarr", "A");
    assert_eq!(desk.get("radarr", &hash).folder, "A (3)");
}

#[test]
fn a_folder_that_cannot_be_looked_into_is_named() {
    let desk = Idle::new();
    let done = desk.home.done();
    fs::rename(&done, done.with_file_name("gone")).unwrap();
    fs::write(&done, b"not a folder").unwrap();
    let new = new_grab("radarr", &desk.peer, "A", 1000, "c:movie:1");
    let error = desk.downloads.add(new).unwrap_err();
    let AddError::Unavailable(text) = error else {
        panic!("{error:?}");
    };
    assert!(text.contains("cannot look into"), "{text}");
}

#[test]
fn what_cannot_be_fetched_is_refused() {
    let desk = Idle::new();
    let good = new_grab("radarr", &desk.peer, "A", 1000, "i");
    assert_eq!(desk.downloads.check(&good.torrent), Ok(()));
    assert!(matches!(
        desk.downloads.check(b"spam"),
        Err(AddError::Stub(_))
    ));
    let stranger = friend("bob", "http://127.0.0.1:10");
    assert_eq!(
        desk.downloads
            .add(new_grab("radarr", &stranger, "A", 1000, "i")),
        Err(AddError::UnknownPeer(stranger.id().into()))
    );
    let (size, limit) = ((100 << 30) + 1, 100 << 30);
    assert_eq!(
        desk.downloads
            .add(new_grab("radarr", &desk.peer, "A", size, "i")),
        Err(AddError::TooLarge { size, limit })
    );
    let largest = new_grab("radarr", &desk.peer, "A", limit, "i");
    assert_eq!(desk.downloads.check(&largest.torrent), Ok(()));
    assert!(desk.titles(&Scope::All, None).is_empty());
}

#[test]
fn deleting_moves_the_next_stub_one_generation_on() {
    let desk = Idle::new();
    let hash = desk.add("radarr", "A");
    let store = &desk.downloads.engine.store;
    assert_eq!(store.generation(Some("radarr"), &hash).unwrap(), 0);
    desk.downloads
        .delete(&Scope::All, &one(hash), false)
        .unwrap();
    assert_eq!(store.generation(Some("radarr"), &hash).unwrap(), 1);
    assert_eq!(store.generation(Some("sonarr"), &hash).unwrap(), 0);
}

#[test]
fn deleting_takes_the_part_file_and_only_on_request_the_finished_one() {
    let desk = Idle::new();
    let engine = &desk.downloads.engine;
    for (delete_files, is_finished, stays) in [
        (false, true, true),
        (true, true, false),
        (true, false, true),
    ] {
        let hash = desk.add("radarr", "A");
        let grab = desk.get("radarr", &hash);
        let file = engine.layout.finished(&grab.folder, "a.mkv");
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, b"x").unwrap();
        fs::write(engine.layout.part(grab.id, &hash), b"x").unwrap();
        engine.store.set_grab_file(grab.id, "a.mkv", 1000).unwrap();
        if is_finished {
            engine.advance(grab.id, &plain(Event::Finish)).unwrap();
        }
        desk.downloads
            .delete(&Scope::All, &one(hash), delete_files)
            .unwrap();
        assert_eq!(file.exists(), stays, "{delete_files} {is_finished}");
        assert!(!engine.layout.part(grab.id, &hash).exists());
        let _ = fs::remove_dir_all(file.parent().unwrap());
    }
}

#[test]
fn the_queue_can_be_reordered() {
    let desk = Idle::new();
    let hashes: Vec<Infohash> = ["A", "B", "C", "D"]
        .map(|title| desk.add("x", title))
        .into();
    let check = |which: &[usize], to: QueueMove, expected: [&str; 4]| {
        let which = Selection::Hashes(which.iter().map(|index| hashes[*index]).collect());
        desk.downloads
            .move_in_queue(&Scope::All, &which, to)
            .unwrap();
        assert_eq!(desk.queue(), expected, "{which:?} {to:?}");
    };
    check(&[3, 2], QueueMove::Top, ["C", "D", "A", "B"]);
    check(&[2], QueueMove::Up, ["C", "D", "A", "B"]);
    check(&[0], QueueMove::Up, ["C", "A", "D", "B"]);
    check(&[2, 0], QueueMove::Down, ["D", "C", "A", "B"]);
    check(&[1], QueueMove::Down, ["D", "C", "A", "B"]);
    check(&[3], QueueMove::Bottom, ["C", "A", "B", "D"]);
}

#[test]
fn tags_names_and_limits_are_kept() {
    let desk = Idle::new();
    let hash = desk.add("x", "A");
    let all = Scope::All;
    let tag = |more: &'static str| {
        move |mut tags: Vec<String>| {
            tags.push(more.into());
            tags
        }
    };
    desk.downloads
        .change_tags(&all, &one(hash), &tag("b"))
        .unwrap();
    desk.downloads
        .change_tags(&all, &one(hash), &tag("a"))
        .unwrap();
    desk.downloads
        .change_tags(&all, &one(hash), &tag("b"))
        .unwrap();
    desk.downloads
        .set_share_limits(&all, &one(hash), Some(1.5), None, Some(7))
        .unwrap();
    desk.downloads
        .set_share_limits(&all, &one(hash), Some(f64::NAN), Some(3), None)
        .unwrap();
    desk.downloads
        .set_download_limit(&all, &one(hash), u64::MAX)
        .unwrap();
    desk.downloads
        .set_upload_limit(&all, &one(hash), 5)
        .unwrap();
    let grab = desk.get("x", &hash);
    assert_eq!(grab.tags, "a, b");
    assert_eq!(
        (
            grab.ratio_limit,
            grab.seeding_time_limit,
            grab.inactive_seeding_time_limit
        ),
        (1.5, 3, 7)
    );
    assert_eq!(
        (grab.download_limit, grab.upload_limit),
        (i64::MAX as u64, 5)
    );
    desk.downloads.set_global_limit(7);
    assert_eq!(desk.downloads.global_limit(), 7);
}

#[test]
fn recheck_finds_missing_and_short_files() {
    let desk = Idle::new();
    let engine = &desk.downloads.engine;
    for (content, expected) in [
        (Some(vec![1; 1000]), State::Completed),
        (Some(vec![1; 999]), State::Queued),
        (None, State::Queued),
    ] {
        let hash = desk.add("x", "A");
        let grab = desk.get("x", &hash);
        let file = engine.layout.finished(&grab.folder, "a.mkv");
        engine.store.set_grab_file(grab.id, "a.mkv", 1000).unwrap();
        engine.advance(grab.id, &plain(Event::Finish)).unwrap();
        if let Some(content) = &content {
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(&file, content).unwrap();
        }
        // Held back: what is checked is the decision, not what the queue makes of it.
        lock(&engine.desk).is_stopping = true;
        desk.downloads.recheck(&Scope::All, &one(hash)).unwrap();
        assert_eq!(desk.get("x", &hash).state, expected, "{content:?}");
        desk.downloads
            .delete(&Scope::All, &one(hash), true)
            .unwrap();
        let _ = fs::remove_dir_all(file.parent().unwrap());
    }
}

#[test]
fn failures_are_told_once() {
    let desk = Idle::new();
    let hash = desk.add("x", "A");
    let engine = &desk.downloads.engine;
    lock(&engine.desk).is_stopping = true;
    desk.downloads.resume(&Scope::All, &one(hash)).unwrap();
    let id = desk.get("x", &hash).id;
    for event in [Event::Start, Event::Fail] {
        engine.advance(id, &plain(event)).unwrap().unwrap();
    }
    assert_eq!(desk.downloads.unreported_failures("x").unwrap().len(), 1);
    assert!(desk.downloads.unreported_failures("y").unwrap().is_empty());
    desk.downloads.set_failure_reported(id).unwrap();
    assert!(desk.downloads.unreported_failures("x").unwrap().is_empty());
}
