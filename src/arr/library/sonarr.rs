//! Sonarr's episodes, series by series.
//!
//! Two requests a series: `/episode` says which episodes a file holds (the file object does not),
//! `/episodefile` describes the files. Of the first only numbers are kept, for one series at a
//! time; the second goes by item by item. Series without files are not asked about, nor those that are
//! as they were (see [`super::known`]).

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use super::files::Files;
use super::known::Known;
use super::record::{FileRecord, positive, titles};
use super::titles::{self as naming, Facts, Part};
use crate::arr::client::ArrClient;
use crate::arr::error::ArrError;
use crate::json;
use crate::library::{Offer, Sink};
use crate::release::Category;

/// One series of the library.
struct Series {
    id: u64,
    titles: Vec<String>,
    tvdb: Option<u64>,
    tmdb: Option<u64>,
    imdb: Option<String>,
    year: Option<u32>,
    kind: Kind,
    /// Of all that the list says and that a release or its path may depend on.
    digest: u64,
}

/// How a series is numbered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Standard,
    Daily,
    Anime,
}

/// One episode that has a file.
struct Episode {
    id: u64,
    file: u64,
    season: u32,
    number: u32,
    absolute: Option<u32>,
    air_date: Option<String>,
}

/// `2 + 2 n` requests for n series with files that have changed.
pub fn scan(
    client: &ArrClient,
    connector: &str,
    files: &Files,
    known: &mut Known,
    sink: &mut dyn Sink,
) -> Result<(), ArrError> {
    // A few hundred bytes each: a thousand series are no more than one large item.
    let mut all = Vec::new();
    client.each("/series", &mut |raw| all.extend(series(raw)))?;
    if all.is_empty() {
        return Ok(());
    }
    let there: HashSet<u64> = all.iter().map(|series| series.id).collect();
    known.keep(|id| there.contains(&id));
    known.catch_up(client);
    for series in &all {
        let prefix = format!("{connector}:episode:{}.", series.id);
        if let Some(offers) = known.unchanged(series.id, series.digest)
            && sink.keep(&prefix, offers)
        {
            continue;
        }
        known.forget(series.id);
        let mut episodes = Vec::new();
        client.each(&format!("/episode?seriesId={}", series.id), &mut |raw| {
            episodes.extend(episode(raw));
        })?;
        if episodes.is_empty() {
            continue;
        }
        episodes.sort_by_key(|e: &Episode| (e.file, e.season, e.number, e.id));
        let path = format!("/episodefile?seriesId={}", series.id);
        let (mut given, mut is_in_order) = (0, true);
        let result = client.each(&path, &mut |raw| {
            if let Some(file) = FileRecord::read(raw) {
                let from = episodes.partition_point(|e| e.file < file.id);
                let to = episodes.partition_point(|e| e.file <= file.id);
                let episodes = &episodes[from..to];
                match offers(series, episodes, &file, &prefix, files, sink) {
                    true => given += episodes.len() as u64,
                    false => is_in_order = false,
                }
            }
        });
        match result {
            // Deleted since the list was read: nothing of it is left to share.
            Err(ArrError::NotFound(_)) => continue,
            result => result?,
        }
        if is_in_order {
            known.remember(series.id, series.digest, given);
        }
    }
    Ok(())
}

fn series(raw: &str) -> Option<Series> {
    let mut series = Series {
        id: 0,
        titles: Vec::new(),
        tvdb: None,
        tmdb: None,
        imdb: None,
        year: None,
        kind: Kind::Standard,
        digest: 0,
    };
    let mut hasher = DefaultHasher::new();
    // Without statistics it is asked about: only a stated zero spares the requests.
    let mut files = None;
    json::fields(raw, |key, raw| {
        // Not its images, ratings and air dates, which change without a file.
        if matches!(
            key,
            "title"
                | "alternateTitles"
                | "tvdbId"
                | "tmdbId"
                | "imdbId"
                | "year"
                | "seriesType"
                | "path"
                | "seasons"
                | "statistics"
        ) {
            (key, raw).hash(&mut hasher);
        }
        match key {
            "id" => series.id = json::as_u64(raw).unwrap_or(0),
            "title" => {
                if let Some(title) = json::as_string(raw) {
                    series.titles.insert(0, title.into_owned());
                }
            }
            "alternateTitles" => titles(raw, &mut series.titles),
            "tvdbId" => series.tvdb = positive(raw),
            "tmdbId" => series.tmdb = positive(raw),
            "imdbId" => {
                series.imdb = json::as_string(raw)
                    .filter(|id| !id.is_empty())
                    .map(|id| id.into_owned());
            }
            "year" => series.year = positive(raw).and_then(|year| u32::try_from(year).ok()),
            "seriesType" => {
                series.kind = match raw {
                    "\"daily\"" => Kind::Daily,
                    "\"anime\"" => Kind::Anime,
                    _ => Kind::Standard,
                };
            }
            "statistics" => {
                json::fields(raw, |key, raw| {
                    if key == "episodeFileCount" {
                        files = json::as_u64(raw);
                    }
                });
            }
            _ => {}
        }
    });
    series.digest = hasher.finish();
    (series.id > 0 && files != Some(0)).then_some(series)
}

/// Number of a series that has files.
pub fn id_with_files(raw: &str) -> Option<u64> {
    series(raw).map(|series| series.id)
}

fn episode(raw: &str) -> Option<Episode> {
    let mut episode = Episode {
        id: 0,
        file: 0,
        season: 0,
        number: 0,
        absolute: None,
        air_date: None,
    };
    let (mut has_season, mut has_number) = (false, false);
    let small = |raw: &str| json::as_u64(raw).and_then(|number| u32::try_from(number).ok());
    json::fields(raw, |key, raw| match key {
        "id" => episode.id = json::as_u64(raw).unwrap_or(0),
        "episodeFileId" => episode.file = json::as_u64(raw).unwrap_or(0),
        "seasonNumber" => {
            has_season = small(raw).is_some();
            episode.season = small(raw).unwrap_or(0);
        }
        "episodeNumber" => {
            has_number = small(raw).is_some();
            episode.number = small(raw).unwrap_or(0);
        }
        "absoluteEpisodeNumber" => episode.absolute = small(raw),
        "airDate" => episode.air_date = json::as_string(raw).map(|date| date.into_owned()),
        _ => {}
    });
    (episode.id > 0 && episode.file > 0 && has_season && has_number).then_some(episode)
}

/// The file once for each of its episodes, all with one title and size. False if it is not on the disk
/// as the arr says: it is to be looked at again.
fn offers(
    series: &Series,
    episodes: &[Episode],
    file: &FileRecord,
    prefix: &str,
    files: &Files,
    sink: &mut dyn Sink,
) -> bool {
    let Some(first) = episodes.first() else {
        return true;
    };
    let Some((path, size)) = files.find(&file.path, file.size) else {
        return false;
    };
    let part = match (&first.air_date, series.kind, episodes.len()) {
        (Some(day), Kind::Daily, 1) => Part::Day(day),
        _ => Part::Episodes(first.season, episodes.iter().map(|e| e.number).collect()),
    };
    let facts = Facts {
        titles: series.titles.iter().map(String::as_str).collect(),
        year: series.year,
        absolute: first.absolute.filter(|_| series.kind == Kind::Anime),
        quality: file.quality.as_ref().and_then(|q| q.name.as_deref()),
        group: file.group.as_deref(),
    };
    let title = naming::episode(file.scene_name.as_deref(), file.stem(), &part, &facts);
    for episode in episodes {
        let id = format!("{prefix}{}.{}", file.id, episode.id);
        let mut release = file.release(id, title.clone(), Category::Tv, size);
        release.tvdb_id = series.tvdb;
        release.tmdb_id = series.tmdb;
        release.imdb_id = series.imdb.clone();
        release.series_title = series.titles.first().cloned();
        release.season = Some(episode.season);
        release.episode = Some(episode.number);
        release.air_date = episode.air_date.clone();
        sink.offer(Offer {
            release,
            path: path.clone(),
        });
    }
    size == file.size
}
