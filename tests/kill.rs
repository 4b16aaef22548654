//! kill -9 in the middle of a download, again and again: in the end every byte is right.

use std::path::Path;

use crate::support::content::Content;
use crate::support::peer::FileFault;
use crate::support::scene::Scene;
use crate::support::{SOON, eventually};

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
    let content = Content::new(21, 6_000_011);
    let mut scene = Scene::start("kill", content, "");
    let completed = scene.consumer.config().completed();
    let item = scene.item();
    // Slow enough that it cannot be done before the last kill.
    scene.peer.set().file = FileFault::Drip(1_000_000);
    let id = scene.radarr.grab(&item);
    let mut last = 0;
    for _ in 0..KILLS {
        let asked = scene.peer.file_requests().len();
        eventually("more bytes in the part file", SOON, || {
            let have = partial_bytes(&completed);
            (have > last && (last == 0 || asked > 0)).then(|| last = have)
        });
        scene.consumer.kill();
        // At most what was not yet written is lost; nothing that had been there before.
        last = partial_bytes(&completed);
        scene.restart();
    }
    assert!(
        last < content.size,
        "the drip was too fast for {KILLS} kills"
    );
    scene.peer.set().file = FileFault::None;
    let download = scene.complete(&id);
    content.assert_equals(Path::new(download.output_path.as_ref().unwrap()));
    assert_eq!(partial_bytes(&completed), 0);
    // It resumed instead of starting over each time.
    let resumed = scene
        .peer
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
    let content = Content::new(22, 100_003);
    let mut scene = Scene::start("kill-after", content, "");
    let item = scene.item();
    let id = scene.radarr.grab(&item);
    let before = scene.complete(&id);
    scene.consumer.kill();
    scene.restart();
    let after = scene.complete(&id);
    assert_eq!(after.output_path, before.output_path);
    content.assert_equals(Path::new(after.output_path.as_ref().unwrap()));
    assert_eq!(
        scene.peer.file_requests().len(),
        1,
        "it was not downloaded again"
    );
}
