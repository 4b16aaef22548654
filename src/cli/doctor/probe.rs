//! A folder with one file in `completed_path`, made as a finished download would be, so that an
//! arr can be asked whether it sees it. Removed when dropped; nothing else is ever touched.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Its one file. No name of a video: an arr that looked in would find nothing to import.
pub const FILE: &str = "probe.txt";

/// The folder, as long as it is there.
#[derive(Debug)]
pub struct Probe {
    /// One component, below `completed_path`.
    pub name: String,
    /// Who owns what we make there.
    pub uid: u32,
    /// Group of what we make there (the parent's, with setgid).
    pub gid: u32,
    /// Permission bits of the folder.
    pub mode: u32,
    /// Device of the folder.
    pub device: u64,
    path: PathBuf,
}

impl Probe {
    /// Makes it; modes are cut by the umask of the process only.
    pub fn make(completed: &Path) -> io::Result<Probe> {
        let name = format!("jackdaw-probe-{}", crate::secret::random_hex::<8>());
        let path = completed.join(&name);
        DirBuilder::new().mode(0o777).create(&path)?;
        let mut probe = Probe {
            name,
            uid: 0,
            gid: 0,
            mode: 0,
            device: 0,
            path,
        };
        OpenOptions::new()
            .create_new(true)
            .write(true)
            .mode(0o666)
            .open(probe.path.join(FILE))?;
        let metadata = fs::metadata(&probe.path)?;
        probe.uid = metadata.uid();
        probe.gid = metadata.gid();
        probe.mode = metadata.mode() & 0o7777;
        probe.device = metadata.dev();
        Ok(probe)
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        // The file is not there if making it failed.
        let _ = fs::remove_file(self.path.join(FILE));
        if let Err(error) = fs::remove_dir(&self.path) {
            eprintln!("cannot remove {}: {error}", self.path.display());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_goes_when_it_is_dropped() {
        let home = std::env::temp_dir().join(format!(
            "jackdaw-probe-{}",
            crate::secret::random_hex::<8>()
        ));
        fs::create_dir(&home).unwrap();
        let probe = Probe::make(&home).unwrap();
        assert!(home.join(&probe.name).join(FILE).is_file());
        assert_eq!(probe.uid, fs::metadata(&home).unwrap().uid());
        drop(probe);
        assert_eq!(fs::read_dir(&home).unwrap().count(), 0);
        fs::remove_dir(&home).unwrap();
        assert!(Probe::make(&home).is_err());
    }
}
