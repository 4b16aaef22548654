//! Reading whole lists, one friend or source at a time, when they are due.
//!
//! A friend that is not known to be up is greeted first (its version is checked there). Its list is
//! asked for on condition of the ETag that the index stands for, so that an unchanged friend costs
//! one request and no write. A list that breaks off leaves what it brought and removes nothing.
//! Also tidies: friends that are no longer configured, items that nobody offers any more, words in
//! many pieces.

use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::Inner;
use super::origins::{Friend, Now, SourceSlot};
use super::scan::{Changes, Scan};
use super::schedule::Outcome;
use crate::peer::client::{PeerError, PeerQuery, SearchOutcome};
use crate::store::StoreError;
use crate::store::origins::OriginKind;
use crate::store::releases::Scope;

/// For a handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// For a friend's whole list. A jack has no other way to tell it: 30,000 episodes with media info
/// are some 150 MB, which take eight minutes on a line that sends 2.5 Mbit/s; a list that is always broken off
/// would never be indexed to its end. A slower friend must not keep the others waiting for ever.
const LIST_TIMEOUT: Duration = Duration::from_secs(600);

/// Seconds between two looks at what can be forgotten.
const TIDY_EVERY: u64 = 3600;

/// Seconds that an item without offers keeps its place in the feed: a friend's server that comes
/// back after a restart must not look like one with all new releases.
const GONE_KEPT: u64 = 86_400;

/// After changes to one of so many items the words of all are merged into one piece: searches take
/// two thirds of the time then, and a disk has to write at most so many times what has changed.
const MERGE_PART: u64 = 16;

/// Items without offers that are kept at most: a friend that renames all it has each quarter of an
/// hour must not fill our disk.
const MAX_GONE: u64 = 20_000;

impl Inner {
    /// Reads everything that is due; gives the time when something is due next.
    pub(super) fn refresh_due(&self, now: &dyn Fn() -> Now) -> Instant {
        for slot in &self.origins.sources {
            let due = slot.state().due;
            if due.at <= now().instant {
                let outcome = self.refresh_source(slot, now);
                let mut state = slot.state();
                state.due = due.after(outcome, now().instant, self.every);
            }
        }
        for friend in &self.origins.friends {
            let is_due = friend.state().due.at <= now().instant;
            if is_due {
                self.refresh_friend(friend, now);
            }
        }
        self.tidy(now());
        let sources = self.origins.sources.iter().map(|slot| slot.state().due.at);
        let friends = self.origins.friends.iter().map(|f| f.state().due.at);
        let latest = now().instant + self.every.max(Duration::from_secs(1));
        sources.chain(friends).min().unwrap_or(latest)
    }

    fn refresh_source(&self, slot: &SourceSlot, now: &dyn Fn() -> Now) -> Outcome {
        let result = Scan::of_source(&self.store, slot.n).and_then(|mut scan| {
            match slot.source.scan(&mut scan) {
                Ok(()) => scan.finish().map(Ok),
                Err(error) => scan.abandon().map(|_| Err(error)),
            }
        });
        let result = match result {
            Ok(Ok(changes)) => Ok(changes),
            Ok(Err(error)) => Err(error.to_string()),
            Err(error) => {
                slot.source.forget();
                Err(error.to_string())
            }
        };
        let mut state = slot.state();
        match result {
            Ok(changes) => {
                if state.is_up != Some(true) || changes.written + changes.removed > 0 {
                    log::info!(
                        "{}: {} releases shared ({} new or changed, {} removed)",
                        slot.source.name(),
                        changes.seen,
                        changes.written,
                        changes.removed
                    );
                }
                let was_empty = std::mem::replace(&mut state.is_empty, changes.seen == 0);
                state.is_up = Some(true);
                state.seen_at = Some(now().unix);
                state.error = None;
                if state.is_empty && !was_empty {
                    Outcome::Emptied
                } else {
                    Outcome::Answered
                }
            }
            Err(error) => {
                if state.is_up.replace(false) != Some(false) {
                    log::warn!(
                        "{error}; what was known of it stays shared, reading it again later"
                    );
                }
                state.error = Some(error);
                Outcome::Failed
            }
        }
    }

    /// Reads a friend's whole list, unless that is under way on another thread.
    pub(super) fn refresh_friend(&self, friend: &Friend, now: &dyn Fn() -> Now) {
        if let Some(_guard) = self.traffic.begin_refresh(friend.n) {
            self.refresh_friend_now(friend, now);
        }
    }

    /// As above, by the holder of the guard.
    pub(super) fn refresh_friend_now(&self, friend: &Friend, now: &dyn Fn() -> Now) {
        let outcome = match self.read_list(friend, now) {
            Ok(outcome) => outcome,
            Err(ListError::Peer(error)) => {
                friend.failed(&error, now());
                Outcome::Failed
            }
            Err(ListError::Store(error)) => {
                log::error!("cannot index friend {}: {error}", friend.client.name());
                friend.state().error = Some(error.to_string());
                Outcome::Failed
            }
        };
        let mut state = friend.state();
        state.due = state.due.after(outcome, now().instant, self.every);
    }

    fn read_list(&self, friend: &Friend, now: &dyn Fn() -> Now) -> Result<Outcome, ListError> {
        // Once it is known to be up its version is not asked again: one request a refresh.
        let is_up = friend.state().is_up == Some(true);
        if !is_up {
            let began = Instant::now();
            let handshake = friend.client.handshake(HANDSHAKE_TIMEOUT)?;
            friend.came_up(&handshake);
            friend.answered(&self.store, Some(began.elapsed()), now());
        }
        let etag = friend.state().etag.clone();
        let on_write = |touched| self.changed(touched);
        let mut scan = Scan::of_friend(
            &self.store,
            friend.n,
            Scope::Everything,
            now().unix,
            &on_write,
        )?;
        let result = friend.client.search(
            PeerQuery::Everything,
            etag.as_deref(),
            LIST_TIMEOUT,
            &mut |release| scan.see(release, None),
        );
        let etag = match result {
            Ok(SearchOutcome::NotModified) => {
                friend.answered(&self.store, None, now());
                friend.state().error = None;
                return Ok(Outcome::Answered);
            }
            Ok(SearchOutcome::Complete { etag }) => etag,
            Err(error) => {
                let changes = scan.abandon()?;
                self.note_unmerged(changes);
                if changes.written > 0 {
                    self.forget_etag(friend)?;
                }
                return Err(error.into());
            }
        };
        let changes = scan.finish()?;
        friend.answered(&self.store, None, now());
        if changes.written + changes.removed > 0 {
            log::info!(
                "friend {} offers {} releases ({} new or changed, {} removed)",
                friend.client.name(),
                changes.seen,
                changes.written,
                changes.removed
            );
        }
        self.note_unmerged(changes);
        let (is_news, was_empty) = {
            let state = friend.state();
            (!state.is_filled || state.etag != etag, state.is_empty)
        };
        if is_news {
            self.store
                .origin_filled(friend.n, etag.as_deref(), now().unix)?;
        }
        let mut state = friend.state();
        state.is_filled = true;
        state.is_empty = changes.seen == 0;
        state.etag = etag;
        state.error = None;
        Ok(if state.is_empty && !was_empty {
            Outcome::Emptied
        } else {
            Outcome::Answered
        })
    }

    /// Removes what nobody needs any more, a little at a time.
    fn tidy(&self, now: Now) {
        if let Err(error) = self.try_tidy(now) {
            log::error!("cannot tidy the catalogue: {error}");
        }
    }

    fn try_tidy(&self, now: Now) -> Result<(), StoreError> {
        let orphan = self
            .origins
            .orphans
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop();
        if let Some(orphan) = orphan {
            let on_write = |touched| self.changed(touched);
            match orphan.kind {
                OriginKind::Friend => {
                    let all = Scope::Everything;
                    let scan = Scan::of_friend(&self.store, orphan.n, all, now.unix, &on_write)?;
                    self.note_unmerged(scan.finish()?);
                }
                OriginKind::Source => {
                    Scan::of_source(&self.store, orphan.n)?.finish()?;
                }
            }
            self.store.forget_origin(orphan.n)?;
            log::info!(
                "removed the releases of {}, which is no longer configured",
                orphan.key
            );
        }
        let due = self.tidy_due.load(Ordering::Relaxed);
        if now.unix >= due {
            self.tidy_due
                .store(now.unix + TIDY_EVERY, Ordering::Relaxed);
            self.store
                .purge_items(now.unix.saturating_sub(GONE_KEPT), MAX_GONE)?;
        }
        let unmerged = self.unmerged.load(Ordering::Relaxed);
        if unmerged > 0 && unmerged >= self.store.item_count()? / MERGE_PART {
            self.store.merge_words()?;
            // What came in meanwhile, or a merge that failed, counts for the next one.
            self.unmerged.fetch_sub(unmerged, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Rows of friends that a list has changed, and their words with them. Answers to single
    /// questions are too small to count.
    fn note_unmerged(&self, changes: Changes) {
        self.unmerged
            .fetch_add(changes.written + changes.removed, Ordering::Relaxed);
    }
}

enum ListError {
    Peer(PeerError),
    Store(StoreError),
}

impl From<PeerError> for ListError {
    fn from(error: PeerError) -> ListError {
        ListError::Peer(error)
    }
}

impl From<StoreError> for ListError {
    fn from(error: StoreError) -> ListError {
        ListError::Store(error)
    }
}
