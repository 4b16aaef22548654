//! kill -9 in the middle of a download, again and again: in the end every byte is right.

use std::path::Path;

use crate::support::arr::{Arr, Kind, Status};
use crate::support::content::Content;
use crate::support::peer::{FakePeer, FileFault, Offer, PEER_KEY};
use crate::support::process::{Config, Jackdaw, KEY};
use crate::support::{Home, SOON, eventually};

const KILLS: usize = 20;

/// Bytes in part files.
fn partial_bytes(completed: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(completed.join(".partial")) else {
        return 0;
    };
    entries
        .flatten()
        .filter_map(|entry| entry.metadata().ok())
        .filter(std::fs::Metadata::is_file)
        .map(|metadata| metadata.len())
        .sum()
}

#[test]
fn twenty_kills_lose_nothing() {
    let home = Home::new("kill");
    let content = Content::new(21, 6_000_011);
    let title = "The.Matrix.1999.1080p.BluRay.x264-GROUP";
    let peer = FakePeer::start(vec![Offer::movie(
        "r:movie:1",
        title,
        603,
        "tt0133093",
        content,
    )]);
    let config = Config::new(&home.join("consumer"))
        .downloads("")
        .peer("jack", &peer.url(), PEER_KEY)
        .server("Main Radarr", "radarr");
    let completed = config.completed();
    let mut consumer = Jackdaw::start(&config);
    let mut radarr = Arr::new(Kind::Radarr, consumer.address(), "Main Radarr", KEY);
    radarr.test_client();
    let item = eventually("the release in the feed", SOON, || {
        radarr.movie(603, "tt0133093").into_iter().next()
    });
    // Slow enough that it cannot be done before the last kill.
    peer.set().file = FileFault::Drip(1_000_000);
    let id = radarr.grab(&item);
    let mut last = 0;
    for _ in 0..KILLS {
        let asked = peer.file_requests().len();
        eventually("more bytes in the part file", SOON, || {
            let have = partial_bytes(&completed);
            (have > last && (last == 0 || asked > 0)).then(|| last = have)
        });
        consumer.kill();
        // At most what was not yet written is lost; nothing that had been there before.
        last = partial_bytes(&completed);
        consumer.restart();
    }
    assert!(
        last < content.size,
        "the drip was too fast for {KILLS} kills"
    );
    peer.set().file = FileFault::None;
    radarr.address = consumer.address();
    let download = eventually("the download to complete", SOON, || {
        let download = radarr.find(&id).expect("a kill never loses a grab");
        assert_ne!(download.state, "error", "kills are no failed attempts");
        (download.status == Status::Completed).then_some(download)
    });
    content.assert_equals(Path::new(download.output_path.as_ref().unwrap()));
    assert_eq!(partial_bytes(&completed), 0);
    // It resumed instead of starting over each time.
    let resumed = peer
        .file_requests()
        .iter()
        .filter(|asked| asked.header("Range").is_some())
        .count();
    assert!(
        resumed >= KILLS / 2,
        "{resumed} of {KILLS} attempts resumed"
    );
}

#[test]
fn a_kill_after_the_end_keeps_the_finished_file() {
    let home = Home::new("kill-after");
    let content = Content::new(22, 100_003);
    let title = "The.Matrix.1999.1080p.BluRay.x264-GROUP";
    let peer = FakePeer::start(vec![Offer::movie(
        "r:movie:1",
        title,
        603,
        "tt0133093",
        content,
    )]);
    let config = Config::new(&home.join("consumer"))
        .downloads("")
        .peer("jack", &peer.url(), PEER_KEY)
        .server("Main Radarr", "radarr");
    let mut consumer = Jackdaw::start(&config);
    let mut radarr = Arr::new(Kind::Radarr, consumer.address(), "Main Radarr", KEY);
    radarr.test_client();
    let item = eventually("the release in the feed", SOON, || {
        radarr.movie(603, "tt0133093").into_iter().next()
    });
    let id = radarr.grab(&item);
    let complete = |radarr: &mut Arr| {
        eventually("the download to complete", SOON, || {
            radarr
                .find(&id)
                .filter(|download| download.status == Status::Completed)
        })
    };
    let before = complete(&mut radarr);
    consumer.kill();
    consumer.restart();
    radarr.address = consumer.address();
    let after = complete(&mut radarr);
    assert_eq!(after.output_path, before.output_path);
    content.assert_equals(Path::new(after.output_path.as_ref().unwrap()));
    assert_eq!(peer.file_requests().len(), 1, "it was not downloaded again");
}
