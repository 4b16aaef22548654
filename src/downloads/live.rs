//! What is known of a grab only while the process runs: progress, speed, limits, and the handle by
//! which a running transfer is stopped.
//!
//! All of it is shared between the transfer's thread and those that list grabs; nothing here is
//! ever written to the database.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use crate::rates::{Bucket, SpeedWindow};
use crate::sys::lock;

/// Live figures of one grab.
pub struct Live {
    have: AtomicU64,
    received: AtomicU64,
    last_activity: AtomicU64,
    window: Mutex<Window>,
    /// The grab's own download limit.
    pub limit: Mutex<Bucket>,
}

struct Window {
    speed: SpeedWindow,
    /// When the last byte came, or waiting for the first one began.
    moved_at: Instant,
}

impl Live {
    /// Figures of a grab that has `have` bytes on disk and moved last at `last_activity` (Unix seconds).
    pub fn new(have: u64, last_activity: u64, limit: u64, now: Instant) -> Live {
        Live {
            have: AtomicU64::new(have),
            received: AtomicU64::new(0),
            last_activity: AtomicU64::new(last_activity),
            window: Mutex::new(Window {
                speed: SpeedWindow::new(),
                moved_at: now,
            }),
            limit: Mutex::new(Bucket::new(limit)),
        }
    }

    /// Bytes on disk.
    pub fn have(&self) -> u64 {
        self.have.load(Relaxed)
    }

    /// Sets the bytes on disk without counting them as received.
    pub fn set_have(&self, have: u64) {
        self.have.store(have, Relaxed);
    }

    /// Bytes received since the start of the process.
    pub fn received(&self) -> u64 {
        self.received.load(Relaxed)
    }

    /// Unix seconds of the last byte.
    pub fn last_activity(&self) -> u64 {
        self.last_activity.load(Relaxed)
    }

    /// Counts bytes that came and are on disk.
    pub fn came(&self, bytes: u64, unix_now: u64, now: Instant) {
        self.have.fetch_add(bytes, Relaxed);
        self.received.fetch_add(bytes, Relaxed);
        self.last_activity.store(unix_now, Relaxed);
        let mut window = lock(&self.window);
        window.speed.add(bytes, now);
        window.moved_at = now;
    }

    /// Starts the measuring of speed and stalls anew.
    pub fn begin(&self, now: Instant) {
        let mut window = lock(&self.window);
        window.speed = SpeedWindow::new();
        window.moved_at = now;
    }

    /// Bytes per second.
    pub fn speed(&self, now: Instant) -> u64 {
        lock(&self.window).speed.per_second(now)
    }

    /// Time since the last byte.
    pub fn stalled_for(&self, now: Instant) -> Duration {
        now.saturating_duration_since(lock(&self.window).moved_at)
    }
}

/// A running transfer.
pub struct Run {
    /// Set to end the transfer within a second, whatever it waits for.
    pub cancel: Arc<AtomicBool>,
    /// It does not count against `max_concurrent`.
    pub is_forced: bool,
    asleep: Mutex<()>,
    alarm: Condvar,
}

impl Run {
    /// A transfer about to start.
    pub fn new(is_forced: bool) -> Run {
        Run {
            cancel: Arc::new(AtomicBool::new(false)),
            is_forced,
            asleep: Mutex::new(()),
            alarm: Condvar::new(),
        }
    }

    /// Ends it.
    pub fn cancel(&self) {
        self.cancel.store(true, Relaxed);
        self.wake();
    }

    /// True once it has to end.
    pub fn is_cancelled(&self) -> bool {
        self.cancel.load(Relaxed)
    }

    /// Wakes it from a pause made for a rate limit, because the limit has changed.
    pub fn wake(&self) {
        let _held = lock(&self.asleep);
        self.alarm.notify_all();
    }

    /// Sleeps, but not after [`Run::cancel`] or [`Run::wake`].
    pub fn sleep(&self, time: Duration) {
        let held = lock(&self.asleep);
        if !self.is_cancelled() {
            // A spurious wake-up only means that the limit is asked again too early.
            drop(self.alarm.wait_timeout(held, time));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_follow_the_bytes() {
        let start = Instant::now();
        let live = Live::new(100, 7, 0, start);
        assert_eq!(
            (live.have(), live.received(), live.last_activity()),
            (100, 0, 7)
        );
        live.came(50, 9, start + Duration::from_secs(1));
        assert_eq!(
            (live.have(), live.received(), live.last_activity()),
            (150, 50, 9)
        );
        assert!(live.speed(start + Duration::from_secs(1)) > 0);
        let later = start + Duration::from_secs(61);
        assert_eq!(live.stalled_for(later), Duration::from_secs(60));
        assert_eq!(live.speed(later), 0);
        live.set_have(0);
        assert_eq!((live.have(), live.received()), (0, 50));
    }

    #[test]
    fn a_cancelled_run_does_not_sleep() {
        let run = Run::new(false);
        run.cancel();
        let start = Instant::now();
        run.sleep(Duration::from_secs(3600));
        assert!(start.elapsed() < Duration::from_secs(60));
    }
}
