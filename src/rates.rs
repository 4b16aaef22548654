//! Transfer rates: a token bucket that limits bytes per second, and a sliding window that measures
//! them.
//!
//! Pure: `now` is an argument, nothing sleeps, nothing is locked. The caller waits as long as
//! [`Take::Wait`] says and asks again. Time that runs backwards counts as no time. Used by uploads
//! and downloads alike.

use std::time::{Duration, Instant};

/// How much of a second's rate may go at once. A fifth of a second is short enough that a limit
/// looks steady to a router, and long enough that a Pi does not wake up for every packet.
const BURSTS_PER_SECOND: u64 = 5;

/// Smallest burst in bytes, so that very low rates still send a whole page at a time.
const MIN_BURST: u64 = 4096;

/// Answer of [`Bucket::take`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Take {
    /// This many bytes may go now: at least 1, at most what was wanted (0 only if 0 was wanted).
    Granted(u64),
    /// Nothing yet: ask again after this long (never zero).
    Wait(Duration),
}

/// A token bucket. Starts full.
#[derive(Clone, Debug)]
pub struct Bucket {
    rate: u64,
    tokens: f64,
    filled_at: Option<Instant>,
}

impl Bucket {
    /// A bucket of `rate` bytes per second; 0 = unlimited.
    pub fn new(rate: u64) -> Bucket {
        Bucket {
            rate,
            tokens: burst(rate) as f64,
            filled_at: None,
        }
    }

    /// The rate in force, bytes per second; 0 = unlimited.
    pub fn rate(&self) -> u64 {
        self.rate
    }

    /// Changes the rate. What was earned until `now` at the old rate stays, up to the new burst.
    pub fn set_rate(&mut self, rate: u64, now: Instant) {
        if rate == self.rate {
            return;
        }
        self.fill(now);
        self.tokens = if self.rate == 0 {
            0.0
        } else {
            self.tokens.min(burst(rate) as f64)
        };
        self.rate = rate;
    }

    /// Asks for up to `wanted` bytes. A grant of less than half a burst is made only when no more
    /// was wanted, so that a limited transfer does not decay into tiny pieces.
    pub fn take(&mut self, wanted: u64, now: Instant) -> Take {
        if self.rate == 0 || wanted == 0 {
            return Take::Granted(wanted);
        }
        self.fill(now);
        let least = wanted.min((burst(self.rate) / 2).max(1));
        // The bucket holds at most a burst, so the conversion to whole bytes is exact enough.
        let whole = self.tokens as u64;
        if whole >= least {
            let granted = whole.min(wanted);
            self.tokens -= granted as f64;
            return Take::Granted(granted);
        }
        let missing = least as f64 - self.tokens;
        let seconds = missing / self.rate as f64;
        // Rounded up by a millisecond: waking a moment too early would only mean asking again.
        Take::Wait(Duration::from_secs_f64(seconds) + Duration::from_millis(1))
    }

    /// Returns bytes that were granted but not sent.
    pub fn give_back(&mut self, bytes: u64) {
        if self.rate != 0 {
            self.tokens = (self.tokens + bytes as f64).min(burst(self.rate) as f64);
        }
    }

    fn fill(&mut self, now: Instant) {
        let since = self
            .filled_at
            .map_or(Duration::ZERO, |at| now.saturating_duration_since(at));
        self.filled_at = Some(self.filled_at.map_or(now, |at| at.max(now)));
        let earned = since.as_secs_f64() * self.rate as f64;
        self.tokens = (self.tokens + earned).min(burst(self.rate) as f64);
    }
}

fn burst(rate: u64) -> u64 {
    (rate / BURSTS_PER_SECOND).max(MIN_BURST)
}

/// Slots of a [`SpeedWindow`], each [`SLOT`] long: ten seconds in all.
const SLOTS: usize = 20;
/// Length of one slot.
const SLOT: Duration = Duration::from_millis(500);

/// Bytes per second over the last ten seconds (or since the first byte, if that is less).
#[derive(Clone, Debug, Default)]
pub struct SpeedWindow {
    started: Option<Instant>,
    newest: u64,
    bytes: [u64; SLOTS],
}

impl SpeedWindow {
    /// An empty window.
    pub fn new() -> SpeedWindow {
        SpeedWindow::default()
    }

    /// Counts bytes that have moved.
    pub fn add(&mut self, bytes: u64, now: Instant) {
        let started = *self.started.get_or_insert(now);
        let slot = slot_of(now.saturating_duration_since(started));
        self.advance(slot);
        let current = &mut self.bytes[(self.newest % SLOTS as u64) as usize];
        *current = current.saturating_add(bytes);
    }

    /// Bytes per second; 0 before the first byte and after ten seconds without any.
    pub fn per_second(&self, now: Instant) -> u64 {
        let Some(started) = self.started else {
            return 0;
        };
        let elapsed = now.saturating_duration_since(started);
        let current = slot_of(elapsed).max(self.newest);
        let sum: u128 = (0..SLOTS as u64)
            .filter_map(|age| current.checked_sub(age))
            .filter(|slot| *slot <= self.newest && slot + SLOTS as u64 > self.newest)
            .map(|slot| u128::from(self.bytes[(slot % SLOTS as u64) as usize]))
            .sum();
        // The window ends now and begins with its oldest slot. Less than a second counts as one:
        // a first burst is not yet a speed.
        let window = SLOT * (SLOTS as u32 - 1)
            + Duration::from_nanos((elapsed.as_nanos() % SLOT.as_nanos()) as u64);
        let span = elapsed.min(window).max(Duration::from_secs(1));
        u64::try_from(sum * 1000 / span.as_millis().max(1)).unwrap_or(u64::MAX)
    }

    fn advance(&mut self, slot: u64) {
        if slot <= self.newest {
            return;
        }
        let steps = (slot - self.newest).min(SLOTS as u64);
        for step in 0..steps {
            self.bytes[((slot - step) % SLOTS as u64) as usize] = 0;
        }
        self.newest = slot;
    }
}

fn slot_of(elapsed: Duration) -> u64 {
    u64::try_from(elapsed.as_nanos() / SLOT.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes granted in `seconds` to a caller that always wants `piece` and waits as told.
    fn granted_in(bucket: &mut Bucket, start: Instant, seconds: u64, piece: u64) -> u64 {
        let end = start + Duration::from_secs(seconds);
        let mut now = start;
        let mut sum = 0;
        while now < end {
            match bucket.take(piece, now) {
                Take::Granted(bytes) => {
                    assert!(bytes > 0 && bytes <= piece);
                    sum += bytes;
                }
                Take::Wait(wait) => {
                    assert!(wait > Duration::ZERO);
                    now += wait;
                }
            }
        }
        sum
    }

    #[test]
    fn rate_is_kept_over_time() {
        for (rate, piece) in [
            (100, 1000),
            (100, 65_536),
            (4096, 1000),
            (100_000, 1000),
            (100_000, 4 << 20),
            (5 << 20, 65_536),
            (10 << 30, 1 << 30),
        ] {
            let mut bucket = Bucket::new(rate);
            let sum = granted_in(&mut bucket, Instant::now(), 100, piece);
            let most = rate * 100 + 2 * burst(rate);
            assert!(sum <= most, "rate {rate} piece {piece}: {sum} > {most}");
            let least = rate * 90;
            assert!(sum >= least, "rate {rate} piece {piece}: {sum} < {least}");
        }
    }

    #[test]
    fn unlimited_grants_everything() {
        let mut bucket = Bucket::new(0);
        assert_eq!(
            bucket.take(u64::MAX, Instant::now()),
            Take::Granted(u64::MAX)
        );
    }

    #[test]
    fn an_idle_bucket_saves_no_more_than_a_burst() {
        let start = Instant::now();
        let mut bucket = Bucket::new(1_000_000);
        let _ = bucket.take(1, start);
        let later = start + Duration::from_secs(3600);
        assert_eq!(bucket.take(u64::MAX, later), Take::Granted(200_000));
        assert!(matches!(bucket.take(u64::MAX, later), Take::Wait(_)));
    }

    #[test]
    fn a_new_rate_holds_at_once() {
        let start = Instant::now();
        let mut bucket = Bucket::new(0);
        let _ = bucket.take(1 << 30, start);
        bucket.set_rate(1000, start);
        assert!(matches!(bucket.take(1 << 20, start), Take::Wait(_)));
        bucket.set_rate(0, start);
        assert_eq!(bucket.take(1 << 20, start), Take::Granted(1 << 20));
    }

    #[test]
    fn what_is_given_back_can_be_taken_again() {
        let start = Instant::now();
        let mut bucket = Bucket::new(1_000_000);
        assert_eq!(bucket.take(200_000, start), Take::Granted(200_000));
        bucket.give_back(150_000);
        assert_eq!(bucket.take(200_000, start), Take::Granted(150_000));
    }

    #[test]
    fn time_running_backwards_earns_nothing() {
        let start = Instant::now() + Duration::from_secs(100);
        let mut bucket = Bucket::new(1_000_000);
        assert_eq!(bucket.take(200_000, start), Take::Granted(200_000));
        let before = start - Duration::from_secs(50);
        assert!(matches!(bucket.take(200_000, before), Take::Wait(_)));
        assert!(matches!(bucket.take(200_000, start), Take::Wait(_)));
    }

    #[test]
    fn speed_is_that_of_the_last_ten_seconds() {
        let start = Instant::now();
        let mut speed = SpeedWindow::new();
        assert_eq!(speed.per_second(start), 0);
        for tenth in 0..600u32 {
            speed.add(100, start + Duration::from_millis(100) * tenth);
        }
        let now = start + Duration::from_secs(60);
        let steady = speed.per_second(now);
        assert!((950..=1050).contains(&steady), "{steady}");
        let fading = speed.per_second(now + Duration::from_secs(5));
        assert!((400..=600).contains(&fading), "{fading}");
        assert_eq!(speed.per_second(now + Duration::from_secs(11)), 0);
        // After a long silence old bytes do not come back.
        let later = now + Duration::from_secs(3600);
        speed.add(5000, later);
        assert!(speed.per_second(later) <= 600);
    }

    #[test]
    fn a_first_burst_is_not_yet_a_speed() {
        let start = Instant::now();
        let mut speed = SpeedWindow::new();
        speed.add(1 << 20, start);
        assert_eq!(speed.per_second(start), 1 << 20);
    }
}
