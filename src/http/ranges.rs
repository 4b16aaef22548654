//! Byte ranges (RFC 9110 §14): one `Range` value and a file length in, one span or a refusal out.
//!
//! A single range is honoured, its end clamped to the file. A malformed header, another unit or
//! several ranges are ignored (the whole file is served), as friends expect. A range that starts
//! at or past the end, and `bytes=-0`, cannot be satisfied. Pure; all numbers are `u64`.

/// What of the file is to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Selection {
    /// All of it (200).
    Full,
    /// `start..end` (206).
    Span {
        /// First byte.
        start: u64,
        /// One past the last byte.
        end: u64,
    },
    /// Nothing of the file lies in the range (416).
    Unsatisfiable,
}

/// Reads the value of one `Range` header for a file of `length` bytes.
pub fn select(range: &str, length: u64) -> Selection {
    parse(range, length).unwrap_or(Selection::Full)
}

/// `None`: the header is to be ignored.
fn parse(range: &str, length: u64) -> Option<Selection> {
    let (unit, spec) = range.split_once('=')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return None;
    }
    let (first, last) = spec.trim().split_once('-')?;
    if first.is_empty() {
        let suffix = number(last)?;
        return Some(if suffix == 0 || length == 0 {
            Selection::Unsatisfiable
        } else {
            let start = length.saturating_sub(suffix);
            Selection::Span { start, end: length }
        });
    }
    let start = number(first)?;
    let end = match last {
        "" => length,
        last => {
            let last = number(last)?;
            if last < start {
                return None;
            }
            last.saturating_add(1).min(length)
        }
    };
    Some(if start >= length {
        Selection::Unsatisfiable
    } else {
        Selection::Span { start, end }
    })
}

/// Decimal digits only: `u64::from_str` would take a `+`. More than 64 bits count as the largest
/// number, which is past the end of any file.
fn number(digits: &str) -> Option<u64> {
    let all_digits = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    all_digits.then(|| digits.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(start: u64, end: u64) -> Selection {
        Selection::Span { start, end }
    }

    fn check(range: &str, length: u64, expected: Selection) {
        assert_eq!(select(range, length), expected, "{range} of {length}");
    }

    #[test]
    fn single_ranges() {
        check("bytes=0-0", 10, span(0, 1));
        check("bytes=2-5", 10, span(2, 6));
        check("bytes=2-", 10, span(2, 10));
        check("bytes=9-9", 10, span(9, 10));
        check("bytes=5-1000", 10, span(5, 10));
        check("bytes=-3", 10, span(7, 10));
        check("bytes=-30", 10, span(0, 10));
        check("BYTES=1-2", 10, span(1, 3));
        check("bytes= 1-2 ", 10, span(1, 3));
        check("bytes=0-18446744073709551615", 10, span(0, 10));
        check("bytes=0-99999999999999999999999", 10, span(0, 10));
        check(
            "bytes=5000000000-5000000001",
            6_000_000_000,
            span(5_000_000_000, 5_000_000_002),
        );
    }

    #[test]
    fn unsatisfiable_ranges() {
        for range in [
            "bytes=10-",
            "bytes=10-20",
            "bytes=-0",
            "bytes=99999999999999999999-",
        ] {
            check(range, 10, Selection::Unsatisfiable);
        }
        for range in ["bytes=0-", "bytes=0-0", "bytes=-5"] {
            check(range, 0, Selection::Unsatisfiable);
        }
    }

    #[test]
    fn ignored_headers() {
        for range in [
            "",
            "bytes",
            "bytes=",
            "bytes=-",
            "bytes=a-b",
            "bytes=1",
            "bytes=5-2",
            "bytes=+1-2",
            "bytes=1-2,4-5",
            "bytes=0-1, -1",
            "items=0-1",
            "bytes=1--2",
            "bytes=--1",
            "bytes=0x1-2",
            "bytes 0-1",
            "bytes=1 - 2",
            "bytes==1-2",
            "bytes=1-2-",
            "bytes=é-",
        ] {
            check(range, 10, Selection::Full);
        }
    }

    #[test]
    fn a_span_always_lies_inside_the_file() {
        let mut seed = 7_u64;
        let alphabet = b"0123456789--==,b ytes";
        for _ in 0..50_000 {
            let mut text = String::from("bytes=");
            for _ in 0..seed % 8 {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let index = usize::try_from((seed >> 33) % 21).unwrap();
                text.push(char::from(alphabet[index]));
            }
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(3);
            let length = (seed >> 33) % 200;
            if let Selection::Span { start, end } = select(&text, length) {
                assert!(start < end && end <= length, "{text} of {length}");
            }
        }
    }
}
