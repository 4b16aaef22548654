//! Rows of what we share ourselves, with the paths that never leave this machine.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use rusqlite::{OptionalExtension, TransactionBehavior};

use super::releases::{last_row, unsigned};
use super::{Store, StoreError};
use crate::release::Ids;

/// A release of ours to be written.
#[derive(Clone, Debug)]
pub struct SharedRow<'a> {
    /// The release's id.
    pub id: &'a str,
    /// -1 = none.
    pub season: i64,
    /// -1 = none.
    pub episode: i64,
    /// IMDb number.
    pub imdb: Option<i64>,
    /// TMDb number.
    pub tmdb: Option<i64>,
    /// TheTVDB number.
    pub tvdb: Option<i64>,
    /// Of all of it, path included.
    pub digest: i64,
    /// Where the file is.
    pub path: &'a Path,
    /// The release.
    pub record: &'a [u8],
}

/// A stored release of ours.
#[derive(Clone, Debug)]
pub struct SharedFound {
    /// Row.
    pub row: i64,
    /// Number of the source.
    pub source: i64,
    /// The release's id.
    pub id: String,
    /// Where the file is.
    pub path: PathBuf,
    /// The release.
    pub record: Vec<u8>,
}

const COLUMNS: &str = "id, source, their_id, path, record";

fn found(row: &rusqlite::Row<'_>) -> rusqlite::Result<SharedFound> {
    Ok(SharedFound {
        row: row.get(0)?,
        source: row.get(1)?,
        id: row.get(2)?,
        path: PathBuf::from(OsString::from_vec(row.get(3)?)),
        record: row.get(4)?,
    })
}

impl Store {
    /// For each id: row and digest, if we share it.
    pub fn shared_known(
        &self,
        source: i64,
        ids: &[&str],
    ) -> Result<Vec<Option<(i64, i64)>>, StoreError> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT id, digest FROM shared WHERE source = ?1 AND their_id = ?2",
            )?;
            ids.iter()
                .map(|id| {
                    Ok(statement
                        .query_row((source, id), |row| Ok((row.get(0)?, row.get(1)?)))
                        .optional()?)
                })
                .collect()
        })
    }

    /// Inserts or updates releases of one source in one transaction, and moves the source's mark.
    /// Gives their rows, in order.
    pub fn write_shared(
        &self,
        source: i64,
        rows: &[SharedRow<'_>],
    ) -> Result<Vec<i64>, StoreError> {
        let mut writer = self.writer();
        let transaction = writer.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut ids = Vec::with_capacity(rows.len());
        let mut moved = 0i64;
        for row in rows {
            let known: Option<(i64, i64)> = transaction
                .prepare_cached(
                    "SELECT id, digest FROM shared WHERE source = ?1 AND their_id = ?2",
                )?
                .query_row((source, row.id), |row| Ok((row.get(0)?, row.get(1)?)))
                .optional()?;
            moved = moved
                .wrapping_add(row.digest)
                .wrapping_sub(known.map_or(0, |(_, digest)| digest));
            // A row that is there keeps its number: REPLACE with the same primary key.
            ids.push(
                transaction
                    .prepare_cached(
                        "REPLACE INTO shared (id, source, their_id, season, episode,
                         imdb, tmdb, tvdb, digest, path, record)
                         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
                    )?
                    .insert((
                        known.map(|(id, _)| id),
                        source,
                        row.id,
                        row.season,
                        row.episode,
                        row.imdb,
                        row.tmdb,
                        row.tvdb,
                        row.digest,
                        row.path.as_os_str().as_bytes(),
                        row.record,
                    ))?,
            );
        }
        move_mark(&transaction, source, moved)?;
        transaction.commit()?;
        Ok(ids)
    }

    /// Removes releases of one source by row, in one transaction, and moves the source's mark.
    pub fn remove_shared(&self, source: i64, rows: &[i64]) -> Result<(), StoreError> {
        let mut writer = self.writer();
        let transaction = writer.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut moved = 0i64;
        for row in rows {
            let digest: Option<i64> = transaction
                .prepare_cached(
                    "DELETE FROM shared WHERE id = ?1 AND source = ?2 RETURNING digest",
                )?
                .query_row((row, source), |row| row.get(0))
                .optional()?;
            moved = moved.wrapping_sub(digest.unwrap_or(0));
        }
        move_mark(&transaction, source, moved)?;
        transaction.commit()?;
        Ok(())
    }

    /// The highest row that a release of ours ever had.
    pub fn last_shared(&self) -> Result<i64, StoreError> {
        self.read(|connection| last_row(connection, "shared"))
    }

    /// Rows of a source up to row `last` for which `is_gone` holds.
    pub fn shared_where(
        &self,
        source: i64,
        last: i64,
        is_gone: &dyn Fn(i64) -> bool,
    ) -> Result<Vec<i64>, StoreError> {
        self.read(|connection| {
            let mut statement = connection
                .prepare_cached("SELECT id FROM shared WHERE source = ?1 AND id <= ?2")?;
            let mut rows = statement.query((source, last))?;
            let mut gone = Vec::new();
            while let Some(row) = rows.next()? {
                let id = row.get(0)?;
                if is_gone(id) {
                    gone.push(id);
                }
            }
            Ok(gone)
        })
    }

    /// Rows of a source's releases whose ids begin with `prefix`.
    pub fn shared_under(&self, source: i64, prefix: &str) -> Result<Vec<i64>, StoreError> {
        // Text is compared by its bytes, and no id has the last character of all.
        let end = format!("{prefix}{}", char::MAX);
        self.read(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT id FROM shared WHERE source = ?1 AND their_id >= ?2 AND their_id < ?3",
            )?;
            let rows = statement.query_map((source, prefix, end), |row| row.get(0))?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// How many releases a source has.
    pub fn shared_count(&self, source: i64) -> Result<u64, StoreError> {
        self.read(|connection| {
            Ok(connection
                .prepare_cached("SELECT count(*) FROM shared WHERE source = ?1")?
                .query_row([source], |row| row.get(0).map(unsigned))?)
        })
    }

    /// One release of ours.
    pub fn shared_by_id(&self, source: i64, id: &str) -> Result<Option<SharedFound>, StoreError> {
        self.read(|connection| {
            Ok(connection
                .prepare_cached(&format!(
                    "SELECT {COLUMNS} FROM shared WHERE source = ?1 AND their_id = ?2"
                ))?
                .query_row((source, id), found)
                .optional()?)
        })
    }

    /// The next releases of ours after row `after`, at most `limit`, that have one of `ids` (no id:
    /// all), and the season and episode where given.
    pub fn shared_page(
        &self,
        ids: &Ids,
        season: Option<u32>,
        episode: Option<u32>,
        after: i64,
        limit: u32,
    ) -> Result<Vec<SharedFound>, StoreError> {
        let mut values = vec![after, i64::from(limit)];
        let mut condition = String::new();
        let alternatives: Vec<String> =
            [("tmdb", ids.tmdb), ("imdb", ids.imdb), ("tvdb", ids.tvdb)]
                .into_iter()
                .filter_map(|(column, id)| {
                    values.push(i64::try_from(id?).unwrap_or(-1));
                    Some(format!("{column} = ?{}", values.len()))
                })
                .collect();
        if !alternatives.is_empty() {
            condition = format!("AND ({})", alternatives.join(" OR "));
        }
        for (column, number) in [("season", season), ("episode", episode)] {
            if let Some(number) = number {
                values.push(i64::from(number));
                condition += &format!(" AND {column} = ?{}", values.len());
            }
        }
        self.read(|connection| {
            let mut statement = connection.prepare_cached(&format!(
                "SELECT {COLUMNS} FROM shared WHERE id > ?1 {condition} ORDER BY id LIMIT ?2"
            ))?;
            let rows = statement.query_map(rusqlite::params_from_iter(values), found)?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// A number that differs when a source's releases do.
    pub fn shared_mark(&self, source: i64) -> Result<i64, StoreError> {
        self.read(|connection| {
            Ok(connection
                .prepare_cached("SELECT mark FROM origin WHERE n = ?1")?
                .query_row([source], |row| row.get(0))
                .optional()?
                .unwrap_or(0))
        })
    }
}

fn move_mark(
    transaction: &rusqlite::Transaction<'_>,
    source: i64,
    moved: i64,
) -> Result<(), StoreError> {
    if moved == 0 {
        return Ok(());
    }
    let mark: Option<i64> = transaction
        .prepare_cached("SELECT mark FROM origin WHERE n = ?1")?
        .query_row([source], |row| row.get(0))
        .optional()?;
    transaction
        .prepare_cached("UPDATE origin SET mark = ?2 WHERE n = ?1")?
        // In Rust, because SQLite's sum turns into a float where this wraps.
        .execute((source, mark.unwrap_or(0).wrapping_add(moved)))?;
    Ok(())
}
