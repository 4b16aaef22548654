//! Configuration: an INI file with line numbers, turned into one validated [`Config`].
//!
//! The way of a file: `locate` finds it, `reader` makes sections and entries of it, `fill` puts
//! each value through the table in `keys` (kinds of values: `units`, `schedule`, `secrets`,
//! `headers`, `url`, `values`), `validate` checks what belongs together. All problems are reported at once
//! ([`ConfigError`]), one `file:line: key: problem, hint` a line. The types here are the result:
//! whoever holds a [`Config`] can rely on what its fields say. A public contract: keys are not
//! renamed or removed.

mod example;
mod fill;
pub mod headers;
mod keys;
mod locate;
mod nearest;
mod problem;
mod reader;
mod schedule;
mod secrets;
pub mod units;
pub mod url;
mod validate;
mod values;

#[cfg(test)]
mod tests;

pub use example::example;
pub use locate::{ENVIRONMENT_VARIABLE, USUAL_PLACES, load};
pub(crate) use nearest::nearest;
pub use problem::{Complaint, ConfigError, MAX_PROBLEMS, Problem};
pub use reader::{MAX_FILE_BYTES, MAX_LINE_BYTES, MAX_SECTIONS, MAX_TITLE_CHARS};
pub use schedule::MAX_WINDOWS;
pub use secrets::{MAX_OWN_KEY_CHARS, MAX_SECRET_BYTES, MIN_OWN_KEY_CHARS, Outside};

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::release::Category;
use crate::secret::Secret;

/// Everything the owner chose, validated, with defaults filled in.
#[derive(Clone, Debug)]
pub struct Config {
    /// The file it came from; `None` for built-in defaults.
    pub file: Option<PathBuf>,
    /// `[jackdaw] name`.
    pub name: String,
    /// Where we accept connections.
    pub listen: Vec<SocketAddr>,
    /// Where Radarr and Sonarr reach us, no trailing slash.
    pub internal_url: Option<String>,
    /// Where friends reach us, no trailing slash.
    pub external_url: Option<String>,
    /// Path prefix of `internal_url`, served beside the bare paths: `""` or `/x/y`.
    pub path_prefix: String,
    /// The owner's key; `None`: generated at first start and kept hashed.
    pub api_key: Option<Secret>,
    /// Folder of the database: absolute, or the default, relative to the working directory.
    pub data_dir: PathBuf,
    /// Log level.
    pub log: log::LevelFilter,
    /// Threads for short requests.
    pub http_workers: usize,
    /// Connections accepted at once.
    pub max_connections: usize,
    /// `[downloads]`; without it nothing is downloaded.
    pub downloads: Option<Downloads>,
    /// `[sharing]`.
    pub sharing: Sharing,
    /// `[server "…"]`: Radarr and Sonarr.
    pub servers: Vec<Server>,
    /// `[folder "…"]`.
    pub folders: Vec<Folder>,
    /// `[peer "…"]`.
    pub peers: Vec<Peer>,
    /// What is legal but hardly meant, as `file:line: subject: problem, hint`; without secrets.
    pub warnings: Vec<String>,
}

impl Config {
    /// What holds without any file: listen on 127.0.0.1:5225, data in `./jackdaw-data`, a
    /// generated key, nothing shared and nothing downloaded.
    pub fn built_in() -> Config {
        let mut problems = problem::Problems::default();
        let mut config = validate::validate(&[], &Outside::real(), &mut problems);
        // The defaults name no secret and are sound, which `tests` checks; so there is no report.
        config.warnings = problems.finish(Path::new("defaults")).unwrap_or_default();
        config
    }

    /// Reads a configuration from text, as if from a file called `name`: for programs that make
    /// one (`jackdaw demo`), and for tests.
    pub fn from_text(name: &str, text: &str) -> Result<Config, ConfigError> {
        parse(Path::new(name), text.as_bytes(), &Outside::real())
    }
}

/// Reads the bytes of a file. `outside` is what `env:` and `file:` secrets refer to.
pub fn parse(file: &Path, bytes: &[u8], outside: &Outside<'_>) -> Result<Config, ConfigError> {
    let mut problems = problem::Problems::default();
    let sections = reader::read(bytes, &mut problems);
    let mut config = validate::validate(&sections, outside, &mut problems);
    config.warnings = problems.finish(file)?;
    config.file = Some(file.to_path_buf());
    Ok(config)
}

/// A transfer rate that may depend on the local day and hour; see `schedule` for how it is written.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct RateSchedule {
    /// Bytes per second outside every window; 0 = unlimited.
    pub base: u64,
    /// Windows, in file order; the last match wins.
    pub windows: Vec<RateWindow>,
}

/// One window of a [`RateSchedule`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RateWindow {
    /// Days it begins on, bit 0 = Monday.
    pub days: u8,
    /// First minute of the day, 0..1440.
    pub from_minute: u16,
    /// First minute after the window, 1..=1440; less than or equal to `from_minute`: it ends on the next day.
    pub to_minute: u16,
    /// Bytes per second; 0 = unlimited.
    pub rate: u64,
}

/// `[downloads]`.
#[derive(Clone, Debug)]
pub struct Downloads {
    /// Where finished files go, in our view.
    pub completed_path: PathBuf,
    /// The same folder in the arr's view, as text (it may be a path of another system).
    pub arr_path: String,
    /// Downloads at once.
    pub max_concurrent: usize,
    /// Attempts before a grab fails.
    pub max_attempts: u32,
    /// First retry delay.
    pub retry_base_delay: Duration,
    /// Longest retry delay.
    pub retry_max_delay: Duration,
    /// Longest wait on the network without a byte.
    pub idle_timeout: Duration,
    /// Largest file accepted; 0 = unlimited.
    pub max_file_size: u64,
    /// Bytes that must stay free.
    pub min_free_space: u64,
    /// Download rate of all grabs together.
    pub rate: RateSchedule,
    /// What happens to the file after import.
    pub after_import: AfterImport,
    /// With `keep`: remove our link once the arr's copy is there.
    pub unlink_imported: bool,
    /// How often imports are looked for.
    pub import_poll_interval: Duration,
    /// Tell the arr when a grab has finally failed.
    pub report_failures: bool,
    /// File mode mask of what we create.
    pub umask: u32,
}

/// `after_import`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AfterImport {
    /// The arr moves the file and deletes the entry.
    Move,
    /// The arr links or copies; the file stays.
    Keep,
}

/// `[sharing]`.
#[derive(Clone, Debug)]
pub struct Sharing {
    /// Files sent at once.
    pub max_uploads: usize,
    /// Upload rate of all friends together.
    pub rate: RateSchedule,
    /// Upload rate of each friend.
    pub rate_per_peer: RateSchedule,
    /// How often sources and friends are read again.
    pub catalogue_refresh: Duration,
    /// How long a friend that is away keeps its releases.
    pub peer_hide_after: Duration,
}

/// Which program a `[server]` is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerType {
    /// Movies.
    Radarr,
    /// TV.
    Sonarr,
}

/// `[server "Title"]`.
#[derive(Clone, Debug)]
pub struct Server {
    /// Section title; also the qBittorrent user name of that arr.
    pub title: String,
    /// Radarr or Sonarr.
    pub kind: ServerType,
    /// Base address, no trailing slash.
    pub url: String,
    /// Its API key.
    pub api_key: Secret,
    /// Share its library.
    pub source: bool,
    /// It grabs through us.
    pub destination: bool,
    /// Register ourselves there; true only with `destination` and an `internal_url`.
    pub autoregister: bool,
    /// Indexer priority.
    pub priority: u32,
    /// The arr's prefix and ours, in file order.
    pub path_map: Vec<(String, PathBuf)>,
    /// Extra headers sent with every request.
    pub headers: Vec<(String, Secret)>,
}

/// `[folder "Title"]`.
#[derive(Clone, Debug)]
pub struct Folder {
    /// Section title.
    pub title: String,
    /// Root that is shared.
    pub path: PathBuf,
    /// Movies or TV.
    pub kind: Category,
}

/// `[peer "name"]`.
#[derive(Clone, Debug)]
pub struct Peer {
    /// Section title.
    pub name: String,
    /// Base address, no trailing slash.
    pub url: String,
    /// Key the friend gave us.
    pub api_key: Secret,
    /// Extra headers sent with every request, downloads included.
    pub headers: Vec<(String, Secret)>,
}
