//! Who is connected, and who has to go when there is no more room.
//!
//! Each connection is idle (between requests), arriving (a request has begun and is not whole),
//! busy, or stalled (the client takes nothing of its answer). When all places are taken the
//! longest-idle connection makes room, then the request that has been arriving longest, over a
//! second at least, then a stalled one; if all are busy the newcomer is refused. While more than
//! half the places are taken, idle connections are closed after seconds instead of half a minute.
//! Times are milliseconds since the table was made, and arguments.

use std::collections::HashMap;
use std::net::{IpAddr, Shutdown, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::limits::SLOW_ARRIVAL;
use crate::sys::lock;

/// Threads of closed connections that may still be on their way out, at least.
const MIN_LEAVING: usize = 16;
/// How long a newcomer waits for them.
const LEAVING_PATIENCE: Duration = Duration::from_millis(100);

// Phases, in the order in which connections make room.
const IDLE: u64 = 0;
const ARRIVING: u64 = 1;
const STALLED: u64 = 2;
const BUSY: u64 = 3;
const EVICTED: u64 = 4;
/// The phase takes the lowest bits of a state, its beginning those above.
const PHASE_BITS: u32 = 3;

const fn state(phase: u64, since: u64) -> u64 {
    since << PHASE_BITS | phase
}

/// One connection, shared by its thread and the table.
#[derive(Debug)]
pub struct Conn {
    id: u64,
    /// The socket.
    pub stream: TcpStream,
    /// The client's address, IPv4 as IPv4.
    pub remote: IpAddr,
    /// Phase, and its beginning in milliseconds.
    state: AtomicU64,
}

/// The table has closed this connection.
#[derive(Debug)]
pub struct Evicted;

impl Conn {
    /// Between requests from `now` on.
    pub fn begin_idle(&self, now: u64) -> Result<(), Evicted> {
        self.change(state(IDLE, now))
    }

    /// The first byte of a request is here.
    pub fn begin_arriving(&self, now: u64) -> Result<(), Evicted> {
        self.change(state(ARRIVING, now))
    }

    /// A whole request is here: from now on the connection is not closed to make room.
    pub fn begin_busy(&self) -> Result<(), Evicted> {
        self.change(state(BUSY, 0))
    }

    /// The client has taken nothing of its answer for a while. Busy again when it does.
    pub fn begin_stalled(&self) -> Result<(), Evicted> {
        self.change(state(STALLED, 0))
    }

    fn change(&self, to: u64) -> Result<(), Evicted> {
        let from = self.state.load(Ordering::Relaxed);
        if from & state(7, 0) == EVICTED {
            return Err(Evicted);
        }
        // Only the table's eviction can have come between. Sequentially consistent, for the thread
        // looks at the server's stop flag after this and the stop looks at this after the flag.
        self.state
            .compare_exchange(from, to, Ordering::SeqCst, Ordering::Relaxed)
            .map(|_| ())
            .map_err(|_| Evicted)
    }

    fn phase(&self) -> (u64, u64) {
        let now = self.state.load(Ordering::SeqCst);
        (now & state(7, 0), now >> PHASE_BITS)
    }

    /// Closes it unless it has just left the phase in which it was seen.
    fn evict(&self, seen: (u64, u64)) -> bool {
        let from = state(seen.0, seen.1);
        let is_evicted = self
            .state
            .compare_exchange(from, EVICTED, Ordering::SeqCst, Ordering::Relaxed)
            .is_ok();
        if is_evicted {
            // Wakes its thread, which ends.
            let _ = self.stream.shutdown(Shutdown::Both);
        }
        is_evicted
    }
}

#[derive(Debug, Default)]
struct Members {
    connected: HashMap<u64, Arc<Conn>>,
    next_id: u64,
    /// Threads that have not ended, evicted ones included.
    threads: usize,
}

/// All connections.
#[derive(Debug)]
pub struct Table {
    started: Instant,
    capacity: usize,
    crowded_idle: Duration,
    members: Mutex<Members>,
    changed: Condvar,
}

impl Table {
    /// An empty table.
    pub fn new(capacity: usize, crowded_idle: Duration) -> Table {
        Table {
            started: Instant::now(),
            capacity,
            crowded_idle,
            members: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    /// Now, as this table counts.
    pub fn now(&self) -> u64 {
        millis(self.started.elapsed())
    }

    /// Takes a new connection in, making room if need be; gives it back when there is none.
    /// Whoever gets a connection must see to [`Table::leave`].
    pub fn admit(
        &self,
        stream: TcpStream,
        remote: IpAddr,
        now: u64,
    ) -> Result<Arc<Conn>, TcpStream> {
        let mut members = lock(&self.members);
        if members.connected.len() * 2 > self.capacity {
            let patience = millis(self.crowded_idle);
            members.connected.retain(|_, conn| {
                let seen = conn.phase();
                !(seen.0 == IDLE && now.saturating_sub(seen.1) >= patience && conn.evict(seen))
            });
        }
        // Evicted threads end at once; where newcomers outrun them they wait a moment.
        let most_threads = self.capacity + self.capacity.max(MIN_LEAVING);
        let (mut members, _) = self
            .changed
            .wait_timeout_while(members, LEAVING_PATIENCE, |members| {
                members.threads >= most_threads
            })
            .unwrap_or_else(PoisonError::into_inner);
        let is_full = members.connected.len() >= self.capacity;
        if members.threads >= most_threads || (is_full && !make_room(&mut members, now)) {
            return Err(stream);
        }
        members.next_id += 1;
        let conn = Arc::new(Conn {
            id: members.next_id,
            stream,
            remote,
            state: AtomicU64::new(state(IDLE, now)),
        });
        members.connected.insert(conn.id, Arc::clone(&conn));
        members.threads += 1;
        Ok(conn)
    }

    /// The connection's thread has ended.
    pub fn leave(&self, conn: &Conn) {
        let mut members = lock(&self.members);
        members.connected.remove(&conn.id);
        members.threads = members.threads.saturating_sub(1);
        drop(members);
        self.changed.notify_all();
    }

    /// Closes one connection that is not busy, if there is one.
    pub fn evict_one(&self, now: u64) -> bool {
        make_room(&mut lock(&self.members), now)
    }

    /// Closes all that are idle.
    pub fn evict_idle(&self) {
        lock(&self.members).connected.retain(|_, conn| {
            let seen = conn.phase();
            !(seen.0 == IDLE && conn.evict(seen))
        });
    }

    /// Cuts all, whatever they are doing.
    pub fn cut_all(&self) {
        for conn in lock(&self.members).connected.values() {
            let _ = conn.stream.shutdown(Shutdown::Both);
        }
    }

    /// Waits until a connection ends, at most `patience`.
    pub fn wait_for_change(&self, patience: Duration) {
        let members = lock(&self.members);
        let _ = self
            .changed
            .wait_timeout(members, patience)
            .unwrap_or_else(PoisonError::into_inner);
    }

    /// Waits until all threads have ended, at most `patience`; says whether they have.
    pub fn wait_until_empty(&self, patience: Duration) -> bool {
        let members = lock(&self.members);
        let (members, _) = self
            .changed
            .wait_timeout_while(members, patience, |members| members.threads > 0)
            .unwrap_or_else(PoisonError::into_inner);
        members.threads == 0
    }
}

fn make_room(members: &mut Members, now: u64) -> bool {
    // A candidate may become busy between the look and the act; a few looks are enough.
    for _ in 0..4 {
        let is_slow = |since: u64| now.saturating_sub(since) >= millis(SLOW_ARRIVAL);
        let candidate = members
            .connected
            .values()
            .map(|conn| (conn.phase(), conn))
            .filter(|((phase, since), _)| match *phase {
                IDLE | STALLED => true,
                ARRIVING => is_slow(*since),
                _ => false,
            })
            .min_by_key(|(seen, _)| *seen);
        let Some((seen, conn)) = candidate else {
            return false;
        };
        if conn.evict(seen) {
            let id = conn.id;
            members.connected.remove(&id);
            return true;
        }
    }
    false
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX >> 2)
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::net::{Ipv4Addr, TcpListener};

    use super::*;

    struct World {
        listener: TcpListener,
        table: Table,
        clients: Vec<TcpStream>,
    }

    impl World {
        fn new(capacity: usize) -> World {
            World {
                listener: TcpListener::bind("127.0.0.1:0").unwrap(),
                table: Table::new(capacity, Duration::from_secs(2)),
                clients: Vec::new(),
            }
        }

        fn connect(&mut self, now: u64) -> Option<Arc<Conn>> {
            let address = self.listener.local_addr().unwrap();
            self.clients.push(TcpStream::connect(address).unwrap());
            let (stream, _) = self.listener.accept().unwrap();
            let remote = Ipv4Addr::LOCALHOST.into();
            self.table.admit(stream, remote, now).ok()
        }

        fn is_closed(&mut self, index: usize) -> bool {
            let client = &mut self.clients[index];
            client.set_nonblocking(true).unwrap();
            matches!(client.read(&mut [0]), Ok(0))
        }
    }

    #[test]
    fn longest_idle_goes_first_then_slow_arrivals() {
        let mut world = World::new(3);
        let conns: Vec<_> = (0..3).map(|now| world.connect(now).unwrap()).collect();
        conns[0].begin_arriving(5).unwrap();
        conns[1].begin_idle(7).unwrap();
        conns[2].begin_idle(6).unwrap();
        let fourth = world.connect(10).unwrap();
        assert!(world.is_closed(2), "idle since 6");
        assert!(conns[2].begin_arriving(11).is_err(), "its thread notices");
        fourth.begin_arriving(11).unwrap();
        fourth.begin_busy().unwrap();
        let fifth = world.connect(12).unwrap();
        assert!(world.is_closed(1), "idle since 7");
        fifth.begin_arriving(13).unwrap();
        fifth.begin_busy().unwrap();
        assert!(
            world.connect(1004).is_none(),
            "it has been arriving for 999 ms"
        );
        assert!(world.connect(1005).is_some());
        assert!(world.is_closed(0));
        assert!(!world.is_closed(3) && !world.is_closed(4));
    }

    #[test]
    fn busy_connections_are_never_closed_for_others() {
        let mut world = World::new(2);
        for now in 0..2 {
            let conn = world.connect(now).unwrap();
            conn.begin_arriving(now).unwrap();
            conn.begin_busy().unwrap();
        }
        assert!(world.connect(1_000_000).is_none());
        assert!(!world.table.evict_one(1_000_000));
        world.table.evict_idle();
        assert!(!world.is_closed(0) && !world.is_closed(1));
        world.table.cut_all();
        assert!(world.is_closed(0) && world.is_closed(1));
    }

    #[test]
    fn stalled_readers_make_room_last() {
        let mut world = World::new(3);
        let conns: Vec<_> = (0..3).map(|now| world.connect(now).unwrap()).collect();
        conns[0].begin_stalled().unwrap();
        conns[1].begin_arriving(5).unwrap();
        conns[2].begin_stalled().unwrap();
        conns[2].begin_busy().unwrap();
        let fourth = world.connect(2000).unwrap();
        fourth.begin_busy().unwrap();
        assert!(world.is_closed(1) && !world.is_closed(0));
        let fifth = world.connect(2000).unwrap();
        fifth.begin_busy().unwrap();
        assert!(world.is_closed(0) && conns[0].begin_busy().is_err());
        assert!(world.connect(2000).is_none());
        assert!(!world.is_closed(2));
    }

    #[test]
    fn crowded_table_closes_idle_ones_early() {
        let mut world = World::new(8);
        for now in 0..5 {
            world.connect(now).unwrap();
        }
        world.connect(2002).unwrap();
        let closed: Vec<_> = (0..6).map(|index| world.is_closed(index)).collect();
        assert_eq!(closed, [true, true, true, false, false, false]);
    }

    #[test]
    fn threads_that_linger_are_counted() {
        let mut world = World::new(1);
        let lingering: Vec<_> = (0..=MIN_LEAVING)
            .map(|now| world.connect(now as u64).unwrap())
            .collect();
        assert!(world.connect(99).is_none(), "none of the threads has ended");
        world.table.leave(&lingering[0]);
        let last = world.connect(100).unwrap();
        assert!(!world.table.wait_until_empty(Duration::ZERO));
        for conn in lingering[1..].iter().chain([&last]) {
            world.table.leave(conn);
        }
        assert!(world.table.wait_until_empty(Duration::ZERO));
    }
}
