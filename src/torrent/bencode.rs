//! Bencode: reader and writer (BEP 3).
//!
//! [`read`] turns bytes into a tree of [`Node`]s that borrow from them; each node knows the exact
//! bytes that it was read from, because an infohash is taken over the `info` bytes as they stand,
//! never over a re-encoding. The reader keeps its own stack (hostile nesting cannot exhaust the
//! thread's), and is bounded in depth and in the number of nodes; its caller bounds the size.
//!
//! What is refused and what is not follows MonoTorrent 2.0.7 and 3.0.2, the parsers inside Sonarr
//! and Radarr, so that we never refuse what the arr has just accepted: a key that occurs twice is
//! an error, keys out of order are not, and bytes after the first value are left to the caller.
//! Numbers are stricter than there: no `+`, no `-0`, no leading zero, 64 bits.
//!
//! The writer is a handful of functions over a [`Sink`]: a buffer, or a SHA-1 that hashes a
//! torrent without building it.

use std::fmt;

/// Nesting of lists and dictionaries. A real torrent needs 4 (root, info, files, entry).
pub const MAX_DEPTH: usize = 16;

/// Values in one document, dictionary keys not counted. One of our stubs has 7; a foreign torrent of some
/// thousand files is read far enough to be named foreign. Bounds memory to about 2 MiB.
pub const MAX_NODES: usize = 32 * 1024;

/// A value and the bytes it was read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node<'a> {
    /// The encoded value, exactly as it stands in the input.
    pub raw: &'a [u8],
    /// What it says.
    pub value: Value<'a>,
}

/// A bencoded value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    /// `i…e`
    Integer(i64),
    /// `N:…`
    Bytes(&'a [u8]),
    /// `l…e`
    List(Vec<Node<'a>>),
    /// `d…e`, in the order of the input; keys are unique.
    Dict(Vec<(&'a [u8], Node<'a>)>),
}

impl<'a> Node<'a> {
    /// The value under a dictionary's key; `None` also when this is no dictionary.
    pub fn get(&self, key: &str) -> Option<&Node<'a>> {
        match &self.value {
            Value::Dict(entries) => entries
                .iter()
                .find(|(found, _)| *found == key.as_bytes())
                .map(|(_, node)| node),
            _ => None,
        }
    }

    /// The integer, if it is one.
    pub fn integer(&self) -> Option<i64> {
        match self.value {
            Value::Integer(value) => Some(value),
            _ => None,
        }
    }

    /// The byte string, if it is one.
    pub fn bytes(&self) -> Option<&'a [u8]> {
        match self.value {
            Value::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// True for a dictionary.
    pub fn is_dict(&self) -> bool {
        matches!(self.value, Value::Dict(_))
    }
}

/// Why bytes are not bencode, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// Offset in the input.
    pub at: usize,
    /// What is wrong there.
    pub what: &'static str,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at byte {}", self.what, self.at)
    }
}

impl std::error::Error for Error {}

/// A list or dictionary that is still open.
struct Frame<'a> {
    start: usize,
    kind: Open<'a>,
}

enum Open<'a> {
    List(Vec<Node<'a>>),
    Dict {
        entries: Vec<(&'a [u8], Node<'a>)>,
        /// A key that waits for its value.
        key: Option<&'a [u8]>,
    },
}

/// Reads the value at the start of `input`. Bytes after it are not looked at: compare the node's
/// `raw.len()` with the input's where they matter.
pub fn read(input: &[u8]) -> Result<Node<'_>, Error> {
    let mut cursor = Cursor { input, at: 0 };
    let mut stack: Vec<Frame<'_>> = Vec::new();
    let mut nodes = 0;
    loop {
        let start = cursor.at;
        let error = |what| Error { at: start, what };
        let byte = cursor.peek()?;
        // Inside a dictionary every other thing is a key, and only a key may be followed by a value.
        if let Some(Frame {
            kind: Open::Dict { key, .. },
            ..
        }) = stack.last_mut()
        {
            match (byte, &key) {
                (b'e', Some(_)) => return Err(error("a key without a value")),
                (b'e', None) => {}
                (_, Some(_)) => {}
                (b'0'..=b'9', None) => {
                    *key = Some(cursor.string()?);
                    continue;
                }
                (_, None) => return Err(error("a dictionary key that is no string")),
            }
        }
        let value = match byte {
            b'i' => Value::Integer(cursor.integer()?),
            b'0'..=b'9' => Value::Bytes(cursor.string()?),
            b'l' | b'd' => {
                if stack.len() == MAX_DEPTH {
                    return Err(error("nesting too deep"));
                }
                nodes += 1;
                cursor.at += 1;
                let kind = if byte == b'l' {
                    Open::List(Vec::new())
                } else {
                    Open::Dict {
                        entries: Vec::new(),
                        key: None,
                    }
                };
                if nodes > MAX_NODES {
                    return Err(error("too many values"));
                }
                stack.push(Frame { start, kind });
                continue;
            }
            b'e' => {
                let Some(frame) = stack.pop() else {
                    return Err(error("an end without a beginning"));
                };
                cursor.at += 1;
                let value = match frame.kind {
                    Open::List(items) => Value::List(items),
                    Open::Dict { entries, .. } => {
                        if has_duplicate_key(&entries) {
                            return Err(Error {
                                at: frame.start,
                                what: "a dictionary with the same key twice",
                            });
                        }
                        Value::Dict(entries)
                    }
                };
                let node = Node {
                    raw: &input[frame.start..cursor.at],
                    value,
                };
                match attach(&mut stack, node) {
                    Some(root) => return Ok(root),
                    None => continue,
                }
            }
            _ => return Err(error("not a bencoded value")),
        };
        nodes += 1;
        if nodes > MAX_NODES {
            return Err(error("too many values"));
        }
        let node = Node {
            raw: &input[start..cursor.at],
            value,
        };
        if let Some(root) = attach(&mut stack, node) {
            return Ok(root);
        }
    }
}

/// Puts a finished node where it belongs; gives it back when it is the root.
fn attach<'a>(stack: &mut [Frame<'a>], node: Node<'a>) -> Option<Node<'a>> {
    match stack.last_mut().map(|frame| &mut frame.kind) {
        None => return Some(node),
        Some(Open::List(items)) => items.push(node),
        Some(Open::Dict { entries, key }) => {
            // `read` has put a key there before it read any value.
            if let Some(key) = key.take() {
                entries.push((key, node));
            }
        }
    }
    None
}

fn has_duplicate_key(entries: &[(&[u8], Node<'_>)]) -> bool {
    if entries.is_sorted_by(|a, b| a.0 < b.0) {
        return false;
    }
    let mut keys: Vec<&[u8]> = entries.iter().map(|(key, _)| *key).collect();
    keys.sort_unstable();
    keys.windows(2).any(|pair| pair[0] == pair[1])
}

struct Cursor<'a> {
    input: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    fn peek(&self) -> Result<u8, Error> {
        self.input
            .get(self.at)
            .copied()
            .ok_or_else(|| self.error("the end of the data"))
    }

    fn error(&self, what: &'static str) -> Error {
        Error { at: self.at, what }
    }

    /// Decimal digits up to `end`, which is consumed. A leading zero stands alone.
    fn digits(&mut self, end: u8) -> Result<u64, Error> {
        let start = self.at;
        let mut value: u64 = 0;
        loop {
            let byte = self.peek()?;
            if byte == end && self.at > start {
                self.at += 1;
                return Ok(value);
            }
            if !byte.is_ascii_digit() {
                return Err(self.error("a malformed number"));
            }
            if self.at > start && self.input[start] == b'0' {
                return Err(self.error("a number with a leading zero"));
            }
            value = value
                .checked_mul(10)
                .and_then(|value| value.checked_add(u64::from(byte - b'0')))
                .ok_or_else(|| self.error("a number too large"))?;
            self.at += 1;
        }
    }

    fn integer(&mut self) -> Result<i64, Error> {
        self.at += 1;
        let is_negative = self.peek()? == b'-';
        if is_negative {
            self.at += 1;
        }
        let start = self.at;
        let magnitude = self.digits(b'e')?;
        let value = match (is_negative, magnitude) {
            (true, 0) => None,
            (true, magnitude) => 0i64.checked_sub_unsigned(magnitude),
            (false, magnitude) => i64::try_from(magnitude).ok(),
        };
        value.ok_or(Error {
            at: start,
            what: "a number too large, or minus zero",
        })
    }

    fn string(&mut self) -> Result<&'a [u8], Error> {
        let length = self.digits(b':')?;
        let rest = &self.input[self.at..];
        let length = usize::try_from(length)
            .ok()
            .filter(|length| *length <= rest.len())
            .ok_or_else(|| self.error("a string longer than the data"))?;
        self.at += length;
        Ok(&rest[..length])
    }
}

/// Where encoded bytes go.
pub trait Sink {
    /// Takes the next bytes.
    fn put(&mut self, bytes: &[u8]);
}

impl Sink for Vec<u8> {
    fn put(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}

impl Sink for sha1_smol::Sha1 {
    fn put(&mut self, bytes: &[u8]) {
        self.update(bytes);
    }
}

/// Writes an integer.
pub fn write_integer(sink: &mut impl Sink, value: u64) {
    sink.put(format!("i{value}e").as_bytes());
}

/// Writes a byte string; also how a dictionary's key is written.
pub fn write_bytes(sink: &mut impl Sink, bytes: &[u8]) {
    write_length(sink, bytes.len() as u64);
    sink.put(bytes);
}

/// Writes the head of a byte string whose bytes the caller puts itself: exactly `length` of them.
pub fn write_length(sink: &mut impl Sink, length: u64) {
    sink.put(format!("{length}:").as_bytes());
}

/// Begins a dictionary. Its keys must follow in bytewise order, each before its value.
pub fn begin_dict(sink: &mut impl Sink) {
    sink.put(b"d");
}

/// Ends the innermost dictionary.
pub fn end(sink: &mut impl Sink) {
    sink.put(b"e");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(input: impl AsRef<[u8]>, expected: Value<'_>) {
        let input = input.as_ref();
        let node = read(input).unwrap();
        assert_eq!(node.value, expected);
        assert_eq!(node.raw, input);
    }

    #[track_caller]
    fn refused(input: impl AsRef<[u8]>, what: &str) {
        let input = input.as_ref();
        let error = read(input).unwrap_err();
        let shown = String::from_utf8_lossy(input);
        assert!(error.to_string().contains(what), "{shown}: {error}");
    }

    fn string(raw: &str) -> Node<'_> {
        let bytes = raw.split_once(':').unwrap().1.as_bytes();
        Node {
            raw: raw.as_bytes(),
            value: Value::Bytes(bytes),
        }
    }

    #[test]
    fn values_are_read() {
        // The examples of BEP 3, and the ends of the number range.
        check("4:spam", Value::Bytes(b"spam"));
        check("0:", Value::Bytes(b""));
        check("i3e", Value::Integer(3));
        check("i-3e", Value::Integer(-3));
        check("i0e", Value::Integer(0));
        check("i9223372036854775807e", Value::Integer(i64::MAX));
        check("i-9223372036854775808e", Value::Integer(i64::MIN));
        check("le", Value::List(vec![]));
        check("de", Value::Dict(vec![]));
        check(
            "l4:spam4:eggse",
            Value::List(vec![string("4:spam"), string("4:eggs")]),
        );
        check(
            "d3:cow3:moo4:spam4:eggse",
            Value::Dict(vec![(b"cow", string("3:moo")), (b"spam", string("4:eggs"))]),
        );
    }

    #[test]
    fn raw_bytes_are_those_of_the_input() {
        let root = read(b"d1:bd1:zi1e1:ai2ee1:a0:etail").unwrap();
        assert_eq!(root.raw, b"d1:bd1:zi1e1:ai2ee1:a0:e");
        let inner = root.get("b").unwrap();
        assert_eq!(inner.raw, b"d1:zi1e1:ai2ee");
        assert_eq!(inner.get("a").unwrap().integer(), Some(2));
        assert_eq!(root.get("a").unwrap().bytes(), Some(&b""[..]));
        assert!(root.get("c").is_none() && inner.is_dict());
        assert!(root.get("a").unwrap().get("x").is_none());
    }

    #[test]
    fn malformed_input_is_refused() {
        for (input, what) in [
            ("", "end of the data"),
            ("x", "not a bencoded value"),
            ("e", "end without a beginning"),
            ("i", "end of the data"),
            ("ie", "malformed number"),
            ("i-e", "malformed number"),
            ("i-0e", "minus zero"),
            ("i03e", "leading zero"),
            ("i-03e", "leading zero"),
            ("i+3e", "malformed number"),
            ("i 3e", "malformed number"),
            ("i3", "end of the data"),
            ("i9223372036854775808e", "too large"),
            ("i-9223372036854775809e", "too large"),
            ("i99999999999999999999e", "too large"),
            ("4:spa", "longer than the data"),
            ("18446744073709551615:a", "longer than the data"),
            ("18446744073709551616:a", "too large"),
            ("04:spam", "leading zero"),
            ("4spam", "malformed number"),
            ("l", "end of the data"),
            ("l4:spam", "end of the data"),
            ("di1e0:e", "key that is no string"),
            ("d1:ae", "key without a value"),
            ("d1:a", "end of the data"),
            ("d1:ai1e1:ai2ee", "same key twice"),
            ("d1:ai1e1:bi1e1:ai2ee", "same key twice"),
        ] {
            refused(input, what);
        }
    }

    #[test]
    fn depth_and_number_of_values_are_bounded() {
        let nested = |depth: usize| "l".repeat(depth) + &"e".repeat(depth);
        assert!(read(nested(MAX_DEPTH).as_bytes()).is_ok());
        refused(nested(MAX_DEPTH + 1), "nesting too deep");
        // A megabyte of openings must not get anywhere near a stack overflow.
        refused("d1:a".repeat(250_000), "nesting too deep");

        let long = |count: usize| format!("l{}e", "0:".repeat(count));
        // The list itself is a value too.
        assert!(read(long(MAX_NODES - 1).as_bytes()).is_ok());
        refused(long(MAX_NODES), "too many values");
    }

    #[test]
    fn empty_containers_count_as_values() {
        refused(format!("l{}e", "le".repeat(MAX_NODES)), "too many values");
    }

    /// Random and truncated input may only give an error, and what is accepted lies in the input.
    #[test]
    fn hostile_input_never_panics() {
        let alphabet = b"ilde0123456789:-a";
        let mut seed = 0x9E37_79B9_7F4A_7C15u64;
        let mut next = move || {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            seed
        };
        let mut accepted = 0;
        for round in 0..60_000 {
            let length = next() % 24;
            let input: Vec<u8> = (0..length)
                .map(|_| match round % 8 {
                    0 => next() as u8,
                    _ => alphabet[(next() % alphabet.len() as u64) as usize],
                })
                .collect();
            if let Ok(node) = read(&input) {
                assert!(input.starts_with(node.raw));
                accepted += 1;
            }
        }
        assert!(accepted > 100, "the loop must also reach the happy path");

        let whole = b"d8:announce3:url4:infod6:lengthi5e4:name1:aee";
        for end in 0..whole.len() {
            assert!(read(&whole[..end]).is_err(), "{end}");
        }
    }
}
