//! Validators and conditional requests (RFC 9110 §8.8, §13): `ETag`, `Last-Modified`, `If-Match`,
//! `If-Unmodified-Since`, `If-None-Match`, `If-Modified-Since`, `If-Range`.
//!
//! In: what is known of the file and the values of the request's headers. Out: whether the client
//! wants another state of it, whether it already has this one, and whether a range may be honoured;
//! to be asked in this order (§13.2.2). Pure: `now` is an argument.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A `Last-Modified` younger than this cannot prove that two states are the same: the file may
/// have changed twice within the resolution of the date (RFC 9110 §8.8.2.2 gives the minute as
/// the safe distance).
const STRONG_DATE_AGE: Duration = Duration::from_secs(60);

/// What identifies the state of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Validators {
    /// Strong entity tag, quotes included.
    pub etag: String,
    /// Time of the last change, to the second, as HTTP dates are; `None` outside their range.
    pub modified: Option<SystemTime>,
}

impl Validators {
    /// From size, modification time (seconds and nanoseconds since 1970) and inode number. The
    /// nanoseconds make the tag strong: a file rewritten within a second gets another one.
    pub fn new(size: u64, mtime_secs: i64, mtime_nanos: i64, inode: u64) -> Validators {
        Validators {
            etag: format!("\"{size:x}-{mtime_secs:x}.{mtime_nanos:x}-{inode:x}\""),
            modified: u64::try_from(mtime_secs)
                .ok()
                // httpdate refuses years beyond 9999 by panicking.
                .filter(|secs| *secs < 253_402_300_800)
                .map(|secs| UNIX_EPOCH + Duration::from_secs(secs)),
        }
    }

    /// The value for `Last-Modified`: never in the future (RFC 9110 §8.8.2.1).
    pub fn last_modified(&self, now: SystemTime) -> Option<String> {
        self.modified
            .map(|modified| httpdate::fmt_http_date(modified.min(now)))
    }

    /// Whether the client wants another state than this one (412): `If-Match` decides alone where
    /// it is given, else `If-Unmodified-Since`.
    pub fn is_unwanted(&self, if_match: Option<&str>, if_unmodified_since: Option<&str>) -> bool {
        if let Some(tags) = if_match {
            // Strong comparison: a weak tag is never equal.
            return !tags
                .split(',')
                .map(str::trim)
                .any(|tag| tag == "*" || tag == self.etag);
        }
        match (
            if_unmodified_since.map(httpdate::parse_http_date),
            self.modified,
        ) {
            (Some(Ok(since)), Some(modified)) => modified > since,
            _ => false,
        }
    }

    /// Whether the client's copy is current (304): `If-None-Match` decides alone where it is
    /// given, else `If-Modified-Since`.
    pub fn is_not_modified(
        &self,
        if_none_match: Option<&str>,
        if_modified_since: Option<&str>,
    ) -> bool {
        if let Some(tags) = if_none_match {
            return matches_any(tags, &self.etag);
        }
        match (
            if_modified_since.map(httpdate::parse_http_date),
            self.modified,
        ) {
            (Some(Ok(since)), Some(modified)) => modified <= since,
            _ => false,
        }
    }

    /// Whether a `Range` may be honoured: no `If-Range`, or one that names this very state.
    pub fn allows_range(&self, if_range: Option<&str>, now: SystemTime) -> bool {
        let Some(validator) = if_range.map(str::trim) else {
            return true;
        };
        if validator.starts_with('"') {
            return validator == self.etag;
        }
        // A weak tag ("W/…") parses as no date and never matches: ranges need strong validators.
        match (httpdate::parse_http_date(validator), self.modified) {
            (Ok(date), Some(modified)) => {
                date == modified
                    && now
                        .duration_since(modified)
                        .is_ok_and(|age| age >= STRONG_DATE_AGE)
            }
            _ => false,
        }
    }
}

/// Weak comparison of a list of entity tags with ours.
fn matches_any(tags: &str, etag: &str) -> bool {
    // Our tags hold no comma, so a comma inside a foreign tag can only make that one not match.
    tags.split(',').map(str::trim).any(|tag| {
        let tag = tag.strip_prefix("W/").unwrap_or(tag);
        tag == "*" || tag == etag
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    // The date of RFC 9110 §5.6.7's example.
    const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    const SECS: i64 = 784_111_777;

    fn validators() -> Validators {
        Validators::new(0x1234, SECS, 5, 0xabc)
    }

    fn at(secs: i64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(u64::try_from(secs).unwrap())
    }

    #[test]
    fn etag_changes_with_every_part() {
        assert_eq!(
            validators().etag,
            "\"1234-2ebc9461.5-abc\"".replace("2ebc9461", &format!("{SECS:x}"))
        );
        let tags = [
            validators(),
            Validators::new(0x1235, SECS, 5, 0xabc),
            Validators::new(0x1234, SECS + 1, 5, 0xabc),
            Validators::new(0x1234, SECS, 6, 0xabc),
            Validators::new(0x1234, SECS, 5, 0xabd),
        ]
        .map(|validators| validators.etag);
        for (index, tag) in tags.iter().enumerate() {
            assert!(!tags[index + 1..].contains(tag));
        }
    }

    #[test]
    fn last_modified_is_never_in_the_future() {
        let check = |now: i64, expected: &str| {
            let value = validators().last_modified(at(now));
            assert_eq!(value.as_deref(), Some(expected));
        };
        check(SECS + 5, DATE);
        check(SECS - 1, "Sun, 06 Nov 1994 08:49:36 GMT");
        assert_eq!(Validators::new(1, -5, 0, 1).last_modified(at(5)), None);
        assert_eq!(
            Validators::new(1, i64::MAX, 0, 1).last_modified(at(5)),
            None
        );
    }

    #[test]
    fn another_state_is_wanted() {
        let check = |matching: Option<&str>, since: Option<&str>, expected: bool| {
            assert_eq!(validators().is_unwanted(matching, since), expected);
        };
        let etag = validators().etag;
        let weak = format!("W/{etag}");
        let list = format!("\"other\", {etag}");
        check(None, None, false);
        check(Some(&etag), None, false);
        check(Some(&list), None, false);
        check(Some("*"), None, false);
        check(Some(&weak), None, true);
        check(Some("\"other\""), None, true);
        check(Some(""), None, true);
        check(None, Some(DATE), false);
        check(None, Some("Sun, 06 Nov 1994 08:49:36 GMT"), true);
        check(None, Some("yesterday"), false);
        check(Some(&etag), Some("Sun, 06 Nov 1994 08:49:36 GMT"), false);
    }

    #[test]
    fn not_modified() {
        let check = |none_match: Option<&str>, since: Option<&str>, expected: bool| {
            assert_eq!(validators().is_not_modified(none_match, since), expected);
        };
        let etag = validators().etag;
        let weak = format!("W/{etag}");
        let list = format!("\"other\", {etag}");
        check(None, None, false);
        check(Some(&etag), None, true);
        check(Some(&weak), None, true);
        check(Some(&list), None, true);
        check(Some("*"), None, true);
        check(Some("\"other\""), Some(DATE), false);
        check(None, Some(DATE), true);
        check(None, Some("Sun, 06 Nov 1994 08:49:36 GMT"), false);
        check(None, Some("Sun, 06 Nov 1994 08:49:38 GMT"), true);
        check(None, Some("yesterday"), false);
        check(Some(""), None, false);
    }

    #[test]
    fn if_range() {
        let check = |value: Option<&str>, now: i64, expected: bool| {
            assert_eq!(
                validators().allows_range(value, at(now)),
                expected,
                "{value:?}"
            );
        };
        let etag = validators().etag;
        let weak = format!("W/{etag}");
        check(None, SECS, true);
        check(Some(&etag), SECS, true);
        check(Some(&weak), SECS, false);
        check(Some("\"other\""), SECS, false);
        check(Some(DATE), SECS + 60, true);
        check(Some(DATE), SECS + 59, false);
        check(Some("Sun, 06 Nov 1994 08:49:38 GMT"), SECS + 1000, false);
        check(Some(""), SECS, false);
    }
}
