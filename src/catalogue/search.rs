//! A search as SQL. Pure: a [`Search`] and the friends that are visible in, statements out.
//!
//! Item ids are the order of every answer (see `item.id` in the schema), so that an answer is
//! a walk down one index that stops after a page:
//! - no criterion: down `item`;
//! - words: down the FTS5 matches, which SQLite gives by descending rowid;
//! - ids: the few items of `offer_imdb`, `offer_tmdb`, `offer_tvdb`;
//! - season or episode without words or ids: down `item`, asking `offer_item` for each.
//!
//! Id, season, episode and friend must hold for one and the same offer of an item, and that one
//! represents it. Sizes, categories and words are the item's.

use std::time::{SystemTime, UNIX_EPOCH};

use rusqlite::types::Value;

use super::categories;
use super::terms;
use super::{EpisodeWish, Search};
use crate::release::Category;
use crate::store::releases::TIE_BITS;

/// From this on a season is a year: no show has as many seasons, and daily shows are asked for by
/// year.
const FIRST_YEAR: u32 = 1900;

/// A part of a statement with the values of its `?`s.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sql {
    /// Text.
    pub text: String,
    /// Values in order.
    pub values: Vec<Value>,
}

impl Sql {
    fn push(&mut self, text: &str, values: impl IntoIterator<Item = Value>) {
        self.text.push_str(text);
        self.values.extend(values);
    }

    fn append(&mut self, other: &Sql) {
        self.push(&other.text, other.values.iter().cloned());
    }
}

/// A search, ready to be asked.
#[derive(Clone, Debug, PartialEq)]
pub struct Query {
    /// `FROM … WHERE …`, with `item.id` to be bounded.
    matching: Sql,
    /// ` AND …` on `offer o`: which offers of an item may represent it.
    offers: Sql,
    /// When nothing but friends and categories is asked for: how to count without walking.
    tally: Option<Sql>,
}

impl Query {
    /// Columns id, guid, friends, cats of the page of `limit` items that begins `skip` items after
    /// the first one whose id is below `below`.
    pub fn page(&self, below: i64, skip: u64, limit: u32) -> Sql {
        let mut sql = Sql::default();
        sql.push("SELECT item.id, item.guid, item.friends, item.cats ", []);
        sql.append(&self.matching);
        // On a walk over words the bound must be on their own rowid to be used.
        let id = self.id_column();
        // A bare `LIMIT ?` is part of the plan for SQLite: each new value would plan anew.
        sql.push(
            &format!(" AND {id} < ? ORDER BY {id} DESC LIMIT ? + 0 OFFSET ?"),
            [
                Value::Integer(below),
                Value::Integer(i64::from(limit)),
                Value::Integer(i64::try_from(skip).unwrap_or(i64::MAX)),
            ],
        );
        sql
    }

    /// One number: how many items match in all.
    pub fn count(&self) -> Sql {
        if let Some(tally) = &self.tally {
            return tally.clone();
        }
        let mut sql = Sql::default();
        sql.push("SELECT count(*) ", []);
        sql.append(&self.matching);
        sql
    }

    /// Columns their_id, record of the offer that represents an item. The first value is the item's
    /// id, to be set for each.
    pub fn representative(&self) -> Sql {
        let mut sql = Sql::default();
        sql.push(
            "SELECT o.their_id, o.record FROM offer o WHERE o.item = ?",
            [Value::Integer(0)],
        );
        sql.append(&self.offers);
        sql.push(" ORDER BY o.origin, o.season, o.episode LIMIT 1", []);
        sql
    }

    fn id_column(&self) -> &'static str {
        if self.matching.text.starts_with("FROM words") {
            "words.rowid"
        } else {
            "item.id"
        }
    }
}

/// The query of a search among the friends whose bits are set; `None` if nothing can match.
pub fn query(search: &Search, visible: i64) -> Option<Query> {
    if visible == 0 || (search.unknown_id && search.ids.is_empty()) {
        return None;
    }
    let ids = any_id(search);
    let episodes = episodes(search)?;
    let words = terms::expression(&search.words, search.year);

    let mut offers = Sql::default();
    offers.push(" AND (? >> o.origin) & 1", [Value::Integer(visible)]);
    if let Some(ids) = &ids {
        offers.push(" AND ", []);
        offers.append(ids);
    }
    offers.append(&episodes);

    let mut matching = Sql::default();
    match &words {
        Some(words) => matching.push(
            "FROM words CROSS JOIN item ON item.id = words.rowid WHERE words MATCH ?",
            [Value::Text(words.clone())],
        ),
        None => matching.push("FROM item WHERE 1", []),
    }
    if ids.is_some() {
        // The plus keeps SQLite from looking each id up among the words, one by one.
        let id = if words.is_some() {
            "+words.rowid"
        } else {
            "item.id"
        };
        matching.push(
            &format!(" AND {id} IN (SELECT o.item FROM offer o WHERE 1"),
            [],
        );
        matching.append(&offers);
        matching.push(")", []);
    } else if !episodes.text.is_empty() {
        matching.push(
            " AND EXISTS (SELECT 1 FROM offer o WHERE o.item = item.id",
            [],
        );
        matching.append(&offers);
        matching.push(")", []);
    }
    let kind = of_kind(search, visible)?;
    matching.append(&kind);
    let others = sizes_and_age(search)?;
    matching.append(&others);

    let is_plain =
        ids.is_none() && episodes.text.is_empty() && words.is_none() && others.text.is_empty();
    let tally = is_plain.then(|| {
        let mut sql = Sql::default();
        sql.push("SELECT coalesce(sum(items), 0) FROM tally WHERE 1", []);
        sql.append(&kind);
        sql
    });
    Some(Query {
        matching,
        offers,
        tally,
    })
}

/// One of the ids, on `offer o`. An id beyond 63 bits is nobody's.
fn any_id(search: &Search) -> Option<Sql> {
    let mut sql = Sql::default();
    for (column, id) in [
        ("imdb", search.ids.imdb),
        ("tmdb", search.ids.tmdb),
        ("tvdb", search.ids.tvdb),
    ] {
        if let Some(id) = id {
            let or = if sql.text.is_empty() { "(" } else { " OR " };
            let id = i64::try_from(id).unwrap_or(-1);
            sql.push(&format!("{or}o.{column} = ?"), [Value::Integer(id)]);
        }
    }
    if sql.text.is_empty() {
        return None;
    }
    sql.push(")", []);
    Some(sql)
}

/// Season and episode, on `offer o`; `None` if nothing can match.
fn episodes(search: &Search) -> Option<Sql> {
    let mut sql = Sql::default();
    let season = search.season;
    match (season, search.episode) {
        (season, Some(EpisodeWish::Day { month, day })) => {
            // A day without its year names nothing.
            let year = season.filter(|year| (FIRST_YEAR..10_000).contains(year))?;
            let air = i64::from(year) * 10_000 + i64::from(month) * 100 + i64::from(day);
            sql.push(" AND o.air = ?", [Value::Integer(air)]);
        }
        (Some(year), None) if (FIRST_YEAR..10_000).contains(&year) => {
            let year = i64::from(year);
            sql.push(
                " AND (o.season = ? OR o.air BETWEEN ? AND ?)",
                [
                    Value::Integer(year),
                    Value::Integer(year * 10_000),
                    Value::Integer(year * 10_000 + 9_999),
                ],
            );
        }
        (season, episode) => {
            if let Some(season) = season {
                sql.push(" AND o.season = ?", [Value::Integer(i64::from(season))]);
            }
            if let Some(EpisodeWish::Number(episode)) = episode {
                sql.push(" AND o.episode = ?", [Value::Integer(i64::from(episode))]);
            }
        }
    }
    Some(sql)
}

/// Friends, kind and categories, on the columns `friends` and `cats` of `item` or `tally`.
fn of_kind(search: &Search, visible: i64) -> Option<Sql> {
    let mut sql = Sql::default();
    sql.push(" AND friends & ?", [Value::Integer(visible)]);
    if let Some(kind) = search.kind {
        let bit = categories::bit(Category::number(kind));
        sql.push(" AND cats & ?", [Value::Integer(bit)]);
    }
    if !search.categories.is_empty() {
        let (cats, friends) = categories::requested(&search.categories);
        let friends = friends & visible;
        match (cats, friends) {
            (0, 0) => return None,
            (cats, 0) => sql.push(" AND cats & ?", [Value::Integer(cats)]),
            (0, friends) => sql.push(" AND friends & ?", [Value::Integer(friends)]),
            (cats, friends) => sql.push(
                " AND (cats & ? OR friends & ?)",
                [Value::Integer(cats), Value::Integer(friends)],
            ),
        }
    }
    Some(sql)
}

/// Size and age, on `item`; `None` if nothing can match.
fn sizes_and_age(search: &Search) -> Option<Sql> {
    let mut sql = Sql::default();
    if let Some(min) = search.min_size {
        let min = i64::try_from(min).ok()?;
        sql.push(" AND item.size >= ?", [Value::Integer(min)]);
    }
    if let Some(max) = search.max_size {
        let max = i64::try_from(max).unwrap_or(i64::MAX);
        sql.push(" AND item.size <= ?", [Value::Integer(max)]);
    }
    if let Some(after) = search.newer_than {
        let first = first_id_after(after)?;
        sql.push(" AND item.id >= ?", [Value::Integer(first)]);
    }
    Some(sql)
}

/// The lowest id of an item published after a time; `None` in the far future.
fn first_id_after(time: SystemTime) -> Option<i64> {
    let seconds = time
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs().saturating_add(1));
    i64::try_from(seconds)
        .ok()
        .filter(|seconds| *seconds < 1 << 33)
        .map(|seconds| seconds << TIE_BITS)
}
