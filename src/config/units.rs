//! Values with units: durations, sizes, single rates, booleans, whole numbers, octal masks.
//!
//! Text in, value or [`Complaint`] out; nothing overflows and nothing is guessed: a duration has
//! a unit, sizes have exact units (KiB = 1024, KB = 1000), letters count in their case. Blanks
//! between number and unit are allowed. The `rate` timetable is built from [`rate`] in `schedule`.

use std::time::Duration;

use super::problem::{Complaint, quoted};

/// Longest duration: 100 years. More is a mistake, and deadlines (`Instant` + duration) must not
/// overflow on any platform.
pub const MAX_DURATION: Duration = Duration::from_secs(36_500 * 86_400);

const DURATION_HINT: &str = "write a number and a unit, such as 500ms, 60s, 30m, 24h or 7d";
const SIZE_HINT: &str =
    "write bytes, or a number and a unit: KiB MiB GiB TiB (1024) or KB MB GB TB (1000)";
const RATE_HINT: &str = "write a size per second such as 5MiB/s, or 0 for unlimited";

/// Digits and what follows them; `None` unless there is at least one digit.
fn number_and_unit(text: &str) -> Option<(&str, &str)> {
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    (!number.is_empty()).then_some((number, unit.trim_start()))
}

/// `500ms 60s 30m 24h 7d`; the smallest that the key allows is `least`.
pub(super) fn duration(text: &str, least: Duration) -> Result<Duration, Complaint> {
    let wrong = || Complaint::new(format!("{} is not a duration", quoted(text)), DURATION_HINT);
    let (number, unit) = number_and_unit(text).ok_or_else(wrong)?;
    let milliseconds_each: u64 = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        "" => {
            return Err(Complaint::new(
                format!("{} has no unit", quoted(text)),
                DURATION_HINT,
            ));
        }
        _ => return Err(wrong()),
    };
    let value = number
        .parse::<u64>()
        .ok()
        .and_then(|number| number.checked_mul(milliseconds_each))
        .map(Duration::from_millis)
        .filter(|value| *value <= MAX_DURATION)
        .ok_or_else(|| {
            Complaint::new(
                format!("{} is too long", quoted(text)),
                "the longest duration is 36500d",
            )
        })?;
    if value < least {
        return Err(Complaint::new(
            format!("{} is too short", quoted(text)),
            format!("the shortest here is {}", show_duration(least)),
        ));
    }
    Ok(value)
}

/// A duration in the largest unit that divides it, as it would be written in the file.
pub fn show_duration(value: Duration) -> String {
    let milliseconds = value.as_millis();
    for (unit, size) in [
        ("d", 86_400_000),
        ("h", 3_600_000),
        ("m", 60_000),
        ("s", 1_000),
    ] {
        if milliseconds >= size && milliseconds.is_multiple_of(size) {
            return format!("{}{unit}", milliseconds / size);
        }
    }
    format!("{milliseconds}ms")
}

/// Bytes: plain, or in powers of 1024 or 1000.
pub(super) fn size(text: &str) -> Result<u64, Complaint> {
    let wrong = || Complaint::new(format!("{} is not a size", quoted(text)), SIZE_HINT);
    let (number, unit) = number_and_unit(text).ok_or_else(wrong)?;
    let each: u64 = match unit {
        "" | "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "TiB" => 1 << 40,
        "KB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "TB" => 1_000_000_000_000,
        _ => return Err(wrong()),
    };
    number
        .parse::<u64>()
        .ok()
        .and_then(|number| number.checked_mul(each))
        .ok_or_else(|| {
            Complaint::new(
                format!("{} is too large", quoted(text)),
                "sizes are at most 2^64 - 1 bytes",
            )
        })
}

/// A size in the largest unit that divides it, as it would be written in the file.
pub fn show_size(bytes: u64) -> String {
    for (unit, size) in [
        ("TiB", 1u64 << 40),
        ("GiB", 1 << 30),
        ("MiB", 1 << 20),
        ("KiB", 1 << 10),
        ("TB", 1_000_000_000_000),
        ("GB", 1_000_000_000),
        ("MB", 1_000_000),
        ("KB", 1_000),
    ] {
        if bytes >= size && bytes.is_multiple_of(size) {
            return format!("{}{unit}", bytes / size);
        }
    }
    bytes.to_string()
}

/// One rate in bytes per second: `5MiB/s`; `0` or `unlimited` is 0.
pub(super) fn rate(text: &str) -> Result<u64, Complaint> {
    if text == "0" || text == "unlimited" {
        return Ok(0);
    }
    let Some(amount) = text.strip_suffix("/s") else {
        return Err(Complaint::new(
            format!("{} is not a rate", quoted(text)),
            RATE_HINT,
        ));
    };
    let bytes = size(amount.trim_end()).map_err(|complaint| {
        if complaint.hint == SIZE_HINT {
            Complaint::new(format!("{} is not a rate", quoted(text)), RATE_HINT)
        } else {
            complaint
        }
    })?;
    if bytes == 0 {
        // Somebody who writes `0MiB/s` may well mean "nothing at all", the opposite of 0.
        return Err(Complaint::new(
            format!("{} could mean two things", quoted(text)),
            "write 0 or unlimited for no limit; to stop transfers, stop jackdaw",
        ));
    }
    Ok(bytes)
}

/// A rate as it would be written in the file.
pub fn show_rate(bytes_per_second: u64) -> String {
    if bytes_per_second == 0 {
        "unlimited".to_owned()
    } else {
        let mut text = show_size(bytes_per_second);
        if text.ends_with(|c: char| c.is_ascii_digit()) {
            text.push('B');
        }
        text + "/s"
    }
}

/// `true false yes no on off`.
pub(super) fn boolean(text: &str) -> Result<bool, Complaint> {
    match text {
        "true" | "yes" | "on" => Ok(true),
        "false" | "no" | "off" => Ok(false),
        _ => Err(Complaint::new(
            format!("{} is neither true nor false", quoted(text)),
            "write true or false (yes, no, on and off mean the same)",
        )),
    }
}

/// A whole number within limits.
pub(super) fn number(text: &str, least: u32, most: u32) -> Result<u32, Complaint> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let value = if digits {
        text.parse::<u32>().ok()
    } else {
        None
    };
    match value {
        Some(value) if (least..=most).contains(&value) => Ok(value),
        _ => Err(Complaint::new(
            if digits {
                format!("{} is out of range", quoted(text))
            } else {
                format!("{} is not a whole number", quoted(text))
            },
            format!("write a number from {least} to {most}"),
        )),
    }
}

/// An octal file mode mask, `000` to `777`.
pub(super) fn umask(text: &str) -> Result<u32, Complaint> {
    let digits = (1..=4).contains(&text.len()) && text.bytes().all(|b| matches!(b, b'0'..=b'7'));
    let value = if digits {
        u32::from_str_radix(text, 8).ok()
    } else {
        None
    };
    value.filter(|value| *value <= 0o777).ok_or_else(|| {
        Complaint::new(
            format!("{} is not a file mode mask", quoted(text)),
            "write three octal digits, such as 002 or 022",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check<T: PartialEq + std::fmt::Debug>(
        parse: impl Fn(&str) -> Result<T, Complaint>,
        table: &[(&str, Option<T>)],
    ) {
        for (text, expected) in table {
            match (parse(text), expected) {
                (Ok(value), Some(expected)) => assert_eq!(value, *expected, "{text:?}"),
                (Err(complaint), None) => {
                    assert!(!complaint.hint.is_empty(), "{text:?}: {complaint}");
                }
                (result, _) => panic!("{text:?}: {result:?}, expected {expected:?}"),
            }
        }
    }

    #[test]
    fn durations() {
        let ms = |ms| Some(Duration::from_millis(ms));
        check(
            |text| duration(text, Duration::from_millis(1)),
            &[
                ("500ms", ms(500)),
                ("1ms", ms(1)),
                ("60s", ms(60_000)),
                ("30m", ms(1_800_000)),
                ("24h", ms(86_400_000)),
                ("7d", ms(604_800_000)),
                ("7 d", ms(604_800_000)),
                ("007s", ms(7_000)),
                ("36500d", Some(MAX_DURATION)),
                ("36501d", None),
                ("18446744073709551615ms", None),
                ("18446744073709551616s", None),
                ("99999999999999999999999d", None),
                ("0s", None),
                ("", None),
                ("60", None),
                ("s", None),
                ("-1s", None),
                ("+1s", None),
                ("1.5h", None),
                ("1h30m", None),
                ("60S", None),
                ("60sec", None),
                ("60s ; comment", None),
                ("٣s", None),
            ],
        );
        assert_eq!(
            duration("999ms", Duration::from_secs(1)),
            Err(Complaint::new(
                "`999ms` is too short",
                "the shortest here is 1s"
            ))
        );
        assert!(duration("1s", Duration::from_secs(1)).is_ok());
        assert_eq!(
            duration("60", Duration::ZERO).unwrap_err().problem,
            "`60` has no unit"
        );
    }

    #[test]
    fn sizes() {
        check(
            size,
            &[
                ("0", Some(0)),
                ("12345", Some(12_345)),
                ("12B", Some(12)),
                ("1KiB", Some(1_024)),
                ("10MiB", Some(10_485_760)),
                ("100GiB", Some(107_374_182_400)),
                ("1TiB", Some(1_099_511_627_776)),
                ("1KB", Some(1_000)),
                ("2MB", Some(2_000_000)),
                ("3GB", Some(3_000_000_000)),
                ("4TB", Some(4_000_000_000_000)),
                ("5 GiB", Some(5_368_709_120)),
                ("18446744073709551615", Some(u64::MAX)),
                ("18446744073709551616", None),
                ("16777216TiB", None),
                ("16777215TiB", Some(16_777_215 << 40)),
                ("", None),
                ("GiB", None),
                ("1gib", None),
                ("1Mb", None),
                ("1kB", None),
                ("1.5GiB", None),
                ("-1", None),
                ("1PiB", None),
                ("1GiB/s", None),
                ("1GiB ; comment", None),
            ],
        );
    }

    #[test]
    fn rates() {
        check(
            rate,
            &[
                ("0", Some(0)),
                ("unlimited", Some(0)),
                ("5MiB/s", Some(5_242_880)),
                ("5 MiB/s", Some(5_242_880)),
                ("5MiB /s", Some(5_242_880)),
                ("100/s", Some(100)),
                ("100B/s", Some(100)),
                ("1KB/s", Some(1_000)),
                ("5MiB", None),
                ("5Mbit/s", None),
                ("0MiB/s", None),
                ("0/s", None),
                ("/s", None),
                ("99999999999999999999TiB/s", None),
                ("", None),
                ("infinite", None),
            ],
        );
        assert_eq!(rate("5Mbit/s").unwrap_err().hint, RATE_HINT);
    }

    #[test]
    fn booleans() {
        check(
            boolean,
            &[
                ("true", Some(true)),
                ("yes", Some(true)),
                ("on", Some(true)),
                ("false", Some(false)),
                ("no", Some(false)),
                ("off", Some(false)),
                ("", None),
                ("1", None),
                ("True", None),
                ("true ; with keep", None),
            ],
        );
    }

    #[test]
    fn numbers() {
        check(
            |text| number(text, 1, 64),
            &[
                ("1", Some(1)),
                ("64", Some(64)),
                ("08", Some(8)),
                ("0", None),
                ("65", None),
                ("4294967296", None),
                ("99999999999999999999", None),
                ("-1", None),
                ("+1", None),
                ("1.0", None),
                ("", None),
                ("three", None),
            ],
        );
    }

    #[test]
    fn umasks() {
        check(
            umask,
            &[
                ("002", Some(0o002)),
                ("0022", Some(0o022)),
                ("22", Some(0o022)),
                ("0", Some(0)),
                ("777", Some(0o777)),
                ("0777", Some(0o777)),
                ("1000", None),
                ("00002", None),
                ("008", None),
                ("0o22", None),
                ("-22", None),
                ("", None),
            ],
        );
    }

    #[test]
    fn what_is_shown_can_be_written_back() {
        for text in ["500ms", "60001ms", "1s", "90s", "5m", "36h", "7d"] {
            let value = duration(text, Duration::ZERO).unwrap();
            assert_eq!(duration(&show_duration(value), Duration::ZERO), Ok(value));
        }
        for bytes in [0, 1, 1023, 1024, 1500, 5 << 20, 3_000_000, u64::MAX] {
            assert_eq!(size(&show_size(bytes)), Ok(bytes));
            assert_eq!(rate(&show_rate(bytes)), Ok(bytes));
        }
        assert_eq!(show_duration(Duration::from_secs(1800)), "30m");
        assert_eq!(show_size(100 << 30), "100GiB");
        assert_eq!(show_rate(7), "7B/s");
    }
}
