//! Who is connected, and who has to go when there is no more room.
//!
//! Each connection is idle (between requests), in its head (a request has begun to arrive) or busy.
//! When all places are taken the longest-idle connection makes room, then the one that has been
//! longest in its head for over a second; if all are busy the newcomer is refused. While more than
//! half the places are taken, idle connections are closed after seconds instead of half a minute.
//! Times are milliseconds since the table was made, and arguments.

use std::collections::HashMap;
use std::net::{IpAddr, Shutdown, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::limits::SLOW_HEAD;
use crate::sys::lock;

const BUSY: u64 = 0;
const IDLE: u64 = 1;
const HEAD: u64 = 2;
const EVICTED: u64 = 3;

/// One connection, shared by its thread and the table.
#[derive(Debug)]
pub struct Conn {
    id: u64,
    /// The socket.
    pub stream: TcpStream,
    /// The client's address, IPv4 as IPv4.
    pub remote: IpAddr,
    /// Phase in the two lowest bits, its beginning in milliseconds above.
    state: AtomicU64,
}

/// The table has closed this connection.
#[derive(Debug)]
pub struct Evicted;

impl Conn {
    /// Between requests from `now` on.
    pub fn begin_idle(&self, now: u64) -> Result<(), Evicted> {
        self.change(now << 2 | IDLE)
    }

    /// The first byte of a request is here.
    pub fn begin_head(&self, now: u64) -> Result<(), Evicted> {
        self.change(now << 2 | HEAD)
    }

    /// A whole head is here: from now on the connection is not closed to make room.
    pub fn begin_busy(&self) -> Result<(), Evicted> {
        self.change(BUSY)
    }

    fn change(&self, to: u64) -> Result<(), Evicted> {
        let from = self.state.load(Ordering::Relaxed);
        if from & 3 == EVICTED {
            return Err(Evicted);
        }
        // Only the table's eviction can have come between.
        self.state
            .compare_exchange(from, to, Ordering::AcqRel, Ordering::Relaxed)
            .map(|_| ())
            .map_err(|_| Evicted)
    }

    fn phase(&self) -> (u64, u64) {
        let state = self.state.load(Ordering::Relaxed);
        (state & 3, state >> 2)
    }

    /// Closes it unless it has just left the phase in which it was seen.
    fn evict(&self, seen: (u64, u64)) -> bool {
        let from = seen.1 << 2 | seen.0;
        let is_evicted = self
            .state
            .compare_exchange(from, EVICTED, Ordering::AcqRel, Ordering::Relaxed)
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
        let is_full = members.connected.len() >= self.capacity;
        // Evicted threads end at once; if they do not keep up, newcomers wait their turn.
        if members.threads >= self.capacity * 2 || (is_full && !make_room(&mut members, now)) {
            return Err(stream);
        }
        members.next_id += 1;
        let conn = Arc::new(Conn {
            id: members.next_id,
            stream,
            remote,
            state: AtomicU64::new(now << 2 | IDLE),
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
        let is_slow = |since: u64| now.saturating_sub(since) >= millis(SLOW_HEAD);
        let candidate = members
            .connected
            .values()
            .map(|conn| (conn.phase(), conn))
            .filter(|((phase, since), _)| *phase == IDLE || (*phase == HEAD && is_slow(*since)))
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
    fn longest_idle_goes_first_then_slow_heads() {
        let mut world = World::new(3);
        let conns: Vec<_> = (0..3).map(|now| world.connect(now).unwrap()).collect();
        conns[0].begin_head(5).unwrap();
        conns[1].begin_idle(7).unwrap();
        conns[2].begin_idle(6).unwrap();
        let fourth = world.connect(10).unwrap();
        assert!(world.is_closed(2), "idle since 6");
        assert!(conns[2].begin_head(11).is_err(), "its thread notices");
        fourth.begin_head(11).unwrap();
        fourth.begin_busy().unwrap();
        let fifth = world.connect(12).unwrap();
        assert!(world.is_closed(1), "idle since 7");
        fifth.begin_head(13).unwrap();
        fifth.begin_busy().unwrap();
        assert!(world.connect(1004).is_none(), "the head is 999 ms old");
        assert!(world.connect(1005).is_some());
        assert!(world.is_closed(0));
        assert!(!world.is_closed(3) && !world.is_closed(4));
    }

    #[test]
    fn busy_connections_are_never_closed_for_others() {
        let mut world = World::new(2);
        for now in 0..2 {
            let conn = world.connect(now).unwrap();
            conn.begin_head(now).unwrap();
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
        let first = world.connect(0).unwrap();
        let second = world.connect(1).unwrap();
        assert!(world.connect(2).is_none(), "two threads have not ended");
        world.table.leave(&first);
        let third = world.connect(3).unwrap();
        assert!(!world.table.wait_until_empty(Duration::ZERO));
        world.table.leave(&second);
        world.table.leave(&third);
        assert!(world.table.wait_until_empty(Duration::ZERO));
    }
}
