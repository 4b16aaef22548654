//! Time as the rest of the program writes it: Unix seconds, UTC civil time, ISO 8601, local hours.
//!
//! Everything but [`now_unix`] and [`Zone::local`] is pure. Years 1970 to 9999; leap seconds do not
//! exist (as in Unix time). [`parse_iso8601`] takes what Radarr, Sonarr, jack and Kodi write: with
//! or without time, fraction and offset. Local time is needed for rate timetables only; no crate
//! of ours knows it, so `zone` reads the system's own zone file.

mod rule;
mod zone;

pub use zone::Zone;

use std::time::{SystemTime, UNIX_EPOCH};

/// Seconds in a day.
pub const DAY: u64 = 86_400;

/// 9999-12-31T23:59:59Z, the last moment with a four-digit year.
pub const LATEST: u64 = 253_402_300_799;

/// The system's clock in Unix seconds. A clock before 1970 (a board without a battery) reads 0.
pub fn now_unix() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

/// A moment in UTC as a calendar and a clock show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Civil {
    /// 1970 to 9999.
    pub year: u16,
    /// 1 to 12.
    pub month: u8,
    /// 1 to 31.
    pub day: u8,
    /// 0 to 23.
    pub hour: u8,
    /// 0 to 59.
    pub minute: u8,
    /// 0 to 59.
    pub second: u8,
}

/// Unix seconds as UTC; anything after the year 9999 is its last second.
pub fn civil(unix: u64) -> Civil {
    let unix = unix.min(LATEST);
    let (days, second_of_day) = (unix / DAY, unix % DAY);
    // Count years from a 1 March, so that a leap day is the last of its year. 719,468 days lie
    // between 0000-03-01 and 1970-01-01; 400 years have 146,097 days.
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    // From March, every five months have 153 days.
    let months_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * months_from_march + 2) / 5 + 1;
    let month = if months_from_march < 10 {
        months_from_march + 3
    } else {
        months_from_march - 9
    };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    Civil {
        year: year as u16,
        month: month as u8,
        day: day as u8,
        hour: (second_of_day / 3_600) as u8,
        minute: (second_of_day / 60 % 60) as u8,
        second: (second_of_day % 60) as u8,
    }
}

/// Days from 1970-01-01 to a date of the proleptic Gregorian calendar; negative before.
/// The date must exist, or the result is that of a neighbouring one.
pub(crate) fn days_from_civil(year: i64, month: u8, day: u8) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let months_from_march = (i64::from(month) + 9) % 12;
    let day_of_year = (153 * months_from_march + 2) / 5 + i64::from(day) - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// Days of a month, leap years included.
pub(crate) fn days_in_month(year: i64, month: u8) -> u8 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

/// `2026-01-01T00:00:00Z`.
pub fn iso8601(unix: u64) -> String {
    let Civil {
        year,
        month,
        day,
        hour,
        minute,
        second,
    } = civil(unix);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// Reads `2026-01-01`, `2026-01-01T00:00`, `2026-01-01 00:00:00.123`, each with `Z`, `+01:00`,
/// `+0100`, `+01` or nothing behind the time (then it is UTC). Fractions are cut off. `None` for
/// anything else, for dates that do not exist, and for moments outside 1970 to 9999.
pub fn parse_iso8601(text: &str) -> Option<u64> {
    let mut rest = text.trim().as_bytes();
    let year = take_number(&mut rest, 4)?;
    take_byte(&mut rest, b"-")?;
    let month = take_number(&mut rest, 2)? as u8;
    take_byte(&mut rest, b"-")?;
    let day = take_number(&mut rest, 2)? as u8;
    if !(1..=12).contains(&month) || day == 0 || day > days_in_month(year, month) {
        return None;
    }
    let mut seconds = days_from_civil(year, month, day) * DAY as i64;
    if !rest.is_empty() {
        take_byte(&mut rest, b"Tt ")?;
        let hour = take_number(&mut rest, 2)?;
        take_byte(&mut rest, b":")?;
        let minute = take_number(&mut rest, 2)?;
        let mut second = 0;
        if take_byte(&mut rest, b":").is_some() {
            second = take_number(&mut rest, 2)?;
            if take_byte(&mut rest, b".,").is_some() {
                let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
                if digits == 0 {
                    return None;
                }
                rest = &rest[digits..];
            }
        }
        // A leap second (60) is taken as the second after it.
        if hour > 23 || minute > 59 || second > 60 {
            return None;
        }
        seconds += hour * 3_600 + minute * 60 + second - offset(&mut rest)?;
    }
    if !rest.is_empty() {
        return None;
    }
    u64::try_from(seconds).ok().filter(|unix| *unix <= LATEST)
}

/// The offset behind a time, in seconds east of UTC; nothing is UTC.
fn offset(rest: &mut &[u8]) -> Option<i64> {
    if rest.is_empty() || take_byte(rest, b"Zz").is_some() {
        return Some(0);
    }
    let sign = if take_byte(rest, b"+-")? == b'-' {
        -1
    } else {
        1
    };
    let hours = take_number(rest, 2)?;
    let minutes = if rest.is_empty() {
        0
    } else {
        let _ = take_byte(rest, b":");
        take_number(rest, 2)?
    };
    (hours <= 23 && minutes <= 59).then_some(sign * (hours * 3_600 + minutes * 60))
}

/// Exactly `digits` decimal digits.
fn take_number(rest: &mut &[u8], digits: usize) -> Option<i64> {
    let (number, after) = rest.split_at_checked(digits)?;
    if !number.iter().all(u8::is_ascii_digit) {
        return None;
    }
    *rest = after;
    Some(
        number
            .iter()
            .fold(0, |value, digit| value * 10 + i64::from(digit - b'0')),
    )
}

/// One byte out of `choices`; nothing is taken otherwise.
fn take_byte(rest: &mut &[u8], choices: &[u8]) -> Option<u8> {
    let (&first, after) = rest.split_first()?;
    choices.contains(&first).then(|| {
        *rest = after;
        first
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_moments_are_written_and_read() {
        // From `date -u -d @N +%FT%TZ` (GNU coreutils 9.1).
        for (unix, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (86_399, "1970-01-01T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (951_868_800, "2000-03-01T00:00:00Z"),
            (1_000_000_000, "2001-09-09T01:46:40Z"),
            (1_709_164_800, "2024-02-29T00:00:00Z"),
            (1_735_689_599, "2024-12-31T23:59:59Z"),
            (2_147_483_648, "2038-01-19T03:14:08Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
            (LATEST, "9999-12-31T23:59:59Z"),
        ] {
            assert_eq!(iso8601(unix), text);
            assert_eq!(parse_iso8601(text), Some(unix));
        }
        assert_eq!(iso8601(u64::MAX), "9999-12-31T23:59:59Z");
    }

    #[test]
    fn every_day_of_four_centuries_is_the_day_after_the_one_before() {
        let (mut year, mut month, mut day) = (1970, 1, 1);
        for days in 0..146_097 + 10 {
            let shown = civil(days * DAY + 12 * 3_600);
            assert_eq!(
                (i64::from(shown.year), shown.month, shown.day),
                (year, month, day)
            );
            assert_eq!(days_from_civil(year, month, day), days as i64);
            day += 1;
            if day > days_in_month(year, month) {
                (day, month) = (1, month + 1);
            }
            if month > 12 {
                (month, year) = (1, year + 1);
            }
        }
    }

    #[test]
    fn the_forms_that_others_write() {
        let new_year = 1_767_225_600; // date -u -d 2026-01-01 +%s
        let check = |text: &str, expected: Option<u64>| {
            assert_eq!(parse_iso8601(text), expected, "{text:?}");
        };
        for text in [
            "2026-01-01",
            "2026-01-01T00:00",
            "2026-01-01 00:00:00",
            "2026-01-01T00:00:00",
            "2026-01-01T00:00:00Z",
            "2026-01-01t00:00:00z",
            "2026-01-01T00:00:00.1234567Z",
            "2026-01-01T00:00:00,5Z",
            "2026-01-01T01:00:00+01:00",
            "2026-01-01T01:00:00+0100",
            "2026-01-01T01:00:00+01",
            "2025-12-31T18:30:00-05:30",
            "2025-12-31T23:59:60Z",
            " 2026-01-01T00:00:00Z ",
        ] {
            check(text, Some(new_year));
        }
        for text in [
            "",
            "now",
            "2026",
            "2026-01",
            "2026-1-1",
            "2026-13-01",
            "2026-00-01",
            "2026-02-29",
            "2026-01-00",
            "2026-01-32",
            "1969-12-31",
            "1970-01-01T00:00:00+00:01",
            "9999-12-31T23:59:59-00:01",
            "2026-01-01T",
            "2026-01-01T24:00:00Z",
            "2026-01-01T00:60:00Z",
            "2026-01-01T00:00:61Z",
            "2026-01-01T00:00:00.Z",
            "2026-01-01T00:00:00Zjunk",
            "2026-01-01T00:00:00+",
            "2026-01-01T00:00:00+1",
            "2026-01-01T00:00:00+24:00",
            "2026-01-01T00:00:00+01:",
            "2026-01-01T00:00:00+01:60",
            "+026-01-01",
            "２026-01-01",
            "2026/01/01",
        ] {
            check(text, None);
        }
    }

    #[test]
    fn random_text_never_panics() {
        let alphabet = b"0129-:TZ+. ,\xc3\xa4";
        let mut state = 7u64;
        for _ in 0..20_000 {
            let mut bytes = b"2026-01-01T00:00:00.5+01:00".to_vec();
            for _ in 0..3 {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                let at = (state >> 33) as usize % bytes.len();
                bytes[at] = alphabet[(state >> 45) as usize % alphabet.len()];
                bytes.truncate(1 + (state >> 50) as usize % 40);
            }
            if let Some(unix) = parse_iso8601(&String::from_utf8_lossy(&bytes)) {
                assert_eq!(parse_iso8601(&iso8601(unix)), Some(unix));
            }
        }
    }
}
