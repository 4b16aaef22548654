//! Radarr's movies: one long list, each with its file inside.

use super::files::Files;
use super::record::{FileRecord, positive, titles};
use super::titles::{self as naming, Facts};
use crate::arr::client::ArrClient;
use crate::arr::error::ArrError;
use crate::json;
use crate::library::{Offer, Sink};
use crate::release::Category;

/// One request, whatever the number of movies.
pub fn scan(
    client: &ArrClient,
    connector: &str,
    files: &Files,
    sink: &mut dyn Sink,
) -> Result<(), ArrError> {
    client.each("/movie?excludeLocalCovers=true", &mut |raw| {
        if let Some(offer) = offer(raw, connector, files) {
            sink.offer(offer);
        }
    })
}

/// The offer of one movie; `None` for one without a file that we can open.
fn offer(raw: &str, connector: &str, files: &Files) -> Option<Offer> {
    let (mut tmdb, mut imdb, mut year, mut file) = (None, None, None, None);
    let mut all_titles = Vec::new();
    json::fields(raw, |key, raw| match key {
        "title" => {
            if let Some(title) = json::as_string(raw) {
                all_titles.insert(0, title.into_owned());
            }
        }
        "originalTitle" => all_titles.extend(json::as_string(raw).map(|text| text.into_owned())),
        "alternateTitles" => titles(raw, &mut all_titles),
        "year" => year = positive(raw).and_then(|year| u32::try_from(year).ok()),
        "tmdbId" => tmdb = positive(raw),
        "imdbId" => {
            imdb = json::as_string(raw)
                .filter(|id| !id.is_empty())
                .map(|id| id.into_owned());
        }
        "movieFile" => file = FileRecord::read(raw),
        _ => {}
    });
    let file = file?;
    let (path, size) = files.find(&file.path, file.size)?;
    let facts = Facts {
        titles: all_titles.iter().map(String::as_str).collect(),
        year,
        absolute: None,
        quality: file.quality.as_ref().and_then(|q| q.name.as_deref()),
        group: file.group.as_deref(),
    };
    let title = naming::movie(file.scene_name.as_deref(), file.stem(), &facts);
    let id = format!("{connector}:movie:{}", file.id);
    let mut release = file.release(id, title, Category::Movies, size);
    release.tmdb_id = tmdb;
    release.imdb_id = imdb;
    Some(Offer { release, path })
}
