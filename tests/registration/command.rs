//! `jackdaw register`, the command.

use super::world::{TITLE, World, secret, top};
use crate::support::fake_arr::{App, Mood, Provider, value};
use crate::support::process;

#[test]
fn the_command_shows_does_and_undoes_it() {
    let world = World::new("register-command", App::Radarr);
    let store = || {
        let keys = world.store().remembered_arr(TITLE).unwrap();
        (keys, world.arr.providers("indexer").len())
    };
    let shown = world.jackdaw(&["--dry-run"]);
    assert_eq!(shown.code, Some(0), "{shown:?}");
    assert_eq!(
        shown.stdout,
        "radarr \"Main arr\": would do: download client made, indexer made, notification made\n"
    );
    assert_eq!(world.writes(), 0);
    assert_eq!(store(), (None, 0));

    let done = world.jackdaw(&[]);
    assert_eq!(done.code, Some(0), "{done:?}");
    let expected =
        "radarr \"Main arr\": download client made, indexer made, notification made; saved";
    assert!(done.stdout.starts_with(expected), "{done:?}");
    // The running one agrees, with nothing left to do.
    let writes = world.writes();
    world.registers(&[]);
    assert_eq!(world.writes(), writes);

    world.change(
        "downloadclient",
        world.only("downloadclient").id,
        |client| {
            client.top.insert("priority".into(), value("1"));
        },
    );
    let shown = world.jackdaw(&["--dry-run"]);
    assert_eq!(
        shown.stdout,
        "radarr \"Main arr\": would do: download client repaired (priority), indexer as wanted, \
         notification as wanted\n"
    );
    assert_eq!(world.writes(), writes);

    // Same name or same address alone is not ours to delete.
    let key = secret(&world.only("downloadclient"), "password");
    world.arr.plant(
        "downloadclient",
        r#"{"name":"Jackdaw","implementation":"TorrentBlackhole","tags":[],"fields":[]}"#,
    );
    let copy = world.only("indexer");
    let mut state = world.arr.state();
    let all = state.providers.get_mut("indexer").unwrap();
    all.push(Provider { id: 999, ..copy });
    all.last_mut()
        .unwrap()
        .top
        .insert("name".into(), value("\"By hand\""));
    drop(state);
    let removed = world.jackdaw(&["--remove"]);
    assert_eq!(removed.code, Some(0), "{removed:?}");
    assert!(
        removed.stdout.starts_with(
            "radarr \"Main arr\": indexer removed, notification removed, download client removed; \
             left: the indexer \"By hand\", which has another name; left: the download client \
             \"Jackdaw\", which does not lead to us; 2 keys revoked\n"
        ),
        "{removed:?}"
    );
    top(
        &world.only("downloadclient"),
        "implementation",
        "\"TorrentBlackhole\"",
    );
    top(&world.only("indexer"), "name", "\"By hand\"");
    assert!(world.arr.providers("notification").is_empty());
    assert_eq!(world.owner(&key), None);
    assert_eq!(store(), (None, 1));

    world.arr.state().mood = Mood::Starting;
    for arguments in [&[][..], &["--dry-run"], &["--remove"]] {
        let failed = world.jackdaw(arguments);
        assert_eq!(failed.code, Some(1), "{failed:?}");
        assert!(failed.stdout.contains("not ready yet"), "{failed:?}");
        assert!(
            failed.stderr.contains("failed for 1 of 1 servers"),
            "{failed:?}"
        );
    }
}

/// Containers have such variables for the way out; an arr is not out there.
#[test]
fn a_proxy_of_the_environment_is_not_used() {
    let world = World::new("register-proxy", App::Radarr);
    let mut command = std::process::Command::new(process::BINARY);
    command
        .args(["register", "--dry-run", "--config"])
        .arg(world.home.join("jackdaw.ini"));
    for name in ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"] {
        command.env(name, "http://127.0.0.1:9");
    }
    let shown = process::run_command(command);
    assert_eq!(shown.code, Some(0), "{shown:?}");
}

#[test]
fn the_command_makes_no_database() {
    let world = World::new("register-no-database", App::Radarr);
    let file = world.home.join("jackdaw.ini");
    let text = std::fs::read_to_string(&file).unwrap();
    let other = world.home.dir("other");
    let text = text.replace(
        world.home.join("data").to_str().unwrap(),
        other.to_str().unwrap(),
    );
    std::fs::write(&file, text).unwrap();
    let ended = world.jackdaw(&["--dry-run"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let ended = world.jackdaw(&[]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stderr.contains("start jackdaw first"), "{ended:?}");
    assert_eq!(std::fs::read_dir(&other).unwrap().count(), 0);
    assert_eq!(world.writes(), 0);
}
