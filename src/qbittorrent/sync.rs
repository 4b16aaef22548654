//! `sync/maindata`: the whole state, or what changed since the caller's last answer.
//!
//! One [`Board`] a scope is kept up to date when somebody asks: all grabs are walked only at first
//! and when more has changed than the engine remembers; else those that have changed and those that
//! are not finished are looked at, and while nothing has happened only the few that run. Answers
//! with many torrents are written as their rows are read. A caller without a session (a key in a
//! header) always gets everything.

use std::collections::{BTreeSet, HashMap};
use std::io::{self, Write};
use std::ops::ControlFlow;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::downloads::{Changed, Downloads};
use crate::grab::Scope;
use crate::store::StoreError;
use crate::torrent::stub::Infohash;

use super::dispatch::{Answer, Context, written};
use super::labels::category;
use super::lens::{LONG_LIST, Lens};
use super::lock;
use super::maindata::{self, Board, Progress, Version};
use super::transfer::{down_limit, limits, totals};
use super::value::{Value, push_key, string_array};
use super::view::{Settings, TRACKED, View, tracked_fields};

/// A board that nobody has asked for this long is dropped; its sessions get a full answer.
const BOARD_LIFETIME: Duration = Duration::from_secs(600);

/// Free space is told in steps of this many bytes: somebody else's log file is no news.
const FREE_SPACE_STEP: u64 = 1 << 20;

/// One scope's board and what it was last compared with.
struct Kept {
    board: Board<Infohash, TRACKED>,
    /// Of the downloads when they were compared; 0 = never.
    revision: u64,
    labels_revision: u64,
    /// Grabs that change without the revision moving.
    moving: BTreeSet<Infohash>,
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
                revision: 0,
                labels_revision: 0,
                moving: BTreeSet::new(),
                used: now,
            }
        });
        kept.used = now;
        kept
    }
}

impl Kept {
    /// Compares with the grabs as they are now. `revision` is the downloads' from before `lens` was
    /// made: what changes in between is then seen next time.
    fn refresh_torrents(&mut self, lens: &Lens, revision: u64) -> io::Result<()> {
        let changed = lens.downloads().changed_since(self.revision);
        match changed {
            None => self.walk(lens)?,
            Some(changed) => {
                let hashes = match revision == self.revision {
                    true => self.moving.clone(),
                    false => affected(lens, changed)?,
                };
                self.look_at(lens, hashes).map_err(io::Error::other)?;
            }
        }
        self.revision = revision;
        Ok(())
    }

    /// Compares with all grabs.
    fn walk(&mut self, lens: &Lens) -> io::Result<()> {
        // The owner may see one hash twice, once for each login. There is one place for it in the
        // answer: the oldest has it, as in a look-up by hash.
        let ids = lens.downloads().ids_by_hash(lens.scope());
        let ids = ids.map_err(io::Error::other)?;
        let moving = &mut self.moving;
        moving.clear();
        self.board.walk_torrents(|note| {
            lens.each(&ids, |view| {
                note(view.grab.infohash, view.marks());
                if view.is_moving() {
                    moving.insert(view.grab.infohash);
                }
                Ok(ControlFlow::Continue(()))
            })
        })
    }

    /// Compares with these grabs only.
    fn look_at(&mut self, lens: &Lens, hashes: BTreeSet<Infohash>) -> Result<(), StoreError> {
        let mut seen = Vec::with_capacity(hashes.len());
        for hash in hashes {
            let grab = lens.downloads().get(lens.scope(), &hash)?;
            let view = grab.as_ref().map(|grab| lens.view(grab));
            match view.as_ref().is_some_and(View::is_moving) {
                true => self.moving.insert(hash),
                false => self.moving.remove(&hash),
            };
            seen.push((hash, view.map(|view| view.marks())));
        }
        self.board.update_torrents(seen);
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

/// Infohashes of all grabs that may look different after these changes: those that changed, and all
/// that are not finished, for their places in the queue may have moved.
fn affected(lens: &Lens, changed: Vec<Changed>) -> io::Result<BTreeSet<Infohash>> {
    let mut hashes = BTreeSet::new();
    let mut ids = lens.unfinished();
    for change in changed {
        match change {
            Changed::Row(id) => ids.push(id),
            Changed::Gone(hash) => drop(hashes.insert(hash)),
        }
    }
    ids.sort_unstable();
    ids.dedup();
    lens.each(&ids, |view| {
        let is_seen = match lens.scope() {
            Scope::All => true,
            Scope::Arr(login) => *login == view.grab.arr,
        };
        if is_seen {
            hashes.insert(view.grab.infohash);
        }
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(hashes)
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
    // Read before the queue places that the lens holds.
    let revision = context.downloads().map_or(0, Downloads::revision);
    let lens = Lens::new(context)?;
    if let Some(lens) = &lens
        && let Err(error) = kept.refresh_torrents(lens, revision)
    {
        return written(false, |_| Err(error));
    }
    kept.refresh_labels(context)?;
    kept.board
        .refresh_server(state.iter().map(|(name, value)| (*name, value.digest())));

    let board = &kept.board;
    let told = match board.base(&mut progress, rid) {
        Some(since) => {
            let mut head = partial_head(context, board, since)?;
            push_key(&mut head, "rid");
            head.push_str(&give(context, kept, progress).to_string());
            push_state_and_tags(&mut head, board, since, &state);
            Told {
                head,
                torrents: Torrents::Changed(board.torrents.changed(since)),
                tail: partial_tail(board, since),
                lens,
            }
        }
        None => {
            let ids = match &lens {
                Some(lens) => lens.downloads().ids_by_hash(lens.scope())?,
                None => Vec::new(),
            };
            let labels = all_labels(context)?;
            Told {
                head: full_head(&labels, give(context, kept, progress), &state),
                torrents: Torrents::All(ids),
                tail: ",\"trackers\":{}}".to_string(),
                lens,
            }
        }
    };
    drop(boards);
    written(told.torrents.is_long(), move |out| told.write(out))
}

/// Which torrents an answer tells.
enum Torrents {
    /// Everything of these, by row id. An empty collection is sent too, as 4.5 does.
    All(Vec<i64>),
    /// What changed of these; nothing is sent if there are none.
    Changed(Vec<maindata::Changed<Infohash, TRACKED>>),
}

impl Torrents {
    fn is_long(&self) -> bool {
        let count = match self {
            Torrents::All(ids) => ids.len(),
            Torrents::Changed(changed) => changed.len(),
        };
        count > LONG_LIST
    }
}

/// An answer that is about to be written. Values are read as they are written, so they may be newer
/// than what the session is noted to know: then they are told again next time.
struct Told {
    /// What stands before the torrents.
    head: String,
    torrents: Torrents,
    /// What stands behind them, the last brace included.
    tail: String,
    lens: Option<Lens>,
}

impl Told {
    fn write(self, out: &mut dyn Write) -> io::Result<()> {
        let mut item = self.head;
        let is_told = match &self.torrents {
            Torrents::All(_) => true,
            Torrents::Changed(changed) => !changed.is_empty(),
        };
        if is_told {
            push_key(&mut item, "torrents");
            item.push('{');
        }
        match (&self.lens, &self.torrents) {
            (Some(lens), Torrents::All(ids)) => lens.each(ids, |view| {
                push_key(&mut item, &view.grab.infohash.to_string());
                view.write(&mut item, false);
                out.write_all(item.as_bytes())?;
                item.clear();
                Ok(ControlFlow::Continue(()))
            })?,
            (Some(lens), Torrents::Changed(changed)) => {
                for entry in changed {
                    let grab = lens.downloads().get(lens.scope(), &entry.key);
                    // Deleted this very moment: the next answer says so.
                    let Some(grab) = grab.map_err(io::Error::other)? else {
                        continue;
                    };
                    push_key(&mut item, &entry.key.to_string());
                    push_changed(&mut item, &lens.view(&grab), entry);
                    out.write_all(item.as_bytes())?;
                    item.clear();
                }
            }
            (None, _) => {}
        }
        if is_told {
            item.push('}');
        }
        item.push_str(&self.tail);
        out.write_all(item.as_bytes())
    }
}

/// What a session has to be told of one torrent.
fn push_changed(out: &mut String, view: &View<'_>, entry: &maindata::Changed<Infohash, TRACKED>) {
    if entry.new {
        view.write(out, false);
        return;
    }
    out.push('{');
    for (field, _) in tracked_fields().zip(entry.fields).filter(|(_, is)| *is) {
        push_key(out, field.name);
        (field.value)(view).write(out);
    }
    out.push('}');
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

/// The answer with everything, up to the torrents. Empty collections are sent too, as 4.5 does.
fn full_head(
    (categories, tags): &(String, String),
    rid: u64,
    state: &[(&'static str, Value<'static>)],
) -> String {
    let mut head = format!(
        "{{\"categories\":{categories},\"full_update\":true,\"rid\":{rid},\"server_state\":{{"
    );
    for (name, value) in state {
        push_key(&mut head, name);
        value.write(&mut head);
    }
    head.push_str(&format!("}},\"tags\":{tags}"));
    head
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

/// What stands between `rid` and the torrents of a partial answer.
fn push_state_and_tags(
    out: &mut String,
    board: &Board<Infohash, TRACKED>,
    since: Version,
    state: &[(&'static str, Value<'static>)],
) {
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
}

/// What stands behind the torrents of a partial answer.
fn partial_tail(board: &Board<Infohash, TRACKED>, since: Version) -> String {
    let mut out = String::new();
    let removed = board.torrents.removed(since);
    if !removed.is_empty() {
        push_key(&mut out, "torrents_removed");
        out.push_str(&string_array(removed.iter().map(Infohash::to_string)));
    }
    out.push('}');
    out
}
