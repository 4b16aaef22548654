//! Calls about categories and tags. Each login has its own; the owner sees and changes all.

use std::collections::{BTreeMap, BTreeSet};

use crate::downloads::{Downloads, Selection};
use crate::grab::Scope;
use crate::store::StoreError;
use crate::store::labels::Created;
use crate::torrent::stub::Infohash;

use super::dispatch::{Answer, Context, Refusal, done, json};
use super::input::is_category;
use super::lens::PAGE;
use super::value::{Value, object, push_key, string_array};

/// `torrents/categories`.
pub(super) fn categories(context: &Context<'_>) -> Answer {
    let categories = context.services.store.categories(context.labels_of())?;
    let mut out = String::from("{");
    for (name, save_path) in &categories {
        push_key(&mut out, name);
        out.push_str(&category(name, save_path));
    }
    out.push('}');
    json(out)
}

/// One category. `savePath` is this spelling, and the arrs need it even when it is empty.
pub(super) fn category(name: &str, save_path: &str) -> String {
    object([("name", name.into()), ("savePath", Value::from(save_path))])
}

/// Makes sure that a category is there; false when the login has too many.
pub(super) fn ensure_category(context: &Context<'_>, name: &str) -> Result<bool, StoreError> {
    let store = &context.services.store;
    if store.has_category(context.labels_of(), name)? {
        return Ok(true);
    }
    let created = store.create_category(&context.who.login, name, "")?;
    context.face.labels_changed();
    Ok(created != Created::Full)
}

/// `torrents/createCategory`.
pub(super) fn create_category(context: &Context<'_>) -> Answer {
    let name = context.input.text("category");
    if name.is_empty() {
        return Err(Refusal::new(400, "Category cannot be empty"));
    }
    if !is_category(name) {
        return Err(Refusal::new(409, "Incorrect category name"));
    }
    let unable = || Refusal::new(409, "Unable to create category");
    let store = &context.services.store;
    if store.has_category(context.labels_of(), name)? {
        return Err(unable());
    }
    let save_path = save_path(context).ok_or_else(unable)?;
    match store.create_category(&context.who.login, name, save_path)? {
        Created::New => {
            context.face.labels_changed();
            done()
        }
        Created::Exists | Created::Full => Err(unable()),
    }
}

/// `savePath`, of the length that a path can have.
fn save_path<'a>(context: &'a Context<'_>) -> Option<&'a str> {
    /// Longest path on Linux (`PATH_MAX`).
    const MAX_PATH: usize = 4096;
    let path = context.input.text("savePath");
    (path.len() <= MAX_PATH).then_some(path)
}

/// `torrents/editCategory`. The save path is stored and shown; files go where jackdaw puts them.
pub(super) fn edit_category(context: &Context<'_>) -> Answer {
    let name = context.input.text("category");
    if name.is_empty() {
        return Err(Refusal::new(400, "Category cannot be empty"));
    }
    let unable = || Refusal::new(409, "Unable to edit category");
    let save_path = save_path(context).ok_or_else(unable)?;
    let store = &context.services.store;
    if !store.edit_category(context.labels_of(), name, save_path)? {
        return Err(unable());
    }
    context.face.labels_changed();
    done()
}

/// `torrents/removeCategories`: separated by line ends.
pub(super) fn remove_categories(context: &Context<'_>) -> Answer {
    for name in context.input.text("categories").lines() {
        if name.is_empty() {
            continue;
        }
        // Grabs first: a category that is gone must not be left on a grab by a crash in between.
        if let Some(downloads) = context.downloads() {
            empty(context, downloads, name)?;
        }
        let store = &context.services.store;
        store.remove_category(context.labels_of(), name)?;
    }
    context.face.labels_changed();
    done()
}

/// Takes all grabs out of a category. Each in the scope of its own login: another one may hold the
/// same hash in another category, and the owner's scope has both.
fn empty(context: &Context<'_>, downloads: &Downloads, name: &str) -> Result<(), StoreError> {
    let mut by_login: BTreeMap<String, Vec<Infohash>> = BTreeMap::new();
    for page in downloads.ids(&context.who.scope, Some(name))?.chunks(PAGE) {
        for grab in downloads.by_ids(page)? {
            by_login.entry(grab.arr).or_default().push(grab.infohash);
        }
    }
    for (login, hashes) in by_login {
        downloads.set_category(&Scope::Arr(login), &Selection::Hashes(hashes), "")?;
    }
    Ok(())
}

/// The logins whose grabs a selection has. A label that the owner puts on an arr's grab is that arr's
/// too: else its list of torrents would name labels that its list of labels does not have.
fn logins(
    context: &Context<'_>,
    downloads: &Downloads,
    which: &Selection,
) -> Result<BTreeSet<String>, StoreError> {
    let scope = &context.who.scope;
    if let Scope::Arr(login) = scope {
        return Ok(BTreeSet::from([login.clone()]));
    }
    let mut logins = BTreeSet::new();
    for page in downloads.selected(scope, which)?.chunks(PAGE) {
        logins.extend(downloads.by_ids(page)?.into_iter().map(|grab| grab.arr));
    }
    Ok(logins)
}

/// `torrents/setCategory`: an unknown category is an error only if there is a torrent to put in it.
pub(super) fn set_category(context: &Context<'_>) -> Answer {
    let Some(downloads) = context.downloads() else {
        return done();
    };
    let name = context.input.text("category");
    let which = context.input.selection();
    let store = &context.services.store;
    if !name.is_empty() {
        let mut categories = store.categories(context.labels_of())?.into_iter();
        let Some((_, save_path)) = categories.find(|(known, _)| known == name) else {
            return match downloads.selected(&context.who.scope, &which)?.is_empty() {
                true => done(),
                false => Err(Refusal::new(409, "Incorrect category name")),
            };
        };
        for login in logins(context, downloads, &which)? {
            if store.create_category(&login, name, &save_path)? == Created::New {
                context.face.labels_changed();
            }
        }
    }
    downloads.set_category(&context.who.scope, &which, name)?;
    done()
}

/// `torrents/tags`.
pub(super) fn tags(context: &Context<'_>) -> Answer {
    json(string_array(
        context.services.store.tags(context.labels_of())?,
    ))
}

/// `torrents/createTags`.
pub(super) fn create_tags(context: &Context<'_>) -> Answer {
    let tags = context.input.tags();
    let store = &context.services.store;
    store.create_tags(&context.who.login, &tags)?;
    context.face.labels_changed();
    done()
}

/// `torrents/deleteTags`: also takes them off all torrents.
pub(super) fn delete_tags(context: &Context<'_>) -> Answer {
    let tags = context.input.tags();
    if let Some(downloads) = context.downloads() {
        let scope = &context.who.scope;
        downloads.change_tags(scope, &Selection::All, &|mut own| {
            own.retain(|tag| !tags.contains(tag));
            own
        })?;
    }
    let store = &context.services.store;
    store.remove_tags(context.labels_of(), &tags)?;
    context.face.labels_changed();
    done()
}

/// `torrents/addTags`: creates unknown tags.
pub(super) fn add_tags(context: &Context<'_>) -> Answer {
    let tags = context.input.tags();
    let which = context.input.selection();
    let mut logins_affected = BTreeSet::from([context.who.login.clone()]);
    if let Some(downloads) = context.downloads() {
        logins_affected.extend(logins(context, downloads, &which)?);
    }
    for login in &logins_affected {
        context.services.store.create_tags(login, &tags)?;
    }
    context.face.labels_changed();
    if let Some(downloads) = context.downloads() {
        downloads.change_tags(&context.who.scope, &which, &|mut own| {
            own.extend(tags.iter().cloned());
            own.sort();
            own.dedup();
            own
        })?;
    }
    done()
}

/// `torrents/removeTags`: without tags, all of them.
pub(super) fn remove_tags(context: &Context<'_>) -> Answer {
    let tags = context.input.tags();
    if let Some(downloads) = context.downloads() {
        let which = context.input.selection();
        downloads.change_tags(&context.who.scope, &which, &|mut own| {
            own.retain(|tag| !tags.is_empty() && !tags.contains(tag));
            own
        })?;
    }
    done()
}
