//! Sources, and movies and series as the arrs list them.

use std::path::Path;
use std::sync::Arc;

use jackdaw::arr::client::ArrClient;
use jackdaw::arr::library::ArrSource;
use jackdaw::library::{Offer, Source, SourceError};

use crate::support::fake_arr::FakeArr;

pub fn client_of(section: &str) -> Arc<ArrClient> {
    let mut config = jackdaw::config::Config::from_text("test.ini", section).unwrap();
    Arc::new(ArrClient::new(config.servers.remove(0)))
}

pub fn source_of(arr: &FakeArr, more: &str) -> ArrSource {
    ArrSource::new(client_of(&arr.section("Main", more)))
}

pub fn scan(source: &ArrSource) -> (Vec<Offer>, Result<(), SourceError>) {
    let mut offers = Vec::new();
    let result = source.scan(&mut |offer| offers.push(offer));
    (offers, result)
}

pub fn offers(source: &ArrSource) -> Vec<Offer> {
    let (offers, result) = scan(source);
    result.unwrap();
    offers
}

pub fn write(path: &Path, text: &str) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

pub const MEDIA_INFO: &str = r#"{"audioBitrate":640000,"audioChannels":5.1,"audioCodec":"EAC3","runTime":"2:16:18","subtitles":"eng/fre"}"#;

/// As Radarr 6 lists a movie: `movieFile` is complete but for custom formats, and stands after
/// things that we do not want.
pub fn movie(number: u64, title: &str, path: &str, size: usize, more: &str) -> String {
    format!(
        r#"{{"title":"{title}","originalTitle":"{title}","originalLanguage":{{"id":1,"name":"English"}},
        "alternateTitles":[{{"sourceType":"tmdb","movieMetadataId":1,"title":"Other","id":1}}],
        "secondaryYearSourceId":0,"sortTitle":"x","sizeOnDisk":{size},"status":"released","overview":"\"{{[é\\",
        "images":[{{"coverType":"poster","url":"/MediaCover/1/poster.jpg"}}],"year":1999,"path":"/movies/{title}",
        "qualityProfileId":1,"hasFile":true,"movieFileId":{number},"monitored":true,"runtime":136,
        "imdbId":"tt0133093","tmdbId":60{number},"titleSlug":"x","genres":["Action"],"tags":[],"added":"2025-01-01T00:00:00Z",
        "movieFile":{{"movieId":{number},"relativePath":"x.mkv","path":"{path}","size":{size},"dateAdded":"2026-01-02T03:04:05Z",
        "indexerFlags":0,"quality":{{"quality":{{"id":7,"name":"Bluray-1080p","source":"bluray","resolution":1080,"modifier":"none"}},"revision":{{"version":1,"real":0,"isRepack":false}}}},
        "languages":[{{"id":1,"name":"English"}},{{"id":2,"name":"French"}}],"mediaInfo":{MEDIA_INFO},
        "qualityCutoffNotMet":false,"id":{number}{more}}},
        "id":{number}}}"#
    )
}

pub fn series(number: u64, title: &str, kind: &str, files: u64) -> String {
    format!(
        r#"{{"title":"{title}","alternateTitles":[{{"title":"{title} (US)","seasonNumber":-1}}],"sortTitle":"x","status":"ended",
        "seasons":[{{"seasonNumber":1,"monitored":true,"statistics":{{"episodeFileCount":9}}}}],"year":2002,"path":"/tv/{title}",
        "tvdbId":7887{number},"tvRageId":1,"tvMazeId":2,"tmdbId":143{number},"imdbId":"tt0303461","seriesType":"{kind}",
        "statistics":{{"seasonCount":1,"episodeFileCount":{files},"episodeCount":9,"sizeOnDisk":5}},"id":{number}}}"#
    )
}

pub fn episode(number: u64, file: u64, season: u32, episode: u32, more: &str) -> String {
    format!(
        r#"{{"seriesId":1,"tvdbId":29757{number},"episodeFileId":{file},"seasonNumber":{season},"episodeNumber":{episode},
        "title":"T","airDate":"2002-12-20","hasFile":true{more},"id":{number}}}"#
    )
}

pub fn episode_file(number: u64, path: &str, size: usize, more: &str) -> String {
    format!(
        r#"{{"seriesId":1,"seasonNumber":1,"relativePath":"x","path":"{path}","size":{size},"dateAdded":"2026-01-02T03:04:05Z",
        "languages":[{{"id":1,"name":"English"}}],"quality":{{"quality":{{"id":3,"name":"WEBDL-1080p","source":"web","resolution":1080}},"revision":{{"version":1}}}},
        "mediaInfo":{MEDIA_INFO},"releaseGroup":"GRP","id":{number}{more}}}"#
    )
}
