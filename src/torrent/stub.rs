//! The stub: a torrent that carries no pieces but names a release of a peer.

use std::fmt;

/// Piece length of every stub: 16 MiB.
pub const PIECE_LENGTH: u64 = 16 * 1024 * 1024;

/// SHA-1 of the bencoded `info`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Infohash(pub [u8; 20]);

impl Infohash {
    /// Reads 40 hex digits of either case.
    pub fn parse(text: &str) -> Option<Infohash> {
        let bytes = text.as_bytes();
        if bytes.len() != 40 {
            return None;
        }
        let mut out = [0u8; 20];
        for (index, byte) in out.iter_mut().enumerate() {
            let high = (bytes[index * 2] as char).to_digit(16)?;
            let low = (bytes[index * 2 + 1] as char).to_digit(16)?;
            *byte = (high * 16 + low) as u8;
        }
        Some(Infohash(out))
    }
}

impl fmt::Display for Infohash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&crate::secret::hex(&self.0))
    }
}

impl fmt::Debug for Infohash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What a stub says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stub {
    /// Release title: `info.name`.
    pub title: String,
    /// `info.length`, bytes, never 0.
    pub size: u64,
    /// 0 = exactly peer.md's `info`; else one more key in `info`.
    pub generation: u32,
    /// Whom to fetch from: 8 hex digits, private to this instance.
    pub peer_id: String,
    /// The friend's id of the release; may contain `:`.
    pub item_id: String,
}

/// Why an uploaded torrent is not one of our stubs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StubError {
    /// Not a torrent at all.
    NotATorrent(String),
    /// A torrent, but none of ours.
    Foreign,
}

impl fmt::Display for StubError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StubError::NotATorrent(why) => write!(f, "not a valid torrent file: {why}"),
            StubError::Foreign => f.write_str(
                "this torrent was not made by jackdaw: jackdaw downloads from friends only",
            ),
        }
    }
}

impl Stub {
    /// The whole `.torrent`.
    pub fn to_bytes(&self) -> Vec<u8> {
        todo!()
    }

    /// The infohash of [`Stub::to_bytes`].
    pub fn infohash(&self) -> Infohash {
        todo!()
    }

    /// Reads an uploaded torrent; also gives the infohash of the `info` bytes as they stand in it.
    pub fn parse(_torrent: &[u8]) -> Result<(Stub, Infohash), StubError> {
        todo!()
    }
}

/// Infohash of generation 0: names (title, size), and is the guid of the release's feed item.
pub fn base_hash(_title: &str, _size: u64) -> Infohash {
    todo!()
}
