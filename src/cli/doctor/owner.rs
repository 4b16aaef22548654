//! May an arr take away what we put down? Judged by permission bits and owners.
//!
//! Pure. We cannot make the arr delete something, and no API tells as which user it runs; what it
//! has made itself (a folder in its library) shows that, when we can see one. The verdict says
//! what it rests on, and is never worse than a warning.

use std::path::PathBuf;

use super::finding::Finding;
use super::probe::Probe;
use crate::config::AfterImport;

/// Something that the arr made, and whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    /// Where it lies, in our view.
    pub path: PathBuf,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
}

/// Whether the arr may do with finished downloads what it must.
pub fn judge(subject: &str, probe: &Probe, after: AfterImport, made: Option<&Made>) -> Finding {
    // Moving a file away changes its folder; linking or copying only reads.
    let (bits, deed) = match after {
        AfterImport::Move => (0o3, "move finished downloads away"),
        AfterImport::Keep => (0o5, "read finished downloads"),
    };
    let everybody = probe.mode & bits == bits;
    let group = (probe.mode >> 3) & bits == bits;
    let ours = format!(
        "what we make has mode {:03o}, user {} and group {}",
        probe.mode, probe.uid, probe.gid
    );
    let fix = format!(
        "run both with group {} (PGID in many images) and umask = 002",
        probe.gid
    );
    if everybody {
        return Finding::ok(subject, format!("everybody may {deed}: {ours}"));
    }
    let Some(made) = made else {
        return match group {
            true => Finding::ok(
                subject,
                format!(
                    "must run as user {} or in group {} to {deed}, which cannot be seen from here: \
                     {ours}",
                    probe.uid, probe.gid
                ),
            ),
            false => Finding::warn(
                subject,
                format!(
                    "may {deed} only if it runs as user {}, which cannot be seen from here: {ours}",
                    probe.uid
                ),
                fix,
            ),
        };
    };
    let theirs = format!(
        "{} in its library belongs to user {} and group {}",
        made.path.display(),
        made.uid,
        made.gid
    );
    let may = made.uid == 0 || made.uid == probe.uid || (group && made.gid == probe.gid);
    match may {
        true => Finding::ok(subject, format!("can {deed}: {ours}, and {theirs}")),
        false => Finding::warn(
            subject,
            format!("can hardly {deed}: {ours}, but {theirs}"),
            fix,
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::finding::Level;

    #[test]
    fn verdicts() {
        let home = std::env::temp_dir().join(format!(
            "jackdaw-owner-{}",
            crate::secret::random_hex::<8>()
        ));
        std::fs::create_dir(&home).unwrap();
        let mut probe = Probe::make(&home).unwrap();
        (probe.uid, probe.gid) = (1000, 100);
        let made = |uid, gid| {
            Some(Made {
                path: "/tv/X".into(),
                uid,
                gid,
            })
        };
        use AfterImport::{Keep, Move};
        for (mode, after, made, expected) in [
            (0o777, Move, None, Level::Ok),
            (0o777, Move, made(5, 5), Level::Ok),
            (0o775, Move, None, Level::Ok),
            (0o775, Move, made(1000, 5), Level::Ok),
            (0o775, Move, made(5, 100), Level::Ok),
            (0o775, Move, made(0, 0), Level::Ok),
            (0o775, Move, made(5, 5), Level::Warn),
            (0o755, Move, made(5, 100), Level::Warn),
            (0o755, Move, None, Level::Warn),
            (0o755, Move, made(1000, 5), Level::Ok),
            // Reading is enough where the file stays.
            (0o755, Keep, made(5, 5), Level::Ok),
            (0o750, Keep, made(5, 100), Level::Ok),
            (0o700, Keep, made(5, 100), Level::Warn),
        ] {
            probe.mode = mode;
            let found = judge("x", &probe, after, made.as_ref());
            assert_eq!(found.level, expected, "{mode:o} {found}");
        }
        drop(probe);
        std::fs::remove_dir(home).unwrap();
    }
}
