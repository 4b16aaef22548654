//! Grabs for the tests of this face.

use super::*;
use crate::torrent::stub::{Infohash, Stub};

/// A queued grab; `seed` makes its hash.
pub fn grab(seed: u8) -> Grab {
    let title = "Example.Movie.2020.1080p-GRP";
    let stub = Stub {
        title: title.into(),
        size: 3_000_000,
        generation: 0,
        peer_id: "0a1b2c3d".into(),
        item_id: "1:movie:7".into(),
    };
    let hash = Infohash([seed; 20]);
    Grab {
        id: i64::from(seed),
        base_hash: hash,
        position: i64::from(seed),
        category: "radarr".into(),
        last_activity: 1_000,
        ..Grab::of_stub("Main Radarr", hash, stub, title.into(), 1_000)
    }
}

pub fn settings(after_import: AfterImport) -> Settings {
    Settings {
        root: "/data/completed".into(),
        separator: '/',
        after_import,
    }
}
