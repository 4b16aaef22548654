//! What cannot work is said in one clear line, with the promised exit code. And what a process that
//! has started looks like from outside.

use std::net::TcpListener;

use crate::support::Home;
use crate::support::process::{Config, Ended, Jackdaw, run};

/// Runs until it gives up; the last line must have all the words.
fn gives_up(config: &Config, code: i32, words: &[&str]) -> Ended {
    let file = config.write();
    let ended = run(
        &["run", "--config", file.to_str().unwrap()],
        file.parent().unwrap(),
    );
    assert_eq!(ended.code, Some(code), "{ended:?}");
    let last = ended.stderr.lines().last().unwrap_or_default();
    for word in words {
        assert!(last.contains(word), "{word:?} is not in: {last}\n{ended:?}");
    }
    assert!(!ended.stderr.contains("panicked"), "{ended:?}");
    ended
}

#[test]
fn a_port_in_use() {
    let home = Home::new("port");
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let file = Config::new(&home.join("a")).write();
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("127.0.0.1:0", &address)).unwrap();
    let ended = run(&["run", "--config", file.to_str().unwrap()], home.path());
    assert_eq!(ended.code, Some(1), "{ended:?}");
    let last = ended.stderr.lines().last().unwrap();
    assert!(last.contains(&address), "{last}");
}

#[test]
fn an_unwritable_download_folder() {
    let home = Home::new("unwritable-downloads");
    // Tests may run as root, for whom every permission is granted: a file in the way stops anybody.
    std::fs::write(home.join("file"), "").unwrap();
    let folder = home.join("file/completed");
    let config = Config::new(&home.join("a")).section(&format!(
        "[downloads]\ncompleted_path = {}",
        folder.display()
    ));
    gives_up(&config, 1, &[folder.to_str().unwrap()]);
}

#[test]
fn an_unwritable_data_folder() {
    let home = Home::new("unwritable-data");
    std::fs::write(home.join("file"), "").unwrap();
    let file = Config::new(&home.join("a")).write();
    let folder = home.join("file/data");
    let text = std::fs::read_to_string(&file).unwrap();
    let data = home.join("a/data");
    let text = text.replace(data.to_str().unwrap(), folder.to_str().unwrap());
    std::fs::write(&file, text).unwrap();
    let ended = run(&["run", "--config", file.to_str().unwrap()], home.path());
    assert_eq!(ended.code, Some(1), "{ended:?}");
    let last = ended.stderr.lines().last().unwrap();
    assert!(last.contains(folder.to_str().unwrap()), "{last}");
}

#[test]
fn a_corrupt_database() {
    let home = Home::new("corrupt");
    let data = home.dir("a/data");
    std::fs::write(data.join("jackdaw.db"), [0x5a; 8192]).unwrap();
    let config = Config::new(&home.join("a"));
    gives_up(
        &config,
        1,
        &[
            data.to_str().unwrap(),
            "database is damaged",
            "put back a copy",
        ],
    );
    // It may still be worth something to its owner.
    assert_eq!(
        std::fs::read(data.join("jackdaw.db")).unwrap(),
        [0x5a; 8192]
    );
}

#[test]
fn a_database_from_the_future() {
    let home = Home::new("future");
    let data = home.dir("a/data");
    let database = rusqlite::Connection::open(data.join("jackdaw.db")).unwrap();
    database.pragma_update(None, "user_version", 9999).unwrap();
    drop(database);
    let config = Config::new(&home.join("a"));
    gives_up(&config, 1, &[data.to_str().unwrap(), "database", "newer"]);
}

#[test]
fn a_bad_configuration_names_every_problem() {
    let home = Home::new("bad-config");
    let file = home.join("jackdaw.ini");
    std::fs::write(
        &file,
        "[jackdaw]\nlisten = nowhere\nhttp_wrokers = 4\n\n[downloads]\nidle_timeout = 60\n",
    )
    .unwrap();
    for command in ["run", "check"] {
        let ended = run(&[command, "--config", file.to_str().unwrap()], home.path());
        assert_eq!(ended.code, Some(2), "{ended:?}");
        let all = format!("{}{}", ended.stdout, ended.stderr);
        for words in [
            &["jackdaw.ini:2", "listen"][..],
            &["jackdaw.ini:3", "http_wrokers", "http_workers"],
            &["jackdaw.ini:6", "idle_timeout"],
            &["completed_path"],
        ] {
            assert!(
                all.lines()
                    .any(|line| words.iter().all(|w| line.contains(w))),
                "no line with {words:?}:\n{all}"
            );
        }
    }
}

#[test]
fn a_missing_configuration_file_that_was_named() {
    let home = Home::new("no-config");
    let ended = run(&["run", "--config", "nowhere.ini"], home.path());
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert!(ended.stderr.contains("nowhere.ini"), "{ended:?}");
}

/// Heaps that glibc has made beside the first: each is mapped at a multiple of 64 MiB (its
/// `HEAP_MAX_SIZE` where pointers have 64 bits), writable at its beginning and named after no file.
#[cfg(all(target_env = "gnu", target_pointer_width = "64"))]
fn further_heaps(jackdaw: &Jackdaw) -> usize {
    let maps = std::fs::read_to_string(format!("/proc/{}/maps", jackdaw.pid())).unwrap();
    let is_heap = |line: &&str| {
        let (start, rest) = line.split_once('-').unwrap();
        let start = u64::from_str_radix(start, 16).unwrap();
        let is_nameless = rest.split_ascii_whitespace().nth(5).is_none();
        start.is_multiple_of(64 << 20) && rest.contains(" rw-p ") && is_nameless
    };
    maps.lines().filter(is_heap).count()
}

#[cfg(all(target_env = "gnu", target_pointer_width = "64"))]
#[test]
fn all_threads_share_two_heaps() {
    let home = Home::new("heaps");
    let jackdaw = Jackdaw::start(&Config::new(&home.join("a")));
    // Every worker, a thread for each connection, and a long thread for each search.
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| jackdaw.get("/torznab/api?t=search").expect(200));
        }
    });
    assert!(jackdaw.threads() > 4);
    assert_eq!(further_heaps(&jackdaw), 1);
}
