//! Sends a span of a file from the front's own socket: sendfile, or a bounded loop where the file
//! system does not allow it.
//!
//! Offsets and lengths are `u64`. A file that is shorter than announced, a read error or a reader
//! that takes nothing ends the connection: the span is never padded and nothing follows it. A
//! stalled reader costs this thread's stack and nothing else.

use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::net::TcpStream;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::io::Errno;

use super::cache::{Advisor, Files};
use super::io::Progress;
use super::limits::Timeouts;
use super::table::Conn;
use crate::http::FileBody;

/// Bytes of one sendfile call: larger ones are no faster, and a rate limit, a stop or a drop of
/// cached pages waits for the end of a call.
const PIECE: u64 = 2 * 1024 * 1024;
/// Buffer of the fallback.
const FALLBACK_BUFFER: usize = 64 * 1024;

/// Sends `body`; an error means that the connection must end. `is_stopping` cuts between pieces;
/// `files` are those that are being sent.
pub fn send(
    conn: &Conn,
    body: &FileBody,
    timeouts: &Timeouts,
    is_stopping: &AtomicBool,
    files: &Files,
) -> io::Result<()> {
    let stream = &conn.stream;
    let mut position = body.offset;
    let end = body
        .offset
        .checked_add(body.length)
        .ok_or(ErrorKind::InvalidInput)?;
    let mut advisor = Advisor::new(files, &body.file, body.offset, body.length);
    let mut progress = Progress::new(conn, timeouts.stall);
    let mut fallback: Option<Vec<u8>> = None;
    while position < end {
        if is_stopping.load(Ordering::Relaxed) {
            return Err(ErrorKind::Interrupted.into());
        }
        let wanted = PIECE.min(end - position);
        let allowed = match &body.pace {
            Some(pace) => pace.permit(wanted).min(wanted),
            None => wanted,
        };
        if allowed == 0 {
            // The rate limit makes us wait, not the reader.
            progress.restart();
            continue;
        }
        advisor.reached(position);
        let result = match &mut fallback {
            None => sendfile(stream, &body.file, position, allowed),
            Some(buffer) => copy(stream, &body.file, position, allowed, buffer),
        };
        if let (Err(error), None) = (&result, &fallback)
            && is_unsupported(error)
        {
            log::debug!("no sendfile for this file ({error}): copying instead");
            fallback = Some(vec![0; FALLBACK_BUFFER]);
            continue;
        }
        if matches!(result, Ok(0)) {
            return Err(io::Error::new(
                ErrorKind::UnexpectedEof,
                format!("the file ends at {position}, not at {end}: it has shrunk"),
            ));
        }
        let sent = progress.judge(result)? as u64;
        position += sent;
        if let Some(pace) = &body.pace {
            pace.sent(sent, allowed);
        }
    }
    Ok(())
}

fn sendfile(stream: &TcpStream, file: &File, position: u64, count: u64) -> io::Result<usize> {
    let mut offset = position;
    let count = usize::try_from(count).unwrap_or(FALLBACK_BUFFER);
    Ok(rustix::fs::sendfile(
        stream.as_fd(),
        file.as_fd(),
        Some(&mut offset),
        count,
    )?)
}

fn is_unsupported(error: &io::Error) -> bool {
    let unsupported = [Errno::INVAL, Errno::NOSYS, Errno::OPNOTSUPP];
    unsupported
        .iter()
        .any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}

/// Reads a piece and writes what the socket takes of it.
fn copy(
    mut stream: &TcpStream,
    file: &File,
    position: u64,
    count: u64,
    buffer: &mut [u8],
) -> io::Result<usize> {
    let count = usize::try_from(count).map_or(buffer.len(), |count| count.min(buffer.len()));
    let read = file.read_at(&mut buffer[..count], position)?;
    if read == 0 {
        return Ok(0);
    }
    stream.write(&buffer[..read])
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::net::TcpListener;
    use std::sync::Arc;
    use std::sync::atomic::AtomicU64;

    use super::*;
    use crate::http::Pace;

    fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (server, _) = listener.accept().unwrap();
        (client, server)
    }

    fn conn(stream: TcpStream) -> Arc<Conn> {
        let table = crate::front::table::Table::new(1, std::time::Duration::ZERO);
        let conn = table.admit(stream, [127, 0, 0, 1].into(), 0).unwrap();
        conn.begin_busy().unwrap();
        conn
    }

    fn file_of(bytes: &[u8], name: &str) -> File {
        let path = std::env::temp_dir().join(format!("jackdaw-send-{name}-{}", std::process::id()));
        std::fs::write(&path, bytes).unwrap();
        let file = File::options().read(true).write(true).open(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        file
    }

    fn pattern(length: usize) -> Vec<u8> {
        (0..length).map(|at| (at % 251) as u8).collect()
    }

    struct Tight {
        permits: AtomicU64,
        sent: AtomicU64,
    }

    impl Pace for Tight {
        fn permit(&self, wanted: u64) -> u64 {
            // Every other call says "not yet"; the rest allow a little, once more than asked for.
            match self.permits.fetch_add(1, Ordering::Relaxed) {
                0 => wanted + 1,
                count if count % 2 == 1 => 0,
                _ => 10_007,
            }
        }

        fn sent(&self, sent: u64, permitted: u64) {
            assert!(sent <= permitted);
            self.sent.fetch_add(sent, Ordering::Relaxed);
        }
    }

    #[test]
    fn span_is_exact_and_paced() {
        let content = pattern(3_000_000);
        let pace = Arc::new(Tight {
            permits: AtomicU64::new(0),
            sent: AtomicU64::new(0),
        });
        let body = FileBody {
            file: file_of(&content, "exact"),
            offset: 17,
            length: 2_900_000,
            pace: Some(pace.clone()),
            guard: None,
        };
        let (mut client, server) = pair();
        let server = conn(server);
        let sender = std::thread::spawn(move || {
            send(
                &server,
                &body,
                &Timeouts::default(),
                &AtomicBool::new(false),
                &Files::default(),
            )
        });
        let mut got = Vec::new();
        client.read_to_end(&mut got).unwrap();
        sender.join().unwrap().unwrap();
        assert!(got == content[17..2_900_017]);
        assert_eq!(pace.sent.load(Ordering::Relaxed), 2_900_000);
    }

    #[test]
    fn short_file_is_an_error_never_padding() {
        let body = FileBody {
            file: file_of(&pattern(1000), "short"),
            offset: 0,
            length: 1001,
            pace: None,
            guard: None,
        };
        let (mut client, server) = pair();
        let server = conn(server);
        let error = send(
            &server,
            &body,
            &Timeouts::default(),
            &AtomicBool::new(false),
            &Files::default(),
        );
        assert_eq!(error.unwrap_err().kind(), ErrorKind::UnexpectedEof);
        drop(server);
        let mut got = Vec::new();
        client.read_to_end(&mut got).unwrap();
        assert!(got == pattern(1000));
    }

    #[test]
    fn fallback_copies_the_same_bytes() {
        let content = pattern(200_000);
        let file = file_of(&content, "copy");
        let (mut client, server) = pair();
        let reader = std::thread::spawn(move || {
            let mut got = Vec::new();
            client.read_to_end(&mut got).unwrap();
            got
        });
        let mut buffer = vec![0; FALLBACK_BUFFER];
        let mut position = 5;
        while position < 150_005 {
            let sent = copy(&server, &file, position, 150_005 - position, &mut buffer).unwrap();
            position += sent as u64;
        }
        assert_eq!(copy(&server, &file, 200_000, 5, &mut buffer).unwrap(), 0);
        drop(server);
        assert!(reader.join().unwrap() == content[5..150_005]);
        // What sendfile says of a source it cannot read.
        let (client, server) = pair();
        let not_a_file = File::from(std::os::fd::OwnedFd::from(client));
        assert!(
            is_unsupported(&sendfile(&server, &not_a_file, 0, 5).unwrap_err())
                || sendfile(&server, &not_a_file, 0, 5)
                    .unwrap_err()
                    .raw_os_error()
                    == Some(Errno::SPIPE.raw_os_error())
        );
    }

    #[test]
    fn stop_cuts_a_transfer() {
        let body = FileBody {
            file: file_of(&pattern(10), "stop"),
            offset: 0,
            length: 10,
            pace: None,
            guard: None,
        };
        let (_client, server) = pair();
        let server = conn(server);
        let result = send(
            &server,
            &body,
            &Timeouts::default(),
            &AtomicBool::new(true),
            &Files::default(),
        );
        assert!(result.is_err());
    }
}
