//! A Radarr's or Sonarr's library as a source of releases.
//!
//! Every movie and every episode with a file, read item by item over the API and mapped to our
//! view of the disk. A file that we cannot open is not offered, and is said once. Ids are
//! `CONNECTOR:movie:FILE` and `CONNECTOR:episode:FILE.EPISODE`, FILE being the arr's own file
//! number: an upgraded file is another release, and what is being downloaded of the old one fails
//! by name instead of turning into another file.
//!
//! Everything is read, each time: friends' searches are answered from the index that this fills,
//! so that the arr's own id filters (`tmdbId`, `tvdbId`) would only answer what is known already.
//! An error half-way is an error of the whole scan; what was indexed before stays.

mod files;
mod radarr;
mod record;
pub mod sample;
mod sonarr;
mod titles;

pub use files::ours;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use super::client::ArrClient;
use super::error::ArrError;
use crate::config::ServerType;
use crate::library::{Offer, Source, SourceError};
use crate::secret::{digest, hex};

use files::{Files, News};

/// One arr's library.
pub struct ArrSource {
    client: Arc<ArrClient>,
    id: String,
    name: String,
    files: Files,
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

    fn scan(&self, sink: &mut dyn FnMut(Offer)) -> Result<(), SourceError> {
        self.files.begin(Instant::now());
        let result = match self.client.server().kind {
            ServerType::Radarr => radarr::scan(&self.client, &self.id, &self.files, sink),
            ServerType::Sonarr => sonarr::scan(&self.client, &self.id, &self.files, sink),
        };
        match result {
            Ok(()) => self.report(),
            Err(error) => return Err(SourceError(self.explain(error).to_string())),
        }
        Ok(())
    }

    fn roots(&self) -> Vec<PathBuf> {
        // The arr names the paths, not a friend; its root folders are not known without asking.
        Vec::new()
    }
}

impl ArrSource {
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
