//! Time zone rules as in the last line of a zone file or in `TZ`: `CET-1CEST,M3.5.0,M10.5.0/3`.
//!
//! Text in, [`Rule`] out, offsets from it by Unix time. POSIX.1 (2024) Base Definitions 8.3, with
//! the extension of RFC 8536 §3.3.1 that transition hours go from -167 to 167. Names of zones are
//! skipped: nobody asks for them. A zone with a summer time must say when it applies.

use super::{DAY, civil, days_from_civil, days_in_month};

/// Longest rule read; real ones have less than 40 characters.
const MAX_RULE_BYTES: usize = 128;

/// A zone's offsets, for all time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rule {
    /// Seconds east of UTC.
    standard: i64,
    summer: Option<Summer>,
}

/// Summer time: its offset, and its bounds in local time as it is before each change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Summer {
    offset: i64,
    begins: Change,
    ends: Change,
}

/// A moment in every year: a day, and seconds after its midnight (may lie on another day).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Change {
    day: Day,
    seconds: i64,
}

/// A day in every year.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Day {
    /// `J60`: the day of the year from 1, 29 February never counted.
    Julian(i64),
    /// `60`: the day of the year from 0, 29 February counted.
    Plain(i64),
    /// `M3.5.0`: a weekday (0 = Sunday) in the n-th (5 = last) week of a month.
    Weekday { month: u8, week: i64, weekday: i64 },
}

impl Rule {
    /// UTC itself.
    pub const UTC: Rule = Rule {
        standard: 0,
        summer: None,
    };

    /// Reads a rule; `None` if it is not one.
    pub fn parse(text: &str) -> Option<Rule> {
        if text.len() > MAX_RULE_BYTES || !text.is_ascii() {
            return None;
        }
        let rest = skip_name(text)?;
        let (west, rest) = hours(rest, 24)?;
        let standard = -west;
        if rest.is_empty() {
            return Some(Rule {
                standard,
                summer: None,
            });
        }
        let rest = skip_name(rest)?;
        let (offset, rest) = if rest.starts_with(',') {
            (standard + 3_600, rest)
        } else {
            let (west, rest) = hours(rest, 24)?;
            (-west, rest)
        };
        let (begins, ends) = rest.strip_prefix(',')?.split_once(',')?;
        Some(Rule {
            standard,
            summer: Some(Summer {
                offset,
                begins: Change::parse(begins)?,
                ends: Change::parse(ends)?,
            }),
        })
    }

    /// Seconds east of UTC at a moment.
    pub fn offset_at(&self, unix: u64) -> i64 {
        let Some(summer) = self.summer else {
            return self.standard;
        };
        let now = unix.min(super::LATEST) as i64;
        // The year by standard time: near New Year it may differ from that in UTC.
        let local = u64::try_from(now + self.standard).unwrap_or(0);
        let year = i64::from(civil(local).year);
        let begins = summer.begins.in_year(year) - self.standard;
        let ends = summer.ends.in_year(year) - summer.offset;
        // South of the equator summer lies around New Year.
        let is_summer = if begins < ends {
            (begins..ends).contains(&now)
        } else {
            !(ends..begins).contains(&now)
        };
        if is_summer {
            summer.offset
        } else {
            self.standard
        }
    }
}

impl Change {
    fn parse(text: &str) -> Option<Change> {
        let (day, seconds) = match text.split_once('/') {
            None => (text, 2 * 3_600),
            Some((day, time)) => {
                let (seconds, rest) = hours(time, 167)?;
                if !rest.is_empty() {
                    return None;
                }
                (day, seconds)
            }
        };
        Some(Change {
            day: Day::parse(day)?,
            seconds,
        })
    }

    /// The moment in local time, as seconds since 1970 began there.
    fn in_year(&self, year: i64) -> i64 {
        self.day.in_year(year) * DAY as i64 + self.seconds
    }
}

impl Day {
    fn parse(text: &str) -> Option<Day> {
        if let Some(text) = text.strip_prefix('M') {
            let (month, rest) = text.split_once('.')?;
            let (week, weekday) = rest.split_once('.')?;
            return Some(Day::Weekday {
                month: number(month, 1, 12)? as u8,
                week: number(week, 1, 5)?,
                weekday: number(weekday, 0, 6)?,
            });
        }
        match text.strip_prefix('J') {
            Some(text) => Some(Day::Julian(number(text, 1, 365)?)),
            None => Some(Day::Plain(number(text, 0, 365)?)),
        }
    }

    /// Days since 1970-01-01.
    fn in_year(&self, year: i64) -> i64 {
        let new_year = days_from_civil(year, 1, 1);
        match *self {
            Day::Plain(day) => new_year + day,
            Day::Julian(day) => {
                let leap_day_passed = day >= 60 && days_in_month(year, 2) == 29;
                new_year + day - 1 + i64::from(leap_day_passed)
            }
            Day::Weekday {
                month,
                week,
                weekday,
            } => {
                let first = days_from_civil(year, month, 1);
                // 1970-01-01 was a Thursday: 4, counted from Sunday.
                let weekday_of_first = (first + 4).rem_euclid(7);
                let mut day = first + (weekday - weekday_of_first).rem_euclid(7) + 7 * (week - 1);
                if day >= first + i64::from(days_in_month(year, month)) {
                    day -= 7;
                }
                day
            }
        }
    }
}

/// The text behind a zone's name: letters, or anything in `<…>`.
fn skip_name(text: &str) -> Option<&str> {
    if let Some(quoted) = text.strip_prefix('<') {
        let (name, rest) = quoted.split_once('>')?;
        return (!name.is_empty()).then_some(rest);
    }
    let rest = text.trim_start_matches(|c: char| c.is_ascii_alphabetic());
    (text.len() - rest.len() >= 3).then_some(rest)
}

/// `[+-]hh[:mm[:ss]]` in seconds, and the rest.
fn hours(text: &str, most: i64) -> Option<(i64, &str)> {
    let (sign, text) = match text.strip_prefix('-') {
        Some(text) => (-1, text),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != ':')
        .unwrap_or(text.len());
    let (time, rest) = text.split_at(end);
    let mut parts = time.split(':');
    let mut seconds = number(parts.next()?, 0, most)? * 3_600;
    for each in [60, 1] {
        if let Some(part) = parts.next() {
            seconds += number(part, 0, 59)? * each;
        }
    }
    parts.next().is_none().then_some((sign * seconds, rest))
}

/// One to three digits within limits.
fn number(text: &str, least: i64, most: i64) -> Option<i64> {
    if !(1..=3).contains(&text.len()) || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse()
        .ok()
        .filter(|value| (least..=most).contains(value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::parse_iso8601;

    /// Offsets in minutes around changes, as `TZ=… date -d` of GNU coreutils shows them.
    #[test]
    fn offsets_by_rule() {
        let check = |rule: &str, moments: &[(&str, i64)]| {
            let parsed = Rule::parse(rule).unwrap_or_else(|| panic!("{rule}"));
            for (moment, minutes) in moments {
                let unix = parse_iso8601(moment).unwrap();
                assert_eq!(parsed.offset_at(unix), minutes * 60, "{rule} {moment}");
            }
        };
        check("UTC0", &[("2026-07-01", 0)]);
        check("<+0545>-5:45", &[("2026-07-01", 345)]);
        check(
            "CET-1CEST,M3.5.0,M10.5.0/3",
            &[
                ("2026-01-01T00:00:00Z", 60),
                ("2026-03-29T00:59:59Z", 60),
                ("2026-03-29T01:00:00Z", 120),
                ("2026-10-25T00:59:59Z", 120),
                ("2026-10-25T01:00:00Z", 60),
                ("1970-01-01T00:00:00Z", 60),
                ("9999-12-31T23:59:59Z", 60),
            ],
        );
        check(
            "EST5EDT,M3.2.0,M11.1.0",
            &[
                ("2026-03-08T06:59:59Z", -300),
                ("2026-03-08T07:00:00Z", -240),
                ("2026-11-01T05:59:59Z", -240),
                ("2026-11-01T06:00:00Z", -300),
                ("1970-01-01T00:00:00Z", -300),
            ],
        );
        // South of the equator, and half an hour of summer time.
        check(
            "<+1030>-10:30<+11>-11,M10.1.0,M4.1.0",
            &[
                ("2026-01-01T00:00:00Z", 660),
                ("2026-04-04T14:59:59Z", 660),
                ("2026-04-04T15:00:00Z", 630),
                ("2026-10-03T15:29:59Z", 630),
                ("2026-10-03T15:30:00Z", 660),
            ],
        );
        // Negative summer time, and a change before midnight of its day.
        check(
            "IST-1GMT0,M10.5.0,M3.5.0/1",
            &[
                ("2026-07-01", 60),
                ("2026-12-01", 0),
                ("2026-03-29T00:59:59Z", 0),
                ("2026-03-29T01:00:00Z", 60),
            ],
        );
        check(
            "<-02>2<-01>,M3.5.0/-1,M10.5.0/0",
            &[
                ("2026-03-29T00:59:59Z", -120),
                ("2026-03-29T01:00:00Z", -60),
            ],
        );
        check(
            "AAA0BBB,J60/0,59/0",
            &[("2026-02-28T23:00:00Z", 0), ("2026-02-28T22:59:59Z", 60)],
        );
        check(
            "AAA0BBB,J60/0,J61/0",
            &[
                ("2024-02-29T23:59:59Z", 0),
                ("2024-03-01T00:00:00Z", 60),
                ("2025-03-01T00:00:00Z", 60),
                ("2025-03-02T00:00:00Z", 0),
            ],
        );
    }

    #[test]
    fn what_is_not_a_rule() {
        for text in [
            "",
            "UTC",
            "Europe/Berlin",
            "CE-1",
            "CET-25",
            "CET-1CEST",
            "CET-1CEST,M3.5.0",
            "CET-1CEST,M3.6.0,M10.5.0",
            "CET-1CEST,M13.5.0,M10.5.0",
            "CET-1CEST,M3.5.7,M10.5.0",
            "CET-1CEST,M3.5.0/168,M10.5.0",
            "CET-1CEST,J0,J1",
            "CET-1CEST,366,1",
            "CET-1:60",
            "CET-1:0:0:0",
            "<>-1",
            "<CET-1",
            "CÉT-1",
        ] {
            assert_eq!(Rule::parse(text), None, "{text}");
        }
        assert_eq!(Rule::parse(&format!("<{}>0", "a".repeat(200))), None);
    }

    #[test]
    fn mangled_rules_never_panic() {
        let mut state = 3u64;
        for _ in 0..20_000 {
            let mut bytes = b"CET-1CEST,M3.5.0,M10.5.0/3".to_vec();
            for _ in 0..3 {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                let at = (state >> 33) as usize % bytes.len();
                bytes[at] = b"0129JM.,/-+<>:A"[(state >> 45) as usize % 15];
            }
            if let Some(rule) = Rule::parse(&String::from_utf8_lossy(&bytes)) {
                for unix in [0, 1_700_000_000, u64::MAX] {
                    assert!(rule.offset_at(unix).abs() <= 26 * 3_600);
                }
            }
        }
    }
}
