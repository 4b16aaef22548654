//! Tests of `view`: what a grab in each state shows, and that its figures hold together.

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
