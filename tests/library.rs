//! A Radarr's and a Sonarr's library as a source, read from the fakes over real sockets.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use jackdaw::arr::client::ArrClient;
use jackdaw::arr::library::{ArrSource, sample};
use jackdaw::library::{Offer, Sink, Source, SourceError};
use jackdaw::release::{Category, Quality};

use miniserde::json::Value;

use crate::support::fake_arr::{App, Call, FakeArr, Mood, value};
use crate::support::process::{Config, Jackdaw};
use crate::support::{Home, SOON, eventually};

fn client_of(section: &str) -> Arc<ArrClient> {
    let mut config = jackdaw::config::Config::from_text("test.ini", section).unwrap();
    Arc::new(ArrClient::new(config.servers.remove(0)))
}

fn source_of(arr: &FakeArr, more: &str) -> ArrSource {
    ArrSource::new(client_of(&arr.section("Main", more)))
}

fn scan(source: &ArrSource) -> (Vec<Offer>, Result<(), SourceError>) {
    let mut offers = Vec::new();
    let result = source.scan(&mut |offer| offers.push(offer));
    (offers, result)
}

fn offers(source: &ArrSource) -> Vec<Offer> {
    let (offers, result) = scan(source);
    result.unwrap();
    offers
}

fn write(path: &Path, text: &str) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

const MEDIA_INFO: &str = r#"{"audioBitrate":640000,"audioChannels":5.1,"audioCodec":"EAC3","runTime":"2:16:18","subtitles":"eng/fre"}"#;

/// As Radarr 6 lists a movie: `movieFile` is complete but for custom formats, and stands after
/// things that we do not want.
fn movie(number: u64, title: &str, path: &str, size: usize, more: &str) -> String {
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

fn series(number: u64, title: &str, kind: &str, files: u64) -> String {
    format!(
        r#"{{"title":"{title}","alternateTitles":[{{"title":"{title} (US)","seasonNumber":-1}}],"sortTitle":"x","status":"ended",
        "seasons":[{{"seasonNumber":1,"monitored":true,"statistics":{{"episodeFileCount":9}}}}],"year":2002,"path":"/tv/{title}",
        "tvdbId":7887{number},"tvRageId":1,"tvMazeId":2,"tmdbId":143{number},"imdbId":"tt0303461","seriesType":"{kind}",
        "statistics":{{"seasonCount":1,"episodeFileCount":{files},"episodeCount":9,"sizeOnDisk":5}},"id":{number}}}"#
    )
}

fn episode(number: u64, file: u64, season: u32, episode: u32, more: &str) -> String {
    format!(
        r#"{{"seriesId":1,"tvdbId":29757{number},"episodeFileId":{file},"seasonNumber":{season},"episodeNumber":{episode},
        "title":"T","airDate":"2002-12-20","hasFile":true{more},"id":{number}}}"#
    )
}

fn episode_file(number: u64, path: &str, size: usize, more: &str) -> String {
    format!(
        r#"{{"seriesId":1,"seasonNumber":1,"relativePath":"x","path":"{path}","size":{size},"dateAdded":"2026-01-02T03:04:05Z",
        "languages":[{{"id":1,"name":"English"}}],"quality":{{"quality":{{"id":3,"name":"WEBDL-1080p","source":"web","resolution":1080}},"revision":{{"version":1}}}},
        "mediaInfo":{MEDIA_INFO},"releaseGroup":"GRP","id":{number}{more}}}"#
    )
}

#[test]
fn a_movie_is_offered_with_everything_radarr_knows() {
    let home = Home::new("library");
    let arr = FakeArr::start(App::Radarr);
    let disk = home.dir("disk");
    write(&disk.join("The Matrix/x.mkv"), "12345");
    let more = r#","sceneName":"The.Matrix.1999.1080p.BluRay.x264-GRP","releaseGroup":"GRP","edition":"Director's Cut","originalFilePath":"y""#;
    arr.state().movies = vec![
        movie(7, "The Matrix", "/movies/The Matrix/x.mkv", 5, more),
        // Without a file there is nothing to share.
        r#"{"title":"Up","year":2009,"tmdbId":14160,"hasFile":false,"movieFileId":0,"id":8}"#
            .into(),
        r#"{"title":"Up","movieFile":null,"id":9}"#.into(),
    ];
    let source = source_of(&arr, &format!("path_map = /movies -> {}", disk.display()));
    let found = offers(&source);
    assert_eq!(found.len(), 1, "{found:?}");
    let Offer { release, path } = &found[0];
    assert_eq!(path, &disk.join("The Matrix/x.mkv"));
    assert_eq!(release.id, format!("{}:movie:7", source.id()));
    assert_eq!(release.title, "The.Matrix.1999.1080p.BluRay.x264-GRP");
    assert_eq!(release.filename, "x.mkv");
    assert_eq!((release.category, release.size), (Category::Movies, 5));
    assert_eq!(release.tmdb_id, Some(607));
    assert_eq!(release.imdb_id.as_deref(), Some("tt0133093"));
    assert_eq!(release.tvdb_id, None);
    let quality = Quality {
        name: Some("Bluray-1080p".into()),
        source: Some("bluray".into()),
        resolution: Some(1080),
    };
    assert_eq!(release.quality, Some(quality));
    assert_eq!(release.languages, ["English", "French"]);
    assert_eq!(release.release_group.as_deref(), Some("GRP"));
    assert_eq!(release.edition.as_deref(), Some("Director's Cut"));
    assert_eq!(release.media_info.as_deref(), Some(MEDIA_INFO));
    assert_eq!(
        release.publish_date.as_deref(),
        Some("2026-01-02T03:04:05Z")
    );
    assert_eq!((release.season, release.episode), (None, None));
    assert_eq!(arr.state().calls.len(), 1, "one request a refresh");
}

#[test]
fn ids_survive_restarts_and_follow_the_file() {
    let home = Home::new("library-ids");
    let file = home.join("The Matrix (1999).mkv");
    write(&file, "12345");
    let path = file.to_str().unwrap();
    let arr = FakeArr::start(App::Radarr);
    arr.state().movies = vec![movie(7, "The Matrix", path, 5, "")];
    let first = offers(&source_of(&arr, ""));
    assert_eq!(first, offers(&source_of(&arr, "")));
    // An upgrade: another file, another id, so that nobody resumes the old file from the new one.
    arr.state().movies = vec![movie(8, "The Matrix", path, 5, "")];
    assert_ne!(
        first[0].release.id,
        offers(&source_of(&arr, ""))[0].release.id
    );
    // Two servers share no id.
    let other = ArrSource::new(client_of(&arr.section("4K", "")));
    assert_ne!(other.id(), source_of(&arr, "").id());
    assert!(!other.id().contains(':'));
}

#[test]
fn episodes_are_read_series_by_series_and_a_file_counts_once_per_episode() {
    let home = Home::new("library-tv");
    let arr = FakeArr::start(App::Sonarr);
    let disk = home.dir("tv");
    for (name, text) in [
        ("S01E01.mkv", "1"),
        ("Firefly - S01E02-E03.mkv", "12"),
        ("p.mkv", "123"),
    ] {
        write(&disk.join("Firefly").join(name), text);
    }
    write(&disk.join("Late Show/2026.mkv"), "1234");
    {
        let mut state = arr.state();
        state.series = vec![
            series(1, "Firefly", "standard", 3),
            series(2, "Nothing Yet", "standard", 0),
            series(3, "Late Show", "daily", 1),
        ];
        state.episodes.insert(
            1,
            vec![
                // As Sonarr does it: in any order, those without a file among them.
                episode(13, 52, 1, 3, ""),
                episode(11, 51, 1, 1, ""),
                r#"{"seriesId":1,"episodeFileId":0,"seasonNumber":1,"episodeNumber":9,"hasFile":false,"id":19}"#.into(),
                episode(12, 52, 1, 2, ""),
                episode(14, 53, 0, 1, ""),
            ],
        );
        state.episode_files.insert(
            1,
            vec![
                episode_file(
                    53,
                    "/tv/Firefly/p.mkv",
                    3,
                    r#","sceneName":"Firefly.S01.1080p-X""#,
                ),
                episode_file(51, "/tv/Firefly/S01E01.mkv", 1, ""),
                episode_file(52, "/tv/Firefly/Firefly - S01E02-E03.mkv", 2, ""),
                // Of no episode any more.
                episode_file(99, "/tv/Firefly/p.mkv", 3, ""),
            ],
        );
        state.episodes.insert(3, vec![episode(31, 61, 2026, 4, "")]);
        state
            .episode_files
            .insert(3, vec![episode_file(61, "/tv/Late Show/2026.mkv", 4, "")]);
    }
    let source = source_of(&arr, &format!("path_map = /tv -> {}", disk.display()));
    let found = offers(&source);
    let mut shown: Vec<String> = found
        .iter()
        .map(|Offer { release: r, .. }| {
            let id = r.id.strip_prefix(source.id()).unwrap();
            format!(
                "{id} {} {:?}x{:?} {} {}",
                r.title,
                r.season.unwrap(),
                r.episode.unwrap(),
                r.size,
                r.filename
            )
        })
        .collect();
    shown.sort();
    assert_eq!(
        shown,
        [
            // A bare name gets a title that leads back to the series.
            ":episode:1.51.11 Firefly.S01E01.WEBDL-1080p-GRP 1x1 1 S01E01.mkv",
            ":episode:1.52.12 Firefly - S01E02-E03 1x2 2 Firefly - S01E02-E03.mkv",
            ":episode:1.52.13 Firefly - S01E02-E03 1x3 2 Firefly - S01E02-E03.mkv",
            // The name of a season pack is no episode's.
            ":episode:1.53.14 Firefly.S00E01.WEBDL-1080p-GRP 0x1 3 p.mkv",
            ":episode:3.61.31 Late.Show.2002.12.20.WEBDL-1080p-GRP 2026x4 4 2026.mkv",
        ]
    );
    let first = &found.iter().find(|o| o.release.size == 1).unwrap().release;
    assert_eq!(first.category, Category::Tv);
    assert_eq!(first.series_title.as_deref(), Some("Firefly"));
    assert_eq!((first.tvdb_id, first.tmdb_id), (Some(78871), Some(1431)));
    assert_eq!(first.imdb_id.as_deref(), Some("tt0303461"));
    assert_eq!(
        first.quality.as_ref().unwrap().source.as_deref(),
        Some("web")
    );
    assert_eq!(first.air_date.as_deref(), Some("2002-12-20"));
    assert_eq!(first.media_info.as_deref(), Some(MEDIA_INFO));
    // One for the list, one for the history, two for each series that has files.
    assert_eq!(arr.state().calls.len(), 6);
}

/// Keeps what it was given, as the index does.
#[derive(Default)]
struct Shelf {
    offers: BTreeMap<String, Offer>,
    /// Ids that this scan has named.
    seen: BTreeSet<String>,
}

impl Sink for Shelf {
    fn offer(&mut self, offer: Offer) {
        let id = offer.release.id.clone();
        self.seen.insert(id.clone());
        self.offers.insert(id, offer);
    }

    fn keep(&mut self, prefix: &str, count: u64) -> bool {
        let ids = self.offers.keys().filter(|id| id.starts_with(prefix));
        let ids: Vec<String> = ids.cloned().collect();
        let is_all = ids.len() as u64 == count;
        if is_all {
            self.seen.extend(ids);
        }
        is_all
    }
}

/// A refresh of a library that changes a little must not cost a small board a thousand requests.
#[test]
fn a_series_is_read_again_only_when_it_may_have_changed() {
    let home = Home::new("library-known");
    let arr = FakeArr::start(App::Sonarr);
    let at = |name: &str| home.join(name).to_str().unwrap().to_owned();
    for number in 1..=3 {
        let path = at(&format!("{number}.mkv"));
        write(Path::new(&path), "1");
        let mut state = arr.state();
        state.series.push(series(number, "A", "standard", 1));
        let episodes = vec![episode(number, number, 1, 1, "")];
        state.episodes.insert(number, episodes);
        let files = vec![episode_file(number, &path, 1, "")];
        state.episode_files.insert(number, files);
    }
    arr.add_history("grabbed", "X", &[]);
    let source = source_of(&arr, "");
    let shelf = RefCell::new(Shelf::default());
    let now = Instant::now();
    // Scans, and says which series were read.
    let read_at = |now: Instant| -> Vec<u64> {
        arr.state().calls.clear();
        shelf.borrow_mut().seen.clear();
        source.scan_at(now, &mut *shelf.borrow_mut()).unwrap();
        let read = |call: &Call| {
            let id = call.target.split_once("/episode?seriesId=")?.1;
            Some(id.parse().unwrap())
        };
        let calls = arr.state().calls.clone();
        let ids: Vec<u64> = calls.iter().filter_map(read).collect();
        assert_eq!(calls.len(), 2 + 2 * ids.len(), "{calls:?}");
        // Nothing of what was not read may be taken as gone.
        let shelf = shelf.borrow();
        shelf.offers.keys().for_each(|id| {
            assert!(shelf.seen.contains(id), "{id}");
        });
        ids
    };
    let read = || read_at(now);
    let happens = |event: &str, series: &str| {
        let id = arr.add_history(event, "X", &[]);
        let mut state = arr.state();
        let Some(Value::Object(record)) = state.history.last_mut() else {
            panic!("{id}");
        };
        record.insert("seriesId".into(), value(series));
    };
    // A record without a series: then nobody knows what happens, and all is read.
    assert_eq!(read(), [1, 2, 3]);
    assert_eq!(read(), [1, 2, 3]);
    arr.state().history.clear();
    happens("grabbed", "3");
    assert_eq!(read(), [1, 2, 3]);
    assert_eq!(read(), []);
    assert_eq!(read(), []);

    // Renamed: the list says nothing of it.
    write(Path::new(&at("renamed.mkv")), "1");
    let renamed = episode_file(2, &at("renamed.mkv"), 1, "");
    arr.state().episode_files.insert(2, vec![renamed]);
    happens("episodeFileRenamed", "2");
    assert_eq!(read(), [2]);
    let id = format!("{}:episode:2.2.2", source.id());
    assert_eq!(shelf.borrow().offers[&id].path, home.join("renamed.mkv"));
    assert_eq!(read(), []);

    // What the list says has changed, though no history tells of it.
    arr.state().series[0] = series(1, "B", "standard", 1);
    assert_eq!(read(), [1]);
    assert_eq!(read(), []);

    // A file that is not in order is looked at until it is.
    std::fs::remove_file(at("3.mkv")).unwrap();
    let moved = episode_file(3, &at("away.mkv"), 1, "");
    arr.state().episode_files.insert(3, vec![moved]);
    happens("downloadFolderImported", "3");
    shelf
        .borrow_mut()
        .offers
        .remove(&format!("{}:episode:3.3.3", source.id()));
    assert_eq!(read(), [3]);
    assert_eq!(read(), [3]);
    write(Path::new(&at("away.mkv")), "12");
    assert_eq!(read(), [3], "another size than the arr's");
    assert_eq!(read(), [3]);
    write(Path::new(&at("away.mkv")), "1");
    assert_eq!(read(), [3]);
    assert_eq!(read(), []);

    // The index has lost something, or may have.
    shelf.borrow_mut().offers.remove(&id);
    assert_eq!(read(), [2]);
    source.forget();
    assert_eq!(read(), [1, 2, 3]);
    assert_eq!(read(), []);
    // A closure keeps nothing.
    assert_eq!(offers(&source).len(), 3);

    // And all of it once a day.
    let tomorrow = now + Duration::from_secs(25 * 3600);
    assert_eq!(read_at(tomorrow), [1, 2, 3]);
    assert_eq!(read_at(tomorrow), []);

    // One that breaks off half-way forgets nothing that happened.
    happens("episodeFileRenamed", "1");
    arr.state().broken_series = Some(1);
    assert!(source.scan_at(tomorrow, &mut *shelf.borrow_mut()).is_err());
    arr.state().broken_series = None;
    assert_eq!(read_at(tomorrow), [1]);
}

#[test]
fn a_series_that_goes_while_it_is_read_does_not_stop_the_others() {
    let home = Home::new("library-gone");
    write(&home.join("b S01E01.mkv"), "1");
    let path = home.join("b S01E01.mkv");
    let arr = FakeArr::start(App::Sonarr);
    {
        let mut state = arr.state();
        state.series = vec![series(1, "A", "standard", 1), series(2, "B", "standard", 1)];
        // The first has episodes, but by the time its files are asked for it is a 404.
        state.episodes.insert(1, vec![episode(1, 1, 1, 1, "")]);
        state.episodes.insert(2, vec![episode(2, 2, 1, 1, "")]);
        let file = episode_file(2, path.to_str().unwrap(), 1, "");
        state.episode_files.insert(2, vec![file]);
    }
    let found = offers(&source_of(&arr, ""));
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].release.title, "b S01E01");
}

#[test]
fn files_that_cannot_be_opened_are_not_offered() {
    let home = Home::new("library-missing");
    write(&home.join("there.mkv"), "12345");
    std::fs::create_dir(home.join("folder.mkv")).unwrap();
    let at = |name: &str| home.join(name).to_str().unwrap().to_owned();
    let arr = FakeArr::start(App::Radarr);
    arr.state().movies = ["gone.mkv", "folder.mkv", "there.mkv"]
        .iter()
        .zip(1..)
        .map(|(name, number)| movie(number, "X", &at(name), 4, ""))
        .collect();
    let found = offers(&source_of(&arr, ""));
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].path, home.join("there.mkv"));
    // What the disk says counts, not what the arr remembers.
    assert_eq!(found[0].release.size, 5);
}

/// Every kind of trouble: the message that the owner sees must say what to do.
#[test]
fn trouble_is_a_clear_error() {
    let check = |arr: &FakeArr, source: &ArrSource, what: &str, words: &[&str]| {
        let (offers, result) = scan(source);
        let error = result.expect_err(what).to_string();
        assert!(error.contains("\"Main\""), "{what}: {error}");
        for word in words {
            assert!(error.contains(word), "{what}: {word}: {error}");
        }
        assert!(!error.contains(&arr.key), "{what}: the key is in {error}");
        assert_eq!(offers, [], "{what}");
    };
    for app in [App::Radarr, App::Sonarr] {
        let arr = FakeArr::start(app);
        let source = source_of(&arr, "");
        let moods: &[(Mood, &[&str])] = &[
            (Mood::Starting, &["not ready yet", "starting up"]),
            (Mood::Html, &["a web page came instead", "login"]),
            (Mood::BadGateway, &["502"]),
            (Mood::Truncated, &["JSON ends early"]),
            (Mood::Null, &["a list was expected"]),
            (Mood::HangUp, &["is it running?"]),
        ];
        for (mood, words) in moods {
            arr.state().mood = *mood;
            check(&arr, &source, &format!("{app:?} {mood:?}"), words);
        }
        // It comes back: the same source goes on.
        arr.state().mood = Mood::Well;
        assert!(scan(&source).1.is_ok());

        let section = arr.section("Main", "");
        let wrong_key = section.replace(&arr.key, "11111111111111111111111111111111");
        let wrong_key = ArrSource::new(client_of(&wrong_key));
        check(
            &arr,
            &wrong_key,
            "wrong key",
            &["api_key is wrong", "Settings, General"],
        );
        let (is, other) = match app {
            App::Radarr => ("radarr", "sonarr"),
            App::Sonarr => ("sonarr", "radarr"),
        };
        let wrong_app = section.replace(&format!("type = {is}"), &format!("type = {other}"));
        let wrong_app = ArrSource::new(client_of(&wrong_app));
        check(
            &arr,
            &wrong_app,
            "wrong app",
            &["correct its type or its url"],
        );
        arr.state().url_base = "/arr".into();
        let wrong_base = ArrSource::new(client_of(&section));
        check(
            &arr,
            &wrong_base,
            "wrong base",
            &["redirected to /arr/api/v3", "URL base"],
        );
    }
}

/// What had been read before the trouble was sound, and the scan says that it is not all: that
/// is what keeps the rest in the index.
#[test]
fn a_list_that_breaks_off_is_an_error_after_what_came() {
    let home = Home::new("library-cut");
    let path = home.join("a 1999.mkv");
    write(&path, "1");
    let arr = FakeArr::start(App::Radarr);
    arr.state().movies = (1..=10)
        .map(|number| movie(number, "A", path.to_str().unwrap(), 1, ""))
        .collect();
    arr.state().mood = Mood::Truncated;
    let (offers, result) = scan(&source_of(&arr, ""));
    assert!(result.is_err());
    assert!((1..10).contains(&offers.len()), "{}", offers.len());
}

/// With the whole program: what friends were offered stays while the arr is in trouble, and goes
/// only when a complete list no longer has it.
#[test]
fn nothing_indexed_is_lost_while_the_arr_is_in_trouble() {
    let home = Home::new("library-kept");
    let arr = FakeArr::start(App::Radarr);
    let titles: Vec<String> = (1..=3)
        .map(|number| {
            let path = home.join(&format!("{number}/A 1999.mkv"));
            write(&path, &"x".repeat(number));
            let path = path.to_str().unwrap();
            movie(number as u64, "A", path, number, "")
        })
        .collect();
    arr.state().movies = titles;
    let config = Config::new(&home.join("us"))
        .section("[sharing]\ncatalogue_refresh = 1s")
        .section(&arr.section("Main", "source = true\ndestination = false"));
    let server = Jackdaw::start(&config);
    let shared = || server.get("/peer/search").text().matches("\"id\"").count();
    eventually("three movies in the catalogue", SOON, || {
        (shared() == 3).then_some(())
    });
    // No list, and half a list; every other trouble is one of the two to the catalogue.
    for mood in [Mood::Starting, Mood::Truncated] {
        arr.state().mood = mood;
        eventually(&format!("the trouble to be seen: {mood:?}"), SOON, || {
            server
                .get("/status")
                .text()
                .contains("\"error\"")
                .then_some(())
        });
        assert_eq!(shared(), 3, "{mood:?}");
        arr.state().mood = Mood::Well;
        eventually("it to be well again", SOON, || {
            (!server.get("/status").text().contains("\"error\"")).then_some(())
        });
        assert_eq!(shared(), 3, "after {mood:?}");
    }
    arr.state().movies.pop();
    eventually("the third to go", SOON, || (shared() == 2).then_some(()));
}

#[test]
fn two_thousand_movies_come_one_by_one() {
    let home = Home::new("library-many");
    let path = home.join("Film 1999.mkv");
    write(&path, "1");
    let arr = FakeArr::start(App::Radarr);
    arr.state().movies = (1..=2000)
        .map(|number| movie(number, "Film", path.to_str().unwrap(), 1, ""))
        .collect();
    let source = source_of(&arr, "");
    let mut ids = std::collections::HashSet::new();
    source
        .scan(&mut |offer: Offer| {
            ids.insert(offer.release.id);
        })
        .unwrap();
    assert_eq!(ids.len(), 2000);
}

#[test]
fn a_sample_reads_no_further_than_it_must() {
    let radarr = FakeArr::start(App::Radarr);
    radarr.state().movies = (1..=100)
        .map(|number| movie(number, "A", &format!("/movies/{number}.mkv"), 1, ""))
        .collect();
    let client = client_of(&radarr.section("Main", ""));
    assert_eq!(
        sample::paths(&client, 3).unwrap(),
        ["/movies/1.mkv", "/movies/2.mkv", "/movies/3.mkv"]
    );

    let sonarr = FakeArr::start(App::Sonarr);
    {
        let mut state = sonarr.state();
        state.series = (1..=9).map(|n| series(n, "A", "standard", n % 2)).collect();
        for n in [1, 3, 5, 7, 9] {
            let file = episode_file(n, &format!("/tv/{n}.mkv"), 1, "");
            state.episode_files.insert(n, vec![file]);
        }
    }
    let client = client_of(&sonarr.section("Main", ""));
    assert_eq!(
        sample::paths(&client, 2).unwrap(),
        ["/tv/1.mkv", "/tv/3.mkv"]
    );
    let map = [("/tv".to_owned(), PathBuf::from("/mnt/tv"))];
    assert_eq!(
        sample::ours(&map, "/tv/1.mkv"),
        PathBuf::from("/mnt/tv/1.mkv")
    );
    assert!(sample::problem(Path::new("/nonexistent")).is_some());
}
