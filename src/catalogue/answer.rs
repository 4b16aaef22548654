//! Answers from the index: a page of a search, and whom a stub is for.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use rusqlite::types::Value;

use super::origins::{Friend, Now};
use super::paging::{Revision, Seen};
use super::{Inner, Item, Origin, Page, Search, StubTarget, categories, record, search};
use crate::store::StoreError;
use crate::store::releases::{ItemFound, OfferFound};
use crate::torrent::stub::{self, Infohash};

/// How long one friend is asked whether it still has what a stub is for.
const STUB_TIMEOUT: Duration = Duration::from_secs(3);

/// How long friends are asked for one stub in all.
const STUB_PATIENCE: Duration = Duration::from_secs(5);

impl Inner {
    /// Visible friends, and the state of the index among them.
    pub(super) fn visible(&self, now: Now) -> Result<(i64, Revision), StoreError> {
        let visible = self.origins.visible(self.hide_after, now.unix);
        let appeared = {
            let mut state = self.state();
            let appeared = visible & !state.visible;
            if visible == state.visible {
                return Ok((visible, state.revision));
            }
            state.visible = visible;
            state.revision.changes += 1;
            appeared
        };
        let mut touched = 0;
        for friend in &self.origins.friends {
            if friend.bit() & appeared != 0 {
                touched += self.store.offer_count(friend.n)?;
            }
        }
        let mut state = self.state();
        state.revision.touched += touched;
        Ok((visible, state.revision))
    }

    /// A page of the index, as it is.
    pub(super) fn page(&self, search: &Search, now: Now) -> Result<Page, StoreError> {
        // The revision before the rows: rows that are newer than it only make a trail begin anew.
        let (visible, revision) = self.visible(now)?;
        let shown = match &search.peer_id {
            None => visible,
            Some(id) => {
                let friend = self.origins.friends.iter().find(|f| f.client.id() == id);
                visible & friend.map_or(0, |friend| friend.bit())
            }
        };
        let Some(query) = search::query(search, shown) else {
            return Ok(Page::default());
        };
        let key = trail_key(search);
        let mut start = self
            .trails()
            .start(&key, search.offset, revision, now.instant);
        if search.newer_than.is_some() {
            start.total = None;
        }
        let (found, items, counted) = self.store.read(|connection| {
            // One transaction: rows, their offers and their number belong together.
            let transaction = connection.unchecked_transaction()?;
            let page = query.page(start.below, start.skip, search.limit);
            let found = transaction
                .prepare_cached(&page.text)?
                .query_map(
                    rusqlite::params_from_iter(&page.values),
                    ItemFound::from_row,
                )?
                .collect::<Result<Vec<_>, _>>()?;
            let mut items = Vec::with_capacity(found.len());
            let mut of_item = query.representative();
            let mut representative = transaction.prepare_cached(&of_item.text)?;
            for row in &found {
                of_item.values[0] = Value::Integer(row.id);
                let mut offers =
                    representative.query(rusqlite::params_from_iter(&of_item.values))?;
                if let Some(offer) = offers.next()? {
                    let id = offer.get_ref(0)?.as_str().map_err(rusqlite::Error::from)?;
                    let record = offer.get_ref(1)?.as_blob().map_err(rusqlite::Error::from)?;
                    items.extend(item(row, visible, shown, id, record));
                }
            }
            drop(representative);
            let rows = found.len() as u64;
            let is_end = rows < u64::from(search.limit) && (rows > 0 || search.offset == 0);
            let counted = match start.total {
                Some(_) => None,
                // The last page of the answer shows where it ends.
                None if is_end => Some(search.offset.saturating_add(rows)),
                None => {
                    let count = query.count();
                    Some(
                        transaction
                            .prepare_cached(&count.text)?
                            .query_row(rusqlite::params_from_iter(&count.values), |row| {
                                row.get::<_, i64>(0).map(i64::unsigned_abs)
                            })?,
                    )
                }
            };
            Ok((found, items, counted))
        })?;
        let seen = Seen {
            offset: search.offset,
            limit: search.limit,
            found: found.len() as u64,
            ends: found.first().zip(found.last()).map(|(a, b)| (a.id, b.id)),
            counted,
        };
        let total = self.trails().seen(&key, start, seen);
        Ok(Page { items, total })
    }

    pub(super) fn stub_target(
        &self,
        guid: &Infohash,
        now: &dyn Fn() -> Now,
    ) -> Result<StubTarget, StoreError> {
        let Some(found) = self.store.item(&guid.0)? else {
            return Ok(StubTarget::Gone);
        };
        let deadline = now().instant + STUB_PATIENCE;
        let mut fallback = None;
        // A file of many episodes is many offers. What a friend has said of one id holds for all
        // with that id, and one that could not answer is not asked again.
        let mut gone: Vec<(i64, String)> = Vec::new();
        let mut silent = Vec::new();
        for (friend, offer) in self.ranked_offers(&found, now())? {
            let all = friend.bit() | found.friends;
            let Some(item) = item(&found, all, all, &offer.their_id, &offer.record) else {
                continue;
            };
            let target = StubTarget::Found(item, origin(&friend, &offer));
            if gone
                .iter()
                .any(|(n, id)| *n == friend.n && *id == offer.their_id)
            {
                self.store.remove_offers(&[offer.id], now().unix)?;
                self.changed(0);
                continue;
            }
            let left = deadline.saturating_duration_since(now().instant);
            if left.is_zero() || silent.contains(&friend.n) || !friend.may_be_asked(now().instant) {
                fallback.get_or_insert(target);
                continue;
            }
            match self.ask_item(&friend, &offer.their_id, left.min(STUB_TIMEOUT)) {
                Ok(Some(release)) if stub::base_hash(&release.title, release.size) == *guid => {
                    return Ok(target);
                }
                // Gone for good, or another file by now under the same id.
                Ok(_) => {
                    log::info!(
                        "friend {} no longer has {:?}",
                        friend.client.name(),
                        offer.their_id
                    );
                    self.store.remove_offers(&[offer.id], now().unix)?;
                    self.changed(0);
                    self.forget_etag(&friend)?;
                    gone.push((friend.n, offer.their_id));
                }
                Err(_) => {
                    fallback.get_or_insert(target);
                    silent.push(friend.n);
                }
            }
        }
        Ok(fallback.unwrap_or(StubTarget::Gone))
    }

    /// An item's offers, best friend first: one that answers, shown, and the quickest.
    pub(super) fn ranked_offers(
        &self,
        found: &ItemFound,
        now: Now,
    ) -> Result<Vec<(Arc<Friend>, OfferFound)>, StoreError> {
        let mut offers: Vec<_> = self
            .store
            .offers_of_item(found.id)?
            .into_iter()
            .filter_map(|offer| Some((Arc::clone(self.origins.friend(offer.origin)?), offer)))
            .collect();
        offers.sort_by_cached_key(|(friend, _)| {
            let is_hidden = !friend.is_visible(self.hide_after, now.unix);
            let is_alone = !friend.may_be_asked(now.instant);
            let state = friend.state();
            let is_down = state.is_up == Some(false);
            (is_hidden, is_alone, is_down, state.latency, friend.n)
        });
        Ok(offers)
    }
}

/// The category of friend number `n`.
pub(super) fn category(n: i64) -> u32 {
    // Numbers of friends are below 63.
    categories::FRIEND_BASE + u32::try_from(n).unwrap_or(0)
}

/// What pages of one search have in common. Not how old an item may be, which moves with the clock
/// and only moves the end; but whether there is such an end, for then the total is another one.
fn trail_key(search: &Search) -> String {
    let common = Search {
        newer_than: search.newer_than.map(|_| UNIX_EPOCH),
        offset: 0,
        limit: 0,
        ..search.clone()
    };
    format!("{common:?}")
}

pub(super) fn origin(friend: &Friend, offer: &OfferFound) -> Origin {
    let filename = record::decode(&offer.their_id, &offer.record).map(|release| release.filename);
    Origin {
        peer_id: friend.client.id().to_owned(),
        item_id: offer.their_id.clone(),
        filename: filename.unwrap_or_default(),
    }
}

/// An item as the feed shows it: `visible` friends are counted, those that are `shown` have their
/// category on it, for the indexer of one friend announces no other's. `None` for a record that
/// cannot be read: an older jackdaw wrote it, and the next refresh replaces it.
fn item(found: &ItemFound, visible: i64, shown: i64, id: &str, record: &[u8]) -> Option<Item> {
    let (release, facts) = record::decode_offer(id, record)?;
    let friends = found.friends & visible;
    let of_friends = (1..=62)
        .filter(|n| (friends & shown) >> n & 1 == 1)
        .map(category);
    Some(Item {
        guid: Infohash(found.guid),
        release,
        facts,
        published: found.published(),
        categories: categories::numbers(found.cats).chain(of_friends).collect(),
        seeders: friends.count_ones(),
    })
}
