//! Many grabs, two friends that fail at random, and a consumer that is killed: in the end every
//! file is byte-exact or its grab has failed, and nothing is left behind.
//!
//! The short sibling of scripts/chaos, which has real friends, a faulty network, a disk that fills
//! and a clock that jumps. The faults come from a fixed seed, so that a failure repeats.

use std::path::Path;

use crate::support::arr::{Arr, Kind, Status};
use crate::support::content::Content;
use crate::support::peer::{FakePeer, FileFault, Offer, PEER_KEY};
use crate::support::process::{Config, Jackdaw, KEY};
use crate::support::{Home, SOON, eventually, files_of_grabs};

const GRABS: u64 = 12;
const FAULTS: usize = 30;
const KILLS: usize = 3;
/// The film that its friend no longer has.
const GONE: u64 = 2;

/// A small generator of numbers below a bound.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.0 >> 33) % bound
    }

    fn fault(&mut self) -> FileFault {
        use FileFault::*;
        let at = self.below(400_000);
        match self.below(14) {
            0 => StallAt(at),
            1 | 2 => CutAt(at),
            3 | 4 => ResetAt(at),
            5 => Hangup,
            6 => Refuse416,
            7 => IgnoreRange,
            8 => WrongRangeStart,
            9 => WrongRangeTotal,
            10 => LoginPage,
            11 => Status(503),
            12 => BusySeconds(1),
            _ => Drip(300_000),
        }
    }
}

fn title(number: u64) -> String {
    format!("Film.Number.{number}.2001.1080p.WEB-DL.x264-GROUP")
}

#[test]
fn chaos_never_leaves_a_wrong_file() {
    let home = Home::new("chaos");
    let mut dice = Dice(5);
    let contents = Vec::from_iter((0..GRABS).map(|number| {
        Content::new(
            100 + number,
            1 + dice.below(if number % 3 == 0 { 100 } else { 900_000 }),
        )
    }));
    let offers = |range: std::ops::Range<u64>| {
        Vec::from_iter(range.map(|number| {
            let content = contents[number as usize];
            let id = format!("r:movie:{number}");
            Offer::movie(
                &id,
                &title(number),
                1000 + number,
                &format!("tt{number:07}"),
                content,
            )
        }))
    };
    let peers = [
        FakePeer::start(offers(0..GRABS / 2)),
        FakePeer::start(offers(GRABS / 2..GRABS)),
    ];
    let mut consumer = Jackdaw::start(
        &Config::new(&home.join("consumer"))
            .downloads("")
            .peer("one", &peers[0].url(), PEER_KEY)
            .peer("two", &peers[1].url(), PEER_KEY)
            .server("Main Radarr", "radarr"),
    );
    let mut radarr = Arr::new(Kind::Radarr, consumer.address(), "Main Radarr", KEY);
    radarr.test_client();
    let torrents = Vec::from_iter((0..GRABS).map(|number| {
        let item = eventually("a release in the feed", SOON, || {
            radarr.movie(1000 + number, &format!("tt{number:07}")).pop()
        });
        radarr.fetch(&item)
    }));
    // Nothing runs yet: what there is now must be all there is in the end.
    let (threads, descriptors) = (consumer.named_threads(), consumer.descriptors());
    // One film is gone for good by the time it is fetched.
    peers[0]
        .set()
        .offers
        .retain(|offer| offer.id != format!("r:movie:{GONE}"));
    for peer in &peers {
        peer.set()
            .next_files
            .extend((0..FAULTS / 2).map(|_| dice.fault()));
    }
    let ids = Vec::from_iter(
        torrents
            .iter()
            .zip(0..)
            .map(|(torrent, number)| radarr.add(&title(number), torrent).unwrap()),
    );

    for kill in 1..=KILLS {
        let done = (FAULTS / (KILLS + 1)) * kill;
        eventually("some requests for files", SOON, || {
            let asked: usize = peers.iter().map(|peer| peer.file_requests().len()).sum();
            (asked >= done.min(GRABS as usize)).then_some(())
        });
        consumer.kill();
        consumer.restart();
        radarr.address = consumer.address();
    }

    let ends = eventually("every grab to end", SOON * 2, || {
        let downloads = radarr.poll();
        let is_over = |state: &str, status| status == Status::Completed || state == "error";
        assert_eq!(downloads.len(), GRABS as usize, "no row is lost");
        downloads
            .iter()
            .all(|download| is_over(&download.state, download.status))
            .then_some(downloads)
    });
    let mut right = 0;
    for (number, (id, content)) in (0..).zip(ids.iter().zip(&contents)) {
        let end = ends.iter().find(|download| download.id == *id).unwrap();
        assert_eq!(end.state == "error", number == GONE, "{number} {end:?}");
        if let Some(output) = &end.output_path {
            content.assert_equals(Path::new(output));
            right += 1;
        }
    }
    // 13 attempts ride out what two friends with 15 faults each can do.
    assert_eq!(right, GRABS - 1);

    for id in &ids {
        radarr.delete(id);
    }
    let left = files_of_grabs(&consumer.config().completed());
    assert!(left.is_empty(), "orphaned: {left:?}");
    // Nothing of twelve downloads and thirty faults stays in the process. Readers of the database
    // are opened as they are needed, four at most, two descriptors each.
    eventually(
        "threads and descriptors of the transfers to go",
        SOON,
        || {
            let is_rid = consumer.named_threads() <= threads;
            (is_rid && consumer.descriptors() <= descriptors + 8).then_some(())
        },
    );
    consumer.assert_alive();
}
