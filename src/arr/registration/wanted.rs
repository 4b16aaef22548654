//! What our entries at an arr must look like, and how a stored one differs.
//!
//! Pure: configuration, a template from `/schema` and the stored entry in, the body to send and the
//! names of what it changes out. We own: name, kind, address, login and key, category, client
//! priority 50 and no client tags, removal of finished and failed downloads, the indexer's priority,
//! its binding to our client, and that our categories are among its categories. Everything else
//! belongs to the user: tags, seed criteria, minimum seeders, further categories, further settings.
//! An entry that the user has switched off stays off.
//!
//! Why so: Sonarr and Radarr take a client with a tag only for media with that tag, and use the
//! client with the lowest priority number for other indexers' torrents too, so ours has no tag and the
//! last priority; a stored `tags: null` breaks every search, so it is repaired everywhere.

use miniserde::json::{Array, Value};

use super::resource::{MASK, Resource, number, numbers, same, text};
use crate::config::url::HttpUrl;
use crate::config::{Config, Server, ServerType};
use crate::secret::{Secret, digest, hex};

/// Priority of our client: the last in Radarr's range, so that foreign torrents go elsewhere.
const CLIENT_PRIORITY: u64 = 50;

/// Longest part of a category that comes from a title.
const MAX_SLUG: usize = 40;

/// Digits of the digest that tells titles with equal slugs apart.
const SLUG_DIGITS: usize = 6;

/// Radarr's categories: movies and all that lies below them.
const MOVIE_CATEGORIES: &[u64] = &[2000, 2010, 2020, 2030, 2040, 2045, 2050, 2060, 2070, 2080];

/// Sonarr's categories for standard and daily series.
const TV_CATEGORIES: &[u64] = &[5000, 5010, 5030, 5040, 5045, 5050];

/// Sonarr's categories for anime. A release shows that it is anime only by a group in brackets at its
/// beginning, so all of TV is looked through as well.
const ANIME_CATEGORIES: &[u64] = &[5000, 5070];

/// One of our entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The qBittorrent client.
    Client,
    /// The Torznab indexer.
    Indexer,
    /// The webhook under Connect.
    Hook,
}

impl Part {
    /// The API's resource.
    pub(super) fn path(self) -> &'static str {
        match self {
            Part::Client => "/downloadclient",
            Part::Indexer => "/indexer",
            Part::Hook => "/notification",
        }
    }

    /// As messages name it.
    pub fn label(self) -> &'static str {
        match self {
            Part::Client => "download client",
            Part::Indexer => "indexer",
            Part::Hook => "notification",
        }
    }

    pub(super) fn implementation(self) -> &'static str {
        match self {
            Part::Client => "QBittorrent",
            Part::Indexer => "Torznab",
            Part::Hook => "Webhook",
        }
    }

    fn contract(self) -> &'static str {
        match self {
            Part::Client => "QBittorrentSettings",
            Part::Indexer => "TorznabSettings",
            Part::Hook => "WebhookSettings",
        }
    }

    fn secret_field(self) -> &'static str {
        match self {
            Part::Client | Part::Hook => "password",
            Part::Indexer => "apiKey",
        }
    }

    /// What switches it on. Sonarr's `onImportComplete` is not among them: it repeats `onDownload`.
    fn switches(self) -> &'static [&'static str] {
        match self {
            Part::Client => &["enable"],
            Part::Indexer => &[
                "enableRss",
                "enableAutomaticSearch",
                "enableInteractiveSearch",
            ],
            Part::Hook => &["onDownload", "onUpgrade", "onManualInteractionRequired"],
        }
    }
}

/// Who we are at one arr.
#[derive(Clone, Debug)]
pub(super) struct Identity {
    /// `[jackdaw] name`.
    pub(super) name: String,
    /// Where the arr reaches us.
    pub(super) address: HttpUrl,
    /// The server's title: the login there.
    pub(super) title: String,
    pub(super) kind: ServerType,
    /// Short name of the server: in the category and in the hook's address.
    pub(super) slug: String,
    /// Of the indexer.
    pub(super) priority: u32,
}

impl Identity {
    /// `None` without an `internal_url`, or for a server that is not in the configuration.
    pub(super) fn of(config: &Config, server: &Server) -> Option<Identity> {
        let address = HttpUrl::parse(config.internal_url.as_deref()?).ok()?;
        let index = config
            .servers
            .iter()
            .position(|other| other.title == server.title)?;
        Some(Identity {
            name: config.name.clone(),
            address,
            title: server.title.clone(),
            kind: server.kind,
            slug: slugs(&config.servers).swap_remove(index),
            priority: server.priority,
        })
    }

    fn category(&self) -> String {
        format!("jackdaw-{}", self.slug)
    }

    fn category_field(&self) -> &'static str {
        match self.kind {
            ServerType::Radarr => "movieCategory",
            ServerType::Sonarr => "tvCategory",
        }
    }

    /// The fields that say where we are: an entry with all of them is ours, whatever its name.
    fn place(&self, part: Part) -> Vec<(&'static str, Value)> {
        match part {
            Part::Client => vec![
                ("host", text(&self.address.host)),
                ("port", number(u64::from(self.address.port()))),
                ("useSsl", Value::Bool(self.address.https)),
                ("urlBase", text(&self.address.path)),
            ],
            Part::Indexer => vec![
                ("baseUrl", text(&format!("{}/torznab", self.address))),
                ("apiPath", text("/api")),
            ],
            Part::Hook => vec![("url", text(&format!("{}/hook/{}", self.address, self.slug)))],
        }
    }

    /// True if this entry leads to us.
    pub(super) fn is_ours(&self, part: Part, entry: &Resource) -> bool {
        entry.top_text("implementation") == part.implementation()
            && self
                .place(part)
                .iter()
                .all(|(name, value)| same(entry.field(name), Some(value)))
    }

    /// True if this is the entry that we saved under this number, at whatever address we were then: one of
    /// its kind with our login, or with the path of our face. Numbers alone prove nothing: an arr that was
    /// set up anew gives them again.
    pub(super) fn was_ours(&self, part: Part, entry: &Resource, remembered: Option<u64>) -> bool {
        let has_mark = match part {
            Part::Client => {
                entry.field_text("username") == self.title
                    && entry.field_text(self.category_field()) == self.category()
            }
            Part::Indexer => entry.field_text("baseUrl").ends_with("/torznab"),
            Part::Hook => entry
                .field_text("url")
                .ends_with(&format!("/hook/{}", self.slug)),
        };
        remembered.is_some()
            && entry.id() == remembered
            && entry.top_text("implementation") == part.implementation()
            && has_mark
    }

    /// True if this entry has our name; the arrs compare names so.
    pub(super) fn is_named(&self, entry: &Resource) -> bool {
        entry.top_text("name").to_lowercase() == self.name.to_lowercase()
    }
}

/// A short name for each server, in their order: letters, digits and hyphens of the title. The second
/// of two equal ones gets some digits of the title's digest behind it.
pub fn slugs(servers: &[Server]) -> Vec<String> {
    let mut all: Vec<String> = Vec::with_capacity(servers.len());
    for server in servers {
        let mut slug = String::new();
        for c in server.title.chars().flat_map(char::to_lowercase) {
            if slug.len() == MAX_SLUG {
                break;
            }
            if c.is_ascii_alphanumeric() {
                slug.push(c);
            } else if !slug.is_empty() && !slug.ends_with('-') {
                slug.push('-');
            }
        }
        let slug = slug.trim_end_matches('-').to_owned();
        if slug.is_empty() || all.contains(&slug) {
            let digits = &hex(&digest(&server.title))[..SLUG_DIGITS];
            let separator = if slug.is_empty() { "" } else { "-" };
            all.push(format!("{slug}{separator}{digits}"));
        } else {
            all.push(slug);
        }
    }
    all
}

/// What is to be done about one entry.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    /// The whole entry, to be sent.
    pub(super) body: Resource,
    /// Of the stored entry; `None`: it is to be made.
    pub(super) id: Option<u64>,
    /// The implementation of the entry of our name that is to become ours.
    pub(super) adopts: Option<String>,
    /// Names of the settings that change; empty: nothing is to be done.
    pub(super) changes: Vec<String>,
}

/// True when the stored entry cannot be the start, so that a template is needed.
pub(super) fn needs_template(part: Part, stored: Option<&Resource>) -> bool {
    stored.is_none_or(|stored| stored.top_text("implementation") != part.implementation())
}

/// True if the entry has the key that it was saved with: same id, same login, a secret that is set.
pub(super) fn holds_key(
    identity: &Identity,
    part: Part,
    stored: Option<&Resource>,
    remembered: Option<u64>,
) -> bool {
    stored.is_some_and(|stored| {
        !needs_template(part, Some(stored))
            && stored.id().is_some()
            && stored.id() == remembered
            && stored.field(part.secret_field()).is_some()
            && (part == Part::Indexer || stored.field_text("username") == identity.title)
    })
}

/// Compares and decides. `template` is needed where [`needs_template`] says so, else ignored. `link` is
/// the id of our client, for the indexer. `key` is set if there is one; without, the stored one stays.
/// `switch_on` repairs an entry that we left switched off ourselves.
pub(super) fn plan(
    identity: &Identity,
    part: Part,
    template: Option<&Resource>,
    stored: Option<&Resource>,
    link: Option<u64>,
    key: Option<&Secret>,
    switch_on: bool,
) -> Option<Plan> {
    let is_new = needs_template(part, stored);
    let mut body = if is_new { template? } else { stored? }.clone();
    let mut adopts = None;
    let mut changes = Vec::new();
    if is_new {
        body.set_top("implementation", text(part.implementation()));
        body.set_top("configContract", text(part.contract()));
        if let Some(stored) = stored {
            adopts = Some(stored.top_text("implementation").to_owned());
            if let Some(id) = stored.id() {
                body.set_top("id", number(id));
            }
            // The user's tags stay with the entry; fields of another kind of program mean nothing here.
            if let Some(tags) = stored.top("tags") {
                body.set_top("tags", tags.clone());
            }
        }
    }

    let mut top = vec![("name", text(&identity.name))];
    let mut fields = identity.place(part);
    match part {
        Part::Client => {
            top.push(("priority", number(CLIENT_PRIORITY)));
            top.push(("removeCompletedDownloads", Value::Bool(true)));
            top.push(("removeFailedDownloads", Value::Bool(true)));
            top.push(("tags", Value::Array(Array::new())));
            fields.push(("username", text(&identity.title)));
            fields.push((identity.category_field(), text(&identity.category())));
            // Sonarr from 4.0.17 on refuses a login beside an API key.
            if body.has_field("apiKey") {
                fields.push(("apiKey", text("")));
            }
        }
        Part::Indexer => {
            top.push(("priority", number(u64::from(identity.priority))));
            if let Some(link) = link {
                top.push(("downloadClientId", number(link)));
            }
            let mut lists = vec![(
                "categories",
                match identity.kind {
                    ServerType::Radarr => MOVIE_CATEGORIES,
                    ServerType::Sonarr => TV_CATEGORIES,
                },
            )];
            if identity.kind == ServerType::Sonarr {
                lists.push(("animeCategories", ANIME_CATEGORIES));
            }
            for (name, ours) in lists {
                // A template's own choice is only a default, the user's is an addition.
                let theirs = if is_new {
                    Vec::new()
                } else {
                    numbers(body.field(name))
                };
                fields.push((name, with_all(theirs, ours)));
            }
            if is_new && identity.kind == ServerType::Sonarr {
                body.set_field("animeStandardFormatSearch", Value::Bool(true));
            }
        }
        Part::Hook => {
            fields.push(("method", number(1))); // POST
            fields.push(("username", text(&identity.title)));
        }
    }
    if !matches!(body.top("tags"), Some(Value::Array(_))) && part != Part::Client {
        top.push(("tags", Value::Array(Array::new())));
    }
    if is_new || switch_on {
        top.extend(
            part.switches()
                .iter()
                .map(|name| (*name, Value::Bool(true))),
        );
    }

    for (name, value) in top {
        if !same(body.top(name), Some(&value)) {
            changes.push(name.to_owned());
            body.set_top(name, value);
        }
    }
    for (name, value) in fields {
        if !same(body.field(name), Some(&value)) {
            changes.push(name.to_owned());
            body.set_field(name, value);
        }
    }
    if let Some(key) = key {
        changes.push(part.secret_field().to_owned());
        body.set_field(part.secret_field(), text(key.expose()));
    }
    Some(Plan {
        id: stored.and_then(Resource::id),
        body,
        adopts,
        changes,
    })
}

/// The same entry, switched off.
pub(super) fn switched_off(part: Part, body: &Resource) -> Resource {
    let mut body = body.clone();
    for name in part.switches() {
        body.set_top(name, Value::Bool(false));
    }
    body
}

/// True if nothing switches the entry on.
pub(super) fn is_off(part: Part, entry: &Resource) -> bool {
    !part
        .switches()
        .iter()
        .any(|name| matches!(entry.top(name), Some(Value::Bool(true))))
}

/// True if a test with this body would use the stored secret.
pub(super) fn is_masked(part: Part, entry: &Resource) -> bool {
    entry.field_text(part.secret_field()) == MASK
}

/// `theirs` with every number of `ours` in it, ascending; untouched if they are there already.
fn with_all(theirs: Vec<u64>, ours: &[u64]) -> Value {
    let mut all = theirs;
    let missing: Vec<u64> = ours
        .iter()
        .copied()
        .filter(|number| !all.contains(number))
        .collect();
    if !missing.is_empty() {
        all.extend(missing);
        all.sort_unstable();
        all.dedup();
    }
    Value::Array(all.into_iter().map(number).collect())
}

#[cfg(test)]
#[path = "wanted_tests.rs"]
mod tests;
