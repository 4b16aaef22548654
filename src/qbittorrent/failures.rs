//! Failed logins: each wrong password from an address makes its next wrong answer slower.
//!
//! There is no ban: the right password always works again after a success or ten quiet minutes. The
//! delay is served on the thread of the login itself (a route that has a thread of its own), for
//! at most one login an address and [`MAX_DELAYED`] in all; a login from an address with a history
//! that finds no such place is refused unchecked, so that trying in parallel gains nothing.
//! Only logins are slowed: keys in headers are 128 random bits and are looked up without a delay on
//! every face. Pure: the clock is an argument and nothing sleeps here.

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

/// An address is forgotten this long after its last failure.
pub const FORGET_AFTER: Duration = Duration::from_secs(600);

/// The slowest answer.
pub const MAX_DELAY: Duration = Duration::from_secs(5);

/// Delay of the second failure in a row; it doubles with each further one. The first is free: people
/// mistype.
const FIRST_DELAY: Duration = Duration::from_millis(500);

/// Addresses remembered, 40 bytes each. The one that failed longest ago makes room.
pub const MAX_ADDRESSES: usize = 1024;

/// Logins that wait at once: they hold threads that searches need too.
pub const MAX_DELAYED: usize = 4;

/// How long the answer to the n-th failure in a row waits. Only who holds a slow place waits: of many
/// first logins at once, all but one have failed before when they are looked at.
pub fn delay(admission: Admission, failures: u32) -> Duration {
    match (admission, failures) {
        (Admission::Slow, 2..) => (FIRST_DELAY * 2u32.pow((failures - 2).min(8))).min(MAX_DELAY),
        _ => Duration::ZERO,
    }
}

/// What is remembered of addresses that failed to log in.
#[derive(Default)]
pub struct Failures {
    known: HashMap<IpAddr, (u32, Instant)>,
    delayed: HashSet<IpAddr>,
}

/// Whether a login may be looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// No history: look at it.
    Free,
    /// A place among the slow ones was taken: look at it, then [`Failures::leave`].
    Slow,
    /// No place left: refuse.
    Refused,
}

impl Failures {
    /// Admits a login from `address`.
    pub fn admit(&mut self, address: IpAddr, now: Instant) -> Admission {
        let address = network(address);
        match self.known.get(&address) {
            Some((_, last)) if now.saturating_duration_since(*last) < FORGET_AFTER => {}
            _ => return Admission::Free,
        }
        if self.delayed.len() >= MAX_DELAYED || !self.delayed.insert(address) {
            return Admission::Refused;
        }
        Admission::Slow
    }

    /// Gives the place of [`Admission::Slow`] back.
    pub fn leave(&mut self, address: IpAddr) {
        self.delayed.remove(&network(address));
    }

    /// Counts a failure; the result is the number in a row.
    pub fn record(&mut self, address: IpAddr, now: Instant) -> u32 {
        let address = network(address);
        if self.known.len() >= MAX_ADDRESSES && !self.known.contains_key(&address) {
            self.known
                .retain(|_, (_, last)| now.saturating_duration_since(*last) < FORGET_AFTER);
            let oldest = self.known.iter().min_by_key(|(_, (_, last))| *last);
            if let Some(oldest) = oldest.map(|(address, _)| *address)
                && self.known.len() >= MAX_ADDRESSES
            {
                self.known.remove(&oldest);
            }
        }
        let entry = self.known.entry(address).or_insert((0, now));
        if now.saturating_duration_since(entry.1) >= FORGET_AFTER {
            entry.0 = 0;
        }
        entry.0 = entry.0.saturating_add(1);
        entry.1 = now;
        entry.0
    }

    /// A success: the address starts afresh.
    pub fn forget(&mut self, address: IpAddr) {
        self.known.remove(&network(address));
    }
}

/// What counts as one address: an IPv6 host has its whole /64 to choose from.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => IpAddr::V4(v4),
            None => {
                let s = v6.segments();
                IpAddr::V6(Ipv6Addr::new(s[0], s[1], s[2], s[3], 0, 0, 0, 0))
            }
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(n: u32) -> IpAddr {
        IpAddr::V4(n.into())
    }

    #[test]
    fn the_delay_grows_to_five_seconds() {
        let slow = |n| delay(Admission::Slow, n);
        let millis: Vec<u128> = (0..8).map(|n| slow(n).as_millis()).collect();
        assert_eq!(millis, [0, 0, 500, 1000, 2000, 4000, 5000, 5000]);
        assert_eq!(slow(u32::MAX), MAX_DELAY);
    }

    #[test]
    fn many_first_logins_at_once_hold_no_threads() {
        let now = Instant::now();
        let mut failures = Failures::default();
        let admitted: Vec<Admission> = (0..32).map(|_| failures.admit(address(1), now)).collect();
        for admission in admitted {
            let count = failures.record(address(1), now);
            assert_eq!(delay(admission, count), Duration::ZERO);
        }
        // From now on the address has one place, and that one waits.
        let next = failures.admit(address(1), now);
        assert_eq!(delay(next, failures.record(address(1), now)), MAX_DELAY);
        assert_eq!(failures.admit(address(1), now), Admission::Refused);
    }

    #[test]
    fn success_and_time_forget() {
        let now = Instant::now();
        let mut failures = Failures::default();
        assert_eq!(failures.record(address(1), now), 1);
        assert_eq!(failures.record(address(1), now), 2);
        assert_eq!(failures.record(address(2), now), 1);
        failures.forget(address(1));
        assert_eq!(failures.record(address(1), now), 1);
        assert_eq!(failures.record(address(1), now + FORGET_AFTER), 1);
        assert_eq!(
            failures.admit(address(2), now + FORGET_AFTER),
            Admission::Free
        );
    }

    #[test]
    fn one_slow_login_an_address_and_a_few_in_all() {
        let now = Instant::now();
        let mut failures = Failures::default();
        assert_eq!(failures.admit(address(0), now), Admission::Free);
        for n in 0..=MAX_DELAYED as u32 {
            failures.record(address(n), now);
        }
        for n in 0..MAX_DELAYED as u32 {
            assert_eq!(failures.admit(address(n), now), Admission::Slow);
            assert_eq!(failures.admit(address(n), now), Admission::Refused);
        }
        let last = address(MAX_DELAYED as u32);
        assert_eq!(failures.admit(last, now), Admission::Refused);
        failures.leave(address(0));
        assert_eq!(failures.admit(last, now), Admission::Slow);
        assert_eq!(failures.admit(address(77), now), Admission::Free);
    }

    #[test]
    fn the_table_is_bounded() {
        let start = Instant::now();
        let mut failures = Failures::default();
        for n in 0..MAX_ADDRESSES as u32 + 10 {
            failures.record(address(n), start + Duration::from_millis(u64::from(n)));
        }
        assert_eq!(failures.known.len(), MAX_ADDRESSES);
        let now = start + Duration::from_secs(2);
        assert_eq!(failures.record(address(0), now), 1, "was forgotten");
        assert_eq!(failures.record(address(MAX_ADDRESSES as u32), now), 2);
    }

    #[test]
    fn an_ipv6_network_is_one_address() {
        let now = Instant::now();
        let mut failures = Failures::default();
        failures.record("2001:db8::1".parse().unwrap(), now);
        assert_eq!(failures.record("2001:db8::2".parse().unwrap(), now), 2);
        assert_eq!(failures.record("2001:db8:0:1::2".parse().unwrap(), now), 1);
        failures.record("::ffff:192.0.2.1".parse().unwrap(), now);
        assert_eq!(failures.record("192.0.2.1".parse().unwrap(), now), 2);
    }
}
