//! What a search finds: each criterion, alone and together, and words however they are spelt.

use std::collections::BTreeSet;
use std::time::{Duration, UNIX_EPOCH};

use super::rig::{NOW, all, by_tvdb, catalogue, dated, page, tell, titles, words};
use crate::catalogue::testing::{Home, Random, episode, movie};
use crate::catalogue::{EpisodeWish, Search};
use crate::release::{Category, Ids, Quality, Release};

#[test]
fn criteria_select_what_they_say() {
    let home = Home::new();
    let catalogue = catalogue(&home);
    let hd = Quality {
        name: Some("WEBDL-1080p".into()),
        source: Some("webdl".into()),
        resolution: Some(1080),
    };
    let with_imdb = Release {
        imdb_id: Some("tt0133093".into()),
        quality: Some(hd),
        ..movie("m:1", "The.Matrix.1999.1080p", 603)
    };
    let large = Release {
        size: 5_000_000_000,
        ..movie("m:2", "Amélie.2001", 194)
    };
    let daily = Release {
        air_date: Some("2016-12-20".into()),
        ..episode("e:3", "Tonight.S05E99", 300, 5, 99)
    };
    let undated = episode("e:4", "Tonight.2016.12.21.Guest", 300, 5, 100);
    let alices = [
        dated(with_imdb, "2020-01-01"),
        dated(large, "2020-01-02"),
        dated(daily, "2020-01-03"),
        dated(undated, "2020-01-04"),
    ];
    let bobs = [
        dated(episode("e:5", "Show.S01E01E02", 81189, 1, 1), "2020-01-05"),
        dated(episode("e:6", "Show.S01E01E02", 81189, 1, 2), "2020-01-05"),
        dated(episode("e:7", "Show.S02E01", 81189, 2, 1), "2020-01-06"),
    ];
    tell(&catalogue, 1, &alices, NOW);
    tell(&catalogue, 2, &bobs, NOW);
    let bob = catalogue.inner.origins.friends[1].client.id().to_owned();

    let (matrix, amelie) = ("The.Matrix.1999.1080p", "Amélie.2001");
    let (daily, undated) = ("Tonight.S05E99", "Tonight.2016.12.21.Guest");
    let (double, second) = ("Show.S01E01E02", "Show.S02E01");
    let everything = [second, double, undated, daily, amelie, matrix];
    let tv = |season, episode| Search {
        season,
        episode,
        ..all()
    };
    let ids = |tmdb, imdb, tvdb| Search {
        ids: Ids { tmdb, imdb, tvdb },
        ..all()
    };
    let number = |n| Some(EpisodeWish::Number(n));
    let day = |month, day| Some(EpisodeWish::Day { month, day });
    let categories = |numbers: &[u32]| Search {
        categories: numbers.to_vec(),
        ..all()
    };
    let after = |seconds| Some(UNIX_EPOCH + Duration::from_secs(seconds));
    let cases: Vec<(Search, Vec<&str>)> = vec![
        (all(), everything.to_vec()),
        (words("matrix"), vec![matrix]),
        (words("AMELIE"), vec![amelie]),
        (words("amelie 2001"), vec![amelie]),
        (words("amelie matrix"), vec![]),
        (words("matri"), vec![]),
        // The series title, which has an accent.
        (words("the show s02e01"), vec![second]),
        (
            Search {
                year: Some(1999),
                ..all()
            },
            vec![matrix],
        ),
        (
            Search {
                year: Some(1080),
                ..words("matrix")
            },
            vec![],
        ),
        (ids(Some(603), None, None), vec![matrix]),
        (ids(None, Some(133_093), None), vec![matrix]),
        (
            ids(Some(194), Some(133_093), Some(300)),
            vec![undated, daily, amelie, matrix],
        ),
        (ids(Some(u64::MAX), None, None), vec![]),
        (
            Search {
                words: words("matrix").words,
                ..ids(Some(603), None, Some(300))
            },
            vec![matrix],
        ),
        (
            Search {
                unknown_id: true,
                ..all()
            },
            vec![],
        ),
        (
            Search {
                unknown_id: true,
                ..ids(Some(603), None, None)
            },
            vec![matrix],
        ),
        (
            Search {
                season: Some(1),
                ..ids(None, None, Some(81189))
            },
            vec![double],
        ),
        (
            Search {
                episode: number(2),
                season: Some(1),
                ..ids(None, None, Some(81189))
            },
            vec![double],
        ),
        (
            Search {
                episode: number(3),
                season: Some(1),
                ..ids(None, None, Some(81189))
            },
            vec![],
        ),
        // Season and episode must be those of one offer.
        (tv(Some(2), number(2)), vec![]),
        (tv(Some(1), number(2)), vec![double]),
        (tv(None, number(1)), vec![second, double]),
        (
            Search {
                season: Some(2),
                ..words("show")
            },
            vec![second],
        ),
        (
            Search {
                words: words("show").words,
                ..tv(Some(1), number(1))
            },
            vec![double],
        ),
        (tv(Some(2016), day(12, 20)), vec![daily]),
        (
            Search {
                season: Some(2016),
                episode: day(12, 21),
                ..ids(None, None, Some(300))
            },
            vec![undated],
        ),
        (tv(Some(2016), None), vec![undated, daily]),
        (tv(None, day(12, 20)), vec![]),
        (tv(Some(5), day(12, 20)), vec![]),
        (tv(Some(u32::MAX), number(u32::MAX)), vec![]),
        (categories(&[2000]), vec![amelie, matrix]),
        (categories(&[2040]), vec![matrix]),
        (
            categories(&[5000, 2040]),
            vec![second, double, undated, daily, matrix],
        ),
        (categories(&[100_002]), vec![second, double]),
        (categories(&[100_002, 2040]), vec![second, double, matrix]),
        (categories(&[3000, 100_009]), vec![]),
        (
            Search {
                kind: Some(Category::Movies),
                ..all()
            },
            vec![amelie, matrix],
        ),
        (
            Search {
                kind: Some(Category::Tv),
                ..categories(&[2000])
            },
            vec![],
        ),
        (
            Search {
                peer_id: Some(bob),
                ..all()
            },
            vec![second, double],
        ),
        (
            Search {
                peer_id: Some("nobody".into()),
                ..all()
            },
            vec![],
        ),
        (
            Search {
                min_size: Some(5_000_000_000),
                ..all()
            },
            vec![amelie],
        ),
        (
            Search {
                max_size: Some(1_000_000_000),
                ..words("amelie")
            },
            vec![],
        ),
        (
            Search {
                min_size: Some(u64::MAX),
                ..all()
            },
            vec![],
        ),
        (
            Search {
                max_size: Some(u64::MAX),
                ..all()
            },
            everything.to_vec(),
        ),
        // 2020-01-05 is 1,578,182,400.
        (
            Search {
                newer_than: after(1_578_182_400),
                ..all()
            },
            vec![second],
        ),
        (
            Search {
                newer_than: after(1_578_182_399),
                ..all()
            },
            vec![second, double],
        ),
        (
            Search {
                newer_than: after(u64::from(u32::MAX) * 4),
                ..all()
            },
            vec![],
        ),
        (
            Search {
                offset: 2,
                limit: 2,
                ..all()
            },
            vec![undated, daily],
        ),
        (
            Search {
                offset: u64::MAX,
                ..all()
            },
            vec![],
        ),
    ];
    for (search, expected) in cases {
        let found = page(&catalogue, &search, NOW);
        assert_eq!(titles(&found), expected, "{search:?}");
        if search.offset == 0 {
            assert_eq!(found.total, expected.len() as u64, "{search:?}");
        }
    }
    // The matching episode represents the file.
    let second_half = page(&catalogue, &tv(Some(1), number(2)), NOW);
    assert_eq!(second_half.items[0].release.id, "e:6");
}

/// What Radarr and Sonarr make of a title before they search for it, and what people write.
#[test]
fn words_are_found_in_other_spellings() {
    let home = Home::new();
    let catalogue = catalogue(&home);
    let series = Release {
        series_title: Some("Grey's Anatomy".into()),
        ..episode("e:1", "GA.S01E01", 5, 1, 1)
    };
    let list = [
        movie("m:1", "Schindler's List (1993)", 1),
        movie("m:2", "Tom & Jerry (2021)", 2),
        movie("m:3", "S.W.A.T.2003.1080p", 3),
        movie("m:4", "Ёлки (2010)", 4),
        movie("m:5", "Οδυσσέας (2020)", 5),
        movie("m:6", "Žižek Amélie Ame\u{301}lie İstanbul (2004)", 6),
        movie("m:7", "Smørrebrød Straße (2007)", 7),
        series,
    ];
    tell(&catalogue, 1, &list, NOW);
    for (text, expected) in [
        ("schindlers list 1993", "m:1"),
        ("schindler s list", "m:1"),
        ("tom and jerry 2021", "m:2"),
        ("tom jerry", "m:2"),
        ("swat 2003", "m:3"),
        ("s w a t", "m:3"),
        ("елки 2010", "m:4"),
        ("ёлки", "m:4"),
        ("ЁЛКИ", "m:4"),
        ("οδυσσεασ", "m:5"),
        ("οδυσσέας", "m:5"),
        ("zizek amelie istanbul", "m:6"),
        ("žižek amélie", "m:6"),
        ("smørrebrød straße", "m:7"),
        ("greys anatomy", "e:1"),
        ("grey anatomy", "e:1"),
    ] {
        let found = page(&catalogue, &words(text), NOW);
        let ids: Vec<&str> = found.items.iter().map(|i| i.release.id.as_str()).collect();
        assert_eq!(ids, [expected], "{text}");
    }
    // Such a spelling is no part of the title: a year is still looked for there.
    assert_eq!(page(&catalogue, &words("and 1993"), NOW).total, 0);
}

#[test]
fn any_text_is_a_harmless_search() {
    let home = Home::new();
    let catalogue = catalogue(&home);
    tell(&catalogue, 1, &[movie("m:1", "Some Thing", 1)], NOW);
    let mut random = Random::new(3);
    let pool: Vec<char> = "\"'*^:(){}[]-+ANDORNOTNEARtitle\0 \n\\%;é\u{301}\u{1f600}漢🜚ß1"
        .chars()
        .collect();
    for _ in 0..2_000 {
        let word = |random: &mut Random| -> String {
            (0..random.below(12))
                .map(|_| pool[random.below(pool.len() as u64) as usize])
                .collect()
        };
        let search = Search {
            words: vec![word(&mut random), word(&mut random)],
            ..all()
        };
        page(&catalogue, &search, NOW);
    }
    let search = words("漢🜚 \u{10ffff} some");
    assert_eq!(page(&catalogue, &search, NOW).total, 0);
    assert_eq!(page(&catalogue, &words("\" some *"), NOW).total, 1);
}

/// A whole season in one file has no episode number; specials are season 0.
#[test]
fn seasons_and_specials_are_found_by_season() {
    let home = Home::new();
    let catalogue = catalogue(&home);
    let pack = Release {
        episode: None,
        ..episode("e:1", "Show.S01.1080p", 5, 1, 0)
    };
    let list = [
        pack,
        episode("e:2", "Show.S01E02", 5, 1, 2),
        episode("e:3", "Show.S00E02", 5, 0, 2),
    ];
    tell(&catalogue, 1, &list, NOW);
    for (season, episode, expected) in [
        (Some(1), None, &["e:1", "e:2"][..]),
        (Some(1), Some(2), &["e:2"]),
        (Some(1), Some(0), &[]),
        (Some(0), None, &["e:3"]),
        (Some(0), Some(2), &["e:3"]),
        (None, Some(2), &["e:2", "e:3"]),
    ] {
        for by_id in [true, false] {
            let search = Search {
                season,
                episode: episode.map(EpisodeWish::Number),
                ..if by_id { by_tvdb(5) } else { all() }
            };
            let found = page(&catalogue, &search, NOW);
            let ids: BTreeSet<_> = found.items.iter().map(|i| i.release.id.as_str()).collect();
            assert_eq!(ids, expected.iter().copied().collect(), "{search:?}");
        }
    }
}
