//! What the tests of catalogue and store share: a database in a folder of its own, releases,
//! random numbers that are the same each time.

use std::path::PathBuf;
use std::sync::Arc;

use crate::release::{Category, Release};
use crate::secret::random_hex;
use crate::store::Store;

/// A database that is deleted at the end.
pub(crate) struct Home {
    pub(crate) dir: PathBuf,
    pub(crate) store: Arc<Store>,
}

impl Home {
    pub(crate) fn new() -> Home {
        let dir = std::env::temp_dir().join(format!("jackdaw-catalogue-{}", random_hex::<8>()));
        std::fs::create_dir_all(&dir).unwrap();
        let store = Arc::new(Store::open(&dir).unwrap());
        Home { dir, store }
    }

    /// The same database, as after a restart.
    pub(crate) fn reopen(&self, check: impl FnOnce(Arc<Store>)) {
        check(Arc::new(Store::open(&self.dir).unwrap()));
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

/// A movie of 1 GB.
pub(crate) fn movie(id: &str, title: &str, tmdb: u64) -> Release {
    Release {
        id: id.to_owned(),
        title: title.to_owned(),
        filename: format!("{title}.mkv"),
        category: Category::Movies,
        size: 1_000_000_000,
        imdb_id: None,
        tmdb_id: Some(tmdb),
        tvdb_id: None,
        quality: None,
        languages: Vec::new(),
        release_group: None,
        edition: None,
        media_info: None,
        series_title: None,
        season: None,
        episode: None,
        publish_date: None,
        air_date: None,
    }
}

/// An episode of 1 GB.
pub(crate) fn episode(id: &str, title: &str, tvdb: u64, season: u32, episode: u32) -> Release {
    Release {
        category: Category::Tv,
        tmdb_id: None,
        tvdb_id: Some(tvdb),
        series_title: Some("The Shów".into()),
        season: Some(season),
        episode: Some(episode),
        ..movie(id, title, 0)
    }
}

/// Xorshift: repeatable.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}
