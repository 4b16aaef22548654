//! What a check found: a level, about what, and what to do.

use std::fmt;

use crate::cli::table::shown;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// As it should be.
    Ok,
    /// It works, or may work, but not well.
    Warn,
    /// Broken.
    Fail,
}

/// One line of the report. `Display` escapes what others have written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How bad.
    pub level: Level,
    /// What was looked at.
    pub subject: String,
    /// What was found.
    pub what: String,
    /// What to do; `None` if nothing or if it is said already.
    pub fix: Option<String>,
}

impl Finding {
    /// All is well.
    pub fn ok(subject: &str, what: impl Into<String>) -> Finding {
        Finding {
            level: Level::Ok,
            subject: subject.to_owned(),
            what: what.into(),
            fix: None,
        }
    }

    /// Worth a look. An empty `fix` is none.
    pub fn warn(subject: &str, what: impl Into<String>, fix: impl Into<String>) -> Finding {
        Finding {
            level: Level::Warn,
            fix: Some(fix.into()).filter(|fix| !fix.is_empty()),
            ..Finding::ok(subject, what)
        }
    }

    /// Broken. An empty `fix` is none.
    pub fn fail(subject: &str, what: impl Into<String>, fix: impl Into<String>) -> Finding {
        Finding {
            level: Level::Fail,
            ..Finding::warn(subject, what, fix)
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let level = match self.level {
            Level::Ok => "ok",
            Level::Warn => "warn",
            Level::Fail => "FAIL",
        };
        write!(
            f,
            "{level:<4}  {}: {}",
            shown(&self.subject),
            shown(&self.what)
        )?;
        match &self.fix {
            Some(fix) => write!(f, "; fix: {}", shown(fix)),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_each() {
        let check = |finding: Finding, expected: &str| assert_eq!(finding.to_string(), expected);
        check(Finding::ok("a", "b"), "ok    a: b");
        check(Finding::warn("a", "b", "c"), "warn  a: b; fix: c");
        check(Finding::fail("a", "b\nc", ""), "FAIL  a: b\\u{a}c");
        assert!(Level::Fail > Level::Warn && Level::Warn > Level::Ok);
    }
}
