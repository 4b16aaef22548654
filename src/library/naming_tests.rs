//! Tests of `naming`: names as they are found on real disks (titles of public works).

use super::*;
use crate::library::quality::{edition, group, languages, quality};
use crate::release::Category;

#[test]
fn numberings() {
    let check = |name: &str, expected: Option<(u32, &[u32])>| {
        let found = numbering(name);
        let found = found.as_ref().map(|n| (n.season, n.episodes.as_slice()));
        assert_eq!(found, expected, "{name}");
    };
    check("Show.Name.S01E02.1080p.WEB-DL.x264-GRP", Some((1, &[2])));
    check("show.name.s01e02.720p", Some((1, &[2])));
    check("Show Name - S01E02 - Title", Some((1, &[2])));
    check("S01E02", Some((1, &[2])));
    check("Show S1 E2", Some((1, &[2])));
    check("Show.S01.E02", Some((1, &[2])));
    check("Show S01EP02", Some((1, &[2])));
    check("Show.S00E01.Special", Some((0, &[1])));
    check("Show.S2024E101", Some((2024, &[101])));
    check("Show.S01E1001", Some((1, &[1001])));
    check("Show.S01E02E03.720p", Some((1, &[2, 3])));
    check("Show.S01E02E03E04", Some((1, &[2, 3, 4])));
    check("Show.S01E02-E04.720p", Some((1, &[2, 3, 4])));
    check("Show.S01E02-04.720p", Some((1, &[2, 3, 4])));
    check("Show S01E02 - S01E04", Some((1, &[2, 3, 4])));
    check("Show - S01E02-E03 - Two", Some((1, &[2, 3])));
    check("Show.S01E02.E03", Some((1, &[2, 3])));
    check("Show.S01E02a.720p", Some((1, &[2])));
    // What follows is not a second episode.
    check("Show.S01E02-720p", Some((1, &[2])));
    check("Show.S01E02-1080p", Some((1, &[2])));
    check("Show - S01E02 - 100 Ways", Some((1, &[2])));
    check("Show.S01E05-02", Some((1, &[5])));
    check("Show.S01E01-E99", Some((1, &[1])));
    check("Show.1x02.Title", Some((1, &[2])));
    check("Show - 01x02 - Title", Some((1, &[2])));
    check("Show 1x02x03", Some((1, &[2, 3])));
    check("Show 1x02-04", Some((1, &[2, 3, 4])));
    check("Show 1x02-1x03", Some((1, &[2, 3])));
    check("Show [10x123]", Some((10, &[123])));
    check("Show Season 1 Episode 2", Some((1, &[2])));
    check("Show.Season.01.Episode.12", Some((1, &[12])));
    // Not numberings.
    check("Movie.1999.1920x1080.x264", None);
    check("Movie.2x4.Basketball", None);
    check("Show.2024.05.01.720p", None);
    check("Class1E02", None);
    check("MS01E02", None);
    check("S01", None);
    check("S01E", None);
    check("S12345E01", None);
    check("", None);
    check("été S01E02 é", Some((1, &[2])));
    let found = numbering("Show.S01E02E03.720p").unwrap();
    assert_eq!((found.start, found.end), (5, 14));
}

#[test]
fn dates() {
    for (name, expected) in [
        ("Late.Show.2024.05.01.720p", Some(("2024-05-01", 10))),
        ("Late Show - 2024-12-31 - Guest", Some(("2024-12-31", 12))),
        ("2024_05_01", Some(("2024-05-01", 0))),
        ("Show 2024 05 01", Some(("2024-05-01", 5))),
        ("Show.2024.13.01", None),
        ("Show.2024.00.10", None),
        ("Show.2024.05.32", None),
        ("Show.2024.05-01", None),
        ("Show.20240501", None),
        ("Show.2024.5.1", None),
        ("Show.1024.05.01", None),
        ("Show.2024.05.01a", None),
        ("Movie.2024.1080p", None),
    ] {
        let found = air_date(name);
        let found = found.as_ref().map(|(date, at)| (date.as_str(), *at));
        assert_eq!(found, expected, "{name}");
    }
}

#[test]
fn years() {
    for (name, expected) in [
        ("The.Matrix.1999.1080p.BluRay", Some(1999)),
        ("The Matrix (1999)", Some(1999)),
        ("2001.A.Space.Odyssey.1968.720p", Some(1968)),
        ("Blade.Runner.2049.2017.2160p", Some(2017)),
        ("1917.2019.1080p", Some(2019)),
        ("1917", None),
        ("(1999)", None),
        ("Movie.1080p", None),
        ("Movie.1899", None),
        ("Movie.2100", None),
        ("Movie", None),
    ] {
        assert_eq!(year(name).map(|(year, _)| year), expected, "{name}");
    }
}

#[test]
fn id_tags() {
    let check = |name: &str, imdb: Option<&str>, tmdb: Option<u64>, tvdb: Option<u64>| {
        let expected = Tags {
            imdb: imdb.map(str::to_owned),
            tmdb,
            tvdb,
        };
        assert_eq!(tags(name), expected, "{name}");
    };
    let matrix = Some("tt0133093");
    check("The Matrix (1999) {imdb-tt0133093}", matrix, None, None);
    check("The Matrix (1999) [imdbid-tt0133093]", matrix, None, None);
    check("The Matrix (1999) [imdbid=tt0133093]", matrix, None, None);
    check("The Matrix {IMDB-tt133093}", matrix, None, None);
    check("The Matrix (1999) [tmdbid-603]", None, Some(603), None);
    check("The Matrix (1999) {tmdb-603}", None, Some(603), None);
    check("Show (2008) {tvdb-81189}", None, None, Some(81_189));
    check("Show [tvdbid=81189]", None, None, Some(81_189));
    check(
        "Show [tvdbid-81189] {imdb-tt0903747}",
        Some("tt0903747"),
        None,
        Some(81_189),
    );
    check("{tmdb-603}{tmdb-604}", None, Some(603), None);
    for nothing in [
        "The Matrix [1080p]",
        "{tmdb-}",
        "{tmdb-x}",
        "{tmdb-0}",
        "{imdb-nm0000206}",
        "{imdb-tt}",
        "{tmdb-603",
        "tmdb-603",
        "{edition-Extended}",
        "{tmdb-99999999999999999999999}",
    ] {
        check(nothing, None, None, None);
    }
}

#[test]
fn titles_without_tags() {
    for (name, expected) in [
        ("The Matrix (1999) {imdb-tt0133093}", "The Matrix (1999)"),
        ("The Matrix [tmdbid-603] (1999)", "The Matrix (1999)"),
        ("[Group] Show - 05 [1080p]", "[Group] Show - 05 [1080p]"),
        ("{imdb-tt0133093}", ""),
        ("Broken {tag", "Broken {tag"),
    ] {
        assert_eq!(without_tags(name), expected, "{name}");
    }
    for (name, expected) in [
        ("Show.Name.", "Show Name"),
        ("Show_Name", "Show Name"),
        ("Mr. Robot - ", "Mr. Robot"),
        ("Show Name (", "Show Name"),
        ("Show (2008) {tvdb-81189}", "Show (2008)"),
        ("...", ""),
    ] {
        assert_eq!(words(name), expected, "{name}");
    }
}

#[test]
fn season_folders_and_bare_episodes() {
    for (name, expected) in [
        ("Season 1", Some(1)),
        ("season.02", Some(2)),
        ("S03", Some(3)),
        ("Specials", Some(0)),
        ("Staffel 4", Some(4)),
        ("Season 1 Extras", None),
        ("Seasoning", None),
        ("Show", None),
        ("S", None),
    ] {
        assert_eq!(season_folder(name), expected, "{name}");
    }
    for (name, expected) in [
        ("02", Some(2)),
        ("02 - Pilot", Some(2)),
        ("E02", Some(2)),
        ("Ep. 2", Some(2)),
        ("Episode 12 - End", Some(12)),
        ("2nd", None),
        ("Pilot", None),
        ("1080p", None),
        ("2024", None),
        ("", None),
    ] {
        assert_eq!(bare_episode(name), expected, "{name}");
    }
}

#[test]
fn samples_are_told_by_a_whole_word() {
    assert!(says_sample("movie-sample"));
    assert!(says_sample("Sample.The.Matrix"));
    assert!(!says_sample("Samples.of.Life"));
    assert!(!says_sample("The.Resampled"));
}

#[test]
fn random_names_never_panic() {
    const PIECES: &[&str] = &[
        "S", "s0", "1", "02", "E", "e3", "-", ".", " ", "x", "1x02", "2024", "{", "}", "[", "]",
        "imdb", "-tt1", "é", "😀", "\u{0}", "Season", "Episode", "web", "dl", "1080p", "999999",
    ];
    // xorshift64, so that a failure can be repeated.
    let mut state = 0x1234_5678_9abc_def1u64;
    let mut below = |bound: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % bound as u64) as usize
    };
    for _ in 0..20_000 {
        let mut name = String::new();
        for _ in 0..below(12) {
            name.push_str(PIECES[below(PIECES.len())]);
        }
        if let Some(found) = numbering(&name) {
            assert!(found.start < found.end && found.end <= name.len());
            assert!(
                !found.episodes.is_empty() && found.episodes.len() <= 30,
                "{name}"
            );
            assert!(found.episodes.is_sorted(), "{name}");
            let _ = (&name[..found.start], &name[found.end..]);
        }
        if let Some((_, at)) = air_date(&name) {
            let _ = &name[..at];
        }
        let _ = (year(&name), tags(&name), without_tags(&name), words(&name));
        let _ = (
            group(&name),
            quality(&name, Category::Tv),
            edition(&name, 0),
        );
        let _ = (
            languages(&name, 0),
            season_folder(&name),
            bare_episode(&name),
        );
    }
}
