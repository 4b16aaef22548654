//! Calls that change torrents. Unknown hashes are ignored, as on the real server.

use crate::downloads::{QueueMove, Selection};
use crate::torrent::stub::Infohash;

use super::dispatch::{Answer, Context, Refusal, done, json};
use super::journal::Kind;
use super::lists::with_torrent;
use super::value::push_key;

/// `torrents/pause` and `stop`.
pub(super) fn pause(context: &Context<'_>) -> Answer {
    if let Some(downloads) = context.downloads() {
        downloads.pause(&context.who.scope, &context.input.selection())?;
    }
    done()
}

/// `torrents/resume` and `start`.
pub(super) fn resume(context: &Context<'_>) -> Answer {
    if let Some(downloads) = context.downloads() {
        downloads.resume(&context.who.scope, &context.input.selection())?;
    }
    done()
}

/// `torrents/delete`. Sonarr leaves `deleteFiles` out when data is to stay, so it is not required here.
pub(super) fn delete(context: &Context<'_>) -> Answer {
    let Some(downloads) = context.downloads() else {
        return done();
    };
    let which = context.input.selection();
    let delete_files = context.input.boolean("deleteFiles") == Some(true);
    let names = names(context, &which)?;
    downloads.delete(&context.who.scope, &which, delete_files)?;
    for name in names {
        let message = if delete_files {
            format!("Removed torrent and deleted its content. Torrent: \"{name}\"")
        } else {
            format!("Removed torrent. Torrent: \"{name}\"")
        };
        context.note(Kind::Normal, &message);
    }
    done()
}

/// Titles for the log; `all` is told in one line.
fn names(context: &Context<'_>, which: &Selection) -> Result<Vec<String>, Refusal> {
    let (Some(downloads), Selection::Hashes(hashes)) = (context.downloads(), which) else {
        return Ok(vec!["all".to_string()]);
    };
    let mut names = Vec::new();
    for hash in hashes.iter().take(super::journal::MAX_ENTRIES) {
        names.extend(
            downloads
                .get(&context.who.scope, hash)?
                .map(|grab| grab.title),
        );
    }
    Ok(names)
}

/// `torrents/recheck`.
pub(super) fn recheck(context: &Context<'_>) -> Answer {
    if let Some(downloads) = context.downloads() {
        downloads.recheck(&context.who.scope, &context.input.selection())?;
    }
    done()
}

/// `torrents/topPrio`.
pub(super) fn top(context: &Context<'_>) -> Answer {
    move_in_queue(context, QueueMove::Top)
}

/// `torrents/bottomPrio`.
pub(super) fn bottom(context: &Context<'_>) -> Answer {
    move_in_queue(context, QueueMove::Bottom)
}

/// `torrents/increasePrio`.
pub(super) fn up(context: &Context<'_>) -> Answer {
    move_in_queue(context, QueueMove::Up)
}

/// `torrents/decreasePrio`.
pub(super) fn down(context: &Context<'_>) -> Answer {
    move_in_queue(context, QueueMove::Down)
}

fn move_in_queue(context: &Context<'_>, to: QueueMove) -> Answer {
    if let Some(downloads) = context.downloads() {
        downloads.move_in_queue(&context.who.scope, &context.input.selection(), to)?;
    }
    done()
}

/// `torrents/setForceStart`.
pub(super) fn force_start(context: &Context<'_>) -> Answer {
    if let Some(downloads) = context.downloads() {
        let on = context.input.boolean("value") == Some(true);
        downloads.set_force_start(&context.who.scope, &context.input.selection(), on)?;
    }
    done()
}

/// `torrents/setShareLimits`. Versions differ in how many limits they want: one is enough.
pub(super) fn share_limits(context: &Context<'_>) -> Answer {
    let input = &context.input;
    let names = ["ratioLimit", "seedingTimeLimit", "inactiveSeedingTimeLimit"];
    if names.iter().all(|name| input.get(name).is_none()) {
        return Err(Refusal::bad_request());
    }
    if let Some(downloads) = context.downloads() {
        downloads.set_share_limits(
            &context.who.scope,
            &input.selection(),
            input.number("ratioLimit"),
            input.integer("seedingTimeLimit"),
            input.integer("inactiveSeedingTimeLimit"),
        )?;
    }
    done()
}

/// `torrents/setDownloadLimit`.
pub(super) fn download_limit(context: &Context<'_>) -> Answer {
    if let Some(downloads) = context.downloads() {
        let limit = context.input.rate("limit");
        downloads.set_download_limit(&context.who.scope, &context.input.selection(), limit)?;
    }
    done()
}

/// `torrents/setUploadLimit`.
pub(super) fn upload_limit(context: &Context<'_>) -> Answer {
    if let Some(downloads) = context.downloads() {
        let limit = context.input.rate("limit");
        downloads.set_upload_limit(&context.who.scope, &context.input.selection(), limit)?;
    }
    done()
}

/// `torrents/setLocation`: jackdaw alone decides where files go.
pub(super) fn set_location(context: &Context<'_>) -> Answer {
    if context.input.text("location").trim().is_empty() {
        return Err(Refusal::new(400, "Save path cannot be empty"));
    }
    Err(Refusal::new(409, "Cannot make save path"))
}

/// `torrents/setSavePath`, likewise.
pub(super) fn set_save_path(context: &Context<'_>) -> Answer {
    if context.input.text("path").trim().is_empty() {
        return Err(Refusal::new(400, "Save path cannot be empty"));
    }
    Err(Refusal::new(409, "Cannot make save path"))
}

/// `torrents/setDownloadPath`: an empty path turns the incomplete folder off, which it is.
pub(super) fn set_download_path(context: &Context<'_>) -> Answer {
    if context.input.text("path").trim().is_empty() {
        return done();
    }
    Err(Refusal::new(409, "Cannot make download path"))
}

/// `torrents/rename`: always refused. Radarr and Sonarr read the release from the name at import, and
/// leave a download whose name they cannot match in the queue for ever.
pub(super) fn rename(context: &Context<'_>) -> Answer {
    if context.input.text("name").trim().is_empty() {
        return Err(Refusal::new(409, "Incorrect torrent name"));
    }
    with_torrent(context, |_| {
        Err(Refusal::new(
            409,
            "jackdaw keeps the release title as name: Radarr and Sonarr match downloads by it",
        ))
    })
}

/// `torrents/renameFile`: always refused, with the reason the real server would give.
pub(super) fn rename_file(context: &Context<'_>) -> Answer {
    refuse_rename(context, |view| view.file_name().to_string(), "file")
}

/// `torrents/renameFolder`: a torrent of one file has no folder.
pub(super) fn rename_folder(context: &Context<'_>) -> Answer {
    refuse_rename(context, |_| String::new(), "folder")
}

fn refuse_rename(
    context: &Context<'_>,
    current: impl FnOnce(&super::view::View<'_>) -> String,
    what: &str,
) -> Answer {
    let current = with_torrent(context, |view| Ok(current(view)))?;
    let old = context.input.text("oldPath");
    let new = context.input.text("newPath");
    Err(Refusal::new(
        409,
        if new.is_empty() {
            "The new path is invalid: ''.".to_string()
        } else if new.starts_with('/') {
            format!("Absolute path isn't allowed: '{new}'.")
        } else if old.is_empty() || old != current {
            format!("No such {what}: '{old}'.")
        } else {
            "jackdaw keeps the names that friends give their files".to_string()
        },
    ))
}

/// `torrents/filePrio`: checked as on the real server, then ignored: there is one file.
pub(super) fn file_priority(context: &Context<'_>) -> Answer {
    with_torrent(context, |_| Ok(()))?;
    if !matches!(context.input.text("priority"), "0" | "1" | "6" | "7") {
        return Err(Refusal::new(400, "File priority is not valid"));
    }
    for id in context.input.text("id").split('|') {
        match id.parse::<i64>() {
            Ok(0) => {}
            Ok(_) => return Err(Refusal::new(409, "File IDs out of range")),
            Err(_) => return Err(Refusal::new(400, "File IDs must be integers")),
        }
    }
    done()
}

/// Trackers cannot be had; unknown torrents are still a 404.
pub(super) fn ignored_for_hash(context: &Context<'_>) -> Answer {
    with_torrent(context, |_| done())
}

/// `torrents/addPeers`: none is ever added.
pub(super) fn add_peers(context: &Context<'_>) -> Answer {
    let peers = context.input.text("peers");
    let count = peers
        .split('|')
        .filter(|peer| peer.parse::<std::net::SocketAddr>().is_ok())
        .count();
    if count == 0 {
        return Err(Refusal::new(400, "No valid peers were specified"));
    }
    let mut out = String::from("{");
    for hash in context.input.text("hashes").split('|') {
        let (Some(downloads), Some(hash)) = (context.downloads(), Infohash::parse(hash)) else {
            continue;
        };
        if downloads.get(&context.who.scope, &hash)?.is_some() {
            push_key(&mut out, &hash.to_string());
            out.push_str(&format!("{{\"added\":0,\"failed\":{count}}}"));
        }
    }
    out.push('}');
    json(out)
}
