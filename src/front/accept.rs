//! Listening sockets and the loops that accept from them.
//!
//! No error ends a loop. When descriptors run out, connections that are not busy make room; if all
//! are busy the newcomer is told 503 with the help of a descriptor kept back for that.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use rustix::io::Errno;
use socket2::{Domain, Protocol, Socket, TcpKeepalive, Type};

use super::limits::{BACKLOG, CONNECTION_STACK, NOTSENT_LOWAT, Timeouts};
use super::{Shared, connection};

/// Idle time before the kernel asks whether the other side is still there, and between questions.
const KEEPALIVE: Duration = Duration::from_secs(60);
/// How long the loop waits for a descriptor to come free before it tries again.
const EXHAUSTED_PAUSE: Duration = Duration::from_millis(50);

/// The whole answer for a connection there is no room for.
const NO_ROOM: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\n\
    Content-Length: 32\r\nRetry-After: 2\r\nConnection: close\r\n\r\n{\"error\":\"Too many connections\"}";

/// Listens on every address, or says which one cannot be used and why.
pub fn bind_all(addresses: &[SocketAddr], timeouts: &Timeouts) -> Result<Vec<TcpListener>, String> {
    if addresses.is_empty() {
        return Err("no address to listen on".into());
    }
    addresses
        .iter()
        .map(|address| {
            // `[::]` takes IPv4 too, unless the same port is asked for there as well.
            let is_v6_only = addresses
                .iter()
                .any(|other| other.is_ipv4() && other.port() == address.port());
            bind(*address, is_v6_only, timeouts).map_err(|error| {
                let hint = match error.kind() {
                    ErrorKind::AddrInUse => ": another program uses this port",
                    ErrorKind::AddrNotAvailable => ": this machine does not have that address",
                    ErrorKind::PermissionDenied => ": ports below 1024 need a privilege",
                    _ => "",
                };
                format!("cannot listen on {address}: {error}{hint}")
            })
        })
        .collect()
}

fn bind(address: SocketAddr, is_v6_only: bool, timeouts: &Timeouts) -> io::Result<TcpListener> {
    let domain = Domain::for_address(address);
    let socket = Socket::new(domain, Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    if domain == Domain::IPV6 {
        socket.set_only_v6(is_v6_only)?;
    }
    socket.bind(&address.into())?;
    // Accepted sockets inherit all of these. Never a receive timeout here: accept() obeys it too.
    socket.set_tcp_nodelay(true)?;
    socket.set_write_timeout(Some(timeouts.send_poll))?;
    let keepalive = TcpKeepalive::new()
        .with_time(KEEPALIVE)
        .with_interval(KEEPALIVE);
    let wishes = [
        ("keepalive", socket.set_tcp_keepalive(&keepalive)),
        (
            "TCP_USER_TIMEOUT",
            socket.set_tcp_user_timeout(Some(timeouts.stall)),
        ),
        (
            "TCP_NOTSENT_LOWAT",
            socket.set_tcp_notsent_lowat(NOTSENT_LOWAT),
        ),
    ];
    for (name, result) in wishes {
        if let Err(error) = result {
            log::warn!("the system refuses {name} ({error}): dead connections are noticed later");
        }
    }
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Accepts until the server stops.
pub fn run(listener: &TcpListener, shared: &Arc<Shared>) {
    let mut spare = open_spare();
    let mut last_error: Option<ErrorKind> = None;
    while !shared.is_stopping.load(Ordering::Relaxed) {
        match listener.accept() {
            Ok((stream, address)) => {
                last_error = None;
                welcome(stream, address.ip().to_canonical(), shared);
            }
            Err(_) if shared.is_stopping.load(Ordering::Relaxed) => return,
            Err(error) if is_about_one_connection(&error) => {}
            Err(error) => {
                if last_error != Some(error.kind()) {
                    log::error!("cannot accept connections: {error}; trying again");
                    last_error = Some(error.kind());
                }
                if is_exhausted(&error) && !shared.table.evict_one(shared.table.now()) {
                    spare = refuse_with_spare(listener, spare);
                }
                shared.table.wait_for_change(EXHAUSTED_PAUSE);
            }
        }
        if spare.is_none() {
            spare = open_spare();
        }
    }
}

/// Gives the connection a thread, or tells it that there is no room.
fn welcome(stream: TcpStream, remote: IpAddr, shared: &Arc<Shared>) {
    let conn = match shared.table.admit(stream, remote, shared.table.now()) {
        Ok(conn) => conn,
        Err(stream) => return refuse(&stream),
    };
    let (its_conn, its_shared) = (Arc::clone(&conn), Arc::clone(shared));
    let spawned = thread::Builder::new()
        .name("http-connection".into())
        .stack_size(CONNECTION_STACK)
        .spawn(move || {
            connection::run(&its_conn, &its_shared);
            its_shared.table.leave(&its_conn);
        });
    if let Err(error) = spawned {
        log::error!("cannot start a thread for a connection: {error}");
        refuse(&conn.stream);
        shared.table.leave(&conn);
    }
}

/// Says 503 without ever waiting: the buffers of a new connection are empty.
fn refuse(mut stream: &TcpStream) {
    if stream.set_nonblocking(true).is_ok() {
        let _ = stream.write_all(NO_ROOM);
        let _ = stream.shutdown(Shutdown::Write);
        // What has arrived already would turn the close into a reset that overtakes the answer.
        let _ = stream.read(&mut [0; 1024]);
    }
}

/// Uses the spare descriptor to take one connection off the queue and refuse it.
fn refuse_with_spare(listener: &TcpListener, spare: Option<File>) -> Option<File> {
    drop(spare?);
    if let Ok((stream, _)) = listener.accept() {
        refuse(&stream);
    }
    open_spare()
}

fn open_spare() -> Option<File> {
    File::open("/dev/null").ok()
}

/// Errors of accept() that concern only the connection that was about to be accepted.
fn is_about_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset | ErrorKind::Interrupted
    )
}

fn is_exhausted(error: &io::Error) -> bool {
    let exhausted = [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM];
    exhausted
        .iter()
        .any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_refusal_is_a_correct_answer() {
        let text = std::str::from_utf8(NO_ROOM).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("Content-Length: {}\r\n", body.len())));
        let mut headers = [httparse::EMPTY_HEADER; 8];
        let mut response = httparse::Response::new(&mut headers);
        assert!(response.parse(NO_ROOM).unwrap().is_complete());
        assert_eq!(response.code, Some(503));
    }

    #[test]
    fn an_address_in_use_is_named() {
        let timeouts = Timeouts::default();
        let first = bind_all(&["127.0.0.1:0".parse().unwrap()], &timeouts).unwrap();
        let address = first[0].local_addr().unwrap();
        let error = bind_all(&[address], &timeouts).unwrap_err();
        assert!(
            error.starts_with(&format!("cannot listen on {address}: ")),
            "{error}"
        );
        assert!(error.ends_with("another program uses this port"), "{error}");
        assert!(bind_all(&[], &timeouts).is_err());
    }

    #[test]
    fn accepted_sockets_inherit_the_options() {
        let timeouts = Timeouts::default();
        let listener = bind("127.0.0.1:0".parse().unwrap(), false, &timeouts).unwrap();
        let _client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let accepted = Socket::from(listener.accept().unwrap().0);
        assert!(accepted.tcp_nodelay().unwrap());
        assert!(accepted.keepalive().unwrap());
        assert_eq!(accepted.tcp_user_timeout().unwrap(), Some(timeouts.stall));
        assert_eq!(accepted.tcp_notsent_lowat().unwrap(), NOTSENT_LOWAT);
        assert_eq!(accepted.write_timeout().unwrap(), Some(timeouts.send_poll));
    }
}
