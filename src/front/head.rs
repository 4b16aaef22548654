//! Vetting of request heads: bytes from a stranger in, a request that is safe to hand to tiny_http
//! out, or a refusal.
//!
//! [`Scanner`] finds the end of a head as it arrives and stops at the first byte that no plain
//! HTTP/1 head has (bare LF or CR, NUL, other control characters); [`vet`] then parses it
//! (httparse) and applies RFC 9112: version, method, target, Host, framing, expectations. What
//! comes out is rewritten: hop-by-hop and internal headers are gone, bytes beyond ASCII are
//! percent-encoded in the target and `?` elsewhere (tiny_http drops a connection over them). Pure;
//! any bytes give a head or a refusal.

use super::limits::{MAX_BLANK_LINES, MAX_HEAD, MAX_HEADERS, MAX_TARGET};
use crate::http::percent;
use crate::http::reply::{INTERNAL_PREFIX, is_token};

/// Why a request is not answered by a handler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Status code.
    pub status: u16,
    /// What the client is told.
    pub message: &'static str,
}

impl Refusal {
    /// A refusal.
    pub const fn new(status: u16, message: &'static str) -> Refusal {
        Refusal { status, message }
    }
}

/// Finds the end of a head, byte by byte, never looking at one twice.
#[derive(Debug, Default)]
pub struct Scanner {
    seen: usize,
    line_start: usize,
    has_content: bool,
    blank_lines: usize,
}

impl Scanner {
    /// Looks at what has arrived so far (from the start of the head). `Some(length)` once the head
    /// is complete, empty line included.
    pub fn scan(&mut self, bytes: &[u8]) -> Result<Option<usize>, Refusal> {
        const CONTROL: Refusal = Refusal::new(400, "control character in the request head");
        while let Some(&byte) = bytes.get(self.seen) {
            match byte {
                b'\r' => match bytes.get(self.seen + 1) {
                    None => break,
                    Some(b'\n') => {
                        let is_blank = self.seen == self.line_start;
                        self.seen += 2;
                        self.line_start = self.seen;
                        if !is_blank {
                            self.has_content = true;
                        } else if self.has_content {
                            return within_limit(self.seen).map(Some);
                        } else {
                            self.blank_lines += 1;
                            if self.blank_lines > MAX_BLANK_LINES {
                                return Err(Refusal::new(400, "empty lines instead of a request"));
                            }
                        }
                        continue;
                    }
                    Some(_) => return Err(Refusal::new(400, "bare CR in the request head")),
                },
                b'\n' => return Err(Refusal::new(400, "bare LF in the request head")),
                b'\t' => {}
                0..=31 | 127 => return Err(CONTROL),
                _ => {}
            }
            self.seen += 1;
            if !self.has_content && self.seen - self.line_start > MAX_TARGET + 64 {
                return Err(Refusal::new(414, "request target too long"));
            }
        }
        within_limit(bytes.len()).map(|_| None)
    }
}

fn within_limit(length: usize) -> Result<usize, Refusal> {
    if length > MAX_HEAD {
        Err(Refusal::new(431, "request head too large"))
    } else {
        Ok(length)
    }
}

/// How the body is delimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// This many bytes follow.
    Length(u64),
    /// Chunks follow.
    Chunked,
}

/// A vetted request head.
#[derive(Debug, PartialEq, Eq)]
pub struct Head {
    /// Request line and headers for tiny_http, line ends included; length, connection and internal
    /// headers are still to be added.
    pub inner: Vec<u8>,
    /// Whether the answer has no body.
    pub is_head: bool,
    /// Whether the client speaks 1.1 (else 1.0).
    pub is_http11: bool,
    /// Whether the client wants the connection kept.
    pub is_keep_alive: bool,
    /// Whether the client waits for `100 Continue`.
    pub expects_continue: bool,
    /// The body.
    pub framing: Framing,
    /// Its largest permitted length.
    pub body_limit: u64,
}

/// Vets a complete head. `body_limit` gives the limit of a method and raw path.
pub fn vet(bytes: &[u8], body_limit: fn(&str, &str) -> u64) -> Result<Head, Refusal> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut request = httparse::Request::new(&mut headers);
    match request.parse(bytes) {
        Ok(httparse::Status::Complete(_)) => {}
        Ok(httparse::Status::Partial) => return Err(Refusal::new(400, "incomplete request head")),
        Err(error) => return Err(refusal_for(error, bytes)),
    }
    let (Some(method), Some(target), Some(version)) =
        (request.method, request.path, request.version)
    else {
        return Err(Refusal::new(400, "malformed request line"));
    };
    if method == "CONNECT" {
        return Err(Refusal::new(501, "CONNECT is not supported"));
    }
    let is_http11 = version == 1;
    let facts = Facts::gather(request.headers, is_http11)?;
    let (target, authority) = origin_form(method, target)?;
    let path = target.split('?').next().unwrap_or_default();
    let body_limit = body_limit(method, path);
    if let Framing::Length(length) = facts.framing
        && length > body_limit
    {
        return Err(Refusal::new(413, "request body too large"));
    }

    let mut inner = Vec::with_capacity(bytes.len() + 256);
    inner.extend_from_slice(method.as_bytes());
    inner.push(b' ');
    push_target(&mut inner, target);
    inner.extend_from_slice(b" HTTP/1.1\r\n");
    if let Some(authority) = authority {
        inner.extend_from_slice(b"Host: ");
        inner.extend_from_slice(authority.as_bytes());
        inner.extend_from_slice(b"\r\n");
    }
    for header in request.headers.iter() {
        let is_replaced = authority.is_some() && header.name.eq_ignore_ascii_case("host");
        if !is_replaced && !is_stripped(header.name, request.headers) {
            inner.extend_from_slice(header.name.as_bytes());
            inner.extend_from_slice(b": ");
            inner.extend(header.value.iter().map(|byte| match byte {
                b'\t' => b' ',
                0x80.. => b'?',
                byte => *byte,
            }));
            inner.extend_from_slice(b"\r\n");
        }
    }
    Ok(Head {
        inner,
        is_head: method == "HEAD",
        is_http11,
        is_keep_alive: facts.is_keep_alive,
        expects_continue: facts.expects_continue,
        framing: facts.framing,
        body_limit,
    })
}

fn refusal_for(error: httparse::Error, bytes: &[u8]) -> Refusal {
    match error {
        httparse::Error::TooManyHeaders => Refusal::new(431, "too many request headers"),
        httparse::Error::Version if has_http_version(bytes) => {
            Refusal::new(505, "only HTTP/1.0 and HTTP/1.1 are supported")
        }
        httparse::Error::Version | httparse::Error::NewLine | httparse::Error::Token => {
            Refusal::new(400, "malformed request line")
        }
        _ => Refusal::new(400, "malformed request header"),
    }
}

/// Whether the request line ends in something like `HTTP/2.0`: then it is the version that we do
/// not speak, and not nonsense.
fn has_http_version(bytes: &[u8]) -> bool {
    let line = bytes
        .split(|byte| *byte == b'\r' || *byte == b'\n')
        .find(|line| !line.is_empty())
        .unwrap_or_default();
    let mut words = line.split(|byte| *byte == b' ');
    let (_method, _target) = (words.next(), words.next());
    let version = words.next().unwrap_or_default();
    words.next().is_none()
        && matches!(
            version,
            [b'H', b'T', b'T', b'P', b'/', b'0'..=b'9', b'.', b'0'..=b'9']
        )
}

/// What the headers say about the connection and the body.
struct Facts {
    framing: Framing,
    is_keep_alive: bool,
    expects_continue: bool,
}

impl Facts {
    fn gather(headers: &[httparse::Header<'_>], is_http11: bool) -> Result<Facts, Refusal> {
        let mut length: Option<u64> = None;
        let mut is_chunked = false;
        let mut hosts = 0;
        let mut expects_continue = false;
        let (mut has_close, mut has_keep_alive) = (false, false);
        for header in headers {
            let name = header.name;
            if name.eq_ignore_ascii_case("content-length") {
                if length.is_some() {
                    return Err(Refusal::new(400, "several Content-Length headers"));
                }
                length = Some(content_length(header.value)?);
            } else if name.eq_ignore_ascii_case("transfer-encoding") {
                if is_chunked {
                    return Err(Refusal::new(400, "several Transfer-Encoding headers"));
                }
                if !header.value.eq_ignore_ascii_case(b"chunked") {
                    return Err(Refusal::new(
                        501,
                        "only the transfer coding chunked is supported",
                    ));
                }
                is_chunked = true;
            } else if name.eq_ignore_ascii_case("host") {
                hosts += 1;
                let is_odd = |byte: &u8| !(0x21..0x7f).contains(byte) || b"/@?#,\\".contains(byte);
                if header.value.iter().any(is_odd) {
                    return Err(Refusal::new(400, "malformed Host header"));
                }
            } else if name.eq_ignore_ascii_case("expect") {
                if !header.value.eq_ignore_ascii_case(b"100-continue") {
                    return Err(Refusal::new(417, "only Expect: 100-continue is supported"));
                }
                expects_continue = is_http11;
            } else if name.eq_ignore_ascii_case("connection") {
                has_close |= has_element(header.value, "close");
                has_keep_alive |= has_element(header.value, "keep-alive");
            }
        }
        if hosts > 1 || (hosts == 0 && is_http11) {
            return Err(Refusal::new(400, "exactly one Host header is needed"));
        }
        if is_chunked && length.is_some() {
            return Err(Refusal::new(
                400,
                "both Content-Length and Transfer-Encoding",
            ));
        }
        if is_chunked && !is_http11 {
            return Err(Refusal::new(400, "Transfer-Encoding in HTTP/1.0"));
        }
        Ok(Facts {
            framing: if is_chunked {
                Framing::Chunked
            } else {
                Framing::Length(length.unwrap_or(0))
            },
            is_keep_alive: !has_close && (is_http11 || has_keep_alive),
            expects_continue,
        })
    }
}

/// Digits only. What has more than 64 bits is too large for any limit, not malformed.
fn content_length(value: &[u8]) -> Result<u64, Refusal> {
    let text = std::str::from_utf8(value).unwrap_or_default();
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Refusal::new(400, "malformed Content-Length"));
    }
    Ok(text.parse().unwrap_or(u64::MAX))
}

/// Path and query, and the authority where the target is a whole URL (RFC 9112 §3.2.2).
fn origin_form<'a>(method: &str, target: &'a str) -> Result<(&'a str, Option<&'a str>), Refusal> {
    if target.len() > MAX_TARGET {
        return Err(Refusal::new(414, "request target too long"));
    }
    if target.starts_with('/') || (target == "*" && method == "OPTIONS") {
        return Ok((target, None));
    }
    let malformed = Refusal::new(400, "malformed request target");
    let (scheme, rest) = target.split_once("://").ok_or(malformed)?;
    let is_known = scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https");
    let at = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(at);
    let is_plain = |byte: u8| byte.is_ascii_graphic() && !b"@#\\,".contains(&byte);
    if !is_known || authority.is_empty() || !authority.bytes().all(is_plain) {
        return Err(malformed);
    }
    match path {
        "" => Ok(("/", Some(authority))),
        path if path.starts_with('/') => Ok((path, Some(authority))),
        _ => Err(malformed),
    }
}

fn push_target(inner: &mut Vec<u8>, target: &str) {
    if target.is_ascii() {
        inner.extend_from_slice(target.as_bytes());
        return;
    }
    let mut encoded = String::with_capacity(target.len() * 2);
    for byte in target.bytes() {
        if byte.is_ascii() {
            encoded.push(char::from(byte));
        } else {
            percent::push_escape(&mut encoded, byte);
        }
    }
    inner.extend_from_slice(encoded.as_bytes());
}

/// Headers that are not for tiny_http or the handlers: hop-by-hop ones, also those named by
/// `Connection`, our own internal ones, and those that are written anew.
fn is_stripped(name: &str, headers: &[httparse::Header<'_>]) -> bool {
    const STRIPPED: [&str; 10] = [
        "connection",
        "keep-alive",
        "proxy-connection",
        "proxy-authorization",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "expect",
        "content-length",
    ];
    STRIPPED
        .iter()
        .any(|known| name.eq_ignore_ascii_case(known))
        || name
            .get(..INTERNAL_PREFIX.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(INTERNAL_PREFIX))
        || !is_token(name)
        || (!name.eq_ignore_ascii_case("host")
            && headers
                .iter()
                .filter(|header| header.name.eq_ignore_ascii_case("connection"))
                .any(|header| has_element(header.value, name)))
}

/// Whether a comma-separated list holds `element`.
fn has_element(list: &[u8], element: &str) -> bool {
    list.split(|byte| *byte == b',')
        .any(|item| item.trim_ascii().eq_ignore_ascii_case(element.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(method: &str, path: &str) -> u64 {
        super::super::limits::body_limit(method, path)
    }

    /// Scans and vets as the connection does, whatever the pieces.
    fn read(text: &[u8]) -> Result<Head, Refusal> {
        let mut scanner = Scanner::default();
        match scanner.scan(text)? {
            Some(end) => vet(&text[..end], limit),
            None => Err(Refusal::new(408, "incomplete")),
        }
    }

    fn status(text: &str) -> u16 {
        match read(text.as_bytes()) {
            Ok(_) => 200,
            Err(refusal) => refusal.status,
        }
    }

    #[test]
    fn a_plain_request_passes() {
        let text = "GET /ping?a=b%20c HTTP/1.1\r\nHost: x:5225\r\nX-Api-Key: k\r\n\r\n";
        let head = read(text.as_bytes()).unwrap();
        let expected = "GET /ping?a=b%20c HTTP/1.1\r\nHost: x:5225\r\nX-Api-Key: k\r\n";
        assert_eq!(String::from_utf8(head.inner).unwrap(), expected);
        assert!(head.is_http11 && head.is_keep_alive && !head.is_head && !head.expects_continue);
        assert_eq!(head.framing, Framing::Length(0));
    }

    #[test]
    fn stripped_and_rewritten() {
        let check = |lines: &str, expected: &str| {
            let text = format!("GET / HTTP/1.1\r\nHost: h\r\n{lines}\r\n");
            let head = read(text.as_bytes()).unwrap();
            let inner = String::from_utf8(head.inner).unwrap();
            assert_eq!(
                inner,
                format!("GET / HTTP/1.1\r\nHost: h\r\n{expected}"),
                "{lines}"
            );
        };
        check(
            "X-Jackdaw-Remote: 1.2.3.4\r\nx-jackdaw-ticket: 1\r\nA: b\r\n",
            "A: b\r\n",
        );
        check(
            "Connection: close, X-Hop\r\nx-hop: 1\r\nHost2: 2\r\n",
            "Host2: 2\r\n",
        );
        check("Connection: host\r\n", "");
        check(
            "TE: trailers\r\nUpgrade: h2c\r\nKeep-Alive: 5\r\nTrailer: x\r\n",
            "",
        );
        check("Content-Length: 5\r\nExpect: 100-continue\r\n", "");
        check("User-Agent: caf\u{e9}\tx\r\n", "User-Agent: caf?? x\r\n");
        let head = read("GET /caf\u{e9} HTTP/1.0\r\n\r\n".as_bytes()).unwrap();
        assert_eq!(head.inner, b"GET /caf%C3%A9 HTTP/1.1\r\n");
        let head = read(b"GET http://a.b:1/p?q HTTP/1.1\r\nHost: other\r\n\r\n").unwrap();
        assert_eq!(head.inner, b"GET /p?q HTTP/1.1\r\nHost: a.b:1\r\n");
    }

    #[test]
    fn keep_alive_by_version() {
        let check = |version: &str, connection: &str, expected: bool| {
            let text =
                format!("GET / HTTP/{version}\r\nHost: h\r\nConnection: {connection}\r\n\r\n");
            assert_eq!(read(text.as_bytes()).unwrap().is_keep_alive, expected);
        };
        check("1.1", "", true);
        check("1.1", "Keep-Alive", true);
        check("1.1", "close", false);
        check("1.1", "keep-alive, CLOSE", false);
        check("1.0", "", false);
        check("1.0", "keep-alive", true);
    }

    #[test]
    fn refusals() {
        let with = |lines: &str| status(&format!("POST /x HTTP/1.1\r\nHost: h\r\n{lines}\r\n"));
        assert_eq!(with(""), 200);
        assert_eq!(with("Content-Length: 65536\r\n"), 200);
        assert_eq!(with("Content-Length: 65537\r\n"), 413);
        assert_eq!(with("Content-Length: 30000000000\r\n"), 413);
        assert_eq!(with("Content-Length: 9223372036854775808\r\n"), 413);
        assert_eq!(with("Content-Length: 99999999999999999999999\r\n"), 413);
        for bad in ["abc", "-5", "+5", "5, 5", "", "0x5", "5 5", "5;"] {
            assert_eq!(with(&format!("Content-Length: {bad}\r\n")), 400, "{bad}");
        }
        assert_eq!(with("Content-Length: 5\r\nContent-Length: 5\r\n"), 400);
        assert_eq!(
            with("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"),
            400
        );
        assert_eq!(with("Transfer-Encoding: Chunked\r\n"), 200);
        assert_eq!(
            with("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
            400
        );
        for bad in [
            "gzip, chunked",
            "identity",
            "chunked, chunked",
            "xchunked",
            "",
        ] {
            assert_eq!(with(&format!("Transfer-Encoding: {bad}\r\n")), 501, "{bad}");
        }
        assert_eq!(
            status("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"),
            400
        );
        assert_eq!(with("Expect: 100-Continue\r\n"), 200);
        assert_eq!(with("Expect: fly\r\n"), 417);
        assert_eq!(with("Host: h\r\n"), 400);
        assert_eq!(with("No colon\r\n"), 400);
        assert_eq!(with("Space : x\r\n"), 400);
        assert_eq!(with("A: b\r\n folded\r\n"), 400);
        assert_eq!(with("A: b\nC: d\r\n"), 400);
        assert_eq!(with("A: b\rC: d\r\n"), 400);
        assert_eq!(with("A: b\0\r\n"), 400);
        assert_eq!(with("A: \u{1b}[2J\r\n"), 400);
        assert_eq!(with(": x\r\n"), 400);
        assert_eq!(with(&"A: b\r\n".repeat(99)), 200);
        assert_eq!(with(&"A: b\r\n".repeat(100)), 431);
        assert_eq!(with(&format!("A: {}\r\n", "b".repeat(MAX_HEAD))), 431);
        assert_eq!(status("GET / HTTP/1.1\r\n\r\n"), 400, "no Host");
        assert_eq!(status("GET / HTTP/1.0\r\n\r\n"), 200);
        for host in ["a/b", "a@b", "a b", "a\\b", "a,b"] {
            assert_eq!(
                status(&format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n")),
                400
            );
        }
    }

    #[test]
    fn request_lines() {
        let check = |line: &str, expected: u16| {
            let text = format!("{line}\r\nHost: h\r\n\r\n");
            assert_eq!(status(&text), expected, "{line}");
        };
        check("GET / HTTP/2.0", 505);
        check("GET / HTTP/3.0", 505);
        check("GET / HTTP/1.2", 505);
        check("GET / HTTP/0.9", 505);
        check("PRI * HTTP/2.0", 505);
        check("GET / HTTQ/1.1", 400);
        check("GET /", 400);
        check("GET", 400);
        check("G(T / HTTP/1.1", 400);
        check("GET  / HTTP/1.1", 400);
        check("GET / x HTTP/1.1", 400);
        check("GET / HTTP/1.1 ", 400);
        check("GET ping HTTP/1.1", 400);
        check("GET * HTTP/1.1", 400);
        check("OPTIONS * HTTP/1.1", 200);
        check("PROPFIND / HTTP/1.1", 200);
        check("CONNECT a:1 HTTP/1.1", 501);
        check("GET ftp://a/ HTTP/1.1", 400);
        check("GET http:/// HTTP/1.1", 400);
        check("GET http://u@a/ HTTP/1.1", 400);
        check("GET http://a HTTP/1.1", 200);
        check("\r\nGET / HTTP/1.1", 200);
        check("\r\n\r\n\r\n\r\nGET / HTTP/1.1", 200);
        check("\r\n\r\n\r\n\r\n\r\nGET / HTTP/1.1", 400);
        check(
            &format!("GET /{} HTTP/1.1", "a".repeat(MAX_TARGET - 1)),
            200,
        );
        check(&format!("GET /{} HTTP/1.1", "a".repeat(MAX_TARGET)), 414);
        check(&format!("GET /{} HTTP/1.1", "a".repeat(MAX_HEAD)), 414);
        check("\u{16}\u{3}\u{1}", 400);
    }

    #[test]
    fn arrival_in_pieces_makes_no_difference() {
        let texts = [
            "GET / HTTP/1.1\r\nHost: h\r\n\r\nGET /",
            "GET / HTTP/1.1\r\nHost: h\nX: y\r\n\r\n",
            "\r\nGET / HTTP/1.0\r\n\r\n",
            "GET / HTTP/1.1\rHost: h\r\n\r\n",
        ];
        for text in texts {
            let whole = Scanner::default().scan(text.as_bytes());
            let mut scanner = Scanner::default();
            let mut in_pieces = Ok(None);
            for end in 1..=text.len() {
                in_pieces = scanner.scan(&text.as_bytes()[..end]);
                if in_pieces != Ok(None) {
                    break;
                }
            }
            assert_eq!(in_pieces, whole, "{text:?}");
        }
        assert_eq!(
            Scanner::default().scan(b"GET / HTTP/1.0\r\n\r\nx"),
            Ok(Some(18))
        );
    }

    #[test]
    fn endless_heads_are_refused() {
        let status_of = |bytes: &[u8]| Scanner::default().scan(bytes).unwrap_err().status;
        let lines = "A: b\r\n".repeat(MAX_HEAD / 6 + 1);
        assert_eq!(
            status_of(format!("GET / HTTP/1.1\r\n{lines}").as_bytes()),
            431
        );
        assert_eq!(status_of(&vec![b'a'; MAX_HEAD]), 414);
        assert_eq!(status_of(b"\r\n\r\n\r\n\r\n\r\n"), 400);
    }

    #[test]
    fn random_heads_are_safe_for_tiny_http() {
        let mut seed = 99_u64;
        let mut random = |below: u64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(7);
            usize::try_from((seed >> 33) % below).unwrap()
        };
        let pieces: [&[u8]; 20] = [
            b"GET ",
            b"POST ",
            b"/",
            b"x",
            b" HTTP/1.1",
            b" HTTP/1.0",
            b"\r\n",
            b"\r\n",
            b"Host: h",
            b"Content-Length: ",
            b"5",
            b"Transfer-Encoding: chunked",
            b": ",
            b"\xc3\xa9",
            b"\xff",
            b"\t",
            b" ",
            b"Connection: ",
            b"?",
            b"\r\n\r\n",
        ];
        let mut passed = 0;
        for _ in 0..50_000 {
            let mut text = b"GET / HTTP/1.1\r\nHost: h".to_vec();
            if random(3) == 0 {
                text.clear();
            }
            for _ in 0..random(14) {
                text.extend_from_slice(pieces[random(20)]);
            }
            if let Ok(head) = read(&text) {
                passed += 1;
                assert!(head.inner.is_ascii() && head.inner.ends_with(b"\r\n"));
                let line = head.inner.split(|byte| *byte == b'\r').next().unwrap();
                assert_eq!(line.iter().filter(|byte| **byte == b' ').count(), 2);
                assert!(!head.inner.windows(4).any(|window| window == b"\r\n\r\n"));
            }
        }
        assert!(passed > 100, "{passed}");
    }
}
