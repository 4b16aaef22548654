//! The network under the peer client: ureq's resolver and TCP transport, with waits that end.
//!
//! Every wait (name lookup, connecting, each read and each write) is cut into slices of [`SLICE`];
//! between slices a cancel flag is looked at, so cancelling takes effect within a second whatever
//! the network does. A read that brings no byte for the idle limit fails as timed out. Only waits
//! count: the time a caller spends writing to its disk is between two waits. TLS runs above this,
//! so its handshake and records obey the same rules. No proxy from the environment, no connection
//! is kept: calls to a friend are minutes apart, and a stale connection only makes a false error.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use socket2::{Domain, Protocol, Socket, Type};
use ureq::Agent;
use ureq::config::{Config, ConfigBuilder};
use ureq::typestate::AgentScope;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, LazyBuffers, NextTimeout, RustlsConnector, Transport,
};

/// Longest uninterrupted wait: half of the second within which cancelling must take effect.
const SLICE: Duration = Duration::from_millis(500);

/// Lookup, connecting and TLS handshake each get this long at most.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// A request head must leave within this time.
const SEND_TIMEOUT: Duration = Duration::from_secs(30);

/// Buffers of a connection that carries JSON. A response head must fit into the first, a request
/// line or header (a long access token, say) into the second.
const CALL_BUFFERS: (usize, usize) = (32 * 1024, 32 * 1024);

/// Buffers of a connection that carries a file: fewer, larger reads cost less per GiB.
const FILE_BUFFERS: (usize, usize) = (128 * 1024, 32 * 1024);

/// Name lookups that may hang at once. The C library cannot be interrupted, so a lookup that is
/// given up leaves its thread behind for up to half a minute.
const MAX_LOOKUPS: usize = 32;

/// Stack of a lookup thread; getaddrinfo uses some tens of KiB.
const LOOKUP_STACK: usize = 256 * 1024;

/// What ends the waits of one call.
#[derive(Debug)]
pub struct Watch {
    cancel: Arc<AtomicBool>,
    idle: Duration,
}

impl Watch {
    /// Waits end within a second of `cancel` being set, and after `idle` without a byte.
    pub fn new(cancel: Arc<AtomicBool>, idle: Duration) -> Watch {
        Watch { cancel, idle }
    }

    /// True once the call was cancelled.
    pub fn is_cancelled(&self) -> bool {
        self.cancel.load(Ordering::Relaxed)
    }

    /// The idle limit.
    pub fn idle(&self) -> Duration {
        self.idle
    }

    fn check(&self) -> io::Result<()> {
        if self.is_cancelled() {
            // Not `Interrupted`: readers retry that kind by themselves.
            Err(io::Error::other("cancelled"))
        } else {
            Ok(())
        }
    }
}

/// What an [`agent`] will carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Load {
    /// JSON, with a limit on the whole call.
    Call(Duration),
    /// A file: no limit on the whole.
    File,
}

/// An agent for one call. Redirects come back as answers and are not followed: the key in the
/// headers must not travel to another host.
pub fn agent(watch: Arc<Watch>, load: Load) -> Agent {
    let config = config(&watch, load).build();
    let lookup = Lookup(Arc::clone(&watch));
    Agent::with_parts(config, ().chain(Dialer(watch)).chain(SharedTls), lookup)
}

fn config(watch: &Watch, load: Load) -> ConfigBuilder<AgentScope> {
    let (whole, (input, output)) = match load {
        Load::Call(whole) => (Some(whole), CALL_BUFFERS),
        Load::File => (None, FILE_BUFFERS),
    };
    Agent::config_builder()
        .http_status_as_error(false)
        .proxy(None)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .user_agent(concat!("jackdaw/", env!("CARGO_PKG_VERSION")))
        .accept_encoding("identity")
        .max_idle_connections(0)
        .max_idle_connections_per_host(0)
        .input_buffer_size(input)
        .output_buffer_size(output)
        .max_response_header_size(CALL_BUFFERS.0)
        .timeout_global(whole)
        .timeout_resolve(Some(CONNECT_TIMEOUT))
        .timeout_connect(Some(CONNECT_TIMEOUT))
        .timeout_send_request(Some(SEND_TIMEOUT))
        .timeout_recv_response(Some(watch.idle))
}

/// One TLS client for all friends: the root certificates and resumable sessions are held once.
static TLS: LazyLock<RustlsConnector> = LazyLock::new(RustlsConnector::default);

#[derive(Debug)]
struct SharedTls;

impl<In: Transport> Connector<In> for SharedTls {
    type Out = <RustlsConnector as Connector<In>>::Out;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        chained: Option<In>,
    ) -> Result<Option<Self::Out>, ureq::Error> {
        TLS.connect(details, chained)
    }
}

/// Name lookup on a thread of its own, so that the caller can give up.
#[derive(Debug)]
struct Lookup(Arc<Watch>);

/// Counts running lookups; gives its place back when dropped.
struct LookupPlace(&'static AtomicUsize);

static LOOKUPS: AtomicUsize = AtomicUsize::new(0);

impl LookupPlace {
    fn take(lookups: &'static AtomicUsize) -> Option<LookupPlace> {
        lookups
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |running| {
                (running < MAX_LOOKUPS).then_some(running + 1)
            })
            .ok()
            .map(|_| LookupPlace(lookups))
    }
}

impl Drop for LookupPlace {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Resolver for Lookup {
    fn resolve(
        &self,
        uri: &ureq::http::Uri,
        _config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let target = uri
            .scheme()
            .zip(uri.authority())
            .and_then(|(scheme, authority)| DefaultResolver::host_and_port(scheme, authority))
            .ok_or_else(|| ureq::Error::BadUri(uri.to_string()))?;
        let found = match target.parse::<SocketAddr>() {
            Ok(address) => vec![address],
            Err(_) => self.look_up(target, timeout)?,
        };
        let mut addresses = self.empty();
        // As many as ureq's list can hold.
        for address in found.into_iter().take(16) {
            addresses.push(address);
        }
        if addresses.is_empty() {
            return Err(ureq::Error::HostNotFound);
        }
        Ok(addresses)
    }
}

impl Lookup {
    fn look_up(
        &self,
        target: String,
        timeout: NextTimeout,
    ) -> Result<Vec<SocketAddr>, ureq::Error> {
        let place = LookupPlace::take(&LOOKUPS)
            .ok_or_else(|| io::Error::other("too many name lookups are hanging already"))?;
        let (sender, receiver) = mpsc::sync_channel(1);
        std::thread::Builder::new()
            .name("lookup".into())
            .stack_size(LOOKUP_STACK)
            .spawn(move || {
                let _place = place;
                let found = target.to_socket_addrs().map(|found| found.collect());
                // Nobody listens any more if the caller gave up; that is fine.
                let _ = sender.send(found);
            })?;
        await_lookup(&receiver, timeout, &self.0)
    }
}

type Found = io::Result<Vec<SocketAddr>>;

/// Waits for a lookup, however long the C library takes for it.
fn await_lookup(
    receiver: &mpsc::Receiver<Found>,
    timeout: NextTimeout,
    watch: &Watch,
) -> Result<Vec<SocketAddr>, ureq::Error> {
    let started = Instant::now();
    loop {
        watch.check()?;
        let left = timeout.after.saturating_sub(started.elapsed());
        if left.is_zero() {
            return Err(ureq::Error::Timeout(timeout.reason));
        }
        match receiver.recv_timeout(left.min(SLICE)) {
            Ok(found) => return found.map_err(|_| ureq::Error::HostNotFound),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Err(ureq::Error::HostNotFound),
        }
    }
}

/// Opens TCP connections.
#[derive(Debug)]
struct Dialer(Arc<Watch>);

impl Connector<()> for Dialer {
    type Out = Wire;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        _chained: Option<()>,
    ) -> Result<Option<Wire>, ureq::Error> {
        let started = Instant::now();
        let mut last = None;
        let count = details.addrs.len();
        for (index, address) in details.addrs.iter().enumerate() {
            let left = details.timeout.after.saturating_sub(started.elapsed());
            if left.is_zero() {
                break;
            }
            // A dead first address (IPv6 without a route, often) must leave time for the others.
            let share = if index + 1 < count { left / 2 } else { left };
            match dial(*address, share, &self.0) {
                Ok(stream) => {
                    let (input, output) = (
                        details.config.input_buffer_size(),
                        details.config.output_buffer_size(),
                    );
                    return Ok(Some(Wire {
                        stream,
                        buffers: LazyBuffers::new(input, output),
                        watch: Arc::clone(&self.0),
                        read_timeout: Duration::ZERO,
                        write_timeout: Duration::ZERO,
                    }));
                }
                Err(error) if self.0.is_cancelled() => return Err(error.into()),
                Err(error) => last = Some(error),
            }
        }
        Err(match last {
            Some(error) => error.into(),
            None => ureq::Error::Timeout(details.timeout.reason),
        })
    }
}

/// Connects in slices. Linux lets the send timeout bound `connect`, which then answers that the
/// attempt is in progress; calling it again waits on (connect(2), EINPROGRESS and EALREADY).
fn dial(address: SocketAddr, limit: Duration, watch: &Watch) -> io::Result<TcpStream> {
    let started = Instant::now();
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    loop {
        watch.check()?;
        let left = limit.saturating_sub(started.elapsed());
        if left.is_zero() {
            return Err(io::Error::new(
                io::ErrorKind::TimedOut,
                format!("no connection to {address} within {limit:.0?}"),
            ));
        }
        // A zero timeout would mean for ever.
        socket.set_write_timeout(Some(left.clamp(Duration::from_millis(1), SLICE)))?;
        match socket.connect(&address.into()) {
            Ok(()) => break,
            Err(error) => match error.raw_os_error().map(Errno::from_raw_os_error) {
                Some(Errno::INPROGRESS | Errno::ALREADY | Errno::INTR | Errno::AGAIN) => {}
                Some(Errno::ISCONN) => break,
                _ => return Err(error),
            },
        }
    }
    socket.set_tcp_nodelay(true)?;
    Ok(socket.into())
}

/// A TCP connection whose waits are watched.
struct Wire {
    stream: TcpStream,
    buffers: LazyBuffers,
    watch: Arc<Watch>,
    /// Socket timeouts as they are set, so that they are set only when they change.
    read_timeout: Duration,
    write_timeout: Duration,
}

impl std::fmt::Debug for Wire {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Wire").finish_non_exhaustive()
    }
}

/// One wait on the network: how long it may still last.
struct Wait<'a> {
    watch: &'a Watch,
    timeout: NextTimeout,
    started: Instant,
}

impl Wait<'_> {
    /// Length of the next slice, or why there is none.
    fn slice(&self) -> Result<Duration, ureq::Error> {
        self.watch.check()?;
        let elapsed = self.started.elapsed();
        let whole = self.timeout.after.saturating_sub(elapsed);
        if whole.is_zero() {
            return Err(ureq::Error::Timeout(self.timeout.reason));
        }
        let idle = self.watch.idle.saturating_sub(elapsed);
        if idle.is_zero() {
            return Err(io::Error::from(io::ErrorKind::TimedOut).into());
        }
        Ok(whole.min(idle).clamp(Duration::from_millis(1), SLICE))
    }
}

/// The kinds with which a slice ends without anything having happened.
fn is_slice_end(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted
    )
}

impl Transport for Wire {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        let wait = Wait {
            watch: &self.watch,
            timeout,
            started: Instant::now(),
        };
        let mut sent = 0;
        while sent < amount {
            let slice = wait.slice()?;
            if slice != self.write_timeout {
                self.stream.set_write_timeout(Some(slice))?;
                self.write_timeout = slice;
            }
            match self.stream.write(&self.buffers.output()[sent..amount]) {
                Ok(0) => return Err(io::Error::from(io::ErrorKind::WriteZero).into()),
                Ok(written) => sent += written,
                Err(error) if is_slice_end(&error) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        let wait = Wait {
            watch: &self.watch,
            timeout,
            started: Instant::now(),
        };
        loop {
            let slice = wait.slice()?;
            if slice != self.read_timeout {
                self.stream.set_read_timeout(Some(slice))?;
                self.read_timeout = slice;
            }
            match self.stream.read(self.buffers.input_append_buf()) {
                Ok(read) => {
                    self.buffers.input_appended(read);
                    return Ok(read > 0);
                }
                Err(error) if is_slice_end(&error) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn is_open(&mut self) -> bool {
        // Asked only before a connection is used again, and none is.
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};
    use ureq::tls::{Certificate, RootCerts, TlsConfig};

    fn watch(idle: Duration) -> (Arc<AtomicBool>, Watch) {
        let cancel = Arc::new(AtomicBool::new(false));
        (Arc::clone(&cancel), Watch::new(cancel, idle))
    }

    #[test]
    fn dialling_reaches_a_listener_and_reports_a_refusal() {
        let (_cancel, watch) = watch(Duration::from_secs(60));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        assert!(dial(address, Duration::from_secs(10), &watch).is_ok());
        drop(listener);
        let error = dial(address, Duration::from_secs(10), &watch).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    }

    #[test]
    fn dialling_ends_when_its_time_is_up_or_it_is_cancelled() {
        // A full backlog makes Linux drop further connection attempts, so they stay in progress.
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
        socket.bind(&any.into()).unwrap();
        socket.listen(0).unwrap();
        let address = socket.local_addr().unwrap().as_socket().unwrap();
        let (cancel, watch) = watch(Duration::from_secs(60));
        let mut held = Vec::new();
        let error = loop {
            match dial(address, Duration::from_millis(700), &watch) {
                Ok(stream) => held.push(stream),
                Err(error) => break error,
            }
            assert!(held.len() < 10, "the backlog never fills");
        };
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        cancel.store(true, Ordering::Relaxed);
        let error = dial(address, Duration::from_secs(60), &watch).unwrap_err();
        assert_eq!(error.to_string(), "cancelled");
    }

    #[test]
    fn a_lookup_that_hangs_is_given_up() {
        let (cancel, watch) = watch(Duration::from_secs(60));
        let (_never_answers, receiver) = mpsc::sync_channel::<Found>(1);
        let timeout = |after: Duration| NextTimeout {
            after: after.into(),
            reason: ureq::Timeout::Resolve,
            ..NextTimeout::default()
        };
        let error = await_lookup(&receiver, timeout(SLICE / 10), &watch).unwrap_err();
        assert!(matches!(
            error,
            ureq::Error::Timeout(ureq::Timeout::Resolve)
        ));
        cancel.store(true, Ordering::Relaxed);
        let error = await_lookup(&receiver, timeout(Duration::from_secs(60)), &watch).unwrap_err();
        assert_eq!(error.to_string(), "io: cancelled");
    }

    /// A friend behind TLS, for one connection that it keeps open at the end; says whether a
    /// request came.
    fn behind_tls(answer: Vec<u8>) -> (String, mpsc::Receiver<bool>) {
        let pem = |name: &str| {
            let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/tls");
            std::fs::read(format!("{folder}/{name}")).unwrap()
        };
        let certificate = CertificateDer::from_pem_slice(&pem("server.pem")).unwrap();
        let key = PrivateKeyDer::from_pem_slice(&pem("server.key")).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("https://{}/f", listener.local_addr().unwrap());
        let (sender, has_come) = mpsc::channel();
        std::thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            let session = rustls::ServerConnection::new(Arc::new(config)).unwrap();
            let mut tls = rustls::StreamOwned::new(session, stream);
            let mut head = Vec::new();
            let mut byte = [0];
            while !head.ends_with(b"\r\n\r\n") && tls.read(&mut byte).is_ok_and(|n| n == 1) {
                head.push(byte[0]);
            }
            let _ = sender.send(!head.is_empty());
            let _ = tls.write_all(&answer);
            let _ = tls.flush();
            // Until the client goes.
            let _ = tls.read(&mut byte);
        });
        (url, has_come)
    }

    /// An agent as [`agent`] makes them, but with a trust of its own.
    fn trusting(watch: Arc<Watch>) -> Agent {
        let path = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/golden/tls/authority.pem"
        );
        let authority = Certificate::from_pem(&std::fs::read(path).unwrap()).unwrap();
        let tls = TlsConfig::builder()
            .root_certs(RootCerts::new_with_certs(&[authority]))
            .build();
        let config = config(&watch, Load::File).tls_config(tls).build();
        let lookup = Lookup(Arc::clone(&watch));
        let tls = RustlsConnector::default();
        Agent::with_parts(config, ().chain(Dialer(watch)).chain(tls), lookup)
    }

    #[test]
    fn a_file_behind_tls_comes_whole_and_its_waits_are_watched() {
        const SIZE: usize = 1_000_000;
        let content: Vec<u8> = (0..SIZE).map(|at| (at % 251) as u8).collect();
        // One byte never comes.
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", SIZE + 1);
        let (url, _) = behind_tls([head.as_bytes(), &content].concat());
        let (cancel, watch) = watch(Duration::from_secs(60));
        let response = trusting(Arc::new(watch)).get(&url).call().unwrap();
        let mut body = response.into_body().into_reader();
        let mut got = vec![0; SIZE];
        body.read_exact(&mut got).unwrap();
        assert!(got == content);
        cancel.store(true, Ordering::Relaxed);
        let error = body.read(&mut got).unwrap_err();
        assert!(error.to_string().contains("cancelled"), "{error}");
    }

    #[test]
    fn a_certificate_of_nobody_we_know_is_refused_before_the_key_is_sent() {
        let (url, has_come) = behind_tls(Vec::new());
        let (_cancel, watch) = watch(Duration::from_secs(60));
        let error = agent(Arc::new(watch), Load::File).get(&url).call();
        let told = crate::peer::call::explain_text(&error.unwrap_err().to_string());
        assert_eq!(
            told,
            "no secure connection: its certificate is from an issuer we do not know (self-signed, \
             or its chain is not complete)"
        );
        assert!(!has_come.recv().unwrap(), "no request without trust");
    }

    #[test]
    fn a_handshake_that_stalls_is_given_up() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("https://{}/f", listener.local_addr().unwrap());
        let (cancel, watch) = watch(Duration::from_millis(200));
        // It connects, for the kernel accepts; nobody says hello.
        let watch = Arc::new(watch);
        let error = agent(Arc::clone(&watch), Load::File).get(&url).call();
        assert!(error.is_err());
        cancel.store(true, Ordering::Relaxed);
        let error = agent(watch, Load::File).get(&url).call().unwrap_err();
        assert!(error.to_string().contains("cancelled"), "{error}");
    }

    #[test]
    fn lookups_are_bounded_in_number() {
        static RUNNING: AtomicUsize = AtomicUsize::new(0);
        let take = || LookupPlace::take(&RUNNING);
        let mut places: Vec<_> = std::iter::from_fn(take).collect();
        assert_eq!(places.len(), MAX_LOOKUPS);
        places.pop();
        assert!(take().is_some());
    }
}
