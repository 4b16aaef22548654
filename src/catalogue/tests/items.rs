//! Many offers, one item: what stands for them, where it stands, what is never one.

use std::collections::BTreeSet;

use super::rig::{NOW, all, catalogue, dated, page, tell, titles, words};
use crate::catalogue::testing::{Home, episode, movie};
use crate::catalogue::{Page, Search};
use crate::release::Release;
use crate::torrent::stub;

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
