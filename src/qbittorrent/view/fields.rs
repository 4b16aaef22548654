//! The keys of a torrent object: [`FIELDS`] is the one table on which lists, `sort=` and
//! `sync/maindata` all work.
//!
//! It has the 51 keys of WebAPI 2.9.2: the 49 recorded from a 4.5.2 in `tests/golden/qbittorrent`
//! (compared in `qbittorrent/tests/recorded.rs`), and the two inactive-seeding limits of 4.6. Each is
//! marked with whether a change of it alone is news for `sync/maindata`.

use super::View;
use crate::qbittorrent::value::Value;

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
