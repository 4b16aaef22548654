//! A response as a value. Bodies are bytes, a bounded writer, or a file that the front door sends.

use std::any::Any;
use std::fs::File;
use std::io::{self, Write};
use std::sync::Arc;

/// Paces and counts the bytes of a file on its way out.
pub trait Pace: Send + Sync {
    /// Called before each piece: how many of `wanted` bytes may go now. Blocks at most a second
    /// at a time; 0 = ask again.
    fn permit(&self, wanted: u64) -> u64;
    /// Called after `sent` bytes have left of those `permitted`; the rest may go to others.
    fn sent(&self, sent: u64, permitted: u64);
}

/// A span of an open file, sent by the front door with sendfile.
pub struct FileBody {
    /// The open file; read from, never seeked.
    pub file: File,
    /// First byte.
    pub offset: u64,
    /// Number of bytes: exactly what `Content-Length` announces.
    pub length: u64,
    /// Rate limits and meters.
    pub pace: Option<Arc<dyn Pace>>,
    /// Dropped when the last byte has left or the connection ended (an upload slot, say).
    pub guard: Option<Box<dyn Any + Send>>,
}

/// Writes a body of unknown length, chunk by chunk; runs on a thread that may wait.
pub type BodyWriter = Box<dyn FnOnce(&mut dyn Write) -> io::Result<()> + Send>;

/// The body of a [`Response`].
pub enum Body {
    /// No body; `Content-Length: 0`.
    Empty,
    /// Bytes in memory.
    Bytes(Vec<u8>),
    /// Written item by item (long lists); sent chunked.
    Writer(BodyWriter),
    /// A file span.
    File(FileBody),
}

/// Status, headers and body. `Content-Length`, `Date` and `Connection` are added on the way out.
pub struct Response {
    /// Status code.
    pub status: u16,
    /// Headers; values must be free of CR and LF (they are checked).
    pub headers: Vec<(String, String)>,
    /// Body.
    pub body: Body,
}

impl Response {
    /// An empty answer.
    pub fn status(status: u16) -> Response {
        Response {
            status,
            headers: Vec::new(),
            body: Body::Empty,
        }
    }

    /// Bytes with a content type.
    pub fn bytes(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Response {
        Response {
            status,
            headers: vec![("Content-Type".into(), content_type.into())],
            body: Body::Bytes(body.into()),
        }
    }

    /// Already serialised JSON.
    pub fn json(status: u16, body: impl Into<Vec<u8>>) -> Response {
        Response::bytes(status, "application/json", body)
    }

    /// Plain text.
    pub fn text(status: u16, body: impl Into<Vec<u8>>) -> Response {
        Response::bytes(status, "text/plain; charset=UTF-8", body)
    }

    /// Adds a header.
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Response {
        self.headers.push((name.into(), value.into()));
        self
    }
}
