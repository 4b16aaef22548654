//! The Torznab indexer: caps, searches, the feed, stubs.
