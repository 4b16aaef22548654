//! Lists of friends, read in the background or for the first search.

use std::time::{Duration, Instant};

use super::rig::{NOW, all, at, by_tvdb, changeable, open, page, peers, tell, titles, words};
use crate::catalogue::origins::Now;
use crate::catalogue::testing::{Home, TinyFriend, episode, movie, ordinary, segments};

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
fn words_are_merged_after_many_changes_and_not_after_few() {
    let release = |n: u64, title: &str| movie(&format!("m:{n}"), &format!("{title} {n}"), n);
    // Three transactions, and as many segments.
    let all: Vec<_> = (0..1200).map(|n| release(n, "First")).collect();
    let home = Home::new();
    let (list, friend) = changeable(all);
    let catalogue = open(&home, peers(&[("tiny", &friend.url)]));
    let start = Instant::now();
    let refresh = |minutes: u64| {
        catalogue.inner.refresh_due(&|| Now {
            instant: start + Duration::from_secs(60 * minutes),
            unix: NOW + 60 * minutes,
        });
        segments(&home.store)
    };
    assert_eq!(refresh(1), 1);
    list.lock().unwrap()[0] = release(0, "Second");
    assert_eq!(refresh(100), 2, "one of 1200 is not worth it");
    let most = 1200 / 16;
    for n in 1..most {
        list.lock().unwrap()[n as usize] = release(n, "Third");
    }
    assert_eq!(refresh(200), 1, "all changes since the last merge count");
    list.lock().unwrap().truncate(1200 - most as usize);
    assert_eq!(refresh(300), 1, "and so do removals");
    drop(catalogue);
    // A friend that is no longer configured leaves with its words.
    let catalogue = open(&home, peers(&[]));
    catalogue.inner.refresh_due(&|| at(NOW));
    assert_eq!(segments(&home.store), 0);
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
