//! Threads that stay for a moment after their work, in case there is more.
//!
//! In: work. It starts at once, on a thread that has just become idle or on a new one; it never waits
//! for another to end. How much runs at once is for the caller to bound. A thread that does its
//! hundredth search still has its stack, its signal stack and its allocator's cache from the first:
//! making and unmaking them is a quarter of the processor time of a search by id.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::sys::lock;

/// Idle threads kept: what a burst of searches keeps busy on the processors of a small host.
const MAX_IDLE: usize = 4;

type Work = Box<dyn FnOnce() + Send>;

/// Threads of one kind.
pub struct Crew {
    name: &'static str,
    stack: usize,
    stay: Duration,
    rest: Mutex<Rest>,
    bell: Condvar,
}

#[derive(Default)]
struct Rest {
    /// Threads that wait and that nothing in `work` is meant for.
    idle: usize,
    /// Each with a thread that waits.
    work: VecDeque<Work>,
}

impl Crew {
    /// Threads of this name (at most 15 bytes) and stack (bytes), idle for `stay` at most.
    pub fn new(name: &'static str, stack: usize, stay: Duration) -> Arc<Crew> {
        Arc::new(Crew {
            name,
            stack,
            stay,
            rest: Mutex::default(),
            bell: Condvar::new(),
        })
    }

    /// Runs `work` on a thread of its own. An error means that there is none to be had; `work` is
    /// dropped then.
    pub fn run(self: &Arc<Crew>, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
        {
            let mut rest = lock(&self.rest);
            if rest.idle > 0 {
                rest.idle -= 1;
                rest.work.push_back(Box::new(work));
                self.bell.notify_one();
                return Ok(());
            }
        }
        let crew = Arc::clone(self);
        thread::Builder::new()
            .name(self.name.to_owned())
            .stack_size(self.stack)
            .spawn(move || {
                work();
                while let Some(more) = crew.wait() {
                    more();
                }
            })
            .map(|_| ())
    }

    /// The next work for a thread that has none; `None` = it should end.
    fn wait(&self) -> Option<Work> {
        let mut rest = lock(&self.rest);
        if rest.idle >= MAX_IDLE {
            return None;
        }
        rest.idle += 1;
        let until = Instant::now() + self.stay;
        loop {
            // Whoever pushed it has counted one idle thread off for it, and any of us will do.
            if let Some(work) = rest.work.pop_front() {
                return Some(work);
            }
            let remaining = until.saturating_duration_since(Instant::now());
            if remaining.is_zero() {
                rest.idle -= 1;
                return None;
            }
            rest = self
                .bell
                .wait_timeout(rest, remaining)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    /// Threads that wait for work now.
    #[cfg(test)]
    fn idle(&self) -> usize {
        lock(&self.rest).idle
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::sync::Barrier;
    use std::sync::mpsc::channel;

    use super::*;

    const STACK: usize = 64 * 1024;
    const FOREVER: Duration = Duration::from_secs(3600);

    fn until(mut is_so: impl FnMut() -> bool) {
        let end = Instant::now() + Duration::from_secs(60);
        while !is_so() {
            assert!(Instant::now() < end, "it did not come to that");
            thread::yield_now();
        }
    }

    #[test]
    fn an_idle_thread_takes_the_next_work() {
        let crew = Crew::new("test", STACK, FOREVER);
        let mut threads = HashSet::new();
        for _ in 0..10 {
            let (done, wait) = channel();
            crew.run(move || done.send(thread::current().id()).unwrap())
                .unwrap();
            threads.insert(wait.recv().unwrap());
            until(|| crew.idle() == 1);
        }
        assert_eq!(threads.len(), 1);
    }

    #[test]
    fn work_never_waits_for_other_work() {
        let crew = Crew::new("test", STACK, FOREVER);
        for round in 0..20 {
            // None of them ends before all have begun, and some find an idle thread.
            let all = Arc::new(Barrier::new(9));
            for _ in 0..8 {
                let all = Arc::clone(&all);
                crew.run(move || {
                    all.wait();
                })
                .unwrap();
            }
            all.wait();
            if round % 2 == 0 {
                until(|| crew.idle() == MAX_IDLE);
            }
        }
    }

    #[test]
    fn no_more_threads_stay_than_may() {
        let crew = Crew::new("test", STACK, FOREVER);
        let all = Arc::new(Barrier::new(MAX_IDLE + 2));
        for _ in 0..MAX_IDLE + 1 {
            let all = Arc::clone(&all);
            crew.run(move || {
                all.wait();
            })
            .unwrap();
        }
        all.wait();
        // Each thread holds the crew: the one too many has ended, not only gone uncounted.
        until(|| crew.idle() == MAX_IDLE && Arc::strong_count(&crew) == 1 + MAX_IDLE);
    }

    #[test]
    fn a_panic_ends_its_thread_only() {
        let crew = Crew::new("test", STACK, FOREVER);
        let (done, wait) = channel::<()>();
        let other = done.clone();
        crew.run(move || {
            let _held_until_the_panic = other;
            panic!("on purpose");
        })
        .unwrap();
        drop(done);
        assert!(wait.recv().is_err());
        let (done, wait) = channel();
        crew.run(move || done.send(()).unwrap()).unwrap();
        wait.recv().unwrap();
        until(|| crew.idle() == 1);
    }

    /// Work that comes just as an idle thread has waited long enough is done all the same.
    #[test]
    fn no_work_is_left_behind_by_a_thread_that_ends() {
        let crew = Crew::new("test", STACK, Duration::from_micros(100));
        let (done, wait) = channel();
        for number in 0..2_000_u64 {
            let done = done.clone();
            crew.run(move || done.send(number).unwrap()).unwrap();
            assert_eq!(wait.recv_timeout(Duration::from_secs(60)), Ok(number));
            // About as long as the thread stays, a little more each time.
            let end = Instant::now() + Duration::from_micros(50 + number % 200);
            while Instant::now() < end {
                std::hint::spin_loop();
            }
        }
        until(|| crew.idle() == 0 && Arc::strong_count(&crew) == 1);
    }

    #[test]
    fn idle_threads_end() {
        let crew = Crew::new("test", STACK, Duration::from_millis(1));
        for _ in 0..20 {
            crew.run(|| {}).unwrap();
        }
        // Each thread holds the crew.
        until(|| crew.idle() == 0 && Arc::strong_count(&crew) == 1);
        let (done, wait) = channel();
        crew.run(move || done.send(()).unwrap()).unwrap();
        wait.recv().unwrap();
    }
}
