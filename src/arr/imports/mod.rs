//! Imports: learns from each destination what became of the grabs it was given.
//!
//! The arr's own delete of an entry is a receipt that needs nothing from here. For the others
//! [`ImportTracker`], a periodic job, asks each arr that has finished grabs open: its history says
//! what has landed (then the grab is imported, and with `unlink_imported` our link goes, see
//! `unlink`); its queue says what it refuses and why (kept for [`ImportTracker::messages`], logged
//! once). Grabs that have finally failed are told (`report`). An arr with nothing open is not asked
//! anything.
//!
//! Polling is the truth. A webhook ([`ImportTracker::landed`], [`ImportTracker::needs_attention`])
//! only makes it come sooner: it never changes a state. Nothing but the state of a grab is stored:
//! where to read on in the history follows from the oldest open grab. Reading a record twice does no harm, for
//! a grab is imported once. The arr calls us back while it answers, so this runs on a thread that
//! answers nobody, and no lock that an answer needs is held meanwhile.

mod ask;
mod board;
mod follow;
mod record;
mod report;
mod turn;
mod unlink;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

pub use record::{MAX_MESSAGE_CHARS, MAX_MESSAGES, infohash_of, messages as status_messages};

use super::client::ArrClient;
use super::error::ArrError;
use crate::clock::now_unix;
use crate::config;
use crate::downloads::Downloads;
use crate::grab::{Grab, Scope, State};
use crate::scheduler::Waker;
use crate::sys::lock;
use crate::torrent::stub::Infohash;
use board::Board;
use turn::Turn;

/// Longest time between two looks at our own list, so that failures are told soon even if imports
/// are polled rarely.
const LONGEST_TICK: Duration = Duration::from_secs(30);

/// Polls after which a finished grab should have been imported, and between two looks at the queue: an
/// arr looks at its client every minute, so that is two minutes with the default interval.
const PATIENT_POLLS: u32 = 4;

/// Longest such time.
const LONGEST_PATIENCE: Duration = Duration::from_secs(5 * 60);

/// Finished grabs of one arr that are followed at once, the newest ones: about 1 KiB each. With more
/// than these the arr takes nothing at all, and older ones come up again once it does.
const MAX_OPEN: u32 = 1000;

/// How it stands with imports at one arr, for `jackdaw status`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Title of the `[server]`.
    pub server: String,
    /// Why it cannot be asked about imports or told of failures at the moment.
    pub trouble: Option<String>,
    /// Finished downloads that it does not import: title, and its own words.
    pub refused: Vec<(String, Vec<String>)>,
}

/// A file that has landed, by the arr's history.
struct Landed {
    /// Where, as the arr sees it.
    path: Option<String>,
    /// When we learned of it.
    learned: Instant,
}

/// When a download that is not in the queue is looked up again.
struct Lookup {
    due: Instant,
    times: u32,
}

/// One destination, in the job's hands.
struct Work {
    arr: Arc<ArrClient>,
    scope: Scope,
    history: Turn,
    queue: Turn,
    reports: Turn,
    /// Newest record seen, in Unix seconds of the arr's clock.
    cursor: Option<u64>,
    /// By grab id.
    landed: HashMap<i64, Landed>,
    /// By grab id.
    lookups: HashMap<i64, Lookup>,
    /// Revision of our list at which there was nothing to do.
    idle_at: Option<u64>,
    index: usize,
}

/// What others see and do while the job talks to an arr.
#[derive(Default)]
struct Window {
    title: String,
    name: String,
    board: Mutex<Board>,
    /// A webhook came: the history is to be read.
    is_landed: AtomicBool,
    /// A webhook came: the queue is to be read.
    is_refused: AtomicBool,
}

/// Tracks imports and failures at every destination.
pub struct ImportTracker {
    downloads: Arc<Downloads>,
    settings: config::Downloads,
    /// Held while the arrs are talked to; only [`ImportTracker::run_due`] takes it.
    work: Mutex<Vec<Work>>,
    windows: Vec<Window>,
    waker: OnceLock<Waker>,
}

impl ImportTracker {
    /// For the destinations among these clients. Nothing is asked yet.
    pub fn new(
        settings: &config::Downloads,
        clients: &[Arc<ArrClient>],
        downloads: Arc<Downloads>,
    ) -> ImportTracker {
        let mut work = Vec::new();
        let mut windows = Vec::new();
        for arr in clients.iter().filter(|arr| arr.server().destination) {
            let title = arr.server().title.clone();
            work.push(Work {
                arr: Arc::clone(arr),
                scope: Scope::Arr(title.clone()),
                history: Turn::default(),
                queue: Turn::default(),
                reports: Turn::default(),
                cursor: None,
                landed: HashMap::new(),
                lookups: HashMap::new(),
                idle_at: None,
                index: windows.len(),
            });
            windows.push(Window {
                title,
                name: arr.name(),
                ..Window::default()
            });
        }
        ImportTracker {
            downloads,
            settings: settings.clone(),
            work: Mutex::new(work),
            windows,
            waker: OnceLock::new(),
        }
    }

    /// What webhooks ring; the scheduler is made after this.
    pub fn set_waker(&self, waker: Waker) {
        // Set once, at the start.
        let _ = self.waker.set(waker);
    }

    /// Asks every arr whose time has come, and says when the next one's comes. May take minutes,
    /// and the arrs call us back meanwhile.
    pub fn run_due(&self, now: Instant) -> Instant {
        let mut all = lock(&self.work);
        let mut next = now + self.tick();
        for work in all.iter_mut() {
            next = next.min(self.run(work, now));
        }
        next
    }

    /// Why this arr does not import a finished grab, in its own words; `None`: it says nothing.
    pub fn messages(&self, arr: &str, infohash: &Infohash) -> Option<Vec<String>> {
        lock(&self.window(arr)?.board).messages(infohash)
    }

    /// How it stands with every destination. Never waits for the network.
    pub fn standings(&self) -> Vec<Standing> {
        let all = self.windows.iter().map(|window| {
            let board = lock(&window.board);
            Standing {
                server: window.title.clone(),
                trouble: board.trouble().map(str::to_owned),
                refused: board.refused(),
            }
        });
        all.collect()
    }

    /// A webhook says that this arr has imported something: its history is asked now.
    pub fn landed(&self, arr: &str) {
        if let Some(window) = self.window(arr) {
            window.is_landed.store(true, SeqCst);
            self.wake();
        }
    }

    /// A webhook says that this arr wants a person to look at a download. Its messages are kept if
    /// it is one of ours, and the queue is asked now.
    pub fn needs_attention(&self, arr: &str, infohash: &Infohash, messages: Vec<String>) {
        let Some(window) = self.window(arr) else {
            return;
        };
        match self.downloads.get(&Scope::Arr(arr.to_owned()), infohash) {
            Ok(Some(grab)) if grab.state == State::Completed => {
                if !messages.is_empty() {
                    note(window, &grab, messages);
                }
                window.is_refused.store(true, SeqCst);
                self.wake();
            }
            Ok(_) => {}
            Err(error) => log::error!("cannot look up a download: {error}"),
        }
    }

    fn window(&self, arr: &str) -> Option<&Window> {
        self.windows.iter().find(|window| window.title == arr)
    }

    fn wake(&self) {
        if let Some(waker) = self.waker.get() {
            waker.wake();
        }
    }

    fn tick(&self) -> Duration {
        self.settings.import_poll_interval.min(LONGEST_TICK)
    }

    fn patience(&self) -> Duration {
        let polls = self
            .settings
            .import_poll_interval
            .saturating_mul(PATIENT_POLLS);
        polls.min(LONGEST_PATIENCE)
    }

    /// Whatever is due at one arr; gives the time of the next.
    fn run(&self, work: &mut Work, now: Instant) -> Instant {
        let window = &self.windows[work.index];
        if window.is_landed.swap(false, SeqCst) {
            work.history.hurry();
        }
        if window.is_refused.load(SeqCst) {
            work.queue.hurry();
        }
        // Read first: what changes from here on is seen the next time.
        let revision = self.downloads.revision();
        if work.idle_at == Some(revision) {
            return now + self.tick();
        }
        let (open, failed) = match self.look_up(&window.title) {
            Ok(found) => found,
            Err(error) => {
                log::error!("cannot list the downloads of {}: {error}", window.name);
                return now + self.tick();
            }
        };
        let is_open = |id: &i64| open.iter().any(|grab| grab.id == *id);
        work.landed.retain(|id, _| is_open(id));
        work.lookups.retain(|id, _| is_open(id));
        lock(&window.board).keep(|infohash| open.iter().any(|grab| grab.infohash == *infohash));
        if open.is_empty() {
            work.cursor = None;
            work.history = Turn::default();
            work.queue = Turn::default();
            window.is_refused.store(false, SeqCst);
            if failed.is_empty() {
                work.idle_at = Some(revision);
                work.reports = Turn::default();
                tell(window, None);
                return now + self.tick();
            }
        }
        self.ask(work, window, &open, &failed, now)
    }

    /// Grabs of an arr that wait for its import, and failures that it has not been told of.
    fn look_up(&self, arr: &str) -> Result<(Vec<Grab>, Vec<Grab>), crate::store::StoreError> {
        let open = self.downloads.awaiting_import(arr, MAX_OPEN)?;
        let failed = match self.settings.report_failures {
            true => self.downloads.unreported_failures(arr)?,
            false => Vec::new(),
        };
        Ok((open, failed))
    }

    fn ask(
        &self,
        work: &mut Work,
        window: &Window,
        open: &[Grab],
        failed: &[Grab],
        now: Instant,
    ) -> Instant {
        // A delay counts from the end of a question: it may have taken longer than the delay.
        let began = Instant::now();
        let end = || now + began.elapsed();
        let (tick, patience) = (self.tick(), self.patience());
        let interval = self.settings.import_poll_interval;
        let mut next = now + tick;
        let is_any_old = open.iter().any(|grab| age(grab) >= patience);
        if !open.is_empty() {
            if work.history.is_due(now) {
                let result = self.read_history(work, open, now);
                enter(&mut work.history, result, end(), interval, interval);
            }
            let is_refused = window.is_refused.load(SeqCst);
            if work.queue.is_due(now) && (is_refused || is_any_old) {
                window.is_refused.store(false, SeqCst);
                let result = self.read_queue(work, window, open, now);
                enter(&mut work.queue, result, end(), patience, interval);
            }
            next = next.min(work.history.next(now));
            if window.is_refused.load(SeqCst) {
                next = next.min(work.queue.next(now));
            }
        }
        if !failed.is_empty() && work.reports.is_due(now) {
            let result = report::report(&work.arr, &self.downloads, failed, now_unix());
            enter(&mut work.reports, result, end(), tick, tick);
        }
        // Of questions that are still to be asked.
        let turns = [
            (!open.is_empty(), &work.history),
            (is_any_old, &work.queue),
            (!failed.is_empty(), &work.reports),
        ];
        let mut troubles = turns.into_iter().filter(|(is_open, _)| *is_open);
        let trouble = troubles.find_map(|(_, turn)| turn.trouble().map(str::to_owned));
        tell(window, trouble);
        next
    }
}

/// Puts on the board why an arr cannot be asked, or that it can; logs it when it is news.
fn tell(window: &Window, trouble: Option<String>) {
    if lock(&window.board).set_trouble(trouble.clone()) {
        match trouble {
            Some(error) => log::warn!(
                "imports and failures cannot be followed, trying again until they can: {error}"
            ),
            None => log::info!("{}: imports can be followed again", window.name),
        }
    }
}

/// Puts an arr's words on the board; logs them when they are news.
fn note(window: &Window, grab: &Grab, messages: Vec<String>) {
    let text = messages.join("; ");
    if lock(&window.board).note(grab.infohash, &grab.title, messages) {
        match text.is_empty() {
            true => log::info!("{}: no more objections to \"{}\"", window.name, grab.title),
            false => log::warn!(
                "{} does not import \"{}\" (grab {}): {text}",
                window.name,
                grab.title,
                grab.id
            ),
        }
    }
}

/// Enters the end of a question.
fn enter(
    turn: &mut Turn,
    result: Result<(), ArrError>,
    end: Instant,
    interval: Duration,
    first_delay: Duration,
) {
    match result {
        Ok(()) => turn.answered(end, interval),
        Err(error) => turn.failed(end, first_delay, error.to_string()),
    }
}

/// How long a grab has been complete.
fn age(grab: &Grab) -> Duration {
    let since = grab.completed_at.unwrap_or(grab.added_at);
    Duration::from_secs(now_unix().saturating_sub(since))
}
