//! The rate limit of all downloads together: the configured timetable in local time, and on top of
//! it what a client has set until the next restart. The lower one counts. Changes take effect at
//! the next piece of any transfer; sleeping transfers ask again after [`LONGEST_SLEEP`] at most.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::clock::Zone;
use crate::config::RateSchedule;
use crate::rates::{Bucket, Take};
use crate::sys::lock;

/// Longest sleep for the sake of a rate: no thread wakes up more often than it has to, and a
/// window of the timetable begins on time.
pub const LONGEST_SLEEP: Duration = Duration::from_secs(1);

/// The shared limit.
pub struct Pace {
    schedule: RateSchedule,
    zone: Zone,
    inner: Mutex<Inner>,
}

struct Inner {
    bucket: Bucket,
    client: u64,
    /// The minute (since 1970) that `scheduled` is of: zone and windows are looked up once a minute.
    minute: Option<u64>,
    scheduled: u64,
}

impl Pace {
    /// The configured limit, no client's yet.
    pub fn new(schedule: RateSchedule, zone: Zone) -> Pace {
        let inner = Mutex::new(Inner {
            bucket: Bucket::new(0),
            client: 0,
            minute: None,
            scheduled: 0,
        });
        Pace {
            schedule,
            zone,
            inner,
        }
    }

    /// Sets a client's limit in bytes per second; 0 = none.
    pub fn set_client(&self, bytes_per_second: u64) {
        lock(&self.inner).client = bytes_per_second;
    }

    /// The limit in force, bytes per second; 0 = none.
    pub fn limit(&self, unix_now: u64) -> u64 {
        self.limit_of(&mut lock(&self.inner), unix_now)
    }

    /// Asks for up to `wanted` bytes.
    pub fn take(&self, wanted: u64, unix_now: u64, now: Instant) -> Take {
        let inner = &mut *lock(&self.inner);
        let limit = self.limit_of(inner, unix_now);
        inner.bucket.set_rate(limit, now);
        inner.bucket.take(wanted, now)
    }

    /// Returns what was granted and not used.
    pub fn give_back(&self, bytes: u64) {
        lock(&self.inner).bucket.give_back(bytes);
    }

    fn limit_of(&self, inner: &mut Inner, unix_now: u64) -> u64 {
        let minute = unix_now / 60;
        if inner.minute != Some(minute) {
            let (weekday, minute_of_day) = self.zone.weekday_and_minute(unix_now);
            inner.scheduled = self.schedule.rate_at(weekday, minute_of_day);
            inner.minute = Some(minute);
        }
        lower(inner.scheduled, inner.client)
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
    use crate::clock::parse_iso8601;
    use crate::config::RateWindow;

    #[test]
    fn the_lower_limit_counts_and_none_is_not_zero() {
        for (a, b, expected) in [(0, 0, 0), (0, 5, 5), (5, 0, 5), (3, 5, 3), (5, 3, 3)] {
            assert_eq!(lower(a, b), expected, "{a} {b}");
        }
    }

    #[test]
    fn a_client_changes_the_limit_while_bytes_flow() {
        let pace = Pace::new(RateSchedule::default(), Zone::utc());
        let now = Instant::now();
        assert_eq!(pace.take(1 << 40, 0, now), Take::Granted(1 << 40));
        pace.set_client(1000);
        assert!(matches!(pace.take(1 << 20, 0, now), Take::Wait(_)));
        pace.set_client(0);
        assert_eq!(pace.take(1 << 20, 0, now), Take::Granted(1 << 20));
    }

    #[test]
    fn the_timetable_is_followed_to_the_minute() {
        let night = RateWindow {
            days: 0b111_1111,
            from_minute: 23 * 60,
            to_minute: 7 * 60,
            rate: 0,
        };
        let schedule = RateSchedule {
            base: 1000,
            windows: vec![night],
        };
        let pace = Pace::new(schedule, Zone::utc());
        for (moment, limit) in [
            ("2026-01-05T22:59:59Z", 1000),
            ("2026-01-05T23:00:00Z", 0),
            ("2026-01-06T06:59:59Z", 0),
            ("2026-01-06T07:00:00Z", 1000),
        ] {
            assert_eq!(
                pace.limit(parse_iso8601(moment).unwrap()),
                limit,
                "{moment}"
            );
        }
    }
}
