//! Queries over the table `grab`, and the rows of `generation` that it leaves when a grab ends.
//!
//! Every change of state goes through [`Store::advance_grab`], which asks `grab::states` inside
//! the transaction that writes: two writers cannot both win, and a state that a grab cannot reach is
//! never stored. Live fields of a [`Grab`] are 0 here. Reads do not wait for writers.

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use super::{Store, StoreError};
use crate::grab::states::{self, Event};
use crate::grab::{Grab, Scope, State};
use crate::torrent::stub::Infohash;

/// Columns of a [`Grab`] in the order in which [`read_row`] takes them. The stub is left out: it is
/// large and only asked for by itself.
pub(super) const COLUMNS: &str = "id, arr, infohash, base_hash, generation, title, size, \
     peer_id, item_id, category, tags, state, reason, folder, filename, attempts, retry_at, \
     position, force_start, download_limit, upload_limit, ratio_limit, seeding_time_limit, \
     inactive_seeding_time_limit, added_at, completed_at, imported_at";

/// A grab about to be stored.
#[derive(Clone, Debug)]
pub struct NewRow<'a> {
    /// The grab; its id, position, attempts and live fields are ignored.
    pub grab: Grab,
    /// The torrent as it was added.
    pub stub: &'a [u8],
}

/// What became of an insertion.
#[derive(Clone, Debug, PartialEq)]
pub enum Added {
    /// Stored under this id. If an ended grab of the same login and infohash had to make room, its
    /// id is here too: its part file is an orphan now.
    Fresh {
        /// Row id.
        id: i64,
        /// Row that is gone.
        replaced: Option<i64>,
    },
    /// The same login has it already and it has not ended: nothing was stored.
    Alive,
}

/// A change of state and what goes with it.
#[derive(Clone, Debug)]
pub struct Change<'a> {
    /// What happened.
    pub event: Event,
    /// Why it waits or failed; `None` removes an old reason.
    pub reason: Option<&'a str>,
    /// Attempts from now on; `None` leaves them.
    pub attempts: Option<u32>,
    /// Unix seconds of the next attempt; `None` removes an old time.
    pub retry_at: Option<u64>,
    /// Unix seconds.
    pub now: u64,
}

impl Store {
    /// Grabs in scope, oldest first; `category` filters exactly. All of them at once: whoever can
    /// work through them piece by piece takes [`Store::grab_ids`].
    pub fn grabs(&self, scope: &Scope, category: Option<&str>) -> Result<Vec<Grab>, StoreError> {
        let (filter, values) = filter(scope, category);
        self.read(|db| select(db, &format!("{filter} ORDER BY id"), values))
    }

    /// One grab in scope; for [`Scope::All`] the oldest of that infohash.
    pub fn grab(&self, scope: &Scope, infohash: &Infohash) -> Result<Option<Grab>, StoreError> {
        self.read(|db| Ok(by_hash(db, scope, infohash)?.into_iter().next()))
    }

    /// One grab by row id.
    pub fn grab_by_id(&self, id: i64) -> Result<Option<Grab>, StoreError> {
        self.read(|db| Ok(select(db, "id = ?", vec![Value::from(id)])?.pop()))
    }

    /// Grabs whose part file counts, if they have one.
    pub fn unfinished_grabs(&self) -> Result<Vec<Grab>, StoreError> {
        self.read(|db| {
            select(
                db,
                "state IN ('queued', 'downloading', 'waiting', 'paused', 'failed')",
                Vec::new(),
            )
        })
    }

    /// Grabs that the queue has to look at: queued, downloading or waiting, in the order in which
    /// they are served: forced ones first, then by place.
    pub fn pending_grabs(&self) -> Result<Vec<Grab>, StoreError> {
        self.read(|db| {
            select(
                db,
                "state IN ('queued', 'downloading', 'waiting')
                 ORDER BY force_start DESC, position, id",
                Vec::new(),
            )
        })
    }

    /// Finished grabs of a login that its arr has not taken yet: the newest, `limit` at most.
    pub fn completed_grabs(&self, arr: &str, limit: u32) -> Result<Vec<Grab>, StoreError> {
        self.read(|db| {
            select(
                db,
                "arr = ? AND state = 'completed' ORDER BY id DESC LIMIT ?",
                vec![Value::from(arr.to_owned()), Value::from(i64::from(limit))],
            )
        })
    }

    /// The torrent of a grab, as it was added.
    pub fn grab_stub(
        &self,
        scope: &Scope,
        infohash: &Infohash,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let Some(grab) = self.grab(scope, infohash)? else {
            return Ok(None);
        };
        self.read(|db| {
            Ok(db
                .prepare_cached("SELECT stub FROM grab WHERE id = ?1")?
                .query_row([grab.id], |row| row.get(0))
                .optional()?)
        })
    }

    /// True when a grab of any login has this folder name, in any mix of upper and lower case:
    /// some file systems do not tell them apart.
    pub fn grab_folder_is_taken(&self, folder: &str) -> Result<bool, StoreError> {
        self.read(|db| {
            Ok(db
                .prepare_cached("SELECT 1 FROM grab WHERE folder = ?1 COLLATE NOCASE")?
                .exists([folder])?)
        })
    }

    /// Stores a grab at the end of the queue, in place of an ended one of the same login.
    pub fn insert_grab(&self, new: &NewRow<'_>) -> Result<Added, StoreError> {
        let grab = &new.grab;
        let mut writer = self.writer();
        let transaction = writer.transaction()?;
        let found: Option<(i64, String)> = transaction
            .prepare_cached("SELECT id, state FROM grab WHERE arr = ?1 AND infohash = ?2")?
            .query_row(params![grab.arr, grab.infohash.to_string()], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })
            .optional()?;
        let replaced = match found {
            Some((_, word)) if state(&word)?.is_alive() => return Ok(Added::Alive),
            Some((id, _)) => {
                end_generation(&transaction, id)?;
                transaction.execute("DELETE FROM grab WHERE id = ?1", [id])?;
                Some(id)
            }
            None => None,
        };
        transaction
            .prepare_cached(
                "INSERT INTO grab (arr, infohash, base_hash, generation, stub, title,
                    size, peer_id, item_id, category, tags, state, folder, position,
                    force_start, download_limit, upload_limit, ratio_limit, seeding_time_limit,
                    inactive_seeding_time_limit, added_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13,
                    (SELECT coalesce(max(position), 0) + 1 FROM grab),
                    ?14, ?15, ?16, ?17, ?18, ?19, ?20)",
            )?
            .execute(params![
                grab.arr,
                grab.infohash.to_string(),
                grab.base_hash.to_string(),
                grab.generation,
                new.stub,
                grab.title,
                integer(grab.size),
                grab.peer_id,
                grab.item_id,
                grab.category,
                grab.tags,
                grab.state.word(),
                grab.folder,
                grab.force_start,
                integer(grab.download_limit),
                integer(grab.upload_limit),
                grab.ratio_limit,
                grab.seeding_time_limit,
                grab.inactive_seeding_time_limit,
                integer(grab.added_at),
            ])?;
        let id = transaction.last_insert_rowid();
        transaction.commit()?;
        Ok(Added::Fresh { id, replaced })
    }

    /// Removes a grab: it has ended for its login. Gives the row as it was at that moment.
    pub fn delete_grab(&self, id: i64) -> Result<Option<Grab>, StoreError> {
        let mut writer = self.writer();
        let transaction = writer.transaction()?;
        let Some(grab) = select(&transaction, "id = ?", vec![Value::from(id)])?.pop() else {
            return Ok(None);
        };
        end_generation(&transaction, id)?;
        transaction.execute("DELETE FROM grab WHERE id = ?1", [id])?;
        transaction.commit()?;
        Ok(Some(grab))
    }

    /// Moves a grab to the state that `change.event` leads to. `None`: there is no such arrow from
    /// its present state, or no such grab; nothing was written.
    pub fn advance_grab(&self, id: i64, change: &Change<'_>) -> Result<Option<State>, StoreError> {
        let mut writer = self.writer();
        let transaction = writer.transaction()?;
        let Some(before) = state_of(&transaction, id)? else {
            return Ok(None);
        };
        let Some(after) = states::next(before, change.event) else {
            return Ok(None);
        };
        let now = integer(change.now);
        transaction
            .prepare_cached(
                "UPDATE grab SET state = ?2, reason = ?3, retry_at = ?4,
                    attempts = coalesce(?5, attempts),
                    completed_at = CASE ?2 WHEN 'completed' THEN ?6
                        WHEN 'imported' THEN completed_at END,
                    imported_at = CASE ?2 WHEN 'imported' THEN ?6 END,
                    failure_reported = 0
                 WHERE id = ?1",
            )?
            .execute(params![
                id,
                after.word(),
                change.reason,
                change.retry_at.map(integer),
                change.attempts,
                now,
            ])?;
        if !after.is_alive() {
            end_generation(&transaction, id)?;
        }
        transaction.commit()?;
        Ok(Some(after))
    }

    /// Failed grabs of a login that its arr has not been told of yet.
    pub fn unreported_failures(&self, arr: &str) -> Result<Vec<Grab>, StoreError> {
        self.read(|db| {
            select(
                db,
                "arr = ? AND state = 'failed' AND failure_reported = 0 ORDER BY id",
                vec![Value::from(arr.to_owned())],
            )
        })
    }
}

/// The next stub of this release for this login is one generation on.
fn end_generation(transaction: &Transaction<'_>, id: i64) -> Result<(), StoreError> {
    transaction
        .prepare_cached(
            "INSERT INTO generation (arr, base_hash, next)
             SELECT arr, base_hash, generation + 1 FROM grab WHERE id = ?1
             ON CONFLICT (arr, base_hash) DO UPDATE SET next = max(next, excluded.next)",
        )?
        .execute([id])?;
    Ok(())
}

fn state_of(connection: &Connection, id: i64) -> Result<Option<State>, StoreError> {
    let word: Option<String> = connection
        .prepare_cached("SELECT state FROM grab WHERE id = ?1")?
        .query_row([id], |row| row.get(0))
        .optional()?;
    word.map(|word| state(&word)).transpose()
}

fn state(word: &str) -> Result<State, StoreError> {
    State::from_word(word)
        .ok_or_else(|| StoreError::Corrupt(format!("a grab has the unknown state {word:?}")))
}

fn by_hash(
    connection: &Connection,
    scope: &Scope,
    infohash: &Infohash,
) -> Result<Vec<Grab>, StoreError> {
    let hash = Value::from(infohash.to_string());
    match scope {
        Scope::All => select(connection, "infohash = ? ORDER BY id", vec![hash]),
        Scope::Arr(arr) => select(
            connection,
            "infohash = ? AND arr = ?",
            vec![hash, Value::from(arr.clone())],
        ),
    }
}

/// Condition and values that a scope and perhaps a category stand for.
pub(super) fn filter(scope: &Scope, category: Option<&str>) -> (&'static str, Vec<Value>) {
    let text = |text: &str| Value::from(text.to_owned());
    match (scope, category) {
        (Scope::All, None) => ("1", Vec::new()),
        (Scope::Arr(arr), None) => ("arr = ?", vec![text(arr)]),
        (Scope::All, Some(category)) => ("category = ?", vec![text(category)]),
        (Scope::Arr(arr), Some(category)) => {
            ("arr = ? AND category = ?", vec![text(arr), text(category)])
        }
    }
}

fn select(
    connection: &Connection,
    condition: &str,
    values: Vec<Value>,
) -> Result<Vec<Grab>, StoreError> {
    let mut statement =
        connection.prepare_cached(&format!("SELECT {COLUMNS} FROM grab WHERE {condition}"))?;
    let mut rows = statement.query(rusqlite::params_from_iter(values))?;
    let mut grabs = Vec::new();
    while let Some(row) = rows.next()? {
        grabs.push(read_row(row)?);
    }
    Ok(grabs)
}

pub(super) fn read_row(row: &Row<'_>) -> Result<Grab, StoreError> {
    let hash = |index: usize| -> Result<Infohash, StoreError> {
        let text = row.get_ref(index)?.as_str().unwrap_or_default();
        Infohash::parse(text)
            .ok_or_else(|| StoreError::Corrupt(format!("a grab has the infohash {text:?}")))
    };
    let maybe_count = |index: usize| -> Result<Option<u64>, StoreError> {
        let value: Option<i64> = row.get(index)?;
        Ok(value.map(|value| u64::try_from(value).unwrap_or(0)))
    };
    let count = |index: usize| Ok::<u64, StoreError>(maybe_count(index)?.unwrap_or(0));
    let word = row.get_ref(11)?.as_str().unwrap_or_default();
    Ok(Grab {
        id: row.get(0)?,
        arr: row.get(1)?,
        infohash: hash(2)?,
        base_hash: hash(3)?,
        generation: row.get(4)?,
        title: row.get(5)?,
        size: count(6)?,
        peer_id: row.get(7)?,
        item_id: row.get(8)?,
        category: row.get(9)?,
        tags: row.get(10)?,
        state: state(word)?,
        reason: row.get(12)?,
        folder: row.get(13)?,
        filename: row.get(14)?,
        attempts: row.get(15)?,
        retry_at: maybe_count(16)?,
        position: row.get(17)?,
        force_start: row.get(18)?,
        download_limit: count(19)?,
        upload_limit: count(20)?,
        ratio_limit: row.get(21)?,
        seeding_time_limit: row.get(22)?,
        inactive_seeding_time_limit: row.get(23)?,
        added_at: count(24)?,
        completed_at: maybe_count(25)?,
        imported_at: maybe_count(26)?,
        have: 0,
        speed: 0,
        received: 0,
        last_activity: 0,
        stalled_for: 0,
    })
}

/// SQLite's integers end at 2^63: nothing that we store as a count comes near it, and a client's
/// absurd limit means "a lot" all the same.
pub(super) fn integer(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
