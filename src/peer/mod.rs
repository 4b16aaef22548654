//! Friends: the wire form of a release, the routes that serve them, the client that calls them.

mod call;
pub mod client;
pub mod serve;
mod transport;
pub mod uploads;
pub mod wire;

use std::sync::Arc;

use client::PeerClient;

/// The configured friends, by peer id.
pub struct Peers {
    all: Vec<Arc<PeerClient>>,
}

impl Peers {
    /// A client for each.
    pub fn new(all: Vec<Arc<PeerClient>>) -> Peers {
        Peers { all }
    }

    /// The friend of this id (8 hex digits).
    pub fn get(&self, id: &str) -> Option<&Arc<PeerClient>> {
        self.all.iter().find(|peer| peer.id() == id)
    }

    /// All, in configuration order.
    pub fn all(&self) -> &[Arc<PeerClient>] {
        &self.all
    }
}
