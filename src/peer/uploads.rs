//! Upload slots, rates and meters: who may be sent a file now, how fast, and what runs.
//!
//! At most `max_uploads` files leave at once. Each of the friends that are being served takes an
//! equal share of the slots at most, and the last free slot is kept for a friend that has none, so
//! that one friend alone holds at most `max_uploads - 1` of several. Who gets no slot is told when to
//! come back. Two token buckets pace every upload: one of all friends together, one
//! of each friend. The lock is held for arithmetic only, never while waiting. Rates are set from
//! outside ([`Uploads::follow`], once a minute) and hold at once.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use crate::config;
use crate::http::Pace;
use crate::keys::Caller;
use crate::rates::{Bucket, SpeedWindow, Take};
use crate::sys::lock;

/// When a friend that got no slot shall come back. Uploads last minutes to hours; asking four
/// times a minute costs nothing and loses little time.
pub const RETRY_AFTER: Duration = Duration::from_secs(15);

/// Longest wait within one [`Pace::permit`], so that its caller can notice a closed connection.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// The slots and rates of everything that is sent to friends.
pub struct Uploads {
    max_uploads: usize,
    state: Mutex<State>,
}

struct State {
    all: Bucket,
    rate_per_friend: u64,
    friends: Vec<Friend>,
    running: Vec<Arc<Upload>>,
    sent: u64,
}

/// A friend with at least one running upload.
struct Friend {
    key: String,
    bucket: Bucket,
    running: usize,
}

/// No slot is free for this friend; see [`RETRY_AFTER`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Busy;

/// One running upload, for status pages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Running {
    /// The friend's name, or the address it calls from.
    pub who: String,
    /// Base name of the file.
    pub file: String,
    /// Bytes that have left.
    pub sent: u64,
    /// Bytes to send in this answer.
    pub total: u64,
    /// Bytes per second over the last ten seconds.
    pub speed: u64,
    /// How long it has been running.
    pub age: Duration,
}

impl Uploads {
    /// Slots for `max_uploads` files at once (at least one), and rates in bytes per second
    /// (0 = unlimited) of all friends together and of each.
    pub fn new(max_uploads: usize, rate: u64, rate_per_friend: u64) -> Uploads {
        Uploads {
            max_uploads: max_uploads.max(1),
            state: Mutex::new(State {
                all: Bucket::new(rate),
                rate_per_friend,
                friends: Vec::new(),
                running: Vec::new(),
                sent: 0,
            }),
        }
    }

    /// Sets the rates that the timetables name for this local time (`weekday` 0 = Monday); to be
    /// called at start and once a minute, the timetables' unit.
    pub fn follow(&self, sharing: &config::Sharing, weekday: u8, minute_of_day: u16, now: Instant) {
        let all = sharing.rate.rate_at(weekday, minute_of_day);
        let each = sharing.rate_per_peer.rate_at(weekday, minute_of_day);
        self.set_rates(all, each, now);
    }

    /// Changes the rates; running uploads follow at once.
    pub fn set_rates(&self, rate: u64, rate_per_friend: u64, now: Instant) {
        let mut state = self.state();
        state.all.set_rate(rate, now);
        state.rate_per_friend = rate_per_friend;
        for friend in &mut state.friends {
            friend.bucket.set_rate(rate_per_friend, now);
        }
    }

    /// Takes a slot for one answer that sends `file`. Dropping the slot frees it.
    pub fn begin(self: &Arc<Self>, who: &str, file: &str) -> Result<Slot, Busy> {
        let mut state = self.state();
        let free = self.max_uploads.saturating_sub(state.running.len());
        let rate = state.rate_per_friend;
        let share = self.max_uploads.div_ceil(state.friends.len().max(1));
        match state.friends.iter_mut().find(|friend| friend.key == who) {
            _ if free == 0 => return Err(Busy),
            // The last free slot is for somebody who has none.
            Some(_) if free == 1 => return Err(Busy),
            Some(friend) if friend.running >= share => return Err(Busy),
            Some(friend) => friend.running += 1,
            None => state.friends.push(Friend {
                key: who.to_owned(),
                bucket: Bucket::new(rate),
                running: 1,
            }),
        }
        let upload = Arc::new(Upload {
            uploads: Arc::clone(self),
            who: who.to_owned(),
            file: file.to_owned(),
            started: Instant::now(),
            meter: Mutex::default(),
        });
        state.running.push(Arc::clone(&upload));
        Ok(Slot(upload))
    }

    /// What runs now, oldest first.
    pub fn running(&self, now: Instant) -> Vec<Running> {
        let running = self.state().running.clone();
        running
            .iter()
            .map(|upload| {
                let meter = upload.meter();
                Running {
                    who: upload.who.clone(),
                    file: upload.file.clone(),
                    sent: meter.sent,
                    total: meter.total,
                    speed: meter.speed.per_second(now),
                    age: now.saturating_duration_since(upload.started),
                }
            })
            .collect()
    }

    /// Bytes sent since the start of the process.
    pub fn sent(&self) -> u64 {
        self.state().sent
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    fn take(&self, who: &str, wanted: u64, now: Instant) -> Take {
        let state = &mut *self.state();
        let Some(friend) = state.friends.iter_mut().find(|friend| friend.key == who) else {
            // Only after its slot was dropped: nothing is sent any more.
            return Take::Granted(wanted);
        };
        match friend.bucket.take(wanted, now) {
            Take::Wait(wait) => Take::Wait(wait),
            Take::Granted(own) => {
                let taken = state.all.take(own, now);
                friend.bucket.give_back(match taken {
                    Take::Granted(all) => own - all,
                    Take::Wait(_) => own,
                });
                taken
            }
        }
    }
}

/// Under which name a caller's uploads are counted. Friends have keys of their own; whoever calls
/// with the owner's key (as jack's friends do, who share one) is told apart by address.
pub fn friend_key(caller: Option<&Caller>, remote: IpAddr) -> String {
    match caller {
        Some(Caller::Friend(name) | Caller::Arr(name)) => name.clone(),
        Some(Caller::Owner) | None => remote.to_string(),
    }
}

/// A taken upload slot; dropping it frees it.
pub struct Slot(Arc<Upload>);

impl Slot {
    /// Paces and counts the bytes of this upload.
    pub fn pace(&self) -> Arc<dyn Pace> {
        Arc::<Upload>::clone(&self.0)
    }

    /// Tells how many bytes this answer will have.
    pub fn set_total(&self, bytes: u64) {
        self.0.meter().total = bytes;
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let upload = &self.0;
        let mut state = upload.uploads.state();
        state.running.retain(|other| !Arc::ptr_eq(other, upload));
        if let Some(at) = state.friends.iter().position(|f| f.key == upload.who) {
            let friend = &mut state.friends[at];
            friend.running -= 1;
            if friend.running == 0 {
                state.friends.swap_remove(at);
            }
        }
    }
}

struct Upload {
    uploads: Arc<Uploads>,
    who: String,
    file: String,
    started: Instant,
    meter: Mutex<Meter>,
}

#[derive(Default)]
struct Meter {
    sent: u64,
    total: u64,
    speed: SpeedWindow,
}

impl Upload {
    fn meter(&self) -> MutexGuard<'_, Meter> {
        lock(&self.meter)
    }
}

impl Pace for Upload {
    fn permit(&self, wanted: u64) -> u64 {
        let started = Instant::now();
        loop {
            let now = Instant::now();
            match self.uploads.take(&self.who, wanted, now) {
                Take::Granted(bytes) => return bytes,
                Take::Wait(wait) => {
                    let left = LONGEST_WAIT.saturating_sub(now.duration_since(started));
                    if left.is_zero() {
                        return 0;
                    }
                    std::thread::sleep(wait.min(left));
                }
            }
        }
    }

    fn sent(&self, sent: u64, permitted: u64) {
        let now = Instant::now();
        if sent > 0 {
            let mut meter = self.meter();
            meter.sent += sent;
            meter.speed.add(sent, now);
        }
        let unused = permitted.saturating_sub(sent);
        let state = &mut *self.uploads.state();
        state.sent += sent;
        if unused > 0 {
            // A reader that stalls must not use up what others could be sent.
            state.all.give_back(unused);
            if let Some(friend) = state.friends.iter_mut().find(|f| f.key == self.who) {
                friend.bucket.give_back(unused);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uploads(max: usize) -> Arc<Uploads> {
        Arc::new(Uploads::new(max, 0, 0))
    }

    #[test]
    fn slots_are_bounded_and_the_last_is_for_a_newcomer() {
        let uploads = uploads(4);
        let take = |who: &str| uploads.begin(who, "f.mkv");
        let mut alices: Vec<Slot> = (0..3).map(|_| take("alice").ok().unwrap()).collect();
        assert!(take("alice").is_err(), "one friend must not take all");
        let bob = take("bob").ok().unwrap();
        assert!(take("carol").is_err(), "all slots are taken");
        alices.pop();
        assert!(take("bob").is_err(), "bob has one already");
        let carol = take("carol").ok().unwrap();
        drop((bob, carol, alices));
        assert!(uploads.running(Instant::now()).is_empty());
        assert!(uploads.state().friends.is_empty());
    }

    #[test]
    fn friends_that_are_served_at_once_have_equal_shares() {
        let uploads = uploads(8);
        let take = |who: &str| uploads.begin(who, "f.mkv");
        let mut alices: Vec<Slot> = (0..7).map(|_| take("alice").ok().unwrap()).collect();
        let mut bobs = vec![take("bob").ok().unwrap()];
        alices.truncate(4);
        assert!(take("alice").is_err(), "half of the slots is her share");
        bobs.extend((0..2).map(|_| take("bob").ok().unwrap()));
        assert!(take("bob").is_err(), "the last one is for somebody else");
        let carol = take("carol").ok().unwrap();
        alices.truncate(2);
        assert!(take("bob").is_err(), "three of eight is a third");
        alices.push(take("alice").ok().unwrap());
        drop((bobs, carol));
        for _ in 0..4 {
            alices.push(take("alice").ok().unwrap());
        }
        assert!(take("alice").is_err(), "seven of eight, alone");
    }

    #[test]
    fn what_was_permitted_and_not_sent_is_there_for_others() {
        let uploads = Arc::new(Uploads::new(2, 100_000, 0));
        let slot = uploads.begin("alice", "f").ok().unwrap();
        let stalled = slot.pace();
        // All that there is at the moment.
        let permitted = stalled.permit(1 << 20);
        assert!(permitted > 0);
        stalled.sent(0, permitted);
        assert_eq!(uploads.sent(), 0);
        let again = uploads.take("alice", permitted, Instant::now());
        assert_eq!(again, Take::Granted(permitted));
    }

    #[test]
    fn a_single_slot_can_be_used() {
        let uploads = uploads(0);
        let slot = uploads.begin("alice", "f.mkv").ok().unwrap();
        assert!(uploads.begin("bob", "f.mkv").is_err());
        drop(slot);
        assert!(uploads.begin("bob", "f.mkv").is_ok());
    }

    #[test]
    fn meters_show_what_was_sent() {
        let uploads = uploads(2);
        let slot = uploads.begin("alice", "f.mkv").ok().unwrap();
        slot.set_total(100);
        slot.pace().sent(30, 30);
        slot.pace().sent(20, 20);
        let running = uploads.running(Instant::now());
        assert_eq!(running.len(), 1);
        assert_eq!(running[0].who, "alice");
        assert_eq!(running[0].file, "f.mkv");
        assert_eq!((running[0].sent, running[0].total), (50, 100));
        assert_eq!(uploads.sent(), 50);
    }

    #[test]
    fn both_rates_hold_and_change_at_once() {
        let now = Instant::now();
        let uploads = Arc::new(Uploads::new(4, 1_000_000, 100_000));
        let _alice = uploads.begin("alice", "f").ok().unwrap();
        let _bob = uploads.begin("bob", "f").ok().unwrap();
        let grab = |who: &str, now| {
            let mut sum = 0;
            while let Take::Granted(bytes) = uploads.take(who, 1 << 20, now) {
                sum += bytes;
            }
            sum
        };
        // A fifth of a second's worth each; alice's use does not lessen bob's.
        assert_eq!(grab("alice", now), 20_000);
        assert_eq!(grab("bob", now), 20_000);
        // Now all together are the narrower limit.
        uploads.set_rates(10_000, 0, now);
        let later = now + Duration::from_secs(10);
        assert_eq!(grab("alice", later), 4096);
        assert_eq!(grab("bob", later), 0);
        uploads.set_rates(0, 0, later);
        assert_eq!(uploads.take("bob", 1 << 40, later), Take::Granted(1 << 40));
    }

    #[test]
    fn permits_of_an_unlimited_upload_are_immediate() {
        let uploads = uploads(1);
        let slot = uploads.begin("alice", "f").ok().unwrap();
        assert_eq!(slot.pace().permit(4 << 20), 4 << 20);
    }

    #[test]
    fn callers_are_told_apart() {
        let remote: IpAddr = "192.0.2.7".parse().unwrap();
        let friend = Caller::Friend("alice".into());
        for (caller, expected) in [
            (Some(&friend), "alice"),
            (Some(&Caller::Owner), "192.0.2.7"),
            (None, "192.0.2.7"),
        ] {
            assert_eq!(friend_key(caller, remote), expected);
        }
    }
}
