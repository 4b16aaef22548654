//! What an error means for the next attempt.
//!
//! Pure: errors say what they are ([`Class`]), [`decide`] says what follows. Attempts are counted
//! since bytes last came: a long download from a friend whose line drops every hour is not worse
//! off than a short one, so an attempt that brought at least [`PROGRESS`] starts the count anew.
//! Trouble of our own disk is not the friend's fault and never uses up attempts. Delays double from
//! the base to the maximum, less up to a quarter of jitter so that grabs that failed together do
//! not come back together; `Retry-After` is a minimum on top of that.

use std::time::Duration;

use rustix::io::Errno;

use crate::peer::client::PeerError;

/// Bytes that make an attempt a success of sorts. Less could be the same few bytes again and again.
pub const PROGRESS: u64 = 1024 * 1024;

/// Wait after trouble of our own disk: whoever mends it needs minutes, and a dying disk rest.
const DISK_DELAY: Duration = Duration::from_secs(5 * 60);

/// Time between two looks for room on the disk.
pub const ROOM_DELAY: Duration = Duration::from_secs(10);

/// Wait after a write found the disk full although there seemed to be room (a quota, say): the
/// friend is not to be asked every few seconds for nothing.
const FULL_DELAY: Duration = Duration::from_secs(15);

/// [`FULL_DELAY`], doubled each time that the disk was full again, up to [`DISK_DELAY`]: a quota
/// may stand for days, and each attempt is a request, a line in the log and two writes.
pub fn full_delay(times_before: u32) -> Duration {
    FULL_DELAY
        .saturating_mul(1 << times_before.min(16))
        .min(DISK_DELAY)
}

/// Longest `Retry-After` that is obeyed.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(24 * 3600);

/// What kind of error ended an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// May pass: network, 5xx, an answer that is not to be believed.
    Later,
    /// The friend says when to come back, counted from now.
    NotBefore(Duration),
    /// This friend will not give it; another one may.
    Elsewhere,
    /// Nobody can help.
    Never,
    /// Our disk is full.
    NoRoom,
    /// Our disk is broken, gone or read-only.
    Disk,
    /// A client or the end of the process ended it; the row says which.
    Cancelled,
}

/// Why an attempt ended without the whole file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Kind.
    pub class: Class,
    /// In the owner's words: names friend or path.
    pub reason: String,
}

impl Failure {
    /// A failure of this kind.
    pub fn new(class: Class, reason: impl Into<String>) -> Failure {
        Failure {
            class,
            reason: reason.into(),
        }
    }

    /// Stopped from outside.
    pub fn cancelled() -> Failure {
        Failure::new(Class::Cancelled, "cancelled")
    }

    /// Trouble with a file of ours.
    pub fn disk(what: &str, path: &std::path::Path, error: &std::io::Error) -> Failure {
        let class = match Errno::from_io_error(error) {
            Some(Errno::NOSPC | Errno::DQUOT) => Class::NoRoom,
            Some(Errno::FBIG | Errno::NAMETOOLONG | Errno::ILSEQ) => Class::Never,
            _ => Class::Disk,
        };
        let hint = match (class, Errno::from_io_error(error)) {
            (Class::Never, Some(Errno::FBIG)) => {
                ": this file system cannot hold a file of that size"
            }
            (Class::Never, _) => ": this file system cannot hold a file of that name",
            _ => "",
        };
        Failure::new(
            class,
            format!("cannot {what} {}: {error}{hint}", path.display()),
        )
    }
}

impl From<PeerError> for Failure {
    fn from(error: PeerError) -> Failure {
        let class = match &error {
            PeerError::Cancelled => Class::Cancelled,
            PeerError::Unsound(_) => Class::Elsewhere,
            PeerError::Status {
                status,
                retry_after,
                ..
            } => match status {
                // 408 and 425 are about the moment, not about the request.
                408 | 425 | 429 | 500.. => retry_after.map_or(Class::Later, Class::NotBefore),
                400..=499 => Class::Elsewhere,
                // A redirect is most likely the login page of a proxy that has lost its session.
                _ => Class::Later,
            },
            PeerError::Unreachable(_) | PeerError::Protocol(_) | PeerError::Version(_) => {
                Class::Later
            }
        };
        Failure::new(class, error.to_string())
    }
}

/// The configured limits.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// Attempts in all.
    pub max_attempts: u32,
    /// First delay.
    pub base: Duration,
    /// Longest delay.
    pub max: Duration,
}

/// What follows a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Wait for the friend; `attempts` have been used up now.
    Wait {
        /// Attempts used.
        attempts: u32,
        /// Time to the next one.
        delay: Duration,
    },
    /// Wait for our own disk to be mended.
    WaitForDisk {
        /// Time to the next look.
        delay: Duration,
    },
    /// Back into the queue until there is room: [`full_delay`].
    WaitForRoom,
    /// Give up.
    Fail {
        /// Attempts used.
        attempts: u32,
    },
    /// Nothing: whoever cancelled has written the state.
    Nothing,
}

/// Decides. `attempts` were used before this one; `gained` is how many bytes more the part file has
/// than when the attempt began; `jitter` is in 0..1.
pub fn decide(policy: &Policy, attempts: u32, gained: u64, class: Class, jitter: f64) -> Next {
    let attempts = count(attempts, gained);
    let wait = |at_least: Duration| {
        if attempts >= policy.max_attempts {
            Next::Fail { attempts }
        } else {
            let delay = delay(policy, attempts, jitter).max(at_least);
            Next::Wait { attempts, delay }
        }
    };
    match class {
        Class::Later => wait(Duration::ZERO),
        Class::NotBefore(at_least) => wait(at_least.min(MAX_RETRY_AFTER)),
        Class::Elsewhere | Class::Never => Next::Fail { attempts },
        Class::NoRoom => Next::WaitForRoom,
        Class::Disk => Next::WaitForDisk { delay: DISK_DELAY },
        Class::Cancelled => Next::Nothing,
    }
}

/// Attempts used up after one more that gained so many bytes.
pub fn count(attempts: u32, gained: u64) -> u32 {
    if gained >= PROGRESS {
        1
    } else {
        attempts.saturating_add(1)
    }
}

/// The delay after `attempts` (at least 1) in a row.
fn delay(policy: &Policy, attempts: u32, jitter: f64) -> Duration {
    let doublings = attempts.saturating_sub(1).min(31);
    let full = policy.base.saturating_mul(1 << doublings).min(policy.max);
    full.mul_f64(1.0 - 0.25 * jitter.clamp(0.0, 1.0))
}

/// How long a stored time of the next attempt is away, in seconds. A clock that was set back must
/// not make a grab wait for a year: no wait was ever longer than what is stored here at most.
pub fn remaining(retry_at: Option<u64>, unix_now: u64, policy: &Policy) -> Duration {
    let longest = policy.max.max(MAX_RETRY_AFTER).max(DISK_DELAY);
    let wait = Duration::from_secs(retry_at.unwrap_or(0).saturating_sub(unix_now));
    if wait > longest { Duration::ZERO } else { wait }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: Policy = Policy {
        max_attempts: 13,
        base: Duration::from_secs(1),
        max: Duration::from_secs(1800),
    };

    fn seconds(number: u64) -> Duration {
        Duration::from_secs(number)
    }

    #[test]
    fn delays_double_up_to_the_maximum() {
        let expected = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 1800];
        for (index, delay) in expected.into_iter().enumerate() {
            let attempts = index as u32;
            assert_eq!(
                decide(&POLICY, attempts, 0, Class::Later, 0.0),
                Next::Wait {
                    attempts: attempts + 1,
                    delay: seconds(delay)
                }
            );
        }
        assert_eq!(
            decide(&POLICY, 12, 0, Class::Later, 0.0),
            Next::Fail { attempts: 13 }
        );
    }

    #[test]
    fn a_friend_away_for_half_an_hour_is_waited_for_whatever_the_jitter() {
        let sum: Duration = (1..13).map(|attempts| delay(&POLICY, attempts, 1.0)).sum();
        assert!(sum > seconds(35 * 60), "{sum:?}");
    }

    #[test]
    fn jitter_only_shortens_and_by_a_quarter_at_most() {
        assert_eq!(delay(&POLICY, 3, 1.0), seconds(3));
        assert_eq!(delay(&POLICY, 3, 0.0), seconds(4));
        assert_eq!(delay(&POLICY, u32::MAX, 0.0), seconds(1800));
    }

    #[test]
    fn each_class_has_its_consequence() {
        let check = |class, expected| {
            assert_eq!(decide(&POLICY, 4, 0, class, 0.0), expected, "{class:?}");
        };
        let wait = |delay| Next::Wait { attempts: 5, delay };
        check(Class::Later, wait(seconds(16)));
        check(Class::NotBefore(seconds(3)), wait(seconds(16)));
        check(Class::NotBefore(seconds(90)), wait(seconds(90)));
        check(Class::NotBefore(Duration::MAX), wait(MAX_RETRY_AFTER));
        check(Class::Elsewhere, Next::Fail { attempts: 5 });
        check(Class::Never, Next::Fail { attempts: 5 });
        check(Class::NoRoom, Next::WaitForRoom);
        check(Class::Disk, Next::WaitForDisk { delay: DISK_DELAY });
        check(Class::Cancelled, Next::Nothing);
        // Even the last attempt is not used up by our own disk.
        assert_eq!(
            decide(&POLICY, 12, 0, Class::Disk, 0.0),
            Next::WaitForDisk { delay: DISK_DELAY }
        );
    }

    #[test]
    fn a_disk_that_stays_full_is_tried_less_and_less() {
        for (times, expected) in [(0, 15), (1, 30), (2, 60), (4, 240), (5, 300), (1000, 300)] {
            assert_eq!(full_delay(times), seconds(expected), "{times}");
        }
    }

    #[test]
    fn progress_starts_the_count_anew() {
        let check = |gained, attempts| assert_eq!(count(12, gained), attempts, "{gained}");
        check(0, 13);
        check(PROGRESS - 1, 13);
        check(PROGRESS, 1);
        check(u64::MAX, 1);
    }

    #[test]
    fn errors_of_friends_are_classed() {
        let status = |status, wait: Option<u64>| PeerError::Status {
            status,
            retry_after: wait.map(Duration::from_secs),
            what: "alice: /x".into(),
        };
        let check = |error: PeerError, class| {
            assert_eq!(Failure::from(error.clone()).class, class, "{error}");
        };
        check(PeerError::Unreachable("x".into()), Class::Later);
        check(PeerError::Protocol("x".into()), Class::Later);
        check(PeerError::Unsound("x".into()), Class::Elsewhere);
        check(PeerError::Cancelled, Class::Cancelled);
        check(status(302, None), Class::Later);
        for number in [400, 401, 403, 404, 410, 451] {
            check(status(number, Some(5)), Class::Elsewhere);
        }
        for number in [408, 429, 500, 502, 503, 599] {
            check(status(number, None), Class::Later);
            check(status(number, Some(5)), Class::NotBefore(seconds(5)));
        }
    }

    #[test]
    fn errors_of_our_disk_are_classed() {
        let check = |errno: Errno, class| {
            let error = std::io::Error::from(errno);
            let failure = Failure::disk("write", std::path::Path::new("/x"), &error);
            assert_eq!(failure.class, class, "{errno:?}");
            assert!(failure.reason.contains("/x"));
        };
        check(Errno::NOSPC, Class::NoRoom);
        check(Errno::DQUOT, Class::NoRoom);
        for errno in [Errno::FBIG, Errno::NAMETOOLONG, Errno::ILSEQ] {
            check(errno, Class::Never);
        }
        for errno in [Errno::IO, Errno::ROFS, Errno::ACCESS, Errno::NOENT] {
            check(errno, Class::Disk);
        }
    }

    #[test]
    fn a_clock_that_jumps_does_not_strand_a_grab() {
        let check = |retry_at, now, expected| {
            assert_eq!(remaining(retry_at, now, &POLICY), seconds(expected));
        };
        check(None, 1000, 0);
        check(Some(1100), 1000, 100);
        check(Some(900), 1000, 0);
        // Set back by a year.
        check(Some(31_536_000 + 1100), 1000, 0);
    }
}
