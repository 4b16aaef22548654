//! The order of the queue.

use super::{Store, StoreError};

impl Store {
    /// Ids of the grabs that are not finished, first in the queue first.
    pub fn queue_order(&self) -> Result<Vec<i64>, StoreError> {
        self.read(|connection| {
            // The list of states lets SQLite use the index over (state, position).
            let mut statement = connection.prepare_cached(
                "SELECT id FROM grab
                 WHERE state IN ('queued', 'downloading', 'waiting', 'paused', 'failed')
                 ORDER BY position, id",
            )?;
            let rows = statement.query_map([], |row| row.get(0))?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }
}
