//! Which generation the next stub of a release has, for the arr that asks.
//!
//! An arr that meets an infohash again whose grab has ended believes that it has imported it already,
//! so each ended grab moves the next stub one generation on (table `generation`, written where a grab
//! ends). While a grab is alive its own generation is handed out again, so that the arr
//! recognises what it is already downloading.

use rusqlite::params;

use super::{Store, StoreError};
use crate::torrent::stub::Infohash;

/// States in which a grab still stands for its release.
const ALIVE: &str = "('queued', 'downloading', 'waiting', 'paused', 'completed')";

impl Store {
    /// Generation of the stub that `arr` should get for the release with this hash of
    /// generation 0. With `None` (the owner's key, behind which any arr may be) it is the highest that any
    /// arr would get: no arr has ended a grab of that one.
    pub fn generation(&self, arr: Option<&str>, base: &Infohash) -> Result<u32, StoreError> {
        Ok(self.generations(arr, &[*base])?[0])
    }

    /// [`Store::generation`] of several releases, in the same order: a page of a feed at once.
    pub fn generations(
        &self,
        arr: Option<&str>,
        bases: &[Infohash],
    ) -> Result<Vec<u32>, StoreError> {
        // One statement for the whole page: SQLite plans an aggregate such as max() anew whenever
        // it comes out of the statement cache, which took half the time of a feed. And one
        // transaction: else the file is locked and unlocked for each release.
        self.read(|connection| {
            let transaction = connection.unchecked_transaction()?;
            match arr {
                Some(arr) => {
                    let mut statement = transaction.prepare_cached(&format!(
                        "SELECT coalesce(
                        (SELECT max(generation) FROM grab
                         WHERE base_hash = ?1 AND arr = ?2 AND state IN {ALIVE}),
                        (SELECT next FROM generation WHERE arr = ?2 AND base_hash = ?1),
                        0)"
                    ))?;
                    of_each(bases, |base| {
                        statement.query_row(params![base, arr], |row| row.get(0))
                    })
                }
                None => {
                    let mut statement = transaction.prepare_cached(&format!(
                        "SELECT coalesce(max(found), 0) FROM (
                        SELECT max(generation) AS found FROM grab
                        WHERE base_hash = ?1 AND state IN {ALIVE}
                        UNION ALL
                        SELECT max(next) FROM generation WHERE base_hash = ?1)"
                    ))?;
                    of_each(bases, |base| {
                        statement.query_row(params![base], |row| row.get(0))
                    })
                }
            }
        })
    }
}

fn of_each(
    bases: &[Infohash],
    mut find: impl FnMut(&str) -> rusqlite::Result<u32>,
) -> Result<Vec<u32>, StoreError> {
    let found = bases.iter().map(|base| find(&base.to_string()));
    Ok(found.collect::<Result<_, _>>()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::random_hex;

    fn grab(store: &Store, arr: &str, base: &Infohash, generation: u32, state: &str) {
        store
            .writer()
            .execute(
                "INSERT INTO grab (arr, infohash, base_hash, generation, stub, title, size,
                    peer_id, item_id, state, folder, position, added_at)
                 VALUES (?1, ?2, ?3, ?4, x'', 't', 1, '0a1b2c3d', 'i', ?5, 'f', 1, 1)",
                rusqlite::params![arr, random_hex::<20>(), base.to_string(), generation, state],
            )
            .unwrap();
    }

    fn ended(store: &Store, arr: &str, base: &Infohash, next: u32) {
        store
            .writer()
            .execute(
                "INSERT INTO generation (arr, base_hash, next) VALUES (?1, ?2, ?3)",
                rusqlite::params![arr, base.to_string(), next],
            )
            .unwrap();
    }

    #[test]
    fn a_live_grab_counts_before_ended_ones() {
        let dir = std::env::temp_dir().join(format!("jackdaw-generations-{}", random_hex::<8>()));
        std::fs::create_dir_all(&dir).unwrap();
        let store = Store::open(&dir).unwrap();
        let base = |n| Infohash([n; 20]);
        let check = |arr: Option<&str>, n, expected: u32| {
            let found = store.generation(arr, &base(n)).unwrap();
            assert_eq!(found, expected, "{arr:?} {n}");
        };
        // 1: never grabbed. 2: Radarr is downloading the second stub, Sonarr has ended four.
        grab(&store, "Radarr", &base(2), 0, "failed");
        grab(&store, "Radarr", &base(2), 1, "downloading");
        ended(&store, "Radarr", &base(2), 3);
        ended(&store, "Sonarr", &base(2), 4);
        // 3: imported, and alive in every other state for one arr each.
        grab(&store, "Radarr", &base(3), 6, "imported");
        for (index, state) in ["queued", "downloading", "waiting", "paused", "completed"]
            .iter()
            .enumerate()
        {
            grab(&store, state, &base(3), index as u32 + 1, state);
            check(Some(state), 3, index as u32 + 1);
        }
        check(Some("Radarr"), 1, 0);
        check(None, 1, 0);
        check(Some("Radarr"), 2, 1);
        check(Some("Sonarr"), 2, 4);
        check(Some("Lidarr"), 2, 0);
        check(None, 2, 4);
        check(Some("Radarr"), 3, 0);
        check(None, 3, 5);
        assert_eq!(
            store
                .generations(None, &[base(3), base(1), base(2)])
                .unwrap(),
            [5, 0, 4]
        );
        assert!(store.generations(None, &[]).unwrap().is_empty());
        std::fs::remove_dir_all(dir).unwrap();
    }

    /// A page asks a hundred times: with years of old grabs it must not walk a table each time.
    #[test]
    fn every_query_uses_an_index() {
        let dir = std::env::temp_dir().join(format!("jackdaw-generations-{}", random_hex::<8>()));
        std::fs::create_dir_all(&dir).unwrap();
        let store = Store::open(&dir).unwrap();
        let plan: Vec<String> = store
            .read(|connection| {
                let mut plan = Vec::new();
                for sql in [
                    format!("SELECT max(generation) FROM grab WHERE base_hash = 'b' AND arr = 'a' AND state IN {ALIVE}"),
                    format!("SELECT max(generation) FROM grab WHERE base_hash = 'b' AND state IN {ALIVE}"),
                    "SELECT max(next) FROM generation WHERE base_hash = 'b'".into(),
                ] {
                    let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}"))?;
                    let rows = statement.query_map([], |row| row.get::<_, String>(3))?;
                    for row in rows {
                        plan.push(row?);
                    }
                }
                Ok(plan)
            })
            .unwrap();
        assert!(
            plan.iter().all(|step| step.starts_with("SEARCH")),
            "{plan:?}"
        );
        std::fs::remove_dir_all(dir).unwrap();
    }
}
