//! SIGTERM: an orderly end within 5 s whatever is going on, and nothing is lost by it.

use std::path::Path;
use std::time::Duration;

use crate::support::content::Content;
use crate::support::http::{Connection, request_bytes};
use crate::support::json::{self, Look};
use crate::support::peer::FileFault;
use crate::support::process::{Config, Jackdaw, KEY};
use crate::support::scene::Scene;
use crate::support::{Home, SOON, eventually};

/// The promise is 5 s; the rest is for a machine that runs all other tests at the same time.
const PROMISE: Duration = Duration::from_secs(7);

#[test]
fn an_idle_jackdaw_stops_cleanly() {
    let home = Home::new("stop-idle");
    let mut jackdaw = Jackdaw::start(&Config::new(&home.join("a")).downloads(""));
    let (took, status) = jackdaw.terminate();
    assert_eq!(status.code(), Some(0), "{status:?}");
    assert!(took < PROMISE, "{took:?}");
    jackdaw.restart();
}

#[test]
fn downloads_stop_at_once_and_go_on_later() {
    let content = Content::new(41, 2_000_003);
    let mut scene = Scene::start("stop-downloads", content, "idle_timeout = 60s");
    let item = scene.item();
    // The transfer waits for a byte that never comes when the signal arrives.
    scene.peer.set().file = FileFault::StallAt(500_000);
    let id = scene.radarr.grab(&item);
    eventually("the stall", SOON, || {
        (scene.radarr.find(&id)?.progress > 0.1).then_some(())
    });
    let (took, status) = scene.consumer.terminate();
    assert_eq!(status.code(), Some(0), "{status:?}");
    assert!(took < PROMISE, "{took:?}");
    scene.peer.set().file = FileFault::None;
    scene.restart();
    let download = scene.complete(&id);
    content.assert_equals(Path::new(download.output_path.as_ref().unwrap()));
    let last = scene.peer.file_requests().pop().unwrap();
    assert!(last.header("Range").is_some(), "it resumed");
}

#[test]
fn readers_that_do_not_read_do_not_hold_it_up() {
    let home = Home::new("stop-uploads");
    let films = home.join("films");
    Content::new(42, 64 << 20).write(&films.join("Film.2001.1080p.WEB-DL.x264-GROUP.mkv"));
    let mut friend =
        Jackdaw::start(&Config::new(&home.join("friend")).folder("Films", &films, "movies"));
    let id = eventually("the film to be shared", SOON, || {
        let list = json::parse(&friend.get("/peer/search").expect(200));
        list.at("items")?.list().first()?.text("id")
    });
    let target = format!("/peer/items/{}/file", crate::support::http::escape(&id));
    let mut readers: Vec<Connection> = (0..4)
        .map(|_| Connection::open(friend.address()).unwrap())
        .collect();
    for reader in &mut readers {
        let bytes = request_bytes(
            friend.address(),
            "GET",
            &target,
            &[("X-Api-Key", KEY)],
            None,
        );
        reader.send(&bytes).unwrap();
        let (head, _) = reader.head_only().unwrap();
        assert_eq!(head.status, 200);
    }
    let (took, status) = friend.terminate();
    assert_eq!(status.code(), Some(0), "{status:?}");
    assert!(took < PROMISE, "{took:?}");
}
