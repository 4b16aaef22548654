//! Test files whose every byte is known from a seed and an offset, so that none has to be kept.

use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;
use std::time::{Duration, SystemTime};

const BLOCK: usize = 64 * 1024;

/// A file of `size` bytes; two with different seeds differ nearly everywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Content {
    pub seed: u64,
    pub size: u64,
}

impl Content {
    pub fn new(seed: u64, size: u64) -> Content {
        Content { seed, size }
    }

    /// Fills `out` with the bytes from `offset` on (also past `size`, for peers that send too much).
    pub fn fill(&self, offset: u64, out: &mut [u8]) {
        let mut at = 0;
        while at < out.len() {
            let position = offset + at as u64;
            let word = word(self.seed, position / 8).to_le_bytes();
            let within = (position % 8) as usize;
            let count = (8 - within).min(out.len() - at);
            out[at..at + count].copy_from_slice(&word[within..within + count]);
            at += count;
        }
    }

    /// Writes it, with a modification time a day ago: a fresh file might still be growing and is
    /// not shared.
    pub fn write(&self, path: &Path) {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let mut file = File::create(path).unwrap();
        let mut block = vec![0; BLOCK];
        let mut offset = 0;
        while offset < self.size {
            let span = (self.size - offset).min(BLOCK as u64) as usize;
            self.fill(offset, &mut block[..span]);
            file.write_all(&block[..span]).unwrap();
            offset += span as u64;
        }
        file.set_modified(SystemTime::now() - Duration::from_secs(24 * 60 * 60))
            .unwrap();
    }

    /// The first offset at which the file differs; `None` = equal.
    pub fn difference(&self, path: &Path) -> Option<u64> {
        let mut file = File::open(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let length = file.metadata().unwrap().len();
        if length != self.size {
            return Some(length.min(self.size));
        }
        let (mut found, mut expected) = (vec![0; BLOCK], vec![0; BLOCK]);
        let mut offset = 0;
        while offset < self.size {
            let span = (self.size - offset).min(BLOCK as u64) as usize;
            file.read_exact(&mut found[..span]).unwrap();
            self.fill(offset, &mut expected[..span]);
            if let Some(at) = (0..span).find(|at| found[*at] != expected[*at]) {
                return Some(offset + at as u64);
            }
            offset += span as u64;
        }
        None
    }

    /// Panics unless the file has exactly these bytes.
    pub fn assert_equals(&self, path: &Path) {
        assert_eq!(
            self.difference(path),
            None,
            "{} differs from what the friend has (first at this offset)",
            path.display()
        );
    }
}

/// SplitMix64 at a position.
fn word(seed: u64, index: u64) -> u64 {
    let mut value = seed
        .wrapping_mul(0xd134_2543_de82_ef95)
        .wrapping_add(index.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}
