//! When a friend that still answers is so slow that another one is worth a look.
//!
//! Pure. Counted is the time spent waiting for the network and nothing else: neither our own rate
//! limits nor a slow disk make a friend slow. In: each wait and what it brought; out: now and then
//! the speed that was too low. Whether to change is decided by what the other friend sends for the
//! samples ([`Patience::is_worth_it`]): where our own line is slow, everybody is, and all stays.

use std::time::{Duration, Instant};

/// What is put up with.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// Bytes per second; less than this is slow.
    pub floor: u64,
    /// Time of waiting over which the speed is taken.
    pub after: Duration,
    /// Shortest time between two looks for another friend.
    pub again: Duration,
    /// How many times as fast another friend must be.
    pub gain: u64,
}

impl Default for Patience {
    fn default() -> Patience {
        Patience {
            // A film would take a week. Lines that slow are still in use; but whoever has a better
            // choice takes it.
            floor: 16 * 1024,
            // A friend's router that restarts, or a neighbour's backup, is over by then.
            after: Duration::from_secs(5 * 60),
            // A look costs four requests and 256 KiB.
            again: Duration::from_secs(30 * 60),
            // The samples are few and short, and what they take says as much about the way there as
            // about the speed: only a clear difference is one.
            gain: 4,
        }
    }
}

impl Patience {
    /// True if a friend that sent `sampled` bytes in `took` is clearly faster than `rate`.
    pub fn is_worth_it(&self, rate: u64, sampled: u64, took: Duration) -> bool {
        per_second(sampled, took) > rate.saturating_mul(self.gain)
    }
}

/// Measures one run of a grab.
pub struct Crawl {
    patience: Patience,
    waited: Duration,
    bytes: u64,
    next_look: Option<Instant>,
}

impl Crawl {
    /// Nothing measured yet.
    pub fn new(patience: Patience) -> Crawl {
        Crawl {
            patience,
            waited: Duration::ZERO,
            bytes: 0,
            next_look: None,
        }
    }

    /// Counts a wait that ended `now` with so many bytes. Gives the speed in bytes per second when
    /// it has been too low for so long that another friend should be looked for.
    pub fn came(&mut self, bytes: u64, waited: Duration, now: Instant) -> Option<u64> {
        self.bytes = self.bytes.saturating_add(bytes);
        self.waited = self.waited.saturating_add(waited);
        if self.waited < self.patience.after {
            return None;
        }
        let rate = per_second(self.bytes, self.waited);
        self.start_over();
        let is_resting = self.next_look.is_some_and(|look| now < look);
        if rate >= self.patience.floor || is_resting {
            return None;
        }
        self.next_look = Some(now + self.patience.again);
        Some(rate)
    }

    /// Another friend sends now.
    pub fn start_over(&mut self) {
        self.bytes = 0;
        self.waited = Duration::ZERO;
    }
}

fn per_second(bytes: u64, time: Duration) -> u64 {
    let per_second = u128::from(bytes) * 1000 / time.as_millis().max(1);
    u64::try_from(per_second).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FLOOR: u64 = 16 * 1024;

    /// Seconds after which a friend of this speed is found slow, within two hours.
    fn looks(rate: u64, every: Duration) -> Vec<u64> {
        let start = Instant::now();
        let mut crawl = Crawl::new(Patience::default());
        let mut now = start;
        let mut found = Vec::new();
        while now < start + Duration::from_secs(7200) {
            now += every;
            let bytes = rate * every.as_millis() as u64 / 1000;
            if let Some(measured) = crawl.came(bytes, every, now) {
                assert!(measured <= rate, "{measured} {rate}");
                found.push((now - start).as_secs());
            }
        }
        found
    }

    #[test]
    fn only_lasting_slowness_counts_and_is_told_now_and_then() {
        for every in [Duration::from_secs(50), Duration::from_secs(1)] {
            assert_eq!(looks(FLOOR - 1, every), [300, 2100, 3900, 5700]);
            assert_eq!(looks(1, every), [300, 2100, 3900, 5700]);
            assert!(looks(FLOOR, every).is_empty());
            assert!(looks(100 << 20, every).is_empty());
        }
    }

    #[test]
    fn time_that_the_friend_is_not_to_blame_for_does_not_count() {
        // Our own limit lets a piece through each second; the friend had it ready.
        let start = Instant::now();
        let mut crawl = Crawl::new(Patience::default());
        for second in 1..=7200 {
            let now = start + Duration::from_secs(second);
            assert_eq!(crawl.came(1000, Duration::from_millis(1), now), None);
        }
    }

    #[test]
    fn a_stall_of_minutes_within_a_quick_transfer_is_no_slowness() {
        let start = Instant::now();
        let mut crawl = Crawl::new(Patience::default());
        let minute = Duration::from_secs(60);
        for passed in 1..=120 {
            let bytes = if passed % 5 == 0 { 10 << 20 } else { 0 };
            assert_eq!(crawl.came(bytes, minute, start + minute * passed), None);
        }
    }

    #[test]
    fn only_a_clearly_faster_friend_is_worth_it() {
        let check = |rate, sampled, millis, expected| {
            let patience = Patience::default();
            let took = Duration::from_millis(millis);
            assert_eq!(
                patience.is_worth_it(rate, sampled, took),
                expected,
                "{rate} {sampled} {millis}"
            );
        };
        check(10_000, 262_144, 1000, true);
        check(10_000, 262_144, 6000, true);
        check(10_000, 262_144, 7000, false);
        check(10_000, 0, 0, false);
        check(0, 1, 1000, true);
        check(u64::MAX, u64::MAX, 1, false);
    }
}
