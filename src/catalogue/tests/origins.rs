//! Friends that are away, or no longer configured, and the time of their last answer.

use super::rig::{HOUR, NOW, all, at, catalogue, open, page, peers, tell, titles};
use crate::catalogue::Search;
use crate::catalogue::testing::{Home, movie};
use crate::release::Ids;

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
