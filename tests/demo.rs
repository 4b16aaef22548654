//! `jackdaw demo`, the README's first command.

use std::process::{Command, Stdio};

use crate::support::content::Content;
use crate::support::process::{BINARY, run_command, signal};
use crate::support::{Home, SOON, eventually};

#[test]
fn a_shared_folder_arrives() {
    let home = Home::new("demo");
    let temporary = home.dir("tmp");
    let name = "Night.of.the.Living.Dead.1968.720p.BluRay.x264-GROUP";
    Content::new(31, 5_000_003).write(&home.join(&format!("share/{name}.mkv")));
    let mut command = Command::new(BINARY);
    command
        .args(["demo", "--share"])
        .arg(home.join("share"))
        .env("TMPDIR", &temporary)
        .current_dir(home.path());
    let ended = run_command(command);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    for word in [name, "verified", "MiB/s", "peak memory"] {
        assert!(ended.stdout.contains(word), "{word}: {}", ended.stdout);
    }
    let left = std::fs::read_dir(&temporary).unwrap().count();
    assert_eq!(left, 0, "the temporary home is removed");
}

#[test]
fn a_folder_that_is_not_there_is_named() {
    let home = Home::new("demo-missing");
    let mut command = Command::new(BINARY);
    command
        .args(["demo", "--share", "nowhere"])
        .env("TMPDIR", home.path())
        .current_dir(home.path());
    let ended = run_command(command);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stderr.contains("nowhere"), "{ended:?}");
}

#[test]
fn an_interrupt_cleans_up() {
    let home = Home::new("demo-interrupt");
    let temporary = home.dir("tmp");
    // Nothing that could be shared: it searches until it is interrupted.
    home.dir("share");
    let mut demo = Command::new(BINARY)
        .args(["demo", "--share"])
        .arg(home.join("share"))
        .env("TMPDIR", &temporary)
        .current_dir(home.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let configured = |name: &str| {
        let mut homes = std::fs::read_dir(&temporary).unwrap().flatten();
        homes.any(|entry| entry.path().join(name).exists())
    };
    eventually("the consumer to be started", SOON, || {
        configured("consumer-data").then_some(())
    });
    signal(demo.id(), rustix::process::Signal::INT);
    let status = eventually("the demo to end", SOON, || demo.try_wait().unwrap());
    assert_eq!(status.code(), Some(1));
    assert_eq!(std::fs::read_dir(&temporary).unwrap().count(), 0);
}
