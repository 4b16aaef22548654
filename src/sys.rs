//! System calls that std does not offer, each wrapped once. The only module that may hold `unsafe`
//! (one call; `rustix` and `socket2` make more unnecessary), and the home of two helpers that every
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

/// Heaps of the process. glibc makes up to eight for each processor, one for nearly every thread
/// of ours, and what one thread has freed in its own heap no other uses: with eight searches at
/// once that was 26 MiB resident instead of 18. With two, threads do wait for each other:
/// eight take 3 MiB more and up to a fifth less processor time for such searches.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const HEAPS: std::ffi::c_int = 2;

/// Limits the heaps of the process to [`HEAPS`], unless the environment says otherwise
/// (`MALLOC_ARENA_MAX`). To be called first in `main`: heaps that are there stay. Other C libraries
/// have one heap anyway.
pub fn limit_heaps() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    if std::env::var_os("MALLOC_ARENA_MAX").is_none() {
        set_heaps(HEAPS);
    }
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[allow(unsafe_code)]
fn set_heaps(heaps: std::ffi::c_int) {
    use std::ffi::c_int;
    /// From glibc's `malloc.h`.
    const M_ARENA_MAX: c_int = -8;
    unsafe extern "C" {
        fn mallopt(parameter: c_int, value: c_int) -> c_int;
    }
    // SAFETY: glibc's mallopt(3) takes two integers and no pointer, and holds malloc's own lock
    // while it changes the value. Its answer is not looked at: it is 1 even for a parameter that
    // glibc does not know, so that only the heaps themselves tell (tests/startup.rs).
    let _ = unsafe { mallopt(M_ARENA_MAX, heaps) };
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
