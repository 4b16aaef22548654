//! When a question is put to an arr the next time.
//!
//! Pure: `now` is an argument. After an answer comes the usual interval; after failures a delay
//! that doubles up to [`LONGEST_DELAY`], for ever. Somebody may hurry it, but never to more than
//! one question in [`SHORTEST`].

use std::time::{Duration, Instant};

use crate::scheduler::doubled;

/// Longest delay after failures.
pub const LONGEST_DELAY: Duration = Duration::from_secs(10 * 60);

/// Shortest time between two questions: a season pack ends in a webhook for each of its files.
pub const SHORTEST: Duration = Duration::from_secs(1);

/// The times of one question.
#[derive(Clone, Debug, Default)]
pub struct Turn {
    /// `None`: at once.
    due: Option<Instant>,
    ended: Option<Instant>,
    failures: u32,
    trouble: Option<String>,
}

impl Turn {
    /// True when it is time.
    pub fn is_due(&self, now: Instant) -> bool {
        self.due.is_none_or(|due| due <= now)
    }

    /// When it is time; `now` if it is.
    pub fn next(&self, now: Instant) -> Instant {
        self.due.map_or(now, |due| due.max(now))
    }

    /// Asks as soon as may be, failures or not: the arr has just called us.
    pub fn hurry(&mut self) {
        self.due = self.ended.map(|ended| ended + SHORTEST);
    }

    /// It was answered at `end`; the next time comes after `interval`.
    pub fn answered(&mut self, end: Instant, interval: Duration) {
        self.failures = 0;
        self.trouble = None;
        self.ended = Some(end);
        self.due = Some(end + interval);
    }

    /// It failed at `end` for this reason; `first` is the delay after a first failure.
    pub fn failed(&mut self, end: Instant, first: Duration, reason: String) {
        self.trouble = Some(reason);
        let delay = doubled(first, self.failures, LONGEST_DELAY);
        self.failures = self.failures.saturating_add(1);
        self.ended = Some(end);
        self.due = Some(end + delay);
    }

    /// Why it failed the last time, if it did.
    pub fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn questions_come_at_intervals_and_later_after_failures() {
        let start = Instant::now();
        let mut turn = Turn::default();
        assert!(turn.is_due(start));
        assert_eq!(turn.next(start), start);
        turn.answered(start, 30 * SECOND);
        assert!(!turn.is_due(start + 29 * SECOND));
        assert!(turn.is_due(start + 30 * SECOND));
        let mut delays = Vec::new();
        for _ in 0..8 {
            turn.failed(start, 30 * SECOND, "down".into());
            delays.push((turn.next(start) - start).as_secs());
        }
        assert_eq!(turn.trouble(), Some("down"));
        assert_eq!(delays, [30, 60, 120, 240, 480, 600, 600, 600]);
        turn.answered(start, 30 * SECOND);
        assert_eq!(turn.trouble(), None);
        turn.failed(start, 30 * SECOND, "down".into());
        assert_eq!(
            turn.next(start),
            start + 30 * SECOND,
            "an answer starts over"
        );
    }

    #[test]
    fn hurrying_is_bounded() {
        let start = Instant::now();
        let mut turn = Turn::default();
        turn.hurry();
        assert!(turn.is_due(start));
        turn.failed(start, 600 * SECOND, "down".into());
        turn.hurry();
        assert!(!turn.is_due(start));
        assert!(turn.is_due(start + SHORTEST));
    }
}
