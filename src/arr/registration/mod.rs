//! Registration: every destination with `autoregister` has our download client, our indexer and our
//! notification, and keeps them.
//!
//! [`Registrar`] is a periodic job that never ends: it looks at each arr every [`CHECK_INTERVAL`],
//! repairs what differs from `wanted`, and retries an arr that is down, starting or unwilling with a growing
//! delay. It must run on a thread that answers nobody, for an arr calls us back while it saves. What it
//! finds is logged once when it changes, and shown by [`Registrar::states`]. [`once`] does the same
//! for one arr from the command line.
//!
//! Ours is what has our name (`[jackdaw] name`), whatever it was before, and what leads to our
//! address. `wanted` says which settings we own; `reconcile` and `save` talk to the arr; `memory` is what
//! the database keeps of it; `resource` is the API's way to write a provider.

mod memory;
mod outcome;
mod reconcile;
mod resource;
mod save;
mod wanted;

pub use outcome::{Deed, Outcome};
pub use wanted::{Part, slugs};

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::client::ArrClient;
use crate::clock::now_unix;
use crate::config::{Config, Server};
use crate::scheduler::doubled;
use crate::store::Store;
use crate::sys::lock;
use outcome::Trouble;
use reconcile::{Ground, Pending};
use wanted::Identity;

/// How often a registered arr is looked at: the time a deleted or altered entry stays so.
pub const CHECK_INTERVAL: Duration = Duration::from_secs(10 * 60);

/// First delay after a failure; doubled with each further one. An arr that starts beside us is
/// ready within seconds.
pub const FIRST_RETRY: Duration = Duration::from_secs(1);

/// Longest delay after a failure.
pub const LONGEST_RETRY: Duration = Duration::from_secs(10 * 60);

/// How often an arr is asked to try its stored key on us, which only a restored backup breaks. Not in the
/// first round: our listener may not be open yet, and the arr would pause the client for that.
const PROBE_INTERVAL: Duration = Duration::from_secs(60 * 60);

/// How it stands with one destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Not looked at yet.
    Pending,
    /// Everything is as wanted; notes are what the owner should know all the same.
    Registered(Vec<String>),
    /// It did not work, for this reason; it is tried again.
    Waiting(String),
    /// It is not registered by us, for this reason.
    Off(&'static str),
}

/// [`State`] of a server, for `jackdaw status`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registration {
    /// Title of the `[server]`.
    pub server: String,
    /// How it stands.
    pub state: State,
    /// Since when, in Unix seconds.
    pub since_unix: u64,
}

/// One destination in the job's hands.
struct Work {
    arr: Arc<ArrClient>,
    identity: Identity,
    pending: Pending,
    /// `None`: at once.
    due: Option<Instant>,
    /// `None`: the first round is still to come.
    probe_due: Option<Instant>,
    failures: u32,
    /// The notification's failure that was logged last.
    hook_failure: Option<String>,
    /// Where it stands in `shown`.
    index: usize,
}

/// The reconciler of all destinations.
pub struct Registrar {
    store: Arc<Store>,
    /// Held while the arrs are talked to; only [`Registrar::run_due`] takes it.
    work: Mutex<Vec<Work>>,
    /// Never held across the network.
    shown: Mutex<Vec<Registration>>,
}

impl Registrar {
    /// For the destinations of this configuration; `clients` are those of its servers. Nothing is
    /// asked yet. Keys of servers that are not in it any more are revoked.
    pub fn new(config: &Config, store: Arc<Store>, clients: &[Arc<ArrClient>]) -> Registrar {
        revoke_gone(config, &store);
        let mut work = Vec::new();
        let mut shown = Vec::new();
        for arr in clients {
            let server = arr.server();
            if !server.destination {
                continue;
            }
            let state = match identity(config, server) {
                Ok(identity) => {
                    work.push(Work {
                        arr: Arc::clone(arr),
                        identity,
                        pending: Pending::default(),
                        due: None,
                        probe_due: None,
                        failures: 0,
                        hook_failure: None,
                        index: shown.len(),
                    });
                    State::Pending
                }
                Err(reason) => State::Off(reason),
            };
            shown.push(Registration {
                server: server.title.clone(),
                state,
                since_unix: now_unix(),
            });
        }
        Registrar {
            store,
            work: Mutex::new(work),
            shown: Mutex::new(shown),
        }
    }

    /// Looks at every arr whose time has come; says when the next one's comes. May take minutes, and the arrs
    /// call us back meanwhile.
    pub fn run_due(&self, now: Instant) -> Instant {
        let mut all = lock(&self.work);
        for work in all.iter_mut() {
            if work.due.is_none_or(|due| due <= now) {
                self.run(work, now);
            }
        }
        let next = all.iter().filter_map(|work| work.due).min();
        next.unwrap_or(now + CHECK_INTERVAL)
    }

    /// How it stands with each destination, in the order of the clients. Never waits for the network.
    pub fn states(&self) -> Vec<Registration> {
        lock(&self.shown).clone()
    }

    fn run(&self, work: &mut Work, now: Instant) {
        let began = Instant::now();
        let probe = work.probe_due.is_some_and(|due| due <= now);
        let ground = Ground {
            arr: &work.arr,
            identity: &work.identity,
            now_unix: now_unix(),
        };
        let result = ground.apply(&self.store, &mut work.pending, probe);
        // Delays count from the end: a timeout may have taken longer than the first of them.
        let end = now + began.elapsed();
        let name = work.arr.name();
        match result {
            Ok(outcome) => {
                work.failures = 0;
                work.due = Some(end + CHECK_INTERVAL);
                work.probe_due = Some(match (work.probe_due, probe) {
                    (None, _) => now,
                    (Some(_), true) => now + PROBE_INTERVAL,
                    (Some(due), false) => due,
                });
                let hook_failure = outcome.hook_failure().map(str::to_owned);
                if hook_failure != work.hook_failure {
                    if let Some(reason) = &hook_failure {
                        log::warn!(
                            "{name}: the notification is not registered, so imports are found by \
                             asking only: {reason}"
                        );
                    }
                    work.hook_failure = hook_failure.clone();
                }
                let mut notes = outcome.notes.clone();
                notes.extend(hook_failure.map(|reason| format!("no notification: {reason}")));
                let after = State::Registered(notes);
                let before = self.show(work.index, after.clone());
                if is_news(&before, &after, outcome.is_change()) {
                    log::info!("{name}: registered: {outcome}");
                }
            }
            Err(Trouble(reason)) => {
                let delay = retry_delay(work.failures);
                work.failures = work.failures.saturating_add(1);
                work.due = Some(end + delay);
                // What comes after a failure may be another installation.
                work.probe_due = Some(now);
                let after = State::Waiting(reason.clone());
                let before = self.show(work.index, after.clone());
                if is_news(&before, &after, false) {
                    log::warn!("registration is not assured, trying again: {reason}");
                }
            }
        }
    }

    /// Takes the state over; gives the one before it.
    fn show(&self, index: usize, state: State) -> State {
        let mut shown = lock(&self.shown);
        // Each `Work` was made together with its place.
        let slot = &mut shown[index];
        if slot.state != state {
            slot.since_unix = now_unix();
        }
        std::mem::replace(&mut slot.state, state)
    }
}

/// An arr that was taken out of the configuration must not go on searching and grabbing with the key
/// that it was given.
fn revoke_gone(config: &Config, store: &Store) {
    let is_gone = |title: &String| config.servers.iter().all(|server| server.title != *title);
    let revoke = |title: &String| store.forget_arr(title, now_unix()).map(drop);
    let result = store.arrs_with_keys().and_then(|titles| {
        for title in titles.iter().filter(|title| is_gone(title)) {
            revoke(title)?;
            log::info!("there is no server \"{title}\" any more: its keys are revoked");
        }
        Ok(())
    });
    if let Err(error) = result {
        log::error!("cannot revoke the keys of servers that are gone: {error}");
    }
}

/// Whether a round is worth a line in the log: it changed something, or the state is another one. Notes
/// that are gone are not.
fn is_news(before: &State, after: &State, is_change: bool) -> bool {
    is_change
        || match (before, after) {
            (State::Registered(before), State::Registered(after)) => {
                before != after && !after.is_empty()
            }
            _ => before != after,
        }
}

/// What to do with one arr.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Errand {
    /// Register, as [`Registrar`] does.
    Register,
    /// Only tell what would be done.
    Preview,
    /// Delete our entries and revoke their keys.
    Remove,
}

/// Does it once, now. `store` may be missing for a preview or removal. The error is one line.
pub fn once(
    config: &Config,
    store: Option<&Store>,
    arr: &ArrClient,
    errand: Errand,
) -> Result<Outcome, String> {
    let identity = match errand {
        // What was registered once can be removed, whatever the configuration says now.
        Errand::Remove => Identity::of(config, arr.server()).ok_or(NO_ADDRESS),
        Errand::Register | Errand::Preview => identity(config, arr.server()),
    }
    .map_err(|reason| format!("{}: {reason}", arr.name()))?;
    let ground = Ground {
        arr,
        identity: &identity,
        now_unix: now_unix(),
    };
    match (errand, store) {
        (Errand::Register, Some(store)) => ground.apply(store, &mut Pending::default(), true),
        (Errand::Register, None) => Err(Trouble(format!("{}: no database", arr.name()))),
        (Errand::Preview, store) => ground.preview(store),
        (Errand::Remove, store) => ground.remove(store),
    }
    .map_err(|Trouble(reason)| reason)
}

const NO_ADDRESS: &str = "internal_url is not set, so it could not reach us";

/// Who we are there, or why it is not registered.
fn identity(config: &Config, server: &Server) -> Result<Identity, &'static str> {
    if !server.destination {
        return Err("not a destination");
    }
    if !server.autoregister {
        return Err("autoregister is off");
    }
    if config.downloads.is_none() {
        return Err("nothing is downloaded without a [downloads] section");
    }
    Identity::of(config, server).ok_or(NO_ADDRESS)
}

fn retry_delay(failures: u32) -> Duration {
    doubled(FIRST_RETRY, failures, LONGEST_RETRY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_grow_from_a_second_to_ten_minutes() {
        let seconds: Vec<u64> = (0..12).map(|n| retry_delay(n).as_secs()).collect();
        assert_eq!(seconds, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 600, 600]);
        assert_eq!(retry_delay(u32::MAX), LONGEST_RETRY);
    }

    #[test]
    fn the_log_has_a_line_for_each_change_and_no_more() {
        let registered = |notes: &[&str]| {
            State::Registered(notes.iter().map(|note| (*note).to_owned()).collect())
        };
        let waiting = |reason: &str| State::Waiting(reason.to_owned());
        let check = |before: &State, after: &State, expected: bool| {
            assert_eq!(
                is_news(before, after, false),
                expected,
                "{before:?} {after:?}"
            );
            assert!(is_news(before, after, true));
        };
        check(&State::Pending, &registered(&[]), true);
        check(&registered(&[]), &registered(&[]), false);
        check(&registered(&[]), &registered(&["a"]), true);
        check(&registered(&["a"]), &registered(&["a"]), false);
        check(&registered(&["a"]), &registered(&["b"]), true);
        check(&registered(&["a"]), &registered(&[]), false);
        check(&State::Pending, &waiting("a"), true);
        check(&waiting("a"), &waiting("a"), false);
        check(&waiting("a"), &waiting("b"), true);
        check(&waiting("a"), &registered(&[]), true);
        check(&registered(&[]), &waiting("a"), true);
    }
}
