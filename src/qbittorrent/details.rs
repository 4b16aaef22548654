//! One torrent in detail: properties, files, trackers, pieces.
//!
//! Pure, over [`View`]. Where `torrents/info` says 0 for "none", `torrents/properties` says −1
//! (limits, dates): both as recorded from the real server.

use crate::torrent::stub::PIECE_LENGTH;

use super::value::{Value, object};
use super::view::View;

/// Longest list that `torrents/pieceStates` gives. A stub within the body limit of an upload has fewer
/// pieces; this only bounds what a damaged row could make us write.
const MAX_PIECES: u64 = 1 << 20;

/// The 39 keys of `torrents/properties`. `comment` tells why a grab waits or has failed.
pub fn properties(view: &View<'_>) -> String {
    let grab = view.grab;
    let none = |limit: u64| match limit {
        0 => Value::Int(-1),
        limit => Value::Uint(limit),
    };
    let date = |seconds: u64| match seconds {
        0 => Value::Int(-1),
        seconds => Value::Uint(seconds),
    };
    let last_seen = match view.grab.state {
        crate::grab::State::Downloading => Value::Uint(view.last_activity()),
        _ => Value::Int(-1),
    };
    let elapsed = view.time_active();
    let hash = grab.infohash.to_string();
    object([
        ("addition_date", Value::Uint(grab.added_at)),
        ("comment", grab.reason.as_deref().unwrap_or("").into()),
        ("completion_date", date(view.completed_at())),
        ("created_by", "jackdaw".into()),
        ("creation_date", Value::Int(-1)),
        ("dl_limit", none(grab.download_limit)),
        ("dl_speed", Value::Uint(view.speed())),
        ("dl_speed_avg", Value::Uint(view.have() / elapsed.max(1))),
        ("download_path", "".into()),
        ("eta", Value::Uint(view.eta())),
        ("hash", hash.clone().into()),
        ("infohash_v1", hash.into()),
        ("infohash_v2", "".into()),
        ("is_private", Value::Bool(false)),
        ("last_seen", last_seen),
        ("name", view.name().into()),
        ("nb_connections", Value::Uint(view.seeds())),
        ("nb_connections_limit", Value::Int(100)),
        ("peers", Value::Int(0)),
        ("peers_total", Value::Int(0)),
        ("piece_size", Value::Uint(PIECE_LENGTH)),
        ("pieces_have", Value::Uint(view.pieces_have())),
        ("pieces_num", Value::Uint(view.pieces())),
        ("reannounce", Value::Int(0)),
        ("save_path", view.save_path().into()),
        ("seeding_time", Value::Uint(view.seeding_time())),
        ("seeds", Value::Uint(view.seeds())),
        ("seeds_total", Value::Uint(view.seeds())),
        ("share_ratio", Value::Int(0)),
        ("time_elapsed", Value::Uint(elapsed)),
        ("total_downloaded", Value::Uint(view.downloaded())),
        ("total_downloaded_session", Value::Uint(grab.received)),
        ("total_size", Value::Uint(grab.size)),
        ("total_uploaded", Value::Int(0)),
        ("total_uploaded_session", Value::Int(0)),
        ("total_wasted", Value::Int(0)),
        ("up_limit", none(grab.upload_limit)),
        ("up_speed", Value::Int(0)),
        ("up_speed_avg", Value::Int(0)),
    ])
}

/// The one entry of `torrents/files`, without the brackets.
pub fn file(view: &View<'_>) -> String {
    let mut out = object([
        ("availability", Value::Int(view.availability())),
        ("index", Value::Int(0)),
        ("is_seed", Value::Bool(view.is_complete())),
        ("name", view.file_name().into()),
    ]);
    out.pop();
    out.push_str(&format!(
        ",\"piece_range\":[0,{}],\"priority\":1,\"progress\":",
        view.pieces().saturating_sub(1)
    ));
    Value::Millionths(view.progress()).write(&mut out);
    out.push_str(&format!(",\"size\":{}}}", view.grab.size));
    out
}

/// `torrents/trackers`: the three pseudo rows that every torrent has, all disabled.
pub fn trackers() -> String {
    let rows = ["** [DHT] **", "** [PeX] **", "** [LSD] **"].map(|url| {
        object([
            ("msg", "".into()),
            ("num_downloaded", Value::Int(0)),
            ("num_leeches", Value::Int(0)),
            ("num_peers", Value::Int(0)),
            ("num_seeds", Value::Int(0)),
            ("status", Value::Int(0)),
            ("tier", Value::Int(-1)),
            ("url", url.into()),
        ])
    });
    format!("[{}]", rows.join(","))
}

/// `torrents/pieceStates`: 2 = on disk, 1 = coming, 0 = missing.
pub fn piece_states(view: &View<'_>) -> String {
    let have = view.pieces_have();
    let coming = view.seeds();
    let mut out = String::from("[");
    for piece in 0..view.pieces().min(MAX_PIECES) {
        if piece > 0 {
            out.push(',');
        }
        out.push(if piece < have {
            '2'
        } else if piece - have < coming {
            '1'
        } else {
            '0'
        });
    }
    out.push(']');
    out
}

#[cfg(test)]
mod tests {
    use super::super::view::samples::{grab, settings};
    use super::*;
    use crate::config::AfterImport;
    use crate::grab::{Grab, State};

    fn view<T>(grab: &Grab, show: impl Fn(&View<'_>) -> T) -> T {
        let settings = settings(AfterImport::Move);
        show(&View {
            grab,
            place: 1,
            settings: &settings,
            now: 2_000,
        })
    }

    #[test]
    fn properties_say_minus_one_for_none() {
        let text = view(&grab(1), properties);
        for part in [
            "\"dl_limit\":-1",
            "\"up_limit\":-1",
            "\"completion_date\":-1",
            "\"last_seen\":-1",
            "\"eta\":8640000",
            "\"comment\":\"\"",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
        let mut failed = grab(1);
        failed.state = State::Failed;
        failed.reason = Some("alice no longer has it".into());
        failed.download_limit = 4096;
        let text = view(&failed, properties);
        assert!(text.contains("\"comment\":\"alice no longer has it\""));
        assert!(text.contains("\"dl_limit\":4096"));
    }

    #[test]
    fn the_file_entry_matches_the_recorded_shape() {
        let mut done = grab(1);
        done.state = State::Completed;
        done.completed_at = Some(1_500);
        done.filename = Some("a.mkv".into());
        assert_eq!(
            view(&done, file),
            "{\"availability\":-1,\"index\":0,\"is_seed\":true,\"name\":\"a.mkv\",\
             \"piece_range\":[0,0],\"priority\":1,\"progress\":1,\"size\":3000000}"
        );
    }

    #[test]
    fn piece_states_add_up() {
        let mut sample = grab(1);
        sample.size = 3 * PIECE_LENGTH + 1;
        assert_eq!(view(&sample, piece_states), "[0,0,0,0]");
        sample.state = State::Downloading;
        sample.have = PIECE_LENGTH + 5;
        assert_eq!(view(&sample, piece_states), "[2,1,0,0]");
        sample.state = State::Completed;
        assert_eq!(view(&sample, piece_states), "[2,2,2,2]");
    }

    #[test]
    fn piece_states_are_bounded() {
        let mut sample = grab(1);
        sample.size = u64::MAX;
        let text = view(&sample, piece_states);
        assert_eq!(text.len() as u64, 2 * MAX_PIECES + 1);
    }
}
