//! The face as a client sees it: requests in, answers out, over a real store and a real queue.
//!
//! Nothing is ever downloaded here (`max_concurrent` is 0), so states are exactly those that commands
//! and the tests themselves bring about.

mod adding;
mod commands;
mod hostile;
mod labels;
mod limits;
mod lists;
mod login;
mod others;
mod recorded;
pub(crate) mod rig;
mod sync;
