//! The harness: real processes of the built binary, a misbehaving friend, a Radarr and a Sonarr.
//!
//! Everything lives below a temporary [`Home`] (removed unless the test fails), listens on port 0
//! (the kernel picks, the log tells), and is killed when dropped. Nothing sleeps to synchronise:
//! [`eventually`] polls a condition until a deadline that only a failing test reaches.

pub mod arr;
pub mod bencode;
pub mod content;
pub mod fake_arr;
pub mod fake_cdh;
pub mod http;
pub mod json;
pub mod peer;
pub mod process;
pub mod scene;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// Deadline for anything that should happen at once or within a few retries; generous, because
/// tests run in parallel on small machines.
pub const SOON: Duration = Duration::from_secs(60);

/// Polls until `condition` gives a value; panics with `what` at the deadline.
pub fn eventually<T>(
    what: &str,
    deadline: Duration,
    mut condition: impl FnMut() -> Option<T>,
) -> T {
    let end = Instant::now() + deadline;
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(
            Instant::now() < end,
            "still waiting after {deadline:?} for: {what}"
        );
        std::thread::sleep(Duration::from_millis(30));
    }
}

/// A temporary directory; removed on success, kept (and named) when the test panics.
pub struct Home {
    path: PathBuf,
}

impl Home {
    /// `name` makes it findable; process id and counter make it unique.
    pub fn new(name: &str) -> Home {
        static COUNTER: AtomicU32 = AtomicU32::new(0);
        let path = std::env::temp_dir().join(format!(
            "jackdaw-test-{name}-{}-{}",
            std::process::id(),
            COUNTER.fetch_add(1, Ordering::Relaxed)
        ));
        std::fs::create_dir(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Home { path }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn join(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// A directory in it, created if needed.
    pub fn dir(&self, name: &str) -> PathBuf {
        let path = self.path.join(name);
        std::fs::create_dir_all(&path).unwrap();
        path
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("kept for inspection: {}", self.path.display());
        } else {
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}

/// Finished and part files below `completed_path`; the lock that keeps a second jackdaw away from
/// the part files belongs to no grab.
pub fn files_of_grabs(completed: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(completed).unwrap().map(Result::unwrap) {
        match entry.file_type().unwrap().is_dir() {
            true => found.extend(files_of_grabs(&entry.path())),
            false => found.push(entry.path()),
        }
    }
    found.retain(|path| !path.ends_with(".partial/lock"));
    found
}
