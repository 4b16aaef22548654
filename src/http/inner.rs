//! tiny_http on a Unix socket that only this process uses, and its supervision.
//!
//! tiny_http's accept loop ends for good at its first error (a full descriptor table) and dies
//! silently when its thread panics. Either way its listener is closed, so the front's next connect
//! is refused and the workers hear of it: whoever notices first builds the next generation on a
//! fresh path and says why in the log. No thread watches; nothing polls. tests/front_door.rs and
//! the tests below hold the traps.

use std::io::{self, ErrorKind};
use std::os::unix::net::{UnixListener, UnixStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use socket2::{Domain, SockAddr, Socket, Type};

use super::rundir::RunDir;
use crate::sys::lock;

/// How long a request waits for the inner server to take it, rebuilds included.
const CONNECT_PATIENCE: Duration = Duration::from_secs(2);
/// Longest wait inside one connect: a backlog that stays full so long means that nobody accepts.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// Pause between two tries.
const RETRY_PAUSE: Duration = Duration::from_millis(20);
/// Connections the kernel keeps for the accept thread; more than requests under way at once.
const BACKLOG: i32 = 256;

/// The inner server, whichever generation is alive.
pub struct Inner {
    places: Vec<PathBuf>,
    workers: usize,
    current: Mutex<Generation>,
    is_stopping: AtomicBool,
}

struct Generation {
    number: u64,
    directory: RunDir,
    address: SockAddr,
    /// Whether its replacement has failed and been reported.
    has_failed: bool,
    /// `None` once stopped.
    server: Option<Arc<tiny_http::Server>>,
}

impl Inner {
    /// Starts the first generation in the first usable one of `places`, for `workers` threads that
    /// will call [`Inner::next_request`].
    pub fn start(places: Vec<PathBuf>, workers: usize) -> Result<Arc<Inner>, String> {
        let directory = RunDir::create(&places)?;
        let (address, listener) = bind(&directory, 0).map_err(|error| error.to_string())?;
        Inner::serve(places, workers, directory, address, listener)
    }

    fn serve(
        places: Vec<PathBuf>,
        workers: usize,
        directory: RunDir,
        address: SockAddr,
        listener: UnixListener,
    ) -> Result<Arc<Inner>, String> {
        let server = build(listener).map_err(|error| error.to_string())?;
        Ok(Arc::new(Inner {
            places,
            workers,
            current: Mutex::new(Generation {
                number: 0,
                directory,
                address,
                has_failed: false,
                server: Some(server),
            }),
            is_stopping: AtomicBool::new(false),
        }))
    }

    /// Connects for one request, rebuilding a dead server on the way. Reads and writes on the
    /// connection wait at most [`CONNECT_TIMEOUT`] until the caller sets other limits.
    pub fn connect(&self) -> io::Result<UnixStream> {
        let deadline = Instant::now() + CONNECT_PATIENCE;
        loop {
            let (number, address) = {
                let current = lock(&self.current);
                (current.number, current.address.clone())
            };
            let error = match try_connect(&address) {
                Ok(stream) => return Ok(stream),
                Err(error) => error,
            };
            if Instant::now() >= deadline || self.is_stopping.load(Ordering::Relaxed) {
                return Err(error);
            }
            match error.kind() {
                ErrorKind::ConnectionRefused | ErrorKind::NotFound | ErrorKind::WouldBlock => {
                    self.rebuild(number, &error);
                }
                // Out of descriptors, most likely: some come free as other requests end.
                _ => std::thread::sleep(RETRY_PAUSE),
            }
        }
    }

    /// The next request for a worker; `None` once the server stops.
    pub fn next_request(&self) -> Option<tiny_http::Request> {
        loop {
            if self.is_stopping.load(Ordering::Relaxed) {
                return None;
            }
            let (number, server) = {
                let current = lock(&self.current);
                (current.number, current.server.clone())
            };
            match server?.recv() {
                Ok(request) => return Some(request),
                Err(_) if self.is_stopping.load(Ordering::Relaxed) => return None,
                // The other workers of this generation are woken by the rebuild; if it fails, this
                // one waits with them for the next connect to try again.
                Err(error) => self.rebuild(number, &error),
            }
        }
    }

    /// Ends the server: workers get `None`, connects fail.
    pub fn stop(&self) {
        self.is_stopping.store(true, Ordering::Relaxed);
        let server = lock(&self.current).server.take();
        if let Some(server) = server {
            for _ in 0..self.workers {
                server.unblock();
            }
        }
    }

    /// Removes what is left in the file system, once the workers have ended: tiny_http's accept
    /// thread is woken through the socket's path when the last of them lets go of the server.
    pub fn clean(&self) {
        lock(&self.current).directory.remove();
    }

    /// Replaces generation `number`, unless somebody else has done so already.
    fn rebuild(&self, number: u64, reason: &io::Error) {
        if self.is_stopping.load(Ordering::Relaxed) {
            return;
        }
        let mut current = lock(&self.current);
        if current.number != number {
            return;
        }
        let next = number + 1;
        let built = if current.directory.exists() {
            bind(&current.directory, next).map(|(address, listener)| (None, address, listener))
        } else {
            RunDir::create(&self.places)
                .map_err(io::Error::other)
                .and_then(|directory| {
                    let (address, listener) = bind(&directory, next)?;
                    Ok((Some(directory), address, listener))
                })
        }
        .and_then(|(directory, address, listener)| Ok((directory, address, build(listener)?)));
        match built {
            Ok((directory, address, server)) => {
                log::error!("the inner HTTP server had ended ({reason}); it runs again");
                let old = current.server.replace(server);
                current.address = address;
                current.number = next;
                current.has_failed = false;
                let old_directory =
                    directory.map(|directory| std::mem::replace(&mut current.directory, directory));
                drop(current);
                for old in old.iter() {
                    for _ in 0..self.workers {
                        old.unblock();
                    }
                }
                drop((old, old_directory));
            }
            Err(error) => {
                if !std::mem::replace(&mut current.has_failed, true) {
                    log::error!(
                        "the inner HTTP server has ended ({reason}) and cannot start: {error}; \
                         every request tries again"
                    );
                }
                drop(current);
                std::thread::sleep(RETRY_PAUSE);
            }
        }
    }
}

fn bind(directory: &RunDir, generation: u64) -> io::Result<(SockAddr, UnixListener)> {
    let path = directory.socket(generation);
    let address = SockAddr::unix(&path)?;
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.bind(&address)?;
    socket.listen(BACKLOG)?;
    Ok((address, socket.into()))
}

fn build(listener: UnixListener) -> io::Result<Arc<tiny_http::Server>> {
    // It panics when its accept thread cannot be started.
    catch_unwind(AssertUnwindSafe(|| {
        tiny_http::Server::from_listener(listener, None)
    }))
    .map_err(|_| io::Error::other("cannot start a thread"))?
    .map(Arc::new)
    .map_err(|error| io::Error::other(error.to_string()))
}

fn try_connect(address: &SockAddr) -> io::Result<UnixStream> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    // On Linux the send timeout bounds connect() as well.
    socket.set_write_timeout(Some(CONNECT_TIMEOUT))?;
    socket.connect(address)?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::Shutdown;

    use super::*;

    fn answer_everything(inner: &Arc<Inner>) -> std::thread::JoinHandle<()> {
        let inner = Arc::clone(inner);
        std::thread::spawn(move || {
            while let Some(request) = inner.next_request() {
                let _ = request.respond(tiny_http::Response::from_string("hello"));
            }
        })
    }

    fn ask(inner: &Inner) -> String {
        let mut stream = inner.connect().unwrap();
        stream
            .write_all(b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n")
            .unwrap();
        let mut answer = String::new();
        stream
            .set_read_timeout(Some(Duration::from_secs(10)))
            .unwrap();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    #[test]
    fn comes_back_when_the_accept_loop_has_ended() {
        let places = vec![std::env::temp_dir()];
        let directory = RunDir::create(&places).unwrap();
        let (address, listener) = bind(&directory, 0).unwrap();
        let handle = Socket::from(listener.try_clone().unwrap());
        let inner = Inner::serve(places, 2, directory, address, listener).unwrap();
        let workers = [answer_everything(&inner), answer_everything(&inner)];
        assert!(ask(&inner).ends_with("hello"));
        // accept() fails from now on, as it does when descriptors run out.
        handle.shutdown(Shutdown::Both).unwrap();
        drop(handle);
        for _ in 0..10 {
            assert!(ask(&inner).ends_with("hello"));
        }
        assert_eq!(lock(&inner.current).number, 1);
        inner.stop();
        for worker in workers {
            worker.join().unwrap();
        }
    }

    #[test]
    fn comes_back_when_its_directory_was_cleaned_away() {
        let inner = Inner::start(vec![std::env::temp_dir()], 1).unwrap();
        let worker = answer_everything(&inner);
        let socket = lock(&inner.current).directory.socket(0);
        std::fs::remove_dir_all(socket.parent().unwrap()).unwrap();
        assert!(ask(&inner).ends_with("hello"));
        assert!(lock(&inner.current).directory.exists());
        inner.stop();
        worker.join().unwrap();
    }
}
