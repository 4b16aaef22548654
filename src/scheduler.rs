//! Everything periodic: jobs that say themselves when they want to run next.
//!
//! Three threads at most: quick jobs share one, slow ones (reading whole lists over the network)
//! another, and what talks to Radarr and Sonarr a third, so that no slow friend delays an import. A
//! thread sleeps until its earliest job is due and never wakes up more often than once a second. A
//! job that panics is logged and runs again after a minute. Jobs are not interrupted: whoever takes
//! long bounds its own waits.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Shortest time between two runs of a job, whatever it asks for.
const SHORTEST: Duration = Duration::from_secs(1);

/// When a job that panicked runs again.
const AFTER_PANIC: Duration = Duration::from_secs(60);

/// How long stopping waits for running jobs. What they have not finished then, they are not
/// needed for: every write is a transaction of its own.
const STOP_PATIENCE: Duration = Duration::from_secs(2);

/// A delay that grows with failures: `first` doubled so many times, `longest` at most.
pub fn doubled(first: Duration, times: u32, longest: Duration) -> Duration {
    1u32.checked_shl(times)
        .and_then(|factor| first.checked_mul(factor))
        .map_or(longest, |delay| delay.min(longest))
}

/// Which thread a job runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// Milliseconds.
    Quick,
    /// Seconds to minutes.
    Slow,
    /// Seconds to minutes, with arrs that call us back meanwhile.
    Arrs,
}

/// Something periodic. Runs once at the start.
pub struct Job {
    /// For the log: `catalogue refresh`.
    pub name: &'static str,
    /// Which thread it runs on.
    pub lane: Lane,
    /// Gets the time, says when it wants to run again.
    pub run: Box<dyn FnMut(Instant) -> Instant + Send>,
}

#[derive(Default)]
struct State {
    stopped: bool,
    /// Jobs are to run now: counts calls of [`Scheduler::wake`].
    wakes: u64,
    running: usize,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wake(&self) {
        self.lock().wakes += 1;
        self.changed.notify_all();
    }
}

/// Runs every job of a scheduler again; does nothing once that has stopped.
pub struct Waker {
    shared: Arc<Shared>,
}

impl Waker {
    /// Never waits.
    pub fn wake(&self) {
        self.shared.wake();
    }
}

/// The running threads.
pub struct Scheduler {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

impl Scheduler {
    /// Starts a thread for each lane that has jobs.
    pub fn start(jobs: Vec<Job>) -> std::io::Result<Scheduler> {
        let shared = Arc::new(Shared::default());
        let mut jobs = jobs;
        let mut scheduler = Scheduler {
            shared,
            threads: Vec::new(),
        };
        for (name, lane) in [
            ("scheduler", Lane::Quick),
            ("scheduler-slow", Lane::Slow),
            ("scheduler-arrs", Lane::Arrs),
        ] {
            let here = |job: &mut Job| job.lane == lane;
            let jobs: Vec<Job> = jobs.extract_if(.., here).collect();
            if jobs.is_empty() {
                continue;
            }
            let shared = Arc::clone(&scheduler.shared);
            shared.lock().running += 1;
            let thread = std::thread::Builder::new()
                .name(name.into())
                .spawn(move || {
                    work(&shared, jobs);
                    shared.lock().running -= 1;
                    shared.changed.notify_all();
                });
            match thread {
                Ok(thread) => scheduler.threads.push(thread),
                Err(error) => {
                    scheduler.shared.lock().running -= 1;
                    scheduler.stop();
                    return Err(error);
                }
            }
        }
        Ok(scheduler)
    }

    /// Runs every job again as soon as its thread is free.
    pub fn wake(&self) {
        self.shared.wake();
    }

    /// [`Scheduler::wake`] for those who come before the scheduler, or outlive it.
    pub fn waker(&self) -> Waker {
        Waker {
            shared: Arc::clone(&self.shared),
        }
    }

    /// No job begins after this. Waits up to two seconds for those that run.
    pub fn stop(self) {
        let mut state = self.shared.lock();
        state.stopped = true;
        self.shared.changed.notify_all();
        let deadline = Instant::now() + STOP_PATIENCE;
        while state.running > 0 {
            let Some(left) = deadline.checked_duration_since(Instant::now()) else {
                log::debug!("stopped while a periodic job was running");
                return;
            };
            state = self
                .shared
                .changed
                .wait_timeout(state, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        drop(state);
        for thread in self.threads {
            if thread.join().is_err() {
                log::error!("a scheduler thread had ended by a panic");
            }
        }
    }
}

fn work(shared: &Shared, jobs: Vec<Job>) {
    let start = Instant::now();
    let mut jobs: Vec<(Instant, Job)> = jobs.into_iter().map(|job| (start, job)).collect();
    let mut wakes = 0;
    loop {
        for (due, job) in &mut jobs {
            if shared.lock().stopped {
                return;
            }
            if *due <= Instant::now() {
                *due = run(job);
            }
        }
        let mut state = shared.lock();
        loop {
            if state.stopped {
                return;
            }
            let now = Instant::now();
            if state.wakes != wakes {
                wakes = state.wakes;
                jobs.iter_mut().for_each(|(due, _)| *due = now);
            }
            let Some(next) = jobs.iter().map(|(due, _)| *due).min() else {
                return;
            };
            let Some(wait) = next.checked_duration_since(now).filter(|w| !w.is_zero()) else {
                break;
            };
            state = shared
                .changed
                .wait_timeout(state, wait)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }
}

/// Runs a job; gives its next time.
fn run(job: &mut Job) -> Instant {
    let result = catch_unwind(AssertUnwindSafe(|| (job.run)(Instant::now())));
    let now = Instant::now();
    match result {
        Ok(next) => next.max(now + SHORTEST),
        Err(_) => {
            log::error!("{} panicked: it runs again in a minute", job.name);
            now + AFTER_PANIC
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    const PATIENCE: Duration = Duration::from_secs(20);

    fn job(lane: Lane, run: impl FnMut(Instant) -> Instant + Send + 'static) -> Job {
        Job {
            name: "test",
            lane,
            run: Box::new(run),
        }
    }

    fn far(now: Instant) -> Instant {
        now + Duration::from_secs(3600)
    }

    #[test]
    fn jobs_run_at_start_when_due_and_when_woken() {
        let (sender, receiver) = mpsc::channel();
        let scheduler = Scheduler::start(vec![job(Lane::Quick, move |now| {
            sender.send(now).unwrap();
            far(now)
        })])
        .unwrap();
        receiver.recv_timeout(PATIENCE).unwrap();
        scheduler.wake();
        receiver.recv_timeout(PATIENCE).unwrap();
        let waker = scheduler.waker();
        waker.wake();
        receiver.recv_timeout(PATIENCE).unwrap();
        scheduler.stop();
        waker.wake();
        assert!(receiver.try_recv().is_err());
    }

    #[test]
    fn a_job_is_not_run_more_often_than_once_a_second() {
        let (sender, receiver) = mpsc::channel();
        let scheduler = Scheduler::start(vec![job(Lane::Quick, move |now| {
            sender.send(now).unwrap();
            now
        })])
        .unwrap();
        let first = receiver.recv_timeout(PATIENCE).unwrap();
        let second = receiver.recv_timeout(PATIENCE).unwrap();
        assert!(second - first >= SHORTEST);
        scheduler.stop();
    }

    #[test]
    fn a_slow_job_does_not_delay_a_quick_one_and_a_panic_ends_nothing() {
        let (slow_sender, slow_receiver) = mpsc::channel::<()>();
        let (sender, receiver) = mpsc::channel();
        let scheduler = Scheduler::start(vec![
            job(Lane::Slow, move |now| {
                let _ = slow_receiver.recv_timeout(PATIENCE);
                far(now)
            }),
            job(Lane::Quick, |_| panic!("on purpose")),
            job(Lane::Arrs, far),
            job(Lane::Quick, move |now| {
                sender.send(()).unwrap();
                far(now)
            }),
        ])
        .unwrap();
        receiver.recv_timeout(PATIENCE).unwrap();
        scheduler.wake();
        receiver.recv_timeout(PATIENCE).unwrap();
        slow_sender.send(()).unwrap();
        scheduler.stop();
    }

    #[test]
    fn stopping_does_not_wait_for_a_job_that_hangs() {
        let (sender, receiver) = mpsc::channel::<()>();
        let (started, start) = mpsc::channel();
        let scheduler = Scheduler::start(vec![job(Lane::Slow, move |now| {
            started.send(()).unwrap();
            let _ = receiver.recv_timeout(PATIENCE);
            far(now)
        })])
        .unwrap();
        start.recv_timeout(PATIENCE).unwrap();
        let began = Instant::now();
        scheduler.stop();
        assert!(began.elapsed() < PATIENCE);
        drop(sender);
    }

    #[test]
    fn delays_do_not_overflow() {
        let longest = Duration::from_secs(600);
        assert_eq!(doubled(Duration::from_secs(1), u32::MAX, longest), longest);
        assert_eq!(doubled(Duration::MAX, 1, longest), longest);
    }
}
