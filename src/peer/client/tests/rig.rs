//! A server for one request, and calls of it.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use crate::config;
use crate::peer::client::{PeerClient, PeerError, PeerQuery, SearchOutcome};
use crate::secret::Secret;

/// Long enough that a test never meets it unless something is broken.
pub const LONG: Duration = Duration::from_secs(30);

/// A server for one request: its address, and the request head once it came. `answer` gets the
/// connection after that.
pub fn respond(answer: impl FnOnce(&mut TcpStream) + Send + 'static) -> (String, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap() == 1 {
            head.push(byte[0]);
        }
        let _ = sender.send(String::from_utf8(head).unwrap());
        answer(&mut stream);
    });
    (url, receiver)
}

/// As [`respond`], with the bytes of the answer, after which the connection is closed.
pub fn respond_with(bytes: impl Into<Vec<u8>>) -> (String, Receiver<String>) {
    let bytes = bytes.into();
    respond(move |stream| {
        let _ = stream.write_all(&bytes);
    })
}

pub fn ok(body: &str) -> String {
    format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

pub fn client(url: &str) -> PeerClient {
    PeerClient::new(config::Peer {
        name: "alice".into(),
        url: url.into(),
        api_key: Secret::new("sesame"),
        headers: vec![("CF-Access-Client-Id".into(), Secret::new("me"))],
    })
}

/// Waits until the other side has closed.
pub fn hold(stream: &mut TcpStream) {
    let _ = stream.read(&mut [0]);
}

pub fn item(id: &str, extra: &str) -> String {
    format!(
        "{{\"id\":\"{id}\",\"title\":\"T.2000\",\"filename\":\"T.mkv\",\"category\":2000,\
         \"size\":5{extra}}}"
    )
}

pub fn search(
    answer: impl Into<Vec<u8>>,
    query: PeerQuery,
    etag: Option<&str>,
) -> (Result<SearchOutcome, PeerError>, Vec<String>, String) {
    let (url, head) = respond_with(answer);
    let mut ids = Vec::new();
    let outcome = client(&url).search(query, etag, LONG, &mut |release| ids.push(release.id));
    (outcome, ids, head.recv().unwrap())
}
