//! The chunked transfer coding (RFC 9112 §7.1), decoded piece by piece.
//!
//! Pure: bytes in as they arrive, content appended to a buffer. Used for request bodies of
//! strangers and for the answers that workers write item by item. Extensions and trailers are
//! thrown away; size lines and trailers are bounded.

/// A size line with extensions; nobody sends more than a few digits.
const MAX_LINE: usize = 256;
/// Trailer bytes; thrown away.
const MAX_TRAILER: usize = 4 * 1024;
/// Hex digits of a size: 15 cannot overflow an `u64`.
const MAX_DIGITS: usize = 15;

/// Not the chunked coding, or beyond a limit of this module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// In a size line: digits so far, value, bytes of the line.
    Size(usize, u64, usize),
    /// In a chunk extension: value, bytes of the line.
    Extension(u64, usize),
    /// After the CR of a size line.
    SizeLf(u64),
    /// In the content: bytes left of this chunk.
    Content(u64),
    ContentCr,
    ContentLf,
    /// At the start of a trailer line: trailer bytes so far.
    TrailerStart(usize),
    Trailer(usize),
    TrailerLf(usize),
    LastLf,
    Done,
}

/// Where the decoder is.
#[derive(Debug)]
pub struct Decoder(State);

impl Default for Decoder {
    fn default() -> Decoder {
        Decoder(State::Size(0, 0, 0))
    }
}

impl Decoder {
    /// Whether the last chunk and the trailer are complete.
    pub fn is_done(&self) -> bool {
        self.0 == State::Done
    }

    /// Decodes from `input`, appending content to `out`; returns how many bytes belonged to the
    /// body (all of them, until it is done).
    pub fn feed(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<usize, Malformed> {
        let mut at = 0;
        while at < input.len() && self.0 != State::Done {
            if let State::Content(left) = self.0 {
                let available = &input[at..];
                let taken = usize::try_from(left)
                    .unwrap_or(usize::MAX)
                    .min(available.len());
                out.extend_from_slice(&available[..taken]);
                at += taken;
                let left = left - taken as u64;
                self.0 = if left == 0 {
                    State::ContentCr
                } else {
                    State::Content(left)
                };
                continue;
            }
            self.0 = step(self.0, input[at])?;
            at += 1;
        }
        Ok(at)
    }
}

fn step(state: State, byte: u8) -> Result<State, Malformed> {
    Ok(match (state, byte) {
        (State::Size(1.., value, _) | State::Extension(value, _), b'\r') => State::SizeLf(value),
        (State::Size(1.., value, length), b';' | b' ' | b'\t') => {
            State::Extension(value, length + 1)
        }
        (State::Size(digits, value, length), byte) => {
            let digit = char::from(byte).to_digit(16).ok_or(Malformed)?;
            if digits == MAX_DIGITS {
                return Err(Malformed);
            }
            State::Size(digits + 1, value << 4 | u64::from(digit), length + 1)
        }
        (State::Extension(_, MAX_LINE..), _) | (State::Extension(..), 0..=8 | 10..=31 | 127) => {
            return Err(Malformed);
        }
        (State::Extension(value, length), _) => State::Extension(value, length + 1),
        (State::SizeLf(0), b'\n') => State::TrailerStart(0),
        (State::SizeLf(size), b'\n') => State::Content(size),
        (State::ContentCr, b'\r') => State::ContentLf,
        (State::ContentLf, b'\n') => State::Size(0, 0, 0),
        (State::TrailerStart(_), b'\r') => State::LastLf,
        (State::LastLf, b'\n') => State::Done,
        (State::Trailer(length), b'\r') => State::TrailerLf(length),
        (State::TrailerLf(length), b'\n') => State::TrailerStart(length),
        (State::TrailerStart(MAX_TRAILER..) | State::Trailer(MAX_TRAILER..), _) => {
            return Err(Malformed);
        }
        (State::TrailerStart(_) | State::Trailer(_), 0..=8 | 10..=31 | 127) => {
            return Err(Malformed);
        }
        (State::TrailerStart(length) | State::Trailer(length), _) => State::Trailer(length + 1),
        _ => return Err(Malformed),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(input: &[u8]) -> Result<(Vec<u8>, usize, bool), Malformed> {
        let mut decoder = Decoder::default();
        let mut out = Vec::new();
        let used = decoder.feed(input, &mut out)?;
        Ok((out, used, decoder.is_done()))
    }

    fn check(input: &str, expected: Option<(&str, usize, bool)>) {
        let expected = expected.map(|(text, used, done)| (text.as_bytes().to_vec(), used, done));
        assert_eq!(decode(input.as_bytes()).ok(), expected, "{input:?}");
        // The same byte by byte.
        let mut decoder = Decoder::default();
        let mut out = Vec::new();
        let mut used = 0;
        for byte in input.as_bytes() {
            match decoder.feed(std::slice::from_ref(byte), &mut out) {
                Ok(taken) => used += taken,
                Err(Malformed) => {
                    assert_eq!(expected, None, "{input:?}");
                    return;
                }
            }
        }
        assert_eq!(Some((out, used, decoder.is_done())), expected, "{input:?}");
    }

    #[test]
    fn bodies() {
        check("0\r\n\r\n", Some(("", 5, true)));
        check("5\r\nhello\r\n0\r\n\r\nGET /", Some(("hello", 15, true)));
        check("5\r\nhel", Some(("hel", 6, false)));
        check(
            "A;x=\"y\"\r\n0123456789\r\n1 \r\nz\r\n00\r\n\r\n",
            Some(("0123456789z", 34, true)),
        );
        check("0\r\nA: b\r\nC: d\r\n\r\nx", Some(("", 17, true)));
        check("2\r\n0\r\r\n0\r\n\r\n", Some(("0\r", 12, true)));
    }

    #[test]
    fn malformed() {
        for bad in [
            "\r\n",
            "x\r\n",
            "-1\r\n",
            "+1\r\na\r\n",
            "0x1\r\n",
            " 1\r\n",
            "1\na\r\n",
            "1\r\nab\r\n",
            "1\r\na\n",
            "1\r\na\rx",
            "0\r\n\n",
            "0\r\nA\n",
            "0\r\n\rx",
            "1;\0\r\n",
            "1\rx",
            "1234567890123456\r\n",
            ";\r\n",
        ] {
            check(bad, None);
        }
    }

    #[test]
    fn lines_and_trailers_are_bounded() {
        assert!(decode(format!("1;{}", "x".repeat(MAX_LINE - 2)).as_bytes()).is_ok());
        assert_eq!(
            decode(format!("1;{}", "x".repeat(MAX_LINE)).as_bytes()),
            Err(Malformed)
        );
        let lines = "a: b\r\n".repeat(MAX_TRAILER / 4 + 1);
        assert_eq!(decode(format!("0\r\n{lines}").as_bytes()), Err(Malformed));
        assert_eq!(
            decode(format!("0\r\n{}", "x".repeat(MAX_TRAILER + 1)).as_bytes()),
            Err(Malformed)
        );
    }

    #[test]
    fn any_bytes_are_decoded_or_refused() {
        let mut seed = 5_u64;
        let alphabet = b"0011a2\r\n\r\n;x f\0";
        for _ in 0..50_000 {
            let mut input = Vec::new();
            for _ in 0..(seed >> 40) % 24 {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                input.push(alphabet[usize::try_from((seed >> 33) % 15).unwrap()]);
            }
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(9);
            if let Ok((out, used, _)) = decode(&input) {
                assert!(out.len() <= used && used <= input.len());
            }
        }
    }
}
