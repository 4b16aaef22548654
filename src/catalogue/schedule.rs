//! When an origin is asked for its whole list again. Pure: what happened and now in, a time out.
//!
//! Normally every `catalogue_refresh`. One that has just come up (at our start, or after it was
//! away), or whose list has become empty, is asked again after 10 s, 1 min and 5 min: a server that
//! is starting answers before it has everything. A failure is asked again after 10 s, then twice
//! that, and so on. No wait is longer than `catalogue_refresh` or shorter than a second.

use std::time::{Duration, Instant};

use crate::scheduler::doubled;

/// Waits after coming up.
const SETTLING: [Duration; 3] = [
    Duration::from_secs(10),
    Duration::from_secs(60),
    Duration::from_secs(300),
];

/// First wait after a failure; doubles.
const FIRST_RETRY: Duration = Duration::from_secs(10);

/// Shortest wait, whatever is configured.
const SHORTEST: Duration = Duration::from_secs(1);

/// How asking went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The whole list, or that it is still the same.
    Answered,
    /// The whole list: it was not empty before, and now is.
    Emptied,
    /// No list, or a part of one.
    Failed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Answered this many times since it came up.
    Settling(usize),
    Steady,
    /// Failed this many times in a row.
    Failing(u32),
}

/// When to ask next, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    /// The time.
    pub at: Instant,
    phase: Phase,
}

impl Due {
    /// At the start: now.
    pub fn at_start(now: Instant) -> Due {
        Due {
            at: now,
            phase: Phase::Settling(0),
        }
    }

    /// After an attempt that ended `now`.
    pub fn after(self, outcome: Outcome, now: Instant, every: Duration) -> Due {
        let phase = match (outcome, self.phase) {
            (Outcome::Failed, Phase::Failing(times)) => Phase::Failing(times.saturating_add(1)),
            (Outcome::Failed, _) => Phase::Failing(1),
            (Outcome::Answered, Phase::Steady) => Phase::Steady,
            (Outcome::Emptied, Phase::Steady) | (_, Phase::Failing(_)) => Phase::Settling(1),
            (_, Phase::Settling(times)) if times < SETTLING.len() => Phase::Settling(times + 1),
            (_, Phase::Settling(_)) => Phase::Steady,
        };
        let wait = match phase {
            Phase::Settling(times) => SETTLING[times - 1],
            Phase::Steady => every,
            Phase::Failing(times) => doubled(FIRST_RETRY, times - 1, every),
        };
        Due {
            at: now + wait.min(every).max(SHORTEST),
            phase,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Outcome::{Answered, Emptied, Failed};

    /// Waits in seconds after each outcome.
    fn check(every: u64, steps: &[(Outcome, u64)]) {
        let mut now = Instant::now();
        let mut due = Due::at_start(now);
        assert_eq!(due.at, now);
        for (step, (outcome, expected)) in steps.iter().enumerate() {
            due = due.after(*outcome, now, Duration::from_secs(every));
            assert_eq!((due.at - now).as_secs(), *expected, "step {step} {steps:?}");
            now = due.at;
        }
    }

    #[test]
    fn a_new_origin_settles_then_keeps_its_pace() {
        check(
            900,
            &[
                (Answered, 10),
                (Answered, 60),
                (Answered, 300),
                (Answered, 900),
                (Answered, 900),
            ],
        );
    }

    #[test]
    fn failures_back_off_up_to_the_pace_and_then_it_settles_again() {
        check(
            900,
            &[
                (Failed, 10),
                (Failed, 20),
                (Failed, 40),
                (Failed, 80),
                (Failed, 160),
                (Failed, 320),
                (Failed, 640),
                (Failed, 900),
                (Failed, 900),
                (Answered, 10),
                (Failed, 10),
                (Emptied, 10),
                (Emptied, 60),
            ],
        );
        let mut due = Due::at_start(Instant::now());
        for _ in 0..100 {
            due = due.after(Failed, due.at, Duration::from_secs(60));
        }
    }

    #[test]
    fn a_list_that_becomes_empty_is_looked_at_again_soon() {
        check(
            900,
            &[
                (Answered, 10),
                (Answered, 60),
                (Answered, 300),
                (Answered, 900),
                (Emptied, 10),
                (Answered, 60),
            ],
        );
    }

    #[test]
    fn a_short_pace_bounds_every_wait() {
        check(
            5,
            &[(Answered, 5), (Answered, 5), (Failed, 5), (Answered, 5)],
        );
        check(0, &[(Answered, 1), (Failed, 1)]);
    }
}
