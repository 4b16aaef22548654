//! Checks of one Radarr or Sonarr: who answers, its library's paths, its root folders.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::finding::Finding;
use super::owner::Made;
use super::probe::Probe;
use super::trouble;
use crate::arr::client::{ArrClient, SystemStatus, app_name};
use crate::arr::error::ArrError;
use crate::arr::library::sample;
use crate::config::ServerType;
use crate::json;

/// Files of a library that are looked for here: enough to meet more than one folder.
const SAMPLE: usize = 20;

/// Major versions that jackdaw was made for, per program.
fn known(kind: ServerType) -> (u32, u32) {
    match kind {
        ServerType::Radarr => (5, 6),
        ServerType::Sonarr => (4, 5),
    }
}

/// Who answers; `false` if asking more makes no sense.
pub fn reach(client: &ArrClient) -> (bool, Finding) {
    let subject = client.name();
    match client.status() {
        Ok(status) => (true, judge_version(&subject, &status)),
        Err(error) => (false, trouble(client, &subject, error)),
    }
}

fn judge_version(subject: &str, status: &SystemStatus) -> Finding {
    let app = app_name(status.app);
    let (oldest, newest) = known(status.app);
    let what = format!("{app} {} takes our key", status.version);
    let major = status.version.split('.').next().unwrap_or_default();
    match major.parse::<u32>() {
        Ok(major) if major < oldest => Finding::warn(
            subject,
            format!("{what}, but is older than jackdaw knows ({app} {oldest} to {newest})"),
            "update it",
        ),
        Ok(major) if major > newest => Finding::warn(
            subject,
            format!("{what}, but is newer than jackdaw knows ({app} {oldest} to {newest})"),
            "update jackdaw",
        ),
        Ok(_) => Finding::ok(subject, what),
        Err(_) => Finding::warn(subject, format!("{what}, but its version is odd"), ""),
    }
}

/// Whether files of its library are where `path_map` says.
pub fn library(client: &ArrClient) -> Vec<Finding> {
    let subject = format!("{} library", client.name());
    let map = &client.server().path_map;
    vec![match sample::paths(client, SAMPLE) {
        Err(error) => trouble(client, &subject, error),
        Ok(paths) if paths.is_empty() => Finding::ok(&subject, "it has no files yet"),
        Ok(paths) => {
            let problems: Vec<(&str, PathBuf, String)> = paths
                .iter()
                .filter_map(|theirs| {
                    let ours = sample::ours(map, theirs);
                    let problem = sample::problem(&ours)?;
                    Some((theirs.as_str(), ours, problem))
                })
                .collect();
            judge_sample(&subject, paths.len(), &problems)
        }
    }]
}

fn judge_sample(subject: &str, count: usize, problems: &[(&str, PathBuf, String)]) -> Finding {
    let Some((theirs, ours, problem)) = problems.first() else {
        return Finding::ok(
            subject,
            format!("{count} of {count} files can be opened here"),
        );
    };
    let place = match Path::new(theirs) == ours {
        true => theirs.to_string(),
        false => format!("{theirs}, which is {} here", ours.display()),
    };
    let bad = problems.len();
    let what =
        format!("{bad} of {count} files cannot be opened here, for example {place}: {problem}");
    let fix = format!(
        "mount the library here and set path_map = {} -> where that folder is here",
        first_folder(theirs)
    );
    match bad == count {
        true => Finding::fail(subject, what, fix),
        false => Finding::warn(subject, what, "check these files and who may read them"),
    }
}

/// `/movies` of `/movies/A (1999)/a.mkv`, `D:\TV` of `D:\TV\x`.
fn first_folder(path: &str) -> &str {
    let separator = if path.starts_with('/') { '/' } else { '\\' };
    let start = usize::from(path.starts_with('/'));
    let mut ends = path[start..].match_indices(separator).map(|(at, _)| at);
    // Behind a drive letter there is one separator more.
    let end = match separator {
        '/' => ends.next(),
        _ => ends.nth(1),
    };
    end.map_or(path, |end| &path[..start + end])
}

/// A root folder of the arr, as it says and as we see it.
#[derive(Clone, Debug)]
pub struct Root {
    /// In the arr's view.
    pub theirs: String,
    /// The arr can use it.
    pub is_accessible: bool,
    /// In our view.
    pub ours: PathBuf,
    /// Device there; `None` if we cannot see it.
    pub device: Option<u64>,
}

/// Its root folders.
pub fn roots(client: &ArrClient) -> Result<Vec<Root>, ArrError> {
    let mut roots = Vec::new();
    let map = &client.server().path_map;
    client.each("/rootfolder", &mut |raw| {
        let (mut theirs, mut is_accessible) = (None, true);
        json::fields(raw, |key, raw| match key {
            "path" => theirs = json::as_string(raw).map(|path| path.into_owned()),
            "accessible" => is_accessible = raw != "false",
            _ => {}
        });
        if let Some(theirs) = theirs {
            let ours = sample::ours(map, &theirs);
            roots.push(Root {
                device: fs::metadata(&ours).ok().map(|metadata| metadata.dev()),
                is_accessible,
                ours,
                theirs,
            });
        }
    })?;
    Ok(roots)
}

/// Something that the arr made in its library: the first folder of a movie or series.
pub fn made(roots: &[Root]) -> Option<Made> {
    roots.iter().find_map(|root| {
        fs::read_dir(&root.ours)
            .ok()?
            .flatten()
            .filter(|entry| !entry.file_name().to_string_lossy().starts_with('.'))
            .find_map(|entry| {
                let metadata = entry.metadata().ok().filter(|found| found.is_dir())?;
                Some(Made {
                    path: entry.path(),
                    uid: metadata.uid(),
                    gid: metadata.gid(),
                })
            })
    })
}

/// Whether an import is a rename: one file system for downloads and a root folder.
pub fn one_file_system(
    subject: &str,
    roots: &[Root],
    completed: &Path,
    probe: &Probe,
) -> Vec<Finding> {
    let mut found = Vec::new();
    for root in roots {
        let theirs = root.theirs.trim_end_matches(['/', '\\']);
        if !root.is_accessible {
            found.push(Finding::fail(
                subject,
                format!("it cannot use its own root folder {theirs}"),
                "correct that in its Settings, Media Management",
            ));
        }
        if root.device.is_some() && same(&root.ours, completed) {
            found.push(Finding::fail(
                subject,
                format!("its root folder {theirs} is our completed_path"),
                "use a folder of its own for completed_path",
            ));
        }
    }
    let names = |roots: &[&Root]| {
        let names: Vec<&str> = roots.iter().map(|root| root.theirs.as_str()).collect();
        names.join(", ")
    };
    let (near, far): (Vec<&Root>, Vec<&Root>) = roots
        .iter()
        .filter(|root| root.device.is_some())
        .partition(|root| root.device == Some(probe.device));
    found.push(if roots.is_empty() {
        Finding::warn(
            subject,
            "it has no root folder, so it can import nothing",
            "add one in its Settings, Media Management",
        )
    } else if !near.is_empty() {
        Finding::ok(
            subject,
            format!(
                "downloads and its root folder {} are on one file system: an import renames, if it \
                 sees both below one mount",
                names(&near)
            ),
        )
    } else if !far.is_empty() {
        Finding::warn(
            subject,
            format!(
                "downloads and its root folder {} are on different file systems: each import copies \
                 and then deletes",
                names(&far)
            ),
            "put completed_path on the disk of the library, or live with it",
        )
    } else {
        Finding::ok(
            subject,
            format!(
                "its root folder {} is not to be seen here, so whether an import renames or copies \
                 cannot be told",
                names(&roots.iter().collect::<Vec<_>>())
            ),
        )
    });
    found
}

fn same(a: &Path, b: &Path) -> bool {
    matches!((fs::canonicalize(a), fs::canonicalize(b)), (Ok(a), Ok(b)) if a == b)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::finding::Level;

    #[test]
    fn versions() {
        let check = |app: ServerType, version: &str, expected: Level| {
            let status = SystemStatus {
                app,
                version: version.into(),
                url_base: String::new(),
                instance_name: String::new(),
            };
            assert_eq!(judge_version("x", &status).level, expected, "{version}");
        };
        check(ServerType::Radarr, "6.0.3.10276", Level::Ok);
        check(ServerType::Radarr, "5.0.0.1", Level::Ok);
        check(ServerType::Radarr, "4.7.5.7809", Level::Warn);
        check(ServerType::Radarr, "7.0", Level::Warn);
        check(ServerType::Sonarr, "4.0.19.2979", Level::Ok);
        check(ServerType::Sonarr, "3.0.10.1567", Level::Warn);
        check(ServerType::Sonarr, "10.0.0.0", Level::Warn);
        check(ServerType::Sonarr, "", Level::Warn);
    }

    #[test]
    fn first_folders() {
        for (path, expected) in [
            ("/movies/A (1999)/a.mkv", "/movies"),
            ("/a.mkv", "/a.mkv"),
            ("D:\\TV\\X\\x.mkv", "D:\\TV"),
            ("D:\\x.mkv", "D:\\x.mkv"),
        ] {
            assert_eq!(first_folder(path), expected);
        }
    }
}
