//! The states of a grab: every arrow there is, in one table.
//!
//! Pure. In: a state and an event; out: the next state, or `None` where the event means nothing
//! (the row then stays as it is). The store asks [`next`] inside the transaction that writes, so a
//! command and a transfer that end at the same moment cannot both win. `Imported` has no way out
//! but deleting.

use super::State;

/// What happens to a grab.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    /// A transfer begins.
    Start,
    /// The process died or stopped while bytes flowed.
    Interrupted,
    /// There is no room on the disk: it waits in the queue.
    NoRoom,
    /// The attempt failed; the next one is scheduled.
    Retry,
    /// A client paused it.
    Pause,
    /// A client resumed it, or wants a failed one tried again.
    Resume,
    /// A client wants it started before all others.
    Force,
    /// The file is in place under its final name.
    Finish,
    /// Attempts used up, or a permanent error.
    Fail,
    /// The finished file is missing or has the wrong length, and a client asked for a check.
    Missing,
    /// The arr took the file.
    Import,
}

/// The state after `event`.
pub fn next(state: State, event: Event) -> Option<State> {
    use Event as E;
    use State as S;
    Some(match (state, event) {
        (S::Queued | S::Waiting, E::Start) => S::Downloading,
        (S::Downloading, E::Interrupted) => S::Queued,
        // A queued one stays queued, but learns why.
        (S::Queued | S::Waiting | S::Downloading, E::NoRoom) => S::Queued,
        (S::Downloading, E::Retry) => S::Waiting,
        (S::Queued | S::Waiting | S::Downloading, E::Pause) => S::Paused,
        (S::Paused | S::Failed, E::Resume) => S::Queued,
        (S::Queued | S::Waiting | S::Paused | S::Failed, E::Force) => S::Queued,
        // A command may come between the last rename and this: what is done is done.
        (S::Queued | S::Waiting | S::Downloading | S::Paused, E::Finish) => S::Completed,
        (S::Downloading, E::Fail) => S::Failed,
        (S::Completed, E::Missing) => S::Queued,
        (S::Completed, E::Import) => S::Imported,
        _ => return None,
    })
}

impl State {
    /// Every state.
    pub const ALL: [State; 7] = [
        State::Queued,
        State::Downloading,
        State::Waiting,
        State::Paused,
        State::Completed,
        State::Imported,
        State::Failed,
    ];

    /// The word in the database and in `GET /status`.
    pub fn word(self) -> &'static str {
        match self {
            State::Queued => "queued",
            State::Downloading => "downloading",
            State::Waiting => "waiting",
            State::Paused => "paused",
            State::Completed => "completed",
            State::Imported => "imported",
            State::Failed => "failed",
        }
    }

    /// The state of a word in the database.
    pub fn from_word(word: &str) -> Option<State> {
        State::ALL.into_iter().find(|state| state.word() == word)
    }

    /// True while the arr may still get something from it; an ended grab gives way to a new one.
    pub fn is_alive(self) -> bool {
        !matches!(self, State::Imported | State::Failed)
    }

    /// True while the part file, not the finished file, is what counts.
    pub fn is_unfinished(self) -> bool {
        !matches!(self, State::Completed | State::Imported)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Event as E;
    use State as S;

    const EVENTS: [Event; 11] = [
        E::Start,
        E::Interrupted,
        E::NoRoom,
        E::Retry,
        E::Pause,
        E::Resume,
        E::Force,
        E::Finish,
        E::Fail,
        E::Missing,
        E::Import,
    ];

    /// Every arrow; what is not here must not exist.
    const ARROWS: &[(State, Event, State)] = &[
        (S::Queued, E::Start, S::Downloading),
        (S::Queued, E::NoRoom, S::Queued),
        (S::Queued, E::Pause, S::Paused),
        (S::Queued, E::Force, S::Queued),
        (S::Queued, E::Finish, S::Completed),
        (S::Downloading, E::Interrupted, S::Queued),
        (S::Downloading, E::NoRoom, S::Queued),
        (S::Downloading, E::Retry, S::Waiting),
        (S::Downloading, E::Pause, S::Paused),
        (S::Downloading, E::Finish, S::Completed),
        (S::Downloading, E::Fail, S::Failed),
        (S::Waiting, E::Start, S::Downloading),
        (S::Waiting, E::NoRoom, S::Queued),
        (S::Waiting, E::Pause, S::Paused),
        (S::Waiting, E::Force, S::Queued),
        (S::Waiting, E::Finish, S::Completed),
        (S::Paused, E::Resume, S::Queued),
        (S::Paused, E::Force, S::Queued),
        (S::Paused, E::Finish, S::Completed),
        (S::Completed, E::Missing, S::Queued),
        (S::Completed, E::Import, S::Imported),
        (S::Failed, E::Resume, S::Queued),
        (S::Failed, E::Force, S::Queued),
    ];

    #[test]
    fn the_arrows_are_these_and_no_others() {
        for state in State::ALL {
            for event in EVENTS {
                let expected = ARROWS
                    .iter()
                    .find(|(from, on, _)| *from == state && *on == event)
                    .map(|(_, _, to)| *to);
                assert_eq!(next(state, event), expected, "{state:?} on {event:?}");
            }
        }
    }

    #[test]
    fn every_state_but_imported_can_be_left() {
        for state in State::ALL {
            let has_exit = ARROWS
                .iter()
                .any(|(from, _, to)| *from == state && *to != state);
            assert_eq!(has_exit, state != S::Imported, "{state:?}");
        }
    }

    #[test]
    fn words_go_both_ways() {
        for state in State::ALL {
            assert_eq!(State::from_word(state.word()), Some(state));
        }
        assert_eq!(State::from_word("Queued"), None);
    }
}
