//! The folder of finished downloads: where part files and finished files lie, and what a start has
//! to put in order there.
//!
//! Part files are `completed_path/.partial/<grab id>-<infohash>.part`: the name does not depend on
//! anything that a friend says, and has no extension that an arr would scan. Only names of exactly
//! this form are ever removed as orphans. `completed_path` itself is made if its parent exists, but
//! never later on: a disk that was unplugged must not become a folder on the one below it
//! ([`Layout::check`], and [`is_deserted`] at a start). A lock file keeps a second jackdaw away from
//! the same folder. Files get 0666 and folders 0777, less the umask of the process.

use std::collections::HashSet;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::torrent::stub::Infohash;

/// Folder of part files, below `completed_path`. The leading dot keeps arrs out of it.
const PARTIAL: &str = ".partial";
/// Held by the one jackdaw that uses the folder.
const LOCK: &str = "lock";

/// The opened folder.
pub struct Layout {
    completed: PathBuf,
    partial: PathBuf,
    lock: File,
    /// The file system that `completed` was on at the start.
    device: u64,
}

impl Layout {
    /// Opens the folder, makes what is missing, and takes the lock. The error is one line.
    pub fn open(completed: &Path) -> Result<Layout, String> {
        let partial = completed.join(PARTIAL);
        let refused = |what: &str, path: &Path, error: &dyn std::fmt::Display| {
            format!(
                "the download folder {}: cannot {what} {}: {error}; check completed_path in \
                 [downloads] and who owns that folder",
                completed.display(),
                path.display()
            )
        };
        make_folder(completed).map_err(|error| refused("make", completed, &error))?;
        make_folder(&partial).map_err(|error| refused("make", &partial, &error))?;
        let path = partial.join(LOCK);
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o666)
            .open(&path)
            .map_err(|error| refused("write", &path, &error))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(format!(
                    "the download folder {} is in use by another jackdaw: give each its own \
                     completed_path",
                    completed.display()
                ));
            }
            // Some network file systems have no locks: then it is up to the owner.
            Err(TryLockError::Error(error)) => {
                log::debug!("no lock on {}: {error}", path.display());
            }
        }
        let device_of = |path: &Path| {
            let found = fs::metadata(path).map_err(|error| refused("read", path, &error))?;
            Ok::<u64, String>(found.dev())
        };
        let device = device_of(completed)?;
        if device_of(&partial)? != device {
            return Err(format!(
                "the download folder {}: its {PARTIAL} lies on another disk: finished files could \
                 not be moved out of it; make it a plain folder, or move completed_path",
                completed.display()
            ));
        }
        Ok(Layout {
            completed: completed.to_owned(),
            partial,
            lock,
            device,
        })
    }

    /// Fails when the disk of `completed_path` has been unmounted: what lies there then is the
    /// empty folder it was mounted on, and downloads would fill the disk below. A disk that is
    /// mounted again is known by the lock file, whatever number the kernel gives it this time.
    pub fn check(&self) -> io::Result<()> {
        let is_other = fs::metadata(&self.completed)?.dev() != self.device;
        if is_other && !self.partial.join(LOCK).exists() {
            return Err(io::Error::other(
                "another disk lies there than at the start: mount the right one again, or restart \
                 jackdaw if this one is meant",
            ));
        }
        Ok(())
    }

    /// Lets another jackdaw use the folder.
    pub fn unlock(&self) {
        if let Err(error) = self.lock.unlock() {
            log::debug!("cannot unlock {}: {error}", self.partial.display());
        }
    }

    /// Makes the folder of part files if somebody has removed it, but not the one above it.
    pub fn make_partial(&self) -> io::Result<()> {
        self.check()?;
        make_folder(&self.partial)
    }

    /// `completed_path`.
    pub fn completed(&self) -> &Path {
        &self.completed
    }

    /// The folder of part files.
    pub fn partial(&self) -> &Path {
        &self.partial
    }

    /// The part file of a grab.
    pub fn part(&self, id: i64, infohash: &Infohash) -> PathBuf {
        self.partial.join(format!("{id}-{infohash}.part"))
    }

    /// The folder of a finished file.
    pub fn folder(&self, folder: &str) -> PathBuf {
        self.completed.join(folder)
    }

    /// A finished file.
    pub fn finished(&self, folder: &str, filename: &str) -> PathBuf {
        self.completed.join(folder).join(filename)
    }

    /// True when nothing of this name lies in `completed_path`.
    pub fn is_free(&self, folder: &str) -> io::Result<bool> {
        match fs::symlink_metadata(self.folder(folder)) {
            Ok(_) => Ok(false),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
            Err(error) => Err(error),
        }
    }

    /// True when the finished file is there, a plain file of this length.
    pub fn has_finished(&self, folder: &str, filename: &str, size: u64) -> bool {
        fs::symlink_metadata(self.finished(folder, filename))
            .is_ok_and(|found| found.is_file() && found.len() == size)
    }

    /// Removes a part file; that there is none is fine.
    pub fn remove_part(&self, id: i64, infohash: &Infohash) {
        remove(&self.part(id, infohash));
    }

    /// Removes a finished file and, if it is empty then, its folder. Anything else stays: the
    /// folder may hold what an arr or a person has put there.
    pub fn remove_finished(&self, folder: &str, filename: Option<&str>) {
        // The names come from our own database, where only safe ones get in; a damaged one must
        // not reach outside all the same.
        let is_safe = |name: &str| super::names::filename_problem(name).is_none();
        if !is_safe(folder) || !filename.is_none_or(is_safe) || folder == PARTIAL {
            return;
        }
        let path = self.folder(folder);
        if !fs::symlink_metadata(&path).is_ok_and(|found| found.is_dir()) {
            return;
        }
        if let Some(filename) = filename {
            remove(&path.join(filename));
        }
        if let Err(error) = fs::remove_dir(&path)
            && !matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::DirectoryNotEmpty
            )
        {
            log::warn!("cannot remove the folder {}: {error}", path.display());
        }
    }

    /// Bytes that we may still write.
    pub fn free_space(&self) -> io::Result<u64> {
        let found = rustix::fs::statvfs(&self.completed)?;
        Ok(found.f_bavail.saturating_mul(found.f_frsize))
    }

    /// Removes part files that belong to none of `wanted`.
    pub fn remove_orphans(&self, wanted: &HashSet<(i64, Infohash)>) -> io::Result<()> {
        for entry in fs::read_dir(&self.partial)? {
            let entry = entry?;
            let name = entry.file_name();
            let Some(owner) = name.to_str().and_then(owner_of) else {
                continue;
            };
            if !wanted.contains(&owner) {
                log::info!("removing {}: its grab is gone", entry.path().display());
                remove(&entry.path());
            }
        }
        Ok(())
    }
}

/// True when nothing at all lies at `completed`, as on a mount point whose disk is not there (or
/// below one: then `completed` itself is missing). Where downloads were kept before, there is at
/// least the folder of part files.
pub fn is_deserted(completed: &Path) -> bool {
    match fs::read_dir(completed) {
        Ok(mut inside) => inside.next().is_none(),
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    }
}

/// Makes one folder level if it is missing; a link to a folder counts as one.
fn make_folder(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    DirBuilder::new().mode(0o777).create(path)
}

fn remove(path: &Path) {
    match fs::remove_file(path) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => log::warn!("cannot remove {}: {error}", path.display()),
    }
}

/// The grab that a part file of this name belongs to.
fn owner_of(name: &str) -> Option<(i64, Infohash)> {
    let (id, hash) = name.strip_suffix(".part")?.split_once('-')?;
    let owner = (id.parse().ok()?, Infohash::parse(hash)?);
    // Only what we would write ourselves: no plus sign, no zeros in front, no capitals.
    (format!("{}-{}.part", owner.0, owner.1) == name).then_some(owner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::random_hex;

    fn scratch() -> PathBuf {
        let path = std::env::temp_dir().join(format!("jackdaw-layout-{}", random_hex::<8>()));
        fs::create_dir_all(&path).unwrap();
        path
    }

    #[test]
    fn only_our_own_names_are_part_files() {
        let hash = "0123456789abcdef0123456789abcdef01234567";
        let check = |name: &str, id: Option<i64>| {
            assert_eq!(owner_of(name).map(|owner| owner.0), id, "{name:?}");
        };
        check(&format!("12-{hash}.part"), Some(12));
        check(&format!("+12-{hash}.part"), None);
        check(&format!("012-{hash}.part"), None);
        check(&format!("12-{}.part", hash.to_uppercase()), None);
        check(&format!("12-{hash}.part.bak"), None);
        check(&format!("12{hash}.part"), None);
        check("12-.part", None);
        check("lock", None);
    }

    #[test]
    fn orphans_go_and_everything_else_stays() {
        let dir = scratch();
        let layout = Layout::open(&dir).unwrap();
        let hash = Infohash([7; 20]);
        for name in [layout.part(1, &hash), layout.part(2, &hash)] {
            fs::write(name, b"x").unwrap();
        }
        fs::write(layout.partial().join("notes.part"), b"x").unwrap();
        layout.remove_orphans(&HashSet::from([(2, hash)])).unwrap();
        assert!(!layout.part(1, &hash).exists());
        assert!(layout.part(2, &hash).exists());
        assert!(layout.partial().join("notes.part").exists());
        assert!(layout.partial().join(LOCK).exists());
        fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn a_second_jackdaw_is_kept_out() {
        let dir = scratch();
        let first = Layout::open(&dir).unwrap();
        let error = Layout::open(&dir).err().unwrap();
        assert!(error.contains("in use by another jackdaw"), "{error}");
        drop(first);
        assert!(Layout::open(&dir).is_ok());
        fs::remove_dir_all(dir).unwrap();
    }

    /// A folder of the same name on another file system than temporary files have, as nearly any
    /// Linux has one. Without, this says that the test is skipped.
    fn on_another_file_system(dir: &Path) -> Option<PathBuf> {
        let device = |path: &Path| fs::metadata(path).map(|metadata| metadata.dev());
        let root = Path::new("/dev/shm");
        let other = root.join(dir.file_name().unwrap());
        let is_another = device(root).is_ok_and(|shm| shm != device(dir).unwrap());
        if is_another && fs::create_dir(&other).is_ok() {
            return Some(other);
        }
        println!("skipped: there is no second file system");
        fs::remove_dir_all(dir).unwrap();
        None
    }

    #[test]
    fn a_disk_that_was_unmounted_is_not_replaced_by_the_one_below() {
        let dir = scratch();
        let Some(other) = on_another_file_system(&dir) else {
            return;
        };
        let (disk, below) = (other.join("disk"), dir.join("below"));
        fs::create_dir(&disk).unwrap();
        fs::create_dir(&below).unwrap();
        let mount = |what: &Path| {
            let link = dir.join("done");
            let _ = fs::remove_file(&link);
            std::os::unix::fs::symlink(what, &link).unwrap();
            link
        };
        let layout = Layout::open(&mount(&disk)).unwrap();
        fs::remove_dir_all(disk.join(PARTIAL)).unwrap();
        layout.make_partial().unwrap();
        assert!(
            disk.join(PARTIAL).exists(),
            "removed by somebody: made again"
        );
        mount(&below);
        let error = layout.make_partial().unwrap_err().to_string();
        assert!(error.contains("another disk"), "{error}");
        assert!(super::super::finish::make_folder(&layout, "A").is_err());
        assert_eq!(fs::read_dir(&below).unwrap().count(), 0);
        mount(&disk);
        layout.make_partial().unwrap();
        // Mounted again, under another number: ours by its lock file.
        fs::create_dir(below.join(PARTIAL)).unwrap();
        fs::write(below.join(PARTIAL).join(LOCK), b"").unwrap();
        mount(&below);
        layout.make_partial().unwrap();
        fs::remove_dir_all(dir).unwrap();
        fs::remove_dir_all(other).unwrap();
    }

    #[test]
    fn part_files_on_another_disk_are_refused() {
        let dir = scratch();
        let Some(other) = on_another_file_system(&dir) else {
            return;
        };
        std::os::unix::fs::symlink(&other, dir.join(PARTIAL)).unwrap();
        let error = Layout::open(&dir).err().unwrap();
        assert!(error.contains("another disk"), "{error}");
        fs::remove_dir_all(dir).unwrap();
        fs::remove_dir_all(other).unwrap();
    }

    #[test]
    fn a_missing_folder_is_made_but_not_its_parents() {
        let dir = scratch();
        assert!(Layout::open(&dir.join("new")).is_ok());
        let error = Layout::open(&dir.join("no/such")).err().unwrap();
        assert!(error.contains("completed_path"), "{error}");
        fs::write(dir.join("file"), b"").unwrap();
        assert!(Layout::open(&dir.join("file")).is_err());
        fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn removing_a_finished_file_touches_nothing_else() {
        let dir = scratch();
        let layout = Layout::open(&dir).unwrap();
        fs::create_dir(layout.folder("A")).unwrap();
        fs::write(layout.finished("A", "a.mkv"), b"x").unwrap();
        fs::write(layout.finished("A", "other.nfo"), b"x").unwrap();
        layout.remove_finished("A", Some("a.mkv"));
        assert!(!layout.finished("A", "a.mkv").exists());
        assert!(layout.finished("A", "other.nfo").exists());
        fs::remove_file(layout.finished("A", "other.nfo")).unwrap();
        layout.remove_finished("A", Some("a.mkv"));
        assert!(!layout.folder("A").exists());
        fs::write(dir.join("outside"), b"x").unwrap();
        layout.remove_finished("..", Some("x"));
        layout.remove_finished("B/..", Some("outside"));
        layout.remove_finished(PARTIAL, Some(LOCK));
        assert!(dir.join("outside").exists() && layout.partial().join(LOCK).exists());
        fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn a_folder_that_is_a_link_is_left_alone() {
        let dir = scratch();
        let layout = Layout::open(&dir.join("done")).unwrap();
        fs::create_dir(dir.join("elsewhere")).unwrap();
        fs::write(dir.join("elsewhere/a.mkv"), b"x").unwrap();
        std::os::unix::fs::symlink(dir.join("elsewhere"), layout.folder("A")).unwrap();
        layout.remove_finished("A", Some("a.mkv"));
        assert!(dir.join("elsewhere/a.mkv").exists());
        fs::remove_dir_all(dir).unwrap();
    }
}
