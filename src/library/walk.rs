//! Walking a shared folder: which directories and files may be offered at all.
//!
//! Iterative, sorted, one directory in memory at a time. Left out: hidden names, samples and
//! extras (the folders and suffixes that Radarr and Sonarr skip, and disc structures), symbolic
//! links that leave the root or lead to directories, what is not a regular file, empty files, and
//! names that no friend could accept. A directory that may not be read is skipped; any other error
//! ends the walk, for it may pass, and what was not seen then must not be taken as gone.

use std::fs::{self, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::naming;
use crate::peer::wire;

/// Deepest folder below the root; libraries have three or four levels.
pub const MAX_DEPTH: usize = 16;

/// Most names looked at in one directory: one that holds more is not a media library, and its
/// names are held while they are sorted.
pub const MAX_ENTRIES: usize = 100_000;

/// A file with `sample` in its name is one below this size. Real samples are below 100 MB.
const MAX_SAMPLE: u64 = 256 << 20;

/// What Radarr and Sonarr take for video, without `.strm`, `.m3u`, `.wpl` and `.asx`: those hold
/// addresses, at times with somebody's credentials, and no picture.
const VIDEO: &[&str] = &[
    "webm", "m4v", "3gp", "nsv", "ty", "rm", "rmvb", "ifo", "mov", "qt", "divx", "xvid", "bivx",
    "nrg", "pva", "wmv", "asf", "ogm", "ogv", "m2v", "avi", "bin", "dat", "dvr-ms", "mpg", "mpeg",
    "mp4", "avc", "vp3", "svq3", "nuv", "viv", "dv", "fli", "flv", "img", "iso", "vob", "mkv",
    "ts", "wtv", "m2ts", "mk3d",
];

/// Folders that hold no library items: the arrs' extras folders, and pieces of discs, whose file
/// names (`00001.m2ts`) mean nothing outside.
const SKIPPED_FOLDERS: &[&str] = &[
    "@eadir",
    "plex versions",
    "lost+found",
    "#recycle",
    "$recycle.bin",
    "system volume information",
    "extras",
    "extrafanart",
    "behind the scenes",
    "deleted scenes",
    "featurettes",
    "interviews",
    "other",
    "scenes",
    "sample",
    "samples",
    "shorts",
    "trailers",
    "bdmv",
    "certificate",
    "video_ts",
    "audio_ts",
];

/// Endings of base names by which the arrs know extras.
const EXTRA_SUFFIXES: &[&str] = &[
    "-trailer",
    "-other",
    "-behindthescenes",
    "-deleted",
    "-featurette",
    "-interview",
    "-scene",
    "-short",
];

/// What Kodi calls the file about a series.
pub const SHOW_NFO: &str = "tvshow.nfo";

/// A directory on the way from the root to a file: a list linked upwards.
#[derive(Debug)]
pub struct Folder {
    /// Base name; the root's own for the root.
    pub name: String,
    /// The directory above; `None` for the root.
    pub parent: Option<Arc<Folder>>,
    /// Absolute path.
    pub path: PathBuf,
    /// True if it holds a `tvshow.nfo` that is a plain file, and no link out of the root.
    pub has_show_nfo: bool,
}

/// A video file that may be offered.
#[derive(Debug)]
pub struct Video {
    /// Base name.
    pub name: String,
    /// Bytes, more than 0.
    pub size: u64,
    /// Of the file itself, not of a link to it.
    pub metadata: Metadata,
}

/// What the walk hands on: one directory with at least one video.
#[derive(Debug)]
pub struct Listing {
    /// The directory.
    pub folder: Arc<Folder>,
    /// Its videos, by name.
    pub videos: Vec<Video>,
    /// Names of its `.nfo` files.
    pub nfos: Vec<String>,
}

/// What a walk did not enter.
#[derive(Debug)]
pub enum Skipped {
    /// We may not read it.
    Denied(PathBuf),
    /// Deeper than [`MAX_DEPTH`].
    TooDeep(PathBuf),
    /// More than [`MAX_ENTRIES`] names; the rest was not looked at.
    TooMany(PathBuf),
}

/// Walks `root`, giving each directory that holds videos to `each`, and what is left out by need
/// to `skipped`. Returns whether the root held any name at all.
pub fn walk(
    root: &Path,
    each: &mut dyn FnMut(Listing) -> io::Result<()>,
    skipped: &mut dyn FnMut(Skipped),
) -> io::Result<bool> {
    let real_root = root.canonicalize()?;
    let name = real_root.file_name().unwrap_or_default();
    let top = Folder {
        name: name.to_string_lossy().into_owned(),
        parent: None,
        path: root.to_owned(),
        has_show_nfo: false,
    };
    let mut waiting = Vec::new();
    let mut next = Some((top, 0));
    let mut has_names = false;
    while let Some((folder, depth)) = next.take().or_else(|| waiting.pop().map(Waiting::folder)) {
        let names = match names_in(&folder.path) {
            Ok(names) => names,
            // The root itself must be readable.
            Err(error) if depth == 0 => return Err(error),
            Err(error) => match error.kind() {
                io::ErrorKind::PermissionDenied => {
                    skipped(Skipped::Denied(folder.path));
                    continue;
                }
                // It went away between two looks.
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => continue,
                _ => return Err(error),
            },
        };
        if names.len() > MAX_ENTRIES {
            skipped(Skipped::TooMany(folder.path.clone()));
        }
        has_names |= !names.is_empty();
        let names = &names[..names.len().min(MAX_ENTRIES)];
        let has_show_nfo = names.iter().any(|name| name == SHOW_NFO)
            && matches!(
                look(&folder.path.join(SHOW_NFO), SHOW_NFO, &real_root)?,
                Found::Nfo
            );
        let folder = Arc::new(Folder {
            has_show_nfo,
            ..folder
        });
        let mut below = Vec::new();
        let mut listing = Listing {
            folder: Arc::clone(&folder),
            videos: Vec::new(),
            nfos: Vec::new(),
        };
        for name in names {
            match look(&folder.path.join(name), name, &real_root)? {
                Found::Nothing => {}
                Found::Nfo => listing.nfos.push(name.clone()),
                Found::Video(video) => listing.videos.push(*video),
                Found::Folder if depth == MAX_DEPTH => {
                    skipped(Skipped::TooDeep(folder.path.join(name)));
                }
                Found::Folder => below.push(Waiting {
                    name: name.clone(),
                    parent: Arc::clone(&folder),
                    depth: depth + 1,
                }),
            }
        }
        // Depth first and in order: the last in is the next out.
        waiting.extend(below.into_iter().rev());
        if !listing.videos.is_empty() {
            each(listing)?;
        }
    }
    Ok(has_names)
}

/// A folder that is still to be looked into. A root can hold tens of thousands: only the name is
/// kept.
struct Waiting {
    name: String,
    parent: Arc<Folder>,
    depth: usize,
}

impl Waiting {
    fn folder(self) -> (Folder, usize) {
        let folder = Folder {
            path: self.parent.path.join(&self.name),
            name: self.name,
            parent: Some(self.parent),
            has_show_nfo: false,
        };
        (folder, self.depth)
    }
}

/// Names in a directory that are text and not hidden, sorted; one more than [`MAX_ENTRIES`] at
/// most.
fn names_in(path: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(path)? {
        // A name that is not UTF-8 cannot travel in JSON.
        if let Ok(name) = entry?.file_name().into_string()
            && !name.starts_with('.')
        {
            names.push(name);
            if names.len() > MAX_ENTRIES {
                break;
            }
        }
    }
    names.sort_unstable();
    Ok(names)
}

enum Found {
    Nothing,
    Folder,
    Nfo,
    Video(Box<Video>),
}

fn look(path: &Path, name: &str, real_root: &Path) -> io::Result<Found> {
    let mut metadata = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        // Gone already, or not ours to see: as if it were not there.
        Err(error) if is_absence(&error) => return Ok(Found::Nothing),
        Err(error) => return Err(error),
    };
    if metadata.is_dir() {
        let is_skipped = SKIPPED_FOLDERS.contains(&name.to_ascii_lowercase().as_str());
        return Ok(if is_skipped {
            Found::Nothing
        } else {
            Found::Folder
        });
    }
    let Some((stem, extension)) = name.rsplit_once('.') else {
        return Ok(Found::Nothing);
    };
    let extension = extension.to_ascii_lowercase();
    let is_nfo = extension == "nfo";
    if !is_nfo && !VIDEO.contains(&extension.as_str()) {
        return Ok(Found::Nothing);
    }
    if metadata.is_symlink() {
        // Only files: a link to a directory inside the root would offer its files twice, one to
        // the outside would leak, and one upwards would never end.
        let real = match path
            .canonicalize()
            .and_then(|real| Ok((fs::metadata(&real)?, real)))
        {
            Ok((target, real)) => {
                metadata = target;
                real
            }
            Err(_) => return Ok(Found::Nothing),
        };
        if !real.starts_with(real_root) {
            return Ok(Found::Nothing);
        }
    }
    if !metadata.is_file() {
        return Ok(Found::Nothing);
    }
    if is_nfo {
        return Ok(Found::Nfo);
    }
    let size = metadata.len();
    let lower = stem.to_ascii_lowercase();
    let is_sample = naming::says_sample(stem) && size < MAX_SAMPLE;
    let is_extra = EXTRA_SUFFIXES.iter().any(|suffix| lower.ends_with(suffix));
    if size == 0 || is_sample || is_extra || wire::name_problem(name).is_some() {
        return Ok(Found::Nothing);
    }
    Ok(Found::Video(Box::new(Video {
        name: name.to_owned(),
        size,
        metadata,
    })))
}

fn is_absence(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::PermissionDenied
    )
}
