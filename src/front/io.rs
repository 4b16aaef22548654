//! One client's socket with deadlines: reads that end in time, writes that give up only on a
//! reader that takes nothing.
//!
//! The socket is blocking with short kernel timeouts; deadlines are kept here by looking at the
//! clock whenever a wait ends. Bytes read ahead (pipelined requests) wait in [`Inbox`], at most
//! one request head's worth.

use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use rustix::net::{RecvFlags, SendFlags};

use super::limits::{MAX_HEAD, Timeouts};
use super::table::Conn;

/// What one read takes from the socket; on the stack while the read lasts.
const READ_PIECE: usize = 4 * 1024;
/// An inbox larger than this is given back to the allocator between requests.
const KEPT_INBOX: usize = READ_PIECE;

/// A client's socket.
pub struct Client<'a> {
    conn: &'a Conn,
    stall: Duration,
    /// What SO_RCVTIMEO was last set to.
    read_timeout: Option<Duration>,
    /// Bytes that have arrived and are not consumed.
    pub inbox: Inbox,
}

impl<'a> Client<'a> {
    /// Wraps a connection whose listener had its send timeout set.
    pub fn new(conn: &'a Conn, timeouts: &Timeouts) -> Client<'a> {
        Client {
            conn,
            stall: timeouts.stall,
            read_timeout: None,
            inbox: Inbox::default(),
        }
    }

    /// The connection.
    pub fn conn(&self) -> &'a Conn {
        self.conn
    }

    /// Reads once into the inbox; 0 = the client has ended its side. `TimedOut` at `deadline`.
    pub fn fill(&mut self, deadline: Instant) -> io::Result<usize> {
        let mut piece = [0; READ_PIECE];
        let room = (MAX_HEAD + 1).saturating_sub(self.inbox.bytes().len());
        let piece = &mut piece[..room.min(READ_PIECE)];
        let count = self.read(piece, deadline)?;
        self.inbox.push(&piece[..count]);
        Ok(count)
    }

    /// Reads once past the inbox, which must be empty.
    pub fn read(&mut self, into: &mut [u8], deadline: Instant) -> io::Result<usize> {
        loop {
            let remaining = deadline.saturating_duration_since(Instant::now());
            if remaining.is_zero() {
                return Err(ErrorKind::TimedOut.into());
            }
            // One eighth of slack saves a system call for nearly every request.
            if self
                .read_timeout
                .is_none_or(|set| set > remaining + remaining / 8)
            {
                self.set_read_timeout(remaining)?;
            }
            match (&self.conn.stream).read(into) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.read_timeout = None,
                result => return result,
            }
        }
    }

    /// Whether bytes are waiting that nobody will read.
    pub fn has_unread(&self) -> bool {
        let mut byte = [0];
        let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
        !self.inbox.bytes().is_empty()
            || rustix::net::recv(self.conn.stream.as_fd(), &mut byte, flags)
                .is_ok_and(|(count, _)| count > 0)
    }

    fn set_read_timeout(&mut self, timeout: Duration) -> io::Result<()> {
        // Zero would mean no timeout at all.
        let timeout = timeout.max(Duration::from_millis(1));
        self.conn.stream.set_read_timeout(Some(timeout))?;
        self.read_timeout = Some(timeout);
        Ok(())
    }

    /// Writes all of `bytes`; gives up when none is taken for the stall limit.
    pub fn write_all(&self, bytes: &[u8]) -> io::Result<()> {
        self.send_all(bytes, |rest| (&self.conn.stream).write(rest))
    }

    /// The same for a head that a body follows at once, and a body of one byte at least: the kernel
    /// may keep it for the first full packet, which wakes the client once instead of twice.
    pub fn write_head(&self, bytes: &[u8]) -> io::Result<()> {
        let flags = SendFlags::MORE | SendFlags::NOSIGNAL;
        self.send_all(bytes, |rest| {
            Ok(rustix::net::send(self.conn.stream.as_fd(), rest, flags)?)
        })
    }

    fn send_all(
        &self,
        mut bytes: &[u8],
        send: impl Fn(&[u8]) -> io::Result<usize>,
    ) -> io::Result<()> {
        let mut progress = Progress::new(self.conn, self.stall);
        while !bytes.is_empty() {
            match progress.judge(send(bytes))? {
                0 => {}
                sent => bytes = &bytes[sent..],
            }
        }
        Ok(())
    }
}

/// Tells a slow reader from one that has stopped reading.
#[derive(Debug)]
pub struct Progress<'a> {
    conn: &'a Conn,
    stall: Duration,
    last: Instant,
    is_stalled: bool,
}

impl<'a> Progress<'a> {
    /// Progress of a connection that is busy, from now on.
    pub fn new(conn: &'a Conn, stall: Duration) -> Progress<'a> {
        Progress {
            conn,
            stall,
            last: Instant::now(),
            is_stalled: false,
        }
    }

    /// Something other than the reader made us wait: time starts anew.
    pub fn restart(&mut self) {
        self.last = Instant::now();
    }

    /// The result of a send: bytes sent, 0 when it is worth trying again, or an error when the
    /// connection is over (`TimedOut`: nothing was taken for the stall limit).
    pub fn judge(&mut self, result: io::Result<usize>) -> io::Result<usize> {
        let made_room = |_| io::Error::new(ErrorKind::ConnectionAborted, "closed to make room");
        match result {
            Ok(0) => Err(ErrorKind::WriteZero.into()),
            Ok(sent) => {
                self.last = Instant::now();
                if std::mem::take(&mut self.is_stalled) {
                    self.conn.begin_busy().map_err(made_room)?;
                }
                Ok(sent)
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => Ok(0),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                if self.last.elapsed() >= self.stall {
                    return Err(ErrorKind::TimedOut.into());
                }
                if !std::mem::replace(&mut self.is_stalled, true) {
                    self.conn.begin_stalled().map_err(made_room)?;
                }
                Ok(0)
            }
            Err(error) => Err(error),
        }
    }
}

/// Bytes that have arrived and are not consumed.
#[derive(Debug, Default)]
pub struct Inbox {
    buffer: Vec<u8>,
    start: usize,
}

impl Inbox {
    /// They.
    pub fn bytes(&self) -> &[u8] {
        &self.buffer[self.start..]
    }

    /// Forgets the first `count`.
    pub fn consume(&mut self, count: usize) {
        self.start += count;
        if self.start >= self.buffer.len() {
            self.start = 0;
            self.buffer.clear();
            if self.buffer.capacity() > KEPT_INBOX {
                self.buffer = Vec::new();
            }
        }
    }

    /// Gives its memory back if it is empty: before a wait that may be long.
    pub fn release(&mut self) {
        if self.buffer.is_empty() {
            self.buffer = Vec::new();
        }
    }

    fn push(&mut self, bytes: &[u8]) {
        if self.start > 0 {
            self.buffer.drain(..self.start);
            self.start = 0;
        }
        self.buffer.extend_from_slice(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inbox_keeps_what_is_not_consumed() {
        let mut inbox = Inbox::default();
        inbox.push(b"abcdef");
        inbox.consume(2);
        inbox.push(b"gh");
        assert_eq!(inbox.bytes(), b"cdefgh");
        inbox.consume(6);
        assert_eq!(inbox.bytes(), b"");
        inbox.push(&[0; KEPT_INBOX + 1]);
        inbox.consume(KEPT_INBOX + 1);
        assert_eq!(inbox.buffer.capacity(), 0);
    }

    #[test]
    fn only_a_reader_that_takes_nothing_is_cut() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let table = super::super::table::Table::new(1, Duration::ZERO);
        let conn = table.admit(client, [127, 0, 0, 1].into(), 0).unwrap();
        conn.begin_busy().unwrap();
        let wait = || Err(io::Error::from(ErrorKind::WouldBlock));
        let mut strict = Progress::new(&conn, Duration::ZERO);
        assert_eq!(strict.judge(Ok(1)).unwrap(), 1);
        assert_eq!(
            strict.judge(wait()).unwrap_err().kind(),
            ErrorKind::TimedOut
        );
        assert!(strict.judge(Err(ErrorKind::BrokenPipe.into())).is_err());
        let mut patient = Progress::new(&conn, Duration::from_secs(3600));
        assert_eq!(patient.judge(wait()).unwrap(), 0);
        assert_eq!(patient.judge(Ok(5)).unwrap(), 5);
        assert!(!table.evict_one(0), "busy again");
        assert_eq!(patient.judge(wait()).unwrap(), 0);
        assert!(table.evict_one(0), "stalled");
        assert_eq!(
            patient.judge(Ok(5)).unwrap_err().kind(),
            ErrorKind::ConnectionAborted
        );
    }
}
