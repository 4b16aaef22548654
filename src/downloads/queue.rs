//! What starts when: slots, order, waiting times, room on the disk; and the start and stop of it all.
//!
//! [`plan`] is pure. One thread looks at the queue when the bell is rung (a client's command, the
//! end of a transfer) or when a waiting grab is due; while grabs wait for room it looks every ten
//! seconds, otherwise an idle engine sleeps. What a look finds in the database always wins: a row
//! that says `downloading` without a running transfer is simply started again.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::engine::{Engine, plain};
use super::live::Run;
use super::retry::{self, ROOM_DELAY};
use super::space::{Budget, Bytes};
use super::transfer;
use super::worker;
use crate::clock::now_unix;
use crate::grab::State;
use crate::grab::states::Event;
use crate::store::{Change, StoreError};
use crate::sys::lock;

/// Longest time that [`stop`] waits for transfers to put their bytes on the disk: the process must
/// be gone within five seconds.
const STOP_TIMEOUT: Duration = Duration::from_millis(3500);

/// Setting that names the boot of the machine under which transfers may be running; empty after a
/// clean stop.
const BOOT_SETTING: &str = "downloads_boot";

/// Transfers above `max_concurrent` that clients can force: each is a thread and a connection.
const MAX_FORCED: usize = 16;

/// Grabs that are told that there is no room for them. Each costs a write and a line in the log; of
/// the rest of a long queue it is enough to know that they wait.
const MAX_TOLD: usize = 20;

/// A grab as the plan sees it, in the order of the queue.
#[derive(Clone, Copy, Debug)]
struct Candidate {
    id: i64,
    is_forced: bool,
    /// Time until it may start.
    wait: Duration,
    /// Bytes that the disk still has to give.
    needs: u64,
}

/// What a look at the queue comes to.
#[derive(Debug, Default, PartialEq)]
struct Plan {
    start: Vec<i64>,
    /// The first of those that do not fit, and the bytes that are missing.
    no_room: Vec<(i64, u64)>,
    /// Time until the next grab is due; `None` = nothing waits for a time.
    next_look: Option<Duration>,
}

/// Slots that are taken.
#[derive(Clone, Copy, Debug, Default)]
struct Slots {
    taken: usize,
    max: usize,
    forced: usize,
}

/// Decides what starts. A grab that does not fit is passed over: others behind it may fit.
fn plan(candidates: &[Candidate], mut slots: Slots, budget: &mut Budget) -> Plan {
    let mut plan = Plan::default();
    for candidate in candidates {
        if candidate.wait > Duration::ZERO {
            let next = plan.next_look.get_or_insert(candidate.wait);
            *next = (*next).min(candidate.wait);
            continue;
        }
        let (taken, max) = match candidate.is_forced {
            true => (&mut slots.forced, MAX_FORCED),
            false => (&mut slots.taken, slots.max),
        };
        if *taken >= max {
            continue;
        }
        match budget.promise(candidate.needs) {
            Ok(()) => {
                *taken += 1;
                plan.start.push(candidate.id);
            }
            Err(missing) if plan.no_room.len() < MAX_TOLD => {
                plan.no_room.push((candidate.id, missing));
            }
            Err(_) => {}
        }
    }
    if !plan.no_room.is_empty() {
        let next = plan.next_look.get_or_insert(ROOM_DELAY);
        *next = (*next).min(ROOM_DELAY);
    }
    plan
}

impl Engine {
    /// Puts what the last run has left in order: states, part files that may end in bytes that never
    /// reached the disk, part files without a grab.
    pub fn put_in_order(&self) -> Result<(), StoreError> {
        let boot = boot_id();
        let before = self.store.setting(BOOT_SETTING)?.unwrap_or_default();
        let power_was_cut = !before.is_empty() && before != boot;
        let mut wanted = HashSet::new();
        for grab in self.store.unfinished_grabs()? {
            wanted.insert((grab.id, grab.infohash));
            if grab.state == State::Downloading {
                self.advance(grab.id, &plain(Event::Interrupted))?;
            }
            if power_was_cut {
                cut_untrusted(&self.layout.part(grab.id, &grab.infohash));
            }
        }
        if let Err(error) = self.layout.remove_orphans(&wanted) {
            log::warn!("cannot look for part files without a grab: {error}");
        }
        if before != boot {
            self.store.set_setting(BOOT_SETTING, &boot)?;
        }
        Ok(())
    }

    /// Looks at the queue once; gives the time until the next look, if one is needed.
    fn look(self: &Arc<Engine>) -> Result<Option<Duration>, StoreError> {
        let pending = self.store.pending_grabs()?;
        let now = Instant::now();
        let unix = now_unix();
        let policy = worker::policy(self);
        let mut slots = Slots {
            max: self.settings.max_concurrent,
            ..Slots::default()
        };
        let mut budget = Budget {
            free: 0,
            keep: self.settings.min_free_space,
            promised: 0,
        };
        let mut candidates = Vec::new();
        for grab in &pending {
            let (run, due) = {
                let desk = lock(&self.desk);
                (
                    desk.running.get(&grab.id).cloned(),
                    desk.due.get(&grab.id).copied(),
                )
            };
            let path = self.layout.part(grab.id, &grab.infohash);
            if let Some(run) = run {
                match run.is_forced {
                    true => slots.forced += 1,
                    false => slots.taken += 1,
                }
                budget.promised = budget
                    .promised
                    .saturating_add(transfer::outstanding(&path, grab.size));
                continue;
            }
            // A stored time becomes one that does not follow the wall clock.
            let due = due.unwrap_or_else(|| {
                let due = now + retry::remaining(grab.retry_at, unix, &policy);
                lock(&self.desk).due.insert(grab.id, due);
                due
            });
            candidates.push((grab, due.saturating_duration_since(now), path));
        }
        if candidates.is_empty() {
            return Ok(None);
        }
        budget.free = match self.layout.free_space() {
            Ok(free) => free,
            Err(error) => {
                let path = self.layout.completed().display();
                log::warn!("cannot find out how much is free at {path}: {error}");
                return Ok(Some(ROOM_DELAY));
            }
        };
        let plan = plan(
            &candidates
                .iter()
                .map(|(grab, wait, path)| Candidate {
                    id: grab.id,
                    is_forced: grab.force_start,
                    wait: *wait,
                    needs: match wait.is_zero() {
                        true => transfer::outstanding(path, grab.size),
                        false => 0,
                    },
                })
                .collect::<Vec<_>>(),
            slots,
            &mut budget,
        );
        for (grab, _, _) in &candidates {
            if plan.start.contains(&grab.id) {
                self.start_run(grab)?;
            } else if let Some((_, missing)) = plan.no_room.iter().find(|(id, _)| *id == grab.id) {
                self.tell_no_room(grab.id, &grab.title, *missing)?;
            }
        }
        Ok(plan.next_look)
    }

    fn start_run(self: &Arc<Engine>, grab: &super::Grab) -> Result<(), StoreError> {
        let run = Arc::new(Run::new(grab.force_start));
        {
            let mut desk = lock(&self.desk);
            if desk.is_stopping {
                return Ok(());
            }
            // Before the state changes: a client that pauses it now must find what to cancel.
            desk.running.insert(grab.id, Arc::clone(&run));
            desk.due.remove(&grab.id);
            desk.no_room.remove(&grab.id);
        }
        let live = self.live(grab);
        if grab.state != State::Waiting {
            live.begin(Instant::now());
        }
        let undo = || {
            lock(&self.desk).running.remove(&grab.id);
            self.ended.notify_all();
        };
        if grab.state == State::Downloading {
            self.advance(grab.id, &plain(Event::Interrupted))?;
        }
        match self.advance(grab.id, &plain(Event::Start)) {
            Ok(Some(_)) => {}
            Ok(None) => {
                undo();
                return Ok(());
            }
            Err(error) => {
                undo();
                return Err(error);
            }
        }
        if let Err(error) = worker::spawn(self, grab.id, &run) {
            undo();
            log::error!("cannot start a thread for a download: {error}");
            lock(&self.desk)
                .due
                .insert(grab.id, Instant::now() + ROOM_DELAY);
            self.advance(grab.id, &plain(Event::Interrupted))?;
        }
        Ok(())
    }

    /// Says once that a grab waits for room: looking again must not write to the disk.
    fn tell_no_room(&self, id: i64, title: &str, missing: u64) -> Result<(), StoreError> {
        if !lock(&self.desk).no_room.insert(id) {
            return Ok(());
        }
        let reason = format!(
            "not enough room in {}: {} more are needed ({} are kept free); it goes on when there is",
            self.layout.completed().display(),
            Bytes(missing),
            Bytes(self.settings.min_free_space)
        );
        log::warn!("\"{title}\": {reason}");
        self.advance(
            id,
            &Change {
                reason: Some(&reason),
                ..plain(Event::NoRoom)
            },
        )?;
        Ok(())
    }
}

/// Starts the thread that looks at the queue.
pub fn start(engine: &Arc<Engine>) -> Result<(), String> {
    let engine = Arc::clone(engine);
    lock(&engine.desk).is_looking = true;
    let this = Arc::clone(&engine);
    let thread = std::thread::Builder::new()
        .name("downloads".into())
        .spawn(move || serve(&this));
    match thread {
        Ok(_) => Ok(()),
        Err(error) => {
            lock(&engine.desk).is_looking = false;
            Err(format!("cannot start a thread for the downloads: {error}"))
        }
    }
}

fn serve(engine: &Arc<Engine>) {
    let mut is_troubled = false;
    loop {
        let look = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| engine.look()));
        let wait = match look {
            Ok(Ok(wait)) => {
                is_troubled = false;
                wait
            }
            trouble => {
                // Said once, tried for ever.
                if !is_troubled {
                    match trouble {
                        Ok(Err(error)) => log::error!("cannot look at the queue: {error}"),
                        _ => log::error!("looking at the queue panicked"),
                    }
                }
                is_troubled = true;
                Some(ROOM_DELAY)
            }
        };
        let until = wait.map(|wait| Instant::now() + wait);
        let mut desk = lock(&engine.desk);
        loop {
            if desk.is_stopping {
                desk.is_looking = false;
                drop(desk);
                engine.ended.notify_all();
                return;
            }
            if std::mem::take(&mut desk.is_rung) {
                break;
            }
            let left = until.map(|until| until.saturating_duration_since(Instant::now()));
            desk = match left {
                Some(left) if left.is_zero() => break,
                Some(left) => match engine.bell.wait_timeout(desk, left) {
                    Ok((desk, _)) => desk,
                    Err(poisoned) => poisoned.into_inner().0,
                },
                None => match engine.bell.wait(desk) {
                    Ok(desk) => desk,
                    Err(poisoned) => poisoned.into_inner(),
                },
            };
        }
    }
}

/// Stops everything: see [`super::Downloads::stop`].
pub fn stop(engine: &Engine) {
    let deadline = Instant::now() + STOP_TIMEOUT;
    let mut desk = lock(&engine.desk);
    if std::mem::replace(&mut desk.is_stopping, true) && desk.running.is_empty() && !desk.is_looking
    {
        return;
    }
    for run in desk.running.values() {
        run.cancel();
    }
    engine.bell.notify_all();
    while !desk.running.is_empty() || desk.is_looking {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            log::warn!(
                "{} downloads did not stop in time; they go on at the next start all the same",
                desk.running.len()
            );
            return;
        }
        desk = match engine.ended.wait_timeout(desk, left) {
            Ok((desk, _)) => desk,
            Err(poisoned) => poisoned.into_inner().0,
        };
    }
    drop(desk);
    if let Err(error) = engine.store.set_setting(BOOT_SETTING, "") {
        log::warn!("cannot store that downloads have stopped cleanly: {error}");
    }
    engine.layout.unlock();
}

/// Names this boot of the machine. After kill -9 it is the same as before and the page cache has
/// kept everything; after a power cut it is another one. Without `/proc` every start is taken for
/// one after a power cut, which costs a few megabytes of progress.
fn boot_id() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .map(|id| id.trim().to_owned())
        .ok()
        .filter(|id| !id.is_empty())
        .unwrap_or_else(crate::secret::random_hex::<16>)
}

/// Cuts off what may not have reached the disk before the power went.
fn cut_untrusted(part: &std::path::Path) {
    let Ok(found) = std::fs::metadata(part) else {
        return;
    };
    let good = transfer::trusted(found.len());
    let result = std::fs::OpenOptions::new()
        .write(true)
        .open(part)
        .and_then(|file| file.set_len(good));
    match result {
        Ok(()) => log::info!(
            "{}: cut back to {good} bytes, the rest may not have reached the disk",
            part.display()
        ),
        Err(error) => log::warn!("cannot cut back {}: {error}", part.display()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(id: i64, is_forced: bool, wait: u64, needs: u64) -> Candidate {
        Candidate {
            id,
            is_forced,
            wait: Duration::from_secs(wait),
            needs,
        }
    }

    fn check(candidates: &[Candidate], taken: usize, expected: Plan) {
        let slots = Slots {
            taken,
            max: 3,
            forced: 0,
        };
        let mut budget = Budget {
            free: 1000,
            keep: 100,
            promised: 0,
        };
        assert_eq!(plan(candidates, slots, &mut budget), expected);
    }

    #[test]
    fn slots_are_given_in_order() {
        let queue: Vec<_> = (1..=5).map(|id| candidate(id, false, 0, 1)).collect();
        for (taken, start) in [(0, vec![1, 2, 3]), (2, vec![1]), (3, vec![]), (4, vec![])] {
            check(
                &queue,
                taken,
                Plan {
                    start,
                    ..Plan::default()
                },
            );
        }
    }

    #[test]
    fn forced_grabs_need_no_slot_but_room() {
        check(
            &[candidate(1, true, 0, 500), candidate(2, true, 0, 500)],
            3,
            Plan {
                start: vec![1],
                no_room: vec![(2, 100)],
                next_look: Some(ROOM_DELAY),
            },
        );
        let many: Vec<_> = (0..100).map(|id| candidate(id, true, 0, 0)).collect();
        let slots = Slots::default();
        let mut budget = Budget {
            free: 0,
            keep: 0,
            promised: 0,
        };
        assert_eq!(plan(&many, slots, &mut budget).start.len(), MAX_FORCED);
    }

    #[test]
    fn what_waits_takes_no_slot_and_sets_the_alarm() {
        check(
            &[
                candidate(1, false, 60, 1),
                candidate(2, false, 5, 1),
                candidate(3, false, 0, 1),
            ],
            2,
            Plan {
                start: vec![3],
                no_room: vec![],
                next_look: Some(Duration::from_secs(5)),
            },
        );
    }

    #[test]
    fn of_a_long_queue_without_room_only_the_first_are_told() {
        let queue: Vec<_> = (1..=1000).map(|id| candidate(id, false, 0, 1000)).collect();
        check(
            &queue,
            0,
            Plan {
                start: vec![],
                no_room: (1..=MAX_TOLD as i64).map(|id| (id, 100)).collect(),
                next_look: Some(ROOM_DELAY),
            },
        );
    }

    #[test]
    fn what_does_not_fit_lets_others_pass() {
        check(
            &[
                candidate(1, false, 0, 901),
                candidate(2, false, 0, 600),
                candidate(3, false, 0, 400),
                candidate(4, false, 0, 300),
            ],
            0,
            Plan {
                start: vec![2, 4],
                no_room: vec![(1, 1), (3, 100)],
                next_look: Some(ROOM_DELAY),
            },
        );
    }
}
