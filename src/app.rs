//! Builds the parts from the configuration, starts and stops them: the one place that knows all.

use std::sync::Arc;
use std::time::Instant;

use crate::catalogue::Catalogue;
use crate::config::Config;
use crate::downloads::Downloads;
use crate::keys::Keys;
use crate::peer::Peers;
use crate::peer::uploads::Uploads;
use crate::store::Store;

/// What request handlers work on.
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
    /// When we started.
    pub started: Instant,
}
