//! Asking friends while an arr waits: searches by id, first lists, and whether a stub's release is
//! still there.
//!
//! Each question to each friend runs on a thread of its own, which writes the differences to the
//! index itself; the search waits for them up to [`PATIENCE`] and then answers from the index,
//! whoever has answered by then. A thread that comes later still has its answer written. The same
//! question is not asked twice at a time, nor again within [`FRESH`] of an answer, and a friend that
//! failed is left alone for a minute, so that an arr never waits twice for the same dead server.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::origins::{Friend, Now};
use super::scan::Scan;
use super::{EpisodeWish, Inner, Search};
use crate::peer::client::{PeerError, PeerQuery, SearchOutcome};
use crate::release::Ids;
use crate::store::StoreError;
use crate::store::releases::Scope;

/// How long a search waits for friends. Sonarr and Radarr give up after 100 s, but a person may be
/// looking.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// How long an answer holds: the pages of one search, and the several searches that an arr makes
/// for one title, ask once.
pub const FRESH: Duration = Duration::from_secs(60);

/// Questions under way at once; a search beyond that is answered from the index alone.
pub const MAX_UNDER_WAY: usize = 16;

/// Answers remembered as fresh; the oldest goes.
pub const MAX_ANSWERS: usize = 512;

/// Releases taken from one answer. The longest running series has some 10,000 episodes; an answer
/// beyond this is not one to a question by id.
pub const MAX_ITEMS: u64 = 20_000;

/// A question's thread does little but wait; TLS needs some of this.
const STACK: usize = 512 * 1024;

/// One question to one friend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Question {
    friend: i64,
    query: PeerQuery,
}

#[derive(Default)]
struct Table {
    under_way: Vec<Question>,
    /// Oldest first.
    answered: Vec<(Question, Instant)>,
    /// Numbers of friends whose whole list is being read.
    refreshing: Vec<i64>,
}

/// What is being asked right now, and what was just answered.
#[derive(Default)]
pub struct Traffic {
    table: Mutex<Table>,
    changed: Condvar,
}

impl Traffic {
    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// True if the caller is to ask: nobody else does, the last answer is old, and there is room.
    fn begin(&self, question: Question, now: Instant) -> bool {
        let mut table = self.lock();
        table
            .answered
            .retain(|(_, at)| now.saturating_duration_since(*at) < FRESH);
        let is_known = table.under_way.contains(&question)
            || table.answered.iter().any(|(known, _)| *known == question);
        if is_known || table.under_way.len() >= MAX_UNDER_WAY {
            return false;
        }
        table.under_way.push(question);
        true
    }

    fn end(&self, question: Question, is_answered: bool, now: Instant) {
        let mut table = self.lock();
        table.under_way.retain(|known| *known != question);
        if is_answered {
            if table.answered.len() >= MAX_ANSWERS {
                table.answered.remove(0);
            }
            table.answered.push((question, now));
        }
        drop(table);
        self.changed.notify_all();
    }

    /// The whole list of a friend is being read until the guard is dropped; `None` if it is already.
    pub fn begin_refresh(self: &Arc<Traffic>, friend: i64) -> Option<Refreshing> {
        let mut table = self.lock();
        if table.refreshing.contains(&friend) {
            return None;
        }
        table.refreshing.push(friend);
        Some(Refreshing {
            traffic: Arc::clone(self),
            friend,
        })
    }

    /// Waits until `is_done` holds of the table, or the deadline has passed.
    fn wait(&self, deadline: Instant, is_done: impl Fn(&Table) -> bool) {
        let mut table = self.lock();
        while !is_done(&table) {
            let Some(left) = deadline.checked_duration_since(Instant::now()) else {
                return;
            };
            table = self
                .changed
                .wait_timeout(table, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }
}

/// Ends a refresh when dropped, also by a panic.
pub struct Refreshing {
    traffic: Arc<Traffic>,
    friend: i64,
}

impl Drop for Refreshing {
    fn drop(&mut self) {
        let friend = self.friend;
        self.traffic
            .lock()
            .refreshing
            .retain(|known| *known != friend);
        self.traffic.changed.notify_all();
    }
}

/// Ends a question when dropped: unanswered unless told otherwise.
struct Asking {
    inner: Arc<Inner>,
    question: Question,
    is_answered: bool,
}

impl Drop for Asking {
    fn drop(&mut self) {
        self.inner
            .traffic
            .end(self.question, self.is_answered, Instant::now());
    }
}

/// The questions of a search: one id each, for the protocol takes one.
pub fn questions(search: &Search) -> Vec<PeerQuery> {
    let Ids { tmdb, imdb, tvdb } = search.ids;
    // A daily show is numbered by the friend, but asked for by date: the whole series is looked at.
    let is_by_date = matches!(search.episode, Some(EpisodeWish::Day { .. }))
        || search.season.is_some_and(|season| season >= 1900);
    let season = search.season.filter(|_| !is_by_date);
    let episode = match search.episode {
        Some(EpisodeWish::Number(episode)) if !is_by_date => Some(episode),
        _ => None,
    };
    [
        tmdb.map(PeerQuery::Tmdb),
        imdb.map(PeerQuery::Imdb),
        tvdb.map(|id| PeerQuery::Tvdb(id, season, episode)),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// What an answer stands for in the index; `None` for ids that no index holds.
fn scope(query: PeerQuery) -> Option<Scope> {
    let signed = |id: u64| i64::try_from(id).ok();
    Some(match query {
        PeerQuery::Everything => Scope::Everything,
        PeerQuery::Tmdb(id) => Scope::Tmdb(signed(id)?),
        PeerQuery::Imdb(id) => Scope::Imdb(signed(id)?),
        PeerQuery::Tvdb(id, season, episode) => {
            Scope::Tvdb(signed(id)?, season.map(i64::from), episode.map(i64::from))
        }
    })
}

impl Inner {
    /// Asks friends what a search by id wants to know, and waits for them.
    pub(super) fn ask_friends(self: &Arc<Inner>, search: &Search, patience: Duration) {
        let deadline = Instant::now() + patience;
        let mut asked = Vec::new();
        for friend in self.friends_of(search) {
            if !friend.may_be_asked(Instant::now()) {
                continue;
            }
            for query in questions(search) {
                let question = Question {
                    friend: friend.n,
                    query,
                };
                // Whether we ask it or another search does: its answer is waited for.
                asked.push(question);
                self.ask(friend, question, deadline);
            }
        }
        self.traffic.wait(deadline, |table| {
            !table.under_way.iter().any(|q| asked.contains(q))
        });
    }

    fn friends_of<'a>(&'a self, search: &'a Search) -> impl Iterator<Item = &'a Arc<Friend>> {
        self.origins.friends.iter().filter(|friend| {
            search
                .peer_id
                .as_deref()
                .is_none_or(|id| id == friend.client.id())
        })
    }

    fn ask(self: &Arc<Inner>, friend: &Arc<Friend>, question: Question, deadline: Instant) {
        let Some(scope) = scope(question.query) else {
            return;
        };
        if !self.traffic.begin(question, Instant::now()) {
            return;
        }
        let asking = Asking {
            inner: Arc::clone(self),
            question,
            is_answered: false,
        };
        let friend = Arc::clone(friend);
        let thread = std::thread::Builder::new()
            .name("live-search".into())
            .stack_size(STACK)
            .spawn(move || {
                // The whole guard moves in, not its fields one by one.
                let mut asking = asking;
                let inner = Arc::clone(&asking.inner);
                match inner.read_answer(&friend, question.query, scope, deadline) {
                    Ok(()) => asking.is_answered = true,
                    Err(LiveError::Peer(error)) => {
                        log::debug!("live search: {error}");
                        friend.state().alone_until =
                            Some(Instant::now() + super::origins::LEFT_ALONE);
                    }
                    Err(LiveError::Store(error)) => {
                        log::error!("live search of {}: {error}", friend.client.name());
                    }
                }
            });
        if let Err(error) = thread {
            log::warn!("cannot ask friends, the index answers alone: {error}");
        }
    }

    fn read_answer(
        &self,
        friend: &Friend,
        query: PeerQuery,
        scope: Scope,
        deadline: Instant,
    ) -> Result<(), LiveError> {
        let began = Instant::now();
        let left = || deadline.saturating_duration_since(Instant::now());
        let is_up = friend.state().is_up == Some(true);
        if !is_up {
            let handshake = friend.client.handshake(left())?;
            friend.came_up(&handshake);
        }
        let on_write = |touched| self.changed(touched);
        let mut scan = Scan::of_friend(&self.store, friend.n, scope, Now::read().unix, &on_write)?;
        let mut items = 0u64;
        let outcome = friend.client.search(query, None, left(), &mut |release| {
            items += 1;
            if items <= MAX_ITEMS {
                scan.see(release, None);
            }
        });
        let changes = match outcome {
            Ok(SearchOutcome::Complete { .. }) if items <= MAX_ITEMS => scan.finish()?,
            Ok(_) => scan.abandon()?,
            Err(error) => {
                let changes = scan.abandon()?;
                if changes.written > 0 {
                    self.forget_etag(friend)?;
                }
                return Err(error.into());
            }
        };
        friend.answered(&self.store, Some(began.elapsed()), Now::read());
        if changes.written + changes.removed > 0 {
            self.forget_etag(friend)?;
        }
        Ok(())
    }

    /// The index no longer holds the list that the friend's ETag stood for.
    pub(super) fn forget_etag(&self, friend: &Friend) -> Result<(), StoreError> {
        let had_one = friend.state().etag.take().is_some();
        if had_one {
            self.store.forget_etag(friend.n)?;
        }
        Ok(())
    }

    /// Reads the lists of friends that never gave one, and waits a while for them: the first
    /// search after an installation is an arr's test, which wants at least one item.
    pub(super) fn fill_first(self: &Arc<Inner>, search: &Search, patience: Duration) {
        let deadline = Instant::now() + patience;
        let mut waited = Vec::new();
        for friend in self.friends_of(search) {
            let is_waited_for = {
                let state = friend.state();
                // After a failure it is the scheduler's to try again: searches stay quick.
                !state.is_filled && state.error.is_none()
            };
            if !is_waited_for {
                continue;
            }
            let is_refreshing = self.traffic.lock().refreshing.contains(&friend.n);
            if !is_refreshing && !self.start_filling(friend) {
                continue;
            }
            waited.push(Arc::clone(friend));
        }
        self.traffic.wait(deadline, |table| {
            !waited
                .iter()
                .any(|friend| table.refreshing.contains(&friend.n))
        });
    }

    /// Reads a friend's list on a thread of its own. True once it has begun.
    fn start_filling(self: &Arc<Inner>, friend: &Arc<Friend>) -> bool {
        let (inner, friend) = (Arc::clone(self), Arc::clone(friend));
        // Entered here and not by the thread, so that whoever waits sees that it is under way.
        let Some(guard) = self.traffic.begin_refresh(friend.n) else {
            return true;
        };
        let thread = std::thread::Builder::new()
            .name("first-list".into())
            .stack_size(STACK)
            .spawn(move || {
                inner.refresh_friend_now(&friend, &Now::read);
                drop(guard);
            });
        if let Err(error) = thread {
            log::warn!("cannot read a friend's list for this search: {error}");
            return false;
        }
        true
    }

    /// Asks a friend whether it still has an item, with a short deadline.
    pub(super) fn ask_item(
        &self,
        friend: &Friend,
        their_id: &str,
        timeout: Duration,
    ) -> Result<Option<crate::release::Release>, PeerError> {
        let began = Instant::now();
        let result = friend.client.item(their_id, timeout);
        match &result {
            Ok(_) => friend.answered(&self.store, Some(began.elapsed()), Now::read()),
            Err(error) => {
                log::debug!("asking for a stub: {error}");
                if matches!(error, PeerError::Unreachable(_)) {
                    friend.state().alone_until = Some(Instant::now() + super::origins::LEFT_ALONE);
                }
            }
        }
        result
    }
}

enum LiveError {
    Peer(PeerError),
    Store(StoreError),
}

impl From<PeerError> for LiveError {
    fn from(error: PeerError) -> LiveError {
        LiveError::Peer(error)
    }
}

impl From<StoreError> for LiveError {
    fn from(error: StoreError) -> LiveError {
        LiveError::Store(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(friend: i64, id: u64) -> Question {
        Question {
            friend,
            query: PeerQuery::Tmdb(id),
        }
    }

    #[test]
    fn a_question_is_asked_by_one_at_a_time_and_again_when_its_answer_is_old() {
        let traffic = Traffic::default();
        let now = Instant::now();
        assert!(traffic.begin(question(1, 1), now));
        assert!(!traffic.begin(question(1, 1), now));
        assert!(traffic.begin(question(2, 1), now));
        traffic.end(question(1, 1), true, now);
        traffic.end(question(2, 1), false, now);
        assert!(!traffic.begin(question(1, 1), now + FRESH - Duration::from_secs(1)));
        assert!(traffic.begin(question(2, 1), now));
        assert!(traffic.begin(question(1, 1), now + FRESH));
    }

    #[test]
    fn questions_and_answers_are_bounded() {
        let traffic = Traffic::default();
        let now = Instant::now();
        for id in 0..MAX_UNDER_WAY as u64 {
            assert!(traffic.begin(question(1, id), now));
        }
        assert!(!traffic.begin(question(1, 1000), now));
        for id in 0..MAX_ANSWERS as u64 + 5 {
            traffic.end(question(1, id), true, now);
        }
        let table = traffic.lock();
        assert_eq!(table.answered.len(), MAX_ANSWERS);
        assert_eq!(table.answered[0].0, question(1, 5));
    }

    #[test]
    fn a_search_becomes_questions_that_a_friend_can_answer() {
        let search = |tvdb, season, episode| Search {
            ids: Ids {
                tvdb,
                ..Ids::default()
            },
            season,
            episode,
            ..Search::default()
        };
        let number = Some(EpisodeWish::Number(2));
        let day = Some(EpisodeWish::Day { month: 12, day: 20 });
        for (search, expected) in [
            (search(None, None, None), vec![]),
            (
                search(Some(5), None, None),
                vec![PeerQuery::Tvdb(5, None, None)],
            ),
            (
                search(Some(5), Some(1), None),
                vec![PeerQuery::Tvdb(5, Some(1), None)],
            ),
            (
                search(Some(5), Some(1), number),
                vec![PeerQuery::Tvdb(5, Some(1), Some(2))],
            ),
            (
                search(Some(5), Some(2016), day),
                vec![PeerQuery::Tvdb(5, None, None)],
            ),
            (
                search(Some(5), Some(2016), None),
                vec![PeerQuery::Tvdb(5, None, None)],
            ),
            (
                Search {
                    ids: Ids {
                        tmdb: Some(1),
                        imdb: Some(2),
                        tvdb: Some(3),
                    },
                    ..Search::default()
                },
                vec![
                    PeerQuery::Tmdb(1),
                    PeerQuery::Imdb(2),
                    PeerQuery::Tvdb(3, None, None),
                ],
            ),
        ] {
            assert_eq!(questions(&search), expected, "{search:?}");
        }
        assert_eq!(scope(PeerQuery::Tmdb(u64::MAX)), None);
    }
}
