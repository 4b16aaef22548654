//! Pages that follow each other, and the totals that they are counted by.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, UNIX_EPOCH};

use super::rig::{NOW, all, catalogue, dated, page, tell, words};
use crate::catalogue::testing::{Home, Random, episode, movie};
use crate::catalogue::{Catalogue, Search};
use crate::release::{Category, Ids, Quality, Release};
use crate::torrent::stub::{self, Infohash};

/// Everything a client gets by paging as newznab clients do: until the total is reached.
fn read_all(catalogue: &Catalogue, search: &Search, mut between: impl FnMut()) -> Vec<Infohash> {
    let mut seen = Vec::new();
    loop {
        let search = Search {
            offset: seen.len() as u64,
            ..search.clone()
        };
        let page = page(catalogue, &search, NOW);
        seen.extend(page.items.iter().map(|item| item.guid));
        if page.items.is_empty() || seen.len() as u64 >= page.total {
            return seen;
        }
        between();
    }
}

#[test]
fn paging_under_change_neither_loses_nor_repeats_what_did_not_change() {
    let home = Home::new();
    let catalogue = catalogue(&home);
    let mut random = Random::new(4);
    // Half of them stay, the others come and go with any date.
    let make = |n: u64| {
        let year = 1990 + n * 7 % 30;
        dated(
            Release {
                size: n + 1,
                ..movie(&format!("m:{n}"), &format!("Movie {n}"), 7)
            },
            &format!("{year}-01-01"),
        )
    };
    let stay: Vec<Release> = (0..300).map(make).collect();
    let stay_guids: BTreeSet<Infohash> = stay
        .iter()
        .map(|release| stub::base_hash(&release.title, release.size))
        .collect();
    for search in [
        all(),
        words("movie"),
        Search {
            ids: Ids {
                tmdb: Some(7),
                ..Ids::default()
            },
            ..all()
        },
        Search {
            min_size: Some(1),
            ..all()
        },
    ] {
        for _ in 0..5 {
            let limit = 10 + random.below(60) as u32;
            let search = Search {
                limit,
                ..search.clone()
            };
            let mut shuffle = || {
                let mut list = stay.clone();
                for _ in 0..random.below(200) {
                    list.push(make(300 + random.below(400)));
                }
                list.sort_by_key(|release| release.size);
                list.dedup_by_key(|release| release.size);
                tell(&catalogue, 1, &list, NOW);
            };
            shuffle();
            let seen = read_all(&catalogue, &search, shuffle);
            let mut times: BTreeMap<Infohash, u32> = BTreeMap::new();
            for guid in seen {
                *times.entry(guid).or_default() += 1;
            }
            assert!(
                times.values().all(|times| *times == 1),
                "repeated: {search:?}"
            );
            assert!(
                stay_guids.iter().all(|guid| times.contains_key(guid)),
                "lost: {search:?}"
            );
        }
    }
}

/// A search that wants only new items, in between, has another total.
#[test]
fn the_total_of_a_search_with_an_age_is_its_own() {
    let home = Home::new();
    let catalogue = catalogue(&home);
    let list: Vec<Release> = (0..25)
        .map(|n| {
            let year = 2000 + n;
            dated(
                movie(&format!("m:{n}"), &format!("Movie {n}"), n),
                &format!("{year}-01-01"),
            )
        })
        .collect();
    tell(&catalogue, 1, &list, NOW);
    let of = |seconds: Option<u64>, offset| {
        let search = Search {
            newer_than: seconds.map(|seconds| UNIX_EPOCH + Duration::from_secs(seconds)),
            offset,
            limit: 3,
            ..all()
        };
        let page = page(&catalogue, &search, NOW);
        (page.items.len(), page.total)
    };
    // Newer than 2020-01-01, which is 1,577,836,800; then 2010-01-01.
    assert_eq!(of(Some(1_577_836_800), 0), (3, 4));
    assert_eq!(of(None, 0), (3, 25));
    assert_eq!(of(Some(1_262_304_000), 0), (3, 14));
    assert_eq!(of(None, 3), (3, 25));
    assert_eq!(of(Some(1_577_836_800), 3), (1, 4));
}

#[test]
fn totals_from_the_tally_are_the_number_of_items() {
    let home = Home::new();
    let catalogue = catalogue(&home);
    let mut random = Random::new(5);
    for round in 0..30 {
        for n in 1..=3 {
            let list: Vec<Release> = (0..random.below(40))
                .map(|_| {
                    let n = random.below(60);
                    let resolution = [480, 1080, 2160][random.below(3) as usize];
                    let quality = Quality {
                        resolution: Some(resolution),
                        ..Quality::default()
                    };
                    let base = if n.is_multiple_of(2) {
                        movie(&format!("m:{n}"), &format!("M {n}"), n)
                    } else {
                        episode(&format!("e:{n}"), &format!("E {n}"), n, 1, 1)
                    };
                    Release {
                        quality: Some(quality),
                        ..base
                    }
                })
                .collect();
            tell(&catalogue, n, &list, NOW);
        }
        if round % 7 == 6 {
            home.store.purge_items(NOW + 1, 0).unwrap();
        }
        for categories in [
            vec![],
            vec![2000],
            vec![2040],
            vec![5045, 2030],
            vec![100_002],
            vec![100_001, 2040],
        ] {
            for kind in [None, Some(Category::Tv)] {
                let search = Search {
                    categories: categories.clone(),
                    kind,
                    limit: 1,
                    ..all()
                };
                let tallied = page(&catalogue, &search, NOW).total;
                let walked = page(
                    &catalogue,
                    &Search {
                        min_size: Some(1),
                        ..search
                    },
                    NOW,
                )
                .total;
                assert_eq!(tallied, walked, "{categories:?} {kind:?}");
            }
        }
    }
}
