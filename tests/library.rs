//! A Radarr's and a Sonarr's library as a source, read from the fakes over real sockets. Here are
//! movies and what both have in common; series, and what goes wrong, are in the modules.

mod rig;
mod series;
mod trouble;

use std::path::{Path, PathBuf};

use jackdaw::arr::library::{ArrSource, sample};
use jackdaw::library::{Offer, Source};
use jackdaw::release::{Category, Quality};

use crate::support::Home;
use crate::support::fake_arr::{App, FakeArr};
use rig::{MEDIA_INFO, client_of, episode_file, movie, offers, series, source_of, write};

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
