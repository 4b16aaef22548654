//! From the arr's path to ours, and whether we can open what is there.
//!
//! The longest matching `path_map` prefix wins. Files are looked at with stat and access only, so
//! that data blocks are not touched, and a file found in order is believed for a day: a refresh
//! every quarter of an hour must let disks sleep.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long a file that was found in order is believed.
const BELIEVED_FOR: Duration = Duration::from_secs(24 * 3600);

/// Most files that are remembered as in order: 8 bytes each. A library beyond it is looked at
/// more often, nothing else.
const MAX_REMEMBERED: usize = 200_000;

/// Path mapping and the memory of what was in order.
pub struct Files {
    map: Vec<(String, PathBuf)>,
    state: Mutex<State>,
}

struct State {
    since: Instant,
    in_order: HashSet<u64>,
    /// Files that could not be opened in this scan, and the first of them with its reason.
    missing: u64,
    first_missing: Option<String>,
    /// What was said last; said again only when it changes.
    said: Option<(u64, String)>,
}

impl Files {
    /// Files below these mapped prefixes: the arr's, and ours.
    pub fn new(map: Vec<(String, PathBuf)>) -> Files {
        Files {
            map,
            state: Mutex::new(State {
                since: Instant::now(),
                in_order: HashSet::new(),
                missing: 0,
                first_missing: None,
                said: None,
            }),
        }
    }

    /// A new scan begins.
    pub fn begin(&self) {
        let mut state = self.lock();
        state.missing = 0;
        state.first_missing = None;
        if state.since.elapsed() > BELIEVED_FOR {
            state.in_order.clear();
            state.since = Instant::now();
        }
    }

    /// Our path of a file of the arr's and its size on disk; `None` if we cannot open it.
    pub fn find(&self, theirs: &str, file_id: u64, size: u64) -> Option<(PathBuf, u64)> {
        let path = ours(&self.map, theirs);
        // Number and size together: a file that was replaced is looked at again.
        let memory = file_id.rotate_left(40) ^ size;
        if self.lock().in_order.contains(&memory) {
            return Some((path, size));
        }
        match look(&path) {
            Ok(found) => {
                let mut state = self.lock();
                if found == size && state.in_order.len() < MAX_REMEMBERED {
                    state.in_order.insert(memory);
                }
                (found > 0).then_some((path, found))
            }
            Err(error) => {
                let mut state = self.lock();
                state.missing += 1;
                if state.first_missing.is_none() {
                    state.first_missing = Some(if Path::new(theirs) == path {
                        format!("{theirs}: {error}")
                    } else {
                        format!("{theirs}, looked for at {}: {error}", path.display())
                    });
                }
                None
            }
        }
    }

    /// The scan has ended: says what is missing, if that has changed.
    pub fn report(&self, name: &str) {
        let mut state = self.lock();
        let now = state
            .first_missing
            .take()
            .map(|first| (state.missing, first));
        if now == state.said {
            return;
        }
        match &now {
            Some((count, first)) => log::warn!(
                "{name}: {count} files cannot be opened and are not shared, for example {first}; \
                 if the paths differ here, set path_map in its section"
            ),
            None => log::info!("{name}: all files can be opened"),
        }
        state.said = now;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Maps a path of the arr's to ours.
pub fn ours(map: &[(String, PathBuf)], theirs: &str) -> PathBuf {
    let best = map
        .iter()
        .filter_map(|(prefix, ours)| {
            let prefix = prefix.trim_end_matches(['/', '\\']);
            let rest = theirs.strip_prefix(prefix)?;
            // A whole component: `/movies` is no prefix of `/movies4k/x`.
            (rest.is_empty() || rest.starts_with(['/', '\\'])).then_some((prefix.len(), ours, rest))
        })
        .max_by_key(|(length, ..)| *length);
    match best {
        Some((_, ours, rest)) => {
            // Only a path of Windows has separators to translate; elsewhere `\` is a letter.
            let rest = rest.trim_start_matches(['/', '\\']);
            match theirs.starts_with('/') {
                true => ours.join(rest),
                false => ours.join(rest.replace('\\', "/")),
            }
        }
        None => PathBuf::from(theirs),
    }
}

/// Size of a regular file that we may read.
fn look(path: &Path) -> Result<u64, String> {
    let metadata = fs::metadata(path).map_err(|error| error.to_string())?;
    if !metadata.is_file() {
        return Err("not a regular file".into());
    }
    rustix::fs::access(path, rustix::fs::Access::READ_OK).map_err(|error| error.to_string())?;
    Ok(metadata.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_mapped_prefix_wins() {
        let map = [
            ("/movies".to_owned(), PathBuf::from("/mnt/a")),
            ("/movies/kids/".to_owned(), PathBuf::from("/mnt/kids")),
            ("D:\\TV".to_owned(), PathBuf::from("/mnt/tv")),
        ];
        for (theirs, expected) in [
            ("/movies/X (1999)/x.mkv", "/mnt/a/X (1999)/x.mkv"),
            ("/movies/kids/y.mkv", "/mnt/kids/y.mkv"),
            ("/movies4k/z.mkv", "/movies4k/z.mkv"),
            ("D:\\TV\\Show\\s.mkv", "/mnt/tv/Show/s.mkv"),
            ("/movies/a\\b.mkv", "/mnt/a/a\\b.mkv"),
            ("/other", "/other"),
        ] {
            assert_eq!(ours(&map, theirs), PathBuf::from(expected), "{theirs}");
        }
    }
}
