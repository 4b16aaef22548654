//! A plain directory, shared without any arr.
//!
//! In: a configured folder; out: one offer for each movie file, or for each episode that a file
//! holds. Ids are `CONNECTOR:movie|episode:ENTITY`, ENTITY being derived from the path below the
//! root (and the episode), so they survive restarts and moves of the whole folder. Files that are
//! still growing are left out until they rest: modified within the last minute, or of another size
//! than at the previous scan, or (dated in the future, when that tells nothing) not seen before.
//! Nothing is written and nothing kept but the sizes of recently changed files.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};
use std::{io, iter};

use super::describe::{Description, Evidence, describe};
use super::nfo::{self, Nfo};
use super::walk::{self, Folder, Listing, Skipped, Video};
use super::{Offer, Sink, Source, SourceError};
use crate::release::{Category, Release};
use crate::secret::{digest, hex};
use crate::{clock, config};

/// A file that was modified less than this ago may still be growing: copies write at least once a
/// minute even on slow disks.
const RESTING: Duration = Duration::from_secs(60);

/// Sizes are remembered of files modified less than this ago; the next scan comes sooner.
const RECENT: Duration = Duration::from_secs(3600);

/// Most sizes remembered. More files than this do not change within an hour, except when a whole
/// library is copied; then the modification time alone decides.
const MAX_REMEMBERED: usize = 10_000;

/// Most skipped directories that are remembered as told.
const MAX_TOLD: usize = 1000;

/// A shared directory.
pub struct FolderSource {
    id: String,
    name: String,
    root: PathBuf,
    category: Category,
    memory: Mutex<Memory>,
}

#[derive(Default)]
struct Memory {
    /// Size by hash of the path, of files that changed recently.
    sizes: HashMap<u64, u64>,
    /// Directories whose skipping has been logged.
    told: HashSet<u64>,
    /// Offers of the last complete scan.
    offered: u64,
}

impl FolderSource {
    /// A source for a configured folder. Nothing is read yet.
    pub fn new(folder: &config::Folder) -> FolderSource {
        FolderSource {
            id: connector(&folder.title),
            name: format!("folder \"{}\"", folder.title),
            root: folder.path.clone(),
            category: folder.kind,
            memory: Mutex::default(),
        }
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn scan_at(&self, now: SystemTime, sink: &mut dyn FnMut(Offer)) -> Result<(), SourceError> {
        let before = std::mem::take(&mut self.memory().sizes);
        let mut sizes = HashMap::new();
        let mut offered = 0;
        let result = walk::walk(
            &self.root,
            &mut |listing| {
                self.offer(&listing, now, &before, &mut sizes, &mut |offer| {
                    offered += 1;
                    sink(offer);
                })
            },
            &mut |skipped| self.tell(&skipped),
        );
        let mut memory = self.memory();
        memory.sizes = sizes;
        match result {
            // An empty folder where there was a library is a disk that is not mounted.
            Ok(false) if memory.offered > 0 => Err(SourceError(format!(
                "{}: {} is empty now: is its disk mounted?",
                self.name,
                self.root.display()
            ))),
            Ok(_) => {
                memory.offered = offered;
                Ok(())
            }
            Err(error) => Err(SourceError(format!(
                "{}: cannot read {}: {error}: check the path, and that jackdaw may read it",
                self.name,
                self.root.display()
            ))),
        }
    }

    fn offer(
        &self,
        listing: &Listing,
        now: SystemTime,
        before: &HashMap<u64, u64>,
        sizes: &mut HashMap<u64, u64>,
        sink: &mut dyn FnMut(Offer),
    ) -> io::Result<()> {
        let folder = &listing.folder;
        let above: Vec<&Folder> =
            iter::successors(Some(&**folder), |f| f.parent.as_deref()).collect();
        let names: Vec<&str> = above.iter().map(|folder| folder.name.as_str()).collect();
        let (root, folders) = match names.split_last() {
            Some((root, folders)) => (*root, folders),
            None => ("", &names[..]),
        };
        let show = match self.category {
            Category::Movies => None,
            Category::Tv => above
                .iter()
                .find(|folder| folder.has_show_nfo)
                .and_then(|folder| read_nfo(&folder.path.join(walk::SHOW_NFO))),
        };
        for video in &listing.videos {
            let path = folder.path.join(&video.name);
            // What is below the root, so that moving the whole folder keeps the ids.
            let relative = path.strip_prefix(&self.root).unwrap_or(&path);
            if is_growing(video, key(relative), now, before, sizes) {
                continue;
            }
            let stem = match video.name.rsplit_once('.') {
                Some((stem, _)) => stem,
                None => &video.name,
            };
            let nfo = self
                .nfo_name(listing, stem)
                .and_then(|name| read_nfo(&folder.path.join(name)));
            let described = describe(&Evidence {
                category: self.category,
                stem,
                folders,
                root,
                is_alone: listing.videos.len() == 1,
                nfo: nfo.as_ref(),
                show: show.as_ref(),
            });
            for release in self.releases(described, video, relative, now) {
                sink(Offer {
                    release,
                    path: path.clone(),
                });
            }
        }
        Ok(())
    }

    /// The `.nfo` that belongs to a video: of the same base name; for a lone movie also
    /// `movie.nfo` or the only one there is.
    fn nfo_name<'a>(&self, listing: &'a Listing, stem: &str) -> Option<&'a str> {
        let nfos = || listing.nfos.iter().map(String::as_str);
        let own = nfos().find(|name| name.rsplit_once('.').is_some_and(|(base, _)| base == stem));
        if own.is_some() || self.category == Category::Tv || listing.videos.len() > 1 {
            return own;
        }
        nfos()
            .find(|name| name.eq_ignore_ascii_case("movie.nfo"))
            .or_else(|| nfos().next().filter(|_| listing.nfos.len() == 1))
    }

    fn releases(
        &self,
        described: Description,
        video: &Video,
        relative: &Path,
        now: SystemTime,
    ) -> Vec<Release> {
        let entity = entity(relative);
        let kind = match self.category {
            Category::Movies => "movie",
            Category::Tv => "episode",
        };
        // A clock that was wrong when the file came must not date it into the future.
        let added = video.metadata.modified().unwrap_or(now).min(now);
        let release = Release {
            id: format!("{}:{kind}:{entity}", self.id),
            title: described.title,
            filename: video.name.clone(),
            category: self.category,
            size: video.size,
            imdb_id: described.ids.imdb,
            tmdb_id: described.ids.tmdb,
            tvdb_id: described.ids.tvdb,
            quality: described.quality,
            languages: described.languages,
            release_group: described.group,
            edition: described.edition,
            media_info: None,
            series_title: described.series,
            season: None,
            episode: None,
            publish_date: Some(clock::iso8601(unix(added))),
            air_date: described.air_date,
        };
        if described.episodes.is_empty() {
            return vec![release];
        }
        described
            .episodes
            .iter()
            .map(|(season, episode)| Release {
                id: format!("{}-s{season:02}e{episode:02}", release.id),
                season: Some(*season),
                episode: Some(*episode),
                ..release.clone()
            })
            .collect()
    }

    /// Logs what is left out, once for each directory and run.
    fn tell(&self, skipped: &Skipped) {
        let (path, why) = match skipped {
            Skipped::Denied(path) => (path, "permission denied".to_owned()),
            Skipped::TooDeep(path) => (path, format!("more than {} levels deep", walk::MAX_DEPTH)),
            Skipped::TooMany(path) => (path, format!("more than {} names", walk::MAX_ENTRIES)),
        };
        let mut memory = self.memory();
        if memory.told.len() < MAX_TOLD && memory.told.insert(key(path)) {
            log::warn!("{}: not shared: {}: {why}", self.name, path.display());
        }
    }
}

impl Source for FolderSource {
    fn id(&self) -> &str {
        &self.id
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn scan(&self, sink: &mut dyn Sink) -> Result<(), SourceError> {
        self.scan_at(SystemTime::now(), &mut |offer| sink.offer(offer))
    }

    fn roots(&self) -> Vec<PathBuf> {
        vec![self.root.clone()]
    }
}

/// Reads an `.nfo`; one that cannot be read counts as none.
fn read_nfo(path: &Path) -> Option<Nfo> {
    match nfo::read(path) {
        Ok(nfo) => nfo,
        Err(error) => {
            log::debug!("{}: {error}", path.display());
            None
        }
    }
}

fn is_growing(
    video: &Video,
    key: u64,
    now: SystemTime,
    before: &HashMap<u64, u64>,
    sizes: &mut HashMap<u64, u64>,
) -> bool {
    // A file system without times tells nothing: as if from the future.
    let age = video
        .metadata
        .modified()
        .ok()
        .and_then(|modified| now.duration_since(modified).ok());
    let known = before.get(&key);
    let has_changed = known.is_some_and(|size| *size != video.size);
    let is_recent = age.is_none_or(|age| age < RECENT);
    if (is_recent || has_changed) && sizes.len() < MAX_REMEMBERED {
        sizes.insert(key, video.size);
    }
    match age {
        Some(age) => age < RESTING || has_changed,
        None => known.is_none() || has_changed,
    }
}

/// A short form of a path, for this run only.
fn key(path: &Path) -> u64 {
    let mut hasher = DefaultHasher::new();
    path.hash(&mut hasher);
    hasher.finish()
}

/// ENTITY of an id: 16 hex digits of the path below the root. Two paths of one folder that meet
/// are less likely than a broken disk.
fn entity(relative: &Path) -> String {
    let mut text = hex(&digest(&relative.to_string_lossy()));
    text.truncate(16);
    text
}

/// CONNECTOR of ids: readable, without `:`, and different for titles that only look alike.
fn connector(title: &str) -> String {
    let slug: String = title
        .chars()
        .take(24)
        .map(|c| match c.is_ascii_alphanumeric() {
            true => c.to_ascii_lowercase(),
            false => '-',
        })
        .collect();
    let mut hash = hex(&digest(title));
    hash.truncate(6);
    format!("folder-{}-{hash}", slug.trim_matches('-'))
}

/// Unix seconds; times before 1970 count as 1970.
fn unix(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

#[cfg(test)]
#[path = "folder_tests.rs"]
mod tests;
