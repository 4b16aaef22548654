//! A client that trusts nothing: raw bytes out, answers read by their own framing, never for ever.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Longest wait for anything that must happen.
pub const PATIENCE: Duration = Duration::from_secs(20);

pub struct Client {
    pub stream: TcpStream,
    pub reader: BufReader<TcpStream>,
}

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut found = self
            .headers
            .iter()
            .filter(|(key, _)| key.eq_ignore_ascii_case(name));
        let value = found.next().map(|(_, value)| value.as_str());
        assert!(found.next().is_none(), "{name} twice");
        value
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

impl Client {
    pub fn connect(address: SocketAddr) -> Client {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        let reader = BufReader::new(stream.try_clone().unwrap());
        Client { stream, reader }
    }

    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).unwrap();
    }

    /// Sends until the other side takes no more; returns how much it took.
    pub fn flood(&mut self, piece: &[u8], most: usize) -> usize {
        self.stream
            .set_write_timeout(Some(Duration::from_millis(300)))
            .unwrap();
        let mut sent = 0;
        while sent < most {
            match self.stream.write(piece) {
                Ok(count) => sent += count,
                Err(_) => break,
            }
        }
        sent
    }

    pub fn line(&mut self) -> String {
        let mut line = String::new();
        self.reader.read_line(&mut line).unwrap();
        assert!(line.ends_with("\r\n"), "not a line: {line:?}");
        line.truncate(line.len() - 2);
        line
    }

    pub fn head(&mut self) -> Answer {
        let status_line = self.line();
        let status = status_line
            .strip_prefix("HTTP/1.1 ")
            .and_then(|rest| rest.get(..3))
            .and_then(|digits| digits.parse().ok());
        let mut headers = Vec::new();
        loop {
            let line = self.line();
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(": ").unwrap();
            assert!(
                !name.to_ascii_lowercase().starts_with("x-jackdaw"),
                "{line}"
            );
            headers.push((name.to_owned(), value.to_owned()));
        }
        Answer {
            status: status.unwrap_or_else(|| panic!("{status_line:?}")),
            headers,
            body: Vec::new(),
        }
    }

    pub fn answer(&mut self, method: &str) -> Answer {
        let mut answer = self.head();
        if method == "HEAD" || matches!(answer.status, 100..=199 | 204 | 304) {
            return answer;
        }
        if answer.header("Transfer-Encoding") == Some("chunked") {
            assert_eq!(answer.header("Content-Length"), None);
            loop {
                let size = usize::from_str_radix(&self.line(), 16).unwrap();
                let start = answer.body.len();
                answer.body.resize(start + size, 0);
                self.reader.read_exact(&mut answer.body[start..]).unwrap();
                assert_eq!(self.line(), "");
                if size == 0 {
                    return answer;
                }
            }
        }
        match answer.header("Content-Length") {
            Some(length) => {
                answer.body.resize(length.parse().unwrap(), 0);
                self.reader.read_exact(&mut answer.body).unwrap();
            }
            None => {
                self.reader.read_to_end(&mut answer.body).unwrap();
            }
        }
        answer
    }

    pub fn ask(&mut self, request: &str) -> Answer {
        self.send(request);
        self.answer(request.split(' ').next().unwrap_or_default())
    }

    /// Whether the other side has ended the connection (waits for it).
    pub fn is_ended(&mut self) -> bool {
        let mut rest = Vec::new();
        match self.reader.read_to_end(&mut rest) {
            Ok(_) => rest.is_empty(),
            Err(error) => error.kind() == ErrorKind::ConnectionReset,
        }
    }
}
