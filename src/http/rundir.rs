//! The private directory in which the inner server's Unix socket lives.
//!
//! Made with mode 0700 under a name nobody can guess or occupy, removed when dropped. Leftovers of
//! processes that were killed are recognised by a socket that refuses connections, and removed.
//! A Unix socket's path has room for 107 bytes, so places with long paths are passed over.

use std::fs::{self, DirBuilder};
use std::io::{self, ErrorKind};
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

/// How such directories begin.
const NAME: &str = "jackdaw-http-";
/// `sun_path` holds 108 bytes with its final zero; a few are kept back for other systems (104).
const MAX_SOCKET_PATH: usize = 100;
/// Room for `/jackdaw-http-PID-RANDOM/GENERATION.sock`.
const TAIL: usize = 50;

/// A private directory, removed with its content when dropped.
#[derive(Debug)]
pub struct RunDir {
    path: PathBuf,
}

impl RunDir {
    /// Makes one in the first of `places` that allows it. The error names every place that was
    /// tried and why it did not do.
    pub fn create(places: &[PathBuf]) -> Result<RunDir, String> {
        let mut problems = Vec::new();
        for place in places {
            match RunDir::create_in(place) {
                Ok(created) => return Ok(created),
                Err(error) => problems.push(format!("{}: {error}", place.display())),
            }
        }
        Err(format!(
            "no place for the inner socket ({})",
            problems.join("; ")
        ))
    }

    fn create_in(place: &Path) -> io::Result<RunDir> {
        if place.as_os_str().len() + TAIL > MAX_SOCKET_PATH {
            return Err(io::Error::new(ErrorKind::InvalidFilename, "path too long"));
        }
        sweep(place);
        let random = getrandom::u32().map_err(|error| io::Error::other(error.to_string()))?;
        let name = format!("{NAME}{}-{random:08x}", std::process::id());
        let path = place.join(name);
        DirBuilder::new().mode(0o700).create(&path)?;
        let created = RunDir { path };
        // Some file systems (FAT, some network mounts) hold directories but no sockets.
        let trial = created.socket(u64::MAX);
        // Held until its file is gone: a socket that nobody listens on any more looks like one of a
        // killed process to another jackdaw that starts at this moment.
        let listener = std::os::unix::net::UnixListener::bind(&trial)?;
        fs::remove_file(&trial)?;
        drop(listener);
        Ok(created)
    }

    /// The path of the socket of one generation of the inner server.
    pub fn socket(&self, generation: u64) -> PathBuf {
        self.path.join(format!("{:x}.sock", generation & 0xff_ffff))
    }

    /// Whether it is still there: cleaners of temporary directories take old ones away.
    pub fn exists(&self) -> bool {
        self.path.is_dir()
    }

    /// Removes it now; doing so again does nothing.
    pub fn remove(&self) {
        if let Err(error) = fs::remove_dir_all(&self.path)
            && error.kind() != ErrorKind::NotFound
        {
            log::warn!("cannot remove {}: {error}", self.path.display());
        }
    }
}

impl Drop for RunDir {
    fn drop(&mut self) {
        self.remove();
    }
}

/// Removes what killed processes have left in `place`. Best effort: whatever cannot be read or
/// removed (another user's, say) stays.
fn sweep(place: &Path) {
    let Ok(entries) = fs::read_dir(place) else {
        return;
    };
    for entry in entries.flatten() {
        if entry.file_name().to_string_lossy().starts_with(NAME)
            && entry.file_type().is_ok_and(|kind| kind.is_dir())
            && is_dead(&entry.path())
            && fs::remove_dir_all(entry.path()).is_ok()
        {
            log::info!("removed {}, left by an earlier run", entry.path().display());
        }
    }
}

/// Whether a directory holds sockets and nobody listens on any of them.
fn is_dead(directory: &Path) -> bool {
    let Ok(entries) = fs::read_dir(directory) else {
        return false;
    };
    let mut sockets = 0;
    for entry in entries.flatten() {
        sockets += 1;
        match UnixStream::connect(entry.path()) {
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => {}
            _ => return false,
        }
    }
    sockets > 0
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::net::UnixListener;

    use super::*;

    fn place(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("jd-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir(&path).unwrap();
        path
    }

    #[test]
    fn private_and_removed_at_the_end() {
        let place = place("run");
        let dir = RunDir::create(std::slice::from_ref(&place)).unwrap();
        let mode = fs::metadata(&dir.path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        assert!(dir.socket(u64::MAX).as_os_str().len() < MAX_SOCKET_PATH);
        let path = dir.path.clone();
        drop(dir);
        assert!(!path.exists());
        fs::remove_dir_all(place).unwrap();
    }

    #[test]
    fn unusable_places_are_passed_over() {
        let place = place("pass");
        let long = place.join("x".repeat(90));
        fs::create_dir(&long).unwrap();
        let missing = place.join("no");
        let dir = RunDir::create(&[long.clone(), missing.clone(), place.clone()]).unwrap();
        assert_eq!(dir.path.parent(), Some(place.as_path()));
        let error = RunDir::create(&[long, missing]).unwrap_err();
        assert!(
            error.contains("path too long") && error.contains("/no: "),
            "{error}"
        );
        drop(dir);
        fs::remove_dir_all(place).unwrap();
    }

    #[test]
    fn only_dead_leftovers_are_removed() {
        let place = place("sweep");
        let dead = place.join("jackdaw-http-1-dead");
        let alive = place.join("jackdaw-http-1-alive");
        let empty = place.join("jackdaw-http-1-empty");
        let foreign = place.join("other-dead");
        for directory in [&dead, &alive, &empty, &foreign] {
            fs::create_dir(directory).unwrap();
        }
        drop(UnixListener::bind(dead.join("1.sock")).unwrap());
        drop(UnixListener::bind(foreign.join("1.sock")).unwrap());
        let listener = UnixListener::bind(alive.join("1.sock")).unwrap();
        let dir = RunDir::create(std::slice::from_ref(&place)).unwrap();
        assert!(!dead.exists());
        assert!(alive.exists() && empty.exists() && foreign.exists());
        drop((listener, dir));
        fs::remove_dir_all(place).unwrap();
    }
}
