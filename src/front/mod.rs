//! The front door: everything that strangers can reach.
//!
//! tiny_http alone cannot face them: one request with a large Content-Length aborts the process,
//! one HTTP/2 request line leaks a thread for ever, an endless header eats all memory. So the front
//! accepts TCP connections (`accept`, `table`), reads and vets one request at a time under
//! deadlines (`connection`, `head`, `fields`, `chunked`, `io`), sends it complete and bounded to
//! tiny_http (`relay`), and writes the answer; files leave from the front's own socket (`sendfile`,
//! `cache`). Every limit is in `limits`. tests/front_door.rs attacks it.

pub mod accept;
pub mod cache;
pub mod chunked;
pub mod connection;
pub mod fields;
pub mod head;
pub mod io;
pub mod limits;
pub mod relay;
pub mod sendfile;
pub mod table;

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::budget::{Budget, Gate};
use limits::{Limits, Timeouts};
use table::Table;

use crate::http::inner::Inner;
use crate::http::slots::Slots;

/// How long cut connections get to end.
const CUT_GRACE: Duration = Duration::from_millis(800);

/// What all connections share.
pub struct Shared {
    /// Connections.
    pub table: Table,
    /// Deadlines.
    pub timeouts: Timeouts,
    /// Largest request body of a method and raw path.
    pub body_limit: fn(&str, &str) -> u64,
    /// Memory for request bodies.
    pub bodies: Arc<Budget>,
    /// Places inside tiny_http.
    pub inside: Arc<Gate>,
    /// Answers on their way out.
    pub slots: Arc<Slots>,
    /// tiny_http.
    pub inner: Arc<Inner>,
    /// Files on their way out, for the page cache.
    pub files: cache::Files,
    /// Set once, when the server stops.
    pub is_stopping: AtomicBool,
}

/// What the front is made of.
pub struct Parts {
    /// Where it accepts.
    pub listeners: Vec<TcpListener>,
    /// How many of everything.
    pub limits: Limits,
    /// Deadlines.
    pub timeouts: Timeouts,
    /// Largest request body of a method and raw path.
    pub body_limit: fn(&str, &str) -> u64,
    /// Answers on their way out.
    pub slots: Arc<Slots>,
    /// tiny_http.
    pub inner: Arc<Inner>,
}

/// The running front.
pub struct Front {
    shared: Arc<Shared>,
    listeners: Vec<Arc<TcpListener>>,
    addresses: Vec<SocketAddr>,
    loops: Vec<JoinHandle<()>>,
}

impl Front {
    /// Starts accepting.
    pub fn start(parts: Parts) -> Result<Front, String> {
        let shared = Arc::new(Shared {
            table: Table::new(parts.limits.connections, parts.timeouts.crowded_idle),
            timeouts: parts.timeouts,
            body_limit: parts.body_limit,
            bodies: Budget::new(limits::MAX_BODIES),
            inside: Gate::new(parts.limits.inner),
            slots: parts.slots,
            inner: parts.inner,
            files: cache::Files::default(),
            is_stopping: AtomicBool::new(false),
        });
        let mut front = Front {
            shared,
            listeners: Vec::new(),
            addresses: Vec::new(),
            loops: Vec::new(),
        };
        for listener in parts.listeners {
            let address = listener
                .local_addr()
                .map_err(|error| format!("a listening socket has no address: {error}"))?;
            let listener = Arc::new(listener);
            let (its_listener, shared) = (Arc::clone(&listener), Arc::clone(&front.shared));
            let accepting = thread::Builder::new()
                .name("http-accept".into())
                .spawn(move || accept::run(&its_listener, &shared))
                .map_err(|error| format!("cannot start the thread that accepts: {error}"))?;
            front.listeners.push(listener);
            front.addresses.push(address);
            front.loops.push(accepting);
        }
        Ok(front)
    }

    /// Where it accepts, ports filled in.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Stops accepting, closes idle connections, lets short requests finish, then cuts the rest.
    pub fn stop(&mut self) {
        self.shared.is_stopping.store(true, Ordering::SeqCst);
        for listener in self.listeners.drain(..) {
            // Wakes accept(), which fails from now on.
            let socket = socket2::SockRef::from(&*listener);
            if let Err(error) = socket.shutdown(std::net::Shutdown::Both) {
                log::debug!("cannot shut a listening socket down: {error}");
            }
        }
        for accepting in self.loops.drain(..) {
            if accepting.join().is_err() {
                log::error!("an accept loop had panicked");
            }
        }
        let table = &self.shared.table;
        table.evict_idle();
        if !table.wait_until_empty(self.shared.timeouts.stop_grace) {
            table.cut_all();
            if !table.wait_until_empty(CUT_GRACE) {
                log::debug!("some requests were still under way when the server stopped");
            }
        }
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        if !self.shared.is_stopping.load(Ordering::SeqCst) {
            self.stop();
        }
    }
}
