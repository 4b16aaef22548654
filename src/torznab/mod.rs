//! The Torznab indexer: caps, searches, the feed, stubs.
//!
//! [`query`] turns parameters into a search, [`caps`], [`feed`] and [`errors`] turn values into the
//! bytes that Sonarr and Radarr read; all of them are pure. [`routes`] is the edge: it knows the
//! keys, asks the catalogue and the store, and answers. What the arrs do with each element is said
//! where it is written; the golden files in `tests/golden/torznab` hold the bytes.

pub mod caps;
pub mod errors;
pub mod feed;
pub mod query;
pub mod routes;
pub mod words;

pub use errors::TorznabError;
