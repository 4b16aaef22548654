//! The rest of the API: library, history, queue, file system, root folders, path mappings.

use std::path::{Path, PathBuf};

use jackdaw::json::{get, get_str, get_u64};
use miniserde::json::{self, Object, Value};

use super::providers::{error_item, is_enabled};
use super::{App, Call, Query, Shared, number, value};

pub(super) fn library_call(
    shared: &Shared,
    call: &Call,
    segments: &[&str],
    query: &Query,
) -> (u16, String) {
    let mut state = shared.state.lock().unwrap();
    let radarr = shared.app == App::Radarr;
    let joined = |items: Vec<&String>| {
        let items: Vec<&str> = items.into_iter().map(String::as_str).collect();
        (200, format!("[{}]", items.join(",")))
    };
    let filtered = |items: &[String], field: &str, parameter: &str| -> (u16, String) {
        let wanted = query
            .get(parameter)
            .and_then(|text| text.parse::<u64>().ok());
        joined(
            items
                .iter()
                .filter(|raw| wanted.is_none() || get_u64(&value(raw), field) == wanted)
                .collect(),
        )
    };
    match (call.method.as_str(), segments) {
        ("GET", ["movie"]) if radarr => filtered(&state.movies, "tmdbId", "tmdbId"),
        ("GET", ["series"]) if !radarr => filtered(&state.series, "tvdbId", "tvdbId"),
        ("GET", ["episode"]) if !radarr => match query.get("seriesId") {
            Some(id) if state.broken_series.is_some_and(|n| n.to_string() == *id) => {
                (500, r#"{"message":"database is locked"}"#.into())
            }
            Some(id) => {
                let all = state.episodes.get(&id.parse().unwrap_or(0));
                joined(all.map_or(Vec::new(), |all| all.iter().collect()))
            }
            None => (
                400,
                r#"{"message":"seriesId or episodeIds must be provided"}"#.into(),
            ),
        },
        ("GET", ["episodefile"]) if !radarr => {
            let id = query.get("seriesId").and_then(|id| id.parse().ok());
            match id.map(|id: u64| state.episode_files.get(&id)) {
                Some(Some(all)) => joined(all.iter().collect()),
                Some(None) => (404, r#"{"message":"NotFound"}"#.into()),
                None => (
                    400,
                    r#"{"message":"seriesId or episodeFileIds must be provided"}"#.into(),
                ),
            }
        }
        ("GET", ["history", "since"]) => {
            let since = query.get("date").cloned().unwrap_or_default();
            let event = query.get("eventType").cloned();
            let records: Vec<String> = state
                .history
                .iter()
                .filter(|record| get_str(record, "date").unwrap_or_default() >= since.as_str())
                .filter(|record| {
                    event.is_none() || get_str(record, "eventType") == event.as_deref()
                })
                .map(json::to_string)
                .collect();
            (200, format!("[{}]", records.join(",")))
        }
        ("GET", ["history"]) => {
            let id = query.get("downloadId").cloned();
            let records: Vec<String> = state
                .history
                .iter()
                .rev()
                .filter(|record| id.is_none() || get_str(record, "downloadId") == id.as_deref())
                .map(json::to_string)
                .collect();
            (200, page(query, &records))
        }
        ("POST", ["history", "failed", id]) => {
            let found = state
                .history
                .iter()
                .find(|record| get_u64(record, "id").map(|n| n.to_string()).as_deref() == Some(*id))
                .and_then(|record| get_str(record, "downloadId").map(str::to_owned));
            match found {
                Some(download_id) => {
                    state.blocklist.push(download_id);
                    (200, "{}".into())
                }
                None => (404, r#"{"message":"NotFound"}"#.into()),
            }
        }
        ("GET", ["queue"]) => {
            let unknown = query
                .get(if radarr {
                    "includeUnknownMovieItems"
                } else {
                    "includeUnknownSeriesItems"
                })
                .is_some_and(|text| text == "true");
            let owner = if radarr { "movieId" } else { "seriesId" };
            let records: Vec<String> = state
                .queue
                .iter()
                .filter(|record| unknown || get(record, owner).is_some())
                .map(json::to_string)
                .collect();
            (200, page(query, &records))
        }
        ("DELETE", ["queue", id]) => {
            if state
                .broken_deletes
                .iter()
                .any(|broken| broken.to_string() == *id)
            {
                return (500, r#"{"message":"database is locked"}"#.into());
            }
            let at = state.queue.iter().position(|record| {
                get_u64(record, "id").map(|n| n.to_string()).as_deref() == Some(*id)
            });
            let Some(at) = at else {
                return (404, r#"{"message":"NotFound"}"#.into());
            };
            let record = state.queue.remove(at);
            let download_id = get_str(&record, "downloadId")
                .unwrap_or_default()
                .to_owned();
            let on = |name: &str| query.get(name).is_some_and(|text| text == "true");
            if on("blocklist") {
                state.blocklist.push(download_id.clone());
            }
            let client = state.providers.get("downloadclient").and_then(|all| {
                all.iter()
                    .find(|p| is_enabled("downloadclient", p))
                    .cloned()
            });
            drop(state);
            if on("removeFromClient")
                && let Some(client) = client
            {
                // As the real one: the client is called before this answers.
                crate::support::fake_cdh::delete(&client, &download_id.to_lowercase());
            }
            (200, "{}".into())
        }
        ("GET", ["rootfolder"]) => {
            let all: Vec<String> = state
                .root_folders
                .iter()
                .enumerate()
                .map(|(id, path)| {
                    format!(
                        r#"{{"id":{},"path":{},"accessible":true,"freeSpace":1000000000,"unmappedFolders":[]}}"#,
                        id + 1,
                        json::to_string(path)
                    )
                })
                .collect();
            (200, format!("[{}]", all.join(",")))
        }
        ("GET", ["remotepathmapping"]) => (200, json::to_string(&state.mappings)),
        ("POST", ["remotepathmapping"]) => {
            let Ok(Value::Object(mut body)) = json::from_str(&call.body) else {
                return (400, "{}".into());
            };
            // Both get their trailing separator; a duplicate of host and remote path is a 500.
            let text = |body: &Object, name: &str| match body.get(name) {
                Some(Value::String(text)) => text.clone(),
                _ => String::new(),
            };
            for name in ["remotePath", "localPath"] {
                let path = text(&body, name);
                let path = format!("{}/", path.trim_end_matches('/'));
                body.insert(name.into(), Value::String(path));
            }
            let local = text(&body, "localPath");
            if real(&state.mounts, &local).is_none_or(|path| !path.is_dir()) {
                return (
                    400,
                    json::to_string(&vec![error_item(
                        "LocalPath",
                        &format!("Path: '{local}' does not exist"),
                        false,
                    )]),
                );
            }
            if state.mappings.iter().any(|old| {
                ["host", "remotePath"]
                    .iter()
                    .all(|name| get_str(old, name) == Some(&text(&body, name)))
            }) {
                return (
                    500,
                    r#"{"message":"RemotePath already mapped","description":""}"#.into(),
                );
            }
            let id = state.next_id;
            state.next_id += 1;
            body.insert("id".into(), number(id));
            let body = Value::Object(body);
            state.mappings.push(body.clone());
            (201, json::to_string(&body))
        }
        ("GET", ["filesystem"]) => {
            let path = query.get("path").cloned().unwrap_or_default();
            let with_files = query.get("includeFiles").is_some_and(|text| text == "true");
            // Without a separator at the end the parent is listed; what is not there is empty.
            let folder = &path[..path.rfind('/').map_or(0, |at| at + 1)];
            let mut folders: Vec<String> = Vec::new();
            let mut files: Vec<String> = Vec::new();
            match (&state.mounts, real(&state.mounts, folder)) {
                (Some(mounts), _) if folder == "/" => folders.extend(
                    mounts
                        .iter()
                        .filter_map(|(theirs, _)| theirs.split('/').nth(1))
                        .map(str::to_owned),
                ),
                (_, Some(real)) => {
                    for entry in std::fs::read_dir(real).into_iter().flatten().flatten() {
                        let Ok(name) = entry.file_name().into_string() else {
                            continue;
                        };
                        match entry.path().is_dir() {
                            true => folders.push(name),
                            false => files.push(name),
                        }
                    }
                }
                (_, None) => {}
            }
            folders.dedup();
            let shown = |kind: &str, names: Vec<String>, end: &str| {
                let shown: Vec<String> = names
                    .iter()
                    .map(|name| {
                        format!(
                            r#"{{"type":"{kind}","name":{},"path":{}}}"#,
                            json::to_string(name),
                            json::to_string(&format!("{folder}{name}{end}"))
                        )
                    })
                    .collect();
                shown.join(",")
            };
            let files = if with_files { files } else { Vec::new() };
            (
                200,
                format!(
                    r#"{{"directories":[{}],"files":[{}]}}"#,
                    shown("folder", folders, "/"),
                    shown("file", files, "")
                ),
            )
        }
        ("GET", ["health"]) => (200, "[]".into()),
        ("POST", ["command"]) => (201, r#"{"id":1,"status":"queued"}"#.into()),
        _ => (404, r#"{"message":"NotFound"}"#.into()),
    }
}

/// Where a path of the app's really is; `None` if it cannot see it.
fn real(mounts: &Option<Vec<(String, PathBuf)>>, theirs: &str) -> Option<PathBuf> {
    let Some(mounts) = mounts else {
        return Some(PathBuf::from(theirs));
    };
    mounts
        .iter()
        .filter_map(|(at, real)| {
            let rest = Path::new(theirs).strip_prefix(at).ok()?;
            Some((at.len(), real.join(rest)))
        })
        .max_by_key(|(length, _)| *length)
        .map(|(_, path)| path)
}

fn page(query: &Query, records: &[String]) -> String {
    let at = |name: &str, default: usize| {
        query
            .get(name)
            .and_then(|text| text.parse().ok())
            .unwrap_or(default)
    };
    let (page, size) = (at("page", 1).max(1), at("pageSize", 10).max(1));
    let shown: Vec<&str> = records
        .iter()
        .skip((page - 1) * size)
        .take(size)
        .map(String::as_str)
        .collect();
    format!(
        r#"{{"page":{page},"pageSize":{size},"totalRecords":{},"records":[{}]}}"#,
        records.len(),
        shown.join(",")
    )
}
