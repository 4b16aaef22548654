//! `sync/maindata`: the whole state, or what changed since the caller's last answer.
//!
//! One [`Board`] a scope is kept up to date when somebody asks: everything is listed again only when the
//! revision of the downloads has moved; otherwise only the few grabs that run are looked at. A caller
//! without a session (a key in a header) always gets everything.

use std::collections::{HashMap, HashSet};
use std::io::Write;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::downloads::{Downloads, Grab, Scope};
use crate::http::{Body, Response};
use crate::store::StoreError;
use crate::torrent::stub::Infohash;

use super::dispatch::{Answer, Context, json};
use super::labels::category;
use super::lists::{LONG_LIST, Lens};
use super::lock;
use super::maindata::{Board, Progress, Version};
use super::transfer::{down_limit, limits, totals};
use super::value::{Value, push_key, string_array};
use super::view::{Settings, TRACKED, tracked_fields};

/// A board that nobody has asked for this long is dropped; its sessions get a full answer.
const BOARD_LIFETIME: Duration = Duration::from_secs(600);

/// Running grabs are looked up one by one up to this number; above, one list costs less.
const MAX_MOVING: usize = 100;

/// Free space is told in steps of this many bytes: somebody else's log file is no news.
const FREE_SPACE_STEP: u64 = 1 << 20;

/// One scope's board and what it was last compared with.
struct Kept {
    board: Board<Infohash, TRACKED>,
    revision: Option<u64>,
    labels_revision: u64,
    /// Grabs that change without the revision moving.
    moving: Vec<Infohash>,
    used: Instant,
}

/// The boards of all scopes.
#[derive(Default)]
pub(super) struct Boards {
    kept: HashMap<Scope, Kept>,
    epochs: u64,
}

impl Boards {
    fn of(&mut self, scope: &Scope, now: Instant) -> &mut Kept {
        self.kept.retain(|other, kept| {
            other == scope || now.saturating_duration_since(kept.used) < BOARD_LIFETIME
        });
        let epochs = &mut self.epochs;
        let kept = self.kept.entry(scope.clone()).or_insert_with(|| {
            // 0 is the epoch of a session that was never answered.
            *epochs += 1;
            Kept {
                board: Board::new(*epochs),
                revision: None,
                labels_revision: 0,
                moving: Vec::new(),
                used: now,
            }
        });
        kept.used = now;
        kept
    }
}

impl Kept {
    /// Compares with all grabs; they are returned.
    fn list(
        &mut self,
        context: &Context<'_>,
        downloads: &Downloads,
        lens: &Lens,
    ) -> Result<Vec<Grab>, StoreError> {
        // Read before the list: a change in between is then seen next time.
        let revision = downloads.revision();
        let mut grabs = downloads.list(&context.who.scope, None)?;
        // The owner may see one hash twice, once for each login. There is one place for it in the
        // answer: the oldest has it, as in a look-up by hash.
        let mut seen = HashSet::with_capacity(grabs.len());
        grabs.retain(|grab| seen.insert(grab.infohash));
        self.board.refresh_torrents(
            grabs
                .iter()
                .map(|grab| (grab.infohash, lens.view(grab).marks())),
        );
        self.moving = grabs
            .iter()
            .filter(|grab| lens.view(grab).is_moving())
            .map(|grab| grab.infohash)
            .collect();
        self.revision = Some(revision);
        Ok(grabs)
    }

    /// Compares with the running grabs only.
    fn look_at_moving(
        &mut self,
        context: &Context<'_>,
        downloads: &Downloads,
        lens: &Lens,
    ) -> Result<(), StoreError> {
        let mut still_moving = Vec::new();
        let mut marks = Vec::new();
        for hash in &self.moving {
            if let Some(grab) = downloads.get(&context.who.scope, hash)? {
                let view = lens.view(&grab);
                marks.push((*hash, view.marks()));
                if view.is_moving() {
                    still_moving.push(*hash);
                }
            }
        }
        self.board.update_torrents(marks);
        self.moving = still_moving;
        Ok(())
    }

    fn refresh_labels(&mut self, context: &Context<'_>) -> Result<(), StoreError> {
        let revision = context.face.labels_revision.load(Ordering::SeqCst);
        if self.labels_revision != revision {
            let store = &context.services.store;
            let categories = store.categories(context.labels_of())?;
            let categories = categories
                .into_iter()
                .map(|(name, path)| (name, Value::from(path).digest()));
            let tags = store.tags(context.labels_of())?;
            self.board.refresh_labels(categories, tags);
            self.labels_revision = revision;
        }
        Ok(())
    }
}

/// Where finished files are, in the arr's view; empty without `[downloads]`.
pub(super) fn root(context: &Context<'_>) -> String {
    match context.downloads() {
        Some(downloads) => {
            let settings = Settings::new(downloads.settings());
            if settings.root.is_empty() {
                settings.separator.to_string()
            } else {
                settings.root
            }
        }
        None => String::new(),
    }
}

/// `server_state`. Figures of the torrent machinery are zero here; some are text on the real server.
fn server_state(context: &Context<'_>) -> [(&'static str, Value<'static>); 25] {
    let totals = totals(context);
    let limits = limits(context);
    let free = context.downloads().map_or(0, Downloads::free_space);
    [
        ("alltime_dl", Value::Uint(totals.received)),
        ("alltime_ul", Value::Int(0)),
        ("average_time_queue", Value::Int(0)),
        ("connection_status", "connected".into()),
        ("dht_nodes", Value::Int(0)),
        ("dl_info_data", Value::Uint(totals.received)),
        ("dl_info_speed", Value::Uint(totals.speed)),
        ("dl_rate_limit", Value::Uint(down_limit(context))),
        (
            "free_space_on_disk",
            Value::Uint(free / FREE_SPACE_STEP * FREE_SPACE_STEP),
        ),
        ("global_ratio", "-".into()),
        ("queued_io_jobs", Value::Int(0)),
        ("queueing", Value::Bool(true)),
        ("read_cache_hits", "0".into()),
        ("read_cache_overload", "0".into()),
        ("refresh_interval", Value::Int(1500)),
        ("total_buffers_size", Value::Int(0)),
        (
            "total_peer_connections",
            Value::Uint(u64::from(totals.running)),
        ),
        ("total_queued_size", Value::Int(0)),
        ("total_wasted_session", Value::Int(0)),
        ("up_info_data", Value::Int(0)),
        ("up_info_speed", Value::Int(0)),
        ("up_rate_limit", Value::Uint(limits.up_now())),
        ("use_alt_speed_limits", Value::Bool(limits.alt)),
        ("use_subcategories", Value::Bool(false)),
        ("write_cache_overload", "0".into()),
    ]
}

/// `sync/maindata`.
pub(super) fn maindata(context: &Context<'_>) -> Answer {
    let rid = context.input.integer("rid");
    // Asks the file system: not under the lock.
    let state = server_state(context);
    // Held to the end, so that answers to one session follow each other.
    let mut boards = lock(&context.face.boards);
    let kept = boards.of(&context.who.scope, Instant::now());
    let mut progress = progress_of(context);
    let lens = match context.downloads() {
        Some(downloads) => Some((downloads, Lens::new(context, downloads)?)),
        None => None,
    };

    let mut listed: Option<Vec<Grab>> = None;
    if let Some((downloads, lens)) = &lens {
        let is_stale = kept.revision != Some(downloads.revision());
        if is_stale
            || kept.moving.len() > MAX_MOVING
            || kept.board.base(&mut progress, rid).is_none()
        {
            listed = Some(kept.list(context, downloads, lens)?);
        } else {
            kept.look_at_moving(context, downloads, lens)?;
        }
    }
    kept.refresh_labels(context)?;
    kept.board
        .refresh_server(state.iter().map(|(name, value)| (*name, value.digest())));

    match kept.board.base(&mut progress, rid) {
        Some(since) => {
            let mut out = partial_head(context, &kept.board, since)?;
            let rid = give(context, kept, progress);
            push_key(&mut out, "rid");
            out.push_str(&rid.to_string());
            partial_tail(context, &kept.board, since, &state, lens, listed, &mut out)?;
            json(out)
        }
        None => {
            // What was refreshed may have pushed out a removal that the caller would have to hear
            // of: then it gets everything although nothing was listed yet.
            let grabs = match (listed, &lens) {
                (Some(grabs), _) => grabs,
                (None, Some((downloads, lens))) => kept.list(context, downloads, lens)?,
                (None, None) => Vec::new(),
            };
            let labels = all_labels(context)?;
            let rid = give(context, kept, progress);
            drop(boards);
            Ok(full(
                &labels,
                rid,
                &state,
                grabs,
                lens.map(|(_, lens)| lens),
            ))
        }
    }
}

/// How far the caller's session has come; a caller without one starts at nothing each time.
fn progress_of(context: &Context<'_>) -> Progress {
    context
        .sid
        .and_then(|sid| lock(&context.face.sessions).progress(sid).cloned())
        .unwrap_or_default()
}

/// Notes in the session what it is being given; the result is the answer's `rid`.
fn give(context: &Context<'_>, kept: &Kept, mut progress: Progress) -> u64 {
    let rid = kept.board.given(&mut progress);
    if let Some(sid) = context.sid
        && let Some(kept) = lock(&context.face.sessions).progress(sid)
    {
        *kept = progress;
    }
    rid
}

/// Categories and tags as JSON.
fn all_labels(context: &Context<'_>) -> Result<(String, String), StoreError> {
    let store = &context.services.store;
    let mut categories = String::from("{");
    for (name, path) in store.categories(context.labels_of())? {
        push_key(&mut categories, &name);
        categories.push_str(&category(&name, &path));
    }
    categories.push('}');
    Ok((categories, string_array(store.tags(context.labels_of())?)))
}

/// The answer with everything. Empty collections are sent too, as 4.5 does.
fn full(
    (categories, tags): &(String, String),
    rid: u64,
    state: &[(&'static str, Value<'static>)],
    grabs: Vec<Grab>,
    lens: Option<Lens>,
) -> Response {
    let mut head = format!(
        "{{\"categories\":{categories},\"full_update\":true,\"rid\":{rid},\"server_state\":{{"
    );
    for (name, value) in state {
        push_key(&mut head, name);
        value.write(&mut head);
    }
    head.push_str(&format!("}},\"tags\":{tags},\"torrents\":{{"));
    let is_long = grabs.len() > LONG_LIST;
    let write = move |out: &mut dyn Write| -> std::io::Result<()> {
        let mut item = head;
        if let Some(lens) = &lens {
            for (index, grab) in grabs.iter().enumerate() {
                if index > 0 {
                    item.push(',');
                }
                item.push_str(&format!("\"{}\":", grab.infohash));
                lens.view(grab).write(&mut item, false);
                out.write_all(item.as_bytes())?;
                item.clear();
            }
        }
        item.push_str("},\"trackers\":{}}");
        out.write_all(item.as_bytes())
    };
    let mut response = Response::json(200, "");
    if is_long {
        response.body = Body::Writer(Box::new(write));
    } else {
        let mut body = Vec::new();
        // Writing to memory cannot fail.
        let _ = write(&mut body);
        response.body = Body::Bytes(body);
    }
    response
}

/// The part of a partial answer before `rid`, in alphabetical order: what changed of the categories.
fn partial_head(
    context: &Context<'_>,
    board: &Board<Infohash, TRACKED>,
    since: Version,
) -> Result<String, StoreError> {
    let mut out = String::from("{");
    let changed = board.categories.changed(since);
    if !changed.is_empty() {
        let paths: HashMap<String, String> = context
            .services
            .store
            .categories(context.labels_of())?
            .into_iter()
            .collect();
        push_key(&mut out, "categories");
        out.push('{');
        for entry in changed {
            if let Some(path) = paths.get(&entry.key) {
                push_key(&mut out, &entry.key);
                out.push_str(&category(&entry.key, path));
            }
        }
        out.push('}');
    }
    let removed = board.categories.removed(since);
    if !removed.is_empty() {
        push_key(&mut out, "categories_removed");
        out.push_str(&string_array(removed));
    }
    Ok(out)
}

/// The part after `rid`: server state, tags, torrents; and the closing brace.
fn partial_tail(
    context: &Context<'_>,
    board: &Board<Infohash, TRACKED>,
    since: Version,
    state: &[(&'static str, Value<'static>)],
    lens: Option<(&Downloads, Lens)>,
    listed: Option<Vec<Grab>>,
    out: &mut String,
) -> Result<(), StoreError> {
    let changed = board.server.changed(since);
    if !changed.is_empty() {
        push_key(out, "server_state");
        out.push('{');
        for (name, value) in state {
            if changed.iter().any(|entry| entry.key == *name) {
                push_key(out, name);
                value.write(out);
            }
        }
        out.push('}');
    }
    let tags: Vec<String> = board
        .tags
        .changed(since)
        .into_iter()
        .map(|e| e.key)
        .collect();
    if !tags.is_empty() {
        push_key(out, "tags");
        out.push_str(&string_array(tags));
    }
    let removed = board.tags.removed(since);
    if !removed.is_empty() {
        push_key(out, "tags_removed");
        out.push_str(&string_array(removed));
    }
    let changed = board.torrents.changed(since);
    if let (Some((downloads, lens)), false) = (&lens, changed.is_empty()) {
        let listed: HashMap<Infohash, &Grab> = listed
            .iter()
            .flatten()
            .map(|grab| (grab.infohash, grab))
            .collect();
        push_key(out, "torrents");
        out.push('{');
        for entry in changed {
            let looked_up;
            let grab = match listed.get(&entry.key) {
                Some(grab) => *grab,
                None => match downloads.get(&context.who.scope, &entry.key)? {
                    Some(grab) => {
                        looked_up = grab;
                        &looked_up
                    }
                    // Deleted this very moment: the next answer says so.
                    None => continue,
                },
            };
            let view = lens.view(grab);
            push_key(out, &entry.key.to_string());
            if entry.new {
                view.write(out, false);
                continue;
            }
            out.push('{');
            for (field, _) in tracked_fields().zip(entry.fields).filter(|(_, is)| *is) {
                push_key(out, field.name);
                (field.value)(&view).write(out);
            }
            out.push('}');
        }
        out.push('}');
    }
    let removed = board.torrents.removed(since);
    if !removed.is_empty() {
        push_key(out, "torrents_removed");
        out.push_str(&string_array(removed.iter().map(Infohash::to_string)));
    }
    out.push('}');
    Ok(())
}
