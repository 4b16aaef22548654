//! Dates that friends send: `publishDate` (ISO 8601) as Unix seconds, and days of daily shows.
//!
//! Takes what Radarr, Sonarr and JavaScript's `toISOString` write: `2024-01-02T03:04:05Z`, with
//! fractions, with an offset instead of `Z`, or a bare date. Pure; no calendar before 1970.

/// A clock below this (2024-01-01) was never set: small boards start in 1970 until the network
/// is there.
pub const SET_CLOCK: u64 = 1_704_067_200;

/// When an item counts as published: what its first offer says, unless that lies in the future or
/// cannot be read; then now.
pub fn published(said: Option<&str>, now: u64) -> u64 {
    said.and_then(unix)
        .filter(|said| *said <= now || now < SET_CLOCK)
        // Place for 33 bits is kept in item ids: until 2242.
        .filter(|said| *said < 1 << 33)
        .unwrap_or(now)
}

/// Unix seconds of an ISO 8601 instant; without a zone it is UTC.
pub fn unix(text: &str) -> Option<u64> {
    let text = text.trim();
    let (date, time) = match text.find(['T', 't', ' ']) {
        Some(at) => (&text[..at], Some(&text[at + 1..])),
        None => (text, None),
    };
    let (year, month, day) = day(date)?;
    let midnight = days_from_1970(year, month, day)? * 86_400;
    let Some(time) = time else {
        return u64::try_from(midnight).ok();
    };
    let (clock, offset) = match time.find(['Z', 'z', '+', '-']) {
        Some(at) => (&time[..at], offset_seconds(&time[at..])?),
        None => (time, 0),
    };
    let mut parts = clock.split('.').next()?.split(':');
    let hour = two_digits(parts.next()?)?;
    let minute = two_digits(parts.next()?)?;
    let second = parts.next().map_or(Some(0), two_digits)?;
    // 60: a leap second.
    if parts.next().is_some() || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    u64::try_from(midnight + hour * 3600 + minute * 60 + second - offset).ok()
}

/// `YYYY-MM-DD`.
pub fn day(text: &str) -> Option<(i64, i64, i64)> {
    let bytes = text.as_bytes();
    if bytes.len() != 10 || bytes[4] != b'-' || bytes[7] != b'-' {
        return None;
    }
    let year = two_digits(text.get(0..2)?)? * 100 + two_digits(text.get(2..4)?)?;
    let (month, day) = (two_digits(text.get(5..7)?)?, two_digits(text.get(8..10)?)?);
    is_day(month, day).then_some((year, month, day))
}

/// `yyyymmdd` of a daily episode: of its air date, else of a date in its title
/// (`Show.2016.12.20.720p`); 0 = none.
pub fn air_number(air_date: Option<&str>, title: &str) -> i64 {
    air_date
        .and_then(|date| day(date.get(..10)?))
        .or_else(|| day_in_title(title))
        .map_or(0, |(year, month, day)| year * 10_000 + month * 100 + day)
}

/// The first date in a title: three numbers of 4, 2 and 2 digits with one separator between each.
fn day_in_title(title: &str) -> Option<(i64, i64, i64)> {
    let bytes = title.as_bytes();
    bytes.windows(10).enumerate().find_map(|(at, window)| {
        let alone = at == 0 || !bytes[at - 1].is_ascii_alphanumeric();
        let ends = bytes
            .get(at + 10)
            .is_none_or(|b| !b.is_ascii_alphanumeric());
        let separated = [4, 7]
            .iter()
            .all(|place| matches!(window[*place], b'.' | b'-' | b' ' | b'_'));
        if !(alone && ends && separated) {
            return None;
        }
        let mut text = window.to_vec();
        text[4] = b'-';
        text[7] = b'-';
        let found = day(std::str::from_utf8(&text).ok()?)?;
        (1900..2100).contains(&found.0).then_some(found)
    })
}

fn is_day(month: i64, day: i64) -> bool {
    (1..=12).contains(&month) && (1..=31).contains(&day)
}

fn two_digits(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    if bytes.len() != 2 || !bytes.iter().all(u8::is_ascii_digit) {
        return None;
    }
    text.parse().ok()
}

/// `Z`, `+02:00`, `-0530`, `+02`.
fn offset_seconds(text: &str) -> Option<i64> {
    let sign = match text.as_bytes().first()? {
        b'Z' | b'z' if text.len() == 1 => return Some(0),
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let digits = text[1..].replacen(':', "", 1);
    let hours = two_digits(digits.get(0..2)?)?;
    let minutes = match digits.get(2..)? {
        "" => 0,
        minutes => two_digits(minutes)?,
    };
    (hours <= 23 && minutes <= 59).then_some(sign * (hours * 3600 + minutes * 60))
}

/// Days since 1970-01-01 in the Gregorian calendar; `None` before it.
fn days_from_1970(year: i64, month: i64, day: i64) -> Option<i64> {
    // Years are counted from March, so that the leap day is the last of its year.
    let years = if month <= 2 { year - 1 } else { year };
    let since_march = (month + 9) % 12;
    let day_of_year = (153 * since_march + 2) / 5 + day - 1;
    let days = years * 365 + years / 4 - years / 100 + years / 400 + day_of_year - 719_468;
    (days >= 0).then_some(days)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::testing::Random;

    #[test]
    fn instants() {
        // Expected values from GNU date.
        for (text, expected) in [
            ("1970-01-01T00:00:00Z", Some(0)),
            ("2024-02-29T12:34:56Z", Some(1_709_210_096)),
            ("2024-02-29T12:34:56.789Z", Some(1_709_210_096)),
            ("2024-02-29T14:34:56+02:00", Some(1_709_210_096)),
            ("2024-02-29T07:04:56-0530", Some(1_709_210_096)),
            ("2024-02-29 12:34:56", Some(1_709_210_096)),
            ("2024-02-29T12:34Z", Some(1_709_210_040)),
            ("2000-03-01", Some(951_868_800)),
            ("2100-03-01", Some(4_107_542_400)),
            ("0001-01-01T00:00:00Z", None),
            ("1970-01-01T00:00:00+01:00", None),
            ("2024-13-01", None),
            ("2024-01-01T24:00:00Z", None),
            ("2024-01-01T1:00:00Z", None),
            ("2024-01-01T", None),
            ("2024-01-01T00:00:00+", None),
            ("yesterday", None),
            ("", None),
            ("2024-01-0é", None),
        ] {
            assert_eq!(unix(text), expected, "{text}");
        }
    }

    #[test]
    fn a_date_in_the_future_is_not_believed_by_a_set_clock() {
        let now = 1_750_000_000;
        assert_eq!(published(Some("2024-02-29T12:34:56Z"), now), 1_709_210_096);
        assert_eq!(published(Some("2099-01-01"), now), now);
        assert_eq!(published(Some("rubbish"), now), now);
        assert_eq!(published(None, now), now);
        assert_eq!(published(Some("2024-02-29T12:34:56Z"), 60), 1_709_210_096);
        assert_eq!(published(Some("9999-01-01"), 60), 60);
    }

    #[test]
    fn days_of_daily_shows() {
        for (date, title, expected) in [
            (Some("2016-12-20"), "Show 2015.01.01", 20_161_220),
            (Some("2016-12-20T00:00:00Z"), "", 20_161_220),
            (None, "Show.2016.12.20.Guest.720p", 20_161_220),
            (None, "Show - 2016-12-20", 20_161_220),
            (Some("soon"), "Show 2016 12 20", 20_161_220),
            (None, "Show.2016.13.20", 0),
            (None, "Show.12016.12.20", 0),
            (None, "Show.2016.12.200", 0),
            (None, "é2016.12.20", 20_161_220),
            (None, "", 0),
        ] {
            assert_eq!(air_number(date, title), expected, "{date:?} {title}");
        }
    }

    #[test]
    fn random_text_never_panics() {
        let mut random = Random::new(2);
        let pool: Vec<char> = "0123456789-:.TZ+ é\u{1f600}".chars().collect();
        for _ in 0..20_000 {
            let length = random.below(30);
            let text: String = (0..length)
                .map(|_| pool[random.below(pool.len() as u64) as usize])
                .collect();
            let _ = (unix(&text), air_number(Some(&text), &text));
        }
    }
}
