//! System calls that std does not offer, each wrapped once. The only module that may hold `unsafe`
//! (so far `rustix` and `socket2` make that unnecessary), and the home of two helpers that every
//! threaded part needs.

use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors assumed when the kernel names no limit.
const UNLIMITED_DESCRIPTORS: u64 = 1 << 20;

/// Locks a mutex whose data stays usable when a thread has panicked while holding it: all our
/// critical sections leave their data whole at every step.
pub fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Raises the soft limit on open descriptors to the hard limit and returns what is then in force.
/// A refusal is not an error: the old limit is returned and the caller fits itself to it.
pub fn raise_descriptor_limit() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        let raised = Rlimit {
            current: limit.maximum,
            maximum: limit.maximum,
        };
        if let Err(error) = setrlimit(Resource::Nofile, raised) {
            log::warn!("cannot raise the limit on open descriptors: {error}");
        }
    }
    getrlimit(Resource::Nofile)
        .current
        .unwrap_or(UNLIMITED_DESCRIPTORS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptor_limit_is_the_hard_one_afterwards() {
        let raised = raise_descriptor_limit();
        let limit = getrlimit(Resource::Nofile);
        assert_eq!(raised, limit.maximum.unwrap_or(UNLIMITED_DESCRIPTORS));
    }

    #[test]
    fn lock_survives_a_panic_under_the_lock() {
        let mutex = std::sync::Arc::new(Mutex::new(1));
        let other = std::sync::Arc::clone(&mutex);
        let result = std::thread::spawn(move || {
            let _guard = lock(&other);
            panic!("while locked");
        })
        .join();
        assert!(result.is_err());
        assert_eq!(*lock(&mutex), 1);
    }
}
