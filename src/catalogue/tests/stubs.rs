//! Whose offer a stub stands for: friends are asked first whether they still have the release.

use std::sync::{Mutex, mpsc};
use std::time::Duration;

use super::rig::{NOW, all, changeable, open, page, peers, tell};
use crate::catalogue::StubTarget;
use crate::catalogue::origins::Now;
use crate::catalogue::testing::{Home, TinyFriend, episode, movie, ordinary};
use crate::release::Release;
use crate::torrent::stub::{self, Infohash};

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
