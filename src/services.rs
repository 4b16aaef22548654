//! What request handlers work on: the running parts, as one value that every handler gets.
//!
//! Built by [`crate::app`], which alone knows how the parts are made; handlers see them only here.

use std::sync::Arc;
use std::time::Instant;

use crate::arr::imports::ImportTracker;
use crate::catalogue::Catalogue;
use crate::config::Config;
use crate::downloads::Downloads;
use crate::keys::Keys;
use crate::peer::Peers;
use crate::peer::uploads::Uploads;
use crate::status::ArrReports;
use crate::store::Store;

/// The parts of a running jackdaw.
pub struct Services {
    /// Configuration.
    pub config: Arc<Config>,
    /// Database.
    pub store: Arc<Store>,
    /// Keys of every caller.
    pub keys: Keys,
    /// Friends.
    pub peers: Arc<Peers>,
    /// Slots and rates of what friends are sent.
    pub uploads: Arc<Uploads>,
    /// Releases.
    pub catalogue: Arc<Catalogue>,
    /// `None` without `[downloads]`.
    pub downloads: Option<Arc<Downloads>>,
    /// What became of finished and failed grabs; `None` without `[downloads]`.
    pub imports: Option<Arc<ImportTracker>>,
    /// Sessions and limits of the qBittorrent face.
    pub qbittorrent: crate::qbittorrent::Face,
    /// Parts that have something to say about the arrs in `GET /status`.
    pub arr_reports: Vec<Arc<dyn ArrReports>>,
    /// When we started.
    pub started: Instant,
}
