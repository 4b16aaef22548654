//! Changes of a grab that are not changes of its state: what the friend said about the file, what
//! clients have set, and the place in the queue.
//!
//! None of it is checked here; a row that is gone is silently left alone, because it was deleted in
//! the meantime.

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Transaction, params};

use super::grabs::integer;
use super::{Store, StoreError};

/// An end of the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueueEdge {
    /// First.
    Top,
    /// Last.
    Bottom,
}

impl Store {
    /// The validator of the bytes in the part file.
    pub fn grab_validator(&self, id: i64) -> Result<Option<String>, StoreError> {
        self.read(|db| {
            Ok(db
                .prepare_cached("SELECT etag FROM grab WHERE id = ?1")?
                .query_row([id], |row| row.get(0))
                .optional()?
                .flatten())
        })
    }

    /// Stores the validator of the bytes that are about to be written to the part file.
    pub fn set_grab_validator(&self, id: i64, validator: Option<&str>) -> Result<(), StoreError> {
        self.writer().execute(
            "UPDATE grab SET etag = ?2 WHERE id = ?1 AND etag IS NOT ?2",
            params![id, validator],
        )?;
        Ok(())
    }

    /// Stores what the friend said about the file: its name, and its size where that has changed.
    pub fn set_grab_file(&self, id: i64, filename: &str, size: u64) -> Result<(), StoreError> {
        self.writer().execute(
            "UPDATE grab SET filename = ?2, size = ?3 WHERE id = ?1",
            params![id, filename, integer(size)],
        )?;
        Ok(())
    }

    /// Fetches the grab from another friend from now on. `validator` is that friend's, and counts
    /// for the bytes that are in the part file already.
    pub fn set_grab_origin(
        &self,
        id: i64,
        peer_id: &str,
        item_id: &str,
        validator: Option<&str>,
    ) -> Result<(), StoreError> {
        self.writer().execute(
            "UPDATE grab SET peer_id = ?2, item_id = ?3, etag = ?4 WHERE id = ?1",
            params![id, peer_id, item_id, validator],
        )?;
        Ok(())
    }

    /// Stores another folder name, because the first one was taken in the meantime.
    pub fn set_grab_folder(&self, id: i64, folder: &str) -> Result<(), StoreError> {
        self.set_grab_column("folder", &[id], &Value::from(folder.to_owned()))
    }

    /// Stores a category.
    pub fn set_grab_category(&self, ids: &[i64], category: &str) -> Result<(), StoreError> {
        self.set_grab_column("category", ids, &Value::from(category.to_owned()))
    }

    /// Stores tags, joined with `", "`.
    pub fn set_grab_tags(&self, id: i64, tags: &str) -> Result<(), StoreError> {
        self.set_grab_column("tags", &[id], &Value::from(tags.to_owned()))
    }

    /// Stores whether grabs jump the queue.
    pub fn set_grab_force(&self, ids: &[i64], on: bool) -> Result<(), StoreError> {
        self.set_grab_column("force_start", ids, &Value::from(on))
    }

    /// Stores a download limit in bytes per second.
    pub fn set_grab_download_limit(&self, ids: &[i64], limit: u64) -> Result<(), StoreError> {
        self.set_grab_column("download_limit", ids, &Value::from(integer(limit)))
    }

    /// Stores an upload limit in bytes per second.
    pub fn set_grab_upload_limit(&self, ids: &[i64], limit: u64) -> Result<(), StoreError> {
        self.set_grab_column("upload_limit", ids, &Value::from(integer(limit)))
    }

    /// Stores seed limits; `None` leaves one as it is.
    pub fn set_grab_share_limits(
        &self,
        ids: &[i64],
        ratio: Option<f64>,
        seeding_minutes: Option<i64>,
        inactive_minutes: Option<i64>,
    ) -> Result<(), StoreError> {
        let columns = [
            ("ratio_limit", ratio.map(Value::from)),
            ("seeding_time_limit", seeding_minutes.map(Value::from)),
            (
                "inactive_seeding_time_limit",
                inactive_minutes.map(Value::from),
            ),
        ];
        for (column, value) in columns {
            if let Some(value) = value {
                self.set_grab_column(column, ids, &value)?;
            }
        }
        Ok(())
    }

    /// Moves grabs to one end of the queue; they keep their order among themselves.
    pub fn move_grabs_to(&self, ids: &[i64], edge: QueueEdge) -> Result<(), StoreError> {
        let mut writer = self.writer();
        let transaction = writer.transaction()?;
        let mut ids: Vec<(i64, i64)> = ids
            .iter()
            .filter_map(|id| position(&transaction, *id).transpose())
            .collect::<Result<_, _>>()?;
        ids.sort_unstable();
        let (first, last): (i64, i64) = transaction.query_row(
            "SELECT coalesce(min(position), 0), coalesce(max(position), 0) FROM grab",
            [],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )?;
        let begin = match edge {
            QueueEdge::Top => first - i64::try_from(ids.len()).unwrap_or(i64::MAX),
            QueueEdge::Bottom => last + 1,
        };
        for (place, (_, id)) in (begin..).zip(ids) {
            set_position(&transaction, id, place)?;
        }
        transaction.commit()?;
        Ok(())
    }

    /// Swaps a grab with its neighbour among the unfinished ones; at the end nothing happens.
    pub fn move_grab_by_one(&self, id: i64, towards: QueueEdge) -> Result<(), StoreError> {
        let mut writer = self.writer();
        let transaction = writer.transaction()?;
        let Some((place, _)) = position(&transaction, id)? else {
            return Ok(());
        };
        let sql = match towards {
            QueueEdge::Top => {
                "SELECT id, position FROM grab WHERE position < ?1
                 AND state NOT IN ('completed', 'imported') ORDER BY position DESC LIMIT 1"
            }
            QueueEdge::Bottom => {
                "SELECT id, position FROM grab WHERE position > ?1
                 AND state NOT IN ('completed', 'imported') ORDER BY position LIMIT 1"
            }
        };
        let neighbour: Option<(i64, i64)> = transaction
            .prepare_cached(sql)?
            .query_row([place], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        if let Some((other, there)) = neighbour {
            set_position(&transaction, id, there)?;
            set_position(&transaction, other, place)?;
        }
        transaction.commit()?;
        Ok(())
    }

    /// Remembers that the arr was told that a grab has failed.
    pub fn set_failure_reported(&self, id: i64) -> Result<(), StoreError> {
        self.set_grab_column("failure_reported", &[id], &Value::from(true))
    }

    fn set_grab_column(
        &self,
        column: &'static str,
        ids: &[i64],
        value: &Value,
    ) -> Result<(), StoreError> {
        let mut writer = self.writer();
        let transaction = writer.transaction()?;
        {
            let mut statement = transaction
                .prepare_cached(&format!("UPDATE grab SET {column} = ?2 WHERE id = ?1"))?;
            for id in ids {
                statement.execute(params![id, value])?;
            }
        }
        transaction.commit()?;
        Ok(())
    }
}

/// (place, id) of a grab.
fn position(connection: &Connection, id: i64) -> Result<Option<(i64, i64)>, StoreError> {
    Ok(connection
        .prepare_cached("SELECT position, id FROM grab WHERE id = ?1")?
        .query_row([id], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?)
}

fn set_position(transaction: &Transaction<'_>, id: i64, place: i64) -> Result<(), StoreError> {
    transaction
        .prepare_cached("UPDATE grab SET position = ?2 WHERE id = ?1")?
        .execute([id, place])?;
    Ok(())
}
