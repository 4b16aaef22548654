//! The two questions about finished grabs, and what follows from their answers: the history says
//! what has landed, the queue what is refused; what is in neither is looked up by itself.
//!
//! What has landed is imported, after our link has gone if it is to go. Nothing is learned from an
//! answer that broke off but what was whole in it.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::record::{self, Event};
use super::unlink::{self, Verdict};
use super::{ImportTracker, Landed, Lookup, Window, Work, age, ask, note};
use crate::arr::client::ArrClient;
use crate::arr::error::ArrError;
use crate::arr::library::ours;
use crate::clock::now_unix;
use crate::config::AfterImport;
use crate::grab::Grab;
use crate::scheduler::doubled;
use crate::torrent::stub::Infohash;

/// How far an arr's clock may be behind ours before its history is read past an import; the look
/// at the queue finds that one all the same.
const CLOCK_SLACK: u64 = 60 * 60;

/// How long our link is kept for an arr's copy that cannot be seen yet: a network file system may
/// show it a minute late.
const UNSEEN_FOR: Duration = Duration::from_secs(10 * 60);

/// Histories of single downloads that are asked for in one look at the queue.
const MAX_LOOKUPS: usize = 20;

/// Longest time between two such questions about one download.
const LONGEST_LOOKUP: Duration = Duration::from_secs(60 * 60);

impl ImportTracker {
    /// Learns from the history what has landed.
    pub(super) fn read_history(
        &self,
        work: &mut Work,
        open: &[Grab],
        now: Instant,
    ) -> Result<(), ArrError> {
        let oldest = open.iter().filter_map(|grab| grab.completed_at).min();
        let since = work
            .cursor
            .unwrap_or_else(|| oldest.unwrap_or(0).saturating_sub(CLOCK_SLACK));
        let mut newest = None;
        let landed = &mut work.landed;
        let result = ask::imported_since(&work.arr, since, &mut |record| {
            newest = newest.max(record.date);
            if let Some(grab) = open.iter().find(|grab| grab.infohash == record.infohash) {
                learn(landed, grab, &record, now);
            }
        });
        if result.is_ok() && newest.is_some() {
            // The last second is read again: it may not have been over. An arr whose clock is
            // ahead is read again from now on, which is more but misses nothing.
            work.cursor = newest.map(|newest| newest.min(now_unix()));
        }
        // What was read before an error is true all the same.
        self.settle_landed(work, open, now);
        result
    }

    /// Learns from the queue what is refused, and looks up what is not in it.
    pub(super) fn read_queue(
        &self,
        work: &mut Work,
        window: &Window,
        open: &[Grab],
        now: Instant,
    ) -> Result<(), ArrError> {
        let mut queue: HashMap<Infohash, Vec<String>> = HashMap::new();
        ask::queue(&work.arr, &mut |item| {
            if open.iter().any(|grab| grab.infohash == item.infohash) {
                let all = queue.entry(item.infohash).or_default();
                for message in &item.messages {
                    record::add(all, message);
                }
            }
        })?;
        let patience = self.patience();
        let mut lookups = 0;
        let mut result = Ok(());
        for grab in open {
            if let Some(messages) = queue.remove(&grab.infohash) {
                work.lookups.remove(&grab.id);
                note(window, grab, messages);
                continue;
            }
            let is_due = work.lookups.get(&grab.id).is_none_or(|at| at.due <= now);
            // One that has just been completed, the arr may not have listed yet.
            let is_young = age(grab) < patience;
            let is_known = work.landed.contains_key(&grab.id);
            if !is_due || is_young || is_known || lookups == MAX_LOOKUPS {
                continue;
            }
            lookups += 1;
            match look_up_one(work, grab, now) {
                Ok(None) => {}
                Ok(Some(message)) => note(window, grab, vec![message]),
                Err(error) => {
                    result = Err(error);
                    break;
                }
            }
            let times = work.lookups.get(&grab.id).map_or(0, |at| at.times);
            let delay = doubled(patience, times, LONGEST_LOOKUP);
            let lookup = Lookup {
                due: now + delay,
                times: times.saturating_add(1),
            };
            work.lookups.insert(grab.id, lookup);
        }
        self.settle_landed(work, open, now);
        result
    }

    /// Marks what has landed as imported; before that, our link goes if it is to go, so that a
    /// crash in between does not leave it for ever.
    fn settle_landed(&self, work: &mut Work, open: &[Grab], now: Instant) {
        for grab in open {
            let Some(landed) = work.landed.get(&grab.id) else {
                continue;
            };
            if !self.let_go(&work.arr, grab, landed, now) {
                continue;
            }
            let path = landed.path.as_deref().unwrap_or("a path it does not tell");
            match self.downloads.mark_imported(&work.scope, &grab.infohash) {
                Ok(true) => log::info!(
                    "imported by {} as {path}: \"{}\" (grab {})",
                    work.arr.name(),
                    grab.title,
                    grab.id
                ),
                // Deleted meanwhile: that was the receipt.
                Ok(false) => {}
                Err(error) => {
                    log::error!("cannot remember an import: {error}");
                    continue;
                }
            }
            work.landed.remove(&grab.id);
        }
    }

    /// Removes our link of an imported file if that is wanted and safe. False: to be tried again.
    fn let_go(&self, arr: &ArrClient, grab: &Grab, landed: &Landed, now: Instant) -> bool {
        let is_wanted =
            self.settings.after_import == AfterImport::Keep && self.settings.unlink_imported;
        let Some(own) = self.downloads.finished_file(grab).filter(|_| is_wanted) else {
            return true;
        };
        let verdict = match &landed.path {
            Some(theirs) => unlink::judge(&own, &ours(&arr.server().path_map, theirs)),
            None => Verdict::Unseen("its history does not say where the file is".into()),
        };
        match verdict {
            Verdict::Theirs => self.downloads.unlink_finished(grab),
            Verdict::NotOurs => {}
            Verdict::Unseen(why) => {
                if landed.path.is_some() && now.duration_since(landed.learned) < UNSEEN_FOR {
                    log::debug!("{}: not unlinked yet: {why}", arr.name());
                    return false;
                }
                log::warn!(
                    "{}: {} stays, for the imported file was not found: {why}; if the paths \
                     differ here, set path_map in its section",
                    arr.name(),
                    own.display()
                );
            }
        }
        true
    }
}

/// Takes an import over from a history record.
fn learn(landed: &mut HashMap<i64, Landed>, grab: &Grab, record: &record::History, now: Instant) {
    if record.event == Event::Imported {
        let entry = landed.entry(grab.id).or_insert(Landed {
            path: None,
            learned: now,
        });
        // The newest record has the path that holds now.
        if record.imported_path.is_some() {
            entry.path.clone_from(&record.imported_path);
        }
    }
}

/// Asks for the history of a download that is not in the queue: it may have landed long ago, by a
/// clock that has changed since. Gives what is odd about it.
fn look_up_one(work: &mut Work, grab: &Grab, now: Instant) -> Result<Option<String>, ArrError> {
    let (mut last, mut is_grabbed) = (None, false);
    let mut import: Option<record::History> = None;
    ask::history_of(&work.arr, &grab.infohash, &mut |record| {
        // Newest first: what was imported before it was grabbed again is not this download, as the
        // arrs judge it too.
        last.get_or_insert_with(|| record.event.clone());
        match record.event {
            Event::Grabbed => is_grabbed = true,
            Event::Imported if !is_grabbed && import.is_none() => import = Some(record),
            _ => {}
        }
    })?;
    if let Some(import) = import {
        learn(&mut work.landed, grab, &import, now);
        return Ok(None);
    }
    Ok(Some(match last {
        Some(Event::Other(event)) => {
            format!("not in its queue; the last entry of it in its history is {event}")
        }
        Some(_) => "not in its queue, although it grabbed this: is its download client for us \
                    switched on, and is the category the one it uses?"
            .into(),
        None => "neither in its queue nor in its history".into(),
    }))
}
