//! Friends that are asked while an arr waits for its search by id.

use std::sync::{Mutex, mpsc};
use std::time::{Duration, Instant};

use super::rig::{NOW, all, at, by_tvdb, changeable, open, page, peers, tell, titles};
use crate::catalogue::Search;
use crate::catalogue::live;
use crate::catalogue::origins::{self, Now};
use crate::catalogue::testing::{Home, TinyFriend, episode, ordinary};
use crate::peer::client::PeerError;
use crate::release::{Ids, Release};

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
