//! Whether our link to an imported file may go: only if the arr's own is there.
//!
//! In: our path, the arr's path in our view. "There" is a regular file with the same inode (a
//! hardlink) or the same size (a copy), under another name than ours: a library that is our own
//! folder, seen under a second mount, holds the only link. Looks at the disk, changes nothing.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// What the disk says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The arr has the file: ours may go.
    Theirs,
    /// Ours is gone already.
    NotOurs,
    /// The arr's cannot be seen, for this reason; it may yet be.
    Unseen(String),
}

/// Compares the two.
pub fn judge(ours: &Path, theirs: &Path) -> Verdict {
    let own = match fs::symlink_metadata(ours) {
        Ok(own) => own,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Verdict::NotOurs,
        Err(error) => return Verdict::Unseen(format!("{}: {error}", ours.display())),
    };
    let other = match fs::symlink_metadata(theirs) {
        Ok(other) => other,
        Err(error) => return Verdict::Unseen(format!("{}: {error}", theirs.display())),
    };
    let unseen = |why: &str| Verdict::Unseen(format!("{}: {why}", theirs.display()));
    if !other.is_file() {
        return unseen("not a regular file");
    }
    if other.len() != own.len() {
        return unseen("has another size than what was downloaded");
    }
    let is_same_inode = (other.dev(), other.ino()) == (own.dev(), own.ino());
    if is_same_inode && (own.nlink() < 2 || is_same_entry(ours, theirs)) {
        return unseen("is the downloaded file itself, no link or copy of it");
    }
    Verdict::Theirs
}

/// True when both paths name one entry of one folder, or when that cannot be ruled out.
fn is_same_entry(ours: &Path, theirs: &Path) -> bool {
    if ours.file_name() != theirs.file_name() {
        return false;
    }
    let folder = |path: &Path| {
        let found = fs::metadata(path.parent()?).ok()?;
        Some((found.dev(), found.ino()))
    };
    match (folder(ours), folder(theirs)) {
        (Some(ours), Some(theirs)) => ours == theirs,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::random_hex;
    use std::os::unix::fs::symlink;

    #[test]
    fn only_a_link_or_copy_of_its_own_lets_ours_go() {
        let dir = std::env::temp_dir().join(format!("jackdaw-unlink-{}", random_hex::<8>()));
        for folder in ["ours", "library"] {
            fs::create_dir_all(dir.join(folder)).unwrap();
        }
        let (ours, lib) = (dir.join("ours/a.mkv"), dir.join("library"));
        fs::write(&ours, b"1234").unwrap();
        let check = |name: &str, expected: Result<Verdict, &str>| {
            let theirs = lib.join(name);
            match (judge(&ours, &theirs), expected) {
                (Verdict::Unseen(why), Err(part)) => assert!(why.contains(part), "{why}"),
                (verdict, expected) => assert_eq!(Ok(verdict), expected, "{name}"),
            }
        };
        check("none.mkv", Err("No such file"));
        // The library is our folder under a second name: there is no other link.
        symlink(dir.join("ours"), lib.join("alias")).unwrap();
        check("alias/a.mkv", Err("itself"));
        symlink(&ours, lib.join("symlink.mkv")).unwrap();
        check("symlink.mkv", Err("regular"));
        check("", Err("regular"));
        fs::write(lib.join("short.mkv"), b"123").unwrap();
        check("short.mkv", Err("size"));
        fs::write(lib.join("copy.mkv"), b"1234").unwrap();
        check("copy.mkv", Ok(Verdict::Theirs));
        fs::hard_link(&ours, lib.join("a.mkv")).unwrap();
        check("a.mkv", Ok(Verdict::Theirs));
        // Two links now, and yet this is ours.
        check("alias/a.mkv", Err("itself"));
        fs::remove_file(&ours).unwrap();
        check("a.mkv", Ok(Verdict::NotOurs));
        fs::remove_dir_all(dir).unwrap();
    }
}
