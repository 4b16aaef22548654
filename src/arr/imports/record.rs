//! History and queue records of the arrs, as far as they concern us.
//!
//! Pure. In: the raw JSON of one record; out: the few fields that we use. Null, absent and other
//! types all count as absent; a record without a 40-digit `downloadId` is not about a torrent and
//! gives `None`. Messages are cut to [`MAX_MESSAGES`] of [`MAX_MESSAGE_CHARS`]. Names of events and
//! states are those of Sonarr 4 and Radarr 6 (`EpisodeHistoryEventType`, `TrackedDownloadState`).

use crate::clock::parse_iso8601;
use crate::json::{as_string, as_u64, elements, fields};
use crate::secret::without_keys;
use crate::torrent::stub::Infohash;

/// Messages kept of one download: a pack has one for each of its episodes, and they say the same.
pub const MAX_MESSAGES: usize = 10;

/// Longest message kept. The longest of their own name two qualities and a file.
pub const MAX_MESSAGE_CHARS: usize = 500;

/// What a history record tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The arr accepted a release and handed it to us.
    Grabbed,
    /// A file of the download is in the library.
    Imported,
    /// Anything else, by its name.
    Other(String),
}

/// One history record of a torrent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct History {
    /// Number of the record; unique in that arr.
    pub id: Option<u64>,
    /// Unix seconds by the arr's clock.
    pub date: Option<u64>,
    /// Which download.
    pub infohash: Infohash,
    /// What happened.
    pub event: Event,
    /// Where the file is now, as the arr sees it.
    pub imported_path: Option<String>,
}

impl History {
    /// Reads a record.
    pub fn read(raw: &str) -> Option<History> {
        let (mut id, mut date, mut infohash, mut event, mut imported_path) =
            (None, None, None, None, None);
        let is_whole = fields(raw, |key, value| match key {
            "id" => id = as_u64(value),
            "date" => date = as_string(value).and_then(|text| parse_iso8601(&text)),
            "downloadId" => infohash = infohash_of(value),
            "eventType" => event = as_string(value),
            "data" => {
                fields(value, |key, value| {
                    if key == "importedPath" {
                        imported_path = as_string(value).filter(|path| !path.is_empty());
                    }
                });
            }
            _ => {}
        });
        let event = match event?.as_ref() {
            "grabbed" => Event::Grabbed,
            "downloadFolderImported" => Event::Imported,
            other => Event::Other(cut(other)),
        };
        Some(History {
            id,
            date,
            infohash: infohash.filter(|_| is_whole)?,
            event,
            imported_path: imported_path.map(|path| path.into_owned()),
        })
    }
}

/// One entry of the arr's queue that is a torrent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Queued {
    /// Number of the entry.
    pub id: Option<u64>,
    /// Which download.
    pub infohash: Infohash,
    /// What the arr has against it, in its own words.
    pub messages: Vec<String>,
}

impl Queued {
    /// Reads a record.
    pub fn read(raw: &str) -> Option<Queued> {
        let (mut id, mut infohash, mut title, mut state) = (None, None, None, None);
        let (mut status_messages, mut error_message) = ("[]", None);
        let is_whole = fields(raw, |key, value| match key {
            "id" => id = as_u64(value),
            "downloadId" => infohash = infohash_of(value),
            "title" => title = as_string(value),
            "trackedDownloadState" => state = as_string(value),
            "statusMessages" => status_messages = value,
            "errorMessage" => error_message = as_string(value),
            _ => {}
        });
        let mut messages = messages(status_messages, title.as_deref());
        add(&mut messages, error_message.as_deref().unwrap_or_default());
        if messages.is_empty() && state.as_deref() == Some("importBlocked") {
            messages.push("import blocked, without a reason".into());
        }
        Some(Queued {
            id,
            infohash: infohash.filter(|_| is_whole)?,
            messages,
        })
    }
}

/// The texts of `[{"title":…,"messages":[…]}]`. `download` is the name of the whole download: only
/// other titles (files) are worth repeating.
pub fn messages(raw: &str, download: Option<&str>) -> Vec<String> {
    let mut all = Vec::new();
    elements(raw, |group| {
        let (mut title, mut texts) = (None, "[]");
        fields(group, |key, value| match key {
            "title" => title = as_string(value),
            "messages" => texts = value,
            _ => {}
        });
        let title = title.as_deref().unwrap_or_default();
        let mut has_text = false;
        elements(texts, |text| {
            let Some(text) = as_string(text).filter(|text| !text.trim().is_empty()) else {
                return;
            };
            has_text = true;
            match title.is_empty() || Some(title) == download {
                true => add(&mut all, &text),
                false => add(&mut all, &format!("{title}: {text}")),
            }
        });
        if !has_text {
            add(&mut all, title);
        }
    });
    all
}

/// Adds what is new, within the limits.
pub fn add(messages: &mut Vec<String>, text: &str) {
    let text = cut(without_keys(text).trim());
    if !text.is_empty() && messages.len() < MAX_MESSAGES && !messages.contains(&text) {
        messages.push(text);
    }
}

/// The hash of a raw `downloadId`; other clients have ids of other forms.
pub fn infohash_of(raw: &str) -> Option<Infohash> {
    Infohash::parse(&as_string(raw)?)
}

fn cut(text: &str) -> String {
    text.chars().take(MAX_MESSAGE_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "0123456789ABCDEF0123456789ABCDEF01234567";

    fn hash() -> Infohash {
        Infohash::parse(HASH).unwrap()
    }

    #[test]
    fn history_records_of_both_programs() {
        // Shape: Sonarr.Api.V3 HistoryResource; nulls are left out, dates have whole seconds.
        let record = History::read(&format!(
            r#"{{"episodeId":7,"seriesId":1,"sourceTitle":"x","quality":{{"quality":{{"id":1}}}},
                "date":"2026-01-02T03:04:05Z","downloadId":"{HASH}",
                "eventType":"downloadFolderImported","data":{{"fileId":"3",
                "droppedPath":"/d/x/x.mkv","importedPath":"/tv/X/x.mkv","size":null}},"id":12}}"#
        ));
        let expected = History {
            id: Some(12),
            date: Some(1_767_323_045),
            infohash: hash(),
            event: Event::Imported,
            imported_path: Some("/tv/X/x.mkv".into()),
        };
        assert_eq!(record, Some(expected.clone()));
        let record = History::read(&format!(
            r#"{{"id":1,"date":null,"downloadId":"{}","eventType":"grabbed","data":null}}"#,
            HASH.to_lowercase()
        ));
        let grabbed = History {
            id: Some(1),
            date: None,
            event: Event::Grabbed,
            imported_path: None,
            ..expected
        };
        assert_eq!(record, Some(grabbed));
    }

    #[test]
    fn what_is_not_about_a_torrent_is_nothing() {
        for raw in [
            "null",
            "[]",
            "{}",
            r#"{"eventType":"grabbed"}"#,
            r#"{"eventType":"grabbed","downloadId":null}"#,
            r#"{"eventType":"grabbed","downloadId":"SABnzbd_nzo_1"}"#,
            r#"{"eventType":3,"downloadId":"0123456789ABCDEF0123456789ABCDEF01234567"}"#,
        ] {
            assert_eq!(History::read(raw), None, "{raw}");
            assert_eq!(Queued::read(raw).filter(|_| !raw.contains(HASH)), None);
        }
    }

    #[test]
    fn refusals_keep_the_arrs_words() {
        let check = |more: &str, expected: &[&str]| {
            let raw = format!(r#"{{"id":5,"title":"A.B","downloadId":"{HASH}"{more}}}"#);
            let item = Queued::read(&raw).unwrap_or_else(|| panic!("{raw}"));
            assert_eq!((item.id, item.infohash), (Some(5), hash()));
            assert_eq!(item.messages, expected, "{raw}");
        };
        check("", &[]);
        check(r#","statusMessages":null,"errorMessage":null"#, &[]);
        check(r#","trackedDownloadState":"importPending""#, &[]);
        check(
            r#","statusMessages":[{"title":"A.B","messages":["Not an upgrade","Not an upgrade"]},
                {"title":"a.mkv","messages":["Sample"]},{"title":"Alone","messages":[]},null,7],
                "errorMessage":"The download is stalled with no connections""#,
            &[
                "Not an upgrade",
                "a.mkv: Sample",
                "Alone",
                "The download is stalled with no connections",
            ],
        );
        check(
            r#","trackedDownloadState":"importBlocked","statusMessages":[]"#,
            &["import blocked, without a reason"],
        );
    }

    #[test]
    fn messages_are_bounded() {
        let texts: Vec<String> = (0..MAX_MESSAGES + 5)
            .map(|n| format!("\"{n}{}\"", "é".repeat(MAX_MESSAGE_CHARS)))
            .collect();
        let all = messages(&format!(r#"[{{"messages":[{}]}}]"#, texts.join(",")), None);
        assert_eq!(all.len(), MAX_MESSAGES);
        assert!(
            all.iter()
                .all(|text| text.chars().count() == MAX_MESSAGE_CHARS)
        );
    }

    #[test]
    fn any_text_is_read_or_not() {
        let sound = format!(
            r#"{{"id":5,"title":"A","downloadId":"{HASH}","eventType":"grabbed","data":{{"importedPath":"/x"}},
                "statusMessages":[{{"title":"a","messages":["b"]}}]}}"#
        );
        let mut seed = 7u64;
        for at in 0..sound.len() {
            if sound.is_char_boundary(at) {
                assert_eq!(History::read(&sound[..at]), None);
                assert_eq!(Queued::read(&sound[..at]), None);
            }
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let mut bytes = sound.clone().into_bytes();
            bytes[at] = (seed >> 33) as u8 & 0x7f;
            let text = String::from_utf8(bytes).unwrap();
            let _ = (History::read(&text), Queued::read(&text));
        }
    }
}
