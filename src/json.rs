//! JSON over miniserde: long arrays read item by item, objects read field by field, and writing.
//!
//! [`read_items`] finds one array in a stream (the top level, or under a key of the top-level
//! object), checks the grammar of every byte (RFC 8259), and hands each element's raw text on:
//! memory is one element, whatever the array's length. [`fields`] splits one object's text into
//! keys and raw values without building a tree: miniserde's own `Value` takes some 30 bytes for a
//! two-byte element, so a hostile megabyte would become sixteen. Nothing here recurses; depth,
//! element size and total size are bounded. Duplicate keys: the last one wins, as in miniserde and
//! JavaScript, except for the array that is looked for, where a second one is an error.

mod text;
mod write;

use std::fmt;
use std::io::{self, Read};

pub use text::{
    as_string, as_u64, elements, fields, get, get_array, get_bool, get_str, get_u64, parse,
};
pub use write::{Object, push_string};

/// Largest element of a list that is read, in bytes. A movie of Radarr with its media info,
/// alternative titles and images is 5 to 30 KiB; a release of a friend less.
pub const MAX_ITEM: usize = 1 << 20;

/// Deepest nesting. Sonarr and Radarr nest six levels; the limit is the width of the bit stack.
pub const MAX_DEPTH: u32 = 128;

/// Read buffer of [`read_items`]: a few TLS records' worth.
const BUFFER: usize = 16 * 1024;

/// First capacity of the element buffer.
const FIRST_ITEM: usize = 512;

/// Capacity that the element buffer may keep from one element to the next.
const KEPT_ITEM: usize = 64 * 1024;

/// Where [`read_items`] looks for the array.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place<'a> {
    /// The document is the array.
    TopLevel,
    /// The document is an object that has the array under this key, among others in any order.
    Key(&'a str),
}

/// What [`read_items`] did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Elements handed on.
    pub given: u64,
    /// Elements left out: longer than [`MAX_ITEM`], or not UTF-8.
    pub skipped: u64,
}

/// Why a document could not be read. `Display` says where and what was expected.
#[derive(Debug)]
pub enum JsonError {
    /// The stream failed.
    Io(io::Error),
    /// Not JSON, or not of the shape that was asked for; or the end came too early.
    Syntax {
        /// Byte offset in the document.
        offset: u64,
        /// What was expected there.
        expected: &'static str,
        /// The document ended there.
        at_end: bool,
    },
    /// The document is longer than the caller's limit.
    TooLong(u64),
    /// Nested deeper than [`MAX_DEPTH`].
    TooDeep(u64),
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            JsonError::Io(error) => write!(f, "{error}"),
            JsonError::Syntax {
                offset,
                expected,
                at_end: true,
            } => write!(
                f,
                "JSON ends early at byte {offset}, where {expected} was expected"
            ),
            JsonError::Syntax {
                offset, expected, ..
            } => write!(
                f,
                "not the JSON asked for: {expected} was expected at byte {offset}"
            ),
            JsonError::TooLong(limit) => write!(f, "JSON is longer than {limit} bytes"),
            JsonError::TooDeep(offset) => write!(
                f,
                "JSON is nested deeper than {MAX_DEPTH} levels at byte {offset}"
            ),
        }
    }
}

impl std::error::Error for JsonError {}

/// Reads the array at `place` of the document in `input`, to the end of the document, and gives
/// the raw text of each element to `each`. At most `limit` bytes are read in all. An element that
/// is too long or not UTF-8 is skipped and counted.
///
/// Errors: [`JsonError`], turned into the caller's own error type, which `each` may return too to
/// stop early. Elements given before an error were sound; the list is then incomplete.
pub fn read_items<R: Read, E: From<JsonError>>(
    input: R,
    place: Place<'_>,
    limit: u64,
    mut each: impl FnMut(&str) -> Result<(), E>,
) -> Result<Count, E> {
    let mut scanner = Scanner::new(input, limit);
    let mut count = Count::default();
    match place {
        Place::TopLevel => scanner.array(&mut count, &mut each)?,
        Place::Key(key) => scanner.object_with(key, &mut count, &mut each)?,
    }
    scanner.end()?;
    Ok(count)
}

/// Checks that `text` is exactly one JSON value, within [`MAX_DEPTH`].
pub fn check(text: &str) -> Result<(), JsonError> {
    let mut scanner = Scanner::new(text.as_bytes(), u64::MAX);
    scanner.value()?;
    scanner.end()
}

/// A pull reader over a stream that knows JSON's grammar.
struct Scanner<R> {
    input: R,
    buffer: Box<[u8]>,
    /// Unread bytes are `buffer[start..end]`.
    start: usize,
    end: usize,
    /// Offset of `buffer[start]` in the document.
    offset: u64,
    limit: u64,
    /// The element that is being kept, and whether one is.
    item: Vec<u8>,
    is_kept: bool,
    is_too_long: bool,
}

impl<R: Read> Scanner<R> {
    fn new(input: R, limit: u64) -> Scanner<R> {
        Scanner {
            input,
            buffer: vec![0; BUFFER].into_boxed_slice(),
            start: 0,
            end: 0,
            offset: 0,
            limit,
            item: Vec::new(),
            is_kept: false,
            is_too_long: false,
        }
    }

    /// The next byte without consuming it; `None` at the end of the document.
    fn peek(&mut self) -> Result<Option<u8>, JsonError> {
        if self.offset > self.limit {
            return Err(JsonError::TooLong(self.limit));
        }
        while self.start == self.end {
            // One byte more than the limit is asked for, so that a document of exactly the limit
            // is told from a longer one.
            let left = self.limit.saturating_add(1) - self.offset;
            let room = usize::try_from(left)
                .unwrap_or(BUFFER)
                .min(self.buffer.len());
            match self.input.read(&mut self.buffer[..room]) {
                Ok(0) => return Ok(None),
                Ok(read) => {
                    self.start = 0;
                    self.end = read;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(JsonError::Io(error)),
            }
        }
        if self.offset == self.limit {
            return Err(JsonError::TooLong(self.limit));
        }
        Ok(Some(self.buffer[self.start]))
    }

    /// Consumes `length` bytes that are in the buffer.
    fn consume(&mut self, length: usize) {
        if self.is_kept && !self.is_too_long {
            if self.item.len() + length > MAX_ITEM {
                self.is_too_long = true;
                self.item = Vec::new();
            } else {
                let bytes = &self.buffer[self.start..self.start + length];
                self.item.extend_from_slice(bytes);
            }
        }
        self.start += length;
        self.offset += length as u64;
    }

    fn unexpected<T>(&mut self, expected: &'static str) -> Result<T, JsonError> {
        let at_end = self.peek()?.is_none();
        Err(JsonError::Syntax {
            offset: self.offset,
            expected,
            at_end,
        })
    }

    /// Consumes exactly this byte.
    fn expect(&mut self, byte: u8, expected: &'static str) -> Result<(), JsonError> {
        if self.peek()? == Some(byte) {
            self.consume(1);
            Ok(())
        } else {
            self.unexpected(expected)
        }
    }

    fn whitespace(&mut self) -> Result<(), JsonError> {
        while let Some(b' ' | b'\t' | b'\r' | b'\n') = self.peek()? {
            self.consume(1);
        }
        Ok(())
    }

    /// Nothing but white space up to the end of the stream.
    fn end(&mut self) -> Result<(), JsonError> {
        self.whitespace()?;
        match self.peek()? {
            None => Ok(()),
            Some(_) => self.unexpected("the end of the document"),
        }
    }

    fn array<E: From<JsonError>>(
        &mut self,
        count: &mut Count,
        each: &mut impl FnMut(&str) -> Result<(), E>,
    ) -> Result<(), E> {
        self.whitespace()?;
        self.expect(b'[', "a list")?;
        self.whitespace()?;
        if self.peek()? == Some(b']') {
            self.consume(1);
            return Ok(());
        }
        loop {
            self.whitespace()?;
            self.item.clear();
            self.item.shrink_to(KEPT_ITEM);
            self.item.reserve(FIRST_ITEM);
            self.is_kept = true;
            self.is_too_long = false;
            let result = self.value();
            self.is_kept = false;
            result?;
            match std::str::from_utf8(&self.item) {
                Ok(text) if !self.is_too_long => {
                    each(text)?;
                    count.given += 1;
                }
                _ => count.skipped += 1,
            }
            self.whitespace()?;
            match self.peek()? {
                Some(b',') => self.consume(1),
                Some(b']') => {
                    self.consume(1);
                    return Ok(());
                }
                _ => return Ok(self.unexpected("a comma or the end of the list")?),
            }
        }
    }

    fn object_with<E: From<JsonError>>(
        &mut self,
        wanted: &str,
        count: &mut Count,
        each: &mut impl FnMut(&str) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut is_found = false;
        self.whitespace()?;
        self.expect(b'{', "an object")?;
        self.whitespace()?;
        if self.peek()? == Some(b'}') {
            return Ok(self.unexpected("the key of the list")?);
        }
        loop {
            self.whitespace()?;
            self.item.clear();
            self.is_kept = true;
            self.is_too_long = false;
            let result = if self.peek()? == Some(b'"') {
                self.string()
            } else {
                self.unexpected("a key in quotes")
            };
            self.is_kept = false;
            result?;
            let is_wanted = !self.is_too_long
                && std::str::from_utf8(&self.item)
                    .ok()
                    .and_then(as_string)
                    .is_some_and(|key| key == wanted);
            self.whitespace()?;
            self.expect(b':', "a colon")?;
            if !is_wanted {
                self.value()?;
            } else if is_found {
                return Ok(self.unexpected("the list only once")?);
            } else {
                is_found = true;
                self.array(count, each)?;
            }
            self.whitespace()?;
            match self.peek()? {
                Some(b',') => self.consume(1),
                Some(b'}') if is_found => {
                    self.consume(1);
                    return Ok(());
                }
                Some(b'}') => return Ok(self.unexpected("the key of the list")?),
                _ => return Ok(self.unexpected("a comma or the end of the object")?),
            }
        }
    }

    /// One value of any kind, checked and passed over.
    fn value(&mut self) -> Result<(), JsonError> {
        // The kinds of the open containers, innermost in the lowest bit: 1 = object.
        let mut open: u128 = 0;
        let mut depth = 0;
        loop {
            self.whitespace()?;
            let mut is_opened = false;
            match self.peek()? {
                Some(b'"') => self.string()?,
                Some(bracket @ (b'{' | b'[')) => {
                    if depth == MAX_DEPTH {
                        return Err(JsonError::TooDeep(self.offset));
                    }
                    self.consume(1);
                    open = open << 1 | u128::from(bracket == b'{');
                    depth += 1;
                    is_opened = true;
                }
                Some(b't') => self.word(b"true")?,
                Some(b'f') => self.word(b"false")?,
                Some(b'n') => self.word(b"null")?,
                Some(b'-' | b'0'..=b'9') => self.number()?,
                _ => return self.unexpected("a value"),
            }
            // After a value: close what ends here, until a comma (or a fresh bracket) says that
            // another value follows.
            loop {
                if depth == 0 {
                    return Ok(());
                }
                let is_object = open & 1 == 1;
                self.whitespace()?;
                match self.peek()? {
                    Some(b',') if !is_opened => self.consume(1),
                    Some(b']') if !is_object => {
                        self.consume(1);
                        open >>= 1;
                        depth -= 1;
                        is_opened = false;
                        continue;
                    }
                    Some(b'}') if is_object => {
                        self.consume(1);
                        open >>= 1;
                        depth -= 1;
                        is_opened = false;
                        continue;
                    }
                    Some(_) if is_opened => {}
                    _ => return self.unexpected("a comma or a closing bracket"),
                }
                if is_object {
                    self.whitespace()?;
                    if self.peek()? != Some(b'"') {
                        return self.unexpected("a key in quotes");
                    }
                    self.string()?;
                    self.whitespace()?;
                    self.expect(b':', "a colon")?;
                }
                break;
            }
        }
    }

    fn word(&mut self, word: &'static [u8]) -> Result<(), JsonError> {
        for byte in word {
            self.expect(*byte, "true, false or null")?;
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<(), JsonError> {
        if !matches!(self.peek()?, Some(b'0'..=b'9')) {
            return self.unexpected("a digit");
        }
        while let Some(b'0'..=b'9') = self.peek()? {
            self.consume(1);
        }
        Ok(())
    }

    fn number(&mut self) -> Result<(), JsonError> {
        if self.peek()? == Some(b'-') {
            self.consume(1);
        }
        if self.peek()? == Some(b'0') {
            self.consume(1);
        } else {
            self.digits()?;
        }
        if self.peek()? == Some(b'.') {
            self.consume(1);
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.peek()? {
            self.consume(1);
            if let Some(b'+' | b'-') = self.peek()? {
                self.consume(1);
            }
            self.digits()?;
        }
        Ok(())
    }

    /// A string, from its opening quote.
    fn string(&mut self) -> Result<(), JsonError> {
        self.expect(b'"', "a string")?;
        loop {
            if self.peek()?.is_none() {
                return self.unexpected("the end of a string");
            }
            // The buffer may hold one byte past the limit: `peek` refuses it when it is reached.
            let plain = self.buffer[self.start..self.end]
                .iter()
                .position(|byte| matches!(byte, b'"' | b'\\' | 0..0x20))
                .unwrap_or(self.end - self.start);
            self.consume(plain);
            match self.peek()? {
                Some(b'"') => {
                    self.consume(1);
                    return Ok(());
                }
                Some(b'\\') => {
                    self.consume(1);
                    self.escape()?;
                }
                Some(0..0x20) => return self.unexpected("no bare control character in a string"),
                _ => {}
            }
        }
    }

    fn escape(&mut self) -> Result<(), JsonError> {
        match self.peek()? {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.consume(1),
            Some(b'u') => {
                self.consume(1);
                for _ in 0..4 {
                    match self.peek()? {
                        Some(byte) if byte.is_ascii_hexdigit() => self.consume(1),
                        _ => return self.unexpected("a hex digit"),
                    }
                }
            }
            _ => return self.unexpected("an escape"),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
