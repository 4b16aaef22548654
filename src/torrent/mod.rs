//! Torrents: bencode, and the stub that stands for a release.

pub mod bencode;
pub mod stub;
