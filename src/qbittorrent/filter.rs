//! `torrents/info`: filter, sort, page. Pure.
//!
//! Words and quirks of the 4.x server: an unknown filter shows all, `filter=downloading` includes
//! paused ones, an empty `category` or `tag` means "without one", `hashes=all` is not a keyword here,
//! a negative offset counts from the end.

use crate::grab::Grab;
use crate::torrent::stub::Infohash;

use super::view::{FIELDS, Field, View};

/// The state of every finished torrent.
const FINISHED: &str = "pausedUP";

/// Which of our states a `filter` shows.
pub fn filter_shows(filter: &str, state: &str) -> bool {
    let is_active = matches!(state, "downloading" | "forcedDL");
    match filter {
        "downloading" => matches!(
            state,
            "downloading" | "forcedDL" | "stalledDL" | "pausedDL" | "queuedDL"
        ),
        // Nothing is ever uploaded, checked or moved here.
        "seeding" | "stalled_uploading" | "checking" | "moving" => false,
        "completed" => state == "pausedUP",
        "paused" => matches!(state, "pausedDL" | "pausedUP"),
        "resumed" => !matches!(state, "pausedDL" | "pausedUP"),
        "active" => is_active,
        "inactive" => !is_active,
        "stalled" | "stalled_downloading" => state == "stalledDL",
        "errored" => state == "error",
        _ => true,
    }
}

/// What a client wants to see; `None` = any.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// `filter`.
    pub filter: Option<String>,
    /// `category`, exact; empty = uncategorised.
    pub category: Option<String>,
    /// `tag`, exact; empty = untagged.
    pub tag: Option<String>,
    /// `hashes`, sorted; unreadable ones match nothing.
    pub hashes: Option<Vec<Infohash>>,
}

impl Wanted {
    /// Whether finished torrents can be among those shown: most filters are for the few others.
    pub fn may_show_finished(&self) -> bool {
        let filter = self.filter.as_deref();
        filter.is_none_or(|filter| filter_shows(filter, FINISHED))
    }

    /// Whether a torrent is to be listed.
    pub fn shows(&self, view: &View<'_>) -> bool {
        let grab: &Grab = view.grab;
        let filter = self.filter.as_deref();
        let category = self.category.as_deref();
        filter.is_none_or(|filter| filter_shows(filter, view.state()))
            && category.is_none_or(|wanted| grab.category == wanted)
            && self.tag.as_deref().is_none_or(|wanted| match wanted {
                "" => grab.tags.is_empty(),
                wanted => grab.tags.split(", ").any(|tag| tag == wanted),
            })
            && self
                .hashes
                .as_ref()
                .is_none_or(|hashes| hashes.binary_search(&grab.infohash).is_ok())
    }
}

/// Reads `hashes` of a list, sorted and each once; an empty value filters nothing.
pub fn wanted_hashes(text: Option<&str>) -> Option<Vec<Infohash>> {
    let text = text.filter(|text| !text.is_empty())?;
    let mut hashes: Vec<Infohash> = text.split('|').filter_map(Infohash::parse).collect();
    hashes.sort_unstable();
    hashes.dedup();
    Some(hashes)
}

/// The field that `sort` names.
pub fn sort_field(name: &str) -> Option<&'static Field> {
    FIELDS.iter().find(|field| field.name == name)
}

/// The span of `length` items that `offset` and `limit` leave.
pub fn page(length: usize, offset: i64, limit: i64) -> std::ops::Range<usize> {
    let length_signed = i64::try_from(length).unwrap_or(i64::MAX);
    let start = match offset {
        offset if offset < 0 => length_signed.saturating_add(offset),
        offset => offset,
    };
    let start = match usize::try_from(start) {
        Ok(start) if start < length => start,
        _ => 0,
    };
    let count = match usize::try_from(limit) {
        Ok(count) if count > 0 => count,
        _ => length,
    };
    start..start.saturating_add(count).min(length)
}

#[cfg(test)]
mod tests {
    use super::super::view::samples::{grab, settings};
    use super::*;
    use crate::config::AfterImport;

    #[test]
    fn filters_show_the_states_of_the_real_server() {
        let states = [
            "queuedDL",
            "downloading",
            "forcedDL",
            "stalledDL",
            "pausedDL",
            "error",
            "pausedUP",
        ];
        for (filter, expected) in [
            ("all", [true; 7]),
            ("", [true; 7]),
            ("running", [true; 7]),
            ("DOWNLOADING", [true; 7]),
            ("downloading", [true, true, true, true, true, false, false]),
            (
                "completed",
                [false, false, false, false, false, false, true],
            ),
            ("paused", [false, false, false, false, true, false, true]),
            ("resumed", [true, true, true, true, false, true, false]),
            ("active", [false, true, true, false, false, false, false]),
            ("inactive", [true, false, false, true, true, true, true]),
            ("stalled", [false, false, false, true, false, false, false]),
            ("errored", [false, false, false, false, false, true, false]),
            ("seeding", [false; 7]),
            ("checking", [false; 7]),
            ("moving", [false; 7]),
            ("stalled_uploading", [false; 7]),
        ] {
            let shown = states.map(|state| filter_shows(filter, state));
            assert_eq!(shown, expected, "{filter}");
            let wanted = Wanted {
                filter: Some(filter.to_string()),
                ..Wanted::default()
            };
            assert_eq!(wanted.may_show_finished(), expected[6], "{filter}");
        }
    }

    #[test]
    fn criteria_are_anded_and_exact() {
        let mut sample = grab(1);
        sample.tags = "hd, web".into();
        let settings = settings(AfterImport::Move);
        let view = View {
            grab: &sample,
            place: 1,
            settings: &settings,
            now: 0,
        };
        let own = "01".repeat(20);
        for (category, tag, hashes, expected) in [
            (None, None, None, true),
            (Some("radarr"), Some("hd"), Some(own.as_str()), true),
            (Some("Radarr"), None, None, false),
            (Some(""), None, None, false),
            (None, Some(""), None, false),
            (None, Some("h"), None, false),
            (None, None, Some(""), true),
            (None, None, Some("all"), false),
            (None, None, Some("xyz|"), false),
            (Some("radarr"), Some("hd"), Some("x"), false),
        ] {
            let wanted = Wanted {
                filter: None,
                category: category.map(str::to_owned),
                tag: tag.map(str::to_owned),
                hashes: wanted_hashes(hashes),
            };
            assert_eq!(wanted.shows(&view), expected, "{wanted:?}");
        }
        let upper = format!("{}|{}", "AB".repeat(20), own.to_uppercase());
        assert_eq!(wanted_hashes(Some(&upper)).unwrap().len(), 2);
    }

    #[test]
    fn pages_never_leave_the_list() {
        for (length, offset, limit, expected) in [
            (5, 0, 0, 0..5),
            (5, 2, 2, 2..4),
            (5, -2, 0, 3..5),
            (5, -9, 0, 0..5),
            (5, 9, 0, 0..5),
            (5, 0, -1, 0..5),
            (5, 4, 99, 4..5),
            (0, 0, 0, 0..0),
            (0, -1, 5, 0..0),
            (5, i64::MIN, i64::MAX, 0..5),
            (5, i64::MAX, i64::MIN, 0..5),
        ] {
            assert_eq!(page(length, offset, limit), expected);
        }
    }

    #[test]
    fn sort_knows_the_keys_of_the_object_only() {
        assert!(sort_field("added_on").is_some());
        assert!(sort_field("nope").is_none());
        assert!(sort_field("").is_none());
    }
}
