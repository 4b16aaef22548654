//! A grab as a torrent: what `torrents/info` and `sync/maindata` say about it.
//!
//! Pure: a grab, its queue place, the settings and the time in, values out; which key has which
//! value is the table in [`fields`]. Rules that Sonarr and Radarr force: `content_path` never equals
//! `save_path`, progress is 1 only when the file is in place, a finished download of `after_import =
//! move` always shows a limit that is met (else it is never cleaned up), `name` is the release title.
//!
//! Paths are in the arr's view: `save_path` is the grab's own folder below `arr_path`, `content_path`
//! the file in it, so `save_path + "/" + files[0].name` is `content_path`. The category's save path
//! plays no part, for it does not decide where jackdaw puts a file.

mod fields;
#[cfg(test)]
pub(crate) mod samples;

use crate::config::{self, AfterImport};
use crate::grab::{Grab, State};
use crate::torrent::stub::PIECE_LENGTH;

use super::value::MILLION;
pub use fields::{FIELDS, Field, TRACKED, tracked_fields};

/// "No estimate" on the wire: 100 days.
pub const NO_ETA: u64 = 8_640_000;

/// A friend that is away is shown as stalled (a warning in the arr) only after this many seconds: a
/// start-up or a short retry is not worth one.
pub const STALLED_AFTER: u64 = 60;

/// What of the configuration a torrent object shows.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `arr_path` without a trailing separator.
    pub root: String,
    /// `/`, or `\` when `arr_path` is a Windows path.
    pub separator: char,
    /// Whether finished items are moved away by the arr.
    pub after_import: AfterImport,
}

impl Settings {
    /// The settings of `[downloads]`.
    pub fn new(downloads: &config::Downloads) -> Settings {
        let path = downloads.arr_path.as_str();
        let separator = if path.contains('\\') && !path.contains('/') {
            '\\'
        } else {
            '/'
        };
        Settings {
            root: path.trim_end_matches(separator).to_string(),
            separator,
            after_import: downloads.after_import,
        }
    }
}

/// A grab at a moment.
pub struct View<'a> {
    /// The grab.
    pub grab: &'a Grab,
    /// Its place in the queue, from 1; 0 = not queued.
    pub place: u64,
    /// Configuration.
    pub settings: &'a Settings,
    /// Unix seconds.
    pub now: u64,
}

impl View<'_> {
    /// Appends the object; `sync/maindata` leaves out `hash`, for it is the key there.
    pub fn write(&self, out: &mut String, with_hash: bool) {
        out.push('{');
        for field in &FIELDS {
            if with_hash || field.name != "hash" {
                super::value::push_key(out, field.name);
                (field.value)(self).write(out);
            }
        }
        out.push('}');
    }

    /// A digest of each tracked field.
    pub fn marks(&self) -> [u32; TRACKED] {
        let mut marks = [0; TRACKED];
        for (mark, field) in marks.iter_mut().zip(tracked_fields()) {
            *mark = (field.value)(self).digest();
        }
        marks
    }

    /// True while what is shown changes without the grab's state changing.
    pub fn is_moving(&self) -> bool {
        match self.grab.state {
            State::Downloading => true,
            State::Waiting => self.grab.stalled_for < STALLED_AFTER,
            _ => false,
        }
    }

    /// The file is in place.
    pub fn is_complete(&self) -> bool {
        match self.grab.state {
            State::Completed | State::Imported => true,
            State::Paused => self.grab.completed_at.is_some(),
            _ => false,
        }
    }

    /// qBittorrent's word for the state. Words of 4.6: 5.x says `stopped…` for `paused…`.
    pub fn state(&self) -> &'static str {
        match self.grab.state {
            _ if self.is_complete() => "pausedUP",
            State::Queued => "queuedDL",
            State::Downloading if self.grab.force_start => "forcedDL",
            State::Downloading => "downloading",
            State::Waiting if self.grab.stalled_for < STALLED_AFTER => "downloading",
            State::Waiting => "stalledDL",
            State::Paused => "pausedDL",
            State::Failed => "error",
            State::Completed | State::Imported => "pausedUP",
        }
    }

    /// Name shown: always the release title, by which Radarr and Sonarr match downloads.
    pub fn name(&self) -> &str {
        &self.grab.title
    }

    /// Folder of the file, in the arr's view.
    pub fn save_path(&self) -> String {
        let Settings {
            root, separator, ..
        } = self.settings;
        format!("{root}{separator}{}", self.grab.folder)
    }

    /// Name of the file, also while only its folder is known.
    pub fn file_name(&self) -> &str {
        self.grab.filename.as_deref().unwrap_or(&self.grab.folder)
    }

    /// The file, in the arr's view.
    pub fn content_path(&self) -> String {
        let Settings {
            root, separator, ..
        } = self.settings;
        format!(
            "{root}{separator}{}{separator}{}",
            self.grab.folder,
            self.file_name()
        )
    }

    /// Bytes on disk, never more than the size.
    pub fn have(&self) -> u64 {
        if self.is_complete() {
            self.grab.size
        } else {
            self.grab.have.min(self.grab.size)
        }
    }

    /// Bytes to come.
    pub fn left(&self) -> u64 {
        self.grab.size - self.have()
    }

    /// Bytes received in all tries, as far as known; never less than what is on disk.
    pub fn downloaded(&self) -> u64 {
        self.grab.received.max(self.have())
    }

    /// Millionths, rounded down; a million only when the file is in place.
    pub fn progress(&self) -> u64 {
        if self.is_complete() {
            return MILLION;
        }
        let size = u128::from(self.grab.size.max(1));
        let exact = u128::from(self.have()) * u128::from(MILLION) / size;
        u64::try_from(exact).unwrap_or(MILLION).min(MILLION - 1)
    }

    /// Bytes per second.
    pub fn speed(&self) -> u64 {
        match self.grab.state {
            State::Downloading => self.grab.speed,
            _ => 0,
        }
    }

    /// Seconds to go; [`NO_ETA`] when unknown or done.
    pub fn eta(&self) -> u64 {
        match self.speed() {
            0 => NO_ETA,
            speed => self.left().div_ceil(speed).clamp(1, NO_ETA),
        }
    }

    /// Friends that bytes come from now.
    pub fn seeds(&self) -> u64 {
        u64::from(self.grab.state == State::Downloading)
    }

    /// Copies seen; −1 = not applicable.
    pub fn availability(&self) -> i64 {
        if self.is_complete() {
            -1
        } else {
            i64::from(self.grab.state == State::Downloading)
        }
    }

    /// Unix seconds; 0 while unfinished, as 4.x has it.
    pub fn completed_at(&self) -> u64 {
        if self.is_complete() {
            self.grab.completed_at.unwrap_or(self.grab.added_at)
        } else {
            0
        }
    }

    /// Unix seconds of the last byte, or of the add.
    pub fn last_activity(&self) -> u64 {
        self.grab.last_activity.max(self.grab.added_at)
    }

    fn seen_complete(&self) -> u64 {
        if self.is_complete() || self.grab.state == State::Downloading {
            self.last_activity()
        } else {
            0
        }
    }

    /// Seconds since it was finished.
    pub fn seeding_time(&self) -> u64 {
        if self.is_complete() {
            self.now.saturating_sub(self.completed_at())
        } else {
            0
        }
    }

    /// Seconds from the add to the last byte (to now while bytes flow): still for all that rest.
    pub fn time_active(&self) -> u64 {
        let end = match self.grab.state {
            State::Downloading => self.now,
            _ if self.is_complete() => self.completed_at(),
            _ => self.last_activity(),
        };
        end.saturating_sub(self.grab.added_at)
    }

    /// What the arr asked for, while it runs. Finished: a limit that ratio 0 meets when the arr is to
    /// move the file and delete the entry, else "as the global one" (which is off): then the arr
    /// links or copies, and leaves the entry alone.
    pub fn ratio_limit(&self) -> f64 {
        if !self.is_complete() {
            self.grab.ratio_limit
        } else if self.settings.after_import == AfterImport::Move {
            0.0
        } else {
            -2.0
        }
    }

    /// A limit in minutes as asked; finished: "as the global one", so that the ratio limit decides.
    fn minutes(&self, asked: i64) -> i64 {
        if self.is_complete() { -2 } else { asked }
    }

    /// Queue place; finished items have none.
    pub fn place(&self) -> u64 {
        if self.is_complete() { 0 } else { self.place }
    }

    fn magnet_uri(&self) -> String {
        use std::fmt::Write;
        let mut uri = format!("magnet:?xt=urn:btih:{}&dn=", self.grab.infohash);
        for byte in self.name().bytes() {
            match byte {
                b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                    uri.push(char::from(byte));
                }
                // Writing to a String cannot fail.
                _ => drop(write!(uri, "%{byte:02x}")),
            }
        }
        uri
    }

    /// Pieces of the stub.
    pub fn pieces(&self) -> u64 {
        self.grab.size.div_ceil(PIECE_LENGTH)
    }

    /// Pieces whose bytes are all on disk.
    pub fn pieces_have(&self) -> u64 {
        if self.is_complete() {
            self.pieces()
        } else {
            self.have() / PIECE_LENGTH
        }
    }
}

#[cfg(test)]
mod tests;
