//! Local time: the system's zone file (TZif, RFC 8536) as offsets from UTC.
//!
//! Found as other programs find it: `$TZ` as a name below the zone folder, an absolute path or a
//! rule; without it `/etc/localtime`; without that, or if it cannot be read, UTC. Files are
//! untrusted: size and counts are bounded, every index is checked. Leap seconds and names are
//! skipped. Only version 2 and later is read (every system's since 2005): it has 64-bit times.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::rule::Rule;
use super::{DAY, LATEST};

/// Largest zone file read; the largest of the time zone database has less than 4 KiB.
pub const MAX_ZONE_BYTES: usize = 64 << 10;

const ZONE_FOLDERS: [&str; 3] = [
    "/usr/share/zoneinfo",
    "/usr/lib/zoneinfo",
    "/usr/share/lib/zoneinfo",
];
const SYSTEM_ZONE: &str = "/etc/localtime";

/// Length of a TZif header.
const HEADER_BYTES: usize = 44;

/// A time zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zone {
    /// When each offset begins (Unix seconds, ascending), and seconds east of UTC.
    changes: Vec<(i64, i64)>,
    /// Before the first change.
    first: i64,
    /// After the last change.
    rule: Option<Rule>,
}

impl Zone {
    /// UTC.
    pub fn utc() -> Zone {
        Zone {
            changes: Vec::new(),
            first: 0,
            rule: Some(Rule::UTC),
        }
    }

    /// This machine's zone. Reads a small file: ask once and keep it.
    pub fn local() -> Zone {
        let variable = std::env::var("TZ").ok();
        Zone::find(variable.as_deref(), &ZONE_FOLDERS, Path::new(SYSTEM_ZONE))
            .unwrap_or_else(Zone::utc)
    }

    fn find(variable: Option<&str>, folders: &[&str], system: &Path) -> Option<Zone> {
        let Some(name) = variable else {
            return Zone::read(system);
        };
        let name = name.strip_prefix(':').unwrap_or(name);
        if name.is_empty() {
            return None; // POSIX: TZ set to nothing is UTC.
        }
        if name.starts_with('/') {
            return Zone::read(Path::new(name));
        }
        let is_plain = name.split('/').all(|part| !matches!(part, "" | "." | ".."));
        folders
            .iter()
            .filter(|_| is_plain)
            .find_map(|folder| Zone::read(&PathBuf::from(folder).join(name)))
            .or_else(|| {
                Rule::parse(name).map(|rule| Zone {
                    changes: Vec::new(),
                    first: 0,
                    rule: Some(rule),
                })
            })
    }

    fn read(path: &Path) -> Option<Zone> {
        let mut bytes = Vec::new();
        File::open(path)
            .ok()?
            .take(MAX_ZONE_BYTES as u64 + 1)
            .read_to_end(&mut bytes)
            .ok()?;
        Zone::parse(&bytes)
    }

    /// Reads a zone file; `None` if it is not a sound one.
    pub fn parse(bytes: &[u8]) -> Option<Zone> {
        if bytes.len() > MAX_ZONE_BYTES {
            return None;
        }
        let old = Header::parse(bytes)?;
        if old.version < b'2' {
            return None;
        }
        let bytes = bytes.get(HEADER_BYTES + old.body_bytes(4)?..)?;
        let header = Header::parse(bytes)?;
        let footer = bytes.get(HEADER_BYTES + header.body_bytes(8)?..)?;
        let mut body = bytes.get(HEADER_BYTES..)?;
        let times = take(&mut body, header.times.checked_mul(8)?)?;
        let kinds = take(&mut body, header.times)?;
        let offsets = take(&mut body, header.kinds.checked_mul(6)?)?;
        let offset_of = |kind: usize| -> Option<i64> {
            let at = kind.checked_mul(6)?;
            let bytes = offsets.get(at..at.checked_add(4)?)?;
            let offset = i64::from(i32::from_be_bytes(bytes.try_into().ok()?));
            // RFC 8536 §3.2: offsets stay within about a day.
            (offset.abs() < 26 * 3_600).then_some(offset)
        };
        let mut changes: Vec<(i64, i64)> = Vec::with_capacity(header.times);
        for (time, kind) in times.chunks_exact(8).zip(kinds) {
            let time = i64::from_be_bytes(time.try_into().ok()?);
            if changes.last().is_some_and(|(last, _)| *last >= time) {
                return None;
            }
            changes.push((time, offset_of(usize::from(*kind))?));
        }
        let footer = footer.strip_prefix(b"\n")?;
        let rule_length = footer.iter().position(|byte| *byte == b'\n')?;
        let rule = std::str::from_utf8(&footer[..rule_length]).ok()?;
        Some(Zone {
            changes,
            first: offset_of(0)?,
            rule: if rule.is_empty() {
                None
            } else {
                Some(Rule::parse(rule)?)
            },
        })
    }

    /// Seconds east of UTC at a moment.
    pub fn offset_at(&self, unix: u64) -> i64 {
        let now = unix.min(LATEST) as i64;
        let begun = self.changes.partition_point(|(time, _)| *time <= now);
        match (self.rule, begun.checked_sub(1)) {
            (Some(rule), _) if begun == self.changes.len() => rule.offset_at(unix),
            (_, Some(last)) => self.changes[last].1,
            (_, None) => self.first,
        }
    }

    /// Local weekday (0 = Monday) and minute of the day (0..1440), as rate timetables want them.
    pub fn weekday_and_minute(&self, unix: u64) -> (u8, u16) {
        let local = unix.min(LATEST) as i64 + self.offset_at(unix);
        let day = local.div_euclid(DAY as i64);
        let second = local.rem_euclid(DAY as i64);
        // 1970-01-01 was a Thursday: 3, counted from Monday.
        ((day + 3).rem_euclid(7) as u8, (second / 60) as u16)
    }
}

/// The counts in a TZif header.
struct Header {
    version: u8,
    ut_flags: usize,
    standard_flags: usize,
    leaps: usize,
    times: usize,
    kinds: usize,
    name_bytes: usize,
}

impl Header {
    fn parse(bytes: &[u8]) -> Option<Header> {
        let header = bytes.get(..HEADER_BYTES)?;
        if !header.starts_with(b"TZif") {
            return None;
        }
        let count = |index: usize| -> Option<usize> {
            let at = 20 + 4 * index;
            let bytes = header.get(at..at + 4)?.try_into().ok()?;
            let count = usize::try_from(u32::from_be_bytes(bytes)).ok()?;
            (count <= MAX_ZONE_BYTES).then_some(count)
        };
        Some(Header {
            version: header[4],
            ut_flags: count(0)?,
            standard_flags: count(1)?,
            leaps: count(2)?,
            times: count(3)?,
            kinds: count(4)?,
            name_bytes: count(5)?,
        })
    }

    /// Bytes that follow the header; times have `time_bytes`.
    fn body_bytes(&self, time_bytes: usize) -> Option<usize> {
        // Counts are at most 64 Ki, so that none of this overflows.
        Some(
            self.times * (time_bytes + 1)
                + self.kinds * 6
                + self.name_bytes
                + self.leaps * (time_bytes + 4)
                + self.standard_flags
                + self.ut_flags,
        )
    }
}

fn take<'a>(bytes: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(taken)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::parse_iso8601;

    /// A file after RFC 8536, appendix B.2 in kind: an empty version 1 block, then 64-bit times.
    fn file(changes: &[(i64, u8)], offsets: &[i32], rule: &str) -> Vec<u8> {
        let header = |times: usize, kinds: usize| {
            let mut out = b"TZif2".to_vec();
            out.extend([0; 15]);
            for count in [0, 0, 0, times, kinds, 4] {
                out.extend((count as u32).to_be_bytes());
            }
            out
        };
        let mut out = header(0, 1);
        out.extend([0; 6]);
        out.extend(b"UTC\0");
        out.extend(header(changes.len(), offsets.len()));
        changes
            .iter()
            .for_each(|(time, _)| out.extend(time.to_be_bytes()));
        changes.iter().for_each(|(_, kind)| out.push(*kind));
        for offset in offsets {
            out.extend(offset.to_be_bytes());
            out.extend([0, 0]);
        }
        out.extend(b"LMT\0");
        out.extend(format!("\n{rule}\n").bytes());
        out
    }

    #[test]
    fn offsets_come_from_changes_then_from_the_rule() {
        let bytes = file(
            &[(100, 1), (200, 0), (300, 1)],
            &[0, 3_600],
            "CET-1CEST,M3.5.0,M10.5.0/3",
        );
        let zone = Zone::parse(&bytes).unwrap();
        let check = |unix: u64, expected: i64| assert_eq!(zone.offset_at(unix), expected, "{unix}");
        check(0, 0);
        check(99, 0);
        check(100, 3_600);
        check(200, 0);
        check(299, 0);
        check(300, 3_600);
        check(parse_iso8601("2026-07-01").unwrap(), 7_200);
        check(parse_iso8601("2026-12-01").unwrap(), 3_600);
        check(u64::MAX, 3_600);
        let without_rule = Zone::parse(&file(&[(100, 1)], &[0, -1_800], "")).unwrap();
        assert_eq!(without_rule.offset_at(1_800_000_000), -1_800);
    }

    #[test]
    fn weekday_and_minute_are_local() {
        let at = |rule: &str, moment: &str| {
            let zone = Zone::find(Some(rule), &[], Path::new("/none")).unwrap();
            zone.weekday_and_minute(parse_iso8601(moment).unwrap())
        };
        assert_eq!(at("UTC0", "1970-01-01T00:00:00Z"), (3, 0));
        // 2026-11-21 was a Saturday.
        assert_eq!(at("UTC0", "2026-11-21T23:59:59Z"), (5, 1_439));
        assert_eq!(at("AAA-1", "2026-11-21T23:30:00Z"), (6, 30));
        assert_eq!(at("AAA5", "2026-11-23T04:59:00Z"), (6, 1_439));
        assert_eq!(at("AAA5", "1970-01-01T00:00:00Z"), (2, 19 * 60));
    }

    #[test]
    fn the_zone_is_found_where_others_find_it() {
        let folder =
            std::env::temp_dir().join(format!("jackdaw-zone-{}", crate::secret::random_hex::<8>()));
        std::fs::create_dir_all(folder.join("Europe")).unwrap();
        let file_of = |hours: i32| file(&[], &[hours * 3_600], &format!("AAA{}", -hours));
        std::fs::write(folder.join("Europe/Berlin"), file_of(1)).unwrap();
        std::fs::write(folder.join("system"), file_of(2)).unwrap();
        let folders = [folder.to_str().unwrap()];
        let system = folder.join("system");
        let hours = |variable: Option<&str>| {
            Zone::find(variable, &folders, &system).map(|zone| zone.offset_at(0) / 3_600)
        };
        assert_eq!(hours(None), Some(2));
        assert_eq!(hours(Some("Europe/Berlin")), Some(1));
        assert_eq!(hours(Some(":Europe/Berlin")), Some(1));
        assert_eq!(hours(Some("XYZ-3")), Some(3));
        assert_eq!(hours(system.to_str()), Some(2));
        assert_eq!(hours(Some("")), None);
        assert_eq!(hours(Some("../system")), None);
        assert_eq!(hours(Some("Europe/Nowhere")), None);
        assert_eq!(Zone::find(None, &folders, &folder.join("none")), None);
        std::fs::remove_dir_all(&folder).unwrap();
        assert_eq!(Zone::utc().offset_at(1_800_000_000), 0);
    }

    #[test]
    fn real_zone_files_are_read() {
        // Files of the system, where it has them; the forms they take are tested above.
        let Some(zone) = Zone::find(Some("Europe/Berlin"), &ZONE_FOLDERS, Path::new("/none"))
        else {
            return;
        };
        let offset = |moment: &str| zone.offset_at(parse_iso8601(moment).unwrap());
        assert_eq!(offset("1975-07-01"), 3_600, "no summer time in that year");
        assert_eq!(offset("2005-07-01"), 7_200);
        assert_eq!(offset("2036-07-01"), 7_200);
        assert_eq!(offset("2060-12-01"), 3_600);
    }

    #[test]
    fn unsound_files_are_refused() {
        let sound = file(&[(100, 1)], &[0, 3_600], "CET-1");
        assert!(Zone::parse(&sound).is_some());
        for length in 0..sound.len() {
            assert_eq!(Zone::parse(&sound[..length]), None, "{length}");
        }
        let check = |bytes: Vec<u8>| assert_eq!(Zone::parse(&bytes), None);
        check(file(&[(100, 2)], &[0, 3_600], "CET-1")); // no such kind
        check(file(&[(100, 1), (100, 0)], &[0, 3_600], "CET-1")); // not ascending
        check(file(&[], &[], "CET-1")); // no kind at all
        check(file(&[], &[200_000], "CET-1")); // more than a day
        check(file(&[], &[0], "nonsense"));
        let mut old = sound.clone();
        old[4] = 0;
        check(old);
        let mut large = sound.clone();
        large.resize(MAX_ZONE_BYTES + 1, 0);
        check(large);
        let mut huge_count = sound;
        huge_count[32..36].copy_from_slice(&u32::MAX.to_be_bytes());
        check(huge_count);
    }

    #[test]
    fn mangled_files_never_panic() {
        let sound = file(
            &[(100, 1), (200, 0)],
            &[0, 3_600],
            "CET-1CEST,M3.5.0,M10.5.0/3",
        );
        let mut state = 11u64;
        for _ in 0..20_000 {
            let mut bytes = sound.clone();
            for _ in 0..4 {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                let at = (state >> 33) as usize % bytes.len();
                bytes[at] = (state >> 45) as u8;
            }
            if let Some(zone) = Zone::parse(&bytes) {
                for unix in [0, 150, 1_700_000_000, u64::MAX] {
                    let (weekday, minute) = zone.weekday_and_minute(unix);
                    assert!(weekday < 7 && minute < 1_440);
                }
            }
        }
    }
}
