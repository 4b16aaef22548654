//! What is shared: one file under a release name, as friends, the catalogue and Torznab see it.
//!
//! The type of the peer protocol's `Release` object, without its JSON form (`peer::wire`).
//! Sizes are `u64` bytes. The absolute path of a file is never part of a release.

pub mod categories;
pub mod facts;
pub mod hints;
pub mod spellings;

use std::fmt;

pub use categories::categories;

/// Movies or TV: the two main newznab categories that a release can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Category {
    /// newznab 2000
    Movies,
    /// newznab 5000
    Tv,
}

impl Category {
    /// The newznab number, which is also the number on the peer wire.
    pub fn number(self) -> u32 {
        match self {
            Category::Movies => 2000,
            Category::Tv => 5000,
        }
    }

    /// The category of a number on the wire; anything but 2000 and 5000 is `None`.
    pub fn from_number(number: u64) -> Option<Category> {
        match number {
            2000 => Some(Category::Movies),
            5000 => Some(Category::Tv),
            _ => None,
        }
    }
}

impl fmt::Display for Category {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Category::Movies => "movies",
            Category::Tv => "tv",
        })
    }
}

/// `quality` of a release, as Radarr and Sonarr describe it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Quality {
    /// For example `WEBDL-1080p`.
    pub name: Option<String>,
    /// For example `webdl`, `bluray`, `tv`, `dvd`.
    pub source: Option<String>,
    /// Lines: 480, 720, 1080, 2160.
    pub resolution: Option<u32>,
}

/// One file that somebody offers.
#[derive(Clone, Debug, PartialEq)]
pub struct Release {
    /// Opaque to everybody but the server that offers it; ours are `CONNECTOR:KIND:ENTITY`.
    pub id: String,
    /// Release name without extension.
    pub title: String,
    /// Base name with extension: the name of the finished file.
    pub filename: String,
    /// Movies or TV.
    pub category: Category,
    /// Bytes.
    pub size: u64,
    /// With the `tt` prefix, as the arr stores it.
    pub imdb_id: Option<String>,
    /// TMDb number.
    pub tmdb_id: Option<u64>,
    /// TheTVDB number (of the series).
    pub tvdb_id: Option<u64>,
    /// Source and resolution, where known.
    pub quality: Option<Quality>,
    /// English language names; empty when unknown.
    pub languages: Vec<String>,
    /// Release group.
    pub release_group: Option<String>,
    /// Edition, for example `Director's Cut`.
    pub edition: Option<String>,
    /// The arr's media info object as JSON text, passed through unchanged.
    pub media_info: Option<String>,
    /// Name of the series an episode belongs to.
    pub series_title: Option<String>,
    /// Season number; 0 is specials.
    pub season: Option<u32>,
    /// Episode number in the season.
    pub episode: Option<u32>,
    /// ISO 8601: when the file was added.
    pub publish_date: Option<String>,
    /// `YYYY-MM-DD` for daily shows; only jackdaw sends it.
    pub air_date: Option<String>,
}

/// Ids that a search names; several are alternatives (one match is enough).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ids {
    /// TMDb.
    pub tmdb: Option<u64>,
    /// IMDb as a number (`tt0133093` and `133093` are the same).
    pub imdb: Option<u64>,
    /// TheTVDB.
    pub tvdb: Option<u64>,
}

impl Ids {
    /// True when no id is named.
    pub fn is_empty(&self) -> bool {
        self.tmdb.is_none() && self.imdb.is_none() && self.tvdb.is_none()
    }
}

/// Reads an IMDb id with or without `tt` and leading zeros as a number.
pub fn imdb_number(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text
        .strip_prefix("tt")
        .or_else(|| text.strip_prefix("TT"))
        .unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    digits.parse().ok()
}
