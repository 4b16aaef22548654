//! A look at a database from outside: does it open, is it sound, how old is its schema. Changes
//! nothing, and may be done while a jackdaw runs on it.

use std::path::Path;

use rusqlite::OpenFlags;

use super::{FILE_NAME, MIGRATIONS, Store, StoreError, connect};

/// Versions of the schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schema {
    /// Of the file.
    pub found: u32,
    /// The newest that we know.
    pub known: u32,
}

impl Store {
    /// Opens the database in `data_dir`, which must be there, and checks its pages. Errors as for
    /// [`Store::open`].
    pub fn inspect(data_dir: &Path) -> Result<Schema, StoreError> {
        let connection = connect(&data_dir.join(FILE_NAME), OpenFlags::empty())?;
        let known = MIGRATIONS.len() as u32;
        let found: u32 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
        if found > known {
            return Err(StoreError::TooNew { found, known });
        }
        // One finding is enough; on a Pi with 100,000 releases this takes a second or two.
        let verdict: String =
            connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
        match verdict.as_str() {
            "ok" => Ok(Schema { found, known }),
            problem => Err(StoreError::Corrupt(problem.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_changes_nothing() {
        let dir = std::env::temp_dir().join(format!(
            "jackdaw-inspect-{}",
            crate::secret::random_hex::<8>()
        ));
        std::fs::create_dir_all(&dir).unwrap();
        assert!(Store::inspect(&dir).is_err(), "no database was made");
        assert!(!dir.join(FILE_NAME).exists());
        let known = MIGRATIONS.len() as u32;
        let store = Store::open(&dir).unwrap();
        let schema = |found| Schema { found, known };
        assert_eq!(Store::inspect(&dir).unwrap(), schema(known));
        let version = |number: u32| {
            store
                .writer()
                .pragma_update(None, "user_version", number)
                .unwrap();
        };
        version(0);
        assert_eq!(Store::inspect(&dir).unwrap(), schema(0));
        version(999);
        assert!(matches!(
            Store::inspect(&dir),
            Err(StoreError::TooNew { found: 999, .. })
        ));
        std::fs::remove_dir_all(dir).unwrap();
    }
}
