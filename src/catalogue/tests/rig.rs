//! A catalogue on a database of its own, what friends say put into it, and searches of it.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::catalogue::origins::Now;
use crate::catalogue::scan::{Changes, Scan};
use crate::catalogue::testing::{Home, TinyFriend, ordinary};
use crate::catalogue::{Catalogue, Page, Search};
use crate::config;
use crate::peer::Peers;
use crate::peer::client::PeerClient;
use crate::release::{Ids, Release};
use crate::secret::Secret;
use crate::store::releases::Scope;

/// 2025-06-15: what tests call now.
pub const NOW: u64 = 1_750_000_000;

pub const HOUR: u64 = 3600;

pub fn at(unix: u64) -> Now {
    Now {
        instant: Instant::now(),
        unix,
    }
}

pub fn sharing() -> config::Sharing {
    config::Sharing {
        max_uploads: 1,
        rate: config::RateSchedule::default(),
        rate_per_peer: config::RateSchedule::default(),
        catalogue_refresh: Duration::from_secs(900),
        peer_hide_after: Duration::from_secs(24 * HOUR),
    }
}

pub fn peers(urls: &[(&str, &str)]) -> Arc<Peers> {
    let all = urls.iter().map(|(name, url)| {
        Arc::new(PeerClient::new(config::Peer {
            name: (*name).to_owned(),
            url: (*url).to_owned(),
            api_key: Secret::new("key"),
            headers: Vec::new(),
        }))
    });
    Arc::new(Peers::new(all.collect()))
}

/// Friends alice, bob and carol, at addresses where nobody answers.
pub fn three() -> Arc<Peers> {
    peers(&[
        ("alice", "http://127.0.0.1:1/a"),
        ("bob", "http://127.0.0.1:1/b"),
        ("carol", "http://127.0.0.1:1/c"),
    ])
}

pub fn open(home: &Home, peers: Arc<Peers>) -> Catalogue {
    Catalogue::open(Arc::clone(&home.store), Vec::new(), peers, &sharing()).unwrap()
}

/// The catalogue with alice, bob and carol, all seen just now.
pub fn catalogue(home: &Home) -> Catalogue {
    let catalogue = open(home, three());
    for friend in &catalogue.inner.origins.friends {
        friend.answered(&home.store, None, at(NOW));
    }
    catalogue
}

/// Friend `n` says that it has exactly these.
pub fn tell(catalogue: &Catalogue, n: i64, releases: &[Release], now: u64) -> Changes {
    let inner = &catalogue.inner;
    let on_write = |touched| inner.changed(touched);
    let mut scan = Scan::of_friend(&inner.store, n, Scope::Everything, now, &on_write).unwrap();
    for release in releases {
        scan.see(release.clone(), None);
    }
    scan.finish().unwrap()
}

/// A list beside a list that can be changed while the friend runs.
pub fn changeable(releases: Vec<Release>) -> (Arc<Mutex<Vec<Release>>>, TinyFriend) {
    let releases = Arc::new(Mutex::new(releases));
    let shared = Arc::clone(&releases);
    let friend = TinyFriend::start(move |path, _| ordinary(&shared.lock().unwrap(), path));
    (releases, friend)
}

pub fn all() -> Search {
    Search {
        limit: 100,
        ..Search::default()
    }
}

pub fn words(text: &str) -> Search {
    Search {
        words: text.split(' ').map(str::to_owned).collect(),
        ..all()
    }
}

pub fn by_tvdb(id: u64) -> Search {
    Search {
        ids: Ids {
            tvdb: Some(id),
            ..Ids::default()
        },
        ..all()
    }
}

pub fn page(catalogue: &Catalogue, search: &Search, now: u64) -> Page {
    catalogue.inner.page(search, at(now)).unwrap()
}

pub fn titles(page: &Page) -> Vec<&str> {
    page.items
        .iter()
        .map(|i| i.release.title.as_str())
        .collect()
}

pub fn dated(release: Release, date: &str) -> Release {
    Release {
        publish_date: Some(date.to_owned()),
        ..release
    }
}
