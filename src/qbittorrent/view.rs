//! A grab as a torrent: what `torrents/info` and `sync/maindata` say about it.
//!
//! Pure: a grab, its queue place, the settings and the time in, fields out. [`FIELDS`] is the one
//! table of the 51 keys that WebAPI 2.9.2 has (the 49 recorded from a 4.5.2 in
//! `tests/golden/qbittorrent`, and the two inactive-seeding limits of 4.6); lists, `sort=` and
//! `sync/maindata` all work on it. Rules that Sonarr and Radarr force: `content_path` never equals
//! `save_path`, progress is 1 only when the file is in place, a finished download of `after_import =
//! move` always shows a limit that is met (else it is never cleaned up), `name` is the release title.
//!
//! Paths are in the arr's view: `save_path` is the grab's own folder below `arr_path`, `content_path`
//! the file in it, so `save_path + "/" + files[0].name` is `content_path`. The category's save path
//! plays no part, for it does not decide where jackdaw puts a file.

use crate::config::{self, AfterImport};
use crate::grab::{Grab, State};
use crate::torrent::stub::PIECE_LENGTH;

use super::value::{MILLION, Value};

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

/// How a field changes while a grab lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Never, or only by the passing of time: `sync/maindata` does not report it by itself.
    Untracked,
    /// Reported by `sync/maindata` when it differs.
    Tracked,
}

/// One key of the torrent object.
pub struct Field {
    /// Key.
    pub name: &'static str,
    /// Whether changes are reported.
    pub change: Change,
    /// The value for a grab.
    pub value: for<'v> fn(&'v View<'_>) -> Value<'v>,
}

/// Shorthand for the table below.
const fn tracked(name: &'static str, value: for<'v> fn(&'v View<'_>) -> Value<'v>) -> Field {
    Field {
        name,
        change: Change::Tracked,
        value,
    }
}

/// Shorthand for the table below.
const fn untracked(name: &'static str, value: for<'v> fn(&'v View<'_>) -> Value<'v>) -> Field {
    Field {
        name,
        change: Change::Untracked,
        value,
    }
}

/// Every key, in alphabetical order, as the real server writes them.
pub const FIELDS: [Field; 51] = [
    // Differs when a torrent was deleted and added again between two questions.
    tracked("added_on", |v| Value::Uint(v.grab.added_at)),
    tracked("amount_left", |v| Value::Uint(v.left())),
    untracked("auto_tmm", |_| Value::Bool(false)),
    tracked("availability", |v| Value::Int(v.availability())),
    tracked("category", |v| v.grab.category.as_str().into()),
    tracked("completed", |v| Value::Uint(v.have())),
    tracked("completion_on", |v| Value::Uint(v.completed_at())),
    tracked("content_path", |v| v.content_path().into()),
    tracked("dl_limit", |v| Value::Uint(v.grab.download_limit)),
    tracked("dlspeed", |v| Value::Uint(v.speed())),
    untracked("download_path", |_| "".into()),
    tracked("downloaded", |v| Value::Uint(v.downloaded())),
    tracked("downloaded_session", |v| Value::Uint(v.grab.received)),
    tracked("eta", |v| Value::Uint(v.eta())),
    untracked("f_l_piece_prio", |_| Value::Bool(false)),
    tracked("force_start", |v| Value::Bool(v.grab.force_start)),
    untracked("hash", |v| v.grab.infohash.to_string().into()),
    tracked("inactive_seeding_time_limit", |v| {
        Value::Int(v.minutes(v.grab.inactive_seeding_time_limit))
    }),
    untracked("infohash_v1", |v| v.grab.infohash.to_string().into()),
    untracked("infohash_v2", |_| "".into()),
    tracked("last_activity", |v| Value::Uint(v.last_activity())),
    tracked("magnet_uri", |v| v.magnet_uri().into()),
    tracked("max_inactive_seeding_time", |v| {
        Value::Int(v.minutes(v.grab.inactive_seeding_time_limit).max(-1))
    }),
    tracked("max_ratio", |v| Value::Real(v.ratio_limit().max(-1.0))),
    tracked("max_seeding_time", |v| {
        Value::Int(v.minutes(v.grab.seeding_time_limit).max(-1))
    }),
    tracked("name", |v| v.name().into()),
    untracked("num_complete", |_| Value::Int(0)),
    untracked("num_incomplete", |_| Value::Int(0)),
    untracked("num_leechs", |_| Value::Int(0)),
    tracked("num_seeds", |v| Value::Uint(v.seeds())),
    tracked("priority", |v| Value::Uint(v.place())),
    tracked("progress", |v| Value::Millionths(v.progress())),
    untracked("ratio", |_| Value::Int(0)),
    tracked("ratio_limit", |v| Value::Real(v.ratio_limit())),
    tracked("save_path", |v| v.save_path().into()),
    // Ticks for every finished item for ever; `completion_on` says the same and is tracked.
    untracked("seeding_time", |v| Value::Uint(v.seeding_time())),
    tracked("seeding_time_limit", |v| {
        Value::Int(v.minutes(v.grab.seeding_time_limit))
    }),
    tracked("seen_complete", |v| Value::Uint(v.seen_complete())),
    untracked("seq_dl", |_| Value::Bool(false)),
    // A friend may have replaced its file by one of another size before we began.
    tracked("size", |v| Value::Uint(v.grab.size)),
    tracked("state", |v| v.state().into()),
    untracked("super_seeding", |_| Value::Bool(false)),
    tracked("tags", |v| v.grab.tags.as_str().into()),
    tracked("time_active", |v| Value::Uint(v.time_active())),
    tracked("total_size", |v| Value::Uint(v.grab.size)),
    untracked("tracker", |_| "".into()),
    untracked("trackers_count", |_| Value::Int(0)),
    tracked("up_limit", |v| Value::Uint(v.grab.upload_limit)),
    untracked("uploaded", |_| Value::Int(0)),
    untracked("uploaded_session", |_| Value::Int(0)),
    untracked("upspeed", |_| Value::Int(0)),
];

/// Number of fields whose changes are reported.
pub const TRACKED: usize = count_tracked();

const fn count_tracked() -> usize {
    let mut count = 0;
    let mut index = 0;
    while index < FIELDS.len() {
        if matches!(FIELDS[index].change, Change::Tracked) {
            count += 1;
        }
        index += 1;
    }
    count
}

/// The tracked fields, in table order: the n-th belongs to the n-th mark of [`View::marks`].
pub fn tracked_fields() -> impl Iterator<Item = &'static Field> {
    FIELDS
        .iter()
        .filter(|field| field.change == Change::Tracked)
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

/// Grabs for the tests of this face.
#[cfg(test)]
pub(crate) mod samples {
    use super::*;
    use crate::torrent::stub::{Infohash, Stub};

    /// A queued grab; `seed` makes its hash.
    pub fn grab(seed: u8) -> Grab {
        let title = "Example.Movie.2020.1080p-GRP";
        let stub = Stub {
            title: title.into(),
            size: 3_000_000,
            generation: 0,
            peer_id: "0a1b2c3d".into(),
            item_id: "1:movie:7".into(),
        };
        let hash = Infohash([seed; 20]);
        Grab {
            id: i64::from(seed),
            base_hash: hash,
            position: i64::from(seed),
            category: "radarr".into(),
            last_activity: 1_000,
            ..Grab::of_stub("Main Radarr", hash, stub, title.into(), 1_000)
        }
    }

    pub fn settings(after_import: AfterImport) -> Settings {
        Settings {
            root: "/data/completed".into(),
            separator: '/',
            after_import,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::samples::{grab, settings};
    use super::*;

    fn show(grab: &Grab, after_import: AfterImport, field: &str) -> String {
        let settings = settings(after_import);
        let view = View {
            grab,
            place: 4,
            settings: &settings,
            now: 2_000,
        };
        let field = FIELDS.iter().find(|known| known.name == field).unwrap();
        let mut out = String::new();
        (field.value)(&view).write(&mut out);
        out
    }

    fn check(grab: &Grab, expected: &[(&str, &str)]) {
        for (field, value) in expected {
            assert_eq!(&show(grab, AfterImport::Move, field), value, "{field}");
        }
    }

    #[test]
    fn fields_are_sorted_and_unique() {
        assert!(FIELDS.windows(2).all(|pair| pair[0].name < pair[1].name));
    }

    #[test]
    fn states_have_the_words_the_arrs_know() {
        let cases = [
            (State::Queued, false, 0, "\"queuedDL\""),
            (State::Queued, true, 0, "\"queuedDL\""),
            (State::Downloading, false, 999, "\"downloading\""),
            (State::Downloading, true, 0, "\"forcedDL\""),
            (State::Waiting, false, 59, "\"downloading\""),
            (State::Waiting, false, 60, "\"stalledDL\""),
            (State::Paused, false, 0, "\"pausedDL\""),
            (State::Completed, false, 0, "\"pausedUP\""),
            (State::Completed, true, 0, "\"pausedUP\""),
            (State::Imported, false, 0, "\"pausedUP\""),
            (State::Failed, false, 0, "\"error\""),
        ];
        for (state, force_start, stalled_for, word) in cases {
            let mut sample = grab(1);
            sample.state = state;
            sample.force_start = force_start;
            sample.stalled_for = stalled_for;
            check(&sample, &[("state", word)]);
        }
        let mut paused = grab(1);
        paused.state = State::Paused;
        paused.completed_at = Some(1_500);
        check(&paused, &[("state", "\"pausedUP\""), ("progress", "1")]);
    }

    #[test]
    fn a_running_grab_tells_speed_and_time_left() {
        let mut sample = grab(1);
        sample.state = State::Downloading;
        sample.have = 311_296;
        sample.received = 300_000;
        sample.speed = 40_339;
        sample.last_activity = 1_999;
        sample.filename = Some("a.mkv".into());
        check(
            &sample,
            &[
                ("progress", "0.103765"),
                ("amount_left", "2688704"),
                ("completed", "311296"),
                ("downloaded", "311296"),
                ("downloaded_session", "300000"),
                ("dlspeed", "40339"),
                ("eta", "67"),
                ("num_seeds", "1"),
                ("availability", "1"),
                ("last_activity", "1999"),
                ("seen_complete", "1999"),
                ("time_active", "1000"),
                ("completion_on", "0"),
                ("priority", "4"),
                (
                    "save_path",
                    "\"/data/completed/Example.Movie.2020.1080p-GRP\"",
                ),
                (
                    "content_path",
                    "\"/data/completed/Example.Movie.2020.1080p-GRP/a.mkv\"",
                ),
            ],
        );
        sample.speed = 0;
        check(&sample, &[("eta", "8640000")]);
        sample.speed = 1;
        check(&sample, &[("eta", "2688704")]);
        sample.have = sample.size;
        check(
            &sample,
            &[("eta", "1"), ("progress", "0.999999"), ("amount_left", "0")],
        );
        sample.have = u64::MAX;
        check(
            &sample,
            &[("progress", "0.999999"), ("completed", "3000000")],
        );
    }

    #[test]
    fn huge_sizes_do_not_overflow() {
        let mut sample = grab(1);
        sample.state = State::Downloading;
        sample.size = u64::MAX;
        sample.have = u64::MAX / 2;
        sample.speed = 1;
        check(&sample, &[("progress", "0.499999"), ("eta", "8640000")]);
    }

    #[test]
    fn a_finished_grab_can_be_moved_and_removed() {
        let mut sample = grab(1);
        sample.state = State::Completed;
        sample.completed_at = Some(1_600);
        sample.ratio_limit = 2.0;
        sample.seeding_time_limit = 600;
        sample.inactive_seeding_time_limit = 600;
        check(
            &sample,
            &[
                ("progress", "1"),
                ("amount_left", "0"),
                ("completed", "3000000"),
                ("downloaded", "3000000"),
                ("eta", "8640000"),
                ("availability", "-1"),
                ("completion_on", "1600"),
                ("seeding_time", "400"),
                ("time_active", "600"),
                ("priority", "0"),
                ("ratio", "0"),
                ("ratio_limit", "0"),
                ("max_ratio", "0"),
                ("seeding_time_limit", "-2"),
                ("max_seeding_time", "-1"),
                ("inactive_seeding_time_limit", "-2"),
            ],
        );
        assert_eq!(show(&sample, AfterImport::Keep, "ratio_limit"), "-2");
        assert_eq!(show(&sample, AfterImport::Keep, "max_ratio"), "-1");
        sample.state = State::Queued;
        check(
            &sample,
            &[
                ("ratio_limit", "2"),
                ("max_ratio", "2"),
                ("seeding_time_limit", "600"),
                ("max_seeding_time", "600"),
                ("max_inactive_seeding_time", "600"),
            ],
        );
    }

    #[test]
    fn content_path_is_never_save_path() {
        for (root, separator) in [("/d", '/'), ("", '/'), ("C:\\d", '\\')] {
            for filename in [None, Some("a.mkv".to_string())] {
                let mut sample = grab(1);
                sample.filename = filename;
                let settings = Settings {
                    root: root.into(),
                    separator,
                    after_import: AfterImport::Move,
                };
                let view = View {
                    grab: &sample,
                    place: 1,
                    settings: &settings,
                    now: 0,
                };
                assert_eq!(
                    view.content_path(),
                    format!("{}{separator}{}", view.save_path(), view.file_name())
                );
            }
        }
    }

    #[test]
    fn the_title_is_escaped_in_the_magnet_link() {
        let mut sample = grab(1);
        sample.title = "Ä b".into();
        check(
            &sample,
            &[
                ("name", "\"Ä b\""),
                (
                    "magnet_uri",
                    "\"magnet:?xt=urn:btih:0101010101010101010101010101010101010101&dn=%c3%84%20b\"",
                ),
                (
                    "content_path",
                    "\"/data/completed/Example.Movie.2020.1080p-GRP/Example.Movie.2020.1080p-GRP\"",
                ),
            ],
        );
    }

    #[test]
    fn pieces_hold_together() {
        for size in [
            1,
            PIECE_LENGTH - 1,
            PIECE_LENGTH,
            PIECE_LENGTH + 1,
            u64::MAX,
        ] {
            for have in [0, size / 2, size] {
                let mut sample = grab(1);
                sample.size = size;
                sample.have = have;
                let settings = settings(AfterImport::Move);
                let view = View {
                    grab: &sample,
                    place: 1,
                    settings: &settings,
                    now: 0,
                };
                assert!(view.pieces() >= 1 && view.pieces_have() <= view.pieces());
            }
        }
    }
}
