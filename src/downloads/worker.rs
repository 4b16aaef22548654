//! One run of a grab: attempts with its friend and with others, until it is finished, has to wait
//! or has failed; then the state is written.
//!
//! A thread of its own for each, which holds a slot of the queue for as long as it runs. A panic is
//! caught, logged and counted as a failed attempt. A grab whose row is gone when the run ends was deleted:
//! what the run has left on the disk is removed.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Grab;
use super::attempt::Job;
use super::engine::{Engine, plain};
use super::failover::Outcome;
use super::finish;
use super::live::Run;
use super::retry::{self, Class, Failure, Next, Policy};
use super::slow::Crawl;
use super::transfer::Part;
use crate::clock::now_unix;
use crate::grab::states::Event;
use crate::store::{Change, StoreError};
use crate::sys::lock;

/// Failed attempts with one friend after which others are looked for. The first two may be a
/// restart of its server.
const FAILOVER_AFTER: u32 = 3;

/// Changes of friend within one run.
const MAX_SWITCHES: usize = 8;

/// How a run ended.
enum End {
    /// The file lies at folder and file name.
    Finished(String, Option<String>),
    Failed {
        failure: Failure,
        gained: u64,
    },
}

/// Runs a grab that has been moved to `downloading`.
pub fn run(engine: &Engine, id: i64, run: &Run) {
    let grab = match engine.store.grab_by_id(id) {
        Ok(Some(grab)) => grab,
        Ok(None) => return,
        Err(error) => {
            // The row says `downloading`: the queue finds it without a run and starts it again.
            log::error!("grab {id}: {error}");
            return postpone(engine, id, retry::ROOM_DELAY);
        }
    };
    let end = catch_unwind(AssertUnwindSafe(|| work(engine, grab.clone(), run)));
    let end = end.unwrap_or_else(|panic| {
        let text = panic_text(panic.as_ref());
        log::error!("\"{}\": a transfer panicked: {text}", grab.title);
        End::Failed {
            failure: Failure::new(Class::Later, format!("an error inside jackdaw: {text}")),
            gained: 0,
        }
    });
    if let Err(error) = settle(engine, &grab, end) {
        log::error!("\"{}\": cannot store its state: {error}", grab.title);
        postpone(engine, id, retry::ROOM_DELAY);
    }
    if let Ok(None) = engine.store.grab_by_id(id) {
        engine.layout.remove_part(id, &grab.infohash);
        lock(&engine.lives).remove(&id);
    }
}

fn work(engine: &Engine, grab: Grab, run: &Run) -> End {
    let failed = |failure, gained| End::Failed { failure, gained };
    // Found after a crash between the last rename and the change of state.
    if let Some(filename) = &grab.filename
        && engine
            .layout
            .has_finished(&grab.folder, filename, grab.size)
    {
        let path = engine.layout.finished(&grab.folder, filename);
        if let Err(failure) = finish::confirm(&engine.layout, &path) {
            return failed(failure, 0);
        }
        engine.layout.remove_part(grab.id, &grab.infohash);
        return End::Finished(grab.folder, grab.filename);
    }
    if let Err(error) = engine.layout.make_partial() {
        let failure = Failure::disk("use", engine.layout.partial(), &error);
        return failed(failure, 0);
    }
    let path = engine.layout.part(grab.id, &grab.infohash);
    let part = match Part::open(&path) {
        Ok(part) => part,
        Err(error) => return failed(Failure::disk("open", &path, &error), 0),
    };
    let live = engine.live(&grab);
    live.set_have(part.length());
    let had = part.length();
    let mut job = Job {
        engine,
        run,
        live,
        grab,
        part,
        crawl: Crawl::new(engine.patience),
        left: Vec::new(),
    };
    let mut tried = Vec::new();
    loop {
        let result = job.attempt().and_then(|()| complete(&mut job));
        let Err(failure) = result else {
            return End::Finished(job.grab.folder, job.grab.filename);
        };
        let gained = job.part.length().saturating_sub(had);
        if run.is_cancelled() {
            return failed(Failure::cancelled(), gained);
        }
        let is_gone = failure.class == Class::Elsewhere;
        if !is_gone && !is_tired(&job.grab, engine, &failure, gained) {
            return failed(failure, gained);
        }
        if tried.len() >= MAX_SWITCHES {
            return failed(failure, gained);
        }
        match job.switch(is_gone, &mut tried) {
            Ok(Outcome::Switched) => {}
            Ok(Outcome::Nobody) => return failed(failure, gained),
            Ok(Outcome::Away) if is_gone => {
                let reason = format!("{}; other friends that have it are away", failure.reason);
                return failed(Failure::new(Class::Later, reason), gained);
            }
            Ok(Outcome::Away) => return failed(failure, gained),
            Ok(Outcome::Cancelled) => return failed(Failure::cancelled(), gained),
            Err(other) => return failed(other, gained),
        }
    }
}

/// Whether it is time to look for another friend although this one may come back.
fn is_tired(grab: &Grab, engine: &Engine, failure: &Failure, gained: u64) -> bool {
    let attempts = retry::count(grab.attempts, gained);
    matches!(failure.class, Class::Later | Class::NotBefore(_))
        && (attempts.is_multiple_of(FAILOVER_AFTER) || attempts >= engine.settings.max_attempts)
}

/// Gives a complete part file its final name.
fn complete(job: &mut Job<'_>) -> Result<(), Failure> {
    let layout = &job.engine.layout;
    let Some(filename) = job.grab.filename.clone() else {
        return Err(Failure::new(Class::Later, "the file has no name yet"));
    };
    let folder = finish::make_folder(layout, &job.grab.folder)?;
    if folder != job.grab.folder {
        // Stored before the rename: after a crash, the file is looked for there.
        job.engine.store.set_grab_folder(job.grab.id, &folder)?;
        job.grab.folder = folder;
    }
    let to = layout.finished(&job.grab.folder, &filename);
    finish::place(layout, job.part.path(), &to, job.grab.size)
}

/// Writes what the end of a run means.
fn settle(engine: &Engine, before: &Grab, end: End) -> Result<(), StoreError> {
    let id = before.id;
    let title = &before.title;
    let (failure, gained) = match end {
        End::Finished(folder, filename) => {
            // A grab that ends well has no attempts to answer for.
            lock(&engine.desk).full.remove(&id);
            let change = Change {
                attempts: Some(0),
                ..plain(Event::Finish)
            };
            if engine.advance(id, &change)?.is_some() {
                log::info!("\"{title}\" is complete");
            } else if engine.store.grab_by_id(id)?.is_none() {
                // Deleted in the moment in which it was finished: nobody will ever take the file.
                engine.layout.remove_finished(&folder, filename.as_deref());
            }
            return Ok(());
        }
        End::Failed { failure, gained } => (failure, gained),
    };
    if failure.class != Class::NoRoom {
        lock(&engine.desk).full.remove(&id);
    }
    let policy = policy(engine);
    let reason = failure.reason.as_str();
    let max = policy.max_attempts;
    let next = retry::decide(&policy, before.attempts, gained, failure.class, jitter());
    let (event, attempts, delay, reason) = match next {
        Next::Wait { attempts, delay } => {
            let reason = format!(
                "{reason} (attempt {attempts} of {max}, the next one in {})",
                Rough(delay)
            );
            (Event::Retry, Some(attempts), Some(delay), reason)
        }
        Next::WaitForDisk { delay } => {
            let reason = format!("{reason} (tried again in {})", Rough(delay));
            (Event::Retry, None, Some(delay), reason)
        }
        Next::WaitForRoom => {
            let delay = retry::full_delay(times_full(engine, id));
            let reason = format!("{reason}: it goes on when there is room");
            (Event::NoRoom, None, Some(delay), reason)
        }
        Next::Fail { attempts } => (Event::Fail, Some(attempts), None, reason.to_owned()),
        Next::Nothing => (Event::Interrupted, None, None, String::new()),
    };
    let change = Change {
        reason: (!reason.is_empty()).then_some(reason.as_str()),
        attempts,
        retry_at: delay.map(|delay| now_unix().saturating_add(delay.as_secs())),
        ..plain(event)
    };
    if engine.advance(id, &change)?.is_some() {
        // Not before: a grab that was paused and resumed meanwhile has nothing to wait for.
        if let Some(delay) = delay {
            postpone(engine, id, delay);
        }
        match event {
            Event::Fail => log::error!("\"{title}\" has failed: {reason}"),
            Event::Interrupted => {}
            _ => log::warn!("\"{title}\": {reason}"),
        }
    }
    Ok(())
}

/// How often in a row the disk was full for this grab before, and counts this time.
fn times_full(engine: &Engine, id: i64) -> u32 {
    let mut desk = lock(&engine.desk);
    let times = desk.full.entry(id).or_default();
    let before = *times;
    *times = before.saturating_add(1);
    before
}

fn postpone(engine: &Engine, id: i64, delay: Duration) {
    lock(&engine.desk).due.insert(id, Instant::now() + delay);
}

/// The configured retry policy.
pub fn policy(engine: &Engine) -> Policy {
    Policy {
        max_attempts: engine.settings.max_attempts,
        base: engine.settings.retry_base_delay,
        max: engine.settings.retry_max_delay,
    }
}

/// Starts the thread of a run; it tells the desk when it has ended, whatever happens in it.
pub fn spawn(engine: &Arc<Engine>, id: i64, this: &Arc<Run>) -> std::io::Result<()> {
    let (engine, this) = (Arc::clone(engine), Arc::clone(this));
    std::thread::Builder::new()
        .name(format!("grab-{id}"))
        .stack_size(STACK)
        .spawn(move || {
            let guard = Leaving {
                engine: &engine,
                id,
            };
            run(&engine, id, &this);
            drop(guard);
        })
        .map(drop)
}

/// Stack of a run: TLS handshakes need some 100 KiB in a debug build. Untouched pages cost nothing.
const STACK: usize = 1024 * 1024;

struct Leaving<'a> {
    engine: &'a Engine,
    id: i64,
}

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // The row still says `downloading`; the queue will start it again, but not at once.
            postpone(self.engine, self.id, retry::ROOM_DELAY);
        }
        let mut desk = lock(&self.engine.desk);
        desk.running.remove(&self.id);
        desk.is_rung = true;
        drop(desk);
        self.engine.touch([self.id]);
        self.engine.bell.notify_all();
        self.engine.ended.notify_all();
    }
}

fn jitter() -> f64 {
    getrandom::u32().map_or(0.5, |number| f64::from(number) / f64::from(u32::MAX))
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "unknown".to_owned())
}

/// A delay for people.
struct Rough(Duration);

impl std::fmt::Display for Rough {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0.as_secs() {
            seconds @ 0..120 => write!(f, "{} s", seconds.max(1)),
            seconds => write!(f, "{} min", seconds / 60),
        }
    }
}
