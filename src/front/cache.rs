//! What the page cache is told while a file is sent: read ahead where the disk has to be asked,
//! and forget behind us what was only fetched for us.
//!
//! A large file is sent in steps. Before each, two bytes of it are probed: if they are in memory
//! already, somebody else wants them there (another reader, a file just written) and nothing is
//! done; if not, the step is read ahead in one go and dropped again once the send has moved on.
//! So 50 GiB pass through a few MiB of cache, and what was cached before stays cached. Limit: of
//! several readers side by side in one file each takes the others' pages for cached, so the file
//! may stay in memory as if nothing had been advised; the kernel then reclaims it as it always does.
//! [`Plan`] is pure and says what to do; [`Advisor`] does it and is best effort.

use std::fs::File;
use std::io::IoSliceMut;
use std::num::NonZeroU64;
use std::os::fd::AsFd;

use rustix::fs::{Advice, fadvise};
use rustix::io::{Errno, ReadWriteFlags, preadv2};

/// Length of a step: large enough for a disk that serves several readers, small enough that eight
/// uploads hold below 100 MiB of cache (two to three steps each).
pub const STEP: u64 = 4 * 1024 * 1024;
/// Smaller spans are left to the kernel.
pub const MIN_SPAN: u64 = 64 * 1024 * 1024;
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

/// What to do at the begin of a step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Advised {
    /// Start reading this (offset, length).
    pub read_ahead: Option<(u64, u64)>,
    /// Drop this (offset, length): sent, and only in memory because of us.
    pub forget: Option<(u64, u64)>,
}

/// The steps of one span.
#[derive(Debug)]
pub struct Plan {
    end: u64,
    next: u64,
    drops_unknown: bool,
    /// The step being sent, if we fetched it.
    current: Option<(u64, u64)>,
    /// The step before it: parts of it may still be on their way to the client.
    previous: Option<(u64, u64)>,
}

impl Plan {
    /// A plan for `offset..offset + length` of a file of `file_length` bytes, or `None` where the
    /// kernel does well alone. `memory` is the size of the machine's.
    pub fn new(offset: u64, length: u64, file_length: u64, memory: u64) -> Option<Plan> {
        (length > MIN_SPAN).then(|| Plan {
            end: offset.saturating_add(length),
            next: offset,
            drops_unknown: file_length > memory / MEMORY_SHARE,
            current: None,
            previous: None,
        })
    }

    /// The step (offset, length) that begins at or before `position`, when it is due.
    pub fn due(&self, position: u64) -> Option<(u64, u64)> {
        (position >= self.next && position < self.end)
            .then(|| (position, STEP.min(self.end - position)))
    }

    /// Begins `step`, as [`Plan::due`] gave it.
    pub fn begin(&mut self, step: (u64, u64), residence: Residence) -> Advised {
        self.next = step.0.saturating_add(step.1);
        let forget = std::mem::replace(&mut self.previous, self.current);
        let is_ours = match residence {
            Residence::Cached => false,
            Residence::Uncached => true,
            Residence::Unknown => self.drops_unknown,
        };
        self.current = is_ours.then_some(step);
        Advised {
            read_ahead: (residence == Residence::Uncached).then_some(step),
            forget,
        }
    }

    /// What is left to drop at the end.
    pub fn finish(self) -> [Option<(u64, u64)>; 2] {
        [self.previous, self.current]
    }
}

/// Carries a [`Plan`] out on a file.
#[derive(Debug)]
pub struct Advisor<'a> {
    file: &'a File,
    plan: Option<Plan>,
}

impl<'a> Advisor<'a> {
    /// For the span `offset..offset + length` of `file`.
    pub fn new(file: &'a File, offset: u64, length: u64) -> Advisor<'a> {
        let plan = if length > MIN_SPAN {
            let file_length = file.metadata().map_or(u64::MAX, |metadata| metadata.len());
            Plan::new(offset, length, file_length, total_memory())
        } else {
            None
        };
        if plan.is_some() {
            advise(file, (offset, length), Advice::Sequential);
        }
        Advisor { file, plan }
    }

    /// The send has reached `position`.
    pub fn reached(&mut self, position: u64) {
        let Some(plan) = &mut self.plan else {
            return;
        };
        let Some(step) = plan.due(position) else {
            return;
        };
        let advised = plan.begin(step, probe(self.file, step));
        if let Some(span) = advised.read_ahead {
            advise(self.file, span, Advice::WillNeed);
        }
        if let Some(span) = advised.forget {
            advise(self.file, span, Advice::DontNeed);
        }
    }
}

impl Drop for Advisor<'_> {
    fn drop(&mut self) {
        for span in self
            .plan
            .take()
            .map(Plan::finish)
            .into_iter()
            .flatten()
            .flatten()
        {
            advise(self.file, span, Advice::DontNeed);
        }
    }
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

    /// Runs a plan and returns what was read ahead and what was forgotten, in bytes, and the
    /// most that was held at once.
    fn run(mut plan: Plan, residence: impl Fn(u64) -> Residence) -> (u64, u64, u64) {
        let (mut read, mut forgotten, mut held, mut most) = (0, 0, 0, 0);
        let mut position = plan.next;
        while position < plan.end {
            if let Some(step) = plan.due(position) {
                let residence = residence(step.0);
                let advised = plan.begin(step, residence);
                if residence != Residence::Cached {
                    held += step.1;
                }
                read += advised.read_ahead.map_or(0, |span| span.1);
                if let Some(span) = advised.forget {
                    assert!(span.0 + span.1 + STEP <= position, "still on its way");
                    forgotten += span.1;
                    held -= span.1;
                }
                most = most.max(held);
            }
            position += 300_000;
        }
        let rest: u64 = plan.finish().into_iter().flatten().map(|span| span.1).sum();
        (read, forgotten + rest, most)
    }

    #[test]
    fn small_spans_are_left_alone() {
        assert!(Plan::new(0, MIN_SPAN, 50 * GIB, GIB).is_none());
        assert!(Plan::new(0, MIN_SPAN + 1, 50 * GIB, GIB).is_some());
    }

    #[test]
    fn what_we_fetched_is_forgotten_and_little_is_held() {
        let plan = Plan::new(5 * GIB, GIB, 50 * GIB, GIB / 2).unwrap();
        let (read, forgotten, most) = run(plan, |_| Residence::Uncached);
        assert_eq!(read, forgotten);
        assert!(read > GIB - GIB / 10, "{read}");
        assert!(most <= 3 * STEP, "{most}");
    }

    #[test]
    fn what_was_cached_stays() {
        let plan = Plan::new(0, GIB, GIB, GIB / 2).unwrap();
        assert_eq!(run(plan, |_| Residence::Cached), (0, 0, 0));
        let plan = Plan::new(0, GIB, GIB, GIB / 2).unwrap();
        let (read, forgotten, _) = run(plan, |offset| match offset < GIB / 2 {
            true => Residence::Cached,
            false => Residence::Uncached,
        });
        assert_eq!(read, forgotten);
        assert!(read < GIB / 2 + STEP);
    }

    #[test]
    fn without_a_probe_only_files_large_for_the_machine_are_forgotten() {
        let plan = |memory| Plan::new(0, GIB, GIB, memory).unwrap();
        assert_eq!(run(plan(16 * GIB), |_| Residence::Unknown).1, 0);
        assert!(run(plan(GIB), |_| Residence::Unknown).1 > GIB / 2);
    }

    #[test]
    fn a_file_just_written_is_in_memory() {
        let path = std::env::temp_dir().join(format!("jackdaw-cache-{}", std::process::id()));
        std::fs::write(&path, vec![1; 100_000]).unwrap();
        let file = File::open(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        assert_ne!(probe(&file, (0, 100_000)), Residence::Uncached);
        assert!(total_memory() > 16 << 20);
    }
}
