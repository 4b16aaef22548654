//! Checks of our own disks: data folder, database, download folder, room.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::finding::Finding;
use super::mounts::{self, Kind};
use super::probe::Probe;
use crate::cli::demo::bytes;
use crate::config::Downloads;
use crate::store::{self, Store};

/// The data folder: there or to be made, ours, writable, on a disk that a database may live on.
/// `mountinfo` is the kernel's list of mounts.
pub fn data_folder(dir: &Path, mountinfo: &str) -> Vec<Finding> {
    const SUBJECT: &str = "data folder";
    let here = dir.display();
    let Ok(real) = fs::canonicalize(dir) else {
        return vec![match existing_parent(dir) {
            Some(parent) if is_writable(&parent) => Finding::ok(
                SUBJECT,
                format!("{here} is not there yet; it is made at the first start"),
            ),
            parent => Finding::fail(
                SUBJECT,
                format!("{here} is not there and cannot be made"),
                match parent {
                    Some(parent) => format!(
                        "make it, or let jackdaw's user write in {}",
                        parent.display()
                    ),
                    None => "correct data_dir".into(),
                },
            ),
        }];
    };
    let mut found = vec![match write_there(&real) {
        Ok(()) => Finding::ok(SUBJECT, format!("{here} is writable")),
        Err(error) => Finding::fail(
            SUBJECT,
            format!("cannot write in {here}: {error}"),
            "give it to the user jackdaw runs as",
        ),
    }];
    let (mine, owner) = (
        rustix::process::geteuid().as_raw(),
        fs::metadata(&real).map(|metadata| metadata.uid()),
    );
    if let Ok(owner) = owner
        && owner != mine
    {
        found.push(Finding::warn(
            SUBJECT,
            format!(
                "it belongs to user {owner}, and this was run as user {mine}: what follows holds \
                 for that one"
            ),
            format!("run jackdaw doctor as user {owner}, if that is whom jackdaw runs as"),
        ));
    }
    if let Some(name) = mounts::file_system(mountinfo, &real) {
        found.push(judge_file_system(SUBJECT, &name));
    }
    found
}

fn judge_file_system(subject: &str, name: &str) -> Finding {
    match mounts::kind(name) {
        Kind::Local => Finding::ok(subject, format!("on a local file system ({name})")),
        Kind::Network => Finding::fail(
            subject,
            format!(
                "on a network file system ({name}), where a database can be damaged: SQLite's \
                 locks and shared memory do not work there"
            ),
            "set data_dir to a folder on a local disk",
        ),
        Kind::Doubtful => Finding::warn(
            subject,
            format!("on {name}, which may not keep the promises that a database relies on"),
            "set data_dir to a folder on a plain local disk",
        ),
        Kind::Memory => Finding::warn(
            subject,
            format!("in memory ({name}): grabs and keys are gone after a restart"),
            "set data_dir to a folder on a disk",
        ),
    }
}

/// The database: sound, and of a version that we know. Nothing is migrated.
pub fn database(dir: &Path) -> Vec<Finding> {
    const SUBJECT: &str = "database";
    let path = dir.join(store::FILE_NAME);
    if !path.exists() {
        return vec![Finding::ok(
            SUBJECT,
            "none yet; it is made at the first start",
        )];
    }
    vec![match Store::inspect(dir) {
        Ok(store::Schema { found, known }) if found < known => Finding::ok(
            SUBJECT,
            format!("sound; the next start brings it from version {found} to {known}"),
        ),
        Ok(_) => Finding::ok(SUBJECT, "opens and is sound"),
        Err(error) => Finding::fail(
            SUBJECT,
            format!("{}: {error}", path.display()),
            match error {
                store::StoreError::Corrupt(_) => {
                    "stop jackdaw, move the file away and start again (grabs and keys are made \
                     anew), or put back a copy"
                }
                store::StoreError::TooNew { .. } => "",
                _ => "check who owns it",
            },
        ),
    }]
}

/// The download folder. The probe is what an arr shall see there.
pub fn completed(downloads: &Downloads) -> (Option<Probe>, Vec<Finding>) {
    const SUBJECT: &str = "completed_path";
    let path = &downloads.completed_path;
    let here = path.display();
    match Probe::make(path) {
        Ok(probe) => {
            let what = format!(
                "{here} is writable; folders made there have mode {:03o}, user {} and group {}",
                probe.mode, probe.uid, probe.gid
            );
            (Some(probe), vec![Finding::ok(SUBJECT, what)])
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let what = format!("{here} is not there");
            let fix = "make it (jackdaw does it at its start), or correct completed_path";
            (None, vec![Finding::fail(SUBJECT, what, fix)])
        }
        Err(error) => {
            let what = format!("cannot write in {here}: {error}");
            let fix = "give it to the user jackdaw runs as";
            (None, vec![Finding::fail(SUBJECT, what, fix)])
        }
    }
}

/// Room for downloads.
pub fn space(downloads: &Downloads) -> Vec<Finding> {
    vec![match rustix::fs::statvfs(&downloads.completed_path) {
        Ok(found) => judge_space(
            found.f_bavail.saturating_mul(found.f_frsize),
            downloads.min_free_space,
        ),
        Err(error) => Finding::fail(
            SPACE,
            format!("{}: {error}", downloads.completed_path.display()),
            "check that the disk is mounted and sound",
        ),
    }]
}

const SPACE: &str = "disk space";

fn judge_space(free: u64, least: u64) -> Finding {
    let what = format!(
        "{} free for downloads, {} of it stay free (min_free_space)",
        bytes(free),
        bytes(least)
    );
    if free <= least {
        Finding::fail(SPACE, format!("{what}: no download starts"), "make room")
    } else if free - least < least {
        Finding::warn(SPACE, format!("{what}: little is left"), "make room")
    } else {
        Finding::ok(SPACE, what)
    }
}

/// The nearest folder above that is there.
fn existing_parent(path: &Path) -> Option<PathBuf> {
    let absolute = std::path::absolute(path).ok()?;
    absolute
        .ancestors()
        .find(|parent| parent.exists())
        .map(Path::to_owned)
}

fn is_writable(dir: &Path) -> bool {
    use rustix::fs::Access;
    dir.is_dir() && rustix::fs::access(dir, Access::WRITE_OK | Access::EXEC_OK).is_ok()
}

fn write_there(dir: &Path) -> std::io::Result<()> {
    let path = dir.join(format!("probe-{}.tmp", crate::secret::random_hex::<8>()));
    File::create_new(&path)?;
    fs::remove_file(&path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::finding::Level;

    fn home() -> PathBuf {
        let home =
            std::env::temp_dir().join(format!("jackdaw-disk-{}", crate::secret::random_hex::<8>()));
        fs::create_dir(&home).unwrap();
        home
    }

    fn levels(found: &[Finding]) -> Vec<Level> {
        found.iter().map(|finding| finding.level).collect()
    }

    #[test]
    fn data_folders() {
        let home = home();
        let local = "1 0 8:1 / / rw - ext4 /dev/sda rw\n";
        let check = |dir: &Path, mountinfo: &str, expected: &[Level], word: &str| {
            let found = data_folder(dir, mountinfo);
            assert_eq!(levels(&found), expected, "{found:?}");
            assert!(
                found.last().unwrap().to_string().contains(word),
                "{found:?}"
            );
        };
        check(&home, local, &[Level::Ok, Level::Ok], "local");
        check(&home, "", &[Level::Ok], "writable");
        let nfs = local.replace("ext4", "nfs4");
        check(&home, &nfs, &[Level::Ok, Level::Fail], "data_dir");
        let fuse = local.replace("ext4", "fuse.mergerfs");
        check(&home, &fuse, &[Level::Ok, Level::Warn], "fuse.mergerfs");
        let memory = local.replace("ext4", "tmpfs");
        check(&home, &memory, &[Level::Ok, Level::Warn], "memory");
        check(&home.join("a/b"), local, &[Level::Ok], "first start");
        assert_eq!(fs::read_dir(&home).unwrap().count(), 0);
        fs::write(home.join("file"), "").unwrap();
        let below = home.join("file/x");
        check(&below, local, &[Level::Fail], "cannot be made");
        fs::remove_dir_all(home).unwrap();
    }

    #[test]
    fn databases() {
        let home = home();
        let check = |level: Level, word: &str| {
            let found = database(&home);
            assert_eq!(levels(&found), [level], "{found:?}");
            assert!(found[0].to_string().contains(word), "{found:?}");
        };
        check(Level::Ok, "first start");
        drop(Store::open(&home).unwrap());
        check(Level::Ok, "sound");
        fs::write(home.join(store::FILE_NAME), [7u8; 4096]).unwrap();
        check(Level::Fail, "damaged");
        fs::remove_dir_all(home).unwrap();
    }

    #[test]
    fn rooms() {
        const GIB: u64 = 1 << 30;
        for (free, least, expected) in [
            (100 * GIB, GIB, Level::Ok),
            (1, 0, Level::Ok),
            (2 * GIB - 1, GIB, Level::Warn),
            (GIB, GIB, Level::Fail),
            (0, 0, Level::Fail),
        ] {
            assert_eq!(judge_space(free, least).level, expected, "{free}");
        }
    }
}
