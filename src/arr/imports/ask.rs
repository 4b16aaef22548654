//! The questions that the import tracker puts to an arr, and the two things it tells it.
//!
//! Lists are read record by record. A list that is not there (null, a proxy's page) is an error,
//! never an empty list: "nothing in the queue" has consequences. Hashes go out in upper case, for
//! every lookup by `downloadId` in Sonarr and Radarr is case-sensitive; event types go to
//! `/history/since` by name and to `/history` not at all, since versions differ in how many they take.

use super::record::{History, Queued};
use crate::arr::client::ArrClient;
use crate::arr::error::ArrError;
use crate::clock::iso8601;
use crate::config::ServerType;
use crate::torrent::stub::Infohash;
use miniserde::json::{Object, Value};

/// Records in a page. One has a few KiB; the arr builds a page in memory.
const PAGE_SIZE: u64 = 100;

/// Pages read of one list: ten thousand records. A queue of that length is no queue any more.
const MAX_PAGES: u64 = 100;

/// As Sonarr and Radarr write download ids.
pub fn download_id(infohash: &Infohash) -> String {
    infohash.to_string().to_ascii_uppercase()
}

/// Files imported since a moment of the arr's clock, that second included, oldest first.
/// Records that were given before an error are sound.
pub fn imported_since(
    arr: &ArrClient,
    since: u64,
    each: &mut dyn FnMut(History),
) -> Result<(), ArrError> {
    let path = format!(
        "/history/since?date={}&eventType=downloadFolderImported",
        iso8601(since)
    );
    arr.each(&path, &mut |raw| {
        if let Some(record) = History::read(raw) {
            each(record);
        }
    })
}

/// The whole queue, with what the arr could not match to its library.
pub fn queue(arr: &ArrClient, each: &mut dyn FnMut(Queued)) -> Result<(), ArrError> {
    let unknown = match arr.server().kind {
        ServerType::Radarr => "includeUnknownMovieItems",
        ServerType::Sonarr => "includeUnknownSeriesItems",
    };
    pages(arr, &format!("/queue?{unknown}=true"), &mut |raw| {
        if let Some(record) = Queued::read(raw) {
            each(record);
        }
    })
}

/// Everything that happened to one download, newest first.
pub fn history_of(
    arr: &ArrClient,
    infohash: &Infohash,
    each: &mut dyn FnMut(History),
) -> Result<(), ArrError> {
    let path = format!(
        "/history?sortKey=date&sortDirection=descending&downloadId={}",
        download_id(infohash)
    );
    pages(arr, &path, &mut |raw| {
        // An arr that does not know the filter lists everything.
        if let Some(record) = History::read(raw).filter(|record| record.infohash == *infohash) {
            each(record);
        }
    })
}

/// Blocklists a download that is in the queue and has it removed here: before this returns, the
/// arr calls us back with `torrents/delete`.
pub fn fail_queued(arr: &ArrClient, id: u64) -> Result<(), ArrError> {
    arr.delete(&format!("/queue/{id}?removeFromClient=true&blocklist=true"))
}

/// Blocklists a grab that is in the history only.
pub fn fail_grabbed(arr: &ArrClient, id: u64) -> Result<(), ArrError> {
    let nothing = Value::Object(Object::new());
    arr.post(&format!("/history/failed/{id}"), &nothing)
        .map(drop)
}

fn pages(arr: &ArrClient, path: &str, each: &mut dyn FnMut(&str)) -> Result<(), ArrError> {
    for page in 1..=MAX_PAGES {
        let path = format!("{path}&page={page}&pageSize={PAGE_SIZE}");
        if arr.each_under(&path, "records", each)? < PAGE_SIZE {
            return Ok(());
        }
    }
    log::warn!(
        "{}: only the first {} entries of {} were read",
        arr.name(),
        PAGE_SIZE * MAX_PAGES,
        path.split('?').next().unwrap_or(path)
    );
    Ok(())
}
