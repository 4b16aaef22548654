//! What clients do to grabs that are there: delete, pause, resume, order, label, limit.
//!
//! A command reaches the selected grabs of its scope and no others; what its event changes nothing
//! for stays as it is (`grab::states`). It is in the database when the method returns (but for the
//! global limit, which ends with the process), its grabs are noted as changed, and running transfers
//! are told, not waited for.

use std::path::Path;
use std::time::Instant;

use super::engine::plain;
use super::{Changed, Downloads, QueueMove, Selection};
use crate::grab::states::Event;
use crate::grab::{Grab, Scope, State};
use crate::store::{Change, QueueEdge, StoreError};
use crate::sys::lock;

impl Downloads {
    /// Removes grabs from the list, stops their transfers; part files always go, the finished
    /// file only with `delete_files`. A completed grab deleted so is the arr's receipt.
    pub fn delete(
        &self,
        scope: &Scope,
        which: &Selection,
        delete_files: bool,
    ) -> Result<(), StoreError> {
        for id in self.selected(scope, which)? {
            // The row as it is now: it may have been completed in the meantime.
            let Some(grab) = self.engine.store.delete_grab(id)? else {
                continue;
            };
            lock(&self.engine.changes).note([Changed::Gone(grab.infohash)]);
            self.engine.forget(grab.id);
            // A transfer that is still ending removes its part file once more.
            self.engine.layout.remove_part(grab.id, &grab.infohash);
            // An arr moves the file away before it deletes the entry; whoever gives up a download
            // that is complete deletes both.
            let is_receipt = delete_files
                && grab.state == State::Completed
                && self.finished_file(&grab).is_some_and(|file| is_gone(&file));
            if delete_files && !grab.state.is_unfinished() {
                self.engine
                    .layout
                    .remove_finished(&grab.folder, grab.filename.as_deref());
            }
            let (arr, title, id) = (&grab.arr, &grab.title, grab.id);
            match (grab.state, is_receipt) {
                (_, true) => log::info!("imported by {arr}: \"{title}\" (grab {id})"),
                (State::Imported, _) => {
                    log::info!("{arr}: \"{title}\" deleted after its import (grab {id})");
                }
                (state, _) => {
                    log::info!(
                        "{arr}: \"{title}\" deleted while {} (grab {id})",
                        state.word()
                    );
                }
            }
        }
        self.engine.ring();
        Ok(())
    }

    /// Pauses: takes effect within a second.
    pub fn pause(&self, scope: &Scope, which: &Selection) -> Result<(), StoreError> {
        self.advance_all(scope, which, Event::Pause, |grab| {
            self.engine.cancel(grab.id);
        })
    }

    /// Resumes paused grabs; failed ones start over with fresh attempts, keeping their part file.
    pub fn resume(&self, scope: &Scope, which: &Selection) -> Result<(), StoreError> {
        self.advance_all(scope, which, Event::Resume, |_| {})
    }

    /// Compares finished files with the size they must have; what is missing or wrong is
    /// downloaded again. Part files are trusted by length. Failed grabs are retried.
    pub fn recheck(&self, scope: &Scope, which: &Selection) -> Result<(), StoreError> {
        self.each_selected(scope, which, |grab| {
            let event = match grab.state {
                State::Failed => Event::Resume,
                State::Completed => {
                    let filename = grab.filename.as_deref().unwrap_or_default();
                    if self
                        .engine
                        .layout
                        .has_finished(&grab.folder, filename, grab.size)
                    {
                        return Ok(());
                    }
                    lock(&self.engine.lives).remove(&grab.id);
                    Event::Missing
                }
                _ => return Ok(()),
            };
            self.advance_one(grab, event).map(|_| ())
        })?;
        self.engine.ring();
        Ok(())
    }

    /// Jumps the queue (also above `max_concurrent`), or no longer; `true` also resumes.
    pub fn set_force_start(
        &self,
        scope: &Scope,
        which: &Selection,
        on: bool,
    ) -> Result<(), StoreError> {
        let ids = self.selected(scope, which)?;
        self.engine.store.set_grab_force(&ids, on)?;
        self.engine.touch(ids);
        if on {
            self.each_selected(scope, which, |grab| {
                self.advance_one(grab, Event::Force).map(|_| ())
            })?;
        }
        self.engine.ring();
        Ok(())
    }

    /// Moves unfinished grabs in the queue.
    pub fn move_in_queue(
        &self,
        scope: &Scope,
        which: &Selection,
        to: QueueMove,
    ) -> Result<(), StoreError> {
        let mut grabs: Vec<(i64, i64)> = Vec::new();
        self.each_selected(scope, which, |grab| {
            if grab.state.is_unfinished() {
                grabs.push((grab.position, grab.id));
            }
            Ok(())
        })?;
        grabs.sort_unstable();
        let ids: Vec<i64> = grabs.into_iter().map(|(_, id)| id).collect();
        let store = &self.engine.store;
        match to {
            QueueMove::Top => store.move_grabs_to(&ids, QueueEdge::Top)?,
            QueueMove::Bottom => store.move_grabs_to(&ids, QueueEdge::Bottom)?,
            QueueMove::Up => {
                for id in &ids {
                    store.move_grab_by_one(*id, QueueEdge::Top)?;
                }
            }
            QueueMove::Down => {
                // The last one first: the others must not run into it.
                for id in ids.iter().rev() {
                    store.move_grab_by_one(*id, QueueEdge::Bottom)?;
                }
            }
        }
        // Whom they overtook is unfinished too: see `changed_since`.
        self.engine.touch(ids);
        self.engine.ring();
        Ok(())
    }

    /// Sets the category (the caller has checked that it exists).
    pub fn set_category(
        &self,
        scope: &Scope,
        which: &Selection,
        category: &str,
    ) -> Result<(), StoreError> {
        let ids = self.selected(scope, which)?;
        self.engine.store.set_grab_category(&ids, category)?;
        self.engine.touch(ids);
        Ok(())
    }

    /// Rewrites the tags of each grab: `change` gets and returns the sorted list.
    pub fn change_tags(
        &self,
        scope: &Scope,
        which: &Selection,
        change: &dyn Fn(Vec<String>) -> Vec<String>,
    ) -> Result<(), StoreError> {
        self.each_selected(scope, which, |grab| {
            let before = grab.tags.split(", ").filter(|tag| !tag.is_empty());
            let mut after = change(before.map(str::to_owned).collect());
            after.sort();
            after.dedup();
            let after = after.join(", ");
            if after != grab.tags {
                self.engine.store.set_grab_tags(grab.id, &after)?;
                self.engine.touch([grab.id]);
            }
            Ok(())
        })
    }

    /// Stores limits as asked; `None` = leave as it is.
    pub fn set_share_limits(
        &self,
        scope: &Scope,
        which: &Selection,
        ratio: Option<f64>,
        seeding_minutes: Option<i64>,
        inactive_minutes: Option<i64>,
    ) -> Result<(), StoreError> {
        let ids = self.selected(scope, which)?;
        self.engine.store.set_grab_share_limits(
            &ids,
            // The column takes no NaN: SQLite would store NULL.
            ratio.filter(|ratio| ratio.is_finite()),
            seeding_minutes,
            inactive_minutes,
        )?;
        self.engine.touch(ids);
        Ok(())
    }

    /// Limits the download rate of each grab, bytes per second; 0 = none. Takes effect at once.
    pub fn set_download_limit(
        &self,
        scope: &Scope,
        which: &Selection,
        bytes_per_second: u64,
    ) -> Result<(), StoreError> {
        let ids = self.selected(scope, which)?;
        self.engine
            .store
            .set_grab_download_limit(&ids, bytes_per_second)?;
        for id in &ids {
            let live = lock(&self.engine.lives).get(id).cloned();
            if let Some(live) = live {
                lock(&live.limit).set_rate(bytes_per_second, Instant::now());
            }
            if let Some(run) = lock(&self.engine.desk).running.get(id) {
                run.wake();
            }
        }
        self.engine.touch(ids);
        Ok(())
    }

    /// Stores an upload limit (shown only: nothing is seeded).
    pub fn set_upload_limit(
        &self,
        scope: &Scope,
        which: &Selection,
        bytes_per_second: u64,
    ) -> Result<(), StoreError> {
        let ids = self.selected(scope, which)?;
        self.engine
            .store
            .set_grab_upload_limit(&ids, bytes_per_second)?;
        self.engine.touch(ids);
        Ok(())
    }

    /// A global rate set by a client, on top of the configured one, until restart; 0 = none.
    pub fn set_global_limit(&self, bytes_per_second: u64) {
        self.engine.pace.set_client(bytes_per_second);
        for run in lock(&self.engine.desk).running.values() {
            run.wake();
        }
    }

    fn advance_all(
        &self,
        scope: &Scope,
        which: &Selection,
        event: Event,
        then: impl Fn(&Grab),
    ) -> Result<(), StoreError> {
        self.each_selected(scope, which, |grab| {
            if self.advance_one(grab, event)?.is_some() {
                then(grab);
            }
            Ok(())
        })?;
        self.engine.ring();
        Ok(())
    }

    /// A client's command: attempts start anew where it brings a failed grab back.
    fn advance_one(&self, grab: &Grab, event: Event) -> Result<Option<State>, StoreError> {
        let starts_over = matches!(grab.state, State::Failed | State::Completed);
        let change = Change {
            attempts: starts_over.then_some(0),
            ..plain(event)
        };
        let state = self.engine.advance(grab.id, &change)?;
        if state.is_some() {
            let mut desk = lock(&self.engine.desk);
            desk.due.remove(&grab.id);
            desk.no_room.remove(&grab.id);
        }
        Ok(state)
    }
}

fn is_gone(file: &Path) -> bool {
    matches!(std::fs::symlink_metadata(file),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound)
}
