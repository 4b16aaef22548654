//! A Radarr's or Sonarr's library as a source of releases.
//!
//! Every movie and every episode with a file, read item by item over the API and mapped to our
//! view of the disk. A file that we cannot open is not offered, and is said once. Ids are
//! `CONNECTOR:movie:FILE` and `CONNECTOR:episode:SERIES.FILE.EPISODE`, FILE being the arr's own file
//! number: an upgraded file is another release, and what is being downloaded of the old one fails
//! by name instead of turning into another file.
//!
//! Everything is listed, each time: friends' searches are answered from the index that this fills,
//! so that the arr's own id filters (`tmdbId`, `tvdbId`) would only answer what is known already. Of a
//! Sonarr only those series are read that have changed (see `known`), and all once a day.
//! An error half-way is an error of the whole scan; what was indexed before stays.

mod files;
mod known;
mod radarr;
mod record;
pub mod sample;
mod sonarr;
mod titles;

pub use files::ours;

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use super::client::ArrClient;
use super::error::ArrError;
use crate::config::ServerType;
use crate::library::{Sink, Source, SourceError};
use crate::secret::{digest, hex};
use crate::sys::lock;

use files::{Files, News};
use known::Known;

/// One arr's library.
pub struct ArrSource {
    client: Arc<ArrClient>,
    id: String,
    name: String,
    files: Files,
    /// Taken out during a scan: nothing is locked while an arr is asked.
    known: Mutex<Known>,
}

impl ArrSource {
    /// A source; nothing is read yet.
    pub fn new(client: Arc<ArrClient>) -> ArrSource {
        let server = client.server();
        let kind = match server.kind {
            ServerType::Radarr => "radarr",
            ServerType::Sonarr => "sonarr",
        };
        ArrSource {
            // The title names the server in the configuration; it may hold anything, ids may not.
            id: format!("{kind}-{}", &hex(&digest(&server.title))[..8]),
            name: client.name(),
            files: Files::new(server.path_map.clone()),
            known: Mutex::default(),
            client,
        }
    }
}

impl Source for ArrSource {
    fn id(&self) -> &str {
        &self.id
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn scan(&self, sink: &mut dyn Sink) -> Result<(), SourceError> {
        self.scan_at(Instant::now(), sink)
    }

    fn forget(&self) {
        *lock(&self.known) = Known::default();
    }

    fn roots(&self) -> Vec<PathBuf> {
        // The arr names the paths, not a friend; its root folders are not known without asking.
        Vec::new()
    }
}

impl ArrSource {
    /// As [`Source::scan`], at this time.
    pub fn scan_at(&self, now: Instant, sink: &mut dyn Sink) -> Result<(), SourceError> {
        let mut known = std::mem::take(&mut *lock(&self.known));
        if self.files.begin(now) {
            known = Known::default();
        }
        let (client, id, files) = (&self.client, &self.id, &self.files);
        let result = match client.server().kind {
            ServerType::Radarr => radarr::scan(client, id, files, sink),
            ServerType::Sonarr => sonarr::scan(client, id, files, &mut known, sink),
        };
        *lock(&self.known) = known;
        match result {
            Ok(()) => self.report(),
            Err(error) => return Err(SourceError(self.explain(error).to_string())),
        }
        Ok(())
    }

    /// A missing endpoint is best explained by who answers there.
    fn explain(&self, error: ArrError) -> ArrError {
        match error {
            ArrError::NotFound(_) => match self.client.status() {
                Err(other @ ArrError::WrongApp(_)) => other,
                _ => error,
            },
            error => error,
        }
    }

    fn report(&self) {
        match self.files.news() {
            Some(News::Missing(count, first)) => log::warn!(
                "{}: {count} files are not shared because they cannot be opened here, for example \
                 {first}; if the paths differ here, set path_map in its section",
                self.name
            ),
            Some(News::AllThere) => log::info!("{}: all files can be opened", self.name),
            None => {}
        }
    }
}
