//! Panics as log lines: one line each without backtrace, and not more than a few a minute, for a
//! stranger may be able to cause them (tiny_http panics on reset connections; a backtrace each
//! costs 40 MiB of memory after 4,000 of them).

use std::sync::{Mutex, Once};
use std::time::Instant;

use crate::logging::Limit;
use crate::sys::lock;

/// Installs the hook, once per process. While no logger is set up (unit tests), panics are shown
/// as Rust shows them.
pub fn install() {
    static INSTALLED: Once = Once::new();
    static LIMIT: Mutex<Limit> = Mutex::new(Limit::new());
    INSTALLED.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if log::max_level() == log::LevelFilter::Off {
                before(info);
                return;
            }
            let Some(suppressed) = lock(&LIMIT).admit(Instant::now()) else {
                return;
            };
            let thread = std::thread::current();
            let name = thread.name().unwrap_or("without a name").to_owned();
            let place = match info.location() {
                Some(location) => format!("{}:{}", location.file(), location.line()),
                None => "an unknown place".to_owned(),
            };
            let what = info.payload_as_str().unwrap_or("no message");
            log::error!("thread {name} panicked at {place}: {}", what.escape_debug());
            if suppressed > 0 {
                log::error!("{suppressed} more panics before it were not logged");
            }
        }));
    });
}
