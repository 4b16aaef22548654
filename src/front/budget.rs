//! Bounded shares of memory and of threads: what is held is counted, what would exceed is refused,
//! and every share is given back by its drop. No waiting in [`Budget`]; [`Gate`] may wait.

use std::sync::{Arc, Condvar, Mutex};
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

/// Lets a bounded number of holders in at once.
#[derive(Debug)]
pub struct Gate {
    limit: usize,
    inside: Mutex<usize>,
    left: Condvar,
}

impl Gate {
    /// A gate for `limit` holders.
    pub fn new(limit: usize) -> Arc<Gate> {
        Arc::new(Gate {
            limit,
            inside: Mutex::new(0),
            left: Condvar::new(),
        })
    }

    /// Enters if there is room within `patience`.
    pub fn enter(self: &Arc<Gate>, patience: Duration) -> Option<Pass> {
        let mut inside = lock(&self.inside);
        if *inside >= self.limit && !patience.is_zero() {
            let deadline = Instant::now() + patience;
            while *inside >= self.limit {
                let remaining = deadline.saturating_duration_since(Instant::now());
                if remaining.is_zero() {
                    break;
                }
                inside = self
                    .left
                    .wait_timeout(inside, remaining)
                    .unwrap_or_else(std::sync::PoisonError::into_inner)
                    .0;
            }
        }
        if *inside >= self.limit {
            return None;
        }
        *inside += 1;
        Some(Pass(Arc::clone(self)))
    }

    /// Holders inside now.
    pub fn inside(&self) -> usize {
        *lock(&self.inside)
    }
}

/// Leaves the [`Gate`] when dropped.
#[derive(Debug)]
pub struct Pass(Arc<Gate>);

impl Drop for Pass {
    fn drop(&mut self) {
        *lock(&self.0.inside) -= 1;
        self.0.left.notify_one();
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
        let other = Arc::clone(&gate);
        let waiter = std::thread::spawn(move || other.enter(Duration::from_secs(60)).is_some());
        drop(pass);
        assert!(waiter.join().unwrap());
        assert_eq!(gate.inside(), 0);
    }
}
