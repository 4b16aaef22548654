//! The demo's media file: noise under the name of a real release, with ids in its folder's name.
//!
//! Noise does not compress, so no file system or proxy can flatter the speed. The film is free
//! (CC0), so nobody mistakes the demo for something else.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

/// IMDb id as Radarr sends it in a query: without `tt`.
pub const IMDB_DIGITS: &str = "1172203";
/// TMDb id.
pub const TMDB: u64 = 20529;
const FOLDER: &str = "Sita Sings the Blues (2008) {imdb-tt1172203} {tmdb-20529}";
const FILE: &str = "Sita.Sings.the.Blues.2008.1080p.WEB-DL.x264-JACKDAW.mkv";
/// Written at once; also how often Ctrl-C is looked at.
const BLOCK: usize = 1 << 20;
/// Age given to the file: what has just been written might still be growing and is not shared.
const AGE: Duration = Duration::from_secs(24 * 60 * 60);

/// Writes the release into `library`, which is created.
pub fn write(library: &Path, size: u64, interrupted: &AtomicBool) -> Result<(), String> {
    let folder = library.join(FOLDER);
    fs::create_dir_all(&folder)
        .map_err(|error| format!("cannot create {}: {error}", folder.display()))?;
    let path = folder.join(FILE);
    write_file(&path, size, interrupted)
        .map_err(|error| format!("cannot write {}: {error}", path.display()))
}

fn write_file(path: &Path, size: u64, interrupted: &AtomicBool) -> std::io::Result<()> {
    let mut file = File::create_new(path)?;
    let mut block = vec![0u8; BLOCK];
    let mut state = 0x6a61_636b_6461_7721; // any seed does; "jackdaw!"
    let mut remaining = size;
    while remaining > 0 {
        if interrupted.load(Ordering::Relaxed) {
            return Err(std::io::Error::other("interrupted"));
        }
        fill(&mut state, &mut block);
        let span = usize::try_from(remaining).map_or(BLOCK, |r| r.min(BLOCK));
        file.write_all(&block[..span])?;
        remaining -= span as u64;
    }
    file.set_modified(SystemTime::now() - AGE)
}

/// SplitMix64: fast, and without any pattern that a compressor finds.
fn fill(state: &mut u64, block: &mut [u8]) {
    for piece in block.chunks_mut(8) {
        *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut value = *state;
        value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        value ^= value >> 31;
        piece.copy_from_slice(&value.to_le_bytes()[..piece.len()]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_does_not_repeat() {
        let mut state = 1;
        let (mut first, mut second) = ([0u8; 4096], [0u8; 4096]);
        fill(&mut state, &mut first);
        fill(&mut state, &mut second);
        assert_ne!(first, second);
        // 16 occurrences of each byte are expected; a pattern would leave many out.
        let distinct: std::collections::HashSet<u8> = first.into_iter().collect();
        assert!(distinct.len() > 250, "{}", distinct.len());
    }
}
