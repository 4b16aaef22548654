//! Rows of origins: the friends and sources that releases come from, with their numbers.
//!
//! A number is given when an origin is first configured and stays its own until its rows are gone
//! (`forget_origin`), so that a category that an arr has saved (100000 + n) never comes to mean
//! another friend while the old one is configured. Written only when something changes.

use rusqlite::OptionalExtension;

use super::releases::{signed, unsigned};
use super::{Store, StoreError};

/// Friends in the index: their numbers are bits of a signed 64-bit column, bit 0 is not used.
pub const MAX_FRIENDS: i64 = 62;

/// First number of a source.
const FIRST_SOURCE: i64 = 1000;

/// Which kind of origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OriginKind {
    /// Another jackdaw or jack.
    Friend,
    /// A library or folder of ours.
    Source,
}

impl OriginKind {
    fn as_str(self) -> &'static str {
        match self {
            OriginKind::Friend => "friend",
            OriginKind::Source => "source",
        }
    }
}

/// What is known about an origin from before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OriginRow {
    /// Its number.
    pub n: i64,
    /// Friend or source.
    pub kind: OriginKind,
    /// Peer id, or CONNECTOR part of our release ids.
    pub key: String,
    /// Of the friend's whole list as the index has it.
    pub etag: Option<String>,
    /// When the whole list was first read; Unix seconds.
    pub filled_at: Option<u64>,
    /// Last answer, at most an hour behind; Unix seconds.
    pub seen_at: Option<u64>,
}

impl Store {
    /// Every origin that has a number, configured or not.
    pub fn origins(&self) -> Result<Vec<OriginRow>, StoreError> {
        self.read(|connection| {
            let mut statement = connection
                .prepare("SELECT n, kind, key, etag, filled_at, seen_at FROM origin ORDER BY n")?;
            let rows = statement.query_map([], |row| {
                let kind: String = row.get(1)?;
                Ok(OriginRow {
                    n: row.get(0)?,
                    kind: if kind == "friend" {
                        OriginKind::Friend
                    } else {
                        OriginKind::Source
                    },
                    key: row.get(2)?,
                    etag: row.get(3)?,
                    filled_at: row.get::<_, Option<i64>>(4)?.map(unsigned),
                    seen_at: row.get::<_, Option<i64>>(5)?.map(unsigned),
                })
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// The number of an origin, given now if it has none: the next that was never used, or once
    /// those are used up the smallest free one. `None`: every friend's number is taken.
    pub fn origin_number(&self, kind: OriginKind, key: &str) -> Result<Option<i64>, StoreError> {
        let mut writer = self.writer();
        let transaction = writer.transaction()?;
        let known = transaction
            .query_row(
                "SELECT n FROM origin WHERE kind = ?1 AND key = ?2",
                [kind.as_str(), key],
                |row| row.get(0),
            )
            .optional()?;
        if known.is_some() {
            return Ok(known);
        }
        let mut taken = {
            let mut statement =
                transaction.prepare("SELECT n FROM origin WHERE kind = ?1 ORDER BY n")?;
            let rows = statement.query_map([kind.as_str()], |row| row.get::<_, i64>(0))?;
            rows.collect::<Result<Vec<_>, _>>()?
        };
        let (first, last) = match kind {
            OriginKind::Friend => (1, MAX_FRIENDS),
            OriginKind::Source => (FIRST_SOURCE, i64::MAX),
        };
        let next = taken.pop().map_or(first, |highest| highest + 1);
        let free = if next <= last {
            Some(next)
        } else {
            (first..last).find(|n| taken.binary_search(n).is_err())
        };
        if let Some(n) = free {
            transaction.execute(
                "INSERT INTO origin (n, kind, key) VALUES (?1, ?2, ?3)",
                (n, kind.as_str(), key),
            )?;
            transaction.commit()?;
        }
        Ok(free)
    }

    /// The whole list of an origin has been read.
    pub fn origin_filled(&self, n: i64, etag: Option<&str>, now: u64) -> Result<(), StoreError> {
        self.writer().execute(
            "UPDATE origin SET etag = ?2, filled_at = coalesce(filled_at, ?3), seen_at = ?3
             WHERE n = ?1",
            (n, etag, signed(now)),
        )?;
        Ok(())
    }

    /// The index differs from the list that the ETag stood for: the next refresh reads it all.
    pub fn forget_etag(&self, n: i64) -> Result<(), StoreError> {
        self.writer().execute(
            "UPDATE origin SET etag = NULL WHERE n = ?1 AND etag IS NOT NULL",
            [n],
        )?;
        Ok(())
    }

    /// The origin answered.
    pub fn origin_seen(&self, n: i64, now: u64) -> Result<(), StoreError> {
        self.writer().execute(
            "UPDATE origin SET seen_at = ?2 WHERE n = ?1",
            (n, signed(now)),
        )?;
        Ok(())
    }

    /// Frees the number of an origin whose releases have been removed.
    pub fn forget_origin(&self, n: i64) -> Result<(), StoreError> {
        self.writer()
            .execute("DELETE FROM origin WHERE n = ?1", [n])?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::testing::Home;

    #[test]
    fn numbers_survive_and_are_not_given_twice() {
        let home = Home::new();
        let number = |kind, key| home.store.origin_number(kind, key).unwrap();
        assert_eq!(number(OriginKind::Friend, "a"), Some(1));
        assert_eq!(number(OriginKind::Friend, "b"), Some(2));
        assert_eq!(number(OriginKind::Source, "a"), Some(1000));
        assert_eq!(number(OriginKind::Friend, "a"), Some(1));
        home.store.forget_origin(1).unwrap();
        assert_eq!(number(OriginKind::Friend, "c"), Some(3));
        home.reopen(|store| {
            assert_eq!(
                store.origin_number(OriginKind::Friend, "b").unwrap(),
                Some(2)
            );
        });
    }

    #[test]
    fn freed_numbers_are_used_when_no_new_one_is_left() {
        let home = Home::new();
        let number = |key: &str| home.store.origin_number(OriginKind::Friend, key).unwrap();
        for n in 1..=MAX_FRIENDS {
            assert_eq!(number(&format!("friend {n}")), Some(n));
        }
        assert_eq!(number("one too many"), None);
        home.store.forget_origin(7).unwrap();
        assert_eq!(number("one too many"), Some(7));
    }

    #[test]
    fn what_a_refresh_leaves_is_read_back() {
        let home = Home::new();
        let n = home
            .store
            .origin_number(OriginKind::Friend, "a")
            .unwrap()
            .unwrap();
        home.store.origin_filled(n, Some("\"e\""), 5).unwrap();
        home.store.origin_filled(n, Some("\"f\""), 9).unwrap();
        home.store.origin_seen(n, 11).unwrap();
        let row = home.store.origins().unwrap().remove(0);
        assert_eq!(row.etag.as_deref(), Some("\"f\""));
        assert_eq!((row.filled_at, row.seen_at), (Some(5), Some(11)));
        home.store.forget_etag(n).unwrap();
        assert_eq!(home.store.origins().unwrap()[0].etag, None);
    }
}
