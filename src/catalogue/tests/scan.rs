//! What a list or a live answer writes and removes.

use std::collections::BTreeSet;

use super::rig::{NOW, all, catalogue, page, tell, titles, words};
use crate::catalogue::Search;
use crate::catalogue::scan::Scan;
use crate::catalogue::testing::{Home, episode, movie};
use crate::release::Release;
use crate::store::releases::Scope;

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
