//! The scene of most transfers: a friend that offers one film, a consumer, and its Radarr.

use super::arr::{Arr, Download, Item, Kind, Status};
use super::content::Content;
use super::peer::{FakePeer, Offer, PEER_KEY};
use super::process::{Config, Jackdaw, KEY};
use super::{Home, SOON, eventually};

/// What the friend offers.
pub const TITLE: &str = "The.Matrix.1999.1080p.BluRay.x264-GROUP";

/// Its id at that friend.
pub const ID: &str = "radarr:movie:12";

/// The film as an offer.
pub fn film(content: Content) -> Offer {
    Offer::movie(ID, TITLE, 603, "tt0133093", content)
}

/// A friend, a consumer that knows it, and a Radarr at the consumer.
pub struct Scene {
    pub peer: FakePeer,
    pub consumer: Jackdaw,
    pub radarr: Arr,
    // Last: removed after the processes are gone.
    _home: Home,
}

impl Scene {
    /// Starts all three; `downloads` are further lines of that section.
    pub fn start(name: &str, content: Content, downloads: &str) -> Scene {
        let home = Home::new(name);
        let peer = FakePeer::start(vec![film(content)]);
        let consumer = Jackdaw::start(
            &Config::new(&home.join("consumer"))
                .downloads(downloads)
                .peer("jack", &peer.url(), PEER_KEY)
                .server("Main Radarr", "radarr"),
        );
        let mut radarr = Arr::new(Kind::Radarr, consumer.address(), "Main Radarr", KEY);
        radarr.test_client();
        Scene {
            peer,
            consumer,
            radarr,
            _home: home,
        }
    }

    /// The film in the feed.
    pub fn item(&mut self) -> Item {
        eventually("the release in the feed", SOON, || {
            self.radarr.movie(603, "tt0133093").into_iter().next()
        })
    }

    /// Starts a consumer that was killed or stopped again; the Radarr follows its address.
    pub fn restart(&mut self) {
        self.consumer.restart();
        self.radarr.address = self.consumer.address();
    }

    /// Waits until the download is complete; one that is lost or fails is a failure at once.
    pub fn complete(&mut self, id: &str) -> Download {
        let radarr = &mut self.radarr;
        eventually("the download to complete", SOON, || {
            let download = radarr.find(id).expect("an accepted grab is listed");
            assert_ne!(download.state, "error", "it failed");
            (download.status == Status::Completed).then_some(download)
        })
    }
}
