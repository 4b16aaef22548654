//! What we share: listed, found and marked, from a source that changes and breaks.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use super::rig::{peers, sharing};
use crate::catalogue::Catalogue;
use crate::catalogue::testing::{Home, episode, movie};
use crate::library::{Offer, Sink, Source, SourceError};
use crate::release::{Ids, Release};
use crate::store::Store;

/// A source that gives what it is told.
struct Shelf {
    offers: Mutex<Vec<Offer>>,
    is_broken: std::sync::atomic::AtomicBool,
}

impl Source for Shelf {
    fn id(&self) -> &str {
        "shelf"
    }
    fn name(&self) -> &str {
        "folder \"Shelf\""
    }
    fn scan(&self, sink: &mut dyn Sink) -> Result<(), SourceError> {
        for offer in self.offers.lock().unwrap().iter() {
            sink.offer(offer.clone());
        }
        if self.is_broken.load(std::sync::atomic::Ordering::SeqCst) {
            return Err(SourceError("the shelf broke".into()));
        }
        Ok(())
    }
    fn roots(&self) -> Vec<PathBuf> {
        vec!["/media".into(), "/media/deep".into()]
    }
}

fn shared(catalogue: &Catalogue, ids: &Ids, season: Option<u32>) -> Vec<String> {
    let mut found = Vec::new();
    catalogue
        .shared(ids, season, None, &mut |release| {
            found.push(release.id.clone());
            Ok(())
        })
        .unwrap();
    found
}

#[test]
fn what_we_share_is_listed_found_and_marked() {
    let home = Home::new();
    let offer = |release: Release, path: &str| Offer {
        release,
        path: path.into(),
    };
    let mut offers: Vec<Offer> = (0..250)
        .map(|n| {
            let id = format!("shelf:movie:{n}");
            offer(
                movie(&id, &format!("Movie {n}"), n),
                &format!("/media/{n}.mkv"),
            )
        })
        .collect();
    offers.push(offer(
        episode("shelf:episode:1", "Show.S01E01", 5, 1, 1),
        "/media/deep/e.mkv",
    ));
    offers.push(offer(
        episode("shelf:episode:2", "Show.S02E01", 5, 2, 1),
        "/elsewhere/e.mkv",
    ));
    offers.push(offer(
        Release {
            size: 0,
            ..movie("shelf:movie:empty", "Empty", 1)
        },
        "/media/x",
    ));
    let shelf = Arc::new(Shelf {
        offers: Mutex::new(offers),
        is_broken: false.into(),
    });
    let open = |store: Arc<Store>| {
        let sources: Vec<Arc<dyn Source>> = vec![Arc::clone(&shelf) as Arc<dyn Source>];
        Catalogue::open(store, sources, peers(&[]), &sharing()).unwrap()
    };
    let catalogue = open(Arc::clone(&home.store));
    let empty_mark = catalogue.shared_mark().unwrap();
    catalogue.refresh_due();
    assert_eq!(shared(&catalogue, &Ids::default(), None).len(), 252);
    let tvdb = Ids {
        tvdb: Some(5),
        ..Ids::default()
    };
    assert_eq!(
        shared(&catalogue, &tvdb, None),
        ["shelf:episode:1", "shelf:episode:2"]
    );
    assert_eq!(shared(&catalogue, &tvdb, Some(2)), ["shelf:episode:2"]);
    let none = Ids {
        imdb: Some(u64::MAX),
        ..Ids::default()
    };
    assert!(shared(&catalogue, &none, None).is_empty());
    let found = catalogue.shared_item("shelf:movie:7").unwrap().unwrap();
    assert_eq!(found, shelf.offers.lock().unwrap()[7]);
    assert_eq!(catalogue.shared_item("shelf:movie:empty").unwrap(), None);
    let path = |id: &str| catalogue.shared_path(id).unwrap().map(|f| (f.path, f.root));
    assert_eq!(
        path("shelf:episode:1"),
        Some(("/media/deep/e.mkv".into(), Some("/media/deep".into())))
    );
    assert_eq!(path("shelf:episode:2"), None);
    assert_eq!(path("other"), None);

    // An error of the reader ends the list.
    let mut given = 0;
    let result = catalogue.shared(&Ids::default(), None, None, &mut |_| {
        given += 1;
        if given == 3 {
            Err(std::io::Error::other("gone"))
        } else {
            Ok(())
        }
    });
    assert!(result.is_err());
    assert_eq!(given, 3);

    let mark = catalogue.shared_mark().unwrap();
    assert_ne!(mark, empty_mark);
    let again = open(Arc::clone(&home.store));
    assert_eq!(again.shared_mark().unwrap(), mark);
    again.refresh_due();
    assert_eq!(again.shared_mark().unwrap(), mark);
    let taken = shelf.offers.lock().unwrap().remove(0);
    shelf
        .is_broken
        .store(true, std::sync::atomic::Ordering::SeqCst);
    let third = open(Arc::clone(&home.store));
    third.refresh_due();
    assert_eq!(third.shared_mark().unwrap(), mark);
    assert_eq!(
        third.origin_states().unwrap()[0].error.as_deref(),
        Some("the shelf broke")
    );
    shelf
        .is_broken
        .store(false, std::sync::atomic::Ordering::SeqCst);
    let fourth = open(Arc::clone(&home.store));
    fourth.refresh_due();
    assert_ne!(fourth.shared_mark().unwrap(), mark);
    assert_eq!(fourth.origin_states().unwrap()[0].releases, 251);
    shelf.offers.lock().unwrap().push(taken);
    let fifth = open(Arc::clone(&home.store));
    fifth.refresh_due();
    assert_eq!(fifth.shared_mark().unwrap(), mark);

    // Without the source nothing of it is given.
    let without = Catalogue::open(Arc::clone(&home.store), vec![], peers(&[]), &sharing()).unwrap();
    assert!(shared(&without, &Ids::default(), None).is_empty());
    assert_eq!(without.shared_item("shelf:movie:7").unwrap(), None);
}
