//! Does an arr see our finished downloads under the path that we name?
//!
//! The arr's own `/filesystem` lists a folder as its process sees it. We name paths below
//! `arr_path`; the arr then applies the first remote path mapping of our host that covers the path
//! (host compared as text, ignoring case). So the probe is looked for where that leads. A path for
//! `/filesystem` must end in a separator: without one the parent is listed; a folder that is not
//! there is an empty list.

use std::path::PathBuf;

use miniserde::json::{Object, Value};

use super::finding::Finding;
use super::{probe, trouble};
use crate::arr::client::ArrClient;
use crate::arr::error::ArrError;
use crate::config::Downloads;
use crate::http::percent;
use crate::json;

/// Places that are tried when the probe is not where it should be: each is a request.
const MAX_CANDIDATES: usize = 40;

/// A remote path mapping of the arr.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// The download client's host, as text.
    pub host: String,
    /// Our path.
    pub remote: String,
    /// The arr's path.
    pub local: String,
}

/// Its remote path mappings.
fn mappings(client: &ArrClient) -> Result<Vec<Mapping>, ArrError> {
    let mut all = Vec::new();
    client.each("/remotepathmapping", &mut |raw| {
        let mut mapping = Mapping {
            host: String::new(),
            remote: String::new(),
            local: String::new(),
        };
        json::fields(raw, |key, raw| {
            let text = || json::as_string(raw).map(|text| text.into_owned());
            match key {
                "host" => mapping.host = text().unwrap_or_default(),
                "remotePath" => mapping.remote = text().unwrap_or_default(),
                "localPath" => mapping.local = text().unwrap_or_default(),
                _ => {}
            }
        });
        all.push(mapping);
    })?;
    Ok(all)
}

fn separator(path: &str) -> char {
    match path.contains('\\') && !path.contains('/') {
        true => '\\',
        false => '/',
    }
}

fn trimmed(path: &str) -> &str {
    path.trim_end_matches(['/', '\\'])
}

fn join(folder: &str, name: &str) -> String {
    format!("{}{}{name}", trimmed(folder), separator(folder))
}

/// What lies below `folder` in `path`: `""` for the folder itself.
fn below<'a>(path: &'a str, folder: &str) -> Option<&'a str> {
    let rest = trimmed(path).strip_prefix(trimmed(folder))?;
    match rest.is_empty() || rest.starts_with(['/', '\\']) {
        true => Some(rest.trim_start_matches(['/', '\\'])),
        false => None,
    }
}

/// The mapping that the arr would apply to a path of ours, and where it leads.
fn remap<'a>(mappings: &'a [Mapping], host: &str, path: &str) -> Option<(&'a Mapping, String)> {
    mappings.iter().find_map(|mapping| {
        if !mapping.host.eq_ignore_ascii_case(host) {
            return None;
        }
        let local = match below(path, &mapping.remote)? {
            "" => trimmed(&mapping.local).to_owned(),
            rest => join(&mapping.local, rest),
        };
        Some((mapping, local))
    })
}

/// Where else the folder could be: our own path, what `path_map` says the other way round, and the
/// folders at the top of the arr's disk (as images lay them out: `/downloads`, `/data/completed`).
fn candidates(downloads: &Downloads, map: &[(String, PathBuf)], tops: &[String]) -> Vec<String> {
    let ours = downloads.completed_path.as_path();
    let mut found: Vec<String> = vec![ours.display().to_string()];
    for (theirs, mapped) in map {
        if let Ok(rest) = ours.strip_prefix(mapped) {
            let path = rest.iter().fold(trimmed(theirs).to_owned(), |path, name| {
                let base = if path.is_empty() { "/" } else { &path };
                join(base, &name.to_string_lossy())
            });
            found.push(path);
        }
    }
    let last = ours.file_name().map(|name| name.to_string_lossy());
    for top in tops {
        found.push(trimmed(top).to_owned());
        found.extend(last.as_ref().map(|last| join(top, last)));
    }
    let mut unique = Vec::new();
    for path in found {
        if trimmed(&path) != trimmed(&downloads.arr_path) && !unique.contains(&path) {
            unique.push(path);
        }
    }
    unique.truncate(MAX_CANDIDATES);
    unique
}

/// Names in a folder, as the arr sees it: of files, or paths of folders.
fn look(client: &ArrClient, folder: &str, what: What) -> Result<Vec<String>, ArrError> {
    let path = percent::encode(&format!("{}{}", trimmed(folder), separator(folder)));
    let answer = client.get(&format!(
        "/filesystem?path={path}&includeFiles=true&allowFoldersWithoutTrailingSlashes=true"
    ))?;
    let (list, field) = match what {
        What::Files => ("files", "name"),
        What::Folders => ("directories", "path"),
    };
    Ok(json::get_array(&answer, list)
        .iter()
        .filter_map(|entry| json::get_str(entry, field))
        .map(str::to_owned)
        .collect())
}

#[derive(Clone, Copy)]
enum What {
    Files,
    Folders,
}

/// Whether the arr sees the probe when our folder is at `base` for it.
fn sees(client: &ArrClient, base: &str, probe: &str) -> Result<bool, ArrError> {
    let files = look(client, &join(base, probe), What::Files)?;
    Ok(files.iter().any(|name| name == probe::FILE))
}

/// The whole check. `host` is the name under which the arr knows us as a download client; with
/// `fix` a missing mapping is made.
pub fn check(
    client: &ArrClient,
    downloads: &Downloads,
    probe: &str,
    host: Option<&str>,
    fix: bool,
) -> Vec<Finding> {
    let subject = format!("{} arr_path", client.name());
    match ask(client, &subject, downloads, probe, host, fix) {
        Ok(finding) => vec![finding],
        Err(error) => vec![trouble(client, &subject, error)],
    }
}

fn ask(
    client: &ArrClient,
    subject: &str,
    downloads: &Downloads,
    probe: &str,
    host: Option<&str>,
    fix: bool,
) -> Result<Finding, ArrError> {
    let arr_path = downloads.arr_path.as_str();
    let ours = downloads.completed_path.display();
    let all = mappings(client)?;
    if let Some((mapping, local)) = host.and_then(|host| remap(&all, host, arr_path)) {
        let by = format!(
            "its remote path mapping {} -> {}",
            mapping.remote, mapping.local
        );
        if sees(client, &local, probe)? {
            return Ok(Finding::ok(subject, format!("it sees {ours} through {by}")));
        }
        let fix = match sees(client, arr_path, probe)? {
            true => format!(
                "delete that mapping in its Settings, Download Clients: {arr_path} itself is right"
            ),
            false => "correct that mapping in its Settings, Download Clients, or arr_path in \
                      [downloads]"
                .to_owned(),
        };
        let what = format!("{by} leads to {local}, where it does not see what is in {ours}");
        return Ok(Finding::fail(subject, what, fix));
    }
    if sees(client, arr_path, probe)? {
        return Ok(Finding::ok(
            subject,
            format!("it sees {ours} as {arr_path}"),
        ));
    }
    let tops = match separator(arr_path) {
        '/' => look(client, "/", What::Folders)?,
        _ => Vec::new(),
    };
    let mut seen = None;
    for candidate in candidates(downloads, &client.server().path_map, &tops) {
        if sees(client, &candidate, probe)? {
            seen = Some(candidate);
            break;
        }
    }
    let other_host = all
        .iter()
        .find(|mapping| below(arr_path, &mapping.remote).is_some())
        .map(|mapping| format!(" (its remote path mapping is for host {})", mapping.host))
        .unwrap_or_default();
    let Some(seen) = seen else {
        return Ok(Finding::fail(
            subject,
            format!("it does not see {ours} as {arr_path}{other_host}"),
            format!(
                "mount {ours} where it runs, and set arr_path in [downloads] to the path there"
            ),
        ));
    };
    let what = format!("it does not see {ours} as {arr_path}{other_host}, but as {seen}");
    match host {
        Some(host) if fix => {
            make_mapping(client, host, arr_path, &seen)?;
            // Believed only when it works.
            let worked = remap(&mappings(client)?, host, arr_path)
                .map(|(_, local)| sees(client, &local, probe))
                .transpose()?;
            Ok(match worked {
                Some(true) => Finding::ok(
                    subject,
                    format!("fixed: made the remote path mapping {arr_path} -> {seen} for {host}"),
                ),
                _ => Finding::fail(
                    subject,
                    format!("{what}; the remote path mapping that was made does not help"),
                    format!("set arr_path = {seen} in [downloads]"),
                ),
            })
        }
        Some(host) => Ok(Finding::fail(
            subject,
            what,
            format!(
                "set arr_path = {seen} in [downloads], or let jackdaw doctor --fix make a remote \
                 path mapping for host {host}"
            ),
        )),
        None => Ok(Finding::fail(
            subject,
            what,
            format!("set arr_path = {seen} in [downloads]"),
        )),
    }
}

fn make_mapping(client: &ArrClient, host: &str, remote: &str, local: &str) -> Result<(), ArrError> {
    let mut body = Object::new();
    // With the separators that it would add on POST, and not on PUT.
    for (key, text) in [
        ("host", host.to_owned()),
        ("remotePath", join(remote, "")),
        ("localPath", join(local, "")),
    ] {
        body.insert(key.into(), Value::String(text));
    }
    client
        .post("/remotepathmapping", &Value::Object(body))
        .map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn downloads(completed: &str, arr_path: &str) -> Downloads {
        let text = format!("[downloads]\ncompleted_path = {completed}\narr_path = {arr_path}\n");
        Config::from_text("f", &text).unwrap().downloads.unwrap()
    }

    fn mapping(host: &str, remote: &str, local: &str) -> Mapping {
        Mapping {
            host: host.into(),
            remote: remote.into(),
            local: local.into(),
        }
    }

    #[test]
    fn mappings_are_applied_as_the_arrs_do() {
        // Sonarr and Radarr, RemotePathMappingService: host as text, first parent wins.
        let all = [
            mapping("localhost", "/data/", "/wrong/"),
            mapping("jackdaw", "/data/completed/", "/downloads/"),
            mapping("jackdaw", "/data/", "/d/"),
            mapping("jackdaw", "/win/", "D:\\Win\\"),
        ];
        let check = |host: &str, path: &str, expected: Option<&str>| {
            let found = remap(&all, host, path).map(|(_, local)| local);
            assert_eq!(found.as_deref(), expected, "{host} {path}");
        };
        check("jackdaw", "/data/completed", Some("/downloads"));
        check("Jackdaw", "/data/completed/x", Some("/downloads/x"));
        check("jackdaw", "/data/completed4k", Some("/d/completed4k"));
        check("jackdaw", "/win/a", Some("D:\\Win\\a"));
        check("jackdaw", "/other", None);
        check("127.0.0.1", "/data/completed", None);
    }

    #[test]
    fn likely_places() {
        let map = [
            ("/media".to_owned(), PathBuf::from("/mnt/disk")),
            ("/".to_owned(), PathBuf::from("/mnt")),
        ];
        let tops = ["/config".to_owned(), "/downloads/".to_owned()];
        assert_eq!(
            candidates(&downloads("/mnt/disk/completed", "/x"), &map, &tops),
            [
                "/mnt/disk/completed",
                "/media/completed",
                "/disk/completed",
                "/config",
                "/config/completed",
                "/downloads",
                "/downloads/completed",
            ]
        );
        let many: Vec<String> = (0..100).map(|n| format!("/{n}")).collect();
        let found = candidates(&downloads("/a", "/a"), &[], &many);
        assert_eq!(found.len(), MAX_CANDIDATES);
        assert!(!found.contains(&"/a".to_owned()), "asked already");
    }

    #[test]
    fn paths_are_joined_in_their_own_style() {
        assert_eq!(join("/a/", "b"), "/a/b");
        assert_eq!(join("/", "b"), "/b");
        assert_eq!(join("D:\\a", "b"), "D:\\a\\b");
        assert_eq!(join("/a", ""), "/a/");
        assert_eq!(below("/a/b", "/a/"), Some("b"));
        assert_eq!(below("/ab", "/a"), None);
    }
}
