//! Calls that read torrents.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex};

use crate::grab::Grab;
use crate::http::Response;
use crate::torrent::stub::Infohash;

use super::details;
use super::dispatch::{Answer, Context, Refusal, json, text, written};
use super::filter::{Wanted, page, sort_field, wanted_hashes};
use super::lens::{LONG_LIST, Lens};
use super::lock;
use super::value::{Value, object};
use super::view::{Field, View};

/// `torrents/info`.
pub(super) fn info(context: &Context<'_>) -> Answer {
    let Some(lens) = Lens::new(context)? else {
        return json("[]");
    };
    let input = &context.input;
    let owned = |name| input.get(name).map(str::to_owned);
    let wanted = Wanted {
        filter: owned("filter"),
        category: owned("category"),
        tag: owned("tag"),
        hashes: wanted_hashes(input.get("hashes")),
    };
    let (downloads, scope) = (lens.downloads(), lens.scope());
    let mut ids = match &wanted.hashes {
        Some(hashes) => downloads.ids_of(scope, hashes)?,
        None => downloads.ids(scope, wanted.category.as_deref())?,
    };
    if !wanted.may_show_finished() {
        ids.retain(|id| lens.is_unfinished(*id));
    }
    let sort = match input.get("sort").filter(|sort| !sort.is_empty()) {
        Some(name) => match sort_field(name) {
            Some(field) => Some(field),
            None => return invalid_sort(&lens, &ids, &wanted),
        },
        None => None,
    };
    let is_long = ids.len() > LONG_LIST;
    let list = List {
        lens,
        ids,
        wanted,
        sort,
        is_reverse: input.boolean("reverse") == Some(true),
        offset: input.integer("offset").unwrap_or(0),
        limit: input.integer("limit").unwrap_or(0),
        sorting: Arc::clone(&context.face.sorting),
    };
    written(is_long, move |out| list.write(out))
}

/// The real server looks at the first torrent for the key: without any there is no error.
fn invalid_sort(lens: &Lens, ids: &[i64], wanted: &Wanted) -> Answer {
    let mut is_empty = true;
    let looked = lens.each(ids, |view| {
        is_empty = !wanted.shows(view);
        Ok(match is_empty {
            true => ControlFlow::Continue(()),
            false => ControlFlow::Break(()),
        })
    });
    match (looked, is_empty) {
        (Ok(()), true) => json("[]"),
        (Ok(()), false) => Err(Refusal::new(400, "'sort' parameter is invalid")),
        (Err(error), _) => written(false, |_| Err(error)),
    }
}

/// A list that is about to be written.
struct List {
    lens: Lens,
    /// Candidates, oldest first.
    ids: Vec<i64>,
    wanted: Wanted,
    sort: Option<&'static Field>,
    is_reverse: bool,
    offset: i64,
    limit: i64,
    /// One long list is sorted at a time: its keys, which may be paths, are a MiB or more, and
    /// there may be as many lists as there are threads for them.
    sorting: Arc<Mutex<()>>,
}

impl List {
    /// Writes the array. Without an order and an offset, one pass over the rows; else one to see
    /// which ones, of which only the ids are kept, and one to write those.
    fn write(mut self, out: &mut dyn Write) -> io::Result<()> {
        let is_chosen = self.sort.is_some() || self.offset != 0;
        if is_chosen {
            self.choose()?;
        } else if self.is_reverse {
            self.ids.reverse();
        }
        let most = match usize::try_from(self.limit) {
            Ok(limit) if limit > 0 => limit,
            _ => usize::MAX,
        };
        let mut count = 0;
        let mut item = String::new();
        out.write_all(b"[")?;
        self.lens.each(&self.ids, |view| {
            if is_chosen || self.wanted.shows(view) {
                item.clear();
                if count > 0 {
                    item.push(',');
                }
                view.write(&mut item, true);
                out.write_all(item.as_bytes())?;
                count += 1;
            }
            Ok(match count < most {
                true => ControlFlow::Continue(()),
                false => ControlFlow::Break(()),
            })
        })?;
        out.write_all(b"]")
    }

    /// Leaves the ids of the page that is wanted, in their order.
    fn choose(&mut self) -> io::Result<()> {
        let _held = (self.ids.len() > LONG_LIST).then(|| lock(&self.sorting));
        let mut keyed: Vec<(Option<Value<'static>>, i64)> = Vec::new();
        self.lens.each(&self.ids, |view| {
            if self.wanted.shows(view) {
                let key = self.sort.map(|field| (field.value)(view).into_owned());
                keyed.push((key, view.grab.id));
            }
            Ok(ControlFlow::Continue(()))
        })?;
        keyed.sort_by(|(a, _), (b, _)| match (a, b) {
            (Some(a), Some(b)) => a.order(b),
            _ => std::cmp::Ordering::Equal,
        });
        if self.is_reverse {
            keyed.reverse();
        }
        let shown = page(keyed.len(), self.offset, self.limit);
        self.ids = keyed.drain(shown).map(|(_, id)| id).collect();
        Ok(())
    }
}

/// `torrents/count`.
pub(super) fn count(context: &Context<'_>) -> Answer {
    let count = match context.downloads() {
        Some(downloads) => downloads.count(&context.who.scope)?,
        None => 0,
    };
    text(count.to_string())
}

/// Runs `show` on the torrent that `hash` names, or answers 404.
pub(super) fn with_torrent<T>(
    context: &Context<'_>,
    show: impl FnOnce(&View<'_>) -> Result<T, Refusal>,
) -> Result<T, Refusal> {
    let lens = Lens::new(context)?.ok_or_else(Refusal::not_found)?;
    let hash = context.input.hash().ok_or_else(Refusal::not_found)?;
    let grab = lens
        .downloads()
        .get(lens.scope(), &hash)?
        .ok_or_else(Refusal::not_found)?;
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
