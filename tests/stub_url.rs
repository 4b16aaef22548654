//! `torrents/add` with one of our own stub URLs instead of the file, as clients other than the arrs
//! add downloads.

use crate::support::arr::{Arr, Item, Kind};
use crate::support::bencode;
use crate::support::content::Content;
use crate::support::peer::{FakePeer, Offer, PEER_KEY};
use crate::support::process::{Config, Jackdaw, KEY};
use crate::support::{Home, SOON, eventually};

const TITLE: &str = "The.Matrix.1999.1080p.BluRay.x264-GROUP";

fn offered(arr: &Arr) -> Item {
    eventually("the release in the feed", SOON, || {
        arr.rss().into_iter().find(|item| item.title == TITLE)
    })
}

/// A URL stands for the torrent that a GET of it gives: whoever hands it on has computed the hash
/// from that one, and looks for it. The owner's key sees that Sonarr has ended a grab of the release,
/// so the stub is not the first one any more, also when Radarr adds it.
#[test]
fn a_stub_url_adds_what_it_serves() {
    let home = Home::new("stub-url");
    let peer = FakePeer::start(vec![Offer::movie(
        "1:movie:1",
        TITLE,
        603,
        "tt0133093",
        Content::new(1, 3_000_017),
    )]);
    let consumer = Jackdaw::start(
        &Config::new(&home.join("consumer"))
            .downloads("")
            .server("Radarr", "radarr")
            .server("Sonarr", "sonarr")
            .peer("alice", &peer.url(), PEER_KEY),
    );
    let mut sonarr = Arr::new(Kind::Sonarr, consumer.address(), "Sonarr", KEY);
    sonarr.test_client();
    let mut radarr = Arr::new(Kind::Radarr, consumer.address(), "Radarr", KEY);
    radarr.test_client();
    let first = sonarr.grab(&offered(&radarr));
    sonarr.delete(&first);

    let item = offered(&radarr);
    let served = bencode::torrent(&radarr.fetch(&item)).unwrap().infohash;
    assert_ne!(served, first, "an old hash would count as imported");
    let url = &item.url;
    let answer = radarr.post("torrents/add", &[("urls", url), ("category", "radarr")]);
    assert_eq!((answer.status, answer.text().as_str()), (200, "Ok."));
    let ids: Vec<String> = radarr.poll().into_iter().map(|found| found.id).collect();
    assert_eq!(ids, [served]);
}
