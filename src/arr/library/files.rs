//! From the arr's path to ours, and whether we can open what is there.
//!
//! The longest matching `path_map` prefix wins; of a path of Windows, case and the kind of separator do
//! not matter, as they do not there. Files are looked at with stat and access only, so
//! that data blocks are not touched, and a file found in order is believed for a day: a refresh
//! every quarter of an hour must let disks sleep. What cannot be shared is counted and said once,
//! again only when a complete scan finds something else.

use std::collections::HashSet;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::record;
use crate::peer::wire;
use crate::sys::lock;

/// How long a file that was found in order is believed.
const BELIEVED_FOR: Duration = Duration::from_secs(24 * 3600);

/// Most files that are remembered as in order: some 2 MiB. A library beyond it is looked at more
/// often, nothing else.
const MAX_REMEMBERED: usize = 100_000;

/// Path mapping and the memory of what was in order.
pub struct Files {
    map: Vec<(String, PathBuf)>,
    state: Mutex<State>,
}

struct State {
    since: Instant,
    /// Digests of path and size. Chance collisions among 100,000 are one in a billion, and would
    /// only offer a file that is then not found.
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

    /// A new scan begins. True if nothing is believed any more, so that all is to be looked at.
    pub fn begin(&self, now: Instant) -> bool {
        let mut state = lock(&self.state);
        state.missing = 0;
        state.first_missing = None;
        let is_over = now.saturating_duration_since(state.since) > BELIEVED_FOR;
        if is_over {
            state.in_order.clear();
            state.since = now;
        }
        is_over
    }

    /// Our path of a file of the arr's and its size on disk; `None` if we cannot share it.
    pub fn find(&self, theirs: &str, size: u64) -> Option<(PathBuf, u64)> {
        let memory = {
            // Path and size: a file that was moved or replaced is looked at again.
            let mut hasher = DefaultHasher::new();
            (theirs, size).hash(&mut hasher);
            hasher.finish()
        };
        let path = ours(&self.map, theirs);
        if lock(&self.state).in_order.contains(&memory) {
            return Some((path, size));
        }
        let looked = match wire::name_problem(record::filename(theirs)) {
            Some(problem) => Err(format!("no friend could take it: its name {problem}")),
            None => look(&path),
        };
        match looked {
            Ok(found) => {
                let mut state = lock(&self.state);
                if found == size && state.in_order.len() < MAX_REMEMBERED {
                    state.in_order.insert(memory);
                }
                Some((path, found))
            }
            Err(error) => {
                let mut state = lock(&self.state);
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

    /// A complete scan has ended. What there is to say about missing files, if that has changed.
    pub fn news(&self) -> Option<News> {
        let mut state = lock(&self.state);
        let now = state
            .first_missing
            .take()
            .map(|first| (state.missing, first));
        if now == state.said {
            return None;
        }
        state.said = now;
        Some(match &state.said {
            Some((count, first)) => News::Missing(*count, first.clone()),
            None => News::AllThere,
        })
    }
}

/// What a scan found out about files that are not shared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// So many, and one of them with the reason.
    Missing(u64, String),
    /// After some were missing, none is.
    AllThere,
}

/// Maps a path of the arr's to ours.
pub fn ours(map: &[(String, PathBuf)], theirs: &str) -> PathBuf {
    let best = map
        .iter()
        .filter_map(|(prefix, ours)| {
            let is_windows = !theirs.starts_with('/');
            let separators: &[char] = if is_windows { &['/', '\\'] } else { &['/'] };
            let prefix = prefix.trim_end_matches(separators);
            let rest = strip_folder(theirs, prefix, is_windows)?;
            // A whole component: `/movies` is no prefix of `/movies4k/x`.
            (rest.is_empty() || rest.starts_with(separators)).then_some((prefix.len(), ours, rest))
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

/// What follows `folder` in `path`.
fn strip_folder<'a>(path: &'a str, folder: &str, is_windows: bool) -> Option<&'a str> {
    if !is_windows {
        return path.strip_prefix(folder);
    }
    let (start, rest) = path.split_at_checked(folder.len())?;
    let plain = |byte: u8| match byte {
        b'/' => b'\\',
        byte => byte.to_ascii_lowercase(),
    };
    start
        .bytes()
        .map(plain)
        .eq(folder.bytes().map(plain))
        .then_some(rest)
}

/// Size of a regular file that we may read and that is not empty; else half a sentence why not.
pub fn look(path: &Path) -> Result<u64, String> {
    let metadata = fs::metadata(path).map_err(|error| error.to_string())?;
    if !metadata.is_file() {
        return Err("not a regular file".into());
    }
    rustix::fs::access(path, rustix::fs::Access::READ_OK).map_err(|error| error.to_string())?;
    match metadata.len() {
        0 => Err("empty".into()),
        length => Ok(length),
    }
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
            ("D:/TV/Kids/".to_owned(), PathBuf::from("/mnt/kids-tv/")),
            ("E:\\".to_owned(), PathBuf::from("/mnt/e")),
            ("\\\\nas\\tv".to_owned(), PathBuf::from("/mnt/nas")),
        ];
        for (theirs, expected) in [
            ("/movies/X (1999)/x.mkv", "/mnt/a/X (1999)/x.mkv"),
            ("/movies/kids/y.mkv", "/mnt/kids/y.mkv"),
            ("/movies4k/z.mkv", "/movies4k/z.mkv"),
            ("/Movies/x.mkv", "/Movies/x.mkv"),
            ("/movies", "/mnt/a"),
            ("/movies\\x.mkv", "/movies\\x.mkv"),
            ("D:\\TV\\Show\\s.mkv", "/mnt/tv/Show/s.mkv"),
            // Windows knows neither case nor one kind of separator.
            ("d:\\tv\\Show\\s.mkv", "/mnt/tv/Show/s.mkv"),
            ("D:/tv/Show/s.mkv", "/mnt/tv/Show/s.mkv"),
            ("D:\\TV\\kids\\Show/s.mkv", "/mnt/kids-tv/Show/s.mkv"),
            ("D:\\TV4k\\s.mkv", "D:\\TV4k\\s.mkv"),
            ("D:\\T", "D:\\T"),
            ("D:\\é", "D:\\é"),
            ("E:\\a\\b.mkv", "/mnt/e/a/b.mkv"),
            ("\\\\NAS\\TV\\a.mkv", "/mnt/nas/a.mkv"),
            ("/movies/a\\b.mkv", "/mnt/a/a\\b.mkv"),
            ("/other", "/other"),
        ] {
            assert_eq!(ours(&map, theirs), PathBuf::from(expected), "{theirs}");
        }
    }

    fn home() -> PathBuf {
        let home = std::env::temp_dir().join(format!(
            "jackdaw-files-{}",
            crate::secret::random_hex::<8>()
        ));
        fs::create_dir(&home).unwrap();
        home
    }

    #[test]
    fn what_is_missing_is_said_once_and_again_when_it_changes() {
        let home = home();
        let files = Files::new(vec![("/tv".into(), home.clone())]);
        let scan = || {
            files.begin(Instant::now());
            let found = files.find("/tv/a.mkv", 3);
            (found, files.news())
        };
        let (found, news) = scan();
        assert_eq!(found, None);
        let Some(News::Missing(1, text)) = news else {
            panic!("{news:?}");
        };
        assert!(text.starts_with("/tv/a.mkv, looked for at "), "{text}");
        assert!(text.contains(&format!("{}: No such file", home.join("a.mkv").display())));
        assert_eq!(scan(), (None, None));

        fs::write(home.join("a.mkv"), "").unwrap();
        let (found, news) = scan();
        assert!(
            found.is_none()
                && matches!(news, Some(News::Missing(1, text)) if text.ends_with(": empty"))
        );

        // The size on disk is what counts: the arr's may be older.
        fs::write(home.join("a.mkv"), "12345").unwrap();
        assert_eq!(
            scan(),
            (Some((home.join("a.mkv"), 5)), Some(News::AllThere))
        );
        assert_eq!(scan().1, None);
        fs::remove_dir_all(home).unwrap();
    }

    #[test]
    fn a_file_in_order_is_believed_for_a_day() {
        let home = home();
        let path = home.join("a.mkv");
        let theirs = path.to_str().unwrap();
        fs::write(&path, "123").unwrap();
        let now = Instant::now();
        let files = Files::new(Vec::new());
        files.begin(now);
        assert!(files.find(theirs, 3).is_some());
        fs::remove_file(&path).unwrap();
        files.begin(now + BELIEVED_FOR);
        assert!(files.find(theirs, 3).is_some(), "the disk was looked at");
        // Another size is another file.
        assert!(files.find(theirs, 4).is_none());
        files.begin(now + BELIEVED_FOR * 2);
        assert!(files.find(theirs, 3).is_none());
        fs::remove_dir_all(home).unwrap();
    }

    #[test]
    fn memory_is_bounded() {
        let files = Files::new(Vec::new());
        let mut state = lock(&files.state);
        state.in_order.extend(0..MAX_REMEMBERED as u64);
        let full = state.in_order.len();
        drop(state);
        let home = home();
        fs::write(home.join("a"), "1").unwrap();
        assert!(files.find(home.join("a").to_str().unwrap(), 1).is_some());
        assert_eq!(lock(&files.state).in_order.len(), full);
        fs::remove_dir_all(home).unwrap();
    }

    #[test]
    fn names_that_no_friend_could_take_are_not_shared() {
        let files = Files::new(Vec::new());
        assert_eq!(files.find("/movies/a\\b.mkv", 1), None);
        let Some(News::Missing(1, text)) = files.news() else {
            panic!("nothing said");
        };
        assert!(text.contains("has a path separator in it"), "{text}");
    }
}
