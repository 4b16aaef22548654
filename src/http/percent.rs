//! Percent-encoding (RFC 3986 §2.1) and `application/x-www-form-urlencoded` text.
//!
//! Decoding is strict: a `%` that two hex digits do not follow, or bytes that are not UTF-8 in the
//! end, are refused rather than guessed at. Total over any input; output never longer than input.

use std::borrow::Cow;

/// How `+` is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plus {
    /// As itself: paths.
    Literal,
    /// As a space: query strings and forms.
    Space,
}

/// Decodes `text`; `None` when it is malformed.
pub fn decode(text: &str, plus: Plus) -> Option<Cow<'_, str>> {
    let special = |byte: &u8| *byte == b'%' || (*byte == b'+' && plus == Plus::Space);
    if !text.as_bytes().iter().any(special) {
        return Some(Cow::Borrowed(text));
    }
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => hex_digit(bytes.next()?)? << 4 | hex_digit(bytes.next()?)?,
            b'+' if plus == Plus::Space => b' ',
            other => other,
        });
    }
    String::from_utf8(decoded).ok().map(Cow::Owned)
}

/// Encodes everything but unreserved characters (RFC 3986 §2.3).
pub fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            push_escape(&mut encoded, byte);
        }
    }
    encoded
}

/// Appends `%XX`.
pub fn push_escape(out: &mut String, byte: u8) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    out.push('%');
    out.push(char::from(DIGITS[usize::from(byte >> 4)]));
    out.push(char::from(DIGITS[usize::from(byte & 15)]));
}

fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte)
        .to_digit(16)
        .and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, plus: Plus, expected: Option<&str>) {
        assert_eq!(decode(text, plus).as_deref(), expected, "{text:?}");
    }

    #[test]
    fn decodes_strictly() {
        check("plain", Plus::Space, Some("plain"));
        check("a+b", Plus::Space, Some("a b"));
        check("a+b", Plus::Literal, Some("a+b"));
        check("a%2Bb", Plus::Space, Some("a+b"));
        check("%c3%A9", Plus::Literal, Some("é"));
        check("%00", Plus::Literal, Some("\0"));
        for bad in ["%", "%4", "%zz", "a%", "%+1", "%C3", "%ff", "%C3%28", "%é"] {
            check(bad, Plus::Space, None);
        }
    }

    #[test]
    fn encoding_round_trips() {
        assert_eq!(encode("a b/é~"), "a%20b%2F%C3%A9~");
        for text in ["", "%", "+", "a:b|c", "🦜 x"] {
            check(&encode(text), Plus::Space, Some(text));
        }
    }
}
