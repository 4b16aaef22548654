//! How SQLite goes about a search: by an index, in the order of the feed, never over all offers.

use super::rig::{all, words};
use crate::catalogue::search;
use crate::catalogue::testing::Home;
use crate::catalogue::{EpisodeWish, Search};
use crate::release::Ids;

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
