//! The last step: a complete part file gets its final name.
//!
//! Length checked, synced, folder made, renamed within the file system without ever replacing
//! anything, folders synced; only then does the caller change the state. Each step may be the last
//! before a power cut: what is found at the next start is either the whole part file or the whole
//! finished file, and both are recognised.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use rustix::fs::{CWD, RenameFlags};
use rustix::io::Errno;

use super::layout::Layout;
use super::names;
use super::retry::{Class, Failure};

/// Folder names tried when somebody has taken ours in the meantime.
const MAX_NAMES: u32 = 1000;

/// Finds a folder for a finished file, and makes it: `folder` itself, or with a number behind it
/// where something lies there that is not ours to fill. An empty folder is taken: it is most likely
/// ours, from just before a power cut, and nothing in it can be lost.
pub fn make_folder(layout: &Layout, folder: &str) -> Result<String, Failure> {
    layout
        .check()
        .map_err(|error| Failure::disk("use", layout.completed(), &error))?;
    for n in 1..=MAX_NAMES {
        let name = names::numbered(folder, n);
        let path = layout.folder(&name);
        match DirBuilder::new().mode(0o777).create(&path) {
            Ok(()) => return Ok(name),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                let is_folder = fs::symlink_metadata(&path).is_ok_and(|found| found.is_dir());
                if is_folder && fs::read_dir(&path).is_ok_and(|mut inside| inside.next().is_none())
                {
                    return Ok(name);
                }
            }
            Err(error) => return Err(Failure::disk("make the folder", &path, &error)),
        }
    }
    Err(Failure::new(
        Class::Disk,
        format!(
            "there are {MAX_NAMES} folders named like \"{folder}\" in {}",
            layout.completed().display()
        ),
    ))
}

/// Moves a part file of exactly `size` bytes to its final name in a folder made by [`make_folder`].
pub fn place(layout: &Layout, part: &Path, to: &Path, size: u64) -> Result<(), Failure> {
    let at = |what: &'static str, path: &Path| {
        let path = path.to_owned();
        move |error: io::Error| Failure::disk(what, &path, &error)
    };
    let file = File::open(part).map_err(at("open", part))?;
    let length = file.metadata().map_err(at("read", part))?.len();
    if length != size {
        return Err(Failure::new(
            Class::Later,
            format!("{} has {length} bytes instead of {size}", part.display()),
        ));
    }
    file.sync_all().map_err(at("sync", part))?;
    drop(file);
    rename(part, to).map_err(at("move the finished download to", to))?;
    sync_folders(layout, to)
}

/// Puts on the disk what [`place`] had done before it was interrupted: the file is found under its
/// final name, but the kernel may still hold back that it has it.
pub fn confirm(layout: &Layout, to: &Path) -> Result<(), Failure> {
    File::open(to)
        .and_then(|file| file.sync_all())
        .map_err(|error| Failure::disk("sync", to, &error))?;
    sync_folders(layout, to)
}

fn sync_folders(layout: &Layout, to: &Path) -> Result<(), Failure> {
    if let Some(folder) = to.parent() {
        sync_folder(folder)?;
    }
    sync_folder(layout.completed())?;
    sync_folder(layout.partial())
}

/// Renames, but never over anything.
fn rename(from: &Path, to: &Path) -> io::Result<()> {
    match rustix::fs::renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        Ok(()) => Ok(()),
        // Old kernels and some file systems do not know the flag.
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
            rename_by_link(from, to).map_err(|error| match Errno::from_io_error(&error) {
                // Said of the name, then: FAT and Samba refuse a colon, for example.
                Some(Errno::INVAL) => Errno::ILSEQ.into(),
                _ => error,
            })
        }
        Err(error) => Err(error.into()),
    }
}

/// A link never replaces anything either.
fn rename_by_link(from: &Path, to: &Path) -> io::Result<()> {
    match fs::hard_link(from, to) {
        Ok(()) => fs::remove_file(from),
        Err(error)
            if matches!(
                Errno::from_io_error(&error),
                Some(Errno::PERM | Errno::OPNOTSUPP | Errno::NOSYS)
            ) =>
        {
            // No links either (FAT): look first. The folder was empty a moment ago and is ours.
            match fs::symlink_metadata(to) {
                Err(missing) if missing.kind() == io::ErrorKind::NotFound => fs::rename(from, to),
                Err(other) => Err(other),
                Ok(_) => Err(io::ErrorKind::AlreadyExists.into()),
            }
        }
        Err(error) => Err(error),
    }
}

fn sync_folder(folder: &Path) -> Result<(), Failure> {
    let result = File::open(folder).and_then(|folder| folder.sync_all());
    match result {
        // Some file systems cannot sync a folder; the rename is as safe there as it gets.
        Err(error)
            if matches!(
                Errno::from_io_error(&error),
                Some(Errno::INVAL | Errno::OPNOTSUPP)
            ) =>
        {
            Ok(())
        }
        result => result.map_err(|error| Failure::disk("sync the folder", folder, &error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::downloads::tests::Home;
    use crate::torrent::stub::Infohash;

    fn layout(home: &Home) -> Layout {
        Layout::open(&home.done()).unwrap()
    }

    #[test]
    fn a_complete_part_becomes_the_finished_file() {
        let home = Home::new();
        let layout = layout(&home);
        let part = layout.part(1, &Infohash([1; 20]));
        fs::write(&part, b"abc").unwrap();
        let folder = make_folder(&layout, "A").unwrap();
        place(&layout, &part, &layout.finished(&folder, "a.mkv"), 3).unwrap();
        assert_eq!(fs::read(home.done().join("A/a.mkv")).unwrap(), b"abc");
        assert!(!part.exists());
        assert!(layout.has_finished("A", "a.mkv", 3));
        assert!(!layout.has_finished("A", "a.mkv", 4));
    }

    #[test]
    fn a_part_of_the_wrong_length_stays_where_it_is() {
        let home = Home::new();
        let layout = layout(&home);
        let part = layout.part(1, &Infohash([1; 20]));
        fs::write(&part, b"abc").unwrap();
        make_folder(&layout, "A").unwrap();
        for size in [2, 4] {
            let failure = place(&layout, &part, &layout.finished("A", "a.mkv"), size).unwrap_err();
            assert_eq!(failure.class, Class::Later);
        }
        assert!(part.exists() && !layout.finished("A", "a.mkv").exists());
    }

    #[test]
    fn a_name_that_the_disk_cannot_hold_fails_for_good() {
        let home = Home::new();
        let layout = layout(&home);
        let part = layout.part(1, &Infohash([1; 20]));
        fs::write(&part, b"abc").unwrap();
        make_folder(&layout, "A").unwrap();
        let to = layout.finished("A", &"x".repeat(300));
        let failure = place(&layout, &part, &to, 3).unwrap_err();
        assert_eq!(failure.class, Class::Never, "{failure:?}");
        assert!(failure.reason.contains("cannot hold"), "{failure:?}");
        assert!(part.exists());
    }

    #[test]
    fn nothing_is_overwritten_whichever_way_it_is_renamed() {
        let home = Home::new();
        let (from, to) = (home.0.join("from"), home.0.join("to"));
        for rename in [rename, rename_by_link] {
            fs::write(&from, b"new").unwrap();
            fs::write(&to, b"old").unwrap();
            assert!(rename(&from, &to).is_err());
            assert_eq!(fs::read(&to).unwrap(), b"old");
            assert_eq!(fs::read(&from).unwrap(), b"new");
            fs::remove_file(&to).unwrap();
            rename(&from, &to).unwrap();
            assert_eq!(fs::read(&to).unwrap(), b"new");
            assert!(!from.exists());
        }
    }

    #[test]
    fn a_folder_with_something_in_it_is_left_alone() {
        let home = Home::new();
        let layout = layout(&home);
        assert_eq!(make_folder(&layout, "A").unwrap(), "A");
        assert_eq!(make_folder(&layout, "A").unwrap(), "A", "still empty");
        fs::write(layout.finished("A", "other"), b"").unwrap();
        assert_eq!(make_folder(&layout, "A").unwrap(), "A (2)");
        std::os::unix::fs::symlink(home.0.join("elsewhere"), layout.folder("B")).unwrap();
        assert_eq!(make_folder(&layout, "B").unwrap(), "B (2)");
        fs::write(layout.folder("C"), b"").unwrap();
        assert_eq!(make_folder(&layout, "C").unwrap(), "C (2)");
    }
}
