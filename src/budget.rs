//! Bounded shares of memory and of threads: what is held is counted, what would exceed is refused,
//! and every share is given back by its drop. No waiting in [`Budget`]; [`Gate`] may wait, and lets
//! those who wait in by the order in which they came.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::sys::lock;

/// A number of bytes (or of anything) that all holders together may not exceed.
#[derive(Debug)]
pub struct Budget {
    limit: u64,
    held: Mutex<u64>,
}

impl Budget {
    /// A budget of `limit`.
    pub fn new(limit: u64) -> Arc<Budget> {
        Arc::new(Budget {
            limit,
            held: Mutex::new(0),
        })
    }

    /// An empty share, to be grown.
    pub fn share(self: &Arc<Budget>) -> Share {
        Share {
            budget: Arc::clone(self),
            amount: 0,
        }
    }

    /// What all holders have together.
    pub fn held(&self) -> u64 {
        *lock(&self.held)
    }
}

/// One holder's part of a [`Budget`]; given back when dropped.
#[derive(Debug)]
pub struct Share {
    budget: Arc<Budget>,
    amount: u64,
}

impl Share {
    /// Takes `more`, unless that would leave less than `reserve` of the budget to others.
    pub fn grow(&mut self, more: u64, reserve: u64) -> bool {
        let mut held = lock(&self.budget.held);
        let after = held.saturating_add(more);
        if after.saturating_add(reserve) > self.budget.limit {
            return false;
        }
        *held = after;
        self.amount += more;
        true
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        *lock(&self.budget.held) -= self.amount;
    }
}

/// Lets a bounded number of holders in at once. A place that comes free is handed to whoever has
/// waited longest: nobody who comes later gets in before.
#[derive(Debug)]
pub struct Gate {
    limit: usize,
    crowd: Mutex<Crowd>,
}

#[derive(Debug, Default)]
struct Crowd {
    /// Holders, those included that have been handed a place and have not woken up yet.
    inside: usize,
    /// In order of arrival; each has a signal of its own, so that a place coming free wakes the one
    /// thread that gets it.
    waiting: VecDeque<Arc<Condvar>>,
}

impl Gate {
    /// A gate for `limit` holders.
    pub fn new(limit: usize) -> Arc<Gate> {
        Arc::new(Gate {
            limit,
            crowd: Mutex::default(),
        })
    }

    /// Enters if there is room within `patience`.
    pub fn enter(self: &Arc<Gate>, patience: Duration) -> Option<Pass> {
        let mut crowd = lock(&self.crowd);
        if crowd.inside < self.limit {
            // Nobody waits: while somebody does, every place that comes free is handed over.
            crowd.inside += 1;
            return Some(Pass(Arc::clone(self)));
        }
        if patience.is_zero() {
            return None;
        }
        let deadline = Instant::now() + patience;
        let signal = Arc::new(Condvar::new());
        crowd.waiting.push_back(Arc::clone(&signal));
        loop {
            let remaining = deadline.saturating_duration_since(Instant::now());
            crowd = signal
                .wait_timeout(crowd, remaining)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
            let place = crowd
                .waiting
                .iter()
                .position(|other| Arc::ptr_eq(other, &signal));
            match place {
                // Taken out of the line by the one who left: the place is ours.
                None => return Some(Pass(Arc::clone(self))),
                Some(place) if Instant::now() >= deadline => {
                    crowd.waiting.remove(place);
                    return None;
                }
                Some(_) => {}
            }
        }
    }

    /// Holders inside now.
    pub fn inside(&self) -> usize {
        lock(&self.crowd).inside
    }

    /// Those who wait now.
    pub fn waiting(&self) -> usize {
        lock(&self.crowd).waiting.len()
    }
}

/// Leaves the [`Gate`] when dropped.
#[derive(Debug)]
pub struct Pass(Arc<Gate>);

impl Drop for Pass {
    fn drop(&mut self) {
        let mut crowd = lock(&self.0.crowd);
        match crowd.waiting.pop_front() {
            Some(next) => next.notify_one(),
            None => crowd.inside -= 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn budget_refuses_what_exceeds_it() {
        let budget = Budget::new(10);
        let mut first = budget.share();
        let mut second = budget.share();
        assert!(first.grow(6, 0));
        assert!(!second.grow(5, 0));
        assert!(!second.grow(2, 3), "the reserve stays free");
        assert!(second.grow(2, 2));
        assert!(!second.grow(u64::MAX, u64::MAX));
        assert_eq!(budget.held(), 8);
        drop(first);
        assert!(second.grow(8, 0));
        drop(second);
        assert_eq!(budget.held(), 0);
    }

    #[test]
    fn gate_lets_the_next_in_when_one_leaves() {
        let gate = Gate::new(1);
        let pass = gate.enter(Duration::ZERO).unwrap();
        assert!(gate.enter(Duration::ZERO).is_none());
        assert!(gate.enter(Duration::from_millis(5)).is_none());
        assert_eq!(gate.waiting(), 0, "who gives up leaves the line");
        let other = Arc::clone(&gate);
        let waiter = std::thread::spawn(move || other.enter(Duration::from_secs(60)).is_some());
        drop(pass);
        assert!(waiter.join().unwrap());
        assert_eq!(gate.inside(), 0);
    }

    #[test]
    fn gate_keeps_the_order_of_the_line() {
        const LINE: usize = 20;
        let gate = Gate::new(1);
        let pass = gate.enter(Duration::ZERO).unwrap();
        let order = Mutex::new(Vec::new());
        std::thread::scope(|scope| {
            for number in 0..LINE {
                let (gate, order) = (&gate, &order);
                scope.spawn(move || {
                    let pass = gate.enter(Duration::from_secs(60));
                    lock(order).push(number);
                    drop(pass);
                });
                while gate.waiting() <= number {
                    std::thread::yield_now();
                }
            }
            drop(pass);
        });
        assert_eq!(*lock(&order), (0..LINE).collect::<Vec<_>>());
        assert_eq!((gate.inside(), gate.waiting()), (0, 0));
    }

    /// Those who give up, those who are handed a place at that moment and those who panic inside:
    /// no place is lost, and none is given twice.
    #[test]
    fn no_place_is_lost_or_made_up_in_a_crowd() {
        const LIMIT: usize = 3;
        let gate = Gate::new(LIMIT);
        std::thread::scope(|scope| {
            for number in 0..12u64 {
                let gate = &gate;
                scope.spawn(move || {
                    for round in 0..300 {
                        let patience = Duration::from_micros((number * 37 + round * 13) % 200);
                        let entered = std::panic::catch_unwind(|| {
                            let pass = gate.enter(patience);
                            assert!(gate.inside() <= LIMIT);
                            if pass.is_some() && round % 50 == 0 {
                                std::panic::resume_unwind(Box::new("on purpose"));
                            }
                        });
                        assert!(entered.is_ok() || round % 50 == 0);
                    }
                });
            }
        });
        assert_eq!((gate.inside(), gate.waiting()), (0, 0));
    }
}
