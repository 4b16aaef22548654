//! Panics as log lines: one line each without backtrace, and not more than a few a minute, for a
//! stranger may be able to cause them (tiny_http panics on reset connections; a backtrace each
//! costs 40 MiB of memory after 4,000 of them).

use std::sync::{Mutex, Once};
use std::time::{Duration, Instant};

use crate::sys::lock;

/// Panics logged in each [`WINDOW`]; enough to see what happens, too few to fill a log.
const PER_WINDOW: u32 = 10;
const WINDOW: Duration = Duration::from_secs(60);

/// Installs the hook, once per process. While no logger is set up (unit tests), panics are shown
/// as Rust shows them.
pub fn install() {
    static INSTALLED: Once = Once::new();
    static LIMIT: Mutex<Limit> = Mutex::new(Limit::new());
    INSTALLED.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if log::max_level() == log::LevelFilter::Off {
                before(info);
                return;
            }
            let Some(suppressed) = lock(&LIMIT).admit(Instant::now()) else {
                return;
            };
            let thread = std::thread::current();
            let name = thread.name().unwrap_or("without a name").to_owned();
            let place = match info.location() {
                Some(location) => format!("{}:{}", location.file(), location.line()),
                None => "an unknown place".to_owned(),
            };
            let what = info.payload_as_str().unwrap_or("no message");
            log::error!("thread {name} panicked at {place}: {}", what.escape_debug());
            if suppressed > 0 {
                log::error!("{suppressed} more panics before it were not logged");
            }
        }));
    });
}

/// Counts events in windows.
struct Limit {
    window: Option<Instant>,
    admitted: u32,
    suppressed: u64,
}

impl Limit {
    const fn new() -> Limit {
        Limit {
            window: None,
            admitted: 0,
            suppressed: 0,
        }
    }

    /// `Some(number left out since the last)` when this one may be logged.
    fn admit(&mut self, now: Instant) -> Option<u64> {
        let is_over = self
            .window
            .is_none_or(|start| now.saturating_duration_since(start) >= WINDOW);
        if is_over {
            self.window = Some(now);
            self.admitted = 0;
        }
        if self.admitted == PER_WINDOW {
            self.suppressed += 1;
            return None;
        }
        self.admitted += 1;
        Some(std::mem::take(&mut self.suppressed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_each_window_then_a_count() {
        let mut limit = Limit::new();
        let start = Instant::now();
        for _ in 0..PER_WINDOW {
            assert_eq!(limit.admit(start), Some(0));
        }
        for _ in 0..1000 {
            assert_eq!(limit.admit(start + WINDOW / 2), None);
        }
        assert_eq!(limit.admit(start + WINDOW), Some(1000));
        assert_eq!(limit.admit(start + WINDOW), Some(0));
    }
}
