//! `jackdaw demo`: one release travels from a friend's disk to a finished file, with nothing set up.
//!
//! In a temporary home, on loopback, two instances of this very binary run as processes of their
//! own: a friend that shares a folder and a consumer that knows the friend. The demo itself plays
//! Radarr (caps, search, stub, login, add, poll, delete), compares the finished file with the
//! friend's byte by byte, and prints what it took. Everything it made is removed at the end, also
//! after Ctrl-C or a failure. Nothing outside the temporary home is written; DIR is only read.
//! Tested by `tests/demo.rs`.

mod instance;
mod progress;
mod radarr;
mod sample;

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use instance::Instance;
use progress::Progress;
pub use progress::bytes;
use radarr::{Item, Radarr};

/// What the command line chose.
#[derive(Clone, Debug, Default)]
pub struct DemoOptions {
    /// Folder that the friend shares; `None`: a generated file of [`SAMPLE_BYTES`].
    pub share: Option<PathBuf>,
}

/// Size of the generated file: long enough for a speed, short enough for a Pi with an SD card.
pub const SAMPLE_BYTES: u64 = 256 * 1024 * 1024;
/// How long the search is repeated until the release shows up. A fresh instance asks a friend
/// again after 10 s and after 1 min.
const SEARCH_PATIENCE: Duration = Duration::from_secs(100);
/// How long a search that finds nothing says nothing.
const QUIET: Duration = Duration::from_secs(3);
/// How long a download may stand still before the demo gives up.
const STALL_PATIENCE: Duration = Duration::from_secs(60);
/// Pause between two looks at the consumer: fast enough for a smooth bar.
const POLL: Duration = Duration::from_millis(200);
/// Block in which two files are compared.
const COMPARE_BLOCK: usize = 256 * 1024;
/// How deep below DIR the shared original is looked for.
const MAX_DEPTH: u32 = 16;

/// Runs the demo. The error is one line that says what failed.
pub fn demo(options: DemoOptions) -> Result<(), String> {
    let interrupted = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&interrupted))
            .map_err(|error| format!("cannot watch for Ctrl-C: {error}"))?;
    }
    let run = Run {
        home: TemporaryHome::create()?,
        interrupted,
    };
    // Ctrl-C reaches the two processes as well, so anything may fail first.
    run.go(&options)
        .map_err(|error| run.check_interrupted().err().unwrap_or(error))
}

/// One demo: its home and the flag that Ctrl-C sets.
struct Run {
    home: TemporaryHome,
    interrupted: Arc<AtomicBool>,
}

impl Run {
    fn go(&self, options: &DemoOptions) -> Result<(), String> {
        let home = self.home.path.as_path();
        let shared = self.shared_folder(options)?;
        let completed = home.join("completed");
        fs::create_dir(&completed)
            .map_err(|error| format!("cannot create {}: {error}", completed.display()))?;

        let friend_key = crate::secret::random_hex::<16>();
        let consumer_key = crate::secret::random_hex::<16>();
        let friend = Instance::start(
            "friend",
            home,
            &friend_config(home, &shared, &friend_key),
            &self.interrupted,
        )?;
        println!("friend:   {} shares {}", friend.base(), shared.display());
        let consumer = Instance::start(
            "consumer",
            home,
            &consumer_config(home, &completed, &consumer_key, friend.base(), &friend_key),
            &self.interrupted,
        )?;
        println!("consumer: {} knows that friend", consumer.base());

        let radarr = Radarr::new(consumer.base(), &consumer_key);
        radarr.read_caps()?;
        let item = self.find(&radarr, options.share.is_none())?;
        println!("found:    {} ({})", item.title, bytes(item.size));
        self.check_space(&completed, item.size)?;

        let (session, infohash) = grab(radarr, &item)?;
        let started = Instant::now();
        let content = self.follow(&session, &infohash, &consumer, &friend)?;
        let elapsed = started.elapsed();

        self.compare(&shared, &content, item.size)?;
        let memory = [&consumer, &friend].map(Instance::peak_memory);
        session.delete(&infohash)?;
        if !session.poll()?.is_empty() {
            return Err("the consumer still lists the download after it was deleted".into());
        }
        for instance in [consumer, friend] {
            instance.stop()?;
        }

        let seconds = elapsed.as_secs_f64().max(0.001);
        println!("verified: every byte equals the friend's file");
        println!(
            "summary:  {} in {seconds:.2} s, {:.1} MiB/s, peak memory {} (consumer) {} (friend)",
            bytes(item.size),
            item.size as f64 / seconds / f64::from(1 << 20),
            memory[0].map_or("unknown".into(), bytes),
            memory[1].map_or("unknown".into(), bytes),
        );
        Ok(())
    }

    fn shared_folder(&self, options: &DemoOptions) -> Result<PathBuf, String> {
        if let Some(folder) = &options.share {
            let folder = fs::canonicalize(folder)
                .map_err(|error| format!("cannot share {}: {error}", folder.display()))?;
            if !folder.is_dir() {
                return Err(format!("cannot share {}: not a folder", folder.display()));
            }
            return Ok(folder);
        }
        let library = self.home.path.join("library");
        // The original and the copy.
        self.check_space(&self.home.path, SAMPLE_BYTES * 2)?;
        println!("sample:   writing {} of noise", bytes(SAMPLE_BYTES));
        sample::write(&library, SAMPLE_BYTES, &self.interrupted)?;
        Ok(library)
    }

    fn check_space(&self, folder: &Path, needed: u64) -> Result<(), String> {
        let space = rustix::fs::statvfs(folder).map_err(|error| {
            format!("cannot see the free space of {}: {error}", folder.display())
        })?;
        let free = space.f_bavail.saturating_mul(space.f_frsize);
        if free < needed {
            return Err(format!(
                "{} has {} free and the demo needs {}: set TMPDIR to a folder with more room",
                folder.display(),
                bytes(free),
                bytes(needed)
            ));
        }
        Ok(())
    }

    /// Searches as Radarr does: by ids for the sample, the newest releases (RSS) for a shared
    /// folder whose content is unknown to us.
    fn find(&self, radarr: &Radarr, is_sample: bool) -> Result<Item, String> {
        let started = Instant::now();
        let mut is_told = false;
        loop {
            self.check_interrupted()?;
            let items = if is_sample {
                radarr.search_ids(sample::IMDB_DIGITS, sample::TMDB)?
            } else {
                radarr.rss()?
            };
            if let Some(item) = items.into_iter().next() {
                return Ok(item);
            }
            if started.elapsed() >= SEARCH_PATIENCE {
                return Err(format!(
                    "the search found nothing for {} s: no video file that can be shared?",
                    SEARCH_PATIENCE.as_secs()
                ));
            }
            if !is_sample && !is_told && started.elapsed() >= QUIET {
                is_told = true;
                println!(
                    "search:   nothing yet; a file that has just changed is shared when it has \
                     rested for a minute; giving up after {} s",
                    SEARCH_PATIENCE.as_secs()
                );
            }
            std::thread::sleep(POLL);
        }
    }

    /// Polls until the grab is complete; gives the path of the finished file.
    fn follow(
        &self,
        session: &radarr::Session,
        infohash: &str,
        consumer: &Instance,
        friend: &Instance,
    ) -> Result<PathBuf, String> {
        let mut progress = Progress::new();
        let mut best = 0;
        let mut moved = Instant::now();
        loop {
            self.check_interrupted()?;
            let rows = session.poll().map_err(|error| {
                let dead = [consumer, friend].into_iter().find_map(Instance::obituary);
                dead.unwrap_or(error)
            })?;
            let row = rows
                .into_iter()
                .find(|row| row.hash == infohash)
                .ok_or("the consumer does not list the download any more")?;
            progress.show(&row);
            match row.state.as_str() {
                "pausedUP" | "stoppedUP" => {
                    progress.finish();
                    if row.content_path == row.save_path {
                        return Err("content_path equals save_path: Radarr would refuse it".into());
                    }
                    return Ok(PathBuf::from(row.content_path));
                }
                "error" | "missingFiles" => {
                    progress.finish();
                    return Err(format!(
                        "the download failed; the consumer's last lines:\n{}",
                        consumer.tail()
                    ));
                }
                _ => {}
            }
            if row.completed > best {
                best = row.completed;
                moved = Instant::now();
            }
            if moved.elapsed() > STALL_PATIENCE {
                progress.finish();
                return Err(format!(
                    "no byte for {} s in state {}; the consumer's last lines:\n{}",
                    STALL_PATIENCE.as_secs(),
                    row.state,
                    consumer.tail()
                ));
            }
            std::thread::sleep(POLL);
        }
    }

    /// The finished file must equal the friend's file of the same name.
    fn compare(&self, shared: &Path, content: &Path, size: u64) -> Result<(), String> {
        let name = content
            .file_name()
            .ok_or_else(|| format!("{} has no file name", content.display()))?;
        let mut originals = Vec::new();
        collect(shared, name, MAX_DEPTH, &mut originals);
        for original in originals {
            if self.is_equal(&original, content, size)? {
                return Ok(());
            }
        }
        Err(format!(
            "{} does not equal the friend's file",
            content.display()
        ))
    }

    fn is_equal(&self, left: &Path, right: &Path, size: u64) -> Result<bool, String> {
        let open = |path: &Path| {
            let file = File::open(path)
                .map_err(|error| format!("cannot open {}: {error}", path.display()))?;
            let length = file
                .metadata()
                .map_err(|error| format!("cannot read {}: {error}", path.display()))?
                .len();
            Ok::<_, String>((file, length))
        };
        let ((mut left_file, left_length), (mut right_file, right_length)) =
            (open(left)?, open(right)?);
        if left_length != size || right_length != size {
            return Ok(false);
        }
        let mut left_block = vec![0; COMPARE_BLOCK];
        let mut right_block = vec![0; COMPARE_BLOCK];
        let mut remaining = size;
        while remaining > 0 {
            self.check_interrupted()?;
            let span = usize::try_from(remaining).map_or(COMPARE_BLOCK, |r| r.min(COMPARE_BLOCK));
            for (file, block, path) in [
                (&mut left_file, &mut left_block, left),
                (&mut right_file, &mut right_block, right),
            ] {
                file.read_exact(&mut block[..span])
                    .map_err(|error| format!("cannot read {}: {error}", path.display()))?;
            }
            if left_block[..span] != right_block[..span] {
                return Ok(false);
            }
            remaining -= span as u64;
        }
        Ok(true)
    }

    fn check_interrupted(&self) -> Result<(), String> {
        if self.interrupted.load(Ordering::Relaxed) {
            return Err("interrupted".into());
        }
        Ok(())
    }
}

/// Fetches the stub, checks its hash, logs in as Radarr does on Test, and adds it.
fn grab(radarr: Radarr, item: &Item) -> Result<(radarr::Session, String), String> {
    let torrent = radarr.fetch(&item.url)?;
    let (stub, infohash) = crate::torrent::stub::Stub::parse(&torrent)
        .map_err(|error| format!("the stub of {}: {error}", item.title))?;
    let infohash = infohash.to_string();
    if stub.size != item.size || stub.title != item.title {
        return Err(format!("the stub of {} names another release", item.title));
    }
    if let Some(announced) = &item.infohash
        && !announced.eq_ignore_ascii_case(&infohash)
    {
        return Err(format!(
            "the feed announces infohash {announced} and the stub has {infohash}"
        ));
    }
    let session = radarr.log_in()?;
    session.test()?;
    session.add(&item.title, &torrent)?;
    println!("grabbed:  infohash {infohash}");
    Ok((session, infohash))
}

/// Files called `name` below `folder`, links not followed.
fn collect(folder: &Path, name: &std::ffi::OsStr, depth: u32, found: &mut Vec<PathBuf>) {
    // What cannot be read cannot have been shared either.
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for entry in entries.flatten() {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() && depth > 0 => {
                collect(&entry.path(), name, depth - 1, found);
            }
            Ok(kind) if kind.is_file() && entry.file_name() == name => found.push(entry.path()),
            _ => {}
        }
    }
}

fn friend_config(home: &Path, shared: &Path, key: &str) -> String {
    format!(
        "[jackdaw]\nname = demo friend\nlisten = 127.0.0.1:0\napi_key = {key}\ndata_dir = {}\n\n\
         [folder \"demo\"]\npath = {}\nkind = movies\n",
        home.join("friend-data").display(),
        shared.display()
    )
}

fn consumer_config(
    home: &Path,
    completed: &Path,
    key: &str,
    friend: &str,
    friend_key: &str,
) -> String {
    // The free space was checked by the demo itself; keeping 1 GiB free is for real hosts.
    format!(
        "[jackdaw]\nname = demo consumer\nlisten = 127.0.0.1:0\napi_key = {key}\ndata_dir = {}\n\n\
         [downloads]\ncompleted_path = {}\nmin_free_space = 0\n\n\
         [peer \"demo friend\"]\nurl = {friend}\napi_key = {friend_key}\n",
        home.join("consumer-data").display(),
        completed.display()
    )
}

/// A directory of our own that goes when the demo ends, however it ends.
struct TemporaryHome {
    path: PathBuf,
}

impl TemporaryHome {
    fn create() -> Result<TemporaryHome, String> {
        let path =
            std::env::temp_dir().join(format!("jackdaw-demo-{}", crate::secret::random_hex::<8>()));
        // The configuration files in it hold keys; create() fails if somebody was there first.
        fs::DirBuilder::new()
            .mode(0o700)
            .create(&path)
            .map_err(|error| format!("cannot create {}: {error}", path.display()))?;
        Ok(TemporaryHome { path })
    }
}

impl Drop for TemporaryHome {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.path) {
            eprintln!("cannot remove {}: {error}", self.path.display());
        }
    }
}
