//! The log: one line per event on standard error, through the `log` facade.
//!
//! `2026-11-21T10:00:00Z INFO  message`. Line breaks and control characters in messages are
//! escaped, so that nothing a friend sends can forge a line or move a terminal's cursor. Our own
//! records follow the configured level; other crates' only from warn up, at level trace from debug
//! up: what `ureq` says at trace is every byte that is sent, keys included.
//! The same message again and again is let through a few times a minute, then counted. A standard
//! error that cannot be written to is ignored: a log is no reason to stop. Nothing here knows
//! secrets; callers do not log them.

use std::collections::HashMap;
use std::fmt::{self, Write as _};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Write as _;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use log::{Level, LevelFilter, Log, Metadata, Record};

use crate::clock;

/// Longest message in bytes, the rest is cut: a line should fit a screen even if a server sends
/// us a novel as its error message.
pub const MAX_MESSAGE_BYTES: usize = 4096;

/// How often the same message is written within [`REPEAT_SECONDS`].
pub const REPEATS_ALLOWED: u32 = 5;

/// The period in which repeats are counted. A loop that fails once a second then writes less than
/// a tenth of its lines to an SD card.
pub const REPEAT_SECONDS: u64 = 60;

/// Messages whose repeats are counted at once. More different ones within a period is no
/// repetition; the memory of old ones is then dropped.
const MAX_COUNTED_MESSAGES: usize = 128;

/// Events of one kind logged in each [`LIMIT_WINDOW`]; enough to see what happens, too few to fill
/// a log.
const LIMITED_EVENTS: u32 = 10;
const LIMIT_WINDOW: Duration = Duration::from_secs(60);

/// Installs the log. Later calls (tests in one process) only change the level.
pub fn init(level: LevelFilter) {
    // An error means that a log is there already.
    let _ = log::set_boxed_logger(Box::new(Sink {
        gate: Mutex::new(RepeatGate::default()),
    }));
    log::set_max_level(level);
}

/// Writes records to standard error.
struct Sink {
    gate: Mutex<RepeatGate>,
}

impl Log for Sink {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        is_wanted(metadata.target(), metadata.level(), log::max_level())
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let now = clock::now_unix();
        let message = message(record);
        let note = if record.level() <= Level::Info {
            let mut gate = self.gate.lock().unwrap_or_else(PoisonError::into_inner);
            match gate.pass(now, record.level(), &message) {
                Pass::No => return,
                Pass::Yes { not_written } => not_written,
            }
        } else {
            // Whoever asks for debug or trace wants everything.
            0
        };
        let line = line(now, record.level(), &message, note);
        // One write for a line, so that lines of several threads do not mix.
        let _ = std::io::stderr().lock().write_all(line.as_bytes());
    }

    fn flush(&self) {}
}

/// Says whether a record of this origin is written.
fn is_wanted(target: &str, level: Level, most: LevelFilter) -> bool {
    let most_of_theirs = match most {
        LevelFilter::Trace => LevelFilter::Debug,
        most => most.min(LevelFilter::Warn),
    };
    level
        <= if is_ours(target) {
            most
        } else {
            most_of_theirs
        }
}

fn is_ours(target: &str) -> bool {
    target == "jackdaw" || target.starts_with("jackdaw::")
}

/// The escaped text; other crates' messages begin with their name, since they say less.
fn message(record: &Record<'_>) -> String {
    let mut out = Escaped(String::new());
    if !is_ours(record.target()) {
        let _ = write!(out, "{}: ", record.target());
    }
    // An error means that the message was cut, or that a `Display` failed: what is there is kept.
    let _ = out.write_fmt(*record.args());
    out.0
}

fn line(now: u64, level: Level, message: &str, not_written: u64) -> String {
    let time = clock::iso8601(now);
    let note = match not_written {
        0 => String::new(),
        count => format!(" (and {count} times before, not written)"),
    };
    format!("{time} {level:<5} {message}{note}\n")
}

/// A bounded text without control characters.
struct Escaped(String);

impl fmt::Write for Escaped {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for c in text.chars() {
            if self.0.len() >= MAX_MESSAGE_BYTES {
                if !self.0.ends_with('…') {
                    self.0.push('…');
                }
                return Err(fmt::Error);
            }
            if must_be_escaped(c) {
                self.0.extend(c.escape_default());
            } else {
                self.0.push(c);
            }
        }
        Ok(())
    }
}

/// Control characters, and what reorders or breaks lines in a terminal (Unicode line separators
/// and bidirectional controls).
fn must_be_escaped(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}')
}

/// Whether a message is written.
#[derive(Debug, PartialEq, Eq)]
enum Pass {
    No,
    Yes {
        /// How often it was held back since it was written last.
        not_written: u64,
    },
}

/// Counts repeats of messages, by hash.
#[derive(Default)]
struct RepeatGate {
    seen: HashMap<u64, Repeats>,
}

struct Repeats {
    since: u64,
    written: u32,
    not_written: u64,
}

impl RepeatGate {
    fn pass(&mut self, now: u64, level: Level, message: &str) -> Pass {
        let mut hasher = DefaultHasher::new();
        (level, message).hash(&mut hasher);
        let key = hasher.finish();
        // A clock that was set back must not hold messages back: it begins a new period.
        let is_over = |since: u64| now < since || now - since >= REPEAT_SECONDS;
        if self.seen.len() >= MAX_COUNTED_MESSAGES && !self.seen.contains_key(&key) {
            self.seen.retain(|_, repeats| !is_over(repeats.since));
            if self.seen.len() >= MAX_COUNTED_MESSAGES {
                self.seen.clear();
            }
        }
        let repeats = self.seen.entry(key).or_insert(Repeats {
            since: now,
            written: 0,
            not_written: 0,
        });
        if is_over(repeats.since) {
            repeats.since = now;
            repeats.written = 0;
        }
        if repeats.written == REPEATS_ALLOWED {
            repeats.not_written += 1;
            return Pass::No;
        }
        repeats.written += 1;
        Pass::Yes {
            not_written: std::mem::take(&mut repeats.not_written),
        }
    }
}

/// Lets a few events of one kind into the log in each window, however their texts differ. For what
/// a stranger or friend can cause as often as they like.
pub struct Limit {
    window: Option<Instant>,
    admitted: u32,
    suppressed: u64,
}

impl Limit {
    /// Nothing counted yet.
    pub const fn new() -> Limit {
        Limit {
            window: None,
            admitted: 0,
            suppressed: 0,
        }
    }

    /// `Some(number left out since the last)` when this one may be logged.
    pub fn admit(&mut self, now: Instant) -> Option<u64> {
        let is_over = self
            .window
            .is_none_or(|start| now.saturating_duration_since(start) >= LIMIT_WINDOW);
        if is_over {
            self.window = Some(now);
            self.admitted = 0;
        }
        if self.admitted == LIMITED_EVENTS {
            self.suppressed += 1;
            return None;
        }
        self.admitted += 1;
        Some(std::mem::take(&mut self.suppressed))
    }
}

impl Default for Limit {
    fn default() -> Limit {
        Limit::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn escaped(text: &str) -> String {
        let mut out = Escaped(String::new());
        let _ = out.write_str(text);
        out.0
    }

    #[test]
    fn lines_have_one_form() {
        assert_eq!(
            line(1_795_255_200, Level::Info, "ready", 0),
            "2026-11-21T10:00:00Z INFO  ready\n"
        );
        assert_eq!(
            line(0, Level::Error, "no", 3),
            "1970-01-01T00:00:00Z ERROR no (and 3 times before, not written)\n"
        );
    }

    #[test]
    fn nothing_in_a_message_can_make_a_line() {
        assert_eq!(escaped("a\r\nb\tc"), "a\\r\\nb\\tc");
        assert_eq!(escaped("\u{1b}[2J\0"), "\\u{1b}[2J\\u{0}");
        assert_eq!(
            escaped("\u{2028}\u{202e}\u{85}"),
            "\\u{2028}\\u{202e}\\u{85}"
        );
        assert_eq!(escaped("Füße 🎬 'x' \"y\" \\"), "Füße 🎬 'x' \"y\" \\");
    }

    #[test]
    fn long_messages_are_cut() {
        let most = "x".repeat(MAX_MESSAGE_BYTES);
        assert_eq!(escaped(&most), most);
        assert_eq!(escaped(&(most.clone() + "y")), most.clone() + "…");
        assert_eq!(escaped(&(most.clone() + "yz")), most + "…");
        assert!(escaped(&"\n".repeat(MAX_MESSAGE_BYTES)).len() <= MAX_MESSAGE_BYTES + 10);
    }

    #[test]
    fn other_crates_are_heard_from_warn_up() {
        use LevelFilter as Most;
        let check = |target: &str, level: Level, most: Most, expected: bool| {
            assert_eq!(
                is_wanted(target, level, most),
                expected,
                "{target} {level} {most}"
            );
        };
        check("jackdaw", Level::Info, Most::Info, true);
        check("jackdaw::peer", Level::Debug, Most::Debug, true);
        check("jackdaw", Level::Debug, Most::Info, false);
        check("jackdaws", Level::Info, Most::Info, false);
        check("rustls::client", Level::Warn, Most::Info, true);
        check("rustls::client", Level::Warn, Most::Error, false);
        check("ureq", Level::Debug, Most::Debug, false);
        check("ureq", Level::Debug, Most::Trace, true);
        check("ureq_proto::util", Level::Trace, Most::Trace, false);
        check("jackdaw::peer", Level::Trace, Most::Trace, true);
        check("ureq", Level::Error, Most::Off, false);
    }

    #[test]
    fn foreign_messages_name_their_crate() {
        let record = |target: &'static str| {
            message(
                &Record::builder()
                    .target(target)
                    .args(format_args!("x\ny"))
                    .build(),
            )
        };
        assert_eq!(record("jackdaw::front"), "x\\ny");
        assert_eq!(record("tiny_http"), "tiny_http: x\\ny");
    }

    #[test]
    fn repeats_are_counted_not_written() {
        let mut gate = RepeatGate::default();
        let yes = |not_written| Pass::Yes { not_written };
        for _ in 0..REPEATS_ALLOWED {
            assert_eq!(gate.pass(100, Level::Warn, "a"), yes(0));
        }
        assert_eq!(gate.pass(100, Level::Warn, "a"), Pass::No);
        assert_eq!(gate.pass(159, Level::Warn, "a"), Pass::No);
        assert_eq!(gate.pass(159, Level::Warn, "b"), yes(0));
        assert_eq!(gate.pass(159, Level::Error, "a"), yes(0));
        assert_eq!(gate.pass(160, Level::Warn, "a"), yes(2));
        assert_eq!(gate.pass(160, Level::Warn, "a"), yes(0));
        // A clock set back does not silence anything.
        for _ in 0..10 {
            gate.pass(1_000, Level::Warn, "c");
        }
        assert_eq!(gate.pass(10, Level::Warn, "c"), yes(5));
    }

    #[test]
    fn the_memory_of_the_gate_is_bounded() {
        let mut gate = RepeatGate::default();
        for number in 0..10_000 {
            let text = number.to_string();
            assert_ne!(gate.pass(5, Level::Info, &text), Pass::No);
            assert!(gate.seen.len() <= MAX_COUNTED_MESSAGES);
        }
    }

    #[test]
    fn a_few_each_window_then_a_count() {
        let mut limit = Limit::new();
        let start = Instant::now();
        for _ in 0..LIMITED_EVENTS {
            assert_eq!(limit.admit(start), Some(0));
        }
        for _ in 0..1000 {
            assert_eq!(limit.admit(start + LIMIT_WINDOW / 2), None);
        }
        assert_eq!(limit.admit(start + LIMIT_WINDOW), Some(1000));
        assert_eq!(limit.admit(start + LIMIT_WINDOW), Some(0));
    }
}
