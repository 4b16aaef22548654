//! Sources: where the releases that we share come from.
//!
//! A source is a Radarr or Sonarr (`arr::library`) or a plain folder ([`folder`]).

mod describe;
pub mod folder;
pub mod naming;
mod nfo;
mod quality;
mod walk;

use std::fmt;
use std::path::PathBuf;

use crate::release::Release;

/// A release of ours together with its file. The path never leaves this machine.
#[derive(Clone, Debug, PartialEq)]
pub struct Offer {
    /// What friends see.
    pub release: Release,
    /// Absolute path of the file, in our view of the disk.
    pub path: PathBuf,
}

/// Why a source could not be read. `Display` names the source and what the owner can do.
#[derive(Clone, Debug)]
pub struct SourceError(pub String);

impl fmt::Display for SourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for SourceError {}

/// Where a source puts what it finds. A closure that takes offers is one that keeps nothing.
pub trait Sink {
    /// Takes one release.
    fn offer(&mut self, offer: Offer);

    /// Says instead that the `count` releases whose ids begin with `prefix` are as they were at an
    /// earlier scan. False: they are not at hand, and have to be offered.
    fn keep(&mut self, prefix: &str, count: u64) -> bool;
}

impl<F: FnMut(Offer)> Sink for F {
    fn offer(&mut self, offer: Offer) {
        self(offer);
    }

    fn keep(&mut self, _prefix: &str, _count: u64) -> bool {
        false
    }
}

/// Something that offers releases.
pub trait Source: Send + Sync {
    /// The CONNECTOR part of item ids: stable across restarts, unique among sources, without `:`.
    fn id(&self) -> &str;
    /// For logs and status: `folder "Concerts"`.
    fn name(&self) -> &str;
    /// Gives every offer to `sink`, one at a time, in bounded memory. An error half-way means
    /// that what was not seen must not be taken as gone.
    fn scan(&self, sink: &mut dyn Sink) -> Result<(), SourceError>;
    /// What was offered may not have been stored: the next scan offers everything.
    fn forget(&self) {}
    /// Root folders that offered files must lie under when they are opened; empty = any.
    fn roots(&self) -> Vec<PathBuf>;
}
