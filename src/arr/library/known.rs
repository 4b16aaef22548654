//! Which series of a Sonarr are as they were when they were read last, so that they need not be read
//! again: two requests saved for each, of a library that changes a little at a time.
//!
//! A series is known once all of its files were found in order. It stays so while what the list says
//! of it is the same (titles, ids, folder, numbers and sizes of its files), and no record of it has
//! come into the history: Sonarr writes one for each file that is imported, renamed or deleted. What neither
//! shows (an edited quality or language) is seen when everything is read anew, once a day.
//! Records are told apart by their number, so that clocks do not matter. An arr whose history cannot
//! be had is read whole each time. In memory only: a start reads everything.

use std::collections::{HashMap, HashSet};

use crate::arr::client::ArrClient;
use crate::arr::error::ArrError;
use crate::clock::{iso8601, parse_iso8601};
use crate::json;

/// Most series that are remembered: some 500 KiB. Those beyond are read each time.
const MAX_SERIES: usize = 10_000;

/// What is remembered between scans.
#[derive(Debug, Default)]
pub struct Known {
    series: HashMap<u64, Mark>,
    newest: Option<Newest>,
}

/// A series as it was read.
#[derive(Clone, Copy, Debug)]
struct Mark {
    /// Of what the list said of it.
    digest: u64,
    /// Releases that it gave.
    offers: u64,
}

/// The newest record of the history, which may be the zeroth.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Newest {
    id: u64,
    /// Unix seconds of the arr's clock.
    date: u64,
}

impl Known {
    /// Asks what has happened since the last time, and forgets the series that it happened to. To be
    /// called after the list of series was read and before any of them is.
    pub fn catch_up(&mut self, client: &ArrClient) {
        let result = match self.newest {
            None => newest(client),
            Some(before) => happened(client, before).map(|(newest, touched)| {
                self.series.retain(|series, _| !touched.contains(series));
                Some(newest)
            }),
        };
        match result {
            Ok(Some(newest)) => self.newest = Some(newest),
            Ok(None) => *self = Known::default(),
            Err(error) => {
                log::debug!("every series is read, for the history is not to be had: {error}");
                *self = Known::default();
            }
        }
    }

    /// How many releases this series gave, if it is as it was.
    pub fn unchanged(&self, series: u64, digest: u64) -> Option<u64> {
        let mark = self.series.get(&series)?;
        (mark.digest == digest).then_some(mark.offers)
    }

    /// Not known any more.
    pub fn forget(&mut self, series: u64) {
        self.series.remove(&series);
    }

    /// Was read, and gave so many releases.
    pub fn remember(&mut self, series: u64, digest: u64, offers: u64) {
        // Without a place in the history nobody could tell what happened since.
        if self.newest.is_some() && self.series.len() < MAX_SERIES {
            self.series.insert(series, Mark { digest, offers });
        }
    }

    /// Forgets series that are not there any more.
    pub fn keep(&mut self, is_there: impl Fn(u64) -> bool) {
        self.series.retain(|series, _| is_there(*series));
    }
}

/// The last record; `None` if it cannot be read.
fn newest(client: &ArrClient) -> Result<Option<Newest>, ArrError> {
    let path = "/history?page=1&pageSize=1&sortKey=date&sortDirection=descending";
    let mut found = Some(Newest::default());
    client.each_under(path, "records", &mut |raw| {
        found = record(raw).map(|(newest, _)| newest);
    })?;
    Ok(found)
}

/// The last record, and the series that the records after `before` are about.
fn happened(client: &ArrClient, before: Newest) -> Result<(Newest, HashSet<u64>), ArrError> {
    let (mut newest, mut touched) = (before, HashSet::new());
    let mut is_clear = true;
    // Dates have whole seconds, so the last one is read again.
    let path = format!("/history/since?date={}", iso8601(before.date));
    client.each(&path, &mut |raw| match record(raw) {
        Some((record, series)) if record.id > before.id => {
            touched.insert(series);
            if record.id > newest.id {
                newest = record;
            }
        }
        Some(_) => {}
        None => is_clear = false,
    })?;
    match is_clear {
        true => Ok((newest, touched)),
        false => Err(ArrError::Protocol(
            "a record without id, date or series".into(),
        )),
    }
}

/// Number, date and series of a record.
fn record(raw: &str) -> Option<(Newest, u64)> {
    let (mut id, mut date, mut series) = (None, None, None);
    json::fields(raw, |key, value| match key {
        "id" => id = json::as_u64(value),
        "date" => date = json::as_string(value).and_then(|text| parse_iso8601(&text)),
        "seriesId" => series = json::as_u64(value),
        _ => {}
    });
    let newest = Newest {
        id: id?,
        date: date?,
    };
    Some((newest, series?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_bounded_and_needs_a_place_in_the_history() {
        let mut known = Known::default();
        known.remember(1, 7, 2);
        assert_eq!(known.unchanged(1, 7), None);
        known.newest = Some(Newest::default());
        for series in 0..=MAX_SERIES as u64 {
            known.remember(series, 7, 2);
        }
        assert_eq!(known.series.len(), MAX_SERIES);
        assert_eq!(known.unchanged(1, 7), Some(2));
        assert_eq!(known.unchanged(1, 8), None);
        known.forget(1);
        assert_eq!(known.unchanged(1, 7), None);
        known.keep(|series| series == 2);
        assert_eq!(known.series.len(), 1);
    }

    #[test]
    fn records_are_read_or_not() {
        // Shape: Sonarr.Api.V3 HistoryResource.
        let sound = r#"{"episodeId":7,"seriesId":3,"date":"1970-01-01T00:00:09Z","eventType":"episodeFileRenamed","data":{},"id":12}"#;
        assert_eq!(record(sound), Some((Newest { id: 12, date: 9 }, 3)));
        for at in 0..sound.len() {
            // Whatever it gives, it ends.
            let _ = record(&sound[..at]);
        }
        for odd in [
            "null",
            "[]",
            r#"{"id":1,"seriesId":1}"#,
            r#"{"id":null,"seriesId":1,"date":"1970-01-01T00:00:09Z"}"#,
            r#"{"id":1,"seriesId":null,"date":"1970-01-01T00:00:09Z"}"#,
        ] {
            assert_eq!(record(odd), None, "{odd}");
        }
    }
}
