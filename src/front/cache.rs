//! What the page cache is told while a file is sent: read ahead where the disk has to be asked,
//! and forget behind us what was only fetched for us.
//!
//! A large file is sent in steps. Before each, two bytes of it are probed: if they are in memory
//! already, somebody else wants them there (a player, a file just written) and nothing is done; if
//! not, the step is read ahead in one go and dropped again once the send has moved on. So 50 GiB
//! pass through a few MiB of cache, and what was cached before stays cached. Several senders of one
//! file know of each other ([`Files`]): what one has fetched stays until the others that follow
//! closely are past it too, so the disk is asked once, and the last one drops it.
//! [`Crowd`] is pure and says what to do; [`Advisor`] does it and is best effort.

use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::io::IoSliceMut;
use std::num::NonZeroU64;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::sync::{Arc, Mutex};

use rustix::fs::{Advice, fadvise};
use rustix::io::{Errno, ReadWriteFlags, preadv2};

use crate::sys::lock;

/// Length of a step: large enough for a disk that serves several readers, small enough that eight
/// uploads hold below 100 MiB of cache (two to three steps each).
pub const STEP: u64 = 4 * 1024 * 1024;
/// Smaller spans are left to the kernel.
pub const MIN_SPAN: u64 = 64 * 1024 * 1024;
/// How many steps one sender may be ahead of another and still leave it what it has fetched: some
/// 30 MiB, seconds of a fast line. One that is further behind asks the disk again.
pub const REACH: u64 = 8;
/// Where the file system cannot be probed, only files above this part of the memory are dropped.
const MEMORY_SHARE: u64 = 8;

/// Where the pages of a step are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Residence {
    /// In memory before we came.
    Cached,
    /// On disk.
    Uncached,
    /// The file system does not tell.
    Unknown,
}

/// What to do at the begin of a step: numbers of steps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Advised {
    /// Start reading this step.
    pub is_read_ahead: bool,
    /// Drop these: sent, and only in memory because of us.
    pub forget: Vec<u64>,
}

/// One sender of a file.
#[derive(Debug)]
struct Sender {
    id: u64,
    /// Step being sent.
    step: u64,
    /// Last step that it will send.
    last: u64,
}

impl Sender {
    /// True if it may still need this step. The one before its own may be on its way to the client.
    fn needs(&self, step: u64) -> bool {
        step + 1 >= self.step && step <= self.last.min(self.step + REACH)
    }
}

/// The senders of one file, and what is in memory because of them.
#[derive(Debug, Default)]
pub struct Crowd {
    senders: Vec<Sender>,
    fetched: BTreeSet<u64>,
}

impl Crowd {
    /// A sender that will send the steps `first..=last`.
    pub fn join(&mut self, id: u64, first: u64, last: u64) {
        self.senders.push(Sender {
            id,
            step: first,
            last,
        });
    }

    /// A sender begins a step. `drops_unknown`: also steps of which it is not known where they are.
    pub fn begin(
        &mut self,
        id: u64,
        step: u64,
        residence: Residence,
        drops_unknown: bool,
    ) -> Advised {
        if let Some(sender) = self.senders.iter_mut().find(|sender| sender.id == id) {
            sender.step = step;
        }
        let is_fetched = match residence {
            Residence::Cached => false,
            Residence::Uncached => true,
            Residence::Unknown => drops_unknown,
        };
        if is_fetched {
            self.fetched.insert(step);
        }
        Advised {
            is_read_ahead: residence == Residence::Uncached,
            forget: self.unneeded(),
        }
    }

    /// A sender has ended; what is to be dropped.
    pub fn leave(&mut self, id: u64) -> Vec<u64> {
        self.senders.retain(|sender| sender.id != id);
        self.unneeded()
    }

    fn unneeded(&mut self) -> Vec<u64> {
        let senders = &self.senders;
        let is_needed = |step: &u64| senders.iter().any(|sender| sender.needs(*step));
        let gone = self
            .fetched
            .iter()
            .copied()
            .filter(|s| !is_needed(s))
            .collect();
        self.fetched.retain(is_needed);
        gone
    }
}

/// Device and inode.
type FileId = (u64, u64);

/// All files that are being sent in steps.
///
/// A crowd is locked while the kernel is asked and advised: else a step could be dropped between one
/// sender's look at it and its reading. Only senders of the same file wait for each other there.
#[derive(Debug, Default)]
pub struct Files {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    crowds: HashMap<FileId, Arc<Mutex<Crowd>>>,
    next_id: u64,
}

/// Advises the kernel about one file for one sender.
#[derive(Debug)]
pub struct Advisor<'a> {
    file: &'a File,
    /// `None` where the kernel does well alone.
    part: Option<Part<'a>>,
}

/// A sender's part in its file's crowd.
#[derive(Debug)]
struct Part<'a> {
    files: &'a Files,
    file_id: FileId,
    crowd: Arc<Mutex<Crowd>>,
    id: u64,
    end: u64,
    drops_unknown: bool,
    /// Step that was begun last.
    begun: Option<u64>,
}

impl<'a> Advisor<'a> {
    /// For the span `offset..offset + length` of `file`.
    pub fn new(files: &'a Files, file: &'a File, offset: u64, length: u64) -> Advisor<'a> {
        let metadata = match length > MIN_SPAN {
            true => file.metadata().ok(),
            false => None,
        };
        let part = metadata.map(|metadata| {
            let file_id = (metadata.dev(), metadata.ino());
            let end = offset.saturating_add(length);
            let mut state = lock(&files.state);
            state.next_id += 1;
            let id = state.next_id;
            let crowd = Arc::clone(state.crowds.entry(file_id).or_default());
            drop(state);
            lock(&crowd).join(id, offset / STEP, (end - 1) / STEP);
            Part {
                files,
                file_id,
                crowd,
                id,
                end,
                drops_unknown: drops_unknown(metadata.len(), total_memory()),
                begun: None,
            }
        });
        if part.is_some() {
            advise(file, (offset, length), Advice::Sequential);
        }
        Advisor { file, part }
    }

    /// The send has reached `position`.
    pub fn reached(&mut self, position: u64) {
        let Some(part) = &mut self.part else {
            return;
        };
        let step = position / STEP;
        if part.begun == Some(step) || position >= part.end {
            return;
        }
        part.begun = Some(step);
        let span = (position, part.end.min((step + 1) * STEP) - position);
        let mut crowd = lock(&part.crowd);
        let residence = probe(self.file, span);
        let advised = crowd.begin(part.id, step, residence, part.drops_unknown);
        forget(self.file, &advised.forget);
        if advised.is_read_ahead {
            advise(self.file, span, Advice::WillNeed);
        }
    }
}

impl Drop for Advisor<'_> {
    fn drop(&mut self) {
        let Some(part) = self.part.take() else {
            return;
        };
        let mut crowd = lock(&part.crowd);
        forget(self.file, &crowd.leave(part.id));
        drop(crowd);
        let mut state = lock(&part.files.state);
        // Under this lock nobody joins: whoever has joined holds the crowd as we do.
        if state
            .crowds
            .get(&part.file_id)
            .is_some_and(|crowd| Arc::strong_count(crowd) <= 2)
        {
            state.crowds.remove(&part.file_id);
        }
    }
}

fn forget(file: &File, steps: &[u64]) {
    for step in steps {
        advise(file, (step * STEP, STEP), Advice::DontNeed);
    }
}

/// Whether a file of this length is dropped on a machine of this memory without being asked where
/// it is.
fn drops_unknown(file_length: u64, memory: u64) -> bool {
    file_length > memory / MEMORY_SHARE
}

/// Advice may be ignored by the file system; that is no error.
fn advise(file: &File, (offset, length): (u64, u64), advice: Advice) {
    let _ = fadvise(file.as_fd(), offset, NonZeroU64::new(length), advice);
}

/// Looks at the middle and the end of a step: the kernel's own read-ahead from the step before
/// reaches only into its beginning.
fn probe(file: &File, (offset, length): (u64, u64)) -> Residence {
    for at in [offset + length / 2, offset + length.saturating_sub(1)] {
        let mut byte = [0];
        let read = preadv2(
            file.as_fd(),
            &mut [IoSliceMut::new(&mut byte)],
            at,
            ReadWriteFlags::NOWAIT,
        );
        match read {
            Ok(_) => {}
            Err(Errno::AGAIN) => return Residence::Uncached,
            Err(_) => return Residence::Unknown,
        }
    }
    Residence::Cached
}

// The field is 32 bits wide on 32-bit systems.
#[allow(clippy::useless_conversion)]
fn total_memory() -> u64 {
    let info = rustix::system::sysinfo();
    u64::from(info.totalram).saturating_mul(u64::from(info.mem_unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;

    /// A made-up page cache under a crowd: what was read and dropped, and the most that was held
    /// because of us.
    #[derive(Default)]
    struct Cache {
        crowd: Crowd,
        /// In memory before anybody came.
        before: BTreeSet<u64>,
        held: BTreeSet<u64>,
        reads: u64,
        most: usize,
    }

    impl Cache {
        fn begin(&mut self, id: u64, step: u64) {
            let is_there = self.before.contains(&step) || self.held.contains(&step);
            let residence = match is_there {
                true => Residence::Cached,
                false => Residence::Uncached,
            };
            let advised = self.crowd.begin(id, step, residence, false);
            assert_eq!(advised.is_read_ahead, !is_there);
            if advised.is_read_ahead {
                self.held.insert(step);
                self.reads += 1;
            }
            self.most = self.most.max(self.held.len());
            self.forget(&advised.forget);
            assert!(
                is_there || self.held.contains(&step),
                "dropped before it was sent"
            );
        }

        fn leave(&mut self, id: u64) {
            let left = self.crowd.leave(id);
            self.forget(&left);
        }

        fn forget(&mut self, steps: &[u64]) {
            for step in steps {
                assert!(self.held.remove(step), "{step} is not ours to drop");
            }
        }
    }

    #[test]
    fn what_we_fetched_is_forgotten_and_little_is_held() {
        let mut cache = Cache::default();
        cache.crowd.join(1, 100, 999);
        for step in 100..1000 {
            cache.begin(1, step);
            assert!(
                step == 100 || cache.held.contains(&(step - 1)),
                "still on its way"
            );
        }
        cache.leave(1);
        assert_eq!(cache.reads, 900);
        assert!(cache.held.is_empty());
        assert!(cache.most <= 3, "{}", cache.most);
    }

    #[test]
    fn what_was_cached_stays() {
        let mut cache = Cache::default();
        cache.before.extend(0..50);
        cache.crowd.join(1, 0, 99);
        for step in 0..100 {
            cache.begin(1, step);
        }
        cache.leave(1);
        assert_eq!((cache.reads, cache.held.len()), (50, 0));
    }

    #[test]
    fn senders_side_by_side_read_once_and_the_last_one_drops() {
        for gap in 0..=REACH {
            let mut cache = Cache::default();
            cache.crowd.join(1, 0, 99);
            cache.crowd.join(2, 0, 99);
            for step in 0..100 + gap {
                if step < 100 {
                    cache.begin(1, step);
                } else if step == 100 {
                    cache.leave(1);
                }
                if step >= gap {
                    cache.begin(2, step - gap);
                }
            }
            cache.leave(1);
            cache.leave(2);
            assert_eq!(cache.reads, 100, "{gap}");
            assert!(cache.held.is_empty(), "{gap}");
            assert!(cache.most as u64 <= gap + 3, "{gap}: {}", cache.most);
        }
    }

    #[test]
    fn one_that_is_far_behind_holds_nothing_up() {
        let mut cache = Cache::default();
        cache.crowd.join(1, 0, 999);
        cache.crowd.join(2, 0, 999);
        cache.begin(2, 0);
        for step in 0..1000 {
            cache.begin(1, step);
        }
        assert!(cache.most as u64 <= REACH + 4, "{}", cache.most);
        cache.leave(1);
        for step in 1..1000 {
            cache.begin(2, step);
        }
        cache.leave(2);
        assert!(cache.held.is_empty());
        assert_eq!(cache.reads, 2 * 1000 - 1 - REACH);
    }

    #[test]
    fn a_sender_that_goes_leaves_nothing_to_nobody() {
        let mut cache = Cache::default();
        cache.crowd.join(1, 0, 99);
        cache.crowd.join(2, 50, 60);
        for step in 50..=55 {
            cache.begin(2, step);
        }
        cache.begin(1, 49);
        cache.leave(2);
        assert_eq!(
            cache.held,
            (49..=55).filter(|s| *s == 49 || *s >= 54).collect()
        );
        cache.leave(1);
        assert!(cache.held.is_empty());
    }

    #[test]
    fn without_a_probe_only_files_large_for_the_machine_are_forgotten() {
        assert!(!drops_unknown(GIB, 16 * GIB) && drops_unknown(GIB, GIB));
        let mut crowd = Crowd::default();
        crowd.join(1, 0, 9);
        let unknown = |drops| Advised {
            is_read_ahead: false,
            forget: if drops { vec![0] } else { vec![] },
        };
        for drops in [false, true] {
            crowd.begin(1, 0, Residence::Unknown, drops);
            assert_eq!(crowd.begin(1, 2, Residence::Unknown, false), unknown(drops));
        }
    }

    #[test]
    fn a_file_just_written_is_in_memory_and_nobody_stays_registered() {
        let path = std::env::temp_dir().join(format!("jackdaw-cache-{}", std::process::id()));
        let file = File::create_new(&path).unwrap();
        file.set_len(MIN_SPAN * 2).unwrap();
        let file_again = File::open(&path).unwrap();
        std::fs::write(&path, vec![1; 100_000]).unwrap();
        std::fs::remove_file(&path).unwrap();
        assert_ne!(probe(&file_again, (0, 100_000)), Residence::Uncached);
        assert!(total_memory() > 16 << 20);
        let files = Files::default();
        assert!(Advisor::new(&files, &file, 0, MIN_SPAN).part.is_none());
        let mut one = Advisor::new(&files, &file, 0, MIN_SPAN + 1);
        let mut two = Advisor::new(&files, &file_again, 7, MIN_SPAN + 1);
        for position in [0, 7, STEP, MIN_SPAN, MIN_SPAN + 1, u64::MAX] {
            one.reached(position);
            two.reached(position);
        }
        assert_eq!(lock(&files.state).crowds.len(), 1, "one file");
        drop(one);
        assert_eq!(lock(&files.state).crowds.len(), 1);
        drop(two);
        assert!(lock(&files.state).crowds.is_empty());
    }
}
