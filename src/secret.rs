//! Secrets: values that cannot be printed, compared in constant time, made from the OS's random
//! source, and stored only as SHA-256.

use std::fmt;

use subtle::ConstantTimeEq;

/// A key or password. `Debug` prints a placeholder; there is no `Display`.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// Wraps a value.
    pub fn new(value: impl Into<String>) -> Secret {
        Secret(value.into())
    }

    /// The value itself, for the one place that sends it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Compares in time that depends on neither value's content.
    pub fn matches(&self, candidate: &str) -> bool {
        // Digests are of equal length, so the comparison does not show the secret's length either.
        digest(&self.0).ct_eq(&digest(candidate)).into()
    }
}

/// In constant time, as [`Secret::matches`].
impl PartialEq for Secret {
    fn eq(&self, other: &Secret) -> bool {
        self.matches(&other.0)
    }
}

impl Eq for Secret {}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// The parameter under which our keys stand in addresses that we give to Radarr and Sonarr.
const KEY_PARAMETER: &str = "apikey=";

/// Somebody else's text without the keys in its addresses: when a request to us fails, Radarr and
/// Sonarr quote its whole address, key included, in the message that we log and show.
pub fn without_keys(text: &str) -> String {
    let lower = text.to_ascii_lowercase();
    let (mut out, mut from) = (String::with_capacity(text.len()), 0);
    for (at, _) in lower.match_indices(KEY_PARAMETER) {
        let start = at + KEY_PARAMETER.len();
        if start < from {
            continue;
        }
        let rest = &text[start..];
        let ends = |c: char| c.is_whitespace() || "&#]})>\"'".contains(c);
        let length = rest.find(ends).unwrap_or(rest.len());
        out.push_str(&text[from..start]);
        if length > 0 {
            out.push('…');
        }
        from = start + length;
    }
    out.push_str(&text[from..]);
    out
}

/// SHA-256, the only form in which generated keys are stored.
pub fn digest(value: &str) -> [u8; 32] {
    let digest = ring::digest::digest(&ring::digest::SHA256, value.as_bytes());
    let mut out = [0; 32];
    out.copy_from_slice(digest.as_ref());
    out
}

/// `N` random bytes as lower-case hex (`2 * N` digits). Panics if the system has no random source:
/// nothing secret can be made then.
pub fn random_hex<const N: usize>() -> String {
    let mut bytes = [0u8; N];
    getrandom::fill(&mut bytes).expect("the operating system's random source must work");
    hex(&bytes)
}

/// Lower-case hex.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    // By hand: a page of a feed has three hundred of these, and formatting machinery is slow.
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble & 0xf)]);
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        text.push(digit(byte >> 4));
        text.push(digit(*byte));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_never_printed() {
        assert_eq!(format!("{:?}", Secret::new("hunter2")), "Secret(…)");
    }

    #[test]
    fn keys_in_addresses_are_left_out() {
        for (text, expected) in [
            ("", ""),
            ("nothing here", "nothing here"),
            (
                "[http://h/api?t=caps&apikey=abc]",
                "[http://h/api?t=caps&apikey=…]",
            ),
            (
                "http://h/?ApiKey=a%2Bc&offset=0 é",
                "http://h/?ApiKey=…&offset=0 é",
            ),
            ("apikey=a apikey=b", "apikey=… apikey=…"),
            ("apikey=apikey=b c", "apikey=… c"),
            (
                "a link <a href=\"h?apikey=a\">",
                "a link <a href=\"h?apikey=…\">",
            ),
            ("the apikey= is empty", "the apikey= is empty"),
            ("İapikey=x", "İapikey=…"),
        ] {
            assert_eq!(without_keys(text), expected);
        }
    }

    #[test]
    fn comparison_needs_the_whole_value() {
        let secret = Secret::new("abc");
        assert!(secret.matches("abc"));
        for wrong in ["", "ab", "abcd", "ABC"] {
            assert!(!secret.matches(wrong), "{wrong}");
        }
    }

    #[test]
    fn digest_is_sha256() {
        // FIPS 180-2, appendix B.1.
        assert_eq!(
            hex(&digest("abc")),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }
}
