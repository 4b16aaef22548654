//! Which kind of file system a path lies on, from the kernel's list of mounts.
//!
//! Pure: the text of `/proc/self/mountinfo` (proc_pid_mountinfo(5)) and a path without links in,
//! the type's name out. The name tells more than the number of statfs(2): every FUSE file system
//! has the same number, and sshfs is another thing than mergerfs.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

/// What a kind of file system means for a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A local disk.
    Local,
    /// On another machine: SQLite's locks and shared memory do not work there.
    Network,
    /// A layer that may or may not keep SQLite's promises.
    Doubtful,
    /// Gone after a restart.
    Memory,
}

/// The type of the file system that holds `path`; `None` if the list does not say.
pub fn file_system(mountinfo: &str, path: &Path) -> Option<String> {
    let mut best: Option<(usize, &str)> = None;
    for line in mountinfo.lines() {
        let Some((mount, device)) = line.split_once(" - ") else {
            continue;
        };
        let (Some(point), Some(kind)) = (mount.split(' ').nth(4), device.split(' ').next()) else {
            continue;
        };
        let point = unescape(point);
        let depth = point.components().count();
        // Of two on one point the later one covers the earlier one.
        if path.starts_with(&point) && best.is_none_or(|(deepest, _)| depth >= deepest) {
            best = Some((depth, kind));
        }
    }
    best.map(|(_, kind)| kind.to_owned())
}

/// What the type means for a database.
pub fn kind(name: &str) -> Kind {
    match name {
        "nfs" | "nfs4" | "cifs" | "smb3" | "smbfs" | "afs" | "ceph" | "glusterfs" | "lustre"
        | "beegfs" | "ncpfs" | "davfs" | "fuse.sshfs" | "fuse.rclone" | "fuse.glusterfs"
        | "fuse.davfs2" | "fuse.davfs" | "fuse.s3fs" | "fuse.ceph" | "fuse.curlftpfs"
        | "fuse.smbnetfs" => Kind::Network,
        // A disk with NTFS or exFAT.
        "fuseblk" => Kind::Local,
        "9p" | "virtiofs" | "vboxsf" | "drvfs" | "fakeowner" | "fuse" => Kind::Doubtful,
        "tmpfs" | "ramfs" => Kind::Memory,
        name if name.starts_with("fuse.") => Kind::Doubtful,
        _ => Kind::Local,
    }
}

/// Spaces and the like are written as three octal digits.
fn unescape(text: &str) -> PathBuf {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let octal = (*byte == b'\\')
            .then(|| text.get(at + 1..at + 4))
            .flatten()
            .and_then(|digits| u8::from_str_radix(digits, 8).ok());
        match octal {
            Some(byte) => {
                out.push(byte);
                at += 4;
            }
            None => {
                out.push(*byte);
                at += 1;
            }
        }
    }
    OsString::from_vec(out).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lines as Linux 6.12 writes them.
    const MOUNTINFO: &str = "\
22 1 8:2 / / rw,relatime shared:1 - ext4 /dev/sda2 rw
40 22 0:35 / /mnt/media rw,relatime shared:20 - nfs4 nas:/media rw,vers=4.2
41 40 0:36 / /mnt/media/my\\040films rw shared:21 - fuse.mergerfs a:b rw
42 22 0:37 / /tmp rw - tmpfs tmpfs rw
43 22 8:3 / /tmp rw - xfs /dev/sda3 rw
bad line
44 22
";

    #[test]
    fn the_deepest_and_last_mount_counts() {
        let check = |path: &str, expected: &str| {
            let found = file_system(MOUNTINFO, Path::new(path));
            assert_eq!(found.as_deref(), Some(expected), "{path}");
        };
        check("/", "ext4");
        check("/var/lib/jackdaw", "ext4");
        check("/mnt/mediaplayer", "ext4");
        check("/mnt/media", "nfs4");
        check("/mnt/media/x/y", "nfs4");
        check("/mnt/media/my films/x", "fuse.mergerfs");
        check("/tmp/x", "xfs");
        assert_eq!(file_system("", Path::new("/")), None);
    }

    #[test]
    fn kinds() {
        for (name, expected) in [
            ("ext4", Kind::Local),
            ("btrfs", Kind::Local),
            ("overlay", Kind::Local),
            ("fuseblk", Kind::Local),
            ("nfs4", Kind::Network),
            ("cifs", Kind::Network),
            ("fuse.sshfs", Kind::Network),
            ("fuse.mergerfs", Kind::Doubtful),
            ("9p", Kind::Doubtful),
            ("tmpfs", Kind::Memory),
        ] {
            assert_eq!(kind(name), expected, "{name}");
        }
    }

    #[test]
    fn any_text_is_survived() {
        let mut seed = 7_u64;
        let alphabet: Vec<char> = " -/\\0149aé\n".chars().collect();
        for _ in 0..5000 {
            let mut text = String::from("1 2 3 4 /");
            for _ in 0..(seed >> 40) % 40 {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                text.push(alphabet[usize::try_from((seed >> 33) % 11).unwrap()]);
            }
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(5);
            let _ = file_system(&text, Path::new("/a"));
        }
    }
}
