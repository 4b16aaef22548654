//! Lists of grabs in two steps: first the ids, then the rows, some at a time.
//!
//! A login that has been here for years has ten thousand grabs of a KiB each, and several clients
//! may list them at once. Their ids are 8 bytes each and come out of an index; the rows are then
//! read as the list is written. Ids are given in the order of the adds and never again, so whatever
//! happens between two pieces, a list neither loses nor repeats a grab that stays. No read is held
//! open while a client takes its time. Live fields of a [`Grab`] are 0 here.

use rusqlite::types::Value;
use rusqlite::{Connection, params};

use super::grabs::{COLUMNS, filter, read_row};
use super::releases::unsigned;
use super::{Store, StoreError};
use crate::grab::{Grab, Scope};
use crate::torrent::stub::Infohash;

/// Rows of others that may lie between two wanted ones, on average, for all of them to be read in
/// one go: stepping over a row costs about a third of looking one up.
const MAX_GAPS: u64 = 3;

impl Store {
    /// Row ids of the grabs in scope, oldest first; `category` filters exactly.
    pub fn grab_ids(&self, scope: &Scope, category: Option<&str>) -> Result<Vec<i64>, StoreError> {
        let (filter, values) = filter(scope, category);
        // No ORDER BY: every one of these filters has an index that holds the ids, and numbers are
        // sorted here sooner than the rows themselves are read.
        self.read(|db| ids(db, &format!("SELECT id FROM grab WHERE {filter}"), values))
    }

    /// [`Store::grab_ids`], but of several grabs of one infohash (of different logins) only the
    /// oldest.
    pub fn grab_ids_by_hash(&self, scope: &Scope) -> Result<Vec<i64>, StoreError> {
        match scope {
            // A login has an infohash once.
            Scope::Arr(_) => self.grab_ids(scope, None),
            Scope::All => self.read(|db| {
                let query = "SELECT min(id) FROM grab GROUP BY infohash";
                ids(db, query, Vec::new())
            }),
        }
    }

    /// Row ids of the grabs in scope that have one of these infohashes, oldest first.
    pub fn grab_ids_of(&self, scope: &Scope, hashes: &[Infohash]) -> Result<Vec<i64>, StoreError> {
        self.read(|db| {
            let mut statement = db.prepare_cached(
                "SELECT id FROM grab WHERE infohash = ?1 AND (?2 IS NULL OR arr = ?2)",
            )?;
            let arr = match scope {
                Scope::All => None,
                Scope::Arr(arr) => Some(arr),
            };
            let mut found = Vec::new();
            for hash in hashes {
                let mut rows = statement.query(params![hash.to_string(), arr])?;
                while let Some(row) = rows.next()? {
                    found.push(row.get(0)?);
                }
            }
            found.sort_unstable();
            found.dedup();
            Ok(found)
        })
    }

    /// The grabs with these row ids, in this order; those that are gone are left out.
    pub fn grabs_by_id(&self, ids: &[i64]) -> Result<Vec<Grab>, StoreError> {
        let (Some(first), Some(last)) = (ids.first(), ids.last()) else {
            return Ok(Vec::new());
        };
        let is_ascending = ids.windows(2).all(|pair| pair[0] < pair[1]);
        let span = last.abs_diff(*first);
        self.read(
            |db| match is_ascending && span < MAX_GAPS * ids.len() as u64 {
                true => between(db, *first, *last, ids),
                false => one_by_one(db, ids),
            },
        )
    }

    /// Number of grabs in scope.
    pub fn grab_count(&self, scope: &Scope) -> Result<u64, StoreError> {
        let (filter, values) = filter(scope, None);
        self.read(|db| {
            let mut statement =
                db.prepare_cached(&format!("SELECT count(*) FROM grab WHERE {filter}"))?;
            let values = rusqlite::params_from_iter(values);
            Ok(statement
                .query_row(values, |row| row.get(0))
                .map(unsigned)?)
        })
    }
}

/// Rows of a table with few gaps between the wanted ones: they lie side by side.
fn between(
    connection: &Connection,
    first: i64,
    last: i64,
    wanted: &[i64],
) -> Result<Vec<Grab>, StoreError> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM grab WHERE id BETWEEN ?1 AND ?2 ORDER BY id"
    ))?;
    let mut rows = statement.query([first, last])?;
    let mut grabs = Vec::with_capacity(wanted.len());
    while let Some(row) = rows.next()? {
        if wanted.binary_search(&row.get(0)?).is_ok() {
            grabs.push(read_row(row)?);
        }
    }
    Ok(grabs)
}

fn one_by_one(connection: &Connection, ids: &[i64]) -> Result<Vec<Grab>, StoreError> {
    let mut statement =
        connection.prepare_cached(&format!("SELECT {COLUMNS} FROM grab WHERE id = ?1"))?;
    let mut grabs = Vec::with_capacity(ids.len());
    for id in ids {
        let mut rows = statement.query([id])?;
        if let Some(row) = rows.next()? {
            grabs.push(read_row(row)?);
        }
    }
    Ok(grabs)
}

/// The ids that a query gives, in ascending order.
fn ids(connection: &Connection, query: &str, values: Vec<Value>) -> Result<Vec<i64>, StoreError> {
    let mut statement = connection.prepare_cached(query)?;
    let rows = statement.query_map(rusqlite::params_from_iter(values), |row| row.get(0))?;
    let mut ids: Vec<i64> = rows.collect::<Result<_, _>>()?;
    ids.sort_unstable();
    Ok(ids)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::random_hex;

    /// A store with grabs of (login, first byte of the infohash, category), ids from 1.
    fn with_grabs(grabs: &[(&str, u8, &str)], test: impl FnOnce(&Store)) {
        let dir = std::env::temp_dir().join(format!("jackdaw-lists-{}", random_hex::<8>()));
        std::fs::create_dir_all(&dir).unwrap();
        let store = Store::open(&dir).unwrap();
        for (arr, seed, category) in grabs {
            let hash = Infohash([*seed; 20]).to_string();
            store
                .writer()
                .execute(
                    "INSERT INTO grab (arr, infohash, base_hash, generation, stub, title, size,
                        peer_id, item_id, category, state, folder, position, added_at)
                     VALUES (?1, ?2, ?2, 0, x'', 'T', 1, 'p', 'i', ?3, 'completed', 'T', 1, 0)",
                    params![arr, hash, category],
                )
                .unwrap();
        }
        test(&store);
        drop(store);
        std::fs::remove_dir_all(&dir).unwrap();
    }

    fn arr(name: &str) -> Scope {
        Scope::Arr(name.into())
    }

    #[test]
    fn ids_are_those_in_scope_in_the_order_of_the_adds() {
        // The infohashes descend, so that the order of an index would show.
        let grabs = [
            ("a", 9, "x"),
            ("b", 9, "x"),
            ("a", 8, ""),
            ("b", 7, "y"),
            ("a", 6, "x"),
        ];
        with_grabs(&grabs, |store| {
            let check = |scope: &Scope, category, expected: &[i64]| {
                let ids = store.grab_ids(scope, category).unwrap();
                assert_eq!(ids, expected, "{scope:?} {category:?}");
                let grabs = store.grabs(scope, category).unwrap();
                assert!(grabs.iter().map(|grab| grab.id).eq(ids));
            };
            check(&Scope::All, None, &[1, 2, 3, 4, 5]);
            check(&arr("a"), None, &[1, 3, 5]);
            check(&Scope::All, Some("x"), &[1, 2, 5]);
            check(&arr("a"), Some("x"), &[1, 5]);
            check(&arr("a"), Some(""), &[3]);
            check(&arr("a"), Some("X"), &[]);
            check(&arr("c"), None, &[]);
            assert_eq!(store.grab_count(&Scope::All).unwrap(), 5);
            assert_eq!(store.grab_count(&arr("a")).unwrap(), 3);
            // One hash of two logins counts once, and the oldest has it.
            let by_hash = |scope| store.grab_ids_by_hash(&scope).unwrap();
            assert_eq!(by_hash(Scope::All), [1, 3, 4, 5]);
            assert_eq!(by_hash(arr("b")), [2, 4]);
        });
    }

    #[test]
    fn hashes_and_ids_that_are_not_there_are_left_out() {
        let grabs = [("a", 1, ""), ("b", 1, ""), ("a", 2, "")];
        with_grabs(&grabs, |store| {
            let hashes = [2, 7, 1, 2].map(|seed| Infohash([seed; 20]));
            let of = |scope| store.grab_ids_of(&scope, &hashes).unwrap();
            assert_eq!(of(Scope::All), [1, 2, 3]);
            assert_eq!(of(arr("a")), [1, 3]);
            assert_eq!(of(arr("c")), [0; 0]);
            for (ids, expected) in [
                (&[][..], &[][..]),
                (&[2], &[2]),
                (&[1, 3], &[1, 3]),
                (&[1, 2, 3, 4, 5], &[1, 2, 3]),
                (&[3, 99, 1, -1], &[3, 1]),
                (&[2, 1000], &[2]),
                (&[i64::MIN, 3, i64::MAX], &[3]),
            ] {
                let rows = store.grabs_by_id(ids).unwrap();
                let found: Vec<i64> = rows.iter().map(|grab| grab.id).collect();
                assert_eq!(found, expected, "{ids:?}");
            }
        });
    }
}
