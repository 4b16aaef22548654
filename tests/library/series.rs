//! A Sonarr's library: series by series, and only those that may have changed.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, Instant};

use jackdaw::library::{Offer, Sink, Source};
use jackdaw::release::Category;
use miniserde::json::Value;

use super::rig::{MEDIA_INFO, episode, episode_file, offers, series, source_of, write};
use crate::support::Home;
use crate::support::fake_arr::{App, Call, FakeArr, value};

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
