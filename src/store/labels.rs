//! Categories and tags, for each login its own.
//!
//! A login is an arr's title or the name that the owner logged in with; `None` stands for all of them
//! (the owner's view: the union, where the first login's save path is shown). Names are checked by the
//! caller; here only their number is bounded.

use rusqlite::{OptionalExtension, params};

use super::{Store, StoreError};

/// Categories, and tags, a login may have: an arr uses two; a client gone wild must not fill the disk.
pub const MAX_LABELS: u32 = 1000;

/// What became of a new label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Created {
    /// It is there now.
    New,
    /// It was there already; nothing changed.
    Exists,
    /// The login has [`MAX_LABELS`] already.
    Full,
}

impl Store {
    /// Name and save path of each category, by name.
    pub fn categories(&self, login: Option<&str>) -> Result<Vec<(String, String)>, StoreError> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT name, save_path, min(arr) FROM category
                 WHERE ?1 IS NULL OR arr = ?1 GROUP BY name ORDER BY name",
            )?;
            let rows = statement.query_map([login], |row| Ok((row.get(0)?, row.get(1)?)))?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// Whether the login has this category; names are compared exactly.
    pub fn has_category(&self, login: Option<&str>, name: &str) -> Result<bool, StoreError> {
        self.read(|connection| {
            Ok(connection
                .prepare_cached(
                    "SELECT 1 FROM category WHERE name = ?2 AND (?1 IS NULL OR arr = ?1) LIMIT 1",
                )?
                .query_row(params![login, name], |_| Ok(()))
                .optional()?
                .is_some())
        })
    }

    /// Adds a category.
    pub fn create_category(
        &self,
        login: &str,
        name: &str,
        save_path: &str,
    ) -> Result<Created, StoreError> {
        let mut writer = self.writer();
        let transaction = writer.transaction()?;
        let known = transaction
            .prepare_cached("SELECT 1 FROM category WHERE arr = ?1 AND name = ?2")?
            .query_row([login, name], |_| Ok(()))
            .optional()?;
        if known.is_some() {
            return Ok(Created::Exists);
        }
        let count: u32 = transaction
            .prepare_cached("SELECT count(*) FROM category WHERE arr = ?1")?
            .query_row([login], |row| row.get(0))?;
        if count >= MAX_LABELS {
            return Ok(Created::Full);
        }
        transaction.execute(
            "INSERT INTO category (arr, name, save_path) VALUES (?1, ?2, ?3)",
            [login, name, save_path],
        )?;
        transaction.commit()?;
        Ok(Created::New)
    }

    /// Changes a category's save path; false when it is unknown or already has this one.
    pub fn edit_category(
        &self,
        login: Option<&str>,
        name: &str,
        save_path: &str,
    ) -> Result<bool, StoreError> {
        let changed = self.writer().execute(
            "UPDATE category SET save_path = ?3
             WHERE name = ?2 AND (?1 IS NULL OR arr = ?1) AND save_path <> ?3",
            params![login, name, save_path],
        )?;
        Ok(changed > 0)
    }

    /// Removes a category; unknown ones are ignored. Grabs are the caller's business.
    pub fn remove_category(&self, login: Option<&str>, name: &str) -> Result<(), StoreError> {
        self.writer().execute(
            "DELETE FROM category WHERE name = ?2 AND (?1 IS NULL OR arr = ?1)",
            params![login, name],
        )?;
        Ok(())
    }

    /// Tags, by name.
    pub fn tags(&self, login: Option<&str>) -> Result<Vec<String>, StoreError> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT DISTINCT name FROM tag WHERE ?1 IS NULL OR arr = ?1 ORDER BY name",
            )?;
            let rows = statement.query_map([login], |row| row.get(0))?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// Adds tags, all or as many as fit; known ones are ignored.
    pub fn create_tags(&self, login: &str, names: &[String]) -> Result<Created, StoreError> {
        let mut writer = self.writer();
        let transaction = writer.transaction()?;
        let mut count: u32 = transaction
            .prepare_cached("SELECT count(*) FROM tag WHERE arr = ?1")?
            .query_row([login], |row| row.get(0))?;
        let mut outcome = Created::Exists;
        for name in names {
            if count >= MAX_LABELS {
                outcome = Created::Full;
                break;
            }
            let added = transaction
                .prepare_cached("INSERT OR IGNORE INTO tag (arr, name) VALUES (?1, ?2)")?
                .execute([login, name])?;
            if added > 0 {
                count += 1;
                outcome = Created::New;
            }
        }
        transaction.commit()?;
        Ok(outcome)
    }

    /// Removes tags; unknown ones are ignored. Grabs are the caller's business.
    pub fn remove_tags(&self, login: Option<&str>, names: &[String]) -> Result<(), StoreError> {
        let mut writer = self.writer();
        let transaction = writer.transaction()?;
        for name in names {
            transaction
                .prepare_cached("DELETE FROM tag WHERE name = ?2 AND (?1 IS NULL OR arr = ?1)")?
                .execute(params![login, name])?;
        }
        transaction.commit()?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::random_hex;

    fn with_store(test: impl FnOnce(&Store)) {
        let dir = std::env::temp_dir().join(format!("jackdaw-labels-{}", random_hex::<8>()));
        std::fs::create_dir_all(&dir).unwrap();
        test(&Store::open(&dir).unwrap());
        std::fs::remove_dir_all(dir).unwrap();
    }

    fn pair(name: &str, path: &str) -> (String, String) {
        (name.into(), path.into())
    }

    #[test]
    fn categories_belong_to_a_login() {
        with_store(|store| {
            assert_eq!(
                store.create_category("a", "tv", "/x").unwrap(),
                Created::New
            );
            assert_eq!(
                store.create_category("a", "tv", "/y").unwrap(),
                Created::Exists
            );
            assert_eq!(
                store.create_category("b", "tv", "/z").unwrap(),
                Created::New
            );
            assert_eq!(store.create_category("b", "TV", "").unwrap(), Created::New);
            assert_eq!(store.categories(Some("a")).unwrap(), [pair("tv", "/x")]);
            assert_eq!(
                store.categories(None).unwrap(),
                [pair("TV", ""), pair("tv", "/x")]
            );
            assert!(store.has_category(Some("b"), "TV").unwrap());
            assert!(!store.has_category(Some("a"), "TV").unwrap());
            assert!(store.has_category(None, "TV").unwrap());

            assert!(store.edit_category(Some("a"), "tv", "/n").unwrap());
            assert!(!store.edit_category(Some("a"), "tv", "/n").unwrap());
            assert!(!store.edit_category(Some("a"), "TV", "/n").unwrap());
            assert_eq!(
                store.categories(Some("b")).unwrap(),
                [pair("TV", ""), pair("tv", "/z")]
            );
            store.remove_category(Some("a"), "tv").unwrap();
            assert!(store.categories(Some("a")).unwrap().is_empty());
            store.remove_category(None, "tv").unwrap();
            assert_eq!(store.categories(None).unwrap(), [pair("TV", "")]);
        });
    }

    #[test]
    fn tags_belong_to_a_login() {
        with_store(|store| {
            let names = |names: &[&str]| -> Vec<String> {
                names.iter().map(|name| name.to_string()).collect()
            };
            let created = store.create_tags("a", &names(&["x", "y", "x"])).unwrap();
            assert_eq!(created, Created::New);
            assert_eq!(
                store.create_tags("b", &names(&["y"])).unwrap(),
                Created::New
            );
            assert_eq!(
                store.create_tags("b", &names(&["y"])).unwrap(),
                Created::Exists
            );
            assert_eq!(store.tags(Some("a")).unwrap(), ["x", "y"]);
            assert_eq!(store.tags(None).unwrap(), ["x", "y"]);
            store.remove_tags(Some("a"), &names(&["y", "q"])).unwrap();
            assert_eq!(store.tags(Some("a")).unwrap(), ["x"]);
            assert_eq!(store.tags(Some("b")).unwrap(), ["y"]);
        });
    }

    #[test]
    fn their_number_is_bounded() {
        with_store(|store| {
            let names: Vec<String> = (0..=MAX_LABELS).map(|n| format!("{n:04}")).collect();
            assert_eq!(store.create_tags("a", &names).unwrap(), Created::Full);
            assert_eq!(store.tags(Some("a")).unwrap().len(), MAX_LABELS as usize);
            {
                let mut writer = store.writer();
                let transaction = writer.transaction().unwrap();
                for name in &names[1..] {
                    transaction
                        .execute("INSERT INTO category VALUES ('a', ?1, '')", [name])
                        .unwrap();
                }
                transaction.commit().unwrap();
            }
            assert_eq!(
                store.create_category("a", "more", "").unwrap(),
                Created::Full
            );
            assert_eq!(
                store.create_category("a", "0001", "").unwrap(),
                Created::Exists
            );
            assert_eq!(
                store.create_category("b", "more", "").unwrap(),
                Created::New
            );
        });
    }
}
