//! Bytes from a friend into a part file: the inner loop, and the part file itself.
//!
//! One buffer per transfer, sequential writes, no database. Dirty pages are bounded: every
//! [`SYNC_EVERY`] bytes *of the file* the data is synced and dropped from the page cache, so that a
//! slow USB disk does not stall the host at the end, and a long download does not push everything
//! else out of memory. Nothing is written past such a mark before the data below it is on the disk:
//! after a power cut, a part file is good up to the last mark below its length ([`trusted`]).
//! Preallocation never changes the length, which is the progress.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;

use rustix::fs::{Advice, FallocateFlags};
use rustix::io::Errno;

use super::live::{Live, Run};
use super::pace::{LONGEST_SLEEP, Pace};
use super::slow::Crawl;
use super::space;
use crate::clock::now_unix;
use crate::rates::Take;
use crate::sys::lock;

/// Bytes between two syncs. A slow USB stick writes 16 MiB in some two seconds, which the socket's
/// buffer and the friend's patience easily bridge; fewer syncs would lose more in a power cut.
pub const SYNC_EVERY: u64 = 16 * 1024 * 1024;

/// Bytes read and written at once: large enough that system calls do not matter, small enough that
/// running downloads do not show in the memory of a small host.
const BUFFER: usize = 128 * 1024;

/// An open part file. Its length is how much of the file we have.
pub struct Part {
    file: File,
    path: PathBuf,
    length: u64,
    /// Below this, pages have been dropped from the cache.
    dropped: u64,
}

impl Part {
    /// Opens or makes the part file.
    pub fn open(path: &Path) -> io::Result<Part> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o666)
            .open(path)?;
        let length = file.metadata()?.len();
        Ok(Part {
            file,
            path: path.to_owned(),
            length,
            dropped: trusted(length),
        })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes in it.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Throws everything away. Synced: what is stored next about the file's version must not be
    /// on the disk before this is.
    pub fn clear(&mut self) -> io::Result<()> {
        self.file.set_len(0)?;
        self.length = 0;
        self.dropped = 0;
        self.sync()
    }

    /// Reserves room up to `size` without changing the length. A file system that cannot do it
    /// is no error; a full one is.
    pub fn reserve(&self, size: u64) -> io::Result<()> {
        if size <= self.length {
            return Ok(());
        }
        match rustix::fs::fallocate(&self.file, FallocateFlags::KEEP_SIZE, 0, size) {
            Err(error @ (Errno::NOSPC | Errno::DQUOT)) => Err(error.into()),
            Err(error) => {
                log::trace!("no preallocation of {}: {error}", self.path.display());
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }

    /// Appends, syncing at each mark. After an error, [`Part::length`] says how much counts.
    pub fn append(&mut self, mut data: &[u8]) -> io::Result<()> {
        while !data.is_empty() {
            let to_mark = SYNC_EVERY - self.length % SYNC_EVERY;
            let piece = usize::try_from(to_mark).map_or(data.len(), |mark| mark.min(data.len()));
            let written = match self.file.write_at(&data[..piece], self.length) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => written,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            self.length += written as u64;
            data = &data[written..];
            if self.length.is_multiple_of(SYNC_EVERY) {
                self.sync()?;
            }
        }
        Ok(())
    }

    /// Puts what was written on the disk and lets go of the memory it took. If that fails, nothing
    /// since the last time counts: the kernel reports such an error once and may already have
    /// dropped the data, so that asking again would wrongly succeed (fsync(2), EIO).
    pub fn sync(&mut self) -> io::Result<()> {
        if let Err(error) = self.file.sync_data() {
            self.length = self.dropped;
            if let Err(error) = self.file.set_len(self.length) {
                log::warn!("cannot cut back {}: {error}", self.path.display());
            }
            return Err(error);
        }
        let length = std::num::NonZeroU64::new(self.length - self.dropped);
        if length.is_some() {
            // Advice only: where it is not taken, the kernel drops pages when it must.
            let _ = rustix::fs::fadvise(&self.file, self.dropped, length, Advice::DontNeed);
        }
        self.dropped = self.length;
        Ok(())
    }

    /// Gives back what was reserved beyond the length, and syncs: the transfer pauses.
    pub fn rest(&mut self) -> io::Result<()> {
        self.file.set_len(self.length)?;
        self.sync()
    }

    /// Reads back a block that was written.
    pub fn read_block(&self, offset: u64, block: &mut [u8]) -> io::Result<()> {
        self.file.read_exact_at(block, offset)
    }
}

/// Bytes that the disk still has to give to a part file until it has `size`.
pub fn outstanding(path: &Path, size: u64) -> u64 {
    match std::fs::metadata(path) {
        Ok(found) => space::outstanding(size, found.len(), found.blocks().saturating_mul(512)),
        Err(_) => size,
    }
}

/// How much of a part file of this length can be trusted after a power cut: see the module's head.
pub fn trusted(length: u64) -> u64 {
    // At a mark exactly, the sync may not have ended.
    length.saturating_sub(1) / SYNC_EVERY * SYNC_EVERY
}

/// Why no more bytes came.
#[derive(Debug)]
pub enum Stop {
    /// [`Run::cancel`].
    Cancelled,
    /// The network, or the friend.
    Network(io::Error),
    /// The body ended before its time.
    Incomplete,
    /// The body went on after its time.
    TooLong,
    /// Our disk.
    Disk(io::Error),
    /// They come, but only this many a second: the body is as good as before, [`pump`] can go on.
    Slow(u64),
}

/// What a transfer works with besides body and part file.
pub struct Meters<'a> {
    /// The limit of all transfers.
    pub pace: &'a Pace,
    /// The grab's figures and its own limit.
    pub live: &'a Live,
    /// How it is stopped.
    pub run: &'a Run,
    /// Bytes of all transfers.
    pub received: &'a AtomicU64,
}

/// Moves bytes until the part file has `end`. `is_framed` says that the body cannot be longer
/// than that, because its length was announced. `crawl` notices a slow friend.
pub fn pump(
    body: &mut dyn Read,
    part: &mut Part,
    end: u64,
    is_framed: bool,
    meters: &Meters<'_>,
    crawl: &mut Crawl,
) -> Result<(), Stop> {
    let mut buffer = vec![0u8; BUFFER];
    while part.length() < end {
        let wanted = (end - part.length()).min(BUFFER as u64);
        let granted = admit(wanted, meters)?;
        // At most BUFFER, which is a usize.
        let piece = &mut buffer[..granted as usize];
        let asked = Instant::now();
        let result = body.read(piece);
        let came = Instant::now();
        let count = *result.as_ref().unwrap_or(&0);
        give_back(granted - count as u64, meters);
        match result {
            Ok(0) => return Err(Stop::Incomplete),
            Ok(count) => write(&buffer[..count], part, meters)?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) if meters.run.is_cancelled() => return Err(Stop::Cancelled),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                return Err(Stop::Incomplete);
            }
            Err(error) => return Err(Stop::Network(error)),
        }
        if meters.run.is_cancelled() {
            return Err(Stop::Cancelled);
        }
        if let Some(rate) = crawl.came(count as u64, came.saturating_duration_since(asked), came)
            && part.length() < end
        {
            return Err(Stop::Slow(rate));
        }
    }
    if !is_framed && matches!(body.read(&mut buffer[..1]), Ok(count) if count > 0) {
        return Err(Stop::TooLong);
    }
    Ok(())
}

fn write(data: &[u8], part: &mut Part, meters: &Meters<'_>) -> Result<(), Stop> {
    let before = part.length();
    let result = part.append(data);
    // Less than before if what was written could not be put on the disk.
    let written = part.length().saturating_sub(before);
    if part.length() < before {
        meters.live.set_have(part.length());
    }
    meters.live.came(written, now_unix(), Instant::now());
    meters.received.fetch_add(written, Relaxed);
    result.map_err(Stop::Disk)
}

/// Waits until at least one byte may be moved; both limits must agree.
fn admit(wanted: u64, meters: &Meters<'_>) -> Result<u64, Stop> {
    loop {
        if meters.run.is_cancelled() {
            return Err(Stop::Cancelled);
        }
        let now = Instant::now();
        let wait = match meters.pace.take(wanted, now_unix(), now) {
            Take::Wait(wait) => wait,
            Take::Granted(shared) => {
                let own = lock(&meters.live.limit).take(shared, now);
                match own {
                    Take::Granted(own) => {
                        meters.pace.give_back(shared - own);
                        return Ok(own);
                    }
                    Take::Wait(wait) => {
                        meters.pace.give_back(shared);
                        wait
                    }
                }
            }
        };
        meters.run.sleep(wait.min(LONGEST_SLEEP));
    }
}

fn give_back(bytes: u64, meters: &Meters<'_>) {
    if bytes > 0 {
        meters.pace.give_back(bytes);
        lock(&meters.live.limit).give_back(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Zone;
    use crate::config::RateSchedule;
    use crate::downloads::slow::Patience;
    use crate::secret::random_hex;
    use std::io::Cursor;

    struct Bench {
        path: PathBuf,
        pace: Pace,
        live: Live,
        run: Run,
        received: AtomicU64,
    }

    impl Bench {
        fn new() -> Bench {
            Bench {
                path: std::env::temp_dir().join(format!("jackdaw-part-{}", random_hex::<8>())),
                pace: Pace::new(RateSchedule::default(), Zone::utc()),
                live: Live::new(0, 0, 0, Instant::now()),
                run: Run::new(false),
                received: AtomicU64::new(0),
            }
        }

        fn pump(&self, body: &mut dyn Read, size: u64, is_framed: bool) -> (u64, Result<(), Stop>) {
            let meters = Meters {
                pace: &self.pace,
                live: &self.live,
                run: &self.run,
                received: &self.received,
            };
            let mut part = Part::open(&self.path).unwrap();
            let mut crawl = Crawl::new(Patience::default());
            let result = pump(body, &mut part, size, is_framed, &meters, &mut crawl);
            (part.length(), result)
        }
    }

    impl Drop for Bench {
        fn drop(&mut self) {
            let _ = std::fs::remove_file(&self.path);
        }
    }

    fn content(length: usize) -> Vec<u8> {
        (0..length).map(|index| (index % 251) as u8).collect()
    }

    #[test]
    fn bytes_arrive_across_sync_marks() {
        let bench = Bench::new();
        let data = content(SYNC_EVERY as usize + 300_000);
        let size = data.len() as u64;
        let (length, result) = bench.pump(&mut Cursor::new(&data), size, true);
        assert!(result.is_ok(), "{result:?}");
        assert_eq!(length, size);
        assert!(std::fs::read(&bench.path).unwrap() == data);
        assert_eq!(bench.live.have(), size);
        assert_eq!(bench.received.load(Relaxed), size);
    }

    #[test]
    fn it_goes_on_where_the_part_ends() {
        let bench = Bench::new();
        let data = content(1000);
        let (length, result) = bench.pump(&mut Cursor::new(&data[..400]), 1000, true);
        assert!(matches!(result, Err(Stop::Incomplete)), "{result:?}");
        assert_eq!(length, 400);
        let (_, result) = bench.pump(&mut Cursor::new(&data[400..]), 1000, true);
        assert!(result.is_ok());
        assert!(std::fs::read(&bench.path).unwrap() == data);
    }

    #[test]
    fn an_end_around_a_sync_mark_is_like_any_other() {
        let data = content(SYNC_EVERY as usize + 10);
        for cut in [SYNC_EVERY - 1, SYNC_EVERY, SYNC_EVERY + 1] {
            let bench = Bench::new();
            let (head, rest) = data.split_at(cut as usize);
            let (length, result) = bench.pump(&mut Cursor::new(head), data.len() as u64, true);
            assert!(matches!(result, Err(Stop::Incomplete)), "{result:?}");
            assert_eq!(length, cut);
            let (_, result) = bench.pump(&mut Cursor::new(rest), data.len() as u64, true);
            assert!(result.is_ok(), "{cut}: {result:?}");
            assert!(std::fs::read(&bench.path).unwrap() == data, "{cut}");
        }
    }

    #[test]
    fn too_many_bytes_are_noticed_where_the_length_was_not_announced() {
        let data = content(1001);
        let bench = Bench::new();
        let (length, result) = bench.pump(&mut Cursor::new(&data), 1000, false);
        assert!(matches!(result, Err(Stop::TooLong)), "{result:?}");
        assert_eq!(length, 1000);
        let bench = Bench::new();
        let (_, result) = bench.pump(&mut Cursor::new(&data[..1000]), 1000, false);
        assert!(result.is_ok());
    }

    #[test]
    fn a_cancelled_transfer_stops_even_while_it_sleeps_for_a_limit() {
        let bench = Bench::new();
        bench.pace.set_client(1);
        std::thread::scope(|scope| {
            let data = content(1 << 20);
            let transfer = scope.spawn(|| bench.pump(&mut Cursor::new(data), 1 << 20, true).1);
            // Whether it sleeps already or not yet: both must end.
            bench.run.cancel();
            assert!(matches!(transfer.join().unwrap(), Err(Stop::Cancelled)));
        });
    }

    #[test]
    fn a_full_device_stops_it_without_losing_count() {
        let mut part = Part {
            file: OpenOptions::new().write(true).open("/dev/full").unwrap(),
            path: "/dev/full".into(),
            length: 0,
            dropped: 0,
        };
        let error = part.append(b"x").unwrap_err();
        assert_eq!(Errno::from_io_error(&error), Some(Errno::NOSPC));
        assert_eq!(part.length(), 0);
    }

    #[test]
    fn what_could_not_be_synced_does_not_count() {
        // Takes any write, and refuses to sync.
        let mut part = Part {
            file: OpenOptions::new().write(true).open("/dev/null").unwrap(),
            path: "/dev/null".into(),
            length: 2 * SYNC_EVERY - 10,
            dropped: SYNC_EVERY,
        };
        let bench = Bench::new();
        bench.live.set_have(part.length());
        let meters = Meters {
            pace: &bench.pace,
            live: &bench.live,
            run: &bench.run,
            received: &bench.received,
        };
        let size = 3 * SYNC_EVERY;
        let mut body = Cursor::new(content(1000));
        let mut crawl = Crawl::new(Patience::default());
        let result = pump(&mut body, &mut part, size, true, &meters, &mut crawl);
        assert!(matches!(result, Err(Stop::Disk(_))), "{result:?}");
        assert_eq!(part.length(), SYNC_EVERY);
        assert_eq!(bench.live.have(), SYNC_EVERY);
    }

    #[test]
    fn reserving_leaves_the_length_alone() {
        let bench = Bench::new();
        let mut part = Part::open(&bench.path).unwrap();
        part.append(b"abc").unwrap();
        part.reserve(10 << 20).unwrap();
        assert_eq!(std::fs::metadata(&bench.path).unwrap().len(), 3);
        part.rest().unwrap();
        assert!(outstanding(&bench.path, 10 << 20) > 9 << 20);
        part.clear().unwrap();
        assert_eq!(Part::open(&bench.path).unwrap().length(), 0);
    }

    #[test]
    fn only_synced_bytes_survive_a_power_cut() {
        for (length, good) in [
            (0, 0),
            (1, 0),
            (SYNC_EVERY, 0),
            (SYNC_EVERY + 1, SYNC_EVERY),
            (2 * SYNC_EVERY, SYNC_EVERY),
            (u64::MAX, u64::MAX / SYNC_EVERY * SYNC_EVERY),
        ] {
            assert_eq!(trusted(length), good, "{length}");
        }
    }
}
