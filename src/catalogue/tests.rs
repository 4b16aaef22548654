//! The catalogue as its callers see it, over a real database and friends on loopback.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::mpsc;
use std::time::UNIX_EPOCH;

use super::scan::{Changes, Scan};
use super::testing::{Home, Random, TinyFriend, episode, movie, ordinary};
use super::*;
use crate::config;
use crate::library::{Sink, SourceError};
use crate::peer::client::{PeerClient, PeerError};
use crate::release::{Category, Quality};
use crate::secret::Secret;
use crate::store::releases::Scope;
use crate::torrent::stub;

/// 2025-06-15: what tests call now.
const NOW: u64 = 1_750_000_000;

const HOUR: u64 = 3600;

fn at(unix: u64) -> Now {
    Now {
        instant: Instant::now(),
        unix,
    }
}

fn sharing() -> config::Sharing {
    config::Sharing {
        max_uploads: 1,
        rate: config::RateSchedule::default(),
        rate_per_peer: config::RateSchedule::default(),
        catalogue_refresh: Duration::from_secs(900),
        peer_hide_after: Duration::from_secs(24 * HOUR),
    }
}

fn peers(urls: &[(&str, &str)]) -> Arc<Peers> {
    let all = urls.iter().map(|(name, url)| {
        Arc::new(PeerClient::new(config::Peer {
            name: (*name).to_owned(),
            url: (*url).to_owned(),
            api_key: Secret::new("key"),
            headers: Vec::new(),
        }))
    });
    Arc::new(Peers::new(all.collect()))
}

/// Friends alice, bob and carol, at addresses where nobody answers.
fn three() -> Arc<Peers> {
    peers(&[
        ("alice", "http://127.0.0.1:1/a"),
        ("bob", "http://127.0.0.1:1/b"),
        ("carol", "http://127.0.0.1:1/c"),
    ])
}

fn open(home: &Home, peers: Arc<Peers>) -> Catalogue {
    Catalogue::open(Arc::clone(&home.store), Vec::new(), peers, &sharing()).unwrap()
}

/// The catalogue with alice, bob and carol, all seen just now.
fn catalogue(home: &Home) -> Catalogue {
    let catalogue = open(home, three());
    for friend in &catalogue.inner.origins.friends {
        friend.answered(&home.store, None, at(NOW));
    }
    catalogue
}

/// Friend `n` says that it has exactly these.
fn tell(catalogue: &Catalogue, n: i64, releases: &[Release], now: u64) -> Changes {
    let inner = &catalogue.inner;
    let on_write = |touched| inner.changed(touched);
    let mut scan = Scan::of_friend(&inner.store, n, Scope::Everything, now, &on_write).unwrap();
    for release in releases {
        scan.see(release.clone(), None);
    }
    scan.finish().unwrap()
}

fn all() -> Search {
    Search {
        limit: 100,
        ..Search::default()
    }
}

fn words(text: &str) -> Search {
    Search {
        words: text.split(' ').map(str::to_owned).collect(),
        ..all()
    }
}

fn page(catalogue: &Catalogue, search: &Search, now: u64) -> Page {
    catalogue.inner.page(search, at(now)).unwrap()
}

fn titles(page: &Page) -> Vec<&str> {
    page.items
        .iter()
        .map(|i| i.release.title.as_str())
        .collect()
}

fn dated(release: Release, date: &str) -> Release {
    Release {
        publish_date: Some(date.to_owned()),
        ..release
    }
}

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

#[test]
fn one_release_of_several_friends_and_episodes_is_one_item() {
    let home = Home::new();
    let catalogue = catalogue(&home);
    let twins = [
        episode("e:1", "Show.S01E01E02", 5, 1, 1),
        episode("e:2", "Show.S01E01E02", 5, 1, 2),
    ];
    // One id for both episodes, as another server may have it.
    let same_id = [
        episode("e:9", "Show.S01E01E02", 5, 1, 1),
        episode("e:9", "Show.S01E01E02", 5, 1, 2),
    ];
    tell(&catalogue, 1, &twins, NOW);
    tell(&catalogue, 2, &same_id, NOW);
    assert_eq!(tell(&catalogue, 2, &same_id, NOW).written, 0);
    let found = page(&catalogue, &all(), NOW);
    assert_eq!((found.items.len(), found.total), (1, 1));
    let item = &found.items[0];
    assert_eq!(item.seeders, 2);
    assert_eq!(item.categories[0], 5000);
    assert!(item.categories.ends_with(&[100_001, 100_002]), "{item:?}");
    assert_eq!(catalogue.origins(&item.guid).unwrap().len(), 2);

    // As an indexer of one friend: its own category alone, found by that one alone.
    let of_bob = |category| Search {
        peer_id: Some(catalogue.inner.origins.friends[1].client.id().to_owned()),
        categories: vec![category],
        ..all()
    };
    let found = page(&catalogue, &of_bob(100_002), NOW);
    assert_eq!(found.items[0].seeders, 2);
    assert_eq!(
        found.items[0]
            .categories
            .iter()
            .filter(|n| **n > 99_999)
            .collect::<Vec<_>>(),
        [&100_002]
    );
    assert_eq!(page(&catalogue, &of_bob(100_001), NOW).total, 0);

    // One of two episodes goes, then one of two friends, then the last.
    tell(&catalogue, 1, &twins[..1], NOW);
    assert_eq!(page(&catalogue, &all(), NOW).items[0].seeders, 2);
    tell(&catalogue, 1, &[], NOW);
    let item = page(&catalogue, &all(), NOW).items.remove(0);
    assert_eq!((item.seeders, item.release.id.as_str()), (1, "e:9"));
    tell(&catalogue, 2, &[], NOW);
    assert_eq!(page(&catalogue, &all(), NOW), Page::default());
    assert_eq!(page(&catalogue, &words("show"), NOW), Page::default());
    assert_eq!(catalogue.origins(&item.guid).unwrap(), []);
}

#[test]
fn only_differences_are_written() {
    let home = Home::new();
    let catalogue = catalogue(&home);
    let mut list: Vec<Release> = (0..1200)
        .map(|n| movie(&format!("m:{n}"), &format!("Movie {n}"), n))
        .collect();
    let first = tell(&catalogue, 1, &list, NOW);
    assert_eq!((first.seen, first.written, first.removed), (1200, 1200, 0));
    let before = home.store.writer().total_changes();
    assert_eq!(tell(&catalogue, 1, &list, NOW).written, 0);
    assert_eq!(home.store.writer().total_changes(), before);
    list[700].release_group = Some("GRP".into());
    list.remove(3);
    list.push(movie("m:3", "Movie 3, another cut", 3));
    list.push(list[1].clone());
    let second = tell(&catalogue, 1, &list, NOW);
    assert_eq!((second.written, second.removed), (2, 0));
    let third = tell(&catalogue, 1, &list[..1100], NOW);
    assert_eq!((third.written, third.removed), (0, 100));
    assert_eq!(page(&catalogue, &words("movie"), NOW).total, 1100);
}

#[test]
fn a_list_that_breaks_off_removes_nothing() {
    let home = Home::new();
    let catalogue = catalogue(&home);
    tell(
        &catalogue,
        1,
        &[movie("m:1", "One", 1), movie("m:2", "Two", 2)],
        NOW,
    );
    let mut scan = Scan::of_friend(&home.store, 1, Scope::Everything, NOW, &|_| ()).unwrap();
    scan.see(movie("m:3", "Three", 3), None);
    scan.abandon().unwrap();
    assert_eq!(page(&catalogue, &all(), NOW).items.len(), 3);
}

#[test]
fn a_live_answer_stands_for_its_question_only() {
    let home = Home::new();
    let catalogue = catalogue(&home);
    let show = [
        episode("e:1", "Show.S01E01", 5, 1, 1),
        episode("e:2", "Show.S01E02", 5, 1, 2),
        episode("e:3", "Show.S02E01", 5, 2, 1),
        episode("e:4", "Other.S01E01", 6, 1, 1),
    ];
    tell(&catalogue, 1, &show, NOW);
    tell(&catalogue, 2, &show, NOW);
    let mut full = Scan::of_friend(&home.store, 1, Scope::Everything, NOW, &|_| ()).unwrap();
    let scope = Scope::Tvdb(5, Some(1), None);
    let mut live = Scan::of_friend(&home.store, 1, scope, NOW, &|_| ()).unwrap();
    live.see(show[1].clone(), None);
    live.see(episode("e:5", "Show.S01E03", 5, 1, 3), None);
    let changes = live.finish().unwrap();
    assert_eq!((changes.written, changes.removed), (1, 1));
    // A list that was begun before does not know of the new one, and must not remove it.
    for release in [&show[1], &show[2], &show[3]] {
        full.see(release.clone(), None);
    }
    assert_eq!(full.finish().unwrap().removed, 0);
    let alice = catalogue.inner.origins.friends[0].client.id().to_owned();
    let found = page(
        &catalogue,
        &Search {
            peer_id: Some(alice),
            ..all()
        },
        NOW,
    );
    let found: BTreeSet<_> = titles(&found).into_iter().map(str::to_owned).collect();
    let expected = ["Other.S01E01", "Show.S01E02", "Show.S01E03", "Show.S02E01"];
    assert_eq!(found, expected.map(str::to_owned).into());
}

#[test]
fn an_item_keeps_its_place_and_order_is_by_time_then_guid() {
    let home = Home::new();
    let catalogue = catalogue(&home);
    let list: Vec<Release> = (0..50)
        .map(|n| movie(&format!("m:{n}"), &format!("Movie {n}"), n))
        .collect();
    tell(&catalogue, 1, &list, NOW);
    let first = page(&catalogue, &all(), NOW);
    assert!(first.items.iter().all(|item| item.published == NOW));
    assert!(first.items.is_sorted_by_key(|item| item.guid));
    // Away and back, and offered by another friend with another date.
    tell(&catalogue, 1, &[], NOW + 10);
    tell(&catalogue, 1, &list, NOW + 20);
    let others: Vec<Release> = list
        .iter()
        .map(|r| dated(r.clone(), "2001-01-01"))
        .collect();
    tell(&catalogue, 2, &others, NOW + 30);
    let again = page(&catalogue, &all(), NOW + 30);
    let places =
        |page: &Page| -> Vec<_> { page.items.iter().map(|i| (i.guid, i.published)).collect() };
    assert_eq!(places(&again), places(&first));

    // Forgotten after a day, or when there are too many.
    tell(&catalogue, 2, &[], NOW + 40);
    tell(&catalogue, 1, &list[..10], NOW + 40);
    assert_eq!(home.store.purge_items(NOW + 40, 100).unwrap(), 0);
    assert_eq!(home.store.purge_items(NOW + 40, 30).unwrap(), 10);
    assert_eq!(home.store.purge_items(NOW + 41, 100).unwrap(), 30);
    assert_eq!(page(&catalogue, &all(), NOW).total, 10);
}

#[test]
fn what_has_no_stub_is_left_out() {
    let home = Home::new();
    let catalogue = catalogue(&home);
    let sized = |id: &str, size| Release {
        size,
        ..movie(id, id, 1)
    };
    let list = [
        sized("a", 0),
        sized("b", 1),
        sized("c", stub::MAX_SIZE),
        sized("d", stub::MAX_SIZE + 1),
        sized("e", u64::MAX),
        // Radarr and Sonarr see no title in these.
        sized("\u{1f426}\u{1f600} \u{fffe}", 2),
        sized(" \u{a0}\u{1}", 3),
        sized("\u{1f426}\u{e9}", 4),
    ];
    tell(&catalogue, 1, &list, NOW);
    let found = page(&catalogue, &all(), NOW);
    let found: BTreeSet<_> = titles(&found).into_iter().collect();
    assert_eq!(found, ["b", "c", "\u{1f426}\u{e9}"].into());
}

#[test]
fn a_friend_that_is_away_is_hidden_after_a_while() {
    let home = Home::new();
    let catalogue = catalogue(&home);
    tell(
        &catalogue,
        1,
        &[movie("m:1", "Both", 1), movie("m:2", "Alice's", 2)],
        NOW,
    );
    tell(&catalogue, 2, &[movie("m:1", "Both", 1)], NOW);
    let later = NOW + 25 * HOUR;
    assert_eq!(page(&catalogue, &all(), NOW + 24 * HOUR).total, 2);
    assert_eq!(page(&catalogue, &all(), later).total, 0);
    catalogue.inner.origins.friends[1].answered(&home.store, None, at(later));
    let found = page(&catalogue, &all(), later);
    assert_eq!((titles(&found), found.total), (vec!["Both"], 1));
    assert_eq!(found.items[0].seeders, 1);
    assert!(found.items[0].categories.ends_with(&[100_002]));
    // An id that only the hidden friend knows does not match the other's offer.
    let by_id = Search {
        ids: Ids {
            tmdb: Some(2),
            ..Ids::default()
        },
        ..all()
    };
    assert_eq!(page(&catalogue, &by_id, later).total, 0);
    catalogue.inner.origins.friends[0].answered(&home.store, None, at(later));
    assert_eq!(page(&catalogue, &all(), later).total, 2);
    // A clock that went back hides nobody.
    assert_eq!(page(&catalogue, &all(), 60).total, 2);
}

#[test]
fn the_time_of_the_last_answer_is_written_once_an_hour() {
    let home = Home::new();
    let catalogue = catalogue(&home);
    let friend = &catalogue.inner.origins.friends[0];
    let stored = || home.store.origins().unwrap()[0].seen_at;
    friend.answered(&home.store, None, at(NOW + 3599));
    assert_eq!(stored(), Some(NOW));
    friend.answered(&home.store, None, at(NOW + 3600));
    assert_eq!(stored(), Some(NOW + 3600));
}

#[test]
fn a_friend_no_longer_configured_is_hidden_then_removed() {
    let home = Home::new();
    let first = catalogue(&home);
    tell(&first, 1, &[movie("m:1", "Alice's", 1)], NOW);
    tell(&first, 2, &[movie("m:2", "Bob's", 2)], NOW);
    drop(first);
    let second = open(&home, peers(&[("bob", "http://127.0.0.1:1/b")]));
    assert_eq!(
        second.friend_categories().unwrap(),
        [(100_002, "bob".to_owned())]
    );
    assert_eq!(titles(&page(&second, &all(), NOW)), ["Bob's"]);
    assert_eq!(home.store.offer_count(1).unwrap(), 1);
    // Alice and carol: one each time.
    second.inner.refresh_due(&|| at(NOW));
    second.inner.refresh_due(&|| at(NOW));
    assert_eq!(home.store.offer_count(1).unwrap(), 0);
    let left: Vec<i64> = home
        .store
        .origins()
        .unwrap()
        .iter()
        .map(|row| row.n)
        .collect();
    assert_eq!(left, [2]);
    assert_eq!(titles(&page(&second, &all(), NOW)), ["Bob's"]);
}

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

#[test]
fn no_search_walks_more_than_it_must() {
    let home = Home::new();
    let check = |search: &Search, expected: &[&str]| {
        let query = search::query(search, 0b110).unwrap();
        let mut plan = String::new();
        for sql in [
            query.page(1 << 60, 0, 100),
            query.count(),
            query.representative(),
        ] {
            let writer = home.store.writer();
            let mut statement = writer
                .prepare(&format!("EXPLAIN QUERY PLAN {}", sql.text))
                .unwrap();
            let lines = statement
                .query_map(rusqlite::params_from_iter(&sql.values), |row| {
                    row.get::<_, String>(3)
                })
                .unwrap();
            for line in lines {
                plan += &line.unwrap();
                plan += "\n";
            }
            plan += "--\n";
        }
        for part in expected {
            assert!(plan.contains(part), "{search:?}: no {part:?} in\n{plan}");
        }
        // Offers are never walked, and nothing is sorted but the offers of one item.
        assert!(!plan.contains("SCAN o"), "{search:?}\n{plan}");
        let page_plan = plan.split("--").next().unwrap();
        assert!(
            !page_plan.contains("TEMP B-TREE FOR ORDER BY"),
            "{search:?}\n{plan}"
        );
    };
    let representative = "SEARCH o USING INDEX offer_item (item=?)";
    // In the order of the feed, and counted from the tally.
    check(
        &all(),
        &[
            "SEARCH item USING INTEGER PRIMARY KEY (rowid<?)",
            "SCAN tally",
            representative,
        ],
    );
    check(
        &Search {
            categories: vec![2000],
            ..all()
        },
        &["SCAN tally"],
    );
    check(
        &words("a b"),
        &[
            "SCAN words VIRTUAL TABLE INDEX",
            "SEARCH item USING INTEGER PRIMARY KEY (rowid=?)",
        ],
    );
    let ids = |tmdb, imdb, tvdb| Search {
        ids: Ids { tmdb, imdb, tvdb },
        ..all()
    };
    check(
        &ids(Some(1), None, None),
        &["USING INDEX offer_tmdb (tmdb=?)"],
    );
    check(
        &ids(None, Some(1), None),
        &["USING INDEX offer_imdb (imdb=?)"],
    );
    check(
        &Search {
            season: Some(1),
            episode: Some(EpisodeWish::Number(2)),
            ..ids(None, None, Some(1))
        },
        &["offer_tvdb (tvdb=? AND season=? AND episode=?)"],
    );
    check(
        &ids(Some(1), Some(2), Some(3)),
        &["MULTI-INDEX OR", "offer_tmdb", "offer_imdb", "offer_tvdb"],
    );
    check(
        &Search {
            words: vec!["a".into()],
            ..ids(None, None, Some(1))
        },
        &["SCAN words VIRTUAL TABLE INDEX", "offer_tvdb"],
    );
    check(
        &Search {
            season: Some(1),
            ..words("a")
        },
        &["USING COVERING INDEX offer_item (item=?)"],
    );
}

/// A source that gives what it is told.
struct Shelf {
    offers: Mutex<Vec<Offer>>,
    is_broken: std::sync::atomic::AtomicBool,
}

impl Source for Shelf {
    fn id(&self) -> &str {
        "shelf"
    }
    fn name(&self) -> &str {
        "folder \"Shelf\""
    }
    fn scan(&self, sink: &mut dyn Sink) -> Result<(), SourceError> {
        for offer in self.offers.lock().unwrap().iter() {
            sink.offer(offer.clone());
        }
        if self.is_broken.load(std::sync::atomic::Ordering::SeqCst) {
            return Err(SourceError("the shelf broke".into()));
        }
        Ok(())
    }
    fn roots(&self) -> Vec<PathBuf> {
        vec!["/media".into(), "/media/deep".into()]
    }
}

fn shared(catalogue: &Catalogue, ids: &Ids, season: Option<u32>) -> Vec<String> {
    let mut found = Vec::new();
    catalogue
        .shared(ids, season, None, &mut |release| {
            found.push(release.id.clone());
            Ok(())
        })
        .unwrap();
    found
}

#[test]
fn what_we_share_is_listed_found_and_marked() {
    let home = Home::new();
    let offer = |release: Release, path: &str| Offer {
        release,
        path: path.into(),
    };
    let mut offers: Vec<Offer> = (0..250)
        .map(|n| {
            let id = format!("shelf:movie:{n}");
            offer(
                movie(&id, &format!("Movie {n}"), n),
                &format!("/media/{n}.mkv"),
            )
        })
        .collect();
    offers.push(offer(
        episode("shelf:episode:1", "Show.S01E01", 5, 1, 1),
        "/media/deep/e.mkv",
    ));
    offers.push(offer(
        episode("shelf:episode:2", "Show.S02E01", 5, 2, 1),
        "/elsewhere/e.mkv",
    ));
    offers.push(offer(
        Release {
            size: 0,
            ..movie("shelf:movie:empty", "Empty", 1)
        },
        "/media/x",
    ));
    let shelf = Arc::new(Shelf {
        offers: Mutex::new(offers),
        is_broken: false.into(),
    });
    let open = |store: Arc<Store>| {
        let sources: Vec<Arc<dyn Source>> = vec![Arc::clone(&shelf) as Arc<dyn Source>];
        Catalogue::open(store, sources, peers(&[]), &sharing()).unwrap()
    };
    let catalogue = open(Arc::clone(&home.store));
    let empty_mark = catalogue.shared_mark().unwrap();
    catalogue.refresh_due();
    assert_eq!(shared(&catalogue, &Ids::default(), None).len(), 252);
    let tvdb = Ids {
        tvdb: Some(5),
        ..Ids::default()
    };
    assert_eq!(
        shared(&catalogue, &tvdb, None),
        ["shelf:episode:1", "shelf:episode:2"]
    );
    assert_eq!(shared(&catalogue, &tvdb, Some(2)), ["shelf:episode:2"]);
    let none = Ids {
        imdb: Some(u64::MAX),
        ..Ids::default()
    };
    assert!(shared(&catalogue, &none, None).is_empty());
    let found = catalogue.shared_item("shelf:movie:7").unwrap().unwrap();
    assert_eq!(found, shelf.offers.lock().unwrap()[7]);
    assert_eq!(catalogue.shared_item("shelf:movie:empty").unwrap(), None);
    let path = |id: &str| catalogue.shared_path(id).unwrap().map(|f| (f.path, f.root));
    assert_eq!(
        path("shelf:episode:1"),
        Some(("/media/deep/e.mkv".into(), Some("/media/deep".into())))
    );
    assert_eq!(path("shelf:episode:2"), None);
    assert_eq!(path("other"), None);

    // An error of the reader ends the list.
    let mut given = 0;
    let result = catalogue.shared(&Ids::default(), None, None, &mut |_| {
        given += 1;
        if given == 3 {
            Err(std::io::Error::other("gone"))
        } else {
            Ok(())
        }
    });
    assert!(result.is_err());
    assert_eq!(given, 3);

    let mark = catalogue.shared_mark().unwrap();
    assert_ne!(mark, empty_mark);
    let again = open(Arc::clone(&home.store));
    assert_eq!(again.shared_mark().unwrap(), mark);
    again.refresh_due();
    assert_eq!(again.shared_mark().unwrap(), mark);
    let taken = shelf.offers.lock().unwrap().remove(0);
    shelf
        .is_broken
        .store(true, std::sync::atomic::Ordering::SeqCst);
    let third = open(Arc::clone(&home.store));
    third.refresh_due();
    assert_eq!(third.shared_mark().unwrap(), mark);
    assert_eq!(
        third.origin_states().unwrap()[0].error.as_deref(),
        Some("the shelf broke")
    );
    shelf
        .is_broken
        .store(false, std::sync::atomic::Ordering::SeqCst);
    let fourth = open(Arc::clone(&home.store));
    fourth.refresh_due();
    assert_ne!(fourth.shared_mark().unwrap(), mark);
    assert_eq!(fourth.origin_states().unwrap()[0].releases, 251);
    shelf.offers.lock().unwrap().push(taken);
    let fifth = open(Arc::clone(&home.store));
    fifth.refresh_due();
    assert_eq!(fifth.shared_mark().unwrap(), mark);

    // Without the source nothing of it is given.
    let without = Catalogue::open(Arc::clone(&home.store), vec![], peers(&[]), &sharing()).unwrap();
    assert!(shared(&without, &Ids::default(), None).is_empty());
    assert_eq!(without.shared_item("shelf:movie:7").unwrap(), None);
}

fn by_tvdb(id: u64) -> Search {
    Search {
        ids: Ids {
            tvdb: Some(id),
            ..Ids::default()
        },
        ..all()
    }
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

/// A list beside a list that can be changed while the friend runs.
fn changeable(releases: Vec<Release>) -> (Arc<Mutex<Vec<Release>>>, TinyFriend) {
    let releases = Arc::new(Mutex::new(releases));
    let shared = Arc::clone(&releases);
    let friend = TinyFriend::start(move |path, _| ordinary(&shared.lock().unwrap(), path));
    (releases, friend)
}

#[test]
fn a_search_by_id_asks_friends_once_and_keeps_what_they_say() {
    let home = Home::new();
    let (list, friend) = changeable(vec![
        episode("e:1", "Show.S01E01", 5, 1, 1),
        episode("e:2", "Show.S02E01", 5, 2, 1),
        episode("e:3", "Other.S01E01", 6, 1, 1),
    ]);
    let catalogue = open(
        &home,
        peers(&[("tiny", &friend.url), ("dead", "http://127.0.0.1:1")]),
    );
    let season = |season| Search {
        season: Some(season),
        ..by_tvdb(5)
    };
    let found = catalogue.search(&season(1)).unwrap();
    assert_eq!(titles(&found), ["Show.S01E01"]);
    assert_eq!(
        friend.requests(),
        ["/handshake", "/peer/search?tvdbId=5&season=1"]
    );
    // Not again for its other pages, nor by the next arr that asks.
    catalogue
        .search(&Search {
            offset: 100,
            ..season(1)
        })
        .unwrap();
    catalogue
        .search(&Search {
            limit: 5,
            ..season(1)
        })
        .unwrap();
    assert_eq!(friend.requests(), Vec::<String>::new());
    // Both ids at once.
    let both = Search {
        ids: Ids {
            tvdb: Some(6),
            tmdb: Some(9),
            imdb: None,
        },
        ..all()
    };
    assert_eq!(titles(&catalogue.search(&both).unwrap()), ["Other.S01E01"]);
    let mut asked = friend.requests();
    asked.sort();
    assert_eq!(asked, ["/peer/search?tmdbId=9", "/peer/search?tvdbId=6"]);
    // What the friend no longer has goes with the next question that it would have matched.
    list.lock().unwrap().remove(0);
    assert_eq!(catalogue.search(&by_tvdb(5)).unwrap().total, 1);
    assert_eq!(page(&catalogue, &all(), Now::read().unix).total, 2);
}

#[test]
fn a_friend_that_does_not_answer_leaves_the_index_to_answer() {
    let home = Home::new();
    let (release, hold) = mpsc::channel::<()>();
    let hold = Mutex::new(hold);
    let slow = TinyFriend::start(move |path, _| {
        if path.starts_with("/peer/search") {
            let _ = hold.lock().unwrap().recv();
        }
        ordinary(&[episode("e:9", "New.S01E01", 5, 1, 1)], path)
    });
    let catalogue = open(
        &home,
        peers(&[("slow", &slow.url), ("broken", "http://127.0.0.1:1")]),
    );
    for friend in &catalogue.inner.origins.friends {
        friend.answered(&home.store, None, Now::read());
    }
    tell(&catalogue, 1, &[episode("e:1", "Old.S01E01", 5, 1, 1)], NOW);
    tell(
        &catalogue,
        2,
        &[episode("e:1", "Broken.S01E01", 5, 1, 1)],
        NOW,
    );
    catalogue
        .inner
        .ask_friends(&by_tvdb(5), Duration::from_millis(300));
    assert_eq!(page(&catalogue, &by_tvdb(5), Now::read().unix).total, 2);
    let broken = &catalogue.inner.origins.friends[1];
    assert!(!broken.may_be_asked(Instant::now()));
    assert!(broken.may_be_asked(Instant::now() + origins::LEFT_ALONE));
    drop(release);
}

#[test]
fn the_first_text_search_waits_for_the_first_list() {
    let home = Home::new();
    let friend = TinyFriend::with(vec![movie("m:1", "Something", 1)]);
    let catalogue = open(
        &home,
        peers(&[("tiny", &friend.url), ("dead", "http://127.0.0.1:1")]),
    );
    assert_eq!(titles(&catalogue.search(&all()).unwrap()), ["Something"]);
    assert_eq!(friend.requests(), ["/handshake", "/peer/search"]);
    catalogue.search(&words("something")).unwrap();
    assert_eq!(friend.requests(), Vec::<String>::new());
    let states = catalogue.origin_states().unwrap();
    assert_eq!((states[0].is_up, states[0].releases), (Some(true), 1));
    assert_eq!(states[1].is_up, Some(false));
    assert!(
        states[1]
            .error
            .as_ref()
            .is_some_and(|error| error.contains("dead")),
        "{states:?}"
    );
}

#[test]
fn an_unchanged_friend_costs_one_request_and_no_write() {
    let home = Home::new();
    let friend = TinyFriend::start(|path, head| {
        if path == "/peer/search" && head.to_ascii_lowercase().contains("if-none-match: \"v1\"") {
            return (304, String::new(), String::new());
        }
        let (status, _, body) = ordinary(&[movie("m:1", "Something", 1)], path);
        (status, "ETag: \"v1\"\r\n".into(), body)
    });
    let catalogue = open(&home, peers(&[("tiny", &friend.url)]));
    let inner = &catalogue.inner;
    let start = Instant::now();
    let clock = |seconds: u64| {
        move || Now {
            instant: start + Duration::from_secs(seconds),
            unix: NOW + seconds,
        }
    };
    let due = inner.refresh_due(&clock(1));
    assert_eq!(due, start + Duration::from_secs(11));
    assert_eq!(friend.requests(), ["/handshake", "/peer/search"]);
    let writes = || home.store.writer().total_changes();
    let before = writes();
    assert_eq!(inner.refresh_due(&clock(5)), due);
    assert_eq!(friend.requests(), Vec::<String>::new());
    let due = inner.refresh_due(&clock(11));
    assert_eq!(due, start + Duration::from_secs(71));
    assert_eq!(friend.requests(), ["/peer/search"]);
    assert_eq!(writes(), before);
    // The ETag survives a restart; an answer that changed the index makes it useless.
    let second = open(&home, peers(&[("tiny", &friend.url)]));
    assert_eq!(
        home.store.origins().unwrap()[0].etag.as_deref(),
        Some("\"v1\"")
    );
    tell(
        &second,
        1,
        &[
            movie("m:1", "Something", 1),
            episode("e:1", "Gone", 5, 1, 1),
        ],
        NOW,
    );
    second.search(&by_tvdb(5)).unwrap();
    assert_eq!(home.store.origins().unwrap()[0].etag, None);
}

#[test]
fn a_friend_that_answers_a_search_again_has_no_error_any_more() {
    let home = Home::new();
    let friend = TinyFriend::with(vec![episode("e:1", "Show.S01E01", 5, 1, 1)]);
    let catalogue = open(&home, peers(&[("tiny", &friend.url)]));
    let state = || catalogue.origin_states().unwrap().remove(0);
    let down = PeerError::Unreachable("no route".into());
    let friend = &catalogue.inner.origins.friends[0];
    friend.failed(&down, at(NOW));
    friend.state().alone_until = None;
    assert_eq!(
        (state().is_up, state().error.is_some()),
        (Some(false), true)
    );
    assert_eq!(catalogue.search(&by_tvdb(5)).unwrap().total, 1);
    assert_eq!((state().is_up, state().error), (Some(true), None));
}

#[test]
fn a_friend_of_another_protocol_is_not_used() {
    let home = Home::new();
    let friend = TinyFriend::start(|path, _| match path {
        "/handshake" => (
            200,
            String::new(),
            r#"{"name":"x","version":"0.0.9"}"#.into(),
        ),
        _ => ordinary(&[episode("e:1", "Show", 5, 1, 1)], path),
    });
    let catalogue = open(&home, peers(&[("old", &friend.url)]));
    assert_eq!(catalogue.search(&by_tvdb(5)).unwrap().total, 0);
    assert_eq!(catalogue.search(&all()).unwrap().total, 0);
    catalogue.refresh_due();
    assert!(friend.requests().iter().all(|path| path == "/handshake"));
    let error = catalogue.origin_states().unwrap().remove(0).error.unwrap();
    assert!(error.contains("0.0.9"), "{error}");
}

#[test]
fn a_list_cut_short_is_kept_but_nothing_removed() {
    let home = Home::new();
    let friend = TinyFriend::start(|path, _| match path {
        "/peer/search" => {
            let (_, _, body) = ordinary(&[movie("m:2", "Two", 2)], path);
            (200, String::new(), body.trim_end_matches("]}").to_owned())
        }
        _ => ordinary(&[], path),
    });
    let catalogue = open(&home, peers(&[("tiny", &friend.url)]));
    tell(&catalogue, 1, &[movie("m:1", "One", 1)], NOW);
    catalogue.refresh_due();
    assert_eq!(page(&catalogue, &all(), Now::read().unix).total, 2);
    let state = catalogue.origin_states().unwrap().remove(0);
    assert_eq!((state.is_up, state.error.is_some()), (Some(false), true));
    assert_eq!(home.store.origins().unwrap()[0].filled_at, None);
}

#[test]
fn a_stub_is_for_a_friend_that_still_has_the_release() {
    let home = Home::new();
    let release = movie("m:1", "One", 1);
    let guid = stub::base_hash(&release.title, release.size);
    let (first_list, first) = changeable(vec![release.clone()]);
    let (second_list, second) = changeable(vec![release.clone()]);
    let catalogue = open(
        &home,
        peers(&[("first", &first.url), ("second", &second.url)]),
    );
    catalogue.refresh_due();
    // Far apart: what the first question really takes must not change the order.
    for (friend, latency) in catalogue.inner.origins.friends.iter().zip([1, 600_000]) {
        friend.answered(
            &home.store,
            Some(Duration::from_millis(latency)),
            Now::read(),
        );
    }
    let peer = |n: usize| catalogue.inner.origins.friends[n].client.id().to_owned();
    let target = || match catalogue.stub_target(&guid).unwrap() {
        StubTarget::Found(item, origin) => {
            assert_eq!((item.guid, &item.release), (guid, &release));
            assert_eq!(
                (origin.item_id.as_str(), origin.filename.as_str()),
                ("m:1", "One.mkv")
            );
            Some(origin.peer_id)
        }
        StubTarget::Gone => None,
    };
    let origins: Vec<String> = catalogue
        .origins(&guid)
        .unwrap()
        .into_iter()
        .map(|o| o.peer_id)
        .collect();
    assert_eq!(origins, [peer(0), peer(1)]);
    first.requests();
    assert_eq!(target(), Some(peer(0)));
    assert_eq!(first.requests(), ["/peer/items/m%3A1"]);
    // Another file under the same id by now: as good as gone.
    first_list.lock().unwrap()[0].size += 1;
    assert_eq!(target(), Some(peer(1)));
    assert_eq!(catalogue.origins(&guid).unwrap().len(), 1);
    second_list.lock().unwrap().clear();
    assert_eq!(target(), None);
    assert_eq!(page(&catalogue, &all(), Now::read().unix).total, 0);
    assert_eq!(
        catalogue.stub_target(&Infohash([9; 20])).unwrap(),
        StubTarget::Gone
    );
}

#[test]
fn a_passing_fault_does_not_take_a_stub_away() {
    let home = Home::new();
    let release = movie("m:1", "One", 1);
    let guid = stub::base_hash(&release.title, release.size);
    let shared = release.clone();
    let faulty = TinyFriend::start(move |path, _| {
        if path.starts_with("/peer/items/") {
            return (500, String::new(), "{}".into());
        }
        ordinary(std::slice::from_ref(&shared), path)
    });
    let catalogue = open(
        &home,
        peers(&[("faulty", &faulty.url), ("dead", "http://127.0.0.1:1")]),
    );
    tell(&catalogue, 1, std::slice::from_ref(&release), NOW);
    tell(&catalogue, 2, std::slice::from_ref(&release), NOW);
    let found = catalogue.stub_target(&guid).unwrap();
    assert!(matches!(found, StubTarget::Found(..)), "{found:?}");
    assert_eq!(catalogue.origins(&guid).unwrap().len(), 2);
}

/// A file of several episodes is several offers, under one id or more.
#[test]
fn a_friend_is_asked_once_for_a_stub_however_many_episodes_the_file_holds() {
    let home = Home::new();
    let pack = |id: &str, episode_number| episode(id, "Show.S01", 5, 1, episode_number);
    let one_id: Vec<Release> = (1..=4).map(|n| pack("e:1", n)).collect();
    let own_ids: Vec<Release> = (1..=4).map(|n| pack(&format!("e:{n}"), n)).collect();
    let guid = stub::base_hash(&one_id[0].title, one_id[0].size);
    let (status, answers) = mpsc::channel::<u16>();
    let answers = Mutex::new(answers);
    let friend = TinyFriend::start(move |_, _| {
        let status = answers.lock().unwrap().recv().unwrap_or(500);
        (status, String::new(), "{}".into())
    });
    let catalogue = open(&home, peers(&[("tiny", &friend.url)]));
    let check = |offers: &[Release], statuses: &[u16], is_found: bool, left: u64| {
        tell(&catalogue, 1, offers, NOW);
        for number in statuses {
            status.send(*number).unwrap();
        }
        let target = catalogue.stub_target(&guid).unwrap();
        assert_eq!(target != StubTarget::Gone, is_found, "{statuses:?}");
        assert_eq!(friend.requests().len(), statuses.len(), "{statuses:?}");
        assert_eq!(home.store.offer_count(1).unwrap(), left, "{statuses:?}");
    };
    check(&one_id, &[500], true, 4);
    check(&own_ids, &[503], true, 4);
    check(&one_id, &[404], false, 0);
    check(&own_ids, &[404, 404, 500], true, 2);
}

#[test]
fn an_endless_live_answer_is_cut_and_removes_nothing() {
    let home = Home::new();
    let many: Vec<Release> = (0..=live::MAX_ITEMS as u32)
        .map(|n| episode(&format!("e:{n}"), "Same.S01", 5, 1, n))
        .collect();
    let friend = TinyFriend::with(many);
    let catalogue = open(&home, peers(&[("tiny", &friend.url)]));
    tell(&catalogue, 1, &[episode("old", "Old.S01", 5, 1, 0)], NOW);
    // Nothing in this depends on how long it takes.
    catalogue
        .inner
        .ask_friends(&by_tvdb(5), Duration::from_secs(600));
    assert_eq!(home.store.offer_count(1).unwrap(), live::MAX_ITEMS + 1);
    assert_eq!(page(&catalogue, &by_tvdb(5), Now::read().unix).total, 2);
}
