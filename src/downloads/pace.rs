//! The rate limit of all downloads together: the configured timetable, and on top of it what a
//! client has set until the next restart. The lower one counts. Changes take effect at the next
//! piece of any transfer.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;

use super::live::lock;
use crate::config::RateSchedule;
use crate::rates::{Bucket, Take};

/// The shared limit.
pub struct Pace {
    schedule: RateSchedule,
    client: AtomicU64,
    bucket: Mutex<Bucket>,
}

impl Pace {
    /// The configured limit, no client's yet.
    pub fn new(schedule: RateSchedule) -> Pace {
        let bucket = Mutex::new(Bucket::new(schedule.base));
        Pace {
            schedule,
            client: AtomicU64::new(0),
            bucket,
        }
    }

    /// Sets a client's limit in bytes per second; 0 = none.
    pub fn set_client(&self, bytes_per_second: u64) {
        self.client.store(bytes_per_second, Relaxed);
    }

    /// The limit in force, bytes per second; 0 = none.
    pub fn limit(&self) -> u64 {
        lower(self.schedule.base, self.client.load(Relaxed))
    }

    /// Asks for up to `wanted` bytes.
    pub fn take(&self, wanted: u64, now: Instant) -> Take {
        let limit = self.limit();
        let mut bucket = lock(&self.bucket);
        bucket.set_rate(limit, now);
        bucket.take(wanted, now)
    }

    /// Returns what was granted and not used.
    pub fn give_back(&self, bytes: u64) {
        lock(&self.bucket).give_back(bytes);
    }
}

/// The lower of two limits, 0 being none.
fn lower(a: u64, b: u64) -> u64 {
    match (a, b) {
        (0, limit) | (limit, 0) => limit,
        (a, b) => a.min(b),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lower_limit_counts_and_none_is_not_zero() {
        for (a, b, expected) in [(0, 0, 0), (0, 5, 5), (5, 0, 5), (3, 5, 3), (5, 3, 3)] {
            assert_eq!(lower(a, b), expected, "{a} {b}");
        }
    }

    #[test]
    fn a_client_changes_the_limit_while_bytes_flow() {
        let pace = Pace::new(RateSchedule::default());
        let now = Instant::now();
        assert_eq!(pace.take(1 << 40, now), Take::Granted(1 << 40));
        pace.set_client(1000);
        assert!(matches!(pace.take(1 << 20, now), Take::Wait(_)));
        pace.set_client(0);
        assert_eq!(pace.take(1 << 20, now), Take::Granted(1 << 20));
    }
}
