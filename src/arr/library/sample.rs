//! A few files of a library, to see whether its paths lead anywhere here.
//!
//! Used by `jackdaw doctor`. Reads no further than it must: the first movies or series that have
//! files, and then lets go of the connection.

use std::path::{Path, PathBuf};

use super::files;
use super::record::FileRecord;
use crate::arr::client::ArrClient;
use crate::arr::error::ArrError;
use crate::config::ServerType;
use crate::json;

/// Series that are asked for their files until there are enough: most have more than a few.
const MAX_SERIES: usize = 5;

/// Paths of up to `wanted` files, in the arr's view.
pub fn paths(client: &ArrClient, wanted: usize) -> Result<Vec<String>, ArrError> {
    let mut found = Vec::new();
    match client.server().kind {
        ServerType::Radarr => client.each_while("/movie?excludeLocalCovers=true", &mut |raw| {
            json::fields(raw, |key, raw| {
                if key == "movieFile" {
                    found.extend(FileRecord::read(raw).map(|file| file.path));
                }
            });
            found.len() < wanted
        })?,
        ServerType::Sonarr => {
            let mut series = Vec::new();
            client.each_while("/series", &mut |raw| {
                series.extend(super::sonarr::id_with_files(raw));
                series.len() < MAX_SERIES
            })?;
            for id in series {
                if found.len() >= wanted {
                    break;
                }
                client.each_while(&format!("/episodefile?seriesId={id}"), &mut |raw| {
                    found.extend(FileRecord::read(raw).map(|file| file.path));
                    found.len() < wanted
                })?;
            }
        }
    }
    found.truncate(wanted);
    Ok(found)
}

/// Where a path of the arr's is here.
pub fn ours(map: &[(String, PathBuf)], theirs: &str) -> PathBuf {
    files::ours(map, theirs)
}

/// Half a sentence why the file there could not be shared; `None` if it could.
pub fn problem(path: &Path) -> Option<String> {
    files::look(path).err()
}
