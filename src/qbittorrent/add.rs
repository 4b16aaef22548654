//! `torrents/add`: the only way in for a download.
//!
//! Takes our own stubs, as files or as our own stub URLs. All are checked before the first is added, so
//! that a refusal changes nothing. What is refused, and how: nothing given 200 `Fails.`; not a torrent
//! 415 with the real server's text; a torrent, magnet or URL of somebody else 415 with the reason
//! (an arr takes any status of 400 and more as "couldn't add"); a friend who is no longer configured, or
//! no `[downloads]`, 503. A stub that the same login has under way is accepted and changes nothing.

use crate::catalogue::StubTarget;
use crate::downloads::{AddError, Downloads, NewGrab, QueueMove, Selection};
use crate::keys::Caller;
use crate::torrent::stub::{Infohash, Stub, StubError};

use super::dispatch::{Answer, Context, Refusal, text};
use super::input::is_category;
use super::journal::Kind;
use super::labels;

/// URLs that one request may name; each may cost a question to a friend.
const MAX_URLS: usize = 20;

pub(super) fn add(context: &Context<'_>) -> Answer {
    let urls: Vec<&str> = context
        .input
        .text("urls")
        .lines()
        .map(str::trim)
        .filter(|url| !url.is_empty())
        .collect();
    if context.input.files.is_empty()
        && urls.iter().all(|url| UrlKind::of(url) == UrlKind::Unusable)
    {
        return text("Fails.");
    }
    let Some(downloads) = context.downloads() else {
        return Err(Refusal::new(
            503,
            "jackdaw downloads nothing: its configuration has no [downloads] section",
        ));
    };
    let torrents = collect(context, &urls)?;
    for (name, torrent) in &torrents {
        downloads.check(torrent).map_err(|error| {
            let refusal = refusal(name, error);
            context.note(
                Kind::Warning,
                &format!("Couldn't add torrent \"{name}\". Reason: {}", refusal.text),
            );
            refusal
        })?;
    }
    let options = Options::read(context)?;
    for (name, torrent) in torrents {
        let title = Stub::parse(&torrent).map_or_else(|_| name.clone(), |(stub, _)| stub.title);
        let hash = downloads
            .add(options.grab(context, torrent))
            .map_err(|error| refusal(&name, error))?;
        options.apply(context, downloads, hash)?;
        context.note(
            Kind::Normal,
            &format!("Added new torrent. Torrent: \"{title}\""),
        );
    }
    text("Ok.")
}

/// Names and bytes of what is to be added.
fn collect(context: &Context<'_>, urls: &[&str]) -> Result<Vec<(String, Vec<u8>)>, Refusal> {
    let mut torrents: Vec<(String, Vec<u8>)> = Vec::new();
    for upload in &context.input.files {
        // Two files of one name: the last counts, as on the real server.
        torrents.retain(|(name, _)| *name != upload.filename);
        torrents.push((upload.filename.clone(), upload.bytes.clone()));
    }
    if urls.len() > MAX_URLS {
        return Err(Refusal::new(
            400,
            format!("at most {MAX_URLS} URLs can be added at once"),
        ));
    }
    for url in urls {
        match UrlKind::of(url) {
            UrlKind::Unusable => {}
            UrlKind::Magnet => {
                return Err(Refusal::new(
                    415,
                    "jackdaw downloads from friends only and cannot use magnet links",
                ));
            }
            UrlKind::Web => torrents.push((url_name(url), stub_of(context, url)?)),
        }
    }
    Ok(torrents)
}

/// What a line of `urls` is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum UrlKind {
    Web,
    /// A magnet link, or a bare infohash.
    Magnet,
    Unusable,
}

impl UrlKind {
    fn of(url: &str) -> UrlKind {
        let starts = |prefix: &str| {
            url.get(..prefix.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(prefix))
        };
        let is_hash =
            |length, is_digit: fn(u8) -> bool| url.len() == length && url.bytes().all(is_digit);
        if starts("http://") || starts("https://") {
            UrlKind::Web
        } else if starts("magnet:")
            || is_hash(40, |byte| byte.is_ascii_hexdigit())
            || is_hash(
                32,
                |byte| matches!(byte, b'A'..=b'Z' | b'a'..=b'z' | b'2'..=b'7'),
            )
        {
            UrlKind::Magnet
        } else {
            UrlKind::Unusable
        }
    }
}

/// The last part of a URL's path, without the query: that may hold a key.
fn url_name(url: &str) -> String {
    let path = url.split(['?', '#']).next().unwrap_or_default();
    path.rsplit('/').next().unwrap_or_default().to_string()
}

/// Guid and key of one of our own stub URLs, whatever the host: people reach us under many names.
fn own_stub(url: &str) -> Option<(Infohash, String)> {
    let (path, query) = url.split_once('?')?;
    let (base, file) = path.rsplit_once('/')?;
    if !base.ends_with("/torznab/download") {
        return None;
    }
    let guid = Infohash::parse(file.strip_suffix(".torrent")?)?;
    let query = query.split('#').next().unwrap_or_default();
    let key = query
        .split('&')
        .find_map(|pair| pair.strip_prefix("apikey="))?;
    Some((guid, key.to_string()))
}

/// The stub that one of our own URLs stands for, made here: jackdaw does not call itself.
fn stub_of(context: &Context<'_>, url: &str) -> Result<Vec<u8>, Refusal> {
    let foreign = || {
        Refusal::new(
            415,
            "this is not a download link of this jackdaw: it downloads from friends only",
        )
    };
    let (guid, key) = own_stub(url).ok_or_else(foreign)?;
    // The stub that a GET of this URL would give: whoever passed it on may have computed its hash.
    let arr = match context.services.keys.identify(&key) {
        Some(Caller::Owner) => None,
        Some(Caller::Arr(title)) => Some(title),
        Some(Caller::Friend(_)) | None => return Err(foreign()),
    };
    let StubTarget::Found(item, origin) = context.services.catalogue.stub_target(&guid)? else {
        return Err(Refusal::new(404, "no friend has this release any more"));
    };
    let generation = context.services.store.generation(arr.as_deref(), &guid)?;
    let stub = Stub {
        title: item.release.title,
        size: item.release.size,
        generation,
        peer_id: origin.peer_id,
        item_id: origin.item_id,
    };
    Ok(stub.to_bytes())
}

fn refusal(name: &str, error: AddError) -> Refusal {
    let refusal = match error {
        AddError::Stub(StubError::NotATorrent(_)) => {
            Refusal::new(415, format!("Error: '{name}' is not a valid torrent file."))
        }
        AddError::Stub(error @ StubError::Foreign) => Refusal::new(415, error.to_string()),
        AddError::TooLarge { size, limit } => Refusal::new(
            415,
            format!("the release has {size} bytes, more than max_file_size allows ({limit})"),
        ),
        AddError::UnknownPeer(peer) => Refusal::new(
            503,
            format!("the friend that this release comes from ({peer}) is not configured any more"),
        ),
        AddError::Unavailable(why) => Refusal::new(503, why),
    };
    log::warn!("torrents/add refused {name:?}: {}", refusal.text);
    refusal
}

/// What else the request says of the new torrents.
struct Options {
    category: String,
    tags: String,
    to_top: bool,
    up_limit: u64,
}

impl Options {
    fn read(context: &Context<'_>) -> Result<Options, Refusal> {
        let input = &context.input;
        // An invalid category is dropped, an unknown one is created: both as the real server does.
        let category = input.text("category");
        let category = if is_category(category) && labels::ensure_category(context, category)? {
            category.to_string()
        } else {
            String::new()
        };
        let mut tags = input.tags();
        if !tags.is_empty() {
            context
                .services
                .store
                .create_tags(&context.who.login, &tags)?;
            context.face.labels_changed();
        }
        tags.sort();
        Ok(Options {
            category,
            tags: tags.join(", "),
            to_top: input.boolean("addToTopOfQueue") == Some(true),
            up_limit: input.rate("upLimit"),
        })
    }

    fn grab(&self, context: &Context<'_>, torrent: Vec<u8>) -> NewGrab {
        let input = &context.input;
        NewGrab {
            arr: context.who.login.clone(),
            torrent,
            category: self.category.clone(),
            tags: self.tags.clone(),
            paused: input
                .boolean("paused")
                .or_else(|| input.boolean("stopped"))
                .unwrap_or(false),
            force_start: false,
            ratio_limit: input.number("ratioLimit").unwrap_or(-2.0),
            seeding_time_limit: input.integer("seedingTimeLimit").unwrap_or(-2),
            inactive_seeding_time_limit: input.integer("inactiveSeedingTimeLimit").unwrap_or(-2),
            download_limit: input.rate("dlLimit"),
            // `rename` is ignored, as `torrents/rename` is refused.
        }
    }

    /// What a grab can be given only once it is there.
    fn apply(
        &self,
        context: &Context<'_>,
        downloads: &Downloads,
        hash: Infohash,
    ) -> Result<(), Refusal> {
        let scope = crate::grab::Scope::Arr(context.who.login.clone());
        let which = Selection::Hashes(vec![hash]);
        if self.to_top {
            downloads.move_in_queue(&scope, &which, QueueMove::Top)?;
        }
        if self.up_limit > 0 {
            downloads.set_upload_limit(&scope, &which, self.up_limit)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_urls_are_told_apart() {
        for (url, kind) in [
            ("http://x/a", UrlKind::Web),
            ("HTTPS://x/a", UrlKind::Web),
            ("magnet:?xt=urn:btih:aa", UrlKind::Magnet),
            ("0123456789abcdef0123456789ABCDEF01234567", UrlKind::Magnet),
            ("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", UrlKind::Magnet),
            ("not a url", UrlKind::Unusable),
            ("ftp://x/a", UrlKind::Unusable),
            ("é", UrlKind::Unusable),
            ("htt", UrlKind::Unusable),
        ] {
            assert_eq!(UrlKind::of(url), kind, "{url}");
        }
    }

    #[test]
    fn our_own_stub_urls_are_known_by_path_and_key() {
        let guid = "ab".repeat(20);
        let found = Some((Infohash([0xab; 20]), "k".to_string()));
        for (url, expected) in [
            (
                format!("http://jackdaw:5225/torznab/download/{guid}.torrent?apikey=k"),
                &found,
            ),
            (
                format!("https://x/pre/fix/torznab/download/{guid}.torrent?a=b&apikey=k#f"),
                &found,
            ),
            (format!("http://x/torznab/download/{guid}.torrent"), &None),
            (format!("http://x/torznab/download/{guid}?apikey=k"), &None),
            (format!("http://x/download/{guid}.torrent?apikey=k"), &None),
            (
                "http://x/torznab/download/xyz.torrent?apikey=k".to_string(),
                &None,
            ),
            ("http://x".to_string(), &None),
        ] {
            assert_eq!(&own_stub(&url), expected, "{url}");
        }
        assert_eq!(url_name("http://x/a/b.torrent?apikey=secret"), "b.torrent");
    }
}
