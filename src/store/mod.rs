//! The one SQLite database: opening, migrating, connections.
//!
//! WAL mode; one writer connection, had in the order of asking, and a few readers. Queries live in one file per
//! subject beside this one, as methods on [`Store`]. Migrations are embedded, forward only, each in
//! a transaction that also sets `user_version`; a database from a newer jackdaw is refused, and a
//! copy is made before migrating. Nothing here is written while bytes flow: the database changes
//! when a state changes.

mod generations;
mod grab_edits;
mod grab_lists;
mod grabs;
mod inspect;
mod keys;
pub mod labels;
pub mod origins;
mod queue;
pub mod releases;
pub mod shared;
mod words;

pub use grab_edits::QueueEdge;
pub use grabs::{Added, Change, NewRow};
pub use inspect::Schema;
pub use keys::Caller;

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, OptionalExtension};

use crate::budget::{Gate, Pass};

/// Name of the database in the data folder.
pub const FILE_NAME: &str = "jackdaw.db";

/// Reader connections: each costs its page cache, and more of them than processors only take turns.
const MAX_READERS: usize = 4;

/// How long a query waits for a reader before it opens one of its own: far longer than a query
/// takes.
const READER_PATIENCE: Duration = Duration::from_millis(200);

/// How long a writer waits for its turn before it tries to get in between: far longer than all that
/// can stand in line take.
const WRITER_PATIENCE: Duration = Duration::from_secs(600);

/// Page cache of a connection in KiB: a Pi serves from the kernel's cache anyway.
const CACHE_KIB: i64 = 512;

/// Every migration in order; its place + 1 is the `user_version` that it leaves behind.
const MIGRATIONS: &[(&str, &str)] = &[
    (
        "0001_state",
        include_str!("../../migrations/0001_state.sql"),
    ),
    (
        "0002_catalogue",
        include_str!("../../migrations/0002_catalogue.sql"),
    ),
];

/// Why the database did not do what was asked.
#[derive(Debug)]
pub enum StoreError {
    /// SQLite's own error, with what we were doing.
    Sqlite(rusqlite::Error),
    /// The file comes from a newer jackdaw.
    TooNew {
        /// Its schema version.
        found: u32,
        /// The newest that we know.
        known: u32,
    },
    /// The file is damaged or holds what it must not.
    Corrupt(String),
    /// The data folder or file cannot be used.
    Io(PathBuf, std::io::Error),
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StoreError::Sqlite(error) => write!(f, "database error: {error}"),
            StoreError::TooNew { found, known } => write!(
                f,
                "the database has schema version {found}, this jackdaw knows {known}: \
                 install the newer jackdaw again, or go back to the copy made before it migrated"
            ),
            StoreError::Corrupt(what) => write!(f, "the database is damaged: {what}"),
            StoreError::Io(path, error) => write!(f, "{}: {error}", path.display()),
        }
    }
}

impl std::error::Error for StoreError {}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> StoreError {
        use rusqlite::ErrorCode;
        match error.sqlite_error_code() {
            Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => {
                StoreError::Corrupt(error.to_string())
            }
            _ => StoreError::Sqlite(error),
        }
    }
}

/// The open database.
pub struct Store {
    path: PathBuf,
    writer: Mutex<Connection>,
    /// The line before the writer: a mutex alone lets whoever has just left in again at once, so
    /// that one who writes piece after piece would keep all others out until its end.
    writing: Arc<Gate>,
    readers: Mutex<Readers>,
    reader_returned: Condvar,
}

/// The connections that queries are run on.
#[derive(Default)]
struct Readers {
    idle: Vec<Connection>,
    lent: usize,
}

/// The writer while its holder has the turn.
pub(crate) struct Writer<'a> {
    // Dropped first: who is handed the turn finds the connection free.
    connection: MutexGuard<'a, Connection>,
    _turn: Option<Pass>,
}

impl Deref for Writer<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.connection
    }
}

impl DerefMut for Writer<'_> {
    fn deref_mut(&mut self) -> &mut Connection {
        &mut self.connection
    }
}

/// A reader while a query runs on it; goes back when dropped, also by an error.
struct Lease<'a> {
    store: &'a Store,
    connection: Option<Connection>,
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        let mut readers = self.store.readers();
        readers.lent -= 1;
        // Nobody knows in what state a panic left it.
        let is_sound = !std::thread::panicking();
        if readers.idle.len() < MAX_READERS && is_sound {
            readers.idle.extend(self.connection.take());
        }
        drop(readers);
        self.store.reader_returned.notify_one();
    }
}

impl Store {
    /// Opens or creates the database in `data_dir` (which must exist) and brings it up to date.
    pub fn open(data_dir: &Path) -> Result<Store, StoreError> {
        let path = data_dir.join(FILE_NAME);
        let mut writer = connect(&path, OpenFlags::SQLITE_OPEN_CREATE)?;
        writer.pragma_update(None, "journal_mode", "WAL")?;
        // FULL: a state change survives a power cut. There are few of them.
        writer.pragma_update(None, "synchronous", "FULL")?;
        migrate(&mut writer, &path)?;
        Ok(Store {
            path,
            writer: Mutex::new(writer),
            writing: Gate::new(1),
            readers: Mutex::default(),
            reader_returned: Condvar::new(),
        })
    }

    /// The writer, first come, first served; held for one short transaction at a time, never across
    /// network or file I/O.
    pub(crate) fn writer(&self) -> Writer<'_> {
        let turn = self.writing.enter(WRITER_PATIENCE);
        Writer {
            // A panic while the lock was held rolled its transaction back: the connection is sound.
            connection: self.writer.lock().unwrap_or_else(PoisonError::into_inner),
            _turn: turn,
        }
    }

    /// Runs a query on a reader connection: never waits for a writer. While all connections are
    /// lent it waits for one, but not for ever: a query inside a query would else wait for itself.
    pub(crate) fn read<T>(
        &self,
        query: impl FnOnce(&Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let deadline = Instant::now() + READER_PATIENCE;
        let mut readers = self.readers();
        let connection = loop {
            if let Some(connection) = readers.idle.pop() {
                break Some(connection);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if readers.lent < MAX_READERS || left.is_zero() {
                break None;
            }
            readers = self
                .reader_returned
                .wait_timeout(readers, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        };
        readers.lent += 1;
        drop(readers);
        let mut lease = Lease {
            store: self,
            connection,
        };
        let connection = match lease.connection.take() {
            Some(connection) => connection,
            None => connect(&self.path, OpenFlags::empty())?,
        };
        query(lease.connection.insert(connection))
    }

    fn readers(&self) -> MutexGuard<'_, Readers> {
        self.readers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A setting's value.
    pub fn setting(&self, name: &str) -> Result<Option<String>, StoreError> {
        self.read(|connection| {
            Ok(connection
                .prepare_cached("SELECT value FROM setting WHERE name = ?1")?
                .query_row([name], |row| row.get(0))
                .optional()?)
        })
    }

    /// Stores a setting.
    pub fn set_setting(&self, name: &str, value: &str) -> Result<(), StoreError> {
        self.writer().execute(
            "INSERT INTO setting (name, value) VALUES (?1, ?2)
             ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            [name, value],
        )?;
        Ok(())
    }
}

fn connect(path: &Path, extra: OpenFlags) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | extra;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(Duration::from_secs(5))?;
    connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    // Plans depend on no value. Without this SQLite plans a statement anew whenever another value
    // is bound that might matter, which cost half the time of a feed of a hundred items.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    // Sorting and temporary tables go to memory: an SD card must not see them.
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    Ok(connection)
}

fn migrate(connection: &mut Connection, path: &Path) -> Result<(), StoreError> {
    let known = MIGRATIONS.len() as u32;
    let found: u32 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    if found > known {
        return Err(StoreError::TooNew { found, known });
    }
    if found == known {
        return Ok(());
    }
    if found > 0 {
        let copy = path.with_extension(format!("db.before-{known}"));
        connection
            .backup("main", &copy, None::<fn(rusqlite::backup::Progress)>)
            .map_err(|error| {
                StoreError::Corrupt(format!("cannot copy it to {}: {error}", copy.display()))
            })?;
        log::info!("copied the database to {} before migrating", copy.display());
    }
    for (index, (name, sql)) in MIGRATIONS.iter().enumerate().skip(found as usize) {
        let transaction = connection.transaction()?;
        transaction.execute_batch(sql)?;
        transaction.pragma_update(None, "user_version", index as u32 + 1)?;
        transaction.commit()?;
        log::debug!("database migrated: {name}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::{digest, random_hex};

    fn scratch() -> PathBuf {
        let path = std::env::temp_dir().join(format!("jackdaw-store-{}", random_hex::<8>()));
        std::fs::create_dir_all(&path).unwrap();
        path
    }

    #[test]
    fn settings_survive_reopening() {
        let dir = scratch();
        Store::open(&dir).unwrap().set_setting("a", "1").unwrap();
        let store = Store::open(&dir).unwrap();
        assert_eq!(store.setting("a").unwrap().as_deref(), Some("1"));
        assert_eq!(store.setting("b").unwrap(), None);
        assert_eq!(store.key_owner(&digest("nobody")).unwrap(), None);
        std::fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn readers_are_shared_and_a_query_inside_queries_still_runs() {
        fn nested(store: &Store, depth: usize) -> i64 {
            store
                .read(|connection| {
                    if depth > 0 {
                        return Ok(nested(store, depth - 1));
                    }
                    Ok(connection.query_row("SELECT 7", [], |row| row.get(0))?)
                })
                .unwrap()
        }
        let dir = scratch();
        let store = Store::open(&dir).unwrap();
        assert_eq!(nested(&store, MAX_READERS + 1), 7);
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            store.read::<()>(|_| panic!("on purpose"))
        }));
        assert!(panicked.is_err());
        assert_eq!(nested(&store, 0), 7);
        let readers = store.readers();
        assert_eq!(readers.lent, 0);
        assert!(readers.idle.len() <= MAX_READERS);
        drop(readers);
        std::fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn a_newer_database_is_refused() {
        let dir = scratch();
        drop(Store::open(&dir).unwrap());
        let connection = Connection::open(dir.join(FILE_NAME)).unwrap();
        connection.pragma_update(None, "user_version", 999).unwrap();
        drop(connection);
        let error = Store::open(&dir).err().unwrap();
        assert!(
            matches!(error, StoreError::TooNew { found: 999, .. }),
            "{error}"
        );
        std::fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn a_corrupt_database_is_named() {
        let dir = scratch();
        std::fs::write(dir.join(FILE_NAME), [7u8; 4096]).unwrap();
        let error = Store::open(&dir).err().unwrap();
        assert!(matches!(error, StoreError::Corrupt(_)), "{error}");
        std::fs::remove_dir_all(dir).unwrap();
    }
}
