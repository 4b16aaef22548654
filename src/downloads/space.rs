//! Whether a download fits on the disk, before its first byte is asked for.
//!
//! Pure: what running transfers still need counts as used, and `min_free_space` stays free. One
//! budget for one file system: part files and finished files share it.

use std::fmt;

/// What there is and what is promised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Bytes free on the file system.
    pub free: u64,
    /// Bytes that must stay free.
    pub keep: u64,
    /// Bytes that running transfers still have to write.
    pub promised: u64,
}

impl Budget {
    /// Promises room for `bytes` more, or says how many are missing and changes nothing.
    pub fn promise(&mut self, bytes: u64) -> Result<(), u64> {
        let used = self.keep.saturating_add(self.promised);
        let left = self.free.saturating_sub(used);
        // A transfer that needs nothing more always fits: it only has to be renamed.
        if bytes > left {
            let missing = used.saturating_add(bytes).saturating_sub(self.free);
            return Err(missing);
        }
        self.promised = self.promised.saturating_add(bytes);
        Ok(())
    }
}

/// Bytes that a part file of `length` still takes from the disk until it has `size`, when
/// `allocated` bytes of the disk are its own already.
pub fn outstanding(size: u64, length: u64, allocated: u64) -> u64 {
    size.saturating_sub(length.max(allocated))
}

/// A number of bytes for people.
pub struct Bytes(pub u64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
        if self.0 < 1024 {
            return write!(f, "{} bytes", self.0);
        }
        let mut value = self.0 as f64 / 1024.0;
        let mut unit = 0;
        while value >= 1024.0 && unit + 1 < UNITS.len() {
            value /= 1024.0;
            unit += 1;
        }
        write!(f, "{value:.1} {}", UNITS[unit])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn running_transfers_and_the_reserve_count_as_used() {
        let check = |free, keep, promised, bytes, expected: Result<u64, u64>| {
            let mut budget = Budget {
                free,
                keep,
                promised,
            };
            let result = budget.promise(bytes).map(|()| budget.promised);
            assert_eq!(result, expected, "{free} {keep} {promised} {bytes}");
        };
        check(100, 0, 0, 100, Ok(100));
        check(100, 0, 0, 101, Err(1));
        check(100, 10, 0, 90, Ok(90));
        check(100, 10, 0, 91, Err(1));
        check(100, 10, 50, 40, Ok(90));
        check(100, 10, 50, 41, Err(1));
        check(100, 200, 0, 1, Err(101));
        check(0, 0, 0, 0, Ok(0));
        check(10, 100, 100, 0, Ok(100));
        check(5, u64::MAX, u64::MAX, 1, Err(u64::MAX - 5));
    }

    #[test]
    fn preallocated_blocks_are_not_counted_twice() {
        assert_eq!(outstanding(100, 10, 0), 90);
        assert_eq!(outstanding(100, 10, 100), 0);
        assert_eq!(outstanding(100, 10, 4096), 0);
        assert_eq!(outstanding(100, 200, 0), 0);
    }

    #[test]
    fn bytes_are_readable() {
        for (bytes, text) in [
            (0, "0 bytes"),
            (1023, "1023 bytes"),
            (1536, "1.5 KiB"),
            (5 << 30, "5.0 GiB"),
            (u64::MAX, "16777216.0 TiB"),
        ] {
            assert_eq!(Bytes(bytes).to_string(), text);
        }
    }
}
