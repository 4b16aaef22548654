//! Keys that we make: kept as SHA-256, revoked and never deleted, so that a refusal can say why.
//!
//! A key of an arr is made before the arr is told of it, because the arr tries it while it saves.
//! [`Store::remember_arr`] ends such a change in one transaction: what was saved where, and every
//! older key of that arr revoked. Comparing with the owner's key is [`crate::keys`]'s.

use rusqlite::{OptionalExtension, params};

use super::{Store, StoreError};
use crate::secret::{Secret, digest, random_hex};

/// Random bytes in a key: 128 bits, 32 hex digits. Radarr and Sonarr append it to addresses
/// unescaped, so it must be URL-safe.
const KEY_BYTES: usize = 16;

/// Whose key it was.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Caller {
    /// The owner's key: valid on every face.
    Owner,
    /// The key made for the arr of this title.
    Arr(String),
    /// A friend's key (or no more than a friend's rights).
    Friend(String),
}

impl Store {
    /// Makes a key for the arr of this title; it is valid at once. Its plain text exists nowhere else.
    pub fn make_arr_key(&self, title: &str, now_unix: u64) -> Result<Secret, StoreError> {
        let key = random_hex::<KEY_BYTES>();
        self.writer().execute(
            "INSERT INTO key (role, name, sha256, created_at) VALUES ('arr', ?1, ?2, ?3)",
            params![title, &digest(&key)[..], clamp(now_unix)],
        )?;
        Ok(Secret::new(key))
    }

    /// Stores what is remembered about a registration, and revokes every key of that arr except those in
    /// `keep` (digests). Nothing is written when nothing changes. Gives the number of revoked keys.
    pub fn remember_arr(
        &self,
        title: &str,
        memory: &str,
        keep: &[[u8; 32]],
        now_unix: u64,
    ) -> Result<usize, StoreError> {
        let mut writer = self.writer();
        let transaction = writer.transaction()?;
        transaction.execute(
            "INSERT INTO setting (name, value) VALUES (?1, ?2)
             ON CONFLICT (name) DO UPDATE SET value = excluded.value
             WHERE value <> excluded.value",
            [setting_name(title).as_str(), memory],
        )?;
        let live: Vec<(i64, [u8; 32])> = transaction
            .prepare_cached(
                "SELECT id, sha256 FROM key
                 WHERE role = 'arr' AND name = ?1 AND revoked_at IS NULL",
            )?
            .query_map([title], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<Result<_, _>>()?;
        let mut revoked = 0;
        for (id, digest) in live {
            if !keep.contains(&digest) {
                revoked += transaction.execute(
                    "UPDATE key SET revoked_at = ?2 WHERE id = ?1",
                    params![id, clamp(now_unix)],
                )?;
            }
        }
        transaction.commit()?;
        Ok(revoked)
    }

    /// As [`Store::remember_arr`], with every key left as it is.
    pub fn note_arr(&self, title: &str, memory: &str) -> Result<(), StoreError> {
        self.set_setting(&setting_name(title), memory)
    }

    /// What [`Store::remember_arr`] or [`Store::note_arr`] stored.
    pub fn remembered_arr(&self, title: &str) -> Result<Option<String>, StoreError> {
        self.setting(&setting_name(title))
    }

    /// Titles of the arrs that have a valid key.
    pub fn arrs_with_keys(&self) -> Result<Vec<String>, StoreError> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT DISTINCT name FROM key WHERE role = 'arr' AND revoked_at IS NULL",
            )?;
            let titles = statement.query_map([], |row| row.get(0))?;
            Ok(titles.collect::<Result<_, _>>()?)
        })
    }

    /// Forgets a registration and revokes all keys of that arr. Gives the number of revoked keys.
    pub fn forget_arr(&self, title: &str, now_unix: u64) -> Result<usize, StoreError> {
        let mut writer = self.writer();
        let transaction = writer.transaction()?;
        let name = setting_name(title);
        let is_known = transaction
            .query_row("SELECT 1 FROM setting WHERE name = ?1", [&name], |_| Ok(()))
            .optional()?
            .is_some();
        if is_known {
            transaction.execute("DELETE FROM setting WHERE name = ?1", [&name])?;
        }
        let revoked = transaction.execute(
            "UPDATE key SET revoked_at = ?2
             WHERE role = 'arr' AND name = ?1 AND revoked_at IS NULL",
            params![title, clamp(now_unix)],
        )?;
        transaction.commit()?;
        Ok(revoked)
    }

    /// Whose key has this digest; revoked keys are nobody's.
    pub fn key_owner(&self, digest: &[u8; 32]) -> Result<Option<Caller>, StoreError> {
        self.read(|connection| {
            Ok(connection
                .prepare_cached(
                    "SELECT role, name FROM key WHERE sha256 = ?1 AND revoked_at IS NULL",
                )?
                .query_row([&digest[..]], |row| {
                    let role: String = row.get(0)?;
                    let name: String = row.get(1)?;
                    Ok(if role == "arr" {
                        Caller::Arr(name)
                    } else {
                        Caller::Friend(name)
                    })
                })
                .optional()?)
        })
    }

    /// True when a key with this digest existed and was revoked.
    pub fn key_is_revoked(&self, digest: &[u8; 32]) -> Result<bool, StoreError> {
        self.read(|connection| {
            Ok(connection
                .prepare_cached("SELECT 1 FROM key WHERE sha256 = ?1 AND revoked_at IS NOT NULL")?
                .exists([&digest[..]])?)
        })
    }
}

fn setting_name(title: &str) -> String {
    format!("registration {title}")
}

/// SQLite's integers are signed.
fn clamp(now_unix: u64) -> i64 {
    i64::try_from(now_unix).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_live_until_another_takes_their_place() {
        let dir = std::env::temp_dir().join(format!("jackdaw-arr-keys-{}", random_hex::<8>()));
        std::fs::create_dir_all(&dir).unwrap();
        let store = Store::open(&dir).unwrap();
        let owner = |key: &Secret| store.key_owner(&digest(key.expose())).unwrap();
        let radarr = Some(Caller::Arr("Radarr".into()));
        let old = store.make_arr_key("Radarr", 1).unwrap();
        let new = store.make_arr_key("Radarr", 2).unwrap();
        let other = store.make_arr_key("Sonarr", 2).unwrap();
        assert_eq!(old.expose().len(), 32);
        assert!(old.expose().bytes().all(|byte| byte.is_ascii_hexdigit()));
        assert_eq!((owner(&old), owner(&new)), (radarr.clone(), radarr.clone()));

        let keep = [digest(new.expose())];
        assert_eq!(store.remember_arr("Radarr", "a", &keep, 3).unwrap(), 1);
        assert_eq!(store.remember_arr("Radarr", "b", &keep, 4).unwrap(), 0);
        assert_eq!((owner(&old), owner(&new)), (None, radarr));
        assert!(store.key_is_revoked(&digest(old.expose())).unwrap());
        assert_eq!(owner(&other), Some(Caller::Arr("Sonarr".into())));
        assert_eq!(
            store.remembered_arr("Radarr").unwrap().as_deref(),
            Some("b")
        );
        assert_eq!(store.remembered_arr("Sonarr").unwrap(), None);

        assert_eq!(store.forget_arr("Radarr", 5).unwrap(), 1);
        assert_eq!(store.remembered_arr("Radarr").unwrap(), None);
        assert_eq!(owner(&new), None);
        assert!(owner(&other).is_some());
        std::fs::remove_dir_all(dir).unwrap();
    }

    /// A round every ten minutes must not wake a disk.
    #[test]
    fn remembering_the_same_writes_nothing() {
        let dir = std::env::temp_dir().join(format!("jackdaw-arr-keys-{}", random_hex::<8>()));
        std::fs::create_dir_all(&dir).unwrap();
        let store = Store::open(&dir).unwrap();
        let key = store.make_arr_key("Radarr", 1).unwrap();
        let keep = [digest(key.expose())];
        store.remember_arr("Radarr", "a", &keep, 1).unwrap();
        let wal = dir.join(format!("{}-wal", super::super::FILE_NAME));
        let before = std::fs::metadata(&wal).unwrap().len();
        store.remember_arr("Radarr", "a", &keep, 2).unwrap();
        assert_eq!(std::fs::metadata(&wal).unwrap().len(), before);
        store.remember_arr("Radarr", "b", &keep, 2).unwrap();
        assert!(std::fs::metadata(&wal).unwrap().len() > before);
        drop(store);
        std::fs::remove_dir_all(dir).unwrap();
    }
}
