//! The routes of the indexer: who asks, what for, and the answer.
//!
//! `GET /torznab/api` (alias `/api`) answers for all friends, `GET /torznab/{friend}/api` for one,
//! `GET /torznab/download/{guid}.torrent` hands out a stub. HEAD is answered as GET. The owner's key and
//! arrs' keys are valid here, in `apikey` or `X-Api-Key`; a friend's is not (error 102).
//!
//! Statuses follow what Sonarr and Radarr do with them. Errors of the API are XML with HTTP 200, for
//! they read no other; but a fault while answering caps is a 503, because what they make of a 200 is kept for
//! seven days. A stub is either there (200), gone for good (404: the arr takes the next release without
//! blaming the indexer) or cannot be had just now (503: the arr tries again); never a redirect.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::SystemTime;

use crate::catalogue::{Page, StubTarget};
use crate::http::{Request, Response, percent};
use crate::keys::{Caller, Keys};
use crate::peer::client::PeerClient;
use crate::services::Services;
use crate::torrent::stub::{self, Infohash, Stub};
use crate::xml;

use super::feed::{self, Channel};
use super::query::{self, Function, value};
use super::{TorznabError, caps};

const RSS: &str = "application/rss+xml; charset=utf-8";
const XML: &str = "application/xml; charset=utf-8";
const TORRENT: &str = "application/x-bittorrent";

/// Longest file name of a stub (bytes before percent-encoding), `.torrent` not counted: what file
/// systems take, with room for what a browser adds.
const MAX_NAME: usize = 200;

/// `GET /torznab/api`, `GET /api`: all friends as one indexer.
pub fn api(services: &Services, request: &Request) -> Response {
    let answer = identify(&services.keys, request)
        .and_then(|access| answer(services, request, &access, None));
    answer.unwrap_or_else(|error| Response::bytes(200, XML, error.to_xml()))
}

/// `GET /torznab/{friend}/api`: one friend as an indexer of its own, by name or peer id.
pub fn friend_api(services: &Services, request: &Request) -> Response {
    let answer = identify(&services.keys, request).and_then(|access| {
        let name = request.path_params.get("friend").unwrap_or("");
        let friends = services.peers.all();
        let names: Vec<_> = friends
            .iter()
            .map(|peer| (peer.name(), peer.id()))
            .collect();
        match called(&names, name).and_then(|place| friends.get(place)) {
            Some(friend) => answer(services, request, &access, Some(friend)),
            // Not as a 200 for caps: see the module's header.
            None if Function::of(&request.query) == Ok(Function::Caps) => Ok(Response::text(
                404,
                "no friend of this name is configured\n",
            )),
            None => Err(TorznabError::no_such_item(
                "no friend of this name is configured",
            )),
        }
    });
    answer.unwrap_or_else(|error| Response::bytes(200, XML, error.to_xml()))
}

/// `GET /torznab/download/{file}`: the stub of a release.
pub fn download(services: &Services, request: &Request) -> Response {
    let access = match identify(&services.keys, request) {
        Ok(access) => access,
        // A 200 would be taken for a torrent.
        Err(error) => {
            let status = if error.code == 102 { 403 } else { 401 };
            return Response::bytes(status, XML, error.to_xml());
        }
    };
    let Some(guid) = request.path_params.get("file").and_then(guid_of_file) else {
        return Response::text(404, "not the name of a stub\n");
    };
    let found = services.catalogue.stub_target(&guid).and_then(|target| {
        let generation = services.store.generation(access.arr(), &guid)?;
        Ok((target, generation))
    });
    match found {
        Ok((StubTarget::Found(item, origin), generation))
            if stub::is_offerable(item.release.size) =>
        {
            let disposition = content_disposition(&item.release.title);
            let stub = Stub {
                title: item.release.title,
                size: item.release.size,
                generation,
                peer_id: origin.peer_id,
                item_id: origin.item_id,
            };
            Response::bytes(200, TORRENT, stub.to_bytes())
                .header("Content-Disposition", disposition)
        }
        Ok(_) => Response::text(404, "no friend offers this release any more\n"),
        Err(error) => {
            log::error!("cannot hand out stub {guid}: {error}");
            Response::text(503, "jackdaw could not answer, its log says why\n")
        }
    }
}

/// An admitted caller, and the key that it used.
struct Access {
    caller: Caller,
    key: String,
}

impl Access {
    /// The arr that asks, if its key says which.
    fn arr(&self) -> Option<&str> {
        match &self.caller {
            Caller::Arr(title) => Some(title),
            Caller::Owner | Caller::Friend(_) => None,
        }
    }
}

fn identify(keys: &Keys, request: &Request) -> Result<Access, TorznabError> {
    let key = value(&request.query, "apikey")
        .or_else(|| request.presented_key())
        .unwrap_or("");
    match keys.identify(key) {
        Some(Caller::Friend(_)) => Err(TorznabError::insufficient_privileges()),
        Some(caller) => Ok(Access {
            caller,
            key: key.to_owned(),
        }),
        None if !key.is_empty() && keys.is_revoked(key) => Err(TorznabError::suspended()),
        None => Err(TorznabError::incorrect_key()),
    }
}

fn answer(
    services: &Services,
    request: &Request,
    access: &Access,
    friend: Option<&PeerClient>,
) -> Result<Response, TorznabError> {
    let function = Function::of(&request.query);
    if let Some(problem) = &request.query_problem {
        // Not as a 200 for caps: see the module's header.
        if function == Ok(Function::Caps) {
            return Ok(Response::text(400, format!("{problem}\n")));
        }
        return Err(TorznabError::malformed(problem));
    }
    let function = function?;
    let title = match friend {
        Some(friend) => format!("{} ({})", services.config.name, friend.name()),
        None => services.config.name.clone(),
    };
    if function == Function::Caps {
        return Ok(answer_caps(services, &title, friend));
    }

    let peer_id = friend.map(PeerClient::id);
    let mut search = query::search(function, &request.query, peer_id, SystemTime::now())?;
    // Two arrs that ask the same page by page must not disturb each other.
    search.reader = access.arr().unwrap_or_default().to_owned();
    let is_hopeless = query::matches_nothing(&search);
    if !is_hopeless {
        services.catalogue.ask_first(&search);
    }
    // Until the feed is written.
    let _turn = services.catalogue.turn();
    let page = if is_hopeless {
        Ok(Page::default())
    } else {
        services.catalogue.page(&search)
    };
    let found = page.and_then(|page| {
        let guids: Vec<Infohash> = page.items.iter().map(|item| item.guid).collect();
        let generations = services.store.generations(access.arr(), &guids)?;
        Ok((page, generations))
    });
    let (page, generations) = found.map_err(|error| {
        log::error!("cannot answer a search: {error}");
        TorznabError::internal()
    })?;
    let config = &services.config;
    let base = base_url(
        config.internal_url.as_deref(),
        &config.path_prefix,
        request.header("Host"),
        config.listen.first(),
    );
    let path = match friend {
        Some(friend) => format!("/torznab/{}/api", percent::encode(friend.name())),
        None => "/torznab/api".to_owned(),
    };
    let channel = Channel {
        title: &title,
        base: &base,
        path: &path,
        key: &access.key,
        offset: search.offset,
    };
    Ok(Response::bytes(
        200,
        RSS,
        feed::feed(&channel, &page, &generations),
    ))
}

fn answer_caps(services: &Services, title: &str, friend: Option<&PeerClient>) -> Response {
    match services.catalogue.friend_categories() {
        Ok(mut friends) => {
            if let Some(friend) = friend {
                friends.retain(|(_, name)| name == friend.name());
            }
            Response::bytes(
                200,
                XML,
                caps::caps(title, env!("CARGO_PKG_VERSION"), &friends),
            )
        }
        Err(error) => {
            log::error!("cannot answer caps: {error}");
            Response::text(503, "jackdaw could not answer, its log says why\n")
        }
    }
}

/// Which of these names and peer ids is meant. People write their friends' names in URLs by hand, so
/// letter case only counts where two names differ in nothing else.
fn called(friends: &[(&str, &str)], asked: &str) -> Option<usize> {
    let place = |is_meant: &dyn Fn(&str, &str) -> bool| {
        friends.iter().position(|(name, id)| is_meant(name, id))
    };
    place(&|name, _| name == asked)
        .or_else(|| place(&|name, _| name.to_lowercase() == asked.to_lowercase()))
        .or_else(|| place(&|_, id| id == asked))
}

/// Where the caller reaches us, no trailing slash: `internal_url`, else the address that it used,
/// else the one that we listen on. A `Host` that the arrs could not read in a URL is not used.
fn base_url(
    internal_url: Option<&str>,
    path_prefix: &str,
    host: Option<&str>,
    listen: Option<&SocketAddr>,
) -> String {
    if let Some(url) = internal_url {
        return url.trim_end_matches('/').to_owned();
    }
    if let Some(host) = host.map(str::trim).filter(|host| is_plain_host(host)) {
        return format!("http://{host}{path_prefix}");
    }
    let mut address = listen
        .copied()
        .unwrap_or(SocketAddr::from((Ipv4Addr::LOCALHOST, 5225)));
    if address.ip().is_unspecified() {
        address.set_ip(match address.ip() {
            IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    format!("http://{address}{path_prefix}")
}

/// Host and optional port as Sonarr's and Radarr's own URI pattern wants them.
fn is_plain_host(host: &str) -> bool {
    let (name, rest) = if let Some(inner) = host.strip_prefix('[') {
        let Some((address, rest)) = inner.split_once(']') else {
            return false;
        };
        if address.parse::<Ipv6Addr>().is_err() {
            return false;
        }
        (address, rest)
    } else {
        let end = host.find(':').unwrap_or(host.len());
        let (name, rest) = host.split_at(end);
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        if !name.bytes().all(is_plain) {
            return false;
        }
        (name, rest)
    };
    let is_port =
        |port: &str| port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok();
    !name.is_empty() && (rest.is_empty() || rest.strip_prefix(':').is_some_and(is_port))
}

/// `{40 hex digits}.torrent`
fn guid_of_file(file: &str) -> Option<Infohash> {
    Infohash::parse(file.strip_suffix(".torrent")?)
}

/// `attachment` with the release title as file name, in the form of RFC 6266 and RFC 8187. The name
/// is ASCII once encoded; what no file system likes is replaced before.
fn content_disposition(title: &str) -> String {
    let mut name = String::new();
    for c in title.chars() {
        let c = match c {
            '/' | '\\' | ':' | '*' | '?' | '"' | '<' | '>' | '|' => '_',
            c if c.is_control() || !xml::is_allowed(c) => continue,
            c => c,
        };
        if name.len() + c.len_utf8() > MAX_NAME {
            break;
        }
        name.push(c);
    }
    let name = match name.trim_matches(|c: char| c == '.' || c.is_whitespace()) {
        "" => "release",
        name => name,
    };
    format!(
        "attachment; filename*=UTF-8''{}.torrent",
        percent::encode(name)
    )
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::http::{Method, Params};
    use crate::qbittorrent::tests::rig::{OWNER_KEY, Rig};
    use crate::secret::{Secret, digest, random_hex};
    use crate::store::Store;

    fn request(query: &[(&str, &str)], headers: &[(&str, &str)]) -> Request {
        let owned = |pairs: &[(&str, &str)]| {
            pairs
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect::<Vec<_>>()
        };
        Request {
            method: Method::Get,
            path: "/torznab/api".into(),
            query: Params(owned(query)),
            query_problem: None,
            headers: owned(headers),
            body: Vec::new(),
            remote: Ipv4Addr::LOCALHOST.into(),
            path_params: Params::default(),
            caller: None,
        }
    }

    #[test]
    fn keys_decide_who_may_ask() {
        let dir = std::env::temp_dir().join(format!("jackdaw-torznab-{}", random_hex::<8>()));
        std::fs::create_dir_all(&dir).unwrap();
        let store = Arc::new(Store::open(&dir).unwrap());
        for (role, name, key, revoked_at) in [
            ("arr", "Main Radarr", "arr-key", None),
            ("arr", "Old Radarr", "old-key", Some(1)),
            ("friend", "alice", "friend-key", None),
        ] {
            store
                .writer()
                .execute(
                    "INSERT INTO key (role, name, sha256, created_at, revoked_at)
                     VALUES (?1, ?2, ?3, 1, ?4)",
                    rusqlite::params![role, name, digest(key), revoked_at],
                )
                .unwrap();
        }
        let keys = Keys::with_owner(Secret::new("owner-key"), store);
        let admitted = |query: &[(&str, &str)], headers: &[(&str, &str)], arr: Option<&str>| {
            let access = identify(&keys, &request(query, headers)).ok().unwrap();
            assert_eq!(access.arr(), arr, "{query:?}");
            assert!(access.key.ends_with("-key"));
        };
        admitted(&[("apikey", "owner-key")], &[], None);
        admitted(&[("apikey", "arr-key")], &[], Some("Main Radarr"));
        admitted(&[("APIKEY", "arr-key")], &[], Some("Main Radarr"));
        admitted(&[], &[("x-api-key", "arr-key")], Some("Main Radarr"));
        admitted(&[("apikey", "")], &[("X-Api-Key", "owner-key")], None);
        let refused = |query: &[(&str, &str)], code: u16| {
            let error = identify(&keys, &request(query, &[])).err().unwrap();
            assert_eq!(error.code, code, "{query:?}");
        };
        refused(&[], 100);
        refused(&[("apikey", "")], 100);
        refused(&[("apikey", "wrong")], 100);
        refused(&[("apikey", "wrong"), ("apikey", "owner-key")], 100);
        refused(&[("apikey", "old-key")], 101);
        refused(&[("apikey", "friend-key")], 102);
        std::fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn searches_take_turns_and_capabilities_need_none() {
        let rig = Rig::new();
        let services = &rig.services;
        let turns = services.catalogue.turns();
        let mut held: Vec<_> = std::iter::from_fn(|| turns.enter(Duration::ZERO)).collect();
        assert!(held.len() >= 2);
        let asked = |function| request(&[("apikey", OWNER_KEY), ("t", function)], &[]);
        assert_eq!(api(services, &asked("caps")).status, 200);
        std::thread::scope(|scope| {
            let search = scope.spawn(|| api(services, &asked("search")).status);
            while turns.waiting() == 0 && !search.is_finished() {
                std::thread::yield_now();
            }
            assert_eq!(turns.waiting(), 1);
            held.pop();
            assert_eq!(search.join().unwrap(), 200);
        });
        // Given back with the answer in hand: whoever reads it slowly holds up nobody.
        assert_eq!(turns.inside(), held.len());
    }

    #[test]
    fn the_base_is_one_that_the_arrs_can_read() {
        let everywhere: SocketAddr = "0.0.0.0:5225".parse().unwrap();
        let check = |internal: Option<&str>, host: Option<&str>, expected: &str| {
            let found = base_url(internal, "", host, Some(&everywhere));
            assert_eq!(found, expected, "{internal:?} {host:?}");
        };
        check(
            Some("https://me.example/x"),
            Some("evil"),
            "https://me.example/x",
        );
        check(None, Some("jackdaw:5225"), "http://jackdaw:5225");
        check(None, Some("192.168.1.2"), "http://192.168.1.2");
        check(None, Some("my_host-1.lan:80"), "http://my_host-1.lan:80");
        check(None, Some("[::1]:5225"), "http://[::1]:5225");
        check(None, Some("[fe80::1]"), "http://[fe80::1]");
        for wrong in [
            "",
            "a b",
            "a/b",
            "user@host",
            "host:",
            "host:x",
            "host:99999",
            "host:80:80",
            "hö",
            "[::1",
            "[x]",
            "[::1]x",
            "a\"b",
            "a<b",
            ":80",
            "host:+80",
        ] {
            check(None, Some(wrong), "http://127.0.0.1:5225");
        }
        check(None, None, "http://127.0.0.1:5225");
        let six: SocketAddr = "[::]:81".parse().unwrap();
        assert_eq!(base_url(None, "/x", None, Some(&six)), "http://[::1]:81/x");
        assert_eq!(base_url(None, "", None, None), "http://127.0.0.1:5225");
    }

    #[test]
    fn stub_names_are_read_strictly() {
        let hash = stub::base_hash("a", 2);
        assert_eq!(guid_of_file(&format!("{hash}.torrent")), Some(hash));
        for wrong in [
            "",
            ".torrent",
            "api",
            &format!("{hash}"),
            &format!("{hash}.torrent/"),
            "x.torrent",
        ] {
            assert_eq!(guid_of_file(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn file_names_are_plain_ascii_headers() {
        let check = |title: &str, expected: &str| {
            let expected = format!("attachment; filename*=UTF-8''{expected}.torrent");
            assert_eq!(content_disposition(title), expected, "{title:?}");
        };
        check("The.Matrix.1999-GROUP", "The.Matrix.1999-GROUP");
        check("Amélie 2001", "Am%C3%A9lie%202001");
        check("a/../b\\c: \"d\"", "a_.._b_c_%20_d_");
        check("..hidden", "hidden");
        check("a\r\nSet-Cookie: b\u{0}", "aSet-Cookie_%20b");
        check("", "release");
        check("..", "release");
        let long = content_disposition(&"é".repeat(300));
        assert_eq!(long.matches("%C3%A9").count(), MAX_NAME / 2);
    }

    #[test]
    fn friends_are_called_by_name_or_id() {
        let friends = [
            ("Alice", "a1"),
            ("alice", "a2"),
            ("Söhne/x", "a3"),
            ("a1", "a4"),
        ];
        for (asked, expected) in [
            ("Alice", Some(0)),
            ("alice", Some(1)),
            ("ALICE", Some(0)),
            ("SÖHNE/X", Some(2)),
            ("a1", Some(3)),
            ("a2", Some(1)),
            ("A2", None),
            ("Alic", None),
            ("", None),
        ] {
            assert_eq!(called(&friends, asked), expected, "{asked}");
        }
    }
}
