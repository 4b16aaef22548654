//! A small blocking HTTP/1.1 client over a raw socket: keep-alive, exact bytes for attacks.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Longest wait for a read or write; only a failing test reaches it.
const TIMEOUT: Duration = Duration::from_secs(60);

/// An answer.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body, after checking the status.
    pub fn expect(self, status: u16) -> Vec<u8> {
        assert_eq!(self.status, status, "{}", self.text());
        self.body
    }
}

/// One connection.
pub struct Connection {
    stream: TcpStream,
    /// Received and not yet used.
    ahead: Vec<u8>,
}

impl Connection {
    pub fn open(address: SocketAddr) -> io::Result<Connection> {
        let stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        stream.set_write_timeout(Some(TIMEOUT))?;
        stream.set_nodelay(true)?;
        Ok(Connection {
            stream,
            ahead: Vec::new(),
        })
    }

    pub fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// Bytes as they are.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// The next answer. `is_head`: no body follows whatever the head says.
    pub fn answer(&mut self, is_head: bool) -> io::Result<Answer> {
        loop {
            let answer = self.one_answer(is_head)?;
            if answer.status >= 200 {
                return Ok(answer);
            }
        }
    }

    fn one_answer(&mut self, is_head: bool) -> io::Result<Answer> {
        let (status, headers) = self.head()?;
        let mut answer = Answer {
            status,
            headers,
            body: Vec::new(),
        };
        if is_head || status < 200 || status == 204 || status == 304 {
            return Ok(answer);
        }
        if answer
            .header("transfer-encoding")
            .is_some_and(|value| value.eq_ignore_ascii_case("chunked"))
        {
            loop {
                let line = self.line()?;
                let size = usize::from_str_radix(line.split(';').next().unwrap_or("").trim(), 16)
                    .map_err(|_| invalid(format!("chunk size {line:?}")))?;
                answer.body.extend(self.exactly(size)?);
                self.line()?;
                if size == 0 {
                    return Ok(answer);
                }
            }
        }
        match answer.header("content-length") {
            Some(length) => {
                let length = length
                    .parse()
                    .map_err(|_| invalid(format!("Content-Length {length}")))?;
                answer.body = self.exactly(length)?;
            }
            None => {
                answer.body = std::mem::take(&mut self.ahead);
                self.stream.read_to_end(&mut answer.body)?;
            }
        }
        Ok(answer)
    }

    /// Only the head of the next answer; the body stays to be read with [`Connection::stream`]
    /// (what came ahead of it is returned too).
    pub fn head_only(&mut self) -> io::Result<(Answer, Vec<u8>)> {
        let (status, headers) = self.head()?;
        let answer = Answer {
            status,
            headers,
            body: Vec::new(),
        };
        Ok((answer, std::mem::take(&mut self.ahead)))
    }

    fn head(&mut self) -> io::Result<(u16, Vec<(String, String)>)> {
        let line = self.line()?;
        let status = line
            .strip_prefix("HTTP/1.")
            .and_then(|rest| rest.split(' ').nth(1))
            .and_then(|status| status.parse().ok())
            .ok_or_else(|| invalid(format!("status line {line:?}")))?;
        let mut headers = Vec::new();
        loop {
            let line = self.line()?;
            if line.is_empty() {
                return Ok((status, headers));
            }
            let (name, value) = line
                .split_once(':')
                .ok_or_else(|| invalid(format!("header {line:?}")))?;
            headers.push((name.to_string(), value.trim().to_string()));
        }
    }

    fn more(&mut self) -> io::Result<()> {
        let mut block = [0; 64 * 1024];
        let count = self.stream.read(&mut block)?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.ahead.extend_from_slice(&block[..count]);
        Ok(())
    }

    fn line(&mut self) -> io::Result<String> {
        let mut searched = 0;
        loop {
            if let Some(at) = self.ahead[searched..].windows(2).position(|w| w == b"\r\n") {
                let line = String::from_utf8_lossy(&self.ahead[..searched + at]).into_owned();
                self.ahead.drain(..searched + at + 2);
                return Ok(line);
            }
            searched = self.ahead.len().saturating_sub(1);
            self.more()?;
        }
    }

    fn exactly(&mut self, size: usize) -> io::Result<Vec<u8>> {
        while self.ahead.len() < size {
            self.more()?;
        }
        let rest = self.ahead.split_off(size);
        Ok(std::mem::replace(&mut self.ahead, rest))
    }
}

fn invalid(what: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

/// One request on a connection of its own; the answer, or how the connection ended.
pub fn try_request(
    address: SocketAddr,
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
    body: Option<&[u8]>,
) -> io::Result<Answer> {
    let mut connection = Connection::open(address)?;
    connection.send(&request_bytes(address, method, target, headers, body))?;
    connection.answer(method == "HEAD")
}

/// The bytes of a request.
pub fn request_bytes(
    address: SocketAddr,
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
    body: Option<&[u8]>,
) -> Vec<u8> {
    let mut bytes = format!("{method} {target} HTTP/1.1\r\nHost: {address}\r\n").into_bytes();
    for (name, value) in headers {
        bytes.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
    }
    if let Some(body) = body {
        bytes.extend_from_slice(format!("Content-Length: {}\r\n", body.len()).as_bytes());
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(body.unwrap_or_default());
    bytes
}

/// As [`try_request`]; panics when there is no answer.
pub fn request(
    address: SocketAddr,
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
    body: Option<&[u8]>,
) -> Answer {
    try_request(address, method, target, headers, body)
        .unwrap_or_else(|error| panic!("{method} {target}: {error}"))
}

/// GET with a peer's key.
pub fn get(address: SocketAddr, target: &str, key: &str) -> Answer {
    request(address, "GET", target, &[("X-Api-Key", key)], None)
}

/// True if `/ping` is answered.
pub fn ping(address: SocketAddr) -> bool {
    try_request(address, "GET", "/ping", &[("Connection", "close")], None)
        .is_ok_and(|answer| answer.status == 200 && answer.body == br#"{"status":"OK"}"#)
}

/// Percent-encodes everything that RFC 3986 does not call unreserved.
pub fn escape(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect()
}
