//! Calls that read torrents.

use std::collections::{BTreeMap, HashMap};
use std::io::Write;
use std::sync::Arc;

use crate::downloads::{Downloads, Grab, Scope};
use crate::http::{Body, Response};
use crate::store::{Store, StoreError};
use crate::torrent::stub::Infohash;

use super::details;
use super::dispatch::{Answer, Context, Refusal, json, text};
use super::filter::{Wanted, page, sort_field, wanted_hashes};
use super::value::{Value, object};
use super::view::{Settings, View};
use super::{Face, lock};

/// A list longer than this is written item by item to the client instead of being built in memory
/// first: some 200 KiB.
pub(super) const LONG_LIST: usize = 150;

/// Queue places by grab id, as of a revision of the downloads.
#[derive(Default)]
pub(super) struct Places {
    revision: Option<u64>,
    by_id: Arc<HashMap<i64, u64>>,
}

/// The queue places now.
pub(super) fn places(
    face: &Face,
    store: &Store,
    downloads: &Downloads,
) -> Result<Arc<HashMap<i64, u64>>, StoreError> {
    let mut places = lock(&face.places);
    // Read before the query: a change in between is then seen next time.
    let revision = downloads.revision();
    if places.revision != Some(revision) {
        let order = store.queue_order()?;
        places.by_id = Arc::new(order.into_iter().zip(1..).collect());
        places.revision = Some(revision);
    }
    Ok(Arc::clone(&places.by_id))
}

/// What turns grabs into torrents.
#[derive(Clone)]
pub(super) struct Lens {
    settings: Settings,
    places: Arc<HashMap<i64, u64>>,
    now: u64,
}

impl Lens {
    pub fn new(context: &Context<'_>, downloads: &Downloads) -> Result<Lens, StoreError> {
        Ok(Lens {
            settings: Settings::new(downloads.settings()),
            places: places(context.face, &context.services.store, downloads)?,
            now: context.now,
        })
    }

    pub fn view<'a>(&'a self, grab: &'a Grab) -> View<'a> {
        View {
            grab,
            place: self.places.get(&grab.id).copied().unwrap_or(0),
            settings: &self.settings,
            now: self.now,
        }
    }
}

/// `torrents/info`.
pub(super) fn info(context: &Context<'_>) -> Answer {
    let Some(downloads) = context.downloads() else {
        return json("[]");
    };
    let input = &context.input;
    let wanted = Wanted {
        filter: input.get("filter"),
        category: input.get("category"),
        tag: input.get("tag"),
        hashes: wanted_hashes(input.get("hashes")),
    };
    let lens = Lens::new(context, downloads)?;
    let mut grabs = candidates(context, downloads, &wanted)?;
    grabs.retain(|grab| wanted.shows(&lens.view(grab)));
    if let Some(sort) = input.get("sort").filter(|sort| !sort.is_empty()) {
        let Some(field) = sort_field(sort) else {
            // The real server looks at the first torrent for the key.
            return if grabs.is_empty() {
                json("[]")
            } else {
                Err(Refusal::new(400, "'sort' parameter is invalid"))
            };
        };
        grabs.sort_by(|a, b| {
            let (a, b) = (lens.view(a), lens.view(b));
            (field.value)(&a).order(&(field.value)(&b))
        });
    }
    if input.boolean("reverse") == Some(true) {
        grabs.reverse();
    }
    let shown = page(
        grabs.len(),
        input.integer("offset").unwrap_or(0),
        input.integer("limit").unwrap_or(0),
    );
    let grabs: Vec<Grab> = grabs.drain(shown).collect();
    if grabs.len() <= LONG_LIST {
        let mut out = Vec::new();
        // Writing to memory cannot fail.
        let _ = write_list(&mut out, &grabs, &lens);
        return json(out);
    }
    let mut response = Response::json(200, "");
    response.body = Body::Writer(Box::new(move |out| write_list(out, &grabs, &lens)));
    Ok(response)
}

/// The grabs to look through; few when the request names hashes or a category.
fn candidates(
    context: &Context<'_>,
    downloads: &Downloads,
    wanted: &Wanted<'_>,
) -> Result<Vec<Grab>, StoreError> {
    /// Above this, one list costs less than as many look-ups.
    const FEW: usize = 50;
    let scope = &context.who.scope;
    match &wanted.hashes {
        // The owner may see one hash twice, once for each arr.
        Some(hashes) if hashes.len() <= FEW && *scope != Scope::All => {
            let mut hashes = hashes.clone();
            hashes.sort();
            hashes.dedup();
            let mut grabs = Vec::new();
            for hash in hashes {
                grabs.extend(downloads.get(scope, &hash)?);
            }
            grabs.sort_by_key(|grab| (grab.added_at, grab.id));
            Ok(grabs)
        }
        _ => downloads.list(scope, wanted.category),
    }
}

fn write_list(out: &mut dyn Write, grabs: &[Grab], lens: &Lens) -> std::io::Result<()> {
    out.write_all(b"[")?;
    let mut item = String::new();
    for (index, grab) in grabs.iter().enumerate() {
        item.clear();
        lens.view(grab).write(&mut item, true);
        if index > 0 {
            out.write_all(b",")?;
        }
        out.write_all(item.as_bytes())?;
    }
    out.write_all(b"]")
}

/// `torrents/count`.
pub(super) fn count(context: &Context<'_>) -> Answer {
    let count = match context.downloads() {
        Some(downloads) => downloads.list(&context.who.scope, None)?.len(),
        None => 0,
    };
    text(count.to_string())
}

/// Runs `show` on the torrent that `hash` names, or answers 404.
pub(super) fn with_torrent<T>(
    context: &Context<'_>,
    show: impl FnOnce(&View<'_>) -> Result<T, Refusal>,
) -> Result<T, Refusal> {
    let downloads = context.downloads().ok_or_else(Refusal::not_found)?;
    let hash = context.input.hash().ok_or_else(Refusal::not_found)?;
    let grab = downloads
        .get(&context.who.scope, &hash)?
        .ok_or_else(Refusal::not_found)?;
    let lens = Lens::new(context, downloads)?;
    show(&lens.view(&grab))
}

/// `torrents/properties`.
pub(super) fn properties(context: &Context<'_>) -> Answer {
    with_torrent(context, |view| json(details::properties(view)))
}

/// `torrents/files`: one file.
pub(super) fn files(context: &Context<'_>) -> Answer {
    with_torrent(context, |view| {
        let indexes = context.input.text("indexes");
        let mut is_wanted = indexes.is_empty();
        for index in indexes.split('|').filter(|index| !index.is_empty()) {
            match index.parse::<i64>() {
                Ok(0) => is_wanted = true,
                Ok(index) => {
                    return Err(Refusal::new(
                        409,
                        format!("Index {index} is out of bounds."),
                    ));
                }
                Err(_) => {
                    return Err(Refusal::new(
                        409,
                        format!("\"{index}\" is not a valid file index."),
                    ));
                }
            }
        }
        json(if is_wanted {
            format!("[{}]", details::file(view))
        } else {
            "[]".to_string()
        })
    })
}

/// `torrents/trackers`.
pub(super) fn trackers(context: &Context<'_>) -> Answer {
    with_torrent(context, |_| json(details::trackers()))
}

/// `torrents/webseeds`: where bytes come from is nobody's business.
pub(super) fn webseeds(context: &Context<'_>) -> Answer {
    with_torrent(context, |_| json("[]"))
}

/// `torrents/pieceStates`.
pub(super) fn piece_states(context: &Context<'_>) -> Answer {
    with_torrent(context, |view| json(details::piece_states(view)))
}

/// `torrents/pieceHashes`: a stub has none worth showing.
pub(super) fn piece_hashes(context: &Context<'_>) -> Answer {
    with_torrent(context, |_| json("[]"))
}

/// `torrents/export`: the torrent as it was added.
pub(super) fn export(context: &Context<'_>) -> Answer {
    let downloads = context.downloads().ok_or_else(Refusal::not_found)?;
    let hash = context.input.hash().ok_or_else(Refusal::not_found)?;
    let torrent = downloads
        .torrent(&context.who.scope, &hash)?
        .ok_or_else(Refusal::not_found)?;
    // 4.x calls it text; 5.x does not.
    Ok(Response::bytes(200, "text/plain; charset=UTF-8", torrent))
}

/// `torrents/downloadLimit`.
pub(super) fn download_limit(context: &Context<'_>) -> Answer {
    limits(context, |grab| grab.download_limit)
}

/// `torrents/uploadLimit`.
pub(super) fn upload_limit(context: &Context<'_>) -> Answer {
    limits(context, |grab| grab.upload_limit)
}

/// An object of the hashes as they were given; −1 for a torrent that is not there. `all` is no
/// keyword here, on the real server neither.
fn limits(context: &Context<'_>, limit: impl Fn(&Grab) -> u64) -> Answer {
    let mut limits = BTreeMap::new();
    for text in context.input.text("hashes").split('|') {
        let grab = match (context.downloads(), Infohash::parse(text)) {
            (Some(downloads), Some(hash)) => downloads.get(&context.who.scope, &hash)?,
            _ => None,
        };
        let value = grab.map_or(Value::Int(-1), |grab| Value::Uint(limit(&grab)));
        limits.insert(text, value);
    }
    json(object(limits))
}

/// `sync/torrentPeers`: a missing hash is as unknown as a wrong one.
pub(super) fn torrent_peers(context: &Context<'_>) -> Answer {
    with_torrent(context, |_| {
        json(r#"{"full_update":true,"peers":{},"rid":1,"show_flags":false}"#)
    })
}
