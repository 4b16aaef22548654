//! HTTP behind the front door: requests and responses as values, the router, and the tiny_http
//! server that carries them.
//!
//! [`Server::start`] puts the parts together: `inner` (tiny_http on a Unix socket, supervised),
//! `workers` (the threads that run handlers), `slots` (files and large answers on their way to the
//! front) and [`crate::front`] (everything that strangers can reach). Values and decisions
//! (`request`, `form`, `router`, `ranges`, `conditional`) are pure.

pub mod base64;
pub mod conditional;
mod crew;
pub mod file;
pub mod form;
pub mod inner;
pub mod panics;
pub mod percent;
pub mod ranges;
pub mod reply;
pub mod request;
pub mod response;
pub mod router;
pub mod rundir;
pub mod slots;
pub mod workers;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

pub use file::file_response;
pub use form::{Form, FormError, Upload};
pub use request::{Method, ParamError, Params, Request};
pub use response::{Body, FileBody, Pace, Response};
pub use router::{Access, Route, Weight, not_found, unauthorized};

use crate::budget::Gate;
use crate::front::limits::{self, Limits, Timeouts};
use crate::front::{self, Front};
use crate::keys::Caller;

/// How long a worker inside a handler is waited for when the server stops; its client has been
/// cut by then.
const WORKER_GRACE: Duration = Duration::from_millis(300);

/// What the server needs to know.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Addresses to accept on; port 0 takes a free one.
    pub listen: Vec<SocketAddr>,
    /// Path prefix served beside bare paths: `""` or `/x/y`.
    pub path_prefix: String,
    /// Threads for short requests.
    pub http_workers: usize,
    /// Connections at once; lowered to what the limit on descriptors allows.
    pub max_connections: usize,
    /// Where the inner socket's private directory is tried first (the data folder); then
    /// `$XDG_RUNTIME_DIR` and the system's temporary directory.
    pub run_in: Option<PathBuf>,
    /// Largest request body of a method and raw path, in bytes.
    pub body_limit: fn(&str, &str) -> u64,
    /// Deadlines.
    pub timeouts: Timeouts,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            listen: Vec::new(),
            path_prefix: String::new(),
            http_workers: 4,
            max_connections: 256,
            run_in: None,
            body_limit: limits::body_limit,
            timeouts: Timeouts::default(),
        }
    }
}

/// The running server; stops when dropped.
pub struct Server {
    front: Front,
    inner: Arc<inner::Inner>,
    workers: workers::Workers,
}

impl Server {
    /// Starts everything. `identify` says whose key a request presents (see
    /// [`Request::presented_key`]) on routes with [`Access::Peer`] and [`Access::Owner`].
    /// The error is one line for the owner: an address that cannot be used is named.
    pub fn start<S: Send + Sync + 'static>(
        settings: Settings,
        routes: &'static [Route<S>],
        state: Arc<S>,
        identify: fn(&S, &Request) -> Option<Caller>,
    ) -> Result<Server, String> {
        panics::install();
        let descriptors = crate::sys::raise_descriptor_limit();
        let limits = Limits::fit(descriptors, settings.max_connections);
        if limits.connections < settings.max_connections {
            log::warn!(
                "max_connections lowered from {} to {}: only {descriptors} open descriptors are allowed",
                settings.max_connections,
                limits.connections
            );
        }
        // Addresses first: a port in use is the likeliest failure, and nothing is to be undone.
        let listeners = front::accept::bind_all(&settings.listen, &settings.timeouts)?;
        let slots = slots::Slots::new()?;
        let http_workers = settings.http_workers.max(1);
        let inner = inner::Inner::start(run_places(settings.run_in), http_workers)?;
        let app = Arc::new(workers::App {
            routes,
            state,
            identify,
            prefix: settings.path_prefix,
            slots: Arc::clone(&slots),
            long: Gate::new(limits.long),
            long_of_friends: Gate::new((limits.long / 2).max(1)),
            long_threads: workers::long_threads(),
        });
        let workers = workers::start(&app, &inner, http_workers)?;
        let front = Front::start(front::Parts {
            listeners,
            limits,
            timeouts: settings.timeouts,
            body_limit: settings.body_limit,
            slots,
            inner: Arc::clone(&inner),
        })?;
        Ok(Server {
            front,
            inner,
            workers,
        })
    }

    /// The addresses it accepts on, ports filled in.
    pub fn addresses(&self) -> &[SocketAddr] {
        self.front.addresses()
    }

    /// Stops gracefully, within about three seconds: no new connections, idle ones closed, short
    /// requests finished, long transfers cut. Calling it again does nothing.
    pub fn stop(&mut self) {
        self.front.stop();
        self.inner.stop();
        self.workers.wait(WORKER_GRACE);
        self.inner.clean();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Where the inner socket's directory may be made, in order of preference. The data folder comes
/// first: cleaners of temporary directories leave it alone.
fn run_places(first: Option<PathBuf>) -> Vec<PathBuf> {
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    let absolute = |path: PathBuf| std::path::absolute(&path).unwrap_or(path);
    first
        .into_iter()
        .map(absolute)
        .chain(runtime.filter(|path| path.is_absolute()))
        .chain([std::env::temp_dir()])
        .collect()
}
