//! Rows of what friends offer: `item`, `offer` and their words, kept in step with each other.
//!
//! The only writer of these tables. A batch is one short transaction; what it touches is settled
//! before it commits: an item's `friends` and `cats` are the union of its offers', it is found by
//! its words exactly while somebody offers it, and it keeps its place in the feed for ever.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Connection, OptionalExtension, Row, Transaction, TransactionBehavior};

use super::{Store, StoreError};
use crate::release::spellings::spellings;

/// Bits of an item id below its time: the beginning of its guid.
pub const TIE_BITS: u32 = 30;

/// Series titles that an item is found by. Friends rarely disagree about a name; this bounds what a
/// friend that invents one at each refresh can add.
const MAX_SERIES_TITLES: usize = 4;

/// What tells one offer of a friend from its others: an episode file of several episodes may come
/// once per episode under one id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OfferKey<'a> {
    /// The friend's id.
    pub their_id: &'a str,
    /// -1 = none.
    pub season: i64,
    /// -1 = none.
    pub episode: i64,
}

/// An offer to be written.
#[derive(Clone, Debug)]
pub struct OfferRow<'a> {
    /// Its key.
    pub key: OfferKey<'a>,
    /// Infohash of generation 0.
    pub guid: [u8; 20],
    /// Bytes, positive.
    pub size: i64,
    /// Unix seconds, below 2^33; used if the item is new.
    pub published: u64,
    /// Release title.
    pub title: &'a str,
    /// Series title.
    pub series: Option<&'a str>,
    /// Category bits.
    pub cats: i64,
    /// yyyymmdd, 0 = none.
    pub air: i64,
    /// IMDb number.
    pub imdb: Option<i64>,
    /// TMDb number.
    pub tmdb: Option<i64>,
    /// TheTVDB number.
    pub tvdb: Option<i64>,
    /// Of all of it.
    pub digest: i64,
    /// All of it.
    pub record: &'a [u8],
}

/// Which of a friend's offers are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// All.
    Everything,
    /// Those with this TMDb number.
    Tmdb(i64),
    /// Those with this IMDb number.
    Imdb(i64),
    /// Those of this series, perhaps season, perhaps episode.
    Tvdb(i64, Option<i64>, Option<i64>),
}

/// A stored offer.
#[derive(Clone, Debug)]
pub struct OfferFound {
    /// Row.
    pub id: i64,
    /// Friend's number.
    pub origin: i64,
    /// The friend's id of it.
    pub their_id: String,
    /// The release.
    pub record: Vec<u8>,
}

/// A stored item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ItemFound {
    /// Place in the feed; the time it was published, shifted by [`TIE_BITS`].
    pub id: i64,
    /// Infohash of generation 0.
    pub guid: [u8; 20],
    /// Bit n: friend n offers it.
    pub friends: i64,
    /// Category bits.
    pub cats: i64,
}

impl ItemFound {
    /// From columns `id, guid, friends, cats`.
    pub fn from_row(row: &Row<'_>) -> rusqlite::Result<ItemFound> {
        Ok(ItemFound {
            id: row.get(0)?,
            guid: row.get(1)?,
            friends: row.get(2)?,
            cats: row.get(3)?,
        })
    }

    /// Unix seconds.
    pub fn published(&self) -> u64 {
        unsigned(self.id >> TIE_BITS)
    }
}

impl Store {
    /// For each key: row and digest of the offer, if there is one.
    pub fn offers_known(
        &self,
        origin: i64,
        keys: &[OfferKey<'_>],
    ) -> Result<Vec<Option<(i64, i64)>>, StoreError> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT id, digest FROM offer
                 WHERE origin = ?1 AND their_id = ?2 AND season = ?3 AND episode = ?4",
            )?;
            keys.iter()
                .map(|key| {
                    Ok(statement
                        .query_row((origin, key.their_id, key.season, key.episode), |row| {
                            Ok((row.get(0)?, row.get(1)?))
                        })
                        .optional()?)
                })
                .collect()
        })
    }

    /// Inserts or updates offers of one friend in one transaction. Gives their rows, in order.
    pub fn write_offers(
        &self,
        origin: i64,
        rows: &[OfferRow<'_>],
        now: u64,
    ) -> Result<Vec<i64>, StoreError> {
        let mut writer = self.writer();
        let transaction = writer.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut batch = Batch::new(&transaction, now);
        let ids = rows
            .iter()
            .map(|row| batch.put(origin, row))
            .collect::<Result<Vec<_>, _>>()?;
        batch.finish()?;
        transaction.commit()?;
        Ok(ids)
    }

    /// Removes offers by row, in one transaction. True if any was there.
    pub fn remove_offers(&self, ids: &[i64], now: u64) -> Result<bool, StoreError> {
        let mut writer = self.writer();
        let transaction = writer.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut batch = Batch::new(&transaction, now);
        let mut removed = false;
        for id in ids {
            removed |= batch.remove(*id)?;
        }
        batch.finish()?;
        transaction.commit()?;
        Ok(removed)
    }

    /// The highest row that an offer ever had.
    pub fn last_offer(&self) -> Result<i64, StoreError> {
        self.read(|connection| last_row(connection, "offer"))
    }

    /// Rows of a friend's offers within `scope`, up to row `last`, for which `is_gone` holds.
    pub fn offers_where(
        &self,
        origin: i64,
        scope: Scope,
        last: i64,
        is_gone: &dyn Fn(i64) -> bool,
    ) -> Result<Vec<i64>, StoreError> {
        let (condition, values) = match scope {
            Scope::Everything => ("", vec![]),
            Scope::Tmdb(id) => ("AND tmdb = ?3", vec![id]),
            Scope::Imdb(id) => ("AND imdb = ?3", vec![id]),
            Scope::Tvdb(id, None, None) => ("AND tvdb = ?3", vec![id]),
            Scope::Tvdb(id, Some(season), None) => {
                ("AND tvdb = ?3 AND season = ?4", vec![id, season])
            }
            Scope::Tvdb(id, None, Some(episode)) => {
                ("AND tvdb = ?3 AND episode = ?4", vec![id, episode])
            }
            Scope::Tvdb(id, Some(season), Some(episode)) => (
                "AND tvdb = ?3 AND season = ?4 AND episode = ?5",
                vec![id, season, episode],
            ),
        };
        self.read(|connection| {
            let mut statement = connection.prepare_cached(&format!(
                "SELECT id FROM offer WHERE origin = ?1 AND id <= ?2 {condition}"
            ))?;
            let values: Vec<i64> = [origin, last].into_iter().chain(values).collect();
            let mut rows = statement.query(rusqlite::params_from_iter(values))?;
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

    /// How many offers a friend has.
    pub fn offer_count(&self, origin: i64) -> Result<u64, StoreError> {
        self.read(|connection| {
            Ok(connection
                .prepare_cached("SELECT count(*) FROM offer WHERE origin = ?1")?
                .query_row([origin], |row| row.get(0).map(unsigned))?)
        })
    }

    /// The item of a guid, also one that nobody offers any more.
    pub fn item(&self, guid: &[u8; 20]) -> Result<Option<ItemFound>, StoreError> {
        self.read(|connection| {
            Ok(connection
                .prepare_cached("SELECT id, guid, friends, cats FROM item WHERE guid = ?1")?
                .query_row([guid], ItemFound::from_row)
                .optional()?)
        })
    }

    /// Every offer of an item, friend by friend, lowest season and episode first.
    pub fn offers_of_item(&self, item: i64) -> Result<Vec<OfferFound>, StoreError> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT id, origin, their_id, record FROM offer
                 WHERE item = ?1 ORDER BY origin, season, episode",
            )?;
            let rows = statement.query_map([item], |row| {
                Ok(OfferFound {
                    id: row.get(0)?,
                    origin: row.get(1)?,
                    their_id: row.get(2)?,
                    record: row.get(3)?,
                })
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// Forgets items that nobody offered since `before`, and of the rest all but the newest `keep`.
    /// Writes nothing if there are none.
    pub fn purge_items(&self, before: u64, keep: u64) -> Result<u64, StoreError> {
        let (before, keep) = (signed(before), signed(keep));
        const CONDITION: &str = "gone_at < ?1 OR id IN (
            SELECT id FROM item WHERE gone_at IS NOT NULL ORDER BY gone_at DESC LIMIT -1 OFFSET ?2)";
        let any: bool = self.read(|connection| {
            Ok(connection
                .prepare_cached(&format!(
                    "SELECT EXISTS (SELECT 1 FROM item WHERE {CONDITION})"
                ))?
                .query_row((before, keep), |row| row.get(0))?)
        })?;
        if !any {
            return Ok(0);
        }
        let mut writer = self.writer();
        let transaction = writer.transaction()?;
        let purged = transaction.execute(
            &format!("DELETE FROM item WHERE {CONDITION}"),
            (before, keep),
        )?;
        transaction.execute("DELETE FROM tally WHERE items = 0", [])?;
        transaction.commit()?;
        Ok(purged as u64)
    }
}

/// SQLite's integers have a sign; our times and counts have not, and stay far below 2^63.
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// The other way.
pub(super) fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

/// The highest row that a table with AUTOINCREMENT ever had.
pub(super) fn last_row(connection: &Connection, table: &str) -> Result<i64, StoreError> {
    Ok(connection
        .prepare_cached("SELECT seq FROM sqlite_sequence WHERE name = ?1")?
        .query_row([table], |row| row.get(0))
        .optional()?
        .unwrap_or(0))
}

/// The words of an item, to be indexed at the end of a batch.
struct Doc {
    replaces: bool,
    title: String,
    series: Option<String>,
}

/// One transaction's changes.
struct Batch<'a> {
    transaction: &'a Transaction<'a>,
    now: i64,
    /// By item id: FTS5 writes a segment of its own for each row that is not above the last one.
    docs: BTreeMap<i64, Doc>,
    unsettled: BTreeSet<i64>,
}

impl<'a> Batch<'a> {
    fn new(transaction: &'a Transaction<'a>, now: u64) -> Batch<'a> {
        Batch {
            transaction,
            now: signed(now),
            docs: BTreeMap::new(),
            unsettled: BTreeSet::new(),
        }
    }

    fn put(&mut self, origin: i64, row: &OfferRow<'_>) -> Result<i64, StoreError> {
        let known: Option<(i64, i64)> = self
            .transaction
            .prepare_cached(
                "SELECT id, item FROM offer
                 WHERE origin = ?1 AND their_id = ?2 AND season = ?3 AND episode = ?4",
            )?
            .query_row(
                (origin, row.key.their_id, row.key.season, row.key.episode),
                |row| Ok((row.get(0)?, row.get(1)?)),
            )
            .optional()?;
        let item = self.join_item(origin, row)?;
        if let Some((id, old_item)) = known {
            self.transaction
                .prepare_cached(
                    "UPDATE offer SET item = ?2, air = ?3, cats = ?4, imdb = ?5, tmdb = ?6,
                     tvdb = ?7, digest = ?8, record = ?9 WHERE id = ?1",
                )?
                .execute((
                    id, item, row.air, row.cats, row.imdb, row.tmdb, row.tvdb, row.digest,
                    row.record,
                ))?;
            self.unsettled.insert(old_item);
            self.unsettled.insert(item);
            return Ok(id);
        }
        self.transaction
            .prepare_cached(
                "INSERT INTO offer (origin, their_id, item, season, episode, air, cats,
                 imdb, tmdb, tvdb, digest, record)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
            )?
            .insert((
                origin,
                row.key.their_id,
                item,
                row.key.season,
                row.key.episode,
                row.air,
                row.cats,
                row.imdb,
                row.tmdb,
                row.tvdb,
                row.digest,
                row.record,
            ))
            .map_err(StoreError::from)
    }

    fn remove(&mut self, id: i64) -> Result<bool, StoreError> {
        let item: Option<i64> = self
            .transaction
            .prepare_cached("DELETE FROM offer WHERE id = ?1 RETURNING item")?
            .query_row([id], |row| row.get(0))
            .optional()?;
        self.unsettled.extend(item);
        Ok(item.is_some())
    }

    /// The item of an offer, made if it is new, with the offer's bits added.
    fn join_item(&mut self, origin: i64, row: &OfferRow<'_>) -> Result<i64, StoreError> {
        let known = self
            .transaction
            .prepare_cached("SELECT id, friends, cats, series FROM item WHERE guid = ?1")?
            .query_row([&row.guid], |row| {
                Ok((
                    row.get::<_, i64>(0)?,
                    row.get::<_, i64>(1)?,
                    row.get::<_, i64>(2)?,
                    row.get::<_, Option<String>>(3)?,
                ))
            })
            .optional()?;
        let bit = 1i64 << origin;
        let Some((id, friends, cats, series)) = known else {
            let id = self.place(row)?;
            self.transaction
                .prepare_cached(
                    "INSERT INTO item (id, guid, size, friends, cats, series)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                )?
                .execute((id, &row.guid, row.size, bit, row.cats, row.series))?;
            self.index(id, false, row.title, row.series.map(str::to_owned));
            return Ok(id);
        };
        let was_gone = friends == 0;
        let longer = with_title(series.as_deref(), row.series);
        if was_gone || longer.is_some() {
            let series = longer.or(series);
            self.transaction
                .prepare_cached("UPDATE item SET series = ?2, gone_at = NULL WHERE id = ?1")?
                .execute((id, &series))?;
            self.index(id, !was_gone, row.title, series);
        }
        if friends & bit == 0 || cats & row.cats != row.cats {
            self.transaction
                .prepare_cached("UPDATE item SET friends = ?2, cats = ?3 WHERE id = ?1")?
                .execute((id, friends | bit, cats | row.cats))?;
        }
        Ok(id)
    }

    /// A free id at the place in the feed that time and guid give: newest first, then by guid.
    /// Two items of one second whose guids begin with the same 30 bits stand next to each other.
    fn place(&self, row: &OfferRow<'_>) -> Result<i64, StoreError> {
        let [a, b, c, d, ..] = row.guid;
        let tie = u32::from_be_bytes([a, b, c, d]) >> (32 - TIE_BITS);
        let inverted = i64::from(!tie) & ((1 << TIE_BITS) - 1);
        let published = (row.published.min((1 << 33) - 1) as i64) << TIE_BITS;
        let mut id = published | inverted;
        let mut taken = self
            .transaction
            .prepare_cached("SELECT 1 FROM item WHERE id = ?1")?;
        while taken.exists([id])? {
            id -= 1;
        }
        Ok(id)
    }

    fn index(&mut self, id: i64, replaces: bool, title: &str, series: Option<String>) {
        // What this batch is about to index for the first time replaces nothing.
        let replaces = self.docs.get(&id).map_or(replaces, |doc| doc.replaces);
        self.docs.insert(
            id,
            Doc {
                replaces,
                title: title.to_owned(),
                series,
            },
        );
    }

    /// Brings items in step with their offers, then writes the words in ascending order.
    fn finish(mut self) -> Result<(), StoreError> {
        for item in std::mem::take(&mut self.unsettled) {
            self.settle(item)?;
        }
        let mut delete = self
            .transaction
            .prepare_cached("DELETE FROM words WHERE rowid = ?1")?;
        let mut insert = self
            .transaction
            .prepare_cached("INSERT INTO words (rowid, title, series) VALUES (?1, ?2, ?3)")?;
        for (id, doc) in &self.docs {
            if doc.replaces {
                delete.execute([id])?;
            }
            insert.execute((id, &doc.title, found_by(doc)))?;
        }
        Ok(())
    }

    fn settle(&mut self, item: i64) -> Result<(), StoreError> {
        let (mut friends, mut cats) = (0i64, 0i64);
        {
            let mut statement = self
                .transaction
                .prepare_cached("SELECT origin, cats FROM offer WHERE item = ?1")?;
            let mut rows = statement.query([item])?;
            while let Some(row) = rows.next()? {
                friends |= 1i64 << row.get::<_, i64>(0)?;
                cats |= row.get::<_, i64>(1)?;
            }
        }
        if friends != 0 {
            self.transaction
                .prepare_cached(
                    "UPDATE item SET friends = ?2, cats = ?3
                     WHERE id = ?1 AND (friends <> ?2 OR cats <> ?3)",
                )?
                .execute((item, friends, cats))?;
            return Ok(());
        }
        self.transaction
            .prepare_cached(
                "UPDATE item SET friends = 0, cats = 0, series = NULL, gone_at = ?2 WHERE id = ?1",
            )?
            .execute((item, self.now))?;
        let is_indexed = self.docs.remove(&item).is_none_or(|doc| doc.replaces);
        if is_indexed {
            self.transaction
                .prepare_cached("DELETE FROM words WHERE rowid = ?1")?
                .execute([item])?;
        }
        Ok(())
    }
}

/// What an item is found by beside its title: series titles, and other spellings of all of them.
fn found_by(doc: &Doc) -> Option<String> {
    let series = doc.series.as_deref();
    let parts = [
        series.map(str::to_owned),
        spellings(&doc.title),
        series.and_then(spellings),
    ];
    let lines: Vec<String> = parts.into_iter().flatten().collect();
    (!lines.is_empty()).then(|| lines.join("\n"))
}

/// The series titles of an item with one more; `None` if nothing changes.
fn with_title(known: Option<&str>, title: Option<&str>) -> Option<String> {
    let title = title?;
    let Some(known) = known else {
        return Some(title.to_owned());
    };
    let mut lines = known.lines();
    if lines.any(|line| line == title) || known.lines().count() >= MAX_SERIES_TITLES {
        return None;
    }
    Some(format!("{known}\n{title}"))
}
