//! One-time slots in which a handler leaves an answer that must not travel through tiny_http: a
//! file (tiny_http counts in `usize`), or bytes too many for a socket buffer (a worker would wait
//! for the client).
//!
//! The front opens a slot for every request and names it in an internal header; the worker may
//! park one answer there; the front claims it. A slot lives exactly as long as the front's
//! [`Ticket`]: what is parked too late, or never claimed, is dropped, with its file and guard.
//! Tokens hold 64 random bits, so a request that did not come from the front has no valid one.
//! Limit: all parked bytes together, [`MAX_PARKED_BYTES`].

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use super::response::{Body, Response};
use crate::budget::{Budget, Share};
use crate::sys::lock;

/// Bytes of large answers that wait for their clients, over all connections. A feed page or a list
/// of torrents is below 1 MiB; longer things are written item by item and not parked.
pub const MAX_PARKED_BYTES: u64 = 16 * 1024 * 1024;

/// All open slots.
#[derive(Debug)]
pub struct Slots {
    secret: u64,
    next: AtomicU64,
    open: Mutex<HashMap<u64, Option<Parked>>>,
    bytes: Arc<Budget>,
}

/// An answer left by a handler, with its share of the memory for such answers.
pub struct Parked {
    /// The answer.
    pub response: Response,
    /// Held until the answer has been sent.
    pub share: Share,
}

impl std::fmt::Debug for Parked {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Parked({})", self.response.status)
    }
}

impl Slots {
    /// No slots; fails only when the system has no random bytes.
    pub fn new() -> Result<Arc<Slots>, String> {
        let secret = getrandom::u64().map_err(|error| format!("no random bytes: {error}"))?;
        Ok(Arc::new(Slots {
            secret,
            next: AtomicU64::new(0),
            open: Mutex::new(HashMap::new()),
            bytes: Budget::new(MAX_PARKED_BYTES),
        }))
    }

    /// Opens a slot.
    pub fn open(self: &Arc<Slots>) -> Ticket {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        lock(&self.open).insert(id, None);
        Ticket {
            slots: Arc::clone(self),
            id,
        }
    }

    /// Whether `token` names an open slot.
    pub fn knows(&self, token: &str) -> bool {
        self.id(token)
            .is_some_and(|id| lock(&self.open).contains_key(&id))
    }

    /// Leaves `response` in the slot of `token`. `Err` gives it back: the slot is closed or taken,
    /// or too many bytes are parked.
    pub fn park(&self, token: &str, response: Response) -> Result<(), Response> {
        let mut share = self.bytes.share();
        let length = match &response.body {
            Body::Bytes(bytes) => bytes.len() as u64,
            _ => 0,
        };
        if length > 0 && !share.grow(length, 0) {
            return Err(response);
        }
        let Some(id) = self.id(token) else {
            return Err(response);
        };
        match lock(&self.open).get_mut(&id) {
            Some(slot @ None) => {
                *slot = Some(Parked { response, share });
                Ok(())
            }
            _ => Err(response),
        }
    }

    fn id(&self, token: &str) -> Option<u64> {
        let (secret, id) = token.split_once('.')?;
        let secret = u64::from_str_radix(secret, 16).ok()?;
        let id = u64::from_str_radix(id, 16).ok()?;
        (secret == self.secret).then_some(id)
    }
}

/// The front's hold on one slot; closes it when dropped.
#[derive(Debug)]
pub struct Ticket {
    slots: Arc<Slots>,
    id: u64,
}

impl Ticket {
    /// The name of the slot, as header text.
    pub fn token(&self) -> String {
        format!("{:016x}.{:x}", self.slots.secret, self.id)
    }

    /// What has been parked.
    pub fn claim(self) -> Option<Parked> {
        lock(&self.slots.open).get_mut(&self.id)?.take()
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        // The parked file and its guard are dropped after the lock is released.
        let unclaimed = lock(&self.slots.open).remove(&self.id);
        drop(unclaimed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(bytes: usize) -> Response {
        Response::bytes(200, "text/plain", vec![b'x'; bytes])
    }

    #[test]
    fn parked_once_claimed_once() {
        let slots = Slots::new().unwrap();
        let ticket = slots.open();
        let token = ticket.token();
        assert!(slots.knows(&token));
        assert!(slots.park(&token, answer(1)).is_ok());
        assert!(slots.park(&token, answer(1)).is_err(), "taken");
        assert_eq!(ticket.claim().unwrap().response.status, 200);
        assert!(!slots.knows(&token));
        assert!(slots.park(&token, answer(1)).is_err(), "closed");
        assert_eq!(slots.bytes.held(), 0);
    }

    #[test]
    fn unclaimed_answer_is_dropped_with_the_ticket() {
        let slots = Slots::new().unwrap();
        let ticket = slots.open();
        slots.park(&ticket.token(), answer(7)).ok().unwrap();
        assert_eq!(slots.bytes.held(), 7);
        drop(ticket);
        assert_eq!(slots.bytes.held(), 0);
        assert!(lock(&slots.open).is_empty());
    }

    #[test]
    fn parked_bytes_are_bounded() {
        let slots = Slots::new().unwrap();
        let tickets = [slots.open(), slots.open()];
        let half = usize::try_from(MAX_PARKED_BYTES / 2).unwrap();
        assert!(slots.park(&tickets[0].token(), answer(half)).is_ok());
        assert!(slots.park(&tickets[1].token(), answer(half + 1)).is_err());
        assert!(slots.park(&tickets[1].token(), answer(half)).is_ok());
    }

    #[test]
    fn tokens_of_strangers_are_unknown() {
        let slots = Slots::new().unwrap();
        let token = slots.open().token();
        let ticket = slots.open();
        for stranger in [
            token.as_str(),
            "",
            ".",
            "0.0",
            "1",
            "0000000000000000.1",
            "é.1",
        ] {
            assert!(!slots.knows(stranger), "{stranger}");
            assert!(slots.park(stranger, answer(1)).is_err());
        }
        assert!(slots.knows(&ticket.token()));
    }
}
