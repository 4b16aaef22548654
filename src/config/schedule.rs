//! The `rate` timetable: `2MiB/s, 23:00-07:00 unlimited, sat-sun 5MiB/s`.
//!
//! Commas separate windows. The first item may be a plain rate: it holds outside all windows
//! (without it: unlimited). Every other item is `[days] [hours] rate`, days `sat` or `fri-mon`,
//! hours `23:00-07:00`; one of the two may be missing. Hours that end at or before their start end
//! on the next day, and such a window belongs to the day on which it begins. Of several windows
//! that match, the last wins. Times are local; [`RateSchedule::rate_at`] gets them as arguments.

use std::fmt;

use super::problem::{Complaint, quoted};
use super::units;
use super::{RateSchedule, RateWindow};

/// Windows in one timetable: more than three a day for a week is a mistake, and each rate
/// decision walks through all of them.
pub const MAX_WINDOWS: usize = 24;

const MINUTES_A_DAY: u16 = 1440;
const EVERY_DAY: u8 = 0b111_1111;
const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

const WINDOW_HINT: &str = "write days, hours or both before a rate, such as 23:00-07:00 unlimited, \
     sat-sun 5MiB/s or mon-fri 08:00-18:00 1MiB/s";

impl RateSchedule {
    /// Bytes per second (0 = unlimited) at a local time: `weekday` 0 = Monday, minute 0..1440.
    pub fn rate_at(&self, weekday: u8, minute_of_day: u16) -> u64 {
        self.windows
            .iter()
            .rev()
            .find(|window| window.holds(weekday % 7, minute_of_day))
            .map_or(self.base, |window| window.rate)
    }

    /// True when no hour has a limit.
    pub fn is_unlimited(&self) -> bool {
        self.base == 0 && self.windows.iter().all(|window| window.rate == 0)
    }
}

impl RateWindow {
    fn holds(&self, weekday: u8, minute: u16) -> bool {
        let begins_on = |day: u8| self.days & (1 << day) != 0;
        if self.from_minute < self.to_minute {
            return begins_on(weekday) && (self.from_minute..self.to_minute).contains(&minute);
        }
        let yesterday = (weekday + 6) % 7;
        (begins_on(weekday) && minute >= self.from_minute)
            || (begins_on(yesterday) && minute < self.to_minute)
    }
}

/// Writes the timetable as it would be written in the file.
impl fmt::Display for RateSchedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&units::show_rate(self.base))?;
        for window in &self.windows {
            f.write_str(", ")?;
            if window.days != EVERY_DAY {
                let (first, last) = day_range(window.days);
                f.write_str(DAYS[first])?;
                if first != last {
                    write!(f, "-{}", DAYS[last])?;
                }
                f.write_str(" ")?;
            }
            if (window.from_minute, window.to_minute) != (0, MINUTES_A_DAY)
                || window.days == EVERY_DAY
            {
                let (from, to) = (window.from_minute, window.to_minute);
                write!(f, "{:02}:{:02}-", from / 60, from % 60)?;
                write!(f, "{:02}:{:02} ", to / 60, to % 60)?;
            }
            f.write_str(&units::show_rate(window.rate))?;
        }
        Ok(())
    }
}

/// First and last day of a set that [`days`] made: a run on the ring of seven days.
fn day_range(set: u8) -> (usize, usize) {
    let has = |day: usize| set & (1 << (day % 7)) != 0;
    let first = (0..7).find(|&day| has(day) && !has(day + 6)).unwrap_or(0);
    let length = (0..7).take_while(|&ahead| has(first + ahead)).count();
    (first, (first + length.max(1) - 1) % 7)
}

/// Reads a timetable.
pub(super) fn schedule(text: &str) -> Result<RateSchedule, Complaint> {
    let mut schedule = RateSchedule::default();
    for (index, item) in text.split(',').enumerate() {
        let item = item.trim();
        if item.is_empty() {
            return Err(Complaint::new(
                "there is nothing between two commas",
                WINDOW_HINT,
            ));
        }
        let (days, rest) = match split_word(item) {
            (word, rest) if word.starts_with(|c: char| c.is_ascii_alphabetic()) => {
                if word == "unlimited" && rest.is_empty() {
                    (None, item)
                } else {
                    (Some(days(word)?), rest)
                }
            }
            _ => (None, item),
        };
        let (hours, rest) = match split_word(rest) {
            (word, rest) if word.contains(':') => (Some(hours(word)?), rest),
            _ => (None, rest),
        };
        if rest.is_empty() {
            return Err(Complaint::new(
                format!("{} names no rate", quoted(item)),
                WINDOW_HINT,
            ));
        }
        let rate = units::rate(rest)?;
        if days.is_none() && hours.is_none() {
            if index > 0 {
                return Err(Complaint::new(
                    format!("{} has neither days nor hours", quoted(item)),
                    "the rate for all other times comes first, before every window",
                ));
            }
            schedule.base = rate;
            continue;
        }
        if schedule.windows.len() == MAX_WINDOWS {
            return Err(Complaint::new(
                format!("the timetable has more than {MAX_WINDOWS} windows"),
                "join some",
            ));
        }
        let (from_minute, to_minute) = hours.unwrap_or((0, MINUTES_A_DAY));
        schedule.windows.push(RateWindow {
            days: days.unwrap_or(EVERY_DAY),
            from_minute,
            to_minute,
            rate,
        });
    }
    Ok(schedule)
}

/// The first word and the rest without the blanks between.
fn split_word(text: &str) -> (&str, &str) {
    match text.split_once(char::is_whitespace) {
        Some((word, rest)) => (word, rest.trim_start()),
        None => (text, ""),
    }
}

/// `sat`, `sat-sun`, `fri-mon` (over the end of the week).
fn days(word: &str) -> Result<u8, Complaint> {
    let day = |name: &str| {
        DAYS.iter()
            .position(|day| day.eq_ignore_ascii_case(name))
            .ok_or_else(|| {
                Complaint::new(
                    format!("{} is not a day", quoted(name)),
                    "the days are mon tue wed thu fri sat sun",
                )
            })
    };
    let (first, last) = match word.split_once('-') {
        Some((first, last)) => (day(first)?, day(last)?),
        None => (day(word)?, day(word)?),
    };
    let length = (last + 7 - first) % 7 + 1;
    Ok((first..first + length).fold(0, |set, day| set | 1 << (day % 7)))
}

/// `23:00-07:00` in minutes of the day; an end at midnight is minute 1440.
fn hours(word: &str) -> Result<(u16, u16), Complaint> {
    let wrong = || {
        Complaint::new(
            format!("{} is not a span of hours", quoted(word)),
            "write two times of day, such as 23:00-07:00",
        )
    };
    let time = |text: &str| -> Option<u16> {
        let (hour, minute) = text.split_once(':')?;
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if !(1..=2).contains(&hour.len()) || minute.len() != 2 || !digits(hour) || !digits(minute) {
            return None;
        }
        let (hour, minute) = (hour.parse::<u16>().ok()?, minute.parse::<u16>().ok()?);
        let total = hour * 60 + minute;
        (minute < 60 && total <= MINUTES_A_DAY).then_some(total)
    };
    let (from, to) = word.split_once('-').ok_or_else(wrong)?;
    let from = time(from)
        .filter(|from| *from < MINUTES_A_DAY)
        .ok_or_else(wrong)?;
    let to = time(to).ok_or_else(wrong)?;
    Ok((from, if to == 0 { MINUTES_A_DAY } else { to }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn window(days: u8, from_minute: u16, to_minute: u16, rate: u64) -> RateWindow {
        RateWindow {
            days,
            from_minute,
            to_minute,
            rate,
        }
    }

    #[test]
    fn timetables_are_read() {
        let check = |text: &str, base: u64, windows: &[RateWindow]| {
            let read = schedule(text).unwrap_or_else(|complaint| panic!("{text}: {complaint}"));
            assert_eq!(read.base, base, "{text}");
            assert_eq!(read.windows, windows, "{text}");
            assert_eq!(schedule(&read.to_string()), Ok(read), "{text}");
        };
        check("0", 0, &[]);
        check("unlimited", 0, &[]);
        check("5MiB/s", 5 * MIB, &[]);
        check(
            "2MiB/s, 23:00-07:00 unlimited, sat-sun 5MiB/s",
            2 * MIB,
            &[
                window(EVERY_DAY, 1380, 420, 0),
                window(0b110_0000, 0, 1440, 5 * MIB),
            ],
        );
        check(
            "sat-sun 08:00-20:00 1MiB/s",
            0,
            &[window(0b110_0000, 480, 1200, MIB)],
        );
        check("1MiB/s,FRI-Mon 0", MIB, &[window(0b111_0001, 0, 1440, 0)]);
        check("wed 1KB/s", 0, &[window(0b000_0100, 0, 1440, 1000)]);
        check("mon-sun 5 KB/s", 0, &[window(EVERY_DAY, 0, 1440, 5000)]);
        check(
            "22:00-00:00 1KB/s",
            0,
            &[window(EVERY_DAY, 1320, 1440, 1000)],
        );
        check(
            "22:00-24:00 1KB/s",
            0,
            &[window(EVERY_DAY, 1320, 1440, 1000)],
        );
        check("0:00-0:00 1KB/s", 0, &[window(EVERY_DAY, 0, 1440, 1000)]);
        check("7:05-7:05 1KB/s", 0, &[window(EVERY_DAY, 425, 425, 1000)]);
    }

    #[test]
    fn wrong_timetables_are_refused_with_a_hint() {
        let check = |text: &str, problem: &str| {
            let complaint = schedule(text).expect_err(text);
            assert_eq!(complaint.problem, problem, "{text}");
            assert!(!complaint.hint.is_empty(), "{text}");
        };
        check("", "there is nothing between two commas");
        check("1MiB/s,", "there is nothing between two commas");
        check("1MiB/s, 2MiB/s", "`2MiB/s` has neither days nor hours");
        check(
            "1MiB/s, unlimited",
            "`unlimited` has neither days nor hours",
        );
        check("1MiB/s, sat", "`sat` names no rate");
        check("23:00-07:00", "`23:00-07:00` names no rate");
        check("noon 1MiB/s", "`noon` is not a day");
        check("sat-son 1MiB/s", "`son` is not a day");
        check("23-07 1MiB/s", "`23-07 1MiB/s` is not a rate");
        check("23:00 1MiB/s", "`23:00` is not a span of hours");
        check("24:00-07:00 1MiB/s", "`24:00-07:00` is not a span of hours");
        check("23:60-07:00 1MiB/s", "`23:60-07:00` is not a span of hours");
        check("23:0-07:00 1MiB/s", "`23:0-07:00` is not a span of hours");
        check("23:00-24:01 1MiB/s", "`23:00-24:01` is not a span of hours");
        check("23:00-+7:00 1MiB/s", "`23:00-+7:00` is not a span of hours");
        check("sat 08:00-20:00 fast", "`fast` is not a rate");
        check(
            "2MiB/s ; at night more",
            "`2MiB/s ; at night more` is not a rate",
        );
        let many = vec!["sat 1KB/s"; MAX_WINDOWS];
        assert!(schedule(&many.join(",")).is_ok());
        let many = vec!["sat 1KB/s"; MAX_WINDOWS + 1];
        check(&many.join(","), "the timetable has more than 24 windows");
    }

    #[test]
    fn the_last_window_that_matches_wins() {
        let rates = schedule("2MiB/s, 23:00-07:00 unlimited, sat-sun 5MiB/s").unwrap();
        let check = |day: u8, hour: u16, minute: u16, expected: u64| {
            let rate = rates.rate_at(day, hour * 60 + minute);
            assert_eq!(rate, expected, "day {day} {hour}:{minute}");
        };
        check(0, 12, 0, 2 * MIB);
        check(0, 22, 59, 2 * MIB);
        check(0, 23, 0, 0);
        check(1, 6, 59, 0);
        check(1, 7, 0, 2 * MIB);
        check(5, 3, 0, 5 * MIB);
        check(6, 23, 59, 5 * MIB);
        // Sunday's night window goes on into Monday.
        check(0, 0, 0, 0);
        assert!(!rates.is_unlimited());
        assert!(schedule("0, sat unlimited").unwrap().is_unlimited());
    }

    #[test]
    fn a_window_over_midnight_belongs_to_the_day_it_begins() {
        let rates = schedule("1MiB/s, fri 22:00-06:00 0").unwrap();
        assert_eq!(rates.rate_at(4, 21 * 60 + 59), MIB);
        assert_eq!(rates.rate_at(4, 22 * 60), 0);
        assert_eq!(rates.rate_at(5, 5 * 60 + 59), 0);
        assert_eq!(rates.rate_at(5, 6 * 60), MIB);
        assert_eq!(
            rates.rate_at(4, 3 * 60),
            MIB,
            "Friday morning is Thursday's"
        );
        // Sunday into Monday, over the end of the week.
        let rates = schedule("1MiB/s, sun 22:00-06:00 0").unwrap();
        assert_eq!(rates.rate_at(0, 60), 0);
        assert_eq!(rates.rate_at(6, 60), MIB);
        // The same start and end: a whole day from there.
        let rates = schedule("1MiB/s, mon 12:00-12:00 0").unwrap();
        assert_eq!(rates.rate_at(0, 12 * 60 - 1), MIB);
        assert_eq!(rates.rate_at(0, 12 * 60), 0);
        assert_eq!(rates.rate_at(1, 12 * 60 - 1), 0);
        assert_eq!(rates.rate_at(1, 12 * 60), MIB);
    }
}
