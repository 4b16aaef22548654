//! The stub: a torrent that carries no pieces but names a release of a peer.
//!
//! `info` is `{length, name, piece length, pieces}` with 20 zero bytes for each 16 MiB, and
//! `comment` is `jack:PEER_ID:ITEM_ID`. The arr computes the infohash from the file that it is given
//! and knows its download by it from then on, so [`Stub::parse`] hashes the `info` bytes as they stand.
//! The first stub of a release (generation 0) has exactly this `info`, so its hash names
//! (title, size). An arr that meets an old hash again believes that it has already imported it; so
//! later stubs carry the key [`GENERATION_KEY`] in `info` too.
//!
//! Root keys are in order (`comment` before `info`) and there is a hash for every piece:
//! MonoTorrent 3.0.2, inside Radarr 6 and Sonarr 5, refuses a torrent otherwise, and one of
//! length 0 as well. Sizes above [`MAX_SIZE`] have no stub. Nothing here reads a clock or a disk.

use std::fmt;

use sha1_smol::Sha1;

use super::bencode::{self, Node, Sink};

/// Piece length of every stub: 16 MiB.
pub const PIECE_LENGTH: u64 = 16 * 1024 * 1024;

/// Largest release that has a stub: 1 TiB, far above any media file. It bounds what a friend's
/// lie about a size can cost: a stub has 20 bytes for each 16 MiB, so this one has 1.25 MiB.
pub const MAX_SIZE: u64 = 1 << 40;

/// Longest torrent that [`Stub::parse`] reads: the pieces of [`MAX_SIZE`], and 64 KiB for title,
/// comment and keys.
pub const MAX_STUB_BYTES: usize = (MAX_SIZE / PIECE_LENGTH) as usize * HASH_LENGTH + 64 * 1024;

/// The key in `info` that tells later stubs of a release from the first. It sorts after `pieces`.
pub const GENERATION_KEY: &str = "x-jackdaw-generation";

/// Bytes of a SHA-1.
const HASH_LENGTH: usize = 20;

/// Pieces whose zeros are written at once.
const PIECES_AT_ONCE: u64 = 256;

/// True when a release of this size (bytes) can be handed to an arr: above 0, at most
/// [`MAX_SIZE`]. What is not offerable must be left out of catalogue and feed.
pub fn is_offerable(size: u64) -> bool {
    (1..=MAX_SIZE).contains(&size)
}

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
    ///
    /// Bounded for any size, but an arr accepts it only if [`is_offerable`] says so of the size.
    pub fn to_bytes(&self) -> Vec<u8> {
        let pieces = piece_count(self.size) as usize * HASH_LENGTH;
        let mut out = Vec::with_capacity(pieces + self.title.len() + self.item_id.len() + 256);
        bencode::begin_dict(&mut out);
        bencode::write_bytes(&mut out, b"comment");
        let comment = format!("{COMMENT_PREFIX}{}:{}", self.peer_id, self.item_id);
        bencode::write_bytes(&mut out, comment.as_bytes());
        bencode::write_bytes(&mut out, b"info");
        write_info(&mut out, &self.title, self.size, self.generation);
        bencode::end(&mut out);
        out
    }

    /// The infohash of [`Stub::to_bytes`].
    pub fn infohash(&self) -> Infohash {
        infohash(&self.title, self.size, self.generation)
    }

    /// Reads an uploaded torrent; also gives the infohash of the `info` bytes as they stand in it.
    ///
    /// Tolerates what MonoTorrent tolerates (keys out of order, unknown keys, bytes after the
    /// root), because the arr has computed its hash already and waits for just that download.
    /// The peer id is given in lower case.
    pub fn parse(torrent: &[u8]) -> Result<(Stub, Infohash), StubError> {
        let invalid = |why: String| StubError::NotATorrent(why);
        if torrent.len() > MAX_STUB_BYTES {
            return Err(invalid(format!("longer than {MAX_STUB_BYTES} bytes")));
        }
        let root = bencode::read(torrent).map_err(|error| invalid(error.to_string()))?;
        let Some(info) = root.get("info").filter(|info| info.is_dict()) else {
            return Err(invalid("it has no info dictionary".into()));
        };
        let (peer_id, item_id) = root
            .get("comment")
            .and_then(Node::bytes)
            .and_then(parse_comment)
            .ok_or(StubError::Foreign)?;

        // From here on it claims to be ours; what does not fit was changed on its way.
        let title = info
            .get("name")
            .and_then(Node::bytes)
            .and_then(|name| std::str::from_utf8(name).ok())
            .filter(|name| !name.is_empty())
            .ok_or_else(|| invalid("info.name is missing or not UTF-8".into()))?;
        let size = info
            .get("length")
            .and_then(Node::integer)
            .and_then(|length| u64::try_from(length).ok())
            .filter(|length| is_offerable(*length))
            .ok_or_else(|| invalid(format!("info.length is missing or not in 1..={MAX_SIZE}")))?;
        if info.get("piece length").and_then(Node::integer) != Some(PIECE_LENGTH as i64) {
            return Err(StubError::Foreign);
        }
        let pieces = info
            .get("pieces")
            .and_then(Node::bytes)
            .ok_or_else(|| invalid("info.pieces is missing".into()))?;
        if pieces.len() as u64 != piece_count(size) * HASH_LENGTH as u64 {
            return Err(invalid(format!(
                "info.pieces has {} bytes, a length of {size} needs {}",
                pieces.len(),
                piece_count(size) * HASH_LENGTH as u64
            )));
        }
        if pieces.iter().any(|byte| *byte != 0) {
            return Err(StubError::Foreign);
        }
        let generation = match info.get(GENERATION_KEY) {
            None => 0,
            Some(node) => node
                .integer()
                .and_then(|number| u32::try_from(number).ok())
                .filter(|number| *number > 0)
                .ok_or_else(|| invalid(format!("info.{GENERATION_KEY} is no positive number")))?,
        };
        let stub = Stub {
            title: title.to_owned(),
            size,
            generation,
            peer_id,
            item_id,
        };
        Ok((stub, Infohash(Sha1::from(info.raw).digest().bytes())))
    }
}

/// Infohash of generation 0: names (title, size), and is the guid of the release's feed item.
pub fn base_hash(title: &str, size: u64) -> Infohash {
    infohash(title, size, 0)
}

/// Infohash of the stub of this generation; peer and item are no part of it. Hashes without
/// building the stub.
pub fn infohash(title: &str, size: u64, generation: u32) -> Infohash {
    let mut hash = Sha1::new();
    write_info(&mut hash, title, size, generation);
    Infohash(hash.digest().bytes())
}

const COMMENT_PREFIX: &str = "jack:";

/// `jack:PEER_ID:ITEM_ID`, PEER_ID being 8 hex digits and ITEM_ID anything.
fn parse_comment(comment: &[u8]) -> Option<(String, String)> {
    let comment = std::str::from_utf8(comment).ok()?;
    let (peer_id, item_id) = comment.strip_prefix(COMMENT_PREFIX)?.split_once(':')?;
    let is_peer_id = peer_id.len() == 8 && peer_id.bytes().all(|byte| byte.is_ascii_hexdigit());
    (is_peer_id && !item_id.is_empty()).then(|| (peer_id.to_ascii_lowercase(), item_id.to_owned()))
}

/// Pieces of a file. A size that is not offerable gets no more than the largest one that is: its
/// hash still depends on the size, through `length`, and costs no more to compute.
fn piece_count(size: u64) -> u64 {
    size.min(MAX_SIZE).div_ceil(PIECE_LENGTH)
}

fn write_info(sink: &mut impl Sink, title: &str, size: u64, generation: u32) {
    bencode::begin_dict(sink);
    bencode::write_bytes(sink, b"length");
    bencode::write_integer(sink, size);
    bencode::write_bytes(sink, b"name");
    bencode::write_bytes(sink, title.as_bytes());
    bencode::write_bytes(sink, b"piece length");
    bencode::write_integer(sink, PIECE_LENGTH);
    bencode::write_bytes(sink, b"pieces");
    let mut left = piece_count(size);
    bencode::write_length(sink, left * HASH_LENGTH as u64);
    let zeros = [0u8; PIECES_AT_ONCE as usize * HASH_LENGTH];
    while left > 0 {
        let now = left.min(PIECES_AT_ONCE);
        sink.put(&zeros[..now as usize * HASH_LENGTH]);
        left -= now;
    }
    if generation > 0 {
        bencode::write_bytes(sink, GENERATION_KEY.as_bytes());
        bencode::write_integer(sink, u64::from(generation));
    }
    bencode::end(sink);
}

#[cfg(test)]
mod tests {
    use super::*;

    const MATRIX: &str = "The.Matrix.1999.1080p.BluRay.x264-GROUP";

    fn stub(title: &str, size: u64, generation: u32) -> Stub {
        Stub {
            title: title.into(),
            size,
            generation,
            peer_id: "0a1b2c3d".into(),
            item_id: "radarr:movie:603".into(),
        }
    }

    /// Written out by hand from BEP 3 and the shape that jack's stub has.
    fn golden() -> Vec<u8> {
        let mut bytes = b"d7:comment30:jack:0a1b2c3d:radarr:movie:603\
            4:infod6:lengthi2e4:name1:a12:piece lengthi16777216e6:pieces20:"
            .to_vec();
        bytes.extend([0; 20]);
        bytes.extend(b"ee");
        bytes
    }

    #[test]
    fn bytes_are_golden() {
        assert_eq!(stub("a", 2, 0).to_bytes(), golden());

        let mut later = golden();
        later.truncate(later.len() - 2);
        later.extend(b"20:x-jackdaw-generationi7eee");
        assert_eq!(stub("a", 2, 7).to_bytes(), later);
    }

    /// Hashes computed by a bencoder of ten lines of Python and its hashlib, not by this program.
    #[test]
    fn infohashes_agree_with_another_implementation() {
        let check = |title: &str, size: u64, generation: u32, expected: &str| {
            let stub = stub(title, size, generation);
            assert_eq!(stub.infohash().to_string(), expected, "{title} {size}");
            let (parsed, hash) = Stub::parse(&stub.to_bytes()).unwrap();
            assert_eq!((parsed, hash), (stub.clone(), stub.infohash()));
        };
        check(MATRIX, 1, 0, "90894c6c37959d1d3dee7bc63dc0988e6ea63751");
        check(
            MATRIX,
            PIECE_LENGTH,
            0,
            "fc0637d869260f3d41f2cd6b032d9b9a923a0a55",
        );
        check(
            MATRIX,
            PIECE_LENGTH + 1,
            0,
            "98ca0675cbf37e34f3bfec024fab2636dabbb8a7",
        );
        check(
            MATRIX,
            8 << 30,
            0,
            "8f248addeff734bf616f18c2eabf998399573bda",
        );
        check(
            MATRIX,
            8 << 30,
            1,
            "110c40d6dbe3adb578225a037088a52ec0469f9b",
        );
        check(
            "Amélie 2001 🐦",
            3 * PIECE_LENGTH,
            0,
            "60196a1669b7b082793a46050cf9a30ef3457884",
        );
        check("a", 2, 0, "0700139122fbf25ffd9f4baac3b6cfc177ac9584");
        check("a", 2, 7, "add9b605bc134e00a0c652b1025f8a1e10c382d4");
        check(
            "xxxxx",
            MAX_SIZE,
            0,
            "32e76346c38d1371df3b5fe2b07fab94fd8a7a82",
        );
        assert_eq!(
            base_hash("a", 2).to_string(),
            "0700139122fbf25ffd9f4baac3b6cfc177ac9584"
        );
    }

    #[test]
    fn a_lie_about_the_size_costs_no_more_than_the_largest_stub() {
        assert!(is_offerable(1) && is_offerable(MAX_SIZE));
        for size in [0, MAX_SIZE + 1, u64::MAX] {
            assert!(!is_offerable(size));
            let bytes = stub("a", size, 0).to_bytes();
            assert!(bytes.len() < MAX_STUB_BYTES, "{size}");
            let error = Stub::parse(&bytes).unwrap_err().to_string();
            assert!(
                error.contains("too large") || error.contains("info.length"),
                "{error}"
            );
        }
        assert_ne!(base_hash("a", MAX_SIZE), base_hash("a", MAX_SIZE + 1));
        assert_eq!(
            Stub::parse(&vec![b'd'; MAX_STUB_BYTES + 1]),
            Err(StubError::NotATorrent(format!(
                "longer than {MAX_STUB_BYTES} bytes"
            )))
        );
    }

    fn edited(from: &str, to: &str) -> Result<(Stub, Infohash), StubError> {
        let golden = golden();
        let at = golden
            .windows(from.len())
            .position(|window| window == from.as_bytes())
            .unwrap();
        let edited = [&golden[..at], to.as_bytes(), &golden[at + from.len()..]].concat();
        Stub::parse(&edited)
    }

    #[test]
    fn what_monotorrent_tolerates_is_read() {
        let golden = golden();
        let expected = stub("a", 2, 0);
        let hash = expected.infohash();
        // Bytes after the root, a root out of order, further root keys: none of them in `info`.
        let root = &golden[..];
        let info = &golden[golden.len() - 79..golden.len() - 1];
        let comment = b"7:comment30:jack:0a1b2c3d:radarr:movie:603";
        for torrent in [
            [root, b"\n"].concat(),
            [b"d4:info", info, comment, b"e"].concat(),
            [b"d8:announce4:http", &golden[1..]].concat(),
        ] {
            let shown = String::from_utf8_lossy(&torrent).into_owned();
            assert_eq!(
                Stub::parse(&torrent),
                Ok((expected.clone(), hash)),
                "{shown}"
            );
        }
        // Unknown or unordered keys in `info` change the hash, not the stub.
        let (parsed, other) = edited("4:name1:a", "4:name1:a7:privatei1e").unwrap();
        assert_eq!(parsed, expected);
        assert_ne!(other, hash);
        let (parsed, _) = edited("0a1b2c3d", "0A1B2C3D").unwrap();
        assert_eq!(parsed.peer_id, "0a1b2c3d");
    }

    #[test]
    fn what_is_not_ours_is_told_from_what_is_broken() {
        let foreign = |from, to| {
            assert_eq!(edited(from, to), Err(StubError::Foreign), "{to}");
        };
        foreign("7:comment30:jack:0a1b2c3d:radarr:movie:603", "");
        foreign("30:jack:0a1b2c3d:radarr:movie:603", "i30e");
        foreign("jack:0a1b2c3d", "jill:0a1b2c3d");
        foreign("jack:0a1b2c3d", "jack:0a1b2c3g");
        foreign("30:jack:0a1b2c3d:radarr:movie:603", "14:jack:0a1b2c3d:");
        foreign("30:jack:0a1b2c3d:radarr:movie:603", "13:jack:0a1b2c3d");
        foreign("30:jack:0a1b2c3d:radarr:movie:603", "7:jack:\u{e9}");
        foreign("i16777216e", "i262144e");
        foreign("20:\0\0", "20:\0x");

        let broken = |from, to, why: &str| match edited(from, to) {
            Err(StubError::NotATorrent(found)) => assert!(found.contains(why), "{to}: {found}"),
            other => panic!("{to}: {other:?}"),
        };
        broken("4:infod", "4:inf0d", "no info dictionary");
        broken("4:name1:a", "4:name0:", "info.name");
        broken("4:name1:a", "", "info.name");
        broken("6:lengthi2e", "", "info.length");
        broken("i2e", "i0e", "info.length");
        broken("i2e", "i-2e", "info.length");
        broken("i2e", "i1099511627777e", "info.length");
        broken("i2e", "i16777217e", "needs 40");
        broken("20:\0", "19:", "needs 20");
        broken("i2e4:name", "i2e6:lengthi2e4:name", "same key twice");
        broken("1:a", "1:a20:x-jackdaw-generationi0e", "no positive number");
        broken("1:a", "1:a20:x-jackdaw-generation0:", "no positive number");
        broken("d7:comment", "7:comment", "no info dictionary");
        for torrent in [&b""[..], b"<html></html>", b"le"] {
            let result = Stub::parse(torrent);
            assert!(
                matches!(result, Err(StubError::NotATorrent(_))),
                "{result:?}"
            );
        }
    }

    #[test]
    fn a_title_that_is_no_utf8_is_refused() {
        let mut torrent = golden();
        let at = torrent
            .windows(3)
            .position(|window| window == b"1:a")
            .unwrap();
        torrent[at + 2] = 0xff;
        let error = Stub::parse(&torrent).unwrap_err();
        assert!(error.to_string().contains("info.name"), "{error}");
    }

    #[test]
    fn damaged_stubs_never_panic() {
        let golden = golden();
        for end in 0..golden.len() {
            assert!(Stub::parse(&golden[..end]).is_err(), "{end}");
        }
        // Every byte replaced by every value: what is still accepted has the hash of its own bytes.
        for at in 0..golden.len() {
            for byte in 0..=255 {
                let mut damaged = golden.clone();
                damaged[at] = byte;
                if let Ok((stub, hash)) = Stub::parse(&damaged) {
                    assert!(is_offerable(stub.size));
                    if at < 45 {
                        assert_eq!(hash, base_hash("a", 2), "only the comment differs");
                    }
                }
            }
        }
    }

    #[test]
    fn infohash_text_goes_both_ways() {
        let hash = base_hash("a", 2);
        assert_eq!(Infohash::parse(&hash.to_string()), Some(hash));
        assert_eq!(
            Infohash::parse(&hash.to_string().to_uppercase()),
            Some(hash)
        );
        for wrong in ["", "0", &"g".repeat(40), &"a".repeat(41), &"é".repeat(20)] {
            assert_eq!(Infohash::parse(wrong), None, "{wrong}");
        }
    }
}
